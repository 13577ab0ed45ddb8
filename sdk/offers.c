/* offers.c - offers, and the tasks that are put on them: which part of the
 * offered resources a task takes, reservations and all.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/model.h"
#include "sdk/impl.h"

/* Not to be given to a task that did not ask for just that. */
enum { SPECIAL = MZ_RES_REVOCABLE | MZ_RES_SHARED | MZ_RES_PERSISTENT | MZ_RES_DISK_SOURCE | MZ_RES_PROVIDER };

void mzf_offer_free(struct mzf_offer *o)
{
	if (!o)
		return;
	free(o->id);
	free(o->agent_id);
	free(o->hostname);
	free(o->ip);
	free(o->role);
	res_done(&o->left);
	map_done(&o->executors);
	buf_done(&o->text);
	vec_done(&o->tasks);
	arena_done(&o->arena);
	free(o);
}

struct mzf_offer *mzf_offer_new(struct mzf_framework *f, const Mesos__V1__Offer *pb, struct mz_err *err)
{
	struct mzf_offer *o = xnew(struct mzf_offer);
	const char *role = pb->allocation_info ? pb->allocation_info->role : NULL;

	o->f = f;
	o->id = xstrdup(pb->id->value);
	o->agent_id = xstrdup(pb->agent_id->value);
	o->hostname = xstrdup(pb->hostname);
	o->role = xstrdup(role ? role : "*");
	for (size_t i = 0; i < pb->n_executor_ids; i++)
		map_put(&o->executors, pb->executor_ids[i]->value, o);
	if (pb->url && pb->url->address) {
		o->ip = xstrdup(pb->url->address->ip ? pb->url->address->ip : pb->url->address->hostname);
		o->port = pb->url->address->port;
	}
	if (res_from_pb(pb->resources, pb->n_resources, &o->left, err) < 0) {
		mz_wrap(err, "Offer '%s'", o->id);
		mzf_offer_free(o);
		return NULL;
	}
	return o;
}

void mzf_offers_rescind(struct mzf_framework *f, bool tell)
{
	map_each(&f->offers, e) {
		struct mzf_offer *o = e->value;
		map_del(&f->offers, o->id);
		if (tell && f->cb.on_rescind)
			f->cb.on_rescind(f->arg, o);
		mzf_offer_free(o);
	}
}

const char *mzf_offer_id(const struct mzf_offer *o)
{
	return o->id;
}

const char *mzf_offer_agent_id(const struct mzf_offer *o)
{
	return o->agent_id;
}

const char *mzf_offer_hostname(const struct mzf_offer *o)
{
	return o->hostname;
}

const char *mzf_offer_role(const struct mzf_offer *o)
{
	return o->role;
}

const char *mzf_offer_ip(const struct mzf_offer *o)
{
	return o->ip;
}

int mzf_offer_port(const struct mzf_offer *o)
{
	return o->port;
}

const char *mzf_offer_resources(struct mzf_offer *o)
{
	buf_clear(&o->text);
	res_format_text(&o->left, &o->text);
	return buf_str(&o->text);
}

/* ---- taking resources ------------------------------------------------------ */

static bool may_take(const struct mz_res_kind *have, const struct mz_res_kind *want, bool reserved)
{
	if (!str_eq(have->name, want->name) || have->type != want->type || (have->flags & SPECIAL))
		return false;
	if (!!(have->flags & MZ_RES_RESERVED) != reserved)
		return false;
	/* cpus(ops):1 asks for that reservation, cpus:1 for any. */
	return str_eq(want->role, "*") || str_eq(want->role, have->role);
}

static int64_t take_scalar(const resources *left, const struct mz_res_kind *want, int64_t need, bool reserved,
			   resources *taken)
{
	for (size_t i = 0; i < res_count(left) && need > 0; i++) {
		struct mz_res_item it = res_item(left, i);
		int64_t part = MZ_MIN(it.amount, need);
		if (!may_take(res_kind(it.kind), want, reserved))
			continue;
		res_api()->add_scalar(taken, it.kind, part);
		need -= part;
	}
	return need;
}

/* Ranges and sets come whole, from one item: its kind with the wanted elements. */
static bool take_elements(const resources *left, const resources *want, size_t w, bool reserved, resources *taken)
{
	const struct mz_res_kind *wk = res_kind(res_item(want, w).kind);

	for (size_t i = 0; i < res_count(left); i++) {
		mz_autoarena struct arena a = {0};
		mz_autores resources one = {0}, asked = {0}, part = {0};
		Mesos__V1__Resource **have_pb, **want_pb, *pb;

		if (!may_take(res_kind(res_item(left, i).kind), wk, reserved))
			continue;
		res_api()->add_item(&one, left, i);
		res_api()->add_item(&asked, want, w);
		if (res_to_pb(&one, RES_FORMAT_POST, true, &a, &have_pb) != 1 ||
		    res_to_pb(&asked, RES_FORMAT_POST, false, &a, &want_pb) != 1)
			continue;
		pb = have_pb[0];
		pb->ranges = want_pb[0]->ranges;
		pb->set = want_pb[0]->set;
		if (res_from_pb(&pb, 1, &part, NULL) < 0 || !res_contains(&one, &part))
			continue;
		res_add(taken, &part);
		return true;
	}
	return false;
}

