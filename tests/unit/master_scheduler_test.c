/* master_scheduler_test.c - the scheduler API: refusals, sessions, offers, ACCEPT,
 * updates, reconciliation, failover.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "master_world.h"

#define SECS NS_PER_SEC
#define TO_AGENT(name) MEZZO__LINK__TO_AGENT__MESSAGE_##name
#define ST(name) MESOS__V1__TASK_STATE__TASK_##name
#define RS(name) MESOS__V1__TASK_STATUS__REASON__REASON_##name
#define PLAIN "\"user\":\"u\",\"name\":\"n\""
#define AWARE PLAIN ",\"capabilities\":[{\"type\":\"PARTITION_AWARE\"}]"
#define RES "cpus:4;mem:4096;disk:1000;ports:[31000-31010]"

/* ---- refusals, in the order of the checks ------------------------------------- */

static void test_refusals(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *method, *path, *headers, *body;
		int status;
	} rows[] = {
		{"GET", "/api/v1/scheduler", NULL, NULL, 405},
		{"POST", "/api/v1/scheduler", "Accept: application/json", "{}", 400},
		{"POST", "/api/v1/scheduler", "Content-Type: text/plain", "{}", 415},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json; charset=utf-8", "{}", 415},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json", "{", 400},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json", "[1]", 400},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json", "{}", 400},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json", "{\"type\":\"FLY\"}", 400},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json", "{\"type\":\"UNKNOWN\"}", 501},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json", "{\"type\":\"SUBSCRIBE\"}", 400},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json",
		 "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{\"name\":\"x\"}}}", 400},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json\nAccept: text/html",
		 "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{" PLAIN "}}}", 406},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json\nMesos-Stream-Id: x",
		 "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{" PLAIN "}}}", 400},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json",
		 "{\"type\":\"SUBSCRIBE\",\"framework_id\":{\"value\":\"a\"},\"subscribe\":{\"framework_info\":{" PLAIN
		 "}}}",
		 400},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json", "{\"type\":\"TEARDOWN\"}", 400},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json\nMesos-Stream-Id: x",
		 "{\"type\":\"TEARDOWN\",\"framework_id\":{\"value\":\"nope\"}}", 400},
		{"POST", "/api/v1/scheduler", "Content-Type: application/json",
		 "{\"type\":\"ACKNOWLEDGE\",\"framework_id\":{\"value\":\"x\"},\"acknowledge\":{\"agent_id\":{\"value\":"
		 "\"a\"},\"task_id\":{\"value\":\"t\"},\"uuid\":\"YQ==\"}}",
		 400},
		{"POST", "/api/v1", "Content-Type: application/json", "{\"type\":\"NOPE\"}", 400},
		{"POST", "/api/v1", "Content-Type: application/x-protobuf", "garbage", 400},
		{"POST", "/api/v1", "Content-Type: application/json", "{\"type\":\"GET_WEIGHTS\"}", 501},
		{"POST", "/api/v1/operator/", "Content-Type: application/json", "{\"type\":\"GET_HEALTH\"}", 200},
		{"GET", "/nosuch", NULL, NULL, 404},
	};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct fake_call *c = world_http(w, rows[i].method, rows[i].path, rows[i].headers, rows[i].body);
		if (c->status != rows[i].status)
			fail_msg("row %zu: %d instead of %d: %s", i, c->status, rows[i].status, buf_str(&c->body));
		if (c->status == 405)
			assert_non_null(strstr(buf_str(&c->headers), "Allow: POST"));
	}
}

static void test_session_rules(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	mz_autofree char *body = xasprintf("{\"type\":\"REVIVE\",\"framework_id\":{\"value\":\"%s\"}}", s->id);
	assert_int_equal(world_http(w, "POST", "/master/api/v1/scheduler", "Content-Type: application/json", body)->status,
			 400);
	assert_int_equal(world_http(w, "POST", "/api/v1/scheduler",
				    "Content-Type: application/json\nMesos-Stream-Id: wrong", body)
				 ->status,
			 400);
	assert_int_equal(sched_call(s, "\"type\":\"REVIVE\""), 202);
	/* a framework that may return within a minute, and is away */
	struct sched *away = sched_subscribe(w, PLAIN ",\"failover_timeout\":60", NULL);
	fake_hang_up(away->stream);
	world_settle(w);
	assert_int_equal(sched_call(away, "\"type\":\"REVIVE\""), 403);
}

static void test_subscribe_refused_by_content(void **state)
{
	struct world *w = *state;
	static const char *const infos[] = {
		PLAIN ",\"role\":\"/bad\"",
		PLAIN ",\"roles\":[\"a\",\"a\"],\"capabilities\":[{\"type\":\"MULTI_ROLE\"}]",
		PLAIN ",\"roles\":[\"a\"]",
		PLAIN ",\"role\":\"a\",\"capabilities\":[{\"type\":\"MULTI_ROLE\"}]",
	};
	for (size_t i = 0; i < MZ_N(infos); i++) {
		struct sched *s = sched_subscribe(w, infos[i], NULL);
		Mesos__V1__Scheduler__Event *e = sched_any(s);
		assert_non_null(e);
		assert_int_equal(e->type, EV(ERROR));
		assert_true(s->stream->closed);
	}
}

