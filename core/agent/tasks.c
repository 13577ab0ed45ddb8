/* tasks.c - one task as the agent keeps it: its TaskInfo packed, its state, and
 * the statuses that are shown to clients. Who launches and kills: launch.c.
 * Updates on their way to the master: updates.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/internal.h"

enum { MAX_STATUSES = 16, MAX_PLAIN_KEY = 300 };

/* "KIND/A/B", or a digest of A and B where stores would refuse the length: the
 * record itself holds the ids. */
char *agent_record_key(const char *kind, const char *a, const char *b)
{
	if (strlen(a) + strlen(b) <= MAX_PLAIN_KEY)
		return xasprintf("%s/%s/%s", kind, a, b);
	uint64_t h = hash_bytes(b, strlen(b), hash_str(a)), g = hash_bytes(a, strlen(a), hash_str(b));
	return xasprintf("%s/#%016llx%016llx", kind, (unsigned long long)h, (unsigned long long)g);
}

void agent_set_limit(struct container_limits *l, const char *name, double value)
{
	int64_t amount = value > 1e15 ? -1 : (int64_t)(value * 1000 + 0.5);
	if (str_eq(name, "cpus"))
		l->cpus = amount;
	else if (str_eq(name, "mem"))
		l->mem = amount;
}

static struct container_limits limits_of(const Mesos__V1__TaskInfo *info)
{
	struct container_limits l = {0};
	for (size_t i = 0; i < info->n_limits; i++)
		if (info->limits[i]->value)
			agent_set_limit(&l, info->limits[i]->key, info->limits[i]->value->value);
	return l;
}

struct task *agent_task_new(struct framework *f, const Mesos__V1__TaskInfo *info, uint32_t group)
{
	struct task *t = xnew(struct task);
	t->framework = f;
	t->id = xstrdup(info->task_id->value);
	t->name = xstrdup(info->name);
	struct buf b = {0};
	pb_encode(&info->base, &b);
	t->info_size = b.len;
	t->info = b.data ? xrealloc(b.data, b.len + 1) : NULL;
	t->resources = res_new();
	struct mz_err err;
	if (res_from_pb(info->resources, info->n_resources, t->resources, &err) < 0)
		log_warning(AREA, "Resources of task '%s' are odd, ignoring: %s", t->id, err.msg);
	t->limits = limits_of(info);
	t->state = MESOS__V1__TASK_STATE__TASK_STAGING;
	t->fsm = AGENT_TASK_QUEUED;
	t->group = group;
	t->updates_end = &t->updates;
	map_put(&f->tasks, t->id, t);
	return t;
}

void agent_task_free(struct task *t)
{
	if (!t)
		return;
	agent_task_drop_updates(t);
	for (size_t i = 0; i < t->statuses.n; i++)
		free((void *)t->statuses.v[i].data);
	vec_done(&t->statuses);
	vec_done(&t->status_states);
	res_free(t->resources);
	free(t->info);
	free(t->name);
	free(t->id);
	free(t);
}

void agent_task_step(struct task *t, int event)
{
	struct mz_err err;
	int next = fsm_step(&agent_task_fsm, t->id, t->fsm, event, &err);
	if (next < 0)
		log_warning(AREA, "%s", err.msg);
	else
		t->fsm = next;
}

bool agent_task_is_queued(const struct task *t)
{
	return t->fsm == AGENT_TASK_QUEUED;
}

const Mesos__V1__TaskInfo *agent_task_info(const struct task *t, struct arena *a)
{
	return (const Mesos__V1__TaskInfo *)pb_decode(&mesos__v1__task_info__descriptor, a, t->info, t->info_size,
						      NULL);
}

/* The last status of each state in a row is kept, as the tools show it. `data`
 * is left out: it may be large and is of no use to them. */
void agent_task_set_status(struct task *t, const Mesos__V1__TaskStatus *status)
{
	t->state = status->state;
	agent_task_count(t);
	Mesos__V1__TaskStatus shown = *status;
	shown.has_data = 0;
	struct buf b = {0};
	pb_encode(&shown.base, &b);
	struct mz_bytes packed = {b.data, b.len};
	size_t n = t->status_states.n;
	if (n && t->status_states.v[n - 1] == status->state) {
		free((void *)t->statuses.v[n - 1].data);
		t->statuses.v[n - 1] = packed;
		return;
	}
	if (n == MAX_STATUSES) {
		free((void *)t->statuses.v[0].data);
		vec_remove(&t->statuses, 0);
		vec_remove(&t->status_states, 0);
	}
	vec_push(&t->statuses, packed);
	vec_push(&t->status_states, status->state);
}

/* Done with: it moves to its executor's bounded history. */
void agent_task_complete(struct task *t)
{
	struct framework *f = t->framework;
	struct executor *ex = t->executor;
	struct agent *a = f->agent;
	agent_task_drop_updates(t);
	map_del(&f->tasks, t->id);
	mz_autofree char *key = agent_record_key("task", f->id, t->id);
	store_delete(a->deps.store, key, NULL, NULL);
	agent_task_uncount(t);
	for (size_t i = 0; i < ex->tasks.n; i++)
		if (ex->tasks.v[i] == t) {
			vec_remove(&ex->tasks, i);
			break;
		}
	vec_push(&ex->completed_tasks, t);
	if (ex->completed_tasks.n > a->cfg.max_completed_tasks) {
		agent_task_free(ex->completed_tasks.v[0]);
		vec_remove(&ex->completed_tasks, 0);
	}
	agent_executor_maybe_complete(ex);
}
