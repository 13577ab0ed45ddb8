/* dispatch.c - the list of commands, and the way from argv to one of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/str.h"
#include "cli/commands.h"

const struct cli_command *const cli_commands[] = {
	&cli_run,     &cli_tasks,  &cli_agents, &cli_frameworks, &cli_offers,	&cli_logs,	   &cli_exec, &cli_attach,
	&cli_kill,    &cli_modules, &cli_module, &cli_state,	   &cli_version, &cli_help_command, NULL,
};

static int version(struct cli *c)
{
	if (cli_flag(c, "json"))
		printf("{\n  \"name\": \"mezzo\",\n  \"version\": \"%s\"\n}\n", PACKAGE_VERSION);
	else
		printf("mezzo %s\n", PACKAGE_VERSION);
	return EXIT_OK;
}

static int help(struct cli *c)
{
	const struct cli_command *cmd = NULL;

	if (c->args.n) {
		cmd = cli_command_find(c->args.v[0]);
		if (!cmd)
			return cli_fail(EXIT_USAGE, "help: unknown command '%s'", c->args.v[0]);
	}
	cli_help(cmd, stdout);
	return EXIT_OK;
}

const struct cli_command cli_version = {.name = "version", .args = "", .summary = "Print the version of this program", .run = version};
const struct cli_command cli_help_command = {.name = "help", .args = "[COMMAND]", .summary = "Print help", .max_args = 1, .run = help};

static int run_command(struct cli *c)
{
	if (cli_flag(c, "help")) {
		cli_help(c->cmd, stdout);
		return EXIT_OK;
	}
	if (cli_flag(c, "version"))
		return version(c);
	if (!c->cmd) {
		cli_help(NULL, stderr);
		return EXIT_USAGE;
	}
	return c->cmd->run(c);
}

int cli_main(int argc, char *const *argv)
{
	struct cli c = {0};
	struct mz_err err = {0};
	int status;

	if (cli_parse(&c, argc, argv, &err) < 0)
		status = cli_fail(EXIT_USAGE, "%s", err.msg);
	else
		status = run_command(&c);
	cli_done(&c);
	/* A full disk or a closed pipe is a failure, too. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_OK)
		status = cli_fail(EXIT_FAILED, "cannot write to standard output");
	return status;
}
