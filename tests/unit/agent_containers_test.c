/* agent_containers_test.c - the calls of the agent's API about containers, in both
 * encodings; what of limits and cgroups reaches the containers; and that each call and
 * each view asks the authorizer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <signal.h>
#include <string.h>

#include "mesos/v1/agent.pb-c.h"
#include "module/module.h"
#include "wire/codec.h"
#include "wire/json.h"

#define RESPONSE(name) MESOS__V1__AGENT__RESPONSE__TYPE__##name

/* ---- calls --------------------------------------------------------------------------- */

/* A call, given as JSON, sent in this encoding. */
static struct fake_call *api(struct world *w, enum codec codec, const char *fmt, ...) MZ_PRINTF(3, 4);
static struct fake_call *api(struct world *w, enum codec codec, const char *fmt, ...)
{
	char json[2048];
	struct mz_err err;
	struct buf mz_autobuf body = {0};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(json, sizeof(json), fmt, ap);
	va_end(ap);
	pb_msg *m = json_decode(&mesos__v1__agent__call__descriptor, &w->arena, json, strlen(json), &err);
	if (!m)
		fail_msg("%s: %s", err.msg, json);
	codec_encode(codec, m, &body);
	mz_autofree char *headers =
		xasprintf("Content-Type: %s\nAccept: %s", codec_content_type(codec), codec_content_type(codec));
	struct fake_call *c = fake_http(w->loop, &w->router, "POST", "/api/v1", headers, body.data, body.len);
	vec_push(&w->calls, c);
	world_settle(w);
	return c;
}

static Mesos__V1__Agent__Response *response(struct world *w, enum codec codec, struct fake_call *c)
{
	struct mz_err err;
	assert_int_equal(c->status, 200);
	pb_msg *m = codec_decode(codec, &mesos__v1__agent__response__descriptor, &w->arena, c->body.data, c->body.len,
				 &err);
	if (!m)
		fail_msg("%s", err.msg);
	return (Mesos__V1__Agent__Response *)m;
}

/* An executor "e" of framework "F" that runs; the id of its container. */
static const char *executor(struct world *w)
{
	world_register(w);
	run_task(w, "t", "e");
	assert_int_equal(executor_subscribe(w, "e", NULL)->status, 200);
	return arena_strdup(&w->arena, last_container(w));
}

#define LAUNCH_IN(top, id, more) "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"%s\"," \
	"\"parent\":{\"value\":\"%s\"}},\"command\":{\"value\":\"x\"}%s}}", id, top, more

/* ---- each call, in both encodings --------------------------------------------------------- */

static void each_call(struct world *w, enum codec codec)
{
	const char *top = executor(w);
	Mesos__V1__Agent__Response *r;
	static const struct {
		const char *prefix, *member;
		int wait;
	} names[] = {{"", "", RESPONSE(WAIT_CONTAINER)}, {"NESTED_", "nested_", RESPONSE(WAIT_NESTED_CONTAINER)}};
	for (size_t i = 0; i < MZ_N(names); i++) {
		const char *p = names[i].prefix, *m = names[i].member;
		char id[128], path[128];
		snprintf(id, sizeof(id), "{\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}", top);
		snprintf(path, sizeof(path), "%s.n:9", top);
#define CALL(verb, VERB, more) api(w, codec, "{\"type\":\"" VERB "_%sCONTAINER\",\"" verb "_%scontainer\":{\"container_id\":%s%s}}", p, m, id, more)
		assert_int_equal(CALL("wait", "WAIT", "")->status, 404);
		assert_int_equal(CALL("kill", "KILL", "")->status, 404);
		assert_int_equal(CALL("remove", "REMOVE", "")->status, 500);
		assert_int_equal(CALL("launch", "LAUNCH", ",\"command\":{\"value\":\"x\"}")->status, 200);
		assert_string_equal(w->containers.last_parent, top);
		assert_int_equal(CALL("launch", "LAUNCH", ",\"command\":{\"value\":\"x\"}")->status, 202);
		assert_int_equal(CALL("remove", "REMOVE", "")->status, 500);
		struct fake_call *wait = CALL("wait", "WAIT", "");
		assert_int_equal(wait->status, 0);
		assert_int_equal(CALL("kill", "KILL", ",\"signal\":10")->status, 200);
		assert_int_equal(CALL("kill", "KILL", "")->status, 200);
		assert_string_equal(w->containers.last_killed, path);
		assert_int_equal(CALL("kill", "KILL", ",\"signal\":1000")->status, 400);
		path[strlen(path) - 2] = '\0';
		container_exit(w, path, 3 << 8);
		world_settle(w);
		r = response(w, codec, wait);
		assert_int_equal(r->type, names[i].wait);
		assert_int_equal(i ? r->wait_nested_container->exit_status : r->wait_container->exit_status, 3 << 8);
		/* Again, as often as one likes, until it is removed. */
		r = response(w, codec, CALL("wait", "WAIT", ""));
		assert_int_equal(i ? r->wait_nested_container->exit_status : r->wait_container->exit_status, 3 << 8);
		assert_int_equal(CALL("kill", "KILL", "")->status, 404);
		assert_int_equal(CALL("remove", "REMOVE", "")->status, 200);
		assert_int_equal(w->containers.n_removed, i + 1);
		assert_int_equal(CALL("wait", "WAIT", "")->status, 404);
#undef CALL
	}
}

