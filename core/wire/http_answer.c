/* http_answer.c - the answer to a request: parsed from bytes for http_client.c,
 * copied out of evhttp for http_client_stream.c. Not for requests: evhttp reads
 * those. Its limits are those of a client that trusts its peer with memory, but
 * not without end.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/http_client_impl.h"

enum { MAX_ANSWER_BYTES = 1 << 30, MAX_HEAD_BYTES = 64 << 10, MAX_CHUNK_DIGITS = 8 };

const char *http_response_header(const struct http_response *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (strcasecmp(r->headers[i].name, name) == 0)
			return r->headers[i].value;
	return NULL;
}

static void add_header(struct http_answer *a, char *name, char *value)
{
	vec_push(&a->headers, ((struct http_header){name, value}));
	a->r.headers = a->headers.v;
	a->r.n_headers = a->headers.n;
}

static void drop_headers(struct http_answer *a)
{
	for (size_t i = 0; i < a->headers.n; i++) {
		free((char *)a->headers.v[i].name);
		free((char *)a->headers.v[i].value);
	}
	vec_done(&a->headers);
	a->r.headers = NULL;
	a->r.n_headers = 0;
}

/* The body as one piece of memory, which lives as long as the answer. */
static void show_body(struct http_answer *a)
{
	a->r.body_size = a->body ? evbuffer_get_length(a->body) : 0;
	if (a->r.body_size)
		a->r.body = evbuffer_pullup(a->body, -1);
}

void http_answer_take(struct http_answer *a, struct evhttp_request *req)
{
	struct evkeyval *kv;
	struct evbuffer *body = evhttp_request_get_input_buffer(req);

	a->r.status = evhttp_request_get_response_code(req);
	for (kv = evhttp_request_get_input_headers(req)->tqh_first; kv; kv = kv->next.tqe_next)
		add_header(a, xstrdup(kv->key), xstrdup(kv->value));
	if (evbuffer_get_length(body)) {
		a->body = evbuffer_new();
		must(a->body && evbuffer_add_buffer(a->body, body) == 0);
	}
	show_body(a);
}

void http_answer_done(struct http_answer *a)
{
	drop_headers(a);
	if (a->body)
		evbuffer_free(a->body);
	a->body = NULL;
}

/* ---- parsing --------------------------------------------------------------- */

void http_parser_start(struct http_parser *p, bool is_head)
{
	*p = (struct http_parser){.state = HTTP_AT_STATUS, .is_head = is_head};
}

