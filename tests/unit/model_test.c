/* model_test.c - ids, roles, attributes, the rules of frameworks, tasks and
 * executors, and every step of every state machine.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/fsm_doc.h"
#include "model/model.h"
#include "wire/json.h"

/* ---- ids and roles --------------------------------------------------------- */

static void ids(void **state)
{
	(void)state;
	char longest[257];
	memset(longest, 'a', sizeof(longest) - 1);
	longest[256] = '\0';
	const struct {
		const char *id, *error;
	} cases[] = {
		{"a", NULL},	   {"a b.c..", NULL},		 {"\xc3\xa4", NULL},
		{"...", NULL},	   {longest + 1, NULL},		 {longest, "Task id is longer than 255 bytes"},
		{"", "Task id is empty"},	 {NULL, "Task id is empty"},
		{".", "Task id must not be '.'"}, {"..", "Task id must not be '..'"},
		{"a\nb", "Task id has a control character"}, {"a\x7f", "Task id has a control character"},
		{"a/b", "Task id 'a/b' has a '/'"}, {"a\\b", "Task id 'a\\b' has a '\\'"},
	};
	for (size_t i = 0; i < MZ_N(cases); i++) {
		struct mz_err err = {0};
		assert_int_equal(id_check("Task id", cases[i].id, &err), cases[i].error ? -EINVAL : 0);
		assert_string_equal(err.msg, cases[i].error ? cases[i].error : "");
	}
}

static void roles(void **state)
{
	(void)state;
	static const struct {
		const char *role, *error;
	} cases[] = {
		{"*", NULL}, {"a", NULL}, {"a/b/c-d", NULL}, {"a.b", NULL}, {"**", NULL}, {"\xc3\xa4", NULL},
		{"", "A role is empty"}, {NULL, "A role is empty"},
		{"/a", "Role '/a' starts or ends with '/', or has two in a row"},
		{"a/", "Role 'a/' starts or ends with '/', or has two in a row"},
		{"a//b", "Role 'a//b' starts or ends with '/', or has two in a row"},
		{".", "Role '.' has the component '.'"}, {"a/..", "Role 'a/..' has the component '..'"},
		{"a/*", "Role 'a/*' has the component '*'"},
		{"-a", "Role '-a' has a component that starts with '-'"},
		{"a/-b", "Role 'a/-b' has a component that starts with '-'"},
		{"a b", "A role has white space or a control character"},
		{"a\tb", "A role has white space or a control character"},
		{"a\x7f", "A role has white space or a control character"},
	};
	for (size_t i = 0; i < MZ_N(cases); i++) {
		struct mz_err err = {0};
		assert_int_equal(role_check(cases[i].role, &err), cases[i].error ? -EINVAL : 0);
		assert_string_equal(err.msg, cases[i].error ? cases[i].error : "");
	}
	char longest[ROLE_MAX_BYTES + 2] = {0};
	memset(longest, 'a', ROLE_MAX_BYTES);
	struct mz_err err = {0};
	assert_int_equal(role_check(longest, &err), 0);
	longest[ROLE_MAX_BYTES] = 'a';
	assert_int_equal(role_check(longest, &err), -EINVAL);
	assert_true(role_is_under("a", "a"));
	assert_true(role_is_under("a/b/c", "a"));
	assert_true(role_is_under("a/b/c", "a/b"));
	assert_false(role_is_under("ab", "a"));
	assert_false(role_is_under("a", "a/b"));
	assert_false(role_is_under("a", "*"));
	assert_true(role_is_under("*", "*"));
}

/* ---- attributes ------------------------------------------------------------ */

