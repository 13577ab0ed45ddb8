/* cgroups_cpu_test.c - what is written on v2 (a tree of plain files), and what bites on
 * v1 (as root).
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/cgroup_world.h"

#include <time.h>

extern const struct mz_module mz_module;

static struct mz_resources res;
static struct mz_container c1;

static void container(int64_t cpus, int64_t limit)
{
	res = (struct mz_resources){.cpus = cpus, .mem = 64000};
	c1 = (struct mz_container){.size = sizeof(c1), .id = "c1", .resources = &res, .limit_cpus = limit};
}

static void v2_files(void)
{
	world_v2(&mz_module, "cpu memory");
	world_file("mezzo/c1/cpu.weight", "100\n");
	world_file("mezzo/c1/cpu.max", "max 100000\n");
}

static void v2_share(void **state)
{
	(void)state;
	char want[1024];
	v2_files();
	void *inst = world_create();
	container(1500, 0);
	world_prepare(inst, &c1);
	(void)snprintf(want, sizeof(want), "cgroup %s/mezzo/c1/leaf\n", world.hierarchy);
	assert_string_equal(world.launch, want);
	world_expect("mezzo/c1/cpu.weight", "150");
	world_expect("mezzo/c1/cpu.max", "max 100000");
	world_expect("mezzo/cgroup.subtree_control", "+cpu");
	container(1500, 2500);
	world_update(inst, &c1);
	world_expect("mezzo/c1/cpu.max", "250000 100000");
	container(1, 5);
	world_update(inst, &c1);
	world_expect("mezzo/c1/cpu.weight", "1");
	world_expect("mezzo/c1/cpu.max", "1000 100000");
	container(1000, -1);
	world_update(inst, &c1);
	world_expect("mezzo/c1/cpu.max", "max 100000");
	container(200000, 0);
	world_update(inst, &c1);
	world_expect("mezzo/c1/cpu.weight", "10000");
	container(2000, 0);
	res.revocable = 1;
	world_update(inst, &c1);
	world_expect("mezzo/c1/cpu.weight", "2");
	world_ops()->destroy(inst);
	world_v2_remove();
}

static void v2_settings(void **state)
{
	(void)state;
	v2_files();
	world.settings[0].name = "cfs";
	world.settings[0].value = "true";
	world.settings[1].name = "revocable_low_priority";
	world.settings[1].value = "false";
	void *inst = world_create();
	container(500, 0);
	res.revocable = 1;
	world_prepare(inst, &c1);
	world_expect("mezzo/c1/cpu.weight", "50");
	world_expect("mezzo/c1/cpu.max", "50000 100000");
	container(500, -1);
	world_update(inst, &c1);
	world_expect("mezzo/c1/cpu.max", "max 100000");
	world_ops()->destroy(inst);
	world_v2_remove();
}

static void v2_root_share(void **state)
{
	(void)state;
	char want[16];
	v2_files();
	world_file("mezzo/cpu.weight", "100\n");
	void *inst = world_create();
	container(1000, 0);
	world_prepare(inst, &c1);
	(void)snprintf(want, sizeof(want), "%ld", sysconf(_SC_NPROCESSORS_ONLN) * 100);
	world_expect("mezzo/cpu.weight", want);
	world_ops()->destroy(inst);
	world.settings[0].name = "root_cpus";
	world.settings[0].value = "16";
	inst = world_create();
	world_prepare(inst, &c1);
	world_expect("mezzo/cpu.weight", "1600");
	world_ops()->destroy(inst);
	world_v2_remove();
}

static void v2_statistics(void **state)
{
	(void)state;
	v2_files();
	world_file("mezzo/c1/cpu.stat", "usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\nnr_periods 7\n"
					"nr_throttled 3\nthrottled_usec 250000\n");
	world_file("mezzo/c1/leaf/cgroup.procs", "");
	void *inst = world_create();
	container(1500, 2000);
	world_measure(inst, &c1);
	assert_true(world_value("cpus_user_time_secs") == 2.5);
	assert_true(world_value("cpus_system_time_secs") == 1);
	assert_true(world_value("cpus_nr_periods") == 7);
	assert_true(world_value("cpus_nr_throttled") == 3);
	assert_true(world_value("cpus_throttled_time_secs") == 0.25);
	assert_true(world_value("cpus_limit") == 2);
	assert_true(world_value("cpus_soft_limit") == 1.5);
	container(1500, -1);
	world_measure(inst, &c1);
	assert_true(world_value("cpus_limit") == -1);
	/* What it asked for is a limit only with `cfs`. */
	container(1500, 0);
	world_measure(inst, &c1);
	assert_true(world_value("cpus_limit") == -1);
	assert_true(world_value("cpus_soft_limit") == 1.5);
	world_ops()->destroy(inst);
	world.settings[0].name = "cfs";
	world.settings[0].value = "true";
	inst = world_create();
	world_measure(inst, &c1);
	assert_true(world_value("cpus_limit") == 1.5);
	/* One that lives in its parent's group. */
	struct mz_container d = {.size = sizeof(d), .id = "c1.d", .parent = "c1", .share_cgroups = 1, .resources = &res};
	world_measure(inst, &d);
	assert_int_equal(world.n_set, 0);
	world_prepare(inst, &c1);
	world_prepare(inst, &d);
	assert_non_null(strstr(world.launch, "/mezzo/c1/leaf\n"));
	world_expect("mezzo/c1/cgroup.subtree_control", "");
	world_update(inst, &d);
	/* One that is not there. */
	container(1000, 0);
	c1.id = "c9";
	world_measures_nothing(inst, &c1);
	world_update(inst, &c1);
	c1.id = "c1";
	world_ops()->destroy(inst);
	world_v2_remove();
}

