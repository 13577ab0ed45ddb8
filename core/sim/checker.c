/* checker.c - see checker.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/checker_impl.h"

#include <stdlib.h>
#include <string.h>

static struct check_task *task_of(struct checker *c, const char *id)
{
	struct check_task *t = map_get(&c->tasks, id);
	if (!t)
		sim_fail(c->sim, "There was word of task '%s', which nobody launched", id);
	return t;
}

/* ---- tasks ---------------------------------------------------------------------- */

void checker_task_launched(struct checker *c, const char *task_id, unsigned framework)
{
	struct check_task *t = xnew(struct check_task);
	t->framework = framework;
	if (map_put(&c->tasks, task_id, t))
		sim_fail(c->sim, "Task '%s' was launched twice", task_id);
}

void checker_group_launched(struct checker *c, const char *const *task_ids, size_t n)
{
	struct check_group g = {0};
	for (size_t i = 0; i < n; i++) {
		struct check_task *t = task_of(c, task_ids[i]);
		if (t)
			vec_push(&g.tasks, t);
	}
	vec_push(&c->groups, g);
}

bool checker_has_task(const struct checker *c, const char *task_id)
{
	return map_has(&c->tasks, task_id);
}

void checker_task_launched_again(struct checker *c, const char *task_id)
{
	struct check_task *t = task_of(c, task_id);
	if (t)
		t->n_again++;
}

void checker_anything_goes(struct checker *c, unsigned framework)
{
	c->ended.v[framework] = c->lenient.v[framework] = true;
}

static bool may_start(struct checker *c, const char *task_id, const struct check_task *t, const struct sim_machine *m)
{
	if (c->lenient.v[t->framework])
		return true;
	if (t->live || t->n_started > t->n_again) {
		sim_fail(c->sim, "Task '%s' was started twice, on '%s' and on '%s'", task_id, t->machine->host.name,
			 m->host.name);
		return false;
	}
	if (t->ended_for_framework && t->final_state != TS(LOST) && !t->n_again)
		sim_fail(c->sim, "Task '%s' was started after its framework had heard %s", task_id,
			 task_state_name(t->final_state));
	return true;
}

void checker_task_started(struct checker *c, const char *task_id, struct sim_machine *m, const resources *r)
{
	struct check_task *t = task_of(c, task_id);
	if (!t)
		return;
	if (!may_start(c, task_id, t, m))
		return;
	t->n_started++;
	t->live = true;
	res_free(t->res);
	t->machine = m;
	t->res = res_unallocate(r);
	sim_trace(c->sim, "task %s starts on %s", task_id, m->host.name);
	if (c->ended.v[t->framework])
		return;
	check_add(c, &c->live, m, t->res, task_id);
	check_room(c, m, task_id);
}

static void uncount(struct checker *c, struct check_task *t)
{
	t->live = false;
	if (!c->ended.v[t->framework])
		res_subtract(check_sum(&c->live, t->machine), t->res);
}

void checker_task_ended(struct checker *c, const char *task_id)
{
	struct check_task *t = task_of(c, task_id);
	if (t && t->live)
		uncount(c, t);
}

void checker_framework_ended(struct checker *c, unsigned framework)
{
	map_each(&c->tasks, e) {
		struct check_task *t = e->value;
		if (t->framework == framework && t->live)
			res_subtract(check_sum(&c->live, t->machine), t->res);
	}
	c->ended.v[framework] = true;
}

/* ---- updates ------------------------------------------------------------------------ */

static struct seen_update *update_of(struct check_task *t, const unsigned char *uuid, size_t *ret_i)
{
	for (size_t i = 0; i < t->updates.n; i++)
		if (memcmp(t->updates.v[i].uuid, uuid, UUID_BYTES) == 0) {
			if (ret_i)
				*ret_i = i;
			return &t->updates.v[i];
		}
	return NULL;
}

