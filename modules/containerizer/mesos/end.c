/* end.c - containerizer/mesos: how a container ends, or a launch is given up: its shim kills
 * everything in it, what is nested in it goes first, isolators clean up in reverse order,
 * its output is written, and then it is told.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "mesos.h"

/* TASK_FAILED */
enum { TASK_FAILED = 3 };

static void finish(struct box *b)
{
	struct mesos *m = b->m;
	m->h->metric_add(m->destroyed, 1);
	if (b->launch_op) {
		if (b->limitation.size)
			fail(&b->err, -EDQUOT, "%s", b->limitation_message ? b->limitation_message : "It went over a limit");
		if (!b->err.code)
			fail(&b->err, -ECANCELED, "The container was destroyed while it was launched");
		if (b->has_record)
			record_unlink(m, b->id);
		m->h->op_done(b->launch_op, &b->err, NULL);
	} else if (!b->orphan) {
		struct mz_termination t = {
			.size = sizeof(t), .wait_status = b->wait_status, .state = -1, .reason = -1};
		if (b->err.code)
			t.message = b->err.msg;
		if (b->limitation.size) {
			t.state = TASK_FAILED;
			t.reason = b->limitation.reason;
			t.message = b->limitation.message;
			t.limitation = &b->limitation;
		}
		record_remove_later(m, b->id);
		m->k->exited(m->h, b->id, &t);
	} else {
		record_remove(m, b->id);
	}
	struct recovery *r = b->recovery;
	struct box *parent = box_parent(b);
	box_free(b);
	if (r)
		recovery_step(r);
	/* It may have waited for this one. */
	if (parent && parent->shim_gone && !parent->asking && parent->state != BOX_CLEANING)
		box_ended(parent);
}

static void on_logger_ended(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct box *b = arg;
	if (err)
		say(b->m, MZ_LOG_WARNING, "The logger of container '%s' did not end well, going on: %s", b->id, err->msg);
	finish(b);
}

static void tell_logger(struct box *b)
{
	struct mesos *m = b->m;
	if (b->is_logged && HOST_HAS(m->k, logger_ended))
		m->k->logger_ended(m->h, b->id, m->k->op(m->h, on_logger_ended, b));
	else
		finish(b);
}

static void end_logging(struct box *b)
{
	if (!io_wait(b, tell_logger))
		tell_logger(b);
}

static void cleanup_next(struct box *b);

static void on_cleaned(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct box *b = arg;
	if (err)
		say(b->m, MZ_LOG_ERROR, "Isolator '%s' could not clean up container '%s', going on: %s",
		    b->m->k->isolator_name(b->m->h, b->i), b->id, err->msg);
	cleanup_next(b);
}

static void cleanup_next(struct box *b)
{
	struct mesos *m = b->m;
	while (b->i > 0 && !concerns(m, b->i - 1, b->id))
		b->i--;
	if (b->i == 0) {
		end_logging(b);
		return;
	}
	b->i--;
	m->k->isolator_cleanup(m->h, b->i, b->id, m->k->op(m->h, on_cleaned, b));
}

static void go_cleaning(struct box *b)
{
	box_go(b, BOX_CLEANING);
	b->i = b->m->k->n_isolators(b->m->h);
	cleanup_next(b);
}

void box_ended(struct box *b)
{
	b->shim_gone = 1;
	if (!box_destroy_nested(b))
		go_cleaning(b);
}

void give_up(struct box *b, const struct mz_err *err)
{
	if (!b->err.code)
		b->err = *err;
	if (b->state == BOX_ISOLATING || b->state == BOX_STARTING)
		box_destroy(b);
	else
		go_cleaning(b);
}

/* A destroy that came while an answer was awaited that cannot be called back. */
int called_off(struct box *b)
{
	if (!b->err.code)
		return 0;
	give_up(b, &b->err);
	return 1;
}

void on_box_exited(struct box *b)
{
	struct mesos *m = b->m;
	if (!b->launch_op && b->wait_status == -1 && !b->err.code) {
		fail(&b->err, -ESRCH, "The shim of the container ended without telling how its process ended");
		if (b->payload > 0 && !b->is_linux)
			kill(-b->payload, SIGKILL); /* its session: what can be found without the shim */
		say(m, MZ_LOG_ERROR, "Container '%s': %s", b->id, b->err.msg);
	} else if (b->launch_op && !b->err.code) {
		fail(&b->err, -ESRCH, "The shim of the container ended before it started anything");
	}
	shim_done(b);
	b->shim_gone = 1;
	if (!b->asking)
		box_ended(b);
}

/* It kills without end, hangs on a dead disk, or does not hear: others have to do it. */
static void on_overdue(void *arg)
{
	struct box *b = arg;
	b->overdue = NULL;
	say(b->m, MZ_LOG_ERROR, "The shim of container '%s' does not end, and is killed", b->id);
	shim_signal(b, SIGKILL);
}

static void await_shim(struct box *b)
{
	shim_signal(b, SIGCONT); /* somebody may have stopped it */
	b->overdue = b->m->h->timer(b->m->h, b->m->destroy_ns, on_overdue, b);
}

void box_destroy(struct box *b)
{
	switch (b->state) {
	case BOX_PREPARING:
	case BOX_RESOLVING:
		if (!b->err.code)
			fail(&b->err, -ECANCELED, "The container was destroyed while it was launched");
		break; /* seen when the answer that is under way comes */
	case BOX_CREATING:
	case BOX_ISOLATING:
		if (!b->err.code)
			fail(&b->err, -ECANCELED, "The container was destroyed while it was launched");
		box_go(b, BOX_DESTROYING);
		shim_call_off(b);
		await_shim(b);
		break;
	case BOX_STARTING:
	case BOX_RUNNING:
		if (b->launch_op && !b->err.code)
			fail(&b->err, -ECANCELED, "The container was destroyed while it was launched");
		if (b->shim_gone)
			break; /* it waits for what is nested in it */
		box_go(b, BOX_DESTROYING);
		shim_signal(b, SIGTERM);
		await_shim(b);
		box_destroy_nested(b);
		break;
	default:
		break; /* under way already */
	}
}
