/* authz.c - asking the authorizer module: may they, and may they see it?
 * Without an authorizer everything is allowed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#define AUTHZ_DEADLINE_NS (30 * NS_PER_SEC)

struct check {
	struct list in_master;
	struct mz_op *op;
	authz_fn fn;
	void *arg;
};

static void on_authorized(void *arg, const struct mz_err *err, const void *result)
{
	struct check *c = arg;
	(void)result;
	list_remove(&c->in_master);
	c->fn(c->arg, err);
	free(c);
}

void authz_check(struct master *m, int action, const char *principal, const struct mz_object *o, authz_fn fn,
		 void *arg)
{
	if (!m->authz.m) {
		fn(arg, NULL);
		return;
	}
	struct mz_subject s = {.size = sizeof(s), .principal = principal};
	struct check *c = xnew(struct check);
	*c = (struct check){.fn = fn, .arg = arg};
	list_append(&m->checks, &c->in_master);
	c->op = module_op_new(m->authz.m, "authorized", AUTHZ_DEADLINE_NS, 0, on_authorized, c);
	MODULE_CALL(&m->authz, authorized, action, &s, o, c->op);
}

void authz_drop(struct master *m)
{
	list_each(&m->checks, struct check, in_master, c) {
		list_remove(&c->in_master);
		module_op_forget(c->op);
		free(c);
	}
}

bool authz_view(struct master *m, int action, const char *principal, const struct mz_object *o)
{
	if (!m->authz.m)
		return true;
	struct mz_subject s = {.size = sizeof(s), .principal = principal};
	return MODULE_CALL(&m->authz, allows, action, &s, o) != 0;
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
