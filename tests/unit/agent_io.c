/* agent_io.c - see agent_io.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_io.h"

#include <string.h>

char *text(struct world *w, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	mz_autofree char *s = xvasprintf(fmt, ap);
	va_end(ap);
	return arena_strdup(&w->arena, s);
}

/* ---- calls ------------------------------------------------------------------------------ */

struct fake_call *post(struct world *w, const char *headers, const char *json)
{
	struct fake_call *c = fake_http(w->loop, &w->router, "POST", "/api/v1", headers, json, strlen(json));
	vec_push(&w->calls, c);
	world_settle(w);
	return c;
}

struct fake_call *stream(struct world *w, const char *method, const char *headers)
{
	struct fake_call *c = fake_http_streamed(w->loop, &w->router, method, "/api/v1", headers);
	vec_push(&w->calls, c);
	return c;
}

static pb_msg *parse(struct world *w, const pb_desc *d, const char *json)
{
	struct mz_err err;
	pb_msg *m = json_decode(d, &w->arena, json, strlen(json), &err);
	if (!m)
		fail_msg("%s: %s", err.msg, json);
	return m;
}

/* One record of a request, given as JSON. */
void record(struct world *w, struct fake_call *c, enum codec codec, const char *json)
{
	struct buf mz_autobuf body = {0}, r = {0};
	codec_encode(codec, parse(w, &mesos__v1__agent__call__descriptor, json), &body);
	recordio_add(&r, body.data, body.len);
	fake_body(c, r.data, r.len);
	world_settle(w);
}

/* A record as it is. */
void raw(struct world *w, struct fake_call *c, const char *bytes)
{
	struct buf mz_autobuf r = {0};
	recordio_add(&r, bytes, strlen(bytes));
	fake_body(c, r.data, r.len);
	world_settle(w);
}

char *first_json(struct world *w, const char *id)
{
	char where[512];
	const char *dot = strchr(id, '.');
	if (dot)
		snprintf(where, sizeof(where), "{\"value\":\"%s\",\"parent\":{\"value\":\"%.*s\"}}", dot + 1, (int)(dot - id), id);
	else
		snprintf(where, sizeof(where), "{\"value\":\"%s\"}", id);
	return text(w, "{\"type\":\"ATTACH_CONTAINER_INPUT\",\"attach_container_input\":{\"type\":\"CONTAINER_ID\","
				       "\"container_id\":%s}}", where);
}

/* An executor "e" that runs, and in it a container with a terminal; the id of that one. */
const char *terminal(struct world *w)
{
	world_register(w);
	run_task(w, "t", "e");
	assert_int_equal(executor_subscribe(w, "e", NULL)->status, 200);
	const char *top = arena_strdup(&w->arena, last_container(w));
	char *json = text(w, "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"n\","
		 "\"parent\":{\"value\":\"%s\"}},\"command\":{\"value\":\"x\"},\"container\":{\"type\":\"MESOS\",\"tty_info\":{"
		 "\"window_size\":{\"rows\":30,\"columns\":100}}}}}", top);
	assert_int_equal(post(w, JSON_HEADERS, json)->status, 200);
	return text(w, "%s.n", top);
}

const char *top_of(struct world *w, const char *id)
{
	return arena_strndup(&w->arena, id, strcspn(id, "."));
}

struct fake_call *session(struct world *w, const char *headers, const char *top, const char *more)
{
	return post(w, headers, text(w, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\","
		"\"launch_nested_container_session\":{\"container_id\":{\"value\":\"s\",\"parent\":{\"value\":\"%s\"}}%s}}", top, more));
}

struct fake_call *output(struct world *w, const char *headers, const char *id)
{
	const char *dot = strchr(id, '.');
	const char *top = top_of(w, id);
	return post(w, headers, dot ? text(w, "{\"type\":\"ATTACH_CONTAINER_OUTPUT\",\"attach_container_output\":{"
		"\"container_id\":{\"value\":\"%s\",\"parent\":{\"value\":\"%s\"}}}}", dot + 1, top)
		: text(w, "{\"type\":\"ATTACH_CONTAINER_OUTPUT\",\"attach_container_output\":{"
		"\"container_id\":{\"value\":\"%s\"}}}", id));
}

/* ---- the I/O server ------------------------------------------------------------------------ */

struct fake_io *io(struct world *w)
{
	assert_true(w->ios.n > 0);
	return w->ios.v[w->ios.n - 1];
}

/* What was sent to it, frame by frame: "6869", "+<type>:<text>" each. */
const char *sent(struct world *w, struct fake_io *f)
{
	struct buf b = {0};
	const unsigned char *p = (const unsigned char *)buf_str(&f->sent);
	for (size_t at = 0; at < f->sent.len;) {
		size_t size = p[at + 4] | (size_t)p[at + 5] << 8 | (size_t)p[at + 6] << 16;
		assert_true(size <= MZ_IO_MAX && p[at + 1] + p[at + 2] + p[at + 3] + p[at + 7] == 0);
		if (p[at] == MZ_IO_WINDOW)
			buf_addf(&b, "+3:%dx%d", p[at + 8] | p[at + 9] << 8, p[at + 10] | p[at + 11] << 8);
		else if (size > 100)
			buf_addf(&b, "+%d:#%zu", p[at], size);
		else
			buf_addf(&b, "+%d:%.*s", p[at], (int)size, p + at + 8);
		at += 8 + size;
	}
	const char *all = arena_strdup(&w->arena, buf_str(&b));
	buf_done(&b);
	return all;
}

void frame(struct buf *b, int type, const char *data, size_t size)
{
	const char head[8] = {(char)type, 0, 0, 0, (char)size, (char)(size >> 8), (char)(size >> 16), 0};
	buf_add(b, head, 8);
	buf_add(b, data, size);
}

void writes(struct world *w, struct fake_io *f, int type, const char *what)
{
	struct buf mz_autobuf b = {0};
	frame(&b, type, what, strlen(what));
	f->cb->on_data(f->arg, b.data, b.len);
	world_settle(w);
}

/* The next record of a stream, as text. */
const char *next(struct world *w, struct fake_call *c, enum codec codec)
{
	size_t size;
	struct mz_err err;
	const char *r = fake_next(c, &size);
	if (!r)
		return "";
	process_io *p = (process_io *)codec_decode(codec, &mesos__v1__agent__process_io__descriptor, &w->arena, r, size, &err);
	if (!p)
		fail_msg("%s", err.msg);
	if (p->type == IO(TYPE__CONTROL))
		return text(w, "beat %lld", (long long)p->control->heartbeat->interval->nanoseconds);
	return text(w, "%s %.*s", p->data->type == IO(DATA__TYPE__STDERR) ? "err" : "out",
			    (int)p->data->data.len, p->data->data.data);
}
