/* operator.c - POST /api/v1: the read calls of the operator API, in JSON and
 * protobuf. What is not here is answered 501 with its name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/api/api.h"

typedef Mesos__V1__Master__Response pb_response;
#define TYPE(name) MESOS__V1__MASTER__CALL__TYPE__##name
#define ANSWER(name) MESOS__V1__MASTER__RESPONSE__TYPE__##name
#define NEW(Type, lower) PB_NEW(a, Mesos__V1__Master__Response__##Type, mesos__v1__master__response__##lower)

struct ask {
	struct master *m;
	const char *principal;
	struct arena *a;
};

/* ---- small ones ----------------------------------------------------------------- */

static void get_health(struct ask *q, pb_response *r)
{
	struct arena *a = q->a;
	r->get_health = NEW(GetHealth, get_health);
	r->get_health->healthy = 1;
}

static void get_flags(struct ask *q, pb_response *r)
{
	struct arena *a = q->a;
	size_t n = q->m->cfg.n_flags;
	r->get_flags = NEW(GetFlags, get_flags);
	r->get_flags->flags = (Mesos__V1__Flag **)pb_array(a, n + 1);
	for (size_t i = 0; i < n; i++) {
		Mesos__V1__Flag *f = PB_NEW(a, Mesos__V1__Flag, mesos__v1__flag);
		f->name = (char *)q->m->cfg.flags[i].name;
		f->value = (char *)q->m->cfg.flags[i].value;
		r->get_flags->flags[r->get_flags->n_flags++] = f;
	}
}

static void get_version(struct ask *q, pb_response *r)
{
	struct arena *a = q->a;
	Mesos__V1__VersionInfo *v = PB_NEW(a, Mesos__V1__VersionInfo, mesos__v1__version_info);
	v->version = (char *)MASTER_API_VERSION;
	v->build_date = (char *)q->m->cfg.build_date;
	v->has_build_time = 1;
	v->build_time = q->m->cfg.build_time;
	v->build_user = (char *)q->m->cfg.build_user;
	r->get_version = NEW(GetVersion, get_version);
	r->get_version->version_info = v;
}

static void get_metrics(struct ask *q, pb_response *r)
{
	struct arena *a = q->a;
	struct metric_list l = {0};
	metrics_collect(q->m, &l);
	r->get_metrics = NEW(GetMetrics, get_metrics);
	r->get_metrics->metrics = (Mesos__V1__Metric **)pb_array(a, l.v.n + 1);
	for (size_t i = 0; i < l.v.n; i++) {
		Mesos__V1__Metric *x = PB_NEW(a, Mesos__V1__Metric, mesos__v1__metric);
		x->name = arena_strdup(a, l.v.v[i].name);
		x->has_value = 1;
		x->value = l.v.v[i].value;
		r->get_metrics->metrics[r->get_metrics->n_metrics++] = x;
	}
	metric_list_done(&l);
}

static void get_master(struct ask *q, pb_response *r)
{
	struct arena *a = q->a;
	r->get_master = NEW(GetMaster, get_master);
	r->get_master->master_info = q->m->info;
	r->get_master->has_start_time = r->get_master->has_elected_time = 1;
	r->get_master->start_time = q->m->start_time;
	r->get_master->elected_time = q->m->elected_time;
}

/* ---- tasks and executors ----------------------------------------------------------- */

static Mesos__V1__Task **show_map(struct ask *q, const struct framework *f, const struct map *map,
				  Mesos__V1__Task **v, size_t *n)
{
	map_each(map, e)
		if (may_see_task(f, e->value, q->principal))
			v[(*n)++] = task_show(e->value, q->a);
	return v;
}

static void each_framework(struct ask *q, void (*fn)(struct ask *q, const struct framework *f, void *arg), void *arg)
{
	list_each(&q->m->completed, struct framework, in_history, f)
		if (authz_view_framework(q->m, q->principal, f))
			fn(q, f, arg);
	map_each(&q->m->frameworks, e)
		if (authz_view_framework(q->m, q->principal, e->value))
			fn(q, e->value, arg);
}

