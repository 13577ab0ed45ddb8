/* rotate.c - logger/rotate: gives each container two pipes, and a process that outlives
 * the agent (mezzo-logger) at their other ends. This module starts it, hears from it
 * whether it can write, and at the container's end waits for it; the writing and
 * rotating is all mezzo-logger's.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "rotate.h"

/* How long it may take to say that it can write, and to write the rest. */
static const int64_t START_NS = 30000000000, END_NS = 10000000000;

struct log {
	struct log *next;
	struct rotate *r;
	char *id;
	int out, err;	  /* write ends, until they are handed over; else -1 */
	int report;	  /* read end, until it has reported; else -1 */
	int pidfd;
	struct mz_op *op; /* prepare, then ended */
	struct mz_watch *watch;
	struct mz_timer *timer;
	char said[512];
	size_t n_said;
};

struct rotate {
	const struct mz_host *h;
	const struct mz_logger_host *k;
	struct log *logs;
	struct options defaults;
	const char *prefix;
	char *helper;
	struct mz_metric *running;
};

int refuse_with(struct mz_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	err->code = code < 0 ? code : -code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return err->code;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void log_rest(struct log *l)
{
	const struct mz_host *h = l->r->h;
	h->unwatch(h, l->watch);
	h->timer_cancel(h, l->timer);
	l->watch = NULL;
	l->timer = NULL;
}

static void log_free(struct log *l)
{
	struct log **at = &l->r->logs;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	log_rest(l);
	close_fd(&l->out);
	close_fd(&l->err);
	close_fd(&l->report);
	close_fd(&l->pidfd);
	l->r->h->metric_add(l->r->running, -1);
	free(l->id);
	free(l);
}

static struct log *log_new(struct rotate *r, const char *id)
{
	struct log *l = calloc(1, sizeof(*l));
	char *own = strdup(id);
	if (!l || !own) {
		free(l);
		free(own);
		return NULL;
	}
	*l = (struct log){.next = r->logs, .r = r, .id = own, .out = -1, .err = -1, .report = -1, .pidfd = -1};
	r->logs = l;
	r->h->metric_add(r->running, 1);
	return l;
}

static struct log *find(struct rotate *r, const char *id)
{
	struct log *l = r->logs;
	while (l && strcmp(l->id, id))
		l = l->next;
	return l;
}

/* ---- prepare -------------------------------------------------------------------------- */

static void refuse(struct log *l, const struct mz_err *err)
{
	struct mz_op *op = l->op;
	const struct mz_host *h = l->r->h;
	if (l->pidfd >= 0)
		(void)pidfd_send_signal(l->pidfd, SIGKILL, NULL, 0); /* it has nothing to write yet */
	log_free(l);
	h->op_done(op, err, NULL);
}

static void on_reported(struct log *l)
{
	struct mz_err err;
	l->said[l->n_said] = '\0';
	if (strcmp(l->said, "ok") == 0) {
		struct mz_logger_result result = {.size = sizeof(result), .fd_out = l->out, .fd_err = l->err};
		struct mz_op *op = l->op;
		log_rest(l);
		close_fd(&l->report);
		l->out = l->err = -1;
		l->op = NULL;
		l->r->h->op_done(op, NULL, &result);
		return;
	}
	char *text = l->said;
	long code = EIO;
	if (!strncmp(text, "failed ", 7))
		code = strtol(text + 7, &text, 10);
	text += strspn(text, " ");
	refuse_with(&err, code > 0 ? -(int)code : -EIO, "The logger of container '%.80s' does not work: %.140s", l->id,
	     *text ? text : "it ended without a word");
	refuse(l, &err);
}

static void on_report(void *arg, int ready)
{
	(void)ready;
	struct log *l = arg;
	ssize_t n = read(l->report, l->said + l->n_said, sizeof(l->said) - 1 - l->n_said);
	if (n > 0)
		l->n_said += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		on_reported(l);
}

static void on_silence(void *arg)
{
	struct log *l = arg;
	struct mz_err err;
	l->timer = NULL;
	refuse_with(&err, -ETIMEDOUT, "The logger of container '%.100s' has not begun within %d s", l->id,
	     (int)(START_NS / 1000000000));
	refuse(l, &err);
}

/* The sandbox as seen from the work directory, which containers cannot change. */
static const char *beneath(const struct mz_container *c, const char **ret_base)
{
	size_t n = c->work_dir ? strlen(c->work_dir) : 0;
	if (n && !strncmp(c->sandbox, c->work_dir, n) && c->sandbox[n] == '/') {
		*ret_base = c->work_dir;
		return c->sandbox + n + strspn(c->sandbox + n, "/");
	}
	*ret_base = c->sandbox;
	return ".";
}

/* ends: read ends of stdout and stderr, write end of the report. */
static int start(struct log *l, const struct mz_container *c, const struct options *o, const int ends[3],
		 struct mz_err *err)
{
	struct rotate *r = l->r;
	const char *base, *dir = beneath(c, &base);
	char out[64], errors[64], *base_arg = NULL, *dir_arg = NULL;
	snprintf(out, sizeof(out), "out=%lld:%lld", (long long)o->out.size, (long long)o->out.n_files);
	snprintf(errors, sizeof(errors), "err=%lld:%lld", (long long)o->err.size, (long long)o->err.n_files);
	if (asprintf(&base_arg, "base=%s", base) < 0 || asprintf(&dir_arg, "dir=%s", dir) < 0) {
		free(base_arg);
		return refuse_with(err, -ENOMEM, "Out of memory");
	}
	const char *const argv[] = {r->helper, base_arg, dir_arg, r->k->is_root(r->h) ? "owner=1" : "owner=0",
				    out, errors, o->compress ? "gzip=1" : "gzip=0",
				    o->timestamps ? "time=1" : "time=0", NULL};
	const struct mz_spawn s = {
		.size = sizeof(s), .fd_in = ends[0], .fd_out = ends[1], .fd_err = ends[2], .argv = argv};
	int32_t pid = -1;
	int rc = r->k->spawn_detached(r->h, &s, &pid, err);
	if (rc == 0)
		l->pidfd = pidfd_open(pid, 0);
	free(base_arg);
	free(dir_arg);
	return rc;
}

static int make_pipe(int *ret_read, int *ret_write, struct mz_err *err)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return refuse_with(err, -errno, "Cannot make a pipe for a container's output: error %d", errno);
	*ret_read = p[0];
	*ret_write = p[1];
	return 0;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct rotate *r = inst;
	struct options o = r->defaults;
	struct mz_err err;
	int ends[3] = {-1, -1, -1};
	int rc = override_apply(c, r->prefix, &o, &err);
	struct log *l = rc < 0 ? NULL : log_new(r, c->id);
	if (!l) {
		if (rc == 0)
			refuse_with(&err, -ENOMEM, "Out of memory");
		r->h->op_done(op, &err, NULL);
		return;
	}
	l->op = op;
	rc = make_pipe(&ends[0], &l->out, &err);
	if (rc == 0)
		rc = make_pipe(&ends[1], &l->err, &err);
	if (rc == 0)
		rc = make_pipe(&l->report, &ends[2], &err);
	if (rc == 0)
		rc = start(l, c, &o, ends, &err);
	for (int i = 0; i < 3; i++)
		close_fd(&ends[i]);
	if (rc < 0) {
		refuse(l, &err);
		return;
	}
	(void)fcntl(l->report, F_SETFL, O_NONBLOCK);
	l->watch = r->h->watch(r->h, l->report, MZ_READ, on_report, l);
	l->timer = r->h->timer(r->h, START_NS, on_silence, l);
}

