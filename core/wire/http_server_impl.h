/* http_server_impl.h - what the files of the HTTP server share: http_server.c (doors,
 * timeouts), http_conn.c (requests in), http_call.c (answers out). Nobody else
 * includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_HTTP_SERVER_IMPL_H
#define MZ_WIRE_HTTP_SERVER_IMPL_H

#include "base/buf.h"
#include "base/list.h"
#include "wire/chan.h"
#include "wire/http_event.h"
#include "wire/http_parse.h"
#include "wire/sock.h"

struct http_server {
	struct loop *loop;
	struct http_limits limits;
	struct http_router *router;
	int port;
	char *unix_address; /* "unix:/PATH"; NULL: TCP */
	bool (*filter)(void *arg, struct http_request *r, struct http_exchange *x);
	void *filter_arg;
	struct evconnlistener *listener;
	struct loop_timer *reopen;
	struct list conns;
	int n_conns;
	struct sock_refusals refusals;
	size_t n_unsent; /* bytes of streams and answers that peers have not taken, at most */
	size_t n_body_bytes; /* of requests that are not answered, while their peers are there */
	struct list waiting; /* http_conn.wait: who has to do something, in the order of since_ns */
	struct loop_timer *sweep;
	int64_t date_secs;
	char date[40];
	struct buf scratch; /* the head of an answer */
};

/* A connection. Its calls are in the order of their requests; only the first one
 * writes to the socket. */
struct http_conn {
	struct http_server *server;
	struct chan ch;
	struct list node, wait;
	int64_t since_ns;
	uint64_t progress, written_at; /* bytes of bodies in, bytes out, since since_ns */
	char *peer;
	struct http_parser parser;
	struct list calls;
	int n_calls, n_pending, n_streams; /* pending: with a handler, not answered to the end */
	size_t n_queued;		   /* bytes of answers behind the first one */
	size_t n_unsent;		   /* of all answers, when they were counted last */
	int64_t unsent_since_ns;
	struct http_call *reading;	   /* its body is not complete */
	struct http_call *filtering;	   /* the filter has not let it through */
	struct buf held;		   /* read, but its time has not come */
	size_t n_discarded;
	bool parsing;
	bool discarding; /* no more requests: whatever comes is thrown away */
	bool closing;	 /* once all is written */
	bool lingers;	 /* closing, but not before the peer could read the answer */
	bool shut, eof;
	bool broken; /* to be freed by whoever is parsing */
};

/* A request; the exchange first and the stream later. */
struct http_call {
	struct http_exchange x; /* first */
	struct http_stream st;
	struct http_conn *conn; /* NULL: the peer is gone */
	struct list node;
	struct loop *loop;
	struct http_router *router;
	struct http_request r;
	struct http_head head;
	char *path, *query, *peer;
	struct buf body, out; /* out: until it is the first one */
	size_t max_queue;
	struct http_body_cb body_cb;
	void *body_arg;
	bool reads, paused;
	bool pending, streaming, done;
	bool telling, answered; /* the end is being told: it is freed after that */
	bool closes, http_1_0, to_head;
	bool cut;  /* on_cut is posted, and will free the call */
	bool told; /* the stream's on_gone has been called */
};

void http_conn_new(struct http_server *s, int fd, char *peer);
/* Tells the owners of exchanges and streams. Not from inside a handler. */
void http_conn_free(struct http_conn *c);
/* Its time is over. */
void http_conn_expired(struct http_conn *c);
/* Something has changed that may let requests in, or the connection end. */
void http_conn_go_on(struct http_conn *c);
/* On or off the server's list of those that have to do something in time. */
void http_server_wait(struct http_conn *c, bool waits);
/* Bytes were queued or have gone: others may have to be cut, at the end of the turn. */
void http_server_unsent(struct http_conn *c);
const char *http_server_date(struct http_server *s);

struct http_call *http_call_new(struct http_conn *c);
void http_call_free(struct http_call *call);
/* Whoever reads the body is told of its end, the first time. */
void http_call_end_body(struct http_call *call, bool complete);
/* The peer is gone: call->conn is NULL already. */
void http_call_gone(struct http_call *call);
/* The kernel has taken all that was queued: the stream that writes is told. */
void http_conn_has_room(struct http_conn *c);
void http_call_put(struct http_call *call, const void *data, size_t size);

#endif
