/* net_http.c - struct http_exchange and struct http_stream over simulated
 * connections, and the client that the simulated schedulers and executors use.
 * One connection carries one request.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/net_impl.h"

enum { HTTP_MAX_BYTES = 16 << 20 };

/* The server's half: first an exchange, then perhaps a stream. */
struct served {
	struct http_exchange x; /* first member */
	struct http_stream s;
	struct side *side; /* NULL: the client is gone */
	struct http_header headers[3];
	struct http_request r;
	struct word *w; /* the request's own copy */
	bool streaming;
	/* Who looks in, even when the client has hung up. */
	struct sim_call_fns taps;
	void *tap_arg;
};

struct sim_call {
	struct side *side;
	struct sim_call_fns fns;
	void *arg;
	bool streaming;
};

/* ---- server --------------------------------------------------------------------- */

static void served_free(struct served *v)
{
	free(v->w->method);
	free(v->w->path);
	free(v->w->content_type);
	free(v->w->accept);
	free(v->w->stream_id);
	free(v->w->data);
	free(v->w);
	free(v);
}

static struct word *answer(int kind, int status, const struct http_header *h, size_t n, const void *body, size_t size)
{
	struct word *w = word_new(kind, body, size);
	w->status = status;
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(h[i].name, "Mesos-Stream-Id") == 0)
			w->stream_id = xstrdup(h[i].value);
	return w;
}

static void op_reply(struct http_exchange *x, int status, const struct http_header *headers, size_t n_headers,
		     const void *body, size_t size)
{
	struct served *v = (struct served *)x;
	if (v->taps.on_replied)
		v->taps.on_replied(v->tap_arg, status);
	if (v->side) {
		(void)side_send(v->side, answer(WORD_ANSWER, status, headers, n_headers, body, size));
		side_close(v->side);
	}
	served_free(v);
}

static struct http_stream *op_stream(struct http_exchange *x, int status, const struct http_header *headers,
				     size_t n_headers)
{
	struct served *v = (struct served *)x;
	v->streaming = true;
	if (v->side)
		(void)side_send(v->side, answer(WORD_STREAM, status, headers, n_headers, NULL, 0));
	return &v->s;
}

static const struct http_exchange_ops exchange_ops = {.reply = op_reply, .stream = op_stream};

static void tell_server_end(struct served *v)
{
	if (v->taps.on_server_end)
		v->taps.on_server_end(v->tap_arg);
}

static int op_send(struct http_stream *s, const void *data, size_t size)
{
	struct served *v = mz_container_of(s, struct served, s);
	if (!v->side)
		return -EPIPE;
	int rc = side_send(v->side, word_new(WORD_DATA, data, size));
	/* Also what a broken connection will not carry: it was said, and holds. But with
	 * that the server knows, and says nothing on it any more. */
	if (v->taps.on_written)
		v->taps.on_written(v->tap_arg, data, size);
	if (rc < 0)
		tell_server_end(v);
	return rc;
}

static size_t op_queued(const struct http_stream *s)
{
	const struct served *v = mz_container_of(s, struct served, s);
	return v->side ? v->side->queued : 0;
}

static void op_close(struct http_stream *s)
{
	struct served *v = mz_container_of(s, struct served, s);
	if (v->side) {
		tell_server_end(v);
		side_close(v->side);
	}
	served_free(v);
}

static const struct http_stream_ops stream_ops = {.send = op_send, .queued = op_queued, .close = op_close};

static void on_client_word(struct side *s MZ_UNUSED, struct word *w MZ_UNUSED)
{
}

static void on_client_gone(struct side *s, const char *why MZ_UNUSED)
{
	struct served *v = s->owner;
	tell_server_end(v);
	side_close(s);
	v->side = NULL;
	if (!v->streaming) {
		if (v->x.on_gone)
			v->x.on_gone(v->x.on_gone_arg);
		return; /* whoever answers frees it */
	}
	if (v->s.on_gone)
		v->s.on_gone(v->s.arg);
	served_free(v);
}

static const struct side_ops server_ops = {on_client_word, on_client_gone};

void http_accept(struct side *s, const struct sim_server *srv, struct word *w)
{
	struct served *v = xnew(struct served);
	struct word *own = xnew(struct word);
	size_t n = 0;
	*own = *w;
	w->method = w->path = w->content_type = w->accept = w->stream_id = NULL;
	w->data = NULL;
	v->w = own;
	v->x.ops = &exchange_ops;
	v->s.ops = &stream_ops;
	v->side = s;
	if (own->content_type)
		v->headers[n++] = (struct http_header){"Content-Type", own->content_type};
	if (own->accept)
		v->headers[n++] = (struct http_header){"Accept", own->accept};
	if (own->stream_id)
		v->headers[n++] = (struct http_header){"Mesos-Stream-Id", own->stream_id};
	v->r = (struct http_request){.method = own->method,
				     .path = own->path,
				     .target = own->path,
				     .headers = v->headers,
				     .n_headers = n,
				     .body = own->data,
				     .body_size = own->size,
				     .peer = "127.0.0.1:1"};
	s->owner = v;
	s->ops = &server_ops;
	if (w->taps) {
		v->taps = *w->taps;
		v->tap_arg = w->tap_arg;
	}
	if (v->taps.on_arrived)
		v->taps.on_arrived(v->tap_arg);
	http_dispatch(srv->router, &v->r, &v->x);
}

/* ---- client ----------------------------------------------------------------------- */

static void on_server_word(struct side *s, struct word *w)
{
	struct sim_call *c = s->owner;
	if (w->kind == WORD_DATA) {
		if (c->fns.on_data)
			c->fns.on_data(c->arg, w->data, w->size);
		return;
	}
	c->streaming = w->kind == WORD_STREAM;
	struct sim_call copy = *c;
	if (!c->streaming) {
		side_close(s);
		free(c);
	}
	if (copy.fns.on_answer)
		copy.fns.on_answer(copy.arg, w->status, copy.streaming, w->stream_id, w->data, w->size);
}

static void on_server_gone(struct side *s, const char *why)
{
	struct sim_call c = *(struct sim_call *)s->owner;
	free(s->owner);
	side_close(s);
	if (c.fns.on_end)
		c.fns.on_end(c.arg, why);
}

static const struct side_ops client_ops = {on_server_word, on_server_gone};

struct sim_call *sim_call_new(struct sim_net *n, struct sim_node *node, const char *address,
			      const struct sim_request *r, const struct sim_call_fns *fns, void *arg)
{
	struct sim_call *c = xnew(struct sim_call);
	struct conn *k = conn_new(n, node, address, HTTP_MAX_BYTES);
	c->side = &k->side[0];
	c->fns = *fns;
	c->arg = arg;
	c->side->owner = c;
	c->side->ops = &client_ops;
	struct word *w = word_new(WORD_REQUEST, r->body, r->size);
	w->method = xstrdup(r->method);
	w->path = xstrdup(r->path);
	w->content_type = xstrdup(r->content_type);
	w->accept = xstrdup(r->accept);
	w->stream_id = xstrdup(r->stream_id);
	w->taps = fns;
	w->tap_arg = arg;
	(void)side_send(c->side, w);
	return c;
}

void sim_call_close(struct sim_call *c)
{
	if (!c)
		return;
	side_close(c->side);
	free(c);
}
