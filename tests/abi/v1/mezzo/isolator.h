/* <mezzo/isolator.h> - isolators: what a container may see and use.
 *
 * DATA
 *   struct mz_container  the container, <mezzo/container.h>
 *   struct mz_launch     what will be done between fork and exec; an isolator
 *                        adds to it in prepare, through struct mz_isolator_host
 *
 * LIFE CYCLE of the instance: create; recover (once); containers; destroy.
 * LIFE CYCLE of a container, driven by a containerizer, in the configured order:
 *   1. prepare   may fail: the launch fails, cleanup follows. The process does
 *                not exist yet.
 *   2. isolate   the process exists and waits; `pid` is the container's first
 *                process as the host sees it: under the launcher `posix` the shim,
 *                under `linux` the one that is already in the container's new
 *                namespaces and cgroups, but has not mounted or changed anything
 *                yet. May fail: it is killed, cleanup follows.
 *   3. update    the resources have changed; any number of times. May fail.
 *      usage, status, limitation()  at any time between 2 and 4
 *   4. cleanup   in reverse order, once all processes are dead. May come for a
 *                container that this instance does not know (prepare never
 *                ran, or the agent restarted): it must succeed then. Is repeated
 *                after a restart if it did not complete.
 *   After a restart of the agent, recover replaces 1 and 2 for what still runs.
 *
 * CONVENTIONS as in <mezzo/module.h>. Containers of other isolators' making do not
 * matter: each keeps its own table, by id. A container that needs nothing from
 * this isolator completes at once. update, usage and status may come for one that this
 * instance does not know, with nothing but id and pid: they complete, in whatever way.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_ISOLATOR_H
#define MEZZO_ISOLATOR_H

#include <mezzo/container.h>
#include <mezzo/module.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mz_launch;

/* A bind mount may have MS_RDONLY, MS_NOSUID, MS_NODEV and MS_NOEXEC as any other,
 * and one of MS_SLAVE and MS_SHARED: its propagation, private without. */
struct mz_mount {
	uint32_t size;
	uint32_t flags;	     /* of mount(2) */
	const char *source;  /* host path, or NULL */
	const char *target;  /* path in the container; made if it is missing */
	const char *type;    /* NULL: a bind mount */
	const char *options; /* or NULL */
	int32_t target_is_file;
	int32_t recursive;
	/* No component of source or target may be a symbolic link when they are opened, and
	 * the target exists: else the launch fails. For paths through directories that a task
	 * can write to. */
	int32_t no_symlinks;
	/* With no_symlinks: the target is made if it is missing, over no link. */
	int32_t make_target;
};

/* Host services of the kind: host->kind. The launch_* functions may be called
 * between prepare and the completion of its op; everything is copied. They
 * return 0, or a negative errno (asked twice for different things, not
 * supported by the launcher), which the isolator passes on. Append only. */
struct mz_isolator_host {
	uint32_t size;
	uint32_t reserved;
	const struct mz_resources_api *resources;
	const struct mz_info_api *info;
	const struct mz_usage_api *usage;
	/* The agent's working directory. */
	const char *(*work_dir)(const struct mz_host *h);
	/* Is the agent root, may it use the linux launcher? */
	int (*is_root)(const struct mz_host *h);

	/* The container went over a limit: it will be destroyed. */
	void (*limitation)(const struct mz_host *h, const char *container_id, const struct mz_limitation *l);

	int (*launch_env)(struct mz_launch *l, const char *name, const char *value);
	/* CLONE_NEW* flags for a new namespace; a path of an existing one to enter. */
	int (*launch_namespace)(struct mz_launch *l, int clone_flag);
	int (*launch_enter)(struct mz_launch *l, int clone_flag, const char *path);
	/* Directory of a cgroup to start in (v2: by clone3; v1: cgroup.procs). */
	int (*launch_cgroup)(struct mz_launch *l, const char *path);
	/* The root file system: a directory of the host; or "tmpfs", an empty one in memory,
	 * of the container alone, gone with it. What its isolator mounts and makes comes ahead
	 * of what others do. */
	int (*launch_rootfs)(struct mz_launch *l, const char *path);
	int (*launch_mount)(struct mz_launch *l, const struct mz_mount *m);
	int (*launch_mask)(struct mz_launch *l, const char *path);	/* unreadable */
	int (*launch_read_only)(struct mz_launch *l, const char *path); /* read-only */
	int (*launch_device)(struct mz_launch *l, const char *path, uint32_t mode, uint32_t dev_major,
			     uint32_t dev_minor);
	int (*launch_rlimit)(struct mz_launch *l, int resource, uint64_t soft, uint64_t hard);
	/* Bit masks of capabilities. */
	int (*launch_capabilities)(struct mz_launch *l, uint64_t effective, uint64_t permitted,
				   uint64_t inheritable, uint64_t bounding, uint64_t ambient);
	int (*launch_no_new_privs)(struct mz_launch *l);
	/* A BPF program (struct sock_filter[]), installed last. */
	int (*launch_seccomp)(struct mz_launch *l, struct mz_bytes program);
	int (*launch_id_map)(struct mz_launch *l, int is_gid, uint32_t inside, uint32_t outside, uint32_t n);
	int (*launch_groups)(struct mz_launch *l, const uint32_t *gids, size_t n);
	int (*launch_work_dir)(struct mz_launch *l, const char *path); /* inside the container */
	int (*launch_hostname)(struct mz_launch *l, const char *hostname);
	/* A file that is written before exec, path inside the container. With S_IFDIR in mode
	 * a directory, with S_IFLNK a symbolic link to what `content` says. */
	int (*launch_file)(struct mz_launch *l, const char *path, uint32_t mode, struct mz_bytes content);
	int (*launch_oom_score_adj)(struct mz_launch *l, int value);
	/* A host program that runs after the namespaces exist, before the rootfs is
	 * entered; a non-zero exit fails the launch. */
	int (*launch_hook)(struct mz_launch *l, const char *const *argv);

