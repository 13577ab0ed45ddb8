/* process.c - logger/rotate: the mezzo-logger of a container, from its start to its end. One that
 * is killed is replaced by another that reads on where it stopped, because this module keeps the
 * pipes open. Which process is whose is in the storage, for the next life of the agent.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/living.h"
#include "rotate.h"

/* How long it may take to say that it can write; to write the rest; and how long after it was
 * killed it is started again, twice as long each time. */
static const int64_t START_NS = 30000000000, END_NS = 10000000000, AGAIN_NS = 10000000;
/* One that has worked so long was not killed by what it does. */
static const int64_t STEADY_NS = 60000000000;

enum { RECORD_SIZE = 16384, MAX_RESTARTS = 12 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void stop_waiting(struct log *l)
{
	const struct mz_host *h = l->r->h;
	h->unwatch(h, l->watch);
	h->timer_cancel(h, l->timer);
	l->watch = NULL;
	l->timer = NULL;
}

/* ---- records -------------------------------------------------------------------------- */

static void on_stored(void *arg, const struct mz_err *err)
{
	if (err)
		say(arg, MZ_LOG_WARNING, "After a restart a logger will not be known: %s", err->msg);
}

static void forget(struct log *l)
{
	char key[16];
	if (!l->is_known)
		return;
	l->is_known = 0;
	snprintf(key, sizeof(key), "%d", l->pid);
	l->r->h->storage_put(l->r->h, key, (struct mz_bytes){NULL, 0}, on_stored, l->r);
}

/* Its start, the container's id, its arguments, each with a NUL behind it. */
static void keep(struct log *l)
{
	char key[16], record[RECORD_SIZE];
	uint64_t start;
	int rc = living_start_time(l->pid, &start);
	int n = snprintf(record, sizeof(record), "%llu%c%s", (unsigned long long)start, 0, l->id) + 1;
	for (size_t i = 0; i < ROTATE_N_ARGS && n < (int)sizeof(record); i++)
		n += snprintf(record + n, sizeof(record) - (size_t)n, "%s", l->args[i]) + 1;
	if (rc < 0 || n >= (int)sizeof(record)) {
		say(l->r, MZ_LOG_WARNING, "After a restart the logger of container '%.100s' will not be known: %s", l->id,
		    rc < 0 ? "there are too few file descriptors to look at it" : "its names are too long");
		return;
	}
	snprintf(key, sizeof(key), "%d", l->pid);
	l->is_known = 1;
	l->r->h->storage_put(l->r->h, key, (struct mz_bytes){record, (size_t)n}, on_stored, l->r);
}

/* ---- logs ----------------------------------------------------------------------------- */

int log_new(struct rotate *r, const char *id, struct log **ret, struct mz_err *err)
{
	if (log_find(r, id))
		return refuse_with(err, -EEXIST, "Container '%.180s' has a logger already", id);
	struct log *l = calloc(1, sizeof(*l));
	char *own = strdup(id);
	if (!l || !own || by_id_add(&r->logs, &l->by, own) < 0) {
		free(l);
		free(own);
		return refuse_with(err, -ENOMEM, "Out of memory");
	}
	l->r = r;
	l->id = own;
	l->out = l->err = l->ins[0] = l->ins[1] = l->report = l->pidfd = -1;
	r->h->metric_add(r->running, 1);
	*ret = l;
	return 0;
}

void log_free(struct log *l)
{
	by_id_take(&l->r->logs, l->id);
	stop_waiting(l);
	l->r->h->timer_cancel(l->r->h, l->ending);
	close_fd(&l->out);
	close_fd(&l->err);
	close_fd(&l->ins[0]);
	close_fd(&l->ins[1]);
	close_fd(&l->report);
	close_fd(&l->pidfd);
	l->r->h->metric_add(l->r->running, -1);
	for (size_t i = 0; i < ROTATE_N_ARGS; i++)
		free(l->args[i]);
	free(l->id);
	free(l);
}

struct log *log_find(struct rotate *r, const char *id)
{
	return (struct log *)by_id_find(&r->logs, id);
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

__attribute__((format(printf, 2, 3))) static int set_arg(char **to, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(to, fmt, ap);
	va_end(ap);
	if (n < 0)
		*to = NULL;
	return n < 0;
}

int log_set_args(struct log *l, const struct mz_container *c, const struct options *o, struct mz_err *err)
{
	const char *base, *dir = beneath(c, &base);
	if (set_arg(&l->args[0], "base=%s", base) || set_arg(&l->args[1], "dir=%s", dir) ||
	    set_arg(&l->args[2], "owner=%d", l->r->k->is_root(l->r->h) != 0) ||
	    set_arg(&l->args[3], "out=%lld:%lld", (long long)o->out.size, (long long)o->out.n_files) ||
	    set_arg(&l->args[4], "err=%lld:%lld", (long long)o->err.size, (long long)o->err.n_files) ||
	    set_arg(&l->args[5], "gzip=%d", o->compress) || set_arg(&l->args[6], "time=%d", o->timestamps))
		return refuse_with(err, -ENOMEM, "Out of memory");
	return 0;
}

/* ---- its end -------------------------------------------------------------------------- */

static void finish(struct log *l)
{
	struct mz_op *op = l->op;
	const struct mz_host *h = l->r->h;
	forget(l);
	log_free(l);
	if (op)
		h->op_done(op, NULL, NULL);
}

/* Has everybody closed the pipes that could write, and is nothing left in them? */
static int is_drained(const struct log *l)
{
	struct pollfd p[2] = {{.fd = l->ins[0], .events = POLLIN}, {.fd = l->ins[1], .events = POLLIN}};
	return poll(p, 2, 0) >= 0 && (p[0].fd < 0 || p[0].revents == POLLHUP) && (p[1].fd < 0 || p[1].revents == POLLHUP);
}

static int spawn(struct log *l, struct mz_err *err);
static void replace(struct log *l, const char *why);

static void on_again(void *arg)
{
	struct log *l = arg;
	struct mz_err err;
	l->timer = NULL;
	if (spawn(l, &err) < 0)
		replace(l, err.msg);
}

/* By another one, a little later; after many in vain the container is not held up by pipes that
 * nobody reads. */
static void replace(struct log *l, const char *why)
{
	if (l->n_restarts == MAX_RESTARTS) {
		say(l->r, MZ_LOG_ERROR, "Container '%.100s': %.250s; its output is lost from here on", l->id, why);
		finish(l);
		return;
	}
	say(l->r, MZ_LOG_WARNING, "Container '%.100s': %.250s; another one takes over", l->id, why);
	l->r->h->metric_add(l->r->restarts, 1);
	l->timer = l->r->h->timer(l->r->h, AGAIN_NS << l->n_restarts++, on_again, l);
}

static void on_gone(void *arg, int ready)
{
	(void)ready;
	struct log *l = arg;
	stop_waiting(l);
	close_fd(&l->pidfd);
	forget(l);
	if (l->r->h->now(l->r->h) - l->begun_ns > STEADY_NS)
		l->n_restarts = 0;
	if (!is_drained(l))
		replace(l, "its logger has ended too early");
	else
		finish(l); /* whether anybody waits for that yet or not */
}

static void on_late(void *arg)
{
	struct log *l = arg;
	l->ending = NULL;
	say(l->r, MZ_LOG_WARNING, "The logger of container '%.150s' still writes, going on without it", l->id);
	finish(l);
}

void log_end(struct log *l)
{
	if (l->pidfd < 0 && !l->timer) { /* it cannot be waited for */
		finish(l);
		return;
	}
	l->ending = l->r->h->timer(l->r->h, END_NS, on_late, l);
	if (l->pidfd < 0 && l->report < 0) { /* one is to be started: now */
		l->r->h->timer_cancel(l->r->h, l->timer);
		on_again(l);
	}
}

/* ---- its beginning -------------------------------------------------------------------- */

static void refuse(struct log *l, const struct mz_err *err)
{
	struct mz_op *op = l->op;
	const struct mz_host *h = l->r->h;
	if (l->pidfd >= 0)
		(void)pidfd_send_signal(l->pidfd, SIGKILL, NULL, 0); /* it has nothing to write yet */
	forget(l);
	log_free(l);
	h->op_done(op, err, NULL);
}

/* Of the first one prepare tells; nobody asks for its successors. */
static void fail(struct log *l, const struct mz_err *err)
{
	stop_waiting(l);
	close_fd(&l->report);
	if (l->out >= 0) {
		refuse(l, err);
		return;
	}
	if (l->pidfd >= 0)
		(void)pidfd_send_signal(l->pidfd, SIGKILL, NULL, 0); /* it has read nothing yet */
	close_fd(&l->pidfd);
	forget(l);
	replace(l, err->msg);
}

void log_cancel(struct log *l)
{
	struct mz_err err;
	refuse_with(&err, -ECANCELED, "Container '%.150s' has ended before its logger has begun", l->id);
	refuse(l, &err);
}

/* It works. */
static void on_begun(struct log *l)
{
	const struct mz_host *h = l->r->h;
	stop_waiting(l);
	close_fd(&l->report);
	l->begun_ns = h->now(h);
	if (l->pidfd >= 0)
		l->watch = h->watch(h, l->pidfd, MZ_READ, on_gone, l);
	if (l->out < 0)
		return;
	struct mz_logger_result result = {.size = sizeof(result), .fd_out = l->out, .fd_err = l->err};
	struct mz_op *op = l->op;
	l->out = l->err = -1;
	l->op = NULL;
	h->op_done(op, NULL, &result);
}

static void on_reported(struct log *l)
{
	struct mz_err err;
	l->said[l->n_said] = '\0';
	if (strcmp(l->said, "ok") == 0) {
		on_begun(l);
		return;
	}
	char *text = l->said;
	long code = EIO;
	if (!strncmp(text, "failed ", 7))
		code = strtol(text + 7, &text, 10);
	text += strspn(text, " ");
	refuse_with(&err, code > 0 ? -(int)code : -EIO, "The logger of container '%.80s' does not work: %.140s", l->id,
		    *text ? text : "it ended without a word");
	fail(l, &err);
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
	fail(l, &err);
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

/* A process at the read ends of l->ins. */
static int spawn(struct log *l, struct mz_err *err)
{
	struct rotate *r = l->r;
	const char *argv[ROTATE_N_ARGS + 2] = {r->helper};
	int report = -1;
	for (size_t i = 0; i < ROTATE_N_ARGS; i++)
		argv[i + 1] = l->args[i];
	int rc = make_pipe(&l->report, &report, err);
	const struct mz_spawn s = {
		.size = sizeof(s), .fd_in = l->ins[0], .fd_out = l->ins[1], .fd_err = report, .argv = argv};
	if (rc == 0)
		rc = r->k->spawn_detached(r->h, &s, &l->pid, err);
	close_fd(&report);
	if (rc < 0) {
		close_fd(&l->report);
		return rc;
	}
	l->pidfd = pidfd_open(l->pid, 0);
	keep(l);
	l->n_said = 0;
	(void)fcntl(l->report, F_SETFL, O_NONBLOCK);
	l->watch = r->h->watch(r->h, l->report, MZ_READ, on_report, l);
	l->timer = r->h->timer(r->h, START_NS, on_silence, l);
	return 0;
}

int log_start(struct log *l, struct mz_err *err)
{
	int rc = make_pipe(&l->ins[0], &l->out, err);
	if (rc == 0)
		rc = make_pipe(&l->ins[1], &l->err, err);
	return rc < 0 ? rc : spawn(l, err);
}

/* ---- after a restart of the agent --------------------------------------------------------- */

/* The pipes are those that the process reads; only root may ask for them. It has closed one that
 * is at its end, and may have opened a file in its place. */
static void reopen(struct log *l)
{
	char path[48];
	struct stat st;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", l->pid, i);
		l->ins[i] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (l->ins[i] >= 0 && (fstat(l->ins[i], &st) < 0 || !S_ISFIFO(st.st_mode)))
			close_fd(&l->ins[i]);
	}
}

static int recover_one(void *arg, const char *key, struct mz_bytes record)
{
	struct rotate *r = arg;
	const char *texts[ROTATE_N_ARGS + 2], *at = record.data, *end = at + record.size;
	size_t n = 0;
	for (; n < ROTATE_N_ARGS + 2 && at < end && memchr(at, 0, (size_t)(end - at)); at += strlen(at) + 1)
		texts[n++] = at;
	int32_t pid = (int32_t)strtol(key, NULL, 10);
	int pidfd = n == ROTATE_N_ARGS + 2 && pid > 0 ? living_open(pid, strtoull(texts[0], NULL, 10)) : -ESRCH;
	if (pidfd == -ESRCH)
		r->h->storage_put(r->h, key, (struct mz_bytes){NULL, 0}, on_stored, r);
	if (pidfd < 0)
		return pidfd == -ESRCH ? 0 : pidfd;
	struct log *l;
	struct mz_err err;
	int rc = log_new(r, texts[1], &l, &err);
	if (rc < 0) {
		close(pidfd);
		return rc == -EEXIST ? 0 : rc; /* the second of two has no more to tell than the first */
	}
	l->pid = pid;
	l->pidfd = pidfd;
	l->is_known = 1;
	for (size_t i = 0; i < ROTATE_N_ARGS; i++)
		if (!(l->args[i] = strdup(texts[i + 2]))) {
			log_free(l);
			return -ENOMEM;
		}
	reopen(l);
	l->begun_ns = r->h->now(r->h);
	l->watch = r->h->watch(r->h, l->pidfd, MZ_READ, on_gone, l);
	return 0;
}

int log_recover_all(struct rotate *r)
{
	return r->h->storage_each(r->h, recover_one, r);
}
