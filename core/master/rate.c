/* rate.c - see rate.h. One number a bucket: the time at which it will be full,
 * which a call moves on by the time that one call takes to come back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "loop/loop.h"
#include "master/rate.h"

/* A bucket that needs longer to fill than this is as good as empty for ever. */
#define MAX_INTERVAL_NS (86400 * NS_PER_SEC)

bool rate_take(struct rate *r, double per_second, uint32_t burst, int64_t now, int64_t *ret_wait_ns)
{
	if (!(per_second > 0))
		return true;
	double exact = (double)NS_PER_SEC / per_second;
	int64_t interval = exact < 1 ? 1 : exact > (double)MAX_INTERVAL_NS ? MAX_INTERVAL_NS : (int64_t)exact;
	int64_t full = MZ_MAX(r->full_ns, now), room;
	if (__builtin_mul_overflow(interval, (int64_t)(burst ? burst : 1) - 1, &room))
		room = INT64_MAX; /* no end of it that anybody will see */
	if (full - now > room) {
		*ret_wait_ns = full - now - room;
		return false;
	}
	if (__builtin_add_overflow(full, interval, &r->full_ns))
		r->full_ns = INT64_MAX;
	return true;
}
