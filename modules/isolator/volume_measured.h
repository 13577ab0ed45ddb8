/* volume_measured.h - the persistent volumes of a container as the isolators of disk see
 * them: which there are, and what is told of each in the container's statistics. Static code for
 * the modules of this folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_VOLUME_MEASURED_H
#define MZ_ISOLATOR_VOLUME_MEASURED_H

#include "volume_place.h"

#include <errno.h>

struct volume_measured {
	char *path, *id;
	char *root; /* of the disk of type PATH that it is on, else NULL */
	int64_t limit_bytes;
};

static inline void volume_measured_done(struct volume_measured *v)
{
	free(v->path);
	free(v->id);
	free(v->root);
	*v = (struct volume_measured){NULL, NULL, NULL, 0};
}

/* Item i of `r`, if it is a volume that can be measured: of a whole disk nobody else has a part.
 * 1: it is; 0; -ENOMEM. */
static inline int volume_measured_of(const struct mz_host *h, const struct mz_resources *r, size_t i,
				     struct volume_measured *ret)
{
	const struct mz_isolator_host *k = h->kind;
	struct mz_res_volume disk;
	struct volume_place at;
	if (k->resources->volume(r, i, &disk) < 0 || disk.cut || (disk.source_type[0] && strcmp(disk.source_type, "PATH") != 0))
		return 0;
	if (!volume_place_of(h, r, i, &disk, &at))
		return -ENOMEM;
	struct volume_measured v = {.path = volume_join(at.base, "/", disk.id),
				    .id = strdup(disk.id),
				    .root = disk.source_type[0] ? strdup(disk.root) : NULL,
				    .limit_bytes = disk_bytes(k->resources->item(r, i).amount)};
	volume_place_done(&at);
	if (!v.path || !v.id || (!v.root && disk.source_type[0])) {
		volume_measured_done(&v);
		return -ENOMEM;
	}
	*ret = v;
	return 1;
}

/* Number i of those that are told; used_bytes -1: not known. */
static inline void volume_measured_tell(const struct mz_isolator_host *k, struct mz_usage *u, size_t i,
					const struct volume_measured *v, int64_t used_bytes)
{
	char name[64];
	const struct mz_usage_api *to = k->usage;
#define FIELD(rest) (snprintf(name, sizeof(name), "disk_statistics.%zu.%s", i, rest), name)
	(void)to->set_string(u, FIELD("persistence.id"), v->id);
	if (v->root) {
		(void)to->set_integer(u, FIELD("source.type"), 1); /* PATH */
		(void)to->set_string(u, FIELD("source.path.root"), v->root);
	}
	(void)to->set_integer(u, FIELD("limit_bytes"), v->limit_bytes);
	if (used_bytes >= 0)
		(void)to->set_integer(u, FIELD("used_bytes"), used_bytes);
#undef FIELD
}

#endif
