/* http_parse.c - see http_parse.h.
 *
 * A head is collected until its empty line, then taken apart in place; bodies are
 * never collected here. What is refused is refused as early as it can be seen, so
 * that a peer that speaks something else does not wait for a timeout.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "wire/http_parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum {
	MAX_EMPTY_LINES = 2, /* some clients end a body with one more than they count */
	MAX_INTERIM = 16,    /* 1xx answers before the real one */
	MAX_CHUNK_LINE = 256,
	MAX_CHUNK_DIGITS = 8,
	MAX_LENGTH_DIGITS = 18,
	MAX_METHOD = 16,
	FIRST_TEXT = 512,
	FIRST_HEADERS = 16,
};

void http_head_done(struct http_head *h)
{
	buf_done(&h->text);
	vec_done(&h->headers);
	*h = (struct http_head){0};
}

const char *http_head_get(const struct http_head *h, const char *name)
{
	return http_find_header(h->headers.v, h->headers.n, name);
}

void http_parser_init(struct http_parser *p, bool is_answer, size_t max_head_bytes, size_t max_headers)
{
	*p = (struct http_parser){.is_answer = is_answer, .max_head_bytes = max_head_bytes, .max_headers = max_headers};
}

void http_parser_done(struct http_parser *p)
{
	http_head_done(&p->head);
	buf_done(&p->trailer);
}

void http_parser_start(struct http_parser *p, bool to_head)
{
	struct buf text = p->head.text;

	/* The memory is used again, unless somebody has taken the head. */
	buf_clear(&text);
	vec_clear(&p->head.headers);
	p->head = (struct http_head){.text = text, .headers = p->head.headers};
	buf_clear(&p->trailer);
	p->state = HTTP_AT_HEAD;
	p->to_head = to_head;
	p->line_at = p->n_empty = p->n_line = 0;
	p->remaining = 0;
}

bool http_parser_is_idle(const struct http_parser *p)
{
	return p->state == HTTP_AT_HEAD && p->head.text.len == 0;
}

static bool fail(struct http_parser *p, int status, const char *why)
{
	p->state = HTTP_AT_FAILURE;
	p->error_status = status;
	p->error = why;
	return false;
}

static int broken(struct http_parser *p, int status, const char *why)
{
	fail(p, status, why);
	return -1;
}

/* ---- characters --------------------------------------------------------------- */

/* What names are made of (RFC 9110 5.6.2). */
static bool is_token(unsigned char c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* What values and reason phrases are made of. */
static bool is_text(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool all_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!is_token((unsigned char)*s))
			return false;
	return true;
}

/* ---- the first line ------------------------------------------------------------ */

static bool parse_version(struct http_parser *p, const char *s)
{
	if (strncmp(s, "HTTP/", 5) != 0 || !isdigit((unsigned char)s[5]) || s[6] != '.' ||
	    !isdigit((unsigned char)s[7]) || s[8])
		return fail(p, 400, "Malformed version");
	if (s[5] != '1')
		return fail(p, 505, "Not HTTP/1.1");
	p->head.minor = s[7] == '0' ? 0 : 1;
	return true;
}

/* "GET /path?query HTTP/1.1" */
static bool parse_request_line(struct http_parser *p, char *line)
{
	char *target = strchr(line, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;

	if (!version)
		return fail(p, 400, "Malformed request line");
	*target++ = '\0';
	*version++ = '\0';
	if (!all_token(line) || strlen(line) > MAX_METHOD)
		return fail(p, 400, "Malformed method");
	if (!*target)
		return fail(p, 400, "Malformed target");
	for (const char *s = target; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f)
			return fail(p, 400, "Malformed target");
	p->head.method = line;
	p->head.target = target;
	return parse_version(p, version);
}

/* "HTTP/1.1 202 Accepted" */
static bool parse_status_line(struct http_parser *p, char *line)
{
	char *s = strchr(line, ' ');

	if (!s)
		return fail(p, 502, "Malformed status line");
	*s++ = '\0';
	for (int i = 0; i < 3; i++)
		if (!isdigit((unsigned char)s[i]))
			return fail(p, 502, "Malformed status");
	if (s[0] == '0' || (s[3] && s[3] != ' '))
		return fail(p, 502, "Malformed status");
	p->head.status = (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
	return parse_version(p, line);
}

/* ---- headers ------------------------------------------------------------------- */

/* Splits "Name: value" in place. */
static bool split_header(struct http_parser *p, char *line, char **ret_value)
{
	char *colon = strchr(line, ':');

	if (*line == ' ' || *line == '\t')
		return fail(p, 400, "Folded header");
	if (!colon)
		return fail(p, 400, "Header without a colon");
	*colon = '\0';
	if (!all_token(line))
		return fail(p, 400, "Malformed header name");
	char *value = colon + 1, *end = value + strlen(value);
	while (*value == ' ' || *value == '\t')
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	for (const char *s = value; *s; s++)
		if (!is_text((unsigned char)*s))
			return fail(p, 400, "Malformed header value");
	*ret_value = value;
	return true;
}

/* Is `word` in the comma-separated list? */
static bool list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		list += strspn(list, ", \t");
		size_t n = strcspn(list, ", \t");
		if (n == len && strncasecmp(list, word, n) == 0)
			return true;
		list += n;
	}
	return false;
}

