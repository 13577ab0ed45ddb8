/* agent_world.c - see agent_world.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "model/model.h"
#include "wire/codec.h"
#include "wire/json.h"

/* ---- the world --------------------------------------------------------------------------------- */

static void on_fatal(void *arg, const char *why)
{
	xset(&((struct world *)arg)->fatal, why);
}

static void on_store_failure(void *arg, const struct mz_err *err)
{
	(void)arg;
	fail_msg("store: %s", err->msg);
}

void world_settle(struct world *w)
{
	while (kit_loop_turn(w->loop))
		;
}

void world_pass(struct world *w, int64_t ns)
{
	int64_t end = loop_now(w->loop) + ns;
	world_settle(w);
	while (loop_now(w->loop) < end && kit_loop_pass(w->loop, end - loop_now(w->loop), false))
		world_settle(w);
	world_settle(w);
}

int world_start(struct world *w, struct mz_err *err)
{
	resources *total = res_new();
	Mesos__V1__Attribute **attributes = NULL;
	size_t n_attributes = 0;
	assert_int_equal(res_parse(w->resources, NULL, total, err), 0);
	assert_int_equal(attributes_parse(w->attributes, &w->arena, &attributes, &n_attributes, err), 0);
	w->store = store_new(w->loop, &w->disk.backend, on_store_failure, w);
	static const char *const environment[] = {"SITE=here", "LIBPROCESS_PORT=7", NULL};
	struct agent_config c = {
		.ip = "127.0.0.1",
		.hostname = "host",
		.port = w->port,
		.work_dir = "/w",
		.executor_environment = environment,
		.executor_path = "/x/mezzo-executor",
		.module_dir = "/m",
		.command_module = "command",
		.pod_module = "pod",
		.boot_id = w->boot_id,
		.domain_socket = w->domain_socket,
		.version = "1.12.0",
		.mezzo_version = "0",
		.total = total,
		.attributes = (const Mesos__V1__Attribute *const *)attributes,
		.n_attributes = n_attributes,
		.executor_registration_timeout_ns = 60 * SECS,
		.executor_reregistration_timeout_ns = 2 * SECS,
		.executor_shutdown_grace_ns = 5 * SECS,
		.recovery_timeout_ns = 900 * SECS,
		.gc_delay_ns = 1000 * SECS,
		.http_heartbeat_interval_ns = 20 * SECS,
		.disk_watch_interval_ns = 60 * SECS,
		.gc_disk_headroom = 0.1,
		.gc_non_executor_container_sandboxes = w->gc_nested,
		.switch_user = w->switch_user,
		.registration_backoff_ns = SECS,
		.update_retry_min_ns = 10 * SECS,
		.update_retry_max_ns = 600 * SECS,
		.max_completed_executors = w->max_completed,
		.max_completed_frameworks = w->max_completed,
		.max_completed_tasks = w->max_completed,
	};
	struct agent_deps d = {
		.loop = w->loop,
		.store = w->store,
		.containers = &w->containers.c,
		.dialer = &w->dialer,
		.router = &w->router,
		.executor_router = w->domain_socket ? &w->executor_router : NULL,
		.files = &w->files,
		.io_open = world_io_open,
		.authorizer = w->authorizer,
		.on_fatal = on_fatal,
		.arg = w,
	};
	int rc = agent_new(&c, &d, &w->a, err);
	res_free(total);
	if (rc == 0)
		rc = agent_recover(w->a, err);
	if (rc == 0)
		world_settle(w);
	return rc;
}

void world_crash(struct world *w)
{
	if (!w->a)
		return;
	world_forget_jobs(w);
	agent_free(w->a);
	store_free(w->store);
	w->a = NULL;
	w->link = NULL;
}

void world_restart(struct world *w)
{
	struct mz_err err;
	world_crash(w);
	if (world_start(w, &err) < 0)
		fail_msg("%s", err.msg);
}

Mezzo__Link__Register *world_registered(struct world *w)
{
	Mezzo__Link__ToMaster *m = to_master(w, TM(REGISTER));
	if (!m)
		return NULL;
	to_agent(w, "{\"registered\":{\"agent_id\":{\"value\":\"S0\"},\"master_info\":{\"id\":\"M\",\"ip\":1,\"port\":1,"
		    "\"hostname\":\"mh\"},\"ping_timeout_secs\":75}}");
	return m->register_;
}

void world_register(struct world *w)
{
	agent_set_master(w->a, "m:5050");
	world_settle(w);
	assert_non_null(world_registered(w));
}

size_t world_n_records(struct world *w, const char *prefix)
{
	size_t n = 0;
	world_settle(w);
	map_each(&w->disk.values, e)
		n += str_starts(e->key, prefix);
	return n;
}

int world_setup(void **state)
{
	struct world *w = xnew(struct world);
	struct mz_err err;
	log_set_level(MZ_LOG_ERROR + 1);
	w->loop = kit_loop_new();
	world_fakes_init(w);
	w->resources = "cpus:4;mem:4096";
	w->attributes = "rack:1-1";
	w->boot_id = "boot-1";
	w->port = 5051;
	w->max_completed = 3;
	fake_disk_init(&w->disk, w->loop);
	if (world_start(w, &err) < 0)
		fail_msg("%s", err.msg);
	*state = w;
	return 0;
}

