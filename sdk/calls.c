/* calls.c - everything that is sent beside the stream: one keep-alive
 * connection, calls in order, refusals told, a vanished master noticed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "sdk/impl.h"

#define CALL_TYPE(NAME) MESOS__V1__SCHEDULER__CALL__TYPE__##NAME

pb_call *mzf_call_new(struct mzf_framework *f, struct arena *a, Mesos__V1__Scheduler__Call__Type type)
{
	pb_call *c = PB_NEW(a, pb_call, mesos__v1__scheduler__call);

	if (f->id)
		c->framework_id = MZF_ID(a, FrameworkID, framework_id, f->id);
	c->has_type = 1;
	c->type = type;
	return c;
}

/* Those of its roles that want no offers for now. */
static char **suppressed_roles(struct mzf_framework *f, struct arena *a, size_t *ret_n)
{
	char **v = (char **)pb_array(a, f->info->n_roles);

	*ret_n = 0;
	for (size_t i = 0; i < f->info->n_roles; i++)
		if (map_has(&f->suppressed, f->info->roles[i]))
			v[(*ret_n)++] = f->info->roles[i];
	return v;
}

void mzf_subscribe_body(struct mzf_framework *f, struct buf *out)
{
	mz_autoarena struct arena a = {0};
	pb_call *c = mzf_call_new(f, &a, CALL_TYPE(SUBSCRIBE));

	c->subscribe = PB_NEW(&a, Mesos__V1__Scheduler__Call__Subscribe, mesos__v1__scheduler__call__subscribe);
	f->info->id = c->framework_id;
	c->subscribe->framework_info = f->info;
	c->subscribe->suppressed_roles = suppressed_roles(f, &a, &c->subscribe->n_suppressed_roles);
	pb_encode(&c->base, out);
	f->info->id = NULL; /* it lived in this arena */
}

int mzf_check(const pb_msg *m, struct mz_err *err)
{
	mz_autoarena struct arena a = {0};
	mz_autobuf struct buf bytes = {0};

	pb_encode(m, &bytes);
	return pb_decode(m->descriptor, &a, bytes.data, bytes.len, err) ? 0 : -EINVAL;
}

/* ---- answers --------------------------------------------------------------- */

static void flush_done(struct mzf_framework *f, const char *why)
{
	void (*fn)(void *arg, const char *why) = MZ_MOVE(f->flush_fn);

	loop_timer_cancel(f->loop, MZ_MOVE(f->flush_timer));
	if (fn)
		fn(f->flush_arg, why);
}

static void on_flush_empty(void *arg)
{
	struct mzf_framework *f = arg;

	f->flush_timer = NULL;
	flush_done(f, NULL);
}

static void call_free(struct mzf_call *c)
{
	list_remove(&c->node);
	free(c);
}

void mzf_calls_drop(struct mzf_framework *f, const char *why)
{
	bool any = !list_empty(&f->calls);

	list_each(&f->calls, struct mzf_call, node, c)
		call_free(c);
	if (any)
		flush_done(f, why);
}

/* The client cannot be freed from inside its own callback. */
static void on_lost_later(void *arg)
{
	struct mzf_framework *f = arg;
	mz_autofree char *why = MZ_MOVE(f->lost_why);

	f->lost_timer = NULL;
	if (f->state == MZF_ENDING) {
		f->state = MZF_ENDED;
		mzf_disconnect(f);
		flush_done(f, why);
		return;
	}
	mzf_lost(f, why);
}

static void lose(struct mzf_framework *f, const struct http_response *r)
{
	if (f->lost_timer)
		return;
	free(f->lost_why);
	f->lost_why = r->status ? xasprintf("HTTP status %d", r->status)
				: xstrdup(r->error ? r->error : "no answer");
	f->lost_timer = loop_timer(f->loop, 0, on_lost_later, f);
}

