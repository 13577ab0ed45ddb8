/* kit_store.c - the kit's disk: a store backend in memory. What modules put is
 * there for the next instance in the same kit.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void set(struct mz_kit *k, const char *key, const void *data, size_t size)
{
	if (!data) {
		drop(map_del(&k->records, key));
		return;
	}
	struct mz_bytes *copy = xnew(struct mz_bytes);
	*copy = (struct mz_bytes){xmemdup(data, size), size};
	drop(map_put(&k->records, key, copy));
}

/* ---- the journal: KEY '\0' SIZE VALUE ..., size -1: deleted ------------------- */

static void journal_add(struct mz_kit *k, const struct store_change *v, size_t n)
{
	struct buf mz_autobuf b = {0};
	for (size_t i = 0; i < n && k->journal >= 0; i++) {
		int64_t size = v[i].value.data ? (int64_t)v[i].value.size : -1;
		buf_add(&b, v[i].key, strlen(v[i].key) + 1);
		buf_add(&b, &size, sizeof(size));
		if (size > 0)
			buf_add(&b, v[i].value.data, v[i].value.size);
	}
	if (b.len)
		must(write(k->journal, b.data, b.len) == (ssize_t)b.len);
}

static void journal_read(struct mz_kit *k)
{
	struct buf mz_autobuf b = {0};
	char part[4096];
	ssize_t n;
	while ((n = read(k->journal, part, sizeof(part))) > 0)
		buf_add(&b, part, (size_t)n);
	for (size_t at = 0; at < b.len;) {
		const char *key = (const char *)b.data + at;
		int64_t size;
		at += strlen(key) + 1;
		memcpy(&size, (const char *)b.data + at, sizeof(size));
		at += sizeof(size);
		set(k, key, size < 0 ? NULL : (const char *)b.data + at, size < 0 ? 0 : (size_t)size);
		at += size < 0 ? 0 : (size_t)size;
	}
}

static void disk_apply(struct store_backend *b, uint64_t epoch, const struct store_change *v, size_t n,
		       void (*done)(void *arg, const struct mz_err *err), void *arg)
{
	struct mz_kit *k = mz_container_of(b, struct mz_kit, disk);
	(void)epoch;
	for (size_t i = 0; i < n; i++)
		set(k, v[i].key, v[i].value.data, v[i].value.size);
	journal_add(k, v, n);
	struct written *w = xnew(struct written);
	*w = (struct written){done, arg};
	loop_post(k->loop, on_written, w);
}

void kit_disk_init(struct mz_kit *k, const char *journal)
{
	k->journal = journal ? open(journal, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	must(!journal || k->journal >= 0);
	if (journal)
		journal_read(k);
	k->disk.each = disk_each;
	k->disk.apply = disk_apply;
}

void kit_disk_done(struct mz_kit *k)
{
	map_each(&k->records, e)
		drop(e->value);
	map_done(&k->records);
	if (k->journal >= 0)
		close(k->journal);
}
