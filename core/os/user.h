/* user.h - users of this machine, and doing things with their rights. Blocking:
 * for worker threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_OS_USER_H
#define MZ_OS_USER_H

#include <mezzo/types.h>
#include <sys/types.h>

enum { USER_MAX_GROUPS = 64 };

struct user {
	uid_t uid;
	gid_t gid;
	int n_groups;
	gid_t groups[USER_MAX_GROUPS];
};

/* -ENOENT if there is no such user. */
int user_find(const char *name, struct user *ret, struct mz_err *err);

/* From here to user_restore this thread - and only it - reaches files with the
 * user's rights, and makes them his. The process must be root. */
struct user_saved {
	int n_groups;
	gid_t groups[256];
};
int user_assume(const struct user *u, struct user_saved *saved, struct mz_err *err);
void user_restore(const struct user_saved *saved);

#endif
