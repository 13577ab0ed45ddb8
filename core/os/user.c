/* user.c - looking up users, and a thread's rights on files; see user.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "os/user.h"

int user_find(const char *name, struct user *ret, struct mz_err *err)
{
	struct passwd pw, *found = NULL;
	char buf[16384];
	int rc = getpwnam_r(name, &pw, buf, sizeof(buf), &found);
	if (rc)
		return mz_fail(err, -rc, "Cannot look up the user '%s': %s", name, strerror(rc));
	if (!found)
		return mz_fail(err, -ENOENT, "There is no user '%s' on this machine", name);
	ret->uid = pw.pw_uid;
	ret->gid = pw.pw_gid;
	ret->n_groups = USER_MAX_GROUPS;
	if (getgrouplist(pw.pw_name, pw.pw_gid, ret->groups, &ret->n_groups) < 0)
		ret->n_groups = USER_MAX_GROUPS; /* the first of them */
	return 0;
}

/* The system calls themselves: libc's would change every thread. */
int user_assume(const struct user *u, struct user_saved *saved, struct mz_err *err)
{
	int n = getgroups((int)(sizeof(saved->groups) / sizeof(saved->groups[0])), saved->groups);
	if (n < 0 || syscall(SYS_setgroups, (long)u->n_groups, u->groups) < 0)
		return mz_fail(err, -errno, "Cannot take the groups of user %u: %s", u->uid, strerror(errno));
	saved->n_groups = n;
	syscall(SYS_setfsgid, u->gid);
	syscall(SYS_setfsuid, u->uid);
	/* These two do not tell whether they worked; asking again does. */
	if (syscall(SYS_setfsuid, -1) != (long)u->uid || syscall(SYS_setfsgid, -1) != (long)u->gid) {
		user_restore(saved);
		return mz_fail(err, -EPERM, "Cannot take the rights of user %u", u->uid);
	}
	return 0;
}

void user_restore(const struct user_saved *saved)
{
	syscall(SYS_setfsuid, geteuid());
	syscall(SYS_setfsgid, getegid());
	(void)syscall(SYS_setgroups, (long)saved->n_groups, saved->groups); /* they were ours before */
}
