/* nested.c - the agent's books of containers that are no executor's: each is on
 * record before it starts, and stays on record with how it ended until it is removed
 * or its executor's container ends.
 *
 *	RECORDING -> LAUNCHING -> RUNNING -> ENDED -> REMOVING -> (gone)
 *
 * Not here: what may be asked for over HTTP, and by whom (api/nested.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>

#include "agent/gc.h"
#include "agent/nested.h"

/* In a sandbox there is to be room for names of files. */
enum { MAX_NESTED = 20000, MAX_ENDED = 5000, MAX_DIRECTORY = PATH_MAX - NAME_MAX - 1 };

/* ---- ids ------------------------------------------------------------------------- */

static void add_path(struct buf *b, const Mesos__V1__ContainerID *id)
{
	if (id->parent) {
		add_path(b, id->parent);
		buf_addc(b, '.');
	}
	buf_adds(b, id->value);
}

char *nested_path(const Mesos__V1__ContainerID *id)
{
	struct buf mz_autobuf b = {0};
	add_path(&b, id);
	return xstrdup(buf_str(&b));
}

Mesos__V1__ContainerID *nested_container_id(const char *path, struct arena *m)
{
	Mesos__V1__ContainerID *id = NULL;
	while (path) {
		const char *dot = strchr(path, '.');
		Mesos__V1__ContainerID *child = PB_NEW(m, Mesos__V1__ContainerID, mesos__v1__container_id);
		child->value = dot ? arena_strndup(m, path, (size_t)(dot - path)) : arena_strdup(m, path);
		child->parent = id;
		id = child;
		path = dot ? dot + 1 : NULL;
	}
	return id;
}

struct nested *nested_find(struct agent *a, const char *id)
{
	return map_get(&a->nested, id);
}

static bool is_in(const char *id, const char *top)
{
	size_t n = strlen(top);
	return strncmp(id, top, n) == 0 && id[n] == '.';
}

struct executor *nested_executor(const struct nested *n)
{
	mz_autofree char *top = xstrndup(n->id, strcspn(n->id, "."));
	return map_get(&n->agent->containers, top);
}

/* ---- one of them ------------------------------------------------------------------- */

static struct nested *nested_new(struct agent *a, const char *id)
{
	struct nested *n = xnew(struct nested);
	const char *dot = strrchr(id, '.');
	n->agent = a;
	n->id = xstrdup(id);
	n->parent = dot ? xstrndup(id, (size_t)(dot - id)) : NULL;
	n->key = agent_record_key("container", n->parent ? n->parent : "-", id);
	n->resources = res_new();
	list_init(&n->waiters);
	list_append(&a->nested_list, &n->node);
	map_put(&a->nested, n->id, n);
	return n;
}

static bool has_ended(const struct nested *n)
{
	return n->state == NESTED_ENDED || n->state == NESTED_REMOVING;
}

static void answer_waiters(struct nested *n)
{
	while (!list_empty(&n->waiters)) {
		struct nested_waiter *w = list_first(&n->waiters, struct nested_waiter, node);
		list_remove(&w->node);
		w->fn(w, has_ended(n) ? &n->end : NULL);
	}
}

static void nested_free(struct nested *n)
{
	struct agent *a = n->agent;
	struct mz_err err;
	if (n->launched) {
		mz_fail(&err, -ECANCELED, "The agent has given up the container");
		n->launched(n->launched_arg, &err);
	}
	if (n->removed)
		n->removed(n->removed_arg, NULL);
	answer_waiters(n);
	a->n_nested_ended -= has_ended(n);
	list_remove(&n->node);
	map_del(&a->nested, n->id);
	store_forget(a->deps.store, n);
	res_free(n->resources);
	arena_done(&n->arena);
	free(n->id);
	free(n->parent);
	free(n->key);
	free(n->directory);
	free(n->user);
	free(n->end_message);
	res_free(n->exceeded);
	free(n);
}

static void forget(struct nested *n)
{
	store_delete(n->agent->deps.store, n->key, NULL, NULL);
	nested_free(n);
}

