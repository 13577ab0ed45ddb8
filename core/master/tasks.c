/* tasks.c - tasks as the master remembers them: live, unreachable, completed;
 * what they use, and what is shown of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/internal.h"

#define STATUS_TAG ((8 << 3) | 2) /* mesos.v1.Task.statuses */

/* What executors say is kept for those who look, within bounds: so many statuses of a
 * task, so large each, and so much of all that a framework has had. */
enum { MAX_STATUSES = 16, MAX_STATUS_BYTES = 64 << 10 };

task_state state_for(const struct framework *f, task_state s)
{
	switch (s) {
	case TS(UNREACHABLE):
	case TS(DROPPED):
	case TS(GONE):
	case TS(GONE_BY_OPERATOR):
	case TS(UNKNOWN):
		return framework_has(f, MZ_FW_PARTITION_AWARE) ? s : TS(LOST);
	default:
		return s;
	}
}

/* ---- the packed form -------------------------------------------------------- */

static void fill_limits(pb_task *t, const pb_task_info *info, struct arena *a)
{
	t->n_limits = info->n_limits;
	t->limits = (Mesos__V1__Task__LimitsEntry **)pb_array(a, info->n_limits + 1);
	for (size_t i = 0; i < info->n_limits; i++) {
		t->limits[i] = PB_NEW(a, Mesos__V1__Task__LimitsEntry, mesos__v1__task__limits_entry);
		t->limits[i]->key = info->limits[i]->key;
		t->limits[i]->value = info->limits[i]->value;
	}
}

static void pack(struct task *task, const pb_task_info *info)
{
	mz_autoarena struct arena a = {0};
	pb_task *t = PB_NEW(&a, pb_task, mesos__v1__task);
	t->name = info->name;
	t->task_id = info->task_id;
	t->framework_id = id_framework(&a, task->framework->id);
	t->executor_id = task->executor_id ? id_executor(&a, task->executor_id) : NULL;
	t->agent_id = info->agent_id;
	t->state = TS(STAGING); /* replaced whenever the task is shown */
	t->n_resources = res_to_pb(task->res, RES_FORMAT_POST, true, &a, &t->resources);
	t->labels = info->labels;
	t->discovery = info->discovery;
	t->container = info->container;
	t->health_check = info->health_check;
	t->kill_policy = info->kill_policy;
	if (info->command && info->command->user)
		t->user = info->command->user;
	else if (info->executor && info->executor->command)
		t->user = info->executor->command->user;
	fill_limits(t, info, &a);
	size_t size = protobuf_c_message_get_packed_size(&t->base);
	task->packed = xmalloc(size);
	task->packed_len = task->packed_cap = (uint32_t)protobuf_c_message_pack(&t->base, task->packed);
	task->first_status = task->packed_len;
}

static size_t put_varint(unsigned char *out, size_t v)
{
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		out[n++] = (unsigned char)(v | 0x80);
	out[n++] = (unsigned char)v;
	return n;
}

/* Without `data`, and without what makes it very large. */
static pb_status kept_of(const pb_status *s)
{
	pb_status copy = *s;
	copy.has_data = 0;
	copy.data = (ProtobufCBinaryData){0};
	if (protobuf_c_message_get_packed_size(&copy.base) > MAX_STATUS_BYTES) {
		copy.message = NULL;
		copy.labels = NULL;
	}
	if (protobuf_c_message_get_packed_size(&copy.base) > MAX_STATUS_BYTES) {
		copy.container_status = NULL;
		copy.check_status = NULL;
		copy.limitation = NULL;
	}
	return copy;
}

static void drop_oldest_status(struct task *t)
{
	const unsigned char *field = t->packed + t->first_status;
	size_t size = 0, at = 1;
	for (unsigned shift = 0;; shift += 7) {
		size |= (size_t)(field[at] & 0x7f) << shift;
		if (!(field[at++] & 0x80))
			break;
	}
	size += at;
	must(t->first_status + size <= t->last_status);
	t->packed_len -= (uint32_t)size;
	t->last_status -= (uint32_t)size;
	t->n_statuses--;
	memmove(t->packed + t->first_status, field + size, t->packed_len - t->first_status);
}

/* A status of the same state replaces the last one, so that health checks do
 * not make the task grow. */
void task_add_status(struct task *t, const pb_status *s)
{
	pb_status copy = kept_of(s);
	if (t->last_status && t->status_state == s->state)
		t->packed_len = t->last_status;
	else if (t->n_statuses == MAX_STATUSES)
		drop_oldest_status(t);
	t->n_statuses += t->packed_len != t->last_status;
	size_t size = protobuf_c_message_get_packed_size(&copy.base);
	size_t need = t->packed_len + size + 8;
	if (need > t->packed_cap) {
		t->packed = xrealloc(t->packed, need);
		t->packed_cap = (uint32_t)need;
	}
	t->last_status = t->packed_len;
	unsigned char *out = t->packed + t->packed_len;
	*out++ = STATUS_TAG;
	out += put_varint(out, size);
	out += protobuf_c_message_pack(&copy.base, out);
	t->packed_len = (uint32_t)(out - t->packed);
	t->has_status = true;
	t->status_state = (uint8_t)s->state;
	t->has_uuid = s->has_uuid && s->uuid.len == sizeof(t->uuid);
	if (t->has_uuid)
		memcpy(t->uuid, s->uuid.data, sizeof(t->uuid));
}

