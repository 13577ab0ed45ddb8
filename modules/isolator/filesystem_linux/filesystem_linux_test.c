/* filesystem_linux_test.c - what is asked of the launch.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../volume_disk_world.h"

#include <sched.h>

static const char *const dirs[] = {"%D/box", "%D/disk", NULL};
static char box[1100];
static struct mz_resources *res;

static void begin(const char *settings)
{
	world_begin(settings, dirs);
	snprintf(box, sizeof(box), "%s", at("%D/box"));
	world.c->sandbox = box;
	res = res_new();
	world.c->resources = res;
}

static int bare(void **state)
{
	(void)state;
	begin("{masked_paths: [], read_only_paths: []}");
	return 0;
}

static int by_default(void **state)
{
	(void)state;
	begin(NULL);
	return 0;
}

static int tear_down(void **state)
{
	res_free(res);
	return world_end(state);
}

static int isolate(int32_t pid)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	ops->isolate(mz_kit_inst(world.m), world.c, pid, mz_kit_op(world.m, &world.r, 0));
	return mz_kit_wait(world.k, &world.r);
}

static int update(void)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	ops->update(mz_kit_inst(world.m), world.c, mz_kit_op(world.m, &world.r, 0));
	return mz_kit_wait(world.k, &world.r);
}

static int cleanup(const char *id)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	ops->cleanup(mz_kit_inst(world.m), id, mz_kit_op(world.m, &world.r, 0));
	return mz_kit_wait(world.k, &world.r);
}

static void paths_are_hidden(void **state)
{
	(void)state;
	assert_int_equal(prepare(NULL), 0);
	assert_int_equal(strncmp(asked(), "namespace 0x20000\n", 18), 0);
	static const char *const lines[] = {"\nmask /proc/kcore\n", "\nmask /proc/keys\n", "\nmask /sys/firmware\n",
					    "\nread_only /proc/sys\n", "\nread_only /proc/sysrq-trigger\n", "\nread_only /sys\n"};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_non_null(strstr(asked(), lines[i]));
	assert_null(strstr(asked(), "mount "));
}

static void own_lists(void **state)
{
	(void)state;
	struct mz_err err;
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "namespace 0x20000\n");
	mz_kit_unload(world.m);
	assert_int_equal(mz_kit_add(world.k, &mz_module, "{masked_paths: [/a], read_only_paths: [/b, /c]}", &world.m, &err), 0);
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "namespace 0x20000\nmask /a\nread_only /b\nread_only /c\n");
	mz_kit_unload(world.m);
	assert_int_equal(mz_kit_add(world.k, &mz_module, "masked_paths: [a]", &world.m, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "'masked_paths': 'a' is not an absolute path"));
}

/* The kit's directory is below $TMPDIR. */
static void private_tmp(void **state)
{
	(void)state;
	struct mz_err err;
	const char *settings = "{masked_paths: [], read_only_paths: [], private_tmp: 10MB}";
	mz_kit_unload(world.m);
	int rc = mz_kit_add(world.k, &mz_module, settings, &world.m, &err);
	if (!strncmp(world.dir, "/tmp/", 5)) {
		assert_int_equal(rc, -EINVAL);
		assert_non_null(strstr(err.msg, "is below /tmp"));
	} else {
		assert_int_equal(rc, 0);
		assert_int_equal(prepare(NULL), 0);
		assert_string_equal(asked(), "namespace 0x20000\nmount tmpfs /tmp tmpfs mode=1777,size=10485760 0x6\n");
	}
}

static void volumes(void **state)
{
	(void)state;
	struct stat st;
	if (geteuid() == 0)
		assert_int_equal(chown(box, 12345, 12346), 0);
	add_volume(res, "web", "v1", "data", "");
	add_volume(res, "a/b", "v2", "/opt", "RO");
	add_volume(res, "web", "v3", "x/y", ",\"source\":{\"type\":\"MOUNT\",\"mount\":{\"root\":\"%D/disk\"}}");
	if (prepare(NULL) < 0)
		fail_msg("%s", world.r.err.msg);
	assert_non_null(strstr(asked(), at("mount %D/volumes/roles/web/v1 %D/box/data bind - 0x0\n")));
	assert_non_null(strstr(asked(), at("mount %D/volumes/roles/a b/v2 /opt bind - 0x1\n")));
	assert_non_null(strstr(asked(), at("mount %D/disk %D/box/x/y bind - 0x0\n")));
	assert_int_equal(stat(at("%D/volumes/roles/web/v1"), &st), 0);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 12345);
}

