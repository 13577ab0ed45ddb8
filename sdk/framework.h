/* framework.h - the C library for framework authors: a scheduler over the v1
 * HTTP API, without its HTTP, protobuf and reconnecting.
 *
 * DATA
 *   struct mzf_framework  one subscription; opaque
 *   struct mzf_offer      one offer; opaque. It belongs to the library and lives
 *                         until mzf_offer_accept(), mzf_offer_decline() or the
 *                         return of on_rescind for it
 *   struct mzf_task       a task to launch: plain strings, copied at once
 *   struct mzf_status     a status update; lives until the callback returns
 *
 * LIFE CYCLE
 *   1. mzf_framework_new(): may fail (a wrong address, role or name). Nothing is
 *      sent yet.
 *   2. mzf_start(), then mzf_run() (or the loop that was given): connects,
 *      follows redirects to the leader, subscribes: on_subscribed. A lost
 *      connection, a missing leader or five missed heartbeats are
 *      on_disconnected; it then subscribes again with the same id after a
 *      random pause that grows up to backoff_max_ms, and so on for ever.
 *   3. on_error is final: the master refuses this framework, or another
 *      scheduler has taken its id over. No callback follows.
 *   4. mzf_teardown() ends the framework and all of its tasks. Without it the
 *      tasks live on for failover_timeout_secs after mzf_framework_free().
 *
 * CONVENTIONS
 *   - Everything happens on the thread that runs the loop. No call blocks, and
 *     no callback is made from inside a call (but from inside mzf_run()).
 *   - Calls are sent in order; -ENOTCONN while not subscribed. They are not
 *     repeated by themselves: after on_subscribed, mzf_reconcile() says what
 *     became of tasks that were on their way.
 *   - A callback may be NULL. Everything but mzf_framework_free() may be called
 *     from inside of any callback.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_FRAMEWORK_H
#define MEZZO_FRAMEWORK_H

#include <mezzo/types.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct loop;
struct mzf_framework;
struct mzf_offer;

/* The values of mesos.v1.TaskState. */
enum mzf_task_state {
	MZF_TASK_STARTING = 0,
	MZF_TASK_RUNNING = 1,
	MZF_TASK_FINISHED = 2,
	MZF_TASK_FAILED = 3,
	MZF_TASK_KILLED = 4,
	MZF_TASK_LOST = 5,
	MZF_TASK_STAGING = 6,
	MZF_TASK_ERROR = 7,
	MZF_TASK_KILLING = 8,
	MZF_TASK_DROPPED = 9,
	MZF_TASK_UNREACHABLE = 10,
	MZF_TASK_GONE = 11,
	MZF_TASK_GONE_BY_OPERATOR = 12,
	MZF_TASK_UNKNOWN = 13,
};
/* "TASK_RUNNING" */
const char *mzf_task_state_name(int state);
/* Nothing more will be heard of a task in this state. */
bool mzf_task_state_is_terminal(int state);

struct mzf_status {
	const char *task_id;
	int state;		  /* enum mzf_task_state */
	const char *reason;	  /* "REASON_RECONCILIATION"; NULL if there is none */
	const char *source;	  /* "SOURCE_EXECUTOR"; NULL if there is none */
	const char *message;	  /* "" if there is none */
	const char *agent_id;	  /* NULL if it is not known */
	const char *executor_id;  /* NULL if it is not known */
	const char *container_id; /* NULL if it is not known */
	double timestamp;	  /* seconds since 1970 */
	struct mz_bytes data;	  /* of a custom executor */
	struct mz_bytes uuid;	  /* size 0: needs no acknowledgement */
};

struct mzf_callbacks {
	void (*on_subscribed)(void *arg, const char *framework_id);
	/* Offers that were held are rescinded one by one first. */
	void (*on_disconnected)(void *arg, const char *why);
	void (*on_offers)(void *arg, struct mzf_offer *const *offers, size_t n);
	/* Withdrawn: the offer is freed after the call. */
	void (*on_rescind)(void *arg, struct mzf_offer *offer);
	/* Acknowledged after the call, unless manual_ack is set. */
	void (*on_update)(void *arg, const struct mzf_status *status);
	void (*on_message)(void *arg, const char *agent_id, const char *executor_id, struct mz_bytes data);
	/* An agent (executor_id NULL) or an executor is lost; wait_status is -1 if unknown. */
	void (*on_failure)(void *arg, const char *agent_id, const char *executor_id, int wait_status);
	/* A call was refused; `call` is "ACCEPT", `why` what the master says. The
	 * subscription lives on. */
	void (*on_refused)(void *arg, const char *call, int http_status, const char *why);
	void (*on_error)(void *arg, const char *why);
};

enum {
	MZF_CAP_REVOCABLE_RESOURCES = 1 << 1,
	MZF_CAP_TASK_KILLING_STATE = 1 << 2,
	MZF_CAP_GPU_RESOURCES = 1 << 3,
	MZF_CAP_SHARED_RESOURCES = 1 << 4,
	MZF_CAP_PARTITION_AWARE = 1 << 5,
	MZF_CAP_MULTI_ROLE = 1 << 6, /* always set */
	MZF_CAP_RESERVATION_REFINEMENT = 1 << 7,
	MZF_CAP_REGION_AWARE = 1 << 8,
	MZF_CAP_DEFAULT = MZF_CAP_TASK_KILLING_STATE | MZF_CAP_PARTITION_AWARE | MZF_CAP_MULTI_ROLE |
			  MZF_CAP_RESERVATION_REFINEMENT,
};

