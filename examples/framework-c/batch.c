/* batch.c - a small batch scheduler: runs each line of a file as a task, and may
 * itself be killed at any moment. Started again, it goes on where it was.
 *
 *	batch MASTER COMMANDS JOURNAL
 *
 * The tutorial docs/frameworks.md makes this file step by step.
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <mezzo/framework.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"

enum job_state { WAITING, LAUNCHED, DONE, FAILED };

struct job {
	char *command;
	enum job_state state;
	int attempt; /* part of the task id, so that no id is used twice */
	char agent_id[256];
};

struct batch {
	struct mzf_framework *f;
	FILE *journal;
	char framework_id[256]; /* "": none yet */
	struct job *jobs;
	int n_jobs;
	int leaving, status;
};

static int count(const struct batch *b, enum job_state state)
{
	int n = 0;

	for (int i = 0; i < b->n_jobs; i++)
		n += b->jobs[i].state == state;
	return n;
}

static void must_sync(struct batch *b)
{
	if (journal_sync(b->journal) == 0)
		return;
	perror("batch: the journal cannot be written");
	exit(2);
}

/* ---- what was ------------------------------------------------------------------- */

static void read_commands(struct batch *b, const char *path)
{
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (!in) {
		perror(path);
		exit(2);
	}
	while ((len = getline(&line, &cap, in)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		b->jobs = realloc(b->jobs, (size_t)(b->n_jobs + 1) * sizeof(*b->jobs));
		b->jobs[b->n_jobs++] = (struct job){.command = strdup(line)};
	}
	free(line);
	fclose(in);
}

static void on_line(void *arg, char *line)
{
	struct batch *b = arg;
	struct job *j;
	char agent[256];
	int i, attempt;

	if (sscanf(line, "framework %255s", b->framework_id) == 1)
		return;
	if (sscanf(line, "%*s %d", &i) != 1 || i < 0 || i >= b->n_jobs)
		return;
	j = &b->jobs[i];
	if (sscanf(line, "launch %*d %d %255s", &attempt, agent) == 2) {
		j->state = LAUNCHED;
		j->attempt = attempt;
		strcpy(j->agent_id, agent);
	} else if (strncmp(line, "again ", 6) == 0) {
		j->state = WAITING;
	} else if (strncmp(line, "done ", 5) == 0) {
		j->state = DONE;
	} else if (strncmp(line, "failed ", 7) == 0) {
		j->state = FAILED;
	}
}

/* ---- the framework --------------------------------------------------------------- */

static int on_framework_id(void *arg, const char *id)
{
	struct batch *b = arg;

	journal_add(b->journal, "framework %s", id);
	return journal_sync(b->journal);
}

static void on_gone(void *arg, const char *why)
{
	struct batch *b = arg;

	if (why)
		fprintf(stderr, "batch: the framework could not be ended: %s\n", why);
	mzf_stop(b->f);
}

static void leave_when_over(struct batch *b)
{
	if (b->leaving || count(b, WAITING) || count(b, LAUNCHED))
		return;
	/* Lost with the connection? Then it is said again when there is one. */
	b->leaving = mzf_teardown(b->f, on_gone, b) == 0;
}

static void on_subscribed(void *arg, const char *id)
{
	fprintf(stderr, "batch: subscribed as %s\n", id);
	leave_when_over(arg);
}

static void on_disconnected(void *arg, const char *why)
{
	(void)arg;
	fprintf(stderr, "batch: %s, trying again\n", why);
}

static int launch_on(struct batch *b, struct mzf_offer *offer)
{
	int n = 0;

	for (int i = 0; i < b->n_jobs; i++) {
		struct job *j = &b->jobs[i];
		char id[64];
		struct mzf_task t = {.size = sizeof(t), .id = id, .shell = true, .command = j->command,
				     .resources = "cpus:0.1;mem:32"};
		struct mz_err err;
		int rc;

		if (j->state != WAITING)
			continue;
		snprintf(id, sizeof(id), "job-%d.%d", i, j->attempt + 1);
		rc = mzf_offer_add_task(offer, &t, &err);
		if (rc == -ENOSPC)
			break; /* the offer is full */
		if (rc < 0) { /* no offer will do, such as for what is not UTF-8 */
			printf("job %d: %s\n", i, err.msg);
			journal_add(b->journal, "failed %d", i);
			j->state = FAILED;
			continue;
		}
		j->state = LAUNCHED;
		j->attempt++;
		snprintf(j->agent_id, sizeof(j->agent_id), "%s", mzf_offer_agent_id(offer));
		journal_add(b->journal, "launch %d %d %s", i, j->attempt, j->agent_id);
		n++;
	}
	return n;
}

static void on_offers(void *arg, struct mzf_offer *const *offers, size_t n)
{
	struct batch *b = arg;

	for (size_t i = 0; i < n; i++) {
		if (launch_on(b, offers[i]) == 0) {
			mzf_offer_decline(offers[i], 5);
			continue;
		}
		must_sync(b); /* first on the disk, then on the wire */
		mzf_offer_accept(offers[i], 0);
	}
	if (count(b, WAITING) == 0)
		mzf_suppress(b->f);
	leave_when_over(b);
}

/* It has not run to its end, and never will: nobody but us runs it again. */
static bool is_lost(int state)
{
	switch (state) {
	case MZF_TASK_LOST:
	case MZF_TASK_DROPPED:
	case MZF_TASK_GONE:
	case MZF_TASK_GONE_BY_OPERATOR:
	case MZF_TASK_UNKNOWN:
		return true;
	default:
		return false;
	}
}

static void on_update(void *arg, const struct mzf_status *s)
{
	struct batch *b = arg;
	struct job *j;
	int i, attempt;

	if (sscanf(s->task_id, "job-%d.%d", &i, &attempt) != 2 || i < 0 || i >= b->n_jobs)
		return;
	j = &b->jobs[i];
	if (j->state != LAUNCHED || j->attempt != attempt)
		return; /* said before */
	if (is_lost(s->state)) {
		journal_add(b->journal, "again %d", i);
		j->state = WAITING;
		mzf_untrack_task(b->f, s->task_id);
		mzf_revive(b->f);
	} else if (s->state == MZF_TASK_FINISHED) {
		journal_add(b->journal, "done %d", i);
		j->state = DONE;
	} else if (mzf_task_state_is_terminal(s->state)) {
		journal_add(b->journal, "failed %d", i);
		j->state = FAILED;
	} else {
		return;
	}
	must_sync(b); /* once we return, the update is acknowledged, and never said again */
	printf("job %d: %s %s\n", i, mzf_task_state_name(s->state), s->message);
	fflush(stdout);
	leave_when_over(b);
}

static void on_refused(void *arg, const char *call, int status, const char *why)
{
	(void)arg;
	fprintf(stderr, "batch: the master refused %s (%d): %s\n", call, status, why);
}

static void on_error(void *arg, const char *why)
{
	struct batch *b = arg;

	/* Killed between the teardown and the exit: there is nothing left to do. */
	b->status = count(b, WAITING) || count(b, LAUNCHED) ? 2 : 0;
	fprintf(stderr, "batch: %s\n", why);
	mzf_stop(b->f);
}

int main(int argc, char **argv)
{
	static const struct mzf_callbacks callbacks = {
		.size = sizeof(callbacks),
		.on_framework_id = on_framework_id,
		.on_subscribed = on_subscribed,
		.on_disconnected = on_disconnected,
		.on_offers = on_offers,
		.on_update = on_update,
		.on_refused = on_refused,
		.on_error = on_error,
	};
	struct batch b = {0};
	struct mz_err err;

	if (argc != 4) {
		fprintf(stderr, "usage: batch MASTER COMMANDS JOURNAL\n");
		return 2;
	}
	read_commands(&b, argv[2]);
	b.journal = journal_open(argv[3], on_line, &b);
	if (!b.journal) {
		perror(argv[3]);
		return 2;
	}
	struct mzf_options o = {
		.size = sizeof(o),
		.master = argv[1],
		.name = "batch",
		.framework_id = b.framework_id[0] ? b.framework_id : NULL,
		.failover_timeout_secs = 3600, /* so long the tasks wait for us */
		.checkpoint = true,
		.reconcile_secs = 60,
	};
	if (mzf_framework_new(&o, &callbacks, &b, &b.f, &err) < 0) {
		fprintf(stderr, "batch: %s\n", err.msg);
		return 2;
	}
	for (int i = 0; i < b.n_jobs; i++) {
		char id[64];
		snprintf(id, sizeof(id), "job-%d.%d", i, b.jobs[i].attempt);
		if (b.jobs[i].state == LAUNCHED)
			mzf_track_task(b.f, id, b.jobs[i].agent_id);
	}
	mzf_start(b.f);
	mzf_run(b.f);
	mzf_framework_free(b.f);
	fclose(b.journal);
	printf("%d done, %d failed\n", count(&b, DONE), count(&b, FAILED));
	for (int i = 0; i < b.n_jobs; i++)
		free(b.jobs[i].command);
	free(b.jobs);
	return b.status ? b.status : count(&b, FAILED) != 0;
}
