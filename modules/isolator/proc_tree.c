/* proc_tree.c - walks a process tree in /proc; see proc_tree.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc_tree.h"

/* A container that forks faster than it is read ends the walk here. */
enum { MAX_PROCESSES = 65536 };

struct pid_queue {
	int32_t *v;
	size_t n, cap;
};

static int push(struct pid_queue *q, int32_t pid)
{
	if (q->n == MAX_PROCESSES)
		return -E2BIG;
	if (q->n == q->cap) {
		size_t cap = q->cap ? q->cap * 2 : 32;
		int32_t *more = realloc(q->v, cap * sizeof(more[0]));
		if (!more)
			return -ENOMEM;
		q->v = more;
		q->cap = cap;
	}
	q->v[q->n++] = pid;
	return 0;
}

static ssize_t read_at(int dir, const char *name, char *buf, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, buf, size - 1);
	int code = errno;
	close(fd);
	if (n < 0)
		return -code;
	buf[n] = '\0';
	return n;
}

static int add_children(int task, const char *tid, struct pid_queue *q)
{
	char path[320], buf[4096];
	snprintf(path, sizeof(path), "%s/children", tid);
	int fd = openat(task, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0; /* gone */
	ssize_t n;
	int32_t pid = 0;
	int rc = 0;
	while (rc == 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n && rc == 0; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (buf[i] - '0');
			} else if (pid) {
				rc = push(q, pid);
				pid = 0;
			}
		}
	}
	close(fd);
	return rc;
}

/* Each thread has its own. */
static void add_children_of_threads(int proc, struct pid_queue *q)
{
	int fd = openat(proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	struct dirent *e;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && add_children(fd, e->d_name, q) < 0)
			break;
	closedir(d);
}

/* Its children are added to q, if that is there. */
static int add_process(int32_t pid, struct pid_queue *q, struct proc_totals *sum)
{
	char path[32], buf[1024];
	snprintf(path, sizeof(path), "/proc/%d", pid);
	int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return -errno;
	ssize_t n = read_at(proc, "stat", buf, sizeof(buf));
	const char *p = n > 0 ? strrchr(buf, ')') : NULL; /* the name may contain anything */
	unsigned long long utime, stime;
	long long cutime, cstime, n_threads, rss;
	char state;
	if (!p || sscanf(p, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %lld %*d %*u %*u %lld",
			 &state, &utime, &stime, &cutime, &cstime, &n_threads, &rss) != 7) {
		close(proc);
		return n < 0 ? (int)n : -EIO;
	}
	double tick = (double)sysconf(_SC_CLK_TCK);
	sum->n_processes++;
	sum->n_threads += n_threads;
	sum->user_secs += ((double)utime + (double)cutime) / tick;
	sum->system_secs += ((double)stime + (double)cstime) / tick;
	sum->rss_bytes += rss * sysconf(_SC_PAGESIZE);
	if (q)
		add_children_of_threads(proc, q);
	close(proc);
	return 0;
}

int proc_totals(int32_t pid, struct proc_totals *ret)
{
	struct pid_queue q = {0};
	struct proc_totals sum = {0};
	int rc = add_process(pid, &q, &sum);
	for (size_t i = 0; rc == 0 && i < q.n; i++)
		(void)add_process(q.v[i], &q, &sum); /* it may have gone meanwhile */
	free(q.v);
	if (rc < 0)
		return rc == -ENOENT ? -ESRCH : rc;
	*ret = sum;
	return 0;
}

int proc_totals_of(const int32_t *pids, size_t n, struct proc_totals *ret)
{
	struct proc_totals sum = {0};
	for (size_t i = 0; i < n; i++)
		(void)add_process(pids[i], NULL, &sum); /* it may have gone meanwhile */
	if (!sum.n_processes)
		return -ESRCH;
	*ret = sum;
	return 0;
}
