/* launch.c - RunTasks: finds or makes the executor, writes everything down,
 * launches or delivers once that is durable. And KillTask, which may come at any
 * moment of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/internal.h"

enum { COMMAND_EXECUTOR_CPUS = 100, COMMAND_EXECUTOR_MEM = 32000 }; /* thousandths */

/* A RunTasks whose records are on their way to the disk. */
struct launch {
	struct list node; /* in agent.launches */
	struct agent *agent;
	char *framework_id;
	VEC(char *) task_ids;
	char *executor_id, *container_id; /* another executor may have taken the id */
	bool new_executor;
};

static Mesos__V1__Resource *scalar(struct arena *m, const char *name, double value, const char *role)
{
	Mesos__V1__Resource *r = PB_NEW(m, Mesos__V1__Resource, mesos__v1__resource);
	r->name = (char *)name;
	r->type = MESOS__V1__VALUE__TYPE__SCALAR;
	r->scalar = PB_NEW(m, Mesos__V1__Value__Scalar, mesos__v1__value__scalar);
	r->scalar->value = value;
	if (role) {
		r->allocation_info = PB_NEW(m, Mesos__V1__Resource__AllocationInfo,
					    mesos__v1__resource__allocation_info);
		r->allocation_info->role = (char *)role;
	}
	return r;
}

static void add_shortened(struct buf *b, const char *s)
{
	bool fits = strlen(s) <= 15;
	buf_addf(b, "%.*s%s", (int)str_fit(s, fits ? 15 : 12), s, fits ? "" : "...");
}

/* "Command Executor (Task: t0) (Command: sh -c 'echo out; sl...')" */
static char *command_executor_name(const Mesos__V1__TaskInfo *t, struct arena *m)
{
	const Mesos__V1__CommandInfo *c = t->command;
	struct buf mz_autobuf b = {0};
	buf_addf(&b, "Command Executor (Task: %s) (Command: ", t->task_id->value);
	if (!c->has_shell || c->shell) {
		buf_adds(&b, "sh -c '");
		add_shortened(&b, c->value ? c->value : "");
		buf_adds(&b, "')");
	} else {
		struct buf mz_autobuf line = {0};
		buf_addf(&line, "[%s", c->value ? c->value : "");
		for (size_t i = 1; i < c->n_arguments; i++)
			buf_addf(&line, ", %s", c->arguments[i]);
		buf_addc(&line, ']');
		add_shortened(&b, buf_str(&line));
		buf_addc(&b, ')');
	}
	return arena_strdup(m, buf_str(&b));
}

/* The ExecutorInfo of a task that has only a command. */
static Mesos__V1__ExecutorInfo *command_executor(struct agent *a, const Mesos__V1__TaskInfo *t, struct framework *f,
						 struct arena *m)
{
	Mesos__V1__ExecutorInfo *e = PB_NEW(m, Mesos__V1__ExecutorInfo, mesos__v1__executor_info);
	e->executor_id = PB_NEW(m, Mesos__V1__ExecutorID, mesos__v1__executor_id);
	e->executor_id->value = t->task_id->value;
	e->framework_id = PB_NEW(m, Mesos__V1__FrameworkID, mesos__v1__framework_id);
	e->framework_id->value = f->id;
	e->name = command_executor_name(t, m);
	e->source = t->task_id->value;
	Mesos__V1__CommandInfo *c = PB_NEW(m, Mesos__V1__CommandInfo, mesos__v1__command_info);
	c->has_shell = 1;
	c->shell = 0;
	c->value = (char *)a->cfg.executor_path;
	const char *const args[] = {"mezzo-executor", "--module", a->cfg.command_module, "--module-dir", a->cfg.module_dir};
	c->n_arguments = MZ_N(args);
	c->arguments = (char **)pb_array(m, MZ_N(args));
	for (size_t i = 0; i < MZ_N(args); i++)
		c->arguments[i] = (char *)args[i];
	c->user = t->command->user;
	e->command = c;
	e->discovery = t->discovery;
	if (t->kill_policy && t->kill_policy->grace_period) {
		/* The shutdown must leave room for the task's own grace. */
		e->shutdown_grace_period = PB_NEW(m, Mesos__V1__DurationInfo, mesos__v1__duration_info);
		e->shutdown_grace_period->nanoseconds = MZ_MAX(t->kill_policy->grace_period->nanoseconds,
							       a->cfg.executor_shutdown_grace_ns);
	}
	const char *role = NULL;
	for (size_t i = 0; i < t->n_resources && !role; i++)
		if (t->resources[i]->allocation_info)
			role = t->resources[i]->allocation_info->role;
	e->n_resources = 2;
	e->resources = (Mesos__V1__Resource **)pb_array(m, 2);
	e->resources[0] = scalar(m, "cpus", COMMAND_EXECUTOR_CPUS / 1000.0, role);
	e->resources[1] = scalar(m, "mem", COMMAND_EXECUTOR_MEM / 1000.0, role);
	return e;
}

