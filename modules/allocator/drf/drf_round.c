/* drf_round.c - rounds: agents in random order, roles and clients by share.
 *
 * An event makes agents candidates and starts a round soon, one at most; the
 * batch timer looks at all agents. What comes back is no event: it waits for the
 * batch, so that others get their turn before the one that declined.
 *
 * On each agent the first client in order takes everything that it may have. The
 * loop over clients is the hot one: it must not allocate or build a set unless
 * something is offered or the agent has resources that only some may have.
 * SPDX-License-Identifier: Apache-2.0 */
#include "drf.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64 };

/* The agent that is visited: its unused items that anybody could get. */
struct view {
	struct agent *agent;
	int64_t now_ns;
	uint32_t needs; /* capabilities that a framework must have */
	size_t n, cap;
	struct view_item {
		size_t item; /* in agent.unused */
		int64_t amount;
		struct kind_info kind;
	} *items;
	bool is_whole; /* everyone may have all of it: part is unused itself */

	/* What the last client may have, and its quantities by name. */
	const struct mz_resources *part;
	struct mz_resources *built;
	uint64_t *chosen, *chosen_before; /* bit per item */
	size_t n_words;
	bool is_default_met;
	struct amounts sums;
};

/* ---- the smallest offer ---------------------------------------------------------- */

void minimum_done(struct minimum *m)
{
	for (size_t i = 0; i < m->n; i++) {
		for (size_t j = 0; j < m->v[i].n; j++)
			free(m->v[i].v[j].text);
		free(m->v[i].v);
	}
	free(m->v);
	*m = (struct minimum){0};
}

void minimum_set(struct minimum *m, const struct mz_quantities *v, size_t n)
{
	minimum_done(m);
	m->n = n;
	m->v = drf_calloc(n ? n : 1, sizeof(m->v[0]));
	for (size_t i = 0; i < n; i++) {
		struct minimum_all *all = &m->v[i];
		all->n = v[i].n;
		all->v = drf_calloc(all->n ? all->n : 1, sizeof(all->v[0]));
		for (size_t j = 0; j < all->n; j++)
			all->v[j] = (struct minimum_one){drf_strdup(v[i].v[j].name), SIZE_MAX, v[i].v[j].amount};
	}
}

/* Frameworks name what they like: only what there is has an index. */
static int64_t amount_of(const struct drf *d, struct minimum_one *one, const struct amounts *sums)
{
	if (one->text && one->name != d->names.n) {
		one->name = name_find(d, one->text);
		if (one->name < d->names.n) {
			free(one->text);
			one->text = NULL;
		}
	}
	return !one->text && one->name < sums->n ? sums->v[one->name] : 0;
}

static bool minimum_is_met(const struct drf *d, const struct minimum *m, const struct amounts *sums)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct minimum_all *all = &m->v[i];
		bool met = true;
		for (size_t j = 0; j < all->n && met; j++)
			met = amount_of(d, &all->v[j], sums) >= all->v[j].amount;
		if (met)
			return true;
	}
	return m->n == 0;
}

/* ---- what a client may have ---------------------------------------------------------- */

static void view_reserve(struct view *v, size_t n)
{
	if (n <= v->cap)
		return;
	v->cap = n + 16;
	v->n_words = (v->cap + WORD_BITS - 1) / WORD_BITS;
	v->items = drf_realloc(v->items, v->cap, sizeof(v->items[0]));
	v->chosen = drf_realloc(v->chosen, v->n_words, sizeof(v->chosen[0]));
	v->chosen_before = drf_realloc(v->chosen_before, v->n_words, sizeof(v->chosen_before[0]));
}

/* False: nobody can be offered anything. */
static bool view_load(struct drf *d, struct view *v)
{
	struct agent *a = v->agent;
	size_t n = d->res->count(a->unused);
	view_reserve(v, n);
	v->n = 0;
	v->is_whole = true;
	v->part = NULL;
	if (v->sums.n)
		memset(v->sums.v, 0, v->sums.n * sizeof(v->sums.v[0]));
	for (size_t i = 0; i < n; i++) {
		struct mz_res_item item = d->res->item(a->unused, i);
		const struct kind_info *k = kind_info(d, item.kind);
		if (k->role || k->flags & (MZ_RES_REVOCABLE | MZ_RES_SHARED | MZ_RES_REFINED))
			v->is_whole = false;
		if (k->role && !k->role->n_active_below)
			continue;
		v->items[v->n++] = (struct view_item){i, item.amount, *k};
		*amounts_at(&v->sums, k->name) += item.amount;
	}
	v->is_default_met = minimum_is_met(d, &d->default_minimum, &v->sums);
	if (v->is_whole)
		v->part = a->unused;
	/* A part meets no minimum that the whole does not meet. */
	return v->n && (v->is_default_met || d->n_own_minimums);
}

