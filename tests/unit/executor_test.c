/* executor_test.c - the real mezzo-executor with executor/command, against an agent
 * that this test plays: subscription, updates, kills, and an agent that goes away.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "base/log.h"
#include "base/vec.h"
#include "loop/loop_event.h"
#include "mesos/v1/executor.pb-c.h"
#include "os/tree.h"
#include "wire/http_event.h"
#include "wire/pb.h"
#include "wire/recordio.h"

static char build[512], box[64];

struct status {
	int state, reason;
	char message[128];
	unsigned char uuid[16];
};

/* The agent. */
static struct {
	struct loop *loop;
	struct http_router router;
	struct http_server *server;
	int port;
	struct http_stream *stream;
	int n_subscribed, n_unacknowledged_updates, n_unacknowledged_tasks;
	VEC(struct status) updates;
	bool acknowledge, killing, by_socket;
	int refuse_with, n_refused; /* status for the next updates, how many of them */
	bool exited;
	int wait_status;
	pid_t pid;
} agent;

static void send_event(const Mesos__V1__Executor__Event *ev)
{
	mz_autobuf struct buf body = {0}, record = {0};
	pb_encode(&ev->base, &body);
	recordio_add(&record, body.data, body.len);
	assert_int_equal(http_send(agent.stream, record.data, record.len), 0);
}

static void on_stream_gone(void *arg)
{
	(void)arg;
	agent.stream = NULL;
}

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void send_subscribed(void)
{
	Mesos__V1__Executor__Event ev = MESOS__V1__EXECUTOR__EVENT__INIT;
	Mesos__V1__Executor__Event__Subscribed s = MESOS__V1__EXECUTOR__EVENT__SUBSCRIBED__INIT;
	Mesos__V1__ExecutorInfo ei = MESOS__V1__EXECUTOR_INFO__INIT;
	Mesos__V1__ExecutorID eid = MESOS__V1__EXECUTOR_ID__INIT;
	Mesos__V1__FrameworkInfo fi = MESOS__V1__FRAMEWORK_INFO__INIT;
	Mesos__V1__FrameworkInfo__Capability cap = MESOS__V1__FRAMEWORK_INFO__CAPABILITY__INIT, *caps[] = {&cap};
	Mesos__V1__AgentInfo ai = MESOS__V1__AGENT_INFO__INIT;
	eid.value = text("e");
	ei.executor_id = &eid;
	fi.user = fi.name = text("x");
	cap.has_type = 1;
	cap.type = MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__TASK_KILLING_STATE;
	fi.n_capabilities = agent.killing;
	fi.capabilities = caps;
	ai.hostname = text("h");
	s.executor_info = &ei;
	s.framework_info = &fi;
	s.agent_info = &ai;
	ev.has_type = 1;
	ev.type = MESOS__V1__EXECUTOR__EVENT__TYPE__SUBSCRIBED;
	ev.subscribed = &s;
	send_event(&ev);
}

static void send_acknowledged(const unsigned char *uuid)
{
	Mesos__V1__Executor__Event ev = MESOS__V1__EXECUTOR__EVENT__INIT;
	Mesos__V1__Executor__Event__Acknowledged a = MESOS__V1__EXECUTOR__EVENT__ACKNOWLEDGED__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	id.value = text("t");
	a.task_id = &id;
	a.uuid.data = (uint8_t *)(uintptr_t)uuid;
	a.uuid.len = 16;
	ev.has_type = 1;
	ev.type = MESOS__V1__EXECUTOR__EVENT__TYPE__ACKNOWLEDGED;
	ev.acknowledged = &a;
	send_event(&ev);
}

static void on_subscribe(const Mesos__V1__Executor__Call__Subscribe *s, struct http_exchange *x)
{
	static const struct http_header headers[] = {{"Content-Type", "application/x-protobuf"}};
	agent.n_subscribed++;
	agent.n_unacknowledged_updates = (int)s->n_unacknowledged_updates;
	agent.n_unacknowledged_tasks = (int)s->n_unacknowledged_tasks;
	agent.stream = http_stream(x, 200, headers, 1);
	agent.stream->on_gone = on_stream_gone;
	send_subscribed();
}

