/* json_test.c - unit tests of core/wire/json: both directions, and the writer.
 * The recorded answers of a real cluster are in json_golden_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "google/protobuf/duration.pb-c.h"
#include "mesos/v1/agent.pb-c.h"
#include "mesos/v1/master.pb-c.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "messages.h"
#include "wire/json.h"

static void test_every_message_round_trips(void **state)
{
	uint64_t seed = 42;
	(void)state;
	for (size_t i = 0; i < n_all_messages; i++) {
		for (int round = 0; round < 3; round++) {
			mz_autoarena struct arena a = {0};
			mz_autobuf struct buf text = {0}, again = {0};
			struct mz_err err = {0};
			pb_msg *m = message_random(all_messages[i], &a, &seed);
			json_encode(m, &text);
			pb_msg *back = json_decode(all_messages[i], &a, text.data, text.len, &err);
			if (!back)
				fail_msg("%s: %s in %s", all_messages[i]->name, err.msg, text.data);
			if (!pb_equal(m, back))
				fail_msg("%s changed: %s", all_messages[i]->name, text.data);
			struct mz_bytes bytes = pb_encode_arena(back, &a);
			back = pb_decode(all_messages[i], &a, bytes.data, bytes.size, &err);
			assert_non_null(back);
			json_encode(back, &again);
			assert_string_equal(text.data, again.data);
		}
	}
}

struct row {
	const pb_desc *desc;
	const char *in;
	const char *out; /* NULL: refused */
	const char *msg;
};

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		mz_autoarena struct arena a = {0};
		mz_autobuf struct buf out = {0}, exact = {0};
		struct mz_err err = {0};
		buf_adds(&exact, rows[i].in);
		pb_msg *m = json_decode(rows[i].desc, &a, exact.data, exact.len, &err);
		if (!rows[i].out) {
			if (m)
				fail_msg("taken: %s", rows[i].in);
			assert_string_equal(err.msg, rows[i].msg);
			continue;
		}
		if (!m)
			fail_msg("%s: %s", rows[i].in, err.msg);
		json_encode(m, &out);
		assert_string_equal(out.data, rows[i].out);
	}
}
#define CHECK(rows) check_rows(rows, MZ_N(rows))

#define TASK_ID &mesos__v1__task_id__descriptor
#define SCALAR &mesos__v1__value__scalar__descriptor
#define RANGE &mesos__v1__value__range__descriptor
#define CALL &mesos__v1__scheduler__call__descriptor
#define FRAMEWORK &mesos__v1__framework_info__descriptor
#define PORT &mesos__v1__port__descriptor
#define STATUS &mesos__v1__task_status__descriptor
#define TIME &mesos__v1__time_info__descriptor
#define LABELS &mesos__v1__labels__descriptor
#define QUOTA &mesos__v1__quota__quota_config__descriptor
#define SELECTOR &mesos__v1__scheduler__attribute_constraint__selector__descriptor
#define DURATION &google__protobuf__duration__descriptor

