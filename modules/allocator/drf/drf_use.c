/* drf_use.c - who holds what on which agent, and the sums over it.
 *
 * Every change of what is held goes through here, so that an agent's `used`, the
 * holdings on it and the amounts of clients and roles always tell the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "drf.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SPARE = 256 };

/* ---- sets and amounts ---------------------------------------------------------- */

struct mz_resources *set_get(struct drf *d)
{
	return d->spare.n ? d->spare.v[--d->spare.n] : d->res->create();
}

void set_put(struct drf *d, struct mz_resources *r)
{
	if (!r)
		return;
	if (d->spare.n >= MAX_SPARE) {
		d->res->destroy(r);
		return;
	}
	d->res->clear(r);
	ptrs_push(&d->spare, r);
}

size_t name_find(const struct drf *d, const char *name)
{
	size_t i = 0;
	while (i < d->names.n && strcmp(d->names.v[i], name) != 0)
		i++;
	return i;
}

size_t name_index(struct drf *d, const char *name)
{
	size_t i = name_find(d, name);
	if (i == d->names.n)
		ptrs_push(&d->names, drf_strdup(name));
	return i;
}

static bool is_fair(const struct drf *d, const struct mz_res_kind *k)
{
	const char *excluded;
	if (k->type != MZ_SCALAR)
		return false;
	for (size_t i = 0; (excluded = d->master->fairness_excluded(d->host, i)); i++)
		if (strcmp(excluded, k->name) == 0)
			return false;
	return true;
}

static void load_kind(struct drf *d, uint32_t kind)
{
	if (kind >= d->n_kinds) {
		size_t n = (size_t)kind + 32;
		d->kinds = drf_realloc(d->kinds, n, sizeof(d->kinds[0]));
		memset(d->kinds + d->n_kinds, 0, (n - d->n_kinds) * sizeof(d->kinds[0]));
		d->n_kinds = n;
	}
	const struct mz_res_kind *k = d->res->kind(kind);
	struct kind_info info = {.is_loaded = true, .flags = k->flags};
	info.is_fair = is_fair(d, k);
	info.name = name_index(d, k->name);
	if (k->flags & MZ_RES_RESERVED) {
		info.role = role_get(d, k->role);
		info.role->is_reserved_for = true;
	}
	d->kinds[kind] = info;
}

const struct kind_info *kind_info(struct drf *d, uint32_t kind)
{
	if (kind >= d->n_kinds || !d->kinds[kind].is_loaded)
		load_kind(d, kind);
	return &d->kinds[kind];
}

bool amounts_count(struct drf *d, struct amounts *a, const struct mz_resources *r, int64_t sign)
{
	bool any = false;
	size_t n = d->res->count(r);
	for (size_t i = 0; i < n; i++) {
		struct mz_res_item item = d->res->item(r, i);
		const struct kind_info *k = kind_info(d, item.kind);
		if (!k->is_fair || !item.amount)
			continue;
		*amounts_at(a, k->name) += sign * item.amount;
		any = true;
	}
	return any;
}

void amounts_sum(struct drf *d, struct amounts *a, const struct mz_resources *r)
{
	if (a->n)
		memset(a->v, 0, a->n * sizeof(a->v[0]));
	size_t n = d->res->count(r);
	for (size_t i = 0; i < n; i++) {
		struct mz_res_item item = d->res->item(r, i);
		*amounts_at(a, kind_info(d, item.kind)->name) += item.amount;
	}
}

/* ---- roles ------------------------------------------------------------------------ */

