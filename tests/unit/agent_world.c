/* agent_world.c - see agent_world.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "model/model.h"
#include "wire/codec.h"
#include "wire/json.h"

/* ---- things that happen a little later ----------------------------------------- */

struct world_job {
	struct world *w;
	void (*fn)(void *arg, const struct mz_err *err);
	void (*launched)(void *arg, const struct mz_err *err, int32_t pid);
	void *arg;
	bool failed, update;
	char *exited; /* a container */
	int wait_status, limit_reason;
	resources *exceeded;
};

static struct world *world_of(struct containers *c)
{
	return mz_container_of((struct fake_containers *)c, struct world, containers);
}

static void on_job(void *arg)
{
	struct world_job *j = arg;
	struct world *w = j->w;
	const struct mz_err err = {.code = -EIO, .msg = "the test says so"};
	for (size_t i = 0; i < w->jobs.n; i++)
		if (w->jobs.v[i] == j)
			vec_remove(&w->jobs, i);
	if (j->fn)
		j->fn(j->arg, j->failed ? &err : NULL);
	if (j->launched)
		j->launched(j->arg, j->failed ? &err : NULL, j->failed ? 0 : 4711);
	if (j->exited) {
		struct mz_termination t = {
			.size = sizeof(t), .wait_status = j->wait_status, .state = -1, .reason = -1};
		struct mz_limitation l = {.size = sizeof(l),
					  .reason = j->limit_reason,
					  .message = "too much",
					  .resources = j->exceeded};
		if (j->exceeded) {
			t.state = MESOS__V1__TASK_STATE__TASK_FAILED;
			t.reason = l.reason;
			t.message = l.message;
			t.limitation = &l;
		}
		w->containers.c.on_exited(w->containers.c.arg, j->exited, &t);
	}
	res_free(j->exceeded);
	free(j->exited);
	free(j);
}

static struct world_job *job_new(struct world *w)
{
	struct world_job *j = xnew(struct world_job);
	j->w = w;
	vec_push(&w->jobs, j);
	return j;
}

static struct world_job *later(struct world *w)
{
	struct world_job *j = job_new(w);
	loop_timer(w->loop, 0, on_job, j);
	return j;
}

/* ---- containers ------------------------------------------------------------------- */

void container_exit(struct world *w, const char *id, int wait_status)
{
	char *copy = xstrdup(id);
	free(map_del(&w->containers.live, id));
	if (!w->a) {
		free(copy); /* nobody looks: recover finds it ended */
		return;
	}
	struct world_job *j = later(w);
	j->exited = copy;
	j->wait_status = wait_status;
}

void container_launched(struct world *w, bool failed)
{
	struct fake_containers *f = &w->containers;
	f->hold_launch = false;
	f->held_launch->failed = failed;
	if (failed)
		free(map_del(&f->live, f->launched.v[f->launched.n - 1]));
	loop_timer(w->loop, 0, on_job, MZ_MOVE(f->held_launch));
	world_settle(w);
}

void container_exceeds(struct world *w, const char *id, int reason, const char *mem)
{
	struct mz_err err;
	mz_autofree char *text = xasprintf("mem:%s", mem);
	container_exit(w, id, 9);
	struct world_job *j = w->jobs.v[w->jobs.n - 1];
	j->limit_reason = reason;
	j->exceeded = res_new();
	if (res_parse(text, NULL, j->exceeded, &err) < 0)
		fail_msg("%s", err.msg);
	world_settle(w);
}

static void fake_recover(struct containers *c, const struct container_config *const *v, size_t n,
			 void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct world *w = world_of(c);
	w->containers.n_recovered = n;
	for (size_t i = 0; i < n; i++)
		if (!map_has(&w->containers.live, v[i]->id))
			container_exit(w, v[i]->id, 3 << 8);
	struct world_job *j = later(w);
	j->fn = fn;
	j->arg = arg;
}

