/* containers_posix_world.h - containers_world.h without privilege: the launcher posix and its
 * isolators, containers that run a shell script.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_CONTAINERS_POSIX_WORLD_H
#define MZ_TESTS_CONTAINERS_POSIX_WORLD_H

#include "containers_world.h"

#include "base/mem.h"
#include "base/str.h"
#include "os/tree.h"

static void life_begin(struct life *l)
{
	mz_autofree char *yaml = xasprintf("{init: %s/core/bin/mezzo-init}", build);
	life_open(l);
	life_add(l, MZ_KIND_ISOLATOR, "posix_cpu", NULL);
	life_add(l, MZ_KIND_ISOLATOR, "posix_mem", NULL);
	life_add(l, MZ_KIND_ISOLATOR, "disk_du", "{interval: 10ms, enforce: true}");
	life_add(l, MZ_KIND_CONTAINERIZER, "mesos", yaml);
}

static struct run *launch_as(struct life *l, const char *id, const char *const *argv, const char *user,
			     const Mesos__V1__CommandInfo *cmd)
{
	static const char *const env[] = {"PATH=/usr/bin:/bin", "GREETING=hello", NULL};
	return run_launch(l, (struct container_config){.id = id, .user = user, .argv = argv, .env = env, .command = cmd});
}

static struct run *launch(struct life *l, const char *id, const char *script)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	return launch_as(l, id, argv, NULL, NULL);
}

static int set_up(void **state)
{
	static struct life l;
	if (make_root("containers") < 0)
		return -1;
	life_begin(&l);
	*state = &l;
	return 0;
}

static int tear_down(void **state)
{
	life_close(*state);
	return tree_remove(root, NULL);
}

#endif
