/* http_parse_test.c - the HTTP parser: what it takes, what it refuses and how, and
 * that neither depends on where the bytes are cut.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/http_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

enum { MAX_HEAD = 200, MAX_HEADERS = 5 };

/* Everything that was read, as text: "GET /x 1 [A=b] {body} close;". */
static void read_all(struct buf *out, bool is_answer, bool to_head, const char *bytes, size_t size, size_t step,
		     bool ends)
{
	struct http_parser p;

	http_parser_init(&p, is_answer, MAX_HEAD, MAX_HEADERS);
	http_parser_start(&p, to_head);
	for (size_t at = 0; at < size && p.state != HTTP_AT_FAILURE;) {
		struct mz_bytes piece;
		size_t used = 0;
		size_t n = MZ_MIN(step, size - at);
		for (enum http_event e = HTTP_DATA; e != HTTP_MORE && e != HTTP_FAILED; at += used, n -= used) {
			const struct http_head *h = &p.head;
			e = http_parser_feed(&p, bytes + at, n, &used, &piece);
			if (e == HTTP_HEAD) {
				if (is_answer)
					buf_addf(out, "%d %d ", h->status, h->minor);
				else
					buf_addf(out, "%s %s %d ", h->method, h->target, h->minor);
				for (size_t i = 0; i < h->headers.n; i++)
					buf_addf(out, "[%s=%s]", h->headers.v[i].name, h->headers.v[i].value);
				buf_adds(out, h->closes ? "close{" : "keep{");
			} else if (e == HTTP_DATA) {
				buf_add(out, piece.data, piece.size);
			} else if (e == HTTP_END) {
				buf_adds(out, "};");
				http_parser_start(&p, to_head);
			} else if (e == HTTP_FAILED) {
				buf_addf(out, "!%d", p.error_status);
			}
		}
	}
	if (ends)
		buf_adds(out, http_parser_closed(&p) ? "}end" : "?");
	http_parser_done(&p);
}

static void check(bool is_answer, bool to_head, const char *bytes, size_t size, const char *want, bool ends)
{
	for (size_t step = 1; step <= size; step = step < 8 ? step + 1 : step * 2) {
		struct buf mz_autobuf got = {0};
		read_all(&got, is_answer, to_head, bytes, size, step, ends);
		if (strcmp(buf_str(&got), want) != 0)
			fail_msg("in pieces of %zu: '%s' gives '%s', not '%s'", step, bytes, buf_str(&got), want);
	}
	struct buf mz_autobuf got = {0};
	read_all(&got, is_answer, to_head, bytes, size, size, ends);
	assert_string_equal(buf_str(&got), want);
}

static void test_requests(void **state)
{
	static const struct {
		const char *bytes, *want;
	} rows[] = {
		{"GET / HTTP/1.1\r\n\r\n", "GET / 1 keep{};"},
		{"\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\nGET /b HTTP/1.1\r\n\r\n", "GET / 1 keep{};GET /b 1 keep{};"},
		{"GET http://a:1/b?c HTTP/1.1\r\nHost: a:1\r\n\r\n", "GET http://a:1/b?c 1 [Host=a:1]keep{};"},
		{"GET / HTTP/1.1\r\nA:b\r\nC: \t d e \t\r\nE:\r\n\r\n", "GET / 1 [A=b][C=d e][E=]keep{};"},
		{"GET / HTTP/1.1\r\nA: \xc3\xa4\r\n\r\n", "GET / 1 [A=\xc3\xa4]keep{};"},
		{"GET / HTTP/1.2\r\n\r\n", "GET / 1 keep{};"},
		{"GET / HTTP/1.0\r\n\r\n", "GET / 0 close{};"},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / 0 [Connection=keep-alive]keep{};"},
		{"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / 0 [Connection=keep-alive, close]close{};"},
		{"GET / HTTP/1.1\r\nConnection: TE, Close\r\n\r\n", "GET / 1 [Connection=TE, Close]close{};"},
		{"GET / HTTP/1.1\r\nConnection: closed\r\n\r\n", "GET / 1 [Connection=closed]keep{};"},
		{"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
		 "POST / 1 [Content-Length=3]keep{abc};GET / 1 keep{};"},
		{"POST / HTTP/1.1\r\ncontent-length: 000\r\n\r\n", "POST / 1 [content-length=000]keep{};"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n",
		 "POST / 1 [Transfer-Encoding=Chunked]keep{abc0123456789};"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b c\"\r\nx\r\n00\r\nT: u\r\nV:\r\n\r\n",
		 "POST / 1 [Transfer-Encoding=chunked]keep{x};"},
		{"POST / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n", "POST / 1 [Expect=100-Continue]keep{};"},
	};

	(void)state;
	for (size_t i = 0; i < MZ_N(rows); i++)
		check(false, false, rows[i].bytes, strlen(rows[i].bytes), rows[i].want, false);
}

