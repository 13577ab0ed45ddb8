/* resources_test.c - cases of resource sets: the text and message forms, what is refused,
 * what makes two resources one. The laws are in resources_laws_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/resources.h"
#include "tests/unit/res_util.h"
#include "wire/json.h"

static void parse_ok(resources *r, const char *text)
{
	struct mz_err err = {0};
	if (res_parse(text, NULL, r, &err))
		fail_msg("'%s': %s", text, err.msg);
}

static void text_is(const char *in, const char *want)
{
	mz_autores resources r = {0};
	mz_autobuf struct buf out = {0};
	parse_ok(&r, in);
	res_format_text(&r, &out);
	assert_string_equal(buf_str(&out), want);
}

static void text_forms(void **state)
{
	(void)state;
	text_is("cpus:24;mem:24576;disk:409600", "cpus:24;mem:24576;disk:409600");
	text_is(" cpus : 0.5 ; ; cpus(ops):2;", "cpus:0.5;cpus(ops):2");
	text_is("cpus:1;cpus:0.0005;cpus:0.0004", "cpus:1.001");
	text_is("cpus:0;mem:0.0001;ports:[];tags:{}", "");
	text_is("", "");
	text_is("ports:[31000-32000, 5-7,8-9,6-8]", "ports:[5-9, 31000-32000]");
	text_is("ports:[18446744073709551614-18446744073709551615,0-3]",
		"ports:[0-3, 18446744073709551614-18446744073709551615]");
	text_is("tags:{b, a};tags:{b,c}", "tags:{a, b, c}");
	text_is("[]", "");
	text_is("[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":2}}]", "cpus:2");
	text_is("cpus:4000000000000.001", "cpus:4000000000000.001");

	mz_autores resources r = {0};
	mz_autobuf struct buf out = {0};
	struct mz_err err = {0};
	assert_int_equal(res_parse("cpus:1;mem(web):2", "ops", &r, &err), 0);
	assert_int_equal(res_parse("[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}}]", "ops", &r, &err), 0);
	res_format_text(&r, &out);
	assert_string_equal(buf_str(&out), "cpus(ops):2;mem(web):2");
	parse_ok(&r, "ports:[1-3];ports(ops):[4-5,8-8]");
	buf_clear(&out);
	assert_true(res_format_ranges(&r, "ports", &out));
	assert_string_equal(buf_str(&out), "[1-5, 8-8]");
	assert_false(res_format_ranges(&r, "cpus", &out));
}

static void text_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"cpus", "Resource 'cpus': It is not like name:value or name(role):value"},
		{":1", "Resource ':1': The name is empty"},
		{"cpus:", "Resource 'cpus:': The value is missing"},
		{"cpus:x", "Resource 'cpus:x': 'x' is neither a number nor [ranges] nor a {set}"},
		{"cpus:nan", "Resource 'cpus:nan': 'nan' is neither a number nor [ranges] nor a {set}"},
		{"mem:1;cpus:-1", "Resource 'cpus:-1': The value -1 is negative"},
		{"cpus:1e13", "Resource 'cpus:1e13': The value 1e+13 is too large"},
		{"cpus(ops:1", "Resource 'cpus(ops:1': The role has no closing ')'"},
		{"cpus():1", "Resource 'cpus():1': The role between ( and ) is empty"},
		{"cpus(a//b):1", "Resource 'cpus(a//b):1': reservations[0]: Role 'a//b' starts or ends with '/', or has two in a row"},
		{"cpus{REV}:1", "Resource 'cpus{REV}:1': The name 'cpus{REV}' has a bracket"},
		{"ports:[5-4]", "Resource 'ports:[5-4]': The range 5-4 begins behind its end"},
		{"ports:[5]", "Resource 'ports:[5]': '5' is not a range like 31000-32000"},
		{"ports:[1-2", "Resource 'ports:[1-2': '[1-2' has no closing ']'"},
		{"ports:[1-x]", "Resource 'ports:[1-x]': '1-x' is not a range like 31000-32000"},
		{"ports:[1-99999999999999999999]",
		 "Resource 'ports:[1-99999999999999999999]': '1-99999999999999999999' is not a range like 31000-32000"},
		{"ports:[0-18446744073709551615]",
		 "Resource 'ports:[0-18446744073709551615]': The ranges have too many elements"},
		{"tags:{a,,b}", "Resource 'tags:{a,,b}': The set has an empty element"},
		{"tags:{a,a}", "Resource 'tags:{a,a}': The set has an element twice"},
		{"cpus:1;cpus:{a}", "Resource 'cpus' comes with two types"},
		{"cpus:1;cpus(ops):[1-2]", "Resource 'cpus' comes with two types"},
	};
	for (size_t i = 0; i < MZ_N(cases); i++) {
		mz_autores resources r = {0};
		struct mz_err err = {0};
		assert_int_equal(res_parse(cases[i].text, NULL, &r, &err), -EINVAL);
		assert_string_equal(err.msg, cases[i].error);
		assert_int_equal(err.code, -EINVAL);
		assert_true(res_empty(&r));
		assert_int_not_equal(res_parse(cases[i].text, NULL, &r, NULL), 0);
	}
}

#define CPUS "\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}"
#define DISK "\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}"
#define VOLUME "\"volume\":{\"container_path\":\"p\",\"mode\":\"RW\"}"

static void messages_refused(void **state)
{
	(void)state;
	static const struct {
		const char *json, *error;
	} cases[] = {
		{"\"name\":\"\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}", ": The name is empty"},
		{"\"name\":\"a\",\"type\":\"TEXT\"", " a: The type must be SCALAR, RANGES or SET"},
		{"\"name\":\"a\",\"type\":\"SCALAR\"", " a: Exactly the value of the given type must be set"},
		{CPUS ",\"set\":{}", " cpus: Exactly the value of the given type must be set"},
		{"\"name\":\"a\",\"type\":\"SCALAR\",\"ranges\":{}", " a: Exactly the value of the given type must be set"},
		{"\"name\":\"a\",\"type\":\"SCALAR\",\"scalar\":{\"value\":\"Infinity\"}", " a: The value inf is too large"},
		{"\"name\":\"a\",\"type\":\"SCALAR\",\"scalar\":{\"value\":-0.001}", " a: The value -0.001 is negative"},
		{CPUS ",\"role\":\"*\",\"reservation\":{}", " cpus: Nothing can be reserved for role '*'"},
		{CPUS ",\"reservation\":{}", " cpus: Nothing can be reserved for role '*'"},
		{CPUS ",\"role\":\"a\",\"reservation\":{\"role\":\"a\"}",
		 " cpus: 'reservation' may have a type and a role only in 'reservations'"},
		{CPUS ",\"role\":\"a\",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"b\"}]",
		 " cpus: 'role' and 'reservation' disagree with 'reservations'"},
		{CPUS ",\"reservations\":[{\"role\":\"b\"}]",
		 " cpus: reservations[0]: The type must be STATIC or DYNAMIC"},
		{CPUS ",\"reservations\":[{\"type\":\"STATIC\"}]", " cpus: reservations[0]: The role is missing"},
		{CPUS ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"*\"}]",
		 " cpus: reservations[0]: Nothing can be reserved for role '*'"},
		{CPUS ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"a\"},{\"type\":\"DYNAMIC\",\"role\":\"ab\"}]",
		 " cpus: reservations[1]: Role 'ab' is not below role 'a', which it refines"},
		{CPUS ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"a\"},{\"type\":\"DYNAMIC\",\"role\":\"a\"}]",
		 " cpus: reservations[1]: Role 'a' is not below role 'a', which it refines"},
		{CPUS ",\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"a\"},{\"type\":\"STATIC\",\"role\":\"a/b\"}]",
		 " cpus: reservations[1]: A static reservation cannot refine another one"},
		{CPUS ",\"allocation_info\":{\"role\":\"-a\"}",
		 " cpus: allocation_info: Role '-a' has a component that starts with '-'"},
		{CPUS ",\"shared\":{}", " cpus: Only persistent volumes can be shared"},
		{CPUS ",\"disk\":{}", " cpus: Only a scalar named 'disk' can have 'disk'"},
		{DISK ",\"disk\":{}", " disk: 'disk' is empty"},
		{DISK ",\"disk\":{" VOLUME "}", " disk: 'volume' is for persistent volumes only"},
		{DISK ",\"disk\":{\"source\":{\"type\":\"PATH\",\"mount\":{}}}",
		 " disk: The disk source does not match its type"},
		{DISK ",\"disk\":{\"source\":{\"type\":\"UNKNOWN\"}}", " disk: The type of the disk source is unknown"},
		{DISK ",\"disk\":{\"persistence\":{\"id\":\"a\"}," VOLUME "}", " disk: A persistent volume must be reserved"},
		{DISK ",\"role\":\"r\",\"disk\":{\"persistence\":{\"id\":\"a\"}}", " disk: A persistent volume needs 'volume'"},
		{DISK ",\"role\":\"r\",\"disk\":{\"persistence\":{\"id\":\"a/b\"}," VOLUME "}",
		 " disk: Persistence id 'a/b' has a '/'"},
		{DISK ",\"role\":\"r\",\"revocable\":{},\"disk\":{\"persistence\":{\"id\":\"a\"}," VOLUME "}",
		 " disk: A persistent volume cannot be revocable"},
		{DISK ",\"role\":\"r\",\"disk\":{\"persistence\":{\"id\":\"a\"},\"volume\":{\"container_path\":\"p\","
		      "\"mode\":\"RW\",\"host_path\":\"\"}}",
		 " disk: The volume of a persistent volume cannot have 'host_path'"},
	};
	for (size_t i = 0; i < MZ_N(cases); i++) {
		mz_autores resources r = {0};
		struct mz_err err = {0};
		mz_autofree char *json = xasprintf("[{" DISK "},{%s}]", cases[i].json);
		mz_autofree char *want = xasprintf("resources[1]%s", cases[i].error);
		assert_int_equal(res_parse(json, NULL, &r, &err), -EINVAL);
		assert_string_equal(err.msg, want);
		assert_true(res_empty(&r)); /* all or nothing */
	}
	mz_autores resources r = {0};
	struct mz_err err = {0};
	assert_int_equal(res_parse("[{" CPUS "},{\"name\":\"cpus\",\"type\":\"SET\",\"set\":{\"item\":[\"a\"]}}]", NULL, &r, &err),
			 -EINVAL);
	assert_string_equal(err.msg, "Resource 'cpus' comes with two types");
	assert_int_not_equal(res_parse("[{]", NULL, &r, &err), 0);
	assert_true(strncmp(err.msg, "Resources in JSON: ", 19) == 0);
	Mesos__V1__Value__Scalar nan_value = MESOS__V1__VALUE__SCALAR__INIT;
	Mesos__V1__Resource m = MESOS__V1__RESOURCE__INIT, *list = &m;
	nan_value.value = NAN;
	m.name = (char *)"cpus";
	m.scalar = &nan_value;
	assert_int_equal(res_from_pb(&list, 1, &r, &err), -EINVAL);
	assert_string_equal(err.msg, "resources[0] cpus: The value is not a number");
	assert_int_equal(res_from_pb(&list, 10001, &r, &err), -EINVAL);
	assert_string_equal(err.msg, "More than 10000 resources in one list");
}

