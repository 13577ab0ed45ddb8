/* check_left.c - what is left of containers once all of them are cleaned up.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw */
#endif
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "check.h"

/* nftw has no argument for its function. */
static struct {
	const char *dir;
	struct buf *ret;
} walk;

/* Sandboxes are the agent's; the kit's disk is the kit's. A folder of the module's own, for
 * all containers, may stay. */
static int on_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	const char *below = path + strlen(walk.dir);
	if (ftw->level == 0 || str_starts(below, "/sandbox-") || strcmp(below, "/" KIT_JOURNAL) == 0)
		return 0;
	if (type == FTW_D && !strstr(below, "kit-1"))
		return 0;
	buf_addf(walk.ret, "file %s\n", below + 1);
	return 0;
}

static int on_group(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)ftw;
	if (type == FTW_D || type == FTW_DP)
		buf_addf(walk.ret, "cgroup %s\n", path);
	return 0;
}

static int on_dead_group(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)ftw;
	return type == FTW_DP ? rmdir(path) & 0 : 0;
}

/* Our root in each hierarchy that is mounted there, or in the one that it is itself. */
static void each_group(const char *dir, int (*fn)(const char *, const struct stat *, int, struct FTW *))
{
	const char *top = getenv("MZ_CGROUPS"), *root = strrchr(dir, '/') + 1;
	top = top ? top : "/sys/fs/cgroup";
	mz_autofree char *own = xasprintf("%s/%s", top, root);
	if (access(own, F_OK) == 0)
		nftw(own, fn, 16, FTW_DEPTH | FTW_PHYS);
	DIR *d = opendir(top);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		mz_autofree char *path = xasprintf("%s/%s/%s", top, e->d_name, root);
		if (e->d_type == DT_DIR && e->d_name[0] != '.' && strcmp(e->d_name, root) != 0 && access(path, F_OK) == 0)
			nftw(path, fn, 16, FTW_DEPTH | FTW_PHYS);
	}
	if (d)
		closedir(d);
}

static void find_mounts(const char *dir, struct buf *ret)
{
	char line[4096];
	mz_autofile FILE *f = fopen("/proc/self/mountinfo", "re");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, dir))
			buf_addf(ret, "mount %s", line);
}

void check_left(const char *dir, struct buf *ret)
{
	walk.dir = dir;
	walk.ret = ret;
	nftw(dir, on_entry, 16, FTW_PHYS);
	each_group(dir, on_group);
	find_mounts(dir, ret);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path) & 0;
}

void check_left_remove(const char *dir)
{
	each_group(dir, on_dead_group);
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
