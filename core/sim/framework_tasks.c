/* framework_tasks.c - what a simulated scheduler does with offers, and with news
 * of its tasks. See framework.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "sim/framework_impl.h"

enum { MAX_TASKS_AN_OFFER = 8 };

struct fw_offer {
	struct sim_framework *f;
	char *id;
	Mesos__V1__Offer *offer;
	struct arena arena;
	struct loop_timer *timer;
};

static void offer_free(struct fw_offer *o)
{
	loop_timer_cancel(&o->f->node->loop, o->timer);
	arena_done(&o->arena);
	free(o->id);
	free(o);
}

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

static Mesos__V1__TaskInfo *make_task(struct sim_framework *f, const char *agent_id, const resources *r,
				      const resources *executor, struct arena *m)
{
	struct fw_task *t = xnew(struct fw_task);
	t->f = f;
	t->id = xasprintf("t%u-%u", f->number, f->n_launched++);
	t->agent_id = xstrdup(agent_id);
	t->custom = executor != NULL;
	t->kill = sim_chance(f->sim, f->cfg.kill_permille);
	t->last_news = sim_now(f->sim);
	(void)map_put(&f->tasks, t->id, t);
	list_append(&f->open, &t->in_open);
	checker_task_launched(f->checker, t->id, f->number);
	Mesos__V1__TaskInfo *i = PB_NEW(m, Mesos__V1__TaskInfo, mesos__v1__task_info);
	i->name = t->id;
	i->task_id = PB_NEW(m, Mesos__V1__TaskID, mesos__v1__task_id);
	i->task_id->value = t->id;
	i->agent_id = PB_NEW(m, Mesos__V1__AgentID, mesos__v1__agent_id);
	i->agent_id->value = t->agent_id;
	set_resources(r, m, &i->n_resources, &i->resources);
	if (executor)
		i->executor = custom_executor(f, executor, m);
	else
		i->command = command("sleep 1", m);
	return i;
}

static void on_kill(void *arg)
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

static void decline(struct sim_framework *f, struct fw_offer *o, double secs)
{
	struct arena mz_autoarena m = {0};
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	c.type = CALL(DECLINE);
	c.decline = PB_NEW(&m, Mesos__V1__Scheduler__Call__Decline, mesos__v1__scheduler__call__decline);
	c.decline->n_offer_ids = 1;
	c.decline->offer_ids = &o->offer->id;
	c.decline->filters = draw_filters(f, secs, &m);
	fw_call(f, &c, &o->id, 1);
}

/* The tasks that fit, as one ACCEPT; false: none does. */
static bool launch(struct sim_framework *f, struct fw_offer *o)
{
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	const char *agent_id = o->offer->agent_id->value;
	resources *all = res_new(), *executor = NULL, *left;
	if (res_from_pb(o->offer->resources, o->offer->n_resources, all, &err) < 0)
		sim_fail(f->sim, "Offer '%s' has odd resources: %s", o->id, err.msg);
	left = res_unallocate(all);
	res_free(all);
	if (sim_chance(f->sim, 400)) {
		executor = res_new();
		must(res_parse("cpus:0.1;mem:32", NULL, executor, NULL) == 0);
		if (res_contains(left, executor)) {
			res_subtract(left, executor);
		} else {
			res_free(executor);
			executor = NULL;
		}
	}
	Mesos__V1__Offer__Operation__Launch l = MESOS__V1__OFFER__OPERATION__LAUNCH__INIT;
	l.task_infos = (Mesos__V1__TaskInfo **)pb_array(&m, MAX_TASKS_AN_OFFER);
	unsigned max = 1 + (unsigned)sim_below(f->sim, MAX_TASKS_AN_OFFER);
	while (l.n_task_infos < max && f->n_launched < f->cfg.n_tasks) {
		resources *r = draw_resources(f, left);
		if (!r)
			break;
		res_subtract(left, r);
		l.task_infos[l.n_task_infos++] = make_task(f, agent_id, r, executor, &m);
		res_free(r);
	}
	res_free(left);
	res_free(executor);
	if (!l.n_task_infos)
		return false;
	Mesos__V1__Offer__Operation op = MESOS__V1__OFFER__OPERATION__INIT, *ops = &op;
	Mesos__V1__Scheduler__Call__Accept a = MESOS__V1__SCHEDULER__CALL__ACCEPT__INIT;
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	op.has_type = 1;
	op.type = MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH;
	op.launch = &l;
	a.n_offer_ids = 1;
	a.offer_ids = &o->offer->id;
	a.n_operations = 1;
	a.operations = &ops;
	a.filters = draw_filters(f, (double)sim_below(f->sim, 3), &m);
	c.type = CALL(ACCEPT);
	c.accept = &a;
	fw_call(f, &c, &o->id, 1);
	for (size_t i = 0; i < l.n_task_infos; i++) {
		struct fw_task *t = map_get(&f->tasks, l.task_infos[i]->task_id->value);
		if (t->kill)
			(void)loop_timer(&f->node->loop, sim_exp(f->sim, 3 * NS_PER_SEC), on_kill, t);
	}
	return true;
}

