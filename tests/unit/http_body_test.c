/* http_body_test.c - bodies of requests over loopback, on one loop: streamed ones both
 * ways with back-pressure, and peers that send or take too slowly.
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
#include "tests/unit/http_world.h"

static struct {
	struct http_exchange *x;
	struct buf body;
	int n_data, n_end, n_gone, n_seen;
	bool complete, pause_at_once, answer_at_data, answer_at_end;
} b;

static void on_gone(void *arg)
{
	(void)arg;
	b.n_gone++;
}

static void on_data(void *arg, const void *data, size_t size)
{
	(void)arg;
	b.n_data++;
	buf_add(&b.body, data, size);
	if (b.pause_at_once)
		http_exchange_pause(b.x, true);
	if (b.answer_at_data)
		http_reply(MZ_MOVE(b.x), 403, NULL, "no", 2);
}

static void on_end(void *arg, bool complete)
{
	(void)arg;
	b.n_end++;
	b.complete = complete;
	if (b.answer_at_end)
		http_reply(MZ_MOVE(b.x), 200, NULL, "done", 4);
}

static void read_body(void)
{
	static const struct http_body_cb cb = {on_data, on_end};

	assert_int_equal(http_exchange_read(b.x, &cb, NULL), 0);
	assert_int_equal(http_exchange_read(b.x, &cb, NULL), -EINVAL);
}

static void on_body(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	assert_true(r->streamed);
	assert_null(r->body);
	b.n_seen++;
	b.x = x;
	x->on_gone = on_gone;
	if (strcmp(r->query ? r->query : "", "wait") != 0)
		read_body();
}

static int setup(void **state)
{
	http_setup(state);
	memset(&b, 0, sizeof(b));
	http_route(&t.router, "/body", on_body, NULL);
	return 0;
}

static int teardown(void **state)
{
	buf_done(&b.body);
	return http_teardown(state);
}

#define RECORDIO "Host: x\r\nContent-Type: application/recordio\r\n"
static const char stream_head[] = "POST /body HTTP/1.1\r\n" RECORDIO "Transfer-Encoding: chunked\r\n\r\n";

/* ---- streamed bodies ------------------------------------------------------------------ */

static void test_body_as_it_comes(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	b.answer_at_end = true;
	raw_send(r, stream_head);
	run_until(t.l, b.n_seen == 1);
	assert_int_equal(b.n_data, 0);
	raw_send(r, "3\r\nabc\r\n");
	run_until(t.l, b.body.len == 3);
	raw_send(r, "2\r\nd");
	run_until(t.l, b.body.len == 4);
	assert_int_equal(b.n_end, 0);
	assert_int_equal(r->in.len, 0);
	raw_send(r, "e\r\n0\r\n\r\nGET /echo HTTP/1.1\r\n\r\n");
	run_until(t.l, raw_has(r, "done") && raw_count(r, "200 OK") == 2);
	assert_string_equal(buf_str(&b.body), "abcde");
	assert_true(b.n_end == 1 && b.complete);
	assert_false(raw_has(r, "Connection:")); /* all was read, so it goes on */
	raw_close(r);
	http_turns(5);
	assert_int_equal(b.n_gone, 0);
	/* With a length, and with nothing in it. */
	r = http_dial();
	raw_send(r, "POST /body HTTP/1.1\r\n" RECORDIO "Content-Length: 2\r\n\r\nxy"
		    "POST /body HTTP/1.1\r\n" RECORDIO "Content-Length: 0\r\n\r\n");
	run_until(t.l, raw_count(r, "done") == 2);
	assert_string_equal(buf_str(&b.body), "abcdexy");
	assert_int_equal(b.n_end, 3);
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
	struct raw *r = http_dial();

	raw_send(r, "POST /body?wait HTTP/1.1\r\n" RECORDIO "Transfer-Encoding: chunked\r\n\r\n");
	run_until(t.l, b.n_seen == 1);
	/* Nobody reads: the peer is held back. */
	size_t sent = pour(r);
	assert_int_equal(b.body.len, 0);
	read_body();
	assert_int_equal(b.n_data, 0); /* not from inside */
	run_until(t.l, b.body.len + 200000 > sent);
	http_exchange_pause(b.x, true);
	size_t at = b.body.len;
	for (int i = 0; i < 30; i++)
		raw_send_bytes(r, "x", 1);
	http_turns(50);
	assert_int_equal(b.body.len, at);
	http_exchange_pause(b.x, false);
	run_until(t.l, b.body.len == sent + 30);
	/* The peer leaves in the middle. */
	raw_close(r);
	run_until(t.l, b.n_gone == 1);
	assert_true(b.n_end == 1 && !b.complete);
	http_reply(b.x, 200, NULL, NULL, 0);
}