/* What tells resources apart, and what does not. */
static void identity(void **state)
{
	(void)state;
	mz_autores resources all = {0};
	static const char *const distinct[] = {
		CPUS, CPUS ",\"revocable\":{}", CPUS ",\"role\":\"r\"", CPUS ",\"role\":\"r\",\"reservation\":{}",
		CPUS ",\"role\":\"r\",\"reservation\":{\"principal\":\"p\"}",
		CPUS ",\"role\":\"r\",\"reservation\":{\"principal\":\"p\",\"labels\":{\"labels\":[{\"key\":\"a\"}]}}",
		CPUS ",\"role\":\"r\",\"reservation\":{\"principal\":\"p\",\"labels\":{\"labels\":[{\"key\":\"a\",\"value\":\"\"}]}}",
		CPUS ",\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"r\"},{\"type\":\"DYNAMIC\",\"role\":\"r/s\"}]",
		CPUS ",\"provider_id\":{\"value\":\"p\"}", CPUS ",\"allocation_info\":{\"role\":\"r\"}", DISK,
		DISK ",\"disk\":{\"source\":{\"type\":\"RAW\"}}", DISK ",\"disk\":{\"source\":{\"type\":\"RAW\",\"id\":\"i\"}}",
		DISK ",\"disk\":{\"source\":{\"type\":\"RAW\",\"profile\":\"i\"}}",
		DISK ",\"disk\":{\"source\":{\"type\":\"PATH\",\"path\":{\"root\":\"/a\"}}}",
		DISK ",\"disk\":{\"source\":{\"type\":\"PATH\",\"path\":{\"root\":\"/b\"}}}",
		DISK ",\"role\":\"r\",\"disk\":{\"persistence\":{\"id\":\"a\"}," VOLUME "}",
		DISK ",\"role\":\"r\",\"disk\":{\"persistence\":{\"id\":\"b\"}," VOLUME "}",
	};
	for (size_t i = 0; i < MZ_N(distinct); i++) {
		mz_autofree char *json = xasprintf("{%s}", distinct[i]);
		add_json(&all, json);
		assert_int_equal(res_count(&all), i + 1);
	}
	/* the order of labels, the details of a volume, the format: no difference */
	mz_autores resources a = {0}, b = {0};
	add_json(&a, "{" CPUS ",\"role\":\"r\",\"reservation\":{\"labels\":{\"labels\":[{\"key\":\"a\"},{\"key\":\"b\"}]}}}");
	add_json(&b, "{" CPUS ",\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"r\",\"labels\":{\"labels\":"
		     "[{\"key\":\"b\"},{\"key\":\"a\"}]}}]}");
	add_json(&a, "{" DISK ",\"role\":\"r\",\"disk\":{\"persistence\":{\"id\":\"a\"}," VOLUME "}}");
	add_json(&b, "{" DISK ",\"role\":\"r\",\"disk\":{\"persistence\":{\"id\":\"a\",\"principal\":\"p\"},"
		     "\"volume\":{\"container_path\":\"other\",\"mode\":\"RO\"}}}");
	must_equal(&a, &b);
	/* but each keeps its own details */
	mz_autoarena struct arena arena = {0};
	Mesos__V1__Resource **v;
	size_t n = res_to_pb(&b, RES_FORMAT_POST, true, &arena, &v);
	assert_int_equal(n, 2);
	Mesos__V1__Resource *disk = v[0]->disk ? v[0] : v[1];
	assert_string_equal(disk->disk->volume->container_path, "other");
	assert_string_equal(disk->disk->persistence->principal, "p");
}

