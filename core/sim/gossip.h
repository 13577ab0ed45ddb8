/* gossip.h - what the schedulers of a run overhear of each other: ids of offers,
 * tasks, agents and frameworks, to be used where they do not belong.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_GOSSIP_H
#define MZ_SIM_GOSSIP_H

#include "sim/sim.h"

enum gossip_kind { GOSSIP_OFFER, GOSSIP_TASK, GOSSIP_AGENT, GOSSIP_FRAMEWORK, N_GOSSIP };

struct gossip;

struct gossip *gossip_new(struct sim *s);
void gossip_free(struct gossip *g);
/* Remembered until enough newer ones have come. g NULL: no-op. */
void gossip_tell(struct gossip *g, enum gossip_kind k, const char *id);
/* One of those, or NULL. It lives until the next gossip_tell(). */
const char *gossip_any(struct gossip *g, enum gossip_kind k);

/* mutate.c: changes one thing somewhere in a message: leaves out, repeats, fills in,
 * or gives it a value that nobody expects. `json`: only what JSON can say. */
struct arena;
void sim_mutate(struct sim *s, void *pb_message, bool json, struct arena *m);
/* The same for its bytes. */
void sim_mutate_bytes(struct sim *s, struct buf *b, bool json);

#endif
