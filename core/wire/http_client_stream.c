/* http_client_stream.c - a streaming answer on a connection of its own, on
 * evhttp: event streams of schedulers, executors and operators.
 *
 * Callbacks run inside evhttp, so the connection is freed by posted work. Not
 * for records: the caller feeds the chunks to its RecordIO reader.
 * Called by the SDK and the command line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/loop_event.h"
#include "wire/http_client_impl.h"
#include "wire/sock.h"

enum { MAX_CHUNK_BYTES = 256 << 20, NO_TIMEOUT_SECS = 10 * 365 * 86400 };

#define OPEN_TIMEOUT_NS (60 * NS_PER_SEC)

struct http_client_stream {
	struct loop *loop;
	struct evhttp_connection *ec;
	struct evhttp_request *req; /* evhttp's once started */
	enum evhttp_cmd_type type;
	char *target;
	struct http_client_stream_cb cb;
	void *arg;
	struct loop_timer *timer; /* until the headers are there */
	const char *error;
	uint64_t n_bytes;
	bool opened, ended, closed;
	bool posted; /* on_start or on_free is under way */
};

/* False: evhttp has no such method. */
static bool method_type(const char *method, enum evhttp_cmd_type *ret)
{
	static const struct {
		const char *name;
		enum evhttp_cmd_type type;
	} methods[] = {
		{"GET", EVHTTP_REQ_GET},     {"POST", EVHTTP_REQ_POST},	      {"HEAD", EVHTTP_REQ_HEAD},
		{"PUT", EVHTTP_REQ_PUT},     {"DELETE", EVHTTP_REQ_DELETE},   {"PATCH", EVHTTP_REQ_PATCH},
		{"OPTIONS", EVHTTP_REQ_OPTIONS},
	};

	for (size_t i = 0; i < MZ_N(methods); i++)
		if (strcmp(methods[i].name, method) == 0) {
			*ret = methods[i].type;
			return true;
		}
	return false;
}

/* Headers, Host and body of a request. */
static void fill_request(struct evhttp_request *req, const char *ip, int port, const struct http_header *headers,
			 size_t n_headers, const void *body, size_t size)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(req);
	mz_autofree char *host = xasprintf(strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip, port);

	for (size_t i = 0; i < n_headers; i++)
		evhttp_add_header(out, headers[i].name, headers[i].value);
	if (!evhttp_find_header(out, "Host"))
		evhttp_add_header(out, "Host", host);
	if (size) {
		evbuffer_add(evhttp_request_get_output_buffer(req), body, size);
		if (!evhttp_find_header(out, "Content-Length")) {
			mz_autofree char *length = xasprintf("%zu", size);
			evhttp_add_header(out, "Content-Length", length);
		}
	}
}

static const char *error_text(enum evhttp_request_error error)
{
	switch (error) {
	case EVREQ_HTTP_TIMEOUT: return "Timed out";
	case EVREQ_HTTP_EOF: return "Connection closed by the peer";
	case EVREQ_HTTP_DATA_TOO_LONG: return "The answer is too long";
	case EVREQ_HTTP_INVALID_HEADER: return "The answer is not HTTP";
	default: return "Connection failed";
	}
}

static struct evhttp_connection *connection_new(struct loop *l, const char *ip, int port)
{
	struct evhttp_connection *ec = evhttp_connection_base_new(loop_event_base(l), NULL, ip, (ev_uint16_t)port);

	must(ec);
	/* evhttp has default timeouts of its own; ours are timers. */
	evhttp_connection_set_timeout(ec, NO_TIMEOUT_SECS);
	return ec;
}

static void end(struct http_client_stream *s, const char *error)
{
	loop_timer_cancel(s->loop, MZ_MOVE(s->timer));
	if (s->ended || s->closed)
		return;
	s->ended = true;
	if (s->cb.on_end)
		s->cb.on_end(s->arg, error);
}

static void open_with(struct http_client_stream *s, struct evhttp_request *req, bool with_body)
{
	struct http_answer a = {0};

	s->opened = true;
	loop_timer_cancel(s->loop, MZ_MOVE(s->timer));
	if (!with_body) {
		/* Nothing of the body has been read yet. */
		must(evbuffer_get_length(evhttp_request_get_input_buffer(req)) == 0);
	}
	http_answer_take(&a, req);
	if (!s->closed && s->cb.on_open)
		s->cb.on_open(s->arg, &a.r);
	http_answer_done(&a);
}