static void formats(void **state)
{
	(void)state;
	static const struct {
		const char *json, *post, *pre, *endpoint;
	} cases[] = {
		{CPUS, CPUS, CPUS ",\"role\":\"*\"", CPUS ",\"role\":\"*\""},
		{CPUS ",\"role\":\"r\"", CPUS ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"r\"}]",
		 CPUS ",\"role\":\"r\"",
		 CPUS ",\"role\":\"r\",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"r\"}]"},
		{CPUS ",\"role\":\"r\",\"reservation\":{\"principal\":\"p\"}",
		 CPUS ",\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"r\",\"principal\":\"p\"}]",
		 CPUS ",\"role\":\"r\",\"reservation\":{\"principal\":\"p\"}",
		 CPUS ",\"role\":\"r\",\"reservation\":{\"principal\":\"p\"},\"reservations\":[{\"type\":\"DYNAMIC\","
		      "\"role\":\"r\",\"principal\":\"p\"}]"},
		{CPUS ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"r\"},{\"type\":\"DYNAMIC\",\"role\":\"r/s\"}]",
		 CPUS ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"r\"},{\"type\":\"DYNAMIC\",\"role\":\"r/s\"}]", NULL,
		 CPUS ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"r\"},{\"type\":\"DYNAMIC\",\"role\":\"r/s\"}]"},
	};
	for (size_t i = 0; i < MZ_N(cases); i++)
		for (int f = RES_FORMAT_POST; f <= RES_FORMAT_ENDPOINT; f++) {
			mz_autores resources r = {0};
			mz_autoarena struct arena a = {0};
			mz_autofree char *json = xasprintf("{%s}", cases[i].json);
			const char *body = f == RES_FORMAT_POST ? cases[i].post :
					   f == RES_FORMAT_PRE	? cases[i].pre :
								  cases[i].endpoint;
			mz_autofree char *want = xasprintf("{%s}", body ? body : "");
			Mesos__V1__Resource **v;
			add_json(&r, json);
			size_t n = res_to_pb(&r, f, true, &a, &v);
			assert_int_equal(n, body != NULL);
			struct mz_err err = {0};
			pb_msg *m = body ? json_decode(&mesos__v1__resource__descriptor, &a, want, strlen(want), &err) : NULL;
			if (body && !pb_equal(m, &v[0]->base)) {
				mz_autobuf struct buf got = {0};
				json_encode(&v[0]->base, &got);
				fail_msg("format %d: '%s' is not '%s'", f, buf_str(&got), want);
			}
		}
}