static void attributes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want; /* or the error */
	} cases[] = {
		{"datacenter:pdx1;rack:1-1;speed:2.5;ports:[1-2, 5-9]", "datacenter:pdx1;rack:1-1;speed:2.5;ports:[1-2, 5-9]"},
		{" a : b ;; a:2.0 ", "a:b;a:2"},
		{"url:http://x:80", "url:http://x:80"},
		{"", ""},
		{"neg:-1.5;n:nan", "neg:-1.5;n:nan"},
		{"[{\"name\":\"a\",\"type\":\"TEXT\",\"text\":{\"value\":\"b\"}}]", "a:b"},
		{"a", "!Attribute 'a': It is not like name:value"},
		{":b", "!Attribute ':b': The name is empty"},
		{"x:1;a:", "!Attribute 'a:': The value is missing"},
		{"a:{b}", "!Attribute 'a:{b}': An attribute cannot be a set"},
		{"a:[1-2", "!Attribute 'a:[1-2': '[1-2' has no closing ']'"},
		{"a:[2-1]", "!Attribute 'a:[2-1]': A range begins behind its end"},
		{"[{\"name\":\"a\",\"type\":\"SET\",\"set\":{}}]", "!attributes[0]: An attribute cannot be a set"},
		{"[{\"name\":\"a\",\"type\":\"TEXT\",\"scalar\":{\"value\":1}}]",
		 "!attributes[0]: Exactly the value of the given type must be set"},
	};
	for (size_t i = 0; i < MZ_N(cases); i++) {
		mz_autoarena struct arena a = {0};
		mz_autobuf struct buf out = {0};
		struct mz_err err = {0};
		Mesos__V1__Attribute **v = NULL;
		size_t n = 0;
		if (attributes_parse(cases[i].text, &a, &v, &n, &err)) {
			buf_addf(&out, "!%s", err.msg);
			assert_null(v);
		} else {
			attributes_format(v, n, &out);
		}
		assert_string_equal(buf_str(&out), cases[i].want);
	}
}

/* ---- messages -------------------------------------------------------------- */

static pb_msg *from_json(const pb_desc *d, struct arena *a, const char *json)
{
	struct mz_err err = {0};
	pb_msg *m = json_decode(d, a, json, strlen(json), &err);
	if (!m)
		fail_msg("%s: %s", json, err.msg);
	return m;
}

static void is_refused(int rc, const struct mz_err *err, const char *json, const char *want)
{
	if (rc != (want ? -EINVAL : 0) || strcmp(err->msg, want ? want : "") != 0)
		fail_msg("%s\n got: %d '%s'\nwant: '%s'", json, rc, err->msg, want ? want : "");
}

#define MULTI "\"capabilities\":[{\"type\":\"MULTI_ROLE\"}]"

static void framework_rules(void **state)
{
	(void)state;
	static const struct {
		const char *fields, *error;
	} cases[] = {
		{"\"user\":\"u\"", NULL},
		{"\"user\":\"u\",\"role\":\"r\",\"failover_timeout\":3600", NULL},
		{"\"user\":\"u\",\"roles\":[]," MULTI, NULL},
		{"\"user\":\"u\",\"roles\":[\"a\",\"a/b\"],\"id\":{\"value\":\"\"}," MULTI, NULL},
		{"\"user\":\"\"", "'user' of the framework is empty"},
		{"\"user\":\"u\",\"id\":{\"value\":\"a/b\"}", "Framework id 'a/b' has a '/'"},
		{"\"user\":\"u\",\"roles\":[\"a\"]", "'roles' needs the capability MULTI_ROLE; without it, set 'role'"},
		{"\"user\":\"u\",\"role\":\"a\"," MULTI, "'role' must not be set with the capability MULTI_ROLE; set 'roles'"},
		{"\"user\":\"u\",\"role\":\"*\"," MULTI, "'role' must not be set with the capability MULTI_ROLE; set 'roles'"},
		{"\"user\":\"u\",\"roles\":[\"a\",\"b\",\"a\"]," MULTI, "Role 'a' is in 'roles' twice"},
		{"\"user\":\"u\",\"roles\":[\"\"]," MULTI, "A role is empty"},
		{"\"user\":\"u\",\"role\":\"/\"", "Role '/' starts or ends with '/', or has two in a row"},
		{"\"user\":\"u\",\"failover_timeout\":-1",
		 "'failover_timeout' -1 is not between 0 and 9223372036 seconds"},
		{"\"user\":\"u\",\"failover_timeout\":\"Infinity\"",
		 "'failover_timeout' inf is not between 0 and 9223372036 seconds"},
		{"\"user\":\"u\",\"failover_timeout\":1e10",
		 "'failover_timeout' 1e+10 is not between 0 and 9223372036 seconds"},
		{"\"user\":\"u\",\"offer_filters\":{\"r\":{\"min_allocatable_resources\":{\"quantities\":[]}}}", NULL},
		{"\"user\":\"u\",\"offer_filters\":{\"r\":{\"min_allocatable_resources\":{\"quantities\":[{}]}}}",
		 "Offer filter of role 'r': A set of quantities is empty"},
		{"\"user\":\"u\",\"offer_filters\":{\"r\":{\"min_allocatable_resources\":{\"quantities\":"
		 "[{\"quantities\":{\"cpus\":{\"value\":-1}}}]}}}",
		 "Offer filter of role 'r': The quantity of 'cpus' must be finite and not negative"},
	};
	for (size_t i = 0; i < MZ_N(cases); i++) {
		mz_autoarena struct arena a = {0};
		struct mz_err err = {0};
		mz_autofree char *json = xasprintf("{\"name\":\"n\",%s}", cases[i].fields);
		pb_msg *m = from_json(&mesos__v1__framework_info__descriptor, &a, json);
		int rc = framework_info_check((Mesos__V1__FrameworkInfo *)m, &err);
		is_refused(rc, &err, json, cases[i].error);
	}
	Mesos__V1__FrameworkInfo f = MESOS__V1__FRAMEWORK_INFO__INIT;
	f.user = f.name = (char *)"x";
	f.has_failover_timeout = true;
	f.failover_timeout = NAN;
	assert_int_equal(framework_info_check(&f, NULL), -EINVAL);
}

