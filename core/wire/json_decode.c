/* json_decode.c - the reading half of json.h: one pass over the text, straight
 * into messages in the arena.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "wire/json.h"
#include "wire/json_text.h"

/* One value of any type, as it lies in a struct or array. */
union elem {
	int32_t i32;
	uint32_t u32;
	int64_t i64;
	uint64_t u64;
	float f;
	double d;
	protobuf_c_boolean b;
	char *s;
	ProtobufCBinaryData bytes;
	pb_msg *m;
};

static int read_object(struct json_in *in, const pb_desc *d, pb_msg **ret);

static pb_msg *new_message(struct json_in *in, const pb_desc *d)
{
	if (d->sizeof_message > in->room) {
		json_fail(in, "Too many messages");
		return NULL;
	}
	in->room -= d->sizeof_message;
	return pb_new(d, in->a);
}

static bool number_in_range(const pb_field *f, struct json_span n, union elem *ret)
{
	int64_t i;
	uint64_t u;
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
		if (!json_to_i64(n, &i) || i < INT32_MIN || i > INT32_MAX)
			return false;
		ret->i32 = (int32_t)i;
		return true;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		if (!json_to_u64(n, &u) || u > UINT32_MAX)
			return false;
		ret->u32 = (uint32_t)u;
		return true;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return json_to_u64(n, &ret->u64);
	case PROTOBUF_C_TYPE_DOUBLE:
		return json_to_double(n, &ret->d);
	case PROTOBUF_C_TYPE_FLOAT: {
		double d;
		if (!json_to_double(n, &d))
			return false;
		ret->f = (float)d;
		return isfinite(ret->f);
	}
	default:
		return json_to_i64(n, &ret->i64);
	}
}

static bool span_is(struct json_span s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.s, text, s.len);
}

static int read_number(struct json_in *in, const pb_field *f, union elem *ret)
{
	struct json_span n;
	char c = json_peek(in);
	bool is_double = f->type == PROTOBUF_C_TYPE_DOUBLE || f->type == PROTOBUF_C_TYPE_FLOAT;
	if (c != '"' && c != '-' && (c < '0' || c > '9'))
		return json_fail(in, "Expected a number");
	int r = c == '"' ? json_take_string(in, &n) : json_number(in, &n);
	if (r < 0)
		return r;
	if (c == '"' && is_double && (span_is(n, "Infinity") || span_is(n, "-Infinity"))) {
		double inf = n.s[0] == '-' ? -INFINITY : INFINITY;
		if (f->type == PROTOBUF_C_TYPE_FLOAT)
			ret->f = (float)inf;
		else
			ret->d = inf;
		return 1;
	}
	if (c == '"' && !json_is_number(n))
		return json_fail(in, "Expected a number");
	if (!number_in_range(f, n, ret))
		return json_fail(in, "Number '%.*s' does not fit", (int)MZ_MIN(n.len, (size_t)40), n.s);
	return 1;
}

/* 0: a name that we do not know, which an optional field may ignore. */
static int read_enum(struct json_in *in, const pb_field *f, union elem *ret)
{
	struct json_span s;
	char name[128];
	int value;
	if (json_peek(in) != '"')
		return read_number(in, f, ret);
	int r = json_take_string(in, &s);
	if (r < 0)
		return r;
	if (s.len < sizeof(name) && !memchr(s.s, '\0', s.len)) {
		memcpy(name, s.s, s.len);
		name[s.len] = '\0';
		if (pb_enum_value(f->descriptor, name, &value)) {
			ret->i32 = value;
			return 1;
		}
	}
	if (f->label == PROTOBUF_C_LABEL_REQUIRED)
		return json_fail(in, "Unknown value '%.*s'", (int)MZ_MIN(s.len, (size_t)40), s.s);
	return 0;
}

static int read_text(struct json_in *in, const pb_field *f, union elem *ret)
{
	struct json_span s;
	if (json_peek(in) != '"')
		return json_fail(in, "Expected a string");
	int r = json_take_string(in, &s);
	if (r < 0)
		return r;
	if (f->type == PROTOBUF_C_TYPE_BYTES) {
		unsigned char *to = arena_alloc(in->a, s.len / 4 * 3 + 3);
		size_t n;
		if (base64_decode(s.s, s.len, to, &n) < 0)
			return json_fail(in, "Not base64");
		ret->bytes = (ProtobufCBinaryData){n, to};
		return 1;
	}
	if (s.len && memchr(s.s, '\0', s.len))
		return json_fail(in, "NUL in a string");
	ret->s = arena_strndup(in->a, s.s, s.len);
	return 1;
}

static int read_bool(struct json_in *in, union elem *ret)
{
	json_peek(in);
	bool value = json_literal(in, "true");
	if (!value && !json_literal(in, "false"))
		return json_fail(in, "Expected true or false");
	ret->b = value;
	return 1;
}

