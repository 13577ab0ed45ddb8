/* attach.c - `mezzo attach`: the terminal of a task, or the input and output of one
 * that was started to be attached to.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/wait.h"
#include "loop/loop.h"

#define POST_NS (10 * NS_PER_SEC)
#define END_NS (30 * NS_PER_SEC)

static const struct cli_opt opts[] = {
	{"no-stdin", 0, NULL, "only shows: sends no input"},
	{"framework", 0, "ID", "the framework of the task, if several have one of that name"},
	{0},
};

/* The exit status of the task, from its agent's lists; -1: it has not ended. */
static int find_status(const json_t *answer, const struct located *l)
{
	static const char *const lists[] = {"terminated_tasks", "completed_tasks"};
	const json_t *all = json_object_get(answer, "get_tasks");
	json_t *t;
	size_t k;

	for (size_t i = 0; i < MZ_N(lists); i++)
		json_array_foreach(js_array(all, lists[i]), k, t) {
			json_t *statuses = js_array(t, "statuses");
			size_t n = json_array_size(statuses);
			if (str_eq(js_str(json_object_get(t, "task_id"), "value"), js_str(l->task, "id")) &&
			    str_eq(js_str(json_object_get(t, "framework_id"), "value"), js_str(l->task, "framework_id")))
				return cli_task_status(js_str(t, "state"),
						       n ? js_str(json_array_get(statuses, n - 1), "message") : "");
		}
	return -1;
}

/* Its output has ended; when its container has, its agent knows how the task did. The
 * master may know much later, if its framework is not there to acknowledge what came
 * before. A task of a pod has a container of its own, whose exit status is the task's,
 * and which is told before the executor has told of the task. */
static int task_status(const struct cli *c, const struct located *l, const char *container)
{
	mz_autofree char *body = NULL;
	json_t *id = json_loads(container, 0, NULL);
	bool own = json_object_get(id, "parent") != NULL;
	struct mz_err why = {0}, err;
	int http, status = -1, rc = container_wait(l, id, END_NS, &status, &why);

	json_decref(id);
	if (rc == 0 && own)
		return status;
	if (cli_post(l->ip, l->at.port, "{\"type\":\"GET_TASKS\"}", POST_NS, &http, &body, &err) < 0)
		return cli_fail(EXIT_FAILED, "how task '%s' ended is not known: %s", c->args.v[0], err.msg);
	if (http != 200)
		return cli_fail(EXIT_FAILED, "how task '%s' ended is not known: the agent answered %d", c->args.v[0], http);
	json_t *answer = json_loads(body, 0, NULL);
	status = find_status(answer, l);
	json_decref(answer);
	if (status >= 0)
		return status;
	return cli_fail(EXIT_FAILED, "the output of task '%s' has ended, but not the task%s%s", c->args.v[0],
			rc < 0 ? ": " : "", rc < 0 ? why.msg : "");
}

static int refused(const struct located *l, const struct console_result *r, const char *why)
{
	const char *name = js_str(l->task, "id");

	if (r->status == 403)
		return cli_fail(EXIT_FAILED, "no permission to attach to task '%s'", name);
	if (r->status == 500 && !located_has_tty(l))
		return cli_fail(EXIT_FAILED,
				"cannot attach to task '%s': it has no terminal ('mezzo logs -f' follows its output, "
				"'mezzo exec' runs a command beside it)", name);
	return cli_fail(EXIT_FAILED, "cannot attach to task '%s': %s", name, why);
}

static int conclude(const struct cli *c, const struct located *l, const char *container, const struct console_result *r)
{
	mz_autobuf struct buf text = {0};

	cli_add_clean(&text, r->text);
	switch (r->end) {
	case CONSOLE_ENDED:
		return task_status(c, l, container);
	case CONSOLE_DETACHED:
		fputs("\n", stderr);
		return EXIT_OK;
	case CONSOLE_CLOSED:
		return 128 + SIGPIPE;
	case CONSOLE_REFUSED:
		return refused(l, r, text.len ? buf_str(&text) : "the agent refuses");
	default:
		return cli_fail(EXIT_FAILED, "the connection to the agent of task '%s' is lost: %s", c->args.v[0],
				text.len ? buf_str(&text) : "it has ended");
	}
}

static int attach(const struct cli *c, const struct located *l, struct mz_err *err)
{
	mz_autofree char *container = NULL, *call = NULL;
	struct console_result result = {0};
	int rc = locate_container(l, &container, err);

	if (rc < 0)
		return rc;
	call = xasprintf("{\"type\":\"ATTACH_CONTAINER_OUTPUT\",\"attach_container_output\":{\"container_id\":%s}}", container);
	const struct console_options o = {
		.ip = l->ip,
		.port = l->at.port,
		.output_call = call,
		.container = container,
		.input = cli_flag(c, "no-stdin") ? CONSOLE_NO_INPUT : CONSOLE_STDIN,
		.tty = located_has_tty(l),
		.detach = true,
	};
	rc = console_run(&o, &result, err);
	if (rc == 0)
		rc = conclude(c, l, container, &result);
	free(result.text);
	return rc;
}

static int run(struct cli *c)
{
	struct located l = {0};
	struct mz_err err = {0};
	int rc = locate(c, &l, &err);

	if (rc == 0)
		rc = attach(c, &l, &err);
	located_done(&l);
	return rc < 0 ? cli_fail(EXIT_FAILED, "%s", err.msg) : rc;
}

const struct cli_command cli_attach = {
	.name = "attach",
	.args = "[OPTION]... TASK",
	.summary = "Attach to the terminal of a running task",
	.text = "Shows what the task writes from now on, and sends what is typed. Ctrl-P Ctrl-Q\n"
		"detaches and leaves the task running; without a terminal Ctrl-C does. When the task\n"
		"ends, the exit status is the task's.",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