static void on_update(const Mesos__V1__TaskStatus *s)
{
	struct status st = {.state = s->state, .reason = s->has_reason ? (int)s->reason : -1};
	assert_string_equal(s->task_id->value, "t");
	assert_string_equal(s->executor_id->value, "e");
	assert_int_equal(s->source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR);
	assert_true(s->has_timestamp);
	assert_int_equal(s->uuid.len, 16);
	memcpy(st.uuid, s->uuid.data, 16);
	snprintf(st.message, sizeof(st.message), "%s", s->message ? s->message : "");
	vec_push(&agent.updates, st);
	if (agent.acknowledge && agent.stream)
		send_acknowledged(st.uuid);
}

static void on_request(void *arg, const struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	mz_autoarena struct arena a = {0};
	assert_string_equal(http_header(r, "content-type"), "application/x-protobuf");
	Mesos__V1__Executor__Call *call = (Mesos__V1__Executor__Call *)pb_decode(
		&mesos__v1__executor__call__descriptor, &a, r->body, r->body_size, NULL);
	assert_non_null(call);
	assert_string_equal(call->framework_id->value, "f");
	if (call->type == MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE) {
		on_subscribe(call->subscribe, x);
		return;
	}
	assert_int_equal(call->type, MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE);
	if (agent.n_refused > 0) {
		agent.n_refused--;
		http_reply_text(x, agent.refuse_with, "no");
		return;
	}
	http_reply(x, 202, NULL, NULL, 0);
	on_update(call->update->status);
}

static void serve(void)
{
	struct mz_err err;
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	char address[200];
	snprintf(address, sizeof(address), agent.by_socket ? "unix:%s/agent.sock" : "127.0.0.1", box);
	assert_int_equal(http_server_new(agent.loop, address, agent.port, &limits, &agent.router, &agent.server, &err), 0);
	agent.port = http_server_port(agent.server);
}

static void on_exit_status(void *arg, pid_t pid, int status)
{
	(void)arg;
	(void)pid;
	agent.exited = true;
	agent.wait_status = status;
}

static void start_executor(const char *checkpoint)
{
	struct mz_err err = {0};
	char path[600], modules[600], endpoint[64], sandbox[128], checkpointed[32], domain_socket[128];
	snprintf(path, sizeof(path), "%s/core/bin/mezzo-executor", build);
	snprintf(modules, sizeof(modules), "%s/modules", build);
	snprintf(endpoint, sizeof(endpoint), "MESOS_AGENT_ENDPOINT=127.0.0.1:%d", agent.port);
	snprintf(domain_socket, sizeof(domain_socket), "MESOS_DOMAIN_SOCKET=%s/agent.sock", box);
	snprintf(sandbox, sizeof(sandbox), "MESOS_SANDBOX=%s", box);
	snprintf(checkpointed, sizeof(checkpointed), "MESOS_CHECKPOINT=%s", checkpoint);
	const char *const argv[] = {path, "--module", "command", "--module-dir", modules, NULL};
	const char *const env[] = {"MESOS_FRAMEWORK_ID=f",
				   "MESOS_EXECUTOR_ID=e",
				   "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD=2100ms",
				   "MESOS_SUBSCRIPTION_BACKOFF_MAX=20ms",
				   "PATH=/usr/bin:/bin",
				   "GREETING=overridden", /* by the task's */
				   "GREETINGS=many",
				   endpoint,
				   sandbox,
				   checkpointed,
				   agent.by_socket ? domain_socket : NULL,
				   NULL};
	struct loop_child *child;
	struct loop_spawn s = {.argv = argv, .env = env, .dir = box, .fds = {-1, -1, 2}};
	agent.exited = false;
	assert_int_equal(loop_spawn(agent.loop, &s, on_exit_status, NULL, &child, &agent.pid, &err), 0);
}

