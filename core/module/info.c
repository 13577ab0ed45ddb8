/* info.c - struct mz_info_api: reads any message by path, through its descriptor.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "module/reflect.h"
#include "wire/json.h"

const char *path_segment(const char *path, char *out, size_t size)
{
	size_t n = strcspn(path, ".");
	if (n == 0 || n >= size)
		return NULL;
	memcpy(out, path, n);
	out[n] = '\0';
	return path + n;
}

int reflect_is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const char *base = (const char *)m;
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)(base + f->quantifier_offset) == f->id;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)(base + f->quantifier_offset) > 0;
	if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE) {
		const void *p = *(const void *const *)(base + f->offset);
		return p && p != f->default_value;
	}
	if (f->label == PROTOBUF_C_LABEL_REQUIRED)
		return 1;
	return *(const protobuf_c_boolean *)(base + f->quantifier_offset);
}

static size_t scalar_size(ProtobufCType t)
{
	switch (t) {
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

/* What a path leads to. */
struct found {
	const ProtobufCFieldDescriptor *field;
	const void *value; /* one element; NULL: a whole list */
	size_t count;	   /* of the list */
	int set;
};

/* Steps over a list's number, if there is one; -ENOENT behind its end. */
static int step_into_list(const ProtobufCMessage *m, const char **path, struct found *r)
{
	const ProtobufCFieldDescriptor *f = r->field;
	r->count = *(const size_t *)((const char *)m + f->quantifier_offset);
	r->value = NULL;
	r->set = r->count > 0;
	if (**path != '.')
		return 0;
	size_t i = 0;
	const char *p = *path + 1;
	if (*p < '0' || *p > '9')
		return -ENOENT;
	for (; *p >= '0' && *p <= '9'; p++) {
		i = i * 10 + (size_t)(*p - '0');
		if (i > r->count)
			return -ENOENT;
	}
	if (i >= r->count)
		return -ENOENT;
	const char *items = *(const char *const *)((const char *)m + f->offset);
	r->value = items + i * scalar_size(f->type);
	r->set = 1;
	*path = p;
	return 0;
}

static int find(const struct mz_info *info, const char *path, struct found *r)
{
	const ProtobufCMessage *m = (const ProtobufCMessage *)info;
	char name[64];
	while (m) {
		path = path_segment(path, name, sizeof(name));
		if (!path)
			return -ENOENT;
		r->field = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
		if (!r->field)
			return -ENOENT;
		if (r->field->label == PROTOBUF_C_LABEL_REPEATED) {
			if (step_into_list(m, &path, r) < 0)
				return -ENOENT;
		} else {
			r->value = (const char *)m + r->field->offset;
			r->count = 0;
			r->set = reflect_is_set(m, r->field);
		}
		if (*path == '\0')
			return 0;
		if (*path != '.' || !r->set || !r->value || r->field->type != PROTOBUF_C_TYPE_MESSAGE)
			return -ENOENT;
		m = *(const ProtobufCMessage *const *)r->value;
		path++;
	}
	return -ENOENT;
}

static int info_has(const struct mz_info *m, const char *path)
{
	struct found r;
	return find(m, path, &r) == 0 && r.set;
}

static size_t info_count(const struct mz_info *m, const char *path)
{
	struct found r;
	return find(m, path, &r) == 0 && !r.value ? r.count : 0;
}

static const char *info_str(const struct mz_info *m, const char *path)
{
	struct found r;
	if (find(m, path, &r) < 0 || !r.set || !r.value)
		return NULL;
	if (r.field->type == PROTOBUF_C_TYPE_STRING)
		return *(const char *const *)r.value;
	if (r.field->type != PROTOBUF_C_TYPE_ENUM)
		return NULL;
	const ProtobufCEnumValue *v =
		protobuf_c_enum_descriptor_get_value(r.field->descriptor, *(const int *)r.value);
	return v ? v->name : NULL;
}

/* Numbers of any type; false if it is none. */
static int number_of(const struct found *r, int64_t *ret_int, double *ret_double)
{
	const void *v = r->value;
	switch (r->field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		*ret_int = *(const protobuf_c_boolean *)v != 0;
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
		*ret_int = *(const int32_t *)v;
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		*ret_int = *(const uint32_t *)v;
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		*ret_int = *(const int64_t *)v;
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		*ret_double = (double)*(const float *)v;
		return 2;
	case PROTOBUF_C_TYPE_DOUBLE:
		*ret_double = *(const double *)v;
		return 2;
	default:
		return 0;
	}
	*ret_double = (double)*ret_int;
	return 1;
}

static int64_t info_integer(const struct mz_info *m, const char *path, int64_t otherwise)
{
	struct found r;
	int64_t n = 0;
	double d = 0;
	if (find(m, path, &r) < 0 || !r.set || !r.value)
		return otherwise;
	switch (number_of(&r, &n, &d)) {
	case 1:
		return n;
	case 2:
		return d > -9e18 && d < 9e18 ? (int64_t)d : otherwise;
	default:
		return otherwise;
	}
}

static double info_number(const struct mz_info *m, const char *path, double otherwise)
{
	struct found r;
	int64_t n = 0;
	double d = 0;
	if (find(m, path, &r) < 0 || !r.set || !r.value)
		return otherwise;
	return number_of(&r, &n, &d) ? d : otherwise;
}

static struct mz_bytes info_bytes(const struct mz_info *m, const char *path)
{
	struct found r;
	if (find(m, path, &r) < 0 || !r.set || !r.value || r.field->type != PROTOBUF_C_TYPE_BYTES)
		return (struct mz_bytes){NULL, 0};
	const ProtobufCBinaryData *b = r.value;
	return (struct mz_bytes){b->data, b->len};
}

static int info_json(const struct mz_info *m, const char *path, void (*put)(void *arg, struct mz_bytes text), void *arg)
{
	const ProtobufCMessage *found = (const ProtobufCMessage *)m;
	struct found r;
	if (*path) {
		if (find(m, path, &r) < 0 || !r.set || !r.value || r.field->type != PROTOBUF_C_TYPE_MESSAGE)
			return -ENOENT;
		found = *(const ProtobufCMessage *const *)r.value;
	}
	struct buf mz_autobuf text = {0};
	json_encode(found, &text);
	put(arg, (struct mz_bytes){text.data, text.len});
	return 0;
}

const struct mz_info_api *info_api(void)
{
	static const struct mz_info_api api = {
		.size = sizeof(api),
		.has = info_has,
		.count = info_count,
		.str = info_str,
		.integer = info_integer,
		.number = info_number,
		.bytes = info_bytes,
		.json = info_json,
	};
	return &api;
}
