/* master_scheduler_test.c - the scheduler API: refusals, sessions, failover, and the
 * records of frameworks. What becomes of offers is in master_accept_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_offered.h"

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
	struct fake_call *c = world_http(w, "POST", "/master/api/v1/scheduler", "Content-Type: application/json", body);
	assert_int_equal(c->status, 400);
	assert_non_null(strstr(buf_str(&c->body), "need the header 'Mesos-Stream-Id'"));
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

/* Rules of a call by itself, on the stream where it belongs. */
static void test_malformed_calls(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *type, *more, *why;
	} rows[] = {
		{"SUBSCRIBE", "", "Expecting 'subscribe' to be present"},
		{"ACCEPT", "", "Expecting 'accept' to be present"},
		{"DECLINE", "", "Expecting 'decline' to be present"},
		{"ACCEPT_INVERSE_OFFERS", "", "Expecting 'accept_inverse_offers' to be present"},
		{"DECLINE_INVERSE_OFFERS", "", "Expecting 'decline_inverse_offers' to be present"},
		{"KILL", "", "Expecting 'kill' to be present"},
		{"SHUTDOWN", "", "Expecting 'shutdown' to be present"},
		{"ACKNOWLEDGE", "", "Expecting 'acknowledge' to be present"},
		{"ACKNOWLEDGE_OPERATION_STATUS", "", "Expecting 'acknowledge_operation_status' to be present"},
		{"RECONCILE", "", "Expecting 'reconcile' to be present"},
		{"RECONCILE_OPERATIONS", "", "Expecting 'reconcile_operations' to be present"},
		{"MESSAGE", "", "Expecting 'message' to be present"},
		{"REQUEST", "", "Expecting 'request' to be present"},
		{"UPDATE_FRAMEWORK", "", "Expecting 'update_framework' to be present"},
		{"ACKNOWLEDGE", ",\"acknowledge\":{\"agent_id\":{\"value\":\"a\"},\"task_id\":{\"value\":\"t\"},\"uuid\":\"YQ==\"}",
		 "'acknowledge.uuid' is not a UUID of 16 bytes"},
		{"ACKNOWLEDGE_OPERATION_STATUS",
		 ",\"acknowledge_operation_status\":{\"agent_id\":{\"value\":\"a\"},\"operation_id\":{\"value\":\"o\"},\"uuid\":\"YQ==\"}",
		 "'acknowledge_operation_status.uuid' is not a UUID of 16 bytes"},
	};
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct fake_call *c = sched_post(s, "\"type\":\"%s\"%s", rows[i].type, rows[i].more);
		if (c->status != 400 || !strstr(buf_str(&c->body), rows[i].why))
			fail_msg("row %zu: %d %s", i, c->status, buf_str(&c->body));
	}
	assert_int_equal(sched_call(s, "\"type\":\"REVIVE\""), 202); /* nothing has become of it */
}

/* A framework is its principal's. */
static void test_principals(void **state)
{
	struct world *w = *state;
	fake_principal = "p";
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"principal\":\"p\""));
	assert_int_equal(sched_call(s, "\"type\":\"REVIVE\""), 202);
	fake_principal = "q";
	struct fake_call *c = sched_post(s, "\"type\":\"REVIVE\"");
	assert_int_equal(c->status, 400);
	assert_non_null(strstr(buf_str(&c->body), "'q' is not the framework's"));
	Mesos__V1__Scheduler__Event *e = sched_any(sched_subscribe(w, PLAIN, s->id));
	assert_string_equal(e->error->message, "The principal of a framework cannot change");
	c = world_post_call(w, "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{" PLAIN ",\"principal\":\"p\"}}}", NULL);
	assert_int_equal(c->status, 400);
	assert_non_null(strstr(buf_str(&c->body), "'q' differs from 'framework_info.principal' 'p'"));
}

