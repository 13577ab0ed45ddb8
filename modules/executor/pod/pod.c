/* pod.c - executor/pod: runs task groups, each task in a container of its own that is
 * nested in the executor's. The agent launches, watches and signals those; here is
 * decided when, and what is told of it.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include "pod.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/checks/launch.h"

static const int64_t SECOND_NS = 1000000000;
static const int64_t RETRY_NS = 250 * 1000000LL;
enum {
	CAPABILITY_TASK_KILLING = 2,
	REASON_CONTAINER_LAUNCH_FAILED = 21,
	REASON_TASK_CHECK_STATUS_UPDATED = 28,
	REASON_TASK_HEALTH_CHECK_STATUS_UPDATED = 29,
	REASON_MAX_COMPLETION_TIME_REACHED = 33,
};
/* Reasons with which the agent ends a container that went over a limit. */
static const struct {
	const char *name;
	int number;
} limits[] = {
	{"REASON_CONTAINER_LIMITATION", 19},
	{"REASON_CONTAINER_LIMITATION_DISK", 20},
	{"REASON_CONTAINER_LIMITATION_MEMORY", 8},
};

static void drive(struct task *t);

/* `limitation`: what it had too much of; no data: nothing. */
static void update_limited(struct task *t, int state, int reason, const char *message, struct mz_bytes limitation)
{
	struct mz_task_update u = {.size = sizeof(u),
				   .state = state,
				   .task_id = t->id,
				   .message = message,
				   .reason = reason,
				   /* Each update says what is known of both. */
				   .healthy = t->healthy,
				   .check_type = checks_type(t->checks),
				   .check_value = t->check_value,
				   .container_id = t->container_path,
				   .limitation = limitation};
	t->pod->k->update(t->pod->h, &u);
}

static void update(struct task *t, int state, int reason, const char *message)
{
	update_limited(t, state, reason, message, (struct mz_bytes){NULL, 0});
}

/* ---- killing ----------------------------------------------------------------------- */

static int64_t policy_grace(const struct task *t)
{
	return kill_grace_ns(t->pod->k, t->info, -1);
}

static void on_kill_due(void *arg)
{
	struct task *t = arg;
	t->kill_timer = NULL;
	t->signal_due = SIGKILL;
	drive(t);
}

static void kill_task(struct task *t, int64_t grace_ns)
{
	struct pod *p = t->pod;
	int64_t due = p->h->now(p->h) + grace_ns;
	if (t->state == TASK_ENDED || (t->kill_due && due >= t->kill_due))
		return; /* what runs already is sooner */
	int first = !t->kill_due;
	checks_stop(t->checks);
	t->kill_due = due;
	p->h->timer_cancel(p->h, t->kill_timer);
	t->kill_timer = p->h->timer(p->h, grace_ns, on_kill_due, t);
	if (!t->timed_out)
		t->killing = 1;
	if (!first)
		return;
	if (t->killing && p->k->has_capability(p->h, CAPABILITY_TASK_KILLING))
		update(t, MZ_TASK_KILLING, -1, NULL);
	t->signal_due = SIGTERM;
	drive(t);
}

static void kill_group(struct pod *p, uint32_t group)
{
	for (struct task *t = p->tasks; t; t = t->next)
		if (t->group == group && t->state != TASK_ENDED && !t->kill_due)
			kill_task(t, policy_grace(t));
}

static void on_completion_due(void *arg)
{
	struct task *t = arg;
	t->completion_timer = NULL;
	if (t->kill_due)
		return;
	t->timed_out = 1;
	kill_task(t, policy_grace(t));
}

/* ---- the end of a task --------------------------------------------------------------- */

static void cancel(struct task *t)
{
	const struct mz_host *h = t->pod->h;
	h->timer_cancel(h, t->kill_timer);
	h->timer_cancel(h, t->completion_timer);
	h->timer_cancel(h, t->retry);
	t->kill_timer = t->completion_timer = t->retry = NULL;
	checks_stop(t->checks);
}

