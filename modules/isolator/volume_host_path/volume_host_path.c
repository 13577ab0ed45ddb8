/* volume_host_path.c - isolator/volume_host_path: directories and files of the host in
 * a container, if the operator allows them.
 *
 * Volumes with an absolute `host_path`, and those whose source is HOST_PATH. A
 * relative `host_path` is isolator/volume_sandbox_path's.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../volume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

struct volume_host_path {
	struct volume_jobs jobs; /* first: its hook finds us by it */
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	char **allowed; /* real paths, NULL-ended */
	int force_creation;
};

static int is_type(const struct mz_info_api *info, const struct mz_info *c, size_t i, const char *type)
{
	char path[64];
	snprintf(path, sizeof(path), "volumes.%zu.source.type", i);
	const char *t = info->str(c, path);
	return t && !strcmp(t, type);
}

/* 0: private. */
static uint32_t propagation_of(const struct mz_info_api *info, const struct mz_info *c, size_t i)
{
	char path[96];
	snprintf(path, sizeof(path), "volumes.%zu.source.host_path.mount_propagation.mode", i);
	const char *mode = info->str(c, path);
	if (mode && !strcmp(mode, "BIDIRECTIONAL"))
		return MS_SHARED;
	return mode && !strcmp(mode, "HOST_TO_CONTAINER") ? MS_SLAVE : 0;
}

/* Volume i, if it is one of ours. */
static int add(void *inst, const struct mz_container *c, struct volumes *vs, size_t i, struct mz_err *err)
{
	struct volume_host_path *m = inst;
	const struct mz_info_api *info = m->k->info;
	char path[64];
	int by_source = is_type(info, c->container, i, "HOST_PATH");
	snprintf(path, sizeof(path), "volumes.%zu.%s", i, by_source ? "source.host_path.path" : "host_path");
	const char *source = info->str(c->container, path);
	if (!source || (!by_source && source[0] != '/'))
		return 0;
	struct volume *v = volumes_add(vs, "container.volumes", i);
	if (!v)
		return volume_fail(err, -ENOMEM, "Out of memory");
	v->source_field = by_source ? "source.host_path.path" : "host_path";
	if (source[0] != '/')
		return volume_fail(err, -EINVAL, "%s.%s '%.120s': must be an absolute path", v->field, v->source_field,
				   source);
	snprintf(path, sizeof(path), "volumes.%zu.container_path", i);
	const char *target = info->str(c->container, path);
	snprintf(path, sizeof(path), "volumes.%zu.mode", i);
	const char *mode = info->str(c->container, path);
	v->source = strdup(source);
	v->target = strdup(target ? target : "");
	v->allowed = (const char *const *)m->allowed;
	v->make = m->force_creation;
	v->recursive = 1;
	v->flags = propagation_of(info, c->container, i) | (mode && !strcmp(mode, "RO") ? MS_RDONLY : 0);
	return v->source && v->target ? 0 : volume_fail(err, -ENOMEM, "Out of memory");
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct volume_host_path *m = inst;
	volumes_prepare_listed(&m->jobs, c, l, op, add, m);
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT;
}

static void destroy(void *inst)
{
	struct volume_host_path *m = inst;
	if (!m)
		return;
	volume_jobs_done(&m->jobs);
	for (size_t i = 0; m->allowed && m->allowed[i]; i++)
		free(m->allowed[i]);
	free(m->allowed);
	free(m);
}

static int read_allowed(struct volume_host_path *m, const struct mz_conf *conf, struct mz_err *err)
{
	size_t n = 0;
	while (m->h->conf_item(conf, "allowed", n))
		n++;
	m->allowed = calloc(n + 1, sizeof(m->allowed[0]));
	if (!m->allowed)
		return volume_fail(err, -ENOMEM, "Out of memory");
	for (size_t i = 0; i < n; i++) {
		const char *path = m->h->conf_item(conf, "allowed", i);
		if (path[0] != '/')
			return volume_fail(err, -EINVAL, "Setting 'allowed': '%.150s' is not an absolute path", path);
		m->allowed[i] = realpath(path, NULL);
		if (!m->allowed[i])
			return volume_fail(err, -errno, "Setting 'allowed': '%.150s': %s", path, volume_errno(errno));
	}
	return 0;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct volume_host_path *m = calloc(1, sizeof(*m));
	if (!m)
		return volume_fail(err, -ENOMEM, "Out of memory");
	m->h = m->jobs.h = h;
	m->k = h->kind;
	m->force_creation = (int)h->conf_int(conf, "force_creation");
	int rc = read_allowed(m, conf, err);
	if (rc < 0) {
		destroy(m);
		return rc;
	}
	*inst = m;
	return 0;
}

static const struct mz_setting settings[] = {
	MZ_SETTING(LIST, "allowed", "", 0, 0, "absolute paths that exist; what is mounted must be one or below one of them; empty: nothing is allowed"),
	MZ_SETTING(BOOL, "force_creation", "false", 0, 0, "make directories that are missing below an allowed path"),
	MZ_SETTING_END,
};

static const char *const requires[] = {"isolator/filesystem_linux", NULL};

static const char *const provides[] = {"volumes/HOST_PATH", NULL};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.prepare = prepare,
	.provides = provides,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "volume_host_path",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Directories and files of the host in containers, below allowed paths",
	.settings = settings,
	.requires_modules = requires,
	.ops = (const struct mz_ops *)&ops,
};
