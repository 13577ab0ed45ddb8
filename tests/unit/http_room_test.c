/* http_room_test.c - who sends is told when there is room again: streams of the
 * server, bodies of the client, and plain connections (wire/io.h); and a stream that
 * is aborted looks so to its peer. One thread, one loop, no sleeps.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/net_util.h"
#include "wire/http_event.h"
#include "wire/io_chan.h"

static struct {
	struct loop *l;
	struct http_server *server;
	struct http_router router;
	struct http_stream *stream;
	struct http_exchange *x;
	int n_room, n_gone;
	bool send_in_room, close_in_room;
} t;

static char chunk[65536];

static void on_room(void *arg)
{
	(void)arg;
	t.n_room++;
	if (t.send_in_room)
		assert_int_equal(http_send(t.stream, chunk, sizeof(chunk)), 0);
	if (t.close_in_room)
		http_close(MZ_MOVE(t.stream));
}

static void on_gone(void *arg)
{
	(void)arg;
	t.n_gone++;
}

static void on_stream(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg, (void)r;
	t.stream = http_stream(x, 200, NULL, 0);
	t.stream->on_room = on_room;
	t.stream->on_gone = on_gone;
}

static void on_body(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg, (void)r;
	t.x = x;
}

static int setup(void **state)
{
	struct mz_err err;

	(void)state;
	memset(&t, 0, sizeof(t));
	alarm(60);
	assert_int_equal(loop_event_new(1, &t.l, &err), 0);
	http_route(&t.router, "/stream", on_stream, NULL);
	http_route(&t.router, "/body", on_body, NULL);
	return http_server_new(t.l, "127.0.0.1", 0, NULL, &t.router, &t.server, &err);
}

static int teardown(void **state)
{
	(void)state;
	http_server_free(t.server);
	loop_event_turn(t.l, 0);
	http_router_done(&t.router);
	loop_event_free(t.l);
	return 0;
}

static struct raw *ask(void)
{
	struct raw *r = raw_open(t.l, http_server_port(t.server));

	raw_send(r, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	run_until(t.l, t.stream && raw_has(r, "\r\n\r\n"));
	return r;
}

static void test_stream_has_room(void **state)
{
	(void)state;
	struct raw *r = ask();

	run_until(t.l, t.n_room); /* its head has gone */
	t.n_room = 0;
	raw_pause(r);
	size_t sent = 0;
	while (http_queued(t.stream) < 1 << 20) {
		assert_int_equal(http_send(t.stream, chunk, sizeof(chunk)), 0);
		loop_event_turn(t.l, 0);
		sent += sizeof(chunk);
	}
	/* Nobody reads, so nobody is told. */
	t.n_room = 0;
	for (int i = 0; i < 20; i++)
		loop_event_turn(t.l, 0);
	assert_int_equal(t.n_room, 0);
	/* One may send and close when one is told. */
	t.send_in_room = true;
	raw_resume(r);
	run_until(t.l, t.n_room == 5);
	assert_true(sent > 0);
	t.send_in_room = false;
	t.close_in_room = true;
	run_until(t.l, raw_has(r, "\r\n0\r\n\r\n"));
	assert_int_equal(t.n_gone, 0);
	raw_close(r);
}

static struct {
	struct http_client_stream *s;
	int n_end, n_room, status;
	char error[64];
} in;

static void on_in_open(void *arg, const struct http_response *r)
{
	(void)arg;
	in.status = r->status;
}

static void on_in_end(void *arg, const char *error)
{
	(void)arg;
	in.n_end++;
	snprintf(in.error, sizeof(in.error), "%s", error ? error : "");
}

static void on_in_room(void *arg)
{
	(void)arg;
	in.n_room++;
}

static const struct http_client_stream_cb in_cb = {on_in_open, NULL, on_in_end, on_in_room};

static void test_aborted_stream(void **state)
{
	(void)state;
	for (int aborted = 0; aborted < 2; aborted++) {
		memset(&in, 0, sizeof(in));
		t.stream = NULL;
		in.s = http_client_stream_open(t.l, "127.0.0.1", http_server_port(t.server), "POST", "/stream", NULL, 0, NULL, 0,
					       &in_cb, NULL);
		run_until(t.l, in.status == 200 && t.stream);
		assert_int_equal(http_send(t.stream, "last words", 10), 0);
		if (aborted)
			http_abort(t.stream);
		else
			http_close(t.stream);
		run_until(t.l, in.n_end);
		assert_string_equal(in.error, aborted ? "Connection closed by the peer" : "");
		http_client_stream_close(in.s);
	}
	/* What was sent before arrives. */
	t.stream = NULL;
	struct raw *r = ask();
	assert_int_equal(http_send(t.stream, "last words", 10), 0);
	http_abort(t.stream);
	run_until(t.l, r->eof);
	assert_true(raw_has(r, "last words\r\n"));
	assert_false(raw_has(r, "\r\n0\r\n"));
	assert_int_equal(t.n_gone, 0);
	raw_close(r);
}

