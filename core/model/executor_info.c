/* executor_info.c - rules of ExecutorInfo, and when two are the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/err.h"
#include "model/info_check.h"
#include "wire/pb.h"

static int type_check(const Mesos__V1__ExecutorInfo *e, struct mz_err *err)
{
	if (!e->has_type || e->type == MESOS__V1__EXECUTOR_INFO__TYPE__CUSTOM) {
		if (!e->command)
			return mz_fail(err, -EINVAL, "A custom executor needs 'command'");
		return 0;
	}
	if (e->type != MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT)
		return mz_fail(err, -EINVAL, "The type must be CUSTOM or DEFAULT");
	if (e->command)
		return mz_fail(err, -EINVAL, "A DEFAULT executor cannot have 'command'");
	if (e->container && e->container->type != MESOS__V1__CONTAINER_INFO__TYPE__MESOS)
		return mz_fail(err, -EINVAL, "The container of a DEFAULT executor must be of type MESOS");
	if (e->container && e->container->mesos && e->container->mesos->image)
		return mz_fail(err, -EINVAL, "The container of a DEFAULT executor cannot have an image");
	return 0;
}

static int resources_check(const Mesos__V1__ExecutorInfo *e, struct mz_err *err)
{
	mz_autores resources r = {0}, shared = {0};
	int rc = res_from_pb(e->resources, e->n_resources, &r, err);
	if (rc)
		return rc;
	res_add_filtered(&shared, &r, RES_SHARED);
	if (!res_empty(&shared))
		return mz_fail(err, -EINVAL, "An executor cannot use shared resources");
	return resource_usage_check(&r, err);
}

static int parts_check(const Mesos__V1__ExecutorInfo *e, struct mz_err *err)
{
	int rc = type_check(e, err);
	if (rc)
		return rc;
	if (e->shutdown_grace_period && e->shutdown_grace_period->nanoseconds < 0)
		return mz_fail(err, -EINVAL, "'shutdown_grace_period' is negative");
	const Mesos__V1__LinuxInfo *l = e->container ? e->container->linux_info : NULL;
	if (l && l->has_share_cgroups && l->share_cgroups)
		return mz_fail(err, -EINVAL, "'share_cgroups' cannot be true for the container of an executor");
	if (e->command && (rc = command_check(e->command, err)))
		return rc;
	if (e->container && (rc = container_check(e->container, err)))
		return rc;
	return resources_check(e, err);
}

int executor_info_check(const Mesos__V1__ExecutorInfo *e, struct mz_err *err)
{
	int rc = id_check("Executor id", e->executor_id->value, err);
	if (rc)
		return rc;
	return parts_check(e, err) ? mz_wrap(err, "Executor '%s'", e->executor_id->value) : 0;
}

static bool resources_equal(const Mesos__V1__ExecutorInfo *a, const Mesos__V1__ExecutorInfo *b)
{
	mz_autores resources x = {0}, y = {0};
	if (res_from_pb(a->resources, a->n_resources, &x, NULL) || res_from_pb(b->resources, b->n_resources, &y, NULL))
		return false;
	resources *p = res_unallocate(&x), *q = res_unallocate(&y);
	bool equal = res_equal(p, q);
	res_free(p);
	res_free(q);
	return equal;
}

bool executor_info_equal(const Mesos__V1__ExecutorInfo *a, const Mesos__V1__ExecutorInfo *b)
{
	Mesos__V1__ExecutorInfo x = *a, y = *b;
	x.n_resources = y.n_resources = 0;
	x.resources = y.resources = NULL;
	if (!x.framework_id || !y.framework_id) /* filled in by the master, sooner or later */
		x.framework_id = y.framework_id = NULL;
	return pb_equal(&x.base, &y.base) && resources_equal(a, b);
}
