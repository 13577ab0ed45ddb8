/* proc_usage.h - the instance of an isolator that does nothing but measure a
 * container's process tree: all of posix_cpu and posix_mem but what they report.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_PROC_USAGE_H
#define MZ_ISOLATOR_PROC_USAGE_H

#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include "proc_tree.h"

/* Fills `u` in; `k` are the services of the kind. The module defines it. */
void proc_usage_report(const struct mz_isolator_host *k, const struct mz_container *c,
		       const struct proc_totals *sum, struct mz_usage *u);

/* Callbacks of struct mz_isolator_ops. */
int proc_usage_create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err);
void proc_usage_destroy(void *inst);
uint32_t proc_usage_flags(void *inst);
void proc_usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op);

#endif