static void test_first_events(void **state)
{
	struct world *w = *state;
	struct fagent *a = agent_join(w, RES, NULL, NULL);
	assert_non_null(agent_next(a, TO_AGENT(REGISTERED)));
	assert_true(str_ends(a->id, "-S0"));
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	assert_true(str_ends(s->id, "-0000"));
	assert_int_equal(sched_any(s)->type, EV(HEARTBEAT));
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_any(s);
	assert_int_equal(e->type, EV(OFFERS));
	assert_int_equal(e->offers->n_offers, 1);
	Mesos__V1__Offer *o = e->offers->offers[0];
	assert_true(str_ends(o->id->value, "-O0"));
	assert_string_equal(o->hostname, "host");
	assert_string_equal(o->url->address->ip, "127.0.0.1");
	assert_string_equal(o->url->path, "/slave(1)");
	assert_null(o->allocation_info); /* not MULTI_ROLE */
	for (size_t i = 0; i < o->n_resources; i++) {
		assert_null(o->resources[i]->allocation_info);
		assert_string_equal(o->resources[i]->role, "*");
	}
	world_check(w);
	world_pass(w, 15 * SECS);
	assert_int_equal(sched_any(s)->type, EV(HEARTBEAT));
}

static void test_offer_forms(void **state)
{
	struct world *w = *state;
	agent_join(w, "cpus(dev):4;mem(dev):4096", NULL, NULL);
	struct sched *s = sched_subscribe(
		w, PLAIN ",\"roles\":[\"dev\"],\"capabilities\":[{\"type\":\"MULTI_ROLE\"},{\"type\":\"RESERVATION_REFINEMENT\"}]",
		NULL);
	world_pass(w, 2 * SECS);
	Mesos__V1__Offer *o = sched_event(s, EV(OFFERS))->offers->offers[0];
	assert_string_equal(o->allocation_info->role, "dev");
	assert_string_equal(o->resources[0]->allocation_info->role, "dev");
	assert_int_equal(o->resources[0]->n_reservations, 1);
	if (w->codec == CODEC_JSON)
		assert_null(strstr(s->stream->records.v[s->stream->n_seen - 1], "\"role\":\"*\""));
}

/* ---- a framework with an offer -------------------------------------------------- */

struct offered {
	struct fagent *a;
	struct sched *s;
	const char *offer;
};

static struct offered with_offer(struct world *w, const char *info)
{
	struct offered o;
	o.a = agent_join(w, RES, NULL, NULL);
	assert_non_null(agent_next(o.a, TO_AGENT(REGISTERED)));
	o.s = sched_subscribe(w, info, NULL);
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(OFFERS));
	assert_non_null(e);
	o.offer = e->offers->offers[0]->id->value;
	return o;
}

static void launch(struct offered *o, const char *tasks, const char *more)
{
	assert_int_equal(sched_call(o->s,
				    "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":["
				    "{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[%s]}}]%s}",
				    o->offer, tasks, more ? more : ""),
			 202);
}

static void launch_one(struct offered *o, const char *id)
{
	launch(o, task_json(o->s->w, id, o->a->id, 1, 100), NULL);
}

static Mesos__V1__TaskStatus *next_status(struct sched *s)
{
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(UPDATE));
	return e ? e->update->status : NULL;
}

static void assert_update(struct sched *s, int task_state, int reason)
{
	Mesos__V1__TaskStatus *u = next_status(s);
	assert_non_null(u);
	assert_int_equal(u->state, task_state);
	assert_false(u->has_uuid);
	assert_int_equal(u->source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_MASTER);
	assert_int_equal(u->reason, reason);
}

