/* agent_authorizer_test.c - each call and each view of the agent asks the authorizer, and
 * what happens while it thinks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <string.h>

#include "module/module.h"

static struct {
	int deny; /* this action */
	bool hold;
	struct mz_op *held;
	const struct mz_host *host;
	int asked[64];
	char user[32], executor[32], container[128], value[64];
} authz;

static int authz_create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	(void)err;
	authz.host = host;
	*inst = &authz;
	return 0;
}

static void authz_destroy(void *inst)
{
	(void)inst;
}

static void note(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "-");
}

static int allows(void *inst, int action, const struct mz_subject *s, const struct mz_object *o)
{
	(void)inst;
	assert_null(s->principal);
	authz.asked[action]++;
	if (action == authz.deny || !authz.deny) {
		note(authz.user, sizeof(authz.user), o->user);
		note(authz.executor, sizeof(authz.executor), o->executor_id);
		note(authz.container, sizeof(authz.container), o->container_id);
		note(authz.value, sizeof(authz.value), o->value);
	}
	return action != authz.deny;
}

static void authorized(void *inst, int action, const struct mz_subject *s, const struct mz_object *o, struct mz_op *op)
{
	static const struct mz_err no = {.code = -EACCES, .msg = "no"};
	int ok = allows(inst, action, s, o);
	if (authz.hold)
		authz.held = op;
	else
		authz.host->op_done(op, ok ? NULL : &no, NULL);
}

static const struct mz_authorizer_ops authz_ops = {
	.size = sizeof(authz_ops),
	.create = authz_create,
	.destroy = authz_destroy,
	.authorized = authorized,
	.allows = allows,
};
static const struct mz_module authz_module = {
	MZ_MODULE_HEAD(AUTHORIZER),
	.name = "test",
	.version = "1",
	.author = "test",
	.summary = "Forbids one action",
	.ops = (const struct mz_ops *)&authz_ops,
};

static struct module_registry *modules;

static int authz_setup(void **state)
{
	struct mz_err err;
	memset(&authz, 0, sizeof(authz));
	world_setup(state);
	struct world *w = *state;
	modules = module_registry_new(w->loop);
	module_registry_set_slow_call(modules, 0);
	module_registry_add_builtin(modules, &authz_module);
	if (module_load_name(modules, MZ_KIND_AUTHORIZER, "test", NULL, &w->authorizer, &err) < 0)
		fail_msg("%s", err.msg);
	world_restart(w);
	return 0;
}

static int authz_teardown(void **state)
{
	struct world *w = *state;
	world_crash(w);
	module_registry_free(modules);
	return world_teardown(state);
}

#define ID(text) "\"container_id\":" text
#define NESTED "{\"value\":\"n\",\"parent\":{\"value\":\"TOP\"}}"
#define ALONE "{\"value\":\"alone\"}"
#define MAY(name) MZ_ACTION_##name

