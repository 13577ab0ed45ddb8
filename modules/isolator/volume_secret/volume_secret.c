/* volume_secret.c - isolator/volume_secret: secrets as files of a container.
 *
 * A secret is written into a ramfs of the container's own, which is never swapped, in
 * a directory of root's below the agent's runtime directory; the file is mounted,
 * read-only, where the container wants it. The ramfs goes with the container. After
 * a crash, those that no container has are unmounted by recover.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../../lib/id_name.h"
#include "../volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4200, MAX_SECRETS = 64 };

struct volume_secret {
	struct volume_jobs jobs;
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct job *asking; /* containers whose secrets are being asked for */
	struct mz_metric *files;
};

/* One container that is being prepared; `c` lives until op is completed. */
struct job {
	struct job *next;
	struct volume_secret *m;
	const struct mz_container *c;
	struct mz_launch *l;
	struct mz_op *op;
	struct volumes *vs;
	size_t i, n; /* volumes of the container */
	int mounted;
};

static void top_path(const struct volume_secret *m, char *out, const char *id)
{
	char name[ID_NAME_SIZE];
	snprintf(out, PATH_SIZE, "%.3800s/secrets%s%.300s", m->k->runtime_dir(m->h), id ? "/" : "",
		 id ? id_name(id, name) : "");
}

/* Where mounts do not propagate, containers that started meanwhile hold the file
 * system: what is in it goes now. */
