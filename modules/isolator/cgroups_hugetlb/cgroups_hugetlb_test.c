/* cgroups_hugetlb_test.c - what is written on v2 (a tree of plain files), and what bites
 * where there are huge pages (as root).
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/cgroup_world.h"

#include <sys/mman.h>

extern const struct mz_module mz_module;

static struct mz_resources res;
static struct mz_container c1 = {.size = sizeof(c1), .id = "c1", .resources = &res};

static int has_2mb(void)
{
	if (access("/sys/kernel/mm/hugepages/hugepages-2048kB", F_OK) == 0)
		return 1;
	print_message("# SKIP this machine has no huge pages of 2 MB\n");
	return 0;
}

/* Files of every size that the machine has are written. */
static void make_files(void)
{
	static const char *const names[] = {"2MB", "1GB", "64KB", "32MB", "16GB"};
	char file[96];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(file, sizeof(file), "mezzo/c1/hugetlb.%s.max", names[i]);
		world_file(file, "max\n");
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(file, sizeof(file), "mezzo/c1/hugetlb.%s.current", names[i]);
		world_file(file, "0\n");
	}
	world_file("mezzo/c1/hugetlb.2MB.rsvd.max", "max\n");
	world_file("mezzo/c1/hugetlb.2MB.current", "2097152\n");
	world_file("mezzo/c1/hugetlb.2MB.events", "max 3\n");
}

/* What was measured for pages of 2 MB; -1: it was not told. */
static double of_2mb(const char *field)
{
	char path[96];
	for (int i = 0; i < 8; i++) {
		(void)snprintf(path, sizeof(path), "hugetlb_statistics.%d.page_size=2MB", i);
		if (world_value(path) < 0)
			continue;
		(void)snprintf(path, sizeof(path), "hugetlb_statistics.%d.%s", i, field);
		return world_value(path);
	}
	fail_msg("Nothing is told of pages of 2 MB");
	return -1;
}

static void v2(void **state)
{
	(void)state;
	if (!has_2mb())
		skip();
	world_v2(&mz_module, "hugetlb");
	make_files();
	void *inst = world_create();
	world_prepare(inst, &c1);
	world_expect("mezzo/c1/hugetlb.2MB.max", "max");
	world_expect("mezzo/cgroup.subtree_control", "+hugetlb");
	world_measure(inst, &c1);
	assert_true(of_2mb("usage_bytes") == 2097152);
	assert_true(of_2mb("limit_bytes") < 0); /* there is none */
	world_ops()->destroy(inst);
	/* In whole pages. */
	world.settings[0].name = "limits";
	world.settings[0].value = "2MB=5MB";
	inst = world_create();
	world_update(inst, &c1);
	world_expect("mezzo/c1/hugetlb.2MB.max", "4194304");
	world_expect("mezzo/c1/hugetlb.2MB.rsvd.max", "4194304");
	world_measure(inst, &c1);
	assert_true(of_2mb("limit_bytes") == 4194304);
	assert_true(of_2mb("usage_bytes") == 2097152);
	assert_true(of_2mb("failures") == 3);
	assert_true(of_2mb("max_usage_bytes") < 0); /* v2 does not know */
	world_ops()->destroy(inst);
	world.settings[1].name = "by_resources";
	world.settings[1].value = "true";
	inst = world_create();
	res.other = 64 * 1000;
	world_update(inst, &c1);
	world_expect("mezzo/c1/hugetlb.2MB.max", "67108864");
	res.other = 0;
	world_update(inst, &c1);
	world_expect("mezzo/c1/hugetlb.2MB.max", "4194304");
	world_ops()->destroy(inst);
	world.settings[0].value = "";
	inst = world_create();
	world_update(inst, &c1);
	world_expect("mezzo/c1/hugetlb.2MB.max", "0");
	world_ops()->destroy(inst);
	world_v2_remove();
}

/* One that lives in its parent's group has nothing of its own; of a group that is not there nothing is told. */
static void tells_of_groups_only(void **state)
{
	(void)state;
	if (!has_2mb())
		skip();
	static const struct mz_container d = {.size = sizeof(d), .id = "c1.d", .parent = "c1", .share_cgroups = 1};
	static const struct mz_container gone = {.size = sizeof(gone), .id = "gone"};
	world_v2(&mz_module, "hugetlb");
	make_files();
	void *inst = world_create();
	world_measures_nothing(inst, &d);
	world_measures_nothing(inst, &gone);
	world_update(inst, &gone);
	world_ops()->destroy(inst);
	world_v2_remove();
}

