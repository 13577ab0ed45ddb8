/* framework_world.c - see framework_world.h. The master runs on the real loop; alarm(2)
 * ends what hangs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/framework_world.h"

#include <unistd.h>

#include "wire/json.h"
#include "wire/recordio.h"

struct framework_world t;

void event(const char *json)
{
	mz_autoarena struct arena a = {0};
	mz_autobuf struct buf pb = {0}, rec = {0};
	struct mz_err err = {0};
	pb_msg *m = json_decode(&mesos__v1__scheduler__event__descriptor, &a, json, strlen(json), &err);

	if (!m)
		fail_msg("%s", err.msg);
	pb_encode(m, &pb);
	recordio_add(&rec, pb.data, pb.len);
	assert_int_equal(http_send(t.stream, rec.data, rec.len), 0);
}

static void on_stream_gone(void *arg)
{
	(void)arg;
	t.stream = NULL;
}

static void on_held_gone(void *arg)
{
	struct http_exchange *x = arg;

	x->on_gone = NULL;
	http_reply(x, 503, NULL, NULL, 0); /* frees it */
}

static void subscribe(struct http_exchange *x)
{
	const struct http_header h[] = {{"Content-Type", "application/x-protobuf"}, {"Mesos-Stream-Id", "s1"}};
	mz_autofree char *json = NULL;

	t.n_subscribe++;
	if (t.mute) {
		x->on_gone = on_held_gone;
		x->on_gone_arg = x;
		return;
	}
	if (t.answer || t.always) {
		const struct http_header to[] = {{"Location", t.location}};
		int status = t.answer ? t.answer : t.always;
		t.answer = 0;
		http_reply_headers(x, status, to, t.location ? 1 : 0, "no", 2);
		return;
	}
	if (t.stream)
		http_close(t.stream);
	t.stream = http_stream(x, 200, h, 2);
	t.stream->on_gone = on_stream_gone;
	json = xasprintf("{\"type\":\"SUBSCRIBED\",\"subscribed\":{\"framework_id\":{\"value\":\"F1\"},"
			 "\"heartbeat_interval_seconds\":%s}}", t.interval);
	event(json);
}

void world_scheduler(void *arg, const struct http_request *r, struct http_exchange *x)
{
	mz_autoarena struct arena a = {0};
	Mesos__V1__Scheduler__Call *c = (Mesos__V1__Scheduler__Call *)pb_decode(
		&mesos__v1__scheduler__call__descriptor, &a, r->body, r->body_size, NULL);

	assert_non_null(c);
	assert_string_equal(http_header(r, "Content-Type"), "application/x-protobuf");
	const char *auth = http_header(r, "Authorization");

	t.n_calls[c->type]++;
	buf_clear(&t.last);
	json_encode(&c->base, &t.last);
	if (c->type == CALL_TYPE(SUBSCRIBE)) {
		assert_null(http_header(r, "Mesos-Stream-Id"));
		t.subscribed_at = (int)(intptr_t)arg;
		snprintf(t.authorization, sizeof(t.authorization), "%s", auth ? auth : "");
		buf_clear(&t.subscribe);
		buf_adds(&t.subscribe, buf_str(&t.last));
		subscribe(x);
		return;
	}
	assert_string_equal(http_header(r, "Mesos-Stream-Id"), "s1");
	snprintf(t.call_authorization, sizeof(t.call_authorization), "%s", auth ? auth : "");
	if (c->type == CALL_TYPE(RECONCILE))
		buf_adds(&t.questions, buf_str(&t.last));
	http_reply(x, t.call_status, NULL, NULL, 0);
}

/* ---- the framework's side ------------------------------------------------------ */

static int on_framework_id(void *arg, const char *id)
{
	(void)arg;
	assert_string_equal(id, "F1");
	t.n_ids++;
	return t.id_result;
}

static void on_subscribed(void *arg, const char *id)
{
	(void)arg;
	t.n_subscribed++;
	snprintf(t.id, sizeof(t.id), "%s", id);
}

static void on_disconnected(void *arg, const char *why)
{
	(void)arg;
	snprintf(t.error, sizeof(t.error), "%s", why);
	t.n_lost++;
}

static void on_offers(void *arg, struct mzf_offer *const *v, size_t n)
{
	(void)arg, (void)n;
	t.offer = v[0];
}

static void on_rescind(void *arg, struct mzf_offer *o)
{
	(void)arg;
	if (t.offer == o)
		t.offer = NULL;
	t.n_rescind++;
}

static void on_update(void *arg, const struct mzf_status *s)
{
	(void)arg;
	snprintf(t.state, sizeof(t.state), "%s %s", s->task_id, mzf_task_state_name(s->state));
}

static void on_refused(void *arg, const char *call, int status, const char *why)
{
	(void)arg, (void)why;
	snprintf(t.error, sizeof(t.error), "%s %d", call, status);
	t.n_refused++;
}

static void on_error(void *arg, const char *why)
{
	(void)arg;
	snprintf(t.error, sizeof(t.error), "%s", why);
	t.n_errors++;
}

void on_flushed(void *arg, const char *why)
{
	(void)arg;
	assert_null(why);
	t.n_flushed++;
}

struct mzf_offer *get_offer(const char *json)
{
	t.offer = NULL;
	event(json);
	until(t.offer);
	return t.offer;
}

/* ---- the world ----------------------------------------------------------------- */

const struct mzf_callbacks world_callbacks = {.size = sizeof(world_callbacks), .on_framework_id = on_framework_id,
					      .on_subscribed = on_subscribed, .on_disconnected = on_disconnected,
					      .on_offers = on_offers, .on_rescind = on_rescind,
					      .on_update = on_update, .on_refused = on_refused,
					      .on_error = on_error};

static void turn(void)
{
	loop_event_turn(t.l, NS_PER_SEC);
}

void world_begin(void)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct mz_err err = {0};

	memset(&t, 0, sizeof(t));
	t.turn = turn;
	t.interval = "15.0";
	t.call_status = 202;
	alarm(60);
	assert_int_equal(loop_event_new(1, &t.l, &err), 0);
	http_route(&t.router, "/api/v1/scheduler", world_scheduler, NULL);
	assert_int_equal(http_server_new(t.l, "127.0.0.1", 0, &limits, &t.router, &t.server, &err), 0);
}

void world_end(void)
{
	mzf_framework_free(t.f);
	http_server_free(t.server);
	http_router_done(&t.router);
	loop_event_turn(t.l, 0); /* what was closed is freed by posted work */
	loop_event_free(t.l);
	buf_done(&t.last);
	buf_done(&t.subscribe);
	buf_done(&t.questions);
}

char *world_master(void)
{
	return xasprintf("127.0.0.1:%d", http_server_port(t.server));
}