void checker_update_sent(struct checker *c, const char *task_id, const unsigned char *uuid,
			 Mesos__V1__TaskState state, const char *message)
{
	struct check_task *t = task_of(c, task_id);
	struct seen_update u = {.state = state, .message = xstrdup(message)};
	if (!t)
		return;
	memcpy(u.uuid, uuid, UUID_BYTES);
	vec_push(&t->updates, u);
}

void checker_update_lost(struct checker *c, const char *task_id, const unsigned char *uuid)
{
	struct check_task *t = task_of(c, task_id);
	struct seen_update *u = t ? update_of(t, uuid, NULL) : NULL;
	if (u)
		u->lost = true;
}

void checker_executor_acked(struct checker *c, struct sim_machine *m, const char *task_id, const unsigned char *uuid)
{
	struct check_task *t = task_of(c, task_id);
	struct seen_update *u = t ? update_of(t, uuid, NULL) : NULL;
	if (!t)
		return;
	if (!u) {
		sim_fail(c->sim, "An update of task '%s' was acknowledged that its executor never sent", task_id);
		return;
	}
	u->executor_acked = true;
	if (u->framework_acked || c->ended.v[t->framework] || t->given_up)
		return;
	if (!sim_disk_has(m->disk, "update/", uuid, UUID_BYTES) && !t->ended_for_framework)
		sim_fail(c->sim, "%s of task '%s' was acknowledged to its executor, but is not on disk",
			 task_state_name(u->state), task_id);
}

static void check_ended(struct checker *c, struct check_task *t, const Mesos__V1__TaskStatus *s)
{
	const char *id = s->task_id->value;
	if (s->state == TS(LOST)) {
		t->given_up = true; /* of an agent that cannot be reached: it may still run there */
	} else if (t->live) {
		sim_fail(c->sim, "The framework has heard %s of task '%s', which is alive on '%s'",
			 task_state_name(s->state), id, t->machine->host.name);
	}
	/* It has asked, and does not wait for the update itself. */
	if (!s->has_uuid)
		t->given_up = true;
	t->ended_for_framework = true;
	t->final_state = s->state;
}

/* States that only some frameworks know, and the one that the others get instead. */
static void check_capability(struct checker *c, const struct checker_scheduler *who, const Mesos__V1__TaskStatus *s)
{
	bool new_state = s->state == TS(DROPPED) || s->state == TS(UNREACHABLE) || s->state == TS(GONE) ||
			 s->state == TS(GONE_BY_OPERATOR) || s->state == TS(UNKNOWN);
	bool of_agent = s->has_reason && s->reason == MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_DISCONNECTED;
	if (who->partition_aware ? s->state == TS(LOST) && !of_agent : new_state)
		sim_fail(c->sim, "Framework %u, which %s partition-aware, was told %s of task '%s'", who->number,
			 who->partition_aware ? "is" : "is not", task_state_name(s->state), s->task_id->value);
}

/* A uuid asks for an acknowledgement: whoever keeps the update wants one. */
static void check_uuid(struct checker *c, const Mesos__V1__TaskStatus *s)
{
	bool by_master = s->has_source && s->source == MESOS__V1__TASK_STATUS__SOURCE__SOURCE_MASTER;
	bool by_executor = s->has_source && s->source == MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR;
	bool answer = s->has_reason && s->reason == MESOS__V1__TASK_STATUS__REASON__REASON_RECONCILIATION;
	if (s->has_uuid ? by_master || answer : by_executor)
		sim_fail(c->sim, "%s of task '%s' has %s uuid", task_state_name(s->state), s->task_id->value,
			 s->has_uuid ? "a" : "no");
}

/* There is one end, and it stays. */
static void check_one_end(struct checker *c, struct check_task *t, const Mesos__V1__TaskStatus *s)
{
	bool no_news = s->state == TS(GONE) || s->state == TS(UNKNOWN) || s->state == TS(UNREACHABLE) ||
		       s->state == TS(LOST);
	if (t->n_again || (!s->has_uuid && no_news))
		return; /* somebody knows nothing of it, or not any more */
	if (t->told_end && s->state != t->told_state)
		sim_fail(c->sim, "Task '%s' had ended as %s, and now there is %s", s->task_id->value,
			 task_state_name(t->told_state), task_state_name(s->state));
	if (!s->has_uuid || !task_state_is_terminal(s->state))
		return;
	t->told_end = true;
	t->told_state = s->state;
}

