/* frameworks.c - the frameworks that have executors or unacknowledged updates
 * on this agent, and the bounded history of those that had.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/internal.h"

struct framework *agent_framework_find(struct agent *a, const char *id)
{
	return map_get(&a->frameworks, id);
}

bool agent_framework_partition_aware(const struct framework *f)
{
	return f->capabilities & (1u << MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE);
}

static void save(struct framework *f)
{
	Mezzo__Records__AgentFramework r = MEZZO__RECORDS__AGENT_FRAMEWORK__INIT;
	r.info = f->info;
	struct buf mz_autobuf b = {0};
	pb_encode(&r.base, &b);
	mz_autofree char *key = xasprintf("framework/%s", f->id);
	store_put(f->agent->deps.store, key, b.data, b.len, NULL, NULL);
}

static void set_info(struct framework *f, const Mesos__V1__FrameworkInfo *info)
{
	struct arena fresh = {0};
	f->info = (Mesos__V1__FrameworkInfo *)pb_copy(&info->base, &fresh);
	f->capabilities = framework_capabilities(f->info);
	arena_done(&f->arena);
	f->arena = fresh;
}

struct framework *agent_framework_add(struct agent *a, const Mesos__V1__FrameworkInfo *info)
{
	struct framework *f = xnew(struct framework);
	f->agent = a;
	f->id = xstrdup(info->id->value);
	set_info(f, info);
	map_put(&a->frameworks, f->id, f);
	if (a->phase == AGENT_RECOVERED)
		save(f);
	return f;
}

void agent_framework_update(struct framework *f, const Mesos__V1__FrameworkInfo *info)
{
	set_info(f, info);
	save(f);
}

/* Executors end; what they still report is dropped, because nobody waits for it. */
void agent_framework_shutdown(struct framework *f)
{
	log_info(AREA, "Shutting down framework '%s'", f->id);
	f->shutting_down = true;
	/* The last of them takes the framework along. */
	struct agent *a = f->agent;
	mz_autofree char *id = xstrdup(f->id);
	map_each(&f->executors, e)
		agent_executor_shutdown(e->value);
	while (agent_framework_find(a, id) == f && f->ended_executors.n)
		agent_executor_forget_tasks(f->ended_executors.v[f->ended_executors.n - 1]);
	if (agent_framework_find(a, id) == f)
		agent_framework_maybe_complete(f);
}

void agent_framework_maybe_complete(struct framework *f)
{
	struct agent *a = f->agent;
	if (f->executors.n || f->ended_executors.n || f->tasks.n || a->phase != AGENT_RECOVERED)
		return;
	mz_autofree char *key = xasprintf("framework/%s", f->id);
	store_delete(a->deps.store, key, NULL, NULL);
	map_del(&a->frameworks, f->id);
	/* The same framework may come and go: one entry of history each. */
	for (size_t i = 0; i < a->completed_frameworks.n; i++) {
		struct framework *old = a->completed_frameworks.v[i];
		if (strcmp(old->id, f->id) != 0)
			continue;
		for (size_t k = 0; k < old->completed_executors.n; k++)
			vec_insert(&f->completed_executors, k, old->completed_executors.v[k]);
		vec_clear(&old->completed_executors);
		agent_framework_free(old);
		vec_remove(&a->completed_frameworks, i);
		break;
	}
	for (size_t i = 0; i < f->completed_executors.n; i++) {
		struct executor *ex = f->completed_executors.v[i];
		ex->framework = f;
		for (size_t k = 0; k < ex->completed_tasks.n; k++)
			ex->completed_tasks.v[k]->framework = f;
	}
	while (f->completed_executors.n > a->cfg.max_completed_executors) {
		agent_executor_free(f->completed_executors.v[0]);
		vec_remove(&f->completed_executors, 0);
	}
	vec_push(&a->completed_frameworks, f);
	if (a->completed_frameworks.n > a->cfg.max_completed_frameworks) {
		agent_framework_free(a->completed_frameworks.v[0]);
		vec_remove(&a->completed_frameworks, 0);
	}
}

void agent_framework_free(struct framework *f)
{
	if (!f)
		return;
	map_each(&f->executors, e)
		agent_executor_free(e->value);
	map_done(&f->executors);
	for (size_t i = 0; i < f->ended_executors.n; i++)
		agent_executor_free(f->ended_executors.v[i]);
	vec_done(&f->ended_executors);
	for (size_t i = 0; i < f->completed_executors.n; i++)
		agent_executor_free(f->completed_executors.v[i]);
	vec_done(&f->completed_executors);
	map_done(&f->tasks);
	arena_done(&f->arena);
	free(f->id);
	free(f);
}
