/* containers_logger.c - the configured logger: its services (struct mz_logger_host),
 * and the way from a containerizer to it. As with isolators, a containerizer's call
 * gets an op of the logger's own, with a deadline, whose end completes the
 * containerizer's. Without a logger everything succeeds at once, and output goes to
 * the files that a result without names means.
 * SPDX-License-Identifier: Apache-2.0 */
#include "module/containers_impl.h"

static struct containers_real *real(const struct mz_host *h)
{
	return module_user(module_of_host(h));
}

/* ---- from containerizer to logger ------------------------------------------------- */

static struct mz_op *logger_op(struct bridge *b, const char *what, size_t result_size)
{
	return module_op_new(b->r->logger.m, what, b->r->deadline_ns, result_size, bridge_answer, b);
}

static void prepare(const struct mz_host *h, const struct mz_container *c, struct mz_op *op)
{
	struct containers_real *r = real(h);
	if (!r->logger.m) {
		struct mz_logger_result files = {.size = sizeof(files), .fd_out = -1, .fd_err = -1};
		module_op_done(op, NULL, &files);
		return;
	}
	struct bridge *b = bridge_new(r, box_find(r, c->id), op);
	/* Our own record is complete and lives long enough, the caller's need not. */
	MODULE_CALL(&r->logger, prepare, b->box ? &b->box->c : c,
		    logger_op(b, "prepare", sizeof(struct mz_logger_result)));
}

static void recover(const struct mz_host *h, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct containers_real *r = real(h);
	if (!r->logger.m || !MODULE_HAS(&r->logger, recover)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	struct bridge *b = bridge_new(r, NULL, op);
	b->v = xcalloc(n + 1, sizeof(b->v[0]));
	for (size_t i = 0; i < n; i++) {
		struct box *box = box_find(r, v[i]->id);
		b->v[i] = box ? &box->c : v[i];
	}
	MODULE_CALL(&r->logger, recover, b->v, n, logger_op(b, "recover", 0));
}

static void ended(const struct mz_host *h, const char *id, struct mz_op *op)
{
	struct containers_real *r = real(h);
	if (!r->logger.m || !MODULE_HAS(&r->logger, ended)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	struct bridge *b = bridge_new(r, NULL, op);
	b->id = xstrdup(id);
	MODULE_CALL(&r->logger, ended, b->id, logger_op(b, "ended", 0));
}

void containers_logger_init(struct containers_real *r)
{
	r->logger_host = (struct mz_logger_host){
		.size = sizeof(r->logger_host),
		.info = info_api(),
		.work_dir = r->containerizer_host.work_dir,
		.runtime_dir = r->containerizer_host.runtime_dir,
		.libexec_dir = r->containerizer_host.libexec_dir,
		.is_root = r->containerizer_host.is_root,
		.spawn_detached = module_spawn_detached,
	};
	r->containerizer_host.logger_prepare = prepare;
	r->containerizer_host.logger_recover = recover;
	r->containerizer_host.logger_ended = ended;
	module_registry_set_kind(r->registry, MZ_KIND_LOGGER, &r->logger_host, r);
}
