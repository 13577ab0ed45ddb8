/* state.c - GET /state, and the small plain endpoints: /health, /version, /flags,
 * /metrics/snapshot.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/api/api.h"
#include "model/views.h"
#include "wire/api.h"

static void write_task(struct jsonw *w, const struct task *t)
{
	struct arena mz_autoarena m = {0};
	const Mesos__V1__TaskInfo *info = agent_task_info(t, &m);
	struct view_task v = {
		.id = t->id,
		.name = t->name,
		.framework_id = t->framework->id,
		.executor_id = t->executor->command ? "" : t->executor->id,
		.agent_id = t->framework->agent->id,
		.state = t->state,
		.resources = t->resources,
		.info = info,
		.user = info && info->command ? info->command->user : NULL,
		.statuses = t->statuses.v,
		.n_statuses = t->statuses.n,
	};
	view_task(w, &v);
}

/* Those in `v` that are queued, or not. */
static void write_tasks(struct jsonw *w, struct task *const *v, size_t n, bool queued, const char *who)
{
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		if (agent_task_is_queued(v[i]) == queued && authz_see_task(v[i], who))
			write_task(w, v[i]);
	jsonw_end(w);
}

static void write_executor(struct jsonw *w, const struct executor *ex, const char *who)
{
	if (!authz_see_executor(ex, who))
		return;
	resources *r = agent_executor_resources(ex);
	jsonw_object(w);
	jsonw_kstring(w, "id", ex->id);
	jsonw_kstring(w, "name", ex->info->name ? ex->info->name : "");
	jsonw_kstring(w, "source", ex->info->source ? ex->info->source : "");
	jsonw_kstring(w, "container", ex->container_id);
	jsonw_kstring(w, "directory", ex->directory);
	jsonw_key(w, "resources");
	view_resources(w, r);
	const char *role = res_allocation_role(r);
	if (role)
		jsonw_kstring(w, "role", role);
	if (ex->info->has_type)
		jsonw_kstring(w, "type", pb_enum_name(&mesos__v1__executor_info__type__descriptor, ex->info->type));
	if (ex->info->labels) {
		jsonw_key(w, "labels");
		view_labels(w, ex->info->labels);
	}
	jsonw_key(w, "tasks");
	write_tasks(w, ex->tasks.v, ex->tasks.n, false, who);
	jsonw_key(w, "queued_tasks");
	write_tasks(w, ex->tasks.v, ex->tasks.n, true, who);
	jsonw_key(w, "completed_tasks");
	write_tasks(w, ex->completed_tasks.v, ex->completed_tasks.n, false, who);
	jsonw_end(w);
	res_free(r);
}

static void write_framework(struct jsonw *w, const struct framework *f, const char *who)
{
	if (!authz_see_framework(f, who))
		return;
	struct arena mz_autoarena m = {0};
	const char **roles;
	size_t n_roles = framework_roles(f->info, &m, &roles);
	jsonw_object(w);
	jsonw_kstring(w, "id", f->id);
	jsonw_kstring(w, "name", f->info->name);
	jsonw_kstring(w, "user", f->info->user);
	jsonw_kdouble(w, "failover_timeout", f->info->failover_timeout);
	jsonw_kbool(w, "checkpoint", f->info->checkpoint);
	jsonw_kstring(w, "hostname", f->info->hostname ? f->info->hostname : "");
	if (f->info->principal)
		jsonw_kstring(w, "principal", f->info->principal);
	if (f->capabilities & (1u << MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE)) {
		jsonw_key(w, "roles");
		jsonw_array(w);
		for (size_t i = 0; i < n_roles; i++)
			jsonw_string(w, roles[i]);
		jsonw_end(w);
	} else {
		jsonw_kstring(w, "role", n_roles ? roles[0] : "*");
	}
	jsonw_key(w, "executors");
	jsonw_array(w);
	map_each(&f->executors, e)
		write_executor(w, e->value, who);
	for (size_t i = 0; i < f->ended_executors.n; i++)
		write_executor(w, f->ended_executors.v[i], who);
	jsonw_end(w);
	jsonw_key(w, "completed_executors");
	jsonw_array(w);
	for (size_t i = 0; i < f->completed_executors.n; i++)
		write_executor(w, f->completed_executors.v[i], who);
	jsonw_end(w);
	jsonw_end(w);
}

static void write_flags(struct jsonw *w, const struct agent *a)
{
	jsonw_object(w);
	for (size_t i = 0; i < a->cfg.n_flags; i++)
		jsonw_kstring(w, a->cfg.flags[i].name, a->cfg.flags[i].value);
	jsonw_end(w);
}

static void write_capabilities(struct jsonw *w)
{
	struct arena mz_autoarena m = {0};
	Mesos__V1__AgentInfo__Capability **v;
	size_t n = agent_capabilities(&m, &v);
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		jsonw_string(w, pb_enum_name(&mesos__v1__agent_info__capability__type__descriptor, v[i]->type));
	jsonw_end(w);
}

