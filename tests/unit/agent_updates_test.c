/* agent_updates_test.c - the update manager: in order, durable before they are acknowledged,
 * retried, and each taken once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <string.h>

#define IDS "\"framework_id\":{\"value\":\"F\"},\"executor_id\":{\"value\":\"e\"}"
#define STATUS(rest) "{\"type\":\"UPDATE\"," IDS ",\"update\":{\"status\":{\"task_id\":{\"value\":\"t\"}" rest "}}}"

static void test_one_outstanding(void **state)
{
	struct world *w = *state;
	struct fake_call *x = start_task(w);
	executor_update(w, "e", "t", "TASK_STARTING", 1);
	executor_update(w, "e", "t", "TASK_RUNNING", 2);
	executor_update(w, "e", "t", "TASK_FINISHED", 3);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(event(w, x, EV(ACKNOWLEDGED))->acknowledged->uuid.data[0], i);
	Mezzo__Link__ToMaster *m = to_master(w, TM(STATUS_UPDATE));
	assert_int_equal(m->status_update->status->state, ST(STARTING));
	assert_string_equal(m->status_update->status->agent_id->value, "S0");
	assert_string_equal(m->status_update->status->container_status->container_id->value, last_container(w));
	assert_null(next_status(w));
	ack_uuid(w, "t", 2); /* not the outstanding one */
	assert_null(next_status(w));
	ack_uuid(w, "t", 1);
	m = to_master(w, TM(STATUS_UPDATE));
	assert_int_equal(m->status_update->status->state, ST(RUNNING));
	assert_int_equal(m->status_update->latest_state, ST(FINISHED));
	ack_uuid(w, "t", 2);
	assert_int_equal(next_status(w)->state, ST(FINISHED));
	ack_uuid(w, "t", 3);
	assert_null(next_status(w));
	assert_int_equal(world_n_records(w, "update/"), 0);
	assert_int_equal(world_n_records(w, "task/"), 0);
	assert_int_equal(world_n_records(w, "executor/"), 1);
	ack_uuid(w, "t", 3);
}

/* What an executor leaves out of a status; what it says stays. */
static void test_statuses_are_completed(void **state)
{
	struct world *w = *state;
	start_task(w);
	mz_autofree char *json = xasprintf(STATUS(",\"state\":\"TASK_RUNNING\",\"source\":\"SOURCE_EXECUTOR\",\"uuid\":\"%s\",\"data\":\"eHl6\","
					"\"message\":\"m\",\"healthy\":false,\"reason\":\"REASON_TASK_HEALTH_CHECK_STATUS_UPDATED\","
					"\"labels\":{\"labels\":[{\"key\":\"k\"}]}"),
					   uuid_json(w, 1));
	assert_int_equal(executor_post(w, json)->status, 202);
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_non_null(s);
	const Mesos__V1__ContainerStatus *c = s->container_status;
	assert_string_equal(s->agent_id->value, "S0");
	assert_string_equal(s->executor_id->value, "e");
	assert_true(s->has_timestamp && s->timestamp > 1e9);
	assert_string_equal(c->container_id->value, last_container(w));
	assert_null(c->container_id->parent);
	assert_true(c->has_executor_pid && c->executor_pid > 0);
	assert_int_equal(c->n_network_infos, 1);
	assert_int_equal(c->network_infos[0]->n_ip_addresses, 1);
	assert_int_equal(c->network_infos[0]->ip_addresses[0]->protocol, MESOS__V1__NETWORK_INFO__PROTOCOL__IPv4);
	assert_string_equal(c->network_infos[0]->ip_addresses[0]->ip_address, "127.0.0.1");
	assert_memory_equal(s->data.data, "xyz", 3);
	assert_string_equal(s->message, "m");
	assert_true(s->has_healthy && !s->healthy);
	assert_int_equal(s->reason, RS(TASK_HEALTH_CHECK_STATUS_UPDATED));
	assert_string_equal(s->labels->labels[0]->key, "k");
	ack(w, "t", s);
	/* Of a time that it says itself. */
	mz_autofree char *end = xasprintf(STATUS(",\"state\":\"TASK_FINISHED\",\"source\":\"SOURCE_EXECUTOR\",\"uuid\":\"%s\",\"timestamp\":7.5"),
					  uuid_json(w, 2));
	assert_int_equal(executor_post(w, end)->status, 202);
	assert_true(next_status(w)->timestamp == 7.5);
}

static void test_durable_before_acknowledged(void **state)
{
	struct world *w = *state;
	struct fake_call *x = start_task(w);
	w->disk.stuck = true;
	assert_int_equal(executor_update(w, "e", "t", "TASK_RUNNING", 1), 202);
	assert_null(event_any(w, x));
	assert_null(next_status(w));
	ack_uuid(w, "t", 1); /* nobody can know it; it must not do harm */
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_non_null(event(w, x, EV(ACKNOWLEDGED)));
	assert_int_equal(next_status(w)->state, ST(RUNNING));
}

