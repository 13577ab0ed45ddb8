/* volume_disk.c - see volume_disk.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "volume_disk.h"

#include "volume_place.h"

#include <errno.h>
#include <sys/mount.h>

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
		    !strcmp(old.container_path, ret->container_path) && !strcmp(volume_role(k, known, j), volume_role(k, r, i)))
			return 0;
	return 1;
}

/* The directories above the volume's own, and the one of the operator's above those. */
static int put_base(const struct mz_host *h, struct volume *v, const struct mz_resources *r, size_t i,
		    const struct mz_res_volume *disk)
{
	struct volume_place p;
	if (!volume_place_of(h, r, i, disk, &p))
		return -ENOMEM;
	v->top = p.top;
	v->base = p.base;
	v->make = v->make_base = !p.whole;
	v->source = strdup(p.whole ? "" : disk->id);
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
	if (!disk->id[0] || disk->id[0] == '.' || strchr(disk->id, '/'))
		return volume_fail(err, -EINVAL, "%s '%.100s': cannot be the name of a directory", v->field, disk->id);
	v->flags = disk->read_only ? MS_RDONLY : 0;
	v->own = !is_shared(k, r, i);
	v->tasks = 1;
	v->target = strdup(disk->container_path);
	if (put_base(h, v, r, i, disk) < 0)
		return volume_fail(err, -ENOMEM, "Out of memory");
	*ret = v;
	return 0;
}
