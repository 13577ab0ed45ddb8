/* master_validation_test.c - what a TaskInfo, an ExecutorInfo and a task group
 * must be like to be launched: a row for each rule, in both encodings. Rules of
 * single messages are tested in full in model_test.c; here each reaches the
 * scheduler as a status with its reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "master_world.h"
#include "model/model.h"

#define SECS NS_PER_SEC
#define TO_AGENT(name) MEZZO__LINK__TO_AGENT__MESSAGE_##name
#define ST(name) MESOS__V1__TASK_STATE__TASK_##name
#define RS(name) MESOS__V1__TASK_STATUS__REASON__REASON_##name
#define PLAIN "\"user\":\"u\",\"name\":\"n\""
#define RES "cpus:400;mem:409600;disk:100000;gpus:4;ports:[31000-31010]"
#define LIMITS (1u << MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__TASK_RESOURCE_LIMITS)

#define SCALAR(name, value) "{\"name\":\"" name "\",\"type\":\"SCALAR\",\"scalar\":{\"value\":" value "}}"
#define PORTS(range) "{\"name\":\"ports\",\"type\":\"RANGES\",\"ranges\":{\"range\":[" range "]}}"
#define CPU SCALAR("cpus", "1") "," SCALAR("mem", "32")
#define WITH(resources) ",\"resources\":[" resources "]"
#define COMMAND ",\"command\":{\"value\":\"true\"}"
#define OK_TASK COMMAND WITH(CPU)
#define EXECUTOR(id, more) ",\"executor\":{\"executor_id\":{\"value\":\"" id "\"},\"command\":{\"value\":\"x\"}" more "}" WITH(CPU)
#define CONTAINER(type, more) OK_TASK ",\"container\":{\"type\":\"" type "\"" more "}"
#define VOLUME(more) CONTAINER("MESOS", ",\"volumes\":[{\"container_path\":\"p\",\"mode\":\"RO\"" more "}]")
#define ENV(more) ",\"command\":{\"value\":\"x\",\"environment\":{\"variables\":[{\"name\":\"e\"" more "}]}}" WITH(CPU)
#define LINUX(more) ",\"container\":{\"type\":\"MESOS\",\"linux_info\":{" more "}}"
#define LIMIT(name, value) ",\"limits\":{\"" name "\":{\"value\":" value "}}"
#define VOLUME_RES \
	"{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"reservations\":[{\"type\":\"STATIC\",\"role\":\"r\"}]," \
	"\"disk\":{\"persistence\":{\"id\":\"v\"},\"volume\":{\"container_path\":\"p\",\"mode\":\"RW\"}}%s}"

struct row {
	const char *fields; /* of the TaskInfo, behind its ids */
	const char *error;  /* NULL: it is launched */
	const char *id, *agent;
};

