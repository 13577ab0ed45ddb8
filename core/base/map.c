/* map.c - see map.h. A dense array of entries in order of insertion, and an
 * open-addressing index into it. Deleting leaves a hole that the next rebuild
 * of the index closes; holes keep iteration stable meanwhile.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DELETED UINT32_MAX

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325ull ^ seed;
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	h ^= h >> 32;
	return h * 0x9e3779b97f4a7c15ull;
}

uint64_t hash_str(const char *s)
{
	return hash_bytes(s, strlen(s), 0);
}

void map_done(struct map *m)
{
	for (size_t i = 0; i < m->used; i++)
		free(m->entries[i].key);
	free(m->entries);
	free(m->index);
	*m = (struct map){0};
}

/* The slot of `key` in the index, or the slot where it would go (*ret_free). */
static size_t find(const struct map *m, const char *key, uint64_t hash, bool *ret_found)
{
	size_t mask = m->n_index - 1, i = hash & mask, hole = SIZE_MAX;
	for (;; i = (i + 1) & mask) {
		uint32_t at = m->index[i];
		if (at == 0) {
			*ret_found = false;
			return hole != SIZE_MAX ? hole : i;
		}
		if (at == DELETED) {
			if (hole == SIZE_MAX)
				hole = i;
			continue;
		}
		const struct map_entry *e = &m->entries[at - 1];
		if (e->hash == hash && strcmp(e->key, key) == 0) {
			*ret_found = true;
			return i;
		}
	}
}

static void rebuild(struct map *m)
{
	size_t n_index = 8, live = 0;
	/* Room for half as many again: entries that come and go in equal numbers do
	 * not rebuild each time. */
	while (n_index < (m->n + 1) * 3)
		n_index *= 2;
	for (size_t i = 0; i < m->used; i++)
		if (m->entries[i].key)
			m->entries[live++] = m->entries[i];
	m->used = live;
	if (m->cap < n_index) {
		m->cap = n_index;
		m->entries = xreallocarray(m->entries, m->cap, sizeof(*m->entries));
	}
	free(m->index);
	m->index = xcalloc(n_index, sizeof(*m->index));
	m->n_index = n_index;
	for (size_t i = 0; i < m->used; i++) {
		size_t at = m->entries[i].hash & (n_index - 1);
		while (m->index[at])
			at = (at + 1) & (n_index - 1);
		m->index[at] = (uint32_t)i + 1;
	}
}

static struct map_entry *lookup(const struct map *m, const char *key)
{
	if (!m->n)
		return NULL;
	bool found;
	size_t slot = find(m, key, hash_str(key), &found);
	return found ? &m->entries[m->index[slot] - 1] : NULL;
}

void *map_get(const struct map *m, const char *key)
{
	const struct map_entry *e = lookup(m, key);
	return e ? e->value : NULL;
}

bool map_has(const struct map *m, const char *key)
{
	return lookup(m, key) != NULL;
}

void *map_put(struct map *m, const char *key, void *value)
{
	struct map_entry *e = lookup(m, key);
	if (e) {
		void *old = e->value;
		e->value = value;
		return old;
	}
	if ((m->used + 1) * 2 > m->n_index || m->used == m->cap)
		rebuild(m);
	bool found;
	uint64_t hash = hash_str(key);
	size_t slot = find(m, key, hash, &found);
	m->entries[m->used] = (struct map_entry){.key = xstrdup(key), .value = value, .hash = hash};
	m->index[slot] = (uint32_t)++m->used;
	m->n++;
	return NULL;
}

void *map_del(struct map *m, const char *key)
{
	if (!m->n)
		return NULL;
	bool found;
	size_t slot = find(m, key, hash_str(key), &found);
	if (!found)
		return NULL;
	struct map_entry *e = &m->entries[m->index[slot] - 1];
	void *value = e->value;
	free(e->key);
	*e = (struct map_entry){0};
	m->index[slot] = DELETED;
	m->n--;
	return value;
}
