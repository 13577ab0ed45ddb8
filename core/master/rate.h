/* rate.h - how many calls a framework, or all frameworks of a principal, may send.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MASTER_RATE_H
#define MZ_MASTER_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* A bucket that holds `burst` calls and is filled at `per_second`. */
struct rate {
	int64_t full_ns; /* when it is full again if nothing is taken */
};

/* per_second 0: no limit. False: nothing is left, *ret_wait_ns until there is. */
bool rate_take(struct rate *r, double per_second, uint32_t burst, int64_t now, int64_t *ret_wait_ns);

#endif
