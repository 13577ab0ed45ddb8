/* master_operation_test.c - operations on resources in an ACCEPT: a row for each
 * rule that depends on framework, agent or offers, in both encodings; what the
 * authorizer is asked; and what becomes of the offered resources. The rules of the
 * messages alone are in operation_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "master_world.h"
#include "model/resources.h"

#define SECS NS_PER_SEC
#define TO_AGENT(name) MEZZO__LINK__TO_AGENT__MESSAGE_##name
#define CAP(name) (1u << MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__##name)
#define ALL_CAPS                                                                              \
	(CAP(HIERARCHICAL_ROLE) | CAP(RESERVATION_REFINEMENT) | CAP(RESOURCE_PROVIDER) |      \
	 CAP(RESIZE_VOLUME) | CAP(AGENT_OPERATION_FEEDBACK))

/* ---- what is offered ------------------------------------------------------------------ */

#define RESERVED(role, principal) \
	",\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"" role "\",\"principal\":\"" principal "\"}]"
#define UNKNOWN_RESERVER(role) ",\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"" role "\"}]"
#define REFINED ",\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"r\",\"principal\":\"me\"}," \
		"{\"type\":\"DYNAMIC\",\"role\":\"r/s\",\"principal\":\"me\"}]"
#define SCALAR(name, value, more) "{\"name\":\"" name "\",\"type\":\"SCALAR\",\"scalar\":{\"value\":" value "}" more "}"
#define VOLUME_OF(principal, id, value, reserved)                                                                    \
	SCALAR("disk", value, ",\"disk\":{\"persistence\":{\"id\":\"" id "\"" principal "},\"volume\":{\"container_path\":" \
			      "\"p\",\"mode\":\"RW\"}}" reserved)
#define VOLUME(id, value, reserved) VOLUME_OF(",\"principal\":\"me\"", id, value, reserved)
#define MINE RESERVED("r", "me")
#define SHARED MINE ",\"shared\":{}"
#define RAW SCALAR("disk", "50", ",\"disk\":{\"source\":{\"type\":\"RAW\",\"profile\":\"fast\"}},\"provider_id\":{\"value\":\"x\"}")
#define BLOCK SCALAR("disk", "7", ",\"disk\":{\"source\":{\"type\":\"BLOCK\",\"id\":\"b\"}},\"provider_id\":{\"value\":\"x\"}")
#define RES                                                                                                           \
	"[" SCALAR("cpus", "8", "") "," SCALAR("mem", "1000", "") "," SCALAR("cpus", "2", MINE) ","                     \
	SCALAR("disk", "20", MINE) "," VOLUME("v", "5", MINE) "," VOLUME("s", "6", SHARED) "," RAW "," BLOCK "]"

#define FRAMEWORK(role, more, caps) "\"user\":\"u\",\"name\":\"n\"" more ",\"roles\":[\"" role "\"],\"capabilities\":[{\"type\":\"MULTI_ROLE\"}" caps "]"
#define ME ",\"principal\":\"me\""
#define REFINES ",{\"type\":\"RESERVATION_REFINEMENT\"}"
#define SHARES ",{\"type\":\"SHARED_RESOURCES\"}"
#define PLAIN FRAMEWORK("r", ME, REFINES SHARES)

/* ---- operations ------------------------------------------------------------------------ */

#define RESERVE(list) "\"type\":\"RESERVE\",\"reserve\":{\"resources\":[" list "]}"
#define UNRESERVE(list) "\"type\":\"UNRESERVE\",\"unreserve\":{\"resources\":[" list "]}"
#define CREATE(list) "\"type\":\"CREATE\",\"create\":{\"volumes\":[" list "]}"
#define DESTROY(list) "\"type\":\"DESTROY\",\"destroy\":{\"volumes\":[" list "]}"
#define GROW(volume, addition) "\"type\":\"GROW_VOLUME\",\"grow_volume\":{\"volume\":" volume ",\"addition\":" addition "}"
#define SHRINK(volume, subtract) \
	"\"type\":\"SHRINK_VOLUME\",\"shrink_volume\":{\"volume\":" volume ",\"subtract\":{\"value\":" subtract "}}"
