/* agent_test.c - the agent while it runs: the executor API, launch, kill,
 * ends of executors, the link. The update manager: agent_updates_test.c, restarts:
 * agent_recover_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <string.h>

/* ---- the executor API: order of checks ------------------------------------------- */

#define IDS "\"framework_id\":{\"value\":\"F\"},\"executor_id\":{\"value\":\"e\"}"
#define STATUS(rest) "{\"type\":\"UPDATE\"," IDS ",\"update\":{\"status\":{\"task_id\":{\"value\":\"t\"}" rest "}}}"
#define UUID ",\"uuid\":\"AQEBAQEBAQEBAQEBAQEBAQ==\""
#define BY_EXECUTOR ",\"source\":\"SOURCE_EXECUTOR\""

static void test_refusals(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *method, *headers, *body;
		int status;
	} rows[] = {
		{"GET", NULL, NULL, 405},
		{"POST", "Accept: application/json", "{}", 400},
		{"POST", "Content-Type: text/plain", "{}", 415},
		{"POST", "Content-Type: application/json; charset=utf-8", "{}", 415},
		{"POST", "Content-Type: application/json", "{", 400},
		{"POST", "Content-Type: application/x-protobuf", "garbage", 400},
		{"POST", "Content-Type: application/json", "{}", 400},
		{"POST", "Content-Type: application/json", "{\"type\":\"SUBSCRIBE\"}", 400},
		{"POST", "Content-Type: application/json", "{\"type\":\"UPDATE\"," IDS "}", 400},
		{"POST", "Content-Type: application/json", "{\"type\":\"MESSAGE\"," IDS "}", 400},
		{"POST", "Content-Type: application/json\nAccept: text/html",
		 "{\"type\":\"SUBSCRIBE\"," IDS ",\"subscribe\":{}}", 406},
		{"POST", "Content-Type: application/json", "{\"type\":\"HEARTBEAT\"," IDS "}", 202},
		{"POST", "Content-Type: application/json",
		 "{\"type\":\"SUBSCRIBE\",\"framework_id\":{\"value\":\"no\"},\"executor_id\":{\"value\":\"e\"},\"subscribe\":{}}",
		 400},
		{"POST", "Content-Type: application/json",
		 "{\"type\":\"SUBSCRIBE\",\"framework_id\":{\"value\":\"F\"},\"executor_id\":{\"value\":\"no\"},\"subscribe\":{}}",
		 400},
		/* the container is there, its executor has not subscribed */
		{"POST", "Content-Type: application/json",
		 STATUS(",\"state\":\"TASK_RUNNING\"" UUID BY_EXECUTOR), 403},
	};
	world_register(w);
	run_task(w, "t", "e");
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct fake_call *c = fake_http(w->loop, &w->router, rows[i].method, "/api/v1/executor", rows[i].headers,
						rows[i].body, rows[i].body ? strlen(rows[i].body) : 0);
		vec_push(&w->calls, c);
		if (c->status != rows[i].status)
			fail_msg("row %zu: %d instead of %d: %s", i, c->status, rows[i].status, buf_str(&c->body));
	}
	struct fake_call *s = executor_subscribe(w, "e", NULL);
	assert_int_equal(s->status, 200);
	static const char *const bad[] = {
		STATUS(",\"state\":\"TASK_RUNNING\"" BY_EXECUTOR),
		STATUS(",\"state\":\"TASK_RUNNING\"" BY_EXECUTOR ",\"uuid\":\"AQE=\""),
		STATUS(",\"state\":\"TASK_RUNNING\"" UUID ",\"source\":\"SOURCE_AGENT\""),
		STATUS(",\"state\":\"TASK_RUNNING\"" UUID),
		STATUS(",\"state\":\"TASK_STAGING\"" UUID BY_EXECUTOR),
		STATUS(",\"state\":\"TASK_RUNNING\"" UUID BY_EXECUTOR ",\"executor_id\":{\"value\":\"other\"}"),
		STATUS(",\"state\":\"TASK_RUNNING\"" UUID BY_EXECUTOR ",\"check_status\":{}"),
		STATUS(",\"state\":\"TASK_RUNNING\"" UUID BY_EXECUTOR ",\"check_status\":{\"type\":\"TCP\",\"http\":{}}"),
	};
	for (size_t i = 0; i < MZ_N(bad); i++)
		assert_int_equal(executor_post(w, bad[i])->status, 400);
	/* What cannot be put on record. */
	mz_autofree char *text = xmalloc(PB_MAX_RECORD + 1);
	memset(text, 'x', PB_MAX_RECORD);
	text[PB_MAX_RECORD] = '\0';
	mz_autofree char *body = xasprintf(STATUS(",\"state\":\"TASK_RUNNING\"" UUID BY_EXECUTOR ",\"message\":\"%s\""), text);
	struct fake_call *large = executor_post(w, body);
	assert_int_equal(large->status, 400);
	assert_non_null(strstr(buf_str(&large->body), "at most 16777216 are allowed"));
	assert_null(next_status(w));
	assert_int_equal(executor_update(w, "e", "t", "TASK_RUNNING", 1), 202);
	assert_non_null(next_status(w));
}

