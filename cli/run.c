/* run.c - `mezzo run`: its arguments. The running itself is in run_tasks.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/run.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/commands.h"
#include "model/model.h"
#include "model/resources.h"

enum { MAX_INSTANCES = 10000, MAX_NAME = 200 };

static const struct cli_opt opts[] = {
	{"name", 'n', "NAME", "name of the task (default: the program's)"},
	{"resources", 'r', "TEXT", "what one instance needs (default: cpus:0.1;mem:32)"},
	{"command", 'c', "TEXT", "a command for /bin/sh, instead of -- ARGV"},
	{"env", 'e', "NAME=VALUE", "sets a variable; may be repeated"},
	{"role", 0, "ROLE", "the role whose resources are used (default: *)"},
	{"user", 'u', "USER", "who runs the task (default: you)"},
	{"instances", 'i', "N", "runs N of them; their lines get a prefix (default: 1)"},
	{"tty", 0, NULL, "gives the task a terminal, for mezzo attach"},
	{"detach", 'd', NULL, "does not wait: prints the ids and leaves the tasks running"},
	{"timeout", 't', "TIME", "kills what still runs after this time (30s, 5mins); exit status 124"},
	{0},
};

static int plan_command(struct run_plan *p, const struct cli *c, struct mz_err *err)
{
	const char *shell = cli_option(c, "command");

	if (c->args.n)
		return mz_fail(err, -EINVAL, "run: unexpected argument '%s' (a program goes behind '--')", c->args.v[0]);
	if (shell && c->has_rest)
		return mz_fail(err, -EINVAL, "run: --command and '--' exclude each other");
	if (!shell && !c->rest.n)
		return mz_fail(err, -EINVAL, "run: nothing to run (give --command TEXT or -- PROGRAM ARGUMENT...)");
	if (shell && !*shell)
		return mz_fail(err, -EINVAL, "run: --command is empty");
	p->task.shell = shell != NULL;
	p->task.command = shell ? shell : c->rest.v[0];
	for (size_t i = 0; i < c->rest.n; i++)
		vec_push(&p->argv, c->rest.v[i]);
	p->task.argv = p->argv.v;
	p->task.n_argv = p->argv.n;
	return 0;
}

static int plan_env(struct run_plan *p, const struct cli *c, struct mz_err *err)
{
	for (size_t i = 0; i < c->values.n; i++) {
		struct mzf_env e;
		if (!str_eq(c->values.v[i].opt->name, "env"))
			continue;
		if (cli_parse_env(c->values.v[i].value, (char **)&e.name, &e.value) < 0)
			return mz_fail(err, -EINVAL, "run: --env '%s' is not NAME=VALUE", c->values.v[i].value);
		vec_push(&p->env, e);
	}
	p->task.env = p->env.v;
	p->task.n_env = p->env.n;
	return 0;
}

static int plan_numbers(struct run_plan *p, const struct cli *c, struct mz_err *err)
{
	const char *n = cli_option(c, "instances"), *t = cli_option(c, "timeout");

	p->n_instances = 1;
	if (n && (str_to_i64(n, &p->n_instances) < 0 || p->n_instances < 1 || p->n_instances > MAX_INSTANCES))
		return mz_fail(err, -EINVAL, "run: --instances '%s' is not between 1 and %d", n, MAX_INSTANCES);
	if (t && (str_to_duration_ns(t, &p->timeout_ns) < 0 || p->timeout_ns <= 0))
		return mz_fail(err, -EINVAL, "run: --timeout '%s' is no time (30s, 5mins)", t);
	if (t && p->detach)
		return mz_fail(err, -EINVAL, "run: --timeout and --detach exclude each other");
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

int run_plan_init(struct run_plan *p, const struct cli *c, struct mz_err *err)
{
	mz_autores resources wanted = {0};
	int rc;

	p->task.size = sizeof(p->task);
	p->detach = cli_flag(c, "detach");
	p->json = cli_flag(c, "json");
	p->user = cli_option(c, "user");
	if (cli_flag(c, "tty"))
		p->task.json = "{\"container\":{\"type\":\"MESOS\",\"tty_info\":{}}}";
	p->role = cli_option(c, "role") ? cli_option(c, "role") : "*";
	p->task.resources = cli_option(c, "resources") ? cli_option(c, "resources") : "cpus:0.1;mem:32";
	rc = plan_command(p, c, err);
	if (rc == 0)
		rc = plan_env(p, c, err);
	if (rc == 0)
		rc = plan_numbers(p, c, err);
	if (rc < 0)
		return rc;
	if (role_check(p->role, err) < 0)
		return mz_wrap(err, "run: --role");
	if (res_parse(p->task.resources, NULL, &wanted, err) < 0)
		return mz_wrap(err, "run: --resources '%s'", p->task.resources);
	if (res_empty(&wanted))
		return mz_fail(err, -EINVAL, "run: --resources '%s' is empty", p->task.resources);
	p->task.name = cli_option(c, "name");
	if (!p->task.name)
		p->task.name = p->task.shell ? "sh" : base_name(p->task.command);
	if (strlen(p->task.name) > MAX_NAME || id_check("name", p->task.name, err) < 0)
		return mz_fail(err, -EINVAL, "run: --name '%s' is empty, too long, or has odd characters", p->task.name);
	return 0;
}

void run_plan_done(struct run_plan *p)
{
	for (size_t i = 0; i < p->env.n; i++)
		free((char *)p->env.v[i].name);
	vec_done(&p->env);
	vec_done(&p->argv);
}

static int run(struct cli *c)
{
	struct run_plan p = {0};
	struct mz_err err = {0};
	int status;

	if (run_plan_init(&p, c, &err) < 0)
		status = cli_fail(EXIT_USAGE, "%s", err.msg);
	else
		status = run_execute(&p, cli_master(c));
	run_plan_done(&p);
	return status;
}

const struct cli_command cli_run = {
	.name = "run",
	.args = "[OPTION]... --command TEXT | -- PROGRAM [ARGUMENT]...",
	.summary = "Run a task, show its output, and exit with its status",
	.text = "Waits for an offer that fits. Ctrl-C kills the task; a second one gives it up at once.\n"
		"The exit status is the task's: 128+N after signal N, 137 if it was killed, 1 if it\n"
		"was lost, 124 after --timeout, 130 after Ctrl-C; of several tasks, the first that is not 0.",
	.opts = opts,
	.max_args = SIZE_MAX,
	.run = run,
};