static int take(const resources *left, const char *text, resources *taken, struct mz_err *err)
{
	mz_autores resources want = {0};
	int rc = res_parse(text, NULL, &want, err);

	if (rc < 0)
		return rc;
	if (res_empty(&want))
		return mz_fail(err, -EINVAL, "A task needs resources");
	for (size_t i = 0; i < res_count(&want); i++) {
		struct mz_res_item it = res_item(&want, i);
		const struct mz_res_kind *k = res_kind(it.kind);
		bool got;
		if (k->type == MZ_SCALAR) {
			int64_t need = take_scalar(left, k, it.amount, true, taken);
			got = take_scalar(left, k, need, false, taken) == 0;
		} else {
			got = take_elements(left, &want, i, true, taken) ||
			      take_elements(left, &want, i, false, taken);
		}
		if (!got)
			return mz_fail(err, -ENOSPC, "Not enough %s", k->name);
	}
	return 0;
}

/* ---- tasks ----------------------------------------------------------------- */

static Mesos__V1__CommandInfo *make_program(struct arena *a, bool shell, const char *command,
					    const char *const *argv, size_t n_argv)
{
	Mesos__V1__CommandInfo *c = PB_NEW(a, Mesos__V1__CommandInfo, mesos__v1__command_info);

	c->has_shell = 1;
	c->shell = shell;
	c->value = arena_strdup(a, command);
	c->arguments = (char **)pb_array(a, n_argv);
	c->n_arguments = n_argv;
	for (size_t i = 0; i < n_argv; i++)
		c->arguments[i] = arena_strdup(a, argv[i]);
	return c;
}

static Mesos__V1__CommandInfo *make_command(struct arena *a, const struct mzf_task *t)
{
	Mesos__V1__CommandInfo *c = make_program(a, t->shell, t->command, t->argv, t->n_argv);

	if (t->user)
		c->user = arena_strdup(a, t->user);
	if (!t->n_env)
		return c;
	c->environment = PB_NEW(a, Mesos__V1__Environment, mesos__v1__environment);
	c->environment->variables = (Mesos__V1__Environment__Variable **)pb_array(a, t->n_env);
	c->environment->n_variables = t->n_env;
	for (size_t i = 0; i < t->n_env; i++) {
		Mesos__V1__Environment__Variable *v =
			PB_NEW(a, Mesos__V1__Environment__Variable, mesos__v1__environment__variable);
		v->name = arena_strdup(a, t->env[i].name);
		v->value = arena_strdup(a, t->env[i].value);
		c->environment->variables[i] = v;
	}
	return c;
}

/* Its resources depend on the text and the role alone: an executor that runs is
 * used again only for an equal ExecutorInfo. */
static int make_executor(struct mzf_offer *o, const struct mzf_executor *given, resources *left,
			 Mesos__V1__ExecutorInfo **ret, struct mz_err *err)
{
	struct mzf_executor x = {0};
	struct arena *a = &o->arena;
	mz_autores resources own = {0};
	int rc;

	memcpy(&x, given, MZ_MIN(sizeof(x), given->size));
	rc = id_check("executor id", x.id ? x.id : "", err);
	if (rc < 0)
		return rc;
	if (!x.command)
		return mz_fail(err, -EINVAL, "Executor '%s' has no command", x.id);
	if (x.resources) {
		mz_autores resources plain = {0};
		rc = res_parse(x.resources, NULL, &plain, err);
		if (rc < 0)
			return mz_wrap(err, "Executor '%s'", x.id);
		resources *allocated = res_allocate(&plain, o->role);
		res_add(&own, allocated);
		res_free(allocated);
	}
	if (!map_has(&o->executors, x.id)) {
		if (!res_contains(left, &own))
			return mz_fail(err, -ENOSPC, "Not enough for executor '%s'", x.id);
		res_subtract(left, &own);
	}
	Mesos__V1__ExecutorInfo *pb = PB_NEW(a, Mesos__V1__ExecutorInfo, mesos__v1__executor_info);
	pb->has_type = 1;
	pb->type = MESOS__V1__EXECUTOR_INFO__TYPE__CUSTOM;
	pb->executor_id = MZF_ID(a, ExecutorID, executor_id, x.id);
	pb->command = make_program(a, x.shell, x.command, x.argv, x.n_argv);
	pb->n_resources = res_to_pb(&own, RES_FORMAT_POST, true, a, &pb->resources);
	*ret = pb;
	return 0;
}

