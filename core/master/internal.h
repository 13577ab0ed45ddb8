/* internal.h - what the files of the master share. Nobody else includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MASTER_INTERNAL_H
#define MZ_MASTER_INTERNAL_H

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "master/master.h"
#include "master/metrics.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "mezzo/link.pb-c.h"
#include "mezzo/records.pb-c.h"
#include "model/model.h"
#include "model/resources.h"
#include "wire/codec.h"
#include "wire/pb.h"

#define AREA "master"

typedef Mesos__V1__Scheduler__Call pb_call;
typedef Mesos__V1__Scheduler__Event pb_event;
typedef Mesos__V1__TaskInfo pb_task_info;
typedef Mesos__V1__ExecutorInfo pb_executor_info;
typedef Mesos__V1__TaskStatus pb_status;
typedef Mesos__V1__Task pb_task;
typedef Mesos__V1__FrameworkInfo pb_framework_info;
typedef Mesos__V1__AgentInfo pb_agent_info;
typedef Mesos__V1__Resource pb_resource;
typedef Mesos__V1__Offer__Operation pb_operation;
typedef Mesos__V1__TaskState task_state;
typedef Mesos__V1__TaskStatus__Reason task_reason;

#define TS(name) MESOS__V1__TASK_STATE__TASK_##name
#define REASON(name) MESOS__V1__TASK_STATUS__REASON__REASON_##name
#define N_TASK_STATES 14

struct framework;
struct agent;

/* An event stream of one subscribed scheduler. */
struct session {
	struct http_stream *stream; /* NULL: not connected */
	bool cut; /* a send failed: on_gone follows */
	enum codec codec;
	char id[UUID_TEXT];
	struct loop_timer *heartbeat;
};

/* One task, live, unreachable or completed. What is shown of it is `packed`: a
 * mesos.v1.Task whose statuses are appended as they come (fields of a message
 * may be concatenated), so that it costs its bytes and nothing more. */
struct task {
	char *id;
	struct framework *framework;
	struct agent *agent;	   /* NULL once unreachable or completed */
	struct list in_agent;	   /* agent->tasks */
	struct list in_history;	   /* framework->completed */
	char *agent_id;		   /* interned in the master: not owned */
	char *executor_id;	   /* NULL: command task */
	const char *role;	   /* interned */
	resources *res;		   /* allocated form */
	unsigned char *packed;
	uint32_t packed_len, packed_cap;
	uint32_t last_status;	   /* offset of the last status field in packed; 0: none */
	uint8_t state;		   /* latest */
	uint8_t status_state;	   /* of the newest status that was forwarded */
	bool has_status, has_uuid, freed; /* freed: resources were given back */
	unsigned char uuid[16];	   /* of that status */
	int64_t unreachable_ns;
};

struct executor {
	char *id;
	struct framework *framework;
	struct agent *agent;
	struct list in_framework, in_agent;
	const char *role;
	resources *res; /* allocated form */
	struct mz_bytes packed; /* mesos.v1.ExecutorInfo as sent to the agent, owned */
};

struct offer {
	char id[80];
	struct framework *framework;
	struct agent *agent;
	const char *role;
	resources *res; /* without allocation */
	struct list in_framework, in_agent, in_fresh;
	unsigned mark; /* of the last walk that met it */
	struct loop_timer *timeout;
};

enum { IS_FRAMEWORK = 1, IS_AGENT = 2 };

/* What a key stands for: first members of both. */
struct keyed {
	struct master *m;
	int what;
	mz_key key;
};