static void test_each_call_json(void **state)
{
	each_call(*state, CODEC_JSON);
}

static void test_each_call_protobuf(void **state)
{
	each_call(*state, CODEC_PROTOBUF);
}

static void get_containers(struct world *w, enum codec codec)
{
	const char *top = executor(w);
	static const struct {
		const char *what;
		size_t n;
	} rows[] = {{"", 1}, {"\"show_nested\":true", 3}, {"\"show_standalone\":true", 2},
		    {"\"show_nested\":true,\"show_standalone\":true", 5}};
	assert_int_equal(api(w, codec, LAUNCH_IN(top, "n", ""))->status, 200);
	assert_int_equal(api(w, codec, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"m\","
				       "\"parent\":{\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}},\"command\":{\"value\":\"x\"}}}", top)
				 ->status, 200);
	assert_int_equal(api(w, codec, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"alone\"},"
				       "\"command\":{\"value\":\"x\"}}}")->status, 200);
	assert_int_equal(api(w, codec, LAUNCH_IN("alone", "n", ""))->status, 200);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		Mesos__V1__Agent__Response *r =
			response(w, codec, api(w, codec, "{\"type\":\"GET_CONTAINERS\",\"get_containers\":{%s}}", rows[i].what));
		assert_int_equal(r->get_containers->n_containers, rows[i].n);
		assert_string_equal(r->get_containers->containers[0]->container_id->value, top);
		assert_string_equal(r->get_containers->containers[0]->executor_id->value, "e");
		if (rows[i].n < 3)
			continue;
		assert_string_equal(r->get_containers->containers[2]->container_id->parent->parent->value, top);
		assert_int_equal(r->get_containers->containers[1]->container_status->executor_pid, 4711);
	}
}

/* Of many containers a few are asked at a time, whether answers come at once or later. */
static void test_a_few_are_asked_at_a_time(void **state)
{
	struct world *w = *state;
	enum { N = 50 };
	static const char all[] = "{\"type\":\"GET_CONTAINERS\",\"get_containers\":{\"show_standalone\":true}}";
	world_register(w);
	for (int i = 0; i < N; i++)
		assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"c%d\"},"
						    "\"command\":{\"value\":\"x\"}}}", i)->status, 200);
	assert_int_equal(response(w, CODEC_JSON, api(w, CODEC_JSON, "%s", all))->get_containers->n_containers, N);
	assert_int_equal(w->containers.n_usage_questions, N);
	w->containers.hold_usage = true;
	struct fake_call *c = api(w, CODEC_JSON, "%s", all);
	size_t n_most = w->containers.usage_questions.n;
	assert_in_range(n_most, 1, N / 2);
	for (int i = 0; i < N; i++) {
		assert_int_equal(c->status, 0);
		assert_true(w->containers.usage_questions.n <= n_most);
		container_measured(w);
	}
	assert_int_equal(w->containers.n_usage_questions, 2 * N);
	assert_int_equal(response(w, CODEC_JSON, c)->get_containers->n_containers, N);
	/* The agent ends, while some have told: that is the answer. */
	c = api(w, CODEC_JSON, "%s", all);
	container_measured(w);
	world_crash(w);
	assert_int_equal(c->status, 200);
}

/* After a restart only the containerizer knows which process is whose. */
static void test_pids_after_a_restart(void **state)
{
	struct world *w = *state;
	static unsigned char told[64];
	Mesos__V1__ContainerStatus s = MESOS__V1__CONTAINER_STATUS__INIT;
	s.has_executor_pid = 1;
	s.executor_pid = 4242;
	(void)executor(w);
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":"
					    "\"alone\"},\"command\":{\"value\":\"x\"}}}")->status, 200);
	w->containers.status = (struct mz_bytes){told, mesos__v1__container_status__pack(&s, told)};
	for (int restarted = 0; restarted < 2; restarted++) {
		Mesos__V1__Agent__Response *r =
			response(w, CODEC_PROTOBUF, api(w, CODEC_PROTOBUF, "{\"type\":\"GET_CONTAINERS\",\"get_containers\":{"
									   "\"show_standalone\":true}}"));
		assert_int_equal(r->get_containers->n_containers, 2);
		for (int i = 0; i < 2; i++)
			assert_int_equal(r->get_containers->containers[i]->container_status->executor_pid,
					 restarted ? 4242 : 4711);
		if (restarted)
			break;
		world_restart(w);
		assert_int_equal(executor_subscribe(w, "e", "\"unacknowledged_tasks\":[{\"name\":\"t\",\"task_id\":{"
							    "\"value\":\"t\"},\"agent_id\":{\"value\":\"S\"}}]")->status, 200);
		world_register(w);
	}
	assert_int_equal(executor_update(w, "e", "t", "TASK_RUNNING", 1), 202);
	Mesos__V1__TaskStatus *update = next_status(w);
	assert_non_null(update);
	assert_int_equal(update->container_status->executor_pid, 4242);
}

static void test_get_containers_json(void **state)
{
	get_containers(*state, CODEC_JSON);
}