static void empty(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = dir < 0 ? NULL : fdopendir(dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		int fd = e->d_name[0] == '.' ? -1 : openat(dir, e->d_name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		close(fd);
		(void)unlinkat(dir, e->d_name, 0); /* one that stays is empty */
	}
	if (d)
		closedir(d);
}

/* Ids are one component. */
static int unmount(const struct volume_secret *m, const char *id)
{
	char path[PATH_SIZE];
	if (!*id || strchr(id, '/') || !strcmp(id, ".") || !strcmp(id, ".."))
		return 0;
	top_path(m, path, id);
	empty(path);
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	return rmdir(path) == 0 || errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

static int mount_own(struct job *j, struct mz_err *err)
{
	char path[PATH_SIZE];
	top_path(j->m, path, NULL);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return volume_fail(err, -errno, "Cannot make '%.180s': %s", path, volume_errno(errno));
	top_path(j->m, path, j->c->id);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return volume_fail(err, -errno, "Cannot make '%.180s': %s", path, volume_errno(errno));
	if (mount("secrets", path, "ramfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0 ||
	    mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0)
		return volume_fail(err, -errno, "Cannot mount a file system for secrets at '%.150s': %s", path,
				   volume_errno(errno));
	j->mounted = 1;
	return 0;
}

static void job_free(struct job *j)
{
	struct job **at = &j->m->asking;
	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	volumes_free(j->vs);
	free(j);
}

/* What was mounted is cleanup's, which follows. */
static void job_fail(struct job *j, const struct mz_err *err)
{
	const struct mz_host *h = j->m->h;
	struct mz_op *op = j->op;
	job_free(j);
	h->op_done(op, err, NULL);
}

static const char *text(const struct job *j, const char *field)
{
	char path[64];
	snprintf(path, sizeof(path), "volumes.%zu.%s", j->i, field);
	const char *s = j->m->k->info->str(j->c->container, path);
	return s ? s : "";
}

/* Few bytes into memory of the kernel's: not worth a worker. */
static int write_secret(struct job *j, struct mz_bytes secret, struct mz_err *err)
{
	char path[PATH_SIZE + 24];
	struct stat st;
	top_path(j->m, path, j->c->id);
	snprintf(path + strlen(path), 24, "/%zu", j->i);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	int rc = fd < 0 ? -errno : 0;
	for (size_t done = 0; rc == 0 && done < secret.size;) {
		ssize_t n = write(fd, (const char *)secret.data + done, secret.size - done);
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			rc = -errno;
	}
	/* Readable by whom the sandbox belongs to, and by nobody else. */
	if (rc == 0 && (lstat(j->c->sandbox, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0))
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return volume_fail(err, rc, "container.volumes[%zu].source.secret: cannot write its file: %s", j->i,
				   volume_errno(rc));
	return 0;
}

static int add(struct job *j, struct mz_err *err)
{
	char path[PATH_SIZE], name[24];
	struct volume *v = volumes_add(j->vs, "container.volumes", j->i);
	if (!v)
		return volume_fail(err, -ENOMEM, "Out of memory");
	top_path(j->m, path, j->c->id);
	snprintf(name, sizeof(name), "%zu", j->i);
	v->source_field = "source.secret";
	v->base = strdup(path);
	v->top = strdup(j->m->k->runtime_dir(j->m->h));
	v->source = strdup(name);
	v->target = strdup(text(j, "container_path"));
	v->flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	return v->base && v->top ? 0 : volume_fail(err, -ENOMEM, "Out of memory");
}

static void next(struct job *j);

static void on_secret(void *arg, const struct mz_err *err, struct mz_bytes secret)
{
	struct job *j = arg;
	struct mz_err e;
	if (err)
		volume_fail(&e, err->code, "container.volumes[%zu].source.secret: %.190s", j->i, err->msg);
	if (err || (!j->mounted && mount_own(j, &e) < 0) || write_secret(j, secret, &e) < 0 || add(j, &e) < 0) {
		job_fail(j, &e);
		return;
	}
	j->m->h->metric_add(j->m->files, 1);
	j->i++;
	next(j);
}

static void next(struct job *j)
{
	const struct volume_secret *m = j->m;
	char path[64];
	while (j->i < j->n && strcmp(text(j, "source.type"), "SECRET"))
		j->i++;
	if (j->i < j->n && j->vs->n < MAX_SECRETS) {
		snprintf(path, sizeof(path), "volumes.%zu.source.secret", j->i);
		m->k->secret(m->h, j->c->container, path, on_secret, j);
		return;
	}
	if (j->i < j->n) {
		struct mz_err err;
		volume_fail(&err, -E2BIG, "container.volumes[%zu].source.secret: the most are %d secrets", j->i, MAX_SECRETS);
		job_fail(j, &err);
		return;
	}
	struct volumes *vs = j->vs;
	struct mz_launch *l = j->l;
	struct mz_op *op = j->op;
	j->vs = NULL;
	job_free(j);
	volumes_prepare(vs, l, op);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct volume_secret *m = inst;
	size_t n = c->container && c->sandbox && c->container_class != MZ_CONTAINER_DEBUG
			   ? m->k->info->count(c->container, "volumes")
			   : 0;
	if (!n) {
		m->h->op_done(op, NULL, NULL);
		return;
	}
	struct job *j = calloc(1, sizeof(*j));
	struct volumes *vs = j ? volumes_new(&m->jobs, c->sandbox) : NULL;
	if (!vs) {
		struct mz_err err;
		free(j);
		volume_fail(&err, -ENOMEM, "Out of memory");
		m->h->op_done(op, &err, NULL);
		return;
	}
	*j = (struct job){.next = m->asking, .m = m, .c = c, .l = l, .op = op, .vs = vs, .n = n};
	m->asking = j;
	next(j);
}

static int lives(const struct mz_container *const *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (id_name_is(name, v[i]->id))
			return 1;
	return 0;
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct volume_secret *m = inst;
	char path[PATH_SIZE], line[300];
	top_path(m, path, NULL);
	DIR *dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (e->d_name[0] == '.' || lives(v, n, e->d_name))
			continue;
		int rc = unmount(m, e->d_name);
		snprintf(line, sizeof(line), "The secrets of container '%.120s', which is gone, are %s", e->d_name,
			 rc < 0 ? "left: " : "removed");
		if (rc < 0)
			strncat(line, volume_errno(rc), 100);
		m->h->log(m->h, rc < 0 ? MZ_LOG_WARNING : MZ_LOG_INFO, line);
	}
	if (dir)
		closedir(dir);
	m->h->op_done(op, NULL, NULL);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct volume_secret *m = inst;
	struct mz_err err;
	int rc = unmount(m, id);
	if (rc < 0)
		volume_fail(&err, rc, "Cannot remove the secrets of container '%.120s': %s", id, volume_errno(rc));
	m->h->op_done(op, rc < 0 ? &err : NULL, NULL);
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct volume_secret *m = calloc(1, sizeof(*m));
	if (!m)
		return volume_fail(err, -ENOMEM, "Out of memory");
	m->h = m->jobs.h = h;
	m->k = h->kind;
	m->files = h->metric(h, MZ_METRIC_COUNTER, "files");
	*inst = m;
	return 0;
}

static void destroy(void *inst)
{
	struct volume_secret *m = inst;
	if (!m)
		return;
	while (m->asking)
		job_free(m->asking);
	volume_jobs_done(&m->jobs);
	free(m);
}

static const char *const requires[] = {"isolator/filesystem_linux", NULL};

static const char *const provides[] = {"volumes/SECRET", NULL};

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
	.name = "volume_secret",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Secrets as files of a container, in memory only",
	.requires_modules = requires,
	.ops = (const struct mz_ops *)&ops,
};