#define CREATE_DISK(source, type) \
	"\"type\":\"CREATE_DISK\",\"create_disk\":{\"source\":" source ",\"target_type\":\"" type "\"}"
#define DESTROY_DISK(source) "\"type\":\"DESTROY_DISK\",\"destroy_disk\":{\"source\":" source "}"
#define CPUS(more) SCALAR("cpus", "2", more)
#define VALID "is valid, and not supported by this master"
#define ALLOCATED(role) ",\"allocation_info\":{\"role\":\"" role "\"}"

struct row {
	const char *op;
	const char *message; /* a part of it */
};

/* One of each that could be carried out. */
static const struct row valid[] = {
	{RESERVE(CPUS(MINE)), VALID},
	{UNRESERVE(CPUS(MINE)), VALID},
	{CREATE(VOLUME("new", "5", MINE)), VALID},
	{DESTROY(VOLUME("v", "5", MINE)), VALID},
	{GROW(VOLUME("v", "5", MINE), SCALAR("disk", "2", MINE)), VALID},
	{SHRINK(VOLUME("v", "5", MINE), "2"), VALID},
	{CREATE_DISK(RAW, "MOUNT"), VALID},
	{DESTROY_DISK(BLOCK), VALID},
};

static const struct row common[] = {
	/* the message itself */
	{RESERVE(CPUS("")), "RESERVE is not valid: 'cpus' is not dynamically reserved"},
	{UNRESERVE(CPUS("")), "UNRESERVE is not valid: 'cpus' is not dynamically reserved"},
	{CREATE(SCALAR("disk", "5", MINE)), "CREATE is not valid: 'disk' is not a persistent volume"},
	{DESTROY(SCALAR("disk", "5", MINE)), "DESTROY is not valid: 'disk' is not a persistent volume"},
	{GROW(VOLUME("v", "5", MINE), SCALAR("mem", "2", MINE)), "GROW_VOLUME is not valid: 'addition'"},
	{SHRINK(VOLUME("v", "5", MINE), "5"), "SHRINK_VOLUME is not valid: 'subtract'"},
	{CREATE_DISK(BLOCK, "MOUNT"), "CREATE_DISK is not valid: 'source' is not a RAW disk"},
	{DESTROY_DISK(SCALAR("disk", "5", MINE)), "DESTROY_DISK is not valid: 'source'"},
	/* allocation */
	{RESERVE(CPUS(MINE ALLOCATED("r"))), VALID},
	{RESERVE(CPUS(MINE ALLOCATED("q"))), "allocated to role 'q', the offer is for 'r'"},
	{DESTROY(VOLUME("v", "5", MINE ALLOCATED("q"))), "allocated to role 'q', the offer is for 'r'"},
	{GROW(VOLUME("v", "5", MINE), SCALAR("disk", "2", MINE ALLOCATED("q"))), "allocated to role 'q'"},
	/* RESERVE */
	{RESERVE(CPUS(",\"role\":\"r\",\"reservation\":{\"principal\":\"me\"}")), VALID},
	{"\"type\":\"RESERVE\",\"reserve\":{\"source\":[" CPUS("") "],\"resources\":[" CPUS(MINE) "]}", "'source' is for operators"},
	{RESERVE(CPUS(RESERVED("q", "me"))), "The reservation is for role 'q', the offer is for 'r'"},
	{RESERVE(CPUS(REFINED)), "The reservation is for role 'r/s', the offer is for 'r'"},
	{RESERVE(CPUS(UNKNOWN_RESERVER("r"))), "The reservation has no principal, the framework has 'me'"},
	{RESERVE(CPUS(RESERVED("r", "you"))), "The reservation has the principal 'you', the framework has 'me'"},
	{RESERVE(SCALAR("cpus", "9", MINE)), "uses more than is offered"},
	/* UNRESERVE: of whom they are is the authorizer's business */
	{UNRESERVE(SCALAR("cpus", "3", MINE)), "uses more than is offered"},
	{UNRESERVE(CPUS(RESERVED("r", "you"))), "uses more than is offered"},
	/* CREATE */
	{CREATE(VOLUME("new", "5", SHARED)), VALID},
	{CREATE(VOLUME("v", "9", MINE)), "Persistent volume 'v' exists on the agent"},
	{CREATE(VOLUME("s", "6", SHARED)), "Persistent volume 's' exists on the agent"},
	{CREATE(VOLUME_OF("", "new", "5", MINE)), "The volume has no principal, the framework has 'me'"},
	{CREATE(VOLUME_OF(",\"principal\":\"you\"", "new", "5", MINE)), "The volume has the principal 'you'"},
	{CREATE(VOLUME("new", "21", MINE)), "uses more than is offered"},
	{CREATE(VOLUME("new", "5", RESERVED("r", "you"))), "uses more than is offered"},
	/* DESTROY */
	{DESTROY(VOLUME("s", "6", SHARED)), VALID},
	{DESTROY(VOLUME("none", "5", MINE)), "Persistent volume 'none' does not exist on the agent"},
	{DESTROY(VOLUME("v", "4", MINE)), "Persistent volume 'v' does not exist on the agent"},
	/* resizing */
	{GROW(VOLUME("v", "5", MINE), SCALAR("disk", "21", MINE)), "uses more than is offered"},
	{SHRINK(VOLUME("none", "5", MINE), "2"), "uses more than is offered"},
	/* disks */
	{CREATE_DISK(RAW, "BLOCK"), VALID},
	{DESTROY_DISK(SCALAR("disk", "8", ",\"disk\":{\"source\":{\"type\":\"BLOCK\",\"id\":\"b\"}},\"provider_id\":{\"value\":\"x\"}")),
	 "uses more than is offered"},
};

