/* linux_capabilities_test.c - whose word counts, and what it may not say.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "../kit_world.h"

/* CHOWN 0 -> 1, KILL 5 -> 20, NET_BIND_SERVICE 10 -> 400 */
static const char *prepare(const char *linux_info)
{
	char text[512];
	snprintf(text, sizeof(text), "{linux_info: {%s}}", linux_info);
	return world_prepare(world_container("c1", text));
}

static void the_agents_word(void **state)
{
	(void)state;
	world_open(NULL);
	assert_string_equal(world_prepare(world_container("c1", NULL)), "");
	assert_int_equal(w.err.code, 0);
	world_close();
	world_open("{effective: [CHOWN], bounding: [CAP_CHOWN, KILL]}");
	assert_string_equal(world_prepare(world_container("c1", NULL)), "capabilities 1 1 1 21 1\n");
	world_close();
	world_open("{effective: [CHOWN]}");
	assert_string_equal(world_prepare(world_container("c1", NULL)), "capabilities 1 1 1 1 1\n");
	world_close();
	world_open("{bounding: [CHOWN, KILL]}");
	assert_string_equal(world_prepare(world_container("c1", NULL)), "capabilities 21 21 21 21 21\n");
	world_close();
	world_open("{bounding: [NONE]}");
	assert_string_equal(world_prepare(world_container("c1", NULL)), "capabilities 0 0 0 0 0\n");
	world_close();
}

static void the_tasks_word(void **state)
{
	(void)state;
	world_open("{effective: [CHOWN], bounding: [CHOWN, KILL, NET_BIND_SERVICE]}");
	assert_string_equal(prepare("effective_capabilities: {capabilities: [KILL]}"), "capabilities 20 20 20 20 20\n");
	assert_string_equal(prepare("capability_info: {capabilities: [KILL]}"), "capabilities 20 20 20 20 20\n");
	assert_string_equal(prepare("bounding_capabilities: {capabilities: [KILL, CHOWN]}"), "capabilities 1 1 1 21 1\n");
	assert_string_equal(prepare("bounding_capabilities: {capabilities: [KILL]}"), "capabilities 0 0 0 20 0\n");
	assert_string_equal(prepare("effective_capabilities: {capabilities: [KILL]}, "
				    "bounding_capabilities: {capabilities: [NET_BIND_SERVICE, KILL]}"),
			    "capabilities 20 20 20 420 20\n");
	assert_string_equal(prepare("effective_capabilities: {capabilities: []}"), "capabilities 0 0 0 0 0\n");
	world_close();
}

static void refuses(const char *linux_info, int code, const char *message)
{
	assert_string_equal(prepare(linux_info), "");
	assert_string_equal(w.err.msg, message);
	assert_int_equal(w.err.code, code);
}

static void what_is_too_much(void **state)
{
	(void)state;
	world_open("{bounding: [CHOWN, KILL]}");
	refuses("effective_capabilities: {capabilities: [CHOWN, SYS_ADMIN]}", -EPERM,
		"linux_info.effective_capabilities has SYS_ADMIN, which is not in the agent's bounding capabilities");
	refuses("bounding_capabilities: {capabilities: [SYS_ADMIN]}", -EPERM,
		"linux_info.bounding_capabilities has SYS_ADMIN, which is not in the agent's bounding capabilities");
	refuses("capability_info: {capabilities: [CHOWN]}, bounding_capabilities: {capabilities: [KILL]}", -EPERM,
		"linux_info.capability_info has CHOWN, which is not in linux_info.bounding_capabilities");
	refuses("effective_capabilities: {capabilities: [CHOWN, UNKNOWN]}", -EINVAL,
		"linux_info.effective_capabilities.capabilities.1 is 'UNKNOWN', which is no capability");
	world_close();
	world_refuses("{effective: [FLY]}");
	assert_non_null(strstr(w.err.msg, "effective: 'FLY' is no capability"));
	world_refuses("{effective: [CHOWN], bounding: [KILL]}");
	assert_non_null(strstr(w.err.msg, "effective has CHOWN, which is not in bounding"));
}

/* SYS_RESOURCE is missing in many containers; elsewhere there is nothing to see. */
static void what_the_agent_lacks(void **state)
{
	(void)state;
	if (prctl(PR_CAPBSET_READ, 24, 0, 0, 0) == 1)
		skip();
	world_refuses("{bounding: [SYS_RESOURCE]}");
	assert_non_null(strstr(w.err.msg, "bounding: the agent does not have SYS_RESOURCE itself"));
	world_open(NULL);
	refuses("effective_capabilities: {capabilities: [SYS_RESOURCE]}", -EPERM,
		"linux_info.effective_capabilities: the agent does not have SYS_RESOURCE itself");
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_agents_word),
		cmocka_unit_test(the_tasks_word),
		cmocka_unit_test(what_is_too_much),
		cmocka_unit_test(what_the_agent_lacks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
