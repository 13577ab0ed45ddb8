/* http_calls_test.c - the HTTP client against a server of ours: calls on a connection
 * that stays, timeouts, streams; and when it is freed in the middle. Nothing sleeps.
 * The client against peers that misbehave is http_client_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/http_world.h"

/* ---- calls --------------------------------------------------------------------------- */

static struct {
	int n, status;
	char error[64];
	char header[64];
	struct buf body;
	struct http_client *c;
	int again; /* calls that the callback still makes by itself */
	bool free_in_callback;
} got;

static void on_response(void *arg, const struct http_response *r)
{
	got.n++;
	got.status = r->status;
	snprintf(got.error, sizeof(got.error), "%s", r->error ? r->error : "");
	const char *type = http_response_header(r, "content-type");
	snprintf(got.header, sizeof(got.header), "%s", type ? type : "");
	buf_clear(&got.body);
	buf_add(&got.body, r->body, r->body_size);
	if (got.again-- > 0)
		http_client_call(got.c, "POST", "/echo", NULL, 0, "again", 5, 0, on_response, arg);
	if (got.free_in_callback) {
		http_client_free(got.c);
		got.c = NULL;
	}
}

static void reset_got(void)
{
	buf_done(&got.body);
	memset(&got, 0, sizeof(got));
}

static void call(const char *method, const char *target, const char *body)
{
	const struct http_header h = {"X-Test", "1"};

	http_client_call(got.c, method, target, &h, 1, body, strlen(body), 0, on_response, NULL);
}

static void test_client_calls(void **state)
{
	(void)state;
	reset_got();
	got.c = http_client_new(t.l, "127.0.0.1", http_server_port(t.server));
	call("POST", "/echo?a=b", "hello");
	assert_int_equal(got.n, 0);
	run_until(t.l, got.n == 1);
	assert_int_equal(got.status, 200);
	assert_string_equal(got.header, "application/json");
	assert_string_equal(buf_str(&got.body), "hello");
	assert_string_equal(t.last, "POST /echo a=b /echo?a=b");
	call("GET", "/nosuch", "");
	call("DELETE", "/echo", "");
	call("HEAD", "/echo", "");
	call("TELEPORT", "/echo", "");
	run_until(t.l, got.n == 5);
	assert_int_equal(got.status, 0);
	assert_string_equal(got.error, "Unknown method");
	/* A big body there and back. */
	size_t size = 10 << 20;
	char *big = xmalloc(size);
	for (size_t i = 0; i < size; i++)
		big[i] = (char)(i * 7 + (i >> 12));
	http_client_call(got.c, "POST", "/echo", NULL, 0, big, size, 0, on_response, NULL);
	run_until(t.l, got.n == 6);
	assert_int_equal(got.body.len, size);
	assert_memory_equal(got.body.data, big, size);
	free(big);
	http_client_free(got.c);
	reset_got();
}

static void test_client_keeps_alive(void **state)
{
	(void)state;
	struct http_limits limits = HTTP_LIMITS_DEFAULT;

	limits.max_connections = 1; /* a second connection would be refused */
	http_restart(&limits);
	reset_got();
	got.c = http_client_new(t.l, "127.0.0.1", http_server_port(t.server));
	got.again = 999;
	call("POST", "/echo", "first");
	run_until(t.l, got.n == 1000);
	assert_int_equal(got.status, 200);
	assert_string_equal(buf_str(&got.body), "again");
	assert_int_equal(t.n_requests, 1000);
	http_client_free(got.c);
	reset_got();
}

static void test_client_reconnects(void **state)
{
	(void)state;
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct mz_err err;
	int port;

	reset_got();
	port = http_server_port(t.server);
	got.c = http_client_new(t.l, "127.0.0.1", port);
	call("GET", "/echo", "");
	run_until(t.l, got.n == 1);
	http_server_free(t.server);
	t.server = NULL;
	for (int i = 0; i < 10; i++)
		loop_event_turn(t.l, 0);
	call("GET", "/echo", "");
	run_until(t.l, got.n == 2);
	assert_int_equal(got.status, 0);
	assert_string_equal(got.error, "Could not connect");
	assert_int_equal(http_server_new(t.l, "127.0.0.1", port, &limits, &t.router, &t.server, &err), 0);
	call("GET", "/echo", "");
	run_until(t.l, got.n == 3);
	assert_int_equal(got.status, 200);
	http_client_free(got.c);
	reset_got();
}

static void test_client_timeouts(void **state)
{
	(void)state;
	reset_got();
	got.c = http_client_new(t.l, "127.0.0.1", http_server_port(t.server));
	/* The second one times out while it waits for the first. */
	http_client_call(got.c, "GET", "/later", NULL, 0, NULL, 0, 50 * NS_PER_MS, on_response, NULL);
	http_client_call(got.c, "GET", "/later", NULL, 0, NULL, 0, 20 * NS_PER_MS, on_response, NULL);
	run_until(t.l, got.n == 2);
	assert_int_equal(got.status, 0);
	assert_string_equal(got.error, "Timed out");
	call("GET", "/echo", "");
	run_until(t.l, got.n == 3);
	assert_int_equal(got.status, 200);
	run_until(t.l, t.n_gone == 1);
	http_reply(t.pending, 200, NULL, NULL, 0);
	http_client_free(got.c);
	reset_got();
}

