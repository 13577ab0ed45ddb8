/* launch.c - LAUNCH: each task for itself, so that a wrong one does not hold up
 * the others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/accept/accept.h"

enum { MAX_TASKS_IN_FRAME = 256, MAX_BATCH_BYTES = 8 << 20 };

/* Tasks that wait to be sent: in one frame as long as they agree and it is small. */
struct batch {
	pb_task_info **tasks;
	size_t n, bytes;
	bool launch_executor;
};

static void batch_send(struct batch *b, struct framework *f, struct agent *agent)
{
	if (b->n)
		send_run(f, agent, b->tasks, b->n, NULL, b->launch_executor);
	b->tasks += b->n;
	b->n = b->bytes = 0;
}

static int launch_one(struct accept *a, struct framework *f, struct agent *agent, pb_task_info *t,
		      struct placement *p)
{
	struct mz_err err;
	const char *denied = map_get(&a->denied, t->task_id->value);
	if (denied == task_killed)
		return -1;
	if (denied) {
		refuse_task(f, t, agent->id, TS(ERROR), REASON(TASK_UNAUTHORIZED), denied);
		return -1;
	}
	if (task_launch_check(t, &err) < 0 || task_place(a, f, agent, t, t->executor, a->remaining, p, &err) < 0) {
		refuse_task(f, t, agent->id, TS(ERROR), REASON(TASK_INVALID), err.msg);
		return -1;
	}
	map_del(&f->pending, t->task_id->value);
	task_launch(a, f, agent, t, t->executor, p);
	return 0;
}

void apply_launch(struct accept *a, struct framework *f, struct agent *agent, pb_operation *op)
{
	Mesos__V1__Offer__Operation__Launch *l = op->launch;
	if (op->id) {
		for (size_t i = 0; i < l->n_task_infos; i++)
			refuse_task(f, l->task_infos[i], agent->id, TS(ERROR), REASON(TASK_INVALID),
				    "LAUNCH cannot have an operation id");
		return;
	}
	struct batch b = {.tasks = (pb_task_info **)pb_array(&a->arena, l->n_task_infos + 1)};
	for (size_t i = 0; i < l->n_task_infos; i++) {
		struct placement p = {0};
		if (launch_one(a, f, agent, l->task_infos[i], &p) < 0)
			continue;
		if (b.n && (b.launch_executor != p.launch_executor || b.n == MAX_TASKS_IN_FRAME ||
			    b.bytes + p.bytes > MAX_BATCH_BYTES))
			batch_send(&b, f, agent);
		b.bytes += p.bytes;
		b.launch_executor = p.launch_executor;
		b.tasks[b.n++] = l->task_infos[i];
		placement_done(&p);
	}
	batch_send(&b, f, agent);
}
