/* base64.c - base64 as the wire and the records use it; declared in str.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/str.h"

void base64_add(struct buf *b, const void *data, size_t len)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = data;
	size_t n = (len + 2) / 3 * 4;
	char *to = buf_reserve(b, n);
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t v = (uint32_t)p[i] << 16;
		if (left > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (left > 2)
			v |= p[i + 2];
		*to++ = alphabet[v >> 18];
		*to++ = alphabet[v >> 12 & 63];
		*to++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
		*to++ = left > 2 ? alphabet[v & 63] : '=';
	}
	*to = '\0';
	b->len += n;
}

/* 0..63, or -1. */
static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

int base64_decode(const char *s, size_t len, unsigned char *out, size_t *ret_len)
{
	size_t n = len;
	while (n && len - n < 2 && s[n - 1] == '=')
		n--;
	/* With padding the text is whole groups; one lonely character is never right. */
	if ((n != len && len % 4) || n % 4 == 1)
		return -EINVAL;
	uint32_t v = 0;
	unsigned char *to = out;
	for (size_t i = 0; i < n; i++) {
		int x = sextet(s[i]);
		if (x < 0)
			return -EINVAL;
		v = v << 6 | (uint32_t)x;
		if (i % 4 == 1)
			*to++ = (unsigned char)(v >> 4);
		else if (i % 4 == 2)
			*to++ = (unsigned char)(v >> 2);
		else if (i % 4 == 3)
			*to++ = (unsigned char)v;
	}
	*ret_len = (size_t)(to - out);
	return 0;
}