static void turn_until_subscribed(int n)
{
	for (int i = 0; i < 6000 && agent.n_subscribed < n; i++)
		loop_event_turn(agent.loop, NS_PER_SEC / 10);
	assert_int_equal(agent.n_subscribed, n);
}

static void turn_until_updates(size_t n)
{
	for (int i = 0; i < 6000 && agent.updates.n < n; i++)
		loop_event_turn(agent.loop, NS_PER_SEC / 10);
	assert_int_equal(agent.updates.n, n);
}

static void turn_until_exit(void)
{
	for (int i = 0; i < 6000 && !agent.exited; i++)
		loop_event_turn(agent.loop, NS_PER_SEC / 10);
	assert_true(agent.exited);
}

/* `most_ms` < 0: no max_completion_time; file NULL: by the shell. */
static void launch(const char *file, const char *script, int64_t most_ms, int64_t grace_ms)
{
	Mesos__V1__Executor__Event ev = MESOS__V1__EXECUTOR__EVENT__INIT;
	Mesos__V1__Executor__Event__Launch l = MESOS__V1__EXECUTOR__EVENT__LAUNCH__INIT;
	Mesos__V1__TaskInfo t = MESOS__V1__TASK_INFO__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	Mesos__V1__AgentID aid = MESOS__V1__AGENT_ID__INIT;
	Mesos__V1__CommandInfo c = MESOS__V1__COMMAND_INFO__INIT;
	Mesos__V1__DurationInfo most = MESOS__V1__DURATION_INFO__INIT, grace = MESOS__V1__DURATION_INFO__INIT;
	Mesos__V1__KillPolicy policy = MESOS__V1__KILL_POLICY__INIT;
	Mesos__V1__Environment env = MESOS__V1__ENVIRONMENT__INIT;
	Mesos__V1__Environment__Variable v1 = MESOS__V1__ENVIRONMENT__VARIABLE__INIT, *vars[] = {&v1};
	char *arguments[] = {text(file ? file : ""), text("-c"), text(script)};
	id.value = text("t");
	aid.value = text("a");
	v1.name = text("GREETING");
	v1.value = text("hello");
	env.n_variables = 1;
	env.variables = vars;
	t.name = text("t");
	t.task_id = &id;
	t.agent_id = &aid;
	t.command = &c;
	c.value = text(script);
	c.environment = &env;
	if (file) {
		c.has_shell = 1;
		c.shell = 0;
		c.value = text(file);
		c.n_arguments = 3;
		c.arguments = arguments;
	}
	if (most_ms >= 0) {
		most.nanoseconds = most_ms * NS_PER_MS;
		t.max_completion_time = &most;
	}
	grace.nanoseconds = grace_ms * NS_PER_MS;
	policy.grace_period = &grace;
	t.kill_policy = &policy;
	l.task = &t;
	ev.has_type = 1;
	ev.type = MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH;
	ev.launch = &l;
	send_event(&ev);
}

/* `grace_ms` < 0: without a policy. */
static void send_kill(int64_t grace_ms)
{
	Mesos__V1__DurationInfo grace = MESOS__V1__DURATION_INFO__INIT;
	Mesos__V1__KillPolicy policy = MESOS__V1__KILL_POLICY__INIT;
	Mesos__V1__Executor__Event ev = MESOS__V1__EXECUTOR__EVENT__INIT;
	Mesos__V1__Executor__Event__Kill k = MESOS__V1__EXECUTOR__EVENT__KILL__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	id.value = text("t");
	k.task_id = &id;
	grace.nanoseconds = grace_ms * NS_PER_MS;
	policy.grace_period = &grace;
	k.kill_policy = grace_ms < 0 ? NULL : &policy;
	ev.has_type = 1;
	ev.type = MESOS__V1__EXECUTOR__EVENT__TYPE__KILL;
	ev.kill = &k;
	send_event(&ev);
}

static void send_shutdown(void)
{
	Mesos__V1__Executor__Event ev = MESOS__V1__EXECUTOR__EVENT__INIT;
	ev.has_type = 1;
	ev.type = MESOS__V1__EXECUTOR__EVENT__TYPE__SHUTDOWN;
	send_event(&ev);
}

