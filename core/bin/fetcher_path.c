/* fetcher_path.c - files in a sandbox, made such that no name, link or race leads out
 * of it: every step is resolved by the kernel beneath the sandbox's directory.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "bin/fetcher.h"

static int beneath(int dir, const char *path, int flags, bool links)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (links ? 0 : RESOLVE_NO_SYMLINKS),
	};
	int fd;
	do
		fd = (int)syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN); /* somebody renames above us */
	return fd < 0 ? -errno : fd;
}

static int cannot(int code, const char *what, const char *path, struct mz_err *err)
{
	if (code == -EXDEV)
		return mz_fail(err, code, "'%s' leads out of the sandbox", path);
	if (code == -ELOOP)
		return mz_fail(err, code, "'%s' leads through a link", path);
	return mz_fail(err, code, "Cannot %s '%s': %s", what, path, strerror(-code));
}

int fetch_clean(const char *path, char ret[FETCH_MAX_PATH + 1], struct mz_err *err)
{
	size_t n = 0;
	if (path[0] == '/')
		return mz_fail(err, -EINVAL, "'%s' is not a path in the sandbox: it is absolute", path);
	if (strlen(path) > FETCH_MAX_PATH)
		return mz_fail(err, -ENAMETOOLONG, "A path of %zu bytes is too long", strlen(path));
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return mz_fail(err, -EINVAL, "'%s' is not a path in the sandbox: it has '..'", path);
		if (len && !(len == 1 && p[0] == '.')) {
			if (n)
				ret[n++] = '/';
			memcpy(ret + n, p, len);
			n += len;
		}
		p += len + (p[len] == '/');
	}
	ret[n] = '\0';
	return 0;
}

int fetch_parent(struct fetch_box *b, const char *path, bool links, int *ret_fd, const char **ret_name,
		 struct mz_err *err)
{
	mz_autofree char *part = xstrdup(path);
	char *last = strrchr(part, '/'), *next = part;
	mz_autoclose int fd = beneath(b->dir, "", O_PATH | O_DIRECTORY, false);
	if (last)
		*last = '\0';
	while (last && next && fd >= 0) {
		char *slash = strchr(next, '/');
		if (slash)
			*slash = '\0';
		int below = beneath(b->dir, part, O_PATH | O_DIRECTORY, links);
		if (below == -ENOENT) {
			int rc = fetch_count(b, 0, err);
			if (rc < 0)
				return rc;
			below = mkdirat(fd, next, 0755) < 0 ? -errno : 0;
			if (below == 0 || below == -EEXIST)
				below = beneath(b->dir, part, O_PATH | O_DIRECTORY, links);
		}
		close(fd);
		fd = below;
		if (slash)
			*slash = '/';
		next = slash ? slash + 1 : NULL;
	}
	if (fd < 0)
		return cannot(fd, "reach", path, err);
	*ret_name = last ? path + (last - part) + 1 : path;
	*ret_fd = fetch_keep(&fd);
	return 0;
}

int fetch_mkdir(struct fetch_box *b, const char *path, mode_t mode, struct mz_err *err)
{
	mz_autoclose int parent = -1;
	const char *name;
	int rc = fetch_parent(b, path, true, &parent, &name, err);
	if (rc < 0)
		return rc;
	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return cannot(-errno, "make the directory", path, err);
	mz_autoclose int fd = beneath(b->dir, path, O_RDONLY | O_DIRECTORY, true);
	if (fd < 0)
		return cannot(fd, "make the directory", path, err);
	(void)fchmod(fd, mode); /* somebody else's stays as it is */
	return 0;
}

/* A name that is free: what was there is removed, unless it is a directory. */
static int free_name(struct fetch_box *b, const char *path, bool links, int *ret_parent, const char **ret_name,
		     struct mz_err *err)
{
	mz_autoclose int parent = -1;
	if (!*path)
		return mz_fail(err, -EINVAL, "A file needs a name");
	int rc = fetch_parent(b, path, links, &parent, ret_name, err);
	if (rc < 0)
		return rc;
	if (unlinkat(parent, *ret_name, 0) < 0 && errno != ENOENT)
		return cannot(-errno, "replace", path, err);
	*ret_parent = fetch_keep(&parent);
	return 0;
}

