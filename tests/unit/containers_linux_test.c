/* containers_linux_test.c - real containers under the launcher linux: seen from their
 * inside, killed from everywhere, and looked for afterwards. Root only; needs
 * a hierarchy of the freezer or cgroup v2, and the file-system tests a static busybox.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "containers_world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "loop/loop_event.h"
#include "model/resources.h"
#include "module/containers_real.h"
#include "os/tree.h"

static const char *launcher = "linux";

static void life_begin(struct life *l)
{
	char text[700];
	life_open(l);
	snprintf(text, sizeof(text), "%s/tests/unit/steps_isolator.so", build);
	life_add(l, MZ_KIND_ISOLATOR, text, NULL);
	snprintf(text, sizeof(text), "{init: %s/core/bin/mezzo-init, launcher: %s}", build, launcher);
	life_add(l, MZ_KIND_CONTAINERIZER, "mesos", text);
}

static void life_end(struct life *l)
{
	until_idle(l);
	life_close(l);
}

static struct run *launch_argv(struct life *l, const char *id, const char *steps, const char *user,
			       const char *const *argv)
{
	mz_autofree char *variable = xasprintf("STEPS=%s", steps), *parent = xstrdup(id);
	const char *const env[] = {"PATH=/usr/bin:/bin", variable, NULL};
	struct run *r = run_new(id);
	resources *res = res_new();
	struct mz_err err;
	char *dot = strrchr(parent, '.');
	if (dot)
		*dot = '\0';
	assert_int_equal(res_parse("cpus:1;mem:32;disk:1", NULL, res, &err), 0);
	struct container_config cfg = {.id = id,
				       .parent = dot ? parent : NULL,
				       .framework_id = "f",
				       .executor_id = "e",
				       .user = user,
				       .directory = at("runs/%s", id),
				       .argv = argv,
				       .env = env,
				       .resources = res};
	l->c->ops->launch(l->c, &cfg, on_launched, r);
	res_free(res);
	return r;
}

static struct run *launch(struct life *l, const char *id, const char *steps, const char *script)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	return launch_argv(l, id, steps, NULL, argv);
}

static void until_text(struct life *l, const char *path)
{
	mz_autofree char *own = xstrdup(path);
	for (int i = 0; i < 60000 && !strchr(read_text(own), '\n'); i++)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_non_null(strchr(read_text(own), '\n'));
}

static void terminate(struct life *l, struct run *r)
{
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, r->id, &err), 0);
}

/* Our container's cgroup, wherever it is killed by. */
static char *group_of(struct life *l, const char *id)
{
	return xasprintf("%s%s/%s%s%s", l->hierarchy, access("/sys/fs/cgroup/freezer", F_OK) || strlen(l->hierarchy) > 14 ?
			 "" : "/freezer", group, id[0] ? "/" : "", id);
}

/* Dead, but for a zombie that pid 1 of the machine has not taken yet. */
static bool lives(int pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	const char *text = read_text(path), *s = strrchr(text, ')');
	return strcmp(text, "(none)") && s && s[2] != 'Z' && s[2] != 'X';
}

/* It has left its cgroup a moment before it counts as ended. */
static void until_dead(struct life *l, int pid)
{
	while (lives(pid))
		loop_event_turn(l->loop, NS_PER_MS);
}

static int n_in(const char *path, bool folders)
{
	int n = 0;
	DIR *d = opendir(path);
	struct dirent *e;
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.' && (!folders || e->d_type == DT_DIR);
	if (d)
		closedir(d);
	return n;
}

/* No cgroup and no mount of ours. */
static void assert_nothing_left(struct life *l)
{
	mz_autofree char *dir = group_of(l, "");
	assert_int_equal(access(dir, F_OK), strcmp(launcher, "linux") ? -1 : 0);
	assert_int_equal(n_in(dir, true), 0);
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[4096];
	while (fgets(line, sizeof(line), f))
		assert_null(strstr(line, root));
	fclose(f);
}

static int set_up(void **state)
{
	static struct life l;
	if (make_root("linux") < 0)
		return -1;
	l.hierarchy = "/sys/fs/cgroup";
	life_begin(&l);
	*state = &l;
	return 0;
}

static int tear_down(void **state)
{
	struct life *l = *state;
	life_end(l);
	mz_autofree char *dir = group_of(l, "");
	if (access(dir, F_OK) == 0) {
		fprintf(stderr, "'%s' is left behind\n", dir);
		return -1;
	}
	return tree_remove(root, NULL);
}

/* A small root file system with nothing but busybox in it. */
static void make_rootfs(void)
{
	const char *busybox = access("/bin/busybox", X_OK) == 0 ? "/bin/busybox" : "/usr/bin/busybox";
	if (access(busybox, X_OK) < 0)
		skip();
	mz_autofree char *script = xasprintf("set -e; mkdir -p %s/rootfs/bin %s/rootfs/etc; cp %s %s/rootfs/bin/busybox; "
					     "for i in sh cat ls id ps echo hostname mkdir touch readlink head sleep test; do "
					     "ln -s busybox %s/rootfs/bin/$i; done; ln -s ../../../../../../etc %s/rootfs/trap",
					     root, root, busybox, root, root, root);
	assert_int_equal(system(script), 0);
}