/* ---- launch ------------------------------------------------------------------------ */

static void test_command_task(void **state)
{
	struct world *w = *state;
	world_register(w);
	w->disk.stuck = true;
	run_task(w, "t", NULL);
	assert_int_equal(w->containers.launched.n, 0); /* nothing before it is on record */
	fake_disk_flush(&w->disk);
	w->disk.stuck = false;
	world_settle(w);
	assert_int_equal(w->containers.launched.n, 1);
	assert_string_equal(w->containers.last_executor, "t");
	assert_true(str_starts(w->containers.last_argv, "/x/mezzo-executor|--module|command"));
	assert_non_null(strstr(w->containers.last_env, "MESOS_AGENT_ENDPOINT=127.0.0.1:5051\n"));
	assert_non_null(strstr(w->containers.last_env, "MESOS_CHECKPOINT=1\n"));
	/* What the operator sets, but for what the agent itself says. */
	assert_non_null(strstr(w->containers.last_env, "SITE=here\n"));
	assert_non_null(strstr(w->containers.last_env, "LIBPROCESS_PORT=0\n"));
	struct fake_call *s = executor_subscribe(w, "t", NULL);
	Mesos__V1__Executor__Event *e = event_any(w, s);
	assert_int_equal(e->type, EV(SUBSCRIBED));
	assert_string_equal(e->subscribed->agent_info->id->value, "S0");
	assert_string_equal(e->subscribed->container_id->value, last_container(w));
	e = event_any(w, s);
	assert_int_equal(e->type, EV(LAUNCH));
	assert_string_equal(e->launch->task->task_id->value, "t");
	assert_null(event_any(w, s));
	/* the same message again launches nothing */
	run_task(w, "t", NULL);
	assert_int_equal(w->containers.launched.n, 1);
	assert_null(event_any(w, s));
}

static void test_queue_for_custom_executor(void **state)
{
	struct world *w = *state;
	world_register(w);
	run_task(w, "a", "e");
	run_task(w, "b", "e");
	assert_int_equal(w->containers.launched.n, 1);
	struct fake_call *s = executor_subscribe(w, "e", NULL);
	assert_int_equal(event_any(w, s)->type, EV(SUBSCRIBED));
	assert_string_equal(event_any(w, s)->launch->task->task_id->value, "a");
	assert_string_equal(event_any(w, s)->launch->task->task_id->value, "b");
	size_t updates = w->containers.n_updates;
	assert_true(updates > 0);
	run_task(w, "c", "e"); /* to a running one at once, after its resources */
	assert_string_equal(event_any(w, s)->launch->task->task_id->value, "c");
	assert_int_equal(w->containers.n_updates, updates + 1);
	/* and when a task ends, its share is taken back */
	executor_update(w, "e", "a", "TASK_FINISHED", 1);
	assert_int_equal(w->containers.n_updates, updates + 2);
}

