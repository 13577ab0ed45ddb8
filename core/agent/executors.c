/* executors.c - the life of an executor: container, subscription, end.
 *
 *	registering --subscribe--> running --shutdown--> terminating --exit--> terminated
 *
 * An executor is on record before its container is launched, and leaves the
 * record when its container has ended and every update of its tasks has been
 * acknowledged. Not here: its tasks (launch.c), its HTTP calls (api/executor.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/gc.h"
#include "agent/nested.h"
#include "os/files.h"
#include "wire/recordio.h"

#define HEARTBEAT_NS (30 * 60 * NS_PER_SEC)

struct executor *agent_executor_find(struct framework *f, const char *id)
{
	return map_get(&f->executors, id);
}

static void step(struct executor *ex, int event)
{
	struct mz_err err;
	int next = fsm_step(&agent_executor_fsm, ex->id, ex->fsm, event, &err);
	if (next < 0)
		log_warning(AREA, "%s", err.msg);
	else
		ex->fsm = next;
}

struct executor *agent_executor_new(struct framework *f, const Mesos__V1__ExecutorInfo *info, bool command)
{
	struct agent *a = f->agent;
	struct executor *ex = xnew(struct executor);
	ex->framework = f;
	ex->agent = a;
	ex->info = (Mesos__V1__ExecutorInfo *)pb_copy(&info->base, &ex->arena);
	agent_executor_sums_init(ex);
	ex->id = xstrdup(info->executor_id->value);
	ex->command = command;
	ex->fsm = AGENT_EXECUTOR_REGISTERING;
	ex->end_state = ex->end_reason = -1;
	list_init(&ex->failures);
	struct uuid uuid;
	char text[UUID_TEXT];
	loop_uuid(a->loop, &uuid);
	uuid_format(&uuid, text);
	ex->container_id = xstrdup(text);
	ex->directory = xasprintf("%s/slaves/%s/frameworks/%s/executors/%s/runs/%s", a->cfg.work_dir, a->id, f->id,
				  ex->id, ex->container_id);
	mz_autofree char *key = agent_record_key("executor", f->id, ex->id);
	ex->key = xasprintf("%s/%s", key, ex->container_id);
	if (a->cfg.switch_user) {
		const Mesos__V1__CommandInfo *c = info->command;
		ex->user = xstrdup(c && c->user ? c->user : f->info->user);
	}
	map_put(&f->executors, ex->id, ex);
	map_put(&a->containers, ex->container_id, ex);
	return ex;
}

void agent_executor_save(struct executor *ex, store_done_fn fn, void *arg)
{
	Mezzo__Records__AgentExecutor r = MEZZO__RECORDS__AGENT_EXECUTOR__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	Mesos__V1__ContainerID cid = MESOS__V1__CONTAINER_ID__INIT;
	fid.value = ex->framework->id;
	cid.value = ex->container_id;
	r.framework_id = &fid;
	r.info = ex->info;
	r.container_id = &cid;
	r.directory = ex->directory;
	r.has_command_executor = 1;
	r.command_executor = ex->command;
	r.user = ex->user;
	if (ex->ended) {
		r.has_ended = r.has_wait_status = 1;
		r.ended = 1;
		r.wait_status = ex->wait_status;
	}
	struct buf mz_autobuf b = {0};
	pb_encode(&r.base, &b);
	store_put(ex->agent->deps.store, ex->key, b.data, b.len, fn, arg);
}

/* ---- events to it ------------------------------------------------------------ */

void agent_executor_send(struct executor *ex, Mesos__V1__Executor__Event *e)
{
	if (!ex->stream)
		return;
	struct buf mz_autobuf body = {0}, record = {0};
	codec_encode(ex->codec, &e->base, &body);
	recordio_add(&record, body.data, body.len);
	int rc = http_send(ex->stream, record.data, record.len);
	if (rc < 0)
		log_warning(AREA, "Executor '%s' does not take its events: %d", ex->id, rc);
}

static void send_plain(struct executor *ex, Mesos__V1__Executor__Event__Type type)
{
	Mesos__V1__Executor__Event e = MESOS__V1__EXECUTOR__EVENT__INIT;
	e.has_type = 1;
	e.type = type;
	agent_executor_send(ex, &e);
}

