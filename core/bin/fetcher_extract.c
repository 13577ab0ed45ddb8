/* fetcher_extract.c - archives into the sandbox, read with libarchive and written by
 * fetcher_path.c alone. What has no place in a sandbox (devices, pipes, paths and
 * links to elsewhere) fails the fetch: half an archive is of no use to a task.
 * SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "bin/fetcher.h"

enum { BLOCK = 65536 };

static const char *const tars[] = {".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"};

static bool ends_with_one(const char *name, const char *const *endings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_ends(name, endings[i]))
			return true;
	return false;
}

bool fetch_is_archive(const char *name)
{
	return ends_with_one(name, tars, MZ_N(tars)) || str_ends(name, ".zip") || str_ends(name, ".gz");
}

static int broken(struct archive *a, struct mz_err *err)
{
	const char *why = archive_error_string(a);
	return mz_fail(err, -EBADMSG, "The archive cannot be read: %s", why ? why : "it is damaged");
}

/* Holes stay holes, but count. */
static int write_data(struct fetch_box *b, struct archive *a, int fd, struct mz_err *err)
{
	const void *data;
	size_t size;
	int64_t offset, end = 0;
	int rc;
	while ((rc = archive_read_data_block(a, &data, &size, &offset)) == ARCHIVE_OK) {
		if (offset < end)
			return mz_fail(err, -EBADMSG, "The archive cannot be read: its parts overlap");
		uint64_t grown = (uint64_t)(offset - end) + size;
		if (grown && (rc = fetch_count(b, grown, err)) < 0)
			return rc;
		if (offset > end && lseek(fd, offset, SEEK_SET) < 0)
			return mz_fail(err, -errno, "Cannot write: %s", strerror(errno));
		if ((rc = fetch_write(fd, data, size, err)) < 0)
			return rc;
		end = offset + (int64_t)size;
	}
	if (rc != ARCHIVE_EOF)
		return broken(a, err);
	/* A hole at the end. */
	return ftruncate(fd, end) < 0 ? mz_fail(err, -errno, "Cannot write: %s", strerror(errno)) : 0;
}

static int extract_file(struct fetch_box *b, struct archive *a, struct archive_entry *e, const char *path, mode_t mode,
			struct mz_err *err)
{
	mz_autoclose int fd = -1;
	int rc = fetch_create(b, path, &fd, err);
	if (rc == 0)
		rc = write_data(b, a, fd, err);
	if (rc == 0 && fchmod(fd, mode) < 0)
		rc = mz_fail(err, -errno, "Cannot set the mode of '%s': %s", path, strerror(errno));
	if (rc == 0 && archive_entry_mtime_is_set(e)) {
		struct timespec t[2] = {{0, UTIME_OMIT},
					{archive_entry_mtime(e), archive_entry_mtime_nsec(e)}};
		(void)futimens(fd, t); /* of no consequence */
	}
	return rc;
}

static int extract_entry(struct fetch_box *b, struct archive *a, struct archive_entry *e, struct mz_err *err)
{
	char path[FETCH_MAX_PATH + 1];
	const char *name = archive_entry_pathname(e);
	if (!name)
		return mz_fail(err, -EBADMSG, "The archive has an entry without a name");
	int rc = fetch_clean(name, path, err);
	if (rc == 0)
		rc = fetch_count(b, 0, err);
	if (rc < 0)
		return rc;
	mode_t mode = archive_entry_perm(e) & 0777;
	if (archive_entry_hardlink(e))
		return fetch_hardlink(b, path, archive_entry_hardlink(e), err);
	switch (archive_entry_filetype(e)) {
	case AE_IFDIR:
		return *path ? fetch_mkdir(b, path, mode | 0700, err) : 0;
	case AE_IFLNK:
		return fetch_symlink(b, path, archive_entry_symlink(e) ? archive_entry_symlink(e) : "", err);
	case AE_IFREG:
		return extract_file(b, a, e, path, mode, err);
	default:
		return mz_fail(err, -EINVAL, "'%s' is a device, a pipe or a socket", path);
	}
}

static int extract_all(struct fetch_box *b, struct archive *a, struct mz_err *err)
{
	struct archive_entry *e;
	int rc;
	while ((rc = archive_read_next_header(a, &e)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		rc = extract_entry(b, a, e, err);
		if (rc < 0)
			return rc;
	}
	return rc == ARCHIVE_EOF ? 0 : broken(a, err);
}

/* NAME.gz is one file: NAME, at the top of the sandbox. */
static int gunzip(struct fetch_box *b, struct archive *a, const char *name, struct mz_err *err)
{
	struct archive_entry *e;
	const char *slash = strrchr(name, '/');
	mz_autofree char *to = xstrdup(slash ? slash + 1 : name);
	to[strlen(to) - strlen(".gz")] = '\0';
	if (archive_read_next_header(a, &e) != ARCHIVE_OK)
		return broken(a, err);
	if (archive_filter_code(a, 0) != ARCHIVE_FILTER_GZIP)
		return mz_fail(err, -EBADMSG, "It is not compressed with gzip");
	int rc = fetch_count(b, 0, err);
	return rc < 0 ? rc : extract_file(b, a, e, to, 0644, err);
}

int fetch_extract(struct fetch_box *b, const char *name, struct mz_err *err)
{
	mz_autoclose int fd = -1;
	int rc = fetch_open(b, name, &fd, err);
	if (rc < 0)
		return rc;
	struct archive *a = archive_read_new();
	if (!a)
		return mz_fail(err, -ENOMEM, "Out of memory");
	bool is_tar = ends_with_one(name, tars, MZ_N(tars)), is_zip = str_ends(name, ".zip");
	if (is_tar || !is_zip) {
		archive_read_support_filter_gzip(a);
		archive_read_support_filter_bzip2(a);
		archive_read_support_filter_xz(a);
	}
	if (is_tar)
		archive_read_support_format_tar(a);
	else if (is_zip)
		archive_read_support_format_zip(a);
	else
		archive_read_support_format_raw(a);
	if (archive_read_open_fd(a, fd, BLOCK) != ARCHIVE_OK)
		rc = broken(a, err);
	else
		rc = is_tar || is_zip ? extract_all(b, a, err) : gunzip(b, a, name, err);
	archive_read_free(a);
	return rc;
}
