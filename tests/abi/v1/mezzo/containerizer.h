/* <mezzo/containerizer.h> - containerizers: how containers are run.
 *
 * Several may be configured: launch is tried in their order until one says that
 * the container is its own. From then on all calls about it go there.
 *
 * LIFE CYCLE of a container
 *   launch -> [update, usage, status, kill]* -> host->exited -> remove (nested ones)
 *   terminate may come at any time, also while launch is under way: then launch
 *   completes (with an error, if it had not succeeded yet), and exited follows.
 *   exited is called exactly once for each container whose launch succeeded, after
 *   all its processes are dead and its isolators have cleaned up. A launch that
 *   fails has cleaned up behind itself before it completes.
 * RECOVERY  recover gets what the agent has on record. For each, either it is
 *   still running (it is re-attached) or exited is called, with its exact
 *   wait status if that is known in any way. Whatever else is found running is
 *   an orphan, and is destroyed.
 * ATTACHING  a container that is attachable (or has a tty) has an I/O server, a process
 *   that outlives the agent and holds the other ends of its stdin, stdout and
 *   stderr. `attach` gives a connected, non-blocking stream socket to it. What is written
 *   and read there are frames: one byte of type (enum mz_io), three bytes zero, four bytes
 *   length (little endian, at most MZ_IO_MAX), data. The first frame from the client is
 *   MZ_IO_HELLO; whoever says anything else than it may is cut, the others are not.
 *   Several may be attached, for input and for output: each for output gets all of it
 *   from then on, ending with MZ_IO_END exactly once, and who closes its side is
 *   detached. Output that nobody is attached for is logged and not kept; that of a
 *   debug container waits for the first one, a minute at most. With a tty everything
 *   is MZ_IO_STDOUT.
 *   Who does not read holds up the container and the others, but only for a time
 *   that the operator sets: then it is cut, without MZ_IO_END. After the container's
 *   end all have five seconds for what is left; then its end is reported.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CONTAINERIZER_H
#define MEZZO_CONTAINERIZER_H

#include <mezzo/container.h>
#include <mezzo/isolator.h>
#include <mezzo/module.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MZ_IO_MAX = 65536 };
enum mz_io {
	MZ_IO_HELLO = 1,  /* to: one byte, 'i' (to send input) or 'o' (to get output) */
	MZ_IO_STDIN = 2,  /* to; no data: end of file (a tty: what ^D does) */
	MZ_IO_WINDOW = 3, /* to: rows, columns, each two bytes little endian */
	MZ_IO_STDOUT = 4, /* from */
	MZ_IO_STDERR = 5, /* from */
	MZ_IO_END = 6,	  /* from, last: all output was sent */
};

/* Result of attach; the socket is the caller's. */
struct mz_attach_result {
	uint32_t size;
	int32_t fd;
};

/* Result of launch. */
struct mz_launch_result {
	uint32_t size;
	int32_t mine; /* 0: not this containerizer's kind; nothing was done */
	int32_t pid;  /* first process of the container as the host sees it */
};

struct mz_container_status {
	uint32_t size;
	int32_t pid;
};

/* One request of an isolator, as recorded by the launch_* functions. */
enum mz_launch_step {
	MZ_LAUNCH_ENV = 1,	    /* a: name, b: value */
	MZ_LAUNCH_NAMESPACE = 2,    /* n[0]: clone flag */
	MZ_LAUNCH_ENTER = 3,	    /* n[0]: clone flag, a: path */
	MZ_LAUNCH_CGROUP = 4,	    /* a: path */
	MZ_LAUNCH_ROOTFS = 5,	    /* a: path */
	MZ_LAUNCH_MOUNT = 6,	    /* mount */
	MZ_LAUNCH_MASK = 7,	    /* a: path */
	MZ_LAUNCH_READ_ONLY = 8,    /* a: path */
	MZ_LAUNCH_DEVICE = 9,	    /* a: path, n: mode, major, minor */
	MZ_LAUNCH_RLIMIT = 10,	    /* n: resource, soft, hard */
	MZ_LAUNCH_CAPABILITIES = 11, /* n: effective, permitted, inheritable, bounding, ambient */
	MZ_LAUNCH_NO_NEW_PRIVS = 12,
	MZ_LAUNCH_SECCOMP = 13,	    /* bytes */
	MZ_LAUNCH_ID_MAP = 14,	    /* n: is_gid, inside, outside, count */
	MZ_LAUNCH_GROUPS = 15,	    /* bytes: uint32_t[] */
	MZ_LAUNCH_WORK_DIR = 16,    /* a: path */
	MZ_LAUNCH_HOSTNAME = 17,    /* a */
	MZ_LAUNCH_FILE = 18,	    /* a: path, n[0]: mode, bytes */
	MZ_LAUNCH_OOM_SCORE_ADJ = 19, /* n[0] (signed) */
	MZ_LAUNCH_HOOK = 20,	    /* argv */
};

struct mz_launch_entry {
	uint32_t size;
	uint32_t step; /* enum mz_launch_step */
	const char *isolator; /* who asked */
	const char *a, *b;
	uint64_t n[5];
	struct mz_bytes bytes;
	const struct mz_mount *mount;
	const char *const *argv;
};

/* The configured isolators, in order. Each call is timed and its op has a
 * deadline; a NULL callback of the module completes at once. Behind launch only
 * the id and pid of a container that is passed on matter: the host knows the
 * rest. Append only. */