static void framework_capabilities_and_roles(void **state)
{
	(void)state;
	mz_autoarena struct arena a = {0};
	const char **v;
	Mesos__V1__FrameworkInfo *f = (Mesos__V1__FrameworkInfo *)from_json(
		&mesos__v1__framework_info__descriptor, &a,
		"{\"user\":\"u\",\"name\":\"n\",\"roles\":[\"a\",\"b\"],\"capabilities\":[{\"type\":\"MULTI_ROLE\"},"
		"{\"type\":\"GPU_RESOURCES\"},{\"type\":\"FROM_THE_FUTURE\"}]}");
	assert_int_equal(framework_capabilities(f), 1 << 6 | 1 << 3);
	assert_int_equal(framework_roles(f, &a, &v), 2);
	assert_string_equal(v[1], "b");
	f->n_capabilities = 0;
	assert_int_equal(framework_roles(f, &a, &v), 1);
	assert_string_equal(v[0], "*");
	f->role = (char *)"ops";
	assert_int_equal(framework_roles(f, &a, &v), 1);
	assert_string_equal(v[0], "ops");
}

/* %s is appended to a task that is fine. */
#define COMMAND "\"command\":{\"value\":\"true\"}"
#define CPU1 "\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}}]"
#define GOOD COMMAND "," CPU1
#define R(name, value, more) \
	"{\"name\":\"" name "\",\"type\":\"SCALAR\",\"scalar\":{\"value\":" value "}" more "}"
#define PORTS(b, e) "{\"name\":\"ports\",\"type\":\"RANGES\",\"ranges\":{\"range\":[{\"begin\":" b ",\"end\":" e "}]}}"
#define VOLUME(root)                                                                                            \
	R("disk", "1", ",\"role\":\"r\",\"disk\":{\"persistence\":{\"id\":\"v\"},\"volume\":{\"container_path\":" \
		       "\"p\",\"mode\":\"RW\"},\"source\":{\"type\":\"PATH\",\"path\":{\"root\":\"" root "\"}}}")
#define EXECUTOR(more) "\"executor\":{\"executor_id\":{\"value\":\"e\"}" more "}"
#define ENV(more) "\"command\":{\"environment\":{\"variables\":[{\"name\":\"V\"" more "}]}}," CPU1
#define VOL(more) \
	GOOD ",\"container\":{\"type\":\"MESOS\",\"volumes\":[{\"mode\":\"RW\",\"container_path\":\"c\"" more "}]}"

