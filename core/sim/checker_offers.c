/* checker_offers.c - what must hold of offers, and of the room on machines. See checker.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/checker_impl.h"

/* ---- room ------------------------------------------------------------------------- */

resources *check_sum(struct map *m, const struct sim_machine *of)
{
	resources *r = map_get(m, of->host.name);
	if (!r) {
		r = res_new();
		(void)map_put(m, of->host.name, r);
	}
	return r;
}

void check_add(struct checker *c, struct map *sums, const struct sim_machine *m, const resources *r, const char *why)
{
	resources *sum = check_sum(sums, m);
	resources *both = res_copy(sum);
	res_add(both, r);
	res_subtract(both, r);
	if (!res_equal(both, sum)) {
		struct buf mz_autobuf text = {0};
		res_format_text(r, &text);
		sim_fail(c->sim, "'%s' gives %s to %s, which somebody else has", m->host.name, buf_str(&text), why);
	}
	res_free(both);
	res_add(sum, r);
}

void check_room(struct checker *c, const struct sim_machine *m, const char *why)
{
	resources *sum = res_copy(check_sum(&c->live, m)), *live = res_copy(sum);
	res_add(sum, check_sum(&c->offered, m));
	resources *rest = res_copy(sum);
	res_subtract(rest, check_sum(&c->offered, m));
	if (!res_equal(rest, live) || !res_contains(m->total, sum)) {
		struct buf mz_autobuf runs = {0}, offered = {0};
		res_format_text(live, &runs);
		res_format_text(check_sum(&c->offered, m), &offered);
		sim_fail(c->sim, "'%s' is over-committed by %s: %s run, %s are offered", m->host.name, why,
			 buf_str(&runs), buf_str(&offered));
	}
	res_free(sum);
	res_free(live);
	res_free(rest);
}

/* ---- offers --------------------------------------------------------------------------- */

void checker_add_machine(struct checker *c, struct sim_machine *m)
{
	(void)map_put(&c->machines, m->host.name, m);
}

/* Of one role, which is the framework's; what is reserved to another is not for it. */
static void check_role(struct checker *c, const struct checker_scheduler *who, const Mesos__V1__Offer *o)
{
	bool good = str_eq(o->framework_id->value, who->id) && !who->multi_role == !o->allocation_info &&
		    (!o->allocation_info || str_eq(o->allocation_info->role, who->role));
	for (size_t i = 0; i < o->n_resources; i++) {
		const Mesos__V1__Resource *r = o->resources[i];
		good = good && !r->allocation_info == !who->multi_role &&
		       (!r->allocation_info || str_eq(r->allocation_info->role, who->role));
		for (size_t k = 0; k < r->n_reservations; k++)
			good = good && str_eq(r->reservations[k]->role, who->role);
	}
	if (!good)
		sim_fail(c->sim, "Offer '%s' for framework '%s' is not one for '%s' in role '%s'", o->id->value,
			 o->framework_id->value, who->id, who->role);
}

/* It has refused all of this, or does not want anything at the moment. */
static void check_wanted(struct checker *c, unsigned framework, const struct check_offer *x, const char *id)
{
	char key[80];
	if (c->suppressed.v[framework])
		sim_fail(c->sim, "Offer '%s' was made to framework %u, which has suppressed offers", id, framework);
	snprintf(key, sizeof(key), "%u %s", framework, x->machine->host.name);
	struct check_filters *f = map_get(&c->filters, key);
	for (size_t i = f ? f->v.n : 0; i-- > 0;) {
		if (f->v.v[i].until <= sim_now(c->sim)) {
			res_free(f->v.v[i].res);
			vec_remove(&f->v, i);
		} else if (res_contains(f->v.v[i].res, x->res)) {
			struct buf mz_autobuf text = {0};
			res_format_text(x->res, &text);
			sim_fail(c->sim, "Offer '%s', %s of '%s', was made to framework %u, which has refused that", id,
				 buf_str(&text), x->machine->host.name, framework);
		}
	}
}

