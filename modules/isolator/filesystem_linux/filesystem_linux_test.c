/* filesystem_linux_test.c - what is asked of the launch.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../volume_disk_world.h"

#include <sched.h>

static const char *const dirs[] = {"%D/box", "%D/disk", NULL};
static char box[1100];
static struct mz_resources *res;

static void begin(const char *settings)
{
	world_begin(settings, dirs);
	snprintf(box, sizeof(box), "%s", at("%D/box"));
	world.c->sandbox = box;
	res = res_new();
	world.c->resources = res;
}

static int bare(void **state)
{
	(void)state;
	begin("{masked_paths: [], read_only_paths: []}");
	return 0;
}

static int by_default(void **state)
{
	(void)state;
	begin(NULL);
	return 0;
}

static int tear_down(void **state)
{
	res_free(res);
	return world_end(state);
}

static int isolate(int32_t pid)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	ops->isolate(mz_kit_inst(world.m), world.c, pid, mz_kit_op(world.m, &world.r, 0));
	return mz_kit_wait(world.k, &world.r);
}

static int update(void)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	ops->update(mz_kit_inst(world.m), world.c, mz_kit_op(world.m, &world.r, 0));
	return mz_kit_wait(world.k, &world.r);
}

static int cleanup(const char *id)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	ops->cleanup(mz_kit_inst(world.m), id, mz_kit_op(world.m, &world.r, 0));
	return mz_kit_wait(world.k, &world.r);
}

static void paths_are_hidden(void **state)
{
	(void)state;
	assert_int_equal(prepare(NULL), 0);
	assert_int_equal(strncmp(asked(), "namespace 0x20000\n", 18), 0);
	static const char *const lines[] = {"\nmask /proc/kcore\n", "\nmask /proc/keys\n", "\nmask /sys/firmware\n",
					    "\nread_only /proc/sys\n", "\nread_only /proc/sysrq-trigger\n", "\nread_only /sys\n"};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_non_null(strstr(asked(), lines[i]));
	assert_null(strstr(asked(), "mount "));
}

static void own_lists(void **state)
{
	(void)state;
	struct mz_err err;
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "namespace 0x20000\n");
	mz_kit_unload(world.m);
	assert_int_equal(mz_kit_add(world.k, &mz_module, "{masked_paths: [/a], read_only_paths: [/b, /c]}", &world.m, &err), 0);
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "namespace 0x20000\nmask /a\nread_only /b\nread_only /c\n");
	mz_kit_unload(world.m);
	assert_int_equal(mz_kit_add(world.k, &mz_module, "masked_paths: [a]", &world.m, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "'masked_paths': 'a' is not an absolute path"));
}

/* The kit's directory is below $TMPDIR. */
static void begin_in(const char *tmp, const char *settings)
{
	char before[1024];
	const char *is = getenv("TMPDIR");
	snprintf(before, sizeof(before), "%s", is ? is : "");
	setenv("TMPDIR", tmp, 1);
	begin(settings);
	if (is)
		setenv("TMPDIR", before, 1);
	else
		unsetenv("TMPDIR");
}

static void private_tmp(void **state)
{
	struct mz_err err;
	static const char settings[] = "{masked_paths: [], read_only_paths: [], private_tmp: 10MB}";
	begin_in("/tmp", NULL);
	mz_kit_unload(world.m);
	assert_int_equal(mz_kit_add(world.k, &mz_module, settings, &world.m, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "is below /tmp"));
	tear_down(state);
	if (access("/var/tmp", W_OK) < 0)
		return;
	begin_in("/var/tmp", settings);
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "namespace 0x20000\nmount tmpfs /tmp tmpfs mode=1777,size=10485760 0x6\n");
	tear_down(state);
}

static void volumes(void **state)
{
	(void)state;
	struct stat st;
	if (geteuid() == 0)
		assert_int_equal(chown(box, 12345, 12346), 0);
	add_volume(res, "web", "v1", "data", "");
	add_volume(res, "a/b", "v2", "/opt", "RO");
	add_volume(res, "web", "v3", "x/y", ",\"source\":{\"type\":\"MOUNT\",\"mount\":{\"root\":\"%D/disk\"}}");
	if (prepare(NULL) < 0)
		fail_msg("%s", world.r.err.msg);
	assert_non_null(strstr(asked(), at("mount %D/volumes/roles/web/v1 %D/box/data bind - 0x0\n")));
	assert_non_null(strstr(asked(), at("mount %D/volumes/roles/a b/v2 /opt bind - 0x1\n")));
	assert_non_null(strstr(asked(), at("mount %D/disk %D/box/x/y bind - 0x0\n")));
	assert_int_equal(stat(at("%D/volumes/roles/web/v1"), &st), 0);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 12345);
}

