/* launch.h - what a CommandInfo becomes, and signalling what has become of it: for
 * executors that start processes themselves.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_LIB_CHECKS_LAUNCH_H
#define MZ_LIB_CHECKS_LAUNCH_H

#include <mezzo/executor.h>

/* What a CommandInfo becomes. */
struct launch {
	char **argv, **env; /* NULL-ended */
};
/* From a CommandInfo, `field` of the TaskInfo ("command"): a shell's command line, or
 * a file and its arguments. The file is looked for in the PATH that it will have. The
 * environment is the executor's own, overridden by the task's, overridden by that of
 * the field. */
int launch_make(struct launch *l, const struct mz_executor_host *k, const struct mz_host *h, const struct mz_info *task,
		const char *field, struct mz_err *err);
/* Its parts: the environment alone (field NULL: the task's), and the file of a command. */
int launch_env(struct launch *l, const struct mz_executor_host *k, const struct mz_host *h, const struct mz_info *task,
	       const char *field, struct mz_err *err);
char *launch_find(const struct launch *l, const char *name, const char *dir); /* NULL: no memory */
void launch_done(struct launch *l);

/* How long a task that is killed may take to end: what the call says (negative: nothing),
 * else its kill policy, else 3 seconds. Added to a clock it does not overflow. */
int64_t kill_grace_ns(const struct mz_executor_host *k, const struct mz_info *task, int64_t asked_ns);

/* Signals a process, its process group, and all that descends from it. */
void kill_tree(int32_t pid, int signal);

#endif
