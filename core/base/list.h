/* list.h - intrusive doubly linked lists. A node that is in no list points to
 * itself or is zeroed, so list_remove() is always safe after list_init().
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_LIST_H
#define MZ_BASE_LIST_H

#include <stdbool.h>

#include "base/compiler.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return !l->next || l->next == l;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

/* Appends `node` to the list whose head is `head`. */
static inline void list_append(struct list *head, struct list *node)
{
	list_insert_before(head, node);
}

static inline void list_remove(struct list *node)
{
	if (!node->next)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_first(head, type, member) mz_container_of((head)->next, type, member)

/* The current element may be removed inside the loop. */
#define list_each(head, type, member, var)                                                       \
	for (type *var = mz_container_of((head)->next, type, member),                             \
		  *var##_next = mz_container_of(var->member.next, type, member);                  \
	     &var->member != (head);                                                              \
	     var = var##_next, var##_next = mz_container_of(var->member.next, type, member))

#endif
