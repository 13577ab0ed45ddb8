/* str.h - strings, numbers with units, and their text forms.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_STR_H
#define MZ_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

bool str_eq(const char *a, const char *b); /* two NULLs are equal */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_empty(const char *s); /* NULL or "" */
/* Cuts white space at both ends, in place; returns the new start. */
char *str_trim(char *s);
/* "HOST:PORT", or "[HOST]:PORT" if it is an IPv6 address. The caller's to free. */
char *str_address(const char *host, int port);

int str_hex_digit(char c); /* 0 to 15; -1: it is none */
/* The whole text must be the number; -EINVAL, -ERANGE otherwise. */
int str_to_i64(const char *s, int64_t *ret);
int str_to_u64(const char *s, uint64_t *ret);
int str_to_double(const char *s, double *ret); /* finite */

/* "5secs", "1.5mins", "100ms", "2weeks" (ns us ms secs mins hrs days weeks,
 * and the short forms s, m, h, d, w) -> nanoseconds. */
int str_to_duration_ns(const char *s, int64_t *ret);
/* The shortest exact form in the field's spelling: 5000000000 -> "5secs". */
void duration_add(struct buf *b, int64_t ns);

/* "10MB", "4KB", "512" (B KB MB GB TB, powers of 1024) -> bytes. */
int str_to_bytes(const char *s, int64_t *ret);
void bytes_add(struct buf *b, int64_t bytes);

/* Strict UTF-8 (no surrogates, no overlong forms). */
bool str_is_utf8(const char *s, size_t len);
/* Puts '?' in the place of each byte that belongs to no UTF-8 sequence: what was cut
 * short may end within one. */
void str_make_utf8(char *s);
/* So many bytes of `s` are not more than `max`, and do not end within a sequence. */
size_t str_fit(const char *s, size_t max);

void base64_add(struct buf *b, const void *data, size_t len);
/* Standard and URL alphabets, padding optional; -EINVAL on anything else.
 * `out` has room for len/4*3+3 bytes. */
int base64_decode(const char *s, size_t len, unsigned char *out, size_t *ret_len);

#endif
