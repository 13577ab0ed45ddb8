/* calls.c - executor/pod: the calls of the agent's API, as JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include "pod.h"

#include <stdio.h>
#include <string.h>

static void put(void *arg, struct mz_bytes json)
{
	text_add(arg, json.data, json.size);
}

/* "A.B" as {"value":"B","parent":{"value":"A"}} */
static void add_id(struct text *t, const char *path)
{
	const char *dot = strrchr(path, '.');
	char parent[2048];
	text_adds(t, "{\"value\":");
	text_string(t, dot ? dot + 1 : path);
	if (dot && (size_t)(dot - path) < sizeof(parent)) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(dot - path), path);
		text_adds(t, ",\"parent\":");
		add_id(t, parent);
	}
	text_adds(t, "}");
}

void call_about(const char *path, const char *type, const char *member, struct text *t)
{
	text_adds(t, "{\"type\":\"");
	text_adds(t, type);
	text_adds(t, "\",\"");
	text_adds(t, member);
	text_adds(t, "\":{\"container_id\":");
	add_id(t, path);
}

static void add_variable(struct text *t, const char *name, const char *value)
{
	text_adds(t, "{\"name\":");
	text_string(t, name);
	text_adds(t, ",\"type\":\"VALUE\",\"value\":");
	text_string(t, value);
	text_adds(t, "}");
}

static const char *own_variable(const struct pod *p, const char *name)
{
	const char *const *env = p->k->environment(p->h);
	size_t n = strlen(name);
	for (; env && *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* What a task finds besides its own variables, which come later and count. */
static void add_own_environment(const struct task *task, struct text *t)
{
	static const char *const handed_on[] = {"MESOS_FRAMEWORK_ID", "MESOS_EXECUTOR_ID", "MESOS_AGENT_ENDPOINT",
						"MESOS_SLAVE_ID"};
	const struct pod *p = task->pod;
	const char *ip = own_variable(p, "MESOS_CONTAINER_IP");
	const char *role = p->k->info->str(task->info, "resources.0.allocation_info.role");
	if (!ip)
		ip = own_variable(p, "LIBPROCESS_IP");
	add_variable(t, "MESOS_CONTAINER_IP", ip ? ip : "127.0.0.1");
	if (role) {
		text_adds(t, ",");
		add_variable(t, "MESOS_ALLOCATION_ROLE", role);
	}
	text_adds(t, ",");
	add_variable(t, "MESOS_TASK_ID", task->id);
	for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++) {
		const char *value = own_variable(p, handed_on[i]);
		if (!value)
			continue;
		text_adds(t, ",");
		add_variable(t, handed_on[i], value);
	}
}

static void add_environment(const struct task *task, const char *field, struct text *t)
{
	const struct mz_info_api *info = task->pod->k->info;
	char path[120];
	snprintf(path, sizeof(path), "%s.environment.variables", field);
	size_t n = info->count(task->info, path);
	for (size_t i = 0; i < n; i++) {
		text_adds(t, ",");
		snprintf(path, sizeof(path), "%s.environment.variables.%zu", field, i);
		(void)info->json(task->info, path, put, t);
	}
}

/* A CommandInfo, member by member: its environment has to be opened. */
static void add_command(const struct task *task, const char *field, struct text *t)
{
	static const char *const lists[] = {"uris", "arguments"};
	const struct mz_info_api *info = task->pod->k->info;
	char path[120], user_path[120];
	snprintf(path, sizeof(path), "%s.value", field);
	snprintf(user_path, sizeof(user_path), "%s.user", field);
	const char *value = info->str(task->info, path), *user = info->str(task->info, user_path);
	snprintf(path, sizeof(path), "%s.shell", field);
	text_adds(t, ",\"command\":{\"shell\":");
	text_adds(t, info->integer(task->info, path, 1) ? "true" : "false");
	if (value) {
		text_adds(t, ",\"value\":");
		text_string(t, value);
	}
	if (user) {
		text_adds(t, ",\"user\":");
		text_string(t, user);
	}
	for (size_t k = 0; k < 2; k++) {
		snprintf(path, sizeof(path), "%s.%s", field, lists[k]);
		size_t n = info->count(task->info, path);
		for (size_t i = 0; i < n; i++) {
			text_adds(t, i ? "," : k ? ",\"arguments\":[" : ",\"uris\":[");
			snprintf(path, sizeof(path), "%s.%s.%zu", field, lists[k], i);
			const char *argument = k ? info->str(task->info, path) : NULL;
			if (k)
				text_string(t, argument ? argument : "");
			else
				(void)info->json(task->info, path, put, t);
		}
		text_adds(t, n ? "]" : "");
	}
	text_adds(t, ",\"environment\":{\"variables\":[");
	add_own_environment(task, t);
	add_environment(task, "command", t);
	if (strcmp(field, "command"))
		add_environment(task, field, t);
	text_adds(t, "]}}");
}

/* Of a container with cgroups of its own: else it has those of the executor's. */
static void add_limits(const struct task *task, struct text *t)
{
	const struct mz_info_api *info = task->pod->k->info;
	size_t n = info->count(task->info, "limits");
	if (info->integer(task->info, "container.linux_info.share_cgroups", 1))
		return;
	for (size_t i = 0; i < n; i++) {
		char path[64], number[400];
		snprintf(path, sizeof(path), "limits.%zu.key", i);
		const char *name = info->str(task->info, path);
		snprintf(path, sizeof(path), "limits.%zu.value.value", i);
		double v = info->number(task->info, path, 0);
		snprintf(number, sizeof(number), v > 1e300 ? ":{\"value\":\"Infinity\"}" : ":{\"value\":%.3f}", v);
		text_adds(t, i ? "," : ",\"limits\":{");
		text_string(t, name ? name : "");
		text_adds(t, number);
	}
	text_adds(t, n ? "}" : "");
}

void call_launch(const struct task *task, struct text *t)
{
	const struct mz_info_api *info = task->pod->k->info;
	call_about(task->container_path, "LAUNCH_CONTAINER", "launch_container", t);
	add_command(task, "command", t);
	if (info->has(task->info, "container")) {
		text_adds(t, ",\"container\":");
		(void)info->json(task->info, "container", put, t);
	}
	size_t n = info->count(task->info, "resources");
	for (size_t i = 0; i < n; i++) {
		char path[40];
		snprintf(path, sizeof(path), "resources.%zu", i);
		text_adds(t, i ? "," : ",\"resources\":[");
		(void)info->json(task->info, path, put, t);
	}
	text_adds(t, n ? "]" : "");
	add_limits(task, t);
	text_adds(t, "}}");
}

void call_launch_check(const struct task *task, const char *path, const char *field, struct text *t)
{
	call_about(path, "LAUNCH_NESTED_CONTAINER", "launch_nested_container", t);
	add_command(task, field, t);
	text_adds(t, "}}");
}

void call_wait(const struct task *task, struct text *t)
{
	call_about(task->container_path, "WAIT_CONTAINER", "wait_container", t);
	text_adds(t, "}}");
}

void call_kill(const struct task *task, int signal, struct text *t)
{
	char number[32];
	call_about(task->container_path, "KILL_CONTAINER", "kill_container", t);
	snprintf(number, sizeof(number), ",\"signal\":%d}}", signal);
	text_adds(t, number);
}
