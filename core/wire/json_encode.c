/* json_encode.c - the writing half of json.h.
 *
 * Every answer and every event passes here, so values are written straight into
 * the reserved end of the buffer.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "wire/fields.h"
#include "wire/json.h"

enum { NUMBER_MAX = 40 }; /* bytes of any number or literal */

static const char digits[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
			     "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
			     "8081828384858687888990919293949596979899";

/* Writes `v` and returns the end. */
static char *put_u64(char *to, uint64_t v)
{
	char tmp[20];
	char *p = tmp + sizeof(tmp);
	while (v >= 100) {
		p -= 2;
		memcpy(p, digits + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		p -= 2;
		memcpy(p, digits + v * 2, 2);
	} else {
		*--p = (char)('0' + v);
	}
	size_t n = (size_t)(tmp + sizeof(tmp) - p);
	memcpy(to, p, n);
	return to + n;
}

static char *put_i64(char *to, int64_t v)
{
	if (v >= 0)
		return put_u64(to, (uint64_t)v);
	*to++ = '-';
	return put_u64(to, -(uint64_t)v);
}

/* `scaled` / 10^n_decimals, trailing zeros cut but for one. */
static char *put_fixed(char *to, uint64_t scaled, unsigned n_decimals)
{
	uint64_t unit = 1;
	for (unsigned i = 0; i < n_decimals; i++)
		unit *= 10;
	to = put_u64(to, scaled / unit);
	*to++ = '.';
	uint64_t rest = scaled % unit;
	do {
		unit /= 10;
		*to++ = (char)('0' + rest / unit);
		rest %= unit;
	} while (rest && unit > 1);
	return to;
}

/* From "d.ddde[+-]xx" (the shortest digits) to plain notation, up to 21 digits
 * before the point and 5 zeros behind it. */
static char *put_digits(char *to, const char *sci)
{
	char d[20];
	int n = 0;
	const char *p = sci;
	for (; *p && *p != 'e'; p++)
		if (*p != '.')
			d[n++] = *p;
	int point = *p ? atoi(p + 1) + 1 : 1; /* digits before the point */
	while (n > 1 && d[n - 1] == '0')
		n--;
	if (point > 21 || point < -5) {
		*to++ = d[0];
		if (n > 1) {
			*to++ = '.';
			memcpy(to, d + 1, (size_t)n - 1);
			to += n - 1;
		}
		return to + sprintf(to, "e%d", point - 1);
	}
	if (point <= 0) {
		*to++ = '0';
		*to++ = '.';
		for (int i = point; i < 0; i++)
			*to++ = '0';
		memcpy(to, d, (size_t)n);
		return to + n;
	}
	for (int i = 0; i < MZ_MAX(point, n); i++) {
		if (i == point)
			*to++ = '.';
		*to++ = i < n ? d[i] : '0';
	}
	if (n <= point) {
		*to++ = '.';
		*to++ = '0';
	}
	return to;
}

static char *put_double(char *to, double d)
{
	/* Up to six decimals, nearly all that there is (resources have three,
	 * times have six): if the quotient is the number again, its digits are
	 * the shortest, since at this size no two of them share a double. */
	static const double scales[] = {1, 1e3, 1e6};
	double abs = fabs(d);

	if (isnan(d))
		return mempcpy(to, "\"NaN\"", 5);
	if (isinf(d))
		return d > 0 ? mempcpy(to, "\"Infinity\"", 10) : mempcpy(to, "\"-Infinity\"", 11);
	if (signbit(d))
		*to++ = '-';
	for (unsigned i = 0; i < MZ_N(scales); i++) {
		double scaled = abs * scales[i];
		if (scaled >= 4503599627370496.0) /* 2^52 */
			break;
		uint64_t whole = (uint64_t)(scaled + 0.5);
		if ((double)whole / scales[i] != abs)
			continue;
		if (i)
			return put_fixed(to, whole, i * 3);
		return mempcpy(put_u64(to, whole), ".0", 2);
	}
	char sci[32];
	for (int precision = 14; precision <= 16; precision++) {
		snprintf(sci, sizeof(sci), "%.*e", precision, abs);
		if (strtod(sci, NULL) == abs)
			break;
	}
	return put_digits(to, sci);
}

void json_add_double(struct buf *out, double d)
{
	char *to = buf_reserve(out, NUMBER_MAX);
	out->len += (size_t)(put_double(to, d) - to);
	out->data[out->len] = '\0';
}

/* The bytes of the UTF-8 sequence at `s`, 0 if it is none. */
static size_t utf8_len(const char *s, size_t left)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	return c >= 0xc2 && n <= left && str_is_utf8(s, n) ? n : 0;
}

static void add_escaped(struct buf *out, unsigned char c)
{
	static const char letters[] = "btn\0fr";
	char *to = buf_reserve(out, 6);
	to[0] = '\\';
	if (c == '"' || c == '\\' || (c >= 8 && c <= 13 && c != 11)) {
		to[1] = c >= 8 && c <= 13 ? letters[c - 8] : (char)c;
		out->len += 2;
	} else {
		memcpy(to, "\\u00", 4);
		to[4] = "0123456789ABCDEF"[c >> 4];
		to[5] = "0123456789ABCDEF"[c & 15];
		out->len += 6;
	}
}

void json_add_string(struct buf *out, const char *s)
{
	json_add_text(out, s, strlen(s));
}

void json_add_text(struct buf *out, const char *s, size_t len)
{
	size_t clean = 0;
	buf_reserve(out, len + 2);
	buf_addc(out, '"');
	for (size_t i = 0; i < len;) {
		unsigned char c = (unsigned char)s[i];
		if (c >= 0x20 && c != '"' && c != '\\' && c < 0x80) {
			i++;
			continue;
		}
		size_t n = c >= 0x80 ? utf8_len(s + i, len - i) : 0;
		if (n) {
			i += n;
			continue;
		}
		buf_add(out, s + clean, i - clean);
		/* The reader must get valid JSON, whatever a file or a name holds. */
		if (c >= 0x80)
			buf_adds(out, "\\ufffd");
		else
			add_escaped(out, c);
		clean = ++i;
	}
	buf_add(out, s + clean, len - clean);
	buf_addc(out, '"');
}

static char *put_scalar(char *to, const pb_field *f, const void *at)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM: /* of a value without a name */
		return put_i64(to, *(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return put_u64(to, *(const uint32_t *)at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return put_i64(to, *(const int64_t *)at);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return put_u64(to, *(const uint64_t *)at);
	case PROTOBUF_C_TYPE_FLOAT:
		return put_double(to, (double)*(const float *)at);
	case PROTOBUF_C_TYPE_DOUBLE:
		return put_double(to, *(const double *)at);
	default:
		return *(const protobuf_c_boolean *)at ? mempcpy(to, "true", 4) : mempcpy(to, "false", 5);
	}
}

static void add_value(struct buf *out, const pb_field *f, const void *at)
{
	const char *name;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: {
		const char *s = *(char *const *)at;
		json_add_string(out, s ? s : "");
		return;
	}
	case PROTOBUF_C_TYPE_BYTES: {
		const ProtobufCBinaryData *b = at;
		buf_addc(out, '"');
		base64_add(out, b->data, b->len);
		buf_addc(out, '"');
		return;
	}
	case PROTOBUF_C_TYPE_MESSAGE: {
		const pb_msg *m = *(pb_msg *const *)at;
		if (m)
			json_encode(m, out);
		else
			buf_add(out, "{}", 2);
		return;
	}
	case PROTOBUF_C_TYPE_ENUM:
		name = pb_enum_name(f->descriptor, *(const int *)at);
		if (name) {
			size_t n = strlen(name);
			char *to = buf_reserve(out, n + 2);
			*to++ = '"';
			to = mempcpy(to, name, n);
			*to = '"';
			out->len += n + 2;
			return;
		}
		break;
	default:
		break;
	}
	char *to = buf_reserve(out, NUMBER_MAX);
	out->len += (size_t)(put_scalar(to, f, at) - to);
}

static void add_map(struct buf *out, const pb_field *f, pb_msg **entries, size_t n)
{
	const pb_desc *d = f->descriptor;
	buf_addc(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		add_value(out, &d->fields[0], field_at(entries[i], &d->fields[0]));
		buf_addc(out, ':');
		add_value(out, &d->fields[1], field_at(entries[i], &d->fields[1]));
	}
	buf_addc(out, '}');
}

static void add_array(struct buf *out, const pb_field *f, const char *elems, size_t n)
{
	size_t elem = field_elem_size(f);
	buf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		add_value(out, f, elems + i * elem);
	}
	buf_addc(out, ']');
}

void json_encode(const pb_msg *m, struct buf *out)
{
	const struct fields *fs = fields_of(m->descriptor);
	bool first = true;

	buf_addc(out, '{');
	for (unsigned i = 0; i < fs->n; i++) {
		const pb_field *f = fs->v[i].f;
		if (!field_is_set(m, f))
			continue;
		size_t n = fs->v[i].name_len;
		char *to = buf_reserve(out, n + 4), *begin = to;
		if (!first)
			*to++ = ',';
		*to++ = '"';
		to = mempcpy(to, f->name, n);
		*to++ = '"';
		*to++ = ':';
		out->len += (size_t)(to - begin);
		first = false;
		if (f->label != PROTOBUF_C_LABEL_REPEATED)
			add_value(out, f, field_at(m, f));
		else if (fs->v[i].is_map)
			add_map(out, f, *(pb_msg ***)field_at(m, f), *field_count(m, f));
		else
			add_array(out, f, *(char **)field_at(m, f), *field_count(m, f));
	}
	buf_addc(out, '}');
}
