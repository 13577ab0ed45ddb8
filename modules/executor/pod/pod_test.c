/* pod_test.c - executor/pod against a host and an agent that are written here: what it
 * asks of the agent, what it tells of it, and what it does when the agent is away.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MZ_MODULE_ABI 1
#include "pod.h"

extern const struct mz_module mz_module;

enum { MAX = 32 };
static const int64_t SECOND = 1000000000;

struct made {
	int open;
	char body[4096];
	void (*fn)(void *arg, int status, struct mz_bytes body);
	void *arg;
};

struct mz_timer {
	int on;
	int64_t due;
	void (*fn)(void *arg);
	void *arg;
};

static struct {
	struct made calls[MAX];
	int n_calls;
	struct mz_timer timers[MAX];
	int64_t now;
	char said[4096]; /* updates (with the number of their reason) and finish, one word each */
	unsigned char seed;
	char dir[64];
} w;

static const struct mz_executor_ops *ops;
static void *inst;

/* ---- messages: one command, everything else is unset, but for the tasks named here ---- */

static int is_checked(const struct mz_info *m)
{
	return !strcmp((const char *)m, "checked");
}

static int has(const struct mz_info *m, const char *path)
{
	return !strcmp(path, "command") || (is_checked(m) && !strcmp(path, "health_check"));
}

static size_t count(const struct mz_info *m, const char *path)
{
	(void)m;
	(void)path;
	return 0;
}

static const char *str(const struct mz_info *m, const char *path)
{
	if (is_checked(m) && !strcmp(path, "health_check.type"))
		return "COMMAND";
	if (is_checked(m) && !strcmp(path, "health_check.command.value"))
		return "look";
	return !strcmp(path, "command.value") ? (const char *)m : NULL;
}

static double number(const struct mz_info *m, const char *path, double otherwise)
{
	(void)m;
	return strstr(path, "grace") ? 0 : strstr(path, "delay") ? 1 : otherwise;
}

/* A task "patient" has ten seconds to end, and one "brief" five to run. */
static int64_t integer(const struct mz_info *m, const char *path, int64_t otherwise)
{
	if (!strcmp((const char *)m, "patient") && !strcmp(path, "kill_policy.grace_period.nanoseconds"))
		return 10 * SECOND;
	if (!strcmp((const char *)m, "brief") && !strcmp(path, "max_completion_time.nanoseconds"))
		return 5 * SECOND;
	return otherwise;
}

/* ---- the host ---- */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	size_t n = strlen(w.said);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(w.said + n, sizeof(w.said) - n, fmt, ap);
	va_end(ap);
}

static void update(const struct mz_host *h, const struct mz_task_update *u)
{
	static const char *const names[] = {"starting", "running", "finished", "failed", "killed", "", "", "", "killing"};
	(void)h;
	assert_non_null(u->container_id);
	assert_int_equal(strncmp(u->container_id, "top.", 4), 0);
	say("%s:%s%s", u->task_id, names[u->state], u->healthy < 0 ? "" : u->healthy ? "+" : "-");
	if (u->reason >= 0)
		say("/%d", u->reason);
	say(" ");
	if (u->limitation.data)
		say("%.*s ", (int)u->limitation.size, (const char *)u->limitation.data);
}

static void finish(const struct mz_host *h, int status)
{
	(void)h;
	say("finish:%d ", status);
}

static const char *sandbox(const struct mz_host *h)
{
	(void)h;
	return w.dir;
}

static const char *container_id(const struct mz_host *h)
{
	(void)h;
	return "top";
}

static int has_capability(const struct mz_host *h, int capability)
{
	(void)h;
	(void)capability;
	return 0;
}

static int64_t shutdown_grace(const struct mz_host *h)
{
	(void)h;
	return 5000000000LL;
}

static const char *const *environment(const struct mz_host *h)
{
	static const char *const env[] = {"LIBPROCESS_IP=10.0.0.1", "MESOS_FRAMEWORK_ID=f", "OTHER=x", NULL};
	(void)h;
	return env;
}

