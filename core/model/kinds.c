/* kinds.c - interning of what makes two resources distinct.
 *
 * A kind is found by a key: a canonical byte string of all that counts for
 * identity. The volume and the principal of a persistent volume do not: they say
 * how it is used, not which one it is.
 *
 * Peers invent roles, labels and names, so a kind lives no longer than somebody
 * holds it: each item of a set does, and an allocated kind holds its plain one.
 * Only those that a module has looked at stay for ever.
 * Called by the other files of the resource type only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "model/res_impl.h"
#include "wire/pb.h"

struct kind **res_kinds;
static uint32_t n_ids, cap_kinds; /* ids that were ever given out; those of freed kinds are NULL */
static uint32_t n_kinds;
static uint32_t first_free; /* no id below it is free: the same sets give the same ids */
static struct kind **buckets;
static uint32_t n_buckets; /* a power of two */
static struct map names; /* text -> struct res_name */
static char star[] = "*"; /* not the generated default, which would count as unset */

static struct res_name *name_ref(const char *s)
{
	struct res_name *n = map_get(&names, s);
	if (!n) {
		n = xnew(struct res_name);
		n->text = xstrdup(s);
		map_put(&names, s, n);
	}
	n->refs++;
	return n;
}

static void name_unref(struct res_name *n)
{
	if (--n->refs)
		return;
	map_del(&names, n->text);
	free(n->text);
	free(n);
}

/* ---- keys ------------------------------------------------------------------ */

/* Presence, then the text with its end: no two lists of strings look alike. */
static void key_text(struct buf *k, const char *s)
{
	buf_addc(k, s ? 1 : 0);
	if (s)
		buf_add(k, s, strlen(s) + 1);
}

static int label_cmp(const void *a, const void *b)
{
	const Mesos__V1__Label *x = *(Mesos__V1__Label *const *)a, *y = *(Mesos__V1__Label *const *)b;
	int c = strcmp(x->key, y->key);
	if (c)
		return c;
	if (!x->value || !y->value)
		return (x->value != NULL) - (y->value != NULL);
	return strcmp(x->value, y->value);
}

/* The order of labels says nothing. */
static void key_labels(struct buf *k, const Mesos__V1__Labels *l)
{
	size_t n = l ? l->n_labels : 0;
	buf_addf(k, "%zu,", n);
	if (!n)
		return;
	mz_autofree Mesos__V1__Label **v = xmemdup(l->labels, n * sizeof(*v));
	qsort(v, n, sizeof(*v), label_cmp);
	for (size_t i = 0; i < n; i++) {
		key_text(k, v[i]->key);
		key_text(k, v[i]->value);
	}
}

static void key_disk(struct buf *k, const Mesos__V1__Resource__DiskInfo *d)
{
	const Mesos__V1__Resource__DiskInfo__Source *s = d ? d->source : NULL;
	key_text(k, d && d->persistence ? d->persistence->id : NULL);
	buf_addc(k, s ? 1 : 0);
	if (!s)
		return;
	buf_addf(k, "%d%d%d,", (int)s->type, s->path != NULL, s->mount != NULL);
	key_text(k, s->path ? s->path->root : NULL);
	key_text(k, s->mount ? s->mount->root : NULL);
	key_text(k, s->vendor);
	key_text(k, s->id);
	key_text(k, s->profile);
	key_labels(k, s->metadata);
}

void res_key_reservations(struct buf *k, const pb_resource *r)
{
	for (size_t i = 0; i < r->n_reservations; i++) {
		const pb_reservation *v = r->reservations[i];
		buf_addf(k, "%d", (int)v->type);
		key_text(k, v->role);
		key_text(k, v->principal);
		key_labels(k, v->labels);
	}
}

static void key_make(struct buf *k, const pb_resource *r)
{
	key_text(k, r->name);
	buf_addf(k, "%d%d%d,%zu,", (int)r->type, r->revocable != NULL, r->shared != NULL, r->n_reservations);
	res_key_reservations(k, r);
	key_disk(k, r->disk);
	key_text(k, r->provider_id ? r->provider_id->value : NULL);
}