/* An allocated resource is shown where the plain one would be. */
static void order_of_output(void **state)
{
	(void)state;
	mz_autores resources r = {0};
	parse_ok(&r, "zeta:1;alpha:2;gamma:3");
	mz_autores resources part = {0};
	parse_ok(&part, "gamma:1;alpha:1");
	res_free(res_allocate(&part, "first")); /* made in this order */
	resources *all = res_allocate(&r, "first");
	mz_autobuf struct buf out = {0};
	res_format_text(all, &out);
	assert_string_equal(buf_str(&out), "zeta:1;alpha:2;gamma:3");
	mz_autoarena struct arena a = {0};
	Mesos__V1__Resource **v;
	assert_int_equal(res_to_pb(all, RES_FORMAT_POST, true, &a, &v), 3);
	assert_string_equal(v[0]->name, "zeta");
	assert_string_equal(v[0]->allocation_info->role, "first");
	assert_int_equal(res_to_pb(all, RES_FORMAT_POST, false, &a, &v), 3);
	assert_null(v[0]->allocation_info);
	res_free(all);
}

static void whole_things_only(void **state)
{
	(void)state;
	const char *big = "{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":10},\"disk\":{\"source\":"
			  "{\"type\":\"MOUNT\",\"mount\":{\"root\":\"/x\"}}}}";
	const char *small = "{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":4},\"disk\":{\"source\":"
			    "{\"type\":\"MOUNT\",\"mount\":{\"root\":\"/x\"}}}}";
	mz_autores resources a = {0}, b = {0};
	add_json(&a, big);
	add_json(&b, small);
	assert_false(res_contains(&a, &b));
	res_subtract(&a, &b);
	assert_int_equal(res_scalar(&a, "disk"), 10000);
	/* shared volumes: copies are counted, the size is not */
	mz_autores resources s = {0}, two = {0};
	const char *shared = "{" DISK ",\"role\":\"r\",\"shared\":{},\"disk\":{\"persistence\":{\"id\":\"sh\"}," VOLUME "}}";
	add_json(&s, shared);
	res_add(&two, &s);
	res_add(&two, &s);
	assert_int_equal(res_scalar(&two, "disk"), 1000);
	assert_int_equal(res_count(&two), 1);
	assert_true(res_contains(&two, &s));
	assert_false(res_contains(&s, &two));
	res_subtract(&two, &s);
	must_equal(&two, &s);
	res_subtract(&two, &s);
	assert_true(res_empty(&two));
}

