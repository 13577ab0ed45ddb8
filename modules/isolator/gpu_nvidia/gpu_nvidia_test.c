/* gpu_nvidia_test.c - against the library fake_nvml.so beside this program, with device files
 * that have the numbers of /dev/null and its like; what may be opened, as root, on v1 and v2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/cgroup_world.h"

#include <sys/sysmacros.h>

#include "../../lib/device_rules.h"

extern const struct mz_module mz_module;

enum { N_FILES = 5 };

static char dir[64], library[600];
/* The same order as the bits of try_all. */
static const char *const files[N_FILES] = {"nvidia0", "nvidia1", "nvidia2", "nvidia3", "nvidiactl"};
static const unsigned minors[N_FILES] = {3, 5, 7, 8, 9};

static struct mz_resources res;
static struct cg devices; /* to see, and to deny all as cgroups_devices does */

static int make_files(void **state)
{
	(void)state;
	ssize_t n = readlink("/proc/self/exe", library, sizeof(library) - 1);
	if (n <= 0)
		return -1;
	library[n] = '\0';
	(void)strcpy(strrchr(library, '/'), "/fake_nvml.so");
	(void)strcpy(dir, "/tmp/mezzo-gpu-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < N_FILES; i++) {
		char path[128];
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		if (mknod(path, S_IFCHR | 0666, makedev(1, minors[i])) < 0 && geteuid() == 0)
			return -1;
	}
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	return nftw(dir, world_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void world_gpus(const char *hierarchy)
{
	if (geteuid() != 0) {
		print_message("# SKIP only root makes device files\n");
		skip();
	}
	world_real(&mz_module);
	if (hierarchy)
		(void)snprintf(world.hierarchy, sizeof(world.hierarchy), "%s", hierarchy);
	world.settings[0].name = "library";
	world.settings[0].value = library;
	world.settings[1].name = "device_directory";
	world.settings[1].value = dir;
	world.settings[2].name = "devices";
	world.settings[2].value = "";
	(void)unsetenv("MEZZO_FAKE_GPUS");
}

static void refuses(void **state)
{
	(void)state;
	struct mz_err err = {0};
	void *inst = NULL;
	world_gpus(NULL);
	static const struct {
		const char *gpus, *devices;
		int code;
		const char *message;
	} bad[] = {
		{"broken", "", -ENODEV, "NVML cannot start: Driver Not Loaded"},
		{"0", "", -ENODEV, "This machine has no GPU"},
		{"5", "", -ENODEV, "/nvidia4 of the GPUs: No such file"},
		{"65", "", -E2BIG, "There are 65 GPUs"},
		{"4", "0,4", -EINVAL, "There is no GPU '4'; this machine has 4"},
		{"4", "x", -EINVAL, "There is no GPU 'x'"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(setenv("MEZZO_FAKE_GPUS", bad[i].gpus, 1), 0);
		world.settings[2].value = bad[i].devices;
		assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), bad[i].code);
		if (!strstr(err.msg, bad[i].message))
			fail_msg("'%s' has not '%s'", err.msg, bad[i].message);
	}
	world.settings[2].value = "";
	world.settings[0].value = "/no/such/library.so";
	assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "/no/such/library.so"));
	world.settings[0].value = "libc.so.6";
	assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "no function 'nvmlInit_v2'"));
	(void)unsetenv("MEZZO_FAKE_GPUS");
}

/* Bits: may be opened. 128: something else went wrong. */
static int try_all(void)
{
	int may = 0;
	for (size_t i = 0; i < N_FILES; i++) {
		char path[128];
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 && errno != EPERM)
			return 128;
		may |= fd < 0 ? 0 : 1 << i;
	}
	return may;
}

static void deny_all(const char *id)
{
	char path[CG_PATH_SIZE];
	struct mz_err err = {0};
	if (devices.version == 1) {
		assert_int_equal(cg_write(&devices, id, "devices.deny", "a", &err), 0);
		return;
	}
	assert_int_equal(cg_path(&devices, id, path), 0);
	if (rules_save(NULL, 0, path, &err) < 0 || rules_attach(NULL, 0, path, &err) < 0)
		fail_msg("%s", err.msg);
}

/* As the agent does it, with cgroups_devices behind it in the list. */
static void launch(void *inst, const struct mz_container *c)
{
	world_prepare(inst, c);
	deny_all(c->id);
	world_ops()->isolate(inst, c, 1, WORLD_OP);
	world_ok();
}

