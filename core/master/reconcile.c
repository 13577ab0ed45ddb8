/* reconcile.c - the answer to one question of RECONCILE or RECONCILE_OPERATIONS, by
 * the table of what is known of task and agent. The calls are in backlog.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

static const char latest[] = "Reconciliation: Latest task state";

static void send_latest(struct task *t)
{
	struct framework *f = t->framework;
	mz_autoarena struct arena arena = {0};
	task_state state = (task_state)(t->has_status ? t->status_state : t->state);
	pb_status *s = status_new(f->m, &arena, t->id, t->agent_id, state, REASON(RECONCILIATION), latest);
	pb_status *last = task_last_status(t, &arena);
	s->executor_id = t->executor_id ? id_executor(&arena, t->executor_id) : NULL;
	if (last) {
		s->has_healthy = last->has_healthy;
		s->healthy = last->healthy;
		s->check_status = last->check_status;
		s->container_status = last->container_status;
		if (last->executor_id)
			s->executor_id = last->executor_id;
	}
	status_send(f, s);
}

static void send_state(struct framework *f, const char *task_id, const char *agent_id, task_state state,
		       const char *message, const double *unreachable)
{
	mz_autoarena struct arena arena = {0};
	pb_status *s = status_new(f->m, &arena, task_id, agent_id, state_for(f, state), REASON(RECONCILIATION),
				  message);
	if (unreachable)
		s->unreachable_time = time_info(&arena, *unreachable);
	status_send(f, s);
}

void reconcile_task(struct framework *f, const char *task_id, const char *agent_id)
{
	struct master *m = f->m;
	struct task *t = map_get(&f->tasks, task_id);
	const char *pending_on = pending_agent(f, task_id);
	const struct lost_agent *lost;
	const struct agent *a = agent_id ? agent_get(m, agent_id) : NULL;
	if (pending_on)
		send_state(f, task_id, pending_on, TS(STAGING), latest, NULL);
	else if (t)
		send_latest(t);
	else if (agent_id ? map_has(&m->recovered, agent_id) : m->recovered.n > 0)
		return; /* it may turn up with the task */
	else if (agent_id && map_has(&m->marking, agent_id))
		return; /* answered once that is settled */
	else if (a && !agent_connected(a))
		return; /* it may return with the task, which has been counted as lost */
	else if (a)
		send_state(f, task_id, agent_id, TS(GONE), "Reconciliation: Task is gone", NULL);
	else if (agent_id && (lost = map_get(&m->unreachable, agent_id)))
		send_state(f, task_id, agent_id, TS(UNREACHABLE), "Reconciliation: Task is unreachable",
			   &lost->time);
	else if (agent_id && map_has(&m->gone, agent_id))
		send_state(f, task_id, agent_id, TS(GONE_BY_OPERATOR), "Reconciliation: Task is gone with its agent",
			   NULL);
	else
		send_state(f, task_id, agent_id, TS(UNKNOWN), "Reconciliation: Task is unknown", NULL);
}

/* No operation is ever pending here: what is asked for is unknown, unless its
 * agent may still come and tell. */
void reconcile_operation(struct framework *f, const char *id, const char *agent_id, const char *provider_id)
{
	struct master *m = f->m;
	mz_autoarena struct arena arena = {0};
	Mesos__V1__OperationState state = MESOS__V1__OPERATION_STATE__OPERATION_UNKNOWN;
	Mesos__V1__OperationID *operation = PB_NEW(&arena, Mesos__V1__OperationID, mesos__v1__operation_id);
	Mesos__V1__ResourceProviderID *provider = NULL;
	operation->value = (char *)id;
	if (provider_id) {
		provider = PB_NEW(&arena, Mesos__V1__ResourceProviderID, mesos__v1__resource_provider_id);
		provider->value = (char *)provider_id;
	}
	if (agent_id && map_has(&m->recovered, agent_id))
		state = MESOS__V1__OPERATION_STATE__OPERATION_RECOVERING;
	else if (agent_id && map_has(&m->unreachable, agent_id))
		state = MESOS__V1__OPERATION_STATE__OPERATION_UNREACHABLE;
	else if (agent_id && map_has(&m->gone, agent_id))
		state = MESOS__V1__OPERATION_STATE__OPERATION_GONE_BY_OPERATOR;
	operation_status_send(f, operation, agent_id ? id_agent(&arena, agent_id) : NULL, provider, state,
			      "Reconciliation: Latest operation status");
}

void operation_status_send(struct framework *f, Mesos__V1__OperationID *id, Mesos__V1__AgentID *agent_id,
			   Mesos__V1__ResourceProviderID *provider_id, Mesos__V1__OperationState state,
			   const char *message)
{
	Mesos__V1__OperationStatus s = MESOS__V1__OPERATION_STATUS__INIT;
	Mesos__V1__Scheduler__Event__UpdateOperationStatus u = MESOS__V1__SCHEDULER__EVENT__UPDATE_OPERATION_STATUS__INIT;
	pb_event e = MESOS__V1__SCHEDULER__EVENT__INIT;
	s.operation_id = id;
	s.state = state;
	s.message = (char *)message;
	s.agent_id = agent_id;
	s.resource_provider_id = provider_id;
	u.status = &s;
	e.type = MESOS__V1__SCHEDULER__EVENT__TYPE__UPDATE_OPERATION_STATUS;
	e.update_operation_status = &u;
	event_send(f, &e);
}
