/* reflect_test.c - messages by path, and what isolators may ask for.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "mesos/v1/mesos.pb-c.h"
#include "module/reflect.h"

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void reads_by_path(void **state)
{
	(void)state;
	const struct mz_info_api *info = info_api();
	Mesos__V1__CommandInfo cmd = MESOS__V1__COMMAND_INFO__INIT;
	Mesos__V1__TaskInfo task = MESOS__V1__TASK_INFO__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	Mesos__V1__CommandInfo__URI uri = MESOS__V1__COMMAND_INFO__URI__INIT, *uris[] = {&uri, &uri};
	Mesos__V1__ContainerInfo box = MESOS__V1__CONTAINER_INFO__INIT;
	char *arguments[] = {text("a"), text("b")};
	unsigned char data[] = {1, 0, 2};
	id.value = text("t1");
	uri.value = text("/x");
	uri.has_executable = uri.executable = 1;
	cmd.n_uris = 2;
	cmd.uris = uris;
	cmd.n_arguments = 2;
	cmd.arguments = arguments;
	task.task_id = &id;
	task.command = &cmd;
	task.container = &box;
	box.type = MESOS__V1__CONTAINER_INFO__TYPE__MESOS;
	task.has_data = 1;
	task.data.data = data;
	task.data.len = sizeof(data);
	const struct mz_info *m = info_of(&task);

	assert_string_equal(info->str(m, "task_id.value"), "t1");
	assert_true(info->has(m, "command"));
	assert_false(info->has(m, "executor"));
	assert_false(info->has(m, "executor.name"));
	assert_false(info->has(m, "no_such_field"));
	assert_false(info->has(m, ""));
	assert_false(info->has(m, "command."));
	assert_false(info->has(m, "command..value"));
	assert_int_equal(info->count(m, "command.uris"), 2);
	assert_int_equal(info->count(m, "command.uris.0"), 0);
	assert_int_equal(info->count(m, "labels.labels"), 0);
	assert_string_equal(info->str(m, "command.uris.1.value"), "/x");
	assert_null(info->str(m, "command.uris.2.value"));
	assert_null(info->str(m, "command.uris.-1.value"));
	assert_null(info->str(m, "command.uris.99999999999999999999999.value"));
	assert_string_equal(info->str(m, "command.arguments.1"), "b");
	assert_int_equal(info->integer(m, "command.uris.0.executable", 0), 1);
	/* Unset: what the caller wants, not the default of the message. */
	assert_int_equal(info->integer(m, "command.shell", 7), 7);
	assert_string_equal(info->str(m, "container.type"), "MESOS");
	assert_true(info->number(m, "max_completion_time.nanoseconds", -1) == -1);
	struct mz_bytes b = info->bytes(m, "data");
	assert_int_equal(b.size, 3);
	assert_memory_equal(b.data, data, 3);
	assert_null(info->bytes(m, "name").data);
	assert_null(info->str(m, "data"));
}

static void fills_in_by_path(void **state)
{
	(void)state;
	const struct mz_usage_api *api = usage_api();
	struct mz_usage *u = usage_new(&mesos__v1__resource_statistics__descriptor);
	assert_int_equal(api->set_number(u, "timestamp", 12.5), 0);
	assert_int_equal(api->set_integer(u, "mem_rss_bytes", 1LL << 40), 0);
	assert_int_equal(api->set_number(u, "cpus_limit", 1.5), 0);
	assert_int_equal(api->set_integer(u, "disk_statistics.0.used_bytes", 5), 0);
	assert_int_equal(api->set_integer(u, "disk_statistics.1.used_bytes", 6), 0);
	assert_int_equal(api->set_integer(u, "disk_statistics.3.used_bytes", 6), -ENOENT);
	assert_int_equal(api->set_integer(u, "no_such", 6), -ENOENT);
	assert_int_equal(api->set_integer(u, "mem_rss_bytes.x", 6), -ENOENT);
	assert_int_equal(api->set_string(u, "mem_rss_bytes", "x"), -ENOENT);
	/* One without its required id is dropped, not sent broken. */
	assert_int_equal(api->set_integer(u, "net_traffic_control_statistics.0.backlog", 6), 0);
	struct mz_bytes b = usage_pack(u);
	Mesos__V1__ResourceStatistics *s = mesos__v1__resource_statistics__unpack(NULL, b.size, b.data);
	assert_non_null(s);
	assert_true(s->timestamp == 12.5);
	assert_int_equal(s->mem_rss_bytes, 1LL << 40);
	assert_true(s->has_cpus_limit && s->cpus_limit == 1.5);
	assert_int_equal(s->n_disk_statistics, 2);
	assert_int_equal(s->disk_statistics[1]->used_bytes, 6);
	assert_int_equal(s->n_net_traffic_control_statistics, 0);
	mesos__v1__resource_statistics__free_unpacked(s, NULL);
	usage_free(u);
	usage_free(NULL);
}

/* What Mesos' messages have no field for has a number far away from theirs, behind all that others know, so
 * that they skip it and find the same as without it. */
