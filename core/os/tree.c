/* tree.c - making, removing, linking, copying; see tree.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "os/tree.h"

/* Below this the directory is moved up to the top of the tree, so that a task
 * cannot exhaust the agent's descriptors with a deep one. */
enum { MAX_DEPTH = 64 };

int tree_make(const char *path, mode_t mode, struct mz_err *err)
{
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return mz_fail(err, -errno, "Cannot make the directory '%s': %s", path, strerror(errno));
	mz_autofree char *copy = xstrdup(path);
	for (char *p = copy + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return mz_fail(err, -errno, "Cannot make the directory '%s': %s", copy, strerror(errno));
	}
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return mz_fail(err, -errno, "Cannot make the directory '%s': %s", path, strerror(errno));
	return 0;
}

struct removal {
	int top;
	dev_t dev;
	unsigned n_moved;
	const char *path;
	struct mz_err *err;
};

static int remove_failed(struct removal *r, const char *name)
{
	int code = errno;
	return mz_fail(r->err, -code, "Cannot remove '%s' in '%s': %s", name, r->path, strerror(code));
}

static int empty(struct removal *r, int fd, int depth);

static int remove_dir(struct removal *r, int parent, const char *name, int depth)
{
	if (depth >= MAX_DEPTH && parent != r->top) {
		char moved[32];
		snprintf(moved, sizeof(moved), ".removed-%u", r->n_moved++);
		if (renameat(parent, name, r->top, moved) < 0)
			return remove_failed(r, name);
		return 0;
	}
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : remove_failed(r, name);
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_dev != r->dev) {
		close(fd);
		errno = EXDEV;
		return remove_failed(r, name);
	}
	int rc = empty(r, fd, depth + 1);
	if (rc < 0)
		return rc;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return remove_failed(r, name);
	return 0;
}

static int remove_entry(struct removal *r, int fd, const struct dirent *d, int depth)
{
	if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
		return 0;
	if (d->d_type != DT_DIR) {
		if (unlinkat(fd, d->d_name, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno == EACCES || errno == EPERM) { /* a read-only directory of our own */
			(void)fchmod(fd, 0700);
			if (unlinkat(fd, d->d_name, 0) == 0)
				return 0;
		}
		if (errno != EISDIR)
			return remove_failed(r, d->d_name);
	}
	return remove_dir(r, fd, d->d_name, depth);
}

/* Takes fd. What was moved to the top meanwhile is met by another pass. */
static int empty(struct removal *r, int fd, int depth)
{
	mz_autodir DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return remove_failed(r, ".");
	}
	unsigned n_moved;
	do {
		n_moved = r->n_moved;
		struct dirent *d;
		while ((d = readdir(dir))) {
			int rc = remove_entry(r, dirfd(dir), d, depth);
			if (rc < 0)
				return rc;
		}
		rewinddir(dir);
	} while (depth == 0 && n_moved != r->n_moved);
	return 0;
}

int tree_remove(const char *path, struct mz_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : mz_fail(err, -errno, "Cannot remove '%s': %s", path, strerror(errno));
	struct stat st;
	if (fstat(fd, &st) < 0) {
		int code = errno;
		close(fd);
		return mz_fail(err, -code, "Cannot remove '%s': %s", path, strerror(code));
	}
	struct removal r = {.top = fd, .dev = st.st_dev, .path = path, .err = err};
	int rc = empty(&r, fd, 0);
	if (rc < 0)
		return rc;
	if (rmdir(path) < 0 && errno != ENOENT)
		return mz_fail(err, -errno, "Cannot remove '%s': %s", path, strerror(errno));
	return 0;
}

int tree_link(const char *target, const char *path, struct mz_err *err)
{
	if (symlink(target, path) == 0)
		return 0;
	mz_autofree char *tmp = xasprintf("%s.new-%d", path, gettid()); /* others may do the same */
	(void)unlink(tmp); /* left by a crash */
	if (symlink(target, tmp) < 0 || rename(tmp, path) < 0)
		return mz_fail(err, -errno, "Cannot make the link '%s': %s", path, strerror(errno));
	return 0;
}

static int copy_content(int in, int out)
{
	char block[64 * 1024];
	for (;;) {
		ssize_t n = read(in, block, sizeof(block));
		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (ssize_t at = 0; at < n;) {
			ssize_t w = write(out, block + at, (size_t)(n - at));
			if (w < 0)
				return -errno;
			at += w;
		}
	}
}

int tree_copy(const char *from, int dir, const char *name, mode_t mode, struct mz_err *err)
{
	mz_autoclose int in = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	if (in < 0 || fstat(in, &st) < 0)
		return mz_fail(err, -errno, "Cannot read '%s': %s", from, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return mz_fail(err, -EINVAL, "Cannot copy '%s': it is not a regular file", from);
	(void)unlinkat(dir, name, 0);
	mz_autoclose int out = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (out < 0)
		return mz_fail(err, -errno, "Cannot make the file '%s': %s", name, strerror(errno));
	int rc = copy_content(in, out);
	if (rc == 0 && fchmod(out, mode) < 0)
		rc = -errno;
	if (rc < 0)
		return mz_fail(err, rc, "Cannot copy '%s': %s", from, strerror(-rc));
	return 0;
}
