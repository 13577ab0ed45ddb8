/* pb_scan.c - walks the wire form once: framing, nesting, number of
 * messages, UTF-8, required fields.
 *
 * protobuf-c recurses without a bound, takes any bytes for a string, and says
 * only "no" when something is wrong. This says what and where; it allocates
 * nothing but the text of an error.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/pb_scan.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "wire/fields.h"

enum { PATH_SHOWN_MAX = 160 };

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* One message on the way down to where we are. */
struct level {
	const struct level *up;
	const uint8_t *begin;
	const uint8_t *tag;    /* of the member that is being looked at */
	const pb_field *field; /* of that member */
	int depth;
};

static bool read_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 70 && *p < end; shift += 7) {
		uint8_t byte = *(*p)++;
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* The value behind a tag; `ret` gets its bytes. False if it does not fit. */
static bool read_value(const uint8_t **p, const uint8_t *end, unsigned wire, struct mz_bytes *ret)
{
	uint64_t n;
	const uint8_t *begin = *p;
	switch (wire) {
	case WIRE_VARINT:
		if (!read_varint(p, end, &n))
			return false;
		*ret = (struct mz_bytes){begin, (size_t)(*p - begin)};
		return true;
	case WIRE_64:
		n = 8;
		break;
	case WIRE_32:
		n = 4;
		break;
	case WIRE_BYTES:
		if (!read_varint(p, end, &n))
			return false;
		break;
	default: /* groups are older than anything that speaks to us */
		return false;
	}
	if (n > (uint64_t)(end - *p))
		return false;
	*ret = (struct mz_bytes){*p, (size_t)n};
	*p += n;
	return true;
}

/* The same field before `tag` within its message. Only errors ask. */
static size_t index_in_message(const struct level *l)
{
	size_t n = 0;
	const uint8_t *p = l->begin;
	while (p < l->tag) {
		uint64_t tag;
		struct mz_bytes skipped;
		if (!read_varint(&p, l->tag, &tag) || !read_value(&p, l->tag, (unsigned)(tag & 7), &skipped))
			break;
		n += tag >> 3 == l->field->id;
	}
	return n;
}

static void add_path(struct buf *b, const struct level *l)
{
	if (!l || !l->field)
		return;
	if (l->up) {
		add_path(b, l->up);
		if (b->len)
			buf_addc(b, '.');
	}
	buf_adds(b, l->field->name);
	if (l->field->label == PROTOBUF_C_LABEL_REPEATED)
		buf_addf(b, "[%zu]", index_in_message(l));
}

static int fail_at(const struct level *l, struct mz_err *err, const char *what)
{
	mz_autobuf struct buf path = {0};
	add_path(&path, l);
	if (!path.len)
		return mz_fail(err, -EINVAL, "%s", what);
	return mz_fail(err, -EINVAL, "%.*s: %s", PATH_SHOWN_MAX, path.data, what);
}

static int fail_missing(const struct level *l, const pb_field *f, struct mz_err *err)
{
	mz_autobuf struct buf path = {0};
	add_path(&path, l->up);
	buf_addf(&path, "%s%s", path.len ? "." : "", f->name);
	return mz_fail(err, -EINVAL, "Missing required field '%.*s'", PATH_SHOWN_MAX, path.data);
}

static int scan_message(const struct level *up, const pb_desc *desc, struct mz_bytes bytes, size_t *room,
			struct mz_err *err);

static int scan_member(const struct level *l, unsigned wire, struct mz_bytes value, size_t *room, struct mz_err *err)
{
	const pb_field *f = l->field;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		if (wire != WIRE_BYTES)
			return fail_at(l, err, "Expected a message");
		if (l->depth >= PB_MAX_DEPTH)
			return fail_at(l, err, "Nested too deeply");
		return scan_message(l, f->descriptor, value, room, err);
	}
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		if (wire != WIRE_BYTES)
			return fail_at(l, err, "Expected a string");
		if (!str_is_utf8(value.data, value.size))
			return fail_at(l, err, "Not UTF-8");
		/* It would end the string early behind everybody's back. */
		if (value.size && memchr(value.data, '\0', value.size))
			return fail_at(l, err, "NUL in a string");
	}
	return 0;
}

/* *room: bytes that messages may still take in memory. */
static int scan_message(const struct level *up, const pb_desc *desc, struct mz_bytes bytes, size_t *room,
			struct mz_err *err)
{
	uint64_t seen[FIELDS_MAX / 64] = {0};
	const uint8_t *p = bytes.data, *end = p + bytes.size;
	struct level l = {.up = up, .begin = p, .depth = up ? up->depth + 1 : 0};

	must(desc->n_fields <= FIELDS_MAX);
	if (desc->sizeof_message > *room)
		return fail_at(up, err, "Too many messages");
	*room -= desc->sizeof_message;
	while (p < end) {
		uint64_t tag;
		struct mz_bytes value;
		l.tag = p;
		l.field = NULL;
		/* protobuf-c reads tags of up to five bytes. */
		if (!read_varint(&p, end, &tag) || tag >> 32 || !(tag >> 3))
			return fail_at(up, err, "Not a protobuf message: bad tag");
		l.field = protobuf_c_message_descriptor_get_field(desc, (unsigned)(tag >> 3));
		if (!read_value(&p, end, (unsigned)(tag & 7), &value))
			return fail_at(l.field ? &l : up, err, "Not a protobuf message: bad or truncated value");
		if (!l.field)
			continue;
		unsigned i = (unsigned)(l.field - desc->fields);
		seen[i / 64] |= (uint64_t)1 << i % 64;
		int r = scan_member(&l, (unsigned)(tag & 7), value, room, err);
		if (r < 0)
			return r;
	}
	/* Every encoder writes both fields of a map's entry, and nobody who reads
	 * one looks for NULL. */
	bool entry = up && desc->n_fields == 2 && field_is_map(up->field);
	for (unsigned i = 0; i < desc->n_fields; i++)
		if ((entry || desc->fields[i].label == PROTOBUF_C_LABEL_REQUIRED) && !(seen[i / 64] >> i % 64 & 1))
			return fail_missing(&l, &desc->fields[i], err);
	return 0;
}

int pb_scan(const pb_desc *desc, const void *data, size_t size, struct mz_err *err)
{
	static const uint8_t nothing[1];
	size_t room = pb_room(size);
	return scan_message(NULL, desc, (struct mz_bytes){size ? data : nothing, size}, &room, err);
}
