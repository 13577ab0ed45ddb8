/* volume_path.c - paths that others may change while we look; see volume.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int volume_fail(struct mz_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

const char *volume_errno(int code)
{
	const char *text = strerrordesc_np(code < 0 ? -code : code);
	return text ? text : "unknown error";
}

int volume_path_is_inner(const char *path)
{
	if (!*path || *path == '/')
		return 0;
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");
		if (n == 2 && !strncmp(p, "..", 2))
			return 0;
		p += n;
	}
	return 1;
}

int volume_path_is_below(const char *path, const char *top)
{
	size_t n = strlen(top);
	if (!strcmp(top, "/"))
		return path[0] == '/';
	return !strncmp(path, top, n) && (path[n] == '/' || path[n] == '\0');
}

char *volume_path_join(const char *top, const char *path)
{
	char *joined = malloc(strlen(top) + strlen(path) + 3), *to = joined;
	if (!joined)
		return NULL;
	to += sprintf(to, "%s", top);
	for (const char *p = path + strspn(path, "/"); *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");
		if (n != 1 || *p != '.')
			to += sprintf(to, "/%.*s", (int)n, p);
		p += n;
	}
	if (to == joined)
		strcpy(joined, "/");
	return joined;
}

int volume_open_any(int dir, const char *path, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = resolve | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

/* One component: made if it is missing, never a link. */
static int step(int dir, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = volume_open_any(dir, name, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (fd != -ENOENT)
		return fd;
	/* Ours alone until it has its owner. */
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	struct stat st;
	int rc = fstat(fd, &st);
	if (rc == 0 && st.st_uid == geteuid() && (st.st_mode & 07777) == 0700) {
		if (geteuid() == 0)
			rc = fchown(fd, uid, gid);
		if (rc == 0)
			rc = fchmod(fd, mode);
	}
	if (rc < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int make(int dir, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	char name[256];
	int at = dir;
	for (const char *p = path + strspn(path, "/"); *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");
		if (n >= sizeof(name)) {
			if (at != dir)
				close(at);
			return -ENAMETOOLONG;
		}
		memcpy(name, p, n);
		name[n] = '\0';
		int next = step(at, name, mode, uid, gid);
		if (at != dir)
			close(at);
		if (next < 0)
			return next;
		at = next;
		p += n;
	}
	return at == dir ? volume_open_any(dir, ".", RESOLVE_BENEATH) : at;
}

int volume_open(int dir, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	if (!volume_path_is_inner(path))
		return -EINVAL;
	int fd = volume_open_any(dir, path, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	return fd == -ENOENT && mode ? make(dir, path, mode, uid, gid) : fd;
}

char *volume_path_of(int fd)
{
	char link[64], path[4097];
	struct stat st;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0 || path[0] != '/' || fstat(fd, &st) < 0 || st.st_nlink == 0)
		return NULL;
	path[n] = '\0';
	return strdup(path);
}
