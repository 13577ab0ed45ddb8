/* store.c - see store.h.
 *
 * A record is: magic, version, two zero bytes, CRC-32 of key, NUL and payload
 * (little endian), payload. The key is part of the sum, so that a value that
 * ended up under another key is bad too.
 *
 * One batch gathers while at most one is being written. A batch knows its store
 * by a pointer that store_free() clears: what was posted or is being written
 * outlives the store.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/vec.h"

enum { RECORD_MAGIC = 0x4d, RECORD_VERSION = 1, HEAD_BYTES = 8, KEY_MAX_BYTES = 400, VALUE_MAX_BYTES = 32 << 20 };

struct waiter {
	store_done_fn fn; /* NULL: forgotten */
	void *arg;
};

struct batch {
	struct store *s; /* NULL: freed */
	struct map index; /* key -> number of its change + 1 */
	VEC(struct store_change) changes;
	VEC(struct waiter) waiters;
	bool posted;
};

struct store {
	struct loop *loop;
	struct store_backend *b;
	void (*on_failure)(void *arg, const struct mz_err *err);
	void *arg;
	uint64_t epoch;
	size_t n_bad;
	bool failed;
	struct batch *gather; /* never NULL */
	struct batch *flight; /* NULL: nothing is being written */
	/* The batch whose waiters are running, and a flag that free sets. */
	struct batch *finishing;
};

static struct batch *batch_new(struct store *s)
{
	struct batch *b = xnew(struct batch);
	b->s = s;
	return b;
}

static void batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->changes.n; i++) {
		free((char *)b->changes.v[i].key);
		free((void *)b->changes.v[i].value.data);
	}
	vec_done(&b->changes);
	vec_done(&b->waiters);
	map_done(&b->index);
	free(b);
}

struct store *store_new(struct loop *l, struct store_backend *b,
			void (*on_failure)(void *arg, const struct mz_err *err), void *arg)
{
	struct store *s = xnew(struct store);
	s->loop = l;
	s->b = b;
	s->on_failure = on_failure;
	s->arg = arg;
	s->gather = batch_new(s);
	return s;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	if (s->gather->posted)
		s->gather->s = NULL; /* its turn frees it */
	else
		batch_free(s->gather);
	if (s->flight)
		s->flight->s = NULL; /* the backend still reads it */
	if (s->finishing)
		s->finishing->s = NULL;
	free(s);
}

void store_set_epoch(struct store *s, uint64_t epoch)
{
	s->epoch = epoch;
}

size_t store_n_bad(const struct store *s)
{
	return s->n_bad;
}

/* ---- records ---------------------------------------------------------------- */

static uint32_t record_sum(const char *key, const void *data, size_t size)
{
	uLong c = crc32(0L, Z_NULL, 0);
	c = crc32(c, (const Bytef *)key, (uInt)strlen(key) + 1);
	if (size)
		c = crc32(c, data, (uInt)size);
	return (uint32_t)c;
}

static void *record_make(const char *key, const void *data, size_t size)
{
	unsigned char *r = xmalloc(HEAD_BYTES + size);
	uint32_t sum = record_sum(key, data, size);
	r[0] = RECORD_MAGIC;
	r[1] = RECORD_VERSION;
	r[2] = r[3] = 0;
	for (int i = 0; i < 4; i++)
		r[4 + i] = (unsigned char)(sum >> (8 * i));
	if (size)
		memcpy(r + HEAD_BYTES, data, size);
	return r;
}

/* NULL, or what is wrong with it. */
static const char *record_fault(const char *key, struct mz_bytes v)
{
	const unsigned char *r = v.data;
	if (v.size < HEAD_BYTES)
		return "it is cut off";
	if (r[0] != RECORD_MAGIC)
		return "it does not begin like a record";
	if (r[1] != RECORD_VERSION)
		return "its version is not known";
	uint32_t sum = 0;
	for (int i = 0; i < 4; i++)
		sum |= (uint32_t)r[4 + i] << (8 * i);
	return sum == record_sum(key, r + HEAD_BYTES, v.size - HEAD_BYTES) ? NULL : "its checksum is wrong";
}

struct each {
	struct store *s;
	int (*fn)(void *arg, const char *key, const void *data, size_t size);
	void *arg;
};

static int on_record(void *arg, const char *key, struct mz_bytes value)
{
	struct each *e = arg;
	const char *fault = record_fault(key, value);
	if (fault) {
		e->s->n_bad++;
		log_error("store", "Record '%s' is bad (%s): skipping it", key, fault);
		return 0;
	}
	return e->fn(e->arg, key, (const char *)value.data + HEAD_BYTES, value.size - HEAD_BYTES);
}

