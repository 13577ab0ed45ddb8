/* countdown.c - an executor module: a task's command is a number, which it counts down
 * to nothing, a line of output a second. No process but its own.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/executor.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct countdown {
	const struct mz_host *h;
	const struct mz_executor_host *k;
	const char *task_id; /* NULL: no task yet; lives until destroy */
	long left;
	struct mz_timer *timer;
	int over;
};

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct countdown *c = calloc(1, sizeof(*c));
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
	struct countdown *c = inst;
	if (c && c->timer)
		c->h->timer_cancel(c->h, c->timer);
	free(c);
}

static void tell(struct countdown *c, const char *task_id, int state, const char *message)
{
	struct mz_task_update u = {.size = sizeof(u), .state = state, .task_id = task_id, .message = message,
				   .reason = -1, .healthy = -1, .check_value = -1};
	c->k->update(c->h, &u);
}

/* One task, then the process has nothing left to do: it ends when the agent has all updates. */
static void end(struct countdown *c, int state, const char *message)
{
	c->over = 1;
	if (c->timer)
		c->h->timer_cancel(c->h, c->timer);
	c->timer = NULL;
	tell(c, c->task_id, state, message);
	c->k->finish(c->h, 0);
}

static void count(void *arg)
{
	struct countdown *c = arg;
	c->timer = NULL;
	if (c->left == 0) {
		end(c, MZ_TASK_FINISHED, "Lift-off");
		return;
	}
	printf("%ld\n", c->left--);
	fflush(stdout);
	c->timer = c->h->timer(c->h, 1000000000, count, c);
}

static void launch(void *inst, const char *task_id, const struct mz_info *task)
{
	struct countdown *c = inst;
	const char *text = c->k->info->str(task, "command.value");
	char *rest = NULL;
	long n = text ? strtol(text, &rest, 10) : -1;
	if (c->task_id) {
		tell(c, task_id, MZ_TASK_FAILED, "This executor has a task already");
		return;
	}
	c->task_id = task_id;
	if (n < 0 || !rest || *rest) {
		end(c, MZ_TASK_FAILED, "The command must be a number, 0 or more");
		return;
	}
	c->left = n;
	tell(c, task_id, MZ_TASK_RUNNING, NULL);
	count(c);
}

static void kill_task(void *inst, const char *task_id, int64_t grace_ns)
{
	struct countdown *c = inst;
	(void)grace_ns; /* nothing to wait for */
	if (c->task_id && !c->over && strcmp(task_id, c->task_id) == 0)
		end(c, MZ_TASK_KILLED, "Held");
}

static void shutdown(void *inst)
{
	struct countdown *c = inst;
	if (c->task_id && !c->over)
		end(c, MZ_TASK_KILLED, "Held");
	else if (!c->over)
		c->k->finish(c->h, 0);
}

static const struct mz_executor_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.launch = launch,
	.kill = kill_task,
	.shutdown = shutdown,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(EXECUTOR),
	.name = "countdown",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Counts down from the number that is a task's command",
	.ops = (const struct mz_ops *)&ops,
};