static void test_get_containers_protobuf(void **state)
{
	get_containers(*state, CODEC_PROTOBUF);
}

/* ---- called off ------------------------------------------------------------------------------ */

/* Before it runs it is not waited for: its files may take hours to fetch. */
static void test_called_off_while_it_is_launched(void **state)
{
	static const char *const calls[][2] = {{"KILL_CONTAINER", "kill_container"}, {"KILL_NESTED_CONTAINER", "kill_nested_container"}};
	struct world *w = *state;
	const char *top = executor(w);
	char path[128];
	snprintf(path, sizeof(path), "%s.n", top);
	w->containers.slow_end = true;
	for (size_t i = 0; i < MZ_N(calls) + 1; i++) {
		size_t n = w->containers.n_terminated;
		w->containers.hold_launch = true;
		struct fake_call *launch = api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""));
		assert_int_equal(launch->status, 0);
		assert_true(map_has(&w->containers.live, path));
		if (i < MZ_N(calls))
			assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"%s\",\"%s\":{\"container_id\":{\"value\":\"n\","
							    "\"parent\":{\"value\":\"%s\"}}}}", calls[i][0], calls[i][1], top)->status, 200);
		else
			container_exit(w, top, 9);
		world_settle(w);
		assert_int_equal(w->containers.n_terminated, n + 1);
		container_launched(w, true);
		assert_int_equal(launch->status, 400);
	}
}

/* ---- limits --------------------------------------------------------------------------------- */

static void wait_tells_the_limit(struct world *w, enum codec codec)
{
	const char *top = executor(w);
	char path[128];
	snprintf(path, sizeof(path), "%s.n", top);
	assert_int_equal(api(w, codec, LAUNCH_IN(top, "n", ""))->status, 200);
	container_exceeds(w, path, RS(CONTAINER_LIMITATION_MEMORY), "64");
	for (int again = 0; again < 2; again++) {
		Mesos__V1__Agent__Response__WaitContainer *r =
			response(w, codec, api(w, codec, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"container_id\":{"
							 "\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}}}", top))->wait_container;
		assert_int_equal(r->exit_status, 9);
		assert_int_equal(r->state, ST(FAILED));
		assert_int_equal(r->reason, RS(CONTAINER_LIMITATION_MEMORY));
		assert_string_equal(r->message, "too much");
		assert_int_equal(r->limitation->n_resources, 1);
		assert_string_equal(r->limitation->resources[0]->name, "mem");
		assert_true(r->limitation->resources[0]->scalar->value == 64);
		/* It is still known after a restart. */
		world_restart(w);
		assert_int_equal(executor_subscribe(w, "e", NULL)->status, 200);
		world_pass(w, 3 * SECS);
	}
}

static void test_wait_tells_the_limit_json(void **state)
{
	wait_tells_the_limit(*state, CODEC_JSON);
}

static void test_wait_tells_the_limit_protobuf(void **state)
{
	wait_tells_the_limit(*state, CODEC_PROTOBUF);
}

static void test_status_tells_the_limit(void **state)
{
	struct world *w = *state;
	const char *top = executor(w);
	assert_int_equal(executor_update(w, "e", "t", "TASK_RUNNING", 1), 202);
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_int_equal(s->state, ST(RUNNING));
	ack(w, "t", s);
	container_exceeds(w, top, RS(CONTAINER_LIMITATION_MEMORY), "64");
	s = next_status(w);
	assert_int_equal(s->state, ST(FAILED));
	assert_int_equal(s->reason, RS(CONTAINER_LIMITATION_MEMORY));
	assert_string_equal(s->limitation->resources[0]->name, "mem");
}

/* An executor sees a process that was killed before modules have told that it was a limit. */
static void test_limit_is_told_after_the_failure(void **state)
{
	struct world *w = *state;
	const char *top = executor(w);
	w->containers.hold_limited = true;
	assert_int_equal(executor_update(w, "e", "t", "TASK_FAILED", 1), 202);
	assert_null(next_status(w));
	container_limited(w, true);
	assert_null(next_status(w));
	container_exceeds(w, top, RS(CONTAINER_LIMITATION_MEMORY), "64");
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_int_equal(s->state, ST(FAILED));
	assert_int_equal(s->reason, RS(CONTAINER_LIMITATION_MEMORY));
	ack(w, "t", s);
	assert_null(next_status(w));
}

/* However many they are, few of them wait. */
static void test_many_failures(void **state)
{
	enum { MOST = 64 };
	struct world *w = *state;
	(void)executor(w);
	w->containers.hold_limited = true;
	for (int i = 0; i <= MOST; i++) {
		char task[16];
		snprintf(task, sizeof(task), "t%d", i);
		run_task(w, task, "e");
		world_settle(w);
		assert_int_equal(executor_update(w, "e", task, "TASK_FAILED", 1 + i), 202);
	}
	assert_int_equal(w->containers.limit_questions.n, MOST);
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_string_equal(s->task_id->value, "t64");
	assert_null(next_status(w));
	container_limited(w, false);
	for (int i = 0; i < MOST; i++)
		assert_non_null(next_status(w));
}

