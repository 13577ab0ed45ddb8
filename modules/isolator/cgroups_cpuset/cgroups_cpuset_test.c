/* cgroups_cpuset_test.c - what is written on v2 (a tree of plain files), and where a
 * process runs on v1 (as root).
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/cgroup_world.h"

#include <sched.h>

extern const struct mz_module mz_module;

static void set(const char *cpus, const char *mems)
{
	world.settings[0].name = "cpus";
	world.settings[0].value = cpus;
	world.settings[1].name = "mems";
	world.settings[1].value = mems;
}

static void v2(void **state)
{
	(void)state;
	world_v2(&mz_module, "cpuset");
	world_file("mezzo/c1/cpuset.cpus", "");
	world_file("mezzo/c1/cpuset.mems", "");
	struct mz_container c = {.size = sizeof(c), .id = "c1"};
	void *inst = world_create();
	world_prepare(inst, &c);
	world_expect("mezzo/c1/cpuset.cpus", "");
	world_ops()->destroy(inst);
	set("0-1,3", "0");
	inst = world_create();
	world_prepare(inst, &c);
	world_expect("mezzo/c1/cpuset.cpus", "0-1,3");
	world_expect("mezzo/c1/cpuset.mems", "0");
	world_expect("mezzo/cgroup.subtree_control", "+cpuset");
	/* A nested one has no such files here: it must not need them. */
	struct mz_container d = {.size = sizeof(d), .id = "c1.d", .parent = "c1"};
	world_prepare(inst, &d);
	world_ops()->destroy(inst);
	set("all", "");
	struct mz_err err;
	inst = NULL;
	assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "'cpus'"));
	world_v2_remove();
}

static int count_cpus(void)
{
	cpu_set_t s;
	return sched_getaffinity(0, sizeof(s), &s) == 0 ? CPU_COUNT(&s) : 100;
}

static void bites(void **state)
{
	(void)state;
	if (!world_has_some("cpuset"))
		skip();
	world_real(&mz_module);
	struct mz_container c = {.size = sizeof(c), .id = "c1"};
	struct mz_container d = {.size = sizeof(d), .id = "c1.d", .parent = "c1"};
	void *inst = world_create();
	world_prepare(inst, &c);
	assert_int_equal(WEXITSTATUS(world_wait(world_member(count_cpus))), count_cpus());
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);
	set("0", "");
	inst = world_create();
	world_prepare(inst, &c);
	assert_int_equal(WEXITSTATUS(world_wait(world_member(count_cpus))), 1);
	world_prepare(inst, &d);
	assert_int_equal(WEXITSTATUS(world_wait(world_member(count_cpus))), 1);
	world_cleanup(inst, "c1.d");
	world_cleanup(inst, "c1");
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);
	/* A processor that is not there. */
	set("4000", "");
	inst = world_create();
	world_ops()->prepare(inst, &c, NULL, WORLD_OP);
	assert_true(world.n_done == 1 && world.code < 0);
	assert_non_null(strstr(world.message, "cpuset.cpus"));
	world.n_done = 0;
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(v2), cmocka_unit_test(bites)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
