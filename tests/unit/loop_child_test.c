/* loop_child_test.c - child processes of the libevent loop: what they inherit, how they
 * end, and those that are somebody else's.
 *
 * Nothing here measures time: a test that fails hangs or sees a wrong order.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tests/unit/loop_world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_exit_status(void *arg, pid_t pid, int status)
{
	struct fixture *f = arg;
	f->status = status;
	f->pid = pid;
	f->child = NULL;
	stop(f);
}

/* Runs sh -c SCRIPT with its output to a pipe; the output is added to trace. */
static int run_sh(struct fixture *f, const char *script, const char *const *env, const char *dir)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	int p[2];
	pid_t pid = 0;
	struct mz_err err = {0};
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	struct loop_spawn s = {.argv = argv, .env = env, .dir = dir, .fds = {-1, p[1], p[1]}};
	assert_int_equal(loop_spawn(f->l, &s, on_exit_status, f, &f->child, &pid, &err), 0);
	close(p[1]);
	loop_event_run(f->l);
	assert_int_equal(f->pid, pid);
	char text[4096];
	ssize_t n;
	while ((n = read(p[0], text, sizeof(text))) > 0)
		buf_add(&f->trace, text, (size_t)n);
	close(p[0]);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* no zombie */
	return f->status;
}

static void child_inherits_little(void **state)
{
	struct fixture *f = *state;
	int leak = fcntl(0, F_DUPFD, 20); /* not close-on-exec, on purpose */
	assert_int_equal(leak, 20);
	sigset_t usr2, old;
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, &old);
	const char *const env[] = {"A=1", "B=two", NULL};
	int status = run_sh(f,
			    "read -r pid comm st ppid pgrp sid rest < /proc/self/stat\n"
			    "[ $pid = $sid ] && [ $pid = $pgrp ] && echo session\n"
			    "echo $A $B; pwd; read line || echo eof\n"
			    "for i in 3 4 5 6 7 8 9 20; do [ -e /proc/$$/fd/$i ] && echo leak $i; done\n"
			    "while read -r k v; do case $k in SigBlk:) echo $k $v;;\n"
			    /* the C library ignores its two own signals, 32 and 33 */
			    "SigIgn:) echo $k $((0x$v & ~0x180000000));; esac; done"
			    " < /proc/self/status; exit 7",
			    env, "/usr");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(leak);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_string_equal(buf_str(&f->trace),
			    "session\n1 two\n/usr\neof\nSigBlk: 0000000000000000\nSigIgn: 0\n");
}

static void child_has_no_more_files_than_we_had(void **state)
{
	struct fixture *f = *state;
	struct loop *own = f->l;
	struct rlimit was, low;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	low = was;
	low.rlim_cur = 128;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(loop_event_new(1, &f->l, NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	run_sh(f, "ulimit -n", NULL, NULL);
	loop_event_free(f->l);
	f->l = own;
	assert_string_equal(buf_str(&f->trace), "128\n");
}

static void child_defaults(void **state)
{
	struct fixture *f = *state;
	int status = run_sh(f, "pwd; kill -9 $$", NULL, NULL);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_string_equal(buf_str(&f->trace), "/\n");
}

/* Descriptors that stand where others have to go. */
static void child_swaps_descriptors(void **state)
{
	struct fixture *f = *state;
	int out[2], errs[2], saved[2];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(errs, O_CLOEXEC), 0);
	saved[0] = fcntl(1, F_DUPFD_CLOEXEC, 10);
	saved[1] = fcntl(2, F_DUPFD_CLOEXEC, 10);
	fflush(stdout);
	dup2(errs[1], 1);
	dup2(out[1], 2);
	const char *const argv[] = {"/bin/sh", "-c", "echo out; echo err >&2", NULL};
	struct loop_spawn s = {.argv = argv, .fds = {-1, 2, 1}};
	int rc = loop_spawn(f->l, &s, on_exit_status, f, &f->child, NULL, NULL);
	dup2(saved[0], 1);
	dup2(saved[1], 2);
	close(saved[0]);
	close(saved[1]);
	close(out[1]);
	close(errs[1]);
	assert_int_equal(rc, 0);
	loop_event_run(f->l);
	char a[16] = "", b[16] = "";
	assert_int_equal(read(out[0], a, sizeof(a)), 4);
	assert_int_equal(read(errs[0], b, sizeof(b)), 4);
	assert_memory_equal(a, "out\n", 4);
	assert_memory_equal(b, "err\n", 4);
	close(out[0]);
	close(errs[0]);
}

/* It is the controlling one of the child's own session, and not of ours. */
static void child_has_a_terminal(void **state)
{
	struct fixture *f = *state;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0) {
		skip();
		return;
	}
	assert_int_equal(unlockpt(master), 0);
	int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	const char *const argv[] = {"/bin/sh", "-c", "exec </dev/tty && test -t 0 && exit 7", NULL};
	struct loop_spawn s = {.argv = argv, .fds = {slave, -1, -1}};
	assert_int_equal(loop_spawn(f->l, &s, on_exit_status, f, &f->child, NULL, NULL), 0);
	loop_event_run(f->l);
	assert_true(WIFEXITED(f->status) && WEXITSTATUS(f->status) == 7);
	s.fds[0] = -1;
	assert_int_equal(loop_spawn(f->l, &s, on_exit_status, f, &f->child, NULL, NULL), 0);
	loop_event_run(f->l);
	assert_true(WIFEXITED(f->status) && WEXITSTATUS(f->status) != 7);
	close(slave);
	close(master);
}