static void sums_saturate(void **state)
{
	(void)state;
	mz_autores resources a = {0};
	parse_ok(&a, "mem:9e12");
	for (int i = 0; i < 80; i++) /* doubles each time */
		res_add(&a, &a);
	assert_int_equal(res_scalar(&a, "mem"), INT64_MAX);
}

static void overlaps(void **state)
{
	static const struct {
		const char *a, *b, *name;
	} rows[] = {
		{"", "ports:[1-2]", NULL},
		{"cpus:1", "cpus:1", NULL},
		{"ports:[1-9]", "ports:[10-11]", NULL},
		{"ports:[1-9]", "ports:[9-11]", "ports"},
		{"ports:[1-9]", "ports:[1-9]", "ports"},
		{"ports:[1-2, 8-9]", "ports:[3-7]", NULL},
		{"ports:[1-9]", "ports(ops):[1-9]", NULL},
		{"cpus:1;tags:{a,b}", "cpus:1;ports:[1-2];tags:{b,c}", "tags"},
		{"tags:{a,b}", "tags:{c}", NULL},
		/* As many as nearly fit into an amount. */
		{"ports:[1-6000000000000000]", "ports:[1-6000000000000000]", "ports"},
		{"ports:[1-6000000000000000]", "ports:[6000000000000001-9000000000000000]", NULL},
	};

	(void)state;
	for (size_t i = 0; i < MZ_N(rows); i++) {
		mz_autores resources a = {0}, b = {0};
		parse_ok(&a, rows[i].a);
		parse_ok(&b, rows[i].b);
		const char *there = res_overlap(&a, &b), *back = res_overlap(&b, &a);
		if (!str_eq(there, rows[i].name) || !str_eq(back, rows[i].name))
			fail_msg("%s and %s: %s, %s", rows[i].a, rows[i].b, there ? there : "-", back ? back : "-");
	}
}