static void on_torn_down(void *arg)
{
	struct mzf_framework *f = arg;

	f->flush_timer = NULL;
	f->state = MZF_ENDED;
	mzf_disconnect(f);
	flush_done(f, NULL);
}

static void on_answer(void *arg, const struct http_response *r)
{
	struct mzf_call *c = arg;
	struct mzf_framework *f = c->f;
	const char *name = c->name;
	bool gone = r->status == 0 || r->status == 307 || r->status == 302 || r->status >= 500;

	if (gone) {
		lose(f, r); /* drops this call with the others */
		return;
	}
	call_free(c);
	if (r->status >= 300 && f->state == MZF_SUBSCRIBED && f->cb.on_refused) {
		mz_autofree char *why = xstrndup(r->body_size ? r->body : "", r->body_size);
		f->cb.on_refused(f->arg, name, r->status, why);
	} else if (r->status >= 300 && f->state == MZF_ENDING) {
		lose(f, r);
		return;
	}
	if (!list_empty(&f->calls) || f->flush_timer)
		return;
	if (f->state == MZF_ENDING)
		f->flush_timer = loop_timer(f->loop, 0, on_torn_down, f);
	else if (f->flush_fn)
		f->flush_timer = loop_timer(f->loop, 0, on_flush_empty, f);
}

int mzf_call_send(struct mzf_framework *f, pb_call *c)
{
	const struct http_header headers[MAX_HEADERS] = {{"Content-Type", "application/x-protobuf"},
							 {"Accept", "application/x-protobuf"},
							 {"Mesos-Stream-Id", f->stream_id ? f->stream_id : ""},
							 {"Authorization", f->authorization}};
	mz_autobuf struct buf body = {0};
	struct mzf_call *call;

	if (f->state != MZF_SUBSCRIBED || f->lost_timer)
		return -ENOTCONN;
	pb_encode(&c->base, &body);
	call = xnew(struct mzf_call);
	call->f = f;
	call->name = pb_enum_name(&mesos__v1__scheduler__call__type__descriptor, (int)c->type);
	list_append(&f->calls, &call->node);
	http_client_call(f->client, "POST", "/api/v1/scheduler", headers, f->authorization ? 4 : 3, body.data, body.len,
			 CALL_TIMEOUT_NS, on_answer, call);
	mzf_kick(f);
	return 0;
}

/* ---- the calls ------------------------------------------------------------- */

static int send_kill(struct mzf_framework *f, const char *task_id, const char *agent_id, double grace_secs)
{
	mz_autoarena struct arena a = {0};
	pb_call *c = mzf_call_new(f, &a, CALL_TYPE(KILL));

	c->kill = PB_NEW(&a, Mesos__V1__Scheduler__Call__Kill, mesos__v1__scheduler__call__kill);
	c->kill->task_id = MZF_ID(&a, TaskID, task_id, task_id);
	if (agent_id)
		c->kill->agent_id = MZF_ID(&a, AgentID, agent_id, agent_id);
	if (grace_secs >= 0) {
		Mesos__V1__DurationInfo *d = PB_NEW(&a, Mesos__V1__DurationInfo, mesos__v1__duration_info);
		d->nanoseconds = (int64_t)(grace_secs * 1e9);
		c->kill->kill_policy = PB_NEW(&a, Mesos__V1__KillPolicy, mesos__v1__kill_policy);
		c->kill->kill_policy->grace_period = d;
	}
	return mzf_call_send(f, c);
}

int mzf_kill(struct mzf_framework *f, const char *task_id, const char *agent_id)
{
	return send_kill(f, task_id, agent_id, -1);
}

int mzf_kill_within(struct mzf_framework *f, const char *task_id, const char *agent_id, double grace_secs)
{
	if (!(grace_secs >= 0) || grace_secs > 1e9)
		return -EINVAL;
	return send_kill(f, task_id, agent_id, grace_secs);
}

