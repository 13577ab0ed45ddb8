/* containers_sandbox.c - a container's directory: made with its "latest" link, given
 * to the user, filled with what CommandInfo.uris name, and removed in the end. All
 * of it blocks and is done on worker threads; what is more than copying a local file
 * is done by a process, mezzo-fetcher (containers_fetch.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "loop/loop.h"
#include "module/containers_fetch.h"
#include "os/tree.h"
#include "os/user.h"

struct job {
	struct containers_real *r;
	char *directory, *user;
	struct fetch *fetch; /* NULL: nothing is fetched */
	bool nested; /* beneath the parent's sandbox, where a task may have been at work */
	struct mz_err err;
	void (*fn)(void *arg, const struct mz_err *err);
	void *arg;
};

static void job_free(struct job *j)
{
	fetch_free(j->fetch);
	free(j->directory);
	free(j->user);
	free(j);
}

/* ---- worker thread ---------------------------------------------------------------- */

/* A path in the sandbox: no way out of it. */
static bool is_inside(const char *name)
{
	if (!name[0] || name[0] == '/')
		return false;
	for (const char *p = name; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (!strncmp(p, "..", 2) && (p[2] == '/' || p[2] == '\0'))
			return false;
	}
	return true;
}

static int make_parent(const char *directory, const char *name, struct mz_err *err)
{
	mz_autofree char *path = xasprintf("%s/%s", directory, name);
	*strrchr(path, '/') = '\0';
	return tree_make(path, 0755, err);
}

static int copy(struct job *j, int dir, const struct fetch_uri *u, int64_t *left, struct mz_err *err)
{
	const char *from = fetch_local_path(u->value);
	if (!is_inside(u->name))
		return mz_fail(err, -EINVAL, "Output file '%s' is not a name in the sandbox", u->name);
	struct stat st = {0};
	mode_t mode = u->executable ? 0755 : 0644;
	if (stat(from, &st) == 0) {
		if (st.st_size > *left)
			return mz_fail(err, -EFBIG, "It is larger than the limit of %lld bytes for all of a sandbox",
				       (long long)j->r->fetch_max_bytes);
		*left -= st.st_size;
		if (!u->executable)
			mode = st.st_mode & 0755;
	}
	if (strchr(u->name, '/')) {
		int rc = make_parent(j->directory, u->name, err);
		if (rc < 0)
			return rc;
	}
	return tree_copy(from, dir, u->name, mode, err);
}

static int copy_all(struct job *j, int dir, const struct user *user)
{
	struct user_saved saved;
	int64_t left = j->r->fetch_max_bytes;
	int rc = 0;
	/* With the user's rights: whoever writes a TaskInfo shall not read with
	 * it what only root may. */
	if (user && (rc = user_assume(user, &saved, &j->err)) < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < j->fetch->uris.n && !atomic_load(&j->fetch->cancelled); i++) {
		rc = copy(j, dir, &j->fetch->uris.v[i], &left, &j->err);
		if (rc < 0)
			mz_wrap(&j->err, "Cannot fetch '%s'", j->fetch->uris.v[i].value);
	}
	if (user)
		user_restore(&saved);
	return rc;
}

/* The sandbox's stderr, where a fetch tells how it goes. The directory is the user's by
 * now, who may have been faster: a FIFO must not hold us up, nor another's file be given away. */
