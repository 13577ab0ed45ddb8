/* framework_launch.c - what a simulated scheduler makes of an offer: tasks of commands
 * and of a shared executor, pods, ids that are used twice; or nothing. See framework.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "sim/framework_impl.h"

enum { MAX_TASKS_AN_OFFER = 8, MAX_PODS_AN_OFFER = 4, MAX_POD = 64 };

/* ---- launching -------------------------------------------------------------------- */

static void set_resources(const resources *r, struct arena *m, size_t *ret_n, Mesos__V1__Resource ***ret)
{
	*ret_n = res_to_pb(r, RES_FORMAT_POST, false, m, ret);
}

static Mesos__V1__CommandInfo *command(const char *text, struct arena *m)
{
	Mesos__V1__CommandInfo *c = PB_NEW(m, Mesos__V1__CommandInfo, mesos__v1__command_info);
	c->value = arena_strdup(m, text);
	return c;
}

/* The same for every task on every agent: executors are shared. */
static Mesos__V1__ExecutorInfo *custom_executor(struct sim_framework *f, const resources *r, struct arena *m)
{
	Mesos__V1__ExecutorInfo *e = PB_NEW(m, Mesos__V1__ExecutorInfo, mesos__v1__executor_info);
	e->has_type = 1;
	e->type = MESOS__V1__EXECUTOR_INFO__TYPE__CUSTOM;
	e->executor_id = PB_NEW(m, Mesos__V1__ExecutorID, mesos__v1__executor_id);
	e->executor_id->value = arena_strdup(m, "many");
	e->framework_id = PB_NEW(m, Mesos__V1__FrameworkID, mesos__v1__framework_id);
	e->framework_id->value = f->id;
	e->command = command("./executor", m);
	set_resources(r, m, &e->n_resources, &e->resources);
	return e;
}

/* Something that is left: unreserved, or reserved to our role. NULL: nothing fits. */
static resources *draw_resources(struct sim_framework *f, const resources *left)
{
	char text[200];
	long cpus = (long)sim_between(f->sim, 1, 20), mem = (long)sim_between(f->sim, 16, 512);
	for (int i = 0; i < 2; i++) {
		resources *r = res_new();
		if (i == 0)
			snprintf(text, sizeof(text), "cpus:%ld.%ld;mem:%ld", cpus / 10, cpus % 10, mem);
		else
			snprintf(text, sizeof(text), "cpus(%s):%ld.%ld;mem(%s):%ld", f->role, cpus / 10, cpus % 10,
				 f->role, mem);
		must(res_parse(text, NULL, r, NULL) == 0);
		struct buf mz_autobuf ports = {0};
		if (i == 0 && sim_chance(f->sim, 200) && res_format_ranges(left, "ports", &ports) && ports.len > 2) {
			unsigned long port = strtoul(buf_str(&ports) + 1, NULL, 10);
			snprintf(text, sizeof(text), "ports:[%lu-%lu]", port, port);
			must(res_parse(text, NULL, r, NULL) == 0);
		}
		if (res_contains(left, r))
			return r;
		res_free(r);
	}
	return NULL;
}

static Mesos__V1__TaskInfo *task_info(struct fw_task *t, const resources *r, const resources *executor,
				      struct arena *m)
{
	Mesos__V1__TaskInfo *i = PB_NEW(m, Mesos__V1__TaskInfo, mesos__v1__task_info);
	i->name = t->id;
	i->task_id = PB_NEW(m, Mesos__V1__TaskID, mesos__v1__task_id);
	i->task_id->value = t->id;
	i->agent_id = PB_NEW(m, Mesos__V1__AgentID, mesos__v1__agent_id);
	i->agent_id->value = t->agent_id;
	set_resources(r, m, &i->n_resources, &i->resources);
	if (executor)
		i->executor = custom_executor(t->f, executor, m);
	else
		i->command = command("sleep 1", m);
	return i;
}

static struct fw_task *task_new(struct sim_framework *f, const char *agent_id, bool custom)
{
	struct fw_task *t = xnew(struct fw_task);
	t->f = f;
	t->id = xasprintf("t%u-%u", f->number, f->n_launched++);
	t->agent_id = xstrdup(agent_id);
	t->custom = custom;
	t->kill = sim_chance(f->sim, f->cfg.kill_permille);
	t->last_news = sim_now(f->sim);
	(void)map_put(&f->tasks, t->id, t);
	list_append(&f->open, &t->in_open);
	checker_task_launched(f->checker, t->id, f->number);
	gossip_tell(f->cfg.gossip, GOSSIP_TASK, t->id);
	return t;
}

void fw_kill(void *arg)
{
	struct fw_task *t = arg;
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	Mesos__V1__Scheduler__Call__Kill k = MESOS__V1__SCHEDULER__CALL__KILL__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	Mesos__V1__AgentID aid = MESOS__V1__AGENT_ID__INIT;
	if (t->ended)
		return;
	id.value = t->id;
	aid.value = t->agent_id;
	k.task_id = &id;
	k.agent_id = sim_chance(t->f->sim, 500) ? &aid : NULL;
	c.type = CALL(KILL);
	c.kill = &k;
	fw_call(t->f, &c, NULL, 0);
}