static void test_container_calls_ask(void **state)
{
	struct world *w = *state;
	static const struct {
		int action, before; /* status when it is allowed */
		const char *json;
	} rows[] = {
		{MAY(LAUNCH_NESTED_CONTAINER), 200, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{" ID(NESTED) ",\"command\":{\"value\":\"x\",\"user\":\"me\"}}}"},
		{MAY(LAUNCH_NESTED_CONTAINER), 202, "{\"type\":\"LAUNCH_NESTED_CONTAINER\",\"launch_nested_container\":{" ID(NESTED) ",\"command\":{\"value\":\"x\",\"user\":\"me\"}}}"},
		{MAY(LAUNCH_NESTED_CONTAINER_SESSION), 202, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{" ID(NESTED) ",\"command\":{\"value\":\"x\",\"user\":\"me\"}}}"},
		{MAY(ATTACH_CONTAINER_OUTPUT), 200, "{\"type\":\"ATTACH_CONTAINER_OUTPUT\",\"attach_container_output\":{" ID(NESTED) "}}"},
		{MAY(KILL_NESTED_CONTAINER), 200, "{\"type\":\"KILL_CONTAINER\",\"kill_container\":{" ID(NESTED) "}}"},
		{MAY(KILL_NESTED_CONTAINER), 200, "{\"type\":\"KILL_NESTED_CONTAINER\",\"kill_nested_container\":{" ID(NESTED) "}}"},
		{MAY(REMOVE_NESTED_CONTAINER), 500, "{\"type\":\"REMOVE_CONTAINER\",\"remove_container\":{" ID(NESTED) "}}"},
		{MAY(REMOVE_NESTED_CONTAINER), 500, "{\"type\":\"REMOVE_NESTED_CONTAINER\",\"remove_nested_container\":{" ID(NESTED) "}}"},
		{MAY(WAIT_NESTED_CONTAINER), 0, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{" ID(NESTED) "}}"},
		{MAY(WAIT_NESTED_CONTAINER), 0, "{\"type\":\"WAIT_NESTED_CONTAINER\",\"wait_nested_container\":{" ID(NESTED) "}}"},
		{MAY(LAUNCH_STANDALONE_CONTAINER), 200, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{" ID(ALONE) ",\"command\":{\"value\":\"x\",\"user\":\"me\"}}}"},
		{MAY(KILL_STANDALONE_CONTAINER), 200, "{\"type\":\"KILL_CONTAINER\",\"kill_container\":{" ID(ALONE) "}}"},
		{MAY(REMOVE_STANDALONE_CONTAINER), 500, "{\"type\":\"REMOVE_CONTAINER\",\"remove_container\":{" ID(ALONE) "}}"},
		{MAY(WAIT_STANDALONE_CONTAINER), 0, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{" ID(ALONE) "}}"},
	};
	const char *top = start_executor(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		const char *at = strstr(rows[i].json, "TOP");
		mz_autofree char *json = at ? xasprintf("%.*s%s%s", (int)(at - rows[i].json), rows[i].json, top, at + 3)
					    : xstrdup(rows[i].json);
		authz.deny = rows[i].action;
		int n = authz.asked[rows[i].action];
		assert_int_equal(api(w, CODEC_JSON, "%s", json)->status, 403);
		assert_int_equal(authz.asked[rows[i].action], n + 1);
		assert_string_equal(authz.executor, at ? "e" : "-");
		assert_int_equal(strncmp(authz.container, at ? top : "alone", 5), 0);
		if (strstr(rows[i].json, "LAUNCH"))
			assert_string_equal(authz.user, "me");
		authz.deny = 0;
		assert_int_equal(api(w, CODEC_PROTOBUF, "%s", json)->status, rows[i].before);
	}
}

static struct fake_call *input(struct world *w, const char *top)
{
	mz_autofree char *json = xasprintf("{\"type\":\"ATTACH_CONTAINER_INPUT\",\"attach_container_input\":{\"type\":"
					   "\"CONTAINER_ID\",\"container_id\":{\"value\":\"%s\"}}}", top);
	struct buf mz_autobuf b = {0};
	struct fake_call *c = fake_http_streamed(w->loop, &w->router, "POST", "/api/v1",
						 "Content-Type: application/recordio\nMessage-Content-Type: application/json");
	vec_push(&w->calls, c);
	recordio_add(&b, json, strlen(json));
	fake_body(c, b.data, b.len);
	world_settle(w);
	return c;
}

static void test_input_asks(void **state)
{
	struct world *w = *state;
	const char *top = start_executor(w);
	authz.deny = MAY(ATTACH_CONTAINER_INPUT);
	assert_int_equal(input(w, top)->status, 403);
	assert_int_equal(authz.asked[MAY(ATTACH_CONTAINER_INPUT)], 1);
	assert_string_equal(authz.executor, "e");
	assert_string_equal(authz.container, top);
	/* He leaves while it is thought about, and so does the agent. */
	authz.deny = 0;
	authz.hold = true;
	struct fake_call *c = input(w, top);
	assert_true(c->paused);
	fake_leave(c);
	authz.host->op_done(authz.held, NULL, NULL);
	world_settle(w);
	assert_int_equal(w->ios.n, 0);
	c = input(w, top);
	world_crash(w);
	assert_int_equal(c->status, 503);
}

static void test_asker_goes_while_it_waits(void **state)
{
	struct world *w = *state;
	const char *top = start_executor(w);
	authz.hold = true;
	struct fake_call *c = api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""));
	assert_int_equal(c->status, 0);
	size_t n = w->containers.launched.n;
	c->x.on_gone(c->x.on_gone_arg);
	world_settle(w);
	authz.host->op_done(authz.held, NULL, NULL);
	world_settle(w);
	assert_int_equal(w->containers.launched.n, n);
	/* The agent ends while it waits. */
	c = api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""));
	world_crash(w);
	assert_int_equal(c->status, 503);
}

