/* codec_test.c - unit tests of core/wire/codec.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesos/v1/mesos.pb-c.h"
#include "wire/codec.h"

static void test_content_type(void **state)
{
	static const struct {
		const char *value;
		int codec;
	} table[] = {
		{NULL, 0},
		{"", 0},
		{"application/json", CODEC_JSON},
		{"application/x-protobuf", CODEC_PROTOBUF},
		{"application/json; charset=utf-8", 0},
		{"application/json;charset=utf-8", 0},
		{"Application/JSON", 0},
		{" application/json", 0},
		{"application/json ", 0},
		{"application/protobuf", 0},
		{"application/recordio", 0},
		{"text/plain", 0},
	};
	(void)state;
	for (size_t i = 0; i < MZ_N(table); i++)
		assert_int_equal(codec_from_content_type(table[i].value), table[i].codec);
	assert_string_equal(codec_content_type(CODEC_JSON), "application/json");
	assert_string_equal(codec_content_type(CODEC_PROTOBUF), "application/x-protobuf");
}

static void test_accept(void **state)
{
	static const struct {
		const char *value;
		int codec;
	} table[] = {
		{NULL, CODEC_JSON},
		{"", 0},
		{",,", 0},
		{"application/json", CODEC_JSON},
		{"application/x-protobuf", CODEC_PROTOBUF},
		{"application/json, text/plain, */*", CODEC_JSON},
		{"*/*", CODEC_JSON},
		{"application/*", CODEC_JSON},
		{"text/html", 0},
		{"text/*", 0},
		{"application/jso", 0},
		{"application/jsonx", 0},
		{"application/x-protobuf, application/json;q=0.1", CODEC_JSON},
		{"application/x-protobuf;q=1.0,application/json ; q=0.5", CODEC_JSON},
		{"application/json;q=0, application/x-protobuf", CODEC_PROTOBUF},
		{"application/json;q=0.0, */*", CODEC_PROTOBUF},
		{"*/*;q=0", 0},
		{"application/json;q=0", 0},
		{"*/*;q=0.1, application/x-protobuf;q=0", CODEC_JSON},
		{"application/json;version=1;q=0", 0},
		{"application/json;version=1", CODEC_JSON},
		{"application/json;q=", CODEC_JSON},
		{"application/json;q=x", CODEC_JSON},
		{"text/html,\tapplication/x-protobuf", CODEC_PROTOBUF},
	};
	(void)state;
	for (size_t i = 0; i < MZ_N(table); i++)
		if (codec_from_accept(table[i].value) != table[i].codec)
			fail_msg("Accept: %s", table[i].value);
}

static void test_both_encodings(void **state)
{
	static const enum codec both[] = {CODEC_JSON, CODEC_PROTOBUF};
	static const char *const want[] = {"{\"value\":\"t1\"}", "\x0a\x02t1"};
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	(void)state;
	id.value = (char *)"t1";
	for (size_t i = 0; i < MZ_N(both); i++) {
		mz_autoarena struct arena a = {0};
		mz_autobuf struct buf b = {0};
		struct mz_err err = {0};
		codec_encode(both[i], &id.base, &b);
		assert_string_equal(b.data, want[i]);
		pb_msg *m = codec_decode(both[i], id.base.descriptor, &a, b.data, b.len, &err);
		assert_non_null(m);
		assert_true(pb_equal(m, &id.base));
		assert_null(codec_decode(both[i], id.base.descriptor, &a, b.data, b.len - 1, &err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content_type),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_both_encodings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