/* The master does not know it, and its agent is there. */
static void check_gone(struct checker *c, const struct checker_scheduler *who, struct check_task *t,
		       const Mesos__V1__TaskStatus *s)
{
	bool answer = s->has_reason && s->reason == MESOS__V1__TASK_STATUS__REASON__REASON_RECONCILIATION;
	if (!answer || !s->agent_id || s->unreachable_time || (s->state != TS(GONE) && s->state != TS(LOST)))
		return;
	if (t->live)
		sim_fail(c->sim, "Task '%s' is said to be gone, and is alive on '%s'", s->task_id->value,
			 t->machine->host.name);
	for (size_t i = 0; i < t->updates.n && !who->unchecked; i++)
		if (t->updates.v[i].executor_acked && !t->updates.v[i].framework_acked)
			sim_fail(c->sim, "Task '%s' is said to be gone, and its agent has '%s' of it",
				 s->task_id->value, t->updates.v[i].message);
}

/* The answer to a second launch with the same id. */
static bool is_refusal(struct check_task *t, const Mesos__V1__TaskStatus *s)
{
	bool wrong_offer = s->has_reason && s->reason == MESOS__V1__TASK_STATUS__REASON__REASON_INVALID_OFFERS;
	if (t->n_refused >= t->n_again || (s->state != TS(ERROR) && !wrong_offer))
		return false;
	t->n_refused++;
	return true;
}

void checker_update_seen(struct checker *c, const struct checker_scheduler *who, const Mesos__V1__TaskStatus *s)
{
	unsigned framework = who->number;
	const char *id = s->task_id->value;
	struct check_task *t = task_of(c, id);
	size_t at;
	c->n_updates++;
	if (!t || is_refusal(t, s))
		return;
	if (t->framework != framework) {
		sim_fail(c->sim, "Framework %u got an update of task '%s' of another framework", framework, id);
		return;
	}
	check_capability(c, who, s);
	check_uuid(c, s);
	check_one_end(c, t, s);
	check_gone(c, who, t, s);
	bool from_executor = s->has_source && s->source == MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR;
	if (from_executor && s->has_uuid) {
		struct seen_update *u = s->uuid.len == UUID_BYTES ? update_of(t, s->uuid.data, &at) : NULL;
		if (!u) {
			sim_fail(c->sim, "An update of task '%s' was seen that its executor never sent", id);
			return;
		}
		if (u->state != s->state || !str_eq(u->message, s->message))
			sim_fail(c->sim, "An update of task '%s' was sent as '%s' and seen as '%s'", id, u->message,
				 s->message ? s->message : "");
		if (at + 1 < t->n_seen)
			sim_fail(c->sim, "Update '%s' was seen after a later one", u->message);
		for (size_t i = t->n_seen; i < at; i++)
			if (!t->updates.v[i].lost && !t->updates.v[i].seen)
				sim_fail(c->sim, "Update '%s' was seen before '%s'", u->message, t->updates.v[i].message);
		u->seen = true;
		t->n_seen = MZ_MAX(t->n_seen, at + 1);
	}
	if (task_state_is_terminal(s->state) && s->state != TS(UNREACHABLE) && s->state != TS(UNKNOWN))
		check_ended(c, t, s);
}

void checker_task_unknown(struct checker *c, const char *task_id)
{
	struct check_task *t = task_of(c, task_id);
	if (!t)
		return;
	if (t->live)
		sim_fail(c->sim, "Task '%s' is said to be unknown, and is alive on '%s'", task_id, t->machine->host.name);
	t->ended_for_framework = true;
	t->final_state = TS(UNKNOWN);
}

