/* disk.h - a simulated disk: the records of one daemon, in memory, that outlive
 * its process. A batch takes a drawn time; when the process ends before it is
 * done, it has happened as a whole or not at all.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_DISK_H
#define MZ_SIM_DISK_H

#include "sim/sim.h"
#include "store/store.h"

struct sim_disk;

struct sim_disk *sim_disk_new(struct sim *s, int64_t mean_ns, unsigned slow_permille);
void sim_disk_free(struct sim_disk *d);
/* For one process. After its store has been freed: sim_disk_detach. */
struct store_backend *sim_disk_attach(struct sim_disk *d, struct sim_node *n);
/* The process is gone: what was being written is decided now. */
void sim_disk_detach(struct sim_disk *d);
/* Is there a record below the prefix that contains these bytes? */
bool sim_disk_has(const struct sim_disk *d, const char *prefix, const void *bytes, size_t size);
/* Records below the prefix; the first one's key in *ret_key if it is not NULL. */
size_t sim_disk_count(const struct sim_disk *d, const char *prefix, const char **ret_key);

#endif
