/* rootfs.c - see rootfs.h.
 *
 * A listed path is mounted where it really is; where its name leads over links, such as
 * /bin to usr/bin, a link to that place is made of the name.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "rootfs.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { MAX_PATHS = 256, GUARDED = MS_NOSUID | MS_NODEV };

/* What containers have of their own. */
static const char *const own[] = {"/proc", "/sys", "/dev", "/tmp"};

/* ---- the setting ------------------------------------------------------------------- */

static int is_either_below(const char *a, const char *b)
{
	return volume_path_is_below(a, b) || volume_path_is_below(b, a);
}

static int bad(struct mz_err *err, int code, const char *name, const char *path, const char *why)
{
	return volume_fail(err, code, "Setting '%s': '%.150s' %s", name, path, why);
}

static struct rootfs_path *add(struct rootfs *r, const char *path)
{
	struct rootfs_path *more = realloc(r->v, (r->n + 1) * sizeof(*more));
	if (!more)
		return NULL;
	r->v = more;
	more += r->n;
	*more = (struct rootfs_path){.path = volume_path_join("", path)};
	if (!more->path)
		return NULL;
	r->n++;
	return more;
}

/* Neither the other containers' sandboxes nor what the agent keeps of them. */
static int check_agents(const struct rootfs *r, const struct rootfs_path *p, const char *what, struct mz_err *err)
{
	const struct mz_isolator_host *k = r->h->kind;
	const char *const dirs[] = {k->work_dir(r->h), k->runtime_dir(r->h)};
	static const char *const names[] = {"work directory", "runtime directory"};
	for (size_t i = 0; i < 2; i++) {
		char *real = realpath(dirs[i], NULL);
		const char *dir = real ? real : dirs[i];
		int shows = p->is_executors ? volume_path_is_below(dir, p->real) : is_either_below(dir, p->real);
		if (shows)
			volume_fail(err, -EINVAL, "%s: '%.120s' would show containers the agent's %s '%.80s'%s", what, p->path,
				    names[i], dir, p->is_executors ? ", and executors need it: they have to be apart" : "");
		free(real);
		if (shows)
			return -EINVAL;
	}
	return 0;
}

static int look_at(const struct rootfs *r, struct rootfs_path *p, const char *name, struct mz_err *err)
{
	char what[100];
	struct stat st;
	p->real = realpath(p->path, NULL);
	if (!p->real || stat(p->real, &st) < 0)
		return volume_fail(err, -errno, "Setting '%s': '%.150s': %s", name, p->path, volume_errno(errno));
	if (!strcmp(p->real, "/"))
		return bad(err, -EINVAL, name, p->path, "is / itself: leave the list empty to share all of it");
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (volume_path_is_below(p->path, own[i]) || volume_path_is_below(p->real, own[i])) {
			snprintf(what, sizeof(what), "is in %s, of which containers have one of their own", own[i]);
			return bad(err, -EINVAL, name, p->path, what);
		}
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return bad(err, -EINVAL, name, p->path, "is neither a directory nor a file");
	p->is_file = !S_ISDIR(st.st_mode);
	snprintf(what, sizeof(what), "Setting '%.80s'", name);
	return check_agents(r, p, what, err);
}

static int read_listed(struct rootfs *r, const struct mz_conf *conf, const char *name, struct mz_err *err)
{
	const char *path;
	int rc = 0;
	for (size_t i = 0; rc == 0 && (path = r->h->conf_item(conf, name, i)); i++) {
		const char *inner = path + strspn(path, "/");
		if (path[0] != '/')
			return bad(err, -EINVAL, name, path, "is not an absolute path");
		if (*inner && !volume_path_is_inner(inner))
			return bad(err, -EINVAL, name, path, "has a '..' in it");
		if (strlen(path) >= PATH_MAX)
			return bad(err, -ENAMETOOLONG, name, path, "is too long");
		if (i == MAX_PATHS)
			return volume_fail(err, -E2BIG, "Setting '%s': the most are %d paths", name, MAX_PATHS);
		struct rootfs_path *p = add(r, path);
		rc = p ? look_at(r, p, name, err) : volume_fail(err, -ENOMEM, "Out of memory");
	}
	return rc;
}

