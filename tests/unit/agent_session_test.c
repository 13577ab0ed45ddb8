/* agent_session_test.c - LAUNCH_NESTED_CONTAINER_SESSION: it sees what its parent sees, and
 * ends with who listens.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_io.h"

#include <errno.h>
#include <string.h>

static void test_session(void **state)
{
	struct world *w = *state;
	const char *id = terminal(w), *top = top_of(w, id);
	struct fake_call *c = session(w, JSON_HEADERS, top, COMMAND);
	assert_int_equal(c->status, 200);
	assert_int_equal(w->containers.container_class, MZ_CONTAINER_DEBUG);
	assert_true(w->containers.attachable && !w->containers.tty);
	assert_string_equal(w->containers.last_parent, top);
	/* It starts where its parent has; it sees what that one sees, and its own. */
	assert_string_equal(w->containers.last_start, text(w, "/w/slaves/S0/frameworks/F/executors/e/runs/%s", top));
	assert_non_null(strstr(w->containers.last_env, text(w, "MESOS_SANDBOX=/w/slaves/S0/frameworks/F/executors/e/runs/%s\n", top)));
	assert_non_null(strstr(w->containers.last_env, "MESOS_EXECUTOR_ID=e\n"));
	assert_non_null(strstr(w->containers.last_env, "OWN=1\n"));
	writes(w, io(w), MZ_IO_STDOUT, "hello");
	assert_string_equal(next(w, c, CODEC_JSON), "out hello");
	assert_int_equal(session(w, JSON_HEADERS, top, COMMAND)->status, 202);
	writes(w, io(w), MZ_IO_END, "");
	assert_true(c->closed);
	/* One beside it, with a terminal. */
	id = text(w, "%s.n", top);
	c = post(w, "Content-Type: application/json\nAccept: application/recordio\nMessage-Accept: application/x-protobuf",
		 text(w, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{"
		 "\"container_id\":{\"value\":\"t\",\"parent\":{\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}},\"command\":{\"value\":\"x\"},"
		 "\"container\":{\"type\":\"MESOS\",\"tty_info\":{\"window_size\":{\"rows\":70000,\"columns\":9}}}}}", top));
	assert_int_equal(c->status, 200);
	assert_non_null(strstr(w->containers.last_env, text(w, "runs/%s/containers/n\n", top)));
	assert_true(w->containers.tty && w->containers.rows == 65535 && w->containers.columns == 9);
	writes(w, io(w), MZ_IO_STDOUT, "there");
	assert_string_equal(next(w, c, CODEC_PROTOBUF), "out there");
}

static void test_session_is_refused(void **state)
{
	struct world *w = *state;
	const char *top = top_of(w, terminal(w));
	struct fake_call *c = session(w, JSON_HEADERS, "nobody", COMMAND);
	assert_int_equal(c->status, 400);
	c = session(w, JSON_HEADERS, top, "");
	assert_int_equal(c->status, 400);
	c = post(w, JSON_HEADERS, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{"
				  "\"container_id\":{\"value\":\"s\"},\"command\":{\"value\":\"x\"}}}");
	assert_int_equal(c->status, 400);
	assert_non_null(strstr(buf_str(&c->body), "container_id.parent' to be present"));
	c = post(w, JSON_HEADERS, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\"}");
	assert_int_equal(c->status, 400);
	w->containers.fail_launch = true;
	c = session(w, JSON_HEADERS, top, COMMAND);
	assert_int_equal(c->status, 400);
	assert_string_equal(buf_str(&c->body), "the test says so");
	w->containers.fail_launch = false;
	/* Nobody could listen: it does not go on by itself. */
	w->containers.attach_error = -EOPNOTSUPP;
	size_t n = w->containers.n_terminated;
	c = session(w, JSON_HEADERS, top, COMMAND);
	assert_int_equal(c->status, 500);
	assert_int_equal(w->containers.n_terminated, n + 1);
}

static void test_session_ends_with_its_listener(void **state)
{
	struct world *w = *state;
	const char *top = top_of(w, terminal(w));
	struct fake_call *c = session(w, JSON_HEADERS, top, COMMAND);
	fake_hang_up(c);
	world_settle(w);
	assert_true(io(w)->closed);
	assert_int_equal(w->containers.n_terminated, 1);
	assert_false(map_has(&w->containers.live, text(w, "%s.s", top)));
	/* One that leaves while it is launched: the record is on its way to the disk. */
	w->disk.stuck = true;
	size_t launched = w->containers.launched.n;
	c = post(w, JSON_HEADERS, text(w, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{"
		"\"container_id\":{\"value\":\"u\",\"parent\":{\"value\":\"%s\"}},\"command\":{\"value\":\"x\"}}}", top));
	assert_int_equal(c->status, 0);
	fake_leave(c);
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_int_equal(w->containers.launched.n, launched);
	/* One that leaves while it is connected to. */
	w->containers.hold_attach = true;
	c = post(w, JSON_HEADERS, text(w, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{"
		"\"container_id\":{\"value\":\"v\",\"parent\":{\"value\":\"%s\"}},\"command\":{\"value\":\"x\"}}}", top));
	fake_leave(c);
	container_attached(w);
	world_settle(w);
	assert_int_equal(w->containers.n_terminated, 2);
}

static void test_session_does_not_survive_the_agent(void **state)
{
	struct world *w = *state;
	const char *id = terminal(w), *top = top_of(w, id), *s = text(w, "%s.s", top);
	struct fake_call *c = session(w, JSON_HEADERS, top, COMMAND);
	size_t n = w->containers.n_terminated;
	world_crash(w);
	assert_true(c->closed);
	assert_int_equal(w->containers.n_terminated, n);
	assert_true(map_has(&w->containers.live, s));
	world_restart(w);
	world_settle(w);
	assert_false(map_has(&w->containers.live, s));
	assert_true(map_has(&w->containers.live, id));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_session),
		TEST(test_session_is_refused),
		TEST(test_session_ends_with_its_listener),
		TEST(test_session_does_not_survive_the_agent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