static void maybe_finish(struct pod *p)
{
	if (p->n_live || p->finished || !(p->n_groups || p->shutting_down))
		return;
	p->finished = 1;
	p->k->finish(p->h, 0);
}

static void end_limited(struct task *t, int state, int reason, const char *message, struct mz_bytes limitation)
{
	struct pod *p = t->pod;
	cancel(t);
	t->state = TASK_ENDED;
	t->signal_due = 0;
	p->n_live--;
	update_limited(t, state, reason, message, limitation);
	if (state != MZ_TASK_FINISHED)
		kill_group(p, t->group);
	maybe_finish(p);
}

static void end(struct task *t, int state, int reason, const char *message)
{
	end_limited(t, state, reason, message, (struct mz_bytes){NULL, 0});
}

/* From the answer to WAIT_CONTAINER. */
static void end_by_answer(struct task *t, const char *json, size_t len)
{
	char text[512], reason[64];
	int status = (int)json_number(json, len, "exit_status", -1);
	int state = MZ_TASK_FAILED, number = -1;
	struct mz_bytes limitation = {NULL, 0};
	if (status < 0) {
		if (!json_string(json, len, "message", text, sizeof(text)))
			snprintf(text, sizeof(text), "The container ended, and nobody knows how");
	} else if (WIFEXITED(status)) {
		snprintf(text, sizeof(text), "Command exited with status %d", WEXITSTATUS(status));
		if (WEXITSTATUS(status) == 0)
			state = MZ_TASK_FINISHED;
	} else {
		snprintf(text, sizeof(text), "Command terminated with signal %s", strsignal(WTERMSIG(status)));
	}
	if (t->killing)
		state = MZ_TASK_KILLED;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (json_string(json, len, "reason", reason, sizeof(reason)) && !strcmp(reason, limits[i].name)) {
			number = limits[i].number;
			state = MZ_TASK_FAILED;
			(void)json_string(json, len, "message", text, sizeof(text));
		}
	if (t->timed_out) {
		state = MZ_TASK_FAILED;
		number = REASON_MAX_COMPLETION_TIME_REACHED;
		snprintf(text, sizeof(text), "Command ran longer than its max_completion_time");
	}
	(void)json_object(json, len, "limitation", &limitation);
	end_limited(t, state, number, text, limitation);
}

/* ---- its checks ------------------------------------------------------------------------- */

static void on_health(void *arg, int healthy, int kill)
{
	struct task *t = arg;
	t->healthy = healthy;
	update(t, MZ_TASK_RUNNING, REASON_TASK_HEALTH_CHECK_STATUS_UPDATED, NULL);
	if (!kill)
		return;
	t->pod->h->log(t->pod->h, MZ_LOG_WARNING, "A task is killed: too many health checks in a row have failed");
	kill_task(t, policy_grace(t));
}

static void on_value(void *arg, int value)
{
	struct task *t = arg;
	t->check_value = value;
	update(t, MZ_TASK_RUNNING, REASON_TASK_CHECK_STATUS_UPDATED, NULL);
}

static const struct checks_events events = {
	.on_health = on_health,
	.on_value = on_value,
	.run = run_start,
	.stop = run_stop,
};

/* ---- speaking with the agent ------------------------------------------------------------ */

static void on_retry(void *arg)
{
	struct task *t = arg;
	t->retry = NULL;
	drive(t);
}

/* It is away, or not through with its recovery. When it is back we are told. */
static void retry(struct task *t)
{
	const struct mz_host *h = t->pod->h;
	if (t->state != TASK_ENDED && !t->retry)
		t->retry = h->timer(h, RETRY_NS, on_retry, t);
}

int pod_is_away(int status)
{
	return status == 0 || status == 503;
}

