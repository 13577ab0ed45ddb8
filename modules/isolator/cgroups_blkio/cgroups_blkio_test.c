/* cgroups_blkio_test.c - io.stat and io.max of v2 (in a tree of plain files), and real writes
 * on v1 and v2 (as root).
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/cgroup_world.h"

#include <time.h>

extern const struct mz_module mz_module;

#define T "blkio_statistics.throttling."

static void v2(void **state)
{
	(void)state;
	world_v2(&mz_module, "io");
	world_file("mezzo/c1/io.stat", "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n"
				       "7:1 rbytes=100 wbytes=0 rios=5 wios=0 dbytes=4 dios=3\nwrong\n");
	struct mz_container c = {.size = sizeof(c), .id = "c1"};
	void *inst = world_create();
	world_prepare(inst, &c);
	world_expect("mezzo/cgroup.subtree_control", "+io");
	world_measure(inst, &c);
	assert_true(world_value(T "0.device.major_number") == 254);
	assert_true(world_value(T "0.device.minor_number") == 0);
	assert_true(world_value(T "0.io_service_bytes.0.op=TOTAL") == 0);
	assert_true(world_value(T "0.io_service_bytes.0.value") == 12288);
	assert_true(world_value(T "0.io_service_bytes.1.op=READ") == 0);
	assert_true(world_value(T "0.io_service_bytes.1.value") == 4096);
	assert_true(world_value(T "0.io_serviced.2.value") == 2);
	assert_true(world_value(T "1.device.minor_number") == 1);
	assert_true(world_value(T "2.device.major_number") == -1);
	assert_true(world_value(T "1.io_serviced.3.op=DISCARD") == 0);
	assert_true(world_value(T "1.io_serviced.3.value") == 3);
	assert_true(world_value(T "1.io_service_bytes.3.op=DISCARD") == 0);
	assert_true(world_value(T "1.io_service_bytes.3.value") == 4);
	assert_true(world_value(T "2.io_service_bytes.0.value") == 12392);
	assert_true(world_value(T "2.io_serviced.0.value") == 11);
	assert_true(world_value(T "2.io_serviced.1.value") == -1);
	world_file("mezzo/c1/io.stat", "");
	world_measure(inst, &c);
	assert_true(world_value(T "0.io_serviced.0.value") == 0);
	/* More than fit; without values, which the world has no room for. */
	char text[4096] = "";
	for (int i = 0; i < 80; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "8:%d \n", i);
	(void)strcat(text, "7:1 rios=5\n");
	world_file("mezzo/c1/io.stat", text);
	world_measure(inst, &c);
	assert_true(world_value(T "62.device.minor_number") == 62);
	assert_true(world_value(T "63.device.minor_number") == -1);
	assert_true(world_value(T "63.io_serviced.0.value") == 0);
	world_ops()->destroy(inst);
	world_v2_remove();
}

static const char *dir(void)
{
	return getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp";
}

/* Is it on a disk? */
static int is_on_disk(void)
{
	struct stat st;
	assert_int_equal(stat(dir(), &st), 0);
	return st.st_dev >> 8 != 0;
}

/* A megabyte past the page cache: v1 counts what is written back later as nobody's.
 * Exit status 2: the file system cannot do that. */
static int write_file(void)
{
	static char block[1 << 20] __attribute__((aligned(4096)));
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/mezzo-blkio-XXXXXX", dir());
	int fd = mkostemp(path, O_DIRECT);
	if (fd < 0)
		return 2;
	(void)unlink(path);
	return write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) ? 2 : 0;
}

static void v1(void **state)
{
	(void)state;
	if (!world_has_v1("blkio"))
		skip();
	world_real(&mz_module);
	struct mz_container c = {.size = sizeof(c), .id = "c1"};
	void *inst = world_create();
	world_prepare(inst, &c);
	world_measure(inst, &c);
	assert_true(world_value(T "0.io_service_bytes.0.op=TOTAL") == 0);
	assert_true(world_value(T "0.io_service_bytes.0.value") == 0);
	int status = world_wait(world_member(write_file));
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2));
	world_measure(inst, &c);
	if (WEXITSTATUS(status) == 0 && is_on_disk()) {
		assert_true(world_value(T "0.device.major_number") > 0);
		assert_true(world_value(T "0.io_service_bytes.1.op=WRITE") == 0 ||
			    world_value(T "0.io_service_bytes.2.op=WRITE") == 0);
		double bytes = 0;
		for (int i = 0; i < 6; i++) {
			char path[96];
			(void)snprintf(path, sizeof(path), T "0.io_service_bytes.%d.value", i);
			bytes = world_value(path) > bytes ? world_value(path) : bytes;
		}
		assert_true(bytes >= 1 << 20);
	}
	world_cleanup(inst, "c1");
	world_cleanup(inst, "c1");
	world_measures_nothing(inst, &c);
	world_ops()->destroy(inst);
}

