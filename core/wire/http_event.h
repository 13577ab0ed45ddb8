/* http_event.h - HTTP over sockets: server and client.
 *
 * Wherever an `ip` and a `port` are asked for, "unix:/PATH" is a socket in the file
 * system: see wire/sock.h; its port is 0.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_HTTP_EVENT_H
#define MZ_WIRE_HTTP_EVENT_H

#include "loop/loop.h"
#include "wire/http.h"

struct http_limits {
	size_t max_header_bytes; /* 64 KiB */
	/* 16 MiB. All that are not answered may have 32 times that; then large ones are
	 * refused with 503. */
	size_t max_body_bytes;
	/* 16 MiB of unsent bytes, then the reader is cut. Of all streams and answers 64 times
	 * that, then it is the one that others wait for longest. */
	size_t max_stream_queue;
	int max_connections;	 /* further ones are closed at once */
	/* Of a connection without a request or stream; also for a request's header to
	 * arrive, and for its body or an answer to move by 1 KiB a second. */
	int idle_timeout_secs;
	size_t max_headers; /* 256; 0: that, too */
};
#define HTTP_LIMITS_DEFAULT ((struct http_limits){65536, 16u << 20, 16u << 20, 65536, 120, 256})

struct http_server;
/* Binds at once: -EADDRINUSE etc. name the address. Port 0 takes a free one. A socket
 * in the file system is open to every user; it goes when the server is freed, and one
 * that a killed process has left is replaced. */
int http_server_new(struct loop *l, const char *ip, int port, const struct http_limits *limits,
		    struct http_router *router, struct http_server **ret, struct mz_err *err);
int http_server_port(const struct http_server *s); /* 0: a socket in the file system */
/* Runs before the router, request by request of a connection. True: the request goes
 * on to its handler. False: it is answered (401, 503 …), or will be, or has been or
 * will be let through with http_server_pass(). */
void http_server_filter(struct http_server *s,
			bool (*fn)(void *arg, struct http_request *r, struct http_exchange *x), void *arg);
void http_server_pass(struct http_exchange *x);
/* Not from inside a handler. */
void http_server_free(struct http_server *s); /* streams are closed with on_gone */

/* ---- client ---------------------------------------------------------------
 * One connection to one peer, kept alive, calls in order. */
struct http_client;
struct http_response {
	int status; /* 0: no answer; see error */
	const struct http_header *headers;
	size_t n_headers;
	const void *body; /* whole answers */
	size_t body_size;
	const char *error; /* connection refused, timeout, …; NULL if there was an answer */
};
const char *http_response_header(const struct http_response *r, const char *name);
typedef void (*http_response_fn)(void *arg, const struct http_response *r);

struct http_client *http_client_new(struct loop *l, const char *ip, int port);
/* Outstanding calls are dropped without their callbacks. */
void http_client_free(struct http_client *c);
/* fn is called exactly once, never from inside this call. timeout 0: none. */
void http_client_call(struct http_client *c, const char *method, const char *target,
		      const struct http_header *headers, size_t n_headers, const void *body, size_t size,
		      int64_t timeout_ns, http_response_fn fn, void *arg);

/* A streaming answer on a connection of its own. on_open gets status and
 * headers (body: the whole body if the status is not 200); then on_data per
 * chunk, then on_end once (error NULL: ended by the peer). Without an answer
 * on_end is the only call. None is made from inside open. The owner closes the
 * stream in any case, also from inside a callback, also after on_end. */
struct http_client_stream;
struct http_client_stream_cb {
	void (*on_open)(void *arg, const struct http_response *r);
	void (*on_data)(void *arg, const void *data, size_t size);
	void (*on_end)(void *arg, const char *error);
	/* All of the request's body that was sent is on its way. May be NULL. */
	void (*on_room)(void *arg);
};
struct http_client_stream *http_client_stream_open(struct loop *l, const char *ip, int port, const char *method,
						   const char *target, const struct http_header *headers,
						   size_t n_headers, const void *body, size_t size,
						   const struct http_client_stream_cb *cb, void *arg);
void http_client_stream_close(struct http_client_stream *s); /* no further callback */

/* The same with a request body that has no end yet: `body` is its first piece, the
 * others follow, also before there is an answer. */
struct http_client_stream *http_client_stream_open_body(struct loop *l, const char *ip, int port, const char *method,
							const char *target, const struct http_header *headers,
							size_t n_headers, const void *body, size_t size,
							const struct http_client_stream_cb *cb, void *arg);
/* -EPIPE: over, or its body has been ended; -ENOBUFS: the peer does not take it, and
 * more than 16 MiB wait already. */
int http_client_stream_send(struct http_client_stream *s, const void *data, size_t size);
int http_client_stream_send_end(struct http_client_stream *s);
size_t http_client_stream_queued(const struct http_client_stream *s); /* bytes that wait */

#endif
