/* loop_event.h - the real loop, on libevent. libevent is named in core/loop
 * and core/wire (sockets) only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_LOOP_LOOP_EVENT_H
#define MZ_LOOP_LOOP_EVENT_H

#include "base/list.h"
#include "loop/loop.h"

struct event_base;

/* Worker threads are started with the first offload (at most n_workers, at least
 * one). SIGPIPE is ignored from here on. */
int loop_event_new(int n_workers, struct loop **ret, struct mz_err *err);
/* Joins the workers; whatever is still registered is released unseen. */
void loop_event_free(struct loop *l);
/* Runs until loop_event_stop(). */
void loop_event_run(struct loop *l);
/* One turn: waits at most max_wait_ns for something to happen (0: does not wait). */
void loop_event_turn(struct loop *l, int64_t max_wait_ns);
void loop_event_stop(struct loop *l);
/* fn(arg, signo) on the loop thread for each delivered signal, until free. */
int loop_event_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg);
/* The loop inside of another one: a descriptor that polls as readable when
 * loop_event_dispatch() (one turn that does not wait) has something to do. It is the
 * loop's; negative errno. What is asked of the loop outside of its callbacks is seen
 * after loop_event_kick(). Signals are not covered. */
int loop_event_fd(struct loop *l);
void loop_event_dispatch(struct loop *l);
void loop_event_kick(struct loop *l);
struct event_base *loop_event_base(struct loop *l);

/* Work for the very end of the turn, after its callbacks and posted work: writing
 * out what all of them have queued. Asked for while such work runs, it waits for the
 * next turn. The struct is the caller's, zeroed before its first use. */
struct loop_late {
	struct list link;
	loop_fn fn;
	void *arg;
};
void loop_event_late(struct loop *l, struct loop_late *late); /* again: no-op */
static inline void loop_event_late_cancel(struct loop_late *late)
{
	list_remove(&late->link);
}

#endif
