/* operation.c - rules of operations on resources that need nothing but the
 * message, and what each operation would consume. A row for each type.
 * Called by the master for operations of schedulers; the answer is the same for
 * those of operators.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/operation.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "model/info_check.h"
#include "wire/pb.h"

#define SOURCE(name) MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__##name
#define OPERATION(name) MESOS__V1__OFFER__OPERATION__TYPE__##name

typedef Mesos__V1__Offer__Operation pb_operation;
typedef Mesos__V1__Resource__DiskInfo pb_disk;
typedef struct operation_resources reading;

/* ---- resources --------------------------------------------------------------- */

const pb_reservation *reservation_top(const pb_resource *r)
{
	return r->n_reservations ? r->reservations[r->n_reservations - 1] : NULL;
}

const char *res_repeated_volume(const resources *r)
{
	struct map seen = {0};
	const char *repeated = NULL;
	for (uint32_t i = 0; !repeated && i < r->n; i++) {
		const struct res_slot *s = &slots(r)[i];
		const struct kind *k = kind_of(s->kind);
		if (!(k->pub.flags & MZ_RES_PERSISTENT))
			continue;
		const char *id = k->post.disk->persistence->id;
		mz_autofree char *key = xasprintf("%s\n%s", k->pub.role, id);
		if (s->copies > 1 || map_has(&seen, key))
			repeated = id;
		map_put(&seen, key, NULL);
	}
	map_done(&seen);
	return repeated;
}

static bool is_persistent(const pb_resource *r)
{
	return r->disk && r->disk->persistence;
}

static bool has_source(const pb_resource *r, Mesos__V1__Resource__DiskInfo__Source__Type type)
{
	return r->disk && r->disk->source && r->disk->source->type == type;
}

static bool is_dynamic(const pb_resource *r)
{
	const pb_reservation *top = reservation_top(r);
	return top && top->type == MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC;
}

static const char *provider(const pb_resource *r)
{
	return r->provider_id ? r->provider_id->value : NULL;
}

/* Adds it without its allocation. */
static int add(resources *to, const pb_resource *r, struct mz_err *err)
{
	pb_resource plain = *r;
	plain.allocation_info = NULL;
	return res_add_pb(&plain, to, err);
}

/* The free disk that a volume is made of, or becomes again. */
static pb_resource without_volume(const pb_resource *r, pb_disk *room)
{
	pb_resource plain = *r;
	plain.shared = NULL;
	plain.disk = NULL;
	if (r->disk->source) {
		*room = *r->disk;
		room->persistence = NULL;
		room->volume = NULL;
		plain.disk = room;
	}
	return plain;
}

/* ---- reading ----------------------------------------------------------------- */

/* What holds for the resources of any operation. */
static int check_common(const reading *r, struct mz_err *err)
{
	for (size_t i = 0; i < r->n; i++) {
		if (is_dynamic(r->list[i]) && r->list[i]->revocable)
			return mz_fail(err, -EINVAL, "Revocable '%s' cannot be reserved", r->list[i]->name);
		if (!str_eq(provider(r->list[i]), provider(r->list[0])))
			return mz_fail(err, -EINVAL, "The resources are not all of the same resource provider");
	}
	return 0;
}

static int read_list(pb_resource *const *v, size_t n, struct arena *a, reading *ret, struct mz_err *err)
{
	mz_autores resources all = {0};
	int rc = res_from_pb(v, n, &all, err);
	if (rc)
		return rc;
	ret->n = res_to_pb(&all, RES_FORMAT_POST, true, a, &ret->list);
	for (size_t i = 0; !rc && i < ret->n; i++)
		rc = add(&ret->named, ret->list[i], err);
	return rc ? rc : check_common(ret, err);
}

/* One message, which may not be of no size. */
static int read_one(const char *field, pb_resource *v, struct arena *a, reading *ret, struct mz_err *err)
{
	int rc = read_list(&v, 1, a, ret, err);
	if (rc)
		return mz_wrap(err, "'%s'", field);
	return ret->n ? 0 : mz_fail(err, -EINVAL, "The size of '%s' must be greater than zero", field);
}

