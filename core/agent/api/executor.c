/* executor.c - POST /api/v1/executor: executors subscribe, report and talk.
 *
 * The order of checks and the status codes are part of the API. An update is
 * answered with 202 once it is found valid; ACKNOWLEDGED follows on the stream
 * when it is durable.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api.h"
#include "wire/api.h"

typedef Mesos__V1__Executor__Call call_msg;

/* ---- SUBSCRIBE -------------------------------------------------------------------- */

static bool lists_task(const Mesos__V1__Executor__Call__Subscribe *s, const char *id)
{
	for (size_t i = 0; s && i < s->n_unacknowledged_tasks; i++)
		if (strcmp(s->unacknowledged_tasks[i]->task_id->value, id) == 0)
			return true;
	return false;
}

static int check_status(const struct executor *ex, const Mesos__V1__TaskStatus *s, struct mz_err *err)
{
	if (!s->has_uuid || s->uuid.len != UUID_BYTES)
		return mz_fail(err, -EINVAL, "'update.status.uuid' must be 16 bytes");
	if (!s->has_source || s->source != MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR)
		return mz_fail(err, -EINVAL, "'update.status.source' must be SOURCE_EXECUTOR");
	if (s->state == MESOS__V1__TASK_STATE__TASK_STAGING)
		return mz_fail(err, -EINVAL, "'update.status.state' must not be TASK_STAGING");
	const Mesos__V1__CheckStatusInfo *c = s->check_status;
	if (c && !c->has_type)
		return mz_fail(err, -EINVAL, "'update.status.check_status.type' is not set");
	if (c && ((c->type == MESOS__V1__CHECK_INFO__TYPE__COMMAND && !c->command) ||
		  (c->type == MESOS__V1__CHECK_INFO__TYPE__HTTP && !c->http) ||
		  (c->type == MESOS__V1__CHECK_INFO__TYPE__TCP && !c->tcp)))
		return mz_fail(err, -EINVAL, "'update.status.check_status' has not the member of its type");
	if (s->executor_id && strcmp(s->executor_id->value, ex->id) != 0)
		return mz_fail(err, -EINVAL, "'update.status.executor_id' is '%s', the executor is '%s'",
			       s->executor_id->value, ex->id);
	return pb_check_size(&s->base, "'update.status'", err);
}

/* Has this update been taken already (it is resent after a lost ACKNOWLEDGED)? */
static struct update *known_update(const struct task *t, const Mesos__V1__TaskStatus *s)
{
	for (struct update *u = t->updates; u; u = u->next)
		if (memcmp(u->uuid, s->uuid.data, UUID_BYTES) == 0)
			return u;
	return NULL;
}

/* 0, or -ENOBUFS: it has sent so much that the framework has not acknowledged. */
static int take_update(struct executor *ex, Mesos__V1__TaskStatus *s, struct mz_err *err)
{
	struct agent *a = ex->agent;
	struct task *t = map_get(&ex->framework->tasks, s->task_id->value);
	if (!t || t->executor != ex || t->terminal_acked || update_is_acked(t, s->uuid.data)) {
		/* Over and done with, perhaps from before a restart: it may forget it. */
		if (!t)
			a->metrics.invalid_status_updates++;
		update_acknowledge(ex, s->task_id->value, s->uuid.data);
		return 0;
	}
	struct update *u = known_update(t, s);
	if (u) {
		if (u->durable)
			update_acknowledge(ex, t->id, u->uuid);
		return 0;
	}
	if (task_state_is_terminal(t->state)) {
		log_warning(AREA, "Update %s for task '%s' came after its end, ignoring", task_state_name(s->state), t->id);
		a->metrics.invalid_status_updates++;
		update_acknowledge(ex, t->id, s->uuid.data);
		return 0;
	}
	/* Its end is taken in any case: there is only one. */
	if (!task_state_is_terminal(s->state) && update_is_full(t)) {
		a->metrics.invalid_status_updates++;
		return mz_fail(err, -ENOBUFS, "Too many updates of task '%s' wait for an acknowledgement", t->id);
	}
	update_from_executor(ex, t, s);
	return 0;
}

/* There is no other way to refuse it here; it would be kept, and come again, for ever. */
static void refuse_held(struct executor *ex, const Mesos__V1__TaskStatus *s, const struct mz_err *err)
{
	log_warning(AREA, "An update that executor '%s' holds is dropped: %s", ex->id, err->msg);
	update_acknowledge(ex, s->task_id->value, s->uuid.data);
}

