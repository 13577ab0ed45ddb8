/* framework.h - a simulated scheduler: it launches so many tasks from the offers
 * it gets, kills some, declines some, acknowledges, reconciles, loses its
 * connection and comes back, and leaves when all its tasks have ended. It may have
 * worse habits, none of which anybody else may notice.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_FRAMEWORK_H
#define MZ_SIM_FRAMEWORK_H

#include "sim/checker.h"
#include "sim/gossip.h"
#include "sim/net.h"

struct sim_framework_config {
	unsigned n_tasks;
	unsigned decline_permille, kill_permille;
	unsigned failover_permille; /* each ten seconds */
	unsigned suppress_permille;
	int64_t ack_mean_ns;
	int64_t reconcile_ns; /* asks for tasks that it has heard nothing of for so long */
	unsigned pod_size, pod_permille; /* LAUNCH_GROUP instead of LAUNCH; 0: never */
	unsigned hoard_permille;	 /* keeps an offer until it is taken away */
	unsigned stale_permille;	 /* an ACCEPT names an offer that is no more, or not its own */
	unsigned again_permille;	 /* launches something with the id of a task that it has */
	bool own_id;			 /* has chosen its framework id itself */
	bool forever;			 /* declines whatever comes, until it is told to leave */
	bool unchecked;			 /* its executors end with their agent */
	const bool *may_leave;		 /* not before, even if all its tasks have ended */
	struct gossip *gossip;		 /* where wrong ids come from; may be NULL */
};

struct sim_framework;

/* *n_lives counts the masters that have crashed: a new one knows no stream of an old one. */
struct sim_framework *sim_framework_new(struct sim *s, struct sim_net *net, struct checker *c, unsigned number,
					const char *master, const unsigned *n_lives,
					const struct sim_framework_config *cfg);
void sim_framework_free(struct sim_framework *f);
/* All tasks have ended, and it has left. */
bool sim_framework_is_done(const struct sim_framework *f);
struct sim_host *sim_framework_host(struct sim_framework *f);
/* All tasks have ended. */
bool sim_framework_has_ended(const struct sim_framework *f);
/* One that stays for ever is to tear down. */
void sim_framework_leave(struct sim_framework *f);
/* Where it stands, for messages. */
void sim_framework_describe(const struct sim_framework *f, struct buf *out);

#endif
