/* updates.c - the status update manager: every update of a task reaches the
 * framework in order, once it is durable here, until it is acknowledged.
 *
 * Per task a stream with one update outstanding; it is sent again with growing
 * intervals, and whenever a link comes back. An update is acknowledged to the
 * executor when its record is durable. Records: "update/FRAMEWORK/TASK/NNNNNNNN".
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/nested.h"

enum { MAX_WAITING = 1000, MAX_WAITING_BYTES = 8 << 20 };

static void on_retry(void *arg);

static void send_head(struct task *t)
{
	struct agent *a = t->framework->agent;
	struct update *u = t->updates;
	if (!u || !u->durable || t->n_acks_unwritten || !a->registered || a->stopping)
		return;
	struct arena mz_autoarena m = {0};
	Mezzo__Link__ToMaster to = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__StatusUpdate s = MEZZO__LINK__STATUS_UPDATE__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	fid.value = t->framework->id;
	s.framework_id = &fid;
	s.status = (Mesos__V1__TaskStatus *)pb_decode(&mesos__v1__task_status__descriptor, &m, u->status, u->size,
						      NULL);
	must(s.status);
	s.has_latest_state = 1;
	s.latest_state = t->state;
	to.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_STATUS_UPDATE;
	to.status_update = &s;
	agent_tell_master(a, &to);
	t->sent = true;
	loop_timer_cancel(a->loop, t->retry);
	t->retry = loop_timer(a->loop, t->retry_ns, on_retry, t);
}

static void on_retry(void *arg)
{
	struct task *t = arg;
	struct agent *a = t->framework->agent;
	t->retry = NULL;
	t->retry_ns = MZ_MIN(t->retry_ns * 2, a->cfg.update_retry_max_ns);
	send_head(t);
}

static void start_head(struct task *t)
{
	t->sent = false;
	t->retry_ns = t->framework->agent->cfg.update_retry_min_ns;
	send_head(t);
}

static void update_free(struct update *u)
{
	free(u->key);
	free(u->status);
	free(u);
}

/* The executor may forget the update now. */
void update_acknowledge(struct executor *ex, const char *task_id, const unsigned char *uuid)
{
	Mesos__V1__Executor__Event e = MESOS__V1__EXECUTOR__EVENT__INIT;
	Mesos__V1__Executor__Event__Acknowledged ack = MESOS__V1__EXECUTOR__EVENT__ACKNOWLEDGED__INIT;
	Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
	id.value = (char *)task_id;
	ack.task_id = &id;
	ack.uuid = (ProtobufCBinaryData){UUID_BYTES, (uint8_t *)uuid};
	e.has_type = 1;
	e.type = MESOS__V1__EXECUTOR__EVENT__TYPE__ACKNOWLEDGED;
	e.acknowledged = &ack;
	agent_executor_send(ex, &e);
}

static void on_update_durable(void *arg)
{
	struct update *u = arg;
	struct task *t = u->task;
	if (!t) {
		update_free(u); /* the task has been dropped meanwhile */
		return;
	}
	u->durable = true;
	if (u->from_executor && t->executor)
		update_acknowledge(t->executor, t->id, u->uuid);
	if (t->updates == u && !t->sent)
		start_head(t);
}

bool update_is_acked(const struct task *t, const unsigned char *uuid)
{
	for (uint32_t i = 0; i < MZ_MIN(t->n_acked, N_ACKED_UUIDS); i++)
		if (memcmp(t->acked[i], uuid, UUID_BYTES) == 0)
			return true;
	return false;
}

/* A task may be hostile, and its framework away for a week. */
bool update_is_full(const struct task *t)
{
	size_t n = 0, bytes = 0;
	for (const struct update *u = t->updates; u; u = u->next) {
		n++;
		bytes += u->size;
	}
	return n >= MAX_WAITING || bytes >= MAX_WAITING_BYTES;
}

static void remember_acked(struct task *t, const unsigned char *uuid)
{
	memcpy(t->acked[t->n_acked++ % N_ACKED_UUIDS], uuid, UUID_BYTES);
	if (t->n_acked == 2 * N_ACKED_UUIDS)
		t->n_acked = N_ACKED_UUIDS; /* so that it never wraps */
}

/* The newest acknowledged update of a live task stays on record: after a restart
 * it is what the task is known to be. */