/* What modules say of its container is known with the news of its launch. */
static void test_faster_than_its_launch(void **state)
{
	struct world *w = *state;
	world_register(w);
	w->containers.hold_launch = true;
	run_task(w, "a", "e");
	struct fake_call *s = executor_subscribe(w, "e", NULL);
	assert_int_equal(event_any(w, s)->type, EV(SUBSCRIBED));
	assert_null(event_any(w, s));
	container_launched(w, false);
	assert_string_equal(event_any(w, s)->launch->task->task_id->value, "a");
	assert_null(event_any(w, s));
}

static void test_group_in_one_event(void **state)
{
	struct world *w = *state;
	world_register(w);
	to_agent(w, "{\"run_tasks\":{\"framework\":{\"user\":\"u\",\"name\":\"f\",\"id\":{\"value\":\"F\"},\"checkpoint\":true},"
		    "\"group_executor\":{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"e\"},\"framework_id\":{\"value\":\"F\"}},"
		    "\"tasks\":[{\"name\":\"a\",\"task_id\":{\"value\":\"a\"},\"agent_id\":{\"value\":\"S0\"},\"command\":{\"value\":\"x\"}},"
		    "{\"name\":\"b\",\"task_id\":{\"value\":\"b\"},\"agent_id\":{\"value\":\"S0\"},\"command\":{\"value\":\"x\"}}]}}");
	assert_non_null(strstr(w->containers.last_argv, "|pod|"));
	struct fake_call *s = executor_subscribe(w, "e", NULL);
	assert_int_equal(event_any(w, s)->type, EV(SUBSCRIBED));
	Mesos__V1__Executor__Event *e = event_any(w, s);
	assert_int_equal(e->type, EV(LAUNCH_GROUP));
	assert_int_equal(e->launch_group->task_group->n_tasks, 2);
	assert_null(event_any(w, s));
}

static void test_messages_and_heartbeats(void **state)
{
	struct world *w = *state;
	world_register(w);
	run_task(w, "t", "e");
	struct fake_call *s = executor_subscribe(w, "e", NULL);
	assert_non_null(event(w, s, EV(LAUNCH)));
	assert_int_equal(executor_post(w, "{\"type\":\"MESSAGE\"," IDS ",\"message\":{\"data\":\"aGk=\"}}")->status, 202);
	Mezzo__Link__ToMaster *m = to_master(w, TM(EXECUTOR_MESSAGE));
	assert_int_equal(m->executor_message->data.len, 2);
	assert_string_equal(m->executor_message->executor_id->value, "e");
	to_agent(w, "{\"framework_message\":{\"framework_id\":{\"value\":\"F\"},\"executor_id\":{\"value\":\"e\"},\"data\":\"aG8=\"}}");
	assert_memory_equal(event(w, s, EV(MESSAGE))->message->data.data, "ho", 2);
	/* To one that is not there it is lost, and counted. */
	to_agent(w, "{\"framework_message\":{\"framework_id\":{\"value\":\"F\"},\"executor_id\":{\"value\":\"no\"},\"data\":\"aG8=\"}}");
	assert_null(event_any(w, s));
	world_pass(w, 30 * 60 * SECS);
	assert_non_null(event(w, s, EV(HEARTBEAT)));
}

static void test_update_fails(void **state)
{
	struct world *w = *state;
	world_register(w);
	run_task(w, "a", "e");
	struct fake_call *s = executor_subscribe(w, "e", NULL);
	assert_non_null(event(w, s, EV(LAUNCH)));
	executor_update(w, "e", "a", "TASK_RUNNING", 1);
	ack(w, "a", next_status(w));
	/* No room for a second task: its executor is destroyed, and nobody is told to run it. */
	w->containers.fail_update = true;
	run_task(w, "b", "e");
	assert_null(event(w, s, EV(LAUNCH)));
	assert_int_equal(w->containers.n_terminated, 1);
	for (int i = 0; i < 2; i++) {
		Mesos__V1__TaskStatus *t = next_status(w);
		assert_int_equal(t->state, ST(GONE));
		assert_int_equal(t->reason, RS(CONTAINER_UPDATE_FAILED));
		assert_non_null(strstr(t->message, "Failed to update resources for container"));
	}
}