static int set_up(void **state)
{
	(void)state;
	struct mz_err err;
	memset(&agent, 0, sizeof(agent));
	agent.acknowledge = true;
	strcpy(box, "/tmp/mezzo-executor-test-XXXXXX");
	if (!mkdtemp(box) || loop_event_new(1, &agent.loop, &err) < 0)
		return -1;
	http_route(&agent.router, "/api/v1/executor", on_request, NULL);
	serve();
	return 0;
}

/* What the shim does for a container: nothing stays behind. */
static void kill_children(void)
{
	int pid;
	do {
		FILE *f = fopen("/proc/thread-self/children", "r");
		while (f && fscanf(f, "%d", &pid) == 1)
			kill(pid, SIGKILL);
		if (f)
			fclose(f);
		pid = waitpid(-1, NULL, 0);
	} while (pid > 0);
}

static int tear_down(void **state)
{
	(void)state;
	kill_children();
	http_server_free(agent.server);
	http_router_done(&agent.router);
	loop_event_free(agent.loop);
	vec_done(&agent.updates);
	return tree_remove(box, NULL);
}

static void is_update(size_t i, int state, const char *message)
{
	assert_int_equal(agent.updates.v[i].state, state);
	assert_string_equal(agent.updates.v[i].message, message);
}

/* ---- tests ------------------------------------------------------------------------ */

static void runs_a_command(void **state)
{
	(void)state;
	start_executor("0");
	turn_until_subscribed(1);
	launch(NULL, "test \"$GREETING $GREETINGS\" = 'hello many' && test \"$MESOS_SANDBOX\" = \"$(pwd)\" && exit 0; exit 1", -1, 100);
	turn_until_updates(3);
	is_update(0, 0, "");
	is_update(1, 1, "");
	is_update(2, 2, "Command exited with status 0");
	turn_until_exit();
	assert_int_equal(agent.wait_status, 0);
}

static void runs_a_file(void **state)
{
	(void)state;
	start_executor("0");
	turn_until_subscribed(1);
	launch("sh", "exit 5", -1, 100);
	turn_until_updates(3);
	is_update(2, 3, "Command exited with status 5");
	turn_until_exit();
	assert_int_equal(agent.wait_status, 0);
}

static void reports_a_missing_file(void **state)
{
	(void)state;
	start_executor("0");
	turn_until_subscribed(1);
	launch("no-such-program", "x", -1, 100);
	turn_until_updates(2);
	assert_int_equal(agent.updates.v[1].state, 3);
	assert_non_null(strstr(agent.updates.v[1].message, "no-such-program"));
	turn_until_exit();
}

static void kills(void **state)
{
	(void)state;
	agent.killing = true;
	start_executor("0");
	turn_until_subscribed(1);
	launch(NULL, "sleep 1000", -1, 60000);
	turn_until_updates(2);
	send_kill(-1);
	turn_until_updates(4);
	is_update(2, 8, "");
	is_update(3, 4, "Command terminated with signal Terminated");
	turn_until_exit();
}

static bool lives(int pid)
{
	char path[64], state = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "r");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state && state != 'Z';
}

/* Also what has left the session. */
static void kills_what_descends_from_it(void **state)
{
	(void)state;
	char path[128];
	int pid = 0;
	start_executor("0");
	turn_until_subscribed(1);
	launch(NULL, "setsid sleep 1000 & echo $! >pid.new; mv pid.new pid; wait", -1, 60000);
	turn_until_updates(2);
	snprintf(path, sizeof(path), "%s/pid", box);
	while (access(path, F_OK) < 0)
		loop_event_turn(agent.loop, NS_PER_MS);
	FILE *f = fopen(path, "r");
	assert_true(f && fscanf(f, "%d", &pid) == 1 && pid > 1);
	fclose(f);
	/* It has a session of its own from here on. */
	while (getsid(pid) != pid)
		loop_event_turn(agent.loop, NS_PER_MS);
	send_kill(-1);
	turn_until_updates(3);
	is_update(2, 4, "Command terminated with signal Terminated");
	for (int i = 0; i < 6000 && lives(pid); i++)
		loop_event_turn(agent.loop, NS_PER_SEC / 100);
	assert_false(lives(pid));
	turn_until_exit();
}

