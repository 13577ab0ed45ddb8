/* kit_loop.c - see kit_loop.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* posix_spawn extensions */
#endif
#include "kit_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/vec.h"

/* 2024-01-01, so that wall clock times look like such. */
static const int64_t EPOCH_NS = 1704067200LL * 1000000000LL;

struct job {
	loop_fn fn;
	void *arg;
};

struct loop_timer {
	struct list link; /* in order of time */
	int64_t at_ns;
	loop_fn fn;
	void *arg;
};

struct loop_fd {
	struct list link;
	int fd, events;
	loop_fd_fn fn;
	void *arg;
	bool closed;
};

struct loop_child {
	struct list link;
	pid_t pid;
	int pidfd;
	bool adopted, closed;
	loop_exit_fn fn;
	void *arg;
};

struct kit_loop {
	struct loop loop;
	int64_t now_ns;
	uint64_t seed;
	struct list timers, fds, children;
	VEC(struct job) posted;
	pthread_mutex_t lock; /* of `foreign` */
	VEC(struct job) foreign;
	int wake_fd;
};

static struct kit_loop *of(struct loop *l)
{
	return mz_container_of(l, struct kit_loop, loop);
}

static int64_t kit_now(struct loop *l)
{
	return of(l)->now_ns;
}

static int64_t kit_wall(struct loop *l)
{
	return EPOCH_NS + of(l)->now_ns;
}

static void kit_random(struct loop *l, void *out, size_t size)
{
	unsigned char *p = out;
	for (size_t i = 0; i < size; i++) {
		uint64_t *s = &of(l)->seed;
		*s ^= *s << 13;
		*s ^= *s >> 7;
		*s ^= *s << 17;
		p[i] = (unsigned char)(*s >> 32);
	}
}

static struct loop_timer *kit_timer(struct loop *l, int64_t delay_ns, loop_fn fn, void *arg)
{
	struct loop_timer *t = xnew(struct loop_timer);
	if (__builtin_add_overflow(of(l)->now_ns, MZ_MAX(delay_ns, 0), &t->at_ns))
		t->at_ns = INT64_MAX;
	t->fn = fn;
	t->arg = arg;
	struct list *at = of(l)->timers.prev;
	while (at != &of(l)->timers && mz_container_of(at, struct loop_timer, link)->at_ns > t->at_ns)
		at = at->prev;
	list_insert_before(at->next, &t->link);
	return t;
}

static void kit_timer_cancel(struct loop *l, struct loop_timer *t)
{
	(void)l;
	list_remove(&t->link);
	free(t);
}

static void kit_post(struct loop *l, loop_fn fn, void *arg)
{
	vec_push(&of(l)->posted, ((struct job){fn, arg}));
}

static void kit_post_from(struct loop *l, loop_fn fn, void *arg)
{
	uint64_t one = 1;
	pthread_mutex_lock(&of(l)->lock);
	vec_push(&of(l)->foreign, ((struct job){fn, arg}));
	/* A full counter is awake already. */
	(void)!write(of(l)->wake_fd, &one, sizeof(one));
	pthread_mutex_unlock(&of(l)->lock);
}

/* No thread: the work runs in its turn, on the one thread that there is. */
static int kit_offload(struct loop *l, loop_fn work, loop_fn done, void *arg)
{
	kit_post(l, work, arg);
	kit_post(l, done, arg);
	return 0;
}

static struct loop_fd *kit_fd(struct loop *l, int fd, int events, loop_fd_fn fn, void *arg)
{
	struct loop_fd *f = xnew(struct loop_fd);
	f->fd = fd;
	f->events = events;
	f->fn = fn;
	f->arg = arg;
	list_append(&of(l)->fds, &f->link);
	return f;
}

static void kit_fd_close(struct loop *l, struct loop_fd *f)
{
	(void)l;
	f->closed = true; /* freed after the round that may hold it */
}