resources *agent_used(struct agent *a)
{
	resources *used = res_new();
	map_each(&a->containers, e) {
		resources *r = agent_executor_resources(e->value);
		res_add(used, r);
		res_free(r);
	}
	return used;
}

static void write_all_resources(struct jsonw *w, struct agent *a)
{
	resources *unreserved = res_new(), *used = agent_used(a), *used_unreserved = res_new();
	resources *plain = res_unallocate(used);
	res_add_filtered(unreserved, a->total, RES_UNRESERVED);
	res_add_filtered(used_unreserved, plain, RES_UNRESERVED);
	jsonw_key(w, "resources");
	view_resources(w, a->total);
	jsonw_key(w, "reserved_resources");
	view_reserved(w, a->total);
	jsonw_key(w, "unreserved_resources");
	view_resources(w, unreserved);
	jsonw_key(w, "reserved_resources_full");
	view_reserved_full(w, a->total);
	jsonw_key(w, "unreserved_resources_full");
	view_resources_full(w, unreserved);
	jsonw_key(w, "reserved_resources_allocated");
	view_reserved(w, plain);
	jsonw_key(w, "unreserved_resources_allocated");
	view_resources(w, used_unreserved);
	res_free(unreserved);
	res_free(used);
	res_free(plain);
	res_free(used_unreserved);
}

static void write_version(struct jsonw *w, const struct agent *a)
{
	jsonw_kstring(w, "version", a->cfg.version);
	jsonw_kstring(w, "build_date", a->cfg.build_date ? a->cfg.build_date : "");
	jsonw_kdouble(w, "build_time", a->cfg.build_time);
	jsonw_kstring(w, "build_user", "");
	jsonw_kstring(w, "mezzo_version", a->cfg.mezzo_version ? a->cfg.mezzo_version : "");
}

void agent_api_state(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct agent *a = arg;
	struct buf mz_autobuf b = {0};
	struct jsonw w = {.out = &b};
	jsonw_object(&w);
	write_version(&w, a);
	jsonw_kdouble(&w, "start_time", a->start_time);
	jsonw_kstring(&w, "id", a->id ? a->id : "");
	jsonw_kstring(&w, "pid", a->pid);
	jsonw_kstring(&w, "hostname", a->cfg.hostname);
	jsonw_key(&w, "capabilities");
	write_capabilities(&w);
	write_all_resources(&w, a);
	jsonw_key(&w, "resource_providers");
	jsonw_array(&w);
	jsonw_end(&w);
	jsonw_key(&w, "attributes");
	view_attributes(&w, a->info->attributes, a->info->n_attributes);
	if (a->master_hostname)
		jsonw_kstring(&w, "master_hostname", a->master_hostname);
	if (authz_see_flags(a, r->principal)) {
		jsonw_key(&w, "flags");
		write_flags(&w, a);
	}
	jsonw_key(&w, "frameworks");
	jsonw_array(&w);
	map_each(&a->frameworks, e)
		write_framework(&w, e->value, r->principal);
	jsonw_end(&w);
	jsonw_key(&w, "completed_frameworks");
	jsonw_array(&w);
	for (size_t i = 0; i < a->completed_frameworks.n; i++)
		write_framework(&w, a->completed_frameworks.v[i], r->principal);
	jsonw_end(&w);
	jsonw_end(&w);
	api_reply_json(r, x, &b);
}

void agent_api_health(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	(void)r;
	http_reply(x, 200, NULL, NULL, 0);
}

void agent_api_version(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct buf mz_autobuf b = {0};
	struct jsonw w = {.out = &b};
	jsonw_object(&w);
	write_version(&w, arg);
	jsonw_end(&w);
	api_reply_json(r, x, &b);
}

void agent_api_flags(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct buf mz_autobuf b = {0};
	struct jsonw w = {.out = &b};
	if (!authz_see_flags(arg, r->principal)) {
		http_reply(x, 403, NULL, NULL, 0);
		return;
	}
	jsonw_object(&w);
	jsonw_key(&w, "flags");
	write_flags(&w, arg);
	jsonw_end(&w);
	api_reply_json(r, x, &b);
}

struct sorted {
	VEC(struct { char *name; double value; }) v;
};

static void on_metric(void *arg, const char *name, double value)
{
	struct sorted *s = arg;
	__typeof__(*s->v.v) m = {xstrdup(name), value};
	vec_push(&s->v, m);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b); /* name is the first member */
}

void agent_api_metrics(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct sorted s = {0};
	if (!authz_get(arg, "/metrics/snapshot", r, x))
		return;
	agent_metrics_each(arg, on_metric, &s);
	qsort(s.v.v, s.v.n, sizeof(s.v.v[0]), by_name);
	struct buf mz_autobuf b = {0};
	struct jsonw w = {.out = &b};
	jsonw_object(&w);
	for (size_t i = 0; i < s.v.n; i++) {
		jsonw_kdouble(&w, s.v.v[i].name, s.v.v[i].value);
		free(s.v.v[i].name);
	}
	jsonw_end(&w);
	vec_done(&s.v);
	api_reply_json(r, x, &b);
}
