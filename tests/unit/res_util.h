/* res_util.h - sets of resources from JSON, and whether two are equal, for tests.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_RES_UTIL_H
#define TESTS_RES_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/resources.h"

static inline void add_json(resources *to, const char *json)
{
	struct mz_err err = {0};
	mz_autofree char *list = xasprintf("[%s]", json);
	if (res_parse(list, NULL, to, &err))
		fail_msg("%s: %s", list, err.msg);
}

static inline void must_equal(const resources *a, const resources *b)
{
	mz_autobuf struct buf x = {0}, y = {0};
	res_format_text(a, &x);
	res_format_text(b, &y);
	if (!res_equal(a, b) || !res_equal(b, a))
		fail_msg("'%s' is not '%s'", buf_str(&x), buf_str(&y));
}

#endif
