/* rootfs.h - a root file system of a container's own, made of paths of the host.
 *
 * Nothing of it is anywhere but in the container: an empty file system in memory, what
 * is listed mounted in it read-only, what programs expect (/dev, /proc, /sys, /tmp), the
 * executor's files, and the sandbox by its own name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_FILESYSTEM_LINUX_ROOTFS_H
#define MZ_ISOLATOR_FILESYSTEM_LINUX_ROOTFS_H

#include "../volume.h"

struct rootfs_path {
	char *path; /* as it was listed, but for superfluous slashes */
	char *real; /* without links */
	int is_file;
	int is_part;	/* of another that is mounted */
	int is_executors; /* not listed: executors need it */
};

struct rootfs {
	const struct mz_host *h;
	struct rootfs_path *v;
	size_t n; /* 0: containers share the root of the host */
	int64_t tmp_bytes;
};

/* Reads the setting `name`, and looks at the paths. */
int rootfs_init(struct rootfs *r, const struct mz_host *h, const struct mz_conf *conf, const char *name,
		struct mz_err *err);
void rootfs_done(struct rootfs *r);
/* Asks for all of it: `c` is a container at the top. */
int rootfs_ask(const struct rootfs *r, const struct mz_container *c, struct mz_launch *l, struct mz_err *err);

#endif
