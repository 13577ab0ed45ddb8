/* disk.c - see disk.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

struct sim_disk {
	struct store_backend b; /* first member */
	struct sim *sim;
	struct sim_node *node;
	int64_t mean_ns;
	unsigned slow_permille;
	struct map records; /* key -> struct record */
	/* The batch that is being written; n 0: none. */
	const struct store_change *v;
	size_t n;
	void (*done)(void *arg, const struct mz_err *err);
	void *arg;
	bool written;
};

struct record {
	size_t size;
	unsigned char data[];
};

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int op_each(struct store_backend *b, const char *prefix,
		   int (*fn)(void *arg, const char *key, struct mz_bytes value), void *arg, struct mz_err *err)
{
	struct sim_disk *d = (struct sim_disk *)b;
	VEC(const char *) keys = {0};
	map_each(&d->records, e)
		if (str_starts(e->key, prefix))
			vec_push(&keys, e->key);
	if (keys.n)
		qsort(keys.v, keys.n, sizeof(keys.v[0]), by_key);
	int rc = 0;
	for (size_t i = 0; i < keys.n && rc == 0; i++) {
		const struct record *r = map_get(&d->records, keys.v[i]);
		rc = fn(arg, keys.v[i], (struct mz_bytes){r->data, r->size});
	}
	vec_done(&keys);
	return rc < 0 ? mz_fail(err, rc, "The reader of '%s' has stopped", prefix) : 0;
}

static void write_batch(struct sim_disk *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct store_change *c = &d->v[i];
		if (!c->value.data) {
			free(map_del(&d->records, c->key));
			continue;
		}
		struct record *r = xmalloc(sizeof(*r) + c->value.size);
		r->size = c->value.size;
		memcpy(r->data, c->value.data, c->value.size);
		free(map_put(&d->records, c->key, r));
	}
	d->written = true;
}

static void finish(struct sim_disk *d)
{
	d->n = 0;
	d->v = NULL;
	d->done(d->arg, NULL);
}

static void on_told(void *arg)
{
	finish(arg);
}

static int64_t draw(struct sim_disk *d)
{
	int64_t t = sim_exp(d->sim, d->mean_ns);
	return sim_chance(d->sim, d->slow_permille) ? t * 1000 : t;
}

static void on_written(void *arg)
{
	struct sim_disk *d = arg;
	write_batch(d);
	(void)loop_timer(&d->node->loop, sim_exp(d->sim, d->mean_ns / 4), on_told, d);
}

static void op_apply(struct store_backend *b, uint64_t epoch MZ_UNUSED, const struct store_change *v, size_t n,
		     void (*done)(void *arg, const struct mz_err *err), void *arg)
{
	struct sim_disk *d = (struct sim_disk *)b;
	must(d->n == 0);
	d->v = v;
	d->n = n;
	d->done = done;
	d->arg = arg;
	d->written = false;
	(void)loop_timer(&d->node->loop, draw(d), on_written, d);
}

struct sim_disk *sim_disk_new(struct sim *s, int64_t mean_ns, unsigned slow_permille)
{
	struct sim_disk *d = xnew(struct sim_disk);
	d->b.each = op_each;
	d->b.apply = op_apply;
	d->sim = s;
	d->mean_ns = mean_ns;
	d->slow_permille = slow_permille;
	return d;
}

void sim_disk_free(struct sim_disk *d)
{
	if (!d)
		return;
	map_each(&d->records, e)
		free(e->value);
	map_done(&d->records);
	free(d);
}

struct store_backend *sim_disk_attach(struct sim_disk *d, struct sim_node *n)
{
	d->node = n;
	return &d->b;
}

void sim_disk_detach(struct sim_disk *d)
{
	d->node = NULL;
	if (d->n == 0)
		return;
	if (!d->written && sim_chance(d->sim, 500))
		write_batch(d);
	finish(d); /* the store is freed: it only frees the batch */
}

bool sim_disk_has(const struct sim_disk *d, const char *prefix, const void *bytes, size_t size)
{
	map_each(&d->records, e) {
		const struct record *r = e->value;
		if (str_starts(e->key, prefix) && memmem(r->data, r->size, bytes, size))
			return true;
	}
	return false;
}

size_t sim_disk_count(const struct sim_disk *d, const char *prefix, const char **ret_key)
{
	size_t n = 0;
	map_each(&d->records, e)
		if (str_starts(e->key, prefix) && n++ == 0 && ret_key)
			*ret_key = e->key;
	return n;
}