static Mesos__V1__Filters *draw_filters(struct sim_framework *f, double secs, struct arena *m)
{
	if (sim_chance(f->sim, 300))
		return NULL;
	Mesos__V1__Filters *x = PB_NEW(m, Mesos__V1__Filters, mesos__v1__filters);
	x->has_refuse_seconds = 1;
	x->refuse_seconds = secs;
	return x;
}

/* What the offer has, without whom it is allocated to. */
static resources *offered(struct fw_offer *o)
{
	struct mz_err err;
	resources *all = res_new();
	if (res_from_pb(o->offer->resources, o->offer->n_resources, all, &err) < 0)
		sim_fail(o->f->sim, "Offer '%s' has odd resources: %s", o->id, err.msg);
	resources *left = res_unallocate(all);
	res_free(all);
	return left;
}

void fw_decline(struct sim_framework *f, struct fw_offer *o, double secs)
{
	struct arena mz_autoarena m = {0};
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	c.type = CALL(DECLINE);
	c.decline = PB_NEW(&m, Mesos__V1__Scheduler__Call__Decline, mesos__v1__scheduler__call__decline);
	c.decline->n_offer_ids = 1;
	c.decline->offer_ids = &o->offer->id;
	c.decline->filters = draw_filters(f, secs, &m);
	fw_refuse(f, &c, &o->id, 1, offered(o), c.decline->filters);
}

/* ACCEPT of the offer with these operations, which leave `left` of it, sometimes with
 * another offer that is no more, or is not ours. */
static void accept(struct sim_framework *f, struct fw_offer *o, Mesos__V1__Offer__Operation **ops, size_t n_ops,
		   resources *left, struct arena *m)
{
	bool stale = false;
	Mesos__V1__Scheduler__Call__Accept a = MESOS__V1__SCHEDULER__CALL__ACCEPT__INIT;
	Mesos__V1__OfferID wrong = MESOS__V1__OFFER_ID__INIT, *ids[] = {o->offer->id, &wrong};
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	a.n_offer_ids = 1;
	a.offer_ids = ids;
	if (sim_chance(f->sim, f->cfg.stale_permille)) {
		const char *id = gossip_any(f->cfg.gossip, GOSSIP_OFFER);
		bool in_hand = id && map_has(&f->offers, id);
		wrong.value = (char *)(id && !in_hand ? id : "none");
		a.n_offer_ids = 2;
		stale = true; /* then nothing is refused, all comes back */
	}
	a.operations = ops;
	a.n_operations = n_ops;
	a.filters = draw_filters(f, (double)sim_below(f->sim, 3), m);
	c.type = CALL(ACCEPT);
	c.accept = &a;
	if (stale)
		res_clear(left);
	fw_refuse(f, &c, &o->id, 1, left, a.filters);
}

static void kill_some(struct sim_framework *f, Mesos__V1__TaskInfo **v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fw_task *t = map_get(&f->tasks, v[i]->task_id->value);
		if (t->kill)
			(void)loop_timer(&f->node->loop, sim_exp(f->sim, 3 * NS_PER_SEC), fw_kill, t);
	}
}

/* Takes it from `left`; NULL: that does not have it. */
static resources *take(resources *left, const char *text)
{
	resources *r = res_new();
	must(res_parse(text, NULL, r, NULL) == 0);
	if (res_contains(left, r)) {
		res_subtract(left, r);
		return r;
	}
	res_free(r);
	return NULL;
}

/* One that has an id already: of one that runs somewhere, or is in the same call. */
static Mesos__V1__TaskInfo *same_again(struct sim_framework *f, const char *agent_id, resources *left, struct arena *m)
{
	size_t n = 0;
	list_each(&f->open, struct fw_task, in_open, x)
		n++;
	size_t which = n ? sim_below(f->sim, n) : 0;
	struct fw_task *t = NULL;
	list_each(&f->open, struct fw_task, in_open, x)
		if (which-- == 0)
			t = x;
	resources *r = t ? take(left, "cpus:0.1;mem:16") : NULL;
	if (!r)
		return NULL;
	t->n_again++;
	checker_task_launched_again(f->checker, t->id);
	Mesos__V1__TaskInfo *i = task_info(t, r, NULL, m);
	i->agent_id->value = arena_strdup(m, agent_id);
	res_free(r);
	return i;
}

