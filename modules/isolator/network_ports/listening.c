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
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/cgroup.h"

struct socket {
	uint64_t inode;
	uint16_t port;
};

struct table {
	struct table *next;
	dev_t dev; /* of the namespace's file */
	ino_t ino;
	struct socket *v;
	size_t n, cap;
};

/* As many as there can be on a machine: nobody hides behind others of his. */
enum { MAX_PROCESSES = 4 << 20 };

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

/* ---- sockets ------------------------------------------------------------------------- */

/* The kernel lists those that listen first: a host's thousands of connections need not
 * be read. */
static int read_sockets(int32_t pid, const char *name, struct table *t)
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
		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %" SCNu64, &port, &state, &inode) != 3)
			continue; /* the heading */
		if (state != LISTEN)
			break;
		rc = grow((void **)&t->v, t->n, &t->cap, sizeof(t->v[0]));
		if (rc == 0)
			t->v[t->n++] = (struct socket){inode, (uint16_t)port};
	}
	fclose(f);
	return rc;
}

static int by_inode(const void *a, const void *b)
{
	uint64_t x = ((const struct socket *)a)->inode, y = ((const struct socket *)b)->inode;
	return x < y ? -1 : x > y;
}

static void table_free(struct table *t)
{
	free(t->v);
	free(t);
}

void tables_done(struct tables *t)
{
	while (t->first) {
		struct table *next = t->first->next;
		table_free(t->first);
		t->first = next;
	}
}

/* That of the process, read now if it was not before. */
static int find_table(struct tables *t, int32_t pid, const struct table **ret)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat(path, &st) < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	for (const struct table *found = t->first; found; found = found->next)
		if (found->dev == st.st_dev && found->ino == st.st_ino) {
			*ret = found;
			return 0;
		}
	struct table *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	*made = (struct table){.dev = st.st_dev, .ino = st.st_ino};
	int rc = read_sockets(pid, "tcp", made);
	if (rc == 0)
		rc = read_sockets(pid, "tcp6", made);
	/* Of one that went away meanwhile too little may have been read. */
	if (rc == 0 && stat(path, &st) < 0)
		rc = -ESRCH;
	if (rc < 0) {
		table_free(made);
		return rc;
	}
	if (made->n > 0)
		qsort(made->v, made->n, sizeof(made->v[0]), by_inode);
	made->next = t->first;
	t->first = made;
	*ret = made;
	return 0;
}

/* ---- processes ----------------------------------------------------------------------- */

struct ports {
	unsigned char bits[65536 / 8];
	size_t n;
};

static void add_port(struct ports *p, uint16_t port)
{
	unsigned char bit = (unsigned char)(1 << port % 8);
	p->n += !(p->bits[port / 8] & bit);
	p->bits[port / 8] |= bit;
}

static void match_descriptors(int32_t pid, const struct table *t, struct ports *p)
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
		const struct socket *found = bsearch(&key, t->v, t->n, sizeof(key), by_inode);
		if (found)
			add_port(p, found->port);
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
			rc = q->n < MAX_PROCESSES ? grow((void **)&q->v, q->n, &q->cap, sizeof(q->v[0])) : -E2BIG;
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
static int match_tree(int32_t pid, const struct table *t, struct ports *p)
{
	struct queue q = {0};
	match_descriptors(pid, t, p);
	int rc = add_children(pid, &q);
	for (size_t i = 0; rc == 0 && i < q.n; i++) {
		match_descriptors(q.v[i], t, p);
		rc = add_children(q.v[i], &q);
	}
	free(q.v);
	return rc;
}

static int match_group(const char *group, const struct table *t, struct ports *p)
{
	struct cg_pids all = {NULL, 0};
	int rc = cg_members(group, 1, MAX_PROCESSES, &all);
	for (size_t i = 0; rc == 0 && i < all.n; i++)
		match_descriptors(all.v[i], t, p);
	free(all.v);
	return rc;
}

static int list_ports(const struct ports *p, struct listening *ret)
{
	struct listening l = {.ports = calloc(p->n + 1, sizeof(l.ports[0]))};
	if (!l.ports)
		return -ENOMEM;
	for (unsigned port = 0; l.n < p->n; port++)
		if (p->bits[port / 8] >> port % 8 & 1)
			l.ports[l.n++] = (uint16_t)port;
	*ret = l;
	return 0;
}

int listening_ports(struct tables *tables, int32_t pid, const char *group, struct listening *ret)
{
	struct ports p = {.n = 0};
	const struct table *t = NULL;
	int rc = find_table(tables, pid, &t);
	if (rc == 0 && t->n > 0)
		rc = group ? match_group(group, t, &p) : match_tree(pid, t, &p);
	return rc < 0 ? rc : list_ports(&p, ret);
}