/* A stream has no end, but its chunks have a limit: evhttp counts the whole
 * body, so the limit moves along. */
static void move_limit(struct http_client_stream *s)
{
	evhttp_connection_set_max_body_size(s->ec, (ev_ssize_t)(s->n_bytes + MAX_CHUNK_BYTES));
}

static void on_chunk(struct evhttp_request *req, void *arg)
{
	struct http_client_stream *s = arg;
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t size = evbuffer_get_length(in);

	s->n_bytes += size;
	move_limit(s);
	if (size && !s->closed && s->cb.on_data)
		s->cb.on_data(s->arg, evbuffer_pullup(in, -1), size);
}

static int on_headers(struct evhttp_request *req, void *arg)
{
	struct http_client_stream *s = arg;

	if (evhttp_request_get_response_code(req) != 200)
		return 0; /* the body is collected for on_open */
	evhttp_request_set_chunked_cb(req, on_chunk);
	open_with(s, req, false);
	return 0;
}

static void on_error(enum evhttp_request_error error, void *arg)
{
	struct http_client_stream *s = arg;

	s->error = error_text(error);
}

static void on_done(struct evhttp_request *req, void *arg)
{
	struct http_client_stream *s = arg;

	s->req = NULL;
	if (!req) {
		end(s, s->error ? s->error : "Connection failed");
	} else if (evhttp_request_get_response_code(req) == 0) {
		end(s, "Could not connect");
	} else {
		if (!s->opened)
			open_with(s, req, true);
		end(s, NULL);
	}
}

static void on_open_timeout(void *arg)
{
	struct http_client_stream *s = arg;

	s->timer = NULL;
	if (s->req)
		evhttp_cancel_request(MZ_MOVE(s->req));
	end(s, "Timed out");
}

static void on_free(void *arg)
{
	struct http_client_stream *s = arg;

	evhttp_connection_free(s->ec); /* and the request, without its callback */
	free(s->target);
	free(s);
}

static void on_start(void *arg)
{
	struct http_client_stream *s = arg;

	s->posted = false;
	if (s->closed) {
		if (s->req)
			evhttp_request_free(s->req);
		on_free(s);
		return;
	}
	if (!s->req) {
		end(s, "Unknown method");
		return;
	}
	s->timer = loop_timer(s->loop, OPEN_TIMEOUT_NS, on_open_timeout, s);
	if (evhttp_make_request(s->ec, s->req, s->type, s->target) != 0) {
		evhttp_request_free(MZ_MOVE(s->req));
		end(s, "Could not connect");
		return;
	}
	sock_tune(bufferevent_getfd(evhttp_connection_get_bufferevent(s->ec)));
}

struct http_client_stream *http_client_stream_open(struct loop *l, const char *ip, int port, const char *method,
						   const char *target, const struct http_header *headers,
						   size_t n_headers, const void *body, size_t size,
						   const struct http_client_stream_cb *cb, void *arg)
{
	struct http_client_stream *s = xnew(struct http_client_stream);

	s->loop = l;
	s->cb = *cb;
	s->arg = arg;
	s->target = xstrdup(target);
	s->ec = connection_new(l, ip, port);
	move_limit(s);
	if (method_type(method, &s->type)) {
		s->req = evhttp_request_new(on_done, s);
		must(s->req);
		evhttp_request_set_error_cb(s->req, on_error);
		evhttp_request_set_header_cb(s->req, on_headers);
		fill_request(s->req, ip, port, headers, n_headers, body, size);
	}
	s->posted = true;
	loop_post(l, on_start, s);
	return s;
}

void http_client_stream_close(struct http_client_stream *s)
{
	if (!s || s->closed)
		return;
	s->closed = true;
	loop_timer_cancel(s->loop, MZ_MOVE(s->timer));
	if (s->posted)
		return; /* on_start finds it closed */
	s->posted = true;
	loop_post(s->loop, on_free, s);
}
