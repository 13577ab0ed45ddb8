/* recover.c - containerizer/mesos: after a restart of the agent. What it names and
 * what the shims wrote are put together: who lives is watched again, who ended is
 * reported with the status that its shim wrote, and whoever lives without being
 * named is destroyed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mesos.h"

struct recovery {
	struct pending pending;
	struct mesos *m;
	struct mz_op *op;
	const struct mz_container *const *v; /* lives as long as op */
	size_t n;
	struct record *records;
	size_t n_records;
	const struct mz_container **living;
	struct mz_container *own; /* the same, with pid */
	size_t n_living, i;
	size_t n_open; /* containers whose end is still to be reported, and one */
	struct mz_err err;
};

static void recovery_drop(struct pending *p)
{
	struct recovery *r = (struct recovery *)p;
	records_free(r->records, r->n_records);
	free(r->living);
	free(r->own);
	free(r);
}

static void recovery_end(struct recovery *r, const struct mz_err *err)
{
	pending_end(&r->pending);
	r->m->h->op_done(r->op, err, NULL);
	recovery_drop(&r->pending);
}

void recovery_step(struct recovery *r)
{
	if (--r->n_open == 0)
		recovery_end(r, NULL);
}

static struct record *record_of(struct recovery *r, const char *id)
{
	for (size_t i = 0; i < r->n_records; i++)
		if (!strcmp(r->records[i].id, id))
			return &r->records[i];
	return NULL;
}

static void adopt_io(struct box *b, struct record *rec)
{
	int pidfd = rec->io_pidfd;
	rec->io_pidfd = -1;
	if (rec->io_pid)
		io_adopt(b, rec->io_pid, rec->io_start, pidfd);
}

/* It lives: from now on like one that we started. */
static int attach(struct recovery *r, struct record *rec, int orphan)
{
	struct box *b = box_new(r->m, rec->id);
	if (!b)
		return -ENOMEM;
	b->state = BOX_RUNNING;
	b->orphan = orphan;
	b->is_logged = 1;
	int pidfd = rec->pidfd;
	rec->pidfd = -1;
	adopt_io(b, rec);
	return shim_adopt(b, rec, pidfd);
}

static void report_ended(struct recovery *r, const struct mz_container *c, struct record *rec)
{
	struct box *b = box_new(r->m, c->id);
	if (!b)
		return;
	b->state = BOX_RUNNING;
	b->recovery = r;
	b->is_logged = 1;
	r->n_open++;
	if (rec)
		adopt_io(b, rec);
	if (rec && rec->ended)
		b->wait_status = rec->wait_status;
	else
		fail(&b->err, -ESRCH, "The container ended while the agent was away, and nobody knows how");
	box_ended(b);
}

/* Nested ones whose parent is not there (any more). */
static void destroy_bereft(struct mesos *m)
{
	for (struct box *b = m->n_nested ? box_next(m, NULL) : NULL; b; b = box_next(m, b))
		if (b->state == BOX_RUNNING && strchr(b->id, '.') && !box_parent(b))
			box_destroy(b);
}

static void settle(struct recovery *r)
{
	struct mesos *m = r->m;
	size_t n_attached = 0, n_ended = 0, n_orphans = 0;
	r->n_open = 1;
	for (size_t i = 0; i < r->n; i++) {
		struct record *rec = record_of(r, r->v[i]->id);
		if (rec)
			rec->named = 1;
		if (rec && rec->pidfd >= 0 && attach(r, rec, 0) == 0)
			n_attached++;
	}
	for (size_t i = 0; i < r->n_records; i++) {
		struct record *rec = &r->records[i];
		if (rec->named)
			continue;
		if (rec->pidfd >= 0 && attach(r, rec, 1) == 0) {
			box_destroy(box_find(m, rec->id));
			n_orphans++;
		} else {
			record_remove(m, rec->id);
		}
	}
	/* When everything that lives is in the table: who ended takes along what
	 * is nested in it. */
	for (size_t i = r->n; i-- > 0;) {
		if (box_find(m, r->v[i]->id))
			continue;
		report_ended(r, r->v[i], record_of(r, r->v[i]->id));
		n_ended++;
	}
	destroy_bereft(m);
	if (n_attached || n_ended || n_orphans)
		say(m, MZ_LOG_INFO, "Recovered: %zu containers run, %zu have ended, %zu orphans are destroyed", n_attached,
		    n_ended, n_orphans);
	recovery_step(r);
}