int fetch_create(struct fetch_box *b, const char *path, int *ret_fd, struct mz_err *err)
{
	mz_autoclose int parent = -1;
	const char *name;
	int rc = free_name(b, path, true, &parent, &name, err);
	if (rc < 0)
		return rc;
	int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cannot(-errno, "make", path, err);
	*ret_fd = fd;
	return 0;
}

int fetch_open(struct fetch_box *b, const char *path, int *ret_fd, struct mz_err *err)
{
	struct stat st;
	mz_autoclose int fd = beneath(b->dir, path, O_RDONLY | O_NONBLOCK, true);
	if (fd < 0)
		return cannot(fd, "open", path, err);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return mz_fail(err, -EINVAL, "'%s' is not a regular file", path);
	*ret_fd = fetch_keep(&fd);
	return 0;
}

/* Relative, and up at most to the sandbox; ".." only at its beginning, because
 * behind a name it would be about where a link leads. */
static bool stays_inside(const char *path, const char *target)
{
	size_t depth = 0;
	bool down = false;
	for (const char *p = path; (p = strchr(p, '/')); p++)
		depth++;
	if (!*target || *target == '/')
		return false;
	for (const char *p = target; *p;) {
		size_t len = strcspn(p, "/");
		bool up = len == 2 && p[0] == '.' && p[1] == '.';
		if (up && (down || depth-- == 0))
			return false;
		if (len && !up && !(len == 1 && p[0] == '.'))
			down = true;
		p += len + (p[len] == '/');
	}
	return true;
}

int fetch_symlink(struct fetch_box *b, const char *path, const char *target, struct mz_err *err)
{
	mz_autoclose int parent = -1;
	const char *name;
	if (!stays_inside(path, target))
		return mz_fail(err, -EINVAL, "The link '%s' -> '%s' may lead out of the sandbox", path, target);
	int rc = free_name(b, path, false, &parent, &name, err);
	if (rc < 0)
		return rc;
	return symlinkat(target, parent, name) < 0 ? cannot(-errno, "make the link", path, err) : 0;
}

int fetch_hardlink(struct fetch_box *b, const char *path, const char *target, struct mz_err *err)
{
	char clean[FETCH_MAX_PATH + 1];
	mz_autoclose int from = -1, parent = -1;
	const char *name, *from_name;
	struct stat st;
	int rc = fetch_clean(target, clean, err);
	if (rc == 0)
		rc = fetch_parent(b, clean, false, &from, &from_name, err);
	if (rc < 0)
		return mz_wrap(err, "The link '%s'", path);
	if (fstatat(from, from_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return mz_fail(err, -EINVAL, "The link '%s' -> '%s' is not to a file of the sandbox", path, target);
	if (!strcmp(path, clean))
		return 0;
	rc = free_name(b, path, false, &parent, &name, err);
	if (rc < 0)
		return rc;
	return linkat(from, from_name, parent, name, 0) < 0 ? cannot(-errno, "make the link", path, err) : 0;
}

/* Each call is one entry, or a part of one: bytes 0 counts an entry. */
int fetch_count(struct fetch_box *b, uint64_t bytes, struct mz_err *err)
{
	if (bytes > b->max_bytes - b->n_bytes)
		return mz_fail(err, -EFBIG, "It is larger than the limit of %llu bytes for all of a sandbox",
			       (unsigned long long)b->max_bytes);
	b->n_bytes += bytes;
	if (bytes == 0 && ++b->n_entries > b->max_entries)
		return mz_fail(err, -EFBIG, "It has more than the limit of %llu files", (unsigned long long)b->max_entries);
	return 0;
}

int fetch_write(int fd, const void *data, size_t size, struct mz_err *err)
{
	for (const char *p = data; size;) {
		ssize_t n = write(fd, p, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return mz_fail(err, -errno, "Cannot write: %s", strerror(errno));
		p += n;
		size -= (size_t)n;
	}
	return 0;
}
