/* messages.c - what agents tell besides status updates: executors that ended,
 * messages of executors, changed resources; and messages to executors.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

void on_exited_executor(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena)
{
	const Mezzo__Link__ExitedExecutor *x = msg->exited_executor;
	a->m->metrics.messages_exited_executor++;
	struct framework *f = framework_get(a->m, x->framework_id->value);
	struct executor *e = executor_find(a, x->framework_id->value, x->executor_id->value);
	if (e)
		executor_remove(e, true);
	if (!f || !e)
		return;
	Mesos__V1__Scheduler__Event__Failure failure = MESOS__V1__SCHEDULER__EVENT__FAILURE__INIT;
	pb_event ev = MESOS__V1__SCHEDULER__EVENT__INIT;
	failure.agent_id = id_agent(arena, a->id);
	failure.executor_id = x->executor_id;
	failure.has_status = 1;
	failure.status = x->status;
	ev.type = MESOS__V1__SCHEDULER__EVENT__TYPE__FAILURE;
	ev.failure = &failure;
	event_send(f, &ev);
}

void on_executor_message(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena)
{
	const Mezzo__Link__ExecutorMessage *x = msg->executor_message;
	a->m->metrics.messages_executor_to_framework++;
	struct framework *f = framework_get(a->m, x->framework_id->value);
	if (!f || !f->session.stream) {
		a->m->metrics.invalid_executor_to_framework++;
		return;
	}
	a->m->metrics.valid_executor_to_framework++;
	Mesos__V1__Scheduler__Event__Message out = MESOS__V1__SCHEDULER__EVENT__MESSAGE__INIT;
	pb_event ev = MESOS__V1__SCHEDULER__EVENT__INIT;
	out.agent_id = id_agent(arena, a->id);
	out.executor_id = x->executor_id;
	out.data = x->data;
	ev.type = MESOS__V1__SCHEDULER__EVENT__TYPE__MESSAGE;
	ev.message = &out;
	event_send(f, &ev);
}

/* A new total, of which the oversubscribed part is revocable and replaced as a
 * whole. Offers of before are taken back. */
void on_update_agent(struct agent *a, const Mezzo__Link__ToMaster *msg, struct arena *arena)
{
	const Mezzo__Link__UpdateAgent *u = msg->update_agent;
	struct mz_err err;
	(void)arena;
	a->m->metrics.messages_update_agent++;
	resources *total = res_new();
	int r = 0;
	if (u->n_total_resources)
		r = res_from_pb(u->total_resources, u->n_total_resources, total, &err);
	else
		res_add_filtered(total, a->total, RES_NON_REVOCABLE);
	if (r == 0)
		r = res_from_pb(u->oversubscribed_resources, u->n_oversubscribed_resources, total, &err);
	if (r < 0) {
		log_error(AREA, "Agent %s updates to wrong resources, ignoring: %s", a->id, err.msg);
		res_free(total);
		return;
	}
	if (res_equal(total, a->total)) {
		res_free(total);
		return;
	}
	offers_return_of_agent(a);
	res_free(a->total);
	a->total = total;
	alloc_update_agent(a);
}

void call_message(struct call_ctx *c)
{
	Mesos__V1__Scheduler__Call__Message *in = c->call->message;
	c->m->metrics.messages_framework_to_executor++;
	struct agent *a = agent_get(c->m, in->agent_id->value);
	if (!a || !agent_connected(a)) {
		c->m->metrics.invalid_framework_to_executor++;
		call_refuse(c->f, (int)c->call->type, "Agent '%.80s' is %s", in->agent_id->value,
			    a ? "disconnected" : "unknown");
		return;
	}
	c->m->metrics.valid_framework_to_executor++;
	Mezzo__Link__FrameworkMessage out = MEZZO__LINK__FRAMEWORK_MESSAGE__INIT;
	Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
	out.framework_id = c->call->framework_id;
	out.executor_id = in->executor_id;
	out.data = in->data;
	msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_FRAMEWORK_MESSAGE;
	msg.framework_message = &out;
	(void)agent_send(a, &msg); /* best effort, as the API promises */
}

void call_shutdown(struct call_ctx *c)
{
	Mesos__V1__Scheduler__Call__Shutdown *in = c->call->shutdown;
	struct agent *a = agent_get(c->m, in->agent_id->value);
	if (!a || !agent_connected(a)) {
		call_refuse(c->f, (int)c->call->type, "Agent '%.80s' is %s", in->agent_id->value,
			    a ? "disconnected" : "unknown");
		return;
	}
	Mezzo__Link__ShutdownExecutor out = MEZZO__LINK__SHUTDOWN_EXECUTOR__INIT;
	Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
	out.framework_id = c->call->framework_id;
	out.executor_id = in->executor_id;
	msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_SHUTDOWN_EXECUTOR;
	msg.shutdown_executor = &out;
	(void)agent_send(a, &msg);
}
