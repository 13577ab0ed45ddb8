/* cgroup_members.c - which processes are in a group, for those who only look at them.
 * See cgroup.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include "cgroup_isolator.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

struct list {
	struct cg_pids p;
	size_t cap, n_max;
};

static int add(struct list *l, int32_t pid)
{
	if (l->p.n == l->n_max)
		return -E2BIG;
	if (l->p.n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		int32_t *more = realloc(l->p.v, cap * sizeof(more[0]));
		if (!more)
			return -ENOMEM;
		l->p.v = more;
		l->cap = cap;
	}
	l->p.v[l->p.n++] = pid;
	return 0;
}

static int add_group(struct list *l, const char *path)
{
	char file[CG_PATH_SIZE + 16];
	int pid, rc = 0;
	(void)snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	FILE *f = fopen(file, "re");
	if (!f)
		return -errno;
	while (rc == 0 && fscanf(f, "%d", &pid) == 1)
		if (pid > 0) /* 0: in a pid namespace that is not below ours */
			rc = add(l, pid);
	(void)fclose(f);
	return rc;
}

/* Groups that go away meanwhile have nobody. */
static int add_below(struct list *l, char *path, int depth)
{
	size_t len = strlen(path);
	DIR *dir = depth < DEPTH_MAX ? opendir(path) : NULL;
	struct dirent *e;
	int rc = 0;
	while (dir && rc == 0 && (e = readdir(dir))) {
		if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || len + strlen(e->d_name) + 2 > CG_PATH_SIZE)
			continue;
		(void)snprintf(path + len, CG_PATH_SIZE - len, "/%s", e->d_name);
		rc = add_group(l, path);
		if (rc == -ENOENT || rc == -ENODEV)
			rc = 0;
		if (rc == 0)
			rc = add_below(l, path, depth + 1);
		path[len] = '\0';
	}
	if (dir)
		(void)closedir(dir);
	return rc;
}

int cg_members(const char *path, int below, size_t n_max, struct cg_pids *ret)
{
	struct list l = {.n_max = n_max};
	char work[CG_PATH_SIZE];
	int rc = strlen(path) < sizeof(work) ? add_group(&l, path) : -ENAMETOOLONG;
	if (rc == 0 && below) {
		(void)strcpy(work, path);
		rc = add_below(&l, work, 0);
	}
	if (rc < 0) {
		free(l.p.v);
		return rc;
	}
	*ret = l.p;
	return 0;
}

int cg_find_launcher(struct cg *g, const struct mz_host *h)
{
	if (cgroups_find(g, h, "freezer", NULL) == 0)
		return 0;
	memset(g, 0, sizeof(*g));
	return -ENOENT;
}

int cg_of_launcher(const struct cg *g, const struct mz_container *c, char *out)
{
	return !g->version || !cg_owns(c) || !cg_exists(g, c->id) ? -ENOENT : cg_path(g, c->id, out);
}
