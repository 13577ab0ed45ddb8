/* master_bounds_test.c - what schedulers, agents and executors cannot make grow for
 * ever: histories, kept statuses, streams, names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_offered.h"
#include "model/resources.h"

static void test_histories_are_bounded(void **state)
{
	struct world *w = *state;
	w->cfg.max_unreachable_tasks = 2;
	w->cfg.max_completed_frameworks = 2;
	world_restart(w);
	struct offered o = with_offer(w, AWARE);
	for (int i = 0; i < 4; i++) { /* of them the world's master remembers 3 */
		char id[16];
		snprintf(id, sizeof(id), "c%d", i);
		launch(&o, task_json(w, id, o.a->id, 0.1, 10), ",\"filters\":{\"refuse_seconds\":0}");
		agent_update(o.a, o.s->id, id, ST(FINISHED), 0, -1);
		o.offer = offer_in(w, o.s)->id->value;
	}
	const char *tasks = buf_str(&world_get(w, "/tasks")->body);
	assert_null(strstr(tasks, "\"id\":\"c0\""));
	assert_int_equal(count_in(tasks, "\"state\":\"TASK_FINISHED\",\"resources"), 3);
	assert_non_null(strstr(tasks, "\"id\":\"c1\""));
	assert_non_null(strstr(tasks, "\"id\":\"c3\""));
	mz_autofree char *three = xasprintf("%s,%s,%s", task_json(w, "u0", o.a->id, 0.1, 10),
					    task_json(w, "u1", o.a->id, 0.1, 10), task_json(w, "u2", o.a->id, 0.1, 10));
	launch(&o, three, NULL);
	world_pass(w, 100 * SECS); /* no pings are answered */
	const char *frameworks = buf_str(&world_get(w, "/frameworks")->body);
	assert_null(strstr(frameworks, "\"u0\""));
	assert_non_null(strstr(frameworks, "\"u2\""));
	assert_true(metric(w, "master/tasks_unreachable") == 2);
	sched_call(o.s, "\"type\":\"TEARDOWN\"");
	assert_true(metric(w, "master/tasks_unreachable") == 0);
	for (int i = 0; i < 3; i++)
		sched_call(sched_subscribe(w, PLAIN, NULL), "\"type\":\"TEARDOWN\"");
	frameworks = buf_str(&world_get(w, "/frameworks")->body);
	assert_int_equal(count_in(frameworks, "\"unregistered_time\":0.0"), 0);
	assert_int_equal(count_in(frameworks, "\"unregistered_time\":"), 2);
	/* an id that is forgotten may come again */
	assert_int_equal(sched_any(sched_subscribe(w, AWARE, o.s->id))->type, EV(HEARTBEAT));
}

/* Whoever wants no history gets none: what ends is gone at once, and was told before. */
static void test_no_histories(void **state)
{
	struct world *w = *state;
	w->cfg.max_completed_tasks = w->cfg.max_unreachable_tasks = w->cfg.max_completed_frameworks = MASTER_NONE;
	world_restart(w);
	struct offered o = with_offer(w, AWARE);
	launch_on(o.s, o.offer, o.a->id, "t");
	agent_update(o.a, o.s->id, "t", ST(FINISHED), 0, -1);
	assert_int_equal(next_status(o.s)->state, ST(FINISHED));
	assert_null(strstr(buf_str(&world_get(w, "/tasks")->body), "\"t\""));
	launch_on(o.s, offer_in(w, o.s)->id->value, o.a->id, "t");
	world_pass(w, 100 * SECS); /* no pings are answered */
	Mesos__V1__TaskStatus *u = next_status(o.s);
	assert_int_equal(u->state, ST(UNREACHABLE));
	assert_string_equal(u->task_id->value, "t");
	assert_null(strstr(buf_str(&world_get(w, "/tasks")->body), "\"t\""));
	assert_true(metric(w, "master/tasks_unreachable") == 0);
	sched_call(o.s, "\"type\":\"TEARDOWN\"");
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"completed_frameworks\":[]"));
}

/* Those that are known may return; one more waits, or is refused, until one has gone. */
static void test_too_many(void **state)
{
	struct world *w = *state;
	w->cfg.max_agents = 2;
	w->cfg.max_frameworks = 1;
	world_restart(w);
	struct fagent *a = join(w, RES), *b = join(w, RES), *c = agent_join(w, RES, NULL, NULL);
	assert_null(agent_next(c, TO_AGENT(REGISTERED)));
	assert_null(agent_next(c, TO_AGENT(SHUTDOWN)));
	assert_true(c->link->closed);
	fake_link_cut(b->link);
	world_settle(w);
	b = agent_join(w, RES, b->id, NULL);
	assert_non_null(agent_next(b, TO_AGENT(REGISTERED)));
	world_restart(w); /* those that are expected back have their places */
	b = agent_join(w, RES, b->id, NULL);
	assert_non_null(agent_next(b, TO_AGENT(REGISTERED)));
	c = agent_join(w, RES, NULL, NULL);
	assert_true(c->link->closed);
	a = agent_join(w, RES, a->id, NULL);
	assert_non_null(agent_next(a, TO_AGENT(REGISTERED)));
	agent_unregister(a);
	join(w, RES);

	struct sched *s = sched_subscribe(w, PLAIN ",\"failover_timeout\":60", NULL);
	assert_string_equal(sched_any(sched_subscribe(w, PLAIN, NULL))->error->message,
			    "Too many frameworks: 1 are known, and no more may be");
	s = sched_subscribe(w, PLAIN, s->id);
	assert_int_equal(sched_any(s)->type, EV(HEARTBEAT));
	sched_call(s, "\"type\":\"TEARDOWN\"");
	assert_int_equal(sched_any(sched_subscribe(w, PLAIN, NULL))->type, EV(HEARTBEAT));
}

