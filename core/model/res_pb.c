/* res_pb.c - resources as messages: validation and upgrade of what peers send,
 * and the three formats of what is sent.
 *
 * Inside there is one format only: the stack of reservations. The older ones
 * (a role with an optional reservation) are turned into it here, on the way in.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/model.h"
#include "model/res_impl.h"
#include "wire/pb.h"

/* ---- values ---------------------------------------------------------------- */

int res_from_double(double d, int64_t *ret, struct mz_err *err)
{
	if (isnan(d))
		return mz_fail(err, -EINVAL, "The value is not a number");
	if (d < 0)
		return mz_fail(err, -EINVAL, "The value %g is negative", d);
	if (d > RES_MAX_UNITS)
		return mz_fail(err, -EINVAL, "The value %g is too large", d);
	*ret = llround(d * 1000);
	return 0;
}

static int ranges_from_pb(const Mesos__V1__Value__Ranges *r, struct res_slot *s, struct mz_err *err)
{
	mz_autofree struct mz_range *v = xreallocarray(NULL, r->n_range + 1, sizeof(*v));
	for (size_t i = 0; i < r->n_range; i++) {
		v[i] = (struct mz_range){r->range[i]->begin, r->range[i]->end};
		if (v[i].begin > v[i].end)
			return mz_fail(err, -EINVAL, "The range %llu-%llu begins behind its end",
				       (unsigned long long)v[i].begin, (unsigned long long)v[i].end);
	}
	struct res_elems *e = elems_ranges(v, r->n_range);
	int64_t amount = e ? elems_amount(e) : 0;
	if (amount == INT64_MAX) {
		elems_unref(e);
		return mz_fail(err, -EINVAL, "The ranges have too many elements");
	}
	s->elems = e;
	s->amount = amount;
	return 0;
}

static int set_from_pb(const Mesos__V1__Value__Set *set, struct res_slot *s, struct mz_err *err)
{
	mz_autofree const char **v = xreallocarray(NULL, set->n_item + 1, sizeof(*v));
	for (size_t i = 0; i < set->n_item; i++) {
		v[i] = set->item[i];
		if (!*v[i])
			return mz_fail(err, -EINVAL, "The set has an empty element");
	}
	struct res_elems *e = elems_set(v, set->n_item);
	if (e && e->n != set->n_item) {
		elems_unref(e);
		return mz_fail(err, -EINVAL, "The set has an element twice");
	}
	s->elems = e;
	s->amount = e ? elems_amount(e) : 0;
	return 0;
}

static int value_from_pb(const pb_resource *r, struct res_slot *s, struct mz_err *err)
{
	int given = (r->scalar != NULL) + (r->ranges != NULL) + (r->set != NULL);
	bool fits = (r->type == MESOS__V1__VALUE__TYPE__SCALAR && r->scalar) ||
		    (r->type == MESOS__V1__VALUE__TYPE__RANGES && r->ranges) ||
		    (r->type == MESOS__V1__VALUE__TYPE__SET && r->set);
	if (r->type == MESOS__V1__VALUE__TYPE__TEXT || (unsigned)r->type > MESOS__V1__VALUE__TYPE__TEXT)
		return mz_fail(err, -EINVAL, "The type must be SCALAR, RANGES or SET");
	if (given != 1 || !fits)
		return mz_fail(err, -EINVAL, "Exactly the value of the given type must be set");
	if (r->scalar)
		return res_from_double(r->scalar->value, &s->amount, err);
	return r->ranges ? ranges_from_pb(r->ranges, s, err) : set_from_pb(r->set, s, err);
}

/* ---- reservations ---------------------------------------------------------- */

static int reservation_check(const pb_resource *r, size_t i, struct mz_err *err)
{
	const pb_reservation *v = r->reservations[i];
	bool dynamic = v->has_type && v->type == MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC;
	bool fixed = v->has_type && v->type == MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC;
	if (!dynamic && !fixed)
		return mz_fail(err, -EINVAL, "The type must be STATIC or DYNAMIC");
	if (!v->role)
		return mz_fail(err, -EINVAL, "The role is missing");
	int rc = role_check(v->role, err);
	if (rc)
		return rc;
	if (strcmp(v->role, "*") == 0)
		return mz_fail(err, -EINVAL, "Nothing can be reserved for role '*'");
	if (i == 0)
		return 0;
	const char *below = r->reservations[i - 1]->role;
	if (fixed)
		return mz_fail(err, -EINVAL, "A static reservation cannot refine another one");
	if (!role_is_under(v->role, below) || strcmp(v->role, below) == 0)
		return mz_fail(err, -EINVAL, "Role '%s' is not below role '%s', which it refines", v->role, below);
	return 0;
}