int store_each(struct store *s, const char *prefix,
	       int (*fn)(void *arg, const char *key, const void *data, size_t size), void *arg, struct mz_err *err)
{
	struct each e = {s, fn, arg};
	return s->b->each(s->b, prefix, on_record, &e, err);
}

/* ---- writing ---------------------------------------------------------------- */

static void flush(struct store *s);

/* Any waiter may free the store, or forget others. */
static void run_waiters(struct batch *b)
{
	struct store *s = b->s;
	s->finishing = b;
	for (size_t i = 0; b->s && i < b->waiters.n; i++) {
		struct waiter w = b->waiters.v[i];
		if (w.fn)
			w.fn(w.arg);
	}
	if (b->s)
		s->finishing = NULL;
}

static void on_applied(void *arg, const struct mz_err *err)
{
	struct batch *b = arg;
	struct store *s = b->s;
	if (!s) {
		batch_free(b);
		return;
	}
	if (err) {
		struct mz_err why = *err;
		s->failed = true;
		/* After a deadline the backend may still be reading the batch: it is
		 * left to the end of the process, which is near. */
		s->flight = NULL;
		if (why.code != -ETIMEDOUT)
			batch_free(b);
		s->on_failure(s->arg, &why);
		return;
	}
	s->flight = NULL;
	run_waiters(b);
	if (b->s)
		flush(s);
	batch_free(b);
}

static void flush(struct store *s)
{
	struct batch *b = s->gather;
	if (s->flight || s->failed || b->posted || (b->changes.n == 0 && b->waiters.n == 0))
		return;
	s->gather = batch_new(s);
	if (b->changes.n == 0) {
		run_waiters(b);
		if (b->s)
			flush(s);
		batch_free(b);
		return;
	}
	s->flight = b;
	s->b->apply(s->b, s->epoch, b->changes.v, b->changes.n, on_applied, b);
}

static void on_turn(void *arg)
{
	struct batch *b = arg;
	if (!b->s) {
		batch_free(b);
		return;
	}
	b->posted = false;
	flush(b->s);
}

/* The end of this turn writes what it gathered, unless a batch is under way:
 * its end does. */
static void schedule(struct store *s)
{
	if (s->gather->posted || s->flight)
		return;
	s->gather->posted = true;
	loop_post(s->loop, on_turn, s->gather);
}

static void add(struct store *s, const char *key, void *value, size_t size, store_done_fn fn, void *arg)
{
	if (s->failed) {
		free(value);
		return;
	}
	struct batch *b = s->gather;
	size_t at = (size_t)(uintptr_t)map_get(&b->index, key);
	if (at) {
		struct store_change *c = &b->changes.v[at - 1];
		free((void *)c->value.data);
		c->value = (struct mz_bytes){value, size};
	} else {
		struct store_change c = {xstrdup(key), {value, size}};
		vec_push(&b->changes, c);
		map_put(&b->index, key, (void *)(uintptr_t)b->changes.n);
	}
	if (fn)
		vec_push(&b->waiters, ((struct waiter){fn, arg}));
	schedule(s);
}

void store_put(struct store *s, const char *key, const void *data, size_t size, store_done_fn fn, void *arg)
{
	size_t len = strlen(key);
	must(len > 0 && len <= KEY_MAX_BYTES);
	must(size <= VALUE_MAX_BYTES - HEAD_BYTES);
	add(s, key, record_make(key, data, size), HEAD_BYTES + size, fn, arg);
}

void store_delete(struct store *s, const char *key, store_done_fn fn, void *arg)
{
	add(s, key, NULL, 0, fn, arg);
}

void store_barrier(struct store *s, store_done_fn fn, void *arg)
{
	if (s->failed)
		return;
	struct waiter w = {fn, arg};
	struct batch *b = s->flight && s->gather->changes.n == 0 ? s->flight : s->gather;
	vec_push(&b->waiters, w);
	schedule(s);
}

static void forget_in(struct batch *b, void *arg)
{
	for (size_t i = 0; b && i < b->waiters.n; i++)
		if (b->waiters.v[i].arg == arg)
			b->waiters.v[i].fn = NULL;
}

void store_forget(struct store *s, void *arg)
{
	forget_in(s->gather, arg);
	forget_in(s->flight, arg);
	forget_in(s->finishing, arg);
}
