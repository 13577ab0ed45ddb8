/* messages.c - see messages.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "messages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "google/protobuf/duration.pb-c.h"
#include "mesos/v1/agent.pb-c.h"
#include "mesos/v1/allocator.pb-c.h"
#include "mesos/v1/executor.pb-c.h"
#include "mesos/v1/maintenance.pb-c.h"
#include "mesos/v1/master.pb-c.h"
#include "mesos/v1/mesos.pb-c.h"
#include "mesos/v1/quota.pb-c.h"
#include "mesos/v1/resource_provider.pb-c.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "mezzo/link.pb-c.h"
#include "mezzo/records.pb-c.h"
#include "wire/fields.h"

const pb_desc *const all_messages[] = {
#define D(name) &name,
#include "tests/unit/descriptors.inc"
#undef D
};
const size_t n_all_messages = MZ_N(all_messages);

enum { FULL_DEPTH = 4 }; /* below it only what is required */

static uint64_t next(uint64_t *seed)
{
	uint64_t z = *seed += 0x9E3779B97F4A7C15u;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

static double random_double(uint64_t *seed)
{
	uint64_t r = next(seed);
	double d;
	switch (r % 6) {
	case 0:
		return (double)(int64_t)(next(seed) >> 40);
	case 1:
		return (double)(next(seed) % 100000000) / 1000;
	case 2:
		return 1795249756.0 + (double)(next(seed) % 1000000) / 1e6;
	case 3:
		return r & 64 ? 0.0 : -0.0;
	default:
		do {
			r = next(seed);
			memcpy(&d, &r, sizeof(d));
		} while (!isfinite(d));
		return d;
	}
}

static char *random_string(struct arena *a, uint64_t *seed)
{
	static const char *const parts[] = {"a",	 "Z9",		"\"",		"\\",	    "/",      "\n\t\r\b\f", "\x01\x1f",
					    "\x7f",	 "\xc3\xa9",	"\xe2\x82\xac", "\xf0\x9f\x98\x80", "{}[]:,", " ",
					    "null",	 "\xef\xbf\xbf"};
	mz_autobuf struct buf b = {0};
	for (uint64_t n = next(seed) % 6; n; n--)
		buf_adds(&b, parts[next(seed) % MZ_N(parts)]);
	return arena_strdup(a, buf_str(&b));
}

static pb_msg *random_at(const pb_desc *d, struct arena *a, uint64_t *seed, int depth);

static void random_elem(const pb_field *f, void *at, struct arena *a, uint64_t *seed, int depth)
{
	uint64_t r = next(seed);
	r >>= r % 64; /* small numbers are as likely as large ones */
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)at = random_string(a, seed);
		return;
	case PROTOBUF_C_TYPE_BYTES: {
		ProtobufCBinaryData *b = at;
		b->len = r % 40;
		b->data = arena_alloc(a, b->len);
		for (size_t i = 0; i < b->len; i++)
			b->data[i] = (uint8_t)next(seed);
		return;
	}
	case PROTOBUF_C_TYPE_MESSAGE:
		*(pb_msg **)at = random_at(f->descriptor, a, seed, depth + 1);
		return;
	case PROTOBUF_C_TYPE_ENUM: {
		const ProtobufCEnumDescriptor *e = f->descriptor;
		*(int *)at = e->values[r % e->n_values].value;
		return;
	}
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = r & 1;
		return;
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *)at = random_double(seed);
		return;
	default:
		memcpy(at, &r, field_elem_size(f)); /* little endian or not: any bits do */
	}
}

static void random_array(pb_msg *m, const struct field_info *fi, struct arena *a, uint64_t *seed, int depth)
{
	const pb_field *f = fi->f;
	size_t n = 1 + next(seed) % 3, elem = field_elem_size(f);
	char *elems = arena_calloc(a, n * elem);
	for (size_t i = 0; i < n; i++) {
		random_elem(f, elems + i * elem, a, seed, depth);
		if (!fi->is_map)
			continue;
		/* Whole entries with distinct keys, as a map has them. */
		pb_msg *entry = *(pb_msg **)(void *)(elems + i * elem);
		const pb_field *kv = entry->descriptor->fields;
		char key[16];
		snprintf(key, sizeof(key), "key\"%zu", i);
		*(char **)field_at(entry, &kv[0]) = arena_strdup(a, key);
		random_elem(&kv[1], field_at(entry, &kv[1]), a, seed, depth + 1);
	}
	*field_count(m, f) = n;
	*(char **)field_at(m, f) = elems;
}

static pb_msg *random_at(const pb_desc *d, struct arena *a, uint64_t *seed, int depth)
{
	const struct fields *fs = fields_of(d);
	pb_msg *m = pb_new(d, a);
	for (unsigned i = 0; i < fs->n; i++) {
		const pb_field *f = fs->v[i].f;
		bool required = f->label == PROTOBUF_C_LABEL_REQUIRED;
		if (!required && (depth >= FULL_DEPTH || next(seed) % 4 < (uint64_t)depth))
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			random_array(m, &fs->v[i], a, seed, depth);
			continue;
		}
		random_elem(f, field_at(m, f), a, seed, depth);
		if (field_is_oneof(f))
			*field_quantifier(m, f) = f->id;
		else if (!required && !field_is_pointer(f))
			*field_quantifier(m, f) = 1;
	}
	return m;
}

pb_msg *message_random(const pb_desc *d, struct arena *a, uint64_t *seed)
{
	return random_at(d, a, seed, 0);
}