static void test_failures_without_a_limit(void **state)
{
	struct world *w = *state;
	const char *top = executor(w);
	w->containers.hold_limited = true;
	assert_int_equal(executor_update(w, "e", "t", "TASK_FAILED", 1), 202);
	assert_null(next_status(w));
	container_limited(w, false);
	Mesos__V1__TaskStatus *s = next_status(w);
	assert_int_equal(s->state, ST(FAILED));
	assert_int_equal(s->source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR);
	/* Others do not wait. */
	w->containers.hold_limited = true;
	run_task(w, "u", "e");
	world_settle(w);
	assert_int_equal(executor_update(w, "e", "u", "TASK_FINISHED", 2), 202);
	assert_int_equal(next_status(w)->state, ST(FINISHED));
	/* It ends before the answer. */
	run_task(w, "v", "e");
	world_settle(w);
	assert_int_equal(executor_update(w, "e", "v", "TASK_FAILED", 3), 202);
	container_exit(w, top, 9);
	world_settle(w);
	s = next_status(w);
	assert_string_equal(s->task_id->value, "v");
	assert_int_equal(s->source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_AGENT);
	container_limited(w, false);
	assert_null(next_status(w));
}

#define OWN_CGROUPS ",\"container\":{\"type\":\"MESOS\",\"linux_info\":{\"share_cgroups\":false}}"

static void test_limits_of_nested_containers(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *more;
		int64_t cpus, mem;
		bool shares;
	} rows[] = {
		{"", 0, 0, true},
		{OWN_CGROUPS, 0, 0, false},
		{OWN_CGROUPS ",\"limits\":{\"cpus\":{\"value\":1.5},\"mem\":{\"value\":64}}", 1500, 64000, false},
		{OWN_CGROUPS ",\"limits\":{\"mem\":{\"value\":\"Infinity\"}}", 0, -1, false},
	};
	const char *top = executor(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		char id[8];
		snprintf(id, sizeof(id), "n%zu", i);
		assert_int_equal(api(w, CODEC_PROTOBUF, LAUNCH_IN(top, id, rows[i].more))->status, 200);
		assert_int_equal(w->containers.limits.cpus, rows[i].cpus);
		assert_int_equal(w->containers.limits.mem, rows[i].mem);
		assert_int_equal(w->containers.share_cgroups, rows[i].shares);
	}
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"s\"},"
					    "\"command\":{\"value\":\"x\"},\"limits\":{\"cpus\":{\"value\":2}}}}")->status, 200);
	assert_int_equal(w->containers.limits.cpus, 2000);
	assert_false(w->containers.share_cgroups);
}

#define CPU_OF(role) "[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"allocation_info\":{\"role\":\"" role "\"}}]"

/* Whose a container is: what is nested has its framework's principal and its executor's role, whatever the
 * executor says of its resources. */
static void test_whose_containers_are(void **state)
{
	struct world *w = *state;
	world_register(w);
	to_agent(w, "{\"run_tasks\":{\"framework\":{\"user\":\"u\",\"name\":\"n\",\"id\":{\"value\":\"F\"},\"checkpoint\":true,"
		    "\"principal\":\"ops\"},\"tasks\":[{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"S0\"},"
		    "\"resources\":" CPU_OF("infra/net") ",\"executor\":{\"executor_id\":{\"value\":\"e\"},\"framework_id\":{\"value\":\"F\"},"
		    "\"command\":{\"value\":\"x\"},\"resources\":" CPU_OF("infra/net") "}}]}}");
	assert_int_equal(executor_subscribe(w, "e", NULL)->status, 200);
	assert_string_equal(w->containers.last_role, "infra/net");
	assert_string_equal(w->containers.last_principal, "ops");
	const char *top = arena_strdup(&w->arena, last_container(w));
	static const char *const more[] = {"", ",\"resources\":" CPU_OF("infra/net"), ",\"resources\":" CPU_OF("wheel"),
					   ",\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}}]"};
	for (size_t i = 0; i < MZ_N(more); i++) {
		char id[8];
		snprintf(id, sizeof(id), "n%zu", i);
		xset(&w->containers.last_role, NULL);
		xset(&w->containers.last_principal, NULL);
		assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, id, more[i]))->status, 200);
		assert_string_equal(w->containers.last_parent, top);
		assert_string_equal(w->containers.last_role, "infra/net");
		assert_string_equal(w->containers.last_principal, "ops");
	}
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"s\"},"
					    "\"command\":{\"value\":\"x\"}}}")->status, 200);
	assert_null(w->containers.last_role);
	assert_null(w->containers.last_principal);
}

/* An executor without resources of its own has the role of the task that it was launched with, also when nothing
 * of that role is left. */
static void test_role_outlives_tasks(void **state)
{
	struct world *w = *state;
	w->max_completed = 0;
	world_restart(w);
	world_register(w);
	to_agent(w, "{\"run_tasks\":{\"framework\":{\"user\":\"u\",\"name\":\"n\",\"id\":{\"value\":\"F\"}},"
		    "\"tasks\":[{\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"S0\"},"
		    "\"resources\":" CPU_OF("passing") ",\"executor\":{\"executor_id\":{\"value\":\"e\"},"
		    "\"framework_id\":{\"value\":\"F\"},\"command\":{\"value\":\"x\"}}}]}}");
	assert_int_equal(executor_subscribe(w, "e", NULL)->status, 200);
	const char *top = arena_strdup(&w->arena, last_container(w));
	executor_update(w, "e", "t", "TASK_FINISHED", 1);
	ack(w, "t", next_status(w));
	xset(&w->containers.last_role, NULL);
	assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""))->status, 200);
	assert_string_equal(w->containers.last_role, "passing");
}