/* ---- trying them ------------------------------------------------------------------------- */

struct offered {
	struct fagent *a;
	struct sched *s;
	const char *offer;
};

static const char *offer_of(struct sched *s, const char *agent)
{
	Mesos__V1__Scheduler__Event *e;
	while ((e = sched_event(s, EV(OFFERS))))
		for (size_t i = 0; i < e->offers->n_offers; i++)
			if (str_eq(e->offers->offers[i]->agent_id->value, agent))
				return e->offers->offers[i]->id->value;
	fail_msg("no offer of agent %s", agent);
	return NULL;
}

static struct offered with_offer(struct world *w, uint32_t capabilities, const char *framework)
{
	struct offered o = {0};
	world_capabilities = capabilities;
	o.a = agent_join(w, RES, NULL, NULL);
	assert_non_null(agent_next(o.a, TO_AGENT(REGISTERED)));
	o.s = sched_subscribe(w, framework, NULL);
	world_pass(w, 2 * SECS);
	o.offer = offer_of(o.s, o.a->id);
	return o;
}

static void add_operation(struct buf *b, size_t i, const char *op)
{
	buf_addf(b, "%s{\"id\":{\"value\":\"%zu\"},%s}", b->len ? "," : "", i, op);
}

static void accept_all(struct offered *o, struct buf *operations)
{
	int status = sched_call(o->s, "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],\"operations\":[%s],"
				"\"filters\":{\"refuse_seconds\":0}}", o->offer, buf_str(operations));
	assert_int_equal(status, 202);
	world_check(o->s->w);
}

static void expect(struct offered *o, size_t i, const char *message)
{
	mz_autofree char *id = xasprintf("%zu", i);
	Mesos__V1__Scheduler__Event *e = sched_event(o->s, EV(UPDATE_OPERATION_STATUS));
	if (!e)
		fail_msg("row %zu: no status", i);
	Mesos__V1__OperationStatus *s = e->update_operation_status->status;
	if (s->state != MESOS__V1__OPERATION_STATE__OPERATION_ERROR || !str_eq(s->operation_id->value, id) ||
	    !strstr(s->message, message))
		fail_msg("row %zu: operation %s is %d: %s", i, s->operation_id->value, s->state, s->message);
	assert_string_equal(s->agent_id->value, o->a->id);
	assert_null(s->uuid); /* nothing is to be acknowledged */
}

static void expect_rows(struct offered *o, const struct row *rows, size_t n)
{
	mz_autobuf struct buf b = {0};
	for (size_t i = 0; i < n; i++)
		add_operation(&b, i, rows[i].op);
	accept_all(o, &b);
	for (size_t i = 0; i < n; i++)
		expect(o, i, rows[i].message);
	assert_null(sched_event(o->s, EV(UPDATE_OPERATION_STATUS)));
}

