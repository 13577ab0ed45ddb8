/* drf_client.c - frameworks, and their clients: a framework in one role.
 *
 * A client is among the sorted only while it can get offers. One whose framework
 * left the role stays until it holds nothing, because what it holds counts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "drf.h"

#include <stdlib.h>
#include <string.h>

struct framework *framework_find(struct drf *d, mz_key key)
{
	return key_map_get(&d->frameworks_by_key, key);
}

struct client *client_find(const struct framework *f, const struct role *role)
{
	for (size_t i = 0; i < f->clients.n; i++)
		if (((struct client *)f->clients.v[i])->role == role)
			return f->clients.v[i];
	return NULL;
}

static uint32_t take_slot(struct drf *d, struct client *c)
{
	for (size_t i = 0; i < d->clients_by_slot.n; i++)
		if (!d->clients_by_slot.v[i]) {
			d->clients_by_slot.v[i] = c;
			return (uint32_t)i;
		}
	ptrs_push(&d->clients_by_slot, c);
	return (uint32_t)d->clients_by_slot.n - 1;
}

struct client *client_get(struct drf *d, struct framework *f, struct role *role)
{
	struct client *c = client_find(f, role);
	if (c)
		return c;
	c = drf_calloc(1, sizeof(*c));
	c->node.name = f->id;
	c->node.weight = 1;
	c->framework = f;
	c->role = role;
	c->slot = take_slot(d, c);
	role->n_clients++;
	ptrs_push(&f->clients, c);
	return c;
}

static void count_active(struct role *r, bool more)
{
	for (; r; r = r->parent)
		r->n_active_below += more ? 1 : (size_t)-1;
}

void client_update(struct drf *d, struct client *c)
{
	struct role *r = c->role;
	bool active = c->framework->is_active && c->is_subscribed && !c->is_suppressed;
	if (active == (c->node.order != NULL))
		return;
	if (active) {
		order_add(d, &r->clients, &c->node);
		if (r->clients.nodes.n == 1)
			order_add(d, &d->roles, &r->node);
	} else {
		order_remove(&c->node);
		if (!r->clients.nodes.n)
			order_remove(&r->node);
	}
	count_active(r, active);
}

static void set_own_minimum(struct drf *d, struct client *c, const struct mz_alloc_role *role)
{
	if (c->has_minimum)
		d->n_own_minimums--;
	minimum_done(&c->minimum);
	c->has_minimum = role && role->has_filters;
	if (c->has_minimum) {
		d->n_own_minimums++;
		minimum_set(&c->minimum, role->min_allocatable, role->n_min);
	}
}

static void client_free(struct drf *d, struct client *c)
{
	struct role *r = c->role;
	struct framework *f = c->framework;
	c->is_subscribed = false;
	client_update(d, c);
	filters_forget_client(d, c);
	set_own_minimum(d, c, NULL);
	node_forget(d, &c->node);
	for (size_t i = 0; i < f->clients.n; i++)
		if (f->clients.v[i] == c)
			ptrs_remove(&f->clients, i);
	d->clients_by_slot.v[c->slot] = NULL;
	free(c);
	r->n_clients--;
	role_gc(d, r);
}

void client_gc(struct drf *d, struct client *c)
{
	if (!c->is_subscribed && !c->n_holdings)
		client_free(d, c);
}

struct framework *framework_new(struct drf *d, const struct mz_alloc_framework *info)
{
	struct framework *f = drf_calloc(1, sizeof(*f));
	f->key = info->key;
	f->id = drf_strdup(info->id);
	ptrs_push(&d->frameworks, f);
	key_map_put(&d->frameworks_by_key, f->key, f);
	framework_update(d, f, info);
	return f;
}

static const struct mz_alloc_role *role_in(const struct mz_alloc_framework *info, const char *name)
{
	for (size_t i = 0; i < info->n_roles; i++)
		if (strcmp(info->roles[i].role, name) == 0)
			return &info->roles[i];
	return NULL;
}

void framework_update(struct drf *d, struct framework *f, const struct mz_alloc_framework *info)
{
	f->capabilities = info->capabilities;
	f->constraints = info->constraints;
	for (size_t i = 0; i < info->n_roles; i++) {
		struct client *c = client_get(d, f, role_get(d, info->roles[i].role));
		c->is_subscribed = true;
		c->is_suppressed = info->roles[i].suppressed;
		set_own_minimum(d, c, &info->roles[i]);
		client_update(d, c);
	}
	for (size_t i = f->clients.n; i-- > 0;) {
		struct client *c = f->clients.v[i];
		if (!c->is_subscribed || role_in(info, c->role->name))
			continue;
		c->is_subscribed = false;
		client_update(d, c);
		filters_forget_client(d, c);
		client_gc(d, c);
	}
}

void framework_free(struct drf *d, struct framework *f)
{
	uses_unlink(d, f);
	while (f->clients.n)
		client_free(d, f->clients.v[f->clients.n - 1]);
	for (size_t i = 0; i < d->frameworks.n; i++)
		if (d->frameworks.v[i] == f)
			ptrs_remove(&d->frameworks, i);
	key_map_del(&d->frameworks_by_key, f->key);
	free(f->clients.v);
	free(f->id);
	free(f);
}
