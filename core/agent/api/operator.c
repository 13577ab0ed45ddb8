/* operator.c - POST /api/v1: the read calls of the agent's operator API, and the way to
 * those about containers (nested.c, attach.c).
 *
 * A table of {call, handler}; each handler fills the response in an arena. Calls that
 * are not in the table are 501. In JSON the lists of a view are written also when they
 * are empty, as the tools are used to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/attach.h"
#include "agent/api/containers.h"
#include "mesos/v1/agent.pb-c.h"

typedef Mesos__V1__Agent__Response response;
typedef Mesos__V1__Agent__Call call_msg;

#define RESPONSE(name) MESOS__V1__AGENT__RESPONSE__TYPE__##name
#define CALL(name) MESOS__V1__AGENT__CALL__TYPE__##name
#define NEW(m, Name, lower) PB_NEW(m, Mesos__V1__Agent__Response__##Name, mesos__v1__agent__response__##lower)

static void get_health(struct agent *a, response *r, struct arena *m, const char *who MZ_UNUSED)
{
	(void)a;
	r->get_health = NEW(m, GetHealth, get_health);
	r->get_health->healthy = 1;
}

static void get_flags(struct agent *a, response *r, struct arena *m, const char *who MZ_UNUSED)
{
	Mesos__V1__Agent__Response__GetFlags *g = r->get_flags = NEW(m, GetFlags, get_flags);
	g->n_flags = a->cfg.n_flags;
	g->flags = (Mesos__V1__Flag **)pb_array(m, g->n_flags);
	for (size_t i = 0; i < g->n_flags; i++) {
		g->flags[i] = PB_NEW(m, Mesos__V1__Flag, mesos__v1__flag);
		g->flags[i]->name = (char *)a->cfg.flags[i].name;
		g->flags[i]->value = (char *)a->cfg.flags[i].value;
	}
}

static void get_version(struct agent *a, response *r, struct arena *m, const char *who MZ_UNUSED)
{
	r->get_version = NEW(m, GetVersion, get_version);
	Mesos__V1__VersionInfo *v = r->get_version->version_info =
		PB_NEW(m, Mesos__V1__VersionInfo, mesos__v1__version_info);
	v->version = (char *)a->cfg.version;
	v->build_date = (char *)(a->cfg.build_date ? a->cfg.build_date : "");
	v->has_build_time = 1;
	v->build_time = a->cfg.build_time;
	v->build_user = (char *)"";
}

struct metrics_list {
	struct arena *m;
	VEC(Mesos__V1__Metric *) v;
};

static void on_metric(void *arg, const char *name, double value)
{
	struct metrics_list *l = arg;
	Mesos__V1__Metric *x = PB_NEW(l->m, Mesos__V1__Metric, mesos__v1__metric);
	x->name = arena_strdup(l->m, name);
	x->has_value = 1;
	x->value = value;
	vec_push(&l->v, x);
}

static int by_metric_name(const void *a, const void *b)
{
	return strcmp((*(Mesos__V1__Metric *const *)a)->name, (*(Mesos__V1__Metric *const *)b)->name);
}

static void get_metrics(struct agent *a, response *r, struct arena *m, const char *who MZ_UNUSED)
{
	struct metrics_list l = {.m = m};
	agent_metrics_each(a, on_metric, &l);
	qsort(l.v.v, l.v.n, sizeof(*l.v.v), by_metric_name);
	r->get_metrics = NEW(m, GetMetrics, get_metrics);
	r->get_metrics->n_metrics = l.v.n;
	r->get_metrics->metrics = (Mesos__V1__Metric **)pb_array(m, l.v.n);
	memcpy(r->get_metrics->metrics, l.v.v, l.v.n * sizeof(*l.v.v));
	vec_done(&l.v);
}

static void get_agent(struct agent *a, response *r, struct arena *m, const char *who MZ_UNUSED)
{
	r->get_agent = NEW(m, GetAgent, get_agent);
	r->get_agent->agent_info = a->info;
}

static Mesos__V1__Agent__Response__GetFrameworks *frameworks(struct agent *a, struct arena *m, const char *who)
{
	Mesos__V1__Agent__Response__GetFrameworks *g = NEW(m, GetFrameworks, get_frameworks);
	typedef Mesos__V1__Agent__Response__GetFrameworks__Framework item;
	g->frameworks = (item **)pb_array(m, a->frameworks.n);
	map_each(&a->frameworks, e) {
		if (!authz_see_framework(e->value, who))
			continue;
		item *f = PB_NEW(m, item, mesos__v1__agent__response__get_frameworks__framework);
		f->framework_info = ((struct framework *)e->value)->info;
		g->frameworks[g->n_frameworks++] = f;
	}
	g->completed_frameworks = (item **)pb_array(m, a->completed_frameworks.n);
	for (size_t i = 0; i < a->completed_frameworks.n; i++) {
		if (!authz_see_framework(a->completed_frameworks.v[i], who))
			continue;
		item *f = PB_NEW(m, item, mesos__v1__agent__response__get_frameworks__framework);
		f->framework_info = a->completed_frameworks.v[i]->info;
		g->completed_frameworks[g->n_completed_frameworks++] = f;
	}
	return g;
}

static void get_frameworks(struct agent *a, response *r, struct arena *m, const char *who)
{
	r->get_frameworks = frameworks(a, m, who);
}

typedef void (*executor_fn)(void *arg, struct executor *ex, bool completed);

static void each_of(struct executor *const *v, size_t n, const char *who, executor_fn fn, void *arg)
{
	for (size_t i = 0; i < n; i++)
		if (authz_see_executor(v[i], who))
			fn(arg, v[i], true);
}

/* Calls fn for every executor that they may see: running ones, and those that are history. */
static void each_executor(struct agent *a, const char *who, executor_fn fn, void *arg)
{
	map_each(&a->frameworks, e) {
		struct framework *f = e->value;
		if (!authz_see_framework(f, who))
			continue;
		map_each(&f->executors, x)
			if (authz_see_executor(x->value, who))
				fn(arg, x->value, false);
		each_of(f->ended_executors.v, f->ended_executors.n, who, fn, arg);
		each_of(f->completed_executors.v, f->completed_executors.n, who, fn, arg);
	}
	for (size_t k = 0; k < a->completed_frameworks.n; k++) {
		struct framework *f = a->completed_frameworks.v[k];
		if (authz_see_framework(f, who))
			each_of(f->completed_executors.v, f->completed_executors.n, who, fn, arg);
	}
}

