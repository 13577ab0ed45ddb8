/* attach.c - ATTACH_CONTAINER_OUTPUT and ATTACH_CONTAINER_INPUT: what a container
 * writes and reads, as ProcessIO records over HTTP. Both ways the slower side holds
 * back the other one: nothing is kept but what is on its way, and that is bounded.
 * Connections to containers are agent/attach.c's, messages process_io.c's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/attach.h"

#include <mezzo/containerizer.h>

#include "agent/api/api.h"
#include "agent/api/process_io.h"
#include "agent/attach.h"
#include "wire/recordio.h"

enum { MAX_RECORD = 4 << 20 };

static void refuse(struct http_exchange *x, const struct mz_err *err)
{
	http_reply_text(x, err->code == -ENOENT ? 404 : 500, "%s", err->msg);
}

static bool is_there(struct agent *a, const char *id)
{
	const struct nested *n = nested_find(a, id);
	return n ? n->state == NESTED_RUNNING : map_has(&a->containers, id);
}

/* ---- output -------------------------------------------------------------------------- */

struct output {
	struct attached base; /* first member */
	struct agent *agent;
	struct attach *attach;
	struct http_exchange *x; /* until it is answered */
	struct http_stream *stream;
	struct loop_timer *heartbeat;
	struct api_media media;
	char *session; /* its container, or NULL */
};

static void output_free(struct output *o)
{
	list_remove(&o->base.node);
	loop_timer_cancel(o->agent->loop, o->heartbeat);
	attach_free(o->attach);
	if (o->session && !o->agent->stopping)
		nested_destroy(o->agent, o->session);
	free(o->session);
	free(o);
}

static void on_listener_gone(void *arg)
{
	struct output *o = arg;
	struct http_exchange *x = o->x;
	output_free(o);
	if (x) {
		x->on_gone = NULL;
		http_reply(x, 503, NULL, NULL, 0); /* frees it */
	}
}

static void on_heartbeat(void *arg)
{
	struct output *o = arg;
	o->heartbeat = loop_timer(o->agent->loop, o->agent->cfg.http_heartbeat_interval_ns, on_heartbeat, o);
	if (http_queued(o->stream) > ATTACH_QUEUE_MAX)
		return; /* it has enough to read */
	struct buf mz_autobuf b = {0};
	process_io_add_heartbeat(&b, o->media.codec, o->agent->cfg.http_heartbeat_interval_ns);
	http_send(o->stream, b.data, b.len);
}

static void on_output(void *arg, int stream, const void *data, size_t size)
{
	struct output *o = arg;
	struct buf mz_autobuf b = {0};
	process_io_add_output(&b, o->media.codec, stream, data, size);
	http_send(o->stream, b.data, b.len);
	if (http_queued(o->stream) > ATTACH_QUEUE_MAX)
		attach_pause(o->attach, true);
}

static void on_listener_room(void *arg)
{
	struct output *o = arg;
	attach_pause(o->attach, false);
}

static void on_nothing(void *arg)
{
	(void)arg;
}

static void on_output_end(void *arg, bool complete)
{
	struct output *o = arg;
	if (complete)
		http_close(o->stream);
	else
		http_abort(o->stream);
	output_free(o);
}

static void on_output_open(void *arg, const struct mz_err *err)
{
	struct output *o = arg;
	struct http_exchange *x = MZ_MOVE(o->x);
	x->on_gone = NULL;
	if (err) {
		refuse(x, err);
		output_free(o);
		return;
	}
	o->stream = api_stream_media(x, o->media);
	o->stream->on_gone = on_listener_gone;
	o->stream->on_room = on_listener_room;
	o->stream->arg = o;
	o->heartbeat = loop_timer(o->agent->loop, o->agent->cfg.http_heartbeat_interval_ns, on_heartbeat, o);
}

static void output_stop(struct attached *at)
{
	struct output *o = (struct output *)at;
	if (o->stream)
		http_close(o->stream);
	if (o->x) {
		o->x->on_gone = NULL;
		http_reply_text(o->x, 503, "The agent stops");
	}
	output_free(o);
}