static bool may_have(const struct client *c, const struct kind_info *k)
{
	uint32_t caps = c->framework->capabilities;
	if ((k->flags & MZ_RES_REVOCABLE && !(caps & MZ_FW_REVOCABLE)) ||
	    (k->flags & MZ_RES_SHARED && !(caps & MZ_FW_SHARED)) ||
	    (k->flags & MZ_RES_REFINED && !(caps & MZ_FW_REFINEMENT)))
		return false;
	if (!k->role)
		return true;
	for (const struct role *r = c->role; r; r = r->parent)
		if (r == k->role)
			return true;
	return false;
}

/* Clients beside each other mostly may have the same: build that once. */
static bool build_part(struct drf *d, struct view *v, const struct client *c)
{
	size_t n_chosen = 0;
	memset(v->chosen, 0, v->n_words * sizeof(v->chosen[0]));
	for (size_t i = 0; i < v->n; i++)
		if (may_have(c, &v->items[i].kind)) {
			v->chosen[i / WORD_BITS] |= (uint64_t)1 << i % WORD_BITS;
			n_chosen++;
		}
	if (!n_chosen)
		return false;
	if (v->part && memcmp(v->chosen, v->chosen_before, v->n_words * sizeof(v->chosen[0])) == 0)
		return true;
	memcpy(v->chosen_before, v->chosen, v->n_words * sizeof(v->chosen[0]));
	if (!v->built)
		v->built = d->res->create();
	d->res->clear(v->built);
	memset(v->sums.v, 0, v->sums.n * sizeof(v->sums.v[0]));
	for (size_t i = 0; i < v->n; i++)
		if (v->chosen[i / WORD_BITS] >> i % WORD_BITS & 1) {
			d->res->add_item(v->built, v->agent->unused, v->items[i].item);
			*amounts_at(&v->sums, v->items[i].kind.name) += v->items[i].amount;
		}
	v->is_default_met = minimum_is_met(d, &d->default_minimum, &v->sums);
	v->part = v->built;
	return true;
}

static inline bool can_offer(struct drf *d, struct view *v, struct client *c)
{
	struct agent *a = v->agent;
	if (filter_is_known_to_block(c, a, v->now_ns))
		return false;
	const struct framework *f = c->framework;
	if ((f->capabilities & v->needs) != v->needs)
		return false;
	if (f->capabilities & MZ_FW_MULTI_ROLE && !a->multi_role)
		return false;
	if (!v->is_whole && !build_part(d, v, c))
		return false;
	if (c->has_minimum ? !minimum_is_met(d, &c->minimum, &v->sums) : !v->is_default_met)
		return false;
	if (filter_may_block(c, a) && filter_blocks_slow(d, c, a, v->part, v->now_ns))
		return false;
	return !f->constraints || d->master->constraint_allows(d->host, f->constraints, c->role->name, a->key);
}

static void make_offer(struct drf *d, struct view *v, struct client *c)
{
	struct agent *a = v->agent;
	struct holding *h = holding_get(d, a, c->framework->key, c->role);
	holding_add(d, a, h, v->part);
	c->node.n_offers_now++;
	c->role->node.n_offers_now++;
	node_touch(d, &c->node);
	node_touch(d, &c->role->node);
	d->host->metric_add(d->m_offers, 1);
	d->master->offer(d->host, c->framework->key, c->role->name, a->key, v->part);
	if (v->part == a->unused)
		d->res->clear(a->unused);
	else
		d->res->subtract(a->unused, v->part);
	a->version++;
	/* Shared resources are in no other offer of this round, but in the next. */
	a->is_stale = a->has_shared;
}

static void visit_agent(struct drf *d, struct view *v)
{
	struct agent *a = v->agent;
	v->needs = (a->has_gpus && d->master->filter_gpu(d->host) ? MZ_FW_GPU : 0) |
		   (a->remote_region ? MZ_FW_REGION_AWARE : 0);
	agent_unused(d, a);
	if (!view_load(d, v))
		return;
	/* The orders stay as they are until this agent is done. */
	for (size_t i = 0; i < d->roles.nodes.n; i++) {
		struct role *r = d->roles.nodes.v[i];
		for (size_t j = 0; j < r->clients.nodes.n; j++) {
			struct client *c = r->clients.nodes.v[j];
			if (!can_offer(d, v, c))
				continue;
			make_offer(d, v, c);
			if (!view_load(d, v))
				goto out;
		}
	}
out:
	orders_update(d);
}

