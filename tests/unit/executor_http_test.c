/* executor_http_test.c - the HTTP client of mezzo-executor against a server that is
 * played by this test, byte by byte: kept connections, and what becomes of a request
 * when one ends.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bin/executor.h"
#include "loop/loop_event.h"

#define ACCEPTED "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

static struct {
	struct loop *loop;
	int listener, fd; /* fd: the server's end of the connection; -1: none */
	struct client_peer peer;
	struct client *client;
	int n_accepted;
	/* What the handler was told of the last request. */
	int status, n_ends;
	bool complete;
	struct buf data;
} w;

static void on_status(void *arg, int status)
{
	(void)arg;
	w.status = status;
}

static void on_data(void *arg, const void *data, size_t size)
{
	(void)arg;
	buf_add(&w.data, data, size);
}

static void on_end(void *arg, bool complete)
{
	(void)arg;
	w.n_ends++;
	w.complete = complete;
}

static void send_request(const char *body)
{
	static const struct client_handler h = {on_status, on_data, on_end};
	w.status = -1;
	w.n_ends = 0;
	w.client = client_send(w.client, w.loop, &w.peer, "/x", "text/plain", body, strlen(body), &h, NULL);
	assert_int_equal(w.n_ends, 0); /* never from inside */
}

static void hang_up(void)
{
	close(w.fd);
	w.fd = -1;
}

/* Accepts if there is no connection, and reads what ends with `end`. */
static void take_request(const char *end)
{
	char text[4096] = "";
	size_t n = 0;
	while (n < strlen(end) || strcmp(text + n - strlen(end), end)) {
		loop_event_turn(w.loop, NS_PER_MS);
		if (w.fd < 0 && (w.fd = accept4(w.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
			w.n_accepted++;
		ssize_t got = w.fd < 0 ? 0 : recv(w.fd, text + n, sizeof(text) - n - 1, 0);
		n += got > 0 ? (size_t)got : 0;
		text[n] = '\0';
		assert_true(n + 1 < sizeof(text));
		assert_int_equal(w.n_ends, 0);
	}
	assert_int_equal(strncmp(text, "POST /x HTTP/1.1\r\n", 18), 0);
	assert_non_null(strstr(text, "\r\nContent-Type: text/plain\r\n"));
}

static void answer(const char *text)
{
	assert_int_equal(send(w.fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void turn_until_end(void)
{
	while (!w.n_ends)
		loop_event_turn(w.loop, NS_PER_SEC);
	assert_int_equal(w.n_ends, 1);
}

static int set_up(void **state)
{
	(void)state;
	struct mz_err err;
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	memset(&w, 0, sizeof(w));
	w.fd = -1;
	w.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (loop_event_new(1, &w.loop, &err) < 0 || bind(w.listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(w.listener, 5) < 0 || getsockname(w.listener, (struct sockaddr *)&sa, &len) < 0)
		return -1;
	w.peer.ip = (char *)(uintptr_t)"127.0.0.1";
	w.peer.port = ntohs(sa.sin_port);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	client_close(w.client);
	if (w.fd >= 0)
		close(w.fd);
	if (w.listener >= 0)
		close(w.listener);
	loop_event_free(w.loop);
	buf_done(&w.data);
	return 0;
}

/* ---- tests --------------------------------------------------------------------------- */

static void keeps_the_connection(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		send_request("hello");
		take_request("hello");
		answer(ACCEPTED);
		turn_until_end();
		assert_int_equal(w.status, 202);
		assert_true(w.complete);
	}
	assert_int_equal(w.n_accepted, 1);
}

static void reads_chunks(void **state)
{
	(void)state;
	static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
	send_request("");
	take_request("\r\n\r\n");
	for (size_t i = 0; i < strlen(text); i++) {
		assert_int_equal(w.n_ends, 0);
		assert_int_equal(send(w.fd, text + i, 1, MSG_NOSIGNAL), 1);
		loop_event_turn(w.loop, NS_PER_SEC);
	}
	turn_until_end();
	assert_true(w.complete);
	assert_string_equal(buf_str(&w.data), "abc0123456789");
}

/* A server that closes what was silent for long may do so just when there is news. */
static void sends_again_what_met_a_closed_connection(void **state)
{
	(void)state;
	send_request("one");
	take_request("one");
	answer(ACCEPTED);
	turn_until_end();
	hang_up();
	send_request("two");
	take_request("two");
	assert_int_equal(w.n_accepted, 2);
	answer(ACCEPTED);
	turn_until_end();
	assert_int_equal(w.status, 202);
	assert_true(w.complete);
	/* The client may have noticed that before it sends, too. */
	hang_up();
	loop_event_turn(w.loop, NS_PER_SEC);
	send_request("three");
	take_request("three");
	assert_int_equal(w.n_accepted, 3);
}

static void sends_nothing_again_otherwise(void **state)
{
	(void)state;
	/* On a new connection. */
	send_request("one");
	take_request("one");
	hang_up();
	turn_until_end();
	assert_int_equal(w.status, 0);
	assert_false(w.complete);
	/* Nor when the new one is closed as well. */
	send_request("two");
	take_request("two");
	answer(ACCEPTED);
	turn_until_end();
	hang_up();
	send_request("three");
	take_request("three");
	hang_up();
	turn_until_end();
	assert_int_equal(w.status, 0);
	/* Nor what the server has begun to answer. */
	send_request("four");
	take_request("four");
	answer(ACCEPTED);
	turn_until_end();
	send_request("five");
	take_request("five");
	answer("HTTP/1.1 2");
	hang_up();
	turn_until_end();
	assert_false(w.complete);
	assert_int_equal(w.n_accepted, 4);
}

static void says_that_nobody_listens(void **state)
{
	(void)state;
	/* A kept connection whose server has gone for good. */
	send_request("one");
	take_request("one");
	answer(ACCEPTED);
	turn_until_end();
	close(w.listener);
	w.listener = -1;
	hang_up();
	send_request("two");
	turn_until_end();
	assert_int_equal(w.status, 0);
	assert_false(w.complete);
	/* An address that is none. */
	client_close(w.client);
	w.client = NULL;
	w.peer.ip = (char *)(uintptr_t)"nowhere";
	send_request("three");
	turn_until_end();
	assert_false(w.complete);
	/* Closed before that is told. */
	client_close(w.client);
	w.client = NULL;
	send_request("four");
	client_close(w.client);
	w.client = NULL;
	loop_event_turn(w.loop, NS_PER_SEC);
	assert_int_equal(w.n_ends, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_the_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_chunks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sends_again_what_met_a_closed_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sends_nothing_again_otherwise, set_up, tear_down),
		cmocka_unit_test_setup_teardown(says_that_nobody_listens, set_up, tear_down),
	};
	alarm(120); /* what is waited for may not come */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