static void test_launch_fails(void **state)
{
	struct world *w = *state;
	world_register(w);
	w->containers.fail_launch = true;
	run_task(w, "t", "e");
	world_settle(w);
	expect_status(w, "t", ST(FAILED), RS(CONTAINER_LAUNCH_FAILED));
	assert_int_equal(world_n_records(w, "executor/") + world_n_records(w, "task/") + world_n_records(w, "update/"), 0);
}

static void test_registration_timeout(void **state)
{
	struct world *w = *state;
	world_register(w);
	run_task(w, "t", "e");
	world_pass(w, 59 * SECS);
	assert_int_equal(w->containers.n_terminated, 0);
	world_pass(w, 2 * SECS);
	assert_int_equal(w->containers.n_terminated, 1);
	expect_status(w, "t", ST(FAILED), RS(EXECUTOR_REGISTRATION_TIMEOUT));
}

/* It ends while its container is launched: why is known, and not that it "could not". */
static void test_registration_timeout_while_it_is_launched(void **state)
{
	struct world *w = *state;
	world_register(w);
	w->containers.hold_launch = w->containers.slow_end = true;
	run_task(w, "t", "e");
	world_pass(w, 61 * SECS);
	assert_int_equal(w->containers.n_terminated, 1);
	assert_null(next_status(w));
	container_launched(w, true);
	expect_status(w, "t", ST(FAILED), RS(EXECUTOR_REGISTRATION_TIMEOUT));
	assert_int_equal(world_n_records(w, "executor/") + world_n_records(w, "task/") + world_n_records(w, "update/"), 0);
}

static void test_second_subscribe_wins(void **state)
{
	struct world *w = *state;
	world_register(w);
	run_task(w, "t", "e");
	struct fake_call *one = executor_subscribe(w, "e", NULL);
	struct fake_call *two = executor_subscribe(
		w, "e", "\"unacknowledged_tasks\":[{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"S0\"}}]");
	assert_true(one->closed);
	assert_false(two->closed);
	assert_null(next_status(w)); /* it has the task */
	/* a third time without it: it never arrived */
	executor_subscribe(w, "e", NULL);
	expect_status(w, "t", ST(DROPPED), RS(AGENT_RESTARTED));
}

/* ---- kill in each state ---------------------------------------------------------------- */

static void test_kill(void **state)
{
	struct world *w = *state;
	world_register(w);
	kill_task(w, "unknown");
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_non_null(s);
	assert_false(s->has_uuid);
	/* queued: its executor ends with it */
	run_task(w, "queued", "e");
	kill_task(w, "queued");
	world_settle(w);
	expect_status(w, "queued", ST(KILLED), RS(TASK_KILLED_DURING_LAUNCH));
	assert_int_equal(w->containers.n_terminated, 1);
	/* queued beside another: the executor stays, and gets only the other */
	run_task(w, "one", "e2");
	run_task(w, "two", "e2");
	kill_task(w, "one");
	expect_status(w, "one", ST(KILLED), RS(TASK_KILLED_DURING_LAUNCH));
	struct fake_call *x = executor_subscribe(w, "e2", NULL);
	assert_int_equal(event_any(w, x)->type, EV(SUBSCRIBED));
	assert_string_equal(event_any(w, x)->launch->task->task_id->value, "two");
	/* launched: the executor is told, and nothing is made up */
	kill_task(w, "two");
	assert_string_equal(event(w, x, EV(KILL))->kill->task_id->value, "two");
	assert_null(next_status(w));
	/* ended, not acknowledged: nothing */
	executor_update(w, "e2", "two", "TASK_KILLED", 1);
	assert_int_equal(next_status(w)->state, ST(KILLED));
	kill_task(w, "two");
	assert_null(event(w, x, EV(KILL)));
	assert_null(next_status(w));
}

