/* http.h - HTTP as the state machines see it: requests in, answers and event
 * streams out. No socket, no libevent. Two implementations: http_event.h
 * (sockets) and core/sim (in memory).
 *
 * A handler gets a request and an exchange. It answers the exchange exactly
 * once - now or later - with http_reply() or http_stream(). The request lives
 * until the exchange is answered. If the peer goes away first, the exchange's
 * on_gone (if set) is called, and answering it afterwards is a silent no-op.
 *
 * A request whose Content-Type is application/recordio may have a body without an
 * end. It is handed over as soon as its header is there (`streamed`), and the handler
 * takes the body piece by piece with http_exchange_read().
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_HTTP_H
#define MZ_WIRE_HTTP_H

#include <mezzo/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/map.h"

struct http_header {
	const char *name, *value;
};

struct http_request {
	const char *method; /* "GET" */
	const char *path;   /* decoded, without query: "/master/state" */
	const char *query;  /* as sent, without '?'; NULL if absent */
	const char *target; /* as sent: path and query, still encoded, without scheme and host */
	const struct http_header *headers;
	size_t n_headers;
	const void *body; /* NULL if it is streamed */
	size_t body_size;
	bool streamed;
	const char *peer; /* "127.0.0.1:4711"; "unix:/PATH": whoever came through that socket */
	/* Set by the authenticator step before a handler runs; NULL: anonymous. */
	const char *principal;
};

/* Case-insensitive; the first one of that name; NULL if absent. */
const char *http_find_header(const struct http_header *v, size_t n, const char *name);
const char *http_header(const struct http_request *r, const char *name);
bool http_is_method(const char *s); /* one that we know: "GET" … */
/* Decoded query argument; the caller frees; NULL if absent. */
char *http_query(const struct http_request *r, const char *name);
/* Percent-decoding into a new string; -EINVAL for a broken escape or a %00. */
int http_decode(const char *s, size_t len, bool plus_is_space, char **ret);

struct http_exchange;
struct http_stream;

/* How a handler takes a streamed body. Called from the loop, never from inside a call
 * of this header; both may answer the exchange, and none follows an answer. */
struct http_body_cb {
	void (*on_data)(void *arg, const void *data, size_t size); /* framing is not kept: bytes as they came */
	/* Once. Not complete: the peer left, or broke the rules; on_gone follows. */
	void (*on_end)(void *arg, bool complete);
};

struct http_exchange_ops {
	void (*reply)(struct http_exchange *x, int status, const struct http_header *headers, size_t n_headers,
		      const void *body, size_t size);
	struct http_stream *(*stream)(struct http_exchange *x, int status, const struct http_header *headers,
				      size_t n_headers);
	/* Both NULL in an implementation that carries no streamed bodies. */
	int (*read)(struct http_exchange *x, const struct http_body_cb *cb, void *arg);
	void (*pause)(struct http_exchange *x, bool paused);
};

/* Implementations embed it first. */
struct http_exchange {
	const struct http_exchange_ops *ops;
	void (*on_gone)(void *arg); /* the peer left before an answer; may be NULL */
	void *on_gone_arg;
};

/* Answers and frees the exchange. Content-Length and Date are added. */
void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body, size_t size);
void http_reply_headers(struct http_exchange *x, int status, const struct http_header *headers, size_t n_headers,
			const void *body, size_t size);
/* A text/plain answer made by printf. */
void http_reply_text(struct http_exchange *x, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Answers with a chunked stream and frees the exchange; the stream is the caller's. */
struct http_stream *http_stream(struct http_exchange *x, int status, const struct http_header *headers,
				size_t n_headers);

/* The body of a streamed request, from here on and from its start; until then, and
 * while it is paused, the peer is held back after a bounded number of bytes. Once the
 * exchange is answered, what still comes is thrown away: a reply ends the connection
 * then, a stream goes on. -EINVAL: the request is not streamed, or is read already;
 * -ENOSYS: not in this implementation (the simulator). */
int http_exchange_read(struct http_exchange *x, const struct http_body_cb *cb, void *arg);
void http_exchange_pause(struct http_exchange *x, bool paused);

struct http_stream_ops {
	int (*send)(struct http_stream *s, const void *data, size_t size);
	size_t (*queued)(const struct http_stream *s);
	void (*close)(struct http_stream *s);
	void (*abort)(struct http_stream *s); /* NULL: as close */
};

struct http_stream {
	const struct http_stream_ops *ops;
	/* The peer closed, or was cut because its queue was full. Called once, from
	 * the loop, never from inside send or close. The stream is then dead: it is
	 * freed after the call, and must not be closed. */
	void (*on_gone)(void *arg);
	void *arg;
	/* All that was sent is on its way: who waits for the peer may go on. From the loop,
	 * never from inside send; also now and then without need. May be NULL. */
	void (*on_room)(void *arg);
};

/* One chunk. -EPIPE if the peer is gone, -ENOBUFS if its bounded queue is full:
 * it has then been cut, and on_gone follows. */
static inline int http_send(struct http_stream *s, const void *data, size_t size)
{
	return s->ops->send(s, data, size);
}
/* Bytes that the peer has not taken yet. */
static inline size_t http_queued(const struct http_stream *s)
{
	return s->ops->queued(s);
}
/* Ends the stream: what is queued is still written, then it is freed. on_gone
 * is not called. */
static inline void http_close(struct http_stream *s)
{
	s->ops->close(s);
}

/* The same, but the peer can see that something is missing: its connection ends
 * without the end of the stream. */
static inline void http_abort(struct http_stream *s)
{
	if (s->ops->abort)
		s->ops->abort(s);
	else
		s->ops->close(s);
}

/* ---- routing ------------------------------------------------------------ */

typedef void (*http_handler_fn)(void *arg, const struct http_request *r, struct http_exchange *x);

/* Longest prefix on whole path segments wins; a trailing slash is ignored;
 * "/slave(1)/x" style process prefixes are routes like any other. */
struct http_router {
	struct map routes;
};
void http_router_done(struct http_router *r);
void http_route(struct http_router *r, const char *path, http_handler_fn fn, void *arg);
/* The same, but what lies below the path is not served by it. */
void http_route_exact(struct http_router *r, const char *path, http_handler_fn fn, void *arg);
void http_unroute(struct http_router *r, const char *path);
/* Calls the handler; 404 with an empty body if there is none. */
void http_dispatch(struct http_router *r, const struct http_request *req, struct http_exchange *x);

#endif
