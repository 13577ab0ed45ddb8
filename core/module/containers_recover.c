/* containers_recover.c - after a restart: each containerizer is told of every container on
 * record, one after the other. Who reports it as ended does not have it, or has seen its
 * end; it belongs to the first one that does not. Called by containers_real.c's table.
 * SPDX-License-Identifier: Apache-2.0 */
#include "module/containers_impl.h"

struct recovering {
	struct real_asked asked;
	struct containers_real *r;
	VEC(struct box *) boxes;
	const struct mz_container **v;
	struct mz_err err;
	void (*fn)(void *arg, const struct mz_err *err);
	void *arg;
	size_t next; /* containerizer that answers now */
};

static void recovering_drop(struct real_asked *a)
{
	struct recovering *q = mz_container_of(a, struct recovering, asked);
	vec_done(&q->boxes);
	free(q->v);
	free(q);
}

/* Who did not report it as ended has it. */
static void settle(struct recovering *q)
{
	struct containers_real *r = q->r;
	for (size_t i = 0; i < q->boxes.n; i++) {
		struct box *b = q->boxes.v[i];
		if (b->n_denied >= r->containerizers.n) {
			b->exited = true;
			if (!b->t.size)
				b->t = (struct mz_termination){
					.size = sizeof(b->t), .wait_status = -1, .state = -1, .reason = -1};
		}
		b->state = BOX_RUNNING;
		if (b->exited)
			box_post_exit(b);
		else if (b->terminated)
			(void)real_terminate(&r->base, b->c.id, NULL); /* it is ours: it cannot be unknown */
		box_ask_status(b);
		box_update_next(b);
	}
	list_remove(&q->asked.node);
	q->fn(q->arg, q->err.code ? &q->err : NULL);
	recovering_drop(&q->asked);
}

static void recover_next(struct recovering *q);

static void on_recovered(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct recovering *q = arg;
	struct containers_real *r = q->r;
	if (err && !q->err.code) {
		q->err = *err;
		mz_wrap(&q->err, "Cannot recover containers with '%s'", module_name(r->containerizers.v[q->next].m));
	}
	for (size_t i = 0; i < q->boxes.n; i++)
		if (q->boxes.v[i]->n_denied <= q->next && q->boxes.v[i]->owner == SIZE_MAX)
			q->boxes.v[i]->owner = q->next;
	q->next++;
	recover_next(q);
}

static void recover_next(struct recovering *q)
{
	struct containers_real *r = q->r;
	if (q->next >= r->containerizers.n) {
		settle(q);
		return;
	}
	struct module_containerizer *m = &r->containerizers.v[q->next];
	MODULE_CALL(m, recover, q->v, q->boxes.n, module_op_new(m->m, "recover", 0, 0, on_recovered, q));
}

void real_recover(struct containers *c, const struct container_config *const *v, size_t n,
			 void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct containers_real *r = real_of(c);
	struct recovering *q = xnew(struct recovering);
	*q = (struct recovering){.r = r, .fn = fn, .arg = arg};
	real_ask(r, &q->asked, recovering_drop);
	q->v = xcalloc(n + 1, sizeof(q->v[0]));
	for (size_t i = 0; i < n; i++) {
		if (box_find(r, v[i]->id))
			continue;
		struct box *b = box_new(r, v[i]);
		b->state = BOX_RECOVERING;
		b->owner = SIZE_MAX;
		q->v[q->boxes.n] = &b->c;
		vec_push(&q->boxes, b);
	}
	recover_next(q);
}
