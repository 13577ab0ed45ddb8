/* containers.h - what all containers use, gathered for one answer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_API_CONTAINERS_H
#define MZ_AGENT_API_CONTAINERS_H

#include "agent/api/api.h"

struct usage_entry {
	char *framework_id, *executor_id; /* NULL: it stands alone */
	char *executor_name, *source;
	char *container_id; /* nested: "PARENT.CHILD" */
	int32_t pid;
	struct arena arena;
	Mesos__V1__ResourceStatistics *statistics; /* NULL: unknown */
};

enum { USAGE_NESTED = 1, USAGE_STANDALONE = 2 }; /* besides the executors' */
/* fn is called once, perhaps from inside; the entries are freed after it. */
void usage_gather(struct agent *a, unsigned which, void (*fn)(void *arg, struct usage_entry *v, size_t n), void *arg);

#endif