static void test_life_of_a_task(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	struct master_counts n;
	launch_one(&o, "t1");
	Mezzo__Link__ToAgent *m = agent_next(o.a, TO_AGENT(RUN_TASKS));
	assert_non_null(m);
	assert_string_equal(m->run_tasks->tasks[0]->task_id->value, "t1");
	assert_string_equal(m->run_tasks->tasks[0]->resources[0]->allocation_info->role, "*");
	assert_string_equal(m->run_tasks->framework->id->value, o.s->id);
	world_check(w);
	agent_update(o.a, o.s->id, "t1", ST(RUNNING), 1, -1);
	Mesos__V1__TaskStatus *u = next_status(o.s);
	assert_int_equal(u->state, ST(RUNNING));
	assert_true(u->has_uuid);
	/* The newest state is ahead: resources are free, the task is not forgotten. */
	agent_update(o.a, o.s->id, "t1", ST(RUNNING), 1, ST(FINISHED));
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 1);
	world_check(w);
	assert_int_equal(sched_call(o.s, "\"type\":\"ACKNOWLEDGE\",\"acknowledge\":{\"agent_id\":{\"value\":\"%s\"},"
					 "\"task_id\":{\"value\":\"t1\"},\"uuid\":\"AQEBAQEBAQEBAQEBAQEBAQ==\"}",
				    o.a->id),
			 202);
	assert_non_null(agent_next(o.a, TO_AGENT(ACKNOWLEDGE)));
	agent_update(o.a, o.s->id, "t1", ST(FINISHED), 2, ST(FINISHED));
	/* A stale uuid acknowledges nothing. */
	sched_call(o.s, "\"type\":\"ACKNOWLEDGE\",\"acknowledge\":{\"agent_id\":{\"value\":\"%s\"},"
			"\"task_id\":{\"value\":\"t1\"},\"uuid\":\"AQEBAQEBAQEBAQEBAQEBAQ==\"}",
		   o.a->id);
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 1);
	sched_call(o.s, "\"type\":\"ACKNOWLEDGE\",\"acknowledge\":{\"agent_id\":{\"value\":\"%s\"},"
			"\"task_id\":{\"value\":\"t1\"},\"uuid\":\"AgICAgICAgICAgICAgICAg==\"}",
		   o.a->id);
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 0);
	assert_non_null(strstr(buf_str(&world_get(w, "/tasks")->body), "\"state\":\"TASK_FINISHED\""));
}

/* ---- ACCEPT -------------------------------------------------------------------------- */

static void test_accept_is_per_task(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	mz_autofree char *tasks =
		xasprintf("%s,%s,%s,%s", task_json(w, "a", o.a->id, 1, 10), task_json(w, "bad/id", o.a->id, 1, 10),
			  task_json(w, "big", o.a->id, 100, 10), task_json(w, "a", o.a->id, 1, 10));
	launch(&o, tasks, NULL);
	assert_update(o.s, ST(ERROR), RS(TASK_INVALID));
	assert_update(o.s, ST(ERROR), RS(TASK_INVALID));
	assert_update(o.s, ST(ERROR), RS(TASK_INVALID)); /* the id is taken */
	Mezzo__Link__ToAgent *m = agent_next(o.a, TO_AGENT(RUN_TASKS));
	assert_int_equal(m->run_tasks->n_tasks, 1);
	world_check(w);
}

static void test_accept_of_unknown_offer(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, AWARE);
	struct master_counts n;
	assert_int_equal(sched_call(o.s,
				    "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"},{\"value\":\"gone\"}],"
				    "\"operations\":[{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[%s]}},"
				    "{\"type\":\"RESERVE\",\"id\":{\"value\":\"op\"},\"reserve\":{}}]}",
				    o.offer, task_json(w, "a", o.a->id, 1, 10)),
			 202);
	assert_update(o.s, ST(DROPPED), RS(INVALID_OFFERS));
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(UPDATE_OPERATION_STATUS));
	assert_int_equal(e->update_operation_status->status->state, MESOS__V1__OPERATION_STATE__OPERATION_ERROR);
	master_counts(w->m, &n);
	assert_int_equal(n.offers, 0); /* the good offer is used up as well */
	world_pass(w, 2 * SECS);
	assert_non_null(sched_event(o.s, EV(OFFERS))); /* and comes back without a filter */
}

/* ACCEPT of these offers, with one task; filters of 0 s. */
static void accept_two(struct sched *s, const char *first, const char *second, char *task)
{
	assert_int_equal(sched_call(s,
				    "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"},{\"value\":\"%s\"}],"
				    "\"operations\":[{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[%s]}}],"
				    "\"filters\":{\"refuse_seconds\":0}}", first, second, task),
			 202);
}

static Mesos__V1__Offer *offer_in(struct world *w, struct sched *s)
{
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
	assert_non_null(e);
	return e->offers->offers[e->offers->n_offers - 1];
}

