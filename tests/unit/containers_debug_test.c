/* containers_debug_test.c - debug containers, and terminals in a root file system of their own, with
 * real processes and the real I/O server; most need the launcher linux, and root.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "containers_io_world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define PID "ns 0x20000000\n"
#define MNT "ns 0x20000\n"
#define UTS "ns 0x4000000\n"
#define PROC "mount /proc - proc 14\n"

static const char list_ns[] = "for n in mnt pid uts ipc net cgroup user; do readlink /proc/self/ns/$n; done";

static void debugs_from_inside(void **state)
{
	struct life *l = *state;
	mz_autofree char *script = xasprintf("%s; echo known > /proc/self/comm; exec sleep 1000", list_ns);
	struct run *parent = start(l, "p", script, (struct how){.ordinary = true, .steps = PID MNT UTS PROC});
	while (!strstr(read_text(at("runs/%s/stdout", "p")), "user:"))
		loop_event_turn(l->loop, NS_PER_MS);
	/* What it asks for itself does not count: namespaces it has none of its own. Its
	 * output waits until somebody is there. */
	mz_autofree char *looks = xasprintf("%s; cat /proc/1/comm; ps -A -o comm=; cat /proc/self/cgroup >&2", list_ns);
	struct run *d = start(l, "p.d", looks, (struct how){.debug = true, .steps = PID UTS});
	struct client out = attach(l, "p.d", 'o');
	until_closed(l, &out);
	until(l, &d->exited);
	assert_int_equal(d->wait_status, 0);
	assert_int_equal(out.n_ends, 1);
	const char *theirs = read_text(at("runs/%s/stdout", "p"));
	assert_int_equal(strncmp(out.out, theirs, strlen(theirs)), 0);
	assert_non_null(strstr(out.out, "mezzo-init\n"));
	assert_non_null(strstr(out.out, "sleep\n"));
	char self[64] = "";
	assert_true(readlink("/proc/self/ns/pid", self, sizeof(self) - 1) > 0);
	assert_null(strstr(out.out, self));
	/* In its parent's cgroup or below it. */
	mz_autofree char *below = xasprintf("/%s/p", group);
	assert_non_null(strstr(out.err, below));
	client_done(&out);

	/* It ends alone, and with its parent. */
	mz_autofree char *again = xasprintf("echo here; (setsid sleep 1000 &) ; sleep 1000");
	d = start(l, "p.again", again, (struct how){.debug = true});
	out = attach(l, "p.again", 'o');
	until_output(l, &out, "here\n");
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, "p.again", &err), 0);
	until(l, &d->exited);
	until_closed(l, &out);
	assert_int_equal(out.n_ends, 1);
	assert_false(parent->exited);
	client_done(&out);
	d = start(l, "p.last", again, (struct how){.debug = true, .tty = true});
	out = attach(l, "p.last", 'o');
	until_output(l, &out, "here\r\n");
	assert_int_equal(l->c->ops->terminate(l->c, "p", &err), 0);
	until(l, &d->exited);
	until(l, &parent->exited);
	until_closed(l, &out);
	assert_int_equal(out.n_ends, 1);
	client_done(&out);
	d = launch(l, "p.none", "true", (struct how){.debug = true});
	assert_int_equal(d->code, -ENOENT);
}

/* The shipped isolators: it is where its parent is, and counts as its parent. */
static void debugs_with_isolators(void **state)
{
	struct life *l = *state;
	static const char *const real[] = {"filesystem_linux", "namespaces_pid", "namespaces_ipc", "namespaces_uts",
					   "cgroups_cpu", "cgroups_mem", "cgroups_pids", "cgroups_devices", NULL};
	if (access("/sys/fs/cgroup/memory", F_OK) < 0)
		return;
	life_end(l);
	isolators = real;
	life_begin(l);
	mz_autofree char *script = xasprintf("%s; grep -v freezer /proc/self/cgroup; echo whole; exec sleep 1000", list_ns);
	struct run *parent = start(l, "r", script, (struct how){.ordinary = true});
	while (!strstr(read_text(at("runs/%s/stdout", "r")), "whole"))
		loop_event_turn(l->loop, NS_PER_MS);
	mz_autofree char *looks = xasprintf("%s; grep -v freezer /proc/self/cgroup; echo whole; tty; ps -A -o comm=", list_ns);
	struct run *d = start(l, "r.d", looks, (struct how){.debug = true, .tty = true, .rows = 10, .columns = 20});
	struct client out = attach(l, "r.d", 'o');
	until_closed(l, &out);
	until(l, &d->exited);
	/* A terminal ends lines in its own way. */
	char *to = out.out;
	for (char *from = out.out; (*to = *from); from++)
		to += *from != '\r';
	const char *theirs = read_text(at("runs/%s/stdout", "r"));
	if (strncmp(out.out, theirs, strlen(theirs)))
		fail_msg("%s is not %s", out.out, theirs);
	assert_non_null(strstr(out.out, "/dev/pts/"));
	assert_non_null(strstr(out.out, "sleep\n"));
	mz_autofree char *memory = xasprintf("memory:/%s/r\n", group);
	assert_non_null(strstr(out.out, memory));
	assert_int_equal(d->wait_status, 0);
	client_done(&out);
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, "r", &err), 0);
	until(l, &parent->exited);
}

