/* pb_fuzz.c - any bytes are refused or the same message after a round trip; what is not refused has
 * the form that everybody relies on, and a copy of it stands by itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "roots.h"
#include "wire/fields.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const pb_msg *m, bool is_entry);

static void check_elem(const pb_field *f, const void *elem)
{
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		const char *s = *(char *const *)elem;
		must(s && str_is_utf8(s, strlen(s)));
	} else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		must(*(pb_msg *const *)elem);
		check_message(*(pb_msg *const *)elem, field_is_map(f));
	}
}

static void check_message(const pb_msg *m, bool is_entry)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const pb_field *f = &m->descriptor->fields[i];
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			for (size_t k = 0; k < *field_count(m, f); k++)
				check_elem(f, *(char **)field_at(m, f) + k * field_elem_size(f));
		} else if (field_is_set(m, f)) {
			check_elem(f, field_at(m, f));
		} else {
			must(f->label != PROTOBUF_C_LABEL_REQUIRED && !is_entry);
		}
	}
}

/* What it is made of goes before it is looked at. */
static void check_copy(const pb_desc *d, const uint8_t *data, size_t size, struct mz_bytes want)
{
	mz_autoarena struct arena a = {0};
	pb_msg *copy;
	{
		mz_autoarena struct arena gone = {0};
		uint8_t *bytes = memcpy(arena_alloc(&gone, size + 1), data, size);
		pb_msg *m = pb_decode(d, &gone, bytes, size, NULL);
		must(m);
		copy = pb_copy(m, &a);
		must(pb_equal(m, copy));
	}
	struct mz_bytes got = pb_encode_arena(copy, &a);
	must(got.size == want.size && !memcmp(got.data, want.data, want.size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mz_autoarena struct arena a = {0};
	mz_autobuf struct buf text = {0};
	struct mz_err err = {0};
	if (!size)
		return 0;
	const pb_desc *d = root_of(data[0]);
	pb_msg *m = pb_decode(d, &a, data + 1, size - 1, &err);
	if (!m) {
		must(err.code < 0 && err.msg[0]);
		return 0;
	}
	struct mz_bytes bytes = pb_encode_arena(m, &a);
	pb_msg *again = pb_decode(d, &a, bytes.data, bytes.size, &err);
	must(again && pb_equal(m, again));
	check_message(m, false);
	check_copy(d, data + 1, size - 1, bytes);
	json_encode(m, &text);
	json_decode(d, &a, text.data, text.len, &err); /* a NaN is refused */
	return 0;
}