/* Their resources count together; what goes wrong with one uses up the others. */
static void test_accept_of_several_offers(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, AWARE);
	launch(&o, task_json(w, "t", o.a->id, 1, 100), ",\"filters\":{\"refuse_seconds\":0}");
	const char *most = offer_in(w, o.s)->id->value;
	agent_update(o.a, o.s->id, "t", ST(FINISHED), 0, -1);
	assert_int_equal(next_status(o.s)->state, ST(FINISHED));
	Mesos__V1__Offer *rest = offer_in(w, o.s);
	assert_string_equal(rest->agent_id->value, o.a->id);
	assert_non_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
	accept_two(o.s, most, most, task_json(w, "twice", o.a->id, 1, 10));
	assert_update(o.s, ST(DROPPED), RS(INVALID_OFFERS));
	most = offer_in(w, o.s)->id->value;
	accept_two(o.s, most, rest->id->value, task_json(w, "both", o.a->id, 4, 4000));
	assert_null(sched_event(o.s, EV(UPDATE)));
	assert_int_equal(agent_next(o.a, TO_AGENT(RUN_TASKS))->run_tasks->n_tasks, 1);
	world_check(w);

	/* of two agents */
	struct fagent *b = agent_join(w, RES, NULL, NULL), *c = agent_join(w, RES, NULL, NULL);
	assert_non_null(agent_next(b, TO_AGENT(REGISTERED)));
	assert_non_null(agent_next(c, TO_AGENT(REGISTERED)));
	world_pass(w, 2 * SECS);
	const char *of[2] = {NULL, NULL};
	for (Mesos__V1__Scheduler__Event *e; (e = sched_event(o.s, EV(OFFERS)));)
		for (size_t i = 0; i < e->offers->n_offers; i++)
			of[str_eq(e->offers->offers[i]->agent_id->value, c->id)] = e->offers->offers[i]->id->value;
	assert_true(of[0] && of[1]);
	accept_two(o.s, of[0], of[1], task_json(w, "x", b->id, 1, 10));
	Mesos__V1__TaskStatus *u = next_status(o.s);
	assert_int_equal(u->reason, RS(INVALID_OFFERS));
	assert_non_null(strstr(u->message, "different agents"));

	/* of another framework */
	const char *foreign = offer_in(w, o.s)->id->value;
	struct sched *other = sched_subscribe(w, AWARE, NULL);
	accept_two(other, foreign, foreign, task_json(w, "x", b->id, 1, 10));
	u = next_status(other);
	assert_non_null(strstr(u->message, "not of this framework"));
	accept_two(o.s, foreign, "gone", task_json(w, "y", b->id, 1, 10)); /* it has not been used up by that */
	assert_non_null(strstr(next_status(o.s)->message, "Offer gone is no longer valid"));
}

static void test_accept_of_different_roles(void **state)
{
	struct world *w = *state;
	struct fagent *a = agent_join(w, "cpus(a):1;mem(a):100;cpus(b):1;mem(b):100", NULL, NULL);
	assert_non_null(agent_next(a, TO_AGENT(REGISTERED)));
	struct sched *s = sched_subscribe(
		w, PLAIN ",\"roles\":[\"a\",\"b\"],\"capabilities\":[{\"type\":\"MULTI_ROLE\"},{\"type\":\"RESERVATION_REFINEMENT\"}]",
		NULL);
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
	assert_int_equal(e->offers->n_offers, 2);
	accept_two(s, e->offers->offers[0]->id->value, e->offers->offers[1]->id->value, task_json(w, "x", a->id, 1, 10));
	assert_non_null(strstr(next_status(s)->message, "different roles"));
}

#define LABELS "{\"labels\":[{\"key\":\"tier\",\"value\":\"front\"}]}"
#define DISCOVERY \
	"{\"visibility\":\"EXTERNAL\",\"name\":\"web\",\"environment\":\"prod\",\"version\":\"7\"," \
	"\"ports\":{\"ports\":[{\"number\":80,\"name\":\"http\",\"protocol\":\"tcp\"}]},\"labels\":" LABELS "}"

/* What service discovery lives on goes through untouched, both ways. */
static void test_labels_and_discovery(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	mz_autofree char *task = xasprintf("{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"%s\"},\"command\":"
					   "{\"value\":\"x\"},\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}}],"
					   "\"labels\":" LABELS ",\"discovery\":" DISCOVERY "}", o.a->id);
	launch(&o, task, NULL);
	Mesos__V1__TaskInfo *t = agent_next(o.a, TO_AGENT(RUN_TASKS))->run_tasks->tasks[0];
	assert_string_equal(t->labels->labels[0]->value, "front");
	assert_string_equal(t->discovery->ports->ports[0]->name, "http");
	assert_string_equal(t->discovery->labels->labels[0]->key, "tier");
	static const char *const views[] = {"/tasks", "/state", "/frameworks"};
	for (size_t i = 0; i < MZ_N(views); i++) {
		const char *body = buf_str(&world_get(w, views[i])->body);
		assert_non_null(strstr(body, "\"labels\":[{\"key\":\"tier\",\"value\":\"front\"}]"));
		assert_non_null(strstr(body, "\"discovery\":" DISCOVERY));
	}
	Mesos__V1__TaskStatus s = MESOS__V1__TASK_STATUS__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	Mezzo__Link__StatusUpdate u = MEZZO__LINK__STATUS_UPDATE__INIT;
	Mezzo__Link__ToMaster msg = MEZZO__LINK__TO_MASTER__INIT;
	fid.value = o.s->id;
	id.value = (char *)"t";
	s.task_id = &id;
	s.state = ST(RUNNING);
	s.labels = t->labels;
	s.has_data = 1;
	s.data = (ProtobufCBinaryData){3, (uint8_t *)"\0\1\2"};
	u.framework_id = &fid;
	u.status = &s;
	msg.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_STATUS_UPDATE;
	msg.status_update = &u;
	fake_link_send(o.a->link, &msg.base);
	Mesos__V1__TaskStatus *got = next_status(o.s);
	assert_string_equal(got->labels->labels[0]->value, "front");
	assert_int_equal(got->data.len, 3);
	assert_memory_equal(got->data.data, "\0\1\2", 3);
}

