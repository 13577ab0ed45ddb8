/* framework.c - the connection of a simulated scheduler: its event stream, and
 * its calls, one after the other. See framework.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/framework.h"

#include <stdio.h>

#include "sim/framework_impl.h"

static void subscribe(void *arg);
static void next_call(struct sim_framework *f);

/* ---- calls ---------------------------------------------------------------------- */

static void call_free(struct fw_call *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_offer_ids; i++)
		free(c->offer_ids[i]);
	free(c->offer_ids);
	res_free(c->refused);
	free(c->stream_id);
	free(c->body);
	free(c);
}

static void left(struct sim_framework *f)
{
	f->done = true;
	f->subscribed = false;
	f->stream = NULL;
	fw_forget_offers(f);
}

static void finish_call(struct sim_framework *f)
{
	struct fw_call *c = f->current;
	bool teardown = c->type == CALL(TEARDOWN);
	f->current = NULL;
	f->in_flight = NULL;
	call_free(c);
	if (teardown)
		left(f);
	else
		next_call(f);
}

static void on_call_answer(void *arg, int status, bool stream MZ_UNUSED, const char *stream_id MZ_UNUSED,
			   const void *body, size_t size)
{
	struct sim_framework *f = arg;
	/* Of an old stream or a master that has just restarted: what matters is asked for again. */
	bool stale = !f->subscribed || f->n_teardowns || f->life != *f->n_lives || !str_eq(f->stream_id, f->current->stream_id);
	if (status != 202 && status != 200) {
		sim_trace(f->sim, "%s: call %d answered %d %.*s", f->name, f->current->type, status, (int)size,
			  (const char *)body);
		if (!stale && status < 500 && status != 403)
			sim_fail(f->sim, "Call %d of '%s' was answered %d: %.*s", f->current->type, f->name, status,
				 (int)size, (const char *)body);
		if (f->current->type == CALL(TEARDOWN))
			f->torn_down = false;
		f->current->type = 0;
	}
	finish_call(f);
}

static void on_call_end(void *arg, const char *why)
{
	struct sim_framework *f = arg;
	sim_trace(f->sim, "%s: call %d lost: %s", f->name, f->current->type, why);
	if (f->current->type == CALL(TEARDOWN))
		f->torn_down = false;
	f->current->type = 0;
	finish_call(f);
}

static void on_call_arrived(void *arg)
{
	struct sim_framework *f = arg;
	struct fw_call *c = f->current;
	c->arrived = true;
	for (size_t i = 0; i < c->n_offer_ids; i++) {
		c->machine = checker_offer_machine(f->checker, c->offer_ids[i], f->number);
		checker_offer_ended(f->checker, c->offer_ids[i]);
		if (!c->machine)
			c->refused_secs = 0; /* it may be no offer any more */
	}
	if (c->type == CALL(TEARDOWN))
		checker_framework_ended(f->checker, f->number);
	if (c->type == CALL(REVIVE))
		checker_offers_wanted(f->checker, f->number);
}

/* The master has carried it out, whether we hear of that or not. */
static void on_call_replied(void *arg, int status)
{
	struct sim_framework *f = arg;
	struct fw_call *c = f->current;
	if (status != 202 || !c || !c->arrived)
		return; /* an answer to a call that we have given up */
	if (c->type == CALL(SUPPRESS))
		checker_offers_suppressed(f->checker, f->number);
	if (c->refused && c->refused_secs != 0)
		checker_offer_refused(f->checker, f->number, c->machine, c->refused, c->refused_secs);
}

static void next_call(struct sim_framework *f)
{
	static const struct sim_call_fns fns = {.on_answer = on_call_answer,
						.on_end = on_call_end,
						.on_arrived = on_call_arrived,
						.on_replied = on_call_replied};
	if (f->in_flight || list_empty(&f->calls))
		return;
	struct fw_call *c = f->current = list_first(&f->calls, struct fw_call, in_queue);
	list_remove(&c->in_queue);
	struct sim_request r = {.method = "POST",
				.path = "/api/v1/scheduler",
				.content_type = codec_content_type(f->codec),
				.stream_id = c->stream_id,
				.body = c->body,
				.size = c->size};
	f->in_flight = sim_call_new(f->net, f->node, f->master, &r, &fns, f);
}