void checker_offer_made(struct checker *c, const void *stream, const struct checker_scheduler *who,
			const Mesos__V1__Offer *o)
{
	struct sim_machine *m = map_get(&c->machines, o->hostname);
	struct mz_err err;
	if (!m) {
		sim_fail(c->sim, "Offer '%s' is of host '%s', which does not exist", o->id->value, o->hostname);
		return;
	}
	resources *r = res_new();
	if (res_from_pb(o->resources, o->n_resources, r, &err) < 0)
		sim_fail(c->sim, "Offer '%s' has odd resources: %s", o->id->value, err.msg);
	struct check_offer *x = xnew(struct check_offer);
	x->stream = stream;
	x->framework = who ? who->number : UINT_MAX;
	x->machine = m;
	x->res = res_unallocate(r);
	res_free(r);
	if (map_put(&c->offers, o->id->value, x))
		sim_fail(c->sim, "Offer '%s' was made twice", o->id->value);
	sim_trace(c->sim, "offer %s of %s to %s", o->id->value, o->hostname, o->framework_id->value);
	check_add(c, &c->offered, m, x->res, o->id->value);
	check_room(c, m, o->id->value);
	if (!who)
		return;
	check_role(c, who, o);
	check_wanted(c, who->number, x, o->id->value);
}

const char *checker_offer_machine(const struct checker *c, const char *offer_id, unsigned framework)
{
	const struct check_offer *x = map_get(&c->offers, offer_id);
	return x && x->framework == framework ? x->machine->host.name : NULL;
}

void checker_offer_refused(struct checker *c, unsigned framework, const char *machine, const resources *r, double secs)
{
	char key[80];
	if (c->no_filters || res_empty(r) || secs == 0)
		return;
	secs = secs < 0 ? 5 : fmin(secs, 365 * 86400.0);
	snprintf(key, sizeof(key), "%u %s", framework, machine);
	struct check_filters *f = map_get(&c->filters, key);
	if (!f) {
		f = xnew(struct check_filters);
		f->framework = framework;
		(void)map_put(&c->filters, key, f);
	}
	vec_push(&f->v, ((__typeof__(*f->v.v)){res_copy(r), sim_now(c->sim) + (int64_t)(secs * NS_PER_SEC)}));
}

static void filters_clear(struct check_filters *f)
{
	for (size_t i = 0; i < f->v.n; i++)
		res_free(f->v.v[i].res);
	vec_done(&f->v);
}

void checker_offers_wanted(struct checker *c, unsigned framework)
{
	c->suppressed.v[framework] = false;
	map_each(&c->filters, e) {
		struct check_filters *f = e->value;
		if (f->framework == framework)
			filters_clear(f);
	}
}

void checker_offers_suppressed(struct checker *c, unsigned framework)
{
	c->suppressed.v[framework] = true;
}

void checker_ignore_filters(struct checker *c)
{
	c->no_filters = true;
}

bool checker_all_offered(struct checker *c, struct buf *ret_what)
{
	bool all = true;
	map_each(&c->machines, e) {
		const struct sim_machine *m = e->value;
		if (res_equal(check_sum(&c->offered, m), m->total))
			continue;
		if (all)
			buf_addf(ret_what, "of '%s' this is offered: ", m->host.name);
		if (all)
			res_format_text(check_sum(&c->offered, m), ret_what);
		all = false;
	}
	return all;
}

void check_offers_done(struct checker *c)
{
	map_each(&c->offers, e) {
		struct check_offer *x = e->value;
		res_free(x->res);
		free(x);
	}
	map_done(&c->offers);
	map_each(&c->filters, f) {
		filters_clear(f->value);
		free(f->value);
	}
	map_done(&c->filters);
	map_done(&c->machines);
	vec_done(&c->suppressed);
}

void checker_offer_ended(struct checker *c, const char *offer_id)
{
	struct check_offer *x = map_del(&c->offers, offer_id);
	if (!x)
		return;
	sim_trace(c->sim, "offer %s ended", offer_id);
	res_subtract(check_sum(&c->offered, x->machine), x->res);
	res_free(x->res);
	free(x);
}

void checker_offers_ended(struct checker *c, const void *stream)
{
	map_each(&c->offers, e) {
		struct check_offer *x = e->value;
		if (!stream || x->stream == stream) {
			mz_autofree char *id = xstrdup(e->key);
			checker_offer_ended(c, id);
		}
	}
}

