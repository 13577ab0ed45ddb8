/* agent_limits_test.c - limits: what of them reaches the containers, and how it is told that
 * one was gone over.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <string.h>

#include "module/module.h"

/* ---- limits --------------------------------------------------------------------------------- */

static void wait_tells_the_limit(struct world *w, enum codec codec)
{
	const char *top = start_executor(w);
	char path[128];
	snprintf(path, sizeof(path), "%s.n", top);
	assert_int_equal(api(w, codec, LAUNCH_IN(top, "n", ""))->status, 200);
	container_exceeds(w, path, RS(CONTAINER_LIMITATION_MEMORY), "64");
	for (int again = 0; again < 2; again++) {
		Mesos__V1__Agent__Response__WaitContainer *r =
			api_response(w, codec, api(w, codec, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"container_id\":{"
							 "\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}}}", top))->wait_container;
		assert_int_equal(r->exit_status, 9);
		assert_int_equal(r->state, ST(FAILED));
		assert_int_equal(r->reason, RS(CONTAINER_LIMITATION_MEMORY));
		assert_string_equal(r->message, "too much");
		assert_int_equal(r->limitation->n_resources, 1);
		assert_string_equal(r->limitation->resources[0]->name, "mem");
		assert_true(r->limitation->resources[0]->scalar->value == 64);
		/* It is still known after a restart. */
		world_restart(w);
		assert_int_equal(executor_subscribe(w, "e", NULL)->status, 200);
		world_pass(w, 3 * SECS);
	}
}

static void test_wait_tells_the_limit_json(void **state)
{
	wait_tells_the_limit(*state, CODEC_JSON);
}

static void test_wait_tells_the_limit_protobuf(void **state)
{
	wait_tells_the_limit(*state, CODEC_PROTOBUF);
}

static void test_status_tells_the_limit(void **state)
{
	struct world *w = *state;
	const char *top = start_executor(w);
	assert_int_equal(executor_update(w, "e", "t", "TASK_RUNNING", 1), 202);
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_int_equal(s->state, ST(RUNNING));
	ack(w, "t", s);
	container_exceeds(w, top, RS(CONTAINER_LIMITATION_MEMORY), "64");
	s = next_status(w);
	assert_int_equal(s->state, ST(FAILED));
	assert_int_equal(s->reason, RS(CONTAINER_LIMITATION_MEMORY));
	assert_string_equal(s->limitation->resources[0]->name, "mem");
}

/* An executor sees a process that was killed before modules have told that it was a limit. */
static void test_limit_is_told_after_the_failure(void **state)
{
	struct world *w = *state;
	const char *top = start_executor(w);
	w->containers.hold_limited = true;
	assert_int_equal(executor_update(w, "e", "t", "TASK_FAILED", 1), 202);
	assert_null(next_status(w));
	container_limited(w, true);
	assert_null(next_status(w));
	container_exceeds(w, top, RS(CONTAINER_LIMITATION_MEMORY), "64");
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_int_equal(s->state, ST(FAILED));
	assert_int_equal(s->reason, RS(CONTAINER_LIMITATION_MEMORY));
	ack(w, "t", s);
	assert_null(next_status(w));
}

/* However many they are, few of them wait. */
static void test_many_failures(void **state)
{
	enum { MOST = 64 };
	struct world *w = *state;
	(void)start_executor(w);
	w->containers.hold_limited = true;
	for (int i = 0; i <= MOST; i++) {
		char task[16];
		snprintf(task, sizeof(task), "t%d", i);
		run_task(w, task, "e");
		world_settle(w);
		assert_int_equal(executor_update(w, "e", task, "TASK_FAILED", 1 + i), 202);
	}
	assert_int_equal(w->containers.limit_questions.n, MOST);
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_string_equal(s->task_id->value, "t64");
	assert_null(next_status(w));
	container_limited(w, false);
	for (int i = 0; i < MOST; i++)
		assert_non_null(next_status(w));
}

static void test_failures_without_a_limit(void **state)
{
	struct world *w = *state;
	const char *top = start_executor(w);
	w->containers.hold_limited = true;
	assert_int_equal(executor_update(w, "e", "t", "TASK_FAILED", 1), 202);
	assert_null(next_status(w));
	container_limited(w, false);
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_int_equal(s->state, ST(FAILED));
	assert_int_equal(s->source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR);
	/* Others do not wait. */
	w->containers.hold_limited = true;
	run_task(w, "u", "e");
	world_settle(w);
	assert_int_equal(executor_update(w, "e", "u", "TASK_FINISHED", 2), 202);
	assert_int_equal(next_status(w)->state, ST(FINISHED));
	/* It ends before the answer: what it has said is not lost. */
	run_task(w, "v", "e");
	world_settle(w);
	assert_int_equal(executor_update(w, "e", "v", "TASK_FAILED", 3), 202);
	container_exit(w, top, 9);
	world_settle(w);
	s = next_status(w);
	assert_string_equal(s->task_id->value, "v");
	assert_int_equal(s->source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR);
	container_limited(w, false);
	assert_null(next_status(w));
}

