/* master_constraints_test.c - offer constraints: what is refused, which agents
 * they let through, and the endpoint that says so.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/str.h"
#include "master/regex.h"
#include "master_world.h"

#define SECS NS_PER_SEC
#define INFO "\"user\":\"u\",\"name\":\"n\",\"roles\":[\"a\",\"b\"],\"capabilities\":[{\"type\":\"MULTI_ROLE\"}]"
#define ATTRIBUTE(name, predicate) \
	"{\"selector\":{\"attribute_name\":\"" name "\"},\"predicate\":{" predicate "}}"
#define PSEUDO(name, predicate) \
	"{\"selector\":{\"pseudoattribute_type\":\"" name "\"},\"predicate\":{" predicate "}}"
#define EXISTS "\"exists\":{}"
#define NOT_EXISTS "\"not_exists\":{}"
#define EQUALS(v) "\"text_equals\":{\"value\":\"" v "\"}"
#define NOT_EQUALS(v) "\"text_not_equals\":{\"value\":\"" v "\"}"
#define MATCHES(v) "\"text_matches\":{\"regex\":\"" v "\"}"
#define NOT_MATCHES(v) "\"text_not_matches\":{\"regex\":\"" v "\"}"
#define GROUP(c) "{\"attribute_constraints\":[" c "]}"

static char *constraints(struct world *w, const char *role, const char *groups)
{
	mz_autofree char *s = xasprintf(",\"offer_constraints\":{\"role_constraints\":{\"%s\":{\"groups\":[%s]}}}", role,
					groups);
	return arena_strdup(&w->arena, s);
}

/* ---- expressions --------------------------------------------------------------- */

static void expressions(void **state)
{
	(void)state;
	static const struct regex_limits limits = {.max_pattern = 20, .match_limit = 1000};
	static const struct {
		const char *pattern, *text;
		int want; /* of regex_match; -EINVAL: the pattern is refused */
	} rows[] = {
		{"abc", "abc", 1}, {"abc", "xabc", 0}, {"abc", "abcx", 0}, {"abc", "abc\n", 0}, {"", "", 1}, {"", "x", 0},
		{"a|ab", "ab", 1}, {"(a|ab)(c|bcd)", "abcd", 1}, {"rack-[0-9]+", "rack-12", 1}, {"rack-[0-9]+", "rack-", 0},
		{"^abc$", "abc", 1}, {".*b.*", "abc", 1}, {"(?i)ABC", "abc", 1}, {".", "\xc3\xa4", 1}, {".", "\xff", 0},
		{"(a+)+", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", -E2BIG}, {"(a*)*c", "aaaaaaaaaaaaaaaaaaaaaaaaaaaac-", -E2BIG},
		{"(", "", -EINVAL}, {"[a", "", -EINVAL}, {"a{2,1}", "", -EINVAL}, {"*", "", -EINVAL}, {"\xff", "", -EINVAL},
		{"\\C", "", -EINVAL}, {"(((((((((((((((((((", "", -EINVAL}, {"aaaaaaaaaaaaaaaaaaaaa", "", -E2BIG},
	};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct regex *r = NULL;
		struct mz_err err = {0};
		int rc = regex_new(rows[i].pattern, &limits, &r, &err);
		if (rc == 0)
			rc = regex_match(r, rows[i].text);
		/* The second time it comes from memory. */
		if (r && regex_match(r, rows[i].text) != rc)
			fail_msg("'%s' is forgetful", rows[i].pattern);
		regex_free(r);
		if (rc != rows[i].want)
			fail_msg("'%s' on '%s': %d %s", rows[i].pattern, rows[i].text, rc, err.msg);
	}
	/* Agents choose the texts. */
	char text[4098] = "";
	memset(text, 'a', sizeof(text) - 1);
	struct regex *r = NULL;
	assert_int_equal(regex_new("a*", &limits, &r, NULL), 0);
	assert_int_equal(regex_match(r, text), -E2BIG);
	text[4096] = '\0';
	assert_int_equal(regex_match(r, text), 1);
	regex_free(r);
}

/* ---- refusals ------------------------------------------------------------------ */

