/* master_world.c - see master_world.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master_world.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "model/model.h"
#include "model/resources.h"
#include "wire/codec.h"

/* ---- an authorizer that forbids one user's tasks, and one action ---------------- */

int world_denied_action, world_asked;
char world_asked_value[64];

static const struct mz_host *authz_host;
static VEC(struct mz_op *) held_ops;
static bool held;

static int authz_create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	(void)err;
	*inst = (void *)host;
	authz_host = host;
	held = false;
	vec_done(&held_ops);
	return 0;
}

static void authz_destroy(void *inst)
{
	(void)inst;
}

static void authz_authorized(void *inst, int action, const struct mz_subject *s, const struct mz_object *o,
			     struct mz_op *op)
{
	const struct mz_host *host = inst;
	struct mz_err err = {.code = -EACCES, .msg = "Not allowed"};
	(void)s;
	world_asked = action;
	snprintf(world_asked_value, sizeof(world_asked_value), "%s", o->value ? o->value : "");
	bool denied = action == world_denied_action || (action == MZ_ACTION_RUN_TASK && str_eq(o->user, WORLD_DENIED_USER)) ||
		      (action == MZ_ACTION_REGISTER_FRAMEWORK && str_eq(o->role, "forbidden"));
	if (held && action == MZ_ACTION_RUN_TASK) {
		vec_push(&held_ops, op);
		return;
	}
	host->op_done(op, denied ? &err : NULL, NULL);
}

void world_hold_authorizer(struct world *w, bool on)
{
	(void)w;
	held = on;
	while (!on && held_ops.n) {
		authz_host->op_done(held_ops.v[0], NULL, NULL);
		vec_remove(&held_ops, 0);
	}
	if (!on)
		vec_done(&held_ops);
}

static int authz_allows(void *inst, int action, const struct mz_subject *s, const struct mz_object *o)
{
	(void)inst;
	(void)s;
	return !(action == MZ_ACTION_VIEW_FRAMEWORK && str_eq(o->framework_name, "hidden"));
}

static const struct mz_authorizer_ops authz_ops = {
	.size = sizeof(authz_ops),
	.create = authz_create,
	.destroy = authz_destroy,
	.authorized = authz_authorized,
	.allows = authz_allows,
};
static const struct mz_module authz_module = {
	MZ_MODULE_HEAD(AUTHORIZER),
	.name = "test",
	.version = "1",
	.author = "test",
	.summary = "Forbids one user's tasks",
	.ops = (const struct mz_ops *)&authz_ops,
};

/* ---- the world ------------------------------------------------------------------- */

static void on_store_failure(void *arg, const struct mz_err *err)
{
	(void)arg;
	fail_msg("store: %s", err->msg);
}

void world_settle(struct world *w)
{
	while (kit_loop_turn(w->loop))
		;
}

void world_pass(struct world *w, int64_t ns)
{
	int64_t end = loop_now(w->loop) + ns;
	world_settle(w);
	while (loop_now(w->loop) < end && kit_loop_pass(w->loop, end - loop_now(w->loop), false))
		world_settle(w);
	world_settle(w);
}

void world_check(struct world *w)
{
	struct mz_err err;
	if (master_check(w->m, &err) < 0)
		fail_msg("%s", err.msg);
}

void world_start(struct world *w)
{
	static const struct master_flag flags[] = {{"port", "5050"}, {"zk_session_timeout", "10secs"}};
	struct mz_err err;
	w->store = store_new(w->loop, &w->disk.backend, on_store_failure, w);
	w->modules = module_registry_new(w->loop);
	module_registry_set_slow_call(w->modules, 0);
	module_registry_add_path(w->modules, MODULE_DIR);
	module_registry_add_builtin(w->modules, &authz_module);
	if (w->with_authorizer && module_load_name(w->modules, MZ_KIND_AUTHORIZER, "test", NULL, &w->authorizer, &err) < 0)
		fail_msg("%s", err.msg);
	struct master_config c = w->cfg;
	c.flags = flags;
	c.n_flags = 2;
	c.version = "0.1";
	if (!c.max_completed_tasks)
		c.max_completed_tasks = 3;
	struct master_deps d = {
		.loop = w->loop,
		.store = w->store,
		.router = &w->router,
		.authorizer = w->with_authorizer ? w->authorizer : NULL,
	};
	w->m = master_new(&c, &d);
	module_registry_set_kind(w->modules, MZ_KIND_ALLOCATOR, master_allocator_host(w->m), NULL);
	if (module_load_name(w->modules, MZ_KIND_ALLOCATOR, "drf", NULL, &w->allocator, &err) < 0)
		fail_msg("%s", err.msg);
	master_set_allocator(w->m, w->allocator);
	if (master_elected(w->m, 0, &err) < 0)
		fail_msg("%s", err.msg);
	world_settle(w);
}

