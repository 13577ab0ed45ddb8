/* containers_logger.c - the configured logger: its services (struct mz_logger_host),
 * and the way from a containerizer to it. As with isolators, a containerizer's call
 * gets an op of the logger's own, with a deadline, whose end completes the
 * containerizer's. Without a logger everything succeeds at once, and output goes to
 * the files that a result without names means.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "module/containers_impl.h"

static struct containers_real *real(const struct mz_host *h)
{
	return module_user(module_of_host(h));
}

/* ---- from containerizer to logger ------------------------------------------------- */

struct ask {
	struct box *box; /* held until the logger has answered; may be NULL */
	struct mz_op *op; /* the containerizer's */
	const struct mz_container **v; /* recover */
};

static void on_answer(void *arg, const struct mz_err *err, const void *result)
{
	struct ask *q = arg;
	module_op_done(q->op, err, result);
	/* One that is late may still use its arguments: they stay for ever. */
	if (err && err->code == -ETIMEDOUT)
		return;
	if (q->box)
		box_unref(q->box);
	free(q->v);
	free(q);
}

static struct ask *ask_new(struct box *b, struct mz_op *op)
{
	struct ask *q = xnew(struct ask);
	q->op = op;
	q->box = b;
	if (b)
		b->n_refs++;
	return q;
}

static struct mz_op *logger_op(struct containers_real *r, const char *what, size_t result_size, struct ask *q)
{
	return module_op_new(r->logger.m, what, r->deadline_ns, result_size, on_answer, q);
}

static void prepare(const struct mz_host *h, const struct mz_container *c, struct mz_op *op)
{
	struct containers_real *r = real(h);
	if (!r->logger.m) {
		struct mz_logger_result files = {.size = sizeof(files), .fd_out = -1, .fd_err = -1};
		module_op_done(op, NULL, &files);
		return;
	}
	struct ask *q = ask_new(box_find(r, c->id), op);
	/* Our own record is complete and lives long enough, the caller's need not. */
	MODULE_CALL(&r->logger, prepare, q->box ? &q->box->c : c,
		    logger_op(r, "prepare", sizeof(struct mz_logger_result), q));
}

static void recover(const struct mz_host *h, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct containers_real *r = real(h);
	if (!r->logger.m || !MODULE_HAS(&r->logger, recover)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	struct ask *q = ask_new(NULL, op);
	q->v = xcalloc(n + 1, sizeof(q->v[0]));
	for (size_t i = 0; i < n; i++) {
		struct box *b = box_find(r, v[i]->id);
		q->v[i] = b ? &b->c : v[i];
	}
	MODULE_CALL(&r->logger, recover, q->v, n, logger_op(r, "recover", 0, q));
}

static void ended(const struct mz_host *h, const char *id, struct mz_op *op)
{
	struct containers_real *r = real(h);
	if (!r->logger.m || !MODULE_HAS(&r->logger, ended)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	/* The box has the id that the module is given. */
	struct ask *q = ask_new(box_find(r, id), op);
	MODULE_CALL(&r->logger, ended, q->box ? q->box->c.id : id, logger_op(r, "ended", 0, q));
}

/* ---- services ----------------------------------------------------------------------- */

static const char *work_dir(const struct mz_host *h)
{
	return real(h)->work_dir;
}

static const char *runtime_dir(const struct mz_host *h)
{
	return real(h)->runtime_dir;
}

static const char *libexec_dir(const struct mz_host *h)
{
	return real(h)->libexec_dir;
}

static int is_root(const struct mz_host *h)
{
	return real(h)->is_root;
}

void containers_logger_init(struct containers_real *r)
{
	r->logger_host = (struct mz_logger_host){
		.size = sizeof(r->logger_host),
		.info = info_api(),
		.work_dir = work_dir,
		.runtime_dir = runtime_dir,
		.libexec_dir = libexec_dir,
		.is_root = is_root,
		.spawn_detached = module_spawn_detached,
	};
	r->containerizer_host.logger_prepare = prepare;
	r->containerizer_host.logger_recover = recover;
	r->containerizer_host.logger_ended = ended;
	module_registry_set_kind(r->registry, MZ_KIND_LOGGER, &r->logger_host, r);
}
