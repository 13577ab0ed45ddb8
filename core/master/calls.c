/* calls.c - the scheduler's short calls: DECLINE, REVIVE, SUPPRESS, REQUEST,
 * those about inverse offers and about operations.
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

/* One wrong role drops the whole call. */
static bool roles_are_known(const struct call_ctx *c, char **roles, size_t n)
{
	struct mz_err err = {0};
	if (n > FRAMEWORK_MAX_ROLES) {
		call_refuse(c->f, (int)c->call->type, "It names %zu roles, which no framework can have", n);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (role_check(roles[i], &err) < 0)
			call_refuse(c->f, (int)c->call->type, "%s", err.msg);
		else if (!framework_has_role(c->f, roles[i]))
			call_refuse(c->f, (int)c->call->type, "Role '%.80s' is not one that it is subscribed with",
				    roles[i]);
		else
			continue;
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
	offers_return_suppressed(c->f);
}

void call_request(struct call_ctx *c)
{
	Mesos__V1__Scheduler__Call__Request *r = c->call->request;
	c->m->metrics.messages_resource_request++;
	for (size_t i = 0; i < r->n_requests; i++) {
		Mesos__V1__Request *one = r->requests[i];
		struct agent *a = one->agent_id ? agent_get(c->m, one->agent_id->value) : NULL;
		resources *wanted = res_new();
		struct mz_err err = {0};
		if (res_from_pb(one->resources, one->n_resources, wanted, &err) < 0)
			call_refuse(c->f, (int)c->call->type, "Request %zu: %s", i, err.msg);
		else if (one->agent_id && !a)
			call_refuse(c->f, (int)c->call->type, "Request %zu: agent '%.80s' is unknown", i,
				    one->agent_id->value);
		else
			alloc_request(c->f, a, wanted);
		res_free(wanted);
	}
}

/* ---- what there is nothing of -------------------------------------------------- */

/* Inverse offers are made for maintenance alone. The ids of a call that comes
 * without are of ended ones. */
void call_inverse_offers(struct call_ctx *c)
{
	call_refuse(c->f, (int)c->call->type, "The inverse offers are not outstanding");
}

void call_acknowledge_operation(struct call_ctx *c)
{
	c->m->metrics.messages_operation_ack++;
	c->m->metrics.invalid_operation_acks++;
	call_refuse(c->f, (int)c->call->type, "No status of an operation waits for it");
}
