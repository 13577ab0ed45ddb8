/* sim.h - virtual time: one queue of events, one random source, one trace.
 *
 * Every simulated process is a node with a struct loop of its own, so that the
 * end of a process takes its timers and posted work along. All nodes share the
 * clock and the queue: the same seed gives the same order of everything, and the
 * same hash. Used by the other files of this folder and by tests/sim.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_SIM_H
#define MZ_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/list.h"
#include "loop/loop.h"

struct sim;

/* A machine: processes on the same one reach each other always. */
struct sim_host {
	char name[32];
	int64_t cut_until; /* no word passes its network before */
};

/* A process. */
struct sim_node {
	struct loop loop; /* first member */
	struct sim *sim;
	struct sim_host *host;
	char name[64];
	bool dead; /* nothing of it runs any more */
	struct list timers;
	struct list sides; /* of its connections: net.c */
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *s);

struct sim_node *sim_node_new(struct sim *s, struct sim_host *host, const char *name);
/* From now on nothing that it asked for happens. Its objects may still be freed. */
void sim_node_kill(struct sim_node *n);
void sim_node_free(struct sim_node *n);

/* Runs the next event; false: there is none, or the run has failed. */
bool sim_step(struct sim *s);
int64_t sim_now(const struct sim *s);
uint64_t sim_n_events(const struct sim *s);

/* Whose event runs: for log lines. */
void sim_enter(struct sim *s, struct sim_node *n);

uint64_t sim_random(struct sim *s);
uint64_t sim_below(struct sim *s, uint64_t bound);
int64_t sim_between(struct sim *s, int64_t low, int64_t high); /* both included */
bool sim_chance(struct sim *s, unsigned permille);
/* Exponentially distributed, at most twenty times the mean. */
int64_t sim_exp(struct sim *s, int64_t mean);

/* Goes into the hash. */
void sim_hash(struct sim *s, const void *data, size_t size);
/* Goes into the hash and into the last events that a failure shows. */
void sim_trace(struct sim *s, const char *fmt, ...) MZ_PRINTF(2, 3);
uint64_t sim_hash_value(const struct sim *s);
/* All log lines of the process go into the trace of this simulation. */
void sim_take_log(struct sim *s);
/* Also prints every trace line to stderr. */
void sim_set_verbose(struct sim *s, bool verbose);

/* The first failure ends the run. */
void sim_fail(struct sim *s, const char *fmt, ...) MZ_PRINTF(2, 3);
const char *sim_failure(const struct sim *s); /* NULL: none */
/* The last lines of the trace. */
void sim_history(const struct sim *s, struct buf *out);

#endif
