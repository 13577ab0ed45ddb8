/* rotate.h - between the files of logger/rotate.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_LOGGER_ROTATE_H
#define MZ_LOGGER_ROTATE_H

#define MZ_MODULE_ABI 1
#include <mezzo/logger.h>

#include "../../lib/by_id.h"

enum { ROTATE_PAGE = 4096, ROTATE_MAX_FILES = 1000, ROTATE_N_ARGS = 7 };

struct stream_options {
	int64_t size;
	int64_t n_files;
};

/* How one container's output is kept. */
struct options {
	struct stream_options out, err;
	int compress, timestamps;
};

struct rotate {
	const struct mz_host *h;
	const struct mz_logger_host *k;
	struct by_id_table logs;
	struct options defaults;
	const char *prefix;
	char *helper;
	struct mz_metric *running, *restarts;
};

/* One container's output, and the mezzo-logger that writes it down. */
struct log {
	struct by_id by;
	struct rotate *r;
	char *id;
	char *args[ROTATE_N_ARGS]; /* of mezzo-logger */
	int out, err;	  /* write ends, until they are handed over; else -1 */
	int ins[2];	  /* read ends: what is in the pipes outlives a logger that is killed. -1: not ours */
	int report;	  /* read end, until it has reported; else -1 */
	int32_t pid;	  /* 0: none is running */
	int pidfd;
	int is_known;	  /* to the storage, by its pid */
	int n_restarts;	  /* one soon after the other */
	int64_t begun_ns; /* when it could write, on the host's clock */
	struct mz_op *op; /* prepare, then ended */
	struct mz_watch *watch;	 /* of the report, then of the end */
	struct mz_timer *timer;	 /* until it has reported, or is started again */
	struct mz_timer *ending; /* how long ended waits */
	char said[512];
	size_t n_said;
};

int refuse_with(struct mz_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void say(struct rotate *r, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- override.c ---- */
/* Changes *o as the variables of the container's command say that begin with
 * `prefix`. -EINVAL: one of them is nonsense. */
int override_apply(const struct mz_container *c, const char *prefix, struct options *o, struct mz_err *err);

/* ---- process.c ---- */
/* Knows nothing of pipes or processes yet. -EEXIST: the container has one. */
int log_new(struct rotate *r, const char *id, struct log **ret, struct mz_err *err);
void log_free(struct log *l); /* the process goes on */
struct log *log_find(struct rotate *r, const char *id);
int log_set_args(struct log *l, const struct mz_container *c, const struct options *o, struct mz_err *err);
/* Pipes, and the process at their other ends. l->op is completed when it has said whether
 * it can write, l is freed if not. */
int log_start(struct log *l, struct mz_err *err);
/* A prepare that nobody waits for any more: completes l->op, frees l. */
void log_cancel(struct log *l);
/* The container has ended: completes l->op when everything is written, and frees l. */
void log_end(struct log *l);
/* After a restart of the agent: those whose processes are there, of whatever container; each is
 * forgotten when it has ended. */
int log_recover_all(struct rotate *r);

#endif