static const struct row tasks[] = {
	{OK_TASK, NULL, "first", NULL},
	{OK_TASK, "has a '/'", "a/b", NULL},
	{OK_TASK, "Task id is empty", "", NULL},
	{OK_TASK, "the id of a task that exists", "first", NULL},
	{OK_TASK, "Task is for agent 'x'", NULL, "x"},
	/* resources */
	{COMMAND, "uses no resources", NULL, NULL},
	{COMMAND WITH(SCALAR("cpus", "-1")), "negative", NULL, NULL},
	{COMMAND WITH(SCALAR("cpus", "500")), "uses more than is offered", NULL, NULL},
	{COMMAND WITH("{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"revocable\":{}}," CPU),
	 "Revocable and non-revocable 'cpus'", NULL, NULL},
	{COMMAND WITH("{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"allocation_info\":{\"role\":\"x\"}},"
		      "{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"allocation_info\":{\"role\":\"y\"}}"),
	 "more than one role", NULL, NULL},
	{COMMAND WITH("{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"allocation_info\":{\"role\":\"x\"}}"),
	 "allocated to role 'x', the offer is for '*'", NULL, NULL},
	{COMMAND WITH("{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"allocation_info\":{\"role\":\"*\"}},"
		      SCALAR("mem", "1")), NULL, NULL, NULL}, /* the others take the offer's role */
	{COMMAND WITH(SCALAR("gpus", "0.5")), "whole number", NULL, NULL},
	{COMMAND WITH(SCALAR("gpus", "1")), NULL, NULL, NULL},
	/* command or executor */
	{WITH(CPU), "Exactly one of 'command' and 'executor'", NULL, NULL},
	{COMMAND EXECUTOR("e1", ""), "Exactly one of 'command' and 'executor'", NULL, NULL},
	/* times */
	{OK_TASK ",\"kill_policy\":{\"grace_period\":{\"nanoseconds\":-1}}", "'kill_policy.grace_period' is negative", NULL, NULL},
	{OK_TASK ",\"max_completion_time\":{\"nanoseconds\":-1}", "'max_completion_time' is negative", NULL, NULL},
	/* checks */
	{OK_TASK ",\"check\":{\"type\":\"HTTP\"}", "Check: ", NULL, NULL},
	{OK_TASK ",\"check\":{\"type\":\"TCP\",\"tcp\":{\"port\":80}}", NULL, NULL, NULL},
	{OK_TASK ",\"health_check\":{\"type\":\"COMMAND\",\"command\":{}}", "Health check: ", NULL, NULL},
	{OK_TASK ",\"health_check\":{\"http\":{\"port\":80,\"path\":\"x\"}}", "does not start with '/'", NULL, NULL},
	{OK_TASK ",\"health_check\":{\"http\":{\"port\":80}}", NULL, NULL, NULL}, /* its type is inferred */
	/* containers and volumes */
	{CONTAINER("DOCKER", ""), "needs 'docker'", NULL, NULL},
	{CONTAINER("DOCKER", ",\"docker\":{\"image\":\"i\",\"parameters\":[{\"key\":\"name\",\"value\":\"v\"}]}"),
	 "'name' cannot be given", NULL, NULL},
	{VOLUME(""), "Exactly one of 'host_path', 'image' and 'source'", NULL, NULL},
	{VOLUME(",\"host_path\":\"/a\",\"source\":{\"type\":\"SANDBOX_PATH\"}"), "Exactly one of 'host_path'", NULL, NULL},
	{VOLUME(",\"source\":{\"type\":\"SANDBOX_PATH\"}"), "'source.sandbox_path' is missing", NULL, NULL},
	{VOLUME(",\"source\":{\"type\":\"CSI_VOLUME\",\"csi_volume\":{\"plugin_name\":\"p\"}}"), "static_provisioning", NULL,
	 NULL},
	{VOLUME(",\"host_path\":\"/a\""), NULL, NULL, NULL},
	/* environment and secrets */
	{ENV(",\"type\":\"VALUE\""), "has 'value' and no 'secret'", NULL, NULL},
	{ENV(",\"type\":\"SECRET\",\"value\":\"v\""), "has 'secret' and no 'value'", NULL, NULL},
	{ENV(",\"type\":\"SECRET\",\"secret\":{\"type\":\"REFERENCE\",\"value\":{\"data\":\"YQ==\"}}"),
	 "has 'reference' and no 'value'", NULL, NULL},
	{ENV(",\"type\":\"SECRET\",\"secret\":{\"type\":\"VALUE\",\"value\":{\"data\":\"YQBi\"}}"), "NUL byte", NULL, NULL},
	{ENV(",\"type\":\"SECRET\",\"secret\":{\"type\":\"VALUE\",\"value\":{\"data\":\"YQ==\"}}"), NULL, NULL, NULL},
	/* limits and cgroups */
	{OK_TASK LIMIT("disk", "5"), "Only 'cpus' and 'mem'", NULL, NULL},
	{OK_TASK LIMIT("cpus", "0.5"), "below the request", NULL, NULL},
	{COMMAND WITH(SCALAR("mem", "32")) LIMIT("cpus", "5"), "needs a request", NULL, NULL},
	{OK_TASK LIMIT("cpus", "2"), NULL, NULL, NULL},
	{OK_TASK LINUX("\"share_cgroups\":false"), "in task groups only", NULL, NULL},
	/* executors */
	{EXECUTOR("one", ""), NULL, NULL, NULL},
	{EXECUTOR("one", ",\"name\":\"other\""), "exists on the agent with another ExecutorInfo", NULL, NULL},
	{EXECUTOR("e2", ",\"type\":\"UNKNOWN\""), "The type must be CUSTOM or DEFAULT", NULL, NULL},
	{",\"executor\":{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"e3\"}}" WITH(CPU), "runs task groups only", NULL, NULL},
	{",\"executor\":{\"type\":\"CUSTOM\",\"executor_id\":{\"value\":\"e4\"}}" WITH(CPU), "needs 'command'", NULL, NULL},
	{EXECUTOR("e/5", ""), "has a '/'", NULL, NULL},
	{EXECUTOR("e6", ",\"framework_id\":{\"value\":\"x\"}"), "framework id 'x'", NULL, NULL},
	{EXECUTOR("e7", ",\"shutdown_grace_period\":{\"nanoseconds\":-1}"), "'shutdown_grace_period' is negative", NULL, NULL},
	{EXECUTOR("e8", ",\"container\":{\"type\":\"MESOS\",\"linux_info\":{\"share_cgroups\":true}}"),
	 "cannot be true for the container of an executor", NULL, NULL},
	{",\"executor\":{\"executor_id\":{\"value\":\"e9\"},\"command\":{\"value\":\"x\"}"
	 WITH(PORTS("{\"begin\":31000,\"end\":31001}")) "}" WITH(CPU "," PORTS("{\"begin\":31001,\"end\":31002}")),
	 "use the same 'ports'", NULL, NULL},
	{EXECUTOR("e10", WITH(SCALAR("cpus", "500"))), "uses more than is offered", NULL, NULL},
	{EXECUTOR("e11", WITH("{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"shared\":{},\"reservations\":[{"
			      "\"type\":\"STATIC\",\"role\":\"r\"}],\"disk\":{\"persistence\":{\"id\":\"v\"},\"volume\":{"
			      "\"container_path\":\"p\",\"mode\":\"RW\"}}}")),
	 "cannot use shared resources", NULL, NULL},
};

