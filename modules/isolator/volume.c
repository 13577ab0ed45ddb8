/* volume.c - see volume.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stddef.h>
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

/* ---- paths ------------------------------------------------------------------------- */

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

static int open_how(int dir, const char *path, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = resolve | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

/* One component: made if it is missing, never a link. */
static int step(int dir, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = open_how(dir, name, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
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
	return at == dir ? open_how(dir, ".", RESOLVE_BENEATH) : at;
}

int volume_open(int dir, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	if (!volume_path_is_inner(path))
		return -EINVAL;
	int fd = open_how(dir, path, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
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
		int dir = open_how(AT_FDCWD, top, 0);
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
	int fd = open_how(AT_FDCWD, v->source, 0);
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
	int fd = open_how(AT_FDCWD, path, RESOLVE_NO_SYMLINKS);
	if (fd >= 0 || !top || !volume_path_is_below(path, top) || (fd == -ENOENT && !make_it) ||
	    (fd != -ENOENT && fd != -ELOOP))
		return fd;
	int dir = open_how(AT_FDCWD, top, 0);
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
				open_how(base, ".", RESOLVE_BENEATH);
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

static int find_source(struct volumes *vs, struct volume *v)
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

/* `path`, without empty components and ".", behind `top`; NULL: out of memory. */
static char *path_join(const char *top, const char *path)
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
	v->real_target = path_join(is_inner ? vs->sandbox : "", path);
	if (!v->real_target)
		return volume_fail(&vs->err, -ENOMEM, "Out of memory");
	v->make_target = !is_inner;
	return is_forbidden(v->real_target) ? bad_target(vs, v, -EACCES, "nothing may be mounted there") : 0;
}

static int find_target(struct volumes *vs, struct volume *v)
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
		fd = open_how(AT_FDCWD, v->target, 0);
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
static int make_link(struct volumes *vs, struct volume *v)
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
static int take_link(struct volumes *vs, struct volume *v)
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

/* ---- jobs -------------------------------------------------------------------------- */

struct volumes *volumes_new(struct volume_jobs *jobs, const char *sandbox)
{
	struct volumes *vs = calloc(1, sizeof(*vs));
	if (!vs)
		return NULL;
	vs->sandbox = strdup(sandbox);
	if (!vs->sandbox) {
		free(vs);
		return NULL;
	}
	vs->jobs = jobs;
	vs->next = jobs->first;
	jobs->first = vs;
	return vs;
}

struct volume *volumes_add(struct volumes *vs, const char *what, size_t i)
{
	struct volume *v = realloc(vs->v, (vs->n + 1) * sizeof(*v));
	if (!v)
		return NULL;
	vs->v = v;
	v += vs->n++;
	memset(v, 0, sizeof(*v));
	snprintf(v->field, sizeof(v->field), "%.50s[%zu]", what, i);
	v->source_field = "source";
	return v;
}

void volumes_free(struct volumes *vs)
{
	if (!vs)
		return;
	struct volumes **at = &vs->jobs->first;
	while (*at && *at != vs)
		at = &(*at)->next;
	if (*at)
		*at = vs->next;
	for (size_t i = 0; i < vs->n; i++) {
		free(vs->v[i].base);
		free(vs->v[i].top);
		free(vs->v[i].source);
		free(vs->v[i].target);
		free(vs->v[i].real_source);
		free(vs->v[i].real_target);
	}
	free(vs->v);
	free(vs->sandbox);
	free(vs);
}

int volumes_work(struct volumes *vs)
{
	int rc = 0;
	for (size_t i = 0; i < vs->n && rc == 0; i++) {
		struct volume *v = &vs->v[i];
		if (!v->source || !v->target)
			return volume_fail(&vs->err, -ENOMEM, "Out of memory");
		rc = v->unlink ? take_link(vs, v) : find_source(vs, v);
		if (rc == 0 && !v->unlink)
			rc = v->link ? make_link(vs, v) : find_target(vs, v);
	}
	return rc;
}

static void work(void *arg)
{
	(void)volumes_work(arg); /* what went wrong is in ->err */
}

/* ---- what programs of the host trust ------------------------------------------------- */

struct guarded {
	struct by_id by;
	char id[];
};

static int guard_add(struct volume_jobs *jobs, const char *id)
{
	size_t size = strlen(id) + 1;
	if (by_id_find(&jobs->guarded, id))
		return 0;
	struct guarded *g = malloc(sizeof(*g) + size);
	if (!g)
		return -ENOMEM;
	memcpy(g->id, id, size);
	if (by_id_add(&jobs->guarded, &g->by, g->id) < 0) {
		free(g);
		return -ENOMEM;
	}
	return 0;
}

void volume_guard_drop(struct volume_jobs *jobs, const char *id)
{
	free(by_id_take(&jobs->guarded, id));
}

static int is_trusted(const char *path)
{
	static const char *const tops[] = {"/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32",
					   "/opt", "/root", "/run", "/sbin", "/usr", "/var"};
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
		if (volume_path_is_below(path, tops[i]))
			return !volume_path_is_below(path, "/var/tmp") && !volume_path_is_below(path, "/dev/shm");
	return 0;
}

/* Sandboxes lie below /var as well. */
static int is_guarded(const struct volumes *vs, const struct volume *v)
{
	return v->tasks && vs->c && v->target[0] == '/' && is_trusted(v->real_target) &&
	       !volume_path_is_below(v->real_target, vs->sandbox);
}

int volume_guard(struct volume_jobs *jobs, const struct mz_container *c, struct mz_launch *l)
{
	const struct mz_isolator_host *k = jobs->h->kind;
	int found = 0;
	if (!jobs->guarded.n || !c->user || !strcmp(c->user, "root"))
		return 0;
	char *id = strdup(c->id);
	if (!id)
		return -ENOMEM;
	for (char *dot = id; dot && !found; dot = strrchr(id, '.')) {
		if (dot != id)
			*dot = '\0';
		found = by_id_find(&jobs->guarded, id) != NULL;
	}
	free(id);
	return found ? k->launch_no_new_privs(l) : 0;
}

/* Where exactly its volumes were mounted is not known any more: rather too many. */
int volume_guard_recover(struct volume_jobs *jobs, const struct mz_container *c)
{
	const struct mz_isolator_host *k = jobs->h->kind;
	struct mz_res_volume disk;
	int found = 0;
	for (size_t i = 0; c->container && i < k->info->count(c->container, "volumes"); i++) {
		char path[64];
		snprintf(path, sizeof(path), "volumes.%zu.container_path", i);
		const char *target = k->info->str(c->container, path);
		found |= target && target[0] == '/' && !volume_path_is_below(target, "/tmp");
	}
	for (size_t i = 0; c->resources && i < k->resources->count(c->resources); i++)
		found |= k->resources->volume(c->resources, i, &disk) == 0 && disk.container_path[0] == '/';
	return found ? guard_add(jobs, c->id) : 0;
}

/* ---- what is asked for --------------------------------------------------------------- */

static int ask(struct volumes *vs)
{
	const struct mz_isolator_host *k = vs->jobs->h->kind;
	int guarded = 0;
	for (size_t i = 0; i < vs->n; i++) {
		const struct volume *v = &vs->v[i];
		if (v->link || v->unlink)
			continue;
		const struct mz_mount m = {
			.size = sizeof(m),
			.flags = v->flags,
			.source = v->real_source,
			.target = v->real_target,
			.target_is_file = v->is_file,
			.recursive = v->recursive,
			.no_symlinks = 1,
			.make_target = v->make_target,
		};
		int rc = k->launch_mount(vs->l, &m);
		if (rc < 0)
			return volume_fail(&vs->err, rc, "%s: the mount cannot be asked for: %s", v->field, volume_errno(rc));
		guarded |= is_guarded(vs, v);
	}
	int rc = guarded ? guard_add(vs->jobs, vs->c->id) : 0;
	if (rc == 0 && guarded)
		rc = volume_guard(vs->jobs, vs->c, vs->l);
	if (rc < 0)
		return volume_fail(&vs->err, rc, "no_new_privs cannot be asked for: %s", volume_errno(rc));
	return vs->jobs->more ? vs->jobs->more(vs, &vs->err) : 0;
}

static void on_worked(void *arg)
{
	struct volumes *vs = arg;
	const struct mz_host *h = vs->jobs->h;
	if (!vs->err.code)
		(void)ask(vs);
	h->op_done(vs->op, vs->err.code ? &vs->err : NULL, NULL);
	volumes_free(vs);
}

void volumes_prepare(struct volumes *vs, struct mz_launch *l, struct mz_op *op)
{
	const struct mz_host *h = vs->jobs->h;
	const struct mz_isolator_host *k = h->kind;
	vs->l = l;
	vs->op = op;
	/* Without `l` it is no launch, but a change of links while the container runs. */
	vs->own_root = l && k->size > offsetof(struct mz_isolator_host, launch_has_rootfs) && k->launch_has_rootfs &&
		       k->launch_has_rootfs(l);
	if (vs->n == 0) {
		on_worked(vs);
	} else if (h->offload(h, work, on_worked, vs) < 0) {
		volume_fail(&vs->err, -EAGAIN, "The agent has too much work waiting to look at volumes");
		on_worked(vs);
	}
}

/* The host has waited for running work; its done() will not be called. */
void volume_jobs_done(struct volume_jobs *jobs)
{
	while (jobs->first)
		volumes_free(jobs->first);
	for (struct by_id *g = by_id_empty(&jobs->guarded), *next; g; g = next) {
		next = g->next;
		free(g);
	}
}
