/* http_client_impl.h - what http_client.c, http_client_stream.c and http_answer.c
 * share. Nobody else includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_HTTP_CLIENT_IMPL_H
#define MZ_WIRE_HTTP_CLIENT_IMPL_H

#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>

#include "base/vec.h"
#include "wire/http_event.h"

/* A whole answer with memory of its own. */
struct http_answer {
	struct http_response r;
	VEC(struct http_header) headers;
	struct evbuffer *body;
};
void http_answer_take(struct http_answer *a, struct evhttp_request *req);
void http_answer_done(struct http_answer *a);

enum http_parser_state {
	HTTP_AT_STATUS,
	HTTP_AT_HEADERS,
	HTTP_AT_BODY,
	HTTP_AT_BODY_UNTIL_CLOSE,
	HTTP_AT_CHUNK_SIZE,
	HTTP_AT_CHUNK,
	HTTP_AT_CHUNK_END,
	HTTP_AT_TRAILER,
	HTTP_AT_END,
};

/* One answer, from bytes as they come. */
struct http_parser {
	enum http_parser_state state;
	bool is_head; /* of a HEAD request: no body follows */
	bool closes;  /* the connection ends with this answer */
	int64_t remaining;
	size_t head_bytes;
};
void http_parser_start(struct http_parser *p, bool is_head);
/* Takes from `in` what belongs to the answer. 1: complete, 0: more is needed,
 * -EPROTO: not HTTP, -EMSGSIZE: too long. */
int http_parser_feed(struct http_parser *p, struct evbuffer *in, struct http_answer *a);
/* The connection has ended: true if that completes the answer. */
bool http_parser_closed(struct http_parser *p, struct http_answer *a);

#endif
