/* mesos.h - between the files of containerizer/mesos.
 *
 * A container is a struct box, in the table from launch (or recover) until its
 * end. launch.c and end.c drive it from state to state; shim.c speaks with its mezzo-init, io.c
 * with its I/O server; records.c reads and removes the status files under <runtime_dir>/containers.
 *
 *	PREPARING -> RESOLVING -> CREATING -> ISOLATING -> STARTING -> RUNNING
 *	    |            |            |           |            |          |
 *	    |            |            +-----------+---- DESTROYING <------+
 *	    +------------+-----------------------------> CLEANING -> (gone)
 *
 * CREATING is the launcher linux's alone: its first process is made by the shim, and
 * linux.c says how.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_CONTAINERIZER_MESOS_H
#define MZ_CONTAINERIZER_MESOS_H

#define MZ_MODULE_ABI 1
#include <mezzo/containerizer.h>
#include <mezzo/logger.h>
#include <stddef.h>
#include <sys/types.h>

#include "../../lib/by_id.h"
#include "../../lib/pending.h"

#define HOST_HAS(k, member) \
	((k)->size >= offsetof(struct mz_containerizer_host, member) + sizeof((k)->member) && (k)->member)

enum box_state {
	BOX_PREPARING,	/* isolators' prepare, in order */
	BOX_RESOLVING,	/* the user's numbers are looked up */
	BOX_CREATING,	/* linux: the shim makes the first process */
	BOX_ISOLATING,	/* the shim exists and waits; isolators' isolate */
	BOX_STARTING,	/* the shim was told to go on */
	BOX_RUNNING,
	BOX_DESTROYING, /* the shim was told to kill everything; or to give up */
	BOX_CLEANING,	/* isolators' cleanup, in reverse order */
	BOX_N_STATES,
};

struct box {
	struct by_id by; /* in mesos.boxes */
	struct mesos *m;
	enum box_state state;
	char *id;
	struct mz_op *launch_op; /* until launch is answered */
	const struct mz_container *c; /* lives as long as launch_op; then NULL */
	struct mz_launch *launch;
	size_t i; /* isolator whose answer we wait for */
	int asking;	/* an isolate is under way: nothing may be cleaned up yet */
	int shim_gone;	/* meanwhile, or while what is nested in it still ends */
	/* The shim. */
	struct mz_child *child;
	int32_t pid, payload;
	int32_t first; /* what isolators are told: posix the shim, linux the first process */
	int is_linux;
	int control;		/* socket, or -1 */
	int pidfd;		/* recovered ones, else -1 */
	struct mz_watch *watch; /* of control or pidfd */
	struct mz_timer *overdue; /* it was told to end */
	int32_t wait_status;	/* of the payload; -1: not known (yet) */
	int has_record;		/* there may be a status file */
	/* Why it does not start, or ends. */
	struct mz_err err;
	struct mz_limitation limitation; /* size 0: none; message is ours */
	char *limitation_message;
	/* Where the output goes, as the logger said; until the shim has it. */
	int fd_out, fd_err;
	char *file_out, *file_err;
	int is_logged; /* the logger knows of it */
	/* Its I/O server, if it was started to be attached to. */
	struct {
		int32_t pid; /* 0: none */
		unsigned long long start;
		int pidfd; /* -1: it has ended */
		struct mz_watch *watch;
		struct mz_timer *timer;
		void (*on_ended)(struct box *b); /* somebody waits for that */
	} io;
	int orphan; /* nobody is told of its end */
	struct recovery *recovery;
	/* Who it runs as, if that is somebody else. */
	int switch_user;
	uid_t uid;
	gid_t gid;
	gid_t groups[64];
	int n_groups;
};

struct mesos {
	const struct mz_host *h;
	const struct mz_containerizer_host *k;
	char *init_path; /* of mezzo-init */
	int is_linux;	 /* launcher */
	int init_fd;	 /* sealed copy of mezzo-init, or -1 */
	char *init_copy; /* path of that */
	char *groups;	 /* directory of the cgroups by which we kill, or NULL */
	char *records;	 /* directory of the status files */
	char *io_dir;	 /* of the I/O servers' sockets */
	int64_t stall_ns, destroy_ns;
	char *own_user;	 /* name of who the agent runs as, or NULL */
	struct by_id_table boxes;
	size_t n_nested; /* of the boxes */
	struct mz_metric *running, *launched, *destroyed;
	/* Records of the ended that may soon be removed, oldest first. */
	struct ended *ended, **ended_tail;
	struct pending *pending; /* what is under way, and is nobody's when the instance is destroyed */
	struct mz_timer *ended_timer;
};

