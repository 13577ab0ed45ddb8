/* containers.h - what all containers use, gathered for one answer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_API_CONTAINERS_H
#define MZ_AGENT_API_CONTAINERS_H

#include "agent/api/api.h"

struct usage_entry {
	char *framework_id, *executor_id, *executor_name, *source, *container_id;
	int32_t pid;
	struct arena arena;
	Mesos__V1__ResourceStatistics *statistics; /* NULL: unknown */
};

/* fn is called once, perhaps from inside; the entries are freed after it. */
void usage_gather(struct agent *a, void (*fn)(void *arg, struct usage_entry *v, size_t n), void *arg);

#endif