int world_teardown(void **state)
{
	struct world *w = *state;
	world_crash(w);
	world_settle(w);
	http_router_done(&w->router);
	http_router_done(&w->executor_router);
	fake_disk_done(&w->disk);
	for (size_t i = 0; i < w->calls.n; i++)
		fake_call_free(w->calls.v[i]);
	for (size_t i = 0; i < w->links.n; i++)
		fake_link_free(w->links.v[i]);
	for (size_t i = 0; i < w->ios.n; i++)
		fake_io_free(w->ios.v[i]);
	vec_done(&w->ios);
	vec_done(&w->calls);
	vec_done(&w->links);
	map_each(&w->containers.live, e)
		free(e->value);
	map_done(&w->containers.live);
	map_each(&w->attached, e)
		free(e->value);
	map_done(&w->attached);
	for (size_t i = 0; i < w->containers.launched.n; i++)
		free(w->containers.launched.v[i]);
	vec_done(&w->containers.launched);
	vec_done(&w->containers.usage_questions);
	for (size_t i = 0; i < w->containers.removed.n; i++)
		free(w->containers.removed.v[i]);
	vec_done(&w->containers.removed);
	free(w->containers.last_executor);
	free(w->containers.last_argv);
	free(w->containers.last_env);
	free(w->containers.last_parent);
	free(w->containers.last_role);
	free(w->containers.last_principal);
	free(w->containers.last_killed);
	free(w->containers.last_user);
	free(w->containers.last_start);
	free(w->containers.recovered);
	for (size_t i = 0; i < w->jobs.n; i++)
		free(w->jobs.v[i]);
	vec_done(&w->jobs);
	free(w->fatal);
	kit_loop_free(w->loop);
	arena_done(&w->arena);
	free(w);
	return 0;
}

/* ---- the master --------------------------------------------------------------------------------- */

void to_agent(struct world *w, const char *fmt, ...)
{
	va_list ap;
	struct mz_err err = {0};
	va_start(ap, fmt);
	mz_autofree char *json = xvasprintf(fmt, ap);
	va_end(ap);
	pb_msg *m = json_decode(&mezzo__link__to_agent__descriptor, &w->arena, json, strlen(json), &err);
	if (!m)
		fail_msg("%s: %s", err.msg, json);
	assert_non_null(w->link);
	fake_link_send(w->link, m);
	world_settle(w);
}

Mezzo__Link__ToMaster *to_master(struct world *w, int message)
{
	Mezzo__Link__ToMaster *m;
	if (!w->link)
		return NULL;
	do
		m = (Mezzo__Link__ToMaster *)fake_link_next(w->link, &mezzo__link__to_master__descriptor, &w->arena);
	while (m && (int)m->message_case != message);
	return m;
}

Mesos__V1__TaskStatus *next_status(struct world *w)
{
	Mezzo__Link__ToMaster *m = to_master(w, TM(STATUS_UPDATE));
	return m ? m->status_update->status : NULL;
}

void expect_status(struct world *w, const char *task, int state, int reason)
{
	Mesos__V1__TaskStatus *s = next_status(w);
	if (!s)
		fail_msg("No update for '%s'", task);
	assert_string_equal(s->task_id->value, task);
	assert_int_equal(s->state, state);
	assert_int_equal(s->has_reason ? (int)s->reason : -1, reason);
	if (s->has_uuid)
		ack(w, task, s);
}

#define FRAMEWORK "{\"id\":{\"value\":\"F\"},\"user\":\"u\",\"name\":\"n\",\"checkpoint\":true," \
		  "\"capabilities\":[{\"type\":\"PARTITION_AWARE\"}]}"
#define ONE_CPU "[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},\"allocation_info\":{\"role\":\"*\"}}]"

void run_task(struct world *w, const char *task, const char *executor)
{
	mz_autofree char *what =
		executor ? xasprintf("\"executor\":{\"executor_id\":{\"value\":\"%s\"},\"framework_id\":{\"value\":"
				     "\"F\"},\"command\":{\"value\":\"run\"}}", executor)
			 : xstrdup("\"command\":{\"value\":\"true\"}");
	to_agent(w, "{\"run_tasks\":{\"framework\":" FRAMEWORK ",\"tasks\":[{\"name\":\"%s\",\"task_id\":{\"value\":\"%s\"},"
		    "\"agent_id\":{\"value\":\"S0\"},\"resources\":" ONE_CPU ",%s}]}}", task, task, what);
}

void kill_task(struct world *w, const char *task)
{
	to_agent(w, "{\"kill_task\":{\"framework_id\":{\"value\":\"F\"},\"task_id\":{\"value\":\"%s\"}}}", task);
}

