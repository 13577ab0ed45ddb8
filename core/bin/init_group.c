/* init_group.c - mezzo-init: the cgroup by which a container is killed for certain,
 * on the v1 hierarchy of the freezer or on v2. Whoever forks faster than it is killed
 * stands still first (v1), or is killed by the kernel in one go (v2).
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bin/init.h"

enum { MAX_DEPTH = 64, MAX_FREEZE_TRIES = 100 };

int group_make(const char *path, struct init_failure *f)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	/* The folder between a container and what is nested in it; no more than that: a
	 * parent that is gone does not come back. */
	char up[4096];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : sizeof(up);
	if (errno == ENOENT && n < sizeof(up)) {
		memcpy(up, path, n);
		up[n] = '\0';
		if ((mkdir(up, 0755) == 0 || errno == EEXIST) && (mkdir(path, 0755) == 0 || errno == EEXIST))
			return 0;
	}
	return init_broken(f, "make the cgroup", path);
}

int64_t init_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until something is to be read from fd (-1: nothing ever is), but not for long: what we
 * wait for is not all that there is. */
static void wait_for(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	(void)poll(&p, 1, ms);
}

/* The process that was signalled last ends last, as a rule. */
static pid_t last_killed;

static void wait_for_last(int ms)
{
	int fd = pidfd_open(last_killed, 0);
	if (fd < 0 && errno == ESRCH)
		return;
	wait_for(fd, POLLIN, ms);
	if (fd >= 0)
		close(fd);
}

/* Nobody is in it any more: on v2 the kernel says so. On v1 it tells but one program of the
 * whole machine, its release agent. */
static void wait_until_empty(const char *path, int ms)
{
	char text[256];
	int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!read(fd, text, sizeof(text)); /* what changes after this is an event */
	wait_for(fd, POLLPRI, ms);
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
}

static int put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

/* SIGKILL to each number in the file; how many. */
static int kill_listed(int dir)
{
	char buf[4096];
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC), found = 0;
	pid_t pid = 0;
	ssize_t n;
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (buf[i] - '0');
				continue;
			}
			if (pid > 1) {
				kill(pid, SIGKILL);
				last_killed = pid;
				found++;
			}
			pid = 0;
		}
	if (fd >= 0)
		close(fd);
	return found;
}

static int remove_below(int dir, int depth);

struct entry { /* as getdents64 gives it */
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* Calls fn for each folder in `dir`, whatever a container has called it; the sum. */
static int each_below(int dir, int depth, int (*fn)(int dir, int depth))
{
	_Alignas(struct entry) char buf[1024];
	int found = 0;
	long n;
	while (depth < MAX_DEPTH && (n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			const struct entry *e = (const struct entry *)(buf + at);
			at += e->len;
			if (e->type != DT_DIR || !strcmp(e->name, ".") || !strcmp(e->name, ".."))
				continue;
			int fd = openat(dir, e->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
			if (fd < 0)
				continue;
			found += fn(fd, depth + 1);
			close(fd);
			if (fn == remove_below)
				(void)unlinkat(dir, e->name, AT_REMOVEDIR);
		}
	return found;
}

static int kill_tree(int dir, int depth)
{
	return kill_listed(dir) + each_below(dir, depth, kill_tree);
}

/* What a container has made below its group, it may have frozen: then it does not die. */
static int thaw_tree(int dir, int depth)
{
	(void)put(dir, "freezer.state", "THAWED");
	(void)lseek(dir, 0, SEEK_SET);
	return each_below(dir, depth, thaw_tree);
}

static int is_frozen(int dir)
{
	char state[16] = "";
	int fd = openat(dir, "freezer.state", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, state, sizeof(state) - 1);
	if (fd >= 0)
		close(fd);
	return n < 0 || !strncmp(state, "FROZEN", 6);
}

static int pass(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return 0;
	(void)put(dir, "cgroup.kill", "1");
	int freezes = put(dir, "freezer.state", "FROZEN") == 0;
	/* The kernel tells nobody: it looks whether all stand still when this is read. */
	for (int i = 0; freezes && i < MAX_FREEZE_TRIES && !is_frozen(dir); i++)
		wait_for(-1, 0, 1);
	int found = kill_tree(dir, 0);
	if (freezes)
		(void)thaw_tree(dir, 0);
	close(dir);
	return found;
}

int group_kill_once(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return 0;
	int found = kill_tree(dir, 0);
	close(dir);
	return found;
}

int group_is_frozen(const char *path)
{
	char state[16] = "";
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : openat(dir, "freezer.state", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, state, sizeof(state) - 1); /* v2 kills them as they are */
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return n > 2 && !strncmp(state, "FR", 2);
}

/* Who was killed is soon gone, and most containers are empty by now. The freezer is for
 * those that fork as fast as they die: they do not become fewer. */
int group_kill(const char *path, int64_t until_ms)
{
	int before = 0, shrinks = 0;
	for (int round = 0, ms = 10;; round++) {
		int freeze = round > (until_ms ? 0 : shrinks ? 8 : 2);
		int found = freeze ? pass(path) : group_kill_once(path);
		if (!found)
			return 0;
		if (until_ms && init_now_ms() > until_ms)
			return -1;
		shrinks = found < before;
		before = found;
		wait_for_last(ms);
		ms = ms < 50 ? ms * 2 : ms;
	}
}

/* What is in `dir`; the folders of a cgroup are all that can be removed there. */
static int remove_below(int dir, int depth)
{
	return each_below(dir, depth, remove_below);
}

/* On v2 isolators have their groups there as well, and processes live in this one
 * below: then it is theirs, to be looked at and removed in their cleanup. */
static int is_shared(const char *path)
{
	int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = dir >= 0 && faccessat(dir, "leaf", F_OK, 0) == 0;
	if (dir >= 0)
		close(dir);
	return rc;
}

void group_remove(const char *path)
{
	if (is_shared(path))
		return;
	/* The last process is gone before the kernel has put down all that it held. */
	for (int i = 0; i < 200; i++) {
		if (rmdir(path) == 0 || errno == ENOENT)
			return;
		int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0) {
			remove_below(dir, 0);
			close(dir);
		}
		if (rmdir(path) == 0 || errno == ENOENT)
			return;
		(void)group_kill(path, 0);
		wait_until_empty(path, i < 20 ? 1 : 25);
	}
}