/* `r` becomes post-refinement; `room` is where the one old reservation goes. */
static int upgrade(pb_resource *r, pb_reservation *room, pb_reservation **list, struct mz_err *err)
{
	/* A role that was not set is the default, by its address. */
	const char *role = r->role != mesos__v1__resource__role__default_value ? r->role : NULL;
	const pb_reservation *old = r->reservation;
	r->role = mesos__v1__resource__role__default_value;
	r->reservation = NULL;
	if (r->n_reservations) {
		const pb_reservation *only = r->reservations[0];
		bool agree = !role || (r->n_reservations == 1 && only->role && strcmp(role, only->role) == 0);
		agree = agree && (!old || (r->n_reservations == 1 && str_eq(old->principal, only->principal)));
		if (!agree)
			return mz_fail(err, -EINVAL, "'role' and 'reservation' disagree with 'reservations'");
		return 0;
	}
	if (!role || strcmp(role, "*") == 0)
		return old ? mz_fail(err, -EINVAL, "Nothing can be reserved for role '*'") : 0;
	if (old && (old->has_type || old->role))
		return mz_fail(err, -EINVAL, "'reservation' may have a type and a role only in 'reservations'");
	mesos__v1__resource__reservation_info__init(room);
	room->has_type = true;
	room->type = old ? MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC :
			   MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC;
	room->role = (char *)role;
	room->principal = old ? old->principal : NULL;
	room->labels = old ? old->labels : NULL;
	*list = room;
	r->reservations = list;
	r->n_reservations = 1;
	return 0;
}

/* ---- disks ----------------------------------------------------------------- */

static int persistence_check(const pb_resource *r, struct mz_err *err)
{
	const Mesos__V1__Resource__DiskInfo *d = r->disk;
	int rc = id_check("Persistence id", d->persistence->id, err);
	if (rc)
		return rc;
	if (!r->n_reservations)
		return mz_fail(err, -EINVAL, "A persistent volume must be reserved");
	if (r->revocable)
		return mz_fail(err, -EINVAL, "A persistent volume cannot be revocable");
	if (!d->volume)
		return mz_fail(err, -EINVAL, "A persistent volume needs 'volume'");
	if (d->volume->host_path)
		return mz_fail(err, -EINVAL, "The volume of a persistent volume cannot have 'host_path'");
	return 0;
}

static int disk_check(const pb_resource *r, struct mz_err *err)
{
	const Mesos__V1__Resource__DiskInfo *d = r->disk;
	if (r->shared && !(d && d->persistence))
		return mz_fail(err, -EINVAL, "Only persistent volumes can be shared");
	if (!d)
		return 0;
	if (strcmp(r->name, "disk") != 0 || r->type != MESOS__V1__VALUE__TYPE__SCALAR)
		return mz_fail(err, -EINVAL, "Only a scalar named 'disk' can have 'disk'");
	if (d->source) {
		bool path = d->source->type == MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__PATH;
		bool mount = d->source->type == MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__MOUNT;
		if (d->source->type == MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__UNKNOWN)
			return mz_fail(err, -EINVAL, "The type of the disk source is unknown");
		if ((d->source->path && !path) || (d->source->mount && !mount))
			return mz_fail(err, -EINVAL, "The disk source does not match its type");
	}
	if (d->persistence)
		return persistence_check(r, err);
	if (d->volume)
		return mz_fail(err, -EINVAL, "'volume' is for persistent volumes only");
	if (!d->source)
		return mz_fail(err, -EINVAL, "'disk' is empty");
	return 0;
}

/* ---- in -------------------------------------------------------------------- */

static int identity_check(const pb_resource *r, struct mz_err *err)
{
	if (str_empty(r->name))
		return mz_fail(err, -EINVAL, "The name is empty");
	for (size_t i = 0; i < r->n_reservations; i++)
		if (reservation_check(r, i, err))
			return mz_wrap(err, "reservations[%zu]", i);
	if (r->allocation_info && r->allocation_info->role && role_check(r->allocation_info->role, err))
		return mz_wrap(err, "allocation_info");
	return disk_check(r, err);
}

int res_add_pb(pb_resource *r, resources *to, struct mz_err *err)
{
	pb_reservation room, *list;
	struct res_slot s = {0};
	int rc = upgrade(r, &room, &list, err);
	if (!rc)
		rc = identity_check(r, err);
	if (!rc)
		rc = value_from_pb(r, &s, err);
	if (rc || s.amount == 0) /* nothing of something is nothing */
		return rc;
	rc = kind_intern(r, &s.kind, err);
	if (rc) {
		elems_unref(s.elems);
		return rc;
	}
	s.copies = kind_of(s.kind)->indivisible;
	if (kind_of(s.kind)->has_details) {
		mz_autobuf struct buf b = {0};
		pb_encode(&r->disk->base, &b);
		s.elems = elems_details(b.data, b.len);
	}
	res_add_slot(to, s);
	return 0;
}