static void refusals(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *role, *groups, *error; /* NULL: taken */
	} rows[] = {
		{"a", GROUP(ATTRIBUTE("rack", EXISTS)), NULL},
		{"b", GROUP(ATTRIBUTE("rack", MATCHES("r[0-9]+"))), NULL},
		{"c", GROUP(ATTRIBUTE("rack", EXISTS)), "does not subscribe with"},
		{"a", "", "There are no groups"},
		{"a", "{\"attribute_constraints\":[]}", "A group is empty"},
		{"a", GROUP("{\"selector\":{},\"predicate\":{" EXISTS "}}"), "no selector"},
		{"a", GROUP(PSEUDO("UNKNOWN", EXISTS)), "no known pseudoattribute"},
		{"a", GROUP(ATTRIBUTE("rack", "")), "no predicate"},
		{"a", GROUP(ATTRIBUTE("rack", MATCHES("("))), "Regular expression '('"},
		{"a", GROUP(ATTRIBUTE("rack", NOT_MATCHES("[z-a]"))), "Regular expression '[z-a]'"},
		{"a", GROUP(ATTRIBUTE("rack", EXISTS)) "," GROUP(ATTRIBUTE("x", MATCHES("*"))), "Regular expression '*'"},
	};
	struct sched *known = sched_subscribe(w, INFO, NULL);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		const char *more = constraints(w, rows[i].role, rows[i].groups);
		struct sched *s = sched_subscribe_with(w, INFO, NULL, more);
		Mesos__V1__Scheduler__Event *e = sched_any(s);
		if (rows[i].error ? e->type != EV(ERROR) || !strstr(e->error->message, rows[i].error)
				  : e->type != EV(HEARTBEAT))
			fail_msg("row %zu, SUBSCRIBE: %s", i, e->error ? e->error->message : "");
		struct fake_call *c = sched_post(known, "\"type\":\"UPDATE_FRAMEWORK\",\"update_framework\":{\"framework_info\":{" INFO
						 ",\"id\":{\"value\":\"%s\"}}%s}", known->id, more);
		if (c->status != (rows[i].error ? 400 : 200) ||
		    (rows[i].error && !strstr(buf_str(&c->body), rows[i].error)))
			fail_msg("row %zu, UPDATE_FRAMEWORK: %d %s", i, c->status, buf_str(&c->body));
	}
}

static void too_many(void **state)
{
	struct world *w = *state;
	struct buf b = {0};
	for (int i = 0; i < 300; i++)
		buf_addf(&b, "%s{\"attribute_constraints\":[{\"selector\":{\"attribute_name\":\"x\"},"
			     "\"predicate\":{\"text_matches\":{\"regex\":\"r%d\"}}}]}", i ? "," : "", i % 250);
	struct sched *s = sched_subscribe_with(w, INFO, NULL, constraints(w, "a", buf_str(&b)));
	assert_int_equal(sched_any(s)->type, EV(HEARTBEAT)); /* equal patterns count once */
	for (int i = 0; i < 20; i++)
		buf_addf(&b, ",{\"attribute_constraints\":[{\"selector\":{\"attribute_name\":\"x\"},"
			     "\"predicate\":{\"text_matches\":{\"regex\":\"q%d\"}}}]}", i);
	s = sched_subscribe_with(w, INFO, NULL, constraints(w, "a", buf_str(&b)));
	assert_non_null(strstr(sched_any(s)->error->message, "too many or too large"));
	buf_clear(&b);
	for (int i = 0; i < 4097; i++)
		buf_addf(&b, "%s{\"attribute_constraints\":[{\"selector\":{\"attribute_name\":\"x\"},\"predicate\":{\"exists\":{}}}]}",
			 i ? "," : "");
	s = sched_subscribe_with(w, INFO, NULL, constraints(w, "a", buf_str(&b)));
	assert_non_null(strstr(sched_any(s)->error->message, "more than 4096 constraints"));
	buf_clear(&b);
	mz_autofree char *name = xcalloc((1 << 20) + 1, 1);
	memset(name, 'n', 1 << 20);
	buf_addf(&b, "{\"attribute_constraints\":[{\"selector\":{\"attribute_name\":\"%s\"},\"predicate\":{\"exists\":{}}}]}", name);
	s = sched_subscribe_with(w, INFO, NULL, constraints(w, "a", buf_str(&b)));
	assert_non_null(strstr(sched_any(s)->error->message, "larger than 1 MB"));
	buf_done(&b);
}

