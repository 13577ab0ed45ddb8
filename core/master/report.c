/* report.c - what a returning agent reports, merged into the master's view.
 * After a restart of the master this is how it learns what runs: frameworks,
 * executors and tasks are rebuilt from the reports.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

static struct framework *framework_for(struct agent *a, const Mezzo__Link__Register *reg, const char *id)
{
	struct master *m = a->m;
	struct framework *f = framework_get(m, id);
	if (f || map_has(&m->completed_index, id))
		return f;
	for (size_t i = 0; i < reg->n_frameworks; i++) {
		pb_framework_info *info = reg->frameworks[i];
		if (!info->id || !str_eq(info->id->value, id) || m->frameworks.n >= m->cfg.max_frameworks)
			continue;
		log_info(AREA, "Framework %s (%s) is recovered from agent %s", id, info->name, a->id);
		f = framework_new(m, info);
		f->registered_time = f->reregistered_time = loop_wall_secs(m->loop);
		alloc_add_framework(f, false);
		framework_save(f, NULL, NULL);
		framework_start_failover(f, agent_reregister_ns(m));
		return f;
	}
	return NULL;
}

/* The role that resources are allocated to: as reported, else the framework's. The
 * caller releases it. */
static const char *role_of(struct framework *f, const resources *r)
{
	const char *role = res_allocation_role(r);
	return name_hold(f->m, role ? role : f->n_roles ? f->roles[0] : "*");
}

static int read_resources(struct framework *f, pb_resource **v, size_t n, resources **ret, const char **ret_role,
			  struct mz_err *err)
{
	resources *r = res_new();
	int result = res_from_pb(v, n, r, err);
	if (result < 0) {
		res_free(r);
		return result;
	}
	*ret_role = role_of(f, r);
	if (!res_allocation_role(r)) {
		resources *plain = res_unallocate(r);
		res_free(r);
		r = res_allocate(plain, *ret_role);
		res_free(plain);
	}
	*ret = r;
	return 0;
}

static void add_executor(struct agent *a, struct framework *f, const Mezzo__Link__ExecutorReport *x)
{
	struct mz_err err;
	resources *r;
	const char *role;
	if (executor_find(a, f->id, x->executor->executor_id->value))
		return;
	if (read_resources(f, x->executor->resources, x->executor->n_resources, &r, &role, &err) < 0) {
		log_error(AREA, "Executor '%s' of framework %s on agent %s is reported with wrong resources: %s",
			  x->executor->executor_id->value, f->id, a->id, err.msg);
		return;
	}
	executor_new(f, a, x->executor, r, role);
	name_release(f->m, role);
	res_free(r);
}

/* Tasks that were unreachable are there again: the framework is told. */
static void tell_returned(struct task *t)
{
	mz_autoarena struct arena arena = {0};
	pb_status *s = status_new(t->framework->m, &arena, t->id, t->agent_id,
				  (task_state)(t->has_status ? t->status_state : t->state),
				  REASON(AGENT_REREGISTERED), "Agent returned: Latest task state");
	s->executor_id = t->executor_id ? id_executor(&arena, t->executor_id) : NULL;
	status_send(t->framework, s);
}

static bool forget_unreachable(struct framework *f, const char *id)
{
	struct task *t = task_take_unreachable(f, id);
	if (!t)
		return false;
	f->m->n_tasks_in[t->state]--;
	task_free(t);
	return true;
}

static void take_statuses(struct task *t, const Mezzo__Link__TaskReport *x)
{
	for (size_t i = 0; i < x->n_statuses; i++)
		task_add_status(t, x->statuses[i]);
	if (x->has_status_update_state) {
		t->has_status = true;
		t->status_state = (uint8_t)x->status_update_state;
	}
	t->has_uuid = x->has_status_update_uuid && x->status_update_uuid.len == sizeof(t->uuid);
	if (t->has_uuid)
		memcpy(t->uuid, x->status_update_uuid.data, sizeof(t->uuid));
}

/* Two tasks have one id: the framework has used it again while nobody knew of this one,
 * which has to end. */
static void end_second(struct agent *a, struct framework *f, const Mezzo__Link__TaskReport *x)
{
	const char *id = x->task->task_id->value;
	log_error(AREA, "Task '%s' of framework %s on agent %s is known on another agent, and is killed here", id,
		  f->id, a->id);
	if (!task_state_is_terminal(x->state))
		agent_keep_kill(a, f->id, id, NULL);
}

