/* internal.h - what the files of core/agent share. Nobody else includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_INTERNAL_H
#define MZ_AGENT_INTERNAL_H

#include "agent/agent.h"
#include "agent/authz.h"
#include "agent/sums.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "mesos/v1/executor.pb-c.h"
#include "mezzo/link.pb-c.h"
#include "mezzo/records.pb-c.h"
#include "model/model.h"
#include "module/authorize.h"
#include "wire/codec.h"

#define AREA "agent"

enum { N_ACKED_UUIDS = 8 };

struct framework;
struct executor;
struct task;
struct launch;

/* A status update that is not acknowledged by the framework yet. */
struct update {
	struct update *next;
	char *key; /* of its record */
	bool durable, from_executor;
	unsigned char uuid[UUID_BYTES];
	Mesos__V1__TaskState state;
	void *status; /* packed TaskStatus */
	size_t size;
	struct task *task; /* NULL: the task is gone, only the durability callback is awaited */
};

struct task {
	struct framework *framework;
	struct executor *executor;
	char *id, *name;
	void *info; /* packed TaskInfo */
	size_t info_size;
	resources *resources;
	struct container_limits limits; /* TaskInfo.limits */
	int fsm;		     /* enum agent_task_state */
	Mesos__V1__TaskState state;  /* latest */
	/* The stream of updates: head is outstanding once sent. */
	struct update *updates, **updates_end;
	uint32_t n_updates_ever; /* numbers the records */
	bool sent;		 /* head has been sent over the current link */
	uint32_t n_acks_unwritten; /* head may not be sent before they are on disk */
	int64_t retry_ns;
	struct loop_timer *retry;
	bool terminal_acked, kill_pending;
	bool counted; /* in the sums of its executor */
	int64_t kill_grace_ns; /* of the pending one; -1: by the task's own policy */
	/* The last ones acknowledged, a ring; and the record of the newest, which
	 * stays, because it is the task's state. */
	unsigned char acked[N_ACKED_UUIDS][UUID_BYTES];
	uint32_t n_acked;
	char *acked_key;
	uint32_t group; /* of tasks launched together; 0: none */
	bool durable;	/* its record is on disk */
	/* Statuses shown to clients: the last of each run of equal states. */
	VEC(struct mz_bytes) statuses;
	VEC(Mesos__V1__TaskState) status_states;
};

struct executor {
	struct framework *framework;
	struct agent *agent;
	char *id, *container_id, *directory, *user;
	char *key; /* of its record */
	char *role; /* of what it was launched (or recovered) with, or NULL */
	struct arena arena;
	Mesos__V1__ExecutorInfo *info;
	Mesos__V1__TaskInfo *command_task; /* command executors: the one task, until launched */
	bool command;	/* started by us for a TaskInfo.command */
	int fsm;	/* enum agent_executor_state */
	bool launched;	/* the container exists: on_exited will follow */
	bool launch_pending;
	bool subscribed_once, recovered;
	bool sent_task; /* it has had one, or may have had */
	struct list failures; /* api/executor.c: of its tasks, that wait for what modules know of limits */
	uint32_t n_failures;
	int32_t pid;
	struct http_stream *stream;
	enum codec codec;
	struct loop_timer *timer; /* registration, shutdown */
	struct loop_timer *heartbeat;
	struct loop_timer *grow, *shrink; /* its container is told that it needs more, or less */
	struct executor_sums sums;
	VEC(struct task *) tasks;	    /* live: queued, launched, or unacknowledged */
	VEC(struct task *) completed_tasks; /* bounded */
	/* Why it is being terminated, for its tasks; reason -1: no particular one. */
	int end_state, end_reason;
	char *end_message;
	int32_t wait_status;
	bool ended;
};

struct framework {
	struct agent *agent;
	char *id;
	struct arena arena;
	Mesos__V1__FrameworkInfo *info;
	uint32_t capabilities;
	bool shutting_down;
	struct map executors; /* id -> struct executor, not ended */
	struct map tasks;     /* id -> struct task, live */
	VEC(struct executor *) ended_executors;     /* with unacknowledged updates */
	VEC(struct executor *) completed_executors; /* bounded history */
};

