/* framework_test.c - the framework library against a scripted master on the real
 * loop: subscribing, launching, redirects, lost heartbeats, cut streams.
 * Nothing sleeps; alarm(2) ends what hangs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sdk/framework.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "sdk/address.h"
#include "wire/http_event.h"
#include "wire/json.h"
#include "wire/recordio.h"

static struct {
	struct loop *l;
	struct http_server *server;
	struct http_router router;
	struct http_stream *stream;
	struct mzf_framework *f;
	struct mzf_offer *offer;
	/* script */
	int answer; /* status of the next SUBSCRIBE; 0: 200 */
	const char *location;
	const char *interval;
	int call_status, id_result;
	/* what was seen */
	int n_subscribe, n_subscribed, n_lost, n_rescind, n_refused, n_calls[32], n_errors, n_flushed, n_ids;
	struct buf last, subscribe; /* the last call, and the last SUBSCRIBE, in JSON */
	char id[64], state[64], error[128], authorization[64];
} t;

#define until(cond)                                                \
	do {                                                       \
		while (!(cond))                                    \
			loop_event_turn(t.l, NS_PER_SEC);          \
	} while (0)

static void event(const char *json)
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

static void subscribe(struct http_exchange *x)
{
	const struct http_header h[] = {{"Content-Type", "application/x-protobuf"}, {"Mesos-Stream-Id", "s1"}};
	mz_autofree char *json = NULL;

	t.n_subscribe++;
	if (t.answer) {
		const struct http_header to[] = {{"Location", t.location}};
		int status = t.answer;
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

static void on_scheduler(void *arg, const struct http_request *r, struct http_exchange *x)
{
	mz_autoarena struct arena a = {0};
	Mesos__V1__Scheduler__Call *c = (Mesos__V1__Scheduler__Call *)pb_decode(
		&mesos__v1__scheduler__call__descriptor, &a, r->body, r->body_size, NULL);

	(void)arg;
	assert_non_null(c);
	assert_string_equal(http_header(r, "Content-Type"), "application/x-protobuf");
	t.n_calls[c->type]++;
	buf_clear(&t.last);
	json_encode(&c->base, &t.last);
	if (c->type == MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE) {
		const char *auth = http_header(r, "Authorization");
		assert_null(http_header(r, "Mesos-Stream-Id"));
		snprintf(t.authorization, sizeof(t.authorization), "%s", auth ? auth : "");
		buf_clear(&t.subscribe);
		buf_adds(&t.subscribe, buf_str(&t.last));
		subscribe(x);
		return;
	}
	assert_string_equal(http_header(r, "Mesos-Stream-Id"), "s1");
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

static void on_flushed(void *arg, const char *why)
{
	(void)arg;
	assert_null(why);
	t.n_flushed++;
}

static int setup(void **state)
{
	static const struct mzf_callbacks cb = {.size = sizeof(cb), .on_framework_id = on_framework_id,
						.on_subscribed = on_subscribed, .on_disconnected = on_disconnected,
						.on_offers = on_offers, .on_rescind = on_rescind,
						.on_update = on_update, .on_refused = on_refused,
						.on_error = on_error};
	mz_autofree char *master = NULL;
	struct mzf_options o = {.size = sizeof(o), .name = "test", .user = "me", .backoff_min_ms = 1, .backoff_max_ms = 4};
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct mz_err err = {0};

	(void)state;
	memset(&t, 0, sizeof(t));
	t.interval = "15.0";
	t.call_status = 202;
	alarm(60);
	assert_int_equal(loop_event_new(1, &t.l, &err), 0);
	http_route(&t.router, "/api/v1/scheduler", on_scheduler, NULL);
	assert_int_equal(http_server_new(t.l, "127.0.0.1", 0, &limits, &t.router, &t.server, &err), 0);
	master = xasprintf("127.0.0.1:%d", http_server_port(t.server));
	o.master = master;
	assert_int_equal(mzf_framework_new_on(t.l, &o, &cb, NULL, &t.f, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mzf_framework_free(t.f);
	http_server_free(t.server);
	http_router_done(&t.router);
	loop_event_turn(t.l, 0); /* what was closed is freed by posted work */
	loop_event_free(t.l);
	buf_done(&t.last);
	buf_done(&t.subscribe);
	return 0;
}

#define OFFER                                                                                                       \
	"{\"type\":\"OFFERS\",\"offers\":{\"offers\":[{\"id\":{\"value\":\"O1\"},\"framework_id\":{\"value\":\"F1\"}," \
	"\"agent_id\":{\"value\":\"S1\"},\"hostname\":\"h\",\"url\":{\"scheme\":\"http\",\"address\":{\"hostname\":\"h\","    \
	"\"ip\":\"10.0.0.1\",\"port\":5051}},\"allocation_info\":{\"role\":\"ops\"},\"resources\":["                      \
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1.0},\"allocation_info\":{\"role\":\"ops\"}},"          \
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":2.0},\"allocation_info\":{\"role\":\"ops\"},"           \
	"\"reservations\":[{\"type\":\"STATIC\",\"role\":\"ops\"}]},"                                                      \
	"{\"name\":\"ports\",\"type\":\"RANGES\",\"ranges\":{\"range\":[{\"begin\":31000,\"end\":31009}]},"                   \
	"\"allocation_info\":{\"role\":\"ops\"}}]}]}}"

static void test_launch(void **state)
{
	struct mzf_task task = {.size = sizeof(task), .id = "t1", .shell = true, .command = "true",
				.resources = "cpus:2.5;ports:[31002-31003]"};
	struct mz_err err = {0};

	(void)state;
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	assert_string_equal(t.id, "F1");
	event(OFFER);
	until(t.offer);
	assert_string_equal(mzf_offer_role(t.offer), "ops");
	assert_string_equal(mzf_offer_ip(t.offer), "10.0.0.1");
	task.resources = "cpus:4";
	assert_int_equal(mzf_offer_add_task(t.offer, &task, &err), -ENOSPC);
	task.resources = "ports:[31009-31010]";
	assert_int_equal(mzf_offer_add_task(t.offer, &task, &err), -ENOSPC);
	task.resources = "cpus:2.5;ports:[31002-31003]";
	assert_int_equal(mzf_offer_add_task(t.offer, &task, &err), 0);
	task.id = "t2";
	assert_int_equal(mzf_offer_add_task(t.offer, &task, &err), -ENOSPC);
	assert_int_equal(mzf_offer_accept(t.offer, 1), 0);
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT] == 1);
	/* The reserved two whole, and half of the free one. */
	assert_non_null(strstr(buf_str(&t.last), "{\"value\":2.0}"));
	assert_non_null(strstr(buf_str(&t.last), "{\"value\":0.5}"));
	assert_non_null(strstr(buf_str(&t.last), "{\"begin\":31002,\"end\":31003}"));
	assert_non_null(strstr(buf_str(&t.last), "\"refuse_seconds\":1.0"));
	event("{\"type\":\"UPDATE\",\"update\":{\"status\":{\"task_id\":{\"value\":\"t1\"},\"state\":\"TASK_RUNNING\","
	      "\"agent_id\":{\"value\":\"S1\"},\"uuid\":\"AAECAwQFBgcICQoLDA0ODw==\"}}}");
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE] == 1);
	assert_string_equal(t.state, "t1 TASK_RUNNING");
	assert_non_null(strstr(buf_str(&t.last), "AAECAwQFBgcICQoLDA0ODw=="));
	assert_int_equal(mzf_teardown(t.f, on_flushed, NULL), 0);
	until(t.n_flushed == 1);
	assert_int_equal(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__TEARDOWN], 1);
	assert_int_equal(mzf_revive(t.f), -ENOTCONN);
	assert_int_equal(t.n_lost + t.n_errors, 0);
}

