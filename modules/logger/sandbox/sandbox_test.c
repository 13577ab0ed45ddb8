/* sandbox_test.c - logger/sandbox names the two files and opens nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define MZ_MODULE_ABI 1
#include <mezzo/kit.h>
#include <mezzo/logger.h>

extern const struct mz_module mz_module;

static void names_the_files(void **state)
{
	(void)state;
	struct mz_kit *k = mz_kit_new();
	struct mz_kit_module *m;
	struct mz_err err;
	struct mz_kit_op r;
	struct mz_logger_result files;
	assert_int_equal(mz_kit_add(k, &mz_module, NULL, &m, &err), 0);
	const struct mz_logger_ops *ops = mz_kit_ops(m);
	ops->prepare(mz_kit_inst(m), mz_kit_container(k, "c1", "cpus:1"), mz_kit_op(m, &r, sizeof(files)));
	assert_int_equal(mz_kit_wait(k, &r), 0);
	memcpy(&files, r.result.bytes, sizeof(files));
	assert_int_equal(files.fd_out, -1);
	assert_int_equal(files.fd_err, -1);
	assert_string_equal(files.file_out, "stdout");
	assert_string_equal(files.file_err, "stderr");
	assert_null(ops->recover);
	assert_null(ops->ended);
	mz_kit_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
