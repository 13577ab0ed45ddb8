/* http_unix_test.c - the HTTP server and client over a socket in the file system, in
 * one thread. Nothing sleeps; alarm(2) ends what hangs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/net_util.h"
#include "wire/http_event.h"
#include "wire/sock.h"

static struct {
	struct loop *l;
	struct http_server *server;
	struct http_router router;
	struct http_stream *stream;
	char dir[64], path[200], address[220];
	char peer[220], host[220];
	/* of the client */
	struct http_client *c;
	int n, status;
	char body[64], error[64];
	bool stream_ended;
} t;

/* ---- both sides ----------------------------------------------------------------------- */

static void on_echo(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	snprintf(t.peer, sizeof(t.peer), "%s", r->peer);
	snprintf(t.host, sizeof(t.host), "%s", http_header(r, "Host"));
	http_reply(x, 200, "text/plain", r->body, r->body_size);
}

static void on_stream_gone(void *arg)
{
	(void)arg;
	t.stream = NULL;
}

static void on_stream(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg, (void)r;
	t.stream = http_stream(x, 200, NULL, 0);
	t.stream->on_gone = on_stream_gone;
	http_send(t.stream, "first", 5);
}

static void on_response(void *arg, const struct http_response *r)
{
	(void)arg;
	t.n++;
	t.status = r->status;
	snprintf(t.body, sizeof(t.body), "%.*s", (int)r->body_size, r->body_size ? (const char *)r->body : "");
	snprintf(t.error, sizeof(t.error), "%s", r->error ? r->error : "");
}

static void call(const char *target, const char *body)
{
	int n = t.n;
	http_client_call(t.c, "POST", target, NULL, 0, body, strlen(body), 0, on_response, NULL);
	run_until(t.l, t.n > n);
}

static int serve(struct mz_err *err)
{
	return http_server_new(t.l, t.address, 0, NULL, &t.router, &t.server, err);
}

static void serve_well(void)
{
	struct mz_err err = {0};
	if (serve(&err) < 0)
		fail_msg("%s", err.msg);
}

static void stop(void)
{
	http_server_free(t.server);
	t.server = NULL;
}

