/* framework_tasks.c - what a simulated scheduler does when offers come, and with news
 * of its tasks. See framework.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "sim/framework_impl.h"

static void offer_free(struct fw_offer *o)
{
	loop_timer_cancel(&o->f->node->loop, o->timer);
	arena_done(&o->arena);
	free(o->id);
	free(o);
}

/* ---- offers ------------------------------------------------------------------------ */

static void plain_call(struct sim_framework *f, int type)
{
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	Mesos__V1__Scheduler__Call__Revive revive = MESOS__V1__SCHEDULER__CALL__REVIVE__INIT;
	Mesos__V1__Scheduler__Call__Suppress suppress = MESOS__V1__SCHEDULER__CALL__SUPPRESS__INIT;
	c.type = (Mesos__V1__Scheduler__Call__Type)type;
	if (type == CALL(REVIVE))
		c.revive = &revive;
	else
		c.suppress = &suppress;
	fw_call(f, &c, NULL, 0);
}

/* For how long one who never wants anything refuses. */
static double odd_secs(struct sim *s)
{
	static const double secs[] = {0, 0.001, 5, 1e9, 1e300, -1};
	return secs[sim_below(s, MZ_N(secs))];
}

static void on_decide(void *arg)
{
	struct fw_offer *o = arg;
	struct sim_framework *f = o->f;
	o->timer = NULL;
	if (sim_chance(f->sim, f->cfg.hoard_permille))
		return; /* until it is rescinded */
	(void)map_del(&f->offers, o->id);
	bool wants = f->n_launched < f->cfg.n_tasks;
	if (!wants && !f->suppressed && sim_chance(f->sim, 500)) {
		f->suppressed = true;
		plain_call(f, CALL(SUPPRESS));
	}
	if (f->cfg.forever)
		fw_decline(f, o, odd_secs(f->sim));
	else if (!wants)
		fw_decline(f, o, 600.0);
	else if (sim_chance(f->sim, f->cfg.decline_permille) || !fw_launch(f, o))
		fw_decline(f, o, (double)sim_below(f->sim, 6));
	offer_free(o);
}

void fw_on_offers(struct sim_framework *f, const Mesos__V1__Scheduler__Event__Offers *e)
{
	for (size_t i = 0; i < e->n_offers; i++) {
		struct fw_offer *o = xnew(struct fw_offer);
		o->f = f;
		o->id = xstrdup(e->offers[i]->id->value);
		o->offer = (Mesos__V1__Offer *)pb_copy(&e->offers[i]->base, &o->arena);
		o->timer = loop_timer(&f->node->loop, sim_exp(f->sim, 20 * NS_PER_MS), on_decide, o);
		gossip_tell(f->cfg.gossip, GOSSIP_OFFER, o->id);
		gossip_tell(f->cfg.gossip, GOSSIP_AGENT, o->offer->agent_id->value);
		if (map_put(&f->offers, o->id, o))
			sim_fail(f->sim, "Offer '%s' came twice", o->id);
	}
}

void fw_on_rescind(struct sim_framework *f, const char *offer_id)
{
	struct fw_offer *o = map_del(&f->offers, offer_id);
	if (o)
		offer_free(o);
}

void fw_forget_offers(struct sim_framework *f)
{
	map_each(&f->offers, e)
		offer_free(e->value);
	map_done(&f->offers);
}

/* ---- news of tasks ------------------------------------------------------------------- */

struct ack {
	struct sim_framework *f;
	char *task_id, *agent_id;
	unsigned char uuid[UUID_BYTES];
};

static void on_ack(void *arg)
{
	struct ack *k = arg;
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	Mesos__V1__Scheduler__Call__Acknowledge a = MESOS__V1__SCHEDULER__CALL__ACKNOWLEDGE__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	Mesos__V1__AgentID aid = MESOS__V1__AGENT_ID__INIT;
	id.value = k->task_id;
	aid.value = k->agent_id;
	a.task_id = &id;
	a.agent_id = &aid;
	a.uuid = (ProtobufCBinaryData){UUID_BYTES, k->uuid};
	c.type = CALL(ACKNOWLEDGE);
	c.acknowledge = &a;
	checker_framework_acked(k->f->checker, k->task_id, k->uuid);
	fw_call(k->f, &c, NULL, 0);
	free(k->task_id);
	free(k->agent_id);
	free(k);
}

/* Has it ended for us? What nobody knows, and never told us of, never was; but it may
 * be on an agent that is away, if we did not say which one we mean. */
