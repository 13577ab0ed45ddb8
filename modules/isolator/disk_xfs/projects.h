/* projects.h - which directory has which project number: what isolator/disk_xfs keeps in its
 * storage. A number stays with its directory until that is removed. On the loop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_DISK_XFS_PROJECTS_H
#define MZ_DISK_XFS_PROJECTS_H

#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include "../../lib/by_id.h"
#include "quota.h"

struct project {
	struct by_id by_path;	/* first */
	struct by_id by_number; /* its key */
	uint32_t number;
	uint64_t generation; /* tells it from others that had its number */
	size_t n_users;	     /* as long as there are any it stays */
	int64_t limit_bytes; /* -1: none */
	int64_t used_bytes;  /* -1: not known */
	char key[32];	     /* in the storage */
	char path[];
};

struct projects {
	const struct mz_host *h;
	struct quota *q;
	struct by_id_table by_path, by_number;
	uint32_t first, last, next; /* numbers that may be given; the one to try first */
	uint64_t generation;
	struct mz_metric *used;
};

/* NULL: none. */
struct project *projects_find(const struct projects *ps, const char *path);
struct project *projects_of(const struct projects *ps, uint32_t number, uint64_t generation);
struct project *projects_next(const struct projects *ps, const struct project *p);

/* The one of the path, or a new one with a number that neither this agent nor anybody else
 * uses; *ret_new: it is to be kept. */
int projects_take(struct projects *ps, const char *path, struct project **ret, int *ret_new, struct mz_err *err);
/* Writes it down, and who has made it, for people to read. fn: once, unless the instance is destroyed
 * before. */
void projects_keep(const struct projects *ps, const struct project *p, const char *whose,
		   void (*fn)(void *arg, const struct mz_err *err), void *arg);
/* All that is written down. */
int projects_read(struct projects *ps, struct mz_err *err);
/* Its number is free. */
void projects_forget(struct projects *ps, struct project *p);
void projects_done(struct projects *ps);

#endif
