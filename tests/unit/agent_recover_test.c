/* agent_recover_test.c - the agent after a restart: what its records make of it.
 * While it runs: agent_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <errno.h>
#include <string.h>

#define HAS_T "\"unacknowledged_tasks\":[{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"S0\"}}]"

/* A running task of executor e; its RUNNING (uuid 1) is acknowledged or not. */
static void run(struct world *w, bool acknowledged)
{
	world_register(w);
	run_task(w, "t", "e");
	executor_subscribe(w, "e", NULL);
	executor_update(w, "e", "t", "TASK_RUNNING", 1);
	assert_int_equal(next_status(w)->state, ST(RUNNING));
	if (acknowledged)
		ack_uuid(w, "t", 1);
	world_settle(w);
}

static Mezzo__Link__Register *back(struct world *w)
{
	agent_set_master(w->a, "m:5050");
	world_settle(w);
	return world_registered(w);
}

/* ---- what was acknowledged is remembered -------------------------------------------- */

static void test_state_survives(void **state)
{
	struct world *w = *state;
	run(w, true);
	world_restart(w);
	assert_null(back(w)); /* not before its executors had their moment */
	struct fake_call *x = executor_subscribe(w, "e", NULL);
	assert_int_equal(x->status, 200);
	assert_non_null(event(w, x, EV(SUBSCRIBED)));
	assert_null(event(w, x, EV(LAUNCH)));
	Mezzo__Link__Register *r = world_registered(w);
	assert_non_null(r);
	assert_string_equal(r->agent_info->id->value, "S0");
	assert_int_equal(r->n_tasks, 1);
	assert_int_equal(r->tasks[0]->state, ST(RUNNING));
	assert_int_equal(r->tasks[0]->has_status_update_uuid, 0);
	assert_int_equal(r->n_executors, 1);
	assert_null(next_status(w)); /* nothing is said twice, nothing made up */
	/* an old one of the executor is not taken for new */
	executor_update(w, "e", "t", "TASK_RUNNING", 1);
	assert_non_null(event(w, x, EV(ACKNOWLEDGED)));
	assert_null(next_status(w));
	executor_update(w, "e", "t", "TASK_FINISHED", 2);
	expect_status(w, "t", ST(FINISHED), -1);
	assert_int_equal(world_n_records(w, "task/") + world_n_records(w, "update/"), 0);
}

static void test_unacknowledged_come_again(void **state)
{
	struct world *w = *state;
	run(w, false);
	executor_update(w, "e", "t", "TASK_FINISHED", 2);
	world_restart(w);
	executor_subscribe(w, "e", NULL);
	Mezzo__Link__Register *r = back(w);
	assert_int_equal(r->tasks[0]->state, ST(FINISHED));
	assert_int_equal(r->tasks[0]->status_update_state, ST(RUNNING));
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_int_equal(s->state, ST(RUNNING));
	assert_int_equal(s->uuid.data[0], 1);
	assert_null(next_status(w));
	ack(w, "t", s);
	assert_int_equal(next_status(w)->uuid.data[0], 2);
	ack_uuid(w, "t", 2);
	assert_int_equal(world_n_records(w, "update/"), 0);
}

static void test_executor_resends(void **state)
{
	struct world *w = *state;
	run(w, true);
	world_restart(w);
	mz_autofree char *more = xasprintf(
		"\"unacknowledged_updates\":[{\"status\":{\"task_id\":{\"value\":\"t\"},\"state\":\"TASK_RUNNING\",\"source\":"
		"\"SOURCE_EXECUTOR\",\"uuid\":\"%s\"}},{\"status\":{\"task_id\":{\"value\":\"t\"},\"state\":\"TASK_FAILED\","
		"\"source\":\"SOURCE_EXECUTOR\",\"uuid\":\"%s\"}}]",
		uuid_json(w, 1), uuid_json(w, 2));
	struct fake_call *x = executor_subscribe(w, "e", more);
	assert_int_equal(event(w, x, EV(ACKNOWLEDGED))->acknowledged->uuid.data[0], 1);
	assert_int_equal(event(w, x, EV(ACKNOWLEDGED))->acknowledged->uuid.data[0], 2);
	assert_non_null(back(w));
	expect_status(w, "t", ST(FAILED), -1);
	assert_null(next_status(w));
}

