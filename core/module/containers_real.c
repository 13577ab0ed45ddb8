/* containers_real.c - the agent's containers on this machine: a table of what
 * modules are shown of each, and the calls of struct containers_ops passed on to the
 * containerizer that took it. Recovery is containers_recover.c's, sandboxes are
 * containers_sandbox.c's, services of modules containers_host.c's.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "loop/loop.h"
#include "model/resources.h"
#include "module/containers_impl.h"
#include "os/host.h"
#include "os/tree.h"
#include "wire/pb.h"

static const int64_t USAGE_DEADLINE_NS = 10 * NS_PER_SEC;
static const int64_t ISOLATOR_DEADLINE_NS = 300 * NS_PER_SEC;

/* ---- boxes -------------------------------------------------------------------------- */

struct box *box_find(struct containers_real *r, const char *id)
{
	return map_get(&r->boxes, id);
}

void box_unref(struct box *b)
{
	if (--b->n_refs == 1 || !b->n_refs) { /* no module uses it */
		for (size_t i = 0; i < b->old_res.n; i++)
			res_free(b->old_res.v[i]);
		vec_clear(&b->old_res);
	}
	if (b->n_refs)
		return;
	box_updates_free(b);
	vec_done(&b->old_res);
	usage_free(b->status);
	free(b->t_message);
	free(b->l_message);
	res_free(b->exceeded);
	res_free(b->next_res);
	res_free(b->res);
	arena_done(&b->arena);
	free(b);
}

static void box_drop(struct box *b)
{
	if (map_get(&b->real->boxes, b->c.id) == b)
		map_del(&b->real->boxes, b->c.id);
	b->state = BOX_ENDED;
	box_updates_drop(b);
	box_unref(b);
}

static const char *const *copy_list(struct arena *a, const char *const *v)
{
	static const char *const none[] = {NULL};
	if (!v)
		return none;
	size_t n = 0;
	while (v[n])
		n++;
	const char **own = arena_calloc(a, (n + 1) * sizeof(own[0]));
	for (size_t i = 0; i < n; i++)
		own[i] = arena_strdup(a, v[i]);
	return own;
}

static const struct mz_info *copy_message(struct arena *a, const void *m)
{
	return m ? info_of(pb_copy(m, a)) : NULL;
}

static const char *copy_text(struct arena *a, const char *s)
{
	return s ? arena_strdup(a, s) : NULL;
}

struct box *box_new(struct containers_real *r, const struct container_config *cfg)
{
	struct box *b = xnew(struct box);
	struct arena *a = &b->arena;
	b->real = r;
	b->n_refs = 1;
	list_init(&b->updates);
	b->res = cfg->resources ? res_copy(cfg->resources) : res_new();
	b->c = (struct mz_container){
		.size = sizeof(b->c),
		.id = arena_strdup(a, cfg->id),
		.parent = copy_text(a, cfg->parent),
		.framework_id = copy_text(a, cfg->framework_id),
		.executor_id = copy_text(a, cfg->executor_id),
		.task_id = copy_text(a, cfg->task_id),
		.role = copy_text(a, cfg->role),
		.principal = copy_text(a, cfg->principal),
		.user = copy_text(a, cfg->user),
		.sandbox = copy_text(a, cfg->directory),
		.directory = copy_text(a, cfg->start_directory),
		.work_dir = r->work_dir,
		.argv = copy_list(a, cfg->argv),
		.env = copy_list(a, cfg->env),
		.resources = b->res,
		.command = copy_message(a, cfg->command),
		.container = copy_message(a, cfg->container),
		.executor = copy_message(a, cfg->executor),
		.task = copy_message(a, cfg->task),
		.info = info_api(),
		.checkpoint = cfg->checkpoint,
		.pid = cfg->pid,
		.limit_cpus = cfg->limits.cpus,
		.limit_mem = cfg->limits.mem,
		.share_cgroups = cfg->share_cgroups,
		.container_class = cfg->container_class,
		.attachable = cfg->attachable || cfg->tty,
		.tty = cfg->tty,
		.tty_rows = cfg->tty_rows,
		.tty_columns = cfg->tty_columns,
	};
	map_put(&r->boxes, b->c.id, b);
	return b;
}

/* ---- the end -------------------------------------------------------------------------- */