int res_from_pb(Mesos__V1__Resource *const *v, size_t n, resources *to, struct mz_err *err)
{
	mz_autores resources list = {0};
	if (n > RES_MAX_ITEMS)
		return mz_fail(err, -EINVAL, "More than %d resources in one list", RES_MAX_ITEMS);
	for (size_t i = 0; i < n; i++) {
		pb_resource r = *v[i];
		if (res_add_pb(&r, &list, err))
			return mz_wrap(err, "resources[%zu]%s%.60s", i, str_empty(r.name) ? "" : " ", r.name);
	}
	int rc = res_check_types(&list, err);
	if (rc)
		return rc;
	res_add(to, &list);
	return 0;
}

/* ---- out ------------------------------------------------------------------- */

static Mesos__V1__Value__Ranges *ranges_to_pb(const struct res_elems *e, struct arena *a)
{
	Mesos__V1__Value__Ranges *m = PB_NEW(a, Mesos__V1__Value__Ranges, mesos__v1__value__ranges);
	m->n_range = e->n;
	m->range = (Mesos__V1__Value__Range **)pb_array(a, e->n);
	for (size_t i = 0; i < e->n; i++) {
		m->range[i] = PB_NEW(a, Mesos__V1__Value__Range, mesos__v1__value__range);
		m->range[i]->begin = e->ranges[i].begin;
		m->range[i]->end = e->ranges[i].end;
	}
	return m;
}

static Mesos__V1__Value__Set *set_to_pb(const struct res_elems *e, struct arena *a)
{
	Mesos__V1__Value__Set *m = PB_NEW(a, Mesos__V1__Value__Set, mesos__v1__value__set);
	m->n_item = e->n;
	m->item = (char **)pb_array(a, e->n);
	for (size_t i = 0; i < e->n; i++)
		m->item[i] = arena_strdup(a, e->strings[i]);
	return m;
}

static void value_to_pb(const struct kind *k, const struct res_slot *s, pb_resource *m, struct arena *a)
{
	if (k->pub.type == MZ_RANGES) {
		m->ranges = ranges_to_pb(s->elems, a);
	} else if (k->pub.type == MZ_SET) {
		m->set = set_to_pb(s->elems, a);
	} else {
		m->scalar = PB_NEW(a, Mesos__V1__Value__Scalar, mesos__v1__value__scalar);
		m->scalar->value = (double)s->amount / 1000;
	}
	if (k->has_details)
		m->disk = (Mesos__V1__Resource__DiskInfo *)pb_decode(&mesos__v1__resource__disk_info__descriptor, a,
								     s->elems->bytes, s->elems->n, NULL);
}

/* Submessages and strings are the kind's if that stays; else it may not outlive the set. */
static pb_resource *identity_to_pb(const struct kind *k, enum res_format f, struct arena *a)
{
	const pb_resource *is = f == RES_FORMAT_POST ? &k->post : f == RES_FORMAT_PRE ? &k->pre : &k->endpoint;
	if (!kind_of(k->base)->is_pinned)
		return (pb_resource *)pb_copy(&is->base, a);
	pb_resource *m = arena_alloc(a, sizeof(*m));
	*m = *is;
	return m;
}

/* `last` again, if it is the same. */
static Mesos__V1__Resource__AllocationInfo *allocation_to_pb(Mesos__V1__Resource__AllocationInfo *last,
							     const char *role, struct arena *a)
{
	if (last && strcmp(last->role, role) == 0)
		return last;
	Mesos__V1__Resource__AllocationInfo *m =
		PB_NEW(a, Mesos__V1__Resource__AllocationInfo, mesos__v1__resource__allocation_info);
	m->role = arena_strdup(a, role);
	return m;
}

size_t res_to_pb(const resources *r, enum res_format f, bool with_allocation, struct arena *a,
		 Mesos__V1__Resource ***ret)
{
	mz_autofree const struct res_slot **order = res_shown_order(r);
	size_t n = 0, most = 0;
	Mesos__V1__Resource__AllocationInfo *allocation = NULL;
	for (uint32_t i = 0; i < r->n; i++)
		most += MZ_MAX(order[i]->copies, 1u);
	pb_resource **v = (pb_resource **)pb_array(a, most);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct kind *k = kind_of(order[i]->kind);
		if (f == RES_FORMAT_PRE && (k->pub.flags & MZ_RES_REFINED))
			continue;
		pb_resource *m = identity_to_pb(k, f, a);
		value_to_pb(k, order[i], m, a);
		if (with_allocation && k->alloc_role)
			m->allocation_info = allocation = allocation_to_pb(allocation, k->alloc_role, a);
		v[n++] = m;
		for (uint32_t copy = 1; copy < order[i]->copies; copy++) {
			v[n] = arena_alloc(a, sizeof(*m));
			*v[n++] = *m;
		}
	}
	*ret = v;
	return n;
}
