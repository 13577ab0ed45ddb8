/* http_answer.c - what calls and streams of the HTTP client have in common: a request's
 * head as text, and an answer that is kept. Its limits are those of a client that
 * trusts its peer with memory, but not without end.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "wire/http_client_impl.h"
#include "wire/sock.h"

const char *http_response_header(const struct http_response *r, const char *name)
{
	return http_find_header(r->headers, r->n_headers, name);
}

/* ---- answers ------------------------------------------------------------------------ */

void http_answer_head(struct http_answer *a, struct http_parser *p)
{
	a->head = p->head;
	p->head = (struct http_head){0};
	a->r.status = a->head.status;
	a->r.headers = a->head.headers.v;
	a->r.n_headers = a->head.headers.n;
}

bool http_answer_add(struct http_answer *a, struct mz_bytes piece)
{
	if (a->body.len + piece.size > MAX_ANSWER_BYTES)
		return false;
	buf_add(&a->body, piece.data, piece.size);
	a->r.body = a->body.data;
	a->r.body_size = a->body.len;
	return true;
}

void http_answer_done(struct http_answer *a)
{
	http_head_done(&a->head);
	buf_done(&a->body);
	a->r = (struct http_response){0};
}

/* ---- requests ----------------------------------------------------------------------- */

static void add_header(struct buf *b, const char *name, const char *value)
{
	buf_adds(b, name);
	buf_add(b, ": ", 2);
	buf_adds(b, value);
	buf_add(b, "\r\n", 2);
}

const char *http_request_head(struct buf *b, const char *ip, int port, const char *method, const char *target,
			      const struct http_header *headers, size_t n_headers, int64_t length)
{
	const char *why = NULL;

	buf_adds(b, method);
	buf_addc(b, ' ');
	buf_adds(b, target);
	buf_adds(b, " HTTP/1.1\r\n");
	for (size_t i = 0; i < n_headers; i++) {
		/* A value must not become a header of its own. */
		if (headers[i].value[strcspn(headers[i].value, "\r\n")])
			why = "A header has a line break";
		add_header(b, headers[i].name, headers[i].value);
	}
	if (!http_find_header(headers, n_headers, "Host")) {
		mz_autofree char *host = sock_host(ip, port);
		add_header(b, "Host", host);
	}
	if (length >= 0 && !http_find_header(headers, n_headers, "Content-Length"))
		buf_addf(b, "Content-Length: %lld\r\n", (long long)length);
	if (!http_is_method(method))
		return "Unknown method";
	if (target[strcspn(target, " \t\r\n")])
		return "The target has a space";
	return why;
}
