/* volume_place.h - where persistent volumes lie on the agent's disks, and how much disk is
 * asked for besides. Static code for the modules of this folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_VOLUME_PLACE_H
#define MZ_ISOLATOR_VOLUME_PLACE_H

#ifndef MZ_MODULE_ABI
#define MZ_MODULE_ABI 1
#endif
#include <mezzo/isolator.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct volume_place {
	char *top;  /* the operator's: the agent's work directory, or the root of the disk */
	char *base; /* at or below it; volumes are directories in it, called by their ids */
	int whole;  /* base is the volume: a disk of type MOUNT */
};

static inline const char *volume_role(const struct mz_isolator_host *k, const struct mz_resources *r, size_t i)
{
	const struct mz_res_kind *kind = k->resources->kind(k->resources->item(r, i).kind);
	return kind && kind->role ? kind->role : "*";
}

static inline void volume_place_done(struct volume_place *p)
{
	free(p->top);
	free(p->base);
	*p = (struct volume_place){NULL, NULL, 0};
}

static inline char *volume_join(const char *a, const char *between, const char *b)
{
	size_t size = strlen(a) + strlen(between) + strlen(b) + 1;
	char *s = malloc(size);
	if (s)
		snprintf(s, size, "%s%s%s", a, between, b);
	return s;
}

/* Of item i of `r`, which is the volume `disk`. 0: out of memory. */
static inline int volume_place_of(const struct mz_host *h, const struct mz_resources *r, size_t i,
				  const struct mz_res_volume *disk, struct volume_place *ret)
{
	const struct mz_isolator_host *k = h->kind;
	const char *root = disk->root;
	struct volume_place p = {.whole = !strcmp(disk->source_type, "MOUNT")};
	p.top = !root[0] ? strdup(k->work_dir(h)) : root[0] == '/' ? strdup(root) : volume_join(k->work_dir(h), "/", root);
	if (p.top)
		p.base = p.whole ? strdup(p.top) : volume_join(p.top, "/volumes/roles/", volume_role(k, r, i));
	if (!p.base) {
		volume_place_done(&p);
		return 0;
	}
	/* Roles of the hierarchy are one directory each. */
	for (char *s = p.base + strlen(p.top) + (p.whole ? 0 : strlen("/volumes/roles/")); *s; s++)
		if (*s == '/')
			*s = ' ';
	*ret = p;
	return 1;
}

/* Bytes of an amount of `disk`: thousandths of a MB. */
static inline int64_t disk_bytes(int64_t amount)
{
	return amount > INT64_MAX / 1048576 ? INT64_MAX / 1000 : amount * 1048576 / 1000;
}

/* What the sandbox may take: `disk` without that of persistent volumes; -1: none was asked for. */
static inline int64_t disk_of_sandbox(const struct mz_isolator_host *k, const struct mz_resources *r)
{
	int64_t sum = 0;
	for (size_t i = 0; r && i < k->resources->count(r); i++) {
		struct mz_res_item item = k->resources->item(r, i);
		const struct mz_res_kind *kind = k->resources->kind(item.kind);
		if (!strcmp(kind->name, "disk") && !(kind->flags & MZ_RES_PERSISTENT))
			sum += item.amount;
	}
	return sum > 0 ? disk_bytes(sum) : -1;
}

#endif
