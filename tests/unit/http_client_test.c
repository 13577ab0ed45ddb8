/* http_client_test.c - the HTTP client against a peer that says odd things, over
 * loopback sockets in one thread. Nothing sleeps; alarm(2) ends what hangs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/http_event.h"

#include <errno.h>
#include <netinet/in.h>
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
#include "tests/unit/net_util.h"
#include "wire/sock.h"

static struct {
	struct loop *l;
} t;

static struct {
	struct http_client *c;
} got;

static int setup(void **state)
{
	struct mz_err err;
	(void)state;
	alarm(20);
	assert_int_equal(loop_event_new(1, &t.l, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_event_turn(t.l, 0);
	loop_event_free(t.l);
	return 0;
}

/* ---- the client against a peer that says odd things --------------------------------- */

static struct {
	int listener, fd;
	struct loop_fd *accepts, *reads;
	struct buf in;
	int n_accepted;
	struct buf log; /* of answers: "200:body;" or "error;" */
} peer;

static void on_peer_readable(void *arg, int ready)
{
	char part[4096];
	ssize_t n = recv(peer.fd, part, sizeof(part), MSG_DONTWAIT);

	(void)arg;
	(void)ready;
	if (n > 0)
		buf_add(&peer.in, part, (size_t)n);
	else
		loop_fd_close(t.l, MZ_MOVE(peer.reads));
}

static void peer_hang_up(void)
{
	loop_fd_close(t.l, MZ_MOVE(peer.reads));
	close(peer.fd);
	peer.fd = -1;
}

static void on_peer_accepts(void *arg, int ready)
{
	(void)arg;
	(void)ready;
	if (peer.fd >= 0)
		peer_hang_up();
	peer.fd = accept(peer.listener, NULL, NULL);
	peer.n_accepted++;
	buf_clear(&peer.in);
	peer.reads = loop_fd(t.l, peer.fd, LOOP_READ, on_peer_readable, NULL);
}

static void peer_open(void)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	struct mz_err err;

	memset(&peer, 0, sizeof(peer));
	peer.fd = -1;
	assert_int_equal(sock_listen("127.0.0.1", 0, &peer.listener, &err), 0);
	getsockname(peer.listener, (struct sockaddr *)&at, &len);
	peer.accepts = loop_fd(t.l, peer.listener, LOOP_READ, on_peer_accepts, NULL);
	got.c = http_client_new(t.l, "127.0.0.1", ntohs(((struct sockaddr_in *)&at)->sin_port));
}

static void peer_close(void)
{
	http_client_free(got.c);
	if (peer.fd >= 0)
		peer_hang_up();
	loop_fd_close(t.l, peer.accepts);
	close(peer.listener);
	buf_done(&peer.in);
	buf_done(&peer.log);
	loop_event_turn(t.l, 0);
}