static void try(struct world *w, uint32_t capabilities, const char *framework, const struct row *rows, size_t n)
{
	struct offered o = with_offer(w, capabilities, framework);
	expect_rows(&o, rows, n);
	sched_call(o.s, "\"type\":\"TEARDOWN\"");
}

static void operation_rules(void **state)
{
	try(*state, ALL_CAPS, PLAIN, valid, MZ_N(valid));
	try(*state, ALL_CAPS, PLAIN, common, MZ_N(common));
}

/* What some agents cannot do. */
static void agents_that_cannot(void **state)
{
	static const struct row hierarchical[] = {
		{RESERVE(CPUS(RESERVED("r/s", "me"))), "Role 'r/s' needs an agent with HIERARCHICAL_ROLE"},
		{CREATE(VOLUME("new", "5", REFINED)), "Role 'r/s' needs an agent with HIERARCHICAL_ROLE"},
	};
	static const struct row refinement[] = {
		{RESERVE(CPUS(RESERVED("r/s", "me"))), VALID},
		{RESERVE(CPUS(REFINED)), "needs an agent with RESERVATION_REFINEMENT"},
		{CREATE(VOLUME("new", "5", REFINED)), "needs an agent with RESERVATION_REFINEMENT"},
	};
	static const struct row resize[] = {
		{GROW(VOLUME("v", "5", MINE), SCALAR("disk", "2", MINE)), "needs an agent with RESIZE_VOLUME"},
		{SHRINK(VOLUME("v", "5", MINE), "2"), "needs an agent with RESIZE_VOLUME"},
	};
	static const struct row no_id[] = {
		{RESERVE(CPUS(MINE)), "with an id needs an agent with RESOURCE_PROVIDER"},
		{CREATE_DISK(RAW, "MOUNT"), "with an id needs an agent with RESOURCE_PROVIDER"},
	};
	static const struct row feedback[] = {
		{RESERVE(CPUS(MINE)), "needs an agent with AGENT_OPERATION_FEEDBACK"},
		{DESTROY(VOLUME("v", "5", MINE)), "needs an agent with AGENT_OPERATION_FEEDBACK"},
		{CREATE_DISK(RAW, "MOUNT"), VALID}, /* the provider tells */
	};
	const char *below = FRAMEWORK("r/s", ME, REFINES SHARES);
	try(*state, ALL_CAPS & ~CAP(HIERARCHICAL_ROLE), below, hierarchical, MZ_N(hierarchical));
	try(*state, ALL_CAPS & ~CAP(RESERVATION_REFINEMENT), below, refinement, MZ_N(refinement));
	try(*state, ALL_CAPS & ~CAP(RESIZE_VOLUME), PLAIN, resize, MZ_N(resize));
	try(*state, ALL_CAPS & ~CAP(RESOURCE_PROVIDER), PLAIN, no_id, MZ_N(no_id));
	try(*state, ALL_CAPS & ~CAP(AGENT_OPERATION_FEEDBACK), PLAIN, feedback, MZ_N(feedback));
}

/* What some frameworks have not said that they can do. */
static void frameworks_that_cannot(void **state)
{
	static const struct row refinement[] = {
		{RESERVE(CPUS(RESERVED("r/s", "me"))), VALID},
		{RESERVE(CPUS(REFINED)), "needs a framework with RESERVATION_REFINEMENT"},
		{CREATE(VOLUME("new", "5", REFINED)), "needs a framework with RESERVATION_REFINEMENT"},
	};
	static const struct row refines[] = {
		{RESERVE(CPUS(REFINED)), VALID},
		{UNRESERVE(CPUS(MINE)), VALID}, /* of a role above */
		{CREATE(VOLUME("new", "5", REFINED)), "uses more than is offered"},
	};
	static const struct row shared[] = {
		{CREATE(VOLUME("new", "5", SHARED)), "A shared volume needs a framework with SHARED_RESOURCES"},
		{DESTROY(VOLUME("s", "6", SHARED)), "uses more than is offered"}, /* nor is it offered to them */
	};
	static const struct row anonymous[] = {
		{RESERVE(CPUS(UNKNOWN_RESERVER("r"))), VALID},
		{RESERVE(CPUS(RESERVED("r", "you"))), VALID},
		{CREATE(VOLUME_OF("", "new", "5", MINE)), VALID},
		{CREATE(VOLUME_OF(",\"principal\":\"you\"", "new", "5", MINE)), VALID},
	};
	static const struct row unreservable[] = {
		{RESERVE(CPUS(MINE)), "The reservation is for role 'r', the offer is for '*'"},
		{RESERVE(CPUS(RESERVED("*", "me"))), "Nothing can be reserved for role '*'"},
	};
	try(*state, ALL_CAPS, FRAMEWORK("r/s", ME, SHARES), refinement, MZ_N(refinement));
	try(*state, ALL_CAPS, FRAMEWORK("r/s", ME, REFINES), refines, MZ_N(refines));
	try(*state, ALL_CAPS, FRAMEWORK("r", ME, REFINES), shared, MZ_N(shared));
	try(*state, ALL_CAPS, FRAMEWORK("r", "", REFINES), anonymous, MZ_N(anonymous));
	try(*state, ALL_CAPS, FRAMEWORK("*", ME, REFINES), unreservable, MZ_N(unreservable));
}