static void test_cut_mid_record(void **state)
{
	(void)state;
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	event(OFFER);
	until(t.offer);
	assert_int_equal(http_send(t.stream, "100\nabc", 7), 0);
	http_close(MZ_MOVE(t.stream));
	until(t.n_subscribed == 2);
	assert_int_equal(t.n_lost, 1);
	assert_int_equal(t.n_rescind, 1); /* the offer went with the stream */
	assert_non_null(strstr(buf_str(&t.last), "\"id\":{\"value\":\"F1\"}"));
	/* The rest of the cut record is forgotten: the new stream is read from its start. */
	event(OFFER);
	until(t.offer);
}

static void test_broken_framing(void **state)
{
	(void)state;
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	assert_int_equal(http_send(t.stream, "x\n", 2), 0);
	until(t.n_subscribed == 2);
	assert_int_equal(t.n_lost, 1);
}

static void test_heartbeat_loss(void **state)
{
	(void)state;
	t.interval = "0.01";
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	t.interval = "15.0"; /* of the next subscription */
	until(t.n_subscribed == 2);
	assert_string_equal(t.error, "the master has gone silent");
	assert_int_equal(t.n_lost, 1);
}

static void test_redirect_and_no_leader(void **state)
{
	mz_autofree char *to = xasprintf("//127.0.0.1:%d/master/api/v1/scheduler", http_server_port(t.server));

	(void)state;
	t.answer = 307;
	t.location = to;
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	assert_int_equal(t.n_subscribe, 2);
	assert_int_equal(t.n_lost, 0); /* a redirect is no loss */
	t.answer = 503;
	t.location = NULL;
	http_close(MZ_MOVE(t.stream));
	until(t.n_subscribed == 2);
	assert_int_equal(t.n_subscribe, 4);
	assert_int_equal(t.n_lost, 2);
}