static const struct {
	const char *fields, *error; /* behind "Task 't': " */
} task_cases[] = {
	{GOOD, NULL},
	{CPU1, "Exactly one of 'command' and 'executor' must be set"},
	{GOOD "," EXECUTOR("," COMMAND), "Exactly one of 'command' and 'executor' must be set"},
	{COMMAND, "The task uses no resources"},
	{COMMAND ",\"resources\":[" R("cpus", "0", "") "]", "The task uses no resources"},
	{COMMAND ",\"resources\":[" R("cpus", "-1", "") "]", "resources[0] cpus: The value -1 is negative"},
	{COMMAND ",\"resources\":[" R("gpus", "1.5", "") "]", "'gpus' must be a whole number"},
	{COMMAND ",\"resources\":[" R("gpus", "2", "") "]", NULL},
	{COMMAND ",\"resources\":[" R("cpus", "1", "") "," R("cpus", "1", ",\"revocable\":{}") "]",
	 "Revocable and non-revocable 'cpus' cannot be mixed"},
	{COMMAND ",\"resources\":[" R("mem", "1", "") "," R("cpus", "1", ",\"revocable\":{}") "]", NULL},
	{COMMAND ",\"resources\":[" R("cpus", "1", ",\"allocation_info\":{\"role\":\"a\"}") "," R("mem", "1", "") "]", NULL},
	{COMMAND ",\"resources\":[" R("cpus", "1", ",\"allocation_info\":{\"role\":\"a\"}") ","
		 R("mem", "1", ",\"allocation_info\":{\"role\":\"b\"}") "]",
	 "The resources are allocated to more than one role"},
	{COMMAND ",\"resources\":[" VOLUME("/a") "]", NULL},
	{COMMAND ",\"resources\":[" VOLUME("/a") "," VOLUME("/a") "]", "Persistent volume 'v' is used twice"},
	{COMMAND ",\"resources\":[" VOLUME("/a") "," VOLUME("/b") "]", "Persistent volume 'v' is used twice"},
	/* executors */
	{EXECUTOR("," COMMAND) "," CPU1, NULL},
	{EXECUTOR("," COMMAND ",\"type\":\"CUSTOM\"") "," CPU1, NULL},
	{EXECUTOR("") "," CPU1, "Executor 'e': A custom executor needs 'command'"},
	{EXECUTOR(",\"type\":\"UNKNOWN\"") "," CPU1, "Executor 'e': The type must be CUSTOM or DEFAULT"},
	{EXECUTOR(",\"type\":\"DEFAULT\"") "," CPU1, NULL},
	{EXECUTOR(",\"type\":\"DEFAULT\"," COMMAND) "," CPU1, "Executor 'e': A DEFAULT executor cannot have 'command'"},
	{EXECUTOR(",\"type\":\"DEFAULT\",\"container\":{\"type\":\"DOCKER\"}") "," CPU1,
	 "Executor 'e': The container of a DEFAULT executor must be of type MESOS"},
	{EXECUTOR(",\"type\":\"DEFAULT\",\"container\":{\"type\":\"MESOS\",\"mesos\":{\"image\":{\"type\":\"DOCKER\"}}}") "," CPU1,
	 "Executor 'e': The container of a DEFAULT executor cannot have an image"},
	{"\"executor\":{\"executor_id\":{\"value\":\"\"}," COMMAND "}," CPU1, "Executor id is empty"},
	{EXECUTOR("," COMMAND ",\"shutdown_grace_period\":{\"nanoseconds\":-1}") "," CPU1,
	 "Executor 'e': 'shutdown_grace_period' is negative"},
	{EXECUTOR("," COMMAND ",\"container\":{\"type\":\"MESOS\",\"linux_info\":{\"share_cgroups\":true}}") "," CPU1,
	 "Executor 'e': 'share_cgroups' cannot be true for the container of an executor"},
	{EXECUTOR("," COMMAND ",\"resources\":[" R("disk", "1",
	 ",\"role\":\"r\",\"shared\":{},\"disk\":{\"persistence\":{\"id\":\"v\"},\"volume\":{\"container_path\":\"p\","
	 "\"mode\":\"RW\"}}") "]") "," CPU1,
	 "Executor 'e': An executor cannot use shared resources"},
	{EXECUTOR("," COMMAND ",\"resources\":[" PORTS("5", "9") "]") ",\"resources\":[" PORTS("1", "4") "]", NULL},
	{EXECUTOR("," COMMAND ",\"resources\":[" R("cpus", "1", "") "," PORTS("5", "9") "]") ",\"resources\":[" PORTS("1", "5") "]",
	 "Task and executor use the same 'ports'"},
	{EXECUTOR("," COMMAND ",\"resources\":[" R("cpus", "1", ",\"revocable\":{}") "]") "," CPU1,
	 "Revocable and non-revocable 'cpus' cannot be mixed"},
	{EXECUTOR("," COMMAND ",\"resources\":[" VOLUME("/a") "]") ",\"resources\":[" VOLUME("/a") "]",
	 "Persistent volume 'v' is used twice"},
	/* environment */
	{ENV(",\"value\":\"x\""), NULL},
	{ENV(""), "Environment variable 'V': A variable of type VALUE has 'value' and no 'secret'"},
	{ENV(",\"value\":\"\",\"secret\":{\"type\":\"VALUE\",\"value\":{\"data\":\"YQ==\"}}"),
	 "Environment variable 'V': A variable of type VALUE has 'value' and no 'secret'"},
	{ENV(",\"type\":\"SECRET\",\"secret\":{\"type\":\"VALUE\",\"value\":{\"data\":\"YQ==\"}}"), NULL},
	{ENV(",\"type\":\"SECRET\",\"secret\":{\"type\":\"VALUE\",\"value\":{\"data\":\"YQBh\"}}"),
	 "Environment variable 'V': The secret of a variable has a NUL byte"},
	{ENV(",\"type\":\"SECRET\",\"value\":\"\""),
	 "Environment variable 'V': A variable of type SECRET has 'secret' and no 'value'"},
	{ENV(",\"type\":\"UNKNOWN\""), "Environment variable 'V': The type of a variable must be VALUE or SECRET"},
	{ENV(",\"type\":\"SECRET\",\"secret\":{}"),
	 "Environment variable 'V': The type of a secret must be REFERENCE or VALUE"},
	{ENV(",\"type\":\"SECRET\",\"secret\":{\"type\":\"REFERENCE\"}"),
	 "Environment variable 'V': A secret of type REFERENCE has 'reference' and no 'value'"},
	{ENV(",\"type\":\"SECRET\",\"secret\":{\"type\":\"VALUE\",\"reference\":{\"name\":\"n\"},\"value\":{\"data\":\"\"}}"),
	 "Environment variable 'V': A secret of type VALUE has 'value' and no 'reference'"},
	/* containers and volumes */
	{VOL(",\"host_path\":\"\""), NULL},
	{VOL(""), "Volume 'c': Exactly one of 'host_path', 'image' and 'source' must be set"},
	{VOL(",\"host_path\":\"\",\"source\":{}"), "Volume 'c': Exactly one of 'host_path', 'image' and 'source' must be set"},
	{VOL(",\"source\":{}"), "Volume 'c': The type of the source is unknown"},
	{VOL(",\"source\":{\"type\":\"SANDBOX_PATH\",\"sandbox_path\":{\"type\":\"SELF\",\"path\":\"p\"}}"), NULL},
	{VOL(",\"source\":{\"type\":\"SANDBOX_PATH\"}"), "Volume 'c': 'source.sandbox_path' is missing, which its type asks for"},
	{VOL(",\"source\":{\"type\":\"SANDBOX_PATH\",\"sandbox_path\":{\"path\":\"p\"},\"host_path\":{\"path\":\"p\"}}"),
	 "Volume 'c': 'source.host_path' does not match the type of the source"},
	{VOL(",\"source\":{\"type\":\"CSI_VOLUME\",\"csi_volume\":{\"plugin_name\":\"p\"}}"),
	 "Volume 'c': 'source.csi_volume.static_provisioning' is missing"},
	{VOL(",\"source\":{\"type\":\"SECRET\",\"secret\":{}}"), "Volume 'c': The type of a secret must be REFERENCE or VALUE"},
	{GOOD ",\"container\":{\"type\":\"DOCKER\"}", "A container of type DOCKER needs 'docker'"},
	{GOOD ",\"container\":{\"type\":\"DOCKER\",\"docker\":{\"image\":\"i\",\"parameters\":[{\"key\":\"name\",\"value\":\"\"}]}}",
	 "The Docker parameter 'name' cannot be given"},
	{GOOD ",\"container\":{\"type\":\"MESOS\",\"rlimit_info\":{\"rlimits\":[{}]}}", "The type of a resource limit is unknown"},
	{GOOD ",\"container\":{\"type\":\"MESOS\",\"rlimit_info\":{\"rlimits\":[{\"type\":\"RLMT_CPU\",\"hard\":1}]}}",
	 "A resource limit has both 'hard' and 'soft', or none of them"},
	{GOOD ",\"container\":{\"type\":\"MESOS\",\"rlimit_info\":{\"rlimits\":[{\"type\":\"RLMT_CPU\",\"hard\":1,\"soft\":2}]}}",
	 "The soft resource limit is above the hard one"},
	{GOOD ",\"container\":{\"type\":\"MESOS\",\"linux_info\":{\"capability_info\":{},\"effective_capabilities\":{}}}",
	 "'capability_info' and 'effective_capabilities' cannot both be set"},
	{GOOD ",\"container\":{\"type\":\"MESOS\",\"linux_info\":{\"seccomp\":{\"profile_name\":\"p\",\"unconfined\":true}}}",
	 "A seccomp profile cannot be given with 'unconfined'"},
	/* durations and limits */
	{GOOD ",\"kill_policy\":{\"grace_period\":{\"nanoseconds\":-1}}", "'kill_policy.grace_period' is negative"},
	{GOOD ",\"max_completion_time\":{\"nanoseconds\":-1}", "'max_completion_time' is negative"},
	{GOOD ",\"limits\":{\"cpus\":{\"value\":\"Infinity\"}}", NULL},
	{GOOD ",\"limits\":{\"cpus\":{\"value\":1}}", NULL},
	{GOOD ",\"limits\":{\"cpus\":{\"value\":0.5}}", "The limit of 'cpus' is below the request"},
	{GOOD ",\"limits\":{\"mem\":{\"value\":5}}", "The limit of 'mem' needs a request of it"},
	{GOOD ",\"limits\":{\"disk\":{\"value\":5}}", "Only 'cpus' and 'mem' can have limits, not 'disk'"},
	/* checks */
	{GOOD ",\"check\":{}", "Check: The type must be COMMAND, HTTP or TCP"},
	{GOOD ",\"check\":{\"type\":\"TCP\",\"tcp\":{\"port\":80}}", NULL},
	{GOOD ",\"check\":{\"type\":\"TCP\",\"tcp\":{\"port\":70000}}", "Check: 70000 is not a port"},
	{GOOD ",\"check\":{\"type\":\"TCP\"}", "Check: Exactly the part of the given type must be set"},
	{GOOD ",\"check\":{\"type\":\"HTTP\",\"http\":{\"port\":1,\"path\":\"x\"}}", "Check: The path 'x' does not start with '/'"},
	{GOOD ",\"check\":{\"type\":\"COMMAND\",\"command\":{\"command\":{}}}", "Check: The command has no 'value'"},
	{GOOD ",\"check\":{\"type\":\"TCP\",\"tcp\":{\"port\":80},\"delay_seconds\":-1}",
	 "Check: 'delay_seconds' must be finite and not negative"},
	{GOOD ",\"health_check\":{\"http\":{\"port\":80,\"scheme\":\"https\",\"path\":\"/\"}}", NULL},
	{GOOD ",\"health_check\":{}", "Health check: The type must be COMMAND, HTTP or TCP"},
	{GOOD ",\"health_check\":{\"type\":\"HTTP\",\"http\":{\"port\":80,\"scheme\":\"ftp\"}}",
	 "Health check: The scheme 'ftp' is neither http nor https"},
	{GOOD ",\"health_check\":{\"type\":\"HTTP\",\"http\":{\"port\":80},\"grace_period_seconds\":\"Infinity\"}",
	 "Health check: 'grace_period_seconds' must be finite and not negative"},
	{GOOD ",\"health_check\":{\"type\":\"HTTP\",\"command\":{\"value\":\"x\"}}",
	 "Health check: Exactly the part of the given type must be set"},
};

