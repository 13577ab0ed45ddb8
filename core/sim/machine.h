/* machine.h - a machine with an agent: its containers and the executors in them,
 * which outlive the agent's process, and its disk.
 *
 * Executors speak the executor API to the agent through the simulated network,
 * as an ordinary executor library does: what is not acknowledged is told again
 * with the next SUBSCRIBE.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_MACHINE_H
#define MZ_SIM_MACHINE_H

#include "module/containers.h"
#include "base/map.h"
#include "model/resources.h"
#include "sim/checker.h"
#include "sim/disk.h"
#include "sim/net.h"

struct sim_machine_config {
	int64_t task_mean_ns;
	int64_t recovery_timeout_ns; /* an executor without its agent gives up */
	unsigned launch_fails_permille, executor_dies_permille, task_fails_permille;
};

struct sim_containers;

struct sim_machine {
	struct sim *sim;
	struct sim_net *net;
	struct checker *checker;
	struct sim_disk *disk;
	const struct sim_machine_config *cfg;
	struct sim_host host;
	char address[32]; /* of the agent's HTTP server */
	resources *total;
	struct sim_node *kernel; /* never dies */
	struct map containers;	 /* id -> struct sim_container */
	struct sim_containers *agent; /* the agent's view; NULL: it is down */
	int32_t last_pid;
};

struct sim_container {
	struct sim_machine *machine;
	char *id, *framework_id, *executor_id;
	bool command, checkpoint, doomed, started, exited, reporting;
	int wait_status;
	int32_t pid;
	struct sim_exec *exec; /* NULL: no process */
	void (*fn)(void *arg, const struct mz_err *err, int32_t pid); /* of launch; NULL: told, or nobody asks */
	void *arg;
};

void sim_machine_done(struct sim_machine *m);
/* One for each life of the agent. */
struct containers *sim_containers_new(struct sim_machine *m, struct sim_node *agent);
/* The agent's process is gone; containers stay. */
void sim_containers_free(struct containers *c);
size_t sim_machine_running(const struct sim_machine *m);

/* exec.c */
struct sim_exec *sim_exec_new(struct sim_container *c);
/* Kills the process, at once and without a word. */
void sim_exec_free(struct sim_exec *e);
/* containers.c: the process has ended by itself (from its own event). */
void sim_container_exited(struct sim_container *c, int wait_status);

#endif