/* An executor that changes its mind for ever, at length, costs a bounded part. */
static void test_kept_statuses_are_bounded(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	launch_one(&o, "t");
	for (int i = 0; i < 40; i++)
		agent_update(o.a, o.s->id, "t", i % 2 ? ST(RUNNING) : ST(STARTING), 1 + i, -1);
	const char *tasks = buf_str(&world_get(w, "/tasks")->body);
	assert_int_equal(count_in(tasks, "\"timestamp\":"), 16);
	sched_call(o.s, "\"type\":\"RECONCILE\",\"reconcile\":{}");
	for (int i = 0; i < 40; i++)
		assert_non_null(next_status(o.s));
	assert_update(o.s, ST(RUNNING), RS(RECONCILIATION));
	agent_update(o.a, o.s->id, "t", ST(RUNNING), 50, -1); /* replaces the last one */
	tasks = buf_str(&world_get(w, "/tasks")->body);
	assert_int_equal(count_in(tasks, "\"timestamp\":"), 16);
	assert_int_equal(count_in(tasks, "\"state\":\"TASK_STARTING\",\"timestamp\""), 8);
}

static void test_slow_reader_is_cut(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN ",\"failover_timeout\":60");
	struct master_counts n;
	launch_one(&o, "t");
	o.s->stream->full = true;
	agent_update(o.a, o.s->id, "t", ST(RUNNING), 1, -1);
	agent_update(o.a, o.s->id, "t", ST(RUNNING), 1, -1);
	master_counts(w->m, &n);
	assert_int_equal(n.frameworks, 1);
	assert_int_equal(n.frameworks_connected, 0);
}

/* Large ones are fewer. */
static void test_histories_have_a_size(void **state)
{
	struct world *w = *state;
	w->cfg.max_history_bytes = 30000;
	world_restart(w);
	struct offered o = with_offer(w, AWARE);
	struct buf mz_autobuf tasks = {0};
	mz_autofree char *large = xcalloc(1, 10001);
	memset(large, 'x', 10000);
	for (int i = 0; i < 10; i++)
		buf_addf(&tasks, "%s{\"name\":\"%s\",\"task_id\":{\"value\":\"%c%d\"},\"agent_id\":{\"value\":\"%s\"},"
				 "\"command\":{\"value\":\"true\"},\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\","
				 "\"scalar\":{\"value\":0.1}}]}", i ? "," : "", large, i < 5 ? 'c' : 'u', i, o.a->id);
	launch(&o, buf_str(&tasks), NULL);
	for (int i = 0; i < 5; i++) {
		char id[16];
		snprintf(id, sizeof(id), "c%d", i);
		agent_update(o.a, o.s->id, id, ST(FINISHED), 0, -1);
	}
	world_pass(w, 100 * SECS); /* no pings are answered */
	const char *frameworks = buf_str(&world_get(w, "/frameworks")->body);
	assert_int_equal(count_in(frameworks, "\"id\":\"c"), 2);
	assert_int_equal(count_in(frameworks, "\"id\":\"u"), 2);
	assert_non_null(strstr(frameworks, "\"id\":\"c4\""));
	assert_non_null(strstr(frameworks, "\"id\":\"u9\""));
	assert_true(metric(w, "master/tasks_unreachable") == 2);
}

/* A name is in each of some sixty metrics. */
static void test_names_in_metrics(void **state)
{
	struct world *w = *state;
	mz_autofree char *name = xcalloc(1, 100001);
	memset(name, '*', 100000);
	mz_autofree char *info = xasprintf("\"user\":\"u\",\"name\":\"%s\"", name);
	struct sched *s = sched_subscribe(w, info, NULL);
	assert_int_equal(sched_any(s)->type, EV(HEARTBEAT));
	struct fake_call *c = world_get(w, "/metrics/snapshot");
	assert_true(c->body.len < 100000);
	assert_non_null(strstr(buf_str(&c->body), s->id));
}