static void collect_role(void *arg, const char *role)
{
	buf_addf(arg, "%s ", role);
}

static void collect_name(void *arg, const char *name, int type)
{
	buf_addf(arg, "%s/%d ", name, type);
}

static void visitors(void **state)
{
	(void)state;
	mz_autores resources r = {0};
	mz_autobuf struct buf out = {0};
	parse_ok(&r, "cpus(web):1;mem(ops):1;cpus(ops):1;disk:2;ports(ops):[1-2]");
	res_each_reserved_role(&r, collect_role, &out);
	assert_string_equal(buf_str(&out), "ops web ");
	buf_clear(&out);
	mz_autores resources n = {0};
	parse_ok(&n, "nn:1;mm:{a};nn(ops):2;oo:[1-2]");
	res_each_name(&n, collect_name, &out);
	assert_string_equal(buf_str(&out), "nn/0 mm/2 oo/1 ");
}

/* Peers invent names, roles and labels: what nobody holds any more takes no room. */
static void kinds_end_with_their_sets(void **state)
{
	(void)state;
	assert_int_equal(res_n_kinds(), 0); /* after all the tests above */
	mz_autoarena struct arena arena = {0};
	Mesos__V1__Resource **v = NULL;
	size_t n = 0;
	for (int i = 0; i < 1000; i++) {
		mz_autores resources r = {0};
		mz_autofree char *text = xasprintf("n%d:1;cpus(role%d):2;ports:[1-2]", i, i);
		mz_autofree char *role = xasprintf("invented%d", i);
		parse_ok(&r, text);
		resources *allocated = res_allocate(&r, role);
		n = res_to_pb(allocated, RES_FORMAT_ENDPOINT, true, &arena, &v);
		assert_true(res_n_kinds() <= 6);
		res_free(allocated);
	}
	assert_int_equal(res_n_kinds(), 0);
	/* The messages do not need them. */
	assert_int_equal(n, 3);
	assert_string_equal(v[0]->name, "n999");
	assert_string_equal(v[1]->reservations[0]->role, "role999");
	assert_string_equal(v[2]->allocation_info->role, "invented999");
}

