/* loop_test.c - the libevent loop: order of posts, timers, threads, children.
 *
 * Nothing here measures time: a test that fails hangs or sees a wrong order.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "loop/loop_event.h"

struct fixture {
	struct loop *l;
	struct buf trace;
	struct loop_timer *timer;
	struct loop_fd *fd;
	struct loop_child *child;
	int n, limit, status;
	pid_t pid;
	int64_t when;
};

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct mz_err err;
	if (loop_event_new(2, &f->l, &err) < 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	loop_event_free(f->l);
	buf_done(&f->trace);
	free(f);
	return 0;
}

static void stop(void *arg)
{
	struct fixture *f = arg;
	loop_event_stop(f->l);
}

/* ---- posts ------------------------------------------------------------------ */

static void post_c(void *arg)
{
	buf_addc(&((struct fixture *)arg)->trace, 'c');
}

static void post_a(void *arg)
{
	struct fixture *f = arg;
	buf_addc(&f->trace, 'a');
	loop_post(f->l, post_c, f);
}

static void post_b(void *arg)
{
	buf_addc(&((struct fixture *)arg)->trace, 'b');
}

static void posts_run_in_order(void **state)
{
	struct fixture *f = *state;
	loop_post(f->l, post_a, f);
	loop_post(f->l, post_b, f);
	loop_event_turn(f->l, 0);
	assert_string_equal(buf_str(&f->trace), "ab");
	/* c was posted by posted work: the next turn, which does not wait. */
	loop_event_turn(f->l, INT64_MAX);
	assert_string_equal(buf_str(&f->trace), "abc");
}

static void count_up(void *arg)
{
	struct fixture *f = arg;
	if (++f->n < f->limit)
		loop_post(f->l, count_up, f);
	else
		stop(f);
}

static void posts_never_wait(void **state)
{
	struct fixture *f = *state;
	f->limit = 1000;
	loop_post(f->l, count_up, f);
	loop_event_run(f->l); /* nothing else would wake it */
	assert_int_equal(f->n, 1000);
}

static void stop_before_run(void **state)
{
	struct fixture *f = *state;
	loop_event_stop(f->l);
	loop_event_run(f->l);
	loop_post(f->l, stop, f);
	loop_event_run(f->l);
}

/* ---- timers ----------------------------------------------------------------- */

static void on_timer_x(void *arg)
{
	buf_addc(&((struct fixture *)arg)->trace, 'x');
}

static void on_timer_y(void *arg)
{
	struct fixture *f = arg;
	buf_addc(&f->trace, 'y');
	assert_true(loop_now(f->l) >= f->when);
	loop_timer_cancel(f->l, f->timer);
	f->timer = NULL;
	loop_timer(f->l, 0, stop, f);
}

static void timers_fire_in_time(void **state)
{
	struct fixture *f = *state;
	f->when = loop_now(f->l) + 2 * NS_PER_MS;
	loop_timer(f->l, 2 * NS_PER_MS, on_timer_y, f);
	f->timer = loop_timer(f->l, 3600 * NS_PER_SEC, on_timer_x, f);
	struct loop_timer *cancelled = loop_timer(f->l, 0, on_timer_x, f);
	loop_timer(f->l, INT64_MAX, on_timer_x, f);
	loop_timer_cancel(f->l, cancelled);
	loop_timer_cancel(f->l, NULL);
	loop_event_run(f->l);
	assert_string_equal(buf_str(&f->trace), "y");
}

static void many_timers(void **state)
{
	struct fixture *f = *state;
	enum { N = 100000 };
	struct loop_timer **t = xcalloc(N, sizeof(struct loop_timer *));
	for (int i = 0; i < N; i++)
		t[i] = loop_timer(f->l, NS_PER_SEC * (1000 + (i * 7919) % 5000), on_timer_x, f);
	for (int i = 0; i < N; i += 2)
		loop_timer_cancel(f->l, t[i]); /* the rest is for free() */
	free(t);
	loop_timer(f->l, 0, stop, f);
	loop_event_run(f->l);
	assert_string_equal(buf_str(&f->trace), "");
}

static void time_stands_still(void *arg)
{
	struct fixture *f = arg;
	int64_t now = loop_now(f->l), wall = loop_wall(f->l);
	char junk[4096];
	for (int i = 0; i < 50; i++)
		loop_random(f->l, junk, sizeof(junk));
	assert_true(loop_now(f->l) == now);
	assert_true(loop_wall(f->l) == wall);
	f->when = now;
}