/* While the agent waits for others it takes what one says that is back. */
static void test_executor_reports_early(void **state)
{
	struct world *w = *state;
	run(w, true);
	run_task(w, "late", NULL);
	executor_subscribe(w, "late", NULL);
	world_restart(w);
	assert_int_equal(executor_update(w, "e", "t", "TASK_FINISHED", 9), 503);
	struct fake_call *x = executor_subscribe(w, "e", NULL);
	assert_int_equal(executor_update(w, "e", "t", "TASK_FINISHED", 9), 202);
	assert_int_equal(event(w, x, EV(ACKNOWLEDGED))->acknowledged->uuid.data[0], 9);
	assert_int_equal(executor_update(w, "late", "late", "TASK_RUNNING", 10), 503);
	assert_int_equal(executor_update(w, "none", "t", "TASK_RUNNING", 11), 503);
	executor_subscribe(w, "late", NULL);
	assert_non_null(back(w));
	expect_status(w, "t", ST(FINISHED), -1);
}

/* ---- tasks that were on their way ------------------------------------------------------ */

static void test_not_delivered(void **state)
{
	struct world *w = *state;
	world_register(w);
	run_task(w, "t", NULL);
	world_restart(w);
	/* the command executor has no task: it is told to end, and the task to be launched anew */
	struct fake_call *x = executor_subscribe(w, "t", NULL);
	assert_non_null(event(w, x, EV(SHUTDOWN)));
	assert_non_null(back(w));
	expect_status(w, "t", ST(DROPPED), RS(AGENT_RESTARTED));
}

static void test_delivered(void **state)
{
	struct world *w = *state;
	world_register(w);
	run_task(w, "t", NULL);
	executor_subscribe(w, "t", NULL);
	world_restart(w);
	struct fake_call *x = executor_subscribe(w, "t", HAS_T);
	assert_null(event(w, x, EV(SHUTDOWN)));
	assert_int_equal(back(w)->tasks[0]->state, ST(STAGING));
	assert_null(next_status(w));
}

static void test_killed_meanwhile(void **state)
{
	struct world *w = *state;
	run(w, true);
	world_restart(w);
	world_pass(w, SECS);
	struct fake_call *x = executor_subscribe(w, "e", NULL);
	assert_non_null(back(w));
	kill_task(w, "t");
	assert_non_null(event(w, x, EV(KILL)));
}

/* ---- containers that do not come back ------------------------------------------------------ */

static void test_ended_meanwhile(void **state)
{
	struct world *w = *state;
	run(w, true);
	const char *id = last_container(w);
	world_crash(w);
	container_exit(w, id, 0);
	struct mz_err err;
	assert_int_equal(world_start(w, &err), 0);
	assert_int_equal(w->containers.n_recovered, 1);
	assert_non_null(back(w));
	expect_status(w, "t", ST(FAILED), RS(EXECUTOR_TERMINATED));
	assert_int_equal(world_n_records(w, "executor/") + world_n_records(w, "framework/"), 0);
	assert_int_equal(world_n_records(w, "sandbox/"), 1);
}

static void test_reregistration_timeout(void **state)
{
	struct world *w = *state;
	run(w, true);
	world_restart(w);
	agent_set_master(w->a, "m:5050");
	world_pass(w, SECS);
	assert_int_equal(w->containers.n_terminated, 0);
	assert_int_equal(w->n_dials, 1);
	assert_int_equal(executor_update(w, "e", "t", "TASK_FINISHED", 9), 503); /* not yet */
	world_pass(w, 2 * SECS);
	assert_int_equal(w->containers.n_terminated, 1);
	assert_int_equal(w->n_dials, 2);
	assert_non_null(world_registered(w));
	expect_status(w, "t", ST(FAILED), RS(EXECUTOR_REREGISTRATION_TIMEOUT));
}

static void test_not_checkpointing(void **state)
{
	struct world *w = *state;
	world_register(w);
	to_agent(w, "{\"run_tasks\":{\"framework\":{\"id\":{\"value\":\"G\"},\"user\":\"u\",\"name\":\"n\"},\"tasks\":[{"
		    "\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"S0\"},\"command\":{\"value\":"
		    "\"true\"}}]}}");
	assert_int_equal(w->containers.launched.n, 1);
	world_restart(w);
	assert_int_equal(w->containers.n_terminated, 1);
	Mezzo__Link__Register *r = back(w);
	assert_int_equal(r->n_tasks, 0);
	assert_null(next_status(w));
	assert_int_equal(world_n_records(w, "framework/") + world_n_records(w, "task/"), 0);
}

/* Its container may take a while to end. The master has counted it out: it must not be
 * told of it, nor offer what it still uses. */