/* ---- tests ------------------------------------------------------------------------ */

#define PID "ns 0x20000000\n"
#define MNT "ns 0x20000\n"

static void tells_how_it_ended(void **state)
{
	struct life *l = *state;
	static const char *const steps[] = {"", PID, PID MNT "ns 0x4000000\nns 0x8000000\nns 0x40000000\nns 0x2000000\n"};
	for (size_t i = 0; i < MZ_N(steps); i++) {
		char id[3][32];
		for (size_t k = 0; k < 3; k++)
			snprintf(id[k], sizeof(id[k]), "c%zu%zu", i, k);
		struct run *ok = launch(l, id[0], steps[i], "exit 0"), *seven = launch(l, id[1], steps[i], "exit 7"),
			   *killed = launch(l, id[2], steps[i], "kill -SEGV $$");
		until_end(l, ok);
		until_end(l, seven);
		until_end(l, killed);
		assert_string_equal(ok->message, "");
		assert_int_equal(ok->code, 0);
		assert_int_equal(ok->wait_status, 0);
		assert_true(WIFEXITED(seven->wait_status));
		assert_int_equal(WEXITSTATUS(seven->wait_status), 7);
		assert_true(WIFSIGNALED(killed->wait_status));
		assert_int_equal(WTERMSIG(killed->wait_status), SIGSEGV);
	}
	const char *const none[] = {"/no/such/program", NULL};
	struct run *r = launch_argv(l, "none", PID, NULL, none);
	until_end(l, r);
	assert_int_equal(r->code, -ENOENT);
	assert_non_null(strstr(r->message, "/no/such/program"));
	assert_nothing_left(l);
}

static void passes_signals_on(void **state)
{
	struct life *l = *state;
	struct mz_err err;
	static const char *const steps[] = {"", PID};
	for (size_t i = 0; i < 2; i++) {
		char id[16];
		snprintf(id, sizeof(id), "s%zu", i);
		struct run *r = launch(l, id, steps[i], "trap 'exit 9' USR1; echo > ready; while :; do sleep 0.01; done");
		until(l, &r->launched);
		until_text(l, at("runs/%s/ready", id));
		assert_int_equal(l->c->ops->kill(l->c, id, SIGUSR1, &err), 0);
		until_end(l, r);
		assert_true(WIFEXITED(r->wait_status));
		assert_int_equal(WEXITSTATUS(r->wait_status), 9);
	}
}

/* What isolate gets is already where the payload will be. */
static void isolates_the_first_process(void **state)
{
	struct life *l = *state;
	struct run *r = launch(l, "first", PID, "readlink /proc/self/ns/pid; ls -d /proc/[0-9]* | wc -l; exec sleep 1000");
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	until_text(l, at("runs/%s/stdout", "first"));
	char want[64];
	snprintf(want, sizeof(want), "pid %d\n", r->pid);
	const char *told = read_text(at("runs/%s/isolated", "first")), *said = read_text(at("runs/%s/stdout", "first"));
	assert_non_null(strstr(told, want));
	snprintf(want, sizeof(want), "%.*s", (int)strcspn(said, "\n"), said);
	assert_int_equal(strncmp(want, "pid:[", 5), 0);
	assert_non_null(strstr(told, want));
	snprintf(want, sizeof(want), "/%s/first\n", group);
	assert_non_null(strstr(told, want));
	terminate(l, r);
	until_end(l, r);
	assert_nothing_left(l);
}

static void has_a_root_of_its_own(void **state)
{
	struct life *l = *state;
	make_rootfs();
	mz_autofree char *steps = xasprintf(
		PID MNT "ns 0x4000000\nns 0x8000000\nhost inner\nrootfs %s/rootfs\nmount /proc - proc 14\nmount /dev tmpfs tmpfs 2 0 "
		"mode=755\ndev /dev/null 020666 1 3\nfile /etc/resolv.conf 0644 nameserver\nfile /trap/leak 0600 inside\n"
		"mount /data/deep %s/shared - 4097\nmask /etc/secret\nmask /etc/hidden\nmask /not/there\nro /etc\ndir /data\nhook /usr/bin/touch %s/hooked",
		root, root, root);
	assert_int_equal(mkdir(at("%s", "shared"), 0755), 0);
	mz_autofree char *more = xasprintf("cd %s; echo secret > rootfs/etc/secret; mkdir rootfs/etc/hidden rootfs/data; "
					   "echo x > rootfs/etc/hidden/x; echo hello > shared/file", root);
	assert_int_equal(system(more), 0);
	struct run *r = launch(l, "root", steps,
			       "hostname; pwd; ls /; ps | head -n 3; cat /etc/secret; ls /etc/hidden; cat /etc/resolv.conf; echo; "
			       "cat /data/deep/file; echo > /etc/new || echo read-only; echo > /data/deep/new || echo read-only; "
			       "echo > /dev/null && echo null; cat /etc/leak; echo; ls /data/deep; readlink /proc/1/exe; ls /proc/1/root/ | head -n 1");
	until_end(l, r);
	assert_string_equal(r->message, "");
	assert_int_equal(r->wait_status, 0);
	const char *out = read_text(at("runs/%s/stdout", "root"));
	static const char want[] = "inner\n/data\nbin\ndata\ndev\netc\nproc\ntrap\n"
				   "PID   USER     COMMAND\n    1 0        mezzo-init ";
	if (strncmp(out, want, sizeof(want) - 1))
		fail_msg("%s", out);
	assert_non_null(strstr(out, "nameserver\nhello\nread-only\nread-only\nnull\ninside\nfile\n/memfd:mezzo-init (deleted)\nbin\n"));
	assert_null(strstr(out, "secret\n"));
	assert_null(strstr(out, "hidden\nx"));
	assert_int_equal(access(at("%s", "hooked"), F_OK), 0);
	/* The link in the image led to the container's /etc, not to ours. */
	assert_int_equal(access("/etc/leak", F_OK), -1);
	assert_string_equal(read_text(at("%s", "rootfs/etc/leak")), "inside");
	assert_nothing_left(l);
}