void fw_call(struct sim_framework *f, pb_call *c, char *const *offer_ids, size_t n_offer_ids)
{
	fw_refuse(f, c, offer_ids, n_offer_ids, NULL, NULL);
}

void fw_refuse(struct sim_framework *f, pb_call *c, char *const *offer_ids, size_t n_offer_ids, resources *refused,
	       const Mesos__V1__Filters *filters)
{
	Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;
	struct buf b = {0};
	if (!f->subscribed) {
		res_free(refused);
		return;
	}
	id.value = f->id;
	c->framework_id = &id;
	c->has_type = 1;
	codec_encode(f->codec, &c->base, &b);
	struct fw_call *q = xnew(struct fw_call);
	q->type = (int)c->type;
	q->stream_id = xstrdup(f->stream_id);
	q->body = b.data;
	q->size = b.len;
	q->offer_ids = xcalloc(n_offer_ids + 1, sizeof(char *));
	q->n_offer_ids = n_offer_ids;
	q->refused = refused;
	q->refused_secs = filters ? filters->refuse_seconds : 5;
	for (size_t i = 0; i < n_offer_ids; i++)
		q->offer_ids[i] = xstrdup(offer_ids[i]);
	list_append(&f->calls, &q->in_queue);
	next_call(f);
}

void fw_teardown(struct sim_framework *f)
{
	if (f->torn_down || !f->subscribed)
		return;
	f->torn_down = true;
	f->n_teardowns++;
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	c.type = CALL(TEARDOWN);
	fw_call(f, &c, NULL, 0);
}

/* ---- the stream, on the master's side: what it has promised ---------------------- */

static Mesos__V1__Scheduler__Event *decode(struct stream *s, const char *record, size_t len, struct arena *m)
{
	struct mz_err err;
	Mesos__V1__Scheduler__Event *v = (Mesos__V1__Scheduler__Event *)codec_decode(
		s->f->codec, &mesos__v1__scheduler__event__descriptor, m, record, len, &err);
	if (!v)
		sim_fail(s->f->sim, "'%s' got no event: %s", s->f->name, err.msg);
	return v;
}

/* From here on nothing holds that was said on an older stream, also while nobody has
 * noticed that it is broken. An id that is lost on its way is known all the same: the
 * framework would be there for a week without a scheduler. */
static void on_written_subscribed(struct stream *s, const Mesos__V1__Scheduler__Event__Subscribed *e)
{
	struct sim_framework *f = s->f;
	list_each(&f->streams, struct stream, in_framework, old)
		if (old != s) {
			old->overtaken = true;
			checker_offers_ended(f->checker, old);
		}
	checker_offers_wanted(f->checker, f->number);
	if (!f->id)
		xset(&f->id, e->framework_id->value);
	f->who.id = f->id;
}

static int on_written_event(void *arg, const char *record, size_t len)
{
	struct stream *s = arg;
	struct arena mz_autoarena m = {0};
	Mesos__V1__Scheduler__Event *v = decode(s, record, len, &m);
	if (v && s->overtaken && v->type != MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR)
		sim_fail(s->f->sim, "'%s' got event %d on a stream that a newer one has replaced", s->f->name,
			 (int)v->type);
	if (v && v->type == MESOS__V1__SCHEDULER__EVENT__TYPE__SUBSCRIBED)
		on_written_subscribed(s, v->subscribed);
	if (v && v->type == MESOS__V1__SCHEDULER__EVENT__TYPE__OFFERS)
		for (size_t i = 0; i < v->offers->n_offers; i++)
			checker_offer_made(s->f->checker, s, &s->f->who, v->offers->offers[i]);
	if (v && v->type == MESOS__V1__SCHEDULER__EVENT__TYPE__RESCIND)
		checker_offer_ended(s->f->checker, v->rescind->offer_id->value);
	return 0;
}

