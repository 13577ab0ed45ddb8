/* agent_containers_test.c - the calls of the agent's API about containers, in both
 * encodings, and whose each container is. Limits: agent_limits_test.c, whether one may:
 * agent_authorizer_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <signal.h>
#include <string.h>

#include "mesos/v1/agent.pb-c.h"
#include "module/module.h"
#include "wire/codec.h"
#include "wire/json.h"

#define RESPONSE(name) MESOS__V1__AGENT__RESPONSE__TYPE__##name

/* ---- each call, in both encodings --------------------------------------------------------- */

static void each_call(struct world *w, enum codec codec)
{
	const char *top = start_executor(w);
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
		r = api_response(w, codec, wait);
		assert_int_equal(r->type, names[i].wait);
		assert_int_equal(i ? r->wait_nested_container->exit_status : r->wait_container->exit_status, 3 << 8);
		/* Again, as often as one likes, until it is removed. */
		r = api_response(w, codec, CALL("wait", "WAIT", ""));
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
	const char *top = start_executor(w);
	static const struct {
		const char *what;
		size_t n;
	} rows[] = {{"", 1}, {"\"show_nested\":true", 3}, {"\"show_standalone\":true", 2},
		    {"\"show_nested\":true,\"show_standalone\":true", 5}};
	assert_int_equal(api(w, codec, LAUNCH_IN(top, "n", ""))->status, 200);
	assert_false(w->containers.attachable);
	assert_null(w->containers.last_start);
	assert_int_equal(api(w, codec, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"m\","
				       "\"parent\":{\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}},\"command\":{\"value\":\"x\"}}}", top)
				 ->status, 200);
	assert_int_equal(api(w, codec, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"alone\"},"
				       "\"command\":{\"value\":\"x\"}}}")->status, 200);
	assert_int_equal(api(w, codec, LAUNCH_IN("alone", "n", ""))->status, 200);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		Mesos__V1__Agent__Response *r =
			api_response(w, codec, api(w, codec, "{\"type\":\"GET_CONTAINERS\",\"get_containers\":{%s}}", rows[i].what));
		assert_int_equal(r->get_containers->n_containers, rows[i].n);
		assert_string_equal(r->get_containers->containers[0]->container_id->value, top);
		assert_string_equal(r->get_containers->containers[0]->executor_id->value, "e");
		if (rows[i].n < 3)
			continue;
		assert_string_equal(r->get_containers->containers[2]->container_id->parent->parent->value, top);
		assert_int_equal(r->get_containers->containers[1]->container_status->executor_pid, 4711);
	}
	/* What has ended is in the books, and not shown. */
	container_exit(w, "alone.n", 0);
	world_settle(w);
	assert_int_equal(api_response(w, codec, api(w, codec, "{\"type\":\"GET_CONTAINERS\",\"get_containers\":{\"show_nested\":true,"
							     "\"show_standalone\":true}}"))->get_containers->n_containers, 4);
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
	assert_int_equal(api_response(w, CODEC_JSON, api(w, CODEC_JSON, "%s", all))->get_containers->n_containers, N);
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
	assert_int_equal(api_response(w, CODEC_JSON, c)->get_containers->n_containers, N);
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
	(void)start_executor(w);
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":"
					    "\"alone\"},\"command\":{\"value\":\"x\"}}}")->status, 200);
	w->containers.status = (struct mz_bytes){told, mesos__v1__container_status__pack(&s, told)};
	for (int restarted = 0; restarted < 2; restarted++) {
		Mesos__V1__Agent__Response *r =
			api_response(w, CODEC_PROTOBUF, api(w, CODEC_PROTOBUF, "{\"type\":\"GET_CONTAINERS\",\"get_containers\":{"
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

/* ---- what is not launched ---------------------------------------------------------------------- */

#define RESOURCES(name, rest) "\"resources\":[{\"name\":\"" name "\",\"type\":\"SCALAR\"" rest "}]"
#define AMOUNT(value) ",\"scalar\":{\"value\":" value "}"
#define MESOS(rest) "\"container\":{\"type\":\"MESOS\"," rest "}"
#define SHARE(yes) MESOS("\"linux_info\":{\"share_cgroups\":" yes "}")
#define VARIABLE(rest) "\"command\":{\"value\":\"x\",\"environment\":{\"variables\":[{\"name\":\"A\"" rest "}]}}"
#define RUN "\"command\":{\"value\":\"x\"},"

/* Levels: how deep the container would be in the executor's; 0: it would stand alone. */
static const struct {
	int levels;
	const char *more, *why; /* members of the call; why NULL: it is launched */
} launches[] = {
	{0, RUN RESOURCES("cpus", AMOUNT("1")), NULL},
	{0, MESOS("\"volumes\":[]"), "'command' is not set"},
	{0, VARIABLE(",\"value\":\"1\""), NULL},
	{0, VARIABLE(""), "Environment variable 'A': A variable of type VALUE has 'value'"},
	{0, VARIABLE(",\"type\":\"SECRET\",\"secret\":{\"type\":\"VALUE\"}"), "A secret of type VALUE has 'value'"},
	{0, RUN MESOS("\"volumes\":[{\"container_path\":\"c\",\"mode\":\"RW\"}]"), "Volume 'c': Exactly one of"},
	{0, RUN MESOS("\"rlimit_info\":{\"rlimits\":[{\"type\":\"RLMT_CORE\",\"soft\":5}]}"), "both 'hard' and 'soft'"},
	{0, RUN "\"container\":{\"type\":\"DOCKER\"}", "A container of type DOCKER needs 'docker'"},
	{0, RUN SHARE("true"), "'share_cgroups' must not be true for a container without parent"},
	{0, RUN SHARE("false"), NULL},
	{0, RUN RESOURCES("cpus", AMOUNT("-1")), "The value -1 is negative"},
	{0, RUN RESOURCES("gpus", AMOUNT("0.5")), "'gpus' must be a whole number"},
	{0, RUN RESOURCES("cpus", AMOUNT("1") ",\"role\":\"r\""), "must not be reserved"},
	{0, RUN RESOURCES("cpus", AMOUNT("1") ",\"reservations\":[{\"role\":\"r\",\"type\":\"STATIC\"}]"), "must not be reserved"},
	{0, RUN RESOURCES("cpus", AMOUNT("1") ",\"revocable\":{}"), "must not be revocable"},
	{0, RUN RESOURCES("disk", AMOUNT("1") ",\"disk\":{\"persistence\":{\"id\":\"p\"}}"), "must not have persistent volumes"},
	{0, RUN "\"limits\":{\"disk\":{\"value\":1}}", "Only 'cpus' and 'mem' can have limits, not 'disk'"},
	{0, RUN "\"limits\":{\"cpus\":{\"value\":-1}}", "The limit of 'cpus' must be 0.001 or more"},
	{0, RUN "\"limits\":{\"cpus\":{\"value\":0}}", "The limit of 'cpus' must be 0.001 or more"},
	{0, RUN "\"limits\":{\"cpus\":{\"value\":0.5}}," RESOURCES("cpus", AMOUNT("1")), "The limit of 'cpus' is below the request"},
	{0, RUN "\"limits\":{\"mem\":{\"value\":\"Infinity\"}}", NULL},
	/* its resources are the framework's */
	{1, RUN RESOURCES("cpus", AMOUNT("1") ",\"revocable\":{}"), NULL},
	{1, RUN SHARE("false"), NULL},
	{1, RUN "\"limits\":{\"mem\":{\"value\":-5}}", "The limit of 'mem' must be 0.001 or more"},
	{2, RUN SHARE("true"), NULL},
	{2, RUN SHARE("false"), "'share_cgroups' must be true"},
	{2, RUN RESOURCES("cpus", AMOUNT("1")), "Only the first level"},
	{2, RUN "\"limits\":{\"cpus\":{\"value\":1}}", "Only the first level"},
	{33, RUN "\"container\":{\"type\":\"MESOS\"}", "deeper than 32"},
};

static char *in(const char *id, char *parent_json)
{
	char *json = parent_json ? xasprintf("{\"value\":\"%s\",\"parent\":%s}", id, parent_json)
				 : xasprintf("{\"value\":\"%s\"}", id);
	free(parent_json);
	return json;
}

/* The id of a container so many levels below the executor's, those between named "a". */
static char *place(const char *top, int levels, size_t i)
{
	char id[24];
	snprintf(id, sizeof(id), "c%zu", i);
	char *json = levels ? in(top, NULL) : NULL;
	while (--levels > 0)
		json = in("a", json);
	return in(id, json);
}

static void expect(struct fake_call *c, size_t row, const char *why)
{
	bool fits = why ? c->status == 400 && strstr(buf_str(&c->body), why) : c->status == 200;
	if (!fits)
		fail_msg("row %zu: %d %s", row, c->status, buf_str(&c->body));
}

/* Nothing that a call says is passed over in silence. */
static void which_are_launched(struct world *w, enum codec codec)
{
	const char *top = start_executor(w);
	expect(api(w, codec, LAUNCH_IN(top, "a", "")), SIZE_MAX, NULL);
	for (size_t i = 0; i < MZ_N(launches); i++) {
		mz_autofree char *id = place(top, launches[i].levels, i);
		size_t before = w->containers.launched.n;
		expect(api(w, codec, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":%s,%s}}", id,
			   launches[i].more), i, launches[i].why);
		assert_int_equal(w->containers.launched.n, before + !launches[i].why);
		/* The other two say less, and are held to the same. */
		if (!launches[i].levels || !launches[i].why || strstr(launches[i].more, "limits") ||
		    strstr(launches[i].more, "resources"))
			continue;
		expect(api(w, codec, "{\"type\":\"LAUNCH_NESTED_CONTAINER\",\"launch_nested_container\":{\"container_id\":%s,%s}}",
			   id, launches[i].more), i, launches[i].why);
		expect(api(w, codec, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{"
				     "\"container_id\":%s,%s}}", id, launches[i].more), i, launches[i].why);
	}
	static const struct {
		const char *id, *why;
	} ids[] = {{"a.b", "has a '.'"}, {"a b", "has a ' '"}, {"a/b", "has a '/'"}, {"", "is empty"}, {"..", "must not be '..'"}};
	for (size_t i = 0; i < MZ_N(ids); i++)
		expect(api(w, codec, LAUNCH_IN(top, ids[i].id, "")), i, ids[i].why);
	char longest[244] = "";
	memset(longest, 'x', 243);
	expect(api(w, codec, LAUNCH_IN(top, longest, "")), SIZE_MAX, "longer than 242 bytes");
	longest[242] = '\0';
	expect(api(w, codec, LAUNCH_IN(top, longest, "")), SIZE_MAX, NULL);
	mz_autofree char *id = place(top, 1, SIZE_MAX - 1);
	expect(api(w, codec, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{\"container_id\":%s,%s}}",
		   id, RUN SHARE("false")), SIZE_MAX, "'share_cgroups' must be true for a session");
	expect(api(w, codec, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{\"container_id\":%s,%s}}",
		   id, VARIABLE("")), SIZE_MAX, "Environment variable 'A'");
}

static void test_which_are_launched_json(void **state)
{
	which_are_launched(*state, CODEC_JSON);
}

static void test_which_are_launched_protobuf(void **state)
{
	which_are_launched(*state, CODEC_PROTOBUF);
}

/* ---- called off ------------------------------------------------------------------------------ */

/* Before it runs it is not waited for: its files may take hours to fetch. */
static void test_called_off_while_it_is_launched(void **state)
{
	static const char *const calls[][2] = {{"KILL_CONTAINER", "kill_container"}, {"KILL_NESTED_CONTAINER", "kill_nested_container"}};
	struct world *w = *state;
	const char *top = start_executor(w);
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

/* Who waits for one whose executor ends meanwhile is told what became of it. */
static void test_waited_for_while_it_is_recorded(void **state)
{
	struct world *w = *state;
	const char *top = start_executor(w);
	w->disk.stuck = true;
	struct fake_call *launch = api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""));
	struct fake_call *wait = api(w, CODEC_JSON, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"container_id\":{"
						    "\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}}}", top);
	assert_int_equal(launch->status + wait->status, 0);
	container_exit(w, top, 9);
	world_settle(w);
	assert_int_equal(launch->status, 400);
	Mesos__V1__Agent__Response__WaitContainer *r = api_response(w, CODEC_JSON, wait)->wait_container;
	assert_false(r->has_exit_status);
	assert_non_null(strstr(r->message, "has ended"));
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_int_equal(w->containers.launched.n, 1);
}

/* An executor may be faster than the news that its container runs. */
static void test_faster_than_its_launch(void **state)
{
	struct world *w = *state;
	world_register(w);
	w->containers.hold_launch = true;
	run_task(w, "t", "e");
	assert_int_equal(executor_subscribe(w, "e", NULL)->status, 200);
	const char *top = arena_strdup(&w->arena, last_container(w));
	struct fake_call *launch = api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""));
	assert_int_equal(launch->status, 0);
	assert_int_equal(w->containers.launched.n, 1);
	container_launched(w, false);
	assert_int_equal(launch->status, 200);
	assert_int_equal(w->containers.launched.n, 2);
}

/* ---- after a restart ------------------------------------------------------------------------ */

/* What a container was launched with is what isolators are told of it later. */
static void test_recovered_as_launched(void **state)
{
	struct world *w = *state;
	const char *top = start_executor(w);
	assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, "n", ",\"limits\":{\"cpus\":{\"value\":1.5},\"mem\":{\"value\":64}},"
		"\"container\":{\"type\":\"MESOS\",\"linux_info\":{\"share_cgroups\":false}}"))->status, 200);
	assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, "m", ""))->status, 200);
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{"
		"\"container_id\":{\"value\":\"s\",\"parent\":{\"value\":\"%s\"}},\"command\":{\"value\":\"x\"}}}", top)->status, 200);
	world_restart(w);
	assert_int_equal(w->containers.n_recovered, 4);
	static const char *const told[] = {".n cpus=1500 mem=64000 share=0 class=0 attachable=0\n",
					   ".m cpus=0 mem=0 share=1 class=0 attachable=0\n",
					   ".s cpus=0 mem=0 share=1 class=1 attachable=1\n"};
	for (size_t i = 0; i < MZ_N(told); i++)
		assert_non_null(strstr(w->containers.recovered, told[i]));
}