struct offered {
	struct fagent *a;
	struct sched *s;
	const char *offer;
};

static struct offered with_offer(struct world *w)
{
	struct offered o = {.a = agent_join(w, RES, NULL, NULL)};
	assert_non_null(agent_next(o.a, TO_AGENT(REGISTERED)));
	o.s = sched_subscribe(w, PLAIN ",\"capabilities\":[{\"type\":\"GPU_RESOURCES\"},{\"type\":\"RESERVATION_REFINEMENT\"}]",
			      NULL);
	world_pass(w, 2 * SECS);
	Mesos__V1__Scheduler__Event *e = sched_event(o.s, EV(OFFERS));
	assert_non_null(e);
	o.offer = e->offers->offers[0]->id->value;
	return o;
}

static void add_task(struct buf *b, const char *id, const char *agent, const char *fields)
{
	buf_addf(b, "{\"name\":\"t\",\"task_id\":{\"value\":\"%s\"},\"agent_id\":{\"value\":\"%s\"}%s}", id, agent, fields);
}

static void accept_all(struct offered *o, const struct buf *operations)
{
	struct fake_call *c = sched_post(o->s, "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}],"
					       "\"operations\":[%s]}", o->offer, operations->data);
	if (c->status != 202)
		fail_msg("%d %s", c->status, buf_str(&c->body));
	world_check(o->s->w);
}

static void assert_refused(size_t i, struct offered *o, int reason, const char *error)
{
	Mesos__V1__Scheduler__Event *e = sched_event(o->s, EV(UPDATE));
	if (!e)
		fail_msg("row %zu: no status", i);
	Mesos__V1__TaskStatus *s = e->update->status;
	if (s->state != ST(ERROR) || (int)s->reason != reason || s->has_uuid || !strstr(s->message, error))
		fail_msg("row %zu: %d, reason %d: %s", i, s->state, s->reason, s->message);
}

/* How many tasks the agent has been sent. */
static size_t n_sent(struct offered *o)
{
	size_t n = 0;
	Mezzo__Link__ToAgent *m;
	while ((m = agent_next(o->a, TO_AGENT(RUN_TASKS))))
		n += m->run_tasks->n_tasks;
	return n;
}

