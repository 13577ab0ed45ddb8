/* pod.h - between the files of executor/pod.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_EXECUTOR_POD_H
#define MZ_EXECUTOR_POD_H

#include <mezzo/executor.h>

#include "../../lib/checks/checks.h"

enum task_state {
	TASK_NEW,	/* its container is (to be) launched */
	TASK_RUNS,	/* its container's end is (to be) waited for */
	TASK_ENDED,
};

struct pod;
struct check_run;

struct task {
	struct task *next; /* in pod.tasks */
	struct pod *pod;
	const char *id; /* it and info live until destroy */
	const struct mz_info *info;
	uint32_t group;
	enum task_state state;
	char container[40];	/* own id of its container */
	char *container_path;	/* "PARENT.CHILD" */
	int calling;		/* launch or wait is under way */
	int signalling;		/* a kill is */
	int launching;		/* and was when the launch had no answer yet */
	struct mz_timer *retry; /* for both: the agent did not answer */
	/* How it is being killed: */
	int killing, timed_out, told_killing;
	int signal_due; /* signal that has to be sent; 0: none */
	int64_t kill_due;
	struct mz_timer *kill_timer, *completion_timer;
	struct checks *checks; /* or NULL */
	int healthy, check_value; /* -1: not known */
};

struct pod {
	const struct mz_host *h;
	const struct mz_executor_host *k;
	struct task *tasks, **tasks_end;
	uint32_t n_groups;
	size_t n_live;
	struct check_run *runs;
	int connected, shutting_down, finished;
};

/* ---- text.c ------------------------------------------------------------------ */

/* A text that grows; one failed allocation spoils it. */
struct text {
	char *data;
	size_t len, cap;
	int broken;
};
void text_add(struct text *t, const char *s, size_t len);
void text_adds(struct text *t, const char *s);
void text_string(struct text *t, const char *s); /* a JSON string */

/* The value of `key` in the outermost object that has it: a number; `otherwise` if
 * there is none. */
long json_number(const char *json, size_t len, const char *key, long otherwise);
/* The text of an object, with its braces; 0 if there is none. */
int json_object(const char *json, size_t len, const char *key, struct mz_bytes *ret);
/* A string, without its quotes and escapes; 0 if there is none. */
int json_string(const char *json, size_t len, const char *key, char *out, size_t size);

/* ---- calls.c: what is said to the agent ------------------------------------------ */
/* Bodies of calls; *t is the caller's to free. */
void call_launch(const struct task *task, struct text *t);
void call_wait(const struct task *task, struct text *t);
void call_kill(const struct task *task, int signal, struct text *t);
/* The same about a container of a check; `field` of the task is its CommandInfo. */
void call_launch_check(const struct task *task, const char *path, const char *field, struct text *t);
void call_about(const char *path, const char *type, const char *member, struct text *t);

/* ---- run.c: commands of checks ---------------------------------------------------- */
/* For struct checks_events; arg is the task. */
void *run_start(void *arg, const char *field, checks_done_fn done, void *done_arg);
void run_stop(void *arg, void *run);
void runs_connected(struct pod *p);
void runs_free(struct pod *p);

/* ---- pod.c -------------------------------------------------------------------------- */
void pod_make_id(struct pod *p, char out[40]);
/* A call of the agent's API, whose text is freed. */
void pod_call(struct pod *p, struct text *body, void (*fn)(void *arg, int status, struct mz_bytes body), void *arg);
int pod_is_away(int status); /* the agent: ask again later */

#endif
