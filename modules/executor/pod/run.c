/* run.c - executor/pod: commands of checks. Each runs in a container of its own inside
 * its task's, so that it sees what the task sees. Not here: when it is run, and what its
 * result means (lib/checks).
 *
 *	LAUNCHING -> RUNNING -> REMOVING -> (freed)
 *
 * A run that nobody waits for any more is killed, and removed all the same. What the
 * agent cannot be asked now is asked when it is back; its result is lost then.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include "pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const int64_t RETRY_NS = 250 * 1000000LL;

enum run_state { RUN_LAUNCHING, RUN_RUNNING, RUN_REMOVING };

struct check_run {
	struct check_run *next; /* in pod.runs */
	struct task *task;
	const char *field;
	char *path; /* of its container */
	enum run_state state;
	checks_done_fn done; /* NULL: told, or not wanted */
	void *done_arg;
	int calling, killing, kill_due, asked;
	struct mz_timer *retry;
};

static void drive(struct check_run *r);

static void run_free(struct check_run *r)
{
	struct pod *p = r->task->pod;
	struct check_run **at = &p->runs;
	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	p->h->timer_cancel(p->h, r->retry);
	free(r->path);
	free(r);
}

static void tell(struct check_run *r, int value, const char *why)
{
	checks_done_fn done = r->done;
	r->done = NULL;
	if (done)
		done(r->done_arg, value, why);
}

static void on_retry(void *arg)
{
	struct check_run *r = arg;
	r->retry = NULL;
	drive(r);
}

/* Its container may run or not: it is ended, whatever there is. */
static void away(struct check_run *r)
{
	struct pod *p = r->task->pod;
	if (!r->retry)
		r->retry = p->h->timer(p->h, RETRY_NS, on_retry, r);
	if (r->state != RUN_REMOVING)
		r->kill_due = 1;
	tell(r, CHECK_SKIPPED, "the agent is away");
}

static void on_launched(void *arg, int status, struct mz_bytes body)
{
	struct check_run *r = arg;
	char why[300];
	r->calling = 0;
	if (pod_is_away(status)) {
		away(r);
	} else if (status == 200 || status == 202) {
		r->state = RUN_RUNNING;
		drive(r);
	} else {
		snprintf(why, sizeof(why), "it cannot be launched: %.*s", (int)(body.size < 250 ? body.size : 250),
			 body.size ? (const char *)body.data : "");
		tell(r, CHECK_FAILED, why);
		run_free(r);
	}
}

static void on_waited(void *arg, int status, struct mz_bytes body)
{
	struct check_run *r = arg;
	char why[80];
	r->calling = 0;
	if (pod_is_away(status)) {
		away(r);
		return;
	}
	r->state = RUN_REMOVING;
	long end = status == 200 ? json_number(body.data, body.size, "exit_status", -1) : -1;
	int code = end < 0 ? CHECK_FAILED : WIFEXITED(end) ? WEXITSTATUS(end) : 128 + WTERMSIG(end);
	if (code < 0)
		snprintf(why, sizeof(why), "how the command ended is not known");
	else
		snprintf(why, sizeof(why), "the command exited with status %d", code);
	tell(r, code, why);
	drive(r);
}

static void on_killed(void *arg, int status, struct mz_bytes body)
{
	struct check_run *r = arg;
	(void)body;
	r->killing = 0;
	if (pod_is_away(status)) {
		r->kill_due = 1;
		away(r);
		return;
	}
	/* A launch that had no answer: it has come to nothing, or it waits to be removed. */
	if (r->state == RUN_LAUNCHING)
		r->state = RUN_RUNNING;
	drive(r);
}

static void on_removed(void *arg, int status, struct mz_bytes body)
{
	struct check_run *r = arg;
	(void)body;
	r->calling = 0;
	if (pod_is_away(status))
		away(r);
	else if (!r->killing)
		run_free(r);
}

static void ask(struct check_run *r, const char *type, const char *member,
		void (*fn)(void *arg, int status, struct mz_bytes body))
{
	struct text t = {0};
	call_about(r->path, type, member, &t);
	text_adds(&t, "}}");
	pod_call(r->task->pod, &t, fn, r);
}

static void drive(struct check_run *r)
{
	struct pod *p = r->task->pod;
	if (!p->connected || r->retry || r->killing)
		return;
	if (r->kill_due && r->state != RUN_REMOVING && r->asked && !(r->state == RUN_LAUNCHING && r->calling)) {
		r->kill_due = 0;
		r->killing = 1;
		ask(r, "KILL_NESTED_CONTAINER", "kill_nested_container", on_killed);
		return;
	}
	if (r->calling)
		return;
	r->calling = 1;
	if (r->state == RUN_LAUNCHING) {
		struct text t = {0};
		r->asked = 1;
		call_launch_check(r->task, r->path, r->field, &t);
		pod_call(p, &t, on_launched, r);
	} else if (r->state == RUN_RUNNING) {
		ask(r, "WAIT_NESTED_CONTAINER", "wait_nested_container", on_waited);
	} else {
		ask(r, "REMOVE_NESTED_CONTAINER", "remove_nested_container", on_removed);
	}
}

static void on_begin(void *arg)
{
	struct check_run *r = arg;
	struct pod *p = r->task->pod;
	r->retry = NULL;
	if (p->connected) {
		drive(r);
		return;
	}
	tell(r, CHECK_SKIPPED, "the agent is away");
	run_free(r);
}

void *run_start(void *arg, const char *field, checks_done_fn done, void *done_arg)
{
	struct task *t = arg;
	struct pod *p = t->pod;
	struct check_run *r = calloc(1, sizeof(*r));
	char id[40];
	pod_make_id(p, id);
	if (!r || asprintf(&r->path, "%s.check-%s", t->container_path, id) < 0) {
		free(r);
		return NULL;
	}
	r->task = t;
	r->field = field;
	r->done = done;
	r->done_arg = done_arg;
	r->next = p->runs;
	p->runs = r;
	r->retry = p->h->timer(p->h, 0, on_begin, r); /* whoever starts it is not told from inside */
	return r;
}

void run_stop(void *arg, void *run)
{
	struct check_run *r = run;
	(void)arg;
	r->done = NULL;
	if (!r->asked) {
		run_free(r);
		return;
	}
	r->kill_due = 1;
	drive(r);
}

void runs_connected(struct pod *p)
{
	for (struct check_run *r = p->runs, *next; r; r = next) {
		next = r->next;
		drive(r);
	}
}

void runs_free(struct pod *p)
{
	while (p->runs)
		run_free(p->runs);
}