/* ---- what they are applied to --------------------------------------------------------------- */

#define LAUNCH_WITH(id, agent, resources)                                                          \
	"{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[{\"name\":\"t\",\"task_id\":{\"value\":\"" id "\"}," \
	"\"agent_id\":{\"value\":\"%s\"},\"command\":{\"value\":\"x\"},\"resources\":[" resources "]}]}}", agent

/* On what is left by those before, in order; nothing is taken by what is refused. */
static void operations_in_order(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, ALL_CAPS, PLAIN);
	mz_autobuf struct buf b = {0};
	add_operation(&b, 0, RESERVE(SCALAR("disk", "5", MINE)));
	add_operation(&b, 1, RESERVE(SCALAR("mem", "1000", MINE)));
	add_operation(&b, 2, RESERVE(SCALAR("mem", "1000", MINE)));
	add_operation(&b, 3, UNRESERVE(SCALAR("mem", "1000", MINE))); /* was not reserved */
	buf_addf(&b, "," LAUNCH_WITH("t", o.a->id, SCALAR("mem", "1", "") "," VOLUME("v", "5", MINE) "," VOLUME("s", "6", SHARED)));
	add_operation(&b, 4, RESERVE(SCALAR("mem", "1000", MINE)));
	add_operation(&b, 5, RESERVE(SCALAR("mem", "999", MINE)));
	add_operation(&b, 6, DESTROY(VOLUME("v", "5", MINE)));
	add_operation(&b, 7, DESTROY(VOLUME("s", "6", SHARED)));
	accept_all(&o, &b);
	expect(&o, 0, "uses more than is offered: disk:5, offered cpus:8");
	expect(&o, 1, VALID);
	expect(&o, 2, VALID);
	expect(&o, 3, "uses more than is offered");
	expect(&o, 4, "uses more than is offered");
	expect(&o, 5, VALID);
	expect(&o, 6, "Persistent volume 'v' is in use");
	expect(&o, 7, "Persistent volume 's' is in use");
	assert_non_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
}

/* Nobody waits for an answer: it is counted, and all is offered again. */
static void operations_without_id(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, 0, PLAIN);
	mz_autobuf struct buf b = {0}, before = {0}, after = {0};
	for (size_t i = 0; i < MZ_N(valid); i++)
		buf_addf(&b, "%s{%s}", i ? "," : "", valid[i].op);
	buf_adds(&b, ",{" RESERVE(CPUS("")) "}");
	accept_all(&o, &b);
	const char *metrics = buf_str(&world_get(w, "/metrics/snapshot")->body);
	assert_non_null(strstr(metrics, "\"master/operations/error\":9.0"));
	assert_non_null(strstr(metrics, "\"master/operations/reserve/error\":2.0"));
	assert_non_null(strstr(metrics, "\"master/operations/destroy_disk/error\":1.0"));
	assert_null(sched_event(o.s, EV(UPDATE_OPERATION_STATUS)));
	world_pass(w, 2 * SECS);
	o.s->stream->n_seen = 0; /* both offers, one after the other */
	for (int i = 0; i < 2; i++) {
		Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(OFFERS));
		assert_non_null(e);
		resources *r = res_new();
		struct mz_err err;
		assert_int_equal(res_from_pb(e->offers->offers[0]->resources, e->offers->offers[0]->n_resources, r, &err), 0);
		res_format_text(r, i ? &after : &before);
		res_free(r);
	}
	assert_string_equal(buf_str(&before), buf_str(&after));
}

