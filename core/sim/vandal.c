/* vandal.c - the connection of a vandal: its stream, and what becomes of its calls.
 * See vandal.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/vandal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/vandal_impl.h"

/* A stream lives as long as its vandal: the master may still write to it. */
struct vandal_stream {
	struct list in_vandal;
	struct sim_vandal *v;
	struct sim_call *call; /* NULL: ended */
	enum codec codec;
	char *id; /* of the framework; NULL: not subscribed yet */
	struct recordio_reader reader, written;
};

struct vandal_call {
	struct list in_vandal;
	struct sim_vandal *v;
	struct sim_call *call;
	char **offer_ids; /* that it ends, when they are its own */
	size_t n_offer_ids;
	bool unreadable; /* nothing but 400 is right */
};

static void subscribe(void *arg);

/* ---- calls ------------------------------------------------------------------------ */

static void call_free(struct vandal_call *k)
{
	for (size_t i = 0; i < k->n_offer_ids; i++)
		free(k->offer_ids[i]);
	free(k->offer_ids);
	free(k);
}

static void on_call_answer(void *arg, int status, bool stream MZ_UNUSED, const char *stream_id MZ_UNUSED,
			   const void *body, size_t size)
{
	struct vandal_call *k = arg;
	struct sim_vandal *v = k->v;
	/* 501: of a type that there is not. */
	if ((status >= 500 && status != 501 && status != 503) || (k->unreadable && status != 400 && status != 503))
		sim_fail(v->sim, "A %scall of '%s' was answered %d: %.*s", k->unreadable ? "malformed " : "", v->name,
			 status, (int)MZ_MIN(size, (size_t)300), (const char *)body);
	sim_trace(v->sim, "%s: answered %d %.*s", v->name, status, (int)MZ_MIN(size, (size_t)150), (const char *)body);
	list_remove(&k->in_vandal);
	list_append(&v->over, &k->in_vandal); /* the server may still look at it */
}

static void on_call_end(void *arg, const char *why MZ_UNUSED)
{
	struct vandal_call *k = arg;
	list_remove(&k->in_vandal);
	list_append(&k->v->over, &k->in_vandal);
}

static void on_call_arrived(void *arg)
{
	struct vandal_call *k = arg;
	for (size_t i = 0; i < k->n_offer_ids; i++)
		if (map_has(&k->v->own_offers, k->offer_ids[i]))
			checker_offer_ended(k->v->checker, k->offer_ids[i]);
}

void vandal_send(struct sim_vandal *v, const char *stream_id, const struct buf *body, char **offer_ids,
		 size_t n_offer_ids, bool unreadable)
{
	static const struct sim_call_fns fns = {
		.on_answer = on_call_answer, .on_end = on_call_end, .on_arrived = on_call_arrived};
	struct vandal_call *k = xnew(struct vandal_call);
	k->v = v;
	k->offer_ids = offer_ids;
	k->n_offer_ids = n_offer_ids;
	k->unreadable = unreadable;
	list_append(&v->calls, &k->in_vandal);
	v->n_calls++;
	struct sim_request r = {.method = "POST",
				.path = "/api/v1/scheduler",
				.content_type = codec_content_type(v->codec),
				.stream_id = stream_id,
				.body = body->data,
				.size = body->len};
	k->call = sim_call_new(v->net, v->node, v->master, &r, &fns, k);
}

/* ---- the stream ------------------------------------------------------------------------ */

static Mesos__V1__Scheduler__Event *decode(struct vandal_stream *s, const char *record, size_t len, struct arena *m)
{
	struct mz_err err;
	Mesos__V1__Scheduler__Event *e = (Mesos__V1__Scheduler__Event *)codec_decode(
		s->codec, &mesos__v1__scheduler__event__descriptor, m, record, len, &err);
	if (!e)
		sim_fail(s->v->sim, "'%s' got no event: %s", s->v->name, err.msg);
	return e;
}

