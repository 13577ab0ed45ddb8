/* framework_test.c - the framework library against a scripted master on the real
 * loop: subscribing, launching, redirects, lost heartbeats, cut streams. What is a
 * matter of time is in framework_time_test.c. Nothing sleeps.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/framework_world.h"

#include <poll.h>
#include <pthread.h>

#include "sdk/address.h"

static int setup(void **state)
{
	mz_autofree char *master = NULL;
	struct mzf_options o = {.size = sizeof(o), .name = "test", .user = "me", .backoff_min_ms = 1, .backoff_max_ms = 4};
	struct mz_err err = {0};

	(void)state;
	world_begin();
	master = world_master();
	o.master = master;
	assert_int_equal(mzf_framework_new_on(t.l, &o, &world_callbacks, NULL, &t.f, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end();
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
	until(t.n_calls[CALL_TYPE(ACCEPT)] == 1);
	/* The reserved two whole, and half of the free one. */
	assert_non_null(strstr(buf_str(&t.last), "{\"value\":2.0}"));
	assert_non_null(strstr(buf_str(&t.last), "{\"value\":0.5}"));
	assert_non_null(strstr(buf_str(&t.last), "{\"begin\":31002,\"end\":31003}"));
	assert_non_null(strstr(buf_str(&t.last), "\"refuse_seconds\":1.0"));
	event("{\"type\":\"UPDATE\",\"update\":{\"status\":{\"task_id\":{\"value\":\"t1\"},\"state\":\"TASK_RUNNING\","
	      "\"agent_id\":{\"value\":\"S1\"},\"uuid\":\"AAECAwQFBgcICQoLDA0ODw==\"}}}");
	until(t.n_calls[CALL_TYPE(ACKNOWLEDGE)] == 1);
	assert_string_equal(t.state, "t1 TASK_RUNNING");
	assert_non_null(strstr(buf_str(&t.last), "AAECAwQFBgcICQoLDA0ODw=="));
	assert_int_equal(mzf_teardown(t.f, on_flushed, NULL), 0);
	until(t.n_flushed == 1);
	assert_int_equal(t.n_calls[CALL_TYPE(TEARDOWN)], 1);
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
	until(t.n_calls[CALL_TYPE(RECONCILE)] == 2);
	assert_null(strstr(buf_str(&t.last), "task_id"));
	assert_int_equal(mzf_n_unanswered(t.f), 2);
	event("{\"type\":\"UPDATE\",\"update\":{\"status\":{\"task_id\":{\"value\":\"t1\"},\"state\":\"TASK_RUNNING\","
	      "\"agent_id\":{\"value\":\"S1\"},\"reason\":\"REASON_RECONCILIATION\"}}}");
	until(mzf_n_unanswered(t.f) == 1);
	/* Asked again, for the one without an answer alone. */
	until(t.n_calls[CALL_TYPE(RECONCILE)] == 3);
	assert_non_null(strstr(buf_str(&t.last), "\"t2\""));
	assert_null(strstr(buf_str(&t.last), "\"t1\""));
	event("{\"type\":\"UPDATE\",\"update\":{\"status\":{\"task_id\":{\"value\":\"t2\"},\"state\":\"TASK_LOST\","
	      "\"reason\":\"REASON_RECONCILIATION\"}}}");
	until(mzf_n_unanswered(t.f) == 0);
	assert_int_equal(t.n_calls[CALL_TYPE(ACKNOWLEDGE)], 0);
	/* Again after a lost connection: t1 has not ended, t2 has. */
	http_close(MZ_MOVE(t.stream));
	until(t.n_subscribed == 2);
	assert_int_equal(t.n_ids, 1);
	assert_int_equal(mzf_n_unanswered(t.f), 1);
	until(t.n_calls[CALL_TYPE(RECONCILE)] == 5);
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
	until(t.n_calls[CALL_TYPE(ACCEPT)] == 1);
	assert_non_null(strstr(buf_str(&t.last), "\"offer_ids\":[{\"value\":\"A\"},{\"value\":\"D\"}]"));
	/* One of two goes: both are gone, and the other one is given back. */
	o = get_offer(OFFER2("E", "S1", "ops"));
	assert_int_equal(mzf_offer_join(o, get_offer(OFFER2("F", "S1", "ops")), &err), 0);
	event("{\"type\":\"RESCIND\",\"rescind\":{\"offer_id\":{\"value\":\"F\"}}}");
	until(t.n_calls[CALL_TYPE(DECLINE)] == 1);
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
	task.json = NULL;
	task.command = "echo \xff"; /* the master would refuse all that goes with it */
	assert_int_equal(mzf_offer_add_task(o, &task, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "Task 't1'"));
	task.command = "true";
	x.id = "x\xff";
	assert_int_equal(mzf_offer_add_group(o, &x, group, 1, &err), -EINVAL);
	x.id = "x";
	task.json = "{\"health_check\": 7}";
	assert_true(mzf_offer_add_task(o, &task, &err) < 0);
	assert_string_equal(mzf_offer_resources(o), "cpus:1");
	task.json = " {\"max_completion_time\": {\"nanoseconds\": 7}} ";
	assert_int_equal(mzf_offer_add_group(o, &x, group, 1, &err), 0);
	assert_string_equal(mzf_offer_resources(o), "cpus:0.25");
	assert_int_equal(mzf_offer_accept(o, 0), 0);
	until(t.n_calls[CALL_TYPE(ACCEPT)] == 1);
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
	until(t.n_calls[CALL_TYPE(SUPPRESS)] == 1);
	assert_non_null(strstr(buf_str(&t.last), "\"roles\":[\"*\"]"));
	http_close(MZ_MOVE(t.stream));
	until(t.n_subscribed == 2);
	assert_non_null(strstr(buf_str(&t.subscribe), "\"suppressed_roles\":[\"*\"]"));
	assert_int_equal(mzf_revive(t.f), 0);
	assert_int_equal(mzf_kill_within(t.f, "t", "S1", -1), -EINVAL);
	assert_int_equal(mzf_kill_within(t.f, "t", "S1", 1.5), 0);
	until(t.n_calls[CALL_TYPE(KILL)] == 1);
	assert_non_null(strstr(buf_str(&t.last), "\"nanoseconds\":1500000000"));
	assert_int_equal(mzf_shutdown_executor(t.f, "S1", "x"), 0);
	until(t.n_calls[CALL_TYPE(SHUTDOWN)] == 1);
	assert_int_equal(mzf_update_framework(t.f, &o, &err), 0);
	until(t.n_calls[CALL_TYPE(UPDATE_FRAMEWORK)] == 1);
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
	mz_autofree char *master = world_master();
	struct mzf_options o = {.size = sizeof(o), .master = master, .principal = "p", .secret = "s",
				.backoff_min_ms = 1, .backoff_max_ms = 4};
	struct mz_err err = {0};
	pthread_t thread;
	struct pollfd pfd = {.events = POLLIN};

	(void)state;
	assert_int_equal(mzf_framework_new(&o, &world_callbacks, NULL, &polled, &err), 0);
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
	until_polled(t.n_calls[CALL_TYPE(KILL)] == 1);
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