static void add_tasks(struct ask *q, const struct framework *f, void *arg)
{
	Mesos__V1__Master__Response__GetTasks *g = arg;
	show_map(q, f, &f->tasks, g->tasks, &g->n_tasks);
	show_map(q, f, &f->unreachable, g->unreachable_tasks, &g->n_unreachable_tasks);
	list_each(&f->completed, struct task, in_history, t)
		if (may_see_task(f, t, q->principal))
			g->completed_tasks[g->n_completed_tasks++] = task_show(t, q->a);
}

static void count_tasks(struct ask *q, const struct framework *f, void *arg)
{
	size_t *n = arg;
	(void)q;
	n[0] += f->tasks.n;
	n[1] += f->unreachable.n;
	n[2] += f->n_completed;
}

static Mesos__V1__Master__Response__GetTasks *tasks(struct ask *q)
{
	struct arena *a = q->a;
	size_t n[3] = {0};
	Mesos__V1__Master__Response__GetTasks *g = NEW(GetTasks, get_tasks);
	each_framework(q, count_tasks, n);
	g->tasks = (Mesos__V1__Task **)pb_array(a, n[0] + 1);
	g->unreachable_tasks = (Mesos__V1__Task **)pb_array(a, n[1] + 1);
	g->completed_tasks = (Mesos__V1__Task **)pb_array(a, n[2] + 1);
	each_framework(q, add_tasks, g);
	return g;
}

static void add_executors(struct ask *q, const struct framework *f, void *arg)
{
	Mesos__V1__Master__Response__GetExecutors *g = arg;
	list_each(&f->executors, struct executor, in_framework, e) {
		if (!may_see_executor(f, e, q->principal))
			continue;
		Mesos__V1__Master__Response__GetExecutors__Executor *x =
			PB_NEW(q->a, Mesos__V1__Master__Response__GetExecutors__Executor,
			       mesos__v1__master__response__get_executors__executor);
		x->executor_info = executor_show(e, q->a);
		x->agent_id = id_agent(q->a, e->agent->id);
		g->executors[g->n_executors++] = x;
	}
}

static Mesos__V1__Master__Response__GetExecutors *executors(struct ask *q)
{
	struct arena *a = q->a;
	Mesos__V1__Master__Response__GetExecutors *g = NEW(GetExecutors, get_executors);
	g->executors =
		(Mesos__V1__Master__Response__GetExecutors__Executor **)pb_array(a, q->m->n_executors + 1);
	each_framework(q, add_executors, g);
	return g;
}

/* ---- frameworks ------------------------------------------------------------------------ */

static Mesos__V1__Master__Response__GetFrameworks__Framework *show_framework_message(struct ask *q,
										     const struct framework *f)
{
	struct arena *a = q->a;
	Mesos__V1__Master__Response__GetFrameworks__Framework *x =
		PB_NEW(a, Mesos__V1__Master__Response__GetFrameworks__Framework,
		       mesos__v1__master__response__get_frameworks__framework);
	x->framework_info = f->info;
	x->active = x->connected = f->state == MASTER_FRAMEWORK_CONNECTED;
	x->recovered = f->state == MASTER_FRAMEWORK_RECOVERED;
	x->registered_time = time_info(a, f->registered_time);
	x->reregistered_time = time_info(a, f->reregistered_time);
	if (f->unregistered_time > 0)
		x->unregistered_time = time_info(a, f->unregistered_time);
	resources *used = framework_used(f), *offered = framework_offered(f);
	x->n_allocated_resources = res_to_pb(used, RES_FORMAT_ENDPOINT, true, a, &x->allocated_resources);
	x->n_offered_resources = res_to_pb(offered, RES_FORMAT_ENDPOINT, true, a, &x->offered_resources);
	res_free(used);
	res_free(offered);
	size_t n = 0;
	list_each(&f->offers, struct offer, in_framework, counted)
		n += counted != NULL;
	x->offers = (Mesos__V1__Offer **)pb_array(a, n + 1);
	list_each(&f->offers, struct offer, in_framework, o)
		x->offers[x->n_offers++] = offer_show(o, a);
	x->offer_constraints = f->constraints ? (Mesos__V1__Scheduler__OfferConstraints *)constraints_message(f->constraints)
					      : PB_NEW(a, Mesos__V1__Scheduler__OfferConstraints,
						       mesos__v1__scheduler__offer_constraints);
	return x;
}

