/* tasks.c - a framework that measures how fast real daemons run tasks.
 *
 *	tasks MASTER latency N		one `true` after the other: ACCEPT to TASK_RUNNING, to TASK_FINISHED
 *	tasks MASTER commands N		N times `true` at once: tasks a second until all is acknowledged
 *	tasks MASTER executor N FILE	N tasks of one executor FILE at once: the same
 *	tasks MASTER hold N		N times `sleep`: says "running", ends with its standard input
 *
 * It prints one line "NAME VALUE" for each figure. Run by bench/run-bench, which
 * starts the daemons and knows the setting; one agent is expected.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "sdk/framework.h"

struct bench {
	struct loop *loop;
	struct mzf_framework *f;
	const char *mode, *executor;
	int n, n_launched, n_running, n_ended;
	double accept_ms;
	double *running_ms, *finished_ms; /* n each, of `latency` */
	struct loop_fd *input;
	int status;
};

static void end(struct bench *b, const char *why)
{
	if (why) {
		fprintf(stderr, "tasks: %s\n", why);
		b->status = EXIT_FAILURE;
	}
	loop_event_stop(b->loop);
}

/* Not the loop's time, which stands still within a turn. */
static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double since_ms(const struct bench *b)
{
	return now_ms() - b->accept_ms;
}

static bool is(const struct bench *b, const char *mode)
{
	return str_eq(b->mode, mode);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void print_times(const char *name, double *ms, int n)
{
	qsort(ms, (size_t)n, sizeof(*ms), by_value);
	printf("%s_median_ms %.2f\n%s_p99_ms %.2f\n%s_min_ms %.2f\n", name, ms[n / 2], name,
	       ms[MZ_MIN(n - 1, n * 99 / 100)], name, ms[0]);
}

static void add_tasks(struct bench *b, struct mzf_offer *o, int n)
{
	struct mzf_executor x = {.size = sizeof(x), .id = "bench", .command = b->executor};
	struct mz_err err;

	for (int i = 0; i < n; i++) {
		mz_autofree char *id = xasprintf("bench-%d", b->n_launched++);
		struct mzf_task t = {
			.size = sizeof(t),
			.id = id,
			.resources = "cpus:0.01;mem:1",
			.command = is(b, "hold") ? "exec sleep 100000" : "true",
			.shell = true,
		};
		if (is(b, "executor")) {
			t.executor = &x;
			t.command = NULL;
		}
		if (mzf_offer_add_task(o, &t, &err) < 0) {
			end(b, err.msg);
			return;
		}
	}
}

static void on_offers(void *arg, struct mzf_offer *const *offers, size_t n)
{
	struct bench *b = arg;

	for (size_t i = 0; i < n; i++) {
		bool wanted = b->n_launched < b->n && b->n_ended == b->n_launched;
		if (!wanted) {
			mzf_offer_decline(offers[i], is(b, "latency") ? 0 : 3600);
			continue;
		}
		add_tasks(b, offers[i], is(b, "latency") ? 1 : b->n);
		b->accept_ms = now_ms();
		mzf_offer_accept(offers[i], 0);
	}
}

static void on_all_acknowledged(void *arg, const char *why)
{
	struct bench *b = arg;

	if (!why) {
		double ms = since_ms(b);
		printf("%s_tasks_per_s %.0f\n%s_total_ms %.1f\n", b->mode, b->n * 1e3 / ms, b->mode, ms);
	}
	end(b, why);
}

static void on_acknowledged(void *arg)
{
	struct bench *b = arg;
	mzf_flush(b->f, on_all_acknowledged, b);
}

static void on_input(void *arg, int ready)
{
	struct bench *b = arg;
	char byte;

	(void)ready;
	if (read(STDIN_FILENO, &byte, 1) <= 0)
		end(b, NULL);
}

static void on_running(struct bench *b)
{
	if (is(b, "latency"))
		b->running_ms[b->n_running] = since_ms(b);
	b->n_running++;
	if (is(b, "hold") && b->n_running == b->n) {
		printf("running %d\n", b->n);
		fflush(stdout);
		b->input = loop_fd(b->loop, STDIN_FILENO, LOOP_READ, on_input, b);
	}
}

static void on_finished(struct bench *b)
{
	if (is(b, "latency"))
		b->finished_ms[b->n_ended] = since_ms(b);
	if (++b->n_ended < b->n)
		return;
	if (is(b, "latency")) {
		print_times("running", b->running_ms, b->n);
		print_times("finished", b->finished_ms, b->n);
		end(b, NULL);
	} else {
		/* The library acknowledges after the callback. */
		loop_post(b->loop, on_acknowledged, b);
	}
}

static void on_update(void *arg, const struct mzf_status *s)
{
	struct bench *b = arg;

	if (s->state == MZF_TASK_RUNNING)
		on_running(b);
	else if (s->state == MZF_TASK_FINISHED)
		on_finished(b);
	else if (mzf_task_state_is_terminal(s->state)) {
		mz_autofree char *why = xasprintf("Task '%s' is %s: %s", s->task_id, mzf_task_state_name(s->state),
						  s->message);
		end(b, why);
	}
}

static void on_refused(void *arg, const char *call, int http_status, const char *why)
{
	mz_autofree char *text = xasprintf("%s: %d %s", call, http_status, why);
	end(arg, text);
}

static void on_error(void *arg, const char *why)
{
	end(arg, why);
}

static void on_torn_down(void *arg, const char *why)
{
	end(arg, why);
}

int main(int argc, char **argv)
{
	static const struct mzf_callbacks cb = {
		.size = sizeof(cb),
		.on_offers = on_offers,
		.on_update = on_update,
		.on_refused = on_refused,
		.on_error = on_error,
	};
	struct bench b = {.mode = argc > 2 ? argv[2] : "", .n = argc > 3 ? atoi(argv[3]) : 0,
			  .executor = argc > 4 ? argv[4] : NULL};
	struct mz_err err;
	bool known = is(&b, "latency") || is(&b, "commands") || is(&b, "hold") || (is(&b, "executor") && b.executor);

	if (!known || b.n < 1) {
		fprintf(stderr, "usage: tasks MASTER latency|commands|hold N, or tasks MASTER executor N FILE\n");
		return 2;
	}
	b.running_ms = xcalloc((size_t)b.n, sizeof(double));
	b.finished_ms = xcalloc((size_t)b.n, sizeof(double));
	struct mzf_options o = {.size = sizeof(o), .master = argv[1], .name = "bench"};
	int rc = loop_event_new(1, &b.loop, &err);
	if (rc == 0)
		rc = mzf_framework_new_on(b.loop, &o, &cb, &b, &b.f, &err);
	if (rc < 0) {
		fprintf(stderr, "tasks: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	mzf_start(b.f);
	loop_event_run(b.loop);
	if (mzf_is_subscribed(b.f) && mzf_teardown(b.f, on_torn_down, &b) == 0)
		loop_event_run(b.loop);
	loop_fd_close(b.loop, b.input);
	mzf_framework_free(b.f);
	loop_event_turn(b.loop, 0);
	loop_event_free(b.loop);
	free(b.running_ms);
	free(b.finished_ms);
	return b.status;
}
