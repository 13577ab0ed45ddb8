/* net_util.c - see net_util.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tests/unit/net_util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

static void watch(struct raw *r);

static void on_ready(void *arg, int ready)
{
	struct raw *r = arg;

	if (ready & LOOP_WRITE) {
		ssize_t n = send(r->fd, buf_str(&r->out), r->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			n = (ssize_t)r->out.len;
		if (n > 0)
			buf_drop(&r->out, (size_t)n);
		if (!r->out.len)
			watch(r);
	}
	if (ready & LOOP_READ) {
		char tmp[65536];
		ssize_t n = recv(r->fd, tmp, sizeof(tmp), MSG_DONTWAIT);
		if (n > 0) {
			buf_add(&r->in, tmp, (size_t)n);
		} else if (n == 0 || errno != EAGAIN) {
			r->eof = true;
			raw_pause(r);
		}
	}
}

static void watch(struct raw *r)
{
	loop_fd_close(r->loop, r->watch);
	r->watch = loop_fd(r->loop, r->fd, LOOP_READ | (r->out.len ? LOOP_WRITE : 0), on_ready, r);
}

struct raw *raw_open(struct loop *l, int port)
{
	struct raw *r = xnew(struct raw);
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	r->loop = l;
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(r->fd >= 0);
	must(connect(r->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	watch(r);
	return r;
}

void raw_send_bytes(struct raw *r, const void *data, size_t size)
{
	buf_add(&r->out, data, size);
	watch(r);
}

void raw_send(struct raw *r, const char *text)
{
	raw_send_bytes(r, text, strlen(text));
}

void raw_pause(struct raw *r)
{
	loop_fd_close(r->loop, r->watch);
	r->watch = NULL;
}

void raw_resume(struct raw *r)
{
	watch(r);
}

void raw_close(struct raw *r)
{
	raw_pause(r);
	close(r->fd);
	buf_done(&r->in);
	buf_done(&r->out);
	free(r);
}

size_t raw_count(const struct raw *r, const char *needle)
{
	size_t n = 0, len = strlen(needle);
	const char *p = buf_str(&r->in), *end = p + r->in.len;

	while ((p = memmem(p, (size_t)(end - p), needle, len))) {
		n++;
		p += len;
	}
	return n;
}

bool raw_has(const struct raw *r, const char *needle)
{
	return raw_count(r, needle) > 0;
}
