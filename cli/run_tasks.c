/* run_tasks.c - `mezzo run` as a framework: offers in, tasks out, their output
 * here, and one exit status.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/run.h"
#include "loop/loop_event.h"
#include "wire/json.h"

/* Without this program, tasks live on for a minute; detached ones for a year. */
#define FAILOVER_SECS 60.0
#define DETACHED_SECS (365.0 * 86400)
#define PATIENCE_NS (15 * NS_PER_SEC)  /* for a first subscription */
#define NOTICE_NS (5 * NS_PER_SEC)     /* then it says what it waits for */
#define GOODBYE_NS (10 * NS_PER_SEC)   /* for the answer to TEARDOWN */
#define REFUSE_SECS 5.0

struct run {
	const struct run_plan *plan;
	struct loop *loop;
	struct mzf_framework *fw;
	struct instance *v;
	size_t n;
	bool subscribed, told_lost, leaving, over;
	bool killing; /* Ctrl-C or --timeout */
	int forced_status; /* of killing; 0: the tasks' */
	int status;	   /* once over */
	int64_t start_ns;
	struct loop_timer *notice, *timeout, *leave, *goodbye;
};

static void leave(struct run *r);

static void say(const struct run *r, const char *fmt, ...) MZ_PRINTF(2, 3);
static void say(const struct run *r, const char *fmt, ...)
{
	mz_autofree char *text = NULL;
	mz_autobuf struct buf clean = {0};
	va_list ap;

	(void)r;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	cli_add_clean(&clean, text);
	cli_fail(0, "%s", buf_str(&clean));
}

static void end(struct run *r, int status)
{
	if (!r->over)
		r->status = status;
	r->over = true;
}

/* ---- the end --------------------------------------------------------------- */

static int tasks_status(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].status)
			return r->v[i].status;
	return 0;
}

static void on_gone(void *arg, const char *why)
{
	struct run *r = arg;

	if (why && !r->plan->detach)
		say(r, "the framework could not be ended: %s", why);
	end(r, r->forced_status ? r->forced_status : tasks_status(r));
}

static void on_goodbye(void *arg)
{
	struct run *r = arg;

	r->goodbye = NULL;
	on_gone(r, "no answer in time");
}

static void print_detached(const struct run *r)
{
	if (!r->plan->json) {
		for (size_t i = 0; i < r->n; i++)
			printf("%s\n", r->v[i].id);
		say(r, "framework %s keeps %s; see 'mezzo logs' and 'mezzo kill'", mzf_framework_id(r->fw),
		    r->n == 1 ? "the task" : "the tasks");
		return;
	}
	json_t *ids = json_array();
	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(ids, json_string(r->v[i].id));
	json_t *v = json_pack("{s:s, s:o}", "framework_id", mzf_framework_id(r->fw), "task_ids", ids);
	cli_print_json(v);
	json_decref(v);
}

static void on_leave(void *arg)
{
	struct run *r = arg;
	bool all_ended = true;

	r->leave = NULL;
	r->goodbye = loop_timer(r->loop, GOODBYE_NS, on_goodbye, r);
	for (size_t i = 0; i < r->n; i++)
		all_ended &= r->v[i].ended;
	if (r->plan->detach && !r->forced_status) {
		print_detached(r);
		if (!all_ended) {
			mzf_flush(r->fw, on_gone, r);
			return;
		}
	}
	if (mzf_teardown(r->fw, on_gone, r) < 0)
		on_gone(r, r->subscribed ? "not connected" : NULL);
}

/* Later, so that the last update is acknowledged first. */
static void leave(struct run *r)
{
	if (r->leaving)
		return;
	r->leaving = true;
	r->leave = loop_timer(r->loop, 0, on_leave, r);
}

static void check_end(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct instance *in = &r->v[i];
		bool done = r->plan->detach ? in->seen : in->ended && in->drained;
		if (!done && !(r->killing && !in->launched))
			return;
	}
	leave(r);
}

/* ---- output ---------------------------------------------------------------- */

static void on_output(void *arg, int stream, const void *data, size_t size)
{
	struct instance *in = arg;
	output_write(&in->out, stream, data, size);
}

static void on_output_end(void *arg, const char *why)
{
	struct instance *in = arg;

	output_end(&in->out);
	if (why)
		say(in->run, "the output of task '%s' may be incomplete: %s", in->id, why);
	in->drained = true;
	check_end(in->run);
}

static void start_tail(struct instance *in, const struct mzf_status *s)
{
	static const struct tail_cb cb = {on_output, on_output_end};
	struct tail_options o = {
		.ip = in->ip,
		.port = in->port,
		.framework_id = mzf_framework_id(in->run->fw),
		.task_id = in->id,
		.container_id = s->container_id,
		.streams = {true, true},
	};

	if (in->tail || in->run->plan->detach || !in->ip)
		return;
	in->tail = tail_new(in->run->loop, &o, &cb, in);
}

