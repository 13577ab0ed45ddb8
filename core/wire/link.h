/* link.h - the framed connection between an agent and its master, as the state
 * machines see it. One frame is one protobuf message of proto/mezzo/link.proto.
 * Two implementations: link_event.h (TCP) and core/sim.
 *
 * Frames arrive in order or the link is gone; nothing is promised beyond that.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_LINK_H
#define MZ_WIRE_LINK_H

#include <mezzo/types.h>
#include <stddef.h>

struct link;

struct link_ops {
	int (*send)(struct link *l, const void *frame, size_t size);
	void (*close)(struct link *l);
};

/* Implementations embed it first. Whoever owns the link sets the callbacks. */
struct link {
	const struct link_ops *ops;
	/* The frame lives until the call returns. */
	void (*on_frame)(void *arg, const void *frame, size_t size);
	/* The peer is gone, was cut, or broke the protocol (why says which).
	 * Called once, from the loop, never from inside send or close; the link is
	 * freed after the call and must not be closed. */
	void (*on_gone)(void *arg, const char *why);
	void *arg;
	const char *peer; /* "127.0.0.1:4711" */
};

/* -EPIPE: gone. -ENOBUFS: the bounded queue is full, the link is cut, on_gone follows.
 * -EMSGSIZE: larger than a frame may be; it is not sent, and the link stands. */
static inline int link_send(struct link *l, const void *frame, size_t size)
{
	return l->ops->send(l, frame, size);
}
/* What is queued is still written; on_gone is not called; the link is freed. */
static inline void link_close(struct link *l)
{
	l->ops->close(l);
}

/* Who dials: the agent asks for a link to a master's address. */
struct link_dialer;
struct link_dialer_ops {
	/* Exactly one call of fn, never from inside dial: a link, or NULL and why. */
	void (*dial)(struct link_dialer *d, const char *address, void (*fn)(void *arg, struct link *l, const char *why),
		     void *arg);
	/* Gives up the dial of that arg; fn will not be called. */
	void (*cancel)(struct link_dialer *d, void *arg);
};
struct link_dialer {
	const struct link_dialer_ops *ops;
};

#endif
