/* volume_sandbox_path_test.c - own and parents' directories, as mounts and as links.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../volume_world.h"

static const char *const dirs[] = {"%D/box", "%D/box/child", "%D/other", NULL};
static char box[1100], child[1100];

static void begin(const char *settings)
{
	world_begin(settings, dirs);
	snprintf(box, sizeof(box), "%s", at("%D/box"));
	snprintf(child, sizeof(child), "%s", at("%D/box/child"));
	world.c->sandbox = box;
	make_link("%D/other", "%D/box/out");
	make_link("%D/other", "%D/box/child/out");
}

static int mounts_set_up(void **state)
{
	(void)state;
	begin(NULL);
	return 0;
}

static int links_set_up(void **state)
{
	(void)state;
	begin("links: true");
	return 0;
}

/* A second container in the first one, which must have been prepared. */
static void become_child(void)
{
	world.c = mz_kit_container(world.k, "c1.c2", "cpus:1");
	world.c->parent = "c1";
	world.c->sandbox = child;
}

static void cleanup(const char *id)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	struct mz_kit_op r;
	ops->cleanup(mz_kit_inst(world.m), id, mz_kit_op(world.m, &r, 0));
	assert_int_equal(mz_kit_wait(world.k, &r), 0);
}

#define SELF(path) "source: {type: SANDBOX_PATH, sandbox_path: {type: SELF, path: " path "}}}\n"
#define PARENT(path) "source: {type: SANDBOX_PATH, sandbox_path: {type: PARENT, path: " path "}}}\n"

static void own(void **state)
{
	(void)state;
	struct stat st;
	if (geteuid() == 0)
		assert_int_equal(chown(box, 12345, 12346), 0);
	make_file("%D/box/file", "x");
	assert_int_equal(prepare("- {mode: RW, container_path: /tmp, " SELF("tmp/own")
				 "- {mode: RO, container_path: see, host_path: file}\n"),
			 0);
	assert_string_equal(asked(), at("mount %D/box/tmp/own /tmp bind - 0x0\nmount %D/box/file %D/box/see bind - 0x1\n"));
	assert_int_equal(stat(at("%D/box/tmp/own"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	if (geteuid() == 0) {
		assert_int_equal(st.st_uid, 12345);
		assert_int_equal(st.st_gid, 12346);
	}
}

static void parents(void **state)
{
	(void)state;
	assert_int_equal(prepare(NULL), 0);
	become_child();
	assert_int_equal(prepare("- {mode: RW, container_path: shared, " PARENT("shared")), 0);
	assert_string_equal(asked(), at("mount %D/box/shared %D/box/child/shared bind - 0x0\n"));
	assert_true(exists("%D/box/shared"));
	cleanup("c1.c2");
	cleanup("c1");
	cleanup("c1");
	refuses("- {mode: RW, container_path: shared, " PARENT("shared"), -ENOENT,
		"container.volumes[0].source.sandbox_path.type 'PARENT': container 'c1' is not known here");
}

static void parents_after_a_restart(void **state)
{
	(void)state;
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	struct mz_kit_op r;
	const struct mz_container *const v[] = {world.c};
	ops->recover(mz_kit_inst(world.m), v, 1, mz_kit_op(world.m, &r, 0));
	assert_int_equal(mz_kit_wait(world.k, &r), 0);
	become_child();
	assert_int_equal(prepare("- {mode: RW, container_path: shared, " PARENT("shared")), 0);
	assert_string_equal(asked(), at("mount %D/box/shared %D/box/child/shared bind - 0x0\n"));
}

/* Programs of the host that make their user root would read what the task has written. */
static void no_way_to_root(void **state)
{
	(void)state;
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	struct mz_kit_op r;
	world.c->user = "nobody";
	assert_int_equal(prepare("- {mode: RW, container_path: /tmp, " SELF("tmp") "- {mode: RW, container_path: in, " SELF("x")), 0);
	assert_null(strstr(asked(), "no_new_privs"));
	assert_int_equal(prepare("- {mode: RO, container_path: /tmp/../etc/, " SELF("etc")), 0);
	assert_string_equal(asked(), at("mount %D/box/etc /etc bind - 0x1\nno_new_privs\n"));
	/* What is nested lives among the same files, whatever it is. */
	struct mz_container *top = world.c;
	become_child();
	world.c->user = "nobody";
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "no_new_privs\n");
	world.c->container_class = MZ_CONTAINER_DEBUG;
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "no_new_privs\n");
	/* Root need not become it. */
	world.c->user = "root";
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "");
	world.c->user = "nobody";
	cleanup("c1");
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "");
	/* After a restart. */
	top->container = mz_kit_info(world.k, "{type: MESOS, volumes: [{mode: RW, container_path: /etc, " "source: {type: SANDBOX_PATH, sandbox_path: {type: SELF, path: etc}}}]}");
	const struct mz_container *const v[] = {top};
	ops->recover(mz_kit_inst(world.m), v, 1, mz_kit_op(world.m, &r, 0));
	assert_int_equal(mz_kit_wait(world.k, &r), 0);
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "no_new_privs\n");
	world.c = top;
}

