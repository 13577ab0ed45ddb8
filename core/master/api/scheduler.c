/* scheduler.c - POST /api/v1/scheduler: the order of checks, and the table of
 * calls. Every call but SUBSCRIBE, UPDATE_FRAMEWORK and TEARDOWN is answered 202 before it
 * is carried out; what becomes of it is told by events.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/api/api.h"

#define TYPE(name) MESOS__V1__SCHEDULER__CALL__TYPE__##name

#define PAYLOAD(member)                                        \
	static const void *member##_of(const pb_call *c)       \
	{                                                      \
		return c->member;                              \
	}
PAYLOAD(subscribe)
PAYLOAD(accept)
PAYLOAD(decline)
PAYLOAD(accept_inverse_offers)
PAYLOAD(decline_inverse_offers)
PAYLOAD(kill)
PAYLOAD(shutdown)
PAYLOAD(acknowledge)
PAYLOAD(acknowledge_operation_status)
PAYLOAD(reconcile)
PAYLOAD(reconcile_operations)
PAYLOAD(message)
PAYLOAD(request)
PAYLOAD(update_framework)

static const struct call_type {
	Mesos__V1__Scheduler__Call__Type type;
	const char *member; /* that must be set; NULL: none */
	const void *(*payload)(const pb_call *c);
	void (*handle)(struct call_ctx *c);
} calls[] = {
	{TYPE(SUBSCRIBE), "subscribe", subscribe_of, NULL},
	{TYPE(TEARDOWN), NULL, NULL, NULL},
	{TYPE(ACCEPT), "accept", accept_of, call_accept},
	{TYPE(DECLINE), "decline", decline_of, call_decline},
	{TYPE(ACCEPT_INVERSE_OFFERS), "accept_inverse_offers", accept_inverse_offers_of, call_inverse_offers},
	{TYPE(DECLINE_INVERSE_OFFERS), "decline_inverse_offers", decline_inverse_offers_of, call_inverse_offers},
	{TYPE(REVIVE), NULL, NULL, call_revive},
	{TYPE(KILL), "kill", kill_of, call_kill},
	{TYPE(SHUTDOWN), "shutdown", shutdown_of, call_shutdown},
	{TYPE(ACKNOWLEDGE), "acknowledge", acknowledge_of, call_acknowledge},
	{TYPE(ACKNOWLEDGE_OPERATION_STATUS), "acknowledge_operation_status", acknowledge_operation_status_of,
	 call_acknowledge_operation},
	{TYPE(RECONCILE), "reconcile", reconcile_of, call_reconcile},
	{TYPE(RECONCILE_OPERATIONS), "reconcile_operations", reconcile_operations_of, call_reconcile_operations},
	{TYPE(MESSAGE), "message", message_of, call_message},
	{TYPE(REQUEST), "request", request_of, call_request},
	{TYPE(SUPPRESS), NULL, NULL, call_suppress},
	{TYPE(UPDATE_FRAMEWORK), "update_framework", update_framework_of, NULL},
};

static const struct call_type *call_type_of(const pb_call *c)
{
	for (size_t i = 0; i < MZ_N(calls); i++)
		if (calls[i].type == c->type)
			return &calls[i];
	return NULL;
}

/* ---- rules of a call by itself --------------------------------------------------- */

static int check_subscribe(const pb_call *c, const char *principal, struct mz_err *err)
{
	const pb_framework_info *info = c->subscribe->framework_info;
	const char *outer = c->framework_id ? c->framework_id->value : "";
	const char *inner = info->id ? info->id->value : "";
	if (!str_eq(outer, inner))
		return mz_fail(err, -EINVAL, "'framework_id' differs from 'subscribe.framework_info.id'");
	if (principal && info->principal && !str_eq(principal, info->principal))
		return mz_fail(err, -EINVAL, "Authenticated principal '%s' differs from 'framework_info.principal' '%s'",
			       principal, info->principal);
	return 0;
}

static int check(const pb_call *c, const struct call_type *t, const char *principal, struct mz_err *err)
{
	if (t->payload && !t->payload(c))
		return mz_fail(err, -EINVAL, "Expecting '%s' to be present", t->member);
	if (c->type == TYPE(SUBSCRIBE))
		return check_subscribe(c, principal, err);
	if (!c->framework_id)
		return mz_fail(err, -EINVAL, "Expecting 'framework_id' to be present");
	if (c->type == TYPE(ACKNOWLEDGE) && c->acknowledge->uuid.len != UUID_BYTES)
		return mz_fail(err, -EINVAL, "'acknowledge.uuid' is not a UUID of %d bytes", UUID_BYTES);
	if (c->type == TYPE(ACKNOWLEDGE_OPERATION_STATUS)) {
		if (c->acknowledge_operation_status->uuid.len != UUID_BYTES)
			return mz_fail(err, -EINVAL, "'acknowledge_operation_status.uuid' is not a UUID of %d bytes",
				       UUID_BYTES);
		if (!c->acknowledge_operation_status->agent_id)
			return mz_fail(err, -EINVAL, "Expecting 'acknowledge_operation_status.agent_id' to be present");
	}
	return 0;
}

