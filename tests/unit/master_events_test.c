/* master_events_test.c - what is in the events, field by field, and when offers are
 * taken back. Each test runs in both encodings.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_offered.h"

static void fields_of_subscribed(void **state)
{
	struct world *w = *state;
	w->cfg.hostname = "m.example";
	w->cfg.ip = "10.1.2.3";
	w->cfg.port = 5055;
	w->cfg.region = "r";
	w->cfg.zone = "z";
	world_restart(w);
	struct sched *s = sched_subscribe(w, PLAIN, "mine");
	s->stream->n_seen = 0;
	Mesos__V1__Scheduler__Event *e = sched_any(s);
	assert_int_equal(e->type, EV(SUBSCRIBED));
	assert_string_equal(e->subscribed->framework_id->value, "mine");
	assert_float_equal(e->subscribed->heartbeat_interval_seconds, 15, 0);
	const Mesos__V1__MasterInfo *m = e->subscribed->master_info;
	assert_string_equal(m->id, master_id(w->m));
	assert_string_equal(m->hostname, "m.example");
	assert_string_equal(m->address->ip, "10.1.2.3");
	assert_int_equal(m->address->port, 5055);
	assert_int_equal(m->port, 5055);
	assert_string_equal(m->version, MASTER_API_VERSION);
	assert_string_equal(m->domain->fault_domain->region->name, "r");
	assert_string_equal(m->domain->fault_domain->zone->name, "z");
}

#define EXECUTOR(id) ",\"executor\":{\"executor_id\":{\"value\":\"" id "\"},\"command\":{\"value\":\"x\"}}"

static char *executor_task(struct world *w, const char *agent, const char *executor)
{
	mz_autofree char *t = xasprintf("{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"%s\"}%s,\"resources\":"
					"[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}}]}", agent, executor);
	return arena_strdup(&w->arena, t);
}

static void fields_of_offers(void **state)
{
	struct world *w = *state;
	w->cfg.region = "r";
	w->cfg.zone = "z";
	world_restart(w);
	world_zone = "z2";
	world_hostname = "h.example";
	struct offered o = with_offer(w, PLAIN);
	launch(&o, executor_task(w, o.a->id, EXECUTOR("mine")), ",\"filters\":{\"refuse_seconds\":0}");
	Mesos__V1__Offer *offer = offer_in(w, o.s);
	assert_string_equal(offer->framework_id->value, o.s->id);
	assert_string_equal(offer->agent_id->value, o.a->id);
	assert_string_equal(offer->hostname, "h.example");
	assert_string_equal(offer->url->scheme, "http");
	assert_string_equal(offer->url->address->hostname, "h.example");
	assert_string_equal(offer->url->address->ip, "127.0.0.1");
	assert_int_equal(offer->url->address->port, o.a->port);
	assert_string_equal(offer->url->path, "/slave(1)");
	assert_string_equal(offer->domain->fault_domain->zone->name, "z2");
	assert_int_equal(offer->n_attributes, 2);
	assert_string_equal(offer->attributes[0]->name, "rack");
	assert_float_equal(offer->attributes[1]->scalar->value, 2.5, 0);
	assert_int_equal(offer->n_executor_ids, 1);
	assert_string_equal(offer->executor_ids[0]->value, "mine");
	/* what others run on the agent is theirs alone */
	o.offer = offer->id->value;
	launch(&o, "", ",\"filters\":{\"refuse_seconds\":600}");
	struct sched *other = sched_subscribe(w, PLAIN, NULL);
	offer = offer_in(w, other);
	assert_string_equal(offer->agent_id->value, o.a->id);
	assert_int_equal(offer->n_executor_ids, 0);
}

/* Frameworks that know nothing of stacks of reservations get the older form. */
static void forms_of_reservations(void **state)
{
	struct world *w = *state;
	join(w, "cpus(dev):4;mem(dev):4096");
	struct sched *s = sched_subscribe(w, PLAIN ",\"role\":\"dev\"", NULL);
	Mesos__V1__Offer *o = offer_in(w, s);
	assert_int_equal(o->resources[0]->n_reservations, 0);
	assert_string_equal(o->resources[0]->role, "dev");
	assert_null(o->resources[0]->allocation_info);
	assert_null(o->allocation_info);
}

static void offers_time_out(void **state)
{
	struct world *w = *state;
	w->cfg.offer_timeout_ns = 60 * SECS;
	world_restart(w);
	struct offered o = with_offer(w, PLAIN);
	world_pass(w, 50 * SECS);
	assert_null(sched_event(o.s, EV(RESCIND)));
	world_pass(w, 10 * SECS);
	assert_string_equal(sched_event(o.s, EV(RESCIND))->rescind->offer_id->value, o.offer);
	assert_string_not_equal(offer_in(w, o.s)->id->value, o.offer);
}

static void offers_of_lost_agents(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	fake_link_cut(o.a->link);
	world_settle(w);
	assert_string_equal(sched_event(o.s, EV(RESCIND))->rescind->offer_id->value, o.offer);
	world_pass(w, 5 * SECS);
	assert_null(sched_event(o.s, EV(OFFERS)));
}

/* The new session starts anew: what the old one was offered is offered again, and nobody
 * is told of the end of those. */
static void offers_of_a_failover(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	struct master_counts n;
	struct sched *second = sched_subscribe(w, PLAIN, o.s->id);
	assert_null(sched_event(o.s, EV(RESCIND)));
	world_pass(w, 2 * SECS);
	master_counts(w->m, &n);
	assert_int_equal(n.offers, 1);
	Mesos__V1__Scheduler__Event *e;
	while ((e = sched_any(second)) && e->type == EV(HEARTBEAT))
		;
	assert_int_equal(e->type, EV(OFFERS));
	assert_string_not_equal(e->offers->offers[0]->id->value, o.offer);
}

static void fields_of_operation_statuses(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	sched_call(s, "\"type\":\"RECONCILE_OPERATIONS\",\"reconcile_operations\":{\"operations\":[{\"operation_id\":{\"value\":\"o\"},"
		      "\"agent_id\":{\"value\":\"a\"},\"resource_provider_id\":{\"value\":\"p\"}}]}");
	Mesos__V1__OperationStatus *u = sched_event(s, EV(UPDATE_OPERATION_STATUS))->update_operation_status->status;
	assert_string_equal(u->operation_id->value, "o");
	assert_string_equal(u->agent_id->value, "a");
	assert_string_equal(u->resource_provider_id->value, "p");
	assert_string_equal(u->message, "Reconciliation: Latest operation status");
	assert_null(u->uuid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(fields_of_subscribed), BOTH(fields_of_offers), BOTH(forms_of_reservations),
		BOTH(offers_time_out), BOTH(offers_of_lost_agents), BOTH(offers_of_a_failover),
		BOTH(fields_of_operation_statuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
