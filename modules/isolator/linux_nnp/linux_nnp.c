/* linux_nnp.c - isolator/linux_nnp: no process of a container gains privileges by exec.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../answer.h"

struct nnp {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
};

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct nnp *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct nnp){.h = h, .k = h->kind};
	*inst = p;
	return 0;
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct nnp *p = inst;
	struct mz_err err;
	(void)c;
	iso_end(p->h, op, iso_asked(p->k->launch_no_new_privs(l), "no_new_privs", &err), &err);
}

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = free,
	.flags = flags,
	.prepare = prepare,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "linux_nnp",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Containers gain no privileges by exec",
	.ops = (const struct mz_ops *)&ops,
};
