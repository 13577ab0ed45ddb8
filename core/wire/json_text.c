/* json_text.c - see json_text.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

enum { PATH_SHOWN_MAX = 160 };

static void add_path(struct buf *b, const struct json_place *at)
{
	if (!at)
		return;
	add_path(b, at->up);
	buf_addf(b, "%s%s", b->len ? "." : "", at->f->name);
	if (at->index >= 0)
		buf_addf(b, "[%" PRId64 "]", at->index);
	if (at->map_key)
		buf_addf(b, "['%s']", at->map_key);
}

int json_fail(struct json_in *in, const char *fmt, ...)
{
	mz_autobuf struct buf path = {0}, what = {0};
	va_list ap;
	va_start(ap, fmt);
	buf_vaddf(&what, fmt, ap);
	va_end(ap);
	add_path(&path, in->at);
	if (!path.len)
		return mz_fail(in->err, -EINVAL, "%s", what.data);
	return mz_fail(in->err, -EINVAL, "%.*s: %s", PATH_SHOWN_MAX, path.data, what.data);
}

int json_fail_syntax(struct json_in *in, const char *what)
{
	return json_fail(in, "%s at byte %zu", what, (size_t)(in->p - in->begin));
}

int json_fail_missing(struct json_in *in, const char *name)
{
	mz_autobuf struct buf path = {0};
	add_path(&path, in->at);
	return mz_fail(in->err, -EINVAL, "Missing required field '%.*s%s%s'", PATH_SHOWN_MAX, buf_str(&path),
		       path.len ? "." : "", name);
}

char json_peek(struct json_in *in)
{
	while (in->p < in->end && (*in->p == ' ' || *in->p == '\n' || *in->p == '\r' || *in->p == '\t'))
		in->p++;
	return in->p < in->end ? *in->p : '\0';
}

int json_expect(struct json_in *in, char c)
{
	char what[] = "Expected 'x'";
	if (json_peek(in) != c || in->p == in->end) {
		what[sizeof(what) - 3] = c;
		return json_fail_syntax(in, what);
	}
	in->p++;
	return 0;
}

bool json_literal(struct json_in *in, const char *word)
{
	size_t n = strlen(word);
	if ((size_t)(in->end - in->p) < n || memcmp(in->p, word, n))
		return false;
	in->p += n;
	return true;
}

static int hex4(const char *p, unsigned *ret)
{
	unsigned v = 0;
	for (int i = 0; i < 4; i++) {
		int d = str_hex_digit(p[i]);
		if (d < 0)
			return -EINVAL;
		v = v << 4 | (unsigned)d;
	}
	*ret = v;
	return 0;
}

static void add_utf8(struct buf *b, unsigned c)
{
	if (c < 0x80) {
		buf_addc(b, (char)c);
		return;
	}
	char s[4];
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		s[i] = (char)(0x80 | (c & 0x3f));
	s[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
	buf_add(b, s, n);
}

/* Behind "\u". A pair of surrogates is one character; half a pair is none. */
static int unicode_escape(struct json_in *in)
{
	unsigned c, low;
	if (in->end - in->p < 4 || hex4(in->p, &c) < 0)
		return json_fail_syntax(in, "Bad \\u escape");
	in->p += 4;
	if (c >= 0xd800 && c <= 0xdfff) {
		if (c >= 0xdc00 || in->end - in->p < 6 || in->p[0] != '\\' || in->p[1] != 'u' ||
		    hex4(in->p + 2, &low) < 0 || low < 0xdc00 || low > 0xdfff)
			return json_fail_syntax(in, "Half a surrogate pair");
		in->p += 6;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	add_utf8(&in->scratch, c);
	return 0;
}

static int escape(struct json_in *in)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (++in->p == in->end)
		return json_fail_syntax(in, "Unfinished string");
	char c = *in->p;
	if (c == 'u') {
		in->p++;
		return unicode_escape(in);
	}
	const char *known = c ? strchr(from, c) : NULL;
	if (!known)
		return json_fail_syntax(in, "Unknown escape");
	buf_addc(&in->scratch, to[known - from]);
	in->p++;
	return 0;
}

int json_take_string(struct json_in *in, struct json_span *ret)
{
	bool escaped = false, high = false;
	int r = json_expect(in, '"');
	if (r < 0)
		return r;
	const char *run = in->p;
	for (;; in->p++) {
		if (in->p == in->end)
			return json_fail_syntax(in, "Unfinished string");
		unsigned char c = (unsigned char)*in->p;
		if (c == '"')
			break;
		if (c < 0x20)
			return json_fail_syntax(in, "Control character in a string");
		high |= c >= 0x80;
		if (c != '\\')
			continue;
		if (!escaped)
			buf_clear(&in->scratch);
		escaped = true;
		buf_add(&in->scratch, run, (size_t)(in->p - run));
		r = escape(in);
		if (r < 0)
			return r;
		run = in->p--;
	}
	*ret = (struct json_span){run, (size_t)(in->p - run)};
	if (escaped) {
		buf_add(&in->scratch, run, (size_t)(in->p - run));
		*ret = (struct json_span){in->scratch.data, in->scratch.len};
	}
	if (high && !str_is_utf8(ret->s, ret->len))
		return json_fail_syntax(in, "Not UTF-8 in the string before");
	in->p++;
	return 0;
}

