/* vec.h - typed growing arrays.
 *
 *	VEC(struct task *) tasks = {0};
 *	vec_push(&tasks, t);
 *	for (size_t i = 0; i < tasks.n; i++) use(tasks.v[i]);
 *	vec_done(&tasks);
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_VEC_H
#define MZ_BASE_VEC_H

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define VEC(type)              \
	struct {               \
		type *v;       \
		size_t n, cap; \
	}

#define vec_reserve(a, want)                                                              \
	do {                                                                              \
		if ((want) > (a)->cap) {                                                  \
			size_t cap_ = (a)->cap ? (a)->cap * 2 : 4;                        \
			while (cap_ < (want))                                             \
				cap_ *= 2;                                                \
			(a)->v = xreallocarray((a)->v, cap_, sizeof((a)->v[0]));          \
			(a)->cap = cap_;                                                  \
		}                                                                         \
	} while (0)

#define vec_push(a, item)                     \
	do {                                  \
		vec_reserve((a), (a)->n + 1); \
		(a)->v[(a)->n++] = (item);    \
	} while (0)

#define vec_pop(a) ((a)->v[--(a)->n])
#define vec_clear(a) ((a)->n = 0)

#define vec_insert(a, at, item)                                                           \
	do {                                                                              \
		size_t at_ = (at);                                                        \
		vec_reserve((a), (a)->n + 1);                                             \
		memmove(&(a)->v[at_ + 1], &(a)->v[at_], ((a)->n - at_) * sizeof((a)->v[0])); \
		(a)->v[at_] = (item);                                                     \
		(a)->n++;                                                                 \
	} while (0)

/* Keeps the order. */
#define vec_remove(a, at)                                                                 \
	do {                                                                              \
		size_t at_ = (at);                                                        \
		(a)->n--;                                                                 \
		memmove(&(a)->v[at_], &(a)->v[at_ + 1], ((a)->n - at_) * sizeof((a)->v[0])); \
	} while (0)

/* Fills the hole with the last element. */
#define vec_swap_remove(a, at) ((a)->v[(at)] = (a)->v[--(a)->n])

#define vec_done(a)                \
	do {                       \
		free((a)->v);      \
		(a)->v = NULL;     \
		(a)->n = (a)->cap = 0; \
	} while (0)

#endif
