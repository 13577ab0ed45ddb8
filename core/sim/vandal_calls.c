/* vandal_calls.c - what a vandal says: calls that would be good ones if their ids
 * belonged where they are used, most of them with something changed on top. See
 * vandal.h.
 *
 * Each is looked at as the master will see it before it goes out: what it would
 * launch is told to the checker, and what could rightfully hurt somebody else is not
 * said (there is no authentication here: who uses another's framework id to
 * subscribe takes that framework over, as he should).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/vandal_impl.h"

/* An abandoned framework of it is gone after that. */
#define MAX_FAILOVER_SECS 30

/* ---- hearsay ------------------------------------------------------------------------ */

static const struct vandal_offer *any_offer(struct sim_vandal *v)
{
	size_t n = MZ_MIN(v->n_offers, MZ_N(v->offers));
	return n ? &v->offers[sim_below(v->sim, n)] : NULL;
}

/* An id of that kind: its own, somebody's, or nobody's. */
static const char *any_id(struct sim_vandal *v, enum gossip_kind k, char room[64])
{
	const struct vandal_offer *o = any_offer(v);
	uint64_t how = sim_below(v->sim, 10);
	const char *id = NULL;
	if (how < 6 && k == GOSSIP_OFFER && o)
		id = o->id;
	else if (how < 6 && k == GOSSIP_AGENT && o)
		id = o->agent_id;
	else if (how < 6 && k == GOSSIP_FRAMEWORK)
		id = v->id;
	else if (how < 9 || k == GOSSIP_AGENT || k == GOSSIP_OFFER)
		id = gossip_any(v->gossip, k);
	if (id)
		return id;
	snprintf(room, 64, "v%u-%zu", v->number, (size_t)sim_below(v->sim, v->n_tasks + 1));
	return room;
}

static void add_id(struct sim_vandal *v, struct buf *b, const char *key, enum gossip_kind k)
{
	char room[64];
	buf_addf(b, "\"%s\":{\"value\":", key);
	json_add_string(b, any_id(v, k, room));
	buf_addc(b, '}');
}

/* ---- calls as they should be ----------------------------------------------------------- */

static void add_resources(struct buf *b, const char *role, const char *cpus)
{
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"cpus", "mem", "disk"};
		buf_addf(b, "%s{\"name\":\"%s\",\"type\":\"SCALAR\",\"scalar\":{\"value\":%s}", i ? "," : "", names[i],
			 i == 0 ? cpus : "32");
		if (role)
			buf_addf(b, ",\"allocation_info\":{\"role\":\"%s\"}", role);
		buf_addc(b, '}');
	}
}

static void add_task(struct sim_vandal *v, struct buf *b, const struct vandal_offer *o, bool group)
{
	buf_adds(b, "{\"name\":\"v\",\"task_id\":{\"value\":\"");
	if (sim_chance(v->sim, 150) && v->n_tasks)
		buf_addf(b, "v%u-%zu", v->number, (size_t)sim_below(v->sim, v->n_tasks));
	else
		buf_addf(b, "v%u-%zu", v->number, v->n_tasks++);
	buf_addf(b, "\"},\"agent_id\":{\"value\":\"%s\"},\"resources\":[", o->agent_id);
	add_resources(b, o->role, "0.1");
	buf_adds(b, "],\"labels\":{\"labels\":[{\"key\":\"a\",\"value\":\"b\"}]},"
		    "\"kill_policy\":{\"grace_period\":{\"nanoseconds\":1000}},"
		    "\"health_check\":{\"type\":\"COMMAND\",\"command\":{\"value\":\"true\"}}");
	if (group || sim_chance(v->sim, 600)) {
		buf_adds(b, ",\"command\":{\"value\":\"sleep 1\",\"uris\":[{\"value\":\"http://10.9.9.9/x\"}],"
			    "\"environment\":{\"variables\":[{\"name\":\"A\",\"value\":\"b\"}]}}}");
		return;
	}
	buf_adds(b, ",\"executor\":{\"type\":\"CUSTOM\",\"executor_id\":{\"value\":\"ve\"},"
		    "\"command\":{\"value\":\"./executor\"},\"resources\":[");
	add_resources(b, o->role, "0.1");
	buf_adds(b, "]}}");
}

