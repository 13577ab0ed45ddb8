/* executor_agent.c - mezzo-executor and its agent: subscribes, hands events to the
 * module, and sees that every update arrives: what is not acknowledged goes along
 * with the next subscription.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "bin/executor.h"
#include "module/reflect.h"
#include "wire/json.h"
#include "wire/pb.h"
#include "wire/recordio.h"

#define AREA "executor"
#define PATH "/api/v1/executor"
#define PROTOBUF "application/x-protobuf"

enum { MAX_EVENT = 16 << 20 };
/* Before the first subscription: the agent has started us, it will answer. */
static const int64_t FIRST_RETRY_NS = 100 * NS_PER_MS, FIRST_TIMEOUT_NS = 60 * NS_PER_SEC;
static const int64_t CALL_RETRY_NS = 250 * NS_PER_MS; /* when it has answered that it cannot now */
/* Short tasks are over by then. */
static const int64_t SHRINK_NS = NS_PER_SEC;

struct update {
	struct list link;
	struct arena arena;
	Mesos__V1__Executor__Call__Update *msg;
};

struct pending_task {
	struct list link;
	Mesos__V1__TaskInfo *task; /* in the executor's arena */
};

/* Stays in the queue until it is answered. */
struct call {
	struct list link;
	struct buf body;
	unsigned char uuid[UUID_BYTES]; /* of the update in it */
	bool is_update;
};

static void send_next(struct executor *e);

static void lose(struct executor *e);

static void maybe_exit(struct executor *e);

/* ---- calls --------------------------------------------------------------------- */

static void fill(struct executor *e, Mesos__V1__Executor__Call *call, Mesos__V1__ExecutorID *eid,
		 Mesos__V1__FrameworkID *fid, Mesos__V1__Executor__Call__Type type)
{
	mesos__v1__executor__call__init(call);
	mesos__v1__executor_id__init(eid);
	mesos__v1__framework_id__init(fid);
	eid->value = e->executor_id;
	fid->value = e->framework_id;
	call->executor_id = eid;
	call->framework_id = fid;
	call->has_type = 1;
	call->type = type;
}

static struct call *enqueue(struct executor *e, const Mesos__V1__Executor__Call *call)
{
	struct call *c = xnew(struct call);
	pb_encode(&call->base, &c->body);
	list_append(&e->queue, &c->link);
	send_next(e);
	return c;
}

static void call_free(struct call *c)
{
	list_remove(&c->link);
	buf_done(&c->body);
	free(c);
}

static void forget_update(struct executor *e, const void *uuid)
{
	list_each(&e->updates, struct update, link, u)
	{
		if (memcmp(u->msg->status->uuid.data, uuid, UUID_BYTES))
			continue;
		list_remove(&u->link);
		arena_done(&u->arena);
		free(u);
	}
}

static void on_call_status(void *arg, int status)
{
	struct executor *e = arg;
	e->call_status = status;
	if (status && status != 202)
		log_warning(AREA, "The agent refuses a call with status %d", status);
}

static void on_call_data(void *arg, const void *data, size_t size)
{
	(void)arg;
	log_warning(AREA, "The agent says: %.*s", (int)MZ_MIN(size, (size_t)500), (const char *)data);
}

static void on_call_again(void *arg)
{
	struct executor *e = arg;
	e->again = NULL;
	send_next(e);
}

static void on_call_end(void *arg, bool complete)
{
	struct executor *e = arg;
	e->calling = false;
	if (!complete) {
		/* Updates come again with the next subscription. */
		client_close(MZ_MOVE(e->calls));
		lose(e);
		return;
	}
	if (e->call_status >= 500) {
		/* It has no time now. What follows waits, so that the order stays. */
		e->again = loop_timer(e->loop, CALL_RETRY_NS, on_call_again, e);
		return;
	}
	struct call *c = list_first(&e->queue, struct call, link);
	if (c->is_update && e->call_status >= 400)
		forget_update(e, c->uuid); /* it never will be taken: the end must not wait for it */
	call_free(c);
	send_next(e);
	maybe_exit(e); /* the acknowledgement may have been faster than this answer */
}

