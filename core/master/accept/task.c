/* task.c - one task of a LAUNCH or LAUNCH_GROUP: is there room for it, may its
 * executor be shared, and what the agent is sent.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/accept/accept.h"

#define CAP_TASK_RESOURCE_LIMITS 8 /* AgentInfo.Capability.Type */

void placement_done(struct placement *p)
{
	res_free(p->task);
	res_free(p->executor);
	*p = (struct placement){0};
}

/* Resources of a message, whose allocation, if given, must be the offers' role. */
static int read_resources(struct accept *a, pb_resource **v, size_t n, resources **ret, struct mz_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (v[i]->allocation_info && v[i]->allocation_info->role &&
		    !str_eq(v[i]->allocation_info->role, a->role))
			return mz_fail(err, -EINVAL, "Resources are allocated to role '%s', the offer is for '%s'",
				       v[i]->allocation_info->role, a->role);
	resources *r = res_new();
	int result = res_from_pb(v, n, r, err);
	if (result < 0) {
		res_free(r);
		return result;
	}
	*ret = res_unallocate(r);
	res_free(r);
	return 0;
}

/* In the form that agents get: post-refinement, with the allocation. */
static size_t write_resources(struct accept *a, const resources *plain, pb_resource ***ret)
{
	resources *allocated = res_allocate(plain, a->role);
	size_t n = res_to_pb(allocated, RES_FORMAT_POST, true, &a->arena, ret);
	res_free(allocated);
	return n;
}

static int check_ids(struct accept *a, struct framework *f, const struct agent *agent, const pb_task_info *t,
		     struct mz_err *err)
{
	const char *id = t->task_id->value;
	if (!str_eq(t->agent_id->value, agent->id))
		return mz_fail(err, -EINVAL, "Task is for agent '%s', the offer is of '%s'", t->agent_id->value,
			       agent->id);
	if (map_has(&f->tasks, id))
		return mz_fail(err, -EINVAL, "Task has the id of a task that exists");
	const struct accept *owner = map_get(&f->pending, id);
	if (owner && owner != a)
		return mz_fail(err, -EINVAL, "Task has the id of a task that is being launched");
	if (map_has(&f->unreachable, id))
		return mz_fail(err, -EINVAL, "Task has the id of a task on an unreachable agent");
	if (t->n_limits && !(agent->capabilities & (1u << CAP_TASK_RESOURCE_LIMITS)))
		return mz_fail(err, -EINVAL, "Agent cannot limit resources of tasks");
	return 0;
}

/* Fills in the executor's framework and resources; finds out whether it runs. */
static int place_executor(struct accept *a, struct framework *f, struct agent *agent, pb_executor_info *e,
			  struct placement *ret, struct mz_err *err)
{
	if (!e->framework_id)
		e->framework_id = id_framework(&a->arena, f->id);
	if (!str_eq(e->framework_id->value, f->id))
		return mz_fail(err, -EINVAL, "Executor has the framework id '%s'", e->framework_id->value);
	resources *r;
	int result = read_resources(a, e->resources, e->n_resources, &r, err);
	if (result < 0)
		return mz_wrap(err, "Executor");
	e->n_resources = write_resources(a, r, &e->resources);
	struct executor *known = executor_find(agent, f->id, e->executor_id->value);
	if (!known) {
		ret->executor = r;
		ret->launch_executor = true;
		return 0;
	}
	res_free(r);
	mz_autoarena struct arena scratch = {0};
	if (!executor_info_equal(executor_show(known, &scratch), e))
		return mz_fail(err, -EINVAL, "Executor '%s' exists on the agent with another ExecutorInfo", known->id);
	return 0;
}

/* As the agent gets it. What does not fit into a frame could not be sent, and the
 * agent would be given up for it. */
static int check_size(const pb_task_info *t, size_t *ret, struct mz_err *err)
{
	size_t size = protobuf_c_message_get_packed_size(&t->base);
	if (size > MAX_TASK_BYTES)
		return mz_fail(err, -EMSGSIZE, "Task is larger than %d MB", MAX_TASK_BYTES >> 20);
	*ret = size;
	return 0;
}

static void infer_health_check(pb_task_info *t)
{
	Mesos__V1__HealthCheck *h = t->health_check;
	if (!h || h->has_type)
		return;
	h->has_type = h->command || h->http;
	h->type = h->command ? MESOS__V1__HEALTH_CHECK__TYPE__COMMAND : MESOS__V1__HEALTH_CHECK__TYPE__HTTP;
}

int task_place(struct accept *a, struct framework *f, struct agent *agent, pb_task_info *t,
	       pb_executor_info *executor, const resources *available, struct placement *ret, struct mz_err *err)
{
	struct placement p = {.launch_executor = !executor};
	int r = check_ids(a, f, agent, t, err);
	infer_health_check(t);
	if (r == 0)
		r = read_resources(a, t->resources, t->n_resources, &p.task, err);
	if (r == 0)
		t->n_resources = write_resources(a, p.task, &t->resources);
	if (r == 0 && executor)
		r = place_executor(a, f, agent, executor, &p, err);
	if (r == 0)
		r = check_size(t, &p.bytes, err);
	if (r == 0) {
		resources *total = res_copy(p.task);
		if (p.executor)
			res_add(total, p.executor);
		if (!res_contains(available, total)) {
			mz_autobuf struct buf want = {0}, have = {0};
			res_format_text(total, &want);
			res_format_text(available, &have);
			r = mz_fail(err, -ENOSPC, "Task uses more than is offered: %.90s, offered %.90s", buf_str(&want),
				    buf_str(&have));
		}
		res_free(total);
	}
	if (r < 0)
		placement_done(&p);
	else
		*ret = p;
	return r;
}

static void take(struct accept *a, const resources *r)
{
	res_subtract(a->remaining, r);
	res_add(a->launched, r);
}

void task_launch(struct accept *a, struct framework *f, struct agent *agent, pb_task_info *t,
		 pb_executor_info *executor, struct placement *p)
{
	if (p->executor) {
		resources *allocated = res_allocate(p->executor, a->role);
		executor_new(f, agent, executor, allocated, a->role);
		res_free(allocated);
		take(a, p->executor);
	}
	resources *allocated = res_allocate(p->task, a->role);
	struct task *task =
		task_new(f, agent, t, executor ? executor->executor_id->value : NULL, allocated, a->role, TS(STAGING));
	res_free(allocated);
	task_charge(task);
	take(a, p->task);
}

void send_run(struct framework *f, struct agent *agent, pb_task_info **tasks, size_t n,
	      pb_executor_info *group_executor, bool launch_executor)
{
	Mezzo__Link__RunTasks run = MEZZO__LINK__RUN_TASKS__INIT;
	Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
	run.framework = f->info;
	run.tasks = tasks;
	run.n_tasks = n;
	run.group_executor = group_executor;
	run.has_launch_executor = 1;
	run.launch_executor = launch_executor;
	msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_RUN_TASKS;
	msg.run_tasks = &run;
	/* If it does not arrive, the agent's next report lacks the tasks. */
	(void)agent_send(agent, &msg);
}