static void add_group(struct sim_vandal *v, struct buf *b, const struct vandal_offer *o)
{
	buf_addf(b, "{\"type\":\"LAUNCH_GROUP\",\"launch_group\":{\"executor\":{\"type\":\"DEFAULT\",\"executor_id\":"
		    "{\"value\":\"pod-v%zu\"},\"resources\":[",
		 v->n_tasks);
	add_resources(b, o->role, "0.1");
	buf_adds(b, "]},\"task_group\":{\"tasks\":[");
	add_task(v, b, o, true);
	buf_addc(b, ',');
	add_task(v, b, o, true);
	buf_adds(b, "]}}}");
}

/* More than there is: it can be told apart from an operation that is carried out. */
static void add_operation(struct sim_vandal *v, struct buf *b)
{
#define DISK "{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1000000}}"
	static const struct {
		const char *type, *member, *list, *rest; /* list: of resources; rest: the members, if there is none */
	} ops[] = {
		{"RESERVE", "reserve", "resources", NULL},
		{"UNRESERVE", "unreserve", "resources", NULL},
		{"CREATE", "create", "volumes", NULL},
		{"DESTROY", "destroy", "volumes", NULL},
		{"GROW_VOLUME", "grow_volume", NULL, "\"volume\":" DISK ",\"addition\":" DISK},
		{"SHRINK_VOLUME", "shrink_volume", NULL, "\"volume\":" DISK ",\"subtract\":{\"value\":1}"},
		{"CREATE_DISK", "create_disk", NULL, "\"source\":" DISK ",\"target_type\":\"MOUNT\""},
		{"DESTROY_DISK", "destroy_disk", NULL, "\"source\":" DISK},
	};
	size_t i = sim_below(v->sim, MZ_N(ops));
	buf_addf(b, "{\"type\":\"%s\",\"id\":{\"value\":\"op\"},\"%s\":{", ops[i].type, ops[i].member);
	if (ops[i].list) {
		buf_addf(b, "\"%s\":[", ops[i].list);
		add_resources(b, NULL, "1000000");
		buf_addc(b, ']');
	} else {
		buf_adds(b, ops[i].rest);
	}
	buf_adds(b, "}}");
#undef DISK
}

static void add_accept(struct sim_vandal *v, struct buf *b)
{
	const struct vandal_offer *o = any_offer(v);
	if (!o)
		return;
	buf_adds(b, "\"accept\":{\"offer_ids\":[");
	buf_addf(b, "{\"value\":\"%s\"}", o->id);
	while (sim_chance(v->sim, 250)) {
		char room[64];
		buf_addf(b, ",{\"value\":\"%s\"}", any_id(v, GOSSIP_OFFER, room));
	}
	buf_adds(b, "],\"filters\":{\"refuse_seconds\":0},\"operations\":[");
	for (int i = 0; i == 0 || sim_chance(v->sim, 300); i++) {
		uint64_t kind = sim_below(v->sim, 10);
		if (i)
			buf_addc(b, ',');
		if (kind < 6) {
			buf_adds(b, "{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[");
			add_task(v, b, o, false);
			buf_adds(b, "]}}");
		} else if (kind < 9) {
			add_group(v, b, o);
		} else {
			add_operation(v, b);
		}
	}
	buf_adds(b, "]}");
}

static void add_info(struct sim_vandal *v, struct buf *b, bool with_id)
{
	buf_addf(b, "\"framework_info\":{\"user\":\"nobody\",\"name\":\"%s\",\"failover_timeout\":5,\"checkpoint\":true,"
		    "\"capabilities\":[{\"type\":\"RESERVATION_REFINEMENT\"},{\"type\":\"PARTITION_AWARE\"}",
		 v->name);
	if (sim_chance(v->sim, 500))
		buf_adds(b, ",{\"type\":\"MULTI_ROLE\"}],\"roles\":[\"role1\",\"vandals\"]");
	else
		buf_adds(b, "],\"role\":\"vandals\"");
	if (with_id)
		buf_addf(b, ",\"id\":{\"value\":\"%s\"}", v->id);
	buf_adds(b, ",\"labels\":{\"labels\":[{\"key\":\"a\"}]}},\"suppressed_roles\":[],\"offer_constraints\":{"
		    "\"role_constraints\":{\"vandals\":{\"groups\":[{\"attribute_constraints\":[{\"selector\":"
		    "{\"pseudoattribute_type\":\"HOSTNAME\"},\"predicate\":{\"text_matches\":{\"regex\":\"a.*\"}}}]}]}}}");
}

