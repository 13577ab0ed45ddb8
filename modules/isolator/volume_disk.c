/* volume_disk.c - see volume_disk.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "volume_disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

static const char *role_of(const struct mz_isolator_host *k, const struct mz_resources *r, size_t i)
{
	const struct mz_res_kind *kind = k->resources->kind(k->resources->item(r, i).kind);
	return kind && kind->role ? kind->role : "*";
}

static int is_shared(const struct mz_isolator_host *k, const struct mz_resources *r, size_t i)
{
	const struct mz_res_kind *kind = k->resources->kind(k->resources->item(r, i).kind);
	return kind && (kind->flags & MZ_RES_SHARED);
}

int volume_disk_is_new(const struct mz_isolator_host *k, const struct mz_resources *r, size_t i,
		       const struct mz_resources *known, struct mz_res_volume *ret)
{
	struct mz_res_volume old;
	if (k->resources->volume(r, i, ret) < 0)
		return 0;
	for (size_t j = 0; known && j < k->resources->count(known); j++)
		if (k->resources->volume(known, j, &old) == 0 && !strcmp(old.id, ret->id) &&
		    !strcmp(old.container_path, ret->container_path) && !strcmp(role_of(k, known, j), role_of(k, r, i)))
			return 0;
	return 1;
}

/* The directories above the volume's own, and the one of the operator's above those. */
static int put_base(const struct mz_host *h, struct volume *v, const struct mz_res_volume *disk, const char *role)
{
	const struct mz_isolator_host *k = h->kind;
	const char *work_dir = k->work_dir(h);
	if (!disk->root[0])
		v->top = strdup(work_dir);
	else if (disk->root[0] == '/')
		v->top = strdup(disk->root);
	else if (asprintf(&v->top, "%s/%s", work_dir, disk->root) < 0)
		v->top = NULL;
	if (!v->top)
		return -ENOMEM;
	if (!strcmp(disk->source_type, "MOUNT")) {
		/* The whole file system is the volume. */
		v->base = strdup(v->top);
		v->source = strdup("");
		return v->base && v->source ? 0 : -ENOMEM;
	}
	if (asprintf(&v->base, "%s/volumes/roles/%s", v->top, role) < 0) {
		v->base = NULL;
		return -ENOMEM;
	}
	/* Roles of the hierarchy are one directory each. */
	for (char *p = v->base + strlen(v->top) + strlen("/volumes/roles/"); *p; p++)
		if (*p == '/')
			*p = ' ';
	v->make = v->make_base = 1;
	v->source = strdup(disk->id);
	return v->source ? 0 : -ENOMEM;
}

int volume_disk_add(const struct mz_host *h, struct volumes *vs, const struct mz_resources *r, size_t i,
		    const struct mz_res_volume *disk, struct volume **ret, struct mz_err *err)
{
	const struct mz_isolator_host *k = h->kind;
	struct volume *v = volumes_add(vs, "resources", i);
	if (!v)
		return volume_fail(err, -ENOMEM, "Out of memory");
	strcat(v->field, ".disk.volume");
	v->source_field = "id";
	if (disk->cut)
		return volume_fail(err, -ENAMETOOLONG, "%s '%.100s': a name is too long", v->field, disk->id);
	if (disk->source_type[0] && strcmp(disk->source_type, "PATH") && strcmp(disk->source_type, "MOUNT"))
		return volume_fail(err, -EOPNOTSUPP, "%s '%.100s': a disk of type %s has no file system", v->field, disk->id,
				   disk->source_type);
	if (disk->id[0] == '.' || strchr(disk->id, '/'))
		return volume_fail(err, -EINVAL, "%s '%.100s': cannot be the name of a directory", v->field, disk->id);
	v->flags = disk->read_only ? MS_RDONLY : 0;
	v->own = !is_shared(k, r, i);
	v->target = strdup(disk->container_path);
	if (put_base(h, v, disk, role_of(k, r, i)) < 0)
		return volume_fail(err, -ENOMEM, "Out of memory");
	*ret = v;
	return 0;
}
