/* master_offered.c - see master_offered.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_offered.h"

struct fagent *join(struct world *w, const char *resources)
{
	struct fagent *a = agent_join(w, resources, NULL, NULL);
	assert_non_null(agent_next(a, TO_AGENT(REGISTERED)));
	return a;
}

Mesos__V1__Offer *next_offer(struct sched *s)
{
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
	return e ? e->offers->offers[0] : NULL;
}

Mesos__V1__Offer *only_offer(struct sched *s)
{
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
	assert_non_null(e);
	assert_int_equal(e->offers->n_offers, 1);
	assert_null(sched_event(s, EV(OFFERS)));
	return e->offers->offers[0];
}

struct offered with_offer(struct world *w, const char *info)
{
	struct offered o;
	o.a = join(w, RES);
	o.s = sched_subscribe(w, info, NULL);
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(OFFERS));
	assert_non_null(e);
	o.offer = e->offers->offers[0]->id->value;
	return o;
}

void launch(struct offered *o, const char *tasks, const char *more)
{
	assert_int_equal(sched_call(o->s,
				    "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":["
				    "{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[%s]}}]%s}",
				    o->offer, tasks, more ? more : ""),
			 202);
}

void launch_one(struct offered *o, const char *id)
{
	launch(o, task_json(o->s->w, id, o->a->id, 1, 100), NULL);
}

void launch_on(struct sched *s, const char *offer, const char *agent, const char *task)
{
	assert_int_equal(sched_call(s,
				    "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":["
				    "{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[%s]}}],"
				    "\"filters\":{\"refuse_seconds\":0}}",
				    offer, task_json(s->w, task, agent, 1, 100)),
			 202);
}

struct offered with_task(struct world *w, const char *info)
{
	struct offered o = with_offer(w, info);
	launch(&o, task_json(w, "t", o.a->id, 1, 100), ",\"filters\":{\"refuse_seconds\":3600}");
	assert_non_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
	agent_update(o.a, o.s->id, "t", ST(RUNNING), 1, -1);
	assert_int_equal(next_status(o.s)->state, ST(RUNNING));
	return o;
}

Mesos__V1__TaskStatus *next_status(struct sched *s)
{
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(UPDATE));
	return e ? e->update->status : NULL;
}

void assert_update(struct sched *s, int task_state, int reason)
{
	Mesos__V1__TaskStatus *u = next_status(s);
	assert_non_null(u);
	assert_int_equal(u->state, task_state);
	assert_false(u->has_uuid);
	assert_int_equal(u->source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_MASTER);
	assert_int_equal(u->reason, reason);
}

Mesos__V1__Offer *offer_in(struct world *w, struct sched *s)
{
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
	assert_non_null(e);
	return e->offers->offers[e->offers->n_offers - 1];
}

double metric(struct world *w, const char *name)
{
	mz_autofree char *key = xasprintf("\"%s\":", name);
	const char *at = strstr(buf_str(&world_get(w, "/metrics/snapshot")->body), key);
	assert_non_null(at);
	return strtod(at + strlen(key), NULL);
}

size_t count_in(const char *text, const char *what)
{
	size_t n = 0;
	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}
