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

/* What a container of that principal and role is given. */
static const char *prepare_of(const char *principal, const char *role, const char *linux_info)
{
	char text[512];
	snprintf(text, sizeof(text), "{linux_info: {%s}}", linux_info);
	struct mz_container *c = world_container("c1", text);
	c->principal = principal;
	c->role = role;
	return world_prepare(c);
}

static void the_frameworks_word(void **state)
{
	(void)state;
	static const char asks[] = "bounding_capabilities: {capabilities: [KILL, NET_BIND_SERVICE]}";
	world_open("{effective: [CHOWN], bounding: [CHOWN, KILL],"
		   " bounding_of_principals: {ops: [CHOWN, KILL, NET_BIND_SERVICE], quiet: [NONE], all: ALL},"
		   " effective_of_principals: {ops: [NET_BIND_SERVICE], own: 'CAP_KILL'},"
		   " bounding_of_roles: {net: [NET_BIND_SERVICE], '*': [CHOWN]}, effective_of_roles: {net/none: NONE}}");
	assert_string_equal(prepare_of(NULL, NULL, ""), "capabilities 1 1 1 21 1\n");
	assert_string_equal(prepare_of("who", "other", ""), "capabilities 1 1 1 21 1\n");
	/* Wider, and with more from the start. */
	assert_string_equal(prepare_of("ops", NULL, ""), "capabilities 400 400 400 421 400\n");
	assert_string_equal(prepare_of("ops", NULL, asks), "capabilities 400 400 400 420 400\n");
	/* Narrower. */
	assert_string_equal(prepare_of("quiet", NULL, ""), "capabilities 0 0 0 0 0\n");
	/* With more from the start, in the bounds of all. */
	assert_string_equal(prepare_of("own", NULL, ""), "capabilities 20 20 20 21 20\n");
	/* Roles, and those below; the principal's word comes first. */
	assert_string_equal(prepare_of(NULL, "net", ""), "capabilities 0 0 0 400 0\n");
	assert_string_equal(prepare_of("who", "net/edge/a", ""), "capabilities 0 0 0 400 0\n");
	assert_string_equal(prepare_of(NULL, "net/none", ""), "capabilities 0 0 0 21 0\n");
	assert_string_equal(prepare_of(NULL, "network", ""), "capabilities 1 1 1 21 1\n");
	assert_string_equal(prepare_of(NULL, "*", ""), "capabilities 1 1 1 1 1\n");
	assert_string_equal(prepare_of("ops", "net", ""), "capabilities 400 400 400 421 400\n");
	/* What is not granted is refused, with the name of whose bounds they are. */
	assert_string_equal(prepare_of("who", NULL, asks), "");
	assert_string_equal(w.err.msg, "linux_info.bounding_capabilities has NET_BIND_SERVICE, which is not in the agent's bounding "
				       "capabilities");
	assert_string_equal(prepare_of("quiet", NULL, asks), "");
	assert_string_equal(w.err.msg, "linux_info.bounding_capabilities has KILL, which is not in the bounding capabilities of "
				       "principal 'quiet'");
	assert_string_equal(prepare_of(NULL, "net/edge", asks), "");
	assert_non_null(strstr(w.err.msg, "the bounding capabilities of role 'net'"));
	/* ALL is what the agent itself may have. */
	char expected[160];
	uint64_t ours = 0;
	for (int i = 0; i < 41; i++)
		ours |= (uint64_t)(prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1) << i;
	snprintf(expected, sizeof(expected), "capabilities 1 1 1 %llx 1\n", (unsigned long long)ours);
	assert_string_equal(prepare_of("all", NULL, ""), expected);
	world_close();
	/* Nothing is said of the others. */
	world_open("{bounding_of_principals: {ops: [KILL]}, effective_of_roles: {net: [CHOWN]}}");
	assert_string_equal(prepare_of("who", NULL, ""), "");
	assert_int_equal(w.err.code, 0);
	assert_string_equal(prepare_of("ops", NULL, ""), "capabilities 20 20 20 20 20\n");
	assert_string_equal(prepare_of(NULL, "net", ""), "capabilities 1 1 1 1 1\n");
	world_close();
}

static void what_frameworks_cannot_have(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{"{bounding_of_principals: {ops: [FLY]}}", "bounding_of_principals of 'ops': 'FLY' is no capability"},
		{"{bounding_of_principals: {ops: []}}", "bounding_of_principals of 'ops' is empty; for none at all there is NONE"},
		{"{effective_of_roles: {net: [NONE, KILL]}}", "effective_of_roles of 'net': NONE stands alone"},
		{"{bounding: [CHOWN], effective_of_roles: {net: [KILL]}}",
		 "effective_of_roles of 'net' has KILL, which is not in the agent's bounding capabilities"},
		{"{bounding_of_principals: {ops: [CHOWN]}, effective_of_principals: {ops: [KILL]}}",
		 "effective_of_principals of 'ops' has KILL, which is not in the bounding capabilities of principal 'ops'"},
		{"{bounding: [KILL, NONE]}", "bounding: NONE stands alone"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		world_refuses(bad[i][0]);
		if (!strstr(w.err.msg, bad[i][1]))
			fail_msg("'%s' has not '%s'", w.err.msg, bad[i][1]);
	}
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
		cmocka_unit_test(the_frameworks_word),
		cmocka_unit_test(what_frameworks_cannot_have),
		cmocka_unit_test(what_the_agent_lacks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
