/* task_info.c - rules of TaskInfo that need nothing but the message. What
 * depends on offers, agents and other tasks is checked by the master.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/info_check.h"
#include "model/operation.h"

/* ---- resources ------------------------------------------------------------- */

static uint32_t property_revocable(const struct mz_res_kind *k)
{
	return k->flags & MZ_RES_REVOCABLE;
}

int resource_usage_check(const resources *r, struct mz_err *err)
{
	const char *mixed = res_mixed_name(r, property_revocable);
	if (mixed)
		return mz_fail(err, -EINVAL, "Revocable and non-revocable '%s' cannot be mixed", mixed);
	const char *role = NULL; /* what names none takes the offer's */
	for (uint32_t i = 0; i < r->n; i++) {
		const char *own = kind_of(slots(r)[i].kind)->alloc_role;
		if (role && own && !str_eq(own, role))
			return mz_fail(err, -EINVAL, "The resources are allocated to more than one role");
		role = own ? own : role;
	}
	if (res_scalar(r, "gpus") % 1000)
		return mz_fail(err, -EINVAL, "'gpus' must be a whole number");
	/* A persistence id names one volume of a role, whatever else differs. */
	const char *repeated = res_repeated_volume(r);
	return repeated ? mz_fail(err, -EINVAL, "Persistent volume '%s' is used twice", repeated) : 0;
}

static int resources_check(const Mesos__V1__TaskInfo *t, const Mesos__V1__ExecutorInfo *executor, resources *r,
			   struct mz_err *err)
{
	int rc = res_from_pb(t->resources, t->n_resources, r, err);
	if (rc)
		return rc;
	if (res_empty(r))
		return mz_fail(err, -EINVAL, "The task uses no resources");
	rc = resource_usage_check(r, err);
	if (rc || !executor)
		return rc;
	mz_autores resources e = {0};
	rc = res_from_pb(executor->resources, executor->n_resources, &e, err);
	if (rc)
		return rc;
	/* The one may name its allocation role, and the other not. */
	resources *own = res_unallocate(r), *others = res_unallocate(&e);
	const char *overlap = res_overlap(own, others);
	res_free(own);
	res_free(others);
	if (overlap)
		return mz_fail(err, -EINVAL, "Task and executor use the same '%s'", overlap);
	res_add(&e, r);
	return resource_usage_check(&e, err);
}

int limit_check(const char *name, const Mesos__V1__Value__Scalar *limit, const resources *request, struct mz_err *err)
{
	double value = limit ? limit->value : 0;
	if (!str_eq(name, "cpus") && !str_eq(name, "mem"))
		return mz_fail(err, -EINVAL, "Only 'cpus' and 'mem' can have limits, not '%.80s'", name ? name : "");
	if (isnan(value) || value < 0.001) /* infinite: none */
		return mz_fail(err, -EINVAL, "The limit of '%s' must be 0.001 or more", name);
	if (value < (double)res_scalar(request, name) / 1000)
		return mz_fail(err, -EINVAL, "The limit of '%s' is below the request", name);
	return 0;
}

static int limits_check(const Mesos__V1__TaskInfo *t, const resources *r, struct mz_err *err)
{
	for (size_t i = 0; i < t->n_limits; i++) {
		const char *name = t->limits[i]->key;
		int rc = limit_check(name, t->limits[i]->value, r, err);
		if (rc)
			return rc;
		if (!res_scalar(r, name))
			return mz_fail(err, -EINVAL, "The limit of '%s' needs a request of it", name);
	}
	return 0;
}

/* ---- the rest -------------------------------------------------------------- */

static int durations_check(const Mesos__V1__TaskInfo *t, struct mz_err *err)
{
	if (t->kill_policy && t->kill_policy->grace_period && t->kill_policy->grace_period->nanoseconds < 0)
		return mz_fail(err, -EINVAL, "'kill_policy.grace_period' is negative");
	if (t->max_completion_time && t->max_completion_time->nanoseconds < 0)
		return mz_fail(err, -EINVAL, "'max_completion_time' is negative");
	return 0;
}

static int parts_check(const Mesos__V1__TaskInfo *t, struct mz_err *err)
{
	int rc = 0;
	if ((t->command != NULL) + (t->executor != NULL) != 1)
		return mz_fail(err, -EINVAL, "Exactly one of 'command' and 'executor' must be set");
	if (t->command && (rc = command_check(t->command, err)))
		return rc;
	if (t->executor && (rc = executor_info_check(t->executor, err)))
		return rc;
	if (t->container && (rc = container_check(t->container, err)))
		return rc;
	if (t->check && check_check(t->check, err))
		return mz_wrap(err, "Check");
	if (t->health_check && health_check_check(t->health_check, err))
		return mz_wrap(err, "Health check");
	return durations_check(t, err);
}

int task_info_check_with(const Mesos__V1__TaskInfo *t, const Mesos__V1__ExecutorInfo *executor, struct mz_err *err)
{
	mz_autores resources r = {0};
	int rc = id_check("Task id", t->task_id->value, err);
	if (rc)
		return rc;
	rc = parts_check(t, err);
	if (!rc)
		rc = resources_check(t, executor, &r, err);
	if (!rc)
		rc = limits_check(t, &r, err);
	return rc ? mz_wrap(err, "Task '%s'", t->task_id->value) : 0;
}

int task_info_check(const Mesos__V1__TaskInfo *t, struct mz_err *err)
{
	return task_info_check_with(t, t->executor, err);
}

int task_launch_check(const Mesos__V1__TaskInfo *t, struct mz_err *err)
{
	const Mesos__V1__LinuxInfo *l = t->container ? t->container->linux_info : NULL;
	int rc = task_info_check(t, err);
	if (rc)
		return rc;
	if (t->executor && t->executor->has_type && t->executor->type == MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT)
		return mz_fail(err, -EINVAL, "Task '%s': A DEFAULT executor runs task groups only", t->task_id->value);
	if (l && l->has_share_cgroups && !l->share_cgroups)
		return mz_fail(err, -EINVAL, "Task '%s': 'share_cgroups' can be false in task groups only",
			       t->task_id->value);
	return 0;
}
