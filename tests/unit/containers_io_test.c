/* containers_io_test.c - attachable containers: their input, output and terminals, with
 * real processes and the real I/O server, under both launchers (linux as root only).
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

/* ---- tests --------------------------------------------------------------------------------- */

static void input_comes_back(void **state)
{
	struct life *l = *state;
	struct run *r = start(l, "cat", "echo begin >&2; cat; echo end >&2", (struct how){0});
	struct client out = attach(l, "cat", 'o'), in = attach(l, "cat", 'i');
	say(&in, "one\n");
	until_output(l, &out, "one\n");
	say(&in, "two\n");
	until_output(l, &out, "two\n");
	assert_false(r->exited);
	say(&in, ""); /* end of file */
	until_closed(l, &out);
	until(l, &r->exited);
	assert_int_equal(r->wait_status, 0);
	assert_string_equal(out.out, "one\ntwo\n");
	assert_int_equal(out.n_ends, 1);
	assert_true(strstr(out.err, "end\n") != NULL);
	until_closed(l, &in);
	assert_int_equal(in.n_in, 0);
	/* And it was written down. */
	assert_string_equal(read_text(at("runs/%s/stdout", "cat")), "one\ntwo\n");
	assert_string_equal(read_text(at("runs/%s/stderr", "cat")), "begin\nend\n");
	client_done(&out);
	client_done(&in);
	int fd;
	assert_int_equal(try_attach(l, "cat", &fd), -ENOENT);
	assert_int_equal(fd, -1);
}

static void without_anybody(void **state)
{
	struct life *l = *state;
	struct run *r = start(l, "alone", "echo hello; echo there >&2; exit 3", (struct how){0});
	until(l, &r->exited);
	assert_int_equal(WEXITSTATUS(r->wait_status), 3);
	assert_string_equal(read_text(at("runs/%s/stdout", "alone")), "hello\n");
	assert_string_equal(read_text(at("runs/%s/stderr", "alone")), "there\n");
	/* An ordinary one. */
	r = start(l, "plain", "read x || exit 4", (struct how){.ordinary = true});
	int fd;
	if (!r->exited)
		assert_int_equal(try_attach(l, "plain", &fd), r->exited ? -ENOENT : -EOPNOTSUPP);
	until(l, &r->exited);
	assert_int_equal(WEXITSTATUS(r->wait_status), 4);
	assert_int_equal(try_attach(l, "never", &fd), -ENOENT);
}

static void terminals(void **state)
{
	struct life *l = *state;
	static const char script[] = "tty; stty size; ps -o tty= -p $$ | tr -d ' '; echo x > /dev/tty; "
				     "echo ready; while read line; do echo \"got $line\"; stty size; done; echo over; exit 5";
	struct run *r = start(l, "tty", script, (struct how){.tty = true, .rows = 30, .columns = 100});
	struct client out = attach(l, "tty", 'o'), in = attach(l, "tty", 'i');
	/* Who comes late has missed something: it may not have the beginning. */
	say(&in, "hello\n");
	until_output(l, &out, "got hello\r\n");
	const unsigned char size[] = {50, 0, 132, 0};
	put_frame(in.fd, MZ_IO_WINDOW, size, 4);
	say(&in, "again\n");
	until_output(l, &out, "got again\r\n50 132\r\n");
	say(&in, ""); /* what ^D does */
	until_closed(l, &out);
	until(l, &r->exited);
	assert_int_equal(WEXITSTATUS(r->wait_status), 5);
	assert_non_null(strstr(out.out, "over\r\n"));
	assert_int_equal(out.n_ends, 1);
	assert_int_equal(out.n_err, 0);
	const char *log = read_text(at("runs/%s/stdout", "tty"));
	/* What was said is in between: it is echoed when it comes. */
	assert_non_null(strstr(log, "/dev/pts/"));
	assert_non_null(strstr(log, "30 100\r\n"));
	assert_non_null(strstr(log, "\npts/"));
	assert_non_null(strstr(log, "x\r\nready\r\n"));
	client_done(&out);
	client_done(&in);
}

static void control_c(void **state)
{
	struct life *l = *state;
	struct run *r = start(l, "int", "trap 'echo caught; exit 6' INT; echo ready; while :; do sleep 1; done",
			      (struct how){.tty = true});
	struct client out = attach(l, "int", 'o'), in = attach(l, "int", 'i');
	while (!strstr(read_text(at("runs/%s/stdout", "int")), "ready"))
		loop_event_turn(l->loop, NS_PER_MS);
	say(&in, "\003");
	until_closed(l, &out);
	until(l, &r->exited);
	assert_int_equal(WEXITSTATUS(r->wait_status), 6);
	assert_non_null(strstr(out.out, "caught\r\n"));
	client_done(&out);
	client_done(&in);
}

