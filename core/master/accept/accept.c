/* accept.c - ACCEPT: offers are checked and used up, the authorizer is asked,
 * operations run in order on what the offers hold, the rest goes back.
 *
 *	offers valid? -> authorizer (each task, each resource) -> agent there? -> operations -> leftovers
 *
 * Framework and agent may go away while the authorizer thinks; an accept holds
 * keys, not pointers, across that step.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/accept/accept.h"

#define TYPE(name) MESOS__V1__OFFER__OPERATION__TYPE__##name

#define PAYLOAD(member)                                              \
	static const void *member##_of(const pb_operation *op)       \
	{                                                            \
		return op->member;                                   \
	}
PAYLOAD(launch)
PAYLOAD(launch_group)
PAYLOAD(reserve)
PAYLOAD(unreserve)
PAYLOAD(create)
PAYLOAD(destroy)
PAYLOAD(grow_volume)
PAYLOAD(shrink_volume)
PAYLOAD(create_disk)
PAYLOAD(destroy_disk)

static const struct operation_type types[] = {
	{TYPE(UNKNOWN), NULL, apply_unknown},
	{TYPE(LAUNCH), launch_of, apply_launch},
	{TYPE(LAUNCH_GROUP), launch_group_of, apply_launch_group},
	{TYPE(RESERVE), reserve_of, apply_resources},
	{TYPE(UNRESERVE), unreserve_of, apply_resources},
	{TYPE(CREATE), create_of, apply_resources},
	{TYPE(DESTROY), destroy_of, apply_resources},
	{TYPE(GROW_VOLUME), grow_volume_of, apply_resources},
	{TYPE(SHRINK_VOLUME), shrink_volume_of, apply_resources},
	{TYPE(CREATE_DISK), create_disk_of, apply_resources},
	{TYPE(DESTROY_DISK), destroy_disk_of, apply_resources},
};

const struct operation_type *operation_type_of(const pb_operation *op)
{
	for (size_t i = 0; op->has_type && i < MZ_N(types); i++)
		if (types[i].type == op->type)
			return &types[i];
	return NULL;
}

/* One of a type that this master does not know, or without what its type needs,
 * costs itself and not the call: clients may be newer than masters. */
static void mark_unknown(Mesos__V1__Scheduler__Call__Accept *accept)
{
	for (size_t i = 0; i < accept->n_operations; i++) {
		pb_operation *op = accept->operations[i];
		const struct operation_type *t = operation_type_of(op);
		if (!t || (t->payload && !t->payload(op)))
			op->type = TYPE(UNKNOWN);
		op->has_type = 1;
	}
}

size_t operation_tasks(const pb_operation *op, pb_task_info ***ret)
{
	if (op->type == TYPE(LAUNCH)) {
		*ret = op->launch->task_infos;
		return op->launch->n_task_infos;
	}
	if (op->type == TYPE(LAUNCH_GROUP)) {
		*ret = op->launch_group->task_group->tasks;
		return op->launch_group->task_group->n_tasks;
	}
	return 0;
}

static void accept_free(struct accept *a)
{
	list_remove(&a->in_master);
	name_release(a->m, a->agent_id);
	name_release(a->m, a->role);
	map_done(&a->denied);
	res_free(a->offered);
	res_free(a->remaining);
	res_free(a->launched);
	arena_done(&a->arena);
	free(a);
}

void accepts_drop(struct master *m)
{
	list_each(&m->accepts, struct accept, in_master, a)
		accept_free(a);
}

/* ---- offers ---------------------------------------------------------------------- */