void agent_api_output(struct agent *a, const char *container_id, bool session, struct api_media media,
		      struct http_exchange *x)
{
	static const struct attach_cb cb = {on_output_open, on_output, on_nothing, on_output_end};
	if (!is_there(a, container_id)) {
		http_reply_text(x, 404, "Container '%s' cannot be found", container_id);
		return;
	}
	struct output *o = xnew(struct output);
	o->base.stop = output_stop;
	o->agent = a;
	o->x = x;
	o->media = media;
	o->session = session ? xstrdup(container_id) : NULL;
	list_append(&a->attached, &o->base.node);
	x->on_gone = on_listener_gone;
	x->on_gone_arg = o;
	attach_new(a, container_id, ATTACH_OUTPUT, &cb, o, &o->attach);
}

/* ---- input ----------------------------------------------------------------------------- */

enum input_state {
	INPUT_FIRST,   /* the record that names the container has not come */
	INPUT_ASKING,  /* may they? */
	INPUT_OPENING, /* the container is connected to */
	INPUT_OPEN,
};

struct input {
	struct attached base; /* first member */
	struct agent *agent;
	enum input_state state;
	enum codec codec;
	struct http_exchange *x; /* NULL: the peer has left while the authorizer thought */
	struct recordio_reader reader;
	VEC(struct mz_bytes) early; /* records that came before it was open */
	struct arena first;
	const Mesos__V1__Agent__Call *call; /* the first one, in `first` */
	char *id, *principal;
	struct attach *attach;
	bool tty, over; /* over: the body is complete */
	/* While a piece of the body is taken: of the answer if it is refused. */
	struct mz_err *err;
	int status;
};

static void input_free(struct input *q)
{
	list_remove(&q->base.node);
	attach_free(q->attach);
	recordio_reader_done(&q->reader);
	for (size_t i = 0; i < q->early.n; i++)
		free((void *)q->early.v[i].data);
	vec_done(&q->early);
	arena_done(&q->first);
	free(q->id);
	free(q->principal);
	free(q);
}

/* It is on its way out: only the authorizer still holds it. */
static void input_drop(struct input *q)
{
	q->x = NULL;
	if (q->state != INPUT_ASKING)
		input_free(q);
}

static void input_end(struct input *q, int status, const char *why)
{
	struct http_exchange *x = q->x;
	x->on_gone = NULL;
	input_drop(q);
	if (why)
		http_reply_text(x, status, "%s", why);
	else
		http_reply(x, status, NULL, NULL, 0);
}

static void on_sender_gone(void *arg)
{
	input_end(arg, 503, NULL); /* frees it */
}

/* All that was sent is the container's. */
static void input_maybe_done(struct input *q)
{
	if (q->state == INPUT_OPEN && q->over && !attach_queued(q->attach))
		input_end(q, 200, NULL);
}

static int take_control(struct input *q, const Mesos__V1__Agent__ProcessIO__Control *c, struct mz_err *err)
{
	if (c->type != MESOS__V1__AGENT__PROCESS_IO__CONTROL__TYPE__TTY_INFO)
		return 0;
	if (!q->tty)
		return mz_fail(err, -EINVAL, "Unable to set the window size: container '%s' has no terminal", q->id);
	attach_window(q->attach, c->tty_info->window_size->rows, c->tty_info->window_size->columns);
	return 0;
}

static void take_data(struct input *q, const Mesos__V1__Agent__ProcessIO__Data *d)
{
	if (d->data.len)
		attach_stdin(q->attach, d->data.data, d->data.len);
	else if (!q->tty) /* a terminal has no end: there it is what is typed for it */
		attach_stdin_end(q->attach);
}

static const Mesos__V1__Agent__Call *decode(const struct input *q, struct arena *m, const char *record, size_t len,
					    struct mz_err *err)
{
	return (const Mesos__V1__Agent__Call *)codec_decode(q->codec, &mesos__v1__agent__call__descriptor, m, record, len,
							    err);
}