static void on_launched(void *arg, int status, struct mz_bytes body)
{
	struct task *t = arg;
	struct pod *p = t->pod;
	char text[512];
	t->calling = 0;
	if (pod_is_away(status)) {
		retry(t);
		return;
	}
	if (status != 200 && status != 202) {
		snprintf(text, sizeof(text), "Failed to launch container: %.*s", (int)(body.size < 400 ? body.size : 400),
			 body.size ? (const char *)body.data : "");
		if (t->killing)
			end(t, MZ_TASK_KILLED, -1, "Task was killed while it was launched");
		else
			end(t, MZ_TASK_FAILED, REASON_CONTAINER_LAUNCH_FAILED, text);
		return;
	}
	t->state = TASK_RUNS;
	if (!t->killing) {
		update(t, MZ_TASK_RUNNING, -1, NULL);
		checks_start(t->checks);
	}
	int64_t most = p->k->info->integer(t->info, "max_completion_time.nanoseconds", -1);
	if (most >= 0)
		t->completion_timer = p->h->timer(p->h, most, on_completion_due, t);
	drive(t);
}

static void on_waited(void *arg, int status, struct mz_bytes body)
{
	struct task *t = arg;
	t->calling = 0;
	if (pod_is_away(status))
		retry(t);
	else if (status == 200)
		end_by_answer(t, body.data, body.size);
	else
		end(t, MZ_TASK_FAILED, -1, "The agent does not know the task's container (any more)");
}

static void on_signalled(void *arg, int status, struct mz_bytes body)
{
	(void)body;
	struct task *t = arg;
	t->signalling = 0;
	if (t->state == TASK_ENDED)
		return;
	/* A kill may overtake the launch, for which the agent knows no container yet. */
	if (pod_is_away(status) || (status == 404 && t->launching)) {
		if (!t->signal_due)
			t->signal_due = t->kill_timer ? SIGTERM : SIGKILL;
		retry(t);
		return;
	}
	drive(t); /* a stronger one may be due */
}

void pod_call(struct pod *p, struct text *body, void (*fn)(void *arg, int status, struct mz_bytes body), void *arg)
{
	if (body->broken)
		fn(arg, 0, (struct mz_bytes){NULL, 0});
	else
		p->k->agent_call(p->h, "/api/v1", (struct mz_bytes){body->data, body->len}, NULL, fn, arg);
	free(body->data);
}

static void call(struct task *t, struct text *body, void (*fn)(void *arg, int status, struct mz_bytes body))
{
	pod_call(t->pod, body, fn, t);
}

/* Whatever is to be said about a task now. */
static void drive(struct task *t)
{
	struct text body = {0}, signal = {0};
	if (t->state == TASK_ENDED || !t->pod->connected || t->retry)
		return;
	if (!t->calling && t->state == TASK_NEW) {
		t->calling = 1;
		call_launch(t, &body);
		call(t, &body, on_launched);
	} else if (!t->calling) {
		t->calling = 1;
		call_wait(t, &body);
		call(t, &body, on_waited);
	}
	if (t->state == TASK_ENDED || !t->signal_due || t->signalling || t->retry)
		return;
	/* Nor is the end of a launch waited for, which may have much to fetch: the agent calls it off. */
	t->signalling = 1;
	t->launching = t->state == TASK_NEW;
	call_kill(t, t->signal_due, &signal);
	t->signal_due = 0;
	call(t, &signal, on_signalled);
}

/* ---- callbacks ---------------------------------------------------------------------------- */

/* tasks/ID leads to the task's sandbox. */
static void link_sandbox(const struct task *t)
{
	struct pod *p = t->pod;
	const char *sandbox = p->k->sandbox(p->h);
	char *dir = NULL, *from = NULL, *to = NULL;
	if (asprintf(&dir, "%s/tasks", sandbox) > 0 && asprintf(&from, "%s/%s", dir, t->id) > 0 &&
	    asprintf(&to, "../containers/%s", t->container) > 0) {
		if ((mkdir(dir, 0755) < 0 && errno != EEXIST) || symlink(to, from) < 0)
			p->h->log(p->h, MZ_LOG_WARNING, "Cannot link a task's sandbox below tasks/");
	}
	free(dir);
	free(from);
	free(to);
}

