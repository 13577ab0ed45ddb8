/* pb.c - see pb.h. The check of what a peer sent is in pb_scan.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "wire/fields.h"
#include "wire/pb_scan.h"

static void *alloc_in_arena(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void free_in_arena(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

pb_msg *pb_decode(const pb_desc *desc, struct arena *a, const void *data, size_t size, struct mz_err *err)
{
	if (pb_scan(desc, data, size, err) < 0)
		return NULL;
	ProtobufCAllocator in_arena = {alloc_in_arena, free_in_arena, a};
	pb_msg *m = protobuf_c_message_unpack(desc, &in_arena, size, data);
	if (!m)
		mz_fail(err, -EINVAL, "Not a valid %s", desc->name);
	return m;
}

pb_msg *pb_new(const pb_desc *desc, struct arena *a)
{
	pb_msg *m = arena_alloc(a, desc->sizeof_message);
	protobuf_c_message_init(desc, m);
	return m;
}

void pb_encode(const pb_msg *m, struct buf *out)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *to = (uint8_t *)buf_reserve(out, size);
	protobuf_c_message_pack(m, to);
	out->len += size;
	out->data[out->len] = '\0';
}

struct mz_bytes pb_encode_arena(const pb_msg *m, struct arena *a)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *to = arena_alloc(a, size);
	protobuf_c_message_pack(m, to);
	return (struct mz_bytes){to, size};
}

void **pb_array(struct arena *a, size_t n)
{
	return arena_alloc(a, n * sizeof(void *));
}

/* Replaces what one element points to by a copy. */
static void own_elem(const pb_field *f, void *elem, struct arena *a)
{
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		char **s = elem;
		if (*s && *s != f->default_value)
			*s = arena_strdup(a, *s);
	} else if (f->type == PROTOBUF_C_TYPE_BYTES) {
		ProtobufCBinaryData *b = elem;
		b->data = b->len ? (uint8_t *)arena_strndup(a, (const char *)b->data, b->len) : NULL;
	} else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		pb_msg **sub = elem;
		if (*sub)
			*sub = pb_copy(*sub, a);
	}
}

static void own_repeated(const pb_field *f, pb_msg *m, struct arena *a)
{
	size_t n = *field_count(m, f), elem = field_elem_size(f);
	void **array = field_at(m, f);
	if (!n)
		return;
	char *copy = arena_alloc(a, n * elem);
	memcpy(copy, *array, n * elem);
	*array = copy;
	for (size_t i = 0; i < n; i++)
		own_elem(f, copy + i * elem, a);
}

static void own_unknown(pb_msg *m, struct arena *a)
{
	if (!m->n_unknown_fields)
		return;
	size_t bytes = m->n_unknown_fields * sizeof(m->unknown_fields[0]);
	m->unknown_fields = memcpy(arena_alloc(a, bytes), m->unknown_fields, bytes);
	for (unsigned i = 0; i < m->n_unknown_fields; i++) {
		ProtobufCMessageUnknownField *u = &m->unknown_fields[i];
		u->data = (uint8_t *)arena_strndup(a, (const char *)u->data, u->len);
	}
}

pb_msg *pb_copy(const pb_msg *m, struct arena *a)
{
	const pb_desc *d = m->descriptor;
	pb_msg *copy = memcpy(arena_alloc(a, d->sizeof_message), m, d->sizeof_message);
	for (unsigned i = 0; i < d->n_fields; i++) {
		const pb_field *f = &d->fields[i];
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			own_repeated(f, copy, a);
		else if (field_is_set(m, f))
			own_elem(f, field_at(copy, f), a);
	}
	own_unknown(copy, a);
	return copy;
}

static bool elem_equal(const pb_field *f, const void *x, const void *y)
{
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		const char *s = *(char *const *)x, *t = *(char *const *)y;
		return s == t || (s && t && !strcmp(s, t));
	}
	if (f->type == PROTOBUF_C_TYPE_BYTES) {
		const ProtobufCBinaryData *s = x, *t = y;
		return s->len == t->len && (!s->len || !memcmp(s->data, t->data, s->len));
	}
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		const pb_msg *s = *(pb_msg *const *)x, *t = *(pb_msg *const *)y;
		return s == t || (s && t && pb_equal(s, t));
	}
	return !memcmp(x, y, field_elem_size(f));
}

static bool repeated_equal(const pb_field *f, const pb_msg *a, const pb_msg *b)
{
	size_t elem = field_elem_size(f);
	const char *x = *(char **)field_at(a, f), *y = *(char **)field_at(b, f);
	for (size_t i = 0; i < *field_count(a, f); i++)
		if (!elem_equal(f, x + i * elem, y + i * elem))
			return false;
	return true;
}

static const char *entry_key(const pb_msg *entry)
{
	const char *key = *(char **)field_at(entry, &entry->descriptor->fields[0]);
	return key ? key : "";
}

/* The order of a map's entries says nothing; a later entry hides an earlier one. */
static bool map_equal(const pb_field *f, const pb_msg *a, const pb_msg *b)
{
	pb_msg **x = *(pb_msg ***)field_at(a, f), **y = *(pb_msg ***)field_at(b, f);
	struct map left = {0}, right = {0};
	for (size_t i = 0; i < *field_count(a, f); i++)
		map_put(&left, entry_key(x[i]), x[i]);
	for (size_t i = 0; i < *field_count(b, f); i++)
		map_put(&right, entry_key(y[i]), y[i]);
	bool same = left.n == right.n;
	map_each(&left, e)
	{
		const pb_msg *other = same ? map_get(&right, e->key) : NULL;
		same = other && pb_equal(e->value, other);
		if (!same)
			break;
	}
	map_done(&left);
	map_done(&right);
	return same;
}

bool pb_equal(const pb_msg *a, const pb_msg *b)
{
	if (a->descriptor != b->descriptor)
		return false;
	const struct fields *fs = fields_of(a->descriptor);
	for (unsigned i = 0; i < fs->n; i++) {
		const pb_field *f = fs->v[i].f;
		bool set = field_is_set(a, f);
		if (set != field_is_set(b, f))
			return false;
		if (!set)
			continue;
		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			if (!elem_equal(f, field_at(a, f), field_at(b, f)))
				return false;
		} else if (*field_count(a, f) == *field_count(b, f) && repeated_equal(f, a, b)) {
			continue;
		} else if (!fs->v[i].is_map || !map_equal(f, a, b)) {
			return false;
		}
	}
	return true;
}

const char *pb_enum_name(const ProtobufCEnumDescriptor *d, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, value);
	return v ? v->name : NULL;
}

bool pb_enum_value(const ProtobufCEnumDescriptor *d, const char *name, int *ret)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value_by_name(d, name);
	if (!v)
		return false;
	*ret = v->value;
	return true;
}

int pb_check_size(const pb_msg *m, const char *what, struct mz_err *err)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	if (size <= PB_MAX_RECORD)
		return 0;
	return mz_fail(err, -E2BIG, "%s has %zu bytes, at most %d are allowed", what, size, PB_MAX_RECORD);
}
