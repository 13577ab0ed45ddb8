/* disk_du_test.c - measuring a directory, and the limit.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../fake_host.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "du.h"

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	fake.interval = 15;
	strcpy(dir, "/tmp/mezzo-du-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void fill(const char *name, size_t size)
{
	char path[128], block[4096];
	memset(block, 'x', sizeof(block));
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	for (size_t i = 0; i < size; i += sizeof(block))
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

static void sums_up(void **state)
{
	(void)state;
	int64_t empty, bytes;
	char from[96], to[96];
	assert_int_equal(du(dir, &empty), 0);
	snprintf(to, sizeof(to), "%s/sub", dir);
	assert_int_equal(mkdir(to, 0755), 0);
	fill("a", 1 << 20);
	fill("sub/b", 1 << 20);
	snprintf(to, sizeof(to), "%s/link", dir);
	assert_int_equal(symlink("/usr", to), 0);
	assert_int_equal(du(dir, &bytes), 0);
	assert_true(bytes - empty >= 2 << 20);
	assert_true(bytes - empty < 3 << 20);
	/* A second name takes nothing. */
	int64_t again;
	snprintf(from, sizeof(from), "%s/a", dir);
	snprintf(to, sizeof(to), "%s/a2", dir);
	assert_int_equal(link(from, to), 0);
	assert_int_equal(du(dir, &again), 0);
	assert_true(again - bytes < 64 * 1024);
	assert_int_equal(du("/no/such/directory", &bytes), -ENOENT);
}

static struct mz_container container(void)
{
	struct mz_container c = {.size = sizeof(c), .id = "c1", .sandbox = dir};
	c.resources = (const struct mz_resources *)&fake; /* 1.5 MB */
	return c;
}

static void enforces(void **state)
{
	(void)state;
	fake.enforce = 1;
	void *inst = fake_create();
	struct mz_container c = container();
	fake_ops()->prepare(inst, &c, NULL, NULL);
	assert_int_equal(fake.n_done, 1);
	assert_int_equal(fake.timer_ns, 15);
	fake_ops()->usage(inst, &c, NULL, NULL);
	assert_true(fake_value("disk_limit_bytes") == 1.5 * 1048576);
	assert_true(fake_value("disk_used_bytes") == -1);
	fill("a", 1 << 20);
	fake.timer_fn(fake.timer_arg);
	fake_run();
	assert_int_equal(fake.n_limitations, 0);
	fill("b", 1 << 20);
	fake.timer_fn(fake.timer_arg);
	fake_run();
	assert_int_equal(fake.n_limitations, 1);
	assert_int_equal(fake.reason, 20);
	assert_string_equal(fake.limited, "c1");
	fake.n_set = 0;
	fake_ops()->usage(inst, &c, NULL, NULL);
	assert_true(fake_value("disk_used_bytes") >= 2 << 20);
	/* Told once. */
	fake.timer_fn(fake.timer_arg);
	fake_run();
	assert_int_equal(fake.n_limitations, 1);
	fake_ops()->cleanup(inst, "c1", NULL);
	assert_null(fake.timer_fn);
	fake_ops()->cleanup(inst, "c1", NULL);
	assert_int_equal(fake.code, 0);
	fake_ops()->destroy(inst);
}

static void only_measures_by_default(void **state)
{
	(void)state;
	void *inst = fake_create();
	struct mz_container c = container();
	const struct mz_container *v[] = {&c};
	fake_ops()->recover(inst, v, 1, NULL);
	fill("a", 4 << 20);
	fake.timer_fn(fake.timer_arg);
	/* Cleaned up while a worker walks. */
	fake_ops()->cleanup(inst, "c1", NULL);
	fake_run();
	assert_int_equal(fake.n_limitations, 0);
	fake_ops()->destroy(inst);
	fake_ops()->destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sums_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(enforces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_measures_by_default, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
