/* master_address_test.c - agents that register without an id where another one is
 * known, or was.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_offered.h"
#include "mezzo/records.pb-c.h"

#define KEPT PLAIN ",\"failover_timeout\":6000,\"checkpoint\":true"
#define KEPT_AWARE KEPT ",\"capabilities\":[{\"type\":\"PARTITION_AWARE\"}]"

static struct fagent *join_at(struct world *w, int port)
{
	world_port = port;
	return agent_join(w, RES, NULL, NULL);
}

static const char *id_of(struct fagent *a)
{
	if (!a->id)
		assert_non_null(agent_next(a, TO_AGENT(REGISTERED)));
	return a->id;
}

static void assert_waits(struct fagent *a)
{
	assert_null(agent_next(a, TO_AGENT(REGISTERED)));
	assert_true(a->link->closed);
	for (size_t i = 0; i < a->link->frames.n; i++) /* nobody has told it to end */
		fail_msg("It is told something");
}

static struct sched *with_task_at_5051(struct world *w, const char *info, struct fagent **ret)
{
	world_port = 5051;
	struct offered o = with_task(w, info);
	*ret = o.a;
	return o.s;
}

static struct master_counts counts(struct world *w)
{
	struct master_counts n;
	world_check(w);
	master_counts(w->m, &n);
	return n;
}

static void assert_replaced(struct world *w, int removals, int of_these)
{
	mz_autofree char *all = xasprintf("\"master/slave_removals\":%d.0", removals);
	mz_autofree char *these = xasprintf("\"master/slave_removals/reason_registered\":%d.0", of_these);
	const char *text = buf_str(&world_get(w, "/metrics/snapshot")->body);
	assert_non_null(strstr(text, all));
	assert_non_null(strstr(text, these));
}

static void write_now(struct world *w)
{
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
}

/* Its first link has died, which the master does not know, and the answer with it. */
static void test_told_again(void **state)
{
	struct world *w = *state;
	struct fagent *a;
	struct sched *s = with_task_at_5051(w, KEPT, &a);
	struct fagent *again = join_at(w, 5051);
	Mezzo__Link__ToAgent *m = agent_next(again, TO_AGENT(REGISTERED));
	assert_string_equal(m->registered->agent_id->value, a->id);
	assert_true(a->link->closed);
	/* What it does not know of has to end. */
	assert_int_equal(m->registered->n_reconcile, 1);
	assert_null(next_status(s));
	assert_int_equal(counts(w).agents_connected, 1);
	assert_replaced(w, 0, 0);
	world_restart(w);
	assert_int_equal(counts(w).agents_recovered, 1);
}

static void test_connected_one_is_not_robbed(void **state)
{
	struct world *w = *state;
	struct fagent *a = join_at(w, 5051);
	id_of(a);
	world_hostname = "another";
	assert_waits(join_at(w, 5051));
	world_hostname = "host";
	/* Two machines that both call themselves by the name and the address of any. */
	a->link->link.peer = "10.0.0.1:7";
	assert_waits(join_at(w, 5051));
	assert_false(a->link->closed);
	assert_int_equal(counts(w).agents_connected, 1);
	/* As soon as the first one is known to be away, it is replaced. */
	fake_link_cut(a->link);
	world_settle(w);
	world_hostname = "another";
	assert_string_not_equal(id_of(join_at(w, 5051)), a->id);
	assert_int_equal(counts(w).agents, 1);
	assert_replaced(w, 1, 1);
}

static void test_disconnected_is_replaced(void **state)
{
	struct world *w = *state;
	struct fagent *a;
	struct sched *s = with_task_at_5051(w, KEPT_AWARE, &a);
	fake_link_cut(a->link);
	world_settle(w);
	assert_null(next_status(s));
	struct fagent *b = join_at(w, 5051);
	assert_string_not_equal(id_of(b), a->id);
	Mesos__V1__TaskStatus *st = next_status(s);
	assert_int_equal(st->state, ST(GONE));
	assert_int_equal(st->reason, RS(AGENT_REMOVED));
	struct master_counts n = counts(w);
	assert_int_equal(n.agents, 1);
	assert_int_equal(n.tasks, 0);
	assert_replaced(w, 1, 1);
	world_restart(w);
	assert_int_equal(counts(w).agents_recovered, 1);
	/* The new one returns, the old one is a stranger. */
	assert_non_null(agent_next(agent_join(w, RES, b->id, NULL), TO_AGENT(REGISTERED)));
	assert_int_equal(counts(w).agents_recovered, 0);
}

