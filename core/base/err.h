/* err.h - making and wrapping errors (struct mz_err is public: <mezzo/types.h>).
 *
 * A fallible function returns 0 or a negative errno and takes `struct mz_err
 * *err` last. `err` is untouched on success; NULL is allowed everywhere.
 * Messages start with a capital, have no full stop, and put names in ' '.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_ERR_H
#define MZ_BASE_ERR_H

#include <errno.h>
#include <mezzo/types.h>

#include "base/compiler.h"

/* Sets *err and returns `code` (made negative): `return mz_fail(err, -EINVAL, "…")`. */
int mz_fail(struct mz_err *err, int code, const char *fmt, ...) MZ_PRINTF(3, 4);

/* Puts context before the message that is already in *err; returns err->code. */
int mz_wrap(struct mz_err *err, const char *fmt, ...) MZ_PRINTF(2, 3);

/* An invariant of ours; on failure the process aborts with the place. */
#define must(cond) ((cond) ? (void)0 : mz_must_failed(#cond, __FILE__, __LINE__))
void mz_must_failed(const char *cond, const char *file, int line) MZ_NORETURN;

#endif
