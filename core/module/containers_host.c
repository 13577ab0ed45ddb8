/* containers_host.c - the services of containerizers and isolators
 * (struct mz_containerizer_host, struct mz_isolator_host), and the way from one
 * to the other: a containerizer's call of an isolator gets an op of the isolator's
 * own, with a deadline, whose end completes the containerizer's.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "loop/loop.h"
#include "model/resources.h"
#include "module/containers_impl.h"

static struct containers_real *real(const struct mz_host *h)
{
	return module_user(module_of_host(h));
}

/* ---- from containerizer to isolator --------------------------------------------------- */

static void bridge_drop(struct real_asked *a)
{
	struct bridge *b = mz_container_of(a, struct bridge, asked);
	if (b->box)
		box_unref(b->box);
	if (b->late && b->launch) {
		b->launch->late = false;
		launch_free(b->launch); /* the containerizer has */
	}
	free(b->id);
	free(b->v);
	free(b);
}

void bridge_answer(void *arg, const struct mz_err *err, const void *result)
{
	struct bridge *b = arg;
	b->late = real_is_late(err);
	if (b->launch) {
		b->launch->isolator = NULL;
		b->launch->late = b->late;
	}
	module_op_done(b->op, err, result);
	if (b->late)
		return;
	list_remove(&b->asked.node);
	bridge_drop(&b->asked);
}

struct bridge *bridge_new(struct containers_real *r, struct box *box, struct mz_op *op)
{
	struct bridge *b = xnew(struct bridge);
	b->r = r;
	real_ask(r, &b->asked, bridge_drop);
	b->op = op;
	b->box = box;
	if (box)
		box->n_refs++;
	return b;
}

static struct bridge *bridge_of(const struct mz_host *h, const struct mz_container *c, struct mz_op *op)
{
	struct bridge *b = bridge_new(real(h), box_find(real(h), c->id), op);
	if (b->box && c->pid > 0)
		b->box->c.pid = c->pid; /* after a restart only the containerizer knows */
	return b;
}

static struct mz_op *bridge_op(struct bridge *b, size_t i, const char *what)
{
	return module_op_new(b->r->isolators.v[i].m, what, b->r->deadline_ns, 0, bridge_answer, b);
}

/* Our own record is complete and lives long enough, the caller's need not. */
static const struct mz_container *container_of(const struct bridge *b, const struct mz_container *c)
{
	return b->box ? &b->box->c : c;
}

#define ISOLATOR(h, i) (&real(h)->isolators.v[i])

static size_t n_isolators(const struct mz_host *h)
{
	return real(h)->isolators.n;
}

static const char *isolator_name(const struct mz_host *h, size_t i)
{
	const char *name = module_name(ISOLATOR(h, i)->m), *slash = strchr(name, '/');
	return slash ? slash + 1 : name;
}

static uint32_t isolator_flags(const struct mz_host *h, size_t i)
{
	struct module_isolator *m = ISOLATOR(h, i);
	return MODULE_HAS(m, flags) ? MODULE_CALL(m, flags) : 0;
}

static int isolator_provides(const struct mz_host *h, size_t i, const char *what)
{
	for (const char *const *p = ISOLATOR(h, i)->ops->provides; p && *p; p++)
		if (strcmp(*p, what) == 0)
			return 1;
	return 0;
}