/* ---- records ------------------------------------------------------------------- */

static void agent_task_save(struct task *t, const Mesos__V1__TaskInfo *info)
{
	Mezzo__Records__AgentTask r = MEZZO__RECORDS__AGENT_TASK__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	Mesos__V1__ExecutorID eid = MESOS__V1__EXECUTOR_ID__INIT;
	Mesos__V1__ContainerID cid = MESOS__V1__CONTAINER_ID__INIT;
	fid.value = t->framework->id;
	eid.value = t->executor->id;
	cid.value = t->executor->container_id;
	r.framework_id = &fid;
	r.task = (Mesos__V1__TaskInfo *)info;
	r.executor_id = &eid;
	r.container_id = &cid;
	r.has_group = 1;
	r.group = t->group != 0;
	struct buf mz_autobuf b = {0};
	pb_encode(&r.base, &b);
	mz_autofree char *key = agent_record_key("task", t->framework->id, t->id);
	store_put(t->framework->agent->deps.store, key, b.data, b.len, NULL, NULL);
}

/* ---- delivery -------------------------------------------------------------------- */

static void deliver_group(struct executor *ex, uint32_t group)
{
	struct arena mz_autoarena m = {0};
	Mesos__V1__Executor__Event e = MESOS__V1__EXECUTOR__EVENT__INIT;
	Mesos__V1__Executor__Event__LaunchGroup lg = MESOS__V1__EXECUTOR__EVENT__LAUNCH_GROUP__INIT;
	Mesos__V1__TaskGroupInfo g = MESOS__V1__TASK_GROUP_INFO__INIT;
	g.tasks = (Mesos__V1__TaskInfo **)pb_array(&m, ex->tasks.n);
	for (size_t i = 0; i < ex->tasks.n; i++) {
		struct task *t = ex->tasks.v[i];
		if (t->group != group || !agent_task_is_queued(t))
			continue;
		g.tasks[g.n_tasks++] = (Mesos__V1__TaskInfo *)agent_task_info(t, &m);
		agent_task_step(t, AGENT_TASK_ON_SEND);
	}
	lg.task_group = &g;
	e.has_type = 1;
	e.type = MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH_GROUP;
	e.launch_group = &lg;
	agent_executor_send(ex, &e);
}

/* Sends a queued task (with the rest of its group) to its running executor. */
void agent_executor_deliver(struct executor *ex, struct task *t)
{
	if (!ex->stream || !t->durable)
		return;
	ex->sent_task = true;
	if (t->group) {
		deliver_group(ex, t->group);
		return;
	}
	struct arena mz_autoarena m = {0};
	Mesos__V1__Executor__Event e = MESOS__V1__EXECUTOR__EVENT__INIT;
	Mesos__V1__Executor__Event__Launch l = MESOS__V1__EXECUTOR__EVENT__LAUNCH__INIT;
	l.task = (Mesos__V1__TaskInfo *)agent_task_info(t, &m);
	e.has_type = 1;
	e.type = MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH;
	e.launch = &l;
	agent_executor_send(ex, &e);
	agent_task_step(t, AGENT_TASK_ON_SEND);
}

static void launch_free(struct launch *l)
{
	for (size_t i = 0; i < l->task_ids.n; i++)
		free(l->task_ids.v[i]);
	vec_done(&l->task_ids);
	free(l->framework_id);
	free(l->executor_id);
	free(l->container_id);
	list_remove(&l->node);
	free(l);
}

void agent_launches_done(struct agent *a)
{
	list_each(&a->launches, struct launch, node, l) {
		store_forget(a->deps.store, l);
		launch_free(l);
	}
}