#define OWN_CGROUPS ",\"container\":{\"type\":\"MESOS\",\"linux_info\":{\"share_cgroups\":false}}"

static void test_limits_of_nested_containers(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *more;
		int64_t cpus, mem;
		bool shares;
	} rows[] = {
		{"", 0, 0, true},
		{OWN_CGROUPS, 0, 0, false},
		{OWN_CGROUPS ",\"limits\":{\"cpus\":{\"value\":1.5},\"mem\":{\"value\":64}}", 1500, 64000, false},
		{OWN_CGROUPS ",\"limits\":{\"mem\":{\"value\":\"Infinity\"}}", 0, -1, false},
	};
	const char *top = start_executor(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		char id[8];
		snprintf(id, sizeof(id), "n%zu", i);
		assert_int_equal(api(w, CODEC_PROTOBUF, LAUNCH_IN(top, id, rows[i].more))->status, 200);
		assert_int_equal(w->containers.limits.cpus, rows[i].cpus);
		assert_int_equal(w->containers.limits.mem, rows[i].mem);
		assert_int_equal(w->containers.share_cgroups, rows[i].shares);
	}
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"s\"},"
					    "\"command\":{\"value\":\"x\"},\"limits\":{\"cpus\":{\"value\":2}}}}")->status, 200);
	assert_int_equal(w->containers.limits.cpus, 2000);
	assert_false(w->containers.share_cgroups);
}

/* A task of 1 cpu and this more. */
static void run_limited(struct world *w, const char *task, const char *more)
{
	to_agent(w, "{\"run_tasks\":{\"framework\":{\"user\":\"root\",\"name\":\"f\",\"id\":{\"value\":\"F\"},\"checkpoint\":true},"
		    "\"tasks\":[{\"name\":\"x\",\"task_id\":{\"value\":\"%s\"},\"agent_id\":{\"value\":\"S0\"},\"resources\":["
		    "{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"allocation_info\":{\"role\":\"*\"}},"
		    "{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":100},\"allocation_info\":{\"role\":\"*\"}}]%s}]}}",
		 task, more);
}

#define CUSTOM ",\"executor\":{\"executor_id\":{\"value\":\"x\"},\"framework_id\":{\"value\":\"F\"}," \
	"\"command\":{\"value\":\"run\"},\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0.5}," \
	"\"allocation_info\":{\"role\":\"*\"}}]}"

static void test_limits_of_executors(void **state)
{
	struct world *w = *state;
	world_register(w);
	/* A command task: its own, and what its executor was given. */
	run_limited(w, "c", ",\"command\":{\"value\":\"x\"},\"limits\":{\"cpus\":{\"value\":3}}");
	assert_int_equal(w->containers.limits.cpus, 3100);
	assert_int_equal(w->containers.limits.mem, 0);
	run_limited(w, "d", ",\"command\":{\"value\":\"x\"},\"limits\":{\"mem\":{\"value\":\"Infinity\"}}");
	assert_int_equal(w->containers.limits.cpus, 0);
	assert_int_equal(w->containers.limits.mem, -1);
	/* The sum over an executor's tasks; of those without a limit their request. */
	run_limited(w, "x1", CUSTOM);
	assert_int_equal(w->containers.limits.cpus, 0);
	assert_int_equal(executor_subscribe(w, "x", NULL)->status, 200);
	run_limited(w, "x2", CUSTOM ",\"limits\":{\"cpus\":{\"value\":2},\"mem\":{\"value\":150}}");
	assert_int_equal(w->containers.limits.cpus, 500 + 1000 + 2000);
	assert_int_equal(w->containers.limits.mem, 100000 + 150000);
	/* And of those that are left. */
	assert_int_equal(executor_update(w, "x", "x2", "TASK_FINISHED", 2), 202);
	world_pass(w, SECS);
	assert_int_equal(w->containers.limits.cpus, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_wait_tells_the_limit_json),
		TEST(test_wait_tells_the_limit_protobuf),
		TEST(test_status_tells_the_limit),
		TEST(test_limit_is_told_after_the_failure),
		TEST(test_many_failures),
		TEST(test_failures_without_a_limit),
		TEST(test_limits_of_nested_containers),
		TEST(test_limits_of_executors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
