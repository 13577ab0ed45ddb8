/* volume_guard.c - volumes that programs of the host would trust; see volume.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "volume_impl.h"

#include <errno.h>
#include <stdio.h>

struct guarded {
	struct by_id by;
	char id[];
};

int volume_guard_add(struct volume_jobs *jobs, const char *id)
{
	size_t size = strlen(id) + 1;
	if (by_id_find(&jobs->guarded, id))
		return 0;
	struct guarded *g = malloc(sizeof(*g) + size);
	if (!g)
		return -ENOMEM;
	memcpy(g->id, id, size);
	if (by_id_add(&jobs->guarded, &g->by, g->id) < 0) {
		free(g);
		return -ENOMEM;
	}
	return 0;
}

void volume_guard_drop(struct volume_jobs *jobs, const char *id)
{
	free(by_id_take(&jobs->guarded, id));
}

static int is_trusted(const char *path)
{
	static const char *const tops[] = {"/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32",
					   "/opt", "/root", "/run", "/sbin", "/usr", "/var"};
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
		if (volume_path_is_below(path, tops[i]))
			return !volume_path_is_below(path, "/var/tmp") && !volume_path_is_below(path, "/dev/shm");
	return 0;
}

/* Sandboxes lie below /var as well. */
int volume_guard_is_needed(const struct volumes *vs, const struct volume *v)
{
	return v->tasks && vs->c && v->target[0] == '/' && is_trusted(v->real_target) &&
	       !volume_path_is_below(v->real_target, vs->sandbox);
}

int volume_guard(struct volume_jobs *jobs, const struct mz_container *c, struct mz_launch *l)
{
	const struct mz_isolator_host *k = jobs->h->kind;
	int found = 0;
	if (!jobs->guarded.n || !c->user || !strcmp(c->user, "root"))
		return 0;
	char *id = strdup(c->id);
	if (!id)
		return -ENOMEM;
	for (char *dot = id; dot && !found; dot = strrchr(id, '.')) {
		if (dot != id)
			*dot = '\0';
		found = by_id_find(&jobs->guarded, id) != NULL;
	}
	free(id);
	return found ? k->launch_no_new_privs(l) : 0;
}

/* Where exactly its volumes were mounted is not known any more: rather too many. */
int volume_guard_recover(struct volume_jobs *jobs, const struct mz_container *c)
{
	const struct mz_isolator_host *k = jobs->h->kind;
	struct mz_res_volume disk;
	int found = 0;
	for (size_t i = 0; c->container && i < k->info->count(c->container, "volumes"); i++) {
		char path[64];
		snprintf(path, sizeof(path), "volumes.%zu.container_path", i);
		const char *target = k->info->str(c->container, path);
		found |= target && target[0] == '/' && !volume_path_is_below(target, "/tmp");
	}
	for (size_t i = 0; c->resources && i < k->resources->count(c->resources); i++)
		found |= k->resources->volume(c->resources, i, &disk) == 0 && disk.container_path[0] == '/';
	return found ? volume_guard_add(jobs, c->id) : 0;
}

void volume_guard_done(struct volume_jobs *jobs)
{
	for (struct by_id *g = by_id_empty(&jobs->guarded), *next; g; g = next) {
		next = g->next;
		free(g);
	}
}