/* A task of 1 cpu and this more. */
static void run_limited(struct world *w, const char *task, const char *more)
{
	to_agent(w, "{\"run_tasks\":{\"framework\":{\"user\":\"root\",\"name\":\"f\",\"id\":{\"value\":\"F\"},\"checkpoint\":true},"
		    "\"tasks\":[{\"name\":\"x\",\"task_id\":{\"value\":\"%s\"},\"agent_id\":{\"value\":\"S0\"},\"resources\":["
		    "{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"allocation_info\":{\"role\":\"*\"}},"
		    "{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":100},\"allocation_info\":{\"role\":\"*\"}}]%s}]}}",
		 task, more);
}

#define CUSTOM ",\"executor\":{\"executor_id\":{\"value\":\"x\"},\"framework_id\":{\"value\":\"F\"}," \
	"\"command\":{\"value\":\"run\"},\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0.5}," \
	"\"allocation_info\":{\"role\":\"*\"}}]}"

static void test_limits_of_executors(void **state)
{
	struct world *w = *state;
	world_register(w);
	/* A command task: its own, and what its executor was given. */
	run_limited(w, "c", ",\"command\":{\"value\":\"x\"},\"limits\":{\"cpus\":{\"value\":3}}");
	assert_int_equal(w->containers.limits.cpus, 3100);
	assert_int_equal(w->containers.limits.mem, 0);
	run_limited(w, "d", ",\"command\":{\"value\":\"x\"},\"limits\":{\"mem\":{\"value\":\"Infinity\"}}");
	assert_int_equal(w->containers.limits.cpus, 0);
	assert_int_equal(w->containers.limits.mem, -1);
	/* The sum over an executor's tasks; of those without a limit their request. */
	run_limited(w, "x1", CUSTOM);
	assert_int_equal(w->containers.limits.cpus, 0);
	assert_int_equal(executor_subscribe(w, "x", NULL)->status, 200);
	run_limited(w, "x2", CUSTOM ",\"limits\":{\"cpus\":{\"value\":2},\"mem\":{\"value\":150}}");
	assert_int_equal(w->containers.limits.cpus, 500 + 1000 + 2000);
	assert_int_equal(w->containers.limits.mem, 100000 + 150000);
	/* And of those that are left. */
	assert_int_equal(executor_update(w, "x", "x2", "TASK_FINISHED", 2), 202);
	world_pass(w, SECS);
	assert_int_equal(w->containers.limits.cpus, 0);
}

/* ---- the authorizer --------------------------------------------------------------------------- */

static struct {
	int deny; /* this action */
	bool hold;
	struct mz_op *held;
	const struct mz_host *host;
	int asked[64];
	char user[32], executor[32], container[128], value[64];
} authz;

static int authz_create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	(void)err;
	authz.host = host;
	*inst = &authz;
	return 0;
}

static void authz_destroy(void *inst)
{
	(void)inst;
}

static void note(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "-");
}

static int allows(void *inst, int action, const struct mz_subject *s, const struct mz_object *o)
{
	(void)inst;
	assert_null(s->principal);
	authz.asked[action]++;
	if (action == authz.deny || !authz.deny) {
		note(authz.user, sizeof(authz.user), o->user);
		note(authz.executor, sizeof(authz.executor), o->executor_id);
		note(authz.container, sizeof(authz.container), o->container_id);
		note(authz.value, sizeof(authz.value), o->value);
	}
	return action != authz.deny;
}

static void authorized(void *inst, int action, const struct mz_subject *s, const struct mz_object *o, struct mz_op *op)
{
	static const struct mz_err no = {.code = -EACCES, .msg = "no"};
	int ok = allows(inst, action, s, o);
	if (authz.hold)
		authz.held = op;
	else
		authz.host->op_done(op, ok ? NULL : &no, NULL);
}

static const struct mz_authorizer_ops authz_ops = {
	.size = sizeof(authz_ops),
	.create = authz_create,
	.destroy = authz_destroy,
	.authorized = authorized,
	.allows = allows,
};
static const struct mz_module authz_module = {
	MZ_MODULE_HEAD(AUTHORIZER),
	.name = "test",
	.version = "1",
	.author = "test",
	.summary = "Forbids one action",
	.ops = (const struct mz_ops *)&authz_ops,
};

static struct module_registry *modules;

static int authz_setup(void **state)
{
	struct mz_err err;
	memset(&authz, 0, sizeof(authz));
	world_setup(state);
	struct world *w = *state;
	modules = module_registry_new(w->loop);
	module_registry_set_slow_call(modules, 0);
	module_registry_add_builtin(modules, &authz_module);
	if (module_load_name(modules, MZ_KIND_AUTHORIZER, "test", NULL, &w->authorizer, &err) < 0)
		fail_msg("%s", err.msg);
	world_restart(w);
	return 0;
}

