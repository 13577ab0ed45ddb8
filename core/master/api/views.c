/* views.c - tasks, frameworks and agents in the form of the read endpoints.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/api/api.h"

bool may_see_task(const struct framework *f, const struct task *t, const char *principal)
{
	struct mz_object o = {
		.size = sizeof(o),
		.value = f->info->user,
		.user = f->info->user,
		.framework_id = f->id,
		.framework_name = f->info->name,
		.framework_principal = f->info->principal,
		.role = t->role,
		.task_id = t->id,
	};
	return authz_view(f->m, MZ_ACTION_VIEW_TASK, principal, &o);
}

bool may_see_executor(const struct framework *f, const struct executor *e, const char *principal)
{
	struct mz_object o = {
		.size = sizeof(o),
		.value = f->info->user,
		.user = f->info->user,
		.framework_id = f->id,
		.framework_name = f->info->name,
		.framework_principal = f->info->principal,
		.role = e->role,
		.executor_id = e->id,
	};
	return authz_view(f->m, MZ_ACTION_VIEW_EXECUTOR, principal, &o);
}

static void optional_message(struct jsonw *w, const char *key, const pb_msg *m)
{
	if (!m)
		return;
	jsonw_key(w, key);
	jsonw_message(w, m);
}

void show_task(struct jsonw *w, const struct task *t)
{
	mz_autoarena struct arena arena = {0};
	pb_task *p = task_show(t, &arena);
	jsonw_object(w);
	jsonw_kstring(w, "id", t->id);
	jsonw_kstring(w, "name", p->name);
	jsonw_kstring(w, "framework_id", t->framework->id);
	jsonw_kstring(w, "executor_id", t->executor_id ? t->executor_id : "");
	jsonw_kstring(w, "slave_id", t->agent_id);
	jsonw_kstring(w, "state", task_state_name((task_state)t->state));
	jsonw_key(w, "resources");
	view_resources(w, t->res);
	if (p->n_limits) {
		jsonw_key(w, "limits");
		jsonw_object(w);
		for (size_t i = 0; i < p->n_limits; i++)
			jsonw_kdouble(w, p->limits[i]->key, p->limits[i]->value->value);
		jsonw_end(w);
	}
	jsonw_kstring(w, "role", t->role);
	jsonw_key(w, "statuses");
	jsonw_array(w);
	for (size_t i = 0; i < p->n_statuses; i++)
		view_status(w, p->statuses[i]);
	jsonw_end(w);
	if (p->user)
		jsonw_kstring(w, "user", p->user);
	if (p->labels) {
		jsonw_key(w, "labels");
		view_labels(w, p->labels);
	}
	optional_message(w, "discovery", p->discovery ? &p->discovery->base : NULL);
	optional_message(w, "container", p->container ? &p->container->base : NULL);
	optional_message(w, "health_check", p->health_check ? &p->health_check->base : NULL);
	jsonw_end(w);
}

static void show_capabilities(struct jsonw *w, const pb_framework_info *info)
{
	jsonw_key(w, "capabilities");
	jsonw_array(w);
	for (size_t i = 0; i < info->n_capabilities; i++) {
		const char *name = pb_enum_name(&mesos__v1__framework_info__capability__type__descriptor,
						(int)info->capabilities[i]->type);
		jsonw_string(w, name ? name : "UNKNOWN");
	}
	jsonw_end(w);
}

void show_framework_head(struct jsonw *w, const struct framework *f)
{
	jsonw_kstring(w, "id", f->id);
	jsonw_kstring(w, "name", f->info->name);
	jsonw_key(w, "used_resources");
	resources *used = framework_used(f), *offered = framework_offered(f);
	view_resources(w, used);
	jsonw_key(w, "offered_resources");
	view_resources(w, offered);
	res_free(used);
	res_free(offered);
	show_capabilities(w, f->info);
	jsonw_kstring(w, "hostname", f->info->hostname ? f->info->hostname : "");
	jsonw_kstring(w, "webui_url", f->info->webui_url ? f->info->webui_url : "");
	jsonw_kbool(w, "active", f->state == MASTER_FRAMEWORK_CONNECTED);
	jsonw_kbool(w, "connected", f->state == MASTER_FRAMEWORK_CONNECTED);
	jsonw_kbool(w, "recovered", f->state == MASTER_FRAMEWORK_RECOVERED);
}

static void show_command(struct jsonw *w, const Mesos__V1__CommandInfo *c)
{
	jsonw_key(w, "command");
	jsonw_object(w);
	if (c && c->has_shell)
		jsonw_kbool(w, "shell", c->shell);
	if (c && c->value)
		jsonw_kstring(w, "value", c->value);
	jsonw_key(w, "argv");
	jsonw_array(w);
	for (size_t i = 0; c && i < c->n_arguments; i++)
		jsonw_string(w, c->arguments[i]);
	jsonw_end(w);
	optional_message(w, "environment", c && c->environment ? &c->environment->base : NULL);
	jsonw_key(w, "uris");
	jsonw_array(w);
	for (size_t i = 0; c && i < c->n_uris; i++)
		jsonw_message(w, &c->uris[i]->base);
	jsonw_end(w);
	jsonw_end(w);
}

static void show_executor(struct jsonw *w, const struct executor *e)
{
	mz_autoarena struct arena arena = {0};
	pb_executor_info *info = executor_show(e, &arena);
	jsonw_object(w);
	jsonw_kstring(w, "executor_id", e->id);
	jsonw_kstring(w, "name", info->name ? info->name : "");
	jsonw_kstring(w, "framework_id", e->framework->id);
	show_command(w, info->command);
	jsonw_key(w, "resources");
	view_resources(w, e->res);
	jsonw_kstring(w, "role", e->role);
	if (info->has_type)
		jsonw_kstring(w, "type",
			      pb_enum_name(&mesos__v1__executor_info__type__descriptor, (int)info->type));
	if (info->labels) {
		jsonw_key(w, "labels");
		view_labels(w, info->labels);
	}
	jsonw_kstring(w, "slave_id", e->agent->id);
	jsonw_end(w);
}

static void show_offers(struct jsonw *w, const struct framework *f)
{
	jsonw_key(w, "offers");
	jsonw_array(w);
	list_each(&f->offers, struct offer, in_framework, o) {
		jsonw_object(w);
		jsonw_kstring(w, "id", o->id);
		jsonw_kstring(w, "framework_id", f->id);
		jsonw_key(w, "allocation_info");
		jsonw_object(w);
		jsonw_kstring(w, "role", o->role);
		jsonw_end(w);
		jsonw_kstring(w, "slave_id", o->agent->id);
		jsonw_key(w, "resources");
		view_resources(w, o->res);
		jsonw_end(w);
	}
	jsonw_end(w);
}

static void show_task_maps(struct jsonw *w, const struct framework *f, const char *principal)
{
	const struct {
		const char *key;
		const struct map *map;
	} maps[] = {{"tasks", &f->tasks}, {"unreachable_tasks", &f->unreachable}};
	for (size_t i = 0; i < MZ_N(maps); i++) {
		jsonw_key(w, maps[i].key);
		jsonw_array(w);
		map_each(maps[i].map, e)
			if (may_see_task(f, e->value, principal))
				show_task(w, e->value);
		jsonw_end(w);
	}
	jsonw_key(w, "completed_tasks");
	jsonw_array(w);
	list_each(&f->completed, struct task, in_history, t)
		if (may_see_task(f, t, principal))
			show_task(w, t);
	jsonw_end(w);
}

static void show_roles(struct jsonw *w, const struct framework *f)
{
	if (!framework_has(f, MZ_FW_MULTI_ROLE)) {
		jsonw_kstring(w, "role", f->n_roles ? f->roles[0] : "*");
		return;
	}
	jsonw_key(w, "roles");
	jsonw_array(w);
	for (size_t i = 0; i < f->n_roles; i++)
		jsonw_string(w, f->roles[i]);
	jsonw_end(w);
}

void show_framework(struct jsonw *w, const struct framework *f, const char *principal)
{
	jsonw_object(w);
	show_framework_head(w, f);
	jsonw_kstring(w, "user", f->info->user);
	jsonw_kdouble(w, "failover_timeout", f->info->has_failover_timeout ? f->info->failover_timeout : 0);
	jsonw_kbool(w, "checkpoint", f->info->checkpoint);
	jsonw_kdouble(w, "registered_time", f->registered_time);
	jsonw_kdouble(w, "unregistered_time", f->unregistered_time);
	if (f->info->principal)
		jsonw_kstring(w, "principal", f->info->principal);
	jsonw_key(w, "resources");
	resources *both = framework_used(f), *offered = framework_offered(f);
	res_add(both, offered);
	view_resources(w, both);
	res_free(both);
	res_free(offered);
	if (f->reregistered_time > f->registered_time)
		jsonw_kdouble(w, "reregistered_time", f->reregistered_time);
	show_roles(w, f);
	show_task_maps(w, f, principal);
	show_offers(w, f);
	jsonw_key(w, "executors");
	jsonw_array(w);
	list_each(&f->executors, struct executor, in_framework, e)
		if (may_see_executor(f, e, principal))
			show_executor(w, e);
	jsonw_end(w);
	if (f->info->labels) {
		jsonw_key(w, "labels");
		view_labels(w, f->info->labels);
	}
	jsonw_key(w, "offer_constraints");
	if (f->constraints) {
		jsonw_message(w, &constraints_message(f->constraints)->base);
	} else {
		jsonw_object(w);
		jsonw_end(w);
	}
	show_refused(w, f);
	jsonw_end(w);
}

void show_agent_head(struct jsonw *w, const struct agent *a)
{
	jsonw_kstring(w, "id", a->id);
	jsonw_kstring(w, "hostname", a->info->hostname);
	jsonw_kint(w, "port", a->port);
	jsonw_key(w, "attributes");
	view_attributes(w, a->info->attributes, a->info->n_attributes);
	optional_message(w, "domain", a->info->domain ? &a->info->domain->base : NULL);
	jsonw_kstring(w, "pid", a->pid ? a->pid : "");
	jsonw_kdouble(w, "registered_time", a->registered_time);
	if (a->reregistered_time > 0)
		jsonw_kdouble(w, "reregistered_time", a->reregistered_time);
	jsonw_key(w, "resources");
	view_resources(w, a->total);
	jsonw_key(w, "used_resources");
	view_resources(w, a->used);
	jsonw_key(w, "offered_resources");
	view_resources(w, a->offered);
	jsonw_key(w, "reserved_resources");
	view_reserved(w, a->total);
	jsonw_key(w, "unreserved_resources");
	resources *free_ones = res_new();
	res_add_filtered(free_ones, a->total, RES_UNRESERVED);
	view_resources(w, free_ones);
	res_free(free_ones);
	jsonw_kbool(w, "active", agent_connected(a) && !a->deactivated);
	jsonw_kbool(w, "deactivated", a->deactivated);
	jsonw_kstring(w, "version", a->version ? a->version : "");
	jsonw_key(w, "capabilities");
	jsonw_array(w);
	for (size_t i = 0; i < a->n_caps; i++) {
		const char *name =
			pb_enum_name(&mesos__v1__agent_info__capability__type__descriptor, (int)a->caps[i]->type);
		jsonw_string(w, name ? name : "UNKNOWN");
	}
	jsonw_end(w);
}

void show_flags(struct jsonw *w, struct master *m)
{
	jsonw_key(w, "flags");
	jsonw_object(w);
	for (size_t i = 0; i < m->cfg.n_flags; i++)
		jsonw_kstring(w, m->cfg.flags[i].name, m->cfg.flags[i].value);
	jsonw_end(w);
}
