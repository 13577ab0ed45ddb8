/* by_id_test.c - a table that grows, and what is taken out of it again.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "by_id.h"

enum { N = 1000 };

static struct thing {
	struct by_id by;
	char id[16];
} things[N];

static void test_finds_what_is_there(void **state)
{
	struct by_id_table t = {0};
	(void)state;
	assert_null(by_id_find(&t, "c1"));
	assert_null(by_id_take(&t, "c1"));
	for (size_t i = 0; i < N; i++) {
		(void)snprintf(things[i].id, sizeof(things[i].id), "c%zu", i);
		assert_int_equal(by_id_add(&t, &things[i].by, things[i].id), 0);
	}
	assert_int_equal(t.n, N);
	assert_true(t.n_buckets >= N);
	for (size_t i = 0; i < N; i++)
		assert_ptr_equal(by_id_find(&t, things[i].id), &things[i]);
	assert_null(by_id_find(&t, "c"));
	assert_null(by_id_find(&t, "c1000"));
	for (size_t i = 0; i < N; i += 2)
		assert_ptr_equal(by_id_take(&t, things[i].id), &things[i]);
	for (size_t i = 0; i < N; i++)
		assert_ptr_equal(by_id_find(&t, things[i].id), i % 2 ? &things[i] : NULL);
	size_t n = 0;
	for (struct by_id *b = by_id_next(&t, NULL); b; b = by_id_next(&t, b), n++)
		assert_ptr_equal(by_id_find(&t, b->id), b);
	assert_int_equal(n, N / 2);
	n = 0;
	for (struct by_id *b = by_id_empty(&t); b; b = b->next)
		n++;
	assert_int_equal(n, N / 2);
	assert_int_equal(t.n, 0);
	assert_null(by_id_find(&t, "c1"));
	assert_null(by_id_next(&t, NULL));
	assert_null(by_id_empty(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_finds_what_is_there)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
