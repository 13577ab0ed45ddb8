/* cgroups_devices_test.c - rules; and what a process may open, as root, on v1 and v2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/cgroup_world.h"

#include <sys/sysmacros.h>

#include "../../lib/device_rules.h"

extern const struct mz_module mz_module;

static void text(void **state)
{
	(void)state;
	static const char *const good[] = {"c 1:3 rwm", "b *:* m", "a 8:* r", "c 10:229 rw"};
	static const char *const bad[] = {"",	      "c 1:3",	   "c 1:3 x",	"d 1:3 r", "c 1 r",	 "c 1:3 rr",
					  "c 1*:3 r", "c :3 r",	   "c 1:3 r w", "/dev/null", "/dev/null rwx", "c -1:3 r"};
	struct mz_err err;
	struct rule r;
	char out[64];
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(rule_parse(good[i], &r, &err), 0);
		rule_format(&r, out);
		assert_string_equal(out, good[i]);
	}
	for (size_t i = 0; i < 12; i++)
		if (rule_parse(bad[i], &r, &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(rule_parse("/dev/null rw", &r, &err), 0);
	rule_format(&r, out);
	assert_string_equal(out, "c 1:3 rw");
	assert_int_equal(rule_parse("/dev/none rw", &r, &err), -ENOENT);
	assert_int_equal(rule_parse("/dev rw", &r, &err), -EINVAL);
}

static int try_open(const char *path, int how)
{
	int fd = open(path, how | O_CLOEXEC);
	if (fd < 0)
		return errno == EPERM ? 1 : 2;
	(void)close(fd);
	return 0;
}

/* Bits: 1 null, 2 zero, 4 kmsg, 8 zero for writing: refused. 128: something else. */
static int try_all(void)
{
	int null = try_open("/dev/null", O_RDWR), zero = try_open("/dev/zero", O_RDONLY);
	int kmsg = try_open("/dev/kmsg", O_RDONLY), write = try_open("/dev/zero", O_RDWR);
	if (null > 1 || zero > 1 || kmsg > 1 || write > 1)
		return 128;
	return null | zero << 1 | kmsg << 2 | write << 3;
}

static int try_mknod(void)
{
	char path[512];
	(void)snprintf(path, sizeof(path), "/tmp/mezzo-node-%d", (int)getpid());
	if (mknod(path, S_IFCHR | 0600, makedev(1, 11)) < 0)
		return 1;
	int rc = try_open(path, O_RDONLY);
	(void)unlink(path);
	return rc == 1 ? 0 : 2;
}

/* All that every container may open, of v1 as the kernel lists it, of v2 for those that add to it. */
static void keeps_usual(const char *id)
{
	static const char *const usual[] = {"c *:* m",	 "b *:* m",   "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm",   "c 1:8 rwm",
					    "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm", "c 10:200 rwm"};
	enum { N = sizeof(usual) / sizeof(usual[0]) };
	char path[CG_PATH_SIZE], text[2048] = "";
	struct rule kept[RULES_MAX];
	struct cg g;
	size_t n;
	struct mz_err err;
	assert_int_equal(cg_find(&g, NULL, world.hierarchy, world.root, "devices", NULL), 0);
	assert_int_equal(cg_path(&g, id, path), 0);
	if (g.version == 1) {
		assert_true(cg_read(&g, id, "devices.list", text, sizeof(text), NULL) > 0);
	} else {
		if (rules_load(kept, &n, path, &err) < 0)
			fail_msg("%s", err.msg);
		for (size_t i = 0; i < n; i++) {
			char rule[64];
			rule_format(&kept[i], rule);
			(void)strcat(strcat(text, rule), "\n");
		}
	}
	size_t n_lines = 0;
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n_lines++) {
		size_t i = 0;
		while (i < N && strcmp(usual[i], line))
			i++;
		if (i == N)
			fail_msg("'%s' is not usual", line);
	}
	assert_int_equal(n_lines, N);
}

static void bites(void)
{
	struct mz_container c = {.size = sizeof(c), .id = "c1"};
	struct mz_container d = {.size = sizeof(d), .id = "c1.d", .parent = "c1"};
	if (try_all() != 0) {
		print_message("# SKIP not all of /dev/null, zero and kmsg can be opened here\n");
		skip();
	}
	void *inst = world_create();
	world_prepare(inst, &c);
	keeps_usual("c1");
	assert_int_equal(WEXITSTATUS(world_wait(world_member(try_all))), 4);
	world_prepare(inst, &d);
	assert_int_equal(WEXITSTATUS(world_wait(world_member(try_all))), 4);
	world_cleanup(inst, "c1.d");
	world_prepare(inst, &d);
	assert_int_equal(WEXITSTATUS(world_wait(world_member(try_mknod))), 0);
	world_cleanup(inst, "c1.d");
	world_cleanup(inst, "c1");
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);

	world.settings[0].name = "usual";
	world.settings[0].value = "false";
	world.settings[1].name = "allowed";
	world.settings[1].value = "c 1:3 rw,/dev/zero r";
	inst = world_create();
	world_prepare(inst, &c);
	/* In a /dev of its own there is what was named. */
	assert_non_null(strstr(world.launch, "device /dev/zero 20444 1:5\n"));
	assert_null(strstr(world.launch, "1:3"));
	/* What is beside another sees its files. */
	struct mz_container beside = {.size = sizeof(beside), .id = "c1.b", .parent = "c1", .container_class = MZ_CONTAINER_DEBUG};
	world_prepare(inst, &beside);
	assert_null(strstr(world.launch, "device /dev"));
	world_prepare(inst, &c);
	assert_int_equal(WEXITSTATUS(world_wait(world_member(try_all))), 4 | 8);
	world_ops()->recover(inst, NULL, 0, WORLD_OP);
	world_ok();
	world_ops()->destroy(inst);

	world.settings[1].value = "";
	inst = world_create();
	world_prepare(inst, &c);
	assert_int_equal(WEXITSTATUS(world_wait(world_member(try_all))), 15);
	world_cleanup(inst, "c1");
	world_ops()->destroy(inst);

	world.settings[1].value = "c 1:3";
	struct mz_err err;
	inst = NULL;
	assert_int_equal(world_ops()->create(&world_host, NULL, &inst, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "'c 1:3'"));
}

static void v1_bites(void **state)
{
	(void)state;
	if (!world_has_v1("devices"))
		skip();
	world_real(&mz_module);
	bites();
}

static void v2_bites(void **state)
{
	(void)state;
	static const char *const mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	struct cg g;
	world_real(&mz_module);
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(world.hierarchy, sizeof(world.hierarchy), "%s", mounts[i]);
		if (cg_find(&g, NULL, world.hierarchy, "x", "devices", NULL) == 0 && g.version == 2)
			break;
		world.hierarchy[0] = '\0';
	}
	if (geteuid() != 0 || !world.hierarchy[0] || access(g.mount, W_OK) < 0) {
		print_message("# SKIP not root, or there is no v2 hierarchy\n");
		skip();
	}
	bites();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(text), cmocka_unit_test(v1_bites), cmocka_unit_test(v2_bites)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