int mzf_acknowledge(struct mzf_framework *f, const struct mzf_status *s)
{
	mz_autoarena struct arena a = {0};
	pb_call *c = mzf_call_new(f, &a, CALL_TYPE(ACKNOWLEDGE));

	if (!s->uuid.size || !s->agent_id)
		return 0;
	c->acknowledge = PB_NEW(&a, Mesos__V1__Scheduler__Call__Acknowledge, mesos__v1__scheduler__call__acknowledge);
	c->acknowledge->agent_id = MZF_ID(&a, AgentID, agent_id, s->agent_id);
	c->acknowledge->task_id = MZF_ID(&a, TaskID, task_id, s->task_id);
	c->acknowledge->uuid.data = (uint8_t *)s->uuid.data;
	c->acknowledge->uuid.len = s->uuid.size;
	return mzf_call_send(f, c);
}

int mzf_reconcile(struct mzf_framework *f, const char *const *task_ids, const char *const *agent_ids, size_t n)
{
	typedef Mesos__V1__Scheduler__Call__Reconcile__Task pb_task;
	mz_autoarena struct arena a = {0};
	pb_call *c = mzf_call_new(f, &a, CALL_TYPE(RECONCILE));

	c->reconcile = PB_NEW(&a, Mesos__V1__Scheduler__Call__Reconcile, mesos__v1__scheduler__call__reconcile);
	c->reconcile->tasks = (pb_task **)pb_array(&a, n);
	c->reconcile->n_tasks = n;
	for (size_t i = 0; i < n; i++) {
		pb_task *t = PB_NEW(&a, pb_task, mesos__v1__scheduler__call__reconcile__task);
		t->task_id = MZF_ID(&a, TaskID, task_id, task_ids[i]);
		if (agent_ids && agent_ids[i])
			t->agent_id = MZF_ID(&a, AgentID, agent_id, agent_ids[i]);
		c->reconcile->tasks[i] = t;
	}
	return mzf_call_send(f, c);
}

static int send_revive(struct mzf_framework *f, const char *const *roles, size_t n)
{
	mz_autoarena struct arena a = {0};
	pb_call *c = mzf_call_new(f, &a, CALL_TYPE(REVIVE));

	c->revive = PB_NEW(&a, Mesos__V1__Scheduler__Call__Revive, mesos__v1__scheduler__call__revive);
	c->revive->roles = (char **)roles;
	c->revive->n_roles = n;
	return mzf_call_send(f, c);
}

static int send_suppress(struct mzf_framework *f, const char *const *roles, size_t n)
{
	mz_autoarena struct arena a = {0};
	pb_call *c = mzf_call_new(f, &a, CALL_TYPE(SUPPRESS));

	c->suppress = PB_NEW(&a, Mesos__V1__Scheduler__Call__Suppress, mesos__v1__scheduler__call__suppress);
	c->suppress->roles = (char **)roles;
	c->suppress->n_roles = n;
	return mzf_call_send(f, c);
}

static void set_suppressed(struct mzf_framework *f, const char *const *roles, size_t n, bool on)
{
	for (size_t i = 0; i < n; i++) {
		if (on)
			map_put(&f->suppressed, roles[i], f);
		else
			map_del(&f->suppressed, roles[i]);
	}
}

int mzf_revive(struct mzf_framework *f)
{
	set_suppressed(f, (const char *const *)f->info->roles, f->info->n_roles, false);
	return send_revive(f, NULL, 0);
}

int mzf_suppress(struct mzf_framework *f)
{
	set_suppressed(f, (const char *const *)f->info->roles, f->info->n_roles, true);
	return send_suppress(f, NULL, 0);
}

int mzf_revive_roles(struct mzf_framework *f, const char *const *roles, size_t n)
{
	set_suppressed(f, roles, n, false);
	return n ? send_revive(f, roles, n) : 0;
}

