/* checks_test.c - when checks are made and what their results mean, with the kit's
 * virtual time. The looks themselves are played by this test.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MZ_MODULE_ABI 1
#include <mezzo/executor.h>
#include <mezzo/kit.h>

#include "checks.h"
#include "probe.h"

static const int64_t SEC = 1000000000;

/* ---- looks that answer what a test wants -------------------------------------------- */

enum { NEVER = -1000 };

static struct {
	const struct mz_host *h;
	int script[16]; /* results, one a look; the last one stays */
	int n_script, n_looks, n_stopped;
	int64_t start_ns, looked_at[64];
	char told[1024];
} world;

static int64_t since_start(void)
{
	return (world.h->now(world.h) - world.start_ns) / (SEC / 1000);
}

struct probe *probe_new(const struct mz_host *h, const struct mz_info *task, const char *field, int type,
			const struct checks_events *events, void *events_arg)
{
	struct probe *p = calloc(1, sizeof(*p));
	p->h = h;
	p->task = task;
	p->field = field;
	p->type = type;
	p->events = events;
	p->events_arg = events_arg;
	return p;
}

void probe_start(struct probe *p, probe_fn fn, void *arg)
{
	int i = world.n_looks < world.n_script ? world.n_looks : world.n_script - 1;
	assert_null(p->fn); /* one at a time */
	world.looked_at[world.n_looks++] = since_start();
	if (world.script[i] == NEVER)
		p->fn = fn;
	else
		fn(arg, world.script[i], "why");
}

void probe_stop(struct probe *p)
{
	world.n_stopped += p->fn != NULL;
	p->fn = NULL;
}

void probe_free(struct probe *p)
{
	free(p);
}

/* ---- a module that only lends its host ------------------------------------------------ */

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	(void)err;
	world.h = h;
	*inst = &world;
	return 0;
}

static void destroy(void *inst)
{
	(void)inst;
}

static void launch(void *inst, const char *task_id, const struct mz_info *task)
{
	(void)inst;
	(void)task_id;
	(void)task;
}

static void kill_task(void *inst, const char *task_id, int64_t grace_ns)
{
	(void)inst;
	(void)task_id;
	(void)grace_ns;
}

static const struct mz_executor_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.launch = launch,
	.kill = kill_task,
	.shutdown = destroy,
};

static const struct mz_module lender = {
	MZ_MODULE_HEAD(EXECUTOR),
	.name = "lender",
	.version = "1",
	.author = "test",
	.summary = "lends its host",
	.ops = (const struct mz_ops *)&ops,
};

/* ---- running ---------------------------------------------------------------------------- */

static void note(const char *text)
{
	size_t n = strlen(world.told);
	snprintf(world.told + n, sizeof(world.told) - n, "%s%lld:%s", n ? " " : "", (long long)since_start(), text);
}

static void on_health(void *arg, int healthy, int kill)
{
	struct checks **c = arg;
	note(kill ? "kill" : healthy ? "healthy" : "unhealthy");
	if (kill)
		checks_stop(*c);
}

static void on_value(void *arg, int value)
{
	char text[32];
	(void)arg;
	snprintf(text, sizeof(text), "value=%d", value);
	note(text);
}

/* What is told within `seconds` of a task with the checks in `yaml`. */
static const char *run(const char *yaml, int seconds, const int *script, int n_script)
{
	static const struct checks_events events = {.on_health = on_health, .on_value = on_value};
	struct mz_err err;
	struct mz_kit *k = mz_kit_new();
	struct mz_kit_module *m;
	struct checks *c = NULL;
	memset(&world, 0, sizeof(world));
	memcpy(world.script, script, (size_t)n_script * sizeof(int));
	world.n_script = n_script;
	assert_int_equal(mz_kit_add(k, &lender, NULL, &m, &err), 0);
	char text[1024];
	snprintf(text, sizeof(text), "{name: t, task_id: {value: t}, agent_id: {value: a}, %s}", yaml);
	const struct mz_info *task = mz_kit_info(k, text);
	world.start_ns = world.h->now(world.h);
	c = checks_new(world.h, task, &events, &c);
	if (c) {
		checks_start(c);
		mz_kit_advance(k, seconds * SEC);
		checks_stop(c);
		checks_free(c);
	}
	mz_kit_free(k);
	return world.told;
}

#define RUN(yaml, seconds, ...) \
	run(yaml, seconds, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))
#define COMMAND "type: COMMAND, command: {value: x}"