static void send_next(struct executor *e)
{
	static const struct client_handler h = {on_call_status, on_call_data, on_call_end};
	if (!e->subscribed || e->calling || e->again || list_empty(&e->queue))
		return;
	struct call *c = list_first(&e->queue, struct call, link);
	e->calling = true;
	e->calls = client_send(e->calls, e->loop, &e->peer, PATH, PROTOBUF, c->body.data, c->body.len, &h, e);
}

/* A check that has no result yet is told by its type and an empty part. */
static Mesos__V1__CheckStatusInfo *check_status(struct arena *a, const struct mz_task_update *u)
{
	Mesos__V1__CheckStatusInfo *c = PB_NEW(a, Mesos__V1__CheckStatusInfo, mesos__v1__check_status_info);
	protobuf_c_boolean known = u->check_value >= 0;
	c->has_type = 1;
	c->type = (Mesos__V1__CheckInfo__Type)u->check_type;
	if (c->type == MESOS__V1__CHECK_INFO__TYPE__COMMAND) {
		c->command = PB_NEW(a, Mesos__V1__CheckStatusInfo__Command, mesos__v1__check_status_info__command);
		c->command->has_exit_code = known;
		c->command->exit_code = u->check_value;
	} else if (c->type == MESOS__V1__CHECK_INFO__TYPE__HTTP) {
		c->http = PB_NEW(a, Mesos__V1__CheckStatusInfo__Http, mesos__v1__check_status_info__http);
		c->http->has_status_code = known;
		c->http->status_code = (uint32_t)u->check_value;
	} else {
		c->tcp = PB_NEW(a, Mesos__V1__CheckStatusInfo__Tcp, mesos__v1__check_status_info__tcp);
		c->tcp->has_succeeded = known;
		c->tcp->succeeded = u->check_value > 0;
	}
	return c;
}

static Mesos__V1__TaskResourceLimitation *limitation(struct arena *a, struct mz_bytes json)
{
	struct mz_err err;
	pb_msg *m = json_decode(&mesos__v1__task_resource_limitation__descriptor, a, json.data, json.size, &err);
	if (!m)
		log_warning(AREA, "The module tells a limitation that cannot be read: %s", err.msg);
	return (Mesos__V1__TaskResourceLimitation *)m;
}

/* "PARENT.CHILD" */
static Mesos__V1__ContainerID *nested_id(struct arena *a, const char *path)
{
	Mesos__V1__ContainerID *id = NULL;
	while (path) {
		const char *dot = strchr(path, '.');
		Mesos__V1__ContainerID *child = PB_NEW(a, Mesos__V1__ContainerID, mesos__v1__container_id);
		child->value = dot ? arena_strndup(a, path, (size_t)(dot - path)) : arena_strdup(a, path);
		child->parent = id;
		id = child;
		path = dot ? dot + 1 : NULL;
	}
	return id;
}

