/* offers.c - offers from the allocator's call to their end. Offers of one turn
 * travel in one event, if they are not very many or large. What is in an offer
 * counts as offered until it is returned, or until an ACCEPT turns it into tasks.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "master/internal.h"

enum { MAX_OFFERS_IN_EVENT = 1000, PAUSE_MS = 20 };
#define DEFAULT_REFUSE_SECS 5.0
#define MAX_REFUSE_SECS (365 * 86400.0)

struct refused {
	struct list in_master;
	mz_key framework, agent;
	const char *role;
	resources *res;
};

int64_t refuse_ns(const Mesos__V1__Filters *f)
{
	double secs = f && f->has_refuse_seconds ? f->refuse_seconds : DEFAULT_REFUSE_SECS;
	if (isnan(secs) || secs < 0)
		secs = DEFAULT_REFUSE_SECS;
	return (int64_t)(fmin(secs, MAX_REFUSE_SECS) * NS_PER_SEC);
}

struct offer *offer_get(struct master *m, const char *id)
{
	return map_get(&m->offers, id);
}

static Mesos__V1__URL *agent_url(const struct agent *a, struct arena *arena)
{
	Mesos__V1__URL *u = PB_NEW(arena, Mesos__V1__URL, mesos__v1__url);
	u->scheme = (char *)"http";
	u->address = PB_NEW(arena, Mesos__V1__Address, mesos__v1__address);
	u->address->hostname = a->info->hostname;
	u->address->ip = a->ip;
	u->address->port = a->port;
	u->path = a->path;
	return u;
}

Mesos__V1__Offer *offer_show(const struct offer *o, struct arena *a)
{
	struct framework *f = o->framework;
	struct agent *agent = o->agent;
	bool multi_role = framework_has(f, MZ_FW_MULTI_ROLE);
	Mesos__V1__Offer *p = PB_NEW(a, Mesos__V1__Offer, mesos__v1__offer);
	p->id = id_offer(a, o->id);
	p->framework_id = id_framework(a, f->id);
	p->agent_id = id_agent(a, agent->id);
	p->hostname = agent->info->hostname;
	p->url = agent_url(agent, a);
	p->domain = agent->info->domain;
	p->attributes = agent->info->attributes;
	p->n_attributes = agent->info->n_attributes;
	resources *allocated = res_allocate(o->res, o->role);
	p->n_resources = res_to_pb(allocated,
				   framework_has(f, MZ_FW_REFINEMENT) ? RES_FORMAT_POST : RES_FORMAT_PRE, multi_role,
				   a, &p->resources);
	res_free(allocated);
	size_t n = 0;
	list_each(&agent->executors, struct executor, in_agent, e)
		n += e->framework == f;
	p->executor_ids = (Mesos__V1__ExecutorID **)pb_array(a, n + 1);
	list_each(&agent->executors, struct executor, in_agent, e2)
		if (e2->framework == f)
			p->executor_ids[p->n_executor_ids++] = id_executor(a, e2->id);
	if (multi_role) {
		p->allocation_info =
			PB_NEW(a, Mesos__V1__Resource__AllocationInfo, mesos__v1__resource__allocation_info);
		p->allocation_info->role = (char *)o->role;
	}
	return p;
}

/* ---- sending -------------------------------------------------------------------- */

static void send_some(struct framework *f)
{
	mz_autoarena struct arena arena = {0};
	Mesos__V1__Scheduler__Event__Offers offers = MESOS__V1__SCHEDULER__EVENT__OFFERS__INIT;
	pb_event e = MESOS__V1__SCHEDULER__EVENT__INIT;
	offers.offers = (Mesos__V1__Offer **)pb_array(&arena, MAX_OFFERS_IN_EVENT);
	size_t bytes = 0;
	list_each(&f->fresh, struct offer, in_fresh, o) {
		if (offers.n_offers == MAX_OFFERS_IN_EVENT)
			break;
		Mesos__V1__Offer *shown = offer_show(o, &arena);
		bytes += protobuf_c_message_get_packed_size(&shown->base);
		if (offers.n_offers && bytes > MAX_OFFERS_BYTES)
			break;
		list_remove(&o->in_fresh);
		offers.offers[offers.n_offers++] = shown;
	}
	f->metrics.offers_sent += offers.n_offers;
	e.type = MESOS__V1__SCHEDULER__EVENT__TYPE__OFFERS;
	e.offers = &offers;
	event_send(f, &e);
}

/* False: some wait until the stream has taken the others. They are fresh as long. */
static bool send_fresh(struct framework *f, bool *ret_any)
{
	while (!list_empty(&f->fresh)) {
		enum stream_room room = stream_room(f);
		if (room != STREAM_HAS_ROOM)
			return room == STREAM_IS_CUT; /* then nothing is fresh any more */
		send_some(f);
		*ret_any = true;
	}
	return true;
}

static void refused_free(struct master *m, struct refused *r)
{
	name_release(m, r->role);
	res_free(r->res);
	free(r);
}

static void on_flush(void *arg);

static void flush_in(struct master *m, int64_t delay_ns)
{
	m->flush_pauses = delay_ns > 0;
	m->flush_timer = loop_timer(m->loop, delay_ns, on_flush, m);
}

