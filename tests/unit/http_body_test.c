/* http_body_test.c - the HTTP server's promises about bytes: streamed request bodies
 * both ways with back-pressure, pipelining and its bounds, refusals on the wire,
 * timeouts of peers that send or take too slowly. Over loopback, on one loop.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/net_util.h"
#include "wire/http_event.h"

static struct {
	struct loop *l;
	struct http_server *server;
	struct http_router router;
	/* /body */
	struct http_exchange *x;
	struct http_stream *stream;
	struct buf body;
	int n_data, n_end, n_gone, n_seen;
	bool complete, pause_at_once, answer_at_data, answer_at_end;
	/* /later */
	struct http_exchange *later[512];
	size_t n_later;
	struct http_exchange *filtered;
} t;

static void on_gone(void *arg)
{
	(void)arg;
	t.n_gone++;
}

static void on_data(void *arg, const void *data, size_t size)
{
	(void)arg;
	t.n_data++;
	buf_add(&t.body, data, size);
	if (t.pause_at_once)
		http_exchange_pause(t.x, true);
	if (t.answer_at_data)
		http_reply(MZ_MOVE(t.x), 403, NULL, "no", 2);
}

static void on_end(void *arg, bool complete)
{
	(void)arg;
	t.n_end++;
	t.complete = complete;
	if (t.answer_at_end)
		http_reply(MZ_MOVE(t.x), 200, NULL, "done", 4);
}

static void read_body(void)
{
	static const struct http_body_cb cb = {on_data, on_end};

	assert_int_equal(http_exchange_read(t.x, &cb, NULL), 0);
	assert_int_equal(http_exchange_read(t.x, &cb, NULL), -EINVAL);
}

static void on_body(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	assert_true(r->streamed);
	assert_null(r->body);
	t.n_seen++;
	t.x = x;
	x->on_gone = on_gone;
	if (strcmp(r->query ? r->query : "", "wait") != 0)
		read_body();
}

static void on_later(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	assert_false(r->streamed);
	assert_int_equal(http_exchange_read(x, NULL, NULL), -EINVAL);
	assert_true(t.n_later < MZ_N(t.later));
	t.later[t.n_later++] = x;
}

static void on_echo(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	t.n_seen++;
	http_reply(x, 200, NULL, r->body, r->body_size);
}

static void on_big(void *arg, const struct http_request *r, struct http_exchange *x)
{
	static char big[256 << 10];

	(void)arg, (void)r;
	t.n_seen++;
	http_reply(x, 200, NULL, big, sizeof(big));
}

static void start(const struct http_limits *limits)
{
	struct mz_err err;

	memset(&t, 0, sizeof(t));
	assert_int_equal(loop_event_new(1, &t.l, &err), 0);
	http_route(&t.router, "/body", on_body, NULL);
	http_route(&t.router, "/later", on_later, NULL);
	http_route(&t.router, "/echo", on_echo, NULL);
	http_route(&t.router, "/big", on_big, NULL);
	assert_int_equal(http_server_new(t.l, "127.0.0.1", 0, limits, &t.router, &t.server, &err), 0);
}