void real_pending_end(struct containers_real *r)
{
	if (--r->n_pending == 0 && r->closing) {
		free(r->work_dir);
		free(r->runtime_dir);
		free(r->libexec_dir);
		for (size_t i = 0; i < r->executor_paths.n; i++)
			free(r->executor_paths.v[i]);
		vec_done(&r->executor_paths);
		free(r->cgroups_hierarchy);
		free(r->cgroups_root);
		free(r->frameworks_home);
		pthread_mutex_destroy(&r->places);
		free(r);
	}
}

static void tell_launched(struct box *b)
{
	launch_fn fn = b->fn;
	b->fn = NULL;
	if (fn)
		fn(b->arg, NULL, b->c.pid);
}

static void deliver(void *arg)
{
	struct box *b = arg;
	struct containers_real *r = b->real;
	if (!r->closing)
		tell_launched(b); /* modules still owe its status */
	if (!r->closing) {
		struct mz_termination t = b->t;
		b->n_refs++; /* on_exited may launch the next one of this id */
		mz_autofree char *id = xstrdup(b->c.id);
		box_drop(b);
		r->base.on_exited(r->base.arg, id, &t);
	}
	box_unref(b);
	real_pending_end(r);
}

/* From the loop, never from inside a call of the agent's. */
void box_post_exit(struct box *b)
{
	if (b->posted)
		return;
	b->posted = true;
	b->real->n_pending++;
	loop_post(b->real->loop, deliver, b);
}

void box_exceeded(struct box *b, const struct mz_resources *r)
{
	if (r && !b->exceeded)
		b->exceeded = res_copy(r);
}

static void keep_termination(struct box *b, const struct mz_termination *t)
{
	xset(&b->t_message, t->message);
	b->t = (struct mz_termination){.size = sizeof(b->t),
				       .wait_status = t->wait_status,
				       .state = t->state,
				       .reason = t->reason,
				       .message = b->t_message};
	if (!t->limitation)
		return;
	xset(&b->l_message, t->limitation->message);
	box_exceeded(b, t->limitation->resources);
	b->limitation = (struct mz_limitation){
		.size = sizeof(b->limitation),
		.reason = t->limitation->reason,
		.message = b->l_message,
		.resources = b->exceeded};
	b->t.limitation = &b->limitation;
}

void real_exited(struct containers_real *r, size_t owner, const char *id, const struct mz_termination *t)
{
	struct box *b = box_find(r, id);
	if (!b || b->exited || (b->state != BOX_RECOVERING && b->owner != owner)) {
		log_warning(AREA, "A containerizer reports the end of container '%s', which it does not have", id);
		return;
	}
	if (b->state == BOX_RECOVERING) {
		/* Of several, all but one say that it is not there. */
		b->n_denied++;
		if (b->n_denied == 1 || t->wait_status != -1)
			keep_termination(b, t);
		return;
	}
	keep_termination(b, t);
	b->exited = true;
	if (b->state == BOX_RUNNING)
		box_post_exit(b); /* else: once the launch is answered */
}

/* ---- launch --------------------------------------------------------------------------- */

static void launch_failed(struct box *b, const struct mz_err *err)
{
	launch_fn fn = b->fn;
	void *arg = b->arg;
	box_drop(b);
	fn(arg, err, 0);
}

static void offer_next(struct box *b);

/* It runs, and modules have told what there is to tell of it, or were given up, or it
 * has ended: limits are told with that. */
static void on_told(void *arg, bool limited)
{
	struct box *b = arg;
	(void)limited;
	if (!b->real->closing)
		tell_launched(b);
	if (b->exited && b->state == BOX_RUNNING)
		box_post_exit(b);
	box_update_next(b); /* what came while it was launched */
}

static void on_launched(void *arg, const struct mz_err *err, const void *result)
{
	struct box *b = arg;
	const struct mz_launch_result *r = result;
	if (err) {
		launch_failed(b, err);
		return;
	}
	if (!r || !r->mine) {
		/* A nested one belongs to its parent's or to nobody. */
		b->owner = b->c.parent ? b->real->containerizers.n : b->owner + 1;
		offer_next(b);
		return;
	}
	b->c.pid = r->pid;
	b->state = BOX_RUNNING;
	b->n_refs++;
	real_limited(&b->real->base, b->c.id, on_told, b);
	box_unref(b);
}