static int check_offers(struct call_ctx *c, struct agent **ret_agent, const char **ret_role, struct mz_err *err)
{
	Mesos__V1__Scheduler__Call__Accept *accept = c->call->accept;
	struct offer *first = NULL;
	unsigned mark = ++c->m->mark;
	if (!accept->n_offer_ids)
		return mz_fail(err, -EINVAL, "No offers are accepted");
	for (size_t i = 0; i < accept->n_offer_ids; i++) {
		const char *id = accept->offer_ids[i]->value;
		struct offer *o = offer_get(c->m, id);
		if (!o)
			return mz_fail(err, -EINVAL, "Offer %s is no longer valid", id);
		if (o->mark == mark)
			return mz_fail(err, -EINVAL, "Offer %s is named twice", id);
		if (o->framework != c->f)
			return mz_fail(err, -EINVAL, "Offer %s is not of this framework", id);
		o->mark = mark;
		if (!first)
			first = o;
		if (o->agent != first->agent)
			return mz_fail(err, -EINVAL, "The offers are of different agents");
		if (!str_eq(o->role, first->role))
			return mz_fail(err, -EINVAL, "The offers are for different roles");
	}
	*ret_agent = first->agent;
	*ret_role = first->role;
	return 0;
}

static void refuse_offers(struct call_ctx *c, const char *why)
{
	Mesos__V1__Scheduler__Call__Accept *accept = c->call->accept;
	mz_autofree char *message = xasprintf("Offers are not valid: %s", why);
	const char *agent_id = NULL;
	call_refuse(c->f, (int)c->call->type, "%s", message);
	for (size_t i = 0; i < accept->n_offer_ids; i++) {
		struct offer *o = offer_get(c->m, accept->offer_ids[i]->value);
		if (o && o->framework == c->f) {
			agent_id = o->agent->id;
			offer_return(o, -1, false);
		}
	}
	for (size_t i = 0; i < accept->n_operations; i++)
		drop_operation(NULL, c->f, accept->operations[i], state_for(c->f, TS(DROPPED)), REASON(INVALID_OFFERS),
			       agent_id, message);
}

/* ---- after the authorizer ------------------------------------------------------------ */

static void give_back(struct accept *a, const resources *r, int64_t refuse)
{
	alloc_recover_resources(a->m, a->framework, a->role, a->agent, r, refuse, false);
}

static void run(struct accept *a)
{
	struct framework *f = framework_by_key(a->m, a->framework);
	struct agent *agent = agent_by_key(a->m, a->agent);
	Mesos__V1__Scheduler__Call__Accept *accept = a->call->accept;
	if (!f) {
		give_back(a, a->offered, -1);
		return;
	}
	if (!agent || !agent_connected(agent) || agent->reregistered_time != a->agent_since) {
		for (size_t i = 0; i < accept->n_operations; i++)
			drop_operation(a, f, accept->operations[i], state_for(f, TS(DROPPED)),
				       agent ? REASON(AGENT_DISCONNECTED) : REASON(AGENT_REMOVED), a->agent_id,
				       agent ? "Agent is disconnected" : "Agent was removed");
		give_back(a, a->offered, -1);
		return;
	}
	for (size_t i = 0; i < accept->n_operations; i++) {
		pb_operation *op = accept->operations[i];
		a->current = i;
		f->metrics.operations[op->type]++;
		operation_type_of(op)->apply(a, f, agent, op);
	}
	if (!res_empty(a->launched))
		alloc_allocated(f, a->role, agent, a->launched);
	give_back(a, a->remaining, a->refuse);
}

static void forget_pending(struct accept *a)
{
	struct framework *f = framework_by_key(a->m, a->framework);
	Mesos__V1__Scheduler__Call__Accept *accept = a->call->accept;
	pb_task_info **tasks;
	for (size_t i = 0; f && f->pending.n && i < accept->n_operations; i++) {
		size_t n = operation_tasks(accept->operations[i], &tasks);
		for (size_t j = 0; j < n; j++)
			if (map_get(&f->pending, tasks[j]->task_id->value) == a)
				map_del(&f->pending, tasks[j]->task_id->value);
	}
}

const char *pending_agent(const struct framework *f, const char *task_id)
{
	const struct accept *a = map_get(&f->pending, task_id);
	return a ? a->agent_id : NULL;
}

const char task_killed[] = "killed";

const char *pending_kill(struct framework *f, const char *task_id)
{
	struct accept *a = map_del(&f->pending, task_id);
	if (!a)
		return NULL;
	map_put(&a->denied, task_id, (void *)task_killed);
	return a->agent_id;
}