/* A task that SIGTERM does not end. */
static void start_stubborn(int64_t own_grace_ms)
{
	char ready[128];
	start_executor("0");
	turn_until_subscribed(1);
	launch(NULL, "trap '' TERM; touch ready; while :; do sleep 1000; done", -1, own_grace_ms);
	turn_until_updates(2);
	snprintf(ready, sizeof(ready), "%s/ready", box);
	while (access(ready, F_OK) < 0)
		loop_event_turn(agent.loop, NS_PER_MS);
}

static void kill_stubborn(int64_t own_grace_ms, int64_t grace_ms)
{
	start_stubborn(own_grace_ms);
	send_kill(grace_ms);
	turn_until_updates(3);
	is_update(2, 4, "Command terminated with signal Killed");
	turn_until_exit();
}

static void escalates(void **state)
{
	(void)state;
	kill_stubborn(50, -1);
}

/* The policy of the task is an hour. */
static void escalates_as_the_call_says(void **state)
{
	(void)state;
	kill_stubborn(3600 * 1000, 50);
}

static void ends_in_time(void **state)
{
	(void)state;
	start_executor("0");
	turn_until_subscribed(1);
	launch(NULL, "sleep 1000", 30, 1000);
	turn_until_updates(3);
	assert_int_equal(agent.updates.v[2].state, 3);
	assert_int_equal(agent.updates.v[2].reason, 33);
	turn_until_exit();
}

static void shuts_down(void **state)
{
	(void)state;
	start_executor("0");
	turn_until_subscribed(1);
	launch(NULL, "sleep 1000", -1, 100);
	turn_until_updates(2);
	send_shutdown();
	turn_until_updates(3);
	assert_int_equal(agent.updates.v[2].state, 4);
	turn_until_exit();
	start_executor("0");
	turn_until_subscribed(2);
	send_shutdown();
	turn_until_exit();
	assert_int_equal(agent.wait_status, 0);
}

/* The container's grace is 2.1 s: the task's ends 2 s before, so that its end can be told. */
static void tells_the_end_within_the_grace(void **state)
{
	(void)state;
	start_stubborn(3600 * 1000);
	send_shutdown();
	turn_until_updates(3);
	is_update(2, 4, "Command terminated with signal Killed");
	turn_until_exit();
	assert_int_equal(agent.wait_status, 0);
}

static void returns_with_what_is_not_acknowledged(void **state)
{
	(void)state;
	agent.acknowledge = false;
	start_executor("1");
	turn_until_subscribed(1);
	launch(NULL, "exit 0", -1, 100);
	turn_until_updates(3);
	assert_false(agent.exited);
	/* The agent goes and comes back. */
	http_server_free(agent.server);
	agent.stream = NULL;
	serve();
	turn_until_subscribed(2);
	assert_int_equal(agent.n_unacknowledged_updates, 3);
	assert_int_equal(agent.n_unacknowledged_tasks, 1);
	send_acknowledged(agent.updates.v[0].uuid);
	/* The answer to a second task tells that the first event has been read. */
	launch(NULL, "exit 0", -1, 100);
	turn_until_updates(4);
	is_update(3, 3, "The command executor runs one task only");
	http_server_free(agent.server);
	agent.stream = NULL;
	serve();
	turn_until_subscribed(3);
	assert_int_equal(agent.n_unacknowledged_tasks, 1); /* the second */
	assert_int_equal(agent.n_unacknowledged_updates, 3);
	for (size_t i = 1; i < 4; i++)
		send_acknowledged(agent.updates.v[i].uuid);
	turn_until_exit();
	assert_int_equal(agent.wait_status, 0);
}

