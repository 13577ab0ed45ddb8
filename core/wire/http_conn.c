/* http_conn.c - a connection of the HTTP server: bytes to requests to handlers.
 *
 * Requests of one connection are handed over in their order, several of them before
 * the first one is answered; what may not be handed over yet is held, up to a limit,
 * then the peer is not read any more. Meanwhile the end of the connection is noticed.
 * Not for answers (http_call.c) and not for timeouts (http_server.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "wire/http_server_impl.h"

enum {
	MAX_PIPELINED = 64,	     /* requests without a complete answer */
	MAX_ANSWER_BYTES = 1 << 20,  /* unsent: no further request until they are */
	MAX_HELD_BYTES = 64 << 10,   /* of what a peer sends before its time */
	MAX_DISCARDED = 64 << 20,    /* of what a peer sends behind an error */
	MAX_BODIES = 32,	     /* of the largest size, on all connections */
	FIRST_BODY_BYTES = 64 << 10, /* a length that is only announced gets no more */
	MIN_BYTES_PER_SEC = 1024,
	TURN_NS = 500 * 1000, /* of requests of one connection, then others have their turn */
};

static const struct chan_ops chan_ops;

/* ---- life -------------------------------------------------------------------------- */

void http_conn_new(struct http_server *s, int fd, char *peer)
{
	struct http_conn *c = xnew(struct http_conn);

	c->server = s;
	c->peer = peer;
	list_init(&c->wait);
	list_init(&c->calls);
	list_append(&s->conns, &c->node);
	s->n_conns++;
	http_parser_init(&c->parser, false, s->limits.max_header_bytes, s->limits.max_headers);
	chan_init(&c->ch, s->loop, fd, &chan_ops, c);
	chan_read(&c->ch, true);
	http_server_wait(c, true);
}

void http_conn_free(struct http_conn *c)
{
	struct list calls;

	must(!c->parsing);
	http_server_wait(c, false);
	list_remove(&c->node);
	c->server->n_conns--;
	c->server->n_unsent -= c->n_unsent;
	/* Owners may do what they like when they are told: nothing leads here any more. */
	list_init(&calls);
	list_insert_before(&c->calls, &calls);
	list_remove(&c->calls);
	list_each(&calls, struct http_call, node, call) {
		c->server->n_body_bytes -= call->body.len;
		call->conn = NULL;
	}
	chan_done(&c->ch);
	http_parser_done(&c->parser);
	buf_done(&c->held);
	free(c->peer);
	free(c);
	while (!list_empty(&calls)) {
		struct http_call *call = list_first(&calls, struct http_call, node);
		list_remove(&call->node);
		if (call->done)
			http_call_free(call);
		else
			http_call_gone(call);
	}
}

/* ---- errors ------------------------------------------------------------------------- */

/* What cannot be understood is answered in its turn, and is the last. */
static void refuse(struct http_conn *c, int status, const char *why)
{
	struct http_call *call = c->reading;

	c->discarding = c->lingers = true;
	if (call && call->pending) { /* its handler has it already */
		c->broken = true;
		return;
	}
	if (!call)
		call = http_call_new(c);
	c->reading = call;
	call->closes = true;
	http_reply_text(&call->x, status, "%s", why);
}

/* ---- requests ----------------------------------------------------------------------- */

/* Path and query of a target that may be in absolute form; NULL if it is neither. */
static const char *relative_target(const char *uri)
{
	const char *authority;

	if (*uri == '/' || strcmp(uri, "*") == 0)
		return uri;
	if (strncasecmp(uri, "http://", 7) == 0)
		authority = uri + 7;
	else if (strncasecmp(uri, "https://", 8) == 0)
		authority = uri + 8;
	else
		return NULL;
	const char *path = authority + strcspn(authority, "/?#");
	return *path == '/' ? path : "/";
}

static bool is_streamed(const struct http_call *call)
{
	const char *type = http_head_get(&call->head, "Content-Type");

	return type && strcasecmp(type, "application/recordio") == 0;
}

/* The request from its head. 0, or the status of the refusal. */
static int read_head(struct http_call *call, const char *peer, const char **ret_why)
{
	struct http_request *r = &call->r;
	const char *target = relative_target(call->head.target);

	*ret_why = "Malformed target";
	if (!target)
		return 400;
	size_t path_len = strcspn(target, "?#");
	r->method = call->head.method;
	r->target = target;
	if (target[path_len] == '?') {
		const char *query = target + path_len + 1;
		r->query = call->query = xstrndup(query, strcspn(query, "#"));
	}
	r->headers = call->head.headers.v;
	r->n_headers = call->head.headers.n;
	r->peer = call->peer = xstrdup(peer);
	r->streamed = is_streamed(call);
	*ret_why = "Unknown method";
	if (!http_is_method(r->method))
		return 501;
	*ret_why = "Malformed path";
	if (http_decode(target, path_len, false, &call->path) < 0)
		return 400;
	r->path = call->path;
	return 0;
}

