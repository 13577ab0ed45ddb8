/* agents.c - agents and their links: who is there, what it is sent, pings, and
 * disconnection. Coming is in register.c, going for longer in lost.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/internal.h"

enum { MAX_EARLY_BYTES = 1 << 20 };

struct agent *agent_get(struct master *m, const char *id)
{
	return map_get(&m->agents, id);
}

bool agent_connected(const struct agent *a)
{
	return a->state == MASTER_AGENT_REGISTERED;
}

void agent_step(struct agent *a, enum master_agent_event event)
{
	struct mz_err err = {0};
	int next = fsm_step(&master_agent_fsm, a->id, a->state, event, &err);
	if (next < 0)
		log_error(AREA, "%s", err.msg);
	must(next >= 0);
	a->state = (enum master_agent_state)next;
}

int64_t agent_reregister_ns(const struct master *m)
{
	return m->cfg.agent_reregister_timeout_ns;
}

struct agent *agent_add(struct master *m, const char *id, const pb_agent_info *info)
{
	struct agent *a = xnew(struct agent);
	a->m = m;
	a->what = IS_AGENT;
	a->id = name_hold(m, id);
	a->key = key_new(m, a);
	a->state = MASTER_AGENT_RECOVERED;
	a->total = res_new();
	a->used = res_new();
	a->offered = res_new();
	list_init(&a->tasks);
	list_init(&a->executors);
	list_init(&a->offers);
	agent_set_info(a, info);
	return a;
}

void agent_set_info(struct agent *a, const pb_agent_info *info)
{
	struct mz_err err;
	struct arena old = a->info_arena;
	a->info_arena = (struct arena){0};
	a->info = (pb_agent_info *)pb_copy(&info->base, &a->info_arena);
	a->info->id = id_agent(&a->info_arena, a->id);
	res_clear(a->total);
	if (res_from_pb(a->info->resources, a->info->n_resources, a->total, &err) < 0) {
		log_error(AREA, "Resources of agent %s cannot be read, counted as none: %s", a->id, err.msg);
		res_clear(a->total);
	}
	arena_done(&old);
}

static void pending_kill_done(struct pending_kill *k)
{
	free(k->framework_id);
	free(k->task_id);
	free((void *)k->policy.data);
}

static void free_kills(struct agent *a)
{
	for (size_t i = 0; i < a->kills.n; i++)
		pending_kill_done(&a->kills.v[i]);
	vec_done(&a->kills);
}

void agent_forget(struct agent *a)
{
	if (!a)
		return;
	must(list_empty(&a->offers) && list_empty(&a->tasks) && list_empty(&a->executors));
	loop_timer_cancel(a->m->loop, a->ping);
	loop_timer_cancel(a->m->loop, a->reregister);
	if (a->link)
		a->link->agent = NULL;
	key_drop(a->m, a->key);
	free_kills(a);
	map_done(&a->executor_index);
	res_free(a->total);
	res_free(a->used);
	res_free(a->offered);
	free(a->version);
	free(a->pid);
	free(a->ip);
	free(a->path);
	arena_done(&a->info_arena);
	name_release(a->m, a->id);
	free(a);
}

void agent_save(struct agent *a, double unreachable_time, store_done_fn fn, void *arg)
{
	mz_autoarena struct arena arena = {0};
	Mezzo__Records__AgentRecord r = MEZZO__RECORDS__AGENT_RECORD__INIT;
	r.info = a->info;
	r.pid = a->pid;
	r.registered_time = a->registered_time;
	r.has_unreachable_time = unreachable_time > 0;
	r.unreachable_time = unreachable_time;
	r.has_deactivated = a->deactivated;
	r.deactivated = a->deactivated;
	struct mz_bytes b = pb_encode_arena(&r.base, &arena);
	mz_autofree char *key = xasprintf("agent/%s", a->id);
	store_put(a->m->store, key, b.data, b.size, fn, arg);
}

/* ---- sending -------------------------------------------------------------------- */

int agent_link_send(struct agent_link *al, Mezzo__Link__ToAgent *msg)
{
	if (!al->link || al->cut)
		return -ENOTCONN;
	struct buf b = {0};
	pb_encode(&msg->base, &b);
	int r = link_send(al->link, b.data, b.len);
	if (r == -EMSGSIZE)
		log_error(AREA, "A message of %zu bytes to the agent at %s is larger than a frame, dropped", b.len,
			  al->link->peer);
	else
		al->cut = r < 0; /* on_gone follows */
	buf_done(&b);
	return r;
}

