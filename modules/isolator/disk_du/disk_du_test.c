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

/* In pieces of 7, at once, or until there are too many. */
static int du(const char *path, int64_t max_files, struct du *ret)
{
	struct du_walk *w;
	int rc = du_begin(path, &w);
	if (rc < 0)
		return rc;
	while (du_go_on(w, 7, max_files, ret))
		;
	du_end(w);
	return 0;
}

static void sums_up(void **state)
{
	(void)state;
	struct du empty, some, again;
	char from[96], to[96];
	assert_int_equal(du(dir, 0, &empty), 0);
	assert_int_equal(empty.n_files, 0);
	snprintf(to, sizeof(to), "%s/sub", dir);
	assert_int_equal(mkdir(to, 0755), 0);
	fill("a", 1 << 20);
	fill("sub/b", 1 << 20);
	snprintf(to, sizeof(to), "%s/link", dir);
	assert_int_equal(symlink("/usr", to), 0);
	assert_int_equal(du(dir, 0, &some), 0);
	assert_true(some.bytes - empty.bytes >= 2 << 20);
	assert_true(some.bytes - empty.bytes < 3 << 20);
	assert_int_equal(some.n_files, 4);
	assert_int_equal(some.too_deep, 0);
	/* A second name takes nothing. */
	snprintf(from, sizeof(from), "%s/a", dir);
	snprintf(to, sizeof(to), "%s/a2", dir);
	assert_int_equal(link(from, to), 0);
	assert_int_equal(du(dir, 0, &again), 0);
	assert_true(again.bytes - some.bytes < 64 * 1024);
	assert_int_equal(again.n_files, 5);
	assert_int_equal(du("/no/such/directory", 0, &again), -ENOENT);
}

/* Directories in each other; what is asked for is made in the lowest. */
static void dig(int depth, int64_t bytes)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY), sub;
	for (int i = 0; i < depth; i++, fd = sub) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		sub = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		close(fd);
	}
	int file = openat(fd, "treasure", O_RDWR | O_CREAT, 0644);
	assert_int_equal(posix_fallocate(file, 0, bytes), 0);
	close(file);
	close(fd);
}

/* Nothing is hidden by lying deep, wide or behind others. */
static void finds_what_is_hidden(void **state)
{
	(void)state;
	struct du d;
	for (int i = 0; i < 300; i++) {
		char path[128];
		snprintf(path, sizeof(path), i % 3 ? "%s/file%d" : "%s/dir%d", dir, i);
		assert_true(i % 3 ? close(open(path, O_CREAT | O_WRONLY, 0644)) == 0 : mkdir(path, 0755) == 0);
	}
	dig(900, 4 << 20);
	assert_int_equal(du(dir, 0, &d), 0);
	assert_int_equal(d.n_files, 300 + 900 + 1);
	assert_true(d.bytes > 4 << 20);
	assert_int_equal(d.too_deep, 0);
	assert_int_equal(du(dir, 1000, &d), 0);
	assert_int_equal(d.n_files, 1001);
	assert_int_equal(du(dir, 1201, &d), 0);
	assert_int_equal(d.n_files, 1201);
}

