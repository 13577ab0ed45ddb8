/* http_world.c - see http_world.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"

struct http_world t;

static void on_echo(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	t.n_requests++;
	snprintf(t.last, sizeof(t.last), "%s %s %s %s", r->method, r->path, r->query ? r->query : "-", r->target);
	snprintf(t.accept, sizeof(t.accept), "%s", http_header(r, "Accept") ? http_header(r, "Accept") : "-");
	free(t.body);
	t.body = xmemdup(r->body_size ? r->body : "", r->body_size ? r->body_size : 1);
	t.body_size = r->body_size;
	http_reply(x, 200, "application/json", r->body, r->body_size);
}

static void on_empty(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg, (void)r;
	t.n_requests++;
	http_reply(x, 202, NULL, NULL, 0);
}

/* As long as a turn is for one connection, and not shorter. */
static void on_slow(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct timespec began, now;

	clock_gettime(CLOCK_MONOTONIC, &began);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - began.tv_sec) * NS_PER_SEC + now.tv_nsec - began.tv_nsec < 2000 * 1000);
	on_empty(arg, r, x);
}

static void on_big(void *arg, const struct http_request *r, struct http_exchange *x)
{
	static char big[256 << 10];

	(void)arg, (void)r;
	t.n_requests++;
	http_reply(x, 200, NULL, big, sizeof(big));
}

static void on_pending_gone(void *arg)
{
	(void)arg;
	t.n_gone++;
}

static void on_later(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	assert_false(r->streamed);
	assert_int_equal(http_exchange_read(x, NULL, NULL), -EINVAL);
	assert_true(t.n_later < MZ_N(t.later));
	t.pending = t.later[t.n_later++] = x;
	t.pending_request = r;
	x->on_gone = on_pending_gone;
}

static void on_stream_gone(void *arg)
{
	(void)arg;
	t.n_stream_gone++;
	t.stream = NULL;
}

void http_world_stream(struct http_exchange *x)
{
	const struct http_header h[] = {{"Content-Type", "application/json"}, {"Mesos-Stream-Id", "abc"}};

	t.stream = http_stream(x, 200, h, 2);
	t.stream->on_gone = on_stream_gone;
}

static void on_stream(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg, (void)r;
	http_world_stream(x);
}

static void start(const struct http_limits *limits)
{
	struct mz_err err;

	assert_int_equal(loop_event_new(1, &t.l, &err), 0);
	http_route(&t.router, "/echo", on_echo, NULL);
	http_route(&t.router, "/empty", on_empty, NULL);
	http_route(&t.router, "/slow", on_slow, NULL);
	http_route(&t.router, "/big", on_big, NULL);
	http_route(&t.router, "/later", on_later, NULL);
	http_route(&t.router, "/stream", on_stream, NULL);
	assert_int_equal(http_server_new(t.l, "127.0.0.1", 0, limits, &t.router, &t.server, &err), 0);
}

int http_setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	alarm(30);
	start(NULL);
	return 0;
}

int http_teardown(void **state)
{
	(void)state;
	http_server_free(t.server);
	loop_event_turn(t.l, 0);
	loop_event_free(t.l);
	http_router_done(&t.router);
	free(t.body);
	return 0;
}

void http_restart(const struct http_limits *limits)
{
	http_teardown(NULL);
	memset(&t, 0, sizeof(t));
	start(limits);
}

void http_turns(int n)
{
	while (n--)
		loop_event_turn(t.l, 0);
}

struct raw *http_dial(void)
{
	return raw_open(t.l, http_server_port(t.server));
}

struct raw *http_ask(const char *request, const char *until)
{
	struct raw *r = http_dial();

	raw_send(r, request);
	run_until(t.l, raw_has(r, until) || r->eof);
	assert_true(raw_has(r, until));
	return r;
}
