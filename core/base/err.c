/* err.c - see err.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

int mz_fail(struct mz_err *err, int code, const char *fmt, ...)
{
	if (code > 0)
		code = -code;
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		str_make_utf8(err->msg); /* it may go into messages */
		err->code = code;
	}
	return code;
}

int mz_wrap(struct mz_err *err, const char *fmt, ...)
{
	if (!err)
		return -1;
	char context[sizeof(err->msg)];
	char inner[sizeof(err->msg)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(inner, err->msg, sizeof(inner));
	inner[sizeof(inner) - 1] = '\0';
	/* What does not fit is cut; the context is worth more than the end. */
	snprintf(err->msg, sizeof(err->msg), "%.*s: ", (int)sizeof(err->msg) - 3, context);
	size_t at = strlen(err->msg), room = sizeof(err->msg) - 1 - at, len = strlen(inner);
	if (len > room)
		len = room;
	memcpy(err->msg + at, inner, len);
	err->msg[at + len] = '\0';
	str_make_utf8(err->msg);
	return err->code;
}

void mz_must_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "mezzo: invariant '%s' does not hold at %s:%d\n", cond, file, line);
	abort();
}