static void refusals(void **state)
{
	(void)state;
	refuses("- {mode: RW, container_path: a, " SELF("../other"), -EINVAL,
		"container.volumes[0].source.sandbox_path.path '../other': must be a relative path without '..'");
	refuses("- {mode: RW, container_path: a, " SELF("a/../../other"), -EINVAL,
		"container.volumes[0].source.sandbox_path.path 'a/../../other': must be a relative path without '..'");
	refuses("- {mode: RW, container_path: a, " SELF("/etc"), -EINVAL,
		"container.volumes[0].source.sandbox_path.path '/etc': must be a relative path without '..'");
	refuses("- {mode: RW, container_path: a, " SELF("out"), -ELOOP,
		"container.volumes[0].source.sandbox_path.path 'out': leads over a symbolic link");
	refuses("- {mode: RW, container_path: a, host_path: out/deep}\n", -ELOOP,
		"container.volumes[0].host_path 'out/deep': leads over a symbolic link");
	refuses("- {mode: RW, container_path: a, " PARENT("x"), -EINVAL,
		"container.volumes[0].source.sandbox_path.type 'PARENT': the container has none");
	refuses("- {mode: RW, container_path: out/x, " SELF("x"), -ELOOP,
		"container.volumes[0].container_path 'out/x': leads over a symbolic link");
	assert_false(exists("%D/other/deep"));
	assert_false(exists("%D/other/x"));
	assert_int_equal(prepare(NULL), 0);
	become_child();
	refuses("- {mode: RW, container_path: a, " PARENT("out"), -ELOOP,
		"container.volumes[0].source.sandbox_path.path 'out': leads over a symbolic link");
}

static void others_are_left_alone(void **state)
{
	(void)state;
	assert_int_equal(prepare("- {mode: RW, container_path: a, host_path: /etc}\n"
				 "- {mode: RW, container_path: b, source: {type: HOST_PATH, host_path: {path: /etc}}}\n"),
			 0);
	assert_string_equal(asked(), "");
}

static void links(void **state)
{
	(void)state;
	char to[1200] = "";
	assert_int_equal(prepare(NULL), 0);
	become_child();
	assert_int_equal(prepare("- {mode: RW, container_path: a/b, " PARENT("shared")), 0);
	assert_string_equal(asked(), "");
	assert_true(readlink(at("%D/box/child/a/b"), to, sizeof(to) - 1) > 0);
	assert_string_equal(to, at("%D/box/shared"));
	assert_int_equal(prepare("- {mode: RW, container_path: a/b, " PARENT("shared")), 0);
	refuses("- {mode: RW, container_path: a/b, " PARENT("another"), -EEXIST,
		"container.volumes[0].container_path 'a/b': File exists");
	refuses("- {mode: RW, container_path: /tmp, " PARENT("shared"), -EINVAL,
		"container.volumes[0].container_path '/tmp': must be a relative path without '..': it becomes a link in the "
		"sandbox");
	refuses("- {mode: RO, container_path: c, " PARENT("shared"), -EOPNOTSUPP,
		"container.volumes[0].mode 'RO': needs mounts, and setting 'links' of volume_sandbox_path is on");
	assert_int_equal(prepare("- {mode: RW, container_path: out/x, " PARENT("shared")), -ELOOP);
	assert_false(exists("%D/other/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(own, mounts_set_up, world_end),
		cmocka_unit_test_setup_teardown(parents, mounts_set_up, world_end),
		cmocka_unit_test_setup_teardown(parents_after_a_restart, mounts_set_up, world_end),
		cmocka_unit_test_setup_teardown(no_way_to_root, mounts_set_up, world_end),
		cmocka_unit_test_setup_teardown(refusals, mounts_set_up, world_end),
		cmocka_unit_test_setup_teardown(others_are_left_alone, mounts_set_up, world_end),
		cmocka_unit_test_setup_teardown(links, links_set_up, world_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