/* What is nested in nothing that is known is none of ours. */
static void test_orphans_are_forgotten(void **state)
{
	struct world *w = *state;
	const char *top = start_executor(w);
	assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""))->status, 200);
	assert_int_equal(world_n_records(w, "container/"), 1);
	world_crash(w);
	map_each(&w->disk.values, e)
		if (str_starts(e->key, "executor/")) {
			struct buf *b = map_del(&w->disk.values, e->key);
			buf_done(b);
			free(b);
			break;
		}
	world_restart(w);
	assert_int_equal(world_n_records(w, "container/"), 0);
	assert_int_equal(w->containers.n_recovered, 0);
}

static void test_reboot_ends_them(void **state)
{
	struct world *w = *state;
	world_register(w);
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"alone\"},"
					    "\"command\":{\"value\":\"x\"}}}")->status, 200);
	w->boot_id = "boot-2";
	world_restart(w);
	assert_int_equal(w->containers.n_recovered, 0);
	Mesos__V1__Agent__Response__WaitContainer *r =
		api_response(w, CODEC_JSON, api(w, CODEC_JSON, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"container_id\":{"
							       "\"value\":\"alone\"}}}"))->wait_container;
	assert_int_equal(r->state, ST(GONE));
	assert_string_equal(r->message, "The machine was rebooted");
}

