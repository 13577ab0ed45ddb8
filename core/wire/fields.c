/* fields.c - see fields.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/fields.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

_Static_assert(sizeof(protobuf_c_boolean) == 4, "has_x is 32-bit");

/* Far more than there are message types; a power of two. Write-once entries:
 * the one piece of state here, and the same for everybody. */
enum { N_SLOTS = 4096 };
static _Atomic(const struct fields *) slots[N_SLOTS];

bool field_is_map(const pb_field *f)
{
	if (f->label != PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	/* protoc names the entry type after the field: offer_filters -> OfferFiltersEntry. */
	const pb_desc *d = f->descriptor;
	const char *e = d->short_name;
	bool upper = true;
	for (const char *s = f->name; *s; s++) {
		if (*s == '_') {
			upper = true;
			continue;
		}
		char c = upper && *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s;
		if (*e++ != c)
			return false;
		upper = false;
	}
	return !strcmp(e, "Entry") && d->n_fields == 2 && !strcmp(d->fields[0].name, "key") &&
	       d->fields[0].type == PROTOBUF_C_TYPE_STRING && !strcmp(d->fields[1].name, "value");
}

static int by_offset(const void *a, const void *b)
{
	unsigned x = (*(const pb_field *const *)a)->offset, y = (*(const pb_field *const *)b)->offset;
	return (x > y) - (x < y);
}

/* The struct's members are in the order of the .proto, except that the members
 * of a oneof are at its end: these go before the first field of a higher number. */
static void sort_fields(const pb_desc *d, const pb_field **out)
{
	unsigned n = 0;
	for (unsigned i = 0; i < d->n_fields; i++)
		if (!field_is_oneof(&d->fields[i]))
			out[n++] = &d->fields[i];
	qsort(out, n, sizeof(out[0]), by_offset);
	for (unsigned i = 0; i < d->n_fields; i++) {
		const pb_field *f = &d->fields[i];
		if (!field_is_oneof(f))
			continue;
		unsigned at = 0;
		while (at < n && out[at]->id < f->id)
			at++;
		memmove(&out[at + 1], &out[at], (n - at) * sizeof(out[0]));
		out[at] = f;
		n++;
	}
}

static struct fields *fields_build(const pb_desc *d)
{
	const pb_field *sorted[FIELDS_MAX];
	must(d->n_fields <= FIELDS_MAX);
	sort_fields(d, sorted);
	struct fields *fs = xcalloc(1, sizeof(*fs) + d->n_fields * sizeof(fs->v[0]));
	fs->desc = d;
	fs->n = d->n_fields;
	fs->by_name = xcalloc(d->n_fields + 1, sizeof(fs->by_name[0]));
	for (unsigned i = 0; i < fs->n; i++) {
		const pb_field *f = sorted[i];
		must(f->label != PROTOBUF_C_LABEL_NONE); /* proto2 only */
		fs->v[i] = (struct field_info){
			.f = f, .name_len = (uint16_t)strlen(f->name), .pos = (uint16_t)i, .is_map = field_is_map(f)};
		fs->n_required += f->label == PROTOBUF_C_LABEL_REQUIRED;
		for (unsigned k = 0; k < fs->n; k++)
			if (&d->fields[d->fields_sorted_by_name[k]] == f)
				fs->by_name[k] = &fs->v[i];
	}
	return fs;
}

const struct fields *fields_of(const pb_desc *desc)
{
	size_t at = ((uintptr_t)desc >> 4) * 0x9E3779B97F4A7C15u >> 40;
	for (unsigned tries = 0; tries < N_SLOTS; tries++, at++) {
		_Atomic(const struct fields *) *slot = &slots[at & (N_SLOTS - 1)];
		const struct fields *have = atomic_load_explicit(slot, memory_order_acquire);
		if (!have) {
			struct fields *mine = fields_build(desc);
			if (atomic_compare_exchange_strong(slot, &have, mine))
				return mine;
			free(mine->by_name);
			free(mine);
		}
		if (have->desc == desc)
			return have;
	}
	must(!"too many message types");
	return NULL;
}

static bool name_is(const struct field_info *fi, const char *name, size_t len)
{
	return fi->name_len == len && !memcmp(fi->f->name, name, len);
}

const struct field_info *fields_find(const struct fields *fs, unsigned hint, const char *name, size_t len)
{
	if (hint < fs->n && name_is(&fs->v[hint], name, len))
		return &fs->v[hint];
	unsigned lo = 0, hi = fs->n;
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		const struct field_info *fi = fs->by_name[mid];
		int cmp = memcmp(name, fi->f->name, MZ_MIN(len, (size_t)fi->name_len));
		if (!cmp && len == fi->name_len)
			return fi;
		if (cmp < 0 || (!cmp && len < fi->name_len))
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

size_t field_elem_size(const pb_field *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_BOOL:
		return 4;
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
	}
	must(!"unknown field type");
	return 0;
}

bool field_is_set(const pb_msg *m, const pb_field *f)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *field_count(m, f) > 0;
	if (field_is_oneof(f) && *field_quantifier(m, f) != f->id)
		return false;
	if (field_is_pointer(f)) {
		const void *p = *(void **)field_at(m, f);
		/* A required string with a default is on the wire all the same. */
		return p && (p != f->default_value || f->label == PROTOBUF_C_LABEL_REQUIRED);
	}
	return f->label == PROTOBUF_C_LABEL_REQUIRED || field_is_oneof(f) || *field_quantifier(m, f);
}