static void test_values(void **state)
{
	static const struct row rows[] = {
		/* presence */
		{FRAMEWORK, "{\"user\":\"\",\"name\":\"n\"}", "{\"user\":\"\",\"name\":\"n\"}", NULL},
		{FRAMEWORK, " { \"user\" : \"u\" ,\n\t\"name\":\"n\",\r\"role\":\"*\",\"checkpoint\":false } ",
		 "{\"user\":\"u\",\"name\":\"n\",\"checkpoint\":false,\"role\":\"*\"}", NULL},
		{FRAMEWORK, "{\"id\":null,\"user\":\"u\",\"roles\":null,\"name\":\"n\",\"hostname\":null,\"checkpoint\":null}",
		 "{\"user\":\"u\",\"name\":\"n\"}", NULL},
		{FRAMEWORK, "{\"user\":\"u\",\"name\":\"n\",\"roles\":[\"a\",null,\"b\"],\"capabilities\":[]}",
		 "{\"user\":\"u\",\"name\":\"n\",\"roles\":[\"a\",\"b\"]}", NULL},
		{LABELS, "{}", "{}", NULL},
		/* unknown keys, whatever they hold */
		{TASK_ID, "{\"x\":{\"y\":[1,-2.5e3,{\"z\":null}],\"w\":\"\\ud83d\\ude00\"},\"value\":\"a\",\"t\":true,\"f\":false}",
		 "{\"value\":\"a\"}", NULL},
		{TASK_ID, "{\"valu\":1,\"value\":\"a\",\"value2\":2,\"\":3}", "{\"value\":\"a\"}", NULL},
		/* repeated keys: the last one */
		{TASK_ID, "{\"value\":\"a\",\"value\":\"b\"}", "{\"value\":\"b\"}", NULL},
		{LABELS, "{\"labels\":[{\"key\":\"a\"},{\"key\":\"b\"}],\"labels\":[{\"key\":\"c\"}]}",
		 "{\"labels\":[{\"key\":\"c\"}]}", NULL},
		{LABELS, "{\"labels\":[{\"key\":\"a\"}],\"labels\":null}", "{}", NULL},
		{PORT, "{\"number\":1,\"name\":\"a\",\"number\":2,\"name\":null}", "{\"number\":2}", NULL},
		/* numbers */
		{SCALAR, "{\"value\":4}", "{\"value\":4.0}", NULL},
		{SCALAR, "{\"value\":\"4.5\"}", "{\"value\":4.5}", NULL},
		{SCALAR, "{\"value\":-0}", "{\"value\":-0.0}", NULL},
		{SCALAR, "{\"value\":\"Infinity\"}", "{\"value\":\"Infinity\"}", NULL},
		{SCALAR, "{\"value\":\"-Infinity\"}", "{\"value\":\"-Infinity\"}", NULL},
		{SCALAR, "{\"value\":1e-400}", "{\"value\":0.0}", NULL},
		{SCALAR, "{\"value\":12345678901234567890}", "{\"value\":12345678901234567000.0}", NULL},
		{RANGE, "{\"begin\":\"1\",\"end\":18446744073709551615}", "{\"begin\":1,\"end\":18446744073709551615}", NULL},
		{RANGE, "{\"begin\":1.0,\"end\":2E3}", "{\"begin\":1,\"end\":2000}", NULL},
		{TIME, "{\"nanoseconds\":-9223372036854775808}", "{\"nanoseconds\":-9223372036854775808}", NULL},
		{TIME, "{\"nanoseconds\":\"9223372036854775807\"}", "{\"nanoseconds\":9223372036854775807}", NULL},
		{TIME, "{\"nanoseconds\":1447355221000000001}", "{\"nanoseconds\":1447355221000000001}", NULL},
		/* enums */
		{CALL, "{\"type\":\"NO_SUCH\"}", "{}", NULL},
		{CALL, "{\"type\":\"TEARDOWN\",\"type\":\"NO_SUCH\"}", "{}", NULL},
		{CALL, "{\"type\":3}", "{\"type\":\"ACCEPT\"}", NULL},
		{CALL, "{\"type\":99}", "{\"type\":99}", NULL},
		{CALL, "{\"type\":\"TEARDOWN\"}", "{\"type\":\"TEARDOWN\"}", NULL},
		/* bytes */
		{STATUS, "{\"task_id\":{\"value\":\"t\"},\"state\":\"TASK_RUNNING\",\"data\":\"aGk=\",\"uuid\":\"\"}",
		 "{\"task_id\":{\"value\":\"t\"},\"state\":\"TASK_RUNNING\",\"data\":\"aGk=\",\"uuid\":\"\"}", NULL},
		/* maps */
		{QUOTA, "{\"role\":\"r\",\"limits\":{\"cpus\":{\"value\":1},\"mem\":{\"value\":2.5}}}",
		 "{\"role\":\"r\",\"limits\":{\"cpus\":{\"value\":1.0},\"mem\":{\"value\":2.5}}}", NULL},
		{QUOTA, "{\"role\":\"r\",\"limits\":{\"a\":{\"value\":1},\"b\":null,\"c\":{\"value\":3},\"a\":{\"value\":4}}}",
		 "{\"role\":\"r\",\"limits\":{\"c\":{\"value\":3.0},\"a\":{\"value\":4.0}}}", NULL},
		{QUOTA, "{\"role\":\"r\",\"limits\":{}}", "{\"role\":\"r\"}", NULL},
		{QUOTA, "{\"role\":\"r\",\"limits\":{\"\":{\"value\":1}}}", "{\"role\":\"r\",\"limits\":{\"\":{\"value\":1.0}}}", NULL},
		/* oneofs */
		{SELECTOR, "{\"attribute_name\":\"a\"}", "{\"attribute_name\":\"a\"}", NULL},
		{SELECTOR, "{\"attribute_name\":\"a\",\"pseudoattribute_type\":\"HOSTNAME\"}",
		 "{\"pseudoattribute_type\":\"HOSTNAME\"}", NULL},
		{SELECTOR, "{\"attribute_name\":\"a\",\"attribute_name\":null}", "{}", NULL},
		{SELECTOR, "{\"attribute_name\":\"a\",\"pseudoattribute_type\":null}", "{\"attribute_name\":\"a\"}", NULL},
		{DURATION, "{\"seconds\":600}", "{\"seconds\":600}", NULL},
		/* strings */
		{TASK_ID, "{\"value\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\ud83d\\ude00\\u001f\x7f\"}",
		 "{\"value\":\"\\\"\\\\/\\b\\f\\n\\r\\tA\xc3\xa9\xf0\x9f\x98\x80\\u001F\x7f\"}", NULL},
		{TASK_ID, "{\"v\\u0061lue\":\"a\"}", "{\"value\":\"a\"}", NULL},
	};
	(void)state;
	CHECK(rows);
}