static void offer_next(struct box *b)
{
	struct containers_real *r = b->real;
	struct mz_err err;
	if (b->terminated) {
		mz_fail(&err, -ECANCELED, "The container was destroyed while it was launched");
		launch_failed(b, &err);
		return;
	}
	if (b->owner >= r->containerizers.n) {
		mz_fail(&err, -EOPNOTSUPP, "None of the %zu containerizers takes the container", r->containerizers.n);
		launch_failed(b, &err);
		return;
	}
	struct module_containerizer *m = &r->containerizers.v[b->owner];
	b->state = BOX_LAUNCHING;
	MODULE_CALL(m, launch, &b->c,
		    module_op_new(m->m, "launch", 0, sizeof(struct mz_launch_result), on_launched, b));
}

static void on_sandbox(void *arg, const struct mz_err *err)
{
	struct box *b = arg;
	if (err) {
		launch_failed(b, err);
		return;
	}
	if (b->c.parent) {
		const struct box *parent = box_find(b->real, b->c.parent);
		struct mz_err e;
		if (!parent || parent->state != BOX_RUNNING || parent->exited) {
			mz_fail(&e, -ENOENT, "The parent container '%s' is not running", b->c.parent);
			launch_failed(b, &e);
			return;
		}
		b->owner = parent->owner;
	}
	offer_next(b);
}

struct refused {
	struct containers_real *r;
	launch_fn fn;
	void *arg;
	struct mz_err err;
};

static void on_refused(void *arg)
{
	struct refused *x = arg;
	if (!x->r->closing)
		x->fn(x->arg, &x->err, 0);
	real_pending_end(x->r);
	free(x);
}

static void real_launch(struct containers *c, const struct container_config *cfg, launch_fn fn, void *arg)
{
	struct containers_real *r = real_of(c);
	if (box_find(r, cfg->id)) {
		struct refused *x = xnew(struct refused);
		*x = (struct refused){.r = r, .fn = fn, .arg = arg};
		mz_fail(&x->err, -EEXIST, "There is a container '%s' already", cfg->id);
		r->n_pending++;
		loop_post(r->loop, on_refused, x);
		return;
	}
	struct box *b = box_new(r, cfg);
	b->state = BOX_SANDBOX;
	b->fn = fn;
	b->arg = arg;
	sandbox_make(r, cfg, on_sandbox, b);
}

int real_terminate(struct containers *c, const char *id, struct mz_err *err)
{
	struct containers_real *r = real_of(c);
	struct box *b = box_find(r, id);
	if (!b)
		return mz_fail(err, -ENOENT, "There is no container '%s'", id);
	b->terminated = true;
	if (b->state == BOX_SANDBOX)
		sandbox_cancel(r, b->c.sandbox);
	if (b->exited || b->state == BOX_SANDBOX || b->state == BOX_RECOVERING)
		return 0; /* seen at the next step */
	struct module_containerizer *m = &r->containerizers.v[b->owner];
	int rc = MODULE_CALL(m, terminate, id, err);
	/* It has ended, and we shall be told. */
	return rc == -ENOENT ? 0 : rc;
}

static int real_kill(struct containers *c, const char *id, int signal, struct mz_err *err)
{
	struct containers_real *r = real_of(c);
	struct box *b = box_find(r, id);
	if (!b || b->state != BOX_RUNNING || b->exited)
		return mz_fail(err, -ENOENT, "Container '%s' is not running", id);
	struct module_containerizer *m = &r->containerizers.v[b->owner];
	if (!MODULE_HAS(m, kill))
		return mz_fail(err, -ENOSYS, "The containerizer of container '%s' cannot signal", id);
	return MODULE_CALL(m, kill, id, signal, err);
}

/* The table has forgotten whose it was: each is asked in turn. */
struct removing {
	struct real_asked asked;
	struct containers_real *r;
	char *id;
	size_t next;
	struct mz_err err; /* the first one */
	void (*fn)(void *arg, const struct mz_err *err);
	void *arg;
};

static void removing_drop(struct real_asked *a)
{
	struct removing *q = mz_container_of(a, struct removing, asked);
	free(q->id);
	free(q);
}

static void remove_next(struct removing *q);

static void on_removed(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct removing *q = arg;
	if (err && !q->err.code)
		q->err = *err;
	remove_next(q);
}

static void remove_next(struct removing *q)
{
	struct containers_real *r = q->r;
	while (q->next < r->containerizers.n && !MODULE_HAS(&r->containerizers.v[q->next], remove))
		q->next++;
	if (q->next < r->containerizers.n) {
		struct module_containerizer *m = &r->containerizers.v[q->next++];
		MODULE_CALL(m, remove, q->id, module_op_new(m->m, "remove", 0, 0, on_removed, q));
		return;
	}
	list_remove(&q->asked.node);
	q->fn(q->arg, q->err.code ? &q->err : NULL);
	removing_drop(&q->asked);
}

