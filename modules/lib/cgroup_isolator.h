/* cgroup_isolator.h - what all isolator/cgroups_* modules do alike: find their controller,
 * put a container into its group, answer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_CGROUP_ISOLATOR_H
#define MZ_MODULES_LIB_CGROUP_ISOLATOR_H

#include <mezzo/isolator.h>

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"

/* cg_find with the operator's settings. */
static inline int cgroups_find(struct cg *g, const struct mz_host *h, const char *controller, struct mz_err *err)
{
	const struct mz_isolator_host *k = h->kind;
	memset(g, 0, sizeof(*g));
	if (k->size < offsetof(struct mz_isolator_host, cgroups_root) + sizeof(k->cgroups_root) ||
	    !k->cgroups_hierarchy || !k->cgroups_root)
		return cg_fail(err, -ENOSYS, "The agent does not say where cgroups are");
	return cg_find(g, h, k->cgroups_hierarchy(h), k->cgroups_root(h), controller, err);
}

/* Makes the container's group, and has it start there; one that shares an ancestor's
 * starts in that. */
static inline int cgroups_join(struct cg *g, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	const struct mz_isolator_host *k = g->h->kind;
	char id[CG_PATH_SIZE], path[CG_PATH_SIZE];
	cg_owner(g, c, id);
	int rc = cg_owns(c) ? cg_make(g, c->id, err) : 0;
	if (rc < 0)
		return rc;
	rc = cg_procs_path(g, id, path);
	if (rc == 0)
		rc = k->launch_cgroup(l, path);
	return rc < 0 ? cg_fail(err, rc, "Container '%s' cannot start in the cgroup %s: %s", c->id, path,
				strerror(-rc))
		      : 0;
}

static inline void cgroups_answer(const struct mz_host *h, struct mz_op *op, int rc, const struct mz_err *err)
{
	h->op_done(op, rc < 0 ? err : NULL, NULL);
}

/* ---- of an instance that begins with its struct cg ------------------------------- */

static inline void cgroups_recover(void *inst, const struct mz_container *const *containers, size_t n, struct mz_op *op)
{
	struct cg *g = (struct cg *)inst;
	struct mz_err err;
	cgroups_answer(g->h, op, cg_remove_orphans(g, containers, n, &err), &err);
}

static inline void cgroups_cleanup(void *inst, const char *id, struct mz_op *op)
{
	cg_remove_op((struct cg *)inst, id, op);
}

static inline void cgroups_destroy(void *inst)
{
	if (inst)
		cg_done((struct cg *)inst);
	free(inst);
}

/* Of any instance. */
static inline uint32_t cgroups_flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_ROOT | MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE;
}

#endif
