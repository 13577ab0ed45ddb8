/* containers_fetch.c - starts mezzo-fetcher for a sandbox and hears how it ended. What
 * it is told is described in bin/mezzo-fetcher.c.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "module/containers_fetch.h"

const char *fetch_local_path(const char *uri)
{
	if (!strncasecmp(uri, "file://localhost/", 17))
		return uri + 16;
	if (!strncasecmp(uri, "file:///", 8))
		return uri + 7;
	return uri[0] == '/' ? uri : NULL;
}

/* What a URI stands for on this machine: relative paths are in frameworks_home. */
static char *resolve(const struct containers_real *r, const char *uri)
{
	bool file = !strncasecmp(uri, "file://", 7);
	const char *path = file ? uri + 7 : uri;
	if (!r->frameworks_home || !*path || fetch_local_path(uri) || strstr(path, "://"))
		return xstrdup(uri);
	return xasprintf("%s/%s", r->frameworks_home, path);
}

static bool may_be_archive(const char *name)
{
	static const char *const endings[] = {".tar", ".tgz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip", ".gz"};
	for (size_t i = 0; i < MZ_N(endings); i++)
		if (str_ends(name, endings[i]))
			return true;
	return false;
}

struct fetch *fetch_new(struct containers_real *r, const char *directory, const Mesos__V1__CommandInfo *cmd)
{
	if (!cmd || !cmd->n_uris)
		return NULL;
	struct fetch *f = xnew(struct fetch);
	f->r = r;
	f->directory = xstrdup(directory);
	f->fd_stderr = f->fd_out = -1;
	list_append(&r->fetches, &f->link);
	for (size_t i = 0; i < cmd->n_uris; i++) {
		const Mesos__V1__CommandInfo__URI *u = cmd->uris[i];
		const char *slash = strrchr(u->value, '/');
		const char *name = !str_empty(u->output_file) ? u->output_file : slash ? slash + 1 : u->value;
		struct fetch_uri own = {
			.value = resolve(r, u->value),
			.name = xstrdup(name),
			.executable = u->has_executable && u->executable,
			.extract = !u->has_extract || u->extract,
		};
		vec_push(&f->uris, own);
		if (!fetch_local_path(own.value) || (own.extract && !own.executable && may_be_archive(name)))
			f->by_program = true;
	}
	return f;
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	list_remove(&f->link);
	for (size_t i = 0; i < f->uris.n; i++) {
		free(f->uris.v[i].value);
		free(f->uris.v[i].name);
	}
	vec_done(&f->uris);
	if (f->fd_stderr >= 0)
		close(f->fd_stderr);
	if (f->fd_out >= 0)
		close(f->fd_out);
	free(f->directory);
	free(f);
}

/* ---- the order --------------------------------------------------------------------- */

static void put(struct buf *b, const char *key, const char *value)
{
	buf_add(b, key, strlen(key) + 1);
	buf_add(b, value, strlen(value) + 1);
}

static void put_number(struct buf *b, const char *key, int64_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)value);
	put(b, key, text);
}

static int64_t seconds(int64_t ns)
{
	return (ns + NS_PER_SEC - 1) / NS_PER_SEC;
}

/* In a file of memory: it is there as a whole, whatever the child does. */
static int write_order(const struct fetch *f, const char *user, int *ret_fd, struct mz_err *err)
{
	mz_autobuf struct buf b = {0};
	put(&b, "directory", f->directory);
	if (user)
		put(&b, "user", user);
	put_number(&b, "max_bytes", f->r->fetch_max_bytes);
	put_number(&b, "max_entries", f->r->fetch_max_entries);
	put_number(&b, "stall_secs", seconds(f->r->fetch_stall_ns));
	put_number(&b, "timeout_secs", seconds(f->r->fetch_timeout_ns));
	for (size_t i = 0; i < f->uris.n; i++) {
		const struct fetch_uri *u = &f->uris.v[i];
		put(&b, "uri", u->value);
		put(&b, "name", u->name);
		if (u->executable)
			put(&b, "executable", "1");
		if (u->extract)
			put(&b, "extract", "1");
	}
	int fd = memfd_create("mezzo-fetcher", MFD_CLOEXEC);
	if (fd < 0 || write(fd, b.data, b.len) != (ssize_t)b.len || lseek(fd, 0, SEEK_SET) < 0) {
		int code = errno ? errno : EIO;
		if (fd >= 0)
			close(fd);
		return mz_fail(err, -code, "Cannot write the order of mezzo-fetcher: %s", strerror(code));
	}
	*ret_fd = fd;
	return 0;
}