void agent_update(struct executor *e, const struct mz_task_update *u)
{
	struct update *up = xnew(struct update);
	struct arena *a = &up->arena;
	up->msg = PB_NEW(a, Mesos__V1__Executor__Call__Update, mesos__v1__executor__call__update);
	Mesos__V1__TaskStatus *s = up->msg->status = PB_NEW(a, Mesos__V1__TaskStatus, mesos__v1__task_status);
	struct uuid uuid;
	loop_uuid(e->loop, &uuid);
	s->task_id = PB_NEW(a, Mesos__V1__TaskID, mesos__v1__task_id);
	s->task_id->value = arena_strdup(a, u->task_id);
	s->executor_id = PB_NEW(a, Mesos__V1__ExecutorID, mesos__v1__executor_id);
	s->executor_id->value = arena_strdup(a, e->executor_id);
	s->state = (Mesos__V1__TaskState)u->state;
	s->message = u->message ? arena_strdup(a, u->message) : NULL;
	s->has_source = 1;
	s->source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR;
	s->has_timestamp = 1;
	s->timestamp = loop_wall_secs(e->loop);
	s->has_uuid = 1;
	s->uuid.len = UUID_BYTES;
	s->uuid.data = arena_alloc(a, UUID_BYTES);
	memcpy(s->uuid.data, uuid.b, UUID_BYTES);
	if (u->reason >= 0) {
		s->has_reason = 1;
		s->reason = (Mesos__V1__TaskStatus__Reason)u->reason;
	}
	if (u->healthy >= 0) {
		s->has_healthy = 1;
		s->healthy = u->healthy;
	}
	if (u->check_type > 0 && u->check_type <= MESOS__V1__CHECK_INFO__TYPE__TCP)
		s->check_status = check_status(a, u);
	if (u->data.data) {
		s->has_data = 1;
		s->data.len = u->data.size;
		s->data.data = arena_alloc(a, u->data.size + 1);
		memcpy(s->data.data, u->data.data, u->data.size);
	}
	size_t with_id = offsetof(struct mz_task_update, container_id) + sizeof(u->container_id);
	if (u->size >= with_id && u->container_id) {
		s->container_status = PB_NEW(a, Mesos__V1__ContainerStatus, mesos__v1__container_status);
		s->container_status->container_id = nested_id(a, u->container_id);
	}
	size_t with_limitation = offsetof(struct mz_task_update, limitation) + sizeof(u->limitation);
	if (u->size >= with_limitation && u->limitation.data)
		s->limitation = limitation(a, u->limitation);
	list_append(&e->updates, &up->link);
	if (!e->subscribed)
		return; /* it goes along with the subscription */
	Mesos__V1__Executor__Call call;
	Mesos__V1__ExecutorID eid;
	Mesos__V1__FrameworkID fid;
	fill(e, &call, &eid, &fid, MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE);
	call.update = up->msg;
	struct call *c = enqueue(e, &call);
	c->is_update = true;
	memcpy(c->uuid, uuid.b, UUID_BYTES);
}

void agent_message(struct executor *e, struct mz_bytes data)
{
	Mesos__V1__Executor__Call call;
	Mesos__V1__ExecutorID eid;
	Mesos__V1__FrameworkID fid;
	Mesos__V1__Executor__Call__Message m;
	if (!e->subscribed) {
		log_warning(AREA, "A message to the framework is dropped: the agent is away");
		return;
	}
	mesos__v1__executor__call__message__init(&m);
	m.data.data = (uint8_t *)(uintptr_t)data.data;
	m.data.len = data.size;
	fill(e, &call, &eid, &fid, MESOS__V1__EXECUTOR__CALL__TYPE__MESSAGE);
	call.message = &m;
	(void)enqueue(e, &call);
}

/* ---- the end --------------------------------------------------------------------- */

static void maybe_exit(struct executor *e)
{
	if (e->finishing && list_empty(&e->updates) && list_empty(&e->queue) && !e->calling)
		exit(e->exit_status);
}

void agent_finish(struct executor *e, int status)
{
	e->finishing = true;
	e->exit_status = status;
	maybe_exit(e);
}

static void on_grace_over(void *arg)
{
	(void)arg;
	log_warning(AREA, "The tasks did not end within the grace period");
	exit(1); /* the shim kills what is left */
}

static void shut_down(struct executor *e)
{
	if (e->shutting_down)
		return;
	e->shutting_down = true;
	e->end = loop_timer(e->loop, e->grace_ns, on_grace_over, e);
	MODULE_CALL(&e->module, shutdown);
}

/* ---- events ------------------------------------------------------------------------ */

static void on_subscribed(struct executor *e, const Mesos__V1__Executor__Event__Subscribed *s)
{
	e->subscribed = true;
	e->ever_subscribed = true;
	e->lost_at = 0;
	if (s->container_id)
		xset(&e->container_id, s->container_id->value);
	e->capabilities = 0;
	for (size_t i = 0; i < s->framework_info->n_capabilities; i++)
		if (s->framework_info->capabilities[i]->has_type)
			e->capabilities |= 1u << (s->framework_info->capabilities[i]->type & 31);
	MODULE_TELL(&e->module, connection, 1);
	send_next(e);
}

