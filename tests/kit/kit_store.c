/* kit_store.c - the kit's disk: a store backend in memory. What modules put is
 * there for the next instance in the same kit.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "kit_impl.h"

struct written {
	void (*done)(void *arg, const struct mz_err *err);
	void *arg;
};

static void drop(struct mz_bytes *v)
{
	if (v)
		free((void *)v->data);
	free(v);
}

static int disk_each(struct store_backend *b, const char *prefix,
		     int (*fn)(void *arg, const char *key, struct mz_bytes value), void *arg, struct mz_err *err)
{
	struct mz_kit *k = mz_container_of(b, struct mz_kit, disk);
	(void)err; /* memory does not fail */
	map_each(&k->records, e)
		if (str_starts(e->key, prefix)) {
			int rc = fn(arg, e->key, *(struct mz_bytes *)e->value);
			if (rc)
				return rc;
		}
	return 0;
}

static void on_written(void *arg)
{
	struct written w = *(struct written *)arg;
	free(arg);
	w.done(w.arg, NULL);
}

static void disk_apply(struct store_backend *b, uint64_t epoch, const struct store_change *v, size_t n,
		       void (*done)(void *arg, const struct mz_err *err), void *arg)
{
	struct mz_kit *k = mz_container_of(b, struct mz_kit, disk);
	(void)epoch;
	for (size_t i = 0; i < n; i++) {
		if (!v[i].value.data) {
			drop(map_del(&k->records, v[i].key));
			continue;
		}
		struct mz_bytes *copy = xnew(struct mz_bytes);
		*copy = (struct mz_bytes){xmemdup(v[i].value.data, v[i].value.size), v[i].value.size};
		drop(map_put(&k->records, v[i].key, copy));
	}
	struct written *w = xnew(struct written);
	*w = (struct written){done, arg};
	loop_post(k->loop, on_written, w);
}

void kit_disk_init(struct mz_kit *k)
{
	k->disk.each = disk_each;
	k->disk.apply = disk_apply;
}

void kit_disk_done(struct mz_kit *k)
{
	map_each(&k->records, e)
		drop(e->value);
	map_done(&k->records);
}
