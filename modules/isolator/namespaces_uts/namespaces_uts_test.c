/* namespaces_uts_test.c - who gets a UTS namespace, and whose is entered.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../kit_world.h"

static void names(void **state)
{
	(void)state;
	world_open(NULL);
	assert_string_equal(world_prepare(world_container("c1", "{hostname: box.example}")),
			    "namespace 0x4000000\nhostname box.example\n");
	assert_string_equal(world_prepare(world_container("c2", NULL)), "");
	assert_int_equal(w.err.code, 0);
	assert_string_equal(world_prepare(world_container("c3", "{hostname: 'a b'}")), "");
	assert_string_equal(w.err.msg, "hostname is 'a b': 1 to 64 letters, digits, '-' and '.' are allowed");
	assert_string_equal(world_prepare(world_container("c3", "{hostname: '-a'}")), "");
	assert_int_equal(w.err.code, -EINVAL);
	world_close();
	world_open("{always: true}");
	assert_string_equal(world_prepare(world_container("c2", NULL)), "namespace 0x4000000\n");
	world_close();
}

static void nested(void **state)
{
	(void)state;
	world_open(NULL);
	struct mz_container *parent = world_container("c1", "{hostname: box}");
	struct mz_container *c = world_container("c1.n", NULL);
	c->parent = "c1";
	world_prepare(parent);
	assert_int_equal(world_isolate(parent, 4711), 0);
	assert_string_equal(world_prepare(c), "enter 0x4000000 /proc/4711/ns/uts\n");
	c->container = mz_kit_info(w.k, "{hostname: inner}");
	assert_string_equal(world_prepare(c), "namespace 0x4000000\nhostname inner\n");
	c->container_class = MZ_CONTAINER_DEBUG;
	assert_string_equal(world_prepare(c), "enter 0x4000000 /proc/4711/ns/uts\n");
	assert_int_equal(world_cleanup("c1"), 0);
	assert_int_equal(world_cleanup("c1"), 0);
	assert_string_equal(world_prepare(c), "");
	/* After a restart. */
	parent->pid = 42;
	const struct mz_container *v[] = {parent};
	assert_int_equal(world_recover(v, 1), 0);
	assert_string_equal(world_prepare(c), "enter 0x4000000 /proc/42/ns/uts\n");
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(nested),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
