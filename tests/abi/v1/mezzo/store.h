/* <mezzo/store.h> - stores: durable key-value with atomic batches.
 *
 * DATA        keys are byte strings of 1 to 400 bytes without NUL, ordered by
 *             memcmp; values up to 32 MiB. The core puts a checksum into every
 *             value; the store need not.
 * LIFE CYCLE  1. create opens (and locks) the store; it may block, because it
 *             runs before the loop does. 2. each (reading all at start), apply.
 *             3. destroy closes; batches that were not completed may be lost.
 * CONVENTIONS apply is atomic and durable before its op completes with success:
 *             after a crash either all or nothing of a batch is there, and
 *             everything of completed batches. Batches complete in the order in
 *             which they were given. The core has at most one outstanding.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_STORE_H
#define MEZZO_STORE_H

#include <mezzo/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One change; value.data NULL deletes. */
struct mz_store_change {
	const char *key;
	struct mz_bytes value;
};

enum {
	MZ_STORE_DURABLE = 1, /* survives a crash of the machine */
	MZ_STORE_SHARED = 2,  /* several masters see the same content */
};

struct mz_store_host {
	uint32_t size;
	uint32_t reserved;
	/* Directory of this daemon for local files, absolute; exists. */
	const char *(*work_dir)(const struct mz_host *h);
};

struct mz_store_ops {
	MZ_OPS_HEAD;
	/* MZ_STORE_* of this instance. NULL: 0. */
	uint32_t (*flags)(void *inst);
	/* Required. Calls fn for every record whose key starts with prefix, in
	 * order; a non-zero result of fn stops and is returned. The arguments live
	 * until fn returns. Blocking; only before the first apply. */
	int (*each)(void *inst, const char *prefix,
		    int (*fn)(void *arg, const char *key, struct mz_bytes value), void *arg, struct mz_err *err);
	/* Required. Changes live until the op completes. -EROFS in the op's error
	 * means that this daemon may no longer write: it must stop. epoch fences:
	 * a shared store refuses (-ESTALE) batches older than the newest it saw. */
	void (*apply)(void *inst, uint64_t epoch, const struct mz_store_change *changes, size_t n,
		      struct mz_op *op);
};

#ifdef __cplusplus
}
#endif
#endif
