/* http_client.c - the HTTP client of http_event.h, on evhttp: one kept-alive
 * connection to one peer, one call at a time, in order.
 *
 * Answers are handed over from posted work, never from inside evhttp, so that
 * a callback may free the client. Not for streams: http_client_stream.c.
 * Called by the link dialer, the SDK and the command line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "loop/loop_event.h"
#include "wire/http_client_impl.h"
#include "wire/sock.h"

enum { MAX_ANSWER_BYTES = 1 << 30, NO_TIMEOUT_SECS = 10 * 365 * 86400 };

struct client_call {
	struct list node;
	struct http_client *client;
	struct evhttp_request *req; /* evhttp's while running */
	bool running;
	enum evhttp_cmd_type type;
	char *target;
	struct loop_timer *timer;
	http_response_fn fn;
	void *arg;
	struct http_answer answer;
};

struct http_client {
	struct loop *loop;
	struct evhttp_connection *ec;
	char *ip;
	int port;
	struct list queue; /* the first one is under way, if busy */
	struct list done;  /* answered, to be handed over */
	bool busy, posted, freed;
	int pins; /* posted turns: they keep the memory of a freed client */
};

/* ---- shared with http_client_stream.c -------------------------------------- */

bool http_method_type(const char *method, enum evhttp_cmd_type *ret)
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

const char *http_response_header(const struct http_response *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (strcasecmp(r->headers[i].name, name) == 0)
			return r->headers[i].value;
	return NULL;
}