static void test_lost_and_failure_are_told(void **state)
{
	struct world *w = *state;
	struct fagent *a;
	struct sched *s = with_task_at_5051(w, KEPT, &a);
	fake_link_cut(a->link);
	world_settle(w);
	join_at(w, 5051);
	Mesos__V1__TaskStatus *st = next_status(s); /* of a framework that does not know GONE */
	assert_int_equal(st->state, ST(LOST));
	assert_int_equal(st->reason, RS(AGENT_REMOVED));
	assert_string_equal(sched_event(s, EV(FAILURE))->failure->agent_id->value, a->id);
}

static void test_recovered_is_replaced(void **state)
{
	struct world *w = *state;
	struct fagent *a = join_at(w, 5051), *other = join_at(w, 5052);
	id_of(a);
	id_of(other);
	world_restart(w);
	assert_int_equal(counts(w).agents_recovered, 2);
	struct fagent *b = join_at(w, 5051);
	assert_string_not_equal(id_of(b), a->id);
	assert_int_equal(counts(w).agents_recovered, 1);
	assert_replaced(w, 1, 1);
	world_restart(w);
	assert_int_equal(counts(w).agents_recovered, 2); /* b and other */
	assert_non_null(agent_next(agent_join(w, RES, other->id, NULL), TO_AGENT(REGISTERED)));
	assert_non_null(agent_next(agent_join(w, RES, b->id, NULL), TO_AGENT(REGISTERED)));
	assert_int_equal(counts(w).agents_recovered, 0);
}

/* It may have gone unreachable under a master before this one. */
static void unreachable_is_replaced(struct world *w, const char *info, int state, bool after_restart)
{
	struct fagent *a;
	struct sched *s = with_task_at_5051(w, info, &a);
	fake_link_cut(a->link);
	world_pass(w, 601 * SECS);
	Mesos__V1__TaskStatus *st = next_status(s);
	assert_int_equal(st->state, state == ST(GONE) ? ST(UNREACHABLE) : ST(LOST));
	if (after_restart) {
		world_restart(w);
		s = sched_subscribe(w, info, s->id);
	}
	assert_int_equal(counts(w).agents_unreachable, 1);
	assert_string_not_equal(id_of(join_at(w, 5051)), a->id);
	assert_int_equal(counts(w).agents_unreachable, 0);
	assert_replaced(w, after_restart ? 1 : 2, 1);
	st = next_status(s);
	if (state == ST(GONE) && !after_restart) { /* a new master does not know what was there */
		assert_int_equal(st->state, ST(GONE));
		assert_int_equal(st->reason, RS(AGENT_REMOVED));
		assert_string_equal(st->agent_id->value, a->id);
	} else {
		assert_null(st);
	}
	world_restart(w);
	assert_int_equal(counts(w).agents_unreachable, 0);
	assert_int_equal(counts(w).agents_recovered, 1);
}

static void test_unreachable_is_replaced(void **state)
{
	unreachable_is_replaced(*state, KEPT_AWARE, ST(GONE), false);
}

static void test_unreachable_is_lost_once(void **state)
{
	unreachable_is_replaced(*state, KEPT, ST(LOST), false);
}

static void test_unreachable_before(void **state)
{
	unreachable_is_replaced(*state, KEPT_AWARE, ST(GONE), true);
}

