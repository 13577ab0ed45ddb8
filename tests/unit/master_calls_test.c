/* master_calls_test.c - UPDATE_FRAMEWORK and roles, the small calls, and what becomes
 * of refused ones. Each test runs in both encodings.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_offered.h"
#include "model/resources.h"

#define UPDATE "\"type\":\"UPDATE_FRAMEWORK\",\"update_framework\":{\"framework_info\":{%s,\"id\":{\"value\":\"%s\"}}%s}"

/* ---- UPDATE_FRAMEWORK ----------------------------------------------------------- */

static void update_rules(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *info, *more, *error; /* NULL: 200 */
	} rows[] = {
		{MULTI("\"a\""), "", NULL},
		{MULTI("\"a\",\"b\""), ",\"suppressed_roles\":[\"b\"]", NULL},
		{MULTI("\"a\"") ",\"hostname\":\"h\",\"webui_url\":\"w\",\"failover_timeout\":5", "", NULL},
		{MULTI(""), "", NULL},
		{"\"user\":\"other\",\"name\":\"n\"", "", "The user of a framework cannot change"},
		{PLAIN ",\"principal\":\"p\"", "", "The principal of a framework cannot change"},
		{PLAIN ",\"checkpoint\":true", "", "Checkpointing of a framework cannot change"},
		{PLAIN ",\"role\":\"a/\"", "", "Role 'a/'"},
		{MULTI("\"a\",\"a\""), "", "twice"},
		{PLAIN ",\"roles\":[\"a\"]", "", "MULTI_ROLE"},
		{PLAIN ",\"failover_timeout\":-1", "", "'failover_timeout'"},
		{MULTI("\"a\""), ",\"suppressed_roles\":[\"b\"]", "Suppressed role 'b'"},
		{MULTI("\"a\""), ",\"offer_constraints\":{\"role_constraints\":{\"b\":{\"groups\":[]}}}",
		 "does not subscribe with"},
		{MULTI("\"a\"") ",\"offer_filters\":{\"a\":{\"min_allocatable_resources\":{\"quantities\":[{\"quantities\":"
				"{\"cpus\":{\"value\":-1}}}]}}}",
		 "", "must be finite"},
	};
	struct sched *s = sched_subscribe(w, MULTI("\"a\""), NULL);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct fake_call *c = sched_post(s, UPDATE, rows[i].info, s->id, rows[i].more);
		if (c->status != (rows[i].error ? 400 : 200) ||
		    (rows[i].error && !strstr(buf_str(&c->body), rows[i].error)))
			fail_msg("row %zu: %d %s", i, c->status, buf_str(&c->body));
	}
	struct fake_call *c = sched_post(s, UPDATE, MULTI("\"a\""), "another", "");
	assert_int_equal(c->status, 400);
}

static void update_forbidden(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, MULTI("\"a\""), NULL);
	assert_int_equal(sched_post(s, UPDATE, MULTI("\"a\",\"forbidden\""), s->id, "")->status, 403);
	assert_int_equal(sched_post(s, UPDATE, MULTI("\"a\",\"b\""), s->id, "")->status, 200);
	const char *all = buf_str(&world_get(w, "/frameworks")->body);
	assert_null(strstr(all, "forbidden")); /* all or nothing */
	assert_non_null(strstr(all, "\"roles\":[\"a\",\"b\"]"));
}

static void update_is_durable_first(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, MULTI("\"a\""), NULL);
	w->disk.stuck = true;
	struct fake_call *c = sched_post(s, UPDATE, MULTI("\"b\""), s->id, "");
	assert_int_equal(c->status, 0);
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"roles\":[\"a\"]"));
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_int_equal(c->status, 200);
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"roles\":[\"b\"]"));
	/* A framework that is gone when its record is written */
	w->disk.stuck = true;
	sched_call(s, "\"type\":\"TEARDOWN\"");
	c = sched_post(s, UPDATE, MULTI("\"c\""), s->id, "");
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_int_equal(c->status, 400);
}

