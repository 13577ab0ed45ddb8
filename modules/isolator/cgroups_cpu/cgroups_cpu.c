/* cgroups_cpu.c - isolator/cgroups_cpu: a container's share of the processors, its
 * quota, and the time that it used. Works on v1 (cpu and cpuacct, mounted together or
 * apart) and v2.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/cgroup_isolator.h"

enum {
	PERIOD_US = 100000, /* of the quota */
	QUOTA_US_MIN = 1000,
	SHARES_PER_CPU = 1024, /* v1 */
	SHARES_PER_CPU_REVOCABLE = 10,
	SHARES_MIN = 2,
	SHARES_MAX = 262144,
	WEIGHT_PER_CPU = 100, /* v2 */
	WEIGHT_PER_CPU_REVOCABLE = 1,
	WEIGHT_MIN = 1,
	WEIGHT_MAX = 10000,
};

struct cpu {
	struct cgroups cg; /* first member; of cpu */
	struct cg acct;	   /* v1, where it is mounted by itself; else version 0 */
	int cfs, low_revocable;
	int64_t root_cpus; /* 0: all of the machine's */
	int root_done;
};

static int has_revocable(const struct cpu *p, const struct mz_resources *r)
{
	const struct mz_resources_api *a = p->cg.k->resources;
	for (size_t i = 0; i < a->count(r); i++) {
		const struct mz_res_kind *kind = a->kind(a->item(r, i).kind);
		if ((kind->flags & MZ_RES_REVOCABLE) && !strcmp(kind->name, "cpus"))
			return 1;
	}
	return 0;
}

static int64_t clamp(int64_t v, int64_t min, int64_t max)
{
	return v < min ? min : v > max ? max : v;
}

static int set_share(const struct cpu *p, const struct mz_container *c, int64_t millicpus, struct mz_err *err)
{
	int low = p->low_revocable && has_revocable(p, c->resources);
	if (p->cg.g.version == 1)
		return cg_write_int(&p->cg.g, c->id, "cpu.shares",
				    clamp(millicpus * (low ? SHARES_PER_CPU_REVOCABLE : SHARES_PER_CPU) / 1000,
					  SHARES_MIN, SHARES_MAX),
				    err);
	return cg_write_int(&p->cg.g, c->id, "cpu.weight",
			    clamp(millicpus * (low ? WEIGHT_PER_CPU_REVOCABLE : WEIGHT_PER_CPU) / 1000, WEIGHT_MIN,
				  WEIGHT_MAX),
			    err);
}

/* millicpus 0: no quota. */
static int set_quota(const struct cpu *p, const struct mz_container *c, int64_t millicpus, struct mz_err *err)
{
	int64_t quota_us = millicpus * PERIOD_US / 1000;
	char text[64];
	if (millicpus > 0 && quota_us < QUOTA_US_MIN)
		quota_us = QUOTA_US_MIN;
	if (p->cg.g.version == 2) {
		if (millicpus > 0)
			(void)snprintf(text, sizeof(text), "%lld %d", (long long)quota_us, PERIOD_US);
		else
			(void)snprintf(text, sizeof(text), "max %d", PERIOD_US);
		return cg_write(&p->cg.g, c->id, "cpu.max", text, err);
	}
	/* A group that never had a quota needs none taken away; the kernel may lack quotas. */
	if (millicpus <= 0) {
		int64_t now;
		if (cg_read_int(&p->cg.g, c->id, "cpu.cfs_quota_us", &now, NULL) < 0 || now < 0)
			return 0;
		return cg_write_int(&p->cg.g, c->id, "cpu.cfs_quota_us", -1, err);
	}
	int rc = cg_write_int(&p->cg.g, c->id, "cpu.cfs_period_us", PERIOD_US, err);
	return rc < 0 ? rc : cg_write_int(&p->cg.g, c->id, "cpu.cfs_quota_us", quota_us, err);
}

/* All containers are in one group, which would weigh no more than a single process
 * beside it. One that never sleeps then makes the others wait with it for the
 * group's turn. */
static int set_root_share(struct cpu *p, struct mz_err *err)
{
	const char *file = p->cg.g.version == 1 ? "cpu.shares" : "cpu.weight";
	int64_t cpus = p->root_cpus ? p->root_cpus : sysconf(_SC_NPROCESSORS_ONLN);
	if (p->root_done || !cg_has(&p->cg.g, NULL, file))
		return 0;
	int rc = p->cg.g.version == 1 ?
			 cg_write_int(&p->cg.g, NULL, file, clamp(cpus * SHARES_PER_CPU, SHARES_MIN, SHARES_MAX), err) :
			 cg_write_int(&p->cg.g, NULL, file, clamp(cpus * WEIGHT_PER_CPU, WEIGHT_MIN, WEIGHT_MAX), err);
	p->root_done = rc == 0;
	return rc;
}

/* Thousandths; 0: none. */
static int64_t quota_of(const struct cpu *p, const struct mz_container *c, int64_t request)
{
	return c->limit_cpus > 0 ? c->limit_cpus : c->limit_cpus == 0 && p->cfs ? request : 0;
}

static int set_limits(void *inst, const struct mz_container *c, struct mz_err *err)
{
	struct cpu *p = inst;
	int rc = set_root_share(p, err);
	if (rc < 0 || !c->resources)
		return rc;
	int64_t request = p->cg.k->resources->scalar(c->resources, "cpus");
	rc = set_share(p, c, request, err);
	return rc < 0 ? rc : set_quota(p, c, quota_of(p, c, request), err);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct cpu *p = inst;
	struct mz_err err;
	int rc = p->acct.version ? cgroups_join(&p->acct, c, l, &err) : 0;
	if (rc < 0)
		cgroups_answer(p->cg.h, op, rc, &err);
	else
		cgroups_prepare(inst, c, l, op);
}

