/* listening.c - reads /proc/PID/net/tcp and tcp6, and whose descriptors the sockets
 * in it are; see listening.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include "listening.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/cgroup.h"

struct socket {
	uint64_t inode;
	uint16_t port;
};

struct sockets {
	struct socket *v;
	size_t n, cap;
};

struct queue {
	int32_t *v;
	size_t n, cap;
};

/* Room for one more element in a growing array. */
static int grow(void **v, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return 0;
	size_t more = *cap ? *cap * 2 : 64;
	void *bigger = realloc(*v, more * size);
	if (!bigger)
		return -ENOMEM;
	*v = bigger;
	*cap = more;
	return 0;
}

static int read_table(int32_t pid, const char *name, struct sockets *s)
{
	enum { LISTEN = 10 };
	char path[64], line[512];
	snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, name);
	FILE *f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? 0 : -errno; /* gone, or no IPv6 */
	int rc = 0;
	while (rc == 0 && fgets(line, sizeof(line), f)) {
		unsigned port, state;
		uint64_t inode;
		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %" SCNu64, &port, &state, &inode) != 3 ||
		    state != LISTEN || inode == 0)
			continue;
		rc = grow((void **)&s->v, s->n, &s->cap, sizeof(s->v[0]));
		if (rc == 0)
			s->v[s->n++] = (struct socket){inode, (uint16_t)port};
	}
	fclose(f);
	return rc;
}

static int by_inode(const void *a, const void *b)
{
	uint64_t x = ((const struct socket *)a)->inode, y = ((const struct socket *)b)->inode;
	return x < y ? -1 : x > y;
}

static void add_port(struct listening *l, uint16_t port)
{
	size_t i = 0;
	while (i < l->n && l->ports[i] < port)
		i++;
	if (l->n == LISTENING_MAX_PORTS || (i < l->n && l->ports[i] == port))
		return;
	memmove(&l->ports[i + 1], &l->ports[i], (l->n - i) * sizeof(l->ports[0]));
	l->ports[i] = port;
	l->n++;
}

static void match_descriptors(int32_t pid, const struct sockets *s, struct listening *l)
{
	char path[64], target[64];
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *d = opendir(path);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
		struct socket key = {0};
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%" SCNu64 "]", &key.inode) != 1)
			continue;
		const struct socket *found = bsearch(&key, s->v, s->n, sizeof(key), by_inode);
		if (found)
			add_port(l, found->port);
	}
	if (d)
		closedir(d);
}

static int add_children(int32_t pid, struct queue *q)
{
	char path[320];
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *d = opendir(path);
	struct dirent *e;
	int rc = 0;
	while (d && rc == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", pid, e->d_name);
		FILE *f = fopen(path, "re");
		int child;
		while (f && rc == 0 && fscanf(f, "%d", &child) == 1) {
			rc = q->n < LISTENING_MAX_PROCESSES ? grow((void **)&q->v, q->n, &q->cap, sizeof(q->v[0])) : -E2BIG;
			if (rc == 0)
				q->v[q->n++] = child;
		}
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return rc;
}

/* All that descends from pid. */
static int match_tree(int32_t pid, const struct sockets *s, struct listening *l)
{
	struct queue q = {0};
	match_descriptors(pid, s, l);
	int rc = add_children(pid, &q);
	for (size_t i = 0; rc == 0 && i < q.n; i++) {
		match_descriptors(q.v[i], s, l);
		rc = add_children(q.v[i], &q);
	}
	free(q.v);
	return rc;
}

static int match_group(const char *group, const struct sockets *s, struct listening *l)
{
	struct cg_pids p = {NULL, 0};
	int rc = cg_members(group, 1, LISTENING_MAX_PROCESSES, &p);
	for (size_t i = 0; rc == 0 && i < p.n; i++)
		match_descriptors(p.v[i], s, l);
	free(p.v);
	return rc;
}

int listening_ports(int32_t pid, const char *group, struct listening *ret)
{
	struct sockets s = {0};
	struct listening l = {.n = 0};
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d", pid);
	int rc = access(path, F_OK) < 0 ? -ESRCH : read_table(pid, "tcp", &s);
	if (rc == 0)
		rc = read_table(pid, "tcp6", &s);
	if (rc == 0 && s.n > 0) {
		qsort(s.v, s.n, sizeof(s.v[0]), by_inode);
		rc = group ? match_group(group, &s, &l) : match_tree(pid, &s, &l);
	}
	free(s.v);
	if (rc == 0)
		*ret = l;
	return rc;
}
