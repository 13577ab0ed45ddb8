/* master_flow_test.c - how many calls a framework may send, and how much it is sent at
 * once: rates, portions, streams that nobody reads.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_offered.h"

/* ---- rates ----------------------------------------------------------------------------------- */

#define REVIVE "\"type\":\"REVIVE\""

static void rate_of_a_framework(void **state)
{
	struct world *w = *state;
	w->cfg.framework_calls_per_second = 2;
	w->cfg.framework_calls_burst = 3;
	world_restart(w);
	struct sched *s = sched_subscribe(w, PLAIN, NULL), *other = sched_subscribe(w, PLAIN, NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sched_call(s, REVIVE), 202);
	struct fake_call *c = sched_post(s, REVIVE);
	assert_int_equal(c->status, 429);
	assert_non_null(strstr(buf_str(&c->headers), "Retry-After: 1\n"));
	assert_int_equal(sched_call(other, REVIVE), 202); /* has a bucket of its own */
	world_pass(w, SECS / 2);
	assert_int_equal(sched_call(s, REVIVE), 202);
	assert_int_equal(sched_call(s, REVIVE), 429);
	world_pass(w, 100 * SECS);
	for (int i = 0; i < 4; i++)
		assert_int_equal(sched_call(s, REVIVE), i < 3 ? 202 : 429);
	/* A stranger cannot empty the bucket of another. */
	mz_autofree char *body = xasprintf("{\"framework_id\":{\"value\":\"%s\"}," REVIVE "}", other->id);
	for (int i = 0; i < 10; i++)
		assert_int_equal(world_post_call(w, body, "not its stream")->status, 400);
	assert_int_equal(sched_call(other, REVIVE), 202);
	assert_non_null(strstr(buf_str(&world_get(w, "/metrics/snapshot")->body), "\"master/throttled_calls\":3.0"));
}

/* So slow, and so many at once, that the clock ends before the bucket is empty. */
static void rate_beyond_the_clock(void **state)
{
	struct world *w = *state;
	w->cfg.framework_calls_per_second = 0.00001;
	w->cfg.framework_calls_burst = 1000000000;
	world_restart(w);
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	for (int i = 0; i < 200; i++)
		assert_int_equal(sched_call(s, "\"type\":\"REVIVE\""), 202);
}

static void rate_of_a_principal(void **state)
{
	struct world *w = *state;
	static const struct master_rate_limit limits[] = {{"p", 1, 2}, {"free", 0, 1}};
	w->cfg.framework_calls_per_second = 1;
	w->cfg.framework_calls_burst = 1;
	w->cfg.rate_limits = limits;
	w->cfg.n_rate_limits = MZ_N(limits);
	world_restart(w);
	struct sched *one = sched_subscribe(w, PLAIN ",\"principal\":\"p\"", NULL),
		     *two = sched_subscribe(w, PLAIN ",\"principal\":\"p\"", NULL),
		     *free_one = sched_subscribe(w, PLAIN ",\"principal\":\"free\"", NULL);
	assert_int_equal(sched_call(one, REVIVE), 202);
	assert_int_equal(sched_call(two, REVIVE), 202);
	assert_int_equal(sched_call(one, REVIVE), 429); /* they share */
	assert_int_equal(sched_call(two, REVIVE), 429);
	for (int i = 0; i < 20; i++)
		assert_int_equal(sched_call(free_one, REVIVE), 202);
}