/* Does a listed directory show it as well? */
static int is_listed(const struct rootfs *r, const char *real)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->v[i].is_executors && !r->v[i].is_file && volume_path_is_below(real, r->v[i].real))
			return 1;
	return 0;
}

/* Some are made when the agent has started: those have their real names. */
static int add_executors(struct rootfs *r, struct mz_err *err)
{
	const struct mz_isolator_host *k = r->h->kind;
	const char *path;
	if (k->size <= offsetof(struct mz_isolator_host, executor_path) || !k->executor_path)
		return 0;
	for (size_t i = 0; (path = k->executor_path(r->h, i)); i++) {
		struct rootfs_path *p = add(r, path);
		if (!p)
			return volume_fail(err, -ENOMEM, "Out of memory");
		p->is_executors = 1;
		p->real = realpath(p->path, NULL);
		if (!p->real)
			p->real = strdup(p->path);
		if (!p->real)
			return volume_fail(err, -ENOMEM, "Out of memory");
		int rc = check_agents(r, p, "A root file system of their own", err);
		/* Sockets of others, and what not. */
		if (rc == 0 && !strchr(p->real + 1, '/') && !is_listed(r, p->real))
			rc = volume_fail(err, -EINVAL,
					 "A root file system of their own: '%.150s' would show containers too much, and executors "
					 "need it: what they need has to be in a directory of its own",
					 p->path);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Mounts take along what is below them. */
static void find_parts(struct rootfs *r)
{
	for (size_t i = 0; i < r->n; i++)
		for (size_t j = 0; j < r->n && !r->v[i].is_part; j++) {
			int same = !strcmp(r->v[i].real, r->v[j].real);
			r->v[i].is_part = i != j && !r->v[j].is_file && volume_path_is_below(r->v[i].real, r->v[j].real) &&
					  (!same || j < i);
		}
}

int rootfs_init(struct rootfs *r, const struct mz_host *h, const struct mz_conf *conf, const char *name,
		struct mz_err *err)
{
	*r = (struct rootfs){.h = h};
	int rc = read_listed(r, conf, name, err);
	if (rc == 0 && r->n)
		rc = add_executors(r, err);
	if (rc == 0)
		find_parts(r);
	return rc;
}

void rootfs_done(struct rootfs *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].path);
		free(r->v[i].real);
	}
	free(r->v);
	*r = (struct rootfs){0};
}

/* ---- the launch -------------------------------------------------------------------- */

struct asking {
	const struct rootfs *r;
	const struct mz_isolator_host *k;
	struct mz_launch *l;
	int rc; /* of the first that was refused */
	const char *refused;
};

static void answer(struct asking *a, int rc, const char *what)
{
	if (a->rc == 0 && rc < 0) {
		a->rc = rc;
		a->refused = what;
	}
}

static void mount_new(struct asking *a, const char *type, const char *target, uint32_t flags, const char *options)
{
	const struct mz_mount m = {
		.size = sizeof(m), .flags = flags, .source = type, .target = target, .type = type, .options = options};
	answer(a, a->k->launch_mount(a->l, &m), target);
}

static void make(struct asking *a, const char *path, uint32_t mode, const char *content)
{
	answer(a, a->k->launch_file(a->l, path, mode, (struct mz_bytes){content, strlen(content)}), path);
}

/* What was looked at when the agent started; who has put a link into its place since then
 * makes the launch fail. */