static void stop(struct world *w)
{
	master_free(w->m);
	module_registry_free(w->modules);
	store_free(w->store);
}

void world_restart(struct world *w)
{
	stop(w);
	world_start(w);
}

static int setup(void **state, bool with_authorizer, enum codec codec)
{
	struct world *w = xnew(struct world);
	log_set_level(getenv("MZ_TEST_LOG") ? MZ_LOG_DEBUG : MZ_LOG_ERROR + 1);
	w->loop = kit_loop_new();
	w->with_authorizer = with_authorizer;
	w->codec = codec;
	world_attributes = "rack:1-1;speed:2.5";
	world_capabilities = 0;
	world_denied_action = world_asked = 0;
	world_port = 0;
	world_hostname = "host";
	world_zone = NULL;
	fake_principal = NULL;
	fake_disk_init(&w->disk, w->loop);
	world_start(w);
	*state = w;
	return 0;
}

int world_setup(void **state)
{
	return setup(state, false, CODEC_JSON);
}

int world_setup_protobuf(void **state)
{
	return setup(state, false, CODEC_PROTOBUF);
}

int world_setup_authorized(void **state)
{
	return setup(state, true, CODEC_JSON);
}

int world_teardown(void **state)
{
	struct world *w = *state;
	world_check(w);
	stop(w);
	http_router_done(&w->router);
	fake_disk_done(&w->disk);
	for (size_t i = 0; i < w->calls.n; i++)
		fake_call_free(w->calls.v[i]);
	for (size_t i = 0; i < w->links.n; i++)
		fake_link_free(w->links.v[i]);
	vec_done(&w->calls);
	vec_done(&w->links);
	vec_done(&w->fagents);
	kit_loop_free(w->loop);
	arena_done(&w->arena);
	free(w);
	return 0;
}

struct fake_call *world_http(struct world *w, const char *method, const char *target, const char *headers,
			     const char *body)
{
	struct fake_call *c =
		fake_http(w->loop, &w->router, method, target, headers, body, body ? strlen(body) : 0);
	vec_push(&w->calls, c);
	return c;
}

struct fake_call *world_get(struct world *w, const char *target)
{
	struct fake_call *c = world_http(w, "GET", target, NULL, NULL);
	assert_int_equal(c->status, 200);
	return c;
}

/* ---- schedulers -------------------------------------------------------------------- */

struct fake_call *world_post_call(struct world *w, const char *json, const char *stream_id)
{
	const char *type = codec_content_type(w->codec);
	mz_autofree char *headers = xasprintf("Content-Type: %s\nAccept: %s%s%s", type, type,
					      stream_id ? "\nmesos-stream-id: " : "", stream_id ? stream_id : "");
	if (w->codec == CODEC_JSON)
		return world_http(w, "POST", "/api/v1/scheduler", headers, json);
	struct mz_err err = {0};
	pb_msg *m = codec_decode(CODEC_JSON, &mesos__v1__scheduler__call__descriptor, &w->arena, json, strlen(json),
				 &err);
	if (!m)
		fail_msg("%s: %s", err.msg, json);
	struct mz_bytes b = pb_encode_arena(m, &w->arena);
	struct fake_call *c =
		fake_http(w->loop, &w->router, "POST", "/api/v1/scheduler", headers, b.data, b.size);
	vec_push(&w->calls, c);
	return c;
}

struct sched *sched_subscribe(struct world *w, const char *info, const char *id)
{
	return sched_subscribe_with(w, info, id, "");
}

