/* command.h - between the files of executor/command.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_EXECUTOR_COMMAND_H
#define MZ_EXECUTOR_COMMAND_H

#include <mezzo/executor.h>

/* What a CommandInfo becomes. */
struct launch {
	char **argv, **env; /* NULL-ended */
};
/* From TaskInfo.command: a shell's command line, or a file and its arguments. The
 * file is looked for in the task's PATH. The environment is the executor's own,
 * overridden by the command's. */
int launch_make(struct launch *l, const struct mz_executor_host *k, const struct mz_host *h, const struct mz_info *task,
		struct mz_err *err);
void launch_done(struct launch *l);

/* Signals a process, its process group, and all that descends from it. */
void kill_tree(int32_t pid, int signal);

#endif
