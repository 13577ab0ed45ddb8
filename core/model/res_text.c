/* res_text.c - "cpus:24;mem:24576;ports:[31000-32000];cpus(ops):2;tags:{a,b}" and
 * the JSON array of Resource, as operators and users write them.
 *
 * What the short form cannot say (dynamic or refined reservations, volumes,
 * revocable, shared) is written for the reader of a log, and refused by the parser.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/model.h"
#include "model/res_impl.h"
#include "wire/json.h"

/* ---- parsing --------------------------------------------------------------- */

/* Calls `one` for each part of "a, b, c", trimmed. */
static int each_part(char *text, int (*one)(void *arg, char *part, struct mz_err *err), void *arg, struct mz_err *err)
{
	for (char *next; text; text = next) {
		next = strchr(text, ',');
		if (next)
			*next++ = '\0';
		int rc = one(arg, str_trim(text), err);
		if (rc)
			return rc;
	}
	return 0;
}

struct list_parser {
	struct arena *a;
	VEC(Mesos__V1__Value__Range *) ranges;
	VEC(char *) items;
};

static int parse_range(void *arg, char *part, struct mz_err *err)
{
	struct list_parser *p = arg;
	uint64_t begin, end;
	char *dash = strchr(part, '-');
	if (!dash)
		return mz_fail(err, -EINVAL, "'%s' is not a range like 31000-32000", part);
	*dash = '\0';
	if (str_to_u64(str_trim(part), &begin) || str_to_u64(str_trim(dash + 1), &end))
		return mz_fail(err, -EINVAL, "'%s-%s' is not a range like 31000-32000", part, dash + 1);
	Mesos__V1__Value__Range *r = PB_NEW(p->a, Mesos__V1__Value__Range, mesos__v1__value__range);
	r->begin = begin;
	r->end = end;
	vec_push(&p->ranges, r);
	return 0;
}

static int parse_item(void *arg, char *part, struct mz_err *err)
{
	struct list_parser *p = arg;
	if (!*part)
		return mz_fail(err, -EINVAL, "The set has an empty element");
	vec_push(&p->items, part);
	return 0;
}

/* "[…]" or "{…}" in `text`; the inside is cut out. */
static int parse_list(char *text, pb_resource *r, struct list_parser *p, struct mz_err *err)
{
	bool ranges = text[0] == '[';
	size_t len = strlen(text);
	if (text[len - 1] != (ranges ? ']' : '}'))
		return mz_fail(err, -EINVAL, "'%s' has no closing '%c'", text, ranges ? ']' : '}');
	text[len - 1] = '\0';
	text = str_trim(text + 1);
	int rc = *text ? each_part(text, ranges ? parse_range : parse_item, p, err) : 0;
	if (rc)
		return rc;
	if (ranges) {
		r->type = MESOS__V1__VALUE__TYPE__RANGES;
		r->ranges = PB_NEW(p->a, Mesos__V1__Value__Ranges, mesos__v1__value__ranges);
		r->ranges->n_range = p->ranges.n;
		r->ranges->range = p->ranges.v;
	} else {
		r->type = MESOS__V1__VALUE__TYPE__SET;
		r->set = PB_NEW(p->a, Mesos__V1__Value__Set, mesos__v1__value__set);
		r->set->n_item = p->items.n;
		r->set->item = p->items.v;
	}
	return 0;
}

Mesos__V1__Value__Ranges *res_ranges_parse(char *text, struct arena *a, struct mz_err *err)
{
	struct list_parser p = {.a = a};
	pb_resource r = MESOS__V1__RESOURCE__INIT;
	bool ok = parse_list(text, &r, &p, err) == 0;
	if (ok) { /* out of the vector, into the arena */
		r.ranges->range = (Mesos__V1__Value__Range **)pb_array(a, p.ranges.n);
		if (p.ranges.n)
			memcpy(r.ranges->range, p.ranges.v, p.ranges.n * sizeof(*p.ranges.v));
	}
	vec_done(&p.ranges);
	return ok ? r.ranges : NULL;
}

