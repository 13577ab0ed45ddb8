/* host.h - what this machine has: resources an agent offers when it is told none,
 * and the identity of this boot. Blocking, cheap; called before the loop runs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_OS_HOST_H
#define MZ_OS_HOST_H

#include <mezzo/types.h>
#include <stdbool.h>
#include <stdint.h>

struct host_resources {
	int64_t n_cpus;	  /* at least 1 */
	int64_t mem_mb;	  /* what is left for tasks */
	int64_t disk_mb;  /* of the work dir's file system */
	int64_t mem_total_bytes, mem_free_bytes;
	double load[3]; /* 1, 5, 15 minutes */
};

/* Never fails: what cannot be found has the documented default (1 cpu, 1 GB of
 * memory, 10 GB of disk). Keeps back 1 GB of memory and 5 GB of disk where there is
 * more than twice that, else half. */
void host_resources(const char *work_dir, struct host_resources *ret);
/* "cpus:2;mem:2048;disk:10240;ports:[31000-32000]" and the scalars of `found` (same
 * syntax, or NULL) for whatever `given` (likewise) does not name. The caller frees. JSON text
 * is returned as it is. */
char *host_resources_text(const char *given, const char *found, const char *work_dir);

/* Changes with every boot; -errno with *err. The caller frees. */
int host_boot_id(char **ret, struct mz_err *err);
/* The name that others reach this machine by; never NULL; the caller frees. */
char *host_name(void);

/* Fraction of the file system of `path` in use, 0 to 1; 0 if it cannot be told. */
double host_disk_usage(const char *path);

#endif