static void test_call_finds_master_gone(void **state)
{
	(void)state;
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	t.call_status = 503;
	assert_int_equal(mzf_kill(t.f, "t1", NULL), 0);
	until(t.n_lost == 1);
	t.call_status = 202;
	until(t.n_subscribed == 2);
	mzf_flush(t.f, on_flushed, NULL); /* its own reconciliation */
	until(t.n_flushed == 1);
	t.call_status = 400;
	assert_int_equal(mzf_suppress(t.f), 0);
	until(t.n_refused == 1);
	assert_string_equal(t.error, "SUPPRESS 400");
	assert_int_equal(t.n_lost, 1);
	t.call_status = 202;
	mzf_flush(t.f, on_flushed, NULL);
	until(t.n_flushed == 2);
}

static void test_error_is_final(void **state)
{
	(void)state;
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	event("{\"type\":\"ERROR\",\"error\":{\"message\":\"Framework failed over\"}}");
	until(t.n_errors == 1);
	assert_string_equal(t.error, "Framework failed over");
	assert_int_equal(mzf_revive(t.f), -ENOTCONN);
}

static void test_refused(void **state)
{
	(void)state;
	t.answer = 401;
	mzf_start(t.f);
	until(t.n_errors == 1);
	assert_string_equal(t.error, "HTTP status 401: no");
}