/* An id is taken as long as its task may come back. */
static void test_ids_of_unreachable_tasks(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, AWARE);
	launch_one(&o, "t");
	world_pass(w, 100 * SECS); /* no pings are answered */
	assert_int_equal(next_status(o.s)->state, ST(UNREACHABLE));
	struct offered again = {.a = agent_join(w, RES, NULL, NULL), .s = o.s};
	assert_non_null(agent_next(again.a, TO_AGENT(REGISTERED)));
	again.offer = offer_in(w, o.s)->id->value;
	launch(&again, task_json(w, "t", again.a->id, 1, 10), NULL);
	Mesos__V1__TaskStatus *u = next_status(o.s);
	assert_int_equal(u->state, ST(ERROR));
	assert_non_null(strstr(u->message, "on an unreachable agent"));
}

static void test_accept_without_partition_awareness(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	o.offer = "gone";
	launch_one(&o, "a");
	assert_update(o.s, ST(LOST), RS(INVALID_OFFERS));
}

static void test_unsupported_operation(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	mz_autofree char *body = xasprintf(
		"\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":["
		"{\"type\":\"CREATE\",\"id\":{\"value\":\"op\"},\"create\":{}},"
		"{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[%s]}}]}",
		o.offer, task_json(w, "a", o.a->id, 1, 10));
	assert_int_equal(sched_call(o.s, "%s", body), 202);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(UPDATE_OPERATION_STATUS));
	assert_string_equal(e->update_operation_status->status->operation_id->value, "op");
	assert_int_equal(e->update_operation_status->status->state, MESOS__V1__OPERATION_STATE__OPERATION_ERROR);
	assert_non_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
}

static void test_leftovers_are_filtered(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	launch(&o, task_json(w, "a", o.a->id, 1, 10), ",\"filters\":{\"refuse_seconds\":20}");
	world_pass(w, 10 * SECS);
	assert_null(sched_event(o.s, EV(OFFERS)));
	world_pass(w, 15 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(OFFERS));
	assert_non_null(e);
}

static void test_empty_launch_declines(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	launch(&o, "", ",\"filters\":{\"refuse_seconds\":3600}");
	world_pass(w, 30 * SECS);
	assert_null(sched_event(o.s, EV(OFFERS)));
	assert_int_equal(sched_call(o.s, "\"type\":\"REVIVE\""), 202);
	world_pass(w, 2 * SECS);
	assert_non_null(sched_event(o.s, EV(OFFERS)));
}

static void test_decline_and_suppress(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	assert_int_equal(sched_call(o.s, "\"type\":\"SUPPRESS\",\"suppress\":{\"roles\":[\"wrong\"]}"), 202);
	assert_int_equal(sched_call(o.s,
				    "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"%s\"},{\"value\":\"x\"}],"
				    "\"filters\":{\"refuse_seconds\":0}}",
				    o.offer),
			 202);
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(OFFERS)); /* the wrong role suppressed nothing */
	assert_non_null(e);
	assert_int_equal(sched_call(o.s, "\"type\":\"SUPPRESS\""), 202);
	sched_call(o.s, "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"%s\"}],\"filters\":{\"refuse_seconds\":0}}",
		   e->offers->offers[0]->id->value);
	world_pass(w, 5 * SECS);
	assert_null(sched_event(o.s, EV(OFFERS)));
}

#define POD_EXECUTOR \
	"{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"pod\"},\"resources\":[" \
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0.1}}," \
	"{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":32}}," \
	"{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":10}}]}"

static void test_launch_group(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	struct master_counts n;
	const char *format = "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":["
			     "{\"type\":\"LAUNCH_GROUP\",\"launch_group\":{\"executor\":" POD_EXECUTOR
			     ",\"task_group\":{\"tasks\":[%s,%s]}}}],\"filters\":{\"refuse_seconds\":0}}";
	mz_autofree char *bad =
		xasprintf(format, o.offer, task_json(w, "a", o.a->id, 1, 10), task_json(w, "b", o.a->id, 50, 10));
	sched_call(o.s, "%s", bad);
	assert_update(o.s, ST(ERROR), RS(TASK_GROUP_INVALID));
	assert_update(o.s, ST(ERROR), RS(TASK_GROUP_INVALID));
	world_pass(w, 2 * SECS);
	o.offer = sched_event(o.s, EV(OFFERS))->offers->offers[0]->id->value;
	mz_autofree char *good =
		xasprintf(format, o.offer, task_json(w, "a", o.a->id, 1, 10), task_json(w, "b", o.a->id, 1, 10));
	sched_call(o.s, "%s", good);
	Mezzo__Link__ToAgent *m = agent_next(o.a, TO_AGENT(RUN_TASKS));
	assert_int_equal(m->run_tasks->n_tasks, 2);
	assert_string_equal(m->run_tasks->group_executor->executor_id->value, "pod");
	assert_true(m->run_tasks->launch_executor);
	master_counts(w->m, &n);
	assert_int_equal(n.tasks, 2);
	assert_int_equal(n.executors, 1);
	world_check(w);
}

static void test_authorizer(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, "\"user\":\"eve\",\"name\":\"n\"");
	launch_one(&o, "a");
	assert_update(o.s, ST(ERROR), RS(TASK_UNAUTHORIZED));
	struct sched *s = sched_subscribe(w, PLAIN ",\"role\":\"forbidden\"", NULL);
	assert_int_equal(sched_any(s)->type, EV(ERROR));
	assert_true(s->stream->closed);
	sched_subscribe(w, "\"user\":\"u\",\"name\":\"hidden\"", NULL);
	assert_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "hidden"));
}

