/* by_id.h - what a module keeps of each container, found by its id: a hash table that grows
 * with what is in it. No list to walk, however many containers there are.
 *
 * What is kept begins with a struct by_id, so that a pointer to the one is a pointer to the other:
 *
 *	struct box { struct by_id by; ...; char id[]; };
 *	struct box *b = (struct box *)by_id_find(&p->boxes, id);
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_BY_ID_H
#define MZ_MODULES_LIB_BY_ID_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct by_id {
	struct by_id *next; /* in its bucket */
	uint32_t hash;
	const char *id; /* the owner's; lives as long as it is in the table */
};

/* Zeroed is empty. */
struct by_id_table {
	struct by_id **buckets;
	size_t n, n_buckets; /* a power of two, or 0 */
};

static inline uint32_t by_id_hash(const char *id)
{
	uint32_t h = 2166136261u;
	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	return h ^ h >> 15;
}

/* Where it hangs, or would. */
static inline struct by_id **by_id_at(const struct by_id_table *t, const char *id, uint32_t hash)
{
	struct by_id **at = &t->buckets[hash & (t->n_buckets - 1)];
	while (*at && ((*at)->hash != hash || strcmp((*at)->id, id) != 0))
		at = &(*at)->next;
	return at;
}

/* NULL: there is none. */
static inline struct by_id *by_id_find(const struct by_id_table *t, const char *id)
{
	return t->n ? *by_id_at(t, id, by_id_hash(id)) : NULL;
}

static inline int by_id_grow(struct by_id_table *t)
{
	size_t n = t->n_buckets ? t->n_buckets * 2 : 64;
	struct by_id **v = calloc(n, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_buckets; i++)
		for (struct by_id *b = t->buckets[i], *next; b; b = next) {
			next = b->next;
			b->next = v[b->hash & (n - 1)];
			v[b->hash & (n - 1)] = b;
		}
	free(t->buckets);
	t->buckets = v;
	t->n_buckets = n;
	return 0;
}

/* None of that id may be there. -ENOMEM. */
static inline int by_id_add(struct by_id_table *t, struct by_id *b, const char *id)
{
	/* One that cannot grow gets slow. */
	if (t->n >= t->n_buckets && by_id_grow(t) < 0 && !t->n_buckets)
		return -ENOMEM;
	b->id = id;
	b->hash = by_id_hash(id);
	struct by_id **at = &t->buckets[b->hash & (t->n_buckets - 1)];
	b->next = *at;
	*at = b;
	t->n++;
	return 0;
}

/* Takes it out; NULL: there is none. */
static inline struct by_id *by_id_take(struct by_id_table *t, const char *id)
{
	struct by_id **at = t->n ? by_id_at(t, id, by_id_hash(id)) : NULL, *b = at ? *at : NULL;
	if (!b)
		return NULL;
	*at = b->next;
	t->n--;
	return b;
}

/* One after the other, in no order; NULL: the first, or there are no more. Nothing may be added
 * meanwhile, and b itself only be taken out when the next one is known. */
static inline struct by_id *by_id_next(const struct by_id_table *t, const struct by_id *b)
{
	if (b && b->next)
		return b->next;
	for (size_t i = b ? (b->hash & (t->n_buckets - 1)) + 1 : 0; i < t->n_buckets; i++)
		if (t->buckets[i])
			return t->buckets[i];
	return NULL;
}

/* Takes all out: the first one; the others follow by `next`. The table is empty then. */
static inline struct by_id *by_id_empty(struct by_id_table *t)
{
	struct by_id *all = NULL;
	for (size_t i = 0; i < t->n_buckets; i++)
		while (t->buckets[i]) {
			struct by_id *b = t->buckets[i];
			t->buckets[i] = b->next;
			b->next = all;
			all = b;
		}
	free(t->buckets);
	*t = (struct by_id_table){0};
	return all;
}

#endif
