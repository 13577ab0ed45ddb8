/* master_accept_test.c - the scheduler API: offers, ACCEPT and DECLINE, the life of a
 * task, KILL and RECONCILE.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_offered.h"

/* ---- offers and tasks ------------------------------------------------------------ */

static void test_offer_forms(void **state)
{
	struct world *w = *state;
	agent_join(w, "cpus(dev):4;mem(dev):4096", NULL, NULL);
	struct sched *s = sched_subscribe(
		w, PLAIN ",\"roles\":[\"dev\"],\"capabilities\":[{\"type\":\"MULTI_ROLE\"},{\"type\":\"RESERVATION_REFINEMENT\"}]",
		NULL);
	world_pass(w, 2 * SECS);
	Mesos__V1__Offer *o = sched_event(s, EV(OFFERS))->offers->offers[0];
	assert_string_equal(o->allocation_info->role, "dev");
	assert_string_equal(o->resources[0]->allocation_info->role, "dev");
	assert_int_equal(o->resources[0]->n_reservations, 1);
	if (w->codec == CODEC_JSON)
		assert_null(strstr(s->stream->records.v[s->stream->n_seen - 1], "\"role\":\"*\""));
}

static void test_life_of_a_task(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	struct master_counts n;
	launch_one(&o, "t1");
	Mezzo__Link__ToAgent *m = agent_next(o.a, TO_AGENT(RUN_TASKS));
	assert_non_null(m);
	assert_string_equal(m->run_tasks->tasks[0]->task_id->value, "t1");
	assert_string_equal(m->run_tasks->tasks[0]->resources[0]->allocation_info->role, "*");
	assert_string_equal(m->run_tasks->framework->id->value, o.s->id);
	world_check(w);
	agent_update(o.a, o.s->id, "t1", ST(RUNNING), 1, -1);
	Mesos__V1__TaskStatus *u = next_status(o.s);
	assert_int_equal(u->state, ST(RUNNING));
	assert_true(u->has_uuid);
	/* The newest state is ahead: resources are free, the task is not forgotten. */
	agent_update(o.a, o.s->id, "t1", ST(RUNNING), 1, ST(FINISHED));
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 1);
	world_check(w);
	assert_int_equal(sched_call(o.s, "\"type\":\"ACKNOWLEDGE\",\"acknowledge\":{\"agent_id\":{\"value\":\"%s\"},"
					 "\"task_id\":{\"value\":\"t1\"},\"uuid\":\"AQEBAQEBAQEBAQEBAQEBAQ==\"}",
				    o.a->id),
			 202);
	assert_non_null(agent_next(o.a, TO_AGENT(ACKNOWLEDGE)));
	agent_update(o.a, o.s->id, "t1", ST(FINISHED), 2, ST(FINISHED));
	/* A stale uuid acknowledges nothing. */
	sched_call(o.s, "\"type\":\"ACKNOWLEDGE\",\"acknowledge\":{\"agent_id\":{\"value\":\"%s\"},"
			"\"task_id\":{\"value\":\"t1\"},\"uuid\":\"AQEBAQEBAQEBAQEBAQEBAQ==\"}",
		   o.a->id);
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 1);
	sched_call(o.s, "\"type\":\"ACKNOWLEDGE\",\"acknowledge\":{\"agent_id\":{\"value\":\"%s\"},"
			"\"task_id\":{\"value\":\"t1\"},\"uuid\":\"AgICAgICAgICAgICAgICAg==\"}",
		   o.a->id);
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 0);
	assert_non_null(strstr(buf_str(&world_get(w, "/tasks")->body), "\"state\":\"TASK_FINISHED\""));
}

/* ---- ACCEPT -------------------------------------------------------------------------- */

static void test_accept_is_per_task(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	mz_autofree char *tasks =
		xasprintf("%s,%s,%s,%s", task_json(w, "a", o.a->id, 1, 10), task_json(w, "bad/id", o.a->id, 1, 10),
			  task_json(w, "big", o.a->id, 100, 10), task_json(w, "a", o.a->id, 1, 10));
	launch(&o, tasks, NULL);
	assert_update(o.s, ST(ERROR), RS(TASK_INVALID));
	assert_update(o.s, ST(ERROR), RS(TASK_INVALID));
	assert_update(o.s, ST(ERROR), RS(TASK_INVALID)); /* the id is taken */
	Mezzo__Link__ToAgent *m = agent_next(o.a, TO_AGENT(RUN_TASKS));
	assert_int_equal(m->run_tasks->n_tasks, 1);
	world_check(w);
}