void checker_framework_acked(struct checker *c, const char *task_id, const unsigned char *uuid)
{
	struct check_task *t = task_of(c, task_id);
	struct seen_update *u = t ? update_of(t, uuid, NULL) : NULL;
	if (u)
		u->framework_acked = true;
}

/* ---- the end ----------------------------------------------------------------------------- */

static void finish_task(struct checker *c, const char *id, const struct check_task *t)
{
	if (t->live)
		sim_fail(c->sim, "Task '%s' is still alive on '%s'", id, t->machine->host.name);
	if (!t->ended_for_framework)
		sim_fail(c->sim, "The framework never heard of the end of task '%s'", id);
	for (size_t i = 0; i < t->updates.n && !t->given_up; i++) {
		const struct seen_update *u = &t->updates.v[i];
		if (u->executor_acked && !u->seen)
			sim_fail(c->sim, "Update '%s' was acknowledged to its executor, and the framework never saw it",
				 u->message);
	}
}

static size_t n_started(const struct check_group *g)
{
	size_t n = 0;
	for (size_t i = 0; i < g->tasks.n; i++)
		n += g->tasks.v[i]->n_started > 0;
	return n;
}

static void finish_group(struct checker *c, const struct check_group *g)
{
	size_t n = n_started(g);
	for (size_t i = 0; i < g->tasks.n; i++)
		if (g->tasks.v[i]->n_again)
			return;
	if (n && n != g->tasks.n)
		sim_fail(c->sim, "%zu of %zu tasks of a group have started", n, g->tasks.n);
}

struct checker_counts checker_count(const struct checker *c)
{
	struct checker_counts n = {.groups = c->groups.n};
	map_each(&c->tasks, e) {
		const struct check_task *t = e->value;
		if (c->lenient.v[t->framework])
			continue;
		n.tasks++;
		n.ended += t->ended_for_framework;
		bool once = t->told_end && t->final_state == t->told_state;
		n.ended_once += once;
		n.never_started += !once && !t->n_started;
	}
	for (size_t i = 0; i < c->groups.n; i++) {
		size_t k = n_started(&c->groups.v[i]);
		n.groups_whole += k == c->groups.v[i].tasks.n;
		n.groups_none += k == 0;
	}
	return n;
}

void checker_finish(struct checker *c)
{
	for (size_t i = 0; i < c->groups.n; i++)
		finish_group(c, &c->groups.v[i]);
	map_each(&c->tasks, e) {
		const struct check_task *t = e->value;
		if (!c->lenient.v[t->framework])
			finish_task(c, e->key, t);
	}
	map_each(&c->live, e)
		if (!res_empty(e->value))
			sim_fail(c->sim, "There are resources in use on '%s' that no task has", e->key);
}

size_t checker_n_offers(const struct checker *c)
{
	return c->offers.n;
}

uint64_t checker_n_updates(const struct checker *c)
{
	return c->n_updates;
}

struct checker *checker_new(struct sim *s)
{
	struct checker *c = xnew(struct checker);
	c->sim = s;
	for (int i = 0; i < 1024; i++) {
		vec_push(&c->ended, false);
		vec_push(&c->lenient, false);
		vec_push(&c->suppressed, false);
	}
	return c;
}

static void free_sums(struct map *m)
{
	map_each(m, e)
		res_free(e->value);
	map_done(m);
}

void checker_free(struct checker *c)
{
	if (!c)
		return;
	map_each(&c->tasks, e) {
		struct check_task *t = e->value;
		for (size_t i = 0; i < t->updates.n; i++)
			free(t->updates.v[i].message);
		vec_done(&t->updates);
		res_free(t->res);
		free(t);
	}
	map_done(&c->tasks);
	check_offers_done(c);
	for (size_t i = 0; i < c->groups.n; i++)
		vec_done(&c->groups.v[i].tasks);
	vec_done(&c->groups);
	free_sums(&c->live);
	free_sums(&c->offered);
	vec_done(&c->ended);
	vec_done(&c->lenient);
	free(c);
}
