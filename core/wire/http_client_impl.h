/* http_client_impl.h - what http_client.c, http_client_stream.c and http_answer.c
 * share. Nobody else includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_HTTP_CLIENT_IMPL_H
#define MZ_WIRE_HTTP_CLIENT_IMPL_H

#include "wire/chan.h"
#include "wire/http_event.h"
#include "wire/http_parse.h"

enum { MAX_ANSWER_BYTES = 1 << 30, MAX_ANSWER_HEAD_BYTES = 64 << 10, MAX_ANSWER_HEADERS = 256 };

/* An answer with memory of its own. */
struct http_answer {
	struct http_response r;
	struct http_head head;
	struct buf body;
};
/* Takes the head that the parser has read. */
void http_answer_head(struct http_answer *a, struct http_parser *p);
/* A piece of the body; false: that would be too much. */
bool http_answer_add(struct http_answer *a, struct mz_bytes piece);
void http_answer_done(struct http_answer *a);

/* Request line and headers, without the empty line; length < 0: no Content-Length.
 * NULL, or why it must not be sent. */
const char *http_request_head(struct buf *b, const char *ip, int port, const char *method, const char *target,
			      const struct http_header *headers, size_t n_headers, int64_t length);

#endif