static int authz_teardown(void **state)
{
	struct world *w = *state;
	world_crash(w);
	module_registry_free(modules);
	return world_teardown(state);
}

#define ID(text) "\"container_id\":" text
#define NESTED "{\"value\":\"n\",\"parent\":{\"value\":\"TOP\"}}"
#define ALONE "{\"value\":\"alone\"}"
#define MAY(name) MZ_ACTION_##name

static void test_container_calls_ask(void **state)
{
	struct world *w = *state;
	static const struct {
		int action, before; /* status when it is allowed */
		const char *json;
	} rows[] = {
		{MAY(LAUNCH_NESTED_CONTAINER), 200, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{" ID(NESTED) ",\"command\":{\"value\":\"x\",\"user\":\"me\"}}}"},
		{MAY(LAUNCH_NESTED_CONTAINER), 202, "{\"type\":\"LAUNCH_NESTED_CONTAINER\",\"launch_nested_container\":{" ID(NESTED) ",\"command\":{\"value\":\"x\",\"user\":\"me\"}}}"},
		{MAY(LAUNCH_NESTED_CONTAINER_SESSION), 202, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{" ID(NESTED) ",\"command\":{\"value\":\"x\",\"user\":\"me\"}}}"},
		{MAY(ATTACH_CONTAINER_OUTPUT), 200, "{\"type\":\"ATTACH_CONTAINER_OUTPUT\",\"attach_container_output\":{" ID(NESTED) "}}"},
		{MAY(KILL_NESTED_CONTAINER), 200, "{\"type\":\"KILL_CONTAINER\",\"kill_container\":{" ID(NESTED) "}}"},
		{MAY(KILL_NESTED_CONTAINER), 200, "{\"type\":\"KILL_NESTED_CONTAINER\",\"kill_nested_container\":{" ID(NESTED) "}}"},
		{MAY(REMOVE_NESTED_CONTAINER), 500, "{\"type\":\"REMOVE_CONTAINER\",\"remove_container\":{" ID(NESTED) "}}"},
		{MAY(REMOVE_NESTED_CONTAINER), 500, "{\"type\":\"REMOVE_NESTED_CONTAINER\",\"remove_nested_container\":{" ID(NESTED) "}}"},
		{MAY(WAIT_NESTED_CONTAINER), 0, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{" ID(NESTED) "}}"},
		{MAY(WAIT_NESTED_CONTAINER), 0, "{\"type\":\"WAIT_NESTED_CONTAINER\",\"wait_nested_container\":{" ID(NESTED) "}}"},
		{MAY(LAUNCH_STANDALONE_CONTAINER), 200, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{" ID(ALONE) ",\"command\":{\"value\":\"x\",\"user\":\"me\"}}}"},
		{MAY(KILL_STANDALONE_CONTAINER), 200, "{\"type\":\"KILL_CONTAINER\",\"kill_container\":{" ID(ALONE) "}}"},
		{MAY(REMOVE_STANDALONE_CONTAINER), 500, "{\"type\":\"REMOVE_CONTAINER\",\"remove_container\":{" ID(ALONE) "}}"},
		{MAY(WAIT_STANDALONE_CONTAINER), 0, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{" ID(ALONE) "}}"},
	};
	const char *top = executor(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		const char *at = strstr(rows[i].json, "TOP");
		mz_autofree char *json = at ? xasprintf("%.*s%s%s", (int)(at - rows[i].json), rows[i].json, top, at + 3)
					    : xstrdup(rows[i].json);
		authz.deny = rows[i].action;
		int n = authz.asked[rows[i].action];
		assert_int_equal(api(w, CODEC_JSON, "%s", json)->status, 403);
		assert_int_equal(authz.asked[rows[i].action], n + 1);
		assert_string_equal(authz.executor, at ? "e" : "-");
		assert_int_equal(strncmp(authz.container, at ? top : "alone", 5), 0);
		if (strstr(rows[i].json, "LAUNCH"))
			assert_string_equal(authz.user, "me");
		authz.deny = 0;
		assert_int_equal(api(w, CODEC_PROTOBUF, "%s", json)->status, rows[i].before);
	}
}

static struct fake_call *input(struct world *w, const char *top)
{
	mz_autofree char *json = xasprintf("{\"type\":\"ATTACH_CONTAINER_INPUT\",\"attach_container_input\":{\"type\":"
					   "\"CONTAINER_ID\",\"container_id\":{\"value\":\"%s\"}}}", top);
	struct buf mz_autobuf b = {0};
	struct fake_call *c = fake_http_streamed(w->loop, &w->router, "POST", "/api/v1",
						 "Content-Type: application/recordio\nMessage-Content-Type: application/json");
	vec_push(&w->calls, c);
	recordio_add(&b, json, strlen(json));
	fake_body(c, b.data, b.len);
	world_settle(w);
	return c;
}

static void test_input_asks(void **state)
{
	struct world *w = *state;
	const char *top = executor(w);
	authz.deny = MAY(ATTACH_CONTAINER_INPUT);
	assert_int_equal(input(w, top)->status, 403);
	assert_int_equal(authz.asked[MAY(ATTACH_CONTAINER_INPUT)], 1);
	assert_string_equal(authz.executor, "e");
	assert_string_equal(authz.container, top);
	/* He leaves while it is thought about, and so does the agent. */
	authz.deny = 0;
	authz.hold = true;
	struct fake_call *c = input(w, top);
	assert_true(c->paused);
	fake_leave(c);
	authz.host->op_done(authz.held, NULL, NULL);
	world_settle(w);
	assert_int_equal(w->ios.n, 0);
	c = input(w, top);
	world_crash(w);
	assert_int_equal(c->status, 503);
}

static void test_asker_goes_while_it_waits(void **state)
{
	struct world *w = *state;
	const char *top = executor(w);
	authz.hold = true;
	struct fake_call *c = api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""));
	assert_int_equal(c->status, 0);
	size_t n = w->containers.launched.n;
	c->x.on_gone(c->x.on_gone_arg);
	world_settle(w);
	authz.host->op_done(authz.held, NULL, NULL);
	world_settle(w);
	assert_int_equal(w->containers.launched.n, n);
	/* The agent ends while it waits. */
	c = api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""));
	world_crash(w);
	assert_int_equal(c->status, 503);
}