static void settings(void **state)
{
	struct world *w = *state;
	w->cfg.max_constraint_pattern = 3;
	world_restart(w);
	struct sched *s = sched_subscribe_with(w, INFO, NULL,
					       constraints(w, "a", GROUP(ATTRIBUTE("rack", MATCHES("abcd")))));
	assert_non_null(strstr(sched_any(s)->error->message, "longer than 3 bytes"));
}

/* ---- predicates ------------------------------------------------------------------ */

/* The agent: hostname "host", attributes rack:1-1;rack:2;speed:2.5, no domain. */
static const struct {
	const char *groups;
	bool offered;
} predicates[] = {
	{GROUP(ATTRIBUTE("rack", EXISTS)), true},
	{GROUP(ATTRIBUTE("nope", EXISTS)), false},
	{GROUP(ATTRIBUTE("rack", NOT_EXISTS)), false},
	{GROUP(ATTRIBUTE("nope", NOT_EXISTS)), true},
	{GROUP(ATTRIBUTE("rack", EQUALS("1-1"))), true},
	{GROUP(ATTRIBUTE("rack", EQUALS("2"))), false}, /* the first of a name counts */
	{GROUP(ATTRIBUTE("nope", EQUALS("1-1"))), false},
	{GROUP(ATTRIBUTE("speed", EQUALS("x"))), true}, /* not a text */
	{GROUP(ATTRIBUTE("rack", NOT_EQUALS("1-1"))), false},
	{GROUP(ATTRIBUTE("rack", NOT_EQUALS("2"))), true},
	{GROUP(ATTRIBUTE("nope", NOT_EQUALS("x"))), true},
	{GROUP(ATTRIBUTE("speed", NOT_EQUALS("2.5"))), true},
	{GROUP(ATTRIBUTE("rack", MATCHES("[0-9]-[0-9]"))), true},
	{GROUP(ATTRIBUTE("rack", MATCHES("[0-9]"))), false}, /* the whole text */
	{GROUP(ATTRIBUTE("nope", MATCHES(".*"))), false},
	{GROUP(ATTRIBUTE("speed", MATCHES("x"))), true},
	{GROUP(ATTRIBUTE("rack", NOT_MATCHES("[0-9]-[0-9]"))), false},
	{GROUP(ATTRIBUTE("rack", NOT_MATCHES("[0-9]"))), true},
	{GROUP(ATTRIBUTE("nope", NOT_MATCHES(".*"))), true},
	{GROUP(ATTRIBUTE("speed", NOT_MATCHES(".*"))), true},
	{GROUP(PSEUDO("HOSTNAME", EQUALS("host"))), true},
	{GROUP(PSEUDO("HOSTNAME", MATCHES("h.{2}t"))), true},
	{GROUP(PSEUDO("HOSTNAME", NOT_MATCHES("h.*"))), false},
	{GROUP(PSEUDO("REGION", EXISTS)), false},
	{GROUP(PSEUDO("ZONE", NOT_EXISTS)), true},
	{GROUP(PSEUDO("REGION", EQUALS("r"))), false},
	{GROUP(PSEUDO("ZONE", NOT_EQUALS("z"))), true},
	/* constraints of a group are and, groups are or */
	{GROUP(ATTRIBUTE("rack", EXISTS) "," ATTRIBUTE("nope", EXISTS)), false},
	{GROUP(ATTRIBUTE("rack", EXISTS) "," ATTRIBUTE("nope", NOT_EXISTS)), true},
	{GROUP(ATTRIBUTE("nope", EXISTS)) "," GROUP(ATTRIBUTE("rack", EXISTS)), true},
	{GROUP(ATTRIBUTE("nope", EXISTS)) "," GROUP(ATTRIBUTE("rack", NOT_EXISTS)), false},
	/* past the limit of one match: neither */
	{GROUP(ATTRIBUTE("long", MATCHES("(a+)+"))), false},
	{GROUP(ATTRIBUTE("long", NOT_MATCHES("(a+)+"))), false},
};