/* ---- tests -------------------------------------------------------------------------------- */

static void has_none(void **state)
{
	(void)state;
	assert_string_equal(RUN("command: {value: x}", 100, 0), "");
	assert_int_equal(world.n_looks, 0);
}

static void keeps_the_default_times(void **state)
{
	(void)state;
	assert_string_equal(RUN("health_check: {" COMMAND "}", 40, 0), "15000:healthy");
	assert_int_equal(world.n_looks, 3);
	assert_int_equal(world.looked_at[1], 25000);
	assert_int_equal(world.looked_at[2], 35000);
	assert_string_equal(RUN("health_check: {" COMMAND ", delay_seconds: 0, interval_seconds: 0.5}", 2, 0), "0:healthy");
	assert_int_equal(world.looked_at[3], 1500);
}

static void tells_changes_and_failures(void **state)
{
	(void)state;
	/* The first success, each failure, the first success after them. */
	assert_string_equal(RUN("health_check: {" COMMAND ", delay_seconds: 1, interval_seconds: 1, grace_period_seconds: 0}",
				8, 0, 0, 1, 7, 0, 0, 1, 0),
			    "1000:healthy 3000:unhealthy 4000:unhealthy 5000:healthy 7000:unhealthy 8000:healthy");
}

static void kills_after_too_many(void **state)
{
	(void)state;
	assert_string_equal(RUN("health_check: {" COMMAND ", delay_seconds: 1, interval_seconds: 1, grace_period_seconds: 0}",
				60, 1),
			    "1000:unhealthy 2000:unhealthy 3000:kill");
	assert_int_equal(world.n_looks, 3);
	assert_string_equal(RUN("health_check: {" COMMAND
				", delay_seconds: 1, interval_seconds: 1, grace_period_seconds: 0, consecutive_failures: 1}",
				60, 1),
			    "1000:kill");
	/* A success begins the count anew. */
	assert_string_equal(RUN("health_check: {" COMMAND
				", delay_seconds: 1, interval_seconds: 1, grace_period_seconds: 0, consecutive_failures: 2}",
				60, 1, 0, 1, 0, 1, 1),
			    "1000:unhealthy 2000:healthy 3000:unhealthy 4000:healthy 5000:unhealthy 6000:kill");
}

static void gives_grace(void **state)
{
	(void)state;
	/* Failures up to the 10th second do not count, the delay included. */
	assert_string_equal(RUN("health_check: {" COMMAND ", delay_seconds: 2, interval_seconds: 4, consecutive_failures: 2}",
				60, 1),
			    "14000:unhealthy 18000:kill");
	/* The first success ends it. */
	assert_string_equal(RUN("health_check: {" COMMAND ", delay_seconds: 1, interval_seconds: 1, consecutive_failures: 2}",
				60, 1, 0, 1, 1),
			    "2000:healthy 3000:unhealthy 4000:kill");
}

static void stops_what_takes_too_long(void **state)
{
	(void)state;
	assert_string_equal(RUN("health_check: {" COMMAND
				", delay_seconds: 1, interval_seconds: 1, timeout_seconds: 5, grace_period_seconds: 0}",
				60, NEVER),
			    "6000:unhealthy 12000:unhealthy 18000:kill");
	assert_int_equal(world.n_stopped, 3);
	/* The default is 20 seconds; 0 is for ever. */
	assert_string_equal(RUN("health_check: {" COMMAND "}", 40, NEVER), "35000:unhealthy");
	assert_string_equal(RUN("health_check: {" COMMAND ", timeout_seconds: 0}", 1000, NEVER), "");
	assert_int_equal(world.n_looks, 1);
}

static void judges_by_type(void **state)
{
	(void)state;
	static const struct {
		const char *yaml;
		int value, healthy;
	} rows[] = {
		{"type: COMMAND, command: {value: x}", 0, 1}, {"type: COMMAND, command: {value: x}", 1, 0},
		{"type: COMMAND, command: {value: x}", -1, 0}, {"type: HTTP, http: {port: 80}", 199, 0},
		{"type: HTTP, http: {port: 80}", 200, 1},      {"type: HTTP, http: {port: 80}", 399, 1},
		{"type: HTTP, http: {port: 80}", 400, 0},      {"type: HTTP, http: {port: 80}", 0, 0},
		{"type: HTTP, http: {port: 80}", -1, 0},       {"type: TCP, tcp: {port: 80}", 1, 1},
		{"type: TCP, tcp: {port: 80}", 0, 0},	       {"type: TCP, tcp: {port: 80}", -1, 0},
		{"command: {value: x}", 0, 1},		       {"http: {port: 80}", 0, 0},
		{"tcp: {port: 80}", 1, 1},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char yaml[256];
		snprintf(yaml, sizeof(yaml), "health_check: {%s, grace_period_seconds: 0}", rows[i].yaml);
		assert_string_equal(RUN(yaml, 16, rows[i].value), rows[i].healthy ? "15000:healthy" : "15000:unhealthy");
	}
}