static void agent_call(const struct mz_host *h, const char *path, struct mz_bytes json,
		       void (*on_data)(void *arg, struct mz_bytes chunk),
		       void (*fn)(void *arg, int status, struct mz_bytes body), void *arg)
{
	(void)h;
	assert_string_equal(path, "/api/v1");
	assert_null(on_data);
	assert_true(w.n_calls < MAX);
	struct made *c = &w.calls[w.n_calls++];
	*c = (struct made){.open = 1, .fn = fn, .arg = arg};
	snprintf(c->body, sizeof(c->body), "%.*s", (int)json.size, (const char *)json.data);
}

static int64_t now(const struct mz_host *h)
{
	(void)h;
	return w.now;
}

static struct mz_timer *timer(const struct mz_host *h, int64_t ns, void (*fn)(void *arg), void *arg)
{
	(void)h;
	for (int i = 0; i < MAX; i++)
		if (!w.timers[i].on) {
			w.timers[i] = (struct mz_timer){1, w.now + ns, fn, arg};
			return &w.timers[i];
		}
	fail_msg("too many timers");
	return NULL;
}

static void timer_cancel(const struct mz_host *h, struct mz_timer *t)
{
	(void)h;
	if (t)
		t->on = 0;
}

static void random_bytes(const struct mz_host *h, void *out, size_t size)
{
	(void)h;
	memset(out, ++w.seed, size);
}

static void logged(const struct mz_host *h, int level, const char *text)
{
	(void)h;
	(void)level;
	(void)text;
}

static void unwatch(const struct mz_host *h, struct mz_watch *watch)
{
	(void)h;
	assert_null(watch);
}

static void pass(int64_t ns)
{
	w.now += ns;
	for (int i = 0; i < MAX; i++)
		if (w.timers[i].on && w.timers[i].due <= w.now) {
			w.timers[i].on = 0;
			w.timers[i].fn(w.timers[i].arg);
		}
}

/* The open call of this type about a task's container (their ids are numbered). */
static struct made *find(const char *type, int task)
{
	char id[3];
	snprintf(id, sizeof(id), "%02x", task);
	for (int i = 0; i < w.n_calls; i++) {
		struct made *c = &w.calls[i];
		char *value = strstr(c->body, "\"value\":\"");
		if (c->open && strstr(c->body, type) && value && !strncmp(value + 9, id, 2))
			return c;
	}
	return NULL;
}

static void answer(const char *type, int task, int status, const char *body)
{
	struct made *c = find(type, task);
	if (!c)
		fail_msg("no %s of task %d", type, task);
	c->open = 0;
	c->fn(c->arg, status, (struct mz_bytes){body, strlen(body)});
}

static struct made *open_call(const char *type)
{
	char text[80];
	snprintf(text, sizeof(text), "{\"type\":\"%s\"", type);
	for (int i = 0; i < w.n_calls; i++)
		if (w.calls[i].open && !strncmp(w.calls[i].body, text, strlen(text)))
			return &w.calls[i];
	return NULL;
}

static void reply(struct made *c, int status, const char *body)
{
	assert_non_null(c);
	c->open = 0;
	c->fn(c->arg, status, (struct mz_bytes){body, strlen(body)});
}

static void said(const char *text)
{
	assert_string_equal(w.said, text);
	w.said[0] = '\0';
}