static void maps_users(void **state)
{
	struct life *l = *state;
	make_rootfs();
	mz_autofree char *steps = xasprintf(PID MNT "ns 0x10000000\nrootfs %s/rootfs\nmount /proc - proc 14\nmap 0 0 100000 1000\n"
					    "map 1 0 100000 1000\ngive 100000\n", root);
	gid_t before[256], agents = 12345;
	int n_before = getgroups(256, before);
	assert_true(n_before >= 0);
	assert_int_equal(setgroups(1, &agents), 0);
	struct run *r = launch(l, "map", steps, "id -u; id -G; cat /proc/self/uid_map; touch /new || echo denied");
	until_end(l, r);
	assert_string_equal(r->message, "");
	assert_int_equal(r->wait_status, 0);
	assert_int_equal(setgroups((size_t)n_before, before), 0);
	assert_string_equal(read_text(at("runs/%s/stdout", "map")), "0\n0\n         0     100000       1000\ndenied\n");
	assert_nothing_left(l);
}

static void limits_rights(void **state)
{
	struct life *l = *state;
	char steps[256];
	snprintf(steps, sizeof(steps), "caps 0x400 0x400 0x400 0x401 0x400\nnnp\ndeny %d\n", SYS_mkdir);
	const char *const argv[] = {"/bin/sh", "-c", "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; mkdir x; mkdir -p y; id -un",
				    NULL};
	struct run *r = launch_argv(l, "caps", steps, "nobody", argv);
	until_end(l, r);
	assert_string_equal(r->message, "");
	assert_string_equal(read_text(at("runs/%s/stdout", "caps")),
			    "CapInh:\t0000000000000400\nCapPrm:\t0000000000000400\nCapEff:\t0000000000000400\n"
			    "CapBnd:\t0000000000000401\nCapAmb:\t0000000000000400\nNoNewPrivs:\t1\nSeccomp:\t2\nnobody\n");
	assert_non_null(strstr(read_text(at("runs/%s/stderr", "caps")), "Operation not permitted"));
}

static void tells_what_fails(void **state)
{
	struct life *l = *state;
	static const struct {
		const char *steps, *what;
		int code;
	} cases[] = {
		{MNT "rootfs /no/such/root", "/no/such/root", -ENOENT},
		{MNT "mount /tmp/x /no/source - 4096", "/no/source", -ENOENT},
		{"cgroup /sys/fs/cgroup/no-such-group", "no-such-group", -ENOENT},
		{"host inner", "Cannot set the host name 'inner'", -EINVAL},
		{MNT "hook /bin/false", "/bin/false", -EIO},
		{PID "dir /no/such/dir", "/no/such/dir", -ENOENT},
		/* It would be the host's root, if with few rights. */
		{"ns 0x10000000\nmap 0 5 100000 100\nmap 1 0 100000 100", "Cannot become root of the user namespace", -EINVAL},
		{"caps 0 0 0 0 0\ndeny 1", "", 0},
	};
	for (size_t i = 0; i < MZ_N(cases); i++) {
		char id[16];
		snprintf(id, sizeof(id), "f%zu", i);
		struct run *r = launch(l, id, cases[i].steps, "exit 0");
		until_end(l, r);
		assert_int_equal(r->code, cases[i].code);
		assert_non_null(strstr(r->message, cases[i].what));
		assert_nothing_left(l);
		assert_int_equal(access(at("run/containers/%s", id), F_OK), cases[i].code ? -1 : 0);
	}
}

/* A working directory that a descriptor of ours stands for would be outside. */
static void is_not_left_by_a_descriptor(void **state)
{
	struct life *l = *state;
	make_rootfs();
	for (int fd = 0; fd < 24; fd++) {
		char id[16];
		snprintf(id, sizeof(id), "d%d", fd);
		mz_autofree char *steps = xasprintf(PID MNT "rootfs %s/rootfs\nmount /proc - proc 14\ndir /proc/self/fd/%d\n", root, fd);
		struct run *r = launch(l, id, steps, "pwd; ls -a; ls ../../..");
		until_end(l, r);
		if (r->code == 0)
			fail_msg("Descriptor %d: %s", fd, read_text(at("runs/%s/stdout", id)));
		assert_non_null(strstr(r->message, "working directory '/proc/self/fd/"));
	}
	assert_nothing_left(l);
}

