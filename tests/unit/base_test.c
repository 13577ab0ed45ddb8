/* base_test.c - the base library: containers, text forms, errors.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/uuid.h"
#include "base/vec.h"

static void map_keeps_order(void **state)
{
	(void)state;
	struct map m = {0};
	int values[3];
	assert_null(map_get(&m, "a"));
	assert_null(map_del(&m, "a"));
	assert_null(map_put(&m, "c", &values[0]));
	assert_null(map_put(&m, "a", &values[1]));
	assert_null(map_put(&m, "b", NULL));
	assert_ptr_equal(map_put(&m, "c", &values[2]), &values[0]);
	assert_true(map_has(&m, "b"));
	assert_null(map_get(&m, "b"));
	assert_int_equal(m.n, 3);
	struct buf order = {0};
	map_each(&m, e) buf_adds(&order, e->key);
	assert_string_equal(buf_str(&order), "cab");
	assert_ptr_equal(map_del(&m, "a"), &values[1]);
	map_put(&m, "a", &values[1]);
	buf_clear(&order);
	map_each(&m, e) buf_adds(&order, e->key);
	assert_string_equal(buf_str(&order), "cba");
	buf_done(&order);
	map_done(&m);
	assert_int_equal(m.n, 0);
}

static void map_deletes_while_iterating(void **state)
{
	(void)state;
	struct map m = {0};
	char key[16];
	for (size_t i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%zu", i);
		map_put(&m, key, (void *)(i + 1));
	}
	size_t seen = 0;
	map_each(&m, e)
	{
		seen++;
		assert_int_equal((size_t)e->value, seen);
		if (seen % 3) {
			mz_autofree char *copy = xstrdup(e->key);
			assert_int_equal((size_t)map_del(&m, copy), seen);
		}
	}
	assert_int_equal(seen, 1000);
	assert_int_equal(m.n, 333);
	size_t last = 0;
	map_each(&m, e)
	{
		assert_true((size_t)e->value > last && (size_t)e->value % 3 == 0);
		last = (size_t)e->value;
	}
	map_done(&m);
}

/* Coming and going for long must neither lose keys nor grow without end. */
static void map_churns(void **state)
{
	(void)state;
	struct map m = {0};
	char key[24];
	for (size_t i = 0; i < 50000; i++) {
		snprintf(key, sizeof(key), "%zu", i);
		map_put(&m, key, (void *)(i + 1));
		if (i >= 10) {
			snprintf(key, sizeof(key), "%zu", i - 10);
			assert_int_equal((size_t)map_del(&m, key), i - 9);
			assert_false(map_has(&m, key));
		}
	}
	assert_int_equal(m.n, 10);
	assert_true(m.cap <= 64);
	snprintf(key, sizeof(key), "%d", 49995);
	assert_int_equal((size_t)map_get(&m, key), 49996);
	map_done(&m);
}

static void vectors(void **state)
{
	(void)state;
	VEC(int) v = {0};
	for (int i = 0; i < 100; i++)
		vec_push(&v, i);
	assert_int_equal(v.n, 100);
	assert_int_equal(v.v[99], 99);
	vec_insert(&v, 0, -1);
	vec_insert(&v, v.n, 100);
	assert_int_equal(v.v[0], -1);
	assert_int_equal(v.v[101], 100);
	vec_remove(&v, 1);
	assert_int_equal(v.v[1], 1);
	vec_swap_remove(&v, 0);
	assert_int_equal(v.v[0], 100);
	assert_int_equal(vec_pop(&v), 99);
	vec_clear(&v);
	assert_int_equal(v.n, 0);
	vec_done(&v);
	assert_null(v.v);
}

static void buffers(void **state)
{
	(void)state;
	struct buf b = {0};
	assert_string_equal(buf_str(&b), "");
	buf_adds(&b, "abc");
	buf_addc(&b, 'd');
	buf_addf(&b, "%0200d|", 7);
	assert_int_equal(b.len, 205);
	assert_int_equal(b.data[b.len], 0);
	assert_true(str_ends(b.data, "0007|"));
	buf_drop(&b, 3);
	assert_true(str_starts(b.data, "d000"));
	buf_add(&b, "x\0y", 3);
	assert_int_equal(b.len, 205);
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
	buf_adds(&b, "last");
	mz_autofree char *s = buf_take(&b);
	assert_string_equal(s, "last");
	assert_int_equal(b.len, 0);
	mz_autofree char *empty = buf_take(&b);
	assert_string_equal(empty, "");
	buf_done(&b);
}

