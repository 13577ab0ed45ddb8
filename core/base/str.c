/* str.c - see str.h. Conversions are exact integer arithmetic: a duration or a
 * size that is written down must come back as the same text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t len = s ? strlen(s) : 0, n = strlen(suffix);
	return s && len >= n && memcmp(s + len - n, suffix, n) == 0;
}

bool str_empty(const char *s)
{
	return !s || !*s;
}

char *str_trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	size_t len = strlen(s);
	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	s[len] = '\0';
	return s;
}

/* Only digits, so that strtoX() cannot accept blanks, hex or a second sign. */
static bool all_digits(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s < '0' || *s > '9')
			return false;
	return true;
}

int str_to_i64(const char *s, int64_t *ret)
{
	if (!s || !all_digits(*s == '-' || *s == '+' ? s + 1 : s))
		return -EINVAL;
	errno = 0;
	long long v = strtoll(s, NULL, 10);
	if (errno)
		return -ERANGE;
	*ret = v;
	return 0;
}

int str_to_u64(const char *s, uint64_t *ret)
{
	if (!s || !all_digits(*s == '+' ? s + 1 : s))
		return -EINVAL;
	errno = 0;
	unsigned long long v = strtoull(s, NULL, 10);
	if (errno)
		return -ERANGE;
	*ret = v;
	return 0;
}

int str_to_double(const char *s, double *ret)
{
	if (!s || !*s || s[strspn(s, "+-.0123456789eE")])
		return -EINVAL;
	char *end;
	errno = 0;
	double v = strtod(s, &end);
	if (*end || end == s)
		return -EINVAL;
	if (!isfinite(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

struct unit {
	const char *name;
	int64_t size;
};

#define SECOND 1000000000LL

/* The first spelling of a size is the one that is written. */
static const struct unit durations[] = {
	{"weeks", 7 * 86400 * SECOND}, {"w", 7 * 86400 * SECOND},
	{"days", 86400 * SECOND},      {"d", 86400 * SECOND},
	{"hrs", 3600 * SECOND},	       {"h", 3600 * SECOND},
	{"mins", 60 * SECOND},	       {"m", 60 * SECOND},
	{"secs", SECOND},	       {"s", SECOND},
	{"ms", 1000000},	       {"us", 1000},
	{"ns", 1},		       {NULL, 0},
};

static const struct unit sizes[] = {
	{"TB", 1LL << 40}, {"GB", 1LL << 30}, {"MB", 1LL << 20},
	{"KB", 1LL << 10}, {"B", 1},	      {NULL, 0},
};

static const struct unit *unit_find(const struct unit *units, const char *name)
{
	for (const struct unit *u = units; u->name; u++)
		if (strcmp(u->name, name) == 0)
			return u;
	return NULL;
}

/* Beyond this many decimals nothing but the rounding of a nanosecond is left. */
enum { MAX_DECIMALS = 15 };

static int parse_with_unit(const char *s, const struct unit *units, const char *bare_unit, int64_t *ret)
{
	if (!s)
		return -EINVAL;
	bool negative = *s == '-';
	const char *p = s + negative;
	const char *digits = p;
	__int128 value = 0, scale = 1;
	for (; *p >= '0' && *p <= '9'; p++)
		if ((value = value * 10 + (*p - '0')) > INT64_MAX)
			return -ERANGE;
	if (p == digits)
		return -EINVAL;
	if (*p == '.') {
		const char *point = p++;
		for (; *p >= '0' && *p <= '9'; p++) {
			if (p - point > MAX_DECIMALS)
				continue;
			value = value * 10 + (*p - '0');
			scale *= 10;
		}
		if (p == point + 1)
			return -EINVAL;
	}
	const struct unit *u = unit_find(units, !*p && bare_unit ? bare_unit : p);
	if (!u)
		return -EINVAL;
	/* value < 2^63 * 10^15 < 2^113: divide first where the product would not fit */
	__int128 whole = value / scale, rest = value % scale;
	__int128 total = whole * u->size + rest * u->size / scale;
	if (total > INT64_MAX)
		return -ERANGE;
	*ret = negative ? -(int64_t)total : (int64_t)total;
	return 0;
}

int str_to_duration_ns(const char *s, int64_t *ret)
{
	return parse_with_unit(s, durations, NULL, ret);
}

int str_to_bytes(const char *s, int64_t *ret)
{
	if (s && *s == '-')
		return -EINVAL;
	return parse_with_unit(s, sizes, "B", ret);
}

static void add_with_unit(struct buf *b, const struct unit *units, const char *zero, int64_t value)
{
	if (value == 0) {
		buf_adds(b, zero);
		return;
	}
	const struct unit *u = units;
	while (value % u->size)
		u++;
	buf_addf(b, "%" PRId64 "%s", value / u->size, u->name);
}

void duration_add(struct buf *b, int64_t ns)
{
	add_with_unit(b, durations, "0ns", ns);
}

void bytes_add(struct buf *b, int64_t bytes)
{
	add_with_unit(b, sizes, "0B", bytes);
}

/* The length of a sequence by its first byte, and the smallest code point that
 * may be written with it. */
static size_t sequence(unsigned char lead, uint32_t *ret_min)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return *ret_min = 0x80, 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return *ret_min = 0x800, 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return *ret_min = 0x10000, 4;
	return 0;
}

bool str_is_utf8(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	for (size_t i = 0; i < len;) {
		if (p[i] < 0x80) {
			i++;
			continue;
		}
		uint32_t min = 0;
		size_t n = sequence(p[i], &min);
		if (!n || n > len - i)
			return false;
		uint32_t c = p[i] & (0x7fu >> n);
		for (size_t k = 1; k < n; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (p[i + k] & 0x3f);
		}
		if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return false;
		i += n;
	}
	return true;
}

void str_make_utf8(char *s)
{
	for (size_t left = strlen(s); left;) {
		uint32_t min;
		size_t n = (unsigned char)*s < 0x80 ? 1 : sequence((unsigned char)*s, &min);
		if (!n || n > left || !str_is_utf8(s, n)) {
			*s = '?';
			n = 1;
		}
		s += n;
		left -= n;
	}
}

size_t str_fit(const char *s, size_t max)
{
	size_t n = strnlen(s, max + 1);
	if (n <= max)
		return n;
	n = max;
	while (n && ((unsigned char)s[n] & 0xc0) == 0x80) /* s[n] goes on with what began before */
		n--;
	return n;
}

int str_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char *str_address(const char *host, int port)
{
	return xasprintf(strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}
