/* master_agent_test.c - agents: registration, loss and return, restarts of the master.
 * What is shown of them is in master_views_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_offered.h"

#define KEPT LASTING ",\"checkpoint\":true"
#define KEPT_AWARE KEPT ",\"capabilities\":[{\"type\":\"PARTITION_AWARE\"}]"

/* What the agent of with_task() reports when it returns. */
static Mezzo__Link__Register *report(struct world *w, const struct offered *r, const char *info)
{
	struct mz_err err;
	Mezzo__Link__Register *reg = PB_NEW(&w->arena, Mezzo__Link__Register, mezzo__link__register);
	Mezzo__Link__TaskReport *t = PB_NEW(&w->arena, Mezzo__Link__TaskReport, mezzo__link__task_report);
	char *text = task_json(w, "t", r->a->id, 1, 100);
	t->task = (Mesos__V1__TaskInfo *)codec_decode(CODEC_JSON, &mesos__v1__task_info__descriptor, &w->arena, text,
						      strlen(text), &err);
	t->framework_id = PB_NEW(&w->arena, Mesos__V1__FrameworkID, mesos__v1__framework_id);
	t->framework_id->value = r->s->id;
	t->state = ST(RUNNING);
	reg->n_tasks = 1;
	reg->tasks = (Mezzo__Link__TaskReport **)pb_array(&w->arena, 1);
	reg->tasks[0] = t;
	mz_autofree char *f = xasprintf("{%s,\"id\":{\"value\":\"%s\"}}", info, r->s->id);
	reg->n_frameworks = 1;
	reg->frameworks = (Mesos__V1__FrameworkInfo **)pb_array(&w->arena, 1);
	reg->frameworks[0] = (Mesos__V1__FrameworkInfo *)codec_decode(
		CODEC_JSON, &mesos__v1__framework_info__descriptor, &w->arena, f, strlen(f), &err);
	assert_non_null(reg->frameworks[0]);
	return reg;
}

static void test_registered_after_durable(void **state)
{
	struct world *w = *state;
	w->disk.stuck = true;
	struct fagent *a = agent_join(w, RES, NULL, NULL);
	assert_null(agent_next(a, TO_AGENT(REGISTERED)));
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_non_null(agent_next(a, TO_AGENT(REGISTERED)));
	/* A link that goes while the record is written leaves no trace. */
	w->disk.stuck = true;
	a = agent_join(w, RES, NULL, NULL);
	fake_link_cut(a->link);
	world_settle(w);
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	struct master_counts n;
	master_counts(w->m, &n);
	assert_int_equal(n.agents, 1);
	world_restart(w);
	master_counts(w->m, &n);
	assert_int_equal(n.agents_recovered, 1);
}