/* What the settings of the master forbid. */
static void test_refused_by_settings(void **state)
{
	struct world *w = *state;
	static const char *const roles[] = {"*", "a", NULL};
	w->cfg.refuse_root = true;
	w->cfg.roles = roles;
	world_restart(w);
	struct sched *s = sched_subscribe(w, "\"user\":\"root\",\"name\":\"n\"", NULL);
	assert_string_equal(sched_any(s)->error->message, "User 'root' is not allowed to run frameworks");
	s = sched_subscribe(w, PLAIN ",\"role\":\"b\"", NULL);
	assert_string_equal(sched_any(s)->error->message, "Role 'b' is not among the roles of the master");
	assert_int_equal(sched_any(sched_subscribe(w, PLAIN ",\"role\":\"a\"", NULL))->type, EV(HEARTBEAT));
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
	const char *ended = buf_str(&world_http(w, "POST", "/api/v1", "Content-Type: application/json\nAccept: application/json",
						"{\"type\":\"GET_TASKS\"}")->body);
	assert_non_null(strstr(ended, "\"state\":\"TASK_KILLED\""));
	assert_non_null(strstr(ended, "\"reason\":\"REASON_FRAMEWORK_REMOVED\""));
	struct sched *late = sched_subscribe(w, PLAIN, o.s->id);
	e = sched_any(late);
	assert_int_equal(e->type, EV(ERROR));
	assert_string_equal(e->error->message, "Framework has been removed");
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

/* UPDATE_FRAMEWORK and the SUBSCRIBE of a failover, written at the same time: what the
 * newest says counts, and is on record. */
static void test_subscribe_beside_update(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, PLAIN ",\"failover_timeout\":60", NULL);
	w->disk.stuck = true;
	sched_call(s, "\"type\":\"UPDATE_FRAMEWORK\",\"update_framework\":{\"framework_info\":{" PLAIN
		      ",\"failover_timeout\":70,\"id\":{\"value\":\"%s\"}}}", s->id);
	struct sched *second = sched_subscribe(w, PLAIN ",\"failover_timeout\":60", s->id);
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_int_equal(sched_any(second)->type, EV(SUBSCRIBED));
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"failover_timeout\":60.0"));
	world_restart(w);
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"failover_timeout\":60.0"));
}

/* The scheduler of a failover leaves as its record is written. */
static void test_subscriber_leaves_meanwhile(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, PLAIN ",\"failover_timeout\":60", NULL);
	mz_autofree char *id = xstrdup(s->id);
	w->disk.stuck = true;
	struct sched *second = sched_subscribe(w, PLAIN ",\"failover_timeout\":70", id);
	fake_hang_up(second->stream);
	world_settle(w);
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	/* what is shown is what the next master will know */
	assert_int_equal(sched_call(s, "\"type\":\"REVIVE\""), 202);
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"failover_timeout\":70.0"));
	world_restart(w);
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"failover_timeout\":70.0"));
}

/* The same, and the framework ends before the record is there: it stays ended. */
static void test_framework_ends_meanwhile(void **state)
{
	struct world *w = *state;
	struct sched *s = sched_subscribe(w, PLAIN, NULL);
	mz_autofree char *id = xstrdup(s->id);
	w->disk.stuck = true;
	struct sched *second = sched_subscribe(w, PLAIN ",\"hostname\":\"h\"", id);
	fake_hang_up(second->stream);
	fake_hang_up(s->stream);
	world_pass(w, SECS);
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	Mesos__V1__Scheduler__Event *e = sched_any(sched_subscribe(w, PLAIN, id));
	assert_string_equal(e->error->message, "Framework has been removed");
	world_restart(w);
	e = sched_any(sched_subscribe(w, PLAIN, id));
	assert_int_equal(e->type, EV(ERROR));
	assert_string_equal(e->error->message, "Framework has been removed");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_refusals), BOTH(test_session_rules), BOTH(test_malformed_calls), BOTH(test_principals),
		BOTH(test_refused_by_settings), BOTH(test_subscribe_refused_by_content),
		BOTH(test_first_events), BOTH(test_failover), BOTH(test_recovered_framework_ends),
		BOTH(test_no_failover_timeout), BOTH(test_two_first_subscriptions),
		BOTH(test_subscribed_after_durable), BOTH(test_subscribe_beside_update),
		BOTH(test_subscriber_leaves_meanwhile), BOTH(test_framework_ends_meanwhile), BOTH(test_update_framework),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