struct executor_list {
	struct arena *m;
	VEC(Mesos__V1__Agent__Response__GetExecutors__Executor *) live, completed;
};

static void on_executor(void *arg, struct executor *ex, bool completed)
{
	struct executor_list *l = arg;
	Mesos__V1__Agent__Response__GetExecutors__Executor *e =
		PB_NEW(l->m, Mesos__V1__Agent__Response__GetExecutors__Executor,
		       mesos__v1__agent__response__get_executors__executor);
	e->executor_info = ex->info;
	if (completed)
		vec_push(&l->completed, e);
	else
		vec_push(&l->live, e);
}

/* Moves a vector of pointers into the arena. */
#define TAKE(m, vec, ret_n, ret_v)                                             \
	do {                                                                   \
		(ret_n) = (vec).n;                                             \
		(ret_v) = (void *)pb_array((m), (vec).n);                      \
		if ((vec).n)                                                   \
			memcpy((ret_v), (vec).v, (vec).n * sizeof(*(vec).v));  \
		vec_done(&(vec));                                              \
	} while (0)

static Mesos__V1__Agent__Response__GetExecutors *executors(struct agent *a, struct arena *m, const char *who)
{
	struct executor_list l = {.m = m};
	each_executor(a, who, on_executor, &l);
	Mesos__V1__Agent__Response__GetExecutors *g = NEW(m, GetExecutors, get_executors);
	TAKE(m, l.live, g->n_executors, g->executors);
	TAKE(m, l.completed, g->n_completed_executors, g->completed_executors);
	return g;
}

static void get_executors(struct agent *a, response *r, struct arena *m, const char *who)
{
	r->get_executors = executors(a, m, who);
}

struct task_list {
	struct arena *m;
	const char *who;
	VEC(Mesos__V1__Task *) queued, launched, terminated, completed;
};