static void on_heartbeat(void *arg)
{
	struct executor *ex = arg;
	ex->heartbeat = loop_timer(ex->agent->loop, HEARTBEAT_NS, on_heartbeat, ex);
	send_plain(ex, MESOS__V1__EXECUTOR__EVENT__TYPE__HEARTBEAT);
}

static void on_stream_gone(void *arg)
{
	struct executor *ex = arg;
	log_debug(AREA, "Executor '%s' has closed its stream", ex->id);
	ex->stream = NULL;
}

void agent_executor_attach(struct executor *ex, struct http_stream *s, enum codec codec)
{
	if (ex->stream)
		http_close(ex->stream); /* the newest subscription wins */
	ex->stream = s;
	ex->codec = codec;
	s->on_gone = on_stream_gone;
	s->arg = ex;
	loop_timer_cancel(ex->agent->loop, ex->heartbeat);
	ex->heartbeat = loop_timer(ex->agent->loop, HEARTBEAT_NS, on_heartbeat, ex);
}

static void send_subscribed(struct executor *ex)
{
	Mesos__V1__Executor__Event e = MESOS__V1__EXECUTOR__EVENT__INIT;
	Mesos__V1__Executor__Event__Subscribed s = MESOS__V1__EXECUTOR__EVENT__SUBSCRIBED__INIT;
	Mesos__V1__ContainerID cid = MESOS__V1__CONTAINER_ID__INIT;
	cid.value = ex->container_id;
	s.executor_info = ex->info;
	s.framework_info = ex->framework->info;
	s.agent_info = ex->agent->info;
	s.container_id = &cid;
	e.has_type = 1;
	e.type = MESOS__V1__EXECUTOR__EVENT__TYPE__SUBSCRIBED;
	e.subscribed = &s;
	agent_executor_send(ex, &e);
}

struct updating {
	struct agent *agent;
	char *container_id;
	void (*then)(struct executor *ex);
};

static void on_updated(void *arg, const struct mz_err *err)
{
	struct updating q = *(struct updating *)arg;
	mz_autofree char *id = q.container_id;
	free(arg);
	struct executor *ex = map_get(&q.agent->containers, id);
	if (!ex || (err && err->code == -ENOENT))
		return; /* it has ended, and that is told by itself */
	if (!err) {
		if (q.then)
			q.then(ex);
		return;
	}
	log_warning(AREA, "Container '%s' of executor '%s' is destroyed, its resources could not be updated: %s", id,
		    ex->id, err->msg);
	mz_autofree char *why = xasprintf("Failed to update resources for container: %s", err->msg);
	agent_executor_destroy(ex, MESOS__V1__TASK_STATE__TASK_GONE,
			       MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_UPDATE_FAILED, why);
}

static void update_resources(struct executor *ex, void (*then)(struct executor *ex))
{
	struct agent *a = ex->agent;
	if (ex->command || ex->ended) {
		if (then)
			then(ex); /* one task from beginning to end */
		return;
	}
	struct updating *q = xnew(struct updating);
	*q = (struct updating){.agent = a, .container_id = xstrdup(ex->container_id), .then = then};
	resources *r = agent_executor_resources(ex);
	struct container_limits limits = agent_executor_limits(ex);
	a->deps.containers->ops->update(a->deps.containers, ex->container_id, r, &limits, on_updated, q);
	res_free(r);
}

/* It came while the executor was away, with a policy or without. */
static void kill_now(struct executor *ex, struct task *t)
{
	Mesos__V1__DurationInfo grace = MESOS__V1__DURATION_INFO__INIT;
	Mesos__V1__KillPolicy policy = MESOS__V1__KILL_POLICY__INIT;
	grace.nanoseconds = t->kill_grace_ns;
	policy.grace_period = &grace;
	agent_executor_kill(ex, t, t->kill_grace_ns >= 0 ? &policy : NULL);
}