static void test_not_checkpointing_ends_slowly(void **state)
{
	for (int stuck = 0; stuck < 2; stuck++) {
		struct world *w = *state;
		if (!stuck)
			world_register(w);
		to_agent(w, "{\"run_tasks\":{\"framework\":{\"id\":{\"value\":\"G\"},\"user\":\"u\",\"name\":\"n\"},"
			    "\"tasks\":[{\"name\":\"t\",\"task_id\":{\"value\":\"t%d\"},\"agent_id\":{\"value\":\"S0\"},"
			    "\"command\":{\"value\":\"true\"}}]}}",
			 stuck);
		w->containers.slow_end = true;
		w->containers.n_terminated = 0;
		world_restart(w);
		assert_int_equal(w->containers.n_terminated, 1);
		agent_set_master(w->a, "m:5050");
		size_t n = w->n_dials;
		world_pass(w, SECS);
		assert_int_equal(w->n_dials, n);
		if (stuck) /* nobody waits for ever */
			world_pass(w, 2 * SECS);
		else
			container_exit(w, last_container(w), 9);
		world_settle(w);
		assert_int_equal(w->n_dials, n + 1);
		to_agent(w, "{\"registered\":{\"agent_id\":{\"value\":\"S0\"},\"master_info\":{\"id\":\"M\",\"ip\":0,"
			    "\"port\":5050},\"reconcile\":[{\"framework_id\":{\"value\":\"G\"},"
			    "\"task_id\":{\"value\":\"t%d\"}}],\"ping_timeout_secs\":75}}",
			 stuck);
		Mezzo__Link__ToMaster *m = to_master(w, TM(REGISTER));
		assert_int_equal(m->register_->n_tasks + m->register_->n_frameworks, 0);
		expect_status(w, stuck ? "t1" : "t0", ST(LOST), RS(RECONCILIATION));
		if (stuck)
			container_exit(w, last_container(w), 9);
		assert_int_equal(world_n_records(w, "framework/") + world_n_records(w, "task/"), 0);
		w->containers.slow_end = false;
	}
}

static void test_reboot(void **state)
{
	struct world *w = *state;
	run(w, true);
	w->boot_id = "boot-2";
	world_restart(w);
	assert_int_equal(w->containers.n_recovered, 0); /* its process ids mean nothing now */
	Mezzo__Link__Register *r = back(w);
	assert_string_equal(r->agent_info->id->value, "S0");
	expect_status(w, "t", ST(GONE), RS(EXECUTOR_TERMINATED));
	/* once it is back under its id, the next start is an ordinary one */
	run_task(w, "u", "f");
	executor_subscribe(w, "f", NULL);
	world_restart(w);
	assert_int_equal(w->containers.n_recovered, 1);
	/* a reboot into something smaller: another agent */
	w->boot_id = "boot-3";
	w->resources = "cpus:1;mem:100";
	world_restart(w);
	agent_set_master(w->a, "m:5050");
	world_settle(w);
	Mezzo__Link__ToMaster *m = to_master(w, TM(REGISTER));
	assert_non_null(m);
	assert_null(m->register_->agent_info->id);
	assert_int_equal(m->register_->n_tasks, 0);
}

static void test_same_executor_id_twice(void **state)
{
	struct world *w = *state;
	/* ends with an unacknowledged update, and another of the same id is launched;
	 * often enough that the order of their records is both */
	for (int i = 0; i < 8; i++) {
		char ended[8], live[8], executor[8];
		snprintf(ended, sizeof(ended), "a%d", i);
		snprintf(live, sizeof(live), "b%d", i);
		snprintf(executor, sizeof(executor), "e%d", i);
		if (!i)
			world_register(w);
		run_task(w, ended, executor);
		executor_subscribe(w, executor, NULL);
		container_exit(w, last_container(w), 1 << 8);
		world_settle(w);
		run_task(w, live, executor);
		executor_subscribe(w, executor, NULL);
		executor_update(w, executor, live, "TASK_RUNNING", i + 1);
	}
	world_restart(w);
	for (int i = 0; i < 8; i++) {
		char executor[16];
		snprintf(executor, sizeof(executor), "e%d", i);
		assert_int_equal(executor_subscribe(w, executor, NULL)->status, 200);
	}
	Mezzo__Link__Register *r = back(w);
	assert_int_equal(r->n_tasks, 16);
	assert_int_equal(r->n_executors, 8);
}

