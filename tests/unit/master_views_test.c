/* master_views_test.c - what the read endpoints show, against recorded answers, and what
 * a master says that does not lead.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>

#include "master_offered.h"
#include "mesos/v1/master.pb-c.h"

static json_t *golden(const char *name)
{
	mz_autofree char *path = xasprintf("%s/%s.txt", GOLDEN_DIR, name);
	mz_autofile FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s is not there", path);
	struct buf b = {0};
	char part[4096];
	size_t n;
	while ((n = fread(part, 1, sizeof(part), f)))
		buf_add(&b, part, n);
	const char *body = strstr(buf_str(&b), "\n\n");
	json_t *j = json_loads(body + 2, 0, NULL);
	assert_non_null(j);
	buf_done(&b);
	return j;
}

/* Keys of objects that are data, not shape; and what only a bigger state has. */
static bool is_data(const char *path, const char *key)
{
	static const char *const paths[] = {".flags", ".attributes", "resources_full", "reserved_resources",
					    ".consumed", ".allocated", ".offered", ".reserved",
					    ".resources", ".offer_constraints", ".framework_info", ".container_status",
					    ".environment", ".guarantee", ".limit"};
	for (size_t i = 0; i < MZ_N(paths); i++)
		if (str_ends(path, paths[i]))
			return true;
	return str_eq(key, "container_status") || str_eq(key, "checkpoint") || str_eq(key, "domain") ||
	       str_eq(key, "executor_id");
}

/* Every key of `want` is in `got`, with the same type; arrays by their first. */
static void assert_shape(const char *path, const json_t *want, const json_t *got)
{
	const char *key;
	json_t *v;
	if (json_typeof(want) != json_typeof(got) && !(json_is_boolean(want) && json_is_boolean(got)))
		fail_msg("%s is of type %d instead of %d", path, json_typeof(got), json_typeof(want));
	if (json_is_array(want) && json_array_size(want) && json_array_size(got)) {
		assert_shape(path, json_array_get(want, 0), json_array_get(got, 0));
	} else if (json_is_object(want)) {
		json_object_foreach((json_t *)want, key, v) {
			if (is_data(path, key))
				continue;
			json_t *g = json_object_get(got, key);
			mz_autofree char *sub = xasprintf("%s.%s", path, key);
			if (!g)
				fail_msg("%s is missing", sub);
			assert_shape(sub, v, g);
		}
	}
}

static json_t *body_of(struct fake_call *c)
{
	json_error_t e;
	json_t *j = json_loads(buf_str(&c->body), 0, &e);
	if (!j)
		fail_msg("%s: %s", e.text, buf_str(&c->body));
	return j;
}

static void compare(struct fake_call *c, const char *name)
{
	json_t *want = golden(name), *got = body_of(c);
	assert_shape(name, want, got);
	json_decref(want);
	json_decref(got);
}

static void test_shapes(void **state)
{
	struct world *w = *state;
	static const char *const gets[] = {"state",  "state-summary", "slaves", "frameworks",
					   "tasks", "roles",	     "version", "flags"};
	static const char *const calls[] = {"GET_AGENTS",  "GET_EXECUTORS", "GET_FRAMEWORKS", "GET_HEALTH", "GET_FLAGS",
					    "GET_MASTER", "GET_METRICS",   "GET_ROLES",	     "GET_STATE",  "GET_TASKS",
					    "GET_VERSION"};
	with_task(w, LASTING ",\"roles\":[\"dev\"],\"capabilities\":[{\"type\":\"MULTI_ROLE\"}]");
	for (size_t i = 0; i < MZ_N(gets); i++) {
		mz_autofree char *name = xasprintf("master_%s", gets[i]);
		mz_autofree char *path = xasprintf("/master/%s", gets[i]);
		mz_autofree char *json = xasprintf("/%s.json?jsonp=f&x=1", gets[i]);
		compare(world_get(w, path), name);
		struct fake_call *c = world_get(w, json);
		assert_true(str_starts(buf_str(&c->body), "f({") && str_ends(buf_str(&c->body), "});"));
	}
	for (size_t i = 0; i < MZ_N(calls); i++) {
		mz_autofree char *name = xasprintf("v1_master_%s", calls[i]);
		mz_autofree char *body = xasprintf("{\"type\":\"%s\"}", calls[i]);
		struct fake_call *c = world_http(w, "POST", "/api/v1", "Content-Type: application/json", body);
		assert_int_equal(c->status, 200);
		compare(c, name);
		c = world_http(w, "POST", "/api/v1",
			       "Content-Type: application/json\nAccept: application/x-protobuf", body);
		assert_int_equal(c->status, 200);
		assert_non_null(pb_decode(&mesos__v1__master__response__descriptor, &w->arena, buf_str(&c->body),
					  c->body.len, NULL));
	}
	assert_int_equal(world_get(w, "/health")->body.len, 0);
}