static int setup(void **state)
{
	struct mz_err err;
	(void)state;
	alarm(20);
	memset(&t, 0, sizeof(t));
	strcpy(t.dir, "/tmp/mezzo-http-unix-XXXXXX");
	if (!mkdtemp(t.dir) || loop_event_new(1, &t.l, &err) < 0)
		return -1;
	snprintf(t.path, sizeof(t.path), "%s/s", t.dir);
	snprintf(t.address, sizeof(t.address), "unix:%s", t.path);
	http_route(&t.router, "/echo", on_echo, NULL);
	http_route(&t.router, "/stream", on_stream, NULL);
	t.c = http_client_new(t.l, t.address, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	http_client_free(t.c);
	http_server_free(t.server);
	loop_event_turn(t.l, 0);
	loop_event_free(t.l);
	http_router_done(&t.router);
	(void)unlink(t.path);
	return rmdir(t.dir);
}

/* ---- tests ---------------------------------------------------------------------------- */

static void on_stream_data(void *arg, const void *data, size_t size)
{
	(void)arg;
	snprintf(t.body + strlen(t.body), sizeof(t.body) - strlen(t.body), "%.*s", (int)size, (const char *)data);
}

static void on_stream_end(void *arg, const char *error)
{
	(void)arg, (void)error;
	t.stream_ended = true;
}

static void calls_and_streams(void **state)
{
	(void)state;
	serve_well();
	assert_int_equal(http_server_port(t.server), 0);
	call("/echo", "hello");
	assert_int_equal(t.status, 200);
	assert_string_equal(t.body, "hello");
	assert_string_equal(t.peer, t.address);
	assert_string_equal(t.host, "localhost");
	call("/nosuch", "");
	assert_int_equal(t.status, 404);
	t.body[0] = '\0';
	static const struct http_client_stream_cb cb = {.on_data = on_stream_data, .on_end = on_stream_end};
	struct http_client_stream *s =
		http_client_stream_open(t.l, t.address, 0, "GET", "/stream", NULL, 0, NULL, 0, &cb, NULL);
	run_until(t.l, !strcmp(t.body, "first"));
	http_send(t.stream, "second", 6);
	run_until(t.l, !strcmp(t.body, "firstsecond"));
	stop(); /* the stream ends with its server */
	run_until(t.l, t.stream_ended);
	http_client_stream_close(s);
}

static void big_bodies(void **state)
{
	(void)state;
	size_t size = 8 << 20;
	char *big = xmalloc(size);
	memset(big, 'x', size);
	serve_well();
	http_client_call(t.c, "POST", "/echo", NULL, 0, big, size, 0, on_response, NULL);
	run_until(t.l, t.n == 1);
	assert_int_equal(t.status, 200);
	free(big);
}

/* Whatever the umask of the process. */
static void is_open_to_everybody(void **state)
{
	struct stat st;
	(void)state;
	mode_t old = umask(077);
	serve_well();
	umask(old);
	assert_int_equal(lstat(t.path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0666);
	stop();
	assert_int_equal(lstat(t.path, &st), -1);
	assert_int_equal(errno, ENOENT);
}

static void nobody_listens(void **state)
{
	(void)state;
	call("/echo", "");
	assert_int_equal(t.status, 0);
	assert_string_equal(t.error, "Could not connect");
	serve_well(); /* the same client finds it */
	call("/echo", "a");
	assert_string_equal(t.body, "a");
	stop();
	serve_well();
	call("/echo", "b");
	if (t.status == 0) /* the end of the old connection came behind the call */
		call("/echo", "b");
	assert_string_equal(t.body, "b");
}

/* What a killed process leaves. */
static void replaces_a_dead_socket(void **state)
{
	struct mz_err err;
	int fd;
	struct stat before, after;
	(void)state;
	assert_int_equal(sock_listen(t.address, 0, &fd, &err), 0);
	assert_int_equal(sock_port(fd), 0);
	assert_int_equal(stat(t.path, &before), 0);
	close(fd);
	assert_int_equal(stat(t.path, &after), 0);
	serve_well();
	call("/echo", "new");
	assert_string_equal(t.body, "new");
}

static void leaves_a_living_one(void **state)
{
	struct mz_err err;
	struct http_server *second = NULL;
	(void)state;
	serve_well();
	assert_int_equal(http_server_new(t.l, t.address, 0, NULL, &t.router, &second, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, t.path));
	assert_non_null(strstr(err.msg, "another process"));
	call("/echo", "first");
	assert_string_equal(t.body, "first");
}

static void leaves_what_is_no_socket(void **state)
{
	struct mz_err err;
	struct stat st;
	(void)state;
	FILE *f = fopen(t.path, "w");
	assert_non_null(f);
	fputs("precious", f);
	fclose(f);
	assert_int_equal(serve(&err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "not a socket"));
	assert_int_equal(stat(t.path, &st), 0);
	assert_int_equal(st.st_size, 8);
	/* Nor is a link followed. */
	char target[200];
	snprintf(target, sizeof(target), "%s/t", t.dir);
	assert_int_equal(rename(t.path, target), 0);
	assert_int_equal(symlink(target, t.path), 0);
	assert_int_equal(serve(&err), -EADDRINUSE);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(unlink(target), 0);
}

static void paths_are_checked(void **state)
{
	struct mz_err err;
	struct sockaddr_storage sa;
	socklen_t len;
	char *end = t.path + strlen(t.path);
	(void)state;
	while (strlen(t.path) < SOCK_PATH_MAX)
		*end++ = 'x', *end = '\0';
	snprintf(t.address, sizeof(t.address), "unix:%s", t.path);
	serve_well();
	http_client_free(t.c);
	t.c = http_client_new(t.l, t.address, 0);
	call("/echo", "long");
	assert_string_equal(t.body, "long");
	stop();
	mz_autofree char *longer = xasprintf("%sx", t.address);
	assert_int_equal(http_server_new(t.l, longer, 0, NULL, &t.router, &t.server, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "at most 107 bytes"));
	assert_int_equal(http_server_new(t.l, "unix:relative", 0, NULL, &t.router, &t.server, &err), -EINVAL);
	assert_int_equal(sock_address("unix:", 0, &sa, &len), -EINVAL);
	assert_int_equal(http_server_new(t.l, "unix:/nonexistent/s", 0, NULL, &t.router, &t.server, &err), -ENOENT);
	http_client_free(t.c);
	t.c = http_client_new(t.l, longer, 0);
	call("/echo", "");
	assert_string_equal(t.error, "Could not connect");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(calls_and_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(big_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(is_open_to_everybody, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_listens, setup, teardown),
		cmocka_unit_test_setup_teardown(replaces_a_dead_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_a_living_one, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_what_is_no_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(paths_are_checked, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
