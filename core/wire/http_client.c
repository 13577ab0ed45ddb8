/* http_client.c - the HTTP client of http_event.h: one kept-alive connection to
 * one peer, calls and answers in order.
 *
 * The first call on a connection waits for its answer. If that says that the
 * connection stays, later calls do not wait for each other: up to MAX_IN_FLIGHT
 * of them are under way. evhttp cannot do that, so requests are written, and
 * answers read (http_answer.c), here.
 *
 * Answers are handed over from posted work, never from inside libevent, so that
 * a callback may free the client. Not for streams: http_client_stream.c.
 * Called by the link dialer, the SDK and the command line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "loop/loop_event.h"
#include "wire/http_client_impl.h"
#include "wire/sock.h"

enum { MAX_IN_FLIGHT = 64, MAX_UNSENT_BYTES = 1 << 20 };

struct client_call {
	struct list node;
	struct http_client *client;
	struct buf request; /* all of it, as it may have to be sent again */
	const char *refused; /* why it cannot be sent at all; NULL */
	bool is_head, sent;
	struct loop_timer *timer;
	http_response_fn fn;
	void *arg;
	struct http_answer answer;
};

struct http_client {
	struct loop *loop;
	struct bufferevent *be; /* NULL: not connected */
	char *ip;
	int port;
	struct list queue; /* not sent */
	struct list sent;  /* in the order of their answers */
	struct list done;  /* answered, to be handed over */
	size_t n_sent;
	struct http_parser parser; /* of the first one in `sent` */
	bool connected;
	bool stays; /* the peer has answered on this connection, and keeps it */
	bool posted, freed;
	int pins; /* posted turns: they keep the memory of a freed client */
};

static void schedule(struct http_client *c);

/* ---- calls ----------------------------------------------------------------- */

static void free_call(struct client_call *call)
{
	http_answer_done(&call->answer);
	buf_done(&call->request);
	free(call);
}

/* From inside libevent or a timer: queues the answer for handing over. */
static void finish(struct client_call *call, const char *error)
{
	struct http_client *c = call->client;

	loop_timer_cancel(c->loop, MZ_MOVE(call->timer));
	if (error) {
		call->answer.r.status = 0;
		call->answer.r.error = error;
	}
	if (call->sent)
		c->n_sent--;
	call->sent = false;
	list_remove(&call->node);
	list_append(&c->done, &call->node);
	schedule(c);
}

static bool known_method(const char *method)
{
	static const char *const methods[] = {"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"};

	for (size_t i = 0; i < MZ_N(methods); i++)
		if (strcmp(methods[i], method) == 0)
			return true;
	return false;
}

static bool has_header(const struct http_header *headers, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(headers[i].name, name) == 0)
			return true;
	return false;
}

static void write_request(struct client_call *call, const char *method, const char *target,
			  const struct http_header *headers, size_t n_headers, const void *body, size_t size)
{
	const struct http_client *c = call->client;
	struct buf *b = &call->request;

	buf_addf(b, "%s %s HTTP/1.1\r\n", method, target);
	for (size_t i = 0; i < n_headers; i++) {
		/* A value must not become a header of its own. */
		if (headers[i].value[strcspn(headers[i].value, "\r\n")])
			call->refused = "A header has a line break";
		buf_addf(b, "%s: %s\r\n", headers[i].name, headers[i].value);
	}
	if (!has_header(headers, n_headers, "Host"))
		buf_addf(b, strchr(c->ip, ':') ? "Host: [%s]:%d\r\n" : "Host: %s:%d\r\n", c->ip, c->port);
	if ((size || strcmp(method, "GET") != 0) && !has_header(headers, n_headers, "Content-Length"))
		buf_addf(b, "Content-Length: %zu\r\n", size);
	buf_adds(b, "\r\n");
	if (size)
		buf_add(b, body, size);
	if (!known_method(method))
		call->refused = "Unknown method";
	else if (target[strcspn(target, " \t\r\n")])
		call->refused = "The target has a space";
}

/* ---- the connection -------------------------------------------------------- */

static void disconnect(struct http_client *c)
{
	if (c->be)
		bufferevent_free(c->be);
	c->be = NULL;
	c->connected = c->stays = false;
}

/* The connection is gone: so are the calls that it carried. */
static void broken(struct http_client *c, const char *error)
{
	disconnect(c);
	while (!list_empty(&c->sent))
		finish(list_first(&c->sent, struct client_call, node), error);
	schedule(c);
}

/* The peer closes after the answer that just came: it has not looked at the calls
 * behind it, which go first on the next connection. */
static void closed_after_answer(struct http_client *c)
{
	disconnect(c);
	while (!list_empty(&c->queue)) {
		struct client_call *call = list_first(&c->queue, struct client_call, node);
		list_remove(&call->node);
		list_append(&c->sent, &call->node);
	}
	while (!list_empty(&c->sent)) {
		struct client_call *call = list_first(&c->sent, struct client_call, node);
		list_remove(&call->node);
		call->sent = false;
		list_append(&c->queue, &call->node);
	}
	c->n_sent = 0;
	schedule(c);
}