/* 1: *ret is the value; 0: none (null, an unknown enum name); or an error. */
static int read_elem(struct json_in *in, const pb_field *f, union elem *ret)
{
	if (json_peek(in) == 'n' && json_literal(in, "null"))
		return 0;
	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE: {
		int r = read_object(in, f->descriptor, &ret->m);
		return r < 0 ? r : 1;
	}
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
		return read_text(in, f, ret);
	case PROTOBUF_C_TYPE_BOOL:
		return read_bool(in, ret);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(in, f, ret);
	default:
		return read_number(in, f, ret);
	}
}

/* Makes room for one more; the array doubles within the arena. */
static char *grow(struct arena *a, char *elems, size_t n, size_t *cap, size_t elem)
{
	if (n < *cap)
		return elems;
	size_t more = *cap ? *cap * 2 : 4;
	char *bigger = arena_alloc(a, more * elem);
	if (n)
		memcpy(bigger, elems, n * elem);
	*cap = more;
	return bigger;
}

static int read_array(struct json_in *in, pb_msg *m, const pb_field *f)
{
	struct json_place place = {.up = in->at->up, .f = f, .index = 0};
	size_t elem = field_elem_size(f), n = 0, cap = 0;
	char *elems = NULL;
	bool first = true;
	int r;

	if (json_peek(in) != '[')
		return json_fail(in, "Expected an array");
	in->at = &place;
	r = json_enter(in);
	if (r < 0)
		return r;
	while ((r = json_next(in, ']', &first)) > 0) {
		union elem e = {0};
		r = read_elem(in, f, &e);
		if (r < 0)
			return r;
		if (r) {
			elems = grow(in->a, elems, n, &cap, elem);
			memcpy(elems + n++ * elem, &e, elem);
		}
		place.index++;
	}
	if (r < 0)
		return r;
	*field_count(m, f) = n;
	*(char **)field_at(m, f) = elems;
	return n > 0;
}

/* Of entries with the same key the last one stays. */
static size_t drop_hidden(pb_msg **entries, size_t n, const pb_field *key)
{
	struct map seen = {0};
	size_t kept = n;
	for (size_t i = n; i-- > 0;) {
		const char *k = *(char **)field_at(entries[i], key);
		if (!map_has(&seen, k)) {
			map_put(&seen, k, entries[i]);
			entries[--kept] = entries[i];
		}
	}
	map_done(&seen);
	memmove(entries, entries + kept, (n - kept) * sizeof(entries[0]));
	return n - kept;
}

static int read_map_entry(struct json_in *in, const pb_desc *d, struct json_place *place, pb_msg **ret)
{
	struct json_span s;
	const pb_field *value = &d->fields[1];
	union elem e = {0};
	if (json_peek(in) != '"')
		return json_fail_syntax(in, "Expected a key");
	int r = json_take_string(in, &s);
	if (r < 0)
		return r;
	if (s.len && memchr(s.s, '\0', s.len))
		return json_fail(in, "NUL in a string");
	char *key = arena_strndup(in->a, s.s, s.len);
	place->map_key = key;
	r = json_expect(in, ':');
	if (r >= 0)
		r = read_elem(in, value, &e);
	if (r <= 0)
		return r;
	pb_msg *entry = new_message(in, d);
	if (!entry)
		return -EINVAL;
	*(char **)field_at(entry, &d->fields[0]) = key;
	memcpy(field_at(entry, value), &e, field_elem_size(value));
	if (!field_is_pointer(value))
		*field_quantifier(entry, value) = 1;
	place->map_key = NULL;
	*ret = entry;
	return 1;
}

static int read_map(struct json_in *in, pb_msg *m, const pb_field *f)
{
	const pb_desc *d = f->descriptor;
	struct json_place place = {.up = in->at->up, .f = f, .index = -1};
	size_t n = 0, cap = 0;
	char *entries = NULL;
	bool first = true;
	int r;

	if (json_peek(in) != '{')
		return json_fail(in, "Expected an object");
	in->at = &place;
	r = json_enter(in);
	if (r < 0)
		return r;
	while ((r = json_next(in, '}', &first)) > 0) {
		pb_msg *entry = NULL;
		r = read_map_entry(in, d, &place, &entry);
		if (r < 0)
			return r;
		if (!r)
			continue;
		entries = grow(in->a, entries, n, &cap, sizeof(entry));
		memcpy(entries + n++ * sizeof(entry), &entry, sizeof(entry));
	}
	if (r < 0)
		return r;
	if (n > 1)
		n = drop_hidden((pb_msg **)(void *)entries, n, &d->fields[0]);
	*field_count(m, f) = n;
	*(char **)field_at(m, f) = entries;
	return n > 0;
}

