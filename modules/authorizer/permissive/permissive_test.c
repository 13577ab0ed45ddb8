/* permissive_test.c - the authorizer that allows everything does so, for every
 * action, at once and exactly once.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MZ_MODULE_ABI 1
#include <mezzo/authorizer.h>

#include <string.h>

extern const struct mz_module mz_module;

struct mz_op {
	int n_done, n_failed;
};

static void fake_op_done(struct mz_op *op, const struct mz_err *err, const void *result)
{
	assert_null(result);
	op->n_done++;
	op->n_failed += err != NULL;
}

static const struct mz_host host = {.size = sizeof(host), .op_done = fake_op_done};

static const struct mz_authorizer_ops *ops(void)
{
	return (const struct mz_authorizer_ops *)mz_module.ops;
}

static void descriptor_is_complete(void **state)
{
	(void)state;
	assert_int_equal(mz_module.magic, MZ_MODULE_MAGIC);
	assert_int_equal(mz_module.kind, MZ_KIND_AUTHORIZER);
	assert_string_equal(mz_module.name, "permissive");
	assert_int_equal(ops()->size, sizeof(struct mz_authorizer_ops));
	ops()->destroy(NULL);
}

static void everything_is_allowed(void **state)
{
	(void)state;
	const struct mz_subject anonymous = {.size = sizeof(anonymous)};
	const struct mz_subject alice = {.size = sizeof(alice), .principal = "alice"};
	const struct mz_object nothing = {.size = sizeof(nothing)};
	const struct mz_object root = {.size = sizeof(root), .user = "root", .role = "ops"};
	const struct mz_subject *who[] = {&anonymous, &alice};
	const struct mz_object *what[] = {&nothing, &root};
	struct mz_err err;
	void *a = NULL, *b = NULL;

	assert_int_equal(ops()->create(&host, NULL, &a, &err), 0);
	assert_int_equal(ops()->create(&host, NULL, &b, &err), 0);
	assert_ptr_not_equal(a, b);
	for (int action = MZ_ACTION_REGISTER_FRAMEWORK; action <= MZ_ACTION_REACTIVATE_AGENT; action++)
		for (int i = 0; i < 4; i++) {
			struct mz_op op = {0};
			ops()->authorized(i & 1 ? a : b, action, who[i / 2], what[i & 1], &op);
			assert_int_equal(op.n_done, 1);
			assert_int_equal(op.n_failed, 0);
			assert_int_equal(ops()->allows(a, action, who[i / 2], what[i & 1]), 1);
		}
	ops()->destroy(a);
	ops()->destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptor_is_complete),
		cmocka_unit_test(everything_is_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