int mzf_suppress_roles(struct mzf_framework *f, const char *const *roles, size_t n)
{
	set_suppressed(f, roles, n, true);
	return n ? send_suppress(f, roles, n) : 0;
}

int mzf_shutdown_executor(struct mzf_framework *f, const char *agent_id, const char *executor_id)
{
	mz_autoarena struct arena a = {0};
	pb_call *c = mzf_call_new(f, &a, CALL_TYPE(SHUTDOWN));

	c->shutdown = PB_NEW(&a, Mesos__V1__Scheduler__Call__Shutdown, mesos__v1__scheduler__call__shutdown);
	c->shutdown->agent_id = MZF_ID(&a, AgentID, agent_id, agent_id);
	c->shutdown->executor_id = MZF_ID(&a, ExecutorID, executor_id, executor_id);
	return mzf_call_send(f, c);
}

int mzf_update_framework(struct mzf_framework *f, const struct mzf_options *o, struct mz_err *err)
{
	typedef Mesos__V1__Scheduler__Call__UpdateFramework pb_update;
	struct arena fresh = {0};
	Mesos__V1__FrameworkInfo *info;
	int rc = mzf_info_make(o, &fresh, &info, err);

	if (rc < 0) {
		arena_done(&fresh);
		return rc;
	}
	arena_done(&f->info_arena);
	f->info_arena = fresh;
	f->info = info;
	mz_autoarena struct arena a = {0};
	pb_call *c = mzf_call_new(f, &a, CALL_TYPE(UPDATE_FRAMEWORK));
	c->update_framework = PB_NEW(&a, pb_update, mesos__v1__scheduler__call__update_framework);
	c->update_framework->framework_info = f->info;
	c->update_framework->suppressed_roles = suppressed_roles(f, &a, &c->update_framework->n_suppressed_roles);
	f->info->id = c->framework_id;
	rc = mzf_call_send(f, c);
	f->info->id = NULL; /* it lived in this arena */
	return rc < 0 ? mz_fail(err, rc, "Not subscribed: it counts from the next subscription on") : 0;
}

int mzf_message(struct mzf_framework *f, const char *agent_id, const char *executor_id, struct mz_bytes data)
{
	mz_autoarena struct arena a = {0};
	pb_call *c = mzf_call_new(f, &a, CALL_TYPE(MESSAGE));

	c->message = PB_NEW(&a, Mesos__V1__Scheduler__Call__Message, mesos__v1__scheduler__call__message);
	c->message->agent_id = MZF_ID(&a, AgentID, agent_id, agent_id);
	c->message->executor_id = MZF_ID(&a, ExecutorID, executor_id, executor_id);
	c->message->data.data = (uint8_t *)data.data;
	c->message->data.len = data.size;
	return mzf_call_send(f, c);
}

int mzf_teardown(struct mzf_framework *f, void (*fn)(void *arg, const char *why), void *arg)
{
	mz_autoarena struct arena a = {0};
	int rc = mzf_call_send(f, mzf_call_new(f, &a, CALL_TYPE(TEARDOWN)));

	if (rc < 0)
		return rc;
	loop_timer_cancel(f->loop, MZ_MOVE(f->flush_timer));
	f->flush_fn = fn;
	f->flush_arg = arg;
	f->state = MZF_ENDING;
	/* Silence is now the call's own time limit. */
	loop_timer_cancel(f->loop, MZ_MOVE(f->timer));
	mzf_reconcile_stop(f);
	mzf_offers_rescind(f, false);
	return 0;
}

void mzf_flush(struct mzf_framework *f, void (*fn)(void *arg, const char *why), void *arg)
{
	loop_timer_cancel(f->loop, MZ_MOVE(f->flush_timer));
	f->flush_fn = fn;
	f->flush_arg = arg;
	if (list_empty(&f->calls))
		f->flush_timer = loop_timer(f->loop, 0, on_flush_empty, f);
	mzf_kick(f);
}