/* As in a message that was just initialised. */
static void clear_field(pb_msg *m, const pb_field *f)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		*field_count(m, f) = 0;
		*(void **)field_at(m, f) = NULL;
		return;
	}
	if (field_is_oneof(f)) {
		if (*field_quantifier(m, f) == f->id)
			*field_quantifier(m, f) = 0;
		return;
	}
	if (f->type == PROTOBUF_C_TYPE_STRING)
		*(const void **)field_at(m, f) = f->default_value;
	else if (f->default_value)
		memcpy(field_at(m, f), f->default_value, field_elem_size(f));
	else
		memset(field_at(m, f), 0, field_elem_size(f));
	if (f->label == PROTOBUF_C_LABEL_OPTIONAL && !field_is_pointer(f))
		*field_quantifier(m, f) = 0;
}

/* 1 if the field is set now, 0 if it is not. */
static int read_singular(struct json_in *in, pb_msg *m, const pb_field *f)
{
	union elem e = {0};
	int r = read_elem(in, f, &e);
	if (r <= 0)
		return r;
	memcpy(field_at(m, f), &e, field_elem_size(f));
	if (field_is_oneof(f))
		*field_quantifier(m, f) = f->id;
	else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && !field_is_pointer(f))
		*field_quantifier(m, f) = 1;
	return 1;
}

static int read_field(struct json_in *in, pb_msg *m, const struct field_info *fi, uint64_t *seen)
{
	const pb_field *f = fi->f;
	const struct json_place *outer = in->at;
	struct json_place place = {.up = outer, .f = f, .index = -1};
	int r = 0;

	in->at = &place;
	if (json_peek(in) == 'n' && json_literal(in, "null"))
		r = 0;
	else if (f->label != PROTOBUF_C_LABEL_REPEATED)
		r = read_singular(in, m, f);
	else
		r = fi->is_map ? read_map(in, m, f) : read_array(in, m, f);
	if (r < 0)
		return r;
	uint64_t bit = (uint64_t)1 << fi->pos % 64;
	if (r) {
		seen[fi->pos / 64] |= bit;
	} else {
		clear_field(m, f);
		seen[fi->pos / 64] &= ~bit;
	}
	in->at = outer;
	return 0;
}

static int check_required(struct json_in *in, const struct fields *fs, const uint64_t *seen)
{
	if (!fs->n_required)
		return 0;
	for (unsigned i = 0; i < fs->n; i++)
		if (fs->v[i].f->label == PROTOBUF_C_LABEL_REQUIRED && !(seen[i / 64] >> i % 64 & 1))
			return json_fail_missing(in, fs->v[i].f->name);
	return 0;
}

static int read_object(struct json_in *in, const pb_desc *d, pb_msg **ret)
{
	const struct fields *fs = fields_of(d);
	uint64_t seen[FIELDS_MAX / 64] = {0};
	unsigned hint = 0;
	bool first = true;

	if (json_peek(in) != '{')
		return json_fail(in, "Expected an object");
	int r = json_enter(in);
	if (r < 0)
		return r;
	if (++in->n_messages > PB_MAX_DEPTH)
		return json_fail_syntax(in, "Nested too deeply");
	pb_msg *m = new_message(in, d);
	if (!m)
		return -EINVAL;
	while ((r = json_next(in, '}', &first)) > 0) {
		struct json_span key;
		if (json_peek(in) != '"')
			return json_fail_syntax(in, "Expected a key");
		r = json_take_string(in, &key);
		if (r < 0)
			return r;
		const struct field_info *fi = fields_find(fs, hint, key.s, key.len);
		r = json_expect(in, ':');
		if (r < 0)
			return r;
		r = fi ? read_field(in, m, fi, seen) : json_skip(in);
		if (r < 0)
			return r;
		if (fi)
			hint = fi->pos + 1u;
	}
	if (r >= 0)
		r = check_required(in, fs, seen);
	if (r < 0)
		return r;
	in->n_messages--;
	*ret = m;
	return 0;
}

pb_msg *json_decode(const pb_desc *desc, struct arena *a, const char *text, size_t len, struct mz_err *err)
{
	static const char nothing[1];
	if (!len)
		text = nothing;
	struct json_in in = {.begin = text, .p = text, .end = text + len, .a = a, .err = err, .room = pb_room(len)};
	pb_msg *m = NULL;
	if (len > JSON_MAX_BYTES) {
		mz_fail(err, -E2BIG, "JSON of %zu bytes, more than %d", len, JSON_MAX_BYTES);
		return NULL;
	}
	int r = read_object(&in, desc, &m);
	if (r >= 0 && (json_peek(&in), in.p < in.end))
		r = json_fail_syntax(&in, "Something behind the JSON object");
	buf_done(&in.scratch);
	return r < 0 ? NULL : m;
}
