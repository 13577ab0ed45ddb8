/* lost.c - agents that are given up: unreachable ones may return, removed ones
 * not under the same id's tasks. The record is durable before anyone is told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

struct mark {
	struct master *m;
	char *id;
	double when;
};

static void tell_lost(struct master *m, const char *agent_id)
{
	mz_autoarena struct arena arena = {0};
	Mesos__V1__Scheduler__Event__Failure failure = MESOS__V1__SCHEDULER__EVENT__FAILURE__INIT;
	pb_event e = MESOS__V1__SCHEDULER__EVENT__INIT;
	failure.agent_id = id_agent(&arena, agent_id);
	e.type = MESOS__V1__SCHEDULER__EVENT__TYPE__FAILURE;
	e.failure = &failure;
	map_each(&m->frameworks, f)
		event_send(f->value, &e);
}

struct lost_agent *lost_new(double when, bool deactivated)
{
	struct lost_agent *l = xnew(struct lost_agent);
	l->time = when;
	l->deactivated = deactivated;
	list_init(&l->tasks);
	return l;
}

void lost_free(void *arg)
{
	struct lost_agent *l = arg;
	if (!l)
		return;
	list_each(&l->tasks, struct task, in_agent, t)
		list_remove(&t->in_agent);
	free(l->address);
	free(l);
}

static void task_gone(struct task *t, task_reason reason, const char *message, bool tell)
{
	struct framework *f = t->framework;
	mz_autoarena struct arena arena = {0};
	list_remove(&t->in_agent);
	if (f->state == MASTER_FRAMEWORK_REMOVED)
		return;
	must(task_take_unreachable(f, t->id) == t);
	task_state state = state_for(f, TS(GONE));
	pb_status *s = status_new(f->m, &arena, t->id, t->agent_id, state, (int)reason, message);
	s->executor_id = t->executor_id ? id_executor(&arena, t->executor_id) : NULL;
	bool is_news = state != (task_state)t->state; /* LOST is said once */
	task_add_status(t, s);
	f->m->n_tasks_in[t->state]--;
	t->state = (uint8_t)state;
	if (tell && is_news)
		status_send(f, s); /* which points into the task */
	framework_add_completed(f, t);
}

/* The agent is there again, and what it has reported is live. The rest has ended
 * unseen: nobody is told, as nobody asked, but the ids are free. */
void lost_returned(struct lost_agent *l)
{
	if (!l)
		return;
	list_each(&l->tasks, struct task, in_agent, t)
		task_gone(t, REASON(AGENT_REREGISTERED), "Agent returned without the task", false);
	lost_free(l);
}

/* It will not return: where it was there is another one now. */
void lost_replaced(struct master *m, const char *id)
{
	struct lost_agent *l = map_del(&m->unreachable, id);
	mz_autofree char *key = xasprintf("agent/%s", id);
	log_info(AREA, "Agent %s, unreachable, is removed: another one registers at its address", id);
	m->metrics.agent_removals++;
	store_delete(m->store, key, NULL, NULL);
	address_leave(m, l->address, id);
	list_each(&l->tasks, struct task, in_agent, t)
		task_gone(t, REASON(AGENT_REMOVED), "Agent was removed", true);
	lost_free(l);
}

static void task_unreachable(struct task *t, struct lost_agent *lost)
{
	double when = lost->time;
	struct framework *f = t->framework;
	mz_autoarena struct arena arena = {0};
	task_state state = state_for(f, TS(UNREACHABLE));
	pb_status *s = status_new(f->m, &arena, t->id, t->agent_id, state, REASON(AGENT_REMOVED),
				  "Agent is unreachable");
	s->unreachable_time = time_info(&arena, when);
	s->executor_id = t->executor_id ? id_executor(&arena, t->executor_id) : NULL;
	bool had_ended = task_state_is_terminal((task_state)t->state);
	task_uncharge(t, false);
	if (had_ended) { /* its end was not acknowledged yet, and is known */
		task_complete(t);
		return;
	}
	task_add_status(t, s);
	task_set_state(t, state);
	status_send(f, s); /* which points into the task */
	task_make_unreachable(t, lost);
}

