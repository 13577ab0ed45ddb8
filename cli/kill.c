/* kill.c - `mezzo kill`: takes a disconnected framework over for a moment, as
 * only a task's own framework may kill it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/commands.h"
#include "loop/loop_event.h"
#include "sdk/framework.h"

static const struct cli_opt opts[] = {
	{"framework", 0, "ID", "the framework of the task, if several have one of that name"},
	{"force", 0, NULL, "even if its framework is connected, which is then cut off"},
	{"teardown", 0, NULL, "ends the whole framework and all of its tasks"},
	{"timeout", 't', "TIME", "how long to wait for the end of the task (default: 1mins)"},
	{0},
};

struct kill {
	const struct cli *c;
	struct loop *loop;
	struct mzf_framework *fw;
	const char *task_id, *agent_id;
	const char *state; /* of the end */
	struct loop_timer *timer;
	bool over;
	int status;
};

static void end(struct kill *k, int status)
{
	if (!k->over)
		k->status = status;
	k->over = true;
}

static void on_gone(void *arg, const char *why)
{
	struct kill *k = arg;

	if (why && !k->state)
		end(k, cli_fail(EXIT_FAILED, "kill: %s", why));
	end(k, EXIT_OK);
}

static void on_subscribed(void *arg, const char *framework_id)
{
	struct kill *k = arg;

	(void)framework_id;
	if (cli_flag(k->c, "teardown"))
		(void)mzf_teardown(k->fw, on_gone, k);
	else
		(void)mzf_kill(k->fw, k->task_id, k->agent_id);
}

/* Only this task's updates are acknowledged: the others are for its framework. */
static void on_update(void *arg, const struct mzf_status *s)
{
	struct kill *k = arg;

	if (!str_eq(s->task_id, k->task_id))
		return;
	(void)mzf_acknowledge(k->fw, s);
	if (k->state || (!mzf_task_state_is_terminal(s->state) && s->state != MZF_TASK_UNKNOWN))
		return;
	k->state = mzf_task_state_name(s->state);
	mzf_flush(k->fw, on_gone, k);
}

static void on_error(void *arg, const char *why)
{
	end(arg, cli_fail(EXIT_FAILED, "kill: %s", why));
}

static void on_refused(void *arg, const char *call, int status, const char *why)
{
	end(arg, cli_fail(EXIT_FAILED, "kill: the master refused %s (%d): %s", call, status, why));
}

static void on_timeout(void *arg)
{
	struct kill *k = arg;

	k->timer = NULL;
	end(k, cli_fail(EXIT_TIMEOUT, "kill: task '%s' has not ended in time", k->task_id));
}

/* The framework as the master knows it: subscribing again must change nothing. */
static uint32_t capabilities_of(const json_t *f)
{
	static const char *const names[] = {"", "REVOCABLE_RESOURCES", "TASK_KILLING_STATE", "GPU_RESOURCES",
					    "SHARED_RESOURCES", "PARTITION_AWARE", "MULTI_ROLE",
					    "RESERVATION_REFINEMENT", "REGION_AWARE"};
	uint32_t bits = MZF_CAP_MULTI_ROLE;
	json_t *v;
	size_t i;

	json_array_foreach(js_array(f, "capabilities"), i, v)
		for (unsigned b = 1; b < MZ_N(names); b++)
			if (str_eq(json_string_value(v), names[b]))
				bits |= 1u << b;
	return bits;
}

static const char *or_null(const char *s)
{
	return *s ? s : NULL;
}

