/* sums.c - what the container of an executor holds and may use: its own resources and
 * those of its live tasks. Kept up as tasks come and end, because the sums are asked
 * for at each such step, and an executor may have thousands of tasks.
 *
 * A sum can be subtracted from as long as no port (or element of a set) was in it
 * twice. The master gives none away twice on one agent; should it happen all the
 * same, that executor's sums are counted anew each time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/internal.h"

void agent_executor_sums_init(struct executor *ex)
{
	struct executor_sums *s = &ex->sums;
	s->total = res_new();
	(void)res_from_pb(ex->info->resources, ex->info->n_resources, s->total, NULL); /* checked by the master */
	s->cpus.sum = res_scalar(s->total, "cpus");
	s->mem.sum = res_scalar(s->total, "mem");
}

/* A task without a limit may use what it requested. */
static void change_limit(struct limit_sum *l, int64_t limit, int64_t request, int sign)
{
	l->n_unlimited += limit < 0 ? sign : 0;
	l->n_limited += limit > 0 ? sign : 0;
	l->sum += sign * (limit > 0 ? limit : request);
}

static void change(struct executor_sums *s, struct task *t, int sign)
{
	t->counted = sign > 0;
	change_limit(&s->cpus, t->limits.cpus, res_scalar(t->resources, "cpus"), sign);
	change_limit(&s->mem, t->limits.mem, res_scalar(t->resources, "mem"), sign);
	if (s->overlap)
		return;
	if (sign < 0)
		res_subtract(s->total, t->resources);
	else if (res_overlap(s->total, t->resources))
		s->overlap = true;
	else
		res_add(s->total, t->resources);
}

void agent_task_count(struct task *t)
{
	bool live = t->executor && !task_state_is_terminal(t->state);
	if (live != t->counted)
		change(&t->executor->sums, t, live ? 1 : -1);
}

void agent_task_uncount(struct task *t)
{
	if (t->counted)
		change(&t->executor->sums, t, -1);
}

void agent_executor_add_task(struct executor *ex, struct task *t)
{
	t->executor = ex;
	vec_push(&ex->tasks, t);
	agent_task_count(t);
}

resources *agent_executor_resources(const struct executor *ex)
{
	const struct executor_sums *s = &ex->sums;
	if (!s->overlap)
		return res_copy(s->total);
	resources *r = res_new();
	(void)res_from_pb(ex->info->resources, ex->info->n_resources, r, NULL);
	for (size_t i = 0; i < ex->tasks.n; i++)
		if (ex->tasks.v[i]->counted)
			res_add(r, ex->tasks.v[i]->resources);
	return r;
}

static int64_t limit_of(const struct limit_sum *l)
{
	return l->n_unlimited ? -1 : l->n_limited ? l->sum : 0;
}

struct container_limits agent_executor_limits(const struct executor *ex)
{
	const struct executor_sums *s = &ex->sums;
	return (struct container_limits){.cpus = limit_of(&s->cpus), .mem = limit_of(&s->mem)};
}