/* A program that a descriptor of ours leads to would be the host's, to be written to. */
static void executes_nothing_by_a_descriptor(void **state)
{
	struct life *l = *state;
	static const char *const kinds[] = {MNT, PID MNT}, *const of[] = {"self", "1"};
	make_rootfs();
	mz_autofree char *outside = xasprintf("cp %s/rootfs/bin/busybox %s/echo", root, root);
	assert_int_equal(system(outside), 0);
	for (int i = 0; i < 24 * 4; i++) {
		char id[16], path[64];
		snprintf(id, sizeof(id), "e%d", i);
		snprintf(path, sizeof(path), "/proc/%s/fd/%d/../../echo", of[i / 24 % 2], i % 24);
		mz_autofree char *steps = xasprintf("%srootfs %s/rootfs\nmount /proc - proc 14\n", kinds[i / 48], root);
		const char *const argv[] = {path, "out", NULL};
		struct run *r = launch_argv(l, id, steps, NULL, argv);
		until_end(l, r);
		if (r->code == 0)
			fail_msg("%s: %s", path, read_text(at("runs/%s/stdout", id)));
		assert_non_null(strstr(r->message, "Cannot execute '/proc/"));
	}
	assert_nothing_left(l);
}

/* Whoever could trace it would have what it has. */
static void gives_pid_1_few_rights(void **state)
{
	struct life *l = *state;
	static const char *const scripts[] = {"grep -E '^Cap(Prm|Eff)' /proc/1/status; while test \"$(ls /proc/1/fd)\"; do :; done; exit 9",
					      "trap 'exit 9' USR1; echo ready; while :; do sleep 1; done"};
	for (size_t i = 0; i < 2; i++) {
		const char *const argv[] = {"/bin/sh", "-c", scripts[i], NULL};
		struct mz_err err;
		struct run *r = launch_argv(l, i ? "signalled" : "asked", PID MNT "mount /proc - proc 14\n", i ? "nobody" : NULL, argv);
		until(l, &r->launched);
		until_text(l, at("runs/%s/stdout", r->id));
		if (i)
			assert_int_equal(l->c->ops->kill(l->c, r->id, SIGUSR1, &err), 0);
		until_end(l, r);
		assert_int_equal(WEXITSTATUS(r->wait_status), 9);
	}
	assert_string_equal(read_text(at("runs/%s/stdout", "asked")), "CapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n");
}

/* Nobody there would open its other end. */
static void does_not_wait_for_a_pipe(void **state)
{
	struct life *l = *state;
	struct mz_err err;
	static const char *const launchers[] = {"linux", "posix"};
	for (size_t i = 0; i < 2; i++) {
		launcher = launchers[i];
		life_end(l);
		life_begin(l);
		assert_int_equal(tree_make(at("runs/%s", launcher), 0755, &err), 0);
		assert_int_equal(mkfifo(at("runs/%s/stdout", launcher), 0644), 0);
		struct run *r = launch(l, launcher, "", "exit 0");
		until_end(l, r);
		assert_int_not_equal(r->code, 0);
		assert_non_null(strstr(r->message, "Cannot open the output file 'stdout'"));
	}
	launcher = "linux";
}

/* Neither one of an image, nor what a parent has put in the place of one. */
static void takes_no_device_for_a_file(void **state)
{
	struct life *l = *state;
	make_rootfs();
	mz_autofree char *more = xasprintf("cd %s/rootfs && mknod etc/hosts c 1 3 && mkdir dev proc && echo data > dev/null && "
					   "echo secret > etc/secret", root);
	mz_autofree char *steps = xasprintf(PID MNT "rootfs %s/rootfs\nfile /etc/hosts 0644 text\n", root);
	assert_int_equal(system(more), 0);
	struct run *r = launch(l, "device", steps, "exit 0");
	until_end(l, r);
	assert_int_equal(r->code, -EINVAL);
	assert_non_null(strstr(r->message, "Cannot write the file '/etc/hosts'"));
	free(steps);
	steps = xasprintf(PID MNT "rootfs %s/rootfs\nmount /proc - proc 14\n", root);
	r = launch(l, "above", steps, "exec sleep 1000");
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	struct run *n = launch(l, "above.sub", "mask /etc/secret\n", "cat /etc/secret");
	until_end(l, n);
	assert_int_equal(n->code, -ENODEV);
	assert_non_null(strstr(n->message, "Cannot mask '/etc/secret'"));
	terminate(l, r);
	until_end(l, r);
	assert_nothing_left(l);
}

