/* files.h - the read-only files that the HTTP API shows (/files, LIST_FILES,
 * READ_FILE): virtual paths attached to real ones. Two implementations: files.c on
 * this machine, and core/sim.
 *
 * A virtual path shows only what lies below the real directory it is attached to:
 * links and ".." work as far as they stay inside, the kernel sees to it (openat2).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_OS_FILES_H
#define MZ_OS_FILES_H

#include <mezzo/types.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct files;

struct file_entry {
	const char *path; /* virtual, whole */
	char mode[12];	  /* "-rw-r--r--" */
	uint32_t mode_bits;
	int64_t n_links, size;
	double mtime; /* seconds since 1970 */
	const char *uid, *gid; /* names; the number as text where there is none */
};

/* Errors: -ENOENT, -EACCES (also of what leads out), -ENOTDIR (browse of a file), -EISDIR (read of a
 * directory), -EAGAIN (too busy) … with a message. */
typedef void (*files_browse_fn)(void *arg, const struct mz_err *err, const struct file_entry *v, size_t n);
/* `size` is the file's as it was at the time. */
typedef void (*files_read_fn)(void *arg, const struct mz_err *err, int64_t offset, struct mz_bytes data, int64_t size);

struct files_ops {
	/* Attaches a directory or file; a later one of the same path replaces it. */
	void (*attach)(struct files *f, const char *virtual_path, const char *real_path);
	void (*detach)(struct files *f, const char *virtual_path);
	/* The i-th attachment, in order of attaching; false behind the last. */
	bool (*attached)(struct files *f, size_t i, const char **ret_virtual, const char **ret_real);
	/* Entries sorted by path. fn is called once, never before browse returns. */
	void (*browse)(struct files *f, const char *path, files_browse_fn fn, void *arg);
	/* offset -1: no data, and the size as offset. length -1: as much as one
	 * answer takes. At most FILES_READ_MAX bytes. */
	void (*read)(struct files *f, const char *path, int64_t offset, int64_t length, files_read_fn fn, void *arg);
	void (*free)(struct files *f);
};

/* 16 pages is what /files/read gives at once; downloads take larger pieces. */
enum { FILES_PAGE_READ = 16 * 4096, FILES_READ_MAX = 1024 * 1024, FILES_MAX_ENTRIES = 10000 };

struct files {
	const struct files_ops *ops;
};

struct files *files_new(struct loop *l);
static inline void files_free(struct files *f)
{
	if (f)
		f->ops->free(f);
}

#endif
