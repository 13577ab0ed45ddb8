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
	Mesos__V1__ContainerStatus status;	   /* with pid and what modules tell, without id */
};

/* NESTED, STANDALONE: besides the executors'. ALL: whatever `who` may see. */
enum { USAGE_NESTED = 1, USAGE_STANDALONE = 2, USAGE_ALL = 4 };
/* fn is called once, perhaps from inside; the entries are freed after it. */
void usage_gather(struct agent *a, unsigned which, const char *who,
		  void (*fn)(void *arg, struct usage_entry *v, size_t n), void *arg);

#endif
