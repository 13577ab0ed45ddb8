/* attach.h - a connection to the I/O server of a container (<mezzo/containerizer.h>,
 * ATTACHING): frames to and from it. Used by api/attach.c and api/session.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_ATTACH_H
#define MZ_AGENT_ATTACH_H

#include "agent/internal.h"

enum { ATTACH_QUEUE_MAX = 256 * 1024 }; /* bytes on the way: more, and who sends is held back */

struct attach;

/* From the loop or from inside attach_new(). The owner may free it in each of them. */
struct attach_cb {
	/* Once. err: there is no connection, and nothing follows. */
	void (*on_open)(void *arg, const struct mz_err *err);
	/* stream: MZ_IO_STDOUT or MZ_IO_STDERR. NULL for who attaches to the input. */
	void (*on_output)(void *arg, int stream, const void *data, size_t size);
	void (*on_room)(void *arg); /* all that was sent is taken */
	/* Once: there is no more. complete: all output has come, all input was taken. */
	void (*on_end)(void *arg, bool complete);
};

enum attach_kind { ATTACH_INPUT = 'i', ATTACH_OUTPUT = 'o' };

/* *ret is set before any callback. */
void attach_new(struct agent *a, const char *container_id, enum attach_kind kind, const struct attach_cb *cb, void *arg,
		struct attach **ret);
void attach_free(struct attach *t);
void attach_stdin(struct attach *t, const void *data, size_t size); /* of any size but 0 */
void attach_stdin_end(struct attach *t);
void attach_window(struct attach *t, uint32_t rows, uint32_t columns);
size_t attach_queued(const struct attach *t);
/* The container is held back. */
void attach_pause(struct attach *t, bool paused);

#endif