int agent_send(struct agent *a, Mezzo__Link__ToAgent *msg)
{
	return agent_connected(a) && a->link ? agent_link_send(a->link, msg) : -ENOTCONN;
}

/* Of a task that is asked for anyway: one answer is enough, and a second one might
 * be taken for a later task's of that id. */
void agent_drop_kill(struct agent *a, const char *framework_id, const char *task_id)
{
	for (size_t i = 0; i < a->kills.n; i++) {
		struct pending_kill *k = &a->kills.v[i];
		if (!str_eq(k->task_id, task_id) || !str_eq(k->framework_id, framework_id))
			continue;
		pending_kill_done(k);
		vec_remove(&a->kills, i);
		break;
	}
}

/* The latest one of a task counts, so that they are never more than tasks. */
void agent_keep_kill(struct agent *a, const char *framework_id, const char *task_id,
		     const Mesos__V1__KillPolicy *policy)
{
	agent_drop_kill(a, framework_id, task_id);
	struct pending_kill p = {.framework_id = xstrdup(framework_id), .task_id = xstrdup(task_id)};
	if (policy) {
		struct buf b = {0};
		pb_encode(&policy->base, &b);
		p.policy = (struct mz_bytes){b.data, b.len};
	}
	vec_push(&a->kills, p);
}

void agent_send_kill(struct agent *a, const char *framework_id, const char *task_id,
		     Mesos__V1__KillPolicy *policy)
{
	mz_autoarena struct arena arena = {0};
	Mezzo__Link__KillTask k = MEZZO__LINK__KILL_TASK__INIT;
	Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
	k.framework_id = id_framework(&arena, framework_id);
	k.task_id = id_task(&arena, task_id);
	k.kill_policy = policy;
	msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_KILL_TASK;
	msg.kill_task = &k;
	if (agent_send(a, &msg) < 0)
		agent_keep_kill(a, framework_id, task_id, policy);
}

void agent_send_shutdown(struct agent *a, const char *framework_id)
{
	mz_autoarena struct arena arena = {0};
	Mezzo__Link__ShutdownFramework s = MEZZO__LINK__SHUTDOWN_FRAMEWORK__INIT;
	Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
	s.framework_id = id_framework(&arena, framework_id);
	msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_SHUTDOWN_FRAMEWORK;
	msg.shutdown_framework = &s;
	(void)agent_send(a, &msg);
}

/* Kills that came while the agent was away. */
void agent_send_pending_kills(struct agent *a)
{
	mz_autoarena struct arena arena = {0};
	struct agent was = *a;
	memset(&a->kills, 0, sizeof(a->kills));
	for (size_t i = 0; i < was.kills.n; i++) {
		const struct pending_kill *k = &was.kills.v[i];
		Mesos__V1__KillPolicy *policy = NULL;
		if (k->policy.data)
			policy = (Mesos__V1__KillPolicy *)pb_decode(&mesos__v1__kill_policy__descriptor, &arena,
								    k->policy.data, k->policy.size, NULL);
		struct framework *f = framework_get(a->m, k->framework_id);
		if (f && map_has(&f->tasks, k->task_id))
			agent_send_kill(a, k->framework_id, k->task_id, policy);
	}
	free_kills(&was);
}

/* ---- pings -------------------------------------------------------------------------- */

static void on_ping_timer(void *arg)
{
	struct agent *a = arg;
	a->ping = NULL;
	if (a->ponged)
		a->n_missed_pings = 0;
	else if (++a->n_missed_pings >= a->m->cfg.max_agent_ping_timeouts) {
		agent_mark_unreachable(a, "it does not answer pings");
		return;
	}
	Mezzo__Link__Ping p = MEZZO__LINK__PING__INIT;
	Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
	p.connected = 1;
	msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_PING;
	msg.ping = &p;
	a->ponged = false;
	(void)agent_send(a, &msg); /* on_gone follows a failure */
	a->ping = loop_timer(a->m->loop, a->m->cfg.agent_ping_timeout_ns, on_ping_timer, a);
}

