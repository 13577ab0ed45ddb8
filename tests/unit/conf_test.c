/* conf_test.c - YAML to a checked tree: what is read, and how each mistake is told.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MZ_MODULE_ABI 1
#include <mezzo/module.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

static const char *const modes[] = {"fast", "safe", NULL};

static const struct conf_key keys[] = {
	{"master.port", MZ_SETTING_INT, "5050", 0, 65535, "port", NULL},
	{"master.name", MZ_SETTING_STRING, NULL, 0, 0, "name", NULL},
	{"master.mode", MZ_SETTING_STRING, "safe", 0, 0, "mode", modes},
	{"master.strict", MZ_SETTING_BOOL, "false", 0, 0, "strict", NULL},
	{"agent.ping_timeout", MZ_SETTING_DURATION, "15secs", 1000000000, 3600000000000, "ping", NULL},
	{"agent.gc", MZ_SETTING_DURATION, "0ns", 1, INT64_MAX, "gc", NULL},
	{"agent.max_frame", MZ_SETTING_BYTES, "4MB", 1024, 1 << 30, "frame", NULL},
	{"agent.weight", MZ_SETTING_NUMBER, "1", 1, INT64_MAX, "weight", NULL},
	{"agent.work_dir", MZ_SETTING_PATH, NULL, 0, 0, "dir", NULL},
	{"agent.roles", MZ_SETTING_LIST, "", 0, 0, "roles", NULL},
	{"agent.env", MZ_SETTING_MAP, "", 0, 0, "env", NULL},
	{"modules", CONF_KEY_TREE, NULL, 0, 0, "modules", NULL},
	{NULL, 0, NULL, 0, 0, NULL, NULL},
};

static struct conf_node *parse(const char *text)
{
	struct conf_node *root = NULL;
	struct mz_err err = {0};
	if (conf_parse("t.yaml", text, strlen(text), &root, &err) < 0)
		fail_msg("%s", err.msg);
	return root;
}

static void reads_a_tree(void **state)
{
	(void)state;
	struct conf_node *root = parse("# comment\n"
				       "master:\n"
				       "  port: 5051\n"
				       "  name: \"a: b\"\n"
				       "  empty:\n"
				       "  tilde: ~\n"
				       "  text: 'null'\n"
				       "list: [x, {y: z}, ~]\n"
				       "long: |\n"
				       "  two\n"
				       "  lines\n"
				       "resources: cpus:24;mem:24576;ports:[31000-32000];cpus(ops):2\n");
	char where[256];
	assert_int_equal(root->type, CONF_MAP);
	assert_int_equal(root->n, 4);
	const struct conf_node *n = conf_at(root, "master.port");
	assert_string_equal(n->text, "5051");
	assert_false(n->quoted);
	assert_string_equal(conf_where(n, where), "t.yaml:3");
	assert_string_equal(conf_where(conf_get(root, "master"), where), "t.yaml:2");
	n = conf_at(root, "master.name");
	assert_true(n->quoted);
	assert_string_equal(n->text, "a: b");
	assert_int_equal(conf_at(root, "master.empty")->type, CONF_NULL);
	assert_int_equal(conf_at(root, "master.tilde")->type, CONF_NULL);
	assert_string_equal(conf_at(root, "master.text")->text, "null");
	assert_string_equal(conf_at(root, "list.0")->text, "x");
	assert_string_equal(conf_at(root, "list.1.y")->text, "z");
	assert_int_equal(conf_at(root, "list.2")->type, CONF_NULL);
	assert_string_equal(conf_at(root, "long")->text, "two\nlines\n");
	assert_string_equal(conf_at(root, "resources")->text,
			    "cpus:24;mem:24576;ports:[31000-32000];cpus(ops):2");
	static const char *const absent[] = {"", "x", "list.3", "list.x", "list.-1", "list.", "master.port.x",
					     "maste", "masters", "list.99999999999999999999", NULL};
	for (size_t i = 0; absent[i]; i++)
		assert_null(conf_at(root, absent[i]));
	assert_null(conf_get(root, "absent"));
	assert_null(conf_get(NULL, "absent"));
	assert_null(conf_get(conf_get(root, "list"), "0"));
	conf_free(root);
	conf_free(NULL);
}

static void refuses_bad_yaml(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"a: 1\nb: 2\na: 3\n", "t.yaml:3: Key 'a' is there twice, first in line 1"},
		{"a:\n  b: 1\n  'b': 2\n", "t.yaml:3: Key 'b' is there twice, first in line 2"},
		{"a: !!str 1\n", "t.yaml:1: Tags are not supported; quote a value that starts with '!'"},
		{"a: !x [1]\n", "t.yaml:1: Tags are not supported; quote a value that starts with '!'"},
		{"a: 1\nb: &x 1\n", "t.yaml:2: Anchors are not supported; quote a value that starts with '&'"},
		{"a: &x {b: 1}\n", "t.yaml:1: Anchors are not supported; quote a value that starts with '&'"},
		{"a:\n - *x\n", "t.yaml:2: Aliases are not supported; quote a value that starts with '*'"},
		{"*x : 1\n", "t.yaml:1: Aliases are not supported; quote a key that starts with '*'"},
		{"? [a, b]\n: 1\n", "t.yaml:1: A key must be a single value"},
		{"'': 1\n", "t.yaml:1: A key is empty or contains a NUL byte"},
		{"a: 1\n---\nb: 2\n", "t.yaml:2: A second document begins; only one is allowed"},
		{"a: \"x\\0y\"\n", "t.yaml:1: A value contains a NUL byte"},
		{"a: [1, 2\n", "t.yaml:2: Not valid YAML: did not find expected ',' or ']' while parsing a flow sequence"},
		{"a: 1\n\tb: 2\n", "t.yaml:2: Not valid YAML: found a tab character that violates indentation "
				   "while scanning a plain scalar"},
		{"a: 'x\n", "t.yaml:2: Not valid YAML: found unexpected end of stream while scanning a quoted scalar"},
		{"a: 1\n b: 2\n", "t.yaml:2: Not valid YAML: mapping values are not allowed in this context"},
		{"a: 1\nb: \xff\n", "t.yaml:2: Not valid YAML: invalid leading UTF-8 octet"},
		{"a: 1\nb: \x01\n", "t.yaml:2: Not valid YAML: control characters are not allowed"},
	};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct conf_node *root = NULL;
		struct mz_err err = {0};
		assert_int_equal(conf_parse("t.yaml", rows[i].text, strlen(rows[i].text), &root, &err), -EINVAL);
		assert_null(root);
		assert_string_equal(err.msg, rows[i].error);
		assert_int_equal(err.code, -EINVAL);
	}
}

static void has_limits(void **state)
{
	(void)state;
	struct conf_node *root = NULL;
	struct mz_err err = {0};
	mz_autobuf struct buf b = {0};
	for (int i = 0; i < 32; i++)
		buf_addc(&b, '[');
	for (int i = 0; i < 32; i++)
		buf_addc(&b, ']');
	assert_int_equal(conf_parse("t", b.data, b.len, &root, &err), 0);
	conf_free(root);
	root = NULL;
	buf_clear(&b);
	for (int i = 0; i < 5000; i++)
		buf_addc(&b, '[');
	assert_int_equal(conf_parse("t", b.data, b.len, &root, &err), -EINVAL);
	assert_string_equal(err.msg, "t:1: Nested too deeply (more than 32 levels)");
	buf_clear(&b);
	while (b.len < 1 << 20)
		buf_adds(&b, "# just a comment that is long\n");
	assert_int_equal(conf_parse("t", b.data, 1 << 20, &root, &err), 0);
	assert_int_equal(root->type, CONF_NULL);
	conf_free(root);
	root = NULL;
	assert_int_equal(conf_parse("t", b.data, (1 << 20) + 1, &root, &err), -EFBIG);
	assert_string_equal(err.msg, "t: Larger than 1 MiB");
	/* A map with very many keys is read in one pass. */
	buf_clear(&b);
	for (int i = 0; i < 80000; i++)
		buf_addf(&b, "k%d: 1\n", i);
	assert_int_equal(conf_parse("t", b.data, b.len, &root, &err), 0);
	assert_int_equal(root->n, 80000);
	conf_free(root);
}