/* For operations that consume what they name. */
static int consume_named(reading *r)
{
	res_add(&r->consumed, &r->named);
	return 0;
}

/* ---- reservations -------------------------------------------------------------- */

static int check_dynamic(const reading *r, struct mz_err *err)
{
	for (size_t i = 0; i < r->n; i++)
		if (!is_dynamic(r->list[i]))
			return mz_fail(err, -EINVAL, "'%s' is not dynamically reserved", r->list[i]->name);
	return 0;
}

static int check_no_volumes(const reading *r, const char *what, struct mz_err *err)
{
	for (size_t i = 0; i < r->n; i++)
		if (is_persistent(r->list[i]))
			return mz_fail(err, -EINVAL, "Persistent volume '%s' cannot be %s: destroy it first",
				       r->list[i]->disk->persistence->id, what);
	return 0;
}

/* A change of reservations is the same change for all. */
static int check_alike(const reading *r, struct mz_err *err)
{
	mz_autobuf struct buf first = {0}, other = {0};
	if (!r->n)
		return mz_fail(err, -EINVAL, "A changed reservation is of no resources");
	res_key_reservations(&first, r->list[0]);
	for (size_t i = 1; i < r->n; i++) {
		buf_clear(&other);
		res_key_reservations(&other, r->list[i]);
		if (other.len != first.len || memcmp(other.data, first.data, other.len) != 0)
			return mz_fail(err, -EINVAL, "The resources do not all have the same reservations");
	}
	return check_no_volumes(r, "reserved", err);
}

static int add_unreserved(resources *to, const reading *r, struct mz_err *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < r->n; i++) {
		pb_resource plain = *r->list[i];
		plain.n_reservations = 0;
		rc = add(to, &plain, err);
	}
	return rc;
}

/* RESERVE with `source`: the same resources, reserved otherwise before. */
static int check_rereserve(const Mesos__V1__Offer__Operation__Reserve *m, struct arena *a, reading *ret,
			   struct mz_err *err)
{
	mz_autooperation reading source = {0};
	mz_autores resources before = {0}, after = {0};
	if (read_list(m->source, m->n_source, a, &source, err) || check_alike(&source, err))
		return mz_wrap(err, "'source'");
	int rc = check_alike(ret, err);
	if (!rc)
		rc = add_unreserved(&before, &source, err);
	if (!rc)
		rc = add_unreserved(&after, ret, err);
	if (!rc && !res_equal(&before, &after))
		rc = mz_fail(err, -EINVAL, "'source' and 'resources' differ in more than their reservations");
	if (!rc)
		res_add(&ret->consumed, &source.named);
	return rc;
}

static int check_reserve(const pb_operation *op, struct arena *a, reading *ret, struct mz_err *err)
{
	const Mesos__V1__Offer__Operation__Reserve *m = op->reserve;
	int rc = read_list(m->resources, m->n_resources, a, ret, err);
	if (!rc)
		rc = check_dynamic(ret, err);
	if (!rc)
		rc = check_no_volumes(ret, "reserved", err);
	if (rc || m->n_source)
		return rc ? rc : check_rereserve(m, a, ret, err);
	for (size_t i = 0; !rc && i < ret->n; i++) {
		pb_resource before = *ret->list[i];
		before.n_reservations--;
		rc = add(&ret->consumed, &before, err);
	}
	return rc;
}

static int check_unreserve(const pb_operation *op, struct arena *a, reading *ret, struct mz_err *err)
{
	int rc = read_list(op->unreserve->resources, op->unreserve->n_resources, a, ret, err);
	if (!rc)
		rc = check_dynamic(ret, err);
	if (!rc)
		rc = check_no_volumes(ret, "unreserved", err);
	return rc ? rc : consume_named(ret);
}

/* ---- volumes --------------------------------------------------------------------- */