static void become_child(void)
{
	world.c = mz_kit_container(world.k, "c1.c2", "cpus:1");
	world.c->parent = "c1";
	world.c->sandbox = box;
	world.c->resources = res;
}

/* What is nested shares its parent's, and mounts none of its own. */
static void volumes_of_a_pod(void **state)
{
	(void)state;
	add_volume(res, "web", "v1", "data", "");
	assert_int_equal(prepare(NULL), 0);
	assert_non_null(strstr(asked(), "/volumes/roles/web/v1 "));
	become_child();
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "namespace 0x20000\n");
}

/* A persistent volume in the place of what programs of the host trust. */
static void no_way_to_root(void **state)
{
	(void)state;
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	struct mz_container *top = world.c;
	const struct mz_container *const v[] = {top};
	add_volume(res, "web", "v1", "/opt", "");
	assert_int_equal(prepare(NULL), 0);
	assert_null(strstr(asked(), "no_new_privs"));
	world.c->user = "nobody";
	assert_int_equal(prepare(NULL), 0);
	assert_non_null(strstr(asked(), "no_new_privs\n"));
	for (int restarted = 0; restarted < 2; restarted++) {
		become_child();
		world.c->user = "nobody";
		assert_int_equal(prepare(NULL), 0);
		assert_non_null(strstr(asked(), "no_new_privs\n"));
		assert_int_equal(cleanup("c1"), 0);
		assert_int_equal(prepare(NULL), 0);
		assert_null(strstr(asked(), "no_new_privs"));
		ops->recover(mz_kit_inst(world.m), v, 1, mz_kit_op(world.m, &world.r, 0));
		assert_int_equal(mz_kit_wait(world.k, &world.r), 0);
	}
}

static void volumes_that_are_refused(void **state)
{
	(void)state;
	make_link("%D/disk", "%D/box/out");
	add_volume(res, "web", "v1", "out/x", "");
	assert_int_equal(prepare(NULL), -ELOOP);
	assert_string_equal(world.r.err.msg,
			    "resources[0].disk.volume.container_path 'out/x': leads over a symbolic link");
	assert_false(exists("%D/disk/x"));
	/* The volume's own directory has become a link. */
	struct mz_resources *other = res_new();
	add_volume(other, "web", "v2", "data", "");
	make_link("%D/disk", "%D/volumes/roles/web/v2");
	world.c->resources = other;
	assert_int_equal(prepare(NULL), -ELOOP);
	assert_string_equal(world.r.err.msg, "resources[0].disk.volume.id 'v2': leads over a symbolic link");
	world.c->resources = res;
	res_free(other);
}

static void later_volumes(void **state)
{
	(void)state;
	add_volume(res, "web", "v1", "data", "");
	assert_int_equal(prepare(NULL), 0);
	assert_int_equal(update(), 0);
	struct mz_resources *more = res_new();
	add_volume(more, "web", "v1", "data", "");
	add_volume(more, "web", "v2", "more", "");
	world.c->resources = more;
	assert_int_equal(update(), -EOPNOTSUPP);
	assert_string_equal(world.r.err.msg,
			    "Persistent volume 'v2' came after the container was launched, and cannot be mounted");
	struct mz_resources *none = res_new();
	world.c->resources = none;
	assert_int_equal(update(), 0);
	res_free(more);
	res_free(none);
	world.c->resources = res;
}

static void debug_containers(void **state)
{
	(void)state;
	assert_int_equal(prepare(NULL), 0);
	assert_int_equal(isolate(4711), 0);
	world.c = mz_kit_container(world.k, "c1.c2", "cpus:1");
	world.c->parent = "c1";
	world.c->container_class = MZ_CONTAINER_DEBUG;
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "enter 0x20000 /proc/4711/ns/mnt\n");
	assert_int_equal(cleanup("c1"), 0);
	assert_int_equal(cleanup("c1"), 0);
	assert_int_equal(prepare(NULL), -ENOENT);
	assert_string_equal(world.r.err.msg, "Debug container 'c1.c2': its parent 'c1' is not running here");
}

