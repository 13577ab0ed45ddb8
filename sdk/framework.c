/* framework.c - making and ending a framework; the loop that it may own.
 * Connecting is in connect.c, what arrives in events.c, what is sent in calls.c
 * and offers.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "model/model.h"
#include "sdk/impl.h"

enum { DEFAULT_PORT = 5050, MAX_MASTERS = 64 };

const char *mzf_task_state_name(int state)
{
	const char *name = pb_enum_name(&mesos__v1__task_state__descriptor, state);
	return name ? name : "TASK_?";
}

bool mzf_task_state_is_terminal(int state)
{
	switch (state) {
	case MZF_TASK_FINISHED:
	case MZF_TASK_FAILED:
	case MZF_TASK_KILLED:
	case MZF_TASK_LOST:
	case MZF_TASK_ERROR:
	case MZF_TASK_DROPPED:
	case MZF_TASK_GONE:
	case MZF_TASK_GONE_BY_OPERATOR:
		return true;
	default:
		return false;
	}
}

static int set_masters(struct mzf_framework *f, const char *text, struct mz_err *err)
{
	mz_autofree char *copy = xstrdup(text ? text : "");
	char *save = NULL;

	for (char *s = strtok_r(copy, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		struct address a = {0};
		int rc = address_parse(str_trim(s), DEFAULT_PORT, &a, err);
		if (rc < 0)
			return rc;
		vec_push(&f->masters, a);
		if (f->masters.n > MAX_MASTERS)
			return mz_fail(err, -EINVAL, "More than %d masters", MAX_MASTERS);
	}
	return f->masters.n ? 0 : mz_fail(err, -EINVAL, "No master is given");
}

static int64_t ms_or(int ms, int default_ms)
{
	return (ms > 0 ? ms : default_ms) * NS_PER_MS;
}

static void set_credentials(struct mzf_framework *f, const struct mzf_options *o)
{
	mz_autobuf struct buf value = {0};
	mz_autofree char *pair = NULL;

	if (!o->principal || !o->secret)
		return;
	pair = xasprintf("%s:%s", o->principal, o->secret);
	buf_adds(&value, "Basic ");
	base64_add(&value, pair, strlen(pair));
	f->authorization = xstrdup(buf_str(&value));
}

static int set_id(struct mzf_framework *f, const char *id, struct mz_err *err)
{
	int rc = id ? id_check("framework id", id, err) : 0;

	if (rc == 0)
		f->id = xstrdup(id);
	return rc;
}

static int set_options(struct mzf_framework *f, const struct mzf_options *o, struct mz_err *err)
{
	double rounds = o->reconcile_secs > 0 ? o->reconcile_secs : 600;
	int rc;

	f->manual_ack = o->manual_ack;
	f->manual_reconcile = o->manual_reconcile;
	f->reconcile_ns = (int64_t)(MZ_MIN(rounds, 1e9) * 1e9);
	f->backoff_min_ns = ms_or(o->backoff_min_ms, 100);
	f->backoff_max_ns = MZ_MAX(ms_or(o->backoff_max_ms, 15000), f->backoff_min_ns);
	f->connect_timeout_ns = ms_or(o->connect_timeout_ms, 15000);
	f->backoff_ns = f->backoff_min_ns;
	set_credentials(f, o);
	rc = set_masters(f, o->master, err);
	if (rc == 0)
		rc = set_id(f, o->framework_id, err);
	if (rc == 0)
		rc = mzf_info_make(o, &f->info_arena, &f->info, err);
	for (size_t i = 0; rc == 0 && o->suppressed && i < f->info->n_roles; i++)
		map_put(&f->suppressed, f->info->roles[i], f);
	return rc;
}

int mzf_framework_new_on(struct loop *l, const struct mzf_options *o, const struct mzf_callbacks *cb, void *arg,
			 struct mzf_framework **ret, struct mz_err *err)
{
	struct mzf_options full = {0};
	struct mzf_framework *f = xnew(struct mzf_framework);
	int rc;

	memcpy(&full, o, MZ_MIN(sizeof(full), o->size));
	full.size = sizeof(full);
	memcpy(&f->cb, cb, MZ_MIN(sizeof(f->cb), cb->size));
	f->arg = arg;
	f->loop = l;
	f->reader.max_record = MAX_RECORD_BYTES;
	list_init(&f->calls);
	rc = set_options(f, &full, err);
	if (rc == 0 && !f->loop) {
		rc = loop_event_new(1, &f->loop, err);
		f->own_loop = rc == 0;
	}
	if (rc < 0) {
		mzf_framework_free(f);
		return rc;
	}
	*ret = f;
	return 0;
}

int mzf_framework_new(const struct mzf_options *o, const struct mzf_callbacks *cb, void *arg,
		      struct mzf_framework **ret, struct mz_err *err)
{
	return mzf_framework_new_on(NULL, o, cb, arg, ret, err);
}

void mzf_framework_free(struct mzf_framework *f)
{
	if (!f)
		return;
	if (f->loop) {
		f->flush_fn = NULL;
		mzf_offers_rescind(f, false);
		mzf_disconnect(f);
		loop_timer_cancel(f->loop, f->flush_timer);
	}
	if (f->own_loop) {
		loop_event_turn(f->loop, 0); /* what was closed is freed by posted work */
		loop_event_free(f->loop);
	}
	for (size_t i = 0; i < f->masters.n; i++)
		address_done(&f->masters.v[i]);
	vec_done(&f->masters);
	map_done(&f->offers);
	map_done(&f->suppressed);
	mzf_tracked_done(f);
	address_done(&f->leader);
	arena_done(&f->info_arena);
	free(f->target);
	free(f->id);
	free(f->fatal);
	free(f->lost_why);
	free(f->stream_id);
	free(f->authorization);
	free(f);
}

void mzf_start(struct mzf_framework *f)
{
	if (f->state == MZF_IDLE)
		mzf_connect(f);
	mzf_kick(f);
}

void mzf_run(struct mzf_framework *f)
{
	must(f->own_loop);
	loop_event_run(f->loop);
}

void mzf_stop(struct mzf_framework *f)
{
	must(f->own_loop);
	loop_event_stop(f->loop);
}

void mzf_poll(struct mzf_framework *f, int timeout_ms)
{
	must(f->own_loop);
	loop_event_turn(f->loop, MZ_MAX(timeout_ms, 0) * NS_PER_MS);
	mzf_kick(f);
}

int mzf_fd(struct mzf_framework *f)
{
	must(f->own_loop);
	return loop_event_fd(f->loop);
}

void mzf_dispatch(struct mzf_framework *f)
{
	must(f->own_loop);
	loop_event_dispatch(f->loop);
}

void mzf_post(struct mzf_framework *f, void (*fn)(void *arg), void *arg)
{
	loop_post_from(f->loop, fn, arg);
}

void mzf_kick(struct mzf_framework *f)
{
	if (f->own_loop)
		loop_event_kick(f->loop);
}

bool mzf_is_subscribed(const struct mzf_framework *f)
{
	return f->state == MZF_SUBSCRIBED;
}

const char *mzf_framework_id(const struct mzf_framework *f)
{
	return f->id;
}

const char *mzf_master(const struct mzf_framework *f)
{
	return f->target ? f->target : "";
}