static void teardown_is_durable_first(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, MULTI("\"a\""), NULL);
	w->disk.stuck = true;
	struct fake_call *c = sched_post(s, "\"type\":\"TEARDOWN\"");
	world_settle(w);
	assert_int_equal(c->status, 0);
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"connected\":true"));
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_int_equal(c->status, 202);
	assert_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"connected\":true"));
	struct sched *late = sched_subscribe(w, MULTI("\"a\""), s->id);
	assert_string_equal(sched_event(late, EV(ERROR))->error->message, "Framework has been removed");
}

/* Its tasks are killed, and the answer is there before the stream ends. */
static void teardown_ends_tasks(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	launch_one(&o, "t");
	struct fake_call *c = sched_post(o.s, "\"type\":\"TEARDOWN\"");
	assert_int_equal(c->status, 202);
	assert_true(o.s->stream->closed);
	assert_true(c->ended_as < o.s->stream->ended_as);
	Mezzo__Link__ToAgent *m = agent_next(o.a, TO_AGENT(SHUTDOWN_FRAMEWORK));
	assert_string_equal(m->shutdown_framework->framework_id->value, o.s->id);
	assert_non_null(strstr(buf_str(&world_get(w, "/tasks")->body), "\"state\":\"TASK_KILLED\""));
}

