/* nested.h - containers besides the executors': nested in one of them (a task of a
 * pod), or standing alone (started by an operator). nested.c keeps them, api/nested.c
 * speaks of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_NESTED_H
#define MZ_AGENT_NESTED_H

#include "agent/internal.h"
#include "mesos/v1/agent.pb-c.h"

typedef void (*nested_fn)(void *arg, const struct mz_err *err);

enum nested_state {
	NESTED_RECORDING, /* its record is on the way to the disk */
	NESTED_LAUNCHING,
	NESTED_RUNNING,
	NESTED_REMOVING, /* ended, and asked to be forgotten */
	NESTED_ENDED,
};

struct nested {
	struct list node; /* in agent.nested_list, oldest first */
	struct agent *agent;
	enum nested_state state;
	char *id, *parent; /* "A.B.C", "A.B"; parent NULL: it stands alone */
	char *key, *directory, *user;
	struct arena arena;
	Mesos__V1__CommandInfo *command;     /* until launched */
	Mesos__V1__ContainerInfo *container; /* or NULL */
	resources *resources;
	struct container_limits limits;
	Mesos__V1__Environment *environment; /* of its command, or NULL */
	bool debug; /* beside its parent: sees what it sees, is not a part of it */
	bool doomed; /* killed before it was launched */
	bool parked; /* its executor's container is not known to run yet */
	int32_t pid;
	/* How it ended. */
	struct mz_termination end;
	char *end_message;
	struct mz_limitation limitation; /* end's, if it went over a limit */
	resources *exceeded;
	/* Who waits. */
	nested_fn launched, removed;
	void *launched_arg, *removed_arg;
	struct list waiters; /* struct nested_waiter */
};

/* Embedded in what waits for a container's end. `t` lives during the call; NULL: it
 * will not be known, the agent stops. */
struct nested_waiter {
	struct list node;
	char *id; /* of an executor's container; else unused */
	void (*fn)(struct nested_waiter *w, const struct mz_termination *t);
};

struct nested_launch {
	const Mesos__V1__ContainerID *id;
	const Mesos__V1__CommandInfo *command;
	const Mesos__V1__ContainerInfo *container;
	const resources *resources; /* or NULL */
	struct container_limits limits;
	bool debug; /* of class DEBUG: with the parent's environment and working directory */
};

/* "A.B.C"; the caller frees. */
char *nested_path(const Mesos__V1__ContainerID *id);
Mesos__V1__ContainerID *nested_container_id(const char *path, struct arena *m);
struct nested *nested_find(struct agent *a, const char *id);
/* The executor whose container is at the top; NULL: it stands alone. */
struct executor *nested_executor(const struct nested *n);

/* 0: fn follows once it runs, or with why it does not. -EEXIST: the id is in use,
 * -ENOENT: there is no such parent, -ENOSPC: there are too many. */
int nested_launch(struct agent *a, const struct nested_launch *l, nested_fn fn, void *arg, struct mz_err *err);
/* 0: w->fn is called once, perhaps from inside. -ENOENT: unknown. */
int nested_wait(struct agent *a, const char *id, struct nested_waiter *w);
/* Also of an executor. -ENOENT: unknown, or it has ended. */
int nested_kill(struct agent *a, const char *id, int signal, struct mz_err *err);
/* With all that is in it, also while it is being launched. Unknown or ended: no-op. */
void nested_destroy(struct agent *a, const char *id);
/* Forgets an ended one, with its sandbox. -ENOENT, -EBUSY: it runs. */
int nested_remove(struct agent *a, const char *id, nested_fn fn, void *arg, struct mz_err *err);

/* ---- for the rest of core/agent ---------------------------------------------------- */
bool nested_exited(struct agent *a, const char *id, const struct mz_termination *t); /* false: not one of them */
void nested_parent_runs(struct agent *a, const char *id);
void nested_drop_all(struct agent *a, const char *top, const struct mz_termination *t);
int nested_restore(struct agent *a, const char *key, const Mezzo__Records__AgentContainer *r);
void nested_restored(struct agent *a);
void nested_end_sessions(struct agent *a);
/* Of those that have not ended; v has room for all. */
size_t nested_live(struct agent *a, struct arena *m, struct container_config *v);
void nested_end_all(struct agent *a, const struct mz_termination *t);
void nested_done(struct agent *a);

#endif