static void fields_of_our_own(void **state)
{
	(void)state;
	static const unsigned char key[] = {0x8a, 0xb5, 0x18}; /* field 50001, of a length */
	const struct mz_usage_api *api = usage_api();
	struct mz_usage *plain = usage_new(&mesos__v1__resource_statistics__descriptor);
	struct mz_usage *more = usage_new(&mesos__v1__resource_statistics__descriptor);
	assert_int_equal(api->set_string(more, "hugetlb_statistics.0.page_size", "2MB"), 0);
	assert_int_equal(api->set_integer(more, "hugetlb_statistics.0.limit_bytes", 4 << 20), 0);
	assert_int_equal(api->set_integer(more, "hugetlb_statistics.0.usage_bytes", 2 << 20), 0);
	assert_int_equal(api->set_integer(more, "hugetlb_statistics.0.failures", 3), 0);
	assert_int_equal(api->set_string(more, "hugetlb_statistics.1.page_size", "1GB"), 0);
	assert_int_equal(api->set_integer(more, "hugetlb_statistics.1.max_usage_bytes", 1 << 30), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(api->set_number(i ? more : plain, "timestamp", 12.5), 0);
		assert_int_equal(api->set_integer(i ? more : plain, "net_ephemeral_ports.begin", 1), 0);
		assert_int_equal(api->set_integer(i ? more : plain, "net_ephemeral_ports.end", 2), 0);
	}
	struct mz_bytes a = usage_pack(plain), b = usage_pack(more);
	const unsigned char *at = (const unsigned char *)b.data + a.size, *end = (const unsigned char *)b.data + b.size;
	assert_true(b.size > a.size);
	assert_memory_equal(a.data, b.data, a.size);
	for (int i = 0; i < 2; i++) {
		assert_true(end - at > 4);
		assert_memory_equal(at, key, sizeof(key));
		at += sizeof(key) + 1 + at[sizeof(key)];
	}
	assert_ptr_equal(at, end);
	usage_free(plain);
	usage_free(more);
}

static void records_launches(void **state)
{
	(void)state;
	struct mz_isolator_host h = {.size = sizeof(h)};
	struct mz_launch_entry e;
	struct mz_launch *l = launch_new();
	launch_services(&h);
	assert_int_equal(h.launch_env(l, "A", "1"), -EPERM); /* nobody prepares */
	l->isolator = "x";
	char name[] = "A", path[] = "/mnt";
	assert_int_equal(h.launch_env(l, name, "1"), 0);
	name[0] = 'Z'; /* copied */
	assert_int_equal(h.launch_env(l, "A", "1"), 0);
	assert_int_equal(h.launch_env(l, "A", "2"), -EEXIST);
	assert_int_equal(h.launch_env(l, "A=B", "2"), -EINVAL);
	assert_int_equal(h.launch_rootfs(l, path), 0);
	path[1] = 'x';
	assert_int_equal(h.launch_rootfs(l, "/mnt"), 0);
	assert_int_equal(h.launch_rootfs(l, "/other"), -EEXIST);
	struct mz_mount m = {.size = sizeof(m), .source = "/a", .target = "/b", .recursive = 1};
	assert_int_equal(h.launch_mount(l, &m), 0);
	assert_int_equal(h.launch_rlimit(l, 7, 1024, 4096), 0);
	uint32_t gids[] = {1, 2};
	assert_int_equal(h.launch_groups(l, gids, 2), 0);
	assert_int_equal(h.launch_oom_score_adj(l, -5), 0);
	const char *const argv[] = {"/bin/true", "x", NULL}, *const none[] = {NULL};
	assert_int_equal(h.launch_hook(l, argv), 0);
	assert_int_equal(h.launch_hook(l, none), -EINVAL);

	assert_int_equal(launch_read(l, 0, &e), 0);
	assert_int_equal(e.step, MZ_LAUNCH_ENV);
	assert_string_equal(e.a, "A");
	assert_string_equal(e.isolator, "x");
	assert_int_equal(launch_read(l, 1, &e), 0);
	assert_string_equal(e.a, "/mnt");
	assert_int_equal(launch_read(l, 2, &e), 0);
	assert_string_equal(e.mount->target, "/b");
	assert_null(e.mount->type);
	assert_int_equal(launch_read(l, 3, &e), 0);
	assert_int_equal(e.n[2], 4096);
	assert_int_equal(launch_read(l, 4, &e), 0);
	assert_memory_equal(e.bytes.data, gids, sizeof(gids));
	assert_int_equal(launch_read(l, 5, &e), 0);
	assert_int_equal((int64_t)e.n[0], -5);
	assert_int_equal(launch_read(l, 6, &e), 0);
	assert_string_equal(e.argv[1], "x");
	assert_int_equal(launch_read(l, 7, &e), -ENOENT);
	launch_free(l);
	launch_free(NULL);
}

/* Two isolators want a /proc: it is mounted once. Anything else is another mount. */
static void mounts_a_file_system_once(void **state)
{
	(void)state;
	struct mz_isolator_host h = {.size = sizeof(h)};
	struct mz_launch_entry e;
	struct mz_launch *l = launch_new();
	struct mz_mount m = {.size = sizeof(m), .source = "proc", .target = "/proc", .type = "proc", .flags = 2};
	launch_services(&h);
	assert_int_equal(h.launch_mount(l, &m), -EPERM);
	l->isolator = "x";
	assert_int_equal(h.launch_mount(l, &m), 0);
	l->isolator = "y";
	assert_int_equal(h.launch_mount(l, &m), 0);
	assert_int_equal(launch_read(l, 1, &e), -ENOENT);
	m.flags = 3;
	assert_int_equal(h.launch_mount(l, &m), 0);
	m.options = "hidepid=2";
	assert_int_equal(h.launch_mount(l, &m), 0);
	m.target = "/other";
	assert_int_equal(h.launch_mount(l, &m), 0);
	m.type = m.options = NULL; /* the same directory twice is its own asker's affair */
	assert_int_equal(h.launch_mount(l, &m), 0);
	assert_int_equal(h.launch_mount(l, &m), 0);
	assert_int_equal(launch_read(l, 5, &e), 0);
	assert_int_equal(launch_read(l, 6, &e), -ENOENT);
	launch_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_by_path),
		cmocka_unit_test(fills_in_by_path),
		cmocka_unit_test(fields_of_our_own),
		cmocka_unit_test(records_launches),
		cmocka_unit_test(mounts_a_file_system_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
