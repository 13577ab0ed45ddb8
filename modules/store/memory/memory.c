/* memory.c - store/memory: records in memory, gone with the daemon. For tests and
 * as the shortest example of a store.
 *
 * The records are an array sorted by key. A batch is checked as a whole before
 * anything is changed, which makes it atomic.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/store.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record {
	char *key;
	void *data;
	size_t size;
};

struct memory {
	const struct mz_host *host;
	struct record *v;
	size_t n, cap;
	int64_t bytes, max_bytes;
	uint64_t epoch; /* the newest that was seen */
	struct mz_metric *records, *size;
};

/* Index of the first record whose key is not before `key`. */
static size_t lower_bound(const struct memory *m, const char *key)
{
	size_t lo = 0, hi = m->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(m->v[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct record *find(struct memory *m, const char *key)
{
	size_t i = lower_bound(m, key);
	return i < m->n && strcmp(m->v[i].key, key) == 0 ? &m->v[i] : NULL;
}

static int64_t room_of(const char *key, size_t size)
{
	return (int64_t)(strlen(key) + size);
}

static void erase(struct memory *m, struct record *r)
{
	m->bytes -= room_of(r->key, r->size);
	free(r->key);
	free(r->data);
	size_t at = (size_t)(r - m->v);
	memmove(r, r + 1, (m->n - at - 1) * sizeof(*r));
	m->n--;
}

/* Takes key and data over. Room for the record was reserved. */
static void insert(struct memory *m, char *key, void *data, size_t size)
{
	struct record *old = find(m, key);
	if (old)
		erase(m, old);
	size_t at = lower_bound(m, key);
	memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof(m->v[0]));
	m->v[at] = (struct record){key, data, size};
	m->n++;
	m->bytes += room_of(key, size);
}

static int reserve(struct memory *m, size_t more)
{
	if (m->n + more <= m->cap)
		return 0;
	size_t cap = (m->n + more) * 2;
	struct record *v = realloc(m->v, cap * sizeof(*v));
	if (!v)
		return -ENOMEM;
	m->v = v;
	m->cap = cap;
	return 0;
}

static void destroy(void *inst)
{
	struct memory *m = inst;
	if (!m)
		return;
	while (m->n > 0)
		erase(m, &m->v[m->n - 1]);
	free(m->v);
	free(m);
}

static int create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct memory *m = calloc(1, sizeof(*m));
	if (!m) {
		err->code = -ENOMEM;
		snprintf(err->msg, sizeof(err->msg), "Out of memory");
		return -ENOMEM;
	}
	m->host = host;
	m->max_bytes = host->conf_int(conf, "max_size");
	m->records = host->metric(host, MZ_METRIC_GAUGE, "records");
	m->size = host->metric(host, MZ_METRIC_GAUGE, "bytes");
	*inst = m;
	return 0;
}

static int each(void *inst, const char *prefix, int (*fn)(void *arg, const char *key, struct mz_bytes value),
		void *arg, struct mz_err *err)
{
	struct memory *m = inst;
	size_t len = strlen(prefix);
	(void)err; /* cannot fail by itself */
	for (size_t i = lower_bound(m, prefix); i < m->n && strncmp(m->v[i].key, prefix, len) == 0; i++) {
		int rc = fn(arg, m->v[i].key, (struct mz_bytes){m->v[i].data, m->v[i].size});
		if (rc)
			return rc;
	}
	return 0;
}

/* Copies of what will be put, all or none. */
struct copy {
	char *key;
	void *data;
};

static void free_copies(struct copy *c, size_t n)
{
	for (size_t i = 0; c && i < n; i++) {
		free(c[i].key);
		free(c[i].data);
	}
	free(c);
}

static struct copy *copy_changes(const struct mz_store_change *changes, size_t n)
{
	struct copy *c = calloc(n ? n : 1, sizeof(*c));
	for (size_t i = 0; c && i < n; i++) {
		const struct mz_bytes *v = &changes[i].value;
		if (!v->data)
			continue;
		c[i].key = strdup(changes[i].key);
		c[i].data = malloc(v->size ? v->size : 1);
		if (!c[i].key || !c[i].data) {
			free_copies(c, n);
			return NULL;
		}
		if (v->size)
			memcpy(c[i].data, v->data, v->size);
	}
	return c;
}

/* A key occurs once in a batch: the core merges changes of one key. */
static int64_t size_after(struct memory *m, const struct mz_store_change *changes, size_t n)
{
	int64_t bytes = m->bytes;
	for (size_t i = 0; i < n; i++) {
		const struct record *old = find(m, changes[i].key);
		if (old)
			bytes -= room_of(old->key, old->size);
		if (changes[i].value.data)
			bytes += room_of(changes[i].key, changes[i].value.size);
	}
	return bytes;
}

static void fail(struct memory *m, struct mz_op *op, int code, const char *why)
{
	struct mz_err err = {.code = code};
	snprintf(err.msg, sizeof(err.msg), "%s", why);
	m->host->op_done(op, &err, NULL);
}

static void apply(void *inst, uint64_t epoch, const struct mz_store_change *changes, size_t n, struct mz_op *op)
{
	struct memory *m = inst;
	if (epoch < m->epoch) {
		fail(m, op, -ESTALE, "A newer leader has written already");
		return;
	}
	if (size_after(m, changes, n) > m->max_bytes) {
		fail(m, op, -ENOSPC, "The batch does not fit into max_size");
		return;
	}
	struct copy *c = reserve(m, n) == 0 ? copy_changes(changes, n) : NULL;
	if (!c) {
		fail(m, op, -ENOMEM, "Out of memory");
		return;
	}
	m->epoch = epoch;
	for (size_t i = 0; i < n; i++) {
		struct record *old = find(m, changes[i].key);
		if (c[i].key)
			insert(m, c[i].key, c[i].data, changes[i].value.size);
		else if (old)
			erase(m, old);
	}
	free(c); /* its content went into the records */
	m->host->metric_set(m->records, (double)m->n);
	m->host->metric_set(m->size, (double)m->bytes);
	m->host->op_done(op, NULL, NULL);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BYTES, "max_size", "256MB", 1024, INT64_MAX, "Sum of the sizes of keys and values"),
	MZ_SETTING_END,
};

static const struct mz_store_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.each = each,
	.apply = apply,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(STORE),
	.name = "memory",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Records in memory, gone with the daemon: for tests",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