static void on_flush(void *arg)
{
	struct master *m = arg;
	m->flush_timer = NULL;
	list_each(&m->refused, struct refused, in_master, r) {
		list_remove(&r->in_master);
		alloc_recover_resources(m, r->framework, r->role, r->agent, r->res, -1, false);
		refused_free(m, r);
	}
	bool any = false, left = false;
	list_each(&m->flush, struct framework, in_flush, f) {
		if (send_fresh(f, &any))
			list_remove(&f->in_flush);
		else
			left = true;
	}
	if (left && !m->flush_timer)
		flush_in(m, any ? 0 : PAUSE_MS * NS_PER_MS);
}

static void flush_soon(struct master *m)
{
	if (m->flush_timer && !m->flush_pauses)
		return;
	loop_timer_cancel(m->loop, m->flush_timer);
	flush_in(m, 0);
}

void offers_drop(struct master *m)
{
	loop_timer_cancel(m->loop, m->flush_timer);
	m->flush_timer = NULL;
	list_each(&m->refused, struct refused, in_master, r) {
		list_remove(&r->in_master);
		refused_free(m, r);
	}
}

/* ---- making ---------------------------------------------------------------------- */

static void on_offer_timeout(void *arg)
{
	struct offer *o = arg;
	o->timeout = NULL;
	offer_return(o, -1, true);
}

static void refuse_later(struct master *m, mz_key framework, const char *role, mz_key agent, const resources *r)
{
	struct refused *x = xnew(struct refused);
	*x = (struct refused){.framework = framework, .agent = agent, .role = name_hold(m, role), .res = res_copy(r)};
	list_append(&m->refused, &x->in_master);
	flush_soon(m);
}

static void account(struct offer *o, void (*fn)(resources *sum, const resources *r))
{
	resources *allocated = res_allocate(o->res, o->role);
	fn(o->agent->offered, allocated);
	res_free(allocated);
}

void offer_make(struct master *m, mz_key framework, const char *role, mz_key agent, const resources *r)
{
	struct framework *f = framework_by_key(m, framework);
	struct agent *a = agent_by_key(m, agent);
	if (!f || !a || f->state != MASTER_FRAMEWORK_CONNECTED || !agent_connected(a) || a->deactivated ||
	    !framework_has_role(f, role)) {
		refuse_later(m, framework, role, agent, r);
		return;
	}
	struct offer *o = xnew(struct offer);
	snprintf(o->id, sizeof(o->id), "%s-O%llu", m->id, (unsigned long long)m->next_offer++);
	o->framework = f;
	o->agent = a;
	o->role = name_hold(m, role);
	o->res = res_copy(r);
	list_append(&f->offers, &o->in_framework);
	list_append(&a->offers, &o->in_agent);
	list_append(&f->fresh, &o->in_fresh);
	map_put(&m->offers, o->id, o);
	account(o, res_add);
	if (list_empty(&f->in_flush))
		list_append(&m->flush, &f->in_flush);
	flush_soon(m);
	if (m->cfg.offer_timeout_ns)
		o->timeout = loop_timer(m->loop, m->cfg.offer_timeout_ns, on_offer_timeout, o);
}

/* ---- ending -------------------------------------------------------------------------- */

void offer_end(struct offer *o)
{
	struct master *m = o->framework->m;
	account(o, res_subtract);
	loop_timer_cancel(m->loop, o->timeout);
	list_remove(&o->in_framework);
	list_remove(&o->in_agent);
	list_remove(&o->in_fresh);
	map_del(&m->offers, o->id);
	name_release(m, o->role);
	res_free(o->res);
	free(o);
}

static void send_rescind(struct offer *o)
{
	mz_autoarena struct arena arena = {0};
	Mesos__V1__Scheduler__Event__Rescind rescind = MESOS__V1__SCHEDULER__EVENT__RESCIND__INIT;
	pb_event e = MESOS__V1__SCHEDULER__EVENT__INIT;
	rescind.offer_id = id_offer(&arena, o->id);
	e.type = MESOS__V1__SCHEDULER__EVENT__TYPE__RESCIND;
	e.rescind = &rescind;
	o->framework->metrics.offers_rescinded++;
	event_send(o->framework, &e);
}

void offer_return(struct offer *o, int64_t refuse, bool rescind)
{
	struct framework *f = o->framework;
	if (rescind && list_empty(&o->in_fresh)) /* otherwise nobody has seen it */
		send_rescind(o);
	alloc_recover_resources(f->m, f->key, o->role, o->agent->key, o->res, refuse, false);
	offer_end(o);
}

void offers_return_of_agent(struct agent *a)
{
	list_each(&a->offers, struct offer, in_agent, o)
		offer_return(o, -1, true);
}

void offers_return_suppressed(struct framework *f)
{
	list_each(&f->fresh, struct offer, in_fresh, o)
		if (map_has(&f->suppressed, o->role))
			offer_return(o, -1, false);
}

void offers_return_of_framework(struct framework *f, bool rescind)
{
	list_each(&f->offers, struct offer, in_framework, o)
		offer_return(o, -1, rescind);
}