/* Out of the tables; its tasks and executors are gone already. */
static void forget(struct agent *a)
{
	map_del(&a->m->agents, a->id);
	map_del(&a->m->recovered, a->id);
	if (a->link)
		agent_link_drop(a->link, NULL);
	agent_forget(a);
}

static void on_marked(void *arg)
{
	struct mark *k = arg;
	struct master *m = k->m;
	struct agent *a = agent_get(m, k->id);
	if (!a)
		a = map_get(&m->recovered, k->id);
	map_del(&m->marking, k->id);
	if (a) {
		agent_step(a, MASTER_AGENT_ON_MARKED_UNREACHABLE);
		m->metrics.agent_unreachable_completed++;
		m->metrics.agent_removals++;
		m->metrics.agent_removals_unhealthy++;
		offers_return_of_agent(a);
		alloc_remove_agent(a);
		struct lost_agent *lost = lost_new(k->when, a->deactivated);
		lost->address = address_of(a->pid);
		map_put(&m->unreachable, a->id, lost);
		list_each(&a->tasks, struct task, in_agent, t)
			task_unreachable(t, lost);
		list_each(&a->executors, struct executor, in_agent, e)
			executor_remove(e, false);
		tell_lost(m, a->id);
		forget(a);
	}
	free(k->id);
	free(k);
}

void agent_mark_unreachable(struct agent *a, const char *why)
{
	struct master *m = a->m;
	if (map_has(&m->marking, a->id))
		return;
	log_warning(AREA, "Agent %s at %s becomes unreachable: %s", a->id, a->info->hostname, why);
	struct mark *k = xnew(struct mark);
	*k = (struct mark){.m = m, .id = xstrdup(a->id), .when = loop_wall_secs(m->loop)};
	m->metrics.agent_unreachable_scheduled++;
	map_put(&m->marking, a->id, k);
	agent_save(a, k->when, on_marked, k);
}

void marks_drop(struct master *m)
{
	map_each(&m->marking, e) {
		struct mark *k = e->value;
		store_forget(m->store, k);
		free(k->id);
		free(k);
	}
	map_done(&m->marking);
}

void agent_removed(struct agent *a, task_state state, const char *why)
{
	struct master *m = a->m;
	log_info(AREA, "Agent %s at %s is removed: %s", a->id, a->info->hostname, why);
	m->metrics.agent_removals++;
	mz_autofree char *key = xasprintf("agent/%s", a->id);
	mz_autofree char *id = xstrdup(a->id);
	store_delete(m->store, key, NULL, NULL);
	agent_step(a, MASTER_AGENT_ON_REMOVE);
	offers_return_of_agent(a);
	alloc_remove_agent(a);
	agent_drop_tasks_of(a, NULL, state, REASON(AGENT_REMOVED), "Agent was removed");
	tell_lost(m, id);
	agent_leave_address(a);
	forget(a);
}

void agents_recovery_timeout(void *arg)
{
	struct master *m = arg;
	m->recovery = NULL;
	map_each(&m->recovered, e) {
		m->metrics.recovery_agent_removals++;
		agent_mark_unreachable(e->value, "it has not returned since the master started");
	}
}

/* ---- forgetting --------------------------------------------------------------------- */

static void forget_lost(struct master *m, struct map *lost, const char *id)
{
	mz_autofree char *key = xasprintf("agent/%s", id);
	struct lost_agent *l = map_del(lost, id);
	store_delete(m->store, key, NULL, NULL);
	address_leave(m, l->address, id);
	lost_free(l);
}

static void trim(struct master *m, struct map *lost)
{
	double oldest = loop_wall_secs(m->loop) - (double)m->cfg.registry_max_agent_age_ns / NS_PER_SEC;
	map_each(lost, e) {
		const struct lost_agent *l = e->value;
		if (lost->n > m->cfg.registry_max_agents || l->time < oldest) {
			mz_autofree char *id = xstrdup(e->key);
			forget_lost(m, lost, id);
		}
	}
}

static void on_gc(void *arg)
{
	struct master *m = arg;
	trim(m, &m->unreachable);
	trim(m, &m->gone);
	m->gc = loop_timer(m->loop, m->cfg.registry_gc_interval_ns, on_gc, m);
}

void agents_start_gc(struct master *m)
{
	m->gc = loop_timer(m->loop, m->cfg.registry_gc_interval_ns, on_gc, m);
}
