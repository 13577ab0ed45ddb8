/* chan.c - see chan.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "wire/chan.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "wire/sock.h"

enum {
	READ_BYTES = 32 * 1024, /* on the stack */
	READS_A_TURN = 8,	/* of one connection, then others have their turn */
	WRITE_BYTES = 512 * 1024,
};

/* ---- reading -------------------------------------------------------------------- */

static void ended(struct chan *c, int error)
{
	chan_read(c, false);
	c->broken |= error != 0;
	c->ops->on_end(c->arg, error);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct chan *c = arg;
	char data[READ_BYTES];

	(void)what;
	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t n = recv((int)fd, data, sizeof(data), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			ended(c, n < 0 ? errno : 0);
			return;
		}
		if (!c->ops->on_data(c->arg, data, (size_t)n) || !c->reading || n < READ_BYTES)
			return;
	}
}

void chan_read(struct chan *c, bool on)
{
	if (c->reading == on || c->fd < 0)
		return;
	c->reading = on;
	if (c->connecting)
		return; /* once it is connected */
	if (on)
		must(event_add(&c->readable, NULL) == 0);
	else
		event_del(&c->readable);
}

/* ---- writing -------------------------------------------------------------------- */

/* The peer does not take any more. What it still had to say is read first. */
static void write_failed(struct chan *c, int error)
{
	c->broken = true;
	evbuffer_drain(c->out, evbuffer_get_length(c->out));
	if (!c->reading)
		c->ops->on_end(c->arg, error);
}

static void watch_room(struct chan *c, bool on)
{
	if (c->blocked == on)
		return;
	c->blocked = on;
	if (on)
		must(event_add(&c->writable, NULL) == 0);
	else
		event_del(&c->writable);
}

static void write_out(struct chan *c)
{
	if (c->broken || !evbuffer_get_length(c->out))
		return;
	int n = evbuffer_write_atmost(c->out, c->fd, WRITE_BYTES);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		int error = errno;
		watch_room(c, false);
		write_failed(c, error);
		return;
	}
	c->n_written += n > 0 ? (uint64_t)n : 0;
	bool all = evbuffer_get_length(c->out) == 0;
	watch_room(c, !all);
	if (all && c->ops->on_written)
		c->ops->on_written(c->arg);
}

static void on_connect(struct chan *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	watch_room(c, false);
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		ended(c, error);
		return;
	}
	c->connecting = false;
	if (c->reading)
		must(event_add(&c->readable, NULL) == 0);
	chan_flush(c);
	if (c->ops->on_connected)
		c->ops->on_connected(c->arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct chan *c = arg;

	(void)fd, (void)what;
	if (c->connecting)
		on_connect(c);
	else
		write_out(c);
}

static void on_late(void *arg)
{
	struct chan *c = arg;

	if (c->turn) {
		c->turn = false;
		if (!c->ops->on_turn(c->arg))
			return;
		loop_event_late_cancel(&c->late); /* what it queued goes out now */
		if (c->turn)
			loop_event_late(c->loop, &c->late);
	}
	if (!c->connecting && !c->blocked)
		write_out(c);
}

void chan_flush(struct chan *c)
{
	if (c->fd >= 0)
		loop_event_late(c->loop, &c->late);
}

void chan_turn(struct chan *c)
{
	c->turn = true;
	chan_flush(c);
}

void chan_write(struct chan *c, const void *data, size_t size)
{
	if (c->broken || !size)
		return;
	must(evbuffer_add(c->out, data, size) == 0);
	chan_flush(c);
}

size_t chan_queued(const struct chan *c)
{
	return c->out ? evbuffer_get_length(c->out) : 0;
}

void chan_shut(struct chan *c)
{
	if (c->fd >= 0)
		shutdown(c->fd, SHUT_WR);
}

/* ---- life ------------------------------------------------------------------------ */

void chan_init(struct chan *c, struct loop *l, int fd, const struct chan_ops *ops, void *arg)
{
	*c = (struct chan){.loop = l, .ops = ops, .arg = arg, .fd = fd};
	c->late.fn = on_late;
	c->late.arg = c;
	c->out = evbuffer_new();
	must(c->out);
	event_assign(&c->readable, loop_event_base(l), fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, loop_event_base(l), fd, EV_WRITE | EV_PERSIST, on_writable, c);
}

int chan_connect(struct chan *c, struct loop *l, const char *ip, int port, const struct chan_ops *ops, void *arg)
{
	struct sockaddr_storage at;
	socklen_t len;

	if (sock_address(ip, port, &at, &len) < 0)
		return -EINVAL;
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	sock_tune(fd);
	if (connect(fd, (struct sockaddr *)&at, len) < 0 && errno != EINPROGRESS) {
		int error = errno;
		close(fd);
		return -error;
	}
	chan_init(c, l, fd, ops, arg);
	c->connecting = true;
	watch_room(c, true);
	return 0;
}

void chan_done(struct chan *c)
{
	if (!c->out)
		return;
	loop_event_late_cancel(&c->late);
	event_del(&c->readable);
	event_del(&c->writable);
	evbuffer_free(c->out);
	close(c->fd);
	*c = (struct chan){.fd = -1};
}
