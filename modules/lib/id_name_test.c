/* id_name_test.c - tests of id_name.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "id_name.h"

static void short_ids_are_names(void **state)
{
	(void)state;
	char id[300], out[ID_NAME_SIZE];
	memset(id, 'a', sizeof(id));
	id[NAME_MAX] = '\0';
	assert_ptr_equal(id_name(id, out), id);
	assert_string_equal(id_name("a.b", out), "a.b");
	assert_true(id_name_is("a.b", "a.b"));
	assert_false(id_name_is("a.b", "a.c"));
}

static void long_ids_are_hashed(void **state)
{
	(void)state;
	char one[2000], two[2000], out[ID_NAME_SIZE], other[ID_NAME_SIZE];
	for (size_t len = NAME_MAX + 1; len < sizeof(one); len++) {
		memset(one, 'a', len);
		one[len] = '\0';
		memcpy(two, one, len + 1);
		two[len - 1] = 'b';
		assert_ptr_equal(id_name(one, out), out);
		assert_int_equal(strlen(out), NAME_MAX);
		assert_memory_equal(out, one, 100);
		assert_non_null(strstr(out, ".."));
		assert_string_not_equal(out, id_name(two, other));
		assert_true(id_name_is(out, one));
		assert_false(id_name_is(out, two));
		assert_string_equal(id_name(out, other), out); /* a name is its own */
		assert_int_equal(strlen(id_short(one, 200, other)), 200);
	}
}

/* Known answers: names must be the same in every life of the agent. */
static void hash_is_fnv1a(void **state)
{
	(void)state;
	assert_true(id_name_hash("") == 0xcbf29ce484222325u);
	assert_true(id_name_hash("a") == 0xaf63dc4c8601ec8cu);
	assert_true(id_name_hash("foobar") == 0x85944171f73967e8u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_ids_are_names),
		cmocka_unit_test(long_ids_are_hashed),
		cmocka_unit_test(hash_is_fnv1a),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
