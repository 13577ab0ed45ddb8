/* volume_sandbox_path.c - isolator/volume_sandbox_path: directories of a container's
 * own sandbox, or of its parent's, elsewhere in the container.
 *
 * Volumes whose source is SANDBOX_PATH, and those with a relative `host_path`, which
 * are below the own sandbox. Where there are no mounts (launcher posix) they are
 * symbolic links.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../volume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

struct sandbox {
	struct by_id by; /* first */
	char *path;	 /* behind the id */
	char id[];
};

struct volume_sandbox_path {
	struct volume_jobs jobs;
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct by_id_table sandboxes; /* of all containers: a child may ask for its parent's */
	int links;
};

static const struct sandbox *find(const struct volume_sandbox_path *m, const char *id)
{
	return (const struct sandbox *)by_id_find(&m->sandboxes, id);
}

static int remember(struct volume_sandbox_path *m, const struct mz_container *c)
{
	if (!c->sandbox || find(m, c->id))
		return 0;
	size_t id_size = strlen(c->id) + 1, path_size = strlen(c->sandbox) + 1;
	struct sandbox *s = malloc(sizeof(*s) + id_size + path_size);
	if (!s)
		return -ENOMEM;
	s->path = s->id + id_size;
	memcpy(s->id, c->id, id_size);
	memcpy(s->path, c->sandbox, path_size);
	int rc = by_id_add(&m->sandboxes, &s->by, s->id);
	if (rc < 0)
		free(s);
	return rc;
}

static const char *text(const struct volume_sandbox_path *m, const struct mz_container *c, size_t i, const char *field)
{
	char path[96];
	snprintf(path, sizeof(path), "volumes.%zu.%s", i, field);
	const char *s = m->k->info->str(c->container, path);
	return s ? s : "";
}

/* The directory that volume i is below; NULL: it is none of ours, or *err is set. */
static const char *base_of(struct volume_sandbox_path *m, const struct mz_container *c, size_t i, const char **ret_source,
			   const char **ret_field, struct mz_err *err)
{
	err->code = 0;
	const char *host_path = text(m, c, i, "host_path");
	if (*host_path && *host_path != '/') {
		*ret_source = host_path;
		*ret_field = "host_path";
		return c->sandbox;
	}
	if (strcmp(text(m, c, i, "source.type"), "SANDBOX_PATH"))
		return NULL;
	const char *type = text(m, c, i, "source.sandbox_path.type");
	*ret_source = text(m, c, i, "source.sandbox_path.path");
	*ret_field = "source.sandbox_path.path";
	if (!strcmp(type, "SELF"))
		return c->sandbox;
	if (strcmp(type, "PARENT")) {
		volume_fail(err, -EINVAL, "container.volumes[%zu].source.sandbox_path.type '%.60s': must be SELF or PARENT", i,
			    type);
		return NULL;
	}
	const struct sandbox *parent = c->parent ? find(m, c->parent) : NULL;
	if (!c->parent)
		volume_fail(err, -EINVAL, "container.volumes[%zu].source.sandbox_path.type 'PARENT': the container has none",
			    i);
	else if (!parent)
		volume_fail(err, -ENOENT,
			    "container.volumes[%zu].source.sandbox_path.type 'PARENT': container '%.80s' is not known here", i,
			    c->parent);
	return parent ? parent->path : NULL;
}

static int add(void *inst, const struct mz_container *c, struct volumes *vs, size_t i, struct mz_err *err)
{
	struct volume_sandbox_path *m = inst;
	const char *source, *field, *base = base_of(m, c, i, &source, &field, err);
	if (!base)
		return err->code;
	struct volume *v = volumes_add(vs, "container.volumes", i);
	if (!v)
		return volume_fail(err, -ENOMEM, "Out of memory");
	v->source_field = field;
	v->base = strdup(base);
	v->source = strdup(source);
	v->target = strdup(text(m, c, i, "container_path"));
	v->make = v->tasks = 1;
	v->link = m->links;
	v->flags = strcmp(text(m, c, i, "mode"), "RO") ? 0 : MS_RDONLY;
	if (!v->base)
		return volume_fail(err, -ENOMEM, "Out of memory");
	if (v->link && v->flags)
		return volume_fail(err, -EOPNOTSUPP, "%s.mode 'RO': needs mounts, and setting 'links' of volume_sandbox_path is on",
				   v->field);
	return 0;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct volume_sandbox_path *m = inst;
	struct mz_err err;
	int rc = remember(m, c) < 0 ? volume_fail(&err, -ENOMEM, "Out of memory") : 0;
	if (rc == 0 && !m->links && (rc = volume_guard(&m->jobs, c, l)) < 0)
		volume_fail(&err, rc, "no_new_privs cannot be asked for: %s", volume_errno(rc));
	if (rc == 0)
		volumes_prepare_listed(&m->jobs, c, l, op, add, m);
	else
		m->h->op_done(op, &err, NULL);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct volume_sandbox_path *m = inst;
	struct mz_err err;
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = remember(m, v[i]);
		if (rc == 0 && !m->links)
			rc = volume_guard_recover(&m->jobs, v[i]);
	}
	if (rc < 0)
		volume_fail(&err, rc, "Out of memory");
	m->h->op_done(op, rc < 0 ? &err : NULL, NULL);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct volume_sandbox_path *m = inst;
	free(by_id_take(&m->sandboxes, id));
	volume_guard_drop(&m->jobs, id);
	m->h->op_done(op, NULL, NULL);
}

static uint32_t flags(void *inst)
{
	const struct volume_sandbox_path *m = inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | (m->links ? 0u : (uint32_t)MZ_ISOLATOR_ROOT);
}

static void destroy(void *inst)
{
	struct volume_sandbox_path *m = inst;
	if (!m)
		return;
	volume_jobs_done(&m->jobs);
	for (struct by_id *s = by_id_empty(&m->sandboxes), *next; s; s = next) {
		next = s->next;
		free(s);
	}
	free(m);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct volume_sandbox_path *m = calloc(1, sizeof(*m));
	if (!m)
		return volume_fail(err, -ENOMEM, "Out of memory");
	m->h = m->jobs.h = h;
	m->k = h->kind;
	m->links = (int)h->conf_int(conf, "links");
	*inst = m;
	return 0;
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BOOL, "links", "false", 0, 0, "symbolic links in the sandbox instead of mounts; for launcher posix"),
	MZ_SETTING_END,
};

static const char *const provides[] = {"volumes/SANDBOX_PATH", NULL};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.recover = recover,
	.prepare = prepare,
	.cleanup = cleanup,
	.provides = provides,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "volume_sandbox_path",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Directories of a container's own or its parent's sandbox as volumes",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
