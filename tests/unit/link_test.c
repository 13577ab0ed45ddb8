/* link_test.c - the framed agent link over loopback: hello, frames, limits,
 * heartbeats, the dialer. Nothing sleeps; alarm(2) ends what hangs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/link_event.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/net_util.h"
#include "wire/http_event.h"

/* One end of a link, and what happened to it. */
struct end {
	struct link *link;
	int n_frames, n_gone;
	size_t n_bytes;
	struct buf last;
	char why[200];
	bool close_in_frame;
};

static struct {
	struct loop *l;
	struct link_server *server;
	struct link_dialer *dialer;
	struct http_server *http, *standby;
	struct http_router router, standby_router;
	int link_port, n_dialed, n_sockets;
	struct end m, a; /* master's, agent's */
	char why[256];
} t;

static void on_frame(void *arg, const void *frame, size_t size)
{
	struct end *e = arg;

	e->n_frames++;
	e->n_bytes += size;
	buf_clear(&e->last);
	buf_add(&e->last, frame, size);
	if (e->close_in_frame) {
		link_close(e->link);
		e->link = NULL;
	}
}

static void on_gone(void *arg, const char *why)
{
	struct end *e = arg;

	e->n_gone++;
	e->link = NULL;
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static void take(struct end *e, struct link *l)
{
	e->link = l;
	l->on_frame = on_frame;
	l->on_gone = on_gone;
	l->arg = e;
}

static void on_link(void *arg, struct link *l)
{
	(void)arg;
	take(&t.m, l);
}

static void on_dialed(void *arg, struct link *l, const char *why)
{
	(void)arg;
	t.n_dialed++;
	snprintf(t.why, sizeof(t.why), "%s", why ? why : "");
	if (l)
		take(&t.a, l);
}

static void on_discovery(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg, (void)r;
	if (!t.link_port) {
		http_reply(x, 503, NULL, NULL, 0);
		return;
	}
	mz_autofree char *json = xasprintf("{\"port\": %d}", t.link_port);
	http_reply(x, 200, "application/json", json, strlen(json));
}

static void on_standby(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)r;
	mz_autofree char *location = xasprintf("//localhost:%d/mezzo/link", http_server_port(*(struct http_server **)arg));
	struct http_header h = {"Location", location};
	http_reply_headers(x, 307, &h, 1, NULL, 0);
}

static int n_sockets(void)
{
	mz_autodir DIR *d = opendir("/proc/self/fd");
	int n = 0;

	for (struct dirent *e; (e = readdir(d));) {
		char target[64] = "";
		if (readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1) > 0 && str_starts(target, "socket:"))
			n++;
	}
	return n;
}

static void start(const struct link_limits *limits)
{
	struct mz_err err;

	memset(&t, 0, sizeof(t));
	alarm(20);
	assert_int_equal(loop_event_new(1, &t.l, &err), 0);
	assert_int_equal(link_server_new(t.l, "127.0.0.1", 0, limits, on_link, NULL, &t.server, &err), 0);
	assert_int_equal(link_dialer_event_new(t.l, limits, &t.dialer), 0);
	http_route_exact(&t.router, "/mezzo/link", on_discovery, NULL);
	http_route_exact(&t.standby_router, "/mezzo/link", on_standby, &t.http);
	assert_int_equal(http_server_new(t.l, "127.0.0.1", 0, NULL, &t.router, &t.http, &err), 0);
	assert_int_equal(http_server_new(t.l, "127.0.0.1", 0, NULL, &t.standby_router, &t.standby, &err), 0);
	t.link_port = link_server_port(t.server);
	t.n_sockets = n_sockets() - 1; /* without the link server */
}