/* ---- rounds ------------------------------------------------------------------------------ */

/* One draw from the host seeds a round. */
static void shuffle(struct drf *d, struct ptrs *a)
{
	uint64_t x = 0;
	d->host->random(d->host, &x, sizeof(x));
	x |= 1;
	for (size_t i = a->n; i > 1; i--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		size_t j = (size_t)(((x >> 32) * i) >> 32);
		void *p = a->v[i - 1];
		a->v[i - 1] = a->v[j];
		a->v[j] = p;
	}
}

static bool can_visit(const struct agent *a)
{
	return a->is_known && a->is_active && a->is_listed && !(!a->is_stale && a->is_empty);
}

static void run_round(struct drf *d, bool all)
{
	const struct mz_quantities *min = NULL;
	const struct ptrs *from = all || d->is_all_candidates ? &d->agents : &d->candidates;
	if (!d->view)
		d->view = drf_calloc(1, sizeof(*d->view));
	if (!d->has_default_minimum) {
		size_t n = d->master->min_allocatable(d->host, &min);
		minimum_set(&d->default_minimum, min, n);
		d->has_default_minimum = true;
	}
	orders_update(d);
	d->visit.n = 0;
	for (size_t i = 0; i < from->n; i++)
		if (can_visit(from->v[i]))
			ptrs_push(&d->visit, from->v[i]);
	for (size_t i = 0; i < d->candidates.n; i++)
		((struct agent *)d->candidates.v[i])->is_candidate = false;
	d->candidates.n = 0;
	d->is_all_candidates = false;
	int64_t start_ns = d->host->now(d->host);
	if (d->roles.nodes.n)
		shuffle(d, &d->visit);
	for (size_t i = 0; i < d->visit.n && d->roles.nodes.n; i++) {
		d->view->agent = d->visit.v[i];
		d->view->now_ns = start_ns;
		visit_agent(d, d->view);
		d->view->agent->is_empty = d->res->count(d->view->agent->unused) == 0;
	}
	d->host->metric_add(d->m_rounds, 1);
	d->host->metric_set(d->m_filters, (double)d->n_filters);
	d->host->metric_set(d->m_round_ns, (double)(d->host->now(d->host) - start_ns));
}

static void on_event_timer(void *arg)
{
	struct drf *d = arg;
	d->event_timer = NULL;
	if (!d->is_paused)
		run_round(d, false);
}

static void on_batch_timer(void *arg)
{
	struct drf *d = arg;
	d->batch_timer = d->host->timer(d->host, d->master->allocation_interval(d->host), on_batch_timer, d);
	if (d->is_paused)
		return;
	d->n_batches++;
	d->in_batch = true;
	run_round(d, true);
	d->in_batch = false;
}

void round_start(struct drf *d)
{
	if (!d->batch_timer)
		d->batch_timer =
			d->host->timer(d->host, d->master->allocation_interval(d->host), on_batch_timer, d);
}

static void start_soon(struct drf *d)
{
	if (!d->event_timer && !d->is_paused)
		d->event_timer = d->host->timer(d->host, 0, on_event_timer, d);
}

void round_candidate(struct drf *d, struct agent *a)
{
	if (!a->is_candidate) {
		a->is_candidate = true;
		ptrs_push(&d->candidates, a);
	}
	start_soon(d);
}

void round_all(struct drf *d)
{
	d->is_all_candidates = true;
	start_soon(d);
}

void round_forget_agent(struct drf *d, struct agent *a)
{
	for (size_t i = 0; a->is_candidate && i < d->candidates.n; i++)
		if (d->candidates.v[i] == a) {
			ptrs_remove(&d->candidates, i);
			a->is_candidate = false;
		}
}

void round_resume(struct drf *d)
{
	d->is_paused = false;
	if (d->candidates.n || d->is_all_candidates)
		start_soon(d);
}

void round_done(struct drf *d)
{
	d->host->timer_cancel(d->host, d->event_timer);
	d->host->timer_cancel(d->host, d->batch_timer);
	struct view *v = d->view;
	if (v) {
		d->res->destroy(v->built);
		free(v->items);
		free(v->chosen);
		free(v->chosen_before);
		free(v->sums.v);
		free(v);
	}
	minimum_done(&d->default_minimum);
	free(d->candidates.v);
	free(d->visit.v);
}