static void update_moves_roles(void **state)
{
	struct world *w = *state;
	struct fagent *a = join(w, "cpus(a):4;mem(a):4096"), *b = join(w, "cpus(b):4;mem(b):4096");
	struct sched *s = sched_subscribe(w, MULTI("\"a\",\"b\""), NULL);
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
	assert_int_equal(e->offers->n_offers, 2);
	bool first = str_eq(e->offers->offers[0]->allocation_info->role, "a");
	const char *of_a = e->offers->offers[!first]->id->value, *of_b = e->offers->offers[first]->id->value;
	assert_int_equal(sched_call(s,
				    "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":[{\"type\":"
				    "\"LAUNCH\",\"launch\":{\"task_infos\":[{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":"
				    "{\"value\":\"%s\"},\"command\":{\"value\":\"true\"},\"resources\":[{\"name\":\"cpus\",\"type\":"
				    "\"SCALAR\",\"scalar\":{\"value\":1},\"reservations\":[{\"type\":\"STATIC\",\"role\":\"a\"}]}]}]}}],"
				    "\"filters\":{\"refuse_seconds\":0}}",
				    of_a, a->id),
			 202);
	world_pass(w, 2 * SECS);
	of_a = next_offer(s)->id->value; /* what the task has left */
	/* b is left: its offer goes, a's stays; the agent with the task hears of it */
	assert_int_equal(sched_post(s, UPDATE, MULTI("\"a\""), s->id, "")->status, 200);
	e = sched_event(s, EV(RESCIND));
	assert_string_equal(e->rescind->offer_id->value, of_b);
	assert_null(sched_event(s, EV(RESCIND)));
	Mezzo__Link__ToAgent *m = agent_next(a, TO_AGENT(UPDATE_FRAMEWORK));
	assert_int_equal(m->update_framework->framework->n_roles, 1);
	assert_null(agent_next(b, TO_AGENT(UPDATE_FRAMEWORK)));
	/* a is suppressed: its offer stays, agents need not know */
	assert_int_equal(sched_post(s, UPDATE, MULTI("\"a\""), s->id, ",\"suppressed_roles\":[\"a\"]")->status, 200);
	assert_null(sched_event(s, EV(RESCIND)));
	assert_null(agent_next(a, TO_AGENT(UPDATE_FRAMEWORK)));
	sched_call(s, "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"%s\"}],\"filters\":{\"refuse_seconds\":3600}}",
		   of_a);
	world_pass(w, 10 * SECS);
	assert_null(next_offer(s));
	/* wanted again: the filter of the decline is forgotten */
	assert_int_equal(sched_post(s, UPDATE, MULTI("\"a\""), s->id, "")->status, 200);
	world_pass(w, 3 * SECS);
	assert_string_equal(next_offer(s)->allocation_info->role, "a");
	world_check(w);
}

/* ---- roles, suppression, filters ---------------------------------------------------- */

static void suppressed_at_subscribe(void **state)
{
	struct world *w = *state;
	join(w, "cpus(a):4;mem(a):4096;cpus(b):4;mem(b):4096");
	struct sched *s = sched_subscribe_with(w, MULTI("\"a\",\"b\""), NULL, ",\"suppressed_roles\":[\"a\"]");
	world_pass(w, 3 * SECS);
	assert_string_equal(only_offer(s)->allocation_info->role, "b");
	assert_int_equal(sched_call(s, "\"type\":\"REVIVE\",\"revive\":{\"roles\":[\"a\"]}"), 202);
	world_pass(w, 3 * SECS);
	assert_string_equal(next_offer(s)->allocation_info->role, "a");
	struct sched *bad = sched_subscribe_with(w, MULTI("\"a\""), NULL, ",\"suppressed_roles\":[\"c\"]");
	assert_int_equal(sched_any(bad)->type, EV(ERROR));
}

/* A role that is named is suppressed or revived, and no other one. */
static void each_role_for_itself(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, MULTI("\"a\",\"b\""), NULL);
	assert_int_equal(sched_call(s, "\"type\":\"SUPPRESS\",\"suppress\":{\"roles\":[\"a\"]}"), 202);
	join(w, "cpus(a):4;mem(a):4096;cpus(b):4;mem(b):4096");
	world_pass(w, 3 * SECS);
	Mesos__V1__Offer *of_b = only_offer(s);
	assert_string_equal(of_b->allocation_info->role, "b");
	assert_int_equal(sched_call(s, "\"type\":\"SUPPRESS\""), 202);
	sched_call(s, "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"%s\"}],\"filters\":{\"refuse_seconds\":0}}",
		   of_b->id->value);
	assert_int_equal(sched_call(s, "\"type\":\"REVIVE\",\"revive\":{\"roles\":[\"a\"]}"), 202);
	world_pass(w, 3 * SECS);
	assert_string_equal(only_offer(s)->allocation_info->role, "a");
}

/* Its filter holds as long as it says; what it names wrongly costs the others nothing. */
static void declined_for_a_while(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	struct sched *other = sched_subscribe(w, PLAIN, NULL);
	struct master_counts n;
	sched_call(other, "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"%s\"}]}", o.offer);
	master_counts(w->m, &n);
	assert_int_equal(n.offers, 1); /* it is not that framework's */
	sched_call(other, "\"type\":\"SUPPRESS\"");
	sched_call(o.s, "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"x\"},{\"value\":\"%s\"}],"
			"\"filters\":{\"refuse_seconds\":20}}", o.offer);
	master_counts(w->m, &n);
	assert_int_equal(n.offers, 0);
	world_pass(w, 18 * SECS);
	assert_null(next_offer(o.s));
	world_pass(w, 5 * SECS);
	assert_non_null(next_offer(o.s));
}

static void hierarchical_roles(void **state)
{
	struct world *w = *state;
	struct fagent *a = join(w, "cpus(eng):4;mem(eng):4096");
	struct sched *other = sched_subscribe(w, MULTI("\"engine\""), NULL);
	struct sched *s = sched_subscribe(w, MULTI("\"eng/web/ui\""), NULL);
	world_pass(w, 3 * SECS);
	Mesos__V1__Offer *o = next_offer(s);
	assert_string_equal(o->allocation_info->role, "eng/web/ui");
	assert_string_equal(o->resources[0]->reservations[0]->role, "eng");
	assert_null(next_offer(other));
	(void)a;
	assert_non_null(strstr(buf_str(&world_get(w, "/roles")->body), "\"eng/web/ui\""));
	world_check(w);
}

static void min_allocatable_of_a_role(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *quantities;
		bool offered;
	} rows[] = {
		{"{\"quantities\":{\"cpus\":{\"value\":4},\"mem\":{\"value\":4096}}}", true},
		{"{\"quantities\":{\"cpus\":{\"value\":4.1}}}", false},
		{"{\"quantities\":{\"cpus\":{\"value\":4.1}}},{\"quantities\":{\"mem\":{\"value\":1}}}", true},
		{"{\"quantities\":{\"cpus\":{\"value\":4},\"mem\":{\"value\":5000}}}", false},
		{"{\"quantities\":{\"cpus\":{\"value\":1e300}}}", false},
		{"{\"quantities\":{\"ports\":{\"value\":11}}}", true},
		{"{\"quantities\":{\"ports\":{\"value\":12}}}", false},
		{"", true},
	};
	join(w, RES);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		mz_autofree char *info =
			xasprintf(MULTI("\"a\"") ",\"offer_filters\":{\"a\":{\"min_allocatable_resources\":{\"quantities\":[%s]}}}",
				  rows[i].quantities);
		struct sched *s = sched_subscribe(w, info, NULL);
		world_pass(w, 3 * SECS);
		if ((next_offer(s) != NULL) != rows[i].offered)
			fail_msg("row %zu", i);
		sched_call(s, "\"type\":\"TEARDOWN\"");
	}
}