static struct task *add_task(struct agent *a, struct framework *f, const Mezzo__Link__TaskReport *x)
{
	struct mz_err err;
	resources *r;
	const char *role;
	const char *id = x->task->task_id->value;
	if ((unsigned)x->state >= N_TASK_STATES) {
		log_error(AREA, "Task '%s' of framework %s on agent %s is in an unknown state, ignoring the report", id,
			  f->id, a->id);
		return NULL;
	}
	if (map_has(&f->tasks, id)) {
		end_second(a, f, x);
		return NULL;
	}
	if (read_resources(f, x->task->resources, x->task->n_resources, &r, &role, &err) < 0) {
		log_error(AREA, "Task '%s' of framework %s on agent %s is reported with wrong resources: %s", id,
			  f->id, a->id, err.msg);
		return NULL;
	}
	bool was_unreachable = forget_unreachable(f, id);
	struct task *t = task_new(f, a, x->task, x->executor_id ? x->executor_id->value : NULL, r, role, x->state);
	name_release(f->m, role);
	res_free(r);
	take_statuses(t, x);
	if (!task_state_is_terminal(x->state))
		task_charge(t);
	if (was_unreachable)
		tell_returned(t);
	return t;
}

static char *task_key(const char *framework_id, const char *task_id)
{
	return xasprintf("%s/%s", framework_id, task_id);
}

static void rebuild(struct agent *a, const Mezzo__Link__Register *reg)
{
	for (size_t i = 0; i < reg->n_executors; i++) {
		struct framework *f = framework_for(a, reg, reg->executors[i]->framework_id->value);
		if (f)
			add_executor(a, f, reg->executors[i]);
	}
	for (size_t i = 0; i < reg->n_tasks; i++) {
		struct framework *f = framework_for(a, reg, reg->tasks[i]->framework_id->value);
		if (f)
			add_task(a, f, reg->tasks[i]);
	}
}

/* Tasks that the agent did not report: it answers each with what became of it. */
static void ask_for_missing(struct agent *a, const struct map *reported, Mezzo__Link__Registered *ret,
			    struct arena *arena)
{
	ret->reconcile = (Mezzo__Link__KillTask **)pb_array(arena, a->n_tasks + 1);
	list_each(&a->tasks, struct task, in_agent, t) {
		mz_autofree char *key = task_key(t->framework->id, t->id);
		if (map_has(reported, key))
			continue;
		Mezzo__Link__KillTask *k = PB_NEW(arena, Mezzo__Link__KillTask, mezzo__link__kill_task);
		k->framework_id = id_framework(arena, t->framework->id);
		k->task_id = id_task(arena, t->id);
		agent_drop_kill(a, t->framework->id, t->id);
		ret->reconcile[ret->n_reconcile++] = k;
	}
}

static void drop_missing_executors(struct agent *a, const struct map *reported)
{
	list_each(&a->executors, struct executor, in_agent, e) {
		mz_autofree char *key = task_key(e->framework->id, e->id);
		if (!map_has(reported, key))
			executor_remove(e, a->in_allocator);
	}
}

/* The agent was never given up: only differences matter. */
static void reconcile_known(struct agent *a, const Mezzo__Link__Register *reg, Mezzo__Link__Registered *ret,
			    struct arena *arena)
{
	struct map tasks = {0}, executors = {0};
	bool news = false;
	for (size_t i = 0; i < reg->n_tasks; i++) {
		const Mezzo__Link__TaskReport *x = reg->tasks[i];
		mz_autofree char *key = task_key(x->framework_id->value, x->task->task_id->value);
		map_put(&tasks, key, a);
		struct framework *f = framework_get(a->m, x->framework_id->value);
		struct task *t = f ? map_get(&f->tasks, x->task->task_id->value) : NULL;
		news |= !t;
		if (t && t->agent != a)
			end_second(a, f, x);
	}
	for (size_t i = 0; i < reg->n_executors; i++) {
		const Mezzo__Link__ExecutorReport *x = reg->executors[i];
		mz_autofree char *key = task_key(x->framework_id->value, x->executor->executor_id->value);
		map_put(&executors, key, a);
		news |= !executor_find(a, x->framework_id->value, x->executor->executor_id->value);
	}
	ask_for_missing(a, &tasks, ret, arena);
	drop_missing_executors(a, &executors);
	if (news) {
		/* The allocator learns what is in use when an agent is added. */
		alloc_remove_agent(a);
		for (size_t i = 0; i < reg->n_executors; i++) {
			struct framework *f = framework_for(a, reg, reg->executors[i]->framework_id->value);
			if (f)
				add_executor(a, f, reg->executors[i]);
		}
		for (size_t i = 0; i < reg->n_tasks; i++) {
			struct framework *f = framework_for(a, reg, reg->tasks[i]->framework_id->value);
			if (f && !map_has(&f->tasks, reg->tasks[i]->task->task_id->value))
				add_task(a, f, reg->tasks[i]);
		}
	}
	map_done(&tasks);
	map_done(&executors);
}

void report_merge(struct agent *a, const Mezzo__Link__Register *reg, bool is_known, Mezzo__Link__Registered *ret,
		  struct arena *arena)
{
	if (is_known)
		reconcile_known(a, reg, ret, arena);
	else
		rebuild(a, reg);
}
