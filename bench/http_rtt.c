/* http_rtt.c - the round trip of a small POST on a kept-alive connection: what
 * HTTP itself adds to the latency of a task. Client and server share one loop
 * and one thread.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "loop/loop_event.h"
#include "wire/http_event.h"

enum { N_WARM = 1000, N_CALLS = 20000, BODY_BYTES = 500 };

static struct {
	struct loop *l;
	struct http_client *client;
	int64_t started_ns;
	int n;
	int64_t took_ns[N_CALLS];
	char body[BODY_BYTES];
} b;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static void on_call(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg, (void)r;
	http_reply(x, 202, NULL, NULL, 0);
}

static void next(void);

static void on_answer(void *arg, const struct http_response *r)
{
	(void)arg;
	must(r->status == 202);
	if (b.n >= N_WARM)
		b.took_ns[b.n - N_WARM] = now_ns() - b.started_ns;
	if (++b.n < N_WARM + N_CALLS)
		next();
	else
		loop_event_stop(b.l);
}

static void next(void)
{
	const struct http_header h = {"Content-Type", "application/json"};

	b.started_ns = now_ns();
	http_client_call(b.client, "POST", "/api/v1/scheduler", &h, 1, b.body, sizeof(b.body), 0, on_answer, NULL);
}

static int compare(const void *p, const void *q)
{
	int64_t x = *(const int64_t *)p, y = *(const int64_t *)q;

	return (x > y) - (x < y);
}

int main(void)
{
	struct http_router router = {0};
	struct http_server *server;
	struct mz_err err;

	memset(b.body, 'x', sizeof(b.body));
	if (loop_event_new(1, &b.l, &err) < 0)
		return 1;
	http_route(&router, "/api/v1/scheduler", on_call, NULL);
	if (http_server_new(b.l, "127.0.0.1", 0, NULL, &router, &server, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	b.client = http_client_new(b.l, "127.0.0.1", http_server_port(server));
	next();
	loop_event_run(b.l);
	qsort(b.took_ns, N_CALLS, sizeof(b.took_ns[0]), compare);
	printf("http_rtt: POST of %d bytes, answered 202, keep-alive, loopback, one thread, %d calls: "
	       "p50 %.3f ms, p99 %.3f ms, max %.3f ms\n",
	       BODY_BYTES, N_CALLS, (double)b.took_ns[N_CALLS / 2] / 1e6, (double)b.took_ns[N_CALLS * 99 / 100] / 1e6,
	       (double)b.took_ns[N_CALLS - 1] / 1e6);
	http_client_free(b.client);
	http_server_free(server);
	loop_event_turn(b.l, 0);
	loop_event_free(b.l);
	http_router_done(&router);
	return 0;
}