static void on_written(void *arg, const void *data, size_t size)
{
	struct stream *s = arg;
	(void)recordio_feed(&s->written, data, size, on_written_event, s, NULL);
}

static void on_arrived(void *arg)
{
	struct stream *s = arg;
	s->life = *s->f->n_lives;
}

static void on_server_end(void *arg)
{
	struct stream *s = arg;
	checker_offers_ended(s->f->checker, s);
}

/* ---- the stream, on our side --------------------------------------------------------- */

static void stream_free(struct stream *s)
{
	recordio_reader_done(&s->reader);
	recordio_reader_done(&s->written);
	free(s);
}

static void subscribe_later(struct sim_framework *f)
{
	f->subscribed = false;
	fw_forget_offers(f);
	if (!f->retry)
		f->retry = loop_timer(&f->node->loop, sim_exp(f->sim, NS_PER_SEC), subscribe, f);
}

static void on_subscribed(struct sim_framework *f, const Mesos__V1__Scheduler__Event__Subscribed *e)
{
	if (f->id && !str_eq(f->id, e->framework_id->value))
		sim_fail(f->sim, "'%s' subscribed as '%s' and became '%s'", f->name, f->id, e->framework_id->value);
	xset(&f->id, e->framework_id->value);
	f->who.id = f->id;
	f->subscribed = true;
	gossip_tell(f->cfg.gossip, GOSSIP_FRAMEWORK, f->id);
	sim_trace(f->sim, "%s is %s", f->name, f->id);
}

static int on_event(void *arg, const char *record, size_t len)
{
	struct stream *s = arg;
	struct sim_framework *f = s->f;
	struct arena mz_autoarena m = {0};
	Mesos__V1__Scheduler__Event *v = f->stream == s ? decode(s, record, len, &m) : NULL;
	if (!v)
		return 0;
	if (!f->subscribed && v->type != MESOS__V1__SCHEDULER__EVENT__TYPE__SUBSCRIBED &&
	    v->type != MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR)
		sim_fail(f->sim, "'%s' got event %d before SUBSCRIBED", f->name, (int)v->type);
	switch (v->type) {
	case MESOS__V1__SCHEDULER__EVENT__TYPE__SUBSCRIBED:
		on_subscribed(f, v->subscribed);
		break;
	case MESOS__V1__SCHEDULER__EVENT__TYPE__OFFERS:
		fw_on_offers(f, v->offers);
		break;
	case MESOS__V1__SCHEDULER__EVENT__TYPE__RESCIND:
		fw_on_rescind(f, v->rescind->offer_id->value);
		break;
	case MESOS__V1__SCHEDULER__EVENT__TYPE__UPDATE:
		fw_on_update(f, v->update->status);
		break;
	case MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR:
		if (f->n_teardowns)
			left(f); /* it was carried out, and its answer lost */
		else
			sim_fail(f->sim, "'%s' got ERROR: %s", f->name, v->error->message);
		break;
	default:
		break;
	}
	return 0;
}

static void on_data(void *arg, const void *data, size_t size)
{
	struct stream *s = arg;
	struct mz_err err;
	if (s->f->stream == s && recordio_feed(&s->reader, data, size, on_event, s, &err) < 0)
		sim_fail(s->f->sim, "'%s' got a broken stream: %s", s->f->name, err.msg);
}

static void lost(struct stream *s, const char *why)
{
	struct sim_framework *f = s->f;
	bool current = f->stream == s;
	sim_trace(f->sim, "%s: stream ended: %s", f->name, why);
	s->call = NULL;
	if (current)
		f->stream = NULL;
	if (current && !f->done)
		subscribe_later(f);
}

static void on_end(void *arg, const char *why)
{
	lost(arg, why);
}