static void test_body_has_room(void **state)
{
	static const struct http_header h = {"Content-Type", "application/recordio"};
	static const struct http_body_cb ignore = {0};

	(void)state;
	memset(&in, 0, sizeof(in));
	in.s = http_client_stream_open_body(t.l, "127.0.0.1", http_server_port(t.server), "POST", "/body", &h, 1, NULL, 0,
					    &in_cb, NULL);
	run_until(t.l, t.x);
	while (http_client_stream_queued(in.s) < 1 << 20) {
		assert_int_equal(http_client_stream_send(in.s, chunk, sizeof(chunk)), 0);
		loop_event_turn(t.l, 0);
	}
	in.n_room = 0;
	for (int i = 0; i < 20; i++)
		loop_event_turn(t.l, 0);
	assert_int_equal(in.n_room, 0);
	assert_int_equal(http_exchange_read(t.x, &ignore, NULL), 0);
	run_until(t.l, in.n_room);
	assert_int_equal(http_client_stream_queued(in.s), 0);
	http_reply(t.x, 200, NULL, NULL, 0);
	run_until(t.l, in.n_end);
	http_client_stream_close(in.s);
}

/* ---- plain connections -------------------------------------------------------------------- */

static struct {
	struct io *io;
	struct buf got;
	int n_room, n_end;
	size_t left; /* at the end */
	bool close_in_data, close_in_room, close_in_end;
} p;

static void on_io_data(void *arg, const void *data, size_t size)
{
	(void)arg;
	buf_add(&p.got, data, size);
	if (p.close_in_data)
		io_close(MZ_MOVE(p.io));
}

static void on_io_room(void *arg)
{
	(void)arg;
	p.n_room++;
	if (p.close_in_room)
		io_close(MZ_MOVE(p.io));
}

static void on_io_end(void *arg)
{
	(void)arg;
	p.n_end++;
	p.left = io_queued(p.io);
	if (p.close_in_end)
		io_close(MZ_MOVE(p.io));
}

/* The other end. */
static int open_io(void)
{
	static const struct io_cb cb = {on_io_data, on_io_room, on_io_end};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	buf_done(&p.got);
	memset(&p, 0, sizeof(p));
	p.io = io_chan_open(t.l, fds[0], &cb, NULL);
	return fds[1];
}

static void test_io(void **state)
{
	char data[8];

	(void)state;
	int fd = open_io();
	io_send(p.io, "hello", 5);
	run_until(t.l, p.n_room);
	assert_int_equal(read(fd, data, sizeof(data)), 5);
	/* Nothing is read while it is paused. */
	io_pause(p.io, true);
	assert_int_equal(write(fd, "later", 5), 5);
	for (int i = 0; i < 10; i++)
		loop_event_turn(t.l, 0);
	assert_int_equal(p.got.len, 0);
	io_pause(p.io, false);
	run_until(t.l, p.got.len == 5);
	/* A peer that does not read. */
	p.n_room = 0;
	while (io_queued(p.io) < 1 << 20) {
		io_send(p.io, chunk, sizeof(chunk));
		loop_event_turn(t.l, 0);
	}
	p.n_room = 0;
	for (int i = 0; i < 20; i++)
		loop_event_turn(t.l, 0);
	assert_int_equal(p.n_room, 0);
	while (!p.n_room) {
		assert_true(recv(fd, chunk, sizeof(chunk), 0) > 0);
		loop_event_turn(t.l, 0);
	}
	assert_int_equal(io_queued(p.io), 0);
	while (recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT) > 0)
		;
	close(fd);
	run_until(t.l, p.n_end);
	assert_int_equal(p.n_end, 1);
	assert_int_equal(p.left, 0);
	io_close(p.io);
	/* One that leaves without having read all. */
	fd = open_io();
	io_send(p.io, "unread", 6);
	run_until(t.l, p.n_room);
	close(fd);
	run_until(t.l, p.n_end);
	assert_true(p.left > 0);
	io_close(p.io);
	/* One that stops sending, and then leaves: its end is told once. */
	fd = open_io();
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	run_until(t.l, p.n_end);
	close(fd);
	io_send(p.io, "to nobody", 9);
	for (int i = 0; i < 10; i++)
		loop_event_turn(t.l, 0);
	assert_true(io_queued(p.io) > 0);
	assert_int_equal(p.n_end, 1);
	io_close(p.io);
}

static void test_io_is_closed_in_callbacks(void **state)
{
	(void)state;
	int fd = open_io();
	p.close_in_data = true;
	assert_int_equal(write(fd, "x", 1), 1);
	run_until(t.l, !p.io);
	assert_int_equal(recv(fd, chunk, 1, 0), 0); /* the socket is closed, too */
	close(fd);
	fd = open_io();
	p.close_in_room = true;
	io_send(p.io, "x", 1);
	run_until(t.l, !p.io);
	close(fd);
	fd = open_io();
	p.close_in_end = true;
	close(fd);
	run_until(t.l, !p.io);
	io_close(NULL);
	buf_done(&p.got);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_stream_has_room), T(test_aborted_stream), T(test_body_has_room),
		T(test_io), T(test_io_is_closed_in_callbacks),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
