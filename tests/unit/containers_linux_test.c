/* containers_linux_test.c - real containers under the launcher linux, seen from their inside: what
 * they have, and what is out of their reach. How they end is in containers_linux_end_test.c. Root
 * only; needs a hierarchy of the freezer or cgroup v2, and the file-system tests a static busybox.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "containers_linux_world.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "module/containers_real.h"
#include "os/tree.h"

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

/* Under both launchers: signals of a terminal or of a group reach nobody else. */
static void leads_a_session(void **state)
{
	struct life *l = *state;
	static const struct {
		const char *launcher, *id, *steps;
	} cases[] = {{"linux", "own", ""}, {"linux", "inner", PID MNT "mount /proc - proc 14\n"}, {"posix", "posix", ""}};
	for (size_t i = 0; i < MZ_N(cases); i++) {
		int pid = 0, pgrp = 0, session = 0;
		if (strcmp(launcher, cases[i].launcher)) {
			life_end(l);
			launcher = cases[i].launcher;
			life_begin(l);
		}
		struct run *r = launch(l, cases[i].id, cases[i].steps, "set -- $(cat /proc/$$/stat); echo $1 $5 $6");
		until_end(l, r);
		const char *out = read_text(at("runs/%s/stdout", cases[i].id));
		if (sscanf(out, "%d %d %d", &pid, &pgrp, &session) != 3 || pid != pgrp || pid != session)
			fail_msg("%s: pid, group and session are %s", cases[i].id, out);
	}
	launcher = "linux";
}

