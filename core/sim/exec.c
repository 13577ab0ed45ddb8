/* exec.c - a simulated executor: the command executor with its one task, and a
 * custom executor that runs many. See machine.h.
 *
 * Updates go out one after the other, and again after a refusal. Whatever is not
 * acknowledged, and every task that is not, is part of the next SUBSCRIBE.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "mesos/v1/executor.pb-c.h"
#include "model/model.h"
#include "sim/machine.h"
#include "wire/codec.h"
#include "wire/recordio.h"

#define TS(name) MESOS__V1__TASK_STATE__TASK_##name

struct exec_task {
	struct sim_exec *exec;
	char *id;
	struct mz_bytes info; /* packed, owned */
	struct loop_timer *timer;
	bool live, acked; /* acked: of its first update */
	unsigned n_updates;
};

struct exec_update {
	char *task_id;
	unsigned char uuid[UUID_BYTES];
	struct mz_bytes status; /* packed, owned */
	bool sent, terminal;
};

struct sim_exec {
	struct sim_container *container;
	struct sim_machine *machine;
	struct sim *sim;
	struct sim_node *node;
	enum codec codec;
	struct sim_call *stream, *post;
	unsigned char posted[UUID_BYTES]; /* what `post` tells */
	struct recordio_reader reader;
	bool subscribed, ending, pod; /* pod: of one group of tasks, and ends with it */
	int64_t disconnected_at;
	struct loop_timer *retry;
	struct map tasks; /* id -> struct exec_task, from LAUNCH to the end of the process */
	size_t n_live;
	VEC(struct exec_update *) unacked;
	struct loop_timer *idle;
};

static void subscribe(void *arg);
static void pump(struct sim_exec *e);

static void end_process(struct sim_exec *e, int wait_status)
{
	sim_container_exited(e->container, wait_status);
}

static void on_exit_0(void *arg)
{
	end_process(arg, 0);
}

static void on_death(void *arg)
{
	sim_trace(((struct sim_exec *)arg)->sim, "executor dies");
	end_process(arg, 11);
}

/* ---- calls ---------------------------------------------------------------------- */

static struct sim_call *send_call(struct sim_exec *e, Mesos__V1__Executor__Call *c, const struct sim_call_fns *fns)
{
	Mesos__V1__ExecutorID eid = MESOS__V1__EXECUTOR_ID__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	eid.value = e->container->executor_id;
	fid.value = e->container->framework_id;
	c->executor_id = &eid;
	c->framework_id = &fid;
	c->has_type = 1;
	struct buf mz_autobuf b = {0};
	codec_encode(e->codec, &c->base, &b);
	struct sim_request r = {.method = "POST",
				.path = "/api/v1/executor",
				.content_type = codec_content_type(e->codec),
				.accept = codec_content_type(e->codec),
				.body = b.data,
				.size = b.len};
	return sim_call_new(e->machine->net, e->node, e->machine->address, &r, fns, e);
}

static void on_pump_timer(void *arg)
{
	struct sim_exec *e = arg;
	pump(e);
}

static void on_update_answer(void *arg, int status, bool stream MZ_UNUSED, const char *stream_id MZ_UNUSED,
			     const void *body, size_t size)
{
	struct sim_exec *e = arg;
	e->post = NULL;
	if (status == 202) {
		/* Its acknowledgement may have come before this answer. */
		for (size_t i = 0; i < e->unacked.n; i++)
			if (memcmp(e->unacked.v[i]->uuid, e->posted, UUID_BYTES) == 0)
				e->unacked.v[i]->sent = true;
		pump(e);
		return;
	}
	sim_trace(e->sim, "executor %s: update refused: %d %.*s", e->container->executor_id, status, (int)size,
		  (const char *)body);
	if (status != 503 && status != 403 && !e->ending && e->subscribed)
		sim_fail(e->sim, "Update of executor '%s' was refused: %d", e->container->executor_id, status);
	(void)loop_timer(&e->node->loop, NS_PER_SEC, on_pump_timer, e);
}

static void on_update_end(void *arg, const char *why MZ_UNUSED)
{
	struct sim_exec *e = arg;
	e->post = NULL;
	(void)loop_timer(&e->node->loop, NS_PER_SEC, on_pump_timer, e);
}

/* Sends the first update that the agent has not taken. */
static void pump(struct sim_exec *e)
{
	static const struct sim_call_fns fns = {.on_answer = on_update_answer, .on_end = on_update_end};
	if (!e->subscribed || e->post)
		return;
	for (size_t i = 0; i < e->unacked.n; i++) {
		struct exec_update *u = e->unacked.v[i];
		if (u->sent)
			continue;
		struct arena mz_autoarena m = {0};
		Mesos__V1__Executor__Call c = MESOS__V1__EXECUTOR__CALL__INIT;
		Mesos__V1__Executor__Call__Update up = MESOS__V1__EXECUTOR__CALL__UPDATE__INIT;
		up.status = (Mesos__V1__TaskStatus *)pb_decode(&mesos__v1__task_status__descriptor, &m, u->status.data,
							       u->status.size, NULL);
		c.type = MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE;
		c.update = &up;
		memcpy(e->posted, u->uuid, UUID_BYTES);
		e->post = send_call(e, &c, &fns);
		return;
	}
}

