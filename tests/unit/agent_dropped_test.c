/* agent_dropped_test.c - tasks and containers that an agent does not launch, and what it
 * says of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#define FRAMEWORK "{\"id\":{\"value\":\"F\"},\"user\":\"u\",\"name\":\"n\",\"capabilities\":[{\"type\":\"PARTITION_AWARE\"}]}"
#define CUSTOM(id) "\"executor\":{\"executor_id\":{\"value\":\"" id "\"},\"framework_id\":{\"value\":\"F\"},\"command\":{\"value\":\"x\"}}"

/* Task "t" of F; what: its command or executor; more: members of run_tasks. */
static void run(struct world *w, const char *what, const char *more)
{
	to_agent(w, "{\"run_tasks\":{\"framework\":" FRAMEWORK ",\"tasks\":[{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},"
		    "\"agent_id\":{\"value\":\"S0\"}%s}]%s}}", what, more);
}

/* The executor that the master has in its books ends there, too. */
static void test_framework_is_shutting_down(void **state)
{
	struct world *w = *state;
	start_task(w);
	w->containers.slow_end = true;
	to_agent(w, "{\"shutdown_framework\":{\"framework_id\":{\"value\":\"F\"}}}");
	run(w, "," CUSTOM("new"), "");
	expect_status(w, "t", ST(DROPPED), RS(EXECUTOR_TERMINATED));
	assert_int_equal(w->containers.launched.n, 1);
}

/* The master counts on one that has ended meanwhile. */
static void test_executor_has_terminated(void **state)
{
	struct world *w = *state;
	world_register(w);
	run(w, "," CUSTOM("gone"), ",\"launch_executor\":false");
	expect_status(w, "t", ST(DROPPED), RS(EXECUTOR_TERMINATED));
	assert_int_equal(w->containers.launched.n, 0);
}

static void test_neither_command_nor_executor(void **state)
{
	struct world *w = *state;
	world_register(w);
	run(w, "", "");
	expect_status(w, "t", ST(DROPPED), RS(TASK_INVALID));
}

/* Of a framework that the agent knows, and of one that it does not. */
static void test_kill_of_the_unknown(void **state)
{
	struct world *w = *state;
	world_register(w);
	kill_task(w, "nobody");
	expect_status(w, "nobody", ST(LOST), RS(EXECUTOR_TERMINATED));
	run(w, ",\"command\":{\"value\":\"true\"}", "");
	kill_task(w, "nobody");
	expect_status(w, "nobody", ST(DROPPED), RS(EXECUTOR_TERMINATED));
}

/* Whoever waits for a container is told that it has not come to be. */
static void test_nested_launch_fails(void **state)
{
	struct world *w = *state;
	const char *top = start_executor(w);
	w->containers.hold_launch = true;
	struct fake_call *launch = api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""));
	struct fake_call *wait = api(w, CODEC_JSON, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"container_id\":{"
						    "\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}}}", top);
	assert_int_equal(launch->status, 0);
	assert_int_equal(wait->status, 0);
	container_launched(w, true);
	world_settle(w);
	assert_int_equal(launch->status, 400);
	Mesos__V1__Agent__Response__WaitContainer *r = api_response(w, CODEC_JSON, wait)->wait_container;
	assert_int_equal(r->state, ST(FAILED));
	assert_int_equal(r->reason, RS(CONTAINER_LAUNCH_FAILED));
}

/* An executor's name has the beginning of its command: the master reads no text that is
 * not UTF-8, and would take no report with it. */
static void test_names_are_whole(void **state)
{
	struct world *w = *state;
	static const char *const commands[][2] = {
		{"\"value\":\"echo", "sh -c 'echo')"},
		{"\"value\":\"123456789012345", "sh -c '123456789012345')"},
		{"\"value\":\"1234567890123456", "sh -c '123456789012...')"},
		{"\"value\":\"1\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9", "sh -c '1\u00e9\u00e9\u00e9\u00e9\u00e9...')"},
		{"\"shell\":false,\"value\":\"\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9", "[\u00e9\u00e9\u00e9\u00e9\u00e9...)"},
		{"\"shell\":false,\"value\":\"a", "[a])"},
	};
	world_register(w);
	for (size_t i = 0; i < MZ_N(commands); i++) {
		to_agent(w, "{\"run_tasks\":{\"framework\":" FRAMEWORK ",\"tasks\":[{\"name\":\"t\",\"task_id\":{\"value\":\"t%zu\"},"
			    "\"agent_id\":{\"value\":\"S0\"},\"command\":{%s\"}}]}}", i, commands[i][0]);
		char id[8];
		snprintf(id, sizeof(id), "t%zu", i);
		struct fake_call *x = executor_subscribe(w, id, NULL);
		const char *name = event(w, x, EV(SUBSCRIBED))->subscribed->executor_info->name;
		mz_autofree char *want = xasprintf("Command Executor (Task: %s) (Command: %s", id, commands[i][1]);
		assert_string_equal(name, want);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_framework_is_shutting_down),   T(test_executor_has_terminated),
		T(test_neither_command_nor_executor), T(test_kill_of_the_unknown),
		T(test_nested_launch_fails),	      T(test_names_are_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
