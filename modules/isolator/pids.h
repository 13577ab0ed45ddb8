/* pids.h - which process is the first of which container, for isolators whose nested
 * containers enter what their parent has.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_PIDS_H
#define MZ_ISOLATOR_PIDS_H

#include "../lib/by_id.h"

struct pids {
	struct by_id_table table;
};

struct pids_entry {
	struct by_id by; /* first member */
	int32_t pid;
	char id[];
};

static inline int pids_has(const struct pids *p, const char *id)
{
	return by_id_find(&p->table, id) != NULL;
}

/* 0: it is not known; id may be NULL. */
static inline int32_t pids_get(const struct pids *p, const char *id)
{
	const struct pids_entry *e = id ? (const struct pids_entry *)by_id_find(&p->table, id) : NULL;
	return e ? e->pid : 0;
}

/* False: out of memory. */
static inline int pids_set(struct pids *p, const char *id, int32_t pid)
{
	struct pids_entry *e = (struct pids_entry *)by_id_find(&p->table, id);
	if (!e) {
		size_t size = strlen(id) + 1;
		e = malloc(sizeof(*e) + size);
		if (!e)
			return 0;
		memcpy(e->id, id, size);
		if (by_id_add(&p->table, &e->by, e->id) < 0) {
			free(e);
			return 0;
		}
	}
	e->pid = pid;
	return 1;
}

static inline void pids_drop(struct pids *p, const char *id)
{
	free(by_id_take(&p->table, id));
}

static inline void pids_done(struct pids *p)
{
	for (struct by_id *b = by_id_empty(&p->table), *next; b; b = next) {
		next = b->next;
		free(b);
	}
}

#endif