static Mesos__V1__TaskInfo *task(struct arena *a, const char *fields)
{
	mz_autofree char *json = xasprintf("{\"name\":\"n\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"a\"},%s}", fields);
	return (Mesos__V1__TaskInfo *)from_json(&mesos__v1__task_info__descriptor, a, json);
}

static void task_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < MZ_N(task_cases); i++) {
		mz_autoarena struct arena a = {0};
		struct mz_err err = {0};
		const char *error = task_cases[i].error;
		mz_autofree char *want = error ? xasprintf("Task 't': %s", error) : NULL;
		int rc = task_info_check(task(&a, task_cases[i].fields), &err);
		is_refused(rc, &err, task_cases[i].fields, want);
	}
	mz_autoarena struct arena a = {0};
	struct mz_err err = {0};
	Mesos__V1__TaskInfo *t = task(&a, GOOD);
	t->task_id->value = (char *)"..";
	is_refused(task_info_check(t, &err), &err, "id", "Task id must not be '..'");
	err = (struct mz_err){0};
	is_refused(task_launch_check(task(&a, GOOD), &err), &err, GOOD, NULL);
	is_refused(task_launch_check(task(&a, EXECUTOR(",\"type\":\"DEFAULT\"") "," CPU1), &err), &err, "DEFAULT",
		   "Task 't': A DEFAULT executor runs task groups only");
	is_refused(task_launch_check(task(&a, GOOD ",\"container\":{\"type\":\"MESOS\",\"linux_info\":{\"share_cgroups\":false}}"),
				     &err),
		   &err, "share_cgroups", "Task 't': 'share_cgroups' can be false in task groups only");
	is_refused(task_launch_check(task(&a, CPU1), &err), &err, CPU1,
		   "Task 't': Exactly one of 'command' and 'executor' must be set");
}

