/* fileserver.c - an HTTP server for tests, with the manners of good and bad ones.
 *
 *	fileserver DIR		prints "listens on 127.0.0.1:PORT", serves until it is killed
 *	/NAME			the file DIR/NAME, 404 if there is none
 *	/code/NAME		the status that the file DIR/NAME holds; 200 without it
 *	/to?URL			302 to URL
 *	/loop			302 to itself
 *	/stall			an answer that begins and does not go on
 *	/endless		an answer without an end
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "wire/http_event.h"

enum { ENOUGH = 65536 };

static const char *root;
static struct loop *loop;

static bool read_file(const char *name, struct buf *b)
{
	char chunk[4096];
	mz_autofree char *path = xasprintf("%s/%s", root, name);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
		buf_add(b, chunk, n);
	fclose(f);
	return true;
}

static void on_file(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	mz_autobuf struct buf b = {0};
	if (strstr(r->path, "..") || !read_file(r->path + 1, &b))
		http_reply_text(x, 404, "No such file\n");
	else
		http_reply(x, 200, "application/octet-stream", b.data, b.len);
}

static void on_code(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	mz_autobuf struct buf b = {0};
	const char *name = strrchr(r->path, '/') + 1;
	int code = read_file(name, &b) ? atoi(buf_str(&b)) : 200;
	http_reply_text(x, code, "%d\n", code);
}

static void redirect(struct http_exchange *x, const char *to)
{
	const struct http_header h = {"Location", to};
	http_reply_headers(x, 302, &h, 1, "", 0);
}

static void on_to(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	redirect(x, r->query ? r->query : "/");
}

static void on_loop(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	(void)r;
	redirect(x, "/loop");
}

static void on_gone(void *arg)
{
	(void)arg; /* these streams are few: they stay until the end */
}

static struct http_stream *begin(struct http_exchange *x)
{
	static const struct http_header h = {"Content-Type", "application/octet-stream"};
	struct http_stream *s = http_stream(x, 200, &h, 1);
	s->on_gone = on_gone;
	return s;
}

static void on_stall(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	(void)r;
	http_send(begin(x), "some", 4);
}

struct endless {
	struct http_stream *s;
};

static void on_endless_gone(void *arg)
{
	((struct endless *)arg)->s = NULL;
}

static void send_more(void *arg)
{
	static char nothing[ENOUGH];
	struct endless *e = arg;
	if (!e->s) {
		free(e);
		return;
	}
	if (http_queued(e->s) < sizeof(nothing))
		(void)http_send(e->s, nothing, sizeof(nothing)); /* on_gone tells */
	loop_timer(loop, NS_PER_MS / 10, send_more, e);
}

static void on_endless(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	(void)r;
	struct endless *e = xnew(struct endless);
	e->s = begin(x);
	e->s->on_gone = on_endless_gone;
	e->s->arg = e;
	send_more(e);
}

int main(int argc, char **argv)
{
	struct mz_err err;
	struct http_router router = {0};
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct http_server *server;
	if (argc != 2)
		return 2;
	root = argv[1];
	http_route(&router, "/", on_file, NULL);
	http_route(&router, "/code", on_code, NULL);
	http_route(&router, "/to", on_to, NULL);
	http_route(&router, "/loop", on_loop, NULL);
	http_route(&router, "/stall", on_stall, NULL);
	http_route(&router, "/endless", on_endless, NULL);
	if (loop_event_new(1, &loop, &err) < 0 ||
	    http_server_new(loop, "127.0.0.1", 0, &limits, &router, &server, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	printf("listens on 127.0.0.1:%d\n", http_server_port(server));
	fflush(stdout);
	loop_event_run(loop);
	return 0;
}
