/* ranges.c - the elements of ranges and sets: sorted, coalesced, immutable.
 * Elements are shared by the copies of a set, so that a copy costs nothing.
 * Called by the other files of the resource type only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "model/res_impl.h"

static struct res_elems *elems_new(enum elems_type type, size_t n, size_t bytes)
{
	struct res_elems *e = xmalloc(sizeof(*e) + bytes);
	*e = (struct res_elems){.refs = 1, .type = type, .n = n};
	return e;
}

struct res_elems *elems_ref(struct res_elems *e)
{
	if (e)
		e->refs++;
	return e;
}

void elems_unref(struct res_elems *e)
{
	if (e && --e->refs == 0)
		free(e);
}

/* ---- ranges ---------------------------------------------------------------- */

static int range_cmp(const void *a, const void *b)
{
	const struct mz_range *x = a, *y = b;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Appends a range that begins no earlier than the last one. */
static size_t range_push(struct mz_range *v, size_t n, struct mz_range r)
{
	/* No sum: the last number of all has no successor. */
	if (n && (r.begin <= v[n - 1].end || r.begin - v[n - 1].end == 1)) {
		v[n - 1].end = MZ_MAX(v[n - 1].end, r.end);
		return n;
	}
	v[n] = r;
	return n + 1;
}

static struct res_elems *ranges_take(struct mz_range *v, size_t n)
{
	if (!n)
		return NULL;
	struct res_elems *e = elems_new(ELEMS_RANGES, n, n * sizeof(*v));
	memcpy(e->ranges, v, n * sizeof(*v));
	return e;
}

struct res_elems *elems_ranges(struct mz_range *v, size_t n)
{
	size_t out = 0;
	qsort(v, n, sizeof(*v), range_cmp);
	for (size_t i = 0; i < n; i++)
		out = range_push(v, out, v[i]);
	return ranges_take(v, out);
}

static struct res_elems *ranges_union(const struct res_elems *a, const struct res_elems *b)
{
	mz_autofree struct mz_range *v = xreallocarray(NULL, a->n + b->n, sizeof(*v));
	size_t n = 0, i = 0, j = 0;
	while (i < a->n || j < b->n) {
		if (j == b->n || (i < a->n && a->ranges[i].begin <= b->ranges[j].begin))
			n = range_push(v, n, a->ranges[i++]);
		else
			n = range_push(v, n, b->ranges[j++]);
	}
	return ranges_take(v, n);
}

static struct res_elems *ranges_minus(const struct res_elems *a, const struct res_elems *b)
{
	/* Each hole cuts one range into two at most. */
	mz_autofree struct mz_range *v = xreallocarray(NULL, a->n + b->n, sizeof(*v));
	size_t n = 0, j = 0;
	for (size_t i = 0; i < a->n; i++) {
		struct mz_range r = a->ranges[i];
		bool left = true;
		while (j < b->n && b->ranges[j].end < r.begin)
			j++;
		for (size_t k = j; left && k < b->n && b->ranges[k].begin <= r.end; k++) {
			if (b->ranges[k].begin > r.begin)
				v[n++] = (struct mz_range){r.begin, b->ranges[k].begin - 1};
			left = b->ranges[k].end < r.end;
			if (left)
				r.begin = b->ranges[k].end + 1;
		}
		if (left)
			v[n++] = r;
	}
	return ranges_take(v, n);
}

static bool ranges_contain(const struct res_elems *a, const struct res_elems *part)
{
	size_t i = 0;
	for (size_t j = 0; j < part->n; j++) {
		while (i < a->n && a->ranges[i].end < part->ranges[j].end)
			i++;
		if (i == a->n || a->ranges[i].begin > part->ranges[j].begin)
			return false;
	}
	return true;
}

/* ---- sets of strings ------------------------------------------------------- */

static int string_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* `v` is sorted, each once. */
static struct res_elems *set_take(const char **v, size_t n)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += strlen(v[i]) + 1;
	if (!n)
		return NULL;
	struct res_elems *e = elems_new(ELEMS_SET, n, n * sizeof(*v) + bytes);
	char *at = (char *)(e->strings + n);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(v[i]) + 1;
		e->strings[i] = memcpy(at, v[i], len);
		at += len;
	}
	return e;
}

struct res_elems *elems_set(const char **v, size_t n)
{
	size_t out = 0;
	qsort(v, n, sizeof(*v), string_cmp);
	for (size_t i = 0; i < n; i++)
		if (!out || strcmp(v[out - 1], v[i]) != 0)
			v[out++] = v[i];
	return set_take(v, out);
}

/* Union, difference (minus) of two sorted sets. */
static struct res_elems *set_merge(const struct res_elems *a, const struct res_elems *b, bool minus)
{
	mz_autofree const char **v = xreallocarray(NULL, a->n + b->n, sizeof(*v));
	size_t n = 0, i = 0, j = 0;
	while (i < a->n || (j < b->n && !minus)) {
		int c = j == b->n ? -1 : i == a->n ? 1 : strcmp(a->strings[i], b->strings[j]);
		if (c < 0 || (c == 0 && !minus))
			v[n++] = a->strings[i];
		else if (c > 0 && !minus)
			v[n++] = b->strings[j];
		i += c <= 0;
		j += c >= 0;
	}
	return set_take(v, n);
}

static bool set_contains(const struct res_elems *a, const struct res_elems *part)
{
	size_t i = 0;
	for (size_t j = 0; j < part->n; j++, i++) {
		int c = -1;
		while (i < a->n && (c = strcmp(a->strings[i], part->strings[j])) < 0)
			i++;
		if (c != 0)
			return false;
	}
	return true;
}

/* ---- any type -------------------------------------------------------------- */

struct res_elems *elems_details(const void *data, size_t size)
{
	struct res_elems *e = elems_new(ELEMS_DETAILS, size, size);
	memcpy(e->bytes, data, size);
	return e;
}

struct res_elems *elems_union(struct res_elems *a, struct res_elems *b)
{
	if (elems_contains(a, b))
		return elems_ref(a);
	if (elems_contains(b, a))
		return elems_ref(b);
	return a->type == ELEMS_RANGES ? ranges_union(a, b) : set_merge(a, b, false);
}

struct res_elems *elems_minus(struct res_elems *a, struct res_elems *b)
{
	return a == b ? NULL : a->type == ELEMS_RANGES ? ranges_minus(a, b) : set_merge(a, b, true);
}

bool elems_contains(const struct res_elems *a, const struct res_elems *part)
{
	must(a->type == part->type);
	return a == part || (a->type == ELEMS_RANGES ? ranges_contain(a, part) : set_contains(a, part));
}

bool elems_equal(const struct res_elems *a, const struct res_elems *b)
{
	return a == b || (a->n == b->n && elems_contains(a, b) && elems_contains(b, a));
}

int64_t elems_amount(const struct res_elems *e)
{
	uint64_t sum = 0, max = INT64_MAX / 1000;
	if (e->type == ELEMS_SET)
		return (int64_t)MZ_MIN((uint64_t)e->n, max) * 1000;
	for (size_t i = 0; i < e->n; i++) {
		uint64_t length = e->ranges[i].end - e->ranges[i].begin;
		if (length >= max - sum)
			return INT64_MAX;
		sum += length + 1;
	}
	return (int64_t)sum * 1000;
}