static void fake_launch(struct containers *c, const struct container_config *cfg,
			void (*fn)(void *arg, const struct mz_err *err, int32_t pid), void *arg)
{
	struct world *w = world_of(c);
	struct fake_containers *f = &w->containers;
	struct world_job *j = f->hold_launch ? job_new(w) : later(w);
	f->held_launch = f->hold_launch ? j : NULL;
	j->launched = fn;
	j->arg = arg;
	j->failed = f->fail_launch;
	xset(&f->last_executor, cfg->executor_id);
	xset(&f->last_parent, cfg->parent);
	xset(&f->last_role, cfg->role);
	xset(&f->last_principal, cfg->principal);
	f->limits = cfg->limits;
	f->share_cgroups = cfg->share_cgroups;
	f->container_class = (int)cfg->container_class;
	f->tty = cfg->tty;
	f->attachable = cfg->attachable;
	f->rows = cfg->tty_rows;
	f->columns = cfg->tty_columns;
	struct buf b = {0};
	for (size_t i = 0; cfg->argv[i]; i++)
		buf_addf(&b, "%s|", cfg->argv[i]);
	xset(&f->last_argv, buf_str(&b));
	buf_clear(&b);
	for (size_t i = 0; cfg->env[i]; i++)
		buf_addf(&b, "%s\n", cfg->env[i]);
	xset(&f->last_env, buf_str(&b));
	buf_done(&b);
	vec_push(&f->launched, xstrdup(cfg->id));
	if (!f->fail_launch)
		free(map_put(&f->live, cfg->id, xstrdup(cfg->id)));
}

static void fake_update(struct containers *c, const char *id, const struct mz_resources *r,
			const struct container_limits *limits, void (*fn)(void *arg, const struct mz_err *err),
			void *arg)
{
	struct world *w = world_of(c);
	(void)id;
	(void)r;
	w->containers.limits = *limits;
	w->containers.n_updates++;
	struct world_job *j = later(w);
	j->update = true;
	j->failed = w->containers.fail_update;
	j->fn = fn;
	j->arg = arg;
}

static void fake_usage(struct containers *c, const char *id, void (*fn)(void *arg, struct mz_bytes statistics),
		       void *arg)
{
	struct fake_containers *f = &world_of(c)->containers;
	(void)id;
	f->n_usage_questions++;
	if (f->hold_usage)
		vec_push(&f->usage_questions, ((struct usage_question){fn, arg}));
	else
		fn(arg, (struct mz_bytes){0});
}

void container_measured(struct world *w)
{
	struct fake_containers *f = &w->containers;
	struct usage_question q = f->usage_questions.v[0];
	vec_remove(&f->usage_questions, 0);
	q.fn(q.arg, (struct mz_bytes){0});
	world_settle(w);
}

static int fake_terminate(struct containers *c, const char *id, struct mz_err *err)
{
	struct world *w = world_of(c);
	if (!map_has(&w->containers.live, id))
		return mz_fail(err, -ENOENT, "No container '%s'", id);
	w->containers.n_terminated++;
	if (!w->containers.slow_end)
		container_exit(w, id, 9);
	return 0;
}

static int fake_kill(struct containers *c, const char *id, int signal, struct mz_err *err)
{
	struct world *w = world_of(c);
	if (!map_has(&w->containers.live, id))
		return mz_fail(err, -ENOENT, "No container '%s'", id);
	free(w->containers.last_killed);
	w->containers.last_killed = xasprintf("%s:%d", id, signal);
	return 0;
}

static void fake_forget(struct containers *c, const char *id, void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct world *w = world_of(c);
	(void)id;
	w->containers.n_removed++;
	struct world_job *j = later(w);
	j->fn = fn;
	j->arg = arg;
}

static void fake_remove(struct containers *c, const char *directory, void (*fn)(void *arg, const struct mz_err *err),
			void *arg)
{
	struct world *w = world_of(c);
	vec_push(&w->containers.removed, xstrdup(directory));
	struct world_job *j = later(w);
	j->fn = fn;
	j->arg = arg;
}

static double fake_disk_usage(struct containers *c)
{
	return world_of(c)->containers.usage;
}

/* ---- their I/O servers: connections without anything behind them ---------------------- */

static struct world *io_world; /* of the test that runs: opening has no argument of ours */

static struct io *fake_io_open(struct loop *l, int fd, const struct io_cb *cb, void *arg)
{
	(void)l;
	struct fake_io *f = fake_io_new(fd, cb, arg);
	vec_push(&io_world->ios, f);
	return &f->io;
}

void container_attached(struct world *w)
{
	struct fake_containers *f = &w->containers;
	struct mz_err err;
	if (f->attach_error)
		mz_fail(&err, f->attach_error, "the test says so");
	f->hold_attach = false;
	f->attach_fn(f->attach_arg, f->attach_error ? &err : NULL, f->attach_error ? -1 : ++f->n_attached);
}

static void fake_attach(struct containers *c, const char *id, void (*fn)(void *arg, const struct mz_err *err, int fd),
			void *arg)
{
	struct world *w = world_of(c);
	struct fake_containers *f = &w->containers;
	struct mz_err err;
	f->attach_fn = fn;
	f->attach_arg = arg;
	if (!map_has(&f->live, id)) {
		mz_fail(&err, -ENOENT, "No container '%s'", id);
		fn(arg, &err, -1);
	} else if (!f->hold_attach) {
		container_attached(w);
	}
}

