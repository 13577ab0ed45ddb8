/* environment.c - what an executor finds in its environment. Names and forms are
 * what executor libraries read; the agent's own environment is not inherited.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/nested.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct env {
	VEC(char *) v;
	struct map places; /* name -> its line, counted from 1: there may be very many */
};

/* A later value of the same name replaces the earlier one. */
static void put(struct env *e, const char *name, const char *value)
{
	char *line = xasprintf("%s=%s", name, value);
	uintptr_t place = (uintptr_t)map_get(&e->places, name);
	if (place) {
		free(e->v.v[place - 1]);
		e->v.v[place - 1] = line;
		return;
	}
	vec_push(&e->v, line);
	map_put(&e->places, name, (void *)(uintptr_t)e->v.n);
}

static char **finish(struct env *e)
{
	map_done(&e->places);
	vec_push(&e->v, NULL);
	return e->v.v;
}

static void put_duration(struct env *e, const char *name, int64_t ns)
{
	struct buf mz_autobuf b = {0};
	duration_add(&b, ns);
	put(e, name, buf_str(&b));
}

static void put_environment(struct env *e, const Mesos__V1__Environment *from)
{
	for (size_t i = 0; from && i < from->n_variables; i++) {
		const Mesos__V1__Environment__Variable *v = from->variables[i];
		if (v->value)
			put(e, v->name, v->value);
	}
}

static void put_command_environment(struct env *e, const Mesos__V1__CommandInfo *c)
{
	if (c)
		put_environment(e, c->environment);
}

static void put_executor(struct env *e, const struct executor *ex)
{
	const struct agent *a = ex->agent;
	const Mesos__V1__FrameworkInfo *f = ex->framework->info;
	bool checkpoint = f->has_checkpoint && f->checkpoint;
	mz_autofree char *endpoint = str_address(a->cfg.ip, a->cfg.port);
	put(e, "PATH", DEFAULT_PATH);
	for (const char *const *v = a->cfg.executor_environment; v && *v; v++) {
		mz_autofree char *name = xstrndup(*v, strcspn(*v, "="));
		put(e, name, *v + strlen(name) + 1);
	}
	put(e, "LIBPROCESS_IP", a->cfg.ip);
	put(e, "LIBPROCESS_PORT", "0");
	put(e, "MESOS_AGENT_ENDPOINT", endpoint);
	put(e, "MESOS_CHECKPOINT", checkpoint ? "1" : "0");
	put(e, "MESOS_DIRECTORY", ex->directory);
	if (a->cfg.domain_socket)
		put(e, "MESOS_DOMAIN_SOCKET", a->cfg.domain_socket);
	put(e, "MESOS_SANDBOX", ex->directory);
	put(e, "MESOS_EXECUTOR_ID", ex->id);
	put(e, "MESOS_FRAMEWORK_ID", ex->framework->id);
	put(e, "MESOS_HTTP_COMMAND_EXECUTOR", ex->command ? "1" : "0");
	put(e, "MESOS_SLAVE_ID", a->id);
	put(e, "MESOS_SLAVE_PID", a->pid);
	int64_t grace = a->cfg.executor_shutdown_grace_ns;
	if (ex->info->shutdown_grace_period)
		grace = ex->info->shutdown_grace_period->nanoseconds;
	put_duration(e, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", grace);
	if (checkpoint) {
		put_duration(e, "MESOS_RECOVERY_TIMEOUT", a->cfg.recovery_timeout_ns);
		put(e, "MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs");
	}
	if (ex->command) {
		resources *r = agent_executor_resources(ex);
		const char *role = res_allocation_role(r);
		if (role)
			put(e, "MESOS_ALLOCATION_ROLE", role);
		res_free(r);
	}
	put_command_environment(e, ex->info->command);
}

char **agent_executor_environment(const struct executor *ex)
{
	struct env e = {0};
	put_executor(&e, ex);
	return finish(&e);
}

/* What a container beside another one finds is what that one has found. */
static void put_nested(struct env *e, const struct nested *n)
{
	const struct agent *a = n->agent;
	const struct nested *p = n->debug ? nested_find(n->agent, n->parent) : NULL;
	const struct executor *ex = n->debug && !p ? map_get(&a->containers, n->parent) : NULL;
	if (p) {
		put_nested(e, p);
	} else if (ex) {
		put_executor(e, ex);
		if (ex->command_task)
			put_command_environment(e, ex->command_task->command);
	} else {
		put(e, "PATH", DEFAULT_PATH);
		put(e, "LIBPROCESS_IP", a->cfg.ip);
		put(e, "MESOS_SANDBOX", n->directory);
	}
	put_environment(e, n->environment);
}

char **agent_nested_environment(const struct nested *n)
{
	struct env e = {0};
	put_nested(&e, n);
	return finish(&e);
}

void environment_free(char **env)
{
	for (char **p = env; p && *p; p++)
		free(*p);
	free(env);
}