static const char *skip_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/* The end of the number at `p`, NULL if there is none. */
static const char *number_end(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	const char *first = p;
	p = skip_digits(p, end);
	if (p == first || (*first == '0' && p - first > 1))
		return NULL;
	if (p < end && *p == '.') {
		first = ++p;
		p = skip_digits(p, end);
		if (p == first)
			return NULL;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		if (++p < end && (*p == '+' || *p == '-'))
			p++;
		first = p;
		p = skip_digits(p, end);
		if (p == first)
			return NULL;
	}
	return p;
}

int json_number(struct json_in *in, struct json_span *ret)
{
	const char *end = number_end(in->p, in->end);
	if (!end)
		return json_fail_syntax(in, "Not a JSON value");
	if (end - in->p > JSON_MAX_NUMBER)
		return json_fail_syntax(in, "Number too long");
	*ret = (struct json_span){in->p, (size_t)(end - in->p)};
	in->p = end;
	return 0;
}

bool json_is_number(struct json_span n)
{
	return n.len <= JSON_MAX_NUMBER && number_end(n.s, n.s + n.len) == n.s + n.len && n.len;
}

int json_next(struct json_in *in, char close, bool *first)
{
	if (json_peek(in) == close && in->p < in->end) {
		in->p++;
		in->depth--;
		return 0;
	}
	if (!*first) {
		int r = json_expect(in, ',');
		if (r < 0)
			return r;
	}
	*first = false;
	if (++in->n_values > JSON_MAX_VALUES)
		return json_fail_syntax(in, "Too many values");
	return 1;
}

int json_enter(struct json_in *in)
{
	in->p++;
	if (++in->depth > JSON_MAX_NESTING)
		return json_fail_syntax(in, "Nested too deeply");
	return 0;
}

static int skip_container(struct json_in *in, char close)
{
	bool first = true;
	struct json_span key;
	int r = json_enter(in);
	while (r >= 0) {
		r = json_next(in, close, &first);
		if (r <= 0)
			break;
		if (close == '}') {
			r = json_take_string(in, &key);
			if (r >= 0)
				r = json_expect(in, ':');
			if (r < 0)
				break;
		}
		r = json_skip(in);
	}
	return r;
}

int json_skip(struct json_in *in)
{
	struct json_span ignored;
	switch (json_peek(in)) {
	case '{':
		return skip_container(in, '}');
	case '[':
		return skip_container(in, ']');
	case '"':
		return json_take_string(in, &ignored);
	case 't':
	case 'f':
	case 'n':
		if (json_literal(in, "true") || json_literal(in, "false") || json_literal(in, "null"))
			return 0;
		return json_fail_syntax(in, "Not a JSON value");
	default:
		return json_number(in, &ignored);
	}
}

/* Whole numbers without a point, which is nearly all of them. */
static bool plain_u64(const char *p, const char *end, uint64_t *ret)
{
	uint64_t v = 0;
	if (p == end)
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	}
	*ret = v;
	return true;
}

bool json_to_i64(struct json_span n, int64_t *ret)
{
	bool negative = n.len && *n.s == '-';
	uint64_t v;
	double d;
	if (plain_u64(n.s + negative, n.s + n.len, &v)) {
		if (v > (uint64_t)INT64_MAX + negative)
			return false;
		*ret = (int64_t)(negative ? -v : v);
		return true;
	}
	if (!json_to_double(n, &d) || d != trunc(d) || d < -0x1p63 || d >= 0x1p63)
		return false;
	*ret = (int64_t)d;
	return true;
}

bool json_to_u64(struct json_span n, uint64_t *ret)
{
	double d;
	if (plain_u64(n.s, n.s + n.len, ret))
		return true;
	if (!json_to_double(n, &d) || d != trunc(d) || d < 0 || d >= 0x1p64)
		return false;
	*ret = (uint64_t)d;
	return true;
}

/* Up to 15 digits and a power of ten that is exact: one correctly rounded
 * operation gives the nearest double. */
static bool short_double(struct json_span n, double *ret)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
					1e15};
	uint64_t v = 0;
	size_t n_digits = 0, n_decimals = 0;
	bool negative = *n.s == '-', point = false;
	for (size_t i = negative; i < n.len; i++) {
		if (n.s[i] == '.') {
			point = true;
			continue;
		}
		if (n.s[i] < '0' || n.s[i] > '9' || ++n_digits > 15)
			return false;
		v = v * 10 + (uint64_t)(n.s[i] - '0');
		n_decimals += point;
	}
	double d = (double)v / powers[n_decimals];
	*ret = negative ? -d : d;
	return true;
}

bool json_to_double(struct json_span n, double *ret)
{
	char text[JSON_MAX_NUMBER + 1];
	if (!json_is_number(n))
		return false;
	if (short_double(n, ret))
		return true;
	memcpy(text, n.s, n.len);
	text[n.len] = '\0';
	double d = strtod(text, NULL);
	if (!isfinite(d))
		return false;
	*ret = d;
	return true;
}
