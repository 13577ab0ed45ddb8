/* commands.h - one table per command, each in the file of its name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CLI_COMMANDS_H
#define MEZZO_CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command cli_run, cli_tasks, cli_agents, cli_frameworks, cli_offers, cli_logs, cli_exec, cli_attach, cli_kill,
	cli_modules, cli_module, cli_state, cli_version, cli_help_command;

#endif
