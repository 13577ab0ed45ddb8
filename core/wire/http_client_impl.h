/* http_client_impl.h - what http_client.c and http_client_stream.c share.
 * Nobody else includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_HTTP_CLIENT_IMPL_H
#define MZ_WIRE_HTTP_CLIENT_IMPL_H

#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>

#include "base/vec.h"
#include "wire/http_event.h"

/* A whole answer, copied out of evhttp. */
struct http_answer {
	struct http_response r;
	VEC(struct http_header) headers;
	struct evbuffer *body;
};
void http_answer_take(struct http_answer *a, struct evhttp_request *req);
void http_answer_done(struct http_answer *a);

/* False: evhttp has no such method. */
bool http_method_type(const char *method, enum evhttp_cmd_type *ret);
/* Headers, Host and body of a request. */
void http_fill_request(struct evhttp_request *req, const char *ip, int port, const struct http_header *headers,
		       size_t n_headers, const void *body, size_t size);
const char *http_error_text(enum evhttp_request_error error);
struct evhttp_connection *http_connection_new(struct loop *l, const char *ip, int port);

#endif
