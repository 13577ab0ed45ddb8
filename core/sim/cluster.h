/* cluster.h - a whole cluster in one process: the real master and the real agents
 * with their real modules, simulated schedulers, executors, network and disks,
 * and whatever goes wrong with them. One call runs one seed.
 *
 * Modules are found in the directories of `modules` (colon-separated), which hold
 * KIND/NAME.so.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_CLUSTER_H
#define MZ_SIM_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "sim/checker.h"

struct sim_cluster_config {
	const char *modules;
	unsigned n_agents, n_frameworks, n_tasks;
	bool faults; /* crashes, restarts, cuts, slow disks */
	/* Frameworks hoard, use ids twice, name what is not theirs; two more never want
	 * anything, and so many are vandals (vandal.h). */
	bool naughty;
	unsigned n_vandals;
	unsigned pod_size, pod_permille; /* LAUNCH_GROUP */
	bool verbose;
};

struct sim_cluster_report {
	uint64_t hash, n_events, n_updates, n_vandal_calls;
	struct checker_counts n; /* of the frameworks that have something to do */
	bool all_offered;	 /* in the end everything could be offered again */
	double virtual_secs;
	unsigned n_agent_crashes, n_master_crashes, n_cuts, n_resets;
};

/* 0; -EPROTO: something did not hold, and *why says what, with the last events.
 * Other errors: it could not be run. The process's log goes into the run meanwhile. */
int sim_cluster_run(const struct sim_cluster_config *c, uint64_t seed, struct sim_cluster_report *ret,
		    struct buf *why);

#endif
