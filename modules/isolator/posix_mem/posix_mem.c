/* posix_mem.c - isolator/posix_mem: measures the resident memory of a container's process tree.
 * It fences nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../proc_usage.h"

#include <stdlib.h>

void proc_usage_report(const struct mz_isolator_host *k, const struct mz_container *c,
		       const struct proc_totals *sum, struct mz_usage *u)
{
	(void)k->usage->set_integer(u, "mem_rss_bytes", sum->rss_bytes);
	if (!c->resources)
		return;
	/* Thousandths of a MB. */
	int64_t soft = k->resources->scalar(c->resources, "mem") * 1048576 / 1000;
	int64_t limit = c->limit_mem > 0 ? c->limit_mem * 1048576 / 1000 : soft;
	(void)k->usage->set_integer(u, "mem_soft_limit_bytes", soft);
	if (c->limit_mem >= 0)
		(void)k->usage->set_integer(u, "mem_limit_bytes", limit);
}

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = proc_usage_create,
	.destroy = proc_usage_destroy,
	.flags = proc_usage_flags,
	.usage = proc_usage,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "posix_mem",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Measures the memory of a container's processes",
	.ops = (const struct mz_ops *)&ops,
};
