/* mem.h - allocation that cannot fail, and scope cleanup.
 *
 * Running out of memory aborts: a half-allocated manager is worse than a dead
 * one. Sizes that a peer chose are bounded before they get here.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_MEM_H
#define MZ_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

#include "base/compiler.h"

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
void *xreallocarray(void *p, size_t n, size_t size);
/* NULL gives NULL. */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t max);
void *xmemdup(const void *p, size_t size);
char *xasprintf(const char *fmt, ...) MZ_PRINTF(1, 2);
char *xvasprintf(const char *fmt, va_list ap) MZ_PRINTF(1, 0);
/* Replaces the string at *dst (freed) by a copy of `s` (may be NULL). */
void xset(char **dst, const char *s);

#define xnew(type) ((type *)xcalloc(1, sizeof(type)))

/* Scope cleanup: `mz_autofree char *s = …` is freed when s goes out of scope. */
void mz_cleanup_free(void *pp);
void mz_cleanup_close(int *fd);
void mz_cleanup_file(void *pp); /* FILE ** */
void mz_cleanup_dir(void *pp);  /* DIR ** */
#define mz_autofree MZ_CLEANUP(mz_cleanup_free)
#define mz_autoclose MZ_CLEANUP(mz_cleanup_close)
#define mz_autofile MZ_CLEANUP(mz_cleanup_file)
#define mz_autodir MZ_CLEANUP(mz_cleanup_dir)

#endif
