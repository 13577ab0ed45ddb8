/* master_asked_test.c - what the authorizer forbids of an ACCEPT, and what happens while
 * it thinks: tasks are killed, ids are used again, agents leave.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_offered.h"

#define AT_ONCE ",\"filters\":{\"refuse_seconds\":0}"

/* A task t that waits for the authorizer. */
static struct offered with_waiting(struct world *w, const char *info)
{
	struct offered o = with_offer(w, info);
	world_hold_authorizer(w, true);
	launch(&o, task_json(w, "t", o.a->id, 1, 100), AT_ONCE);
	assert_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
	return o;
}

/* The authorizer allows all that it was asked for. */
static void allow(struct world *w)
{
	world_hold_authorizer(w, false);
	world_settle(w);
}

static void launch_on_another(struct offered *o, const char *task)
{
	struct world *w = o->s->w;
	o->a = join(w, RES);
	Mesos__V1__Offer *second = offer_in(w, o->s);
	o->offer = second->id->value;
	assert_string_equal(second->agent_id->value, o->a->id);
	launch(o, task_json(w, task, o->a->id, 1, 100), AT_ONCE);
}

#define POD                                                                                                          \
	"{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"p\"},\"resources\":["                                  \
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0.1}},"                                      \
	"{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":32}},"                                        \
	"{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":10}}]}"

/* LAUNCH_GROUP of x and y; more: members of the operation. */
static void launch_pod(struct offered *o, const char *more)
{
	struct world *w = o->s->w;
	sched_call(o->s, "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":[{%s\"type\":"
			 "\"LAUNCH_GROUP\",\"launch_group\":{\"executor\":" POD ",\"task_group\":{\"tasks\":[%s,%s]}}}]}",
		   o->offer, more, task_json(w, "x", o->a->id, 1, 32), task_json(w, "y", o->a->id, 1, 32));
}

static void forbidden_group(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, "\"user\":\"" WORLD_DENIED_USER "\",\"name\":\"n\"");
	launch_pod(&o, "");
	for (int i = 0; i < 2; i++)
		assert_update(o.s, ST(ERROR), RS(TASK_GROUP_UNAUTHORIZED));
	assert_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
}

static void group_with_an_operation_id(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	launch_pod(&o, "\"id\":{\"value\":\"op\"},");
	for (int i = 0; i < 2; i++)
		assert_update(o.s, ST(ERROR), RS(TASK_GROUP_INVALID));
	assert_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
}

/* One killed task takes its group along. */
static void killed_group(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	world_hold_authorizer(w, true);
	launch_pod(&o, "");
	sched_call(o.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"y\"}}");
	Mesos__V1__TaskStatus *u = next_status(o.s);
	assert_string_equal(u->task_id->value, "y");
	assert_int_equal(u->state, ST(KILLED));
	allow(w);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(UPDATE));
	assert_string_equal(e->update->status->task_id->value, "x");
	assert_int_equal(e->update->status->state, ST(KILLED));
	assert_int_equal(e->update->status->reason, RS(TASK_KILLED_DURING_LAUNCH));
	assert_null(sched_event(o.s, EV(UPDATE)));
	assert_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
}

static void killed_while_asked(void **state)
{
	struct world *w = *state;
	struct offered o = with_waiting(w, PLAIN);
	sched_call(o.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"t\"}}");
	assert_update(o.s, ST(KILLED), RS(TASK_KILLED_DURING_LAUNCH));
	allow(w);
	assert_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
	assert_null(next_status(o.s));
}

/* The id of a killed task is used again before the authorizer has answered for the
 * first one: the second one runs, the first one does not. */
static void killed_and_used_again(void **state)
{
	struct world *w = *state;
	struct offered first = with_waiting(w, PLAIN), second = first;
	sched_call(first.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"t\"}}");
	assert_update(first.s, ST(KILLED), RS(TASK_KILLED_DURING_LAUNCH));
	launch_on_another(&second, "t");
	allow(w);
	assert_null(agent_next(first.a, TO_AGENT(RUN_TASKS)));
	assert_non_null(agent_next(second.a, TO_AGENT(RUN_TASKS)));
	assert_null(next_status(first.s));
}

/* Not killed: the second one is refused, and the first one runs. */
static void used_again_while_asked(void **state)
{
	struct world *w = *state;
	struct offered first = with_waiting(w, PLAIN), second = first;
	launch_on_another(&second, "t");
	allow(w);
	assert_non_null(agent_next(first.a, TO_AGENT(RUN_TASKS)));
	Mesos__V1__TaskStatus *u = next_status(first.s);
	assert_int_equal(u->state, ST(ERROR));
	assert_string_equal(u->agent_id->value, second.a->id);
	assert_null(next_status(first.s));
}

/* What was accepted of an agent that has come anew meanwhile is offered again. */
static void agent_returns_while_asked(void **state)
{
	struct world *w = *state;
	struct offered o = with_waiting(w, PLAIN);
	fake_link_cut(o.a->link);
	world_pass(w, SECS);
	struct fagent *b = agent_join(w, RES, o.a->id, NULL);
	world_pass(w, SECS);
	allow(w);
	assert_update(o.s, ST(LOST), RS(AGENT_DISCONNECTED));
	assert_null(agent_next(b, TO_AGENT(RUN_TASKS)));
	world_check(w);
	world_pass(w, 10 * SECS);
	Mesos__V1__Offer *again = next_offer(o.s);
	assert_string_equal(again->agent_id->value, o.a->id);
	assert_float_equal(again->resources[0]->scalar->value, 4, 0);
}

static void agent_is_removed_while_asked(void **state)
{
	struct world *w = *state;
	struct offered o = with_waiting(w, AWARE);
	agent_unregister(o.a);
	allow(w);
	assert_update(o.s, ST(DROPPED), RS(AGENT_REMOVED));
	assert_null(next_status(o.s));
	world_check(w);
}

/* Nobody is left to be told. */
static void framework_ends_while_asked(void **state)
{
	struct world *w = *state;
	struct offered o = with_waiting(w, PLAIN);
	sched_call(o.s, "\"type\":\"TEARDOWN\"");
	allow(w);
	assert_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
	world_check(w);
	struct sched *other = sched_subscribe(w, PLAIN, NULL);
	assert_float_equal(offer_in(w, other)->resources[0]->scalar->value, 4, 0);
}

#define ASKED(fn) {#fn, fn, world_setup_authorized, world_teardown, NULL}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASKED(forbidden_group),	       ASKED(group_with_an_operation_id), ASKED(killed_group),
		ASKED(killed_while_asked),     ASKED(killed_and_used_again),      ASKED(used_again_while_asked),
		ASKED(agent_returns_while_asked), ASKED(agent_is_removed_while_asked), ASKED(framework_ends_while_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
