/* rotate.h - between the files of logger/rotate.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_LOGGER_ROTATE_H
#define MZ_LOGGER_ROTATE_H

#define MZ_MODULE_ABI 1
#include <mezzo/logger.h>

enum { ROTATE_PAGE = 4096, ROTATE_MAX_FILES = 1000 };

struct stream_options {
	int64_t size;
	int64_t n_files;
};

/* How one container's output is kept. */
struct options {
	struct stream_options out, err;
	int compress, timestamps;
};

int refuse_with(struct mz_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- override.c ---- */
/* Changes *o as the variables of the container's command say that begin with
 * `prefix`. -EINVAL: one of them is nonsense. */
int override_apply(const struct mz_container *c, const char *prefix, struct options *o, struct mz_err *err);

#endif
