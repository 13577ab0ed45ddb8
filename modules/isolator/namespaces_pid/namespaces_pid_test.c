/* namespaces_pid_test.c - own, shared and entered pid namespaces.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../kit_world.h"

/* CLONE_NEWNS, then proc with nosuid, nodev, noexec. */
#define PROC "namespace 0x20000\nmount proc /proc proc - 0xe\n"

static void top_level(void **state)
{
	(void)state;
	world_open(NULL);
	assert_string_equal(world_prepare(world_container("c1", NULL)), "namespace 0x20000000\n" PROC);
	assert_string_equal(world_prepare(world_container("c1", "{linux_info: {share_pid_namespace: false}}")),
			    "namespace 0x20000000\n" PROC);
	assert_string_equal(world_prepare(world_container("c1", "{linux_info: {share_pid_namespace: true}}")), "");
	assert_int_equal(w.err.code, 0);
	world_close();
	world_open("{disallow_sharing_agent: true}");
	assert_string_equal(world_prepare(world_container("c1", "{linux_info: {share_pid_namespace: true}}")), "");
	assert_int_equal(w.err.code, -EPERM);
	assert_string_equal(w.err.msg, "linux_info.share_pid_namespace is true, but this agent does not share its own");
	world_close();
}

static void nested(void **state)
{
	(void)state;
	world_open("{disallow_sharing_agent: true}");
	struct mz_container *parent = world_container("c1", NULL), *c = world_container("c1.n", NULL);
	c->parent = "c1";
	assert_string_equal(world_prepare(c), "namespace 0x20000000\n" PROC);
	c->container = mz_kit_info(w.k, "{linux_info: {share_pid_namespace: true}}");
	assert_string_equal(world_prepare(c), "");
	assert_int_equal(w.err.code, -ESRCH);
	assert_int_equal(world_isolate(parent, 4711), 0);
	assert_string_equal(world_prepare(c), "enter 0x20000000 /proc/4711/ns/pid\n" PROC);
	c->container = NULL;
	c->container_class = MZ_CONTAINER_DEBUG;
	assert_string_equal(world_prepare(c), "enter 0x20000000 /proc/4711/ns/pid\nenter 0x20000 /proc/4711/ns/mnt\n");
	assert_int_equal(world_cleanup("c1"), 0);
	assert_int_equal(world_cleanup("c1"), 0);
	assert_string_equal(world_prepare(c), "");
	assert_int_equal(w.err.code, -ESRCH);
	parent->pid = 42;
	const struct mz_container *v[] = {parent};
	assert_int_equal(world_recover(v, 1), 0);
	assert_string_equal(world_prepare(c), "enter 0x20000000 /proc/42/ns/pid\nenter 0x20000 /proc/42/ns/mnt\n");
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_level),
		cmocka_unit_test(nested),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