/* ---- rules of the session ------------------------------------------------------------ */

/* The framework, if the call belongs to its session; else answered. */
static struct framework *session_of(struct master *m, const pb_call *c, const struct http_request *r,
				    struct http_exchange *x)
{
	struct framework *f = framework_get(m, c->framework_id->value);
	const char *stream = http_header(r, "Mesos-Stream-Id");
	if (!f)
		http_reply_text(x, 400, "Framework cannot be found");
	else if (r->principal && !str_eq(r->principal, f->info->principal))
		http_reply_text(x, 400, "Authenticated principal '%s' is not the framework's", r->principal);
	else if (!f->session.stream)
		http_reply_text(x, 403, "Framework is not subscribed");
	else if (!stream)
		http_reply_text(x, 400, "All calls except SUBSCRIBE need the header 'Mesos-Stream-Id'");
	else if (!str_eq(stream, f->session.id))
		http_reply_text(x, 400, "'Mesos-Stream-Id' %.128s is not the id of this framework's stream", stream);
	else
		return f;
	return NULL;
}

/* ---- how often ------------------------------------------------------------------------ */

/* A listed principal has one bucket for all of its frameworks; every other
 * framework has its own. */
static bool take_from_bucket(struct framework *f, int64_t *ret_wait_ns)
{
	struct master *m = f->m;
	int64_t now = loop_now(m->loop);
	for (size_t i = 0; f->info->principal && i < m->cfg.n_rate_limits; i++) {
		const struct master_rate_limit *l = &m->cfg.rate_limits[i];
		if (str_eq(l->principal, f->info->principal))
			return rate_take(&m->rates[i], l->per_second, l->burst, now, ret_wait_ns);
	}
	return rate_take(&f->rate, m->cfg.framework_calls_per_second, m->cfg.framework_calls_burst, now, ret_wait_ns);
}

/* Answered, if it is over the rate: it may be tried again after that many seconds. */
static bool over_rate(struct framework *f, const pb_call *c, struct http_exchange *x)
{
	static const char text[] = "The framework sends more calls than it may";
	int64_t wait = 0;
	char secs[24];
	if (take_from_bucket(f, &wait))
		return false;
	call_refuse(f, (int)c->type, "%s", text);
	f->m->metrics.throttled_calls++;
	snprintf(secs, sizeof(secs), "%lld", (long long)((wait + NS_PER_SEC - 1) / NS_PER_SEC));
	struct http_header headers[] = {{"Content-Type", "text/plain"}, {"Retry-After", secs}};
	http_reply_headers(x, 429, headers, MZ_N(headers), text, strlen(text));
	return true;
}

static void subscribe(struct master *m, pb_call *c, struct arena *arena, enum codec accept,
		      const struct http_request *r, struct http_exchange *x)
{
	if (http_header(r, "Mesos-Stream-Id")) {
		http_reply_text(x, 400, "SUBSCRIBE cannot have the header 'Mesos-Stream-Id'");
		return;
	}
	subscribe_start(m, r->principal, c, arena, accept, x);
}

static void carry_out(struct master *m, pb_call *call, const struct call_type *t, struct arena *arena,
		      const struct http_request *r, struct http_exchange *x)
{
	struct framework *f = session_of(m, call, r, x);
	if (!f || over_rate(f, call, x))
		return;
	struct call_ctx c = {m, f, call, arena};
	f->metrics.calls[call->type]++;
	if (call->type == TYPE(UPDATE_FRAMEWORK)) {
		call_update_framework(&c, r->principal, x);
		return;
	}
	if (call->type == TYPE(TEARDOWN)) {
		call_teardown(&c, x);
		return;
	}
	http_reply(x, 202, NULL, NULL, 0);
	t->handle(&c);
}

void api_scheduler(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct master *m = arg;
	struct arena arena = {0};
	struct mz_err err;
	enum codec in, accept;
	if (api_not_leading(m, r, x))
		return;
	pb_call *c = (pb_call *)api_decode_call(r, x, &mesos__v1__scheduler__call__descriptor, &arena, &in);
	if (!c)
		goto out;
	if (!c->has_type) {
		http_reply_text(x, 400, "Expecting 'type' to be present");
		goto out;
	}
	const struct call_type *t = call_type_of(c);
	if (t && check(c, t, r->principal, &err) < 0) {
		http_reply_text(x, 400, "Call is not valid: %s", err.msg);
		goto out;
	}
	if (!api_accept(r, x, &accept))
		goto out;
	if (!t)
		http_reply_text(x, 501, "The call type is not supported");
	else if (c->type == TYPE(SUBSCRIBE))
		subscribe(m, c, &arena, accept, r, x);
	else
		carry_out(m, c, t, &arena, r, x);
out:
	arena_done(&arena);
}
