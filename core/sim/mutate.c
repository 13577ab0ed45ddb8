/* mutate.c - valid messages made wrong, and the hearsay with which that is done. See
 * gossip.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim/gossip.h"
#include "wire/pb.h"

enum { N_REMEMBERED = 64, MAX_REPEATED = 40, MAX_LONG_TEXT = 70000 };

struct gossip {
	struct sim *sim;
	char *ids[N_GOSSIP][N_REMEMBERED];
	size_t n[N_GOSSIP];
};

struct gossip *gossip_new(struct sim *s)
{
	struct gossip *g = xnew(struct gossip);
	g->sim = s;
	return g;
}

void gossip_free(struct gossip *g)
{
	if (!g)
		return;
	for (int k = 0; k < N_GOSSIP; k++)
		for (int i = 0; i < N_REMEMBERED; i++)
			free(g->ids[k][i]);
	free(g);
}

void gossip_tell(struct gossip *g, enum gossip_kind k, const char *id)
{
	if (g)
		xset(&g->ids[k][g->n[k]++ % N_REMEMBERED], id);
}

const char *gossip_any(struct gossip *g, enum gossip_kind k)
{
	size_t n = g ? MZ_MIN(g->n[k], (size_t)N_REMEMBERED) : 0;
	return n ? g->ids[k][sim_below(g->sim, n)] : NULL;
}

/* ---- one field ------------------------------------------------------------------- */

static char *odd_text(struct sim *s, bool json, struct arena *m)
{
	static const char *const texts[] = {"",     ".",  "..",	  "a/b",  "*",	   "role0/../role1", "-x", " ",
					    "a\tb", "\n", "\x7f", "x0-0", "null",  "\xc3\xa9",	     "%s%n", "{}"};
	size_t k = sim_below(s, MZ_N(texts) + 2);
	if (k < MZ_N(texts))
		return arena_strdup(m, texts[k]);
	if (k == MZ_N(texts) && !json)
		return arena_strdup(m, "\xff\xfe");
	size_t n = 1 + sim_below(s, MAX_LONG_TEXT);
	char *t = arena_alloc(m, n + 1);
	memset(t, 'x', n);
	t[n] = '\0';
	return t;
}

static double odd_number(struct sim *s, bool json)
{
	static const double numbers[] = {0, -1, 1e-9, 1e308, -1e308, 4294967296.0, 0.0005, NAN, INFINITY, -INFINITY};
	return numbers[sim_below(s, MZ_N(numbers) - (json ? 3 : 0))];
}

static uint64_t odd_integer(struct sim *s)
{
	static const uint64_t numbers[] = {0, 1, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN, INT32_MAX, UINT32_MAX, 65536};
	return numbers[sim_below(s, MZ_N(numbers))];
}

static int odd_enum(struct sim *s, const ProtobufCEnumDescriptor *d, bool json)
{
	static const int numbers[] = {-1, 99, INT32_MAX};
	if (json || sim_chance(s, 500))
		return d->values[sim_below(s, d->n_values)].value;
	return numbers[sim_below(s, MZ_N(numbers))];
}

/* Overwrites the value at `at`. */
static void set_odd(struct sim *s, const ProtobufCFieldDescriptor *d, void *at, bool json, struct arena *m)
{
	switch (d->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)at = odd_text(s, json, m);
		break;
	case PROTOBUF_C_TYPE_BYTES: {
		ProtobufCBinaryData *b = at;
		b->len = sim_below(s, 40);
		b->data = arena_calloc(m, b->len + 1);
		break;
	}
	case PROTOBUF_C_TYPE_MESSAGE:
		*(pb_msg **)at = pb_new(d->descriptor, m);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *)at = odd_number(s, json);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		*(float *)at = 1;
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = !*(protobuf_c_boolean *)at;
		break;
	case PROTOBUF_C_TYPE_ENUM:
		*(int *)at = odd_enum(s, d->descriptor, json);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		*(uint64_t *)at = odd_integer(s);
		break;
	default:
		*(uint32_t *)at = (uint32_t)odd_integer(s);
		break;
	}
}

static size_t size_of(const ProtobufCFieldDescriptor *d)
{
	switch (d->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return 8;
	default:
		return 4; /* numbers, enums and protobuf_c_boolean */
	}
}

static bool is_pointer(const ProtobufCFieldDescriptor *d)
{
	return d->type == PROTOBUF_C_TYPE_STRING || d->type == PROTOBUF_C_TYPE_MESSAGE;
}

static void repeat(struct sim *s, const ProtobufCFieldDescriptor *d, size_t *n, void **v, struct arena *m)
{
	size_t size = size_of(d), more = 1 + sim_below(s, MAX_REPEATED);
	char *p = arena_calloc(m, (*n + more) * size);
	if (*n)
		memcpy(p, *v, *n * size);
	for (size_t i = 0; i < more; i++) {
		char *to = p + (*n + i) * size;
		if (*n)
			memcpy(to, p, size);
		else if (is_pointer(d) || d->type == PROTOBUF_C_TYPE_ENUM)
			set_odd(s, d, to, true, m);
	}
	*v = p;
	*n += more;
}