static int begin(void **state)
{
	static const struct mz_info_api info = {
		.size = sizeof(info), .has = has, .count = count, .str = str, .integer = integer, .number = number};
	static struct mz_executor_host kind;
	static struct mz_host host;
	struct mz_err err;
	(void)state;
	memset(&w, 0, sizeof(w));
	w.now = 1000 * SECOND;
	strcpy(w.dir, "/tmp/mezzo-pod.XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	kind = (struct mz_executor_host){.size = sizeof(kind),
					 .info = &info,
					 .update = update,
					 .finish = finish,
					 .sandbox = sandbox,
					 .container_id = container_id,
					 .has_capability = has_capability,
					 .shutdown_grace = shutdown_grace,
					 .environment = environment,
					 .agent_call = agent_call};
	host.kind = &kind;
	host.now = now;
	host.timer = timer;
	host.timer_cancel = timer_cancel;
	host.random = random_bytes;
	host.log = logged;
	host.unwatch = unwatch;
	ops = (const struct mz_executor_ops *)mz_module.ops;
	assert_int_equal(ops->create(&host, NULL, &inst, &err), 0);
	return 0;
}

static int finish_test(void **state)
{
	char command[128];
	(void)state;
	ops->destroy(inst);
	snprintf(command, sizeof(command), "rm -r %s", w.dir);
	return system(command);
}

static void group(const char *a, const char *b)
{
	const char *ids[] = {a, b};
	const struct mz_info *tasks[] = {(const void *)"echo \"one\"", (const void *)"two"};
	ops->launch_group(inst, ids, tasks, b ? 2 : 1);
}

#define EXITED(status) "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"exit_status\":" #status "}}"

static void test_two_tasks(void **state)
{
	(void)state;
	group("a", "b");
	said("a:starting b:starting ");
	assert_non_null(strstr(find("LAUNCH_CONTAINER", 1)->body, "\"parent\":{\"value\":\"top\"}"));
	assert_non_null(strstr(find("LAUNCH_CONTAINER", 1)->body, "\"value\":\"echo \\\"one\\\"\""));
	assert_non_null(strstr(find("LAUNCH_CONTAINER", 1)->body, "{\"name\":\"MESOS_CONTAINER_IP\",\"type\":\"VALUE\",\"value\":\"10.0.0.1\"}"));
	assert_non_null(strstr(find("LAUNCH_CONTAINER", 1)->body, "{\"name\":\"MESOS_TASK_ID\",\"type\":\"VALUE\",\"value\":\"a\"}"));
	assert_non_null(strstr(find("LAUNCH_CONTAINER", 2)->body, "{\"name\":\"MESOS_TASK_ID\",\"type\":\"VALUE\",\"value\":\"b\"}"));
	assert_non_null(strstr(find("LAUNCH_CONTAINER", 1)->body, "{\"name\":\"MESOS_FRAMEWORK_ID\",\"type\":\"VALUE\",\"value\":\"f\"}"));
	assert_null(strstr(find("LAUNCH_CONTAINER", 1)->body, "OTHER"));
	answer("LAUNCH_CONTAINER", 1, 200, "");
	answer("LAUNCH_CONTAINER", 2, 202, "");
	said("a:running b:running ");
	answer("WAIT_CONTAINER", 1, 200, EXITED(0));
	said("a:finished ");
	assert_null(find("KILL_CONTAINER", 2));
	answer("WAIT_CONTAINER", 2, 200, EXITED(0));
	said("b:finished finish:0 ");
}

static void test_a_failure_kills_its_group_only(void **state)
{
	(void)state;
	group("a", "b");
	group("c", NULL);
	for (int i = 1; i <= 3; i++)
		answer("LAUNCH_CONTAINER", i, 200, "");
	w.said[0] = '\0';
	answer("WAIT_CONTAINER", 1, 200, EXITED(256));
	said("a:failed ");
	assert_non_null(strstr(find("KILL_CONTAINER", 2)->body, "\"signal\":15"));
	assert_null(find("KILL_CONTAINER", 3));
	answer("KILL_CONTAINER", 2, 200, "");
	pass(3000000000LL);
	assert_non_null(strstr(find("KILL_CONTAINER", 2)->body, "\"signal\":9"));
	answer("WAIT_CONTAINER", 2, 200, EXITED(9));
	said("b:killed ");
	answer("WAIT_CONTAINER", 3, 200, EXITED(0));
	said("c:finished finish:0 ");
}