static void child_errors(void **state)
{
	struct fixture *f = *state;
	struct mz_err err = {0};
	const char *const argv[] = {"/nonexistent/program", NULL};
	struct loop_spawn s = {.argv = argv, .fds = {-1, -1, -1}};
	pid_t pid = 42;
	assert_int_equal(loop_spawn(f->l, &s, on_exit_status, f, &f->child, &pid, &err), -ENOENT);
	assert_int_equal(pid, 42);
	assert_null(f->child);
	assert_string_equal(err.msg,
			    "Cannot start '/nonexistent/program' in '/': No such file or directory");
	const char *const nothing[] = {NULL};
	s.argv = nothing;
	assert_int_equal(loop_spawn(f->l, &s, on_exit_status, f, &f->child, &pid, &err), -EINVAL);
	/* no PATH search */
	const char *const sh[] = {"sh", "-c", "exit 0", NULL};
	s.argv = sh;
	assert_int_equal(loop_spawn(f->l, &s, on_exit_status, f, &f->child, &pid, &err), -ENOENT);
}

static void child_is_signalled(void **state)
{
	struct fixture *f = *state;
	const char *const argv[] = {"/bin/sleep", "1000", NULL};
	struct loop_spawn s = {.argv = argv, .fds = {-1, -1, -1}};
	assert_int_equal(loop_spawn(f->l, &s, on_exit_status, f, &f->child, NULL, NULL), 0);
	assert_int_equal(loop_child_signal(f->l, f->child, 0), 0);
	assert_int_equal(loop_child_signal(f->l, f->child, SIGTERM), 0);
	loop_event_run(f->l);
	assert_true(WIFSIGNALED(f->status) && WTERMSIG(f->status) == SIGTERM);
}

static void check_reaped(void *arg)
{
	struct fixture *f = arg;
	if (kill(f->pid, 0) < 0 && errno == ESRCH) /* a zombie would still be there */
		stop(f);
	else
		loop_timer(f->l, NS_PER_MS, check_reaped, f);
}

static void closed_child_is_reaped(void **state)
{
	struct fixture *f = *state;
	const char *const argv[] = {"/bin/cat", NULL};
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	struct loop_spawn s = {.argv = argv, .fds = {p[0], -1, -1}};
	assert_int_equal(loop_spawn(f->l, &s, unexpected_exit, f, &f->child, &f->pid, NULL), 0);
	loop_child_close(f->l, f->child);
	assert_int_equal(kill(f->pid, 0), 0); /* lives on */
	close(p[0]);
	close(p[1]);
	check_reaped(f);
	loop_event_run(f->l);
}

static void on_adopted_exit(void *arg, pid_t pid, int status)
{
	struct fixture *f = arg;
	assert_int_equal(pid, f->pid);
	f->status = status;
	buf_addc(&f->trace, 'g');
	stop(f);
}

static void adopts(void **state)
{
	struct fixture *f = *state;
	struct mz_err err = {0};
	/* A grandchild, that the test has no right to wait for. */
	int p[2], hold[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	const char *const argv[] = {"/bin/sh", "-c", "exec 3<&0; cat <&3 >/dev/null 2>&1 & echo $!", NULL};
	struct loop_spawn s = {.argv = argv, .fds = {hold[0], p[1], -1}};
	assert_int_equal(loop_spawn(f->l, &s, on_exit_status, f, &f->child, NULL, NULL), 0);
	loop_event_run(f->l);
	close(hold[0]);
	close(p[1]);
	char text[32] = "";
	assert_true(read(p[0], text, sizeof(text) - 1) > 1);
	close(p[0]);
	f->pid = atoi(text);
	struct loop_child *other = NULL;
	f->status = 0;
	assert_int_equal(loop_adopt(f->l, f->pid, on_adopted_exit, f, &f->child, &err), 0);
	assert_int_equal(loop_adopt(f->l, f->pid, unexpected_exit, f, &other, &err), 0);
	loop_child_close(f->l, other);
	close(hold[1]);
	loop_event_run(f->l);
	assert_string_equal(buf_str(&f->trace), "g");
	assert_int_equal(f->status, -1);
	f->child = NULL;
	assert_int_equal(loop_adopt(f->l, 1 << 22, on_adopted_exit, f, &f->child, &err), -ESRCH);
	assert_null(f->child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(child_inherits_little), T(child_has_no_more_files_than_we_had), T(child_defaults),
		T(child_swaps_descriptors), T(child_has_a_terminal), T(child_errors), T(child_is_signalled),
		T(closed_child_is_reaped), T(adopts),
	};
	alarm(120); /* a lost wake-up must end the test, not hang it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