static void fake_limited(struct containers *c, const char *id, void (*fn)(void *arg, bool limited), void *arg)
{
	struct fake_containers *f = &world_of(c)->containers;
	(void)id;
	if (!f->hold_limited) {
		fn(arg, false);
		return;
	}
	vec_push(&f->limit_questions, ((struct limit_question){fn, arg}));
}

void container_limited(struct world *w, bool limited)
{
	struct fake_containers *f = &w->containers;
	f->hold_limited = false;
	for (size_t i = 0; i < f->limit_questions.n; i++)
		f->limit_questions.v[i].fn(f->limit_questions.v[i].arg, limited);
	vec_done(&f->limit_questions);
	world_settle(w);
}

static struct mz_bytes fake_status(struct containers *c, const char *id)
{
	(void)id;
	return world_of(c)->containers.status;
}

static const struct containers_ops containers_ops = {
	.status = fake_status,
	.limited = fake_limited,
	.attach = fake_attach,
	.recover = fake_recover,
	.launch = fake_launch,
	.update = fake_update,
	.usage = fake_usage,
	.terminate = fake_terminate,
	.kill = fake_kill,
	.remove = fake_forget,
	.remove_sandbox = fake_remove,
	.disk_usage = fake_disk_usage,
};

/* ---- files: what is attached, nothing in it ------------------------------------------ */

static struct map *attached_of(struct files *f)
{
	return &mz_container_of(f, struct world, files)->attached;
}

static void on_attach(struct files *f, const char *path, const char *real)
{
	free(map_put(attached_of(f), path, xstrdup(real)));
}

static void on_detach(struct files *f, const char *path)
{
	free(map_del(attached_of(f), path));
}

static bool on_attached(struct files *f, size_t i, const char **ret_virtual, const char **ret_real)
{
	map_each(attached_of(f), e) {
		if (i--)
			continue;
		*ret_virtual = e->key;
		*ret_real = e->value;
		return true;
	}
	return false;
}

static const struct files_ops files_ops = {.attach = on_attach, .detach = on_detach, .attached = on_attached};

/* ---- the master's address ---------------------------------------------------------------- */

struct dial {
	void (*fn)(void *arg, struct link *l, const char *why);
	void *arg;
	struct world *w;
};

static void on_dialled(void *arg, const struct mz_err *err)
{
	struct dial *d = arg;
	struct world *w = d->w;
	(void)err;
	if (w->refuse_dials) {
		d->fn(d->arg, NULL, "refused");
		return;
	}
	w->link = fake_link_new(w->loop);
	vec_push(&w->links, w->link);
	d->fn(d->arg, &w->link->link, NULL);
}

static void on_dial(struct link_dialer *dialer, const char *address,
		    void (*fn)(void *arg, struct link *l, const char *why), void *arg)
{
	struct world *w = mz_container_of(dialer, struct world, dialer);
	struct dial *d = arena_calloc(&w->arena, sizeof(*d));
	(void)address;
	*d = (struct dial){fn, arg, w};
	w->n_dials++;
	struct world_job *j = later(w);
	j->fn = on_dialled;
	j->arg = d;
}

static void forget_jobs(struct world *w)
{
	/* A process that is gone hears nothing: its timers are not run. */
	for (size_t i = 0; i < w->jobs.n; i++) {
		struct world_job *j = w->jobs.v[i];
		if (j->launched || j->update) { /* the argument is the agent's: let it go as at an exit */
			free(((void **)j->arg)[1]);
			free(j->arg);
		}
		j->fn = NULL;
		j->launched = NULL;
		j->update = false;
		free(j->exited);
		j->exited = NULL;
	}
}

static void on_cancel(struct link_dialer *dialer, void *arg)
{
	struct world *w = mz_container_of(dialer, struct world, dialer);
	(void)arg;
	for (size_t i = 0; i < w->jobs.n; i++)
		if (w->jobs.v[i]->fn == on_dialled)
			w->jobs.v[i]->fn = NULL;
}

static const struct link_dialer_ops dialer_ops = {on_dial, on_cancel};

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
		.disk_watch_interval_ns = 60 * SECS,
		.gc_disk_headroom = 0.1,
		.gc_non_executor_container_sandboxes = w->gc_nested,
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
		.io_open = fake_io_open,
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
	forget_jobs(w);
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
	w->containers.c.ops = &containers_ops;
	w->files.ops = &files_ops;
	w->dialer.ops = &dialer_ops;
	w->resources = "cpus:4;mem:4096";
	w->attributes = "rack:1-1";
	w->boot_id = "boot-1";
	w->port = 5051;
	w->max_completed = 3;
	io_world = w;
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
