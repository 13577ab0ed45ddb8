/* status.c - status updates: the agents', which are forwarded in order and
 * acknowledged by the framework, and the master's own, which carry no uuid.
 * A task frees its resources with its latest state, and leaves the master when
 * the uuid of its terminal status is acknowledged.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "master/internal.h"

pb_status *status_new(struct master *m, struct arena *arena, const char *task_id, const char *agent_id,
		      task_state state, int reason, const char *message)
{
	pb_status *s = PB_NEW(arena, pb_status, mesos__v1__task_status);
	s->task_id = id_task(arena, task_id);
	s->state = state;
	s->message = (char *)message;
	s->has_source = 1;
	s->source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_MASTER;
	if (reason >= 0) {
		s->has_reason = 1;
		s->reason = (task_reason)reason;
	}
	if (agent_id)
		s->agent_id = id_agent(arena, agent_id);
	s->has_timestamp = 1;
	s->timestamp = loop_wall_secs(m->loop);
	return s;
}

/* Names of the metrics are those of the older API: "slave" for agent. */
static void add_old_name(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (str_starts(s, "AGENT")) {
			buf_adds(b, "slave");
			s += 4;
		} else {
			buf_addc(b, (char)tolower((unsigned char)*s));
		}
	}
}

static void count(struct framework *f, const pb_status *s)
{
	struct master_metrics *m = &f->m->metrics;
	if (!task_state_is_terminal(s->state))
		return;
	m->tasks[s->state]++;
	f->metrics.tasks_terminal[s->state]++;
	if (!s->has_reason)
		return;
	mz_autobuf struct buf b = {0};
	const char *source = pb_enum_name(&mesos__v1__task_status__source__descriptor, s->source);
	const char *reason = pb_enum_name(&mesos__v1__task_status__reason__descriptor, s->reason);
	add_old_name(&b, task_state_name(s->state));
	buf_addc(&b, '/');
	add_old_name(&b, source ? source : "source_unknown");
	buf_addc(&b, '/');
	add_old_name(&b, reason ? reason : "reason_unknown");
	void *n = map_get(&m->reasons, buf_str(&b));
	map_put(&m->reasons, buf_str(&b), (void *)((uintptr_t)n + 1));
}

void status_send(struct framework *f, pb_status *s)
{
	if (!s->has_reason || s->reason != REASON(RECONCILIATION))
		count(f, s);
	event_update(f, s);
}

void task_end(struct task *t, task_state state, task_reason reason, const char *message, bool tell_allocator,
	      bool send)
{
	struct framework *f = t->framework;
	mz_autoarena struct arena arena = {0};
	bool had_ended = task_state_is_terminal((task_state)t->state);
	task_uncharge(t, tell_allocator);
	if (!had_ended) {
		pb_status *s = status_new(f->m, &arena, t->id, t->agent_id, state, (int)reason, message);
		s->executor_id = t->executor_id ? id_executor(&arena, t->executor_id) : NULL;
		task_add_status(t, s);
		task_set_state(t, state);
		if (send)
			status_send(f, s);
		else
			count(f, s);
	}
	task_complete(t);
}

/* ---- from an agent ----------------------------------------------------------- */

static void take(struct task *t, pb_status *s, task_state latest)
{
	struct mz_err err;
	task_add_status(t, s);
	if (task_state_is_terminal((task_state)t->state))
		return; /* the end stays the end */
	int next = fsm_step(&master_task_fsm, t->id, t->state, (int)latest, &err);
	if (next < 0) {
		log_warning(AREA, "%s, ignoring", err.msg);
		return;
	}
	task_set_state(t, (task_state)next);
	if (!task_state_is_terminal((task_state)next))
		return;
	pb_status last = *s;
	last.state = (task_state)next;
	if (last.state != s->state)
		last.has_reason = 0; /* of a status that is still to come */
	count(t->framework, &last);
	task_uncharge(t, true);
}

/* An agent that has nothing of the framework does not know what that can take. */
static void complete_unkept(const struct framework *f, pb_status *s)
{
	if (!s->has_uuid && s->state == TS(LOST))
		s->state = state_for(f, TS(DROPPED));
}

void on_status_update(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena)
{
	const Mezzo__Link__StatusUpdate *u = msg->status_update;
	struct master *m = a->m;
	(void)arena;
	m->metrics.messages_status_update++;
	struct framework *f = framework_get(m, u->framework_id->value);
	if (f)
		complete_unkept(f, u->status);
	task_state latest = u->has_latest_state ? u->latest_state : u->status->state;
	const Mesos__V1__ContainerStatus *cs = u->status->container_status;
	struct mz_err err;
	if (cs && cs->container_id && container_id_check(cs->container_id, &err) < 0) {
		log_warning(AREA, "Update of task '%.80s' by agent %s: %s, ignoring", u->status->task_id->value, a->id,
			    err.msg);
		m->metrics.invalid_updates++;
		return;
	}
	if (!f || (unsigned)latest >= N_TASK_STATES || (unsigned)u->status->state >= N_TASK_STATES) {
		m->metrics.invalid_updates++;
		if (!f && map_has(&m->completed_index, u->framework_id->value))
			agent_send_shutdown(a, u->framework_id->value); /* or it would be told for ever */
		return;
	}
	event_update(f, u->status);
	struct task *t = map_get(&f->tasks, u->status->task_id->value);
	if (!t || t->agent != a) {
		m->metrics.invalid_updates++;
		log_debug(AREA, "Update of unknown task '%s' of framework %s", u->status->task_id->value, f->id);
		return;
	}
	m->metrics.valid_updates++;
	take(t, u->status, latest);
	if (!u->status->has_uuid && task_state_is_terminal(u->status->state)) {
		task_uncharge(t, true);
		task_complete(t); /* nobody will acknowledge it */
	}
}

/* ---- ACKNOWLEDGE ----------------------------------------------------------------- */

void call_acknowledge(struct call_ctx *c)
{
	struct master *m = c->m;
	struct framework *f = c->f;
	Mesos__V1__Scheduler__Call__Acknowledge *ack = c->call->acknowledge;
	m->metrics.messages_ack++;
	struct agent *a = agent_get(m, ack->agent_id->value);
	struct task *t = map_get(&f->tasks, ack->task_id->value);
	const char *why = !a ? "its agent is unknown"
			  : !agent_connected(a) ? "its agent is disconnected"
			  : t && t->agent == a && !t->has_status ? "it has no status yet"
						: NULL;
	if (why) {
		m->metrics.invalid_acks++; /* the agent sends the update again */
		call_refuse(f, (int)c->call->type, "Task '%.80s': %s", ack->task_id->value, why);
		return;
	}
	Mezzo__Link__Acknowledge out = MEZZO__LINK__ACKNOWLEDGE__INIT;
	Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
	out.framework_id = c->call->framework_id;
	out.task_id = ack->task_id;
	out.uuid = ack->uuid;
	msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_ACKNOWLEDGE;
	msg.acknowledge = &out;
	m->metrics.valid_acks++;
	(void)agent_send(a, &msg);
	if (t && t->agent == a && t->has_uuid && !memcmp(t->uuid, ack->uuid.data, sizeof(t->uuid)) &&
	    task_state_is_terminal((task_state)t->status_state)) {
		task_uncharge(t, true); /* if its latest state was told to be another one */
		task_complete(t);
	}
}
