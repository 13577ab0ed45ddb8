/* containers_linux_world.c - for containers_linux_test and containers_linux_end_test: an agent's
 * containers with the launcher linux, and an isolator that asks for what a test says.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "containers_linux_world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "module/containers_real.h"
#include "os/tree.h"

const char *launcher = "linux", *more_settings = "";

void life_begin(struct life *l)
{
	char text[700];
	life_open(l);
	snprintf(text, sizeof(text), "%s/tests/unit/steps_isolator.so", build);
	life_add(l, MZ_KIND_ISOLATOR, text, NULL);
	snprintf(text, sizeof(text), "{init: %s/core/bin/mezzo-init, launcher: %s%s}", build, launcher, more_settings);
	life_add(l, MZ_KIND_CONTAINERIZER, "mesos", text);
}

void life_end(struct life *l)
{
	until_idle(l);
	life_close(l);
}

struct run *launch_argv(struct life *l, const char *id, const char *steps, const char *user,
			       const char *const *argv)
{
	mz_autofree char *variable = xasprintf("STEPS=%s", steps);
	const char *const env[] = {"PATH=/usr/bin:/bin", variable, NULL};
	return run_launch(l, (struct container_config){.id = id, .user = user, .argv = argv, .env = env});
}

struct run *launch(struct life *l, const char *id, const char *steps, const char *script)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	return launch_argv(l, id, steps, NULL, argv);
}

void terminate(struct life *l, struct run *r)
{
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, r->id, &err), 0);
}

/* Our container's cgroup, wherever it is killed by. */
char *group_of(struct life *l, const char *id)
{
	return xasprintf("%s%s/%s%s%s", l->hierarchy, access("/sys/fs/cgroup/freezer", F_OK) || strlen(l->hierarchy) > 14 ?
			 "" : "/freezer", group, id[0] ? "/" : "", id);
}

/* Dead, but for a zombie that pid 1 of the machine has not taken yet. */
bool lives(int pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	const char *text = read_text(path), *s = strrchr(text, ')');
	return strcmp(text, "(none)") && s && s[2] != 'Z' && s[2] != 'X';
}

/* It has left its cgroup a moment before it counts as ended. */
void until_dead(struct life *l, int pid)
{
	while (lives(pid))
		loop_event_turn(l->loop, NS_PER_MS);
}

int n_in(const char *path, bool folders)
{
	int n = 0;
	DIR *d = opendir(path);
	struct dirent *e;
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.' && (!folders || e->d_type == DT_DIR);
	if (d)
		closedir(d);
	return n;
}

/* No cgroup and no mount of ours. */
void assert_nothing_left(struct life *l)
{
	mz_autofree char *dir = group_of(l, "");
	assert_int_equal(access(dir, F_OK), strcmp(launcher, "linux") ? -1 : 0);
	assert_int_equal(n_in(dir, true), 0);
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[4096];
	while (fgets(line, sizeof(line), f))
		assert_null(strstr(line, root));
	fclose(f);
}

int set_up(void **state)
{
	static struct life l;
	if (make_root("linux") < 0)
		return -1;
	l.hierarchy = "/sys/fs/cgroup";
	life_begin(&l);
	*state = &l;
	return 0;
}

int tear_down(void **state)
{
	struct life *l = *state;
	life_end(l);
	mz_autofree char *dir = group_of(l, "");
	if (access(dir, F_OK) == 0) {
		fprintf(stderr, "'%s' is left behind\n", dir);
		return -1;
	}
	return tree_remove(root, NULL);
}

/* A small root file system with nothing but busybox in it. */
void make_rootfs(void)
{
	const char *busybox = access("/bin/busybox", X_OK) == 0 ? "/bin/busybox" : "/usr/bin/busybox";
	if (access(busybox, X_OK) < 0)
		skip();
	mz_autofree char *script = xasprintf("set -e; mkdir -p %s/rootfs/bin %s/rootfs/etc; cp %s %s/rootfs/bin/busybox; "
					     "for i in sh cat ls id ps echo hostname mkdir touch readlink head sleep test; do "
					     "ln -s busybox %s/rootfs/bin/$i; done; ln -s ../../../../../../etc %s/rootfs/trap",
					     root, root, busybox, root, root, root);
	assert_int_equal(system(script), 0);
}

void put_number(const char *path, int number)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%d", number);
	assert_int_equal(fclose(f), 0);
}

int shim_of(const char *id)
{
	int pid = 0;
	assert_int_equal(sscanf(read_text(at("run/containers/%s", id)), "linux shim %d", &pid), 1);
	return pid;
}

char *procs_of(const char *dir)
{
	return xasprintf("%s/cgroup.procs", dir);
}

void on_v2(struct life *l)
{
	if (access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK) < 0)
		skip();
	life_end(l);
	l->hierarchy = "/sys/fs/cgroup/unified";
	life_begin(l);
}

int cannot_run(const char *argv0)
{
	if (geteuid() != 0 || (access("/sys/fs/cgroup/freezer/cgroup.procs", W_OK) < 0 &&
			       access("/sys/fs/cgroup/cgroup.kill", F_OK) < 0 && access("/sys/fs/cgroup/cgroup.procs", W_OK) < 0)) {
		puts("1..0 # SKIP needs root and cgroups");
		return 77;
	}
	log_set_level(MZ_LOG_ERROR);
	return find_build(argv0) ? 0 : 1;
}