static void on_logger_recovered(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct recovery *r = arg;
	if (err)
		say(r->m, MZ_LOG_ERROR, "The logger cannot recover, going on: %s", err->msg);
	settle(r);
}

static void isolators_next(struct recovery *r);

static void on_isolator_recovered(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct recovery *r = arg;
	if (err) {
		struct mz_err e;
		fail(&e, err->code, "Isolator '%.60s' cannot recover: %.170s", r->m->k->isolator_name(r->m->h, r->i),
		     err->msg);
		recovery_end(r, &e);
		return;
	}
	r->i++;
	isolators_next(r);
}

static void isolators_next(struct recovery *r)
{
	struct mesos *m = r->m;
	if (r->i < m->k->n_isolators(m->h))
		m->k->isolator_recover(m->h, r->i, r->living, r->n_living, m->k->op(m->h, on_isolator_recovered, r));
	else if (HOST_HAS(m->k, logger_recover))
		m->k->logger_recover(m->h, r->living, r->n_living, m->k->op(m->h, on_logger_recovered, r));
	else
		settle(r);
}

static void on_groups_killed(void *arg, int32_t pid, int32_t wait_status)
{
	(void)pid;
	struct recovery *r = arg;
	if (wait_status)
		say(r->m, MZ_LOG_ERROR, "What was left of containers whose shims are gone may not all be dead, going on");
	isolators_next(r);
}

/* What is left of containers without a shim dies before the isolators clean up. */
static void kill_groups(struct recovery *r)
{
	const char **ids = calloc(r->n_records + 1, sizeof(ids[0]));
	size_t n = 0;
	struct mz_err err;
	for (size_t i = 0; ids && i < r->n_records; i++)
		if (r->records[i].is_linux && r->records[i].pidfd < 0)
			ids[n++] = r->records[i].id;
	int rc = n ? linux_kill_groups(r->m, ids, n, on_groups_killed, r, &err) : -ENOENT;
	if (n && rc < 0)
		say(r->m, MZ_LOG_ERROR, "Cannot kill what is left of %zu containers: %s", n, err.msg);
	free(ids);
	if (rc < 0)
		isolators_next(r);
}

static void read_work(void *arg)
{
	struct recovery *r = arg;
	(void)records_read(r->m->records, &r->records, &r->n_records, &r->err);
	io_sweep(r->m);
}

static void on_read(void *arg)
{
	struct recovery *r = arg;
	if (r->err.code) {
		recovery_end(r, &r->err);
		return;
	}
	for (size_t i = 0; i < r->n; i++) {
		const struct record *rec = record_of(r, r->v[i]->id);
		if (rec && rec->pidfd >= 0) {
			struct mz_container *c = &r->own[r->n_living];
			size_t size = r->v[i]->size; /* the host's, which may be older or newer */
			memcpy(c, r->v[i], size < sizeof(*c) ? size : sizeof(*c));
			c->size = sizeof(*c);
			c->pid = rec->is_linux ? rec->payload : rec->pid;
			r->living[r->n_living++] = c;
		}
	}
	kill_groups(r);
}

void mesos_recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct mesos *m = inst;
	struct recovery *r = calloc(1, sizeof(*r));
	struct mz_err err;
	if (r) {
		r->living = calloc(n + 1, sizeof(r->living[0]));
		r->own = calloc(n + 1, sizeof(r->own[0]));
	}
	if (!r || !r->living || !r->own) {
		if (r) {
			free(r->living);
			free(r->own);
		}
		free(r);
		fail(&err, -ENOMEM, "Out of memory");
		m->h->op_done(op, &err, NULL);
		return;
	}
	pending_add(&m->pending, &r->pending, recovery_drop);
	r->m = m;
	r->op = op;
	r->v = v;
	r->n = n;
	if (m->h->offload(m->h, read_work, on_read, r) < 0) {
		fail(&err, -EAGAIN, "The agent has too much work waiting");
		recovery_end(r, &err);
	}
}