static void test_refused_requests(void **state)
{
	static const struct {
		const char *bytes, *want;
	} rows[] = {
		{"\r\n\r\n\r\n", "!400"},
		{"\nGET / HTTP/1.1\r\n\r\n", "!400"},
		{"nonsense\r\n", "!400"},
		{"GET\r\n", "!400"},
		{"GET /\r\n", "!400"},
		{"GET  / HTTP/1.1\r\n\r\n", "!400"},
		{"GET / a HTTP/1.1\r\n\r\n", "!400"},
		{"GET / HTTP/1.1 \r\n\r\n", "!400"},
		{"GET /\x01 HTTP/1.1\r\n\r\n", "!400"},
		{"GE(T / HTTP/1.1\r\n\r\n", "!400"},
		{"AVERYLONGMETHODNAME / HTTP/1.1\r\n\r\n", "!400"},
		{" GET / HTTP/1.1\r\n\r\n", "!400"},
		{"GET / HTTP/1.1\n", "!400"},
		{"GET / HTTP/1.1\rX: y\r\n\r\n", "!400"},
		{"GET / HTTP/x.1\r\n\r\n", "!400"},
		{"GET / HTTP/1.11\r\n\r\n", "!400"},
		{"GET / HTTP/2.0\r\n\r\n", "!505"},
		{"GET / HTTP/0.9\r\n\r\n", "!505"},
		{"\x16\x03\x01", "!400"},
		{"GET / HTTP/1.1\r\nno colon\r\n", "!400"},
		{"GET / HTTP/1.1\r\n: b\r\n\r\n", "!400"},
		{"GET / HTTP/1.1\r\nA : b\r\n\r\n", "!400"},
		{"GET / HTTP/1.1\r\nA: b\r\n c:d\r\n\r\n", "!400"},
		{"GET / HTTP/1.1\r\n A: b\r\n\r\n", "!400"},
		{"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", "!400"},
		{"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", "!400"},
		{"GET / HTTP/1.1\r\nA: \x7f\r\n\r\n", "!400"},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "!400"},
		{"GET / HTTP/1.1\r\nExpect: miracles\r\n\r\n", "!417"},
		{"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "!400"},
		{"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", "!400"},
		{"POST / HTTP/1.1\r\nContent-Length: 1,1\r\n\r\n", "!400"},
		{"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", "!400"},
		{"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", "!400"},
		{"POST / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n", "!413"},
		{"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "!400"},
		{"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "!400"},
		{"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "!400"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "!400"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "!400"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "!501"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", "!501"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", "!501"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: \x0b""chunked\r\n\r\n", "!400"},
		{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "!400"},
		{"GET / HTTP/1.1\r\nA:1\r\nA:2\r\nA:3\r\nA:4\r\nA:5\r\nA:6\r\n\r\n", "!431"},
	};

	(void)state;
	for (size_t i = 0; i < MZ_N(rows); i++)
		check(false, false, rows[i].bytes, strlen(rows[i].bytes), rows[i].want, false);
	check(false, false, "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 26, "!400", false);
	check(false, false, "GET /\0 HTTP/1.1\r\n\r\n", 20, "!400", false);
}

static void test_refused_chunks(void **state)
{
	static const char *const bad[] = {
		"zz\r\n", "-1\r\n", "\r\n", " 1\r\nx\r\n", "1 \r\nx\r\n", "0x1\r\nx\r\n", ";a\r\n", "1\nx\r\n", "1\rx\n",
		"1;\x01\r\nx\r\n", "000000001\r\nx\r\n",
	};
	static const char *const behind[] = {"xy\r\n", "x\n", "x\rz"};
	static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char want[] = "POST / 1 [Transfer-Encoding=chunked]keep{";

	(void)state;
	for (size_t i = 0; i < MZ_N(bad); i++) {
		mz_autofree char *bytes = xasprintf("%s%s", head, bad[i]);
		mz_autofree char *failed = xasprintf("%s!%s", want, strlen(bad[i]) == 14 ? "413" : "400");
		check(false, false, bytes, strlen(bytes), failed, false);
	}
	for (size_t i = 0; i < MZ_N(behind); i++) {
		mz_autofree char *bytes = xasprintf("%s1\r\n%s", head, behind[i]);
		mz_autofree char *failed = xasprintf("%sx!400", want);
		check(false, false, bytes, strlen(bytes), failed, false);
	}
	static const char *const trailers[] = {"A : b\r\n", "no colon\r\n", " A: b\r\n", "A: b\n"};
	for (size_t i = 0; i < MZ_N(trailers); i++) {
		mz_autofree char *bytes = xasprintf("%s0\r\n%s", head, trailers[i]);
		mz_autofree char *failed = xasprintf("%s!400", want);
		check(false, false, bytes, strlen(bytes), failed, false);
	}
}

static void test_limits(void **state)
{
	char many[400];

	(void)state;
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	mz_autofree char *line = xasprintf("GET /%s HTTP/1.1\r\n\r\n", many);
	mz_autofree char *header = xasprintf("GET / HTTP/1.1\r\nA: %s\r\n\r\n", many);
	mz_autofree char *fits = xasprintf("GET / HTTP/1.1\r\nA: %.*s\r\n\r\n", MAX_HEAD - 23, many);
	mz_autofree char *fits_want = xasprintf("GET / 1 [A=%.*s]keep{};", MAX_HEAD - 23, many);
	mz_autofree char *extension =
		xasprintf("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;%s\r\nx\r\n", many);
	mz_autofree char *trailer =
		xasprintf("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: %s\r\n\r\n", many);

	assert_int_equal(strlen(fits), MAX_HEAD);
	check(false, false, fits, strlen(fits), fits_want, false);
	check(false, false, line, strlen(line), "!414", false);
	check(false, false, header, strlen(header), "!431", false);
	check(false, false, extension, strlen(extension), "PUT / 1 [Transfer-Encoding=chunked]keep{!400", false);
	check(false, false, trailer, strlen(trailer), "PUT / 1 [Transfer-Encoding=chunked]keep{!431", false);
}

static void test_answers(void **state)
{
	static const struct {
		const char *bytes, *want;
		bool to_head;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "200 1 [Content-Length=2]keep{{}};?", false},
		{"HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n", "202 1 [Content-Length=0]keep{};?", false},
		{"HTTP/1.1 200 OK\r\n\r\nall of it", "200 1 close{all of it}end", false},
		{"HTTP/1.0 200 OK\r\n\r\nx", "200 0 close{x}end", false},
		{"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n",
		 "204 1 keep{};304 1 [Content-Length=5]keep{};?", false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "200 1 [Content-Length=9]keep{};?", true},
		{"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		 "200 1 [Content-Length=0]keep{};?", false},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n",
		 "200 1 [Transfer-Encoding=chunked]keep{x};?", false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal", "200 1 [Content-Length=5]keep{hal?", false},
		{"SSH-2.0-x\r\n", "!400?", false},
		{"HTTP/1.1 2000 OK\r\n", "!400?", false},
		{"HTTP/1.1 099 OK\r\n\r\n", "!502?", false},
		{"HTTP/1.1 101 Switching\r\n\r\n", "!502?", false},
		{"HTTP/2.0 200 OK\r\n", "!400?", false},
		{"\r\nHTTP/1.1 200 OK\r\n\r\n", "!400?", false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "!400?", false},
	};

	(void)state;
	for (size_t i = 0; i < MZ_N(rows); i++)
		check(true, rows[i].to_head, rows[i].bytes, strlen(rows[i].bytes), rows[i].want, true);
}

/* Not without end: 1xx before the answer. */
static void test_interim_answers(void **state)
{
	struct buf mz_autobuf bytes = {0}, got = {0};

	(void)state;
	for (int i = 0; i < 20; i++)
		buf_adds(&bytes, "HTTP/1.1 100 Continue\r\n\r\n");
	read_all(&got, true, false, bytes.data, bytes.len, bytes.len, false);
	assert_string_equal(buf_str(&got), "!502");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests), cmocka_unit_test(test_refused_requests),
		cmocka_unit_test(test_refused_chunks), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_answers), cmocka_unit_test(test_interim_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
