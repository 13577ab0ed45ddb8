/* internal.h - what the files of the master call of each other. Nobody else
 * includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MASTER_INTERNAL_H
#define MZ_MASTER_INTERNAL_H

#include "master/objects.h"

/* ---- names.c ------------------------------------------------------------- */
mz_key key_new(struct master *m, void *object);
struct framework *framework_by_key(struct master *m, mz_key key);
struct agent *agent_by_key(struct master *m, mz_key key);
void key_drop(struct master *m, mz_key key);
/* One copy for all who hold it, until the last one releases it. */
char *name_hold(struct master *m, const char *s);
char *name_share(const char *name); /* of one that is held: once more */
void name_release(struct master *m, const char *name); /* NULL: no-op */

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

/* ---- refused.c ---------------------------------------------------------------- */
/* The call (Call.Type) came to nothing, which its sender cannot see. */
MZ_PRINTF(3, 4) void call_refuse(struct framework *f, int type, const char *fmt, ...);
uint64_t call_refused(const struct framework *f, int type); /* how often */

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
/* What UPDATE_FRAMEWORK means, once it is durable. */
void framework_update(struct framework *f, const pb_framework_info *info, char **suppressed, size_t n_suppressed,
		      const Mesos__V1__Scheduler__OfferConstraints *constraints);
struct framework *framework_new(struct master *m, const pb_framework_info *info);
void framework_fill_info(pb_framework_info *info); /* so that equal ones compare equal */
void framework_set_info(struct framework *f, const pb_framework_info *info, char **suppressed, size_t n_suppressed,
			const Mesos__V1__Scheduler__OfferConstraints *constraints);
void framework_free(struct framework *f);
void framework_subscribed(struct framework *f, struct http_stream *s, enum codec c, const char *stream_id,
			  bool was_known);
void framework_disconnected(struct framework *f);
/* What it holds on all agents, in allocated form. The caller frees. */
resources *framework_used(const struct framework *f);
resources *framework_offered(const struct framework *f);
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
void agent_link_in_time(struct agent_link *al); /* it has registered, or gone */
void agent_link_take_early(struct agent_link *al);
void agent_keep_kill(struct agent *a, const char *framework_id, const char *task_id,
		     const Mesos__V1__KillPolicy *policy);
void agent_send_shutdown(struct agent *a, const char *framework_id);
void agent_drop_kill(struct agent *a, const char *framework_id, const char *task_id);
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
/* Unregistered or replaced: for good. state: of its tasks. */
void agent_removed(struct agent *a, task_state state, const char *why);
void agent_drop_tasks_of(struct agent *a, struct framework *f, task_state state, task_reason reason,
			 const char *message);
void agents_start_gc(struct master *m);
void marks_drop(struct master *m);
struct lost_agent *lost_new(double when, bool deactivated);
void lost_free(void *lost);
void lost_returned(struct lost_agent *lost); /* frees it; NULL: no-op */
void lost_replaced(struct master *m, const char *id); /* of one that is unreachable, for good */
void agents_recovery_timeout(void *arg);
int64_t agent_reregister_ns(const struct master *m);

/* ---- addresses.c --------------------------------------------------------------------- */
bool address_parse(const char *pid, char **ret_path, char **ret_ip, int *ret_port);
char *address_of(const char *pid); /* "IP:PORT", the caller's to free; NULL: not known */
void address_take(struct master *m, const char *address, const char *id);
void address_leave(struct master *m, const char *address, const char *id); /* unless another has it */
void agent_leave_address(struct agent *a);
void agent_set_pid(struct agent *a, const char *pid);
void addresses_drop(struct master *m);
void address_load(struct agent *a, const char *pid); /* pid NULL: an old record */
void address_load_lost(struct master *m, struct lost_agent *l, const char *id, const char *pid);
enum address_verdict {
	ADDRESS_FREE,	 /* now: who was there before is removed */
	ADDRESS_ITS_OWN, /* it has an id already, which it has not heard */
	ADDRESS_BUSY,	 /* this has to be settled first */
};
enum address_verdict address_settle(struct agent_link *al, const char **ret_id);

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
void task_make_unreachable(struct task *t, struct lost_agent *lost);
struct task *task_take_unreachable(struct framework *f, const char *id); /* out of them; NULL: none */
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
/* Of one event, in protobuf; most of an AgentInfo is in each offer. In JSON it may be three
 * times as much, and has to be below what a stream takes at most. */
enum { MAX_OFFERS_BYTES = 4 << 20 };
void offers_drop(struct master *m);
void offer_make(struct master *m, mz_key framework, const char *role, mz_key agent, const resources *r);
struct offer *offer_get(struct master *m, const char *id);
/* Ends the offer without giving its resources back; frees it. */
void offer_end(struct offer *o);
/* Ends it, gives the resources back, and tells the framework if asked to. */
void offer_return(struct offer *o, int64_t refuse_ns, bool rescind);
void offers_return_of_agent(struct agent *a);
void offers_return_of_framework(struct framework *f, bool rescind);
void offers_return_suppressed(struct framework *f); /* those that nobody has seen yet */
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
void call_accept(struct call_ctx *c);
void accepts_drop(struct master *m);
/* The agent of a task that is still being authorized; NULL: there is no such task. */
const char *pending_agent(const struct framework *f, const char *task_id);
/* The same, and the task will not start, which the framework has to be told. */
const char *pending_kill(struct framework *f, const char *task_id);
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
/* Answers by itself: 200, 400 or 403. */
void call_update_framework(struct call_ctx *c, const char *principal, struct http_exchange *x);
void updates_drop(struct master *m);
/* Answers x when the end of the framework is on record. */
void call_teardown(struct call_ctx *c, struct http_exchange *x);
void teardowns_drop(struct master *m);
void call_inverse_offers(struct call_ctx *c);
void call_acknowledge_operation(struct call_ctx *c);

void operation_status_send(struct framework *f, Mesos__V1__OperationID *id, Mesos__V1__AgentID *agent_id,
			   Mesos__V1__ResourceProviderID *provider_id, Mesos__V1__OperationState state,
			   const char *message);
void reconcile_task(struct framework *f, const char *task_id, const char *agent_id);
void reconcile_operation(struct framework *f, const char *id, const char *agent_id, const char *provider_id);

/* ---- backlog.c: what waits for room in the framework's stream ------------------------------ */
/* Above this, what can wait waits. Far below what cuts the stream. */
enum { STREAM_PORTION_BYTES = 32 << 10 };
enum stream_room { STREAM_HAS_ROOM, STREAM_IS_FULL, STREAM_IS_CUT };
enum stream_room stream_room(struct framework *f);
void backlog_drop(struct framework *f);

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
