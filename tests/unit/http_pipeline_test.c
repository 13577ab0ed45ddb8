/* http_pipeline_test.c - several requests on a connection: answers in their order, the
 * bounds of what is taken before they are answered, and the refusal that ends it.
 * Over loopback, on one loop. Nothing sleeps.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/str.h"
#include "tests/unit/http_world.h"

/* ---- pipelining ----------------------------------------------------------------------------- */

static void test_pipeline_is_bounded(void **state)
{
	(void)state;
	struct raw *r = http_dial();
	char number[32];

	for (int i = 0; i < 200; i++)
		raw_send(r, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, t.n_later);
	http_turns(20);
	size_t first = t.n_later;
	assert_true(first > 1 && first < 200);
	/* Answered from the last to the first: nothing goes out of its turn. */
	for (size_t i = first; i-- > 1;) {
		snprintf(number, sizeof(number), "<%zu>", i);
		http_reply(t.later[i], 200, NULL, number, strlen(number));
	}
	http_turns(20);
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
	struct raw *r = http_dial();

	for (int i = 0; i < 200; i++)
		raw_send(r, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	while (r->out.len)
		loop_event_turn(t.l, 0);
	raw_pause(r);
	http_turns(50);
	int n = t.n_requests;
	assert_true(n > 0 && n < 150);
	http_turns(50);
	assert_int_equal(t.n_requests, n);
	raw_resume(r);
	run_until(t.l, t.n_requests == 200);
	raw_close(r);
}

/* All peers together have so much memory for what they do not take; then those that have
 * not taken theirs for longest are cut. */
static void test_unread_answers_are_bounded(void **state)
{
	enum { N = 12, FIT = 7 };
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct raw *r[N];

	(void)state;
	limits.max_stream_queue = 32 << 10; /* 2 MiB together: not quite 8 answers */
	http_restart(&limits);
	struct raw *quiet = http_ask("GET /stream HTTP/1.1\r\n\r\n", "\r\n\r\n");
	for (int i = 0; i < N; i++) {
		r[i] = http_dial();
		raw_send(r[i], "GET /later HTTP/1.1\r\n\r\nGET /big HTTP/1.1\r\n\r\n");
		run_until(t.l, t.n_requests == i + 1);
		http_turns(2);
	}
	assert_int_equal(t.n_gone, N - FIT);
	for (int i = 0; i < N; i++) {
		http_reply(t.later[i], 202, NULL, NULL, 0);
		run_until(t.l, r[i]->eof || raw_count(r[i], "HTTP/1.1 ") == 2);
		assert_int_equal(r[i]->eof, i < N - FIT);
		raw_close(r[i]);
	}
	assert_false(quiet->eof);
	raw_close(quiet);
	run_until(t.l, t.n_stream_gone);
}

/* A stream between other answers, and the requests behind it. */
static void test_stream_in_a_pipeline(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	raw_send(r, "GET /later HTTP/1.1\r\n\r\nGET /later HTTP/1.1\r\n\r\nGET /later HTTP/1.1\r\n\r\n");
	run_until(t.l, t.n_later == 3);
	t.stream = http_stream(t.later[1], 200, NULL, 0);
	http_reply(t.later[2], 202, NULL, "third", 5);
	http_send(t.stream, "second", 6);
	assert_true(http_queued(t.stream) > 6);
	http_turns(5);
	assert_int_equal(r->in.len, 0);
	http_reply(t.later[0], 200, NULL, "first", 5);
	run_until(t.l, raw_has(r, "second"));
	assert_true(strstr(r->in.data, "first") < strstr(r->in.data, "second"));
	assert_false(raw_has(r, "third"));
	raw_send(r, "GET /echo HTTP/1.1\r\n\r\n");
	http_turns(10);
	assert_int_equal(t.n_requests, 0);
	http_close(t.stream);
	run_until(t.l, raw_has(r, "third") && t.n_requests == 1);
	raw_close(r);
}

static struct http_exchange *filtered;

static bool hold(void *arg, struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	if (strcmp(r->path, "/later") != 0)
		return true;
	filtered = x;
	return false;
}

/* What the filter has not let through keeps what is behind it from overtaking. */
static void test_filter_keeps_the_order(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	http_server_filter(t.server, hold, NULL);
	raw_send(r, "GET /later HTTP/1.1\r\n\r\nPOST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
	run_until(t.l, filtered);
	http_turns(10);
	assert_int_equal(t.n_requests, 0);
	http_server_pass(filtered);
	assert_int_equal(t.n_later, 1);
	run_until(t.l, t.n_requests == 1);
	http_reply(t.later[0], 200, NULL, NULL, 0);
	run_until(t.l, raw_has(r, "hi"));
	/* Gone before it is let through; it is handed over all the same. */
	filtered = NULL;
	raw_send(r, "GET /later HTTP/1.1\r\n\r\n");
	run_until(t.l, filtered);
	raw_close(r);
	http_turns(10);
	http_server_pass(filtered);
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

/* Who has sent more than is read of it, and is found gone by writing to it. */
static void test_gone_behind_unread_requests(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	raw_send(r, "GET /later HTTP/1.1\r\n\r\n");
	run_until(t.l, t.n_later == 1);
	raw_pause(r);
	http_world_stream(t.later[0]);
	http_send(t.stream, "hello", 5);
	http_turns(3);
	loop_post(t.l, leave_rudely, r); /* behind the reads of its turn, before the writes */
	http_turns(20);
	assert_int_equal(t.n_stream_gone, 1);
}

/* ---- refusals ------------------------------------------------------------------------------- */

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
		struct raw *r = http_dial();
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
	assert_int_equal(t.n_requests, MZ_N(rows));
}

static void test_refusal_waits_for_its_turn(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	raw_send(r, "GET /later HTTP/1.1\r\n\r\nnonsense\r\n");
	run_until(t.l, t.n_later == 1);
	http_turns(10);
	assert_int_equal(r->in.len, 0);
	http_reply(t.later[0], 200, NULL, NULL, 0);
	run_until(t.l, r->eof);
	assert_true(strstr(r->in.data, "200 OK") < strstr(r->in.data, "400 Bad Request"));
	raw_close(r);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, http_setup, http_teardown)
	const struct CMUnitTest tests[] = {
		T(test_pipeline_is_bounded), T(test_unread_answers_hold_requests_back), T(test_unread_answers_are_bounded),
		T(test_stream_in_a_pipeline),
		T(test_filter_keeps_the_order), T(test_gone_behind_unread_requests), T(test_refusals),
		T(test_refusal_waits_for_its_turn),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