static void save(struct nested *n, store_done_fn fn)
{
	struct arena mz_autoarena m = {0};
	Mezzo__Records__AgentContainer r = MEZZO__RECORDS__AGENT_CONTAINER__INIT;
	r.container_id = nested_container_id(n->id, &m);
	r.directory = n->directory;
	r.user = n->user;
	r.n_resources = res_to_pb(n->resources, RES_FORMAT_POST, true, &m, &r.resources);
	r.container = n->container;
	r.has_limit_cpus = n->limits.cpus != 0;
	r.limit_cpus = n->limits.cpus;
	r.has_limit_mem = n->limits.mem != 0;
	r.limit_mem = n->limits.mem;
	r.environment = n->environment;
	r.has_debug = n->debug;
	r.debug = n->debug;
	if (has_ended(n)) {
		r.has_ended = r.has_wait_status = 1;
		r.ended = 1;
		r.wait_status = n->end.wait_status;
		r.has_state = n->end.state >= 0;
		r.state = (Mesos__V1__TaskState)n->end.state;
		r.has_reason = n->end.reason >= 0;
		r.reason = (Mesos__V1__TaskStatus__Reason)n->end.reason;
		r.message = n->end_message;
		if (n->exceeded)
			r.n_exceeded = res_to_pb(n->exceeded, RES_FORMAT_POST, true, &m, &r.exceeded);
	}
	struct buf mz_autobuf b = {0};
	pb_encode(&r.base, &b);
	store_put(n->agent->deps.store, n->key, b.data, b.len, fn, n);
}

/* ---- the end ------------------------------------------------------------------------- */

/* Nobody asks for the oldest ones any more. */
static void forget_oldest(struct agent *a)
{
	list_each(&a->nested_list, struct nested, node, n) {
		if (a->n_nested_ended <= MAX_ENDED)
			return;
		if (n->state == NESTED_ENDED)
			forget(n);
	}
}

static void set_end(struct nested *n, const struct mz_termination *t)
{
	xset(&n->end_message, t->message);
	n->end = (struct mz_termination){.size = sizeof(n->end),
					 .wait_status = t->wait_status,
					 .state = t->state,
					 .reason = t->reason,
					 .message = n->end_message};
	if (t->limitation) {
		n->exceeded = t->limitation->resources ? res_copy(t->limitation->resources) : NULL;
		n->limitation = (struct mz_limitation){.size = sizeof(n->limitation),
						       .reason = t->limitation->reason,
						       .message = n->end_message,
						       .resources = n->exceeded};
		n->end.limitation = &n->limitation;
	}
	n->state = NESTED_ENDED;
	n->pid = 0;
	n->agent->n_nested_ended++;
	/* Many may be kept: what it was launched with may be large, and is of no use any more. */
	n->command = NULL;
	n->container = NULL;
	n->environment = NULL;
	arena_done(&n->arena);
}

/* Where nobody asks for its removal. */
static void schedule_gc(struct nested *n)
{
	if (n->agent->cfg.gc_non_executor_container_sandboxes)
		gc_schedule(n->agent, n->id, n->directory);
}

static void end(struct nested *n, const struct mz_termination *t)
{
	if (n->agent->stopping || has_ended(n))
		return;
	log_debug(AREA, "Container '%s' ended with wait status %d", n->id, t->wait_status);
	set_end(n, t);
	save(n, NULL);
	schedule_gc(n);
	answer_waiters(n);
}

bool nested_exited(struct agent *a, const char *id, const struct mz_termination *t)
{
	struct nested *n = nested_find(a, id);
	if (!n)
		return false;
	end(n, t);
	forget_oldest(a);
	return true;
}

/* It is not to start. */
static void call_off(struct nested *n)
{
	n->doomed = true;
	if (n->state == NESTED_LAUNCHING)
		(void)n->agent->deps.containers->ops->terminate(n->agent->deps.containers, n->id, NULL); /* on_launched tells */
}