static bool take_length(struct http_parser *p, const char *value)
{
	size_t digits = strspn(value, "0123456789");

	if (p->head.length >= 0)
		return fail(p, 400, "More than one Content-Length");
	if (!digits || value[digits])
		return fail(p, 400, "Malformed Content-Length");
	if (digits > MAX_LENGTH_DIGITS)
		return fail(p, 413, "Content-Length is too large");
	p->head.length = strtoll(value, NULL, 10);
	return true;
}

static bool take_encoding(struct http_parser *p, const char *value)
{
	if (p->head.chunked)
		return fail(p, 400, "More than one Transfer-Encoding");
	if (strcasecmp(value, "chunked") != 0)
		return fail(p, 501, "Transfer-Encoding is not chunked");
	if (p->head.minor == 0)
		return fail(p, 400, "Transfer-Encoding in HTTP/1.0");
	p->head.chunked = true;
	return true;
}

/* What has been met in a head so far. */
struct seen {
	bool host, close, keep_alive;
};

/* The headers that say where the message ends and how the connection goes on. */
static bool take_header(struct http_parser *p, const char *name, const char *value, struct seen *seen)
{
	struct http_head *h = &p->head;

	switch (tolower((unsigned char)*name)) {
	case 'c':
		if (strcasecmp(name, "Content-Length") == 0)
			return take_length(p, value);
		if (strcasecmp(name, "Connection") == 0) {
			seen->close |= list_has(value, "close");
			seen->keep_alive |= list_has(value, "keep-alive");
		}
		return true;
	case 't': return strcasecmp(name, "Transfer-Encoding") != 0 || take_encoding(p, value);
	case 'h':
		if (p->is_answer || strcasecmp(name, "Host") != 0)
			return true;
		if (seen->host)
			return fail(p, 400, "More than one Host");
		seen->host = true;
		return true;
	case 'e':
		if (p->is_answer || strcasecmp(name, "Expect") != 0)
			return true;
		if (strcasecmp(value, "100-continue") != 0)
			return fail(p, 417, "Unknown expectation");
		h->expects_continue = h->minor > 0;
		return true;
	default: return true;
	}
}

/* How the body ends. */
static bool set_framing(struct http_parser *p)
{
	struct http_head *h = &p->head;
	bool none = p->is_answer && (p->to_head || h->status == 204 || h->status == 304);

	if (h->chunked && h->length >= 0)
		return fail(p, 400, "Both Content-Length and Transfer-Encoding");
	if (!h->chunked && h->length < 0 && !p->is_answer)
		h->length = 0;
	if (none) {
		h->length = 0;
		p->state = HTTP_AT_END;
	} else if (h->chunked) {
		p->state = HTTP_AT_CHUNK_SIZE;
	} else if (h->length >= 0) {
		p->remaining = h->length;
		p->state = h->length ? HTTP_AT_BODY : HTTP_AT_END;
	} else {
		h->closes = true;
		p->state = HTTP_AT_BODY_UNTIL_CLOSE;
	}
	return true;
}

