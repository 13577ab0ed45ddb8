/* framework_time_test.c - the framework library where time matters: pauses between
 * attempts, silence, rounds of reconciliation. Its clock is the test's; what it sends
 * and hears goes over the real loop.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/framework_world.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/str.h"

/* ---- a loop whose time stands still until it is moved; the rest of it is real ------ */

struct timer {
	struct list node;
	int64_t due_ns;
	loop_fn fn;
	void *arg;
};

static struct {
	struct loop *l;
	const struct loop_ops *real;
	struct loop_ops ops;
	int64_t now_ns;
	uint8_t draw; /* all bytes of randomness */
	struct list timers;
} slow;

static int64_t slow_now(struct loop *l)
{
	(void)l;
	return slow.now_ns;
}

static void slow_random(struct loop *l, void *out, size_t size)
{
	(void)l;
	memset(out, slow.draw, size);
}

static struct loop_timer *slow_timer(struct loop *l, int64_t delay_ns, loop_fn fn, void *arg)
{
	struct timer *x = xnew(struct timer);

	(void)l;
	*x = (struct timer){.due_ns = slow.now_ns + delay_ns, .fn = fn, .arg = arg};
	list_append(&slow.timers, &x->node);
	return (struct loop_timer *)x;
}

static void slow_timer_cancel(struct loop *l, struct loop_timer *timer)
{
	struct timer *x = (struct timer *)timer;

	(void)l;
	list_remove(&x->node);
	free(x);
}

static struct timer *first(void)
{
	struct timer *least = NULL;

	list_each(&slow.timers, struct timer, node, x)
		if (!least || x->due_ns < least->due_ns)
			least = x;
	return least;
}

/* So much time passes: what is due happens, in its order. */
static void pass(int64_t ns)
{
	int64_t end = slow.now_ns + ns;

	for (struct timer *x = first(); x && x->due_ns <= end; x = first()) {
		struct timer now = *x;
		slow.now_ns = MZ_MAX(slow.now_ns, x->due_ns);
		slow_timer_cancel(slow.l, (struct loop_timer *)x);
		now.fn(now.arg);
	}
	slow.now_ns = end;
}

/* Until the first timer. */
static int64_t left(void)
{
	const struct timer *x = first();
	return x ? x->due_ns - slow.now_ns : -1;
}

static void turn(void)
{
	pass(0);
	loop_event_turn(t.l, 0);
	loop_event_turn(slow.l, left() == 0 ? 0 : NS_PER_MS);
}

/* Nothing of the framework is on the way any more. */
static void settle(void)
{
	int n = t.n_flushed;

	mzf_flush(t.f, on_flushed, NULL);
	until(t.n_flushed > n);
}

static int setup(void **state)
{
	struct mz_err err = {0};

	(void)state;
	memset(&slow, 0, sizeof(slow));
	list_init(&slow.timers);
	slow.draw = 0x5a;
	world_begin();
	assert_int_equal(loop_event_new(1, &slow.l, &err), 0);
	slow.real = slow.l->ops;
	slow.ops = *slow.real;
	slow.ops.now = slow_now;
	slow.ops.random = slow_random;
	slow.ops.timer = slow_timer;
	slow.ops.timer_cancel = slow_timer_cancel;
	slow.l->ops = &slow.ops;
	t.turn = turn;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mzf_framework_free(MZ_MOVE(t.f));
	loop_event_turn(slow.l, 0); /* what was closed is freed by posted work */
	assert_null(first());
	slow.l->ops = slow.real;
	loop_event_free(slow.l);
	world_end();
	return 0;
}

/* With everything else as it is by default. */
static void make(struct mzf_options o)
{
	mz_autofree char *master = world_master();
	struct mz_err err = {0};

	o.size = sizeof(o);
	o.user = "me";
	if (!o.master)
		o.master = master;
	assert_int_equal(mzf_framework_new_on(slow.l, &o, &world_callbacks, NULL, &t.f, &err), 0);
}

static void subscribed(int n)
{
	until(t.n_subscribed == n);
	settle();
}

/* ---- connecting ------------------------------------------------------------------- */

/* Half of each pause is fixed, the other half is drawn; it doubles, up to 15 s. */
static void test_back_off(void **state)
{
	int64_t pause = 100 * NS_PER_MS, last = 0;

	(void)state;
	make((struct mzf_options){0});
	t.always = 503;
	mzf_start(t.f);
	for (int i = 1; i <= 12; i++) {
		until(t.n_lost == i);
		assert_true(left() >= pause / 2 && left() <= pause);
		last = left();
		pass(last);
		pause = MZ_MIN(pause * 2, 15 * NS_PER_SEC);
	}
	slow.draw = 0x7b;
	until(t.n_lost == 13);
	assert_int_not_equal(left(), last); /* than the last one, which was of 15 s as well */
	/* Once it has subscribed it begins anew. */
	t.always = 0;
	pass(left());
	subscribed(1);
	http_close(MZ_MOVE(t.stream));
	until(t.n_lost == 14);
	assert_true(left() >= 50 * NS_PER_MS && left() <= 100 * NS_PER_MS);
}

