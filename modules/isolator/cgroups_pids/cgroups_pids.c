/* cgroups_pids.c - isolator/cgroups_pids: how many processes and threads a container
 * may have, and how many it has.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <stdlib.h>

#include "../../lib/cgroup_isolator.h"

struct pids {
	struct cg g; /* first member */
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	int64_t max, per_cpu; /* 0: none */
};

/* The higher of the two, so that big containers get more. */
static int set_limit(const struct pids *p, const struct mz_container *c, struct mz_err *err)
{
	int64_t max = p->max;
	if (max <= 0)
		return cg_write(&p->g, c->id, "pids.max", "max", err);
	int64_t by_cpus = c->resources ? p->k->resources->scalar(c->resources, "cpus") * p->per_cpu / 1000 : 0;
	return cg_write_int(&p->g, c->id, "pids.max", by_cpus > max ? by_cpus : max, err);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct pids *p = inst;
	struct mz_err err;
	int rc = cgroups_join(&p->g, c, l, &err);
	if (rc == 0 && cg_owns(c))
		rc = set_limit(p, c, &err);
	cgroups_answer(p->h, op, rc, &err);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct pids *p = inst;
	struct mz_err err;
	cgroups_answer(p->h, op, cg_owns(c) ? set_limit(p, c, &err) : 0, &err);
}

static int measure(const struct pids *p, const struct mz_container *c, struct mz_usage *u, struct mz_err *err)
{
	int64_t processes, threads;
	int rc = cg_count(&p->g, c->id, "cgroup.procs", &processes, err);
	if (rc == 0)
		rc = cg_read_int(&p->g, c->id, "pids.current", &threads, err);
	if (rc < 0)
		return rc;
	(void)p->k->usage->set_integer(u, "processes", processes);
	(void)p->k->usage->set_integer(u, "threads", threads);
	return 0;
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct pids *p = inst;
	struct mz_err err;
	cgroups_answer(p->h, op, cg_owns(c) ? measure(p, c, u, &err) : 0, &err);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct pids *p = calloc(1, sizeof(*p));
	if (!p)
		return cg_fail(err, -ENOMEM, "Out of memory");
	p->h = h;
	p->k = h->kind;
	p->max = h->conf_int(conf, "max");
	p->per_cpu = h->conf_int(conf, "per_cpu");
	int rc = cgroups_find(&p->g, h, "pids", err);
	if (rc < 0) {
		free(p);
		return rc;
	}
	*inst = p;
	return 0;
}

static const struct mz_setting settings[] = {
	MZ_SETTING(INT, "max", "2048", 0, 4194304, "Processes and threads of one container; 0: no limit"),
	MZ_SETTING(INT, "per_cpu", "512", 0, 4194304, "As many for each of its cpus, if that is more"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = cgroups_destroy,
	.flags = cgroups_flags,
	.recover = cgroups_recover,
	.prepare = prepare,
	.update = update,
	.usage = usage,
	.cleanup = cgroups_cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "cgroups_pids",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Limits and counts a container's processes, by cgroups",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