static void subscribe(struct executor *ex, call_msg *m, enum codec out, struct http_exchange *x)
{
	struct agent *a = ex->agent;
	const Mesos__V1__Executor__Call__Subscribe *s = m->subscribe;
	struct http_stream *stream = api_stream(x, out, NULL);
	if (!stream)
		return;
	bool terminating = ex->fsm == AGENT_EXECUTOR_TERMINATING || ex->fsm == AGENT_EXECUTOR_TERMINATED ||
			   ex->framework->shutting_down || a->stopping;
	agent_executor_attach(ex, stream, out);
	if (terminating) {
		Mesos__V1__Executor__Event e = MESOS__V1__EXECUTOR__EVENT__INIT;
		e.has_type = 1;
		e.type = MESOS__V1__EXECUTOR__EVENT__TYPE__SHUTDOWN;
		agent_executor_send(ex, &e);
		http_close(ex->stream);
		ex->stream = NULL;
		return;
	}
	log_info(AREA, "Executor '%s' of framework '%s' subscribed", ex->id, ex->framework->id);
	struct mz_err err;
	for (size_t i = 0; s && i < s->n_unacknowledged_updates; i++) {
		Mesos__V1__TaskStatus *status = s->unacknowledged_updates[i]->status;
		if (check_status(ex, status, &err) < 0)
			log_warning(AREA, "Executor '%s' holds a bad update, ignoring: %s", ex->id, err.msg);
		else if (take_update(ex, status, &err) < 0)
			refuse_held(ex, status, &err);
	}
	if (ex->subscribed_once) {
		/* What was on its way when the stream broke has not arrived. */
		for (size_t i = ex->tasks.n; i-- > 0;) {
			struct task *t = ex->tasks.v[i];
			if (t->state != MESOS__V1__TASK_STATE__TASK_STAGING || agent_task_is_queued(t))
				continue;
			if (lists_task(s, t->id))
				ex->sent_task = true;
			else
				update_make(ex->framework, t->id, t, MESOS__V1__TASK_STATE__TASK_DROPPED,
					    MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_RESTARTED,
					    "Task did not reach its executor");
		}
	}
	agent_executor_subscribed(ex);
	agent_maybe_recovered(a);
}

/* ---- the other calls ----------------------------------------------------------------- */

enum { MAX_FAILURES = 64 };

/* A failure that waits until it is known whether a limit was the cause. */
struct failure {
	struct list node; /* in executor.failures */
	struct executor *ex; /* NULL: it has ended */
	struct arena m;
	Mesos__V1__TaskStatus *status;
};

static struct executor *take_out(struct failure *q)
{
	list_remove(&q->node);
	q->ex->n_failures--;
	return MZ_MOVE(q->ex);
}

static void settle(struct failure *q, bool limited)
{
	struct executor *ex = take_out(q);
	struct mz_err err;
	if (limited)
		log_debug(AREA, "Task '%s' failed at a limit of its container, whose end tells more",
			  q->status->task_id->value);
	else
		(void)take_update(ex, q->status, &err); /* the end of a task is always taken */
}

static void on_limits_known(void *arg, bool limited)
{
	struct failure *q = arg;
	if (q->ex)
		settle(q, limited);
	arena_done(&q->m);
	free(q);
}

void agent_executor_settle_failures(struct executor *ex, bool limited)
{
	list_each(&ex->failures, struct failure, node, q)
		settle(q, limited);
}

void agent_executor_forget_failures(struct executor *ex)
{
	list_each(&ex->failures, struct failure, node, q)
		(void)take_out(q); /* freed with the answer */
}

/* The executor sees that a process was killed; that a limit did it is known to modules,
 * and they may hear of it after the executor. */
static void take_failure(struct executor *ex, const Mesos__V1__TaskStatus *s)
{
	struct containers *c = ex->agent->deps.containers;
	struct failure *q = xnew(struct failure);
	ex->n_failures++;
	list_append(&ex->failures, &q->node);
	q->ex = ex;
	q->status = (Mesos__V1__TaskStatus *)pb_copy(&s->base, &q->m);
	c->ops->limited(c, ex->container_id, on_limits_known, q);
}

