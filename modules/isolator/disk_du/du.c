/* du.c - sums up a directory; see du.h. Without recursion, and with one small buffer: how
 * deep and how wide it is, is up to a task that may mean harm.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "du.h"

struct du_walk {
	dev_t dev;
	struct du sum;
	int depth;
	int fds[DU_MAX_DEPTH + 1]; /* the directories from the top to the one that is read */
};

struct entry { /* as getdents64 gives it */
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int64_t share(const struct stat *st)
{
	int64_t bytes = (int64_t)st->st_blocks * 512;
	return S_ISDIR(st->st_mode) || st->st_nlink < 2 ? bytes : bytes / (int64_t)st->st_nlink;
}

/* What cannot be read, or goes away meanwhile, counts nothing. Was it a directory
 * that is to be read now? */
static int count(struct du_walk *w, const char *name)
{
	struct stat st;
	int dir = w->fds[w->depth];
	if (!strcmp(name, ".") || !strcmp(name, "..") || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_dev != w->dev)
		return 0;
	w->sum.bytes += share(&st);
	w->sum.n_files++;
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (w->depth == DU_MAX_DEPTH) {
		w->sum.too_deep = 1;
		return 0;
	}
	int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return 0;
	w->fds[++w->depth] = sub;
	return 1;
}

/* Reads on in the deepest directory, to its end or to a directory in it. */
static void read_on(struct du_walk *w)
{
	_Alignas(struct entry) char buf[2048];
	int dir = w->fds[w->depth];
	long n = syscall(SYS_getdents64, dir, buf, sizeof(buf));
	if (n <= 0) {
		close(dir);
		w->depth--;
		return;
	}
	for (long at = 0; at < n;) {
		const struct entry *e = (const struct entry *)(buf + at);
		at += e->len;
		if (!count(w, e->name))
			continue;
		/* Coming back, what is behind it is read again. */
		(void)lseek(dir, e->off, SEEK_SET);
		return;
	}
}

int du_begin(const char *path, struct du_walk **ret)
{
	struct du_walk *w = malloc(sizeof(*w));
	int fd = w ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	struct stat st;
	int code = !w ? ENOMEM : fd < 0 || fstat(fd, &st) < 0 ? errno : 0;
	if (code) {
		if (fd >= 0)
			close(fd);
		free(w);
		return -code;
	}
	w->sum = (struct du){.bytes = share(&st)};
	w->dev = st.st_dev;
	w->depth = 0;
	w->fds[0] = fd;
	*ret = w;
	return 0;
}

int du_go_on(struct du_walk *w, int64_t n_more, int64_t max_files, struct du *ret)
{
	int64_t until = w->sum.n_files + n_more;
	while (w->depth >= 0 && w->sum.n_files < until && (!max_files || w->sum.n_files <= max_files))
		read_on(w);
	*ret = w->sum;
	return w->depth >= 0 && (!max_files || w->sum.n_files <= max_files);
}

void du_end(struct du_walk *w)
{
	for (; w && w->depth >= 0; w->depth--)
		close(w->fds[w->depth]);
	free(w);
}
