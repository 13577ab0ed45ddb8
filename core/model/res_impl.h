/* res_impl.h - what the files of the resource type share: kinds, slots and
 * elements. For core/model only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODEL_RES_IMPL_H
#define MZ_MODEL_RES_IMPL_H

#include "base/mem.h"
#include "model/resources.h"

typedef Mesos__V1__Resource pb_resource;
typedef Mesos__V1__Resource__ReservationInfo pb_reservation;

/* So many kinds may be held at once. A list has at most RES_MAX_ITEMS items,
 * which also bounds the work of sorting it. */
enum { RES_MAX_KINDS = 1 << 20, RES_MAX_ITEMS = 10000 };
/* The largest scalar, in units: sums of many stay far from int64's end. */
#define RES_MAX_UNITS 9e12

/* ---- kinds (kinds.c) ------------------------------------------------------ */

/* A name of resources, which kinds share; the stamp is scratch space of
 * res_mixed_name(). */
struct res_name {
	char *text;
	uint32_t refs;
	uint64_t stamp;
	uint32_t stamp_value;
};

struct kind {
	struct mz_res_kind pub;
	uint32_t refs;
	uint32_t base;	      /* the same without an allocation role; itself if it has none */
	bool is_pinned;	      /* a module knows it: it is never freed */
	bool indivisible;
	bool has_details;     /* a volume: slots carry its DiskInfo */
	char *alloc_role;     /* NULL: none */
	struct res_name *name;
	uint64_t hash;
	struct kind *next;    /* in its hash bucket */
	size_t key_size;
	void *key;
	struct arena arena;   /* of the messages; an allocated kind has those of its plain one */
	/* The message in each format, without value and allocation. */
	pb_resource post, pre, endpoint;
};

extern struct kind **res_kinds; /* by id */

static inline const struct kind *kind_of(uint32_t id)
{
	return res_kinds[id];
}

void kind_free(struct kind *k); /* nobody holds it */

static inline uint32_t kind_ref(uint32_t id)
{
	res_kinds[id]->refs++;
	return id;
}

static inline void kind_unref(uint32_t id)
{
	if (--res_kinds[id]->refs == 0)
		kind_free(res_kinds[id]);
}

/* The kind of a validated, post-refinement message; its allocation role counts.
 * The caller holds it. -ENOSPC if there are too many. */
int kind_intern(const pb_resource *r, uint32_t *ret, struct mz_err *err);
/* The same kind with that allocation role; NULL: without. The caller holds it too. */
uint32_t kind_allocated(uint32_t kind, const char *role);
/* As res_kind(), for modules: what it says stays. */
const struct mz_res_kind *kind_pin(uint32_t kind);
/* Adds bytes that are the same for the same stack of reservations only. */
void res_key_reservations(struct buf *k, const pb_resource *r);

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

/* A slot holds its kind and its elements. */
static inline void slot_ref(const struct res_slot *s)
{
	kind_ref(s->kind);
	elems_ref(s->elems);
}

static inline void slot_unref(const struct res_slot *s)
{
	elems_unref(s->elems);
	kind_unref(s->kind);
}

/* Adds one item; takes over what `s` holds. Nothing is not added. */
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