struct framework {
	struct master *m;
	int what; /* IS_FRAMEWORK */
	mz_key key;
	char *id;
	enum master_framework_state state;
	struct arena info_arena; /* info, roles, constraints */
	pb_framework_info *info; /* with id and principal */
	const char **roles;
	size_t n_roles;
	Mesos__V1__Scheduler__OfferConstraints *constraints;
	uint32_t capabilities; /* 1 << FrameworkInfo.Capability.Type */
	struct map suppressed; /* roles -> non-NULL */
	double registered_time, reregistered_time, unregistered_time;
	struct session session;
	struct loop_timer *failover;
	struct map tasks;	/* id -> struct task, live */
	struct map pending;	/* id of a task that is being authorized -> agent id */
	struct map unreachable; /* id -> struct task */
	struct list completed;	/* struct task, oldest first */
	size_t n_completed;
	struct list executors, offers;
	struct list fresh; /* offers that have not been sent yet */
	struct list in_flush; /* master->flush */
	resources *used, *offered; /* allocated form */
	struct list in_history; /* master->completed */
	struct framework_metrics metrics;
};

struct pending_kill {
	char *framework_id, *task_id;
	struct mz_bytes policy; /* packed KillPolicy, owned; data NULL: none */
};

struct agent {
	struct master *m;
	int what; /* IS_AGENT */
	mz_key key;
	char *id; /* interned in the master */
	enum master_agent_state state;
	bool in_allocator, deactivated;
	unsigned mark; /* of the last walk that met it */
	struct arena info_arena;
	pb_agent_info *info;
	Mesos__V1__AgentInfo__Capability **caps;
	size_t n_caps;
	uint32_t capabilities;
	char *version, *pid, *ip, *path; /* of pid: "slave(1)@ip:port" */
	int port;
	double registered_time, reregistered_time;
	struct agent_link *link;
	int n_missed_pings;
	bool ponged;
	struct loop_timer *ping, *reregister;
	resources *total;
	resources *used, *offered; /* allocated form */
	struct list tasks, executors, offers;
	size_t n_tasks;
	struct map executor_index; /* "<framework id>/<executor id>" */
	VEC(struct pending_kill) kills;
};

/* A link, before and after its agent has registered. */
struct agent_link {
	struct master *m;
	struct link *link;
	struct agent *agent; /* NULL before */
	struct list in_master;
	/* A registration that waits for its record: */
	struct arena arena;
	Mezzo__Link__Register *reg;
	bool cut;    /* a send failed: on_gone follows */
	bool is_new; /* the id is ours, the agent has not heard it */
	bool busy;   /* a callback is outstanding: the link may be gone meanwhile */
};

/* Agents that are unreachable or gone: only what reconciliation needs. */
struct lost_agent {
	double time;
	bool deactivated;
};

struct master {
	struct master_config cfg;
	struct arena cfg_arena;
	struct loop *loop;
	struct store *store;
	struct http_router *router;
	struct master_deps deps;
	char id[64];
	struct arena info_arena;
	Mesos__V1__MasterInfo *info;
	bool leading, ending;
	struct list checks; /* questions that the authorizer has not answered */
	struct list accepts, subscribes; /* that wait for the authorizer or the store */
	char *leader; /* "host:port" of another one */
	double start_time, elected_time;

	struct module_allocator alloc;
	struct module_authorizer authz; /* m NULL: none */
	struct { /* first member: what modules see */
		struct mz_allocator_host ops;
		struct master *m;
	} alloc_host;

	VEC(void *) by_key; /* key - 1 -> struct framework or struct agent; NULL: gone */
	unsigned mark;
	struct map strings; /* interned roles and agent ids */
	struct map frameworks; /* all but completed */
	struct map completed_index;
	struct list completed; /* struct framework, oldest first */
	size_t n_completed;
	struct map agents;    /* connected and disconnected */
	struct map recovered; /* struct agent, known from the store, not back yet */
	struct map marking;   /* agents whose record of being unreachable is being written */
	struct map unreachable, gone; /* struct lost_agent */
	struct map offers;
	struct list flush;   /* frameworks with fresh offers */
	struct list refused; /* what the allocator offered too late */
	struct loop_timer *flush_timer;
	struct list links;
	size_t n_links_unregistered;
	uint64_t next_framework, next_agent, next_offer;
	struct loop_timer *gc, *recovery;
	size_t n_tasks_in[N_TASK_STATES];
	size_t n_executors;
	struct master_metrics metrics;
};

