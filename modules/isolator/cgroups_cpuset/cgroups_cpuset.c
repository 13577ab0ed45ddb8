/* cgroups_cpuset.c - isolator/cgroups_cpuset: the processors and memory nodes that
 * containers run on. It has no policy of pinning: all containers get the same.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <stdlib.h>

#include "../../lib/cgroup_isolator.h"

struct cpuset {
	struct cgroups cg; /* first member */
	char cpus[512], mems[512]; /* "": as the group above */
};

/* Nested ones have what their parents have. */
static int set_lists(void *inst, const struct mz_container *c, struct mz_err *err)
{
	const struct cpuset *p = inst;
	int rc = 0;
	if (!c->parent && *p->cpus)
		rc = cg_write(&p->cg.g, c->id, "cpuset.cpus", p->cpus, err);
	if (rc == 0 && !c->parent && *p->mems)
		rc = cg_write(&p->cg.g, c->id, "cpuset.mems", p->mems, err);
	return rc;
}

/* "0-3,8"; the kernel has the last word about the numbers. */
static int take_list(const struct mz_host *h, const struct mz_conf *conf, const char *name, char *out, size_t size,
		     struct mz_err *err)
{
	const char *v = h->conf_str(conf, name);
	if (strlen(v) >= size || strspn(v, "0123456789,-") != strlen(v))
		return cg_fail(err, -EINVAL, "The setting '%s' is no list of numbers like 0-3,8", name);
	(void)strcpy(out, v);
	return 0;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct cpuset *p = cgroups_new(sizeof(*p), h, err);
	if (!p)
		return -ENOMEM;
	p->cg.limit = set_lists;
	int rc = take_list(h, conf, "cpus", p->cpus, sizeof(p->cpus), err);
	if (rc == 0)
		rc = take_list(h, conf, "mems", p->mems, sizeof(p->mems), err);
	return cgroups_created(p, rc, "cpuset", inst, err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(STRING, "cpus", "", 0, 0, "Processors that containers run on, as 0-3,8; empty: all"),
	MZ_SETTING(STRING, "mems", "", 0, 0, "Memory nodes that they use; empty: all"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = cgroups_destroy,
	.flags = cgroups_flags,
	.recover = cgroups_recover,
	.prepare = cgroups_prepare,
	.cleanup = cgroups_cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "cgroups_cpuset",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Processors and memory nodes of containers, by cgroups",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
