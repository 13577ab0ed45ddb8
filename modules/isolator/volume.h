/* volume.h - what the isolators that mount something share: paths that are opened
 * and made with care on a worker thread, and the mounts that are then asked for.
 *
 * The source of a volume lies below a base directory and is reached without a
 * symbolic link, or is any path whose real place is below one that the operator
 * allows. What is mounted is the path that was opened, by its real name, and a link
 * that appears in it later fails the launch. Targets likewise; where the container has
 * a root file system of its own, an absolute one is looked up, and made, in that.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_VOLUME_H
#define MZ_ISOLATOR_VOLUME_H

#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>
#include <sys/types.h>

#include "../lib/by_id.h"

struct volume {
	char field[80]; /* where it was asked for: "container.volumes[2]" */
	const char *source_field; /* "host_path": behind `field` in errors */
	char *base;	/* absolute; NULL: source is absolute, and `allowed` counts */
	char *top;	/* on the way to it, base may be reached over links; NULL: the work dir */
	char *source;
	const char *const *allowed; /* NULL-ended real paths; NULL: all are */
	char *target;	/* container_path */
	uint32_t flags; /* of struct mz_mount */
	int make;	/* the source, a directory, if it is missing */
	int make_base;	/* and the base, as root's own */
	int own;	/* the source is given to the sandbox's owner */
	int unlink;	/* only: take the link at target away again */
	int link;	/* a symbolic link in the sandbox instead of a mount */
	int recursive;
	int tasks;	/* what is in the source is the task's doing */
	/* Outcome. */
	int is_file, make_target;
	char *real_source, *real_target;
};

/* Volumes of one container. */
struct volumes {
	struct volumes *next;
	struct volume_jobs *jobs;
	struct volume *v;
	size_t n;
	char *sandbox;
	struct mz_launch *l;
	int own_root; /* the container's paths are not the host's, but for the sandbox's */
	struct mz_op *op;
	struct mz_err err;
	void *arg; /* the isolator's own */
	const struct mz_container *c; /* for volumes that are `tasks`; lives as long as op */
};

/* Those that are being worked on, of one instance. */
struct volume_jobs {
	const struct mz_host *h;
	struct volumes *first;
	/* More to ask of the launch before the op is completed; may be NULL. */
	int (*more)(struct volumes *vs, struct mz_err *err);
	struct by_id_table guarded; /* see volume_guard */
};

__attribute__((format(printf, 3, 4))) int volume_fail(struct mz_err *err, int code, const char *fmt, ...);
const char *volume_errno(int code); /* text of a positive or negative errno */

/* "a/b": not empty, not absolute, no "..". */
int volume_path_is_inner(const char *path);
/* Is `path` the directory `top` or below it? Both without trailing slashes. */
int volume_path_is_below(const char *path, const char *top);
/* `path`, without empty components and ".", behind `top`, which may be empty. The caller
 * frees it; NULL: out of memory. */
char *volume_path_join(const char *top, const char *path);
/* Below a directory, through no link. mode 0: it must exist; else it and what leads to
 * it is made, as directories that belong to uid and gid. An O_PATH descriptor. */
int volume_open(int dir, const char *path, mode_t mode, uid_t uid, gid_t gid);
/* Any path, with RESOLVE_* of openat2; no magic link. An O_PATH descriptor. */
int volume_open_any(int dir, const char *path, uint64_t resolve);
/* Where a descriptor is; NULL: out of memory, or it was removed. */
char *volume_path_of(int fd);

/* One for `sandbox`, which is copied; NULL: out of memory. */
struct volumes *volumes_new(struct volume_jobs *jobs, const char *sandbox);
/* Room for one more, zeroed, with `field` "WHAT[I]"; NULL: out of memory. */
struct volume *volumes_add(struct volumes *vs, const char *what, size_t i);
void volumes_free(struct volumes *vs);
/* Opens and makes everything, asks `l` for the mounts, completes op, frees vs. */
void volumes_prepare(struct volumes *vs, struct mz_launch *l, struct mz_op *op);
/* prepare of those whose volumes are in ContainerInfo: `add` is asked to add volume i, if it is
 * one of theirs. */
typedef int (*volume_add_fn)(void *arg, const struct mz_container *c, struct volumes *vs, size_t i, struct mz_err *err);
void volumes_prepare_listed(struct volume_jobs *jobs, const struct mz_container *c, struct mz_launch *l, struct mz_op *op,
			    volume_add_fn add, void *arg);
/* Opens and makes everything, here and now (worker threads, tests). */
int volumes_work(struct volumes *vs);
/* A task whose own files stand in the place of the host's /etc, of its libraries and so on could
 * have a set-user-id program of the host believe what they say, and become root. Such a
 * container, and what is nested in it, gains no rights by executing a program (no_new_privs),
 * unless it is root's anyway.
 *
 * volume_guard is for prepare, of every container: it asks that of the launch if an ancestor is
 * such a one; for the container's own volumes volumes_prepare does. volume_guard_recover takes
 * one that was found after a restart. -ENOMEM, or what the launch said. */
int volume_guard(struct volume_jobs *jobs, const struct mz_container *c, struct mz_launch *l);
int volume_guard_recover(struct volume_jobs *jobs, const struct mz_container *c);
void volume_guard_drop(struct volume_jobs *jobs, const char *id);
/* destroy of the instance. */
void volume_jobs_done(struct volume_jobs *jobs);

#endif
