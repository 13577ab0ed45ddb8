/* volume_host_path_test.c - what may be mounted, what may not, and how.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../volume_world.h"

static const char *const dirs[] = {"%D/ok", "%D/ok/sub", "%D/other", "%D/box", NULL};

static int set_up(void **state)
{
	(void)state;
	world_begin("allowed: [%D/ok]", dirs);
	world.c->sandbox = strdup(at("%D/box"));
	make_file("%D/ok/file", "x");
	make_file("%D/secret", "x");
	make_dir("%D/box/real");
	make_link("%D/ok/sub", "%D/ok/inside");
	make_link("%D/other", "%D/ok/outside");
	make_link("../../other", "%D/ok/sub/climb");
	make_link("%D/other", "%D/box/link");
	return 0;
}

static int tear_down(void **state)
{
	free((char *)world.c->sandbox);
	return world_end(state);
}

static void mounts(void **state)
{
	(void)state;
	assert_int_equal(prepare("- {mode: RW, container_path: data, host_path: '%D/ok'}\n"
				 "- {mode: RO, container_path: deep/er, host_path: '%D/ok/inside'}\n"
				 "- {mode: RO, container_path: conf, source: {type: HOST_PATH, host_path: {path: '%D/ok/file'}}}\n"),
			 0);
	assert_string_equal(asked(), at("mount %D/ok %D/box/data bind - 0x0\n"
					"mount %D/ok/sub %D/box/deep/er bind - 0x1\n"
					"mount %D/ok/file %D/box/conf bind - 0x1\n"));
	struct stat st;
	assert_int_equal(stat(at("%D/box/deep/er"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(stat(at("%D/box/conf"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	/* Once more: what is there is used. */
	assert_int_equal(prepare("- {mode: RW, container_path: data, host_path: '%D/ok'}\n"
				 "- {mode: RO, container_path: conf, host_path: '%D/ok/file'}\n"),
			 0);
}

static void propagation(void **state)
{
	(void)state;
	char expected[512];
	assert_int_equal(
		prepare("- {mode: RW, container_path: a, source: {type: HOST_PATH, host_path: {path: '%D/ok', "
			"mount_propagation: {mode: HOST_TO_CONTAINER}}}}\n"
			"- {mode: RO, container_path: b, source: {type: HOST_PATH, host_path: {path: '%D/ok', "
			"mount_propagation: {mode: BIDIRECTIONAL}}}}\n"),
		0);
	snprintf(expected, sizeof(expected), "mount %%D/ok %%D/box/a bind - 0x%x\nmount %%D/ok %%D/box/b bind - 0x%x\n",
		 MS_SLAVE, MS_SHARED | MS_RDONLY);
	assert_string_equal(asked(), at(expected));
}

static void others_are_left_alone(void **state)
{
	(void)state;
	assert_int_equal(prepare("- {mode: RW, container_path: a, host_path: relative}\n"
				 "- {mode: RW, container_path: b, source: {type: SANDBOX_PATH, sandbox_path: {type: SELF, path: x}}}\n"
				 "- {mode: RW, container_path: c, source: {type: SECRET, secret: {type: VALUE}}}\n"),
			 0);
	assert_string_equal(asked(), "");
	assert_int_equal(prepare(NULL), 0);
	world.c->container_class = MZ_CONTAINER_DEBUG;
	assert_int_equal(prepare("- {mode: RW, container_path: data, host_path: '%D/ok'}\n"), 0);
	assert_string_equal(asked(), "");
}

static void sources_that_are_refused(void **state)
{
	(void)state;
	refuses("- {mode: RW, container_path: a, host_path: '%D/ok'}\n- {mode: RW, container_path: b, host_path: /etc}\n", -EACCES,
		"container.volumes[1].host_path '/etc': not below one of the allowed paths");
	refuses("- {mode: RW, container_path: b, host_path: '%D/other'}\n", -EACCES,
		"container.volumes[0].host_path '%D/other': not below one of the allowed paths");
	refuses("- {mode: RW, container_path: b, host_path: '%D/ok/../secret'}\n", -EACCES,
		"container.volumes[0].host_path '%D/ok/../secret': not below one of the allowed paths");
	refuses("- {mode: RW, container_path: b, host_path: '%D/ok/outside'}\n", -EACCES,
		"container.volumes[0].host_path '%D/ok/outside': not below one of the allowed paths");
	refuses("- {mode: RW, container_path: b, host_path: '%D/ok/sub/climb'}\n", -EACCES,
		"container.volumes[0].host_path '%D/ok/sub/climb': not below one of the allowed paths");
	refuses("- {mode: RW, container_path: b, host_path: '%D/ok/missing'}\n", -ENOENT,
		"container.volumes[0].host_path '%D/ok/missing': No such file or directory");
	refuses("- {mode: RW, container_path: b, source: {type: HOST_PATH, host_path: {path: rel}}}\n", -EINVAL,
		"container.volumes[0].source.host_path.path 'rel': must be an absolute path");
	/* Of processes' own making. */
	assert_true(prepare("- {mode: RW, container_path: b, host_path: /proc/self/root}\n") < 0);
	/* A name that only begins like an allowed one. */
	make_dir("%D/okay");
	assert_int_equal(prepare("- {mode: RW, container_path: b, host_path: '%D/okay'}\n"), -EACCES);
}

