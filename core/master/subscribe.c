/* subscribe.c - SUBSCRIBE, from a well-formed call to an open session.
 *
 *	stream opened -> rules -> authorizer (each role) -> record durable -> session
 *
 * Whatever is refused after the stream was opened is told as its only event, an
 * ERROR. The newest subscription of an id wins. A session that waits is a
 * `struct subscribe`; its stream may go away at any step.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/internal.h"

struct subscribe {
	struct list in_master;
	struct master *m;
	struct http_stream *stream; /* NULL: gone */
	enum codec codec;
	char stream_id[UUID_TEXT];
	struct arena arena; /* owns call and info */
	pb_call *call;
	pb_framework_info *info;
	size_t n_waiting;
	bool is_written; /* `info` itself, not only what was there */
	struct mz_err refused;
};

static void subscribe_free(struct subscribe *s)
{
	list_remove(&s->in_master);
	arena_done(&s->arena);
	free(s);
}

void subscribes_drop(struct master *m)
{
	list_each(&m->subscribes, struct subscribe, in_master, s) {
		store_forget(m->store, s);
		if (s->stream)
			session_refuse(s->stream, s->codec, "Master is ending");
		s->stream = NULL;
		subscribe_free(s);
	}
}

static void on_stream_gone(void *arg)
{
	struct subscribe *s = arg;
	s->stream = NULL; /* the step that it waits for notices */
}

static void refuse(struct subscribe *s, const char *message)
{
	log_info(AREA, "Subscription of framework '%s' is refused: %s", s->info->name, message);
	if (s->stream)
		session_refuse(s->stream, s->codec, message);
	s->stream = NULL;
	subscribe_free(s);
}

enum { MAX_INFO_BYTES = 1 << 20 }; /* it is sent with every task */

int framework_info_allowed(struct master *m, const Mesos__V1__FrameworkInfo *info, char **suppressed,
			   size_t n_suppressed, const Mesos__V1__Scheduler__OfferConstraints *c, struct mz_err *err)
{
	mz_autoarena struct arena arena = {0};
	const char **roles;
	int r = framework_info_check(info, err);
	if (r < 0)
		return r;
	if (protobuf_c_message_get_packed_size(&info->base) > MAX_INFO_BYTES)
		return mz_fail(err, -EMSGSIZE, "The FrameworkInfo is larger than %d MB", MAX_INFO_BYTES >> 20);
	size_t n = framework_roles(info, &arena, &roles);
	for (size_t i = 0; m->cfg.roles && i < n; i++) {
		size_t at = 0;
		while (m->cfg.roles[at] && !str_eq(m->cfg.roles[at], roles[i]))
			at++;
		if (!m->cfg.roles[at])
			return mz_fail(err, -EINVAL, "Role '%s' is not among the roles of the master", roles[i]);
	}
	if (m->cfg.refuse_root && str_eq(info->user, "root"))
		return mz_fail(err, -EACCES, "User 'root' is not allowed to run frameworks");
	if (n_suppressed > FRAMEWORK_MAX_ROLES)
		return mz_fail(err, -E2BIG, "Too many suppressed roles");
	for (size_t i = 0; i < n_suppressed; i++) {
		size_t at = 0;
		while (at < n && !str_eq(roles[at], suppressed[i]))
			at++;
		if (at == n)
			return mz_fail(err, -EINVAL, "Suppressed role '%s' is not a role of the framework",
				       suppressed[i]);
	}
	return constraints_new(c, roles, n, &m->regex_limits, NULL, err);
}

static const char *given_id(const pb_framework_info *info)
{
	return info->id && info->id->value[0] ? info->id->value : NULL;
}

static int check(struct subscribe *s, struct mz_err *err)
{
	Mesos__V1__Scheduler__Call__Subscribe *sub = s->call->subscribe;
	const char *id = given_id(s->info);
	if (id) {
		int r = id_check("framework id", id, err);
		if (r < 0)
			return r;
		if (map_has(&s->m->completed_index, id))
			return mz_fail(err, -EINVAL, "Framework has been removed");
	}
	if (!(id && framework_get(s->m, id)) && s->m->frameworks.n >= s->m->cfg.max_frameworks)
		return mz_fail(err, -ENOSPC, "Too many frameworks: %zu are known, and no more may be", s->m->frameworks.n);
	int r = framework_info_allowed(s->m, s->info, sub->suppressed_roles, sub->n_suppressed_roles,
				       sub->offer_constraints, err);
	struct framework *f = id ? framework_get(s->m, id) : NULL;
	if (r == 0 && f && !str_eq(f->info->principal, s->info->principal))
		return mz_fail(err, -EINVAL, "The principal of a framework cannot change");
	return r;
}

/* ---- steps ---------------------------------------------------------------------- */

/* Another subscription of the same id is on its way. */
static bool tried_again(struct subscribe *s)
{
	list_each(&s->m->subscribes, struct subscribe, in_master, other)
		if (other != s && other->info->id && str_eq(other->info->id->value, s->info->id->value))
			return true;
	return false;
}

/* What may not change keeps its old value. */
static void keep_fixed(struct subscribe *s, const struct framework *f)
{
	s->info->user = arena_strdup(&s->arena, f->info->user);
	s->info->has_checkpoint = f->info->has_checkpoint;
	s->info->checkpoint = f->info->checkpoint;
}