static void test_kill_before_records(void **state)
{
	struct world *w = *state;
	world_register(w);
	/* An executor of the same id follows within the same batch: it is not taken for
	 * the first one. */
	w->disk.stuck = true;
	run_task(w, "t1", "e");
	kill_task(w, "t1");
	run_task(w, "t2", "e");
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_int_equal(w->containers.launched.n, 1);
	expect_status(w, "t1", ST(KILLED), RS(TASK_KILLED_DURING_LAUNCH));
	struct fake_call *x = executor_subscribe(w, "e", NULL);
	assert_string_equal(event(w, x, EV(LAUNCH))->launch->task->task_id->value, "t2");
	/* The first of two is killed before its records: the second is not lost. */
	w->disk.stuck = true;
	run_task(w, "t3", "f");
	run_task(w, "t4", "f");
	kill_task(w, "t3");
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	expect_status(w, "t3", ST(KILLED), RS(TASK_KILLED_DURING_LAUNCH));
	assert_null(next_status(w));
	x = executor_subscribe(w, "f", NULL);
	assert_string_equal(event(w, x, EV(LAUNCH))->launch->task->task_id->value, "t4");
}

static void test_kill_while_terminating(void **state)
{
	struct world *w = *state;
	world_register(w);
	run_task(w, "t", "e");
	struct fake_call *x = executor_subscribe(w, "e", NULL);
	to_agent(w, "{\"shutdown_executor\":{\"framework_id\":{\"value\":\"F\"},\"executor_id\":{\"value\":\"e\"}}}");
	assert_non_null(event(w, x, EV(SHUTDOWN)));
	kill_task(w, "t");
	assert_non_null(event(w, x, EV(KILL)));
	run_task(w, "late", "e");
	expect_status(w, "late", ST(DROPPED), RS(EXECUTOR_TERMINATED));
	world_pass(w, 4 * SECS);
	assert_int_equal(w->containers.n_terminated, 0);
	world_pass(w, 2 * SECS); /* grace is over */
	assert_int_equal(w->containers.n_terminated, 1);
	expect_status(w, "t", ST(FAILED), RS(EXECUTOR_TERMINATED));
	assert_int_equal(to_master(w, TM(EXITED_EXECUTOR)) != NULL, 0); /* it came before the update was read */
}

static void test_kill_while_the_executor_is_away(void **state)
{
	struct world *w = *state;
	start_task(w);
	executor_update(w, "e", "t", "TASK_RUNNING", 1);
	struct fake_call *x = executor_subscribe(w, "e", NULL);
	fake_hang_up(x);
	world_settle(w);
	to_agent(w, "{\"kill_task\":{\"framework_id\":{\"value\":\"F\"},\"task_id\":{\"value\":\"t\"},"
		    "\"kill_policy\":{\"grace_period\":{\"nanoseconds\":77}}}}");
	/* The policy of the call is not forgotten, and not used twice. */
	x = executor_subscribe(w, "e", NULL);
	assert_int_equal(event(w, x, EV(KILL))->kill->kill_policy->grace_period->nanoseconds, 77);
	x = executor_subscribe(w, "e", NULL);
	assert_null(event(w, x, EV(KILL)));
}

/* ---- ends ------------------------------------------------------------------------------------- */

static void test_executor_exit(void **state)
{
	struct world *w = *state;
	start_task(w);
	executor_update(w, "e", "t", "TASK_RUNNING", 1);
	run_task(w, "u", "e");
	ack(w, "t", next_status(w));
	container_exit(w, last_container(w), 1 << 8);
	world_settle(w);
	Mezzo__Link__ToMaster *m;
	size_t n_failed = 0, n_exited = 0;
	while ((m = (Mezzo__Link__ToMaster *)fake_link_next(w->link, &mezzo__link__to_master__descriptor, &w->arena))) {
		n_failed += m->message_case == TM(STATUS_UPDATE) && m->status_update->status->state == ST(FAILED) &&
			    m->status_update->status->reason == RS(EXECUTOR_TERMINATED) &&
			    m->status_update->status->source == MESOS__V1__TASK_STATUS__SOURCE__SOURCE_AGENT;
		n_exited += m->message_case == TM(EXITED_EXECUTOR) && m->exited_executor->status == 1 << 8;
	}
	assert_int_equal(n_failed, 2);
	assert_int_equal(n_exited, 1);
}

