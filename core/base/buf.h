/* buf.h - a growing byte string, always NUL-terminated behind its length.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_BUF_H
#define MZ_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/compiler.h"

struct buf {
	char *data; /* NULL until the first byte is added */
	size_t len, cap;
};

void buf_done(struct buf *b); /* frees the content; the struct is empty again */
#define mz_autobuf MZ_CLEANUP(buf_done)
void buf_clear(struct buf *b);
/* Room for `n` more bytes and a NUL; the first of them is returned. */
char *buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) MZ_PRINTF(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) MZ_PRINTF(2, 0);
/* Drops `n` bytes from the front (n <= len). */
void buf_drop(struct buf *b, size_t n);
/* The content as a string that the caller frees ("" if empty); b is empty again. */
char *buf_take(struct buf *b);
/* Never NULL. */
static inline const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

#endif
