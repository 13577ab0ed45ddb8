/* init_ids.c - mezzo-init: numbers of users and groups inside and outside of the container's user
 * namespace.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bin/init.h"

uint32_t init_inside(const struct init_launch *l, uint64_t gid, uint32_t id)
{
	size_t at = 0;
	const char *s;
	while ((s = init_next(l, &at, "I", NULL))) {
		uint64_t is_gid, inside, outside, n;
		if (text_number(&s, 10, &is_gid) < 0 || text_number(&s, 10, &inside) < 0 ||
		    text_number(&s, 10, &outside) < 0 || text_number(&s, 10, &n) < 0)
			break;
		if (is_gid == gid && id >= outside && id - outside < n)
			return (uint32_t)(id - outside + inside);
	}
	return id;
}

/* By the map of the parent, whose user namespace is ours. */
static uint32_t outside_parent(const struct init_launch *l, uint64_t gid, uint32_t id)
{
	struct text t;
	char map[4096];
	const char *s = l->parent_groups;
	uint64_t pid, inside, outside, n;
	if (text_number(&s, 10, &pid) < 0)
		return id;
	init_proc_path(&t, (pid_t)pid, gid ? "gid_map" : "uid_map");
	int fd = open(t.data, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, map, sizeof(map) - 1);
	if (fd >= 0)
		close(fd);
	map[size < 0 ? 0 : size] = '\0';
	for (s = map;;) {
		uint64_t *const to[] = {&inside, &outside, &n};
		for (int i = 0; i < 3; i++) {
			s += strspn(s, " ");
			if (text_number(&s, 10, to[i]) < 0)
				return id;
		}
		if (id >= inside && id - inside < n)
			return (uint32_t)(id - inside + outside);
	}
}

/* The number outside of one that is inside. */
static uint32_t outside(const struct init_launch *l, uint64_t gid, uint32_t id)
{
	size_t at = 0;
	const char *s;
	if (l->parent_groups && !(l->namespaces & CLONE_NEWUSER))
		return outside_parent(l, gid, id);
	while ((s = init_next(l, &at, "I", NULL))) {
		uint64_t is_gid, first, to, n;
		if (text_number(&s, 10, &is_gid) < 0 || text_number(&s, 10, &first) < 0 || text_number(&s, 10, &to) < 0 ||
		    text_number(&s, 10, &n) < 0)
			break;
		if (is_gid == gid && id >= first && id - first < n)
			return (uint32_t)(id - first + to);
	}
	return id;
}

int init_who(const struct init_launch *l, uid_t *uid, gid_t *gid)
{
	uid_t own_uid = (uid_t)syscall(SYS_geteuid);
	gid_t own_gid = (gid_t)syscall(SYS_getegid);
	*uid = own_uid;
	*gid = own_gid;
	if (l->switch_user || l->has_map || l->parent_groups) {
		*uid = outside(l, 0, init_inside(l, 0, l->switch_user ? l->uid : 0));
		*gid = outside(l, 1, init_inside(l, 1, l->switch_user ? l->gid : 0));
	}
	return *uid != own_uid || *gid != own_gid;
}

gid_t init_group_outside(const struct init_launch *l, gid_t gid)
{
	return outside(l, 1, init_inside(l, 1, gid));
}