/* The tasks that fit, as one ACCEPT; false: none does. */
static bool launch_tasks(struct sim_framework *f, struct fw_offer *o)
{
	struct arena mz_autoarena m = {0};
	const char *agent_id = o->offer->agent_id->value;
	resources *left = offered(o), *executor = NULL;
	if (sim_chance(f->sim, 400))
		executor = take(left, "cpus:0.1;mem:32");
	Mesos__V1__Offer__Operation__Launch l = MESOS__V1__OFFER__OPERATION__LAUNCH__INIT;
	l.task_infos = (Mesos__V1__TaskInfo **)pb_array(&m, MAX_TASKS_AN_OFFER + 1);
	unsigned max = 1 + (unsigned)sim_below(f->sim, MAX_TASKS_AN_OFFER);
	while (l.n_task_infos < max && f->n_launched < f->cfg.n_tasks) {
		resources *r = draw_resources(f, left);
		if (!r)
			break;
		res_subtract(left, r);
		l.task_infos[l.n_task_infos++] = task_info(task_new(f, agent_id, executor != NULL), r, executor, &m);
		res_free(r);
	}
	size_t n = l.n_task_infos;
	Mesos__V1__TaskInfo *again = NULL;
	if (n && sim_chance(f->sim, f->cfg.again_permille))
		again = same_again(f, agent_id, left, &m);
	if (again)
		l.task_infos[l.n_task_infos++] = again;
	res_free(executor);
	if (!n) {
		res_free(left);
		return false;
	}
	Mesos__V1__Offer__Operation op = MESOS__V1__OFFER__OPERATION__INIT, *ops = &op;
	op.has_type = 1;
	op.type = MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH;
	op.launch = &l;
	accept(f, o, &ops, 1, left, &m);
	kill_some(f, l.task_infos, n);
	return true;
}

/* ---- pods ------------------------------------------------------------------------------ */

static Mesos__V1__ExecutorInfo *pod_executor(struct sim_framework *f, unsigned size, const resources *r, struct arena *m)
{
	Mesos__V1__ExecutorInfo *e = PB_NEW(m, Mesos__V1__ExecutorInfo, mesos__v1__executor_info);
	char id[64];
	snprintf(id, sizeof(id), "pod-%u-%u", f->n_pods++, size);
	e->has_type = 1;
	e->type = MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT;
	e->executor_id = PB_NEW(m, Mesos__V1__ExecutorID, mesos__v1__executor_id);
	e->executor_id->value = arena_strdup(m, id);
	e->framework_id = PB_NEW(m, Mesos__V1__FrameworkID, mesos__v1__framework_id);
	e->framework_id->value = f->id;
	set_resources(r, m, &e->n_resources, &e->resources);
	return e;
}

/* One group, all of it; NULL: it does not fit. */
static Mesos__V1__Offer__Operation *make_pod(struct sim_framework *f, const char *agent_id, resources *left,
					     struct arena *m)
{
	unsigned n = MZ_MIN(f->cfg.pod_size, f->cfg.n_tasks - f->n_launched);
	resources *own[MAX_POD], *executor = n ? take(left, "cpus:0.1;mem:32;disk:10") : NULL;
	unsigned got = 0;
	while (executor && got < n && (own[got] = take(left, "cpus:0.1;mem:32")))
		got++;
	Mesos__V1__Offer__Operation *op = NULL;
	if (executor && got == n) {
		op = PB_NEW(m, Mesos__V1__Offer__Operation, mesos__v1__offer__operation);
		op->has_type = 1;
		op->type = MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH_GROUP;
		op->launch_group = PB_NEW(m, Mesos__V1__Offer__Operation__LaunchGroup,
					  mesos__v1__offer__operation__launch_group);
		op->launch_group->executor = pod_executor(f, n, executor, m);
		op->launch_group->task_group = PB_NEW(m, Mesos__V1__TaskGroupInfo, mesos__v1__task_group_info);
		op->launch_group->task_group->tasks = (Mesos__V1__TaskInfo **)pb_array(m, n);
		op->launch_group->task_group->n_tasks = n;
		const char *ids[MAX_POD];
		for (unsigned i = 0; i < n; i++) {
			struct fw_task *t = task_new(f, agent_id, true);
			op->launch_group->task_group->tasks[i] = task_info(t, own[i], NULL, m);
			ids[i] = t->id;
		}
		checker_group_launched(f->checker, ids, n);
	}
	while (got)
		res_free(own[--got]);
	res_free(executor);
	return op;
}

static bool launch_pods(struct sim_framework *f, struct fw_offer *o)
{
	struct arena mz_autoarena m = {0};
	resources *left = offered(o);
	Mesos__V1__Offer__Operation *ops[MAX_PODS_AN_OFFER];
	size_t n = 0, max = 1 + sim_below(f->sim, MAX_PODS_AN_OFFER);
	while (n < max && (ops[n] = make_pod(f, o->offer->agent_id->value, left, &m)))
		n++;
	if (!n) {
		res_free(left);
		return false;
	}
	accept(f, o, ops, n, left, &m);
	for (size_t i = 0; i < n; i++)
		kill_some(f, ops[i]->launch_group->task_group->tasks, ops[i]->launch_group->task_group->n_tasks);
	return true;
}

bool fw_launch(struct sim_framework *f, struct fw_offer *o)
{
	if (f->cfg.pod_size && sim_chance(f->sim, f->cfg.pod_permille))
		return launch_pods(f, o);
	return launch_tasks(f, o);
}