static char *base64(struct world *w, const uint8_t *v)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[25];
	for (int i = 0; i < 6; i++) {
		uint32_t x = (uint32_t)v[i * 3] << 16 | (i < 5 ? (uint32_t)v[i * 3 + 1] << 8 | v[i * 3 + 2] : 0);
		for (int k = 0; k < 4; k++)
			text[i * 4 + k] = digits[x >> (18 - 6 * k) & 63];
	}
	memcpy(text + 22, "==", 3);
	return arena_strdup(&w->arena, text);
}

char *uuid_json(struct world *w, int byte)
{
	uint8_t v[16];
	memset(v, byte, sizeof(v));
	return base64(w, v);
}

static void ack_text(struct world *w, const char *task, const char *uuid)
{
	to_agent(w, "{\"acknowledge\":{\"framework_id\":{\"value\":\"F\"},\"task_id\":{\"value\":\"%s\"},\"uuid\":\"%s\"}}",
		 task, uuid);
}

void ack(struct world *w, const char *task, const Mesos__V1__TaskStatus *s)
{
	assert_int_equal(s->uuid.len, 16);
	ack_text(w, task, base64(w, s->uuid.data));
}

void ack_uuid(struct world *w, const char *task, int uuid)
{
	ack_text(w, task, uuid_json(w, uuid));
}

/* ---- executors ------------------------------------------------------------------------------------ */

struct fake_call *executor_post(struct world *w, const char *json)
{
	struct fake_call *c = fake_http(w->loop, &w->router, "POST", "/api/v1/executor",
					"Content-Type: application/json\nAccept: application/json", json, strlen(json));
	vec_push(&w->calls, c);
	world_settle(w);
	return c;
}

struct fake_call *executor_subscribe(struct world *w, const char *executor, const char *more)
{
	mz_autofree char *json = xasprintf("{\"type\":\"SUBSCRIBE\",\"framework_id\":{\"value\":\"F\"},\"executor_id\":{"
					   "\"value\":\"%s\"},\"subscribe\":{%s}}", executor, more ? more : "");
	return executor_post(w, json);
}

int executor_update(struct world *w, const char *executor, const char *task, const char *state, int uuid)
{
	mz_autofree char *json = xasprintf(
		"{\"type\":\"UPDATE\",\"framework_id\":{\"value\":\"F\"},\"executor_id\":{\"value\":\"%s\"},\"update\":{"
		"\"status\":{\"task_id\":{\"value\":\"%s\"},\"state\":\"%s\",\"source\":\"SOURCE_EXECUTOR\",\"uuid\":\"%s\"}}}",
		executor, task, state, uuid_json(w, uuid));
	return executor_post(w, json)->status;
}

Mesos__V1__Executor__Event *event_any(struct world *w, struct fake_call *stream)
{
	struct mz_err err = {0};
	size_t size;
	const char *record = fake_next(stream, &size);
	if (!record)
		return NULL;
	pb_msg *e = codec_decode(CODEC_JSON, &mesos__v1__executor__event__descriptor, &w->arena, record, size, &err);
	if (!e)
		fail_msg("%s: %s", err.msg, record);
	return (Mesos__V1__Executor__Event *)e;
}

Mesos__V1__Executor__Event *event(struct world *w, struct fake_call *stream, int type)
{
	Mesos__V1__Executor__Event *e;
	while ((e = event_any(w, stream)) && (int)e->type != type)
		;
	return e;
}

struct fake_call *world_get(struct world *w, const char *target)
{
	struct fake_call *c = fake_http(w->loop, &w->router, "GET", target, NULL, NULL, 0);
	vec_push(&w->calls, c);
	world_settle(w);
	assert_int_equal(c->status, 200);
	return c;
}

const char *last_container(struct world *w)
{
	assert_true(w->containers.launched.n > 0);
	return w->containers.launched.v[w->containers.launched.n - 1];
}

struct fake_call *start_task(struct world *w)
{
	world_register(w);
	run_task(w, "t", "e");
	struct fake_call *x = executor_subscribe(w, "e", NULL);
	assert_non_null(event(w, x, EV(LAUNCH)));
	return x;
}

const char *start_executor(struct world *w)
{
	world_register(w);
	run_task(w, "t", "e");
	assert_int_equal(executor_subscribe(w, "e", NULL)->status, 200);
	return arena_strdup(&w->arena, last_container(w));
}

/* ---- operators ------------------------------------------------------------------------------------ */

struct fake_call *api(struct world *w, enum codec codec, const char *fmt, ...)
{
	struct mz_err err;
	struct buf mz_autobuf body = {0};
	va_list ap;
	va_start(ap, fmt);
	mz_autofree char *json = xvasprintf(fmt, ap);
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

Mesos__V1__Agent__Response *api_response(struct world *w, enum codec codec, struct fake_call *c)
{
	struct mz_err err;
	assert_int_equal(c->status, 200);
	pb_msg *m = codec_decode(codec, &mesos__v1__agent__response__descriptor, &w->arena, c->body.data, c->body.len,
				 &err);
	if (!m)
		fail_msg("%s", err.msg);
	return (Mesos__V1__Agent__Response *)m;
}