/* It was launched when the agent did not use this isolator, and has a group for the others' sake. */
static void v2_configured_later(void **state)
{
	(void)state;
	v2_files();
	world_file("mezzo/c1/leaf/cgroup.procs", "");
	world_file("mezzo/c1/mezzo/d/leaf/cgroup.procs", "");
	const struct mz_container d = {.size = sizeof(d), .id = "c1.d", .parent = "c1"};
	const struct mz_container *list[] = {&c1, &d};
	void *inst = world_create();
	container(1500, 0);
	world_ops()->recover(inst, list, 2, NULL);
	world_ok();
	world_expect("cgroup.subtree_control", "+cpu");
	world_expect("mezzo/cgroup.subtree_control", "+cpu");
	world_expect("mezzo/c1/cgroup.subtree_control", "+cpu");
	world_update(inst, &c1);
	world_expect("mezzo/c1/cpu.weight", "150");
	world_ops()->destroy(inst);
	world_v2_remove();
}

static int64_t used_ns(void)
{
	struct timespec t = {0};
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* 150 ms of processor time, not counting what it took to enter the group. */
static int burn(void)
{
	int64_t end_ns = used_ns() + 150000000;
	while (used_ns() < end_ns)
		;
	return 0;
}

static int64_t file_int(const char *controller, const char *id, const char *file)
{
	struct cg g;
	int64_t v = -2;
	assert_int_equal(cg_find(&g, &world_host, world.hierarchy, world.root, controller, NULL), 0);
	assert_int_equal(cg_read_int(&g, id, file, &v, NULL), 0);
	return v;
}

static void v1_quota_bites(void **state)
{
	(void)state;
	if (!world_has_v1("cpu"))
		skip();
	world_real(&mz_module);
	void *inst = world_create();
	container(250, 250);
	world_prepare(inst, &c1);
	assert_int_equal(file_int("cpu", "c1", "cpu.shares"), 256);
	assert_int_equal(file_int("cpu", "c1", "cpu.cfs_quota_us"), 25000);
	struct timespec a, b;
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(world_wait(world_member(burn)), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	print_message("# 150 ms of work with a quota of 0.25 cpus took %.0f ms\n", s * 1000);
	world_measure(inst, &c1);
	assert_true(world_value("cpus_nr_throttled") > 0);
	assert_true(world_value("cpus_nr_periods") >= world_value("cpus_nr_throttled"));
	assert_true(world_value("cpus_throttled_time_secs") > 0);
	/* Each processor waits for no longer than all of it took. */
	assert_true(world_value("cpus_throttled_time_secs") < s * (double)sysconf(_SC_NPROCESSORS_CONF));
	assert_true(world_value("cpus_user_time_secs") + world_value("cpus_system_time_secs") > 0);
	container(2000, -1);
	world_update(inst, &c1);
	assert_int_equal(file_int("cpu", "c1", "cpu.shares"), 2048);
	assert_int_equal(file_int("cpu", "c1", "cpu.cfs_quota_us"), -1);
	res.revocable = 1;
	world_update(inst, &c1);
	res.revocable = 0;
	assert_int_equal(file_int("cpu", "c1", "cpu.shares"), 20);
	container(1, 0);
	world_update(inst, &c1);
	assert_int_equal(file_int("cpu", "c1", "cpu.shares"), 2);
	world_cleanup(inst, "c1");
	world_cleanup(inst, "c1");
	world_cleanup(inst, "never");
	world_ops()->destroy(inst);
}

static void v2_quota_bites(void **state)
{
	(void)state;
	if (!world_has("cpu", 2))
		skip();
	world_real(&mz_module);
	void *inst = world_create();
	container(250, 250);
	world_prepare(inst, &c1);
	assert_int_equal(file_int("cpu", "c1", "cpu.weight"), 25);
	assert_int_equal(world_wait(world_member(burn)), 0);
	world_measure(inst, &c1);
	assert_true(world_value("cpus_nr_throttled") > 0);
	assert_true(world_value("cpus_throttled_time_secs") > 0);
	assert_true(world_value("cpus_user_time_secs") + world_value("cpus_system_time_secs") >= 0.14);
	struct mz_container d = c1;
	d.id = "c1.d";
	d.parent = "c1";
	world_prepare(inst, &d);
	assert_int_equal(world_wait(world_member(burn)), 0);
	world_cleanup(inst, "c1.d");
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);
}

static void recovers(void **state)
{
	(void)state;
	struct cg g;
	if (!world_has_some("cpu"))
		skip();
	world_real(&mz_module);
	void *inst = world_create();
	container(250, 0);
	world_prepare(inst, &c1);
	struct mz_container d = c1;
	d.id = "c1.d";
	d.parent = "c1";
	world_prepare(inst, &d);
	struct mz_container o = c1;
	o.id = "gone";
	world_prepare(inst, &o);
	world_ops()->destroy(inst);
	inst = world_create();
	const struct mz_container *list[] = {&c1, &d};
	world_ops()->recover(inst, list, 2, NULL);
	world_ok();
	world_measure(inst, &d);
	world_measure(inst, &c1);
	world_measures_nothing(inst, &o);
	world_update(inst, &o);
	container(4000, 0);
	world_update(inst, &c1);
	assert_int_equal(cg_find(&g, &world_host, world.hierarchy, world.root, "cpu", NULL), 0);
	if (g.version == 1)
		assert_int_equal(file_int("cpu", "c1", "cpu.shares"), 4096);
	else
		assert_int_equal(file_int("cpu", "c1", "cpu.weight"), 400);
	world_cleanup(inst, "c1.d");
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);
	char path[CG_PATH_SIZE];
	if (g.version == 1)
		assert_int_equal(cg_find(&g, &world_host, world.hierarchy, world.root, "cpuacct", NULL), 0);
	assert_int_equal(cg_path(&g, NULL, path), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void nowhere(void **state)
{
	(void)state;
	world_v2(&mz_module, "memory");
	void *inst = NULL;
	struct mz_err err;
	assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), -ENOENT);
	assert_null(inst);
	assert_non_null(strstr(err.msg, "'cpu'"));
	world_v2_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v2_share),	  cmocka_unit_test(v2_settings),
		cmocka_unit_test(v2_root_share),  cmocka_unit_test(v2_statistics),
		cmocka_unit_test(v2_configured_later),
		cmocka_unit_test(v1_quota_bites), cmocka_unit_test(v2_quota_bites), cmocka_unit_test(recovers), cmocka_unit_test(nowhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
