/* cgroups_mem_test.c - what is written on v2 (a tree of plain files), and what bites on
 * v1 (as root).
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/cgroup_world.h"

#include <sys/mman.h>
#include <sys/sysinfo.h>

extern const struct mz_module mz_module;

#define MB 1048576LL

static struct mz_resources res;
static struct mz_container c1;

/* MB; limit -1: none, 0: unset. */
static void container(int64_t mem, int64_t limit)
{
	res = (struct mz_resources){.cpus = 1000, .mem = mem * 1000};
	c1 = (struct mz_container){.size = sizeof(c1), .id = "c1", .resources = &res,
				   .limit_mem = limit > 0 ? limit * 1000 : limit};
}

static void update(void *inst, int64_t mem, int64_t limit)
{
	container(mem, limit);
	world_update(inst, &c1);
}

/* An instance, and c1 prepared in it. */
static void *start(const char *limit_swap, int64_t mem, int64_t limit)
{
	world.settings[0].name = "limit_swap";
	world.settings[0].value = limit_swap;
	void *inst = world_create();
	container(mem, limit);
	world_prepare(inst, &c1);
	return inst;
}

/* The agent restarts, and finds this container. */
static void *restart(void *inst, const struct mz_container *c)
{
	world_ops()->destroy(inst);
	world.n_limitations = 0;
	inst = world_create();
	world_ops()->recover(inst, &c, 1, NULL);
	world_ok();
	return inst;
}

static void limited(const char *id)
{
	assert_int_equal(world.n_limitations, 1);
	assert_string_equal(world.limited, id);
	assert_int_equal(world.reason, 8);
}

/* ---- v2, of plain files ------------------------------------------------------------------ */

static void v2_files(const char *id)
{
	static const char *const files[] = {"max", "low", "swap.max", "events.local", "reclaim"};
	char file[64];
	for (size_t i = 0; i < 5; i++) {
		(void)snprintf(file, sizeof(file), "mezzo/%s/memory.%s", id, files[i]);
		world_file(file, "");
	}
	(void)snprintf(file, sizeof(file), "mezzo/%s/memory.current", id);
	world_file(file, "10485760\n");
}

static void *start_v2(const char *limit_swap, int64_t mem, int64_t limit)
{
	world_v2(&mz_module, "cpu memory");
	v2_files("c1");
	return start(limit_swap, mem, limit);
}

static void end_v2(void *inst)
{
	world_ops()->destroy(inst);
	world_v2_remove();
}

static void v2_limits(void **state)
{
	(void)state;
	void *inst = start_v2("false", 8, 0);
	world_expect("mezzo/c1/memory.low", "33554432"); /* not less than 32 MB */
	world_expect("mezzo/c1/memory.max", "33554432");
	world_expect("mezzo/c1/memory.swap.max", "");
	assert_null(strstr(world.launch, "oom_score_adj"));
	update(inst, 64, 128);
	world_expect("mezzo/c1/memory.low", "67108864");
	world_expect("mezzo/c1/memory.max", "134217728");
	update(inst, 64, -1);
	world_expect("mezzo/c1/memory.max", "max");
	update(inst, 64, 0);
	world_expect("mezzo/c1/memory.max", "67108864");
	world_expect("mezzo/c1/memory.reclaim", "");
	/* More is used than that: the limit follows as far as it goes, later further. */
	world_file("mezzo/c1/memory.current", "62914560\n");
	update(inst, 40, 0);
	world_expect("mezzo/c1/memory.reclaim", "20971520");
	world_expect("mezzo/c1/memory.max", "63963136");
	assert_non_null(strstr(world.log, "40 MB"));
	world_file("mezzo/c1/memory.current", "33554432\n");
	assert_int_equal(world_timers(), 1);
	world_expect("mezzo/c1/memory.max", "41943040");
	assert_int_equal(world_timers(), 0);
	/* Raised while one waits: that is forgotten. */
	world_file("mezzo/c1/memory.current", "41900000\n");
	update(inst, 33, 0);
	update(inst, 50, 0);
	world_expect("mezzo/c1/memory.max", "52428800");
	assert_int_equal(world_timers(), 0);
	end_v2(inst);
}

static void v2_more_than_asked(void **state)
{
	(void)state;
	void *inst = start_v2("true", 64, -1);
	world_expect("mezzo/c1/memory.max", "max");
	world_expect("mezzo/c1/memory.swap.max", "max");
	const char *adj = strstr(world.launch, "oom_score_adj ");
	assert_non_null(adj);
	/* The less of the machine it asked for, the sooner it goes. */
	struct sysinfo s;
	assert_int_equal(sysinfo(&s), 0);
	int want = 1000 - (int)(1000 * 64 * MB / (int64_t)(s.totalram * s.mem_unit));
	assert_int_equal(atoi(adj + 14), want < 2 ? 2 : want > 999 ? 999 : want);
	update(inst, 64, 0);
	world_expect("mezzo/c1/memory.max", "67108864");
	end_v2(inst);
}

