/* filesystem_posix_test.c - volumes as links: made, taken away, refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../volume_disk_world.h"

static const char *const dirs[] = {"%D/box", "%D/disk", NULL};
static char box[1100];
static struct mz_resources *res;

static int set_up(void **state)
{
	(void)state;
	world_begin(NULL, dirs);
	snprintf(box, sizeof(box), "%s", at("%D/box"));
	world.c->sandbox = box;
	res = res_new();
	world.c->resources = res;
	return 0;
}

static int tear_down(void **state)
{
	res_free(res);
	return world_end(state);
}

static int update(void)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	ops->update(mz_kit_inst(world.m), world.c, mz_kit_op(world.m, &world.r, 0));
	return mz_kit_wait(world.k, &world.r);
}

static const char *link_at(const char *path)
{
	static char to[2048];
	ssize_t n = readlink(at(path), to, sizeof(to) - 1);
	to[n < 0 ? 0 : n] = '\0';
	return to;
}

static void links(void **state)
{
	(void)state;
	struct stat st;
	if (geteuid() == 0)
		assert_int_equal(chown(box, 12345, 12346), 0);
	add_volume(res, "web", "v1", "data", "");
	add_volume(res, "eng/db", "v2", "deep/er", "");
	add_volume(res, "web", "v3", "on-path", ",\"source\":{\"type\":\"PATH\",\"path\":{\"root\":\"%D/disk\"}}");
	add_volume(res, "web", "v4", "on-mount", ",\"source\":{\"type\":\"MOUNT\",\"mount\":{\"root\":\"%D/disk\"}}");
	if (prepare(NULL) < 0)
		fail_msg("%s", world.r.err.msg);
	assert_string_equal(asked(), "");
	assert_string_equal(link_at("%D/box/data"), at("%D/volumes/roles/web/v1"));
	assert_string_equal(link_at("%D/box/deep/er"), at("%D/volumes/roles/eng db/v2"));
	assert_string_equal(link_at("%D/box/on-path"), at("%D/disk/volumes/roles/web/v3"));
	assert_string_equal(link_at("%D/box/on-mount"), at("%D/disk"));
	assert_int_equal(stat(at("%D/volumes/roles/web/v1"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 12345);
	assert_int_equal(stat(at("%D/volumes/roles/web"), &st), 0);
	assert_int_equal(st.st_uid, geteuid());
}

static void come_and_go(void **state)
{
	(void)state;
	add_volume(res, "web", "v1", "one", "");
	assert_int_equal(prepare(NULL), 0);
	make_file("%D/box/one/kept", "x");
	struct mz_resources *more = res_new();
	add_volume(more, "web", "v1", "one", "");
	add_volume(more, "web", "v2", "two", "");
	world.c->resources = more;
	assert_int_equal(update(), 0);
	assert_string_equal(link_at("%D/box/one"), at("%D/volumes/roles/web/v1"));
	assert_string_equal(link_at("%D/box/two"), at("%D/volumes/roles/web/v2"));
	struct mz_resources *less = res_new();
	add_volume(less, "web", "v2", "two", "");
	world.c->resources = less;
	assert_int_equal(update(), 0);
	assert_false(exists("%D/box/one"));
	assert_true(exists("%D/box/two"));
	assert_true(exists("%D/volumes/roles/web/v1/kept"));
	res_free(more);
	res_free(less);
}

static void after_a_restart(void **state)
{
	(void)state;
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	const struct mz_container *const v[] = {world.c};
	add_volume(res, "web", "v1", "one", "");
	make_link("%D/disk", "%D/box/one");
	ops->recover(mz_kit_inst(world.m), v, 1, mz_kit_op(world.m, &world.r, 0));
	assert_int_equal(mz_kit_wait(world.k, &world.r), 0);
	struct mz_resources *none = res_new();
	world.c->resources = none;
	assert_int_equal(update(), 0);
	assert_false(exists("%D/box/one"));
	ops->cleanup(mz_kit_inst(world.m), "c1", mz_kit_op(world.m, &world.r, 0));
	assert_int_equal(mz_kit_wait(world.k, &world.r), 0);
	assert_int_equal(update(), 0);
	res_free(none);
}

static void one_refusal(const char *path, int code, const char *message)
{
	struct mz_resources *r = res_new();
	add_volume(r, "web", "v1", path, "");
	world.c->resources = r;
	assert_int_equal(prepare(NULL), code);
	assert_string_equal(world.r.err.msg, message);
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	ops->cleanup(mz_kit_inst(world.m), "c1", mz_kit_op(world.m, &world.r, 0));
	assert_int_equal(mz_kit_wait(world.k, &world.r), 0);
	world.c->resources = res;
	res_free(r);
}

static void refusals(void **state)
{
	(void)state;
	make_link("%D/disk", "%D/box/out");
	make_dir("%D/box/there");
	one_refusal("/etc/data", -EINVAL,
		    "resources[0].disk.volume.container_path '/etc/data': must be a relative path without '..': it becomes a "
		    "link in the sandbox");
	one_refusal("../data", -EINVAL,
		    "resources[0].disk.volume.container_path '../data': must be a relative path without '..': it becomes a "
		    "link in the sandbox");
	one_refusal("out/data", -ELOOP, "resources[0].disk.volume.container_path 'out/data': leads over a symbolic link");
	one_refusal("there", -EEXIST, "resources[0].disk.volume.container_path 'there': File exists");
	assert_false(exists("%D/disk/data"));
}

static void tasks_of_a_pod(void **state)
{
	(void)state;
	add_volume(res, "web", "v1", "one", "");
	world.c->parent = "c0";
	assert_int_equal(prepare(NULL), 0);
	assert_int_equal(update(), 0);
	assert_false(exists("%D/box/one"));
	assert_false(exists("%D/volumes"));
}

/* It may be others' as well, who run as somebody else. */
static void shared_ones_keep_their_owner(void **state)
{
	(void)state;
	struct stat st;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(box, 12345, 12346), 0);
	add_volume(res, "web", "shared", "s", "},\"shared\":{");
	add_volume(res, "web", "own", "o", "");
	assert_int_equal(prepare(NULL), 0);
	assert_int_equal(chown(at("%D/volumes/roles/web/shared"), 4711, 4712), 0);
	assert_int_equal(chown(at("%D/volumes/roles/web/own"), 4711, 4712), 0);
	world.c = mz_kit_container(world.k, "c2", "cpus:1");
	world.c->sandbox = box;
	world.c->resources = res;
	assert_int_equal(prepare(NULL), 0);
	assert_int_equal(stat(at("%D/volumes/roles/web/shared"), &st), 0);
	assert_int_equal(st.st_uid, 4711);
	assert_int_equal(stat(at("%D/volumes/roles/web/own"), &st), 0);
	assert_int_equal(st.st_uid, 12345);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(shared_ones_keep_their_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links, set_up, tear_down),
		cmocka_unit_test_setup_teardown(come_and_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tasks_of_a_pod, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
