/* loop_event.c - the real loop: turns, clocks, timers, fds, posts and signals
 * on libevent. Children are in loop_child.c, worker threads in loop_offload.c.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "loop/loop_event.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop_impl.h"

struct loop_timer {
	struct event event;
	struct loop_event *loop;
	int64_t due_ns;
	loop_fn fn;
	void *arg;
	struct list link;
};

struct loop_fd {
	struct event event;
	loop_fd_fn fn;
	void *arg;
	struct list link;
};

struct loop_signal {
	struct event event;
	void (*fn)(void *arg, int signo);
	void *arg;
	struct list link;
};

/* ---- clocks and randomness ------------------------------------------------ */

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static void refresh(struct loop_event *l)
{
	if (l->fresh)
		return;
	l->fresh = true;
	/* A timer may have moved `now` a little ahead of the clock. */
	l->now = MZ_MAX(l->now, clock_ns(CLOCK_MONOTONIC));
	l->wall = clock_ns(CLOCK_REALTIME);
}

static int64_t event_now(struct loop *loop)
{
	struct loop_event *l = loop_event_of(loop);
	refresh(l);
	return l->now;
}

static int64_t event_wall(struct loop *loop)
{
	struct loop_event *l = loop_event_of(loop);
	refresh(l);
	return l->wall;
}

static void draw(unsigned char *out, size_t size)
{
	while (size) {
		ssize_t n = getrandom(out, size, 0);
		if (n < 0 && errno == EINTR)
			continue;
		must(n > 0);
		out += n;
		size -= (size_t)n;
	}
}

static void event_random(struct loop *loop, void *out, size_t size)
{
	struct loop_event *l = loop_event_of(loop);
	if (size > sizeof(l->random)) {
		draw(out, size);
		return;
	}
	if (size > l->n_random) {
		draw(l->random, sizeof(l->random));
		l->n_random = sizeof(l->random);
	}
	unsigned char *from = l->random + sizeof(l->random) - l->n_random;
	memcpy(out, from, size);
	memset(from, 0, size);
	l->n_random -= size;
}

/* ---- timers --------------------------------------------------------------- */

static struct timeval timeval_of(int64_t ns)
{
	if (ns <= 0)
		return (struct timeval){0};
	/* Rounded up: a timer is never early. */
	int64_t us = ns / NS_PER_US + (ns % NS_PER_US != 0);
	return (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct loop_timer *t = arg;
	struct loop_event *l = t->loop;
	loop_fn fn = t->fn;
	void *fn_arg = t->arg;
	/* libevent read its clock some microseconds before us; nobody must see
	 * a timer that runs before its time. */
	refresh(l);
	l->now = MZ_MAX(l->now, t->due_ns);
	list_remove(&t->link);
	free(t);
	fn(fn_arg);
}

static struct loop_timer *event_timer(struct loop *loop, int64_t delay_ns, loop_fn fn, void *arg)
{
	struct loop_event *l = loop_event_of(loop);
	struct loop_timer *t = xmalloc(sizeof(*t));
	refresh(l);
	if (__builtin_add_overflow(l->now, MZ_MAX(delay_ns, 0), &t->due_ns))
		t->due_ns = INT64_MAX;
	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	list_append(&l->timers, &t->link);
	event_assign(&t->event, l->base, -1, 0, on_timer, t);
	struct timeval tv = timeval_of(delay_ns);
	must(event_add(&t->event, &tv) == 0);
	return t;
}

static void event_timer_cancel(struct loop *loop, struct loop_timer *t)
{
	(void)loop;
	event_del(&t->event);
	list_remove(&t->link);
	free(t);
}

/* ---- file descriptors ----------------------------------------------------- */

static void on_fd(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	const struct loop_fd *f = arg;
	f->fn(f->arg, (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0));
}

static struct loop_fd *event_fd(struct loop *loop, int fd, int events, loop_fd_fn fn, void *arg)
{
	struct loop_event *l = loop_event_of(loop);
	short what = EV_PERSIST;
	if (events & LOOP_READ)
		what |= EV_READ;
	if (events & LOOP_WRITE)
		what |= EV_WRITE;
	struct loop_fd *f = xmalloc(sizeof(*f));
	f->fn = fn;
	f->arg = arg;
	event_assign(&f->event, l->base, fd, what, on_fd, f);
	if (event_add(&f->event, NULL) < 0) {
		free(f);
		return NULL;
	}
	list_append(&l->fds, &f->link);
	return f;
}

static void event_fd_close(struct loop *loop, struct loop_fd *f)
{
	(void)loop;
	event_del(&f->event);
	list_remove(&f->link);
	free(f);
}

/* ---- posted work ---------------------------------------------------------- */

static void event_post(struct loop *loop, loop_fn fn, void *arg)
{
	struct loop_event *l = loop_event_of(loop);
	vec_push(&l->posts, ((struct posted){fn, arg}));
}

static void event_post_from(struct loop *loop, loop_fn fn, void *arg)
{
	struct loop_event *l = loop_event_of(loop);
	pthread_mutex_lock(&l->inbox_mutex);
	bool first = l->inbox.n == 0;
	vec_push(&l->inbox, ((struct posted){fn, arg}));
	/* Under the mutex, because the loop may be freed once its own thread
	 * has seen the entry. */
	if (first) {
		ssize_t n = write(l->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
		must(n == sizeof(uint64_t));
	}
	pthread_mutex_unlock(&l->inbox_mutex);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct loop_event *l = arg;
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));
	(void)n; /* the inbox says whether there is anything */
	pthread_mutex_lock(&l->inbox_mutex);
	for (size_t i = 0; i < l->inbox.n; i++)
		vec_push(&l->posts, l->inbox.v[i]);
	vec_clear(&l->inbox);
	pthread_mutex_unlock(&l->inbox_mutex);
}