static Mesos__V1__Task *make_task(const struct task *t, struct arena *m)
{
	const Mesos__V1__TaskInfo *info = agent_task_info(t, m);
	Mesos__V1__Task *x = PB_NEW(m, Mesos__V1__Task, mesos__v1__task);
	x->name = t->name;
	x->task_id = info->task_id;
	x->framework_id = PB_NEW(m, Mesos__V1__FrameworkID, mesos__v1__framework_id);
	x->framework_id->value = t->framework->id;
	if (!t->executor->command) {
		x->executor_id = PB_NEW(m, Mesos__V1__ExecutorID, mesos__v1__executor_id);
		x->executor_id->value = t->executor->id;
	}
	x->agent_id = info->agent_id;
	x->state = t->state;
	x->n_resources = info->n_resources;
	x->resources = info->resources;
	x->labels = info->labels;
	x->discovery = info->discovery;
	x->container = info->container;
	x->health_check = info->health_check;
	x->kill_policy = info->kill_policy;
	x->user = info->command ? info->command->user
		  : info->executor && info->executor->command ? info->executor->command->user
							       : NULL;
	x->n_limits = info->n_limits;
	x->limits = (Mesos__V1__Task__LimitsEntry **)pb_array(m, info->n_limits);
	for (size_t i = 0; i < info->n_limits; i++) {
		x->limits[i] = PB_NEW(m, Mesos__V1__Task__LimitsEntry, mesos__v1__task__limits_entry);
		x->limits[i]->key = info->limits[i]->key;
		x->limits[i]->value = info->limits[i]->value;
	}
	x->statuses = (Mesos__V1__TaskStatus **)pb_array(m, t->statuses.n);
	for (size_t i = 0; i < t->statuses.n; i++) {
		Mesos__V1__TaskStatus *s = (Mesos__V1__TaskStatus *)pb_decode(
			&mesos__v1__task_status__descriptor, m, t->statuses.v[i].data, t->statuses.v[i].size, NULL);
		if (s)
			x->statuses[x->n_statuses++] = s;
	}
	if (x->n_statuses) {
		Mesos__V1__TaskStatus *last = x->statuses[x->n_statuses - 1];
		x->has_status_update_state = 1;
		x->status_update_state = last->state;
		x->has_status_update_uuid = last->has_uuid;
		x->status_update_uuid = last->uuid;
	}
	return x;
}

static void on_executor_tasks(void *arg, struct executor *ex, bool completed)
{
	(void)completed;
	struct task_list *l = arg;
	for (size_t i = 0; i < ex->tasks.n; i++) {
		struct task *t = ex->tasks.v[i];
		if (!authz_see_task(t, l->who))
			continue;
		Mesos__V1__Task *x = make_task(t, l->m);
		if (agent_task_is_queued(t))
			vec_push(&l->queued, x);
		else if (task_state_is_terminal(t->state))
			vec_push(&l->terminated, x);
		else
			vec_push(&l->launched, x);
	}
	for (size_t i = 0; i < ex->completed_tasks.n; i++)
		if (authz_see_task(ex->completed_tasks.v[i], l->who))
			vec_push(&l->completed, make_task(ex->completed_tasks.v[i], l->m));
}

static Mesos__V1__Agent__Response__GetTasks *tasks(struct agent *a, struct arena *m, const char *who)
{
	struct task_list l = {.m = m, .who = who};
	each_executor(a, who, on_executor_tasks, &l);
	Mesos__V1__Agent__Response__GetTasks *g = NEW(m, GetTasks, get_tasks);
	TAKE(m, l.queued, g->n_queued_tasks, g->queued_tasks);
	TAKE(m, l.launched, g->n_launched_tasks, g->launched_tasks);
	TAKE(m, l.terminated, g->n_terminated_tasks, g->terminated_tasks);
	TAKE(m, l.completed, g->n_completed_tasks, g->completed_tasks);
	return g;
}

static void get_tasks(struct agent *a, response *r, struct arena *m, const char *who)
{
	r->get_tasks = tasks(a, m, who);
}

static void get_state(struct agent *a, response *r, struct arena *m, const char *who)
{
	r->get_state = NEW(m, GetState, get_state);
	r->get_state->get_tasks = tasks(a, m, who);
	r->get_state->get_executors = executors(a, m, who);
	r->get_state->get_frameworks = frameworks(a, m, who);
}

static void get_operations(struct agent *a, response *r, struct arena *m, const char *who MZ_UNUSED)
{
	(void)a;
	r->get_operations = NEW(m, GetOperations, get_operations);
}

static void get_resource_providers(struct agent *a, response *r, struct arena *m,
				   const char *who MZ_UNUSED)
{
	(void)a;
	r->get_resource_providers = NEW(m, GetResourceProviders, get_resource_providers);
}

