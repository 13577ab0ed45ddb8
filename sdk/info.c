/* info.c - the FrameworkInfo of the options: who the framework is, which roles it is
 * in, what it can do. For a new framework, and when it changes later.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/model.h"
#include "sdk/impl.h"

enum { MAX_ROLES = 1024 };

static const char *this_user(struct arena *a)
{
	struct passwd *pw = getpwuid(geteuid());
	return arena_strdup(a, pw ? pw->pw_name : "root");
}

static char *dup_or_null(struct arena *a, const char *s)
{
	return s ? arena_strdup(a, s) : NULL;
}

static int set_roles(Mesos__V1__FrameworkInfo *info, struct arena *a, const struct mzf_options *o, struct mz_err *err)
{
	static const char *const any[] = {"*"};
	const char *const *roles = o->n_roles ? o->roles : any;
	size_t n = o->n_roles ? o->n_roles : 1;

	if (n > MAX_ROLES)
		return mz_fail(err, -EINVAL, "More than %d roles", MAX_ROLES);
	info->roles = (char **)pb_array(a, n);
	for (size_t i = 0; i < n; i++) {
		int rc = role_check(roles[i], err);
		if (rc < 0)
			return rc;
		for (size_t j = 0; j < i; j++)
			if (str_eq(roles[i], roles[j]))
				return mz_fail(err, -EINVAL, "Role '%s' is given twice", roles[i]);
		info->roles[i] = arena_strdup(a, roles[i]);
	}
	info->n_roles = n;
	return 0;
}

static void set_capabilities(Mesos__V1__FrameworkInfo *info, struct arena *a, uint32_t caps)
{
	typedef Mesos__V1__FrameworkInfo__Capability pb_cap;

	caps = (caps ? caps : (uint32_t)MZF_CAP_DEFAULT) | MZF_CAP_MULTI_ROLE;
	info->capabilities = (pb_cap **)pb_array(a, 32);
	for (unsigned bit = 1; bit < 32; bit++) {
		if (!(caps & 1u << bit))
			continue;
		pb_cap *c = PB_NEW(a, pb_cap, mesos__v1__framework_info__capability);
		c->has_type = 1;
		c->type = (Mesos__V1__FrameworkInfo__Capability__Type)bit;
		info->capabilities[info->n_capabilities++] = c;
	}
}

int mzf_info_make(const struct mzf_options *given, struct arena *a, Mesos__V1__FrameworkInfo **ret,
		  struct mz_err *err)
{
	struct mzf_options full = {0};
	const struct mzf_options *o = &full;
	Mesos__V1__FrameworkInfo *info = PB_NEW(a, Mesos__V1__FrameworkInfo, mesos__v1__framework_info);

	memcpy(&full, given, MZ_MIN(sizeof(full), given->size));
	if (!isfinite(o->failover_timeout_secs) || o->failover_timeout_secs < 0)
		return mz_fail(err, -EINVAL, "The failover timeout is negative or not finite");
	info->user = o->user ? arena_strdup(a, o->user) : (char *)this_user(a);
	info->name = arena_strdup(a, o->name ? o->name : "framework");
	info->has_failover_timeout = 1;
	info->failover_timeout = o->failover_timeout_secs;
	info->has_checkpoint = 1;
	info->checkpoint = o->checkpoint;
	info->principal = dup_or_null(a, o->principal);
	info->hostname = dup_or_null(a, o->hostname);
	info->webui_url = dup_or_null(a, o->webui_url);
	set_capabilities(info, a, o->capabilities);
	*ret = info;
	int rc = set_roles(info, a, o, err);
	if (rc == 0 && mzf_check(&info->base, err) < 0)
		rc = mz_wrap(err, "The framework");
	return rc;
}