/* Names that stand for one object, or for what this master has no notion of. */
static bool is_own_metric(const char *name)
{
	return !str_starts(name, "master/") || str_starts(name, "master/frameworks/") ||
	       str_starts(name, "master/task_");
}

static void test_metrics(void **state)
{
	struct world *w = *state;
	with_task(w, LASTING);
	json_t *want = golden("master_metrics_snapshot"), *got = body_of(world_get(w, "/metrics/snapshot"));
	const char *key, *before = "";
	json_t *v;
	json_object_foreach(want, key, v)
		if (!is_own_metric(key) && !json_object_get(got, key))
			fail_msg("%s is missing", key);
	json_object_foreach(got, key, v) {
		assert_true(strcmp(before, key) < 0); /* sorted */
		before = key;
	}
	assert_true(json_number_value(json_object_get(got, "master/tasks_running")) == 1);
	assert_true(json_number_value(json_object_get(got, "master/cpus_used")) == 1);
	json_decref(want);
	json_decref(got);
}

static void test_tasks_window(void **state)
{
	struct world *w = *state;
	with_task(w, LASTING);
	json_t *j = body_of(world_get(w, "/tasks?limit=nonsense&order=asc&task_id=t"));
	assert_int_equal(json_array_size(json_object_get(j, "tasks")), 1);
	json_decref(j);
	j = body_of(world_get(w, "/tasks?limit=0"));
	assert_int_equal(json_array_size(json_object_get(j, "tasks")), 0);
	json_decref(j);
	j = body_of(world_get(w, "/tasks?framework_id=nobody"));
	assert_int_equal(json_array_size(json_object_get(j, "tasks")), 0);
	json_decref(j);
}

static void test_standby(void **state)
{
	struct world *w = *state;
	struct http_router router = {0};
	struct master_config c = {0};
	struct master_deps d = {.loop = w->loop, .store = w->store, .router = &router};
	struct master *m = master_new(&c, &d);
	static const char *const paths[] = {"/state", "/master/state", "/api/v1"};
	for (size_t i = 0; i < MZ_N(paths); i++) {
		struct fake_call *x = fake_http(w->loop, &router, "GET", paths[i], NULL, NULL, 0);
		assert_int_equal(x->status, 503);
		fake_call_free(x);
	}
	master_set_leader(m, "leader:5050");
	struct fake_call *x = fake_http(w->loop, &router, "GET", "/state?a=b", NULL, NULL, 0);
	assert_int_equal(x->status, 307);
	assert_string_equal(buf_str(&x->headers), "Location: //leader:5050/master/state?a=b\n");
	fake_call_free(x);
	x = fake_http(w->loop, &router, "GET", "/redirect", NULL, NULL, 0);
	assert_string_equal(buf_str(&x->headers), "Location: //leader:5050\n");
	fake_call_free(x);
	x = fake_http(w->loop, &router, "GET", "/health", NULL, NULL, 0);
	assert_int_equal(x->status, 200);
	fake_call_free(x);
	master_free(m);
	http_router_done(&router);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(test_shapes), T(test_metrics), T(test_tasks_window), T(test_standby)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
