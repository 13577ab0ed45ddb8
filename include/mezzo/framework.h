/* <mezzo/framework.h> - the C library for framework authors: a scheduler over the
 * v1 HTTP API, without its HTTP, protobuf, reconnecting and reconciling.
 * Link with what `pkg-config --libs mezzo-framework` says.
 * SPDX-License-Identifier: Apache-2.0
 *
 * DATA
 *   struct mzf_framework  one subscription; opaque
 *   struct mzf_offer      one offer; opaque. It belongs to the library and lives
 *                         until mzf_offer_accept(), _decline(), _join() or the
 *                         return of on_rescind for it
 *   struct mzf_task       a task to launch: plain strings, copied at once
 *   struct mzf_status     a status update; lives until the callback returns
 *   Structs that the caller makes begin with their size, grow at the end only, and
 *   mean the default wherever they are zero.
 *
 * LIFE CYCLE
 *   1. mzf_framework_new(): may fail (a wrong address, role or name). Nothing is
 *      sent yet. After a restart give it the stored framework id, and tell it the
 *      tasks that had not ended: mzf_track_task().
 *   2. mzf_start(), then mzf_run() - or mzf_poll(), or mzf_fd() with a loop of
 *      your own: connects, follows redirects to the leader, subscribes. A new id
 *      is on_framework_id, then on_subscribed. A lost connection, a missing leader
 *      or five missed heartbeats are on_disconnected; it subscribes again with the
 *      same id after a random pause that grows up to backoff_max_ms, for ever.
 *   3. After each subscription with a known id, and every reconcile_secs, the
 *      library asks what became of every tracked task, again and again with a
 *      growing pause for those without an answer, and for tasks that the master
 *      has and it has not: on_update with "REASON_RECONCILIATION".
 *   4. on_error is final: the master refuses this framework, or another scheduler
 *      has taken its id over. No callback follows.
 *   5. mzf_teardown() ends the framework and all of its tasks. Without it the
 *      tasks live on for failover_timeout_secs after mzf_framework_free().
 *
 * CONVENTIONS
 *   - 0 or a negative errno; struct mz_err, if there is one, gets the reason.
 *   - Everything happens on the thread that runs the loop, mzf_post() apart. No
 *     call blocks, and no callback is made from inside a call (but from inside
 *     mzf_run(), mzf_poll() and mzf_dispatch()).
 *   - Calls are sent in order; -ENOTCONN while not subscribed. They are not
 *     repeated by themselves: write down what you are about to do, and let the
 *     reconciliation say what became of it.
 *   - A callback may be NULL. Everything but mzf_framework_free() may be called
 *     from inside of any callback. */
#ifndef MEZZO_FRAMEWORK_H
#define MEZZO_FRAMEWORK_H

#include <mezzo/types.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

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
/* Nothing more will be heard of a task in this state. UNREACHABLE may come back;
 * UNKNOWN is for the framework to judge: the master knows neither task nor agent. */
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
	int healthy;		  /* 1 or 0 of a health check; -1: none */
};

struct mzf_callbacks {
	uint32_t size; /* sizeof(struct mzf_callbacks) */
	/* The id that the master chose, before on_subscribed and before any task can
	 * be launched: to be stored durably. Negative if that failed, which is final. */
	int (*on_framework_id)(void *arg, const char *framework_id);
	void (*on_subscribed)(void *arg, const char *framework_id);
	/* Offers that were held are rescinded one by one first. */
	void (*on_disconnected)(void *arg, const char *why);
	void (*on_offers)(void *arg, struct mzf_offer *const *offers, size_t n);
	/* Withdrawn: the offer is freed after the call. */
	void (*on_rescind)(void *arg, struct mzf_offer *offer);
	/* May come twice for the same state. Acknowledged after the call, unless
	 * manual_ack is set: what must not be forgotten is stored before it returns. */
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
	uint32_t size;	       /* sizeof(struct mzf_options) */
	bool manual_ack;       /* the caller acknowledges updates itself */
	bool checkpoint;       /* its tasks survive a restart of the agent */
	bool suppressed;       /* no offers until mzf_revive() */
	bool manual_reconcile; /* the library asks nothing by itself */
	const char *master;    /* "host:port", "http://host:port", or several with commas */
	const char *name;	  /* NULL: "framework" */
	const char *user;	  /* runs the tasks; NULL: who runs this process */
	const char *const *roles; /* n_roles of them; none: "*" */
	size_t n_roles;
	const char *framework_id; /* of an earlier life; NULL: the master chooses one */
	const char *principal, *hostname, *webui_url; /* NULL: unset */
	double failover_timeout_secs;
	uint32_t capabilities;	/* MZF_CAP_*; 0: MZF_CAP_DEFAULT */
	int backoff_min_ms;	/* 0: 100 */
	int backoff_max_ms;	/* 0: 15000 */
	int connect_timeout_ms; /* until SUBSCRIBED; 0: 15000 */
	const char *secret;	/* of the principal, sent with each request; NULL: none */
	double reconcile_secs;	/* between two rounds; 0: 600 */
};

