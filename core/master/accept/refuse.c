/* refuse.c - telling a framework what was not done of its ACCEPT.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/accept/accept.h"

void refuse_task(struct framework *f, const pb_task_info *t, const char *agent_id, task_state state,
		 task_reason reason, const char *message)
{
	mz_autoarena struct arena arena = {0};
	pb_status *s = status_new(f->m, &arena, t->task_id->value, agent_id ? agent_id : t->agent_id->value, state,
				  (int)reason, message);
	status_send(f, s);
}

void refuse_operation(struct framework *f, const pb_operation *op, const char *agent_id, const char *message)
{
	mz_autoarena struct arena arena = {0};
	f->m->metrics.operations_error[op->type]++;
	log_info(AREA, "Operation %s of framework %s is refused: %s",
		 pb_enum_name(&mesos__v1__offer__operation__type__descriptor, (int)op->type), f->id, message);
	if (op->id)
		operation_status_send(f, op->id, agent_id ? id_agent(&arena, agent_id) : NULL, NULL,
				      MESOS__V1__OPERATION_STATE__OPERATION_ERROR, message);
}

void drop_operation(const struct accept *a, struct framework *f, const pb_operation *op, task_state state,
		    task_reason reason, const char *agent_id, const char *message)
{
	pb_task_info **tasks;
	size_t n = operation_tasks(op, &tasks);
	for (size_t i = 0; i < n; i++)
		if (!a || map_get(&a->denied, tasks[i]->task_id->value) != task_killed)
			refuse_task(f, tasks[i], agent_id, state, reason, message);
	if (op->type != MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH &&
	    op->type != MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH_GROUP)
		refuse_operation(f, op, agent_id, message);
}

void apply_unknown(struct accept *a, struct framework *f, struct agent *agent, pb_operation *op)
{
	static const char why[] = "The operation has no known type, or lacks what its type needs";
	call_refuse(f, (int)a->call->type, "%s", why);
	refuse_operation(f, op, agent->id, why);
}