/* Its container has room for them. */
static void deliver_all(struct executor *ex)
{
	for (size_t i = 0; ex->fsm == AGENT_EXECUTOR_RUNNING && ex->stream && i < ex->tasks.n; i++) {
		struct task *t = ex->tasks.v[i];
		if (agent_task_is_queued(t) && !ex->launched)
			continue; /* when that is told: what modules say of the container goes into updates */
		if (agent_task_is_queued(t))
			agent_executor_deliver(ex, t);
		else if (t->kill_pending)
			kill_now(ex, t);
		t->kill_pending = false;
	}
}

static void grow(struct executor *ex)
{
	update_resources(ex, deliver_all);
}

static void on_shrink(void *arg)
{
	struct executor *ex = arg;
	ex->shrink = NULL;
	update_resources(ex, NULL);
}

static void on_grow(void *arg)
{
	struct executor *ex = arg;
	ex->grow = NULL;
	grow(ex);
}

/* Tasks have come: once for all whose records become durable in this turn. */
void agent_executor_grow_soon(struct executor *ex)
{
	if (!ex->grow)
		ex->grow = loop_timer(ex->agent->loop, 0, on_grow, ex);
}

/* Tasks have ended: once for all that end in this turn. */
void agent_executor_shrink_soon(struct executor *ex)
{
	if (!ex->shrink && !ex->command && !ex->ended)
		ex->shrink = loop_timer(ex->agent->loop, 0, on_shrink, ex);
}

/* It is there (again): it gets SUBSCRIBED and what was queued for it. */
void agent_executor_subscribed(struct executor *ex)
{
	struct agent *a = ex->agent;
	loop_timer_cancel(a->loop, ex->timer);
	ex->timer = NULL;
	ex->subscribed_once = true;
	if (ex->fsm == AGENT_EXECUTOR_REGISTERING)
		step(ex, AGENT_EXECUTOR_ON_SUBSCRIBE);
	send_subscribed(ex);
	bool any = false;
	for (size_t i = 0; i < ex->tasks.n; i++)
		if (!task_state_is_terminal(ex->tasks.v[i]->state))
			any = true;
	if (!any && !ex->sent_task) {
		/* Its tasks were killed, or lost by a restart of the agent, before it had one. */
		agent_executor_shutdown(ex);
		return;
	}
	grow(ex);
}

/* ---- its container ------------------------------------------------------------- */

static void on_registration_timeout(void *arg)
{
	struct executor *ex = arg;
	ex->timer = NULL;
	agent_executor_destroy(ex, MESOS__V1__TASK_STATE__TASK_FAILED,
			 MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_REGISTRATION_TIMEOUT,
			 "Executor did not subscribe within the registration timeout");
}

static void on_launched(void *arg, const struct mz_err *err, int32_t pid)
{
	struct agent *a = ((void **)arg)[0];
	mz_autofree char *container_id = ((void **)arg)[1];
	free(arg);
	struct executor *ex = map_get(&a->containers, container_id);
	if (!ex)
		return;
	ex->launch_pending = false;
	if (err) {
		bool called_off = ex->fsm == AGENT_EXECUTOR_TERMINATING; /* then it is known why it ends */
		a->metrics.container_launch_errors++;
		log_write(called_off ? MZ_LOG_INFO : MZ_LOG_WARNING, AREA,
		       "Container '%s' of executor '%s' could not be launched: %s", container_id, ex->id, err->msg);
		mz_autofree char *why = xasprintf("Failed to launch container: %s", err->msg);
		struct mz_termination t = {.size = sizeof(t), .wait_status = -1, .state = -1, .reason = -1};
		if (!called_off) {
			t.state = MESOS__V1__TASK_STATE__TASK_FAILED;
			t.reason = MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LAUNCH_FAILED;
			t.message = why;
		}
		on_container_exited(a, container_id, &t);
		return;
	}
	ex->launched = true;
	ex->pid = pid;
	if (ex->fsm == AGENT_EXECUTOR_TERMINATING) {
		agent_executor_destroy(ex, ex->end_state, ex->end_reason, NULL);
		return;
	}
	if (ex->fsm == AGENT_EXECUTOR_RUNNING)
		grow(ex); /* it has subscribed before */
	nested_parent_runs(a, container_id);
}