/* Its executor's container has ended, and all that was in it before. */
void nested_drop_all(struct agent *a, const char *top, const struct mz_termination *t)
{
	list_each(&a->executor_waiters, struct nested_waiter, node, w) {
		if (strcmp(w->id, top) != 0)
			continue;
		list_remove(&w->node);
		w->fn(w, t);
	}
	if (!a->nested.n)
		return;
	const struct mz_termination end = {.size = sizeof(end),
					   .wait_status = -1,
					   .state = -1,
					   .reason = -1,
					   .message = "The container that it was in has ended"};
	list_each(&a->nested_list, struct nested, node, n)
		if (is_in(n->id, top)) {
			call_off(n);
			if (!has_ended(n)) /* it had not started: whoever waits is told */
				set_end(n, &end);
			forget(n);
		}
}

/* ---- launch ---------------------------------------------------------------------------- */

static void launch_ended(struct nested *n, const struct mz_err *err)
{
	nested_fn fn = n->launched;
	n->launched = NULL;
	if (!err) {
		fn(n->launched_arg, NULL);
		return;
	}
	n->agent->metrics.container_launch_errors++;
	log_warning(AREA, "Container '%s' could not be launched: %s", n->id, err->msg);
	struct mz_termination t = {.size = sizeof(t),
				   .wait_status = -1,
				   .state = MESOS__V1__TASK_STATE__TASK_FAILED,
				   .reason = MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LAUNCH_FAILED,
				   .message = err->msg};
	set_end(n, &t);
	schedule_gc(n);
	if (fn)
		fn(n->launched_arg, err);
	forget(n); /* whoever waits is told */
}

static void on_launched(void *arg, const struct mz_err *err, int32_t pid)
{
	struct agent *a = ((void **)arg)[0];
	mz_autofree char *id = ((void **)arg)[1];
	free(arg);
	struct nested *n = nested_find(a, id);
	if (!n || n->state != NESTED_LAUNCHING || a->stopping)
		return;
	if (err) {
		launch_ended(n, err);
		return;
	}
	n->state = NESTED_RUNNING;
	n->pid = pid;
	n->command = NULL;
	if (n->doomed)
		(void)a->deps.containers->ops->terminate(a->deps.containers, id, NULL); /* its end follows */
	launch_ended(n, NULL);
}

/* Those in another container do unless they say otherwise. */
static bool shares_cgroups(const struct nested *n)
{
	const Mesos__V1__LinuxInfo *l = n->container ? n->container->linux_info : NULL;
	return n->parent && (!l || !l->has_share_cgroups || l->share_cgroups);
}

/* Beside a container one starts where that one has. */
static const char *parent_directory(const struct nested *n)
{
	const struct nested *p = nested_find(n->agent, n->parent);
	const struct executor *ex = p ? NULL : map_get(&n->agent->containers, n->parent);
	if (p)
		return p->debug ? parent_directory(p) : p->directory;
	return ex ? ex->directory : NULL;
}

/* Role that its resources are allocated to. What an executor says of those of its own containers is not asked. */
static const char *role_of(const struct nested *n, const struct executor *ex)
{
	return ex ? ex->role : res_allocation_role(n->resources);
}

static const char **make_argv(const Mesos__V1__CommandInfo *c, struct arena *m)
{
	size_t n = 0;
	const char **argv = arena_alloc(m, sizeof(*argv) * (4 + c->n_arguments));
	if (!c->has_shell || c->shell) {
		argv[n++] = "/bin/sh";
		argv[n++] = "-c";
		argv[n++] = c->value ? c->value : "";
	} else {
		argv[n++] = c->value ? c->value : "";
		for (size_t i = 1; i < c->n_arguments; i++)
			argv[n++] = c->arguments[i];
	}
	argv[n] = NULL;
	return argv;
}

