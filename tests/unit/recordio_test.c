/* recordio_test.c - unit tests of core/wire/recordio.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/recordio.h"

struct seen {
	struct buf text; /* records with '|' behind each */
	int n, stop_at;
};

static int on_record(void *arg, const char *record, size_t len)
{
	struct seen *s = arg;
	buf_add(&s->text, record, len);
	buf_addc(&s->text, '|');
	return ++s->n == s->stop_at ? -ECANCELED : 0;
}

static void test_add(void **state)
{
	mz_autobuf struct buf b = {0};
	(void)state;
	recordio_add(&b, "{}", 2);
	recordio_add(&b, "hello world", 11);
	assert_string_equal(b.data, "2\n{}11\nhello world");
}

/* Wherever the stream is cut, the records are the same. */
static void test_any_chunks(void **state)
{
	static const char stream[] = "2\n{}11\nhello\nworld1\n\n003\nabc";
	size_t n = sizeof(stream) - 1;
	(void)state;
	for (size_t first = 0; first <= n; first++) {
		for (size_t step = 1; step <= n; step += 3) {
			struct recordio_reader r = {.max_record = 11};
			struct seen s = {0};
			assert_int_equal(recordio_feed(&r, stream, first, on_record, &s, NULL), 0);
			for (size_t at = first; at < n; at += step) {
				size_t len = step < n - at ? step : n - at;
				assert_int_equal(recordio_feed(&r, stream + at, len, on_record, &s, NULL), 0);
			}
			assert_string_equal(buf_str(&s.text), "{}|hello\nworld|\n|abc|");
			assert_int_equal(r.pending.len, 0);
			recordio_reader_done(&r);
			buf_done(&s.text);
		}
	}
}

static void test_bad_framing(void **state)
{
	static const struct {
		const char *bytes, *msg;
	} table[] = {
		{"x\n", "Record length has the byte 0x78 in it"},
		{" 2\n{}", "Record length has the byte 0x20 in it"},
		{"-2\n{}", "Record length has the byte 0x2d in it"},
		{"2\r\n{}", "Record length has the byte 0x0d in it"},
		{"\n", "Record without a length"},
		{"0\n", "Record without a length"},
		{"2\n{}\n", "Record without a length"},
		{"101\n", "Record of 101 bytes, more than 100"},
		{"99999999999999999999", "Record length of more than 19 digits"},
		{"9999999999999999999\n", "Record of 9999999999999999999 bytes, more than 100"},
	};
	(void)state;
	for (size_t i = 0; i < MZ_N(table); i++) {
		struct recordio_reader r = {.max_record = 100};
		struct seen s = {0};
		struct mz_err err = {0};
		int rc = recordio_feed(&r, table[i].bytes, strlen(table[i].bytes), on_record, &s, &err);
		assert_int_equal(rc, -EPROTO);
		assert_string_equal(err.msg, table[i].msg);
		recordio_reader_done(&r);
		buf_done(&s.text);
	}
}

/* A length alone takes no memory. */
static void test_announced_length_is_not_taken(void **state)
{
	struct recordio_reader r = {.max_record = (size_t)1 << 40};
	struct seen s = {0};
	(void)state;
	assert_int_equal(recordio_feed(&r, "1000000000000\nx", 15, on_record, &s, NULL), 0);
	assert_true(r.pending.cap < 4096);
	recordio_reader_done(&r);
}

static void test_handler_stops(void **state)
{
	struct recordio_reader r = {.max_record = 10};
	struct seen s = {.stop_at = 2};
	(void)state;
	assert_int_equal(recordio_feed(&r, "1\na1\nb1\nc", 9, on_record, &s, NULL), -ECANCELED);
	assert_string_equal(buf_str(&s.text), "a|b|");
	recordio_reader_done(&r);
	buf_done(&s.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_any_chunks),
		cmocka_unit_test(test_bad_framing),
		cmocka_unit_test(test_announced_length_is_not_taken),
		cmocka_unit_test(test_handler_stops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