static int kit_spawn(struct loop *l, const struct loop_spawn *s, loop_exit_fn fn, void *arg, struct loop_child **ret,
		     pid_t *ret_pid, struct mz_err *err)
{
	static const char *const no_env[] = {NULL};
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid;
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	for (int i = 0; i < 3; i++) {
		if (s->fds[i] >= 0)
			posix_spawn_file_actions_adddup2(&fa, s->fds[i], i);
		else
			posix_spawn_file_actions_addopen(&fa, i, "/dev/null", O_RDWR, 0);
	}
	posix_spawn_file_actions_addclosefrom_np(&fa, 3);
	posix_spawn_file_actions_addchdir_np(&fa, s->dir ? s->dir : "/");
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	int rc = posix_spawn(&pid, s->argv[0], &fa, &attr, (char *const *)s->argv,
			     (char *const *)(s->env ? s->env : no_env));
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	if (rc != 0)
		return mz_fail(err, -rc, "Cannot start '%s': %s", s->argv[0], strerror(rc));
	struct loop_child *c = xnew(struct loop_child);
	c->pid = pid;
	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	c->fn = fn;
	c->arg = arg;
	list_append(&of(l)->children, &c->link);
	*ret = c;
	if (ret_pid)
		*ret_pid = pid;
	return 0;
}

static int kit_adopt(struct loop *l, pid_t pid, loop_exit_fn fn, void *arg, struct loop_child **ret,
		     struct mz_err *err)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return mz_fail(err, -errno, "Cannot watch process %d: %s", (int)pid, strerror(errno));
	struct loop_child *c = xnew(struct loop_child);
	c->pid = pid;
	c->pidfd = fd;
	c->adopted = true;
	c->fn = fn;
	c->arg = arg;
	list_append(&of(l)->children, &c->link);
	*ret = c;
	return 0;
}

static int kit_child_signal(struct loop *l, struct loop_child *c, int sig)
{
	(void)l;
	return kill(c->pid, sig) < 0 ? -errno : 0;
}

static void kit_child_close(struct loop *l, struct loop_child *c)
{
	(void)l;
	c->closed = true;
}

static const struct loop_ops kit_ops = {
	.now = kit_now,
	.wall = kit_wall,
	.random = kit_random,
	.timer = kit_timer,
	.timer_cancel = kit_timer_cancel,
	.post = kit_post,
	.post_from = kit_post_from,
	.offload = kit_offload,
	.fd = kit_fd,
	.fd_close = kit_fd_close,
	.spawn = kit_spawn,
	.adopt = kit_adopt,
	.child_signal = kit_child_signal,
	.child_close = kit_child_close,
};

struct loop *kit_loop_new(void)
{
	struct kit_loop *k = xnew(struct kit_loop);
	k->loop.ops = &kit_ops;
	k->now_ns = NS_PER_SEC;
	k->seed = 88172645463325252ULL;
	list_init(&k->timers);
	list_init(&k->fds);
	list_init(&k->children);
	pthread_mutex_init(&k->lock, NULL);
	k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(k->wake_fd >= 0);
	return &k->loop;
}

static void child_free(struct loop_child *c)
{
	list_remove(&c->link);
	if (c->pidfd >= 0)
		close(c->pidfd);
	free(c);
}

void kit_loop_free(struct loop *l)
{
	struct kit_loop *k = of(l);
	list_each(&k->timers, struct loop_timer, link, t)
		kit_timer_cancel(l, t);
	list_each(&k->fds, struct loop_fd, link, f) {
		list_remove(&f->link);
		free(f);
	}
	list_each(&k->children, struct loop_child, link, c)
		child_free(c);
	vec_done(&k->posted);
	vec_done(&k->foreign);
	pthread_mutex_destroy(&k->lock);
	close(k->wake_fd);
	free(k);
}

/* ---- turning ------------------------------------------------------------------ */

