/* store.h - durable records on top of a store module.
 *
 * Every change of one loop turn goes into one batch; a batch is written while
 * the next one gathers (group commit). A record is framed with a checksum: a
 * bad one costs itself, loudly, and nothing else.
 *
 * Nothing is acknowledged before its callback has said that it is durable.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_STORE_STORE_H
#define MZ_STORE_STORE_H

#include <mezzo/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"

/* Where batches go: a store module behind the loader (module/store_backend), or
 * the simulator's disk. */
struct store_change {
	const char *key;
	struct mz_bytes value; /* data NULL: delete */
};
struct store_backend {
	int (*each)(struct store_backend *b, const char *prefix,
		    int (*fn)(void *arg, const char *key, struct mz_bytes value), void *arg, struct mz_err *err);
	/* Changes live until done is called (once, never from inside apply). */
	void (*apply)(struct store_backend *b, uint64_t epoch, const struct store_change *v, size_t n,
		      void (*done)(void *arg, const struct mz_err *err), void *arg);
};

struct store;
typedef void (*store_done_fn)(void *arg);

/* on_failure is called once, when a batch could not be written: the daemon must
 * stop, because what it promised is not on disk. No callback of a failed or
 * later change is ever called. */
struct store *store_new(struct loop *l, struct store_backend *b,
			void (*on_failure)(void *arg, const struct mz_err *err), void *arg);
void store_free(struct store *s); /* unwritten changes are lost, callbacks dropped */
void store_set_epoch(struct store *s, uint64_t epoch);

/* Reads every good record in order of keys; bad ones are logged with their key,
 * counted and skipped. Before the first change. */
int store_each(struct store *s, const char *prefix,
	       int (*fn)(void *arg, const char *key, const void *data, size_t size), void *arg, struct mz_err *err);
size_t store_n_bad(const struct store *s);

/* Adds a change to this turn's batch. fn (or NULL) runs when it is durable, in
 * the order of the changes. A later change of the same key in the same batch
 * replaces the earlier one; both callbacks run. */
void store_put(struct store *s, const char *key, const void *data, size_t size, store_done_fn fn, void *arg);
void store_delete(struct store *s, const char *key, store_done_fn fn, void *arg);
/* fn runs when everything that was put so far is durable (at once if it is:
 * from the loop, never from inside this call). */
void store_barrier(struct store *s, store_done_fn fn, void *arg);
/* Drops callbacks with this arg (the changes stay). */
void store_forget(struct store *s, void *arg);

#endif