static void add_framework(struct ask *q, const struct framework *f, void *arg)
{
	Mesos__V1__Master__Response__GetFrameworks *g = arg;
	if (f->state == MASTER_FRAMEWORK_REMOVED)
		g->completed_frameworks[g->n_completed_frameworks++] = show_framework_message(q, f);
	else
		g->frameworks[g->n_frameworks++] = show_framework_message(q, f);
}

static Mesos__V1__Master__Response__GetFrameworks *frameworks(struct ask *q)
{
	struct arena *a = q->a;
	Mesos__V1__Master__Response__GetFrameworks *g = NEW(GetFrameworks, get_frameworks);
	g->frameworks = (Mesos__V1__Master__Response__GetFrameworks__Framework **)pb_array(a, q->m->frameworks.n + 1);
	g->completed_frameworks =
		(Mesos__V1__Master__Response__GetFrameworks__Framework **)pb_array(a, q->m->n_completed + 1);
	each_framework(q, add_framework, g);
	return g;
}

/* ---- agents ------------------------------------------------------------------------------- */

static Mesos__V1__Master__Response__GetAgents__Agent *show_agent(struct ask *q, const struct agent *ag)
{
	struct arena *a = q->a;
	Mesos__V1__Master__Response__GetAgents__Agent *x = PB_NEW(a, Mesos__V1__Master__Response__GetAgents__Agent,
								  mesos__v1__master__response__get_agents__agent);
	x->agent_info = ag->info;
	x->active = agent_connected(ag) && !ag->deactivated;
	x->has_deactivated = 1;
	x->deactivated = ag->deactivated;
	x->version = ag->version;
	x->pid = ag->pid;
	x->registered_time = time_info(a, ag->registered_time);
	if (ag->reregistered_time > 0)
		x->reregistered_time = time_info(a, ag->reregistered_time);
	x->n_total_resources = res_to_pb(ag->total, RES_FORMAT_ENDPOINT, false, a, &x->total_resources);
	x->n_allocated_resources = res_to_pb(ag->used, RES_FORMAT_ENDPOINT, true, a, &x->allocated_resources);
	x->n_offered_resources = res_to_pb(ag->offered, RES_FORMAT_ENDPOINT, true, a, &x->offered_resources);
	x->n_capabilities = ag->n_caps;
	x->capabilities = ag->caps;
	return x;
}

static Mesos__V1__Master__Response__GetAgents *agents(struct ask *q)
{
	struct arena *a = q->a;
	Mesos__V1__Master__Response__GetAgents *g = NEW(GetAgents, get_agents);
	g->agents = (Mesos__V1__Master__Response__GetAgents__Agent **)pb_array(a, q->m->agents.n + 1);
	g->recovered_agents = (Mesos__V1__AgentInfo **)pb_array(a, q->m->recovered.n + 1);
	map_each(&q->m->agents, e)
		g->agents[g->n_agents++] = show_agent(q, e->value);
	map_each(&q->m->recovered, e)
		g->recovered_agents[g->n_recovered_agents++] = ((struct agent *)e->value)->info;
	return g;
}

static void get_tasks(struct ask *q, pb_response *r)
{
	r->get_tasks = tasks(q);
}

static void get_executors(struct ask *q, pb_response *r)
{
	r->get_executors = executors(q);
}

static void get_frameworks(struct ask *q, pb_response *r)
{
	r->get_frameworks = frameworks(q);
}

static void get_agents(struct ask *q, pb_response *r)
{
	r->get_agents = agents(q);
}

static void get_state(struct ask *q, pb_response *r)
{
	struct arena *a = q->a;
	r->get_state = NEW(GetState, get_state);
	r->get_state->get_tasks = tasks(q);
	r->get_state->get_executors = executors(q);
	r->get_state->get_frameworks = frameworks(q);
	r->get_state->get_agents = agents(q);
}

/* ---- roles ------------------------------------------------------------------------------------ */

static void role_resources(struct arena *a, const struct role_sum *s, Mesos__V1__Role *x)
{
	resources *sum = res_unallocate(s->allocated);
	res_add(sum, s->offered);
	x->n_resources = res_to_pb(sum, RES_FORMAT_POST, false, a, &x->resources);
	res_free(sum);
}