static int setup(void **state)
{
	(void)state;
	start(NULL);
	return 0;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void set(void *arg)
{
	*(bool *)arg = true;
}

/* The one worker may still look for the name of a dial that was cancelled. */
static void until_idle(void)
{
	bool idle = false;
	assert_int_equal(loop_offload(t.l, nothing, set, &idle), 0);
	run_until(t.l, idle);
}

static int teardown(void **state)
{
	(void)state;
	if (t.a.link)
		link_close(t.a.link);
	link_dialer_event_free(t.dialer);
	link_server_free(t.server);
	/* Closed links linger until they have seen each other's end. */
	run_until(t.l, n_sockets() <= t.n_sockets);
	http_server_free(t.http);
	http_server_free(t.standby);
	until_idle();
	loop_event_turn(t.l, 0);
	loop_event_free(t.l);
	http_router_done(&t.router);
	http_router_done(&t.standby_router);
	buf_done(&t.a.last);
	buf_done(&t.m.last);
	return 0;
}

static void restart(const struct link_limits *limits)
{
	teardown(NULL);
	start(limits);
}

static void dial_at(int port)
{
	char address[64];

	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	t.dialer->ops->dial(t.dialer, address, on_dialed, &t.a);
}

static void link_up(void)
{
	dial_at(http_server_port(t.http));
	run_until(t.l, t.n_dialed && (t.m.link || !t.a.link));
	assert_string_equal(t.why, "");
	assert_non_null(t.a.link);
}

/* ---- frames ------------------------------------------------------------------- */

static void test_frames(void **state)
{
	(void)state;
	link_up();
	assert_true(str_starts(t.m.link->peer, "127.0.0.1:"));
	assert_int_equal(link_send(t.a.link, "hello", 5), 0);
	assert_int_equal(link_send(t.a.link, "world!", 6), 0);
	run_until(t.l, t.m.n_frames == 2);
	assert_string_equal(buf_str(&t.m.last), "world!");
	link_send(t.m.link, "back", 4);
	run_until(t.l, t.a.n_frames == 1);
	assert_string_equal(buf_str(&t.a.last), "back");
	assert_int_equal(link_send(t.a.link, "", 0), -EINVAL);
	/* Many, and a big one. */
	for (int i = 0; i < 10000; i++)
		link_send(t.a.link, &i, sizeof(i));
	size_t size = 64u << 20;
	char *big = xmalloc(size);
	for (size_t i = 0; i < size; i++)
		big[i] = (char)(i * 13 + (i >> 10));
	assert_int_equal(link_send(t.a.link, big, size), 0);
	assert_int_equal(link_send(t.a.link, big, size + 1), -EMSGSIZE);
	run_until(t.l, t.m.n_frames == 10003);
	assert_int_equal(t.m.last.len, size);
	assert_memory_equal(t.m.last.data, big, size);
	free(big);
}

static void test_close_writes_what_is_queued(void **state)
{
	(void)state;
	static char chunk[1 << 20];

	link_up();
	/* The other side's own bytes, unread when we close, must not cost ours. */
	for (int i = 0; i < 20; i++) {
		link_send(t.a.link, chunk, sizeof(chunk));
		link_send(t.m.link, chunk, sizeof(chunk));
	}
	link_close(t.a.link);
	t.a.link = NULL;
	run_until(t.l, t.m.n_gone);
	assert_int_equal(t.m.n_frames, 20);
	assert_string_equal(t.m.why, "The peer closed the connection");
	assert_int_equal(t.a.n_gone, 0);
}

static void test_close_in_callback(void **state)
{
	(void)state;
	link_up();
	t.m.close_in_frame = true;
	link_send(t.a.link, "1", 1);
	link_send(t.a.link, "2", 1);
	run_until(t.l, t.a.n_gone);
	assert_int_equal(t.m.n_frames, 1);
	assert_int_equal(t.m.n_gone, 0);
}

static void test_slow_reader_is_cut(void **state)
{
	(void)state;
	struct link_limits limits = LINK_LIMITS_DEFAULT;
	static char chunk[65536];
	int e = 0;

	limits.max_queue_bytes = 1 << 20;
	restart(&limits);
	struct raw *r = raw_open(t.l, t.link_port);
	raw_send_bytes(r, "\0\0\0\5MZLK\1", 9);
	run_until(t.l, t.m.link);
	raw_pause(r);
	while ((e = link_send(t.m.link, chunk, sizeof(chunk))) == 0)
		loop_event_turn(t.l, 0);
	assert_int_equal(e, -ENOBUFS);
	assert_int_equal(t.m.n_gone, 0);
	assert_int_equal(link_send(t.m.link, "x", 1), -EPIPE);
	run_until(t.l, t.m.n_gone);
	assert_string_equal(t.m.why, "The peer reads too slowly: its queue is full");
	raw_resume(r);
	run_until(t.l, r->eof);
	raw_close(r);
}

/* ---- wrong peers ---------------------------------------------------------------- */

static void expect_refused(const void *bytes, size_t size)
{
	struct raw *r = raw_open(t.l, t.link_port);

	raw_send_bytes(r, bytes, size);
	run_until(t.l, r->eof);
	assert_null(t.m.link);
	raw_close(r);
}

static void test_framing_errors(void **state)
{
	(void)state;
	expect_refused("GET / HTTP/1.1\r\n\r\n", 18);
	expect_refused("\0\0\0\0", 4);
	expect_refused("\0\0\0\5XZLK\1", 9);
	expect_refused("\0\0\0\5MZLK\2", 9);
	expect_refused("\0\0\0\4MZLK", 8);
	expect_refused("\xff\xff\xff\xff", 4);
	/* After the hello: over the limit, seen in the head. */
	struct raw *r = raw_open(t.l, t.link_port);
	raw_send_bytes(r, "\0\0\0\5MZ", 6);
	for (int i = 0; i < 5; i++)
		loop_event_turn(t.l, 0);
	assert_null(t.m.link);
	raw_send_bytes(r, "LK\1\0\0\0\0\0\0\0\2hi", 13);
	run_until(t.l, t.m.n_frames == 1);
	assert_string_equal(buf_str(&t.m.last), "hi");
	assert_memory_equal(buf_str(&r->in), "\0\0\0\5MZLK\1", 9);
	raw_send_bytes(r, "\4\0\0\1", 4);
	run_until(t.l, t.m.n_gone);
	assert_string_equal(t.m.why, "A frame of 67108865 bytes is over the limit of 67108864");
	run_until(t.l, r->eof);
	raw_close(r);
}

/* Peers that begin large frames, and end none. */
static void test_begun_frames_are_bounded(void **state)
{
	enum { SIZE = 100000, N = 40 };
	struct link_limits limits = LINK_LIMITS_DEFAULT;
	static const char bytes[SIZE];
	struct raw *r[N];

	(void)state;
	limits.max_frame_bytes = SIZE;
	restart(&limits);
	for (int i = 0; i < N; i++) {
		r[i] = raw_open(t.l, t.link_port);
		raw_send_bytes(r[i], "\0\0\0\5MZLK\1\0\1\x86\xa0", 13);
		raw_send_bytes(r[i], bytes, SIZE - 1);
		while (r[i]->out.len && !r[i]->eof)
			loop_event_turn(t.l, 0);
	}
	/* 31 fit in. */
	run_until(t.l, t.m.n_gone == N - 31);
	for (int i = 0; i < 10; i++)
		loop_event_turn(t.l, 0);
	assert_int_equal(t.m.n_gone, N - 31);
	assert_string_equal(t.m.why, "Too many large frames at once");
	/* Small ones are taken, and large ones again when there is room. */
	struct raw *small = raw_open(t.l, t.link_port);
	raw_send_bytes(small, "\0\0\0\5MZLK\1\0\0\0\2h", 14);
	for (int i = 0; i < 5; i++)
		loop_event_turn(t.l, 0);
	raw_send_bytes(small, "i", 1);
	run_until(t.l, t.m.n_frames == 1);
	raw_send_bytes(r[0], "x", 1);
	run_until(t.l, t.m.n_frames == 2);
	for (int i = 0; i < N; i++)
		raw_close(r[i]);
	raw_close(small);
}

static void test_silence_cuts(void **state)
{
	(void)state;
	struct link_limits limits = LINK_LIMITS_DEFAULT;

	limits.heartbeat_ns = 20 * NS_PER_MS;
	restart(&limits);
	struct raw *r = raw_open(t.l, t.link_port);
	raw_send_bytes(r, "\0\0\0\5MZLK\1", 9);
	run_until(t.l, t.m.n_gone);
	assert_string_equal(t.m.why, "Nothing heard from the peer for 3 heartbeats");
	run_until(t.l, r->eof);
	/* It sent heartbeats itself, which are no frames. */
	assert_true(r->in.len >= 9 + 4 && r->in.len <= 9 + 4 * 4);
	raw_close(r);
	/* A peer that never says hello. */
	r = raw_open(t.l, t.link_port);
	run_until(t.l, r->eof);
	raw_close(r);
	/* Two ends that do nothing but beat stay linked. */
	memset(&t.m.n_gone, 0, sizeof(t.m.n_gone));
	link_up();
	int64_t until = loop_now(t.l) + 10 * limits.heartbeat_ns;
	run_until(t.l, loop_now(t.l) > until);
	assert_int_equal(t.m.n_gone + t.a.n_gone, 0);
	assert_int_equal(t.m.n_frames + t.a.n_frames, 0);
}

static void test_max_links(void **state)
{
	(void)state;
	struct link_limits limits = LINK_LIMITS_DEFAULT;

	limits.max_links = 1;
	restart(&limits);
	link_up();
	struct raw *r = raw_open(t.l, t.link_port);
	run_until(t.l, r->eof);
	raw_close(r);
	assert_int_equal(t.m.n_gone, 0);
	link_close(t.a.link);
	t.a.link = NULL;
	run_until(t.l, t.m.n_gone);
	t.m.link = NULL;
	t.n_dialed = 0;
	link_up();
}

static void test_server_freed(void **state)
{
	(void)state;
	link_up();
	link_server_free(t.server);
	t.server = NULL;
	assert_int_equal(t.m.n_gone, 1);
	run_until(t.l, t.a.n_gone);
}

/* ---- the dialer ------------------------------------------------------------------ */

static void dial_fails(const char *address, const char *why)
{
	t.n_dialed = 0;
	t.dialer->ops->dial(t.dialer, address, on_dialed, &t.a);
	assert_int_equal(t.n_dialed, 0);
	run_until(t.l, t.n_dialed);
	assert_null(t.a.link);
	if (!strstr(t.why, why))
		fail_msg("'%s' instead of '%s'", t.why, why);
}

static void test_dial_redirected(void **state)
{
	(void)state;
	/* By way of a name, which is resolved on a worker thread. */
	mz_autofree char *address = xasprintf("localhost:%d", http_server_port(t.standby));
	t.dialer->ops->dial(t.dialer, address, on_dialed, &t.a);
	run_until(t.l, t.n_dialed && t.m.link);
	assert_string_equal(t.why, "");
}

static void test_dial_failures(void **state)
{
	(void)state;
	mz_autofree char *master = xasprintf("127.0.0.1:%d", http_server_port(t.http));
	mz_autofree char *standby = xasprintf("127.0.0.1:%d", http_server_port(t.standby));

	dial_fails("nonsense", "Address 'nonsense' is not of the form host:port");
	dial_fails("127.0.0.1:1", "Cannot ask the master at '127.0.0.1:1': Could not connect");
	dial_fails("no..such..host:5050", "Cannot resolve 'no..such..host'");
	t.link_port = 0;
	dial_fails(master, "knows no leader");
	t.link_port = 1;
	dial_fails(master, "Cannot connect to the link port");
	/* A link server that has no room. */
	struct link_limits limits = LINK_LIMITS_DEFAULT;
	struct link_server *full;
	limits.max_links = 0;
	assert_int_equal(link_server_new(t.l, "127.0.0.1", 0, &limits, on_link, NULL, &full, NULL), 0);
	t.link_port = link_server_port(full);
	dial_fails(master, "127.0.0.1:"); /* closed or reset, as the kernel likes */
	link_server_free(full);
	/* A standby that points at itself. */
	struct http_server *leader = t.http;
	t.http = t.standby;
	dial_fails(standby, "redirects to no leader");
	t.http = leader;
}

static void test_dial_cancelled(void **state)
{
	(void)state;
	/* At each step of the way. */
	for (int turns = 0; turns < 12; turns++) {
		t.n_dialed = 0;
		mz_autofree char *address = xasprintf("localhost:%d", http_server_port(t.standby));
		t.dialer->ops->dial(t.dialer, turns % 2 ? address : "nonsense", on_dialed, &t.a);
		for (int i = 0; i < turns && !t.n_dialed; i++)
			loop_event_turn(t.l, NS_PER_MS);
		if (t.n_dialed)
			break;
		t.dialer->ops->cancel(t.dialer, &t.a);
		for (int i = 0; i < 20; i++)
			loop_event_turn(t.l, 0);
		assert_int_equal(t.n_dialed, 0);
	}
	if (t.a.link)
		link_close(t.a.link);
	t.a.link = NULL;
	/* The dialer goes while a dial is under way. */
	t.n_dialed = 0;
	dial_at(http_server_port(t.http));
	link_dialer_event_free(t.dialer);
	t.dialer = NULL;
	for (int i = 0; i < 20; i++)
		loop_event_turn(t.l, 0);
	assert_int_equal(t.n_dialed, 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_frames), T(test_close_writes_what_is_queued), T(test_close_in_callback),
		T(test_slow_reader_is_cut), T(test_framing_errors), T(test_begun_frames_are_bounded), T(test_silence_cuts), T(test_max_links),
		T(test_server_freed), T(test_dial_redirected), T(test_dial_failures), T(test_dial_cancelled),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