static const struct {
	int call, response;
	void (*fn)(struct agent *a, response *r, struct arena *m, const char *who);
} reads[] = {
	{CALL(GET_HEALTH), RESPONSE(GET_HEALTH), get_health},
	{CALL(GET_FLAGS), RESPONSE(GET_FLAGS), get_flags},
	{CALL(GET_VERSION), RESPONSE(GET_VERSION), get_version},
	{CALL(GET_METRICS), RESPONSE(GET_METRICS), get_metrics},
	{CALL(GET_STATE), RESPONSE(GET_STATE), get_state},
	{CALL(GET_FRAMEWORKS), RESPONSE(GET_FRAMEWORKS), get_frameworks},
	{CALL(GET_EXECUTORS), RESPONSE(GET_EXECUTORS), get_executors},
	{CALL(GET_TASKS), RESPONSE(GET_TASKS), get_tasks},
	{CALL(GET_AGENT), RESPONSE(GET_AGENT), get_agent},
	{CALL(GET_OPERATIONS), RESPONSE(GET_OPERATIONS), get_operations},
	{CALL(GET_RESOURCE_PROVIDERS), RESPONSE(GET_RESOURCE_PROVIDERS), get_resource_providers},
};

/* ---- GET_CONTAINERS: has to ask around first -------------------------------------------- */

struct containers_request {
	struct http_exchange *x;
	enum codec out;
};

static void reply_containers(void *arg, struct usage_entry *v, size_t n)
{
	struct containers_request *q = arg;
	struct arena mz_autoarena m = {0};
	response *r = PB_NEW(&m, response, mesos__v1__agent__response);
	r->has_type = 1;
	r->type = RESPONSE(GET_CONTAINERS);
	Mesos__V1__Agent__Response__GetContainers *g = r->get_containers = NEW(&m, GetContainers, get_containers);
	typedef Mesos__V1__Agent__Response__GetContainers__Container item;
	g->containers = (item **)pb_array(&m, n);
	for (size_t i = 0; i < n; i++) {
		item *c = PB_NEW(&m, item, mesos__v1__agent__response__get_containers__container);
		if (v[i].framework_id) {
			c->framework_id = PB_NEW(&m, Mesos__V1__FrameworkID, mesos__v1__framework_id);
			c->framework_id->value = v[i].framework_id;
			c->executor_id = PB_NEW(&m, Mesos__V1__ExecutorID, mesos__v1__executor_id);
			c->executor_id->value = v[i].executor_id;
			c->executor_name = v[i].executor_name;
		}
		c->container_id = nested_container_id(v[i].container_id, &m);
		c->container_status = &v[i].status;
		c->container_status->container_id = c->container_id;
		c->resource_statistics = v[i].statistics;
		g->containers[g->n_containers++] = c;
	}
	api_reply_message(q->x, q->out, &r->base);
	free(q);
}

/* ---- JSON: the lists of a view are written also when they are empty ---------------------- */

static void write_tasks(struct jsonw *w, const Mesos__V1__Agent__Response__GetTasks *g)
{
	jsonw_key(w, "get_tasks");
	jsonw_object(w);
	API_LIST(w, g, pending_tasks);
	API_LIST(w, g, queued_tasks);
	API_LIST(w, g, launched_tasks);
	API_LIST(w, g, terminated_tasks);
	API_LIST(w, g, completed_tasks);
	jsonw_end(w);
}

static void write_executors(struct jsonw *w, const Mesos__V1__Agent__Response__GetExecutors *g)
{
	jsonw_key(w, "get_executors");
	jsonw_object(w);
	API_LIST(w, g, executors);
	API_LIST(w, g, completed_executors);
	jsonw_end(w);
}

static void write_frameworks(struct jsonw *w, const Mesos__V1__Agent__Response__GetFrameworks *g)
{
	jsonw_key(w, "get_frameworks");
	jsonw_object(w);
	API_LIST(w, g, frameworks);
	API_LIST(w, g, completed_frameworks);
	jsonw_end(w);
}

static void reply_json(struct http_exchange *x, const response *r)
{
	struct buf mz_autobuf b = {0};
	struct jsonw w = {.out = &b};
	jsonw_object(&w);
	jsonw_kstring(&w, "type", pb_enum_name(&mesos__v1__agent__response__type__descriptor, (int)r->type));
	if (r->get_tasks)
		write_tasks(&w, r->get_tasks);
	if (r->get_executors)
		write_executors(&w, r->get_executors);
	if (r->get_frameworks)
		write_frameworks(&w, r->get_frameworks);
	if (r->get_state) {
		jsonw_key(&w, "get_state");
		jsonw_object(&w);
		write_tasks(&w, r->get_state->get_tasks);
		write_executors(&w, r->get_state->get_executors);
		write_frameworks(&w, r->get_state->get_frameworks);
		jsonw_end(&w);
	}
	jsonw_end(&w);
	http_reply(x, 200, "application/json", b.data, b.len);
}

