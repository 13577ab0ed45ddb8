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

/* Has it a group of its own? One that was launched before the operator configured the
 * isolator has none where the others have theirs: it is neither limited nor measured. */
static inline int cgroups_has(const struct cg *g, const struct mz_container *c)
{
	return cg_owns(c) && cg_exists(g, c->id);
}

static inline void cgroups_answer(const struct mz_host *h, struct mz_op *op, int rc, const struct mz_err *err)
{
	h->op_done(op, rc < 0 ? err : NULL, NULL);
}

/* ---- of an instance that begins with a struct cgroups ---------------------------- */

struct cgroups {
	struct cg g; /* first member */
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	/* Each may be NULL: there is nothing to do.
	 * Writes what holds for the container to its group; it has one of its own. */
	int (*limit)(void *inst, const struct mz_container *c, struct mz_err *err);
	/* After a restart: one that lives on. */
	int (*found)(void *inst, const struct mz_container *c, struct mz_err *err);
	/* Forgets it; it may not be known. */
	void (*drop)(void *inst, const char *id);
};

/* A zeroed instance of that size; NULL: out of memory. */
static inline void *cgroups_new(size_t size, const struct mz_host *h, struct mz_err *err)
{
	struct cgroups *p = (struct cgroups *)calloc(1, size);
	if (p) {
		p->h = h;
		p->k = (const struct mz_isolator_host *)h->kind;
	} else {
		(void)cg_fail(err, -ENOMEM, "Out of memory");
	}
	return p;
}

/* The end of create: rc is what it has come to so far; then the controller is looked for, unless that is NULL. */
static inline int cgroups_created(void *inst, int rc, const char *controller, void **ret_inst, struct mz_err *err)
{
	struct cgroups *p = (struct cgroups *)inst;
	if (rc == 0 && controller)
		rc = cgroups_find(&p->g, p->h, controller, err);
	if (rc == 0)
		*ret_inst = inst;
	else
		free(inst);
	return rc;
}

static inline void cgroups_prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct cgroups *p = (struct cgroups *)inst;
	struct mz_err err;
	int rc = cgroups_join(&p->g, c, l, &err);
	if (rc == 0 && p->limit && cg_owns(c))
		rc = p->limit(inst, c, &err);
	cgroups_answer(p->h, op, rc, &err);
}

static inline void cgroups_update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct cgroups *p = (struct cgroups *)inst;
	struct mz_err err;
	cgroups_answer(p->h, op, cgroups_has(&p->g, c) ? p->limit(inst, c, &err) : 0, &err);
}

/* On v2 a group is there if any isolator made it: it gets this one's controller as well. */
static inline void cgroups_enable(struct cg *g, const struct mz_container *const *containers, size_t n)
{
	struct mz_err err;
	for (size_t i = 0; i < n && g->version == 2; i++)
		if (cgroups_has(g, containers[i]) && cg_make(g, containers[i]->id, &err) < 0)
			cg_log(g->h, MZ_LOG_WARNING, "Container '%s' is not limited: %s", containers[i]->id, err.msg);
}

static inline void cgroups_recover(void *inst, const struct mz_container *const *containers, size_t n, struct mz_op *op)
{
	struct cgroups *p = (struct cgroups *)inst;
	struct mz_err err;
	int rc = 0;
	cgroups_enable(&p->g, containers, n);
	for (size_t i = 0; i < n && rc == 0 && p->found; i++)
		rc = p->found(inst, containers[i], &err);
	if (rc == 0)
		rc = cg_remove_orphans(&p->g, containers, n, &err);
	cgroups_answer(p->h, op, rc, &err);
}

static inline void cgroups_cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct cgroups *p = (struct cgroups *)inst;
	if (p->drop)
		p->drop(inst, id);
	cg_remove_op(&p->g, id, op);
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