static void update(struct exec_task *t, Mesos__V1__TaskState state)
{
	struct sim_exec *e = t->exec;
	struct exec_update *u = xnew(struct exec_update);
	struct uuid uuid;
	char message[300];
	Mesos__V1__TaskStatus s = MESOS__V1__TASK_STATUS__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	loop_uuid(&e->node->loop, &uuid);
	memcpy(u->uuid, uuid.b, UUID_BYTES);
	snprintf(message, sizeof(message), "%s: %s, number %u", t->id, task_state_name(state), t->n_updates++);
	id.value = t->id;
	s.task_id = &id;
	s.state = state;
	s.message = message;
	s.has_source = 1;
	s.source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR;
	s.has_uuid = 1;
	s.uuid = (ProtobufCBinaryData){UUID_BYTES, u->uuid};
	s.has_timestamp = 1;
	s.timestamp = loop_wall_secs(&e->node->loop);
	struct buf b = {0};
	pb_encode(&s.base, &b);
	u->status = (struct mz_bytes){b.data, b.len};
	u->task_id = xstrdup(t->id);
	u->terminal = task_state_is_terminal(state);
	vec_push(&e->unacked, u);
	checker_update_sent(e->machine->checker, t->id, u->uuid, state, message);
	if (u->terminal && t->live) {
		t->live = false;
		e->n_live--;
		checker_task_ended(e->machine->checker, t->id);
	}
	pump(e);
}

/* ---- tasks ------------------------------------------------------------------------ */

static void kill_task(struct exec_task *t, int64_t mean_ns);

/* A group ends together, unless its tasks finish one by one. */
static void kill_group(struct sim_exec *e)
{
	if (!e->pod)
		return;
	map_each(&e->tasks, x)
		kill_task(x->value, 50 * NS_PER_MS);
}

static void on_task_end(void *arg)
{
	struct exec_task *t = arg;
	t->timer = NULL;
	bool fails = sim_chance(t->exec->sim, t->exec->machine->cfg->task_fails_permille);
	update(t, fails ? TS(FAILED) : TS(FINISHED));
	if (fails)
		kill_group(t->exec);
}

static void on_task_running(void *arg)
{
	struct exec_task *t = arg;
	struct sim_exec *e = t->exec;
	update(t, TS(RUNNING));
	t->timer = loop_timer(&e->node->loop, sim_exp(e->sim, e->machine->cfg->task_mean_ns), on_task_end, t);
}

static void task_free(struct exec_task *t)
{
	free(t->id);
	free((void *)t->info.data);
	free(t);
}

static void on_launch(struct sim_exec *e, const Mesos__V1__TaskInfo *info)
{
	const char *id = info->task_id->value;
	struct exec_task *t = map_get(&e->tasks, id);
	if (t && t->live) {
		sim_fail(e->sim, "Task '%s' was delivered twice to executor '%s'", id, e->container->executor_id);
		return;
	}
	if (t) /* ended, and its id is used again */
		task_free(t);
	t = xnew(struct exec_task);
	struct buf b = {0};
	pb_encode(&info->base, &b);
	t->exec = e;
	t->id = xstrdup(id);
	t->info = (struct mz_bytes){b.data, b.len};
	t->live = true;
	e->n_live++;
	(void)map_put(&e->tasks, id, t);
	resources *r = res_new();
	struct mz_err err;
	if (res_from_pb(info->resources, info->n_resources, r, &err) < 0)
		sim_fail(e->sim, "Task '%s' came with odd resources: %s", id, err.msg);
	checker_task_started(e->machine->checker, id, e->machine, r);
	res_free(r);
	loop_timer_cancel(&e->node->loop, e->idle);
	e->idle = NULL;
	if (e->ending)
		return; /* its end takes the task along */
	if (sim_chance(e->sim, 700)) {
		update(t, TS(STARTING));
		t->timer = loop_timer(&e->node->loop, sim_exp(e->sim, 20 * NS_PER_MS), on_task_running, t);
	} else {
		on_task_running(t);
	}
}

static void on_task_killed(void *arg)
{
	struct exec_task *t = arg;
	t->timer = NULL;
	update(t, TS(KILLED));
}

static void kill_task(struct exec_task *t, int64_t mean_ns)
{
	struct sim_exec *e = t->exec;
	if (!t->live)
		return;
	loop_timer_cancel(&e->node->loop, t->timer);
	t->timer = loop_timer(&e->node->loop, sim_exp(e->sim, mean_ns), on_task_killed, t);
}