static void real_remove(struct containers *c, const char *id, void (*fn)(void *arg, const struct mz_err *err),
			void *arg)
{
	struct removing *q = xnew(struct removing);
	*q = (struct removing){.r = real_of(c), .id = xstrdup(id), .fn = fn, .arg = arg};
	real_ask(q->r, &q->asked, removing_drop);
	remove_next(q);
}

/* ---- usage ----------------------------------------------------------------------------- */

struct asked {
	struct real_asked asked;
	struct box *b;
	struct mz_usage *u;
	void (*on_usage)(void *arg, struct mz_bytes statistics);
	void *arg;
};

static void asked_drop(struct real_asked *a)
{
	struct asked *q = mz_container_of(a, struct asked, asked);
	usage_free(q->u);
	box_unref(q->b);
	free(q);
}

static void on_measured(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct asked *q = arg;
	struct mz_bytes none = {NULL, 0};
	q->on_usage(q->arg, err ? none : usage_pack(q->u));
	if (real_is_late(err))
		return;
	list_remove(&q->asked.node);
	asked_drop(&q->asked);
}

static void real_usage(struct containers *c, const char *id, void (*fn)(void *arg, struct mz_bytes statistics),
		       void *arg)
{
	struct containers_real *r = real_of(c);
	struct box *b = box_find(r, id);
	struct module_containerizer *m = b && b->owner < r->containerizers.n ? &r->containerizers.v[b->owner] : NULL;
	if (!b || b->state != BOX_RUNNING || b->exited || !m || !MODULE_HAS(m, usage)) {
		fn(arg, (struct mz_bytes){NULL, 0});
		return;
	}
	struct asked *q = xnew(struct asked);
	*q = (struct asked){.b = b, .on_usage = fn, .arg = arg};
	real_ask(r, &q->asked, asked_drop);
	b->n_refs++;
	q->u = usage_new(&mesos__v1__resource_statistics__descriptor);
	(void)usage_api()->set_number(q->u, "timestamp", loop_wall_secs(r->loop));
	MODULE_CALL(m, usage, b->c.id, q->u, module_op_new(m->m, "usage", USAGE_DEADLINE_NS, 0, on_measured, q));
}

/* ---- attach ------------------------------------------------------------------------------ */

struct attaching {
	struct real_asked asked;
	struct box *b;
	void (*fn)(void *arg, const struct mz_err *err, int fd);
	void *arg;
};

static void attaching_drop(struct real_asked *a)
{
	struct attaching *q = mz_container_of(a, struct attaching, asked);
	box_unref(q->b);
	free(q);
}

static void on_attached(void *arg, const struct mz_err *err, const void *result)
{
	struct attaching *q = arg;
	const struct mz_attach_result *r = result;
	struct mz_err none;
	list_remove(&q->asked.node);
	if (!err && (!r || r->fd < 0)) {
		mz_fail(&none, -EPROTO, "The containerizer of container '%s' attached to nothing", q->b->c.id);
		err = &none;
	}
	q->fn(q->arg, err, err ? -1 : r->fd);
	attaching_drop(&q->asked);
}

