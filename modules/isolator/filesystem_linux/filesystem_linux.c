/* filesystem_linux.c - isolator/filesystem_linux: a mount namespace for each container,
 * in which persistent volumes are mounted, and parts of /proc and /sys are hidden or
 * cannot be written to; where the operator lists paths, a root file system of its own, of
 * which rootfs.c knows. What volumes other isolators mount is theirs.
 *
 * Debug containers enter the namespace of their parent.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../../lib/by_id.h"
#include "../volume_disk.h"
#include "rootfs.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

/* What is known of a container. */
struct box {
	struct by_id by; /* first member */
	int32_t pid; /* 0: not yet */
	struct mz_resources *res; /* as they were mounted */
	char id[];
};

enum { OWN_TMP_BYTES = 64 << 20 }; /* of /tmp in a root of its own, where nothing is set */

struct filesystem_linux {
	struct volume_jobs jobs;
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct by_id_table boxes;
	struct rootfs rootfs;
	char **masked, **read_only;
	int64_t private_tmp_bytes;
};

static struct box *find(const struct filesystem_linux *m, const char *id)
{
	return (struct box *)by_id_find(&m->boxes, id);
}

static void box_free(struct filesystem_linux *m, struct box *b)
{
	if (b && b->res)
		m->k->resources->destroy(b->res);
	free(b);
}

static int remember(struct filesystem_linux *m, const struct mz_container *c)
{
	struct box *b = find(m, c->id);
	if (!b) {
		size_t size = strlen(c->id) + 1;
		b = calloc(1, sizeof(*b) + size);
		if (!b)
			return -ENOMEM;
		memcpy(b->id, c->id, size);
		if (by_id_add(&m->boxes, &b->by, b->id) < 0) {
			free(b);
			return -ENOMEM;
		}
	}
	b->pid = c->pid;
	if (!b->res && c->resources)
		b->res = m->k->resources->copy(c->resources);
	return 0;
}

static int refused(struct mz_err *err, int rc, const char *what)
{
	return volume_fail(err, rc, "The launch does not take %.100s: %s", what, volume_errno(rc));
}

/* ---- prepare ----------------------------------------------------------------------- */

static int enter_parent(struct filesystem_linux *m, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	char path[64];
	const struct box *parent = c->parent ? find(m, c->parent) : NULL;
	if (!parent || parent->pid <= 0)
		return volume_fail(err, -ENOENT, "Debug container '%.80s': its parent '%.80s' is not running here", c->id,
				   c->parent ? c->parent : "");
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", parent->pid);
	int rc = m->k->launch_enter(l, CLONE_NEWNS, path);
	return rc < 0 ? refused(err, rc, path) : 0;
}

static int private_tmp(const struct filesystem_linux *m, struct mz_launch *l, struct mz_err *err)
{
	char options[64];
	snprintf(options, sizeof(options), "mode=1777,size=%lld", (long long)m->private_tmp_bytes);
	const struct mz_mount tmp = {
		.size = sizeof(tmp),
		.flags = MS_NOSUID | MS_NODEV,
		.source = "tmpfs",
		.target = "/tmp",
		.type = "tmpfs",
		.options = options,
	};
	int rc = m->private_tmp_bytes ? m->k->launch_mount(l, &tmp) : 0;
	return rc < 0 ? refused(err, rc, "a mount on /tmp") : 0;
}

static int own_namespace(const struct filesystem_linux *m, const struct mz_container *c, struct mz_launch *l,
			 struct mz_err *err)
{
	/* What is nested enters the file system of its parent. */
	int own_root = m->rootfs.n && !c->parent, rc = m->k->launch_namespace(l, CLONE_NEWNS);
	if (rc < 0)
		return refused(err, rc, "a mount namespace");
	if (own_root && (rc = rootfs_ask(&m->rootfs, c, l, err)) < 0)
		return rc;
	for (char **p = m->masked; *p; p++)
		if ((rc = m->k->launch_mask(l, *p)) < 0)
			return refused(err, rc, *p);
	for (char **p = m->read_only; *p; p++)
		if ((!own_root || strcmp(*p, "/sys")) && (rc = m->k->launch_read_only(l, *p)) < 0)
			return refused(err, rc, *p);
	return own_root ? 0 : private_tmp(m, l, err);
}

/* A task of a pod shares its parent's volumes. */
static int add_volumes(struct filesystem_linux *m, const struct mz_container *c, struct volumes *vs, struct mz_err *err)
{
	int rc = 0;
	for (size_t i = 0; !c->parent && c->resources && i < m->k->resources->count(c->resources) && rc == 0; i++) {
		struct mz_res_volume disk;
		struct volume *v;
		if (volume_disk_is_new(m->k, c->resources, i, NULL, &disk))
			rc = volume_disk_add(m->h, vs, c->resources, i, &disk, &v, err);
	}
	return rc;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct filesystem_linux *m = inst;
	struct mz_err err;
	struct volumes *vs = NULL;
	int rc = remember(m, c) < 0 ? volume_fail(&err, -ENOMEM, "Out of memory") : 0;
	if (rc == 0 && c->container_class == MZ_CONTAINER_DEBUG)
		rc = enter_parent(m, c, l, &err);
	else if (rc == 0)
		rc = own_namespace(m, c, l, &err);
	if (rc == 0 && (rc = volume_guard(&m->jobs, c, l)) < 0)
		(void)refused(&err, rc, "no_new_privs");
	if (rc == 0 && c->container_class != MZ_CONTAINER_DEBUG && c->sandbox) {
		vs = volumes_new(&m->jobs, c->sandbox);
		rc = vs ? add_volumes(m, c, vs, &err) : volume_fail(&err, -ENOMEM, "Out of memory");
	}
	if (rc == 0 && vs) {
		vs->c = c;
		volumes_prepare(vs, l, op);
		return;
	}
	volumes_free(vs);
	m->h->op_done(op, rc < 0 ? &err : NULL, NULL);
}

