/* agent_executor_socket_test.c - what the socket of executors serves, and what not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <string.h>

#define NESTED(call, member) "{\"type\":\"" call "\",\"" member "\":{\"container_id\":{\"value\":\"a\",\"parent\":{\"value\":\"none\"}}}}"
#define STANDALONE(call, member) "{\"type\":\"" call "\",\"" member "\":{\"container_id\":{\"value\":\"none\"}}}"

static int ask(struct world *w, const char *method, const char *target, const char *type, const char *body)
{
	mz_autofree char *headers = xasprintf("Content-Type: %s\nAccept: application/json", type);
	struct fake_call *c = fake_http(w->loop, &w->executor_router, method, target, headers, body, body ? strlen(body) : 0);
	vec_push(&w->calls, c);
	world_settle(w);
	return c->status;
}

static int operate(struct world *w, const char *body)
{
	return ask(w, "POST", "/api/v1", "application/json", body);
}

static int start_with_socket(void **state)
{
	int rc = world_setup(state);
	struct world *w = *state;
	w->domain_socket = "/run/agent.sock";
	world_restart(w);
	return rc;
}

static void serves_executors_only(void **state)
{
	static const char *const others[] = {"/state", "/slave(1)/state", "/containers", "/monitor/statistics", "/health", "/version",
					     "/flags", "/metrics/snapshot", "/files/browse", "/files/read", "/files/download",
					     "/files/debug", "/mezzo/modules", "/", "/api/v1/scheduler", "/api/v1/executor/x"};
	static const char *const refused[] = {
		"{\"type\":\"GET_STATE\"}",
		"{\"type\":\"GET_FLAGS\"}",
		"{\"type\":\"GET_CONTAINERS\"}",
		"{\"type\":\"GET_HEALTH\"}",
		"{\"type\":\"SET_LOGGING_LEVEL\"}",
		"{\"type\":\"LAUNCH_CONTAINER\"}",
		"{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"mine\"},"
		"\"command\":{\"value\":\"id\"}}}",
		STANDALONE("KILL_CONTAINER", "kill_container"),
		STANDALONE("WAIT_CONTAINER", "wait_container"),
		STANDALONE("REMOVE_CONTAINER", "remove_container"),
		NESTED("ATTACH_CONTAINER_OUTPUT", "attach_container_output"),
	};
	struct world *w = *state;
	world_register(w);
	for (size_t i = 0; i < MZ_N(others); i++)
		if (ask(w, "GET", others[i], "application/json", NULL) != 404)
			fail_msg("%s is served", others[i]);
	for (size_t i = 0; i < MZ_N(refused); i++)
		if (operate(w, refused[i]) != 403)
			fail_msg("%s is served", refused[i]);
	assert_int_equal(ask(w, "POST", "/api/v1", "application/recordio", ""), 415);
	/* They go on to where such containers are looked up. */
	assert_int_equal(operate(w, NESTED("WAIT_CONTAINER", "wait_container")), 404);
	assert_int_equal(operate(w, NESTED("WAIT_NESTED_CONTAINER", "wait_nested_container")), 404);
	assert_int_equal(operate(w, NESTED("KILL_CONTAINER", "kill_container")), 404);
	assert_int_equal(ask(w, "POST", "/slave(1)/api/v1", "application/json",
			     NESTED("KILL_NESTED_CONTAINER", "kill_nested_container")), 404);
}

static void executors_subscribe(void **state)
{
	struct world *w = *state;
	static const char body[] = "{\"type\":\"SUBSCRIBE\",\"framework_id\":{\"value\":\"F\"},\"executor_id\":{\"value\":\"e\"},"
				   "\"subscribe\":{}}";
	world_register(w);
	run_task(w, "t", "e");
	assert_non_null(strstr(w->containers.last_env, "MESOS_DOMAIN_SOCKET=/run/agent.sock\n"));
	assert_non_null(strstr(w->containers.last_env, "MESOS_AGENT_ENDPOINT="));
	struct fake_call *c = fake_http(w->loop, &w->executor_router, "POST", "/api/v1/executor",
					"Content-Type: application/json\nAccept: application/json", body, strlen(body));
	vec_push(&w->calls, c);
	world_settle(w);
	assert_int_equal(c->status, 200);
	event(w, c, MESOS__V1__EXECUTOR__EVENT__TYPE__SUBSCRIBED);
	event(w, c, MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH);
	assert_int_equal(ask(w, "POST", "/slave(1)/api/v1/executor", "application/json",
			     "{\"type\":\"MESSAGE\",\"framework_id\":{\"value\":\"F\"},\"executor_id\":{\"value\":\"e\"},"
			     "\"message\":{\"data\":\"aGk=\"}}"), 202);
}

static void without_it_there_is_none(void **state)
{
	struct world *w = *state;
	world_register(w);
	run_task(w, "t", "e");
	assert_null(strstr(w->containers.last_env, "MESOS_DOMAIN_SOCKET"));
	assert_int_equal(operate(w, "{\"type\":\"GET_HEALTH\"}"), 404);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(serves_executors_only, start_with_socket, world_teardown),
		cmocka_unit_test_setup_teardown(executors_subscribe, start_with_socket, world_teardown),
		cmocka_unit_test_setup_teardown(without_it_there_is_none, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
