/* volume_find.c - what is mounted, and where: sources, targets and links of volumes are opened and
 * made; see volume.h. On worker threads.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "volume_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- sources ----------------------------------------------------------------------- */

static const char *why(int code)
{
	switch (code) {
	case -ELOOP:
		return "leads over a symbolic link";
	case -EXDEV:
		return "leads out of its directory";
	case -EINVAL:
		return "must be a relative path without '..'"; /* or what is to be made below an allowed one */
	default:
		return volume_errno(code);
	}
}

static int bad_source(struct volumes *vs, const struct volume *v, int code, const char *text)
{
	return volume_fail(&vs->err, code, "%s.%s '%.120s': %s", v->field, v->source_field, v->source, text);
}

static int bad_target(struct volumes *vs, const struct volume *v, int code, const char *text)
{
	return volume_fail(&vs->err, code, "%s.container_path '%.120s': %s", v->field, v->target, text);
}

static int is_allowed(const struct volume *v, const char *path)
{
	for (size_t i = 0; v->allowed && v->allowed[i]; i++)
		if (volume_path_is_below(path, v->allowed[i]))
			return 1;
	return !v->allowed;
}

/* Missing directories are made only below what is allowed, and over no link. */
static int make_host(const struct volume *v)
{
	for (size_t i = 0; v->allowed && v->allowed[i]; i++) {
		const char *top = v->allowed[i];
		size_t n = strcmp(top, "/") ? strlen(top) : 0;
		if (!volume_path_is_below(v->source, top) || !v->source[n])
			continue;
		int dir = volume_open_any(AT_FDCWD, top, 0);
		if (dir < 0)
			return dir;
		const char *rest = v->source + n + strspn(v->source + n, "/");
		int fd = volume_open(dir, rest, 0755, geteuid(), getegid());
		close(dir);
		return fd;
	}
	return -ENOENT;
}

static int open_host(struct volumes *vs, const struct volume *v)
{
	int fd = volume_open_any(AT_FDCWD, v->source, 0);
	if (fd == -ENOENT && v->make)
		fd = make_host(v);
	if (fd < 0)
		return bad_source(vs, v, fd, why(fd));
	return fd;
}

/* A directory through no link, but for those on the way to `top`, which are the
 * operator's. */
static int open_dir(const char *path, const char *top, int make_it)
{
	int fd = volume_open_any(AT_FDCWD, path, RESOLVE_NO_SYMLINKS);
	if (fd >= 0 || !top || !volume_path_is_below(path, top) || (fd == -ENOENT && !make_it) ||
	    (fd != -ENOENT && fd != -ELOOP))
		return fd;
	int dir = volume_open_any(AT_FDCWD, top, 0);
	if (dir < 0)
		return dir;
	size_t n = strlen(top);
	const char *rest = path + n + strspn(path + n, "/");
	if (!*rest)
		return dir;
	fd = volume_open(dir, rest, make_it ? 0755 : 0, geteuid(), getegid());
	close(dir);
	return fd;
}

static const char *work_dir(const struct volumes *vs)
{
	const struct mz_isolator_host *k = vs->jobs->h->kind;
	return k->work_dir(vs->jobs->h);
}

static int open_sandbox(const struct volumes *vs, struct stat *ret)
{
	int fd = open_dir(vs->sandbox, work_dir(vs), 0);
	if (fd >= 0 && fstat(fd, ret) < 0) {
		close(fd);
		fd = -ENOENT;
	}
	return fd;
}