/* ---- the table ------------------------------------------------------------- */

static void buckets_grow(void)
{
	n_buckets = n_buckets ? n_buckets * 2 : 256;
	free(buckets);
	buckets = xcalloc(n_buckets, sizeof(*buckets));
	for (uint32_t i = 0; i < n_ids; i++) {
		struct kind *k = res_kinds[i];
		if (!k)
			continue;
		k->next = buckets[k->hash & (n_buckets - 1)];
		buckets[k->hash & (n_buckets - 1)] = k;
	}
}

static struct kind *kind_find(const struct buf *key, uint64_t hash)
{
	if (!n_buckets)
		return NULL;
	for (struct kind *k = buckets[hash & (n_buckets - 1)]; k; k = k->next)
		if (k->hash == hash && k->key_size == key->len && memcmp(k->key, key->data, key->len) == 0)
			return k;
	return NULL;
}

static bool source_indivisible(const Mesos__V1__Resource__DiskInfo__Source *s)
{
	switch (s ? s->type : MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__PATH) {
	case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__MOUNT:
	case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__BLOCK:
		return true;
	case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__RAW:
		return s->id != NULL; /* without an id it is a pool */
	default:
		return false;
	}
}

static uint32_t kind_flags(const pb_resource *r)
{
	const pb_reservation *top = r->n_reservations ? r->reservations[r->n_reservations - 1] : NULL;
	uint32_t f = 0;
	if (r->revocable)
		f |= MZ_RES_REVOCABLE;
	if (r->shared)
		f |= MZ_RES_SHARED;
	if (top)
		f |= MZ_RES_RESERVED;
	if (top && top->type == MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC)
		f |= MZ_RES_DYNAMIC;
	if (r->n_reservations > 1)
		f |= MZ_RES_REFINED;
	if (r->disk && r->disk->persistence)
		f |= MZ_RES_PERSISTENT;
	if (r->disk && r->disk->source)
		f |= MZ_RES_DISK_SOURCE;
	if (r->provider_id)
		f |= MZ_RES_PROVIDER;
	return f;
}

/* Fills the three prototypes from a message that lives as long as the kind. */
static void kind_formats(struct kind *k, const pb_resource *p)
{
	k->post = *p;
	k->pre = *p;
	k->pre.n_reservations = 0;
	k->pre.reservations = NULL;
	k->endpoint = *p;
	char *role = star;
	pb_reservation *old = NULL;
	if (p->n_reservations == 1) {
		const pb_reservation *v = p->reservations[0];
		role = v->role;
		if (v->type == MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC) {
			old = PB_NEW(&k->arena, pb_reservation, mesos__v1__resource__reservation_info);
			old->principal = v->principal;
			old->labels = v->labels;
		}
	}
	k->pre.role = role;
	k->pre.reservation = old;
	if (p->n_reservations <= 1) { /* the old fields cannot tell a refined one */
		k->endpoint.role = role;
		k->endpoint.reservation = old;
	}
}

/* Gives it the lowest id that is free. */
static void kind_insert(struct kind *k, const struct buf *key, uint64_t hash)
{
	while (first_free < n_ids && res_kinds[first_free])
		first_free++;
	if (first_free == n_ids && n_ids++ == cap_kinds) {
		cap_kinds = cap_kinds ? cap_kinds * 2 : 64;
		res_kinds = xreallocarray(res_kinds, cap_kinds, sizeof(*res_kinds));
	}
	k->pub.kind = first_free++;
	k->hash = hash;
	k->key_size = key->len;
	k->key = xmemdup(key->data, key->len);
	res_kinds[k->pub.kind] = k;
	if (++n_kinds > n_buckets) {
		buckets_grow();
	} else {
		k->next = buckets[hash & (n_buckets - 1)];
		buckets[hash & (n_buckets - 1)] = k;
	}
}

