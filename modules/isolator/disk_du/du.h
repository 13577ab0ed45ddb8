/* du.h - what a directory takes of the disk, a piece at a time. Blocking, for worker threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_DU_H
#define MZ_ISOLATOR_DU_H

#include <stdint.h>

/* A descriptor is open for each level on the way down. No program needs as many
 * levels: a path through them is longer than the kernel takes. */
enum { DU_MAX_DEPTH = 1024 };

struct du {
	int64_t bytes;	 /* allocated; a file of n names counts 1/n for each */
	int64_t n_files; /* names: files, directories and all else */
	int too_deep;	 /* some directory is deeper than DU_MAX_DEPTH; what is in it is not counted */
};

struct du_walk;

/* Begins with all that is in `path`, on its own file system only, links not followed. */
int du_begin(const char *path, struct du_walk **ret);
/* Goes on until some n_more names more are counted, or there are more than max_files in all
 * (0: any number). 1: there is more to count. *ret is what was found until now. */
int du_go_on(struct du_walk *w, int64_t n_more, int64_t max_files, struct du *ret);
void du_end(struct du_walk *w); /* NULL: no-op */

#endif