static int open_inner(struct volumes *vs, const struct volume *v)
{
	/* What is made belongs to whom the sandbox belongs. */
	struct stat st;
	int sandbox = open_sandbox(vs, &st);
	if (sandbox < 0)
		return bad_source(vs, v, sandbox, "there is no sandbox");
	close(sandbox);
	int base = open_dir(v->base, v->top ? v->top : work_dir(vs), v->make_base);
	if (base < 0)
		return volume_fail(&vs->err, base, "%s.%s '%.80s': cannot open '%.120s': %s", v->field, v->source_field,
				   v->source, v->base, why(base));
	int fd = v->source[0] ? volume_open(base, v->source, v->make ? 0755 : 0, st.st_uid, st.st_gid) :
				volume_open_any(base, ".", RESOLVE_BENEATH);
	close(base);
	if (fd < 0)
		return bad_source(vs, v, fd, why(fd));
	if (v->own && geteuid() == 0 && fchownat(fd, "", st.st_uid, st.st_gid, AT_EMPTY_PATH) < 0) {
		int code = -errno;
		close(fd);
		return bad_source(vs, v, code, volume_errno(code));
	}
	return fd;
}

int volume_find_source(struct volumes *vs, struct volume *v)
{
	struct stat st;
	int rc = 0, fd = v->base ? open_inner(vs, v) : open_host(vs, v);
	if (fd < 0)
		return fd;
	v->real_source = volume_path_of(fd);
	if (!v->real_source || fstat(fd, &st) < 0)
		rc = bad_source(vs, v, -ENOENT, "was removed");
	else if (!v->base && !is_allowed(v, v->real_source))
		rc = bad_source(vs, v, -EACCES, "not below one of the allowed paths");
	else if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode) && !S_ISCHR(st.st_mode) &&
		 !S_ISBLK(st.st_mode) && !S_ISFIFO(st.st_mode))
		rc = bad_source(vs, v, -EINVAL, "cannot be mounted");
	else
		v->is_file = !S_ISDIR(st.st_mode);
	close(fd);
	return rc;
}

/* ---- targets ----------------------------------------------------------------------- */