/* What is possessed through the agent's session: its keys. */
static void has_keys_of_its_own(void **state)
{
	struct life *l = *state;
	if (syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL) < 0)
		skip();
	long key = syscall(SYS_add_key, "user", "mezzo-test", "secret", (size_t)6, -3 /* of the session */);
	if (key < 0)
		skip();
	const char *const argv[] = {"/bin/sh", "-c", "cat /proc/keys", NULL};
	struct run *r = launch_argv(l, "keys", "", "nobody", argv);
	until_end(l, r);
	assert_int_equal(r->code, 0);
	const char *keys = read_text(at("runs/%s/stdout", "keys"));
	assert_non_null(strstr(keys, "_ses"));
	assert_null(strstr(keys, "mezzo-test"));
}

static void joins_cgroups(void **state)
{
	struct life *l = *state;
	if (access("/sys/fs/cgroup/pids/cgroup.procs", F_OK) < 0)
		skip();
	char dir[128], steps[256], want[128];
	snprintf(dir, sizeof(dir), "/sys/fs/cgroup/pids/%s", group);
	assert_int_equal(mkdir(dir, 0755), 0);
	snprintf(dir, sizeof(dir), "/sys/fs/cgroup/pids/%s/in", group);
	assert_int_equal(mkdir(dir, 0755), 0);
	snprintf(steps, sizeof(steps), PID "cgroup %s\nns 0x2000000", dir);
	struct run *r = launch(l, "in", steps, "cat /proc/self/cgroup; echo > ready; exec sleep 1000");
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	until_text(l, at("runs/%s/ready", "in"));
	/* Its cgroup namespace begins at its cgroups. */
	assert_non_null(strstr(read_text(at("runs/%s/stdout", "in")), ":pids:/\n"));
	snprintf(want, sizeof(want), ":pids:/%s/in\n", group);
	assert_non_null(strstr(read_text(at("runs/%s/isolated", "in")), want));
	/* What is nested lives there, and in its namespaces, but is killed by itself. */
	struct run *n = launch(l, "in.sub", "", "readlink /proc/self/ns/pid; exec sleep 1000");
	until(l, &n->launched);
	assert_string_equal(n->message, "");
	until_text(l, at("runs/%s/stdout", "in.sub"));
	const char *told = read_text(at("runs/%s/isolated", "in.sub")), *said = read_text(at("runs/%s/stdout", "in.sub"));
	assert_non_null(strstr(told, want));
	snprintf(want, sizeof(want), "/%s/in/mezzo/sub\n", group);
	assert_non_null(strstr(told, want));
	snprintf(want, sizeof(want), "%.*s", (int)strcspn(said, "\n"), said);
	assert_non_null(strstr(read_text(at("runs/%s/isolated", "in")), want));
	terminate(l, n);
	until_end(l, n);
	assert_true(WIFSIGNALED(n->wait_status));
	assert_true(lives(r->pid));
	n = launch(l, "in.two", PID, "exec sleep 1000");
	until(l, &n->launched);
	assert_string_equal(n->message, "");
	terminate(l, r);
	until(l, &n->exited);
	until_end(l, r);
	assert_nothing_left(l);
	assert_int_equal(rmdir(dir), 0);
	*strrchr(dir, '/') = '\0';
	assert_int_equal(rmdir(dir), 0);
}

static void put(const char *path, int number)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%d", number);
	assert_int_equal(fclose(f), 0);
}

/* As if the parent had ended, and its pid were another process's. */
static void enters_nobody_else(void **state)
{
	struct life *l = *state;
	if (access("/sys/fs/cgroup/freezer/tasks", W_OK) < 0)
		skip();
	struct run *r = launch(l, "gone", PID MNT, "exec sleep 1000");
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	put("/sys/fs/cgroup/freezer/tasks", r->pid);
	struct run *n = launch(l, "gone.sub", "", "exit 0");
	until_end(l, n);
	assert_int_equal(n->code, -ESRCH);
	assert_non_null(strstr(n->message, "the parent: it has ended"));
	mz_autofree char *dir = group_of(l, "gone"), *tasks = xasprintf("%s/tasks", dir);
	put(tasks, r->pid);
	n = launch(l, "gone.two", "", "exit 0");
	until_end(l, n);
	assert_string_equal(n->message, "");
	assert_int_equal(n->code, 0);
	terminate(l, r);
	until_end(l, r);
	assert_nothing_left(l);
}

static const char bomb[] = "echo > ready; b() { b | b & b; }; for i in 1 2 3 4 5 6 7 8; do (while :; do /bin/true & done) & done; "
			   "while :; do (sleep 1000 &); done";

static void kills_what_forks(void **state)
{
	struct life *l = *state;
	static const char *const steps[] = {"", PID};
	for (size_t i = 0; i < 2; i++) {
		char id[16];
		snprintf(id, sizeof(id), "bomb%zu", i);
		struct run *r = launch(l, id, steps[i], bomb);
		until(l, &r->launched);
		assert_int_equal(r->code, 0);
		until_text(l, at("runs/%s/ready", id));
		for (int k = 0; k < 20; k++)
			loop_event_turn(l->loop, 5 * NS_PER_MS);
		terminate(l, r);
		until_end(l, r);
		assert_true(WIFSIGNALED(r->wait_status));
		assert_nothing_left(l);
	}
}