static int open_stderr(struct job *j, int dir, const struct user *user)
{
	int fd = openat(dir, "stderr", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	struct stat st;
	j->fetch->fd_stderr = fd;
	if (fd < 0 || fstat(fd, &st) < 0)
		return mz_fail(&j->err, -errno, "Cannot open 'stderr' in '%s': %s", j->directory, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		return mz_fail(&j->err, -EEXIST, "Cannot use 'stderr' in '%s': it is no file, or one with other names",
			       j->directory);
	if (user && fchown(fd, user->uid, user->gid) < 0)
		return mz_fail(&j->err, -errno, "Cannot give away 'stderr' in '%s': %s", j->directory, strerror(errno));
	return 0;
}

/* ".../runs/latest" for ".../runs/ID"; NULL: it is no run. */
static char *latest_of(const char *directory)
{
	const char *name = strrchr(directory, '/');
	size_t len = (size_t)(name - directory);
	if (len < strlen("/runs") || strncmp(name - strlen("/runs"), "/runs", strlen("/runs")))
		return NULL;
	return xasprintf("%.*s/latest", (int)len, directory);
}

static int link_latest(const char *directory, struct mz_err *err)
{
	mz_autofree char *latest = latest_of(directory);
	return latest ? tree_link(strrchr(directory, '/') + 1, latest, err) : 0;
}

/* The directory that holds the last part of `path`, below the work dir, without
 * following any link: sandboxes above it belong to users, who may plant some. */
static int open_parent(struct job *j, bool make, const char **ret_name)
{
	const char *work_dir = j->r->work_dir;
	size_t len = strlen(work_dir);
	if (strncmp(j->directory, work_dir, len) || j->directory[len] != '/')
		return mz_fail(&j->err, -EINVAL, "'%s' is not in the work directory", j->directory);
	int dir = open(work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *part = j->directory + len;
	while (dir >= 0) {
		part += strspn(part, "/");
		size_t n = strcspn(part, "/");
		if (!part[n]) {
			*ret_name = part;
			return dir;
		}
		mz_autofree char *name = xstrndup(part, n);
		if (make && mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
			break;
		mz_autoclose int above = dir;
		dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		part += n;
	}
	int code = errno;
	if (dir >= 0)
		close(dir);
	return mz_fail(&j->err, -code, "Cannot get to '%.180s': %s", j->directory, strerror(code));
}

static int make_nested(struct job *j)
{
	const char *name;
	mz_autoclose int parent = open_parent(j, true, &name);
	if (parent < 0)
		return parent;
	int dir = -1;
	/* New for sure: whatever is there already is not ours to give away. */
	if (mkdirat(parent, name, 0750) == 0)
		dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return mz_fail(&j->err, -errno, "Cannot make the directory '%.180s': %s", j->directory, strerror(errno));
	return dir;
}

/* The directory itself, the user's (NULL: ours). -1: j->err says why. */
static int make_directory(struct job *j, const struct user *user)
{
	if (!j->nested && tree_make(j->directory, 0750, &j->err) < 0)
		return -1;
	int dir = j->nested ? make_nested(j) : open(j->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (j->err.code)
		return -1;
	if (dir < 0 || fchmod(dir, 0750) < 0 || (user && fchown(dir, user->uid, user->gid) < 0))
		mz_fail(&j->err, -errno, "Cannot prepare the sandbox '%.180s': %s", j->directory, strerror(errno));
	else
		(void)link_latest(j->directory, &j->err);
	if (j->err.code && dir >= 0)
		close(dir);
	return j->err.code ? -1 : dir;
}

static void make_work(void *arg)
{
	struct job *j = arg;
	struct user found, *user = NULL;
	if (j->user && j->r->switch_user) {
		if (user_find(j->user, &found, &j->err) < 0)
			return;
		user = &found;
	}
	pthread_mutex_lock(&j->r->places);
	mz_autoclose int dir = make_directory(j, user);
	pthread_mutex_unlock(&j->r->places);
	if (dir < 0)
		return;
	/* These set j->err. */
	if (j->fetch && j->fetch->by_program)
		(void)open_stderr(j, dir, user);
	else if (j->fetch)
		(void)copy_all(j, dir, user);
}

/* With the last run of an executor goes what was there for it alone: "latest", the
 * executor's directory, and the framework's with the last of that. */
static void remove_holders(struct job *j)
{
	enum { LEVELS = 4 }; /* F/executors/E/runs */
	mz_autofree char *latest = latest_of(j->directory), *path = xstrdup(j->directory);
	char target[NAME_MAX + 1] = "";
	if (!latest)
		return;
	pthread_mutex_lock(&j->r->places);
	if (readlink(latest, target, sizeof(target) - 1) > 0 && str_eq(target, strrchr(path, '/') + 1))
		(void)unlink(latest); /* else it is not empty, which is no harm */
	for (int i = 0; i < LEVELS; i++) {
		*strrchr(path, '/') = '\0';
		if (str_eq(path, j->r->work_dir) || (rmdir(path) < 0 && errno != ENOENT))
			break; /* missing: an agent was killed just here */
	}
	pthread_mutex_unlock(&j->r->places);
}

static void remove_work(void *arg)
{
	struct job *j = arg;
	const char *name;
	mz_autoclose int parent = open_parent(j, false, &name);
	if (parent == -ENOENT) {
		j->err = (struct mz_err){0}; /* gone already */
	} else if (parent < 0) {
		return;
	} else {
		mz_autofree char *path = xasprintf("/proc/self/fd/%d/%s", parent, name);
		if (tree_remove(path, &j->err) < 0)
			return;
	}
	remove_holders(j);
}

/* ---- loop thread -------------------------------------------------------------------- */

static void answer(struct job *j)
{
	struct containers_real *r = j->r;
	if (j->fetch && j->fetch->cancelled)
		mz_fail(&j->err, -ECANCELED, "The container was destroyed while its files were fetched");
	if (!r->closing)
		j->fn(j->arg, j->err.code ? &j->err : NULL);
	job_free(j);
	real_pending_end(r);
}

static void on_fetched(void *arg, const struct mz_err *err)
{
	struct job *j = arg;
	if (err)
		j->err = *err;
	answer(j);
}

static void on_done(void *arg)
{
	struct job *j = arg;
	bool other = j->user && j->r->switch_user;
	if (j->fetch && j->fetch->by_program && !j->err.code && !j->fetch->cancelled && !j->r->closing &&
	    fetch_start(j->fetch, other ? j->user : NULL, on_fetched, j, &j->err) == 0)
		return;
	answer(j);
}

static void run(struct job *j, loop_fn work)
{
	j->r->n_pending++;
	int rc = loop_offload(j->r->loop, work, on_done, j);
	if (rc == 0)
		return;
	mz_fail(&j->err, rc, "The agent has too much work waiting");
	loop_post(j->r->loop, on_done, j);
}

static struct job *job_new(struct containers_real *r, const char *directory,
			   void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct job *j = xnew(struct job);
	j->r = r;
	j->directory = xstrdup(directory);
	j->fn = fn;
	j->arg = arg;
	return j;
}

void sandbox_make(struct containers_real *r, const struct container_config *cfg,
		  void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct job *j = job_new(r, cfg->directory, fn, arg);
	j->user = xstrdup(cfg->user);
	j->nested = cfg->parent != NULL;
	j->fetch = fetch_new(r, cfg->directory, cfg->command);
	run(j, make_work);
}

void sandbox_remove(struct containers_real *r, const char *directory,
		    void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	run(job_new(r, directory, fn, arg), remove_work);
}