static void write_record(struct subscribe *s);

/* Two first subscriptions with one id may have been written at the same time: the
 * second one is held against the first. And what was on record may not be any more.
 * Either way the record is put right. */
static bool may_follow(struct subscribe *s, struct framework *f)
{
	if (!str_eq(f->info->principal, s->info->principal)) {
		framework_save(f, NULL, NULL);
		refuse(s, "The principal of a framework cannot change");
		return false;
	}
	if (!str_eq(f->info->user, s->info->user) || !f->info->checkpoint != !s->info->checkpoint ||
	    (!s->is_written && !pb_equal(&f->info->base, &s->info->base))) {
		write_record(s);
		return false;
	}
	return true;
}

/* Its scheduler has gone, and may never hear of it. What was written is so all the same. */
static void end_unheard(struct subscribe *s, struct framework *f)
{
	Mesos__V1__Scheduler__Call__Subscribe *sub = s->call->subscribe;
	if (f && s->is_written)
		framework_update(f, s->info, sub->suppressed_roles, sub->n_suppressed_roles, sub->offer_constraints);
	else if (!f && !tried_again(s))
		framework_forget(s->m, s->info->id->value); /* nobody knows the id */
	subscribe_free(s);
}

static void on_durable(void *arg)
{
	struct subscribe *s = arg;
	Mesos__V1__Scheduler__Call__Subscribe *sub = s->call->subscribe;
	if (map_has(&s->m->completed_index, s->info->id->value)) {
		refuse(s, "Framework has been removed");
		return;
	}
	struct framework *f = framework_get(s->m, s->info->id->value);
	bool was_known = f != NULL;
	if (f && !may_follow(s, f))
		return;
	if (!s->stream) {
		end_unheard(s, f);
		return;
	}
	if (!f)
		f = framework_new(s->m, s->info);
	framework_set_info(f, s->info, sub->suppressed_roles, sub->n_suppressed_roles, sub->offer_constraints);
	f->metrics.calls[MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE]++;
	struct http_stream *stream = s->stream;
	s->stream = NULL;
	framework_subscribed(f, stream, s->codec, s->stream_id, was_known);
	subscribe_free(s);
}

static void write_record(struct subscribe *s)
{
	struct master *m = s->m;
	const char *id = given_id(s->info);
	struct framework *f = id ? framework_get(m, id) : NULL;
	if (!id) {
		char name[96];
		snprintf(name, sizeof(name), "%s-%04llu", m->id, (unsigned long long)m->next_framework++);
		s->info->id = id_framework(&s->arena, arena_strdup(&s->arena, name));
	}
	if (f)
		keep_fixed(s, f);
	s->is_written = !f || !pb_equal(&f->info->base, &s->info->base);
	if (!s->is_written)
		store_barrier(m->store, on_durable, s);
	else
		framework_put(m, s->info, f ? f->registered_time : loop_wall_secs(m->loop), 0, on_durable, s);
}

static void on_authorized(void *arg, const struct mz_err *err)
{
	struct subscribe *s = arg;
	struct mz_err again;
	if (err && !s->refused.code)
		s->refused = *err;
	if (--s->n_waiting)
		return;
	if (!s->stream)
		subscribe_free(s);
	else if (s->refused.code)
		refuse(s, s->refused.msg);
	else if (check(s, &again) < 0) /* the world may have changed meanwhile */
		refuse(s, again.msg);
	else
		write_record(s);
}

static void authorize(struct subscribe *s)
{
	const char **roles;
	size_t n = framework_roles(s->info, &s->arena, &roles);
	s->n_waiting = n + 1; /* the last one is our own: fn may be called from inside */
	for (size_t i = 0; i < n; i++) {
		struct mz_object o = {
			.size = sizeof(o),
			.value = roles[i],
			.role = roles[i],
			.user = s->info->user,
			.framework_id = given_id(s->info),
			.framework_name = s->info->name,
			.framework_principal = s->info->principal,
		};
		authz_check(s->m, MZ_ACTION_REGISTER_FRAMEWORK, s->info->principal, &o, on_authorized, s);
	}
	on_authorized(s, NULL);
}

void subscribe_start(struct master *m, const char *principal, pb_call *call, struct arena *arena, enum codec accept,
		     struct http_exchange *x)
{
	struct subscribe *s = xnew(struct subscribe);
	struct uuid u;
	s->m = m;
	s->codec = accept;
	s->arena = *arena;
	*arena = (struct arena){0};
	s->call = call;
	s->info = call->subscribe->framework_info;
	framework_fill_info(s->info);
	if (!s->info->principal && principal)
		s->info->principal = arena_strdup(&s->arena, principal);
	if (given_id(s->info))
		m->metrics.messages_reregister_framework++;
	else
		m->metrics.messages_register_framework++;
	loop_uuid(m->loop, &u);
	uuid_format(&u, s->stream_id);
	struct http_header headers[] = {
		{"Content-Type", codec_content_type(accept)},
		{"Mesos-Stream-Id", s->stream_id},
	};
	list_append(&m->subscribes, &s->in_master);
	s->stream = http_stream(x, 200, headers, MZ_N(headers));
	s->stream->on_gone = on_stream_gone;
	s->stream->arg = s;
	struct mz_err err;
	if (check(s, &err) < 0)
		refuse(s, err.msg);
	else
		authorize(s);
}
