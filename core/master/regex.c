/* regex.c - see regex.h. The only file that knows PCRE2.
 *
 * An expression meets the same few texts again and again (racks, zones, hosts),
 * so that each result is kept: the steps of a costly match are paid once a text.
 * SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "master/regex.h"

enum {
	MAX_NESTING = 50,      /* of parentheses */
	MAX_HEAP_KIB = 256,    /* of one match */
	MAX_REMEMBERED = 4096, /* texts; then it starts anew */
	MAX_TEXT = 4096,       /* bytes: agents choose them, and each is looked at again and again */
	MIN_DEPTH = 250,
};

struct regex {
	pcre2_code *code;
	pcre2_match_context *context;
	pcre2_match_data *data;
	struct map results; /* text -> result + 1 as a pointer */
	size_t size;
};

static int compile(struct regex *r, const char *pattern, const struct regex_limits *l, struct mz_err *err)
{
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);
	PCRE2_SIZE at = 0;
	int code = 0;
	must(c);
	pcre2_set_max_pattern_length(c, l->max_pattern);
	pcre2_set_parens_nest_limit(c, MAX_NESTING);
	r->code = pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern),
				PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
					PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY,
				&code, &at, c);
	pcre2_compile_context_free(c);
	if (r->code)
		return 0;
	char why[128] = "";
	pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
	return mz_fail(err, -EINVAL, "Regular expression '%.60s': %s (at byte %zu)", pattern, why, (size_t)at);
}

int regex_new(const char *pattern, const struct regex_limits *l, struct regex **ret, struct mz_err *err)
{
	if (strlen(pattern) > l->max_pattern)
		return mz_fail(err, -E2BIG, "A regular expression is longer than %zu bytes", l->max_pattern);
	struct regex *r = xnew(struct regex);
	int rc = compile(r, pattern, l, err);
	if (rc < 0) {
		regex_free(r);
		return rc;
	}
	uint32_t depth = l->match_limit / 10;
	r->context = pcre2_match_context_create(NULL);
	/* Only the match as a whole is asked for. */
	r->data = pcre2_match_data_create(1, NULL);
	must(r->context && r->data);
	pcre2_set_match_limit(r->context, l->match_limit);
	pcre2_set_depth_limit(r->context, depth < MIN_DEPTH ? MIN_DEPTH : depth);
	pcre2_set_heap_limit(r->context, MAX_HEAP_KIB);
	must(pcre2_pattern_info(r->code, PCRE2_INFO_SIZE, &r->size) == 0);
	*ret = r;
	return 0;
}

void regex_free(struct regex *r)
{
	if (!r)
		return;
	pcre2_code_free(r->code);
	pcre2_match_context_free(r->context);
	pcre2_match_data_free(r->data);
	map_done(&r->results);
	free(r);
}

size_t regex_size(const struct regex *r)
{
	return r->size;
}

static int run(struct regex *r, const char *text)
{
	int n = pcre2_match(r->code, (PCRE2_SPTR)text, strlen(text), 0, 0, r->data, r->context);
	return n >= 0 ? 1 : n == PCRE2_ERROR_NOMATCH ? 0 : -E2BIG;
}

int regex_match(struct regex *r, const char *text)
{
	enum { NO = 1, YES, GAVE_UP };
	if (strnlen(text, MAX_TEXT + 1) > MAX_TEXT)
		return -E2BIG;
	uintptr_t known = (uintptr_t)map_get(&r->results, text);
	if (!known) {
		int n = run(r, text);
		known = n > 0 ? YES : n == 0 ? NO : GAVE_UP;
		if (r->results.n >= MAX_REMEMBERED)
			map_done(&r->results);
		map_put(&r->results, text, (void *)known);
	}
	return known == YES ? 1 : known == NO ? 0 : -E2BIG;
}
