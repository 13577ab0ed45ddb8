/* master.h - the master as its owners (bin, sim, tests) see it.
 *
 * A state machine without I/O: it is handed HTTP exchanges by a router, agents'
 * links by master_link(), durability by a store, time by the loop, and asks
 * modules (allocator, authorizer) through their ops.
 *
 * Life cycle: master_new; allocator module created with master_allocator_host()
 * as its services; master_set_allocator; master_elected when leadership is won
 * (reads the store); master_free, before its allocator is destroyed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MASTER_MASTER_H
#define MZ_MASTER_MASTER_H

#include "loop/loop.h"
#include "mesos/v1/mesos.pb-c.h"
#include "module/module.h"
#include "store/store.h"
#include "wire/http.h"
#include "wire/link.h"

/* The level of the Mesos API that tools are told (dotted, all integer). */
#define MASTER_API_VERSION "1.11.0"

struct master;

struct master_flag {
	const char *name, *value;
};

/* Calls of all frameworks of one principal together. */
struct master_rate_limit {
	const char *principal;
	double per_second; /* 0: no limit */
	uint32_t burst;
};

/* For bounds of which 0 is the default. */
#define MASTER_NONE SIZE_MAX

/* Strings are copied. Zero and NULL mean the default in brackets. */
struct master_config {
	const char *id;	      /* [random UUID] */
	const char *hostname; /* [ip] */
	const char *ip;	      /* [127.0.0.1] */
	int port;	      /* [5050] */
	const char *cluster;  /* [none] */
	const char *version;  /* of Mezzo itself */
	const char *build_date, *build_user;
	double build_time;
	const char *region, *zone; /* fault domain [none] */
	const struct master_flag *flags;
	size_t n_flags;
	const char *const *roles; /* allowed ones, NULL-ended [all] */
	bool refuse_root;	  /* no frameworks with user "root" */
	bool show_all_gpus;	  /* GPU agents are offered to everyone */
	int64_t heartbeat_ns;		   /* [15 s] */
	int64_t agent_ping_timeout_ns;	   /* [15 s] */
	int max_agent_ping_timeouts;	   /* [5] */
	int64_t agent_reregister_timeout_ns; /* [10 min] */
	int64_t allocation_interval_ns;	   /* [1 s] */
	int64_t offer_timeout_ns;	   /* [none] */
	int64_t registry_gc_interval_ns;   /* [15 min] */
	int64_t registry_max_agent_age_ns; /* [2 weeks] */
	size_t registry_max_agents;	   /* [102,400] */
	size_t max_completed_frameworks;   /* [50]; MASTER_NONE: not one. The same of the next two. */
	size_t max_completed_tasks;	   /* of each framework [1,000] */
	size_t max_unreachable_tasks;	   /* of each framework [1,000] */
	size_t max_history_bytes;	   /* of each framework's completed tasks, and of its unreachable ones [64 MiB] */
	size_t max_frameworks;		   /* known at once [100,000] */
	size_t max_agents;		   /* known at once, unreachable ones apart [100,000] */
	size_t max_unregistered_links;	   /* links that have not registered yet [100,000] */
	double framework_calls_per_second; /* of each framework [no limit] */
	uint32_t framework_calls_burst;	   /* at once [100] */
	const struct master_rate_limit *rate_limits; /* of principals, instead of the above */
	size_t n_rate_limits;
	size_t max_constraint_pattern;	   /* bytes of a regular expression [1,024] */
	uint32_t constraint_match_limit;   /* steps of one match [10,000] */
};

typedef void (*master_metric_fn)(void *arg, const char *name, double value);

struct master_deps {
	struct loop *loop;
	struct store *store;
	struct http_router *router; /* the master's routes are registered on it */
	struct module *authorizer; /* NULL: everything is allowed */
	/* More numbers for /metrics/snapshot (modules, process, system); may be NULL. */
	void (*metrics)(void *arg, master_metric_fn add, void *add_arg);
	void *metrics_arg;
};

/* Routes are registered at once; they answer 503 until master_elected. */
struct master *master_new(const struct master_config *c, const struct master_deps *d);
void master_free(struct master *m);
/* Services for the allocator module (host->kind); live as long as the master. */
const struct mz_allocator_host *master_allocator_host(struct master *m);
void master_set_allocator(struct master *m, struct module *allocator);

/* This master leads from now on: reads what the store knows, accepts agents and
 * frameworks. `epoch` fences writes (0 without several masters). */
int master_elected(struct master *m, uint64_t epoch, struct mz_err *err);
/* Who leads, when it is not this one: "host:port" for redirects; NULL: nobody. */
void master_set_leader(struct master *m, const char *address);
bool master_is_leading(const struct master *m);

/* A new link from an agent; the master owns it from now on. */
void master_link(struct master *m, struct link *l);

const char *master_id(const struct master *m);
const Mesos__V1__MasterInfo *master_info(const struct master *m);

/* For tests, benchmarks and the simulator's checker. */
struct master_counts {
	size_t frameworks, frameworks_connected, agents, agents_connected, agents_recovered, agents_unreachable;
	size_t offers, tasks, tasks_running, executors;
	size_t names, key_slots; /* what objects share or are found by (names.c) */
};
void master_counts(const struct master *m, struct master_counts *ret);
/* Verifies every sum that the master keeps (offered + used <= total, sets of
 * tasks on both sides …). -EPROTO with the first thing that is wrong. */
int master_check(struct master *m, struct mz_err *err);

#endif