static int run_as(struct kill *k, const json_t *f, int64_t timeout_ns, struct mz_err *err)
{
	static const struct mzf_callbacks cb = {.size = sizeof(cb),
						.on_subscribed = on_subscribed,
						.on_update = on_update,
						.on_refused = on_refused,
						.on_error = on_error};
	json_t *list = js_array(f, "roles"), *role;
	const char *roles[64];
	struct mzf_options o = {
		.size = sizeof(o),
		.manual_ack = true,
		.manual_reconcile = true,
		.suppressed = true,
		.checkpoint = json_is_true(json_object_get(f, "checkpoint")),
		.master = cli_master(k->c),
		.name = js_str(f, "name"),
		.user = js_str(f, "user"),
		.roles = roles,
		.framework_id = js_str(f, "id"),
		.principal = or_null(js_str(f, "principal")),
		.hostname = or_null(js_str(f, "hostname")),
		.webui_url = or_null(js_str(f, "webui_url")),
		.failover_timeout_secs = js_num(f, "failover_timeout"),
		.capabilities = capabilities_of(f),
	};
	size_t i;
	int rc;

	json_array_foreach(list, i, role)
		if (o.n_roles < MZ_N(roles) && json_is_string(role))
			roles[o.n_roles++] = json_string_value(role);
	rc = loop_event_new(1, &k->loop, err);
	if (rc < 0)
		return rc;
	rc = mzf_framework_new_on(k->loop, &o, &cb, k, &k->fw, err);
	if (rc == 0) {
		k->timer = loop_timer(k->loop, timeout_ns, on_timeout, k);
		mzf_start(k->fw);
		while (!k->over)
			loop_event_turn(k->loop, NS_PER_SEC);
		loop_timer_cancel(k->loop, k->timer);
		mzf_framework_free(k->fw);
		loop_event_turn(k->loop, 0); /* what was closed is freed by posted work */
	}
	loop_event_free(k->loop);
	return rc;
}

static const json_t *find_framework(const json_t *frameworks, const char *id)
{
	json_t *f;
	size_t i;

	json_array_foreach(js_array(frameworks, "frameworks"), i, f)
		if (str_eq(js_str(f, "id"), id))
			return f;
	return NULL;
}

static int kill_task(struct kill *k, const json_t *tasks, const json_t *frameworks, int64_t timeout_ns,
		     struct mz_err *err)
{
	const json_t *t, *f;
	int rc = cli_find_task(tasks, k->task_id, cli_option(k->c, "framework"), &t, err);

	if (rc < 0)
		return rc;
	if (cli_state_is_terminal(js_str(t, "state")) && !cli_flag(k->c, "teardown"))
		return mz_fail(err, -ENOENT, "Task '%s' has already ended: %s", k->task_id, js_str(t, "state"));
	k->agent_id = js_str(t, "slave_id");
	f = find_framework(frameworks, js_str(t, "framework_id"));
	if (!f)
		return mz_fail(err, -ENOENT, "Framework '%s' of task '%s' has ended", js_str(t, "framework_id"),
			       k->task_id);
	if (json_is_true(json_object_get(f, "connected")) && !cli_flag(k->c, "force"))
		return mz_fail(err, -EBUSY,
			       "Framework '%s' of task '%s' is connected and would be cut off (--force does it)",
			       js_str(f, "id"), k->task_id);
	return run_as(k, f, timeout_ns, err);
}

static void print_result(const struct kill *k)
{
	bool down = cli_flag(k->c, "teardown");

	if (cli_flag(k->c, "json")) {
		json_t *v = json_pack("{s:s, s:s?, s:b}", "task_id", k->task_id, "state", k->state, "teardown", down);
		cli_print_json(v);
		json_decref(v);
	} else if (down) {
		printf("%s: framework ended\n", k->task_id);
	} else {
		printf("%s: %s\n", k->task_id, k->state ? k->state : "-");
	}
}

static int run(struct cli *c)
{
	struct kill k = {.c = c, .task_id = c->args.v[0]};
	const char *limit = cli_option(c, "timeout");
	int64_t timeout_ns = 60 * NS_PER_SEC;
	json_t *tasks = NULL, *frameworks = NULL;
	struct mz_err err = {0};
	int rc;

	if (limit && (str_to_duration_ns(limit, &timeout_ns) < 0 || timeout_ns <= 0))
		return cli_fail(EXIT_USAGE, "kill: --timeout '%s' is no time (30s, 5mins)", limit);
	rc = cli_get(cli_master(c), "/tasks?limit=1000000", &tasks, &err);
	if (rc == 0)
		rc = cli_get(cli_master(c), "/frameworks", &frameworks, &err);
	if (rc == 0)
		rc = kill_task(&k, tasks, frameworks, timeout_ns, &err);
	json_decref(tasks);
	json_decref(frameworks);
	if (rc < 0)
		return cli_fail(EXIT_FAILED, "%s", err.msg);
	if (k.status == EXIT_OK)
		print_result(&k);
	return k.status;
}

const struct cli_command cli_kill = {
	.name = "kill",
	.args = "[OPTION]... TASK",
	.summary = "Kill a task whose framework is not connected, such as one of run --detach",
	.text = "Subscribes with the framework's own id, kills, waits for the end of the task, and\n"
		"leaves the framework as it was, with its failover timeout.",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
