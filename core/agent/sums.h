/* sums.h - running sums over the live tasks of an executor. For internal.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_SUMS_H
#define MZ_AGENT_SUMS_H

#include "model/resources.h"
#include "module/containers.h"

struct executor;
struct task;

/* Of one kind of limit over the live tasks of an executor (sums.c). */
struct limit_sum {
	int64_t sum; /* of the request where a task has no limit, and of the executor's own */
	int n_limited, n_unlimited;
};

struct executor_sums {
	resources *total;
	struct limit_sum cpus, mem;
	bool overlap; /* total cannot be subtracted from */
};

void agent_executor_sums_init(struct executor *ex);
void agent_executor_add_task(struct executor *ex, struct task *t);
/* The task's state may have changed: it counts while it is live. */
void agent_task_count(struct task *t);
void agent_task_uncount(struct task *t); /* it leaves its executor */
/* The container's resources: its own and those of its live tasks. The caller frees. */
resources *agent_executor_resources(const struct executor *ex);
/* Its limits: sums likewise, of the request where a task has no limit. */
struct container_limits agent_executor_limits(const struct executor *ex);

#endif