static int parse_value(char *text, pb_resource *r, struct list_parser *p, struct mz_err *err)
{
	double d;
	if (!*text)
		return mz_fail(err, -EINVAL, "The value is missing");
	if (*text == '[' || *text == '{')
		return parse_list(text, r, p, err);
	if (str_to_double(text, &d))
		return mz_fail(err, -EINVAL, "'%s' is neither a number nor [ranges] nor a {set}", text);
	r->type = MESOS__V1__VALUE__TYPE__SCALAR;
	r->scalar = PB_NEW(p->a, Mesos__V1__Value__Scalar, mesos__v1__value__scalar);
	r->scalar->value = d;
	return 0;
}

/* Cuts "name(role):" off; *ret_value is what follows. */
static int parse_name(char *text, pb_resource *r, char **ret_value, struct mz_err *err)
{
	char *at = text + strcspn(text, "(:");
	if (*at == '(') {
		char *close = strchr(at, ')');
		if (!close)
			return mz_fail(err, -EINVAL, "The role has no closing ')'");
		*at++ = *close++ = '\0';
		r->role = str_trim(at);
		if (!*r->role)
			return mz_fail(err, -EINVAL, "The role between ( and ) is empty");
		at = close + strspn(close, " \t");
	}
	if (*at != ':')
		return mz_fail(err, -EINVAL, "It is not like name:value or name(role):value");
	*at = '\0';
	r->name = str_trim(text);
	if (r->name[strcspn(r->name, "{}[]<>)")])
		return mz_fail(err, -EINVAL, "The name '%s' has a bracket", r->name);
	*ret_value = str_trim(at + 1);
	return 0;
}

/* One item, written to in place. */
static int parse_item_text(char *text, const char *default_role, resources *to, struct mz_err *err)
{
	mz_autoarena struct arena a = {0};
	struct list_parser p = {.a = &a};
	pb_resource *r = PB_NEW(&a, pb_resource, mesos__v1__resource);
	char *value = NULL;
	int rc = parse_name(text, r, &value, err);
	if (!rc && default_role && r->role == mesos__v1__resource__role__default_value)
		r->role = (char *)default_role;
	if (!rc)
		rc = parse_value(value, r, &p, err);
	if (!rc)
		rc = res_add_pb(r, to, err);
	vec_done(&p.ranges);
	vec_done(&p.items);
	return rc;
}

static int parse_simple(const char *text, const char *default_role, resources *to, struct mz_err *err)
{
	mz_autofree char *copy = xstrdup(text);
	size_t n = 0;
	for (char *item = copy, *next; item; item = next) {
		next = strchr(item, ';');
		if (next)
			*next++ = '\0';
		item = str_trim(item);
		if (!*item)
			continue;
		mz_autofree char *shown = xstrdup(item);
		if (++n > RES_MAX_ITEMS)
			return mz_fail(err, -EINVAL, "More than %d resources in one list", RES_MAX_ITEMS);
		if (parse_item_text(item, default_role, to, err))
			return mz_wrap(err, "Resource '%.80s'", shown);
	}
	return 0;
}

static int parse_json(const char *text, const char *default_role, resources *to, struct mz_err *err)
{
	/* Any message with a repeated Resource will do as the frame. */
	mz_autoarena struct arena a = {0};
	mz_autofree char *json = xasprintf("{\"resources\":%s}", text);
	Mesos__V1__TaskResourceLimitation *m = (Mesos__V1__TaskResourceLimitation *)json_decode(
		&mesos__v1__task_resource_limitation__descriptor, &a, json, strlen(json), err);
	if (!m)
		return mz_wrap(err, "Resources in JSON");
	for (size_t i = 0; default_role && i < m->n_resources; i++) {
		pb_resource *r = m->resources[i];
		if (r->role == mesos__v1__resource__role__default_value && !r->n_reservations && !r->reservation)
			r->role = (char *)default_role;
	}
	return res_from_pb(m->resources, m->n_resources, to, err);
}

int res_parse(const char *text, const char *default_role, resources *to, struct mz_err *err)
{
	mz_autores resources list = {0};
	text += strspn(text, " \t\r\n");
	bool json = text[0] == '[' && strchr("{]", text[1 + strspn(text + 1, " \t\r\n")]);
	int rc = json ? parse_json(text, default_role, &list, err) : parse_simple(text, default_role, &list, err);
	if (!rc)
		rc = res_check_types(&list, err);
	if (!rc)
		res_add(to, &list);
	return rc;
}

/* ---- formatting ------------------------------------------------------------ */

