/* resources.h - resource sets: exact arithmetic on interned kinds.
 *
 * What makes two resources distinct (name, type, reservation stack with labels,
 * disk, revocable, shared, provider, allocation role) is interned once into a kind
 * id, which stands for it as long as any set has it. A set is a small array of items sorted by
 * kind. Scalars are int64 thousandths. Ranges and sets carry their own sorted,
 * coalesced elements. No floating point in arithmetic. `struct mz_resources` is
 * also the opaque handle of <mezzo/resources.h>.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODEL_RESOURCES_H
#define MZ_MODEL_RESOURCES_H

#include <mezzo/resources.h>
#include <mezzo/types.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mesos/v1/mesos.pb-c.h"

typedef struct mz_resources resources;

struct res_elems;
/* One item. Divisible scalars are an amount. Shared items, volumes and whole
 * disks cannot be split: `copies` counts the equal ones, each of `amount`. */
struct res_slot {
	uint32_t kind;
	uint32_t copies; /* 0: divisible */
	int64_t amount;	 /* thousandths */
	struct res_elems *elems; /* ranges, sets, a volume's details: counted, never changed */
};

/* Zeroed is the empty set, so it can live on the stack and in other structs
 * (then res_done, not res_free). The few items of an ordinary set need no heap.
 * The fields are for core/model only. */
enum { RES_INLINE = 5 };
struct mz_resources {
	uint32_t n, cap;
	struct res_slot *heap; /* NULL: the items are in `fixed` */
	struct res_slot fixed[RES_INLINE];
};
#define mz_autores MZ_CLEANUP(res_done)

void res_done(resources *r); /* frees the content; empty again */
resources *res_new(void);
resources *res_copy(const resources *r);
void res_free(resources *r); /* NULL: no-op */
void res_clear(resources *r);
bool res_empty(const resources *r);
size_t res_count(const resources *r);
struct mz_res_item res_item(const resources *r, size_t i);
const struct mz_res_kind *res_kind(uint32_t kind); /* lives as long as a set has it */
size_t res_n_kinds(void); /* that any set has, or a module has looked at; for tests */

void res_add(resources *to, const resources *r);
/* Takes out whatever of r is in `from`. */
void res_subtract(resources *from, const resources *r);
bool res_contains(const resources *r, const resources *part);
/* The name of the first ranges or set of which both have the same element; NULL: none. */
const char *res_overlap(const resources *a, const resources *b);
bool res_equal(const resources *a, const resources *b);
/* Sum over all kinds of that scalar name, thousandths. */
int64_t res_scalar(const resources *r, const char *name);

enum res_filter {
	RES_UNRESERVED = 1,
	RES_RESERVED = 2,
	RES_REVOCABLE = 4,
	RES_NON_REVOCABLE = 8,
	RES_SHARED = 16,
	RES_NON_SHARED = 32,
	RES_PERSISTENT = 64,
	RES_SCALARS = 128,
};
/* Items that match every given condition are added to `to`. */
void res_add_filtered(resources *to, const resources *r, unsigned filters);
/* Items whose top reservation is exactly `role` ("*": the unreserved ones). */
void res_add_reserved_for(resources *to, const resources *r, const char *role);
/* Unreserved, and reserved to `role` or one of its ancestors. */
void res_add_allocatable(resources *to, const resources *r, const char *role);

/* The same resources with / without an allocation role. */
resources *res_allocate(const resources *r, const char *role);
resources *res_unallocate(const resources *r);
/* The one allocation role of all items, which lives as long as r has them; NULL if
 * there is none or several. */
const char *res_allocation_role(const resources *r);
/* Roles of top reservations in it, each once: calls fn in order of name. */
void res_each_reserved_role(const resources *r, void (*fn)(void *arg, const char *role), void *arg);

/* ---- API form ------------------------------------------------------------ */

/* Validates one list as a peer sent it, upgrades it to the post-refinement form
 * and adds it. -EINVAL with the reason ("resources[2]: …"). Accepts the three
 * formats of Mesos: pre-refinement, post-refinement and endpoint form. */
int res_from_pb(Mesos__V1__Resource *const *v, size_t n, resources *to, struct mz_err *err);

enum res_format {
	RES_FORMAT_POST,     /* reservations[] */
	RES_FORMAT_PRE,	     /* role "*" and reservation: for frameworks without refinement */
	RES_FORMAT_ENDPOINT, /* both */
};
/* One message per item in the arena (a shared item: one per copy). Submessages
 * may belong to the process instead: read them, replace them, never write into
 * them. The set may go. Order: as the set was first built (by
 * kind of first appearance). Refined reservations cannot be written in PRE
 * and are left out there. */
size_t res_to_pb(const resources *r, enum res_format f, bool with_allocation, struct arena *a,
		 Mesos__V1__Resource ***ret);

/* ---- text and JSON forms --------------------------------------------------- */

/* Mesos' syntax: "cpus:24;mem:24576;ports:[31000-32000];cpus(ops):2;tags:{a,b}", or
 * a JSON array of Resource if it starts with '['+'{'. default_role NULL: "*". */
int res_parse(const char *text, const char *default_role, resources *to, struct mz_err *err);
/* The same text form. */
void res_format_text(const resources *r, struct buf *out);
/* "[31000-32000, 33000-33010]" of all ranges of that name; false if none. */
bool res_format_ranges(const resources *r, const char *name, struct buf *out);

/* Names of items, each once, in order; for the endpoint form {cpus, mem, …}. */
void res_each_name(const resources *r, void (*fn)(void *arg, const char *name, int type), void *arg);

/* The table that modules get. */
const struct mz_resources_api *res_api(void);

#endif