/* The records are on disk: now it may happen. Much can have changed meanwhile. */
static void on_records_durable(void *arg)
{
	struct launch *l = arg;
	struct framework *f = agent_framework_find(l->agent, l->framework_id);
	struct executor *ex = f ? agent_executor_find(f, l->executor_id) : NULL;
	if (ex && strcmp(ex->container_id, l->container_id) != 0)
		ex = NULL;
	bool any = false;
	for (size_t i = 0; f && i < l->task_ids.n; i++) {
		struct task *t = map_get(&f->tasks, l->task_ids.v[i]);
		if (!t || t->executor != ex)
			continue;
		t->durable = true;
	}
	for (size_t i = 0; ex && l->new_executor && !any && i < ex->tasks.n; i++)
		any = agent_task_is_queued(ex->tasks.v[i]);
	if (ex && l->new_executor && ex->fsm == AGENT_EXECUTOR_REGISTERING) {
		if (any) {
			agent_executor_launch(ex);
		} else {
			agent_executor_destroy(ex, -1, -1, NULL); /* every task was killed meanwhile */
		}
	} else if (ex && ex->fsm == AGENT_EXECUTOR_RUNNING) {
		agent_executor_grow_soon(ex);
	}
	launch_free(l);
}

/* ---- RunTasks -------------------------------------------------------------------- */

static void drop(struct framework *f, const Mesos__V1__TaskInfo *t, int reason, const char *why)
{
	log_warning(AREA, "Task '%s' of framework '%s' was dropped: %s", t->task_id->value, f->id, why);
	update_make(f, t->task_id->value, NULL, MESOS__V1__TASK_STATE__TASK_DROPPED, reason, why);
}

/* The master has it in its books, and will hear of no other end of it. */
static void drop_executor(struct framework *f, const Mesos__V1__ExecutorInfo *info)
{
	if (info && !agent_executor_find(f, info->executor_id->value))
		agent_tell_exited(f, info->executor_id->value, -1);
}

static void drop_all(struct framework *f, const Mezzo__Link__RunTasks *m, bool may_start)
{
	for (size_t i = 0; i < m->n_tasks; i++)
		drop(f, m->tasks[i], MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED,
		     "Framework is shutting down");
	for (size_t i = 0; may_start && !m->group_executor && i < m->n_tasks; i++)
		drop_executor(f, m->tasks[i]->executor);
	if (may_start)
		drop_executor(f, m->group_executor);
}

/* Tasks of one executor, existing or new. */
static void launch_tasks(struct framework *f, const Mesos__V1__ExecutorInfo *info, bool command, bool may_start,
			 Mesos__V1__TaskInfo *const *tasks, size_t n, uint32_t group)
{
	struct agent *a = f->agent;
	struct executor *ex = agent_executor_find(f, info->executor_id->value);
	if (ex && (ex->fsm == AGENT_EXECUTOR_TERMINATING || ex->fsm == AGENT_EXECUTOR_TERMINATED)) {
		for (size_t i = 0; i < n; i++)
			drop(f, tasks[i], MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED,
			     "Executor is terminating");
		return;
	}
	if (!ex && !may_start) {
		/* The master counts on one that has ended meanwhile. Another one would
		 * not be in its books once it has heard of that end. */
		for (size_t i = 0; i < n; i++)
			drop(f, tasks[i], MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED,
			     "Executor has terminated");
		return;
	}
	struct launch *l = xnew(struct launch);
	l->agent = a;
	l->framework_id = xstrdup(f->id);
	l->executor_id = xstrdup(info->executor_id->value);
	if (!ex) {
		ex = agent_executor_new(f, info, command);
		if (command)
			ex->command_task = (Mesos__V1__TaskInfo *)pb_copy(&tasks[0]->base, &ex->arena);
		agent_executor_save(ex, NULL, NULL);
		l->new_executor = true;
	}
	l->container_id = xstrdup(ex->container_id);
	list_insert_before(&a->launches, &l->node);
	for (size_t i = 0; i < n; i++) {
		struct task *t = agent_task_new(f, tasks[i], group);
		agent_executor_add_task(ex, t);
		vec_push(&l->task_ids, xstrdup(t->id));
		agent_task_save(t, tasks[i]);
	}
	store_barrier(a->deps.store, on_records_durable, l);
}