static void operations_on_invalid_offers(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, ALL_CAPS, PLAIN);
	mz_autobuf struct buf b = {0};
	add_operation(&b, 0, valid[0].op);
	assert_int_equal(sched_call(o.s, "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"},{\"value\":\"x\"}],"
					 "\"operations\":[%s]}", o.offer, buf_str(&b)), 202);
	expect(&o, 0, "Offers are not valid: Offer x is no longer valid");
}

/* Takes offers of a volume alone. */
#define CONTENT \
	PLAIN ",\"offer_filters\":{\"r\":{\"min_allocatable_resources\":{\"quantities\":[{\"quantities\":{\"disk\":{\"value\":1}}}]}}}"

/* A volume alone is offered again with each round. */
static void keep_one_offer(struct sched *s)
{
	Mesos__V1__Scheduler__Event *e;
	assert_int_equal(sched_call(s, "\"type\":\"SUPPRESS\""), 202);
	while ((e = sched_event(s, EV(OFFERS))))
		for (size_t i = 0; i < e->offers->n_offers; i++)
			sched_call(s, "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"%s\"}]}",
				   e->offers->offers[i]->id->value);
}

static const char *only_offer(struct sched *s, const char *agent)
{
	sched_call(s, "\"type\":\"REVIVE\"");
	world_pass(s->w, 2 * SECS);
	const char *id = offer_of(s, agent);
	keep_one_offer(s);
	return id;
}

/* A shared volume can be in several offers; only who has it alone may destroy it. */
static void shared_with_another(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, ALL_CAPS, CONTENT), other = o;
	keep_one_offer(o.s);
	other.s = sched_subscribe(w, CONTENT, NULL);
	other.offer = only_offer(other.s, o.a->id);
	mz_autobuf struct buf b = {0}, launch = {0};
	add_operation(&b, 0, DESTROY(VOLUME("s", "6", SHARED)));
	accept_all(&o, &b);
	expect(&o, 0, "Persistent volume 's' is in another offer");
	/* The other's task waits for the authorizer: so does the volume. */
	o.offer = only_offer(o.s, o.a->id);
	world_hold_authorizer(w, true);
	buf_addf(&launch, LAUNCH_WITH("t", o.a->id, VOLUME("s", "6", SHARED)));
	accept_all(&other, &launch);
	accept_all(&o, &b);
	expect(&o, 0, "Persistent volume 's' is in another offer");
	world_hold_authorizer(w, false);
	world_settle(w);
	assert_non_null(agent_next(o.a, TO_AGENT(RUN_TASKS)));
	o.offer = only_offer(o.s, o.a->id);
	accept_all(&o, &b);
	expect(&o, 0, "Persistent volume 's' is in use");
	agent_update(o.a, other.s->id, "t", MESOS__V1__TASK_STATE__TASK_FINISHED, 1, -1);
	o.offer = only_offer(o.s, o.a->id);
	accept_all(&o, &b);
	expect(&o, 0, VALID);
}

/* ---- the authorizer ---------------------------------------------------------------------------- */