static void keep_acked(struct task *t, struct update *u)
{
	struct agent *a = t->framework->agent;
	struct arena mz_autoarena m = {0};
	Mezzo__Records__AgentUpdate r = MEZZO__RECORDS__AGENT_UPDATE__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	ProtobufCBinaryData uuids[N_ACKED_UUIDS];
	fid.value = t->framework->id;
	r.framework_id = &fid;
	r.status = (Mesos__V1__TaskStatus *)pb_decode(&mesos__v1__task_status__descriptor, &m, u->status, u->size,
						      NULL);
	must(r.status);
	r.status->has_data = 0; /* large perhaps, and delivered */
	r.has_acknowledged = 1;
	r.acknowledged = 1;
	r.n_acknowledged_uuids = MZ_MIN(t->n_acked, N_ACKED_UUIDS);
	r.acknowledged_uuids = uuids;
	for (size_t i = 0; i < r.n_acknowledged_uuids; i++)
		uuids[i] = (ProtobufCBinaryData){UUID_BYTES, t->acked[i]};
	struct buf mz_autobuf b = {0};
	pb_encode(&r.base, &b);
	store_put(a->deps.store, u->key, b.data, b.len, NULL, NULL);
	if (t->acked_key)
		store_delete(a->deps.store, t->acked_key, NULL, NULL);
	xset(&t->acked_key, u->key);
}

static struct update *append(struct task *t, const char *key, const Mesos__V1__TaskStatus *status, struct buf *packed)
{
	struct update *u = xnew(struct update);
	u->key = xstrdup(key);
	u->task = t;
	u->state = status->state;
	memcpy(u->uuid, status->uuid.data, UUID_BYTES);
	u->size = packed->len;
	u->status = xmemdup(packed->data, packed->len);
	*t->updates_end = u;
	t->updates_end = &u->next;
	return u;
}

/* Writes the update down and puts it at the end of its task's stream. */
static void add(struct task *t, Mesos__V1__TaskStatus *status, bool from_executor)
{
	struct framework *f = t->framework;
	struct agent *a = f->agent;
	agent_task_set_status(t, status);
	if (task_state_is_terminal(status->state)) {
		a->metrics.tasks[status->state]++;
		agent_task_step(t, AGENT_TASK_ON_TERMINAL_UPDATE);
	} else {
		agent_task_step(t, AGENT_TASK_ON_UPDATE);
	}
	mz_autofree char *stream = agent_record_key("update", f->id, t->id);
	mz_autofree char *key = xasprintf("%s/%08u", stream, t->n_updates_ever++);
	struct buf mz_autobuf packed = {0};
	pb_encode(&status->base, &packed);
	struct update *u = append(t, key, status, &packed);
	u->from_executor = from_executor;

	Mezzo__Records__AgentUpdate r = MEZZO__RECORDS__AGENT_UPDATE__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	fid.value = f->id;
	r.framework_id = &fid;
	r.status = status;
	struct buf mz_autobuf record = {0};
	pb_encode(&r.base, &record);
	store_put(a->deps.store, key, record.data, record.len, on_update_durable, u);
}

void update_restore(struct task *t, const char *key, const Mezzo__Records__AgentUpdate *r)
{
	const Mesos__V1__TaskStatus *status = r->status;
	if (r->acknowledged) {
		for (size_t i = 0; i < r->n_acknowledged_uuids; i++)
			if (r->acknowledged_uuids[i].len == UUID_BYTES)
				remember_acked(t, r->acknowledged_uuids[i].data);
		xset(&t->acked_key, key);
	} else {
		struct buf mz_autobuf packed = {0};
		pb_encode(&status->base, &packed);
		append(t, key, status, &packed)->durable = true;
	}
	if (status->has_source && status->source == MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR)
		t->executor->sent_task = true;
	const char *number = strrchr(key, '/');
	t->n_updates_ever = (uint32_t)strtoul(number + 1, NULL, 10) + 1;
	agent_task_set_status(t, status);
	if (task_state_is_terminal(status->state))
		agent_task_step(t, AGENT_TASK_ON_TERMINAL_UPDATE);
	else
		agent_task_step(t, AGENT_TASK_ON_UPDATE);
}

/* What modules tell of the container, where the executor has not told otherwise. */
static void add_told(struct agent *a, const char *id, Mesos__V1__ContainerStatus *c, struct arena *m)
{
	struct containers *all = a->deps.containers;
	struct mz_bytes b = all->ops->status ? all->ops->status(all, id) : (struct mz_bytes){NULL, 0};
	const Mesos__V1__ContainerStatus *told =
		b.size ? (const Mesos__V1__ContainerStatus *)pb_decode(&mesos__v1__container_status__descriptor, m, b.data,
								       b.size, NULL)
		       : NULL;
	if (!told)
		return;
	if (!c->cgroup_info)
		c->cgroup_info = told->cgroup_info;
	if (!c->n_network_infos) {
		c->n_network_infos = told->n_network_infos;
		c->network_infos = told->network_infos;
	}
	if (!c->has_executor_pid) {
		c->has_executor_pid = told->has_executor_pid;
		c->executor_pid = told->executor_pid;
	}
}