static int on_written_event(void *arg, const char *record, size_t len)
{
	struct vandal_stream *s = arg;
	struct arena mz_autoarena m = {0};
	Mesos__V1__Scheduler__Event *e = decode(s, record, len, &m);
	if (e && e->type == EVENT(SUBSCRIBED)) {
		/* Nothing holds that was said on an older stream of this framework. */
		xset(&s->id, e->subscribed->framework_id->value);
		list_each(&s->v->streams, struct vandal_stream, in_vandal, old)
			if (old != s && str_eq(old->id, s->id))
				checker_offers_ended(s->v->checker, old);
	}
	if (e && e->type == EVENT(OFFERS))
		for (size_t i = 0; i < e->offers->n_offers; i++) {
			checker_offer_made(s->v->checker, s, NULL, e->offers->offers[i]);
			(void)map_put(&s->v->own_offers, e->offers->offers[i]->id->value, s);
		}
	if (e && e->type == EVENT(RESCIND))
		checker_offer_ended(s->v->checker, e->rescind->offer_id->value);
	return 0;
}

static void on_written(void *arg, const void *data, size_t size)
{
	struct vandal_stream *s = arg;
	(void)recordio_feed(&s->written, data, size, on_written_event, s, NULL);
}

static void on_server_end(void *arg)
{
	struct vandal_stream *s = arg;
	checker_offers_ended(s->v->checker, s);
}

static int on_event(void *arg, const char *record, size_t len)
{
	struct vandal_stream *s = arg;
	struct sim_vandal *v = s->v;
	struct arena mz_autoarena m = {0};
	Mesos__V1__Scheduler__Event *e = v->stream == s ? decode(s, record, len, &m) : NULL;
	if (!e)
		return 0;
	switch (e->type) {
	case EVENT(SUBSCRIBED):
		xset(&v->id, e->subscribed->framework_id->value);
		gossip_tell(v->gossip, GOSSIP_FRAMEWORK, v->id);
		break;
	case EVENT(OFFERS):
		for (size_t i = 0; i < e->offers->n_offers; i++)
			vandal_on_offer(v, e->offers->offers[i]);
		break;
	case EVENT(UPDATE):
		vandal_on_update(v, e->update->status);
		break;
	case EVENT(ERROR):
		sim_trace(v->sim, "%s: ERROR %.150s", v->name, e->error->message);
		xset(&v->id, NULL);
		break;
	default:
		break;
	}
	return 0;
}

static void on_data(void *arg, const void *data, size_t size)
{
	struct vandal_stream *s = arg;
	struct mz_err err;
	if (s->v->stream == s && recordio_feed(&s->reader, data, size, on_event, s, &err) < 0)
		sim_fail(s->v->sim, "'%s' got a broken stream: %s", s->v->name, err.msg);
}

static void lost(struct vandal_stream *s)
{
	struct sim_vandal *v = s->v;
	s->call = NULL;
	if (v->stream != s)
		return;
	v->stream = NULL;
	xset(&v->stream_id, NULL);
	if (!v->left)
		(void)loop_timer(&v->node->loop, sim_exp(v->sim, NS_PER_SEC), subscribe, v);
}

static void on_end(void *arg, const char *why MZ_UNUSED)
{
	lost(arg);
}

static void on_answer(void *arg, int status, bool stream, const char *stream_id, const void *body, size_t size)
{
	struct vandal_stream *s = arg;
	if (stream && status == 200) {
		if (s->v->stream == s)
			xset(&s->v->stream_id, stream_id);
		return;
	}
	if (status >= 500 && status != 501 && status != 503)
		sim_fail(s->v->sim, "SUBSCRIBE of '%s' was answered %d: %.*s", s->v->name, status, (int)size,
			 (const char *)body);
	xset(&s->v->id, NULL);
	lost(s);
}

