/* http_test.c - routing, headers and query arguments, without sockets.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

static int last_status;
static char last_body[256];
static char last_type[64];

static void fake_reply(struct http_exchange *x, int status, const struct http_header *headers, size_t n_headers,
		       const void *body, size_t size)
{
	(void)x;
	last_status = status;
	snprintf(last_body, sizeof(last_body), "%.*s", (int)size, body ? (const char *)body : "");
	snprintf(last_type, sizeof(last_type), "%s", n_headers ? headers[0].value : "");
}

static const struct http_exchange_ops fake_ops = {.reply = fake_reply};

static void on_route(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)r;
	http_reply_text(x, 200, "%s", (const char *)arg);
}

static const char *route(struct http_router *router, const char *path)
{
	struct http_exchange x = {.ops = &fake_ops};
	struct http_request r = {.method = "GET", .path = path};

	http_dispatch(router, &r, &x);
	return last_status == 200 ? last_body : "404";
}

static void test_routes(void **state)
{
	(void)state;
	struct http_router r = {0};
	static char api[] = "api", sched[] = "sched", st[] = "state", agent[] = "agent", red[] = "redirect", root[] = "root";

	http_route(&r, "/api/v1", on_route, api);
	http_route(&r, "/api/v1/scheduler", on_route, sched);
	http_route_exact(&r, "/state", on_route, st);
	http_route(&r, "/slave(1)/state", on_route, agent);
	http_route_exact(&r, "/redirect/", on_route, red);
	assert_string_equal(route(&r, "/api/v1"), "api");
	assert_string_equal(route(&r, "/api/v1/"), "api");
	assert_string_equal(route(&r, "/api/v1/operator"), "api");
	assert_string_equal(route(&r, "/api/v1/scheduler"), "sched");
	assert_string_equal(route(&r, "/api/v1/scheduler/"), "sched");
	assert_string_equal(route(&r, "/api/v1/schedulerx"), "api");
	assert_string_equal(route(&r, "/api/v1x"), "404");
	assert_string_equal(route(&r, "/api"), "404");
	assert_string_equal(route(&r, "/state"), "state");
	assert_string_equal(route(&r, "/state/"), "state");
	assert_string_equal(route(&r, "/state/x"), "404");
	assert_string_equal(route(&r, "/redirect"), "redirect");
	assert_string_equal(route(&r, "/redirect/x"), "404");
	assert_string_equal(route(&r, "/slave(1)/state"), "agent");
	/* Nothing is normalised. */
	assert_string_equal(route(&r, "//state"), "404");
	assert_string_equal(route(&r, "/x/../state"), "404");
	assert_string_equal(route(&r, "/"), "404");
	assert_string_equal(route(&r, ""), "404");
	/* An exact route does not hide a shorter prefix. */
	http_route_exact(&r, "/api/v1/exact", on_route, st);
	assert_string_equal(route(&r, "/api/v1/exact/below"), "api");
	http_route_exact(&r, "/", on_route, root);
	assert_string_equal(route(&r, "/"), "root");
	assert_string_equal(route(&r, "/nosuch"), "404");
	http_route(&r, "/", on_route, root);
	assert_string_equal(route(&r, "/nosuch"), "root");
	http_unroute(&r, "/");
	http_unroute(&r, "/api/v1/");
	assert_string_equal(route(&r, "/api/v1/operator"), "404");
	/* Replaced. */
	http_route(&r, "/api/v1/scheduler", on_route, api);
	assert_string_equal(route(&r, "/api/v1/scheduler"), "api");
	http_router_done(&r);
}

static void test_query(void **state)
{
	(void)state;
	struct http_request r = {.query = "a=1&b=x%20y+z&c&=v&a=2&d=%zz&e%3D=eq&f=a%3Db%26c"};
	const struct {
		const char *name, *value;
	} cases[] = {{"a", "1"}, {"b", "x y z"}, {"c", ""}, {"d", "%zz"}, {"e=", "eq"}, {"f", "a=b&c"}, {"g", NULL}};

	for (size_t i = 0; i < MZ_N(cases); i++) {
		mz_autofree char *v = http_query(&r, cases[i].name);
		assert_true(str_eq(v, cases[i].value));
	}
	r.query = NULL;
	assert_null(http_query(&r, "a"));
	r.query = "";
	assert_null(http_query(&r, "a"));
}

static void test_decode(void **state)
{
	(void)state;
	const struct {
		const char *in, *out;
	} cases[] = {{"", ""},	   {"%41", "A"},  {"a%2fb", "a/b"}, {"%", NULL},    {"%4", NULL},
		     {"x%4", NULL}, {"%00", NULL}, {"a+b", "a+b"},   {"%zz", NULL},  {"%c3%a9", "\xc3\xa9"}};

	for (size_t i = 0; i < MZ_N(cases); i++) {
		mz_autofree char *out = NULL;
		int r = http_decode(cases[i].in, strlen(cases[i].in), false, &out);
		assert_int_equal(r, cases[i].out ? 0 : -EINVAL);
		assert_true(str_eq(out, cases[i].out));
	}
}

static void test_headers(void **state)
{
	(void)state;
	const struct http_header h[] = {{"Accept", "a"}, {"accept", "b"}, {"Mesos-Stream-Id", "x"}};
	struct http_request r = {.headers = h, .n_headers = 3};

	assert_string_equal(http_header(&r, "ACCEPT"), "a");
	assert_string_equal(http_header(&r, "mesos-stream-id"), "x");
	assert_null(http_header(&r, "Host"));
}

static void test_replies(void **state)
{
	(void)state;
	struct http_exchange x = {.ops = &fake_ops};

	http_reply(&x, 202, NULL, NULL, 0);
	assert_int_equal(last_status, 202);
	assert_string_equal(last_type, "");
	http_reply(&x, 200, "application/json", "{}", 2);
	assert_string_equal(last_type, "application/json");
	assert_string_equal(last_body, "{}");
	http_reply_text(&x, 400, "Bad %d", 7);
	assert_string_equal(last_body, "Bad 7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_routes), cmocka_unit_test(test_query),
					   cmocka_unit_test(test_decode), cmocka_unit_test(test_headers),
					   cmocka_unit_test(test_replies)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