void agent_start_pinging(struct agent *a)
{
	loop_timer_cancel(a->m->loop, a->ping);
	a->n_missed_pings = 0;
	a->ponged = true;
	a->ping = loop_timer(a->m->loop, a->m->cfg.agent_ping_timeout_ns, on_ping_timer, a);
}

/* ---- disconnection ---------------------------------------------------------------------- */

void agent_drop_tasks_of(struct agent *a, struct framework *f, task_state state, task_reason reason,
			 const char *message)
{
	list_each(&a->tasks, struct task, in_agent, t)
		if (!f || t->framework == f)
			task_end(t, state_for(t->framework, state), reason, message, a->in_allocator, true);
	list_each(&a->executors, struct executor, in_agent, e)
		if (!f || e->framework == f)
			executor_remove(e, a->in_allocator);
}

/* Executors of frameworks without checkpoints die with the connection. */
static void drop_unchecked(struct agent *a)
{
	list_each(&a->tasks, struct task, in_agent, t)
		if (!t->framework->info->checkpoint)
			task_end(t, TS(LOST), REASON(AGENT_DISCONNECTED), "Agent disconnected", true, true);
	list_each(&a->executors, struct executor, in_agent, e)
		if (!e->framework->info->checkpoint)
			executor_remove(e, true);
}

static void on_reregister_timeout(void *arg)
{
	struct agent *a = arg;
	a->reregister = NULL;
	agent_mark_unreachable(a, "it has not returned in time");
}

void agent_disconnected(struct agent *a, const char *why)
{
	log_info(AREA, "Agent %s at %s disconnected: %s", a->id, a->info->hostname, why);
	agent_step(a, MASTER_AGENT_ON_LINK_LOST);
	loop_timer_cancel(a->m->loop, a->ping);
	a->ping = NULL;
	alloc_activate_agent(a, false);
	offers_return_of_agent(a);
	drop_unchecked(a);
	loop_timer_cancel(a->m->loop, a->reregister);
	a->reregister = loop_timer(a->m->loop, agent_reregister_ns(a->m), on_reregister_timeout, a);
}

/* ---- links ----------------------------------------------------------------------------------- */

static void on_pong(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena)
{
	(void)msg;
	(void)arena;
	a->ponged = true;
	a->n_missed_pings = 0;
}

static void on_unregister(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena)
{
	(void)msg;
	(void)arena;
	a->m->metrics.messages_unregister_agent++;
	a->m->metrics.agent_removals_unregistered++;
	agent_removed(a, TS(LOST), "it unregistered");
}

#define MESSAGE(name) MEZZO__LINK__TO_MASTER__MESSAGE_##name

/* What a registered agent may say. */
static const struct {
	int message;
	void (*handle)(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena);
} handlers[] = {
	{MESSAGE(STATUS_UPDATE), on_status_update},
	{MESSAGE(EXITED_EXECUTOR), on_exited_executor},
	{MESSAGE(EXECUTOR_MESSAGE), on_executor_message},
	{MESSAGE(UPDATE_AGENT), on_update_agent},
	{MESSAGE(PONG), on_pong},
	{MESSAGE(UNREGISTER), on_unregister},
};

/* Of an agent that is being admitted. Its report was written before it said this: an
 * executor that has ended since would stay in our books for ever. */
static void keep_early(struct agent_link *al, int message, const void *frame, size_t size)
{
	if (!al->busy || (message != MESSAGE(EXITED_EXECUTOR) && message != MESSAGE(UPDATE_AGENT))) {
		al->m->metrics.dropped_messages++;
		return;
	}
	al->early_bytes += size;
	if (al->early_bytes > MAX_EARLY_BYTES) {
		log_warning(AREA, "Agent at %s says too much before it is registered, cut", al->link->peer);
		agent_link_drop(al, NULL); /* its next report tells it all */
		return;
	}
	struct mz_bytes b = {xmemdup(frame, size), size};
	vec_push(&al->early, b);
}

static void drop_early(struct agent_link *al)
{
	for (size_t i = 0; i < al->early.n; i++)
		free((void *)al->early.v[i].data);
	vec_done(&al->early);
	al->early_bytes = 0;
}

