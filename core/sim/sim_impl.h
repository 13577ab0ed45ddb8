/* sim_impl.h - what sim.c and loop.c share: the entries of the queue.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_SIM_IMPL_H
#define MZ_SIM_SIM_IMPL_H

#include "base/err.h"
#include "sim/sim.h"

struct loop_timer {
	struct list in_node;
	struct sim_node *node;
	int64_t at;
	uint64_t seq;
	loop_fn fn;
	void *arg;
	size_t index; /* in the heap, counted from 1; 0: not in it */
};

/* Of a dead node: an entry that never comes up. */
struct loop_timer *sim_queue(struct sim_node *n, int64_t delay_ns, loop_fn fn, void *arg);
/* Takes it out of the queue and frees it. */
void sim_unqueue(struct loop_timer *t);
/* Only takes it out of the queue. */
void sim_silence(struct loop_timer *t);
int64_t sim_wall(const struct sim *s);

#endif