static void test_accept_of_unknown_offer(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, AWARE);
	struct master_counts n;
	assert_int_equal(sched_call(o.s,
				    "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"},{\"value\":\"gone\"}],"
				    "\"operations\":[{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[%s]}},"
				    "{\"type\":\"RESERVE\",\"id\":{\"value\":\"op\"},\"reserve\":{}}]}",
				    o.offer, task_json(w, "a", o.a->id, 1, 10)),
			 202);
	assert_update(o.s, ST(DROPPED), RS(INVALID_OFFERS));
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(UPDATE_OPERATION_STATUS));
	assert_int_equal(e->update_operation_status->status->state, MESOS__V1__OPERATION_STATE__OPERATION_ERROR);
	master_counts(w->m, &n);
	assert_int_equal(n.offers, 0); /* the good offer is used up as well */
	world_pass(w, 2 * SECS);
	assert_non_null(sched_event(o.s, EV(OFFERS))); /* and comes back without a filter */
}

/* ACCEPT of these offers, with one task; filters of 0 s. */
static void accept_two(struct sched *s, const char *first, const char *second, char *task)
{
	assert_int_equal(sched_call(s,
				    "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"},{\"value\":\"%s\"}],"
				    "\"operations\":[{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[%s]}}],"
				    "\"filters\":{\"refuse_seconds\":0}}", first, second, task),
			 202);
}

/* Their resources count together; what goes wrong with one uses up the others. */
static void test_accept_of_several_offers(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, AWARE);
	launch(&o, task_json(w, "t", o.a->id, 1, 100), ",\"filters\":{\"refuse_seconds\":0}");
	const char *most = offer_in(w, o.s)->id->value;
	agent_update(o.a, o.s->id, "t", ST(FINISHED), 0, -1);
	assert_int_equal(next_status(o.s)->state, ST(FINISHED));
	Mesos__V1__Offer *rest = offer_in(w, o.s);
	assert_string_equal(rest->agent_id->value, o.a->id);
	assert_non_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
	accept_two(o.s, most, most, task_json(w, "twice", o.a->id, 1, 10));
	assert_update(o.s, ST(DROPPED), RS(INVALID_OFFERS));
	most = offer_in(w, o.s)->id->value;
	accept_two(o.s, most, rest->id->value, task_json(w, "both", o.a->id, 4, 4000));
	assert_null(sched_event(o.s, EV(UPDATE)));
	assert_int_equal(agent_next(o.a, TO_AGENT(RUN_TASKS))->run_tasks->n_tasks, 1);
	world_check(w);

	/* of two agents */
	struct fagent *b = agent_join(w, RES, NULL, NULL), *c = agent_join(w, RES, NULL, NULL);
	assert_non_null(agent_next(b, TO_AGENT(REGISTERED)));
	assert_non_null(agent_next(c, TO_AGENT(REGISTERED)));
	world_pass(w, 2 * SECS);
	const char *of[2] = {NULL, NULL};
	for (Mesos__V1__Scheduler__Event *e; (e = sched_event(o.s, EV(OFFERS)));)
		for (size_t i = 0; i < e->offers->n_offers; i++)
			of[str_eq(e->offers->offers[i]->agent_id->value, c->id)] = e->offers->offers[i]->id->value;
	assert_true(of[0] && of[1]);
	accept_two(o.s, of[0], of[1], task_json(w, "x", b->id, 1, 10));
	Mesos__V1__TaskStatus *u = next_status(o.s);
	assert_int_equal(u->reason, RS(INVALID_OFFERS));
	assert_non_null(strstr(u->message, "different agents"));

	/* of another framework */
	const char *foreign = offer_in(w, o.s)->id->value;
	struct sched *other = sched_subscribe(w, AWARE, NULL);
	accept_two(other, foreign, foreign, task_json(w, "x", b->id, 1, 10));
	u = next_status(other);
	assert_non_null(strstr(u->message, "not of this framework"));
	accept_two(o.s, foreign, "gone", task_json(w, "y", b->id, 1, 10)); /* it has not been used up by that */
	assert_non_null(strstr(next_status(o.s)->message, "Offer gone is no longer valid"));
}

