/* attach.c - see attach.h. Nothing of what goes through is kept here but a frame that
 * is not complete yet. Not for HTTP and its messages: those are in api/.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/attach.h"

#include <mezzo/containerizer.h>

#include "wire/io.h"

enum { HEAD_BYTES = 8 };

/* While the containerizer connects: it cannot be told to stop. */
struct opening {
	struct attach *t; /* NULL: nobody wants it any more */
	struct loop *loop;
	io_open_fn open;
};

struct attach {
	struct agent *agent;
	enum attach_kind kind;
	const struct attach_cb *cb;
	void *arg;
	struct opening *opening;
	struct io *io;
	struct buf in; /* a part of a frame */
	bool *gone;    /* set when it is freed from inside a callback */
};

/* ---- frames to it ------------------------------------------------------------------- */

static void put_frame(struct attach *t, enum mz_io type, const void *data, size_t size)
{
	unsigned char head[HEAD_BYTES] = {(unsigned char)type};
	for (int i = 0; i < 4; i++)
		head[4 + i] = (unsigned char)(size >> (8 * i));
	io_send(t->io, head, sizeof(head));
	if (size)
		io_send(t->io, data, size);
}

void attach_stdin(struct attach *t, const void *data, size_t size)
{
	const char *p = data;
	while (size) {
		size_t n = MZ_MIN(size, (size_t)MZ_IO_MAX);
		put_frame(t, MZ_IO_STDIN, p, n);
		p += n;
		size -= n;
	}
}

void attach_stdin_end(struct attach *t)
{
	put_frame(t, MZ_IO_STDIN, NULL, 0);
}

void attach_window(struct attach *t, uint32_t rows, uint32_t columns)
{
	rows = MZ_MIN(rows, UINT16_MAX);
	columns = MZ_MIN(columns, UINT16_MAX);
	const unsigned char size[4] = {(unsigned char)rows, (unsigned char)(rows >> 8), (unsigned char)columns,
				       (unsigned char)(columns >> 8)};
	put_frame(t, MZ_IO_WINDOW, size, sizeof(size));
}

size_t attach_queued(const struct attach *t)
{
	return t->io ? io_queued(t->io) : 0;
}

void attach_pause(struct attach *t, bool paused)
{
	if (t->io)
		io_pause(t->io, paused);
}

/* ---- frames from it ------------------------------------------------------------------ */

static void end(struct attach *t, bool complete)
{
	if (t->kind == ATTACH_INPUT)
		complete = !io_queued(t->io);
	io_close(MZ_MOVE(t->io));
	t->cb->on_end(t->arg, complete);
}

/* False: it is freed, or over. */
static bool take_frame(struct attach *t, int type, const char *data, size_t size)
{
	bool gone = false;
	t->gone = &gone;
	if ((type == MZ_IO_STDOUT || type == MZ_IO_STDERR) && size && t->cb->on_output)
		t->cb->on_output(t->arg, type, data, size);
	else if (type == MZ_IO_END)
		end(t, true);
	if (gone)
		return false;
	t->gone = NULL;
	return t->io != NULL;
}

/* Takes whole frames; false: it is freed, or over. */
static bool take_frames(struct attach *t, const char *p, size_t n, size_t *ret_used)
{
	size_t used = 0;
	while (n - used >= HEAD_BYTES) {
		const unsigned char *h = (const unsigned char *)p + used;
		size_t size = (size_t)h[4] | (size_t)h[5] << 8 | (size_t)h[6] << 16 | (size_t)h[7] << 24;
		if (size > MZ_IO_MAX) {
			log_error(AREA, "The I/O server of a container sends a frame of %zu bytes", size);
			end(t, false);
			return false;
		}
		if (n - used - HEAD_BYTES < size)
			break;
		if (!take_frame(t, h[0], p + used + HEAD_BYTES, size))
			return false;
		used += HEAD_BYTES + size;
	}
	*ret_used = used;
	return true;
}

static void on_data(void *arg, const void *data, size_t size)
{
	struct attach *t = arg;
	struct buf pending = t->in;
	size_t used = 0;
	t->in = (struct buf){0};
	if (pending.len) {
		buf_add(&pending, data, size);
		data = pending.data;
		size = pending.len;
	}
	if (take_frames(t, data, size, &used) && used < size)
		buf_add(&t->in, (const char *)data + used, size - used);
	buf_done(&pending);
}

static void on_room(void *arg)
{
	struct attach *t = arg;
	t->cb->on_room(t->arg);
}

static void on_end(void *arg)
{
	end(arg, false);
}

/* ---- its life --------------------------------------------------------------------------- */

static const struct io_cb io_cb = {on_data, on_room, on_end};

static void on_connected(void *arg, const struct mz_err *err, int fd)
{
	struct opening *q = arg;
	static const struct io_cb nobody = {0};
	struct attach *t = q->t;
	if (t) {
		t->opening = NULL;
		if (!err) {
			t->io = q->open(q->loop, fd, &io_cb, t);
			const char hello = (char)t->kind;
			put_frame(t, MZ_IO_HELLO, &hello, 1);
		}
		t->cb->on_open(t->arg, err);
	} else if (!err) {
		io_close(q->open(q->loop, fd, &nobody, NULL)); /* closes the socket */
	}
	free(q);
}

void attach_new(struct agent *a, const char *container_id, enum attach_kind kind, const struct attach_cb *cb, void *arg,
		struct attach **ret)
{
	struct containers *c = a->deps.containers;
	struct attach *t = xnew(struct attach);
	t->agent = a;
	t->kind = kind;
	t->cb = cb;
	t->arg = arg;
	*ret = t;
	if (!c->ops->attach || !a->deps.io_open) {
		struct mz_err err;
		mz_fail(&err, -EOPNOTSUPP, "Nothing can be attached to on this agent");
		cb->on_open(arg, &err);
		return;
	}
	t->opening = xnew(struct opening);
	*t->opening = (struct opening){.t = t, .loop = a->loop, .open = a->deps.io_open};
	c->ops->attach(c, container_id, on_connected, t->opening);
}

void attach_free(struct attach *t)
{
	if (!t)
		return;
	if (t->opening)
		t->opening->t = NULL;
	if (t->gone)
		*t->gone = true;
	io_close(t->io);
	buf_done(&t->in);
	free(t);
}