static void executors_that_can_be_shared(void **state)
{
	(void)state;
	static const char first[] = "{\"executor_id\":{\"value\":\"e\"},\"framework_id\":{\"value\":\"f\"}," COMMAND
				    ",\"resources\":[" R("cpus", "1", "") "," R("mem", "2", "") "]}";
	static const struct {
		const char *json;
		bool equal;
	} cases[] = {
		{first, true},
		/* order of resources, allocation role, no framework id yet */
		{"{\"executor_id\":{\"value\":\"e\"}," COMMAND ",\"resources\":[" R("mem", "2", "") ","
		 R("cpus", "1", ",\"allocation_info\":{\"role\":\"a\"}") "]}", true},
		{"{\"executor_id\":{\"value\":\"e\"},\"framework_id\":{\"value\":\"g\"}," COMMAND ",\"resources\":["
		 R("cpus", "1", "") "," R("mem", "2", "") "]}", false},
		{"{\"executor_id\":{\"value\":\"e\"}," COMMAND ",\"resources\":[" R("cpus", "1", "") "]}", false},
		{"{\"executor_id\":{\"value\":\"e\"},\"name\":\"n\"," COMMAND ",\"resources\":[" R("cpus", "1", "") ","
		 R("mem", "2", "") "]}", false},
		{"{\"executor_id\":{\"value\":\"e\"}," COMMAND ",\"resources\":[" R("cpus", "-1", "") "]}", false},
	};
	for (size_t i = 0; i < MZ_N(cases); i++) {
		mz_autoarena struct arena a = {0};
		Mesos__V1__ExecutorInfo *x = (Mesos__V1__ExecutorInfo *)from_json(&mesos__v1__executor_info__descriptor, &a, first);
		Mesos__V1__ExecutorInfo *y =
			(Mesos__V1__ExecutorInfo *)from_json(&mesos__v1__executor_info__descriptor, &a, cases[i].json);
		assert_int_equal(executor_info_equal(x, y), cases[i].equal);
		assert_int_equal(executor_info_equal(y, x), cases[i].equal);
	}
}