static void on_recorded(void *arg)
{
	struct nested *n = arg;
	struct agent *a = n->agent;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	if (n->state != NESTED_RECORDING)
		return;
	struct executor *ex = nested_executor(n);
	n->parked = ex && ex->launch_pending;
	if (n->parked)
		return; /* it has subscribed before we were told that it runs */
	n->state = NESTED_LAUNCHING;
	if (n->doomed) {
		mz_fail(&err, -ECANCELED, "The container was killed before it was launched");
		launch_ended(n, &err);
		return;
	}
	char **env = agent_nested_environment(n);
	struct container_config cfg = {
		.id = n->id,
		.parent = n->parent,
		.framework_id = ex ? ex->framework->id : NULL,
		.executor_id = ex ? ex->id : NULL,
		.user = n->user,
		.directory = n->directory,
		.argv = make_argv(n->command, &m),
		.env = (const char *const *)env,
		.resources = n->resources,
		.limits = n->limits,
		.share_cgroups = shares_cgroups(n),
		.command = n->command,
		.container = n->container,
		.executor = ex ? ex->info : NULL,
		.role = role_of(n, ex),
		.principal = ex ? ex->framework->info->principal : NULL,
		.container_class = n->debug ? MZ_CONTAINER_DEBUG : MZ_CONTAINER_DEFAULT,
		.attachable = n->debug,
		.start_directory = n->debug ? parent_directory(n) : NULL,
		.checkpoint = !ex || (ex->framework->info->has_checkpoint && ex->framework->info->checkpoint),
	};
	agent_container_terminal(&cfg);
	void **back = xcalloc(2, sizeof(*back));
	back[0] = a;
	back[1] = xstrdup(n->id);
	a->deps.containers->ops->launch(a->deps.containers, &cfg, on_launched, back);
	environment_free(env);
}

void nested_parent_runs(struct agent *a, const char *id)
{
	if (!a->nested.n)
		return;
	list_each(&a->nested_list, struct nested, node, n)
		if (n->parked && is_in(n->id, id))
			on_recorded(n);
}

/* Where it may be, and as whom. */
static int find_place(struct agent *a, struct nested *n, const Mesos__V1__CommandInfo *c, struct mz_err *err)
{
	const char *name = strrchr(n->id, '.');
	const char *user = NULL, *above = NULL;
	if (n->parent) {
		const struct nested *p = nested_find(a, n->parent);
		const struct executor *ex = p ? NULL : map_get(&a->containers, n->parent);
		bool lives = p ? p->state == NESTED_RUNNING
			       : ex && (ex->launched || ex->launch_pending) && ex->fsm != AGENT_EXECUTOR_TERMINATING;
		if (!lives)
			return mz_fail(err, -ENOENT, "There is no running container '%s' to be the parent", n->parent);
		user = p ? p->user : ex->user;
		above = p ? p->directory : ex->directory;
	}
	n->directory = xasprintf("%s/containers/%s", above ? above : a->cfg.work_dir, name ? name + 1 : n->id);
	if (strlen(n->directory) > MAX_DIRECTORY)
		return mz_fail(err, -ENAMETOOLONG, "The container is nested too deep: the path of its sandbox would have %zu "
			       "characters, and can have %d, as the kernel takes paths of %d",
			       strlen(n->directory), MAX_DIRECTORY, PATH_MAX - 1);
	if (a->cfg.switch_user)
		n->user = xstrdup(c->user ? c->user : user);
	return 0;
}

int nested_launch(struct agent *a, const struct nested_launch *l, nested_fn fn, void *arg, struct mz_err *err)
{
	mz_autofree char *id = nested_path(l->id);
	if (nested_find(a, id) || map_has(&a->containers, id))
		return mz_fail(err, -EEXIST, "There is a container '%s' already", id);
	if (a->nested.n >= MAX_NESTED)
		return mz_fail(err, -ENOSPC, "There are %zu containers already, which is the limit", a->nested.n);
	struct nested *n = nested_new(a, id);
	int rc = find_place(a, n, l->command, err);
	/* Of one with the same id that has ended and is forgotten. */
	if (rc == 0 && gc_unschedule(a, n->directory) < 0)
		rc = mz_fail(err, -EBUSY, "The sandbox of the last container '%s' is being removed", id);
	if (rc < 0) {
		nested_free(n);
		return rc;
	}
	n->command = (Mesos__V1__CommandInfo *)pb_copy(&l->command->base, &n->arena);
	if (l->container)
		n->container = (Mesos__V1__ContainerInfo *)pb_copy(&l->container->base, &n->arena);
	if (l->resources)
		res_add(n->resources, l->resources);
	n->environment = n->command->environment;
	n->limits = l->limits;
	n->debug = l->debug;
	n->launched = fn;
	n->launched_arg = arg;
	save(n, on_recorded);
	return 0;
}