/* Killed by its own cgroup, though isolators put it into its parent's. */
static void debugs_on_v2(void **state)
{
	struct life *l = *state;
	char dir[128], steps[256];
	static const char *const below[] = {"/mezzo", "/leaf", ""};
	if (access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK) < 0)
		return;
	life_end(l);
	hierarchy = "/sys/fs/cgroup/unified";
	life_begin(l);
	snprintf(dir, sizeof(dir), "%s/%s/v", hierarchy, group);
	assert_int_equal(mkdir(dir, 0755), 0);
	strcat(dir, "/leaf");
	assert_int_equal(mkdir(dir, 0755), 0);
	snprintf(steps, sizeof(steps), PID MNT PROC "cgroup %s\n", dir);
	struct run *parent = start(l, "v", "cat /proc/self/cgroup; exec sleep 1000", (struct how){.ordinary = true, .steps = steps});
	snprintf(steps, sizeof(steps), "cgroup %s\n", dir);
	struct run *d = start(l, "v.d", "setsid sleep 4242 & cat /proc/self/cgroup; echo here; sleep 1000",
			      (struct how){.debug = true, .steps = steps});
	struct client out = attach(l, "v.d", 'o');
	until_output(l, &out, "here\n");
	mz_autofree char *own = xasprintf("0::/%s/v/mezzo/d/self\n", group), *theirs = xasprintf("0::/%s/v/leaf\n", group);
	assert_non_null(strstr(out.out, own));
	while (!strstr(read_text(at("runs/%s/stdout", "v")), theirs))
		loop_event_turn(l->loop, NS_PER_MS);
	client_done(&out);
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, "v.d", &err), 0);
	until(l, &d->exited);
	d = start(l, "v.ps", "ps -A -o args=", (struct how){.debug = true, .steps = steps});
	out = attach(l, "v.ps", 'o');
	until_closed(l, &out);
	until(l, &d->exited);
	assert_non_null(strstr(out.out, "sleep 1000"));
	assert_null(strstr(out.out, "4242"));
	client_done(&out);
	assert_int_equal(l->c->ops->terminate(l->c, "v", &err), 0);
	until(l, &parent->exited);
	for (size_t i = 0; i < MZ_N(below); i++) { /* an isolator's business */
		snprintf(dir, sizeof(dir), "%s/%s/v%s", hierarchy, group, below[i]);
		assert_true(rmdir(dir) == 0 || errno == ENOENT);
	}
}

/* It may be over before anybody could be there. */
static void debug_output_waits(void **state)
{
	struct life *l = *state;
	struct run *parent = start(l, "w", "exec sleep 1000", (struct how){.ordinary = true});
	struct run *d = start(l, "w.d", "echo hello; echo there >&2", (struct how){.debug = true});
	while (!strstr(read_text(at("run/containers/%s", "w.d")), "exit 0"))
		loop_event_turn(l->loop, NS_PER_MS);
	assert_false(d->exited);
	struct client out = attach(l, "w.d", 'o');
	until_closed(l, &out);
	assert_string_equal(out.out, "hello\n");
	assert_string_equal(out.err, "there\n");
	assert_int_equal(out.n_ends, 1);
	until(l, &d->exited);
	client_done(&out);
	/* One that does not start waits for nobody. */
	const char *const argv[] = {"/no/such/program", NULL};
	struct run *bad = run_new("w.bad");
	struct container_config cfg = {.id = "w.bad",
				       .parent = "w",
				       .directory = at("runs/%s", "w.bad"),
				       .argv = argv,
				       .attachable = true,
				       .container_class = MZ_CONTAINER_DEBUG};
	l->c->ops->launch(l->c, &cfg, on_launched, bad);
	until(l, &bad->launched);
	assert_int_equal(bad->code, -ENOENT);
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, "w", &err), 0);
	until(l, &parent->exited);
}

static void debug_has_no_files_of_its_own(void **state)
{
	struct life *l = *state;
	struct run *parent = start(l, "f", "exec sleep 1000", (struct how){.ordinary = true});
	struct run *d = launch(l, "f.d", "true", (struct how){.debug = true, .steps = PROC});
	assert_int_equal(d->code, -EINVAL);
	assert_non_null(strstr(d->message, "no file system of its own"));
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, "f", &err), 0);
	until(l, &parent->exited);
}