void pod_make_id(struct pod *p, char out[40])
{
	unsigned char b[16];
	p->h->random(p->h, b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(out, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
		 b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static struct task *task_new(struct pod *p, const char *id, const struct mz_info *info)
{
	struct task *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->pod = p;
	t->id = id;
	t->info = info;
	t->group = p->n_groups;
	t->healthy = t->check_value = -1;
	pod_make_id(p, t->container);
	if (asprintf(&t->container_path, "%s.%s", p->k->container_id(p->h), t->container) < 0) {
		free(t);
		return NULL;
	}
	*p->tasks_end = t;
	p->tasks_end = &t->next;
	p->n_live++;
	return t;
}

static void refuse(struct pod *p, const char *id, const char *message)
{
	struct mz_task_update u = {.size = sizeof(u),
				   .state = MZ_TASK_FAILED,
				   .task_id = id,
				   .message = message,
				   .reason = -1,
				   .healthy = -1,
				   .check_value = -1};
	p->k->update(p->h, &u);
}

static void pod_launch_group(void *inst, const char *const *ids, const struct mz_info *const *infos, size_t n)
{
	struct pod *p = inst;
	if (p->finished || p->shutting_down) {
		for (size_t i = 0; i < n; i++)
			refuse(p, ids[i], "The executor is shutting down");
		return;
	}
	struct task **last = p->tasks_end;
	p->n_groups++;
	p->connected = 1;
	for (size_t i = 0; i < n; i++) {
		struct task *t = task_new(p, ids[i], infos[i]);
		if (!t) {
			refuse(p, ids[i], "Out of memory");
			continue;
		}
		t->checks = checks_new(p->h, t->info, &events, t);
		link_sandbox(t);
		update(t, MZ_TASK_STARTING, -1, NULL);
	}
	/* Starting one may end it, and with it the group: so all are there by now. */
	for (struct task *t = *last; t; t = t->next)
		drive(t);
	maybe_finish(p);
}

static void pod_launch(void *inst, const char *id, const struct mz_info *info)
{
	pod_launch_group(inst, &id, &info, 1);
}

static void pod_kill(void *inst, const char *id, int64_t grace_ns)
{
	struct pod *p = inst;
	for (struct task *t = p->tasks; t; t = t->next)
		if (t->state != TASK_ENDED && !strcmp(t->id, id))
			kill_task(t, kill_grace_ns(p->k, t->info, grace_ns));
}

static void pod_shutdown(void *inst)
{
	struct pod *p = inst;
	/* Some of the container's grace is left for telling the agent. */
	int64_t most = p->k->shutdown_grace(p->h) - 2 * SECOND_NS;
	p->shutting_down = 1;
	for (struct task *t = p->tasks; t; t = t->next) {
		int64_t grace = policy_grace(t);
		kill_task(t, grace < most ? grace : most > 0 ? most : 0);
	}
	maybe_finish(p);
}

static void pod_connection(void *inst, int connected)
{
	struct pod *p = inst;
	p->connected = connected;
	for (struct task *t = connected ? p->tasks : NULL; t; t = t->next)
		drive(t);
	if (connected)
		runs_connected(p);
}

static void destroy(void *inst)
{
	struct pod *p = inst;
	for (struct task *t = p ? p->tasks : NULL; t; t = t->next)
		cancel(t);
	if (p)
		runs_free(p);
	for (struct task *t = p ? p->tasks : NULL, *next; t; t = next) {
		next = t->next;
		checks_free(t->checks);
		free(t->container_path);
		free(t);
	}
	free(p);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct pod *p = calloc(1, sizeof(*p));
	if (!p) {
		*err = (struct mz_err){.code = -ENOMEM, .msg = "Out of memory"};
		return -ENOMEM;
	}
	p->h = h;
	p->k = h->kind;
	p->tasks_end = &p->tasks;
	*inst = p;
	return 0;
}

static const struct mz_executor_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.launch = pod_launch,
	.launch_group = pod_launch_group,
	.kill = pod_kill,
	.shutdown = pod_shutdown,
	.connection = pod_connection,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(EXECUTOR),
	.name = "pod",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Runs task groups, each task in a nested container of its own",
	.ops = (const struct mz_ops *)&ops,
};