static Mesos__V1__TaskInfo *keep_task(struct executor *e, const Mesos__V1__TaskInfo *t)
{
	struct pending_task *p = arena_calloc(&e->arena, sizeof(*p));
	p->task = (Mesos__V1__TaskInfo *)pb_copy(&t->base, &e->arena);
	list_append(&e->tasks, &p->link);
	if (!e->shrinks)
		loop_timer(e->loop, SHRINK_NS, executor_shrink, NULL);
	e->shrinks = true;
	return p->task;
}

static void refuse(struct executor *e, const char *task_id)
{
	struct mz_task_update u = {.size = sizeof(u),
				   .state = MZ_TASK_FAILED,
				   .task_id = task_id,
				   .message = "This executor does not run task groups",
				   .reason = -1,
				   .healthy = -1};
	agent_update(e, &u);
}

static void launch_group(struct executor *e, const Mesos__V1__TaskGroupInfo *g)
{
	const char **ids = arena_calloc(&e->arena, (g->n_tasks + 1) * sizeof(ids[0]));
	const struct mz_info **tasks = arena_calloc(&e->arena, (g->n_tasks + 1) * sizeof(tasks[0]));
	for (size_t i = 0; i < g->n_tasks; i++) {
		Mesos__V1__TaskInfo *t = keep_task(e, g->tasks[i]);
		ids[i] = t->task_id->value;
		tasks[i] = info_of(t);
	}
	if (MODULE_HAS(&e->module, launch_group)) {
		MODULE_CALL(&e->module, launch_group, ids, tasks, g->n_tasks);
		return;
	}
	for (size_t i = 0; i < g->n_tasks; i++)
		refuse(e, ids[i]);
}

static void on_acknowledged(struct executor *e, const Mesos__V1__Executor__Event__Acknowledged *a)
{
	list_each(&e->tasks, struct pending_task, link, t)
	{
		if (str_eq(t->task->task_id->value, a->task_id->value))
			list_remove(&t->link);
	}
	if (a->uuid.len == UUID_BYTES)
		forget_update(e, a->uuid.data);
	maybe_exit(e);
}

static void on_kill(struct executor *e, const Mesos__V1__Executor__Event__Kill *k)
{
	int64_t grace = -1;
	if (k->kill_policy && k->kill_policy->grace_period)
		grace = k->kill_policy->grace_period->nanoseconds;
	MODULE_CALL(&e->module, kill, k->task_id->value, grace);
}

static void dispatch(struct executor *e, const Mesos__V1__Executor__Event *ev)
{
	switch (ev->has_type ? ev->type : MESOS__V1__EXECUTOR__EVENT__TYPE__UNKNOWN) {
	case MESOS__V1__EXECUTOR__EVENT__TYPE__SUBSCRIBED:
		if (ev->subscribed)
			on_subscribed(e, ev->subscribed);
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH:
		if (ev->launch) {
			Mesos__V1__TaskInfo *t = keep_task(e, ev->launch->task);
			MODULE_CALL(&e->module, launch, t->task_id->value, info_of(t));
		}
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH_GROUP:
		if (ev->launch_group)
			launch_group(e, ev->launch_group->task_group);
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__KILL:
		if (ev->kill)
			on_kill(e, ev->kill);
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__ACKNOWLEDGED:
		if (ev->acknowledged)
			on_acknowledged(e, ev->acknowledged);
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__MESSAGE:
		if (ev->message)
			MODULE_TELL(&e->module, message,
				    ((struct mz_bytes){ev->message->data.data, ev->message->data.len}));
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__ERROR:
		log_error(AREA, "The agent reports an error: %s", ev->error ? ev->error->message : "");
		break;
	case MESOS__V1__EXECUTOR__EVENT__TYPE__SHUTDOWN:
		shut_down(e);
		break;
	default: /* HEARTBEAT, and whatever a newer agent says */
		break;
	}
}

static int on_record(void *arg, const char *record, size_t len)
{
	struct executor *e = arg;
	mz_autoarena struct arena a = {0};
	struct mz_err err;
	pb_msg *m = pb_decode(&mesos__v1__executor__event__descriptor, &a, record, len, &err);
	if (m)
		dispatch(e, (Mesos__V1__Executor__Event *)m);
	else
		log_error(AREA, "Cannot read an event of the agent, ignoring: %s", err.msg);
	return 0;
}