/* Each limit ends the live tasks with its own reason. */
static void test_limits(void **state)
{
	struct world *w = *state;
	static const int reasons[] = {RS(CONTAINER_LIMITATION), RS(CONTAINER_LIMITATION_DISK),
				      RS(CONTAINER_LIMITATION_MEMORY)};
	start_task(w);
	for (size_t i = 0; i < MZ_N(reasons); i++) {
		char task[8], ex[8];
		snprintf(task, sizeof(task), "t%zu", i);
		snprintf(ex, sizeof(ex), "e%zu", i);
		run_task(w, task, ex);
		assert_int_equal(executor_subscribe(w, ex, NULL)->status, 200);
		container_exceeds(w, last_container(w), reasons[i], "64");
		expect_status(w, task, ST(FAILED), reasons[i]);
	}
}

static void test_framework_shutdown(void **state)
{
	struct world *w = *state;
	struct fake_call *x = start_task(w);
	executor_update(w, "e", "t", "TASK_RUNNING", 1);
	ack(w, "t", next_status(w));
	to_agent(w, "{\"shutdown_framework\":{\"framework_id\":{\"value\":\"F\"}}}");
	assert_non_null(event(w, x, EV(SHUTDOWN)));
	container_exit(w, last_container(w), 0);
	world_settle(w);
	assert_null(next_status(w)); /* nobody would acknowledge it */
	assert_int_equal(world_n_records(w, "framework/") + world_n_records(w, "executor/") + world_n_records(w, "task/") +
				 world_n_records(w, "update/"),
			 0);
	assert_int_equal(world_n_records(w, "sandbox/"), 1);
	/* Also those that never reached their executor are history. */
	run_task(w, "q", "e");
	to_agent(w, "{\"shutdown_framework\":{\"framework_id\":{\"value\":\"F\"}}}");
	world_settle(w);
	assert_int_equal(world_n_records(w, "task/"), 0);
	struct fake_call *c = world_get(w, "/state");
	const char *completed = strstr(buf_str(&c->body), "\"completed_frameworks\"");
	assert_non_null(completed);
	assert_non_null(strstr(completed, "\"id\":\"t\""));
	assert_non_null(strstr(completed, "\"id\":\"q\""));
}

/* The grace of a shutdown is the executor's own if it has one, else the agent's (5 s). */
static void test_shutdown_grace(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *more;
		int secs;
	} rows[] = {{"", 5}, {",\"shutdown_grace_period\":{\"nanoseconds\":9000000000}", 9}};
	world_register(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		to_agent(w, "{\"run_tasks\":{\"framework\":{\"user\":\"u\",\"name\":\"n\",\"id\":{\"value\":\"F\"}},\"tasks\":[{"
			    "\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"S0\"},\"executor\":{\"executor_id\":{"
			    "\"value\":\"e\"},\"framework_id\":{\"value\":\"F\"},\"command\":{\"value\":\"run\"}%s}}]}}",
			 rows[i].more);
		struct fake_call *x = executor_subscribe(w, "e", NULL);
		to_agent(w, "{\"shutdown_framework\":{\"framework_id\":{\"value\":\"F\"}}}");
		assert_non_null(event(w, x, EV(SHUTDOWN)));
		world_pass(w, rows[i].secs * SECS - 1);
		assert_int_equal(w->containers.n_terminated, i);
		world_pass(w, 1);
		assert_int_equal(w->containers.n_terminated, i + 1);
		world_settle(w);
	}
}

