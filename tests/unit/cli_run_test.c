/* cli_run_test.c - `mezzo run` and `mezzo logs` whole, against a child process that
 * plays the master and the agent.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "loop/loop_event.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "wire/http_event.h"
#include "wire/json.h"
#include "wire/recordio.h"

/* ---- the child ----------------------------------------------------------------- */

static struct {
	struct loop *l;
	struct http_router router;
	struct http_stream *stream;
	int port, n_reads;
	char task[128];
	const char *end_state, *end_message;
} fake;

static void event(const char *fmt, ...) MZ_PRINTF(1, 2);
static void event(const char *fmt, ...)
{
	mz_autoarena struct arena a = {0};
	mz_autobuf struct buf text = {0}, pb = {0}, rec = {0};
	va_list ap;
	pb_msg *m;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	m = json_decode(&mesos__v1__scheduler__event__descriptor, &a, text.data, text.len, NULL);
	if (!m)
		_exit(3);
	pb_encode(m, &pb);
	recordio_add(&rec, pb.data, pb.len);
	if (fake.stream)
		http_send(fake.stream, rec.data, rec.len);
}

static void update(const char *state, const char *message)
{
	event("{\"type\":\"UPDATE\",\"update\":{\"status\":{\"task_id\":{\"value\":\"%s\"},\"state\":\"%s\",\"message\":\"%s\","
	      "\"agent_id\":{\"value\":\"S1\"},\"uuid\":\"AAECAwQFBgcICQoLDA0ODw==\","
	      "\"container_status\":{\"container_id\":{\"value\":\"C1\"}}}}}",
	      fake.task, state, message);
}

static void on_stream_gone(void *arg)
{
	(void)arg;
	fake.stream = NULL;
}

static void on_scheduler(void *arg, const struct http_request *r, struct http_exchange *x)
{
	const struct http_header h[] = {{"Content-Type", "application/x-protobuf"}, {"Mesos-Stream-Id", "s"}};
	mz_autoarena struct arena a = {0};
	Mesos__V1__Scheduler__Call *c = (Mesos__V1__Scheduler__Call *)pb_decode(
		&mesos__v1__scheduler__call__descriptor, &a, r->body, r->body_size, NULL);

	(void)arg;
	if (c->subscribe) {
		fake.stream = http_stream(x, 200, h, 2);
		fake.stream->on_gone = on_stream_gone;
		event("{\"type\":\"SUBSCRIBED\",\"subscribed\":{\"framework_id\":{\"value\":\"F1\"}}}");
		event("{\"type\":\"OFFERS\",\"offers\":{\"offers\":[{\"id\":{\"value\":\"O1\"},\"framework_id\":{\"value\":\"F1\"},"
		      "\"agent_id\":{\"value\":\"S1\"},\"hostname\":\"h\",\"url\":{\"scheme\":\"http\",\"address\":{\"hostname\":\"h\","
		      "\"ip\":\"127.0.0.1\",\"port\":%d}},\"resources\":["
		      "{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1.0},\"allocation_info\":{\"role\":\"*\"}},"
		      "{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":64.0},\"allocation_info\":{\"role\":\"*\"}}]}]}}",
		      fake.port);
		return;
	}
	if (c->accept) {
		snprintf(fake.task, sizeof(fake.task), "%s",
			 c->accept->operations[0]->launch->task_infos[0]->task_id->value);
		update("TASK_RUNNING", "");
	}
	if (c->kill)
		update("TASK_KILLED", "Command terminated with signal Terminated");
	http_reply(x, 202, NULL, NULL, 0);
}

static void on_state(void *arg, const struct http_request *r, struct http_exchange *x)
{
	mz_autofree char *json = xasprintf("{\"frameworks\":[{\"id\":\"F1\",\"executors\":[],\"completed_executors\":["
					   "{\"id\":\"%s\",\"container\":\"C1\",\"directory\":\"/w/a b\"}]}]}", fake.task);
	(void)arg, (void)r;
	http_reply(x, 200, "application/json", json, strlen(json));
}

