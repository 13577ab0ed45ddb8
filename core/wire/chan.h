/* chan.h - a connection on the loop: bytes in as they come, bytes out once a turn.
 *
 * What is queued in a turn is written at its end with one call, directly; the kernel
 * is asked to watch for room only if it did not take all. That is what bufferevents
 * do not do, and why they are not used here: a small message would cost them two
 * epoll_ctl() and a FIONREAD. If connections are to be encrypted, this is the place.
 * Used by the HTTP server and client. The link has bufferevents of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_CHAN_H
#define MZ_WIRE_CHAN_H

#include <event2/event_struct.h>

#include "loop/loop_event.h"

struct evbuffer;

/* All are called from the loop, never from inside a call of this header. The owner
 * may chan_done() in each of them; then it returns false where it is asked. */
struct chan_ops {
	void (*on_connected)(void *arg); /* after chan_connect(); may be NULL */
	bool (*on_data)(void *arg, const char *data, size_t size);
	/* The peer has closed its half (error 0), or the connection is broken. Nothing is
	 * read any more; what is queued is still written if error is 0. */
	void (*on_end)(void *arg, int error);
	bool (*on_turn)(void *arg); /* asked for with chan_turn(); before writing; may be NULL */
	/* All that was queued is the kernel's; may be NULL. */
	void (*on_written)(void *arg);
};

struct chan {
	struct loop *loop;
	const struct chan_ops *ops;
	void *arg;
	int fd; /* -1: none */
	struct event readable, writable;
	struct loop_late late;
	struct evbuffer *out;
	uint64_t n_written;
	bool reading, connecting, blocked, turn, broken;
};

/* Takes the fd, connected and non-blocking. Reading is off. */
void chan_init(struct chan *c, struct loop *l, int fd, const struct chan_ops *ops, void *arg);
/* The same, not connected yet: on_connected or on_end follows. An address as in
 * wire/sock.h; -EINVAL if it is none, -errno if there is no socket: then nothing follows. */
int chan_connect(struct chan *c, struct loop *l, const char *ip, int port, const struct chan_ops *ops, void *arg);
/* Closes at once. A zeroed one, and again: no-op. */
void chan_done(struct chan *c);
void chan_read(struct chan *c, bool on);
void chan_write(struct chan *c, const void *data, size_t size);
/* To queue by other means; chan_flush() makes it go out. */
static inline struct evbuffer *chan_out(struct chan *c)
{
	return c->out;
}
void chan_flush(struct chan *c);
void chan_turn(struct chan *c); /* on_turn() at the end of this turn */
size_t chan_queued(const struct chan *c);
void chan_shut(struct chan *c); /* no more will be written: the peer sees the end */

#endif