static void test_accept_of_different_roles(void **state)
{
	struct world *w = *state;
	struct fagent *a = agent_join(w, "cpus(a):1;mem(a):100;cpus(b):1;mem(b):100", NULL, NULL);
	assert_non_null(agent_next(a, TO_AGENT(REGISTERED)));
	struct sched *s = sched_subscribe(
		w, PLAIN ",\"roles\":[\"a\",\"b\"],\"capabilities\":[{\"type\":\"MULTI_ROLE\"},{\"type\":\"RESERVATION_REFINEMENT\"}]",
		NULL);
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
	assert_int_equal(e->offers->n_offers, 2);
	accept_two(s, e->offers->offers[0]->id->value, e->offers->offers[1]->id->value, task_json(w, "x", a->id, 1, 10));
	assert_non_null(strstr(next_status(s)->message, "different roles"));
}

#define LABELS "{\"labels\":[{\"key\":\"tier\",\"value\":\"front\"}]}"
#define DISCOVERY \
	"{\"visibility\":\"EXTERNAL\",\"name\":\"web\",\"environment\":\"prod\",\"version\":\"7\"," \
	"\"ports\":{\"ports\":[{\"number\":80,\"name\":\"http\",\"protocol\":\"tcp\"}]},\"labels\":" LABELS "}"

/* What service discovery lives on goes through untouched, both ways. */
static void test_labels_and_discovery(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	mz_autofree char *task = xasprintf("{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"%s\"},\"command\":"
					   "{\"value\":\"x\"},\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}}],"
					   "\"labels\":" LABELS ",\"discovery\":" DISCOVERY "}", o.a->id);
	launch(&o, task, NULL);
	Mesos__V1__TaskInfo *t = agent_next(o.a, TO_AGENT(RUN_TASKS))->run_tasks->tasks[0];
	assert_string_equal(t->labels->labels[0]->value, "front");
	assert_string_equal(t->discovery->ports->ports[0]->name, "http");
	assert_string_equal(t->discovery->labels->labels[0]->key, "tier");
	static const char *const views[] = {"/tasks", "/state", "/frameworks"};
	for (size_t i = 0; i < MZ_N(views); i++) {
		const char *body = buf_str(&world_get(w, views[i])->body);
		assert_non_null(strstr(body, "\"labels\":[{\"key\":\"tier\",\"value\":\"front\"}]"));
		assert_non_null(strstr(body, "\"discovery\":" DISCOVERY));
	}
	Mesos__V1__TaskStatus s = MESOS__V1__TASK_STATUS__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	Mezzo__Link__StatusUpdate u = MEZZO__LINK__STATUS_UPDATE__INIT;
	Mezzo__Link__ToMaster msg = MEZZO__LINK__TO_MASTER__INIT;
	fid.value = o.s->id;
	id.value = (char *)"t";
	s.task_id = &id;
	s.state = ST(RUNNING);
	s.labels = t->labels;
	s.has_data = 1;
	s.data = (ProtobufCBinaryData){3, (uint8_t *)"\0\1\2"};
	u.framework_id = &fid;
	u.status = &s;
	msg.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_STATUS_UPDATE;
	msg.status_update = &u;
	fake_link_send(o.a->link, &msg.base);
	Mesos__V1__TaskStatus *got = next_status(o.s);
	assert_string_equal(got->labels->labels[0]->value, "front");
	assert_int_equal(got->data.len, 3);
	assert_memory_equal(got->data.data, "\0\1\2", 3);
}

/* An id is taken as long as its task may come back. */
static void test_ids_of_unreachable_tasks(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, AWARE);
	launch_one(&o, "t");
	world_pass(w, 100 * SECS); /* no pings are answered */
	assert_int_equal(next_status(o.s)->state, ST(UNREACHABLE));
	struct offered again = {.a = agent_join(w, RES, NULL, NULL), .s = o.s};
	assert_non_null(agent_next(again.a, TO_AGENT(REGISTERED)));
	again.offer = offer_in(w, o.s)->id->value;
	launch(&again, task_json(w, "t", again.a->id, 1, 10), NULL);
	Mesos__V1__TaskStatus *u = next_status(o.s);
	assert_int_equal(u->state, ST(ERROR));
	assert_non_null(strstr(u->message, "on an unreachable agent"));
}