/* What the agent itself adds to every status. */
static void complete_status(struct agent *a, struct executor *ex, Mesos__V1__TaskStatus *s, struct arena *m)
{
	s->agent_id = PB_NEW(m, Mesos__V1__AgentID, mesos__v1__agent_id);
	s->agent_id->value = a->id ? a->id : (char *)"";
	if (!s->has_timestamp) {
		s->has_timestamp = 1;
		s->timestamp = loop_wall_secs(a->loop);
	}
	if (!ex)
		return;
	s->executor_id = PB_NEW(m, Mesos__V1__ExecutorID, mesos__v1__executor_id);
	s->executor_id->value = ex->id;
	if (!ex->launched && !ex->subscribed_once)
		return; /* an executor may be faster than the news of its launch */
	Mesos__V1__ContainerStatus *c = s->container_status;
	if (!c)
		c = s->container_status = PB_NEW(m, Mesos__V1__ContainerStatus, mesos__v1__container_status);
	if (!c->container_id) {
		c->container_id = PB_NEW(m, Mesos__V1__ContainerID, mesos__v1__container_id);
		c->container_id->value = ex->container_id;
	}
	int32_t pid = ex->pid;
	if (c->container_id->parent) {
		/* In a container of its own, which may not run yet, or not any more. */
		mz_autofree char *path = nested_path(c->container_id);
		const struct nested *n = nested_find(a, path);
		if (!n || n->state != NESTED_RUNNING)
			return;
		pid = n->pid;
		add_told(a, path, c, m);
	} else {
		add_told(a, ex->container_id, c, m);
	}
	if (!c->n_network_infos) {
		Mesos__V1__NetworkInfo__IPAddress *ip =
			PB_NEW(m, Mesos__V1__NetworkInfo__IPAddress, mesos__v1__network_info__ipaddress);
		ip->has_protocol = 1;
		ip->protocol = strchr(a->cfg.ip, ':') ? MESOS__V1__NETWORK_INFO__PROTOCOL__IPv6
						      : MESOS__V1__NETWORK_INFO__PROTOCOL__IPv4;
		ip->ip_address = (char *)a->cfg.ip;
		Mesos__V1__NetworkInfo *n = PB_NEW(m, Mesos__V1__NetworkInfo, mesos__v1__network_info);
		n->n_ip_addresses = 1;
		n->ip_addresses = (Mesos__V1__NetworkInfo__IPAddress **)pb_array(m, 1);
		n->ip_addresses[0] = ip;
		c->n_network_infos = 1;
		c->network_infos = (Mesos__V1__NetworkInfo **)pb_array(m, 1);
		c->network_infos[0] = n;
	}
	if (pid > 0) {
		c->has_executor_pid = 1;
		c->executor_pid = (uint32_t)pid;
	}
}

void update_from_executor(struct executor *ex, struct task *t, Mesos__V1__TaskStatus *status)
{
	struct arena mz_autoarena m = {0};
	complete_status(ex->agent, ex, status, &m);
	ex->agent->metrics.valid_status_updates++;
	ex->sent_task = true;
	add(t, status, true);
	if (task_state_is_terminal(status->state))
		agent_executor_shrink_soon(ex);
}

/* A task that was never here, or not any more: told once, not kept. The master
 * answers for it with what it knows if this is lost. */
static void send_unkept(struct framework *f, Mesos__V1__TaskStatus *status)
{
	Mezzo__Link__ToMaster to = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__StatusUpdate s = MEZZO__LINK__STATUS_UPDATE__INIT;
	Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
	fid.value = f->id;
	s.framework_id = &fid;
	s.status = status;
	to.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_STATUS_UPDATE;
	to.status_update = &s;
	agent_tell_master(f->agent, &to);
}

