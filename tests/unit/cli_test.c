/* cli_test.c - arguments, tables, exit statuses and answers of `mezzo`, and that
 * its help, its manual page and docs/cli.md tell the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/run.h"
#include "cli/tail.h"

static int parse(struct cli *c, struct mz_err *err, int n, const char **argv)
{
	memset(c, 0, sizeof(*c));
	return cli_parse(c, n, (char *const *)argv, err);
}
#define PARSE(c, err, ...) \
	parse(c, err, (int)MZ_N(((const char *[]){"mezzo", __VA_ARGS__})), (const char *[]){"mezzo", __VA_ARGS__})

static void test_parse(void **state)
{
	struct cli c;
	struct mz_err err = {0};
	struct run_plan p = {0};

	(void)state;
	assert_int_equal(PARSE(&c, &err, "--master=h:1", "run", "-n", "job", "--json", "--env", "A=1", "-eB=2=3", "--", "ls", "-l"), 0);
	assert_string_equal(c.cmd->name, "run");
	assert_string_equal(cli_master(&c), "h:1");
	assert_true(cli_flag(&c, "json"));
	assert_int_equal(run_plan_init(&p, &c, &err), 0);
	assert_string_equal(p.task.name, "job");
	assert_int_equal(p.task.n_env, 2);
	assert_string_equal(p.task.env[1].name, "B");
	assert_string_equal(p.task.env[1].value, "2=3");
	assert_int_equal(p.task.n_argv, 2);
	assert_string_equal(p.task.argv[1], "-l");
	assert_false(p.task.shell);
	run_plan_done(&p);
	cli_done(&c);
}

/* What is behind the task's name is the command's, whatever it looks like. */
static void test_parse_exec(void **state)
{
	struct cli c;
	struct mz_err err = {0};

	(void)state;
	assert_int_equal(PARSE(&c, &err, "exec", "-ite", "A=1", "-uroot", "task", "ls", "-it", "--help", "--", "x"), 0);
	assert_string_equal(c.cmd->name, "exec");
	assert_true(cli_flag(&c, "interactive") && cli_flag(&c, "tty") && !cli_flag(&c, "help"));
	assert_string_equal(cli_option(&c, "env"), "A=1");
	assert_string_equal(cli_option(&c, "user"), "root");
	assert_int_equal(c.args.n, 6);
	assert_string_equal(c.args.v[2], "-it");
	assert_string_equal(c.args.v[4], "--");
	cli_done(&c);
	assert_int_equal(PARSE(&c, &err, "exec", "task", "--", "-x"), 0);
	assert_int_equal(c.args.n, 2);
	assert_string_equal(c.args.v[1], "-x");
	cli_done(&c);
}

static void test_usage_errors(void **state)
{
	static const struct {
		const char *argv[6];
		int n;
		const char *say;
	} v[] = {
		{{"mezzo", "fly"}, 2, "unknown command 'fly'"},
		{{"mezzo", "tasks", "--fly=1"}, 3, "tasks: unknown option '--fly'"},
		{{"mezzo", "tasks", "x"}, 3, "unexpected argument 'x'"},
		{{"mezzo", "kill"}, 2, "too few arguments"},
		{{"mezzo", "--master"}, 2, "needs a value"},
		{{"mezzo", "tasks", "--json=1"}, 3, "takes no value"},
		{{"mezzo", "exec", "task"}, 3, "too few arguments"},
		{{"mezzo", "exec", "task", "--"}, 4, "too few arguments"},
		{{"mezzo", "exec", "-ix", "task", "true"}, 5, "unknown option '-x'"},
		{{"mezzo", "tasks", "-wm"}, 3, "needs a value"},
	};

	(void)state;
	for (size_t i = 0; i < MZ_N(v); i++) {
		struct cli c = {0};
		struct mz_err err = {0};
		assert_true(cli_parse(&c, v[i].n, (char *const *)v[i].argv, &err) < 0);
		assert_non_null(strstr(err.msg, v[i].say));
		cli_done(&c);
	}
}

static void plan_fails(const char *say, int n, const char **argv)
{
	struct cli c;
	struct mz_err err = {0};
	struct run_plan p = {0};

	assert_int_equal(parse(&c, &err, n, argv), 0);
	assert_true(run_plan_init(&p, &c, &err) < 0);
	if (!strstr(err.msg, say))
		fail_msg("'%s' is not in '%s'", say, err.msg);
	run_plan_done(&p);
	cli_done(&c);
}
#define PLAN_FAILS(say, ...) \
	plan_fails(say, (int)MZ_N(((const char *[]){"mezzo", "run", __VA_ARGS__})), (const char *[]){"mezzo", "run", __VA_ARGS__})