static void what_modules_know_stays(void **state)
{
	(void)state;
	mz_autores resources r = {0};
	parse_ok(&r, "cpus:1");
	resources *allocated = res_allocate(&r, "web");
	const struct mz_res_kind *k = res_api()->kind(res_item(allocated, 0).kind);
	const char *name = k->name, *role = k->role;
	uint32_t plain = res_item(&r, 0).kind;
	res_free(allocated);
	res_clear(&r);
	assert_int_equal(res_n_kinds(), 1); /* the plain one */
	assert_string_equal(name, "cpus");
	assert_string_equal(role, "*");
	parse_ok(&r, "mem:1;cpus:2");
	assert_int_equal(res_item(&r, 0).kind, plain);
	assert_int_equal(res_item(&r, 0).amount, 2000);
}

static void module_table(void **state)
{
	(void)state;
	const struct mz_resources_api *api = res_api();
	struct mz_err err = {0};
	struct mz_resources *r = api->create();
	assert_int_equal(api->size, sizeof(*api));
	assert_int_equal(api->parse("cpus:1.5;ports:[1-3,7-7];tags:{b,a}", r, &err), 0);
	assert_int_equal(api->count(r), 3);
	size_t seen = 0;
	for (size_t i = 0; i < api->count(r); i++) {
		struct mz_res_item it = api->item(r, i);
		const struct mz_res_kind *k = api->kind(it.kind);
		const struct mz_range *ranges;
		const char *const *elements;
		assert_int_equal(k->kind, it.kind);
		assert_string_equal(k->role, "*");
		size_t n_ranges = api->ranges(r, i, &ranges), n_elements = api->elements(r, i, &elements);
		if (k->type == MZ_SCALAR) {
			assert_int_equal(it.amount, 1500);
			api->add_scalar(r, it.kind, 500);
			api->add_scalar(r, it.kind, -500);
			seen += 1;
		} else if (k->type == MZ_RANGES) {
			assert_int_equal(it.amount, 4000);
			assert_int_equal(n_ranges, 2);
			assert_int_equal(ranges[1].begin, 7);
			api->add_scalar(r, it.kind, 1000);
			seen += 10;
		} else {
			assert_int_equal(it.amount, 2000);
			assert_string_equal(elements[0], "a");
			seen += 100;
		}
		assert_int_equal(n_ranges != 0, k->type == MZ_RANGES);
		assert_int_equal(n_elements != 0, k->type == MZ_SET);
	}
	assert_int_equal(seen, 111);
	assert_int_equal(api->scalar(r, "cpus"), 2000);
	char text[8];
	int len = api->format(r, text, sizeof(text));
	assert_true(len > (int)sizeof(text));
	assert_int_equal(strlen(text), sizeof(text) - 1);
	assert_null(api->kind(UINT32_MAX));
	struct mz_resources *c = api->copy(r);
	assert_true(api->equal(r, c) && api->contains(r, c));
	api->subtract(c, r);
	assert_int_equal(api->count(c), 0);
	api->add_item(c, r, 0);
	api->add_item(c, r, 99);
	assert_int_equal(api->count(c), 1);
	assert_false(api->equal(r, c));
	api->clear(r);
	api->add_allocatable(r, c, "x");
	assert_true(api->equal(r, c));
	api->destroy(r);
	api->destroy(c);
	api->destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_forms),
		cmocka_unit_test(text_refused),
		cmocka_unit_test(messages_refused),
		cmocka_unit_test(identity),
		cmocka_unit_test(formats),
		cmocka_unit_test(order_of_output),
		cmocka_unit_test(whole_things_only),
		cmocka_unit_test(sums_saturate),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(visitors),
		cmocka_unit_test(kinds_end_with_their_sets),
		cmocka_unit_test(what_modules_know_stays),
		cmocka_unit_test(module_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
