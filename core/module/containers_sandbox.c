/* containers_sandbox.c - a container's directory: made with its "latest" link, given
 * to the user, filled with what CommandInfo.uris name, and removed in the end. All
 * of it blocks and is done on worker threads.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "loop/loop.h"
#include "module/containers_impl.h"
#include "os/tree.h"
#include "os/user.h"

struct uri {
	char *value, *name; /* name: in the sandbox */
	bool executable, extract;
};

struct job {
	struct containers_real *r;
	char *directory, *user;
	VEC(struct uri) uris;
	struct mz_err err;
	void (*fn)(void *arg, const struct mz_err *err);
	void *arg;
};

static void job_free(struct job *j)
{
	for (size_t i = 0; i < j->uris.n; i++) {
		free(j->uris.v[i].value);
		free(j->uris.v[i].name);
	}
	vec_done(&j->uris);
	free(j->directory);
	free(j->user);
	free(j);
}

/* ---- worker thread ---------------------------------------------------------------- */

static bool is_archive(const char *name)
{
	static const char *const endings[] = {".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2",
					      ".txz", ".tar.xz", ".zip",  ".gz"};
	for (size_t i = 0; i < MZ_N(endings); i++)
		if (str_ends(name, endings[i]))
			return true;
	return false;
}

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

static int fetch(struct job *j, int dir, const struct uri *u, struct mz_err *err)
{
	const char *from = u->value;
	if (str_starts(from, "file://"))
		from += strlen("file://");
	if (from[0] != '/')
		return mz_fail(err, -EOPNOTSUPP, "Only local files can be fetched, by an absolute path or file://");
	if (!is_inside(u->name))
		return mz_fail(err, -EINVAL, "Output file '%s' is not a name in the sandbox", u->name);
	if (u->extract && !u->executable && is_archive(from))
		return mz_fail(err, -EOPNOTSUPP, "Archives cannot be extracted (set 'extract' to false to have it as it is)");
	if (strchr(u->name, '/')) {
		int rc = make_parent(j->directory, u->name, err);
		if (rc < 0)
			return rc;
	}
	struct stat st;
	mode_t mode = u->executable ? 0755 : 0644;
	if (!u->executable && stat(from, &st) == 0)
		mode = st.st_mode & 0755;
	return tree_copy(from, dir, u->name, mode, err);
}

static int fetch_all(struct job *j, int dir, const struct user *user)
{
	struct user_saved saved;
	int rc = 0;
	if (!j->uris.n)
		return 0;
	/* With the user's rights: whoever writes a TaskInfo shall not read with
	 * it what only root may. */
	if (user && (rc = user_assume(user, &saved, &j->err)) < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < j->uris.n; i++) {
		rc = fetch(j, dir, &j->uris.v[i], &j->err);
		if (rc < 0)
			mz_wrap(&j->err, "Cannot fetch '%s'", j->uris.v[i].value);
	}
	if (user)
		user_restore(&saved);
	return rc;
}

/* ".../runs/ID" is also ".../runs/latest". */
static int link_latest(const char *directory, struct mz_err *err)
{
	const char *name = strrchr(directory, '/');
	size_t len = (size_t)(name - directory);
	if (len < strlen("/runs") || strncmp(name - strlen("/runs"), "/runs", strlen("/runs")))
		return 0;
	mz_autofree char *latest = xasprintf("%.*s/latest", (int)len, directory);
	return tree_link(name + 1, latest, err);
}

static void make_work(void *arg)
{
	struct job *j = arg;
	struct user user;
	bool other = j->user && j->r->switch_user;
	if (other && user_find(j->user, &user, &j->err) < 0)
		return;
	if (tree_make(j->directory, 0750, &j->err) < 0)
		return;
	mz_autoclose int dir = open(j->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fchmod(dir, 0750) < 0 || (other && fchown(dir, user.uid, user.gid) < 0)) {
		mz_fail(&j->err, -errno, "Cannot prepare the sandbox '%s': %s", j->directory, strerror(errno));
		return;
	}
	if (link_latest(j->directory, &j->err) < 0)
		return;
	(void)fetch_all(j, dir, other ? &user : NULL); /* it has set j->err */
}

static void remove_work(void *arg)
{
	struct job *j = arg;
	(void)tree_remove(j->directory, &j->err);
}

/* ---- loop thread -------------------------------------------------------------------- */

static void on_done(void *arg)
{
	struct job *j = arg;
	struct containers_real *r = j->r;
	if (!r->closing)
		j->fn(j->arg, j->err.code ? &j->err : NULL);
	job_free(j);
	real_pending_end(r);
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
	const Mesos__V1__CommandInfo *cmd = cfg->command;
	for (size_t i = 0; cmd && i < cmd->n_uris; i++) {
		const Mesos__V1__CommandInfo__URI *u = cmd->uris[i];
		const char *slash = strrchr(u->value, '/');
		const char *name = !str_empty(u->output_file) ? u->output_file : slash ? slash + 1 : u->value;
		struct uri own = {
			.value = xstrdup(u->value),
			.name = xstrdup(name),
			.executable = u->has_executable && u->executable,
			.extract = !u->has_extract || u->extract,
		};
		vec_push(&j->uris, own);
	}
	run(j, make_work);
}

void sandbox_remove(struct containers_real *r, const char *directory,
		    void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	run(job_new(r, directory, fn, arg), remove_work);
}