static void refuses(void **state)
{
	(void)state;
	if (!has_2mb())
		skip();
	static const struct {
		const char *limits, *message;
	} bad[] = {{"3MB=1MB", "no huge pages of the size '3MB'"},
		   {"2MB=lots", "is 'lots', which is no size"},
		   {"2MB=-1MB", "which is no size"},
		   {"2MB=1MBs", "which is no size"},
		   {"2MB=9999999999GB", "which is no size"}};
	world_v2(&mz_module, "hugetlb");
	world.settings[0].name = "limits";
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mz_err err = {0};
		void *inst = NULL;
		world.settings[0].value = bad[i].limits;
		assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), -EINVAL);
		if (!strstr(err.msg, bad[i].message))
			fail_msg("'%s' has not '%s'", err.msg, bad[i].message);
	}
	world_v2_remove();
}

/* Exit status: how many pages it got. */
static int take_pages(void)
{
	enum { PAGE = 2 << 20 };
	int n = 0;
	while (n < 4) {
		char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
		if (p == MAP_FAILED)
			return n;
		*(volatile char *)p = 1;
		n++;
	}
	return n;
}

static int has_group(const char *id)
{
	struct cg g;
	assert_int_equal(cg_find(&g, NULL, world.hierarchy, world.root, "hugetlb", NULL), 0);
	return cg_exists(&g, id);
}

static int four_pages_are_free(void)
{
	char text[32];
	if (cg_read_path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", text, sizeof(text), NULL) > 0 &&
	    strtoll(text, NULL, 10) >= 4)
		return 1;
	print_message("# SKIP no four huge pages of 2 MB are free: only the files were tried\n");
	return 0;
}

static void bites(void **state)
{
	(void)state;
	if (!world_has("hugetlb", 1) && !world_has("hugetlb", 2))
		skip();
	world_real(&mz_module);
	world.settings[0].name = "limits";
	world.settings[0].value = "2MB=4MB";
	void *inst = world_create();
	world_prepare(inst, &c1);
	if (four_pages_are_free()) {
		int status = world_wait(world_member(take_pages));
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 2);
		world_measure(inst, &c1);
		assert_true(of_2mb("failures") > 0);
	}
	world_measure(inst, &c1);
	assert_true(of_2mb("limit_bytes") == 4194304);
	assert_true(of_2mb("usage_bytes") == 0);
	/* Another instance, as after a restart: it is an orphan. */
	world_ops()->recover(inst, NULL, 0, WORLD_OP);
	world_ok();
	for (int i = 0; i < 200 && world_timers(); i++)
		(void)poll(NULL, 0, 10);
	assert_false(has_group("c1"));
	world_cleanup(inst, "c1");
	world_cleanup(inst, "c1");
	world_cleanup(inst, "never");
	world_ops()->destroy(inst);
}

static int pages[2]; /* a pipe: says that it has them */

static int keep_pages(void)
{
	int n = take_pages();
	return write(pages[1], "", 1) == 1 && n == 3 ? world_pause() : 1;
}

static void resize(void *inst, int64_t mb, int64_t limit_mb)
{
	res.other = mb * 1000;
	world_update(inst, &c1);
	world_measure(inst, &c1);
	assert_true(of_2mb("limit_bytes") == (double)(limit_mb << 20));
}

/* A limit that is lowered takes nothing away, and holds once there is less. */
static void lowers(void **state)
{
	(void)state;
	char byte;
	if ((!world_has("hugetlb", 1) && !world_has("hugetlb", 2)) || !four_pages_are_free())
		skip();
	world_real(&mz_module);
	world.settings[0].name = "by_resources";
	world.settings[0].value = "true";
	void *inst = world_create();
	res.other = 6 * 1000;
	world_prepare(inst, &c1);
	assert_int_equal(pipe2(pages, O_CLOEXEC), 0);
	pid_t pid = world_member(keep_pages);
	assert_int_equal(read(pages[0], &byte, 1), 1);
	resize(inst, 8, 8);
	resize(inst, 2, 6);
	assert_non_null(strstr(world.log, "I Container 'c1' has more huge pages than its new limit"));
	assert_int_equal(world_timers(), 1);
	resize(inst, 8, 8);
	assert_int_equal(world_timers(), 1); /* that was set before, and there is no need for more */
	assert_int_equal(world_timers(), 0);
	resize(inst, 2, 6);
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)world_wait(pid);
	assert_int_equal(world_timers(), 1);
	assert_int_equal(world_timers(), 0);
	world_measure(inst, &c1);
	assert_true(of_2mb("limit_bytes") == 2 << 20);
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);
	(void)close(pages[0]), (void)close(pages[1]);
	res.other = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(v2), cmocka_unit_test(tells_of_groups_only), cmocka_unit_test(refuses), cmocka_unit_test(bites),
					    cmocka_unit_test(lowers)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