static void add_body(struct sim_vandal *v, int type, struct buf *b)
{
	const ProtobufCEnumValue *name =
		protobuf_c_enum_descriptor_get_value(&mesos__v1__scheduler__call__type__descriptor, type);
	buf_addf(b, "{\"type\":\"%s\",", name->name);
	add_id(v, b, "framework_id", GOSSIP_FRAMEWORK);
	char room[64];
	buf_addc(b, ',');
	switch (type) {
	case CALL(ACCEPT):
		add_accept(v, b);
		break;
	case CALL(DECLINE):
		buf_addf(b, "\"decline\":{\"filters\":{\"refuse_seconds\":0},\"offer_ids\":[{\"value\":\"%s\"}]}",
			 any_id(v, GOSSIP_OFFER, room));
		break;
	case CALL(KILL):
		buf_adds(b, "\"kill\":{");
		add_id(v, b, "task_id", GOSSIP_TASK);
		buf_addc(b, ',');
		add_id(v, b, "agent_id", GOSSIP_AGENT);
		buf_adds(b, ",\"kill_policy\":{\"grace_period\":{\"nanoseconds\":1}}}");
		break;
	case CALL(SHUTDOWN):
	case CALL(MESSAGE):
		buf_addf(b, "\"%s\":{\"executor_id\":{\"value\":\"%s\"},\"data\":\"AAEC\",",
			 type == CALL(MESSAGE) ? "message" : "shutdown", sim_chance(v->sim, 500) ? "ve" : "many");
		add_id(v, b, "agent_id", GOSSIP_AGENT);
		buf_addc(b, '}');
		break;
	case CALL(ACKNOWLEDGE):
		buf_adds(b, "\"acknowledge\":{\"uuid\":\"AAAAAAAAQACAAAAAAAAAAQ==\",");
		add_id(v, b, "task_id", GOSSIP_TASK);
		buf_addc(b, ',');
		add_id(v, b, "agent_id", GOSSIP_AGENT);
		buf_addc(b, '}');
		break;
	case CALL(RECONCILE):
		buf_adds(b, "\"reconcile\":{\"tasks\":[{");
		add_id(v, b, "task_id", GOSSIP_TASK);
		buf_addc(b, ',');
		add_id(v, b, "agent_id", GOSSIP_AGENT);
		buf_adds(b, "}]}");
		break;
	case CALL(REQUEST):
		buf_adds(b, "\"request\":{\"requests\":[{\"resources\":[");
		add_resources(b, NULL, "1");
		buf_adds(b, "]}]}");
		break;
	case CALL(UPDATE_FRAMEWORK):
		buf_adds(b, "\"update_framework\":{");
		add_info(v, b, true);
		buf_addc(b, '}');
		break;
	case CALL(ACCEPT_INVERSE_OFFERS):
	case CALL(DECLINE_INVERSE_OFFERS):
		buf_addf(b, "\"%s\":{\"inverse_offer_ids\":[{\"value\":\"none\"}]}",
			 type == CALL(ACCEPT_INVERSE_OFFERS) ? "accept_inverse_offers" : "decline_inverse_offers");
		break;
	case CALL(ACKNOWLEDGE_OPERATION_STATUS):
		buf_adds(b, "\"acknowledge_operation_status\":{\"operation_id\":{\"value\":\"op\"},"
			    "\"uuid\":\"AAAAAAAAQACAAAAAAAAAAQ==\",");
		add_id(v, b, "agent_id", GOSSIP_AGENT);
		buf_addc(b, '}');
		break;
	case CALL(RECONCILE_OPERATIONS):
		buf_adds(b, "\"reconcile_operations\":{\"operations\":[{\"operation_id\":{\"value\":\"op\"}}]}");
		break;
	default:
		buf_adds(b, type == CALL(REVIVE) ? "\"revive\":{\"roles\":[\"vandals\"]}" : "\"suppress\":{\"roles\":[]}");
		break;
	}
	buf_addc(b, '}');
}

