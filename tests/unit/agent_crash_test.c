/* agent_crash_test.c - the life of one task, with an agent that is killed behind each of
 * its writes in turn, and started again: nothing is launched twice, nothing that was
 * acknowledged to the executor is lost, nothing is told in the wrong order, and in the
 * end nothing is left. Master, framework and executor do what they do whenever they can.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <string.h>

enum { RUNNING = 1, FINISHED = 2 }; /* uuids of the executor's updates, too */

static struct peers {
	struct world *w;
	const char *executor;
	bool slow; /* the framework: everybody else goes first */
	/* the master and the framework */
	bool asked, reported, returned;
	int n_seen, seen[16];		     /* states, in order; each update once */
	unsigned char uuids[16][UUID_BYTES]; /* theirs */
	/* the executor */
	struct fake_call *x;
	bool has_task;
	bool sent[3], acked[3]; /* by uuid */
	/* the disk */
	int n_left; /* writes that are still carried out; -1: all */
} p;

/* ---- the master and the framework -------------------------------------------------------- */

static void on_update(Mesos__V1__TaskStatus *s)
{
	for (int i = 0; i < p.n_seen; i++)
		if (!memcmp(p.uuids[i], s->uuid.data, UUID_BYTES)) {
			if (i + 1 < p.n_seen)
				fail_msg("Update %d comes again behind its successor", i);
			ack(p.w, "t", s);
			return;
		}
	assert_true(p.n_seen < 16);
	memcpy(p.uuids[p.n_seen], s->uuid.data, UUID_BYTES);
	p.seen[p.n_seen++] = (int)s->state;
	ack(p.w, "t", s);
}

static bool master_acts(void)
{
	struct world *w = p.w;
	Mezzo__Link__ToMaster *m = w->link ? (Mezzo__Link__ToMaster *)fake_link_next(
						     w->link, &mezzo__link__to_master__descriptor, &w->arena)
					   : NULL;
	if (!m)
		return false;
	if ((int)m->message_case == TM(STATUS_UPDATE))
		on_update(m->status_update->status);
	if ((int)m->message_case != TM(REGISTER))
		return true;
	p.reported = m->register_->n_tasks > 0;
	p.returned = p.asked;
	to_agent(w, "{\"registered\":{\"agent_id\":{\"value\":\"S0\"},\"master_info\":{\"id\":\"M\",\"ip\":1,\"port\":1,"
		    "\"hostname\":\"mh\"},\"ping_timeout_secs\":75}}");
	if (!p.asked)
		run_task(w, "t", p.executor);
	p.asked = true;
	return true;
}

/* ---- the executor ------------------------------------------------------------------------- */

static const char *own_id(void)
{
	return p.executor ? p.executor : "t";
}

static void subscribe(void)
{
	struct world *w = p.w;
	struct buf mz_autobuf b = {0};
	buf_adds(&b, "\"unacknowledged_updates\":[");
	for (int i = RUNNING; i <= FINISHED; i++)
		if (p.sent[i] && !p.acked[i])
			buf_addf(&b, "%s{\"status\":{\"task_id\":{\"value\":\"t\"},\"state\":\"%s\",\"source\":\"SOURCE_EXECUTOR\","
				     "\"uuid\":\"%s\"}}", b.data[b.len - 1] == '[' ? "" : ",",
				 i == RUNNING ? "TASK_RUNNING" : "TASK_FINISHED", uuid_json(w, i));
	buf_addf(&b, "],\"unacknowledged_tasks\":[%s]",
		 p.has_task && !p.acked[RUNNING]
			 ? "{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"S0\"}}" : "");
	struct fake_call *x = executor_subscribe(w, own_id(), buf_str(&b));
	p.x = x->status == 200 ? x : NULL;
}

static void update(int uuid)
{
	if (executor_update(p.w, own_id(), "t", uuid == RUNNING ? "TASK_RUNNING" : "TASK_FINISHED", uuid) == 202)
		p.sent[uuid] = true;
}

static void end(void)
{
	p.x = NULL;
	container_exit(p.w, last_container(p.w), 0);
	world_settle(p.w);
}

static bool lives(void)
{
	return p.w->containers.launched.n && map_has(&p.w->containers.live, last_container(p.w));
}