/* ---- master.c ------------------------------------------------------------ */
mz_key key_new(struct master *m, void *object);
struct framework *framework_by_key(struct master *m, mz_key key);
struct agent *agent_by_key(struct master *m, mz_key key);
void key_drop(struct master *m, mz_key key);
char *intern(struct master *m, const char *s);

/* ---- ids.c: small messages in arenas ---------------------------------------- */
Mesos__V1__FrameworkID *id_framework(struct arena *a, const char *v);
Mesos__V1__AgentID *id_agent(struct arena *a, const char *v);
Mesos__V1__OfferID *id_offer(struct arena *a, const char *v);
Mesos__V1__TaskID *id_task(struct arena *a, const char *v);
Mesos__V1__ExecutorID *id_executor(struct arena *a, const char *v);
Mesos__V1__TimeInfo *time_info(struct arena *a, double secs);

/* ---- alloc.c: the allocator module ------------------------------------------ */
void alloc_host_init(struct master *m);
void alloc_recover(struct master *m, size_t n_agents);
void alloc_add_framework(struct framework *f, bool active);
void alloc_update_framework(struct framework *f);
void alloc_remove_framework(struct framework *f);
void alloc_activate_framework(struct framework *f, bool active);
void alloc_add_agent(struct agent *a); /* with what its tasks and executors use */
void alloc_update_agent(struct agent *a);
void alloc_remove_agent(struct agent *a);
void alloc_activate_agent(struct agent *a, bool active);
void alloc_allocated(struct framework *f, const char *role, struct agent *a, const resources *r);
/* refuse_ns -1: no filter. Keys, because either may have gone. */
void alloc_recover_resources(struct master *m, mz_key framework, const char *role, mz_key agent,
			     const resources *r, int64_t refuse_ns, bool was_allocated);
void alloc_suppress(struct framework *f, char **roles, size_t n);
void alloc_revive(struct framework *f, char **roles, size_t n);
void alloc_request(struct framework *f, struct agent *a, const resources *wanted);

/* ---- constraints.c ------------------------------------------------------------ */
int constraints_check(const Mesos__V1__Scheduler__OfferConstraints *c, const char *const *roles, size_t n_roles,
		      struct mz_err *err);
bool constraints_allow(const Mesos__V1__Scheduler__OfferConstraints *c, const char *role, const struct agent *a);

/* ---- authz.c ---------------------------------------------------------------- */
void authz_drop(struct master *m);
typedef void (*authz_fn)(void *arg, const struct mz_err *err);
/* err NULL: allowed. fn may be called from inside. */
void authz_check(struct master *m, int action, const char *principal, const struct mz_object *o, authz_fn fn,
		 void *arg);
bool authz_view(struct master *m, int action, const char *principal, const struct mz_object *o);
bool authz_view_framework(struct master *m, const char *principal, const struct framework *f);
bool authz_view_role(struct master *m, const char *principal, const char *role);

/* ---- session.c: event streams -------------------------------------------------- */
/* Sends one event; a framework that is not connected gets nothing. */
void event_send(struct framework *f, pb_event *e);
void event_encode(enum codec c, const pb_event *e, struct buf *out); /* as one record */
void event_error(struct framework *f, const char *message);
void event_update(struct framework *f, pb_status *s);
/* 200, the error as the only event, end. */
void session_refuse(struct http_stream *s, enum codec c, const char *message);
void session_open(struct framework *f, struct http_stream *s, enum codec c, const char *id);
void session_close(struct framework *f, const char *error); /* error NULL: silently */

/* ---- frameworks.c, subscribe.c ----------------------------------------------------- */
struct framework *framework_get(struct master *m, const char *id); /* NULL: unknown or completed */
struct framework *framework_new(struct master *m, const pb_framework_info *info);
void framework_set_info(struct framework *f, const pb_framework_info *info, char **suppressed, size_t n_suppressed,
			const Mesos__V1__Scheduler__OfferConstraints *constraints);