static int setup(void **state)
{
	(void)state;
	alarm(30);
	start(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	http_server_free(t.server);
	loop_event_turn(t.l, 0);
	loop_event_free(t.l);
	http_router_done(&t.router);
	buf_done(&t.body);
	return 0;
}

static void restart(const struct http_limits *limits)
{
	teardown(NULL);
	start(limits);
}

static struct raw *dial(void)
{
	return raw_open(t.l, http_server_port(t.server));
}

static void turns(int n)
{
	while (n--)
		loop_event_turn(t.l, 0);
}

#define RECORDIO "Host: x\r\nContent-Type: application/recordio\r\n"
static const char stream_head[] = "POST /body HTTP/1.1\r\n" RECORDIO "Transfer-Encoding: chunked\r\n\r\n";

/* ---- streamed bodies ------------------------------------------------------------------ */

static void test_body_as_it_comes(void **state)
{
	(void)state;
	struct raw *r = dial();

	t.answer_at_end = true;
	raw_send(r, stream_head);
	run_until(t.l, t.n_seen == 1);
	assert_int_equal(t.n_data, 0);
	raw_send(r, "3\r\nabc\r\n");
	run_until(t.l, t.body.len == 3);
	raw_send(r, "2\r\nd");
	run_until(t.l, t.body.len == 4);
	assert_int_equal(t.n_end, 0);
	assert_int_equal(r->in.len, 0);
	raw_send(r, "e\r\n0\r\n\r\nGET /echo HTTP/1.1\r\n\r\n");
	run_until(t.l, raw_has(r, "done") && raw_count(r, "200 OK") == 2);
	assert_string_equal(buf_str(&t.body), "abcde");
	assert_true(t.n_end == 1 && t.complete);
	assert_false(raw_has(r, "Connection:")); /* all was read, so it goes on */
	raw_close(r);
	turns(5);
	assert_int_equal(t.n_gone, 0);
	/* With a length, and with nothing in it. */
	r = dial();
	raw_send(r, "POST /body HTTP/1.1\r\n" RECORDIO "Content-Length: 2\r\n\r\nxy"
		    "POST /body HTTP/1.1\r\n" RECORDIO "Content-Length: 0\r\n\r\n");
	run_until(t.l, raw_count(r, "done") == 2);
	assert_string_equal(buf_str(&t.body), "abcdexy");
	assert_int_equal(t.n_end, 3);
	raw_close(r);
}

/* Pours bytes in until nobody takes them any more; how many went. */
static size_t pour(struct raw *r)
{
	static char piece[65536];
	size_t sent = 0, still = 0;

	mz_autofree char *head = xasprintf("%zx\r\n", (size_t)64 << 20);
	raw_send(r, head);
	while (still < 50) {
		if (r->out.len < sizeof(piece)) {
			raw_send_bytes(r, piece, sizeof(piece));
			sent += sizeof(piece);
			still = 0;
		}
		loop_event_turn(t.l, 0);
		still++;
		assert_true(sent < (size_t)64 << 20);
	}
	return sent;
}

static void test_back_pressure(void **state)
{
	(void)state;
	struct raw *r = dial();

	raw_send(r, "POST /body?wait HTTP/1.1\r\n" RECORDIO "Transfer-Encoding: chunked\r\n\r\n");
	run_until(t.l, t.n_seen == 1);
	/* Nobody reads: the peer is held back. */
	size_t sent = pour(r);
	assert_int_equal(t.body.len, 0);
	read_body();
	assert_int_equal(t.n_data, 0); /* not from inside */
	run_until(t.l, t.body.len + 200000 > sent);
	http_exchange_pause(t.x, true);
	size_t at = t.body.len;
	for (int i = 0; i < 30; i++)
		raw_send_bytes(r, "x", 1);
	turns(50);
	assert_int_equal(t.body.len, at);
	http_exchange_pause(t.x, false);
	run_until(t.l, t.body.len == sent + 30);
	/* The peer leaves in the middle. */
	raw_close(r);
	run_until(t.l, t.n_gone == 1);
	assert_true(t.n_end == 1 && !t.complete);
	http_reply(t.x, 200, NULL, NULL, 0);
}

static void test_answers_before_the_end(void **state)
{
	(void)state;
	struct raw *r = dial();

	/* A reply ends the connection, but the peer can read it first. */
	t.answer_at_data = true;
	raw_send(r, stream_head);
	raw_send(r, "3\r\nabc\r\n");
	run_until(t.l, raw_has(r, "\r\n\r\nno"));
	assert_true(raw_has(r, "403 Forbidden") && raw_has(r, "Connection: close"));
	raw_send(r, "3\r\nabc\r\n");
	run_until(t.l, r->eof);
	assert_int_equal(t.n_end, 0);
	assert_int_equal(t.n_data, 1);
	raw_close(r);
	/* A stream goes on, and so does the connection when both have ended. */
	t.answer_at_data = false;
	r = dial();
	raw_send(r, stream_head);
	run_until(t.l, t.n_seen == 2);
	t.stream = http_stream(t.x, 200, NULL, 0);
	http_send(t.stream, "one", 3);
	raw_send(r, "3\r\nabc\r\n");
	run_until(t.l, raw_has(r, "3\r\none\r\n"));
	raw_send(r, "0\r\n\r\n");
	turns(10);
	assert_int_equal(t.n_data, 1);
	http_close(t.stream);
	raw_send(r, "GET /echo HTTP/1.1\r\n\r\n");
	run_until(t.l, raw_count(r, "200 OK") == 2);
	raw_close(r);
	/* Nobody there: the rest is not waited for. */
	r = dial();
	raw_send(r, "POST /nosuch HTTP/1.1\r\n" RECORDIO "Transfer-Encoding: chunked\r\n\r\n");
	run_until(t.l, r->eof);
	assert_true(raw_has(r, "404 Not Found"));
	raw_close(r);
}

static void test_broken_body(void **state)
{
	(void)state;
	/* The handler has the call already: it learns that there is no more. */
	struct raw *r = dial();

	t.answer_at_end = true;
	raw_send(r, stream_head);
	raw_send(r, "3\r\nabcx\r\n");
	run_until(t.l, t.n_end == 1 && r->eof);
	assert_false(t.complete);
	assert_int_equal(t.n_gone, 0); /* it was answered in on_end */
	raw_close(r);
	/* The same with a call that nobody reads. */
	r = dial();
	raw_send(r, "POST /body?wait HTTP/1.1\r\n" RECORDIO "Content-Length: 5\r\n\r\nab");
	run_until(t.l, t.n_seen == 2);
	raw_close(r);
	run_until(t.l, t.n_gone == 1);
	http_reply(t.x, 200, NULL, NULL, 0);
}

/* The end of a body comes without bytes of its own. It is told once all the same. */
static void test_end_of_body(void **state)
{
	(void)state;
	struct raw *r = dial();

	t.pause_at_once = true;
	raw_send(r, "POST /body HTTP/1.1\r\n" RECORDIO "Content-Length: 3\r\n\r\nabc");
	run_until(t.l, t.body.len == 3);
	turns(5);
	assert_int_equal(t.n_end, 0);
	http_exchange_pause(t.x, false);
	turns(5);
	assert_true(t.n_end == 1 && t.complete);
	/* Whoever leaves after that is gone, but its body was complete. */
	raw_close(r);
	run_until(t.l, t.n_gone == 1);
	assert_true(t.n_end == 1 && t.complete);
	http_reply(t.x, 200, NULL, NULL, 0);
	/* Nothing in it, and read late. */
	r = dial();
	raw_send(r, "POST /body?wait HTTP/1.1\r\n" RECORDIO "Content-Length: 0\r\n\r\n");
	run_until(t.l, t.n_seen == 2);
	turns(5);
	read_body();
	turns(5);
	assert_int_equal(t.n_end, 2);
	http_reply(t.x, 200, NULL, "done", 4);
	raw_send(r, "GET /echo HTTP/1.1\r\n\r\n");
	run_until(t.l, raw_count(r, "200 OK") == 2);
	raw_close(r);
}

/* ---- streamed bodies of the client ------------------------------------------------------ */

static struct {
	struct http_client_stream *s;
	int n_open, n_end, status;
	char error[64];
	struct buf body;
} in;

static void on_in_open(void *arg, const struct http_response *r)
{
	(void)arg;
	in.n_open++;
	in.status = r->status;
	buf_add(&in.body, r->body, r->body_size);
}

static void on_in_data(void *arg, const void *data, size_t size)
{
	(void)arg;
	buf_add(&in.body, data, size);
}

static void on_in_end(void *arg, const char *error)
{
	(void)arg;
	in.n_end++;
	snprintf(in.error, sizeof(in.error), "%s", error ? error : "");
}

static void open_in(const char *target, const char *first)
{
	static const struct http_client_stream_cb cb = {on_in_open, on_in_data, on_in_end, NULL};
	static const struct http_header h = {"Content-Type", "application/recordio"};

	buf_done(&in.body);
	memset(&in, 0, sizeof(in));
	in.s = http_client_stream_open_body(t.l, "127.0.0.1", http_server_port(t.server), "POST", target, &h, 1, first,
					    strlen(first), &cb, NULL);
}

static void test_client_sends_a_body(void **state)
{
	(void)state;
	t.answer_at_end = true;
	open_in("/body", "3\nabc");
	assert_int_equal(http_client_stream_send(in.s, "2\nde", 4), 0);
	run_until(t.l, t.body.len == 9);
	assert_int_equal(http_client_stream_send(in.s, "1\nf", 3), 0);
	assert_int_equal(http_client_stream_send(in.s, "", 0), 0);
	run_until(t.l, t.body.len == 12);
	assert_int_equal(t.n_end, 0);
	assert_int_equal(http_client_stream_send_end(in.s), 0);
	assert_int_equal(http_client_stream_send(in.s, "x", 1), -EPIPE);
	run_until(t.l, in.n_end);
	assert_string_equal(buf_str(&t.body), "3\nabc2\nde1\nf");
	assert_string_equal(buf_str(&in.body), "done");
	assert_string_equal(in.error, "");
	http_client_stream_close(in.s);
	/* Both directions at once. */
	t.answer_at_end = false;
	open_in("/body", "");
	run_until(t.l, t.n_seen == 2);
	t.stream = http_stream(t.x, 200, NULL, 0);
	http_send(t.stream, "out", 3);
	run_until(t.l, in.body.len == 3);
	assert_int_equal(http_client_stream_send(in.s, "in", 2), 0);
	turns(5);
	http_close(t.stream);
	run_until(t.l, in.n_end);
	assert_int_equal(http_client_stream_send(in.s, "in", 2), -EPIPE);
	http_client_stream_close(in.s);
	/* Refused before the end. */
	open_in("/nosuch", "3\nabc");
	run_until(t.l, in.n_end);
	assert_int_equal(in.status, 404);
	http_client_stream_close(in.s);
	turns(3);
	buf_done(&in.body);
}

static void test_client_is_held_back(void **state)
{
	static char piece[65536];
	int rc = 0;

	(void)state;
	open_in("/body?wait", "");
	run_until(t.l, t.n_seen == 1);
	for (int i = 0; i < 100000 && rc == 0; i++) {
		rc = http_client_stream_send(in.s, piece, sizeof(piece));
		turns(1);
	}
	assert_int_equal(rc, -ENOBUFS);
	assert_true(http_client_stream_queued(in.s) >= 16 << 20);
	/* Not fatal: it goes on when the peer reads. */
	read_body();
	run_until(t.l, http_client_stream_queued(in.s) == 0);
	assert_int_equal(http_client_stream_send_end(in.s), 0);
	run_until(t.l, t.n_end);
	assert_true(t.complete);
	http_reply(t.x, 200, NULL, NULL, 0);
	run_until(t.l, in.n_end);
	http_client_stream_close(in.s);
	turns(3);
	buf_done(&in.body);
}

/* ---- pipelining ----------------------------------------------------------------------------- */

static void test_pipeline_is_bounded(void **state)
{
	(void)state;
	struct raw *r = dial();
	char number[32];

	for (int i = 0; i < 200; i++)
		raw_send(r, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, t.n_later);
	turns(20);
	size_t first = t.n_later;
	assert_true(first > 1 && first < 200);
	/* Answered from the last to the first: nothing goes out of its turn. */
	for (size_t i = first; i-- > 1;) {
		snprintf(number, sizeof(number), "<%zu>", i);
		http_reply(t.later[i], 200, NULL, number, strlen(number));
	}
	turns(20);
	assert_int_equal(r->in.len, 0);
	assert_int_equal(t.n_later, first);
	http_reply(t.later[0], 200, NULL, "<0>", 3);
	for (size_t i = first; i < 200; i++) {
		run_until(t.l, t.n_later > i);
		snprintf(number, sizeof(number), "<%zu>", i);
		http_reply(t.later[i], 200, NULL, number, strlen(number));
	}
	run_until(t.l, raw_has(r, "<199>"));
	const char *p = buf_str(&r->in);
	for (int i = 0; i < 200; i++) {
		snprintf(number, sizeof(number), "<%d>", i);
		p = strstr(p, number);
		assert_non_null(p);
	}
	raw_close(r);
}

static void test_unread_answers_hold_requests_back(void **state)
{
	(void)state;
	struct raw *r = dial();

	for (int i = 0; i < 200; i++)
		raw_send(r, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	while (r->out.len)
		loop_event_turn(t.l, 0);
	raw_pause(r);
	turns(50);
	int n = t.n_seen;
	assert_true(n > 0 && n < 150);
	turns(50);
	assert_int_equal(t.n_seen, n);
	raw_resume(r);
	run_until(t.l, t.n_seen == 200);
	raw_close(r);
}

/* A stream between other answers, and the requests behind it. */
static void test_stream_in_a_pipeline(void **state)
{
	(void)state;
	struct raw *r = dial();

	raw_send(r, "GET /later HTTP/1.1\r\n\r\nGET /later HTTP/1.1\r\n\r\nGET /later HTTP/1.1\r\n\r\n");
	run_until(t.l, t.n_later == 3);
	t.stream = http_stream(t.later[1], 200, NULL, 0);
	http_reply(t.later[2], 202, NULL, "third", 5);
	http_send(t.stream, "second", 6);
	assert_true(http_queued(t.stream) > 6);
	turns(5);
	assert_int_equal(r->in.len, 0);
	http_reply(t.later[0], 200, NULL, "first", 5);
	run_until(t.l, raw_has(r, "second"));
	assert_true(strstr(r->in.data, "first") < strstr(r->in.data, "second"));
	assert_false(raw_has(r, "third"));
	raw_send(r, "GET /echo HTTP/1.1\r\n\r\n");
	turns(10);
	assert_int_equal(t.n_seen, 0);
	http_close(t.stream);
	run_until(t.l, raw_has(r, "third") && t.n_seen == 1);
	raw_close(r);
}

static bool hold(void *arg, struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	if (strcmp(r->path, "/later") != 0)
		return true;
	t.filtered = x;
	return false;
}

/* What the filter has not let through keeps what is behind it from overtaking. */
static void test_filter_keeps_the_order(void **state)
{
	(void)state;
	struct raw *r = dial();

	http_server_filter(t.server, hold, NULL);
	raw_send(r, "GET /later HTTP/1.1\r\n\r\nPOST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
	run_until(t.l, t.filtered);
	turns(10);
	assert_int_equal(t.n_seen, 0);
	http_server_pass(t.filtered);
	assert_int_equal(t.n_later, 1);
	run_until(t.l, t.n_seen == 1);
	http_reply(t.later[0], 200, NULL, NULL, 0);
	run_until(t.l, raw_has(r, "hi"));
	/* Gone before it is let through; it is handed over all the same. */
	t.filtered = NULL;
	raw_send(r, "GET /later HTTP/1.1\r\n\r\n");
	run_until(t.l, t.filtered);
	raw_close(r);
	turns(10);
	http_server_pass(t.filtered);
	assert_int_equal(t.n_later, 2);
	http_reply(t.later[1], 200, NULL, NULL, 0);
}

static void leave_rudely(void *arg)
{
	static const char more[100 << 10];
	struct raw *r = arg;

	assert_int_equal(send(r->fd, more, sizeof(more), MSG_DONTWAIT), sizeof(more));
	raw_close(r); /* unread bytes make it a reset */
	http_send(t.stream, "x", 1);
}

static void on_stream_gone(void *arg)
{
	(void)arg;
	t.stream = NULL;
}

/* Who has sent more than is read of it, and is found gone by writing to it. */
static void test_gone_behind_unread_requests(void **state)
{
	(void)state;
	struct raw *r = dial();

	raw_send(r, "GET /later HTTP/1.1\r\n\r\n");
	run_until(t.l, t.n_later == 1);
	raw_pause(r);
	t.stream = http_stream(t.later[0], 200, NULL, 0);
	t.stream->on_gone = on_stream_gone;
	http_send(t.stream, "hello", 5);
	turns(3);
	loop_post(t.l, leave_rudely, r); /* behind the reads of its turn, before the writes */
	turns(20);
	assert_null(t.stream);
}

/* ---- refusals and timeouts --------------------------------------------------------------------- */

static void test_refusals(void **state)
{
	static const struct {
		const char *request, *answer;
	} rows[] = {
		{"GET / HTTP/1.1\n\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		 "HTTP/1.1 400 Bad Request\r\n"},
		{"GET ftp://x/ HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"GET echo HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 413 Content Too Large\r\n"},
		{"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
		 "HTTP/1.1 413 Content Too Large\r\n"},
		{"POST / HTTP/1.1\r\nExpect: more\r\n\r\n", "HTTP/1.1 417 Expectation Failed\r\n"},
		{"BREW /echo HTTP/1.1\r\n\r\n", "HTTP/1.1 501 Not Implemented\r\n"},
		{"CONNECT x:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501 Not Implemented\r\n"},
		{"GET / HTTP/2.0\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < MZ_N(rows); i++) {
		/* Behind a good one: its answer is not lost, and nothing follows the refusal. */
		struct raw *r = dial();
		raw_send(r, "GET /echo?1 HTTP/1.1\r\n\r\n");
		raw_send(r, rows[i].request);
		raw_send(r, "GET /echo?2 HTTP/1.1\r\n\r\n");
		run_until(t.l, r->eof);
		if (!str_starts(buf_str(&r->in), "HTTP/1.1 200 OK\r\n") || raw_count(r, rows[i].answer) != 1)
			fail_msg("%s gives %s", rows[i].request, buf_str(&r->in));
		assert_int_equal(raw_count(r, "HTTP/1.1 "), 2);
		assert_true(raw_has(r, "Connection: close\r\n"));
		raw_close(r);
	}
	assert_int_equal(t.n_seen, MZ_N(rows));
}

static void test_refusal_waits_for_its_turn(void **state)
{
	(void)state;
	struct raw *r = dial();

	raw_send(r, "GET /later HTTP/1.1\r\n\r\nnonsense\r\n");
	run_until(t.l, t.n_later == 1);
	turns(10);
	assert_int_equal(r->in.len, 0);
	http_reply(t.later[0], 200, NULL, NULL, 0);
	run_until(t.l, r->eof);
	assert_true(strstr(r->in.data, "200 OK") < strstr(r->in.data, "400 Bad Request"));
	raw_close(r);
}

static void test_slow_peers(void **state)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;

	(void)state;
	limits.idle_timeout_secs = 1;
	restart(&limits);
	struct raw *head = dial(), *body = dial(), *endless = dial(), *reader = dial();
	raw_send(head, "GET /echo HTTP/1.1\r\nHost: ");
	raw_send(body, "POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
	raw_send(endless, stream_head);
	for (int i = 0; i < 200; i++)
		raw_send(reader, "GET /big HTTP/1.1\r\n\r\n");
	while (reader->out.len || !t.n_seen)
		loop_event_turn(t.l, 0);
	raw_pause(reader);
	/* One more byte now and then does not help. */
	for (int left = 1000; !head->eof || !body->eof; left--) {
		if (!head->eof && left > 0)
			raw_send(head, "x");
		loop_event_turn(t.l, 50 * NS_PER_MS);
	}
	assert_true(raw_has(head, "408 Request Timeout"));
	assert_true(raw_has(body, "408 Request Timeout"));
	/* A streamed body may take its time, once a handler has it. */
	assert_false(endless->eof);
	raw_send(endless, "1\r\nx\r\n");
	run_until(t.l, t.body.len == 1);
	/* Who does not take its answers is cut off. */
	for (int i = 0; i < 3; i++) {
		struct raw *other = dial(); /* it lives as long as the time that the reader has */
		run_until(t.l, other->eof);
		raw_close(other);
	}
	raw_resume(reader);
	run_until(t.l, reader->eof);
	assert_true(raw_count(reader, "200 OK") < 200);
	raw_close(head);
	raw_close(body);
	raw_close(reader);
	raw_close(endless);
	run_until(t.l, t.n_gone == 1);
	http_reply(t.x, 200, NULL, NULL, 0);
}

/* Half-closed by a peer that has all it wants to ask on the way. */
static void test_half_closed(void **state)
{
	(void)state;
	struct raw *r = dial();

	raw_send(r, "GET /big HTTP/1.1\r\n\r\nGET /big HTTP/1.1\r\n\r\nGET /echo HTTP/1.1\r\nX:");
	while (r->out.len)
		loop_event_turn(t.l, 0);
	shutdown(r->fd, SHUT_WR);
	run_until(t.l, r->eof);
	assert_int_equal(raw_count(r, "200 OK"), 2);
	assert_int_equal(t.n_seen, 2);
	assert_true(r->in.len > 2 * (256 << 10));
	raw_close(r);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_body_as_it_comes), T(test_back_pressure), T(test_answers_before_the_end), T(test_broken_body),
		T(test_end_of_body),
		T(test_client_sends_a_body), T(test_client_is_held_back), T(test_pipeline_is_bounded),
		T(test_unread_answers_hold_requests_back), T(test_stream_in_a_pipeline), T(test_filter_keeps_the_order),
		T(test_gone_behind_unread_requests),
		T(test_refusals), T(test_refusal_waits_for_its_turn), T(test_slow_peers), T(test_half_closed),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