static void test_own_reconciliation(void **state)
{
	(void)state;
	t.id_result = 0;
	mzf_track_task(t.f, "t1", "S1");
	mzf_track_task(t.f, "t2", NULL);
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	assert_int_equal(t.n_ids, 1);
	/* One for the two tasks, one for all that the master knows. */
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE] == 2);
	assert_null(strstr(buf_str(&t.last), "task_id"));
	assert_int_equal(mzf_n_unanswered(t.f), 2);
	event("{\"type\":\"UPDATE\",\"update\":{\"status\":{\"task_id\":{\"value\":\"t1\"},\"state\":\"TASK_RUNNING\","
	      "\"agent_id\":{\"value\":\"S1\"},\"reason\":\"REASON_RECONCILIATION\"}}}");
	until(mzf_n_unanswered(t.f) == 1);
	/* Asked again, for the one without an answer alone. */
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE] == 3);
	assert_non_null(strstr(buf_str(&t.last), "\"t2\""));
	assert_null(strstr(buf_str(&t.last), "\"t1\""));
	event("{\"type\":\"UPDATE\",\"update\":{\"status\":{\"task_id\":{\"value\":\"t2\"},\"state\":\"TASK_LOST\","
	      "\"reason\":\"REASON_RECONCILIATION\"}}}");
	until(mzf_n_unanswered(t.f) == 0);
	assert_int_equal(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE], 0);
	/* Again after a lost connection: t1 has not ended, t2 has. */
	http_close(MZ_MOVE(t.stream));
	until(t.n_subscribed == 2);
	assert_int_equal(t.n_ids, 1);
	assert_int_equal(mzf_n_unanswered(t.f), 1);
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE] == 5);
}

static void test_id_not_stored(void **state)
{
	(void)state;
	t.id_result = -EIO;
	mzf_start(t.f);
	until(t.n_errors == 1);
	assert_string_equal(t.error, "The framework id could not be stored");
	assert_int_equal(t.n_subscribed, 0);
}

#define OFFER2(id, agent, role)                                                                                     \
	"{\"type\":\"OFFERS\",\"offers\":{\"offers\":[{\"id\":{\"value\":\"" id "\"},\"framework_id\":{\"value\":\"F1\"},"   \
	"\"agent_id\":{\"value\":\"" agent "\"},\"hostname\":\"h\",\"allocation_info\":{\"role\":\"" role "\"},\"resources\":["   \
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1.0},\"allocation_info\":{\"role\":\"" role "\"}}]}]}}"

static struct mzf_offer *get_offer(const char *json)
{
	t.offer = NULL;
	event(json);
	until(t.offer);
	return t.offer;
}

static void test_join(void **state)
{
	struct mzf_task task = {.size = sizeof(task), .id = "t1", .command = "true", .resources = "cpus:1.5"};
	struct mzf_offer *o, *second;
	struct mz_err err = {0};

	(void)state;
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	o = get_offer(OFFER2("A", "S1", "ops"));
	assert_int_equal(mzf_offer_join(o, get_offer(OFFER2("B", "S2", "ops")), &err), -EINVAL);
	assert_int_equal(mzf_offer_join(o, get_offer(OFFER2("C", "S1", "web")), &err), -EINVAL);
	second = get_offer(OFFER2("D", "S1", "ops"));
	assert_int_equal(mzf_offer_add_task(o, &task, &err), -ENOSPC);
	assert_int_equal(mzf_offer_join(o, second, &err), 0);
	assert_int_equal(mzf_offer_add_task(o, &task, &err), 0);
	assert_int_equal(mzf_offer_accept(o, 0), 0);
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT] == 1);
	assert_non_null(strstr(buf_str(&t.last), "\"offer_ids\":[{\"value\":\"A\"},{\"value\":\"D\"}]"));
	/* One of two goes: both are gone, and the other one is given back. */
	o = get_offer(OFFER2("E", "S1", "ops"));
	assert_int_equal(mzf_offer_join(o, get_offer(OFFER2("F", "S1", "ops")), &err), 0);
	event("{\"type\":\"RESCIND\",\"rescind\":{\"offer_id\":{\"value\":\"F\"}}}");
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE] == 1);
	assert_int_equal(t.n_rescind, 1);
	assert_non_null(strstr(buf_str(&t.last), "\"offer_ids\":[{\"value\":\"E\"}]"));
}

