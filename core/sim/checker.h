/* checker.h - what must hold in a cluster, whatever happens to it.
 *
 * - A task runs at most once, on the agent it was launched on.
 * - What runs on an agent and what is offered of it is never more than it has.
 * - Offers are disjoint.
 * - An update that an executor may forget is on disk, or the framework has it.
 * - A framework sees the updates of a task exactly as they were sent, in order.
 * - In the end nothing is left: no task, no offer, no record.
 *
 * It is told what happens where it happens (executors, schedulers, the network)
 * and calls sim_fail() at the first thing that is wrong.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_CHECKER_H
#define MZ_SIM_CHECKER_H

#include "mesos/v1/mesos.pb-c.h"
#include "model/resources.h"
#include "sim/sim.h"

struct checker;
struct sim_machine;

struct checker *checker_new(struct sim *s);
void checker_free(struct checker *c);

/* A scheduler has decided to launch it. `framework` is a number of its own. */
void checker_task_launched(struct checker *c, const char *task_id, unsigned framework);
bool checker_has_task(const struct checker *c, const char *task_id);
/* It asks for another task with the id of one that it has launched: that is refused,
 * or the first one has ended meanwhile. There may be one live copy all the same. */
void checker_task_launched_again(struct checker *c, const char *task_id);
/* Nothing is expected of the tasks of this framework, neither are they counted. */
void checker_anything_goes(struct checker *c, unsigned framework);
/* Its executor has it. */
void checker_task_started(struct checker *c, const char *task_id, struct sim_machine *m, const resources *r);
void checker_task_ended(struct checker *c, const char *task_id);
/* The framework is torn down: nobody counts its tasks any more. */
void checker_framework_ended(struct checker *c, unsigned framework);

void checker_update_sent(struct checker *c, const char *task_id, const unsigned char *uuid,
			 Mesos__V1__TaskState state, const char *message);
/* The executor has died with it: it may be lost. */
void checker_update_lost(struct checker *c, const char *task_id, const unsigned char *uuid);
void checker_executor_acked(struct checker *c, struct sim_machine *m, const char *task_id,
			    const unsigned char *uuid);
void checker_update_seen(struct checker *c, unsigned framework, const Mesos__V1__TaskStatus *s);
/* Nobody knows it, and its framework takes that for its end. */
void checker_task_unknown(struct checker *c, const char *task_id);
void checker_framework_acked(struct checker *c, const char *task_id, const unsigned char *uuid);

/* The master has written an offer to a stream / will not honour it any more. */
void checker_offer_made(struct checker *c, const void *stream, const Mesos__V1__Offer *o);
void checker_offer_ended(struct checker *c, const char *offer_id);
/* The stream has ended on the master's side: so have its offers. NULL: all streams. */
void checker_offers_ended(struct checker *c, const void *stream);
/* Before anything is offered of it: agents have their machine's name. */
void checker_add_machine(struct checker *c, struct sim_machine *m);

/* Everything is over: is anything left, was anything not seen? */
void checker_finish(struct checker *c);
size_t checker_n_offers(const struct checker *c);
uint64_t checker_n_updates(const struct checker *c);

#endif