static void test_accept_without_partition_awareness(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	o.offer = "gone";
	launch_one(&o, "a");
	assert_update(o.s, ST(LOST), RS(INVALID_OFFERS));
}

static void test_unsupported_operation(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	mz_autofree char *body = xasprintf(
		"\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":["
		"{\"type\":\"CREATE\",\"id\":{\"value\":\"op\"},\"create\":{}},"
		"{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[%s]}}]}",
		o.offer, task_json(w, "a", o.a->id, 1, 10));
	assert_int_equal(sched_call(o.s, "%s", body), 202);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(UPDATE_OPERATION_STATUS));
	assert_string_equal(e->update_operation_status->status->operation_id->value, "op");
	assert_int_equal(e->update_operation_status->status->state, MESOS__V1__OPERATION_STATE__OPERATION_ERROR);
	assert_non_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
}

static void test_leftovers_are_filtered(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	launch(&o, task_json(w, "a", o.a->id, 1, 10), ",\"filters\":{\"refuse_seconds\":20}");
	world_pass(w, 10 * SECS);
	assert_null(sched_event(o.s, EV(OFFERS)));
	world_pass(w, 15 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(OFFERS));
	assert_non_null(e);
}

static void test_empty_launch_declines(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	launch(&o, "", ",\"filters\":{\"refuse_seconds\":3600}");
	world_pass(w, 30 * SECS);
	assert_null(sched_event(o.s, EV(OFFERS)));
	assert_int_equal(sched_call(o.s, "\"type\":\"REVIVE\""), 202);
	world_pass(w, 2 * SECS);
	assert_non_null(sched_event(o.s, EV(OFFERS)));
}

static void test_decline_and_suppress(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	assert_int_equal(sched_call(o.s, "\"type\":\"SUPPRESS\",\"suppress\":{\"roles\":[\"wrong\"]}"), 202);
	assert_int_equal(sched_call(o.s,
				    "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"%s\"},{\"value\":\"x\"}],"
				    "\"filters\":{\"refuse_seconds\":0}}",
				    o.offer),
			 202);
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(OFFERS)); /* the wrong role suppressed nothing */
	assert_non_null(e);
	assert_int_equal(sched_call(o.s, "\"type\":\"SUPPRESS\""), 202);
	sched_call(o.s, "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"%s\"}],\"filters\":{\"refuse_seconds\":0}}",
		   e->offers->offers[0]->id->value);
	world_pass(w, 5 * SECS);
	assert_null(sched_event(o.s, EV(OFFERS)));
}

#define POD_EXECUTOR \
	"{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"pod\"},\"resources\":[" \
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0.1}}," \
	"{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":32}}," \
	"{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":10}}]}"

static void test_launch_group(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	struct master_counts n;
	const char *format = "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":["
			     "{\"type\":\"LAUNCH_GROUP\",\"launch_group\":{\"executor\":" POD_EXECUTOR
			     ",\"task_group\":{\"tasks\":[%s,%s]}}}],\"filters\":{\"refuse_seconds\":0}}";
	mz_autofree char *bad =
		xasprintf(format, o.offer, task_json(w, "a", o.a->id, 1, 10), task_json(w, "b", o.a->id, 50, 10));
	sched_call(o.s, "%s", bad);
	assert_update(o.s, ST(ERROR), RS(TASK_GROUP_INVALID));
	assert_update(o.s, ST(ERROR), RS(TASK_GROUP_INVALID));
	world_pass(w, 2 * SECS);
	o.offer = sched_event(o.s, EV(OFFERS))->offers->offers[0]->id->value;
	mz_autofree char *good =
		xasprintf(format, o.offer, task_json(w, "a", o.a->id, 1, 10), task_json(w, "b", o.a->id, 1, 10));
	sched_call(o.s, "%s", good);
	Mezzo__Link__ToAgent *m = agent_next(o.a, TO_AGENT(RUN_TASKS));
	assert_int_equal(m->run_tasks->n_tasks, 2);
	assert_string_equal(m->run_tasks->group_executor->executor_id->value, "pod");
	assert_true(m->run_tasks->launch_executor);
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 2);
	assert_int_equal(n.executors, 1);
	world_check(w);
}