static void subscribe(void *arg)
{
	static const struct sim_call_fns fns = {.on_answer = on_answer,
						.on_data = on_data,
						.on_end = on_end,
						.on_written = on_written,
						.on_server_end = on_server_end};
	struct sim_vandal *v = arg;
	struct buf mz_autobuf b = {0};
	if (v->left || v->stream)
		return;
	v->codec = sim_chance(v->sim, 500) ? CODEC_JSON : CODEC_PROTOBUF;
	vandal_subscribe(v, &b);
	struct vandal_stream *s = xnew(struct vandal_stream);
	s->v = v;
	s->codec = v->codec;
	s->reader.max_record = s->written.max_record = 64 << 20;
	list_append(&v->streams, &s->in_vandal);
	v->stream = s;
	struct sim_request r = {.method = "POST",
				.path = "/api/v1/scheduler",
				.content_type = codec_content_type(v->codec),
				.accept = codec_content_type(v->codec),
				.body = b.data,
				.size = b.len};
	s->call = sim_call_new(v->net, v->node, v->master, &r, &fns, s);
}

static void on_tick(void *arg)
{
	struct sim_vandal *v = arg;
	if (v->left)
		return;
	(void)loop_timer(&v->node->loop, sim_exp(v->sim, 100 * NS_PER_MS), on_tick, v);
	if (v->stream_id && v->id)
		vandal_call(v);
	/* Sometimes it hangs up, and goes on as another framework, or as itself. */
	if (v->stream && sim_chance(v->sim, 5)) {
		sim_call_close(v->stream->call);
		if (sim_chance(v->sim, 500))
			xset(&v->id, NULL);
		lost(v->stream);
	}
}

/* ---- life ---------------------------------------------------------------------------------- */

struct sim_vandal *sim_vandal_new(struct sim *s, struct sim_net *net, struct checker *c, struct gossip *g,
				  unsigned number, const char *master)
{
	struct sim_vandal *v = xnew(struct sim_vandal);
	v->sim = s;
	v->net = net;
	v->checker = c;
	v->gossip = g;
	v->number = number;
	v->master = xstrdup(master);
	snprintf(v->name, sizeof(v->name), "vandal%u", number);
	snprintf(v->host.name, sizeof(v->host.name), "vandal%u", number);
	v->codec = CODEC_JSON;
	v->node = sim_node_new(s, &v->host, v->name);
	list_init(&v->calls);
	list_init(&v->over);
	list_init(&v->streams);
	checker_anything_goes(c, number);
	(void)loop_timer(&v->node->loop, sim_exp(s, NS_PER_SEC), subscribe, v);
	(void)loop_timer(&v->node->loop, sim_exp(s, NS_PER_SEC), on_tick, v);
	return v;
}

void sim_vandal_leave(struct sim_vandal *v)
{
	if (v->left)
		return;
	v->left = true;
	if (v->stream)
		sim_call_close(v->stream->call);
	if (v->stream)
		lost(v->stream);
}

void sim_vandal_free(struct sim_vandal *v)
{
	if (!v)
		return;
	sim_node_kill(v->node);
	list_each(&v->calls, struct vandal_call, in_vandal, k) {
		sim_call_close(k->call);
		call_free(k);
	}
	list_each(&v->over, struct vandal_call, in_vandal, k)
		call_free(k);
	list_each(&v->streams, struct vandal_stream, in_vandal, s) {
		sim_call_close(s->call);
		recordio_reader_done(&s->reader);
		recordio_reader_done(&s->written);
		free(s->id);
		free(s);
	}
	sim_net_forget(v->net, v->node);
	sim_node_free(v->node);
	map_done(&v->own_offers);
	map_done(&v->own_tasks);
	for (size_t i = 0; i < MZ_N(v->offers); i++)
		free(v->offers[i].id), free(v->offers[i].agent_id), free(v->offers[i].role);
	free(v->id);
	free(v->stream_id);
	free(v->master);
	free(v);
}

struct sim_host *sim_vandal_host(struct sim_vandal *v)
{
	return &v->host;
}

size_t sim_vandal_waiting(const struct sim_vandal *v)
{
	size_t n = 0;
	list_each(&v->calls, struct vandal_call, in_vandal, k)
		n++;
	return n;
}

uint64_t sim_vandal_calls(const struct sim_vandal *v)
{
	return v->n_calls;
}