static int take_next(struct input *q, const char *record, size_t len, struct mz_err *err)
{
	struct arena mz_autoarena m = {0};
	const Mesos__V1__Agent__Call *c = decode(q, &m, record, len, err);
	int rc = c ? process_io_check_next(c, err) : -EINVAL;
	if (rc < 0)
		return rc;
	const Mesos__V1__Agent__ProcessIO *io = c->attach_container_input->process_io;
	if (io->type == MESOS__V1__AGENT__PROCESS_IO__TYPE__CONTROL)
		return take_control(q, io->control, err);
	take_data(q, io->data);
	return 0;
}

/* ---- the way to the container ------------------------------------------------------------- */

static void on_input_open(void *arg, const struct mz_err *err)
{
	struct input *q = arg;
	struct mz_err why;
	if (err) {
		struct http_exchange *x = q->x;
		x->on_gone = NULL;
		input_drop(q);
		refuse(x, err);
		return;
	}
	q->state = INPUT_OPEN;
	for (size_t i = 0; i < q->early.n; i++)
		if (take_next(q, q->early.v[i].data, q->early.v[i].size, &why) < 0) {
			input_end(q, 400, why.msg);
			return;
		}
	http_exchange_pause(q->x, attach_queued(q->attach) > ATTACH_QUEUE_MAX);
	input_maybe_done(q);
}

static void on_input_room(void *arg)
{
	struct input *q = arg;
	if (q->state != INPUT_OPEN)
		return;
	http_exchange_pause(q->x, false);
	input_maybe_done(q);
}

static void on_input_end(void *arg, bool complete)
{
	struct input *q = arg;
	mz_autofree char *why = xasprintf("Container '%s' has ended without taking all of its input", q->id);
	if (complete)
		input_end(q, 200, NULL);
	else
		input_end(q, 500, why);
}

static bool has_tty(struct agent *a, const char *id)
{
	const struct nested *n = nested_find(a, id);
	const struct executor *ex = n ? NULL : map_get(&a->containers, id);
	const Mesos__V1__ContainerInfo *c = n ? n->container : ex ? agent_executor_container(ex) : NULL;
	return c && c->tty_info;
}

static bool is_taken(const struct input *q);

static void on_authorized(void *arg, const struct mz_err *err)
{
	static const struct attach_cb cb = {on_input_open, NULL, on_input_room, on_input_end};
	struct input *q = arg;
	q->state = INPUT_OPENING;
	if (!q->x) {
		input_free(q);
	} else if (err) {
		struct http_exchange *x = q->x;
		x->on_gone = NULL;
		input_drop(q);
		agent_api_refuse(x, err);
	} else if (!is_there(q->agent, q->id)) {
		mz_autofree char *why = xasprintf("Container '%s' cannot be found", q->id);
		input_end(q, 404, why);
	} else if (is_taken(q)) {
		input_end(q, 409, "Multiple input connections are not allowed");
	} else {
		q->tty = has_tty(q->agent, q->id);
		attach_new(q->agent, q->id, ATTACH_INPUT, &cb, q, &q->attach);
	}
}

/* ---- the request ------------------------------------------------------------------------- */

static const char *call_name(const Mesos__V1__Agent__Call *c)
{
	const char *name = c->has_type ? pb_enum_name(&mesos__v1__agent__call__type__descriptor, (int)c->type) : NULL;
	return name ? name : "UNKNOWN";
}

static int take_first(struct input *q, const char *record, size_t len)
{
	q->call = decode(q, &q->first, record, len, q->err);
	if (!q->call)
		return -EINVAL;
	if (q->call->has_type && q->call->type != MESOS__V1__AGENT__CALL__TYPE__ATTACH_CONTAINER_INPUT) {
		q->status = 415;
		return mz_fail(q->err, -EINVAL, "Streaming 'Content-Type' application/recordio is not supported for %s call",
			       call_name(q->call));
	}
	int rc = process_io_check_first(q->call, q->err);
	if (rc == 0)
		rc = agent_api_check_id(q->call->attach_container_input->container_id, q->err);
	if (rc < 0) {
		mz_wrap(q->err, "Failed to validate call");
		return rc;
	}
	q->id = nested_path(q->call->attach_container_input->container_id);
	q->state = INPUT_ASKING;
	return 0;
}