/* ---- what the framework hears ----------------------------------------------- */

static struct instance *find(struct run *r, const char *task_id)
{
	for (size_t i = 0; i < r->n; i++)
		if (str_eq(r->v[i].id, task_id))
			return &r->v[i];
	return NULL;
}

static void kill_all(struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].launched && !r->v[i].ended)
			(void)mzf_kill(r->fw, r->v[i].id, r->v[i].agent_id); /* repeated when subscribed again */
}

static void on_subscribed(void *arg, const char *framework_id)
{
	struct run *r = arg;

	(void)framework_id;
	if (r->subscribed)
		say(r, "connected again to master %s", mzf_master(r->fw));
	r->subscribed = true;
	r->told_lost = false;
	if (r->killing)
		kill_all(r);
	check_end(r);
}

static void on_disconnected(void *arg, const char *why)
{
	struct run *r = arg;

	if (r->told_lost)
		return;
	r->told_lost = true;
	say(r, "master %s: %s, trying again", mzf_master(r->fw), why);
}

static bool put_on(struct run *r, struct mzf_offer *o)
{
	bool any = false;

	for (size_t i = 0; i < r->n; i++) {
		struct instance *in = &r->v[i];
		struct mzf_task t = r->plan->task;
		struct mz_err err = {0};
		int rc;
		if (in->launched)
			continue;
		t.id = in->id;
		t.user = r->plan->user;
		rc = mzf_offer_add_task(o, &t, &err);
		if (rc == -ENOSPC)
			break;
		if (rc < 0) {
			say(r, "%s", err.msg);
			r->forced_status = EXIT_USAGE;
			leave(r);
			break;
		}
		in->launched = any = true;
		xset(&in->agent_id, mzf_offer_agent_id(o));
		xset(&in->ip, mzf_offer_ip(o));
		in->port = mzf_offer_port(o);
	}
	return any;
}

static void on_offers(void *arg, struct mzf_offer *const *offers, size_t n)
{
	struct run *r = arg;
	bool waiting = false;

	for (size_t i = 0; i < n; i++) {
		if (r->killing || r->leaving || !put_on(r, offers[i]))
			(void)mzf_offer_decline(offers[i], REFUSE_SECS);
		else
			(void)mzf_offer_accept(offers[i], REFUSE_SECS);
	}
	for (size_t i = 0; i < r->n; i++)
		waiting |= !r->v[i].launched;
	if (!waiting || r->killing) {
		loop_timer_cancel(r->loop, MZ_MOVE(r->notice));
		(void)mzf_suppress(r->fw);
	}
}

/* It never reached an agent, so it may be launched again under the same id. */
static bool never_ran(const struct instance *in, const struct mzf_status *s)
{
	if (in->seen)
		return false;
	if (s->state == MZF_TASK_UNKNOWN || s->state == MZF_TASK_GONE)
		return true;
	return (s->state == MZF_TASK_DROPPED || s->state == MZF_TASK_LOST) &&
	       (str_eq(s->reason, "REASON_INVALID_OFFERS") || str_eq(s->reason, "REASON_RECONCILIATION"));
}

static void print_update(const struct run *r, const struct mzf_status *s)
{
	mz_autobuf struct buf b = {0};

	if (!r->plan->json || r->plan->detach)
		return;
	buf_adds(&b, "{\"task_id\":");
	json_add_string(&b, s->task_id);
	buf_addf(&b, ",\"state\":\"%s\",\"message\":", mzf_task_state_name(s->state));
	json_add_string(&b, s->message);
	buf_adds(&b, "}\n");
	fwrite(b.data, 1, b.len, stdout);
	fflush(stdout);
}

static void on_ended(struct instance *in, const struct mzf_status *s)
{
	const char *state = mzf_task_state_name(s->state);

	in->ended = true;
	in->status = cli_task_status(state, s->message);
	if (in->status && !in->run->killing)
		say(in->run, "task '%s' ended in %s%s%s", in->id, state, *s->message ? ": " : "", s->message);
	if (s->container_id)
		start_tail(in, s);
	if (in->tail)
		tail_finish(in->tail);
	else
		in->drained = true;
}

static void on_update(void *arg, const struct mzf_status *s)
{
	struct run *r = arg;
	struct instance *in = find(r, s->task_id);

	if (!in || in->ended)
		return;
	print_update(r, s);
	if (never_ran(in, s) && !r->killing) {
		in->launched = false;
		(void)mzf_revive(r->fw);
		return;
	}
	/* The master has forgotten a task that had run: nothing more will come. */
	if (mzf_task_state_is_terminal(s->state) || s->state == MZF_TASK_UNKNOWN)
		on_ended(in, s);
	else if (s->state == MZF_TASK_UNREACHABLE)
		say(r, "task '%s': its agent cannot be reached, waiting", in->id);
	else if (s->container_id || s->state == MZF_TASK_RUNNING)
		start_tail(in, s);
	in->seen = true;
	check_end(r);
}

