/* init_fs.c - mezzo-init: the file system of a container. Sources are opened while we
 * are still outside, as detached mounts; targets are looked up with the container's
 * root as the border, so that no link in an image leads out of it.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bin/init.h"

/* What exact of a mount says. */
enum { ANYHOW = 0, EXACT = 1, EXACT_MADE = 2 };
enum { MAX_BINDS = 1024, MAX_PATH = 4096, SECURE = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC };
enum { PROPAGATION = MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE };

/* Written before the first process is made, read in it. */
static int root_tree = -1, console_tree = -1, binds[MAX_BINDS];

struct step {
	uint64_t flags, recursive, is_file, exact;
	const char *target, *source, *type, *options;
};

/* The mount whose record's text is `s`, with those that belong to it, from `at` on. */
static int read_mount(const struct init_launch *l, const char *s, size_t at, struct step *m)
{
	*m = (struct step){0};
	if (text_number(&s, 10, &m->flags) < 0 || text_number(&s, 10, &m->recursive) < 0 ||
	    text_number(&s, 10, &m->is_file) < 0 || text_number(&s, 10, &m->exact) < 0)
		return -1;
	m->target = s;
	for (; at < l->size; at += strlen(l->data + at) + 1) {
		const char *r = l->data + at;
		if (r[0] == 's')
			m->source = r + 1;
		else if (r[0] == 't')
			m->type = r + 1;
		else if (r[0] == 'o')
			m->options = r + 1;
		else
			break;
	}
	return 0;
}

static int is_bind(const struct step *m)
{
	return !m->type && m->source && !(m->flags & MS_REMOUNT);
}

static int clone_tree(int dir, const char *path, unsigned more)
{
	return open_tree(dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | more);
}

/* What is to be mounted; exact: by no symbolic link, which somebody could have put
 * there since the path was looked at. */
static int open_source(const struct step *m)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	unsigned more = m->recursive ? AT_RECURSIVE : 0;
	if (!m->exact)
		return clone_tree(AT_FDCWD, m->source, more);
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, m->source, &how, sizeof(how));
	int tree = fd < 0 ? -1 : clone_tree(fd, "", AT_EMPTY_PATH | more), error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return tree;
}

/* more: of RESOLVE_*. */
static int in_root_by(int root, const char *path, uint64_t flags, mode_t mode, uint64_t more)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC, .mode = mode, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | more};
	return (int)syscall(SYS_openat2, root, path[0] ? path : "/", &how, sizeof(how));
}

static int in_root(int root, const char *path, uint64_t flags, mode_t mode)
{
	return in_root_by(root, path, flags, mode, 0);
}

/* The folder that `path` is in, made with all above it if it is missing; *ret_name
 * is what comes behind. */
static int make_folder(int root, const char *path, const char **ret_name, uint64_t more)
{
	char sofar[MAX_PATH];
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= sizeof(sofar)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	size_t last = len;
	while (last > 0 && path[last - 1] != '/')
		last--;
	memcpy(sofar, path, last);
	sofar[last] = '\0';
	*ret_name = path + last;
	int dir = in_root_by(root, sofar, O_PATH | O_DIRECTORY, 0, more);
	if (dir >= 0 || errno != ENOENT)
		return dir;
	dir = in_root_by(root, "/", O_PATH | O_DIRECTORY, 0, more);
	for (size_t i = 0, from = 0; i < last && dir >= 0; i++) {
		if (path[i] != '/')
			continue;
		if (i == from) {
			from = i + 1;
			continue;
		}
		memcpy(sofar, path, i);
		sofar[i] = '\0';
		int next = in_root_by(root, sofar, O_PATH | O_DIRECTORY, 0, more);
		if (next < 0 && errno == ENOENT) {
			if (mkdirat(dir, sofar + from, 0755) == 0)
				next = in_root_by(root, sofar, O_PATH | O_DIRECTORY, 0, more);
		}
		close(dir);
		dir = next;
		from = i + 1;
	}
	return dir;
}

/* A file or folder to mount on. */
static int make_target(int root, const char *path, int is_file, uint64_t more)
{
	const char *name;
	int fd = in_root_by(root, path, O_PATH, 0, more);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	int dir = make_folder(root, path, &name, more);
	if (dir < 0)
		return -1;
	if (is_file) {
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (fd >= 0)
			close(fd);
	} else {
		char plain[256];
		size_t n = strcspn(name, "/");
		fd = -1;
		errno = ENAMETOOLONG;
		if (n < sizeof(plain)) {
			memcpy(plain, name, n);
			plain[n] = '\0';
			fd = mkdirat(dir, plain, 0755);
		}
	}
	close(dir);
	return fd < 0 ? -1 : in_root_by(root, path, O_PATH, 0, more);
}

