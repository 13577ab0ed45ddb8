/* cgroups_pids_test.c - what is written on v2 (a tree of plain files), and what bites on
 * the machine (as root).
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/cgroup_world.h"

extern const struct mz_module mz_module;

static struct mz_resources res;
static struct mz_container c1;

static void container(int64_t cpus)
{
	res = (struct mz_resources){.cpus = cpus};
	c1 = (struct mz_container){.size = sizeof(c1), .id = "c1", .resources = &res};
}

static void v2(void **state)
{
	(void)state;
	world_v2(&mz_module, "pids");
	world_file("mezzo/c1/pids.max", "max\n");
	void *inst = world_create();
	container(1000);
	world_prepare(inst, &c1);
	world_expect("mezzo/c1/pids.max", "2048");
	world_expect("mezzo/cgroup.subtree_control", "+pids");
	container(8000);
	world_update(inst, &c1);
	world_expect("mezzo/c1/pids.max", "4096");
	world_file("mezzo/c1/pids.current", "9\n");
	world_file("mezzo/c1/cgroup.procs", "");
	world_file("mezzo/c1/leaf/cgroup.procs", "10\n11\n");
	world_measure(inst, &c1);
	assert_true(world_value("processes") == 2);
	assert_true(world_value("threads") == 9);
	world_ops()->destroy(inst);
	world.settings[0].name = "max";
	world.settings[0].value = "0";
	inst = world_create();
	world_update(inst, &c1);
	world_expect("mezzo/c1/pids.max", "max");
	world_ops()->destroy(inst);
	world_v2_remove();
}

/* Exit status: how many children there could be. */
static int bomb(void)
{
	int n = 0;
	pid_t pid;
	while (n < 50 && (pid = fork()) != 0) {
		if (pid < 0)
			return errno == EAGAIN ? n : 100;
		n++;
	}
	if (n == 50)
		return 101;
	return pause();
}

static void bites(void **state)
{
	(void)state;
	if (!world_has("pids", 1) && !world_has("pids", 2))
		skip();
	world_real(&mz_module);
	world.settings[0].name = "max";
	world.settings[0].value = "5";
	world.settings[1].name = "per_cpu";
	world.settings[1].value = "1";
	void *inst = world_create();
	container(1000);
	world_prepare(inst, &c1);
	int status = world_wait(world_member(bomb));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 4);
	world_measure(inst, &c1);
	assert_true(world_value("processes") == 4);
	assert_true(world_value("threads") == 4);
	/* Whoever is left is killed, and the group removed, as an orphan. */
	world_ops()->recover(inst, NULL, 0, WORLD_OP);
	world_ok();
	for (int i = 0; i < 200 && world_timers(); i++)
		(void)poll(NULL, 0, 10);
	world_measures_nothing(inst, &c1);
	world_update(inst, &c1);
	world_cleanup(inst, "c1");
	world_cleanup(inst, "never");
	world_ops()->destroy(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(v2), cmocka_unit_test(bites)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