/* Of a container's environment, those that run with more rights than it get nothing. */
static void keeps_its_environment(void **state)
{
	struct life *l = *state;
	mz_autofree char *hook = xstrdup(at("%s", "hook")), *steps = xasprintf(PID MNT "hook %s\n", hook);
	char environ[64];
	FILE *f = fopen(hook, "w");
	fprintf(f, "#!/bin/sh\ntr '\\0' '\\n' </proc/self/environ >%s/hook-environment\n", root);
	assert_int_equal(fchmod(fileno(f), 0700), 0);
	fclose(f);
	struct run *r = launch(l, "environment", steps, "env; exec sleep 1000");
	until(l, &r->launched);
	assert_string_equal(r->message, "");
	until_text(l, at("runs/%s/stdout", "environment"));
	assert_non_null(strstr(read_text(at("runs/%s/stdout", "environment")), "STEPS="));
	assert_string_equal(read_text(at("%s", "hook-environment")), "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n");
	snprintf(environ, sizeof(environ), "/proc/%d/environ", shim_of("environment"));
	assert_string_equal(read_text(environ), "");
	terminate(l, r);
	until_end(l, r);
	assert_nothing_left(l);
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
		"mode=755\ndev /dev/null 020666 1 3\nfile /etc/resolv.test 0644 nameserver\nfile /trap/leak 0600 inside\n"
		"mount /data/deep %s/shared - 4097\nmask /etc/secret\nmask /etc/hidden\nmask /not/there\nro /etc\ndir /data\nhook /usr/bin/touch %s/hooked",
		root, root, root);
	assert_int_equal(mkdir(at("%s", "shared"), 0755), 0);
	mz_autofree char *more = xasprintf("cd %s; echo secret > rootfs/etc/secret; mkdir rootfs/etc/hidden rootfs/data; "
					   "echo x > rootfs/etc/hidden/x; echo hello > shared/file", root);
	assert_int_equal(system(more), 0);
	struct run *r = launch(l, "root", steps,
			       "hostname; pwd; ls /; ps | head -n 3; cat /etc/secret; ls /etc/hidden; cat /etc/resolv.test; echo; "
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

/* Rather than with a part of it. */
static void refuses_a_long_map(void **state)
{
	struct life *l = *state;
	mz_autobuf struct buf steps = {0};
	buf_adds(&steps, "ns 0x10000000\nmap 1 0 100000 1000\n");
	for (int i = 0; i < 40; i++)
		buf_addf(&steps, "map 0 %d %d 10\n", i * 10, 100000 + i * 10);
	struct run *r = launch(l, "long", buf_str(&steps), "exit 0");
	until_end(l, r);
	assert_int_equal(r->code, -E2BIG);
	assert_non_null(strstr(r->message, "Cannot map user ids: there are too many ranges"));
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

/* The sandbox is its user's, who can put a link there. */
static void follows_no_link_for_output(void **state)
{
	struct life *l = *state;
	struct mz_err err;
	static const char *const launchers[] = {"linux", "posix"}, *const names[] = {"stdout", "stderr"};
	for (size_t i = 0; i < 4; i++) {
		char id[32];
		snprintf(id, sizeof(id), "%s-%s", launchers[i / 2], names[i % 2]);
		if (i % 2 == 0) {
			launcher = launchers[i / 2];
			life_end(l);
			life_begin(l);
		}
		assert_int_equal(tree_make(at("runs/%s", id), 0755, &err), 0);
		mz_autofree char *link = xasprintf("%s/runs/%s/%s", root, id, names[i % 2]);
		assert_int_equal(symlink(at("%s", "elsewhere"), link), 0);
		struct run *r = launch(l, id, "", "exit 0");
		until_end(l, r);
		assert_int_equal(r->code, -ELOOP);
		assert_non_null(strstr(r->message, "Cannot open the output file"));
		assert_int_equal(access(at("%s", "elsewhere"), F_OK), -1);
	}
	launcher = "linux";
}

/* Nor for a mount point, where an isolator knows that others may write to what is above it. */
static void mounts_over_no_link(void **state)
{
	struct life *l = *state;
	static const struct {
		const char *step, *target, *message;
		int code;
	} cases[] = {
		{"exact", "dir/there", "", 0},
		{"made", "dir/new", "", 0},
		{"mount", "link/there", "", 0},
		{"exact", "link/there", "Cannot open the mount point", -ELOOP},
		{"made", "link/there", "Cannot make the mount point", -ELOOP},
		{"made", "link/newer", "Cannot make the mount point", -ELOOP},
		{"made", "link/and/newer", "Cannot make the mount point", -ELOOP},
		{"exact", "dir/last", "Cannot open the mount point", -ELOOP},
	};
	mz_autofree char *make = xasprintf("cd %s && mkdir -p dir/there shared && ln -s dir link && ln -s there dir/last && echo x > shared/file", root);
	assert_int_equal(system(make), 0);
	for (size_t i = 0; i < MZ_N(cases); i++) {
		char id[16];
		snprintf(id, sizeof(id), "over%zu", i);
		mz_autofree char *steps = xasprintf(MNT "%s %s/%s %s/shared - 4096\n", cases[i].step, root, cases[i].target, root);
		mz_autofree char *script = xasprintf("cat %s/%s/file", root, cases[i].target);
		struct run *r = launch(l, id, steps, script);
		until_end(l, r);
		assert_int_equal(r->code, cases[i].code);
		assert_non_null(strstr(r->message, cases[i].message));
		if (r->code == 0)
			assert_string_equal(read_text(at("runs/%s/stdout", id)), "x\n");
		assert_nothing_left(l);
	}
	assert_int_equal(access(at("%s", "dir/newer"), F_OK), -1);
	assert_int_equal(access(at("%s", "dir/and"), F_OK), -1);
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
	mz_autofree char *more = xasprintf("cd %s/rootfs && mknod etc/hosts.test c 1 3 && mkdir dev proc && echo data > dev/null && "
					   "echo secret > etc/secret", root);
	mz_autofree char *steps = xasprintf(PID MNT "rootfs %s/rootfs\nfile /etc/hosts.test 0644 text\n", root);
	assert_int_equal(system(more), 0);
	struct run *r = launch(l, "device", steps, "exit 0");
	until_end(l, r);
	assert_int_equal(r->code, -EINVAL);
	assert_non_null(strstr(r->message, "Cannot write the file '/etc/hosts.test'"));
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

/* As if the parent had ended, and its pid were another process's. */
static void enters_nobody_else(void **state)
{
	struct life *l = *state;
	if (access("/sys/fs/cgroup/freezer/tasks", W_OK) < 0)
		skip();
	struct run *r = launch(l, "gone", PID MNT, "exec sleep 1000");
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	put_number("/sys/fs/cgroup/freezer/tasks", r->pid);
	struct run *n = launch(l, "gone.sub", "", "exit 0");
	until_end(l, n);
	assert_int_equal(n->code, -ESRCH);
	assert_non_null(strstr(n->message, "the parent: it has ended"));
	mz_autofree char *dir = group_of(l, "gone"), *tasks = xasprintf("%s/tasks", dir);
	put_number(tasks, r->pid);
	n = launch(l, "gone.two", "", "exit 0");
	until_end(l, n);
	assert_string_equal(n->message, "");
	assert_int_equal(n->code, 0);
	terminate(l, r);
	until_end(l, r);
	assert_nothing_left(l);
}

static void works_on_v2(void **state)
{
	on_v2(*state);
	isolates_the_first_process(state);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_how_it_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(passes_signals_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(leads_a_session, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_its_environment, set_up, tear_down),
		cmocka_unit_test_setup_teardown(isolates_the_first_process, set_up, tear_down),
		cmocka_unit_test_setup_teardown(has_a_root_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(maps_users, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_a_long_map, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits_rights, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tells_what_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_not_left_by_a_descriptor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(executes_nothing_by_a_descriptor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gives_pid_1_few_rights, set_up, tear_down),
		cmocka_unit_test_setup_teardown(follows_no_link_for_output, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mounts_over_no_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(does_not_wait_for_a_pipe, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_no_device_for_a_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(has_keys_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(joins_cgroups, set_up, tear_down),
		cmocka_unit_test_setup_teardown(enters_nobody_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(works_on_v2, set_up, tear_down),
	};
	(void)argc;
	int status = cannot_run(argv[0]);
	return status ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