/* Its executor is called "pod-NUMBER-SIZE": all of it has to come at once. */
static void on_launch_group(struct sim_exec *e, const Mesos__V1__TaskGroupInfo *g)
{
	unsigned number, size;
	if (sscanf(e->container->executor_id, "pod-%u-%u", &number, &size) == 2 && size != g->n_tasks)
		sim_fail(e->sim, "%zu tasks of '%s' were delivered", g->n_tasks, e->container->executor_id);
	e->pod = true;
	for (size_t i = 0; i < g->n_tasks; i++)
		on_launch(e, g->tasks[i]);
}

static void on_shutdown(struct sim_exec *e)
{
	if (e->ending)
		return;
	e->ending = true;
	map_each(&e->tasks, x)
		kill_task(x->value, 100 * NS_PER_MS);
	/* Sometimes longer than the agent's patience. */
	(void)loop_timer(&e->node->loop, sim_between(e->sim, NS_PER_MS, 6 * NS_PER_SEC), on_exit_0, e);
}

/* A custom executor without work leaves some day. */
static void on_idle(void *arg)
{
	struct sim_exec *e = arg;
	e->idle = NULL;
	if (!e->n_live && !e->unacked.n)
		end_process(e, 0);
}

static void on_acknowledged(struct sim_exec *e, const char *task_id, ProtobufCBinaryData uuid)
{
	if (uuid.len != UUID_BYTES) {
		sim_fail(e->sim, "Executor '%s' got an acknowledgement of %zu bytes", e->container->executor_id,
			 uuid.len);
		return;
	}
	checker_executor_acked(e->machine->checker, e->machine, task_id, uuid.data);
	for (size_t i = 0; i < e->unacked.n; i++) {
		struct exec_update *u = e->unacked.v[i];
		if (memcmp(u->uuid, uuid.data, UUID_BYTES) != 0)
			continue;
		struct exec_task *t = map_get(&e->tasks, task_id);
		if (t)
			t->acked = true;
		vec_remove(&e->unacked, i);
		if (u->terminal && e->container->command)
			(void)loop_timer(&e->node->loop, sim_exp(e->sim, NS_PER_SEC / 2), on_exit_0, e);
		free(u->task_id);
		free((void *)u->status.data);
		free(u);
		break;
	}
	if (!e->n_live && !e->unacked.n && !e->idle && !e->container->command && (e->pod || sim_chance(e->sim, 200)))
		e->idle = loop_timer(&e->node->loop, sim_exp(e->sim, 10 * NS_PER_SEC), on_idle, e);
}

/* ---- events --------------------------------------------------------------------------- */

static int on_event(void *arg, const char *record, size_t len)
{
	struct sim_exec *e = arg;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	Mesos__V1__Executor__Event *v = (Mesos__V1__Executor__Event *)codec_decode(
		e->codec, &mesos__v1__executor__event__descriptor, &m, record, len, &err);
	if (!v) {
		sim_fail(e->sim, "Executor '%s' got no event: %s", e->container->executor_id, err.msg);
		return 0;
	}
	struct exec_task *t;
	switch (v->type) {
	case MESOS__V1__EXECUTOR__EVENT__TYPE__SUBSCRIBED:
		e->subscribed = true;
		pump(e);
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH:
		on_launch(e, v->launch->task);
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH_GROUP:
		on_launch_group(e, v->launch_group->task_group);
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__KILL:
		t = map_get(&e->tasks, v->kill->task_id->value);
		if (t) {
			kill_task(t, 50 * NS_PER_MS);
			kill_group(e);
		}
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__ACKNOWLEDGED:
		on_acknowledged(e, v->acknowledged->task_id->value, v->acknowledged->uuid);
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__SHUTDOWN:
		on_shutdown(e);
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__ERROR:
		sim_fail(e->sim, "Executor '%s' got ERROR: %s", e->container->executor_id, v->error->message);
		break;
	default:
		break;
	}
	return 0;
}

static void on_stream_data(void *arg, const void *data, size_t size)
{
	struct sim_exec *e = arg;
	struct mz_err err;
	if (recordio_feed(&e->reader, data, size, on_event, e, &err) < 0)
		sim_fail(e->sim, "Executor '%s' got a broken stream: %s", e->container->executor_id, err.msg);
}

/* ---- subscribing ------------------------------------------------------------------------ */

static void subscribe_later(struct sim_exec *e)
{
	e->stream = NULL;
	e->subscribed = false;
	if (e->ending)
		return;
	int64_t away = loop_now(&e->node->loop) - e->disconnected_at;
	if (!e->container->checkpoint || away > e->machine->cfg->recovery_timeout_ns) {
		(void)loop_timer(&e->node->loop, 0, on_exit_0, e);
		return;
	}
	e->retry = loop_timer(&e->node->loop, sim_exp(e->sim, NS_PER_SEC / 2), subscribe, e);
}