/* What reading alone does not make sure of: a message can be a volume by halves. */
static int check_volume(const pb_resource *r, struct mz_err *err)
{
	if (!is_persistent(r))
		return mz_fail(err, -EINVAL, "'%s' is not a persistent volume", r->name);
	if (r->disk->volume->mode != MESOS__V1__VOLUME__MODE__RW)
		return mz_fail(err, -EINVAL, "Persistent volume '%s' must have the mode RW", r->disk->persistence->id);
	if (has_source(r, SOURCE(RAW)))
		return mz_fail(err, -EINVAL, "Persistent volume '%s' cannot be on a RAW disk", r->disk->persistence->id);
	return 0;
}

static int read_volumes(pb_resource *const *v, size_t n, struct arena *a, reading *ret, struct mz_err *err)
{
	int rc = read_list(v, n, a, ret, err);
	for (size_t i = 0; !rc && i < ret->n; i++)
		rc = check_volume(ret->list[i], err);
	const char *repeated = rc ? NULL : res_repeated_volume(&ret->named);
	return repeated ? mz_fail(err, -EINVAL, "Persistent volume '%s' is named twice", repeated) : rc;
}

static int check_create(const pb_operation *op, struct arena *a, reading *ret, struct mz_err *err)
{
	int rc = read_volumes(op->create->volumes, op->create->n_volumes, a, ret, err);
	for (size_t i = 0; !rc && i < ret->n; i++) {
		pb_disk room;
		pb_resource before = without_volume(ret->list[i], &room);
		rc = add(&ret->consumed, &before, err);
	}
	return rc;
}

static int check_destroy(const pb_operation *op, struct arena *a, reading *ret, struct mz_err *err)
{
	int rc = read_volumes(op->destroy->volumes, op->destroy->n_volumes, a, ret, err);
	return rc ? rc : consume_named(ret);
}

/* Volumes whose size can change. */
static int read_resized(pb_resource *v, struct arena *a, reading *ret, struct mz_err *err)
{
	int rc = read_one("volume", v, a, ret, err);
	if (!rc)
		rc = check_volume(ret->list[0], err);
	if (rc)
		return rc;
	const pb_resource *volume = ret->list[0];
	if (provider(volume))
		return mz_fail(err, -EINVAL, "The volume of a resource provider cannot be resized");
	if (volume->shared)
		return mz_fail(err, -EINVAL, "A shared volume cannot be resized");
	return 0;
}

/* Nothing but the volume itself tells them apart. */
static int check_addition(const pb_resource *volume, const reading *addition, struct mz_err *err)
{
	mz_autores resources free_disk = {0};
	pb_disk room;
	pb_resource plain = without_volume(volume, &room);
	int rc = add(&free_disk, &plain, err);
	if (rc)
		return rc;
	const struct res_slot *x = slots(&free_disk), *y = slots(&addition->named);
	if (x->kind != y->kind || x->copies) /* a whole disk has nothing to add */
		return mz_fail(err, -EINVAL, "'addition' is not of the disk that 'volume' is on");
	return 0;
}

static int check_grow(const pb_operation *op, struct arena *a, reading *ret, struct mz_err *err)
{
	mz_autooperation reading addition = {0};
	int rc = read_resized(op->grow_volume->volume, a, ret, err);
	if (!rc)
		rc = read_one("addition", op->grow_volume->addition, a, &addition, err);
	if (!rc)
		rc = check_addition(ret->list[0], &addition, err);
	if (rc)
		return rc;
	pb_resource **both = (pb_resource **)pb_array(a, 2);
	both[0] = ret->list[0];
	both[1] = addition.list[0];
	ret->list = both;
	ret->n = 2;
	res_add(&ret->named, &addition.named);
	return consume_named(ret);
}

