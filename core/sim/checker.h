/* checker.h - what must hold in a cluster, whatever happens to it.
 *
 * - A task runs at most once, on the agent it was launched on.
 * - What runs on an agent and what is offered of it is never more than it has.
 * - Offers are disjoint, of one role, which is the framework's, and of nothing that is
 *   reserved to another.
 * - What a framework has refused is not offered to it again before it is time, and
 *   nothing is while it has suppressed offers.
 * - Tasks of a group start together or not at all.
 * - An update that an executor may forget is on disk, or the framework has it.
 * - A framework sees the updates of a task exactly as they were sent, in order; what
 *   must be acknowledged has a uuid, and nothing else has; states are those that the
 *   framework can take.
 * - A task has one end: after that, nobody says anything else of it.
 * - Nobody says that a task is gone while it runs, or while its agent has news of it.
 * - In the end nothing is left: no task, no offer, no record; and all that there is
 *   can be offered again.
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
/* The last n that were launched by this name belong together. */
void checker_group_launched(struct checker *c, const char *const *task_ids, size_t n);
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
/* What the checker knows of a scheduler. */
struct checker_scheduler {
	unsigned number;
	const char *id, *role;
	bool multi_role, partition_aware, unchecked; /* its agents forget its tasks when they restart */
};
void checker_update_seen(struct checker *c, const struct checker_scheduler *who, const Mesos__V1__TaskStatus *s);
/* Nobody knows it, and its framework takes that for its end. */
void checker_task_unknown(struct checker *c, const char *task_id);
void checker_framework_acked(struct checker *c, const char *task_id, const unsigned char *uuid);

/* The master has written an offer to a stream / will not honour it any more. who NULL:
 * whatever it is, and whoever gets it. */
void checker_offer_made(struct checker *c, const void *stream, const struct checker_scheduler *who,
			const Mesos__V1__Offer *o);
/* The machine of an offer that is open, and this framework's; NULL: it is not. */
const char *checker_offer_machine(const struct checker *c, const char *offer_id, unsigned framework);
/* The master has been told that it does not want this, or anything, for so long. */
void checker_offer_refused(struct checker *c, unsigned framework, const char *machine, const resources *r, double secs);
void checker_offers_suppressed(struct checker *c, unsigned framework);
/* It takes whatever comes, from now on. */
void checker_offers_wanted(struct checker *c, unsigned framework);
/* Agents come and go, and the filters with them. */
void checker_ignore_filters(struct checker *c);
/* Is everything that the machines have offered to somebody? Adds what is not. */
bool checker_all_offered(struct checker *c, struct buf *ret_what);
void checker_offer_ended(struct checker *c, const char *offer_id);
/* The stream has ended on the master's side: so have its offers. NULL: all streams. */
void checker_offers_ended(struct checker *c, const void *stream);
/* Before anything is offered of it: agents have their machine's name. */
void checker_add_machine(struct checker *c, struct sim_machine *m);

/* Everything is over: is anything left, was anything not seen? */
void checker_finish(struct checker *c);
size_t checker_n_offers(const struct checker *c);
uint64_t checker_n_updates(const struct checker *c);

struct checker_counts {
	size_t tasks;		     /* launched, of those frameworks that are counted */
	size_t ended;		     /* whose framework knows that */
	size_t ended_once;	     /* with one update that had to be acknowledged */
	size_t never_started;	     /* and ended without that */
	size_t groups;
	size_t groups_whole, groups_none; /* all of whose tasks started; none of whose did */
};
struct checker_counts checker_count(const struct checker *c);

#endif