static void launch_rules(void **state)
{
	struct world *w = *state;
	mz_autobuf struct buf b = {0};
	size_t n_good = 0;
	world_capabilities = LIMITS;
	struct offered o = with_offer(w);
	buf_adds(&b, "{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[");
	for (size_t i = 0; i < MZ_N(tasks); i++) {
		mz_autofree char *id = xasprintf("row-%zu", i);
		if (i)
			buf_addc(&b, ',');
		add_task(&b, tasks[i].id ? tasks[i].id : id, tasks[i].agent ? tasks[i].agent : o.a->id, tasks[i].fields);
	}
	buf_adds(&b, "]}}");
	(void)buf_str(&b);
	accept_all(&o, &b);
	for (size_t i = 0; i < MZ_N(tasks); i++) {
		if (tasks[i].error)
			assert_refused(i, &o, RS(TASK_INVALID), tasks[i].error);
		else
			n_good++;
	}
	assert_null(sched_event(o.s, EV(UPDATE)));
	assert_int_equal(n_sent(&o), n_good);
}

/* What the agent or the operation stands against. */
static void launch_against_the_rest(void **state)
{
	struct world *w = *state;
	mz_autobuf struct buf b = {0};
	struct offered o = with_offer(w); /* without TASK_RESOURCE_LIMITS */
	mz_autofree char *same_volume = xasprintf(COMMAND ",\"resources\":[" VOLUME_RES "," VOLUME_RES "]", "", "");
	buf_adds(&b, "{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[");
	add_task(&b, "limits", o.a->id, OK_TASK LIMIT("cpus", "2"));
	buf_addc(&b, ',');
	add_task(&b, "volume", o.a->id, same_volume);
	buf_adds(&b, "]}},{\"type\":\"LAUNCH\",\"id\":{\"value\":\"op\"},\"launch\":{\"task_infos\":[");
	add_task(&b, "with-id", o.a->id, OK_TASK);
	buf_adds(&b, "]}}");
	(void)buf_str(&b);
	accept_all(&o, &b);
	assert_refused(0, &o, RS(TASK_INVALID), "Agent cannot limit");
	assert_refused(1, &o, RS(TASK_INVALID), "Persistent volume 'v' is used twice");
	assert_refused(2, &o, RS(TASK_INVALID), "LAUNCH cannot have an operation id");
	assert_int_equal(n_sent(&o), 0);
}

/* ---- task groups ------------------------------------------------------------------ */

#define POD_RES SCALAR("cpus", "0.1") "," SCALAR("mem", "32") "," SCALAR("disk", "10")
#define POD(more) "{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"pod-%zu\"}" WITH(POD_RES) more "}"
#define POD_WITH(more) "{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"pod-%zu\"}" WITH(POD_RES "," more) "}"
#define ALONE LINUX("\"share_cgroups\":false")
#define NETWORK ",\"container\":{\"type\":\"MESOS\",\"network_infos\":[{\"name\":\"n\"}]}"

static const struct {
	const char *executor; /* with one %zu, or the id of another row's */
	const char *first, *second; /* fields of the tasks; NULL: one task */
	const char *error;
} groups[] = {
	{POD(""), OK_TASK, OK_TASK, NULL},
	{"{\"type\":\"CUSTOM\",\"command\":{\"value\":\"x\"},\"executor_id\":{\"value\":\"pod-%zu\"}" WITH(POD_RES) "}", OK_TASK,
	 NULL, NULL},
	{"{\"executor_id\":{\"value\":\"pod-%zu\"},\"command\":{\"value\":\"x\"}" WITH(POD_RES) "}", OK_TASK, NULL, "needs 'type'"},
	{POD(",\"command\":{\"value\":\"x\"}"), OK_TASK, NULL, "cannot have 'command'"},
	{POD(",\"container\":{\"type\":\"DOCKER\",\"docker\":{\"image\":\"i\"}}"), OK_TASK, NULL, "cannot be a Docker container"},
	{POD(",\"container\":{\"type\":\"MESOS\",\"mesos\":{\"image\":{\"type\":\"DOCKER\",\"docker\":{\"name\":\"i\"}}}}"), OK_TASK,
	 NULL, "cannot have an image"},
	{"{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"pod-%zu\"}" WITH(SCALAR("cpus", "0.1") "," SCALAR("mem", "32")) "}",
	 OK_TASK, NULL, "some disk"},
	{"{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"pod-%zu\"}" WITH(SCALAR("cpus", "0.1") "," SCALAR("mem", "31") "," SCALAR(
		 "disk", "1")) "}",
	 OK_TASK, NULL, "32 MB"},
	{POD(""), OK_TASK, CONTAINER("DOCKER", ",\"docker\":{\"image\":\"i\"}"), "task of a group cannot be a Docker container"},
	{POD(""), OK_TASK NETWORK ",\"health_check\":{\"type\":\"TCP\",\"tcp\":{\"port\":80}}", NULL, "HTTP or TCP health checks"},
	{POD(""), OK_TASK NETWORK ",\"health_check\":{\"type\":\"COMMAND\",\"command\":{\"value\":\"x\"}}", NULL, NULL},
	{POD(""), OK_TASK, EXECUTOR("other", ""), "another executor than its group"},
	{POD(""), OK_TASK LIMIT("cpus", "2"), NULL, "only with 'share_cgroups' false"},
	{POD(""), OK_TASK LIMIT("cpus", "2") ALONE, OK_TASK ALONE, NULL},
	{POD(""), OK_TASK ALONE, OK_TASK, "the same for all tasks of the group"},
	{"{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"pod-0\"}" WITH(POD_RES) "}", OK_TASK ALONE, NULL,
	 "the same for all tasks of the executor"},
	{"{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"pod-0\"}" WITH(POD_RES) "}", OK_TASK, NULL, NULL},
	{POD(""), OK_TASK, COMMAND WITH(SCALAR("cpus", "500")), "uses more than is offered"},
	{POD(""), COMMAND, NULL, "uses no resources"},
	{POD_WITH(PORTS("{\"begin\":31001,\"end\":31001}")), OK_TASK, OK_TASK, NULL},
	{POD_WITH(PORTS("{\"begin\":31002,\"end\":31003}")), COMMAND WITH(CPU "," PORTS("{\"begin\":31003,\"end\":31003}")),
	 NULL, "use the same 'ports'"},
	{POD(""), COMMAND WITH(CPU "," PORTS("{\"begin\":31004,\"end\":31004}")),
	 COMMAND WITH(CPU "," PORTS("{\"begin\":31004,\"end\":31004}")), "uses more than is offered"},
};