static void test_task_fields(void **state)
{
	const struct mzf_env label = {"tier", "web"}, env = {"X", "1"};
	const struct mzf_uri uri = {.value = "http://h/f.tar.gz", .executable = true};
	struct mzf_executor x = {.size = sizeof(x), .id = "x", .resources = "cpus:0.25", .env = &env, .n_env = 1};
	struct mzf_task task = {.size = sizeof(task), .id = "t1", .resources = "cpus:0.5", .command = "true",
				.labels = &label, .n_labels = 1, .uris = &uri, .n_uris = 1, .kill_grace_secs = 2};
	const struct mzf_task *const group[] = {&task};
	struct mzf_offer *o;
	struct mz_err err = {0};

	(void)state;
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	o = get_offer(OFFER2("A", "S1", "ops"));
	task.executor = &x;
	assert_int_equal(mzf_offer_add_task(o, &task, &err), -EINVAL); /* a command and an executor */
	assert_int_equal(mzf_offer_add_group(o, &x, group, 1, &err), -EINVAL);
	task.executor = NULL;
	task.json = "[]";
	assert_int_equal(mzf_offer_add_task(o, &task, &err), -EINVAL);
	task.json = "{\"health_check\": 7}";
	assert_true(mzf_offer_add_task(o, &task, &err) < 0);
	assert_string_equal(mzf_offer_resources(o), "cpus:1");
	task.json = " {\"max_completion_time\": {\"nanoseconds\": 7}} ";
	assert_int_equal(mzf_offer_add_group(o, &x, group, 1, &err), 0);
	assert_string_equal(mzf_offer_resources(o), "cpus:0.25");
	assert_int_equal(mzf_offer_accept(o, 0), 0);
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT] == 1);
	assert_non_null(strstr(buf_str(&t.last), "\"type\":\"LAUNCH_GROUP\""));
	assert_non_null(strstr(buf_str(&t.last), "\"type\":\"DEFAULT\""));
	assert_non_null(strstr(buf_str(&t.last), "{\"key\":\"tier\",\"value\":\"web\"}"));
	assert_non_null(strstr(buf_str(&t.last), "\"max_completion_time\":{\"nanoseconds\":7}"));
	assert_non_null(strstr(buf_str(&t.last), "\"grace_period\":{\"nanoseconds\":2000000000}"));
	assert_non_null(strstr(buf_str(&t.last), "http://h/f.tar.gz"));
	assert_int_equal(mzf_n_unanswered(t.f), 0); /* tracked, not asked for yet */
}

static void test_more_calls(void **state)
{
	static const char *const role[] = {"*"};
	static const char *const two[] = {"a", "b"};
	struct mzf_options o = {.size = sizeof(o), .name = "other", .user = "me", .roles = two, .n_roles = 2};
	struct mz_err err = {0};

	(void)state;
	mzf_start(t.f);
	until(t.n_subscribed == 1);
	assert_int_equal(mzf_suppress_roles(t.f, role, 1), 0);
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__SUPPRESS] == 1);
	assert_non_null(strstr(buf_str(&t.last), "\"roles\":[\"*\"]"));
	http_close(MZ_MOVE(t.stream));
	until(t.n_subscribed == 2);
	assert_non_null(strstr(buf_str(&t.subscribe), "\"suppressed_roles\":[\"*\"]"));
	assert_int_equal(mzf_revive(t.f), 0);
	assert_int_equal(mzf_kill_within(t.f, "t", "S1", -1), -EINVAL);
	assert_int_equal(mzf_kill_within(t.f, "t", "S1", 1.5), 0);
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__KILL] == 1);
	assert_non_null(strstr(buf_str(&t.last), "\"nanoseconds\":1500000000"));
	assert_int_equal(mzf_shutdown_executor(t.f, "S1", "x"), 0);
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__SHUTDOWN] == 1);
	assert_int_equal(mzf_update_framework(t.f, &o, &err), 0);
	until(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__UPDATE_FRAMEWORK] == 1);
	assert_non_null(strstr(buf_str(&t.last), "\"roles\":[\"a\",\"b\"]"));
	http_close(MZ_MOVE(t.stream));
	until(t.n_subscribed == 3);
	assert_non_null(strstr(buf_str(&t.subscribe), "\"roles\":[\"a\",\"b\"]"));
	assert_null(strstr(buf_str(&t.subscribe), "suppressed_roles"));
}

