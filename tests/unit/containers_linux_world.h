/* containers_linux_world.h - see containers_linux_world.c. Steps are those of
 * tests/unit/steps_isolator.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_CONTAINERS_LINUX_WORLD_H
#define MZ_TESTS_CONTAINERS_LINUX_WORLD_H

#include "containers_world.h"

/* Steps: namespaces. */
#define PID "ns 0x20000000\n"
#define MNT "ns 0x20000\n"

extern const char *launcher, *more_settings; /* of the next life; the latter with a comma ahead */

/* A program cannot run here: its exit status; 0: it can. */
int cannot_run(const char *argv0);
/* A fresh life in *state; afterwards no cgroup may be left. */
int set_up(void **state);
int tear_down(void **state);
void life_begin(struct life *l);
void life_end(struct life *l);
struct run *launch_argv(struct life *l, const char *id, const char *steps, const char *user, const char *const *argv);
struct run *launch(struct life *l, const char *id, const char *steps, const char *script);
void terminate(struct life *l, struct run *r);
/* The container's cgroup, wherever it is killed by; "": of all. The caller frees. */
char *group_of(struct life *l, const char *id);
bool lives(int pid);
void until_dead(struct life *l, int pid);
int n_in(const char *path, bool folders);
/* No cgroup and no mount of ours. */
void assert_nothing_left(struct life *l);
/* A small root file system in `rootfs` with nothing but busybox in it; skips without one. */
void make_rootfs(void);
void put_number(const char *path, int number);
/* Of a container that runs under the launcher linux. */
int shim_of(const char *id);
/* Where its process may be put to be in the cgroup, in the container's or below. */
char *procs_of(const char *dir);
/* Begins another life with cgroup v2, which may be mounted beside v1; skips without it. */
void on_v2(struct life *l);

#endif