static void test_lost_link_drops_unchecked_tasks(void **state)
{
	struct world *w = *state;
	struct offered r = with_task(w, LASTING);
	fake_link_cut(r.a->link);
	world_settle(w);
	Mesos__V1__TaskStatus *s = next_status(r.s);
	assert_int_equal(s->state, ST(LOST));
	assert_int_equal(s->reason, RS(AGENT_DISCONNECTED));
	world_check(w);
	/* Its executor may be alive: nobody says that it is gone until the agent is back. */
	sched_call(r.s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[{\"task_id\":{\"value\":\"t\"},"
			"\"agent_id\":{\"value\":\"%s\"}}]}", r.a->id);
	assert_null(next_status(r.s));
	agent_join(w, RES, r.a->id, NULL);
	sched_call(r.s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[{\"task_id\":{\"value\":\"t\"},"
			"\"agent_id\":{\"value\":\"%s\"}}]}", r.a->id);
	assert_int_equal(next_status(r.s)->reason, RS(RECONCILIATION));
}

static void test_return_in_time(void **state)
{
	struct world *w = *state;
	const char *info = KEPT;
	struct offered r = with_task(w, info);
	struct master_counts n;
	fake_link_cut(r.a->link);
	world_settle(w);
	assert_null(next_status(r.s));
	sched_call(r.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"t\"}}");
	sched_call(r.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"t\"},\"kill_policy\":{\"grace_period\":{\"nanoseconds\":5}}}");
	world_pass(w, 60 * SECS);
	struct fagent *back = agent_join(w, RES, r.a->id, report(w, &r, info));
	Mezzo__Link__ToAgent *m = agent_next(back, TO_AGENT(REGISTERED));
	assert_int_equal(m->registered->n_reconcile, 0);
	m = agent_next(back, TO_AGENT(KILL_TASK)); /* remembered, the latest one */
	assert_int_equal(m->kill_task->kill_policy->grace_period->nanoseconds, 5);
	assert_null(agent_next(back, TO_AGENT(KILL_TASK)));
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 1);
	world_check(w);
	/* and once more, without the task: the agent is asked */
	fake_link_cut(back->link);
	world_settle(w);
	back = agent_join(w, RES, r.a->id, NULL);
	m = agent_next(back, TO_AGENT(REGISTERED));
	assert_int_equal(m->registered->n_reconcile, 1);
	assert_string_equal(m->registered->reconcile[0]->task_id->value, "t");
}

static void test_unreachable_and_back(void **state)
{
	struct world *w = *state;
	const char *info = KEPT_AWARE;
	struct offered r = with_task(w, info);
	struct master_counts n;
	fake_link_cut(r.a->link);
	world_pass(w, 601 * SECS);
	Mesos__V1__TaskStatus *s = next_status(r.s);
	assert_int_equal(s->state, ST(UNREACHABLE));
	assert_int_equal(s->reason, RS(AGENT_REMOVED));
	master_counts(w->m, &n);
	assert_int_equal(n.agents, 0);
	assert_int_equal(n.agents_unreachable, 1);
	assert_int_equal(n.tasks, 0);
	struct fagent *back = agent_join(w, RES, r.a->id, report(w, &r, info));
	assert_non_null(agent_next(back, TO_AGENT(REGISTERED)));
	s = next_status(r.s);
	assert_int_equal(s->state, ST(RUNNING));
	assert_int_equal(s->reason, RS(AGENT_REREGISTERED));
	assert_false(s->has_uuid);
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 1);
	assert_int_equal(n.agents_unreachable, 0);
}

static void test_pongs_keep_an_agent(void **state)
{
	struct world *w = *state;
	struct fagent *a = agent_join(w, RES, NULL, NULL);
	struct master_counts n;
	Mezzo__Link__ToMaster msg = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__Pong pong = MEZZO__LINK__PONG__INIT;
	msg.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_PONG;
	msg.pong = &pong;
	for (int i = 0; i < 20; i++) {
		world_pass(w, 15 * SECS);
		assert_non_null(agent_next(a, TO_AGENT(PING)));
		fake_link_send(a->link, &msg.base);
	}
	master_counts(w->m, &n);
	assert_int_equal(n.agents_connected, 1);
	world_pass(w, 100 * SECS); /* silence */
	master_counts(w->m, &n);
	assert_int_equal(n.agents_unreachable, 1);
	assert_true(a->link->closed);
}

static void test_master_restart(void **state)
{
	struct world *w = *state;
	const char *info = KEPT;
	struct offered r = with_task(w, info);
	struct master_counts n;
	mz_autofree char *old = xstrdup(master_id(w->m));
	world_restart(w);
	assert_string_not_equal(old, master_id(w->m));
	master_counts(w->m, &n);
	assert_int_equal(n.agents_recovered, 1);
	assert_int_equal(n.frameworks, 1);
	struct sched *s = sched_subscribe(w, info, r.s->id);
	assert_string_equal(s->id, r.s->id);
	/* nothing is said of tasks whose agent may still come */
	sched_call(s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[{\"task_id\":{\"value\":\"t\"}}]}");
	assert_null(next_status(s));
	struct fagent *back = agent_join(w, RES, r.a->id, report(w, &r, info));
	assert_non_null(agent_next(back, TO_AGENT(REGISTERED)));
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
	assert_non_null(e);
	Mesos__V1__Offer *o = e->offers->offers[0];
	for (size_t i = 0; i < o->n_resources; i++)
		if (str_eq(o->resources[i]->name, "cpus"))
			assert_true(o->resources[i]->scalar->value == 3.0);
	sched_call(s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[{\"task_id\":{\"value\":\"t\"}}]}");
	assert_int_equal(next_status(s)->state, ST(RUNNING));
	world_check(w);
}

static void test_recovered_agent_never_returns(void **state)
{
	struct world *w = *state;
	struct master_counts n;
	agent_join(w, RES, NULL, NULL);
	world_restart(w);
	world_pass(w, 601 * SECS);
	master_counts(w->m, &n);
	assert_int_equal(n.agents_recovered, 0);
	assert_int_equal(n.agents_unreachable, 1);
	world_restart(w);
	master_counts(w->m, &n);
	assert_int_equal(n.agents_unreachable, 1);
	world_pass(w, 15 * 86400 * SECS); /* forgotten after two weeks */
	master_counts(w->m, &n);
	assert_int_equal(n.agents_unreachable, 0);
}

static void test_another_address_is_refused(void **state)
{
	struct world *w = *state;
	struct fagent *a = agent_join(w, RES, NULL, NULL);
	assert_non_null(agent_next(a, TO_AGENT(REGISTERED)));
	Mezzo__Link__Register reg = MEZZO__LINK__REGISTER__INIT;
	struct fagent *thief = agent_join(w, RES, a->id, &reg);
	assert_non_null(agent_next(thief, TO_AGENT(REGISTERED))); /* the same place: it dialled again */
	assert_true(a->link->closed);
	mz_autofree char *bad = xasprintf("%s/..", a->id);
	struct fagent *wrong = agent_join(w, RES, bad, NULL);
	assert_non_null(agent_next(wrong, TO_AGENT(SHUTDOWN)));
}

static void test_unregister(void **state)
{
	struct world *w = *state;
	struct offered r = with_task(w, LASTING ",\"capabilities\":[{\"type\":\"PARTITION_AWARE\"}]");
	struct master_counts n;
	agent_unregister(r.a);
	Mesos__V1__TaskStatus *s = next_status(r.s);
	assert_int_equal(s->state, ST(LOST));
	assert_int_equal(s->reason, RS(AGENT_REMOVED));
	assert_non_null(sched_event(r.s, EV(FAILURE)));
	master_counts(w->m, &n);
	assert_int_equal(n.agents, 0);
}

/* ---- what a report lacks, and what it does not know yet ------------------------------ */

static Mezzo__Link__ExecutorReport *executor_report(struct world *w, const struct offered *r, const char *id)
{
	Mezzo__Link__ExecutorReport *x = PB_NEW(&w->arena, Mezzo__Link__ExecutorReport, mezzo__link__executor_report);
	x->framework_id = PB_NEW(&w->arena, Mesos__V1__FrameworkID, mesos__v1__framework_id);
	x->framework_id->value = r->s->id;
	x->executor = PB_NEW(&w->arena, Mesos__V1__ExecutorInfo, mesos__v1__executor_info);
	x->executor->executor_id = PB_NEW(&w->arena, Mesos__V1__ExecutorID, mesos__v1__executor_id);
	x->executor->executor_id->value = (char *)id;
	x->container_id = PB_NEW(&w->arena, Mesos__V1__ContainerID, mesos__v1__container_id);
	x->container_id->value = (char *)"c";
	return x;
}

static void agent_says_exited(struct fagent *a, char *framework_id, char *executor_id)
{
	Mezzo__Link__ToMaster msg = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__ExitedExecutor x = MEZZO__LINK__EXITED_EXECUTOR__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	Mesos__V1__ExecutorID eid = MESOS__V1__EXECUTOR_ID__INIT;
	fid.value = framework_id;
	eid.value = executor_id;
	x.framework_id = &fid;
	x.executor_id = &eid;
	msg.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_EXITED_EXECUTOR;
	msg.exited_executor = &x;
	fake_link_send(a->link, &msg.base);
}

static void test_executor_ends_during_admission(void **state)
{
	struct world *w = *state;
	const char *info = KEPT;
	struct offered r = with_task(w, info);
	struct master_counts n;
	fake_link_cut(r.a->link);
	world_settle(w);
	Mezzo__Link__Register *reg = report(w, &r, info);
	reg->n_executors = 2;
	reg->executors = (Mezzo__Link__ExecutorReport **)pb_array(&w->arena, 2);
	reg->executors[0] = executor_report(w, &r, "stays");
	reg->executors[1] = executor_report(w, &r, "ends");
	w->disk.stuck = true;
	/* It has grown, so that there is something to write. */
	struct fagent *back = agent_join(w, RES ";gpus:1", r.a->id, reg);
	assert_null(agent_next(back, TO_AGENT(REGISTERED)));
	agent_says_exited(back, r.s->id, (char *)"ends");
	world_settle(w);
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_non_null(agent_next(back, TO_AGENT(REGISTERED)));
	master_counts(w->m, &n);
	assert_int_equal(n.executors, 1);
	assert_string_equal(sched_event(r.s, EV(FAILURE))->failure->executor_id->value, "ends");
	world_check(w);
	/* Who says more than anybody would is cut, and forgotten. */
	fake_link_cut(back->link);
	world_settle(w);
	w->disk.stuck = true;
	back = agent_join(w, RES, r.a->id, NULL);
	for (int i = 0; i < 40000 && !back->link->closed; i++)
		agent_says_exited(back, r.s->id, (char *)"an executor with quite some name");
	assert_true(back->link->closed);
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
}

static void test_killed_and_missing_is_asked_for_once(void **state)
{
	struct world *w = *state;
	const char *info = KEPT;
	struct offered r = with_task(w, info);
	fake_link_cut(r.a->link);
	world_settle(w);
	sched_call(r.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"t\"}}");
	struct fagent *back = agent_join(w, RES, r.a->id, NULL);
	Mezzo__Link__ToAgent *m = agent_next(back, TO_AGENT(REGISTERED));
	assert_int_equal(m->registered->n_reconcile, 1);
	assert_null(agent_next(back, TO_AGENT(KILL_TASK)));
	/* nor later */
	agent_update(back, r.s->id, "t", ST(DROPPED), 0, -1);
	assert_non_null(next_status(r.s));
	fake_link_cut(back->link);
	world_settle(w);
	back = agent_join(w, RES, r.a->id, report(w, &r, info));
	assert_non_null(agent_next(back, TO_AGENT(REGISTERED)));
	assert_null(agent_next(back, TO_AGENT(KILL_TASK)));
}

static void test_dropped_as_the_framework_takes_it(void **state)
{
	struct world *w = *state;
	struct offered r =
		with_task(w, KEPT_AWARE);
	struct master_counts n;
	/* The agent has nothing of the framework left, and does not know its capabilities. */
	agent_update(r.a, r.s->id, "t", ST(LOST), 0, -1);
	assert_int_equal(next_status(r.s)->state, ST(DROPPED));
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 0);
	world_check(w);
}

static void test_ids_of_missing_unreachable_tasks_are_free(void **state)
{
	struct world *w = *state;
	struct offered r =
		with_task(w, KEPT_AWARE);
	struct master_counts n;
	fake_link_cut(r.a->link);
	world_pass(w, 601 * SECS);
	assert_int_equal(next_status(r.s)->state, ST(UNREACHABLE));
	struct fagent *back = agent_join(w, RES, r.a->id, NULL);
	assert_non_null(agent_next(back, TO_AGENT(REGISTERED)));
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(r.s, EV(OFFERS));
	assert_non_null(e);
	assert_null(next_status(r.s)); /* nothing has become of it that anybody knows */
	sched_call(r.s,
		   "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[{\"task_id\":{\"value\":\"t\"},"
		   "\"agent_id\":{\"value\":\"%s\"}}]}",
		   r.a->id);
	assert_int_equal(next_status(r.s)->state, ST(GONE));
	struct fake_call *x = world_get(w, "/tasks?task_id=t");
	assert_non_null(strstr(buf_str(&x->body), "\"state\":\"TASK_GONE\""));
	x = world_http(w, "POST", "/api/v1", "Content-Type: application/json\nAccept: application/json", "{\"type\":\"GET_TASKS\"}");
	assert_non_null(strstr(buf_str(&x->body), "\"reason\":\"REASON_AGENT_REREGISTERED\""));
	launch_on(r.s, e->offers->offers[0]->id->value, r.a->id, "t");
	assert_non_null(agent_next(back, TO_AGENT(RUN_TASKS)));
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 1);
	world_check(w);
}

static void test_second_task_of_an_id_ends(void **state)
{
	struct world *w = *state;
	const char *info = KEPT;
	struct offered r = with_task(w, info);
	struct master_counts n;
	world_restart(w);
	/* Before its agent returns, the framework uses the id again. */
	struct sched *s = sched_subscribe(w, info, r.s->id);
	struct fagent *other = agent_join(w, RES, NULL, NULL);
	assert_non_null(agent_next(other, TO_AGENT(REGISTERED)));
	world_pass(w, 2 * SECS);
	Mesos__V1__Offer *o = sched_event(s, EV(OFFERS))->offers->offers[0];
	launch_on(s, o->id->value, o->agent_id->value, "t");
	assert_non_null(agent_next(other, TO_AGENT(RUN_TASKS)));
	for (int i = 0; i < 2; i++) { /* also when it is known already */
		struct fagent *back = agent_join(w, RES, r.a->id, report(w, &r, info));
		assert_non_null(agent_next(back, TO_AGENT(REGISTERED)));
		assert_string_equal(agent_next(back, TO_AGENT(KILL_TASK))->kill_task->task_id->value, "t");
		agent_update(back, r.s->id, "t", ST(KILLED), 7, -1);
		assert_int_equal(next_status(s)->state, ST(KILLED));
		sched_call(s,
			   "\"type\":\"ACKNOWLEDGE\",\"acknowledge\":{\"agent_id\":{\"value\":\"%s\"},"
			   "\"task_id\":{\"value\":\"t\"},\"uuid\":\"BwcHBwcHBwcHBwcHBwcHBw==\"}",
			   r.a->id);
		assert_non_null(agent_next(back, TO_AGENT(ACKNOWLEDGE)));
		master_counts(w->m, &n);
		assert_int_equal(n.tasks, 1);
		world_check(w);
		if (i == 0) {
			fake_link_cut(back->link);
			world_settle(w);
			continue;
		}
		/* What is told of a framework that is gone is not told for ever. */
		sched_call(s, "\"type\":\"TEARDOWN\"");
		assert_null(agent_next(back, TO_AGENT(SHUTDOWN_FRAMEWORK)));
		agent_update(back, r.s->id, "t", ST(KILLED), 7, -1);
		assert_non_null(agent_next(back, TO_AGENT(SHUTDOWN_FRAMEWORK)));
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_registered_after_durable), T(test_lost_link_drops_unchecked_tasks), T(test_return_in_time),
		T(test_unreachable_and_back), T(test_pongs_keep_an_agent), T(test_master_restart),
		T(test_recovered_agent_never_returns), T(test_another_address_is_refused), T(test_unregister),
		T(test_executor_ends_during_admission), T(test_killed_and_missing_is_asked_for_once),
		T(test_dropped_as_the_framework_takes_it), T(test_ids_of_missing_unreachable_tasks_are_free),
		T(test_second_task_of_an_id_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