static void test_a_launch_that_fails(void **state)
{
	(void)state;
	group("a", NULL);
	answer("LAUNCH_CONTAINER", 1, 400, "no such program");
	said("a:starting a:failed/21 finish:0 ");
}

static void test_a_limit(void **state)
{
	static const struct {
		const char *reason;
		int number;
	} limits[] = {{"", 19}, {"_DISK", 20}, {"_MEMORY", 8}};
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		char ended[256], want[128];
		if (i) {
			finish_test(state);
			begin(state);
		}
		group("a", NULL);
		answer("LAUNCH_CONTAINER", 1, 200, "");
		ops->kill(inst, "a", -1);
		w.said[0] = '\0';
		snprintf(ended, sizeof(ended), "{\"wait_container\":{\"exit_status\":9,\"reason\":\"REASON_CONTAINER_LIMITATION%s\","
			 "\"message\":\"much\",\"limitation\":{\"resources\":[{\"name\":\"}\"}]}}}", limits[i].reason);
		answer("WAIT_CONTAINER", 1, 200, ended);
		snprintf(want, sizeof(want), "a:failed/%d {\"resources\":[{\"name\":\"}\"}]} finish:0 ", limits[i].number);
		said(want);
	}
}

static void test_the_agent_is_away(void **state)
{
	(void)state;
	group("a", NULL);
	answer("LAUNCH_CONTAINER", 1, 0, "");
	ops->connection(inst, 0);
	pass(10000000000LL);
	assert_null(find("LAUNCH_CONTAINER", 1));
	ops->connection(inst, 1);
	answer("LAUNCH_CONTAINER", 1, 503, "");
	pass(250000000LL);
	answer("LAUNCH_CONTAINER", 1, 202, "");
	said("a:starting a:running ");
	answer("WAIT_CONTAINER", 1, 0, "");
	pass(250000000LL);
	answer("WAIT_CONTAINER", 1, 200, EXITED(0));
	said("a:finished finish:0 ");
}

static void test_shutdown(void **state)
{
	(void)state;
	group("a", NULL);
	answer("LAUNCH_CONTAINER", 1, 200, "");
	ops->shutdown(inst);
	answer("KILL_CONTAINER", 1, 200, "");
	answer("WAIT_CONTAINER", 1, 200, EXITED(15));
	said("a:starting a:running a:killed finish:0 ");
}

static void begin_running(const char *command)
{
	const char *id = "a";
	const struct mz_info *task = (const void *)command;
	ops->launch_group(inst, &id, &task, 1);
	answer("LAUNCH_CONTAINER", 1, 200, "");
	said("a:starting a:running ");
}

/* SIGTERM is there and makes no difference; SIGKILL comes in so many seconds, and not before. */
static void is_killed_after(int seconds)
{
	answer("KILL_CONTAINER", 1, 200, "");
	pass(seconds * SECOND - 1);
	assert_null(find("KILL_CONTAINER", 1));
	pass(1);
	assert_non_null(strstr(find("KILL_CONTAINER", 1)->body, "\"signal\":9"));
}

static void test_grace_of_nobody(void **state)
{
	(void)state;
	begin_running("one");
	ops->kill(inst, "a", -1);
	is_killed_after(3);
}

static void test_grace_of_the_task(void **state)
{
	(void)state;
	begin_running("patient");
	ops->kill(inst, "a", -1);
	is_killed_after(10);
}

static void test_grace_of_the_call(void **state)
{
	(void)state;
	begin_running("patient");
	ops->kill(inst, "a", INT64_MAX); /* as good as for ever, and a second thought */
	ops->kill(inst, "a", 4 * SECOND);
	ops->kill(inst, "a", 6 * SECOND); /* no longer than before */
	is_killed_after(4);
}

