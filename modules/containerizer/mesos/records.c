/* records.c - containerizer/mesos: the status files that shims write, one for each
 * container, named by its id; where that is too long for a name, it is in the file.
 * Their form is in core/bin/init.h.
 *
 * The file of an ended container stays for a while: the agent has to write down
 * first that it knows the end.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/id_name.h"
#include "../../lib/living.h"
#include "mesos.h"

enum { RECORD_SIZE = 16384 };
static const int64_t KEEP_NS = 60LL * 1000000000;

struct ended {
	struct ended *next;
	struct mesos *m;
	struct mz_op *op; /* somebody waits for its removal */
	int64_t due; /* on the host's clock */
	char *path;
};

/* Some of them, on their way to a worker thread and back. */
struct removal {
	struct pending pending;
	struct ended *list;
};

char *record_path(const struct mesos *m, const char *id)
{
	char name[ID_NAME_SIZE];
	return format("%s/%s", m->records, id_name(id, name));
}

/* ---- reading (worker thread) ------------------------------------------------------ */

/* -1 for the dead; a shortage goes to *rc. */
static int look_for(int32_t pid, unsigned long long start, int *rc)
{
	int fd = living_open(pid, start);
	if (fd < 0 && fd != -ESRCH)
		*rc = fd;
	return fd < 0 ? -1 : fd;
}

/* Takes the first line, "id ID", if it is one; the rest, or NULL without memory. */
static const char *take_id(const char *text, struct record *r)
{
	const char *end = strncmp(text, "id ", 3) ? NULL : strchr(text, '\n');
	if (!end)
		return text;
	free(r->id);
	r->id = strndup(text + 3, (size_t)(end - text) - 3);
	return r->id ? end + 1 : NULL;
}

int record_read(const char *path, struct record *r)
{
	char whole[RECORD_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, whole, sizeof(whole) - 1);
	int code = errno;
	close(fd);
	if (n < 0)
		return -code;
	whole[n] = '\0';
	const char *text = take_id(whole, r);
	if (!text)
		return -ENOMEM;
	unsigned long long start = 0;
	int pid = 0, payload = 0, io_pid = 0, rc = 0;
	r->is_linux = !strncmp(text, "linux ", 6);
	if (sscanf(text + (r->is_linux ? 6 : 0), "shim %d %llu", &pid, &start) < 2)
		return -EBADMSG;
	const char *more = strstr(text, " payload ");
	if (more)
		(void)sscanf(more, " payload %d", &payload);
	more = strstr(text, " io ");
	if (more && sscanf(more, " io %d %llu", &io_pid, &r->io_start) == 2) {
		r->io_pid = io_pid;
		r->io_pidfd = look_for(io_pid, r->io_start, &rc);
	}
	r->pid = pid;
	r->payload = payload;
	r->wait_status = -1;
	const char *end = strstr(text, "\nexit ");
	int status;
	if (end && sscanf(end, "\nexit %d", &status) == 1) {
		r->ended = 1;
		r->wait_status = status;
	}
	/* Also with a status: the shim may still be killing what is left. */
	r->pidfd = look_for(pid, start, &rc);
	return rc;
}

void records_free(struct record *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].id);
		if (v[i].pidfd >= 0)
			close(v[i].pidfd);
		if (v[i].io_pidfd >= 0)
			close(v[i].io_pidfd);
	}
	free(v);
}

