/* api.h - what every HTTP API of master and agent shares: the common order of
 * checks of v1 calls, and plain JSON answers with JSONP.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_API_H
#define MZ_WIRE_API_H

#include "wire/codec.h"
#include "wire/http.h"
#include "wire/json.h"

/* Decodes the body of a v1 call: 405 (with Allow) unless POST, 400 without
 * Content-Type, 415 for a type that is none of ours, 400 if it cannot be parsed.
 * NULL: the exchange has been answered. */
pb_msg *api_decode_call(const struct http_request *r, struct http_exchange *x, const pb_desc *desc, struct arena *a,
			enum codec *ret_in);
/* False: 405 has been answered, with Allow. */
bool api_is_post(const struct http_request *r, struct http_exchange *x);
/* The encoding of the answer: false: 406 has been answered. */
bool api_accept(const struct http_request *r, struct http_exchange *x, enum codec *ret_out);
/* The same of a call that may be answered with a stream: Accept may be
 * application/recordio then, and Message-Accept chooses the encoding of the records. */
struct api_media {
	enum codec codec;
	bool recordio;
};
bool api_accept_media(const struct http_request *r, struct http_exchange *x, struct api_media *ret);
/* 200 with the message in that encoding. */
void api_reply_message(struct http_exchange *x, enum codec c, const pb_msg *m);
/* 200 with a finished JSON text; `?jsonp=f` wraps it as f(…); in text/javascript. */
void api_reply_json(const struct http_request *r, struct http_exchange *x, const struct buf *json);
/* A list of messages under `key`, written also when it is empty: as clients of the
 * operator API are used to. `v` is an array of pointers to messages. */
void api_list(struct jsonw *w, const char *key, void *v, size_t n);
#define API_LIST(w, message, member) api_list(w, #member, (message)->member, (message)->n_##member)
/* Starts a RecordIO stream: 200 with Content-Type of `c` and the given extra header (or NULL). */
struct http_stream *api_stream(struct http_exchange *x, enum codec c, const struct http_header *extra);

/* The same for what api_accept_media() found. */
struct http_stream *api_stream_media(struct http_exchange *x, struct api_media media);

#endif
