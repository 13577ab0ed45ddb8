/* frameworks.c - frameworks from their first subscription to the history:
 * recovered, connected, disconnected, completed. How they subscribe is in
 * subscribe.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/internal.h"

/* The longest failover timeout that a timer is set for: a hundred years. */
#define MAX_FAILOVER_SECS 3153600000.0

struct framework *framework_get(struct master *m, const char *id)
{
	return map_get(&m->frameworks, id);
}

bool framework_has(const struct framework *f, int capability)
{
	return f->capabilities & (uint32_t)capability;
}

bool framework_has_role(const struct framework *f, const char *role)
{
	for (size_t i = 0; i < f->n_roles; i++)
		if (str_eq(f->roles[i], role))
			return true;
	return false;
}

void framework_fill_info(pb_framework_info *info)
{
	info->has_checkpoint = info->has_failover_timeout = 1; /* shown even when left to their defaults */
}

static void release_all(struct master *m, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		name_release(m, names[i]);
}

void framework_set_info(struct framework *f, const pb_framework_info *info, char **suppressed, size_t n_suppressed,
			const Mesos__V1__Scheduler__OfferConstraints *constraints)
{
	struct arena old = f->info_arena;
	const char **old_roles = f->roles;
	size_t n_old_roles = f->n_roles;
	f->info_arena = (struct arena){0};
	f->info = (pb_framework_info *)pb_copy(&info->base, &f->info_arena);
	framework_fill_info(f->info);
	if (!f->info->id)
		f->info->id = id_framework(&f->info_arena, f->id);
	f->n_roles = framework_roles(f->info, &f->info_arena, &f->roles);
	for (size_t i = 0; i < f->n_roles; i++)
		f->roles[i] = name_hold(f->m, f->roles[i]);
	release_all(f->m, old_roles, n_old_roles);
	f->capabilities = framework_capabilities(f->info);
	struct mz_err err;
	constraints_free(f->constraints);
	f->constraints = NULL;
	/* Whoever calls has let framework_info_allowed look at them. */
	must(constraints_new(constraints, f->roles, f->n_roles, &f->m->regex_limits, &f->constraints, &err) == 0);
	map_done(&f->suppressed);
	for (size_t i = 0; i < n_suppressed; i++)
		map_put(&f->suppressed, suppressed[i], f);
	arena_done(&old); /* last: info may be the old one */
}

struct framework *framework_new(struct master *m, const pb_framework_info *info)
{
	struct framework *f = xnew(struct framework);
	f->m = m;
	f->what = IS_FRAMEWORK;
	f->id = xstrdup(info->id->value);
	f->key = key_new(m, f);
	f->state = MASTER_FRAMEWORK_RECOVERED;
	list_init(&f->completed);
	list_init(&f->executors);
	list_init(&f->offers);
	list_init(&f->fresh);
	framework_set_info(f, info, NULL, 0, NULL);
	map_put(&m->frameworks, f->id, f);
	return f;
}

void framework_free(struct framework *f)
{
	if (!f)
		return;
	session_close(f, NULL);
	loop_timer_cancel(f->m->loop, f->failover);
	list_each(&f->offers, struct offer, in_framework, o)
		offer_end(o);
	list_remove(&f->in_flush);
	map_each(&f->tasks, e)
		task_free(e->value);
	map_each(&f->unreachable, e)
		task_free(e->value);
	list_each(&f->completed, struct task, in_history, t)
		task_free(t);
	list_each(&f->executors, struct executor, in_framework, e)
		executor_free(e);
	map_done(&f->tasks);
	map_done(&f->pending);
	map_done(&f->unreachable);
	map_done(&f->suppressed);
	constraints_free(f->constraints);
	free(f->refused);
	release_all(f->m, f->roles, f->n_roles);
	arena_done(&f->info_arena);
	free(f->id);
	free(f);
}

/* Writes the framework's record, with the time of its end if it has one. */
void framework_save(struct framework *f, store_done_fn fn, void *arg)
{
	framework_put(f->m, f->info, f->registered_time, f->unregistered_time, fn, arg);
}

void framework_put(struct master *m, const pb_framework_info *info, double registered, double completed,
		   store_done_fn fn, void *arg)
{
	mz_autoarena struct arena arena = {0};
	Mezzo__Records__FrameworkRecord r = MEZZO__RECORDS__FRAMEWORK_RECORD__INIT;
	r.info = (pb_framework_info *)info;
	r.registered_time = registered;
	r.has_completed_time = completed > 0;
	r.completed_time = completed;
	struct mz_bytes b = pb_encode_arena(&r.base, &arena);
	mz_autofree char *key = xasprintf("framework/%s", info->id->value);
	store_put(m->store, key, b.data, b.size, fn, arg);
}

/* ---- connected and not ------------------------------------------------------- */

/* Calls fn once for each agent that runs something of the framework. */
static void each_agent(struct framework *f, void (*fn)(struct agent *a, struct framework *f))
{
	unsigned mark = ++f->m->mark;
	map_each(&f->tasks, e) {
		struct agent *a = ((struct task *)e->value)->agent;
		if (a && a->mark != mark) {
			a->mark = mark;
			fn(a, f);
		}
	}
	list_each(&f->executors, struct executor, in_framework, e) {
		if (e->agent->mark != mark) {
			e->agent->mark = mark;
			fn(e->agent, f);
		}
	}
}

static void send_update(struct agent *a, struct framework *f)
{
	Mezzo__Link__UpdateFramework u = MEZZO__LINK__UPDATE_FRAMEWORK__INIT;
	Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
	u.framework = f->info;
	msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_UPDATE_FRAMEWORK;
	msg.update_framework = &u;
	(void)agent_send(a, &msg); /* a disconnected agent learns it when it launches next */
}

