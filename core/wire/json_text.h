/* json_text.h - the tokens of JSON text, and errors that name the place.
 * For json_decode.c only; nothing here knows protobuf but the names in a path.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_JSON_TEXT_H
#define MZ_WIRE_JSON_TEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "wire/fields.h"

enum {
	JSON_MAX_BYTES = 256 * 1024 * 1024,
	JSON_MAX_VALUES = 4 * 1024 * 1024,
	JSON_MAX_NESTING = 2 * PB_MAX_DEPTH + 2, /* objects and arrays together */
	JSON_MAX_NUMBER = 512                    /* bytes of one */
};

struct json_span {
	const char *s; /* not NUL-terminated; gone with the next token */
	size_t len;
};

/* A step of the path to where we are. */
struct json_place {
	const struct json_place *up;
	const pb_field *f;
	int64_t index;        /* in an array, else -1 */
	const char *map_key;  /* in a map, else NULL */
};

struct json_in {
	const char *begin, *p, *end;
	struct arena *a;
	struct mz_err *err;
	const struct json_place *at;
	struct buf scratch; /* a string that has escapes */
	unsigned depth, n_messages; /* nesting; of messages */
	size_t n_values;
	size_t room; /* bytes that messages may still take */
};

/* Error about the value at in->at: "a.b[1]: What". */
int json_fail(struct json_in *in, const char *fmt, ...) MZ_PRINTF(2, 3);
/* Error of syntax, with the offset. */
int json_fail_syntax(struct json_in *in, const char *what);
/* The path of the field `name` in the message at in->at. */
int json_fail_missing(struct json_in *in, const char *name);

/* Skips white space; the next byte, or 0 at the end. */
char json_peek(struct json_in *in);
/* The next byte must be `c`, which is consumed. */
int json_expect(struct json_in *in, char c);
/* True and consumed if the next token is this literal. */
bool json_literal(struct json_in *in, const char *word);
/* At the opening quote. Checks escapes, surrogates and UTF-8. */
int json_take_string(struct json_in *in, struct json_span *ret);
int json_number(struct json_in *in, struct json_span *ret);
/* At an element of `{…}` or `[…]`, or its end: 1 if there is one, 0 if closed. */
int json_next(struct json_in *in, char close, bool *first);
/* One more object or array. */
int json_enter(struct json_in *in);
/* Any value, checked and thrown away. */
int json_skip(struct json_in *in);

/* False if the span is no number of that kind. Whole numbers may be written as
 * "5.0" or "5e3". */
bool json_to_i64(struct json_span n, int64_t *ret);
bool json_to_u64(struct json_span n, uint64_t *ret);
bool json_to_double(struct json_span n, double *ret);
/* The span is a number by the grammar of JSON. */
bool json_is_number(struct json_span n);

#endif