/* ---- inside of another loop: poll(2) on one descriptor ------------------------------- */

static struct mzf_framework *polled;
static int n_posted;

static void on_posted(void *arg)
{
	assert_ptr_equal(arg, &n_posted);
	n_posted++;
}

static void *post_from_thread(void *arg)
{
	mzf_post(polled, on_posted, arg);
	return NULL;
}

#define until_polled(cond)                                                              \
	do {                                                                            \
		struct pollfd pfd_ = {.fd = mzf_fd(polled), .events = POLLIN};          \
		while (!(cond)) {                                                       \
			loop_event_turn(t.l, 0);                                        \
			if (poll(&pfd_, 1, 1) > 0)                                      \
				mzf_dispatch(polled);                                   \
		}                                                                       \
	} while (0)

static void test_descriptor(void **state)
{
	mz_autofree char *master = xasprintf("127.0.0.1:%d", http_server_port(t.server));
	static const struct mzf_callbacks cb = {.size = sizeof(cb), .on_subscribed = on_subscribed,
						.on_disconnected = on_disconnected};
	struct mzf_options o = {.size = sizeof(o), .master = master, .principal = "p", .secret = "s",
				.backoff_min_ms = 1, .backoff_max_ms = 4};
	struct mz_err err = {0};
	pthread_t thread;
	struct pollfd pfd = {.events = POLLIN};

	(void)state;
	assert_int_equal(mzf_framework_new(&o, &cb, NULL, &polled, &err), 0);
	pfd.fd = mzf_fd(polled);
	assert_true(pfd.fd >= 0);
	mzf_dispatch(polled);
	assert_int_equal(poll(&pfd, 1, 0), 0); /* nothing to do */
	t.answer = 503;
	mzf_start(polled);
	/* A timer (the pause after 503), a connection, a call, a post. */
	until_polled(t.n_subscribed == 1);
	assert_int_equal(t.n_lost, 1);
	assert_string_equal(t.authorization, "Basic cDpz");
	assert_int_equal(mzf_kill(polled, "t1", NULL), 0);
	until_polled(t.n_calls[MESOS__V1__SCHEDULER__CALL__TYPE__KILL] == 1);
	assert_int_equal(pthread_create(&thread, NULL, post_from_thread, &n_posted), 0);
	until_polled(n_posted == 1);
	pthread_join(thread, NULL);
	http_close(MZ_MOVE(t.stream));
	until_polled(t.n_subscribed == 2);
	assert_int_equal(mzf_fd(polled), pfd.fd);
	mzf_framework_free(polled);
}

static void address_is(const char *text, const char *host, int port)
{
	struct address a = {0};

	assert_int_equal(address_parse(text, 5050, &a, NULL), 0);
	assert_string_equal(a.host, host);
	assert_int_equal(a.port, port);
	address_done(&a);
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {"", ":1", "h:0", "h:65536", "h:x", "::1", "[::1", "zk://a/b", "https://h"};
	struct address a;

	(void)state;
	address_is("h", "h", 5050);
	address_is("http://h:81/master", "h", 81);
	address_is("master@1.2.3.4:5", "1.2.3.4", 5);
	address_is("[::1]:7", "::1", 7);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(address_parse(bad[i], 5050, &a, NULL) < 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_launch), T(test_cut_mid_record), T(test_broken_framing), T(test_heartbeat_loss),
		T(test_redirect_and_no_leader), T(test_call_finds_master_gone), T(test_error_is_final),
		T(test_refused), T(test_own_reconciliation), T(test_id_not_stored), T(test_join),
		T(test_task_fields), T(test_more_calls), T(test_descriptor), cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