static void isolator_recover(const struct mz_host *h, size_t i, const struct mz_container *const *v, size_t n,
			     struct mz_op *op)
{
	struct module_isolator *m = ISOLATOR(h, i);
	if (!MODULE_HAS(m, recover)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	struct bridge *b = bridge_new(real(h), NULL, op);
	b->v = xcalloc(n + 1, sizeof(b->v[0]));
	for (size_t k = 0; k < n; k++) {
		struct box *box = box_find(b->r, v[k]->id);
		if (box && v[k]->pid > 0)
			box->c.pid = v[k]->pid;
		b->v[k] = box ? &box->c : v[k];
	}
	MODULE_CALL(m, recover, b->v, n, bridge_op(b, i, "recover"));
}

static void isolator_prepare(const struct mz_host *h, size_t i, const struct mz_container *c, struct mz_launch *l,
			     struct mz_op *op)
{
	struct module_isolator *m = ISOLATOR(h, i);
	if (!MODULE_HAS(m, prepare)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	struct bridge *b = bridge_of(h, c, op);
	const struct box *parent = c->parent ? box_find(b->r, c->parent) : NULL;
	b->launch = l;
	l->isolator = isolator_name(h, i);
	l->parent_pid = parent ? parent->c.pid : 0;
	MODULE_CALL(m, prepare, container_of(b, c), l, bridge_op(b, i, "prepare"));
}

static void isolator_isolate(const struct mz_host *h, size_t i, const struct mz_container *c, int32_t pid,
			     struct mz_op *op)
{
	struct module_isolator *m = ISOLATOR(h, i);
	if (!MODULE_HAS(m, isolate)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	struct bridge *b = bridge_of(h, c, op);
	MODULE_CALL(m, isolate, container_of(b, c), pid, bridge_op(b, i, "isolate"));
}

static void isolator_update(const struct mz_host *h, size_t i, const struct mz_container *c, struct mz_op *op)
{
	struct module_isolator *m = ISOLATOR(h, i);
	if (!MODULE_HAS(m, update)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	struct bridge *b = bridge_of(h, c, op);
	MODULE_CALL(m, update, container_of(b, c), bridge_op(b, i, "update"));
}

static void isolator_usage(const struct mz_host *h, size_t i, const struct mz_container *c, struct mz_usage *u,
			   struct mz_op *op)
{
	struct module_isolator *m = ISOLATOR(h, i);
	if (!MODULE_HAS(m, usage)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	struct bridge *b = bridge_of(h, c, op);
	MODULE_CALL(m, usage, container_of(b, c), u, bridge_op(b, i, "usage"));
}

static void isolator_status(const struct mz_host *h, size_t i, const struct mz_container *c, struct mz_usage *u,
			    struct mz_op *op)
{
	struct module_isolator *m = ISOLATOR(h, i);
	if (!MODULE_HAS(m, status)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	struct bridge *b = bridge_of(h, c, op);
	MODULE_CALL(m, status, container_of(b, c), u, bridge_op(b, i, "status"));
}

static void isolator_cleanup(const struct mz_host *h, size_t i, const char *id, struct mz_op *op)
{
	struct module_isolator *m = ISOLATOR(h, i);
	if (!MODULE_HAS(m, cleanup)) {
		module_op_done(op, NULL, NULL);
		return;
	}
	struct bridge *b = bridge_new(real(h), NULL, op);
	b->id = xstrdup(id);
	MODULE_CALL(m, cleanup, b->id, bridge_op(b, i, "cleanup"));
}

/* ---- plain services --------------------------------------------------------------------- */

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

static const char *executor_path(const struct mz_host *h, size_t i)
{
	const struct containers_real *r = real(h);
	return i < r->executor_paths.n ? r->executor_paths.v[i] : NULL;
}

static const char *cgroups_hierarchy(const struct mz_host *h)
{
	return real(h)->cgroups_hierarchy;
}

static const char *cgroups_root(const struct mz_host *h)
{
	return real(h)->cgroups_root;
}

static int is_root(const struct mz_host *h)
{
	return real(h)->is_root;
}

static int switch_user(const struct mz_host *h)
{
	return real(h)->switch_user;
}

static struct mz_op *own_op(const struct mz_host *h,
			    void (*fn)(void *arg, const struct mz_err *err, const void *result), void *arg)
{
	/* The isolator's op behind it has the deadline; only the logger's has a result. */
	return module_op_new(module_of_host(h), "isolators", 0, sizeof(struct mz_logger_result), fn, arg);
}

static size_t index_of(const struct containers_real *r, const struct module *m)
{
	for (size_t i = 0; i < r->containerizers.n; i++)
		if (r->containerizers.v[i].m == m)
			return i;
	return SIZE_MAX;
}

static void exited(const struct mz_host *h, const char *id, const struct mz_termination *t)
{
	struct containers_real *r = real(h);
	real_exited(r, index_of(r, module_of_host(h)), id, t);
}

static void set_on_limitation(const struct mz_host *h,
			      void (*fn)(void *inst, const char *id, const struct mz_limitation *l), void *inst)
{
	struct containers_real *r = real(h);
	if (r->n_on_limitation == MZ_N(r->on_limitation)) {
		log_error(AREA, "There are too many containerizers, limits of '%s' will not be enforced",
			  module_name(module_of_host(h)));
		return;
	}
	r->on_limitation[r->n_on_limitation].fn = fn;
	r->on_limitation[r->n_on_limitation++].inst = inst;
}

/* Whoever does not have the container ignores it. */
static void limitation(const struct mz_host *h, const char *id, const struct mz_limitation *l)
{
	struct containers_real *r = real(h);
	struct box *b = box_find(r, id);
	if (b) {
		b->limited = true;
		box_exceeded(b, l->resources);
	}
	for (size_t i = 0; i < r->n_on_limitation; i++)
		r->on_limitation[i].fn(r->on_limitation[i].inst, id, l);
}

static struct mz_launch *new_launch(const struct mz_host *h)
{
	(void)h;
	return launch_new();
}

void containers_host_init(struct containers_real *r)
{
	r->isolator_host = (struct mz_isolator_host){
		.size = sizeof(r->isolator_host),
		.resources = res_api(),
		.info = info_api(),
		.usage = usage_api(),
		.work_dir = work_dir,
		.is_root = is_root,
		.limitation = limitation,
		.cgroups_hierarchy = cgroups_hierarchy,
		.cgroups_root = cgroups_root,
		.runtime_dir = runtime_dir,
		.libexec_dir = libexec_dir,
		.secret = containers_secret,
		.executor_path = executor_path,
	};
	launch_services(&r->isolator_host);
	r->containerizer_host = (struct mz_containerizer_host){
		.size = sizeof(r->containerizer_host),
		.resources = res_api(),
		.info = info_api(),
		.usage = usage_api(),
		.work_dir = work_dir,
		.runtime_dir = runtime_dir,
		.libexec_dir = libexec_dir,
		.is_root = is_root,
		.switch_user = switch_user,
		.exited = exited,
		.op = own_op,
		.n_isolators = n_isolators,
		.isolator_name = isolator_name,
		.isolator_flags = isolator_flags,
		.isolator_provides = isolator_provides,
		.isolator_recover = isolator_recover,
		.isolator_prepare = isolator_prepare,
		.isolator_isolate = isolator_isolate,
		.isolator_update = isolator_update,
		.isolator_usage = isolator_usage,
		.isolator_status = isolator_status,
		.isolator_cleanup = isolator_cleanup,
		.on_limitation = set_on_limitation,
		.launch_new = new_launch,
		.launch_free = launch_free,
		.launch_read = launch_read,
		.cgroups_hierarchy = cgroups_hierarchy,
		.cgroups_root = cgroups_root,
	};
	r->secret_host = (struct mz_secret_host){.size = sizeof(r->secret_host), .work_dir = work_dir};
	module_registry_set_kind(r->registry, MZ_KIND_SECRET, &r->secret_host, r);
	module_registry_set_kind(r->registry, MZ_KIND_ISOLATOR, &r->isolator_host, r);
	module_registry_set_kind(r->registry, MZ_KIND_CONTAINERIZER, &r->containerizer_host, r);
}
