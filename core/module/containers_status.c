/* containers_status.c - what isolators tell: what they add to a container's status, asked once,
 * when it runs, before its launch is told, so that each status update of its tasks can
 * carry it; and the resources that they have found on this machine.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "module/containers_impl.h"

static const int64_t deadline_ns = 30 * 1000000000LL;

struct question {
	struct real_asked asked;
	struct box *b;
	struct mz_usage *u;
	void (*fn)(void *arg, bool limited); /* or NULL */
	void *arg;
};

static void question_drop(struct real_asked *a)
{
	struct question *q = mz_container_of(a, struct question, asked);
	usage_free(q->u);
	box_unref(q->b);
	free(q);
}

static void keep_status(struct box *b, struct mz_usage *u, const struct mz_container_status *s)
{
	if (s && s->pid > 0)
		(void)usage_api()->set_integer(u, "executor_pid", s->pid); /* there is that field */
	b->packed_status = usage_pack(u);
	usage_free(b->status);
	b->status = u;
}

static void on_status(void *arg, const struct mz_err *err, const void *result)
{
	struct question *q = arg;
	struct box *b = q->b;
	if (err && b->state == BOX_RUNNING && !b->exited && err->code != -ENOENT)
		log_warning(AREA, "Container '%s' has no complete status: %s", b->c.id, err->msg);
	if (!err)
		keep_status(b, MZ_MOVE(q->u), result); /* else what was told before holds */
	if (q->fn)
		q->fn(q->arg, b->limited);
	if (real_is_late(err))
		return;
	list_remove(&q->asked.node);
	question_drop(&q->asked);
}

static bool any_tells(const struct containers_real *r)
{
	for (size_t i = 0; i < r->isolators.n; i++)
		if (MODULE_HAS(&r->isolators.v[i], status))
			return true;
	return false;
}

/* False: nobody can be asked. */
static bool ask(struct box *b, void (*fn)(void *arg, bool limited), void *arg)
{
	struct containers_real *r = b->real;
	struct module_containerizer *m = b->owner < r->containerizers.n ? &r->containerizers.v[b->owner] : NULL;
	if (b->state != BOX_RUNNING || b->exited || !m || !MODULE_HAS(m, status))
		return false;
	struct question *q = xnew(struct question);
	real_ask(r, &q->asked, question_drop);
	q->b = b;
	q->fn = fn;
	q->arg = arg;
	b->n_refs++;
	q->u = usage_new(&mesos__v1__container_status__descriptor);
	MODULE_CALL(m, status, b->c.id, q->u, module_op_new(m->m, "status", deadline_ns, sizeof(struct mz_container_status), on_status, q));
	return true;
}

void box_ask_status(struct box *b)
{
	(void)ask(b, NULL, NULL);
}

void real_limited(struct containers *c, const char *id, void (*fn)(void *arg, bool limited), void *arg)
{
	struct box *b = box_find(real_of(c), id);
	if (!b || b->limited || !any_tells(b->real) || !ask(b, fn, arg))
		fn(arg, b && b->limited);
}

struct mz_bytes real_status(struct containers *c, const char *id)
{
	const struct box *b = box_find(real_of(c), id);
	return b ? b->packed_status : (struct mz_bytes){NULL, 0};
}

char *containers_real_resources(struct containers *c)
{
	struct containers_real *r = real_of(c);
	struct buf b = {0};
	for (size_t i = 0; i < r->isolators.n; i++) {
		struct module_isolator *m = &r->isolators.v[i];
		const char *text = NULL;
		if (MODULE_HAS(m, resources))
			text = MODULE_CALL(m, resources);
		if (text && *text)
			buf_addf(&b, "%s%s", b.len ? ";" : "", text);
	}
	return b.len ? buf_take(&b) : xstrdup("");
}
