/* du.c - sums up a directory; see du.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "du.h"

static int64_t share(const struct stat *st)
{
	int64_t bytes = (int64_t)st->st_blocks * 512;
	return S_ISDIR(st->st_mode) || st->st_nlink < 2 ? bytes : bytes / (int64_t)st->st_nlink;
}

/* Takes fd. What cannot be read, or goes away meanwhile, counts nothing. */
static int64_t sum(int fd, dev_t dev, int depth)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return 0;
	}
	int64_t bytes = 0;
	struct dirent *e;
	while ((e = readdir(d))) {
		struct stat st;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev)
			continue;
		bytes += share(&st);
		if (!S_ISDIR(st.st_mode) || depth == DU_MAX_DEPTH)
			continue;
		int sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			bytes += sum(sub, dev, depth + 1);
	}
	closedir(d);
	return bytes;
}

int du(const char *path, int64_t *ret_bytes)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		int code = errno;
		close(fd);
		return -code;
	}
	*ret_bytes = share(&st) + sum(fd, st.st_dev, 1);
	return 0;
}