/* All lines are there, each with its CRLF: they become strings. */
static bool parse_head(struct http_parser *p)
{
	struct http_head *h = &p->head;
	char *line = h->text.data, *end = h->text.data + h->text.len - 2, *value = NULL;
	struct seen seen = {0};

	if (memchr(line, '\0', h->text.len))
		return fail(p, 400, "A zero byte in the head");
	h->length = -1;
	vec_reserve(&h->headers, FIRST_HEADERS);
	for (bool first = true; line < end; first = false) {
		char *cr = memchr(line, '\r', (size_t)(end - line));
		if (cr[1] != '\n') /* each LF has its CR, but not the other way round */
			return fail(p, 400, "A bare CR in the head");
		*cr = '\0';
		if (first) {
			if (!(p->is_answer ? parse_status_line(p, line) : parse_request_line(p, line)))
				return false;
		} else {
			if (h->headers.n == p->max_headers)
				return fail(p, 431, "Too many headers");
			if (!split_header(p, line, &value) || !take_header(p, line, value, &seen))
				return false;
			vec_push(&h->headers, ((struct http_header){line, value}));
		}
		line = cr + 2;
	}
	h->closes = seen.close || (h->minor == 0 && !seen.keep_alive);
	return set_framing(p);
}

/* "100 Continue": the answer is still to come. */
static bool skip_interim(struct http_parser *p)
{
	size_t n = p->n_empty + 1;

	if (p->head.status == 101)
		return fail(p, 502, "Unasked change of the protocol");
	if (n > MAX_INTERIM)
		return fail(p, 502, "Too many interim answers");
	http_parser_start(p, p->to_head);
	p->n_empty = n;
	return true;
}

static int too_long(struct http_parser *p)
{
	if (p->line_at == 0)
		return broken(p, 414, "The first line is too long");
	return broken(p, 431, "The headers are too long");
}

/* What can be told from the first byte: TLS, for example. */
static bool may_start(char c)
{
	return is_token((unsigned char)c) || c == '\r';
}

/* Whoever speaks something else may wait for an answer and never send an empty line. */
static bool looks_right(const struct http_parser *p, const char *line, size_t len, bool first)
{
	if (!first)
		return memchr(line, ':', len) != NULL;
	if (p->is_answer) /* "HTTP/1.1 200 OK", or without a reason */
		return len >= 14 && memcmp(line, "HTTP/1.", 7) == 0 && line[8] == ' ' &&
		       (line[12] == ' ' || line[12] == '\r');
	return memmem(line, len, " HTTP/", 6) != NULL;
}

/* Collects lines up to the empty one; *ret_used bytes of `data` belong to the head.
 * 1: complete, 0: not yet, -1: failed. */
static int collect_head(struct http_parser *p, const char *data, size_t size, size_t *ret_used)
{
	struct buf *t = &p->head.text;
	size_t used = 0;

	if (!t->data)
		buf_reserve(t, FIRST_TEXT);
	while (used < size) {
		const char *lf = memchr(data + used, '\n', size - used);
		size_t n = lf ? (size_t)(lf - data) + 1 - used : size - used;
		if (!t->len && !may_start(data[used]))
			return broken(p, 400, "Not HTTP");
		if (t->len + n > p->max_head_bytes)
			return too_long(p);
		buf_add(t, data + used, n);
		used += n;
		*ret_used = used;
		if (!lf)
			return 0;
		if (t->len < 2 || t->data[t->len - 2] != '\r')
			return broken(p, 400, "A line without CR");
		if (t->len - p->line_at > 2) {
			if (!looks_right(p, t->data + p->line_at, t->len - p->line_at, p->line_at == 0))
				return broken(p, 400, p->line_at ? "Header without a colon" : "Not HTTP");
			p->line_at = t->len;
		} else if (p->line_at) {
			return 1;
		} else { /* an empty line before the message */
			if (p->is_answer || ++p->n_empty > MAX_EMPTY_LINES)
				return broken(p, 400, "Empty lines instead of a message");
			buf_clear(t);
		}
	}
	return 0;
}

/* ---- bodies -------------------------------------------------------------------- */

static bool chunk_size_done(struct http_parser *p)
{
	p->n_line = 0;
	p->state = p->remaining ? HTTP_AT_CHUNK : HTTP_AT_TRAILER;
	return true;
}

