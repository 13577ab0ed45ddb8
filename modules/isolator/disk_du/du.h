/* du.h - the disk that a directory takes. Blocking, for worker threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_DU_H
#define MZ_ISOLATOR_DU_H

#include <stdint.h>

/* Allocated bytes of all that is in it, on its own file system only, links not
 * followed. A file of n names counts 1/n for each. Directories deeper than
 * DU_MAX_DEPTH are left out. */
enum { DU_MAX_DEPTH = 128 };
int du(const char *path, int64_t *ret_bytes);

#endif