static void test_refusals(void **state)
{
	static const struct row rows[] = {
		{TASK_ID, "", NULL, "Expected an object"},
		{TASK_ID, "[]", NULL, "Expected an object"},
		{TASK_ID, "null", NULL, "Expected an object"},
		{TASK_ID, "{\"value\":\"a\"} x", NULL, "Something behind the JSON object at byte 14"},
		{TASK_ID, "{\"value\":\"a\"}{}", NULL, "Something behind the JSON object at byte 13"},
		{TASK_ID, "{\"value\":\"a\",}", NULL, "Expected a key at byte 13"},
		{TASK_ID, "{value:\"a\"}", NULL, "Expected a key at byte 1"},
		{TASK_ID, "{\"value\" \"a\"}", NULL, "Expected ':' at byte 9"},
		{TASK_ID, "{\"value\":\"a\" \"b\":1}", NULL, "Expected ',' at byte 13"},
		{TASK_ID, "{\"value\":\"a\"", NULL, "Expected ',' at byte 12"},
		{TASK_ID, "{\"value\":\"a", NULL, "value: Unfinished string at byte 11"},
		{TASK_ID, "{\"value\":\"a\\", NULL, "value: Unfinished string at byte 12"},
		{TASK_ID, "{\"value\":\"\\q\"}", NULL, "value: Unknown escape at byte 11"},
		{TASK_ID, "{\"value\":\"\\u12g4\"}", NULL, "value: Bad \\u escape at byte 12"},
		{TASK_ID, "{\"value\":\"\\ud83d\"}", NULL, "value: Half a surrogate pair at byte 16"},
		{TASK_ID, "{\"value\":\"\\ude00\\ud83d\"}", NULL, "value: Half a surrogate pair at byte 16"},
		{TASK_ID, "{\"value\":\"\\ud83d\\u0041\"}", NULL, "value: Half a surrogate pair at byte 16"},
		{TASK_ID, "{\"value\":\"\\u0000\"}", NULL, "value: NUL in a string"},
		{TASK_ID, "{\"value\":\"\xff\"}", NULL, "value: Not UTF-8 in the string before at byte 11"},
		{TASK_ID, "{\"value\":\"\xed\xa0\x80\"}", NULL, "value: Not UTF-8 in the string before at byte 13"},
		{TASK_ID, "{\"value\":\"a\nb\"}", NULL, "value: Control character in a string at byte 11"},
		{TASK_ID, "{\"x\":\"\xff\",\"value\":\"a\"}", NULL, "Not UTF-8 in the string before at byte 7"},
		{TASK_ID, "{\"x\":tru,\"value\":\"a\"}", NULL, "Not a JSON value at byte 5"},
		{TASK_ID, "{\"x\":01,\"value\":\"a\"}", NULL, "Not a JSON value at byte 5"},
		{TASK_ID, "{\"x\":1.,\"value\":\"a\"}", NULL, "Not a JSON value at byte 5"},
		{TASK_ID, "{\"x\":+1,\"value\":\"a\"}", NULL, "Not a JSON value at byte 5"},
		{TASK_ID, "{\"x\":NaN,\"value\":\"a\"}", NULL, "Not a JSON value at byte 5"},
		/* types */
		{TASK_ID, "{\"value\":1}", NULL, "value: Expected a string"},
		{TASK_ID, "{\"value\":{}}", NULL, "value: Expected a string"},
		{TASK_ID, "{\"value\":[\"a\"]}", NULL, "value: Expected a string"},
		{LABELS, "{\"labels\":{\"key\":\"a\"}}", NULL, "labels: Expected an array"},
		{LABELS, "{\"labels\":[\"a\"]}", NULL, "labels[0]: Expected an object"},
		{SCALAR, "{\"value\":\"NaN\"}", NULL, "value: Expected a number"},
		{SCALAR, "{\"value\":\"\"}", NULL, "value: Expected a number"},
		{SCALAR, "{\"value\":\"1x\"}", NULL, "value: Expected a number"},
		{SCALAR, "{\"value\":true}", NULL, "value: Expected a number"},
		{SCALAR, "{\"value\":1e999}", NULL, "value: Number '1e999' does not fit"},
		{RANGE, "{\"begin\":-1,\"end\":1}", NULL, "begin: Number '-1' does not fit"},
		{RANGE, "{\"begin\":1.5,\"end\":1}", NULL, "begin: Number '1.5' does not fit"},
		{RANGE, "{\"begin\":18446744073709551616,\"end\":1}", NULL, "begin: Number '18446744073709551616' does not fit"},
		{RANGE, "{\"begin\":\"Infinity\",\"end\":1}", NULL, "begin: Expected a number"},
		{TIME, "{\"nanoseconds\":9223372036854775808}", NULL, "nanoseconds: Number '9223372036854775808' does not fit"},
		{PORT, "{\"number\":4294967296}", NULL, "number: Number '4294967296' does not fit"},
		{STATUS, "{\"task_id\":{\"value\":\"t\"},\"state\":\"TASK_RUNNING\",\"data\":\"a*\"}", NULL, "data: Not base64"},
		{FRAMEWORK, "{\"user\":\"u\",\"name\":\"n\",\"checkpoint\":\"true\"}", NULL, "checkpoint: Expected true or false"},
		{FRAMEWORK, "{\"user\":\"u\",\"name\":\"n\",\"checkpoint\":1}", NULL, "checkpoint: Expected true or false"},
		/* required */
		{TASK_ID, "{}", NULL, "Missing required field 'value'"},
		{TASK_ID, "{\"value\":null}", NULL, "Missing required field 'value'"},
		{TASK_ID, "{\"value\":\"a\",\"value\":null}", NULL, "Missing required field 'value'"},
		{CALL, "{\"accept\":{\"offer_ids\":[{\"value\":\"a\"},null,{\"valu\":\"b\"}]}}", NULL,
		 "Missing required field 'accept.offer_ids[2].value'"},
		{CALL, "{\"accept\":{\"offer_ids\":[{\"value\":\"a\"},{\"value\":7}]}}", NULL,
		 "accept.offer_ids[1].value: Expected a string"},
		{STATUS, "{\"task_id\":{\"value\":\"t\"},\"state\":\"TASK_NO_SUCH\"}", NULL, "state: Unknown value 'TASK_NO_SUCH'"},
		{QUOTA, "{\"role\":\"r\",\"limits\":{\"cpus\":{\"value\":1},\"mem\":{}}}", NULL,
		 "Missing required field 'limits['mem'].value'"},
		{QUOTA, "{\"role\":\"r\",\"limits\":[]}", NULL, "limits: Expected an object"},
		{QUOTA, "{\"role\":\"r\",\"limits\":{1:{}}}", NULL, "limits: Expected a key at byte 22"},
	};
	(void)state;
	CHECK(rows);
}