pb_task *task_show(const struct task *t, struct arena *a)
{
	pb_task *shown = (pb_task *)pb_decode(&mesos__v1__task__descriptor, a, t->packed, t->packed_len, NULL);
	must(shown);
	shown->state = (task_state)t->state;
	if (t->has_status) {
		shown->has_status_update_state = 1;
		shown->status_update_state = (task_state)t->status_state;
	}
	if (t->has_uuid) {
		shown->has_status_update_uuid = 1;
		shown->status_update_uuid = (ProtobufCBinaryData){sizeof(t->uuid), (uint8_t *)t->uuid};
	}
	return shown;
}

pb_status *task_last_status(const struct task *t, struct arena *a)
{
	if (!t->last_status)
		return NULL;
	size_t at = t->last_status + 1;
	while (t->packed[at] & 0x80)
		at++;
	at++;
	return (pb_status *)pb_decode(&mesos__v1__task_status__descriptor, a, t->packed + at, t->packed_len - at,
				      NULL);
}

/* ---- life ------------------------------------------------------------------------ */

struct task *task_new(struct framework *f, struct agent *a, const pb_task_info *info, const char *executor_id,
		      const resources *res, const char *role, task_state state)
{
	struct task *t = xnew(struct task);
	t->id = xstrdup(info->task_id->value);
	t->framework = f;
	t->agent = a;
	t->agent_id = name_share(a->id);
	t->executor_id = xstrdup(executor_id);
	t->role = name_share(role);
	t->res = res_copy(res);
	t->state = (uint8_t)state;
	t->freed = true; /* until it is charged */
	pack(t, info);
	map_put(&f->tasks, t->id, t);
	list_append(&a->tasks, &t->in_agent);
	a->n_tasks++;
	f->m->n_tasks_in[state]++;
	return t;
}

void task_free(struct task *t)
{
	if (!t)
		return;
	list_remove(&t->in_agent);
	list_remove(&t->in_history);
	name_release(t->framework->m, t->agent_id);
	name_release(t->framework->m, t->role);
	res_free(t->res);
	free(t->packed);
	free(t->executor_id);
	free(t->id);
	free(t);
}

void task_charge(struct task *t)
{
	if (!t->freed)
		return;
	t->freed = false;
	res_add(t->agent->used, t->res);
}

void task_uncharge(struct task *t, bool tell_allocator)
{
	if (t->freed)
		return;
	t->freed = true;
	res_subtract(t->agent->used, t->res);
	if (!tell_allocator)
		return;
	resources *plain = res_unallocate(t->res);
	alloc_recover_resources(t->framework->m, t->framework->key, t->role, t->agent->key, plain, -1, true);
	res_free(plain);
}

void task_set_state(struct task *t, task_state s)
{
	t->framework->m->n_tasks_in[t->state]--;
	t->framework->m->n_tasks_in[s]++;
	t->state = (uint8_t)s;
}

static void leave_live(struct task *t)
{
	map_del(&t->framework->tasks, t->id);
	list_remove(&t->in_agent);
	t->agent->n_tasks--;
	t->agent = NULL;
}

void framework_add_completed(struct framework *f, struct task *t)
{
	list_append(&f->completed, &t->in_history);
	f->n_completed++;
	f->completed_bytes += t->packed_len;
	while (f->n_completed > f->m->cfg.max_completed_tasks ||
	       (f->n_completed > 1 && f->completed_bytes > f->m->cfg.max_history_bytes)) {
		struct task *oldest = list_first(&f->completed, struct task, in_history);
		f->n_completed--;
		f->completed_bytes -= oldest->packed_len;
		task_free(oldest);
	}
}

void task_complete(struct task *t)
{
	must(t->freed);
	t->framework->m->n_tasks_in[t->state]--;
	leave_live(t);
	framework_add_completed(t->framework, t);
}

struct task *task_take_unreachable(struct framework *f, const char *id)
{
	struct task *t = map_del(&f->unreachable, id);
	if (t)
		f->unreachable_bytes -= t->packed_len;
	return t;
}

static bool too_many_unreachable(const struct framework *f)
{
	return f->unreachable.n > f->m->cfg.max_unreachable_tasks ||
	       (f->unreachable.n > 1 && f->unreachable_bytes > f->m->cfg.max_history_bytes);
}

void task_make_unreachable(struct task *t, struct lost_agent *lost)
{
	struct framework *f = t->framework;
	must(t->freed);
	leave_live(t);
	list_append(&lost->tasks, &t->in_agent);
	t->unreachable_ns = (int64_t)(lost->time * 1e6) * 1000;
	map_put(&f->unreachable, t->id, t);
	f->unreachable_bytes += t->packed_len;
	map_each(&f->unreachable, e) { /* the oldest ones */
		if (!too_many_unreachable(f))
			break;
		struct task *oldest = e->value;
		f->m->n_tasks_in[oldest->state]--;
		task_take_unreachable(f, oldest->id);
		task_free(oldest);
	}
}