static void after_a_restart(void **state)
{
	(void)state;
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	const struct mz_container *const v[] = {world.c};
	world.c->pid = 4712;
	ops->recover(mz_kit_inst(world.m), v, 1, mz_kit_op(world.m, &world.r, 0));
	assert_int_equal(mz_kit_wait(world.k, &world.r), 0);
	world.c = mz_kit_container(world.k, "c1.c2", "cpus:1");
	world.c->parent = "c1";
	world.c->container_class = MZ_CONTAINER_DEBUG;
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "enter 0x20000 /proc/4712/ns/mnt\n");
}

/* ---- a root file system of its own --------------------------------------------------- */

static int own_root(void **state)
{
	(void)state;
	setenv("MZ_LIBEXEC_DIR", "/usr/lib/nowhere", 1);
	begin("{masked_paths: [/a], read_only_paths: [/proc/sys, /sys], host_paths: [//usr/./share/, /etc/passwd, /usr, /usr/lib]}");
	return 0;
}

static void a_root_of_its_own(void **state)
{
	(void)state;
	char expected[6000];
	assert_int_equal(prepare(NULL), 0);
	snprintf(expected, sizeof(expected),
		 "namespace 0x20000\nrootfs tmpfs\n"
		 "mount /etc/passwd /etc/passwd bind - 0x7 made\nmount /usr /usr bind - 0x7 made\nfile /var/tmp 120777 /tmp\n"
		 "mount tmpfs /dev tmpfs mode=0755,size=64m 0xa\ndevice /dev/null 20666 1:3\ndevice /dev/zero 20666 1:5\n"
		 "device /dev/full 20666 1:7\ndevice /dev/random 20666 1:8\ndevice /dev/urandom 20666 1:9\n"
		 "device /dev/tty 20666 5:0\nfile /dev/fd 120777 /proc/self/fd\nfile /dev/stdin 120777 /proc/self/fd/0\n"
		 "file /dev/stdout 120777 /proc/self/fd/1\nfile /dev/stderr 120777 /proc/self/fd/2\n"
		 "file /dev/ptmx 120777 pts/ptmx\nmount devpts /dev/pts devpts newinstance,ptmxmode=0666,mode=0620 0xa\n"
		 "file /dev/shm 41777 \nmount proc /proc proc - 0xe\nmount /sys /sys bind - 0xf\n"
		 "mount tmpfs /tmp tmpfs mode=1777,size=67108864 0x6\nmount %s %s bind - 0x6\nwork_dir %s\nread_only /\n"
		 "mask /a\nread_only /proc/sys\n",
		 box, box, box);
	assert_string_equal(asked(), expected);
	/* What is nested is in it already; so is who debugs. */
	assert_int_equal(isolate(4711), 0);
	world.c = mz_kit_container(world.k, "c1.c2", "cpus:1");
	world.c->parent = "c1";
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "namespace 0x20000\nmask /a\nread_only /proc/sys\nread_only /sys\n");
	world.c->container_class = MZ_CONTAINER_DEBUG;
	assert_int_equal(prepare(NULL), 0);
	assert_string_equal(asked(), "enter 0x20000 /proc/4711/ns/mnt\n");
}

static void links_of_the_host(void **state)
{
	(void)state;
	char to[256] = "", line[300];
	struct mz_err err;
	if (readlink("/bin", to, sizeof(to) - 1) < 0) {
		print_message("skipped: /bin is no link here\n");
		skip();
	}
	/* A name that is a link leads to the place; with or without what is around that. */
	mz_kit_unload(world.m);
	assert_int_equal(mz_kit_add(world.k, &mz_module, "host_paths: [/bin, /usr/bin, /bin/]", &world.m, &err), 0);
	assert_int_equal(prepare(NULL), 0);
	char *real = realpath("/bin", NULL);
	snprintf(line, sizeof(line), "\nrootfs tmpfs\nmount %s %s bind - 0x7 made\nfile /bin 120777 %s\n", real, real, real);
	free(real);
	assert_non_null(strstr(asked(), line));
	assert_null(strstr(strstr(asked(), "file /bin ") + 1, "file /bin "));
}