/* Zeroed is the default of everything but `size` and `master`. */
struct mzf_options {
	uint32_t size;	    /* sizeof(struct mzf_options) */
	bool manual_ack;    /* the caller acknowledges updates itself */
	bool checkpoint;    /* its tasks survive a restart of the agent */
	bool suppressed;    /* no offers until mzf_revive() */
	const char *master; /* "host:port", "http://host:port", or several with commas */
	const char *name;	  /* NULL: "framework" */
	const char *user;	  /* runs the tasks; NULL: who runs this process */
	const char *const *roles; /* n_roles of them; none: "*" */
	size_t n_roles;
	const char *framework_id; /* NULL: the master chooses one */
	const char *principal, *hostname, *webui_url; /* NULL: unset */
	double failover_timeout_secs;
	uint32_t capabilities; /* MZF_CAP_*; 0: MZF_CAP_DEFAULT */
	int backoff_min_ms;    /* 0: 100 */
	int backoff_max_ms;    /* 0: 15000 */
	int connect_timeout_ms; /* until SUBSCRIBED; 0: 15000 */
	struct loop *loop;	/* a loop that the caller runs; NULL: one of its own */
};

int mzf_framework_new(const struct mzf_options *o, const struct mzf_callbacks *cb, void *arg,
		      struct mzf_framework **ret, struct mz_err *err);
/* Not from inside a callback. NULL: no-op. Tasks live on, see failover_timeout_secs. */
void mzf_framework_free(struct mzf_framework *f);
void mzf_start(struct mzf_framework *f);
/* Runs the loop until mzf_stop(); also from inside callbacks. */
void mzf_run(struct mzf_framework *f);
void mzf_stop(struct mzf_framework *f);

bool mzf_is_subscribed(const struct mzf_framework *f);
/* NULL until it is known. */
const char *mzf_framework_id(const struct mzf_framework *f);
/* "10.0.0.1:5050": the master that it talks to, or tries to. */
const char *mzf_master(const struct mzf_framework *f);

/* ---- offers ----------------------------------------------------------------- */

const char *mzf_offer_id(const struct mzf_offer *o);
const char *mzf_offer_agent_id(const struct mzf_offer *o);
const char *mzf_offer_hostname(const struct mzf_offer *o);
const char *mzf_offer_role(const struct mzf_offer *o);
/* Where the agent serves HTTP; NULL and 0 if the master does not say. */
const char *mzf_offer_ip(const struct mzf_offer *o);
int mzf_offer_port(const struct mzf_offer *o);
/* What is left of it, as "cpus:4;mem:512"; lives until the offer changes. */
const char *mzf_offer_resources(struct mzf_offer *o);

struct mzf_env {
	const char *name, *value;
};

/* A program of the framework that runs its tasks: started for the first task on an
 * agent, and used by all later ones there that name it with all else the same. */
struct mzf_executor {
	uint32_t size;		/* sizeof(struct mzf_executor) */
	bool shell;		/* as of a task */
	const char *id;
	const char *resources;	/* its own, beside those of its tasks; unreserved. NULL: none */
	const char *command;
	const char *const *argv;
	size_t n_argv;
};

struct mzf_task {
	uint32_t size;		/* sizeof(struct mzf_task) */
	bool shell;		/* `command` is for /bin/sh; otherwise it is a program, and argv[0] is its name */
	const char *id;
	const char *name;	/* NULL: the id */
	const char *resources;	/* "cpus:0.1;mem:32"; reserved ones of the offer's role are taken first */
	const char *command;
	const char *const *argv; /* of a program; n_argv of them */
	size_t n_argv;
	const struct mzf_env *env;
	size_t n_env;
	const char *user;	/* NULL: the framework's */
	double kill_grace_secs; /* 0: the agent's default */
	struct mz_bytes data;
	const struct mzf_executor *executor; /* runs the task, which then has no command of its own; NULL: none */
};

/* Puts a task on the offer and takes its resources out of it. -ENOSPC if they
 * do not fit, -EINVAL with the reason if the text is wrong. Nothing is sent. */
int mzf_offer_add_task(struct mzf_offer *o, const struct mzf_task *t, struct mz_err *err);
/* Launches what was added; none: declines. The rest is not offered again for
 * refuse_secs (negative: the master's default). The offer is gone afterwards,
 * also on failure (-ENOTCONN). */
int mzf_offer_accept(struct mzf_offer *o, double refuse_secs);
int mzf_offer_decline(struct mzf_offer *o, double refuse_secs);

/* ---- calls ------------------------------------------------------------------ */

int mzf_kill(struct mzf_framework *f, const char *task_id, const char *agent_id);
/* Only with manual_ack. Updates without uuid are skipped (0). */
int mzf_acknowledge(struct mzf_framework *f, const struct mzf_status *status);
/* What became of these tasks (agent_ids may be NULL, and each of them too): one
 * on_update each. n 0: all that the master knows. */
int mzf_reconcile(struct mzf_framework *f, const char *const *task_ids, const char *const *agent_ids, size_t n);
int mzf_revive(struct mzf_framework *f);
int mzf_suppress(struct mzf_framework *f);
int mzf_message(struct mzf_framework *f, const char *agent_id, const char *executor_id, struct mz_bytes data);
/* Ends the framework and all of its tasks. fn (may be NULL) is told when the
 * master has said yes (why NULL), and with it to all calls before, or why not.
 * No other callback follows. */
int mzf_teardown(struct mzf_framework *f, void (*fn)(void *arg, const char *why), void *arg);
/* The same wait without a teardown: fn when all calls so far are answered. */
void mzf_flush(struct mzf_framework *f, void (*fn)(void *arg, const char *why), void *arg);

#ifdef __cplusplus
}
#endif
#endif
