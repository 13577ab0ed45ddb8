/* loop_impl.h - the insides of the libevent loop, shared by its own files
 * (loop_event.c, loop_child.c, loop_spawn.c, loop_fd.c, loop_offload.c). Nobody else includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_LOOP_LOOP_IMPL_H
#define MZ_LOOP_LOOP_IMPL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <sys/resource.h>

#include "base/list.h"
#include "base/vec.h"
#include "loop/loop.h"

enum { OFFLOAD_MAX = 1024, RANDOM_BUFFER = 512 };

struct posted {
	loop_fn fn;
	void *arg;
};
typedef VEC(struct posted) posted_vec;

/* The worker threads; everything here but `jobs` is under the mutex. */
struct offload {
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct list queue; /* struct job.link: not started */
	bool quit;
	int n_threads, n_threads_max, n_idle, n_queued;
	pthread_t *threads;
	/* loop thread only */
	struct list jobs; /* struct job.all: accepted, done() not yet called */
	size_t n_jobs;
};

/* What programs are started with. The descriptors are made with the loop, so that they
 * are low. */
struct loop_nest {
	void *stack; /* NULL: nothing was started yet */
	int null, slots[3]; /* what becomes 0, 1 and 2 */
	rlim_t max_files; /* soft limit that we began with, and that children have */
};

struct loop_event {
	struct loop loop;
	struct event_base *base;
	bool stop;

	/* The clocks are read by the first who asks in a turn. */
	bool fresh;
	int64_t now, wall;

	posted_vec posts;   /* run at the end of this turn */
	posted_vec running; /* spare capacity while `posts` is drained */
	struct list late;   /* struct loop_late.link: run after `posts` */

	/* Posts of other threads: `inbox` is under the mutex, `wake_fd` tells. */
	pthread_mutex_t inbox_mutex;
	posted_vec inbox;
	int wake_fd;
	struct event wake_event;
	struct event wait_event; /* ends the wait of loop_event_turn() */

	struct list timers, fds, children, signals;
	struct loop_nest nest;
	struct offload offload;

	unsigned char random[RANDOM_BUFFER];
	size_t n_random; /* unused bytes at the end of `random` */
	struct loop_mirror *mirror; /* NULL: nobody asked for loop_event_fd() */
};

static inline struct loop_event *loop_event_of(struct loop *l)
{
	return mz_container_of(l, struct loop_event, loop);
}

int loop_child_spawn(struct loop *l, const struct loop_spawn *s, loop_exit_fn fn, void *arg,
		     struct loop_child **ret, pid_t *ret_pid, struct mz_err *err);
int loop_child_adopt(struct loop *l, pid_t pid, loop_exit_fn fn, void *arg, struct loop_child **ret,
		     struct mz_err *err);
int loop_child_kill(struct loop *l, struct loop_child *c, int sig);
void loop_child_leave(struct loop *l, struct loop_child *c);
void loop_child_free_all(struct loop_event *l);

int loop_spawn_init(struct loop_event *l);
/* 0 or a negative errno, also of the program's execution. */
int loop_spawn_start(struct loop_event *l, const struct loop_spawn *s, const char *dir, pid_t *ret_pid);
void loop_spawn_done(struct loop_event *l);

void loop_mirror_free(struct loop_event *l);

void loop_offload_init(struct offload *o, int n_workers);
/* Waits for the work that is running; what has not started never will. */
void loop_offload_done(struct offload *o);
int loop_offload_add(struct loop *l, loop_fn work, loop_fn done, void *arg);

#endif