	/* As the operator configured: where cgroup hierarchies are mounted
	 * ("/sys/fs/cgroup"), and the group below their roots that is ours ("mezzo"). */
	const char *(*cgroups_hierarchy)(const struct mz_host *h);
	const char *(*cgroups_root)(const struct mz_host *h);
	/* Private to this daemon, gone after a reboot of the machine. */
	const char *(*runtime_dir)(const struct mz_host *h);
	const char *(*libexec_dir)(const struct mz_host *h); /* of mezzo's own helpers */
	/* What the Secret at `path` of a message stands for: the configured resolver is
	 * asked. fn once, from the loop, never from inside, unless the instance is
	 * destroyed before; the bytes live until it returns. m need not live on. */
	void (*secret)(const struct mz_host *h, const struct mz_info *m, const char *path,
		       void (*fn)(void *arg, const struct mz_err *err, struct mz_bytes secret), void *arg);
	/* Is its file system the container's own, or its parent's own, so that paths in it are
	 * none of the host's? For who gives it a root: from launch_rootfs on. */
	int (*launch_has_rootfs)(const struct mz_launch *l);
	/* Directories of the host that executors need, wherever they run: their program's,
	 * their modules', that of the agent's socket for them. Absolute; NULL behind the last. */
	const char *(*executor_path)(const struct mz_host *h, size_t i);
};

enum {
	MZ_ISOLATOR_NESTED = 1,	    /* wants nested containers as well */
	MZ_ISOLATOR_STANDALONE = 2, /* wants standalone containers as well */
	MZ_ISOLATOR_ROOT = 4,	    /* needs the linux launcher */
};

struct mz_isolator_ops {
	MZ_OPS_HEAD;
	/* MZ_ISOLATOR_* of this instance. NULL: 0. */
	uint32_t (*flags)(void *inst);
	/* Containers that survived a restart of the agent, with pid. What the
	 * isolator keeps of any other container is an orphan: it cleans it up.
	 * NULL: nothing to recover. */
	void (*recover)(void *inst, const struct mz_container *const *containers, size_t n, struct mz_op *op);
	/* NULL: nothing to prepare. */
	void (*prepare)(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op);
	/* NULL: nothing to do. */
	void (*isolate)(void *inst, const struct mz_container *c, int32_t pid, struct mz_op *op);
	/* c has the new resources and limits. NULL: they do not matter. */
	void (*update)(void *inst, const struct mz_container *c, struct mz_op *op);
	/* Fills in what it measures; `u` is shared by all isolators of the
	 * container. NULL: nothing. */
	void (*usage)(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op);
	/* Fields of ContainerStatus by path, set through host usage->set_*. Asked when the
	 * container runs, and before the failure of a task in it is told to the framework: a
	 * limitation that has been hit is to be reported before this completes. NULL: nothing. */
	void (*status)(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op);
	/* NULL: nothing to clean up. */
	void (*cleanup)(void *inst, const char *container_id, struct mz_op *op);
	/* Scalar resources that it has found on this machine, "gpus:4"; valid as long as
	 * the instance. The agent offers them, or as much as the operator names, and
	 * refuses to start if that is more. NULL, or a result that is NULL: none. */
	const char *(*resources)(void *inst);
	/* What a container can ask for only where an isolator sees to it, by path and type in
	 * its ContainerInfo: "mesos.image", "volumes/HOST_PATH" (SANDBOX_PATH, SECRET, IMAGE …),
	 * "network_infos" (with a name). NULL behind the last. Containerizers refuse what
	 * nobody provides. NULL: nothing of that. */
	const char *const *provides;
};

#ifdef __cplusplus
}
#endif
#endif
