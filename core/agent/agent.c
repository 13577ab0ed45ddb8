/* agent.c - making, freeing and stopping the agent. What it does is in the
 * other files of this folder, one subject each.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "agent/gc.h"
#include "agent/nested.h"

static const Mesos__V1__AgentInfo__Capability__Type capabilities[] = {
	MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__MULTI_ROLE,
	MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__HIERARCHICAL_ROLE,
	MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT,
	MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__TASK_RESOURCE_LIMITS,
};

/* The AgentInfo that the master and the tools see; the id comes later. */
static void make_info(struct agent *a)
{
	struct arena *m = &a->arena;
	Mesos__V1__AgentInfo *info = PB_NEW(m, Mesos__V1__AgentInfo, mesos__v1__agent_info);
	info->hostname = arena_strdup(m, a->cfg.hostname);
	info->has_port = 1;
	info->port = a->cfg.port;
	info->n_resources = res_to_pb(a->total, RES_FORMAT_POST, false, m, &info->resources);
	info->n_attributes = a->cfg.n_attributes;
	info->attributes = (Mesos__V1__Attribute **)pb_array(m, a->cfg.n_attributes);
	for (size_t i = 0; i < a->cfg.n_attributes; i++)
		info->attributes[i] = (Mesos__V1__Attribute *)pb_copy(&a->cfg.attributes[i]->base, m);
	a->info = info;
}

int agent_new(const struct agent_config *cfg, const struct agent_deps *deps, struct agent **ret, struct mz_err *err)
{
	if (!cfg->ip || !cfg->hostname || !cfg->work_dir || !cfg->total)
		return mz_fail(err, -EINVAL, "An agent needs an address, a work directory and resources");
	struct agent *a = xnew(struct agent);
	a->cfg = *cfg;
	a->deps = *deps;
	a->loop = deps->loop;
	struct arena *m = &a->arena;
	a->cfg.ip = arena_strdup(m, cfg->ip);
	a->cfg.hostname = arena_strdup(m, cfg->hostname);
	a->cfg.work_dir = arena_strdup(m, cfg->work_dir);
	a->cfg.executor_path = arena_strdup(m, cfg->executor_path);
	a->cfg.module_dir = arena_strdup(m, cfg->module_dir);
	a->cfg.launcher_dir = arena_strdup(m, cfg->launcher_dir);
	a->cfg.domain_socket = cfg->domain_socket ? arena_strdup(m, cfg->domain_socket) : NULL;
	a->cfg.boot_id = arena_strdup(m, cfg->boot_id);
	a->cfg.version = arena_strdup(m, cfg->version);
	a->cfg.mezzo_version = arena_strdup(m, cfg->mezzo_version);
	a->total = res_copy(cfg->total);
	make_info(a);
	a->cfg.total = a->total;
	a->cfg.attributes = (const Mesos__V1__Attribute *const *)a->info->attributes;
	mz_autofree char *at = str_address(cfg->ip, cfg->port);
	a->pid = xasprintf("slave(1)@%s", at);
	a->start_time = loop_wall_secs(a->loop);
	a->start_ns = loop_now(a->loop);
	a->register_backoff_ns = cfg->registration_backoff_ns;
	list_init(&a->gc);
	list_init(&a->launches);
	list_init(&a->nested_list);
	list_init(&a->executor_waiters);
	list_init(&a->questions);
	list_init(&a->attached);
	list_init(&a->gathers);
	if (deps->authorizer)
		module_as_authorizer(deps->authorizer, &a->authz);
	deps->containers->on_exited = on_container_exited;
	deps->containers->arg = a;
	agent_api_routes(a);
	*ret = a;
	return 0;
}

const char *agent_id(const struct agent *a)
{
	return a->id;
}

void agent_fatal(struct agent *a, const char *fmt, ...)
{
	char why[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	a->stopping = true;
	if (a->deps.on_fatal)
		a->deps.on_fatal(a->deps.arg, why);
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	a->stopping = true;
	agent_api_unroute(a);
	agent_set_master(a, NULL);
	loop_timer_cancel(a->loop, a->recover_timer);
	agent_launches_done(a);
	authorize_drop(&a->questions, true);
	agent_attached_done(a);
	agent_gathers_done(a);
	nested_done(a);
	gc_done(a);
	map_each(&a->frameworks, e)
		agent_framework_free(e->value);
	map_done(&a->frameworks);
	for (size_t i = 0; i < a->completed_frameworks.n; i++)
		agent_framework_free(a->completed_frameworks.v[i]);
	vec_done(&a->completed_frameworks);
	map_done(&a->containers);
	store_forget(a->deps.store, a);
	res_free(a->total);
	free(a->ending);
	free(a->pid);
	free(a->id);
	free(a->master);
	free(a->master_hostname);
	arena_done(&a->arena);
	free(a);
}

size_t agent_capabilities(struct arena *m, Mesos__V1__AgentInfo__Capability ***ret)
{
	*ret = (Mesos__V1__AgentInfo__Capability **)pb_array(m, MZ_N(capabilities));
	for (size_t i = 0; i < MZ_N(capabilities); i++) {
		Mesos__V1__AgentInfo__Capability *c =
			PB_NEW(m, Mesos__V1__AgentInfo__Capability, mesos__v1__agent_info__capability);
		c->has_type = 1;
		c->type = capabilities[i];
		(*ret)[i] = c;
	}
	return MZ_N(capabilities);
}