/* Shows the sandbox under its own path, and as runs/latest. */
void agent_executor_attach_files(struct executor *ex)
{
	struct files *f = ex->agent->deps.files;
	const char *slash = strrchr(ex->directory, '/');
	mz_autofree char *latest = xasprintf("%.*s/latest", (int)(slash - ex->directory), ex->directory);
	f->ops->attach(f, ex->directory, ex->directory);
	f->ops->attach(f, latest, ex->directory);
}

void agent_detach_files(struct agent *a, const char *directory)
{
	struct files *f = a->deps.files;
	const char *slash = strrchr(directory, '/'), *path, *real;
	mz_autofree char *latest = xasprintf("%.*s/latest", (int)(slash - directory), directory);
	f->ops->detach(f, directory);
	/* It may show a later run of that executor. */
	for (size_t i = 0; f->ops->attached(f, i, &path, &real); i++)
		if (strcmp(path, latest) == 0) {
			if (strcmp(real, directory) == 0)
				f->ops->detach(f, latest);
			return;
		}
}

const Mesos__V1__ContainerInfo *agent_executor_container(const struct executor *ex)
{
	return ex->command_task ? ex->command_task->container : ex->info->container;
}

void agent_container_terminal(struct container_config *cfg)
{
	const Mesos__V1__TTYInfo *t = cfg->container ? cfg->container->tty_info : NULL;
	const Mesos__V1__TTYInfo__WindowSize *w = t ? t->window_size : NULL;
	cfg->tty = t != NULL;
	cfg->tty_rows = w ? (int32_t)MZ_MIN(w->rows, (uint32_t)UINT16_MAX) : 0;
	cfg->tty_columns = w ? (int32_t)MZ_MIN(w->columns, (uint32_t)UINT16_MAX) : 0;
}

/* The task (and executor) records are durable: the container may start. */
void agent_executor_launch(struct executor *ex)
{
	struct agent *a = ex->agent;
	struct arena mz_autoarena m = {0};
	const Mesos__V1__CommandInfo *c = ex->info->command;
	char **env = agent_executor_environment(ex);
	resources *r = agent_executor_resources(ex);
	xset(&ex->role, res_allocation_role(r));
	size_t n = 0;
	const char **argv = arena_alloc(&m, sizeof(*argv) * (6 + (c ? c->n_arguments : 0)));
	if (ex->info->has_type && ex->info->type == MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT) {
		const char *const pod[] = {a->cfg.executor_path, "--module", a->cfg.pod_module, "--module-dir", a->cfg.module_dir};
		memcpy(argv, pod, sizeof(pod));
		n = MZ_N(pod);
	} else if (c && (!c->has_shell || c->shell)) {
		argv[n++] = "/bin/sh";
		argv[n++] = "-c";
		argv[n++] = c->value ? c->value : "";
	} else if (c) {
		argv[n++] = c->value ? c->value : "";
		for (size_t i = 1; i < c->n_arguments; i++)
			argv[n++] = c->arguments[i];
	}
	argv[n] = NULL;
	agent_executor_attach_files(ex);
	struct container_config cfg = {
		.id = ex->container_id,
		.framework_id = ex->framework->id,
		.executor_id = ex->id,
		.task_id = ex->command ? ex->id : NULL,
		.user = ex->user,
		.directory = ex->directory,
		.argv = argv,
		.env = (const char *const *)env,
		.resources = r,
		.limits = agent_executor_limits(ex),
		.command = ex->command_task ? ex->command_task->command : c,
		.container = agent_executor_container(ex),
		.executor = ex->info,
		.task = ex->command_task,
		.role = ex->role,
		.principal = ex->framework->info->principal,
		.checkpoint = ex->framework->info->has_checkpoint && ex->framework->info->checkpoint,
	};
	agent_container_terminal(&cfg);
	void **arg = xcalloc(2, sizeof(*arg));
	arg[0] = a;
	arg[1] = xstrdup(ex->container_id);
	ex->launch_pending = true;
	ex->timer = loop_timer(a->loop, a->cfg.executor_registration_timeout_ns, on_registration_timeout, ex);
	a->deps.containers->ops->launch(a->deps.containers, &cfg, on_launched, arg);
	res_free(r);
	environment_free(env);
}