/* Cut anywhere, a document is refused, and nothing behind it is read. */
static void test_truncated_anywhere(void **state)
{
	uint64_t seed = 5;
	mz_autoarena struct arena a = {0};
	mz_autobuf struct buf text = {0};
	(void)state;
	json_encode(message_random(&mesos__v1__offer__descriptor, &a, &seed), &text);
	for (size_t n = 0; n < text.len; n++) {
		mz_autoarena struct arena b = {0};
		struct mz_err err = {0};
		char *exact = malloc(n + 1);
		assert_non_null(exact);
		memcpy(exact + 1, text.data, n);
		assert_null(json_decode(&mesos__v1__offer__descriptor, &b, exact + 1, n, &err));
		assert_int_not_equal(err.code, 0);
		free(exact);
	}
}

static void decode_bomb(const pb_desc *d, const char *open, int n, bool ok)
{
	mz_autoarena struct arena a = {0};
	mz_autobuf struct buf b = {0};
	struct mz_err err = {0};
	for (int i = 0; i < n; i++)
		buf_adds(&b, open);
	if (ok) {
		buf_adds(&b, "{\"value\":\"c\"}");
		for (int i = 0; i < n; i++)
			buf_addc(&b, '}');
	}
	pb_msg *m = json_decode(d, &a, b.data, b.len, &err);
	assert_int_equal(m != NULL, ok);
	if (!ok)
		assert_non_null(strstr(err.msg, "Nested too deeply"));
}

