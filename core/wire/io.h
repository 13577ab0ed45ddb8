/* io.h - a connected stream of bytes as the state machines see it. Two
 * implementations: io_chan.h (a socket) and those of tests (in memory).
 *
 * The owner closes it once, also from inside its own callbacks, also after on_end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_IO_H
#define MZ_WIRE_IO_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct io;

/* From the loop, never from inside a call of this header. */
struct io_cb {
	void (*on_data)(void *arg, const void *data, size_t size); /* as it comes, unless paused */
	void (*on_room)(void *arg);				   /* all that was sent is taken */
	void (*on_end)(void *arg);				   /* once: the peer has ended, or broke */
};

struct io_ops {
	void (*send)(struct io *io, const void *data, size_t size);
	size_t (*queued)(const struct io *io);
	void (*pause)(struct io *io, bool paused);
	void (*close)(struct io *io);
};

struct io {
	const struct io_ops *ops;
};

/* Takes a connected stream socket, which it closes. */
typedef struct io *(*io_open_fn)(struct loop *l, int fd, const struct io_cb *cb, void *arg);

/* Nothing is refused: who sends looks at io_queued(), which is not 0 at the end if the
 * peer has not taken everything. After the end it goes nowhere. */
static inline void io_send(struct io *io, const void *data, size_t size)
{
	io->ops->send(io, data, size);
}
static inline size_t io_queued(const struct io *io)
{
	return io->ops->queued(io);
}
/* Nothing is read: the peer is held back. */
static inline void io_pause(struct io *io, bool paused)
{
	io->ops->pause(io, paused);
}
/* At once: what is queued is lost. NULL: no-op. */
static inline void io_close(struct io *io)
{
	if (io)
		io->ops->close(io);
}

#endif
