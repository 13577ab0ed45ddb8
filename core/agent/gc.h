/* gc.h - sandboxes that wait for their removal; see gc.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_GC_H
#define MZ_AGENT_GC_H

#include "agent/internal.h"

struct sandbox {
	struct list node; /* in agent.gc, oldest first */
	char *directory, *key;
	int64_t ended_wall_ns;
	bool removing;
	struct agent *agent;
};

/* The container has ended now: its sandbox goes in time. */
void gc_schedule(struct agent *a, const char *container, const char *directory);
/* It is used again, or removed by somebody else. -EBUSY: it is being removed. */
int gc_unschedule(struct agent *a, const char *directory);
void gc_restore(struct agent *a, const char *key, const char *directory, double ended);
void gc_start(struct agent *a);
void gc_done(struct agent *a);
int64_t gc_max_age_ns(struct agent *a);

#endif
