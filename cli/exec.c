/* exec.c - `mezzo exec`: a command beside a running task, in its container's
 * namespaces and cgroups, whose exit status becomes ours.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/terminal.h"
#include "cli/wait.h"
#include "loop/loop_event.h"

#define WAIT_NS (60 * NS_PER_SEC)   /* its output has ended: so has it, nearly */
#define REMOVE_NS (10 * NS_PER_SEC)

static const struct cli_opt opts[] = {
	{"interactive", 'i', NULL, "sends standard input to the command; else it has none"},
	{"tty", 't', NULL, "gives the command a terminal; with -i every key goes there"},
	{"env", 'e', "NAME=VALUE", "sets a variable; may be repeated"},
	{"user", 'u', "USER", "who runs the command (default: as the task)"},
	{"framework", 0, "ID", "the framework of the task, if several have one of that name"},
	{0},
};

/* ---- calls --------------------------------------------------------------------------- */

/* JSON knows no other text; a command without one of its arguments is another command. */
static int not_text(const char *s, struct mz_err *err)
{
	mz_autobuf struct buf clean = {0};

	cli_add_clean(&clean, s);
	return mz_fail(err, -EINVAL, "exec: '%.200s' is not UTF-8", buf_str(&clean));
}

static int add_env(json_t *variables, const struct cli *c, struct mz_err *err)
{
	for (size_t i = 0; i < c->values.n; i++) {
		mz_autofree char *name = NULL;
		const char *value;
		if (!str_eq(c->values.v[i].opt->name, "env"))
			continue;
		if (cli_parse_env(c->values.v[i].value, &name, &value) < 0)
			return mz_fail(err, -EINVAL, "exec: --env '%s' is not NAME=VALUE", c->values.v[i].value);
		if (json_array_append_new(variables, json_pack("{s:s, s:s}", "name", name, "value", value)) < 0)
			return not_text(c->values.v[i].value, err);
	}
	const char *term = getenv("TERM");
	if (cli_flag(c, "tty") && term)
		json_array_insert_new(variables, 0, json_pack("{s:s, s:s}", "name", "TERM", "value", term));
	return 0;
}

/* CommandInfo: the arguments behind the task's name, as they are. The caller frees, also
 * on failure. */
static int make_command(const struct cli *c, json_t **ret, struct mz_err *err)
{
	json_t *argv = json_array(), *variables = json_array();
	const char *user = cli_option(c, "user");

	*ret = json_pack("{s:b, s:o, s:{s:o}}", "shell", 0, "arguments", argv, "environment", "variables", variables);
	for (size_t i = 1; i < c->args.n; i++)
		if (json_array_append_new(argv, json_string(c->args.v[i])) < 0)
			return not_text(c->args.v[i], err);
	json_object_set(*ret, "value", json_array_get(argv, 0));
	if (user && json_object_set_new(*ret, "user", json_string(user)) < 0)
		return not_text(user, err);
	return add_env(variables, c, err);
}

static json_t *terminal_info(void)
{
	int rows, columns;

	terminal_size(&rows, &columns);
	return json_pack("{s:s, s:{s:{s:i, s:i}}}", "type", "MESOS", "tty_info", "window_size", "rows", rows, "columns",
			 columns);
}

static char *launch_call(const json_t *id, const json_t *command, bool tty)
{
	json_t *call = json_pack("{s:s, s:{s:O, s:O}}", "type", "LAUNCH_NESTED_CONTAINER_SESSION",
				 "launch_nested_container_session", "container_id", id, "command", command);

	if (tty)
		json_object_set_new(json_object_get(call, "launch_nested_container_session"), "container", terminal_info());
	char *text = json_dumps(call, JSON_COMPACT);
	json_decref(call);
	return text;
}

/* A new id below the task's container. */
static int session_id(const char *parent, json_t **ret, struct mz_err *err)
{
	struct loop *l;
	struct uuid uuid;
	char text[UUID_TEXT];
	int rc = loop_event_new(1, &l, err);

	if (rc < 0)
		return rc;
	loop_uuid(l, &uuid);
	loop_event_free(l);
	uuid_format(&uuid, text);
	*ret = json_pack("{s:s, s:o}", "value", text, "parent", json_loads(parent, 0, NULL));
	return 0;
}

