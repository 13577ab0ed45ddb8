/* <mezzo/container.h> - a container, and how it ended: shared by containerizers,
 * isolators and loggers.
 *
 * A container is one executor (top level), one task of a pod or one process in
 * a running container (nested), or one that an operator started (standalone).
 * Messages of the API (ContainerInfo, CommandInfo …) do not cross the ABI: they
 * are read by path through struct mz_info_api. A path is field names of the v1
 * API joined by dots, list elements by number: "linux_info.seccomp.profile_name",
 * "volumes.0.host_path". Enums read as their name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CONTAINER_H
#define MEZZO_CONTAINER_H

#include <mezzo/resources.h>
#include <mezzo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mz_info; /* one read-only message */

/* Append only. Strings live as long as the message. */
struct mz_info_api {
	uint32_t size;
	uint32_t reserved;
	/* Is the field set (lists: not empty)? */
	int (*has)(const struct mz_info *m, const char *path);
	size_t (*count)(const struct mz_info *m, const char *path);	 /* elements of a list */
	const char *(*str)(const struct mz_info *m, const char *path);	 /* strings, enums; NULL: unset */
	int64_t (*integer)(const struct mz_info *m, const char *path, int64_t otherwise); /* ints, bools */
	double (*number)(const struct mz_info *m, const char *path, double otherwise);
	struct mz_bytes (*bytes)(const struct mz_info *m, const char *path);
	/* The message at the path (a field of message type, or one element of a list of
	 * such), or all of it (path ""), as JSON: given to `put` once, from inside.
	 * -ENOENT: not set, or no message. */
	int (*json)(const struct mz_info *m, const char *path, void (*put)(void *arg, struct mz_bytes text),
		    void *arg);
};

enum mz_container_class { MZ_CONTAINER_DEFAULT = 0, MZ_CONTAINER_DEBUG = 1 };

/* One container as it is launched. Everything lives until the callback's op
 * completes. */
struct mz_container {
	uint32_t size;
	uint32_t container_class; /* enum mz_container_class */
	/* Path of ids from the top: "PARENT.CHILD"; ids have no dots. Unique on
	 * this agent for ever. */
	const char *id;
	const char *parent; /* id of the parent; NULL: top level */
	/* NULL where there is none (standalone). task_id: command tasks and pods' tasks. */
	const char *framework_id, *executor_id, *task_id;
	const char *role;	 /* allocation role, or NULL */
	const char *user;	 /* to run as; NULL: the agent's own */
	const char *sandbox;	 /* absolute directory on the host; exists, owned by user */
	const char *work_dir;	 /* the agent's */
	const char *const *argv; /* what to run, NULL-ended; argv[0] is a path */
	const char *const *env;	 /* "NAME=value", NULL-ended: complete */
	const struct mz_resources *resources;
	/* Upper limits where they differ from the request, in thousandths of cpus
	 * and MB of mem: -1 unlimited, 0 unset. */
	int64_t limit_cpus, limit_mem;
	const struct mz_info *command;	 /* CommandInfo of the executor or task, or NULL */
	const struct mz_info *container; /* ContainerInfo, or NULL */
	const struct mz_info *executor;	 /* ExecutorInfo, or NULL */
	const struct mz_info *task;	 /* TaskInfo of a command task, or NULL */
	const struct mz_info_api *info;
	int32_t checkpoint; /* the framework's containers outlive the agent */
	int32_t pid;	    /* recovery: as isolate was told it, 0 unknown */
	int32_t tty;	    /* its stdio is a terminal */
	int32_t share_cgroups; /* nested: lives in the cgroups of its parent */
	int32_t attachable; /* its input and output can be attached to (always so with a tty) */
	int32_t tty_rows, tty_columns; /* 0: 24 and 80 */
	const char *directory; /* working directory where it is not the sandbox, or NULL */
	/* The framework's: as it authenticated with the master; one that did not may have named
	 * any. NULL: none, or no framework. */
	const char *principal;
};

/* A limit that a container went over. */
struct mz_limitation {
	uint32_t size;
	int32_t reason; /* number of TaskStatus.Reason, e.g. 8 CONTAINER_LIMITATION_MEMORY */
	const char *message;
	const struct mz_resources *resources; /* what was exceeded, or NULL */
};

/* How a container ended. */
struct mz_termination {
	uint32_t size;
	int32_t wait_status; /* as waitpid gives it; -1: unknown */
	int32_t state;	     /* number of TaskState for its live tasks; -1: the agent decides */
	int32_t reason;	     /* number of TaskStatus.Reason; -1: the agent decides */
	const char *message; /* or NULL */
	const struct mz_limitation *limitation; /* or NULL */
};

/* What was measured of a container: fields of ResourceStatistics by name. */
struct mz_usage;
struct mz_usage_api {
	uint32_t size;
	uint32_t reserved;
	/* -ENOENT: there is no such field. Paths as above; "disk_statistics.0.used_bytes"
	 * makes list elements as needed. */
	int (*set_integer)(struct mz_usage *u, const char *path, int64_t value);
	int (*set_number)(struct mz_usage *u, const char *path, double value);
	int (*set_string)(struct mz_usage *u, const char *path, const char *value);
};

#ifdef __cplusplus
}
#endif
#endif