static void drain(struct loop_event *l)
{
	posted_vec now = l->posts;
	l->posts = l->running;
	for (size_t i = 0; i < now.n; i++)
		now.v[i].fn(now.v[i].arg);
	vec_clear(&now);
	l->running = now;
}

void loop_event_late(struct loop *loop, struct loop_late *late)
{
	if (list_empty(&late->link))
		list_append(&loop_event_of(loop)->late, &late->link);
}

static void drain_late(struct loop_event *l)
{
	struct list now;

	if (list_empty(&l->late))
		return;
	/* What is asked for from here on is for the next turn. */
	list_init(&now);
	list_insert_before(&l->late, &now);
	list_remove(&l->late);
	while (!list_empty(&now)) {
		struct loop_late *late = list_first(&now, struct loop_late, link);
		list_remove(&late->link);
		late->fn(late->arg);
	}
}

/* ---- signals -------------------------------------------------------------- */

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	(void)what;
	const struct loop_signal *s = arg;
	s->fn(s->arg, (int)signo);
}

int loop_event_signal(struct loop *loop, int signo, void (*fn)(void *arg, int signo), void *arg)
{
	struct loop_event *l = loop_event_of(loop);
	struct loop_signal *s = xnew(struct loop_signal);
	s->fn = fn;
	s->arg = arg;
	event_assign(&s->event, l->base, signo, EV_SIGNAL | EV_PERSIST, on_signal, s);
	if (event_add(&s->event, NULL) < 0) {
		free(s);
		return -EINVAL;
	}
	list_append(&l->signals, &s->link);
	return 0;
}

/* ---- life and turns ------------------------------------------------------- */

static const struct loop_ops event_ops = {
	.now = event_now,
	.wall = event_wall,
	.random = event_random,
	.timer = event_timer,
	.timer_cancel = event_timer_cancel,
	.post = event_post,
	.post_from = event_post_from,
	.offload = loop_offload_add,
	.fd = event_fd,
	.fd_close = event_fd_close,
	.spawn = loop_child_spawn,
	.adopt = loop_child_adopt,
	.child_signal = loop_child_kill,
	.child_close = loop_child_leave,
};

static void on_wait_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* What libevent has to say comes with an error code that we report ourselves. */
static void on_libevent_log(int severity, const char *text)
{
	(void)severity;
	log_debug("loop", "libevent: %s", text);
}