/* ---- the rest ---------------------------------------------------------------------- */

static void isolate(void *inst, const struct mz_container *c, int32_t pid, struct mz_op *op)
{
	struct filesystem_linux *m = inst;
	struct box *b = find(m, c->id);
	if (b)
		b->pid = pid;
	m->h->op_done(op, NULL, NULL);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct filesystem_linux *m = inst;
	struct mz_err err;
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = remember(m, v[i]);
		if (rc == 0)
			rc = volume_guard_recover(&m->jobs, v[i]);
	}
	if (rc < 0)
		volume_fail(&err, rc, "Out of memory");
	m->h->op_done(op, rc < 0 ? &err : NULL, NULL);
}

/* What was mounted stays as long as the container does; more cannot be mounted. */
static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct filesystem_linux *m = inst;
	const struct box *b = find(m, c->id);
	struct mz_res_volume disk;
	struct mz_err err;
	int rc = 0;
	for (size_t i = 0; b && !c->parent && c->resources && rc == 0 && i < m->k->resources->count(c->resources); i++)
		if (volume_disk_is_new(m->k, c->resources, i, b->res, &disk))
			rc = volume_fail(&err, -EOPNOTSUPP,
					 "Persistent volume '%.100s' came after the container was launched, and cannot be mounted",
					 disk.id);
	m->h->op_done(op, rc < 0 ? &err : NULL, NULL);
}

/* The mounts are gone with the namespace. */
static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct filesystem_linux *m = inst;
	box_free(m, (struct box *)by_id_take(&m->boxes, id));
	volume_guard_drop(&m->jobs, id);
	m->h->op_done(op, NULL, NULL);
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT;
}

static void list_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

static void destroy(void *inst)
{
	struct filesystem_linux *m = inst;
	if (!m)
		return;
	volume_jobs_done(&m->jobs);
	for (struct by_id *b = by_id_empty(&m->boxes), *next; b; b = next) {
		next = b->next;
		box_free(m, (struct box *)b);
	}
	rootfs_done(&m->rootfs);
	list_free(m->masked);
	list_free(m->read_only);
	free(m);
}

static int read_list(const struct mz_host *h, const struct mz_conf *conf, const char *name, char ***ret, struct mz_err *err)
{
	size_t n = 0;
	while (h->conf_item(conf, name, n))
		n++;
	*ret = calloc(n + 1, sizeof(char *));
	if (!*ret)
		return volume_fail(err, -ENOMEM, "Out of memory");
	for (size_t i = 0; i < n; i++) {
		const char *path = h->conf_item(conf, name, i);
		if (path[0] != '/')
			return volume_fail(err, -EINVAL, "Setting '%s': '%.150s' is not an absolute path", name, path);
		(*ret)[i] = strdup(path);
		if (!(*ret)[i])
			return volume_fail(err, -ENOMEM, "Out of memory");
	}
	return 0;
}

/* Sandboxes would be hidden. */
static int check_tmp(const struct filesystem_linux *m, struct mz_err *err)
{
	char *real = m->private_tmp_bytes ? realpath(m->k->work_dir(m->h), NULL) : NULL;
	int hidden = real && volume_path_is_below(real, "/tmp");
	free(real);
	return hidden ? volume_fail(err, -EINVAL, "Setting 'private_tmp': the agent's work directory '%.120s' is below /tmp, and would be hidden",
				    m->k->work_dir(m->h))
		      : 0;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct filesystem_linux *m = calloc(1, sizeof(*m));
	if (!m)
		return volume_fail(err, -ENOMEM, "Out of memory");
	m->h = m->jobs.h = h;
	m->k = h->kind;
	m->private_tmp_bytes = h->conf_int(conf, "private_tmp");
	int rc = check_tmp(m, err);
	if (rc == 0)
		rc = read_list(h, conf, "masked_paths", &m->masked, err);
	if (rc == 0)
		rc = read_list(h, conf, "read_only_paths", &m->read_only, err);
	if (rc == 0)
		rc = rootfs_init(&m->rootfs, h, conf, "host_paths", err);
	m->rootfs.tmp_bytes = m->private_tmp_bytes ? m->private_tmp_bytes : OWN_TMP_BYTES;
	if (rc < 0) {
		destroy(m);
		return rc;
	}
	*inst = m;
	return 0;
}

static const struct mz_setting settings[] = {
	MZ_SETTING(LIST, "masked_paths",
		   "[/proc/acpi, /proc/asound, /proc/interrupts, /proc/kcore, /proc/keys, /proc/latency_stats, "
		   "/proc/sched_debug, /proc/scsi, /proc/timer_list, /proc/timer_stats, /sys/devices/virtual/powercap, "
		   "/sys/firmware]",
		   0, 0, "paths that containers cannot read; one that is not there is passed over"),
	MZ_SETTING(LIST, "read_only_paths", "[/proc/bus, /proc/fs, /proc/irq, /proc/sys, /proc/sysrq-trigger, /sys]", 0, 0,
		   "paths that containers cannot write to; one that is not there is passed over"),
	MZ_SETTING(BYTES, "private_tmp", "0", 0, 1LL << 50,
		   "size of a file system in memory of the container's own at /tmp; 0: the host's /tmp, or 64MB with host_paths"),
	MZ_SETTING(LIST, "host_paths", "", 0, 0,
		   "what containers see of the host, read-only, in a root file system of their own; empty: all of it, as it is"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.recover = recover,
	.prepare = prepare,
	.isolate = isolate,
	.update = update,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "filesystem_linux",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "A mount namespace for each container, with persistent volumes and masked paths",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
