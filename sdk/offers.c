/* offers.c - offers as the author holds them: what they say, several joined to one,
 * accepted with what tasks.c has put on them, declined, rescinded.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sdk/impl.h"

typedef Mesos__V1__Offer__Operation pb_op;

void mzf_offer_free(struct mzf_offer *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->ids.n; i++)
		free(o->ids.v[i]);
	vec_done(&o->ids);
	free(o->agent_id);
	free(o->hostname);
	free(o->ip);
	free(o->role);
	res_done(&o->left);
	map_done(&o->executors);
	buf_done(&o->text);
	vec_done(&o->tasks);
	vec_done(&o->groups);
	arena_done(&o->arena);
	free(o);
}

struct mzf_offer *mzf_offer_new(struct mzf_framework *f, const Mesos__V1__Offer *pb, struct mz_err *err)
{
	struct mzf_offer *o = xnew(struct mzf_offer);
	const char *role = pb->allocation_info ? pb->allocation_info->role : NULL;

	o->f = f;
	vec_push(&o->ids, xstrdup(pb->id->value));
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
		mz_wrap(err, "Offer '%s'", o->ids.v[0]);
		mzf_offer_free(o);
		return NULL;
	}
	return o;
}

/* Out of the table under all of its ids. */
static void forget(struct mzf_offer *o)
{
	for (size_t i = 0; i < o->ids.n; i++)
		map_del(&o->f->offers, o->ids.v[i]);
}

void mzf_offers_rescind(struct mzf_framework *f, bool tell)
{
	map_each(&f->offers, e) {
		struct mzf_offer *o = e->value;
		forget(o);
		if (tell && f->cb.on_rescind)
			f->cb.on_rescind(f->arg, o);
		mzf_offer_free(o);
	}
}