void http_fill_request(struct evhttp_request *req, const char *ip, int port, const struct http_header *headers,
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

void http_answer_take(struct http_answer *a, struct evhttp_request *req)
{
	struct evkeyval *kv;
	struct evbuffer *body = evhttp_request_get_input_buffer(req);

	a->r.status = evhttp_request_get_response_code(req);
	for (kv = evhttp_request_get_input_headers(req)->tqh_first; kv; kv = kv->next.tqe_next)
		vec_push(&a->headers, ((struct http_header){xstrdup(kv->key), xstrdup(kv->value)}));
	a->r.headers = a->headers.v;
	a->r.n_headers = a->headers.n;
	a->r.body_size = evbuffer_get_length(body);
	if (a->r.body_size) {
		a->body = evbuffer_new();
		must(a->body && evbuffer_add_buffer(a->body, body) == 0);
		a->r.body = evbuffer_pullup(a->body, -1);
	}
}

void http_answer_done(struct http_answer *a)
{
	for (size_t i = 0; i < a->headers.n; i++) {
		free((char *)a->headers.v[i].name);
		free((char *)a->headers.v[i].value);
	}
	vec_done(&a->headers);
	if (a->body)
		evbuffer_free(a->body);
	a->body = NULL;
}

const char *http_error_text(enum evhttp_request_error error)
{
	switch (error) {
	case EVREQ_HTTP_TIMEOUT: return "Timed out";
	case EVREQ_HTTP_EOF: return "Connection closed by the peer";
	case EVREQ_HTTP_DATA_TOO_LONG: return "The answer is too long";
	case EVREQ_HTTP_INVALID_HEADER: return "The answer is not HTTP";
	default: return "Connection failed";
	}
}

struct evhttp_connection *http_connection_new(struct loop *l, const char *ip, int port)
{
	struct evhttp_connection *ec = evhttp_connection_base_new(loop_event_base(l), NULL, ip, (ev_uint16_t)port);

	must(ec);
	/* evhttp has default timeouts of its own; ours are timers. */
	evhttp_connection_set_timeout(ec, NO_TIMEOUT_SECS);
	return ec;
}

/* ---- calls ----------------------------------------------------------------- */

static void schedule(struct http_client *c);

static void free_call(struct client_call *call)
{
	http_answer_done(&call->answer);
	free(call->target);
	free(call);
}

/* From inside evhttp or a timer: queues the answer for handing over. */
static void finish(struct client_call *call, const char *error)
{
	struct http_client *c = call->client;

	loop_timer_cancel(c->loop, MZ_MOVE(call->timer));
	if (error) {
		call->answer.r.status = 0;
		call->answer.r.error = error;
	}
	call->req = NULL;
	if (call->running)
		c->busy = false;
	list_remove(&call->node);
	list_append(&c->done, &call->node);
	schedule(c);
}

static void on_error(enum evhttp_request_error error, void *arg)
{
	struct client_call *call = arg;

	call->answer.r.error = http_error_text(error);
}

static void on_answer(struct evhttp_request *req, void *arg)
{
	struct client_call *call = arg;

	if (req && evhttp_request_get_response_code(req) == 0)
		finish(call, "Could not connect");
	else if (!req)
		finish(call, call->answer.r.error ? call->answer.r.error : "Connection failed");
	else {
		http_answer_take(&call->answer, req);
		finish(call, NULL);
	}
}

static void on_timeout(void *arg)
{
	struct client_call *call = arg;
	struct evhttp_request *req = MZ_MOVE(call->req);

	call->timer = NULL;
	if (req && call->running)
		/* Resets the connection: a late answer must not become the next call's. */
		evhttp_cancel_request(req);
	else if (req)
		evhttp_request_free(req);
	finish(call, "Timed out");
}

static void start(struct http_client *c)
{
	struct client_call *call = list_first(&c->queue, struct client_call, node);

	c->busy = true;
	call->running = true;
	if (!call->req) {
		finish(call, "Unknown method");
		return;
	}
	if (evhttp_make_request(c->ec, call->req, call->type, call->target) != 0) {
		evhttp_request_free(call->req);
		finish(call, "Could not connect");
		return;
	}
	sock_tune(bufferevent_getfd(evhttp_connection_get_bufferevent(c->ec)));
}

static void unpin(struct http_client *c)
{
	if (--c->pins == 0 && c->freed)
		free(c);
}

static void deliver(struct http_client *c)
{
	struct client_call *call = list_first(&c->done, struct client_call, node);

	list_remove(&call->node);
	call->fn(call->arg, &call->answer.r);
	free_call(call);
}

static void on_turn(void *arg)
{
	struct http_client *c = arg;
	size_t n_done = 0;

	c->posted = false;
	/* What the callbacks call for is delivered in a later turn. */
	list_each(&c->done, struct client_call, node, call)
		n_done++, (void)call;
	if (!c->freed && !c->busy && !list_empty(&c->queue))
		start(c);
	while (n_done-- && !c->freed)
		deliver(c);
	if (!c->freed && (!list_empty(&c->done) || (!c->busy && !list_empty(&c->queue))))
		schedule(c);
	unpin(c);
}

static void schedule(struct http_client *c)
{
	if (c->posted)
		return;
	c->posted = true;
	c->pins++;
	loop_post(c->loop, on_turn, c);
}

void http_client_call(struct http_client *c, const char *method, const char *target,
		      const struct http_header *headers, size_t n_headers, const void *body, size_t size,
		      int64_t timeout_ns, http_response_fn fn, void *arg)
{
	struct client_call *call = xnew(struct client_call);

	call->client = c;
	call->target = xstrdup(target);
	call->fn = fn;
	call->arg = arg;
	if (http_method_type(method, &call->type)) {
		call->req = evhttp_request_new(on_answer, call);
		must(call->req);
		evhttp_request_set_error_cb(call->req, on_error);
		http_fill_request(call->req, c->ip, c->port, headers, n_headers, body, size);
	}
	if (timeout_ns)
		call->timer = loop_timer(c->loop, timeout_ns, on_timeout, call);
	list_append(&c->queue, &call->node);
	schedule(c);
}

/* ---- the client ------------------------------------------------------------ */

struct http_client *http_client_new(struct loop *l, const char *ip, int port)
{
	struct http_client *c = xnew(struct http_client);

	c->loop = l;
	c->ip = xstrdup(ip);
	c->port = port;
	list_init(&c->queue);
	list_init(&c->done);
	c->ec = http_connection_new(l, ip, port);
	evhttp_connection_set_max_body_size(c->ec, MAX_ANSWER_BYTES);
	return c;
}

static void drop_calls(struct http_client *c, struct list *calls)
{
	while (!list_empty(calls)) {
		struct client_call *call = list_first(calls, struct client_call, node);
		list_remove(&call->node);
		loop_timer_cancel(c->loop, call->timer);
		if (call->req && !call->running)
			evhttp_request_free(call->req);
		free_call(call);
	}
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	c->freed = true;
	evhttp_connection_free(c->ec); /* and the request under way, without its callback */
	drop_calls(c, &c->queue);
	drop_calls(c, &c->done);
	free(c->ip);
	if (!c->pins)
		free(c);
}
