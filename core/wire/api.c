/* api.c - see api.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/api.h"

#include <stdlib.h>
#include <string.h>

bool api_is_post(const struct http_request *r, struct http_exchange *x)
{
	static const char text[] = "Expecting one of { 'POST' }, but received another method";
	const struct http_header h[] = {{"Allow", "POST"}, {"Content-Type", "text/plain; charset=utf-8"}};
	if (strcmp(r->method, "POST") == 0)
		return true;
	http_reply_headers(x, 405, h, 2, text, sizeof(text) - 1);
	return false;
}

pb_msg *api_decode_call(const struct http_request *r, struct http_exchange *x, const pb_desc *desc, struct arena *a,
			enum codec *ret_in)
{
	if (!api_is_post(r, x))
		return NULL;
	const char *type = http_header(r, "Content-Type");
	if (!type) {
		http_reply_text(x, 400, "Expecting 'Content-Type' to be present");
		return NULL;
	}
	int c = codec_from_content_type(type);
	if (!c) {
		http_reply_text(x, 415, "Expecting 'Content-Type' of application/json or application/x-protobuf");
		return NULL;
	}
	struct mz_err err;
	pb_msg *m = codec_decode((enum codec)c, desc, a, r->body, r->body_size, &err);
	if (!m) {
		http_reply_text(x, 400, "Failed to parse body: %s", err.msg);
		return NULL;
	}
	*ret_in = (enum codec)c;
	return m;
}

bool api_accept(const struct http_request *r, struct http_exchange *x, enum codec *ret_out)
{
	int c = codec_from_accept(http_header(r, "Accept"));
	if (!c) {
		http_reply_text(x, 406, "Expecting 'Accept' to allow application/json or application/x-protobuf");
		return false;
	}
	*ret_out = (enum codec)c;
	return true;
}

bool api_accept_media(const struct http_request *r, struct http_exchange *x, struct api_media *ret)
{
	const char *accept = http_header(r, "Accept"), *message = http_header(r, "Message-Accept");
	int c = codec_from_accept(accept);
	if (c && message) {
		http_reply_text(x, 406, "Expecting 'Message-Accept' to be not set for non-streaming responses");
		return false;
	}
	if (!c && !codec_accepts_recordio(accept)) {
		http_reply_text(x, 406, "Expecting 'Accept' to allow application/json or application/x-protobuf or "
					"application/recordio");
		return false;
	}
	bool recordio = !c;
	if (recordio)
		c = codec_from_accept(message);
	if (!c) {
		http_reply_text(x, 406, "Expecting 'Message-Accept' to allow application/json or application/x-protobuf");
		return false;
	}
	*ret = (struct api_media){(enum codec)c, recordio};
	return true;
}

void api_reply_message(struct http_exchange *x, enum codec c, const pb_msg *m)
{
	struct buf mz_autobuf b = {0};
	codec_encode(c, m, &b);
	http_reply(x, 200, codec_content_type(c), buf_str(&b), b.len);
}

void api_reply_json(const struct http_request *r, struct http_exchange *x, const struct buf *json)
{
	char *f = http_query(r, "jsonp");
	if (f && *f) {
		struct buf mz_autobuf b = {0};
		buf_addf(&b, "%s(", f);
		buf_add(&b, json->data, json->len);
		buf_adds(&b, ");");
		http_reply(x, 200, "text/javascript", b.data, b.len);
	} else {
		http_reply(x, 200, "application/json", buf_str(json), json->len);
	}
	free(f);
}

void api_list(struct jsonw *w, const char *key, void *v, size_t n)
{
	pb_msg **items = v;
	jsonw_key(w, key);
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		jsonw_message(w, items[i]);
	jsonw_end(w);
}

struct http_stream *api_stream(struct http_exchange *x, enum codec c, const struct http_header *extra)
{
	struct http_header h[2] = {{"Content-Type", codec_content_type(c)}};
	if (extra)
		h[1] = *extra;
	return http_stream(x, 200, h, extra ? 2 : 1);
}

struct http_stream *api_stream_media(struct http_exchange *x, struct api_media media)
{
	const struct http_header extra = {"Message-Content-Type", codec_content_type(media.codec)};
	const struct http_header h[2] = {{"Content-Type", "application/recordio"}, extra};
	return media.recordio ? http_stream(x, 200, h, 2) : api_stream(x, media.codec, NULL);
}