static void plain_call(struct sim_framework *f, int type)
{
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	Mesos__V1__Scheduler__Call__Revive revive = MESOS__V1__SCHEDULER__CALL__REVIVE__INIT;
	Mesos__V1__Scheduler__Call__Suppress suppress = MESOS__V1__SCHEDULER__CALL__SUPPRESS__INIT;
	c.type = (Mesos__V1__Scheduler__Call__Type)type;
	if (type == CALL(REVIVE))
		c.revive = &revive;
	else
		c.suppress = &suppress;
	fw_call(f, &c, NULL, 0);
}

static void on_decide(void *arg)
{
	struct fw_offer *o = arg;
	struct sim_framework *f = o->f;
	o->timer = NULL;
	(void)map_del(&f->offers, o->id);
	bool wants = f->n_launched < f->cfg.n_tasks;
	if (!wants && !f->suppressed && sim_chance(f->sim, 500)) {
		f->suppressed = true;
		plain_call(f, CALL(SUPPRESS));
	}
	if (!wants)
		decline(f, o, 600.0);
	else if (sim_chance(f->sim, f->cfg.decline_permille) || !launch(f, o))
		decline(f, o, (double)sim_below(f->sim, 6));
	offer_free(o);
}

void fw_on_offers(struct sim_framework *f, const Mesos__V1__Scheduler__Event__Offers *e)
{
	for (size_t i = 0; i < e->n_offers; i++) {
		struct fw_offer *o = xnew(struct fw_offer);
		o->f = f;
		o->id = xstrdup(e->offers[i]->id->value);
		o->offer = (Mesos__V1__Offer *)pb_copy(&e->offers[i]->base, &o->arena);
		o->timer = loop_timer(&f->node->loop, sim_exp(f->sim, 20 * NS_PER_MS), on_decide, o);
		if (map_put(&f->offers, o->id, o))
			sim_fail(f->sim, "Offer '%s' came twice", o->id);
	}
}

void fw_on_rescind(struct sim_framework *f, const char *offer_id)
{
	struct fw_offer *o = map_del(&f->offers, offer_id);
	if (o)
		offer_free(o);
}

void fw_forget_offers(struct sim_framework *f)
{
	map_each(&f->offers, e)
		offer_free(e->value);
	map_done(&f->offers);
}

/* ---- news of tasks ------------------------------------------------------------------- */

struct ack {
	struct sim_framework *f;
	char *task_id, *agent_id;
	unsigned char uuid[UUID_BYTES];
};

static void on_ack(void *arg)
{
	struct ack *k = arg;
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	Mesos__V1__Scheduler__Call__Acknowledge a = MESOS__V1__SCHEDULER__CALL__ACKNOWLEDGE__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	Mesos__V1__AgentID aid = MESOS__V1__AGENT_ID__INIT;
	id.value = k->task_id;
	aid.value = k->agent_id;
	a.task_id = &id;
	a.agent_id = &aid;
	a.uuid = (ProtobufCBinaryData){UUID_BYTES, k->uuid};
	c.type = CALL(ACKNOWLEDGE);
	c.acknowledge = &a;
	checker_framework_acked(k->f->checker, k->task_id, k->uuid);
	fw_call(k->f, &c, NULL, 0);
	free(k->task_id);
	free(k->agent_id);
	free(k);
}