static void time_is_cached(void **state)
{
	struct fixture *f = *state;
	loop_post(f->l, time_stands_still, f);
	loop_event_turn(f->l, 0);
	int64_t first = f->when;
	loop_post(f->l, time_stands_still, f);
	loop_event_turn(f->l, 0);
	assert_true(f->when > first);
	assert_true(loop_wall_secs(f->l) > 1e9);
}

/* ---- randomness -------------------------------------------------------------- */

static void randomness(void **state)
{
	struct fixture *f = *state;
	struct uuid a, b;
	char text[UUID_TEXT];
	loop_uuid(f->l, &a);
	loop_uuid(f->l, &b);
	assert_false(uuid_equal(&a, &b));
	uuid_format(&a, text);
	assert_int_equal(text[14], '4');
	int hit[7] = {0};
	for (int i = 0; i < 7000; i++) {
		uint64_t x = loop_random_below(f->l, 7);
		assert_true(x < 7);
		hit[x]++;
	}
	for (int i = 0; i < 7; i++)
		assert_true(hit[i] > 700 && hit[i] < 1300);
	assert_int_equal(loop_random_below(f->l, 1), 0);
	/* Around the edge of the buffer no byte stays as it was for long. */
	unsigned char seen[601] = {0}, x[601];
	for (int k = 0; k < 40; k++) {
		loop_random(f->l, x, sizeof(x));
		for (size_t i = 0; i < sizeof(x); i++)
			seen[i] |= x[i];
	}
	for (size_t i = 0; i < sizeof(x); i++)
		assert_int_equal(seen[i], 255);
}

/* ---- threads ------------------------------------------------------------------ */

static void on_posted(void *arg)
{
	struct fixture *f = arg;
	if (++f->n == f->limit)
		stop(f);
}

static void *poster(void *arg)
{
	struct fixture *f = arg;
	for (int i = 0; i < 5000; i++)
		loop_post_from(f->l, on_posted, f);
	return NULL;
}

static void posts_from_threads(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[4];
	f->limit = 20000;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, poster, f), 0);
	loop_event_run(f->l);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(f->n, 20000);
}

struct job {
	struct fixture *f;
	pthread_t worker;
	bool signals_blocked;
	pthread_mutex_t *gate;
};

static void job_work(void *arg)
{
	struct job *j = arg;
	sigset_t set;
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	j->signals_blocked = sigismember(&set, SIGTERM) && sigismember(&set, SIGCHLD);
	j->worker = pthread_self();
	if (j->gate) {
		pthread_mutex_lock(j->gate);
		pthread_mutex_unlock(j->gate);
	}
}

static void job_done(void *arg)
{
	struct job *j = arg;
	assert_true(j->signals_blocked);
	assert_false(pthread_equal(j->worker, pthread_self()));
	on_posted(j->f);
}

static void offload_runs(void **state)
{
	struct fixture *f = *state;
	struct job jobs[100] = {{0}};
	f->limit = 100;
	for (size_t i = 0; i < MZ_N(jobs); i++) {
		jobs[i].f = f;
		assert_int_equal(loop_offload(f->l, job_work, job_done, &jobs[i]), 0);
	}
	loop_event_run(f->l);
	assert_int_equal(f->n, 100);
}

static void offload_is_bounded(void **state)
{
	struct fixture *f = *state;
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct job *jobs = xcalloc(2000, sizeof(*jobs));
	int accepted = 0;
	pthread_mutex_lock(&gate);
	for (int i = 0; i < 2000; i++) {
		jobs[i] = (struct job){.f = f, .gate = &gate};
		int rc = loop_offload(f->l, job_work, job_done, &jobs[i]);
		if (rc == 0)
			accepted++;
		else
			assert_int_equal(rc, -EAGAIN);
	}
	assert_int_equal(accepted, 1024);
	f->limit = 1024;
	pthread_mutex_unlock(&gate);
	loop_event_run(f->l);
	assert_int_equal(f->n, 1024);
	f->limit = 1025; /* there is room again */
	assert_int_equal(loop_offload(f->l, job_work, job_done, &jobs[0]), 0);
	loop_event_run(f->l);
	free(jobs);
}