/* ---- the rest --------------------------------------------------------------------------- */

int nested_wait(struct agent *a, const char *id, struct nested_waiter *w)
{
	struct nested *n = nested_find(a, id);
	if (n && has_ended(n)) {
		w->fn(w, &n->end);
		return 0;
	}
	if (!n && !map_has(&a->containers, id))
		return -ENOENT;
	if (!n)
		w->id = xstrdup(id);
	list_append(n ? &n->waiters : &a->executor_waiters, &w->node);
	return 0;
}

int nested_kill(struct agent *a, const char *id, int signal, struct mz_err *err)
{
	struct nested *n = nested_find(a, id);
	if (n && (n->state == NESTED_RECORDING || n->state == NESTED_LAUNCHING)) {
		call_off(n);
		return 0;
	}
	if ((n && has_ended(n)) || (!n && !map_has(&a->containers, id)))
		return mz_fail(err, -ENOENT, "There is no running container '%s'", id);
	return a->deps.containers->ops->kill(a->deps.containers, id, signal, err);
}

void nested_destroy(struct agent *a, const char *id)
{
	struct nested *n = nested_find(a, id);
	if (n && (n->state == NESTED_RECORDING || n->state == NESTED_LAUNCHING))
		call_off(n);
	else if (n && n->state == NESTED_RUNNING)
		(void)a->deps.containers->ops->terminate(a->deps.containers, id, NULL); /* its end follows */
}

static void on_removed(void *arg, const struct mz_err *err)
{
	struct agent *a = ((void **)arg)[0];
	mz_autofree char *id = ((void **)arg)[1];
	free(arg);
	struct nested *n = nested_find(a, id);
	if (!n || n->state != NESTED_REMOVING)
		return; /* it went with its executor */
	nested_fn fn = n->removed;
	void *fn_arg = n->removed_arg;
	n->removed = NULL;
	if (err) {
		n->state = NESTED_ENDED;
	} else {
		(void)gc_unschedule(a, n->directory); /* -EBUSY: it is being removed there, too */
		forget(n);
	}
	fn(fn_arg, err);
}

static void on_files_removed(void *arg, const struct mz_err *err)
{
	struct agent *a = ((void **)arg)[0];
	if (err)
		on_removed(arg, err);
	else
		a->deps.containers->ops->remove(a->deps.containers, ((char **)arg)[1], on_removed, arg);
}

int nested_remove(struct agent *a, const char *id, nested_fn fn, void *arg, struct mz_err *err)
{
	struct nested *n = nested_find(a, id);
	if (!n)
		return mz_fail(err, -ENOENT, "There is no container '%s' that could be removed", id);
	if (n->state != NESTED_ENDED)
		return mz_fail(err, -EBUSY, "Container '%s' has not ended", id);
	/* With it goes what was nested in it, which has ended before. */
	list_each(&a->nested_list, struct nested, node, x)
		if (is_in(x->id, id) && x->state == NESTED_ENDED)
			forget(x);
	n->state = NESTED_REMOVING;
	n->removed = fn;
	n->removed_arg = arg;
	void **back = xcalloc(2, sizeof(*back));
	back[0] = a;
	back[1] = xstrdup(id);
	a->deps.containers->ops->remove_sandbox(a->deps.containers, n->directory, on_files_removed, back);
	return 0;
}

/* ---- recovery ------------------------------------------------------------------------------ */