static void tells_what_is_too_deep(void **state)
{
	(void)state;
	struct du d;
	dig(DU_MAX_DEPTH + 2, 4 << 20);
	assert_int_equal(du(dir, 0, &d), 0);
	assert_int_equal(d.too_deep, 1);
	assert_int_equal(d.n_files, DU_MAX_DEPTH + 1);
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

/* Without a limit of bytes: too many files, and what cannot be measured. */
static void ends_floods_of_files(void **state)
{
	(void)state;
	fake.enforce = 1;
	fake.max_files = 3;
	void *inst = fake_create();
	struct mz_container c = container();
	c.resources = NULL;
	fake_ops()->prepare(inst, &c, NULL, NULL);
	dig(2, 4096);
	fake.timer_fn(fake.timer_arg);
	fake_run();
	assert_int_equal(fake.n_limitations, 0);
	fill("a", 4096);
	fake.timer_fn(fake.timer_arg);
	fake_run();
	assert_int_equal(fake.n_limitations, 1);
	assert_int_equal(fake.reason, 20);
	assert_non_null(strstr(fake.text, "more than 3 files"));
	fake_ops()->destroy(inst);
}

static void ends_what_cannot_be_measured(void **state)
{
	(void)state;
	fake.enforce = 1;
	void *inst = fake_create();
	struct mz_container c = container();
	c.resources = NULL;
	fake_ops()->prepare(inst, &c, NULL, NULL);
	dig(DU_MAX_DEPTH + 2, 4096);
	fake.timer_fn(fake.timer_arg);
	fake_run();
	assert_int_equal(fake.n_limitations, 1);
	assert_non_null(strstr(fake.text, "nested more than 1024 deep"));
	fake_ops()->destroy(inst);
}

static void begin_round(void)
{
	fake.timer_fn(fake.timer_arg);
}

/* A volume has a size of its own, which is none of the sandbox's. */
static void measures_volumes(void **state)
{
	(void)state;
	char disk[96], volume[256];
	fake.enforce = 1;
	snprintf(disk, sizeof(disk), "%s/disk", dir);
	snprintf(volume, sizeof(volume), "mkdir -p '%s/volumes/roles/web db/v1' %s/box", disk, dir);
	assert_int_equal(system(volume), 0);
	snprintf(volume, sizeof(volume), "%s/box", dir);
	fake.disk = disk;
	fake.volume = "v1";
	void *inst = fake_create();
	struct mz_container c = container();
	c.sandbox = volume;
	fake_ops()->prepare(inst, &c, NULL, NULL);
	fill("box/a", 1 << 20);
	fill("disk/volumes/roles/web db/v1/a", 512 << 10);
	begin_round();
	fake_run(); /* the sandbox */
	assert_int_equal(fake.n_limitations, 0);
	fake_run(); /* the volume */
	assert_int_equal(fake.n_limitations, 0);
	fake_ops()->usage(inst, &c, NULL, NULL);
	assert_true(fake_value("disk_limit_bytes") == 1.5 * 1048576);
	assert_true(fake_value("disk_used_bytes") >= 1 << 20);
	assert_true(fake_value("disk_used_bytes") < (1 << 20) + 65536);
	assert_true(fake_value("disk_statistics.0.persistence.id") == 0);
	assert_true(fake_value("disk_statistics.0.source.path.root") == 0);
	assert_true(fake_value("disk_statistics.0.limit_bytes") == 1 << 20);
	assert_true(fake_value("disk_statistics.0.used_bytes") >= 512 << 10);
	fill("disk/volumes/roles/web db/v1/b", 1 << 20);
	begin_round();
	fake_run();
	assert_int_equal(fake.n_limitations, 0);
	fake_run();
	assert_int_equal(fake.n_limitations, 1);
	assert_non_null(strstr(fake.text, "Disk usage of the volume v1 (15"));
	assert_non_null(strstr(fake.text, "is over its size (1024KB)"));
	/* The volume is gone: a round has the sandbox only. */
	fake.volume = NULL;
	fake_ops()->update(inst, &c, NULL);
	fake.n_set = 0;
	fake_ops()->usage(inst, &c, NULL, NULL);
	assert_true(fake_value("disk_used_bytes") >= 1 << 20);
	assert_true(fake_value("disk_statistics.0.limit_bytes") == -1);
	fake_ops()->destroy(inst);
}

/* Other containers are measured, and other work is done, between the pieces of a large one. */
static void large_ones_wait_their_turn(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof(command), "cd %s && mkdir big small && cd big && seq 45000 | xargs touch", dir);
	assert_int_equal(system(command), 0);
	void *inst = fake_create();
	struct mz_container big = container(), small = container();
	char big_dir[96], small_dir[96];
	snprintf(big_dir, sizeof(big_dir), "%s/big", dir);
	snprintf(small_dir, sizeof(small_dir), "%s/small", dir);
	big.sandbox = big_dir;
	small.id = "c2";
	small.sandbox = small_dir;
	fake_ops()->prepare(inst, &big, NULL, NULL);
	begin_round();
	void *round = fake.arg;
	fake_run();
	assert_ptr_equal(fake.arg, round); /* and again, behind what others asked for meanwhile */
	fake_ops()->usage(inst, &big, NULL, NULL);
	assert_true(fake_value("disk_used_bytes") == -1);
	void (*work)(void *) = fake.work, (*done)(void *) = fake.done;
	fake_ops()->prepare(inst, &small, NULL, NULL);
	begin_round();
	assert_ptr_not_equal(fake.arg, round);
	fake_run();
	fake_ops()->usage(inst, &small, NULL, NULL);
	assert_true(fake_value("disk_used_bytes") >= 0);
	/* One that is cleaned up is not walked to its end. */
	fake.arg = NULL;
	work(round);
	fake_ops()->cleanup(inst, "c1", NULL);
	done(round);
	assert_null(fake.arg);
	fake_ops()->destroy(inst);
}

/* Four at once; the others wait, also for their end. */
static void few_at_once(void **state)
{
	(void)state;
	enum { N = 6 };
	char ids[N][16];
	void *inst = fake_create(), *first = NULL;
	struct mz_container c = container();
	for (int i = 0; i < N; i++) {
		snprintf(ids[i], sizeof(ids[i]), "c%d", i);
		c.id = ids[i];
		fake_ops()->prepare(inst, &c, NULL, NULL);
		void *before = fake.arg;
		begin_round();
		first = first ? first : fake.arg;
		assert_true(i < 4 ? fake.arg != before : fake.arg == before);
	}
	fake_ops()->cleanup(inst, "c4", NULL); /* it waited */
	void *last = fake.arg;
	fake.arg = first;
	fake_run();
	assert_ptr_not_equal(fake.arg, first);
	assert_ptr_not_equal(fake.arg, last);
	fake_run(); /* that of c5 */
	c.id = "c5";
	fake.n_set = 0;
	fake_ops()->usage(inst, &c, NULL, NULL);
	assert_true(fake_value("disk_used_bytes") >= 0);
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
	fake_run();
	fake_ops()->usage(inst, &c, NULL, NULL);
	assert_true(fake_value("disk_used_bytes") >= 4 << 20);
	assert_true(fake_value("disk_limit_bytes") == 1.5 * 1048576);
	assert_int_equal(fake.n_limitations, 0);
	fake.timer_fn(fake.timer_arg);
	/* Cleaned up while a worker walks. */
	fake_ops()->cleanup(inst, "c1", NULL);
	fake_run();
	assert_int_equal(fake.n_limitations, 0);
	/* And nobody comes back for it: the host drops what is under way. */
	fake_ops()->recover(inst, v, 1, NULL);
	fake.timer_fn(fake.timer_arg);
	fake_ops()->cleanup(inst, "c1", NULL);
	fake_ops()->destroy(inst);
	fake_ops()->destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sums_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_what_is_hidden, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tells_what_is_too_deep, set_up, tear_down),
		cmocka_unit_test_setup_teardown(enforces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_floods_of_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_what_cannot_be_measured, set_up, tear_down),
		cmocka_unit_test_setup_teardown(measures_volumes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large_ones_wait_their_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(few_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_measures_by_default, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
