/* orphan_world.h - for the isolators' unit tests, as root: a group as the launcher linux makes
 * them, with a process in it and another one that does not descend from it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_ORPHAN_WORLD_H
#define MZ_ISOLATOR_ORPHAN_WORLD_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cgroup.h"

static struct {
	struct cg g;
	char root[64], path[CG_PATH_SIZE];
	pid_t first, orphan;
} orphans;

static inline void orphan_run(const char *procs, int pipe, int is_orphan, void (*fn)(int pipe, int is_orphan))
{
	if (cg_write_path(procs, "0", NULL) < 0)
		_exit(1);
	if (is_orphan && fork() != 0)
		_exit(0); /* its parent is gone now */
	pid_t own = getpid();
	(void)setsid();
	if (write(pipe, &own, sizeof(own)) == sizeof(own))
		fn(pipe, is_orphan);
	_exit(1);
}

/* Both processes run `fn`, which writes a byte to the pipe when it is ready, and does not
 * return. Skips without root or a hierarchy. */
static inline void orphans_start(const char *id, void (*fn)(int pipe, int is_orphan))
{
	char procs[CG_PATH_SIZE + 16], byte;
	struct mz_err err = {0};
	int fds[2];
	(void)snprintf(orphans.root, sizeof(orphans.root), "mezzo-test-%d", (int)getpid());
	if (geteuid() != 0 || cg_find(&orphans.g, NULL, "/sys/fs/cgroup", orphans.root, "freezer", &err) < 0 ||
	    access(orphans.g.mount, W_OK) < 0) {
		print_message("# SKIP not root, or no hierarchy of cgroups: %s\n", err.msg);
		skip();
	}
	if (cg_make(&orphans.g, id, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(cg_procs_path(&orphans.g, id, orphans.path), 0);
	(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", orphans.path);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* so that it can be waited for */
	for (int is_orphan = 0; is_orphan < 2; is_orphan++) {
		pid_t pid = fork();
		if (pid == 0)
			orphan_run(procs, fds[1], is_orphan, fn);
		assert_int_equal(read(fds[0], is_orphan ? &orphans.orphan : &orphans.first, sizeof(pid_t)), sizeof(pid_t));
		assert_int_equal(read(fds[0], &byte, 1), 1);
		if (is_orphan)
			assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static inline void orphans_end(const char *id)
{
	char path[CG_PATH_SIZE];
	(void)kill(orphans.first, SIGKILL);
	(void)kill(orphans.orphan, SIGKILL);
	assert_int_equal(waitpid(orphans.first, NULL, 0), orphans.first);
	assert_int_equal(waitpid(orphans.orphan, NULL, 0), orphans.orphan);
	assert_int_equal(cg_path(&orphans.g, id, path), 0);
	for (int i = 0; i < 500 && rmdir(orphans.path) < 0 && errno == EBUSY; i++)
		(void)poll(NULL, 0, 10);
	(void)rmdir(path);
	assert_int_equal(cg_path(&orphans.g, NULL, path), 0);
	assert_int_equal(rmdir(path), 0);
}

#endif
