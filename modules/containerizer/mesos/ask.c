/* ask.c - containerizer/mesos: questions about running containers, each of which goes to one
 * isolator after the other: update, usage, status.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mesos.h"

/* One question that goes to each isolator in turn. */
struct round {
	struct pending pending;
	struct mesos *m;
	char *id;
	const struct mz_container *c; /* update: the caller's, which lives until the end */
	struct mz_container own;	      /* else: only the id matters */
	struct mz_usage *u;
	struct mz_op *op;
	size_t i;
	enum { ROUND_UPDATE, ROUND_USAGE, ROUND_STATUS } what;
	int32_t pid;
};

static void round_drop(struct pending *p)
{
	struct round *r = (struct round *)p;
	free(r->id);
	free(r);
}

static void round_end(struct round *r, const struct mz_err *err)
{
	struct mz_container_status s = {.size = sizeof(s), .pid = r->pid};
	pending_end(&r->pending);
	r->m->h->op_done(r->op, err, !err && r->what == ROUND_STATUS ? &s : NULL);
	round_drop(&r->pending);
}

static void round_next(struct round *r);

static void on_round(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct round *r = arg;
	if (err && r->what == ROUND_UPDATE) {
		struct mz_err own = *err;
		const struct box *b = box_find(r->m, r->id);
		/* That would say that the container has ended. */
		if (own.code == -ENOENT && b && b->state == BOX_RUNNING)
			own.code = -EIO;
		round_end(r, &own);
		return;
	}
	if (err) /* the others may know more */
		say(r->m, MZ_LOG_WARNING, "Isolator '%s' cannot measure container '%s', ignoring: %s",
		    r->m->k->isolator_name(r->m->h, r->i), r->id, err->msg);
	r->i++;
	round_next(r);
}

static void round_next(struct round *r)
{
	const struct mz_containerizer_host *k = r->m->k;
	const struct mz_host *h = r->m->h;
	while (r->i < k->n_isolators(h) && !concerns(r->m, r->i, r->id))
		r->i++;
	if (r->i >= k->n_isolators(h) || !box_find(r->m, r->id)) {
		round_end(r, NULL);
		return;
	}
	struct mz_op *op = k->op(h, on_round, r);
	if (r->what == ROUND_UPDATE)
		k->isolator_update(h, r->i, r->c, op);
	else if (r->what == ROUND_USAGE)
		k->isolator_usage(h, r->i, r->c, r->u, op);
	else
		k->isolator_status(h, r->i, r->c, r->u, op);
}

static void ask(struct mesos *m, int what, const char *id, const struct mz_container *c, struct mz_usage *u,
		struct mz_op *op)
{
	struct box *b = box_find(m, id);
	if (!b || b->state != BOX_RUNNING)
		return refuse(m, op, -ENOENT, "The container is not running");
	struct round *r = calloc(1, sizeof(*r));
	char *own = strdup(id);
	if (!r || !own) {
		free(r);
		free(own);
		return refuse(m, op, -ENOMEM, "Out of memory");
	}
	pending_add(&m->pending, &r->pending, round_drop);
	r->m = m;
	r->id = own;
	r->own = (struct mz_container){.size = sizeof(r->own), .id = own, .pid = b->first};
	r->c = c ? c : &r->own;
	r->u = u;
	r->op = op;
	r->what = what;
	r->pid = b->first;
	if (what == ROUND_STATUS && u)
		(void)m->k->usage->set_integer(u, "executor_pid", b->first); /* no such field: not wanted */
	round_next(r);
}

void mesos_update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	ask(inst, ROUND_UPDATE, c->id, c, NULL, op);
}

void mesos_usage(void *inst, const char *id, struct mz_usage *u, struct mz_op *op)
{
	ask(inst, ROUND_USAGE, id, NULL, u, op);
}

void mesos_status(void *inst, const char *id, struct mz_usage *u, struct mz_op *op)
{
	ask(inst, ROUND_STATUS, id, NULL, u, op);
}
