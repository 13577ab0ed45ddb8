/* master_world.h - a master with its real allocator, a disk in memory, agents and
 * schedulers played by the test.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_MASTER_WORLD_H
#define MZ_TESTS_MASTER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fakes.h"
#include "kit_loop.h"
#include "master/master.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "mezzo/link.pb-c.h"
#include "module/module.h"
#include "wire/codec.h"

struct world {
	struct loop *loop;
	struct fake_disk disk;
	struct store *store;
	struct http_router router;
	struct module_registry *modules;
	struct module *allocator, *authorizer;
	struct master *m;
	struct arena arena;
	VEC(struct fake_call *) calls;
	VEC(struct fake_link *) links;
	VEC(struct fagent *) fagents;
	VEC(struct fake_call *) streams;
	bool with_authorizer;
	enum codec codec; /* that schedulers speak; calls are always written in JSON */
	struct master_config cfg; /* for the next world_start */
};

/* deny: user whose tasks the authorizer of the world forbids. */
#define WORLD_DENIED_USER "eve"

/* It forbids this action, too; 0: none. */
extern int world_denied_action;
/* The last question that it was asked: the action, and what for. */
extern int world_asked;
extern char world_asked_value[64];

/* While held, the authorizer of the world answers no question about tasks; then all of
 * them, in their order. */
struct world;
void world_hold_authorizer(struct world *w, bool held);

int world_setup(void **state);
int world_setup_protobuf(void **state); /* schedulers speak protobuf */
int world_setup_authorized(void **state);
int world_teardown(void **state);
void world_start(struct world *w);   /* elects a new master on the same disk */
void world_restart(struct world *w); /* the master dies; links and streams with it */
void world_settle(struct world *w);  /* turns until nothing is due */
void world_pass(struct world *w, int64_t ns);
void world_check(struct world *w);

/* One HTTP call that lives as long as the world. */
struct fake_call *world_http(struct world *w, const char *method, const char *target, const char *headers,
			     const char *body);
struct fake_call *world_get(struct world *w, const char *target);

/* A scheduler: its stream, and calls on it. */
struct sched {
	struct world *w;
	struct fake_call *stream;
	char *id; /* framework id */
};
/* info: members of framework_info, JSON without braces. NULL id: a new one. */
struct sched *sched_subscribe(struct world *w, const char *info, const char *id);
/* The same with more members of the SUBSCRIBE itself: ",\"suppressed_roles\":[…]". */
struct sched *sched_subscribe_with(struct world *w, const char *info, const char *id, const char *more);
/* POSTs a JSON call in the world's encoding. */
struct fake_call *world_post_call(struct world *w, const char *json, const char *stream_id);
/* Body without framework_id; the whole answer. */
struct fake_call *sched_post(struct sched *s, const char *fmt, ...);
/* The status of the answer. */
int sched_call(struct sched *s, const char *fmt, ...);
/* Next event of that type, skipping others; NULL: none. */
Mesos__V1__Scheduler__Event *sched_event(struct sched *s, int type);
/* Next event, whatever it is. */
Mesos__V1__Scheduler__Event *sched_any(struct sched *s);

#define EV(name) MESOS__V1__SCHEDULER__EVENT__TYPE__##name

/* An agent that has registered, or returned with `id`. */
struct fagent {
	struct world *w;
	struct fake_link *link;
	char *id;
	int port;
};
/* Attributes of agents that join from now on, as text; the default is rack:1-1;speed:2.5. */
extern const char *world_attributes;
extern uint32_t world_capabilities; /* of such agents, besides MULTI_ROLE: 1 << type */
/* Of the next agent only. Else who returns has the port that it had, others the next one
 * from 5051. */
extern int world_port;
extern const char *world_hostname; /* of agents that join from now on; "host" */
extern const char *world_zone;	   /* of them, in region "r"; NULL: they have no domain */
struct fagent *agent_join(struct world *w, const char *resources, const char *id, Mezzo__Link__Register *reg);
Mezzo__Link__ToAgent *agent_next(struct fagent *a, int message);
void agent_unregister(struct fagent *a);
/* state, uuid byte (0: none) and latest state (-1: the same). */
void agent_update(struct fagent *a, const char *framework, const char *task, int state, int uuid, int latest);

/* The JSON of a plain command task. */
char *task_json(struct world *w, const char *id, const char *agent, double cpus, double mem);

#endif
