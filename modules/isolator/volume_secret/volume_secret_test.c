/* volume_secret_test.c - real mounts, in a mount namespace of this test's own.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../../lib/id_name.h"
#include "../volume_world.h"

#include <sched.h>
#include <sys/statfs.h>

static const char *const dirs[] = {"%D/box", NULL};
static char box[1100];
enum { RAMFS_MAGIC = 0x858458f6 };

static int set_up(void **state)
{
	(void)state;
	world_begin(NULL, dirs);
	snprintf(box, sizeof(box), "%s", at("%D/box"));
	world.c->sandbox = box;
	return 0;
}

static int tear_down(void **state)
{
	umount2(at("%D/secrets/c1"), MNT_DETACH);
	return world_end(state);
}

static int private_mounts(void)
{
	return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

#define NEEDS_MOUNTS()                                                          \
	do {                                                                    \
		if (!private_mounts()) {                                        \
			print_message("skipped: needs root and mounts\n");      \
			skip();                                                 \
		}                                                               \
	} while (0)

static const char *content(const char *path)
{
	static char text[256];
	int fd = open(at(path), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? "(none)" : text;
}

static int cleanup(const char *id)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	struct mz_kit_op r;
	ops->cleanup(mz_kit_inst(world.m), id, mz_kit_op(world.m, &r, 0));
	return mz_kit_wait(world.k, &r);
}

static int recover(const struct mz_container *c)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	struct mz_kit_op r;
	ops->recover(mz_kit_inst(world.m), &c, c ? 1 : 0, mz_kit_op(world.m, &r, 0));
	return mz_kit_wait(world.k, &r);
}

#define SESAME "source: {type: SECRET, secret: {type: VALUE, value: {data: sesame}}}}\n"
#define OF_DB "source: {type: SECRET, secret: {type: REFERENCE, reference: {name: db, key: pw}}}}\n"
#define NOWHERE "source: {type: SECRET, secret: {type: REFERENCE, reference: {name: none}}}}\n"

static void files_in_memory(void **state)
{
	(void)state;
	struct stat st;
	struct statfs fs;
	char expected[4096], id[400];
	NEEDS_MOUNTS();
	assert_int_equal(chown(box, 12345, 12346), 0);
	assert_int_equal(prepare("- {mode: RO, container_path: a, host_path: /etc}\n"
				 "- {mode: RO, container_path: keys/one, " SESAME
				 "- {mode: RW, container_path: two, " OF_DB),
			 0);
	snprintf(expected, sizeof(expected),
		 "mount %%D/secrets/c1/1 %%D/box/keys/one bind - 0x%x\nmount %%D/secrets/c1/2 %%D/box/two bind - 0x%x\n",
		 MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
	assert_string_equal(asked(), at(expected));
	assert_string_equal(content("%D/secrets/c1/1"), "sesame");
	assert_string_equal(content("%D/secrets/c1/2"), "secret db pw");
	assert_int_equal(statfs(at("%D/secrets/c1/1"), &fs), 0);
	assert_true((unsigned long)fs.f_type == RAMFS_MAGIC);
	assert_int_equal(stat(at("%D/secrets/c1/1"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(stat(at("%D/secrets"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* On the disk there is nothing. */
	assert_string_equal(content("%D/box/keys/one"), "");
	assert_null(strstr(mz_kit_log(world.k), "sesame"));
	/* Another container has come to hold the file system by its copy of the mounts. */
	int held = open(at("%D/secrets/c1/1"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(cleanup("c1"), 0);
	assert_false(exists("%D/secrets/c1"));
	assert_int_equal(fstat(held, &st), 0);
	assert_int_equal(st.st_size, 0);
	close(held);
	assert_int_equal(cleanup("c1"), 0);
	assert_int_equal(cleanup("../box"), 0);
	/* Nested so deep that it is no name of a directory; there is none. */
	memset(id, 'c', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	assert_int_equal(cleanup(id), 0);
	assert_true(exists("%D/box"));
}

static void failures_clean_up(void **state)
{
	(void)state;
	NEEDS_MOUNTS();
	refuses("- {mode: RO, container_path: a, " SESAME "- {mode: RO, container_path: b, " NOWHERE, -ENOENT,
		"container.volumes[1].source.secret: There is no secret 'none'");
	assert_string_equal(asked(), "");
	assert_int_equal(cleanup("c1"), 0);
	assert_false(exists("%D/secrets/c1"));
	make_link("/etc", "%D/box/link");
	refuses("- {mode: RO, container_path: link/x, " SESAME, -ELOOP,
		"container.volumes[0].container_path 'link/x': leads over a symbolic link");
	assert_int_equal(cleanup("c1"), 0);
	assert_false(exists("%D/secrets/c1"));
}

static void orphans(void **state)
{
	(void)state;
	NEEDS_MOUNTS();
	assert_int_equal(prepare("- {mode: RO, container_path: a, " SESAME), 0);
	assert_int_equal(recover(world.c), 0);
	assert_string_equal(content("%D/secrets/c1/0"), "sesame");
	assert_int_equal(recover(NULL), 0);
	assert_false(exists("%D/secrets/c1"));
}

/* An id too long for the name of a directory. */
static void nested_deep(void **state)
{
	(void)state;
	char id[600], name[ID_NAME_SIZE], dir[400], file[420];
	NEEDS_MOUNTS();
	memset(id, 'c', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	snprintf(dir, sizeof(dir), "%%D/secrets/%s", id_name(id, name));
	snprintf(file, sizeof(file), "%s/0", dir);
	world.c->id = id;
	assert_int_equal(prepare("- {mode: RO, container_path: a, " SESAME), 0);
	assert_int_equal(recover(world.c), 0);
	assert_string_equal(content(file), "sesame");
	id[sizeof(id) - 2] = 'd'; /* another one lives */
	assert_int_equal(recover(world.c), 0);
	assert_false(exists(dir));
	assert_int_equal(cleanup(id), 0);
}

static void nothing_to_do(void **state)
{
	(void)state;
	assert_int_equal(prepare(NULL), 0);
	assert_int_equal(prepare("- {mode: RO, container_path: a, host_path: /etc}\n"), 0);
	assert_string_equal(asked(), "");
	assert_false(exists("%D/secrets"));
	assert_int_equal(cleanup("never-seen"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_in_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(failures_clean_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(orphans, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nested_deep, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_to_do, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