static int shim_of(const char *id)
{
	int pid = 0;
	assert_int_equal(sscanf(read_text(at("run/containers/%s", id)), "linux shim %d", &pid), 1);
	return pid;
}

/* By itself below its own group, or with its shim. */
static void kills_what_stands_still(void **state)
{
	struct life *l = *state;
	struct run *r = launch(l, "still", "", "sleep 1000 & echo $! > child; exec sleep 1000");
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	until_text(l, at("runs/%s/child", "still"));
	mz_autofree char *dir = group_of(l, "still"), *below = xasprintf("%s/below", dir), *tasks = xasprintf("%s/tasks", below);
	mz_autofree char *frozen = xasprintf("echo FROZEN > %s/freezer.state", below);
	if (access("/sys/fs/cgroup/freezer/tasks", W_OK) == 0) {
		assert_int_equal(mkdir(below, 0755), 0);
		put(tasks, atoi(read_text(at("runs/%s/child", "still"))));
		assert_int_equal(system(frozen), 0);
	}
	assert_int_equal(kill(shim_of("still"), SIGSTOP), 0);
	terminate(l, r);
	until_end(l, r);
	assert_true(WIFSIGNALED(r->wait_status));
	assert_nothing_left(l);
}

static void survives_no_shim(void **state)
{
	struct life *l = *state;
	static const char *const steps[] = {"", PID};
	for (size_t i = 0; i < 2; i++) {
		char id[16];
		snprintf(id, sizeof(id), "shim%zu", i);
		struct run *r = launch(l, id, steps[i],
				       "trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & wait' &); sleep 1000 & "
				       "echo > ready; wait");
		until(l, &r->launched);
		until_text(l, at("runs/%s/ready", id));
		assert_int_equal(kill(shim_of(id), SIGKILL), 0);
		until_end(l, r);
		assert_int_equal(r->wait_status, -1);
		assert_non_null(strstr(r->message, "shim"));
		until_dead(l, r->pid);
		assert_nothing_left(l);
	}
}

static void on_recovered(void *arg, const struct mz_err *err)
{
	assert_null(err);
	*(bool *)arg = true;
}

static void survives_the_agent(void **state)
{
	struct life *l = *state;
	static const char wait_then[] = "echo > ready; while ! test -e go; do sleep 0.02; done; exit $(cat go)";
	static const char *const ids[] = {"stays", "ends", "lost", "orphan"};
	struct run *r[4];
	char shim[4][16];
	for (int i = 0; i < 4; i++) {
		r[i] = launch(l, ids[i], PID, wait_then);
		until(l, &r[i]->launched);
		assert_int_equal(r[i]->code, 0);
		until_text(l, at("runs/%s/ready", ids[i]));
		snprintf(shim[i], sizeof(shim[i]), "%d", shim_of(ids[i]));
	}
	life_end(l);
	mz_autofree char *go = xasprintf("cd %s/runs; echo 9 > ends/x; mv ends/x ends/go", root);
	assert_int_equal(system(go), 0);
	assert_int_equal(waitpid(atoi(shim[1]), NULL, 0), atoi(shim[1]));
	/* Its cgroup is an orphan now. */
	kill(atoi(shim[2]), SIGKILL);
	assert_int_equal(waitpid(atoi(shim[2]), NULL, 0), atoi(shim[2]));
	mz_autofree char *left = group_of(l, "lost");
	assert_int_equal(access(left, F_OK), 0);

	life_begin(l);
	struct container_config cfg[3] = {0};
	const struct container_config *v[3];
	char dirs[3][200];
	bool done = false;
	for (int i = 0; i < 3; i++) {
		snprintf(dirs[i], sizeof(dirs[i]), "%s/runs/%s", root, ids[i]);
		cfg[i] = (struct container_config){.id = ids[i], .directory = dirs[i]};
		v[i] = &cfg[i];
	}
	l->c->ops->recover(l->c, v, 3, on_recovered, &done);
	until(l, &done);
	until(l, &r[1]->exited);
	until(l, &r[2]->exited);
	assert_int_equal(WEXITSTATUS(r[1]->wait_status), 9);
	assert_int_equal(r[2]->wait_status, -1);
	assert_int_equal(access(left, F_OK), -1);
	assert_int_equal(waitpid(atoi(shim[3]), NULL, 0), atoi(shim[3]));
	until_dead(l, r[3]->pid);
	assert_true(lives(r[0]->pid));
	assert_false(r[0]->exited);
	free(go);
	go = xasprintf("cd %s/runs; echo 5 > stays/x; mv stays/x stays/go", root);
	assert_int_equal(system(go), 0);
	until(l, &r[0]->exited);
	assert_int_equal(WEXITSTATUS(r[0]->wait_status), 5);
	assert_nothing_left(l);
}