/* ---- records ------------------------------------------------------------------------------------- */

static void spoil(struct world *w, const char *prefix)
{
	map_each(&w->disk.values, e) {
		struct buf *b = e->value;
		if (str_starts(e->key, prefix) && b->len)
			b->data[b->len - 1] ^= 0x55;
	}
}

static void test_bad_records(void **state)
{
	struct world *w = *state;
	run(w, true);
	run_task(w, "u", "f");
	executor_subscribe(w, "f", NULL);
	executor_update(w, "f", "u", "TASK_RUNNING", 2);
	world_crash(w);
	spoil(w, "update/F/u");
	struct mz_err err;
	assert_int_equal(world_start(w, &err), 0);
	executor_subscribe(w, "e", NULL);
	mz_autofree char *more = xasprintf("\"unacknowledged_tasks\":[{\"name\":\"u\",\"task_id\":{\"value\":\"u\"},\"agent_id\":{"
					   "\"value\":\"S0\"}}]");
	executor_subscribe(w, "f", more);
	Mezzo__Link__Register *r = back(w);
	assert_int_equal(r->n_tasks, 2); /* one update is lost, no more */
	assert_non_null(strstr(buf_str(&world_get(w, "/metrics/snapshot")->body), "\"slave/recovery_errors\":1.0"));
	world_crash(w);
	spoil(w, "task/F/t");
	assert_int_equal(world_start(w, &err), 0);
	executor_subscribe(w, "e", NULL);
	executor_subscribe(w, "f", more);
	assert_int_equal(back(w)->n_tasks, 1);
	world_crash(w);
	/* the record of the agent itself: a new life, in which nothing old runs */
	spoil(w, "agent");
	size_t before = w->containers.n_terminated;
	assert_int_equal(world_start(w, &err), 0);
	world_settle(w);
	assert_int_equal(w->containers.n_terminated, before + 2);
	agent_set_master(w->a, "m:5050");
	world_settle(w);
	Mezzo__Link__ToMaster *m = to_master(w, TM(REGISTER));
	assert_null(m->register_->agent_info->id);
}

static void test_sandboxes_are_not_forgotten(void **state)
{
	struct world *w = *state;
	world_register(w);
	run_task(w, "t", NULL);
	kill_task(w, "t");
	expect_status(w, "t", ST(KILLED), RS(TASK_KILLED_DURING_LAUNCH));
	world_pass(w, 10 * SECS);
	world_restart(w);
	world_pass(w, 800 * SECS);
	assert_int_equal(w->containers.removed.n, 0);
	world_pass(w, 161 * SECS);
	assert_int_equal(w->containers.removed.n, 1);
	assert_int_equal(world_n_records(w, "sandbox/"), 0);
}

/* ---- another configuration --------------------------------------------------------------------------- */

static void refused(struct world *w, const char *what)
{
	struct mz_err err = {0};
	world_crash(w);
	assert_int_equal(world_start(w, &err), -EINVAL);
	if (!strstr(err.msg, what))
		fail_msg("%s", err.msg);
}

static void test_reconfiguration(void **state)
{
	struct world *w = *state;
	world_register(w);
	w->resources = "cpus:2;mem:4096";
	refused(w, "resources");
	w->resources = "cpus:4;mem:4096";
	w->attributes = "rack:2-2";
	refused(w, "'rack'");
	w->attributes = "zone:a";
	refused(w, "'rack'");
	w->attributes = "rack:1-1";
	w->port = 5052;
	refused(w, "port");
	w->port = 5051;
	/* more of everything is the same agent; then that is what it must have */
	w->resources = "cpus:8;mem:4096;disk:100";
	w->attributes = "rack:1-1;zone:a";
	world_restart(w);
	Mezzo__Link__Register *r = back(w);
	assert_string_equal(r->agent_info->id->value, "S0");
	world_settle(w);
	w->resources = "cpus:4;mem:4096";
	refused(w, "resources");
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_state_survives),
		T(test_unacknowledged_come_again),
		T(test_executor_resends),
		T(test_executor_reports_early),
		T(test_not_delivered),
		T(test_delivered),
		T(test_killed_meanwhile),
		T(test_ended_meanwhile),
		T(test_reregistration_timeout),
		T(test_not_checkpointing), T(test_not_checkpointing_ends_slowly),
		T(test_reboot),
		T(test_same_executor_id_twice),
		T(test_bad_records),
		T(test_sandboxes_are_not_forgotten),
		T(test_reconfiguration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