static bool run_posted(struct kit_loop *k)
{
	uint64_t unused;
	(void)!read(k->wake_fd, &unused, sizeof(unused));
	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->foreign.n; i++)
		vec_push(&k->posted, k->foreign.v[i]);
	vec_clear(&k->foreign);
	pthread_mutex_unlock(&k->lock);
	/* What is posted meanwhile waits for the next turn. */
	size_t n = k->posted.n;
	VEC(struct job) jobs = {0};
	for (size_t i = 0; i < n; i++)
		vec_push(&jobs, k->posted.v[i]);
	vec_clear(&k->posted);
	for (size_t i = 0; i < n; i++)
		jobs.v[i].fn(jobs.v[i].arg);
	vec_done(&jobs);
	return n > 0;
}

static bool run_timers(struct kit_loop *k)
{
	bool any = false;
	while (!list_empty(&k->timers)) {
		struct loop_timer *t = list_first(&k->timers, struct loop_timer, link);
		if (t->at_ns > k->now_ns)
			break;
		struct job j = {t->fn, t->arg};
		kit_timer_cancel(&k->loop, t);
		j.fn(j.arg);
		any = true;
	}
	return any;
}

static void sweep(struct kit_loop *k)
{
	list_each(&k->fds, struct loop_fd, link, f)
		if (f->closed) {
			list_remove(&f->link);
			free(f);
		}
	list_each(&k->children, struct loop_child, link, c)
		if (c->closed)
			child_free(c);
}

static bool child_ended(struct loop_child *c)
{
	int status = -1;
	if (!c->adopted && waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	if (c->adopted && kill(c->pid, 0) == 0)
		return false;
	c->closed = true;
	c->fn(c->arg, c->pid, status);
	return true;
}

/* Waits for descriptors and children; calls those that are ready. */
static bool run_ready(struct kit_loop *k, int timeout_ms)
{
	VEC(struct pollfd) p = {0};
	VEC(struct loop_fd *) who = {0};
	bool any = false;
	sweep(k);
	vec_push(&p, ((struct pollfd){k->wake_fd, POLLIN, 0}));
	list_each(&k->fds, struct loop_fd, link, f) {
		short events = (short)((f->events & LOOP_READ ? POLLIN : 0) | (f->events & LOOP_WRITE ? POLLOUT : 0));
		vec_push(&p, ((struct pollfd){f->fd, events, 0}));
		vec_push(&who, f);
	}
	list_each(&k->children, struct loop_child, link, c)
		vec_push(&p, ((struct pollfd){c->pidfd, POLLIN, 0}));
	(void)poll(p.v, p.n, timeout_ms); /* interrupted: the next turn polls again */
	for (size_t i = 0; i < who.n; i++) {
		short got = p.v[i + 1].revents;
		int ready = (got & (POLLIN | POLLHUP | POLLERR) ? LOOP_READ : 0) |
			    (got & (POLLOUT | POLLERR) ? LOOP_WRITE : 0);
		ready &= who.v[i]->events;
		if (!ready || who.v[i]->closed)
			continue;
		who.v[i]->fn(who.v[i]->arg, ready);
		any = true;
	}
	list_each(&k->children, struct loop_child, link, c)
		if (!c->closed)
			any |= child_ended(c);
	sweep(k);
	vec_done(&p);
	vec_done(&who);
	return any;
}

bool kit_loop_turn(struct loop *l)
{
	struct kit_loop *k = of(l);
	bool any = run_ready(k, 0);
	any |= run_timers(k);
	any |= run_posted(k);
	return any;
}

static int64_t real_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

bool kit_loop_pass(struct loop *l, int64_t max_ns, bool patient)
{
	struct kit_loop *k = of(l);
	int64_t step = max_ns;
	if (max_ns <= 0)
		return false;
	if (!list_empty(&k->timers))
		step = MZ_MIN(step, list_first(&k->timers, struct loop_timer, link)->at_ns - k->now_ns);
	if (!patient || (list_empty(&k->fds) && list_empty(&k->children))) {
		k->now_ns += step;
		return true;
	}
	int64_t start = real_ns();
	run_ready(k, (int)MZ_MIN(step / NS_PER_MS + 1, 100));
	k->now_ns += MZ_MIN(step, real_ns() - start);
	return true;
}
