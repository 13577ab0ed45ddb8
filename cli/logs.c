/* logs.c - `mezzo logs`: what a task has written, and with -f what it writes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/locate.h"
#include "cli/run_output.h"
#include "loop/loop_event.h"

static const struct cli_opt opts[] = {
	{"follow", 'f', NULL, "goes on until the task ends, or Ctrl-C"},
	{"stdout", 'o', NULL, "only what it wrote to its standard output"},
	{"stderr", 'e', NULL, "only what it wrote to its standard error"},
	{"framework", 0, "ID", "the framework of the task, if several have one of that name"},
	{0},
};

#define CHECK_NS NS_PER_SEC

struct logs {
	struct loop *loop;
	struct tail *tail;
	struct output out;
	bool over;
	int status;
};

static void on_output(void *arg, int stream, const void *data, size_t size)
{
	struct logs *l = arg;
	output_write(&l->out, stream, data, size);
}

static void on_end(void *arg, const char *why)
{
	struct logs *l = arg;

	if (why)
		l->status = cli_fail(EXIT_FAILED, "the output of task '%s' may be incomplete: %s", l->out.task_id, why);
	l->over = true;
}

static void on_signal(void *arg, int signo)
{
	struct logs *l = arg;

	l->status = 128 + signo;
	l->over = true;
}

/* Blocks for one GET; output waits in the sandbox meanwhile. */
static bool has_ended(const struct cli *c, const char *framework_id)
{
	struct mz_err err = {0};
	json_t *v = NULL;
	const json_t *t;
	bool ended = false;
	int rc = cli_get(cli_master(c), "/tasks?limit=1000000", &v, &err);

	if (rc == 0) {
		rc = cli_find_task(v, c->args.v[0], framework_id, &t, &err);
		ended = rc == -ENOENT || (rc == 0 && cli_state_is_terminal(js_str(t, "state")));
	}
	json_decref(v);
	return ended;
}

static int follow(struct cli *c, const struct located *at, struct mz_err *err)
{
	const json_t *task = at->task;
	static const struct tail_cb cb = {on_output, on_end};
	bool only_out = cli_flag(c, "stdout"), only_err = cli_flag(c, "stderr");
	struct logs l = {.out = {.task_id = c->args.v[0], .index = -1, .json = cli_flag(c, "json")}};
	struct tail_options o = {.ip = at->ip,
				 .port = at->at.port,
				 .framework_id = js_str(task, "framework_id"),
				 .task_id = c->args.v[0],
				 .streams = {only_out || !only_err, only_err || !only_out}};
	bool live = cli_flag(c, "follow") && !cli_state_is_terminal(js_str(task, "state"));
	int rc = loop_event_new(1, &l.loop, err);

	if (rc < 0)
		return rc;
	loop_event_signal(l.loop, SIGINT, on_signal, &l);
	l.tail = tail_new(l.loop, &o, &cb, &l);
	if (!live)
		tail_finish(l.tail);
	for (int64_t checked = loop_now(l.loop); !l.over;) {
		loop_event_turn(l.loop, CHECK_NS);
		if (live && !l.over && loop_now(l.loop) - checked >= CHECK_NS) {
			checked = loop_now(l.loop);
			live = !has_ended(c, o.framework_id);
			if (!live)
				tail_finish(l.tail);
		}
	}
	tail_free(l.tail);
	output_end(&l.out);
	loop_event_turn(l.loop, 0); /* what was closed is freed by posted work */
	loop_event_free(l.loop);
	return l.status;
}

static int run(struct cli *c)
{
	struct located at = {0};
	struct mz_err err = {0};
	int rc = locate(c, &at, &err);

	if (rc == 0)
		rc = follow(c, &at, &err);
	located_done(&at);
	return rc < 0 ? cli_fail(EXIT_FAILED, "%s", err.msg) : rc;
}

const struct cli_command cli_logs = {
	.name = "logs",
	.args = "[OPTION]... TASK",
	.summary = "Show the output of a task",
	.text = "Its standard output goes to standard output, its standard error to standard error.",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