int mzf_framework_new(const struct mzf_options *o, const struct mzf_callbacks *cb, void *arg,
		      struct mzf_framework **ret, struct mz_err *err);
/* Not from inside a callback. NULL: no-op. Tasks live on, see failover_timeout_secs. */
void mzf_framework_free(struct mzf_framework *f);
void mzf_start(struct mzf_framework *f);

/* ---- the loop: one of these three ways ------------------------------------------ */

/* Runs until mzf_stop(), which may come from inside a callback. */
void mzf_run(struct mzf_framework *f);
void mzf_stop(struct mzf_framework *f);
/* Waits at most so long for something to happen, and does it. */
void mzf_poll(struct mzf_framework *f, int timeout_ms);
/* For poll(2) and the like: readable when mzf_dispatch() has something to do, be it
 * for a peer or for a timer. It stays the same, and the library's. Negative errno. */
int mzf_fd(struct mzf_framework *f);
void mzf_dispatch(struct mzf_framework *f); /* does not wait */
/* fn(arg) on the loop's thread; the one call that other threads may make. */
void mzf_post(struct mzf_framework *f, void (*fn)(void *arg), void *arg);

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
/* Puts `other`, of the same agent and role and without tasks, into `o`: they are
 * accepted or declined as one, and rescinded as one. `other` is gone, unless this
 * failed (-EINVAL). */
int mzf_offer_join(struct mzf_offer *o, struct mzf_offer *other, struct mz_err *err);

struct mzf_env {
	const char *name, *value;
};

/* A file that is fetched into the sandbox first. */
struct mzf_uri {
	const char *value;	 /* "http://host/file.tar.gz", "/path/on/the/agent" */
	const char *output_file; /* NULL: the last part of the path */
	bool executable, no_extract, cache;
};

/* A program of the framework that runs its tasks: started for the first task on an
 * agent, and used by all later ones there that name it with all else the same. */
struct mzf_executor {
	uint32_t size;		/* sizeof(struct mzf_executor) */
	bool shell;		/* as of a task */
	const char *id;
	const char *resources;	/* its own, beside those of its tasks; unreserved. NULL: none */
	const char *command;	/* NULL, for mzf_offer_add_group() only: the agent's pod executor */
	const char *const *argv;
	size_t n_argv;
	const struct mzf_env *env;
	size_t n_env;
	const struct mzf_uri *uris;
	size_t n_uris;
	const char *json;	/* further fields of mesos.v1.ExecutorInfo, as an object; NULL: none */
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
	const struct mzf_env *labels;
	size_t n_labels;
	const struct mzf_uri *uris;
	size_t n_uris;
	const char *json;	/* further fields of mesos.v1.TaskInfo ("health_check" …), as an object; NULL: none */
};

/* Puts a task on the offer and takes its resources out of it. -ENOSPC if they
 * do not fit, -EINVAL with the reason if no offer will do: a wrong text, such as one
 * that is not UTF-8. Nothing is sent. */
int mzf_offer_add_task(struct mzf_offer *o, const struct mzf_task *t, struct mz_err *err);
/* The same for tasks that live and die together on one executor: all or none. */
int mzf_offer_add_group(struct mzf_offer *o, const struct mzf_executor *e, const struct mzf_task *const *tasks,
			size_t n, struct mz_err *err);
/* Launches what was added, and tracks it; none: declines. The rest is not offered
 * again for refuse_secs (negative: the master's default). The offer is gone
 * afterwards, also on failure (-ENOTCONN). */
int mzf_offer_accept(struct mzf_offer *o, double refuse_secs);
int mzf_offer_decline(struct mzf_offer *o, double refuse_secs);

/* ---- calls: <mezzo/framework_calls.h> -------------------------------------------- */

#ifdef __cplusplus
}
#endif
#include <mezzo/framework_calls.h>
#endif