static void finish(struct accept *a)
{
	run(a);
	forget_pending(a);
	accept_free(a);
}

/* ---- asking --------------------------------------------------------------------------- */

struct question {
	struct accept *a;
	const char *task_id;
	const char **denied; /* NULL: it is about the task */
};

static void on_authorized(void *arg, const struct mz_err *err)
{
	struct question *q = arg; /* in the accept's arena */
	struct accept *a = q->a;
	const char *why = err ? arena_strdup(&a->arena, err->msg) : NULL;
	if (why && q->denied)
		*q->denied = why;
	else if (why && !map_has(&a->denied, q->task_id))
		map_put(&a->denied, q->task_id, (void *)why);
	if (--a->n_waiting == 0)
		finish(a);
}

void ask(struct accept *a, struct framework *f, int action, struct mz_object *o, const char **denied)
{
	struct question *q = arena_alloc(&a->arena, sizeof(*q));
	*q = (struct question){a, o->task_id, denied};
	o->size = sizeof(*o);
	o->framework_id = f->id;
	o->framework_name = f->info->name;
	o->framework_principal = f->info->principal;
	o->agent_id = a->agent_id;
	a->n_waiting++;
	authz_check(a->m, action, f->info->principal, o, on_authorized, q);
}

static const char *task_user(const struct framework *f, const pb_task_info *t)
{
	if (t->command && t->command->user)
		return t->command->user;
	if (t->executor && t->executor->command && t->executor->command->user)
		return t->executor->command->user;
	return f->info->user;
}

static void ask_task(struct accept *a, struct framework *f, pb_task_info *t)
{
	struct mz_object o = {
		.value = task_user(f, t),
		.role = a->role,
		.user = task_user(f, t),
		.task_id = t->task_id->value,
	};
	ask(a, f, MZ_ACTION_RUN_TASK, &o, NULL);
}

static void ask_all(struct accept *a, struct framework *f)
{
	Mesos__V1__Scheduler__Call__Accept *accept = a->call->accept;
	pb_task_info **tasks;
	a->n_waiting = 1; /* ours: answers may come from inside */
	for (size_t i = 0; a->m->authz.m && i < accept->n_operations; i++) {
		size_t n = operation_tasks(accept->operations[i], &tasks);
		for (size_t j = 0; j < n; j++) {
			if (!map_has(&f->tasks, tasks[j]->task_id->value) &&
			    !map_has(&f->pending, tasks[j]->task_id->value))
				map_put(&f->pending, tasks[j]->task_id->value, a);
			ask_task(a, f, tasks[j]);
		}
		ask_resources(a, f, i);
	}
	if (--a->n_waiting == 0)
		finish(a);
}

void call_accept(struct call_ctx *c)
{
	struct agent *agent = NULL;
	const char *role = NULL;
	struct mz_err err;
	c->m->metrics.messages_launch_tasks++;
	mark_unknown(c->call->accept);
	if (check_offers(c, &agent, &role, &err) < 0) {
		refuse_offers(c, err.msg);
		return;
	}
	struct accept *a = xnew(struct accept);
	a->m = c->m;
	a->arena = *c->arena;
	*c->arena = (struct arena){0};
	a->call = c->call;
	a->framework = c->f->key;
	a->agent = agent->key;
	a->agent_id = name_share(agent->id);
	a->agent_since = agent->reregistered_time;
	a->role = name_share(role);
	a->refuse = refuse_ns(c->call->accept->filters);
	a->denied_operations = arena_calloc(&a->arena, (c->call->accept->n_operations + 1) * sizeof(char *));
	a->offered = res_new();
	a->launched = res_new();
	list_append(&c->m->accepts, &a->in_master);
	for (size_t i = 0; i < c->call->accept->n_offer_ids; i++) {
		struct offer *o = offer_get(c->m, c->call->accept->offer_ids[i]->value);
		res_add(a->offered, o->res);
		c->f->metrics.offers_accepted++;
		offer_end(o);
	}
	a->remaining = res_copy(a->offered);
	ask_all(a, c->f);
}
