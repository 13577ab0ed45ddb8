/* posix_cpu_test.c - measures this process and its children.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../fake_host.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../orphan_world.h"
#include "../proc_tree.h"

static void measures_itself(void **state)
{
	(void)state;
	fake_reset();
	void *inst = fake_create();
	pid_t child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	struct mz_container c = {.size = sizeof(c), .id = "c1", .pid = getpid(), .limit_cpus = 2000};
	c.resources = (const struct mz_resources *)&fake;
	fake_ops()->usage(inst, &c, NULL, NULL);
	assert_int_equal(fake.n_done, 0);
	fake_run();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(fake.n_done, 1);
	assert_int_equal(fake.code, 0);
	assert_true(fake_value("cpus_user_time_secs") >= 0);
	assert_true(fake_value("cpus_system_time_secs") >= 0);
	assert_true(fake_value("processes") == 2);
	assert_true(fake_value("threads") >= 2);
	assert_true(fake_value("cpus_soft_limit") == 1.5);
	assert_true(fake_value("cpus_limit") == 2.0);
	fake_ops()->destroy(inst);
}

static void reports_what_is_gone(void **state)
{
	(void)state;
	fake_reset();
	void *inst = fake_create();
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	struct mz_container c = {.size = sizeof(c), .id = "c1", .pid = child};
	fake_ops()->usage(inst, &c, NULL, NULL);
	fake_run();
	assert_int_equal(fake.n_done, 1);
	assert_int_equal(fake.code, -ESRCH);
	c.pid = 0;
	fake_ops()->usage(inst, &c, NULL, NULL);
	assert_int_equal(fake.n_done, 2);
	assert_int_equal(fake.code, -ESRCH);
	fake_ops()->destroy(inst);
	fake_ops()->destroy(NULL);
}

static void cpu_time_grows(void **state)
{
	(void)state;
	struct proc_totals a, b;
	assert_int_equal(proc_totals(getpid(), &a), 0);
	/* A child's time stays after it was waited for. */
	pid_t child = fork();
	if (child == 0) {
		volatile unsigned n = 0;
		while (clock() < CLOCKS_PER_SEC / 20)
			n++;
		_exit(0);
	}
	waitpid(child, NULL, 0);
	assert_int_equal(proc_totals(getpid(), &b), 0);
	assert_true(b.user_secs + b.system_secs > a.user_secs + a.system_secs);
}

static void waits(int pipe, int is_orphan)
{
	(void)is_orphan;
	if (write(pipe, "x", 1) == 1)
		(void)pause();
}

/* One whose parent has ended is in the container's group still. */
static void counts_orphans(void **state)
{
	(void)state;
	fake_reset();
	orphans_start("c1", waits);
	fake.hierarchy = "/sys/fs/cgroup";
	fake.root = orphans.root;
	void *inst = fake_create();
	struct mz_container c = {.size = sizeof(c), .id = "c1", .pid = orphans.first};
	fake_ops()->usage(inst, &c, NULL, NULL);
	fake_run();
	assert_int_equal(fake.code, 0);
	assert_true(fake_value("processes") == 2);
	/* Nested, and in its parent's group: what descends from it. */
	struct mz_container n = {.size = sizeof(n), .id = "c1.n", .parent = "c1", .share_cgroups = 1, .pid = orphans.first};
	fake.n_set = 0;
	fake_ops()->usage(inst, &n, NULL, NULL);
	fake_run();
	assert_true(fake_value("processes") == 1);
	fake_ops()->destroy(inst);
	orphans_end("c1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measures_itself),
		cmocka_unit_test(reports_what_is_gone),
		cmocka_unit_test(cpu_time_grows),
		cmocka_unit_test(counts_orphans),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
