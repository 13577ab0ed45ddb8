/* tree.h - directories as the agent makes and removes them. Blocking: for worker
 * threads. Nothing here follows a symbolic link that a task may have planted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_OS_TREE_H
#define MZ_OS_TREE_H

#include <mezzo/types.h>
#include <sys/types.h>

/* Makes the directory and what is missing above it (those get 0755). */
int tree_make(const char *path, mode_t mode, struct mz_err *err);
/* Removes it with all that is in it; that it is not there is fine. Does not cross
 * into other file systems (-EXDEV): what is mounted there is somebody's data. */
int tree_remove(const char *path, struct mz_err *err);
/* Makes the symbolic link `path` point to `target`, replacing what it was. */
int tree_link(const char *target, const char *path, struct mz_err *err);
/* Copies a regular file to `name` in the directory `dir`, replacing it. */
int tree_copy(const char *from, int dir, const char *name, mode_t mode, struct mz_err *err);

#endif
