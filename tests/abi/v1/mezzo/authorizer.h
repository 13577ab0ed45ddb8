/* <mezzo/authorizer.h> - authorizers: who may do what.
 *
 * Two ways of asking: `authorized` for single actions, asynchronous; `allows`
 * for filtering views, where thousands of objects are checked in one answer and
 * which therefore may not wait.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_AUTHORIZER_H
#define MEZZO_AUTHORIZER_H

#include <mezzo/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers as in Mesos' authorization.Action. */
enum mz_action {
	MZ_ACTION_REGISTER_FRAMEWORK = 1,
	MZ_ACTION_RUN_TASK = 2,
	MZ_ACTION_TEARDOWN_FRAMEWORK = 3,
	MZ_ACTION_RESERVE_RESOURCES = 4,
	MZ_ACTION_UNRESERVE_RESOURCES = 5,
	MZ_ACTION_CREATE_VOLUME = 6,
	MZ_ACTION_DESTROY_VOLUME = 7,
	MZ_ACTION_GET_ENDPOINT_WITH_PATH = 8,
	MZ_ACTION_VIEW_ROLE = 9,
	MZ_ACTION_UPDATE_WEIGHT = 10,
	MZ_ACTION_GET_QUOTA = 11,
	MZ_ACTION_UPDATE_QUOTA = 12,
	MZ_ACTION_VIEW_FRAMEWORK = 13,
	MZ_ACTION_VIEW_TASK = 14,
	MZ_ACTION_VIEW_EXECUTOR = 15,
	MZ_ACTION_ACCESS_SANDBOX = 16,
	MZ_ACTION_ACCESS_MESOS_LOG = 17,
	MZ_ACTION_VIEW_FLAGS = 18,
	MZ_ACTION_LAUNCH_NESTED_CONTAINER = 19,
	MZ_ACTION_KILL_NESTED_CONTAINER = 20,
	MZ_ACTION_WAIT_NESTED_CONTAINER = 21,
	MZ_ACTION_LAUNCH_NESTED_CONTAINER_SESSION = 22,
	MZ_ACTION_ATTACH_CONTAINER_INPUT = 23,
	MZ_ACTION_ATTACH_CONTAINER_OUTPUT = 24,
	MZ_ACTION_VIEW_CONTAINER = 25,
	MZ_ACTION_SET_LOG_LEVEL = 26,
	MZ_ACTION_REMOVE_NESTED_CONTAINER = 27,
	MZ_ACTION_REGISTER_AGENT = 28,
	MZ_ACTION_UPDATE_MAINTENANCE_SCHEDULE = 29,
	MZ_ACTION_GET_MAINTENANCE_SCHEDULE = 30,
	MZ_ACTION_START_MAINTENANCE = 31,
	MZ_ACTION_STOP_MAINTENANCE = 32,
	MZ_ACTION_GET_MAINTENANCE_STATUS = 33,
	MZ_ACTION_MARK_AGENT_GONE = 34,
	MZ_ACTION_LAUNCH_STANDALONE_CONTAINER = 35,
	MZ_ACTION_KILL_STANDALONE_CONTAINER = 36,
	MZ_ACTION_WAIT_STANDALONE_CONTAINER = 37,
	MZ_ACTION_REMOVE_STANDALONE_CONTAINER = 38,
	MZ_ACTION_MODIFY_RESOURCE_PROVIDER_CONFIG = 39,
	MZ_ACTION_VIEW_STANDALONE_CONTAINER = 40,
	MZ_ACTION_PRUNE_IMAGES = 41,
	MZ_ACTION_RESIZE_VOLUME = 42,
	MZ_ACTION_CREATE_BLOCK_DISK = 43,
	MZ_ACTION_DESTROY_BLOCK_DISK = 44,
	MZ_ACTION_CREATE_MOUNT_DISK = 45,
	MZ_ACTION_DESTROY_MOUNT_DISK = 46,
	MZ_ACTION_VIEW_RESOURCE_PROVIDER = 47,
	MZ_ACTION_MARK_RESOURCE_PROVIDER_GONE = 48,
	MZ_ACTION_DESTROY_RAW_DISK = 49,
	MZ_ACTION_UPDATE_QUOTA_WITH_CONFIG = 50,
	MZ_ACTION_DRAIN_AGENT = 51,
	MZ_ACTION_DEACTIVATE_AGENT = 52,
	MZ_ACTION_REACTIVATE_AGENT = 53,
};

/* What an action is done to: the members that its kind of object has. Strings
 * may be NULL; they live until the callback returns. */
struct mz_object {
	uint32_t size;
	uint32_t reserved;
	const char *value;	  /* path, role, principal …: what Mesos calls the value */
	const char *framework_id, *framework_name, *framework_principal;
	const char *role;
	const char *user;	  /* that a task or container runs as */
	const char *parent_user;  /* of the parent container */
	const char *task_id, *executor_id, *container_id;
	const char *creator;	  /* principal of a reservation or volume */
	const char *agent_id;
};

struct mz_subject {
	uint32_t size;
	uint32_t reserved;
	const char *principal; /* NULL: anonymous */
	const char *claims;    /* "key=value\n…", or NULL */
};

struct mz_authorizer_ops {
	MZ_OPS_HEAD;
	/* Required. Completes with success (allowed) or -EACCES and the reason. */
	void (*authorized)(void *inst, int action, const struct mz_subject *s, const struct mz_object *o,
			   struct mz_op *op);
	/* Required. 1 allowed, 0 not; at once, for filtering what is shown. */
	int (*allows)(void *inst, int action, const struct mz_subject *s, const struct mz_object *o);
};

#ifdef __cplusplus
}
#endif
#endif
