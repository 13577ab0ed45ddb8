/* command.c - executor/command: runs the one command of TaskInfo.command. The sandbox,
 * the user and the captured output are the container's and are there already.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include <mezzo/executor.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/checks/checks.h"
#include "../../lib/checks/launch.h"

static const int64_t SECOND_NS = 1000000000;
enum {
	REASON_TASK_CHECK_STATUS_UPDATED = 28,
	REASON_TASK_HEALTH_CHECK_STATUS_UPDATED = 29,
	REASON_MAX_COMPLETION_TIME_REACHED = 33,
	CAPABILITY_TASK_KILLING = 2,
};

struct command {
	const struct mz_host *h;
	const struct mz_executor_host *k;
	const struct mz_info *task; /* lives until destroy; NULL: none yet */
	const char *task_id;
	struct mz_child *child;
	int32_t pid;
	int ended, killing, timed_out, killing_told;
	int64_t kill_due; /* when SIGKILL follows; on the host's clock */
	struct mz_timer *kill_timer, *completion_timer;
	struct checks *checks; /* NULL: the task has none */
	int healthy, check_value; /* as last told; -1: not known */
};

static void update(struct command *c, const char *task_id, int state, int reason, const char *message)
{
	struct mz_task_update u = {.size = sizeof(u),
				   .state = state,
				   .task_id = task_id,
				   .message = message,
				   .reason = reason,
				   .healthy = -1,
				   .check_value = -1};
	if (c->task && task_id == c->task_id) {
		/* Each update says what is known of both. */
		u.healthy = c->healthy;
		u.check_type = checks_type(c->checks);
		u.check_value = c->check_value;
	}
	c->k->update(c->h, &u);
}

static void end(struct command *c, int state, int reason, const char *message)
{
	c->ended = 1;
	checks_stop(c->checks);
	c->h->timer_cancel(c->h, c->kill_timer);
	c->h->timer_cancel(c->h, c->completion_timer);
	c->kill_timer = c->completion_timer = NULL;
	update(c, c->task_id, state, reason, message);
	c->k->finish(c->h, 0);
}

static void on_exit_status(void *arg, int32_t pid, int32_t status)
{
	(void)pid;
	struct command *c = arg;
	char text[128];
	int state = MZ_TASK_FAILED;
	c->child = NULL;
	if (WIFEXITED(status)) {
		snprintf(text, sizeof(text), "Command exited with status %d", WEXITSTATUS(status));
		if (WEXITSTATUS(status) == 0)
			state = MZ_TASK_FINISHED;
	} else {
		snprintf(text, sizeof(text), "Command terminated with signal %s", strsignal(WTERMSIG(status)));
	}
	if (c->timed_out)
		end(c, MZ_TASK_FAILED, REASON_MAX_COMPLETION_TIME_REACHED, "Command ran longer than its max_completion_time");
	else
		end(c, c->killing ? MZ_TASK_KILLED : state, -1, text);
}

/* ---- ending it ------------------------------------------------------------------- */

static void on_kill_due(void *arg)
{
	struct command *c = arg;
	c->kill_timer = NULL;
	if (!c->ended)
		kill_tree(c->pid, SIGKILL);
}

static void kill_with_grace(struct command *c, int64_t grace_ns)
{
	int64_t due = c->h->now(c->h) + grace_ns;
	if (c->ended || !c->child)
		return;
	if (c->kill_due && due >= c->kill_due)
		return; /* what runs already is sooner */
	checks_stop(c->checks);
	c->kill_due = due;
	c->h->timer_cancel(c->h, c->kill_timer);
	c->kill_timer = c->h->timer(c->h, grace_ns, on_kill_due, c);
	if (!c->killing_told && !c->timed_out && c->k->has_capability(c->h, CAPABILITY_TASK_KILLING))
		update(c, c->task_id, MZ_TASK_KILLING, -1, NULL);
	if (!c->killing_told)
		kill_tree(c->pid, SIGTERM);
	c->killing_told = 1;
}

static void on_completion_due(void *arg)
{
	struct command *c = arg;
	c->completion_timer = NULL;
	if (c->ended || c->killing)
		return;
	c->timed_out = 1;
	kill_with_grace(c, kill_grace_ns(c->k, c->task, -1));
}

