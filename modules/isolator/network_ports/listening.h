/* listening.h - on which TCP ports processes listen. Blocking, for worker threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_LISTENING_H
#define MZ_ISOLATOR_LISTENING_H

#include <stddef.h>
#include <stdint.h>

enum { LISTENING_MAX_PORTS = 256, LISTENING_MAX_PROCESSES = 16384 };

struct listening {
	uint16_t ports[LISTENING_MAX_PORTS]; /* sorted, each once; more are left out */
	size_t n;
};

/* Of all in the cgroup at `group` and those below it, or (NULL) of `pid` and all that descends
 * from it; in the network namespace of `pid`. What comes and goes meanwhile is seen or not.
 * -ESRCH: `pid` is gone. */
int listening_ports(int32_t pid, const char *group, struct listening *ret);

#endif