/* ---- statistics ---------------------------------------------------------------- */

/* Sets `field` to the value of `key`, divided. */
static void put(const struct cpu *p, struct mz_usage *u, const char *text, const char *key, const char *field,
		double divisor)
{
	int64_t v;
	if (cg_key(text, key, &v) < 0)
		return;
	if (divisor > 0)
		(void)p->cg.k->usage->set_number(u, field, (double)v / divisor);
	else
		(void)p->cg.k->usage->set_integer(u, field, v);
}

static int measure(const struct cpu *p, const struct mz_container *c, struct mz_usage *u, struct mz_err *err)
{
	char text[4096];
	const struct cg *acct = p->acct.version ? &p->acct : &p->cg.g;
	int rc = cg_read(&p->cg.g, c->id, "cpu.stat", text, sizeof(text), err);
	if (rc < 0)
		return rc;
	put(p, u, text, "nr_periods", "cpus_nr_periods", 0);
	put(p, u, text, "nr_throttled", "cpus_nr_throttled", 0);
	put(p, u, text, "throttled_time", "cpus_throttled_time_secs", 1e9); /* v1 */
	put(p, u, text, "throttled_usec", "cpus_throttled_time_secs", 1e6); /* v2 */
	put(p, u, text, "user_usec", "cpus_user_time_secs", 1e6);
	put(p, u, text, "system_usec", "cpus_system_time_secs", 1e6);
	if (p->cg.g.version == 2)
		return 0;
	rc = cg_read(acct, c->id, "cpuacct.stat", text, sizeof(text), err);
	if (rc < 0)
		return rc;
	put(p, u, text, "user", "cpus_user_time_secs", (double)sysconf(_SC_CLK_TCK));
	put(p, u, text, "system", "cpus_system_time_secs", (double)sysconf(_SC_CLK_TCK));
	return 0;
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct cpu *p = inst;
	struct mz_err err;
	int has = cgroups_has(&p->cg.g, c), rc = has ? measure(p, c, u, &err) : 0;
	if (rc == 0 && has && c->resources) {
		int64_t request = p->cg.k->resources->scalar(c->resources, "cpus"), quota = quota_of(p, c, request);
		(void)p->cg.k->usage->set_number(u, "cpus_soft_limit", (double)request / 1000);
		if (quota > 0)
			(void)p->cg.k->usage->set_number(u, "cpus_limit", (double)quota / 1000);
	}
	cgroups_answer(p->cg.h, op, rc, &err);
}

/* ---- life ------------------------------------------------------------------------- */

static void recover(void *inst, const struct mz_container *const *containers, size_t n, struct mz_op *op)
{
	struct cpu *p = inst;
	struct mz_err err;
	cgroups_enable(&p->cg.g, containers, n);
	int rc = cg_remove_orphans(&p->cg.g, containers, n, &err);
	if (rc == 0 && p->acct.version)
		rc = cg_remove_orphans(&p->acct, containers, n, &err);
	cgroups_answer(p->cg.h, op, rc, &err);
}

/* First the group of acct, then that of cpu; the id is needed in between. */
struct cleaning {
	struct cpu *p;
	struct mz_op *op;
	char id[];
};

static void on_acct_removed(void *arg, const struct mz_err *err)
{
	struct cleaning *cl = arg;
	if (err)
		cl->p->cg.h->op_done(cl->op, err, NULL);
	else
		cg_remove_op(&cl->p->cg.g, cl->id, cl->op);
	free(cl);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct cpu *p = inst;
	if (!p->acct.version) {
		cg_remove_op(&p->cg.g, id, op);
		return;
	}
	struct cleaning *cl = malloc(sizeof(*cl) + strlen(id) + 1);
	if (!cl) {
		struct mz_err err = {.code = -ENOMEM, .msg = "Out of memory"};
		p->cg.h->op_done(op, &err, NULL);
		return;
	}
	cl->p = p;
	cl->op = op;
	memcpy(cl->id, id, strlen(id) + 1);
	cg_remove(&p->acct, id, on_acct_removed, cl);
}

static void destroy(void *inst)
{
	struct cpu *p = inst;
	if (p)
		cg_done(&p->acct);
	cgroups_destroy(inst);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct cpu *p = cgroups_new(sizeof(*p), h, err);
	if (!p)
		return -ENOMEM;
	p->cg.limit = set_limits;
	p->cfs = h->conf_int(conf, "cfs") != 0;
	p->low_revocable = h->conf_int(conf, "revocable_low_priority") != 0;
	p->root_cpus = h->conf_int(conf, "root_cpus");
	int rc = cgroups_find(&p->cg.g, h, "cpu", err);
	if (rc == 0 && p->cg.g.version == 1)
		rc = cgroups_find(&p->acct, h, "cpuacct", err);
	if (rc == 0 && !strcmp(p->acct.mount, p->cg.g.mount))
		p->acct.version = 0;
	return cgroups_created(p, rc, NULL, inst, err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BOOL, "cfs", "false", 0, 0, "A quota of what was requested, where no limit is set"),
	MZ_SETTING(BOOL, "revocable_low_priority", "true", 0, 0,
		   "Containers with revocable cpus get a hundredth of the usual share"),
	MZ_SETTING(INT, "root_cpus", "0", 0, 100000,
		   "Share of all containers together, beside what else runs on the machine, in cpus; 0: as many as it has"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = cgroups_flags,
	.recover = recover,
	.prepare = prepare,
	.update = cgroups_update,
	.usage = usage,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "cgroups_cpu",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Shares, quota and time of processors, by cgroups",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
