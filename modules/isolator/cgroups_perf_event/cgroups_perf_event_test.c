/* cgroups_perf_event_test.c - names of events; software events of a real group, as root;
 * those of the hardware where there are any.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/cgroup_world.h"

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <time.h>

#include "events.h"

extern const struct mz_module mz_module;

static struct mz_container c1 = {.size = sizeof(c1), .id = "c1"};

static void names(void **state)
{
	(void)state;
	static const struct {
		const char *name, *field;
		uint32_t type;
		uint64_t config;
	} good[] = {
		{"cycles", "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
		{"cpu-cycles", "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
		{"cs", "context_switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES},
		{"task-clock", "task_clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
		{"L1-dcache-load-misses", "l1_dcache_load_misses", PERF_TYPE_HW_CACHE, 0x10000},
		{"LLC-prefetches", "llc_prefetches", PERF_TYPE_HW_CACHE, 0x202},
		{"llc-stores", "llc_stores", PERF_TYPE_HW_CACHE, 0x102},
		{"node-prefetch-misses", "node_prefetch_misses", PERF_TYPE_HW_CACHE, 0x10206},
	};
	static const char *const bad[] = {"", "cycle", "L1-icache-stores", "branch-stores", "iTLB-prefetches", "LLC", "-loads"};
	struct event e;
	struct mz_err err;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(event_parse(good[i].name, &e, &err), 0);
		assert_string_equal(e.field, good[i].field);
		assert_int_equal(e.type, good[i].type);
		assert_int_equal(e.config, good[i].config);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(event_parse(bad[i], &e, &err), -EINVAL);
}

static void refuses(void **state)
{
	(void)state;
	struct mz_err err = {0};
	void *inst = NULL;
	world_v2(&mz_module, "cpu");
	world.settings[0].name = "events";
	world.settings[0].value = "no-such";
	world.settings[1].name = "interval";
	world.settings[1].value = "5000000000";
	world.settings[2].name = "duration";
	world.settings[2].value = "5000000000";
	assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "There is no event 'no-such'"));
	world.settings[0].value = "";
	world.settings[2].value = "6000000000";
	assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "longer than the interval"));
	world_v2_remove();
}

/* Touches a hundred pages, then burns a tenth of a second. */
static int work(void)
{
	char *p = mmap(NULL, 100 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 100; i++)
		*(volatile char *)(p + i * 4096L) = 1;
	while (clock() < CLOCKS_PER_SEC / 10)
		;
	return 0;
}

static int open_fds(void)
{
	int n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Is there the hierarchy, and may this process count software events? */
static int can_count(const char *name)
{
	struct event e;
	struct mz_err err = {0};
	struct cg g;
	assert_int_equal(event_parse(name, &e, &err), 0);
	if (geteuid() != 0)
		(void)strcpy(err.msg, "only root makes cgroups");
	else if (cg_find(&g, NULL, "/sys/fs/cgroup", "x", "perf_event", &err) == 0 && event_probe(&e, name, &err) == 0 &&
		 access(g.mount, W_OK) == 0)
		return 1;
	print_message("# SKIP %s\n", err.msg);
	return 0;
}

static void *start(const char *events)
{
	world_real(&mz_module);
	world.settings[0].name = "events";
	world.settings[0].value = events;
	world.settings[1].name = "interval";
	world.settings[1].value = "60000000000";
	world.settings[2].name = "duration";
	world.settings[2].value = "10000000000";
	return world_create();
}

static void counts(void **state)
{
	(void)state;
	if (!can_count("task-clock"))
		skip();
	int n_open = open_fds();
	void *inst = start("cpu-clock,page-faults,context-switches");
	world_prepare(inst, &c1);
	world_measure(inst, &c1);
	assert_true(world_value("perf.timestamp") == -1);
	assert_int_equal(world_timers(), 1); /* opened */
	assert_true(open_fds() > n_open);
	assert_int_equal(world_wait(world_member(work)), 0);
	assert_int_equal(world_timers(), 1); /* read */
	assert_int_equal(open_fds(), n_open);
	world_measure(inst, &c1);
	assert_true(world_value("perf.timestamp") == 5);
	assert_true(world_value("perf.duration") == 0);
	if (world_value("perf.cpu_clock") < 10 || world_value("perf.cpu_clock") > 10000)
		fail_msg("cpu_clock is %f ms", world_value("perf.cpu_clock"));
	assert_true(world_value("perf.page_faults") >= 100);
	assert_true(world_value("perf.context_switches") >= 0);
	/* The next sample counts anew. */
	assert_int_equal(world_timers(), 1);
	assert_int_equal(world_timers(), 1);
	world_measure(inst, &c1);
	assert_true(world_value("perf.page_faults") == 0);
	/* The agent restarts while it counts. */
	assert_int_equal(world_timers(), 1);
	world_ops()->destroy(inst);
	assert_int_equal(open_fds(), n_open);
	inst = start("page-faults");
	const struct mz_container *v[] = {&c1};
	world_ops()->recover(inst, v, 1, WORLD_OP);
	world_ok();
	assert_int_equal(world_timers(), 1);
	world_cleanup(inst, "c1");
	assert_int_equal(open_fds(), n_open);
	world_cleanup(inst, "c1");
	world_cleanup(inst, "never");
	assert_int_equal(world_timers(), 0);
	world_ops()->destroy(inst);
}

/* A group that goes away costs a sample, nothing else. */
static void survives(void **state)
{
	(void)state;
	if (!can_count("task-clock"))
		skip();
	void *inst = start("task-clock");
	struct mz_container gone = {.size = sizeof(gone), .id = "gone"};
	world_prepare(inst, &gone);
	struct cg g;
	assert_int_equal(cg_find(&g, &world_host, world.hierarchy, world.root, "perf_event", NULL), 0);
	cg_remove_op(&g, "gone", WORLD_OP);
	world_ok();
	assert_int_equal(world_timers(), 1);
	assert_non_null(strstr(world.log, "Cannot count events of container 'gone'"));
	world_cleanup(inst, "gone");
	world_ops()->destroy(inst);
}

static void hardware(void **state)
{
	(void)state;
	if (!can_count("instructions"))
		skip();
	void *inst = start("instructions,cycles");
	world_prepare(inst, &c1);
	assert_int_equal(world_timers(), 1);
	assert_int_equal(world_wait(world_member(work)), 0);
	assert_int_equal(world_timers(), 1);
	world_measure(inst, &c1);
	assert_true(world_value("perf.instructions") > 1e6);
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(refuses), cmocka_unit_test(counts),
					   cmocka_unit_test(survives), cmocka_unit_test(hardware)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