static void test_retry(void **state)
{
	struct world *w = *state;
	start_task(w);
	executor_update(w, "e", "t", "TASK_RUNNING", 1);
	assert_non_null(next_status(w));
	int64_t wait = 10;
	for (int i = 0; i < 8; i++) {
		/* the master pings, or the link would be given up */
		for (int64_t passed = 0; passed < wait - 1;) {
			int64_t step = MZ_MIN(60, wait - 1 - passed);
			world_pass(w, step * SECS);
			to_agent(w, "{\"ping\":{\"connected\":true}}");
			passed += step;
		}
		assert_null(next_status(w));
		world_pass(w, SECS);
		assert_non_null(next_status(w));
		wait = MZ_MIN(wait * 2, 600);
	}
	assert_int_equal(wait, 600);
	ack_uuid(w, "t", 1);
	world_pass(w, 60 * SECS);
	assert_null(next_status(w));
}

static int long_update(struct world *w, const char *state, int uuid)
{
	enum { SIZE = 1 << 20 };
	mz_autofree char *message = xcalloc(1, SIZE + 1);
	memset(message, 'x', SIZE);
	mz_autofree char *json = xasprintf(STATUS(",\"state\":\"%s\",\"source\":\"SOURCE_EXECUTOR\",\"uuid\":\"%s\",\"message\":\"%s\""),
					   state, uuid_json(w, uuid), message);
	return executor_post(w, json)->status;
}

/* A task that reports without end, while nobody acknowledges. */
static void test_floods_of_updates(void **state)
{
	struct world *w = *state;
	start_task(w);
	int n = 0;
	while (n < 100 && long_update(w, "TASK_RUNNING", n + 1) == 202)
		n++;
	assert_int_equal(n, 8);
	assert_int_equal(world_n_records(w, "update/"), 8);
	assert_int_equal(executor_update(w, "e", "t", "TASK_RUNNING", 1), 202); /* one that is known */
	/* There is room again, and its end is taken in any case. */
	ack_uuid(w, "t", 1);
	assert_int_equal(long_update(w, "TASK_RUNNING", 21), 202);
	assert_int_equal(long_update(w, "TASK_RUNNING", 22), 429);
	/* What an executor that comes back holds too much is not to come back with it, too. */
	mz_autofree char *held = xasprintf("\"unacknowledged_updates\":[{\"status\":{\"task_id\":{\"value\":\"t\"},\"state\":"
					   "\"TASK_RUNNING\",\"source\":\"SOURCE_EXECUTOR\",\"uuid\":\"%s\"}}]",
					   uuid_json(w, 24));
	int n_records = world_n_records(w, "update/");
	struct fake_call *x = executor_subscribe(w, "e", held);
	assert_int_equal(event(w, x, EV(ACKNOWLEDGED))->acknowledged->uuid.data[0], 24);
	assert_int_equal(world_n_records(w, "update/"), n_records);
	assert_int_equal(long_update(w, "TASK_FINISHED", 23), 202);
}

static void test_duplicates(void **state)
{
	struct world *w = *state;
	struct fake_call *x = start_task(w);
	executor_update(w, "e", "t", "TASK_RUNNING", 1);
	assert_non_null(event(w, x, EV(ACKNOWLEDGED)));
	executor_update(w, "e", "t", "TASK_RUNNING", 1); /* pending: acknowledged again */
	assert_non_null(event(w, x, EV(ACKNOWLEDGED)));
	assert_non_null(next_status(w));
	ack_uuid(w, "t", 1);
	executor_update(w, "e", "t", "TASK_RUNNING", 1); /* acknowledged by the framework, too */
	assert_non_null(event(w, x, EV(ACKNOWLEDGED)));
	executor_update(w, "e", "t", "TASK_FINISHED", 2);
	executor_update(w, "e", "t", "TASK_RUNNING", 3); /* after its end */
	assert_int_equal(event(w, x, EV(ACKNOWLEDGED))->acknowledged->uuid.data[0], 2);
	assert_int_equal(event(w, x, EV(ACKNOWLEDGED))->acknowledged->uuid.data[0], 3); /* it may forget it */
	expect_status(w, "t", ST(FINISHED), -1);
	assert_null(next_status(w));
	executor_update(w, "e", "t", "TASK_FINISHED", 2); /* of a task that is history */
	assert_non_null(event(w, x, EV(ACKNOWLEDGED)));
	assert_null(next_status(w));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_one_outstanding),
		TEST(test_statuses_are_completed),
		TEST(test_durable_before_acknowledged),
		TEST(test_retry),
		TEST(test_floods_of_updates),
		TEST(test_duplicates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