static void peer_says(const char *text)
{
	assert_int_equal(send(peer.fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void on_logged(void *arg, const struct http_response *r)
{
	(void)arg;
	if (r->error)
		buf_addf(&peer.log, "%s;", r->error);
	else
		buf_addf(&peer.log, "%d:%.*s;", r->status, (int)r->body_size, r->body_size ? (const char *)r->body : "");
}

static void ask_peer(const char *method, const char *target)
{
	http_client_call(got.c, method, target, NULL, 0, NULL, 0, 0, on_logged, NULL);
}

static bool peer_has(const char *text)
{
	return strstr(buf_str(&peer.in), text) != NULL;
}

static bool logged(const char *text)
{
	return strcmp(buf_str(&peer.log), text) == 0;
}

static void test_client_in_flight(void **state)
{
	(void)state;
	peer_open();
	ask_peer("GET", "/1");
	ask_peer("GET", "/2");
	ask_peer("HEAD", "/3");
	ask_peer("GET", "/4");
	run_until(t.l, peer_has("/1 HTTP/1.1"));
	for (int i = 0; i < 5; i++)
		loop_event_turn(t.l, 0);
	/* Not before the peer has shown that it keeps connections. */
	assert_false(peer_has("/2"));
	peer_says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-LENGTH:  3 \r\n\r\none");
	run_until(t.l, peer_has("/4 HTTP/1.1"));
	/* Byte by byte: each place where an answer can be torn. */
	const char *rest = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\ntw\r\n1\r\no\r\n0\r\nT: t\r\n\r\n"
			   "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
			   "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
	for (const char *p = rest; *p; p++) {
		peer_says((char[]){*p, '\0'});
		loop_event_turn(t.l, 0);
	}
	run_until(t.l, logged("200:one;200:two;200:;202:;"));
	assert_int_equal(peer.n_accepted, 1);
	peer_close();
}

/* The peer ends the connection after an answer: what was sent behind it goes again. */
static void test_client_asks_again(void **state)
{
	(void)state;
	peer_open();
	ask_peer("GET", "/1");
	run_until(t.l, peer_has("GET /1 "));
	peer_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	run_until(t.l, logged("200:;"));
	ask_peer("GET", "/2");
	ask_peer("GET", "/3");
	ask_peer("GET", "/4");
	run_until(t.l, peer_has("/4"));
	peer_says("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
	run_until(t.l, peer.n_accepted == 2 && peer_has("/3"));
	assert_false(peer_has("/4"));
	peer_says("HTTP/1.0 200 OK\r\n\r\nuntil the end");
	loop_event_turn(t.l, 0);
	peer_hang_up();
	run_until(t.l, peer.n_accepted == 3 && peer_has("/4"));
	peer_says("HTTP/1.1 204 No Content\r\n\r\n");
	run_until(t.l, logged("200:;200:;200:until the end;204:;"));
	/* The same, and the end of the answer is that of the connection. */
	buf_clear(&peer.log);
	ask_peer("GET", "/5");
	ask_peer("GET", "/6");
	run_until(t.l, peer_has("/6"));
	peer_says("HTTP/1.1 200 OK\r\n\r\nuntil the end");
	peer_hang_up();
	run_until(t.l, peer.n_accepted == 4 && peer_has("/6"));
	peer_says("HTTP/1.1 204 No Content\r\n\r\n");
	run_until(t.l, logged("200:until the end;204:;"));
	peer_close();
}

static void test_client_and_bad_answers(void **state)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH\r\n", "HTTP/2 200\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naa\r\n",
	};

	(void)state;
	peer_open();
	for (size_t i = 0; i < MZ_N(bad); i++) {
		buf_clear(&peer.log);
		ask_peer("GET", "/");
		run_until(t.l, peer.n_accepted == (int)i + 1 && peer_has("GET /"));
		peer_says(bad[i]);
		run_until(t.l, peer.log.len);
		assert_string_equal(buf_str(&peer.log), "The answer is not HTTP;");
	}
	/* Gone in the middle of an answer: all calls on the connection are lost. */
	buf_clear(&peer.log);
	ask_peer("GET", "/1");
	run_until(t.l, peer.n_accepted == (int)MZ_N(bad) + 1 && peer_has("GET /1 "));
	peer_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	run_until(t.l, logged("200:;"));
	ask_peer("GET", "/2");
	ask_peer("GET", "/3");
	run_until(t.l, peer_has("/3"));
	peer_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal");
	peer_hang_up();
	run_until(t.l, logged("200:;Connection closed by the peer;Connection closed by the peer;"));
	buf_clear(&peer.log);
	ask_peer("GET", "/a b");
	http_client_call(got.c, "GET", "/", (struct http_header[]){{"A", "b\r\nC: d"}}, 1, NULL, 0, 0, on_logged, NULL);
	run_until(t.l, logged("The target has a space;A header has a line break;"));
	peer_close();
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_client_in_flight), T(test_client_asks_again), T(test_client_and_bad_answers)};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
