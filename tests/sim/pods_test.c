/* pods_test.c - ten thousand tasks in pods of five, on a hundred agents: each task comes
 * to one end, each pod runs whole or not at all, everything is given back, and the same
 * seed gives the same run.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "sim/cluster.h"

enum { N_TASKS = 10000, POD = 5, N_RUNS = 3 };

/* The last one is the first one again. */
static const uint64_t seeds[N_RUNS] = {1, 2, 1};
static struct sim_cluster_report runs[N_RUNS];

static int run_all(void **state MZ_UNUSED)
{
	const struct sim_cluster_config cfg = {.modules = MODULES,
					       .n_agents = 100,
					       .n_frameworks = 10,
					       .n_tasks = N_TASKS,
					       .pod_size = POD,
					       .pod_permille = 1000};
	for (int i = 0; i < N_RUNS; i++) {
		struct buf mz_autobuf why = {0};
		if (sim_cluster_run(&cfg, seeds[i], &runs[i], &why) < 0) {
			fprintf(stderr, "%s", buf_str(&why));
			return -1;
		}
	}
	return 0;
}

static void test_each_task_has_one_end(void **state MZ_UNUSED)
{
	for (int i = 0; i < N_RUNS; i++) {
		const struct checker_counts *n = &runs[i].n;
		assert_int_equal(n->tasks, N_TASKS);
		assert_int_equal(n->ended, N_TASKS);
		/* An ACCEPT may be lost with its scheduler's connection: then nothing started. */
		assert_int_equal(n->ended_once + n->never_started, N_TASKS);
		assert_true(n->ended_once > N_TASKS * 9 / 10);
	}
}

static void test_pods_are_whole(void **state MZ_UNUSED)
{
	for (int i = 0; i < N_RUNS; i++) {
		const struct checker_counts *n = &runs[i].n;
		assert_int_equal(n->groups, N_TASKS / POD);
		assert_int_equal(n->groups_whole + n->groups_none, n->groups);
		assert_true(n->groups_whole > n->groups * 9 / 10);
	}
}

static void test_everything_is_given_back(void **state MZ_UNUSED)
{
	for (int i = 0; i < N_RUNS; i++)
		assert_true(runs[i].all_offered);
}

static void test_same_seed_same_run(void **state MZ_UNUSED)
{
	assert_int_equal(runs[0].hash, runs[2].hash);
	assert_int_equal(runs[0].n_events, runs[2].n_events);
	assert_true(runs[0].hash != runs[1].hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_task_has_one_end),
		cmocka_unit_test(test_pods_are_whole),
		cmocka_unit_test(test_everything_is_given_back),
		cmocka_unit_test(test_same_seed_same_run),
	};
	return cmocka_run_group_tests_name("ten thousand tasks in pods", tests, run_all, NULL);
}
