/* loop.c - what every implementation of the loop has in common; see loop.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include "base/err.h"

void loop_uuid(struct loop *l, struct uuid *ret)
{
	loop_random(l, ret->b, sizeof(ret->b));
	uuid_finish(ret);
}

uint64_t loop_random_below(struct loop *l, uint64_t bound)
{
	must(bound > 0);
	/* 2^64 mod bound: draws below it would favour the small remainders. */
	uint64_t unfair = -bound % bound, x;
	do
		loop_random(l, &x, sizeof(x));
	while (x < unfair);
	return x % bound;
}
