/* file.c - secret/file: a secret of type VALUE is what it says; one of type REFERENCE
 * is a file below a directory of the operator's: DIRECTORY/NAME, or
 * DIRECTORY/NAME/KEY.
 *
 * Names are one component each, and nothing outside of the directory is opened,
 * whatever links are in it. Files are read on a worker thread.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include <mezzo/secret.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH_SIZE = 520 };

struct resolver {
	const struct mz_host *h;
	int dir; /* -1: none is configured */
	struct job *jobs;
	struct mz_metric *resolved, *failed;
};

struct job {
	struct job *next;
	struct resolver *r;
	const struct mz_secret_request *q;
	struct mz_op *op;
	int dir;
	char path[PATH_SIZE]; /* below the directory */
	char *data;
	size_t size;
	struct mz_err err;
};

__attribute__((format(printf, 3, 4))) static int fail(struct mz_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

/* One component that names a file of the directory's own. */
static int name_is_good(const char *name)
{
	return name[0] && name[0] != '.' && strlen(name) <= 250 && !strchr(name, '/');
}

static int open_secret(const struct job *j)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd;
	/* Where a link has "..", a rename anywhere meanwhile makes the kernel unsure. */
	for (int i = 0; (fd = (int)syscall(SYS_openat2, j->dir, j->path, &how, sizeof(how))) < 0 && errno == EAGAIN && i < 100; i++)
		;
	return fd < 0 ? -errno : fd;
}

static int check_file(struct job *j, int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return fail(&j->err, -errno, "Secret '%.120s': %s", j->path, strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode))
		return fail(&j->err, -EINVAL, "Secret '%.120s' is not a regular file", j->path);
	if (st.st_mode & S_IWOTH)
		return fail(&j->err, -EACCES, "Secret '%.120s' can be written to by everybody", j->path);
	if (st.st_size > MZ_SECRET_MAX)
		return fail(&j->err, -EFBIG, "Secret '%.120s' has %lld bytes, the most is %d", j->path,
			    (long long)st.st_size, MZ_SECRET_MAX);
	return 0;
}

/* One byte more than may be is asked for, so that growth is seen. */
static int read_all(struct job *j, int fd)
{
	j->data = malloc(MZ_SECRET_MAX + 1);
	if (!j->data)
		return fail(&j->err, -ENOMEM, "Out of memory");
	while (j->size <= MZ_SECRET_MAX) {
		ssize_t n = read(fd, j->data + j->size, MZ_SECRET_MAX + 1 - j->size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(&j->err, -errno, "Cannot read secret '%.120s': %s", j->path, strerrordesc_np(errno));
		if (n == 0)
			return 0;
		j->size += (size_t)n;
	}
	return fail(&j->err, -EFBIG, "Secret '%.120s' has more than %d bytes", j->path, MZ_SECRET_MAX);
}

static void read_work(void *arg)
{
	struct job *j = arg;
	int fd = open_secret(j);
	if (fd == -ENOENT || fd == -ENOTDIR) {
		fail(&j->err, -ENOENT, "There is no secret '%.120s'", j->path);
	} else if (fd == -EXDEV || fd == -ELOOP) {
		fail(&j->err, -EACCES, "Secret '%.120s' leads out of the directory of secrets", j->path);
	} else if (fd < 0) {
		fail(&j->err, fd, "Cannot open secret '%.120s': %s", j->path, strerrordesc_np(-fd));
	} else {
		if (check_file(j, fd) == 0)
			(void)read_all(j, fd); /* what went wrong is in j->err */
		close(fd);
	}
}

static void job_free(struct job *j)
{
	struct job **at = &j->r->jobs;
	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	if (j->data)
		explicit_bzero(j->data, j->size);
	free(j->data);
	free(j);
}

static void finish(struct resolver *r, struct mz_op *op, const struct mz_err *err)
{
	r->h->metric_add(err ? r->failed : r->resolved, 1);
	r->h->op_done(op, err, NULL);
}

static void on_read(void *arg)
{
	struct job *j = arg;
	if (!j->err.code)
		j->q->put(j->q->arg, (struct mz_bytes){j->data, j->size});
	finish(j->r, j->op, j->err.code ? &j->err : NULL);
	job_free(j);
}

static int start(struct resolver *r, const struct mz_secret_request *q, struct mz_op *op, struct mz_err *err)
{
	if (q->type != MZ_SECRET_REFERENCE)
		return fail(err, -EOPNOTSUPP, "A secret must be a reference or a value");
	if (r->dir < 0)
		return fail(err, -EOPNOTSUPP,
			    "Secret '%.120s' is a reference, and setting 'directory' of secret/file is not set", q->name);
	if (!name_is_good(q->name) || (q->key && !name_is_good(q->key)))
		return fail(err, -EINVAL,
			    "Secret '%.60s', key '%.60s': a name has no '/' and does not begin with a dot", q->name,
			    q->key ? q->key : "");
	struct job *j = calloc(1, sizeof(*j));
	if (!j)
		return fail(err, -ENOMEM, "Out of memory");
	*j = (struct job){.next = r->jobs, .r = r, .q = q, .op = op, .dir = r->dir};
	r->jobs = j;
	snprintf(j->path, sizeof(j->path), "%s%s%s", q->name, q->key ? "/" : "", q->key ? q->key : "");
	if (r->h->offload(r->h, read_work, on_read, j) < 0) {
		job_free(j);
		return fail(err, -EAGAIN, "The agent has too much work waiting to read a secret");
	}
	return 0;
}

static void resolve(void *inst, const struct mz_secret_request *q, struct mz_op *op)
{
	struct resolver *r = inst;
	struct mz_err err;
	if (q->type == MZ_SECRET_VALUE) {
		q->put(q->arg, q->value);
		finish(r, op, NULL);
	} else if (start(r, q, op, &err) < 0) {
		finish(r, op, &err);
	}
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	const char *directory = h->conf_str(conf, "directory");
	int dir = -1;
	if (*directory) {
		if (*directory != '/')
			return fail(err, -EINVAL, "Setting 'directory' must be an absolute path, not '%.150s'", directory);
		dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return fail(err, -errno, "Cannot open directory '%.150s': %s", directory, strerrordesc_np(errno));
	}
	struct resolver *r = calloc(1, sizeof(*r));
	if (!r) {
		if (dir >= 0)
			close(dir);
		return fail(err, -ENOMEM, "Out of memory");
	}
	r->h = h;
	r->dir = dir;
	r->resolved = h->metric(h, MZ_METRIC_COUNTER, "resolved");
	r->failed = h->metric(h, MZ_METRIC_COUNTER, "failed");
	*inst = r;
	return 0;
}

static void destroy(void *inst)
{
	struct resolver *r = inst;
	if (!r)
		return;
	/* The host has waited for running work; its done() will not be called. */
	while (r->jobs)
		job_free(r->jobs);
	if (r->dir >= 0)
		close(r->dir);
	free(r);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(STRING, "directory", "", 0, 0,
		   "absolute path of the directory with a file for each reference; empty: references are refused"),
	MZ_SETTING_END,
};

static const struct mz_secret_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.resolve = resolve,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(SECRET),
	.name = "file",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Secrets by value, and by reference from files of a directory",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