/* One byte of the line of a chunk: "1a;name=value\r\n", or of the CRLF behind it. */
static bool chunk_byte(struct http_parser *p, char c)
{
	int digit;

	switch (p->state) {
	case HTTP_AT_CHUNK_SIZE:
		digit = str_hex_digit(c);
		if (digit >= 0) {
			if (++p->n_line > MAX_CHUNK_DIGITS)
				return fail(p, 413, "Chunk is too large");
			p->remaining = p->remaining << 4 | digit;
			return true;
		}
		if (!p->n_line)
			return fail(p, 400, "Malformed chunk size");
		/* Some servers fill the line up with spaces. */
		if (c == ';' || (p->is_answer && (c == ' ' || c == '\t')))
			p->state = HTTP_AT_CHUNK_EXTENSION;
		else if (c == '\r')
			p->state = HTTP_AT_CHUNK_SIZE_LF;
		else
			return fail(p, 400, "Malformed chunk size");
		return true;
	case HTTP_AT_CHUNK_EXTENSION:
		if (c == '\r')
			p->state = HTTP_AT_CHUNK_SIZE_LF;
		else if (!is_text((unsigned char)c) || ++p->n_line > MAX_CHUNK_LINE)
			return fail(p, 400, "Malformed chunk extension");
		return true;
	case HTTP_AT_CHUNK_SIZE_LF: return c == '\n' ? chunk_size_done(p) : fail(p, 400, "Malformed chunk size");
	case HTTP_AT_CHUNK_CR:
		p->state = HTTP_AT_CHUNK_LF;
		return c == '\r' || fail(p, 400, "Chunk is longer than its size");
	default: /* HTTP_AT_CHUNK_LF */
		p->state = HTTP_AT_CHUNK_SIZE;
		p->remaining = 0;
		return c == '\n' || fail(p, 400, "Chunk is longer than its size");
	}
}

/* One byte behind the last chunk. Trailers are checked and dropped. */
static bool trailer_byte(struct http_parser *p, char c)
{
	struct buf *t = &p->trailer;
	char *value;

	if (++p->n_line > p->max_head_bytes)
		return fail(p, 431, "The trailers are too long");
	buf_addc(t, c);
	if (c != '\n')
		return true;
	if (t->len < 2 || t->data[t->len - 2] != '\r' || memchr(t->data, '\0', t->len))
		return fail(p, 400, "Malformed trailer");
	t->len -= 2;
	t->data[t->len] = '\0';
	if (!t->len)
		p->state = HTTP_AT_END;
	else if (!split_header(p, t->data, &value))
		return false;
	buf_clear(t);
	return true;
}

static size_t take_piece(struct http_parser *p, const char *data, size_t size, struct mz_bytes *ret_piece)
{
	size_t n = size;

	if (p->state != HTTP_AT_BODY_UNTIL_CLOSE) {
		n = (uint64_t)p->remaining < size ? (size_t)p->remaining : size;
		p->remaining -= (int64_t)n;
		if (!p->remaining)
			p->state = p->state == HTTP_AT_CHUNK ? HTTP_AT_CHUNK_CR : HTTP_AT_END;
	}
	*ret_piece = (struct mz_bytes){data, n};
	return n;
}

/* ---- the whole ------------------------------------------------------------------- */

static enum http_event feed_head(struct http_parser *p, const char *data, size_t size, size_t *ret_used)
{
	int rc = collect_head(p, data, size, ret_used);

	if (rc <= 0)
		return rc < 0 ? HTTP_FAILED : HTTP_MORE;
	if (!parse_head(p))
		return HTTP_FAILED;
	if (!p->is_answer || p->head.status >= 200)
		return HTTP_HEAD;
	return skip_interim(p) ? HTTP_MORE : HTTP_FAILED;
}

enum http_event http_parser_feed(struct http_parser *p, const char *data, size_t size, size_t *ret_used,
				 struct mz_bytes *ret_piece)
{
	size_t used = 0, n = 0;
	enum http_event e;

	*ret_used = 0;
	for (;;) {
		switch (p->state) {
		case HTTP_AT_FAILURE: *ret_used = used; return HTTP_FAILED;
		case HTTP_AT_END: *ret_used = used; return HTTP_END;
		default: break;
		}
		if (used == size)
			break;
		switch (p->state) {
		case HTTP_AT_HEAD:
			n = 0;
			e = feed_head(p, data + used, size - used, &n);
			used += n;
			if (e == HTTP_MORE) /* the end, or behind an interim answer */
				continue;
			*ret_used = used;
			return e;
		case HTTP_AT_BODY:
		case HTTP_AT_BODY_UNTIL_CLOSE:
		case HTTP_AT_CHUNK:
			*ret_used = used + take_piece(p, data + used, size - used, ret_piece);
			return HTTP_DATA;
		case HTTP_AT_TRAILER: (void)trailer_byte(p, data[used++]); break;
		default: (void)chunk_byte(p, data[used++]);
		}
	}
	*ret_used = used;
	return HTTP_MORE;
}

bool http_parser_closed(struct http_parser *p)
{
	if (p->state != HTTP_AT_BODY_UNTIL_CLOSE)
		return false;
	p->state = HTTP_AT_END;
	return true;
}