static void command_kill(void *inst, const char *task_id, int64_t grace_ns)
{
	struct command *c = inst;
	if (!c->task || strcmp(c->task_id, task_id))
		return;
	if (!c->timed_out)
		c->killing = 1;
	kill_with_grace(c, kill_grace_ns(c->k, c->task, grace_ns));
}

static void command_shutdown(void *inst)
{
	struct command *c = inst;
	if (!c->task) {
		c->k->finish(c->h, 0);
		return;
	}
	/* Some of the container's grace is left for telling the agent. */
	int64_t grace = c->k->shutdown_grace(c->h) - 2 * SECOND_NS;
	command_kill(inst, c->task_id, grace > 0 ? grace : 0);
}

/* ---- its checks ----------------------------------------------------------------------- */

static void on_health(void *arg, int healthy, int kill)
{
	struct command *c = arg;
	c->healthy = healthy;
	update(c, c->task_id, MZ_TASK_RUNNING, REASON_TASK_HEALTH_CHECK_STATUS_UPDATED, NULL);
	if (!kill)
		return;
	c->h->log(c->h, MZ_LOG_WARNING, "The task is killed: too many health checks in a row have failed");
	c->killing = 1;
	kill_with_grace(c, kill_grace_ns(c->k, c->task, -1));
}

static void on_value(void *arg, int value)
{
	struct command *c = arg;
	c->check_value = value;
	update(c, c->task_id, MZ_TASK_RUNNING, REASON_TASK_CHECK_STATUS_UPDATED, NULL);
}

/* ---- starting it ------------------------------------------------------------------- */

static void refuse(struct command *c, const char *task_id, const char *message)
{
	update(c, task_id, MZ_TASK_FAILED, -1, message);
}

static int start(struct command *c, struct mz_err *err)
{
	struct launch l = {0};
	int rc = launch_make(&l, c->k, c->h, c->task, "command", err);
	if (rc == 0) {
		struct mz_spawn s = {.size = sizeof(s),
				     .fd_in = isatty(STDIN_FILENO) ? STDIN_FILENO : -1,
				     .fd_out = STDOUT_FILENO,
				     .fd_err = STDERR_FILENO,
				     .argv = (const char *const *)l.argv,
				     .env = (const char *const *)l.env,
				     .dir = c->k->sandbox(c->h)};
		rc = c->h->spawn(c->h, &s, on_exit_status, c, &c->child, &c->pid, err);
	}
	launch_done(&l);
	return rc;
}

static void command_launch(void *inst, const char *task_id, const struct mz_info *task)
{
	static const struct checks_events events = {.on_health = on_health, .on_value = on_value};
	struct command *c = inst;
	struct mz_err err;
	if (c->task) {
		refuse(c, task_id, "The command executor runs one task only");
		return;
	}
	c->task = task;
	c->task_id = task_id;
	c->healthy = c->check_value = -1;
	c->checks = checks_new(c->h, task, &events, c);
	update(c, task_id, MZ_TASK_STARTING, -1, NULL);
	if (start(c, &err) < 0) {
		end(c, MZ_TASK_FAILED, -1, err.msg);
		return;
	}
	update(c, task_id, MZ_TASK_RUNNING, -1, NULL);
	checks_start(c->checks);
	int64_t most = c->k->info->integer(task, "max_completion_time.nanoseconds", -1);
	if (most >= 0)
		c->completion_timer = c->h->timer(c->h, most, on_completion_due, c);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct command *c = calloc(1, sizeof(*c));
	if (!c) {
		*err = (struct mz_err){.code = -ENOMEM, .msg = "Out of memory"};
		return -ENOMEM;
	}
	c->h = h;
	c->k = h->kind;
	*inst = c;
	return 0;
}

static void destroy(void *inst)
{
	struct command *c = inst;
	if (c)
		checks_free(c->checks);
	free(c);
}

static const struct mz_executor_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.launch = command_launch,
	.kill = command_kill,
	.shutdown = command_shutdown,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(EXECUTOR),
	.name = "command",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Runs the one command of a task",
	.ops = (const struct mz_ops *)&ops,
};