static Mesos__V1__TaskInfo *make_task(struct mzf_offer *o, const struct mzf_task *t, const resources *r)
{
	struct arena *a = &o->arena;
	Mesos__V1__TaskInfo *pb = PB_NEW(a, Mesos__V1__TaskInfo, mesos__v1__task_info);

	pb->name = arena_strdup(a, t->name ? t->name : t->id);
	pb->task_id = MZF_ID(a, TaskID, task_id, t->id);
	pb->agent_id = MZF_ID(a, AgentID, agent_id, o->agent_id);
	pb->n_resources = res_to_pb(r, RES_FORMAT_POST, true, a, &pb->resources);
	if (!t->executor)
		pb->command = make_command(a, t);
	if (t->data.size) {
		pb->has_data = 1;
		pb->data.len = t->data.size;
		pb->data.data = memcpy(arena_alloc(a, t->data.size), t->data.data, t->data.size);
	}
	if (t->kill_grace_secs > 0) {
		pb->kill_policy = PB_NEW(a, Mesos__V1__KillPolicy, mesos__v1__kill_policy);
		pb->kill_policy->grace_period = PB_NEW(a, Mesos__V1__DurationInfo, mesos__v1__duration_info);
		pb->kill_policy->grace_period->nanoseconds = (int64_t)(t->kill_grace_secs * 1e9);
	}
	return pb;
}

int mzf_offer_add_task(struct mzf_offer *o, const struct mzf_task *given, struct mz_err *err)
{
	struct mzf_task t = {0};
	mz_autores resources taken = {0}, left = {0};
	Mesos__V1__ExecutorInfo *executor = NULL;
	int rc;

	memcpy(&t, given, MZ_MIN(sizeof(t), given->size));
	rc = id_check("task id", t.id ? t.id : "", err);
	if (rc < 0)
		return rc;
	if (!t.command == !t.executor)
		return mz_fail(err, -EINVAL, "Task '%s' needs a command or an executor", t.id);
	if (!isfinite(t.kill_grace_secs) || t.kill_grace_secs < 0 || t.kill_grace_secs > 1e9)
		return mz_fail(err, -EINVAL, "Task '%s': the grace period is out of range", t.id);
	res_add(&left, &o->left);
	if (t.executor)
		rc = make_executor(o, t.executor, &left, &executor, err);
	if (rc == 0)
		rc = take(&left, t.resources ? t.resources : "", &taken, err);
	if (rc < 0)
		return rc;
	res_subtract(&left, &taken);
	res_clear(&o->left);
	res_add(&o->left, &left);
	Mesos__V1__TaskInfo *pb = make_task(o, &t, &taken);
	pb->executor = executor;
	if (executor)
		map_put(&o->executors, executor->executor_id->value, o);
	vec_push(&o->tasks, pb);
	return 0;
}

static Mesos__V1__Filters *make_filters(struct arena *a, double refuse_secs)
{
	Mesos__V1__Filters *flt;

	if (!(refuse_secs >= 0))
		return NULL;
	flt = PB_NEW(a, Mesos__V1__Filters, mesos__v1__filters);
	flt->has_refuse_seconds = 1;
	flt->refuse_seconds = refuse_secs;
	return flt;
}

int mzf_offer_accept(struct mzf_offer *o, double refuse_secs)
{
	typedef Mesos__V1__Offer__Operation pb_op;
	struct arena *a = &o->arena;
	Mesos__V1__Scheduler__Call__Accept *acc;
	Mesos__V1__OfferID *id;
	pb_op *op;
	pb_call *c;
	int rc;

	if (!o->tasks.n)
		return mzf_offer_decline(o, refuse_secs);
	c = mzf_call_new(o->f, a, MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT);
	id = MZF_ID(a, OfferID, offer_id, o->id);
	op = PB_NEW(a, pb_op, mesos__v1__offer__operation);
	op->has_type = 1;
	op->type = MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH;
	op->launch = PB_NEW(a, Mesos__V1__Offer__Operation__Launch, mesos__v1__offer__operation__launch);
	op->launch->task_infos = o->tasks.v;
	op->launch->n_task_infos = o->tasks.n;
	acc = PB_NEW(a, Mesos__V1__Scheduler__Call__Accept, mesos__v1__scheduler__call__accept);
	acc->offer_ids = &id;
	acc->n_offer_ids = 1;
	acc->operations = &op;
	acc->n_operations = 1;
	acc->filters = make_filters(a, refuse_secs);
	c->accept = acc;
	rc = mzf_call_send(o->f, c);
	map_del(&o->f->offers, o->id);
	mzf_offer_free(o);
	return rc;
}

int mzf_offer_decline(struct mzf_offer *o, double refuse_secs)
{
	struct arena *a = &o->arena;
	pb_call *c = mzf_call_new(o->f, a, MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE);
	Mesos__V1__OfferID *id = MZF_ID(a, OfferID, offer_id, o->id);
	int rc;

	c->decline = PB_NEW(a, Mesos__V1__Scheduler__Call__Decline, mesos__v1__scheduler__call__decline);
	c->decline->offer_ids = &id;
	c->decline->n_offer_ids = 1;
	c->decline->filters = make_filters(a, refuse_secs);
	rc = mzf_call_send(o->f, c);
	map_del(&o->f->offers, o->id);
	mzf_offer_free(o);
	return rc;
}
