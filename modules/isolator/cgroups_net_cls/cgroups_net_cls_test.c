/* cgroups_net_cls_test.c - on a hierarchy of v1 that the test mounts for itself, as root.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/cgroup_world.h"

#include <sched.h>
#include <sys/mount.h>

extern const struct mz_module mz_module;

static char dir[64] = "/tmp/mezzo-net-cls-XXXXXX";
static int mounted;

/* In a mount namespace of its own, so that nobody else sees it. */
static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	mounted = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		  mount("cgroup", dir, "cgroup", 0, "net_cls") == 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (mounted && umount(dir) < 0)
		return -1;
	return rmdir(dir);
}

static void ranges(const char *primary, const char *secondary)
{
	world_real(&mz_module);
	(void)snprintf(world.hierarchy, sizeof(world.hierarchy), "%s", dir);
	world.settings[0].name = "primary_handle";
	world.settings[0].value = primary;
	world.settings[1].name = "secondary_handles";
	world.settings[1].value = secondary;
	if (!mounted) {
		print_message("# SKIP no v1 hierarchy with net_cls can be mounted here\n");
		skip();
	}
}

static double classid(void *inst, const struct mz_container *c)
{
	world.n_set = 0;
	world_ops()->status(inst, c, NULL, WORLD_OP);
	world_ok();
	return world_value("cgroup_info.net_cls.classid");
}

static void handles(void **state)
{
	(void)state;
	struct mz_container a = {.size = sizeof(a), .id = "a"}, b = {.size = sizeof(b), .id = "b"},
			    n = {.size = sizeof(n), .id = "a.n", .parent = "a"},
			    shared = {.size = sizeof(n), .id = "a.s", .parent = "a", .share_cgroups = 1},
			    c = {.size = sizeof(c), .id = "c"};
	ranges("0xaaaa", "0x10,0x11");
	void *inst = world_create();
	world_prepare(inst, &a);
	assert_true(classid(inst, &a) == 0xaaaa0010);
	pid_t pid = world_member(world_pause);
	world_prepare(inst, &b);
	assert_true(classid(inst, &b) == 0xaaaa0011);
	world_prepare(inst, &n);
	assert_true(classid(inst, &n) == 0xaaaa0010);
	world_prepare(inst, &shared);
	assert_true(classid(inst, &shared) == 0xaaaa0010);
	/* There are no more, until one comes back; then not the one that was last. */
	world_ops()->prepare(inst, &c, NULL, WORLD_OP);
	assert_int_equal(world.code, -ENOSPC);
	assert_non_null(strstr(world.message, "All 2 secondary handles of net_cls (0x0010 to 0x0011) are used"));
	world.n_done = 0;
	world_cleanup(inst, "c");
	world_cleanup(inst, "b");
	world_prepare(inst, &c);
	assert_true(classid(inst, &c) == 0xaaaa0011);
	/* The agent restarts; c has ended meanwhile. */
	world_ops()->destroy(inst);
	inst = world_create();
	const struct mz_container *v[] = {&a, &n};
	world_ops()->recover(inst, v, 2, WORLD_OP);
	world_ok();
	assert_true(classid(inst, &a) == 0xaaaa0010);
	world_prepare(inst, &b);
	assert_true(classid(inst, &b) == 0xaaaa0011);
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)world_wait(pid);
	world_cleanup(inst, "a.n");
	world_cleanup(inst, "a");
	world_cleanup(inst, "a");
	world_cleanup(inst, "b");
	world_cleanup(inst, "never");
	world.n_set = 0;
	world_status(inst, &a);
	assert_int_equal(world.n_set, 0);
	world_ops()->destroy(inst);
}

/* One that was given back is given out when the others have been. */
static void all_take_turns(void **state)
{
	(void)state;
	struct mz_container a = {.size = sizeof(a), .id = "a"};
	ranges("0xaaaa", "0x10,0x12");
	void *inst = world_create();
	for (int i = 0; i < 4; i++) {
		world_prepare(inst, &a);
		assert_true(classid(inst, &a) == 0xaaaa0010 + i % 3);
		world_cleanup(inst, "a");
	}
	world_ops()->destroy(inst);
}

static void none_without_a_primary_one(void **state)
{
	(void)state;
	struct mz_container a = {.size = sizeof(a), .id = "a"};
	ranges("", "");
	void *inst = world_create();
	world_prepare(inst, &a);
	assert_true(classid(inst, &a) == -1);
	world_cleanup(inst, "a");
	world_ops()->destroy(inst);
}

static void refuses(void **state)
{
	(void)state;
	static const struct {
		const char *primary, *secondary, *message;
	} bad[] = {{"", "0x1,0x2", "secondary_handles, and no primary_handle"},
		   {"7", "", "primary_handle '7' is none"},
		   {"0x0", "", "primary_handle '0x0' is none"},
		   {"0x10000", "", "is none of 0x1 to 0xffff"},
		   {"0x1x", "", "is none"},
		   {"0x1", "0x1", "are no range"},
		   {"0x1", "0x3,0x2", "are no range"},
		   {"0x1", "0x0,0x2", "are no range"}};
	world_v2(&mz_module, "cpu");
	world.settings[0].name = "primary_handle";
	world.settings[1].name = "secondary_handles";
	struct mz_err err = {0};
	void *inst = NULL;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		world.settings[0].value = bad[i].primary;
		world.settings[1].value = bad[i].secondary;
		assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), -EINVAL);
		if (!strstr(err.msg, bad[i].message))
			fail_msg("'%s' has not '%s'", err.msg, bad[i].message);
	}
	/* There is v2 only. */
	world.settings[0].value = world.settings[1].value = "";
	assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "a controller of cgroups v1"));
	world_v2_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(handles), cmocka_unit_test(all_take_turns), cmocka_unit_test(none_without_a_primary_one),
					   cmocka_unit_test(refuses)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