static void arenas(void **state)
{
	(void)state;
	struct arena a = {0};
	char *prev = NULL;
	for (size_t i = 1; i < 3000; i += 7) {
		char *p = arena_calloc(&a, i);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < i; k++)
			assert_int_equal(p[k], 0);
		memset(p, 0xff, i);
		assert_ptr_not_equal(p, prev);
		prev = p;
	}
	char *big = arena_alloc(&a, 1 << 20);
	memset(big, 1, 1 << 20);
	assert_string_equal(arena_strdup(&a, "text"), "text");
	assert_string_equal(arena_strndup(&a, "text", 2), "te");
	assert_true(a.total >= 1 << 20);
	arena_done(&a);
	assert_int_equal(a.total, 0);
}

struct item {
	int id;
	struct list link;
};

static void lists(void **state)
{
	(void)state;
	struct list head;
	struct item items[4] = {{0}};
	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 0; i < 4; i++) {
		items[i].id = i;
		list_append(&head, &items[i].link);
	}
	list_remove(&items[0].link);
	list_remove(&items[0].link);
	assert_int_equal(list_first(&head, struct item, link)->id, 1);
	int sum = 0;
	list_each(&head, struct item, link, it)
	{
		sum = sum * 10 + it->id;
		list_remove(&it->link);
	}
	assert_int_equal(sum, 123);
	assert_true(list_empty(&head));
}

static void strings(void **state)
{
	(void)state;
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq("a", NULL));
	assert_false(str_eq(NULL, "a"));
	assert_true(str_eq("a", "a"));
	assert_true(str_starts("abc", "ab"));
	assert_false(str_starts("a", "ab"));
	assert_true(str_ends("abc", "bc"));
	assert_false(str_ends("c", "bc"));
	assert_true(str_empty(NULL) && str_empty("") && !str_empty(" "));
	char text[] = " \t a b\n";
	assert_string_equal(str_trim(text), "a b");
	char blank[] = "  ";
	assert_string_equal(str_trim(blank), "");
	mz_autofree char *four = str_address("10.0.0.1", 80), *six = str_address("fe80::1", 80);
	assert_string_equal(four, "10.0.0.1:80");
	assert_string_equal(six, "[fe80::1]:80");
}

static void integers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc;
		int64_t value;
	} rows[] = {
		{"0", 0, 0},
		{"-1", 0, -1},
		{"+7", 0, 7},
		{"007", 0, 7},
		{"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775808", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{"--1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{NULL, -EINVAL, 0},
	};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		int64_t v = 42;
		assert_int_equal(str_to_i64(rows[i].text, &v), rows[i].rc);
		assert_int_equal(v, rows[i].rc ? 42 : rows[i].value);
	}
	uint64_t u = 42;
	assert_int_equal(str_to_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(str_to_u64("18446744073709551616", &u), -ERANGE);
	assert_int_equal(str_to_u64("-1", &u), -EINVAL);
	double d = 0;
	assert_int_equal(str_to_double("-2.5e3", &d), 0);
	assert_true(d == -2500.0);
	static const char *const bad[] = {"", "nan", "inf", "0x1p3", "1 ", "1.2.3", "e", NULL};
	for (size_t i = 0; bad[i]; i++)
		assert_int_equal(str_to_double(bad[i], &d), -EINVAL);
	assert_int_equal(str_to_double("1e999", &d), -ERANGE);
}

static void durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ns;
		const char *back;
	} rows[] = {
		{"0ns", 0, "0ns"},
		{"0secs", 0, "0ns"},
		{"5secs", 5000000000, "5secs"},
		{"5s", 5000000000, "5secs"},
		{"100ms", 100000000, "100ms"},
		{"1.5mins", 90000000000, "90secs"},
		{"90m", 5400000000000, "90mins"},
		{"6h", 21600000000000, "6hrs"},
		{"24hrs", 86400000000000, "1days"},
		{"2weeks", 1209600000000000, "2weeks"},
		{"14d", 1209600000000000, "2weeks"},
		{"1w", 604800000000000, "1weeks"},
		{"7us", 7000, "7us"},
		{"1.5us", 1500, "1500ns"},
		{"0.000000001secs", 1, "1ns"},
		{"0.0000000000000000000001secs", 0, "0ns"},
		{"-3secs", -3000000000, "-3secs"},
		{"9223372036854775807ns", INT64_MAX, "9223372036854775807ns"},
	};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		int64_t ns = 42;
		assert_int_equal(str_to_duration_ns(rows[i].text, &ns), 0);
		assert_int_equal(ns, rows[i].ns);
		mz_autobuf struct buf b = {0};
		duration_add(&b, ns);
		assert_string_equal(buf_str(&b), rows[i].back);
	}
	static const char *const bad[] = {"", "5", "secs", "5 secs", "5sec", "5.secs", ".5secs",
					  "5Secs", "1e3secs", "--5s", "5secss", " 5s", NULL};
	int64_t ns = 42;
	for (size_t i = 0; bad[i]; i++)
		assert_int_equal(str_to_duration_ns(bad[i], &ns), -EINVAL);
	assert_int_equal(str_to_duration_ns(NULL, &ns), -EINVAL);
	assert_int_equal(str_to_duration_ns("15251weeks", &ns), -ERANGE);
	assert_int_equal(str_to_duration_ns("99999999999999999999ns", &ns), -ERANGE);
	assert_int_equal(ns, 42);
	/* Whatever is written reads back as itself. */
	uint64_t x = 88172645463325252ull;
	for (int i = 0; i < 10000; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		int64_t want = (int64_t)(x >> (1 + i % 60));
		mz_autobuf struct buf b = {0};
		duration_add(&b, want);
		assert_int_equal(str_to_duration_ns(buf_str(&b), &ns), 0);
		assert_int_equal(ns, want);
	}
}