static void on_stream_answer(void *arg, int status, bool stream, const char *stream_id MZ_UNUSED, const void *body,
			     size_t size)
{
	struct sim_exec *e = arg;
	if (stream && status == 200)
		return;
	sim_trace(e->sim, "executor %s: not subscribed: %d %.*s", e->container->executor_id, status, (int)size,
		  (const char *)body);
	if (status == 503) {
		subscribe_later(e);
		return;
	}
	e->stream = NULL;
	(void)loop_timer(&e->node->loop, 0, on_exit_0, e);
}

static void on_stream_end(void *arg, const char *why MZ_UNUSED)
{
	struct sim_exec *e = arg;
	e->disconnected_at = loop_now(&e->node->loop);
	subscribe_later(e);
}

static void subscribe(void *arg)
{
	static const struct sim_call_fns fns = {
		.on_answer = on_stream_answer, .on_data = on_stream_data, .on_end = on_stream_end};
	struct sim_exec *e = arg;
	struct arena mz_autoarena m = {0};
	Mesos__V1__Executor__Call c = MESOS__V1__EXECUTOR__CALL__INIT;
	Mesos__V1__Executor__Call__Subscribe *s =
		PB_NEW(&m, Mesos__V1__Executor__Call__Subscribe, mesos__v1__executor__call__subscribe);
	e->retry = NULL;
	recordio_reader_done(&e->reader);
	e->reader.max_record = 16 << 20;
	s->unacknowledged_tasks = (Mesos__V1__TaskInfo **)pb_array(&m, e->tasks.n);
	map_each(&e->tasks, x) {
		struct exec_task *t = x->value;
		if (!t->acked)
			s->unacknowledged_tasks[s->n_unacknowledged_tasks++] = (Mesos__V1__TaskInfo *)pb_decode(
				&mesos__v1__task_info__descriptor, &m, t->info.data, t->info.size, NULL);
	}
	s->unacknowledged_updates = (Mesos__V1__Executor__Call__Update **)pb_array(&m, e->unacked.n);
	for (size_t i = 0; i < e->unacked.n; i++) {
		struct exec_update *u = e->unacked.v[i];
		Mesos__V1__Executor__Call__Update *up =
			PB_NEW(&m, Mesos__V1__Executor__Call__Update, mesos__v1__executor__call__update);
		up->status = (Mesos__V1__TaskStatus *)pb_decode(&mesos__v1__task_status__descriptor, &m, u->status.data,
								u->status.size, NULL);
		u->sent = true;
		s->unacknowledged_updates[s->n_unacknowledged_updates++] = up;
	}
	c.type = MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE;
	c.subscribe = s;
	e->stream = send_call(e, &c, &fns);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct sim_exec *sim_exec_new(struct sim_container *c)
{
	struct sim_machine *m = c->machine;
	struct sim_exec *e = xnew(struct sim_exec);
	char name[64];
	snprintf(name, sizeof(name), "exec:%.48s", c->executor_id);
	e->container = c;
	e->machine = m;
	e->sim = m->sim;
	e->node = sim_node_new(m->sim, &m->host, name);
	e->codec = sim_chance(m->sim, 300) ? CODEC_JSON : CODEC_PROTOBUF;
	e->disconnected_at = loop_now(&e->node->loop);
	(void)loop_timer(&e->node->loop, sim_exp(m->sim, 30 * NS_PER_MS), subscribe, e);
	if (sim_chance(m->sim, m->cfg->executor_dies_permille))
		(void)loop_timer(&e->node->loop, sim_exp(m->sim, 10 * NS_PER_SEC), on_death, e);
	return e;
}

void sim_exec_free(struct sim_exec *e)
{
	if (!e)
		return;
	sim_node_kill(e->node);
	sim_net_crash(e->machine->net, e->node);
	sim_call_close(e->stream);
	sim_call_close(e->post);
	sim_net_forget(e->machine->net, e->node);
	map_each(&e->tasks, x) {
		struct exec_task *t = x->value;
		if (t->live)
			checker_task_ended(e->machine->checker, t->id);
		task_free(t);
	}
	map_done(&e->tasks);
	for (size_t i = 0; i < e->unacked.n; i++) {
		checker_update_lost(e->machine->checker, e->unacked.v[i]->task_id, e->unacked.v[i]->uuid);
		free(e->unacked.v[i]->task_id);
		free((void *)e->unacked.v[i]->status.data);
		free(e->unacked.v[i]);
	}
	vec_done(&e->unacked);
	recordio_reader_done(&e->reader);
	sim_node_free(e->node);
	free(e);
}