/* ---- state machines -------------------------------------------------------- */

/* What must hold of every machine, whatever its rows say. */
static void every_step_of_every_machine(void **state)
{
	(void)state;
	size_t machines = 0;
	for (; fsm_all[machines]; machines++) {
		const struct fsm *m = fsm_all[machines];
		size_t ends = 0;
		for (size_t s = 0; s < m->n_states; s++) {
			bool left = false;
			for (size_t e = 0; e < m->n_events; e++) {
				struct mz_err err = {0};
				int next = m->next[s * m->n_events + e];
				assert_int_equal(fsm_step(m, "x", (int)s, (int)e, &err), next < 0 ? -EPROTO : next);
				assert_true(next < (int)m->n_states);
				assert_int_equal(err.msg[0] != '\0', next < 0);
				left |= next >= 0 && next != (int)s;
			}
			ends += !left;
		}
		for (size_t e = 0; e < m->n_events; e++) { /* no event without a use */
			bool used = m == &master_operation_fsm && strcmp(m->events[e], "UNSUPPORTED") == 0;
			used |= m == &master_operation_fsm && strcmp(m->events[e], "UNKNOWN") == 0;
			for (size_t s = 0; s < m->n_states; s++)
				used |= m->next[s * m->n_events + e] >= 0;
			if (!used)
				fail_msg("%s: nothing happens on %s", m->name, m->events[e]);
		}
		/* One final state; UNSUPPORTED is not reached at all. */
		assert_int_equal(ends, m == &master_operation_fsm ? 2 : 1);
	}
	assert_int_equal(machines, 7);
}

