/* events.c - what the master says on the stream, turned into callbacks.
 * Called by connect.c for each record.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sdk/impl.h"

/* Shorter than a second is for tests; longer than a day would overflow soon. */
static int64_t heartbeat_of(const Mesos__V1__Scheduler__Event__Subscribed *s)
{
	double secs = s->heartbeat_interval_seconds;

	if (!s->has_heartbeat_interval_seconds || !isfinite(secs) || secs <= 0 || secs > 86400)
		return HEARTBEAT_DEFAULT_NS;
	return MZ_MAX((int64_t)(secs * 1e9), NS_PER_MS);
}

static int on_subscribed(struct mzf_framework *f, const Mesos__V1__Scheduler__Event__Subscribed *s)
{
	bool known = str_eq(f->id, s->framework_id->value);

	xset(&f->id, s->framework_id->value);
	/* A framework that would forget its id could never come back to its tasks. */
	if (!known && f->cb.on_framework_id && f->cb.on_framework_id(f->arg, f->id) < 0) {
		xset(&f->fatal, "The framework id could not be stored");
		return -ECONNABORTED;
	}
	mzf_subscribed(f, heartbeat_of(s));
	mzf_reconcile_start(f, known);
	if (f->cb.on_subscribed)
		f->cb.on_subscribed(f->arg, f->id);
	return 0;
}

static void on_offers(struct mzf_framework *f, const Mesos__V1__Scheduler__Event__Offers *e)
{
	VEC(struct mzf_offer *) fresh = {0};

	for (size_t i = 0; i < e->n_offers; i++) {
		struct mz_err err = {0};
		struct mzf_offer *o = mzf_offer_new(f, e->offers[i], &err);
		if (!o) {
			if (f->cb.on_refused)
				f->cb.on_refused(f->arg, "OFFERS", 0, err.msg);
			continue;
		}
		if (map_has(&f->offers, mzf_offer_id(o))) {
			mzf_offer_free(o);
			continue;
		}
		map_put(&f->offers, mzf_offer_id(o), o);
		vec_push(&fresh, o);
	}
	if (fresh.n && f->cb.on_offers)
		f->cb.on_offers(f->arg, fresh.v, fresh.n);
	vec_done(&fresh);
}

static void on_update(struct mzf_framework *f, const Mesos__V1__TaskStatus *t)
{
	struct mzf_status s = {
		.task_id = t->task_id->value,
		.state = (int)t->state,
		.message = t->message ? t->message : "",
		.agent_id = t->agent_id ? t->agent_id->value : NULL,
		.executor_id = t->executor_id ? t->executor_id->value : NULL,
		.timestamp = t->timestamp,
		.healthy = t->has_healthy ? !!t->healthy : -1,
	};

	if (t->has_reason)
		s.reason = pb_enum_name(&mesos__v1__task_status__reason__descriptor, (int)t->reason);
	if (t->has_source)
		s.source = pb_enum_name(&mesos__v1__task_status__source__descriptor, (int)t->source);
	if (t->container_status && t->container_status->container_id)
		s.container_id = t->container_status->container_id->value;
	if (t->has_data)
		s.data = (struct mz_bytes){t->data.data, t->data.len};
	if (t->has_uuid)
		s.uuid = (struct mz_bytes){t->uuid.data, t->uuid.len};
	mzf_reconcile_answered(f, s.task_id, s.agent_id);
	if (mzf_task_state_is_terminal(s.state))
		mzf_untrack_task(f, s.task_id);
	if (f->cb.on_update)
		f->cb.on_update(f->arg, &s);
	/* If the connection is lost by now, the agent says it again later. */
	if (!f->manual_ack)
		(void)mzf_acknowledge(f, &s);
}

static void on_failure(struct mzf_framework *f, const Mesos__V1__Scheduler__Event__Failure *e)
{
	if (f->cb.on_failure)
		f->cb.on_failure(f->arg, e->agent_id ? e->agent_id->value : NULL,
				 e->executor_id ? e->executor_id->value : NULL, e->has_status ? e->status : -1);
}

static int dispatch(struct mzf_framework *f, const pb_event *e)
{
	if (e->subscribed && f->state == MZF_CONNECTING)
		return on_subscribed(f, e->subscribed);
	if (e->error) {
		xset(&f->fatal, e->error->message);
		return -ECONNABORTED;
	}
	if (f->state != MZF_SUBSCRIBED)
		return 0;
	if (e->offers)
		on_offers(f, e->offers);
	else if (e->rescind)
		mzf_offer_rescinded(f, e->rescind->offer_id->value);
	else if (e->update)
		on_update(f, e->update->status);
	else if (e->failure)
		on_failure(f, e->failure);
	else if (e->message && f->cb.on_message)
		f->cb.on_message(f->arg, e->message->agent_id->value, e->message->executor_id->value,
				 (struct mz_bytes){e->message->data.data, e->message->data.len});
	return 0;
}

int mzf_event(struct mzf_framework *f, const char *record, size_t len)
{
	mz_autoarena struct arena a = {0};
	struct mz_err err = {0};
	pb_event *e = (pb_event *)pb_decode(&mesos__v1__scheduler__event__descriptor, &a, record, len, &err);

	/* The master is torn down or replaced: nothing of it concerns us. */
	if (f->state == MZF_ENDING || f->state == MZF_ENDED)
		return 0;
	if (!e) {
		/* The framing is whole, so the next event can be understood. */
		if (f->cb.on_refused)
			f->cb.on_refused(f->arg, "EVENT", 0, err.msg);
		return 0;
	}
	return dispatch(f, e);
}