static void group_rules(void **state)
{
	struct world *w = *state;
	mz_autobuf struct buf b = {0};
	size_t n_good = 0;
	world_capabilities = LIMITS;
	struct offered o = with_offer(w);
	for (size_t i = 0; i < MZ_N(groups); i++) {
		char a[32], c[32];
		snprintf(a, sizeof(a), "a-%zu", i);
		snprintf(c, sizeof(c), "b-%zu", i);
		buf_addf(&b, "%s{\"type\":\"LAUNCH_GROUP\",\"launch_group\":{\"executor\":", i ? "," : "");
		const char *hole = strstr(groups[i].executor, "%zu");
		if (hole)
			buf_addf(&b, "%.*s%zu%s", (int)(hole - groups[i].executor), groups[i].executor, i, hole + 3);
		else
			buf_adds(&b, groups[i].executor);
		buf_adds(&b, ",\"task_group\":{\"tasks\":[");
		add_task(&b, a, o.a->id, groups[i].first);
		if (groups[i].second) {
			buf_addc(&b, ',');
			add_task(&b, c, o.a->id, groups[i].second);
		}
		buf_adds(&b, "]}}}");
	}
	(void)buf_str(&b);
	accept_all(&o, &b);
	for (size_t i = 0; i < MZ_N(groups); i++) {
		int n = groups[i].second ? 2 : 1;
		if (!groups[i].error)
			n_good += (size_t)n;
		for (int k = 0; groups[i].error && k < n; k++)
			assert_refused(i, &o, RS(TASK_GROUP_INVALID), groups[i].error);
	}
	assert_null(sched_event(o.s, EV(UPDATE)));
	assert_int_equal(n_sent(&o), n_good);
}

/* ---- sizes -------------------------------------------------------------------------- */

/* ,"data":"AAAA…", of so many bytes once decoded */
static char *data_json(size_t bytes)
{
	size_t n = bytes / 3 * 4;
	char *text = xmalloc(n + 16);
	memcpy(text, ",\"data\":\"", 9);
	memset(text + 9, 'A', n);
	memcpy(text + 9 + n, "\"", 2);
	return text;
}