struct sched *sched_subscribe_with(struct world *w, const char *info, const char *id, const char *more)
{
	struct sched *s = arena_calloc(&w->arena, sizeof(*s));
	struct buf b = {0};
	buf_adds(&b, "{\"type\":\"SUBSCRIBE\",");
	if (id)
		buf_addf(&b, "\"framework_id\":{\"value\":\"%s\"},", id);
	buf_addf(&b, "\"subscribe\":{\"framework_info\":{%s", info);
	if (id)
		buf_addf(&b, ",\"id\":{\"value\":\"%s\"}", id);
	buf_addf(&b, "}%s}}", more);
	s->w = w;
	s->stream = world_post_call(w, buf_str(&b), NULL);
	assert_int_equal(s->stream->status, 200);
	world_settle(w);
	if (s->stream->records.n) {
		Mesos__V1__Scheduler__Event *e = sched_any(s);
		if (e->type == EV(SUBSCRIBED))
			s->id = e->subscribed->framework_id->value;
		else
			s->stream->n_seen--; /* for the test */
	}
	buf_done(&b);
	return s;
}

static struct fake_call *post_call(struct sched *s, const char *fmt, va_list ap)
{
	struct buf b = {0};
	buf_addf(&b, "{\"framework_id\":{\"value\":\"%s\"},", s->id);
	buf_vaddf(&b, fmt, ap);
	buf_addc(&b, '}');
	struct fake_call *c = world_post_call(s->w, buf_str(&b), s->stream->id);
	world_settle(s->w);
	buf_done(&b);
	return c;
}

struct fake_call *sched_post(struct sched *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	struct fake_call *c = post_call(s, fmt, ap);
	va_end(ap);
	return c;
}

int sched_call(struct sched *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	struct fake_call *c = post_call(s, fmt, ap);
	va_end(ap);
	if (c->status != 202 && c->status != 200)
		print_message("%d: %s\n", c->status, buf_str(&c->body));
	return c->status;
}

Mesos__V1__Scheduler__Event *sched_any(struct sched *s)
{
	struct mz_err err = {0};
	size_t size;
	const char *record = fake_next(s->stream, &size);
	if (!record)
		return NULL;
	pb_msg *e = codec_decode(s->w->codec, &mesos__v1__scheduler__event__descriptor, &s->w->arena, record, size,
				 &err);
	if (!e)
		fail_msg("%s: %s", err.msg, record);
	return (Mesos__V1__Scheduler__Event *)e;
}

Mesos__V1__Scheduler__Event *sched_event(struct sched *s, int type)
{
	Mesos__V1__Scheduler__Event *e;
	while ((e = sched_any(s)) && (int)e->type != type)
		;
	return e;
}

/* ---- agents ---------------------------------------------------------------------------- */

const char *world_attributes;
uint32_t world_capabilities;
int world_port;
const char *world_hostname;
const char *world_zone;

static int port_for(struct world *w, const char *id)
{
	int port = world_port;
	world_port = 0;
	for (size_t i = 0; id && !port && i < w->fagents.n; i++)
		if (str_eq(w->fagents.v[i]->id, id))
			port = w->fagents.v[i]->port;
	return port ? port : 5051 + (int)w->fagents.n;
}

static Mesos__V1__DomainInfo *domain(struct world *w)
{
	Mesos__V1__DomainInfo *d = PB_NEW(&w->arena, Mesos__V1__DomainInfo, mesos__v1__domain_info);
	Mesos__V1__DomainInfo__FaultDomain *f =
		PB_NEW(&w->arena, Mesos__V1__DomainInfo__FaultDomain, mesos__v1__domain_info__fault_domain);
	d->fault_domain = f;
	f->region = PB_NEW(&w->arena, Mesos__V1__DomainInfo__FaultDomain__RegionInfo,
			   mesos__v1__domain_info__fault_domain__region_info);
	f->zone = PB_NEW(&w->arena, Mesos__V1__DomainInfo__FaultDomain__ZoneInfo,
			 mesos__v1__domain_info__fault_domain__zone_info);
	f->region->name = (char *)"r";
	f->zone->name = (char *)world_zone;
	return d;
}

