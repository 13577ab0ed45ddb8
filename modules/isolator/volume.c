/* volume.c - see volume.h. How paths are followed is in volume_path.c, what is mounted where in
 * volume_find.c, and what of it is dangerous in volume_guard.c.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "volume_impl.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

struct volumes *volumes_new(struct volume_jobs *jobs, const char *sandbox)
{
	struct volumes *vs = calloc(1, sizeof(*vs));
	if (!vs)
		return NULL;
	vs->sandbox = strdup(sandbox);
	if (!vs->sandbox) {
		free(vs);
		return NULL;
	}
	vs->jobs = jobs;
	vs->next = jobs->first;
	jobs->first = vs;
	return vs;
}

struct volume *volumes_add(struct volumes *vs, const char *what, size_t i)
{
	struct volume *v = realloc(vs->v, (vs->n + 1) * sizeof(*v));
	if (!v)
		return NULL;
	vs->v = v;
	v += vs->n++;
	memset(v, 0, sizeof(*v));
	snprintf(v->field, sizeof(v->field), "%.50s[%zu]", what, i);
	v->source_field = "source";
	return v;
}

void volumes_free(struct volumes *vs)
{
	if (!vs)
		return;
	struct volumes **at = &vs->jobs->first;
	while (*at && *at != vs)
		at = &(*at)->next;
	if (*at)
		*at = vs->next;
	for (size_t i = 0; i < vs->n; i++) {
		free(vs->v[i].base);
		free(vs->v[i].top);
		free(vs->v[i].source);
		free(vs->v[i].target);
		free(vs->v[i].real_source);
		free(vs->v[i].real_target);
	}
	free(vs->v);
	free(vs->sandbox);
	free(vs);
}

int volumes_work(struct volumes *vs)
{
	int rc = 0;
	for (size_t i = 0; i < vs->n && rc == 0; i++) {
		struct volume *v = &vs->v[i];
		if (!v->source || !v->target)
			return volume_fail(&vs->err, -ENOMEM, "Out of memory");
		rc = v->unlink ? volume_take_link(vs, v) : volume_find_source(vs, v);
		if (rc == 0 && !v->unlink)
			rc = v->link ? volume_make_link(vs, v) : volume_find_target(vs, v);
	}
	return rc;
}

static void work(void *arg)
{
	(void)volumes_work(arg); /* what went wrong is in ->err */
}

static int ask(struct volumes *vs)
{
	const struct mz_isolator_host *k = vs->jobs->h->kind;
	int guarded = 0;
	for (size_t i = 0; i < vs->n; i++) {
		const struct volume *v = &vs->v[i];
		if (v->link || v->unlink)
			continue;
		const struct mz_mount m = {
			.size = sizeof(m),
			.flags = v->flags,
			.source = v->real_source,
			.target = v->real_target,
			.target_is_file = v->is_file,
			.recursive = v->recursive,
			.no_symlinks = 1,
			.make_target = v->make_target,
		};
		int rc = k->launch_mount(vs->l, &m);
		if (rc < 0)
			return volume_fail(&vs->err, rc, "%s: the mount cannot be asked for: %s", v->field, volume_errno(rc));
		guarded |= volume_guard_is_needed(vs, v);
	}
	int rc = guarded ? volume_guard_add(vs->jobs, vs->c->id) : 0;
	if (rc == 0 && guarded)
		rc = volume_guard(vs->jobs, vs->c, vs->l);
	if (rc < 0)
		return volume_fail(&vs->err, rc, "no_new_privs cannot be asked for: %s", volume_errno(rc));
	return vs->jobs->more ? vs->jobs->more(vs, &vs->err) : 0;
}

static void on_worked(void *arg)
{
	struct volumes *vs = arg;
	const struct mz_host *h = vs->jobs->h;
	if (!vs->err.code)
		(void)ask(vs);
	h->op_done(vs->op, vs->err.code ? &vs->err : NULL, NULL);
	volumes_free(vs);
}

void volumes_prepare(struct volumes *vs, struct mz_launch *l, struct mz_op *op)
{
	const struct mz_host *h = vs->jobs->h;
	const struct mz_isolator_host *k = h->kind;
	vs->l = l;
	vs->op = op;
	/* Without `l` it is no launch, but a change of links while the container runs. */
	vs->own_root = l && k->size > offsetof(struct mz_isolator_host, launch_has_rootfs) && k->launch_has_rootfs &&
		       k->launch_has_rootfs(l);
	if (vs->n == 0) {
		on_worked(vs);
	} else if (h->offload(h, work, on_worked, vs) < 0) {
		volume_fail(&vs->err, -EAGAIN, "The agent has too much work waiting to look at volumes");
		on_worked(vs);
	}
}

void volumes_prepare_listed(struct volume_jobs *jobs, const struct mz_container *c, struct mz_launch *l, struct mz_op *op,
			    volume_add_fn add, void *arg)
{
	const struct mz_isolator_host *k = jobs->h->kind;
	struct mz_err err;
	int rc = 0;
	size_t n = c->container && c->sandbox && c->container_class != MZ_CONTAINER_DEBUG
			   ? k->info->count(c->container, "volumes")
			   : 0;
	struct volumes *vs = n ? volumes_new(jobs, c->sandbox) : NULL;
	if (n && !vs)
		rc = volume_fail(&err, -ENOMEM, "Out of memory");
	for (size_t i = 0; vs && i < n && rc == 0; i++)
		rc = add(arg, c, vs, i, &err);
	if (vs && rc == 0) {
		vs->c = c;
		volumes_prepare(vs, l, op);
		return;
	}
	volumes_free(vs);
	jobs->h->op_done(op, rc < 0 ? &err : NULL, NULL);
}

/* The host has waited for running work; its done() will not be called. */
void volume_jobs_done(struct volume_jobs *jobs)
{
	while (jobs->first)
		volumes_free(jobs->first);
	volume_guard_done(jobs);
}