/* One that comes, or comes back, when it is to end already. */
static void test_subscribe_too_late(void **state)
{
	struct world *w = *state;
	struct fake_call *x = start_task(w);
	to_agent(w, "{\"shutdown_framework\":{\"framework_id\":{\"value\":\"F\"}}}");
	assert_non_null(event(w, x, EV(SHUTDOWN)));
	x = executor_subscribe(w, "e", NULL);
	assert_int_equal(x->status, 200);
	assert_int_equal(event_any(w, x)->type, EV(SHUTDOWN));
	assert_null(event_any(w, x));
	assert_true(x->closed);
}

/* The master has booked a new executor with a task that is dropped: it has to hear of
 * its end, or it would stay in the books for ever. */
static void test_dropped_executors_are_told(void **state)
{
	struct world *w = *state;
	start_task(w);
	to_agent(w, "{\"shutdown_framework\":{\"framework_id\":{\"value\":\"F\"}}}");
	run_task(w, "t2", "e2");
	Mezzo__Link__ExitedExecutor *x = to_master(w, TM(EXITED_EXECUTOR))->exited_executor;
	assert_string_equal(x->framework_id->value, "F");
	assert_string_equal(x->executor_id->value, "e2");
	assert_int_equal(x->status, -1);
	to_agent(w, "{\"run_tasks\":{\"framework\":{\"id\":{\"value\":\"F\"},\"user\":\"u\",\"name\":\"n\"},"
		    "\"group_executor\":{\"executor_id\":{\"value\":\"e3\"}},\"tasks\":[{\"name\":\"t\","
		    "\"task_id\":{\"value\":\"t3\"},\"agent_id\":{\"value\":\"S0\"}}]}}");
	assert_string_equal(to_master(w, TM(EXITED_EXECUTOR))->exited_executor->executor_id->value, "e3");
	/* Not of one that ends anyway, that has ended, or that is in no book. */
	run_task(w, "t4", "e");
	run_task(w, "t5", NULL);
	to_agent(w, "{\"run_tasks\":{\"framework\":{\"id\":{\"value\":\"F\"},\"user\":\"u\",\"name\":\"n\"},"
		    "\"launch_executor\":false,\"group_executor\":{\"executor_id\":{\"value\":\"e6\"}},"
		    "\"tasks\":[{\"name\":\"t\",\"task_id\":{\"value\":\"t6\"},"
		    "\"agent_id\":{\"value\":\"S0\"}}]}}");
	assert_null(to_master(w, TM(EXITED_EXECUTOR)));
	container_exit(w, last_container(w), 0);
	world_settle(w);
	assert_string_equal(to_master(w, TM(EXITED_EXECUTOR))->exited_executor->executor_id->value, "e");
}

static void test_master_shuts_agent_down(void **state)
{
	struct world *w = *state;
	struct fake_call *x = start_task(w);
	to_agent(w, "{\"shutdown\":{\"message\":\"gone\"}}");
	assert_non_null(event(w, x, EV(SHUTDOWN)));
	assert_null(w->fatal); /* not before its containers have ended */
	world_pass(w, 6 * SECS);
	assert_int_equal(w->containers.n_terminated, 1);
	assert_non_null(w->fatal);
	assert_int_equal(world_n_records(w, "agent"), 0);
}

static void test_history_is_bounded(void **state)
{
	struct world *w = *state;
	world_register(w);
	for (int i = 0; i < 8; i++) {
		char id[16];
		snprintf(id, sizeof(id), "t%d", i);
		run_task(w, id, NULL);
		executor_subscribe(w, id, NULL);
		executor_update(w, id, id, "TASK_FINISHED", i + 1);
		expect_status(w, id, ST(FINISHED), -1);
		container_exit(w, last_container(w), 0);
		world_settle(w);
	}
	const char *body = buf_str(&world_get(w, "/state")->body);
	size_t n = 0;
	for (const char *at = body; (at = strstr(at, "\"container\":")); at++)
		n++;
	assert_int_equal(n, 3);
	assert_non_null(strstr(body, "\"id\":\"t7\""));
	assert_null(strstr(body, "\"id\":\"t0\""));
	assert_int_equal(world_n_records(w, "executor/"), 0);
	assert_int_equal(world_n_records(w, "sandbox/"), 8);
}