/* What libcurl and OpenSSL take from their environment. */
static const char **environment(void)
{
	static const char *const names[] = {"PATH",	"http_proxy",	 "https_proxy",	 "HTTPS_PROXY",	 "ftp_proxy",
					    "all_proxy", "ALL_PROXY",	 "no_proxy",	 "NO_PROXY",	 "SSL_CERT_FILE",
					    "SSL_CERT_DIR", "CURL_CA_BUNDLE", "ASAN_OPTIONS", "LSAN_OPTIONS"};
	const char **env = xcalloc(MZ_N(names) + 1, sizeof(env[0]));
	size_t n = 0;
	for (size_t i = 0; i < MZ_N(names); i++) {
		const char *value = getenv(names[i]);
		if (value)
			env[n++] = xasprintf("%s=%s", names[i], value);
	}
	return env;
}

static void environment_free(const char **env)
{
	for (size_t i = 0; env[i]; i++)
		free((void *)(uintptr_t)env[i]);
	free(env);
}

/* ---- its run ------------------------------------------------------------------------- */

static void finish(struct fetch *f, const struct mz_err *err)
{
	f->child = NULL;
	f->fn(f->arg, err);
}

static void on_exit_status(void *arg, pid_t pid, int status)
{
	struct fetch *f = arg;
	struct mz_err err;
	char why[sizeof(err.msg)] = "";
	(void)pid;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		finish(f, NULL);
		return;
	}
	ssize_t n = read(f->fd_out, why, sizeof(why) - 1);
	if (n > 0)
		mz_fail(&err, -EIO, "%s", why);
	else if (WIFSIGNALED(status))
		mz_fail(&err, -EIO, "mezzo-fetcher was killed by signal %d", WTERMSIG(status));
	else
		mz_fail(&err, -EIO, "mezzo-fetcher failed without a reason (status %d)", status);
	finish(f, &err);
}

int fetch_start(struct fetch *f, const char *user,
		void (*fn)(void *arg, const struct mz_err *err), void *arg, struct mz_err *err)
{
	mz_autofree char *program = xasprintf("%s/mezzo-fetcher", f->r->libexec_dir);
	const char *const argv[] = {program, NULL};
	mz_autoclose int in = -1, out = -1;
	int fds[2];
	f->fn = fn;
	f->arg = arg;
	int rc = write_order(f, user, &in, err);
	if (rc < 0)
		return rc;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return mz_fail(err, -errno, "Cannot make a pipe for mezzo-fetcher: %s", strerror(errno));
	f->fd_out = fds[0];
	out = fds[1];
	const char **env = environment();
	struct loop_spawn s = {.argv = argv, .env = env, .fds = {in, out, f->fd_stderr}};
	rc = loop_spawn(f->r->loop, &s, on_exit_status, f, &f->child, NULL, err);
	environment_free(env);
	return rc;
}

/* directory NULL: all, at once and for good. */
void sandbox_cancel(struct containers_real *r, const char *directory)
{
	list_each(&r->fetches, struct fetch, link, f)
	{
		if (directory && !str_eq(f->directory, directory))
			continue;
		atomic_store(&f->cancelled, true);
		if (!f->child)
			continue; /* seen before it starts */
		(void)loop_child_signal(r->loop, f->child, SIGKILL); /* it may have just ended */
		if (directory)
			continue;
		loop_child_close(r->loop, f->child);
		finish(f, NULL); /* nobody is told any more */
	}
}
