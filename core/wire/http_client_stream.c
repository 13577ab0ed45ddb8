/* http_client_stream.c - a streaming answer on a connection of its own: event streams
 * of schedulers, executors and operators, and, both ways, terminals.
 *
 * Callbacks run inside the connection's, so it is freed by posted work. Not for
 * records: the caller feeds the pieces to its RecordIO reader.
 * Called by the SDK and the command line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "wire/http_client_impl.h"

enum { MAX_QUEUE_BYTES = 16 << 20 };

#define OPEN_TIMEOUT_NS (60 * NS_PER_SEC)

struct http_client_stream {
	struct loop *loop;
	struct chan ch;
	struct http_parser parser;
	struct http_answer answer; /* until it is handed over */
	struct http_client_stream_cb cb;
	void *arg;
	struct loop_timer *timer; /* until there is an answer */
	const char *error;	  /* of an opening that failed at once */
	bool sends;		  /* the request's body goes on */
	bool connected, opened, ended, closed;
	bool posted; /* on_failed or on_free is under way */
};

/* ---- what the owner is told ---------------------------------------------------------- */

static void end(struct http_client_stream *s, const char *error)
{
	loop_timer_cancel(s->loop, MZ_MOVE(s->timer));
	if (s->ended || s->closed)
		return;
	s->ended = true;
	chan_done(&s->ch);
	if (s->cb.on_end)
		s->cb.on_end(s->arg, error);
}

static void tell_open(struct http_client_stream *s)
{
	s->opened = true;
	loop_timer_cancel(s->loop, MZ_MOVE(s->timer));
	if (s->cb.on_open)
		s->cb.on_open(s->arg, &s->answer.r);
	http_answer_done(&s->answer);
}

/* Without a stream the whole body belongs to on_open. */
static void take_piece(struct http_client_stream *s, struct mz_bytes piece)
{
	if (!s->opened) {
		if (!http_answer_add(&s->answer, piece))
			end(s, "The answer is too long");
	} else if (s->cb.on_data) {
		s->cb.on_data(s->arg, piece.data, piece.size);
	}
}

static void finish(struct http_client_stream *s)
{
	if (!s->opened)
		tell_open(s);
	end(s, NULL);
}

static bool on_data(void *arg, const char *data, size_t size)
{
	struct http_client_stream *s = arg;
	struct mz_bytes piece;
	size_t used = 0, n;

	while (!s->closed && !s->ended) {
		enum http_event e = http_parser_feed(&s->parser, data + used, size - used, &n, &piece);
		used += n;
		switch (e) {
		case HTTP_MORE: return true;
		case HTTP_HEAD:
			http_answer_head(&s->answer, &s->parser);
			if (s->answer.r.status == 200)
				tell_open(s);
			break;
		case HTTP_DATA: take_piece(s, piece); break;
		case HTTP_END: finish(s); break;
		default: end(s, "The answer is not HTTP");
		}
	}
	return false;
}

static void on_connected(void *arg)
{
	struct http_client_stream *s = arg;

	s->connected = true;
	if (s->sends) /* the answer may well come when the body has ended */
		loop_timer_cancel(s->loop, MZ_MOVE(s->timer));
}

static void on_gone(void *arg, int error)
{
	struct http_client_stream *s = arg;

	if (!error && http_parser_closed(&s->parser))
		finish(s);
	else
		end(s, s->connected ? "Connection closed by the peer" : "Could not connect");
}

static void on_written(void *arg)
{
	struct http_client_stream *s = arg;

	if (s->sends && !s->closed && !s->ended && s->cb.on_room)
		s->cb.on_room(s->arg);
}

static const struct chan_ops chan_ops = {
	.on_connected = on_connected, .on_data = on_data, .on_end = on_gone, .on_written = on_written};

/* ---- life ------------------------------------------------------------------------------ */

static void on_open_timeout(void *arg)
{
	struct http_client_stream *s = arg;

	s->timer = NULL;
	end(s, "Timed out");
}

static void on_free(void *arg)
{
	struct http_client_stream *s = arg;

	chan_done(&s->ch);
	http_parser_done(&s->parser);
	http_answer_done(&s->answer);
	free(s);
}

