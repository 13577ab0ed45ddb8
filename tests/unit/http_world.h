/* http_world.h - an HTTP server with a few routes on a loop, for the tests of the
 * server and of the client. One thread, loopback sockets; alarm(2) ends what hangs.
 *
 * /echo answers 200 with the body, /empty 202 with none, /slow the same after 2 ms,
 * /big 200 with 256 KiB; /later leaves the exchange in t.pending and t.later[], /stream
 * opens t.stream.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_HTTP_WORLD_H
#define TESTS_HTTP_WORLD_H

#include "tests/unit/net_util.h"
#include "wire/http_event.h"

struct http_world {
	struct loop *l;
	struct http_server *server;
	struct http_router router;
	struct http_exchange *pending, *later[512];
	size_t n_later;
	const struct http_request *pending_request;
	struct http_stream *stream;
	int n_requests, n_gone, n_stream_gone;
	char last[4096]; /* method, path, query, target, body size */
	char accept[256];
	size_t body_size;
	char *body;
};
extern struct http_world t;

/* For cmocka_unit_test_setup_teardown(). */
int http_setup(void **state);
int http_teardown(void **state);
/* Another server and loop, with these limits. */
void http_restart(const struct http_limits *limits);

void http_turns(int n);
struct raw *http_dial(void);
/* Sends one request, waits until `until` is in the answer. */
struct raw *http_ask(const char *request, const char *until);
/* Answers with t.stream. */
void http_world_stream(struct http_exchange *x);

#endif