static bool executor_acts(void)
{
	struct world *w = p.w;
	if (!lives())
		return false;
	if (!p.x) {
		subscribe();
		return p.x != NULL;
	}
	Mesos__V1__Executor__Event *e = event_any(w, p.x);
	if (!e) {
		int next = p.has_task && !p.sent[RUNNING] ? RUNNING : p.acked[RUNNING] && !p.sent[FINISHED] ? FINISHED : 0;
		if (!next)
			return false;
		update(next);
		return p.sent[next];
	}
	if (e->type == EV(LAUNCH))
		p.has_task = true;
	else if (e->type == EV(ACKNOWLEDGED))
		p.acked[e->acknowledged->uuid.data[0]] = true;
	if (e->type == EV(SHUTDOWN) || p.acked[FINISHED])
		end();
	return true;
}

/* ---- the disk, and all together --------------------------------------------------------------- */

static bool disk_acts(void)
{
	struct fake_disk *d = &p.w->disk;
	if (!d->waiting.n || !p.n_left)
		return false;
	p.n_left--;
	fake_disk_flush(d);
	world_settle(p.w);
	return true;
}

static void all_act(void)
{
	world_settle(p.w);
	while ((!p.slow && master_acts()) || executor_acts() || disk_acts() || master_acts())
		world_settle(p.w);
}

static bool is_terminal(int state)
{
	return state != ST(RUNNING);
}

static void expect_a_good_end(int n)
{
	struct world *w = p.w;
	for (int i = RUNNING; i <= FINISHED; i++) {
		bool told = false;
		for (int k = 0; k < p.n_seen; k++)
			told = told || p.uuids[k][0] == i;
		if (p.acked[i] && !told)
			fail_msg("write %d: update %d was acknowledged, and is lost", n, i);
	}
	for (int k = 0; k + 1 < p.n_seen; k++)
		if (is_terminal(p.seen[k]))
			fail_msg("write %d: %d follows %d", n, p.seen[k + 1], p.seen[k]);
	bool ended = p.n_seen && is_terminal(p.seen[p.n_seen - 1]);
	if (w->containers.launched.n > 1)
		fail_msg("write %d: launched %zu times", n, w->containers.launched.n);
	if (!ended && (w->containers.launched.n || p.reported || !p.returned))
		fail_msg("write %d: its end is not told", n);
	size_t left = world_n_records(w, "executor/") + world_n_records(w, "task/") + world_n_records(w, "update/") +
		      world_n_records(w, "framework/");
	if (lives() || left)
		fail_msg("write %d: %zu records are left, and %d containers", n, left, lives());
	if (w->containers.launched.n && world_n_records(w, "sandbox/") != 1)
		fail_msg("write %d: the sandbox is forgotten", n);
}

/* False: all was written before it could be killed. */
static bool killed_after(int n, const char *executor, bool dies_as_well, bool slow)
{
	void *state;
	struct mz_err err;
	world_setup(&state);
	struct world *w = state;
	p = (struct peers){.w = w, .executor = executor, .slow = slow, .n_left = n};
	w->disk.stuck = true;
	agent_set_master(w->a, "m:5050");
	all_act();
	bool killed = w->disk.waiting.n > 0;
	world_crash(w);
	fake_disk_lose(&w->disk);
	world_settle(w);
	p.x = NULL;
	p.n_left = -1;
	w->disk.stuck = false;
	if (dies_as_well && lives())
		container_exit(w, last_container(w), 9);
	if (world_start(w, &err) < 0)
		fail_msg("write %d: %s", n, err.msg);
	agent_set_master(w->a, "m:5050");
	for (int i = 0; i < 4; i++) {
		all_act();
		world_pass(w, 15 * SECS); /* whoever waits for somebody gives up, or tries again */
	}
	if (lives()) /* its task did not get to it, and it has no other */
		to_agent(w, "{\"shutdown_executor\":{\"framework_id\":{\"value\":\"F\"},\"executor_id\":{\"value\":\"%s\"}}}", own_id());
	all_act();
	expect_a_good_end(n);
	world_teardown(&state);
	return killed;
}

static void behind_each_write(const char *executor, bool dies_as_well)
{
	for (int slow = 0; slow < 2; slow++) {
		int n = 0;
		while (killed_after(n, executor, dies_as_well, slow))
			n++;
		assert_true(n > 3); /* the task, its updates, its end */
	}
}

static void test_command_task(void **state)
{
	(void)state;
	behind_each_write(NULL, false);
}

static void test_command_task_that_dies_meanwhile(void **state)
{
	(void)state;
	behind_each_write(NULL, true);
}

static void test_custom_executor(void **state)
{
	(void)state;
	behind_each_write("e", false);
}

static void test_custom_executor_that_dies_meanwhile(void **state)
{
	(void)state;
	behind_each_write("e", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command_task),
		cmocka_unit_test(test_command_task_that_dies_meanwhile),
		cmocka_unit_test(test_custom_executor),
		cmocka_unit_test(test_custom_executor_that_dies_meanwhile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
