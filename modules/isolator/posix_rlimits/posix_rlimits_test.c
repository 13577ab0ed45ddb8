/* posix_rlimits_test.c - what becomes of rlimit_info.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "../kit_world.h"

static const char *prepare(const char *rlimits)
{
	char text[512];
	snprintf(text, sizeof(text), "{rlimit_info: {rlimits: [%s]}}", rlimits);
	return world_prepare(world_container("c1", text));
}

static void asks_for_each(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int number;
	} all[] = {
		{"AS", RLIMIT_AS},	   {"CORE", RLIMIT_CORE},	{"CPU", RLIMIT_CPU},
		{"DATA", RLIMIT_DATA},	   {"FSIZE", RLIMIT_FSIZE},	{"LOCKS", RLIMIT_LOCKS},
		{"MEMLOCK", RLIMIT_MEMLOCK}, {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NICE", RLIMIT_NICE},
		{"NOFILE", RLIMIT_NOFILE}, {"NPROC", RLIMIT_NPROC},	{"RSS", RLIMIT_RSS},
		{"RTPRIO", RLIMIT_RTPRIO}, {"RTTIME", RLIMIT_RTTIME},	{"SIGPENDING", RLIMIT_SIGPENDING},
		{"STACK", RLIMIT_STACK},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char text[64], expected[64];
		snprintf(text, sizeof(text), "{type: RLMT_%s, soft: 10, hard: 20}", all[i].name);
		snprintf(expected, sizeof(expected), "rlimit %d 10 20\n", all[i].number);
		assert_string_equal(prepare(text), expected);
	}
	assert_string_equal(prepare("{type: RLMT_CORE}, {type: RLMT_CPU, soft: 1, hard: 1}"),
			    "rlimit 4 18446744073709551615 18446744073709551615\nrlimit 0 1 1\n");
	assert_string_equal(world_prepare(world_container("c1", NULL)), "");
	assert_int_equal(w.err.code, 0);
}

static void refuses(const char *rlimits, const char *message)
{
	assert_string_equal(prepare(rlimits), "");
	assert_int_equal(w.err.code, -EINVAL);
	assert_string_equal(w.err.msg, message);
}

static void names_what_is_wrong(void **state)
{
	(void)state;
	refuses("{type: RLMT_CPU, soft: 1, hard: 1}, {type: RLMT_AS, soft: 1}",
		"rlimit_info.rlimits.1.soft is set without hard: set both, or neither for no limit");
	refuses("{type: RLMT_AS, hard: 1}",
		"rlimit_info.rlimits.0.hard is set without soft: set both, or neither for no limit");
	refuses("{type: RLMT_AS, soft: 2, hard: 1}",
		"rlimit_info.rlimits.0.soft is 2, which is over rlimit_info.rlimits.0.hard, 1");
	refuses("{type: UNKNOWN}", "rlimit_info.rlimits.0.type is 'UNKNOWN', which is no resource limit");
	refuses("{soft: 1, hard: 1}", "rlimit_info.rlimits.0.type is '', which is no resource limit");
	refuses("{type: RLMT_AS}, {type: RLMT_AS}", "rlimit_info.rlimits.1.type: RLMT_AS is there twice");
}

static int setup(void **state)
{
	(void)state;
	world_open(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_for_each),
		cmocka_unit_test(names_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
