/* quota.c - see quota.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "quota.h"

#include "../answer.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { PROJECT_QUOTA = 2, BLOCK = 512, XFS_MAGIC = 0x58465342 };

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

#define COMMAND(c) ((int)(((unsigned)(c) << 8) | PROJECT_QUOTA))

/* The device that is mounted where fd is: before Linux 5.14 quotas are asked for by its path. */
static int find_device(struct quota *q)
{
	struct stat st;
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen("/proc/self/mountinfo", "re");
	if (!f || fstat(q->fd, &st) < 0) {
		if (f)
			(void)fclose(f);
		return -errno;
	}
	while (!*q->device && getline(&line, &size, f) > 0) {
		unsigned maj, min;
		char source[sizeof(q->device)], *rest = strstr(line, " - ");
		if (sscanf(line, "%*s %*s %u:%u", &maj, &min) == 2 && maj == major(st.st_dev) && min == minor(st.st_dev) &&
		    rest && sscanf(rest, " - %*s %255s", source) == 1)
			(void)strcpy(q->device, source);
	}
	free(line);
	(void)fclose(f);
	return *q->device ? 0 : -ENODEV;
}

static int control(struct quota *q, unsigned command, uint32_t project, void *data)
{
	if (!*q->device) {
		if (syscall(SYS_quotactl_fd, q->fd, COMMAND(command), project, data) == 0)
			return 0;
		if (errno != ENOSYS)
			return -errno;
		int rc = find_device(q);
		if (rc < 0)
			return rc;
	}
	return syscall(SYS_quotactl, COMMAND(command), q->device, project, data) < 0 ? -errno : 0;
}

int quota_open(struct quota *q, const char *path, int enforce, struct mz_err *err)
{
	struct statfs fs;
	struct fs_quota_statv s = {.qs_version = FS_QSTATV_VERSION1};
	*q = (struct quota){.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (q->fd < 0 || fstatfs(q->fd, &fs) < 0) {
		int code = -errno;
		quota_done(q);
		return iso_error(err, code, "Cannot open %.180s: %s", path, strerror(-code));
	}
	int rc = fs.f_type != XFS_MAGIC
			 ? iso_error(err, -EOPNOTSUPP, "%s is on no XFS file system", path)
			 : 0;
	if (rc == 0 && control(q, Q_XGETQSTATV, 0, &s) < 0)
		s.qs_flags = 0;
	if (rc == 0 && !(s.qs_flags & FS_QUOTA_PDQ_ACCT))
		rc = iso_error(err, -EOPNOTSUPP, "The XFS file system of %s is mounted without project quotas (prjquota)", path);
	if (rc == 0 && enforce && !(s.qs_flags & FS_QUOTA_PDQ_ENFD))
		rc = iso_error(err, -EOPNOTSUPP, "The XFS file system of %s does not enforce project quotas (it is mounted with pqnoenforce)",
			  path);
	if (rc < 0)
		quota_done(q);
	return rc;
}

void quota_done(struct quota *q)
{
	if (q->fd >= 0)
		(void)close(q->fd);
	q->fd = -1;
}

int quota_get(struct quota *q, uint32_t project, struct quota_use *ret, struct mz_err *err)
{
	struct fs_disk_quota d = {0};
	int rc = control(q, Q_XGETQUOTA, project, &d);
	if (rc < 0 && rc != -ENOENT)
		return iso_error(err, rc, "Cannot read the quota of project %u: %s", project, strerror(-rc));
	if (rc == -ENOENT)
		memset(&d, 0, sizeof(d));
	*ret = (struct quota_use){.used_bytes = (int64_t)d.d_bcount * BLOCK,
				  .soft_bytes = (int64_t)d.d_blk_softlimit * BLOCK,
				  .hard_bytes = (int64_t)d.d_blk_hardlimit * BLOCK,
				  .n_files = (int64_t)d.d_icount};
	return 0;
}

int quota_set(struct quota *q, uint32_t project, int64_t soft_bytes, int64_t hard_bytes, struct mz_err *err)
{
	struct fs_disk_quota d = {.d_version = FS_DQUOT_VERSION,
				  .d_id = project,
				  .d_flags = FS_PROJ_QUOTA,
				  .d_fieldmask = FS_DQ_BSOFT | FS_DQ_BHARD,
				  .d_blk_softlimit = (uint64_t)soft_bytes / BLOCK,
				  .d_blk_hardlimit = (uint64_t)hard_bytes / BLOCK};
	int rc = control(q, Q_XSETQLIM, project, &d);
	return rc < 0 ? iso_error(err, rc, "Cannot set the quota of project %u: %s", project, strerror(-rc)) : 0;
}

/* ---- trees ------------------------------------------------------------------------------- */

static int give_one(int fd, uint32_t project, int is_directory)
{
	struct fsxattr a;
	if (ioctl(fd, FS_IOC_FSGETXATTR, &a) < 0)
		return -errno;
	a.fsx_projid = project;
	if (is_directory)
		a.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &a) < 0 ? -errno : 0;
}

static int has_it(int fd, uint32_t project)
{
	struct fsxattr a;
	return ioctl(fd, FS_IOC_FSGETXATTR, &a) == 0 && a.fsx_projid == project && (a.fsx_xflags & FS_XFLAG_PROJINHERIT);
}

/* Takes fd. What goes away meanwhile is nobody's. The top comes last: if it has the project, all
 * below it has. */
static int give_all(int fd, dev_t dev, uint32_t project, int depth)
{
	int rc = depth > 1 ? give_one(fd, project, 1) : 0;
	DIR *d = rc == 0 ? fdopendir(fd) : NULL;
	if (!d) {
		rc = rc < 0 ? rc : -errno;
		(void)close(fd);
		return rc;
	}
	struct dirent *e;
	while (rc == 0 && (e = readdir(d))) {
		struct stat st;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev ||
		    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
			continue;
		int is_directory = S_ISDIR(st.st_mode);
		int sub = openat(fd, e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (is_directory ? O_DIRECTORY : 0));
		if (sub < 0)
			continue;
		if (is_directory) {
			if (depth < QUOTA_MAX_DEPTH)
				rc = give_all(sub, dev, project, depth + 1);
			else
				(void)close(sub);
			continue;
		}
		rc = give_one(sub, project, 0);
		(void)close(sub);
	}
	if (rc == 0 && depth == 1)
		rc = give_one(fd, project, 1);
	(void)closedir(d);
	return rc;
}

int quota_give(const struct quota *q, const char *path, uint32_t project, struct mz_err *err)
{
	struct stat st, own;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || fstat(q->fd, &own) < 0) {
		int code = -errno;
		if (fd >= 0)
			(void)close(fd);
		return iso_error(err, code, "Cannot open %.180s: %s", path, strerror(-code));
	}
	if (st.st_dev != own.st_dev) {
		(void)close(fd);
		return iso_error(err, -EXDEV, "%.150s is on another file system than the agent's work_dir", path);
	}
	if (has_it(fd, project)) {
		(void)close(fd);
		return 0;
	}
	int rc = give_all(fd, st.st_dev, project, 1);
	return rc < 0 ? iso_error(err, rc, "Cannot give %.150s to project %u: %s", path, project, strerror(-rc)) : 0;
}
