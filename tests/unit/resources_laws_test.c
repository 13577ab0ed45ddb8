/* resources_laws_test.c - the laws of resource arithmetic, on random sets. Cases and
 * forms are in resources_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/resources.h"
#include "tests/unit/res_util.h"
#include "wire/json.h"

enum { ROUNDS = 2000 };

/* ---- random sets ----------------------------------------------------------- */

static uint64_t seed = 1;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* Identities of all sorts; %s is the value. The last ones cannot be split. */
static const char *const templates[] = {
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",%s}",
	"{\"name\":\"mem\",\"type\":\"SCALAR\",%s}",
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"role\":\"ops\",%s}",
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"revocable\":{},%s}",
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"role\":\"ops\",\"reservation\":{\"principal\":\"p\"},%s}",
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"role\":\"ops\",\"reservation\":{\"principal\":\"p\",\"labels\":"
	"{\"labels\":[{\"key\":\"a\",\"value\":\"1\"},{\"key\":\"b\"}]}},%s}",
	"{\"name\":\"mem\",\"type\":\"SCALAR\",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"ops\"},"
	"{\"type\":\"DYNAMIC\",\"role\":\"ops/dev\"}],%s}",
	"{\"name\":\"mem\",\"type\":\"SCALAR\",\"provider_id\":{\"value\":\"rp\"},%s}",
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"allocation_info\":{\"role\":\"web\"},%s}",
	"{\"name\":\"disk\",\"type\":\"SCALAR\",\"disk\":{\"source\":{\"type\":\"PATH\",\"path\":{\"root\":\"/a\"}}},%s}",
	"{\"name\":\"disk\",\"type\":\"SCALAR\",\"disk\":{\"source\":{\"type\":\"MOUNT\",\"mount\":{\"root\":\"/m\"}}},%s}",
	"{\"name\":\"disk\",\"type\":\"SCALAR\",\"role\":\"ops\",\"disk\":{\"persistence\":{\"id\":\"v1\"},"
	"\"volume\":{\"container_path\":\"data\",\"mode\":\"RW\"}},%s}",
	"{\"name\":\"disk\",\"type\":\"SCALAR\",\"role\":\"ops\",\"shared\":{},\"disk\":{\"persistence\":{\"id\":\"v2\"},"
	"\"volume\":{\"container_path\":\"data\",\"mode\":\"RW\"}},%s}",
	"{\"name\":\"ports\",\"type\":\"RANGES\",%s}",
	"{\"name\":\"ports\",\"type\":\"RANGES\",\"role\":\"ops\",%s}",
	"{\"name\":\"tags\",\"type\":\"SET\",%s}",
};
enum { N_TEMPLATES = MZ_N(templates), FIRST_RANGES = 13, FIRST_SET = 15, N_SIMPLE = 3 };

/* `part`: 0 any; 1 and 2 never share an element of ranges and sets. */
static void value_json(size_t t, int part, struct buf *out)
{
	if (t < FIRST_RANGES) {
		buf_addf(out, "\"scalar\":{\"value\":%u.%03u}", rnd(20), rnd(1000));
	} else if (t < FIRST_SET) {
		buf_adds(out, "\"ranges\":{\"range\":[");
		for (uint32_t i = 0, n = rnd(5); i <= n; i++) {
			uint32_t begin = rnd(60) + (part == 2 ? 100 : 0);
			buf_addf(out, "%s{\"begin\":%u,\"end\":%u}", i ? "," : "", begin, begin + rnd(10));
		}
		buf_adds(out, "]}");
	} else {
		uint32_t first = rnd(8), n = rnd(8);
		buf_adds(out, "\"set\":{\"item\":[");
		for (uint32_t i = 0; i <= n; i++)
			buf_addf(out, "%s\"%c%u\"", i ? "," : "", part == 2 ? 'y' : 'x', first + i);
		buf_adds(out, "]}");
	}
}