static void test_authorizer(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, "\"user\":\"eve\",\"name\":\"n\"");
	launch_one(&o, "a");
	assert_update(o.s, ST(ERROR), RS(TASK_UNAUTHORIZED));
	struct sched *s = sched_subscribe(w, PLAIN ",\"role\":\"forbidden\"", NULL);
	assert_int_equal(sched_any(s)->type, EV(ERROR));
	assert_true(s->stream->closed);
	sched_subscribe(w, "\"user\":\"u\",\"name\":\"hidden\"", NULL);
	assert_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "hidden"));
}

/* ---- KILL and RECONCILE ---------------------------------------------------------------- */

static void test_kill(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, AWARE);
	launch_one(&o, "t");
	assert_int_equal(sched_call(o.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"no\"}}"),
			 202);
	assert_null(agent_next(o.a, TO_AGENT(KILL_TASK))); /* another agent: ignored */
	sched_call(o.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"t\"},\"kill_policy\":{\"grace_period\":{\"nanoseconds\":5}}}");
	Mezzo__Link__ToAgent *m = agent_next(o.a, TO_AGENT(KILL_TASK));
	assert_int_equal(m->kill_task->kill_policy->grace_period->nanoseconds, 5);
	sched_call(o.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"nobody\"}}");
	assert_update(o.s, ST(UNKNOWN), RS(RECONCILIATION));
}

static void test_reconcile_table(void **state)
{
	struct world *w = *state;
	for (int aware = 0; aware < 2; aware++) {
		struct offered o = with_offer(w, aware ? AWARE : PLAIN);
		launch_one(&o, "t");
		sched_call(o.s, "\"type\":\"RECONCILE\",\"reconcile\":{}");
		assert_update(o.s, ST(STAGING), RS(RECONCILIATION));
		agent_update(o.a, o.s->id, "t", ST(RUNNING), 1, -1);
		next_status(o.s);
		sched_call(o.s, "\"type\":\"RECONCILE\",\"reconcile\":{}");
		assert_update(o.s, ST(RUNNING), RS(RECONCILIATION));
		sched_call(o.s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[{\"task_id\":{\"value\":\"t\"}},"
				"{\"task_id\":{\"value\":\"x\"},\"agent_id\":{\"value\":\"%s\"}},"
				"{\"task_id\":{\"value\":\"x\"},\"agent_id\":{\"value\":\"strange\"}},"
				"{\"task_id\":{\"value\":\"x\"}}]}",
			   o.a->id);
		assert_update(o.s, ST(RUNNING), RS(RECONCILIATION));
		assert_update(o.s, aware ? ST(GONE) : ST(LOST), RS(RECONCILIATION));
		assert_update(o.s, aware ? ST(UNKNOWN) : ST(LOST), RS(RECONCILIATION));
		assert_update(o.s, aware ? ST(UNKNOWN) : ST(LOST), RS(RECONCILIATION));
		/* nobody answers pings: 75 s later the agent is unreachable */
		world_pass(w, 100 * SECS);
		Mesos__V1__TaskStatus *u = next_status(o.s);
		assert_int_equal(u->state, aware ? ST(UNREACHABLE) : ST(LOST));
		assert_non_null(u->unreachable_time);
		sched_call(o.s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":["
				"{\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"%s\"}}]}",
			   o.a->id);
		assert_update(o.s, aware ? ST(UNREACHABLE) : ST(LOST), RS(RECONCILIATION));
		sched_call(o.s, "\"type\":\"TEARDOWN\"");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_offer_forms), BOTH(test_life_of_a_task), BOTH(test_accept_is_per_task),
		BOTH(test_accept_of_unknown_offer), BOTH(test_accept_of_several_offers),
		BOTH(test_accept_of_different_roles), BOTH(test_labels_and_discovery),
		BOTH(test_ids_of_unreachable_tasks), BOTH(test_accept_without_partition_awareness),
		BOTH(test_unsupported_operation), BOTH(test_leftovers_are_filtered),
		BOTH(test_empty_launch_declines), BOTH(test_decline_and_suppress), BOTH(test_launch_group),
		BOTH(test_kill), BOTH(test_reconcile_table),
		cmocka_unit_test_setup_teardown(test_authorizer, world_setup_authorized, world_teardown),
		cmocka_unit_test_setup_teardown(test_life_of_a_task, world_setup_authorized, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