static void on_answer(void *arg, int status, bool stream, const char *stream_id, const void *body, size_t size)
{
	struct stream *s = arg;
	if (stream && status == 200) {
		if (s->f->stream == s) {
			xset(&s->f->stream_id, stream_id);
			s->f->life = s->life;
		}
		return;
	}
	char why[300];
	snprintf(why, sizeof(why), "%d %.*s", status, (int)MZ_MIN(size, (size_t)200), (const char *)body);
	if (status < 500 && s->f->n_teardowns)
		left(s->f); /* it was carried out, and its answer lost */
	else if (status < 500)
		sim_fail(s->f->sim, "SUBSCRIBE of '%s' was answered %s", s->f->name, why);
	lost(s, why);
}

/* ---- subscribing ----------------------------------------------------------------------- */

static Mesos__V1__FrameworkInfo *make_info(struct sim_framework *f, struct arena *m)
{
	static const Mesos__V1__FrameworkInfo__Capability__Type types[] = {
		MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT,
		MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE,
		MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE,
	};
	Mesos__V1__FrameworkInfo *i = PB_NEW(m, Mesos__V1__FrameworkInfo, mesos__v1__framework_info);
	i->user = arena_strdup(m, "nobody");
	i->name = f->name;
	i->has_failover_timeout = i->has_checkpoint = 1;
	i->failover_timeout = 7 * 24 * 3600.0;
	i->checkpoint = !f->cfg.unchecked;
	if (f->id) {
		i->id = PB_NEW(m, Mesos__V1__FrameworkID, mesos__v1__framework_id);
		i->id->value = f->id;
	}
	i->capabilities = (Mesos__V1__FrameworkInfo__Capability **)pb_array(m, MZ_N(types));
	for (size_t k = 0; k < MZ_N(types); k++) {
		if ((k == 1 && !f->partition_aware) || (k == 2 && !f->multi_role))
			continue;
		Mesos__V1__FrameworkInfo__Capability *c =
			PB_NEW(m, Mesos__V1__FrameworkInfo__Capability, mesos__v1__framework_info__capability);
		c->has_type = 1;
		c->type = types[k];
		i->capabilities[i->n_capabilities++] = c;
	}
	if (f->multi_role) {
		i->n_roles = 1;
		i->roles = (char **)pb_array(m, 1);
		i->roles[0] = f->role;
	} else {
		i->role = f->role;
	}
	return i;
}

static void subscribe(void *arg)
{
	static const struct sim_call_fns fns = {.on_answer = on_answer,
						.on_data = on_data,
						.on_end = on_end,
						.on_arrived = on_arrived,
						.on_written = on_written,
						.on_server_end = on_server_end};
	struct sim_framework *f = arg;
	struct arena mz_autoarena m = {0};
	struct buf mz_autobuf b = {0};
	pb_call c = MESOS__V1__SCHEDULER__CALL__INIT;
	Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;
	f->retry = NULL;
	c.has_type = 1;
	c.type = CALL(SUBSCRIBE);
	c.subscribe = PB_NEW(&m, Mesos__V1__Scheduler__Call__Subscribe, mesos__v1__scheduler__call__subscribe);
	c.subscribe->framework_info = make_info(f, &m);
	if (f->id) {
		id.value = f->id;
		c.framework_id = &id;
	}
	f->suppressed = false;
	codec_encode(f->codec, &c.base, &b);
	struct sim_request r = {.method = "POST",
				.path = "/api/v1/scheduler",
				.content_type = codec_content_type(f->codec),
				.accept = codec_content_type(f->codec),
				.body = b.data,
				.size = b.len};
	struct stream *s = xnew(struct stream);
	s->f = f;
	s->reader.max_record = s->written.max_record = 64 << 20;
	f->stream = s;
	list_append(&f->streams, &s->in_framework);
	s->call = sim_call_new(f->net, f->node, f->master, &r, &fns, s);
}

/* The scheduler's process has moved: a new stream, and the old one may still be
 * open on the master's side. */