static void get_roles(struct ask *q, pb_response *r)
{
	struct arena *a = q->a;
	struct role_list l = {0};
	roles_collect(q->m, q->principal, &l);
	r->get_roles = NEW(GetRoles, get_roles);
	r->get_roles->roles = (Mesos__V1__Role **)pb_array(a, l.v.n + 1);
	for (size_t i = 0; i < l.v.n; i++) {
		const struct role_sum *s = &l.v.v[i];
		Mesos__V1__Role *x = PB_NEW(a, Mesos__V1__Role, mesos__v1__role);
		x->name = (char *)s->name;
		x->weight = 1;
		x->frameworks = (Mesos__V1__FrameworkID **)pb_array(a, s->frameworks.n + 1);
		for (size_t j = 0; j < s->frameworks.n; j++)
			x->frameworks[x->n_frameworks++] = id_framework(a, s->frameworks.v[j]->id);
		role_resources(a, s, x);
		r->get_roles->roles[r->get_roles->n_roles++] = x;
	}
	role_list_done(&l);
}

/* ---- the table ---------------------------------------------------------------------------------- */

static const struct {
	int call, answer;
	void (*fill)(struct ask *q, pb_response *r);
} calls[] = {
	{TYPE(GET_HEALTH), ANSWER(GET_HEALTH), get_health},
	{TYPE(GET_FLAGS), ANSWER(GET_FLAGS), get_flags},
	{TYPE(GET_VERSION), ANSWER(GET_VERSION), get_version},
	{TYPE(GET_METRICS), ANSWER(GET_METRICS), get_metrics},
	{TYPE(GET_STATE), ANSWER(GET_STATE), get_state},
	{TYPE(GET_AGENTS), ANSWER(GET_AGENTS), get_agents},
	{TYPE(GET_FRAMEWORKS), ANSWER(GET_FRAMEWORKS), get_frameworks},
	{TYPE(GET_EXECUTORS), ANSWER(GET_EXECUTORS), get_executors},
	{TYPE(GET_TASKS), ANSWER(GET_TASKS), get_tasks},
	{TYPE(GET_ROLES), ANSWER(GET_ROLES), get_roles},
	{TYPE(GET_MASTER), ANSWER(GET_MASTER), get_master},
};

static void answer(struct ask *q, int call, enum codec accept, struct http_exchange *x)
{
	size_t i = 0;
	while (i < MZ_N(calls) && calls[i].call != call)
		i++;
	if (i == MZ_N(calls)) {
		const char *name = pb_enum_name(&mesos__v1__master__call__type__descriptor, call);
		http_reply_text(x, 501, "The call %s is not supported by this master", name ? name : "UNKNOWN");
		return;
	}
	struct mz_object o = {.size = sizeof(o)};
	if (call == TYPE(GET_FLAGS) && !authz_view(q->m, MZ_ACTION_VIEW_FLAGS, q->principal, &o)) {
		http_reply_text(x, 403, "Not authorized to see the flags");
		return;
	}
	pb_response *r = PB_NEW(q->a, pb_response, mesos__v1__master__response);
	r->has_type = 1;
	r->type = (Mesos__V1__Master__Response__Type)calls[i].answer;
	calls[i].fill(q, r);
	struct buf out = {0};
	if (accept == CODEC_JSON)
		operator_json(r, &out);
	else
		codec_encode(accept, &r->base, &out);
	http_reply(x, 200, codec_content_type(accept), buf_str(&out), out.len);
	buf_done(&out);
}

void api_operator(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct master *m = arg;
	struct arena arena = {0};
	enum codec in, accept;
	if (api_not_leading(m, r, x))
		return;
	Mesos__V1__Master__Call *c = (Mesos__V1__Master__Call *)api_decode_call(
		r, x, &mesos__v1__master__call__descriptor, &arena, &in);
	if (c && !c->has_type) {
		http_reply_text(x, 400, "Expecting 'type' to be present");
	} else if (c) {
		struct ask q = {m, r->principal, &arena};
		if (api_accept(r, x, &accept))
			answer(&q, (int)c->type, accept, x);
	}
	arena_done(&arena);
}
