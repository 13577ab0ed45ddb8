/* listening.h - on which TCP ports processes listen. Blocking, for worker threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_LISTENING_H
#define MZ_ISOLATOR_LISTENING_H

#include <stddef.h>
#include <stdint.h>

/* The listening sockets of the network namespaces that were looked into, each read once:
 * for one look at many containers, most of which share the host's. */
struct tables {
	struct table *first; /* NULL to begin with */
};
void tables_done(struct tables *t);

struct listening {
	uint16_t *ports; /* sorted, each once; free() it */
	size_t n;
};

/* Of all in the cgroup at `group` and those below it, or (NULL) of `pid` and all that descends
 * from it; in the network namespace of `pid`. What comes and goes meanwhile is seen or not.
 * -ESRCH: `pid` is gone. */
int listening_ports(struct tables *t, int32_t pid, const char *group, struct listening *ret);

#endif