/* ---- its end ------------------------------------------------------------------- */

static void on_shutdown_timeout(void *arg)
{
	struct executor *ex = arg;
	ex->timer = NULL;
	log_info(AREA, "Executor '%s' did not end within its grace period", ex->id);
	agent_executor_destroy(ex, ex->end_state, ex->end_reason, NULL);
}

void agent_executor_shutdown(struct executor *ex)
{
	struct agent *a = ex->agent;
	if (ex->fsm == AGENT_EXECUTOR_TERMINATING || ex->fsm == AGENT_EXECUTOR_TERMINATED)
		return;
	step(ex, AGENT_EXECUTOR_ON_SHUTDOWN);
	loop_timer_cancel(a->loop, ex->timer);
	ex->timer = NULL;
	if (!ex->stream) {
		agent_executor_destroy(ex, ex->end_state, ex->end_reason, NULL);
		return;
	}
	send_plain(ex, MESOS__V1__EXECUTOR__EVENT__TYPE__SHUTDOWN);
	int64_t grace = a->cfg.executor_shutdown_grace_ns;
	if (ex->info->shutdown_grace_period)
		grace = ex->info->shutdown_grace_period->nanoseconds;
	ex->timer = loop_timer(a->loop, grace, on_shutdown_timeout, ex);
}

void agent_executor_destroy(struct executor *ex, int state, int reason, const char *message)
{
	struct agent *a = ex->agent;
	if (ex->fsm == AGENT_EXECUTOR_TERMINATED)
		return;
	if (ex->fsm != AGENT_EXECUTOR_TERMINATING)
		step(ex, AGENT_EXECUTOR_ON_SHUTDOWN);
	loop_timer_cancel(a->loop, ex->timer);
	ex->timer = NULL;
	ex->end_state = state;
	ex->end_reason = reason;
	if (message)
		xset(&ex->end_message, message);
	struct mz_err err;
	if (a->deps.containers->ops->terminate(a->deps.containers, ex->container_id, &err) == -ENOENT &&
	    !ex->launch_pending) {
		/* It was never launched: the record of its start was not durable yet. */
		struct mz_termination t = {.size = sizeof(t), .wait_status = -1, .state = -1, .reason = -1};
		on_container_exited(a, ex->container_id, &t);
	}
}

/* The update that a live task gets because its executor ended. */
static void end_task(struct executor *ex, struct task *t, const struct mz_termination *why)
{
	int state = ex->end_state, reason = ex->end_reason;
	const char *message = ex->end_message;
	if (why->reason >= 0) {
		state = why->state;
		reason = why->reason;
		message = why->message;
	}
	if (state < 0)
		state = agent_task_is_queued(t) ? MESOS__V1__TASK_STATE__TASK_DROPPED : MESOS__V1__TASK_STATE__TASK_FAILED;
	if (reason < 0)
		reason = MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED;
	update_make_limited(t->framework, t, (Mesos__V1__TaskState)state, reason,
			    message ? message : why->message ? why->message : "Executor terminated", why->limitation);
}

void agent_tell_exited(struct framework *f, const char *executor_id, int32_t wait_status)
{
	Mezzo__Link__ToMaster to = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__ExitedExecutor x = MEZZO__LINK__EXITED_EXECUTOR__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	Mesos__V1__ExecutorID eid = MESOS__V1__EXECUTOR_ID__INIT;
	fid.value = f->id;
	eid.value = (char *)executor_id;
	x.framework_id = &fid;
	x.executor_id = &eid;
	x.status = wait_status;
	to.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_EXITED_EXECUTOR;
	to.exited_executor = &x;
	agent_tell_master(f->agent, &to);
}