static size_t role_position(const struct drf *d, const char *name, bool *ret_found)
{
	size_t low = 0, high = d->roles_by_name.n;
	*ret_found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(((struct role *)d->roles_by_name.v[mid])->name, name);
		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct role *role_find(struct drf *d, const char *name)
{
	bool found;
	size_t at = role_position(d, name, &found);
	return found ? d->roles_by_name.v[at] : NULL;
}

static struct role *role_new(struct drf *d, const char *name)
{
	bool found;
	struct role *r = drf_calloc(1, sizeof(*r));
	r->name = drf_strdup(name);
	r->node.name = r->name;
	r->node.weight = 1;
	ptrs_insert(&d->roles_by_name, role_position(d, name, &found), r);
	return r;
}

/* A path brings its ancestors along: their reservations are for it too. */
struct role *role_get(struct drf *d, const char *name)
{
	struct role *r = role_find(d, name), *child = NULL;
	if (r)
		return r;
	struct role *made = NULL;
	char *path = drf_strdup(name);
	for (;;) {
		bool is_new = !(r = role_find(d, path));
		if (is_new)
			r = role_new(d, path);
		if (!made)
			made = r;
		if (child) {
			child->parent = r;
			r->n_children++;
		}
		child = r;
		char *slash = strrchr(path, '/');
		if (!is_new || !slash)
			break;
		*slash = '\0';
	}
	free(path);
	return made;
}

void role_gc(struct drf *d, struct role *r)
{
	bool found;
	while (r && !r->n_clients && !r->n_holdings && !r->n_children && !r->is_reserved_for &&
	       r->node.weight == 1) {
		struct role *parent = r->parent;
		ptrs_remove(&d->roles_by_name, role_position(d, r->name, &found));
		node_forget(d, &r->node);
		free(r->clients.nodes.v);
		free(r->name);
		free(r);
		if (parent)
			parent->n_children--;
		r = parent;
	}
}

/* ---- agents -------------------------------------------------------------------------- */

struct agent *agent_find(struct drf *d, mz_key key)
{
	return key_map_get(&d->agents_by_key, key);
}

struct agent *agent_get(struct drf *d, mz_key key)
{
	struct agent *a = agent_find(d, key);
	if (a)
		return a;
	a = drf_calloc(1, sizeof(*a));
	a->key = key;
	a->total = d->res->create();
	a->used = d->res->create();
	a->unused = d->res->create();
	a->is_stale = true;
	a->at = d->agents.n;
	ptrs_push(&d->agents, a);
	key_map_put(&d->agents_by_key, key, a);
	return a;
}

static void uncount(struct drf *d, struct holding *h);

static void holding_free(struct drf *d, struct holding *h)
{
	uncount(d, h);
	h->role->n_holdings--;
	if (h->client) {
		h->client->n_holdings--;
		client_gc(d, h->client);
	} else {
		d->n_orphans--;
		role_gc(d, h->role);
	}
	set_put(d, h->held);
	set_put(d, h->told);
	free(h);
}

void agent_free(struct drf *d, struct agent *a)
{
	filters_forget_agent(d, a);
	round_forget_agent(d, a);
	for (size_t i = 0; i < a->holdings.n; i++)
		holding_free(d, a->holdings.v[i]);
	if (a->is_known && amounts_count(d, &d->total, a->total, -1))
		d->is_total_changed = true;
	struct agent *last = d->agents.v[d->agents.n - 1];
	d->agents.v[a->at] = last;
	last->at = a->at;
	d->agents.n--;
	key_map_del(&d->agents_by_key, a->key);
	d->res->destroy(a->total);
	d->res->destroy(a->used);
	d->res->destroy(a->unused);
	free(a->holdings.v);
	free(a->refused_by);
	free(a->blocked);
	free(a->hostname);
	free(a);
}

void agent_gc(struct drf *d, struct agent *a)
{
	if (!a->is_known && !a->holdings.n)
		agent_free(d, a);
}

/* The agent is known. */
void agent_set_total(struct drf *d, struct agent *a, const struct mz_resources *total)
{
	bool any = amounts_count(d, &d->total, a->total, -1);
	any |= amounts_count(d, &d->total, total, 1);
	d->is_total_changed |= any;
	d->res->clear(a->total);
	d->res->add(a->total, total);
	a->has_gpus = d->res->scalar(total, "gpus") > 0;
	a->has_shared = false;
	size_t n = d->res->count(total);
	for (size_t i = 0; i < n; i++)
		a->has_shared |= (kind_info(d, d->res->item(total, i).kind)->flags & MZ_RES_SHARED) != 0;
	a->is_stale = true;
}

/* Shared resources can be offered again and again. */
static void subtract_unshared(struct drf *d, struct mz_resources *from, const struct mz_resources *r)
{
	struct mz_resources *unshared = set_get(d);
	size_t n = d->res->count(r);
	for (size_t i = 0; i < n; i++)
		if (!(kind_info(d, d->res->item(r, i).kind)->flags & MZ_RES_SHARED))
			d->res->add_item(unshared, r, i);
	d->res->subtract(from, unshared);
	set_put(d, unshared);
}

const struct mz_resources *agent_unused(struct drf *d, struct agent *a)
{
	if (!a->is_stale)
		return a->unused;
	a->is_stale = false;
	a->version++;
	d->res->clear(a->unused);
	d->res->add(a->unused, a->total);
	if (a->has_shared)
		subtract_unshared(d, a->unused, a->used);
	else
		d->res->subtract(a->unused, a->used);
	return a->unused;
}

/* ---- holdings --------------------------------------------------------------------------- */

static void count_part(struct drf *d, struct holding *h, const struct mz_resources *r, int64_t sign)
{
	if (!h->is_counted || !amounts_count(d, &h->client->node.held, r, sign))
		return;
	amounts_count(d, &h->role->node.held, r, sign);
	node_touch(d, &h->client->node);
	node_touch(d, &h->role->node);
}

static void count(struct drf *d, const struct agent *a, struct holding *h)
{
	if (h->is_counted || !h->client || !a->is_known)
		return;
	h->is_counted = true;
	count_part(d, h, h->held, 1);
}

static void uncount(struct drf *d, struct holding *h)
{
	count_part(d, h, h->held, -1);
	h->is_counted = false;
}

struct holding *holding_find(struct agent *a, mz_key framework, const struct role *role)
{
	for (size_t i = 0; i < a->holdings.n; i++) {
		struct holding *h = a->holdings.v[i];
		if (h->framework == framework && h->role == role)
			return h;
	}
	return NULL;
}

struct holding *holding_get(struct drf *d, struct agent *a, mz_key framework, struct role *role)
{
	struct holding *h = holding_find(a, framework, role);
	if (h)
		return h;
	h = drf_calloc(1, sizeof(*h));
	h->framework = framework;
	h->role = role;
	h->held = set_get(d);
	struct framework *f = framework_find(d, framework);
	if (f)
		(h->client = client_get(d, f, role))->n_holdings++;
	else
		d->n_orphans++;
	role->n_holdings++;
	ptrs_push(&a->holdings, h);
	count(d, a, h);
	return h;
}

void holding_add(struct drf *d, struct agent *a, struct holding *h, const struct mz_resources *r)
{
	d->res->add(h->held, r);
	d->res->add(a->used, r);
	count_part(d, h, r, 1);
	a->is_stale = true;
}

/* Nothing guarantees that all of r is held: only what is, is taken. */
void holding_take(struct drf *d, struct agent *a, struct holding *h, const struct mz_resources *r)
{
	if (d->res->contains(h->held, r)) {
		d->res->subtract(h->held, r);
		d->res->subtract(a->used, r);
		count_part(d, h, r, -1);
	} else {
		struct mz_resources *taken = set_get(d);
		d->res->add(taken, h->held);
		d->res->subtract(h->held, r);
		d->res->subtract(taken, h->held);
		d->res->subtract(a->used, taken);
		count_part(d, h, taken, -1);
		set_put(d, taken);
	}
	a->is_stale = true;
}

void holding_convert(struct drf *d, struct agent *a, struct holding *h, const struct mz_conversion *c)
{
	holding_take(d, a, h, c->consumed);
	holding_add(d, a, h, c->converted);
}

void holding_drop_if_empty(struct drf *d, struct agent *a, struct holding *h)
{
	if (d->res->count(h->held))
		return;
	for (size_t i = 0; i < a->holdings.n; i++)
		if (a->holdings.v[i] == h)
			ptrs_remove(&a->holdings, i);
	holding_free(d, h);
}

/* ---- what is told by agents and frameworks that come back --------------------------------- */

/* Both sides may tell of the same use, the one that comes second of what was
 * remembered for it. So what one call says is summed first, and only what was
 * not remembered of that is added. */
void uses_tell(struct drf *d, const struct mz_alloc_use *uses, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct agent *a = agent_get(d, uses[i].agent);
		struct holding *h = holding_get(d, a, uses[i].framework, role_get(d, uses[i].role));
		if (!h->told)
			h->told = set_get(d);
		d->res->add(h->told, uses[i].resources);
	}
	for (size_t i = 0; i < n; i++) {
		struct agent *a = agent_find(d, uses[i].agent);
		struct role *role = role_find(d, uses[i].role);
		struct holding *h = a && role ? holding_find(a, uses[i].framework, role) : NULL;
		if (!h || !h->told)
			continue;
		d->res->subtract(h->told, h->held);
		holding_add(d, a, h, h->told);
		set_put(d, h->told);
		h->told = NULL;
		holding_drop_if_empty(d, a, h);
		agent_gc(d, a);
	}
}