static void test_depth(void **state)
{
	const pb_desc *id = &mesos__v1__container_id__descriptor;
	(void)state;
	decode_bomb(id, "{\"value\":\"c\",\"parent\":", PB_MAX_DEPTH - 1, true);
	decode_bomb(id, "{\"value\":\"c\",\"parent\":", PB_MAX_DEPTH + 1, false);
	decode_bomb(id, "{\"value\":\"c\",\"parent\":", 100000, false);
	decode_bomb(id, "{\"x\":", 100000, false);
	mz_autobuf struct buf b = {0};
	mz_autoarena struct arena a = {0};
	buf_adds(&b, "{\"x\":");
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, '[');
	assert_null(json_decode(id, &a, b.data, b.len, NULL));
}

static void test_many_empty_messages(void **state)
{
	const pb_desc *d = &mesos__v1__container_info__descriptor;
	struct arena mz_autoarena a = {0};
	struct buf mz_autobuf b = {0};
	struct mz_err err;

	(void)state;
	buf_adds(&b, "{\"type\":\"MESOS\",\"network_infos\":[{}");
	while (b.len < 6 << 20)
		buf_adds(&b, ",{}");
	buf_adds(&b, "]}");
	assert_null(json_decode(d, &a, b.data, b.len, &err));
	assert_non_null(strstr(err.msg, "network_infos["));
	assert_non_null(strstr(err.msg, "Too many messages"));
}

static void test_large_map(void **state)
{
	mz_autobuf struct buf b = {0};
	mz_autoarena struct arena a = {0};
	(void)state;
	buf_adds(&b, "{\"role\":\"r\",\"limits\":{");
	for (int i = 0; i < 20000; i++)
		buf_addf(&b, "%s\"k%d\":{\"value\":%d}", i ? "," : "", i % 15000, i);
	buf_adds(&b, "}}");
	Mesos__V1__Quota__QuotaConfig *q = (void *)json_decode(QUOTA, &a, b.data, b.len, NULL);
	assert_non_null(q);
	assert_int_equal(q->n_limits, 15000);
	assert_string_equal(q->limits[0]->key, "k5000");
	assert_true(q->limits[14999]->value->value == 19999);
}

static void test_defaults_come_back(void **state)
{
	mz_autoarena struct arena a = {0};
	static const char text[] = "{\"delay_seconds\":3,\"delay_seconds\":null,\"type\":\"TCP\"}";
	(void)state;
	Mesos__V1__HealthCheck *h = (void *)json_decode(&mesos__v1__health_check__descriptor, &a, text, strlen(text), NULL);
	assert_non_null(h);
	assert_false(h->has_delay_seconds);
	assert_true(h->delay_seconds == 15.0);
	assert_true(h->consecutive_failures == 3);
}

static void test_doubles(void **state)
{
	static const struct {
		double d;
		const char *text;
	} table[] = {
		{0, "0.0"},
		{-0.0, "-0.0"},
		{4, "4.0"},
		{-4.5, "-4.5"},
		{23.87, "23.87"},
		{0.1, "0.1"},
		{0.001, "0.001"},
		{0.000001, "0.000001"},
		{1e-7, "1e-7"},
		{1.25e-9, "1.25e-9"},
		{0.0000123, "0.0000123"},
		{1795249756.527423, "1795249756.527423"},
		{1795249768.07807, "1795249768.07807"},
		{409600, "409600.0"},
		{100, "100.0"},
		{1e15, "1000000000000000.0"},
		{9007199254740993, "9007199254740992.0"},
		{1e20, "100000000000000000000.0"},
		{1e21, "1e21"},
		{1.5e300, "1.5e300"},
		{0.1 + 0.2, "0.30000000000000004"},
		{1.0 / 3, "0.3333333333333333"},
		{2.0 / 3, "0.6666666666666666"},
		{123456789.125, "123456789.125"},
		{5e-324, "4.94065645841247e-324"},
		{1.7976931348623157e308, "1.7976931348623157e308"},
		{INFINITY, "\"Infinity\""},
		{-INFINITY, "\"-Infinity\""},
		{NAN, "\"NaN\""},
	};
	(void)state;
	for (size_t i = 0; i < MZ_N(table); i++) {
		mz_autobuf struct buf b = {0};
		json_add_double(&b, table[i].d);
		assert_string_equal(b.data, table[i].text);
	}
}