static void all_of_it(void **state)
{
	struct life *l = *state;
	enum { SIZE = 10 * 1000 * 1000 };
	struct run *r = start(l, "big", "read go; head -c 10000000 /dev/zero | tr '\\0' x; printf last",
			      (struct how){0});
	struct client a = attach(l, "big", 'o'), b = attach(l, "big", 'o'), in = attach(l, "big", 'i');
	say(&in, "go\n");
	for (int i = 0; i < 60000 && !(a.closed && b.closed); i++) {
		receive(&a);
		receive(&b);
		loop_event_turn(l->loop, 0);
	}
	until(l, &r->exited);
	struct client *both[] = {&a, &b};
	for (int i = 0; i < 2; i++) {
		assert_int_equal(both[i]->n_ends, 1);
		assert_int_equal(both[i]->n_out, SIZE + 4);
		assert_int_equal(strspn(both[i]->out, "x"), SIZE);
		assert_string_equal(both[i]->out + SIZE, "last");
		client_done(both[i]);
	}
	client_done(&in);
	struct stat st;
	assert_int_equal(stat(at("runs/%s/stdout", "big"), &st), 0);
	assert_int_equal(st.st_size, SIZE + 4);
}

static void who_stalls_is_cut(void **state)
{
	struct life *l = *state;
	life_end(l);
	stall = "1secs";
	life_begin(l);
	struct run *r = start(l, "slow", "read go; head -c 3000000 /dev/zero", (struct how){0});
	struct client slow = attach(l, "slow", 'o'), fast = attach(l, "slow", 'o'), in = attach(l, "slow", 'i');
	say(&in, "go\n");
	/* `slow` is not read at all. */
	until_closed(l, &fast);
	until(l, &r->exited);
	assert_int_equal(r->wait_status, 0);
	assert_int_equal(fast.n_out, 3000000);
	assert_int_equal(fast.n_ends, 1);
	until_closed(l, &slow);
	assert_int_equal(slow.n_ends, 0);
	assert_true(slow.n_out < 3000000);
	client_done(&slow);
	client_done(&fast);
	client_done(&in);
}

static void nonsense_cuts_who_says_it(void **state)
{
	struct life *l = *state;
	struct run *r = start(l, "strict", "cat", (struct how){0});
	struct client good = attach(l, "strict", 'o'), in = attach(l, "strict", 'i');
	static const unsigned char bad[][16] = {
		{9, 0, 0, 0, 0, 0, 0, 0},		     /* no such type */
		{MZ_IO_STDOUT, 0, 0, 0, 0, 0, 0, 0},	     /* not from there */
		{MZ_IO_STDIN, 0, 0, 0, 1, 0, 1, 0},	     /* too long */
		{MZ_IO_STDIN, 0, 0, 0, 255, 255, 255, 255},  /* far too long */
		{MZ_IO_STDIN, 1, 0, 0, 0, 0, 0, 0},	     /* not zero */
		{MZ_IO_WINDOW, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3}, /* too short */
		{MZ_IO_HELLO, 0, 0, 0, 1, 0, 0, 0, 'i'},     /* twice */
	};
	for (size_t i = 0; i < MZ_N(bad); i++) {
		struct client c = attach(l, "strict", 'i');
		put(c.fd, bad[i], HEAD + (bad[i][6] || bad[i][4] > 8 ? 0 : bad[i][4]));
		until_closed(l, &c);
		client_done(&c);
	}
	static const char hellos[] = "x";
	struct client c = {0};
	assert_int_equal(try_attach(l, "strict", &c.fd), 0);
	put_frame(c.fd, MZ_IO_HELLO, hellos, 1);
	until_closed(l, &c);
	client_done(&c);
	c = attach(l, "strict", 'o');
	say(&c, "output clients say nothing");
	until_closed(l, &c);
	client_done(&c);
	/* In two halves, and with somebody who goes away in between. */
	c = attach(l, "strict", 'i');
	put(c.fd, "\002\0\0", 3);
	client_done(&c);
	put(in.fd, "\002\0\0\0\003\0\0", 7);
	put(in.fd, "\0a", 2);
	put(in.fd, "b\n", 2);
	until_output(l, &good, "ab\n");
	say(&in, "");
	until_closed(l, &good);
	until(l, &r->exited);
	assert_string_equal(good.out, "ab\n");
	client_done(&good);
	client_done(&in);
}

