/* authz.c - asking the authorizer module: may they, and may they see it?
 * Without an authorizer everything is allowed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"
#include "module/authorize.h"

void authz_check(struct master *m, int action, const char *principal, const struct mz_object *o, authz_fn fn,
		 void *arg)
{
	authorize_ask(&m->authz, &m->checks, action, principal, o, fn, arg);
}

void authz_drop(struct master *m)
{
	authorize_drop(&m->checks, false);
}

bool authz_view(struct master *m, int action, const char *principal, const struct mz_object *o)
{
	return authorize_view(&m->authz, action, principal, o);
}

bool authz_view_framework(struct master *m, const char *principal, const struct framework *f)
{
	struct mz_object o = {
		.size = sizeof(o),
		.value = f->info->user,
		.user = f->info->user,
		.framework_id = f->id,
		.framework_name = f->info->name,
		.framework_principal = f->info->principal,
	};
	return authz_view(m, MZ_ACTION_VIEW_FRAMEWORK, principal, &o);
}

bool authz_view_role(struct master *m, const char *principal, const char *role)
{
	struct mz_object o = {.size = sizeof(o), .value = role, .role = role};
	return authz_view(m, MZ_ACTION_VIEW_ROLE, principal, &o);
}