static void test_views_leave_out(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *call, *member, *gone;
		int actions[4];
	} rows[] = {
		{"GET_FRAMEWORKS", "", "\"frameworks\":[]", {MAY(VIEW_FRAMEWORK)}},
		{"GET_EXECUTORS", "", "\"executors\":[]", {MAY(VIEW_FRAMEWORK), MAY(VIEW_EXECUTOR)}},
		{"GET_TASKS", "", "\"launched_tasks\":[]", {MAY(VIEW_FRAMEWORK), MAY(VIEW_EXECUTOR), MAY(VIEW_TASK)}},
		{"GET_STATE", "", "\"launched_tasks\":[]", {MAY(VIEW_FRAMEWORK), MAY(VIEW_EXECUTOR), MAY(VIEW_TASK)}},
	};
	const char *top = executor(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		authz.deny = 0;
		assert_null(strstr(buf_str(&api(w, CODEC_JSON, "{\"type\":\"%s\"}", rows[i].call)->body), rows[i].gone));
		for (int k = 0; rows[i].actions[k]; k++) {
			authz.deny = rows[i].actions[k];
			struct fake_call *c = api(w, CODEC_JSON, "{\"type\":\"%s\"}", rows[i].call);
			assert_int_equal(c->status, 200);
			assert_non_null(strstr(buf_str(&c->body), rows[i].gone));
		}
	}
	/* Containers. */
	assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""))->status, 200);
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"alone\"},"
					    "\"command\":{\"value\":\"x\"}}}")->status, 200);
	static const struct {
		int deny;
		size_t n;
	} containers[] = {{0, 3}, {MAY(VIEW_CONTAINER), 1}, {MAY(VIEW_STANDALONE_CONTAINER), 2}};
	for (size_t i = 0; i < MZ_N(containers); i++) {
		authz.deny = containers[i].deny;
		Mesos__V1__Agent__Response *r = response(
			w, CODEC_PROTOBUF, api(w, CODEC_PROTOBUF, "{\"type\":\"GET_CONTAINERS\",\"get_containers\":{\"show_nested\":true,"
								  "\"show_standalone\":true}}"));
		assert_int_equal(r->get_containers->n_containers, containers[i].n);
	}
	/* The endpoints that are older. */
	authz.deny = MAY(VIEW_TASK);
	assert_null(strstr(buf_str(&world_get(w, "/state")->body), "\"t\""));
	authz.deny = MAY(VIEW_EXECUTOR);
	assert_non_null(strstr(buf_str(&world_get(w, "/state")->body), "\"executors\":[]"));
	authz.deny = MAY(VIEW_FRAMEWORK);
	assert_non_null(strstr(buf_str(&world_get(w, "/state")->body), "\"frameworks\":[]"));
	authz.deny = MAY(VIEW_FLAGS);
	assert_null(strstr(buf_str(&world_get(w, "/state")->body), "\"flags\""));
	authz.deny = MAY(VIEW_CONTAINER);
	assert_string_equal(buf_str(&world_get(w, "/containers")->body), "[]");
}

static void test_endpoints_are_refused(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *path;
		int action;
		const char *value;
	} rows[] = {
		{"/flags", MAY(VIEW_FLAGS), "-"},
		{"/containers", MAY(GET_ENDPOINT_WITH_PATH), "/containers"},
		{"/slave(1)/monitor/statistics.json", MAY(GET_ENDPOINT_WITH_PATH), "/monitor/statistics"},
		{"/metrics/snapshot", MAY(GET_ENDPOINT_WITH_PATH), "/metrics/snapshot"},
		{"/files/debug", MAY(GET_ENDPOINT_WITH_PATH), "/files/debug"},
		{"/files/browse?path=/w/slaves/S0//frameworks/F/executors/e/runs/latest", MAY(ACCESS_SANDBOX), "u"},
		{"/files/read?path=/w/slaves/S0/frameworks/F/executors/e/runs/latest/stdout", MAY(ACCESS_SANDBOX), "u"},
		{"/files/download?path=/elsewhere", MAY(ACCESS_SANDBOX), "/elsewhere"},
	};
	(void)executor(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		authz.deny = rows[i].action;
		struct fake_call *c = fake_http(w->loop, &w->router, "GET", rows[i].path, NULL, NULL, 0);
		vec_push(&w->calls, c);
		world_settle(w);
		assert_int_equal(c->status, 403);
		assert_string_equal(authz.value, rows[i].value);
		if (rows[i].action == MAY(ACCESS_SANDBOX) && rows[i].value[0] != '/')
			assert_string_equal(authz.executor, "e");
	}
	authz.deny = MAY(VIEW_FLAGS);
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"GET_FLAGS\"}")->status, 403);
	/* Nothing but the call that is forbidden. */
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"GET_HEALTH\"}")->status, 200);
}

