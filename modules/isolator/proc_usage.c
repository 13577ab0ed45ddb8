/* proc_usage.c - measures a container's processes on a worker thread: those of its group where
 * the launcher made one, which are all of them; else those that descend from its first.
 * SPDX-License-Identifier: Apache-2.0 */
#include "proc_usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/cgroup.h"
#include "../lib/pending.h"

enum { MAX_PROCESSES = 65536 };

struct measurer {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct cg groups;
	struct pending *readings;
};

struct reading {
	struct pending pending; /* first member */
	struct measurer *p;
	const struct mz_container *c; /* lives as long as op */
	struct mz_usage *u;
	struct mz_op *op;
	char *group; /* directory of its processes, or NULL */
	int code;
	struct proc_totals sum;
};

static void read_work(void *arg)
{
	struct reading *r = arg;
	struct cg_pids pids = {NULL, 0};
	if (r->group && cg_members(r->group, 0, MAX_PROCESSES, &pids) == 0 && pids.n > 0)
		r->code = proc_totals_of(pids.v, pids.n, &r->sum);
	else
		r->code = proc_totals(r->c->pid, &r->sum);
	free(pids.v);
}

static void reading_free(struct pending *p)
{
	struct reading *r = (struct reading *)p;
	free(r->group);
	free(r);
}

/* NULL: it has none. */
static char *group_of(const struct measurer *p, const struct mz_container *c)
{
	char path[CG_PATH_SIZE];
	/* Without what is nested in it, which has figures of its own. */
	return cg_of_launcher(&p->groups, c, path) < 0 || cg_procs_path(&p->groups, c->id, path) < 0 ? NULL : strdup(path);
}

static void on_read(void *arg)
{
	struct reading *r = arg;
	struct mz_err err = {.code = r->code, .msg = "The container's processes are gone"};
	if (r->code == 0)
		proc_usage_report(r->p->k, r->c, &r->sum, r->u);
	pending_end(&r->pending);
	r->p->h->op_done(r->op, r->code ? &err : NULL, NULL);
	reading_free(&r->pending);
}

void proc_usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct measurer *p = inst;
	struct mz_err err = {.code = -EAGAIN, .msg = "The agent has too much work waiting"};
	struct reading *r = c->pid > 0 ? calloc(1, sizeof(*r)) : NULL;
	if (r) {
		*r = (struct reading){.p = p, .c = c, .u = u, .op = op, .group = group_of(p, c)};
		pending_add(&p->readings, &r->pending, reading_free);
		if (p->h->offload(p->h, read_work, on_read, r) == 0)
			return;
		pending_end(&r->pending);
		reading_free(&r->pending);
	} else {
		err = (struct mz_err){.code = -ESRCH, .msg = "The container has no process"};
	}
	p->h->op_done(op, &err, NULL);
}

void proc_usage_destroy(void *inst)
{
	struct measurer *p = inst;
	if (p)
		pending_drop_all(&p->readings);
	free(p);
}

int proc_usage_create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct measurer *p = calloc(1, sizeof(*p));
	if (!p) {
		*err = (struct mz_err){.code = -ENOMEM, .msg = "Out of memory"};
		return -ENOMEM;
	}
	p->h = h;
	p->k = h->kind;
	(void)cg_find_launcher(&p->groups, h); /* without: by descent */
	*inst = p;
	return 0;
}

uint32_t proc_usage_flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE;
}
