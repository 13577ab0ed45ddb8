/* agent.h - the agent: runs executors and their tasks, tells the master what
 * became of them, and forgets nothing that it has not been told to forget.
 *
 * A state machine without I/O: it is handed links, HTTP requests, container
 * events and timers through interfaces, each with a real and a simulated
 * implementation. Used by core/bin (real) and core/sim.
 *
 * Life: agent_new, agent_recover (reads the store, re-attaches containers), then
 * agent_set_master whenever the elector knows a leader. agent_stop ends
 * the connections and leaves containers running; agent_free follows.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_AGENT_H
#define MZ_AGENT_AGENT_H

#include "module/containers.h"
#include "loop/loop.h"
#include "model/resources.h"
#include "store/store.h"
#include "wire/http.h"
#include "wire/io.h"
#include "wire/link.h"

struct agent;
struct files;
struct module;

struct agent_flag {
	const char *name, *value;
};

/* Strings and lists are copied, except flags: they live as long as the agent. */
struct agent_config {
	const char *ip, *hostname;
	int port;
	const char *work_dir;
	const char *executor_path; /* of mezzo-executor */
	const char *module_dir;	   /* where it finds executor modules */
	const char *command_module, *pod_module; /* names or paths: of tasks with a command, of task groups */
	const char *launcher_dir;
	const char *boot_id;	   /* of this boot of the machine */
	const char *version;	   /* the API level answered to clients */
	const char *mezzo_version;
	const char *build_date;	   /* "2026-11-21 08:27:50 UTC" */
	double build_time;	   /* the same, seconds since 1970 */
	const resources *total;
	const Mesos__V1__Attribute *const *attributes;
	size_t n_attributes;
	const struct agent_flag *flags;
	size_t n_flags;
	/* "NAME=value", NULL-ended, for every executor; as flags. NULL: none. */
	const char *const *executor_environment;
	const char *domain_socket; /* path that executors find the agent at; NULL: TCP */
	bool switch_user;
	int64_t executor_registration_timeout_ns;   /* 1 min */
	int64_t executor_reregistration_timeout_ns; /* 2 s */
	int64_t executor_shutdown_grace_ns;	    /* 5 s */
	int64_t recovery_timeout_ns;		    /* 15 min */
	int64_t gc_delay_ns;			    /* 1 week */
	int64_t http_heartbeat_interval_ns;	    /* 30 s: of streams of containers' output */
	int64_t disk_watch_interval_ns;		    /* 1 min */
	double gc_disk_headroom;		    /* 0.1 */
	bool gc_non_executor_container_sandboxes;   /* those of nested and standalone containers too */
	int64_t registration_backoff_ns;	    /* 1 s */
	int64_t update_retry_min_ns;		    /* 10 s */
	int64_t update_retry_max_ns;		    /* 10 min */
	size_t max_completed_executors;		    /* 150 per framework */
	size_t max_completed_frameworks;	    /* 50 */
	size_t max_completed_tasks;		    /* 200 per executor */
};

/* All outlive the agent. */
struct agent_deps {
	struct loop *loop;
	struct store *store;
	struct containers *containers;
	struct link_dialer *dialer;
	struct http_router *router;
	struct http_router *executor_router; /* of domain_socket: what executors need; NULL: none */
	struct module *authorizer; /* NULL: everything is allowed */
	struct files *files; /* sandboxes are attached to it */
	io_open_fn io_open;  /* for the sockets of containers' I/O servers; NULL: no attaching */
	/* Told to end: refused by the master for good, or the store failed. */
	void (*on_fatal)(void *arg, const char *why);
	/* Registered (again) with a master; may be NULL. */
	void (*on_registered)(void *arg, const char *agent_id);
	void *arg;
	/* Adds "name": value lines to the metrics snapshot; may be NULL. */
	void (*extra_metrics)(void *arg, void (*add)(void *to, const char *name, double value), void *to);
};

int agent_new(const struct agent_config *cfg, const struct agent_deps *deps, struct agent **ret, struct mz_err *err);
/* Reads the store. 0: recovery goes on by itself; the agent registers when it
 * is through. A record of another identity (resources or attributes changed in
 * a way that is not allowed) is -EINVAL. */
int agent_recover(struct agent *a, struct mz_err *err);
/* "host:port" of the leading master; NULL: there is none now. */
void agent_set_master(struct agent *a, const char *address);
void agent_free(struct agent *a);
/* NULL until registered for the first time. */
const char *agent_id(const struct agent *a);

#endif