void uses_link(struct drf *d, struct framework *f)
{
	if (!d->n_orphans)
		return;
	for (size_t i = 0; i < d->agents.n; i++) {
		struct agent *a = d->agents.v[i];
		for (size_t j = 0; j < a->holdings.n; j++) {
			struct holding *h = a->holdings.v[j];
			if (h->framework != f->key || h->client)
				continue;
			h->client = client_get(d, f, h->role);
			d->n_orphans--;
			h->client->n_holdings++;
			count(d, a, h);
		}
	}
}

void uses_unlink(struct drf *d, struct framework *f)
{
	size_t n = 0;
	for (size_t i = 0; i < f->clients.n; i++)
		n += ((struct client *)f->clients.v[i])->n_holdings;
	for (size_t i = 0; n && i < d->agents.n; i++) {
		struct agent *a = d->agents.v[i];
		for (size_t j = 0; j < a->holdings.n; j++) {
			struct holding *h = a->holdings.v[j];
			if (h->framework != f->key || !h->client)
				continue;
			uncount(d, h);
			h->client->n_holdings--;
			h->client = NULL;
			d->n_orphans++;
			n--;
		}
	}
}

void uses_count_agent(struct drf *d, struct agent *a)
{
	for (size_t i = 0; i < a->holdings.n; i++)
		count(d, a, a->holdings.v[i]);
	a->is_stale = true;
}
