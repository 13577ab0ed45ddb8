/* namespaces.h - what isolators of namespaces do alike: they remember the first process of each
 * container, whose namespaces those that are nested in it may enter. Their instance begins
 * with struct namespaces, and the callbacks below are theirs. Static code for the modules of
 * this folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_NAMESPACES_H
#define MZ_ISOLATOR_NAMESPACES_H

#include "../lib/by_id.h"
#include "answer.h"

struct namespaces {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct by_id_table members;
};

struct ns_member {
	struct by_id by; /* first */
	int32_t pid;
	char id[];
};

static inline int ns_knows(const struct namespaces *n, const char *id)
{
	return by_id_find(&n->members, id) != NULL;
}

/* The parent's; 0: it has none, or it is not known. */
static inline int32_t ns_parent(const struct namespaces *n, const struct mz_container *c)
{
	const struct ns_member *m = c->parent ? (const struct ns_member *)by_id_find(&n->members, c->parent) : NULL;
	return m && m->pid > 0 ? m->pid : 0;
}

static inline int ns_remember(struct namespaces *n, const char *id, int32_t pid, struct mz_err *err)
{
	struct ns_member *m = (struct ns_member *)by_id_find(&n->members, id);
	if (!m) {
		size_t size = strlen(id) + 1;
		m = malloc(sizeof(*m) + size);
		if (!m)
			return iso_no_memory(err);
		memcpy(m->id, id, size);
		if (by_id_add(&n->members, &m->by, m->id) < 0) {
			free(m);
			return iso_no_memory(err);
		}
	}
	m->pid = pid;
	return 0;
}

static inline int ns_remember_all(struct namespaces *n, const struct mz_container *const *v, size_t n_v,
				  struct mz_err *err)
{
	int rc = 0;
	for (size_t i = 0; i < n_v && rc == 0; i++)
		rc = ns_remember(n, v[i]->id, v[i]->pid, err);
	return rc;
}

static inline void ns_forget(struct namespaces *n, const char *id)
{
	free(by_id_take(&n->members, id));
}

/* The launch gets a namespace of its own. */
static inline int ns_new(const struct namespaces *n, struct mz_launch *l, int flag, const char *what, struct mz_err *err)
{
	return iso_asked(n->k->launch_namespace(l, flag), what, err);
}

/* It enters the parent's, which is `name` in /proc/PID/ns. */
static inline int ns_enter(const struct namespaces *n, const struct mz_container *c, struct mz_launch *l, int flag,
			   const char *name, struct mz_err *err)
{
	char path[48];
	int32_t parent = ns_parent(n, c);
	if (!parent)
		return iso_error(err, -ESRCH, "The process of the parent, container %.150s, is not known",
				 c->parent ? c->parent : "");
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", parent, name);
	return iso_asked(n->k->launch_enter(l, flag, path), path, err);
}

/* ---- callbacks ------------------------------------------------------------------------ */

static inline uint32_t ns_flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT;
}

static inline void ns_isolate(void *inst, const struct mz_container *c, int32_t pid, struct mz_op *op)
{
	struct namespaces *n = inst;
	struct mz_err err;
	iso_end(n->h, op, ns_remember(n, c->id, pid, &err), &err);
}

static inline void ns_recover(void *inst, const struct mz_container *const *v, size_t n_v, struct mz_op *op)
{
	struct namespaces *n = inst;
	struct mz_err err;
	iso_end(n->h, op, ns_remember_all(n, v, n_v, &err), &err);
}

static inline void ns_cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct namespaces *n = inst;
	ns_forget(n, id);
	iso_end(n->h, op, 0, NULL);
}

static inline void ns_destroy(void *inst)
{
	struct namespaces *n = inst;
	for (struct by_id *b = n ? by_id_empty(&n->members) : NULL, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(n);
}

#endif