static void test_answers_before_the_end(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	/* A reply ends the connection, but the peer can read it first. */
	b.answer_at_data = true;
	raw_send(r, stream_head);
	raw_send(r, "3\r\nabc\r\n");
	run_until(t.l, raw_has(r, "\r\n\r\nno"));
	assert_true(raw_has(r, "403 Forbidden") && raw_has(r, "Connection: close"));
	raw_send(r, "3\r\nabc\r\n");
	run_until(t.l, r->eof);
	assert_int_equal(b.n_end, 0);
	assert_int_equal(b.n_data, 1);
	raw_close(r);
	/* A stream goes on, and so does the connection when both have ended. */
	b.answer_at_data = false;
	r = http_dial();
	raw_send(r, stream_head);
	run_until(t.l, b.n_seen == 2);
	t.stream = http_stream(b.x, 200, NULL, 0);
	http_send(t.stream, "one", 3);
	raw_send(r, "3\r\nabc\r\n");
	run_until(t.l, raw_has(r, "3\r\none\r\n"));
	raw_send(r, "0\r\n\r\n");
	http_turns(10);
	assert_int_equal(b.n_data, 1);
	http_close(t.stream);
	raw_send(r, "GET /echo HTTP/1.1\r\n\r\n");
	run_until(t.l, raw_count(r, "200 OK") == 2);
	raw_close(r);
	/* Nobody there: the rest is not waited for. */
	r = http_dial();
	raw_send(r, "POST /nosuch HTTP/1.1\r\n" RECORDIO "Transfer-Encoding: chunked\r\n\r\n");
	run_until(t.l, r->eof);
	assert_true(raw_has(r, "404 Not Found"));
	raw_close(r);
}

static void test_broken_body(void **state)
{
	(void)state;
	/* The handler has the call already: it learns that there is no more. */
	struct raw *r = http_dial();

	b.answer_at_end = true;
	raw_send(r, stream_head);
	raw_send(r, "3\r\nabcx\r\n");
	run_until(t.l, b.n_end == 1 && r->eof);
	assert_false(b.complete);
	assert_int_equal(b.n_gone, 0); /* it was answered in on_end */
	raw_close(r);
	/* The same with a call that nobody reads. */
	r = http_dial();
	raw_send(r, "POST /body?wait HTTP/1.1\r\n" RECORDIO "Content-Length: 5\r\n\r\nab");
	run_until(t.l, b.n_seen == 2);
	raw_close(r);
	run_until(t.l, b.n_gone == 1);
	http_reply(b.x, 200, NULL, NULL, 0);
}

/* The end of a body comes without bytes of its own. It is told once all the same. */
static void test_end_of_body(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	b.pause_at_once = true;
	raw_send(r, "POST /body HTTP/1.1\r\n" RECORDIO "Content-Length: 3\r\n\r\nabc");
	run_until(t.l, b.body.len == 3);
	http_turns(5);
	assert_int_equal(b.n_end, 0);
	http_exchange_pause(b.x, false);
	http_turns(5);
	assert_true(b.n_end == 1 && b.complete);
	/* Whoever leaves after that is gone, but its body was complete. */
	raw_close(r);
	run_until(t.l, b.n_gone == 1);
	assert_true(b.n_end == 1 && b.complete);
	http_reply(b.x, 200, NULL, NULL, 0);
	/* Nothing in it, and read late. */
	r = http_dial();
	raw_send(r, "POST /body?wait HTTP/1.1\r\n" RECORDIO "Content-Length: 0\r\n\r\n");
	run_until(t.l, b.n_seen == 2);
	http_turns(5);
	read_body();
	http_turns(5);
	assert_int_equal(b.n_end, 2);
	http_reply(b.x, 200, NULL, "done", 4);
	raw_send(r, "GET /echo HTTP/1.1\r\n\r\n");
	run_until(t.l, raw_count(r, "200 OK") == 2);
	raw_close(r);
}

