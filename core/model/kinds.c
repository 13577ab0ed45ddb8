/* kinds.c - interning of what makes two resources distinct.
 *
 * A kind is found by a key: a canonical byte string of all that counts for
 * identity. The volume and the principal of a persistent volume do not: they say
 * how it is used, not which one it is. Kinds live as long as the process, so
 * the messages of an answer may point into them.
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
static uint32_t n_kinds, cap_kinds;
static struct kind **buckets;
static uint32_t n_buckets; /* a power of two */
static struct map strings; /* text -> struct res_name */
static struct arena forever;
static char star[] = "*"; /* not the generated default, which would count as unset */

static struct res_name *intern_name(const char *s)
{
	struct res_name *n = map_get(&strings, s);
	if (!n) {
		n = arena_calloc(&forever, sizeof(*n));
		n->text = arena_strdup(&forever, s);
		map_put(&strings, s, n);
	}
	return n;
}

const char *res_intern(const char *s)
{
	return intern_name(s)->text;
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
	for (uint32_t i = 0; i < n_kinds; i++) {
		struct kind *k = res_kinds[i];
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

/* Fills the three prototypes from a message that lives for ever. */
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
			old = PB_NEW(&forever, pb_reservation, mesos__v1__resource__reservation_info);
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

static uint32_t kind_add(const pb_resource *r, const char *alloc_role, const struct buf *key, uint64_t hash)
{
	/* Only identity is kept; value and allocation are the slot's and the format's. */
	pb_resource bare = *r;
	bare.scalar = NULL;
	bare.ranges = NULL;
	bare.set = NULL;
	bare.allocation_info = NULL;
	pb_resource *p = (pb_resource *)pb_copy(&bare.base, &forever);
	struct kind *k = arena_calloc(&forever, sizeof(*k));
	k->name = intern_name(p->name);
	k->pub = (struct mz_res_kind){
		.size = sizeof(k->pub),
		.kind = n_kinds,
		.type = (uint32_t)p->type,
		.flags = kind_flags(p),
		.name = k->name->text,
		.role = p->n_reservations ? res_intern(p->reservations[p->n_reservations - 1]->role) : star,
	};
	k->base = n_kinds;
	k->has_details = p->disk && p->disk->persistence;
	k->indivisible = p->shared || k->has_details || (p->disk && source_indivisible(p->disk->source));
	k->alloc_role = alloc_role ? res_intern(alloc_role) : NULL;
	mesos__v1__resource__allocation_info__init(&k->allocation);
	k->allocation.role = (char *)k->alloc_role;
	kind_formats(k, p);
	k->hash = hash;
	k->key_size = key->len;
	k->key = memcpy(arena_alloc(&forever, key->len), key->data, key->len);
	if (n_kinds == cap_kinds) {
		cap_kinds = cap_kinds ? cap_kinds * 2 : 64;
		res_kinds = xreallocarray(res_kinds, cap_kinds, sizeof(*res_kinds));
	}
	res_kinds[n_kinds++] = k;
	if (n_kinds > n_buckets) {
		buckets_grow();
	} else {
		k->next = buckets[hash & (n_buckets - 1)];
		buckets[hash & (n_buckets - 1)] = k;
	}
	return k->pub.kind;
}

int kind_intern(const pb_resource *r, uint32_t *ret, struct mz_err *err)
{
	mz_autobuf struct buf key = {0};
	key_make(&key, r);
	uint64_t hash = hash_bytes(key.data, key.len, 0);
	struct kind *k = kind_find(&key, hash);
	if (!k && n_kinds >= RES_MAX_KINDS)
		return mz_fail(err, -ENOSPC, "Too many distinct kinds of resources (%u)", n_kinds);
	uint32_t base = k ? k->pub.kind : kind_add(r, NULL, &key, hash);
	*ret = kind_allocated(base, r->allocation_info ? r->allocation_info->role : NULL);
	return 0;
}

uint32_t kind_allocated(uint32_t kind, const char *role)
{
	uint32_t base = kind_of(kind)->base;
	if (!role)
		return base;
	if (kind_of(kind)->alloc_role && strcmp(kind_of(kind)->alloc_role, role) == 0)
		return kind;
	/* A short key of its own, as this is asked for each offer. */
	mz_autobuf struct buf key = {0};
	buf_addc(&key, 2);
	buf_add(&key, &base, sizeof(base));
	buf_adds(&key, role);
	uint64_t hash = hash_bytes(key.data, key.len, 0);
	struct kind *k = kind_find(&key, hash);
	if (k)
		return k->pub.kind;
	uint32_t id = kind_add(&kind_of(base)->post, role, &key, hash);
	res_kinds[id]->base = base;
	return id;
}

const struct mz_res_kind *res_kind(uint32_t kind)
{
	return kind < n_kinds ? &res_kinds[kind]->pub : NULL;
}
