/* resources.c - arithmetic on resource sets.
 *
 * A set is sorted by kind, and for items that cannot be split by amount within
 * a kind, so everything is a merge of two sorted lists. No validation here
 * (res_pb.c), no text (res_text.c). Called by master, agent and, through
 * res_api.c, by modules.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/resources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/model.h"
#include "model/res_impl.h"

/* ---- sets and slots -------------------------------------------------------- */

void res_clear(resources *r)
{
	struct res_slot *v = slots(r);
	for (uint32_t i = 0; i < r->n; i++)
		slot_unref(&v[i]);
	r->n = 0;
}

void res_done(resources *r)
{
	res_clear(r);
	free(r->heap);
	r->heap = NULL;
	r->cap = 0;
}

resources *res_new(void)
{
	return xnew(resources);
}

void res_free(resources *r)
{
	if (!r)
		return;
	res_done(r);
	free(r);
}

static struct res_slot *reserve(resources *r, uint32_t n)
{
	uint32_t cap = r->heap ? r->cap : RES_INLINE;
	if (n <= cap)
		return slots(r);
	while (cap < n)
		cap *= 2;
	struct res_slot *v = xreallocarray(r->heap, cap, sizeof(*v));
	if (!r->heap)
		memcpy(v, r->fixed, r->n * sizeof(*v));
	r->heap = v;
	r->cap = cap;
	return v;
}

resources *res_copy(const resources *r)
{
	resources *c = res_new();
	res_add(c, r);
	return c;
}

bool res_empty(const resources *r)
{
	return r->n == 0;
}

size_t res_count(const resources *r)
{
	return r->n;
}

/* A shared item counts once, however many hold it. */
static int64_t slot_amount(const struct res_slot *s)
{
	int64_t sum;
	if (s->copies <= 1 || (kind_of(s->kind)->pub.flags & MZ_RES_SHARED))
		return s->amount;
	return __builtin_mul_overflow(s->amount, (int64_t)s->copies, &sum) ? INT64_MAX : sum;
}

struct mz_res_item res_item(const resources *r, size_t i)
{
	must(i < r->n);
	const struct res_slot *s = &slots(r)[i];
	return (struct mz_res_item){.kind = s->kind, .amount = slot_amount(s)};
}

static int slot_cmp(const struct res_slot *a, const struct res_slot *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (!a->copies || a->amount == b->amount)
		return 0;
	return a->amount < b->amount ? -1 : 1;
}

