/* cgroups_pids.c - isolator/cgroups_pids: how many processes and threads a container
 * may have, and how many it has.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <stdlib.h>

#include "../../lib/cgroup_isolator.h"

struct pids {
	struct cgroups cg; /* first member */
	int64_t max, per_cpu; /* 0: none */
};

/* The higher of the two, so that big containers get more. */
static int set_limit(void *inst, const struct mz_container *c, struct mz_err *err)
{
	const struct pids *p = inst;
	int64_t max = p->max;
	if (max <= 0)
		return cg_write(&p->cg.g, c->id, "pids.max", "max", err);
	int64_t by_cpus = c->resources ? p->cg.k->resources->scalar(c->resources, "cpus") * p->per_cpu / 1000 : 0;
	return cg_write_int(&p->cg.g, c->id, "pids.max", by_cpus > max ? by_cpus : max, err);
}

static int measure(const struct pids *p, const struct mz_container *c, struct mz_usage *u, struct mz_err *err)
{
	int64_t processes, threads;
	int rc = cg_count(&p->cg.g, c->id, "cgroup.procs", &processes, err);
	if (rc == 0)
		rc = cg_read_int(&p->cg.g, c->id, "pids.current", &threads, err);
	if (rc < 0)
		return rc;
	(void)p->cg.k->usage->set_integer(u, "processes", processes);
	(void)p->cg.k->usage->set_integer(u, "threads", threads);
	return 0;
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct pids *p = inst;
	struct mz_err err;
	cgroups_answer(p->cg.h, op, cgroups_has(&p->cg.g, c) ? measure(p, c, u, &err) : 0, &err);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct pids *p = cgroups_new(sizeof(*p), h, err);
	if (!p)
		return -ENOMEM;
	p->cg.limit = set_limit;
	p->max = h->conf_int(conf, "max");
	p->per_cpu = h->conf_int(conf, "per_cpu");
	return cgroups_created(p, 0, "pids", inst, err);
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
	.prepare = cgroups_prepare,
	.update = cgroups_update,
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
