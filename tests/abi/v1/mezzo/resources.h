/* <mezzo/resources.h> - resource sets as modules see them.
 *
 * A set (struct mz_resources) is an opaque handle with exact arithmetic. What
 * makes two resources distinct - name, type, reservation stack and its labels,
 * disk, revocable, shared, provider - is interned once into a *kind*, a small
 * integer (how long it is valid: struct mz_res_kind); a set is a sorted list of
 * {kind, amount}. Scalars are whole thousandths: 0.5 cpus is 500. Ranges and
 * sets have an amount too: the number of elements, times 1000.
 *
 * Data        a set belongs to who made it with new or copy, until free; sets
 *             that arrive as arguments are read-only and live until the
 *             callback returns.
 * Conventions all functions are pure arithmetic: no I/O, loop thread only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_RESOURCES_H
#define MEZZO_RESOURCES_H

#include <mezzo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mz_resources;

enum mz_value_type { MZ_SCALAR = 0, MZ_RANGES = 1, MZ_SET = 2 };

enum {
	MZ_RES_REVOCABLE = 1,	  /* may be taken back */
	MZ_RES_SHARED = 2,	  /* a shared volume: copies are counted */
	MZ_RES_RESERVED = 4,	  /* has a reservation; `role` is its role */
	MZ_RES_DYNAMIC = 8,	  /* the last reservation is dynamic */
	MZ_RES_REFINED = 16,	  /* more than one reservation */
	MZ_RES_PERSISTENT = 32,	  /* a persistent volume */
	MZ_RES_DISK_SOURCE = 64,  /* a disk other than the root disk */
	MZ_RES_PROVIDER = 128,	  /* comes from a resource provider */
};

/* What a kind is. Once a module has asked for it, its strings live as long as the
 * process, and so do the struct and the number of one without an allocation role. Those
 * of one with an allocation role (the sets of agents have one) are valid as long as any
 * set has it. */
struct mz_res_kind {
	uint32_t size;
	uint32_t kind;
	uint32_t type;	/* enum mz_value_type */
	uint32_t flags; /* MZ_RES_* */
	const char *name;
	const char *role; /* of the top reservation; "*" if unreserved */
};

struct mz_res_item {
	uint32_t kind;
	uint32_t reserved;
	int64_t amount; /* thousandths */
};

struct mz_range {
	uint64_t begin, end; /* both inclusive */
};

/* How a persistent volume is used. Texts that are too long for their place are cut
 * short and `cut` is set: such a volume cannot be mounted. The host writes all of it
 * into memory of the module's, so it is one of the few structs that never grow. */
struct mz_res_volume {
	uint32_t size;
	int32_t read_only;
	int32_t cut;
	int32_t reserved;
	char id[256];		  /* of the persistence */
	char container_path[1024];
	char root[1024];	  /* of the disk's source; "": the agent's own disk */
	char source_type[16];	  /* "PATH", "MOUNT" …; "": the agent's own disk */
};

/* Append only. */
struct mz_resources_api {
	uint32_t size;
	uint32_t reserved;

	struct mz_resources *(*create)(void);
	struct mz_resources *(*copy)(const struct mz_resources *r);
	void (*destroy)(struct mz_resources *r); /* NULL: no-op */

	size_t (*count)(const struct mz_resources *r);
	struct mz_res_item (*item)(const struct mz_resources *r, size_t i);
	const struct mz_res_kind *(*kind)(uint32_t kind);
	/* Ranges of an item of type MZ_RANGES; returns how many. */
	size_t (*ranges)(const struct mz_resources *r, size_t i, const struct mz_range **ret);
	/* Elements of an item of type MZ_SET; returns how many. */
	size_t (*elements)(const struct mz_resources *r, size_t i, const char *const **ret);

	void (*clear)(struct mz_resources *r);
	void (*add)(struct mz_resources *to, const struct mz_resources *r);
	/* Whatever of `r` is in `from` is taken out of it. */
	void (*subtract)(struct mz_resources *from, const struct mz_resources *r);
	int (*contains)(const struct mz_resources *r, const struct mz_resources *part);
	int (*equal)(const struct mz_resources *a, const struct mz_resources *b);
	/* Adds thousandths of a scalar kind. Nothing happens for ranges, sets, and
	 * what cannot be split (volumes, whole disks): add_item copies those. */
	void (*add_scalar)(struct mz_resources *to, uint32_t kind, int64_t amount);
	/* Copies item i of r into `to`. */
	void (*add_item)(struct mz_resources *to, const struct mz_resources *r, size_t i);
	/* Sum of all scalars of that name, whatever their kind. */
	int64_t (*scalar)(const struct mz_resources *r, const char *name);
	/* What a framework in `role` may be given: unreserved, and reserved to
	 * the role or an ancestor of it. Added to `to`. */
	void (*add_allocatable)(struct mz_resources *to, const struct mz_resources *r, const char *role);
	/* "cpus:2;mem:512;ports:[1-3]", for logs and tests; the caller gives
	 * room; truncated like snprintf, whose result it has. */
	int (*format)(const struct mz_resources *r, char *out, size_t size);
	/* The same text parsed; -EINVAL with *err. */
	int (*parse)(const char *text, struct mz_resources *to, struct mz_err *err);
	/* Item i, a persistent volume; -ENOENT if it is none. */
	int (*volume)(const struct mz_resources *r, size_t i, struct mz_res_volume *ret);
};

#ifdef __cplusplus
}
#endif
#endif