const char *mzf_offer_id(const struct mzf_offer *o)
{
	return o->ids.v[0];
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

int mzf_offer_join(struct mzf_offer *o, struct mzf_offer *other, struct mz_err *err)
{
	if (o == other || o->f != other->f || !str_eq(o->agent_id, other->agent_id))
		return mz_fail(err, -EINVAL, "Offers '%s' and '%s' are not two of one agent", o->ids.v[0],
			       other->ids.v[0]);
	if (!str_eq(o->role, other->role))
		return mz_fail(err, -EINVAL, "Offer '%s' is for role '%s', offer '%s' for role '%s'", o->ids.v[0],
			       o->role, other->ids.v[0], other->role);
	if (other->tasks.n || other->groups.n)
		return mz_fail(err, -EINVAL, "Offer '%s' has tasks already", other->ids.v[0]);
	forget(other);
	res_add(&o->left, &other->left);
	for (size_t i = 0; i < other->ids.n; i++) {
		vec_push(&o->ids, other->ids.v[i]);
		map_put(&o->f->offers, other->ids.v[i], o);
	}
	other->ids.n = 0;
	mzf_offer_free(other);
	return 0;
}

/* ---- ACCEPT and DECLINE ---------------------------------------------------------- */

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

static Mesos__V1__OfferID **make_ids(const struct mzf_offer *o, struct arena *a)
{
	Mesos__V1__OfferID **ids = (Mesos__V1__OfferID **)pb_array(a, o->ids.n);

	for (size_t i = 0; i < o->ids.n; i++)
		ids[i] = MZF_ID(a, OfferID, offer_id, o->ids.v[i]);
	return ids;
}

static pb_op *launch(struct mzf_offer *o)
{
	pb_op *op = PB_NEW(&o->arena, pb_op, mesos__v1__offer__operation);

	op->has_type = 1;
	op->type = MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH;
	op->launch = PB_NEW(&o->arena, Mesos__V1__Offer__Operation__Launch, mesos__v1__offer__operation__launch);
	op->launch->task_infos = o->tasks.v;
	op->launch->n_task_infos = o->tasks.n;
	return op;
}

static pb_op *launch_group(struct mzf_offer *o, const struct mzf_group *g)
{
	typedef Mesos__V1__Offer__Operation__LaunchGroup pb_launch_group;
	struct arena *a = &o->arena;
	pb_op *op = PB_NEW(a, pb_op, mesos__v1__offer__operation);

	op->has_type = 1;
	op->type = MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH_GROUP;
	op->launch_group = PB_NEW(a, pb_launch_group, mesos__v1__offer__operation__launch_group);
	op->launch_group->executor = g->executor;
	op->launch_group->task_group = PB_NEW(a, Mesos__V1__TaskGroupInfo, mesos__v1__task_group_info);
	op->launch_group->task_group->tasks = g->tasks;
	op->launch_group->task_group->n_tasks = g->n;
	return op;
}

static void track(struct mzf_offer *o, Mesos__V1__TaskInfo *const *tasks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mzf_track_task(o->f, tasks[i]->task_id->value, o->agent_id);
}

/* What is sent is on its way; what could not be sent never happened. */
static int send_and_free(struct mzf_offer *o, pb_call *c)
{
	int rc = mzf_call_send(o->f, c);

	if (rc == 0) {
		track(o, o->tasks.v, o->tasks.n);
		for (size_t i = 0; i < o->groups.n; i++)
			track(o, o->groups.v[i].tasks, o->groups.v[i].n);
	}
	forget(o);
	mzf_offer_free(o);
	return rc;
}

int mzf_offer_accept(struct mzf_offer *o, double refuse_secs)
{
	struct arena *a = &o->arena;
	Mesos__V1__Scheduler__Call__Accept *acc;
	pb_call *c;

	if (!o->tasks.n && !o->groups.n)
		return mzf_offer_decline(o, refuse_secs);
	c = mzf_call_new(o->f, a, MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT);
	acc = PB_NEW(a, Mesos__V1__Scheduler__Call__Accept, mesos__v1__scheduler__call__accept);
	acc->offer_ids = make_ids(o, a);
	acc->n_offer_ids = o->ids.n;
	acc->operations = (pb_op **)pb_array(a, 1 + o->groups.n);
	if (o->tasks.n)
		acc->operations[acc->n_operations++] = launch(o);
	for (size_t i = 0; i < o->groups.n; i++)
		acc->operations[acc->n_operations++] = launch_group(o, &o->groups.v[i]);
	acc->filters = make_filters(a, refuse_secs);
	c->accept = acc;
	return send_and_free(o, c);
}

static pb_call *make_decline(struct mzf_offer *o, double refuse_secs)
{
	struct arena *a = &o->arena;
	pb_call *c = mzf_call_new(o->f, a, MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE);

	c->decline = PB_NEW(a, Mesos__V1__Scheduler__Call__Decline, mesos__v1__scheduler__call__decline);
	c->decline->offer_ids = make_ids(o, a);
	c->decline->n_offer_ids = o->ids.n;
	c->decline->filters = make_filters(a, refuse_secs);
	return c;
}

int mzf_offer_decline(struct mzf_offer *o, double refuse_secs)
{
	pb_call *c = make_decline(o, refuse_secs);

	o->tasks.n = o->groups.n = 0;
	return send_and_free(o, c);
}

void mzf_offer_rescinded(struct mzf_framework *f, const char *id)
{
	struct mzf_offer *o = map_get(&f->offers, id);

	if (!o)
		return;
	forget(o);
	if (f->cb.on_rescind)
		f->cb.on_rescind(f->arg, o);
	/* What was joined to it is of no use to anybody here: it goes back at once. */
	for (size_t i = 0; i < o->ids.n; i++) {
		if (!str_eq(o->ids.v[i], id))
			continue;
		free(o->ids.v[i]);
		vec_remove(&o->ids, i);
		break;
	}
	if (o->ids.n)
		(void)mzf_call_send(f, make_decline(o, 0));
	mzf_offer_free(o);
}
