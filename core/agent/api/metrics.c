/* metrics.c - the agent's numbers, under the names that existing dashboards use.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/gc.h"
#include "agent/api/api.h"

typedef void (*add_fn)(void *to, const char *name, double value);

static const char *const scalars[] = {"cpus", "gpus", "mem", "disk"};

static void add_resources(struct agent *a, add_fn add, void *to)
{
	resources *used = agent_used(a), *firm = res_new(), *revocable = res_new(), *total_revocable = res_new(),
		  *total = res_new();
	res_add_filtered(firm, used, RES_NON_REVOCABLE);
	res_add_filtered(revocable, used, RES_REVOCABLE);
	res_add_filtered(total, a->total, RES_NON_REVOCABLE);
	res_add_filtered(total_revocable, a->total, RES_REVOCABLE);
	const struct {
		const char *infix;
		const resources *total, *used;
	} kinds[] = {{"", total, firm}, {"_revocable", total_revocable, revocable}};
	for (size_t k = 0; k < MZ_N(kinds); k++)
		for (size_t i = 0; i < MZ_N(scalars); i++) {
			char name[64];
			double all = (double)res_scalar(kinds[k].total, scalars[i]) / 1000.0;
			double in_use = (double)res_scalar(kinds[k].used, scalars[i]) / 1000.0;
			snprintf(name, sizeof(name), "slave/%s%s_total", scalars[i], kinds[k].infix);
			add(to, name, all);
			snprintf(name, sizeof(name), "slave/%s%s_used", scalars[i], kinds[k].infix);
			add(to, name, in_use);
			snprintf(name, sizeof(name), "slave/%s%s_percent", scalars[i], kinds[k].infix);
			add(to, name, all > 0 ? in_use / all : 0);
		}
	res_free(used);
	res_free(firm);
	res_free(revocable);
	res_free(total);
	res_free(total_revocable);
}

static void add_tasks(struct agent *a, add_fn add, void *to)
{
	double live[16] = {0};
	map_each(&a->frameworks, e) {
		struct framework *f = e->value;
		map_each(&f->tasks, x) {
			struct task *t = x->value;
			if (!task_state_is_terminal(t->state))
				live[t->state]++;
		}
	}
	add(to, "slave/tasks_staging", live[MESOS__V1__TASK_STATE__TASK_STAGING]);
	add(to, "slave/tasks_starting", live[MESOS__V1__TASK_STATE__TASK_STARTING]);
	add(to, "slave/tasks_running", live[MESOS__V1__TASK_STATE__TASK_RUNNING]);
	add(to, "slave/tasks_killing", live[MESOS__V1__TASK_STATE__TASK_KILLING]);
	const uint64_t *ended = a->metrics.tasks;
	add(to, "slave/tasks_finished", (double)ended[MESOS__V1__TASK_STATE__TASK_FINISHED]);
	add(to, "slave/tasks_failed", (double)ended[MESOS__V1__TASK_STATE__TASK_FAILED]);
	add(to, "slave/tasks_killed", (double)ended[MESOS__V1__TASK_STATE__TASK_KILLED]);
	add(to, "slave/tasks_lost", (double)ended[MESOS__V1__TASK_STATE__TASK_LOST]);
	add(to, "slave/tasks_gone", (double)ended[MESOS__V1__TASK_STATE__TASK_GONE]);
}

static void add_executors(struct agent *a, add_fn add, void *to)
{
	double n[AGENT_EXECUTOR_N_STATES] = {0};
	map_each(&a->containers, e)
		n[((struct executor *)e->value)->fsm]++;
	add(to, "slave/executors_registering", n[AGENT_EXECUTOR_REGISTERING]);
	add(to, "slave/executors_running", n[AGENT_EXECUTOR_RUNNING]);
	add(to, "slave/executors_terminating", n[AGENT_EXECUTOR_TERMINATING]);
	add(to, "slave/executors_terminated", (double)a->metrics.executors_terminated);
	add(to, "slave/executors_preempted", (double)a->metrics.executors_preempted);
	add(to, "slave/container_launch_errors", (double)a->metrics.container_launch_errors);
}

/* Of what this agent does not do (yet): dashboards look for the names. */
static void add_none(add_fn add, void *to)
{
	static const char *const names[] = {
		"containerizer/fetcher/cache_size_total_bytes",
		"containerizer/fetcher/cache_size_used_bytes",
		"containerizer/fetcher/task_fetches_failed",
		"containerizer/fetcher/task_fetches_succeeded",
		"containerizer/mesos/container_destroy_errors",
		"containerizer/mesos/provisioner/bind/remove_rootfs_errors",
		"containerizer/mesos/provisioner/remove_container_errors",
		"resource_provider_manager/events/disconnect",
		"resource_provider_manager/events/subscribe",
		"resource_provider_manager/subscribed",
	};
	for (size_t i = 0; i < MZ_N(names); i++)
		add(to, names[i], 0);
}

void agent_metrics_each(struct agent *a, add_fn add, void *to)
{
	const struct agent_metrics *m = &a->metrics;
	add_resources(a, add, to);
	add_tasks(a, add, to);
	add_executors(a, add, to);
	add(to, "slave/registered", a->registered);
	add(to, "slave/uptime_secs", (double)(loop_now(a->loop) - a->start_ns) / 1e9);
	add(to, "slave/recovery_time_secs", m->recovery_secs);
	add(to, "slave/recovery_errors", (double)m->recovery_errors);
	add(to, "slave/frameworks_active", (double)a->frameworks.n);
	add(to, "slave/executor_directory_max_allowed_age_secs", (double)gc_max_age_ns(a) / 1e9);
	add(to, "slave/valid_status_updates", (double)m->valid_status_updates);
	add(to, "slave/invalid_status_updates", (double)m->invalid_status_updates);
	add(to, "slave/valid_framework_messages", (double)m->valid_framework_messages);
	add(to, "slave/invalid_framework_messages", (double)m->invalid_framework_messages);
	add(to, "gc/path_removals_succeeded", (double)m->gc_succeeded);
	add(to, "gc/path_removals_failed", (double)m->gc_failed);
	add(to, "gc/path_removals_pending", (double)a->n_gc);
	add_none(add, to);
	if (a->deps.extra_metrics)
		a->deps.extra_metrics(a->deps.arg, add, to);
}