/* A small root file system with nothing but busybox in it. */
static bool make_rootfs(void)
{
	const char *busybox = access("/bin/busybox", X_OK) == 0 ? "/bin/busybox" : "/usr/bin/busybox";
	if (access(busybox, X_OK) < 0)
		return false;
	mz_autofree char *script = xasprintf("set -e; mkdir -p %s/rootfs/bin %s/rootfs/dev; cp %s %s/rootfs/bin/busybox; "
					     "for i in sh cat ls tty stty sleep test; do ln -s busybox %s/rootfs/bin/$i; done",
					     root, root, busybox, root, root);
	return system(script) == 0;
}

static void terminal_in_a_rootfs(void **state)
{
	struct life *l = *state;
	if (!make_rootfs())
		return;
	mz_autofree char *steps = xasprintf(PID MNT "rootfs %s/rootfs\n" PROC "dev /dev/tty 020666 5 0\n", root);
	struct run *r = start(l, "root", "tty; stty size; echo x > /dev/tty; echo y > /dev/console; read z; echo $z",
			      (struct how){.tty = true, .steps = steps, .user = "nobody"});
	struct client out = attach(l, "root", 'o'), in = attach(l, "root", 'i');
	while (!strstr(read_text(at("runs/%s/stdout", "root")), "y\r\n")) /* or its echo is in between */
		loop_event_turn(l->loop, NS_PER_MS);
	say(&in, "hello\n");
	until_closed(l, &out);
	until(l, &r->exited);
	assert_int_equal(r->wait_status, 0);
	const char *log = read_text(at("runs/%s/stdout", "root"));
	assert_non_null(strstr(log, "/dev/console\r\n"));
	assert_non_null(strstr(log, "24 80\r\nx\r\ny\r\n"));
	/* Echoed, and then said. */
	assert_non_null(strstr(out.out, "hello\r\n"));
	assert_int_equal(out.n_ends, 1);
	client_done(&out);
	client_done(&in);
	/* Nothing of it is left in the image but where it was mounted. */
	struct stat st;
	assert_int_equal(stat(at("rootfs/dev/%s", "console"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* Its user is another one outside, and the terminal is that one's. */
static void terminal_in_a_user_namespace(void **state)
{
	struct life *l = *state;
	static const char steps[] = PID MNT "ns 0x10000000\n" PROC "map 0 0 65534 1\nmap 1 0 65534 1\n";
	struct run *r = start(l, "users", "id -u; stat -c %u $(tty); echo by name > $(tty); test -t 0 && exit 9",
			      (struct how){.tty = true, .steps = steps, .user = "nobody"});
	until(l, &r->exited);
	assert_int_equal(WEXITSTATUS(r->wait_status), 9);
	assert_string_equal(read_text(at("runs/%s/stdout", "users")), "0\r\n0\r\nby name\r\n");
}

/* Whoever it is outside may open by name what it has: alone, and nested in a container that has
 * the user namespace. */
static void names_in_a_user_namespace(void **state)
{
	static const char map[] = MNT "ns 0x10000000\nmap 0 0 100000 65536\nmap 1 0 100000 65536\n";
	struct life *l = *state;
	mz_autofree char *above = xasprintf("%sgive 100000", map);
	struct run *parent = start(l, "names", "exec sleep 1000", (struct how){.ordinary = true, .steps = above});
	for (int i = 0; i < 8; i++) {
		struct how how = {.tty = i & 1, .user = i & 2 ? "nobody" : NULL};
		mz_autofree char *id = xasprintf("names%s%d", i & 4 ? "." : "", i);
		mz_autofree char *steps = xasprintf("%sgive %s", i & 4 ? "" : map, how.user ? "165534" : "100000");
		how.steps = steps;
		struct run *r = start(l, id, "id -u; stat -Lc %u /dev/stdout; echo by name > /dev/stdout; exit 9", how);
		until(l, &r->exited);
		assert_int_equal(WEXITSTATUS(r->wait_status), 9);
		const char *user = how.user ? "65534" : "0", *end = how.tty ? "\r\n" : "\n";
		mz_autofree char *want = xasprintf("%s%s%s%sby name%s", user, end, user, end, end);
		assert_string_equal(read_text(at("runs/%s/stdout", id)), want);
	}
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, "names", &err), 0);
	until(l, &parent->exited);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest posix_only[] = {TEST(debug_output_waits, on_posix), cmocka_unit_test(launcher_linux)};
	const struct CMUnitTest both[] = {
		TEST(debug_output_waits, on_posix),
		TEST(debugs_from_inside, on_linux),
		TEST(debugs_with_isolators, on_linux),
		TEST(debugs_on_v2, on_linux),
		TEST(debug_output_waits, on_linux),
		TEST(debug_has_no_files_of_its_own, on_linux),
		TEST(terminal_in_a_rootfs, on_linux),
		TEST(terminal_in_a_user_namespace, on_linux),
		TEST(names_in_a_user_namespace, on_linux),
	};
	bool has_linux;
	if (!begin(argc, argv, &has_linux))
		return 1;
	return has_linux ? cmocka_run_group_tests(both, NULL, NULL) : cmocka_run_group_tests(posix_only, NULL, NULL);
}
