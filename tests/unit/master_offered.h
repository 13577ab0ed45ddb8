/* master_offered.h - a framework with an offer, in a world of master_world.h, and what
 * most tests of it do.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_MASTER_OFFERED_H
#define MZ_TESTS_MASTER_OFFERED_H

#include "base/str.h"
#include "master_world.h"

#define SECS NS_PER_SEC
#define TO_AGENT(name) MEZZO__LINK__TO_AGENT__MESSAGE_##name
#define ST(name) MESOS__V1__TASK_STATE__TASK_##name
#define RS(name) MESOS__V1__TASK_STATUS__REASON__REASON_##name
#define PLAIN "\"user\":\"u\",\"name\":\"n\""
#define LASTING PLAIN ",\"failover_timeout\":600"
#define AWARE PLAIN ",\"capabilities\":[{\"type\":\"PARTITION_AWARE\"}]"
#define MULTI(roles) \
	PLAIN ",\"roles\":[" roles "],\"capabilities\":[{\"type\":\"MULTI_ROLE\"},{\"type\":\"RESERVATION_REFINEMENT\"}]"
#define RES "cpus:4;mem:4096;disk:1000;ports:[31000-31010]"

struct fagent *join(struct world *w, const char *resources); /* a new one, registered */
Mesos__V1__Offer *next_offer(struct sched *s); /* the first one of the next OFFERS; NULL: none */
Mesos__V1__Offer *only_offer(struct sched *s); /* there is one, and no other */

struct offered {
	struct fagent *a;
	struct sched *s;
	const char *offer;
};
/* A new agent with RES, a new framework, and the first offer that it gets. */
struct offered with_offer(struct world *w, const char *info);
/* The same, and a task "t" that runs; what is left is not offered for an hour. */
struct offered with_task(struct world *w, const char *info);
/* LAUNCH of `tasks` (JSON, with commas); more: further members of the ACCEPT, or NULL. */
void launch(struct offered *o, const char *tasks, const char *more);
void launch_one(struct offered *o, const char *id);
/* LAUNCH of that task alone; what is left is offered again at once. */
void launch_on(struct sched *s, const char *offer, const char *agent, const char *task);
/* The newest one within 2 s; there has to be one. */
Mesos__V1__Offer *offer_in(struct world *w, struct sched *s);
Mesos__V1__TaskStatus *next_status(struct sched *s); /* NULL: none */
/* The next one is the master's own, with this state and reason. */
void assert_update(struct sched *s, int task_state, int reason);
double metric(struct world *w, const char *name);
size_t count_in(const char *text, const char *what);

/* The row of a test in both encodings. */
#define BOTH(fn) \
	{#fn, fn, world_setup, world_teardown, NULL}, {#fn "/protobuf", fn, world_setup_protobuf, world_teardown, NULL}

#endif