static void test_masters_in_turn(void **state)
{
	mz_autofree char *here = world_master(), *both = NULL;
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct http_router router = {0};
	struct http_server *other;
	struct mz_err err = {0};

	(void)state;
	http_route(&router, "/api/v1/scheduler", world_scheduler, (void *)1);
	assert_int_equal(http_server_new(t.l, "127.0.0.1", 0, &limits, &router, &other, &err), 0);
	both = xasprintf("%s,127.0.0.1:%d", here, http_server_port(other));
	make((struct mzf_options){.master = both});
	t.always = 503;
	mzf_start(t.f);
	for (int i = 0; i < 4; i++) {
		until(t.n_lost == i + 1);
		assert_int_equal(t.subscribed_at, i % 2);
		pass(left());
	}
	until(t.n_lost == 5);
	t.always = 0;
	pass(left());
	subscribed(1);
	assert_int_equal(t.subscribed_at, 1);
	http_close(MZ_MOVE(t.stream));
	until(t.n_lost == 6);
	http_server_free(other);
	http_router_done(&router);
}

static void test_which_answers_are_final(void **state)
{
	static const int again[] = {408, 429, 500, 503, 302};

	(void)state;
	make((struct mzf_options){0});
	mzf_start(t.f);
	for (int i = 0; i < (int)MZ_N(again); i++) {
		t.answer = again[i];
		until(t.n_lost == i + 1);
		assert_int_equal(t.n_errors, 0);
		t.answer = i + 1 < (int)MZ_N(again) ? again[i + 1] : 403;
		pass(left());
	}
	until(t.n_errors == 1);
	assert_string_equal(t.error, "HTTP status 403: no");
	assert_int_equal(left(), -1); /* and that is all */
}

static void test_redirects_in_a_circle(void **state)
{
	mz_autofree char *here = world_master(), *to = xasprintf("//%s/master/api/v1/scheduler", here);

	(void)state;
	make((struct mzf_options){0});
	t.always = 307;
	t.location = to;
	mzf_start(t.f);
	until(t.n_lost == 1);
	assert_string_equal(t.error, "too many redirects");
	assert_int_equal(t.n_subscribe, 6);
}

static void test_no_answer(void **state)
{
	(void)state;
	make((struct mzf_options){0});
	t.mute = true;
	mzf_start(t.f);
	until(t.n_subscribe == 1);
	pass(15 * NS_PER_SEC - 1);
	assert_int_equal(t.n_lost, 0);
	pass(1);
	assert_int_equal(t.n_lost, 1);
	assert_string_equal(t.error, "no answer in time");
	t.mute = false;
	pass(left());
	subscribed(1);
}

/* Five heartbeats are missed, and what waits to be read is read first. */
static void test_silence(void **state)
{
	(void)state;
	make((struct mzf_options){0});
	mzf_start(t.f);
	subscribed(1);
	pass(75 * NS_PER_SEC);
	assert_int_equal(t.n_lost, 0);
	(void)get_offer(OFFER2("A", "S1", "*"));
	pass(NS_PER_SEC);
	assert_int_equal(t.n_lost, 0);
	pass(74 * NS_PER_SEC);
	assert_int_equal(t.n_lost, 0);
	pass(NS_PER_SEC);
	assert_int_equal(t.n_lost, 1);
	assert_string_equal(t.error, "the master has gone silent");
}

/* ---- what a subscription is for --------------------------------------------------- */

#define UPDATE                                                                                                    \
	"{\"type\":\"UPDATE\",\"update\":{\"status\":{\"task_id\":{\"value\":\"t1\"},\"state\":\"TASK_RUNNING\","        \
	"\"agent_id\":{\"value\":\"S1\"},\"uuid\":\"AAECAwQFBgcICQoLDA0ODw==\"}}}"

static void test_manual_acknowledgements(void **state)
{
	static const char uuid[] = "0123456789abcdef";
	const struct mzf_status s = {.task_id = "t1", .agent_id = "S1", .uuid = {uuid, 16}};

	(void)state;
	make((struct mzf_options){.manual_ack = true});
	mzf_start(t.f);
	subscribed(1);
	event(UPDATE);
	until(str_eq(t.state, "t1 TASK_RUNNING"));
	settle();
	assert_int_equal(t.n_calls[CALL_TYPE(ACKNOWLEDGE)], 0);
	assert_int_equal(mzf_acknowledge(t.f, &s), 0);
	settle();
	assert_int_equal(t.n_calls[CALL_TYPE(ACKNOWLEDGE)], 1);
}

