/* mezzo-logger-pace.c - mezzo-logger: what it does for a container is outside of that
 * container's limits, so it does not do it as fast as it could. A task that writes without end
 * waits for its pipe then, and not the agent for a processor.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <time.h>

#include "bin/mezzo-logger.h"

/* Processor time that may be used at once, and the shortest rest that is worth one. */
static const int64_t BURST_NS = 50000000, REST_NS = 1000000;

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void pace_keep(struct pace *p)
{
	int64_t used = clock_ns(CLOCK_PROCESS_CPUTIME_ID), now = clock_ns(CLOCK_MONOTONIC);
	int64_t oldest = now - BURST_NS * p->one_in;
	if (p->due_ns < oldest)
		p->due_ns = oldest;
	p->due_ns += (used - p->used_ns) * p->one_in;
	p->used_ns = used;
	if (p->due_ns < now + REST_NS)
		return;
	struct timespec due = {p->due_ns / 1000000000, p->due_ns % 1000000000};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL); /* no signal comes through */
}
