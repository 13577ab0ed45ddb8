/* state.c - /state, /frameworks, /slaves: the whole model in one pass.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/api/api.h"

static void show_version(struct jsonw *w, struct master *m)
{
	jsonw_kstring(w, "version", MASTER_API_VERSION);
	jsonw_kstring(w, "mezzo_version", m->cfg.version);
	jsonw_kstring(w, "build_date", m->cfg.build_date);
	jsonw_kdouble(w, "build_time", m->cfg.build_time);
	jsonw_kstring(w, "build_user", m->cfg.build_user);
}

static void show_frameworks(struct jsonw *w, const struct api_request *q, const char *only)
{
	struct master *m = q->m;
	jsonw_key(w, "frameworks");
	jsonw_array(w);
	map_each(&m->frameworks, e) {
		struct framework *f = e->value;
		if ((!only || str_eq(only, f->id)) && authz_view_framework(m, q->r->principal, f))
			show_framework(w, f, q->r->principal);
	}
	jsonw_end(w);
	jsonw_key(w, "completed_frameworks");
	jsonw_array(w);
	list_each(&m->completed, struct framework, in_history, f)
		if ((!only || str_eq(only, f->id)) && authz_view_framework(m, q->r->principal, f))
			show_framework(w, f, q->r->principal);
	jsonw_end(w);
}

static void show_empty(struct jsonw *w, const char *key)
{
	jsonw_key(w, key);
	jsonw_array(w);
	jsonw_end(w);
}

/* ---- agents ------------------------------------------------------------------ */

static void show_full(struct jsonw *w, const struct agent *a)
{
	jsonw_key(w, "reserved_resources_full");
	view_reserved_full(w, a->total);
	resources *unreserved = res_new();
	res_add_filtered(unreserved, a->total, RES_UNRESERVED);
	jsonw_key(w, "unreserved_resources_full");
	view_resources_full(w, unreserved);
	res_free(unreserved);
	jsonw_key(w, "used_resources_full");
	view_resources_full(w, a->used);
	jsonw_key(w, "offered_resources_full");
	view_resources_full(w, a->offered);
}

static void show_agents(struct jsonw *w, struct master *m, bool full, const char *only)
{
	jsonw_key(w, "slaves");
	jsonw_array(w);
	map_each(&m->agents, e) {
		const struct agent *a = e->value;
		if (only && !str_eq(only, a->id))
			continue;
		jsonw_object(w);
		show_agent_head(w, a);
		if (full)
			show_full(w, a);
		jsonw_end(w);
	}
	jsonw_end(w);
	jsonw_key(w, "recovered_slaves");
	jsonw_array(w);
	map_each(&m->recovered, e) {
		const struct agent *a = e->value;
		if (only && !str_eq(only, a->id))
			continue;
		jsonw_object(w);
		jsonw_kstring(w, "id", a->id);
		jsonw_kstring(w, "hostname", a->info->hostname);
		jsonw_kint(w, "port", a->info->port);
		jsonw_key(w, "attributes");
		view_attributes(w, a->info->attributes, a->info->n_attributes);
		jsonw_key(w, "resources");
		view_resources(w, a->total);
		jsonw_end(w);
	}
	jsonw_end(w);
}

/* ---- /state --------------------------------------------------------------------- */

static void show_leader(struct jsonw *w, struct master *m)
{
	jsonw_kstring(w, "leader", m->info->pid);
	jsonw_key(w, "leader_info");
	jsonw_object(w);
	jsonw_kstring(w, "id", m->id);
	jsonw_kstring(w, "pid", m->info->pid);
	jsonw_kint(w, "port", m->cfg.port);
	jsonw_kstring(w, "hostname", m->cfg.hostname);
	jsonw_end(w);
}