static void destroys_in_every_state(void **state)
{
	struct life *l = *state;
	make_rootfs();
	mz_autofree char *steps = xasprintf(PID MNT "rootfs %s/rootfs\nmount /proc - proc 14\n", root);
	for (int turns = 0; turns < 16; turns++) {
		char id[32];
		snprintf(id, sizeof(id), "early%d", turns);
		struct run *r = launch(l, id, steps, "sleep 1000");
		for (int i = 0; i < turns && !r->launched; i++)
			loop_event_turn(l->loop, NS_PER_SEC);
		terminate(l, r);
		until_end(l, r);
		assert_true(r->code == -ECANCELED || (r->code == 0 && r->exited));
		assert_nothing_left(l);
	}
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void on_updated(void *arg, const struct mz_err *err)
{
	(void)err; /* either will do */
	assert_false(*(bool *)arg);
	*(bool *)arg = true;
}

static void on_measured(void *arg, struct mz_bytes statistics)
{
	(void)statistics;
	assert_false(*(bool *)arg);
	*(bool *)arg = true;
}

static void on_limits_known(void *arg, bool limited)
{
	assert_false(limited);
	assert_false(*(bool *)arg);
	*(bool *)arg = true;
}

/* Asks for what the isolator is then busy with; false: nobody asks for that. */
static bool ask(struct life *l, const char *id, const char *what, bool *answered)
{
	static const struct container_limits none;
	resources *res = res_new();
	bool asks = true;
	if (!strcmp(what, "update"))
		l->c->ops->update(l->c, id, res, &none, on_updated, answered);
	else if (!strcmp(what, "usage"))
		l->c->ops->usage(l->c, id, on_measured, answered);
	else if (!strcmp(what, "limited"))
		l->c->ops->limited(l->c, id, on_limits_known, answered);
	else
		asks = false;
	res_free(res);
	return asks;
}

/* The isolator's callback; its status is asked for at the launch and for limits. */
static const char *callback_of(const char *what)
{
	return strcmp(what, "limited") ? what : "status";
}

/* Destroyed while the isolator is busy with `what`: it waits for the answer where it must,
 * and ends as ever. */
static void destroy_while(struct life *l, const char *what)
{
	mz_autofree char *hold = xstrdup(at("hold-%s", callback_of(what))), *held = xstrdup(at("held-%s", callback_of(what)));
	bool answered = false, is_limited = !strcmp(what, "limited");
	bool starts = !strcmp(what, "prepare") || !strcmp(what, "isolate");
	char id[64];
	static int n;
	snprintf(id, sizeof(id), "busy-%s-%d", what, n++);
	if (!is_limited)
		touch(hold);
	struct run *r = launch(l, id, !strcmp(launcher, "linux") ? PID MNT : "", "sleep 1000 & sleep 1000");
	if (!starts)
		until(l, &r->launched);
	if (is_limited)
		touch(hold);
	bool asks = ask(l, id, what, &answered), waits = !asks && strcmp(what, "status") != 0;
	if (waits && !starts)
		terminate(l, r);
	until_text(l, held);
	terminate(l, r);
	for (int i = 0; waits && i < 20; i++) {
		loop_event_turn(l->loop, NS_PER_MS);
		assert_true(!r->exited && r->launched == !starts);
	}
	if (!waits) /* its end is not held up by a question */
		until_end(l, r);
	assert_false(answered);
	assert_int_equal(unlink(hold), 0);
	assert_int_equal(unlink(held), 0);
	until_end(l, r);
	assert_int_equal(r->code, starts ? -ECANCELED : 0);
	if (asks)
		until(l, &answered);
	until_idle(l);
	if (starts) /* the others' stay until the agent knows their end */
		assert_int_equal(access(at("run/containers/%s", id), F_OK), -1);
	assert_nothing_left(l);
}

static void destroy_in_hook(struct life *l)
{
	mz_autofree char *hook = xstrdup(at("%s", "hook")), *steps = xasprintf(PID MNT "hook %s\n", hook);
	FILE *f = fopen(hook, "w");
	fprintf(f, "#!/bin/sh\necho x > %s/held-hook\nexec sleep 1000\n", root);
	assert_int_equal(fchmod(fileno(f), 0700), 0);
	fclose(f);
	struct run *r = launch(l, "hook", steps, "sleep 1000");
	until_text(l, at("%s", "held-hook"));
	terminate(l, r);
	until_end(l, r);
	assert_int_equal(r->code, -ECANCELED);
	assert_nothing_left(l);
}

/* The container is over a limit before we know that it has started. */
static void ends_by_a_limit_while_it_starts(void **state)
{
	struct life *l = *state;
	mz_autofree char *hook = xstrdup(at("%s", "hook")), *steps = xasprintf(PID MNT "hook %s\n", hook);
	mz_autofree char *hold = xstrdup(at("%s", "hold-hook")), *limit = xstrdup(at("%s", "limit"));
	FILE *f = fopen(hook, "w");
	fprintf(f, "#!/bin/sh\necho x > %s/held-hook\nwhile test -e %s/hold-hook; do sleep 0.01; done\n", root, root);
	assert_int_equal(fchmod(fileno(f), 0700), 0);
	fclose(f);
	touch(hold);
	touch(at("%s", "may-limit"));
	struct run *r = launch(l, "limited", steps, "sleep 1000");
	until_text(l, at("%s", "held-hook"));
	touch(limit);
	while (access(limit, F_OK) == 0)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_int_equal(unlink(hold), 0);
	until_end(l, r);
	assert_int_equal(r->code, 0);
	assert_int_equal(r->reason, 8);
	assert_string_equal(r->message, "Too much of it");
	assert_nothing_left(l);
}

static void destroys_while_isolators_are_busy(void **state)
{
	static const char *const calls[] = {"prepare", "isolate", "update", "usage", "status", "limited", "cleanup"};
	struct life *l = *state;
	for (size_t i = 0; i < MZ_N(calls); i++)
		destroy_while(l, calls[i]);
	destroy_in_hook(l);
	life_end(l);
	launcher = "posix";
	life_begin(l);
	for (size_t i = 0; i < MZ_N(calls); i++)
		destroy_while(l, calls[i]);
	launcher = "linux";
}

/* The agent stops meanwhile: who comes next cleans up. */
static void stops_while_isolators_are_busy(void **state)
{
	static const char *const calls[] = {"prepare", "isolate", "update", "usage", "status", "limited", "cleanup"};
	struct life *l = *state;
	for (size_t i = 0; i < MZ_N(calls); i++) {
		const char *callback = callback_of(calls[i]);
		mz_autofree char *hold = xstrdup(at("hold-%s", callback)), *held = xstrdup(at("held-%s", callback));
		bool answered = false, done = false, is_limited = callback != calls[i];
		char id[64];
		snprintf(id, sizeof(id), "stop-%s", calls[i]);
		if (!is_limited)
			touch(hold);
		struct run *r = launch(l, id, PID MNT, "sleep 1000 & sleep 1000");
		if (i > 1)
			until(l, &r->launched);
		if (is_limited)
			touch(hold);
		if (!ask(l, id, calls[i], &answered) && !strcmp(calls[i], "cleanup"))
			terminate(l, r);
		until_text(l, held);
		life_end(l);
		assert_int_equal(unlink(hold), 0);
		assert_int_equal(unlink(held), 0);
		life_begin(l);
		l->c->ops->recover(l->c, NULL, 0, on_recovered, &done);
		until(l, &done);
		/* Nobody has named it: it is an orphan, which is destroyed. */
		mz_autofree char *dir = group_of(l, id);
		while (access(dir, F_OK) == 0 || n_in(at("%s", "run/containers"), false))
			loop_event_turn(l->loop, NS_PER_MS);
		assert_nothing_left(l);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static void works_on_v2(void **state)
{
	struct life *l = *state;
	if (access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK) < 0)
		skip();
	life_end(l);
	l->hierarchy = "/sys/fs/cgroup/unified";
	life_begin(l);
	isolates_the_first_process(state);
	kills_what_forks(state);
	survives_no_shim(state);
}

static void run_many(struct life *l, const char *steps)
{
	enum { N = 200 };
	struct run *r[N];
	const char *const argv[] = {"/bin/true", NULL};
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < N; i++) {
		char id[32];
		snprintf(id, sizeof(id), "%s%d", launcher, i);
		r[i] = launch_argv(l, id, steps, NULL, argv);
	}
	for (int i = 0; i < N; i++) {
		until_end(l, r[i]);
		assert_string_equal(r[i]->message, "");
		assert_int_equal(r[i]->wait_status, 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	print_message("%d containers launched and ended, launcher %s: %.0f a second\n", N, launcher,
		      N / ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9));
}

/* Not a test of speed: the numbers are printed, and all of them must have worked. */
static void runs_many(void **state)
{
	struct life *l = *state;
	run_many(l, PID MNT);
	assert_nothing_left(l);
	life_end(l);
	launcher = "posix";
	life_begin(l);
	run_many(l, "");
	launcher = "linux";
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_how_it_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(passes_signals_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(isolates_the_first_process, set_up, tear_down),
		cmocka_unit_test_setup_teardown(has_a_root_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(maps_users, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits_rights, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tells_what_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_not_left_by_a_descriptor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(executes_nothing_by_a_descriptor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gives_pid_1_few_rights, set_up, tear_down),
		cmocka_unit_test_setup_teardown(does_not_wait_for_a_pipe, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_no_device_for_a_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(has_keys_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(joins_cgroups, set_up, tear_down),
		cmocka_unit_test_setup_teardown(enters_nobody_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kills_what_forks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kills_what_stands_still, set_up, tear_down),
		cmocka_unit_test_setup_teardown(survives_no_shim, set_up, tear_down),
		cmocka_unit_test_setup_teardown(survives_the_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destroys_in_every_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_by_a_limit_while_it_starts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destroys_while_isolators_are_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stops_while_isolators_are_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(works_on_v2, set_up, tear_down),
		cmocka_unit_test_setup_teardown(runs_many, set_up, tear_down),
	};
	if (geteuid() != 0 || (access("/sys/fs/cgroup/freezer/cgroup.procs", W_OK) < 0 &&
			       access("/sys/fs/cgroup/cgroup.kill", F_OK) < 0 && access("/sys/fs/cgroup/cgroup.procs", W_OK) < 0)) {
		puts("1..0 # SKIP needs root and cgroups");
		return 77;
	}
	(void)argc;
	if (!find_build(argv[0]))
		return 1;
	log_set_level(MZ_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