static void byte_sizes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t bytes;
		const char *back;
	} rows[] = {
		{"0", 0, "0B"},
		{"512", 512, "512B"},
		{"512B", 512, "512B"},
		{"4KB", 4096, "4KB"},
		{"10MB", 10485760, "10MB"},
		{"2048MB", 2147483648, "2GB"},
		{"1.5KB", 1536, "1536B"},
		{"3TB", 3298534883328, "3TB"},
	};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		int64_t bytes = 42;
		assert_int_equal(str_to_bytes(rows[i].text, &bytes), 0);
		assert_int_equal(bytes, rows[i].bytes);
		mz_autobuf struct buf b = {0};
		bytes_add(&b, bytes);
		assert_string_equal(buf_str(&b), rows[i].back);
	}
	static const char *const bad[] = {"", "MB", "-1", "-1MB", "1mb", "1M", "1 MB", "1PB", NULL};
	int64_t bytes = 42;
	for (size_t i = 0; bad[i]; i++)
		assert_int_equal(str_to_bytes(bad[i], &bytes), -EINVAL);
	assert_int_equal(str_to_bytes("8388608TB", &bytes), -ERANGE);
	assert_int_equal(bytes, 42);
}

static void utf8(void **state)
{
	(void)state;
	static const char *const good[] = {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
					   "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf", NULL};
	static const char *const bad[] = {"\x80",	      "\xc3",		  "\xc0\xaf",
					  "\xc1\xbf",	      "\xe0\x80\x80",	  "\xed\xa0\x80",
					  "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
					  "a\xe2\x82",	      "\xe2\x28\xa1",	  "\xff",
					  NULL};
	for (size_t i = 0; good[i]; i++)
		assert_true(str_is_utf8(good[i], strlen(good[i])));
	for (size_t i = 0; bad[i]; i++)
		assert_false(str_is_utf8(bad[i], strlen(bad[i])));
	assert_true(str_is_utf8("a\0b", 3));
}

static void base64(void **state)
{
	(void)state;
	static const char *const rows[][2] = {{"", ""},		{"f", "Zg=="},	       {"fo", "Zm8="},
					      {"foo", "Zm9v"},	{"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8="}};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		mz_autobuf struct buf b = {0};
		base64_add(&b, rows[i][0], strlen(rows[i][0]));
		assert_string_equal(buf_str(&b), rows[i][1]);
		unsigned char out[16];
		size_t n = 99;
		assert_int_equal(base64_decode(b.data, b.len, out, &n), 0);
		assert_int_equal(n, strlen(rows[i][0]));
		assert_memory_equal(out, rows[i][0], n);
	}
	unsigned char out[16];
	size_t n = 0;
	assert_int_equal(base64_decode("-_8", 3, out, &n), 0);
	assert_int_equal(n, 2);
	assert_memory_equal(out, "\xfb\xff", 2);
	static const char *const bad[] = {"Z", "Zg=", "Zg===", "Zg=a", "=", "====", "Zm9v=", "Zm 9", "Zm9vY", NULL};
	n = 42;
	for (size_t i = 0; bad[i]; i++)
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), out, &n), -EINVAL);
	assert_int_equal(n, 42);
}

