/* quota.h - project quotas of XFS as isolator/disk_xfs needs them: whether there are any, one
 * project's limit and use, and whose project a directory is. Blocking: setting a tree's
 * project belongs on a worker thread, the rest is one system call.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_DISK_XFS_QUOTA_H
#define MZ_DISK_XFS_QUOTA_H

#include <mezzo/types.h>

enum { QUOTA_MAX_DEPTH = 128 };

/* One file system. */
struct quota {
	int fd;		  /* of a directory in it */
	char device[256]; /* for kernels that cannot do without; "" until needed */
};

struct quota_use {
	int64_t used_bytes, soft_bytes, hard_bytes; /* limits: 0 none */
	int64_t n_files;
};

/* The file system of `path`. -EOPNOTSUPP: it is no XFS, or keeps no account of projects
 * (with `enforce`: of their limits). */
int quota_open(struct quota *q, const char *path, int enforce, struct mz_err *err);
void quota_done(struct quota *q);

/* All zero for a project that has nothing. */
int quota_get(struct quota *q, uint32_t project, struct quota_use *ret, struct mz_err *err);
int quota_set(struct quota *q, uint32_t project, int64_t soft_bytes, int64_t hard_bytes, struct mz_err *err);

/* Everything in the directory, and what will be made in it, belongs to the project. Follows
 * no symbolic link, and crosses into no other file system. One that was given to it before is
 * not walked through again. -EXDEV: it is on another file system than `q`. */
int quota_give(const struct quota *q, const char *path, uint32_t project, struct mz_err *err);

#endif