static void hand_over(struct http_call *call)
{
	struct http_conn *c = call->conn;
	const struct http_server *s = c->server;

	call->pending = true;
	c->n_pending++;
	if (s->filter) {
		c->filtering = call;
		if (!s->filter(s->filter_arg, &call->r, &call->x))
			return; /* it may be gone */
		c->filtering = NULL;
	}
	http_dispatch(call->router, &call->r, &call->x);
}

void http_server_pass(struct http_exchange *x)
{
	struct http_call *call = (struct http_call *)x;
	struct http_conn *c = call->conn;

	if (c && c->filtering == call) {
		c->filtering = NULL;
		http_conn_go_on(c);
	}
	http_dispatch(call->router, &call->r, &call->x);
}

/* `more`: bytes behind the head are there already. */
static void on_head(struct http_conn *c, bool more)
{
	struct http_call *call = http_call_new(c);
	const char *why;

	c->reading = call;
	call->head = c->parser.head;
	c->parser.head = (struct http_head){0};
	call->http_1_0 = call->head.minor == 0;
	call->closes = call->head.closes;
	call->to_head = strcmp(call->head.method, "HEAD") == 0;
	int status = read_head(call, c->peer, &why);
	if (status == 0 && !call->r.streamed && call->head.length > (int64_t)c->server->limits.max_body_bytes) {
		status = 413;
		why = "The body is too large";
	}
	if (status) {
		refuse(c, status, why);
		return;
	}
	if (call->head.expects_continue && call->head.length != 0 && !more)
		http_call_put(call, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	if (call->r.streamed)
		hand_over(call);
	else if (call->head.length > 0)
		buf_reserve(&call->body, MZ_MIN((size_t)call->head.length, (size_t)FIRST_BODY_BYTES));
}

static void collect_body(struct http_conn *c, struct http_call *call, struct mz_bytes piece)
{
	struct http_server *s = c->server;
	size_t len = call->body.len + piece.size;

	if (len > s->limits.max_body_bytes) {
		refuse(c, 413, "The body is too large");
	} else if (len > FIRST_BODY_BYTES && s->n_body_bytes + piece.size > MAX_BODIES * s->limits.max_body_bytes) {
		refuse(c, 503, "Too many large bodies at once");
	} else {
		buf_add(&call->body, piece.data, piece.size);
		s->n_body_bytes += piece.size;
	}
}

static void on_body(struct http_conn *c, struct mz_bytes piece)
{
	struct http_call *call = c->reading;

	c->progress += piece.size;
	if (call->streaming)
		return; /* answered: nobody wants it */
	if (call->r.streamed) {
		if (call->body_cb.on_data)
			call->body_cb.on_data(call->body_arg, piece.data, piece.size);
	} else {
		collect_body(c, call, piece);
	}
}

static void on_complete(struct http_conn *c)
{
	struct http_call *call = c->reading;

	c->reading = NULL;
	c->discarding |= call->closes;
	http_parser_start(&c->parser, false);
	if (!call->pending) {
		call->r.body = call->body.len ? call->body.data : NULL;
		call->r.body_size = call->body.len;
		hand_over(call);
	} else if (!call->streaming) {
		http_call_end_body(call, true);
	}
}

/* ---- turns ---------------------------------------------------------------------------- */

static int64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

/* Whoever sends many requests at once, or expensive ones, waits between them for all
 * others. What is left of its bytes is held. */
static bool turn_is_over(struct http_conn *c, int64_t began, bool more)
{
	if (!more || clock_ns() - began < TURN_NS)
		return false;
	chan_turn(&c->ch);
	return true;
}

/* ---- bytes ---------------------------------------------------------------------------- */

static bool may_parse(const struct http_conn *c)
{
	const struct http_call *call = c->reading;

	if (c->discarding || c->closing || c->broken || c->filtering)
		return false;
	if (call && call->streaming)
		return true; /* to throw it away */
	if (c->n_streams)
		return false;
	if (call)
		return !call->pending || (call->reads && !call->paused);
	return c->n_calls < MAX_PIPELINED && c->n_queued + chan_queued(&c->ch) < MAX_ANSWER_BYTES;
}

/* Returns how many bytes are used up. */
static size_t parse(struct http_conn *c, const char *data, size_t size)
{
	struct mz_bytes piece;
	size_t at = 0, used;
	enum http_event e = HTTP_DATA;
	int64_t began = size ? clock_ns() : 0;

	c->parsing = true;
	while (e != HTTP_MORE && may_parse(c)) {
		if (at < size && http_parser_is_idle(&c->parser) && !list_empty(&c->wait)) {
			/* The time of the header starts with its first byte. */
			http_server_wait(c, false);
			http_server_wait(c, true);
		}
		e = http_parser_feed(&c->parser, data + at, size - at, &used, &piece);
		at += used;
		switch (e) {
		case HTTP_HEAD: on_head(c, at < size); break;
		case HTTP_DATA: on_body(c, piece); break;
		case HTTP_END:
			on_complete(c);
			if (turn_is_over(c, began, at < size))
				e = HTTP_MORE;
			break;
		case HTTP_FAILED: refuse(c, c->parser.error_status, c->parser.error); break;
		default: break;
		}
	}
	c->parsing = false;
	if (c->discarding) {
		c->n_discarded += size - at;
		at = size;
	}
	return at;
}

/* False: the connection has been freed. */
static bool settle(struct http_conn *c)
{
	bool is_full = c->held.len >= MAX_HELD_BYTES;

	c->broken |= c->ch.broken && is_full; /* its end would be behind what is not read any more */
	/* All that was asked for before the peer closed its half is answered. */
	if (c->eof && !c->held.len && !c->n_pending) {
		c->closing = true;
		c->broken |= c->reading != NULL; /* that will never be complete */
	}
	bool over = c->closing && !c->n_calls && !chan_queued(&c->ch);
	if (c->broken || c->n_discarded > MAX_DISCARDED || (over && (!c->lingers || c->eof))) {
		http_conn_free(c);
		return false;
	}
	if (over && !c->shut) {
		/* Closing with unread bytes would reset the connection, and the peer might
		 * lose the answer. */
		c->shut = true;
		chan_shut(&c->ch);
		http_server_wait(c, false);
	}
	chan_read(&c->ch, !c->eof && !is_full);
	http_server_wait(c, c->n_pending == 0);
	return true;
}

void http_conn_go_on(struct http_conn *c)
{
	/* A body may have come to its end without bytes that would say so. */
	if (!c->parsing && (c->held.len || c->reading || !c->ch.reading || c->closing || !c->n_pending))
		chan_turn(&c->ch);
}

static bool on_data(void *arg, const char *data, size_t size)
{
	struct http_conn *c = arg;
	size_t used = 0;

	if (!c->held.len)
		used = parse(c, data, size);
	if (used < size)
		buf_add(&c->held, data + used, size - used);
	return settle(c);
}

static bool on_turn(void *arg)
{
	struct http_conn *c = arg;

	size_t used = parse(c, buf_str(&c->held), c->held.len);
	buf_drop(&c->held, used);
	if (!c->held.len)
		buf_done(&c->held); /* many connections wait for long */
	return settle(c);
}

static void on_written(void *arg)
{
	struct http_conn *c = arg;

	http_server_unsent(c);
	http_conn_has_room(c);
	if (c->held.len)
		chan_turn(&c->ch);
	else
		settle(c);
}

static void on_end(void *arg, int error)
{
	struct http_conn *c = arg;

	c->eof = true;
	/* A peer that closes its half is taken for one that has left, as nothing tells
	 * the two apart; but what is answered already is still written. */
	if (error || c->n_pending)
		http_conn_free(c);
	else
		settle(c);
}

static const struct chan_ops chan_ops = {
	.on_data = on_data,
	.on_end = on_end,
	.on_turn = on_turn,
	.on_written = on_written,
};

/* ---- time -------------------------------------------------------------------------------- */

void http_conn_expired(struct http_conn *c)
{
	uint64_t moved = c->progress + c->ch.n_written - c->written_at;
	bool partial = c->reading || !http_parser_is_idle(&c->parser);

	http_server_wait(c, false);
	if (c->shut || c->eof) {
		http_conn_free(c);
	} else if (moved >= (uint64_t)c->server->limits.idle_timeout_secs * MIN_BYTES_PER_SEC) {
		http_server_wait(c, true);
	} else if (partial && !c->discarding && !chan_queued(&c->ch)) {
		refuse(c, 408, "The request did not arrive in time");
		http_server_wait(c, true);
	} else {
		http_conn_free(c);
	}
}
