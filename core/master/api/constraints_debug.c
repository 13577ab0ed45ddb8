/* constraints_debug.c - GET /allocator/offer_constraints_debug: for each framework
 * and role with offer constraints, which agents they let through.
 *
 *	?framework_id=ID	one framework only
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/api/api.h"

static void show_agents(struct jsonw *w, const char *key, struct framework *f, const char *role, bool allowed)
{
	jsonw_key(w, key);
	jsonw_array(w);
	map_each(&f->m->agents, e)
		if (constraints_allow(f->constraints, role, e->value) == allowed)
			jsonw_string(w, e->key);
	jsonw_end(w);
}

static void show_one(struct jsonw *w, struct framework *f, const char *principal)
{
	const Mesos__V1__Scheduler__OfferConstraints *c = constraints_message(f->constraints);
	jsonw_key(w, f->id);
	jsonw_object(w);
	jsonw_key(w, "roles");
	jsonw_object(w);
	for (size_t i = 0; i < c->n_role_constraints; i++) {
		const char *role = c->role_constraints[i]->key;
		if (!authz_view_role(f->m, principal, role))
			continue;
		jsonw_key(w, role);
		jsonw_object(w);
		show_agents(w, "agents_allowed", f, role, true);
		show_agents(w, "agents_filtered", f, role, false);
		jsonw_end(w);
	}
	jsonw_end(w);
	jsonw_end(w);
}

void api_constraints_debug(const struct api_request *q)
{
	struct buf out = {0};
	struct jsonw w = {.out = &out};
	mz_autofree char *only = http_query(q->r, "framework_id");
	jsonw_object(&w);
	jsonw_key(&w, "frameworks");
	jsonw_object(&w);
	map_each(&q->m->frameworks, e) {
		struct framework *f = e->value;
		if (f->constraints && (!only || str_eq(only, f->id)) &&
		    authz_view_framework(q->m, q->r->principal, f))
			show_one(&w, f, q->r->principal);
	}
	jsonw_end(&w);
	jsonw_end(&w);
	api_answer(q, &out);
}