/* ---- ended ------------------------------------------------------------------------------ */

static void finish(struct log *l)
{
	struct mz_op *op = l->op;
	const struct mz_host *h = l->r->h;
	log_free(l);
	h->op_done(op, NULL, NULL);
}

static void on_gone(void *arg, int ready)
{
	(void)ready;
	finish(arg);
}

static void on_late(void *arg)
{
	struct log *l = arg;
	char text[256];
	l->timer = NULL;
	snprintf(text, sizeof(text), "The logger of container '%.150s' still writes, going on without it", l->id);
	l->r->h->log(l->r->h, MZ_LOG_WARNING, text);
	finish(l);
}

static void ended(void *inst, const char *id, struct mz_op *op)
{
	struct rotate *r = inst;
	struct log *l = find(r, id);
	/* One of an earlier life of the agent, one that failed; or it is asked for twice. */
	if (!l || l->op) {
		r->h->op_done(op, NULL, NULL);
		return;
	}
	l->op = op;
	if (l->pidfd < 0) {
		finish(l);
		return;
	}
	l->watch = r->h->watch(r->h, l->pidfd, MZ_READ, on_gone, l);
	l->timer = r->h->timer(r->h, END_NS, on_late, l);
}

/* ---- the instance ------------------------------------------------------------------------- */

