/* du.h - what a directory takes of the disk. Blocking, for worker threads.
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

/* All that is in `path`, on its own file system only, links not followed. Stops when
 * there are more than max_files (0: any number). */
int du(const char *path, int64_t max_files, struct du *ret);

#endif
