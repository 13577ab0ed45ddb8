/* filesystem_posix.c - isolator/filesystem_posix: containers use the file system of the
 * host as it is; persistent volumes are symbolic links in the sandbox, which follow
 * the resources.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../volume_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a container has: to know what comes and goes. */
struct box {
	struct by_id by; /* first */
	char *sandbox;
	struct mz_resources *res;
	char id[];
};

struct filesystem_posix {
	struct volume_jobs jobs;
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct by_id_table boxes;
};

static struct box *find(const struct filesystem_posix *m, const char *id)
{
	return (struct box *)by_id_find(&m->boxes, id);
}

static void box_free(struct filesystem_posix *m, struct box *b)
{
	if (!b)
		return;
	m->k->resources->destroy(b->res);
	free(b->sandbox);
	free(b);
}

static struct box *box_new(struct filesystem_posix *m, const struct mz_container *c)
{
	size_t size = strlen(c->id) + 1;
	struct box *b = calloc(1, sizeof(*b) + size);
	if (!b)
		return NULL;
	memcpy(b->id, c->id, size);
	b->sandbox = strdup(c->sandbox);
	if (!b->sandbox || by_id_add(&m->boxes, &b->by, b->id) < 0) {
		box_free(m, b);
		return NULL;
	}
	return b;
}

/* A task of a pod shares its parent's volumes. */
static int concerns(const struct mz_container *c)
{
	return c->sandbox && c->resources && !c->parent;
}

static int add_all(struct filesystem_posix *m, struct volumes *vs, const struct mz_resources *r,
		   const struct mz_resources *known, int unlink, struct mz_err *err)
{
	int rc = 0;
	for (size_t i = 0; r && i < m->k->resources->count(r) && rc == 0; i++) {
		struct mz_res_volume disk;
		struct volume *v;
		if (!volume_disk_is_new(m->k, r, i, known, &disk))
			continue;
		rc = volume_disk_add(m->h, vs, r, i, &disk, &v, err);
		if (rc == 0) {
			v->link = 1;
			v->unlink = unlink;
		}
	}
	return rc;
}

/* From what it has to what `c` says. */
static void change(struct filesystem_posix *m, struct box *b, const struct mz_container *c, struct mz_launch *l,
		   struct mz_op *op)
{
	struct mz_err err;
	struct volumes *vs = volumes_new(&m->jobs, b->sandbox);
	int rc = vs ? 0 : volume_fail(&err, -ENOMEM, "Out of memory");
	if (rc == 0)
		rc = add_all(m, vs, b->res, c->resources, 1, &err);
	if (rc == 0)
		rc = add_all(m, vs, c->resources, b->res, 0, &err);
	if (rc == 0) {
		m->k->resources->destroy(b->res);
		b->res = m->k->resources->copy(c->resources);
		volumes_prepare(vs, l, op);
		return;
	}
	volumes_free(vs);
	m->h->op_done(op, &err, NULL);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct filesystem_posix *m = inst;
	struct mz_err err;
	if (!concerns(c)) {
		m->h->op_done(op, NULL, NULL);
		return;
	}
	struct box *b = find(m, c->id);
	if (!b)
		b = box_new(m, c);
	if (b) {
		change(m, b, c, l, op);
		return;
	}
	volume_fail(&err, -ENOMEM, "Out of memory");
	m->h->op_done(op, &err, NULL);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct filesystem_posix *m = inst;
	struct box *b = find(m, c->id);
	if (b && concerns(c))
		change(m, b, c, NULL, op);
	else
		m->h->op_done(op, NULL, NULL);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct filesystem_posix *m = inst;
	struct mz_err err;
	for (size_t i = 0; i < n; i++) {
		struct box *b = concerns(v[i]) ? box_new(m, v[i]) : NULL;
		if (b) {
			b->res = m->k->resources->copy(v[i]->resources);
		} else if (concerns(v[i])) {
			volume_fail(&err, -ENOMEM, "Out of memory");
			m->h->op_done(op, &err, NULL);
			return;
		}
	}
	m->h->op_done(op, NULL, NULL);
}

/* The links go with the sandbox. */
static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct filesystem_posix *m = inst;
	box_free(m, (struct box *)by_id_take(&m->boxes, id));
	m->h->op_done(op, NULL, NULL);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct filesystem_posix *m = calloc(1, sizeof(*m));
	if (!m)
		return volume_fail(err, -ENOMEM, "Out of memory");
	m->h = m->jobs.h = h;
	m->k = h->kind;
	*inst = m;
	return 0;
}

static void destroy(void *inst)
{
	struct filesystem_posix *m = inst;
	if (!m)
		return;
	volume_jobs_done(&m->jobs);
	for (struct by_id *b = by_id_empty(&m->boxes), *next; b; b = next) {
		next = b->next;
		box_free(m, (struct box *)b);
	}
	free(m);
}

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.recover = recover,
	.prepare = prepare,
	.update = update,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "filesystem_posix",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Persistent volumes as links in the sandbox, on the host's file system",
	.ops = (const struct mz_ops *)&ops,
};