static void loads_files(void **state)
{
	(void)state;
	struct conf_node *root = NULL;
	struct mz_err err = {0};
	assert_int_equal(conf_load("/nonexistent.yaml", &root, &err), -ENOENT);
	assert_string_equal(err.msg, "Cannot read '/nonexistent.yaml': No such file or directory");
	assert_int_equal(conf_load("/", &root, &err), -EISDIR);
	char path[] = "/tmp/conf_test.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "\na: 1\n", 6), 6);
	close(fd);
	int rc = conf_load(path, &root, &err);
	unlink(path);
	assert_int_equal(rc, 0);
	assert_string_equal(root->file, path);
	assert_int_equal(conf_get(root, "a")->line, 2);
	conf_free(root);
}

static void sets(void **state)
{
	(void)state;
	static const struct {
		const char *assignment, *path, *text; /* text NULL: not a scalar */
		enum conf_type type;
	} rows[] = {
		{"a.b=2", "a.b", "2", CONF_SCALAR},
		{"a.new.deep=x=y", "a.new.deep", "x=y", CONF_SCALAR},
		{"l.0=first", "l.0", "first", CONF_SCALAR},
		{"l.2=third", "l.2", "third", CONF_SCALAR},
		{"l.1.m=1", "l.1.m", "1", CONF_SCALAR},
		{"none.x=1", "none.x", "1", CONF_SCALAR},
		{"q='*'", "q", "*", CONF_SCALAR},
		{"m={x: [1, 2]}", "m.x.1", "2", CONF_SCALAR},
		{"a=", "a", NULL, CONF_NULL},
		{"r=cpus:24;ports:[31000-32000]", "r", "cpus:24;ports:[31000-32000]", CONF_SCALAR},
	};
	struct mz_err err = {0};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		char where[256];
		struct conf_node *root = parse("a: {b: 1}\nl: [x, ~]\nnone:\n");
		if (conf_set(root, rows[i].assignment, &err) < 0)
			fail_msg("%s", err.msg);
		const struct conf_node *n = conf_at(root, rows[i].path);
		assert_non_null(n);
		assert_int_equal(n->type, rows[i].type);
		if (rows[i].text)
			assert_string_equal(n->text, rows[i].text);
		assert_string_equal(conf_where(n, where), "--set");
		conf_free(root);
	}
	static const char *const bad[][2] = {
		{"a.b", "--set 'a.b': Expected path=value"},
		{"=1", "--set '': The path has an empty part"},
		{"a..b=1", "--set 'a..b': The path has an empty part"},
		{"a.=1", "--set 'a.': The path has an empty part"},
		{"a.b.c=1", "--set 'a.b.c': 'c' cannot be set inside a single value"},
		{"l.x=1", "--set 'l.x': 'x' is not an index of a list"},
		{"l.3=1", "--set 'l.3': The list has 2 elements only"},
		{"q=*", "--set 'q': Not valid YAML: did not find expected alphabetic or numeric "
			"character while scanning an alias"},
		{"q=[1", "--set 'q': Not valid YAML: did not find expected ',' or ']' while parsing a "
			 "flow sequence"},
		{"1.2.3.4.5.6.7.8.9.1.2.3.4.5.6.7.8.9.1.2.3.4.5.6.7.8.9.1.2.3.4.5.6=x",
		 "--set '1.2.3.4.5.6.7.8.9.1.2.3.4.5.6.7.8.9.1.2.3.4.5.6.7.8.9.1.2.3.4.5.6': The path is too long"},
	};
	for (size_t i = 0; i < MZ_N(bad); i++) {
		struct conf_node *root = parse("a: {b: 1}\nl: [x, ~]\nnone:\n");
		assert_int_equal(conf_set(root, bad[i][0], &err), -EINVAL);
		assert_string_equal(err.msg, bad[i][1]);
		conf_free(root);
	}
	struct conf_node *made = conf_map_new("--set");
	assert_int_equal(conf_set(made, "x.y=1", &err), 0);
	assert_string_equal(conf_at(made, "x.y")->text, "1");
	conf_free(made);
}