/* ---- sandboxes --------------------------------------------------------------------------------- */

static void end_one(struct world *w, const char *top)
{
	mz_autofree char *path = xasprintf("%s.n", top);
	assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""))->status, 200);
	container_exit(w, path, 0);
	world_settle(w);
}

/* Thousands of them are kept. */
static void test_ended_ones_are_small(void **state)
{
	enum { LARGE = 1500 };
	struct world *w = *state;
	const char *top = executor(w);
	mz_autofree char *value = xcalloc(1, LARGE + 1);
	memset(value, 'x', LARGE);
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":"
					    "\"n\",\"parent\":{\"value\":\"%s\"}},\"command\":{\"value\":\"x\",\"environment\":{"
					    "\"variables\":[{\"name\":\"A\",\"value\":\"%s\"}]}}}}", top, value)->status, 200);
	for (int ended = 0; ended < 2; ended++) {
		size_t size = 0;
		map_each(&w->disk.values, e)
			if (str_starts(e->key, "container/"))
				size += ((struct buf *)e->value)->len;
		assert_true(ended ? size < 300 : size > LARGE);
		mz_autofree char *id = xasprintf("%s.n", top);
		if (!ended)
			container_exit(w, id, 0);
		world_settle(w);
	}
}

static void test_sandboxes_stay_until_asked(void **state)
{
	struct world *w = *state;
	end_one(w, executor(w));
	assert_int_equal(world_n_records(w, "sandbox/"), 0);
	world_pass(w, 2000 * SECS);
	assert_int_equal(w->containers.removed.n, 0);
}

static void test_sandboxes_go_by_age(void **state)
{
	struct world *w = *state;
	w->gc_nested = true;
	world_restart(w);
	const char *top = executor(w);
	mz_autofree char *remove = xasprintf("{\"type\":\"REMOVE_CONTAINER\",\"remove_container\":{\"container_id\":{"
					     "\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}}}", top);
	end_one(w, top);
	assert_int_equal(world_n_records(w, "sandbox/"), 1);
	/* Somebody was faster. */
	assert_int_equal(api(w, CODEC_JSON, "%s", remove)->status, 200);
	assert_int_equal(w->containers.removed.n, 1);
	world_settle(w);
	assert_int_equal(world_n_records(w, "sandbox/"), 0);
	/* Nobody does, and a restart forgets nothing. */
	end_one(w, top);
	world_restart(w);
	assert_int_equal(executor_subscribe(w, "e", NULL)->status, 200);
	assert_int_equal(world_n_records(w, "sandbox/"), 1);
	/* It is seen through its executor's alone: a task may have swapped what leads to it. */
	map_each(&w->attached, e)
		assert_null(strstr(e->key, "/containers/"));
	assert_int_equal(w->attached.n, 2);
	world_pass(w, 800 * SECS);
	assert_int_equal(w->containers.removed.n, 1);
	world_pass(w, 200 * SECS);
	assert_int_equal(w->containers.removed.n, 2);
	assert_true(str_ends(w->containers.removed.v[1], "/containers/n"));
	assert_int_equal(world_n_records(w, "sandbox/"), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
#define AUTHZ(fn) cmocka_unit_test_setup_teardown(fn, authz_setup, authz_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_each_call_json),
		TEST(test_each_call_protobuf),
		TEST(test_pids_after_a_restart),
		TEST(test_called_off_while_it_is_launched),
		TEST(test_get_containers_json),
		TEST(test_get_containers_protobuf),
		TEST(test_wait_tells_the_limit_json),
		TEST(test_wait_tells_the_limit_protobuf),
		TEST(test_status_tells_the_limit),
		TEST(test_limit_is_told_after_the_failure),
		TEST(test_many_failures),
		TEST(test_failures_without_a_limit),
		TEST(test_limits_of_nested_containers),
		TEST(test_limits_of_executors),
		TEST(test_whose_containers_are),
		TEST(test_role_outlives_tasks),
		TEST(test_a_few_are_asked_at_a_time),
		TEST(test_ended_ones_are_small),
		TEST(test_sandboxes_stay_until_asked),
		TEST(test_sandboxes_go_by_age),
		AUTHZ(test_container_calls_ask),
		AUTHZ(test_input_asks),
		AUTHZ(test_asker_goes_while_it_waits),
		AUTHZ(test_views_leave_out),
		AUTHZ(test_endpoints_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