/* A role brings its ancestors along in the allocator. */
static void test_roles_are_bounded(void **state)
{
	struct world *w = *state;
	struct buf mz_autobuf info = {0};
	buf_adds(&info, PLAIN ",\"role\":\"a");
	for (int i = 0; i < 20000; i++)
		buf_adds(&info, "/a");
	buf_addc(&info, '"');
	Mesos__V1__Scheduler__Event *e = sched_any(sched_subscribe(w, buf_str(&info), NULL));
	assert_int_equal(e->type, EV(ERROR));
	assert_non_null(strstr(e->error->message, "longer than 255 bytes"));
	/* and what is said of one is text, wherever it is cut short */
	for (int odd = 0; odd < 2; odd++) {
		buf_clear(&info);
		buf_adds(&info, odd ? PLAIN ",\"role\":\"a" : PLAIN ",\"role\":\"");
		for (int i = 0; i < 200; i++)
			buf_adds(&info, "\u00e9");
		buf_addc(&info, '"');
		e = sched_any(sched_subscribe(w, buf_str(&info), NULL)); /* read as strictly as by any client */
		assert_int_equal(e->type, EV(ERROR));
	}
}

/* Whoever connects and says nothing is cut, also if he keeps the link alive. */
static void test_silent_links_are_cut(void **state)
{
	struct world *w = *state;
	struct fake_link *l = fake_link_new(w->loop);
	vec_push(&w->links, l);
	master_link(w->m, &l->link);
	world_pass(w, 74 * SECS);
	assert_false(l->closed);
	world_pass(w, 2 * SECS);
	assert_true(l->closed);
	struct fagent *a = agent_join(w, RES, NULL, NULL);
	Mezzo__Link__ToMaster msg = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__Pong pong = MEZZO__LINK__PONG__INIT;
	msg.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_PONG;
	msg.pong = &pong;
	for (int i = 0; i < 8; i++) {
		world_pass(w, 15 * SECS);
		fake_link_send(a->link, &msg.base);
	}
	assert_false(a->link->closed);
}

/* Most of what an agent says about itself is in each of its offers. */
static void test_agents_are_bounded(void **state)
{
	struct world *w = *state;
	mz_autofree char *attributes = xcalloc(1, (5 << 20) + 1);
	memset(attributes, 'x', 5 << 20);
	memcpy(attributes, "rack:", 5);
	world_attributes = attributes;
	struct fagent *a = agent_join(w, RES, NULL, NULL);
	Mezzo__Link__ToAgent *m = agent_next(a, TO_AGENT(SHUTDOWN));
	assert_non_null(m);
	assert_string_equal(m->shutdown->message, "The AgentInfo is larger than 4 MB");
}

/* One life of a framework with a role of its own, of a task and of an agent. */
static void come_and_go(struct world *w, int i)
{
	mz_autofree char *info = xasprintf(PLAIN ",\"roles\":[\"role%d\",\"other%d\"],\"capabilities\":["
					   "{\"type\":\"MULTI_ROLE\"},{\"type\":\"RESERVATION_REFINEMENT\"}]", i, i);
	mz_autofree char *task = xasprintf("t%d", i);
	world_port = 5050;
	struct offered o = with_offer(w, info);
	launch(&o, task_json(w, task, o.a->id, 1, 100), ",\"filters\":{\"refuse_seconds\":0}");
	mz_autofree char *odd = xasprintf("{\"name\":\"x\",\"task_id\":{\"value\":\"x\"},\"agent_id\":{\"value\":\"%s\"},"
					  "\"command\":{\"value\":\"true\"},\"resources\":[{\"name\":\"odd%d\",\"type\":\"SCALAR\","
					  "\"scalar\":{\"value\":1},\"allocation_info\":{\"role\":\"strange%d\"}}]}",
					  o.a->id, i, i);
	o.offer = offer_in(w, o.s)->id->value;
	launch(&o, odd, NULL);
	assert_update(o.s, ST(ERROR), RS(TASK_INVALID));
	sched_call(o.s, "\"type\":\"REQUEST\",\"request\":{\"requests\":[{\"resources\":[{\"name\":\"wish%d\",\"type\":"
			"\"SCALAR\",\"scalar\":{\"value\":1}}]}]}", i);
	sched_call(o.s, "\"type\":\"TEARDOWN\"");
	agent_unregister(o.a);
}

/* Who invents roles and names of resources, and agents that come and go, leave nothing
 * behind that is not in a bounded history. */
static void test_names_and_keys_are_bounded(void **state)
{
	struct world *w = *state;
	struct master_counts before, after;
	w->cfg.max_completed_frameworks = 2;
	world_restart(w);
	for (int i = 0; i < 3; i++)
		come_and_go(w, i);
	master_counts(w->m, &before);
	size_t n_kinds = res_n_kinds();
	for (int i = 3; i < 20; i++)
		come_and_go(w, i);
	master_counts(w->m, &after);
	assert_int_equal(after.agents + after.frameworks + after.tasks, 0);
	assert_int_equal(after.names, before.names);
	assert_int_equal(after.key_slots, before.key_slots);
	assert_int_equal(res_n_kinds(), n_kinds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_histories_are_bounded), BOTH(test_no_histories), BOTH(test_too_many), BOTH(test_kept_statuses_are_bounded), BOTH(test_histories_have_a_size),
		BOTH(test_slow_reader_is_cut), BOTH(test_names_and_keys_are_bounded), BOTH(test_names_in_metrics),
		BOTH(test_agents_are_bounded), BOTH(test_roles_are_bounded), BOTH(test_silent_links_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