/* ---- the stream ---------------------------------------------------------------------- */

static void on_stream_status(void *arg, int status)
{
	struct executor *e = arg;
	e->stream_ok = status == 200;
	if (status < 400 || status >= 500)
		return; /* 503: the agent is still recovering */
	log_error(AREA, "The agent refuses the subscription with status %d, ending", status);
	exit(1);
}

static void on_stream_data(void *arg, const void *data, size_t size)
{
	struct executor *e = arg;
	struct mz_err err;
	if (!e->stream_ok)
		return;
	if (recordio_feed(e->reader, data, size, on_record, e, &err) < 0) {
		log_error(AREA, "The stream of the agent is broken: %s", err.msg);
		lose(e);
	}
}

static void on_stream_end(void *arg, bool complete)
{
	(void)complete;
	lose(arg);
}

static void subscribe(void *arg)
{
	static const struct client_handler h = {on_stream_status, on_stream_data, on_stream_end};
	struct executor *e = arg;
	e->retry = NULL;
	Mesos__V1__Executor__Call call;
	Mesos__V1__ExecutorID eid;
	Mesos__V1__FrameworkID fid;
	Mesos__V1__Executor__Call__Subscribe s;
	fill(e, &call, &eid, &fid, MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE);
	mesos__v1__executor__call__subscribe__init(&s);
	VEC(Mesos__V1__TaskInfo *) tasks = {0};
	VEC(Mesos__V1__Executor__Call__Update *) updates = {0};
	list_each(&e->tasks, struct pending_task, link, t) vec_push(&tasks, t->task);
	list_each(&e->updates, struct update, link, u) vec_push(&updates, u->msg);
	s.n_unacknowledged_tasks = tasks.n;
	s.unacknowledged_tasks = tasks.v;
	s.n_unacknowledged_updates = updates.n;
	s.unacknowledged_updates = updates.v;
	call.subscribe = &s;
	mz_autobuf struct buf body = {0};
	pb_encode(&call.base, &body);
	vec_done(&tasks);
	vec_done(&updates);
	recordio_reader_done(e->reader);
	e->reader->max_record = MAX_EVENT;
	e->stream = client_send(NULL, e->loop, &e->peer, PATH, PROTOBUF, body.data, body.len, &h, e);
}

/* The agent is gone. Without checkpointing that is the end: nobody will want us
 * back. */
static void lose(struct executor *e)
{
	bool was_subscribed = e->subscribed;
	e->subscribed = false;
	client_close(MZ_MOVE(e->stream));
	client_close(MZ_MOVE(e->calls));
	e->calling = false;
	loop_timer_cancel(e->loop, MZ_MOVE(e->again));
	while (!list_empty(&e->queue))
		call_free(list_first(&e->queue, struct call, link));
	if (e->retry)
		return;
	int64_t now = loop_now(e->loop);
	if (!e->lost_at)
		e->lost_at = now;
	if (e->ever_subscribed && !e->checkpoint) {
		log_info(AREA, "The agent has gone, ending: the framework does not checkpoint");
		exit(e->finishing ? e->exit_status : 1);
	}
	int64_t patience = e->ever_subscribed ? e->recovery_timeout_ns : FIRST_TIMEOUT_NS;
	if (now - e->lost_at > patience) {
		log_error(AREA, "The agent did not return in time, ending");
		exit(1);
	}
	if (was_subscribed)
		MODULE_TELL(&e->module, connection, 0);
	int64_t wait = FIRST_RETRY_NS;
	/* Half of what it may: the agent waits for us about as long as that, and may be busy at first. */
	if (e->ever_subscribed)
		wait = (int64_t)loop_random_below(e->loop, (uint64_t)e->backoff_max_ns / 2) + NS_PER_MS;
	e->retry = loop_timer(e->loop, wait, subscribe, e);
}

void agent_connect(struct executor *e)
{
	subscribe(e);
}
