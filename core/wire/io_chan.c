/* io_chan.c - see io_chan.h. Only the ownership is decided here; bytes are chan.h's.
 * Opened by core/bin for the agent.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/io_chan.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/mem.h"
#include "wire/chan.h"

struct io_chan {
	struct io io; /* first member */
	struct chan ch;
	const struct io_cb *cb;
	void *arg;
	bool calling, closed; /* closed from inside a callback: freed behind it */
	bool ended;
};

/* False: it is gone. */
static bool called(struct io_chan *c)
{
	c->calling = false;
	if (!c->closed)
		return true;
	free(c);
	return false;
}

static bool on_data(void *arg, const char *data, size_t size)
{
	struct io_chan *c = arg;

	c->calling = true;
	c->cb->on_data(c->arg, data, size);
	return called(c);
}

static void on_end(void *arg, int error)
{
	struct io_chan *c = arg;

	(void)error;
	if (c->ended) /* the peer had closed its half, and now takes nothing either */
		return;
	c->ended = c->calling = true;
	c->cb->on_end(c->arg);
	(void)called(c);
}

static void on_written(void *arg)
{
	struct io_chan *c = arg;

	c->calling = true;
	c->cb->on_room(c->arg);
	(void)called(c);
}

static const struct chan_ops chan_ops = {.on_data = on_data, .on_end = on_end, .on_written = on_written};

static struct io_chan *of(const struct io *io)
{
	return (struct io_chan *)io;
}

static void chan_io_send(struct io *io, const void *data, size_t size)
{
	chan_write(&of(io)->ch, data, size);
}

/* Of a broken one something was not taken, though it may have left the queue. */
static size_t chan_io_queued(const struct io *io)
{
	return chan_queued(&of(io)->ch) + of(io)->ch.broken;
}

static void chan_io_pause(struct io *io, bool paused)
{
	chan_read(&of(io)->ch, !paused);
}

static void chan_io_close(struct io *io)
{
	struct io_chan *c = of(io);

	chan_done(&c->ch);
	if (c->calling)
		c->closed = true;
	else
		free(c);
}

static const struct io_ops io_ops = {chan_io_send, chan_io_queued, chan_io_pause, chan_io_close};

struct io *io_chan_open(struct loop *l, int fd, const struct io_cb *cb, void *arg)
{
	struct io_chan *c = xnew(struct io_chan);

	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	c->io.ops = &io_ops;
	c->cb = cb;
	c->arg = arg;
	chan_init(&c->ch, l, fd, &chan_ops, c);
	chan_read(&c->ch, true);
	return &c->io;
}
