/* framework_test.c - the framework library against a scripted master on the real
 * loop: subscribing, launching, redirects, lost heartbeats, cut streams.
 * Nothing sleeps; alarm(2) ends what hangs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sdk/framework.h"

#include <errno.h>
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
	int call_status;
	/* what was seen */
	int n_subscribe, n_subscribed, n_lost, n_rescind, n_refused, n_calls[32], n_errors, n_flushed;
	struct buf last; /* the last call in JSON */
	char id[64], state[64], error[128];
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
		assert_null(http_header(r, "Mesos-Stream-Id"));
		subscribe(x);
		return;
	}
	assert_string_equal(http_header(r, "Mesos-Stream-Id"), "s1");
	http_reply(x, t.call_status, NULL, NULL, 0);
}

/* ---- the framework's side ------------------------------------------------------ */

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
	static const struct mzf_callbacks cb = {on_subscribed, on_disconnected, on_offers, on_rescind, on_update,
						NULL, NULL, on_refused, on_error};
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
	o.loop = t.l;
	assert_int_equal(mzf_framework_new(&o, &cb, NULL, &t.f, &err), 0);
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
	until(t.n_subscribed == 2);
	assert_int_equal(t.n_lost, 1);
	t.call_status = 400;
	assert_int_equal(mzf_suppress(t.f), 0);
	until(t.n_refused == 1);
	assert_string_equal(t.error, "SUPPRESS 400");
	assert_int_equal(t.n_lost, 1);
	t.call_status = 202;
	mzf_flush(t.f, on_flushed, NULL);
	until(t.n_flushed == 1);
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
		T(test_refused), cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