/* 2 of the container's 5 seconds are for telling the agent. */
static void test_grace_of_a_shutdown(void **state)
{
	(void)state;
	begin_running("patient");
	ops->shutdown(inst);
	is_killed_after(3);
}

static void test_max_completion_time(void **state)
{
	(void)state;
	begin_running("brief");
	pass(5 * SECOND - 1);
	assert_null(find("KILL_CONTAINER", 1));
	pass(1);
	assert_non_null(strstr(find("KILL_CONTAINER", 1)->body, "\"signal\":15"));
	answer("WAIT_CONTAINER", 1, 200, EXITED(15));
	said("a:failed/33 finish:0 ");
}

/* Nobody waits for what a launch has to fetch. */
static void test_kill_during_launch(void **state)
{
	(void)state;
	group("a", "b");
	ops->kill(inst, "a", -1);
	answer("KILL_CONTAINER", 1, 200, "");
	assert_null(find("KILL_CONTAINER", 1));
	answer("LAUNCH_CONTAINER", 1, 400, "it was killed");
	said("a:starting b:starting a:killed ");
	/* Its group goes with it. The agent was through with that launch. */
	answer("KILL_CONTAINER", 2, 200, "");
	answer("LAUNCH_CONTAINER", 2, 200, "");
	assert_null(find("KILL_CONTAINER", 2));
	answer("WAIT_CONTAINER", 2, 200, EXITED(9));
	said("b:killed finish:0 ");
}

/* The two calls may change places on their way. */
static void test_kill_overtakes_launch(void **state)
{
	(void)state;
	group("a", NULL);
	ops->kill(inst, "a", -1);
	answer("KILL_CONTAINER", 1, 404, "");
	pass(250000000LL);
	struct made *kill = find("KILL_CONTAINER", 1);
	assert_non_null(strstr(kill->body, "\"signal\":15"));
	answer("LAUNCH_CONTAINER", 1, 200, "");
	answer("KILL_CONTAINER", 1, 404, "");
	pass(250000000LL);
	answer("KILL_CONTAINER", 1, 200, "");
	answer("WAIT_CONTAINER", 1, 200, EXITED(15));
	said("a:starting a:killed finish:0 ");
}

/* Of one that runs, that it is not known says that it has ended. */
static void test_kill_comes_late(void **state)
{
	(void)state;
	group("a", NULL);
	answer("LAUNCH_CONTAINER", 1, 200, "");
	ops->kill(inst, "a", -1);
	answer("KILL_CONTAINER", 1, 404, "");
	pass(250000000LL);
	assert_null(find("KILL_CONTAINER", 1));
	answer("WAIT_CONTAINER", 1, 200, EXITED(0));
	said("a:starting a:running a:killed finish:0 ");
}

/* The task's container is 01, the checks' are 02 and so on. */
static void begin_checked(void)
{
	const char *id = "a";
	const struct mz_info *task = (const void *)"checked";
	ops->launch_group(inst, &id, &task, 1);
	answer("LAUNCH_CONTAINER", 1, 200, "");
	said("a:starting a:running ");
	pass(1000000000LL);
	pass(0);
}

static void look(int n, int status)
{
	char text[80], id[16];
	snprintf(id, sizeof(id), "check-%02x", n);
	snprintf(text, sizeof(text), "{\"wait_nested_container\":{\"exit_status\":%d}}", status);
	assert_non_null(strstr(open_call("LAUNCH_NESTED_CONTAINER")->body, id));
	assert_non_null(strstr(open_call("LAUNCH_NESTED_CONTAINER")->body, "\"value\":\"look\""));
	assert_non_null(strstr(open_call("LAUNCH_NESTED_CONTAINER")->body, "\"parent\":{\"value\":\"01"));
	reply(open_call("LAUNCH_NESTED_CONTAINER"), 200, "");
	reply(open_call("WAIT_NESTED_CONTAINER"), 200, text);
	reply(open_call("REMOVE_NESTED_CONTAINER"), 200, "");
	pass(10000000000LL);
	pass(0);
}

