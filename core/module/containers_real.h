/* containers_real.h - struct containers (agent/containers.h) of this machine: makes
 * and fills sandboxes, and runs containers through containerizer and isolator modules.
 *
 *	containers_real_new()            gives both kinds their services
 *	module_load() of each isolator, of the logger, then of each containerizer, and
 *	containers_real_add() for each, in the configured order; once for a secret resolver
 *	… use …
 *	containers_real_free()           before the registry; running containers stay
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULE_CONTAINERS_REAL_H
#define MZ_MODULE_CONTAINERS_REAL_H

#include <stdbool.h>

#include "module/containers.h"
#include "module/module.h"

struct containers_real_config {
	struct loop *loop;
	struct module_registry *registry;
	const char *work_dir;	 /* absolute; exists */
	const char *runtime_dir; /* is made; its parent exists */
	const char *libexec_dir; /* of mezzo-init and mezzo-executor */
	bool switch_user;	 /* only root can */
	const char *cgroups_hierarchy; /* NULL: /sys/fs/cgroup */
	const char *cgroups_root;      /* NULL: mezzo */
	int64_t isolator_deadline_ns; /* of one call; 0: 5 minutes */
	const char *frameworks_home;   /* of URIs that are relative paths; NULL: they are refused */
	/* What URIs may put into one sandbox, how long they may send nothing, and how
	 * long all of it may take. 0: no limit. */
	int64_t fetch_max_bytes, fetch_max_entries, fetch_stall_ns, fetch_timeout_ns;
};

int containers_real_new(const struct containers_real_config *cfg, struct containers **ret, struct mz_err *err);
/* A loaded isolator, logger or containerizer; it stays the registry's. */
void containers_real_add(struct containers *c, struct module *m);
/* A directory that executors need in their containers; before the isolators are loaded. */
void containers_real_executor_path(struct containers *c, const char *path);
/* What the isolators have found, "gpus:4;…"; "" if nothing. The caller frees. */
char *containers_real_resources(struct containers *c);
void containers_real_free(struct containers *c);

#endif