/* One without a group was launched before this isolator was configured. */
static void v2_configured_later(void **state)
{
	(void)state;
	world_v2(&mz_module, "cpu memory");
	void *inst = world_create();
	container(64, 0);
	inst = restart(inst, &c1);
	assert_string_equal(world.log, "");
	world_measures_nothing(inst, &c1);
	world_status(inst, &c1);
	update(inst, 128, 0);
	end_v2(inst);
}

/* After a restart a limit is raised and lowered as before. */
static void v2_limits_of_a_recovered_one(void **state)
{
	(void)state;
	void *inst = restart(start_v2("false", 64, 0), &c1);
	world_expect("mezzo/c1/memory.max", "67108864");
	update(inst, 128, 0);
	world_expect("mezzo/c1/memory.max", "134217728");
	update(inst, 32, 0);
	world_expect("mezzo/c1/memory.max", "33554432");
	world_expect("mezzo/c1/memory.low", "33554432");
	end_v2(inst);
}

static const struct {
	const char *field;
	double value;
} v2_values[] = {
	{"mem_total_bytes", 10485760},	  {"mem_limit_bytes", 33554432},	{"mem_soft_limit_bytes", 33554432},
	{"mem_rss_bytes", 31457280},	  {"mem_anon_bytes", 31457280},		{"mem_cache_bytes", 4096},
	{"mem_file_bytes", 4096},	  {"mem_mapped_file_bytes", 1024},	{"mem_swap_bytes", 2048},
	{"mem_unevictable_bytes", 512},	  {"mem_kmem_usage_bytes", 77},		{"mem_kmem_tcp_usage_bytes", 55},
	{"mem_low_pressure_counter", 1},  {"mem_medium_pressure_counter", 2},	{"mem_critical_pressure_counter", 3},
};

