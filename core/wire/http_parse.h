/* http_parse.h - HTTP/1.1 messages out of bytes as they come, requests and answers.
 *
 * Strict where leniency lets two readers of one byte stream disagree on where a
 * message ends: lines end with CRLF, no folded headers, one Content-Length or one
 * "Transfer-Encoding: chunked", never both. No sockets, no allocation but the head.
 * Used by http_conn.c, http_client.c, http_client_stream.c and tests/fuzz.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_HTTP_PARSE_H
#define MZ_WIRE_HTTP_PARSE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/vec.h"
#include "wire/http.h"

enum http_event {
	HTTP_FAILED = -1, /* see error and error_status; nothing more can be read */
	HTTP_MORE,	  /* all bytes are used up, and the message goes on */
	HTTP_HEAD,	  /* p->head is complete */
	HTTP_DATA,	  /* a piece of the body */
	HTTP_END,	  /* the message is complete; http_parser_start() for the next one */
};

/* The head of a message. The strings point into `text`, so it may be moved. */
struct http_head {
	struct buf text;
	VEC(struct http_header) headers;
	const char *method, *target; /* of a request */
	int status;		     /* of an answer */
	int minor;		     /* HTTP/1.minor */
	bool closes;		     /* the connection ends with this message */
	bool chunked;
	bool expects_continue;
	int64_t length; /* of the body; -1: chunked, or until the end of the connection */
};
void http_head_done(struct http_head *h);
/* Case-insensitive; the first one of that name; NULL if absent. */
const char *http_head_get(const struct http_head *h, const char *name);

enum http_parser_state {
	HTTP_AT_HEAD,
	HTTP_AT_BODY,
	HTTP_AT_BODY_UNTIL_CLOSE,
	HTTP_AT_CHUNK_SIZE,
	HTTP_AT_CHUNK_EXTENSION,
	HTTP_AT_CHUNK_SIZE_LF,
	HTTP_AT_CHUNK,
	HTTP_AT_CHUNK_CR,
	HTTP_AT_CHUNK_LF,
	HTTP_AT_TRAILER,
	HTTP_AT_END,
	HTTP_AT_FAILURE,
};

struct http_parser {
	bool is_answer;
	size_t max_head_bytes; /* also of trailers */
	size_t max_headers;
	struct http_head head;

	enum http_parser_state state;
	bool to_head;	 /* the answer is one to HEAD: no body follows */
	size_t line_at;	 /* in head.text: where the line that is being read starts */
	size_t n_empty;	 /* empty lines before the message, interim answers */
	size_t n_line;	 /* digits or bytes of the line of a chunk, bytes of trailers */
	int64_t remaining; /* of the body or the chunk */
	struct buf trailer;
	int error_status; /* what a server answers: 400, 414 … */
	const char *error;
};
void http_parser_init(struct http_parser *p, bool is_answer, size_t max_head_bytes, size_t max_headers);
void http_parser_done(struct http_parser *p);
/* Ready for the next message. `to_head`: it answers a HEAD. */
void http_parser_start(struct http_parser *p, bool to_head);
/* Uses up to `size` bytes (*ret_used) and says what they were. With HTTP_DATA the
 * piece is in *ret_piece, inside of `data`. Ask again with the rest, also when there
 * is none, until HTTP_MORE. */
enum http_event http_parser_feed(struct http_parser *p, const char *data, size_t size, size_t *ret_used,
				 struct mz_bytes *ret_piece);
/* The connection has ended: true if that is how this message ends. */
bool http_parser_closed(struct http_parser *p);
/* Nothing of the next message has come yet. */
bool http_parser_is_idle(const struct http_parser *p);

#endif