static struct event_base *new_base(void)
{
	event_set_log_callback(on_libevent_log);
	struct event_config *config = event_config_new();
	if (!config)
		return NULL;
	/* Our loop is used by one thread; others reach it through wake_fd. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	struct event_base *base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

int loop_event_new(int n_workers, struct loop **ret, struct mz_err *err)
{
	int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return mz_fail(err, errno, "Cannot make an eventfd: %s", strerror(errno));
	struct event_base *base = new_base();
	if (!base) {
		close(wake_fd);
		return mz_fail(err, -EMFILE, "Cannot make an event base: out of descriptors or memory");
	}
	/* A peer that has gone is an error of write(), not the end of the daemon. */
	signal(SIGPIPE, SIG_IGN);
	struct loop_event *l = xnew(struct loop_event);
	int rc = loop_spawn_init(l);
	if (rc < 0) {
		free(l);
		event_base_free(base);
		close(wake_fd);
		return mz_fail(err, rc, "Cannot open /dev/null for what is started: %s", strerror(-rc));
	}
	l->loop.ops = &event_ops;
	l->base = base;
	l->wake_fd = wake_fd;
	pthread_mutex_init(&l->inbox_mutex, NULL);
	list_init(&l->late);
	list_init(&l->timers);
	list_init(&l->fds);
	list_init(&l->children);
	list_init(&l->signals);
	loop_offload_init(&l->offload, n_workers);
	event_assign(&l->wait_event, base, -1, 0, on_wait_over, l);
	event_assign(&l->wake_event, base, wake_fd, EV_READ | EV_PERSIST, on_wake, l);
	must(event_add(&l->wake_event, NULL) == 0);
	refresh(l);
	*ret = &l->loop;
	return 0;
}

void loop_event_free(struct loop *loop)
{
	if (!loop)
		return;
	struct loop_event *l = loop_event_of(loop);
	loop_offload_done(&l->offload);
	list_each(&l->timers, struct loop_timer, link, t) event_timer_cancel(loop, t);
	list_each(&l->fds, struct loop_fd, link, f) event_fd_close(loop, f);
	list_each(&l->signals, struct loop_signal, link, s)
	{
		event_del(&s->event);
		free(s);
	}
	loop_child_free_all(l);
	loop_spawn_done(l);
	loop_mirror_free(l);
	event_del(&l->wake_event);
	event_base_free(l->base);
	close(l->wake_fd);
	pthread_mutex_destroy(&l->inbox_mutex);
	vec_done(&l->posts);
	vec_done(&l->running);
	vec_done(&l->inbox);
	free(l);
}

/* max_wait_ns < 0: for ever. */
static void turn(struct loop_event *l, int64_t max_wait_ns)
{
	int flags = EVLOOP_ONCE;
	bool limited = false;
	if (l->posts.n || !list_empty(&l->late) || max_wait_ns == 0) {
		flags |= EVLOOP_NONBLOCK;
	} else if (max_wait_ns > 0) {
		struct timeval tv = timeval_of(max_wait_ns);
		limited = event_add(&l->wait_event, &tv) == 0;
	}
	l->fresh = false;
	/* Posts wait for the end of the turn, so that what many callbacks of a
	 * turn ask for becomes one batch. With EVLOOP_ONCE libevent never waits
	 * again after a callback has run, so no post is left lying. */
	event_base_loop(l->base, flags);
	if (limited)
		event_del(&l->wait_event);
	drain(l);
	drain_late(l);
}

void loop_event_turn(struct loop *loop, int64_t max_wait_ns)
{
	turn(loop_event_of(loop), MZ_MAX(max_wait_ns, 0));
}

void loop_event_run(struct loop *loop)
{
	struct loop_event *l = loop_event_of(loop);
	while (!l->stop)
		turn(l, -1);
	l->stop = false;
}

void loop_event_stop(struct loop *loop)
{
	loop_event_of(loop)->stop = true;
}

struct event_base *loop_event_base(struct loop *loop)
{
	return loop_event_of(loop)->base;
}