static void real_attach(struct containers *c, const char *id, void (*fn)(void *arg, const struct mz_err *err, int fd),
			void *arg)
{
	struct containers_real *r = real_of(c);
	struct box *b = box_find(r, id);
	struct mz_err err;
	if (!b || b->state != BOX_RUNNING || b->exited) {
		mz_fail(&err, -ENOENT, "Container '%s' is not running", id);
		fn(arg, &err, -1);
		return;
	}
	struct module_containerizer *m = &r->containerizers.v[b->owner];
	if (!MODULE_HAS(m, attach)) {
		mz_fail(&err, -EOPNOTSUPP, "The containerizer of container '%s' attaches to none", id);
		fn(arg, &err, -1);
		return;
	}
	struct attaching *q = xnew(struct attaching);
	*q = (struct attaching){.b = b, .fn = fn, .arg = arg};
	real_ask(real_of(c), &q->asked, attaching_drop);
	b->n_refs++;
	/* No deadline: a socket that comes too late would be nobody's. */
	MODULE_CALL(m, attach, b->c.id,
		    module_op_new(m->m, "attach", 0, sizeof(struct mz_attach_result), on_attached, q));
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void real_remove_sandbox(struct containers *c, const char *directory,
				void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	sandbox_remove(real_of(c), directory, fn, arg);
}

static double real_disk_usage(struct containers *c)
{
	return host_disk_usage(real_of(c)->work_dir);
}

int containers_real_new(const struct containers_real_config *cfg, struct containers **ret, struct mz_err *err)
{
	static const struct containers_ops ops = {
		.recover = real_recover,
		.launch = real_launch,
		.update = real_update,
		.usage = real_usage,
		.status = real_status,
		.limited = real_limited,
		.terminate = real_terminate,
		.kill = real_kill,
		.remove = real_remove,
		.remove_sandbox = real_remove_sandbox,
		.disk_usage = real_disk_usage,
		.attach = real_attach,
	};
	int rc = tree_make(cfg->runtime_dir, 0755, err);
	if (rc < 0)
		return rc;
	struct containers_real *r = xnew(struct containers_real);
	r->base.ops = &ops;
	r->loop = cfg->loop;
	r->registry = cfg->registry;
	r->work_dir = xstrdup(cfg->work_dir);
	r->runtime_dir = xstrdup(cfg->runtime_dir);
	r->libexec_dir = xstrdup(cfg->libexec_dir);
	r->cgroups_hierarchy = xstrdup(cfg->cgroups_hierarchy ? cfg->cgroups_hierarchy : "/sys/fs/cgroup");
	r->cgroups_root = xstrdup(cfg->cgroups_root ? cfg->cgroups_root : "mezzo");
	r->is_root = geteuid() == 0;
	r->switch_user = cfg->switch_user && r->is_root;
	r->deadline_ns = cfg->isolator_deadline_ns ? cfg->isolator_deadline_ns : ISOLATOR_DEADLINE_NS;
	r->n_pending = 1; /* ours, until free */
	list_init(&r->fetches);
	list_init(&r->secrets);
	list_init(&r->asked);
	must(pthread_mutex_init(&r->places, NULL) == 0);
	r->frameworks_home = cfg->frameworks_home ? xstrdup(cfg->frameworks_home) : NULL;
	r->fetch_max_bytes = cfg->fetch_max_bytes ? cfg->fetch_max_bytes : INT64_MAX;
	r->fetch_max_entries = cfg->fetch_max_entries ? cfg->fetch_max_entries : INT64_MAX;
	r->fetch_stall_ns = cfg->fetch_stall_ns;
	r->fetch_timeout_ns = cfg->fetch_timeout_ns;
	containers_host_init(r);
	containers_logger_init(r);
	*ret = &r->base;
	return 0;
}

void containers_real_add(struct containers *c, struct module *m)
{
	struct containers_real *r = real_of(c);
	if (module_kind(m) == MZ_KIND_ISOLATOR) {
		struct module_isolator i;
		module_as_isolator(m, &i);
		vec_push(&r->isolators, i);
	} else if (module_kind(m) == MZ_KIND_SECRET) {
		module_as_secret(m, &r->secret);
	} else if (module_kind(m) == MZ_KIND_LOGGER) {
		module_as_logger(m, &r->logger);
	} else {
		struct module_containerizer k;
		module_as_containerizer(m, &k);
		vec_push(&r->containerizers, k);
	}
}

void containers_real_executor_path(struct containers *c, const char *path)
{
	vec_push(&real_of(c)->executor_paths, xstrdup(path));
}

void containers_real_free(struct containers *c)
{
	if (!c)
		return;
	struct containers_real *r = real_of(c);
	r->closing = true;
	sandbox_cancel(r, NULL);
	/* Modules may still hold what they were given: they go first. */
	for (size_t i = r->containerizers.n; i-- > 0;)
		module_free(r->containerizers.v[i].m);
	for (size_t i = r->isolators.n; i-- > 0;)
		module_free(r->isolators.v[i].m);
	module_free(r->logger.m);
	module_free(r->secret.m);
	containers_secrets_done(r);
	while (!list_empty(&r->asked)) {
		struct real_asked *a = list_first(&r->asked, struct real_asked, node);
		list_remove(&a->node);
		a->drop(a);
	}
	vec_done(&r->containerizers);
	vec_done(&r->isolators);
	map_each(&r->boxes, e)
	{
		struct box *b = e->value;
		if (!b->posted)
			box_unref(b);
	}
	map_done(&r->boxes);
	real_pending_end(r);
}
