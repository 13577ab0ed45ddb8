/* files.c - files of this machine; the work is done on the loop's worker threads.
 * See files.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "loop/loop.h"
#include "os/files.h"

enum { MAX_TRIES = 64 };

struct files_real {
	struct files files;
	struct loop *loop;
	struct map attached; /* virtual path -> char *real path */
};

/* One question; owned by the worker thread until done. */
struct job {
	char *path;	   /* virtual, without trailing slashes */
	char *root, *rest; /* real path attached, and what follows it */
	struct mz_err err;
	files_browse_fn on_browse;
	files_read_fn on_read;
	void *arg;
	/* browse */
	VEC(struct file_entry) entries;
	/* read */
	int64_t offset, length, size;
	char *data;
	size_t n_data;
};

static void job_free(struct job *j)
{
	for (size_t i = 0; i < j->entries.n; i++) {
		free((char *)j->entries.v[i].path);
		free((char *)j->entries.v[i].uid);
		free((char *)j->entries.v[i].gid);
	}
	vec_done(&j->entries);
	free(j->path);
	free(j->root);
	free(j->rest);
	free(j->data);
	free(j);
}

static void on_job_done(void *arg)
{
	struct job *j = arg;
	const struct mz_err *err = j->err.code ? &j->err : NULL;
	if (j->on_browse)
		j->on_browse(j->arg, err, j->entries.v, j->entries.n);
	else
		j->on_read(j->arg, err, j->offset, (struct mz_bytes){j->data, j->n_data}, j->size);
	job_free(j);
}

/* ---- worker thread ------------------------------------------------------------- */

static int open_inside(const struct job *j, int flags)
{
	int root = open(j->root, O_PATH | O_CLOEXEC);
	if (root < 0)
		return -errno;
	struct stat st;
	if (fstat(root, &st) == 0 && !S_ISDIR(st.st_mode)) {
		/* A single file is attached. */
		close(root);
		if (j->rest[0])
			return -ENOTDIR;
		int fd = open(j->root, flags | O_CLOEXEC | O_NONBLOCK);
		return fd < 0 ? -errno : fd;
	}
	/* Links work as far as they stay inside. What a task swaps meanwhile is seen by the
	 * kernel, which then wants to be asked again. */
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC | O_NONBLOCK),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd;
	int tries = 0, code;
	do {
		fd = syscall(SYS_openat2, root, j->rest[0] ? j->rest : ".", &how, sizeof(how));
		code = errno;
	} while (fd < 0 && code == EAGAIN && ++tries < MAX_TRIES);
	close(root);
	return fd < 0 ? -code : (int)fd;
}

static void set_error(struct job *j, const char *what, int code)
{
	if (code == -EXDEV)
		mz_fail(&j->err, -EACCES, "Cannot %s '%s': it leads out of what is shown here", what, j->path);
	else
		mz_fail(&j->err, code, "Cannot %s '%s': %s", what, j->path, strerror(-code));
}

static void mode_text(mode_t m, char out[12])
{
	static const struct {
		mode_t type;
		char c;
	} types[] = {{S_IFDIR, 'd'}, {S_IFLNK, 'l'}, {S_IFCHR, 'c'}, {S_IFBLK, 'b'}, {S_IFIFO, 'p'}, {S_IFSOCK, 's'}};
	strcpy(out, "-rwxrwxrwx");
	for (size_t i = 0; i < MZ_N(types); i++)
		if ((m & S_IFMT) == types[i].type)
			out[0] = types[i].c;
	for (int i = 0; i < 9; i++)
		if (!(m & (0400u >> i)))
			out[1 + i] = '-';
	if (m & S_ISUID)
		out[3] = m & S_IXUSR ? 's' : 'S';
	if (m & S_ISGID)
		out[6] = m & S_IXGRP ? 's' : 'S';
	if (m & S_ISVTX)
		out[9] = m & S_IXOTH ? 't' : 'T';
}

static char *user_name(uid_t uid)
{
	struct passwd pw, *found = NULL;
	char buf[4096];
	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found)
		return xstrdup(found->pw_name);
	return xasprintf("%u", uid);
}

static char *group_name(gid_t gid)
{
	struct group gr, *found = NULL;
	char buf[4096];
	if (getgrgid_r(gid, &gr, buf, sizeof(buf), &found) == 0 && found)
		return xstrdup(found->gr_name);
	return xasprintf("%u", gid);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct file_entry *)a)->path, ((const struct file_entry *)b)->path);
}

static void add_entry(struct job *j, int fd, const char *name)
{
	struct stat st;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* gone meanwhile */
	struct file_entry e = {
		.path = xasprintf("%s/%s", j->path, name),
		.mode_bits = st.st_mode,
		.n_links = (int64_t)st.st_nlink,
		.size = st.st_size,
		.mtime = (double)st.st_mtim.tv_sec,
		.uid = user_name(st.st_uid),
		.gid = group_name(st.st_gid),
	};
	mode_text(st.st_mode, e.mode);
	vec_push(&j->entries, e);
}