static void which_agents(void **state)
{
	struct world *w = *state;
	world_attributes = "rack:1-1;rack:2;speed:2.5;long:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
	agent_join(w, "cpus(a):4;mem(a):4096", NULL, NULL); /* role b, which has no constraints, gets none of it */
	for (size_t i = 0; i < MZ_N(predicates); i++) {
		struct sched *s = sched_subscribe_with(w, INFO ",\"failover_timeout\":1", NULL,
						       constraints(w, "a", predicates[i].groups));
		world_pass(w, SECS + SECS / 2); /* all rows: before the agent is missed */
		Mesos__V1__Scheduler__Event *e = sched_event(s, EV(OFFERS));
		if ((e != NULL) != predicates[i].offered)
			fail_msg("row %zu: %s", i, predicates[i].groups);
		sched_call(s, "\"type\":\"TEARDOWN\"");
	}
	struct master_counts n;
	master_counts(w->m, &n);
	assert_int_equal(n.agents, 1);
	assert_null(strstr(buf_str(&world_get(w, "/metrics/snapshot")->body),
			   "\"master/offer_constraints_limit_exceeded\":0.0"));
}

static void update_changes_them(void **state)
{
	struct world *w = *state;
	agent_join(w, "cpus(a):4;mem(a):4096", NULL, NULL);
	struct sched *s = sched_subscribe_with(w, INFO, NULL, constraints(w, "a", GROUP(ATTRIBUTE("rack", EQUALS("x")))));
	world_pass(w, 3 * SECS);
	assert_null(sched_event(s, EV(OFFERS)));
	assert_int_equal(sched_call(s, "\"type\":\"UPDATE_FRAMEWORK\",\"update_framework\":{\"framework_info\":{" INFO
				       ",\"id\":{\"value\":\"%s\"}}%s}", s->id,
				    constraints(w, "a", GROUP(ATTRIBUTE("rack", MATCHES("1-.*"))))),
			 200);
	world_pass(w, 3 * SECS);
	assert_non_null(sched_event(s, EV(OFFERS)));
	/* and none at all; the allocator has no handle to a set that is gone */
	assert_int_equal(sched_call(s, "\"type\":\"UPDATE_FRAMEWORK\",\"update_framework\":{\"framework_info\":{" INFO
				       ",\"id\":{\"value\":\"%s\"}}}", s->id),
			 200);
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"offer_constraints\":{}"));
}

static void debug_endpoint(void **state)
{
	struct world *w = *state;
	struct fagent *one = agent_join(w, "cpus:4;mem:4096", NULL, NULL);
	agent_next(one, MEZZO__LINK__TO_AGENT__MESSAGE_REGISTERED);
	world_attributes = "rack:2-2";
	struct fagent *two = agent_join(w, "cpus:4;mem:4096", NULL, NULL);
	agent_next(two, MEZZO__LINK__TO_AGENT__MESSAGE_REGISTERED);
	struct sched *s = sched_subscribe_with(w, INFO, NULL, constraints(w, "a", GROUP(ATTRIBUTE("rack", MATCHES("2.*")))));
	sched_subscribe(w, INFO, NULL); /* has none: not listed */
	mz_autofree char *want = xasprintf("{\"frameworks\":{\"%s\":{\"roles\":{\"a\":{\"agents_allowed\":[\"%s\"],"
					   "\"agents_filtered\":[\"%s\"]}}}}}", s->id, two->id, one->id);
	assert_string_equal(buf_str(&world_get(w, "/allocator/offer_constraints_debug")->body), want);
	assert_string_equal(buf_str(&world_get(w, "/allocator(1)/offer_constraints_debug")->body), want);
	assert_string_equal(buf_str(&world_get(w, "/allocator/offer_constraints_debug?framework_id=x")->body),
			    "{\"frameworks\":{}}");
	assert_non_null(strstr(buf_str(&world_get(w, "/frameworks")->body), "\"text_matches\":{\"regex\":\"2.*\"}"));
}

#define T(fn) \
	{#fn, fn, world_setup, world_teardown, NULL}, {#fn "/protobuf", fn, world_setup_protobuf, world_teardown, NULL}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expressions), T(refusals), T(too_many), T(settings), T(which_agents),
		T(update_changes_them), T(debug_endpoint),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
