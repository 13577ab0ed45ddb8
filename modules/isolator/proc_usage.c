/* proc_usage.c - measures a container's process tree on a worker thread.
 * SPDX-License-Identifier: Apache-2.0 */
#include "proc_usage.h"

#include <errno.h>
#include <stdlib.h>

struct measurer {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
};

struct reading {
	struct measurer *p;
	const struct mz_container *c; /* lives as long as op */
	struct mz_usage *u;
	struct mz_op *op;
	int code;
	struct proc_totals sum;
};

static void read_work(void *arg)
{
	struct reading *r = arg;
	r->code = proc_totals(r->c->pid, &r->sum);
}

static void on_read(void *arg)
{
	struct reading *r = arg;
	struct mz_err err = {.code = r->code, .msg = "The container's processes are gone"};
	if (r->code == 0)
		proc_usage_report(r->p->k, r->c, &r->sum, r->u);
	r->p->h->op_done(r->op, r->code ? &err : NULL, NULL);
	free(r);
}

void proc_usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct measurer *p = inst;
	struct mz_err err = {.code = -EAGAIN, .msg = "The agent has too much work waiting"};
	struct reading *r = c->pid > 0 ? calloc(1, sizeof(*r)) : NULL;
	if (r) {
		*r = (struct reading){.p = p, .c = c, .u = u, .op = op};
		if (p->h->offload(p->h, read_work, on_read, r) == 0)
			return;
		free(r);
	} else {
		err = (struct mz_err){.code = -ESRCH, .msg = "The container has no process"};
	}
	p->h->op_done(op, &err, NULL);
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
	*inst = p;
	return 0;
}

uint32_t proc_usage_flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE;
}