int records_read(const char *dir, struct record **ret, size_t *ret_n, struct mz_err *err)
{
	char why[128];
	DIR *d = opendir(dir);
	if (!d)
		return fail(err, -errno, "Cannot read '%.180s': %s", dir, reason(errno, why, sizeof(why)));
	struct record *v = NULL;
	size_t n = 0, cap = 0;
	struct dirent *e;
	int rc = 0;
	while (rc == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 64;
			struct record *more = realloc(v, cap * sizeof(*v));
			if (!more) {
				rc = fail(err, -ENOMEM, "Out of memory");
				break;
			}
			v = more;
		}
		v[n] = (struct record){.pidfd = -1, .wait_status = -1, .io_pidfd = -1};
		char *path = format("%s/%s", dir, e->d_name);
		/* A broken one is a container that is gone; one that we cannot look at is not. */
		int got = path ? record_read(path, &v[n]) : -ENOMEM;
		if (!v[n].id && !(v[n].id = strdup(e->d_name)))
			got = -ENOMEM;
		if (living_is_shortage(got))
			rc = fail(err, got, "Cannot look whether container '%.100s' lives: %s", e->d_name,
				  reason(got, why, sizeof(why)));
		free(path);
		n++;
	}
	closedir(d);
	if (rc < 0) {
		records_free(v, n);
		return rc;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

/* ---- removing ------------------------------------------------------------------------ */

static void free_ended(struct ended *e)
{
	while (e) {
		struct ended *next = e->next;
		free(e->path);
		free(e);
		e = next;
	}
}

static void remove_work(void *arg)
{
	const struct removal *r = arg;
	for (struct ended *e = r->list; e; e = e->next)
		(void)unlink(e->path); /* if it stays, the next start removes it */
}

static void removal_drop(struct pending *p)
{
	struct removal *r = (struct removal *)p;
	free_ended(r->list);
	free(r);
}

static void tell_removed(struct ended *list)
{
	for (struct ended *e = list; e; e = e->next)
		if (e->op)
			e->m->h->op_done(e->op, NULL, NULL);
}

static void on_removed(void *arg)
{
	struct removal *r = arg;
	pending_end(&r->pending);
	tell_removed(r->list);
	removal_drop(&r->pending);
}

static void remove_list(struct mesos *m, struct ended *list)
{
	if (!list)
		return;
	struct removal *r = calloc(1, sizeof(*r));
	if (!r) {
		tell_removed(list); /* the next start removes them */
		free_ended(list);
		return;
	}
	r->list = list;
	pending_add(&m->pending, &r->pending, removal_drop);
	if (m->h->offload(m->h, remove_work, on_removed, r) < 0)
		on_removed(r); /* the same */
}

static struct ended *ended_new(struct mesos *m, const char *id)
{
	struct ended *e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->m = m;
	e->path = record_path(m, id);
	if (!e->path) {
		free(e);
		return NULL;
	}
	return e;
}

void record_remove(struct mesos *m, const char *id)
{
	remove_list(m, ended_new(m, id));
}

void record_unlink(const struct mesos *m, const char *id)
{
	char *path = record_path(m, id);
	if (path)
		(void)unlink(path);
	free(path);
}

void record_remove_asked(struct mesos *m, const char *id, struct mz_op *op)
{
	struct ended *e = ended_new(m, id), **at = &m->ended;
	if (!e) {
		struct mz_err err;
		fail(&err, -ENOMEM, "Out of memory");
		m->h->op_done(op, &err, NULL);
		return;
	}
	/* Not a second time later: the id may be in use again by then. */
	while (*at && strcmp((*at)->path, e->path))
		at = &(*at)->next;
	struct ended *later = *at;
	if (later) {
		*at = later->next;
		if (m->ended_tail == &later->next)
			m->ended_tail = at;
		later->next = NULL;
		free_ended(later);
	}
	e->op = op;
	remove_list(m, e);
}

static void on_ended_timer(void *arg)
{
	struct mesos *m = arg;
	m->ended_timer = NULL;
	int64_t now = m->h->now(m->h);
	struct ended *list = m->ended, **at = &m->ended;
	while (*at && (*at)->due <= now)
		at = &(*at)->next;
	m->ended = *at;
	*at = NULL;
	if (at == &m->ended)
		list = NULL;
	if (!m->ended)
		m->ended_tail = &m->ended;
	else
		m->ended_timer = m->h->timer(m->h, m->ended->due - now, on_ended_timer, m);
	remove_list(m, list);
}

void record_remove_later(struct mesos *m, const char *id)
{
	struct ended *e = ended_new(m, id);
	if (!e)
		return;
	e->due = m->h->now(m->h) + KEEP_NS;
	*m->ended_tail = e;
	m->ended_tail = &e->next;
	if (!m->ended_timer)
		m->ended_timer = m->h->timer(m->h, KEEP_NS, on_ended_timer, m);
}

void records_done(struct mesos *m)
{
	if (m->ended_timer)
		m->h->timer_cancel(m->h, m->ended_timer);
	/* Those that are left are removed after the next start, once the agent
	 * does not name them any more. */
	free_ended(m->ended);
}