static void test_the_task_id_is_free_again(void **state)
{
	struct world *w = *state;
	struct fagent *a, *b;
	struct sched *s = with_task_at_5051(w, KEPT_AWARE, &a);
	fake_link_cut(a->link);
	world_pass(w, 601 * SECS);
	b = join_at(w, 5051);
	id_of(b);
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e, *last = NULL;
	while ((e = sched_event(s, EV(OFFERS))))
		last = e;
	assert_non_null(last);
	sched_call(s,
		   "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":["
		   "{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[%s]}}]}",
		   last->offers->offers[0]->id->value, task_json(w, "t", b->id, 1, 100));
	assert_non_null(agent_next(b, TO_AGENT(RUN_TASKS)));
	assert_int_equal(counts(w).tasks, 1);
}

/* The record that it is unreachable is being written. */
static void test_being_given_up(void **state)
{
	struct world *w = *state;
	struct fagent *a = join_at(w, 5051);
	id_of(a);
	fake_link_cut(a->link);
	world_settle(w);
	w->disk.stuck = true;
	world_pass(w, 601 * SECS);
	assert_waits(join_at(w, 5051));
	write_now(w);
	assert_int_equal(counts(w).agents_unreachable, 1);
	assert_string_not_equal(id_of(join_at(w, 5051)), a->id);
	assert_int_equal(counts(w).agents_unreachable, 0);
}

/* It dials again before the record of its first registration is durable. */
static void test_two_at_once(void **state)
{
	struct world *w = *state;
	w->disk.stuck = true;
	struct fagent *a = join_at(w, 5051), *b = join_at(w, 5051);
	write_now(w);
	id_of(a);
	assert_waits(b);
	assert_int_equal(counts(w).agents, 1);
	assert_string_equal(id_of(join_at(w, 5051)), a->id);
	world_restart(w);
	assert_int_equal(counts(w).agents_recovered, 1); /* nothing is left of the second one */
}

/* The first one is admitted and away again meanwhile. */
static void test_two_at_once_and_one_gone(void **state)
{
	struct world *w = *state;
	w->disk.stuck = true;
	struct fagent *a = join_at(w, 5051);
	fake_disk_flush(&w->disk);
	struct fagent *b = join_at(w, 5051);
	world_settle(w);
	id_of(a);
	fake_link_cut(a->link);
	world_settle(w);
	write_now(w);
	assert_string_not_equal(id_of(b), a->id);
	assert_int_equal(counts(w).agents, 1);
	assert_replaced(w, 1, 1);
	world_restart(w);
	assert_int_equal(counts(w).agents_recovered, 1);
}

static void test_other_port_other_agent(void **state)
{
	struct world *w = *state;
	struct fagent *a = join_at(w, 5051);
	id_of(a);
	fake_link_cut(a->link);
	world_settle(w);
	assert_string_not_equal(id_of(join_at(w, 5052)), a->id);
	assert_int_equal(counts(w).agents, 2);
	assert_replaced(w, 0, 0);
}

/* Who has an id may come from anywhere: the place is its own from then on. */
static void test_a_place_passes_on(void **state)
{
	struct world *w = *state;
	struct fagent *a = join_at(w, 5051), *b = join_at(w, 5052);
	id_of(a);
	id_of(b);
	fake_link_cut(a->link);
	fake_link_cut(b->link);
	world_settle(w);
	world_port = 5051;
	struct fagent *back = agent_join(w, RES, b->id, NULL);
	assert_string_equal(id_of(back), b->id);
	fake_link_cut(back->link);
	world_settle(w);
	/* Nobody is at the second place, and the second agent is at the first. */
	id_of(join_at(w, 5052));
	assert_int_equal(counts(w).agents, 3);
	id_of(join_at(w, 5051));
	assert_int_equal(counts(w).agents, 3);
	assert_replaced(w, 1, 1);
	assert_string_equal(id_of(agent_join(w, RES, a->id, NULL)), a->id);
	assert_int_equal(counts(w).agents, 3);
}

static void test_a_place_passes_on_over_restarts(void **state)
{
	struct world *w = *state;
	struct fagent *a = join_at(w, 5051);
	id_of(a);
	fake_link_cut(a->link);
	world_settle(w);
	world_port = 5053;
	id_of(agent_join(w, RES, a->id, NULL)); /* its port alone is new: it is on record */
	world_restart(w);
	id_of(join_at(w, 5051));
	assert_int_equal(counts(w).agents_recovered, 1);
	id_of(join_at(w, 5053));
	assert_int_equal(counts(w).agents_recovered, 0);
}

static void test_place_of_one_who_is_gone(void **state)
{
	struct world *w = *state;
	struct fagent *a = join_at(w, 5051);
	mz_autoarena struct arena arena = {0};
	Mezzo__Records__AgentRecord r = MEZZO__RECORDS__AGENT_RECORD__INIT;
	Mesos__V1__AgentInfo info = MESOS__V1__AGENT_INFO__INIT;
	Mesos__V1__AgentID id = MESOS__V1__AGENT_ID__INIT;
	id.value = (char *)id_of(a);
	info.hostname = (char *)"host";
	info.id = &id;
	r.info = &info;
	r.pid = (char *)"slave(1)@127.0.0.1:5051";
	r.has_gone_time = 1;
	r.gone_time = loop_wall_secs(w->loop);
	struct mz_bytes b = pb_encode_arena(&r.base, &arena);
	mz_autofree char *key = xasprintf("agent/%s", id.value);
	store_put(w->store, key, b.data, b.size, NULL, NULL);
	world_settle(w);
	world_restart(w);
	assert_string_not_equal(id_of(join_at(w, 5051)), a->id);
	assert_replaced(w, 0, 0);
	/* That one stays gone. */
	assert_non_null(agent_next(agent_join(w, RES, a->id, NULL), TO_AGENT(SHUTDOWN)));
}

/* A record from before addresses were kept. */
static struct fagent *with_old_record(struct world *w)
{
	mz_autoarena struct arena arena = {0};
	Mezzo__Records__AgentRecord r = MEZZO__RECORDS__AGENT_RECORD__INIT;
	Mezzo__Link__Register reg = MEZZO__LINK__REGISTER__INIT;
	Mesos__V1__AgentID id = MESOS__V1__AGENT_ID__INIT;
	world_port = 5051;
	struct fagent *a = agent_join(w, RES, NULL, &reg);
	id.value = (char *)id_of(a);
	r.info = reg.agent_info;
	r.info->id = &id;
	struct mz_bytes b = pb_encode_arena(&r.base, &arena);
	mz_autofree char *key = xasprintf("agent/%s", id.value);
	store_put(w->store, key, b.data, b.size, NULL, NULL);
	world_settle(w);
	world_restart(w);
	return a;
}

static void test_old_record(void **state)
{
	struct world *w = *state;
	with_old_record(w);
	id_of(join_at(w, 5051));
	assert_int_equal(counts(w).agents_recovered, 1); /* nobody knows where it was */
}

/* It has an address as soon as the agent returns, though nothing else is new. */
static void test_old_record_is_renewed(void **state)
{
	struct world *w = *state;
	struct fagent *a = with_old_record(w);
	assert_non_null(agent_next(agent_join(w, RES, a->id, NULL), TO_AGENT(REGISTERED)));
	world_restart(w);
	assert_int_equal(counts(w).agents_recovered, 1);
	id_of(join_at(w, 5051));
	assert_int_equal(counts(w).agents_recovered, 0);
}

static void test_forgotten_ones_leave_their_place(void **state)
{
	struct world *w = *state;
	struct fagent *a = join_at(w, 5051);
	id_of(a);
	fake_link_cut(a->link);
	world_pass(w, 15 * 86400 * SECS);
	assert_int_equal(counts(w).agents_unreachable, 0);
	id_of(join_at(w, 5051));
	assert_replaced(w, 1, 0); /* it was removed as it became unreachable */
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_told_again),
		T(test_connected_one_is_not_robbed),
		T(test_disconnected_is_replaced),
		T(test_lost_and_failure_are_told),
		T(test_recovered_is_replaced),
		T(test_unreachable_is_replaced),
		T(test_unreachable_is_lost_once),
		T(test_unreachable_before),
		T(test_the_task_id_is_free_again),
		T(test_being_given_up),
		T(test_two_at_once),
		T(test_two_at_once_and_one_gone),
		T(test_other_port_other_agent),
		T(test_a_place_passes_on),
		T(test_a_place_passes_on_over_restarts),
		T(test_place_of_one_who_is_gone),
		T(test_old_record),
		T(test_old_record_is_renewed),
		T(test_forgotten_ones_leave_their_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
