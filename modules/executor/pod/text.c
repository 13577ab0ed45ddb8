/* text.c - executor/pod: the little JSON that it writes and reads. Messages come as
 * JSON from the host; what is read are answers of the agent's API.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include "pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_add(struct text *t, const char *s, size_t len)
{
	if (t->len + len + 1 > t->cap) {
		size_t cap = (t->cap + len + 1) * 2;
		char *more = t->broken ? NULL : realloc(t->data, cap);
		if (!more) {
			t->broken = 1;
			return;
		}
		t->data = more;
		t->cap = cap;
	}
	memcpy(t->data + t->len, s, len);
	t->len += len;
	t->data[t->len] = '\0';
}

void text_adds(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void text_string(struct text *t, const char *s)
{
	text_adds(t, "\"");
	for (; *s; s++) {
		char code[8];
		if (*s == '"' || *s == '\\')
			snprintf(code, sizeof(code), "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			snprintf(code, sizeof(code), "\\u%04x", (unsigned)*s);
		else
			snprintf(code, sizeof(code), "%c", *s);
		text_adds(t, code);
	}
	text_adds(t, "\"");
}

/* Behind the string that starts at p (with its quote), or end. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : end;
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && strchr(" \t\r\n", *p) && *p)
		p++;
	return p;
}

/* Where the value of the shallowest `key` starts. */
static const char *find(const char *json, size_t len, const char *key)
{
	const char *end = json + len, *found = NULL;
	size_t n = strlen(key);
	int depth = 0, best = 1 << 30;
	for (const char *p = json; p < end;) {
		if (*p == '"') {
			const char *from = p + 1;
			p = skip_string(p, end);
			const char *value = skip_blanks(p, end);
			if (value < end && *value == ':' && (size_t)(p - 1 - from) == n && !memcmp(from, key, n) &&
			    depth < best) {
				found = skip_blanks(value + 1, end);
				best = depth;
			}
			continue;
		}
		depth += *p == '{' || *p == '[';
		depth -= *p == '}' || *p == ']';
		p++;
	}
	return found && found < end ? found : NULL;
}

long json_number(const char *json, size_t len, const char *key, long otherwise)
{
	const char *p = find(json, len, key);
	char digits[24] = "", *stop;
	if (!p)
		return otherwise;
	snprintf(digits, sizeof(digits), "%.*s", (int)(json + len - p < 20 ? json + len - p : 20), p);
	long v = strtol(digits, &stop, 10);
	return stop == digits ? otherwise : v;
}

int json_string(const char *json, size_t len, const char *key, char *out, size_t size)
{
	const char *p = find(json, len, key), *end = json + len;
	size_t n = 0;
	if (!p || *p != '"')
		return 0;
	for (p++; p < end && *p != '"' && n + 1 < size; p++) {
		if (*p == '\\' && p + 1 < end) {
			p++;
			out[n++] = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p == 'u' ? '?' : *p;
			if (*p == 'u')
				p += end - p > 4 ? 4 : end - p - 1;
		} else {
			out[n++] = *p;
		}
	}
	out[n] = '\0';
	return p < end; /* else it has no end; one that is too long is cut */
}

int json_object(const char *json, size_t len, const char *key, struct mz_bytes *ret)
{
	const char *from = find(json, len, key), *end = json + len;
	int depth = 0;
	if (!from || *from != '{')
		return 0;
	for (const char *p = from; p < end;) {
		if (*p == '"') {
			p = skip_string(p, end);
			continue;
		}
		depth += *p == '{' || *p == '[';
		depth -= *p == '}' || *p == ']';
		p++;
		if (depth == 0) {
			*ret = (struct mz_bytes){from, (size_t)(p - from)};
			return 1;
		}
	}
	return 0;
}