/* ---- the link ------------------------------------------------------------------------------------ */

static void test_register_again(void **state)
{
	struct world *w = *state;
	start_task(w);
	executor_update(w, "e", "t", "TASK_RUNNING", 1);
	assert_non_null(next_status(w));
	/* the master lost us: all is told again, on the same link */
	to_agent(w, "{\"ping\":{\"connected\":false}}");
	Mezzo__Link__ToMaster *m = to_master(w, TM(PONG));
	assert_non_null(m);
	m = to_master(w, TM(REGISTER));
	assert_non_null(m);
	Mezzo__Link__Register *r = m->register_;
	assert_string_equal(r->agent_info->id->value, "S0");
	assert_int_equal(r->n_frameworks, 1);
	assert_int_equal(r->n_executors, 1);
	assert_string_equal(r->executors[0]->executor->executor_id->value, "e");
	assert_int_equal(r->n_tasks, 1);
	assert_int_equal(r->tasks[0]->state, ST(RUNNING));
	assert_int_equal(r->tasks[0]->status_update_uuid.data[0], 1);
	assert_int_equal(w->n_dials, 1);
	assert_null(next_status(w));
	to_agent(w, "{\"registered\":{\"agent_id\":{\"value\":\"S0\"},\"master_info\":{\"id\":\"M\",\"ip\":1,\"port\":1},"
		    "\"ping_timeout_secs\":75,\"reconcile\":[{\"framework_id\":{\"value\":\"F\"},\"task_id\":{\"value\":\"lost\"}},"
		    "{\"framework_id\":{\"value\":\"F\"},\"task_id\":{\"value\":\"t\"}}]}}");
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_string_equal(s->task_id->value, "lost");
	assert_int_equal(s->state, ST(DROPPED));
	assert_int_equal(s->reason, RS(RECONCILIATION));
	s = next_status(w); /* and the outstanding one comes again */
	assert_string_equal(s->task_id->value, "t");
	assert_null(next_status(w));
}

static void test_link_lost(void **state)
{
	struct world *w = *state;
	start_task(w);
	executor_update(w, "e", "t", "TASK_RUNNING", 1);
	fake_link_cut(w->link);
	world_settle(w);
	executor_update(w, "e", "t", "TASK_FINISHED", 2); /* taken all the same */
	world_pass(w, 2 * SECS);
	assert_int_equal(w->n_dials, 2);
	Mezzo__Link__Register *r = world_registered(w);
	assert_int_equal(r->tasks[0]->state, ST(FINISHED));
	assert_int_equal(r->tasks[0]->status_update_state, ST(RUNNING));
	assert_int_equal(next_status(w)->state, ST(RUNNING));
	/* silence: the link is given up */
	world_pass(w, 74 * SECS);
	assert_int_equal(w->n_dials, 2);
	w->refuse_dials = true;
	world_pass(w, 4 * SECS);
	assert_true(w->n_dials > 2);
	size_t before = w->n_dials;
	world_pass(w, 600 * SECS);
	assert_true(w->n_dials > before + 5 && w->n_dials < before + 60); /* backs off */
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_refusals),
		T(test_command_task),
		T(test_queue_for_custom_executor),
		T(test_faster_than_its_launch),
		T(test_group_in_one_event),
		T(test_messages_and_heartbeats),
		T(test_update_fails),
		T(test_launch_fails),
		T(test_registration_timeout),
		T(test_registration_timeout_while_it_is_launched),
		T(test_second_subscribe_wins),
		T(test_kill),
		T(test_kill_while_the_executor_is_away),
		T(test_kill_before_records),
		T(test_kill_while_terminating),
		T(test_executor_exit),
		T(test_limits),
		T(test_framework_shutdown),
		T(test_shutdown_grace),
		T(test_subscribe_too_late),
		T(test_dropped_executors_are_told),
		T(test_master_shuts_agent_down),
		T(test_history_is_bounded),
		T(test_register_again),
		T(test_link_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
