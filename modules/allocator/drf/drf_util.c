/* drf_util.c - memory and the small tables of the DRF allocator.
 *
 * Not for anything that knows of roles or resources.
 * SPDX-License-Identifier: Apache-2.0 */
#include "drf.h"

#include <stdlib.h>
#include <string.h>

void *drf_realloc(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n, size);
	if (!p)
		abort();
	return p;
}

void *drf_calloc(size_t n, size_t size)
{
	void *p = calloc(n, size);
	if (!p)
		abort();
	return p;
}

char *drf_strdup(const char *s)
{
	char *copy = strdup(s);
	if (!copy)
		abort();
	return copy;
}

void ptrs_push(struct ptrs *a, void *p)
{
	ptrs_insert(a, a->n, p);
}

void ptrs_insert(struct ptrs *a, size_t at, void *p)
{
	if (a->n == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 4;
		a->v = drf_realloc(a->v, a->cap, sizeof(a->v[0]));
	}
	memmove(&a->v[at + 1], &a->v[at], (a->n - at) * sizeof(a->v[0]));
	a->v[at] = p;
	a->n++;
}

void ptrs_remove(struct ptrs *a, size_t at)
{
	a->n--;
	memmove(&a->v[at], &a->v[at + 1], (a->n - at) * sizeof(a->v[0]));
}

/* Keys are counted up: spread them. */
static size_t home(const struct key_map *m, mz_key key)
{
	return (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (m->cap - 1);
}

static size_t key_map_at(const struct key_map *m, mz_key key)
{
	size_t i = home(m, key);
	while (m->v[i].key && m->v[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

void *key_map_get(const struct key_map *m, mz_key key)
{
	return m->cap ? m->v[key_map_at(m, key)].value : NULL;
}

static void key_map_grow(struct key_map *m)
{
	struct key_map bigger = {.cap = m->cap ? m->cap * 2 : 64, .n = m->n};
	bigger.v = drf_calloc(bigger.cap, sizeof(bigger.v[0]));
	for (size_t i = 0; i < m->cap; i++)
		if (m->v[i].key)
			bigger.v[key_map_at(&bigger, m->v[i].key)] = m->v[i];
	free(m->v);
	*m = bigger;
}

void key_map_put(struct key_map *m, mz_key key, void *value)
{
	if (m->n * 2 >= m->cap)
		key_map_grow(m);
	size_t i = key_map_at(m, key);
	m->n += m->v[i].key == 0;
	m->v[i] = (struct key_slot){key, value};
}

/* Closes the hole, so that searches never meet deleted slots. */
void key_map_del(struct key_map *m, mz_key key)
{
	if (!m->cap)
		return;
	size_t hole = key_map_at(m, key);
	if (!m->v[hole].key)
		return;
	m->n--;
	for (size_t i = (hole + 1) & (m->cap - 1); m->v[i].key; i = (i + 1) & (m->cap - 1)) {
		size_t want = home(m, m->v[i].key);
		/* May the entry at i move back into the hole? Not past its home. */
		if (((i - want) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
			m->v[hole] = m->v[i];
			hole = i;
		}
	}
	m->v[hole] = (struct key_slot){0};
}

int64_t *amounts_at(struct amounts *a, size_t i)
{
	if (i >= a->n) {
		size_t n = i + 4;
		a->v = drf_realloc(a->v, n, sizeof(a->v[0]));
		memset(a->v + a->n, 0, (n - a->n) * sizeof(a->v[0]));
		a->n = n;
	}
	return &a->v[i];
}