static int any_type(struct sim_vandal *v)
{
	static const int others[] = {
		CALL(DECLINE), CALL(KILL), CALL(SHUTDOWN), CALL(MESSAGE), CALL(ACKNOWLEDGE), CALL(RECONCILE), CALL(REQUEST),
		CALL(UPDATE_FRAMEWORK), CALL(ACCEPT_INVERSE_OFFERS), CALL(DECLINE_INVERSE_OFFERS),
		CALL(ACKNOWLEDGE_OPERATION_STATUS), CALL(RECONCILE_OPERATIONS), CALL(REVIVE), CALL(SUPPRESS)};
	if (v->n_offers && sim_chance(v->sim, 450))
		return CALL(ACCEPT);
	if (sim_chance(v->sim, 10))
		return CALL(TEARDOWN);
	return others[sim_below(v->sim, MZ_N(others))];
}

/* ---- what it would do ----------------------------------------------------------------- */

static bool is_own_framework(const struct sim_vandal *v, const Mesos__V1__FrameworkID *id)
{
	return id && v->id && str_eq(id->value, v->id);
}

/* What is in it for both kinds of launches, whatever its type says. */
static Mesos__V1__TaskInfo *task_at(const Mesos__V1__Offer__Operation *op, size_t i)
{
	const Mesos__V1__TaskGroupInfo *g = op->launch_group ? op->launch_group->task_group : NULL;
	size_t n = op->launch ? op->launch->n_task_infos : 0;
	if (i < n)
		return op->launch->task_infos[i];
	return g && i - n < g->n_tasks ? g->tasks[i - n] : NULL;
}

/* A task may have an id that another framework's task has; the checker cannot. */
static bool may_launch(struct sim_vandal *v, const Mesos__V1__Scheduler__Call__Accept *a)
{
	Mesos__V1__TaskInfo *t;
	for (size_t i = 0; i < a->n_operations; i++)
		for (size_t k = 0; (t = task_at(a->operations[i], k)); k++)
			if (!map_has(&v->own_tasks, t->task_id->value) && checker_has_task(v->checker, t->task_id->value))
				return false;
	for (size_t i = 0; i < a->n_operations; i++)
		for (size_t k = 0; (t = task_at(a->operations[i], k)); k++) {
			const char *id = t->task_id->value;
			if (map_has(&v->own_tasks, id))
				continue;
			(void)map_put(&v->own_tasks, id, v);
			checker_task_launched(v->checker, id, v->number);
		}
	return true;
}

/* Its frameworks must go away by themselves. */
static bool may_be(const Mesos__V1__FrameworkInfo *i)
{
	return !i || i->failover_timeout <= MAX_FAILOVER_SECS;
}

static bool may_say(struct sim_vandal *v, const pb_call *c)
{
	if (c->type == CALL(SUBSCRIBE) || (c->update_framework && !may_be(c->update_framework->framework_info)))
		return false;
	return !c->accept || may_launch(v, c->accept);
}

static size_t offers_named(const pb_call *c, char ***ret)
{
	size_t n = (c->accept ? c->accept->n_offer_ids : 0) + (c->decline ? c->decline->n_offer_ids : 0), k = 0;
	*ret = xcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; c->accept && i < c->accept->n_offer_ids; i++)
		(*ret)[k++] = xstrdup(c->accept->offer_ids[i]->value);
	for (size_t i = 0; c->decline && i < c->decline->n_offer_ids; i++)
		(*ret)[k++] = xstrdup(c->decline->offer_ids[i]->value);
	return n;
}

/* ---- saying it --------------------------------------------------------------------------- */

/* The bytes of a call, more or less wrong. */
static void spoil(struct sim_vandal *v, pb_msg *c, struct arena *m, struct buf *b)
{
	bool json = v->codec == CODEC_JSON;
	for (int n = 0; n < 4 && sim_chance(v->sim, 600); n++)
		sim_mutate(v->sim, c, json, m);
	codec_encode(v->codec, c, b);
	for (int n = 0; n < 3 && sim_chance(v->sim, 150); n++)
		sim_mutate_bytes(v->sim, b, json);
}