static void next_answer(struct http_client *c)
{
	if (!list_empty(&c->sent))
		http_parser_start(&c->parser, list_first(&c->sent, struct client_call, node)->is_head);
}

static void on_readable(struct bufferevent *be, void *arg)
{
	struct http_client *c = arg;
	struct evbuffer *in = bufferevent_get_input(be);

	while (evbuffer_get_length(in)) {
		if (list_empty(&c->sent)) { /* nobody asked */
			broken(c, NULL);
			return;
		}
		struct client_call *call = list_first(&c->sent, struct client_call, node);
		int rc = http_parser_feed(&c->parser, in, &call->answer);
		if (rc < 0) {
			broken(c, rc == -EPROTO ? "The answer is not HTTP" : "The answer is too long");
			return;
		}
		if (rc == 0)
			return;
		finish(call, NULL);
		if (c->parser.closes) {
			closed_after_answer(c);
			return;
		}
		c->stays = true;
		next_answer(c);
	}
}

static void on_event(struct bufferevent *be, short what, void *arg)
{
	struct http_client *c = arg;

	if (what & BEV_EVENT_CONNECTED) {
		c->connected = true;
		sock_tune(bufferevent_getfd(be));
		return;
	}
	if (what & BEV_EVENT_EOF && !list_empty(&c->sent)) {
		struct client_call *call = list_first(&c->sent, struct client_call, node);
		if (http_parser_closed(&c->parser, &call->answer))
			finish(call, NULL);
	}
	broken(c, c->connected ? "Connection closed by the peer" : "Could not connect");
}

static bool connect_to_peer(struct http_client *c)
{
	struct sockaddr_storage at;
	socklen_t len;

	if (sock_address(c->ip, c->port, &at, &len) < 0)
		return false;
	c->be = bufferevent_socket_new(loop_event_base(c->loop), -1, BEV_OPT_CLOSE_ON_FREE);
	must(c->be);
	bufferevent_setcb(c->be, on_readable, NULL, on_event, c);
	bufferevent_enable(c->be, EV_READ | EV_WRITE);
	/* Of a peer that is not there, on_event is told, also when it is known at once. */
	return bufferevent_socket_connect(c->be, (struct sockaddr *)&at, (int)len) == 0;
}

static void send_call(struct http_client *c, struct client_call *call)
{
	list_remove(&call->node);
	list_append(&c->sent, &call->node);
	call->sent = true;
	if (c->n_sent++ == 0)
		next_answer(c);
	must(bufferevent_write(c->be, call->request.data, call->request.len) == 0);
}

/* The first call of the queue, which is not empty. */
static bool may_send(const struct http_client *c)
{
	const struct client_call *call = list_first(&c->queue, struct client_call, node);

	if (c->n_sent == 0)
		return true;
	/* What is refused is told in order, too. */
	return c->stays && !call->refused && c->n_sent < MAX_IN_FLIGHT &&
	       evbuffer_get_length(bufferevent_get_output(c->be)) < MAX_UNSENT_BYTES;
}

static void send_calls(struct http_client *c)
{
	while (!list_empty(&c->queue) && may_send(c)) {
		struct client_call *call = list_first(&c->queue, struct client_call, node);
		if (call->refused) {
			finish(call, call->refused);
		} else if (!c->be && !connect_to_peer(c)) {
			disconnect(c);
			finish(call, "Could not connect");
		} else {
			send_call(c, call);
		}
	}
}

static void on_timeout(void *arg)
{
	struct client_call *call = arg;
	struct http_client *c = call->client;
	bool sent = call->sent;

	call->timer = NULL;
	finish(call, "Timed out");
	if (sent) /* a late answer must not become the next call's */
		broken(c, "Another call on the connection timed out");
}

/* ---- handing over ---------------------------------------------------------- */

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
	if (!c->freed)
		send_calls(c);
	while (n_done-- && !c->freed)
		deliver(c);
	if (!c->freed && (!list_empty(&c->done) || (!list_empty(&c->queue) && may_send(c))))
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
	call->is_head = strcmp(method, "HEAD") == 0;
	call->fn = fn;
	call->arg = arg;
	write_request(call, method, target, headers, n_headers, body, size);
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
	list_init(&c->sent);
	list_init(&c->done);
	return c;
}

static void drop_calls(struct http_client *c, struct list *calls)
{
	while (!list_empty(calls)) {
		struct client_call *call = list_first(calls, struct client_call, node);
		list_remove(&call->node);
		loop_timer_cancel(c->loop, call->timer);
		free_call(call);
	}
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	c->freed = true;
	disconnect(c);
	drop_calls(c, &c->queue);
	drop_calls(c, &c->sent);
	drop_calls(c, &c->done);
	free(c->ip);
	if (!c->pins)
		free(c);
}
