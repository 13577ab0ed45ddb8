/* launch_group.c - LAUNCH_GROUP: all tasks of a pod or none.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/accept/accept.h"

static int check_executor(const pb_executor_info *e, struct mz_err *err)
{
	if (!e->has_type || e->type == MESOS__V1__EXECUTOR_INFO__TYPE__UNKNOWN)
		return mz_fail(err, -EINVAL, "The executor of a task group needs 'type'");
	if (e->container && e->container->type == MESOS__V1__CONTAINER_INFO__TYPE__DOCKER)
		return mz_fail(err, -EINVAL, "The executor of a task group cannot be a Docker container");
	int r = executor_info_check(e, err);
	if (r < 0)
		return r;
	resources *sum = res_new();
	r = res_from_pb(e->resources, e->n_resources, sum, err);
	if (r == 0 && (res_scalar(sum, "cpus") < 10 || res_scalar(sum, "mem") < 32000 || res_scalar(sum, "disk") <= 0))
		r = mz_fail(err, -EINVAL,
			    "The executor of a task group needs at least 0.01 cpus, 32 MB of mem and some disk");
	res_free(sum);
	return r;
}

static bool shares_cgroups(const Mesos__V1__ContainerInfo *c)
{
	const Mesos__V1__LinuxInfo *l = c ? c->linux_info : NULL;
	return !l || !l->has_share_cgroups || l->share_cgroups;
}

/* All tasks of one executor share its cgroups, or none does. */
static int check_sharing(struct framework *f, struct agent *agent, const pb_executor_info *e, pb_task_info **tasks,
			 size_t n, struct mz_err *err)
{
	bool shared = shares_cgroups(tasks[0]->container);
	for (size_t i = 1; i < n; i++)
		if (shares_cgroups(tasks[i]->container) != shared)
			return mz_fail(err, -EINVAL, "'share_cgroups' must be the same for all tasks of the group");
	if (!executor_find(agent, f->id, e->executor_id->value))
		return 0;
	list_each(&agent->tasks, struct task, in_agent, t) {
		if (t->framework != f || !str_eq(t->executor_id, e->executor_id->value))
			continue;
		mz_autoarena struct arena arena = {0};
		if (shares_cgroups(task_show(t, &arena)->container) != shared)
			return mz_fail(err, -EINVAL, "'share_cgroups' must be the same for all tasks of the executor");
		return 0; /* the others were held against this one */
	}
	return 0;
}

static int check_task(const pb_task_info *t, const pb_executor_info *e, struct mz_err *err)
{
	if (t->n_limits && shares_cgroups(t->container))
		return mz_fail(err, -EINVAL, "A task of a group can have limits only with 'share_cgroups' false");
	if (t->container && t->container->type == MESOS__V1__CONTAINER_INFO__TYPE__DOCKER)
		return mz_fail(err, -EINVAL, "A task of a group cannot be a Docker container");
	bool own_network = t->container && t->container->n_network_infos;
	if (own_network && t->health_check && (t->health_check->http || t->health_check->tcp))
		return mz_fail(err, -EINVAL, "A task with a network of its own cannot have HTTP or TCP health checks");
	if (t->executor && !executor_info_equal(t->executor, e))
		return mz_fail(err, -EINVAL, "The task names another executor than its group");
	return 0;
}

static int too_large(struct mz_err *err)
{
	return mz_fail(err, -EMSGSIZE, "The group, with its executor in each task, is larger than %d MB",
		       MAX_GROUP_BYTES >> 20);
}

