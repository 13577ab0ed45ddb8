/* none_test.c - everyone is anonymous, whatever the header says.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MZ_MODULE_ABI 1
#include <mezzo/authenticator.h>

#include <string.h>

extern const struct mz_module mz_module;

struct mz_op {
	int n_done;
	struct mz_auth_result result;
};

static void fake_op_done(struct mz_op *op, const struct mz_err *err, const void *result)
{
	assert_null(err);
	assert_non_null(result);
	op->n_done++;
	memcpy(&op->result, result, sizeof(op->result));
}

static const struct mz_host host = {.size = sizeof(host), .op_done = fake_op_done};

static const struct mz_authenticator_ops *ops(void)
{
	return (const struct mz_authenticator_ops *)mz_module.ops;
}

static void descriptor_is_complete(void **state)
{
	(void)state;
	assert_int_equal(mz_module.magic, MZ_MODULE_MAGIC);
	assert_int_equal(mz_module.kind, MZ_KIND_AUTHENTICATOR);
	assert_string_equal(mz_module.name, "none");
	assert_int_equal(ops()->size, sizeof(struct mz_authenticator_ops));
	ops()->destroy(NULL);
}

static void everyone_is_anonymous(void **state)
{
	(void)state;
	static const char *const headers[] = {NULL, "", "Basic YWxpY2U6c2VjcmV0", "Bearer x.y.z", "garbage"};
	struct mz_err err;
	void *inst = NULL;

	assert_int_equal(ops()->create(&host, NULL, &inst, &err), 0);
	for (uint32_t realm = MZ_REALM_MASTER_READONLY; realm <= MZ_REALM_LINK; realm++)
		for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
			struct mz_op op;
			memset(&op, 0xff, sizeof(op));
			op.n_done = 0;
			const struct mz_auth_request r = {
				.size = sizeof(r), .realm = realm, .header = headers[i], .peer = "10.0.0.1:4711"};
			ops()->authenticate(inst, &r, &op);
			assert_int_equal(op.n_done, 1);
			assert_int_equal(op.result.size, sizeof(op.result));
			assert_int_equal(op.result.verdict, MZ_AUTH_OK);
			assert_string_equal(op.result.principal, "");
			assert_string_equal(op.result.claims, "");
			assert_string_equal(op.result.challenge, "");
		}
	ops()->destroy(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptor_is_complete),
		cmocka_unit_test(everyone_is_anonymous),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