static int64_t add_sat(int64_t a, int64_t b)
{
	int64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* Two items that compare equal; references of `s` stay its own. */
static void slot_combine(struct res_slot *d, const struct res_slot *s)
{
	if (d->copies) {
		d->copies = d->copies > UINT32_MAX - s->copies ? UINT32_MAX : d->copies + s->copies;
	} else if (d->elems) {
		struct res_elems *e = elems_union(d->elems, s->elems);
		elems_unref(d->elems);
		d->elems = e;
		d->amount = elems_amount(e);
	} else {
		d->amount = add_sat(d->amount, s->amount);
	}
}

/* False if nothing is left of d. */
static bool slot_reduce(struct res_slot *d, const struct res_slot *s)
{
	if (d->copies) {
		d->copies -= MZ_MIN(d->copies, s->copies);
		return d->copies > 0;
	}
	if (d->elems) {
		struct res_elems *e = elems_minus(d->elems, s->elems);
		elems_unref(d->elems);
		d->elems = e;
		d->amount = e ? elems_amount(e) : 0;
		return e != NULL;
	}
	d->amount = d->amount > s->amount ? d->amount - s->amount : 0;
	return d->amount > 0;
}

static bool slot_contains(const struct res_slot *a, const struct res_slot *part)
{
	if (a->copies)
		return a->copies >= part->copies;
	return a->elems ? elems_contains(a->elems, part->elems) : a->amount >= part->amount;
}

static bool slot_equal(const struct res_slot *a, const struct res_slot *b)
{
	if (slot_cmp(a, b) != 0 || a->amount != b->amount || a->copies != b->copies)
		return false;
	return a->copies || !a->elems || elems_equal(a->elems, b->elems);
}

void res_add_slot(resources *to, struct res_slot s)
{
	if (s.amount <= 0) {
		slot_unref(&s);
		return;
	}
	struct res_slot *v = slots(to);
	uint32_t lo = 0, hi = to->n;
	if (hi && slot_cmp(&v[hi - 1], &s) < 0)
		lo = hi;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (slot_cmp(&v[mid], &s) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < to->n && slot_cmp(&v[lo], &s) == 0) {
		slot_combine(&v[lo], &s);
		slot_unref(&s);
		return;
	}
	v = reserve(to, to->n + 1);
	memmove(&v[lo + 1], &v[lo], (to->n - lo) * sizeof(*v));
	v[lo] = s;
	to->n++;
}

static void add_copy(resources *to, const struct res_slot *s)
{
	slot_ref(s);
	res_add_slot(to, *s);
}

/* ---- add, subtract, compare ------------------------------------------------ */

void res_add(resources *to, const resources *r)
{
	const struct res_slot *b = slots(r);
	struct res_slot *a = slots(to);
	uint32_t missing = 0;
	for (uint32_t i = 0, j = 0; j < r->n; j++) {
		while (i < to->n && slot_cmp(&a[i], &b[j]) < 0)
			i++;
		if (i < to->n && slot_cmp(&a[i], &b[j]) == 0)
			slot_combine(&a[i++], &b[j]);
		else
			missing++;
	}
	if (!missing)
		return;
	/* Merge from the back, into the room behind the last item. What was
	 * combined above is only moved. */
	a = reserve(to, to->n + missing);
	uint32_t i = to->n, j = r->n, out = to->n + missing;
	while (j > 0) {
		int c = i > 0 ? slot_cmp(&a[i - 1], &b[j - 1]) : -1;
		if (c >= 0) {
			a[--out] = a[--i];
			j -= c == 0;
		} else {
			a[--out] = b[--j];
			slot_ref(&a[out]);
		}
	}
	to->n += missing;
}

void res_subtract(resources *from, const resources *r)
{
	struct res_slot *a = slots(from);
	const struct res_slot *b = slots(r);
	uint32_t j = 0, out = 0;
	if (from == r) {
		res_clear(from);
		return;
	}
	for (uint32_t i = 0; i < from->n; i++) {
		while (j < r->n && slot_cmp(&b[j], &a[i]) < 0)
			j++;
		bool left = true;
		if (j < r->n && slot_cmp(&b[j], &a[i]) == 0)
			left = slot_reduce(&a[i], &b[j]);
		if (left)
			a[out++] = a[i];
		else
			slot_unref(&a[i]);
	}
	from->n = out;
}

bool res_contains(const resources *r, const resources *part)
{
	const struct res_slot *a = slots(r), *b = slots(part);
	uint32_t i = 0;
	for (uint32_t j = 0; j < part->n; j++) {
		while (i < r->n && slot_cmp(&a[i], &b[j]) < 0)
			i++;
		if (i == r->n || slot_cmp(&a[i], &b[j]) != 0 || !slot_contains(&a[i], &b[j]))
			return false;
	}
	return true;
}

const char *res_overlap(const resources *x, const resources *y)
{
	const struct res_slot *a = slots(x), *b = slots(y);
	for (uint32_t i = 0, j = 0; i < x->n && j < y->n;) {
		int cmp = slot_cmp(&a[i], &b[j]);
		const struct mz_res_kind *k = &kind_of(a[i].kind)->pub;
		if (cmp == 0 && k->type != MZ_SCALAR) {
			struct res_elems *rest = elems_minus(a[i].elems, b[j].elems);
			bool overlap = !rest || !elems_equal(rest, a[i].elems);
			elems_unref(rest);
			if (overlap)
				return k->name;
		}
		i += cmp <= 0;
		j += cmp >= 0;
	}
	return NULL;
}

bool res_equal(const resources *a, const resources *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (!slot_equal(&slots(a)[i], &slots(b)[i]))
			return false;
	return true;
}

int64_t res_scalar(const resources *r, const char *name)
{
	const struct res_slot *v = slots(r);
	int64_t sum = 0;
	for (uint32_t i = 0; i < r->n; i++) {
		const struct mz_res_kind *k = &kind_of(v[i].kind)->pub;
		if (k->type == MZ_SCALAR && strcmp(k->name, name) == 0)
			sum = add_sat(sum, slot_amount(&v[i]));
	}
	return sum;
}

/* ---- parts ----------------------------------------------------------------- */

static unsigned matching_filters(const struct mz_res_kind *k)
{
	unsigned f = 0;
	f |= k->flags & MZ_RES_RESERVED ? RES_RESERVED : RES_UNRESERVED;
	f |= k->flags & MZ_RES_REVOCABLE ? RES_REVOCABLE : RES_NON_REVOCABLE;
	f |= k->flags & MZ_RES_SHARED ? RES_SHARED : RES_NON_SHARED;
	f |= k->flags & MZ_RES_PERSISTENT ? RES_PERSISTENT : 0;
	f |= k->type == MZ_SCALAR ? RES_SCALARS : 0;
	return f;
}

void res_add_filtered(resources *to, const resources *r, unsigned filters)
{
	for (uint32_t i = 0; i < r->n; i++) {
		const struct res_slot *s = &slots(r)[i];
		if ((matching_filters(&kind_of(s->kind)->pub) & filters) == filters)
			add_copy(to, s);
	}
}

void res_add_reserved_for(resources *to, const resources *r, const char *role)
{
	for (uint32_t i = 0; i < r->n; i++) {
		const struct res_slot *s = &slots(r)[i];
		if (strcmp(kind_of(s->kind)->pub.role, role) == 0)
			add_copy(to, s);
	}
}

void res_add_allocatable(resources *to, const resources *r, const char *role)
{
	for (uint32_t i = 0; i < r->n; i++) {
		const struct res_slot *s = &slots(r)[i];
		const struct mz_res_kind *k = &kind_of(s->kind)->pub;
		if (!(k->flags & MZ_RES_RESERVED) || role_is_under(role, k->role))
			add_copy(to, s);
	}
}

/* ---- allocation roles ------------------------------------------------------ */

resources *res_allocate(const resources *r, const char *role)
{
	resources *out = res_new();
	reserve(out, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		struct res_slot s = slots(r)[i];
		s.kind = kind_allocated(s.kind, role);
		elems_ref(s.elems);
		res_add_slot(out, s);
	}
	return out;
}

resources *res_unallocate(const resources *r)
{
	return res_allocate(r, NULL);
}

const char *res_allocation_role(const resources *r)
{
	const char *role = r->n ? kind_of(slots(r)[0].kind)->alloc_role : NULL;
	for (uint32_t i = 1; i < r->n; i++)
		if (!str_eq(kind_of(slots(r)[i].kind)->alloc_role, role))
			return NULL;
	return role;
}

static int text_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void res_each_reserved_role(const resources *r, void (*fn)(void *arg, const char *role), void *arg)
{
	mz_autofree const char **v = xcalloc(r->n + 1, sizeof(*v));
	size_t n = 0;
	for (uint32_t i = 0; i < r->n; i++) {
		const struct mz_res_kind *k = &kind_of(slots(r)[i].kind)->pub;
		if (k->flags & MZ_RES_RESERVED)
			v[n++] = k->role;
	}
	qsort(v, n, sizeof(*v), text_cmp);
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(v[i - 1], v[i]) != 0)
			fn(arg, v[i]);
}