/* Peers that together send more than there is room for, and none of them to its end. */
static void test_bodies_are_bounded(void **state)
{
	enum { SIZE = 100000, N = 40 };
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	static const char bytes[SIZE];
	struct raw *r[N];
	int n_refused = 0;

	(void)state;
	limits.max_body_bytes = SIZE;
	http_restart(&limits);
	for (int round = 0; round < 2; round++) { /* the second: room is given back */
		for (int i = 0; i < N; i++) {
			r[i] = http_dial();
			raw_send(r[i], "POST /echo HTTP/1.1\r\nContent-Length: 100000\r\n\r\n");
			raw_send_bytes(r[i], bytes, SIZE - 1);
			while (r[i]->out.len && !r[i]->eof)
				loop_event_turn(t.l, 0);
		}
		n_refused = 0;
		http_turns(5);
		for (int i = 0; i < N; i++)
			n_refused += raw_has(r[i], " 503 ");
		assert_in_range(n_refused, 5, 10);
		/* Small ones have their answers all the same. */
		raw_close(http_ask("POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "200 OK"));
		raw_send(r[0], "x");
		run_until(t.l, raw_has(r[0], "200 OK"));
		for (int i = 0; i < N; i++)
			raw_close(r[i]);
		http_turns(20);
	}
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
	b.answer_at_end = true;
	open_in("/body", "3\nabc");
	assert_int_equal(http_client_stream_send(in.s, "2\nde", 4), 0);
	run_until(t.l, b.body.len == 9);
	assert_int_equal(http_client_stream_send(in.s, "1\nf", 3), 0);
	assert_int_equal(http_client_stream_send(in.s, "", 0), 0);
	run_until(t.l, b.body.len == 12);
	assert_int_equal(b.n_end, 0);
	assert_int_equal(http_client_stream_send_end(in.s), 0);
	assert_int_equal(http_client_stream_send(in.s, "x", 1), -EPIPE);
	run_until(t.l, in.n_end);
	assert_string_equal(buf_str(&b.body), "3\nabc2\nde1\nf");
	assert_string_equal(buf_str(&in.body), "done");
	assert_string_equal(in.error, "");
	http_client_stream_close(in.s);
	/* Both directions at once. */
	b.answer_at_end = false;
	open_in("/body", "");
	run_until(t.l, b.n_seen == 2);
	t.stream = http_stream(b.x, 200, NULL, 0);
	http_send(t.stream, "out", 3);
	run_until(t.l, in.body.len == 3);
	assert_int_equal(http_client_stream_send(in.s, "in", 2), 0);
	http_turns(5);
	http_close(t.stream);
	run_until(t.l, in.n_end);
	assert_int_equal(http_client_stream_send(in.s, "in", 2), -EPIPE);
	http_client_stream_close(in.s);
	/* Refused before the end. */
	open_in("/nosuch", "3\nabc");
	run_until(t.l, in.n_end);
	assert_int_equal(in.status, 404);
	http_client_stream_close(in.s);
	http_turns(3);
	buf_done(&in.body);
}

static void test_client_is_held_back(void **state)
{
	static char piece[65536];
	int rc = 0;

	(void)state;
	open_in("/body?wait", "");
	run_until(t.l, b.n_seen == 1);
	for (int i = 0; i < 100000 && rc == 0; i++) {
		rc = http_client_stream_send(in.s, piece, sizeof(piece));
		http_turns(1);
	}
	assert_int_equal(rc, -ENOBUFS);
	assert_true(http_client_stream_queued(in.s) >= 16 << 20);
	/* Not fatal: it goes on when the peer reads. */
	read_body();
	run_until(t.l, http_client_stream_queued(in.s) == 0);
	assert_int_equal(http_client_stream_send_end(in.s), 0);
	run_until(t.l, b.n_end);
	assert_true(b.complete);
	http_reply(b.x, 200, NULL, NULL, 0);
	run_until(t.l, in.n_end);
	http_client_stream_close(in.s);
	http_turns(3);
	buf_done(&in.body);
}

/* ---- peers that take their time -------------------------------------------------------------------- */

static void test_slow_peers(void **state)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;

	(void)state;
	limits.idle_timeout_secs = 1;
	http_restart(&limits);
	http_route(&t.router, "/body", on_body, NULL);
	struct raw *head = http_dial(), *body = http_dial(), *endless = http_dial(), *reader = http_dial();
	raw_send(head, "GET /echo HTTP/1.1\r\nHost: ");
	raw_send(body, "POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
	raw_send(endless, stream_head);
	for (int i = 0; i < 200; i++)
		raw_send(reader, "GET /big HTTP/1.1\r\n\r\n");
	while (reader->out.len || !t.n_requests)
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
	run_until(t.l, b.body.len == 1);
	/* Who does not take its answers is cut off. */
	for (int i = 0; i < 3; i++) {
		struct raw *other = http_dial(); /* it lives as long as the time that the reader has */
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
	run_until(t.l, b.n_gone == 1);
	http_reply(b.x, 200, NULL, NULL, 0);
}

/* Half-closed by a peer that has all it wants to ask on the way. */
static void test_half_closed(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	raw_send(r, "GET /big HTTP/1.1\r\n\r\nGET /big HTTP/1.1\r\n\r\nGET /echo HTTP/1.1\r\nX:");
	while (r->out.len)
		loop_event_turn(t.l, 0);
	shutdown(r->fd, SHUT_WR);
	run_until(t.l, r->eof);
	assert_int_equal(raw_count(r, "200 OK"), 2);
	assert_int_equal(t.n_requests, 2);
	assert_true(r->in.len > 2 * (256 << 10));
	raw_close(r);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_body_as_it_comes), T(test_back_pressure), T(test_answers_before_the_end), T(test_broken_body),
		T(test_end_of_body), T(test_bodies_are_bounded), T(test_client_sends_a_body), T(test_client_is_held_back), T(test_slow_peers),
		T(test_half_closed),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
