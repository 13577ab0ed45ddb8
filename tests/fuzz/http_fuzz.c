/* http_fuzz.c - HTTP messages, and the records in them, do not depend on where their
 * bytes are cut; what is accepted has the form that handlers rely on.
 * The first byte: where to cut, whether answers are read, whether to a HEAD.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "wire/http_parse.h"
#include "wire/recordio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	STEP_MASK = 31,
	IS_ANSWER = 32,
	TO_HEAD = 64,
	MAX_HEAD = 512,
	MAX_HEADERS = 16,
	MAX_RECORD = 4096,
};

/* Everything that a reader of the bytes comes to know, as text. */
struct seen {
	struct http_parser p;
	struct recordio_reader records;
	struct buf text, body;
	bool to_head, is_records, failed, bad_record;
};

static int on_record(void *arg, const char *record, size_t len)
{
	must(len > 0 && len <= MAX_RECORD);
	buf_addf(arg, "record %zu ", len);
	buf_add(arg, record, len);
	return 0;
}

static void check_string(const char *s, const char *not)
{
	must(s && !s[strcspn(s, not)]);
}

static void on_head(struct seen *s)
{
	const struct http_head *h = &s->p.head;
	bool has_length = http_head_get(h, "Content-Length") != NULL;
	const char *type = http_head_get(h, "Content-Type");

	if (s->p.is_answer) {
		must(h->status >= 200 && h->status <= 999);
		buf_addf(&s->text, "%d", h->status);
	} else {
		check_string(h->method, " \t\r\n:");
		check_string(h->target, " \t\r\n");
		must(*h->method && *h->target && h->length >= (h->chunked ? -1 : 0));
		buf_addf(&s->text, "%s %s", h->method, h->target);
	}
	must(!(h->chunked && has_length) && h->headers.n <= MAX_HEADERS && h->text.len <= MAX_HEAD);
	buf_addf(&s->text, " 1.%d %d %d %d %lld\n", h->minor, h->closes, h->chunked, h->expects_continue,
		 (long long)h->length);
	for (size_t i = 0; i < h->headers.n; i++) {
		check_string(h->headers.v[i].name, " \t\r\n:");
		for (const char *c = h->headers.v[i].value; *c; c++)
			must(*c == '\t' || ((unsigned char)*c >= 0x20 && *c != 0x7f));
		buf_addf(&s->text, "%s: %s\n", h->headers.v[i].name, h->headers.v[i].value);
	}
	s->is_records = type && strcasecmp(type, "application/recordio") == 0;
}

static void on_data(struct seen *s, struct mz_bytes piece)
{
	must(piece.size > 0);
	buf_add(&s->body, piece.data, piece.size);
	if (s->is_records && !s->bad_record &&
	    recordio_feed(&s->records, piece.data, piece.size, on_record, &s->text, NULL) < 0)
		s->bad_record = true;
}

static void on_end(struct seen *s)
{
	buf_addf(&s->text, "body %zu ", s->body.len);
	buf_add(&s->text, s->body.data, s->body.len);
	buf_addf(&s->text, " %d\n", s->bad_record);
	buf_clear(&s->body);
	recordio_reader_done(&s->records);
	s->bad_record = s->is_records = false;
	http_parser_start(&s->p, s->to_head);
}

static void feed(struct seen *s, const char *data, size_t size)
{
	size_t used;

	while (!s->failed) {
		struct mz_bytes piece = {0};
		enum http_event e = http_parser_feed(&s->p, data, size, &used, &piece);
		must(used <= size);
		if (e == HTTP_DATA)
			must((const char *)piece.data >= data && (const char *)piece.data + piece.size <= data + used);
		data += used;
		size -= used;
		switch (e) {
		case HTTP_HEAD: on_head(s); break;
		case HTTP_DATA: on_data(s, piece); break;
		case HTTP_END: on_end(s); break;
		case HTTP_MORE: must(size == 0); return;
		default:
			must(s->p.error && s->p.error_status >= 400 && s->p.error_status < 600);
			buf_addf(&s->text, "failed %d %s", s->p.error_status, s->p.error);
			s->failed = true;
		}
	}
}

static void start(struct seen *s, uint8_t how)
{
	*s = (struct seen){.records = {.max_record = MAX_RECORD}, .to_head = how & TO_HEAD};
	http_parser_init(&s->p, how & IS_ANSWER, MAX_HEAD, MAX_HEADERS);
	http_parser_start(&s->p, s->to_head);
}

static void finish(struct seen *s)
{
	if (!s->failed && http_parser_closed(&s->p))
		on_end(s);
	buf_addf(&s->text, "left %zu", s->body.len);
}

static void done(struct seen *s)
{
	http_parser_done(&s->p);
	recordio_reader_done(&s->records);
	buf_done(&s->text);
	buf_done(&s->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, cut;
	size_t step;

	if (!size)
		return 0;
	start(&whole, data[0]);
	start(&cut, data[0]);
	step = (size_t)(data[0] & STEP_MASK) + 1;
	data++, size--;
	feed(&whole, (const char *)data, size);
	for (size_t at = 0; at < size; at += step)
		feed(&cut, (const char *)data + at, MZ_MIN(step, size - at));
	finish(&whole);
	finish(&cut);
	must(whole.text.len == cut.text.len && !memcmp(whole.text.data, cut.text.data, cut.text.len));
	done(&whole);
	done(&cut);
	return 0;
}