/* ---- for the other files --------------------------------------------------- */

/* An allocated kind goes where its plain one would: the roles that came by
 * first must not decide the order that a reader sees. */
static int shown_cmp(const void *a, const void *b)
{
	const struct res_slot *x = *(const struct res_slot *const *)a, *y = *(const struct res_slot *const *)b;
	uint32_t p = kind_of(x->kind)->base, q = kind_of(y->kind)->base;
	if (p != q)
		return p < q ? -1 : 1;
	return slot_cmp(x, y);
}

const struct res_slot **res_shown_order(const resources *r)
{
	const struct res_slot **v = xcalloc(r->n + 1, sizeof(*v));
	for (uint32_t i = 0; i < r->n; i++)
		v[i] = &slots(r)[i];
	qsort(v, r->n, sizeof(*v), shown_cmp);
	return v;
}

const char *res_mixed_name(const resources *r, uint32_t (*property)(const struct mz_res_kind *k))
{
	static uint64_t stamp; /* linear, whatever a peer sends */
	stamp++;
	for (uint32_t i = 0; i < r->n; i++) {
		const struct kind *k = kind_of(slots(r)[i].kind);
		uint32_t value = property(&k->pub);
		if (k->name->stamp == stamp && k->name->stamp_value != value)
			return k->pub.name;
		k->name->stamp = stamp;
		k->name->stamp_value = value;
	}
	return NULL;
}

static uint32_t property_type(const struct mz_res_kind *k)
{
	return k->type;
}

int res_check_types(const resources *r, struct mz_err *err)
{
	const char *name = res_mixed_name(r, property_type);
	return name ? mz_fail(err, -EINVAL, "Resource '%s' comes with two types", name) : 0;
}
