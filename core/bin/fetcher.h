/* fetcher.h - between the files of mezzo-fetcher: the process that fills one sandbox
 * with what CommandInfo.uris name, with the rights of the task's user.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BIN_FETCHER_H
#define MZ_BIN_FETCHER_H

#include <mezzo/types.h>
#include <stdbool.h>
#include <sys/types.h>

enum { FETCH_MAX_PATH = 4095 };

/* The sandbox, and how much may still be put into it. */
struct fetch_box {
	int dir;
	const char *path;
	uint64_t max_bytes, n_bytes;
	uint64_t max_entries, n_entries;
	int64_t stall_secs;
};

struct fetch_uri {
	const char *value, *name; /* name: in the sandbox */
	bool executable, extract;
};

/* Takes it out of the cleanup's hands. */
static inline int fetch_keep(int *fd)
{
	int kept = *fd;
	*fd = -1;
	return kept;
}

/* ---- fetcher_path.c: nothing leaves the sandbox ---------------------------------- */

/* Drops "." and double slashes. -EINVAL: absolute, with "..", too long. */
int fetch_clean(const char *path, char ret[FETCH_MAX_PATH + 1], struct mz_err *err);
/* The directory that `path` (cleaned) is in, made where it is missing; *ret_name points
 * into path. Links that stay in the sandbox are followed only if `links`. */
int fetch_parent(struct fetch_box *b, const char *path, bool links, int *ret_fd, const char **ret_name,
		 struct mz_err *err);
int fetch_mkdir(struct fetch_box *b, const char *path, mode_t mode, struct mz_err *err);
/* A new empty regular file that replaces what was there (directories stay). */
int fetch_create(struct fetch_box *b, const char *path, int *ret_fd, struct mz_err *err);
/* An existing regular file, to read. */
int fetch_open(struct fetch_box *b, const char *path, int *ret_fd, struct mz_err *err);
int fetch_symlink(struct fetch_box *b, const char *path, const char *target, struct mz_err *err);
int fetch_hardlink(struct fetch_box *b, const char *path, const char *target, struct mz_err *err);
/* Counts before they are written. */
int fetch_count(struct fetch_box *b, uint64_t bytes, struct mz_err *err);
int fetch_write(int fd, const void *data, size_t size, struct mz_err *err);

/* ---- fetcher_get.c: one URI into one file -------------------------------------------- */

int fetch_get(struct fetch_box *b, const struct fetch_uri *u, const char *name, struct mz_err *err);

/* ---- fetcher_extract.c ------------------------------------------------------------------ */

bool fetch_is_archive(const char *name);
/* The file `name` of the sandbox, into the sandbox. */
int fetch_extract(struct fetch_box *b, const char *name, struct mz_err *err);

#endif