static void mount_paths(struct asking *a, int executors)
{
	for (size_t i = 0; i < a->r->n; i++) {
		const struct rootfs_path *p = &a->r->v[i];
		if (p->is_executors != executors || p->is_part)
			continue;
		const struct mz_mount m = {
			.size = sizeof(m),
			.flags = MS_RDONLY | GUARDED,
			.source = p->real,
			.target = p->real,
			.target_is_file = p->is_file,
			.recursive = 1,
			.no_symlinks = 1,
			.make_target = 1,
		};
		answer(a, a->k->launch_mount(a->l, &m), p->real);
	}
}

/* Is the name seen because another one is? */
static int is_shown(const struct rootfs *r, const struct rootfs_path *p)
{
	for (size_t i = 0; i < r->n; i++)
		if (&r->v[i] != p && volume_path_is_below(p->path, r->v[i].path) &&
		    (strcmp(p->path, r->v[i].path) || &r->v[i] < p))
			return 1;
	return 0;
}

static void make_links(struct asking *a)
{
	for (size_t i = 0; i < a->r->n; i++) {
		const struct rootfs_path *p = &a->r->v[i];
		if (strcmp(p->path, p->real) && !is_shown(a->r, p))
			make(a, p->path, S_IFLNK | 0777, p->real);
	}
	for (size_t i = 0; i < a->r->n; i++)
		if (is_either_below(a->r->v[i].real, "/var/tmp") || is_either_below(a->r->v[i].path, "/var/tmp"))
			return;
	make(a, "/var/tmp", S_IFLNK | 0777, "/tmp");
}

static void make_devices(struct asking *a)
{
	static const struct {
		const char *path;
		uint32_t dev_major, dev_minor;
	} nodes[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
		     {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
	static const char *const links[][2] = {{"/dev/fd", "/proc/self/fd"},	   {"/dev/stdin", "/proc/self/fd/0"},
					       {"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"},
					       {"/dev/ptmx", "pts/ptmx"}};
	mount_new(a, "tmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64m");
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		answer(a, a->k->launch_device(a->l, nodes[i].path, S_IFCHR | 0666, nodes[i].dev_major, nodes[i].dev_minor),
		       nodes[i].path);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		make(a, links[i][0], S_IFLNK | 0777, links[i][1]);
	mount_new(a, "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
	make(a, "/dev/shm", S_IFDIR | 01777, "");
}

/* Of what is below /sys nothing comes along, such as cgroups. */
static void mount_kernels(struct asking *a)
{
	static const struct mz_mount sys = {.size = sizeof(sys),
					    .flags = MS_RDONLY | GUARDED | MS_NOEXEC,
					    .source = "/sys",
					    .target = "/sys"};
	mount_new(a, "proc", "/proc", GUARDED | MS_NOEXEC, NULL);
	answer(a, a->k->launch_mount(a->l, &sys), "/sys");
}

int rootfs_ask(const struct rootfs *r, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	struct asking a = {.r = r, .k = r->h->kind, .l = l};
	const struct mz_mount sandbox = {.size = sizeof(sandbox), .flags = GUARDED, .source = c->sandbox, .target = c->sandbox};
	char tmp[64];
	snprintf(tmp, sizeof(tmp), "mode=1777,size=%lld", (long long)r->tmp_bytes);
	answer(&a, a.k->launch_rootfs(l, "tmpfs"), "a root file system of its own");
	mount_paths(&a, 0);
	make_links(&a);
	make_devices(&a);
	mount_kernels(&a);
	mount_new(&a, "tmpfs", "/tmp", GUARDED, tmp);
	/* Either may be below /tmp. */
	mount_paths(&a, 1);
	if (c->sandbox)
		answer(&a, a.k->launch_mount(l, &sandbox), c->sandbox);
	if (c->sandbox && !c->directory)
		answer(&a, a.k->launch_work_dir(l, c->sandbox), "the sandbox as working directory");
	answer(&a, a.k->launch_read_only(l, "/"), "a root that is read-only");
	return a.rc < 0 ? volume_fail(err, a.rc, "The launch does not take %.100s: %s", a.refused, volume_errno(a.rc)) : 0;
}
