/* linux_nnp_test.c - every container gets no_new_privs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../kit_world.h"

static void for_all(void **state)
{
	(void)state;
	world_open(NULL);
	assert_string_equal(world_prepare(world_container("c1", NULL)), "no_new_privs\n");
	struct mz_container *c = world_container("c1.n", NULL);
	c->parent = "c1";
	assert_string_equal(world_prepare(c), "no_new_privs\n");
	assert_true(w.ops->flags(mz_kit_inst(w.m)) & MZ_ISOLATOR_NESTED);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(for_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
