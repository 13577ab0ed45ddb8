/* volume_disk.h - persistent volumes of a container's resources, as entries of
 * struct volumes: for the two isolators of file systems.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_VOLUME_DISK_H
#define MZ_ISOLATOR_VOLUME_DISK_H

#include "volume.h"

/* Is item i of `r` a persistent volume that `known` (which may be NULL) does not
 * have in the same place? 0: no, or none. */
int volume_disk_is_new(const struct mz_isolator_host *k, const struct mz_resources *r, size_t i,
		       const struct mz_resources *known, struct mz_res_volume *ret);
/* Adds it to `vs`: the directory, made if it is missing, of the sandbox's owner. A
 * shared volume keeps the owner that it has. */
int volume_disk_add(const struct mz_host *h, struct volumes *vs, const struct mz_resources *r, size_t i,
		    const struct mz_res_volume *disk, struct volume **ret, struct mz_err *err);

#endif