/* Work that is queued, running, or done but not delivered when the loop goes. */
static void offload_dies_with_loop(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct fixture f = {.limit = -1};
		struct job jobs[50] = {{0}};
		assert_int_equal(loop_event_new(3, &f.l, NULL), 0);
		for (size_t i = 0; i < MZ_N(jobs); i++) {
			jobs[i].f = &f;
			assert_int_equal(loop_offload(f.l, job_work, job_done, &jobs[i]), 0);
		}
		if (round % 2)
			loop_event_turn(f.l, NS_PER_MS);
		loop_event_free(f.l);
	}
}

/* ---- descriptors and signals ---------------------------------------------------- */

static void on_readable(void *arg, int ready)
{
	struct fixture *f = arg;
	assert_int_equal(ready, LOOP_READ);
	buf_addc(&f->trace, 'r');
	if (++f->n < 3)
		return; /* level-triggered: comes again */
	loop_fd_close(f->l, f->fd);
	stop(f);
}

static void on_writable(void *arg, int ready)
{
	struct fixture *f = arg;
	assert_int_equal(ready, LOOP_WRITE);
	buf_addc(&f->trace, 'w');
	loop_fd_close(f->l, f->fd);
	stop(f);
}

static void fds(void **state)
{
	struct fixture *f = *state;
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	f->fd = loop_fd(f->l, sv[0], LOOP_WRITE, on_writable, f);
	loop_event_run(f->l);
	assert_int_equal(write(sv[1], "x", 1), 1);
	f->fd = loop_fd(f->l, sv[0], LOOP_READ, on_readable, f);
	loop_event_run(f->l);
	assert_string_equal(buf_str(&f->trace), "wrrr");
	close(sv[0]);
	close(sv[1]);
	/* A file is always ready; the kernel does not watch it. */
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_null(loop_fd(f->l, file, LOOP_READ, on_readable, f));
	close(file);
}

static void on_usr1(void *arg, int signo)
{
	struct fixture *f = arg;
	assert_int_equal(signo, SIGUSR1);
	on_posted(f);
}

static void raise_usr1(void *arg)
{
	(void)arg;
	kill(getpid(), SIGUSR1);
}

static void signals(void **state)
{
	struct fixture *f = *state;
	f->limit = 1;
	assert_int_equal(loop_event_signal(f->l, SIGUSR1, on_usr1, f), 0);
	assert_int_equal(loop_event_signal(f->l, 4711, on_usr1, f), -EINVAL);
	loop_post(f->l, raise_usr1, f);
	loop_event_run(f->l);
	assert_int_equal(f->n, 1);
}

/* ---- children --------------------------------------------------------------------- */

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

static void unexpected_exit(void *arg, pid_t pid, int status)
{
	(void)arg;
	(void)pid;
	(void)status;
	fail_msg("a closed handle was called");
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

/* Everything that may be registered is released by loop_event_free(). */
static void free_releases_all(void **state)
{
	struct fixture *f = *state;
	const char *const argv[] = {"/bin/cat", NULL};
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	struct loop_spawn s = {.argv = argv, .fds = {p[0], -1, -1}};
	assert_int_equal(loop_spawn(f->l, &s, unexpected_exit, f, NULL, NULL, NULL), 0);
	assert_int_equal(loop_adopt(f->l, getpid(), unexpected_exit, f, NULL, NULL), 0);
	loop_timer(f->l, NS_PER_SEC, on_timer_x, f);
	assert_non_null(loop_fd(f->l, p[0], LOOP_READ, on_readable, f));
	assert_int_equal(loop_event_signal(f->l, SIGUSR2, on_usr1, f), 0);
	loop_post(f->l, on_timer_x, f);
	loop_post_from(f->l, on_timer_x, f);
	loop_event_free(f->l);
	f->l = NULL;
	close(p[0]);
	close(p[1]);
	assert_string_equal(buf_str(&f->trace), "");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(posts_run_in_order),
		T(posts_never_wait),
		T(stop_before_run),
		T(timers_fire_in_time),
		T(many_timers),
		T(time_is_cached),
		T(randomness),
		T(posts_from_threads),
		T(offload_runs),
		T(offload_is_bounded),
		T(offload_dies_with_loop),
		T(fds),
		T(signals),
		T(child_inherits_little),
		T(child_has_no_more_files_than_we_had),
		T(child_defaults),
		T(child_swaps_descriptors),
		T(child_has_a_terminal), T(child_errors),
		T(child_is_signalled),
		T(closed_child_is_reaped),
		T(adopts),
		T(free_releases_all),
	};
	alarm(120); /* a lost wake-up must end the test, not hang it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
