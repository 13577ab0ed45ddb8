/* pending.h - what a worker thread has of a module's, and who else will not come back: the
 * host calls no `done` any more once the instance is destroyed, so that what was
 * for it is freed there.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_PENDING_H
#define MZ_MODULES_LIB_PENDING_H

#include <stddef.h>

/* Embedded in what waits. */
struct pending {
	struct pending *next, **at;
	void (*drop)(struct pending *p); /* frees it */
};

static inline void pending_add(struct pending **list, struct pending *p, void (*drop)(struct pending *p))
{
	p->drop = drop;
	p->at = list;
	p->next = *list;
	if (p->next)
		p->next->at = &p->next;
	*list = p;
}

/* It has come back. */
static inline void pending_end(struct pending *p)
{
	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
}

/* In destroy: no thread has any of it any more. */
static inline void pending_drop_all(struct pending **list)
{
	struct pending *p;
	while ((p = *list)) {
		pending_end(p);
		p->drop(p);
	}
}

#endif