static int failing(struct mz_err *err)
{
	return mz_fail(err, EINVAL, "Thing '%s' is wrong", "x");
}

static void errors(void **state)
{
	(void)state;
	struct mz_err err = {0};
	assert_int_equal(failing(NULL), -EINVAL);
	assert_int_equal(failing(&err), -EINVAL);
	assert_string_equal(err.msg, "Thing 'x' is wrong");
	assert_int_equal(mz_wrap(&err, "Load '%s'", "f"), -EINVAL);
	assert_string_equal(err.msg, "Load 'f': Thing 'x' is wrong");
	char big[400];
	memset(big, 'a', sizeof(big));
	big[399] = '\0';
	assert_int_equal(mz_wrap(&err, "%s", big), -EINVAL);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

/* What is cut short has whole characters. */
static void cut_characters(void **state)
{
	(void)state;
	static const struct {
		const char *text, *utf8;
		size_t fit; /* of 5 bytes */
	} rows[] = {
		{"", "", 0}, {"abc", "abc", 3}, {"abcdefg", "abcdefg", 5}, {"abcd\xc3\xa9", "abcd\xc3\xa9", 4},
		{"abc\xc3\xa9", "abc\xc3\xa9", 5}, {"ab\xe2\x82\xac", "ab\xe2\x82\xac", 5}, {"abc\xe2\x82\xac", "abc\xe2\x82\xac", 3},
		{"a\xc3", "a?", 2}, {"a\xe2\x82", "a??", 3}, {"\x80x", "?x", 2}, {"\xc0\x80", "??", 2}, {"\xed\xa0\x80", "???", 3},
	};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		char copy[16];
		snprintf(copy, sizeof(copy), "%s", rows[i].text);
		assert_int_equal(str_fit(copy, 5), rows[i].fit);
		str_make_utf8(copy);
		assert_string_equal(copy, rows[i].utf8);
	}
	struct mz_err err = {0};
	mz_fail(&err, EINVAL, "'%.2s'", "a\xc3\xa9");
	assert_string_equal(err.msg, "'a?'");
	char big[600] = "";
	for (size_t i = 0; i + 2 < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xa9", 3);
	for (int odd = 0; odd < 2; odd++) {
		mz_fail(&err, EINVAL, odd ? "x%s" : "%s", big);
		assert_true(str_is_utf8(err.msg, strlen(err.msg)));
		mz_wrap(&err, odd ? "x%s" : "%s", big);
		assert_true(str_is_utf8(err.msg, strlen(err.msg)));
	}
}

static void uuids(void **state)
{
	(void)state;
	struct uuid u = {{0}}, v;
	assert_true(uuid_is_zero(&u));
	memset(u.b, 0xff, sizeof(u.b));
	v = u;
	uuid_finish(&u);
	assert_false(uuid_equal(&u, &v));
	char text[UUID_TEXT];
	uuid_format(&u, text);
	assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

static void sink(void *arg, int level, const char *area, const char *text)
{
	buf_addf(arg, "%d %s %s\n", level, area, text);
}

static void logging(void **state)
{
	(void)state;
	mz_autobuf struct buf b = {0};
	log_set_sink(sink, &b);
	log_set_level(MZ_LOG_WARNING);
	log_debug("t", "not %d", 1);
	log_info("t", "not %d", 2);
	log_warning("t", "yes %d", 3);
	log_error("t", "yes %s", "4");
	log_set_sink(NULL, NULL);
	log_set_level(MZ_LOG_INFO);
	assert_string_equal(buf_str(&b), "2 t yes 3\n3 t yes 4\n");
	assert_int_equal(log_level_parse("warning"), MZ_LOG_WARNING);
	assert_int_equal(log_level_parse("loud"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_keeps_order), cmocka_unit_test(map_deletes_while_iterating),
		cmocka_unit_test(map_churns),	   cmocka_unit_test(vectors),
		cmocka_unit_test(buffers),	   cmocka_unit_test(arenas),
		cmocka_unit_test(lists),	   cmocka_unit_test(strings),
		cmocka_unit_test(integers),	   cmocka_unit_test(durations),
		cmocka_unit_test(byte_sizes),	   cmocka_unit_test(utf8),
		cmocka_unit_test(base64),	   cmocka_unit_test(errors),
		cmocka_unit_test(cut_characters),
		cmocka_unit_test(uuids),	   cmocka_unit_test(logging),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