struct agent_metrics {
	uint64_t tasks[16]; /* terminal states, by TaskState */
	uint64_t valid_status_updates, invalid_status_updates;
	uint64_t valid_framework_messages, invalid_framework_messages;
	uint64_t executors_terminated, executors_preempted, container_launch_errors;
	uint64_t recovery_errors, gc_succeeded, gc_failed;
	uint64_t fetches_succeeded, fetches_failed;
	double recovery_secs;
};

enum agent_phase { AGENT_NEW, AGENT_READING, AGENT_REATTACHING, AGENT_RECOVERED };

struct agent {
	struct agent_config cfg;
	struct agent_deps deps;
	struct loop *loop;
	struct arena arena;
	Mesos__V1__AgentInfo *info;
	char *id; /* NULL until registered */
	char *pid; /* "slave(1)@ip:port" */
	resources *total;
	enum agent_phase phase;
	bool stopping, reattached, rebooted, self_saved;
	Mesos__V1__AgentInfo *old_info; /* from the record, or NULL */
	uint32_t n_groups;
	double start_time;
	int64_t start_ns, recover_started_ns;

	char *master; /* address, or NULL */
	bool dialing, registered;
	struct link *link;
	char *master_hostname;
	int64_t ping_timeout_ns, register_backoff_ns;
	struct loop_timer *dial_timer, *ping_timer, *recover_timer, *gc_timer;

	struct map frameworks;	/* id -> struct framework */
	struct map containers;	/* container id -> struct executor, not ended */
	struct map nested;	/* "A.B" -> struct nested, all others */
	struct list nested_list;
	size_t n_nested_ended;
	struct list executor_waiters; /* who waits for the end of an executor's container */
	VEC(struct framework *) completed_frameworks;
	struct list launches; /* struct launch: waiting for their records */
	char *ending;	      /* the master refused us, and why: ends with the last container */
	struct list gc;
	struct map gc_index; /* directory -> struct sandbox */
	size_t n_gc;
	struct agent_metrics metrics;
	struct module_authorizer authz; /* m NULL: none */
	struct list questions;		/* that it has not answered */
	struct list attached;		/* api/attach.h: requests and streams of containers' I/O */
	struct list gathers;		/* api/containers.c: questions for what containers use */
};

/* agent.c */
size_t agent_capabilities(struct arena *m, Mesos__V1__AgentInfo__Capability ***ret);
void agent_fatal(struct agent *a, const char *fmt, ...) MZ_PRINTF(2, 3);

/* link.c: the connection to the master */
void agent_dial(struct agent *a);
/* Told to shut down, and the last container may have ended. */
void agent_maybe_end(struct agent *a);
void agent_tell_master(struct agent *a, Mezzo__Link__ToMaster *m); /* dropped if there is no link */

/* frameworks.c */
struct framework *agent_framework_find(struct agent *a, const char *id);
struct framework *agent_framework_add(struct agent *a, const Mesos__V1__FrameworkInfo *info);
void agent_framework_update(struct framework *f, const Mesos__V1__FrameworkInfo *info);
void agent_framework_shutdown(struct framework *f);
/* Moves it to the history when nothing of it is left. */
void agent_framework_maybe_complete(struct framework *f);
void agent_framework_free(struct framework *f);
bool agent_framework_partition_aware(const struct framework *f);

/* executors.c */
struct executor *agent_executor_new(struct framework *f, const Mesos__V1__ExecutorInfo *info, bool command);
struct executor *agent_executor_find(struct framework *f, const char *id);
void agent_executor_launch(struct executor *ex);
void agent_executor_attach_files(struct executor *ex);
/* The sandbox is gone: nothing shows it any more. */
void agent_detach_files(struct agent *a, const char *directory);
void agent_executor_save(struct executor *ex, store_done_fn fn, void *arg);
/* Asks it to end; destroyed after its grace period. */
void agent_executor_shutdown(struct executor *ex);
/* Destroys its container; its live tasks get this state and reason (-1: by default). */
void agent_executor_destroy(struct executor *ex, int state, int reason, const char *message);
void agent_executor_send(struct executor *ex, Mesos__V1__Executor__Event *e);
void agent_executor_subscribed(struct executor *ex);
/* It has got tasks: its container is told that it needs more, then they are delivered. */
void agent_executor_grow_soon(struct executor *ex);
void agent_executor_shrink_soon(struct executor *ex);
void agent_executor_attach(struct executor *ex, struct http_stream *s, enum codec codec);
/* ContainerInfo of its container, or NULL. */
const Mesos__V1__ContainerInfo *agent_executor_container(const struct executor *ex);
/* Fills in what cfg->container says of a terminal. */
void agent_container_terminal(struct container_config *cfg);
void agent_executor_maybe_complete(struct executor *ex);
void agent_executor_forget_tasks(struct executor *ex);
void agent_tell_exited(struct framework *f, const char *executor_id, int32_t wait_status);
void agent_executor_free(struct executor *ex);
void on_container_exited(void *arg, const char *id, const struct mz_termination *t);

