/* authz.c - what the agent asks its authorizer: the objects of its questions. Without
 * an authorizer everything is allowed. Who answers 403: the handlers in api/.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/nested.h"

static struct mz_object framework_object(const struct framework *f)
{
	return (struct mz_object){
		.size = sizeof(struct mz_object),
		.value = f->info->user,
		.user = f->info->user,
		.framework_id = f->id,
		.framework_name = f->info->name,
		.framework_principal = f->info->principal,
		.agent_id = f->agent->id,
	};
}

/* As whom its containers run, if the agent runs them as anybody. */
static const char *user_of(const struct executor *ex)
{
	const Mesos__V1__CommandInfo *c = ex->info->command;
	return c && c->user ? c->user : ex->framework->info->user;
}

static const char *role_of(const struct executor *ex)
{
	for (size_t i = 0; i < ex->info->n_resources; i++)
		if (ex->info->resources[i]->allocation_info)
			return ex->info->resources[i]->allocation_info->role;
	return NULL;
}

struct mz_object authz_executor_object(const struct executor *ex)
{
	struct mz_object o = framework_object(ex->framework);
	o.value = o.user = user_of(ex);
	o.role = role_of(ex);
	o.executor_id = ex->id;
	o.container_id = ex->container_id;
	return o;
}

static bool may(const struct agent *a, int action, const char *who, const struct mz_object *o)
{
	return authorize_view(&a->authz, action, who, o);
}

bool authz_see_framework(const struct framework *f, const char *who)
{
	struct mz_object o = framework_object(f);
	return may(f->agent, MZ_ACTION_VIEW_FRAMEWORK, who, &o);
}

bool authz_see_executor(const struct executor *ex, const char *who)
{
	struct mz_object o = authz_executor_object(ex);
	return may(ex->agent, MZ_ACTION_VIEW_EXECUTOR, who, &o);
}

bool authz_see_task(const struct task *t, const char *who)
{
	struct mz_object o = authz_executor_object(t->executor);
	const char *role = res_allocation_role(t->resources);
	o.task_id = t->id;
	o.role = role ? role : o.role;
	return may(t->framework->agent, MZ_ACTION_VIEW_TASK, who, &o);
}

bool authz_see_container(const struct agent *a, const struct executor *ex, const char *id, const char *who)
{
	struct mz_object o = {.size = sizeof(o), .agent_id = a->id};
	if (ex)
		o = authz_executor_object(ex);
	o.container_id = id;
	return may(a, ex ? MZ_ACTION_VIEW_CONTAINER : MZ_ACTION_VIEW_STANDALONE_CONTAINER, who, &o);
}

bool authz_see_flags(const struct agent *a, const char *who)
{
	struct mz_object o = {.size = sizeof(o), .agent_id = a->id};
	return may(a, MZ_ACTION_VIEW_FLAGS, who, &o);
}

bool authz_get(const struct agent *a, const char *path, const struct http_request *r, struct http_exchange *x)
{
	struct mz_object o = {.size = sizeof(o), .value = path, .agent_id = a->id};
	if (may(a, MZ_ACTION_GET_ENDPOINT_WITH_PATH, r->principal, &o))
		return true;
	http_reply(x, 403, NULL, NULL, 0);
	return false;
}

/* ".../frameworks/F/executors/E/…": whose sandbox it is. */
static bool split(const char *path, char **ret_framework, char **ret_executor)
{
	const char *f = strstr(path, "/frameworks/"), *e;
	if (!f)
		return false;
	f += strlen("/frameworks/");
	e = f + strcspn(f, "/");
	if (strncmp(e, "/executors/", strlen("/executors/")) != 0)
		return false;
	*ret_framework = xstrndup(f, (size_t)(e - f));
	e += strlen("/executors/");
	*ret_executor = xstrndup(e, strcspn(e, "/"));
	return true;
}

static struct framework *any_framework(struct agent *a, const char *id)
{
	struct framework *f = agent_framework_find(a, id);
	for (size_t i = 0; !f && i < a->completed_frameworks.n; i++)
		if (str_eq(a->completed_frameworks.v[i]->id, id))
			f = a->completed_frameworks.v[i];
	return f;
}

static struct executor *any_executor(struct framework *f, const char *id)
{
	struct executor *ex = agent_executor_find(f, id);
	for (size_t i = 0; !ex && i < f->ended_executors.n; i++)
		if (str_eq(f->ended_executors.v[i]->id, id))
			ex = f->ended_executors.v[i];
	for (size_t i = 0; !ex && i < f->completed_executors.n; i++)
		if (str_eq(f->completed_executors.v[i]->id, id))
			ex = f->completed_executors.v[i];
	return ex;
}

bool authz_sandbox(struct agent *a, const char *path, const char *who)
{
	struct mz_object o = {.size = sizeof(o), .value = path, .agent_id = a->id};
	mz_autofree char *framework = NULL, *executor = NULL;
	/* Doubled slashes are one, as they are for who reads. */
	struct buf mz_autobuf plain = {0};
	for (const char *p = path; *p; p++)
		if (*p != '/' || p == path || p[-1] != '/')
			buf_addc(&plain, *p);
	if (split(buf_str(&plain), &framework, &executor)) {
		struct framework *f = any_framework(a, framework);
		struct executor *ex = f ? any_executor(f, executor) : NULL;
		o = ex ? authz_executor_object(ex) : f ? framework_object(f) : o;
		o.framework_id = framework;
		o.executor_id = executor;
	}
	return may(a, MZ_ACTION_ACCESS_SANDBOX, who, &o);
}
