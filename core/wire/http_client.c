/* http_client.c - the HTTP client of http_event.h: one kept-alive connection to
 * one peer, calls and answers in order.
 *
 * The first call on a connection waits for its answer. If that says that the
 * connection stays, later calls do not wait for each other: up to MAX_IN_FLIGHT
 * of them are under way.
 *
 * Answers are handed over from posted work, never from inside libevent, so that
 * a callback may free the client. Not for streams: http_client_stream.c.
 * Called by the link dialer, the SDK and the command line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/http_client_impl.h"

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
	struct chan ch;
	char *ip;
	int port;
	struct list queue; /* not sent */
	struct list sent;  /* in the order of their answers */
	struct list done;  /* answered, to be handed over */
	size_t n_sent;
	struct http_parser parser; /* of the first one in `sent` */
	bool open; /* there is a connection, or will be one */
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

static void write_request(struct client_call *call, const char *method, const char *target,
			  const struct http_header *headers, size_t n_headers, const void *body, size_t size)
{
	struct buf *b = &call->request;

	call->refused = http_request_head(b, call->client->ip, call->client->port, method, target, headers, n_headers,
					  size || strcmp(method, "GET") != 0 ? (int64_t)size : -1);
	buf_adds(b, "\r\n");
	if (size)
		buf_add(b, body, size);
}

/* ---- the connection -------------------------------------------------------- */

static void disconnect(struct http_client *c)
{
	if (c->open)
		chan_done(&c->ch);
	c->open = c->connected = c->stays = false;
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

/* One answer, or what there is of it. 1: complete; 0: more is needed; -1: broken. */
static int take_answer(struct http_client *c, struct client_call *call, const char *data, size_t size, size_t *used)
{
	struct mz_bytes piece;
	size_t n;

	for (;;) {
		enum http_event e = http_parser_feed(&c->parser, data + *used, size - *used, &n, &piece);
		*used += n;
		switch (e) {
		case HTTP_MORE: return 0;
		case HTTP_END: return 1;
		case HTTP_HEAD: http_answer_head(&call->answer, &c->parser); break;
		case HTTP_DATA:
			if (http_answer_add(&call->answer, piece))
				break;
			broken(c, "The answer is too long");
			return -1;
		default: broken(c, "The answer is not HTTP"); return -1;
		}
	}
}

static bool on_data(void *arg, const char *data, size_t size)
{
	struct http_client *c = arg;
	size_t used = 0;

	while (used < size) {
		if (list_empty(&c->sent)) { /* nobody asked */
			broken(c, NULL);
			return false;
		}
		struct client_call *call = list_first(&c->sent, struct client_call, node);
		int rc = take_answer(c, call, data, size, &used);
		if (rc <= 0)
			return rc == 0;
		bool closes = call->answer.head.closes;
		finish(call, NULL);
		if (closes) {
			closed_after_answer(c);
			return false;
		}
		c->stays = true;
		next_answer(c);
	}
	return true;
}

static void on_connected(void *arg)
{
	struct http_client *c = arg;
	c->connected = true;
}

static void on_end(void *arg, int error)
{
	struct http_client *c = arg;

	if (!error && !list_empty(&c->sent) && http_parser_closed(&c->parser)) {
		finish(list_first(&c->sent, struct client_call, node), NULL);
		closed_after_answer(c);
		return;
	}
	broken(c, c->connected ? "Connection closed by the peer" : "Could not connect");
}

static const struct chan_ops chan_ops = {.on_connected = on_connected, .on_data = on_data, .on_end = on_end};

static bool connect_to_peer(struct http_client *c)
{
	if (chan_connect(&c->ch, c->loop, c->ip, c->port, &chan_ops, c) < 0)
		return false;
	chan_read(&c->ch, true);
	c->open = true;
	return true;
}

static void send_call(struct http_client *c, struct client_call *call)
{
	list_remove(&call->node);
	list_append(&c->sent, &call->node);
	call->sent = true;
	if (c->n_sent++ == 0)
		next_answer(c);
	chan_write(&c->ch, call->request.data, call->request.len);
}

/* The first call of the queue, which is not empty. */
static bool may_send(const struct http_client *c)
{
	const struct client_call *call = list_first(&c->queue, struct client_call, node);

	if (c->n_sent == 0)
		return true;
	/* What is refused is told in order, too. */
	return c->stays && !call->refused && c->n_sent < MAX_IN_FLIGHT &&
	       chan_queued(&c->ch) < MAX_UNSENT_BYTES;
}

static void send_calls(struct http_client *c)
{
	while (!list_empty(&c->queue) && may_send(c)) {
		struct client_call *call = list_first(&c->queue, struct client_call, node);
		if (call->refused) {
			finish(call, call->refused);
		} else if (!c->open && !connect_to_peer(c)) {
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
	http_parser_init(&c->parser, true, MAX_ANSWER_HEAD_BYTES, MAX_ANSWER_HEADERS);
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
	http_parser_done(&c->parser);
	free(c->ip);
	if (!c->pins)
		free(c);
}