/* The file or directory to mount on. */
static int make_target(int sandbox, const struct volume *v, uid_t uid, gid_t gid)
{
	if (!v->is_file)
		return volume_open(sandbox, v->target, 0755, uid, gid);
	int fd = volume_open(sandbox, v->target, 0, 0, 0);
	if (fd != -ENOENT)
		return fd;
	const char *slash = strrchr(v->target, '/');
	if (slash && !slash[1])
		return -EISDIR;
	char *parent = slash ? strndup(v->target, (size_t)(slash - v->target)) : strdup(".");
	if (!parent)
		return -ENOMEM;
	int dir = volume_open(sandbox, parent, 0755, uid, gid);
	free(parent);
	if (dir < 0)
		return dir;
	fd = openat(dir, slash ? slash + 1 : v->target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = -errno;
	else if (geteuid() == 0)
		(void)!fchown(fd, uid, gid); /* a file to mount on: it is never seen */
	close(dir);
	return fd;
}

static int find_inner_target(struct volumes *vs, struct volume *v)
{
	struct stat st;
	int sandbox = open_sandbox(vs, &st);
	if (sandbox < 0)
		return bad_target(vs, v, sandbox, "there is no sandbox");
	int fd = make_target(sandbox, v, st.st_uid, st.st_gid);
	close(sandbox);
	return fd < 0 ? bad_target(vs, v, fd, why(fd)) : fd;
}

static int is_forbidden(const char *path)
{
	return !strcmp(path, "/") || volume_path_is_below(path, "/proc") || volume_path_is_below(path, "/sys");
}

/* Where it is to be mounted in a root file system of the container's own. That of the
 * sandbox is there by the same name, and what is in it can be looked at from outside. */
static int find_own_target(struct volumes *vs, struct volume *v)
{
	int is_inner = v->target[0] != '/';
	const char *path = v->target + strspn(v->target, "/");
	if (*path ? !volume_path_is_inner(path) : is_inner)
		return bad_target(vs, v, -EINVAL, is_inner ? why(-EINVAL) : "must be a path without '..'");
	if (is_inner) {
		int fd = find_inner_target(vs, v);
		if (fd < 0)
			return fd;
		close(fd);
	}
	v->real_target = volume_path_join(is_inner ? vs->sandbox : "", path);
	if (!v->real_target)
		return volume_fail(&vs->err, -ENOMEM, "Out of memory");
	v->make_target = !is_inner;
	return is_forbidden(v->real_target) ? bad_target(vs, v, -EACCES, "nothing may be mounted there") : 0;
}

int volume_find_target(struct volumes *vs, struct volume *v)
{
	struct stat st;
	int fd, rc = 0;
	if (vs->own_root)
		return find_own_target(vs, v);
	if (v->target[0] != '/') {
		if (!volume_path_is_inner(v->target))
			return bad_target(vs, v, -EINVAL, why(-EINVAL));
		fd = find_inner_target(vs, v);
	} else {
		fd = volume_open_any(AT_FDCWD, v->target, 0);
		if (fd == -ENOENT)
			return bad_target(vs, v, fd, "must exist on the host, whose file system the container uses");
		if (fd < 0)
			return bad_target(vs, v, fd, why(fd));
	}
	if (fd < 0)
		return fd;
	v->real_target = volume_path_of(fd);
	if (!v->real_target || fstat(fd, &st) < 0)
		rc = bad_target(vs, v, -ENOENT, "was removed");
	else if (S_ISDIR(st.st_mode) == v->is_file)
		rc = bad_target(vs, v, v->is_file ? -EISDIR : -ENOTDIR,
				v->is_file ? "is a directory, what is to be mounted is none" :
					     "is no directory, what is to be mounted is one");
	else if (is_forbidden(v->real_target))
		rc = bad_target(vs, v, -EACCES, "nothing may be mounted there");
	close(fd);
	return rc;
}

/* The directory in the sandbox that a link is in; *ret_name: its name there. */
static int open_link_dir(struct volumes *vs, struct volume *v, const char **ret_name)
{
	struct stat st;
	if (!volume_path_is_inner(v->target))
		return bad_target(vs, v, -EINVAL, "must be a relative path without '..': it becomes a link in the sandbox");
	int dir = open_sandbox(vs, &st);
	if (dir < 0)
		return bad_target(vs, v, dir, "there is no sandbox");
	char *slash = strrchr(v->target, '/');
	*ret_name = slash ? slash + 1 : v->target;
	if (slash) {
		*slash = '\0';
		int parent = volume_open(dir, v->target, v->unlink ? 0 : 0755, st.st_uid, st.st_gid);
		*slash = '/';
		close(dir);
		dir = parent;
	}
	return dir < 0 ? bad_target(vs, v, dir, why(dir)) : dir;
}

/* Once more is fine, if it leads to the same place. */
int volume_make_link(struct volumes *vs, struct volume *v)
{
	char old[4097];
	const char *name;
	int rc = 0, dir = open_link_dir(vs, v, &name);
	if (dir < 0)
		return dir;
	if (!*name) {
		rc = -EINVAL;
	} else if (symlinkat(v->real_source, dir, name) < 0) {
		rc = -errno;
		ssize_t n = readlinkat(dir, name, old, sizeof(old) - 1);
		if (n > 0 && (size_t)n == strlen(v->real_source) && !memcmp(old, v->real_source, (size_t)n))
			rc = 0;
	}
	close(dir);
	return rc < 0 ? bad_target(vs, v, rc, volume_errno(rc)) : 0;
}

/* What is there and is no link is the task's own doing, and stays. */
int volume_take_link(struct volumes *vs, struct volume *v)
{
	char old[2];
	const char *name;
	int dir = open_link_dir(vs, v, &name);
	if (dir < 0)
		return vs->err.code == -ENOENT ? (vs->err.code = 0) : dir;
	int rc = readlinkat(dir, name, old, sizeof(old)) > 0 && unlinkat(dir, name, 0) < 0 ? -errno : 0;
	close(dir);
	return rc < 0 ? bad_target(vs, v, rc, volume_errno(rc)) : 0;
}