/* ---- KILL and RECONCILE ---------------------------------------------------------------- */

static void test_kill(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, AWARE);
	launch_one(&o, "t");
	assert_int_equal(sched_call(o.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"no\"}}"),
			 202);
	assert_null(agent_next(o.a, TO_AGENT(KILL_TASK))); /* another agent: ignored */
	sched_call(o.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"t\"},\"kill_policy\":{\"grace_period\":{\"nanoseconds\":5}}}");
	Mezzo__Link__ToAgent *m = agent_next(o.a, TO_AGENT(KILL_TASK));
	assert_int_equal(m->kill_task->kill_policy->grace_period->nanoseconds, 5);
	sched_call(o.s, "\"type\":\"KILL\",\"kill\":{\"task_id\":{\"value\":\"nobody\"}}");
	assert_update(o.s, ST(UNKNOWN), RS(RECONCILIATION));
}

static void test_reconcile_table(void **state)
{
	struct world *w = *state;
	for (int aware = 0; aware < 2; aware++) {
		struct offered o = with_offer(w, aware ? AWARE : PLAIN);
		launch_one(&o, "t");
		agent_update(o.a, o.s->id, "t", ST(RUNNING), 1, -1);
		next_status(o.s);
		sched_call(o.s, "\"type\":\"RECONCILE\",\"reconcile\":{}");
		assert_update(o.s, ST(RUNNING), RS(RECONCILIATION));
		sched_call(o.s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":[{\"task_id\":{\"value\":\"t\"}},"
				"{\"task_id\":{\"value\":\"x\"},\"agent_id\":{\"value\":\"%s\"}},"
				"{\"task_id\":{\"value\":\"x\"},\"agent_id\":{\"value\":\"strange\"}},"
				"{\"task_id\":{\"value\":\"x\"}}]}",
			   o.a->id);
		assert_update(o.s, ST(RUNNING), RS(RECONCILIATION));
		assert_update(o.s, aware ? ST(GONE) : ST(LOST), RS(RECONCILIATION));
		assert_update(o.s, aware ? ST(UNKNOWN) : ST(LOST), RS(RECONCILIATION));
		assert_update(o.s, aware ? ST(UNKNOWN) : ST(LOST), RS(RECONCILIATION));
		/* nobody answers pings: 75 s later the agent is unreachable */
		world_pass(w, 100 * SECS);
		Mesos__V1__TaskStatus *u = next_status(o.s);
		assert_int_equal(u->state, aware ? ST(UNREACHABLE) : ST(LOST));
		assert_non_null(u->unreachable_time);
		sched_call(o.s, "\"type\":\"RECONCILE\",\"reconcile\":{\"tasks\":["
				"{\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"%s\"}}]}",
			   o.a->id);
		assert_update(o.s, aware ? ST(UNREACHABLE) : ST(LOST), RS(RECONCILIATION));
		sched_call(o.s, "\"type\":\"TEARDOWN\"");
	}
}

/* ---- failover and the end ------------------------------------------------------------------ */

static void test_failover(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN ",\"failover_timeout\":60");
	struct master_counts n;
	launch_one(&o, "t");
	struct sched *second = sched_subscribe(w, PLAIN ",\"failover_timeout\":60", o.s->id);
	assert_string_equal(second->id, o.s->id);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(ERROR));
	assert_string_equal(e->error->message, "Framework failed over");
	assert_true(o.s->stream->closed);
	assert_int_equal(sched_call(o.s, "\"type\":\"REVIVE\""), 400); /* the old stream id */
	assert_non_null(agent_next(o.a, TO_AGENT(UPDATE_FRAMEWORK)));
	fake_hang_up(second->stream);
	world_pass(w, 30 * SECS);
	master_counts(w->m, &n);
	assert_int_equal(n.frameworks, 1);
	assert_int_equal(n.tasks, 1);
	world_check(w);
	world_pass(w, 40 * SECS);
	master_counts(w->m, &n);
	assert_int_equal(n.frameworks, 0);
	assert_non_null(agent_next(o.a, TO_AGENT(SHUTDOWN_FRAMEWORK)));
	struct sched *late = sched_subscribe(w, PLAIN, o.s->id);
	e = sched_any(late);
	assert_int_equal(e->type, EV(ERROR));
	assert_string_equal(e->error->message, "Framework has been removed");
}

