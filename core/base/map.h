/* map.h - string -> pointer, in order of insertion.
 *
 * The order is the same in every run with the same calls, which the simulator
 * relies on. Keys are copied; values belong to the caller. Entries may be
 * deleted while iterating, not added.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_MAP_H
#define MZ_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
	char *key; /* NULL: deleted */
	void *value;
	uint64_t hash;
};

struct map {
	struct map_entry *entries;
	uint32_t *index; /* open addressing; 0 = empty, else entry number + 1 */
	size_t n;        /* live entries */
	size_t used, cap, n_index;
};

void map_done(struct map *m); /* keys are freed, values are not */
void *map_get(const struct map *m, const char *key); /* NULL if absent */
bool map_has(const struct map *m, const char *key);
/* Adds or replaces; the old value (or NULL) is returned. */
void *map_put(struct map *m, const char *key, void *value);
/* The value that was there, or NULL. */
void *map_del(struct map *m, const char *key);

/* struct map_entry *e; for each live entry in order of insertion. */
#define map_each(m, e)                                                          \
	for (struct map_entry *e = (m)->entries; e && e < (m)->entries + (m)->used; e++) \
		if (e->key)

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);
uint64_t hash_str(const char *s);

#endif
