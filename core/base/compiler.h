/* compiler.h - the few compiler attributes that the code uses by name.
 * Everything may include it; it includes nothing of Mezzo.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_COMPILER_H
#define MZ_BASE_COMPILER_H

#include <stddef.h>

#define MZ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define MZ_UNUSED __attribute__((unused))
#define MZ_NORETURN __attribute__((noreturn))
#define MZ_CLEANUP(fn) __attribute__((cleanup(fn)))

#define MZ_N(array) (sizeof(array) / sizeof((array)[0]))
#define MZ_MIN(a, b) ((a) < (b) ? (a) : (b))
#define MZ_MAX(a, b) ((a) > (b) ? (a) : (b))

/* The struct that embeds `member` at `ptr`. */
#define mz_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Takes ownership out of the variable `p`, which becomes NULL. */
#define MZ_MOVE(p)                \
	({                        \
		__typeof__(p) mv_ = (p); \
		(p) = NULL;       \
		mv_;              \
	})

#endif