static void fail_over(struct sim_framework *f)
{
	sim_trace(f->sim, "%s fails over", f->name);
	f->n_failovers++;
	f->subscribed = false;
	fw_forget_offers(f);
	struct stream *old = f->stream;
	f->stream = NULL;
	if (old && sim_chance(f->sim, 500)) {
		sim_call_close(old->call);
		old->call = NULL;
	}
	if (!f->retry)
		subscribe(f);
}

static void on_tick(void *arg)
{
	struct sim_framework *f = arg;
	f->tick = loop_timer(&f->node->loop, 10 * NS_PER_SEC, on_tick, f);
	if (f->done)
		return;
	if (f->subscribed && !f->torn_down && sim_chance(f->sim, f->cfg.failover_permille))
		fail_over(f);
	else if (f->subscribed)
		fw_on_tick(f);
}

/* ---- life --------------------------------------------------------------------------------- */

struct sim_framework *sim_framework_new(struct sim *s, struct sim_net *net, struct checker *c, unsigned number,
					const char *master, const unsigned *n_lives,
					const struct sim_framework_config *cfg)
{
	struct sim_framework *f = xnew(struct sim_framework);
	f->sim = s;
	f->net = net;
	f->checker = c;
	f->number = number;
	f->master = xstrdup(master);
	f->n_lives = n_lives;
	f->cfg = *cfg;
	snprintf(f->name, sizeof(f->name), "framework%u", number);
	snprintf(f->host.name, sizeof(f->host.name), "scheduler%u", number);
	snprintf(f->role, sizeof(f->role), "role%u", number % 5);
	f->codec = sim_chance(s, 400) ? CODEC_JSON : CODEC_PROTOBUF;
	f->partition_aware = sim_chance(s, 700);
	f->multi_role = sim_chance(s, 700);
	f->who = (struct checker_scheduler){
		.number = number, .role = f->role, .multi_role = f->multi_role, .partition_aware = f->partition_aware,
		.unchecked = cfg->unchecked};
	f->id = cfg->own_id ? xasprintf("chosen-by-%s", f->name) : NULL;
	f->node = sim_node_new(s, &f->host, f->name);
	list_init(&f->calls);
	list_init(&f->open);
	list_init(&f->streams);
	f->retry = loop_timer(&f->node->loop, sim_exp(s, NS_PER_SEC), subscribe, f);
	f->tick = loop_timer(&f->node->loop, sim_between(s, 0, 10 * NS_PER_SEC), on_tick, f);
	return f;
}

void sim_framework_free(struct sim_framework *f)
{
	if (!f)
		return;
	sim_node_kill(f->node);
	fw_tasks_done(f);
	list_each(&f->calls, struct fw_call, in_queue, c)
		call_free(c);
	call_free(f->current);
	sim_call_close(f->in_flight);
	list_each(&f->streams, struct stream, in_framework, s) {
		sim_call_close(s->call);
		stream_free(s);
	}
	sim_net_forget(f->net, f->node);
	sim_node_free(f->node);
	free(f->id);
	free(f->stream_id);
	free(f->master);
	free(f);
}

bool sim_framework_is_done(const struct sim_framework *f)
{
	return f->done;
}

bool sim_framework_has_ended(const struct sim_framework *f)
{
	return f->n_ended == f->cfg.n_tasks;
}

void sim_framework_leave(struct sim_framework *f)
{
	f->leaves = true;
}

struct sim_host *sim_framework_host(struct sim_framework *f)
{
	return &f->host;
}

void sim_framework_describe(const struct sim_framework *f, struct buf *out)
{
	buf_addf(out, "%s (%s): %s, %u launched, %u ended of %u\n", f->name, f->id ? f->id : "no id",
		 f->done ? "done" : f->subscribed ? "subscribed" : "not subscribed", f->n_launched, f->n_ended,
		 f->cfg.n_tasks);
	int n = 0;
	list_each(&f->open, struct fw_task, in_open, t)
		if (n++ < 5)
			buf_addf(out, "  %s on %s, last news at %.3f s\n", t->id, t->agent_id, (double)t->last_news / 1e9);
}