/* ---- messages, executors, requests, operations ----------------------------------------- */

static void messages_both_ways(void **state)
{
	struct world *w = *state;
	struct fagent *a = join(w, RES);
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	assert_int_equal(sched_call(s, "\"type\":\"MESSAGE\",\"message\":{\"agent_id\":{\"value\":\"%s\"},"
				    "\"executor_id\":{\"value\":\"e\"},\"data\":\"AAEC\"}", a->id), 202);
	Mezzo__Link__ToAgent *m = agent_next(a, TO_AGENT(FRAMEWORK_MESSAGE));
	assert_string_equal(m->framework_message->executor_id->value, "e");
	assert_int_equal(m->framework_message->data.len, 3);
	Mezzo__Link__ToMaster msg = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__ExecutorMessage x = MEZZO__LINK__EXECUTOR_MESSAGE__INIT;
	x.framework_id = m->framework_message->framework_id;
	x.executor_id = m->framework_message->executor_id;
	x.data = m->framework_message->data;
	msg.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_EXECUTOR_MESSAGE;
	msg.executor_message = &x;
	fake_link_send(a->link, &msg.base);
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(MESSAGE));
	assert_string_equal(e->message->agent_id->value, a->id);
	assert_memory_equal(e->message->data.data, "\0\1\2", 3);
}

static mz_key asked_framework, asked_agent;
static int64_t asked_cpus;

static void on_request(void *inst, mz_key framework, mz_key agent, const struct mz_resources *wanted)
{
	(void)inst;
	asked_framework = framework;
	asked_agent = agent;
	asked_cpus = res_scalar(wanted, "cpus");
}

/* The allocator that ships has no use for a wish: another one listens in its place. */
static void request_reaches_the_allocator(void **state)
{
	struct world *w = *state;
	struct fagent *a = join(w, RES);
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	struct module_allocator alloc;
	module_as_allocator(w->allocator, &alloc);
	struct mz_allocator_ops *ops = (struct mz_allocator_ops *)alloc.ops; /* the host's copy */
	ops->request_resources = on_request;
	static const char format[] = "\"type\":\"REQUEST\",\"request\":{\"requests\":[{%s%s%s\"resources\":[{\"name\":\"cpus\","
				     "\"type\":\"SCALAR\",\"scalar\":{\"value\":%d}}]}]}";
	assert_int_equal(sched_call(s, format, "", "", "", 3), 202);
	assert_int_equal(asked_cpus, 3000);
	assert_true(asked_framework != 0);
	assert_true(asked_agent == 0);
	assert_int_equal(sched_call(s, format, "\"agent_id\":{\"value\":\"", a->id, "\"},", 5), 202);
	assert_int_equal(asked_cpus, 5000);
	assert_true(asked_agent != 0);
}

