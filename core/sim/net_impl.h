/* net_impl.h - connections, shared by net.c, net_link.c and net_http.c.
 *
 * A connection has two sides. Side 0 is the client's. What a side writes waits in
 * its queue, and one entry of the queue at a time is on its way.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_NET_IMPL_H
#define MZ_SIM_NET_IMPL_H

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "sim/net.h"

enum { WORD_DIAL, WORD_TAKEN, WORD_FRAME, WORD_REQUEST, WORD_ANSWER, WORD_STREAM, WORD_DATA, WORD_END };

/* One thing that is sent. What it points to is its own. */
struct word {
	struct list in_queue;
	int kind, status;
	int64_t at;
	char *method, *path, *content_type, *accept, *stream_id;
	void *data;
	size_t size;
	const struct sim_call_fns *taps; /* of a request */
	void *tap_arg;
};

struct side {
	struct conn *conn;
	struct sim_node *node; /* NULL: the server's, before the first word has arrived */
	struct list in_node;
	void *owner;
	const struct side_ops *ops; /* NULL: nobody is there any more */
	bool ended; /* WORD_END was queued */
	struct list queue;
	size_t queued; /* bytes */
	int64_t last_at;
	struct loop_timer *timer; /* of the first in the queue */
};

struct side_ops {
	void (*on_word)(struct side *s, struct word *w);
	void (*on_gone)(struct side *s, const char *why); /* ops is NULL already */
};

struct conn {
	struct sim_net *net;
	struct list in_net;
	uint64_t id;
	size_t max_queued;
	char *address;
	struct side side[2];
	bool cut;
	unsigned n_cuts; /* news of it that have not been told */
	struct loop_timer *reap;
};

struct sim_net {
	struct sim *sim;
	struct sim_net_config cfg;
	struct sim_node *wire; /* whose timers the words are */
	struct map servers;    /* address -> const struct sim_server */
	struct list conns;
	uint64_t n_conns_ever;
};

struct conn *conn_new(struct sim_net *n, struct sim_node *client, const char *address, size_t max_queued);
struct word *word_new(int kind, const void *data, size_t size);
static inline struct side *side_peer(struct side *s)
{
	return &s->conn->side[s == &s->conn->side[0]];
}
/* -EPIPE, -ENOBUFS as http_send() and link_send(). Takes the word. */
int side_send(struct side *s, struct word *w);
/* Lets go: what is queued still arrives, and then the end. */
void side_close(struct side *s);
/* Both sides lose it. */
void conn_cut(struct conn *c, const char *why);
/* The first word has arrived: who serves that address? NULL: nobody, the connection was cut. */
const struct sim_server *conn_serve(struct side *s);

/* net_link.c, net_http.c: a first word of theirs */
void link_accept(struct side *s, const struct sim_server *srv);
void http_accept(struct side *s, const struct sim_server *srv, struct word *w);

#endif