static int check_shrink(const pb_operation *op, struct arena *a, reading *ret, struct mz_err *err)
{
	int64_t subtract = 0;
	int rc = read_resized(op->shrink_volume->volume, a, ret, err);
	if (rc)
		return rc;
	if (has_source(ret->list[0], SOURCE(MOUNT)))
		return mz_fail(err, -EINVAL, "A volume on a MOUNT disk cannot be shrunk");
	if (res_from_double(op->shrink_volume->subtract->value, &subtract, err))
		return mz_wrap(err, "'subtract'");
	if (subtract == 0)
		return mz_fail(err, -EINVAL, "'subtract' must be greater than zero");
	if (subtract >= res_item(&ret->named, 0).amount)
		return mz_fail(err, -EINVAL, "'subtract' must be less than the size of 'volume'");
	return consume_named(ret);
}

/* ---- disks ----------------------------------------------------------------------- */

static int read_source(pb_resource *v, struct arena *a, reading *ret, struct mz_err *err)
{
	int rc = read_one("source", v, a, ret, err);
	if (!rc && !provider(ret->list[0]))
		rc = mz_fail(err, -EINVAL, "'source' is not of a resource provider");
	return rc;
}

static int check_create_disk(const pb_operation *op, struct arena *a, reading *ret, struct mz_err *err)
{
	const Mesos__V1__Offer__Operation__CreateDisk *m = op->create_disk;
	int rc = read_source(m->source, a, ret, err);
	if (rc)
		return rc;
	if (!has_source(ret->list[0], SOURCE(RAW)))
		return mz_fail(err, -EINVAL, "'source' is not a RAW disk");
	if (m->target_type != SOURCE(MOUNT) && m->target_type != SOURCE(BLOCK))
		return mz_fail(err, -EINVAL, "'target_type' must be MOUNT or BLOCK");
	if (m->target_profile && ret->list[0]->disk->source->profile)
		return mz_fail(err, -EINVAL, "'target_profile' cannot be given for a disk that has a profile");
	if (!m->target_profile && !ret->list[0]->disk->source->profile)
		return mz_fail(err, -EINVAL, "'target_profile' is needed for a disk without a profile");
	return consume_named(ret);
}

static int check_destroy_disk(const pb_operation *op, struct arena *a, reading *ret, struct mz_err *err)
{
	int rc = read_source(op->destroy_disk->source, a, ret, err);
	if (rc)
		return rc;
	const pb_resource *disk = ret->list[0];
	if (!has_source(disk, SOURCE(MOUNT)) && !has_source(disk, SOURCE(BLOCK)) && !has_source(disk, SOURCE(RAW)))
		return mz_fail(err, -EINVAL, "'source' is not a MOUNT, BLOCK or RAW disk");
	if (!disk->disk->source->id)
		return mz_fail(err, -EINVAL, "'source' is not a disk that was created: it has no id");
	rc = check_no_volumes(ret, "destroyed as a disk", err);
	return rc ? rc : consume_named(ret);
}

/* ---- the table ------------------------------------------------------------------- */

static const struct {
	Mesos__V1__Offer__Operation__Type type;
	int (*check)(const pb_operation *op, struct arena *a, reading *ret, struct mz_err *err);
} rules[] = {
	{OPERATION(RESERVE), check_reserve},
	{OPERATION(UNRESERVE), check_unreserve},
	{OPERATION(CREATE), check_create},
	{OPERATION(DESTROY), check_destroy},
	{OPERATION(GROW_VOLUME), check_grow},
	{OPERATION(SHRINK_VOLUME), check_shrink},
	{OPERATION(CREATE_DISK), check_create_disk},
	{OPERATION(DESTROY_DISK), check_destroy_disk},
};

int operation_check(const pb_operation *op, struct arena *a, struct operation_resources *ret, struct mz_err *err)
{
	reading r = {0};
	size_t i = 0;
	while (i < MZ_N(rules) && rules[i].type != op->type)
		i++;
	if (i == MZ_N(rules))
		return mz_fail(err, -EINVAL, "Not an operation on resources");
	int rc = rules[i].check(op, a, &r, err);
	if (rc)
		operation_resources_done(&r);
	else
		*ret = r;
	return rc;
}

void operation_resources_done(struct operation_resources *r)
{
	res_done(&r->named);
	res_done(&r->consumed);
	*r = (struct operation_resources){0};
}
