/* agent_gc_test.c - sandboxes and records of what has ended: what is kept, and for how long.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <string.h>

static void test_gc(void **state)
{
	struct world *w = *state;
	world_register(w);
	w->max_completed = 100;
	for (int i = 0; i < 40; i++) {
		char id[16];
		snprintf(id, sizeof(id), "t%d", i);
		run_task(w, id, NULL);
		kill_task(w, id);
		expect_status(w, id, ST(KILLED), RS(TASK_KILLED_DURING_LAUNCH));
	}
	size_t attached = w->attached.n;
	assert_true(attached >= 80);
	agent_set_master(w->a, NULL);
	world_pass(w, 800 * SECS);
	assert_int_equal(w->containers.removed.n, 0); /* 1000 s x 0.9 */
	world_pass(w, 161 * SECS);
	assert_int_equal(w->containers.removed.n, 40);
	assert_int_equal(world_n_records(w, "sandbox/"), 0);
	assert_int_equal(w->attached.n, 0);
}

/* However many are due, a few are removed at a time. */
static void test_gc_of_many(void **state)
{
	enum { MOST = 16 };
	struct world *w = *state;
	world_register(w);
	for (int i = 0; i < 2 * MOST + 1; i++) {
		char id[16];
		snprintf(id, sizeof(id), "t%d", i);
		run_task(w, id, NULL);
		kill_task(w, id);
	}
	agent_set_master(w->a, NULL);
	world_pass(w, 1000 * SECS);
	assert_int_equal(w->containers.removed.n, 2 * MOST + 1);
	assert_int_equal(w->containers.n_removing_most, MOST);
}

/* Of an executor that has ended just now; nobody else wants anything. */
static void one_sandbox(struct world *w)
{
	world_register(w);
	run_task(w, "t", NULL);
	kill_task(w, "t");
	world_settle(w);
	assert_int_equal(world_n_records(w, "sandbox/"), 1);
	agent_set_master(w->a, NULL);
}

/* What cannot be removed is counted and left. */
static void test_gc_fails(void **state)
{
	struct world *w = *state;
	one_sandbox(w);
	w->containers.fail_remove = true;
	world_pass(w, 2000 * SECS);
	assert_int_equal(w->containers.removed.n, 1);
	assert_int_equal(world_n_records(w, "sandbox/"), 0);
	const char *metrics = buf_str(&world_get(w, "/metrics/snapshot")->body);
	assert_non_null(strstr(metrics, "\"gc/path_removals_failed\":1.0"));
	assert_non_null(strstr(metrics, "\"gc/path_removals_pending\":0.0"));
	assert_non_null(strstr(metrics, "\"gc/path_removals_succeeded\":0.0"));
}

static void test_gc_when_disk_is_full(void **state)
{
	struct world *w = *state;
	one_sandbox(w);
	w->containers.usage = 0.95;
	world_pass(w, 61 * SECS);
	assert_int_equal(w->containers.removed.n, 1);
}

/* Age is gc_delay x max(0, 1 - headroom - usage), looked at each minute. */
static void test_gc_by_disk_use(void **state)
{
	struct world *w = *state;
	one_sandbox(w);
	w->containers.usage = 0.5;
	world_pass(w, 350 * SECS); /* 1000 s x 0.4 */
	assert_int_equal(w->containers.removed.n, 0);
	world_pass(w, 111 * SECS);
	assert_int_equal(w->containers.removed.n, 1);
}

/* ---- of other containers ------------------------------------------------------------ */

static void end_one(struct world *w, const char *top)
{
	mz_autofree char *path = xasprintf("%s.n", top);
	assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""))->status, 200);
	container_exit(w, path, 0);
	world_settle(w);
}

/* Thousands of them are kept. */
static void test_ended_ones_are_small(void **state)
{
	enum { LARGE = 1500 };
	struct world *w = *state;
	const char *top = start_executor(w);
	mz_autofree char *value = xcalloc(1, LARGE + 1);
	memset(value, 'x', LARGE);
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":"
					    "\"n\",\"parent\":{\"value\":\"%s\"}},\"command\":{\"value\":\"x\",\"environment\":{"
					    "\"variables\":[{\"name\":\"A\",\"value\":\"%s\"}]}}}}", top, value)->status, 200);
	for (int ended = 0; ended < 2; ended++) {
		size_t size = 0;
		map_each(&w->disk.values, e)
			if (str_starts(e->key, "container/"))
				size += ((struct buf *)e->value)->len;
		assert_true(ended ? size < 300 : size > LARGE);
		mz_autofree char *id = xasprintf("%s.n", top);
		if (!ended)
			container_exit(w, id, 0);
		world_settle(w);
	}
}

