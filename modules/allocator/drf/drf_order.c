/* drf_order.c - dominant shares, and arrays that stay sorted by them.
 *
 * A share is the largest fraction of the cluster that a node holds of any scalar
 * that counts, divided by its weight. Division of doubles is exactly rounded, so
 * equal fractions give equal shares whatever they are fractions of.
 *
 * Changes are only noted (node_touch) and sorted in one by one before the order
 * is looked at: every array is sorted by the stored keys at all times, which is
 * what makes a binary search in it valid while other nodes have moved on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "drf.h"

#include <stdlib.h>
#include <string.h>

static double share_of(const struct drf *d, const struct node *n)
{
	double share = 0;
	size_t n_names = n->held.n < d->total.n ? n->held.n : d->total.n;
	for (size_t i = 0; i < n_names; i++) {
		if (n->held.v[i] <= 0 || d->total.v[i] <= 0)
			continue;
		double part = (double)n->held.v[i] / (double)d->total.v[i];
		if (part > share)
			share = part;
	}
	return share / n->weight;
}

static void refresh(const struct drf *d, struct node *n)
{
	n->share = share_of(d, n);
	n->n_offers = n->n_offers_now;
}

static int compare(const struct node *a, const struct node *b)
{
	if (a->share != b->share)
		return a->share < b->share ? -1 : 1;
	if (a->n_offers != b->n_offers)
		return a->n_offers < b->n_offers ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int compare_pointers(const void *a, const void *b)
{
	return compare(*(struct node *const *)a, *(struct node *const *)b);
}

/* Where n is, or belongs. */
static size_t position(const struct order *o, const struct node *n)
{
	size_t low = 0, high = o->nodes.n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare(o->nodes.v[mid], n) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void node_touch(struct drf *d, struct node *n)
{
	if (n->touched)
		return;
	n->touched = true;
	ptrs_push(&d->touched, n);
}

void node_forget(struct drf *d, struct node *n)
{
	for (size_t i = 0; n->touched && i < d->touched.n; i++)
		if (d->touched.v[i] == n) {
			ptrs_remove(&d->touched, i);
			n->touched = false;
		}
	free(n->held.v);
	n->held = (struct amounts){0};
}

void order_add(struct drf *d, struct order *o, struct node *n)
{
	refresh(d, n);
	ptrs_insert(&o->nodes, position(o, n), n);
	n->order = o;
}

void order_remove(struct node *n)
{
	ptrs_remove(&n->order->nodes, position(n->order, n));
	n->order = NULL;
}

static void sort_again(struct drf *d, struct order *o)
{
	for (size_t i = 0; i < o->nodes.n; i++)
		refresh(d, o->nodes.v[i]);
	if (o->nodes.n)
		qsort(o->nodes.v, o->nodes.n, sizeof(o->nodes.v[0]), compare_pointers);
}

void orders_update(struct drf *d)
{
	for (size_t i = 0; i < d->touched.n; i++) {
		struct node *n = d->touched.v[i];
		n->touched = false;
		if (!n->order || d->is_total_changed)
			continue;
		struct order *o = n->order;
		order_remove(n);
		order_add(d, o, n);
	}
	d->touched.n = 0;
	if (!d->is_total_changed)
		return;
	d->is_total_changed = false;
	sort_again(d, &d->roles);
	for (size_t i = 0; i < d->roles.nodes.n; i++)
		sort_again(d, &((struct role *)d->roles.nodes.v[i])->clients);
}