static void test_plan_errors(void **state)
{
	(void)state;
	PLAN_FAILS("nothing to run", "--json");
	PLAN_FAILS("exclude each other", "-c", "a", "--", "b");
	PLAN_FAILS("--env 'A' is not", "-c", "a", "--env", "A");
	PLAN_FAILS("--instances '0'", "-c", "a", "--instances", "0");
	PLAN_FAILS("--resources 'cpus'", "-c", "a", "--resources", "cpus");
	PLAN_FAILS("--role", "-c", "a", "--role", "a//b");
	PLAN_FAILS("--name", "-c", "a", "--name", "a/b");
	PLAN_FAILS("--timeout 'x'", "-c", "a", "--timeout", "x");
	PLAN_FAILS("behind '--'", "ls");
}

static void test_table(void **state)
{
	struct table t = {0};
	char *text = NULL;
	size_t size;
	FILE *f;

	(void)state;
	table_column(&t, "ID", COL_ID);
	table_column(&t, "NAME", COL_LEFT);
	table_column(&t, "N", COL_RIGHT);
	table_cell(&t, "0123456789-S0");
	table_cell(&t, "a\x1b[31mb\xc3\xa4");
	table_cell(&t, "12");
	table_cell(&t, "x");
	table_cell(&t, NULL);
	table_cellf(&t, "%d", 3);
	f = open_memstream(&text, &size);
	table_print(&t, TABLE_UNLIMITED, f);
	fclose(f);
	assert_string_equal(text, "ID             NAME       N\n"
				  "0123456789-S0  a?[31mb\xc3\xa4  12\n"
				  "x              -          3\n");
	free(text);
	f = open_memstream(&text, &size);
	table_print(&t, 20, f);
	fclose(f);
	assert_string_equal(text, "ID       NAME      N\n"
				  "\xe2\x80\xa6" "789-S0  a?[31m\xe2\x80\xa6  12\n"
				  "x        -         3\n");
	free(text);
	table_done(&t);
}

static void test_status(void **state)
{
	(void)state;
	assert_int_equal(cli_task_status("TASK_FINISHED", "Command exited with status 0"), 0);
	assert_int_equal(cli_task_status("TASK_FINISHED", ""), 0);
	assert_int_equal(cli_task_status("TASK_FAILED", "Command exited with status 3"), 3);
	assert_int_equal(cli_task_status("TASK_FAILED", "Command terminated with signal Killed"), 137);
	assert_int_equal(cli_task_status("TASK_FAILED", "Command terminated with signal Aborted (core dumped)"), 134);
	assert_int_equal(cli_task_status("TASK_KILLED", "Command terminated with signal Terminated"), 143);
	assert_int_equal(cli_task_status("TASK_KILLED", "terminated with signal SIGTERM"), 143);
	assert_int_equal(cli_task_status("TASK_KILLED", ""), 137);
	assert_int_equal(cli_task_status("TASK_FAILED", "Command exited with status 0"), 1);
	assert_int_equal(cli_task_status("TASK_FAILED", "Command exited with status 999"), 1);
	assert_int_equal(cli_task_status("TASK_LOST", NULL), 1);
	assert_int_equal(cli_first_failure((int[]){0, 5, 3}, 3), 5);
}

static void read_is(const char *json, bool all, const char *want, int64_t bytes)
{
	struct buf b = {0};
	int64_t n = -1;

	assert_int_equal(tail_parse_read(json, strlen(json), all, &b, &n), 0);
	assert_int_equal(b.len, strlen(want));
	assert_string_equal(buf_str(&b), want);
	assert_int_equal(n, bytes);
	buf_done(&b);
}

static void test_parse_read(void **state)
{
	static const char *const bad[] = {"", "[]", "{}", "{\"data\":5}", "{\"data\":\"a", "{\"data\":\"\\u12\"}",
					  "{\"offset\":1}", "{\"data\":\"\\x\"}"};
	struct buf b = {0};
	int64_t n;

	(void)state;
	read_is("{\"data\":\"a\\n\\\"\\u00e4\\t\",\"offset\":0}", false, "a\n\"\xc3\xa4\t", 6);
	read_is("{ \"offset\" : 7 , \"data\" : \"x\" }", false, "x", 1);
	read_is("{\"data\":\"\",\"offset\":0}", false, "", 0);
	read_is("{\"data\":\"\\ud83d\\ude00\"}", false, "\xf0\x9f\x98\x80", 4);
	/* Bytes that are no text count as one each; at the end they may be half a character. */
	read_is("{\"data\":\"a\\ufffdb\"}", false, "a\xef\xbf\xbd" "b", 3);
	read_is("{\"data\":\"ab\\ufffd\\ufffd\"}", false, "ab", 2);
	read_is("{\"data\":\"ab\\ufffd\"}", true, "ab\xef\xbf\xbd", 3);
	for (size_t i = 0; i < MZ_N(bad); i++)
		assert_int_equal(tail_parse_read(bad[i], strlen(bad[i]), false, &b, &n) < 0, 1);
	buf_done(&b);
}

