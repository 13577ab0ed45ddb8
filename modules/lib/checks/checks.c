/* checks.c - lib/checks: when a task's checks are made and what their results
 * mean. How one is made is probe.c's; what follows for the task is the executor's.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include "checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

/* One of the two. */
struct checker {
	struct checks *all;
	const char *field;
	int type, is_health;
	struct probe *probe;
	struct mz_timer *next, *timeout;
	int64_t interval_ns, timeout_ns; /* timeout 0: none */
	/* Health. */
	int64_t grace_ns, started_ns, most_failures, n_failures;
	int was_healthy; /* once, which ends the grace period */
	/* Generic. */
	int value;
};

struct checks {
	const struct mz_host *h;
	const struct mz_info *task;
	const struct checks_events *events;
	void *arg;
	int stopped;
	struct checker health, check; /* type CHECK_NONE: there is none */
};

static void look(void *arg);

static void say(struct checker *c, const char *what, const char *why)
{
	char text[400];
	snprintf(text, sizeof(text), "%s %s%s%.300s", c->is_health ? "Health check" : "Check", what, why ? ": " : "",
		 why ? why : "");
	c->all->h->log(c->all->h, MZ_LOG_WARNING, text);
}

static int is_healthy(const struct checker *c, int value)
{
	if (c->type == CHECK_COMMAND)
		return value == 0;
	return c->type == CHECK_HTTP ? value >= 200 && value <= 399 : value == 1;
}

static void health_result(struct checker *c, int value, const char *why)
{
	struct checks *all = c->all;
	if (is_healthy(c, value)) {
		int news = !c->was_healthy || c->n_failures > 0;
		c->was_healthy = 1;
		c->n_failures = 0;
		if (news)
			all->events->on_health(all->arg, 1, 0);
		return;
	}
	if (!c->was_healthy && c->grace_ns > 0 && all->h->now(all->h) - c->started_ns <= c->grace_ns) {
		say(c, "failed within the grace period, ignoring", why);
		return;
	}
	say(c, "failed", why);
	c->n_failures++;
	all->events->on_health(all->arg, 0, c->n_failures >= c->most_failures);
}

static void check_result(struct checker *c, int value, const char *why)
{
	if (value < 0)
		say(c, "has no result", why);
	if (value == c->value)
		return;
	c->value = value;
	c->all->events->on_value(c->all->arg, value);
}

static void on_result(void *arg, int value, const char *why)
{
	struct checker *c = arg;
	const struct mz_host *h = c->all->h;
	h->timer_cancel(h, c->timeout);
	c->timeout = NULL;
	if (value == CHECK_SKIPPED)
		say(c, "is put off", why);
	else if (c->is_health)
		health_result(c, value, why);
	else
		check_result(c, value, why);
	if (!c->all->stopped)
		c->next = h->timer(h, c->interval_ns, look, c);
}

static void on_timeout(void *arg)
{
	struct checker *c = arg;
	c->timeout = NULL;
	probe_stop(c->probe);
	on_result(c, CHECK_FAILED, "it did not end in time");
}

static void look(void *arg)
{
	struct checker *c = arg;
	const struct mz_host *h = c->all->h;
	c->next = NULL;
	/* Before it starts: it may be over at once. */
	if (c->timeout_ns > 0)
		c->timeout = h->timer(h, c->timeout_ns, on_timeout, c);
	probe_start(c->probe, on_result, c);
}

/* ---- what the task wants ---------------------------------------------------------- */

static const char *path_of(const struct checker *c, const char *name, char path[64])
{
	snprintf(path, 64, "%s.%s", c->field, name);
	return path;
}

static int64_t duration_ns(const struct checker *c, const char *name, double otherwise)
{
	const struct mz_executor_host *k = c->all->h->kind;
	char path[64];
	double s = k->info->number(c->all->task, path_of(c, name, path), otherwise);
	if (!(s > 0))
		return 0;
	return s > 1e9 ? 1000000000LL * 1000000000LL : (int64_t)(s * 1e9);
}

static int read_type(const struct checker *c)
{
	static const struct {
		const char *name, *field;
		int type;
	} types[] = {{"COMMAND", "command", CHECK_COMMAND}, {"HTTP", "http", CHECK_HTTP}, {"TCP", "tcp", CHECK_TCP}};
	const struct mz_executor_host *k = c->all->h->kind;
	char path[64];
	const char *name = k->info->str(c->all->task, path_of(c, "type", path));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (name && !strcmp(name, types[i].name))
			return types[i].type;
		/* Older frameworks leave the type out. */
		if (!name && k->info->has(c->all->task, path_of(c, types[i].field, path)))
			return types[i].type;
	}
	return CHECK_NONE;
}

static int checker_init(struct checker *c, struct checks *all, const char *field)
{
	const struct mz_executor_host *k = all->h->kind;
	char path[64];
	*c = (struct checker){.all = all, .field = field, .value = -1, .is_health = field[0] == 'h'};
	if (!k->info->has(all->task, field))
		return 0;
	c->type = read_type(c);
	if (c->type == CHECK_NONE)
		return 0;
	c->interval_ns = duration_ns(c, "interval_seconds", 10);
	c->timeout_ns = duration_ns(c, "timeout_seconds", 20);
	c->grace_ns = c->is_health ? duration_ns(c, "grace_period_seconds", 10) : 0;
	c->most_failures = k->info->integer(all->task, path_of(c, "consecutive_failures", path), 3);
	c->probe = probe_new(all->h, all->task, field, c->type, all->events, all->arg);
	return c->probe ? 0 : -1;
}

static void checker_stop(struct checker *c)
{
	const struct mz_host *h = c->all->h;
	h->timer_cancel(h, c->next);
	h->timer_cancel(h, c->timeout);
	c->next = c->timeout = NULL;
	if (c->probe)
		probe_stop(c->probe);
}

struct checks *checks_new(const struct mz_host *h, const struct mz_info *task, const struct checks_events *events,
			  void *arg)
{
	const struct mz_executor_host *k = h->kind;
	if (!k->info->has(task, "health_check") && !k->info->has(task, "check"))
		return NULL;
	struct checks *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->h = h;
	c->task = task;
	c->events = events;
	c->arg = arg;
	if (checker_init(&c->health, c, "health_check") < 0 || checker_init(&c->check, c, "check") < 0) {
		checks_free(c);
		return NULL;
	}
	return c;
}

int checks_type(const struct checks *c)
{
	return c ? c->check.type : CHECK_NONE;
}

void checks_start(struct checks *c)
{
	if (!c || c->stopped)
		return;
	struct checker *both[] = {&c->health, &c->check};
	for (int i = 0; i < 2; i++) {
		both[i]->started_ns = c->h->now(c->h);
		if (both[i]->type != CHECK_NONE)
			both[i]->next = c->h->timer(c->h, duration_ns(both[i], "delay_seconds", 15), look, both[i]);
	}
}

void checks_stop(struct checks *c)
{
	if (!c || c->stopped)
		return;
	c->stopped = 1;
	checker_stop(&c->health);
	checker_stop(&c->check);
}

void checks_free(struct checks *c)
{
	if (!c)
		return;
	probe_free(c->health.probe);
	probe_free(c->check.probe);
	free(c);
}