static void targets_that_are_refused(void **state)
{
	(void)state;
	refuses("- {mode: RW, container_path: ../x, host_path: '%D/ok'}\n", -EINVAL,
		"container.volumes[0].container_path '../x': must be a relative path without '..'");
	refuses("- {mode: RW, container_path: link/x, host_path: '%D/ok'}\n", -ELOOP,
		"container.volumes[0].container_path 'link/x': leads over a symbolic link");
	refuses("- {mode: RW, container_path: link, host_path: '%D/ok'}\n", -ELOOP,
		"container.volumes[0].container_path 'link': leads over a symbolic link");
	refuses("- {mode: RW, container_path: /, host_path: '%D/ok'}\n", -EACCES,
		"container.volumes[0].container_path '/': nothing may be mounted there");
	refuses("- {mode: RW, container_path: /proc/sys, host_path: '%D/ok'}\n", -EACCES,
		"container.volumes[0].container_path '/proc/sys': nothing may be mounted there");
	refuses("- {mode: RW, container_path: /nowhere, host_path: '%D/ok'}\n", -ENOENT,
		"container.volumes[0].container_path '/nowhere': must exist on the host, whose file system the container "
		"uses");
	refuses("- {mode: RW, container_path: real, host_path: '%D/ok/file'}\n", -EISDIR,
		"container.volumes[0].container_path 'real': is a directory, what is to be mounted is none");
	refuses("- {mode: RW, container_path: '', host_path: '%D/ok'}\n", -EINVAL,
		"container.volumes[0].container_path '': must be a relative path without '..'");
	assert_false(exists("%D/other/x"));
	assert_string_equal(asked(), "");
}

/* A task has put a link in the place of a directory that its own sandbox is in. */
static void sandbox_behind_a_link(void **state)
{
	(void)state;
	free((char *)world.c->sandbox);
	make_dir("%D/other/box");
	world.c->sandbox = strdup(at("%D/box/link/box"));
	refuses("- {mode: RW, container_path: a, host_path: '%D/ok'}\n", -ELOOP,
		"container.volumes[0].container_path 'a': there is no sandbox");
	assert_false(exists("%D/other/box/a"));
}

static void absolute_targets(void **state)
{
	(void)state;
	make_link("%D/other", "%D/away");
	assert_int_equal(prepare("- {mode: RW, container_path: '%D/away', host_path: '%D/ok'}\n"), 0);
	assert_string_equal(asked(), at("mount %D/ok %D/other bind - 0x0\n"));
}

static void creation(void **state)
{
	(void)state;
	struct stat st;
	struct mz_err err;
	mz_kit_unload(world.m);
	assert_int_equal(mz_kit_add(world.k, &mz_module, at("{allowed: [%D/ok], force_creation: true}"), &world.m, &err), 0);
	assert_int_equal(prepare("- {mode: RW, container_path: a, host_path: '%D/ok/new/deep'}\n"), 0);
	assert_int_equal(stat(at("%D/ok/new/deep"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_true(prepare("- {mode: RW, container_path: b, host_path: '%D/other/new'}\n") < 0);
	assert_false(exists("%D/other/new"));
	assert_true(prepare("- {mode: RW, container_path: b, host_path: '%D/ok/outside/new'}\n") < 0);
	assert_false(exists("%D/other/new"));
	assert_true(prepare("- {mode: RW, container_path: b, host_path: '%D/ok/../other/new'}\n") < 0);
	assert_false(exists("%D/other/new"));
}

static void settings(void **state)
{
	(void)state;
	struct mz_err err;
	mz_kit_unload(world.m);
	assert_int_equal(mz_kit_add(world.k, &mz_module, "allowed: [ok]", &world.m, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "'ok' is not an absolute path"));
	assert_int_equal(mz_kit_add(world.k, &mz_module, "allowed: [/nonexistent/x]", &world.m, &err), -ENOENT);
	assert_int_equal(mz_kit_add(world.k, &mz_module, NULL, &world.m, &err), 0);
	assert_int_equal(prepare("- {mode: RW, container_path: b, host_path: '%D/ok'}\n"), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(mounts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(propagation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(others_are_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sources_that_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(targets_that_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sandbox_behind_a_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(absolute_targets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(creation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(settings, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
