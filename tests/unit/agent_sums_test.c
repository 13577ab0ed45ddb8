/* agent_sums_test.c - the running sums of an executor against the sum over all of
 * its live tasks, while tasks come, change their states and leave at random.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/internal.h"

enum { N_STEPS = 4000, N_TASKS = 60, N_PORTS = 200 };

struct random_world {
	struct executor ex;
	Mesos__V1__ExecutorInfo info;
	struct task tasks[N_TASKS];
	unsigned char ports[N_PORTS]; /* by how many tasks each is used */
	int port_of[N_TASKS];
	bool overlaps; /* ports may be given twice, against the rules */
	uint64_t seed;
};

static uint32_t below(struct random_world *w, uint32_t n)
{
	w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->seed >> 33) % n;
}

static resources *parse(const char *text)
{
	resources *r = res_new();
	struct mz_err err;
	if (res_parse(text, NULL, r, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return r;
}

static void new_task(struct random_world *w, size_t i)
{
	struct task *t = &w->tasks[i];
	char text[160];
	uint32_t port = below(w, N_PORTS);
	bool with_port = w->overlaps || !w->ports[port];
	int n = snprintf(text, sizeof(text), "cpus:0.%03u;mem:%u", 1 + below(w, 999), 1 + below(w, 64));
	if (below(w, 3) == 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ";disk(r):%u", 1 + below(w, 9));
	if (with_port)
		snprintf(text + n, sizeof(text) - (size_t)n, ";ports:[%u-%u]", port, port);
	w->port_of[i] = with_port ? (int)port : -1;
	if (with_port)
		w->ports[port]++;
	*t = (struct task){.state = MESOS__V1__TASK_STATE__TASK_STAGING, .resources = parse(text)};
	static const int64_t cpus[] = {0, 0, 0, -1, 1500}, mem[] = {0, 0, 0, 64000, -1};
	t->limits = (struct container_limits){.cpus = cpus[below(w, 5)], .mem = mem[below(w, 5)]};
	agent_executor_add_task(&w->ex, t);
}

static void end_task(struct random_world *w, size_t i)
{
	struct task *t = &w->tasks[i];
	agent_task_uncount(t);
	for (size_t j = 0; j < w->ex.tasks.n; j++)
		if (w->ex.tasks.v[j] == t) {
			vec_remove(&w->ex.tasks, j);
			break;
		}
	if (w->port_of[i] >= 0)
		w->ports[w->port_of[i]]--;
	res_free(t->resources);
	*t = (struct task){0};
}

static int64_t counted_limit(struct random_world *w, const char *name, bool cpus, const resources *own)
{
	int64_t sum = res_scalar(own, name);
	bool any = false;
	for (size_t i = 0; i < w->ex.tasks.n; i++) {
		const struct task *t = w->ex.tasks.v[i];
		int64_t limit = cpus ? t->limits.cpus : t->limits.mem;
		if (task_state_is_terminal(t->state))
			continue;
		if (limit < 0)
			return -1;
		any = any || limit;
		sum += limit ? limit : res_scalar(t->resources, name);
	}
	return any ? sum : 0;
}

static void compare(struct random_world *w, const char *own_text, int step)
{
	resources *own = parse(own_text), *all = res_copy(own), *kept = agent_executor_resources(&w->ex);
	struct container_limits l = agent_executor_limits(&w->ex);
	for (size_t i = 0; i < w->ex.tasks.n; i++)
		if (!task_state_is_terminal(w->ex.tasks.v[i]->state))
			res_add(all, w->ex.tasks.v[i]->resources);
	if (!res_equal(all, kept)) {
		mz_autobuf struct buf a = {0}, b = {0};
		res_format_text(all, &a);
		res_format_text(kept, &b);
		fail_msg("step %d: counted %s, kept %s", step, buf_str(&a), buf_str(&b));
	}
	assert_int_equal(l.cpus, counted_limit(w, "cpus", true, own));
	assert_int_equal(l.mem, counted_limit(w, "mem", false, own));
	res_free(own);
	res_free(all);
	res_free(kept);
}

static void walk(uint64_t seed, bool overlaps)
{
	static const char own[] = "cpus:0.1;mem:32;ports:[1000-1001]";
	static const Mesos__V1__TaskState states[] = {
		MESOS__V1__TASK_STATE__TASK_RUNNING, MESOS__V1__TASK_STATE__TASK_KILLING,
		MESOS__V1__TASK_STATE__TASK_FINISHED, MESOS__V1__TASK_STATE__TASK_FAILED};
	struct random_world *w = xnew(struct random_world);
	mz_autoarena struct arena arena = {0};
	resources *r = parse(own);
	w->seed = seed;
	w->overlaps = overlaps;
	w->info = (Mesos__V1__ExecutorInfo)MESOS__V1__EXECUTOR_INFO__INIT;
	w->info.n_resources = res_to_pb(r, RES_FORMAT_POST, true, &arena, &w->info.resources);
	res_free(r);
	w->ex.info = &w->info;
	agent_executor_sums_init(&w->ex);
	for (int step = 0; step < N_STEPS; step++) {
		size_t i = below(w, N_TASKS);
		struct task *t = &w->tasks[i];
		if (!t->resources) {
			new_task(w, i);
		} else if (below(w, 3) == 0) {
			end_task(w, i);
		} else { /* also back from the end: records may be read in any order */
			t->state = states[below(w, MZ_N(states))];
			agent_task_count(t);
		}
		compare(w, own, step);
	}
	for (size_t i = 0; i < N_TASKS; i++)
		if (w->tasks[i].resources)
			end_task(w, i);
	compare(w, own, N_STEPS);
	vec_done(&w->ex.tasks);
	res_free(w->ex.sums.total);
	free(w);
}

static void running_sums_are_exact(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++)
		walk(seed, false);
}

/* Two tasks with one port: no sum can be subtracted from, and it is still right. */
static void ports_that_are_given_twice(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++)
		walk(seed, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(running_sums_are_exact),
		cmocka_unit_test(ports_that_are_given_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
