/* containers.h - containers, sandboxes and files as the agent's state machine
 * sees them. Two implementations: core/module/containers_real (containerizer modules
 * with the configured isolators, and core/os for files) and core/sim.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULE_CONTAINERS_H
#define MZ_MODULE_CONTAINERS_H

#include <mezzo/container.h>
#include <mezzo/types.h>
#include <stdbool.h>

#include "mesos/v1/agent.pb-c.h"
#include "mesos/v1/mesos.pb-c.h"

struct containers;

/* Upper limits in thousandths of cpus and MB of mem: -1 unlimited, 0 none set. */
struct container_limits {
	int64_t cpus, mem;
};

/* What is launched. Copied by launch; messages may be freed afterwards. */
struct container_config {
	const char *id; /* container id, also of the sandbox; nested: "PARENT.CHILD" */
	const char *parent; /* nested: id of the parent, which must be running */
	const char *framework_id, *executor_id;
	const char *task_id; /* command tasks, else NULL */
	const char *user;    /* NULL: the agent's own */
	const char *directory; /* sandbox: made by launch, owned by user */
	const char *start_directory; /* where it starts; NULL: in the sandbox */
	const char *const *argv, *const *env;
	const struct mz_resources *resources;
	struct container_limits limits;
	bool share_cgroups; /* nested: lives in the cgroups of its parent */
	const Mesos__V1__CommandInfo *command; /* uris are fetched into the sandbox first */
	const Mesos__V1__ContainerInfo *container;
	const Mesos__V1__ExecutorInfo *executor;
	const Mesos__V1__TaskInfo *task;
	const char *role;      /* that its resources are allocated to, or NULL */
	const char *principal; /* of the framework, or NULL */
	bool checkpoint;
	int32_t pid; /* recovery only */
	/* Recovery as well: what was attachable is so after it. */
	enum mz_container_class container_class; /* nested ones only may be for debugging */
	bool attachable; /* its input and output can be attached to; always so with a tty */
	bool tty;
	int32_t tty_rows, tty_columns; /* 0: 24 and 80 */
};

struct containers_ops {
	/* After a restart: re-attach or report each (on_exited). fn once. */
	void (*recover)(struct containers *c, const struct container_config *const *v, size_t n,
			void (*fn)(void *arg, const struct mz_err *err), void *arg);
	/* Makes the sandbox and its "latest" link, fetches, launches. fn once; after
	 * success on_exited follows once, in any case. */
	void (*launch)(struct containers *c, const struct container_config *cfg,
		       void (*fn)(void *arg, const struct mz_err *err, int32_t pid), void *arg);
	void (*update)(struct containers *c, const char *id, const struct mz_resources *r,
		       const struct container_limits *limits, void (*fn)(void *arg, const struct mz_err *err),
		       void *arg);
	/* A Mesos__V1__ResourceStatistics in packed form; size 0: unknown. */
	void (*usage)(struct containers *c, const char *id,
		      void (*fn)(void *arg, struct mz_bytes statistics), void *arg);
	/* What modules add to its Mesos__V1__ContainerStatus (cgroup_info …; executor_pid after a
	 * recovery), packed: as they told last, first before its launch is told, and
	 * after its recovery; size 0: nothing, or not yet. It is valid until the next turn of the
	 * loop. NULL: nobody adds anything. */
	struct mz_bytes (*status)(struct containers *c, const char *id);
	/* Has it gone over a limit? Modules are asked. Then it is being destroyed, and
	 * on_exited tells the limitation. fn once, maybe from inside. NULL: nothing has limits. */
	void (*limited)(struct containers *c, const char *id, void (*fn)(void *arg, bool limited), void *arg);
	/* -ENOENT if unknown. What is nested in it ends first. */
	int (*terminate)(struct containers *c, const char *id, struct mz_err *err);
	/* Signals its first process. -ENOENT if it is not running. */
	int (*kill)(struct containers *c, const char *id, int signal, struct mz_err *err);
	/* What an ended one has left behind, but for its sandbox; fn once. */
	void (*remove)(struct containers *c, const char *id, void (*fn)(void *arg, const struct mz_err *err),
		       void *arg);
	/* Removes a sandbox for good; fn once. */
	void (*remove_sandbox)(struct containers *c, const char *directory,
			       void (*fn)(void *arg, const struct mz_err *err), void *arg);
	/* Fraction in use of the work dir's file system, 0 to 1. */
	double (*disk_usage)(struct containers *c);
	/* A connected stream socket to the container's I/O server, which speaks the frames
	 * of <mezzo/containerizer.h>; it is the caller's, non-blocking. fn once, maybe from
	 * inside. -ENOENT: not there (any more); -EOPNOTSUPP: not attachable. */
	void (*attach)(struct containers *c, const char *id, void (*fn)(void *arg, const struct mz_err *err, int fd),
		       void *arg);
};

struct containers {
	const struct containers_ops *ops;
	void (*on_exited)(void *arg, const char *id, const struct mz_termination *t);
	void *arg;
};

#endif
