/* session.c - event streams of subscribed schedulers: one record is one chunk,
 * a heartbeat every 15 s. A reader that is too slow is cut by the stream, which
 * is a disconnection like any other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"
#include "wire/recordio.h"

#define EVENT(name) MESOS__V1__SCHEDULER__EVENT__TYPE__##name

void event_encode(enum codec c, const pb_event *e, struct buf *out)
{
	struct buf body = {0};
	codec_encode(c, &e->base, &body);
	recordio_add(out, body.data, body.len);
	buf_done(&body);
}

void event_send(struct framework *f, pb_event *e)
{
	if (!f->session.stream)
		return;
	e->has_type = 1;
	struct buf out = {0};
	event_encode(f->session.codec, e, &out);
	if ((unsigned)e->type < N_EVENT_TYPES)
		f->metrics.events[e->type]++;
	/* A failure is followed by on_gone, which does what there is to do. */
	if (!f->session.cut && http_send(f->session.stream, out.data, out.len) < 0)
		f->session.cut = true;
	buf_done(&out);
}

void event_error(struct framework *f, const char *message)
{
	Mesos__V1__Scheduler__Event__Error error = MESOS__V1__SCHEDULER__EVENT__ERROR__INIT;
	pb_event e = MESOS__V1__SCHEDULER__EVENT__INIT;
	error.message = (char *)message;
	e.type = EVENT(ERROR);
	e.error = &error;
	event_send(f, &e);
}

void event_update(struct framework *f, pb_status *s)
{
	Mesos__V1__Scheduler__Event__Update update = MESOS__V1__SCHEDULER__EVENT__UPDATE__INIT;
	pb_event e = MESOS__V1__SCHEDULER__EVENT__INIT;
	update.status = s;
	e.type = EVENT(UPDATE);
	e.update = &update;
	event_send(f, &e);
}

/* Of a stream that was cut and that nobody waits for any more. */
static void on_nobody_gone(void *arg)
{
	(void)arg;
}

void session_refuse(struct http_stream *s, enum codec c, const char *message)
{
	Mesos__V1__Scheduler__Event__Error error = MESOS__V1__SCHEDULER__EVENT__ERROR__INIT;
	pb_event e = MESOS__V1__SCHEDULER__EVENT__INIT;
	error.message = (char *)message;
	e.has_type = 1;
	e.type = EVENT(ERROR);
	e.error = &error;
	struct buf out = {0};
	event_encode(c, &e, &out);
	s->on_gone = on_nobody_gone;
	if (http_send(s, out.data, out.len) == 0)
		http_close(s);
	buf_done(&out);
}

static void on_heartbeat(void *arg)
{
	struct framework *f = arg;
	pb_event e = MESOS__V1__SCHEDULER__EVENT__INIT;
	e.type = EVENT(HEARTBEAT);
	f->session.heartbeat = loop_timer(f->m->loop, f->m->cfg.heartbeat_ns, on_heartbeat, f);
	event_send(f, &e);
}

static void on_stream_gone(void *arg)
{
	struct framework *f = arg;
	f->session.stream = NULL;
	f->session.cut = false;
	loop_timer_cancel(f->m->loop, f->session.heartbeat);
	f->session.heartbeat = NULL;
	backlog_drop(f);
	log_info(AREA, "Framework %s (%s) disconnected", f->id, f->info->name);
	framework_disconnected(f);
}

void session_open(struct framework *f, struct http_stream *s, enum codec c, const char *id)
{
	f->session.stream = s;
	f->session.codec = c;
	f->session.queued = 0;
	f->session.checked_ns = f->session.moved_ns = loop_now(f->m->loop);
	snprintf(f->session.id, sizeof(f->session.id), "%s", id);
	s->on_gone = on_stream_gone;
	s->arg = f;

	mz_autoarena struct arena arena = {0};
	Mesos__V1__Scheduler__Event__Subscribed sub = MESOS__V1__SCHEDULER__EVENT__SUBSCRIBED__INIT;
	pb_event e = MESOS__V1__SCHEDULER__EVENT__INIT;
	sub.framework_id = id_framework(&arena, f->id);
	sub.has_heartbeat_interval_seconds = 1;
	sub.heartbeat_interval_seconds = (double)f->m->cfg.heartbeat_ns / NS_PER_SEC;
	sub.master_info = f->m->info;
	e.type = EVENT(SUBSCRIBED);
	e.subscribed = &sub;
	event_send(f, &e);
	on_heartbeat(f);
}

void session_close(struct framework *f, const char *error)
{
	backlog_drop(f);
	if (!f->session.stream)
		return;
	if (error)
		event_error(f, error);
	loop_timer_cancel(f->m->loop, f->session.heartbeat);
	f->session.heartbeat = NULL;
	f->session.stream->on_gone = on_nobody_gone;
	if (!f->session.cut)
		http_close(f->session.stream);
	f->session.cut = false;
	f->session.stream = NULL;
}
