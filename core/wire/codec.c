/* codec.c - see codec.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/codec.h"

#include <stdlib.h>
#include <string.h>

static const char json_type[] = "application/json";
static const char protobuf_type[] = "application/x-protobuf";

const char *codec_content_type(enum codec c)
{
	return c == CODEC_PROTOBUF ? protobuf_type : json_type;
}

int codec_from_content_type(const char *value)
{
	if (!value)
		return 0;
	if (!strcmp(value, json_type))
		return CODEC_JSON;
	return !strcmp(value, protobuf_type) ? CODEC_PROTOBUF : 0;
}

static size_t trimmed(const char **p, size_t len)
{
	while (len && (**p == ' ' || **p == '\t'))
		(*p)++, len--;
	while (len && ((*p)[len - 1] == ' ' || (*p)[len - 1] == '\t'))
		len--;
	return len;
}

/* False if the parameters of a media range say q=0. */
static bool q_allows(const char *params, const char *end)
{
	while (params < end) {
		const char *next = memchr(params, ';', (size_t)(end - params));
		if (!next)
			next = end;
		const char *p = params;
		size_t len = trimmed(&p, (size_t)(next - params));
		if (len > 2 && p[0] == 'q' && p[1] == '=') {
			char *stop;
			double q = strtod(p + 2, &stop);
			return stop == p + 2 || stop > p + len || q > 0;
		}
		params = next + 1;
	}
	return true;
}

/* 1 if the header names `range` and allows it, 0 if with q=0, -1 if it does not. */
static int accept_names(const char *accept, const char *range)
{
	for (const char *item = accept; *item;) {
		const char *end = item + strcspn(item, ",");
		const char *params = memchr(item, ';', (size_t)(end - item));
		const char *p = item;
		size_t len = trimmed(&p, (size_t)((params ? params : end) - item));
		if (len == strlen(range) && !memcmp(p, range, len))
			return !params || q_allows(params + 1, end);
		item = *end ? end + 1 : end;
	}
	return -1;
}

/* The most specific range that is named decides. */
static bool accepts(const char *accept, const char *type)
{
	int r = accept_names(accept, type);
	if (r < 0)
		r = accept_names(accept, "application/*");
	if (r < 0)
		r = accept_names(accept, "*/*");
	return r > 0;
}

int codec_from_accept(const char *accept)
{
	if (!accept || accepts(accept, json_type))
		return CODEC_JSON;
	return accepts(accept, protobuf_type) ? CODEC_PROTOBUF : 0;
}

bool codec_accepts_recordio(const char *accept)
{
	return !accept || accepts(accept, "application/recordio");
}

pb_msg *codec_decode(enum codec c, const pb_desc *desc, struct arena *a, const void *data, size_t size,
		     struct mz_err *err)
{
	if (c == CODEC_PROTOBUF)
		return pb_decode(desc, a, data, size, err);
	return json_decode(desc, a, data, size, err);
}

void codec_encode(enum codec c, const pb_msg *m, struct buf *out)
{
	if (c == CODEC_PROTOBUF)
		pb_encode(m, out);
	else
		json_encode(m, out);
}
