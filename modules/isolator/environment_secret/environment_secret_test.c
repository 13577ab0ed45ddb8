/* environment_secret_test.c - what is asked of the resolver and of the launch.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>
#include <mezzo/kit.h>

extern const struct mz_module mz_module;

static struct mz_kit *k;
static struct mz_kit_module *m;
static struct mz_launch *l;

static int set_up(void **state)
{
	(void)state;
	struct mz_err err;
	k = mz_kit_new();
	if (mz_kit_add(k, &mz_module, NULL, &m, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mz_kit_free(k);
	return 0;
}

static int prepare(const char *command, struct mz_kit_op *r)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(m);
	struct mz_container *c = mz_kit_container(k, "c1", "cpus:1");
	c->command = command ? mz_kit_info(k, command) : NULL;
	l = mz_kit_launch(k);
	ops->prepare(mz_kit_inst(m), c, l, mz_kit_op(m, r, 0));
	return mz_kit_wait(k, r);
}

static void secrets_are_set(void **state)
{
	(void)state;
	struct mz_kit_op r;
	assert_int_equal(prepare("environment:\n"
				 "  variables:\n"
				 "  - {name: PLAIN, value: x}\n"
				 "  - {name: TYPED, type: VALUE, value: y}\n"
				 "  - {name: A, type: SECRET, secret: {type: VALUE, value: {data: sesame}}}\n"
				 "  - {name: B, type: SECRET, secret: {type: REFERENCE, reference: {name: db}}}\n"
				 "  - {name: C, type: SECRET, secret: {type: REFERENCE, reference: {name: db, key: pw}}}\n",
				 &r),
			 0);
	assert_string_equal(mz_kit_launch_text(l), "env A=sesame\nenv B=secret db\nenv C=secret db pw\n");
	assert_string_equal(mz_kit_events(k), "secret environment.variables.2.secret\n"
					      "secret environment.variables.3.secret\n"
					      "secret environment.variables.4.secret\n");
	assert_null(strstr(mz_kit_log(k), "sesame"));
	assert_true(mz_kit_metric(m, "resolved") == 3);
}

static void nothing_to_do(void **state)
{
	(void)state;
	struct mz_kit_op r;
	assert_int_equal(prepare(NULL, &r), 0);
	assert_int_equal(prepare("value: date", &r), 0);
	assert_int_equal(prepare("environment: {variables: [{name: A, value: b}]}", &r), 0);
	assert_string_equal(mz_kit_launch_text(l), "");
	assert_string_equal(mz_kit_events(k), "");
}

static void one_that_is_not_there(void **state)
{
	(void)state;
	struct mz_kit_op r;
	assert_int_equal(prepare("environment:\n"
				 "  variables:\n"
				 "  - {name: A, type: SECRET, secret: {type: VALUE, value: {data: sesame}}}\n"
				 "  - {name: B, type: SECRET, secret: {type: REFERENCE, reference: {name: none}}}\n"
				 "  - {name: C, type: SECRET, secret: {type: VALUE, value: {data: x}}}\n",
				 &r),
			 -ENOENT);
	assert_string_equal(r.err.msg, "command.environment.variables[1] 'B': There is no secret 'none'");
	assert_null(strstr(mz_kit_launch_text(l), "env C"));
	assert_null(strstr(mz_kit_log(k), "sesame"));
}

static void destroyed_meanwhile(void **state)
{
	(void)state;
	const struct mz_isolator_ops *ops = mz_kit_ops(m);
	struct mz_kit_op r;
	struct mz_container *c = mz_kit_container(k, "c1", "cpus:1");
	c->command = mz_kit_info(
		k, "environment: {variables: [{name: A, type: SECRET, secret: {type: VALUE, value: {data: x}}}]}");
	ops->prepare(mz_kit_inst(m), c, mz_kit_launch(k), mz_kit_op(m, &r, 0));
	assert_int_equal(r.done, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(secrets_are_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_to_do, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_not_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destroyed_meanwhile, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
