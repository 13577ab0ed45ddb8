/* containers_test.c - the isolators of file systems, volumes and secrets in real
 * containers under the launcher linux, seen from the inside. Root only; runs from
 * the build tree.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "loop/loop_event.h"
#include "model/resources.h"
#include "module/containers_real.h"
#include "os/tree.h"
#include "wire/json.h"

struct run {
	bool launched, exited;
	int code, wait_status;
	char message[256];
};

static struct {
	struct loop *loop;
	struct module_registry *registry;
	struct containers *c;
	struct run run; /* one at a time */
} life;
static char root[64], build[512], group[32];
static const char *fs_settings; /* of filesystem_linux */
static bool own_root;

static void on_exited(void *arg, const char *id, const struct mz_termination *t)
{
	(void)arg, (void)id;
	life.run.exited = true;
	life.run.wait_status = t->wait_status;
}

static void on_launched(void *arg, const struct mz_err *err, int32_t pid)
{
	(void)arg, (void)pid;
	life.run.launched = true;
	life.run.code = err ? err->code : 0;
	if (err)
		snprintf(life.run.message, sizeof(life.run.message), "%s", err->msg);
}

/* "%D" is the directory of this test. */
static const char *at(const char *text)
{
	static char out[8][8192];
	static unsigned next;
	char *to = out[next++ % 8], *p = to;
	for (; *text; text++)
		if (text[0] == '%' && text[1] == 'D')
			p += sprintf(p, "%s", root), text++;
		else
			*p++ = *text;
	*p = '\0';
	return to;
}

static void add_module(uint32_t kind, const char *name, const char *yaml)
{
	struct mz_err err = {0};
	struct module *m = NULL;
	struct conf_node *settings = NULL;
	if (yaml)
		assert_int_equal(conf_parse("test", yaml, strlen(yaml), &settings, &err), 0);
	if (module_load_name(life.registry, kind, name, settings, &m, &err) < 0)
		fail_msg("%s", err.msg);
	conf_free(settings);
	containers_real_add(life.c, m);
}