/* The placements of all tasks, on a remainder that shrinks with each. */
static int place_all(struct accept *a, struct framework *f, struct agent *agent, pb_executor_info *e,
		     pb_task_info **tasks, size_t n, struct placement *places, struct mz_err *err)
{
	resources *left = res_copy(a->remaining);
	struct map ids = {0};
	size_t bytes = 0;
	int r = check_executor(e, err);
	if (r == 0 && protobuf_c_message_get_packed_size(&e->base) > MAX_GROUP_BYTES / n)
		r = too_large(err);
	if (r == 0)
		r = check_sharing(f, agent, e, tasks, n, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (map_has(&ids, tasks[i]->task_id->value))
			r = mz_fail(err, -EINVAL, "Two tasks of the group have the same id");
		map_put(&ids, tasks[i]->task_id->value, e);
		if (r == 0)
			r = check_task(tasks[i], e, err);
		if (r == 0) { /* the rules of a single task want a command or an executor */
			tasks[i]->executor = tasks[i]->command ? NULL : e;
			r = task_info_check_with(tasks[i], e, err);
			tasks[i]->executor = e;
		}
		/* The first task brings the executor. */
		if (r == 0)
			r = task_place(a, f, agent, tasks[i], i ? NULL : e, left, &places[i], err);
		if (r < 0) {
			mz_wrap(err, "Task '%s'", tasks[i]->task_id->value);
			break;
		}
		res_subtract(left, places[i].task);
		if (places[i].executor)
			res_subtract(left, places[i].executor);
		bytes += places[i].bytes;
	}
	if (r == 0 && bytes > MAX_GROUP_BYTES)
		r = too_large(err);
	map_done(&ids);
	res_free(left);
	return r;
}

static void refuse_all(struct framework *f, struct agent *agent, pb_task_info **tasks, size_t n, task_state state,
		       task_reason reason, const char *message)
{
	for (size_t i = 0; i < n; i++)
		refuse_task(f, tasks[i], agent->id, state, reason, message);
}

/* A killed or forbidden task takes its group along. True: nothing is left to do. */
static bool refused(struct accept *a, struct framework *f, struct agent *agent, pb_task_info **tasks, size_t n)
{
	const char *denied = NULL;
	size_t n_killed = 0;
	for (size_t i = 0; i < n; i++) {
		const char *id = tasks[i]->task_id->value, *why = map_get(&a->denied, id);
		denied = why ? why : denied;
		n_killed += why == task_killed;
	}
	for (size_t i = 0; n_killed && i < n; i++)
		if (map_get(&f->pending, tasks[i]->task_id->value) == a)
			refuse_task(f, tasks[i], agent->id, TS(KILLED), REASON(TASK_KILLED_DURING_LAUNCH),
				    "A task of its group was killed before it was launched");
	if (n_killed)
		return true;
	if (denied)
		refuse_all(f, agent, tasks, n, TS(ERROR), REASON(TASK_GROUP_UNAUTHORIZED), denied);
	return denied != NULL;
}

void apply_launch_group(struct accept *a, struct framework *f, struct agent *agent, pb_operation *op)
{
	pb_executor_info *e = op->launch_group->executor;
	pb_task_info **tasks;
	size_t n = operation_tasks(op, &tasks);
	struct mz_err err = {0};
	if (op->id) {
		refuse_all(f, agent, tasks, n, TS(ERROR), REASON(TASK_GROUP_INVALID),
			   "LAUNCH_GROUP cannot have an operation id");
		return;
	}
	if (!n || refused(a, f, agent, tasks, n))
		return;
	struct placement *places = arena_calloc(&a->arena, n * sizeof(*places));
	if (place_all(a, f, agent, e, tasks, n, places, &err) < 0) {
		refuse_all(f, agent, tasks, n, TS(ERROR), REASON(TASK_GROUP_INVALID), err.msg);
	} else {
		bool launch_executor = places[0].launch_executor;
		for (size_t i = 0; i < n; i++) {
			map_del(&f->pending, tasks[i]->task_id->value);
			task_launch(a, f, agent, tasks[i], e, &places[i]);
		}
		send_run(f, agent, tasks, n, e, launch_executor);
	}
	for (size_t i = 0; i < n; i++)
		placement_done(&places[i]);
}
