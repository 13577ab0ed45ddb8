/* check.h - what the files of mezzo-module-check share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_KIT_CHECK_H
#define MZ_KIT_CHECK_H

#include "kit_impl.h"

struct check {
	const char *file;
	const char *settings; /* YAML, or NULL */
	const char *page;     /* file, or NULL */
	const char *box;      /* YAML: what the containers of the checks are like, or NULL */
	struct module_desc desc;
	int n, n_failed;
};

/* One line of TAP. Returns `good`. */
bool check(struct check *c, bool good, const char *fmt, ...) MZ_PRINTF(3, 4);
/* Says why a check cannot run here. */
void check_skip(struct check *c, const char *why, const char *fmt, ...) MZ_PRINTF(3, 4);
void check_note(const char *fmt, ...) MZ_PRINTF(1, 2);
/* A fresh kit with the module in it; NULL and a failed check if that fails. */
struct mz_kit *check_kit(struct check *c, struct mz_kit_module **ret);
/* Waits for the op: completed in time; success or failure is the caller's matter. */
bool check_completes(struct check *c, struct mz_kit *k, struct mz_kit_op *r, const char *what);
/* The host found no breach of contract; frees the kit. */
void check_end(struct check *c, struct mz_kit *k, const char *what);

void check_elf(struct check *c);
void check_isolator(struct check *c);
/* check_crash.c: an isolator's agent is killed, or stops, at every point of a
 * container's life. */
void check_isolator_crash(struct check *c);
/* A container as -c describes it; else a plain one. NULL: as it is after the update. */
struct mz_container *check_box(struct check *c, struct mz_kit *k, const char *id);
const struct mz_resources *check_box_update(struct check *c, struct mz_kit *k);
/* Puts a process where the launch wants it: into its cgroups. */
void check_join(const struct mz_launch *l, pid_t pid);
/* check_left.c: a line for each cgroup, mount and file that is there because of a kit in
 * `dir`, but for sandboxes. remove: what can be removed is. */
void check_left(const char *dir, struct buf *ret);
void check_left_remove(const char *dir);
void check_store(struct check *c);
void check_allocator(struct check *c);
void check_containerizer(struct check *c);
void check_executor(struct check *c);
void check_authorizer(struct check *c);
void check_authenticator(struct check *c);
void check_elector(struct check *c);
void check_logger(struct check *c);

#endif
