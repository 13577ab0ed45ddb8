/* namespaces_ipc_test.c - who gets what, and the tmpfs: mounted in a mount namespace
 * of the test's own.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/id_name.h"
#include "../kit_world.h"

static const char *expected(const char *id)
{
	static char text[1024];
	snprintf(text, sizeof(text), "namespace 0x8000000\nnamespace 0x20000\nmount %s/shm/%s /dev/shm bind - 0x1000\n",
		 mz_kit_dir(w.k), id);
	return text;
}

/* Size of the tmpfs of a container; 0: there is none. */
static long long shm_mb(const char *id)
{
	char path[512];
	struct statfs fs;
	snprintf(path, sizeof(path), "%s/shm/%s", mz_kit_dir(w.k), id);
	if (statfs(path, &fs) < 0 || fs.f_type != 0x01021994)
		return 0;
	return (long long)fs.f_blocks * fs.f_bsize >> 20;
}

static void private_ones(void **state)
{
	(void)state;
	world_open("{default_shm_size: 2MB}");
	assert_string_equal(world_prepare(world_container("c1", NULL)), expected("c1"));
	assert_int_equal(shm_mb("c1"), 2);
	/* Who is not root comes to it by his own mount only. */
	char path[512];
	struct stat st;
	snprintf(path, sizeof(path), "%s/shm", mz_kit_dir(w.k));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_string_equal(world_prepare(world_container("c2", "{linux_info: {ipc_mode: PRIVATE, shm_size: 5}}")), expected("c2"));
	assert_int_equal(shm_mb("c2"), 5);
	assert_string_equal(world_prepare(world_container("c3", "{linux_info: {shm_size: 0}}")), "");
	assert_string_equal(w.err.msg, "linux_info.shm_size is 0; it has to be at least 1 (MB)");
	/* After a restart c1 is there, c2 is an orphan. */
	struct mz_container *c = world_container("c1", NULL);
	c->pid = 42;
	const struct mz_container *v[] = {c};
	assert_int_equal(world_recover(v, 1), 0);
	assert_int_equal(shm_mb("c1"), 2);
	assert_int_equal(shm_mb("c2"), 0);
	assert_int_equal(world_cleanup("c1"), 0);
	assert_int_equal(world_cleanup("c1"), 0);
	assert_int_equal(shm_mb("c1"), 0);
	world_close();
}

static void shared_ones(void **state)
{
	(void)state;
	world_open(NULL);
	assert_string_equal(world_prepare(world_container("c1", "{linux_info: {ipc_mode: SHARE_PARENT}}")), "");
	assert_int_equal(w.err.code, 0);
	world_prepare(world_container("c1", "{linux_info: {ipc_mode: SHARE_PARENT, shm_size: 5}}"));
	assert_int_equal(w.err.code, -EINVAL);
	world_prepare(world_container("c1", "{linux_info: {ipc_mode: UNKNOWN}}"));
	assert_string_equal(w.err.msg, "linux_info.ipc_mode is 'UNKNOWN', which is not known");
	struct mz_container *parent = world_container("c1", NULL), *c = world_container("c1.n", NULL),
			    *deep = world_container("c1.n.m", NULL);
	c->parent = "c1";
	deep->parent = "c1.n";
	world_prepare(c);
	assert_int_equal(w.err.code, -ESRCH);
	world_prepare(parent);
	assert_int_equal(world_isolate(parent, 4711), 0);
	char text[512];
	snprintf(text, sizeof(text), "enter 0x8000000 /proc/4711/ns/ipc\nnamespace 0x20000\nmount %s/shm/c1 /dev/shm bind - 0x1000\n",
		 mz_kit_dir(w.k));
	assert_string_equal(world_prepare(c), text);
	assert_int_equal(world_isolate(c, 4711), 0);
	assert_string_equal(world_prepare(deep), text);
	c->container_class = MZ_CONTAINER_DEBUG;
	assert_string_equal(world_prepare(c), "enter 0x8000000 /proc/4711/ns/ipc\n");
	assert_int_equal(world_cleanup("c1"), 0);
	world_close();
	world_open("{disallow_sharing_agent: true, default_mode: share_parent}");
	world_prepare(world_container("c1", NULL));
	assert_int_equal(w.err.code, -EPERM);
	world_close();
}

/* Ids too long for the name of a directory. */
static void deep_ones(void **state)
{
	(void)state;
	char one[601], two[601], child[700], name_one[ID_NAME_SIZE], name_two[ID_NAME_SIZE], text[1024];
	world_open("{default_shm_size: 2MB}");
	memset(one, 'c', sizeof(one) - 1);
	one[sizeof(one) - 1] = '\0';
	memcpy(two, one, sizeof(one));
	two[sizeof(two) - 2] = 'd';
	struct mz_container *c = world_container("c1", NULL), *d = world_container("c2", NULL),
			    *n = world_container("c1.n", NULL);
	c->id = one;
	d->id = two;
	const char *dir_one = id_name(one, name_one), *dir_two = id_name(two, name_two);
	assert_string_equal(world_prepare(c), expected(dir_one));
	assert_string_equal(world_prepare(d), expected(dir_two));
	assert_int_equal(shm_mb(dir_one), 2);
	assert_int_equal(shm_mb(dir_two), 2);
	c->pid = 42;
	const struct mz_container *v[] = {c};
	assert_int_equal(world_recover(v, 1), 0);
	assert_int_equal(shm_mb(dir_one), 2);
	assert_int_equal(shm_mb(dir_two), 0);
	/* What is nested in it shares it. */
	snprintf(child, sizeof(child), "%s.n.m", one);
	snprintf(text, sizeof(text), "enter 0x8000000 /proc/43/ns/ipc\nnamespace 0x20000\nmount %s/shm/%s /dev/shm bind - 0x1000\n",
		 mz_kit_dir(w.k), dir_one);
	n->id = child;
	n->parent = strndup(child, strlen(child) - 2);
	struct mz_container between = {.size = sizeof(between), .id = n->parent};
	assert_int_equal(world_isolate(&between, 43), 0);
	assert_string_equal(world_prepare(n), text);
	assert_int_equal(world_cleanup(one), 0);
	assert_int_equal(shm_mb(dir_one), 0);
	free((void *)(uintptr_t)n->parent);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_ones),
		cmocka_unit_test(shared_ones),
		cmocka_unit_test(deep_ones),
	};
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		printf("1..0 # SKIP tmpfs can be mounted by root only\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
