/* regex.h - regular expressions that a peer chooses: bounded in size when they
 * are compiled, in work and memory when they run. A text matches as a whole.
 * Perl's syntax, UTF-8.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MASTER_REGEX_H
#define MZ_MASTER_REGEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct regex_limits {
	size_t max_pattern;   /* bytes */
	uint32_t match_limit; /* steps of one match; its depth is a tenth of that */
};

struct regex;

int regex_new(const char *pattern, const struct regex_limits *l, struct regex **ret, struct mz_err *err);
void regex_free(struct regex *r);
size_t regex_size(const struct regex *r); /* bytes, compiled */
/* 1: matches, 0: does not, -E2BIG: gave up at a limit, or the text has more than 4096 bytes. What one text gave is remembered. */
int regex_match(struct regex *r, const char *text);

#endif