struct fagent *agent_join(struct world *w, const char *text, const char *id, Mezzo__Link__Register *reg)
{
	struct fagent *a = arena_calloc(&w->arena, sizeof(*a));
	Mezzo__Link__Register own = MEZZO__LINK__REGISTER__INIT;
	Mesos__V1__AgentInfo *info = PB_NEW(&w->arena, Mesos__V1__AgentInfo, mesos__v1__agent_info);
	resources *r = res_new();
	struct mz_err err;
	if (res_parse(text, NULL, r, &err) < 0)
		fail_msg("%s", err.msg);
	a->port = port_for(w, id);
	vec_push(&w->fagents, a);
	info->hostname = (char *)world_hostname;
	info->has_port = 1;
	info->port = a->port;
	info->n_resources = res_to_pb(r, RES_FORMAT_POST, false, &w->arena, &info->resources);
	assert_int_equal(attributes_parse(world_attributes, &w->arena, &info->attributes, &info->n_attributes, &err),
			 0);
	res_free(r);
	if (world_zone)
		info->domain = domain(w);
	if (id) {
		info->id = PB_NEW(&w->arena, Mesos__V1__AgentID, mesos__v1__agent_id);
		info->id->value = (char *)id;
	}
	if (!reg)
		reg = &own;
	reg->n_capabilities = 0;
	reg->agent_info = info;
	reg->version = (char *)"0.1";
	mz_autofree char *pid = xasprintf("slave(1)@127.0.0.1:%d", a->port);
	reg->pid = pid;
	Mesos__V1__AgentInfo__Capability cap[32], *caps[32];
	uint32_t wanted = world_capabilities | 1u << MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__MULTI_ROLE;
	for (int i = 0; i < 32; i++) {
		if (!(wanted & 1u << i))
			continue;
		caps[reg->n_capabilities] = &cap[reg->n_capabilities];
		mesos__v1__agent_info__capability__init(&cap[reg->n_capabilities]);
		cap[reg->n_capabilities].has_type = 1;
		cap[reg->n_capabilities++].type = (Mesos__V1__AgentInfo__Capability__Type)i;
	}
	reg->capabilities = caps;
	a->w = w;
	a->link = fake_link_new(w->loop);
	vec_push(&w->links, a->link);
	master_link(w->m, &a->link->link);
	Mezzo__Link__ToMaster msg = MEZZO__LINK__TO_MASTER__INIT;
	msg.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_REGISTER;
	msg.register_ = reg;
	fake_link_send(a->link, &msg.base);
	world_settle(w);
	return a;
}

Mezzo__Link__ToAgent *agent_next(struct fagent *a, int message)
{
	Mezzo__Link__ToAgent *m;
	do
		m = (Mezzo__Link__ToAgent *)fake_link_next(a->link, &mezzo__link__to_agent__descriptor, &a->w->arena);
	while (m && (int)m->message_case != message);
	if (m && message == MEZZO__LINK__TO_AGENT__MESSAGE_REGISTERED)
		a->id = m->registered->agent_id->value;
	return m;
}

void agent_unregister(struct fagent *a)
{
	Mezzo__Link__ToMaster msg = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__Unregister u = MEZZO__LINK__UNREGISTER__INIT;
	msg.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_UNREGISTER;
	msg.unregister = &u;
	fake_link_send(a->link, &msg.base);
	world_settle(a->w);
}

void agent_update(struct fagent *a, const char *framework, const char *task, int state, int uuid, int latest)
{
	Mezzo__Link__ToMaster msg = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__StatusUpdate u = MEZZO__LINK__STATUS_UPDATE__INIT;
	Mesos__V1__TaskStatus s = MESOS__V1__TASK_STATUS__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	Mesos__V1__TaskID tid = MESOS__V1__TASK_ID__INIT;
	uint8_t bytes[16];
	memset(bytes, uuid, sizeof(bytes));
	fid.value = (char *)framework;
	tid.value = (char *)task;
	s.task_id = &tid;
	s.state = (Mesos__V1__TaskState)state;
	s.has_source = 1;
	s.source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR;
	s.has_timestamp = 1;
	s.timestamp = loop_wall_secs(a->w->loop);
	Mesos__V1__AgentID aid = MESOS__V1__AGENT_ID__INIT;
	aid.value = a->id;
	s.agent_id = &aid;
	s.has_uuid = uuid != 0;
	s.uuid = (ProtobufCBinaryData){sizeof(bytes), bytes};
	u.framework_id = &fid;
	u.status = &s;
	u.has_latest_state = latest >= 0;
	u.latest_state = (Mesos__V1__TaskState)latest;
	msg.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_STATUS_UPDATE;
	msg.status_update = &u;
	fake_link_send(a->link, &msg.base);
	world_settle(a->w);
}

char *task_json(struct world *w, const char *id, const char *agent, double cpus, double mem)
{
	mz_autofree char *s = xasprintf(
		"{\"name\":\"%s\",\"task_id\":{\"value\":\"%s\"},\"agent_id\":{\"value\":\"%s\"},"
		"\"command\":{\"value\":\"true\"},\"resources\":["
		"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":%g}},"
		"{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":%g}}]}",
		id, id, agent, cpus, mem);
	return arena_strdup(&w->arena, s);
}