static int parse_status(struct http_parser *p, struct http_answer *a, const char *line)
{
	/* "HTTP/1.1 202 Accepted" */
	if (strncmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
		return -EPROTO;
	for (int i = 9; i < 12; i++)
		if (!isdigit((unsigned char)line[i]))
			return -EPROTO;
	if (line[12] != ' ' && line[12] != '\0')
		return -EPROTO;
	a->r.status = atoi(line + 9);
	p->closes = line[7] == '0';
	p->state = HTTP_AT_HEADERS;
	return a->r.status < 100 ? -EPROTO : 0;
}

static int parse_header(struct http_answer *a, char *line)
{
	char *colon = strchr(line, ':');

	if (!colon || colon == line || isspace((unsigned char)*line))
		return -EPROTO;
	*colon = '\0';
	add_header(a, xstrdup(line), xstrdup(str_trim(colon + 1)));
	return 0;
}

static int content_length(const char *text, int64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EPROTO;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return *end || errno || *ret > MAX_ANSWER_BYTES ? -EPROTO : 0;
}

/* How the body ends. */
static int headers_done(struct http_parser *p, struct http_answer *a)
{
	const char *connection = http_response_header(&a->r, "Connection");
	const char *encoding = http_response_header(&a->r, "Transfer-Encoding");
	const char *length = http_response_header(&a->r, "Content-Length");

	if (a->r.status < 200) { /* "100 Continue": the answer is still to come */
		drop_headers(a);
		p->state = HTTP_AT_STATUS;
		return 0;
	}
	if (connection)
		p->closes = strcasecmp(connection, "close") == 0 ||
			    (p->closes && strcasecmp(connection, "keep-alive") != 0);
	if (p->is_head || a->r.status == 204 || a->r.status == 304) {
		p->state = HTTP_AT_END;
	} else if (encoding && strcasecmp(encoding, "chunked") == 0) {
		p->state = HTTP_AT_CHUNK_SIZE;
	} else if (length) {
		if (content_length(length, &p->remaining) < 0)
			return -EPROTO;
		p->state = p->remaining ? HTTP_AT_BODY : HTTP_AT_END;
	} else {
		p->closes = true;
		p->state = HTTP_AT_BODY_UNTIL_CLOSE;
	}
	return 0;
}

static int parse_chunk_size(struct http_parser *p, const char *line)
{
	size_t digits = strspn(line, "0123456789abcdefABCDEF");

	if (!digits || digits > MAX_CHUNK_DIGITS || (line[digits] && !strchr("; \t", line[digits])))
		return -EPROTO;
	p->remaining = strtoll(line, NULL, 16);
	p->state = p->remaining ? HTTP_AT_CHUNK : HTTP_AT_TRAILER;
	return 0;
}

static int on_line(struct http_parser *p, struct http_answer *a, char *line)
{
	switch (p->state) {
	case HTTP_AT_STATUS: return parse_status(p, a, line);
	case HTTP_AT_HEADERS: return *line ? parse_header(a, line) : headers_done(p, a);
	case HTTP_AT_CHUNK_SIZE: return parse_chunk_size(p, line);
	case HTTP_AT_CHUNK_END: p->state = HTTP_AT_CHUNK_SIZE; return *line ? -EPROTO : 0;
	case HTTP_AT_TRAILER: p->state = *line ? HTTP_AT_TRAILER : HTTP_AT_END; return 0;
	default: return -EPROTO;
	}
}

/* 1: a line was taken, 0: it is not complete yet. */
static int take_line(struct http_parser *p, struct evbuffer *in, struct http_answer *a)
{
	size_t len = 0;
	char *line = evbuffer_readln(in, &len, EVBUFFER_EOL_CRLF);

	p->head_bytes += len;
	if (p->state == HTTP_AT_CHUNK_SIZE)
		p->head_bytes = 0;
	if (!line)
		return evbuffer_get_length(in) > MAX_HEAD_BYTES ? -EPROTO : 0;
	int rc = p->head_bytes > MAX_HEAD_BYTES || strlen(line) != len ? -EPROTO : on_line(p, a, line);
	free(line); /* libevent's */
	return rc < 0 ? rc : 1;
}

static int take_body(struct http_parser *p, struct evbuffer *in, struct http_answer *a)
{
	bool bounded = p->state != HTTP_AT_BODY_UNTIL_CLOSE;
	size_t have = evbuffer_get_length(in);
	size_t n = bounded ? MZ_MIN(have, (size_t)p->remaining) : have;

	if (!n)
		return 0;
	if (!a->body)
		a->body = evbuffer_new();
	must(a->body);
	if (evbuffer_get_length(a->body) + n > MAX_ANSWER_BYTES)
		return -EMSGSIZE;
	must(evbuffer_remove_buffer(in, a->body, n) == (int)n);
	if (!bounded)
		return 1;
	p->remaining -= (int64_t)n;
	if (p->remaining == 0)
		p->state = p->state == HTTP_AT_CHUNK ? HTTP_AT_CHUNK_END : HTTP_AT_END;
	return 1;
}

int http_parser_feed(struct http_parser *p, struct evbuffer *in, struct http_answer *a)
{
	int rc = 1;

	while (rc > 0 && p->state != HTTP_AT_END)
		switch (p->state) {
		case HTTP_AT_BODY:
		case HTTP_AT_BODY_UNTIL_CLOSE:
		case HTTP_AT_CHUNK: rc = take_body(p, in, a); break;
		default: rc = take_line(p, in, a);
		}
	if (rc < 0)
		return rc;
	if (p->state != HTTP_AT_END)
		return 0;
	show_body(a);
	return 1;
}

bool http_parser_closed(struct http_parser *p, struct http_answer *a)
{
	if (p->state != HTTP_AT_BODY_UNTIL_CLOSE)
		return false;
	show_body(a);
	return true;
}