static void random_set(resources *r, size_t n_templates, int part)
{
	res_clear(r);
	for (uint32_t i = rnd(8); i > 0; i--) {
		mz_autobuf struct buf value = {0};
		size_t t = n_templates == N_TEMPLATES ? rnd(N_TEMPLATES) : (size_t[]){0, 1, 2, 13, 14, 15}[rnd(6)];
		value_json(t, part, &value);
		char json[1024];
/* The formats are the constants above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(json, sizeof(json), templates[t], buf_str(&value));
#pragma GCC diagnostic pop
		add_json(r, json);
	}
}

/* ---- laws ------------------------------------------------------------------ */

static void addition_laws(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		mz_autores resources a = {0}, b = {0}, c = {0}, ab = {0}, ba = {0}, bc = {0};
		random_set(&a, N_TEMPLATES, 0);
		random_set(&b, N_TEMPLATES, 0);
		random_set(&c, N_TEMPLATES, 0);
		res_add(&ab, &a);
		res_add(&ab, &b);
		res_add(&ba, &b);
		res_add(&ba, &a);
		must_equal(&ab, &ba);
		res_add(&bc, &b);
		res_add(&bc, &c);
		res_add(&ab, &c); /* (a+b)+c */
		res_add(&a, &bc); /* a+(b+c) */
		must_equal(&ab, &a);
		assert_true(res_contains(&ab, &bc));
		assert_true(res_contains(&ab, &c));
	}
}

static void subtraction_laws(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		mz_autores resources a = {0}, b = {0}, sum = {0}, rest = {0};
		random_set(&a, N_TEMPLATES, 1);
		random_set(&b, N_TEMPLATES, 2);
		res_add(&sum, &a);
		res_add(&sum, &b);
		assert_true(res_contains(&sum, &a) && res_contains(&sum, &b));
		resources *copy = res_copy(&sum);
		must_equal(copy, &sum);
		res_subtract(&sum, &b);
		must_equal(&sum, &a);
		res_subtract(&sum, &a);
		assert_true(res_empty(&sum));
		/* The copy shares elements and is not touched. */
		assert_true(res_contains(copy, &a) && res_contains(copy, &b));
		res_subtract(copy, copy);
		assert_true(res_empty(copy));
		res_free(copy);
		/* Overlapping operands: what is left and what was taken make the whole. */
		random_set(&a, N_TEMPLATES, 0);
		random_set(&b, N_TEMPLATES, 0);
		res_add(&rest, &a);
		res_subtract(&rest, &b);
		assert_true(res_contains(&a, &rest));
		if (res_contains(&a, &b)) {
			res_add(&rest, &b);
			must_equal(&rest, &a);
		}
		if (res_contains(&b, &a))
			assert_true(res_empty(&rest));
	}
}

static void containment_laws(void **state)
{
	(void)state;
	int both = 0;
	for (int i = 0; i < ROUNDS; i++) {
		mz_autores resources a = {0}, b = {0}, none = {0}, more = {0};
		random_set(&a, N_SIMPLE, 0);
		random_set(&b, N_SIMPLE, 0);
		assert_true(res_contains(&a, &a));
		assert_true(res_contains(&a, &none));
		assert_int_equal(res_contains(&none, &a), res_empty(&a));
		if (res_contains(&a, &b) && res_contains(&b, &a))
			must_equal(&a, &b);
		both += res_contains(&a, &b) && !res_empty(&b);
		res_add(&more, &a);
		add_json(&more, "{\"name\":\"extra\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0.001}}");
		assert_true(res_contains(&more, &a));
		assert_false(res_contains(&a, &more));
		/* contains means that subtracting loses nothing */
		mz_autores resources back = {0};
		res_add(&back, &a);
		res_subtract(&back, &b);
		int64_t left = res_scalar(&back, "mem"), had = res_scalar(&a, "mem"), took = res_scalar(&b, "mem");
		assert_int_equal(left, had > took ? had - took : 0);
	}
	assert_true(both > 0);
}

