/* calls.c - the scheduler's short calls: DECLINE, REVIVE, SUPPRESS, REQUEST,
 * TEARDOWN, UPDATE_FRAMEWORK.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/internal.h"

void call_decline(struct call_ctx *c)
{
	Mesos__V1__Scheduler__Call__Decline *d = c->call->decline;
	int64_t refuse = refuse_ns(d->filters);
	c->m->metrics.messages_decline_offers++;
	for (size_t i = 0; i < d->n_offer_ids; i++) {
		struct offer *o = offer_get(c->m, d->offer_ids[i]->value);
		if (!o || o->framework != c->f)
			continue; /* it has been rescinded: nothing to say */
		c->f->metrics.offers_declined++;
		offer_return(o, refuse, false);
	}
}

/* One wrong role drops the whole call, silently. */
static bool roles_are_known(const struct call_ctx *c, char **roles, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (framework_has_role(c->f, roles[i]))
			continue;
		log_warning(AREA, "Framework %s names role '%s', which it is not subscribed with; the call is dropped",
			    c->f->id, roles[i]);
		return false;
	}
	return true;
}

void call_revive(struct call_ctx *c)
{
	Mesos__V1__Scheduler__Call__Revive *r = c->call->revive;
	char **roles = r ? r->roles : NULL;
	size_t n = r ? r->n_roles : 0;
	c->m->metrics.messages_revive_offers++;
	if (!roles_are_known(c, roles, n))
		return;
	for (size_t i = 0; i < n; i++)
		map_del(&c->f->suppressed, roles[i]);
	if (!n)
		map_done(&c->f->suppressed);
	alloc_revive(c->f, roles, n);
}

void call_suppress(struct call_ctx *c)
{
	Mesos__V1__Scheduler__Call__Suppress *s = c->call->suppress;
	char **roles = s ? s->roles : NULL;
	size_t n = s ? s->n_roles : 0;
	c->m->metrics.messages_suppress_offers++;
	if (!roles_are_known(c, roles, n))
		return;
	for (size_t i = 0; i < n; i++)
		map_put(&c->f->suppressed, roles[i], c->f);
	for (size_t i = 0; !n && i < c->f->n_roles; i++)
		map_put(&c->f->suppressed, c->f->roles[i], c->f);
	alloc_suppress(c->f, roles, n);
}

void call_request(struct call_ctx *c)
{
	Mesos__V1__Scheduler__Call__Request *r = c->call->request;
	c->m->metrics.messages_resource_request++;
	for (size_t i = 0; i < r->n_requests; i++) {
		Mesos__V1__Request *one = r->requests[i];
		struct agent *a = one->agent_id ? agent_get(c->m, one->agent_id->value) : NULL;
		resources *wanted = res_new();
		if (res_from_pb(one->resources, one->n_resources, wanted, NULL) == 0)
			alloc_request(c->f, a, wanted);
		res_free(wanted);
	}
}

void call_teardown(struct call_ctx *c)
{
	c->m->metrics.messages_unregister_framework++;
	framework_remove(c->f, MASTER_FRAMEWORK_ON_TEARDOWN, "its scheduler asked for it");
}

/* ---- UPDATE_FRAMEWORK ----------------------------------------------------------- */

static int check_update(const struct call_ctx *c, struct mz_err *err)
{
	Mesos__V1__Scheduler__Call__UpdateFramework *u = c->call->update_framework;
	const pb_framework_info *old = c->f->info, *new = u->framework_info;
	if (!new->id || !str_eq(new->id->value, c->f->id))
		return mz_fail(err, -EINVAL, "'framework_info.id' differs from 'framework_id'");
	if (!str_eq(old->principal, new->principal))
		return mz_fail(err, -EINVAL, "The principal of a framework cannot change");
	if (!str_eq(old->user, new->user))
		return mz_fail(err, -EINVAL, "The user of a framework cannot change");
	if (!old->checkpoint != !new->checkpoint)
		return mz_fail(err, -EINVAL, "Checkpointing of a framework cannot change");
	return framework_info_allowed(c->m, new, u->suppressed_roles, u->n_suppressed_roles, u->offer_constraints,
				      err);
}

struct update {
	struct master *m;
	mz_key framework;
	struct arena arena;
	pb_call *call;
	struct http_exchange *x;
	size_t n_waiting;
	struct mz_err refused;
};

static void rescind_left_roles(struct framework *f)
{
	list_each(&f->offers, struct offer, in_framework, o)
		if (!framework_has_role(f, o->role))
			offer_return(o, -1, true);
}

static void apply_update(struct framework *f, Mesos__V1__Scheduler__Call__UpdateFramework *u)
{
	bool changed = !pb_equal(&f->info->base, &u->framework_info->base);
	struct map before = f->suppressed;
	f->suppressed = (struct map){0};
	framework_set_info(f, u->framework_info, u->suppressed_roles, u->n_suppressed_roles, u->offer_constraints);
	rescind_left_roles(f);
	alloc_update_framework(f);
	for (size_t i = 0; i < f->n_roles; i++)
		if (map_has(&before, f->roles[i]) && !map_has(&f->suppressed, f->roles[i]))
			alloc_revive(f, (char **)&f->roles[i], 1);
	map_done(&before);
	if (!changed)
		return;
	framework_save(f, NULL, NULL);
	framework_broadcast_info(f);
}

static void on_update_authorized(void *arg, const struct mz_err *err)
{
	struct update *u = arg;
	if (err && !u->refused.code)
		u->refused = *err;
	if (--u->n_waiting)
		return;
	struct framework *f = framework_by_key(u->m, u->framework);
	if (u->refused.code) {
		http_reply_text(u->x, 403, "%s", u->refused.msg);
	} else if (!f) {
		http_reply_text(u->x, 400, "Framework cannot be found");
	} else {
		apply_update(f, u->call->update_framework);
		http_reply(u->x, 200, NULL, NULL, 0);
	}
	arena_done(&u->arena);
	free(u);
}

void call_update_framework(struct call_ctx *c, const char *principal, struct http_exchange *x)
{
	struct mz_err err;
	Mesos__V1__Scheduler__Call__UpdateFramework *call = c->call->update_framework;
	if (!call->framework_info->principal && c->f->info->principal && principal)
		call->framework_info->principal = arena_strdup(c->arena, principal);
	if (check_update(c, &err) < 0) {
		http_reply_text(x, 400, "%s", err.msg);
		return;
	}
	struct update *u = xnew(struct update);
	u->m = c->m;
	u->framework = c->f->key;
	u->call = c->call;
	u->x = x;
	u->arena = *c->arena;
	*c->arena = (struct arena){0};
	const char **roles;
	size_t n = framework_roles(call->framework_info, &u->arena, &roles);
	u->n_waiting = n + 1;
	for (size_t i = 0; i < n; i++) {
		struct mz_object o = {
			.size = sizeof(o),
			.value = roles[i],
			.role = roles[i],
			.user = call->framework_info->user,
			.framework_id = c->f->id,
			.framework_name = call->framework_info->name,
			.framework_principal = call->framework_info->principal,
		};
		authz_check(c->m, MZ_ACTION_REGISTER_FRAMEWORK, principal, &o, on_update_authorized, u);
	}
	on_update_authorized(u, NULL);
}
