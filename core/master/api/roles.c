/* roles.c - /roles: a role exists while frameworks are in it, or something is
 * reserved for it or in use by it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/api/api.h"

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct role_sum *)a)->name, ((const struct role_sum *)b)->name);
}

static struct role_sum *role_of(struct role_list *l, struct map *index, const char *name)
{
	size_t at = (size_t)(uintptr_t)map_get(index, name);
	if (!at) {
		vec_push(&l->v, ((struct role_sum){.name = name, .allocated = res_new(), .offered = res_new(),
						   .reserved = res_new()}));
		at = l->v.n;
		map_put(index, name, (void *)(uintptr_t)at);
	}
	return &l->v.v[at - 1];
}

struct reserved_arg {
	struct role_list *l;
	struct map *index;
	const resources *total;
};

static void add_reserved(void *arg, const char *role)
{
	struct reserved_arg *r = arg;
	res_add_reserved_for(role_of(r->l, r->index, role)->reserved, r->total, role);
}

static void add_framework(struct role_list *l, struct map *index, const struct framework *f)
{
	for (size_t i = 0; i < f->n_roles; i++) {
		struct role_sum *r = role_of(l, index, f->roles[i]);
		vec_push(&r->frameworks, f);
	}
	map_each(&f->tasks, e) {
		const struct task *t = e->value;
		if (!t->freed)
			res_add(role_of(l, index, t->role)->allocated, t->res);
	}
	list_each(&f->executors, struct executor, in_framework, x)
		res_add(role_of(l, index, x->role)->allocated, x->res);
	list_each(&f->offers, struct offer, in_framework, o)
		res_add(role_of(l, index, o->role)->offered, o->res);
}

void roles_collect(struct master *m, const char *principal, struct role_list *l)
{
	struct map index = {0};
	map_each(&m->frameworks, e)
		add_framework(l, &index, e->value);
	map_each(&m->agents, e) {
		const struct agent *a = e->value;
		struct reserved_arg arg = {l, &index, a->total};
		res_each_reserved_role(a->total, add_reserved, &arg);
	}
	map_done(&index);
	qsort(l->v.v, l->v.n, sizeof(l->v.v[0]), by_name);
	for (size_t i = 0; i < l->v.n;) {
		struct role_sum *r = &l->v.v[i];
		if (authz_view_role(m, principal, r->name)) {
			i++;
			continue;
		}
		res_free(r->allocated);
		res_free(r->offered);
		res_free(r->reserved);
		vec_done(&r->frameworks);
		vec_remove(&l->v, i);
	}
}

void role_list_done(struct role_list *l)
{
	for (size_t i = 0; i < l->v.n; i++) {
		res_free(l->v.v[i].allocated);
		res_free(l->v.v[i].offered);
		res_free(l->v.v[i].reserved);
		vec_done(&l->v.v[i].frameworks);
	}
	vec_done(&l->v);
}

/* {"cpus":…,"mem":…}: the scalars that there are, by name. */
static void show_scalars(struct jsonw *w, const char *key, const resources *r)
{
	struct map seen = {0};
	VEC(const char *) names = {0};
	for (size_t i = 0; i < res_count(r); i++) {
		const struct mz_res_kind *k = res_kind(res_item(r, i).kind);
		if (k->type != MZ_SCALAR || map_has(&seen, k->name))
			continue;
		map_put(&seen, k->name, w);
		size_t at = 0;
		while (at < names.n && strcmp(names.v[at], k->name) < 0)
			at++;
		vec_insert(&names, at, k->name);
	}
	jsonw_key(w, key);
	jsonw_object(w);
	for (size_t i = 0; i < names.n; i++)
		jsonw_kdouble(w, names.v[i], (double)res_scalar(r, names.v[i]) / 1000);
	jsonw_end(w);
	map_done(&seen);
	vec_done(&names);
}

static void show_role(struct jsonw *w, const struct role_sum *r)
{
	resources *sum = res_copy(r->allocated), *consumed = res_new();
	res_add(sum, r->offered);
	res_add_filtered(consumed, r->allocated, RES_UNRESERVED);
	res_add(consumed, r->reserved); /* idle reservations count as well */
	resources *none = res_new();
	jsonw_object(w);
	jsonw_kstring(w, "name", r->name);
	jsonw_kdouble(w, "weight", 1.0);
	jsonw_key(w, "quota");
	jsonw_object(w);
	jsonw_kstring(w, "role", r->name);
	show_scalars(w, "guarantee", none);
	show_scalars(w, "limit", none);
	show_scalars(w, "consumed", consumed);
	jsonw_end(w);
	show_scalars(w, "resources", sum);
	show_scalars(w, "allocated", r->allocated);
	show_scalars(w, "offered", r->offered);
	show_scalars(w, "reserved", r->reserved);
	jsonw_key(w, "frameworks");
	jsonw_array(w);
	for (size_t i = 0; i < r->frameworks.n; i++)
		jsonw_string(w, r->frameworks.v[i]->id);
	jsonw_end(w);
	jsonw_end(w);
	res_free(none);
	res_free(sum);
	res_free(consumed);
}

void api_roles(const struct api_request *q)
{
	struct buf out = {0};
	struct jsonw w = {.out = &out};
	struct role_list l = {0};
	roles_collect(q->m, q->r->principal, &l);
	jsonw_object(&w);
	jsonw_key(&w, "roles");
	jsonw_array(&w);
	for (size_t i = 0; i < l.v.n; i++)
		show_role(&w, &l.v.v[i]);
	jsonw_end(&w);
	jsonw_end(&w);
	role_list_done(&l);
	api_answer(q, &out);
}