static void reply(struct http_exchange *x, enum codec out, const response *r)
{
	if (out == CODEC_JSON && (r->get_tasks || r->get_executors || r->get_frameworks || r->get_state))
		reply_json(x, r);
	else
		api_reply_message(x, out, &r->base);
}

/* Of a call whose body is here: how it may be answered. False: answered. */
static bool check_media(const struct http_request *req, const call_msg *c, struct http_exchange *x,
			struct api_media *ret)
{
	const char *name = c->has_type ? pb_enum_name(&mesos__v1__agent__call__type__descriptor, (int)c->type) : NULL;
	if (http_header(req, "Message-Content-Type"))
		http_reply_text(x, 415, "Expecting 'Message-Content-Type' to be not set for non-streaming requests");
	else if (!c->has_type)
		http_reply_text(x, 400, "Failed to validate call: Expecting 'type' to be present");
	else if (!api_accept_media(req, x, ret))
		return false;
	else if (c->type == CALL(ATTACH_CONTAINER_INPUT))
		http_reply_text(x, 415, "Expecting 'Content-Type' to be application/recordio for %s call", name);
	else if (ret->recordio && c->type != CALL(ATTACH_CONTAINER_OUTPUT) &&
		 c->type != CALL(LAUNCH_NESTED_CONTAINER_SESSION))
		http_reply_text(x, 406, "Streaming response is not supported for %s call", name ? name : "UNKNOWN");
	else
		return true;
	return false;
}

static void get_containers(struct agent *a, const call_msg *c, const char *who, enum codec out, struct http_exchange *x)
{
	struct containers_request *q = xnew(struct containers_request);
	q->x = x;
	q->out = out;
	const Mesos__V1__Agent__Call__GetContainers *g = c->get_containers;
	unsigned which = g && g->has_show_nested && g->show_nested ? USAGE_NESTED : 0;
	if (g && g->has_show_standalone && g->show_standalone)
		which |= USAGE_STANDALONE;
	usage_gather(a, which, who, reply_containers, q);
}

/* What executors may call for: the life of containers inside containers. */
static bool is_of_executors(const call_msg *c)
{
	const Mesos__V1__ContainerID *id;
	const char *member;
	return c->type != CALL(ATTACH_CONTAINER_OUTPUT) && agent_api_container_of(c, &member, &id) && id && id->parent;
}

static void serve(struct agent *a, const struct http_request *req, bool executors_only, struct http_exchange *x)
{
	struct arena mz_autoarena m = {0};
	struct api_media out;
	enum codec in;
	if (req->streamed && !executors_only) {
		agent_api_attach_input(a, req, x);
		return;
	}
	call_msg *c = (call_msg *)api_decode_call(req, x, &mesos__v1__agent__call__descriptor, &m, &in);
	if (!c || !check_media(req, c, x, &out))
		return;
	if (executors_only && !is_of_executors(c)) {
		http_reply_text(x, 403, "Only executors' calls about nested containers are served here");
		return;
	}
	if (c->type == CALL(GET_CONTAINERS)) {
		get_containers(a, c, req->principal, out.codec, x);
		return;
	}
	if (agent_api_nested(a, c, req->principal, out, x))
		return;
	for (size_t i = 0; i < MZ_N(reads); i++) {
		if (reads[i].call != (int)c->type)
			continue;
		if (c->type == CALL(GET_FLAGS) && !authz_see_flags(a, req->principal)) {
			http_reply(x, 403, NULL, NULL, 0);
			return;
		}
		response *r = PB_NEW(&m, response, mesos__v1__agent__response);
		r->has_type = 1;
		r->type = (Mesos__V1__Agent__Response__Type)reads[i].response;
		reads[i].fn(a, r, &m, req->principal);
		reply(x, out.codec, r);
		return;
	}
	const char *name = pb_enum_name(&mesos__v1__agent__call__type__descriptor, (int)c->type);
	http_reply_text(x, 501, "Call '%s' is not available on this agent", name ? name : "UNKNOWN");
}

void agent_api_operator(void *arg, const struct http_request *req, struct http_exchange *x)
{
	serve(arg, req, false, x);
}

void agent_api_containers_of_executors(void *arg, const struct http_request *req, struct http_exchange *x)
{
	serve(arg, req, true, x);
}