static void browse_work(void *arg)
{
	struct job *j = arg;
	int fd = open_inside(j, O_RDONLY | O_DIRECTORY);
	mz_autodir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		set_error(j, "browse", fd < 0 ? fd : -EIO);
		if (fd >= 0)
			close(fd);
		return;
	}
	struct dirent *d;
	while ((d = readdir(dir)) && j->entries.n < FILES_MAX_ENTRIES)
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			add_entry(j, dirfd(dir), d->d_name);
	if (j->entries.n)
		qsort(j->entries.v, j->entries.n, sizeof(j->entries.v[0]), by_path);
}

static int read_file(struct job *j, int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL; /* a pipe would wait, a device may do anything */
	j->size = st.st_size;
	if (j->offset < 0) {
		j->offset = st.st_size;
		return 0;
	}
	int64_t left = j->offset < st.st_size ? st.st_size - j->offset : 0;
	if (j->length > left)
		j->length = left;
	j->data = xmalloc((size_t)j->length + 1);
	while ((int64_t)j->n_data < j->length) {
		ssize_t n = pread(fd, j->data + j->n_data, (size_t)j->length - j->n_data, j->offset + (int64_t)j->n_data);
		if (n < 0)
			return -errno;
		if (n == 0)
			break; /* it has shrunk */
		j->n_data += (size_t)n;
	}
	return 0;
}

static void read_work(void *arg)
{
	struct job *j = arg;
	int fd = open_inside(j, O_RDONLY);
	int rc = fd < 0 ? fd : read_file(j, fd);
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		set_error(j, "read", rc);
}

/* ---- loop thread --------------------------------------------------------------- */

static struct files_real *files_of(struct files *f)
{
	return mz_container_of(f, struct files_real, files);
}

/* Without trailing slashes and doubled ones; "" for "/". */
static char *normal(const char *path)
{
	char *out = xmalloc(strlen(path) + 1), *o = out;
	for (const char *p = path; *p; p++)
		if (*p != '/' || (o == out || o[-1] != '/'))
			*o++ = *p;
	while (o > out + 1 && o[-1] == '/')
		o--;
	*o = '\0';
	return out;
}

static void real_attach(struct files *f, const char *virtual_path, const char *real_path)
{
	mz_autofree char *key = normal(virtual_path);
	free(map_put(&files_of(f)->attached, key, xstrdup(real_path)));
}

static void real_detach(struct files *f, const char *virtual_path)
{
	mz_autofree char *key = normal(virtual_path);
	free(map_del(&files_of(f)->attached, key));
}

static bool real_attached(struct files *f, size_t i, const char **ret_virtual, const char **ret_real)
{
	map_each(&files_of(f)->attached, e)
	{
		if (i--)
			continue;
		*ret_virtual = e->key;
		*ret_real = e->value;
		return true;
	}
	return false;
}

/* The longest attached prefix, cutting whole segments. */
static int resolve(struct files_real *f, struct job *j)
{
	mz_autofree char *prefix = xstrdup(j->path);
	for (;;) {
		const char *root = map_get(&f->attached, prefix);
		if (root) {
			const char *rest = j->path + strlen(prefix);
			j->root = xstrdup(root);
			j->rest = xstrdup(rest + strspn(rest, "/"));
			return 0;
		}
		char *slash = strrchr(prefix, '/');
		if (!slash || !prefix[0])
			break;
		*slash = '\0';
	}
	return mz_fail(&j->err, -ENOENT, "There is no '%s' here", j->path);
}

static void start(struct files_real *f, struct job *j, loop_fn work)
{
	int rc = resolve(f, j);
	if (rc == 0) {
		rc = loop_offload(f->loop, work, on_job_done, j);
		if (rc == 0)
			return;
		mz_fail(&j->err, rc, "Too many files are being read at once");
	}
	loop_post(f->loop, on_job_done, j);
}

static void real_browse(struct files *f, const char *path, files_browse_fn fn, void *arg)
{
	struct job *j = xnew(struct job);
	j->path = normal(path);
	j->on_browse = fn;
	j->arg = arg;
	start(files_of(f), j, browse_work);
}

static void real_read(struct files *f, const char *path, int64_t offset, int64_t length, files_read_fn fn, void *arg)
{
	struct job *j = xnew(struct job);
	j->path = normal(path);
	j->on_read = fn;
	j->arg = arg;
	j->offset = offset < 0 ? -1 : offset;
	j->length = length < 0 || length > FILES_READ_MAX ? FILES_READ_MAX : length;
	start(files_of(f), j, read_work);
}

static void real_free(struct files *f)
{
	struct files_real *r = files_of(f);
	map_each(&r->attached, e) free(e->value);
	map_done(&r->attached);
	free(r);
}

struct files *files_new(struct loop *l)
{
	static const struct files_ops ops = {
		.attach = real_attach,
		.detach = real_detach,
		.attached = real_attached,
		.browse = real_browse,
		.read = real_read,
		.free = real_free,
	};
	struct files_real *f = xnew(struct files_real);
	f->files.ops = &ops;
	f->loop = l;
	return &f->files;
}