/* Two pieces of stdout, the second only after the end of the task is told. */
static void on_read(void *arg, const struct http_request *r, struct http_exchange *x)
{
	mz_autofree char *path = http_query(r, "path"), *offset = http_query(r, "offset");
	const char *data = "";
	char json[128];

	(void)arg;
	if (!str_starts(path, "/w/a b/"))
		_exit(4);
	if (str_ends(path, "stderr"))
		data = str_eq(offset, "0") ? "oops\\n" : "";
	else if (str_eq(offset, "0"))
		data = "one\\n";
	else if (fake.n_reads++ == 0 && fake.end_state)
		update(fake.end_state, fake.end_message);
	else if (fake.n_reads > 2 && str_eq(offset, "4"))
		data = "two\\n";
	snprintf(json, sizeof(json), "{\"data\":\"%s\",\"offset\":%s}", data, offset);
	http_reply(x, 200, "application/json", json, strlen(json));
}

static pid_t start_fake(const char *end_state, const char *end_message, int *ret_port)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct http_limits limits = HTTP_LIMITS_DEFAULT;
		struct http_server *s;
		alarm(60);
		fake.end_state = end_state;
		fake.end_message = end_message;
		if (loop_event_new(1, &fake.l, NULL) < 0)
			_exit(2);
		http_route(&fake.router, "/api/v1/scheduler", on_scheduler, NULL);
		http_route(&fake.router, "/state", on_state, NULL);
		http_route(&fake.router, "/files/read", on_read, NULL);
		if (http_server_new(fake.l, "127.0.0.1", 0, &limits, &fake.router, &s, NULL) < 0)
			_exit(2);
		fake.port = http_server_port(s);
		if (write(fds[1], &fake.port, sizeof(fake.port)) < 0)
			_exit(2);
		loop_event_run(fake.l);
		_exit(0);
	}
	assert_int_equal(read(fds[0], ret_port, sizeof(*ret_port)), sizeof(*ret_port));
	close(fds[0]);
	close(fds[1]);
	return pid;
}

/* ---- the tests ------------------------------------------------------------------ */

/* Runs it with both outputs in files, whose contents the caller frees. */
static int run(int port, char **ret_out, char **ret_err, const char *const *extra, int n_extra)
{
	mz_autofree char *master = xasprintf("127.0.0.1:%d", port);
	const char *argv[16] = {"mezzo", "-m", master, "run", "-n", "job", "-c", "true"};
	FILE *files[2] = {tmpfile(), tmpfile()};
	int saved[2] = {dup(1), dup(2)}, status;
	char **rets[2] = {ret_out, ret_err};

	for (int i = 0; i < n_extra; i++)
		argv[8 + i] = extra[i];
	for (int i = 0; i < 2; i++) {
		fflush(i ? stderr : stdout);
		dup2(fileno(files[i]), i + 1);
	}
	alarm(60);
	status = cli_main(8 + n_extra, (char *const *)argv);
	for (int i = 0; i < 2; i++) {
		struct buf b = {0};
		char part[1024];
		size_t n;
		fflush(i ? stderr : stdout);
		dup2(saved[i], i + 1);
		close(saved[i]);
		rewind(files[i]);
		while ((n = fread(part, 1, sizeof(part), files[i])))
			buf_add(&b, part, n);
		fclose(files[i]);
		*rets[i] = buf_take(&b);
	}
	return status;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_status_and_output(void **state)
{
	mz_autofree char *out = NULL, *err = NULL;
	int port;
	pid_t pid = start_fake("TASK_FAILED", "Command exited with status 7", &port);

	(void)state;
	assert_int_equal(run(port, &out, &err, NULL, 0), 7);
	assert_string_equal(out, "one\ntwo\n");
	assert_non_null(strstr(err, "oops\n"));
	assert_non_null(strstr(err, "TASK_FAILED: Command exited with status 7"));
	stop(pid);
}

static void test_timeout_kills(void **state)
{
	static const char *const extra[] = {"--timeout", "200ms"};
	mz_autofree char *out = NULL, *err = NULL;
	int port;
	pid_t pid = start_fake(NULL, NULL, &port);

	(void)state;
	assert_int_equal(run(port, &out, &err, extra, 2), EXIT_TIMEOUT);
	stop(pid);
}

static void test_detach(void **state)
{
	static const char *const extra[] = {"--detach"};
	mz_autofree char *out = NULL, *err = NULL;
	int port;
	pid_t pid = start_fake(NULL, NULL, &port);

	(void)state;
	assert_int_equal(run(port, &out, &err, extra, 1), 0);
	assert_true(str_starts(out, "job-"));
	assert_non_null(strstr(err, "framework F1"));
	stop(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_and_output),
		cmocka_unit_test(test_timeout_kills),
		cmocka_unit_test(test_detach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