static double metric(struct world *w, const char *name)
{
	mz_autofree char *key = xasprintf("\"%s\":", name);
	const char *at = strstr(buf_str(&world_get(w, "/metrics/snapshot")->body), key);
	assert_non_null(at);
	return strtod(at + strlen(key), NULL);
}

static size_t count_in(const char *text, const char *what)
{
	size_t n = 0;
	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* A framework that the master knows from its records alone has its timeout, too; it
 * is counted from when agents have had their time to return. */
static void test_recovered_framework_ends(void **state)
{
	struct world *w = *state;
	struct master_counts n;
	w->cfg.agent_reregister_timeout_ns = 100 * SECS;
	world_restart(w);
	struct sched *brief = sched_subscribe(w, PLAIN, NULL);
	struct sched *patient = sched_subscribe(w, PLAIN ",\"failover_timeout\":200", NULL);
	mz_autofree char *brief_id = xstrdup(brief->id), *patient_id = xstrdup(patient->id);
	world_restart(w);
	world_pass(w, 90 * SECS);
	master_counts(w->m, &n);
	assert_int_equal(n.frameworks, 2);
	world_pass(w, 20 * SECS);
	master_counts(w->m, &n);
	assert_int_equal(n.frameworks, 1);
	Mesos__V1__Scheduler__Event *e = sched_any(sched_subscribe(w, PLAIN, brief_id));
	assert_string_equal(e->error->message, "Framework has been removed");
	world_pass(w, 100 * SECS);
	master_counts(w->m, &n);
	assert_int_equal(n.frameworks, 0);
	/* and what has ended stays ended for the next master */
	world_restart(w);
	e = sched_any(sched_subscribe(w, PLAIN, patient_id));
	assert_string_equal(e->error->message, "Framework has been removed");
}

static void test_histories_are_bounded(void **state)
{
	struct world *w = *state;
	w->cfg.max_unreachable_tasks = 2;
	w->cfg.max_completed_frameworks = 2;
	world_restart(w);
	struct offered o = with_offer(w, AWARE);
	for (int i = 0; i < 4; i++) { /* of them the world's master remembers 3 */
		char id[16];
		snprintf(id, sizeof(id), "c%d", i);
		launch(&o, task_json(w, id, o.a->id, 0.1, 10), ",\"filters\":{\"refuse_seconds\":0}");
		agent_update(o.a, o.s->id, id, ST(FINISHED), 0, -1);
		o.offer = offer_in(w, o.s)->id->value;
	}
	const char *tasks = buf_str(&world_get(w, "/tasks")->body);
	assert_null(strstr(tasks, "\"id\":\"c0\""));
	assert_int_equal(count_in(tasks, "\"state\":\"TASK_FINISHED\",\"resources"), 3);
	assert_non_null(strstr(tasks, "\"id\":\"c1\""));
	assert_non_null(strstr(tasks, "\"id\":\"c3\""));
	mz_autofree char *three = xasprintf("%s,%s,%s", task_json(w, "u0", o.a->id, 0.1, 10),
					    task_json(w, "u1", o.a->id, 0.1, 10), task_json(w, "u2", o.a->id, 0.1, 10));
	launch(&o, three, NULL);
	world_pass(w, 100 * SECS); /* no pings are answered */
	const char *frameworks = buf_str(&world_get(w, "/frameworks")->body);
	assert_null(strstr(frameworks, "\"u0\""));
	assert_non_null(strstr(frameworks, "\"u2\""));
	assert_true(metric(w, "master/tasks_unreachable") == 2);
	sched_call(o.s, "\"type\":\"TEARDOWN\"");
	assert_true(metric(w, "master/tasks_unreachable") == 0);
	for (int i = 0; i < 3; i++)
		sched_call(sched_subscribe(w, PLAIN, NULL), "\"type\":\"TEARDOWN\"");
	frameworks = buf_str(&world_get(w, "/frameworks")->body);
	assert_int_equal(count_in(frameworks, "\"unregistered_time\":0.0"), 0);
	assert_int_equal(count_in(frameworks, "\"unregistered_time\":"), 2);
	/* an id that is forgotten may come again */
	assert_int_equal(sched_any(sched_subscribe(w, AWARE, o.s->id))->type, EV(HEARTBEAT));
}

/* An executor that changes its mind for ever, at length, costs a bounded part. */
static void test_kept_statuses_are_bounded(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	launch_one(&o, "t");
	for (int i = 0; i < 40; i++)
		agent_update(o.a, o.s->id, "t", i % 2 ? ST(RUNNING) : ST(STARTING), 1 + i, -1);
	const char *tasks = buf_str(&world_get(w, "/tasks")->body);
	assert_int_equal(count_in(tasks, "\"timestamp\":"), 16);
	sched_call(o.s, "\"type\":\"RECONCILE\",\"reconcile\":{}");
	for (int i = 0; i < 40; i++)
		assert_non_null(next_status(o.s));
	assert_update(o.s, ST(RUNNING), RS(RECONCILIATION));
	agent_update(o.a, o.s->id, "t", ST(RUNNING), 50, -1); /* replaces the last one */
	tasks = buf_str(&world_get(w, "/tasks")->body);
	assert_int_equal(count_in(tasks, "\"timestamp\":"), 16);
	assert_int_equal(count_in(tasks, "\"state\":\"TASK_STARTING\",\"timestamp\""), 8);
}

static void test_no_failover_timeout(void **state)
{
	struct world *w = *state;
	struct master_counts n;
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	fake_hang_up(s->stream);
	world_settle(w);
	master_counts(w->m, &n);
	assert_int_equal(n.frameworks, 0);
}

static void test_slow_reader_is_cut(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN ",\"failover_timeout\":60");
	struct master_counts n;
	launch_one(&o, "t");
	o.s->stream->full = true;
	agent_update(o.a, o.s->id, "t", ST(RUNNING), 1, -1);
	agent_update(o.a, o.s->id, "t", ST(RUNNING), 1, -1);
	master_counts(w->m, &n);
	assert_int_equal(n.frameworks, 1);
	assert_int_equal(n.frameworks_connected, 0);
}