static void show_self(struct jsonw *w, struct master *m)
{
	size_t active = 0;
	map_each(&m->agents, e) {
		const struct agent *a = e->value;
		active += agent_connected(a) && !a->deactivated;
	}
	jsonw_kdouble(w, "start_time", m->start_time);
	jsonw_kdouble(w, "elected_time", m->elected_time);
	jsonw_kstring(w, "id", m->id);
	jsonw_kstring(w, "pid", m->info->pid);
	jsonw_kstring(w, "hostname", m->cfg.hostname);
	jsonw_key(w, "capabilities");
	jsonw_array(w);
	for (size_t i = 0; i < m->info->n_capabilities; i++)
		jsonw_string(w, pb_enum_name(&mesos__v1__master_info__capability__type__descriptor,
					     (int)m->info->capabilities[i]->type));
	jsonw_end(w);
	jsonw_kdouble(w, "activated_slaves", (double)active);
	jsonw_kdouble(w, "deactivated_slaves", (double)(m->agents.n - active));
	jsonw_kdouble(w, "unreachable_slaves", (double)m->unreachable.n);
	if (m->info->domain) {
		jsonw_key(w, "domain");
		jsonw_message(w, &m->info->domain->base);
	}
	show_leader(w, m);
	if (m->cfg.cluster)
		jsonw_kstring(w, "cluster", m->cfg.cluster);
}

void api_state(const struct api_request *q)
{
	struct buf out = {0};
	struct jsonw w = {.out = &out};
	struct mz_object o = {.size = sizeof(o)};
	jsonw_object(&w);
	show_version(&w, q->m);
	show_self(&w, q->m);
	if (authz_view(q->m, MZ_ACTION_VIEW_FLAGS, q->r->principal, &o))
		show_flags(&w, q->m);
	show_agents(&w, q->m, false, NULL);
	show_frameworks(&w, q, NULL);
	show_empty(&w, "orphan_tasks");
	show_empty(&w, "unregistered_frameworks");
	jsonw_end(&w);
	api_answer(q, &out);
}

void api_slaves(const struct api_request *q)
{
	struct buf out = {0};
	struct jsonw w = {.out = &out};
	mz_autofree char *only = http_query(q->r, "slave_id");
	jsonw_object(&w);
	show_agents(&w, q->m, true, only);
	jsonw_end(&w);
	api_answer(q, &out);
}

void api_frameworks(const struct api_request *q)
{
	struct buf out = {0};
	struct jsonw w = {.out = &out};
	mz_autofree char *only = http_query(q->r, "framework_id");
	jsonw_object(&w);
	show_frameworks(&w, q, only);
	show_empty(&w, "unregistered_frameworks");
	jsonw_end(&w);
	api_answer(q, &out);
}

/* ---- small ones ---------------------------------------------------------------------- */

void api_health(const struct api_request *q)
{
	http_reply(q->x, 200, NULL, NULL, 0);
}

void api_version(const struct api_request *q)
{
	struct buf out = {0};
	struct jsonw w = {.out = &out};
	jsonw_object(&w);
	show_version(&w, q->m);
	jsonw_end(&w);
	api_answer(q, &out);
}

void api_flags(const struct api_request *q)
{
	struct mz_object o = {.size = sizeof(o)};
	if (!authz_view(q->m, MZ_ACTION_VIEW_FLAGS, q->r->principal, &o)) {
		http_reply_text(q->x, 403, "Not authorized to see the flags");
		return;
	}
	struct buf out = {0};
	struct jsonw w = {.out = &out};
	jsonw_object(&w);
	show_flags(&w, q->m);
	jsonw_end(&w);
	api_answer(q, &out);
}

void api_metrics(const struct api_request *q)
{
	struct buf out = {0};
	struct jsonw w = {.out = &out};
	struct metric_list l = {0};
	metrics_collect(q->m, &l);
	jsonw_object(&w);
	for (size_t i = 0; i < l.v.n; i++)
		jsonw_kdouble(&w, l.v.v[i].name, l.v.v[i].value);
	jsonw_end(&w);
	metric_list_done(&l);
	api_answer(q, &out);
}
