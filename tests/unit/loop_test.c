/* loop_test.c - the libevent loop: order of posts and late work, timers, threads,
 * descriptors, signals. Children are in loop_child_test.c.
 *
 * Nothing here measures time: a test that fails hangs or sees a wrong order.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tests/unit/loop_world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* ---- late work ---------------------------------------------------------------- */

struct late {
	struct loop_late late;
	struct fixture *f;
	struct late *other;
	char name;
};

static void on_late(void *arg)
{
	struct late *w = arg;
	buf_addc(&w->f->trace, w->name);
	if (w->name == 'A') { /* this turn is over for it, and B will not have one */
		loop_event_late(w->f->l, &w->late);
		loop_event_late_cancel(&w->other->late);
		w->name = 'a';
	} else if (w->name == 'a') {
		stop(w->f);
	}
}

static void post_x(void *arg)
{
	struct fixture *f = arg;
	buf_addc(&f->trace, 'x');
}

static void late_work_ends_a_turn(void **state)
{
	struct fixture *f = *state;
	struct late b = {.late = {.fn = on_late, .arg = &b}, .f = f, .name = 'B'};
	struct late a = {.late = {.fn = on_late, .arg = &a}, .f = f, .other = &b, .name = 'A'};
	struct late c = {.late = {.fn = on_late, .arg = &c}, .f = f, .name = 'C'};
	loop_event_late_cancel(&c.late); /* was not asked for */
	loop_event_late(f->l, &a.late);
	loop_event_late(f->l, &b.late);
	loop_event_late(f->l, &c.late);
	loop_event_late(f->l, &c.late);
	loop_post(f->l, post_x, f);
	loop_event_turn(f->l, -1);
	assert_string_equal(buf_str(&f->trace), "xAC");
	loop_event_run(f->l); /* does not wait: there is some left */
	assert_string_equal(buf_str(&f->trace), "xACa");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(posts_run_in_order), T(posts_never_wait), T(stop_before_run), T(late_work_ends_a_turn),
		T(timers_fire_in_time), T(many_timers), T(time_is_cached), T(randomness), T(posts_from_threads),
		T(offload_runs), T(offload_is_bounded), T(offload_dies_with_loop), T(fds), T(signals), T(free_releases_all),
	};
	alarm(120); /* a lost wake-up must end the test, not hang it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
