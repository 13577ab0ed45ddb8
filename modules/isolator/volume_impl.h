/* volume_impl.h - between the files of volume.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_VOLUME_IMPL_H
#define MZ_ISOLATOR_VOLUME_IMPL_H

#include "volume.h"

/* ---- volume_find.c: 0, or a negative errno, and vs->err says why ---- */
int volume_find_source(struct volumes *vs, struct volume *v);
int volume_find_target(struct volumes *vs, struct volume *v);
/* Once more is fine, if it leads to the same place. */
int volume_make_link(struct volumes *vs, struct volume *v);
/* What is there and is no link is the task's own doing, and stays. */
int volume_take_link(struct volumes *vs, struct volume *v);

/* ---- volume_guard.c ---- */
/* Is it one that was found, and that programs of the host would trust? */
int volume_guard_is_needed(const struct volumes *vs, const struct volume *v);
int volume_guard_add(struct volume_jobs *jobs, const char *id); /* or -ENOMEM */
void volume_guard_done(struct volume_jobs *jobs);

#endif