static void make(struct framework *f, const char *task_id, struct task *t, Mesos__V1__TaskState state, int reason,
		 const char *message, const struct mz_limitation *l)
{
	struct arena mz_autoarena m = {0};
	Mesos__V1__TaskStatus *s = PB_NEW(&m, Mesos__V1__TaskStatus, mesos__v1__task_status);
	s->task_id = PB_NEW(&m, Mesos__V1__TaskID, mesos__v1__task_id);
	s->task_id->value = (char *)task_id;
	bool is_new = state == MESOS__V1__TASK_STATE__TASK_DROPPED || state == MESOS__V1__TASK_STATE__TASK_GONE;
	if (is_new && !agent_framework_partition_aware(f))
		state = MESOS__V1__TASK_STATE__TASK_LOST;
	s->state = state;
	s->has_source = 1;
	s->source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_AGENT;
	if (reason >= 0) {
		s->has_reason = 1;
		s->reason = (Mesos__V1__TaskStatus__Reason)reason;
	}
	s->message = (char *)message;
	if (l) {
		s->limitation = PB_NEW(&m, Mesos__V1__TaskResourceLimitation, mesos__v1__task_resource_limitation);
		if (l->resources)
			s->limitation->n_resources =
				res_to_pb(l->resources, RES_FORMAT_POST, true, &m, &s->limitation->resources);
	}
	complete_status(f->agent, t ? t->executor : NULL, s, &m);
	if (!t) {
		send_unkept(f, s);
		return;
	}
	struct uuid uuid;
	loop_uuid(f->agent->loop, &uuid);
	s->has_uuid = 1;
	s->uuid = (ProtobufCBinaryData){UUID_BYTES, uuid.b};
	add(t, s, false);
}

void update_make(struct framework *f, const char *task_id, struct task *t, Mesos__V1__TaskState state, int reason,
		 const char *message)
{
	make(f, task_id, t, state, reason, message, NULL);
}

void update_make_limited(struct framework *f, struct task *t, Mesos__V1__TaskState state, int reason,
			 const char *message, const struct mz_limitation *l)
{
	make(f, t->id, t, state, reason, message, l);
}

static void on_ack_durable(void *arg)
{
	struct task *t = arg;
	if (--t->n_acks_unwritten == 0 && !t->sent)
		start_head(t);
}

void handle_acknowledge(struct agent *a, const Mezzo__Link__Acknowledge *m)
{
	struct framework *f = agent_framework_find(a, m->framework_id->value);
	struct task *t = f ? map_get(&f->tasks, m->task_id->value) : NULL;
	struct update *u = t ? t->updates : NULL;
	/* What is not durable has not been sent, whoever may know its uuid. */
	if (!u || !u->durable || m->uuid.len != UUID_BYTES || memcmp(u->uuid, m->uuid.data, UUID_BYTES) != 0) {
		log_debug(AREA, "Acknowledgement for task '%s' matches no outstanding update, ignoring",
			  m->task_id->value);
		return;
	}
	bool terminal = task_state_is_terminal(u->state);
	remember_acked(t, u->uuid);
	if (terminal)
		store_delete(a->deps.store, u->key, NULL, NULL);
	else
		keep_acked(t, u);
	t->updates = u->next;
	if (!t->updates)
		t->updates_end = &t->updates;
	update_free(u);
	loop_timer_cancel(a->loop, t->retry);
	t->retry = NULL;
	if (terminal) {
		t->terminal_acked = true;
		agent_task_step(t, AGENT_TASK_ON_ACKNOWLEDGED);
		agent_task_complete(t);
		return;
	}
	/* The next one has to wait: after a crash this one would come back, and the
	 * framework would see it after its successor. */
	t->sent = false;
	t->n_acks_unwritten++;
	store_barrier(a->deps.store, on_ack_durable, t);
}

void agent_task_drop_updates(struct task *t)
{
	struct agent *a = t->framework->agent;
	loop_timer_cancel(a->loop, t->retry);
	t->retry = NULL;
	if (t->n_acks_unwritten)
		store_forget(a->deps.store, t);
	t->n_acks_unwritten = 0;
	while (t->updates) {
		struct update *u = t->updates;
		t->updates = u->next;
		if (!a->stopping)
			store_delete(a->deps.store, u->key, NULL, NULL);
		if (!u->durable && !a->stopping) {
			u->task = NULL; /* its callback frees it */
			continue;
		}
		if (!u->durable)
			store_forget(a->deps.store, u);
		update_free(u);
	}
	t->updates_end = &t->updates;
	if (t->acked_key && !a->stopping)
		store_delete(a->deps.store, t->acked_key, NULL, NULL);
	free(t->acked_key);
	t->acked_key = NULL;
}

void updates_pause(struct agent *a)
{
	map_each(&a->frameworks, e) {
		struct framework *f = e->value;
		map_each(&f->tasks, x) {
			struct task *t = x->value;
			loop_timer_cancel(a->loop, t->retry);
			t->retry = NULL;
			t->sent = false;
		}
	}
}

void updates_resume(struct agent *a)
{
	map_each(&a->frameworks, e) {
		struct framework *f = e->value;
		map_each(&f->tasks, x)
			start_head(x->value);
	}
}
