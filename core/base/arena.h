/* arena.h - many small allocations that are freed together.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_ARENA_H
#define MZ_BASE_ARENA_H

#include <stddef.h>

#include "base/compiler.h"

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t total; /* bytes taken from the system */
};

void arena_done(struct arena *a);
#define mz_autoarena MZ_CLEANUP(arena_done)
/* Aligned for any type; not zeroed. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_calloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t len);

#endif
