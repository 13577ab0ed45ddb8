/* kit_test.c - mezzo-module-check finds what is wrong, and nothing where all is
 * well.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

/* Runs the program; its output, and in *ret its exit status. */
static char *run(const char *args, int *ret)
{
	mz_autofree char *command = xasprintf("%s/mezzo-module-check %s 2>&1", BUILD_DIR, args);
	struct buf out = {0};
	char part[4096];
	size_t n;
	FILE *f = popen(command, "re");
	assert_non_null(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&out, part, n);
	int status = pclose(f);
	assert_true(WIFEXITED(status));
	*ret = WEXITSTATUS(status);
	return buf_take(&out);
}

static void on_module(const char *name, const char *options, int want_status, const char *want)
{
	int status;
	mz_autofree char *args = xasprintf("%s %s/tests/kit/%s.so", options, BUILD_DIR, name);
	mz_autofree char *out = run(args, &status);
	if (status != want_status || !strstr(out, want))
		fail_msg("%s: status %d, want %d and '%s' in:\n%s", args, status, want_status, want, out);
	/* One fault, one failed check. */
	const char *bad = strstr(out, "not ok");
	if (want_status == 0)
		assert_null(bad);
}

static void a_good_module_passes(void **state)
{
	(void)state;
	on_module("well", "", 0, "ok");
	on_module("well", "-s '{limit: 3}'", 0, "ok");
	on_module("well", "-c '{resources: \"cpus:2\", container: {type: MESOS}}'", 0, "killed at each of");
}

static void breaches_are_found(void **state)
{
	(void)state;
	on_module("twice", "", 1, "each op was completed once\n# E module/isolator/naughty Module 'isolator/naughty' completed");
	on_module("never", "", 1, " - cleanup completes\n");
	on_module("unknown", "", 1, " - cleanup of an unknown container succeeds\n# Never heard of it\n");
	on_module("forgets", "", 1,
		  "with a container that goes on: the container leaves nothing behind\n# at point 6: left behind: file made-kit-1\n");
	on_module("orphans", "", 1,
		  "with a container that nobody remembers: the container leaves nothing behind\n# at point 3: left behind: file made-kit-1\n");
	on_module("shares", "", 1, " - two instances take a container of the same id\n");
#ifndef MZ_SANITIZED
	on_module("global", "", 1, "# state belongs into the instance: n_instances (.bss)\n");
	on_module("exports", "", 1, "# exported as well: another_symbol (use -fvisibility=hidden)\n");
#endif
}

/* The rest of what <mezzo/isolator.h> asks for. A callback of a container that is not answered is
 * waited for a minute, by the clock on the wall: cleanup and recover stand for all. */
static void breaches_of_isolators_are_found(void **state)
{
	static const struct {
		const char *name, *want;
	} breaches[] = {
		{"flags", " - flags are known ones\n"},
		{"late_recover", " - recover of nothing completes\n"},
		{"needs_some", " - recover of nothing succeeds\n"},
		{"once", " - cleanup a second time succeeds\n# Once is enough\n"},
		{"loses", "with a container that goes on: the container is recovered\n# at point "},
		{"stale", "the container can come again under its id\n# at point "},
		{"haunts", " - nothing is told of containers that are cleaned up\n# limitation kit-1 reason 8 Too much\n"},
	};
	(void)state;
	for (size_t i = 0; i < MZ_N(breaches); i++)
		on_module(breaches[i].name, "", 1, breaches[i].want);
}

static void refusals_are_shown(void **state)
{
	(void)state;
	on_module("well", "-s '{limit: 30}'", 1, "Setting 'limit' of module 'isolator/naughty'");
	on_module("nothing", "", 1, "not ok 1 - the descriptor is in order\n# ");
}

static void pages_are_held_against_the_table(void **state)
{
	(void)state;
	on_module("well", "-p " SRC_DIR "/tests/kit/pages/good.md", 0, "every setting of the page is in the table");
	on_module("well", "-p " SRC_DIR "/tests/kit/pages/missing.md", 1, "# missing: limit\n");
	on_module("well", "-p " SRC_DIR "/tests/kit/pages/unknown.md", 1, "# not in the table: burst \n");
	on_module("well", "-p /nonexistent.md", 1, "not ok");
}

static void wrong_usage(void **state)
{
	int status;
	(void)state;
	mz_autofree char *out = run("", &status);
	assert_int_equal(status, 2);
	assert_non_null(strstr(out, "usage:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_module_passes), cmocka_unit_test(breaches_are_found),
		cmocka_unit_test(breaches_of_isolators_are_found),
		cmocka_unit_test(refusals_are_shown), cmocka_unit_test(pages_are_held_against_the_table),
		cmocka_unit_test(wrong_usage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