static void close_stream(struct executor *ex)
{
	if (ex->stream)
		http_close(ex->stream);
	ex->stream = NULL;
	loop_timer_cancel(ex->agent->loop, ex->heartbeat);
	loop_timer_cancel(ex->agent->loop, ex->timer);
	loop_timer_cancel(ex->agent->loop, ex->grow);
	loop_timer_cancel(ex->agent->loop, ex->shrink);
	ex->heartbeat = ex->timer = ex->grow = ex->shrink = NULL;
}

void on_container_exited(void *arg, const char *id, const struct mz_termination *t)
{
	struct agent *a = arg;
	if (nested_exited(a, id, t))
		return;
	struct executor *ex = map_del(&a->containers, id);
	if (!ex || a->stopping)
		return;
	nested_drop_all(a, id, t);
	struct framework *f = ex->framework;
	log_debug(AREA, "Executor '%s' of framework '%s' ended with wait status %d", ex->id, f->id, t->wait_status);
	agent_executor_settle_failures(ex, t->limitation != NULL);
	ex->launched = ex->launched || t->wait_status >= 0;
	ex->wait_status = t->wait_status;
	ex->ended = true;
	ex->fsm = AGENT_EXECUTOR_TERMINATED;
	a->metrics.executors_terminated++;
	close_stream(ex);
	map_del(&f->executors, ex->id);
	vec_push(&f->ended_executors, ex);
	/* From the back: completing a task takes it out of the list. */
	for (size_t i = ex->tasks.n; i-- > 0;) {
		struct task *task = ex->tasks.v[i];
		if (!task_state_is_terminal(task->state) && !f->shutting_down)
			end_task(ex, task, t);
	}
	if (!ex->command)
		agent_tell_exited(f, ex->id, ex->wait_status);
	gc_schedule(a, ex->container_id, ex->directory);
	if (f->shutting_down) {
		agent_executor_forget_tasks(ex);
	} else {
		if (ex->tasks.n)
			agent_executor_save(ex, NULL, NULL);
		agent_executor_maybe_complete(ex);
	}
	agent_maybe_recovered(a);
	agent_maybe_end(a);
}

/* Of a framework that is gone: nobody will acknowledge anything. */
void agent_executor_forget_tasks(struct executor *ex)
{
	size_t n = ex->tasks.n;
	while (n-- > 0) {
		struct task *t = ex->tasks.v[n];
		if (!task_state_is_terminal(t->state))
			t->state = MESOS__V1__TASK_STATE__TASK_KILLED;
		agent_task_step(t, AGENT_TASK_ON_REMOVE);
		bool last = n == 0;
		agent_task_complete(t); /* with the last one the executor may be gone, too */
		if (last)
			return;
	}
	agent_executor_maybe_complete(ex);
}

/* Ended, and all its updates acknowledged: it becomes history. */
void agent_executor_maybe_complete(struct executor *ex)
{
	struct framework *f = ex->framework;
	struct agent *a = ex->agent;
	if (!ex->ended || ex->tasks.n)
		return;
	for (size_t i = 0; i < f->ended_executors.n; i++)
		if (f->ended_executors.v[i] == ex) {
			vec_remove(&f->ended_executors, i);
			vec_push(&f->completed_executors, ex);
			break;
		}
	store_delete(a->deps.store, ex->key, NULL, NULL);
	if (f->completed_executors.n > a->cfg.max_completed_executors) {
		agent_executor_free(f->completed_executors.v[0]);
		vec_remove(&f->completed_executors, 0);
	}
	agent_framework_maybe_complete(f);
}

void agent_executor_free(struct executor *ex)
{
	if (!ex)
		return;
	close_stream(ex);
	agent_executor_forget_failures(ex);
	for (size_t i = 0; i < ex->tasks.n; i++)
		agent_task_free(ex->tasks.v[i]);
	vec_done(&ex->tasks);
	for (size_t i = 0; i < ex->completed_tasks.n; i++)
		agent_task_free(ex->completed_tasks.v[i]);
	vec_done(&ex->completed_tasks);
	res_free(ex->sums.total);
	arena_done(&ex->arena);
	free(ex->id);
	free(ex->container_id);
	free(ex->directory);
	free(ex->user);
	free(ex->key);
	free(ex->role);
	free(ex->end_message);
	free(ex);
}
