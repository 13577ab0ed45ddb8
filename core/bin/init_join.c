/* init_join.c - mezzo-init: the cgroups that the first process of a container is to be in:
 * those that isolators have named, our own, and those of a container that it is nested in.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bin/init.h"

enum { MAX_PATH = 4096, MAX_JOINED = 64 };

static int path_add(char *path, size_t *len, const char *s, size_t n)
{
	if (*len + n >= MAX_PATH) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(path + *len, s, n);
	*len += n;
	path[*len] = '\0';
	return 0;
}

static int is_v2(int dir)
{
	return faccessat(dir, "cgroup.controllers", F_OK, 0) == 0;
}

static int is_below(const char *path, const char *group)
{
	size_t n = strlen(group);
	return !strncmp(path, group, n) && (path[n] == '/' || !path[n]);
}

/* A folder for processes in our own cgroup: what is nested in us may have it for
 * groups with controllers. */
static int open_self(int own, const struct init_launch *l, struct init_failure *f)
{
	int self = -1;
	if (mkdirat(own, "self", 0755) == 0 || errno == EEXIST)
		self = openat(own, "self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self < 0)
		init_broken(f, "make a cgroup in", l->group);
	close(own);
	return self;
}

/* The v2 cgroup to be made in, or -1; *f on failure. Where we kill by v2, who shares
 * the cgroup of another is below it, but not in it: else we could not tell whom to kill. */
int join_open_v2(const struct init_launch *l, struct init_failure *f)
{
	size_t at = 0;
	const char *s;
	int own = open(l->group, O_RDONLY | O_DIRECTORY | O_CLOEXEC), shares = 0;
	if (own >= 0 && !is_v2(own)) {
		close(own);
		own = -1;
	}
	int kills = own >= 0;
	while ((s = init_next(l, &at, "C", NULL))) {
		int dir = open(s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0) {
			init_broken(f, "enter the cgroup", s);
			return -1;
		}
		int fits = is_v2(dir), others = kills && !is_below(s, l->group);
		shares |= fits && others;
		if (fits && !others) {
			if (own >= 0)
				close(own);
			own = dir;
		} else {
			close(dir);
		}
	}
	return shares ? open_self(own, l, f) : own;
}

/* The v1 groups that the first process enters, by itself, before anything else: who
 * moves another process, or more than a thread, waits until nobody on the machine
 * is within a fork, which takes the kernel several ms. Opened by us: that is whose
 * rights count. */
static struct {
	int fd;
	const char *name;
} joined[MAX_JOINED];
static size_t n_joined;

static int join(const char *dir, const char *name, struct init_failure *f)
{
	char path[MAX_PATH];
	size_t len = 0;
	errno = E2BIG;
	if (n_joined == MAX_JOINED || path_add(path, &len, dir, strlen(dir)) < 0 || path_add(path, &len, "/tasks", 6) < 0)
		return init_broken(f, "enter the cgroup", name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return init_broken(f, "enter the cgroup", name);
	joined[n_joined].fd = fd;
	joined[n_joined++].name = name;
	return 0;
}

int join_enter(struct init_failure *f)
{
	for (size_t i = 0; i < n_joined; i++) {
		if (write(joined[i].fd, "0", 1) != 1)
			return init_broken(f, "enter the cgroup", joined[i].name);
		close(joined[i].fd);
	}
	return 0;
}

/* Is `dir` in the hierarchy of one that an isolator has named, or of the freezer? */
static int is_named(const struct init_launch *l, const char *dir, size_t mount_len)
{
	size_t at = 0;
	const char *s;
	while ((s = init_next(l, &at, "CK", NULL)))
		if (!strncmp(s, dir, mount_len) && s[mount_len] == '/')
			return 1;
	return 0;
}

/* One line of the parent's /proc/PID/cgroup, "N:controllers:/path". */
static int join_line(const struct init_launch *l, const char *line, const char *root, size_t n_root, const char *mount,
		     struct init_failure *f)
{
	const char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
	char dir[MAX_PATH];
	if (!path || path == names + 1 || !strncmp(names, ":name=", 6))
		return 0; /* v2: our own group is below the parent's already */
	names++;
	path++;
	if (strncmp(path + 1, root, n_root) || path[n_root + 1] != '/')
		return 0; /* not of our making */
	for (int first = 0; first < 2; first++) {
		/* "cpu,cpuacct" is mounted under this name, or linked under each. */
		size_t len = 0, n = first ? strcspn(names, ",:") : strcspn(names, ":"), mounted;
		if (path_add(dir, &len, mount, strlen(mount)) < 0 || path_add(dir, &len, "/", 1) < 0 ||
		    path_add(dir, &len, names, n) < 0)
			return init_broken(f, "enter the parent's cgroup", NULL);
		mounted = len;
		if (access(dir, F_OK) < 0)
			continue;
		if (is_named(l, dir, mounted))
			return 0;
		if (path_add(dir, &len, path, strlen(path)) < 0)
			return init_broken(f, "enter the parent's cgroup", NULL);
		return join(dir, "of the parent", f);
	}
	return 0;
}

/* What the record p says, and the lines of its /proc/PID/cgroup. */
struct parent {
	const char *root, *mount; /* root: not NUL-ended */
	size_t n_root;
	char *list;
};

static int read_parent(const struct init_launch *l, struct parent *p, struct init_failure *f)
{
	static char list[65536]; /* a path in each hierarchy, of as many levels as there may be */
	struct text t;
	uint64_t pid;
	const char *s = l->parent_groups;
	errno = EINVAL;
	if (text_number(&s, 10, &pid) < 0)
		return init_broken(f, "find the parent's cgroups", NULL);
	*p = (struct parent){.root = s, .n_root = strcspn(s, " "), .list = list};
	if (s[p->n_root] != ' ')
		return init_broken(f, "find the parent's cgroups", NULL);
	p->mount = s + p->n_root + 1;
	init_proc_path(&t, (pid_t)pid, "cgroup");
	int fd = open(t.data, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, list, sizeof(list) - 1);
	if (fd >= 0)
		close(fd);
	if (n == sizeof(list) - 1) {
		errno = E2BIG; /* rather than to be in but some of them */
		n = -1;
	}
	if (n < 0)
		return init_broken(f, "find the parent's cgroups", NULL);
	list[n] = '\0';
	return 0;
}

static int join_parents(const struct init_launch *l, struct init_failure *f)
{
	struct parent p;
	if (read_parent(l, &p, f) < 0)
		return -1;
	for (char *line = p.list, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (join_line(l, line, p.root, p.n_root, p.mount, f) < 0)
			return -1;
	}
	return 0;
}

/* The parent may have ended, and its number be somebody's else by now. Our group is
 * PARENT/mezzo/ID: whoever is in PARENT or below is in the parent. */
int join_check_parent(const struct init_launch *l, struct init_failure *f)
{
	struct parent p;
	char group[MAX_PATH];
	size_t len = 0, n;
	const char *from = l->group, *to = NULL, *s;
	if (!l->parent_groups)
		return 0;
	if (read_parent(l, &p, f) < 0)
		return -1;
	n = strlen(p.mount);
	from += strncmp(from, p.mount, n) ? 0 : n;
	for (s = from; (s = strstr(s, "/mezzo/")); s++)
		to = s;
	/* From the root on: what is above it may be called otherwise there. */
	while (to && from && from < to && (strncmp(from + 1, p.root, p.n_root) || from[p.n_root + 1] != '/'))
		from = strchr(from + 1, '/');
	errno = EINVAL;
	if (!to || !from || from >= to || path_add(group, &len, from, (size_t)(to - from)) < 0)
		return init_broken(f, "find the parent's cgroup", l->group);
	for (s = p.list; (s = strstr(s, group)); s++)
		if (s[len] == '/' || s[len] == '\n')
			return 0;
	errno = ESRCH;
	return init_broken(f, "enter the parent: it has ended", NULL);
}

int join_all(const struct init_launch *l, struct init_failure *f)
{
	size_t at = 0;
	const char *s;
	while ((s = init_next(l, &at, "CK", NULL))) {
		int dir = open(s, O_PATH | O_DIRECTORY | O_CLOEXEC), v2 = dir >= 0 && is_v2(dir);
		if (dir >= 0)
			close(dir);
		if (!v2 && join(s, s, f) < 0)
			return -1;
	}
	return l->parent_groups ? join_parents(l, f) : 0;
}
