/* <mezzo/executor.h> - executors: what runs tasks inside a container.
 *
 * An executor module is loaded by the program mezzo-executor, one process per
 * executor, inside the container. That program speaks the executor API with the
 * agent (subscribing again when the agent returns, resending what was not
 * acknowledged); the module decides what a task is.
 *
 * LIFE CYCLE
 *   1. create; 2. launch / launch_group, kill, message in any order;
 *   3. shutdown: end all tasks within the grace period, report each, then call
 *   host->finish; 4. destroy. A module calls finish also by itself, when it has
 *   nothing left to do. The process then waits until the agent has all updates.
 *
 * CONVENTIONS  host->update may be called at any time; updates of one task arrive
 *   in order. Exactly one terminal update per task. Children run in the sandbox,
 *   in sessions of their own, with stdout and stderr of the executor unless said
 *   otherwise.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_EXECUTOR_H
#define MEZZO_EXECUTOR_H

#include <mezzo/container.h>
#include <mezzo/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers as in TaskState. */
enum {
	MZ_TASK_STARTING = 0,
	MZ_TASK_RUNNING = 1,
	MZ_TASK_FINISHED = 2,
	MZ_TASK_FAILED = 3,
	MZ_TASK_KILLED = 4,
	MZ_TASK_KILLING = 8,
};

struct mz_task_update {
	uint32_t size;
	int32_t state;	     /* MZ_TASK_* */
	const char *task_id;
	const char *message; /* or NULL */
	int32_t reason;	     /* number of TaskStatus.Reason; -1: none */
	int32_t healthy;     /* 0, 1; -1: not known */
	struct mz_bytes data; /* data NULL: none */
	/* A check's result: number of CheckInfo.Type, 0: none. */
	int32_t check_type;
	int32_t check_value; /* exit code, HTTP status, 0/1; -1: no result */
	/* Of the nested container that the task runs in, "PARENT.CHILD"; NULL: the
	 * executor's own. */
	const char *container_id;
	/* A TaskResourceLimitation as JSON: what it had too much of; no data: nothing. */
	struct mz_bytes limitation;
};

struct mz_executor_host {
	uint32_t size;
	uint32_t reserved;
	const struct mz_info_api *info;
	void (*update)(const struct mz_host *h, const struct mz_task_update *u);
	void (*message)(const struct mz_host *h, struct mz_bytes data); /* to the framework */
	/* The executor is done: exit with this status when all is delivered. */
	void (*finish)(const struct mz_host *h, int exit_status);
	const char *(*sandbox)(const struct mz_host *h);
	const char *(*framework_id)(const struct mz_host *h);
	const char *(*executor_id)(const struct mz_host *h);
	const char *(*container_id)(const struct mz_host *h); /* after the first launch */
	const char *(*agent_endpoint)(const struct mz_host *h); /* "ip:port" */
	int (*has_capability)(const struct mz_host *h, int capability); /* of the framework, MZ_FW numbers */
	int64_t (*shutdown_grace)(const struct mz_host *h); /* ns */
	/* The executor's own environment, "NAME=value", NULL-ended: the base of a task's. */
	const char *const *(*environment)(const struct mz_host *h);
	/* A call of the agent's API (path "/api/v1", JSON): for executors of nested
	 * containers. fn is called once; status 0: no answer. `on_data` NULL: whole
	 * answer in fn; else chunks as they come, then fn with an empty body. */
	void (*agent_call)(const struct mz_host *h, const char *path, struct mz_bytes json,
			   void (*on_data)(void *arg, struct mz_bytes chunk),
			   void (*fn)(void *arg, int status, struct mz_bytes body), void *arg);
};

struct mz_executor_ops {
	MZ_OPS_HEAD;
	/* Required. `task` is a TaskInfo, to be read through host info; both live
	 * until destroy. */
	void (*launch)(void *inst, const char *task_id, const struct mz_info *task);
	/* A task group. NULL: each task fails with a clear message. */
	void (*launch_group)(void *inst, const char *const *task_ids, const struct mz_info *const *tasks,
			     size_t n);
	/* Required. grace_ns < 0: the task's own kill policy, or the default. May
	 * come again, with a shorter grace. Unknown ids are ignored. */
	void (*kill)(void *inst, const char *task_id, int64_t grace_ns);
	/* From the framework. NULL: ignored. */
	void (*message)(void *inst, struct mz_bytes data);
	/* Required. */
	void (*shutdown)(void *inst);
	/* The agent is gone / back. NULL: nothing to do. */
	void (*connection)(void *inst, int connected);
};

#ifdef __cplusplus
}
#endif
#endif
