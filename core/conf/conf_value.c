/* conf_value.c - one scalar against one type: spelling, unit, limits, choices.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf_impl.h"

static int to_bool(const char *s, int64_t *ret)
{
	bool yes = str_eq(s, "true");
	if (!yes && !str_eq(s, "false"))
		return -EINVAL;
	*ret = yes;
	return 0;
}

/* Thousandths, exactly; digits beyond the third may only be zeros. */
static int to_thousandths(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	const char *p = s + negative;
	size_t whole = strspn(p, "0123456789");
	size_t decimals = p[whole] == '.' ? strspn(p + whole + 1, "0123456789") : 0;
	if (!whole || (p[whole] == '.' && !decimals) || p[whole + (decimals ? decimals + 1 : 0)])
		return -EINVAL;
	int64_t v = 0;
	for (size_t i = 0; i < whole + 3; i++) {
		/* the fourth position of "12.5" is the 5: skip the point */
		size_t at = i < whole ? i : i + 1;
		int digit = i < whole || i - whole < decimals ? p[at] - '0' : 0;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
			return -ERANGE;
	}
	for (size_t i = 3; i < decimals; i++)
		if (p[whole + 1 + i] != '0')
			return -EDOM;
	*ret = negative ? -v : v;
	return 0;
}

static void add_thousandths(struct buf *b, int64_t v)
{
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
	buf_addf(b, "%s%" PRIu64, v < 0 ? "-" : "", u / 1000);
	if (u % 1000) {
		buf_addf(b, ".%03" PRIu64, u % 1000);
		while (b->data[b->len - 1] == '0')
			b->data[--b->len] = '\0';
	}
}

static void add_int(struct buf *b, int64_t v)
{
	buf_addf(b, "%" PRId64, v);
}

static const struct scalar_type {
	int type;
	int (*parse)(const char *s, int64_t *ret);
	void (*add)(struct buf *b, int64_t v);
	const char *what; /* behind "is not " */
} scalar_types[] = {
	{MZ_SETTING_BOOL, to_bool, add_int, "true or false"},
	{MZ_SETTING_INT, str_to_i64, add_int, "a whole number"},
	{MZ_SETTING_BYTES, str_to_bytes, bytes_add, "a size (a number and B, KB, MB, GB or TB, such as 10MB)"},
	{MZ_SETTING_DURATION, str_to_duration_ns, duration_add,
	 "a duration (a number and ns, us, ms, secs, mins, hrs, days or weeks, such as 5secs)"},
	{MZ_SETTING_NUMBER, to_thousandths, add_thousandths, "a decimal number"},
};

static int check_range(const struct scalar_type *t, const char *text, int64_t v, int64_t min, int64_t max,
		       struct mz_err *err)
{
	if ((!min && !max) || (v >= min && v <= max))
		return 0;
	mz_autobuf struct buf low = {0};
	mz_autobuf struct buf high = {0};
	t->add(&low, min);
	t->add(&high, max);
	if (max == INT64_MAX)
		return mz_fail(err, -ERANGE, "'%.60s' is too small, it must be at least %s", text, buf_str(&low));
	if (min == INT64_MIN)
		return mz_fail(err, -ERANGE, "'%.60s' is too big, it must be at most %s", text, buf_str(&high));
	return mz_fail(err, -ERANGE, "'%.60s' is out of range, it must be between %s and %s", text, buf_str(&low),
		       buf_str(&high));
}

static int check_choices(const char *text, const char *const *choices, struct mz_err *err)
{
	mz_autobuf struct buf list = {0};
	for (size_t i = 0; choices[i]; i++) {
		if (str_eq(text, choices[i]))
			return 0;
		buf_addf(&list, "%s%s", i ? ", " : "", choices[i]);
	}
	return mz_fail(err, -EINVAL, "'%.60s' is not one of: %s", text, buf_str(&list));
}

int conf_value(int type, const char *text, int64_t min, int64_t max, const char *const *choices,
	       int64_t *ret_int, struct mz_err *err)
{
	if (choices && type <= MZ_SETTING_PATH) {
		int rc = check_choices(text, choices, err);
		if (rc < 0)
			return rc;
	}
	if (type == MZ_SETTING_STRING || type == CONF_KEY_TREE)
		return 0;
	if (type == MZ_SETTING_PATH)
		return *text == '/' ? 0 : mz_fail(err, -EINVAL, "'%.60s' is not an absolute path", text);
	if (type == MZ_SETTING_LIST || type == MZ_SETTING_MAP) {
		/* As a default, "" is the empty one. */
		return *text ? mz_fail(err, -EINVAL, "'%.60s' is not a %s", text,
				       type == MZ_SETTING_LIST ? "list" : "map")
			     : 0;
	}
	for (size_t i = 0; i < MZ_N(scalar_types); i++) {
		const struct scalar_type *t = &scalar_types[i];
		if (t->type != type)
			continue;
		int64_t v = 0;
		int rc = t->parse(text, &v);
		if (rc == -ERANGE)
			return mz_fail(err, rc, "'%.60s' is too big", text);
		if (rc == -EDOM)
			return mz_fail(err, -EINVAL, "'%.60s' has more than three decimals", text);
		if (rc < 0)
			return mz_fail(err, rc, "'%.60s' is not %s", text, t->what);
		rc = check_range(t, text, v, min, max, err);
		if (rc < 0)
			return rc;
		if (ret_int)
			*ret_int = v;
		return 0;
	}
	return mz_fail(err, -EINVAL, "Unknown type %d of a setting", type);
}
