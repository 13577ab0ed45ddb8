/* views.c - see views.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/views.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

static const char *const always[] = {"disk", "mem", "gpus", "cpus"};

static bool is_always(const char *name)
{
	for (size_t i = 0; i < MZ_N(always); i++)
		if (strcmp(name, always[i]) == 0)
			return true;
	return false;
}

struct view {
	struct jsonw *w;
	const resources *r;
};

static void view_set(struct jsonw *w, const resources *r, const char *name)
{
	struct buf mz_autobuf b = {0};
	for (size_t i = 0; i < res_count(r); i++) {
		if (strcmp(res_kind(res_item(r, i).kind)->name, name) != 0)
			continue;
		const char *const *elements;
		size_t n = res_api()->elements(r, i, &elements);
		for (size_t k = 0; k < n; k++)
			buf_addf(&b, "%s%s", b.len ? ", " : "", elements[k]);
	}
	struct buf mz_autobuf text = {0};
	buf_addf(&text, "{%s}", buf_str(&b));
	jsonw_kstring(w, name, text.data);
}

static void on_name(void *arg, const char *name, int type)
{
	struct view *v = arg;
	if (type == MZ_SCALAR) {
		if (!is_always(name))
			jsonw_kdouble(v->w, name, (double)res_scalar(v->r, name) / 1000.0);
		return;
	}
	if (type == MZ_SET) {
		view_set(v->w, v->r, name);
		return;
	}
	struct buf mz_autobuf b = {0};
	if (res_format_ranges(v->r, name, &b))
		jsonw_kstring(v->w, name, buf_str(&b));
}

void view_resources(struct jsonw *w, const resources *r)
{
	resources *firm = res_new();
	res_add_filtered(firm, r, RES_NON_REVOCABLE);
	struct view v = {w, firm};
	jsonw_object(w);
	for (size_t i = 0; i < MZ_N(always); i++)
		jsonw_kdouble(w, always[i], (double)res_scalar(firm, always[i]) / 1000.0);
	res_each_name(firm, on_name, &v);
	resources *revocable = res_new();
	res_add_filtered(revocable, r, RES_REVOCABLE);
	for (size_t i = 0; i < MZ_N(always) && !res_empty(revocable); i++) {
		int64_t amount = res_scalar(revocable, always[i]);
		mz_autofree char *key = xasprintf("%s_revocable", always[i]);
		if (amount)
			jsonw_kdouble(w, key, (double)amount / 1000.0);
	}
	jsonw_end(w);
	res_free(revocable);
	res_free(firm);
}

static void on_reserved_role(void *arg, const char *role)
{
	struct view *v = arg;
	resources *r = res_new();
	res_add_reserved_for(r, v->r, role);
	jsonw_key(v->w, role);
	view_resources(v->w, r);
	res_free(r);
}

void view_reserved(struct jsonw *w, const resources *r)
{
	struct view v = {w, r};
	jsonw_object(w);
	res_each_reserved_role(r, on_reserved_role, &v);
	jsonw_end(w);
}

void view_resources_full(struct jsonw *w, const resources *r)
{
	struct arena mz_autoarena a = {0};
	Mesos__V1__Resource **v;
	size_t n = res_to_pb(r, RES_FORMAT_ENDPOINT, true, &a, &v);
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		jsonw_message(w, &v[i]->base);
	jsonw_end(w);
}

static void on_reserved_role_full(void *arg, const char *role)
{
	struct view *v = arg;
	resources *r = res_new();
	res_add_reserved_for(r, v->r, role);
	jsonw_key(v->w, role);
	view_resources_full(v->w, r);
	res_free(r);
}

void view_reserved_full(struct jsonw *w, const resources *r)
{
	struct view v = {w, r};
	jsonw_object(w);
	res_each_reserved_role(r, on_reserved_role_full, &v);
	jsonw_end(w);
}

void view_attributes(struct jsonw *w, Mesos__V1__Attribute *const *v, size_t n)
{
	jsonw_object(w);
	for (size_t i = 0; i < n; i++) {
		if (v[i]->scalar) {
			jsonw_kdouble(w, v[i]->name, v[i]->scalar->value);
		} else if (v[i]->text) {
			jsonw_kstring(w, v[i]->name, v[i]->text->value);
		} else if (v[i]->ranges) {
			struct buf mz_autobuf b = {0};
			buf_addc(&b, '[');
			for (size_t k = 0; k < v[i]->ranges->n_range; k++)
				buf_addf(&b, "%s%llu-%llu", k ? ", " : "",
					 (unsigned long long)v[i]->ranges->range[k]->begin,
					 (unsigned long long)v[i]->ranges->range[k]->end);
			buf_addc(&b, ']');
			jsonw_kstring(w, v[i]->name, b.data);
		}
	}
	jsonw_end(w);
}

void view_labels(struct jsonw *w, const Mesos__V1__Labels *l)
{
	jsonw_array(w);
	for (size_t i = 0; i < l->n_labels; i++)
		jsonw_message(w, &l->labels[i]->base);
	jsonw_end(w);
}

void view_status(struct jsonw *w, const Mesos__V1__TaskStatus *s)
{
	jsonw_object(w);
	jsonw_kstring(w, "state", task_state_name(s->state));
	jsonw_kdouble(w, "timestamp", s->timestamp);
	if (s->labels) {
		jsonw_key(w, "labels");
		view_labels(w, s->labels);
	}
	if (s->container_status) {
		jsonw_key(w, "container_status");
		Mesos__V1__ContainerStatus c = *s->container_status;
		c.has_executor_pid = 0;
		jsonw_message(w, &c.base);
	}
	if (s->has_healthy)
		jsonw_kbool(w, "healthy", s->healthy);
	jsonw_end(w);
}

void view_task(struct jsonw *w, const struct view_task *t)
{
	jsonw_object(w);
	jsonw_kstring(w, "id", t->id);
	jsonw_kstring(w, "name", t->name);
	jsonw_kstring(w, "framework_id", t->framework_id);
	jsonw_kstring(w, "executor_id", t->executor_id);
	jsonw_kstring(w, "slave_id", t->agent_id);
	jsonw_kstring(w, "state", task_state_name(t->state));
	jsonw_key(w, "resources");
	view_resources(w, t->resources);
	if (t->info && t->info->n_limits) {
		jsonw_key(w, "limits");
		jsonw_object(w);
		for (size_t i = 0; i < t->info->n_limits; i++)
			if (t->info->limits[i]->value)
				jsonw_kdouble(w, t->info->limits[i]->key, t->info->limits[i]->value->value);
		jsonw_end(w);
	}
	const char *role = res_allocation_role(t->resources);
	if (role)
		jsonw_kstring(w, "role", role);
	jsonw_key(w, "statuses");
	jsonw_array(w);
	struct arena mz_autoarena a = {0};
	for (size_t i = 0; i < t->n_statuses; i++) {
		const Mesos__V1__TaskStatus *s = (const Mesos__V1__TaskStatus *)pb_decode(
			&mesos__v1__task_status__descriptor, &a, t->statuses[i].data, t->statuses[i].size, NULL);
		if (s)
			view_status(w, s);
	}
	jsonw_end(w);
	if (t->user)
		jsonw_kstring(w, "user", t->user);
	const Mesos__V1__TaskInfo *info = t->info;
	if (info && info->labels) {
		jsonw_key(w, "labels");
		view_labels(w, info->labels);
	}
	if (info && info->discovery) {
		jsonw_key(w, "discovery");
		jsonw_message(w, &info->discovery->base);
	}
	if (info && info->container) {
		jsonw_key(w, "container");
		jsonw_message(w, &info->container->base);
	}
	if (info && info->health_check) {
		jsonw_key(w, "health_check");
		jsonw_message(w, &info->health_check->base);
	}
	jsonw_end(w);
}
