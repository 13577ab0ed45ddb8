/* projects.c - see projects.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "projects.h"

#include "../answer.h"

#include <stddef.h>

static void key_of(uint32_t number, char out[32])
{
	snprintf(out, 32, "project/%u", number);
}

static struct project *at_number(const struct projects *ps, uint32_t number)
{
	char key[32];
	key_of(number, key);
	struct by_id *b = by_id_find(&ps->by_number, key);
	return b ? (struct project *)((char *)b - offsetof(struct project, by_number)) : NULL;
}

struct project *projects_find(const struct projects *ps, const char *path)
{
	return (struct project *)by_id_find(&ps->by_path, path);
}

struct project *projects_of(const struct projects *ps, uint32_t number, uint64_t generation)
{
	struct project *p = at_number(ps, number);
	return p && p->generation == generation ? p : NULL;
}

struct project *projects_next(const struct projects *ps, const struct project *p)
{
	return (struct project *)by_id_next(&ps->by_path, p ? &p->by_path : NULL);
}

/* Neither the path nor the number is there. */
static struct project *add(struct projects *ps, uint32_t number, const char *path)
{
	size_t size = strlen(path) + 1;
	struct project *p = calloc(1, sizeof(*p) + size);
	if (!p)
		return NULL;
	p->number = number;
	p->limit_bytes = p->used_bytes = -1;
	p->generation = ++ps->generation;
	memcpy(p->path, path, size);
	key_of(number, p->key);
	if (by_id_add(&ps->by_path, &p->by_path, p->path) < 0) {
		free(p);
		return NULL;
	}
	if (by_id_add(&ps->by_number, &p->by_number, p->key) < 0) {
		(void)by_id_take(&ps->by_path, p->path);
		free(p);
		return NULL;
	}
	ps->h->metric_set(ps->used, (double)ps->by_path.n);
	return p;
}

/* The one after the last that was given. */
static int choose(struct projects *ps, uint32_t *ret, struct mz_err *err)
{
	uint32_t n = ps->last - ps->first + 1, at = ps->next - ps->first;
	for (uint32_t i = 0; i < n; i++, at = (at + 1) % n) {
		struct quota_use u;
		if (at_number(ps, ps->first + at))
			continue;
		int rc = quota_get(ps->q, ps->first + at, &u, err);
		if (rc < 0)
			return rc;
		if (u.used_bytes || u.n_files)
			continue;
		*ret = ps->first + at;
		ps->next = ps->first + (at + 1) % n;
		return 0;
	}
	return iso_error(err, -ENOSPC, "All %u projects, %u to %u, are used by directories that are still there", n, ps->first,
			 ps->last);
}

int projects_take(struct projects *ps, const char *path, struct project **ret, int *ret_new, struct mz_err *err)
{
	uint32_t number = 0;
	struct project *p = projects_find(ps, path);
	*ret_new = !p;
	if (!p) {
		int rc = choose(ps, &number, err);
		if (rc < 0)
			return rc;
		p = add(ps, number, path);
	}
	if (!p)
		return iso_no_memory(err);
	*ret = p;
	return 0;
}

void projects_keep(const struct projects *ps, const struct project *p, const char *whose,
		   void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct mz_err err;
	char *text = NULL;
	int n = asprintf(&text, "%s\n%s", whose, p->path);
	if (n < 0) {
		(void)iso_no_memory(&err);
		fn(arg, &err);
		return;
	}
	ps->h->storage_put(ps->h, p->key, (struct mz_bytes){text, (size_t)n}, fn, arg);
	free(text);
}

static int read_one(void *arg, const char *key, struct mz_bytes value)
{
	struct projects *ps = arg;
	unsigned number;
	const char *line = value.size ? memchr(value.data, '\n', value.size) : NULL;
	if (sscanf(key, "project/%u", &number) != 1 || !line)
		return 0;
	size_t begin = (size_t)(line - (const char *)value.data) + 1;
	char *path = strndup(line + 1, value.size - begin);
	int rc = 0;
	if (!path || (!projects_find(ps, path) && !at_number(ps, number) && !add(ps, number, path)))
		rc = -ENOMEM;
	free(path);
	return rc;
}

int projects_read(struct projects *ps, struct mz_err *err)
{
	int rc = ps->h->storage_each(ps->h, read_one, ps);
	return rc < 0 ? iso_error(err, rc, "Cannot read which directory has which project: %s", strerror(-rc)) : 0;
}

static void on_forgotten(void *arg, const struct mz_err *err)
{
	const struct projects *ps = arg;
	if (err)
		ps->h->log(ps->h, MZ_LOG_WARNING, err->msg); /* it is looked at again after a restart */
}

void projects_forget(struct projects *ps, struct project *p)
{
	(void)by_id_take(&ps->by_path, p->path);
	(void)by_id_take(&ps->by_number, p->key);
	ps->h->storage_put(ps->h, p->key, (struct mz_bytes){NULL, 0}, on_forgotten, ps);
	ps->h->metric_set(ps->used, (double)ps->by_path.n);
	free(p);
}

void projects_done(struct projects *ps)
{
	for (struct by_id *b = by_id_empty(&ps->by_path), *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(ps->by_number.buckets); /* what was in it is gone */
	ps->by_number = (struct by_id_table){0};
}
