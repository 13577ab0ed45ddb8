/* loop.h - the event loop as everything above sees it.
 *
 * Two implementations: loop_event.h (libevent, real time) and sim/ (virtual
 * time under a seed). Nobody above takes time, randomness or threads from
 * anywhere else. All calls happen on the loop thread, except loop_post_from().
 *
 * Handles are closed by their owner, also from inside their own callback.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_LOOP_LOOP_H
#define MZ_LOOP_LOOP_H

#include <mezzo/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/uuid.h"

#define NS_PER_US 1000LL
#define NS_PER_MS 1000000LL
#define NS_PER_SEC 1000000000LL

struct loop;
struct loop_timer; /* one shot; dead once its callback has been entered */
struct loop_fd;
struct loop_child;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void (*loop_fn)(void *arg);
typedef void (*loop_fd_fn)(void *arg, int ready);
typedef void (*loop_exit_fn)(void *arg, pid_t pid, int wait_status);

/* How a child is started: no shell, no PATH search, only fds 0-2 (each of
 * `fds`, -1 = /dev/null) are inherited, own session, default signals. A terminal as
 * its input becomes the controlling one of that session, unless it is another's. */
struct loop_spawn {
	const char *const *argv;
	const char *const *env; /* NULL: empty */
	const char *dir;	/* NULL: "/" */
	int fds[3];
};

struct loop_ops {
	int64_t (*now)(struct loop *l);
	int64_t (*wall)(struct loop *l);
	void (*random)(struct loop *l, void *out, size_t size);
	struct loop_timer *(*timer)(struct loop *l, int64_t delay_ns, loop_fn fn, void *arg);
	void (*timer_cancel)(struct loop *l, struct loop_timer *t);
	void (*post)(struct loop *l, loop_fn fn, void *arg);
	void (*post_from)(struct loop *l, loop_fn fn, void *arg);
	int (*offload)(struct loop *l, loop_fn work, loop_fn done, void *arg);
	struct loop_fd *(*fd)(struct loop *l, int fd, int events, loop_fd_fn fn, void *arg);
	void (*fd_close)(struct loop *l, struct loop_fd *f);
	int (*spawn)(struct loop *l, const struct loop_spawn *s, loop_exit_fn fn, void *arg,
		     struct loop_child **ret, pid_t *ret_pid, struct mz_err *err);
	int (*adopt)(struct loop *l, pid_t pid, loop_exit_fn fn, void *arg, struct loop_child **ret,
		     struct mz_err *err);
	int (*child_signal)(struct loop *l, struct loop_child *c, int sig);
	void (*child_close)(struct loop *l, struct loop_child *c);
};

/* Implementations embed this as their first member. */
struct loop {
	const struct loop_ops *ops;
};

/* Monotonic and since-1970 nanoseconds. Both are read once per loop turn. */
static inline int64_t loop_now(struct loop *l)
{
	return l->ops->now(l);
}
static inline int64_t loop_wall(struct loop *l)
{
	return l->ops->wall(l);
}
/* Seconds since 1970 as Mesos writes timestamps. */
static inline double loop_wall_secs(struct loop *l)
{
	return (double)(l->ops->wall(l) / NS_PER_US) / 1e6;
}
static inline void loop_random(struct loop *l, void *out, size_t size)
{
	l->ops->random(l, out, size);
}
void loop_uuid(struct loop *l, struct uuid *ret);
/* Uniform in [0, bound); bound > 0. */
uint64_t loop_random_below(struct loop *l, uint64_t bound);

static inline struct loop_timer *loop_timer(struct loop *l, int64_t delay_ns, loop_fn fn, void *arg)
{
	return l->ops->timer(l, delay_ns, fn, arg);
}
/* NULL is a no-op. */
static inline void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	if (t)
		l->ops->timer_cancel(l, t);
}

/* Runs fn(arg) after the current callback, before the loop waits again, in the
 * order of posting. Work posted while posted work runs waits for the next turn. */
static inline void loop_post(struct loop *l, loop_fn fn, void *arg)
{
	l->ops->post(l, fn, arg);
}
/* The same from any thread. */
static inline void loop_post_from(struct loop *l, loop_fn fn, void *arg)
{
	l->ops->post_from(l, fn, arg);
}

/* work(arg) on a worker thread, then done(arg) on the loop thread. -EAGAIN if
 * the bounded queue is full (nothing will run). The simulator runs both on its
 * own thread, at virtual times that it draws. */
static inline int loop_offload(struct loop *l, loop_fn work, loop_fn done, void *arg)
{
	return l->ops->offload(l, work, done, arg);
}

/* Level-triggered. The fd stays the caller's: close the handle first. NULL if
 * the kernel cannot watch it (a regular file). */
static inline struct loop_fd *loop_fd(struct loop *l, int fd, int events, loop_fd_fn fn, void *arg)
{
	return l->ops->fd(l, fd, events, fn, arg);
}
static inline void loop_fd_close(struct loop *l, struct loop_fd *f)
{
	if (f)
		l->ops->fd_close(l, f);
}

/* Starts a child with clone(CLONE_VFORK | CLONE_VM); fn is called once,
 * when it has exited (pidfd). The handle dies with that call. */
static inline int loop_spawn(struct loop *l, const struct loop_spawn *s, loop_exit_fn fn, void *arg,
			     struct loop_child **ret, pid_t *ret_pid, struct mz_err *err)
{
	return l->ops->spawn(l, s, fn, arg, ret, ret_pid, err);
}
/* Watches a process that is not our child; wait_status is then -1. */
static inline int loop_adopt(struct loop *l, pid_t pid, loop_exit_fn fn, void *arg,
			     struct loop_child **ret, struct mz_err *err)
{
	return l->ops->adopt(l, pid, fn, arg, ret, err);
}
static inline int loop_child_signal(struct loop *l, struct loop_child *c, int sig)
{
	return l->ops->child_signal(l, c, sig);
}
/* Stops watching; the process lives on and is reaped silently. */
static inline void loop_child_close(struct loop *l, struct loop_child *c)
{
	if (c)
		l->ops->child_close(l, c);
}

#endif