/* environment.c: what an executor finds in its environment, and what any other
 * container does */
char **agent_executor_environment(const struct executor *ex);
struct nested;
char **agent_nested_environment(const struct nested *n);
void environment_free(char **env);

/* launch.c, tasks.c */
void agent_launches_done(struct agent *a);
void handle_run_tasks(struct agent *a, const Mezzo__Link__RunTasks *m);
void handle_kill_task(struct agent *a, const Mezzo__Link__KillTask *m);
/* The key of a record about B of framework A; the caller frees. */
char *agent_record_key(const char *kind, const char *a, const char *b);
/* One entry of a map of limits; infinity is unlimited. */
void agent_set_limit(struct container_limits *l, const char *name, double value);
struct task *agent_task_new(struct framework *f, const Mesos__V1__TaskInfo *info, uint32_t group);
void agent_task_free(struct task *t);
void agent_task_step(struct task *t, int event);
const Mesos__V1__TaskInfo *agent_task_info(const struct task *t, struct arena *a);
void agent_executor_deliver(struct executor *ex, struct task *t);
void agent_executor_kill(struct executor *ex, struct task *t, Mesos__V1__KillPolicy *policy);
void agent_task_set_status(struct task *t, const Mesos__V1__TaskStatus *status);
bool agent_task_is_queued(const struct task *t);
/* Moves a task whose terminal update is acknowledged to its executor's history. */
void agent_task_complete(struct task *t);

/* updates.c: the status update manager */
/* An update of the agent's own making for a task it knows or not. message may be NULL. */
void update_make(struct framework *f, const char *task_id, struct task *t, Mesos__V1__TaskState state, int reason,
		 const char *message);
/* The same, for a task whose container went over a limit (or NULL). */
void update_make_limited(struct framework *f, struct task *t, Mesos__V1__TaskState state, int reason,
			 const char *message, const struct mz_limitation *l);
/* From an executor; complete and checked. Acknowledged to the executor when durable. */
void update_from_executor(struct executor *ex, struct task *t, Mesos__V1__TaskStatus *status);
/* Tells an executor that it may forget an update. */
void update_acknowledge(struct executor *ex, const char *task_id, const unsigned char *uuid);
void handle_acknowledge(struct agent *a, const Mezzo__Link__Acknowledge *m);
bool update_is_acked(const struct task *t, const unsigned char *uuid);
bool update_is_full(const struct task *t); /* no more are taken, but its end */
void updates_resume(struct agent *a); /* a link is there again */
void updates_pause(struct agent *a);
void update_restore(struct task *t, const char *key, const Mezzo__Records__AgentUpdate *r);
void agent_task_drop_updates(struct task *t);

/* recover.c */
/* An executor has returned, or ended: perhaps that was the last to wait for. */
void agent_maybe_recovered(struct agent *a);

/* api/ */
/* What all containers hold, with allocation roles. The caller frees. */
resources *agent_used(struct agent *a);
void agent_api_routes(struct agent *a);
void agent_api_unroute(struct agent *a);
/* Its container ends: what it has said of failures is taken, or a limit's end tells more. */
void agent_executor_settle_failures(struct executor *ex, bool limited);
void agent_executor_forget_failures(struct executor *ex);
void agent_attached_done(struct agent *a); /* answers all open requests about containers' I/O */
void agent_gathers_done(struct agent *a); /* answers all open requests for what containers use, with what is known */

#endif
