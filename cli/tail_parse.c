/* tail_parse.c - the answer of /files/read, byte for byte.
 *
 * A JSON library is no help here: the answer says, by the escape \ufffd, which
 * bytes of the file are no text, and only who counts them knows where in the
 * file to go on reading. Agents that send such bytes raw are understood too.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/tail.h"

static void add_utf8(struct buf *b, unsigned c)
{
	if (c < 0x80) {
		buf_addc(b, (char)c);
	} else if (c < 0x800) {
		buf_addc(b, (char)(0xc0 | c >> 6));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(b, (char)(0xe0 | c >> 12));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(b, (char)(0xf0 | c >> 18));
		buf_addc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* Four hexadecimal digits; -1 if they are not. */
static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

struct unescaped {
	struct buf *out;
	int64_t n_bytes; /* of the file */
	/* Bytes that are no text at the very end: how many, and what was before. */
	unsigned n_bad;
	size_t good_len;
};

static int unicode(struct unescaped *u, const char **p, const char *end)
{
	int c = hex4(*p, end), low;
	size_t before = u->out->len;

	if (c < 0)
		return -EPROTO;
	*p += 4;
	if (c == 0xfffd) {
		if (!u->n_bad++)
			u->good_len = u->out->len;
		add_utf8(u->out, 0xfffd);
		u->n_bytes++;
		return 0;
	}
	if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
		low = hex4(*p + 2, end);
		if (low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			*p += 6;
		}
	}
	add_utf8(u->out, (unsigned)c);
	u->n_bytes += (int64_t)(u->out->len - before);
	u->n_bad = 0;
	return 0;
}

/* Behind the opening quote; stops behind the closing one. */
static int unescape(struct unescaped *u, const char **at, const char *end)
{
	static const char from[] = "bfnrt\"\\/", to[] = "\b\f\n\r\t\"\\/";
	const char *p = *at;

	while (p < end && *p != '"') {
		if (*p != '\\') {
			buf_addc(u->out, *p++);
			u->n_bytes++;
			u->n_bad = 0;
			continue;
		}
		if (++p >= end)
			return -EPROTO;
		if (*p == 'u') {
			p++;
			if (unicode(u, &p, end) < 0)
				return -EPROTO;
			continue;
		}
		const char *f = strchr(from, *p);
		if (!f || !*p)
			return -EPROTO;
		buf_addc(u->out, to[f - from]);
		u->n_bytes++;
		u->n_bad = 0;
		p++;
	}
	if (p >= end)
		return -EPROTO;
	*at = p + 1;
	return 0;
}

static const char *spaces(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	return p;
}

/* A string or a number; other values do not occur at this level. */
static int skip_value(const char **p, const char *end)
{
	struct buf waste = {0};
	struct unescaped u = {.out = &waste};
	int rc = 0;

	if (*p < end && **p == '"') {
		++*p;
		rc = unescape(&u, p, end);
	} else {
		while (*p < end && !strchr(",} \t\r\n", **p))
			++*p;
	}
	buf_done(&waste);
	return rc;
}

int tail_parse_read(const char *json, size_t len, bool all, struct buf *out, int64_t *ret_bytes)
{
	const char *p = spaces(json, json + len), *end = json + len;
	struct unescaped u = {.out = out};

	if (p >= end || *p++ != '{')
		return -EPROTO;
	for (;;) {
		const char *key;
		p = spaces(p, end);
		if (p >= end || *p++ != '"')
			return -EPROTO;
		key = p;
		if (skip_value(&(const char *){p - 1}, end) < 0)
			return -EPROTO;
		p = memchr(p, '"', (size_t)(end - p));
		if (!p)
			return -EPROTO;
		size_t key_len = (size_t)(p++ - key);
		p = spaces(p, end);
		if (p >= end || *p++ != ':')
			return -EPROTO;
		p = spaces(p, end);
		if (key_len == 4 && memcmp(key, "data", 4) == 0 && p < end && *p == '"')
			break;
		if (skip_value(&p, end) < 0)
			return -EPROTO;
		p = spaces(p, end);
		if (p >= end || *p++ != ',')
			return -EPROTO;
	}
	p++;
	if (unescape(&u, &p, end) < 0)
		return -EPROTO;
	if (!all && u.n_bad && u.n_bad <= 3) {
		out->len = u.good_len;
		if (out->data)
			out->data[out->len] = '\0';
		u.n_bytes -= u.n_bad;
	}
	*ret_bytes = u.n_bytes;
	return 0;
}