static void on_failed(void *arg)
{
	struct http_client_stream *s = arg;

	s->posted = false;
	if (s->closed)
		on_free(s);
	else
		end(s, s->error);
}

/* A chunk of the request's body. */
static void put_chunk(struct http_client_stream *s, const void *data, size_t size)
{
	char head[24];
	int n = snprintf(head, sizeof(head), "%zx\r\n", size);

	chan_write(&s->ch, head, (size_t)n);
	chan_write(&s->ch, data, size);
	chan_write(&s->ch, "\r\n", 2);
}

static void start(struct http_client_stream *s, const char *ip, int port, const struct buf *head, const void *body,
		  size_t size)
{
	if (!s->error && chan_connect(&s->ch, s->loop, ip, port, &chan_ops, s) < 0)
		s->error = "Could not connect";
	if (s->error) {
		s->posted = true;
		loop_post(s->loop, on_failed, s);
		return;
	}
	chan_read(&s->ch, true);
	chan_write(&s->ch, head->data, head->len);
	if (!s->sends)
		chan_write(&s->ch, body, size);
	else if (size)
		put_chunk(s, body, size);
	s->timer = loop_timer(s->loop, OPEN_TIMEOUT_NS, on_open_timeout, s);
}

static struct http_client_stream *stream_open(struct loop *l, const char *ip, int port, const char *method,
					      const char *target, const struct http_header *headers, size_t n_headers,
					      const void *body, size_t size, bool sends,
					      const struct http_client_stream_cb *cb, void *arg)
{
	struct http_client_stream *s = xnew(struct http_client_stream);
	struct buf mz_autobuf head = {0};

	s->loop = l;
	s->cb = *cb;
	s->arg = arg;
	s->sends = sends;
	http_parser_init(&s->parser, true, MAX_ANSWER_HEAD_BYTES, MAX_ANSWER_HEADERS);
	http_parser_start(&s->parser, strcmp(method, "HEAD") == 0);
	s->error = http_request_head(&head, ip, port, method, target, headers, n_headers,
				     sends || !size ? -1 : (int64_t)size);
	buf_adds(&head, sends ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
	start(s, ip, port, &head, body, size);
	return s;
}

struct http_client_stream *http_client_stream_open(struct loop *l, const char *ip, int port, const char *method,
						   const char *target, const struct http_header *headers,
						   size_t n_headers, const void *body, size_t size,
						   const struct http_client_stream_cb *cb, void *arg)
{
	return stream_open(l, ip, port, method, target, headers, n_headers, body, size, false, cb, arg);
}

struct http_client_stream *http_client_stream_open_body(struct loop *l, const char *ip, int port, const char *method,
							const char *target, const struct http_header *headers,
							size_t n_headers, const void *body, size_t size,
							const struct http_client_stream_cb *cb, void *arg)
{
	return stream_open(l, ip, port, method, target, headers, n_headers, body, size, true, cb, arg);
}

size_t http_client_stream_queued(const struct http_client_stream *s)
{
	return chan_queued(&s->ch);
}

int http_client_stream_send(struct http_client_stream *s, const void *data, size_t size)
{
	if (!s->sends || s->ended || s->closed || s->error)
		return -EPIPE;
	if (chan_queued(&s->ch) > MAX_QUEUE_BYTES)
		return -ENOBUFS;
	if (size) /* an empty chunk would be the end */
		put_chunk(s, data, size);
	return 0;
}

int http_client_stream_send_end(struct http_client_stream *s)
{
	if (!s->sends || s->ended || s->closed || s->error)
		return -EPIPE;
	s->sends = false;
	chan_write(&s->ch, "0\r\n\r\n", 5);
	return 0;
}

void http_client_stream_close(struct http_client_stream *s)
{
	if (!s || s->closed)
		return;
	s->closed = true;
	loop_timer_cancel(s->loop, MZ_MOVE(s->timer));
	if (!s->ended)
		chan_read(&s->ch, false);
	if (s->posted)
		return; /* on_failed finds it closed */
	s->posted = true;
	loop_post(s->loop, on_free, s);
}
