/* fields.h - what the codecs need to know of a message's fields, once per type.
 *
 * protobuf-c sorts its descriptors by number; JSON shows fields in the order of
 * the .proto, and looks them up by names that are not NUL-terminated. The tables
 * are built on first use and kept for ever; any thread may ask.
 * For the codecs in this folder only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_FIELDS_H
#define MZ_WIRE_FIELDS_H

#include "wire/pb.h"

enum { FIELDS_MAX = 256 }; /* of one message */

typedef ProtobufCFieldDescriptor pb_field;

struct field_info {
	const pb_field *f;
	uint16_t name_len;
	uint16_t pos; /* in v */
	bool is_map;  /* an object in JSON */
};

struct fields {
	const pb_desc *desc;
	unsigned n, n_required;
	const struct field_info **by_name;
	struct field_info v[]; /* in the order of the .proto */
};

const struct fields *fields_of(const pb_desc *desc);
/* NULL if there is none of that name. `hint` is the position to try first. */
const struct field_info *fields_find(const struct fields *fs, unsigned hint, const char *name, size_t len);

/* A repeated entry {key, value}, as protoc writes a map. */
bool field_is_map(const pb_field *f);

/* Bytes of one element in the struct or in the array of a repeated field. */
size_t field_elem_size(const pb_field *f);
/* Repeated: has elements. A pointer to a default string counts as unset. */
bool field_is_set(const pb_msg *m, const pb_field *f);

static inline void *field_at(const pb_msg *m, const pb_field *f)
{
	return (char *)m + f->offset;
}

/* The count of a repeated field. */
static inline size_t *field_count(const pb_msg *m, const pb_field *f)
{
	return (size_t *)((char *)m + f->quantifier_offset);
}

/* has_x of an optional scalar, or the case of a oneof: both are 32-bit. */
static inline uint32_t *field_quantifier(const pb_msg *m, const pb_field *f)
{
	return (uint32_t *)((char *)m + f->quantifier_offset);
}

static inline bool field_is_oneof(const pb_field *f)
{
	return f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

/* Strings and messages are pointers that say themselves whether they are set. */
static inline bool field_is_pointer(const pb_field *f)
{
	return f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;
}

#endif