static void launch_refused(unsigned status, size_t times, size_t n_updates)
{
	agent.refuse_with = status;
	agent.n_refused = times;
	start_executor("0");
	turn_until_subscribed(1);
	launch(NULL, "exit 0", -1, 100);
	turn_until_updates(n_updates);
	turn_until_exit();
	assert_int_equal(agent.wait_status, 0);
}

/* It is overloaded, or not through with its recovery. */
static void says_again_what_the_agent_cannot_take_now(void **state)
{
	(void)state;
	launch_refused(503, 2, 3);
	is_update(0, 0, "");
	is_update(1, 1, "");
	is_update(2, 2, "Command exited with status 0");
	assert_int_equal(agent.n_subscribed, 1);
}

static void ends_without_what_the_agent_never_takes(void **state)
{
	(void)state;
	launch_refused(400, 1, 2);
	is_update(0, 1, "");
	is_update(1, 2, "Command exited with status 0");
}

/* Over a socket in the file system; the address of the agent is nobody's. */
static void comes_through_a_socket(void **state)
{
	(void)state;
	http_server_free(agent.server);
	agent.by_socket = true;
	agent.port = 0;
	agent.acknowledge = false;
	serve();
	start_executor("1");
	turn_until_subscribed(1);
	launch(NULL, "exit 4", -1, 100);
	turn_until_updates(3);
	is_update(2, 3, "Command exited with status 4");
	http_server_free(agent.server);
	agent.stream = NULL;
	serve();
	turn_until_subscribed(2);
	assert_int_equal(agent.n_unacknowledged_updates, 3);
	for (size_t i = 0; i < 3; i++)
		send_acknowledged(agent.updates.v[i].uuid);
	turn_until_exit();
	assert_int_equal(agent.wait_status, 0);
}

static void ends_with_its_agent(void **state)
{
	(void)state;
	start_executor("0");
	turn_until_subscribed(1);
	launch(NULL, "sleep 1000", -1, 100);
	turn_until_updates(2);
	http_server_free(agent.server);
	agent.server = NULL;
	turn_until_exit();
	assert_true(WIFEXITED(agent.wait_status));
	assert_int_equal(WEXITSTATUS(agent.wait_status), 1);
	serve();
}

static void read_size(long *rss_kb, long *pss_kb)
{
	char path[64], line[256];
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", agent.pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		(void)sscanf(line, "Rss: %ld", rss_kb);
		(void)sscanf(line, "Pss: %ld", pss_kb);
	}
	fclose(f);
}

static void is_small(void **state)
{
	(void)state;
#ifdef MZ_SANITIZED
	skip();
#endif
	start_executor("0");
	turn_until_subscribed(1);
	launch(NULL, "sleep 1000", -1, 100);
	turn_until_updates(2);
	/* It gives back what only starting has needed, a while after the launch. */
	long rss_kb = 0, pss_kb = 0;
	for (int i = 0; i < 600 && (i == 0 || rss_kb > 1500); i++) {
		loop_event_turn(agent.loop, NS_PER_SEC / 20);
		read_size(&rss_kb, &pss_kb);
	}
	print_message("mezzo-executor: Rss %ld kB, Pss %ld kB\n", rss_kb, pss_kb);
	/* With the shim's half MB it is far under the 3 MB that a task may cost. */
	assert_in_range(rss_kb, 1, 1500);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_a_command, set_up, tear_down),
		cmocka_unit_test_setup_teardown(runs_a_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reports_a_missing_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kills, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kills_what_descends_from_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(escalates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(escalates_as_the_call_says, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shuts_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tells_the_end_within_the_grace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(returns_with_what_is_not_acknowledged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(says_again_what_the_agent_cannot_take_now, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_without_what_the_agent_never_takes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(comes_through_a_socket, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_with_its_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_small, set_up, tear_down),
	};
	(void)argc;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* The build tree, from where the program is: tests/unit/executor_test. */
	if (!realpath(argv[0], build))
		return 1;
	for (int i = 0; i < 3; i++)
		*strrchr(build, '/') = '\0';
	log_set_level(MZ_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
