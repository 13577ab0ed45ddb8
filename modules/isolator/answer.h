/* answer.h - what every small isolator does alike: its instance, the end of an op,
 * reading the container's message. Static code for the modules of this folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_ANSWER_H
#define MZ_ISOLATOR_ANSWER_H

#ifndef MZ_MODULE_ABI
#define MZ_MODULE_ABI 1
#endif
#include <mezzo/isolator.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fills in err and returns the code. */
__attribute__((format(printf, 3, 4))) static inline int iso_error(struct mz_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	err->code = code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

static inline int iso_no_memory(struct mz_err *err)
{
	return iso_error(err, -ENOMEM, "Out of memory");
}

/* Ends the op: rc 0 is success. */
static inline void iso_end(const struct mz_host *h, struct mz_op *op, int rc, const struct mz_err *err)
{
	h->op_done(op, rc < 0 ? err : NULL, NULL);
}

/* A refusal of the launcher, in words. */
static inline int iso_asked(int rc, const char *what, struct mz_err *err)
{
	return rc < 0 ? iso_error(err, rc, "The launcher refuses %s: %s", what, strerror(-rc)) : 0;
}

/* ContainerInfo; a container without one has nothing set. */
static inline int iso_has(const struct mz_container *c, const char *path)
{
	return c->container && c->info->has(c->container, path);
}

static inline const char *iso_str(const struct mz_container *c, const char *path)
{
	return c->container ? c->info->str(c->container, path) : NULL;
}

static inline int64_t iso_int(const struct mz_container *c, const char *path, int64_t otherwise)
{
	return c->container ? c->info->integer(c->container, path, otherwise) : otherwise;
}

#endif
