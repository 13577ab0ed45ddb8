/* accept.h - one ACCEPT on its way, shared by the files of this folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MASTER_ACCEPT_H
#define MZ_MASTER_ACCEPT_H

#include "master/internal.h"
#include "model/operation.h"

struct accept {
	struct list in_master;
	struct master *m;
	struct arena arena; /* owns call */
	pb_call *call;
	mz_key framework, agent;
	const char *agent_id; /* held, as the role is */
	double agent_since;   /* its last registration: offers of before do not outlive one */
	const char *role;     /* of all the offers */
	resources *offered;   /* all of them, without allocation */
	resources *remaining; /* what the operations so far have left */
	resources *launched;  /* what tasks took */
	int64_t refuse;
	size_t n_waiting;
	struct map denied; /* task id -> reason of the authorizer, in the arena, or task_killed */
	const char **denied_operations; /* the same for each operation, NULL: allowed; in the arena */
	size_t current; /* operation that is being applied */
};

/* A row for each type of operation. */
struct operation_type {
	Mesos__V1__Offer__Operation__Type type;
	/* The message that belongs to the type, NULL if not set. Itself NULL: needs none. */
	const void *(*payload)(const pb_operation *op);
	void (*apply)(struct accept *a, struct framework *f, struct agent *agent, pb_operation *op);
};
const struct operation_type *operation_type_of(const pb_operation *op); /* NULL: none */

/* In place of a reason: its end is told already. */
extern const char task_killed[];

/* launch.c, launch_group.c, refuse.c, resources.c */
void apply_launch(struct accept *a, struct framework *f, struct agent *agent, pb_operation *op);
void apply_launch_group(struct accept *a, struct framework *f, struct agent *agent, pb_operation *op);
void apply_unknown(struct accept *a, struct framework *f, struct agent *agent, pb_operation *op);
void apply_resources(struct accept *a, struct framework *f, struct agent *agent, pb_operation *op);
/* Asks the authorizer whatever is to be asked for an operation on resources. */
void ask_resources(struct accept *a, struct framework *f, size_t operation);

/* Fills in who asks. If the authorizer says no, its reason goes to *denied, or, if
 * that is NULL, to a->denied under the object's task id. */
void ask(struct accept *a, struct framework *f, int action, struct mz_object *o, const char **denied);

/* All tasks of a LAUNCH or LAUNCH_GROUP; 0 for others. */
size_t operation_tasks(const pb_operation *op, pb_task_info ***ret);
/* The operation cannot be tried at all: each task gets `state`, another operation
 * OPERATION_ERROR if it has an id. `a` NULL: it has not come as far. */
void drop_operation(const struct accept *a, struct framework *f, const pb_operation *op, task_state state, task_reason reason,
		    const char *agent_id, const char *message);
/* OPERATION_ERROR: counted, logged, and told if the operation has an id. */
void refuse_operation(struct framework *f, const pb_operation *op, const char *agent_id, const char *message);
/* One task that is not launched. */
void refuse_task(struct framework *f, const pb_task_info *t, const char *agent_id, task_state state,
		 task_reason reason, const char *message);

/* ---- placing one task (task.c) ------------------------------------------------ */

/* What is needed to launch one task that has passed every check. */
struct placement {
	resources *task, *executor; /* without allocation; executor NULL: none, or it runs already */
	bool launch_executor;
	size_t bytes; /* of the TaskInfo as it is sent */
};
/* A frame to an agent takes 64 MB; a FrameworkInfo (subscribe.c) is in each. */
enum { MAX_TASK_BYTES = PB_MAX_RECORD, MAX_GROUP_BYTES = 32 << 20 };
void placement_done(struct placement *p);
/* Everything that LAUNCH and LAUNCH_GROUP have in common; the TaskInfo is put in
 * the form that agents get. `available` is what is still there. */
int task_place(struct accept *a, struct framework *f, struct agent *agent, pb_task_info *t,
	       pb_executor_info *executor, const resources *available, struct placement *ret, struct mz_err *err);
/* Makes the master's task and executor of it and takes the resources. */
void task_launch(struct accept *a, struct framework *f, struct agent *agent, pb_task_info *t,
		 pb_executor_info *executor, struct placement *p);
/* One frame, which the caller keeps to a bounded size. */
void send_run(struct framework *f, struct agent *agent, pb_task_info **tasks, size_t n,
	      pb_executor_info *group_executor, bool launch_executor);

#endif
