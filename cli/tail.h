/* tail.h - follows stdout and stderr of one task through its agent's HTTP.
 * For `mezzo run` and `mezzo logs`.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CLI_TAIL_H
#define MEZZO_CLI_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct loop;
struct tail;

enum { TAIL_STDOUT = 0, TAIL_STDERR = 1, TAIL_STREAMS = 2 };

struct tail_options {
	const char *ip; /* of the agent */
	int port;
	const char *framework_id, *task_id;
	const char *container_id; /* NULL: the newest */
	bool streams[TAIL_STREAMS];
};

struct tail_cb {
	void (*on_output)(void *arg, int stream, const void *data, size_t size);
	/* After tail_finish(), when everything has been read; why NULL: all of it. */
	void (*on_end)(void *arg, const char *why);
};

struct tail *tail_new(struct loop *l, const struct tail_options *o, const struct tail_cb *cb, void *arg);
/* The task has ended: reads what is left, then on_end, never from inside. */
void tail_finish(struct tail *t);
void tail_free(struct tail *t); /* not from inside on_output; NULL: no-op */

/* The content of an answer of /files/read, appended to `out`, and how many bytes
 * of the file it stands for. A character that is cut off at the end is left to
 * the next read unless `all`. -EPROTO if it is no such answer. */
int tail_parse_read(const char *json, size_t len, bool all, struct buf *out, int64_t *ret_bytes);

#endif