static void killed_while_attached(void **state)
{
	struct life *l = *state;
	struct run *r = start(l, "kill", "echo here; cat; sleep 1000", (struct how){0});
	struct run *t = start(l, "killtty", "echo here; cat; sleep 1000", (struct how){.tty = true});
	struct client in = attach(l, "kill", 'i'), out = attach(l, "kill", 'o'), tty = attach(l, "killtty", 'o');
	say(&in, "and there\n");
	until_output(l, &out, "and there\n");
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, "kill", &err), 0);
	assert_int_equal(l->c->ops->terminate(l->c, "killtty", &err), 0);
	until_closed(l, &out);
	until_closed(l, &tty);
	until(l, &r->exited);
	until(l, &t->exited);
	assert_int_equal(out.n_ends, 1);
	assert_int_equal(tty.n_ends, 1);
	client_done(&in);
	client_done(&out);
	client_done(&tty);
}

static void on_recovered(void *arg, const struct mz_err *err)
{
	assert_null(err);
	*(bool *)arg = true;
}

static void recover(struct life *l, const char *id)
{
	struct container_config cfg = {.id = id, .directory = at("runs/%s", id)};
	const struct container_config *v[] = {&cfg};
	bool done = false;
	l->c->ops->recover(l->c, v, 1, on_recovered, &done);
	until(l, &done);
}

static int32_t shim_of(const char *id)
{
	const char *text = strstr(read_text(at("run/containers/%s", id)), "shim ");
	assert_non_null(text);
	return atoi(text + 5);
}

static void outlives_the_agent(void **state)
{
	struct life *l = *state;
	struct run *r = start(l, "stays", "cat; echo over; exit 7", (struct how){0});
	struct client old = attach(l, "stays", 'o'), in = attach(l, "stays", 'i');
	int32_t shim = shim_of("stays");
	say(&in, "before\n");
	until_output(l, &old, "before\n");
	life_end(l);
	say(&in, "meanwhile\n");
	life_begin(l);
	recover(l, "stays");
	until_output(l, &old, "meanwhile\n");
	client_done(&in);
	struct client fresh = attach(l, "stays", 'o');
	in = attach(l, "stays", 'i');
	say(&in, "after\n");
	until_output(l, &fresh, "after\n");
	say(&in, "");
	until_closed(l, &fresh);
	until_closed(l, &old);
	assert_int_equal(waitpid(shim, NULL, 0), shim); /* our child, as a killed agent's is not */
	until(l, &r->exited);
	assert_int_equal(WEXITSTATUS(r->wait_status), 7);
	assert_string_equal(fresh.out, "after\nover\n");
	assert_string_equal(old.out, "before\nmeanwhile\nafter\nover\n");
	assert_string_equal(read_text(at("runs/%s/stdout", "stays")), "before\nmeanwhile\nafter\nover\n");
	assert_int_equal(old.n_ends + fresh.n_ends, 2);
	client_done(&old);
	client_done(&fresh);
	client_done(&in);
}

static void ends_while_the_agent_is_away(void **state)
{
	struct life *l = *state;
	struct run *r = start(l, "away", "cat; head -c 300000 /dev/zero; exit 8", (struct how){0});
	struct client out = attach(l, "away", 'o'), in = attach(l, "away", 'i');
	say(&in, "one\n");
	until_output(l, &out, "one\n");
	life_end(l);
	say(&in, "two\n");
	say(&in, "");
	for (int i = 0; i < 6000 && !out.closed; i++)
		receive(&out);
	assert_int_equal(out.n_ends, 1);
	assert_int_equal(out.n_out, 8 + 300000);
	assert_int_equal(strncmp(out.out, "one\ntwo\n", 8), 0);
	int32_t shim = shim_of("away");
	assert_int_equal(waitpid(shim, NULL, 0), shim);
	life_begin(l);
	recover(l, "away");
	until(l, &r->exited);
	assert_int_equal(WEXITSTATUS(r->wait_status), 8);
	client_done(&out);
	client_done(&in);
}