static void operations_are_authorized(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *op;
		int action;
		const char *value;
	} rows[] = {
		{RESERVE(CPUS(MINE)), MZ_ACTION_RESERVE_RESOURCES, "r"},
		{UNRESERVE(CPUS(RESERVED("r", "you"))), MZ_ACTION_UNRESERVE_RESOURCES, "you"},
		{UNRESERVE(CPUS(UNKNOWN_RESERVER("r"))), MZ_ACTION_UNRESERVE_RESOURCES, ""},
		{CREATE(VOLUME("new", "5", MINE)), MZ_ACTION_CREATE_VOLUME, "r"},
		{DESTROY(VOLUME_OF(",\"principal\":\"you\"", "v", "5", MINE)), MZ_ACTION_DESTROY_VOLUME, "you"},
		{GROW(VOLUME("v", "5", MINE), SCALAR("disk", "2", MINE)), MZ_ACTION_RESIZE_VOLUME, "r"},
		{SHRINK(VOLUME("v", "5", MINE), "2"), MZ_ACTION_RESIZE_VOLUME, "r"},
		{CREATE_DISK(RAW, "MOUNT"), MZ_ACTION_CREATE_MOUNT_DISK, "*"},
		{CREATE_DISK(RAW, "BLOCK"), MZ_ACTION_CREATE_BLOCK_DISK, "*"},
		{DESTROY_DISK(BLOCK), MZ_ACTION_DESTROY_BLOCK_DISK, "*"},
		{DESTROY_DISK(SCALAR("disk", "7", ",\"disk\":{\"source\":{\"type\":\"MOUNT\",\"id\":\"b\"}},\"provider_id\":{"
						  "\"value\":\"x\"}" MINE)),
		 MZ_ACTION_DESTROY_MOUNT_DISK, "r"},
		{DESTROY_DISK(SCALAR("disk", "7", ",\"disk\":{\"source\":{\"type\":\"RAW\",\"id\":\"b\"}},\"provider_id\":{"
						  "\"value\":\"x\"}")),
		 MZ_ACTION_DESTROY_RAW_DISK, "*"},
		{RESERVE(CPUS("")), 0, NULL}, /* not asked about what is wrong anyway */
	};
	struct offered o = with_offer(w, ALL_CAPS, PLAIN);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		for (int denied = 0; denied < 2; denied++) {
			mz_autobuf struct buf b = {0};
			world_denied_action = denied ? rows[i].action : 0;
			world_asked = 0;
			add_operation(&b, i, rows[i].op);
			accept_all(&o, &b);
			if (world_asked != rows[i].action || (rows[i].value && !str_eq(world_asked_value, rows[i].value)))
				fail_msg("row %zu: asked %d '%s'", i, world_asked, world_asked_value);
			expect(&o, i, denied && rows[i].action ? "Not allowed" : "");
			world_pass(w, 2 * SECS);
			o.offer = offer_of(o.s, o.a->id);
		}
	}
	mz_autobuf struct buf b = {0}; /* one that is denied costs itself alone */
	world_denied_action = MZ_ACTION_CREATE_VOLUME;
	add_operation(&b, 0, valid[2].op);
	add_operation(&b, 1, valid[0].op);
	accept_all(&o, &b);
	expect(&o, 0, "Not allowed");
	expect(&o, 1, VALID);
}

/* The framework gives up the role while the authorizer thinks. */
static void role_is_gone_meanwhile(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w, ALL_CAPS, PLAIN);
	mz_autobuf struct buf b = {0};
	world_hold_authorizer(w, true);
	buf_addf(&b, LAUNCH_WITH("t", o.a->id, SCALAR("mem", "1", "")));
	add_operation(&b, 0, valid[0].op);
	accept_all(&o, &b);
	assert_null(sched_event(o.s, EV(UPDATE_OPERATION_STATUS)));
	assert_int_equal(sched_call(o.s, "\"type\":\"UPDATE_FRAMEWORK\",\"update_framework\":{\"framework_info\":{"
				    FRAMEWORK("q", ME, REFINES SHARES) ",\"id\":{\"value\":\"%s\"}}}", o.s->id), 200);
	world_hold_authorizer(w, false);
	world_settle(w);
	expect(&o, 0, "The framework has no role 'r'");
}

#define T(fn) \
	{#fn, fn, world_setup, world_teardown, NULL}, {#fn "/protobuf", fn, world_setup_protobuf, world_teardown, NULL}
#define AUTHORIZED(fn) {#fn, fn, world_setup_authorized, world_teardown, NULL}

int main(void)
{
	const struct CMUnitTest all[] = {
		T(operation_rules),
		T(agents_that_cannot),
		T(frameworks_that_cannot),
		T(operations_in_order),
		T(operations_without_id),
		T(operations_on_invalid_offers),
		AUTHORIZED(shared_with_another),
		AUTHORIZED(operations_are_authorized),
		AUTHORIZED(role_is_gone_meanwhile),
	};
	return cmocka_run_group_tests(all, NULL, NULL);
}
