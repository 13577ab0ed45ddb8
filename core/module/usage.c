/* usage.c - struct mz_usage_api: fills in a message by path, through its
 * descriptor, making submessages and list elements as they are named.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "module/reflect.h"

enum { MAX_ELEMENTS = 1024 };

struct mz_usage *usage_new(const ProtobufCMessageDescriptor *d)
{
	struct mz_usage *u = xnew(struct mz_usage);
	u->msg = arena_calloc(&u->arena, d->sizeof_message);
	protobuf_c_message_init(d, u->msg);
	return u;
}

void usage_free(struct mz_usage *u)
{
	if (!u)
		return;
	arena_done(&u->arena);
	free(u);
}

static void mark_set(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	char *base = (char *)m;
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		*(uint32_t *)(base + f->quantifier_offset) = f->id;
	else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->type != PROTOBUF_C_TYPE_STRING &&
		 f->type != PROTOBUF_C_TYPE_MESSAGE)
		*(protobuf_c_boolean *)(base + f->quantifier_offset) = 1;
}

static ProtobufCMessage *new_message(struct mz_usage *u, const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;
	ProtobufCMessage *m = arena_calloc(&u->arena, d->sizeof_message);
	protobuf_c_message_init(d, m);
	return m;
}

/* Element i of a list of messages; one more than there are makes it. */
static ProtobufCMessage *element(struct mz_usage *u, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
				 const char **path)
{
	size_t *n = (size_t *)((char *)m + f->quantifier_offset);
	ProtobufCMessage ***list = (ProtobufCMessage ***)((char *)m + f->offset);
	size_t i = 0;
	if (**path != '.' || (*path)[1] < '0' || (*path)[1] > '9')
		return NULL;
	const char *p = *path + 1;
	for (; *p >= '0' && *p <= '9' && i < MAX_ELEMENTS; p++)
		i = i * 10 + (size_t)(*p - '0');
	if (i > *n || i >= MAX_ELEMENTS)
		return NULL;
	if (i == *n) {
		ProtobufCMessage **more = arena_alloc(&u->arena, (*n + 1) * sizeof(*more));
		if (*n)
			memcpy(more, *list, *n * sizeof(*more));
		more[i] = new_message(u, f);
		*list = more;
		(*n)++;
	}
	*path = p;
	return (*list)[i];
}

/* The message and field that a path ends in. */
static int reach(struct mz_usage *u, const char *path, ProtobufCMessage **ret_m, const ProtobufCFieldDescriptor **ret_f)
{
	ProtobufCMessage *m = u->msg;
	char name[64];
	for (;;) {
		path = path_segment(path, name, sizeof(name));
		if (!path)
			return -ENOENT;
		const ProtobufCFieldDescriptor *f =
			protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
		if (!f)
			return -ENOENT;
		if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
			if (*path || f->label == PROTOBUF_C_LABEL_REPEATED)
				return -ENOENT;
			*ret_m = m;
			*ret_f = f;
			return 0;
		}
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			m = element(u, m, f, &path);
		} else {
			ProtobufCMessage **at = (ProtobufCMessage **)((char *)m + f->offset);
			if (!reflect_is_set(m, f)) {
				*at = new_message(u, f);
				mark_set(m, f);
			}
			m = *at;
		}
		if (!m || *path != '.')
			return -ENOENT;
		path++;
	}
}

static int store_number(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, int64_t n, double d)
{
	void *at = (char *)m + f->offset;
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = n != 0;
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		*(uint32_t *)at = (uint32_t)n;
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		*(int64_t *)at = n;
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		*(float *)at = (float)d;
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *)at = d;
		break;
	default:
		return -ENOENT;
	}
	mark_set(m, f);
	return 0;
}

static int set_integer(struct mz_usage *u, const char *path, int64_t value)
{
	ProtobufCMessage *m;
	const ProtobufCFieldDescriptor *f;
	int rc = reach(u, path, &m, &f);
	return rc < 0 ? rc : store_number(m, f, value, (double)value);
}

static int set_number(struct mz_usage *u, const char *path, double value)
{
	ProtobufCMessage *m;
	const ProtobufCFieldDescriptor *f;
	int rc = reach(u, path, &m, &f);
	return rc < 0 ? rc : store_number(m, f, value > -9e18 && value < 9e18 ? (int64_t)value : 0, value);
}

static int set_string(struct mz_usage *u, const char *path, const char *value)
{
	ProtobufCMessage *m;
	const ProtobufCFieldDescriptor *f;
	int rc = reach(u, path, &m, &f);
	if (rc < 0)
		return rc;
	if (f->type == PROTOBUF_C_TYPE_ENUM) {
		const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value_by_name(f->descriptor, value);
		return v ? store_number(m, f, v->value, v->value) : -ENOENT;
	}
	if (f->type != PROTOBUF_C_TYPE_STRING)
		return -ENOENT;
	*(char **)((char *)m + f->offset) = arena_strdup(&u->arena, value);
	mark_set(m, f);
	return 0;
}

const struct mz_usage_api *usage_api(void)
{
	static const struct mz_usage_api api = {
		.size = sizeof(api),
		.set_integer = set_integer,
		.set_number = set_number,
		.set_string = set_string,
	};
	return &api;
}

/* A list element or submessage that lacks a required field cannot be sent. */
static void drop_incomplete(ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		char *at = (char *)m + f->offset;
		if (f->type != PROTOBUF_C_TYPE_MESSAGE || !reflect_is_set(m, f))
			continue;
		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			ProtobufCMessage **sub = (ProtobufCMessage **)at;
			drop_incomplete(*sub);
			if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && !protobuf_c_message_check(*sub))
				*sub = NULL;
			continue;
		}
		size_t *n = (size_t *)((char *)m + f->quantifier_offset), kept = 0;
		ProtobufCMessage **list = *(ProtobufCMessage ***)at;
		for (size_t k = 0; k < *n; k++) {
			drop_incomplete(list[k]);
			if (protobuf_c_message_check(list[k]))
				list[kept++] = list[k];
		}
		*n = kept;
	}
}

struct mz_bytes usage_pack(struct mz_usage *u)
{
	drop_incomplete(u->msg);
	size_t size = protobuf_c_message_get_packed_size(u->msg);
	unsigned char *data = arena_alloc(&u->arena, size + 1);
	return (struct mz_bytes){data, protobuf_c_message_pack(u->msg, data)};
}
