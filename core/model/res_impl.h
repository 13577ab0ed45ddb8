/* res_impl.h - what the files of the resource type share: kinds, slots and
 * elements. For core/model only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODEL_RES_IMPL_H
#define MZ_MODEL_RES_IMPL_H

#include "base/mem.h"
#include "model/resources.h"

typedef Mesos__V1__Resource pb_resource;
typedef Mesos__V1__Resource__ReservationInfo pb_reservation;

/* A peer can make kinds by inventing labels and volumes, and kinds are for
 * ever: this many, then no more. A list has at most RES_MAX_ITEMS items, which
 * also bounds the work of sorting it. */
enum { RES_MAX_KINDS = 1 << 20, RES_MAX_ITEMS = 10000 };
/* The largest scalar, in units: sums of many stay far from int64's end. */
#define RES_MAX_UNITS 9e12

/* ---- kinds (kinds.c) ------------------------------------------------------ */

/* A name of resources, once per process; the stamp is scratch space of
 * res_mixed_name(). */
struct res_name {
	const char *text;
	uint64_t stamp;
	uint32_t stamp_value;
};

struct kind {
	struct mz_res_kind pub;
	uint32_t base;	      /* the same without an allocation role; itself if it has none */
	bool indivisible;
	bool has_details;     /* a volume: slots carry its DiskInfo */
	const char *alloc_role; /* NULL: none */
	struct res_name *name;
	uint64_t hash;
	struct kind *next;    /* in its hash bucket */
	size_t key_size;
	const void *key;
	/* The message in each format, without value and allocation. */
	pb_resource post, pre, endpoint;
	Mesos__V1__Resource__AllocationInfo allocation;
};

extern struct kind **res_kinds; /* by id */

static inline const struct kind *kind_of(uint32_t id)
{
	return res_kinds[id];
}

/* The kind of a validated, post-refinement message; its allocation role counts.
 * -ENOSPC if there are too many. */
int kind_intern(const pb_resource *r, uint32_t *ret, struct mz_err *err);
/* The same kind with that allocation role; NULL: without. */
uint32_t kind_allocated(uint32_t kind, const char *role);
/* Adds bytes that are the same for the same stack of reservations only. */
void res_key_reservations(struct buf *k, const pb_resource *r);
/* A string that lives as long as the process. */
const char *res_intern(const char *s);

/* ---- elements (ranges.c) --------------------------------------------------- */

enum elems_type { ELEMS_RANGES, ELEMS_SET, ELEMS_DETAILS };

/* Immutable and counted. NULL stands for nothing at all. */
struct res_elems {
	uint32_t refs;
	uint32_t type; /* enum elems_type */
	size_t n;      /* ranges, strings, or bytes */
	union {
		struct mz_range ranges[0];
		const char *strings[0]; /* their bytes follow */
		unsigned char bytes[0];
	};
};

struct res_elems *elems_ref(struct res_elems *e);
void elems_unref(struct res_elems *e);
/* Sorts and coalesces `v` in place. */
struct res_elems *elems_ranges(struct mz_range *v, size_t n);
/* Sorts `v` in place; repeated strings count once. */
struct res_elems *elems_set(const char **v, size_t n);
struct res_elems *elems_details(const void *data, size_t size);
/* New references; a and b are of the same type and not NULL. */
struct res_elems *elems_union(struct res_elems *a, struct res_elems *b);
struct res_elems *elems_minus(struct res_elems *a, struct res_elems *b);
bool elems_contains(const struct res_elems *a, const struct res_elems *part);
bool elems_equal(const struct res_elems *a, const struct res_elems *b);
int64_t elems_amount(const struct res_elems *e); /* count times 1000, saturated */

/* ---- slots (resources.c) --------------------------------------------------- */

static inline struct res_slot *slots(const resources *r)
{
	return r->heap ? r->heap : (struct res_slot *)r->fixed;
}

/* Adds one item; takes over the reference in `s.elems`. Nothing is not added. */
void res_add_slot(resources *to, struct res_slot s);
/* The items in the order in which they are shown; n pointers that the caller frees. */
const struct res_slot **res_shown_order(const resources *r);
/* A name whose kinds differ in `property`, or NULL. */
const char *res_mixed_name(const resources *r, uint32_t (*property)(const struct mz_res_kind *k));
/* -EINVAL if a name has two types in the set. */
int res_check_types(const resources *r, struct mz_err *err);

/* Validates, upgrades and adds one message, whose top-level fields it may replace. */
int res_add_pb(pb_resource *r, resources *to, struct mz_err *err);

/* "[1-3, 7-9]", written to in place; NULL with *err if it is not like that. */
Mesos__V1__Value__Ranges *res_ranges_parse(char *text, struct arena *a, struct mz_err *err);

/* Thousandths of a double of a peer; -EINVAL "… is negative" etc. */
int res_from_double(double d, int64_t *ret, struct mz_err *err);

#endif
