/* posix_cpu.c - isolator/posix_cpu: measures the cpu time of a container's process tree.
 * It fences nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../proc_usage.h"

#include <stdlib.h>

void proc_usage_report(const struct mz_isolator_host *k, const struct mz_container *c,
		       const struct proc_totals *sum, struct mz_usage *u)
{
	(void)k->usage->set_number(u, "cpus_user_time_secs", sum->user_secs);
	(void)k->usage->set_number(u, "cpus_system_time_secs", sum->system_secs);
	(void)k->usage->set_integer(u, "processes", sum->n_processes);
	(void)k->usage->set_integer(u, "threads", sum->n_threads);
	if (c->resources)
		(void)k->usage->set_number(u, "cpus_soft_limit",
					   (double)k->resources->scalar(c->resources, "cpus") / 1000);
	if (c->limit_cpus > 0)
		(void)k->usage->set_number(u, "cpus_limit", (double)c->limit_cpus / 1000);
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
	.name = "posix_cpu",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Measures the cpu time of a container's processes",
	.ops = (const struct mz_ops *)&ops,
};
