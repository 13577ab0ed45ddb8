/* kill.c - KILL: to the agent, kept while it is away, or answered as a
 * reconciliation if the task is unknown. A task that is still being authorized
 * never starts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

void call_kill(struct call_ctx *c)
{
	struct framework *f = c->f;
	Mesos__V1__Scheduler__Call__Kill *kill = c->call->kill;
	const char *id = kill->task_id->value;
	c->m->metrics.messages_kill_task++;
	const char *pending_on = pending_kill(f, id);
	if (pending_on) {
		pb_status *s = status_new(c->m, c->arena, id, pending_on, TS(KILLED),
					  REASON(TASK_KILLED_DURING_LAUNCH), "Task was killed before it was launched");
		status_send(f, s);
		return;
	}
	struct task *t = map_get(&f->tasks, id);
	if (!t) {
		reconcile_task(f, id, kill->agent_id ? kill->agent_id->value : NULL);
		return;
	}
	if (kill->agent_id && !str_eq(kill->agent_id->value, t->agent->id)) {
		call_refuse(f, (int)c->call->type, "Task '%.80s' is not on agent '%.80s', but on %s", id,
			    kill->agent_id->value, t->agent->id);
		return;
	}
	agent_send_kill(t->agent, f->id, id, kill->kill_policy);
}