void say(struct mesos *m, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int fail(struct mz_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *reason(int code, char *buf, size_t size); /* strerror */

/* ---- mesos.c -------------------------------------------------------------- */
/* Completes op with this error. */
void refuse(struct mesos *m, struct mz_op *op, int code, const char *text);

/* ---- box.c ------------------------------------------------------------------ */
struct box *box_new(struct mesos *m, const char *id); /* in the table; NULL: no memory, or there is one */
struct box *box_find(struct mesos *m, const char *id);
struct box *box_next(struct mesos *m, const struct box *b); /* of all, as by_id_next() */
void box_free(struct box *b); /* out of the table; the processes are not touched */
/* The one that it is nested in, if that is there. */
struct box *box_parent(const struct box *b);
/* Destroys what is nested in it; true if there is any. */
int box_destroy_nested(struct box *b);
void box_go(struct box *b, enum box_state to);
/* Does this isolator want to know of the container? */
int concerns(struct mesos *m, size_t isolator, const char *id);

/* ---- launch.c --------------------------------------------------------------- */
void mesos_launch(void *inst, const struct mz_container *c, struct mz_op *op);
/* What the shim reports. */
void on_box_created(struct box *b, int32_t first); /* linux: it waits in its namespaces */
void on_box_started(struct box *b, int32_t payload);

/* ---- end.c ------------------------------------------------------------------ */
void on_box_exited(struct box *b); /* the shim is gone; wait_status is set if it was told */
/* Its own process is gone: cleaned up once nothing nested in it is left. */
void box_ended(struct box *b);
/* Frees nothing: whatever is under way is answered first. */
void box_destroy(struct box *b);
/* A step of its launch has failed. */
void give_up(struct box *b, const struct mz_err *err);
/* Was it destroyed while an answer was awaited that cannot be called back? Then it is
 * given up now. */
int called_off(struct box *b);

/* ---- ask.c ------------------------------------------------------------------ */
void mesos_update(void *inst, const struct mz_container *c, struct mz_op *op);
void mesos_usage(void *inst, const char *id, struct mz_usage *u, struct mz_op *op);
void mesos_status(void *inst, const char *id, struct mz_usage *u, struct mz_op *op);

/* ---- linux.c ------------------------------------------------------------------ */
/* The launch description while it is written; one failed allocation spoils it all. */
struct text {
	char *data;
	size_t len, cap;
	int broken;
};
void text_add(struct text *t, char key, const char *a, const char *b); /* "a=b" */
int text_file(struct text *t, int *ret_fd, struct mz_err *err); /* frees it */

/* The launcher at the start of the instance. */
int linux_create(struct mesos *m, struct mz_err *err);
void linux_done(struct mesos *m);
/* A step that only this launcher can do. */
int linux_add_step(struct text *t, const struct mz_launch_entry *e, struct mz_err *err);
/* What has to be known of all steps together. */
int linux_describe(struct box *b, struct text *t, struct mz_err *err);
char *linux_group(const struct mesos *m, const char *id); /* NULL: none, or no memory */
/* Numbers, and behind them text. */
void text_add_line(struct text *t, char key, const char *numbers, const char *rest);
/* Kills what is in them and removes them, in a process of its own that ends in time, with
 * another status than 0 if not all are dead; then fn. */
int linux_kill_groups(struct mesos *m, const char *const *ids, size_t n, mz_exit_fn fn, void *arg, struct mz_err *err);

/* ---- records.c ---------------------------------------------------------------- */
struct record {
	char *id;
	int32_t pid, payload, wait_status;
	int is_linux;
	int ended;     /* wait_status is known */
	int named;     /* recovery: by the agent */
	int pidfd;     /* of the living shim, or -1 */
	int32_t io_pid; /* of the I/O server; 0: none */
	unsigned long long io_start;
	int io_pidfd; /* of the living one, or -1 */
};
char *record_path(const struct mesos *m, const char *id);
/* All of them; blocking. The caller may take their pidfds. */
int records_read(const char *dir, struct record **ret, size_t *ret_n, struct mz_err *err);
void records_free(struct record *v, size_t n);
/* One; blocking. The caller frees its id, which is NULL if the file does not say it. */
int record_read(const char *path, struct record *ret);
/* Removes it after a while: the agent has not written yet that it knows. */
void record_remove_later(struct mesos *m, const char *id);
void record_remove(struct mesos *m, const char *id); /* now, on a worker thread */
/* Before it returns: of a failed launch, whose id may be used again at once. Most shims have
 * done it themselves. */
void record_unlink(const struct mesos *m, const char *id);
/* Now, one that was to be removed later; op is completed when it is gone. */
void record_remove_asked(struct mesos *m, const char *id, struct mz_op *op);
void records_done(struct mesos *m);

/* ---- shim.c ----------------------------------------------------------------- */
/* Starts it; it waits. *err on failure. */
int shim_start(struct box *b, struct mz_err *err);
int shim_release(struct box *b, struct mz_err *err); /* lets it go on */
void shim_call_off(struct box *b);		     /* before release */
int shim_signal(struct box *b, int signal);	     /* to the shim itself */
int shim_forward(struct box *b, int signal);	     /* to the payload */
/* Watches a shim that another life of the agent has started; takes pidfd. */
int shim_adopt(struct box *b, const struct record *r, int pidfd);
int shim_lives(const struct box *b); /* as far as one can see now */
void shim_done(struct box *b); /* closes everything; the process is not touched */

/* ---- io.c ------------------------------------------------------------------- */
int io_create(struct mesos *m, struct mz_err *err);
/* What the shim is to do for it, if the container is to be attachable. */
void io_describe(struct box *b, struct text *t);
void io_told(struct box *b, const char *text); /* by the shim: "PID START" */
void io_adopt(struct box *b, int32_t pid, unsigned long long start, int pidfd); /* takes pidfd */
void io_check(struct box *b); /* destroys a running container that has lost it */
/* When it has ended, fn, from the loop; 0: it has already, or there is none. */
int io_wait(struct box *b, void (*fn)(struct box *b));
void io_done(struct box *b); /* the process is not touched */
void io_sweep(const struct mesos *m); /* blocking */
void mesos_attach(void *inst, const char *id, struct mz_op *op);

/* ---- recover.c ---------------------------------------------------------------- */
void mesos_recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op);
/* A container of the recovery has been reported. */
void recovery_step(struct recovery *r);

#endif