void handle_run_tasks(struct agent *a, const Mezzo__Link__RunTasks *m)
{
	if (!m->framework->id || !a->registered)
		return;
	struct framework *f = agent_framework_find(a, m->framework->id->value);
	if (!f)
		f = agent_framework_add(a, m->framework);
	bool may_start = !m->has_launch_executor || m->launch_executor;
	if (f->shutting_down) {
		drop_all(f, m, may_start);
		return;
	}
	/* A message that was sent twice launches nothing twice. */
	VEC(Mesos__V1__TaskInfo *) fresh = {0};
	for (size_t i = 0; i < m->n_tasks; i++) {
		if (map_has(&f->tasks, m->tasks[i]->task_id->value))
			log_warning(AREA, "Task '%s' of framework '%s' is here already, ignoring",
				    m->tasks[i]->task_id->value, f->id);
		else
			vec_push(&fresh, m->tasks[i]);
	}
	if (m->group_executor && fresh.n) {
		launch_tasks(f, m->group_executor, false, may_start, fresh.v, fresh.n, ++a->n_groups);
	} else {
		for (size_t i = 0; i < fresh.n; i++) {
			struct arena mz_autoarena arena = {0};
			Mesos__V1__TaskInfo *t = fresh.v[i];
			if (t->executor)
				launch_tasks(f, t->executor, false, may_start, &t, 1, 0);
			else if (t->command)
				launch_tasks(f, command_executor(a, t, f, &arena), true, true, &t, 1, 0);
			else
				drop(f, t, MESOS__V1__TASK_STATUS__REASON__REASON_TASK_INVALID,
				     "Task has neither command nor executor");
		}
	}
	vec_done(&fresh);
	agent_framework_maybe_complete(f);
}

/* ---- KillTask -------------------------------------------------------------------- */

void agent_executor_kill(struct executor *ex, struct task *t, Mesos__V1__KillPolicy *policy)
{
	Mesos__V1__Executor__Event e = MESOS__V1__EXECUTOR__EVENT__INIT;
	Mesos__V1__Executor__Event__Kill k = MESOS__V1__EXECUTOR__EVENT__KILL__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	id.value = t->id;
	k.task_id = &id;
	k.kill_policy = policy;
	e.has_type = 1;
	e.type = MESOS__V1__EXECUTOR__EVENT__TYPE__KILL;
	e.kill = &k;
	agent_executor_send(ex, &e);
}

/* It was never delivered: it ends here, and its executor too if that has nothing else. */
static void kill_queued(struct executor *ex, struct task *t)
{
	uint32_t group = t->group;
	for (size_t i = ex->tasks.n; i-- > 0;) {
		struct task *x = ex->tasks.v[i];
		if (x != t && !(group && x->group == group && agent_task_is_queued(x)))
			continue;
		update_make(t->framework, x->id, x, MESOS__V1__TASK_STATE__TASK_KILLED,
			    MESOS__V1__TASK_STATUS__REASON__REASON_TASK_KILLED_DURING_LAUNCH,
			    "Task was killed before it was delivered to its executor");
	}
	for (size_t i = 0; i < ex->tasks.n; i++)
		if (!task_state_is_terminal(ex->tasks.v[i]->state))
			return;
	if (!ex->subscribed_once)
		agent_executor_destroy(ex, -1, -1, NULL);
	else if (!ex->sent_task)
		agent_executor_shutdown(ex);
}

void handle_kill_task(struct agent *a, const Mezzo__Link__KillTask *m)
{
	struct framework *f = agent_framework_find(a, m->framework_id->value);
	struct task *t = f ? map_get(&f->tasks, m->task_id->value) : NULL;
	if (!t) {
		log_warning(AREA, "Asked to kill task '%s' of framework '%s', which is not here", m->task_id->value,
			    m->framework_id->value);
		struct framework none = {.agent = a, .id = m->framework_id->value};
		update_make(f ? f : &none, m->task_id->value, NULL, MESOS__V1__TASK_STATE__TASK_DROPPED,
			    MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED, "Task is unknown to the agent");
		return;
	}
	if (task_state_is_terminal(t->state))
		return; /* its update is on the way */
	if (agent_task_is_queued(t)) {
		kill_queued(t->executor, t);
	} else if (t->executor->stream) {
		agent_executor_kill(t->executor, t, m->kill_policy);
	} else {
		t->kill_pending = true; /* sent when its executor is back */
		t->kill_grace_ns = m->kill_policy && m->kill_policy->grace_period
					   ? m->kill_policy->grace_period->nanoseconds
					   : -1;
	}
}
