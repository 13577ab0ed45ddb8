/* json.h - protobuf <-> JSON in Mesos' dialect, driven by descriptors.
 *
 * Out: keys are field names, in the order of the .proto; enums by name; bytes
 * base64; 64-bit integers are numbers; doubles always show a fraction ("4.0")
 * and round-trip; only fields that are set (repeated: non-empty); maps as
 * objects; compact, no newline. google.protobuf.Duration is {"seconds":…}.
 * In: null is absent; unknown keys are ignored; numbers also as strings
 * ("Infinity" for doubles); integers where doubles are expected; an unknown
 * enum name is dropped for an optional field and an error for a required one;
 * repeated keys: last wins. Depth, size and token counts are bounded.
 * jansson is not used here: this is the hot path, and its numbers would pass
 * through doubles.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_JSON_H
#define MZ_WIRE_JSON_H

#include "wire/pb.h"

/* Errors name the field path: "accept.offer_ids[2].value: Expected a string". */
pb_msg *json_decode(const pb_desc *desc, struct arena *a, const char *text, size_t len, struct mz_err *err);
void json_encode(const pb_msg *m, struct buf *out); /* appends */
/* A string with quotes and escapes. */
void json_add_string(struct buf *out, const char *s);
void json_add_text(struct buf *out, const char *s, size_t len); /* may hold NUL */
/* A double as Mesos prints one: shortest that round-trips, with a fraction. */
void json_add_double(struct buf *out, double d);

/* jsonw - writes JSON straight from the model: commas and nesting are kept
 * track of, nothing is built in memory.
 *
 *	struct jsonw w = {.out = &b};
 *	jsonw_object(&w); jsonw_key(&w, "id"); jsonw_string(&w, id); jsonw_end(&w); */
struct jsonw {
	struct buf *out;
	int depth;
	unsigned char need_comma[32]; /* by depth */
	unsigned char is_array[32];
	bool after_key;
};
void jsonw_object(struct jsonw *w);
void jsonw_array(struct jsonw *w);
void jsonw_end(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *key);
void jsonw_string(struct jsonw *w, const char *s); /* NULL writes null */
void jsonw_text(struct jsonw *w, const char *s, size_t len);
void jsonw_int(struct jsonw *w, int64_t v);
void jsonw_double(struct jsonw *w, double v);
void jsonw_bool(struct jsonw *w, bool v);
void jsonw_null(struct jsonw *w);
void jsonw_message(struct jsonw *w, const pb_msg *m);
void jsonw_raw(struct jsonw *w, const char *json, size_t len); /* a finished value */
/* key and value in one */
void jsonw_kstring(struct jsonw *w, const char *key, const char *s);
void jsonw_kint(struct jsonw *w, const char *key, int64_t v);
void jsonw_kdouble(struct jsonw *w, const char *key, double v);
void jsonw_kbool(struct jsonw *w, const char *key, bool v);

#endif