static void round_trips(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		mz_autores resources a = {0};
		random_set(&a, N_TEMPLATES, 0);
		for (int f = RES_FORMAT_POST; f <= RES_FORMAT_ENDPOINT; f++) {
			mz_autoarena struct arena arena = {0};
			mz_autores resources back = {0}, want = {0};
			struct mz_err err = {0};
			Mesos__V1__TaskResourceLimitation m = MESOS__V1__TASK_RESOURCE_LIMITATION__INIT;
			m.n_resources = res_to_pb(&a, f, true, &arena, &m.resources);
			if (res_from_pb(m.resources, m.n_resources, &back, &err))
				fail_msg("format %d: %s", f, err.msg);
			res_add(&want, &a);
			if (f == RES_FORMAT_PRE) /* cannot be said there */
				for (size_t k = 0; k < res_count(&a); k++)
					if (res_kind(res_item(&a, k).kind)->flags & MZ_RES_REFINED) {
						mz_autores resources one = {0};
						res_api()->add_item(&one, &a, k);
						res_subtract(&want, &one);
					}
			must_equal(&back, &want);
			/* and over the wire, both ways */
			mz_autobuf struct buf json = {0};
			json_encode(&m.base, &json);
			pb_msg *d = json_decode(m.base.descriptor, &arena, json.data, json.len, &err);
			assert_non_null(d);
			assert_true(pb_equal(d, &m.base));
		}
		mz_autores resources simple = {0}, back = {0};
		mz_autobuf struct buf text = {0};
		struct mz_err err = {0};
		random_set(&simple, N_SIMPLE, 0);
		res_format_text(&simple, &text);
		if (res_parse(buf_str(&text), NULL, &back, &err))
			fail_msg("'%s': %s", buf_str(&text), err.msg);
		must_equal(&back, &simple);
	}
}

static void allocation_laws(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		mz_autores resources a = {0};
		random_set(&a, N_TEMPLATES, 0);
		resources *plain = res_unallocate(&a);
		resources *web = res_allocate(&a, "web"), *dev = res_allocate(web, "dev");
		resources *back = res_unallocate(dev), *again = res_allocate(plain, "dev");
		must_equal(back, plain);
		must_equal(dev, again);
		if (!res_empty(&a)) {
			assert_string_equal(res_allocation_role(web), "web");
			assert_string_equal(res_allocation_role(dev), "dev");
			assert_null(res_allocation_role(plain));
			assert_false(res_equal(web, dev) || res_contains(web, dev) || res_contains(plain, dev));
			res_add(web, dev);
			assert_null(res_allocation_role(web));
		}
		res_free(plain);
		res_free(web);
		res_free(dev);
		res_free(back);
		res_free(again);
	}
}

/* Parts of a set are disjoint and make the whole. */
static void filters_divide(void **state)
{
	(void)state;
	static const unsigned pairs[][2] = {{RES_UNRESERVED, RES_RESERVED},
					    {RES_REVOCABLE, RES_NON_REVOCABLE},
					    {RES_SHARED, RES_NON_SHARED}};
	for (int i = 0; i < ROUNDS; i++) {
		mz_autores resources a = {0};
		random_set(&a, N_TEMPLATES, 0);
		for (size_t p = 0; p < MZ_N(pairs); p++) {
			mz_autores resources x = {0}, y = {0};
			res_add_filtered(&x, &a, pairs[p][0]);
			res_add_filtered(&y, &a, pairs[p][1]);
			assert_int_equal(res_count(&x) + res_count(&y), res_count(&a));
			res_add(&x, &y);
			must_equal(&x, &a);
		}
		mz_autores resources none = {0}, reserved = {0}, rest = {0};
		res_add_filtered(&none, &a, RES_SHARED | RES_NON_SHARED);
		assert_true(res_empty(&none));
		res_add_filtered(&reserved, &a, RES_PERSISTENT | RES_UNRESERVED);
		assert_true(res_empty(&reserved));
		res_add_allocatable(&rest, &a, "ops/dev/x");
		must_equal(&rest, &a);
		res_clear(&rest);
		res_add_allocatable(&rest, &a, "opsx");
		res_add_filtered(&none, &a, RES_UNRESERVED);
		must_equal(&rest, &none);
		/* "*" is where nothing is reserved */
		res_clear(&rest);
		res_add_reserved_for(&rest, &a, "*");
		must_equal(&rest, &none);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addition_laws),   cmocka_unit_test(subtraction_laws), cmocka_unit_test(containment_laws),
		cmocka_unit_test(round_trips),	   cmocka_unit_test(allocation_laws),  cmocka_unit_test(filters_divide),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