static void on_frame(void *arg, const void *frame, size_t size)
{
	struct agent_link *al = arg;
	struct arena arena = {0};
	struct mz_err err = {0};
	Mezzo__Link__ToMaster *msg = (Mezzo__Link__ToMaster *)pb_decode(&mezzo__link__to_master__descriptor, &arena,
									frame, size, &err);
	if (!msg) {
		log_warning(AREA, "Agent at %s sent what cannot be read, dropped: %s", al->link->peer, err.msg);
		al->m->metrics.dropped_messages++;
	} else if (msg->message_case == MESSAGE(REGISTER)) {
		on_register(al, msg, &arena);
	} else if (!al->agent || !agent_connected(al->agent)) {
		keep_early(al, (int)msg->message_case, frame, size);
	} else {
		size_t i = 0;
		while (i < MZ_N(handlers) && handlers[i].message != (int)msg->message_case)
			i++;
		if (i < MZ_N(handlers))
			handlers[i].handle(al->agent, msg, &arena);
		else
			al->m->metrics.dropped_messages++;
	}
	arena_done(&arena);
}

/* It is admitted: what it said meanwhile counts now. */
void agent_link_take_early(struct agent_link *al)
{
	for (size_t i = 0; i < al->early.n; i++)
		on_frame(al, al->early.v[i].data, al->early.v[i].size);
	drop_early(al);
}

static void link_free(struct agent_link *al)
{
	drop_early(al);
	list_remove(&al->in_master);
	arena_done(&al->arena);
	free(al);
}

static void link_ended(struct agent_link *al)
{
	al->link = NULL;
	agent_link_in_time(al);
	if (al->agent)
		al->agent->link = NULL;
	else
		al->m->n_links_unregistered--;
	al->agent = NULL;
	if (!al->busy || al->m->ending)
		link_free(al);
}

static void on_link_gone(void *arg, const char *why)
{
	struct agent_link *al = arg;
	struct agent *a = al->agent;
	link_ended(al);
	if (a && agent_connected(a))
		agent_disconnected(a, why);
}

/* The callback of a registration has come; true if there is no link any more. */
bool agent_link_unbusy(struct agent_link *al)
{
	al->busy = false;
	if (al->link)
		return false;
	link_free(al);
	return true;
}

/* Of a link that was cut and that nobody waits for any more. */
static void on_nobody_gone(void *arg, const char *why)
{
	(void)arg;
	(void)why;
}

static void on_nobodys_frame(void *arg, const void *frame, size_t size)
{
	(void)arg;
	(void)frame;
	(void)size;
}

void agent_link_drop(struct agent_link *al, const char *refuse)
{
	struct link *l = al->link;
	if (l && refuse) {
		Mezzo__Link__Shutdown s = MEZZO__LINK__SHUTDOWN__INIT;
		Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
		s.message = (char *)refuse;
		msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_SHUTDOWN;
		msg.shutdown = &s;
		log_warning(AREA, "Agent at %s is told to shut down: %s", l->peer, refuse);
		(void)agent_link_send(al, &msg);
	}
	if (l) {
		bool cut = al->cut;
		l->on_gone = on_nobody_gone;
		l->on_frame = on_nobodys_frame;
		link_ended(al);
		if (!cut)
			link_close(l);
	} else if (al->m->ending) {
		link_free(al);
	}
}

/* Agents register at once. */
static void on_deadline(void *arg)
{
	struct agent_link *al = arg;
	al->deadline = NULL;
	if (al->busy) /* with what it has said: that is our delay */
		return;
	log_warning(AREA, "Whoever is at %s does not register, cut", al->link->peer);
	agent_link_drop(al, NULL);
}

void agent_link_in_time(struct agent_link *al)
{
	loop_timer_cancel(al->m->loop, al->deadline);
	al->deadline = NULL;
}

void master_link(struct master *m, struct link *l)
{
	if (!m->leading || m->n_links_unregistered >= m->cfg.max_unregistered_links) {
		link_close(l);
		return;
	}
	struct agent_link *al = xnew(struct agent_link);
	al->m = m;
	al->link = l;
	l->arg = al;
	l->on_frame = on_frame;
	l->on_gone = on_link_gone;
	list_append(&m->links, &al->in_master);
	m->n_links_unregistered++;
	al->deadline = loop_timer(m->loop, m->cfg.agent_ping_timeout_ns * m->cfg.max_agent_ping_timeouts, on_deadline, al);
}