static struct kind *kind_new(const pb_resource *r, const struct buf *key, uint64_t hash)
{
	/* Only identity is kept; value and allocation are the slot's and the format's. */
	pb_resource bare = *r;
	bare.scalar = NULL;
	bare.ranges = NULL;
	bare.set = NULL;
	bare.allocation_info = NULL;
	struct kind *k = xnew(struct kind);
	pb_resource *p = (pb_resource *)pb_copy(&bare.base, &k->arena);
	k->name = name_ref(p->name);
	k->pub = (struct mz_res_kind){
		.size = sizeof(k->pub),
		.type = (uint32_t)p->type,
		.flags = kind_flags(p),
		.name = k->name->text,
		.role = p->n_reservations ? p->reservations[p->n_reservations - 1]->role : star,
	};
	k->has_details = p->disk && p->disk->persistence;
	k->indivisible = p->shared || k->has_details || (p->disk && source_indivisible(p->disk->source));
	kind_formats(k, p);
	kind_insert(k, key, hash);
	k->base = k->pub.kind;
	return k;
}

/* Shares what its plain kind has. */
static struct kind *kind_new_allocated(struct kind *base, const char *role, const struct buf *key, uint64_t hash)
{
	struct kind *k = xnew(struct kind);
	k->pub = base->pub;
	k->base = base->pub.kind;
	k->name = base->name;
	k->has_details = base->has_details;
	k->indivisible = base->indivisible;
	k->alloc_role = xstrdup(role);
	k->post = base->post;
	k->pre = base->pre;
	k->endpoint = base->endpoint;
	kind_ref(k->base);
	kind_insert(k, key, hash);
	return k;
}

void kind_free(struct kind *k)
{
	struct kind **at = &buckets[k->hash & (n_buckets - 1)];
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	res_kinds[k->pub.kind] = NULL;
	first_free = MZ_MIN(first_free, k->pub.kind);
	n_kinds--;
	if (k->alloc_role)
		kind_unref(k->base);
	else
		name_unref(k->name);
	arena_done(&k->arena);
	free(k->alloc_role);
	free(k->key);
	free(k);
}

int kind_intern(const pb_resource *r, uint32_t *ret, struct mz_err *err)
{
	mz_autobuf struct buf key = {0};
	key_make(&key, r);
	uint64_t hash = hash_bytes(key.data, key.len, 0);
	struct kind *k = kind_find(&key, hash);
	if (!k && n_kinds >= RES_MAX_KINDS)
		return mz_fail(err, -ENOSPC, "Too many distinct kinds of resources (%u)", n_kinds);
	if (!k)
		k = kind_new(r, &key, hash);
	kind_ref(k->pub.kind);
	*ret = k->pub.kind;
	if (r->allocation_info && r->allocation_info->role) {
		*ret = kind_allocated(k->pub.kind, r->allocation_info->role);
		kind_unref(k->pub.kind);
	}
	return 0;
}

uint32_t kind_allocated(uint32_t kind, const char *role)
{
	uint32_t base = kind_of(kind)->base;
	const char *own = kind_of(kind)->alloc_role;
	if (role == own || (role && own && strcmp(own, role) == 0))
		return kind_ref(kind);
	if (!role)
		return kind_ref(base);
	/* A short key of its own, as this is asked for each offer. */
	mz_autobuf struct buf key = {0};
	buf_addc(&key, 2);
	buf_add(&key, &base, sizeof(base));
	buf_adds(&key, role);
	uint64_t hash = hash_bytes(key.data, key.len, 0);
	struct kind *k = kind_find(&key, hash);
	if (!k)
		k = kind_new_allocated(res_kinds[base], role, &key, hash);
	return kind_ref(k->pub.kind);
}

const struct mz_res_kind *res_kind(uint32_t kind)
{
	return kind < n_ids && res_kinds[kind] ? &res_kinds[kind]->pub : NULL;
}

const struct mz_res_kind *kind_pin(uint32_t kind)
{
	const struct mz_res_kind *pub = res_kind(kind);
	struct kind *base = pub ? res_kinds[kind_of(kind)->base] : NULL;
	if (base && !base->is_pinned) {
		base->is_pinned = true;
		kind_ref(base->pub.kind);
	}
	return pub;
}

size_t res_n_kinds(void)
{
	return n_kinds;
}