static void shutdown_and_failure(void **state)
{
	struct world *w = *state;
	struct fagent *a = join(w, RES);
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	world_pass(w, 2 * SECS);
	Mesos__V1__Offer *o = next_offer(s);
	mz_autofree char *task = xasprintf(
		"{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"%s\"},\"executor\":{\"executor_id\":"
		"{\"value\":\"e\"},\"command\":{\"value\":\"x\"}},\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\","
		"\"scalar\":{\"value\":1}}]}", a->id);
	sched_call(s, "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":[{\"type\":\"LAUNCH\","
		   "\"launch\":{\"task_infos\":[%s]}}],\"filters\":{\"refuse_seconds\":0}}", o->id->value, task);
	assert_non_null(agent_next(a, TO_AGENT(RUN_TASKS)));
	sched_call(s, "\"type\":\"SHUTDOWN\",\"shutdown\":{\"agent_id\":{\"value\":\"%s\"},\"executor_id\":{\"value\":\"e\"}}",
		   a->id);
	Mezzo__Link__ToAgent *m = agent_next(a, TO_AGENT(SHUTDOWN_EXECUTOR));
	assert_string_equal(m->shutdown_executor->executor_id->value, "e");
	world_pass(w, 2 * SECS);
	assert_string_equal(next_offer(s)->executor_ids[0]->value, "e");
	Mezzo__Link__ToMaster msg = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__ExitedExecutor x = MEZZO__LINK__EXITED_EXECUTOR__INIT;
	x.framework_id = m->shutdown_executor->framework_id;
	x.executor_id = m->shutdown_executor->executor_id;
	x.status = 9;
	msg.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_EXITED_EXECUTOR;
	msg.exited_executor = &x;
	fake_link_send(a->link, &msg.base);
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(FAILURE));
	assert_string_equal(e->failure->executor_id->value, "e");
	assert_int_equal(e->failure->status, 9);
	/* The agent alone: lost after its pings */
	world_pass(w, 100 * SECS);
	e = sched_event(s, EV(FAILURE));
	assert_non_null(e);
	assert_string_equal(e->failure->agent_id->value, a->id);
	assert_null(e->failure->executor_id);
}

static void operations_are_reconciled(void **state)
{
	struct world *w = *state;
	struct fagent *a = join(w, RES);
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	const char *format = "\"type\":\"RECONCILE_OPERATIONS\",\"reconcile_operations\":{\"operations\":[{\"operation_id\":"
			     "{\"value\":\"o\"}%s%s%s}]}";
	static const char agent[] = ",\"agent_id\":{\"value\":\"";
	for (int i = 0; i < 3; i++) {
		static const int want[] = {MESOS__V1__OPERATION_STATE__OPERATION_UNKNOWN,
					   MESOS__V1__OPERATION_STATE__OPERATION_UNKNOWN,
					   MESOS__V1__OPERATION_STATE__OPERATION_UNREACHABLE};
		if (i == 2)
			world_pass(w, 100 * SECS); /* no pings are answered */
		assert_int_equal(sched_call(s, format, i ? agent : "", i ? a->id : "", i ? "\"}" : ""), 202);
		Mesos__V1__Scheduler__Event *e = sched_event(s, EV(UPDATE_OPERATION_STATUS));
		assert_string_equal(e->update_operation_status->status->operation_id->value, "o");
		assert_int_equal(e->update_operation_status->status->state, want[i]);
		assert_false(e->update_operation_status->status->uuid != NULL);
	}
	struct fake_call *c = sched_post(s, "\"type\":\"ACKNOWLEDGE_OPERATION_STATUS\",\"acknowledge_operation_status\":{"
					    "\"uuid\":\"AQEBAQEBAQEBAQEBAQEBAQ==\",\"operation_id\":{\"value\":\"o\"}}");
	assert_int_equal(c->status, 400); /* an agent id is needed */
	static const char *const ops[] = {"RESERVE",	   "UNRESERVE",	    "CREATE",	   "DESTROY",
					  "GROW_VOLUME",   "SHRINK_VOLUME", "CREATE_DISK", "DESTROY_DISK"};
	world_pass(w, 2 * SECS);
	join(w, RES);
	for (size_t i = 0; i < MZ_N(ops); i++) { /* without its payload: costs itself alone */
		world_pass(w, 2 * SECS);
		Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
		c = sched_post(s, "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":[{\"type\":"
				  "\"%s\",\"id\":{\"value\":\"o\"}}],\"filters\":{\"refuse_seconds\":0}}",
			       e->offers->offers[0]->id->value, ops[i]);
		assert_int_equal(c->status, 202);
		e = sched_event(s, EV(UPDATE_OPERATION_STATUS));
		assert_int_equal(e->update_operation_status->status->state, MESOS__V1__OPERATION_STATE__OPERATION_ERROR);
		assert_non_null(strstr(e->update_operation_status->status->message, "lacks what its type needs"));
	}
}

/* The agent is not back since the master started: it may tell of the operation. */
static void operations_of_recovered_agents(void **state)
{
	struct world *w = *state;
	const char *id = arena_strdup(&w->arena, join(w, RES)->id);
	world_restart(w);
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	sched_call(s, "\"type\":\"RECONCILE_OPERATIONS\",\"reconcile_operations\":{\"operations\":[{\"operation_id\":"
		      "{\"value\":\"o\"},\"agent_id\":{\"value\":\"%s\"}}]}", id);
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(UPDATE_OPERATION_STATUS));
	assert_int_equal(e->update_operation_status->status->state, MESOS__V1__OPERATION_STATE__OPERATION_RECOVERING);
	sched_call(s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[{\"task_id\":{\"value\":\"t\"},\"agent_id\":"
		      "{\"value\":\"%s\"}},{\"task_id\":{\"value\":\"u\"}}]}", id);
	world_pass(w, SECS);
	assert_null(sched_event(s, EV(UPDATE))); /* nor is anything said of tasks */
}

/* ---- refused calls ------------------------------------------------------------------------ */

static void refused_calls_are_seen(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *type, *body, *reason;
	} rows[] = {
		{"REVIVE", "\"revive\":{\"roles\":[\"*\",\"x\"]}", "Role 'x' is not one that it is subscribed with"},
		{"SUPPRESS", "\"suppress\":{\"roles\":[\"a/\"]}", "Role 'a/' starts or ends with '/'"},
		{"KILL", "\"kill\":{\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"x\"}}", "Task 't' is not on agent 'x'"},
		{"ACKNOWLEDGE",
		 "\"acknowledge\":{\"agent_id\":{\"value\":\"x\"},\"task_id\":{\"value\":\"t\"},\"uuid\":\"AQEBAQEBAQEBAQEBAQEBAQ==\"}",
		 "Task 't': its agent is unknown"},
		{"SHUTDOWN", "\"shutdown\":{\"agent_id\":{\"value\":\"x\"},\"executor_id\":{\"value\":\"e\"}}",
		 "Agent 'x' is unknown"},
		{"MESSAGE", "\"message\":{\"agent_id\":{\"value\":\"x\"},\"executor_id\":{\"value\":\"e\"},\"data\":\"\"}",
		 "Agent 'x' is unknown"},
		{"REQUEST", "\"request\":{\"requests\":[{\"agent_id\":{\"value\":\"x\"},\"resources\":[]}]}",
		 "Request 0: agent 'x' is unknown"},
		{"ACCEPT", "\"accept\":{\"offer_ids\":[{\"value\":\"x\"}]}", "Offer x is no longer valid"},
		{"ACCEPT_INVERSE_OFFERS", "\"accept_inverse_offers\":{\"inverse_offer_ids\":[{\"value\":\"x\"}]}",
		 "The inverse offers are not outstanding"},
		{"DECLINE_INVERSE_OFFERS", "\"decline_inverse_offers\":{\"inverse_offer_ids\":[{\"value\":\"x\"}]}",
		 "The inverse offers are not outstanding"},
		{"ACKNOWLEDGE_OPERATION_STATUS",
		 "\"acknowledge_operation_status\":{\"agent_id\":{\"value\":\"x\"},\"operation_id\":{\"value\":\"o\"},"
		 "\"uuid\":\"AQEBAQEBAQEBAQEBAQEBAQ==\"}",
		 "No status of an operation waits for it"},
	};
	struct fagent *a = join(w, RES);
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	world_pass(w, 2 * SECS);
	launch_on(s, next_offer(s)->id->value, a->id, "t");
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"refused_calls\":{}"));
	for (size_t i = 0; i < MZ_N(rows); i++) {
		for (int n = 1; n <= 2; n++) {
			assert_int_equal(sched_call(s, "\"type\":\"%s\",%s", rows[i].type, rows[i].body), 202);
			mz_autofree char *want =
				xasprintf("\"%s\":{\"count\":%d,\"last_reason\":\"", rows[i].type, n);
			const char *all = buf_str(&world_get(w, "/frameworks")->body), *at = strstr(all, want);
			if (!at || !strstr(at, rows[i].reason))
				fail_msg("row %zu, %d: %s", i, n, all);
		}
	}
	const char *metrics = buf_str(&world_get(w, "/metrics/snapshot")->body);
	assert_non_null(strstr(metrics, "\"master/refused_calls\":22.0"));
	mz_autofree char *name = xasprintf("\"master/frameworks/n/%s/refused_calls/revive\":2.0", s->id);
	assert_non_null(strstr(metrics, name));
}

/* What is not refused: it is answered, or a race that everyone runs into. */
static void answered_calls_are_not_refused(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	sched_call(s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"nobody\"}}");
	sched_call(s, "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"x\"}]}");
	sched_call(s, "\"type\":\"REVIVE\"");
	sched_call(s, "\"type\":\"SUPPRESS\",\"suppress\":{\"roles\":[\"*\"]}");
	sched_call(s, "\"type\":\"REQUEST\",\"request\":{\"requests\":[{\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\","
		      "\"scalar\":{\"value\":1}}]}]}");
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"refused_calls\":{}"));
}