static void test_credentials(void **state)
{
	(void)state;
	make((struct mzf_options){.principal = "p", .secret = "s"});
	mzf_start(t.f);
	subscribed(1);
	assert_int_equal(mzf_kill(t.f, "t1", NULL), 0);
	settle();
	assert_string_equal(t.authorization, "Basic cDpz");
	assert_string_equal(t.call_authorization, "Basic cDpz");
}

static bool asked(const char *what)
{
	return strstr(buf_str(&t.questions), what) != NULL;
}

/* What was launched is asked for after a lost connection, with its agent. */
static void test_launched_tasks_are_tracked(void **state)
{
	const struct mzf_executor x = {.size = sizeof(x), .id = "x", .resources = "cpus:0.1"};
	const struct mzf_task alone = {.size = sizeof(alone), .id = "alone", .resources = "cpus:0.1", .command = "true"};
	const struct mzf_task in = {.size = sizeof(in), .id = "in", .resources = "cpus:0.1", .command = "true"};
	const struct mzf_task *const group[] = {&in};
	struct mz_err err = {0};
	struct mzf_offer *o;

	(void)state;
	make((struct mzf_options){0});
	mzf_start(t.f);
	subscribed(1);
	o = get_offer(OFFER2("A", "S1", "*"));
	assert_int_equal(mzf_offer_add_task(o, &alone, &err), 0);
	assert_int_equal(mzf_offer_add_group(o, &x, group, 1, &err), 0);
	assert_int_equal(mzf_offer_accept(o, 0), 0);
	settle();
	assert_int_equal(t.n_calls[CALL_TYPE(RECONCILE)], 0);
	http_close(MZ_MOVE(t.stream));
	until(t.n_lost == 1);
	pass(left());
	subscribed(2);
	assert_true(asked("{\"task_id\":{\"value\":\"alone\"},\"agent_id\":{\"value\":\"S1\"}}"));
	assert_true(asked("{\"task_id\":{\"value\":\"in\"},\"agent_id\":{\"value\":\"S1\"}}"));
}

/* 1 s, 2 s, 4 s … 60 s, of which half is drawn; answered, 600 s until the next round, likewise. */
static void test_rounds_of_reconciliation(void **state)
{
	int64_t pause = NS_PER_SEC;
	int n = 2; /* the first round: by name, and whatever else there is */

	(void)state;
	t.interval = "86400.0";
	make((struct mzf_options){0});
	mzf_track_task(t.f, "t1", "S1");
	mzf_start(t.f);
	for (subscribed(1); n < 12; n++, settle()) {
		assert_int_equal(t.n_calls[CALL_TYPE(RECONCILE)], n);
		assert_true(left() >= pause / 2 && left() <= pause);
		pass(left());
		pause = MZ_MIN(pause * 2, 60 * NS_PER_SEC);
	}
	event(UPDATE);
	until(mzf_n_unanswered(t.f) == 0);
	settle();
	pass(left());
	settle();
	assert_int_equal(t.n_calls[CALL_TYPE(RECONCILE)], n);
	assert_true(left() >= 300 * NS_PER_SEC && left() <= 600 * NS_PER_SEC);
	pass(left());
	settle();
	assert_int_equal(t.n_calls[CALL_TYPE(RECONCILE)], n + 2);
	assert_int_equal(mzf_n_unanswered(t.f), 1);
}

static void test_many_questions(void **state)
{
	(void)state;
	make((struct mzf_options){0});
	for (int i = 0; i < 2500; i++) {
		mz_autofree char *id = xasprintf("t%d", i);
		mzf_track_task(t.f, id, NULL);
	}
	mzf_start(t.f);
	subscribed(1);
	assert_int_equal(t.n_calls[CALL_TYPE(RECONCILE)], 4);
	assert_true(asked("\"t0\"") && asked("\"t999\"") && asked("\"t1000\"") && asked("\"t2499\""));
}

static void test_no_questions(void **state)
{
	(void)state;
	make((struct mzf_options){.manual_reconcile = true, .framework_id = "F1"});
	mzf_track_task(t.f, "t1", "S1");
	mzf_start(t.f);
	subscribed(1);
	assert_int_equal(left(), 75 * NS_PER_SEC); /* nothing but the heartbeats' */
	assert_int_equal(t.n_calls[CALL_TYPE(RECONCILE)], 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_back_off), T(test_masters_in_turn), T(test_which_answers_are_final), T(test_redirects_in_a_circle),
		T(test_no_answer), T(test_silence), T(test_manual_acknowledgements), T(test_credentials),
		T(test_launched_tasks_are_tracked), T(test_rounds_of_reconciliation), T(test_many_questions),
		T(test_no_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
