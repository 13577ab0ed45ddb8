/* namespaces_user_test.c - ranges of ids: given, kept, returned.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../kit_world.h"

static const char settings[] = "{first_id: 2000, ids_per_container: 100, max_containers: 2}";

static const char *mapped(unsigned outside)
{
	static char text[128];
	snprintf(text, sizeof(text), "namespace 0x10000000\nid_map uid 0 %u 100\nid_map gid 0 %u 100\n", outside, outside);
	return text;
}

static void ranges(void **state)
{
	(void)state;
	world_open(settings);
	struct mz_container *c = world_container("c1", NULL);
	char path[512];
	struct stat st;
	snprintf(path, sizeof(path), "%s/file", c->sandbox);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_string_equal(world_prepare(c), mapped(2000));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 2000);
	assert_int_equal(st.st_gid, 2000);
	assert_string_equal(world_prepare(world_container("c2", NULL)), mapped(2100));
	assert_string_equal(world_prepare(world_container("c3", NULL)), "");
	assert_string_equal(w.err.msg, "All 2 ranges of user ids are in use");
	assert_int_equal(world_cleanup("c1"), 0);
	assert_int_equal(world_cleanup("c1"), 0);
	c = world_container("c3", NULL);
	c->user = "no-such-user-here";
	assert_string_equal(world_prepare(c), "");
	assert_int_equal(w.err.code, -ENOENT);
	c->user = "nobody";
	assert_string_equal(world_prepare(c), "");
	assert_int_equal(w.err.code, -ERANGE);
	c->user = "daemon";
	assert_string_equal(world_prepare(c), mapped(2000));
	assert_int_equal(stat(c->sandbox, &st), 0);
	assert_int_equal(st.st_uid, 2001);
	world_close();
	world_refuses("{first_id: 4294967294}");
	assert_non_null(strstr(w.err.msg, "go beyond the last id"));
}

/* The agent starts again; `c` alone has gone on, as process 42. */
static void restart_with(struct mz_container *c)
{
	const struct mz_container *v[] = {c};
	world_restart(settings);
	c->pid = 42;
	assert_int_equal(world_recover(v, 1), 0);
}

static void nested_and_restart(void **state)
{
	(void)state;
	world_open(settings);
	struct mz_container *c = world_container("c2", NULL), *n = world_container("c2.a.b", NULL);
	n->parent = "c2.a";
	world_prepare(world_container("c1", NULL));
	world_prepare(c);
	assert_string_equal(world_prepare(n), "");
	assert_int_equal(w.err.code, -ESRCH);
	assert_int_equal(world_isolate(c, 4711), 0);
	assert_string_equal(world_prepare(n), "enter 0x10000000 /proc/4711/ns/user\n");
	restart_with(c);
	assert_string_equal(world_prepare(n), "enter 0x10000000 /proc/42/ns/user\n");
	/* c1 is gone, its range is free; that of c2 is not. */
	assert_string_equal(world_prepare(world_container("c3", NULL)), mapped(2000));
	assert_string_equal(world_prepare(world_container("c4", NULL)), "");
	assert_int_equal(w.err.code, -ENOSPC);
	world_close();
}

/* A task of the parent has put a link on the way to its sandbox. */
static void nested_behind_a_link(void **state)
{
	(void)state;
	char path[512], other[512], sandbox[600];
	struct stat st;
	world_open(settings);
	struct mz_container *c = world_container("c1", NULL), *n = world_container("c1.n", NULL);
	n->parent = "c1";
	world_prepare(c);
	assert_int_equal(world_isolate(c, 4711), 0);
	snprintf(other, sizeof(other), "%s/other", mz_kit_dir(w.k));
	snprintf(path, sizeof(path), "%s/other/n", mz_kit_dir(w.k));
	assert_int_equal(mkdir(other, 0755), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(sandbox, sizeof(sandbox), "%s/containers", c->sandbox);
	assert_int_equal(symlink(other, sandbox), 0);
	snprintf(sandbox, sizeof(sandbox), "%s/containers/n", c->sandbox);
	n->sandbox = sandbox;
	assert_string_equal(world_prepare(n), "");
	assert_int_equal(w.err.code, -ELOOP);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	world_close();
}

/* The storage takes no key as long as these. */
static void long_ids(void **state)
{
	(void)state;
	char one[243], two[243];
	memset(one, 'c', sizeof(one) - 1);
	one[sizeof(one) - 1] = '\0';
	memcpy(two, one, sizeof(one));
	two[sizeof(two) - 2] = 'd';
	world_open(settings);
	struct mz_container *c = world_container("c1", NULL), *d = world_container("c2", NULL), *n = world_container("c1.n", NULL);
	char child[sizeof(one) + 2];
	snprintf(child, sizeof(child), "%s.n", one);
	c->id = n->parent = one;
	d->id = two;
	n->id = child;
	assert_string_equal(world_prepare(d), mapped(2000));
	assert_string_equal(world_prepare(c), mapped(2100));
	restart_with(c);
	assert_string_equal(world_prepare(n), "enter 0x10000000 /proc/42/ns/user\n");
	assert_string_equal(world_prepare(world_container("c3", NULL)), mapped(2000));
	assert_int_equal(world_cleanup(one), 0);
	assert_string_equal(world_prepare(world_container("c4", NULL)), mapped(2100));
	world_close();
}

static void ignore(void *arg, const struct mz_err *err)
{
	(void)arg;
	(void)err;
}

/* A record that could not be removed has the range that c1 was given after it. */
static void a_record_that_stayed(void **state)
{
	(void)state;
	world_open(settings);
	struct mz_container *c = world_container("c1", NULL);
	uint32_t slot = 0;
	const struct mz_host *h = mz_kit_host(w.m);
	assert_string_equal(world_prepare(c), mapped(2000));
	h->storage_put(h, "gone", (struct mz_bytes){&slot, sizeof(slot)}, ignore, NULL);
	while (mz_kit_turn(w.k))
		;
	restart_with(c);
	assert_string_equal(world_prepare(world_container("c2", NULL)), mapped(2100));
	world_close();
}

/* Unloaded while it works; a sanitizer tells what is left. */
static void goes_meanwhile(void **state)
{
	(void)state;
	struct mz_kit_op r;
	world_open(settings);
	w.ops->prepare(mz_kit_inst(w.m), world_container("c1", NULL), mz_kit_launch(w.k), mz_kit_op(w.m, &r, 0));
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(nested_and_restart),
		cmocka_unit_test(nested_behind_a_link),
		cmocka_unit_test(a_record_that_stayed),
		cmocka_unit_test(long_ids),
		cmocka_unit_test(goes_meanwhile),
	};
	if (geteuid() != 0) {
		printf("1..0 # SKIP files can be given away by root only\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
