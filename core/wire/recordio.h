/* recordio.h - "<decimal length>\n<bytes>" framing of event streams.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_RECORDIO_H
#define MZ_WIRE_RECORDIO_H

#include <mezzo/types.h>

#include "base/buf.h"

/* Appends one record; `len` is never 0. */
void recordio_add(struct buf *out, const void *data, size_t len);

struct recordio_reader {
	struct buf pending;
	size_t max_record; /* bytes; larger ones are errors */
};
void recordio_reader_done(struct recordio_reader *r);
/* Calls fn for each complete record; a non-zero result of fn stops and is
 * returned (the rest is dropped with the reader). -EPROTO with *err on bad framing. */
int recordio_feed(struct recordio_reader *r, const void *data, size_t len,
		  int (*fn)(void *arg, const char *record, size_t len), void *arg, struct mz_err *err);

#endif