void framework_free(struct framework *f);
void framework_subscribed(struct framework *f, struct http_stream *s, enum codec c, const char *stream_id,
			  bool was_known);
void framework_disconnected(struct framework *f);
/* Tasks are killed, history is kept; the id may not be used again. */
void framework_remove(struct framework *f, enum master_framework_event event, const char *why);
void framework_put(struct master *m, const pb_framework_info *info, double registered, double completed,
		   store_done_fn fn, void *arg);
void framework_forget(struct master *m, const char *id);
void framework_to_history(struct framework *f);
void framework_trim_history(struct master *m);
void framework_save(struct framework *f, store_done_fn fn, void *arg);
/* A step of transitions.def; what it does not allow is our own mistake. */
void framework_step(struct framework *f, enum master_framework_event event);
bool framework_has(const struct framework *f, int capability);
bool framework_has_role(const struct framework *f, const char *role);
void framework_start_failover(struct framework *f, int64_t at_least_ns);
void framework_broadcast_info(struct framework *f);
void subscribe_start(struct master *m, const char *principal, pb_call *call, struct arena *arena, enum codec accept,
		     struct http_exchange *x);
void subscribes_drop(struct master *m);
/* The rules that need the master's settings; the pure ones are the model's. */
int framework_info_allowed(struct master *m, const Mesos__V1__FrameworkInfo *info, char **suppressed,
			   size_t n_suppressed, const Mesos__V1__Scheduler__OfferConstraints *c, struct mz_err *err);

/* ---- agents: agents.c, register.c, reregister.c, lost.c ------------------------------ */
struct agent *agent_add(struct master *m, const char *id, const pb_agent_info *info);
void agent_forget(struct agent *a);
void agent_set_info(struct agent *a, const pb_agent_info *info);
struct agent *agent_get(struct master *m, const char *id); /* connected or disconnected; NULL */
void agent_step(struct agent *a, enum master_agent_event event);
bool agent_connected(const struct agent *a);
int agent_send(struct agent *a, Mezzo__Link__ToAgent *msg); /* -ENOTCONN */
void agent_send_kill(struct agent *a, const char *framework_id, const char *task_id,
		     Mesos__V1__KillPolicy *policy);
void agent_save(struct agent *a, double unreachable_time, store_done_fn fn, void *arg);
int agent_link_send(struct agent_link *al, Mezzo__Link__ToAgent *msg);
bool agent_link_unbusy(struct agent_link *al);
void agent_send_pending_kills(struct agent *a);
/* What a returning agent reports, merged with what the master knows. The
 * reconcile list of *ret is filled in. */
void report_merge(struct agent *a, const Mezzo__Link__Register *reg, bool is_known, Mezzo__Link__Registered *ret,
		  struct arena *arena);
void on_register(struct agent_link *al, const Mezzo__Link__ToMaster *msg, struct arena *arena);
void agent_link_drop(struct agent_link *al, const char *refuse); /* closes; refuse: Shutdown first */
void agent_start_pinging(struct agent *a);
void agent_disconnected(struct agent *a, const char *why);
void agent_mark_unreachable(struct agent *a, const char *why);
void agent_removed(struct agent *a, const char *why); /* unregistered or replaced: for good */
void agent_drop_tasks_of(struct agent *a, struct framework *f, task_state state, task_reason reason,
			 const char *message);
void agents_start_gc(struct master *m);
void marks_drop(struct master *m);
void agents_recovery_timeout(void *arg);
int64_t agent_reregister_ns(const struct master *m);

/* ---- tasks.c, executors.c -------------------------------------------------------------- */
struct task *task_new(struct framework *f, struct agent *a, const pb_task_info *t, const char *executor_id,
		      const resources *res, const char *role, task_state state);