/* Where `m` is to be mounted: exact targets are there, others are made. */
static int open_target(const struct step *m, int root)
{
	if (m->exact == EXACT)
		return in_root_by(root, m->target, O_PATH, 0, RESOLVE_NO_SYMLINKS);
	return make_target(root, m->target, m->is_file != 0, m->exact ? RESOLVE_NO_SYMLINKS : 0);
}

/* A directory, or a symbolic link; once more is fine. */
static int make_other(int root, const char *path, mode_t mode, const char *content)
{
	char to[MAX_PATH] = "", old[MAX_PATH];
	const char *name;
	ssize_t n = init_unhex(&content, to, sizeof(to) - 1), n_old;
	errno = EINVAL;
	int dir = n < 0 || *content ? -1 : make_folder(root, path, &name, 0), rc;
	if (dir < 0)
		return -1;
	if (S_ISDIR(mode)) {
		rc = mkdirat(dir, name, mode & 07777);
		if (rc == 0) /* without the umask */
			rc = fchmodat(dir, name, mode & 07777, 0);
	} else {
		rc = symlinkat(to, dir, name);
	}
	if (rc < 0 && errno == EEXIST) {
		n_old = S_ISDIR(mode) ? n : readlinkat(dir, name, old, sizeof(old));
		rc = n_old == n && (S_ISDIR(mode) || !memcmp(old, to, (size_t)n)) ? 0 : -1;
		errno = EEXIST;
	}
	int code = errno;
	close(dir);
	errno = code;
	return rc;
}

/* The file f, if it is no regular one; 0: it is. -1 as well on failure. */
static int make_if_other(const struct init_launch *l, const char *s, size_t at, int root)
{
	uint64_t mode;
	const char *content = at < l->size && l->data[at] == 'c' ? l->data + at + 1 : "";
	errno = EINVAL;
	if (text_number(&s, 8, &mode) < 0)
		return -1;
	if (!S_ISDIR(mode) && !S_ISLNK(mode))
		return 0;
	return make_other(root, s, (mode_t)mode, content) < 0 ? -1 : 1;
}

/* Who is root in a user namespace only may not write to an image that is ours: what
 * can be made from outside is made now. The rest fails when it is needed. */
static void make_targets(const struct init_launch *l)
{
	size_t at = 0;
	const char *s;
	struct step m;
	char key;
	while ((s = init_next(l, &at, "Vf", &key))) {
		if (key == 'f') {
			(void)make_if_other(l, s, at, root_tree);
		} else if (read_mount(l, s, at, &m) == 0 && m.exact != EXACT) {
			int fd = open_target(&m, root_tree);
			if (fd >= 0)
				close(fd);
		}
	}
}

/* Nobody else ever sees it: it is mounted where it is needed, and gone with that. */
static int make_memory(const char *mode, const char *size)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), fd = -1;
	if (fs >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "mode", mode, 0) == 0 &&
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) == 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	int code = errno;
	if (fs >= 0)
		close(fs);
	errno = code;
	return fd;
}

int fs_open(const struct init_launch *l, struct init_failure *f)
{
	size_t at = 0, n = 0;
	const char *s;
	if (l->rootfs) {
		root_tree = strcmp(l->rootfs, "tmpfs") ? clone_tree(AT_FDCWD, l->rootfs, AT_RECURSIVE) : make_memory("0755", "1m");
		if (root_tree < 0)
			return init_broken(f, "open the root file system", l->rootfs);
	}
	if (l->rootfs && (l->io_flags & INIT_IO_TTY)) {
		console_tree = clone_tree(l->fd_in, "", AT_EMPTY_PATH);
		if (console_tree < 0)
			return init_broken(f, "name the terminal", NULL);
	}
	if (l->rootfs && (l->namespaces & CLONE_NEWUSER))
		make_targets(l);
	while ((s = init_next(l, &at, "V", NULL))) {
		struct step m;
		errno = E2BIG;
		if (n == MAX_BINDS || read_mount(l, s, at, &m) < 0)
			return init_broken(f, "mount", s);
		binds[n] = -1;
		if (is_bind(&m)) {
			binds[n] = open_source(&m);
			if (binds[n] < 0)
				return init_broken(f, "open what is to be mounted", m.source);
		}
		n++;
	}
	return 0;
}

/* A path for system calls that know no descriptors. Of a directory, where we are: the /proc
 * of a container that we are nested in may be of a pid namespace that has not got us. */
static const char *path_of(int fd, struct text *t)
{
	if (fchdir(fd) == 0)
		return ".";
	t->len = 0;
	text_add(t, "/proc/self/fd/");
	text_int(t, fd);
	t->data[t->len] = '\0';
	return t->data;
}