static void test_client_freed(void **state)
{
	(void)state;
	reset_got();
	got.c = http_client_new(t.l, "127.0.0.1", http_server_port(t.server));
	got.free_in_callback = true;
	call("GET", "/echo", "");
	call("GET", "/later", "");
	call("GET", "/echo", "");
	run_until(t.l, got.n == 1 && !got.c);
	for (int i = 0; i < 10; i++)
		loop_event_turn(t.l, 0);
	assert_int_equal(got.n, 1);
	/* With a call under way, and right after the call. */
	got.free_in_callback = false;
	t.pending = NULL;
	got.c = http_client_new(t.l, "127.0.0.1", http_server_port(t.server));
	http_client_call(got.c, "GET", "/later", NULL, 0, NULL, 0, NS_PER_SEC, on_response, NULL);
	run_until(t.l, t.pending);
	http_client_free(got.c);
	run_until(t.l, t.n_gone == 1);
	http_reply(t.pending, 200, NULL, NULL, 0);
	got.c = http_client_new(t.l, "127.0.0.1", http_server_port(t.server));
	call("GET", "/echo", "");
	http_client_free(got.c);
	loop_event_turn(t.l, 0);
	assert_int_equal(got.n, 1);
	reset_got();
}

static struct {
	struct http_client_stream *s;
	int n_open, n_data, n_end, status;
	char error[64];
	struct buf data;
	bool close_in_open, close_in_data, close_in_end;
} in;

static void in_close(void)
{
	http_client_stream_close(in.s);
	in.s = NULL;
}

static void on_in_open(void *arg, const struct http_response *r)
{
	(void)arg;
	in.n_open++;
	in.status = r->status;
	buf_add(&in.data, r->body, r->body_size);
	if (in.close_in_open)
		in_close();
}

static void on_in_data(void *arg, const void *data, size_t size)
{
	(void)arg;
	in.n_data++;
	buf_add(&in.data, data, size);
	if (in.close_in_data)
		in_close();
}

static void on_in_end(void *arg, const char *error)
{
	(void)arg;
	in.n_end++;
	snprintf(in.error, sizeof(in.error), "%s", error ? error : "");
	if (in.close_in_end)
		in_close();
}

static void open_in(const char *method, const char *target)
{
	static const struct http_client_stream_cb cb = {on_in_open, on_in_data, on_in_end, NULL};

	buf_done(&in.data);
	memset(&in, 0, sizeof(in));
	in.s = http_client_stream_open(t.l, "127.0.0.1", t.server ? http_server_port(t.server) : 1, method, target,
				       NULL, 0, "{}", 2, &cb, NULL);
}

static void test_client_stream(void **state)
{
	(void)state;
	open_in("POST", "/stream");
	run_until(t.l, in.n_open);
	assert_int_equal(in.status, 200);
	for (int i = 0; i < 1000; i++)
		http_send(t.stream, "abcd", 4);
	run_until(t.l, in.n_data == 1000);
	assert_int_equal(in.data.len, 4000);
	http_close(t.stream);
	run_until(t.l, in.n_end);
	assert_string_equal(in.error, "");
	in_close();
	/* No stream, but a whole answer. */
	open_in("POST", "/nosuch");
	run_until(t.l, in.n_end);
	assert_int_equal(in.n_open, 1);
	assert_int_equal(in.status, 404);
	assert_int_equal(in.n_data, 0);
	in_close();
	open_in("BAD METHOD", "/stream");
	run_until(t.l, in.n_end);
	assert_string_equal(in.error, "Unknown method");
	in_close();
	/* Closed before it starts, in each callback, and by a dying server. */
	open_in("POST", "/stream");
	in_close();
	open_in("POST", "/stream");
	in.close_in_open = true;
	run_until(t.l, in.n_open && t.n_stream_gone == 1);
	assert_int_equal(in.n_end, 0);
	open_in("POST", "/stream");
	in.close_in_data = true;
	run_until(t.l, in.n_open);
	http_send(t.stream, "x", 1);
	http_send(t.stream, "y", 1);
	run_until(t.l, in.n_data && t.n_stream_gone == 2);
	assert_int_equal(in.n_data, 1);
	open_in("POST", "/stream");
	in.close_in_end = true;
	run_until(t.l, in.n_open);
	http_server_free(t.server);
	t.server = NULL;
	run_until(t.l, in.n_end);
	assert_string_equal(in.error, "Connection closed by the peer");
	open_in("POST", "/stream");
	run_until(t.l, in.n_end);
	assert_string_equal(in.error, "Could not connect");
	assert_int_equal(in.n_open, 0);
	in_close();
	loop_event_turn(t.l, 0);
	buf_done(&in.data);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, http_setup, http_teardown)
	const struct CMUnitTest tests[] = {
		T(test_client_calls), T(test_client_keeps_alive), T(test_client_reconnects), T(test_client_timeouts),
		T(test_client_freed), T(test_client_stream),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
