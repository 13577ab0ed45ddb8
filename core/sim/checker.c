/* checker.c - see checker.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/checker.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/model.h"
#include "sim/machine.h"

#define TS(name) MESOS__V1__TASK_STATE__TASK_##name

struct seen_update {
	unsigned char uuid[UUID_BYTES];
	Mesos__V1__TaskState state;
	char *message;
	bool executor_acked, lost, seen, framework_acked;
};

struct check_task {
	unsigned framework;
	bool live, ended_for_framework, given_up;
	unsigned n_started, n_again, n_refused; /* n_again: launched once more, with the same id */
	Mesos__V1__TaskState final_state;
	struct sim_machine *machine;
	resources *res;
	VEC(struct seen_update) updates;
	size_t n_seen; /* updates up to here have been overtaken by what the framework saw */
};

struct check_offer {
	const void *stream;
	struct sim_machine *machine;
	resources *res;
};

struct checker {
	struct sim *sim;
	struct map tasks;    /* id -> struct check_task */
	struct map offers;   /* id -> struct check_offer */
	struct map machines; /* host name -> struct sim_machine */
	struct map live;     /* machine's name -> resources: what runs there */
	struct map offered;  /* machine's name -> resources: what is offered of it */
	VEC(bool) ended;     /* by framework */
	VEC(bool) lenient;   /* by framework */
	uint64_t n_updates;
};

static struct check_task *task_of(struct checker *c, const char *id)
{
	struct check_task *t = map_get(&c->tasks, id);
	if (!t)
		sim_fail(c->sim, "There was word of task '%s', which nobody launched", id);
	return t;
}

static resources *sum_of(struct map *m, const struct sim_machine *of)
{
	resources *r = map_get(m, of->host.name);
	if (!r) {
		r = res_new();
		(void)map_put(m, of->host.name, r);
	}
	return r;
}

/* Ranges and sets must not be given twice: a sum would not show it. */
static void add_to(struct checker *c, struct map *sums, const struct sim_machine *m, const resources *r,
		   const char *why)
{
	resources *sum = sum_of(sums, m);
	resources *both = res_copy(sum);
	res_add(both, r);
	res_subtract(both, r);
	if (!res_equal(both, sum)) {
		struct buf mz_autobuf text = {0};
		res_format_text(r, &text);
		sim_fail(c->sim, "'%s' gives %s to %s, which somebody else has", m->host.name, buf_str(&text), why);
	}
	res_free(both);
	res_add(sum, r);
}

/* What runs and what is offered together fit into the machine. */
static void check_room(struct checker *c, const struct sim_machine *m, const char *why)
{
	resources *sum = res_copy(sum_of(&c->live, m)), *live = res_copy(sum);
	res_add(sum, sum_of(&c->offered, m));
	resources *rest = res_copy(sum);
	res_subtract(rest, sum_of(&c->offered, m));
	if (!res_equal(rest, live) || !res_contains(m->total, sum)) {
		struct buf mz_autobuf runs = {0}, offered = {0};
		res_format_text(live, &runs);
		res_format_text(sum_of(&c->offered, m), &offered);
		sim_fail(c->sim, "'%s' is over-committed by %s: %s run, %s are offered", m->host.name, why,
			 buf_str(&runs), buf_str(&offered));
	}
	res_free(sum);
	res_free(live);
	res_free(rest);
}

/* ---- tasks ---------------------------------------------------------------------- */

void checker_task_launched(struct checker *c, const char *task_id, unsigned framework)
{
	struct check_task *t = xnew(struct check_task);
	t->framework = framework;
	if (map_put(&c->tasks, task_id, t))
		sim_fail(c->sim, "Task '%s' was launched twice", task_id);
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
	add_to(c, &c->live, m, t->res, task_id);
	check_room(c, m, task_id);
}

static void uncount(struct checker *c, struct check_task *t)
{
	t->live = false;
	if (!c->ended.v[t->framework])
		res_subtract(sum_of(&c->live, t->machine), t->res);
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
			res_subtract(sum_of(&c->live, t->machine), t->res);
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

/* The answer to a second launch with the same id. */
static bool is_refusal(struct check_task *t, const Mesos__V1__TaskStatus *s)
{
	bool wrong_offer = s->has_reason && s->reason == MESOS__V1__TASK_STATUS__REASON__REASON_INVALID_OFFERS;
	if (t->n_refused >= t->n_again || (s->state != TS(ERROR) && !wrong_offer))
		return false;
	t->n_refused++;
	return true;
}

void checker_update_seen(struct checker *c, unsigned framework, const Mesos__V1__TaskStatus *s)
{
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

/* ---- offers --------------------------------------------------------------------------- */

void checker_add_machine(struct checker *c, struct sim_machine *m)
{
	(void)map_put(&c->machines, m->host.name, m);
}

void checker_offer_made(struct checker *c, const void *stream, const Mesos__V1__Offer *o)
{
	struct sim_machine *m = map_get(&c->machines, o->hostname);
	struct mz_err err;
	if (!m) {
		sim_fail(c->sim, "Offer '%s' is of host '%s', which does not exist", o->id->value, o->hostname);
		return;
	}
	resources *r = res_new();
	if (res_from_pb(o->resources, o->n_resources, r, &err) < 0)
		sim_fail(c->sim, "Offer '%s' has odd resources: %s", o->id->value, err.msg);
	struct check_offer *x = xnew(struct check_offer);
	x->stream = stream;
	x->machine = m;
	x->res = res_unallocate(r);
	res_free(r);
	if (map_put(&c->offers, o->id->value, x))
		sim_fail(c->sim, "Offer '%s' was made twice", o->id->value);
	sim_trace(c->sim, "offer %s of %s to %s", o->id->value, o->hostname, o->framework_id->value);
	add_to(c, &c->offered, m, x->res, o->id->value);
	check_room(c, m, o->id->value);
}

void checker_offer_ended(struct checker *c, const char *offer_id)
{
	struct check_offer *x = map_del(&c->offers, offer_id);
	if (!x)
		return;
	sim_trace(c->sim, "offer %s ended", offer_id);
	res_subtract(sum_of(&c->offered, x->machine), x->res);
	res_free(x->res);
	free(x);
}

void checker_offers_ended(struct checker *c, const void *stream)
{
	map_each(&c->offers, e) {
		struct check_offer *x = e->value;
		if (!stream || x->stream == stream) {
			mz_autofree char *id = xstrdup(e->key);
			checker_offer_ended(c, id);
		}
	}
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

void checker_finish(struct checker *c)
{
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
	map_each(&c->offers, e) {
		struct check_offer *x = e->value;
		res_free(x->res);
		free(x);
	}
	map_done(&c->offers);
	map_done(&c->machines);
	free_sums(&c->live);
	free_sums(&c->offered);
	vec_done(&c->ended);
	vec_done(&c->lenient);
	free(c);
}
