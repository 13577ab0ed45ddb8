/* proc_tree.h - what /proc says of a process and all that descends from it, or of some. Shared
 * by posix_cpu and posix_mem; blocking, for worker threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_PROC_TREE_H
#define MZ_ISOLATOR_PROC_TREE_H

#include <stddef.h>
#include <stdint.h>

struct proc_totals {
	int64_t n_processes, n_threads;
	double user_secs, system_secs; /* of the living, and of those they have waited for */
	int64_t rss_bytes;
};

/* Sums over the tree of `pid`; -ESRCH if it is gone. Processes that come and go
 * meanwhile are counted or not. */
int proc_totals(int32_t pid, struct proc_totals *ret);
/* Sums over these; -ESRCH if all are gone. */
int proc_totals_of(const int32_t *pids, size_t n, struct proc_totals *ret);

#endif
