/* posix_mem.c - isolator/posix_mem: measures the resident memory of a container's process tree.
 * It fences nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../proc_tree.h"

struct posix_mem {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
};

struct reading {
	struct posix_mem *p;
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

static void report(const struct reading *r)
{
	const struct mz_usage_api *set = r->p->k->usage;
	(void)set->set_integer(r->u, "mem_rss_bytes", r->sum.rss_bytes);
	if (!r->c->resources)
		return;
	/* Thousandths of a MB. */
	int64_t soft = r->p->k->resources->scalar(r->c->resources, "mem") * 1048576 / 1000;
	int64_t limit = r->c->limit_mem > 0 ? r->c->limit_mem * 1048576 / 1000 : soft;
	(void)set->set_integer(r->u, "mem_soft_limit_bytes", soft);
	if (r->c->limit_mem >= 0)
		(void)set->set_integer(r->u, "mem_limit_bytes", limit);
}

static void on_read(void *arg)
{
	struct reading *r = arg;
	struct mz_err err = {.code = r->code, .msg = "The container's processes are gone"};
	if (r->code == 0)
		report(r);
	r->p->h->op_done(r->op, r->code ? &err : NULL, NULL);
	free(r);
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct posix_mem *p = inst;
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

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct posix_mem *p = calloc(1, sizeof(*p));
	if (!p) {
		*err = (struct mz_err){.code = -ENOMEM, .msg = "Out of memory"};
		return -ENOMEM;
	}
	p->h = h;
	p->k = h->kind;
	*inst = p;
	return 0;
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE;
}

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = free,
	.flags = flags,
	.usage = usage,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "posix_mem",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Measures the memory of a container's processes",
	.ops = (const struct mz_ops *)&ops,
};