static void paths_that_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[][2] = {
		{"[/usr, /no/where]", "Setting 'host_paths': '/no/where': No such file or directory"},
		{"[usr]", "Setting 'host_paths': 'usr' is not an absolute path"},
		{"[/]", "Setting 'host_paths': '/' is / itself: leave the list empty to share all of it"},
		{"[/./]", "Setting 'host_paths': '/' is / itself: leave the list empty to share all of it"},
		{"[/usr/..]", "Setting 'host_paths': '/usr/..' has a '..' in it"},
		{"[/usr/../etc]", "Setting 'host_paths': '/usr/../etc' has a '..' in it"},
		{"[/proc/self/root/usr]", "Setting 'host_paths': '/proc/self/root/usr' is in /proc, of which containers have one of their own"},
		{"[/dev/null]", "Setting 'host_paths': '/dev/null' is in /dev, of which containers have one of their own"},
		{"[/sys]", "Setting 'host_paths': '/sys' is in /sys, of which containers have one of their own"},
		{"[/tmp]", "Setting 'host_paths': '/tmp' is in /tmp, of which containers have one of their own"},
	};
	char yaml[300];
	struct mz_err err;
	mz_kit_unload(world.m);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(yaml, sizeof(yaml), "host_paths: %s", wrong[i][0]);
		assert_int_not_equal(mz_kit_add(world.k, &mz_module, yaml, &world.m, &err), 0);
		if (!strstr(err.msg, wrong[i][1]))
			fail_msg("%s", err.msg);
	}
	/* What executors need has the agent's own in it, or is too much. */
	setenv("MZ_LIBEXEC_DIR", world.dir, 1);
	assert_int_equal(mz_kit_add(world.k, &mz_module, "host_paths: [/usr]", &world.m, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "would show containers the agent's work directory"));
	setenv("MZ_LIBEXEC_DIR", "/etc", 1);
	assert_int_equal(mz_kit_add(world.k, &mz_module, "host_paths: [/usr]", &world.m, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "'/etc' would show containers too much"));
	assert_int_equal(mz_kit_add(world.k, &mz_module, "host_paths: [/usr, /etc]", &world.m, &err), 0);
	setenv("MZ_LIBEXEC_DIR", "/usr/lib/nowhere", 1);
}

static void volumes_in_a_root_of_its_own(void **state)
{
	(void)state;
	add_volume(res, "web", "v1", "./data//in", "");
	add_volume(res, "web", "v2", "/no//where/./x/", "");
	if (prepare(NULL) < 0)
		fail_msg("%s", world.r.err.msg);
	assert_non_null(strstr(asked(), at("mount %D/volumes/roles/web/v1 %D/box/data/in bind - 0x0\n")));
	assert_non_null(strstr(asked(), at("mount %D/volumes/roles/web/v2 /no/where/x bind - 0x0 made\n")));
	assert_true(exists("%D/box/data/in"));
	static const char *const wrong[][2] = {
		{"/", "'/': nothing may be mounted there"},
		{"/./", "'/./': nothing may be mounted there"},
		{"/proc/self", "'/proc/self': nothing may be mounted there"},
		{"//sys", "'//sys': nothing may be mounted there"},
		{"/a/../proc", "'/a/../proc': must be a path without '..'"},
		{"../x", "'../x': must be a relative path without '..'"},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct mz_resources *r = res_new();
		add_volume(r, "web", "v1", wrong[i][0], "");
		world.c->resources = r;
		assert_true(prepare(NULL) < 0);
		if (!strstr(world.r.err.msg, wrong[i][1]))
			fail_msg("%s", world.r.err.msg);
		world.c->resources = res;
		res_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paths_are_hidden, by_default, tear_down),
		cmocka_unit_test_setup_teardown(own_lists, bare, tear_down),
		cmocka_unit_test(private_tmp),
		cmocka_unit_test_setup_teardown(no_way_to_root, bare, tear_down),
		cmocka_unit_test_setup_teardown(volumes_of_a_pod, bare, tear_down),
		cmocka_unit_test_setup_teardown(volumes, bare, tear_down),
		cmocka_unit_test_setup_teardown(volumes_that_are_refused, bare, tear_down),
		cmocka_unit_test_setup_teardown(later_volumes, bare, tear_down),
		cmocka_unit_test_setup_teardown(debug_containers, bare, tear_down),
		cmocka_unit_test_setup_teardown(after_a_restart, bare, tear_down),
		cmocka_unit_test_setup_teardown(a_root_of_its_own, own_root, tear_down),
		cmocka_unit_test_setup_teardown(links_of_the_host, own_root, tear_down),
		cmocka_unit_test_setup_teardown(paths_that_are_refused, own_root, tear_down),
		cmocka_unit_test_setup_teardown(volumes_in_a_root_of_its_own, own_root, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
