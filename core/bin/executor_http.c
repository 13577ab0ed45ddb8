/* executor_http.c - the little HTTP/1.1 that an executor needs as a client: POST on
 * a kept connection, chunked or sized answers as they come. No other user: there is
 * one of these beside every task, so it carries no HTTP library along.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "bin/executor.h"
#include "wire/sock.h"

enum { MAX_HEAD = 32 * 1024, MAX_LINE = 64 };

enum part { PART_HEAD, PART_SIZED, PART_CHUNK_SIZE, PART_CHUNK, PART_CHUNK_END, PART_TRAILER, PART_UNTIL_CLOSE };

struct client {
	struct loop *loop;
	struct loop_fd *watch;
	int fd;
	const struct client_peer *peer;
	bool dead, in_call, idle;
	bool stale_ok; /* the peer may have closed it before this request */
	bool posted;   /* on_no_connection will come */
	const struct client_handler *h;
	void *arg;
	struct buf out, in; /* out: kept until an answer comes */
	size_t sent;
	enum part part;
	uint64_t left; /* of the sized body or chunk */
};

static void client_free(struct client *c)
{
	loop_fd_close(c->loop, c->watch);
	if (c->fd >= 0)
		close(c->fd);
	buf_done(&c->out);
	buf_done(&c->in);
	free(c);
}

void client_close(struct client *c)
{
	if (!c)
		return;
	c->dead = true;
	if (!c->in_call && !c->posted)
		client_free(c);
}

/* The answer is over; the handler may send the next request. */
static void end(struct client *c, bool complete)
{
	c->idle = true;
	c->h->on_end(c->arg, complete);
}

/* "HTTP/1.1 200 OK" and headers up to the empty line. False: not HTTP. */
static bool read_head(struct client *c, char *head)
{
	int status = 0;
	char *line = strstr(head, "\r\n");
	if (sscanf(head, "HTTP/1.%*1d %3d", &status) != 1)
		return false;
	c->part = status == 204 || status == 304 ? PART_SIZED : PART_UNTIL_CLOSE;
	c->left = 0;
	for (; line; line = strstr(line, "\r\n")) {
		line += 2;
		if (!strncasecmp(line, "Content-Length:", 15)) {
			c->part = PART_SIZED;
			c->left = strtoull(line + 15, NULL, 10);
		} else if (!strncasecmp(line, "Transfer-Encoding: chunked", 26)) {
			c->part = PART_CHUNK_SIZE;
			break;
		}
	}
	c->h->on_status(c->arg, status);
	return true;
}

/* Takes a line of the chunked coding from `in`; NULL: not there yet. */
static char *take_line(struct client *c, char line[MAX_LINE], bool *bad)
{
	char *nl = c->in.len ? memchr(c->in.data, '\n', c->in.len) : NULL;
	size_t n = nl ? (size_t)(nl - c->in.data) + 1 : 0;
	*bad = n >= MAX_LINE || (!nl && c->in.len >= MAX_LINE);
	if (!nl || *bad)
		return NULL;
	memcpy(line, c->in.data, n);
	line[n] = '\0';
	buf_drop(&c->in, n);
	return line;
}

/* One step through what has arrived. 1: go on, 0: wait for more, -1: broken. */
static int step(struct client *c)
{
	char line[MAX_LINE], *text;
	bool bad = false;
	switch (c->part) {
	case PART_HEAD:
		text = c->in.len ? strstr(c->in.data, "\r\n\r\n") : NULL;
		if (!text)
			return c->in.len > MAX_HEAD ? -1 : 0;
		buf_clear(&c->out);
		*text = '\0';
		size_t n = (size_t)(text - c->in.data) + 4;
		if (!read_head(c, c->in.data))
			return -1;
		if (c->dead)
			return 0;
		buf_drop(&c->in, n);
		if (c->part == PART_SIZED && c->left == 0)
			end(c, true);
		return !c->dead && !c->idle;
	case PART_CHUNK_SIZE:
		if (!take_line(c, line, &bad))
			return bad ? -1 : 0;
		c->left = strtoull(line, NULL, 16);
		c->part = c->left ? PART_CHUNK : PART_TRAILER;
		return 1;
	case PART_CHUNK_END:
		if (!take_line(c, line, &bad))
			return bad ? -1 : 0;
		c->part = PART_CHUNK_SIZE;
		return 1;
	case PART_TRAILER:
		if (!take_line(c, line, &bad))
			return bad ? -1 : 0;
		if (strcmp(line, "\r\n") && strcmp(line, "\n"))
			return 1;
		end(c, true);
		return !c->dead && !c->idle;
	default:
		break;
	}
	size_t take = c->in.len;
	if (c->part != PART_UNTIL_CLOSE && take > c->left)
		take = (size_t)c->left;
	if (!take)
		return 0;
	c->h->on_data(c->arg, c->in.data, take);
	if (c->dead)
		return 0;
	buf_drop(&c->in, take);
	if (c->part == PART_UNTIL_CLOSE || (c->left -= take) > 0)
		return 1;
	if (c->part == PART_CHUNK) {
		c->part = PART_CHUNK_END;
		return 1;
	}
	end(c, true);
	return !c->dead && !c->idle;
}

