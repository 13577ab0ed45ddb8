/* agent_environment_test.c - what an executor finds in its environment: all of it, name
 * by name, because executor libraries read it and people rely on what is not there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <string.h>

static const struct row {
	const char *task_more; /* members of the TaskInfo: a command or an executor */
	bool checkpoint;
	const char *expected; /* sorted; %s: the sandbox */
} rows[] = {
	{"\"command\":{\"value\":\"true\"}", true,
	 "LIBPROCESS_IP=127.0.0.1\nLIBPROCESS_PORT=0\nMESOS_AGENT_ENDPOINT=127.0.0.1:5051\nMESOS_ALLOCATION_ROLE=r\n"
	 "MESOS_CHECKPOINT=1\nMESOS_DIRECTORY=%s\nMESOS_EXECUTOR_ID=t\nMESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD=5secs\n"
	 "MESOS_FRAMEWORK_ID=G\nMESOS_HTTP_COMMAND_EXECUTOR=1\nMESOS_RECOVERY_TIMEOUT=15mins\nMESOS_SANDBOX=%s\n"
	 "MESOS_SLAVE_ID=S0\nMESOS_SLAVE_PID=slave(1)@127.0.0.1:5051\nMESOS_SUBSCRIPTION_BACKOFF_MAX=2secs\n"
	 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nSITE=here\n"},
	{"\"executor\":{\"executor_id\":{\"value\":\"e\"},\"framework_id\":{\"value\":\"G\"},\"shutdown_grace_period\":"
	 "{\"nanoseconds\":90000000000},\"command\":{\"value\":\"run\",\"environment\":{\"variables\":["
	 "{\"name\":\"OWN\",\"value\":\"1\"},{\"name\":\"SITE\",\"value\":\"there\"}]}}}",
	 false,
	 "LIBPROCESS_IP=127.0.0.1\nLIBPROCESS_PORT=0\nMESOS_AGENT_ENDPOINT=127.0.0.1:5051\n"
	 "MESOS_CHECKPOINT=0\nMESOS_DIRECTORY=%s\nMESOS_EXECUTOR_ID=e\nMESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD=90secs\n"
	 "MESOS_FRAMEWORK_ID=G\nMESOS_HTTP_COMMAND_EXECUTOR=0\nMESOS_SANDBOX=%s\n"
	 "MESOS_SLAVE_ID=S0\nMESOS_SLAVE_PID=slave(1)@127.0.0.1:5051\nOWN=1\n"
	 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nSITE=there\n"},
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines in order. */
static char *sorted(const char *text)
{
	mz_autofree char *copy = xstrdup(text);
	VEC(char *) lines = {0};
	struct buf out = {0};
	char *save = NULL;
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		vec_push(&lines, l);
	qsort(lines.v, lines.n, sizeof(*lines.v), by_text);
	for (size_t i = 0; i < lines.n; i++)
		buf_addf(&out, "%s\n", lines.v[i]);
	vec_done(&lines);
	char *joined = xstrdup(buf_str(&out));
	buf_done(&out);
	return joined;
}

static void environment_of_an_executor(void **state)
{
	struct world *w = *state;
	world_register(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		to_agent(w, "{\"run_tasks\":{\"framework\":{\"user\":\"u\",\"name\":\"n\",\"id\":{\"value\":\"G\"},\"checkpoint\":%s},"
			    "\"tasks\":[{\"name\":\"t\",\"task_id\":{\"value\":\"%s\"},\"agent_id\":{\"value\":\"S0\"},\"resources\":["
			    "{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"allocation_info\":{\"role\":\"r\"}}],%s}]}}",
			 rows[i].checkpoint ? "true" : "false", i ? "u" : "t", rows[i].task_more);
		world_settle(w);
		const char *at = strstr(w->containers.last_env, "MESOS_SANDBOX=");
		assert_non_null(at);
		at += strlen("MESOS_SANDBOX=");
		mz_autofree char *sandbox = xstrndup(at, strcspn(at, "\n"));
		mz_autofree char *wanted = xasprintf(rows[i].expected, sandbox, sandbox);
		mz_autofree char *got = sorted(w->containers.last_env);
		assert_string_equal(got, wanted);
		to_agent(w, "{\"update_framework\":{\"framework\":{\"user\":\"u\",\"name\":\"n\",\"id\":{\"value\":\"G\"},"
			    "\"checkpoint\":false}}}");
	}
}

/* A request has room for so many; the last value of each counts, and nobody waits for long. */
static void very_many_variables(void **state)
{
	enum { N = 40000 };
	struct world *w = *state;
	struct buf mz_autobuf b = {0};
	size_t n = 0;
	world_register(w);
	for (int i = 0; i < 2 * N; i++)
		buf_addf(&b, "%s{\"name\":\"V%d\",\"value\":\"%d\"}", i ? "," : "", i % N, i);
	to_agent(w, "{\"run_tasks\":{\"framework\":{\"user\":\"u\",\"name\":\"n\",\"id\":{\"value\":\"G\"}},\"tasks\":[{"
		    "\"name\":\"t\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"S0\"},\"executor\":{"
		    "\"executor_id\":{\"value\":\"e\"},\"framework_id\":{\"value\":\"G\"},\"command\":{\"value\":\"run\","
		    "\"environment\":{\"variables\":[%s]}}}}]}}", buf_str(&b));
	world_settle(w);
	for (const char *line = w->containers.last_env; line && *line; line = strchr(line, '\n'), line += line != NULL)
		n += *line == 'V';
	assert_int_equal(n, N);
	mz_autofree char *last = xasprintf("\nV%d=%d\n", N - 1, 2 * N - 1);
	assert_non_null(strstr(w->containers.last_env, "\nV0=40000\n"));
	assert_non_null(strstr(w->containers.last_env, last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(environment_of_an_executor, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(very_many_variables, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