void framework_broadcast_info(struct framework *f)
{
	each_agent(f, send_update);
}

void framework_step(struct framework *f, enum master_framework_event event)
{
	struct mz_err err = {0};
	int next = fsm_step(&master_framework_fsm, f->id, f->state, event, &err);
	if (next < 0)
		log_error(AREA, "%s", err.msg);
	must(next >= 0);
	f->state = (enum master_framework_state)next;
}

void framework_subscribed(struct framework *f, struct http_stream *s, enum codec c, const char *stream_id,
			  bool was_known)
{
	enum master_framework_state before = f->state;
	double now = loop_wall_secs(f->m->loop);
	if (before == MASTER_FRAMEWORK_CONNECTED) {
		session_close(f, "Framework failed over");
		offers_return_of_framework(f, false);
	}
	loop_timer_cancel(f->m->loop, f->failover);
	f->failover = NULL;
	framework_step(f, MASTER_FRAMEWORK_ON_SUBSCRIBE);
	if (!was_known)
		f->registered_time = now;
	f->reregistered_time = now;
	session_open(f, s, c, stream_id);
	if (!was_known) {
		alloc_add_framework(f, true);
	} else {
		alloc_update_framework(f);
		if (before != MASTER_FRAMEWORK_CONNECTED)
			alloc_activate_framework(f, true);
		framework_broadcast_info(f);
	}
	log_info(AREA, "Framework %s (%s) %s", f->id, f->info->name,
		 before == MASTER_FRAMEWORK_CONNECTED ? "failed over" : was_known ? "returned" : "subscribed");
}

static void on_failover_timeout(void *arg)
{
	struct framework *f = arg;
	f->failover = NULL;
	framework_remove(f, MASTER_FRAMEWORK_ON_FAILOVER_TIMEOUT, "its failover timeout has passed");
}

void framework_start_failover(struct framework *f, int64_t at_least_ns)
{
	double secs = f->info->has_failover_timeout ? f->info->failover_timeout : 0;
	secs = secs > MAX_FAILOVER_SECS ? MAX_FAILOVER_SECS : secs > 0 ? secs : 0;
	int64_t delay = MZ_MAX((int64_t)(secs * NS_PER_SEC), at_least_ns);
	loop_timer_cancel(f->m->loop, f->failover);
	f->failover = loop_timer(f->m->loop, delay, on_failover_timeout, f);
}

void framework_disconnected(struct framework *f)
{
	framework_step(f, MASTER_FRAMEWORK_ON_LINK_LOST);
	alloc_activate_framework(f, false);
	offers_return_of_framework(f, false);
	framework_start_failover(f, 0);
}

/* ---- what it holds ----------------------------------------------------------------- */

/* Counted when they are asked for, and not kept: ports of two agents may be equal
 * without being the same, so that a sum over agents cannot be subtracted from. */
resources *framework_used(const struct framework *f)
{
	resources *sum = res_new();
	map_each(&f->tasks, e) {
		const struct task *t = e->value;
		if (!t->freed)
			res_add(sum, t->res);
	}
	list_each(&f->executors, struct executor, in_framework, e)
		res_add(sum, e->res);
	return sum;
}

resources *framework_offered(const struct framework *f)
{
	resources *sum = res_new();
	list_each(&f->offers, struct offer, in_framework, o) {
		resources *r = res_allocate(o->res, o->role);
		res_add(sum, r);
		res_free(r);
	}
	return sum;
}

/* ---- the end -------------------------------------------------------------------- */

static void send_shutdown(struct agent *a, struct framework *f)
{
	agent_send_shutdown(a, f->id); /* a disconnected agent is told when it returns */
}

void framework_forget(struct master *m, const char *id)
{
	mz_autofree char *key = xasprintf("framework/%s", id);
	store_delete(m->store, key, NULL, NULL);
}

static void forget_oldest(struct master *m)
{
	struct framework *f = list_first(&m->completed, struct framework, in_history);
	list_remove(&f->in_history);
	m->n_completed--;
	map_del(&m->completed_index, f->id);
	framework_forget(m, f->id);
	framework_free(f);
}

void framework_to_history(struct framework *f)
{
	struct master *m = f->m;
	f->state = MASTER_FRAMEWORK_REMOVED;
	map_each(&f->unreachable, e) /* remembered, but they cannot come back */
		m->n_tasks_in[((struct task *)e->value)->state]--;
	map_del(&m->frameworks, f->id);
	key_drop(m, f->key);
	map_put(&m->completed_index, f->id, f);
	list_append(&m->completed, &f->in_history);
	m->n_completed++;
}

void framework_trim_history(struct master *m)
{
	while (m->n_completed > m->cfg.max_completed_frameworks)
		forget_oldest(m);
}

void framework_remove(struct framework *f, enum master_framework_event event, const char *why)
{
	log_info(AREA, "Framework %s (%s) is removed: %s", f->id, f->info->name, why);
	if (f->state == MASTER_FRAMEWORK_CONNECTED)
		alloc_activate_framework(f, false);
	framework_step(f, event);
	session_close(f, NULL);
	loop_timer_cancel(f->m->loop, f->failover);
	f->failover = NULL;
	offers_return_of_framework(f, false);
	each_agent(f, send_shutdown);
	map_each(&f->tasks, e)
		task_end(e->value, TS(KILLED), REASON(FRAMEWORK_REMOVED), "Framework was removed", true, false);
	list_each(&f->executors, struct executor, in_framework, e)
		executor_remove(e, true);
	map_done(&f->pending);
	alloc_remove_framework(f);
	f->unregistered_time = loop_wall_secs(f->m->loop);
	framework_save(f, NULL, NULL);
	struct master *m = f->m;
	framework_to_history(f);
	framework_trim_history(m);
}