static void destroy(void *inst)
{
	struct rotate *r = inst;
	while (r && r->logs)
		log_free(r->logs); /* the processes go on */
	if (r)
		free(r->helper);
	free(r);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct rotate *r = calloc(1, sizeof(*r));
	if (!r)
		return refuse_with(err, -ENOMEM, "Out of memory");
	r->h = h;
	r->k = h->kind;
	r->prefix = h->conf_str(conf, "prefix");
	r->defaults = (struct options){
		.out = {h->conf_int(conf, "max_stdout_size"), h->conf_int(conf, "max_stdout_files")},
		.err = {h->conf_int(conf, "max_stderr_size"), h->conf_int(conf, "max_stderr_files")},
		.compress = (int)h->conf_int(conf, "compress"),
		.timestamps = (int)h->conf_int(conf, "timestamps"),
	};
	const char *path = h->conf_str(conf, "helper");
	if (path[0])
		r->helper = strdup(path);
	else if (asprintf(&r->helper, "%s/mezzo-logger", r->k->libexec_dir(h)) < 0)
		r->helper = NULL;
	r->running = h->metric(h, MZ_METRIC_GAUGE, "loggers");
	int rc = 0;
	if (!r->helper)
		rc = refuse_with(err, -ENOMEM, "Out of memory");
	else if (access(r->helper, X_OK) < 0)
		rc = refuse_with(err, -errno, "Cannot execute '%.180s': set 'helper' to where mezzo-logger is", r->helper);
	if (rc < 0) {
		destroy(r);
		return rc;
	}
	*inst = r;
	return 0;
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BYTES, "max_stdout_size", "10MB", ROTATE_PAGE, INT64_MAX, "largest stdout before another file is begun"),
	MZ_SETTING(BYTES, "max_stderr_size", "10MB", ROTATE_PAGE, INT64_MAX, "the same for stderr"),
	MZ_SETTING(INT, "max_stdout_files", "5", 0, ROTATE_MAX_FILES, "older ones that are kept: stdout.1, stdout.2 …"),
	MZ_SETTING(INT, "max_stderr_files", "5", 0, ROTATE_MAX_FILES, "the same for stderr"),
	MZ_SETTING(BOOL, "compress", "false", 0, 0, "older ones are compressed with gzip: stdout.1.gz …"),
	MZ_SETTING(BOOL, "timestamps", "false", 0, 0, "each line begins with the time (UTC) at which it came"),
	MZ_SETTING(STRING, "prefix", "CONTAINER_LOGGER_", 0, 0,
		   "variables of a task that begin with it change all of this for its container"),
	MZ_SETTING(STRING, "helper", "", 0, 0, "mezzo-logger; empty: the installed one"),
	MZ_SETTING_END,
};

static const struct mz_logger_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.prepare = prepare,
	.ended = ended,
	/* recover: NULL, its processes need nobody. */
};

MZ_MODULE = {
	MZ_MODULE_HEAD(LOGGER),
	.name = "rotate",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Output goes to files of the sandbox that are rotated by size",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