void task_free(struct task *t);
/* Adds the task's resources to what framework and agent use. */
void task_charge(struct task *t);
/* The other way round, once; the allocator is told unless its agent is going. */
void task_uncharge(struct task *t, bool tell_allocator);
void task_set_state(struct task *t, task_state s);
void task_add_status(struct task *t, const pb_status *s);
pb_task *task_show(const struct task *t, struct arena *a);
pb_status *task_last_status(const struct task *t, struct arena *a); /* NULL: none */
/* Out of the live ones, into the history. */
void task_complete(struct task *t);
void task_make_unreachable(struct task *t, double when);
void framework_add_completed(struct framework *f, struct task *t);
/* TASK_UNREACHABLE, DROPPED, GONE … for frameworks that know them, else LOST. */
task_state state_for(const struct framework *f, task_state s);

struct executor *executor_find(const struct agent *a, const char *framework_id, const char *executor_id);
struct executor *executor_new(struct framework *f, struct agent *a, const pb_executor_info *e,
			      const resources *res, const char *role);
void executor_remove(struct executor *e, bool tell_allocator);
void executor_free(struct executor *e);
pb_executor_info *executor_show(const struct executor *e, struct arena *a);

/* ---- offers.c ------------------------------------------------------------------------------ */
void offers_drop(struct master *m);
void offer_make(struct master *m, mz_key framework, const char *role, mz_key agent, const resources *r);
struct offer *offer_get(struct master *m, const char *id);
/* Ends the offer without giving its resources back; frees it. */
void offer_end(struct offer *o);
/* Ends it, gives the resources back, and tells the framework if asked to. */
void offer_return(struct offer *o, int64_t refuse_ns, bool rescind);
void offers_return_of_agent(struct agent *a);
void offers_return_of_framework(struct framework *f, bool rescind);
Mesos__V1__Offer *offer_show(const struct offer *o, struct arena *a);
/* What is refused by these filters (default 5 s); -1: nothing. */
int64_t refuse_ns(const Mesos__V1__Filters *f);

/* ---- scheduler calls: one file each ------------------------------------------------------------ */
struct call_ctx {
	struct master *m;
	struct framework *f;
	pb_call *call;
	struct arena *arena; /* owns call; a handler may move it away */
};
void call_teardown(struct call_ctx *c);
void call_accept(struct call_ctx *c);
int accept_check(const Mesos__V1__Scheduler__Call__Accept *accept, struct mz_err *err);
void accepts_drop(struct master *m);
void call_decline(struct call_ctx *c);
void call_revive(struct call_ctx *c);
void call_suppress(struct call_ctx *c);
void call_kill(struct call_ctx *c);
void call_shutdown(struct call_ctx *c);
void call_acknowledge(struct call_ctx *c);
void call_reconcile(struct call_ctx *c);
void call_reconcile_operations(struct call_ctx *c);
void call_message(struct call_ctx *c);
void call_request(struct call_ctx *c);
/* Answers by itself: 200 or 400. */
void call_update_framework(struct call_ctx *c, const char *principal, struct http_exchange *x);

void operation_status_send(struct framework *f, Mesos__V1__OperationID *id, Mesos__V1__AgentID *agent_id,
			   Mesos__V1__ResourceProviderID *provider_id, Mesos__V1__OperationState state,
			   const char *message);
void reconcile_task(struct framework *f, const char *task_id, const char *agent_id);

/* ---- messages of agents -------------------------------------------------------------------------- */
void on_status_update(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena);
void on_exited_executor(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena);
void on_executor_message(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena);
void on_update_agent(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena);

/* A status of the master's own: no uuid, source master. */
pb_status *status_new(struct master *m, struct arena *arena, const char *task_id, const char *agent_id,
		      task_state state, int reason, const char *message);
/* Sends it and counts it. */
void status_send(struct framework *f, pb_status *s);
/* The master itself ends a live task: state, accounts, history, event. */
void task_end(struct task *t, task_state state, task_reason reason, const char *message, bool tell_allocator,
	      bool send);

/* ---- api/ ------------------------------------------------------------------------------------------ */
void api_routes(struct master *m);
void api_unroute(struct master *m);

#endif
