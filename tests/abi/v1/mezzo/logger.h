/* <mezzo/logger.h> - loggers: where a container's stdout and stderr go.
 *
 * One logger is configured for an agent. A logger never sees the bytes itself: it
 * names files or gives descriptors, and what reads the other ends (a helper
 * process of its own, which must outlive the agent) writes them down.
 *
 * LIFE CYCLE of the instance: create; recover (once); containers; destroy.
 * LIFE CYCLE of a container
 *   1. prepare   before its process exists. May fail: the launch fails, and ended follows.
 *   2. ended     all its processes are dead. May come for a container that this
 *                instance does not know: it must succeed then.
 *   After a restart of the agent, recover replaces 1 for what still runs.
 *
 * CONVENTIONS as in <mezzo/module.h>.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_LOGGER_H
#define MEZZO_LOGGER_H

#include <mezzo/container.h>
#include <mezzo/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Result of prepare. */
struct mz_logger_result {
	uint32_t size;
	/* Write ends; close-on-exec; the containerizer's from here on, which closes
	 * them. -1: the file below. */
	int32_t fd_out, fd_err;
	/* Names in the sandbox, made if they are missing and appended to, with the
	 * container's rights. NULL: "stdout", "stderr". They live until the instance is
	 * destroyed. */
	const char *file_out, *file_err;
};

/* Host services of the kind: host->kind. Append only. */
struct mz_logger_host {
	uint32_t size;
	uint32_t reserved;
	const struct mz_info_api *info;
	const char *(*work_dir)(const struct mz_host *h);
	/* Private to this daemon, gone after a reboot of the machine. */
	const char *(*runtime_dir)(const struct mz_host *h);
	const char *(*libexec_dir)(const struct mz_host *h); /* of mezzo's own helpers */
	int (*is_root)(const struct mz_host *h);
	/* Starts a process that outlives the agent: neither its end nor the module's ends
	 * it, and its own end is told to nobody. It runs on return; *ret_pid may be NULL,
	 * and is its own at least until the callback has returned. Arguments as in
	 * host->spawn. */
	int (*spawn_detached)(const struct mz_host *h, const struct mz_spawn *s, int32_t *ret_pid,
			      struct mz_err *err);
};

struct mz_logger_ops {
	MZ_OPS_HEAD;
	/* Containers that survived a restart of the agent. NULL: nothing to recover. */
	void (*recover)(void *inst, const struct mz_container *const *containers, size_t n, struct mz_op *op);
	/* Required. Completes with struct mz_logger_result. */
	void (*prepare)(void *inst, const struct mz_container *c, struct mz_op *op);
	/* NULL: nothing to do. */
	void (*ended)(void *inst, const char *container_id, struct mz_op *op);
};

#ifdef __cplusplus
}
#endif
#endif