/* Who is attached and does not read holds the end up for a while, and no longer. */
static void who_stalls_at_the_end(void **state)
{
	struct life *l = *state;
	life_end(l);
	stall = "1secs";
	life_begin(l);
	struct run *r = start(l, "stalled", "read go; head -c 100000 /dev/zero; echo x >&2; sleep 1000 & exit 2", (struct how){0});
	struct client slow = attach(l, "stalled", 'o'), in = attach(l, "stalled", 'i');
	int small = 4096;
	assert_int_equal(setsockopt(slow.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	say(&in, "go\n");
	until(l, &r->exited);
	assert_int_equal(WEXITSTATUS(r->wait_status), 2);
	struct stat st;
	assert_int_equal(stat(at("runs/%s/stdout", "stalled"), &st), 0);
	assert_int_equal(st.st_size, 100000);
	assert_string_equal(read_text(at("runs/%s/stderr", "stalled")), "x\n");
	client_done(&slow);
	client_done(&in);
}

static int32_t io_pid(const char *id)
{
	const char *text = strstr(read_text(at("run/containers/%s", id)), " io ");
	assert_non_null(text);
	return atoi(text + 4);
}

static void container_falls_with_its_server(void **state)
{
	struct life *l = *state;
	struct run *r = start(l, "bereft", "sleep 1000", (struct how){0});
	kill(io_pid("bereft"), SIGKILL);
	until(l, &r->exited);
	assert_int_equal(r->reason, 27); /* REASON_IO_SWITCHBOARD_EXITED */
	assert_non_null(strstr(r->message, "I/O server"));
}

/* Nothing of it is in the container, and it is nobody's child there. */
static void server_is_outside(void **state)
{
	struct life *l = *state;
	struct run *r = start(l, "out", "ls /proc/self/fd | wc -w; cat", (struct how){0});
	struct client out = attach(l, "out", 'o'), in = attach(l, "out", 'i');
	char path[64], self[64];
	snprintf(path, sizeof(path), "/proc/%d/cgroup", io_pid("out"));
	mz_autofree char *theirs = xstrdup(read_text(path));
	assert_string_equal(theirs, read_text("/proc/self/cgroup"));
	snprintf(path, sizeof(path), "/proc/%d/stat", io_pid("out"));
	const char *stat_line = strrchr(read_text(path), ')');
	int parent = 0, own_group = 0;
	assert_int_equal(sscanf(stat_line, ") %*c %d %d", &parent, &own_group), 2);
	assert_int_equal(own_group, io_pid("out"));
	snprintf(self, sizeof(self), "/proc/%d/comm", parent);
	assert_null(strstr(read_text(self), "mezzo-init"));
	struct stat st;
	assert_int_equal(stat(at("run/%s", "io"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(n_in(at("run/%s", "io")), 1);
	say(&in, "");
	until_closed(l, &out);
	until(l, &r->exited);
	/* 0, 1, 2 and the folder that is listed. */
	assert_string_equal(read_text(at("runs/%s/stdout", "out")), "4\n");
	client_done(&out);
	client_done(&in);
}

static void as_another_user(void **state)
{
	struct life *l = *state;
	if (geteuid())
		return;
	struct run *r = start(l, "nobody", "id -un; echo by name > /dev/stdout; cat", (struct how){.user = "nobody"});
	struct run *t = start(l, "nobodytty", "id -un; echo by name > $(tty)", (struct how){.user = "nobody", .tty = true});
	struct client in = attach(l, "nobody", 'i');
	say(&in, "");
	until(l, &r->exited);
	until(l, &t->exited);
	assert_string_equal(read_text(at("runs/%s/stdout", "nobody")), "nobody\nby name\n");
	assert_string_equal(read_text(at("runs/%s/stdout", "nobodytty")), "nobody\r\nby name\r\n");
	struct stat st, null;
	assert_int_equal(stat(at("runs/%s/stdout", "nobody"), &st), 0);
	assert_int_equal(stat(at("runs/%s", "nobody"), &null), 0);
	assert_int_equal(st.st_uid, null.st_uid);
	assert_int_not_equal(st.st_uid, 0);
	client_done(&in);
}

#define TESTS(launcher_)                                                                                    \
	TEST(input_comes_back, launcher_), TEST(without_anybody, launcher_), TEST(terminals, launcher_),    \
		TEST(control_c, launcher_), TEST(all_of_it, launcher_), TEST(who_stalls_is_cut, launcher_), \
		TEST(nonsense_cuts_who_says_it, launcher_), TEST(killed_while_attached, launcher_),         \
		TEST(ends_while_the_agent_is_away, launcher_), TEST(who_stalls_at_the_end, launcher_),      \
		TEST(outlives_the_agent, launcher_), TEST(container_falls_with_its_server, launcher_),      \
		TEST(server_is_outside, launcher_), TEST(as_another_user, launcher_)

int main(int argc, char **argv)
{
	const struct CMUnitTest posix_only[] = {TESTS(on_posix), cmocka_unit_test(launcher_linux)};
	const struct CMUnitTest both[] = {TESTS(on_posix), TESTS(on_linux)};
	bool has_linux;
	if (!begin(argc, argv, &has_linux))
		return 1;
	return has_linux ? cmocka_run_group_tests(both, NULL, NULL) : cmocka_run_group_tests(posix_only, NULL, NULL);
}