/* ---- how it ended ----------------------------------------------------------------------- */

/* Waits for it, and forgets it. */
static int take_status(const struct located *l, const json_t *id)
{
	mz_autofree char *gone = container_call("REMOVE_NESTED_CONTAINER", "remove_nested_container", id), *body = NULL;
	struct mz_err err;
	int http, ours = EXIT_FAILED, rc = container_wait(l, id, WAIT_NS, &ours, &err);

	if (rc < 0)
		cli_fail(0, "the command's exit status is not known: %s", err.msg);
	(void)cli_post(l->ip, l->at.port, gone, REMOVE_NS, &http, &body, &err); /* else the agent does, later */
	return ours;
}

static int conclude(const struct located *l, const json_t *id, const struct console_result *r)
{
	const char *name = js_str(l->task, "id");
	mz_autobuf struct buf text = {0};

	cli_add_clean(&text, r->text);
	switch (r->end) {
	case CONSOLE_ENDED:
		return take_status(l, id);
	case CONSOLE_CLOSED:
		return 128 + SIGPIPE;
	case CONSOLE_REFUSED:
		if (r->status == 403)
			return cli_fail(EXIT_FAILED, "no permission to run a command beside task '%s'", name);
		return cli_fail(EXIT_FAILED, "cannot run a command beside task '%s': %s", name,
				text.len ? buf_str(&text) : "the agent refuses");
	default:
		return cli_fail(EXIT_FAILED, "the connection to the agent of task '%s' is lost: %s", name,
				text.len ? buf_str(&text) : "it has ended");
	}
}

static int run_in(const struct cli *c, const struct located *l, const json_t *command, struct mz_err *err)
{
	mz_autofree char *parent = NULL, *container = NULL, *call = NULL;
	struct console_result result = {0};
	bool tty = cli_flag(c, "tty"), input = cli_flag(c, "interactive");
	json_t *id = NULL;
	int rc = locate_container(l, &parent, err);

	if (rc == 0)
		rc = session_id(parent, &id, err);
	if (rc < 0)
		return rc;
	call = launch_call(id, command, tty);
	container = json_dumps(id, JSON_COMPACT);
	const struct console_options o = {
		.ip = l->ip,
		.port = l->at.port,
		.output_call = call,
		.container = container,
		.input = input ? CONSOLE_STDIN : tty ? CONSOLE_NO_INPUT : CONSOLE_NOTHING,
		.tty = tty,
	};
	rc = console_run(&o, &result, err);
	if (rc == 0)
		rc = conclude(l, id, &result);
	free(result.text);
	json_decref(id);
	return rc;
}

static int run(struct cli *c)
{
	struct located l = {0};
	struct mz_err err = {0};
	json_t *command = NULL;

	if (cli_flag(c, "tty") && cli_flag(c, "interactive") && !terminal_is_there())
		return cli_fail(EXIT_USAGE, "exec: -i and -t together need a terminal as standard input");
	int rc = make_command(c, &command, &err);
	if (rc == 0)
		rc = locate(c, &l, &err);
	if (rc == 0)
		rc = run_in(c, &l, command, &err);
	located_done(&l);
	json_decref(command);
	return rc < 0 ? cli_fail(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, "%s", err.msg) : rc;
}

const struct cli_command cli_exec = {
	.name = "exec",
	.args = "[OPTION]... TASK COMMAND [ARGUMENT]...",
	.summary = "Run a command beside a running task, and exit with its status",
	.text = "The command runs in the task's container: with its namespaces, cgroups, user,\n"
		"environment and directory. Options for mezzo go before TASK. With the connection\n"
		"the command ends, too. The exit status is the command's, 128+N after signal N.",
	.opts = opts,
	.min_args = 2,
	.max_args = SIZE_MAX,
	.n_own = 1,
	.run = run,
};