static void restore_end(struct nested *n, const Mezzo__Records__AgentContainer *r)
{
	resources *exceeded = res_new();
	(void)res_from_pb(r->exceeded, r->n_exceeded, exceeded, NULL);
	int reason = r->has_reason ? (int)r->reason : -1;
	struct mz_limitation l = {.size = sizeof(l), .reason = reason, .resources = exceeded};
	set_end(n, &(struct mz_termination){.size = sizeof(n->end),
					    .wait_status = r->has_wait_status ? r->wait_status : -1,
					    .state = r->has_state ? (int)r->state : -1,
					    .reason = reason,
					    .message = r->message,
					    .limitation = r->n_exceeded ? &l : NULL});
	res_free(exceeded);
}

int nested_restore(struct agent *a, const char *key, const Mezzo__Records__AgentContainer *r)
{
	mz_autofree char *id = nested_path(r->container_id);
	struct nested *n = nested_new(a, id);
	xset(&n->key, key);
	xset(&n->directory, r->directory);
	xset(&n->user, r->user);
	(void)res_from_pb(r->resources, r->n_resources, n->resources, NULL); /* as they were written */
	if (r->container)
		n->container = (Mesos__V1__ContainerInfo *)pb_copy(&r->container->base, &n->arena);
	if (r->environment)
		n->environment = (Mesos__V1__Environment *)pb_copy(&r->environment->base, &n->arena);
	n->limits = (struct container_limits){.cpus = r->limit_cpus, .mem = r->limit_mem};
	n->debug = r->debug;
	n->state = NESTED_RUNNING;
	if (r->ended)
		restore_end(n, r);
	return 0;
}

/* All records are read: what is nested in nothing that is known is not ours; if it
 * runs, the containerizer finds and destroys it. */
void nested_restored(struct agent *a)
{
	list_each(&a->nested_list, struct nested, node, n) {
		mz_autofree char *top = xstrndup(n->id, strcspn(n->id, "."));
		if (n->parent && !map_has(&a->containers, top) && !nested_find(a, top))
			forget(n);
	}
}

/* After a restart: who listened to them has been cut off. */
void nested_end_sessions(struct agent *a)
{
	list_each(&a->nested_list, struct nested, node, n)
		if (n->debug)
			nested_destroy(a, n->id);
}

size_t nested_live(struct agent *a, struct arena *m, struct container_config *v)
{
	size_t n_live = 0;
	list_each(&a->nested_list, struct nested, node, n) {
		struct executor *ex = nested_executor(n);
		if (has_ended(n))
			continue;
		v[n_live++] = (struct container_config){
			.id = arena_strdup(m, n->id),
			.parent = n->parent ? arena_strdup(m, n->parent) : NULL,
			.framework_id = ex ? ex->framework->id : NULL,
			.executor_id = ex ? ex->id : NULL,
			.user = n->user,
			.directory = n->directory,
			.resources = n->resources,
			.limits = n->limits,
			.share_cgroups = shares_cgroups(n),
			.container = n->container,
			.executor = ex ? ex->info : NULL,
			.role = role_of(n, ex),
			.principal = ex ? ex->framework->info->principal : NULL,
			.container_class = n->debug ? MZ_CONTAINER_DEBUG : MZ_CONTAINER_DEFAULT,
			.attachable = n->debug,
			.checkpoint = true,
		};
		agent_container_terminal(&v[n_live - 1]);
	}
	return n_live;
}

/* After a reboot nothing runs any more. */
void nested_end_all(struct agent *a, const struct mz_termination *t)
{
	list_each(&a->nested_list, struct nested, node, n)
		end(n, t);
}

void nested_done(struct agent *a)
{
	while (!list_empty(&a->nested_list))
		nested_free(list_first(&a->nested_list, struct nested, node));
	while (!list_empty(&a->executor_waiters)) {
		struct nested_waiter *w = list_first(&a->executor_waiters, struct nested_waiter, node);
		list_remove(&w->node);
		w->fn(w, NULL);
	}
	map_done(&a->nested);
}
