/* memory_test.c - what is store/memory's own: its limit, its metrics, fencing.
 * The contract of stores is mezzo-module-check's.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/kit.h>
#include <mezzo/store.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

extern const struct mz_module mz_module;

struct fixture {
	struct mz_kit *k;
	struct mz_kit_module *m;
	const struct mz_store_ops *ops;
};
static struct fixture x;

static int setup(void **state)
{
	struct mz_err err;
	(void)state;
	x.k = mz_kit_new();
	if (mz_kit_add(x.k, &mz_module, "{max_size: 1KB}", &x.m, &err) < 0)
		fail_msg("%s", err.msg);
	x.ops = mz_kit_ops(x.m);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mz_kit_free(x.k);
	return 0;
}

static int apply(uint64_t epoch, const struct mz_store_change *v, size_t n)
{
	struct mz_kit_op r;
	x.ops->apply(mz_kit_inst(x.m), epoch, v, n, mz_kit_op(x.m, &r, 0));
	return mz_kit_wait(x.k, &r);
}

static int count(void *arg, const char *key, struct mz_bytes v)
{
	(void)key, (void)v;
	++*(int *)arg;
	return 0;
}

static int records(void)
{
	int n = 0;
	assert_int_equal(x.ops->each(mz_kit_inst(x.m), "", count, &n, NULL), 0);
	return n;
}

static void a_batch_that_does_not_fit_changes_nothing(void **state)
{
	static char big[1024];
	const struct mz_store_change small = {"a", {"1", 1}};
	const struct mz_store_change v[] = {{"a", {NULL, 0}}, {"b", {big, sizeof(big)}}};
	(void)state;
	assert_int_equal(apply(1, &small, 1), 0);
	assert_int_equal(apply(1, v, 2), -ENOSPC);
	assert_int_equal(records(), 1);
	assert_int_equal(mz_kit_metric(x.m, "records"), 1);
	assert_int_equal(mz_kit_metric(x.m, "bytes"), 2);
}

static void replacing_does_not_add_up(void **state)
{
	static char half[600];
	const struct mz_store_change v = {"a", {half, sizeof(half)}};
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(apply(1, &v, 1), 0);
	assert_int_equal(mz_kit_metric(x.m, "bytes"), 601);
}

static void an_older_leader_is_refused(void **state)
{
	const struct mz_store_change v = {"a", {"1", 1}}, gone = {"a", {NULL, 0}};
	(void)state;
	assert_int_equal(apply(7, &v, 1), 0);
	assert_int_equal(apply(6, &gone, 1), -ESTALE);
	assert_int_equal(records(), 1);
	assert_int_equal(apply(8, &gone, 1), 0);
	assert_int_equal(records(), 0);
}

static void settings_are_checked(void **state)
{
	struct mz_kit_module *m;
	struct mz_err err;
	struct mz_kit *k = mz_kit_new();
	(void)state;
	assert_true(mz_kit_add(k, &mz_module, "{max_size: 12}", &m, &err) < 0);
	assert_non_null(strstr(err.msg, "max_size"));
	assert_true(mz_kit_add(k, &mz_module, "{max_sise: 4KB}", &m, &err) < 0);
	assert_non_null(strstr(err.msg, "did you mean 'max_size'?"));
	mz_kit_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_batch_that_does_not_fit_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(replacing_does_not_add_up, setup, teardown),
		cmocka_unit_test_setup_teardown(an_older_leader_is_refused, setup, teardown),
		cmocka_unit_test(settings_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