static int on_record(void *arg, const char *record, size_t len)
{
	struct input *q = arg;
	if (q->state == INPUT_FIRST)
		return take_first(q, record, len);
	if (q->state == INPUT_OPEN)
		return take_next(q, record, len, q->err);
	vec_push(&q->early, ((struct mz_bytes){xmemdup(record, len), len}));
	return 0;
}

static void on_body(void *arg, const void *data, size_t size)
{
	struct input *q = arg;
	bool was_first = q->state == INPUT_FIRST;
	struct mz_err err;
	q->err = &err;
	q->status = 400;
	if (recordio_feed(&q->reader, data, size, on_record, q, &err) < 0) {
		input_end(q, q->status, err.msg);
	} else if (q->state == INPUT_OPEN) {
		http_exchange_pause(q->x, attach_queued(q->attach) > ATTACH_QUEUE_MAX);
	} else if (was_first && q->state == INPUT_ASKING) {
		http_exchange_pause(q->x, true);
		agent_api_ask(q->agent, q->call, q->call->attach_container_input->container_id, q->principal, on_authorized,
			      q);
	}
}

static void on_body_end(void *arg, bool complete)
{
	struct input *q = arg;
	if (!complete)
		return; /* on_sender_gone follows */
	if (q->state == INPUT_FIRST) {
		input_end(q, 400, "Received EOF while reading request body");
	} else if (q->reader.pending.len) {
		input_end(q, 400, "Received EOF in the middle of a record");
	} else {
		q->over = true;
		input_maybe_done(q);
	}
}

static void input_stop(struct attached *at)
{
	struct input *q = (struct input *)at;
	if (q->x)
		input_end(q, 503, "The agent stops");
}

/* Another one types into that container. */
static bool is_taken(const struct input *q)
{
	list_each(&q->agent->attached, struct attached, node, at) {
		const struct input *other = (const struct input *)at;
		if (at->stop == input_stop && other != q && other->state >= INPUT_OPENING && strcmp(other->id, q->id) == 0)
			return true;
	}
	return false;
}

/* The encoding of the records; false: answered. */
static bool check_request(struct agent *a, const struct http_request *r, struct http_exchange *x, enum codec *ret)
{
	const char *message = http_header(r, "Message-Content-Type");
	struct api_media media;
	int c = message ? codec_from_content_type(message) : 0;
	if (a->phase != AGENT_RECOVERED)
		http_reply_text(x, 503, "Agent has not finished recovery");
	else if (!api_is_post(r, x))
		return false;
	else if (!message)
		http_reply_text(x, 400, "Expecting 'Message-Content-Type' to be set for streaming requests");
	else if (!c)
		http_reply_text(x, 415, "Expecting 'Message-Content-Type' of application/json or application/x-protobuf");
	else if (api_accept_media(r, x, &media)) {
		*ret = (enum codec)c;
		return true;
	}
	return false;
}

void agent_api_attach_input(struct agent *a, const struct http_request *r, struct http_exchange *x)
{
	static const struct http_body_cb cb = {on_body, on_body_end};
	enum codec codec;
	if (!check_request(a, r, x, &codec))
		return;
	struct input *q = xnew(struct input);
	q->base.stop = input_stop;
	q->agent = a;
	q->codec = codec;
	q->x = x;
	q->reader.max_record = MAX_RECORD;
	q->principal = r->principal ? xstrdup(r->principal) : NULL;
	list_append(&a->attached, &q->base.node);
	x->on_gone = on_sender_gone;
	x->on_gone_arg = q;
	if (http_exchange_read(x, &cb, q) < 0)
		input_end(q, 501, "Streamed requests are not available here");
}

void agent_attached_done(struct agent *a)
{
	list_each(&a->attached, struct attached, node, at)
		at->stop(at);
}
