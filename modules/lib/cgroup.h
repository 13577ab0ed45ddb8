/* cgroup.h - cgroups of containers, on v1, v2 and hybrid machines: where a
 * controller is, a container's group in it, its files, making and removing it.
 * Compiled into each module that has to do with cgroups.
 *
 * A container's group is <mount>/<root>/ID; that of a nested one is
 * <its parent's group>/mezzo/ID, and so on. Limits stand on that directory.
 * Processes live there on v1; on v2, where a group with children may have no
 * processes of its own, in its subdirectory `leaf`.
 *
 * It does not kill containers (the launcher does) and knows no controller's files.
 * Everything here is quick: a handful of small reads and writes in cgroupfs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_CGROUP_H
#define MZ_MODULES_LIB_CGROUP_H

#include <mezzo/container.h>
#include <mezzo/module.h>

enum { CG_PATH_SIZE = 4096, CG_TEXT_SIZE = 16384 };

struct cg_removal;

/* One controller's hierarchy. Plain data but for removals: cg_done ends those. */
struct cg {
	const struct mz_host *h; /* for timers and log */
	int version;		 /* 1 or 2 */
	int implicit;		 /* v2: there is nothing to enable (freezer, devices, perf_event) */
	char controller[32];	 /* "cpu"; "": v2 itself */
	char mount[512];	 /* where the hierarchy is mounted */
	char root[256];		 /* group below it that is ours */
	struct cg_removal *removals;
};

/* Finds the controller among what is mounted at or below `hierarchy`: a v1 mount that
 * has it, or the v2 mount. A `hierarchy` that is itself a directory of a v2 tree (one
 * that was delegated) will do as well. -ENOENT: it is nowhere there. */
int cg_find(struct cg *g, const struct mz_host *h, const char *hierarchy, const char *root,
	    const char *controller, struct mz_err *err);
/* Ends pending removals: their `done` is not called. g may be zeroed. */
void cg_done(struct cg *g);

/* Directory of the container's group (id NULL: of our root group). `out` has
 * CG_PATH_SIZE. -EINVAL: not an id; -ENAMETOOLONG. */
int cg_path(const struct cg *g, const char *id, char *out);
/* Directory where its processes live. */
int cg_procs_path(const struct cg *g, const char *id, char *out);
int cg_exists(const struct cg *g, const char *id);
/* Id of the container in whose group this one lives: its own, or with
 * share_cgroups (and debug containers) that of its nearest ancestor that has one.
 * `out` has CG_PATH_SIZE. */
void cg_owner(const struct cg *g, const struct mz_container *c, char *out);
/* Does it live in a group of its own? */
int cg_owns(const struct mz_container *c);

/* Makes the group, and what is missing above it, with the controller enabled. No
 * error if it is there. */
int cg_make(struct cg *g, const char *id, struct mz_err *err);
/* Removes the group and all below it. Processes must be dead; while they are being
 * reaped it is tried again for some 20 s. `done` is called once, maybe at once;
 * err NULL: it is gone, or was never there. arg is allocated, or NULL: cg_done frees it
 * where `done` is not called any more. */
void cg_remove(struct cg *g, const char *id, void (*done)(void *arg, const struct mz_err *err), void *arg);
/* The same, completing an op. */
void cg_remove_op(struct cg *g, const char *id, struct mz_op *op);

/* Calls fn for every container's group that there is, children before parents. */
int cg_each(const struct cg *g, void (*fn)(void *arg, const char *id), void *arg, struct mz_err *err);
/* After a restart: kills what lives in groups of containers that are not in the list,
 * and removes those groups. */
int cg_remove_orphans(struct cg *g, const struct mz_container *const *containers, size_t n,
		      struct mz_err *err);

/* Files of a group. Text is cut to size and ended by NUL; newline at the end is
 * dropped. Returns the length, or a negative errno. */
int cg_read(const struct cg *g, const char *id, const char *file, char *buf, size_t size, struct mz_err *err);
/* "max" and what does not fit reads as INT64_MAX. */
int cg_read_int(const struct cg *g, const char *id, const char *file, int64_t *ret_value, struct mz_err *err);
int cg_write(const struct cg *g, const char *id, const char *file, const char *text, struct mz_err *err);
int cg_write_int(const struct cg *g, const char *id, const char *file, int64_t value, struct mz_err *err);
/* Is there such a file? */
int cg_has(const struct cg *g, const char *id, const char *file);
/* Value of "KEY value" in the lines of `text`; -ENOENT. */
int cg_key(const char *text, const char *key, int64_t *ret_value);
/* Lines of the file in the group and all below it: members, with cgroup.procs. */
int cg_count(const struct cg *g, const char *id, const char *file, int64_t *ret_n, struct mz_err *err);

struct cg_pids {
	int32_t *v; /* free() it */
	size_t n;
};
/* Processes of the group at `path`, with `below` also of all groups below it; -E2BIG: there are
 * more than n_max. Touches nothing else: for worker threads. */
int cg_members(const char *path, int below, size_t n_max, struct cg_pids *ret);
/* The hierarchy that the launcher linux has groups in (the freezer's, or v2). -ENOENT: none, or the
 * host knows of no cgroups; then there is none for cg_of_launcher either. */
int cg_find_launcher(struct cg *g, const struct mz_host *h);
/* Directory of the group that the container was launched into, in `out` of CG_PATH_SIZE.
 * -ENOENT: it was launched into none, or shares its parent's. */
int cg_of_launcher(const struct cg *g, const struct mz_container *c, char *out);

/* Any path; for what is not a group's. */
int cg_read_path(const char *path, char *buf, size_t size, struct mz_err *err);
int cg_write_path(const char *path, const char *text, struct mz_err *err);

int cg_fail(struct mz_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void cg_log(const struct mz_host *h, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
