/* containers_update.c - a container's resources change while it runs. Its module is
 * asked for one change at a time, in order; those that come meanwhile, or while it is
 * still launched (with what it was launched with), are made one, with the newest
 * figures, which is what each of them asked for or has been overtaken by.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "model/resources.h"
#include "module/containers_impl.h"

struct update {
	struct list node; /* in box.updates, or of the round that is asked for */
	void (*fn)(void *arg, const struct mz_err *err);
	void *arg;
};

struct round {
	struct real_asked asked;
	struct box *b;
	struct list updates;
	struct mz_err err;
	bool failed;
};

static void answer(struct list *updates, const struct mz_err *err)
{
	while (!list_empty(updates)) {
		struct update *u = list_first(updates, struct update, node);
		struct update own = *u;
		list_remove(&u->node);
		free(u);
		own.fn(own.arg, err);
	}
}

static void set_resources(struct box *b, struct mz_resources *res, const struct container_limits *limits)
{
	vec_push(&b->old_res, b->res);
	b->res = res;
	b->c.resources = res;
	b->c.limit_cpus = limits->cpus;
	b->c.limit_mem = limits->mem;
}

static void round_drop(struct real_asked *a)
{
	struct round *q = mz_container_of(a, struct round, asked);
	list_each(&q->updates, struct update, node, u)
		free(u);
	box_unref(q->b);
	free(q);
}

static void on_updated(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct round *q = arg;
	struct box *b = q->b;
	list_remove(&q->asked.node);
	b->updating = false;
	answer(&q->updates, err);
	free(q);
	box_update_next(b);
	box_unref(b);
}

void box_update_next(struct box *b)
{
	if (b->updating || b->state != BOX_RUNNING || list_empty(&b->updates))
		return;
	if (b->exited) {
		box_updates_drop(b);
		return;
	}
	struct module_containerizer *m = &b->real->containerizers.v[b->owner];
	struct round *q = xnew(struct round);
	real_ask(b->real, &q->asked, round_drop);
	q->b = b;
	b->n_refs++;
	b->updating = true;
	list_init(&q->updates);
	while (!list_empty(&b->updates)) {
		struct update *u = list_first(&b->updates, struct update, node);
		list_remove(&u->node);
		list_append(&q->updates, &u->node);
	}
	set_resources(b, MZ_MOVE(b->next_res), &b->next_limits);
	struct mz_op *op = module_op_new(m->m, "update", 0, 0, on_updated, q);
	if (MODULE_HAS(m, update))
		MODULE_CALL(m, update, &b->c, op);
	else
		module_op_done(op, NULL, NULL);
}

void box_updates_drop(struct box *b)
{
	struct mz_err err;
	mz_fail(&err, -ENOENT, "Container '%s' has ended", b->c.id);
	answer(&b->updates, &err);
}

void box_updates_free(struct box *b)
{
	list_each(&b->updates, struct update, node, u)
		free(u);
}

void real_update(struct containers *c, const char *id, const struct mz_resources *res,
		 const struct container_limits *limits, void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct box *b = box_find(real_of(c), id);
	if (!b || b->exited) {
		struct mz_err err;
		mz_fail(&err, -ENOENT, "There is no container '%s'", id);
		fn(arg, &err);
		return;
	}
	if (b->state == BOX_SANDBOX) {
		set_resources(b, res_copy(res), limits); /* no module has seen it yet */
		fn(arg, NULL);
		return;
	}
	struct update *u = xnew(struct update);
	*u = (struct update){.fn = fn, .arg = arg};
	list_append(&b->updates, &u->node);
	res_free(b->next_res);
	b->next_res = res_copy(res);
	b->next_limits = *limits;
	box_update_next(b);
}