/* Has it ended for us? What nobody knows, and never told us of, never was. */
static bool is_end(const struct fw_task *t, const Mesos__V1__TaskStatus *s)
{
	if (s->state == TS(UNKNOWN))
		return !t->heard;
	return task_state_is_terminal(s->state);
}

void fw_on_update(struct sim_framework *f, const Mesos__V1__TaskStatus *s)
{
	struct fw_task *t = map_get(&f->tasks, s->task_id->value);
	sim_trace(f->sim, "%s of %s: %s", task_state_name(s->state), s->task_id->value, s->message ? s->message : "");
	checker_update_seen(f->checker, f->number, s);
	if (!t)
		return;
	t->last_news = sim_now(f->sim);
	if (s->has_uuid && s->uuid.len == UUID_BYTES) {
		struct ack *k = xnew(struct ack);
		k->f = f;
		k->task_id = xstrdup(t->id);
		k->agent_id = xstrdup(s->agent_id ? s->agent_id->value : t->agent_id);
		memcpy(k->uuid, s->uuid.data, UUID_BYTES);
		t->heard = true;
		(void)loop_timer(&f->node->loop, sim_exp(f->sim, f->cfg.ack_mean_ns), on_ack, k);
	}
	if (t->ended || !is_end(t, s))
		return;
	t->ended = true;
	f->n_ended++;
	list_remove(&t->in_open);
	if (s->state == TS(UNKNOWN))
		checker_task_unknown(f->checker, t->id);
}

/* ---- now and then ------------------------------------------------------------------------ */

static void reconcile(struct sim_framework *f)
{
	struct arena mz_autoarena m = {0};
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	Mesos__V1__Scheduler__Call__Reconcile r = MESOS__V1__SCHEDULER__CALL__RECONCILE__INIT;
	size_t n = 0;
	list_each(&f->open, struct fw_task, in_open, t)
		n++;
	r.tasks = (Mesos__V1__Scheduler__Call__Reconcile__Task **)pb_array(&m, n);
	list_each(&f->open, struct fw_task, in_open, t) {
		if (sim_now(f->sim) - t->last_news < f->cfg.reconcile_ns)
			continue;
		Mesos__V1__Scheduler__Call__Reconcile__Task *x = PB_NEW(
			&m, Mesos__V1__Scheduler__Call__Reconcile__Task, mesos__v1__scheduler__call__reconcile__task);
		x->task_id = PB_NEW(&m, Mesos__V1__TaskID, mesos__v1__task_id);
		x->task_id->value = t->id;
		if (sim_chance(f->sim, 800)) {
			x->agent_id = PB_NEW(&m, Mesos__V1__AgentID, mesos__v1__agent_id);
			x->agent_id->value = t->agent_id;
		}
		r.tasks[r.n_tasks++] = x;
		if (t->kill)
			on_kill(t); /* the call may have been lost */
	}
	c.type = CALL(RECONCILE);
	c.reconcile = &r;
	/* Without tasks it asks for all that the master knows. */
	if (r.n_tasks || sim_chance(f->sim, 50))
		fw_call(f, &c, NULL, 0);
}

void fw_on_tick(struct sim_framework *f)
{
	if (f->n_ended == f->cfg.n_tasks) {
		fw_teardown(f);
		return;
	}
	reconcile(f);
	if (f->suppressed || f->n_launched == f->cfg.n_tasks)
		return;
	if (sim_chance(f->sim, f->cfg.suppress_permille)) {
		plain_call(f, CALL(SUPPRESS));
		f->suppressed = true;
	}
	if (f->suppressed || sim_chance(f->sim, 100)) {
		plain_call(f, CALL(REVIVE));
		f->suppressed = false;
	}
}

void fw_tasks_done(struct sim_framework *f)
{
	fw_forget_offers(f);
	map_each(&f->tasks, e) {
		struct fw_task *t = e->value;
		free(t->id);
		free(t->agent_id);
		free(t);
	}
	map_done(&f->tasks);
}