/* Never longer than what 15 digits would do, and always the same number again. */
static void test_doubles_round_trip(void **state)
{
	uint64_t bits = 1;
	(void)state;
	for (int i = 0; i < 200000; i++) {
		double d;
		char plain[64];
		mz_autobuf struct buf b = {0};
		bits = bits * 6364136223846793005u + 1442695040888963407u;
		if (i % 2)
			d = (double)(bits >> 11) / (double)((uint64_t[]){1, 10, 1000, 1000000, 7}[i % 5]);
		else
			memcpy(&d, &bits, sizeof(d));
		if (!isfinite(d))
			continue;
		json_add_double(&b, d);
		assert_true(strtod(b.data, NULL) == d);
		assert_true(strpbrk(b.data, ".e") != NULL);
		snprintf(plain, sizeof(plain), "%.15g", d);
		if (strtod(plain, NULL) == d && !strchr(plain, 'e'))
			assert_true(b.len <= strlen(plain) + 2);
	}
}

static void test_strings(void **state)
{
	mz_autobuf struct buf b = {0};
	(void)state;
	json_add_string(&b, "a\"b\\c/\b\t\n\v\f\r\x01\x1f\x7f\xc3\xa9");
	assert_string_equal(b.data, "\"a\\\"b\\\\c/\\b\\t\\n\\u000B\\f\\r\\u0001\\u001F\x7f\xc3\xa9\"");
	buf_clear(&b);
	/* What is no UTF-8 must not make the document no JSON. */
	json_add_string(&b, "x\xff\xc3\x28\xed\xa0\x80\xf0\x9f\x98");
	assert_string_equal(b.data, "\"x\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"");
	buf_clear(&b);
	json_add_string(&b, "");
	assert_string_equal(b.data, "\"\"");
	buf_clear(&b);
	/* Output of a program may hold NUL; what comes after it counts, too. */
	json_add_text(&b, "a\0b", 3);
	assert_string_equal(b.data, "\"a\\u0000b\"");
}

static void test_writer(void **state)
{
	mz_autobuf struct buf b = {0};
	struct jsonw w = {.out = &b};
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	(void)state;
	id.value = (char *)"t";
	jsonw_object(&w);
	jsonw_kstring(&w, "s", "a\"b");
	jsonw_kstring(&w, "none", NULL);
	jsonw_kint(&w, "i", INT64_MIN);
	jsonw_kdouble(&w, "d", 2);
	jsonw_kbool(&w, "b", true);
	jsonw_key(&w, "list");
	jsonw_array(&w);
	jsonw_int(&w, 1);
	jsonw_array(&w);
	jsonw_end(&w);
	jsonw_object(&w);
	jsonw_end(&w);
	jsonw_string(&w, "x");
	jsonw_null(&w);
	jsonw_message(&w, &id.base);
	jsonw_raw(&w, "[7]", 3);
	jsonw_bool(&w, false);
	jsonw_end(&w);
	jsonw_key(&w, "o");
	jsonw_object(&w);
	jsonw_kint(&w, "a", 1);
	jsonw_kint(&w, "b", 2);
	jsonw_end(&w);
	jsonw_end(&w);
	assert_string_equal(b.data, "{\"s\":\"a\\\"b\",\"none\":null,\"i\":-9223372036854775808,\"d\":2.0,\"b\":true,"
				    "\"list\":[1,[],{},\"x\",null,{\"value\":\"t\"},[7],false],\"o\":{\"a\":1,\"b\":2}}");
	assert_int_equal(w.depth, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message_round_trips),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_truncated_anywhere),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_many_empty_messages),
		cmocka_unit_test(test_large_map),
		cmocka_unit_test(test_defaults_come_back),
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_doubles_round_trip),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