static void test_find_task(void **state)
{
	json_t *v = json_loads("{\"tasks\":["
			       "{\"id\":\"a\",\"framework_id\":\"1\",\"state\":\"TASK_FINISHED\"},"
			       "{\"id\":\"a\",\"framework_id\":\"2\",\"state\":\"TASK_RUNNING\"},"
			       "{\"id\":\"b\",\"framework_id\":\"1\",\"state\":\"TASK_RUNNING\"},"
			       "{\"id\":\"b\",\"framework_id\":\"2\",\"state\":\"TASK_RUNNING\"}]}",
			       0, NULL);
	struct mz_err err;
	const json_t *t;

	(void)state;
	assert_int_equal(cli_find_task(v, "a", NULL, &t, &err), 0);
	assert_string_equal(js_str(t, "framework_id"), "2");
	assert_true(cli_find_task(v, "b", NULL, &t, &err) < 0);
	assert_int_equal(cli_find_task(v, "b", "1", &t, &err), 0);
	assert_true(cli_find_task(v, "c", NULL, &t, &err) < 0);
	json_decref(v);
}

/* ---- the documents ----------------------------------------------------------- */

static char *slurp(const char *name)
{
	mz_autofree char *path = xasprintf("%s/%s", DOCS_DIR, name);
	FILE *f = fopen(path, "r");
	struct buf b = {0};
	char part[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(part, 1, sizeof(part), f)))
		buf_add(&b, part, n);
	fclose(f);
	return buf_take(&b);
}

/* The text between a heading and the next of its kind. */
static char *section(const char *text, const char *heading, const char *next)
{
	const char *at = strstr(text, heading), *end;

	if (!at)
		fail_msg("no section '%s'", heading);
	end = strstr(at + strlen(heading), next);
	return end ? xstrndup(at, (size_t)(end - at)) : xstrdup(at);
}

static void has_options(const struct cli_opt *o, const char *text, const char *dashes, const char *where)
{
	for (; o && o->name; o++) {
		mz_autofree char *want = xasprintf("%s%s", dashes, o->name);
		if (!strstr(text, want))
			fail_msg("%s lacks --%s", where, o->name);
	}
}

static bool is_option(const struct cli_opt *o, const char *name, size_t len)
{
	for (; o && o->name; o++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return true;
	return false;
}

/* No option is described that does not exist. */
static void only_options(const struct cli_opt *o, const char *text, const char *where)
{
	for (const char *p = text; (p = strstr(p, "`--")); p++) {
		size_t len = strspn(p + 3, "abcdefghijklmnopqrstuvwxyz-");
		if (len && !is_option(o, p + 3, len) && !is_option(cli_globals, p + 3, len))
			fail_msg("%s describes --%.*s, which is none", where, (int)len, p + 3);
	}
}

static void test_documents(void **state)
{
	mz_autofree char *md = slurp("cli.md"), *man = slurp("man/mezzo.1");

	(void)state;
	has_options(cli_globals, md, "--", "docs/cli.md");
	has_options(cli_globals, man, "Fl \\-", "mezzo.1");
	for (size_t i = 0; cli_commands[i]; i++) {
		const struct cli_command *c = cli_commands[i];
		mz_autofree char *h = xasprintf("## mezzo %s\n", c->name), *mh = xasprintf(".Ss %s\n", c->name);
		mz_autofree char *in_md = section(md, h, "\n## "), *in_man = section(man, mh, "\n.S");
		has_options(c->opts, in_md, "`--", h);
		only_options(c->opts, in_md, h);
		has_options(c->opts, in_man, "Fl \\-", mh);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_parse_exec), cmocka_unit_test(test_usage_errors),
		cmocka_unit_test(test_plan_errors), cmocka_unit_test(test_table),
		cmocka_unit_test(test_status),	   cmocka_unit_test(test_parse_read),
		cmocka_unit_test(test_find_task),  cmocka_unit_test(test_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