static void on_ready(void *arg, int ready);

static void start(struct client *c);

static void broken(struct client *c)
{
	if (c->idle)
		return; /* between two requests: the next one finds out */
	if (c->stale_ok && c->part == PART_HEAD && !c->in.len) {
		start(c); /* it was closed for its long silence: the request was read by nobody */
		return;
	}
	if (c->part == PART_HEAD)
		c->h->on_status(c->arg, 0);
	if (!c->dead)
		end(c, c->part == PART_UNTIL_CLOSE);
}

static void rewatch(struct client *c, int events)
{
	loop_fd_close(c->loop, c->watch);
	c->watch = loop_fd(c->loop, c->fd, events, on_ready, c);
}

/* 0, or -1: the connection is gone. */
static int flush(struct client *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR || errno == ENOTCONN ? 0 : -1;
		c->sent += (size_t)n;
	}
	rewatch(c, LOOP_READ);
	return 0;
}

static int receive(struct client *c)
{
	for (;;) {
		char *room = buf_reserve(&c->in, 4096);
		ssize_t n = recv(c->fd, room, 4096, 0);
		if (n == 0)
			return -1;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		c->in.len += (size_t)n;
		c->in.data[c->in.len] = '\0';
		int rc = 0;
		while (!c->idle && (rc = step(c)) > 0)
			;
		if (c->dead)
			return 0;
		if (!c->idle && rc < 0)
			return -1;
		if (n < 4096)
			return 0;
	}
}

static void on_ready(void *arg, int ready)
{
	struct client *c = arg;
	c->in_call = true;
	int rc = ready & LOOP_WRITE ? flush(c) : 0;
	if (rc == 0 && (ready & LOOP_READ))
		rc = receive(c);
	if (rc < 0 && !c->dead) {
		/* First, so that a handler that sends again gets a new one. */
		loop_fd_close(c->loop, MZ_MOVE(c->watch));
		close(c->fd);
		c->fd = -1;
		broken(c);
	}
	c->in_call = false;
	if (c->dead && !c->posted)
		client_free(c);
}

/* A connection that could not even be begun ends from the loop as well. */
static void on_no_connection(void *arg)
{
	struct client *c = arg;
	c->posted = false;
	c->in_call = true;
	if (!c->dead)
		broken(c);
	c->in_call = false;
	if (c->dead && !c->posted)
		client_free(c);
}

static void start(struct client *c)
{
	struct sockaddr_storage sa;
	socklen_t len;
	c->sent = 0;
	c->stale_ok = false;
	if (sock_address(c->peer->ip, c->peer->port, &sa, &len) == 0)
		c->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd >= 0) {
		sock_tune(c->fd);
		if (connect(c->fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS) {
			c->watch = loop_fd(c->loop, c->fd, LOOP_READ | LOOP_WRITE, on_ready, c);
			return;
		}
	}
	c->posted = true;
	loop_post(c->loop, on_no_connection, c);
}

struct client *client_send(struct client *c, struct loop *l, const struct client_peer *peer, const char *path,
			   const char *content_type, const void *body, size_t size, const struct client_handler *h,
			   void *arg)
{
	if (c && c->fd < 0) {
		client_close(c);
		c = NULL;
	}
	bool fresh = !c;
	if (fresh) {
		c = xnew(struct client);
		c->loop = l;
		c->peer = peer;
		c->fd = -1;
	}
	c->h = h;
	c->arg = arg;
	c->part = PART_HEAD;
	c->idle = false;
	mz_autofree char *host = sock_host(peer->ip, peer->port);
	buf_clear(&c->out);
	buf_addf(&c->out, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nAccept: %s\r\nContent-Length: %zu\r\n",
		 path, host, content_type, content_type, size);
	if (peer->token)
		buf_addf(&c->out, "Authorization: Bearer %s\r\n", peer->token);
	buf_adds(&c->out, "\r\n");
	buf_add(&c->out, body, size);
	if (fresh) {
		start(c);
		return c;
	}
	c->sent = 0;
	c->stale_ok = true;
	rewatch(c, LOOP_READ | LOOP_WRITE);
	return c;
}