struct mz_containerizer_host {
	uint32_t size;
	uint32_t reserved;
	const struct mz_resources_api *resources;
	const struct mz_info_api *info;
	const struct mz_usage_api *usage;
	const char *(*work_dir)(const struct mz_host *h);
	/* Private to this daemon, gone after a reboot of the machine. */
	const char *(*runtime_dir)(const struct mz_host *h);
	const char *(*libexec_dir)(const struct mz_host *h); /* of mezzo-init … */
	int (*is_root)(const struct mz_host *h);
	/* Run containers as their own user (and not the agent's)? */
	int (*switch_user)(const struct mz_host *h);

	/* The container has ended, see RECOVERY and LIFE CYCLE. */
	void (*exited)(const struct mz_host *h, const char *container_id, const struct mz_termination *t);

	/* A fresh op of the containerizer's own: fn is called once when it is
	 * completed. err is NULL for success. */
	struct mz_op *(*op)(const struct mz_host *h,
			    void (*fn)(void *arg, const struct mz_err *err, const void *result), void *arg);

	size_t (*n_isolators)(const struct mz_host *h);
	const char *(*isolator_name)(const struct mz_host *h, size_t i);
	uint32_t (*isolator_flags)(const struct mz_host *h, size_t i);
	void (*isolator_recover)(const struct mz_host *h, size_t i, const struct mz_container *const *c, size_t n,
				 struct mz_op *op);
	void (*isolator_prepare)(const struct mz_host *h, size_t i, const struct mz_container *c,
				 struct mz_launch *l, struct mz_op *op);
	void (*isolator_isolate)(const struct mz_host *h, size_t i, const struct mz_container *c, int32_t pid,
				 struct mz_op *op);
	void (*isolator_update)(const struct mz_host *h, size_t i, const struct mz_container *c,
				struct mz_op *op);
	void (*isolator_usage)(const struct mz_host *h, size_t i, const struct mz_container *c,
			       struct mz_usage *u, struct mz_op *op);
	void (*isolator_status)(const struct mz_host *h, size_t i, const struct mz_container *c,
				struct mz_usage *u, struct mz_op *op);
	void (*isolator_cleanup)(const struct mz_host *h, size_t i, const char *container_id, struct mz_op *op);
	/* Called by the host when an isolator reports a limitation: set once by
	 * the containerizer in create. */
	void (*on_limitation)(const struct mz_host *h,
			      void (*fn)(void *inst, const char *container_id, const struct mz_limitation *l),
			      void *inst);

	/* Launch descriptions: made for one launch, given to prepare. `launch_read`
	 * walks what the isolators asked for, in order: each entry is an
	 * enum mz_launch_step and its data. */
	struct mz_launch *(*launch_new)(const struct mz_host *h);
	void (*launch_free)(struct mz_launch *l);
	int (*launch_read)(const struct mz_launch *l, size_t i, struct mz_launch_entry *ret); /* -ENOENT behind the last */

	/* See struct mz_isolator_host. */
	const char *(*cgroups_hierarchy)(const struct mz_host *h);
	const char *(*cgroups_root)(const struct mz_host *h);
	/* The configured logger prepares for a container's output: completes with
	 * struct mz_logger_result (<mezzo/logger.h>), whose fds are the caller's. */
	void (*logger_prepare)(const struct mz_host *h, const struct mz_container *c, struct mz_op *op);
	void (*logger_recover)(const struct mz_host *h, const struct mz_container *const *c, size_t n,
			       struct mz_op *op);
	/* Its processes are dead and all output has been written by them. */
	void (*logger_ended)(const struct mz_host *h, const char *container_id, struct mz_op *op);
	/* Is it in the isolator's list `provides`? */
	int (*isolator_provides)(const struct mz_host *h, size_t i, const char *what);
};

struct mz_containerizer_ops {
	MZ_OPS_HEAD;
	/* Required. Completes when every container was re-attached or reported. */
	void (*recover)(void *inst, const struct mz_container *const *containers, size_t n, struct mz_op *op);
	/* Required. Completes with struct mz_launch_result when the process runs
	 * isolated. `c` lives until then. */
	void (*launch)(void *inst, const struct mz_container *c, struct mz_op *op);
	/* Resources of a running container. NULL: succeeds at once. */
	void (*update)(void *inst, const struct mz_container *c, struct mz_op *op);
	/* NULL: nothing is measured. */
	void (*usage)(void *inst, const char *container_id, struct mz_usage *u, struct mz_op *op);
	/* Completes with struct mz_container_status; fields of ContainerStatus go
	 * into `u`. NULL: nothing is known. */
	void (*status)(void *inst, const char *container_id, struct mz_usage *u, struct mz_op *op);
	/* Signals the container's first process. NULL: -ENOSYS. */
	int (*kill)(void *inst, const char *container_id, int signal, struct mz_err *err);
	/* Required. Kills everything in it, and what is nested in it. -ENOENT if
	 * it is not known; else exited follows. */
	int (*terminate)(void *inst, const char *container_id, struct mz_err *err);
	/* Removes what an ended nested container left behind. NULL: nothing is left. */
	void (*remove)(void *inst, const char *container_id, struct mz_op *op);
	/* Completes with struct mz_attach_result. -ENOENT: it has ended; -EOPNOTSUPP: it
	 * is not attachable. NULL: nothing can be attached to. */
	void (*attach)(void *inst, const char *container_id, struct mz_op *op);
};

#ifdef __cplusplus
}
#endif
#endif