static void test_views_leave_out(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *call, *member, *gone;
		int actions[4];
	} rows[] = {
		{"GET_FRAMEWORKS", "", "\"frameworks\":[]", {MAY(VIEW_FRAMEWORK)}},
		{"GET_EXECUTORS", "", "\"executors\":[]", {MAY(VIEW_FRAMEWORK), MAY(VIEW_EXECUTOR)}},
		{"GET_TASKS", "", "\"launched_tasks\":[]", {MAY(VIEW_FRAMEWORK), MAY(VIEW_EXECUTOR), MAY(VIEW_TASK)}},
		{"GET_STATE", "", "\"launched_tasks\":[]", {MAY(VIEW_FRAMEWORK), MAY(VIEW_EXECUTOR), MAY(VIEW_TASK)}},
	};
	const char *top = start_executor(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		authz.deny = 0;
		assert_null(strstr(buf_str(&api(w, CODEC_JSON, "{\"type\":\"%s\"}", rows[i].call)->body), rows[i].gone));
		for (int k = 0; rows[i].actions[k]; k++) {
			authz.deny = rows[i].actions[k];
			struct fake_call *c = api(w, CODEC_JSON, "{\"type\":\"%s\"}", rows[i].call);
			assert_int_equal(c->status, 200);
			assert_non_null(strstr(buf_str(&c->body), rows[i].gone));
		}
	}
	/* Containers. */
	assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""))->status, 200);
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"alone\"},"
					    "\"command\":{\"value\":\"x\"}}}")->status, 200);
	static const struct {
		int deny;
		size_t n;
	} containers[] = {{0, 3}, {MAY(VIEW_CONTAINER), 1}, {MAY(VIEW_STANDALONE_CONTAINER), 2}};
	for (size_t i = 0; i < MZ_N(containers); i++) {
		authz.deny = containers[i].deny;
		Mesos__V1__Agent__Response *r = api_response(
			w, CODEC_PROTOBUF, api(w, CODEC_PROTOBUF, "{\"type\":\"GET_CONTAINERS\",\"get_containers\":{\"show_nested\":true,"
								  "\"show_standalone\":true}}"));
		assert_int_equal(r->get_containers->n_containers, containers[i].n);
	}
	/* The endpoints that are older. */
	authz.deny = MAY(VIEW_TASK);
	assert_null(strstr(buf_str(&world_get(w, "/state")->body), "\"t\""));
	authz.deny = MAY(VIEW_EXECUTOR);
	assert_non_null(strstr(buf_str(&world_get(w, "/state")->body), "\"executors\":[]"));
	authz.deny = MAY(VIEW_FRAMEWORK);
	assert_non_null(strstr(buf_str(&world_get(w, "/state")->body), "\"frameworks\":[]"));
	authz.deny = MAY(VIEW_FLAGS);
	assert_null(strstr(buf_str(&world_get(w, "/state")->body), "\"flags\""));
	authz.deny = MAY(VIEW_CONTAINER);
	assert_string_equal(buf_str(&world_get(w, "/containers")->body), "[]");
}

static void test_endpoints_are_refused(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *path;
		int action;
		const char *value;
	} rows[] = {
		{"/flags", MAY(VIEW_FLAGS), "-"},
		{"/containers", MAY(GET_ENDPOINT_WITH_PATH), "/containers"},
		{"/slave(1)/monitor/statistics.json", MAY(GET_ENDPOINT_WITH_PATH), "/monitor/statistics"},
		{"/metrics/snapshot", MAY(GET_ENDPOINT_WITH_PATH), "/metrics/snapshot"},
		{"/files/debug", MAY(GET_ENDPOINT_WITH_PATH), "/files/debug"},
		{"/files/browse?path=/w/slaves/S0//frameworks/F/executors/e/runs/latest", MAY(ACCESS_SANDBOX), "u"},
		{"/files/read?path=/w/slaves/S0/frameworks/F/executors/e/runs/latest/stdout", MAY(ACCESS_SANDBOX), "u"},
		{"/files/download?path=/elsewhere", MAY(ACCESS_SANDBOX), "/elsewhere"},
	};
	(void)start_executor(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		authz.deny = rows[i].action;
		struct fake_call *c = fake_http(w->loop, &w->router, "GET", rows[i].path, NULL, NULL, 0);
		vec_push(&w->calls, c);
		world_settle(w);
		assert_int_equal(c->status, 403);
		assert_string_equal(authz.value, rows[i].value);
		if (rows[i].action == MAY(ACCESS_SANDBOX) && rows[i].value[0] != '/')
			assert_string_equal(authz.executor, "e");
	}
	authz.deny = MAY(VIEW_FLAGS);
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"GET_FLAGS\"}")->status, 403);
	/* Nothing but the call that is forbidden. */
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"GET_HEALTH\"}")->status, 200);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, authz_setup, authz_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_container_calls_ask),
		TEST(test_input_asks),
		TEST(test_asker_goes_while_it_waits),
		TEST(test_views_leave_out),
		TEST(test_endpoints_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