static void on_refused(void *arg, const char *call, int status, const char *why)
{
	say(arg, "the master refused %s (%d): %s", call, status, why);
}

static void on_error(void *arg, const char *why)
{
	struct run *r = arg;

	say(r, "master %s: %s", mzf_master(r->fw), why);
	end(r, EXIT_FAILED);
}

/* ---- time and signals -------------------------------------------------------- */

static void on_notice(void *arg)
{
	struct run *r = arg;

	r->notice = NULL;
	if (r->subscribed) {
		say(r, "waiting for an offer with %s", r->plan->task.resources);
		return;
	}
	if (loop_now(r->loop) - r->start_ns < PATIENCE_NS) {
		r->notice = loop_timer(r->loop, NOTICE_NS, on_notice, r);
		return;
	}
	say(r, "no master at %s", mzf_master(r->fw));
	end(r, EXIT_FAILED);
}

static void on_timeout(void *arg)
{
	struct run *r = arg;

	r->timeout = NULL;
	say(r, "time is up, killing");
	r->killing = true;
	r->forced_status = EXIT_TIMEOUT;
	kill_all(r);
	check_end(r);
}

static void on_signal(void *arg, int signo)
{
	struct run *r = arg;

	if (r->killing && r->forced_status != EXIT_TIMEOUT) {
		leave(r); /* the second one */
		return;
	}
	r->killing = true;
	r->forced_status = 128 + signo;
	say(r, "killing; once more to give up at once");
	kill_all(r);
	check_end(r);
}

/* ---- life -------------------------------------------------------------------- */

static void make_instances(struct run *r)
{
	struct uuid u;
	char text[UUID_TEXT];

	r->n = (size_t)r->plan->n_instances;
	r->v = xcalloc(r->n, sizeof(*r->v));
	loop_uuid(r->loop, &u);
	uuid_format(&u, text);
	text[8] = '\0';
	for (size_t i = 0; i < r->n; i++) {
		struct instance *in = &r->v[i];
		in->run = r;
		in->id = r->n == 1 ? xasprintf("%s-%s", r->plan->task.name, text)
				   : xasprintf("%s-%s-%zu", r->plan->task.name, text, i);
		in->out = (struct output){.task_id = in->id, .index = r->n == 1 ? -1 : (int)i, .json = r->plan->json};
	}
}

static void run_done(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		tail_free(r->v[i].tail);
		output_end(&r->v[i].out);
		free(r->v[i].id);
		free(r->v[i].agent_id);
		free(r->v[i].ip);
	}
	free(r->v);
	mzf_framework_free(r->fw);
	if (!r->loop)
		return;
	loop_timer_cancel(r->loop, r->notice);
	loop_timer_cancel(r->loop, r->timeout);
	loop_timer_cancel(r->loop, r->leave);
	loop_timer_cancel(r->loop, r->goodbye);
	loop_event_turn(r->loop, 0); /* what was closed is freed by posted work */
	loop_event_free(r->loop);
}

static int start(struct run *r, const char *master, struct mz_err *err)
{
	static const struct mzf_callbacks cb = {
		.size = sizeof(cb),
		.on_subscribed = on_subscribed,
		.on_disconnected = on_disconnected,
		.on_offers = on_offers,
		.on_update = on_update,
		.on_refused = on_refused,
		.on_error = on_error,
	};
	mz_autofree char *name = xasprintf("mezzo run %s", r->plan->task.name);
	struct mzf_options o = {
		.size = sizeof(o),
		.master = master,
		.name = name,
		.user = r->plan->user,
		.roles = &r->plan->role,
		.n_roles = 1,
		.checkpoint = true, /* tasks outlive an agent that is restarted */
		.failover_timeout_secs = r->plan->detach ? DETACHED_SECS : FAILOVER_SECS,
	};
	int rc = loop_event_new(1, &r->loop, err);

	if (rc < 0)
		return rc;
	make_instances(r);
	rc = mzf_framework_new_on(r->loop, &o, &cb, r, &r->fw, err);
	if (rc == 0)
		rc = loop_event_signal(r->loop, SIGINT, on_signal, r);
	if (rc == 0)
		rc = loop_event_signal(r->loop, SIGTERM, on_signal, r);
	return rc;
}

int run_execute(const struct run_plan *p, const char *master)
{
	struct run r = {.plan = p};
	struct mz_err err = {0};

	if (start(&r, master, &err) < 0) {
		run_done(&r);
		return cli_fail(EXIT_USAGE, "%s", err.msg);
	}
	r.start_ns = loop_now(r.loop);
	r.notice = loop_timer(r.loop, NOTICE_NS, on_notice, &r);
	if (p->timeout_ns)
		r.timeout = loop_timer(r.loop, p->timeout_ns, on_timeout, &r);
	mzf_start(r.fw);
	while (!r.over)
		loop_event_turn(r.loop, NS_PER_SEC);
	run_done(&r);
	return r.status;
}