/* Nor is any number of quantities looked at for each agent. */
static void too_many_quantities(void **state)
{
	struct world *w = *state;
	for (int by_role = 0; by_role < 2; by_role++) {
		mz_autobuf struct buf filters = {0};
		for (int i = 0; i < 1001; i++)
			if (by_role)
				buf_addf(&filters, "%s\"r%d\":{}", i ? "," : "", i);
			else
				buf_addf(&filters, "%s{\"quantities\":{\"cpus\":{\"value\":%d}}}", i ? "," : "", i);
		mz_autofree char *info =
			by_role ? xasprintf(MULTI("\"a\"") ",\"offer_filters\":{%s}", buf_str(&filters))
				: xasprintf(MULTI("\"a\"") ",\"offer_filters\":{\"a\":{\"min_allocatable_resources\":"
							   "{\"quantities\":[%s]}}}", buf_str(&filters));
		Mesos__V1__Scheduler__Event *e = sched_any(sched_subscribe(w, info, NULL));
		assert_int_equal(e->type, EV(ERROR));
		assert_non_null(strstr(e->error->message, "1000 are allowed"));
	}
}

/* No list of roles makes the master look at all of them for each of them. */
static void too_many_roles(void **state)
{
	struct world *w = *state;
	mz_autobuf struct buf roles = {0};
	for (int i = 0; i < 1001; i++)
		buf_addf(&roles, "%s\"r%d\"", i ? "," : "", i);
	mz_autofree char *info = xasprintf(PLAIN ",\"roles\":[%s],\"capabilities\":[{\"type\":\"MULTI_ROLE\"}]",
					   buf_str(&roles));
	Mesos__V1__Scheduler__Event *e = sched_any(sched_subscribe(w, info, NULL));
	assert_int_equal(e->type, EV(ERROR));
	assert_non_null(strstr(e->error->message, "1000 are allowed"));
	mz_autofree char *more = xasprintf(",\"suppressed_roles\":[%s]", buf_str(&roles));
	e = sched_any(sched_subscribe_with(w, PLAIN, NULL, more));
	assert_string_equal(e->error->message, "Too many suppressed roles");
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	assert_int_equal(sched_call(s, "\"type\":\"REVIVE\",\"revive\":{\"roles\":[%s]}", buf_str(&roles)), 202);
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body),
			       "\"REVIVE\":{\"count\":1,\"last_reason\":\"It names 1001 roles"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(update_rules), BOTH(update_is_durable_first), BOTH(teardown_is_durable_first), BOTH(teardown_ends_tasks),
		BOTH(update_moves_roles), BOTH(suppressed_at_subscribe),
		BOTH(each_role_for_itself), BOTH(declined_for_a_while), BOTH(request_reaches_the_allocator),
		BOTH(hierarchical_roles), BOTH(min_allocatable_of_a_role), BOTH(messages_both_ways), BOTH(shutdown_and_failure),
		BOTH(operations_are_reconciled), BOTH(operations_of_recovered_agents), BOTH(refused_calls_are_seen), BOTH(answered_calls_are_not_refused),
		BOTH(too_many_roles), BOTH(too_many_quantities),
		{"update_forbidden", update_forbidden, world_setup_authorized, world_teardown, NULL},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