static void update(struct executor *ex, call_msg *m, struct http_exchange *x)
{
	struct mz_err err;
	Mesos__V1__TaskStatus *s = m->update->status;
	if (check_status(ex, s, &err) < 0) {
		ex->agent->metrics.invalid_status_updates++;
		http_reply_text(x, 400, "%s", err.msg);
		return;
	}
	if (s->state == MESOS__V1__TASK_STATE__TASK_FAILED && !s->limitation && ex->n_failures < MAX_FAILURES &&
	    ex->agent->deps.containers->ops->limited) {
		http_reply(x, 202, NULL, NULL, 0);
		take_failure(ex, s);
	} else if (take_update(ex, s, &err) < 0) {
		http_reply_text(x, 429, "%s", err.msg);
	} else {
		http_reply(x, 202, NULL, NULL, 0);
	}
}

static void message(struct executor *ex, call_msg *m, struct http_exchange *x)
{
	Mezzo__Link__ToMaster to = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__ExecutorMessage msg = MEZZO__LINK__EXECUTOR_MESSAGE__INIT;
	msg.framework_id = m->framework_id;
	msg.executor_id = m->executor_id;
	msg.data = m->message->data;
	to.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_EXECUTOR_MESSAGE;
	to.executor_message = &msg;
	agent_tell_master(ex->agent, &to);
	http_reply(x, 202, NULL, NULL, 0);
}

static int check_call(const call_msg *m, struct mz_err *err)
{
	if (!m->has_type)
		return mz_fail(err, -EINVAL, "Expecting 'type' to be present");
	if (!m->executor_id)
		return mz_fail(err, -EINVAL, "Expecting 'executor_id' to be present");
	if (!m->framework_id)
		return mz_fail(err, -EINVAL, "Expecting 'framework_id' to be present");
	if (m->type == MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE && !m->subscribe)
		return mz_fail(err, -EINVAL, "Expecting 'subscribe' to be present");
	if (m->type == MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE && !m->update)
		return mz_fail(err, -EINVAL, "Expecting 'update' to be present");
	if (m->type == MESOS__V1__EXECUTOR__CALL__TYPE__MESSAGE && !m->message)
		return mz_fail(err, -EINVAL, "Expecting 'message' to be present");
	return 0;
}

static struct executor *find(struct agent *a, const call_msg *m, struct http_exchange *x)
{
	struct framework *f = agent_framework_find(a, m->framework_id->value);
	if (!f) {
		http_reply_text(x, 400, "Framework '%s' cannot be found", m->framework_id->value);
		return NULL;
	}
	struct executor *ex = agent_executor_find(f, m->executor_id->value);
	if (!ex)
		http_reply_text(x, 400, "Executor '%s' of framework '%s' cannot be found", m->executor_id->value, f->id);
	return ex;
}

/* Others are still waited for, but this one has subscribed again: what it says now it
 * says once. */
static bool is_back(struct agent *a, const call_msg *m)
{
	struct framework *f = agent_framework_find(a, m->framework_id->value);
	const struct executor *ex = f ? agent_executor_find(f, m->executor_id->value) : NULL;
	return ex && ex->stream;
}

void agent_api_executor(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct agent *a = arg;
	struct arena mz_autoarena arena = {0};
	struct mz_err err;
	enum codec in, out;
	if (a->phase < AGENT_REATTACHING) {
		http_reply_text(x, 503, "Agent has not finished recovery");
		return;
	}
	call_msg *m = (call_msg *)api_decode_call(r, x, &mesos__v1__executor__call__descriptor, &arena, &in);
	if (!m)
		return;
	if (check_call(m, &err) < 0) {
		http_reply_text(x, 400, "Failed to validate call: %s", err.msg);
		return;
	}
	bool is_subscribe = m->type == MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE;
	if (is_subscribe && !api_accept(r, x, &out))
		return;
	if (!is_subscribe && a->phase != AGENT_RECOVERED && !is_back(a, m)) {
		http_reply_text(x, 503, "Agent has not finished recovery");
		return;
	}
	if (m->type == MESOS__V1__EXECUTOR__CALL__TYPE__HEARTBEAT) {
		http_reply(x, 202, NULL, NULL, 0);
		return;
	}
	struct executor *ex = find(a, m, x);
	if (!ex)
		return;
	if (is_subscribe) {
		subscribe(ex, m, out, x);
		return;
	}
	if (ex->fsm == AGENT_EXECUTOR_REGISTERING) {
		http_reply_text(x, 403, "Executor '%s' is not subscribed", ex->id);
		return;
	}
	switch (m->type) {
	case MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE:
		update(ex, m, x);
		break;
	case MESOS__V1__EXECUTOR__CALL__TYPE__MESSAGE:
		message(ex, m, x);
		break;
	default:
		http_reply_text(x, 501, "Call type %d is not known", (int)m->type);
	}
}