static void test_checks(void **state)
{
	(void)state;
	begin_checked();
	look(2, 0);
	said("a:running+/29 ");
	look(3, 0);
	said("");
	look(4, 256);
	look(5, 9);
	said("a:running-/29 a:running-/29 ");
	/* The third failure in a row is one too many. */
	assert_null(find("KILL_CONTAINER", 1));
	look(6, 256);
	said("a:running-/29 ");
	assert_null(open_call("LAUNCH_NESTED_CONTAINER"));
	assert_non_null(find("KILL_CONTAINER", 1));
	answer("WAIT_CONTAINER", 1, 200, EXITED(15));
	said("a:killed- finish:0 ");
}

static void test_check_that_takes_too_long(void **state)
{
	(void)state;
	begin_checked();
	reply(open_call("LAUNCH_NESTED_CONTAINER"), 200, "");
	struct made *wait = open_call("WAIT_NESTED_CONTAINER");
	pass(20000000000LL);
	said("a:running-/29 ");
	reply(open_call("KILL_NESTED_CONTAINER"), 200, "");
	reply(wait, 200, "{\"wait_nested_container\":{\"exit_status\":9}}");
	said("");
	reply(open_call("REMOVE_NESTED_CONTAINER"), 200, "");
}

static void test_check_while_the_agent_is_away(void **state)
{
	(void)state;
	begin_checked();
	/* The launch may have happened: what there is is ended, and nothing told. */
	reply(open_call("LAUNCH_NESTED_CONTAINER"), 0, "");
	pass(250000000LL);
	reply(open_call("KILL_NESTED_CONTAINER"), 404, "");
	reply(open_call("WAIT_NESTED_CONTAINER"), 404, "");
	reply(open_call("REMOVE_NESTED_CONTAINER"), 500, "");
	said("");
	pass(10000000000LL);
	pass(0);
	look(3, 0);
	said("a:running+/29 ");
	/* One that cannot be launched has failed. */
	reply(open_call("LAUNCH_NESTED_CONTAINER"), 400, "no");
	said("a:running-/29 ");
	/* With the task its checks end. */
	pass(10000000000LL);
	pass(0);
	reply(open_call("LAUNCH_NESTED_CONTAINER"), 200, "");
	answer("WAIT_CONTAINER", 1, 200, EXITED(0));
	said("a:finished- finish:0 ");
	pass(60000000000LL);
	assert_null(open_call("LAUNCH_NESTED_CONTAINER"));
}

static void test_json(void **state)
{
	(void)state;
	static const char text[] = "{\"a\":{\"n\":1,\"s\":\"n\\\":2\"},\"n\" : -7}";
	char out[16];
	assert_int_equal(json_number(text, strlen(text), "n", 0), -7);
	assert_int_equal(json_number(text, strlen(text), "x", 3), 3);
	assert_int_equal(json_string(text, strlen(text), "s", out, sizeof(out)), 1);
	assert_string_equal(out, "n\":2");
	assert_int_equal(json_string("{\"s\":\"", 6, "s", out, sizeof(out)), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, finish_test)
	const struct CMUnitTest tests[] = {
		TEST(test_two_tasks),	      TEST(test_a_failure_kills_its_group_only),
		TEST(test_a_launch_that_fails), TEST(test_a_limit),
		TEST(test_the_agent_is_away), TEST(test_shutdown),
		TEST(test_kill_during_launch), TEST(test_kill_overtakes_launch),
		TEST(test_kill_comes_late),
		TEST(test_grace_of_nobody), TEST(test_grace_of_the_task),
		TEST(test_grace_of_the_call), TEST(test_grace_of_a_shutdown),
		TEST(test_max_completion_time),
		TEST(test_checks),	      TEST(test_check_that_takes_too_long),
		TEST(test_check_while_the_agent_is_away), TEST(test_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