static void volumes_that_are_refused(void **state)
{
	(void)state;
	make_link("%D/disk", "%D/box/out");
	add_volume(res, "web", "v1", "out/x", "");
	assert_int_equal(prepare(NULL), -ELOOP);
	assert_string_equal(world.r.err.msg,
			    "resources[0].disk.volume.container_path 'out/x': leads over a symbolic link");
	assert_false(exists("%D/disk/x"));
	/* The volume's own directory has become a link. */
	struct mz_resources *other = res_new();
	add_volume(other, "web", "v2", "data", "");
	make_link("%D/disk", "%D/volumes/roles/web/v2");
	world.c->resources = other;
	assert_int_equal(prepare(NULL), -ELOOP);
	assert_string_equal(world.r.err.msg, "resources[0].disk.volume.id 'v2': leads over a symbolic link");
	world.c->resources = res;
	res_free(other);
}

static void later_volumes(void **state)
{
	(void)state;
	add_volume(res, "web", "v1", "data", "");
	assert_int_equal(prepare(NULL), 0);
	assert_int_equal(update(), 0);
	struct mz_resources *more = res_new();
	add_volume(more, "web", "v1", "data", "");
	add_volume(more, "web", "v2", "more", "");
	world.c->resources = more;
	assert_int_equal(update(), -EOPNOTSUPP);
	assert_string_equal(world.r.err.msg,
			    "Persistent volume 'v2' came after the container was launched, and cannot be mounted");
	struct mz_resources *none = res_new();
	world.c->resources = none;
	assert_int_equal(update(), 0);
	res_free(more);
	res_free(none);
	world.c->resources = res;
}

static void debug_containers(void **state)
{
	(void)state;
	assert_int_equal(prepare(NULL), 0);
	assert_int_equal(isolate(4711), 0);
	world.c = mz_kit_container(world.k, "c1.c2", "cpus:1");
	world.c->parent = "c1";
	world.c->container_class = MZ_CONTAINER_DEBUG;
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "enter 0x20000 /proc/4711/ns/mnt\n");
	assert_int_equal(cleanup("c1"), 0);
	assert_int_equal(cleanup("c1"), 0);
	assert_int_equal(prepare(NULL), -ENOENT);
	assert_string_equal(world.r.err.msg, "Debug container 'c1.c2': its parent 'c1' is not running here");
}

static void after_a_restart(void **state)
{
	(void)state;
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	const struct mz_container *const v[] = {world.c};
	world.c->pid = 4712;
	ops->recover(mz_kit_inst(world.m), v, 1, mz_kit_op(world.m, &world.r, 0));
	assert_int_equal(mz_kit_wait(world.k, &world.r), 0);
	world.c = mz_kit_container(world.k, "c1.c2", "cpus:1");
	world.c->parent = "c1";
	world.c->container_class = MZ_CONTAINER_DEBUG;
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "enter 0x20000 /proc/4712/ns/mnt\n");
}

static void images(void **state)
{
	(void)state;
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	world.c->container = mz_kit_info(world.k, "{type: MESOS, mesos: {image: {type: DOCKER, docker: {name: alpine}}}}");
	ops->prepare(mz_kit_inst(world.m), world.c, mz_kit_launch(world.k), mz_kit_op(world.m, &world.r, 0));
	assert_int_equal(mz_kit_wait(world.k, &world.r), -EOPNOTSUPP);
	assert_string_equal(world.r.err.msg, "container.mesos.image: this agent has no image provisioner");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paths_are_hidden, by_default, tear_down),
		cmocka_unit_test_setup_teardown(own_lists, bare, tear_down),
		cmocka_unit_test_setup_teardown(private_tmp, bare, tear_down),
		cmocka_unit_test_setup_teardown(volumes, bare, tear_down),
		cmocka_unit_test_setup_teardown(volumes_that_are_refused, bare, tear_down),
		cmocka_unit_test_setup_teardown(later_volumes, bare, tear_down),
		cmocka_unit_test_setup_teardown(debug_containers, bare, tear_down),
		cmocka_unit_test_setup_teardown(after_a_restart, bare, tear_down),
		cmocka_unit_test_setup_teardown(images, bare, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