static void flood_does_not_delay_heartbeats(void **state)
{
	struct world *w = *state;
	struct sched *quiet = sched_subscribe(w, PLAIN, NULL), *loud = sched_subscribe(w, PLAIN, NULL);
	int64_t start = loop_now(w->loop);
	assert_int_equal(sched_any(quiet)->type, EV(HEARTBEAT));
	for (int i = 1; i <= 3000; i++) {
		assert_int_equal(sched_call(loud, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[{\"task_id\":{\"value\":\"x\"}}]}"),
				 202);
		world_pass(w, SECS / 50);
		bool due = (loop_now(w->loop) - start) / (15 * SECS) > (i - 1) * (SECS / 50) / (15 * SECS);
		Mesos__V1__Scheduler__Event *e = sched_any(quiet);
		if (due != (e != NULL))
			fail_msg("a heartbeat is %s at call %d", due ? "late" : "early", i);
	}
}

/* ---- more than a stream takes at once ---------------------------------------------- */

static int count_updates(struct sched *s)
{
	int n = 0;
	while (sched_event(s, EV(UPDATE)))
		n++;
	return n;
}

#define TASKS_ASKED "{\"task_id\":{\"value\":\"x\"}},{\"task_id\":{\"value\":\"y\"}}"

/* Answers wait while the scheduler reads what it has. */
static void answers_wait_for_room(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN ",\"failover_timeout\":60");
	struct fagent *a = o.a;
	struct sched *s = o.s;
	launch(&o, task_json(w, "t", a->id, 1, 100), ",\"filters\":{\"refuse_seconds\":0}");
	s->stream->queued = 1 << 20;
	sched_call(s, "\"type\":\"RECONCILE\",\"reconcile\":{}");
	sched_call(s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[" TASKS_ASKED "]}");
	sched_call(s, "\"type\":\"RECONCILE\",\"reconcile\":{}"); /* these two are one more */
	sched_call(s, "\"type\":\"RECONCILE\",\"reconcile\":{}");
	sched_call(s, "\"type\":\"RECONCILE_OPERATIONS\",\"reconcile_operations\":{\"operations\":["
		      "{\"operation_id\":{\"value\":\"o\"},\"agent_id\":{\"value\":\"z\"},\"resource_provider_id\":{\"value\":\"p\"}}]}");
	world_pass(w, SECS);
	assert_null(sched_event(s, EV(UPDATE)));
	s->stream->queued = 0;
	world_pass(w, SECS);
	assert_int_equal(count_updates(s), 1 + 2 + 1);
	/* a task that ended meanwhile is not spoken of again */
	s->stream->queued = 1 << 20;
	sched_call(s, "\"type\":\"RECONCILE\",\"reconcile\":{}");
	agent_update(a, s->id, "t", MESOS__V1__TASK_STATE__TASK_FINISHED, 0, -1);
	assert_int_equal(count_updates(s), 1);
	s->stream->queued = 0;
	world_pass(w, SECS);
	assert_int_equal(count_updates(s), 0);
	/* and the questions of a stream end with it */
	s->stream->queued = 1 << 20;
	sched_call(s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[" TASKS_ASKED "]}");
	fake_hang_up(s->stream);
	world_settle(w);
	struct sched *again = sched_subscribe(w, PLAIN ",\"failover_timeout\":60", s->id);
	world_pass(w, SECS);
	assert_int_equal(count_updates(again), 0);
}

/* So do offers, which nobody has seen as long: they are rescinded silently. */
static void offers_wait_for_room(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	s->stream->queued = 1 << 20;
	struct fagent *a = join(w, RES), *b = join(w, RES);
	world_pass(w, 2 * SECS);
	assert_null(next_offer(s));
	fake_link_cut(b->link);
	world_pass(w, SECS);
	s->stream->queued = 0;
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
	assert_int_equal(e->offers->n_offers, 1);
	assert_string_equal(e->offers->offers[0]->agent_id->value, a->id);
	world_check(w);
}

/* Others have theirs at once. */
static void offers_wait_for_nobody_else(void **state)
{
	struct world *w = *state;
	struct sched *slow = sched_subscribe(w, PLAIN, NULL);
	slow->stream->queued = 1 << 20;
	join(w, RES);
	world_pass(w, 2 * SECS);
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	for (int i = 0; i < 5; i++) {
		join(w, RES);
		world_pass(w, NS_PER_MS);
		Mesos__V1__Offer *o = next_offer(s);
		assert_non_null(o);
		sched_call(s, "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"%s\"}],\"filters\":{\"refuse_seconds\":600}}",
			   o->id->value);
	}
}

/* Nobody has seen those that wait: they are not made any more. */
static void suppressed_as_offers_wait(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, MULTI("\"a\",\"b\""), NULL);
	s->stream->queued = 1 << 20;
	join(w, "cpus(a):4;mem(a):4096;cpus(b):4;mem(b):4096");
	world_pass(w, 2 * SECS);
	sched_call(s, "\"type\":\"SUPPRESS\",\"suppress\":{\"roles\":[\"a\"]}");
	s->stream->queued = 0;
	world_pass(w, 2 * SECS);
	assert_string_equal(only_offer(s)->allocation_info->role, "b");
	sched_call(s, "\"type\":\"REVIVE\"");
	world_pass(w, 2 * SECS);
	assert_string_equal(next_offer(s)->allocation_info->role, "a");
	world_check(w);
}

/* Who takes nothing at all is cut, whatever waits for it; who takes a little is not. */
static void who_reads_nothing_is_cut(void **state)
{
	struct world *w = *state;
	for (int offers = 0; offers < 2; offers++) {
		struct sched *s = sched_subscribe(w, PLAIN ",\"failover_timeout\":600", NULL);
		s->stream->queued = 1 << 20;
		if (offers)
			agent_join(w, RES, NULL, NULL);
		else
			sched_call(s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[" TASKS_ASKED "]}");
		world_pass(w, 29 * SECS);
		assert_false(s->stream->closed);
		s->stream->queued--;
		world_pass(w, 29 * SECS);
		assert_false(s->stream->closed);
		world_pass(w, 2 * SECS);
		assert_true(s->stream->closed);
		assert_int_equal(sched_call(s, "\"type\":\"REVIVE\""), 403);
		world_check(w);
	}
}

/* A thousand in one event, the others in the next. */
static void offers_in_portions(void **state)
{
	struct world *w = *state;
	size_t n = 0, n_events = 0;
	for (int i = 0; i < 1001; i++)
		agent_join(w, RES, NULL, NULL);
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	world_pass(w, 2 * SECS);
	for (Mesos__V1__Scheduler__Event *e; (e = sched_event(s, EV(OFFERS))); n_events++)
		n += e->offers->n_offers;
	assert_int_equal(n, 1001);
	assert_int_equal(n_events, 2);
}

/* The same of large ones: agents may have very much to say about themselves. */
static void large_offers_in_portions(void **state)
{
	struct world *w = *state;
	size_t n = 0, n_events = 0;
	mz_autofree char *attributes = xcalloc(1, 500001);
	memset(attributes, 'x', 500000);
	memcpy(attributes, "rack:", 5);
	world_attributes = attributes;
	for (int i = 0; i < 20; i++)
		agent_join(w, RES, NULL, NULL);
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	world_pass(w, 2 * SECS);
	for (Mesos__V1__Scheduler__Event *e; (e = sched_event(s, EV(OFFERS))); n_events++) {
		assert_true(e->offers->n_offers <= 8);
		n += e->offers->n_offers;
	}
	assert_int_equal(n, 20);
	assert_int_equal(n_events, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(rate_of_a_framework), BOTH(rate_of_a_principal), BOTH(rate_beyond_the_clock),
		BOTH(flood_does_not_delay_heartbeats), BOTH(answers_wait_for_room), BOTH(offers_wait_for_room),
		BOTH(offers_wait_for_nobody_else), BOTH(suppressed_as_offers_wait),
		BOTH(who_reads_nothing_is_cut), BOTH(offers_in_portions), BOTH(large_offers_in_portions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