/* What would not fit into a frame to the agent is refused, instead of the link. */
static void sizes(void **state)
{
	struct world *w = *state;
	mz_autofree char *huge = data_json(17 << 20), *large = data_json(5 << 20), *third = data_json(12 << 20);
	mz_autobuf struct buf b = {0};
	struct offered o = with_offer(w);
	buf_adds(&b, "{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[");
	for (int i = 0; i < 3; i++) {
		mz_autofree char *id = xasprintf("t-%d", i);
		mz_autofree char *fields = xasprintf(OK_TASK "%s", i == 1 ? huge : large);
		if (i)
			buf_addc(&b, ',');
		add_task(&b, id, o.a->id, fields);
	}
	buf_adds(&b, "]}},{\"type\":\"LAUNCH_GROUP\",\"launch_group\":{\"executor\":{\"type\":\"DEFAULT\",\"executor_id\":"
		     "{\"value\":\"p\"}" WITH(POD_RES));
	buf_adds(&b, third);
	buf_adds(&b, "},\"task_group\":{\"tasks\":[");
	for (int i = 0; i < 3; i++) {
		mz_autofree char *id = xasprintf("g-%d", i);
		if (i)
			buf_addc(&b, ',');
		add_task(&b, id, o.a->id, OK_TASK);
	}
	buf_adds(&b, "]}}}");
	(void)buf_str(&b);
	accept_all(&o, &b);
	assert_refused(0, &o, RS(TASK_INVALID), "larger than 16 MB");
	for (size_t i = 0; i < 3; i++)
		assert_refused(1 + i, &o, RS(TASK_GROUP_INVALID), "larger than 32 MB");
	assert_int_equal(agent_next(o.a, TO_AGENT(RUN_TASKS))->run_tasks->n_tasks, 1); /* a frame each */
	assert_int_equal(agent_next(o.a, TO_AGENT(RUN_TASKS))->run_tasks->n_tasks, 1);
	assert_int_equal(n_sent(&o), 0);

	mz_autofree char *name = xcalloc((2 << 20) + 1, 1);
	memset(name, 'n', 2 << 20);
	mz_autofree char *info = xasprintf("\"user\":\"u\",\"name\":\"%s\"", name);
	Mesos__V1__Scheduler__Event *e = sched_any(sched_subscribe(w, info, NULL));
	assert_int_equal(e->type, EV(ERROR));
	assert_non_null(strstr(e->error->message, "larger than 1 MB"));
}

/* Something else that is too large for a frame costs itself, not the agent. */
static void link_stands(void **state)
{
	struct world *w = *state;
	struct offered o = with_offer(w);
	mz_autofree char *data = data_json(3 << 20);
	o.a->link->max_frame = 1 << 20;
	assert_int_equal(sched_call(o.s,
				    "\"type\":\"MESSAGE\",\"message\":{\"agent_id\":{\"value\":\"%s\"},\"executor_id\":"
				    "{\"value\":\"e\"}%s}", o.a->id, data),
			 202);
	assert_null(agent_next(o.a, TO_AGENT(FRAMEWORK_MESSAGE)));
	sched_call(o.s, "\"type\":\"SHUTDOWN\",\"shutdown\":{\"agent_id\":{\"value\":\"%s\"},\"executor_id\":{\"value\":"
			"\"e\"}}", o.a->id);
	assert_non_null(agent_next(o.a, TO_AGENT(SHUTDOWN_EXECUTOR)));
}

/* ---- container ids --------------------------------------------------------------------- */

static void container_ids(void **state)
{
	(void)state;
	Mesos__V1__ContainerID v[33];
	struct mz_err err;
	for (size_t i = 0; i < MZ_N(v); i++) {
		v[i] = (Mesos__V1__ContainerID)MESOS__V1__CONTAINER_ID__INIT;
		v[i].value = (char *)"c";
		v[i].parent = i ? &v[i - 1] : NULL;
	}
	assert_int_equal(container_id_check(&v[0], &err), 0);
	assert_int_equal(container_id_check(&v[31], &err), 0);
	assert_true(container_id_check(&v[32], &err) < 0);
	assert_non_null(strstr(err.msg, "deeper than 32"));
	v[3].value = (char *)"a/b";
	assert_true(container_id_check(&v[31], &err) < 0);
}

#define T(fn) \
	{#fn, fn, world_setup, world_teardown, NULL}, {#fn "/protobuf", fn, world_setup_protobuf, world_teardown, NULL}

int main(void)
{
	const struct CMUnitTest all[] = {T(launch_rules), T(launch_against_the_rest), T(group_rules), T(sizes), T(link_stands), cmocka_unit_test(container_ids)};
	return cmocka_run_group_tests(all, NULL, NULL);
}
