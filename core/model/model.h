/* model.h - the rest of the pure data and rules: ids, roles, attributes,
 * capabilities, and the state machines of transitions.def.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODEL_MODEL_H
#define MZ_MODEL_MODEL_H

#include <mezzo/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mesos/v1/mesos.pb-c.h"

struct mz_resources;

/* Ids that clients choose: 1 to 255 bytes, not "." or "..", no control
 * characters, no '/' or '\\'. The message names `what`. */
int id_check(const char *what, const char *id, struct mz_err *err);
/* The same for a container and all of its parents, of which there are 31 at most. */
int container_id_check(const Mesos__V1__ContainerID *id, struct mz_err *err);

/* "*", or components separated by '/': none empty, ".", "..", "*" or starting with
 * '-', no white space or control characters. */
int role_check(const char *role, struct mz_err *err);
/* All of it. Allocators keep each ancestor of a role, so that it costs its length twice over. */
enum { ROLE_MAX_BYTES = 255 };
/* Is `role` equal to or below `ancestor` in the tree of roles? "*" is below nothing else. */
bool role_is_under(const char *role, const char *ancestor);

/* "datacenter:pdx1;rack:1-1;speed:2.5;ports:[1-2]" or a JSON array of Attribute. */
int attributes_parse(const char *text, struct arena *a, Mesos__V1__Attribute ***ret, size_t *ret_n,
		     struct mz_err *err);
void attributes_format(Mesos__V1__Attribute *const *v, size_t n, struct buf *out);

/* Bits 1 << FrameworkInfo.Capability.Type; agents alike (AgentInfo.Capability). */
uint32_t framework_capabilities(const Mesos__V1__FrameworkInfo *f);
/* The roles that a FrameworkInfo subscribes with: roles[] with MULTI_ROLE, else role. */
size_t framework_roles(const Mesos__V1__FrameworkInfo *f, struct arena *a, const char ***ret);

/* Of one framework: whoever looks for one of them looks at all. */
enum { FRAMEWORK_MAX_ROLES = 1000, FRAMEWORK_MAX_QUANTITIES = 1000 /* of all its offer filters */ };
/* Validation of FrameworkInfo as SUBSCRIBE and UPDATE_FRAMEWORK need it. */
int framework_info_check(const Mesos__V1__FrameworkInfo *f, struct mz_err *err);
/* The rules of a TaskInfo that need nothing else (catalogue "Task", "Executor",
 * "CommandInfo", "Volume", "Secret/env", kill policy, checks, limits). */
int task_info_check(const Mesos__V1__TaskInfo *t, struct mz_err *err);
/* The same for a task that runs in this executor though it does not name it. */
int task_info_check_with(const Mesos__V1__TaskInfo *t, const Mesos__V1__ExecutorInfo *executor, struct mz_err *err);
/* The same, and what only LAUNCH forbids: no DEFAULT executor, no share_cgroups=false. */
int task_launch_check(const Mesos__V1__TaskInfo *t, struct mz_err *err);
/* Of any type: a DEFAULT executor (LAUNCH_GROUP) is checked as such. */
int executor_info_check(const Mesos__V1__ExecutorInfo *e, struct mz_err *err);
/* What the above say of commands and containers, for whoever launches neither task nor executor. */
int command_check(const Mesos__V1__CommandInfo *c, struct mz_err *err);
int container_check(const Mesos__V1__ContainerInfo *c, struct mz_err *err);
/* Volumes once each, revocable or not per name, one allocation role, whole gpus. */
int resource_usage_check(const struct mz_resources *r, struct mz_err *err);
/* One entry of a map of limits; infinity is none. */
int limit_check(const char *name, const Mesos__V1__Value__Scalar *limit, const struct mz_resources *request,
		struct mz_err *err);
/* Equal as far as sharing a running executor goes (allocation roles aside). */
bool executor_info_equal(const Mesos__V1__ExecutorInfo *a, const Mesos__V1__ExecutorInfo *b);

bool task_state_is_terminal(Mesos__V1__TaskState s);
/* "TASK_RUNNING" */
const char *task_state_name(Mesos__V1__TaskState s);

/* ---- state machines -------------------------------------------------------- */

/* One machine of transitions.def. States and events are small numbers with
 * names; the table says what follows. */
struct fsm {
	const char *name; /* "task" */
	const char *const *states;
	size_t n_states;
	const char *const *events;
	size_t n_events;
	const int8_t *next; /* [state * n_events + event]; -1: not allowed */
};

/* The next state, or -EPROTO with "Task 't1' in FINISHED got LAUNCH". Traces
 * every step at debug level by name. */
int fsm_step(const struct fsm *m, const char *id, int state, int event, struct mz_err *err);

/* Generated from transitions.def: enum master_task_state …, and one table each. */
#include "model/transitions.h"

#endif
