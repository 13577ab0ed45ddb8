/* posix_cpu.c - isolator/posix_cpu: measures the cpu time of a container's process tree.
 * It fences nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../proc_tree.h"

struct posix_cpu {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
};

struct reading {
	struct posix_cpu *p;
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
	(void)set->set_number(r->u, "cpus_user_time_secs", r->sum.user_secs);
	(void)set->set_number(r->u, "cpus_system_time_secs", r->sum.system_secs);
	(void)set->set_integer(r->u, "processes", r->sum.n_processes);
	(void)set->set_integer(r->u, "threads", r->sum.n_threads);
	if (r->c->resources) {
		int64_t cpus = r->p->k->resources->scalar(r->c->resources, "cpus");
		(void)set->set_number(r->u, "cpus_soft_limit", (double)cpus / 1000);
	}
	if (r->c->limit_cpus > 0)
		(void)set->set_number(r->u, "cpus_limit", (double)r->c->limit_cpus / 1000);
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
	struct posix_cpu *p = inst;
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
	struct posix_cpu *p = calloc(1, sizeof(*p));
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
	.name = "posix_cpu",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Measures the cpu time of a container's processes",
	.ops = (const struct mz_ops *)&ops,
};
