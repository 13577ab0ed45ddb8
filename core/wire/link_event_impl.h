/* link_event_impl.h - what link_event.c and its dialer and server share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_LINK_EVENT_IMPL_H
#define MZ_WIRE_LINK_EVENT_IMPL_H

#include <stdbool.h>

#include "base/list.h"
#include "wire/link_event.h"

enum { LINK_HEAD_BYTES = 4, LINK_HELLO_BYTES = 5, LINK_VERSION = 1 };

struct bufferevent;

/* One TCP connection that speaks frames. */
struct link_conn {
	struct link link; /* first */
	struct list node; /* of its server */
	struct loop *loop;
	struct link_limits limits;
	struct bufferevent *bev;
	struct loop_timer *timer;
	int64_t heard_ns;
	char *peer;
	/* Whoever made it is told once: after the hello (why NULL), or that there
	 * will be none; then the connection is freed. */
	void (*on_ready)(void *arg, struct link_conn *c, const char *why);
	/* Told when the connection is being freed, for the server's counts; may be NULL. */
	void (*on_free)(void *arg, struct link_conn *c);
	void *maker;
	size_t *n_held_all; /* of all of its server; NULL: nobody counts */
	size_t n_held;	    /* bytes of a frame that is not complete */
	char why[160]; /* of a cut that is posted */
	bool ready;    /* the peer's hello was read, on_ready was called */
	bool cut;      /* on_cut is posted, and will free the connection */
	bool closed;   /* the owner closed it, or was told that it is gone */
};

/* Takes the fd (connected, non-blocking) and sends the hello. */
struct link_conn *link_conn_new(struct loop *l, int fd, char *peer, const struct link_limits *limits,
				void (*on_ready)(void *arg, struct link_conn *c, const char *why), void *maker);
/* Tells the owner (or the maker, if it is not ready yet), and frees. Not from
 * inside send, close or on_ready. */
void link_conn_gone(struct link_conn *c, const char *why);
/* Frees it unseen. Not from inside its callbacks. */
void link_conn_free(struct link_conn *c);

#endif