/* The records of two first subscriptions are under way at once. */
static void test_two_first_subscriptions(void **state)
{
	struct world *w = *state;
	struct master_counts n;
	w->disk.stuck = true;
	struct sched *first = sched_subscribe(w, PLAIN ",\"principal\":\"p\"", "x");
	struct sched *other = sched_subscribe(w, PLAIN ",\"principal\":\"q\"", "x");
	struct sched *user = sched_subscribe(w, "\"user\":\"v\",\"name\":\"n\",\"principal\":\"p\"", "x");
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_int_equal(sched_any(first)->type, EV(SUBSCRIBED));
	Mesos__V1__Scheduler__Event *e = sched_any(other);
	assert_int_equal(e->type, EV(ERROR));
	assert_string_equal(e->error->message, "The principal of a framework cannot change");
	assert_int_equal(sched_any(user)->type, EV(SUBSCRIBED)); /* the newest, with the first one's user */
	world_settle(w);
	world_restart(w);
	master_counts(w->m, &n);
	assert_int_equal(n.frameworks, 1);
	struct fake_call *c = world_get(w, "/frameworks");
	assert_non_null(strstr(buf_str(&c->body), "\"principal\":\"p\""));
	assert_non_null(strstr(buf_str(&c->body), "\"user\":\"u\""));
}

static void test_subscribed_after_durable(void **state)
{
	struct world *w = *state;
	w->disk.stuck = true;
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	assert_int_equal(s->stream->records.n, 0);
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_int_equal(sched_any(s)->type, EV(SUBSCRIBED));
}

static void test_update_framework(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, PLAIN);
	assert_int_equal(sched_call(o.s, "\"type\":\"UPDATE_FRAMEWORK\",\"update_framework\":{\"framework_info\":{"
					 "\"user\":\"other\",\"name\":\"n\",\"id\":{\"value\":\"%s\"}}}",
				    o.s->id),
			 400);
	assert_int_equal(sched_call(o.s, "\"type\":\"UPDATE_FRAMEWORK\",\"update_framework\":{\"framework_info\":{"
					 "\"user\":\"u\",\"name\":\"new\",\"role\":\"x\",\"id\":{\"value\":\"%s\"}}}",
				    o.s->id),
			 200);
	assert_string_equal(sched_event(o.s, EV(RESCIND))->rescind->offer_id->value, o.offer);
}

/* Each in both encodings. */
#define T(fn) \
	{#fn, fn, world_setup, world_teardown, NULL}, {#fn "/protobuf", fn, world_setup_protobuf, world_teardown, NULL}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_refusals), T(test_session_rules), T(test_subscribe_refused_by_content), T(test_first_events),
		T(test_offer_forms), T(test_life_of_a_task), T(test_accept_is_per_task),
		T(test_accept_of_unknown_offer), T(test_accept_of_several_offers), T(test_accept_of_different_roles),
		T(test_ids_of_unreachable_tasks), T(test_labels_and_discovery), T(test_accept_without_partition_awareness),
		T(test_unsupported_operation), T(test_leftovers_are_filtered), T(test_empty_launch_declines),
		T(test_decline_and_suppress), T(test_launch_group),
		cmocka_unit_test_setup_teardown(test_authorizer, world_setup_authorized, world_teardown),
		cmocka_unit_test_setup_teardown(test_life_of_a_task, world_setup_authorized, world_teardown),
		T(test_kill), T(test_reconcile_table), T(test_failover), T(test_no_failover_timeout), T(test_recovered_framework_ends), T(test_histories_are_bounded), T(test_kept_statuses_are_bounded),
		T(test_slow_reader_is_cut), T(test_subscribed_after_durable), T(test_two_first_subscriptions), T(test_update_framework),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
