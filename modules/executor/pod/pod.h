/* pod.h - between the files of executor/pod.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_EXECUTOR_POD_H
#define MZ_EXECUTOR_POD_H

#include <mezzo/executor.h>

enum task_state {
	TASK_NEW,	/* its container is (to be) launched */
	TASK_RUNS,	/* its container's end is (to be) waited for */
	TASK_ENDED,
};

struct pod;

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
	struct mz_timer *retry; /* for both: the agent did not answer */
	/* How it is being killed: */
	int killing, timed_out, told_killing;
	int signal_due; /* signal that has to be sent; 0: none */
	int64_t kill_due;
	struct mz_timer *kill_timer, *completion_timer;
};

struct pod {
	const struct mz_host *h;
	const struct mz_executor_host *k;
	struct task *tasks, **tasks_end;
	uint32_t n_groups;
	size_t n_live;
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
/* A string, without its quotes and escapes; 0 if there is none. */
int json_string(const char *json, size_t len, const char *key, char *out, size_t size);

/* ---- calls.c: what is said to the agent ------------------------------------------ */
/* Bodies of calls; *t is the caller's to free. */
void call_launch(const struct task *task, struct text *t);
void call_wait(const struct task *task, struct text *t);
void call_kill(const struct task *task, int signal, struct text *t);

#endif