static void checks(void **state)
{
	(void)state;
	static const char *const good[] = {
		"",
		"# nothing\n",
		"master:\n",
		"master: {port: 0, name: \"5\", mode: fast, strict: true}\n",
		"master: {port: }\n",
		"agent: {ping_timeout: 1.5mins, max_frame: \"1KB\", weight: 0.001, work_dir: /var/lib}\n",
		"agent: {roles: [a, b], env: {A.B: x, C: 1}, gc: 1ns}\n",
		"modules: {anything: [1, {a.b: 2}], x: ~}\n",
		"modules: [1]\n",
	};
	for (size_t i = 0; i < MZ_N(good); i++) {
		struct mz_err err = {0};
		struct conf_node *root = parse(good[i]);
		if (conf_check(root, keys, &err) < 0)
			fail_msg("%s", err.msg);
		conf_free(root);
	}
}

static void check_complains(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"[1]\n", "t.yaml:1: The file must be a map, not a list"},
		{"just text\n", "t.yaml:1: The file must be a map, not a single value"},
		{"mastr:\n  port: 1\n", "t.yaml:2: Unknown key 'mastr.port', did you mean 'master.port'?"},
		{"master:\n  port: 1\n  prot: 2\n", "t.yaml:3: Unknown key 'master.prot', did you mean 'master.port'?"},
		{"agnet: 1\n", "t.yaml:1: Unknown key 'agnet', did you mean 'agent'?"},
		{"agent:\n  pingtimeout: 1\n",
		 "t.yaml:2: Unknown key 'agent.pingtimeout', did you mean 'agent.ping_timeout'?"},
		{"\n\nmaster:\n\n  work_dir: /x\n",
		 "t.yaml:5: Unknown key 'master.work_dir', did you mean 'agent.work_dir'?"},
		{"port: 1\n", "t.yaml:1: Unknown key 'port', did you mean 'master.port'?"},
		{"completely: different\n", "t.yaml:1: Unknown key 'completely'"},
		{"completely: {different: 1}\n", "t.yaml:1: Unknown key 'completely'"},
		{"master.port: 1\n", "t.yaml:1: Unknown key 'master.port': a key has no dots, write nested maps"},
		{"master: [1]\n", "t.yaml:1: Key 'master' must be a map, not a list"},
		{"master: 1\n", "t.yaml:1: Key 'master' must be a map, not a single value"},
		{"master: {port: [1]}\n", "t.yaml:1: Key 'master.port' must be a single value, not a list"},
		{"master: {name: {a: 1}}\n", "t.yaml:1: Key 'master.name' must be a single value, not a map"},
		{"master: {port: x}\n", "t.yaml:1: Key 'master.port': 'x' is not a whole number"},
		{"master: {port: 1.5}\n", "t.yaml:1: Key 'master.port': '1.5' is not a whole number"},
		{"master: {port: '80'}\n",
		 "t.yaml:1: Key 'master.port': \"80\" is quoted, so it is a string; write it without quotes"},
		{"master: {port: 65536}\n",
		 "t.yaml:1: Key 'master.port': '65536' is out of range, it must be between 0 and 65535"},
		{"master: {port: -1}\n",
		 "t.yaml:1: Key 'master.port': '-1' is out of range, it must be between 0 and 65535"},
		{"master: {port: 99999999999999999999}\n",
		 "t.yaml:1: Key 'master.port': '99999999999999999999' is too big"},
		{"master: {strict: yes}\n", "t.yaml:1: Key 'master.strict': 'yes' is not true or false"},
		{"master: {mode: quick}\n", "t.yaml:1: Key 'master.mode': 'quick' is not one of: fast, safe"},
		{"agent: {ping_timeout: 5}\n",
		 "t.yaml:1: Key 'agent.ping_timeout': '5' is not a duration (a number and ns, us, ms, secs, mins, "
		 "hrs, days or weeks, such as 5secs)"},
		{"agent: {ping_timeout: 2hrs}\n", "t.yaml:1: Key 'agent.ping_timeout': '2hrs' is out of range, it must "
						  "be between 1secs and 1hrs"},
		{"agent: {gc: 0ns}\n",
		 "t.yaml:1: Key 'agent.gc': '0ns' is too small, it must be at least 1ns"},
		{"agent: {max_frame: 5M}\n",
		 "t.yaml:1: Key 'agent.max_frame': '5M' is not a size (a number and B, KB, MB, GB or TB, such as "
		 "10MB)"},
		{"agent: {max_frame: 2GB}\n",
		 "t.yaml:1: Key 'agent.max_frame': '2GB' is out of range, it must be between 1KB and 1GB"},
		{"agent: {weight: 0.0001}\n", "t.yaml:1: Key 'agent.weight': '0.0001' has more than three decimals"},
		{"agent: {weight: 1e3}\n", "t.yaml:1: Key 'agent.weight': '1e3' is not a decimal number"},
		{"agent: {weight: 0}\n", "t.yaml:1: Key 'agent.weight': '0' is too small, it must be at least 0.001"},
		{"agent: {work_dir: var}\n", "t.yaml:1: Key 'agent.work_dir': 'var' is not an absolute path"},
		{"agent: {work_dir: ''}\n", "t.yaml:1: Key 'agent.work_dir': '' is not an absolute path"},
		{"agent: {roles: a}\n", "t.yaml:1: Key 'agent.roles' must be a list, not a single value"},
		{"agent:\n  roles:\n   - a\n   - [b]\n",
		 "t.yaml:4: An element of 'agent.roles' must be a single value, not a list"},
		{"agent: {env: [a]}\n", "t.yaml:1: Key 'agent.env' must be a map, not a list"},
		{"agent:\n  env:\n    A:\n", "t.yaml:3: An element of 'agent.env' must be a single value, not nothing"},
	};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct mz_err err = {0};
		struct conf_node *root = parse(rows[i][0]);
		assert_true(conf_check(root, keys, &err) < 0);
		assert_string_equal(err.msg, rows[i][1]);
		conf_free(root);
	}
	/* Where a wrong override comes from. */
	struct mz_err err = {0};
	struct conf_node *root = parse("master: {port: 1}\n");
	assert_int_equal(conf_set(root, "master.port=x", &err), 0);
	assert_int_equal(conf_check(root, keys, &err), -EINVAL);
	assert_string_equal(err.msg, "--set: Key 'master.port': 'x' is not a whole number");
	conf_free(root);
	/* A key of any length ends in a message, not in a buffer. */
	mz_autobuf struct buf b = {0};
	for (int i = 0; i < 600; i++)
		buf_addc(&b, 'k');
	buf_adds(&b, ": 1\n");
	root = parse(b.data);
	assert_int_equal(conf_check(root, keys, &err), -EINVAL);
	assert_true(str_starts(err.msg, "t.yaml:1: Unknown key 'kkk"));
	conf_free(root);
}