/* What a process in the container may open. */
static void may_open(const char *id, int expected)
{
	char path[CG_PATH_SIZE];
	assert_int_equal(cg_procs_path(&devices, id, path), 0);
	(void)snprintf(world.launch, sizeof(world.launch), "cgroup %s\n", path);
	int status = world_wait(world_member(try_all));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

static void has_said(const char *line)
{
	if (!strstr(world.launch, line))
		fail_msg("'%s' is not in '%s'", line, world.launch);
}

static const struct mz_container a = {.size = sizeof(a), .id = "a", .resources = &res};
static const struct mz_container b = {.size = sizeof(b), .id = "b", .resources = &res};
static const struct mz_container c = {.size = sizeof(c), .id = "c", .resources = &res};
static const struct mz_container n = {.size = sizeof(n), .id = "a.n", .parent = "a"};

/* Not as many are left, and no halves are given. */
static void denied(void *inst)
{
	res.other = 2000;
	world_ops()->prepare(inst, &c, NULL, WORLD_OP);
	assert_int_equal(world.code, -EBUSY);
	assert_non_null(strstr(world.message, "needs 2 GPUs; it can have 1 of the 4"));
	world.n_done = 0;
	world_cleanup(inst, "c");
	res.other = 500;
	world_ops()->prepare(inst, &c, NULL, WORLD_OP);
	assert_int_equal(world.code, -EINVAL);
	assert_non_null(strstr(world.message, "0.500 gpus; only whole ones"));
	world.n_done = 0;
	world_cleanup(inst, "c");
	res.other = 0;
	launch(inst, &c);
	has_said("env NVIDIA_VISIBLE_DEVICES=void\n");
	may_open("c", 0);
	world_cleanup(inst, "c");
}

static void lives(void)
{
	char line[128];
	if (try_all() != 31) {
		print_message("# SKIP not all devices can be opened here\n");
		skip();
	}
	assert_int_equal(cg_find(&devices, &world_host, world.hierarchy, world.root, "devices", NULL), 0);
	void *inst = world_create();
	assert_string_equal(world_ops()->resources(inst), "gpus:4");
	res.other = 2000;
	launch(inst, &a);
	has_said("env NVIDIA_VISIBLE_DEVICES=GPU-fake-0,GPU-fake-1\n");
	(void)snprintf(line, sizeof(line), "device %s/nvidia1 20666 1:5\n", dir);
	has_said(line);
	(void)snprintf(line, sizeof(line), "device %s/nvidiactl 20666 1:9\n", dir);
	has_said(line);
	may_open("a", 1 | 2 | 16);
	launch(inst, &n);
	has_said("env NVIDIA_VISIBLE_DEVICES=GPU-fake-0,GPU-fake-1\n");
	may_open("a.n", 1 | 2 | 16);
	res.other = 1000;
	launch(inst, &b);
	may_open("b", 4 | 16);
	denied(inst);
	/* More, fewer, none; what is nested follows. */
	res.other = 3000;
	world_update(inst, &a);
	may_open("a", 1 | 2 | 8 | 16);
	may_open("a.n", 1 | 2 | 8 | 16);
	res.other = 1000;
	world_update(inst, &a);
	may_open("a", 1 | 16);
	may_open("a.n", 1 | 16);
	/* The agent restarts; b ended meanwhile, and is an orphan. */
	world_ops()->destroy(inst);
	inst = world_create();
	const struct mz_container *v[] = {&a, &n};
	world_ops()->recover(inst, v, 2, WORLD_OP);
	world_ok();
	may_open("a.n", 1 | 16);
	assert_false(cg_exists(&devices, "b"));
	/* All that a has not are free. */
	res.other = 3000;
	launch(inst, &b);
	may_open("b", 2 | 4 | 8 | 16);
	world_cleanup(inst, "b");
	res.other = 4000;
	world_update(inst, &a);
	may_open("a.n", 31);
	res.other = 0;
	world_update(inst, &a);
	may_open("a", 0);
	may_open("a.n", 0);
	world_cleanup(inst, "a.n");
	world_cleanup(inst, "a");
	world_cleanup(inst, "a");
	world_cleanup(inst, "never");
	world_ops()->destroy(inst);
	/* A choice. */
	world.settings[2].value = "1,3";
	inst = world_create();
	assert_string_equal(world_ops()->resources(inst), "gpus:2");
	res.other = 2000;
	launch(inst, &a);
	may_open("a", 2 | 8 | 16);
	world_ops()->destroy(inst);
	inst = world_create();
	world_ops()->recover(inst, v, 1, WORLD_OP);
	world_ok();
	res.other = 1000;
	world_ops()->prepare(inst, &b, NULL, WORLD_OP);
	assert_int_equal(world.code, -EBUSY);
	world.n_done = 0;
	world_cleanup(inst, "b");
	world_cleanup(inst, "a");
	world_ops()->destroy(inst);
}

static void v1(void **state)
{
	(void)state;
	if (!world_has_v1("devices"))
		skip();
	world_gpus(NULL);
	lives();
}

static void v2(void **state)
{
	(void)state;
	static const char *const mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	struct cg g;
	for (size_t i = 0; i < 2; i++)
		if (cg_find(&g, NULL, mounts[i], "x", "devices", NULL) == 0 && g.version == 2 && access(g.mount, W_OK) == 0) {
			world_gpus(mounts[i]);
			lives();
			return;
		}
	print_message("# SKIP there is no v2 hierarchy that can be written\n");
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(refuses), cmocka_unit_test(v1), cmocka_unit_test(v2)};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