void vandal_call(struct sim_vandal *v)
{
	struct arena mz_autoarena m = {0};
	struct buf mz_autobuf text = {0}, b = {0};
	struct mz_err err;
	add_body(v, any_type(v), &text);
	pb_msg *c = json_decode(&mesos__v1__scheduler__call__descriptor, &m, buf_str(&text), text.len, &err);
	if (!c) {
		sim_fail(v->sim, "'%s' wrote a call that is none: %s in %s", v->name, err.msg, buf_str(&text));
		return;
	}
	spoil(v, c, &m, &b);
	const pb_call *seen = (const pb_call *)codec_decode(v->codec, &mesos__v1__scheduler__call__descriptor, &m, b.data,
							    b.len, &err);
	char **offers = NULL;
	size_t n = 0;
	if (seen && !may_say(v, seen))
		return;
	if (seen)
		n = offers_named(seen, &offers);
	char room[64];
	const char *stream = sim_chance(v->sim, 950) ? v->stream_id : any_id(v, GOSSIP_TASK, room);
	sim_trace(v->sim, "%s: call %d, %zu bytes%s%s", v->name, seen ? (int)seen->type : -1, b.len,
		  seen ? "" : ", malformed", seen && !is_own_framework(v, seen->framework_id) ? ", of another" : "");
	vandal_send(v, stream, &b, offers, n, !seen);
}

void vandal_subscribe(struct sim_vandal *v, struct buf *ret_body)
{
	struct mz_err err;
	for (;;) {
		struct arena mz_autoarena m = {0};
		struct buf mz_autobuf text = {0};
		buf_adds(&text, "{\"type\":\"SUBSCRIBE\",");
		if (v->id)
			buf_addf(&text, "\"framework_id\":{\"value\":\"%s\"},", v->id);
		buf_adds(&text, "\"subscribe\":{");
		add_info(v, &text, v->id != NULL);
		buf_adds(&text, "}}");
		pb_msg *c = json_decode(&mesos__v1__scheduler__call__descriptor, &m, buf_str(&text), text.len, &err);
		if (!c) {
			sim_fail(v->sim, "'%s' wrote a call that is none: %s", v->name, err.msg);
			return;
		}
		buf_clear(ret_body);
		if (sim_chance(v->sim, 500))
			codec_encode(v->codec, c, ret_body);
		else
			spoil(v, c, &m, ret_body);
		const pb_call *seen = (const pb_call *)codec_decode(
			v->codec, &mesos__v1__scheduler__call__descriptor, &m, ret_body->data, ret_body->len, &err);
		const Mesos__V1__FrameworkInfo *i = seen && seen->subscribe ? seen->subscribe->framework_info : NULL;
		bool others = seen && ((seen->framework_id && !is_own_framework(v, seen->framework_id)) ||
				       (i && i->id && !is_own_framework(v, i->id)));
		if (!others && may_be(i))
			return;
	}
}

/* ---- news ---------------------------------------------------------------------------------- */

void vandal_on_offer(struct sim_vandal *v, const Mesos__V1__Offer *o)
{
	struct vandal_offer *x = &v->offers[v->n_offers++ % MZ_N(v->offers)];
	xset(&x->id, o->id->value);
	xset(&x->agent_id, o->agent_id->value);
	xset(&x->role, o->allocation_info ? o->allocation_info->role : NULL);
	gossip_tell(v->gossip, GOSSIP_OFFER, o->id->value);
	gossip_tell(v->gossip, GOSSIP_AGENT, o->agent_id->value);
}

/* It acknowledges most of them, so that more happens. */
void vandal_on_update(struct sim_vandal *v, const Mesos__V1__TaskStatus *s)
{
	struct buf mz_autobuf b = {0};
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	Mesos__V1__Scheduler__Call__Acknowledge a = MESOS__V1__SCHEDULER__CALL__ACKNOWLEDGE__INIT;
	Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;
	if (!s->has_uuid || !s->agent_id || !v->id || !v->stream_id || sim_chance(v->sim, 200))
		return;
	id.value = v->id;
	c.framework_id = &id;
	c.has_type = 1;
	c.type = CALL(ACKNOWLEDGE);
	c.acknowledge = &a;
	a.task_id = s->task_id;
	a.agent_id = s->agent_id;
	a.uuid = s->uuid;
	codec_encode(v->codec, &c.base, &b);
	vandal_send(v, v->stream_id, &b, NULL, 0, false);
}
