/* cgroup_remove.c - removing groups, and what is done to all groups below one.
 * See cgroup.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, N_TRIES = 45 };

static const int64_t first_delay_ns = 5 * 1000000LL, last_delay_ns = 500 * 1000000LL;

/* A group that could not be removed yet. */
struct cg_removal {
	struct cg_removal *next;
	struct cg *g;
	struct mz_timer *timer;
	int n_tries;
	int64_t delay_ns;
	void (*done)(void *arg, const struct mz_err *err);
	void *arg;
	char path[CG_PATH_SIZE];
};

/* Calls fn for each directory below `path` (children first), then for `path`. */
static int walk(char *path, int depth, int (*fn)(void *arg, const char *path), void *arg)
{
	DIR *dir = depth < DEPTH_MAX ? opendir(path) : NULL;
	size_t len = strlen(path);
	struct dirent *e;
	while (dir && (e = readdir(dir))) {
		if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (len + strlen(e->d_name) + 2 > CG_PATH_SIZE)
			continue;
		(void)snprintf(path + len, CG_PATH_SIZE - len, "/%s", e->d_name);
		(void)walk(path, depth + 1, fn, arg);
		path[len] = '\0';
	}
	if (dir)
		(void)closedir(dir);
	return fn(arg, path);
}

static int remove_one(void *arg, const char *path)
{
	(void)arg;
	return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_tree(const char *path)
{
	char work[CG_PATH_SIZE];
	if (remove_one(NULL, path) == 0)
		return 0;
	(void)snprintf(work, sizeof(work), "%s", path);
	return walk(work, 0, remove_one, NULL);
}

/* ---- removing ---------------------------------------------------------------- */

static void removal_end(struct cg_removal *r, const struct mz_err *err)
{
	struct cg_removal **p = &r->g->removals;
	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	if (r->done)
		r->done(r->arg, err);
	else if (err)
		cg_log(r->g->h, MZ_LOG_WARNING, "%s", err->msg);
	free(r);
}

static void removal_try(void *arg)
{
	struct cg_removal *r = arg;
	struct mz_err err;
	const struct mz_host *h = r->g->h;
	r->timer = NULL;
	int rc = remove_tree(r->path);
	if (rc == 0) {
		removal_end(r, NULL);
		return;
	}
	if ((rc == -EBUSY || rc == -ENOTEMPTY) && ++r->n_tries < N_TRIES) {
		r->timer = h->timer(h, r->delay_ns, removal_try, r);
		r->delay_ns = r->delay_ns * 2 < last_delay_ns ? r->delay_ns * 2 : last_delay_ns;
		return;
	}
	(void)cg_fail(&err, rc, "Cannot remove the cgroup %s: %s", r->path, strerror(-rc));
	removal_end(r, &err);
}

static void remove_path(struct cg *g, const char *path, void (*done)(void *, const struct mz_err *), void *arg)
{
	struct mz_err err;
	struct cg_removal *r = calloc(1, sizeof(*r));
	if (!r) {
		(void)cg_fail(&err, -ENOMEM, "Out of memory");
		if (done)
			done(arg, &err);
		return;
	}
	r->g = g;
	r->done = done;
	r->arg = arg;
	r->delay_ns = first_delay_ns;
	(void)snprintf(r->path, sizeof(r->path), "%s", path);
	r->next = g->removals;
	g->removals = r;
	removal_try(r);
}

void cg_remove(struct cg *g, const char *id, void (*done)(void *arg, const struct mz_err *err), void *arg)
{
	char path[CG_PATH_SIZE];
	/* What is no id has no group. */
	if (cg_path(g, id, path) < 0 || remove_one(NULL, path) == 0)
		done(arg, NULL);
	else
		remove_path(g, path, done, arg);
}

struct op_removal {
	const struct mz_host *h;
	struct mz_op *op;
};

static void on_op_removed(void *arg, const struct mz_err *err)
{
	struct op_removal *r = arg;
	r->h->op_done(r->op, err, NULL);
	free(r);
}

void cg_remove_op(struct cg *g, const char *id, struct mz_op *op)
{
	struct mz_err err;
	struct op_removal *r = malloc(sizeof(*r));
	if (!r) {
		(void)cg_fail(&err, -ENOMEM, "Out of memory");
		g->h->op_done(op, &err, NULL);
		return;
	}
	*r = (struct op_removal){g->h, op};
	cg_remove(g, id, on_op_removed, r);
}

void cg_done(struct cg *g)
{
	for (struct cg_removal *r = g->removals, *next; r; r = next) {
		next = r->next;
		g->h->timer_cancel(g->h, r->timer);
		free(r->arg);
		free(r);
	}
	g->removals = NULL;
	if (!g->version)
		return;
	/* Nothing shall be left behind; while others use our root group, it stays. */
	char path[CG_PATH_SIZE];
	size_t min = strlen(g->mount);
	if (cg_path(g, NULL, path) < 0)
		return;
	while (strlen(path) > min && rmdir(path) == 0)
		*strrchr(path, '/') = '\0';
}

/* ---- all groups ---------------------------------------------------------------- */

struct each {
	const struct cg *g;
	size_t n_root; /* length of our root's path, with the slash */
	void (*fn)(void *arg, const char *id);
	void *arg;
};

/* "ROOT/a/mezzo/b" is the group of "a.b"; other directories are no container's. */
static int each_one(void *arg, const char *path)
{
	const struct each *e = arg;
	char id[CG_PATH_SIZE];
	size_t len = 0;
	if (strlen(path) <= e->n_root)
		return 0;
	for (const char *p = path + e->n_root;;) {
		size_t n = strcspn(p, "/");
		if (n == 0 || memchr(p, '.', n) || len + n + 2 > sizeof(id))
			return 0;
		if (len > 0)
			id[len++] = '.';
		memcpy(id + len, p, n);
		len += n;
		id[len] = '\0';
		p += n;
		if (!*p)
			break;
		if (strncmp(p, "/mezzo/", 7) != 0)
			return 0;
		p += 7;
	}
	e->fn(e->arg, id);
	return 0;
}

int cg_each(const struct cg *g, void (*fn)(void *arg, const char *id), void *arg, struct mz_err *err)
{
	char path[CG_PATH_SIZE];
	int rc = cg_path(g, NULL, path);
	if (rc < 0)
		return cg_fail(err, rc, "The path of the cgroup root '%s' is too long", g->root);
	struct each e = {.g = g, .n_root = strlen(path) + 1, .fn = fn, .arg = arg};
	return access(path, F_OK) < 0 ? 0 : walk(path, 0, each_one, &e);
}

struct orphans {
	struct cg *g;
	const struct mz_container *const *containers;
	size_t n;
};

/* Groups below our root are this agent's alone. */
static int kill_members(void *arg, const char *path)
{
	char file[CG_PATH_SIZE + 16];
	(void)arg;
	(void)snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	FILE *f = fopen(file, "re");
	int pid;
	while (f && fscanf(f, "%d", &pid) == 1)
		if (pid > 1)
			(void)kill(pid, SIGKILL);
	if (f)
		(void)fclose(f);
	return 0;
}

static void on_orphan(void *arg, const char *id)
{
	struct orphans *o = arg;
	char path[CG_PATH_SIZE], work[CG_PATH_SIZE];
	size_t len = strlen(id);
	for (size_t i = 0; i < o->n; i++) {
		const char *known = o->containers[i]->id;
		/* An ancestor of one that runs stays as well. */
		if (!strncmp(known, id, len) && (known[len] == '\0' || known[len] == '.'))
			return;
	}
	if (cg_path(o->g, id, path) < 0)
		return;
	cg_log(o->g->h, MZ_LOG_INFO, "Removing the cgroup %s of a container that is gone", path);
	(void)snprintf(work, sizeof(work), "%s", path);
	(void)walk(work, 0, kill_members, NULL);
	remove_path(o->g, path, NULL, NULL);
}

int cg_remove_orphans(struct cg *g, const struct mz_container *const *containers, size_t n, struct mz_err *err)
{
	struct orphans o = {g, containers, n};
	return cg_each(g, on_orphan, &o, err);
}

/* ---- counting ------------------------------------------------------------------ */

struct count {
	const char *file;
	int64_t n;
};

static int count_one(void *arg, const char *path)
{
	struct count *c = arg;
	char file[CG_PATH_SIZE + 64], buf[4096];
	(void)snprintf(file, sizeof(file), "%s/%s", path, c->file);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			c->n += buf[i] == '\n';
	int rc = n < 0 ? -errno : 0;
	(void)close(fd);
	return rc;
}

int cg_count(const struct cg *g, const char *id, const char *file, int64_t *ret_n, struct mz_err *err)
{
	char path[CG_PATH_SIZE];
	struct count c = {.file = file};
	int rc = cg_path(g, id, path);
	if (rc == 0)
		rc = walk(path, 0, count_one, &c);
	if (rc < 0)
		return cg_fail(err, rc, "Cannot count %s of container '%s': %s", file, id, strerror(-rc));
	*ret_n = c.n;
	return 0;
}