static void limits(const char *write_bytes, const char *read_operations)
{
	world.settings[0].name = "write_bytes";
	world.settings[0].value = write_bytes;
	world.settings[1].name = "read_operations";
	world.settings[1].value = read_operations;
}

/* Every limit is in its file, for each disk; the group of all has one that makes the kernel count. */
static void v1_limits(void **state)
{
	(void)state;
	static const char *const files[][2] = {{"blkio.throttle.write_bps_device", " 1048576"},
					       {"blkio.throttle.read_iops_device", " 300"},
					       {"blkio.throttle.read_bps_device", " 2097152"},
					       {"blkio.throttle.write_iops_device", " 400"}};
	struct mz_container c = {.size = sizeof(c), .id = "c1"};
	struct cg g;
	char text[4096];
	if (!world_has_v1("blkio"))
		skip();
	world_real(&mz_module);
	limits("1048576", "300");
	world.settings[2].name = "read_bytes";
	world.settings[2].value = "2097152";
	world.settings[3].name = "write_operations";
	world.settings[3].value = "400";
	void *inst = world_create();
	world_prepare(inst, &c);
	assert_int_equal(cg_find(&g, NULL, world.hierarchy, world.root, "blkio", NULL), 0);
	size_t n_limited = 0;
	for (size_t i = 0; i < 4; i++) {
		assert_true(cg_read(&g, "c1", files[i][0], text, sizeof(text), NULL) >= 0);
		char *save = NULL;
		for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n_limited++)
			assert_string_equal(strchr(line, ' '), files[i][1]);
	}
	assert_true(cg_read(&g, NULL, "blkio.throttle.write_bps_device", text, sizeof(text), NULL) >= 0);
	size_t n_counted = 0;
	for (const char *p = text; (p = strstr(p, " 9223372036854775807")); p++)
		n_counted++;
	assert_int_equal(n_limited, 4 * n_counted);
	if (!n_counted)
		print_message("# SKIP this machine has no disk\n");
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);
}

static void v2_limits(void **state)
{
	(void)state;
	world_v2(&mz_module, "io");
	world_file("mezzo/c1/io.max", "");
	world_file("mezzo/c1/mezzo/d/io.max", "");
	limits("1048576", "300");
	struct mz_container c = {.size = sizeof(c), .id = "c1"};
	struct mz_container d = {.size = sizeof(d), .id = "c1.d", .parent = "c1"};
	void *inst = world_create();
	world_prepare(inst, &c);
	world_prepare(inst, &d);
	char text[256], path[640];
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/mezzo/c1/%sio.max", world.hierarchy, i ? "mezzo/d/" : "");
		if (cg_read_path(path, text, sizeof(text), NULL) == 0)
			continue; /* a machine without disks */
		assert_non_null(strstr(text, ":"));
		assert_string_equal(strchr(text, ' '), " wbps=1048576 riops=300");
	}
	world_ops()->destroy(inst);
	world_v2_remove();
}

static int write_twice(void)
{
	int rc = write_file();
	return rc ? rc : write_file();
}

/* Two megabytes at one in a second: never in less than one second. */
static void bites(int version, const char *controller)
{
	if (!world_has(controller, version))
		skip();
	world_real(&mz_module);
	limits("1048576", "0");
	struct mz_container c = {.size = sizeof(c), .id = "c1"};
	struct timespec a, b;
	void *inst = world_create();
	world_prepare(inst, &c);
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	int status = world_wait(world_member(write_twice));
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	assert_true(WIFEXITED(status));
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);
	if (WEXITSTATUS(status) == 2 || !is_on_disk()) {
		print_message("# SKIP %s is on no disk that can be written to past the page cache\n", dir());
		skip();
	}
	print_message("# 2 MB with a limit of 1 MB a second took %.0f ms\n", s * 1000);
	assert_true(s > 1);
}

static void v1_bites(void **state)
{
	(void)state;
	bites(1, "blkio");
}

static void v2_bites(void **state)
{
	(void)state;
	bites(2, "io");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(v2), cmocka_unit_test(v1), cmocka_unit_test(v1_limits), cmocka_unit_test(v2_limits),
					   cmocka_unit_test(v1_bites), cmocka_unit_test(v2_bites)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
