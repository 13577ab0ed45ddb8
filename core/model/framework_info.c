/* framework_info.c - what a FrameworkInfo says, and whether it may.
 * Called for SUBSCRIBE and UPDATE_FRAMEWORK. What needs the configuration of
 * the master (its list of roles, root) is checked there.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "model/model.h"
#include "wire/pb.h"

/* What int64 nanoseconds can hold. */
#define MAX_DURATION_SECS 9223372036.0

uint32_t framework_capabilities(const Mesos__V1__FrameworkInfo *f)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < f->n_capabilities; i++) {
		const Mesos__V1__FrameworkInfo__Capability *c = f->capabilities[i];
		if (c->has_type && c->type > 0 && c->type < 32)
			bits |= 1u << c->type;
	}
	return bits;
}

static bool is_multi_role(const Mesos__V1__FrameworkInfo *f)
{
	return framework_capabilities(f) & (1u << MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE);
}

/* NULL if the field was not set: then it is the default, by its address. */
static const char *single_role(const Mesos__V1__FrameworkInfo *f)
{
	return f->role == mesos__v1__framework_info__role__default_value ? NULL : f->role;
}

size_t framework_roles(const Mesos__V1__FrameworkInfo *f, struct arena *a, const char ***ret)
{
	size_t n = is_multi_role(f) ? f->n_roles : 1;
	const char **v = (const char **)pb_array(a, n);
	if (is_multi_role(f)) {
		for (size_t i = 0; i < n; i++)
			v[i] = f->roles[i];
	} else {
		v[0] = single_role(f) ? single_role(f) : "*";
	}
	*ret = v;
	return n;
}

static int roles_check(const Mesos__V1__FrameworkInfo *f, struct mz_err *err)
{
	if (!is_multi_role(f)) {
		if (f->n_roles)
			return mz_fail(err, -EINVAL, "'roles' needs the capability MULTI_ROLE; without it, set 'role'");
		return single_role(f) ? role_check(single_role(f), err) : 0;
	}
	if (f->n_roles > FRAMEWORK_MAX_ROLES)
		return mz_fail(err, -E2BIG, "'roles' has %zu roles, %d are allowed", f->n_roles, FRAMEWORK_MAX_ROLES);
	if (single_role(f))
		return mz_fail(err, -EINVAL, "'role' must not be set with the capability MULTI_ROLE; set 'roles'");
	struct map seen = {0};
	int rc = 0;
	for (size_t i = 0; !rc && i < f->n_roles; i++) {
		rc = role_check(f->roles[i], err);
		if (!rc && map_has(&seen, f->roles[i]))
			rc = mz_fail(err, -EINVAL, "Role '%s' is in 'roles' twice", f->roles[i]);
		map_put(&seen, f->roles[i], NULL);
	}
	map_done(&seen);
	return rc;
}

static int quantities_check(const Mesos__V1__OfferFilters__ResourceQuantities *q, struct mz_err *err)
{
	if (!q->n_quantities)
		return mz_fail(err, -EINVAL, "A set of quantities is empty");
	for (size_t i = 0; i < q->n_quantities; i++) {
		const Mesos__V1__OfferFilters__ResourceQuantities__QuantitiesEntry *e = q->quantities[i];
		double d = e->value ? e->value->value : 0;
		if (!isfinite(d) || d < 0)
			return mz_fail(err, -EINVAL, "The quantity of '%s' must be finite and not negative",
				       e->key ? e->key : "");
	}
	return 0;
}

static int offer_filters_check(const Mesos__V1__FrameworkInfo *f, struct mz_err *err)
{
	size_t n = 0;
	if (f->n_offer_filters > FRAMEWORK_MAX_ROLES)
		return mz_fail(err, -E2BIG, "'offer_filters' names %zu roles, %d are allowed", f->n_offer_filters,
			       FRAMEWORK_MAX_ROLES);
	for (size_t i = 0; i < f->n_offer_filters; i++) {
		const Mesos__V1__OfferFilters *o = f->offer_filters[i]->value;
		const Mesos__V1__OfferFilters__MinAllocatableResources *min = o ? o->min_allocatable_resources : NULL;
		for (size_t k = 0; min && k < min->n_quantities; k++) {
			n += min->quantities[k]->n_quantities;
			if (quantities_check(min->quantities[k], err))
				return mz_wrap(err, "Offer filter of role '%.80s'",
					       f->offer_filters[i]->key ? f->offer_filters[i]->key : "");
		}
	}
	if (n > FRAMEWORK_MAX_QUANTITIES) /* each may be looked at for each agent */
		return mz_fail(err, -E2BIG, "'offer_filters' has %zu quantities, %d are allowed", n,
			       FRAMEWORK_MAX_QUANTITIES);
	return 0;
}

int framework_info_check(const Mesos__V1__FrameworkInfo *f, struct mz_err *err)
{
	if (str_empty(f->user))
		return mz_fail(err, -EINVAL, "'user' of the framework is empty");
	if (f->id && *f->id->value) { /* an empty id asks for a new one */
		int rc = id_check("Framework id", f->id->value, err);
		if (rc)
			return rc;
	}
	double t = f->failover_timeout;
	if (f->has_failover_timeout && !(t >= 0 && t <= MAX_DURATION_SECS)) /* NaN is neither */
		return mz_fail(err, -EINVAL, "'failover_timeout' %g is not between 0 and %.0f seconds", t,
			       MAX_DURATION_SECS);
	int rc = roles_check(f, err);
	return rc ? rc : offer_filters_check(f, err);
}