static void tells_values_that_change(void **state)
{
	(void)state;
	/* No interpretation, nothing about what stays the same, no grace, no end. */
	assert_string_equal(RUN("check: {type: COMMAND, command: {command: {value: x}}, delay_seconds: 1, interval_seconds: 1}",
				9, 0, 0, 3, 3, -1, -1, 3, 0),
			    "1000:value=0 3000:value=3 5000:value=-1 7000:value=3 8000:value=0");
	/* No result is no news at first; a timeout is no result. */
	assert_string_equal(RUN("check: {type: HTTP, http: {port: 1}, delay_seconds: 1, interval_seconds: 1}", 4, -1, -1, 200),
			    "3000:value=200");
	assert_string_equal(RUN("check: {type: TCP, tcp: {port: 1}, delay_seconds: 1, interval_seconds: 1, timeout_seconds: 2}",
				9, 1, NEVER, 0),
			    "1000:value=1 4000:value=-1 5000:value=0");
}

static void knows_the_type(void **state)
{
	static const struct checks_events events = {.on_health = on_health, .on_value = on_value};
	static const struct {
		const char *yaml;
		int type;
	} rows[] = {
		{"check: {type: COMMAND, command: {command: {value: x}}}", CHECK_COMMAND},
		{"check: {type: HTTP, http: {port: 1}}", CHECK_HTTP},
		{"check: {type: TCP, tcp: {port: 1}}", CHECK_TCP},
		{"health_check: {type: TCP, tcp: {port: 1}}", CHECK_NONE},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mz_err err;
		struct mz_kit *k = mz_kit_new();
		struct mz_kit_module *m;
		char text[256];
		assert_int_equal(mz_kit_add(k, &lender, NULL, &m, &err), 0);
		snprintf(text, sizeof(text), "{name: t, task_id: {value: t}, agent_id: {value: a}, %s}", rows[i].yaml);
		struct checks *c = checks_new(world.h, mz_kit_info(k, text), &events, &c);
		assert_non_null(c);
		assert_int_equal(checks_type(c), rows[i].type);
		checks_free(c);
		mz_kit_free(k);
	}
	assert_int_equal(checks_type(NULL), CHECK_NONE);
	checks_start(NULL);
	checks_stop(NULL);
	checks_free(NULL);
}

static void puts_off(void **state)
{
	(void)state;
	/* Neither a failure nor a success, nor the end of a row of failures. */
	assert_string_equal(RUN("health_check: {" COMMAND
				", delay_seconds: 1, interval_seconds: 1, grace_period_seconds: 0, consecutive_failures: 2}",
				60, CHECK_SKIPPED, 1, CHECK_SKIPPED, 1),
			    "2000:unhealthy 4000:kill");
	assert_string_equal(RUN("check: {type: COMMAND, command: {command: {value: x}}, delay_seconds: 1, interval_seconds: 1}",
				4, 5, CHECK_SKIPPED, 5),
			    "1000:value=5");
}

static void does_both(void **state)
{
	(void)state;
	assert_string_equal(RUN("health_check: {" COMMAND ", delay_seconds: 1, interval_seconds: 2},"
				"check: {type: COMMAND, command: {command: {value: x}}, delay_seconds: 2, interval_seconds: 2}",
				5, 0),
			    "1000:healthy 2000:value=0");
	assert_int_equal(world.n_looks, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_none),
		cmocka_unit_test(keeps_the_default_times),
		cmocka_unit_test(tells_changes_and_failures),
		cmocka_unit_test(kills_after_too_many),
		cmocka_unit_test(gives_grace),
		cmocka_unit_test(stops_what_takes_too_long),
		cmocka_unit_test(judges_by_type),
		cmocka_unit_test(tells_values_that_change),
		cmocka_unit_test(knows_the_type),
		cmocka_unit_test(puts_off),
		cmocka_unit_test(does_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