static int attach(int tree, int target, uint64_t flags, int recursive)
{
	struct mount_attr attr = {.attr_set = flags & SECURE, .propagation = MS_PRIVATE};
	if (flags & PROPAGATION)
		attr.propagation = flags & PROPAGATION;
	if (mount_setattr(tree, "", AT_EMPTY_PATH | (unsigned)(recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) < 0)
		return -1;
	return move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* A new /proc is refused in a user namespace that has not made its pid namespace: then it is
 * the one that there is. Where the pid namespace is new that would show another. */
static int mount_other_proc(const struct init_launch *l, const struct step *m, int target)
{
	errno = EPERM;
	if (!m->type || strcmp(m->type, "proc") || (l->namespaces & CLONE_NEWPID))
		return -1;
	int tree = clone_tree(AT_FDCWD, "/proc", AT_RECURSIVE), rc = tree < 0 ? -1 : attach(tree, target, m->flags, 1);
	int code = errno;
	if (tree >= 0)
		close(tree);
	errno = code;
	return rc;
}

static int mount_one(const struct init_launch *l, const struct step *m, int root, int tree, struct init_failure *f)
{
	struct text t;
	int rc, target = open_target(m, root);
	if (target < 0)
		return init_broken(f, m->exact == EXACT ? "open the mount point" : "make the mount point", m->target);
	if (tree >= 0)
		rc = attach(tree, target, m->flags, m->recursive != 0);
	else
		rc = mount(m->source ? m->source : m->type, path_of(target, &t), m->type, m->flags, m->options);
	if (rc < 0 && errno == EPERM)
		rc = mount_other_proc(l, m, target);
	if (rc < 0)
		return init_broken(f, "mount", m->target);
	close(target);
	if (tree >= 0)
		close(tree);
	return 0;
}

/* Of the file system that we still are in; whatever else has this name is not bound. */
static int clone_device(const char *path, mode_t type, dev_t dev)
{
	struct stat st;
	int tree = clone_tree(AT_FDCWD, path, 0);
	if (tree < 0 || (fstat(tree, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_rdev == dev))
		return tree;
	close(tree);
	errno = ENODEV;
	return -1;
}

static int make_device(const char *s, int root, struct init_failure *f)
{
	uint64_t mode, major, minor;
	const char *name, *path;
	errno = EINVAL;
	if (text_number(&s, 8, &mode) < 0 || text_number(&s, 10, &major) < 0 || text_number(&s, 10, &minor) < 0)
		return init_broken(f, "make a device", NULL);
	path = s;
	if (!(mode & S_IFMT))
		mode |= S_IFCHR;
	int dir = make_folder(root, path, &name, 0);
	if (dir < 0)
		return init_broken(f, "make the folder of the device", path);
	mode_t before = umask(0);
	int rc = mknodat(dir, name, (mode_t)mode, makedev((unsigned)major, (unsigned)minor));
	umask(before);
	struct stat st;
	if (rc < 0 && errno == EEXIST && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_rdev == makedev((unsigned)major, (unsigned)minor) && (st.st_mode & S_IFMT) == (mode & S_IFMT))
		rc = 0;
	if (rc < 0 && errno == EPERM) {
		/* In a user namespace: the host's, in its place. */
		int target = make_target(root, path, 1, 0);
		int tree = clone_device(path, (mode_t)mode & S_IFMT, makedev((unsigned)major, (unsigned)minor));
		rc = target < 0 || tree < 0 ? -1 : attach(tree, target, 0, 0);
	}
	close(dir);
	return rc < 0 ? init_broken(f, "make the device", path) : 0;
}

static int write_file(const struct init_launch *l, const char *s, size_t at, int root, struct init_failure *f)
{
	uint64_t mode;
	const char *name, *content = "";
	char data[1024];
	ssize_t n;
	int other = make_if_other(l, s, at, root);
	if (other)
		return other < 0 ? init_broken(f, "make", strchr(s, '/')) : 0;
	errno = EINVAL;
	if (text_number(&s, 8, &mode) < 0)
		return init_broken(f, "write a file", NULL);
	if (at < l->size && l->data[at] == 'c')
		content = l->data + at + 1;
	int dir = make_folder(root, s, &name, 0);
	struct stat st;
	int fd = dir < 0 ? -1 : in_root(root, s, O_WRONLY | O_CREAT | O_NONBLOCK, (mode_t)mode & 07777);
	if (fd < 0 || fstat(fd, &st) < 0)
		return init_broken(f, "write the file", s);
	/* A device of the image is not written to with our rights. */
	errno = EINVAL;
	if (!S_ISREG(st.st_mode) || ftruncate(fd, 0) < 0 || fchmod(fd, (mode_t)mode & 07777) < 0)
		return init_broken(f, "write the file", s);
	while ((n = init_unhex(&content, data, sizeof(data))) > 0)
		if (write(fd, data, (size_t)n) != n)
			return init_broken(f, "write the file", s);
	close(fd);
	close(dir);
	return 0;
}

/* An empty directory that nobody can read. The first one stays open: the others are more of it. */
static int mask_directory(int target, int *first)
{
	int tree = *first < 0 ? make_memory("0", "0") : clone_tree(*first, "", AT_EMPTY_PATH);
	int rc = tree < 0 ? -1 : attach(tree, target, SECURE, 0), code = errno;
	if (*first < 0 && rc == 0)
		*first = tree;
	else if (tree >= 0)
		close(tree);
	errno = code;
	return rc;
}

/* What isn't there needs no mask. */
static int mask(const char *path, int root, int *first, struct init_failure *f)
{
	struct stat st;
	int target = in_root(root, path, O_PATH, 0), rc;
	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : init_broken(f, "mask", path);
	if (fstat(target, &st) == 0 && S_ISDIR(st.st_mode)) {
		rc = mask_directory(target, first);
	} else {
		int tree = clone_device("/dev/null", S_IFCHR, makedev(1, 3));
		rc = tree < 0 ? -1 : attach(tree, target, MS_NOSUID | MS_NOEXEC, 0);
		if (tree >= 0)
			close(tree);
	}
	close(target);
	return rc < 0 ? init_broken(f, "mask", path) : 0;
}

static int read_only(const char *path, int root, struct init_failure *f)
{
	struct mount_attr attr = {.attr_set = MS_RDONLY};
	int rc;
	if (!strcmp(path, "/")) {
		rc = mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	} else {
		int target = in_root(root, path, O_PATH, 0);
		if (target < 0)
			return errno == ENOENT || errno == ENOTDIR ? 0 : init_broken(f, "make read-only", path);
		int tree = clone_tree(target, "", AT_EMPTY_PATH | AT_RECURSIVE);
		rc = tree < 0 ? -1 : attach(tree, target, MS_RDONLY, 1);
		if (tree >= 0)
			close(tree);
		close(target);
	}
	return rc < 0 ? init_broken(f, "make read-only", path) : 0;
}

static int enter_root(int root, struct init_failure *f, const char *name)
{
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return init_broken(f, "enter the root file system", name);
	return 0;
}

/* What is called so in the container is its terminal, as far as there is a place for
 * it: without a name it is a terminal all the same. */
static int mount_console(int root, struct init_failure *f)
{
	int target = make_target(root, "/dev/console", 1, 0);
	int rc = target < 0 ? 0 : attach(console_tree, target, 0, 0);
	if (target >= 0)
		close(target);
	close(console_tree);
	return rc < 0 ? init_broken(f, "mount", "/dev/console") : 0;
}

int fs_open_console(const struct init_launch *l, struct init_failure *f)
{
	struct stat own, named;
	if (console_tree < 0)
		return 0;
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && fstat(l->fd_in, &own) == 0 && fstat(fd, &named) == 0 && own.st_rdev == named.st_rdev &&
	    S_ISCHR(named.st_mode) && dup3(fd, l->fd_in, O_CLOEXEC) < 0)
		return init_broken(f, "open", "/dev/console");
	if (fd >= 0)
		close(fd);
	return 0;
}

static int walk(const struct init_launch *l, int root, struct init_failure *f)
{
	size_t at = 0, n = 0;
	const char *s;
	char key;
	int rc = 0, masked = -1;
	while (rc == 0 && (s = init_next(l, &at, "VDf", &key))) {
		struct step m;
		if (key == 'V')
			rc = read_mount(l, s, at, &m) < 0 ? -1 : mount_one(l, &m, root, binds[n++], f);
		else if (key == 'D')
			rc = make_device(s, root, f);
		else
			rc = write_file(l, s, at, root, f);
	}
	if (rc == 0 && console_tree >= 0)
		rc = mount_console(root, f);
	/* On top of everything that was mounted. */
	for (at = 0; rc == 0 && (s = init_next(l, &at, "X", NULL));)
		rc = mask(s, root, &masked, f);
	if (masked >= 0)
		close(masked);
	for (at = 0; rc == 0 && (s = init_next(l, &at, "W", NULL));)
		rc = read_only(s, root, f);
	return rc;
}

int fs_set_up(const struct init_launch *l, struct init_failure *f)
{
	int root;
	if (l->rootfs) {
		/* Any folder that is there will do: it is gone with the old root. Not
		 * /proc, which is needed until then. */
		root = root_tree;
		int somewhere = open("/sys", O_PATH | O_CLOEXEC);
		if (attach(root, somewhere, 0, 1) < 0)
			return init_broken(f, "mount the root file system", l->rootfs);
		close(somewhere);
	} else {
		root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root < 0)
			return init_broken(f, "open", "/");
	}
	if (walk(l, root, f) < 0 || (l->rootfs && enter_root(root, f, l->rootfs) < 0))
		return -1;
	close(root);
	return 0;
}