/* ---- whose they are ---------------------------------------------------------------------- */

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

/* A nested one runs as its parent does, unless its command says otherwise. */
static void test_users(void **state)
{
	struct world *w = *state;
	w->switch_user = true;
	world_restart(w);
	const char *top = start_executor(w);
	assert_string_equal(w->containers.last_user, "u");
	assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, "n", ""))->status, 200);
	assert_string_equal(w->containers.last_user, "u");
	assert_int_equal(api(w, CODEC_JSON, LAUNCH_IN(top, "m", ",\"command\":{\"value\":\"x\",\"user\":\"me\"}"))->status, 200);
	assert_string_equal(w->containers.last_user, "me");
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"a\","
		"\"parent\":{\"value\":\"m\",\"parent\":{\"value\":\"%s\"}}},\"command\":{\"value\":\"x\"}}}", top)->status, 200);
	assert_string_equal(w->containers.last_user, "me");
	assert_int_equal(api(w, CODEC_JSON, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"alone\"},"
					    "\"command\":{\"value\":\"x\"}}}")->status, 200);
	assert_null(w->containers.last_user); /* as the agent */
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

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_each_call_json),
		TEST(test_each_call_protobuf),
		TEST(test_a_few_are_asked_at_a_time),
		TEST(test_pids_after_a_restart),
		TEST(test_get_containers_json),
		TEST(test_get_containers_protobuf),
		TEST(test_which_are_launched_json),
		TEST(test_which_are_launched_protobuf),
		TEST(test_called_off_while_it_is_launched),
		TEST(test_waited_for_while_it_is_recorded),
		TEST(test_faster_than_its_launch),
		TEST(test_recovered_as_launched),
		TEST(test_orphans_are_forgotten),
		TEST(test_reboot_ends_them),
		TEST(test_users),
		TEST(test_whose_containers_are),
		TEST(test_role_outlives_tasks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
