/* framework.c - making and ending a framework; the loop that it may own.
 * Connecting is in connect.c, what arrives in events.c, what is sent in calls.c
 * and offers.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "model/model.h"
#include "sdk/impl.h"

enum { DEFAULT_PORT = 5050, MAX_MASTERS = 64, MAX_ROLES = 1024 };

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

static const char *this_user(struct arena *a)
{
	struct passwd *pw = getpwuid(geteuid());
	return arena_strdup(a, pw ? pw->pw_name : "root");
}

static char *dup_or_null(struct arena *a, const char *s)
{
	return s ? arena_strdup(a, s) : NULL;
}

static int set_roles(Mesos__V1__FrameworkInfo *info, struct arena *a, const struct mzf_options *o, struct mz_err *err)
{
	static const char *const any[] = {"*"};
	const char *const *roles = o->n_roles ? o->roles : any;
	size_t n = o->n_roles ? o->n_roles : 1;

	if (n > MAX_ROLES)
		return mz_fail(err, -EINVAL, "More than %d roles", MAX_ROLES);
	info->roles = (char **)pb_array(a, n);
	for (size_t i = 0; i < n; i++) {
		int rc = role_check(roles[i], err);
		if (rc < 0)
			return rc;
		for (size_t j = 0; j < i; j++)
			if (str_eq(roles[i], roles[j]))
				return mz_fail(err, -EINVAL, "Role '%s' is given twice", roles[i]);
		info->roles[i] = arena_strdup(a, roles[i]);
	}
	info->n_roles = n;
	return 0;
}

static void set_capabilities(Mesos__V1__FrameworkInfo *info, struct arena *a, uint32_t caps)
{
	typedef Mesos__V1__FrameworkInfo__Capability pb_cap;

	caps = (caps ? caps : (uint32_t)MZF_CAP_DEFAULT) | MZF_CAP_MULTI_ROLE;
	info->capabilities = (pb_cap **)pb_array(a, 32);
	for (unsigned bit = 1; bit < 32; bit++) {
		if (!(caps & 1u << bit))
			continue;
		pb_cap *c = PB_NEW(a, pb_cap, mesos__v1__framework_info__capability);
		c->has_type = 1;
		c->type = (Mesos__V1__FrameworkInfo__Capability__Type)bit;
		info->capabilities[info->n_capabilities++] = c;
	}
}

static int make_info(struct mzf_framework *f, const struct mzf_options *o, struct mz_err *err)
{
	struct arena *a = &f->info_arena;
	Mesos__V1__FrameworkInfo *info = PB_NEW(a, Mesos__V1__FrameworkInfo, mesos__v1__framework_info);

	if (!isfinite(o->failover_timeout_secs) || o->failover_timeout_secs < 0)
		return mz_fail(err, -EINVAL, "The failover timeout is negative or not finite");
	if (o->framework_id) {
		int rc = id_check("framework id", o->framework_id, err);
		if (rc < 0)
			return rc;
		f->id = xstrdup(o->framework_id);
	}
	info->user = o->user ? arena_strdup(a, o->user) : (char *)this_user(a);
	info->name = arena_strdup(a, o->name ? o->name : "framework");
	info->has_failover_timeout = 1;
	info->failover_timeout = o->failover_timeout_secs;
	info->has_checkpoint = 1;
	info->checkpoint = o->checkpoint;
	info->principal = dup_or_null(a, o->principal);
	info->hostname = dup_or_null(a, o->hostname);
	info->webui_url = dup_or_null(a, o->webui_url);
	set_capabilities(info, a, o->capabilities);
	f->info = info;
	return set_roles(info, a, o, err);
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

int mzf_framework_new(const struct mzf_options *o, const struct mzf_callbacks *cb, void *arg,
		      struct mzf_framework **ret, struct mz_err *err)
{
	struct mzf_options full = {0};
	struct mzf_framework *f = xnew(struct mzf_framework);
	int rc;

	memcpy(&full, o, MZ_MIN(sizeof(full), o->size));
	f->cb = *cb;
	f->arg = arg;
	f->manual_ack = full.manual_ack;
	f->suppressed = full.suppressed;
	f->backoff_min_ns = ms_or(full.backoff_min_ms, 100);
	f->backoff_max_ns = MZ_MAX(ms_or(full.backoff_max_ms, 15000), f->backoff_min_ns);
	f->connect_timeout_ns = ms_or(full.connect_timeout_ms, 15000);
	f->backoff_ns = f->backoff_min_ns;
	f->reader.max_record = MAX_RECORD_BYTES;
	list_init(&f->calls);
	rc = set_masters(f, full.master, err);
	if (rc == 0)
		rc = make_info(f, &full, err);
	f->loop = full.loop;
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
	address_done(&f->leader);
	arena_done(&f->info_arena);
	free(f->target);
	free(f->id);
	free(f->fatal);
	free(f->lost_why);
	free(f->stream_id);
	free(f);
}

void mzf_start(struct mzf_framework *f)
{
	if (f->state == MZF_IDLE)
		mzf_connect(f);
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