static bool in_oneof(const ProtobufCFieldDescriptor *d)
{
	return d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

/* One of several that share their room: which one it is changes along. */
static void change_oneof(struct sim *s, pb_msg *x, const ProtobufCFieldDescriptor *d, bool json, struct arena *m)
{
	uint32_t *which = (uint32_t *)((char *)x + d->quantifier_offset);
	*which = 0;
	if (sim_chance(s, 300))
		return;
	memset((char *)x + d->offset, 0, size_of(d));
	set_odd(s, d, (char *)x + d->offset, json, m);
	*which = d->id;
}

static void change(struct sim *s, pb_msg *x, const ProtobufCFieldDescriptor *d, bool json, struct arena *m)
{
	char *at = (char *)x + d->offset;
	if (d->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t *n = (size_t *)((char *)x + d->quantifier_offset);
		if (*n && sim_chance(s, 500))
			*n = sim_below(s, *n);
		else
			repeat(s, d, n, (void **)at, m);
		return;
	}
	if (in_oneof(d)) {
		change_oneof(s, x, d, json, m);
		return;
	}
	bool required = d->label == PROTOBUF_C_LABEL_REQUIRED, leave_out = !required && sim_chance(s, 300);
	if (!is_pointer(d) && !required)
		*(protobuf_c_boolean *)((char *)x + d->quantifier_offset) = !leave_out;
	if (!leave_out)
		set_odd(s, d, at, json, m);
	else if (is_pointer(d))
		*(void **)at = NULL;
}

/* A message in the field, or NULL. */
static pb_msg *inner(struct sim *s, pb_msg *x, const ProtobufCFieldDescriptor *d)
{
	char *at = (char *)x + d->offset;
	if (d->type != PROTOBUF_C_TYPE_MESSAGE)
		return NULL;
	if (in_oneof(d) && *(uint32_t *)((char *)x + d->quantifier_offset) != d->id)
		return NULL;
	if (d->label != PROTOBUF_C_LABEL_REPEATED)
		return *(pb_msg **)at;
	size_t n = *(size_t *)((char *)x + d->quantifier_offset);
	return n ? (*(pb_msg ***)at)[sim_below(s, n)] : NULL;
}

void sim_mutate(struct sim *s, void *pb_message, bool json, struct arena *m)
{
	pb_msg *x = pb_message;
	for (;;) {
		const pb_desc *d = x->descriptor;
		pb_msg *within[256];
		size_t n = 0;
		for (unsigned i = 0; i < d->n_fields && n < MZ_N(within); i++)
			if ((within[n] = inner(s, x, &d->fields[i])))
				n++;
		if (n && sim_chance(s, 850)) {
			x = within[sim_below(s, n)];
			continue;
		}
		if (d->n_fields)
			change(s, x, &d->fields[sim_below(s, d->n_fields)], json, m);
		return;
	}
}

/* ---- bytes ------------------------------------------------------------------------- */

/* Replaces `n` bytes at `at`. */
static void splice(struct buf *b, size_t at, size_t n, const char *text)
{
	struct buf out = {0};
	buf_add(&out, b->data, at);
	buf_adds(&out, text);
	buf_add(&out, b->data + at + n, b->len - at - n);
	buf_done(b);
	*b = out;
}

static void mutate_json(struct sim *s, struct buf *b)
{
	static const char *const tokens[] = {"null", "[", "]", "{", "}", "\"", ",", ":", "1e999", "-", "true", "\\u0000",
					     "\"NO_SUCH\"", "99999999999999999999", "[[[[[[", "0x1", "{}", "[]", "\"\""};
	const char *text = tokens[sim_below(s, MZ_N(tokens))];
	size_t at = sim_below(s, b->len), n = 0;
	/* Mostly in the place of a value. */
	for (size_t i = at; sim_chance(s, 700) && i < b->len; i++)
		if (b->data[i] == ':') {
			at = i + 1;
			n = MZ_MIN(strcspn(b->data + at, ",}]"), b->len - at); /* it may have been cut */
			break;
		}
	splice(b, at, n, text);
}

void sim_mutate_bytes(struct sim *s, struct buf *b, bool json)
{
	(void)buf_str(b); /* ended by a zero */
	if (!b->len)
		return;
	size_t at = sim_below(s, b->len), n = 1 + sim_below(s, MZ_MIN(b->len - at, (size_t)16));
	switch (sim_below(s, json ? 6 : 4)) {
	case 0:
		b->data[at] = (char)sim_below(s, 256);
		break;
	case 1:
		b->len = at;
		break;
	case 2:
		splice(b, at, n, "");
		break;
	case 3:
		splice(b, at, 0, "\x0a\x80\x01\x7f");
		break;
	default:
		mutate_json(s, b);
		break;
	}
}
