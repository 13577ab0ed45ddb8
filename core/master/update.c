/* update.c - UPDATE_FRAMEWORK: all of it or nothing, answered when it is done.
 *
 *	rules (400) -> authorizer, each role (403) -> record durable -> carried out (200)
 *
 * Offers of roles that are left are rescinded; agents hear of it if the
 * FrameworkInfo has changed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/internal.h"

struct update {
	struct list in_master;
	struct master *m;
	mz_key framework;
	struct arena arena; /* owns call */
	Mesos__V1__Scheduler__Call__UpdateFramework *call;
	struct http_exchange *x;
	bool is_written; /* the new FrameworkInfo, not only what was there */
	size_t n_waiting;
	struct mz_err refused;
};

static void update_free(struct update *u)
{
	list_remove(&u->in_master);
	arena_done(&u->arena);
	free(u);
}

void updates_drop(struct master *m)
{
	list_each(&m->updates, struct update, in_master, u) {
		store_forget(m->store, u);
		http_reply_text(u->x, 503, "Master is ending");
		update_free(u);
	}
}

static int check(struct framework *f, const Mesos__V1__Scheduler__Call__UpdateFramework *u, struct mz_err *err)
{
	const pb_framework_info *old = f->info, *new = u->framework_info;
	if (!new->id || !str_eq(new->id->value, f->id))
		return mz_fail(err, -EINVAL, "'framework_info.id' differs from 'framework_id'");
	if (!str_eq(old->principal, new->principal))
		return mz_fail(err, -EINVAL, "The principal of a framework cannot change");
	if (!str_eq(old->user, new->user))
		return mz_fail(err, -EINVAL, "The user of a framework cannot change");
	if (!old->checkpoint != !new->checkpoint)
		return mz_fail(err, -EINVAL, "Checkpointing of a framework cannot change");
	return framework_info_allowed(f->m, new, u->suppressed_roles, u->n_suppressed_roles, u->offer_constraints,
				      err);
}

static void rescind_left_roles(struct framework *f)
{
	list_each(&f->offers, struct offer, in_framework, o)
		if (!framework_has_role(f, o->role))
			offer_return(o, -1, true);
}

void framework_update(struct framework *f, const pb_framework_info *info, char **suppressed, size_t n_suppressed,
		      const Mesos__V1__Scheduler__OfferConstraints *constraints)
{
	bool changed = !pb_equal(&f->info->base, &info->base);
	struct map before = f->suppressed;
	f->suppressed = (struct map){0};
	framework_set_info(f, info, suppressed, n_suppressed, constraints);
	rescind_left_roles(f);
	alloc_update_framework(f);
	offers_return_suppressed(f);
	/* A role that is wanted again forgets what was declined of it. */
	for (size_t i = 0; i < f->n_roles; i++)
		if (map_has(&before, f->roles[i]) && !map_has(&f->suppressed, f->roles[i]))
			alloc_revive(f, (char **)&f->roles[i], 1);
	map_done(&before);
	if (changed)
		framework_broadcast_info(f);
	log_info(AREA, "Framework %s (%s) %s", f->id, f->info->name,
		 changed ? "has updated itself" : "has updated its roles' suppression and constraints");
}

static void write_record(struct update *u, const struct framework *f);

static void on_durable(void *arg)
{
	struct update *u = arg;
	Mesos__V1__Scheduler__Call__UpdateFramework *c = u->call;
	struct framework *f = framework_by_key(u->m, u->framework);
	if (f && !u->is_written && !pb_equal(&f->info->base, &c->framework_info->base)) {
		write_record(u, f); /* what was on record is not any more */
		return;
	}
	if (f) {
		framework_update(f, c->framework_info, c->suppressed_roles, c->n_suppressed_roles, c->offer_constraints);
		http_reply(u->x, 200, NULL, NULL, 0);
	} else {
		http_reply_text(u->x, 400, "Framework cannot be found");
	}
	update_free(u);
}

static void write_record(struct update *u, const struct framework *f)
{
	const pb_framework_info *info = u->call->framework_info;
	u->is_written = !pb_equal(&f->info->base, &info->base);
	if (u->is_written)
		framework_put(u->m, info, f->registered_time, 0, on_durable, u);
	else
		store_barrier(u->m->store, on_durable, u);
}

static void on_authorized(void *arg, const struct mz_err *err)
{
	struct update *u = arg;
	if (err && !u->refused.code)
		u->refused = *err;
	if (--u->n_waiting)
		return;
	struct framework *f = framework_by_key(u->m, u->framework);
	struct mz_err again;
	if (u->refused.code)
		http_reply_text(u->x, 403, "%s", u->refused.msg);
	else if (!f)
		http_reply_text(u->x, 400, "Framework cannot be found");
	else if (check(f, u->call, &again) < 0) /* it may have subscribed anew meanwhile */
		http_reply_text(u->x, 400, "%s", again.msg);
	else {
		write_record(u, f);
		return;
	}
	update_free(u);
}

static void authorize(struct update *u, const struct framework *f, const char *principal)
{
	const pb_framework_info *info = u->call->framework_info;
	const char **roles;
	size_t n = framework_roles(info, &u->arena, &roles);
	u->n_waiting = n + 1; /* the last one is our own: fn may be called from inside */
	for (size_t i = 0; i < n; i++) {
		struct mz_object o = {
			.size = sizeof(o),
			.value = roles[i],
			.role = roles[i],
			.user = info->user,
			.framework_id = f->id,
			.framework_name = info->name,
			.framework_principal = info->principal,
		};
		authz_check(u->m, MZ_ACTION_REGISTER_FRAMEWORK, principal ? principal : info->principal, &o,
			    on_authorized, u);
	}
	on_authorized(u, NULL);
}

void call_update_framework(struct call_ctx *c, const char *principal, struct http_exchange *x)
{
	struct mz_err err;
	Mesos__V1__Scheduler__Call__UpdateFramework *call = c->call->update_framework;
	framework_fill_info(call->framework_info);
	if (!call->framework_info->principal && c->f->info->principal && principal)
		call->framework_info->principal = arena_strdup(c->arena, principal);
	if (check(c->f, call, &err) < 0) {
		http_reply_text(x, 400, "%s", err.msg);
		return;
	}
	struct update *u = xnew(struct update);
	u->m = c->m;
	u->framework = c->f->key;
	u->call = call;
	u->x = x;
	u->arena = *c->arena;
	*c->arena = (struct arena){0};
	list_append(&c->m->updates, &u->in_master);
	authorize(u, c->f, principal);
}