static void v2_out_of_memory(void **state)
{
	(void)state;
	void *inst = start_v2("false", 32, 0);
	world_file("mezzo/c1/memory.stat", "anon 31457280\nfile 4096\nfile_mapped 1024\nunevictable 512\nkernel 77\nsock 55\n");
	world_file("mezzo/c1/memory.peak", "33554432\n");
	world_file("mezzo/c1/memory.events", "low 1\nhigh 2\nmax 3\noom 1\noom_kill 1\n");
	/* Its limit was reached, but it is not out of memory; a nested one was (memory.events). */
	world_file("mezzo/c1/memory.events.local", "low 0\nhigh 0\nmax 9\noom 0\noom_kill 0\n");
	assert_int_equal(world_poll(5000), 0);
	assert_int_equal(world.n_limitations, 0);
	world_file("mezzo/c1/memory.events.local", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n");
	for (int i = 0; i < 3 && !world.n_limitations; i++)
		assert_int_equal(world_poll(5000), 0);
	limited("c1");
	assert_non_null(strstr(world.limit_message, "Requested: 32MB Limit: 32MB Maximum Used: 32MB"));
	assert_non_null(strstr(world.limit_message, "anon 31457280"));
	world_file("mezzo/c1/memory.swap.current", "2048\n");
	world_measure(inst, &c1);
	for (size_t i = 0; i < sizeof(v2_values) / sizeof(v2_values[0]); i++)
		if (world_value(v2_values[i].field) != v2_values[i].value)
			fail_msg("%s is %f", v2_values[i].field, world_value(v2_values[i].field));
	assert_int_equal(world.n_set, sizeof(v2_values) / sizeof(v2_values[0]));
	/* It happened while nobody listened. */
	inst = restart(inst, &c1);
	assert_int_equal(world.n_limitations, 0);
	assert_int_equal(world_timers(), 1);
	limited("c1");
	end_v2(inst);
}

/* Who asks before the kernel's word was read is told first. */
static void v2_tells_when_asked(void **state)
{
	(void)state;
	void *inst = start_v2("false", 32, 0);
	world_file("mezzo/c1/memory.events.local", "low 0\nhigh 0\nmax 9\noom 0\noom_kill 0\n");
	world_status(inst, &c1);
	assert_int_equal(world.n_limitations, 0);
	world_file("mezzo/c1/memory.events.local", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n");
	world_status(inst, &c1);
	limited("c1");
	world_status(inst, &c1);
	limited("c1");
	end_v2(inst);
}

/* The kernel keeps so many events and no more: what comes after those is not missed. */
static void v2_more_events_than_fit(void **state)
{
	(void)state;
	void *inst = start_v2("false", 32, 0);
	struct mz_container others[] = {c1, c1};
	char text[32] = "16384";
	(void)cg_read_path("/proc/sys/fs/inotify/max_queued_events", text, sizeof(text), NULL);
	others[0].id = "c2";
	others[1].id = "c3";
	for (size_t i = 0; i < 2; i++) {
		v2_files(others[i].id);
		world_prepare(inst, &others[i]);
	}
	int fds[2];
	for (int i = 0; i < 2; i++) {
		char path[640];
		(void)snprintf(path, sizeof(path), "%s/mezzo/c%d/memory.events.local", world.hierarchy, i + 1);
		fds[i] = open(path, O_WRONLY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	/* Two that are alike, one after the other, are one event. */
	for (long n = strtol(text, NULL, 10); n >= 0; n--)
		assert_int_equal(pwrite(fds[n % 2], "oom 0\n", 6, 0), 6);
	(void)close(fds[0]), (void)close(fds[1]);
	world_file("mezzo/c3/memory.events.local", "oom 1\n");
	while (!world.n_limitations) {
		assert_int_equal(world_poll(5000), 0);
		(void)world_timers();
	}
	limited("c3");
	end_v2(inst);
}

/* ---- the machine's ------------------------------------------------------------------------- */

static int eat(size_t mb)
{
	char *p = mmap(NULL, mb << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 1;
	memset(p, 1, mb << 20);
	return 0;
}

static int eat_200(void)
{
	return eat(200);
}

static int eat_48_and_stay(void)
{
	return eat(48) ? 1 : pause();
}

static struct cg groups(void)
{
	struct cg g;
	assert_int_equal(cg_find(&g, &world_host, world.hierarchy, world.root, "memory", NULL), 0);
	return g;
}

static int64_t file_int(const char *file)
{
	struct cg g = groups();
	int64_t v = -2;
	if (cg_read_int(&g, "c1", file, &v, NULL) < 0)
		fail_msg("%s cannot be read", file);
	return v;
}

/* Skips the test where there is no such hierarchy. Version 0: whichever there is. */
static void *start_real(int version, const char *limit_swap, int64_t mem, int64_t limit)
{
	if (version ? !world_has("memory", version) : !world_has_some("memory"))
		skip();
	world_real(&mz_module);
	return start(limit_swap, mem, limit);
}

static void end_real(void *inst)
{
	int n = world.n_limitations;
	world_cleanup(inst, "c1");
	world_cleanup(inst, "c1");
	world_cleanup(inst, "never");
	assert_int_equal(world.n_limitations, n);
	world_ops()->destroy(inst);
	for (size_t i = 0; i < 64; i++)
		assert_false(world.watches[i].used);
}

/* One in the group that was prepared last takes more than it may: `id` is told of, and nobody else. */
static void run_out(const char *id)
{
	pid_t pid = world_member(eat_200);
	while (!world.n_limitations)
		assert_int_equal(world_poll(20000), 0);
	assert_int_equal(WTERMSIG(world_wait(pid)), SIGKILL);
	while (world_poll(100) == 0)
		;
	limited(id);
}

/* One that uses 48 MB, once it does. */
static pid_t use_48(void *inst)
{
	pid_t pid = world_member(eat_48_and_stay);
	do
		world_measure(inst, &c1);
	while (world_value("mem_rss_bytes") < (double)(48 * MB));
	assert_true(world_value("mem_total_bytes") >= (double)(48 * MB));
	return pid;
}

/* 48 MB that cannot be taken away are in use: it stays alive, and the limit follows when it is gone. */
static void lower_under(void *inst, pid_t pid, const char *file)
{
	update(inst, 32, 0);
	assert_in_range(file_int(file), 48 * MB, 60 * MB);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(world.n_limitations, 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)world_wait(pid);
	for (int i = 0; i < 100 && file_int(file) != 32 * MB && world_timers(); i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(file_int(file), 32 * MB);
}

static void v1_tells_when_asked(void **state)
{
	(void)state;
	void *inst = start_real(1, "false", 8, 0);
	world_status(inst, &c1);
	assert_int_equal(world.n_limitations, 0);
	assert_int_equal(WTERMSIG(world_wait(world_member(eat_200))), SIGKILL);
	world_status(inst, &c1);
	limited("c1");
	end_real(inst);
}

static void v1_kills(void **state)
{
	(void)state;
	void *inst = start_real(1, "false", 8, 0);
	assert_int_equal(file_int("memory.limit_in_bytes"), 32 * MB);
	assert_int_equal(file_int("memory.soft_limit_in_bytes"), 32 * MB);
	run_out("c1");
	assert_non_null(strstr(world.limit_message, "Maximum Used: 32MB"));
	assert_non_null(strstr(world.limit_message, "total_rss"));
	end_real(inst);
}

/* The kernel signals everybody below a group that has no memory left; one that stayed within its own limit
 * has not gone over it. */
static void v1_is_not_told_of_its_parents(void **state)
{
	(void)state;
	void *inst = start_real(1, "false", 64, 0);
	struct mz_resources large = {.mem = 512000};
	struct mz_container d = {.size = sizeof(d), .id = "c1.d", .parent = "c1", .resources = &large};
	world_prepare(inst, &d);
	run_out("c1");
	/* Nor after a restart. */
	inst = restart(inst, &d);
	(void)world_timers();
	assert_int_equal(world.n_limitations, 0);
	world_cleanup(inst, "c1.d");
	end_real(inst);
}

static void v2_kills(void **state)
{
	(void)state;
	void *inst = start_real(2, "false", 64, 0);
	pid_t pid = use_48(inst);
	assert_true(world_value("mem_limit_bytes") == (double)(64 * MB));
	lower_under(inst, pid, "memory.max");
	/* One that is nested runs out of its own: its parent does not. */
	update(inst, 128, 0);
	struct mz_resources small = {.mem = 32000};
	struct mz_container d = {.size = sizeof(d), .id = "c1.d", .parent = "c1", .resources = &small};
	world_prepare(inst, &d);
	run_out("c1.d");
	world_cleanup(inst, "c1.d");
	end_real(inst);
}

static void v1_changes(void **state)
{
	(void)state;
	int swap = access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
	void *inst = start_real(1, swap ? "true" : "false", 64, 0);
	pid_t pid = use_48(inst);
	assert_true(world_value("mem_limit_bytes") == (double)(64 * MB));
	static const char *const told[] = {"mem_low_pressure_counter", "mem_medium_pressure_counter", "mem_critical_pressure_counter",
					   "mem_soft_limit_bytes", "mem_swap_bytes", "mem_unevictable_bytes", "mem_mapped_file_bytes",
					   "mem_kmem_usage_bytes", "mem_kmem_tcp_usage_bytes", "mem_anon_bytes", "mem_file_bytes",
					   "mem_cache_bytes", "mem_rss_bytes", "mem_total_bytes"};
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (world_value(told[i]) < 0)
			fail_msg("%s is not told", told[i]);
	assert_true(!swap || world_value("mem_total_memsw_bytes") >= (double)(48 * MB));
	update(inst, 128, 256);
	assert_int_equal(file_int("memory.limit_in_bytes"), 256 * MB);
	assert_int_equal(file_int("memory.soft_limit_in_bytes"), 128 * MB);
	update(inst, 128, -1);
	world_measure(inst, &c1);
	assert_true(world_value("mem_limit_bytes") == -1);
	lower_under(inst, pid, "memory.limit_in_bytes");
	assert_true(!swap || file_int("memory.memsw.limit_in_bytes") == 32 * MB);
	end_real(inst);
}

static void recovers(void **state)
{
	(void)state;
	void *inst = start_real(0, "false", 32, 0);
	struct mz_container o = c1;
	o.id = "gone";
	world_prepare(inst, &o);
	inst = restart(inst, &c1);
	char path[CG_PATH_SIZE];
	struct cg g = groups();
	assert_false(cg_exists(&g, "gone"));
	assert_int_equal(cg_procs_path(&g, "c1", path), 0);
	(void)snprintf(world.launch, sizeof(world.launch), "cgroup %s\n", path);
	run_out("c1");
	end_real(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v2_limits),
		cmocka_unit_test(v2_more_than_asked),
		cmocka_unit_test(v2_configured_later),
		cmocka_unit_test(v2_limits_of_a_recovered_one),
		cmocka_unit_test(v2_out_of_memory),
		cmocka_unit_test(v2_tells_when_asked),
		cmocka_unit_test(v2_more_events_than_fit),
		cmocka_unit_test(v1_tells_when_asked),
		cmocka_unit_test(v1_kills),
		cmocka_unit_test(v1_is_not_told_of_its_parents),
		cmocka_unit_test(v2_kills),
		cmocka_unit_test(v1_changes),
		cmocka_unit_test(recovers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
