/* vandal.h - a simulated scheduler that means no good: it sends what is malformed,
 * stale, not its own or far too large, launches things that make no sense, and comes
 * back as a new framework when it is thrown out.
 *
 * Of its own tasks nothing is expected but that they end with it; everybody else's
 * must not notice that it is there. Every call has to be answered, never with a 500.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_VANDAL_H
#define MZ_SIM_VANDAL_H

#include "sim/checker.h"
#include "sim/gossip.h"
#include "sim/net.h"

struct sim_vandal;

/* `number` is that of a framework in the checker. */
struct sim_vandal *sim_vandal_new(struct sim *s, struct sim_net *net, struct checker *c, struct gossip *g,
				  unsigned number, const char *master);
void sim_vandal_free(struct sim_vandal *v);
/* From now on it does nothing; its frameworks time out. */
void sim_vandal_leave(struct sim_vandal *v);
struct sim_host *sim_vandal_host(struct sim_vandal *v);
/* Calls that are neither answered nor lost. */
size_t sim_vandal_waiting(const struct sim_vandal *v);
uint64_t sim_vandal_calls(const struct sim_vandal *v);

#endif