static bool is_end(const struct fw_task *t, const Mesos__V1__TaskStatus *s)
{
	if (s->state == TS(UNKNOWN))
		return !t->heard && s->agent_id;
	return task_state_is_terminal(s->state);
}

/* Of a second launch with the same id. */
static bool is_refusal(struct fw_task *t, const Mesos__V1__TaskStatus *s)
{
	bool wrong_offer = s->has_reason && s->reason == MESOS__V1__TASK_STATUS__REASON__REASON_INVALID_OFFERS;
	if (!t->n_again || (s->state != TS(ERROR) && !wrong_offer))
		return false;
	t->n_again--;
	return true;
}

void fw_on_update(struct sim_framework *f, const Mesos__V1__TaskStatus *s)
{
	struct fw_task *t = map_get(&f->tasks, s->task_id->value);
	sim_trace(f->sim, "%s of %s: %s", task_state_name(s->state), s->task_id->value, s->message ? s->message : "");
	checker_update_seen(f->checker, &f->who, s);
	if (!t || is_refusal(t, s))
		return;
	t->last_news = sim_now(f->sim);
	if (s->has_uuid && s->uuid.len == UUID_BYTES) {
		struct ack *k = xnew(struct ack);
		k->f = f;
		k->task_id = xstrdup(t->id);
		k->agent_id = xstrdup(s->agent_id ? s->agent_id->value : t->agent_id);
		memcpy(k->uuid, s->uuid.data, UUID_BYTES);
		t->heard = true;
		(void)loop_timer(&f->node->loop, sim_exp(f->sim, f->cfg.ack_mean_ns), on_ack, k);
	}
	if (t->ended || !is_end(t, s))
		return;
	t->ended = true;
	f->n_ended++;
	list_remove(&t->in_open);
	if (s->state == TS(UNKNOWN))
		checker_task_unknown(f->checker, t->id);
}

/* ---- now and then ------------------------------------------------------------------------ */

static void reconcile(struct sim_framework *f)
{
	struct arena mz_autoarena m = {0};
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	Mesos__V1__Scheduler__Call__Reconcile r = MESOS__V1__SCHEDULER__CALL__RECONCILE__INIT;
	size_t n = 0;
	list_each(&f->open, struct fw_task, in_open, t)
		n++;
	r.tasks = (Mesos__V1__Scheduler__Call__Reconcile__Task **)pb_array(&m, n);
	list_each(&f->open, struct fw_task, in_open, t) {
		if (sim_now(f->sim) - t->last_news < f->cfg.reconcile_ns)
			continue;
		Mesos__V1__Scheduler__Call__Reconcile__Task *x = PB_NEW(
			&m, Mesos__V1__Scheduler__Call__Reconcile__Task, mesos__v1__scheduler__call__reconcile__task);
		x->task_id = PB_NEW(&m, Mesos__V1__TaskID, mesos__v1__task_id);
		x->task_id->value = t->id;
		if (sim_chance(f->sim, 800)) {
			x->agent_id = PB_NEW(&m, Mesos__V1__AgentID, mesos__v1__agent_id);
			x->agent_id->value = t->agent_id;
		}
		r.tasks[r.n_tasks++] = x;
		if (t->kill)
			fw_kill(t); /* the call may have been lost */
	}
	c.type = CALL(RECONCILE);
	c.reconcile = &r;
	/* Without tasks it asks for all that the master knows. */
	if (r.n_tasks || sim_chance(f->sim, 50))
		fw_call(f, &c, NULL, 0);
}

void fw_on_tick(struct sim_framework *f)
{
	if (f->n_ended == f->cfg.n_tasks) {
		if (f->cfg.forever ? f->leaves : *f->cfg.may_leave)
			fw_teardown(f);
		return;
	}
	reconcile(f);
	if (f->suppressed || f->n_launched == f->cfg.n_tasks)
		return;
	if (sim_chance(f->sim, f->cfg.suppress_permille)) {
		plain_call(f, CALL(SUPPRESS));
		f->suppressed = true;
	}
	if (f->suppressed || sim_chance(f->sim, 100)) {
		plain_call(f, CALL(REVIVE));
		f->suppressed = false;
	}
}

void fw_tasks_done(struct sim_framework *f)
{
	fw_forget_offers(f);
	map_each(&f->tasks, e) {
		struct fw_task *t = e->value;
		free(t->id);
		free(t->agent_id);
		free(t);
	}
	map_done(&f->tasks);
}
