/* http_call.c - the answers of the HTTP server: exchanges, streams, and their order
 * on a connection. Not for requests (http_conn.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "wire/http_server_impl.h"

enum { SMALL_CHUNK = 4096 };

static const struct http_exchange_ops exchange_ops;
static const struct http_stream_ops stream_ops;

/* ---- life ----------------------------------------------------------------------- */

struct http_call *http_call_new(struct http_conn *c)
{
	struct http_call *call = xnew(struct http_call);

	call->x.ops = &exchange_ops;
	call->st.ops = &stream_ops;
	call->conn = c;
	call->loop = c->server->loop;
	call->router = c->server->router;
	call->max_queue = c->server->limits.max_stream_queue;
	list_append(&c->calls, &call->node);
	c->n_calls++;
	return call;
}

static void forget_request(struct http_call *call)
{
	http_head_done(&call->head);
	if (call->conn)
		call->conn->server->n_body_bytes -= call->body.len;
	buf_done(&call->body);
	free(MZ_MOVE(call->path));
	free(MZ_MOVE(call->query));
	free(MZ_MOVE(call->peer));
	call->r = (struct http_request){0};
}

void http_call_free(struct http_call *call)
{
	forget_request(call);
	buf_done(&call->out);
	list_remove(&call->node);
	free(call);
}

/* ---- order ------------------------------------------------------------------------ */

static bool is_first(const struct http_call *call)
{
	return call->conn->calls.next == &call->node;
}

void http_call_put(struct http_call *call, const void *data, size_t size)
{
	if (is_first(call)) {
		chan_write(&call->conn->ch, data, size);
	} else {
		buf_add(&call->out, data, size);
		call->conn->n_queued += size;
	}
	http_server_unsent(call->conn);
}

/* Ends the calls at the front that are done; the next one may write. */
static void advance(struct http_conn *c)
{
	while (!list_empty(&c->calls)) {
		struct http_call *call = list_first(&c->calls, struct http_call, node);
		if (call->out.len) {
			chan_write(&c->ch, call->out.data, call->out.len);
			c->n_queued -= call->out.len;
			buf_done(&call->out);
		}
		if (!call->done)
			break;
		c->closing |= call->closes;
		c->n_calls--;
		http_call_free(call);
	}
	http_conn_go_on(c);
}

/* The answer is complete. */
static void done(struct http_call *call)
{
	struct http_conn *c = call->conn;

	call->done = true;
	if (call->pending)
		c->n_pending--;
	if (call->streaming)
		c->n_streams--;
	if (c->filtering == call)
		c->filtering = NULL;
	if (c->reading == call) { /* nobody wants the rest of its body */
		c->reading = NULL;
		c->discarding = c->lingers = call->closes = true;
	}
	advance(c);
}

