/* arena.c - see arena.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_BLOCK_BYTES = 1024, MAX_BLOCK_BYTES = 64 * 1024 };

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char data[];
};

void arena_done(struct arena *a)
{
	while (a->head) {
		struct arena_block *next = a->head->next;
		free(a->head);
		a->head = next;
	}
	a->total = 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!a->head || a->head->size - a->head->used < size) {
		size_t want = a->head ? a->head->size * 2 : FIRST_BLOCK_BYTES;
		want = MZ_MIN(want, (size_t)MAX_BLOCK_BYTES);
		want = MZ_MAX(want, size);
		struct arena_block *b = xmalloc(sizeof(*b) + want);
		*b = (struct arena_block){.next = a->head, .size = want};
		a->head = b;
		a->total += want;
	}
	void *p = a->head->data + a->head->used;
	a->head->used += size;
	return p;
}

void *arena_calloc(struct arena *a, size_t size)
{
	return memset(arena_alloc(a, size), 0, size);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *copy = arena_alloc(a, len + 1);
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}
