/* pids.h - which process is the first of which container, for isolators whose nested
 * containers enter what their parent has. A list: an agent has hundreds at most.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_PIDS_H
#define MZ_ISOLATOR_PIDS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pids {
	struct pids_entry {
		struct pids_entry *next;
		int32_t pid;
		char id[];
	} *first;
};

static inline struct pids_entry **pids_at(struct pids *p, const char *id)
{
	struct pids_entry **e = &p->first;
	while (*e && strcmp((*e)->id, id))
		e = &(*e)->next;
	return e;
}

static inline int32_t pids_get(struct pids *p, const char *id)
{
	struct pids_entry *e = id ? *pids_at(p, id) : NULL;
	return e ? e->pid : 0;
}

/* False: out of memory. */
static inline int pids_set(struct pids *p, const char *id, int32_t pid)
{
	struct pids_entry *e = *pids_at(p, id);
	if (!e) {
		size_t size = strlen(id) + 1;
		e = malloc(sizeof(*e) + size);
		if (!e)
			return 0;
		memcpy(e->id, id, size);
		e->next = p->first;
		p->first = e;
	}
	e->pid = pid;
	return 1;
}

static inline void pids_drop(struct pids *p, const char *id)
{
	struct pids_entry **at = pids_at(p, id), *e = *at;
	if (e) {
		*at = e->next;
		free(e);
	}
}

static inline void pids_done(struct pids *p)
{
	while (p->first)
		pids_drop(p, p->first->id);
}

#endif