static void begin(void)
{
	struct mz_err err = {0};
	char path[600], yaml[700];
	assert_int_equal(loop_event_new(1, &life.loop, &err), 0);
	life.registry = module_registry_new(life.loop);
	snprintf(path, sizeof(path), "%s/modules", build);
	module_registry_add_path(life.registry, path);
	snprintf(path, sizeof(path), "%s/core/bin", build);
	const struct containers_real_config cfg = {.loop = life.loop,
						   .registry = life.registry,
						   .work_dir = root,
						   .runtime_dir = at("%D/run"),
						   .libexec_dir = path,
						   .cgroups_root = group,
						   .switch_user = true};
	assert_int_equal(containers_real_new(&cfg, &life.c, &err), 0);
	life.c->on_exited = on_exited;
	add_module(MZ_KIND_SECRET, "file", at("directory: %D/secrets"));
	add_module(MZ_KIND_ISOLATOR, "filesystem_linux", fs_settings);
	add_module(MZ_KIND_ISOLATOR, "volume_host_path", at("allowed: [%D/host]"));
	add_module(MZ_KIND_ISOLATOR, "volume_sandbox_path", NULL);
	add_module(MZ_KIND_ISOLATOR, "volume_secret", NULL);
	add_module(MZ_KIND_ISOLATOR, "environment_secret", NULL);
	snprintf(yaml, sizeof(yaml), "{init: %s/mezzo-init, launcher: linux}", path);
	add_module(MZ_KIND_CONTAINERIZER, "mesos", yaml);
	assert_int_equal(module_registry_check_requires(life.registry, &err), 0);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void set(void *arg)
{
	*(bool *)arg = true;
}

static void until_idle(void)
{
	bool idle = false;
	assert_int_equal(loop_offload(life.loop, nothing, set, &idle), 0);
	while (!idle)
		loop_event_turn(life.loop, NS_PER_SEC);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(at(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static const char *read_text(const char *path)
{
	static char text[8192];
	int fd = open(at(path), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? "(none)" : text;
}

static int set_up(void **state)
{
	(void)state;
	static const char *const dirs[] = {"%D/secrets", "%D/host", "%D/host/sub", "%D/forbidden"};
	memset(&life, 0, sizeof(life));
	own_root = false;
	strcpy(root, "/tmp/mezzo-volumes-test-XXXXXX");
	snprintf(group, sizeof(group), "mezzo-vtest-%d", getpid());
	if (!mkdtemp(root) || chmod(root, 0755) < 0)
		return -1;
	for (size_t i = 0; i < MZ_N(dirs); i++)
		if (mkdir(at(dirs[i]), 0755) < 0)
			return -1;
	write_text("%D/secrets/token", "sesame");
	write_text("%D/host/sub/file", "of the host\n");
	begin();
	return 0;
}

/* What of this machine programs need. */
static int set_up_own_root(void **state)
{
	static const char *const paths[] = {"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"};
	static char yaml[200];
	strcpy(yaml, "host_paths: [");
	for (size_t i = 0; i < MZ_N(paths); i++)
		if (access(paths[i], F_OK) == 0)
			strcat(strcat(yaml, paths[i]), ", ");
	strcpy(yaml + strlen(yaml) - 2, "]");
	fs_settings = yaml;
	int rc = set_up(state);
	fs_settings = NULL;
	own_root = true;
	return rc;
}

static int tear_down(void **state)
{
	(void)state;
	static const char *const tops[] = {"/sys/fs/cgroup/freezer", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	until_idle();
	containers_real_free(life.c);
	module_registry_free(life.registry);
	until_idle();
	loop_event_free(life.loop);
	for (size_t i = 0; i < MZ_N(tops); i++) {
		char dir[128];
		snprintf(dir, sizeof(dir), "%s/%s", tops[i], group);
		rmdir(dir);
	}
	/* A mount that was left makes this fail. */
	return tree_remove(root, NULL);
}

static void *message(struct arena *a, const pb_desc *d, const char *json)
{
	struct mz_err err;
	const char *text = at(json);
	pb_msg *m = json_decode(d, a, text, strlen(text), &err);
	if (!m)
		fail_msg("%s", err.msg);
	return m;
}

/* Runs `script` to its end. `volumes`: JSON of the list's elements; `variables` likewise. */
static int run(const char *id, const char *volumes, const char *variables, const char *script)
{
	struct arena mz_autoarena a = {0};
	mz_autofree char *container = xasprintf("{\"type\":\"MESOS\",\"volumes\":[%s]}", volumes);
	mz_autofree char *command = xasprintf("{\"environment\":{\"variables\":[%s]}}", variables);
	mz_autofree char *sandbox = xasprintf("%s/runs/%s", root, id);
	const char *const argv[] = {"/bin/sh", "-c", at(script), NULL};
	static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	struct mz_err err;
	resources *res = res_new();
	assert_int_equal(res_parse("cpus:1;mem:32;disk:1", NULL, res, &err), 0);
	struct container_config cfg = {.id = id,
				       .framework_id = "f",
				       .executor_id = "e",
				       .user = "nobody",
				       .directory = sandbox,
				       .argv = argv,
				       .env = env,
				       .resources = res,
				       .container = message(&a, &mesos__v1__container_info__descriptor, container),
				       .command = message(&a, &mesos__v1__command_info__descriptor, command)};
	life.run = (struct run){.wait_status = -1};
	life.c->ops->launch(life.c, &cfg, on_launched, NULL);
	res_free(res);
	while (!life.run.launched || (life.run.code == 0 && !life.run.exited))
		loop_event_turn(life.loop, NS_PER_SEC);
	return life.run.code < 0 ? life.run.code : life.run.wait_status;
}

#define NEEDS_ROOT()                                              \
	do {                                                      \
		if (geteuid()) {                                  \
			print_message("skipped: needs root\n");   \
			skip();                                   \
		}                                                 \
	} while (0)

#define OK(...)                                                                                                 \
	do {                                                                                                    \
		int rc_ = run(__VA_ARGS__);                                                                     \
		if (rc_)                                                                                        \
			fail_msg("%d %s %s", rc_, life.run.message, read_text("%D/runs/c1/stderr"));           \
	} while (0)

static void hidden_paths(void **state)
{
	(void)state;
	NEEDS_ROOT();
	OK("c1", "", "", "readlink /proc/self/ns/mnt; wc -c < /proc/keys; grep -c ' /proc/sys .*ro,' /proc/self/mountinfo; "
			 "ls /sys/firmware 2>&1 | wc -l");
	char own[64] = "";
	assert_true(readlink("/proc/self/ns/mnt", own, sizeof(own) - 1) > 0);
	const char *text = read_text("%D/runs/c1/stdout");
	assert_int_equal(strncmp(text, "mnt:[", 5), 0);
	assert_int_not_equal(strncmp(text, own, strlen(own)), 0);
	assert_non_null(strstr(text, "\n0\n1\n"));
}

static void volumes(void **state)
{
	(void)state;
	NEEDS_ROOT();
	OK("c1",
	   "{\"mode\":\"RO\",\"container_path\":\"data\",\"host_path\":\"%D/host/sub\"},"
	   "{\"mode\":\"RW\",\"container_path\":\"/opt\",\"source\":{\"type\":\"SANDBOX_PATH\",\"sandbox_path\":"
	   "{\"type\":\"SELF\",\"path\":\"own/opt\"}}}",
	   "",
	   "cat data/file; touch data/x 2>&1 | grep -o 'Read-only'; echo mine > /opt/made; cat own/opt/made; id -un");
	assert_string_equal(read_text("%D/runs/c1/stdout"), "of the host\nRead-only\nmine\nnobody\n");
	assert_string_equal(read_text("%D/runs/c1/own/opt/made"), "mine\n");
	/* On the host there is nothing of it. */
	assert_int_equal(access("/opt/made", F_OK), -1);
	assert_string_equal(read_text("%D/runs/c1/data/file"), "(none)");
	assert_int_equal(run("c2", "{\"mode\":\"RW\",\"container_path\":\"x\",\"host_path\":\"%D/forbidden\"}", "", "true"),
			 -EACCES);
	assert_non_null(strstr(life.run.message, "container.volumes[0].host_path"));
	assert_non_null(strstr(life.run.message, "not below one of the allowed paths"));
}

/* Somebody exchanges the directory and a link that leads out, all the time. */
static void swapped_sources(void **state)
{
	(void)state;
	NEEDS_ROOT();
	int n_mounted = 0, n_refused = 0;
	char volume[300];
	write_text("%D/forbidden/file", "forbidden\n");
	assert_int_equal(symlink(at("%D/forbidden"), at("%D/host/link")), 0);
	const char *a = at("%D/host/sub"), *b = at("%D/host/link");
	pid_t child = fork();
	if (child == 0)
		for (;;)
			renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
	snprintf(volume, sizeof(volume), "%s", "{\"mode\":\"RO\",\"container_path\":\"data\",\"host_path\":\"%D/host/sub\"}");
	for (int i = 0; i < 100; i++) {
		char id[16], path[64];
		snprintf(id, sizeof(id), "r%d", i);
		int rc = run(id, volume, "", "cat data/file");
		snprintf(path, sizeof(path), "%%D/runs/%s/stdout", id);
		const char *text = read_text(path);
		if (strstr(text, "forbidden")) {
			kill(child, SIGKILL);
			fail_msg("container %s has what it may not have", id);
		}
		n_mounted += rc == 0;
		n_refused += rc < 0;
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	print_message("%d mounted, %d refused\n", n_mounted, n_refused);
	assert_int_equal(n_mounted + n_refused, 100);
}

/* Somebody who may write to the sandbox exchanges a directory in the way of a volume,
 * and a link to another, all the time. */
static void swap_in_sandbox(const char *id)
{
	char dir[160], link[160], to[128], sandbox[128];
	snprintf(sandbox, sizeof(sandbox), "%s/runs/%s", root, id);
	snprintf(dir, sizeof(dir), "%s/sub", sandbox);
	snprintf(link, sizeof(link), "%s/link", sandbox);
	snprintf(to, sizeof(to), "%s/forbidden", root);
	while (mkdir(dir, 0777) < 0 && errno != EEXIST)
		;
	(void)!symlink(to, link);
	for (;;)
		renameat2(AT_FDCWD, dir, AT_FDCWD, link, RENAME_EXCHANGE);
}

static void swapped_targets(void **state)
{
	(void)state;
	NEEDS_ROOT();
	int n_mounted = 0, n_refused = 0;
	write_text("%D/forbidden/file", "as it was\n");
	for (int i = 0; i < 60; i++) {
		char id[16], path[64];
		snprintf(id, sizeof(id), "t%d", i);
		pid_t child = fork();
		if (child == 0)
			swap_in_sandbox(id);
		int rc = run(id, "{\"mode\":\"RW\",\"container_path\":\"sub/data\",\"host_path\":\"%D/host/sub\"}", "",
			     "ls %D/forbidden; cat %D/forbidden/data/file 2>/dev/null; true");
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		snprintf(path, sizeof(path), "%%D/runs/%s/stdout", id);
		if (rc == 0)
			assert_string_equal(read_text(path), own_root ? "" : "file\n");
		assert_int_equal(access(at("%D/forbidden/data"), F_OK), -1);
		n_mounted += rc == 0;
		n_refused += rc < 0;
	}
	print_message("%d mounted, %d refused\n", n_mounted, n_refused);
	assert_int_equal(n_mounted + n_refused, 60);
}

static void secrets(void **state)
{
	(void)state;
	NEEDS_ROOT();
	OK("c1",
	   "{\"mode\":\"RO\",\"container_path\":\"keys/token\",\"source\":{\"type\":\"SECRET\",\"secret\":"
	   "{\"type\":\"REFERENCE\",\"reference\":{\"name\":\"token\"}}}}",
	   "{\"name\":\"TOKEN\",\"type\":\"SECRET\",\"secret\":{\"type\":\"REFERENCE\",\"reference\":{\"name\":\"token\"}}}",
	   "test \"$TOKEN\" = sesame && test \"$(cat keys/token)\" = sesame && stat -c '%a %U' keys/token; "
	   "ls %D/run/secrets 2>&1 | grep -o 'Permission denied'; chmod 600 keys/token 2>&1 | grep -o Read-only");
	assert_string_equal(read_text("%D/runs/c1/stdout"), "400 nobody\nPermission denied\nRead-only\n");
	assert_string_equal(read_text("%D/runs/c1/keys/token"), "");
	assert_int_equal(access(at("%D/run/secrets/c1"), F_OK), -1);
	/* Nowhere but where the operator put it. */
	mz_autofree char *grep = xasprintf("! grep -rqs sesame %s/run %s/runs", root, root);
	assert_int_equal(system(grep), 0);
	assert_int_equal(run("c2", "",
			     "{\"name\":\"X\",\"type\":\"SECRET\",\"secret\":{\"type\":\"REFERENCE\",\"reference\":"
			     "{\"name\":\"nothing\"}}}",
			     "true"),
			 -ENOENT);
	assert_non_null(strstr(life.run.message, "command.environment.variables[0] 'X': There is no secret 'nothing'"));
}

static void a_root_of_its_own(void **state)
{
	(void)state;
	NEEDS_ROOT();
	OK("c1",
	   "{\"mode\":\"RO\",\"container_path\":\"data\",\"host_path\":\"%D/host/sub\"},"
	   "{\"mode\":\"RW\",\"container_path\":\"/no/where\",\"source\":{\"type\":\"SANDBOX_PATH\",\"sandbox_path\":"
	   "{\"type\":\"SELF\",\"path\":\"own/opt\"}}},"
	   "{\"mode\":\"RO\",\"container_path\":\"/keys/token\",\"source\":{\"type\":\"SECRET\",\"secret\":"
	   "{\"type\":\"REFERENCE\",\"reference\":{\"name\":\"token\"}}}}",
	   "",
	   "pwd; id -un; ls -A %D %D/runs; ls -d /home /root /boot /sys/fs/cgroup/* 2>/dev/null; cat data/file; "
	   "echo mine > /no/where/made; cat own/opt/made; cat /keys/token; echo; "
	   "touch /tmp/x /dev/shm/x x || echo denied; : > /dev/null; for p in /x /usr/x /etc/x %D/runs/x; do touch $p 2>&1 | "
	   "grep -oE 'Read-only|denied'; done; grep -c ' /proc/sys .*ro,' /proc/self/mountinfo");
	const char *want = at("%D/runs/c1\nnobody\n%D:\nruns\n\n%D/runs:\nc1\nof the host\nmine\nsesame\nRead-only\nRead-only\n"
			      "Read-only\ndenied\n1\n");
	assert_string_equal(read_text("%D/runs/c1/stdout"), want);
	assert_int_equal(access("/no", F_OK), -1);
	assert_int_equal(access(at("%D/runs/c1/x"), F_OK), 0);
	/* Over a link of the root, over what is read-only. */
	assert_int_equal(run("c2", "{\"mode\":\"RW\",\"container_path\":\"/dev/fd/x\",\"host_path\":\"%D/host/sub\"}", "", "true"),
			 -ELOOP);
	assert_int_equal(run("c3", "{\"mode\":\"RW\",\"container_path\":\"/usr/no/where\",\"host_path\":\"%D/host/sub\"}", "", "true"),
			 -EROFS);
	assert_non_null(strstr(life.run.message, "Cannot make the mount point '/usr/no/where'"));
}

/* The host's path has become a link since it was looked at. */
static void exchanged_paths(void **state)
{
	(void)state;
	NEEDS_ROOT();
	char dir[] = "/var/tmp/mezzo-own-root-XXXXXX", path[64], yaml[100];
	struct mz_err err = {0};
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/listed", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(tear_down(NULL), 0);
	snprintf(yaml, sizeof(yaml), "host_paths: [%s]", path);
	fs_settings = yaml;
	assert_int_equal(set_up(NULL), 0);
	fs_settings = NULL;
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/root", path), 0);
	int rc = run("c1", "", "", "true");
	assert_int_equal(tree_remove(dir, &err), 0);
	assert_int_equal(rc, -ELOOP);
	assert_non_null(strstr(life.run.message, "Cannot open what is to be mounted"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hidden_paths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(volumes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(swapped_sources, set_up, tear_down),
		cmocka_unit_test_setup_teardown(swapped_targets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(secrets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_root_of_its_own, set_up_own_root, tear_down),
		cmocka_unit_test_setup_teardown(swapped_targets, set_up_own_root, tear_down),
		cmocka_unit_test_setup_teardown(exchanged_paths, set_up, tear_down),
	};
	(void)argc;
	/* The build tree, from where the program is. */
	if (!realpath(argv[0], build))
		return 1;
	for (int i = 0; i < 4; i++)
		*strrchr(build, '/') = '\0';
	log_set_level(MZ_LOG_ERROR);
	if (geteuid()) {
		printf("1..0 # SKIP needs root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
