/* http_event_test.c - the HTTP server over loopback sockets: forms of requests, limits,
 * peers that leave, streams. Nothing sleeps.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/http_world.h"
#include "wire/sock.h"

/* ---- requests ---------------------------------------------------------------- */

static void test_headers_of_answers(void **state)
{
	(void)state;
	struct raw *r = http_ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "\r\n\r\n{}");

	assert_true(str_starts(r->in.data, "HTTP/1.1 200 OK\r\n"));
	assert_true(raw_has(r, "\r\nContent-Type: application/json\r\n"));
	assert_true(raw_has(r, "\r\nContent-Length: 2\r\n"));
	assert_int_equal(raw_count(r, "\r\nDate: "), 1);
	assert_false(raw_has(r, "Server:"));
	assert_false(raw_has(r, "Connection:"));
	raw_close(r);
	r = http_ask("POST /empty HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "\r\n\r\n");
	assert_true(str_starts(r->in.data, "HTTP/1.1 202 Accepted\r\n"));
	assert_true(raw_has(r, "\r\nContent-Length: 0\r\n"));
	assert_false(raw_has(r, "Content-Type"));
	raw_close(r);
	r = http_ask("GET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
	assert_true(str_starts(r->in.data, "HTTP/1.1 404 Not Found\r\n"));
	assert_true(raw_has(r, "\r\nContent-Type: text/plain"));
	raw_close(r);
}

static void test_forms_of_requests(void **state)
{
	(void)state;
	static const struct {
		const char *request, *seen;
	} cases[] = {
		{"GET /echo/a%20b?x=1&y HTTP/1.1\r\nHost: x\r\n\r\n", "GET /echo/a b x=1&y /echo/a%20b?x=1&y"},
		{"GET http://127.0.0.1:5050/echo HTTP/1.1\r\nHost: 127.0.0.1:5050\r\n\r\n", "GET /echo - /echo"},
		{"GET http://other/echo?q HTTP/1.1\r\n\r\n", "GET /echo q /echo?q"},
		{"GET /echo HTTP/1.1\r\n\r\n", "GET /echo - /echo"},
		{"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "PUT /echo - /echo"},
		{"DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE /echo - /echo"},
		{"HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /echo - /echo"},
		{"POST /echo HTTP/1.1\r\nHost: x\r\n\r\n", "POST /echo - /echo"},
		{"GET /echo?a=/b://c HTTP/1.1\r\nHost: x\r\n\r\n", "GET /echo a=/b://c /echo?a=/b://c"},
	};

	for (size_t i = 0; i < MZ_N(cases); i++) {
		/* Twice on one connection: it is kept alive. */
		struct raw *r = http_ask(cases[i].request, "\r\n\r\n");
		assert_string_equal(t.last, cases[i].seen);
		raw_send(r, cases[i].request);
		run_until(t.l, raw_count(r, "HTTP/1.1 200 OK") == 2 || r->eof);
		if (r->eof)
			fail_msg("closed after %s", cases[i].request);
		raw_close(r);
	}
	assert_int_equal(t.n_requests, 2 * MZ_N(cases));
	/* "//echo" is no other way to write "/echo". */
	raw_close(http_ask("GET //echo HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"));
	raw_close(http_ask("GET /x/%00 HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"));
	raw_close(http_ask("GET /x/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"));
	raw_close(http_ask("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"));
}

static void test_chunked_body(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	raw_send(r, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
		    "Accept: application/json\r\nAccept: application/json\r\n\r\n"
		    "6\r\nhello \r\n5\r\nwo");
	for (int i = 0; i < 5; i++)
		loop_event_turn(t.l, 0);
	raw_send(r, "rld\r\n0\r\n\r\n");
	run_until(t.l, raw_has(r, "\r\n\r\nhello world"));
	assert_int_equal(t.body_size, 11);
	assert_memory_equal(t.body, "hello world", 11);
	assert_string_equal(t.accept, "application/json");
	raw_close(r);
}

static void test_http_1_0_and_close(void **state)
{
	(void)state;
	struct raw *r = http_ask("GET /echo HTTP/1.0\r\n\r\n", "\r\n\r\n");
	run_until(t.l, r->eof);
	assert_true(raw_has(r, "Content-Length: 0"));
	raw_close(r);
	r = http_ask("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "\r\n\r\n");
	raw_send(r, "GET /echo HTTP/1.0\r\n\r\n");
	run_until(t.l, r->eof);
	assert_int_equal(raw_count(r, "200 OK"), 2);
	raw_close(r);
	r = http_ask("GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n", "\r\n\r\n");
	run_until(t.l, r->eof);
	raw_close(r);
}

static void test_expect_continue(void **state)
{
	(void)state;
	struct raw *r = http_ask("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
			    "100 Continue\r\n\r\n");
	assert_int_equal(t.n_requests, 0);
	raw_send(r, "abc");
	run_until(t.l, raw_has(r, "\r\n\r\nabc"));
	raw_close(r);
}

static void test_head_has_no_body(void **state)
{
	(void)state;
	struct raw *r = http_dial();
	raw_send(r, "HEAD /later HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, t.pending);
	http_reply(t.pending, 200, "application/json", "12345", 5);
	run_until(t.l, raw_has(r, "\r\n\r\n"));
	assert_true(raw_has(r, "Content-Length: 5\r\n"));
	raw_send(r, "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, raw_has(r, "202 Accepted"));
	assert_false(raw_has(r, "12345"));
	raw_close(r);
}

/* A connection with much work for the server does not hold up the others. */
static void test_everybody_has_a_turn(void **state)
{
	(void)state;
	struct raw *busy = http_dial(), *other = http_dial();

	for (int i = 0; i < 100; i++)
		raw_send(busy, "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
	run_until(t.l, t.n_requests > 0);
	raw_send(other, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, raw_has(other, "200 OK"));
	assert_true(t.n_requests < 50);
	run_until(t.l, raw_count(busy, "202 Accepted") == 100);
	raw_close(busy);
	raw_close(other);
}

static void test_pipelined(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	for (int i = 0; i < 50; i++)
		raw_send(r, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	run_until(t.l, raw_count(r, "200 OK") == 50 || r->eof);
	assert_false(r->eof);
	raw_close(r);
}

static void test_garbage(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"\r\n\r\n\r\n",
		"nonsense\r\n\r\n",
		"GET\r\n\r\n",
		"GET /echo HTTP/1.1\r\nno colon\r\n\r\n",
		"GET /echo HTTP/9.9\r\n\r\n",
		"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
		"BREW /echo HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02\x05\x01\x05\x01\xfc\x03\x03\r\n\r\n",
	};

	for (size_t i = 0; i < MZ_N(bad); i++) {
		struct raw *r = http_dial();
		raw_send(r, bad[i]);
		run_until(t.l, r->eof);
		assert_false(raw_has(r, "200 OK"));
		raw_close(r);
	}
	assert_int_equal(t.n_requests, 0);
	raw_close(http_ask("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"));
}

static void test_limits(void **state)
{
	(void)state;
	struct http_limits limits = HTTP_LIMITS_DEFAULT;

	limits.max_body_bytes = 1000;
	limits.max_header_bytes = 2000;
	http_restart(&limits);
	char *big = xmalloc(5001);
	memset(big, 'x', 5000);
	big[5000] = '\0';
	mz_autofree char *body = xasprintf("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n%s", big);
	mz_autofree char *chunked =
		xasprintf("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n%s\r\n0\r\n\r\n", big);
	mz_autofree char *header = xasprintf("GET /echo HTTP/1.1\r\nX-Big: %s\r\n\r\n", big);
	mz_autofree char *path = xasprintf("GET /echo/%s HTTP/1.1\r\n\r\n", big);

	raw_close(http_ask(body, " 413 "));
	raw_close(http_ask(chunked, " 413 "));
	raw_close(http_ask(header, " 431 "));
	raw_close(http_ask(path, " 414 "));
	/* A header without an end is not read for ever. */
	struct raw *r = http_dial();
	raw_send(r, "GET /echo HTTP/1.1\r\nX: ");
	raw_send(r, big);
	run_until(t.l, r->eof);
	raw_close(r);
	assert_int_equal(t.n_requests, 0);
	free(big);
}

static void count_refusals(void *arg, int level, const char *area, const char *text)
{
	(void)level, (void)area;
	*(int *)arg += strstr(text, "Connections refused: ") != NULL;
}

static void test_too_many_connections(void **state)
{
	int n_told = 0;
	(void)state;
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct raw *r[8];

	limits.max_connections = 4;
	http_restart(&limits);
	log_set_sink(count_refusals, &n_told);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 4; i++) {
			r[i] = http_dial();
			if (i % 2) { /* some without any request */
				raw_send(r[i], "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
				run_until(t.l, raw_has(r[i], "200 OK") || r[i]->eof);
				assert_false(r[i]->eof);
			}
		}
		r[4] = http_dial();
		run_until(t.l, r[4]->eof);
		for (int i = 0; i < 5; i++)
			raw_close(r[i]);
		/* The server has to see the ends before there is room again. */
		for (;;) {
			struct raw *probe = http_dial();
			raw_send(probe, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
			run_until(t.l, probe->eof || raw_has(probe, "200 OK"));
			bool ok = raw_has(probe, "200 OK");
			raw_close(probe);
			if (ok)
				break;
		}
		for (int i = 0; i < 20; i++)
			loop_event_turn(t.l, 0);
	}
	log_set_sink(NULL, NULL);
	assert_int_equal(n_told, 1); /* not for each */
}

static void test_idle_connections_end(void **state)
{
	(void)state;
	struct http_limits limits = HTTP_LIMITS_DEFAULT;

	limits.idle_timeout_secs = 1;
	http_restart(&limits);
	struct raw *stream = http_ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
	struct raw *waiting = http_dial();
	raw_send(waiting, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, t.pending);
	struct raw *silent = http_dial();
	struct raw *half = http_dial();
	raw_send(half, "GET /echo HT");
	struct raw *kept = http_ask("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK");
	run_until(t.l, silent->eof && half->eof && kept->eof);
	/* Streams and unanswered requests may be as silent as they like. */
	assert_false(stream->eof);
	assert_false(waiting->eof);
	assert_int_equal(http_send(t.stream, "x", 1), 0);
	http_reply(t.pending, 200, NULL, NULL, 0);
	run_until(t.l, raw_has(stream, "1\r\nx\r\n") && raw_has(waiting, "200 OK"));
	raw_close(stream);
	raw_close(waiting);
	raw_close(silent);
	raw_close(half);
	raw_close(kept);
	run_until(t.l, t.n_stream_gone);
}

static bool refuse(void *arg, struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	if (strcmp(r->path, "/echo") == 0) {
		r->principal = "someone";
		return true;
	}
	http_reply_text(x, 401, "No");
	return false;
}

static void test_filter_answers(void **state)
{
	(void)state;
	http_server_filter(t.server, refuse, NULL);
	raw_close(http_ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nNo"));
	raw_close(http_ask("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"));
	assert_int_equal(t.n_requests, 1);
}

static void test_port_in_use(void **state)
{
	(void)state;
	struct http_server *s = NULL;
	struct mz_err err = {0};
	char port[16];

	assert_int_equal(http_server_new(t.l, "127.0.0.1", http_server_port(t.server), NULL, &t.router, &s, &err),
			 -EADDRINUSE);
	assert_null(s);
	snprintf(port, sizeof(port), "%d", http_server_port(t.server));
	assert_non_null(strstr(err.msg, "127.0.0.1"));
	assert_non_null(strstr(err.msg, port));
	assert_int_equal(http_server_new(t.l, "nowhere", 0, NULL, &t.router, &s, &err), -EINVAL);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* Peers that go without a word, with nothing under way, are asked whether they are there. */
static void test_silent_peers_are_probed(void **state)
{
	struct mz_err err;
	int listener;

	(void)state;
	assert_int_equal(sock_listen("127.0.0.1", 0, &listener, &err), 0);
	struct raw *r = raw_open(t.l, sock_port(listener));
	int fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_true(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) +
			    option(fd, IPPROTO_TCP, TCP_KEEPINTVL) * option(fd, IPPROTO_TCP, TCP_KEEPCNT) <=
		    120);
	close(fd);
	close(listener);
	raw_close(r);
}

/* ---- peers that leave ---------------------------------------------------------- */

static void test_gone_while_pending(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	raw_send(r, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
	run_until(t.l, t.pending);
	raw_close(r);
	run_until(t.l, t.n_gone == 1);
	/* The request lives on until the answer, which goes nowhere. */
	assert_memory_equal(t.pending_request->body, "abc", 3);
	assert_string_equal(t.pending_request->path, "/later");
	http_reply(t.pending, 200, NULL, "x", 1);
	/* The same, answered with a stream: its owner is told by the loop. */
	t.pending = NULL;
	r = http_dial();
	raw_send(r, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, t.pending);
	raw_close(r);
	run_until(t.l, t.n_gone == 2);
	http_world_stream(t.pending);
	assert_int_equal(http_send(t.stream, "x", 1), -EPIPE);
	assert_int_equal(t.n_stream_gone, 0);
	run_until(t.l, t.n_stream_gone == 1);
}

/* Requests are handed over before the first one is answered; answers keep the order. */
static void test_answers_keep_the_order(void **state)
{
	(void)state;
	struct raw *r = http_dial();

	raw_send(r, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
		    "GET /echo?second HTTP/1.1\r\nHost: x\r\n\r\n"
		    "GET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, t.n_requests == 1);
	assert_string_equal(t.last, "GET /echo second /echo?second");
	assert_int_equal(r->in.len, 0);
	http_reply(t.pending, 202, NULL, NULL, 0);
	run_until(t.l, raw_has(r, "404"));
	const char *first = strstr(r->in.data, "202 Accepted"), *second = strstr(r->in.data, "200 OK");
	assert_true(first && second && first < second && second < strstr(r->in.data, "404 Not Found"));
	raw_close(r);
}

static void test_gone_while_streaming(void **state)
{
	(void)state;
	struct raw *r = http_ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");

	assert_int_equal(http_send(t.stream, "x", 1), 0);
	raw_close(r);
	run_until(t.l, t.n_stream_gone == 1);
	assert_null(t.stream);
}

static void test_server_freed(void **state)
{
	(void)state;
	struct raw *a = http_ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
	struct raw *b = http_dial();
	struct raw *c = http_ask("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK");

	raw_send(b, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, t.pending);
	http_server_free(t.server);
	t.server = NULL;
	assert_int_equal(t.n_stream_gone, 1);
	assert_int_equal(t.n_gone, 1);
	assert_string_equal(t.pending_request->path, "/later");
	http_reply(t.pending, 200, NULL, NULL, 0);
	run_until(t.l, a->eof && b->eof && c->eof);
	raw_close(a);
	raw_close(b);
	raw_close(c);
}

/* ---- streams --------------------------------------------------------------------- */

static void test_stream_format(void **state)
{
	(void)state;
	/* "Connection: close" still gets a long chunked stream. */
	struct raw *r = http_ask("POST /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
			    "\r\n\r\n");
	assert_true(raw_has(r, "\r\nTransfer-Encoding: chunked\r\n"));
	assert_true(raw_has(r, "\r\nContent-Type: application/json\r\n"));
	assert_true(raw_has(r, "\r\nMesos-Stream-Id: abc\r\n"));
	assert_true(raw_has(r, "\r\nDate: "));
	assert_false(raw_has(r, "Content-Length"));
	assert_int_equal(http_send(t.stream, "11\n{\"type\":\"X\"}", 15), 0);
	run_until(t.l, raw_has(r, "\r\n\r\nf\r\n11\n{\"type\":\"X\"}\r\n"));
	/* Two sends of one turn are two chunks. */
	http_send(t.stream, "aa", 2);
	http_send(t.stream, "bbb", 3);
	run_until(t.l, raw_has(r, "2\r\naa\r\n3\r\nbbb\r\n"));
	http_close(t.stream);
	run_until(t.l, r->eof);
	assert_true(str_ends(buf_str(&r->in), "0\r\n\r\n"));
	assert_int_equal(t.n_stream_gone, 0);
	raw_close(r);
	/* Kept alive after a stream that ended. */
	r = http_ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
	http_close(t.stream);
	raw_send(r, "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, raw_has(r, "202 Accepted"));
	raw_close(r);
}

static void test_stream_http_1_0(void **state)
{
	(void)state;
	struct raw *r = http_ask("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "\r\n\r\n");

	assert_false(raw_has(r, "chunked"));
	http_send(t.stream, "abc", 3);
	http_send(t.stream, "def", 3);
	http_close(t.stream);
	run_until(t.l, r->eof);
	assert_true(str_ends(buf_str(&r->in), "\r\n\r\nabcdef"));
	raw_close(r);
	/* Closed with nothing to write. */
	r = http_ask("GET /stream HTTP/1.0\r\n\r\n", "\r\n\r\n");
	http_close(t.stream);
	run_until(t.l, r->eof);
	raw_close(r);
}

static void test_many_chunks(void **state)
{
	(void)state;
	struct raw *r = http_ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
	char text[32];

	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "record-%05d;", i);
		assert_int_equal(http_send(t.stream, text, strlen(text)), 0);
		if (i % 100 == 0)
			loop_event_turn(t.l, 0);
	}
	run_until(t.l, raw_has(r, "record-09999;\r\n"));
	assert_int_equal(raw_count(r, "d\r\nrecord-"), 10000);
	raw_close(r);
	run_until(t.l, t.n_stream_gone);
}

static void test_slow_reader_is_cut(void **state)
{
	(void)state;
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	static char chunk[65536];
	int e = 0;

	limits.max_stream_queue = 1 << 20;
	http_restart(&limits);
	struct raw *r = http_ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
	raw_pause(r);
	size_t most = 0;
	for (int i = 0; i < 100000 && !e; i++) {
		e = http_send(t.stream, chunk, sizeof(chunk));
		most = MZ_MAX(most, http_queued(t.stream));
		if (!e)
			loop_event_turn(t.l, 0);
	}
	assert_int_equal(e, -ENOBUFS);
	assert_true(most >= 1 << 20 && most < (1 << 20) + 2 * sizeof(chunk));
	assert_int_equal(t.n_stream_gone, 0); /* never from inside send */
	assert_int_equal(http_send(t.stream, "x", 1), -EPIPE);
	run_until(t.l, t.n_stream_gone == 1);
	raw_resume(r);
	run_until(t.l, r->eof);
	raw_close(r);
	/* The owner may close what is being cut; then it is not told. */
	r = http_ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
	raw_pause(r);
	while ((e = http_send(t.stream, chunk, sizeof(chunk))) == 0)
		loop_event_turn(t.l, 0);
	assert_int_equal(e, -ENOBUFS);
	http_close(t.stream);
	raw_resume(r);
	run_until(t.l, r->eof);
	assert_int_equal(t.n_stream_gone, 1);
	raw_close(r);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, http_setup, http_teardown)
	const struct CMUnitTest tests[] = {
		T(test_headers_of_answers), T(test_forms_of_requests), T(test_chunked_body),
		T(test_http_1_0_and_close), T(test_expect_continue), T(test_head_has_no_body),
		T(test_everybody_has_a_turn), T(test_pipelined), T(test_garbage), T(test_limits), T(test_too_many_connections),
		T(test_idle_connections_end), T(test_filter_answers), T(test_port_in_use), T(test_silent_peers_are_probed),
		T(test_gone_while_pending), T(test_answers_keep_the_order), T(test_gone_while_streaming),
		T(test_server_freed), T(test_stream_format), T(test_stream_http_1_0), T(test_many_chunks),
		T(test_slow_reader_is_cut),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