static void format_amount(int64_t amount, struct buf *out)
{
	buf_addf(out, "%lld", (long long)(amount / 1000));
	int rest = (int)(amount % 1000);
	if (!rest)
		return;
	char digits[8];
	snprintf(digits, sizeof(digits), ".%03d", rest);
	for (size_t len = strlen(digits); digits[len - 1] == '0'; len--)
		digits[len - 1] = '\0';
	buf_adds(out, digits);
}

static void format_range_list(const struct res_elems *e, struct buf *out)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < e->n; i++)
		buf_addf(out, "%s%llu-%llu", i ? ", " : "", (unsigned long long)e->ranges[i].begin,
			 (unsigned long long)e->ranges[i].end);
	buf_addc(out, ']');
}

static void format_set(const struct res_elems *e, struct buf *out)
{
	buf_addc(out, '{');
	for (size_t i = 0; i < e->n; i++) {
		buf_adds(out, i ? ", " : "");
		buf_adds(out, e->strings[i]);
	}
	buf_addc(out, '}');
}

/* "(ops)", and for other reservations "<STATIC ops, DYNAMIC ops/dev by joe>". */
static void format_reservations(const struct kind *k, struct buf *out)
{
	if (!k->post.n_reservations)
		return;
	if (!(k->pub.flags & (MZ_RES_DYNAMIC | MZ_RES_REFINED))) {
		buf_addf(out, "(%s)", k->pub.role);
		return;
	}
	for (size_t i = 0; i < k->post.n_reservations; i++) {
		const pb_reservation *v = k->post.reservations[i];
		bool dynamic = v->type == MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC;
		buf_addf(out, "%s%s %s", i ? ", " : "<", dynamic ? "DYNAMIC" : "STATIC", v->role);
		if (v->principal)
			buf_addf(out, " by %s", v->principal);
	}
	buf_addc(out, '>');
}

static void format_slot(const struct res_slot *s, struct buf *out)
{
	const struct kind *k = kind_of(s->kind);
	buf_adds(out, k->pub.name);
	format_reservations(k, out);
	if (k->pub.flags & MZ_RES_PERSISTENT)
		buf_addf(out, "[%s]", k->post.disk->persistence->id);
	else if (k->pub.flags & MZ_RES_DISK_SOURCE)
		buf_addf(out, "[%s]", pb_enum_name(&mesos__v1__resource__disk_info__source__type__descriptor,
						   (int)k->post.disk->source->type));
	if (k->pub.flags & MZ_RES_REVOCABLE)
		buf_adds(out, "{REV}");
	if (k->pub.flags & MZ_RES_SHARED)
		buf_adds(out, "<SHARED>");
	buf_addc(out, ':');
	if (k->pub.type == MZ_RANGES)
		format_range_list(s->elems, out);
	else if (k->pub.type == MZ_SET)
		format_set(s->elems, out);
	else
		format_amount(s->amount, out);
}

void res_format_text(const resources *r, struct buf *out)
{
	mz_autofree const struct res_slot **v = res_shown_order(r);
	bool first = true;
	for (uint32_t i = 0; i < r->n; i++)
		for (uint32_t copy = 0; copy < MZ_MAX(v[i]->copies, 1u); copy++) {
			if (!first)
				buf_addc(out, ';');
			format_slot(v[i], out);
			first = false;
		}
}

bool res_format_ranges(const resources *r, const char *name, struct buf *out)
{
	struct res_elems *all = NULL;
	for (uint32_t i = 0; i < r->n; i++) {
		const struct res_slot *s = &slots(r)[i];
		const struct mz_res_kind *k = &kind_of(s->kind)->pub;
		if (k->type != MZ_RANGES || strcmp(k->name, name) != 0)
			continue;
		struct res_elems *sum = all ? elems_union(all, s->elems) : elems_ref(s->elems);
		elems_unref(all);
		all = sum;
	}
	if (!all)
		return false;
	format_range_list(all, out);
	elems_unref(all);
	return true;
}

void res_each_name(const resources *r, void (*fn)(void *arg, const char *name, int type), void *arg)
{
	mz_autofree const struct res_slot **v = res_shown_order(r);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct kind *k = kind_of(v[i]->kind);
		bool seen = false;
		for (uint32_t j = 0; j < i && !seen; j++)
			seen = kind_of(v[j]->kind)->name == k->name;
		if (!seen)
			fn(arg, k->pub.name, (int)k->pub.type);
	}
}