static void test_sandboxes_stay_until_asked(void **state)
{
	struct world *w = *state;
	end_one(w, start_executor(w));
	assert_int_equal(world_n_records(w, "sandbox/"), 0);
	world_pass(w, 2000 * SECS);
	assert_int_equal(w->containers.removed.n, 0);
}

static void test_sandboxes_go_by_age(void **state)
{
	struct world *w = *state;
	w->gc_nested = true;
	world_restart(w);
	const char *top = start_executor(w);
	mz_autofree char *remove = xasprintf("{\"type\":\"REMOVE_CONTAINER\",\"remove_container\":{\"container_id\":{"
					     "\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}}}", top);
	end_one(w, top);
	assert_int_equal(world_n_records(w, "sandbox/"), 1);
	/* Somebody was faster. */
	assert_int_equal(api(w, CODEC_JSON, "%s", remove)->status, 200);
	assert_int_equal(w->containers.removed.n, 1);
	world_settle(w);
	assert_int_equal(world_n_records(w, "sandbox/"), 0);
	/* Nobody does, and a restart forgets nothing. */
	end_one(w, top);
	world_restart(w);
	assert_int_equal(executor_subscribe(w, "e", NULL)->status, 200);
	assert_int_equal(world_n_records(w, "sandbox/"), 1);
	/* It is seen through its executor's alone: a task may have swapped what leads to it. */
	map_each(&w->attached, e)
		assert_null(strstr(e->key, "/containers/"));
	assert_int_equal(w->attached.n, 2);
	world_pass(w, 800 * SECS);
	assert_int_equal(w->containers.removed.n, 1);
	world_pass(w, 200 * SECS);
	assert_int_equal(w->containers.removed.n, 2);
	assert_true(str_ends(w->containers.removed.v[1], "/containers/n"));
	assert_int_equal(world_n_records(w, "sandbox/"), 0);
}

#define ALONE(id) "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"c%d\"},\"command\":{\"value\":\"x\"}}}", id
#define WAIT(id) "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"container_id\":{\"value\":\"c%d\"}}}", id

/* Nobody need remove them: the oldest of those that have ended are forgotten. */
static void test_books_are_bounded(void **state)
{
	enum { MOST_ENDED = 5000, MOST = 20000 };
	struct world *w = *state;
	w->gc_nested = true;
	world_restart(w);
	world_register(w);
	for (int i = 0; i <= MOST_ENDED; i++) {
		char id[16];
		snprintf(id, sizeof(id), "c%d", i);
		assert_int_equal(api(w, CODEC_PROTOBUF, ALONE(i))->status, 200);
		container_exit(w, id, 0);
		world_settle(w);
	}
	assert_int_equal(world_n_records(w, "container/"), MOST_ENDED);
	assert_int_equal(api(w, CODEC_JSON, WAIT(0))->status, 404);
	assert_int_equal(api(w, CODEC_JSON, WAIT(1))->status, 200);
	assert_int_equal(api(w, CODEC_JSON, ALONE(1))->status, 202);
	/* The sandbox of the first is due, and its id not free again before that is gone. */
	w->containers.hold_remove = true;
	world_pass(w, 1000 * SECS);
	assert_true(w->containers.removed.n > 0);
	assert_true(str_ends(w->containers.removed.v[0], "/c0"));
	struct fake_call *c = api(w, CODEC_JSON, ALONE(0));
	assert_int_equal(c->status, 400);
	assert_non_null(strstr(buf_str(&c->body), "is being removed"));
	/* Nor are there more than so many at all. */
	for (int i = MOST_ENDED + 1; i <= MOST; i++)
		assert_int_equal(api(w, CODEC_PROTOBUF, ALONE(i))->status, 200);
	c = api(w, CODEC_JSON, ALONE(MOST + 1));
	assert_int_equal(c->status, 400);
	assert_non_null(strstr(buf_str(&c->body), "20000 containers already, which is the limit"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_gc),
		TEST(test_gc_of_many),
		TEST(test_gc_fails),
		TEST(test_gc_when_disk_is_full),
		TEST(test_gc_by_disk_use),
		TEST(test_ended_ones_are_small),
		TEST(test_sandboxes_stay_until_asked),
		TEST(test_sandboxes_go_by_age),
		TEST(test_books_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
