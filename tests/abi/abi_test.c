/* abi_test.c - modules of other minor versions load, and each way of being wrong
 * has its own message.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kit_loop.h"
#include "module/module.h"

static char *path_of(const char *name)
{
	return xasprintf("%s/%s.so", ABI_DIR, name);
}

/* The message is "FILE: " and `want`. */
static void refused(const char *name, uint32_t kind, const char *as, const char *want)
{
	mz_autofree char *file = path_of(name);
	mz_autofree char *whole = xasprintf("%s: %s", file, want);
	struct module_desc d = {0};
	struct mz_err err = {0};
	int rc = module_inspect(file, kind, as, &d, &err);
	assert_true(rc < 0);
	assert_int_equal(rc, err.code);
	assert_null(d.file); /* untouched */
	assert_string_equal(err.msg, whole);
}

static void each_refusal_has_its_message(void **state)
{
	(void)state;
	refused("no_symbol", 0, NULL, "No symbol 'mz_module': this is not a Mezzo module");
	refused("tiny_symbol", 0, NULL, "Symbol 'mz_module' has 4 bytes, that is no descriptor");
	refused("magic", 0, NULL, "Bad magic 0x12345678 in 'mz_module', want 0x6d7a6d64");
	refused("abi_too_old", 0, NULL,
		"ABI 0 is too old, this Mezzo takes 1 to 1 for kind 'isolator'; build the module again");
	refused("abi_too_new", 0, NULL,
		"ABI 99 is too new, this Mezzo takes 1 to 1 for kind 'isolator'; it needs a newer Mezzo");
	refused("small_descriptor", 0, NULL, "The descriptor says 24 bytes, it has at least 72");
	refused("big_descriptor", 0, NULL, "The descriptor says 4096 bytes, but symbol 'mz_module' has 72");
	refused("unknown_kind", 0, NULL, "Unknown kind 99 of module");
	refused("later_kind", 0, NULL, "This release of Mezzo loads no modules of kind 'qos'");
	refused("good", MZ_KIND_STORE, NULL, "Wrong kind: wanted a module of kind 'store', this is 'isolator'");
	refused("name", 0, NULL, "The name 'Bad Name' of the module is not [a-z0-9_]+");
	refused("good", MZ_KIND_ISOLATOR, "other",
		"Configured as 'isolator/other', but the file calls itself 'isolator/bad'");
	refused("no_ops", 0, NULL, "The descriptor has no table of callbacks");
	refused("small_ops", 0, NULL, "The table of callbacks says 8 bytes, it has at least 24");
	refused("missing_callback", 0, NULL, "Required callback 'destroy' of kind 'isolator' is missing");
	refused("ops_end_early", 0, NULL, "Required callback 'each' of kind 'store' is missing");
	refused("setting_type", 0, NULL, "Setting 'limit' has the unknown type 42");
	refused("setting_twice", 0, NULL, "Setting 'limit' is there twice");
	refused("setting_small", 0, NULL, "Rows of the settings table say 8 bytes, they have at least 56");
}

/* These end in words of the system or of the settings' own check. */
static void refused_with(const char *file, const char *part)
{
	struct module_desc d = {0};
	struct mz_err err = {0};
	assert_true(module_inspect(file, 0, NULL, &d, &err) < 0);
	assert_true(strncmp(err.msg, file, strlen(file)) == 0);
	if (!strstr(err.msg, part))
		fail_msg("want '%s' in '%s'", part, err.msg);
}

static void what_cannot_be_opened(void **state)
{
	(void)state;
	mz_autofree char *undefined = path_of("undefined_symbol");
	mz_autofree char *bad_default = path_of("setting_default");
	refused_with("/nonexistent/x.so", "Cannot open: cannot open shared object file: No such file or directory");
	refused_with("/proc/self/status", "Cannot open: ");
	refused_with(undefined, "Cannot open: undefined symbol: mz_no_such_function");
	refused_with(bad_default, "Setting 'limit' has a default that its own row refuses");
}

struct fixture {
	struct loop *loop;
	struct module_registry *r;
};

static int setup(void **state)
{
	struct fixture *x = xnew(struct fixture);
	x->loop = kit_loop_new();
	x->r = module_registry_new(x->loop);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	module_registry_free(x->r);
	kit_loop_free(x->loop);
	free(x);
	return 0;
}

static int load(struct fixture *x, const char *name, struct module **ret, struct mz_err *err)
{
	mz_autofree char *file = path_of(name);
	return module_load_name(x->r, MZ_KIND_ISOLATOR, file, NULL, ret, err);
}

static void other_sizes_load(void **state)
{
	static const char *const names[] = {"short", "long"};
	for (size_t i = 0; i < MZ_N(names); i++) {
		struct module *m;
		struct module_isolator iso;
		struct mz_err err = {0};
		if (load(*state, names[i], &m, &err) < 0)
			fail_msg("%s", err.msg);
		module_as_isolator(m, &iso);
		assert_non_null(iso.inst);
		/* What it does not have is NULL: the documented default. */
		assert_null(iso.ops->flags);
		assert_null(iso.ops->prepare);
		assert_null(iso.ops->cleanup);
		module_free(m);
	}
}

static void a_duplicate_is_refused(void **state)
{
	struct module *m;
	struct mz_err err = {0};
	assert_int_equal(load(*state, "good", &m, &err), 0);
	assert_int_equal(load(*state, "unmet_requires", &m, &err), -EEXIST); /* another file of that name */
	mz_autofree char *want = xasprintf("%s/unmet_requires.so: Duplicate module 'isolator/bad', it is loaded from "
					   "%s/good.so already",
					   ABI_DIR, ABI_DIR);
	assert_string_equal(err.msg, want);
}

static void unmet_requires_are_refused(void **state)
{
	struct fixture *x = *state;
	struct module *m;
	struct mz_err err = {0};
	assert_int_equal(load(x, "unmet_requires", &m, &err), 0);
	assert_int_equal(module_registry_check_requires(x->r, &err), -ENOENT);
	mz_autofree char *want = xasprintf("%s/unmet_requires.so: Module 'isolator/bad' requires module "
					   "'isolator/other', which is not configured",
					   ABI_DIR);
	assert_string_equal(err.msg, want);
}

static void on_failed(void *arg, const struct module_info *i)
{
	assert_int_equal(i->state, MODULE_FAILED);
	assert_string_equal(i->instance, "isolator/bad");
	assert_non_null(strstr(i->reason, "The kernel has no support for it"));
	++*(int *)arg;
}

static void a_failed_create_is_told(void **state)
{
	struct fixture *x = *state;
	struct module *m = NULL;
	struct mz_err err = {0};
	int n = 0;
	assert_int_equal(load(x, "create_fails", &m, &err), -5);
	mz_autofree char *want = xasprintf("Module 'isolator/bad' (%s/create_fails.so): The kernel has no support for it",
					   ABI_DIR);
	assert_string_equal(err.msg, want);
	assert_null(m);
	module_registry_each(x->r, on_failed, &n);
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_refusal_has_its_message),
		cmocka_unit_test(what_cannot_be_opened),
		cmocka_unit_test_setup_teardown(other_sizes_load, setup, teardown),
		cmocka_unit_test_setup_teardown(a_duplicate_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(unmet_requires_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_create_is_told, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