static void gives_values(void **state)
{
	(void)state;
	struct mz_err err = {0};
	struct conf_node *root = parse("master: {port: 80, strict: true, mode: ~}\n"
				       "agent: {ping_timeout: 1mins, weight: 2.25}\n");
	assert_int_equal(conf_check(root, keys, &err), 0);
	assert_int_equal(conf_int(root, keys, "master.port"), 80);
	assert_int_equal(conf_int(root, keys, "master.strict"), 1);
	assert_string_equal(conf_str(root, keys, "master.port"), "80");
	assert_string_equal(conf_str(root, keys, "master.mode"), "safe");
	assert_null(conf_str(root, keys, "master.name"));
	assert_null(conf_str(root, keys, "agent.work_dir"));
	assert_int_equal(conf_int(root, keys, "agent.ping_timeout"), 60000000000);
	assert_int_equal(conf_int(root, keys, "agent.weight"), 2250);
	assert_int_equal(conf_int(root, keys, "agent.max_frame"), 4 << 20);
	assert_int_equal(conf_int(root, keys, "agent.gc"), 0); /* a default outside the limits: off */
	conf_free(root);
	root = parse("");
	assert_int_equal(conf_int(root, keys, "master.port"), 5050);
	conf_free(root);
}

static void converts_values(void **state)
{
	(void)state;
	static const struct {
		int type;
		const char *text;
		int rc;
		int64_t value;
	} rows[] = {
		{MZ_SETTING_NUMBER, "0", 0, 0},
		{MZ_SETTING_NUMBER, "1", 0, 1000},
		{MZ_SETTING_NUMBER, "0.5", 0, 500},
		{MZ_SETTING_NUMBER, "12.345", 0, 12345},
		{MZ_SETTING_NUMBER, "12.34500", 0, 12345},
		{MZ_SETTING_NUMBER, "-0.25", 0, -250},
		{MZ_SETTING_NUMBER, "9223372036854775.807", 0, INT64_MAX},
		{MZ_SETTING_NUMBER, "9223372036854775.808", -ERANGE, 0},
		{MZ_SETTING_NUMBER, "1.", -EINVAL, 0},
		{MZ_SETTING_NUMBER, ".5", -EINVAL, 0},
		{MZ_SETTING_NUMBER, "", -EINVAL, 0},
		{MZ_SETTING_NUMBER, "-", -EINVAL, 0},
		{MZ_SETTING_NUMBER, "1.2.3", -EINVAL, 0},
		{MZ_SETTING_NUMBER, "1 ", -EINVAL, 0},
		{MZ_SETTING_NUMBER, "0.0005", -EINVAL, 0},
		{MZ_SETTING_BOOL, "true", 0, 1},
		{MZ_SETTING_BOOL, "True", -EINVAL, 0},
		{MZ_SETTING_INT, "-7", 0, -7},
		{MZ_SETTING_BYTES, "512", 0, 512},
		{MZ_SETTING_DURATION, "100ms", 0, 100000000},
		{MZ_SETTING_LIST, "", 0, 42},
		{MZ_SETTING_LIST, "x", -EINVAL, 0},
		{MZ_SETTING_MAP, "x", -EINVAL, 0},
		{MZ_SETTING_STRING, "", 0, 42},
		{MZ_SETTING_PATH, "/", 0, 42},
		{77, "x", -EINVAL, 0},
	};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct mz_err err = {0};
		int64_t v = 42;
		assert_int_equal(conf_value(rows[i].type, rows[i].text, 0, 0, NULL, &v, &err), rows[i].rc);
		assert_int_equal(v, rows[i].rc ? 42 : rows[i].value);
		assert_int_equal(err.code, rows[i].rc);
	}
	struct mz_err err = {0};
	assert_int_equal(conf_value(MZ_SETTING_INT, "7", INT64_MIN, 5, NULL, NULL, &err), -ERANGE);
	assert_string_equal(err.msg, "'7' is too big, it must be at most 5");
	assert_int_equal(conf_value(MZ_SETTING_STRING, "fast", 0, 0, modes, NULL, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_tree),	 cmocka_unit_test(refuses_bad_yaml),
		cmocka_unit_test(has_limits),	 cmocka_unit_test(loads_files),
		cmocka_unit_test(sets),		 cmocka_unit_test(checks),
		cmocka_unit_test(check_complains), cmocka_unit_test(gives_values),
		cmocka_unit_test(converts_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