/* A row twice would hide an older one. */
#define ROW_COUNT(M, s, e, to) +1
#define ROWS_ARE_UNIQUE(m, M, text)                                                       \
	{                                                                                 \
		int rows = 0 m##_ROWS(ROW_COUNT, M), cells = 0;                           \
		for (int i = 0; i < M##_N_STATES * M##_N_EVENTS; i++)                     \
			cells += m##_fsm.next[i] >= 0;                                    \
		assert_int_equal(rows, cells);                                            \
	}

static void no_row_twice(void **state)
{
	(void)state;
	FSM_MACHINES(ROWS_ARE_UNIQUE)
}

static void messages_of_steps(void **state)
{
	(void)state;
	struct mz_err err = {0};
	assert_int_equal(fsm_step(&master_task_fsm, "t1", MASTER_TASK_FINISHED, MASTER_TASK_ON_RUNNING, &err), -EPROTO);
	assert_string_equal(err.msg, "Task 't1' in FINISHED got RUNNING");
	assert_int_equal(fsm_step(&master_agent_fsm, "S0", MASTER_AGENT_REGISTERED, MASTER_AGENT_ON_LINK_LOST, &err),
			 MASTER_AGENT_DISCONNECTED);
	assert_int_equal(fsm_step(&master_agent_fsm, "S0", MASTER_AGENT_GONE, MASTER_AGENT_ON_REGISTER, &err), -EPROTO);
	assert_string_equal(err.msg, "Agent 'S0' in GONE got REGISTER");
}

static void task_states(void **state)
{
	(void)state;
	static const bool terminal[] = {0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0};
	for (int s = 0; s < (int)MZ_N(terminal); s++) {
		assert_int_equal(task_state_is_terminal((Mesos__V1__TaskState)s), terminal[s]);
		for (int to = 0; to < (int)MZ_N(terminal); to++)
			assert_int_equal(fsm_step(&master_task_fsm, "t", s, to, NULL), terminal[s] ? -EPROTO : to);
	}
	assert_string_equal(task_state_name(MESOS__V1__TASK_STATE__TASK_RUNNING), "TASK_RUNNING");
	assert_string_equal(task_state_name(MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR), "TASK_GONE_BY_OPERATOR");
}

static void page_is_current(void **state)
{
	(void)state;
	mz_autobuf struct buf want = {0}, got = {0};
	char chunk[4096];
	FILE *f = fopen(FSM_PAGE, "r");
	assert_non_null(f);
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
		buf_add(&got, chunk, n);
	fclose(f);
	fsm_print_page(&want);
	if (strcmp(buf_str(&got), buf_str(&want)) != 0)
		fail_msg("docs/state-machines.md is out of date: core/model/print_fsm >docs/state-machines.md");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids),
		cmocka_unit_test(roles),
		cmocka_unit_test(attributes),
		cmocka_unit_test(framework_rules),
		cmocka_unit_test(framework_capabilities_and_roles),
		cmocka_unit_test(task_rules),
		cmocka_unit_test(executors_that_can_be_shared),
		cmocka_unit_test(every_step_of_every_machine),
		cmocka_unit_test(no_row_twice),
		cmocka_unit_test(messages_of_steps),
		cmocka_unit_test(task_states),
		cmocka_unit_test(page_is_current),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