/* ---- heads ------------------------------------------------------------------------ */

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{206, "Partial Content"},
		{301, "Moved Permanently"},
		{302, "Found"},
		{303, "See Other"},
		{304, "Not Modified"},
		{307, "Temporary Redirect"},
		{308, "Permanent Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{411, "Length Required"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{416, "Range Not Satisfiable"},
		{417, "Expectation Failed"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < MZ_N(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return status < 400 ? "OK" : "Error";
}

static void add_header(struct buf *b, const char *name, const char *value)
{
	/* A value must not become a header of its own. */
	if (value[strcspn(value, "\r\n")]) {
		log_error("http", "A header '%s' of an answer has a line break, leaving it out", name);
		return;
	}
	buf_adds(b, name);
	buf_add(b, ": ", 2);
	buf_adds(b, value);
	buf_add(b, "\r\n", 2);
}

/* All of the head but its framing and the empty line, in memory of the server. */
static struct buf *start_head(struct http_call *call, int status, const struct http_header *headers, size_t n_headers)
{
	struct http_server *s = call->conn->server;
	struct buf *b = &s->scratch;

	buf_clear(b);
	buf_addf(b, "HTTP/1.1 %d %s\r\n", status, reason(status));
	add_header(b, "Date", http_server_date(s));
	for (size_t i = 0; i < n_headers; i++)
		add_header(b, headers[i].name, headers[i].value);
	if (call->closes && !call->http_1_0)
		add_header(b, "Connection", "close");
	else if (!call->closes && call->http_1_0)
		add_header(b, "Connection", "keep-alive");
	return b;
}

static bool has_no_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

/* ---- exchanges --------------------------------------------------------------------- */

/* The peer is gone: there is nobody to answer. */
static void answer_nobody(struct http_call *call)
{
	if (call->telling)
		call->answered = true;
	else
		http_call_free(call);
}

static void exchange_reply(struct http_exchange *x, int status, const struct http_header *headers, size_t n_headers,
			   const void *body, size_t size)
{
	struct http_call *call = (struct http_call *)x;

	if (!call->conn) {
		answer_nobody(call);
		return;
	}
	if (call->conn->reading == call)
		call->closes = true;
	struct buf *b = start_head(call, status, headers, n_headers);
	if (!has_no_body(status))
		buf_addf(b, "Content-Length: %zu\r\n", size);
	buf_add(b, "\r\n", 2);
	bool with_body = size && !call->to_head && !has_no_body(status);
	if (with_body && size <= SMALL_CHUNK) {
		buf_add(b, body, size);
		with_body = false;
	}
	http_call_put(call, b->data, b->len);
	if (with_body)
		http_call_put(call, body, size);
	done(call);
}

static void on_cut(void *arg)
{
	struct http_call *call = arg;

	if (call->conn)
		http_conn_free(call->conn); /* leaves a cut call to us */
	else
		http_call_gone(call);
	http_call_free(call);
}

static void cut_stream(struct http_call *call)
{
	call->cut = true;
	loop_post(call->loop, on_cut, call);
}

static struct http_stream *exchange_stream(struct http_exchange *x, int status, const struct http_header *headers,
					   size_t n_headers)
{
	struct http_call *call = (struct http_call *)x;
	struct http_conn *c = call->conn;

	call->streaming = true;
	forget_request(call);
	if (!c) {
		/* Sends fail; the owner learns it as usual, from the loop. */
		call->answered = true;
		cut_stream(call);
		return &call->st;
	}
	c->n_streams++;
	if (c->filtering == call)
		c->filtering = NULL;
	/* Without chunks only the end of the connection can end the stream. */
	call->closes |= call->http_1_0;
	struct buf *b = start_head(call, status, headers, n_headers);
	buf_adds(b, call->http_1_0 ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
	http_call_put(call, b->data, b->len);
	http_conn_go_on(c);
	return &call->st;
}

static int exchange_read(struct http_exchange *x, const struct http_body_cb *cb, void *arg)
{
	struct http_call *call = (struct http_call *)x;

	if (!call->r.streamed || call->reads)
		return -EINVAL;
	call->reads = true;
	call->body_cb = *cb;
	call->body_arg = arg;
	if (call->conn)
		http_conn_go_on(call->conn);
	return 0;
}

static void exchange_pause(struct http_exchange *x, bool paused)
{
	struct http_call *call = (struct http_call *)x;

	call->paused = paused;
	if (call->conn && !paused)
		http_conn_go_on(call->conn);
}

static const struct http_exchange_ops exchange_ops = {exchange_reply, exchange_stream, exchange_read, exchange_pause};

/* ---- the peer is gone ---------------------------------------------------------------- */

static void tell_stream(struct http_call *call)
{
	if (call->st.on_gone && !call->told) {
		call->told = true;
		call->st.on_gone(call->st.arg);
	}
}

void http_call_end_body(struct http_call *call, bool complete)
{
	void (*fn)(void *arg, bool complete) = MZ_MOVE(call->body_cb.on_end);

	if (fn)
		fn(call->body_arg, complete);
}

void http_call_gone(struct http_call *call)
{
	if (call->streaming) {
		tell_stream(call);
		if (!call->cut)
			http_call_free(call);
		return;
	}
	if (!call->pending) {
		http_call_free(call);
		return;
	}
	/* The handler may still read the request: it is freed with the answer. */
	call->telling = true;
	http_call_end_body(call, false);
	if (!call->answered && call->x.on_gone)
		call->x.on_gone(call->x.on_gone_arg);
	call->telling = false;
	if (call->answered && !call->streaming)
		http_call_free(call);
}

void http_conn_has_room(struct http_conn *c)
{
	if (list_empty(&c->calls))
		return;
	struct http_call *call = list_first(&c->calls, struct http_call, node);
	if (call->streaming && !call->done && !call->cut && call->st.on_room)
		call->st.on_room(call->st.arg);
}

/* ---- streams -------------------------------------------------------------------------- */

static size_t stream_queued(const struct http_stream *st)
{
	const struct http_call *call = mz_container_of(st, struct http_call, st);

	return call->conn ? is_first(call) ? chan_queued(&call->conn->ch) : call->out.len : 0;
}

static int stream_send(struct http_stream *st, const void *data, size_t size)
{
	struct http_call *call = mz_container_of(st, struct http_call, st);
	char head[24];

	if (!call->conn || call->cut)
		return -EPIPE;
	if (stream_queued(st) > call->max_queue) {
		cut_stream(call);
		return -ENOBUFS;
	}
	if (!size || call->to_head)
		return 0; /* an empty chunk would be the end */
	if (call->http_1_0) {
		http_call_put(call, data, size);
		return 0;
	}
	int n = snprintf(head, sizeof(head), "%zx\r\n", size);
	if (size > SMALL_CHUNK) {
		http_call_put(call, head, (size_t)n);
		http_call_put(call, data, size);
		http_call_put(call, "\r\n", 2);
		return 0;
	}
	struct buf *b = &call->conn->server->scratch;
	buf_clear(b);
	buf_add(b, head, (size_t)n);
	buf_add(b, data, size);
	buf_add(b, "\r\n", 2);
	http_call_put(call, b->data, b->len);
	return 0;
}

static void stream_end(struct http_stream *st, bool complete)
{
	struct http_call *call = mz_container_of(st, struct http_call, st);

	call->st.on_gone = NULL;
	if (call->cut)
		return; /* on_cut is on its way */
	if (!call->conn) {
		http_call_free(call);
		return;
	}
	if (!complete)
		call->closes = true;
	else if (!call->http_1_0 && !call->to_head)
		http_call_put(call, "0\r\n\r\n", 5);
	done(call);
}

static void stream_close(struct http_stream *st)
{
	stream_end(st, true);
}

static void stream_abort(struct http_stream *st)
{
	stream_end(st, false);
}

static const struct http_stream_ops stream_ops = {stream_send, stream_queued, stream_close, stream_abort};
