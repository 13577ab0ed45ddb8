/* file_test.c - values, references, and paths that must not work.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MZ_MODULE_ABI 1
#include <mezzo/kit.h>
#include <mezzo/secret.h>

extern const struct mz_module mz_module;

static struct {
	struct mz_kit *k;
	struct mz_kit_module *m;
	char got[256];
	int n_got;
} world;

static void on_put(void *arg, struct mz_bytes secret)
{
	(void)arg;
	world.n_got++;
	snprintf(world.got, sizeof(world.got), "%.*s", (int)secret.size, (const char *)secret.data);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", mz_kit_dir(world.k), name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void make(const char *name, const char *link_to)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", mz_kit_dir(world.k), name);
	assert_int_equal(link_to ? symlink(link_to, path) : mkdir(path, 0700), 0);
}

static int set_up(void **state)
{
	(void)state;
	char yaml[600];
	struct mz_err err;
	memset(&world, 0, sizeof(world));
	world.k = mz_kit_new();
	make("secrets", NULL);
	make("secrets/db", NULL);
	write_file("secrets/token", "sesame\n", 0600);
	write_file("secrets/db/password", "swordfish", 0640);
	write_file("secrets/open", "anybody's", 0666);
	write_file("outside", "not yours", 0600);
	make("secrets/within", "token");
	make("secrets/out", "../outside");
	make("secrets/absolute", "/etc/hostname");
	snprintf(yaml, sizeof(yaml), "directory: %s/secrets", mz_kit_dir(world.k));
	if (mz_kit_add(world.k, &mz_module, yaml, &world.m, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mz_kit_free(world.k);
	return 0;
}

static int ask(struct mz_secret_request *q, struct mz_kit_op *r)
{
	const struct mz_secret_ops *ops = mz_kit_ops(world.m);
	q->size = sizeof(*q);
	q->put = on_put;
	world.n_got = 0;
	world.got[0] = '\0';
	ops->resolve(mz_kit_inst(world.m), q, mz_kit_op(world.m, r, 0));
	return mz_kit_wait(world.k, r);
}

static int refer(const char *name, const char *key, struct mz_kit_op *r)
{
	struct mz_secret_request q = {.type = MZ_SECRET_REFERENCE, .name = name, .key = key};
	return ask(&q, r);
}

static void values_are_themselves(void **state)
{
	(void)state;
	struct mz_kit_op r;
	struct mz_secret_request q = {.type = MZ_SECRET_VALUE, .value = {"abc", 3}};
	assert_int_equal(ask(&q, &r), 0);
	assert_int_equal(world.n_got, 1);
	assert_string_equal(world.got, "abc");
}

static void references_are_files(void **state)
{
	(void)state;
	struct mz_kit_op r;
	assert_int_equal(refer("token", NULL, &r), 0);
	assert_string_equal(world.got, "sesame\n");
	assert_int_equal(refer("db", "password", &r), 0);
	assert_string_equal(world.got, "swordfish");
	assert_int_equal(refer("within", NULL, &r), 0);
	assert_string_equal(world.got, "sesame\n");
	write_file("secrets/token", "changed", 0600);
	assert_int_equal(refer("token", NULL, &r), 0);
	assert_string_equal(world.got, "changed");
	assert_true(mz_kit_metric(world.m, "resolved") == 4);
}

static void refusals(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key;
		int code;
		const char *text;
	} v[] = {
		{"nothing", NULL, -ENOENT, "There is no secret 'nothing'"},
		{"token", "key", -ENOENT, "There is no secret 'token/key'"},
		{"db", "nothing", -ENOENT, "'db/nothing'"},
		{"db", NULL, -EINVAL, "not a regular file"},
		{"open", NULL, -EACCES, "written to by everybody"},
		{"out", NULL, -EACCES, "leads out of the directory"},
		{"absolute", NULL, -EACCES, "leads out of the directory"},
		{"..", "outside", -EINVAL, "begin with a dot"},
		{"db", "..", -EINVAL, "begin with a dot"},
		{"db/password", NULL, -EINVAL, "has no '/'"},
		{"", NULL, -EINVAL, "has no '/'"},
	};
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct mz_kit_op r;
		assert_int_equal(refer(v[i].name, v[i].key, &r), v[i].code);
		assert_non_null(strstr(r.err.msg, v[i].text));
		assert_int_equal(world.n_got, 0);
	}
	assert_true(mz_kit_metric(world.m, "failed") == sizeof(v) / sizeof(v[0]));
	assert_null(strstr(mz_kit_log(world.k), "sesame"));
}

static void size_is_bounded(void **state)
{
	(void)state;
	char path[512];
	struct mz_kit_op r;
	snprintf(path, sizeof(path), "%s/secrets/big", mz_kit_dir(world.k));
	write_file("secrets/big", "", 0600);
	assert_int_equal(truncate(path, MZ_SECRET_MAX), 0);
	assert_int_equal(refer("big", NULL, &r), 0);
	assert_int_equal(truncate(path, MZ_SECRET_MAX + 1), 0);
	assert_int_equal(refer("big", NULL, &r), -EFBIG);
}

static void settings(void **state)
{
	(void)state;
	struct mz_err err;
	struct mz_kit_op r;
	mz_kit_unload(world.m);
	assert_int_equal(mz_kit_add(world.k, &mz_module, "directory: relative/path", &world.m, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "relative/path"));
	assert_int_equal(mz_kit_add(world.k, &mz_module, "directory: /nonexistent/x", &world.m, &err), -ENOENT);
	assert_int_equal(mz_kit_add(world.k, &mz_module, NULL, &world.m, &err), 0);
	assert_int_equal(refer("token", NULL, &r), -EOPNOTSUPP);
	assert_non_null(strstr(r.err.msg, "'directory'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_are_themselves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(references_are_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(size_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(settings, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
