/* agent_attach_test.c - ATTACH_CONTAINER_INPUT, ATTACH_CONTAINER_OUTPUT and
 * LAUNCH_NESTED_CONTAINER_SESSION: the checks in their order, both encodings, who
 * holds back whom, and what happens when one of the three sides leaves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <errno.h>
#include <string.h>

#include "agent/attach.h"
#include "mesos/v1/agent.pb-c.h"
#include "module/module.h"
#include "wire/codec.h"
#include "wire/json.h"

typedef Mesos__V1__Agent__ProcessIO process_io;

#define IO(name) MESOS__V1__AGENT__PROCESS_IO__##name
#define JSON_HEADERS "Content-Type: application/json\nAccept: application/json"
#define INPUT_HEADERS "Content-Type: application/recordio\nMessage-Content-Type: application/json\nAccept: application/json"

static char *text(struct world *w, const char *fmt, ...) MZ_PRINTF(2, 3);
static char *text(struct world *w, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	mz_autofree char *s = xvasprintf(fmt, ap);
	va_end(ap);
	return arena_strdup(&w->arena, s);
}

/* ---- calls ------------------------------------------------------------------------------ */

static struct fake_call *post(struct world *w, const char *headers, const char *json)
{
	struct fake_call *c = fake_http(w->loop, &w->router, "POST", "/api/v1", headers, json, strlen(json));
	vec_push(&w->calls, c);
	world_settle(w);
	return c;
}

static struct fake_call *stream(struct world *w, const char *method, const char *headers)
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
static void record(struct world *w, struct fake_call *c, enum codec codec, const char *json)
{
	struct buf mz_autobuf body = {0}, r = {0};
	codec_encode(codec, parse(w, &mesos__v1__agent__call__descriptor, json), &body);
	recordio_add(&r, body.data, body.len);
	fake_body(c, r.data, r.len);
	world_settle(w);
}

/* A record as it is. */
static void raw(struct world *w, struct fake_call *c, const char *bytes)
{
	struct buf mz_autobuf r = {0};
	recordio_add(&r, bytes, strlen(bytes));
	fake_body(c, r.data, r.len);
	world_settle(w);
}

static char *first_json(struct world *w, const char *id)
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

#define NEXT(io) "{\"type\":\"ATTACH_CONTAINER_INPUT\",\"attach_container_input\":{\"type\":\"PROCESS_IO\",\"process_io\":" io "}}"
#define STDIN(base64) NEXT("{\"type\":\"DATA\",\"data\":{\"type\":\"STDIN\",\"data\":\"" base64 "\"}}")
#define WINDOW(rows, columns) NEXT("{\"type\":\"CONTROL\",\"control\":{\"type\":\"TTY_INFO\",\"tty_info\":{\"window_size\":{" \
	"\"rows\":" rows ",\"columns\":" columns "}}}}")
#define HEARTBEAT NEXT("{\"type\":\"CONTROL\",\"control\":{\"type\":\"HEARTBEAT\",\"heartbeat\":{\"interval\":{\"nanoseconds\":1}}}}")

/* An executor "e" that runs, and in it a container with a terminal; the id of that one. */
static const char *terminal(struct world *w)
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

static const char *top_of(struct world *w, const char *id)
{
	return arena_strndup(&w->arena, id, strcspn(id, "."));
}

static struct fake_call *session(struct world *w, const char *headers, const char *top, const char *more)
{
	return post(w, headers, text(w, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\","
		"\"launch_nested_container_session\":{\"container_id\":{\"value\":\"s\",\"parent\":{\"value\":\"%s\"}}%s}}", top, more));
}

#define COMMAND ",\"command\":{\"value\":\"x\",\"environment\":{\"variables\":[{\"name\":\"OWN\",\"value\":\"1\"}]}}"

static struct fake_call *output(struct world *w, const char *headers, const char *id)
{
	const char *dot = strchr(id, '.');
	const char *top = top_of(w, id);
	return post(w, headers, dot ? text(w, "{\"type\":\"ATTACH_CONTAINER_OUTPUT\",\"attach_container_output\":{"
		"\"container_id\":{\"value\":\"%s\",\"parent\":{\"value\":\"%s\"}}}}", dot + 1, top)
		: text(w, "{\"type\":\"ATTACH_CONTAINER_OUTPUT\",\"attach_container_output\":{"
		"\"container_id\":{\"value\":\"%s\"}}}", id));
}

/* ---- the I/O server ------------------------------------------------------------------------ */

static struct fake_io *io(struct world *w)
{
	assert_true(w->ios.n > 0);
	return w->ios.v[w->ios.n - 1];
}

/* What was sent to it, frame by frame: "6869", "+<type>:<text>" each. */
static const char *sent(struct world *w, struct fake_io *f)
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

static void frame(struct buf *b, int type, const char *data, size_t size)
{
	const char head[8] = {(char)type, 0, 0, 0, (char)size, (char)(size >> 8), (char)(size >> 16), 0};
	buf_add(b, head, 8);
	buf_add(b, data, size);
}

static void writes(struct world *w, struct fake_io *f, int type, const char *what)
{
	struct buf mz_autobuf b = {0};
	frame(&b, type, what, strlen(what));
	f->cb->on_data(f->arg, b.data, b.len);
	world_settle(w);
}

/* The next record of a stream, as text. */
static const char *next(struct world *w, struct fake_call *c, enum codec codec)
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

/* ---- output ----------------------------------------------------------------------------------- */

static void test_output_encodings(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *accept, *type, *message_type;
		enum codec codec;
	} rows[] = {
		{"Accept: application/json", "Content-Type: application/json\n", NULL, CODEC_JSON},
		{"Accept: application/x-protobuf", "Content-Type: application/x-protobuf\n", NULL, CODEC_PROTOBUF},
		{"Accept: application/recordio\nMessage-Accept: application/json", "Content-Type: application/recordio\n",
		 "Message-Content-Type: application/json\n", CODEC_JSON},
		{"Accept: application/recordio\nMessage-Accept: application/x-protobuf", "Content-Type: application/recordio\n",
		 "Message-Content-Type: application/x-protobuf\n", CODEC_PROTOBUF},
		{"Accept: application/recordio", "Content-Type: application/recordio\n",
		 "Message-Content-Type: application/json\n", CODEC_JSON},
		{"Accept: */*", "Content-Type: application/json\n", NULL, CODEC_JSON},
	};
	const char *id = terminal(w);
	assert_true(w->containers.tty && w->containers.rows == 30 && w->containers.columns == 100);
	assert_int_equal(w->containers.container_class, MZ_CONTAINER_DEFAULT);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct fake_call *c = output(w, text(w, "Content-Type: application/json\n%s", rows[i].accept), id);
		assert_int_equal(c->status, 200);
		assert_non_null(strstr(buf_str(&c->headers), rows[i].type));
		if (rows[i].message_type)
			assert_non_null(strstr(buf_str(&c->headers), rows[i].message_type));
		else
			assert_null(strstr(buf_str(&c->headers), "Message-Content-Type"));
		assert_string_equal(sent(w, io(w)), "+1:o");
		writes(w, io(w), MZ_IO_STDOUT, "hello");
		writes(w, io(w), MZ_IO_STDERR, "oops");
		assert_string_equal(next(w, c, rows[i].codec), "out hello");
		assert_string_equal(next(w, c, rows[i].codec), "err oops");
		world_pass(w, 30 * SECS);
		assert_string_equal(next(w, c, rows[i].codec), "beat 30000000000");
		world_pass(w, 30 * SECS);
		assert_string_equal(next(w, c, rows[i].codec), "beat 30000000000");
		writes(w, io(w), MZ_IO_END, "");
		assert_true(c->closed && io(w)->closed);
		assert_string_equal(next(w, c, rows[i].codec), "");
	}
}

static void test_output_is_refused(void **state)
{
	struct world *w = *state;
	const char *id = terminal(w), *top = top_of(w, id);
	static const struct {
		const char *headers;
		int status;
		const char *why;
	} rows[] = {
		{"Content-Type: application/json\nAccept: text/plain", 406, "application/recordio"},
		{"Content-Type: application/json\nAccept: application/recordio\nMessage-Accept: text/plain", 406, "'Message-Accept' to allow"},
		{"Content-Type: application/json\nAccept: application/json\nMessage-Accept: application/json", 406, "to be not set"},
		{"Content-Type: application/json\nMessage-Content-Type: application/json", 415, "to be not set"},
		{"Content-Type: text/plain", 415, "Expecting 'Content-Type'"},
	};
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct fake_call *c = output(w, rows[i].headers, id);
		assert_int_equal(c->status, rows[i].status);
		assert_non_null(strstr(buf_str(&c->body), rows[i].why));
	}
	assert_int_equal(output(w, JSON_HEADERS, "nobody")->status, 404);
	assert_int_equal(output(w, JSON_HEADERS, text(w, "%s.nobody", top))->status, 404);
	assert_int_equal(post(w, JSON_HEADERS, "{\"type\":\"ATTACH_CONTAINER_OUTPUT\"}")->status, 400);
	w->containers.attach_error = -EOPNOTSUPP;
	assert_int_equal(output(w, JSON_HEADERS, top)->status, 500);
	w->containers.attach_error = -ENOENT;
	assert_int_equal(output(w, JSON_HEADERS, top)->status, 404);
	/* Of other calls nobody gets a stream. */
	struct fake_call *c = post(w, "Content-Type: application/json\nAccept: application/recordio", "{\"type\":\"GET_HEALTH\"}");
	assert_int_equal(c->status, 406);
	assert_non_null(strstr(buf_str(&c->body), "Streaming response is not supported for GET_HEALTH call"));
}

/* Frames come in any pieces. */
static void test_output_in_pieces(void **state)
{
	struct world *w = *state;
	const char *id = terminal(w);
	struct buf mz_autobuf b = {0};
	frame(&b, MZ_IO_STDOUT, "one", 3);
	frame(&b, 99, "of a later version", 18);
	frame(&b, MZ_IO_STDERR, "two", 3);
	frame(&b, MZ_IO_END, "", 0);
	for (size_t piece = 1; piece <= b.len; piece++) {
		struct fake_call *c = output(w, JSON_HEADERS, id);
		struct fake_io *f = io(w);
		for (size_t at = 0; at < b.len; at += piece)
			f->cb->on_data(f->arg, b.data + at, MZ_MIN(piece, b.len - at));
		assert_string_equal(next(w, c, CODEC_JSON), "out one");
		assert_string_equal(next(w, c, CODEC_JSON), "err two");
		assert_true(c->closed && !c->aborted && f->closed);
	}
	/* What is no frame ends it. */
	struct fake_call *c = output(w, JSON_HEADERS, id);
	io(w)->cb->on_data(io(w)->arg, "\4\0\0\0\377\377\377\377", 8);
	assert_true(c->aborted && io(w)->closed);
	/* So does an I/O server that goes without saying so: something is missing. */
	c = output(w, JSON_HEADERS, id);
	io(w)->cb->on_end(io(w)->arg);
	assert_true(c->aborted && io(w)->closed);
}

static void test_slow_listener_holds_the_container(void **state)
{
	struct world *w = *state;
	struct fake_call *c = output(w, JSON_HEADERS, terminal(w));
	writes(w, io(w), MZ_IO_STDOUT, "a");
	assert_false(io(w)->paused);
	c->queued = ATTACH_QUEUE_MAX + 1;
	writes(w, io(w), MZ_IO_STDOUT, "b");
	assert_true(io(w)->paused);
	/* Nor does he get heartbeats on top of it. */
	world_pass(w, 90 * SECS);
	assert_int_equal(c->records.n, 2);
	fake_room(c);
	assert_false(io(w)->paused);
	world_pass(w, 30 * SECS);
	assert_int_equal(c->records.n, 3);
	fake_hang_up(c);
	world_settle(w);
	assert_true(io(w)->closed);
	assert_int_equal(w->containers.n_terminated, 0);
}

static void test_listener_goes_while_connecting(void **state)
{
	struct world *w = *state;
	const char *id = terminal(w);
	w->containers.hold_attach = true;
	struct fake_call *c = output(w, JSON_HEADERS, id);
	assert_int_equal(c->status, 0);
	fake_leave(c);
	container_attached(w);
	assert_true(io(w)->closed); /* opened, to be closed */
	w->containers.hold_attach = true;
	w->containers.attach_error = -EIO;
	c = output(w, JSON_HEADERS, id);
	fake_leave(c);
	container_attached(w);
	/* The agent ends. */
	w->containers.attach_error = 0;
	w->containers.hold_attach = true;
	c = output(w, JSON_HEADERS, id);
	struct fake_call *in = stream(w, "POST", INPUT_HEADERS);
	struct fake_call *open = NULL;
	world_crash(w);
	assert_int_equal(c->status, 503);
	assert_int_equal(in->status, 503);
	assert_null(open);
	container_attached(w);
	assert_true(io(w)->closed);
}

/* ---- input ------------------------------------------------------------------------------------ */

static void input(struct world *w, enum codec codec)
{
	const char *id = terminal(w);
	struct fake_call *c = stream(w, "POST", text(w, "Content-Type: application/recordio\nAccept: application/json\n"
		"Message-Content-Type: %s", codec_content_type(codec)));
	record(w, c, codec, first_json(w, id));
	assert_string_equal(sent(w, io(w)), "+1:i");
	record(w, c, codec, WINDOW("40", "120"));
	record(w, c, codec, STDIN("aGk="));
	record(w, c, codec, HEARTBEAT);
	record(w, c, codec, STDIN("IQ=="));
	record(w, c, codec, STDIN("")); /* no end: it is a terminal */
	assert_string_equal(sent(w, io(w)), "+1:i+3:40x120+2:hi+2:!");
	assert_int_equal(c->status, 0);
	fake_body_end(c);
	assert_int_equal(c->status, 200);
	assert_int_equal(c->body.len, 0);
	assert_true(io(w)->closed);
}

static void test_input_json(void **state)
{
	input(*state, CODEC_JSON);
}

static void test_input_protobuf(void **state)
{
	input(*state, CODEC_PROTOBUF);
}

/* Without a terminal the input has an end, and there is no size. */
static void test_input_without_terminal(void **state)
{
	struct world *w = *state;
	const char *top = top_of(w, terminal(w));
	struct fake_call *s = session(w, JSON_HEADERS, top, COMMAND);
	assert_int_equal(s->status, 200);
	struct fake_call *c = stream(w, "POST", INPUT_HEADERS);
	record(w, c, CODEC_JSON, first_json(w, text(w, "%s.s", top)));
	record(w, c, CODEC_JSON, STDIN("aGk="));
	record(w, c, CODEC_JSON, STDIN(""));
	assert_string_equal(sent(w, io(w)), "+1:i+2:hi+2:");
	record(w, c, CODEC_JSON, WINDOW("1", "1"));
	assert_int_equal(c->status, 400);
	assert_non_null(strstr(buf_str(&c->body), "window size"));
	assert_true(io(w)->closed);
	/* Who names a container and says nothing more ends nothing. */
	c = stream(w, "POST", INPUT_HEADERS);
	record(w, c, CODEC_JSON, first_json(w, text(w, "%s.s", top)));
	fake_body_end(c);
	assert_int_equal(c->status, 200);
	assert_string_equal(sent(w, io(w)), "+1:i");
	assert_false(s->closed);
}

static void test_input_headers(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *method, *headers;
		int status;
		const char *why;
	} rows[] = {
		{"GET", INPUT_HEADERS, 405, "POST"},
		{"POST", "Content-Type: application/recordio", 400, "'Message-Content-Type' to be set"},
		{"POST", "Content-Type: application/recordio\nMessage-Content-Type: text/plain", 415, "'Message-Content-Type' of"},
		{"POST", "Content-Type: application/recordio\nMessage-Content-Type: application/json\nAccept: text/plain", 406, "'Accept'"},
		{"POST", "Content-Type: application/recordio\nMessage-Content-Type: text/plain\nAccept: text/plain", 415, "'Message-Content-Type' of"},
	};
	(void)terminal(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct fake_call *c = stream(w, rows[i].method, rows[i].headers);
		assert_int_equal(c->status, rows[i].status);
		assert_non_null(strstr(buf_str(&c->body), rows[i].why));
	}
	struct fake_call *c = post(w, JSON_HEADERS, first_json(w, "x"));
	assert_int_equal(c->status, 415);
	assert_non_null(strstr(buf_str(&c->body), "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call"));
}

#define INPUT(members) "{\"type\":\"ATTACH_CONTAINER_INPUT\",\"attach_container_input\":{" members "}}"

static void test_input_first_record(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *record;
		int status;
		const char *why;
	} rows[] = {
		{"nonsense", 400, ""},
		{"{}", 400, "Expecting 'type'"},
		{"{\"type\":\"GET_HEALTH\"}", 415, "is not supported for GET_HEALTH call"},
		{"{\"type\":\"ATTACH_CONTAINER_INPUT\"}", 400, "Expecting 'attach_container_input' to be present"},
		{INPUT(""), 400, "to be 'CONTAINER_ID' instead of: 'UNKNOWN'"},
		{INPUT("\"type\":\"PROCESS_IO\""), 400, "to be 'CONTAINER_ID' instead of: 'PROCESS_IO'"},
		{INPUT("\"type\":\"CONTAINER_ID\""), 400, "Expecting 'attach_container_input.container_id' to be present"},
		{INPUT("\"type\":\"CONTAINER_ID\",\"container_id\":{\"value\":\"a/b\"}"), 400, "invalid characters"},
		{INPUT("\"type\":\"CONTAINER_ID\",\"container_id\":{\"value\":\"nobody\"}"), 404, "cannot be found"},
	};
	(void)terminal(w);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		struct fake_call *c = stream(w, "POST", INPUT_HEADERS);
		raw(w, c, rows[i].record);
		assert_int_equal(c->status, rows[i].status);
		assert_non_null(strstr(buf_str(&c->body), rows[i].why));
	}
	struct fake_call *c = stream(w, "POST", INPUT_HEADERS);
	fake_body_end(c);
	assert_int_equal(c->status, 400);
	assert_string_equal(buf_str(&c->body), "Received EOF while reading request body");
	c = stream(w, "POST", INPUT_HEADERS);
	fake_body(c, "no length\n", 10);
	assert_int_equal(c->status, 400);
	c = stream(w, "POST", INPUT_HEADERS);
	fake_body(c, "99999999\n", 9);
	assert_int_equal(c->status, 400);
}

static void test_input_later_records(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *record, *why;
	} rows[] = {
		{"nonsense", ""},
		{"{\"type\":\"GET_HEALTH\"}", "instead of: 'GET_HEALTH'"},
		{INPUT("\"type\":\"CONTAINER_ID\""), "to be 'PROCESS_IO' instead of: 'CONTAINER_ID'"},
		{INPUT("\"type\":\"PROCESS_IO\""), "Expecting 'attach_container_input.process_io' to be present"},
		{NEXT("{}"), "process_io.type' is unknown"},
		{NEXT("{\"type\":\"DATA\"}"), "process_io.data' to be present"},
		{NEXT("{\"type\":\"DATA\",\"data\":{\"type\":\"STDOUT\"}}"), "to be 'STDIN' instead of: 'STDOUT'"},
		{NEXT("{\"type\":\"CONTROL\"}"), "process_io.control' to be present"},
		{NEXT("{\"type\":\"CONTROL\",\"control\":{}}"), "control.type' is unknown"},
		{NEXT("{\"type\":\"CONTROL\",\"control\":{\"type\":\"TTY_INFO\"}}"), "control.tty_info' to be present"},
		{NEXT("{\"type\":\"CONTROL\",\"control\":{\"type\":\"TTY_INFO\",\"tty_info\":{}}}"), "window_size' to be present"},
		{NEXT("{\"type\":\"CONTROL\",\"control\":{\"type\":\"HEARTBEAT\"}}"), "control.heartbeat' to be present"},
	};
	const char *id = terminal(w);
	for (size_t i = 0; i < 2 * MZ_N(rows); i++) {
		/* Also behind the first one while the container is connected to. */
		bool early = i >= MZ_N(rows);
		w->containers.hold_attach = early;
		struct fake_call *c = stream(w, "POST", INPUT_HEADERS);
		struct buf mz_autobuf b = {0};
		recordio_add(&b, first_json(w, id), strlen(first_json(w, id)));
		const char *bad = rows[i % MZ_N(rows)].record;
		recordio_add(&b, bad, strlen(bad));
		fake_body(c, b.data, b.len);
		world_settle(w);
		if (early) {
			assert_int_equal(c->status, 0);
			container_attached(w);
		}
		assert_int_equal(c->status, 400);
		assert_non_null(strstr(buf_str(&c->body), rows[i % MZ_N(rows)].why));
		assert_true(io(w)->closed);
	}
	struct fake_call *c = stream(w, "POST", INPUT_HEADERS);
	record(w, c, CODEC_JSON, first_json(w, id));
	fake_body(c, "12\n{", 4);
	fake_body_end(c);
	assert_int_equal(c->status, 400);
	assert_non_null(strstr(buf_str(&c->body), "in the middle of a record"));
}

static void test_one_input_at_a_time(void **state)
{
	struct world *w = *state;
	const char *id = terminal(w);
	struct fake_call *a = stream(w, "POST", INPUT_HEADERS), *b = stream(w, "POST", INPUT_HEADERS);
	record(w, a, CODEC_JSON, first_json(w, id));
	record(w, b, CODEC_JSON, first_json(w, id));
	assert_int_equal(b->status, 409);
	assert_string_equal(buf_str(&b->body), "Multiple input connections are not allowed");
	assert_int_equal(a->status, 0);
	fake_leave(a);
	assert_true(io(w)->closed);
	a = stream(w, "POST", INPUT_HEADERS);
	record(w, a, CODEC_JSON, first_json(w, id));
	assert_int_equal(a->status, 0);
	/* The container ends: with all of its input, and without. */
	io(w)->cb->on_end(io(w)->arg);
	assert_int_equal(a->status, 200);
	assert_true(io(w)->closed);
	a = stream(w, "POST", INPUT_HEADERS);
	record(w, a, CODEC_JSON, first_json(w, id));
	record(w, a, CODEC_JSON, STDIN("aGk="));
	io(w)->queued = 10;
	io(w)->cb->on_end(io(w)->arg);
	assert_int_equal(a->status, 500);
	assert_true(io(w)->closed);
}

static void test_slow_container_holds_the_sender(void **state)
{
	struct world *w = *state;
	const char *id = terminal(w);
	struct fake_call *c = stream(w, "POST", INPUT_HEADERS);
	record(w, c, CODEC_JSON, first_json(w, id));
	struct fake_io *f = io(w);
	f->queued = ATTACH_QUEUE_MAX + 1;
	record(w, c, CODEC_JSON, STDIN("aGk="));
	assert_true(c->paused);
	record(w, c, CODEC_JSON, STDIN("IQ=="));
	assert_string_equal(sent(w, f), "+1:i+2:hi");
	fake_body_end(c);
	f->queued = 1;
	f->cb->on_room(f->arg);
	world_settle(w);
	assert_string_equal(sent(w, f), "+1:i+2:hi+2:!");
	/* 200 is said when the container has everything. */
	assert_int_equal(c->status, 0);
	f->queued = 0;
	f->cb->on_room(f->arg);
	assert_int_equal(c->status, 200);
}

/* What is larger than a frame. */
static void test_large_input(void **state)
{
	struct world *w = *state;
	const char *id = terminal(w);
	struct fake_call *c = stream(w, "POST", INPUT_HEADERS);
	record(w, c, CODEC_JSON, first_json(w, id));
	struct buf mz_autobuf b = {0};
	buf_adds(&b, "{\"type\":\"ATTACH_CONTAINER_INPUT\",\"attach_container_input\":{\"type\":\"PROCESS_IO\",\"process_io\":{"
			"\"type\":\"DATA\",\"data\":{\"type\":\"STDIN\",\"data\":\"");
	for (int i = 0; i < 150000 / 3; i++)
		buf_adds(&b, "YWFh");
	buf_adds(&b, "\"}}}}");
	raw(w, c, buf_str(&b));
	assert_string_equal(sent(w, io(w)), "+1:i+2:#65536+2:#65536+2:#18928");
}

/* ---- sessions ------------------------------------------------------------------------------------- */

static void test_session(void **state)
{
	struct world *w = *state;
	const char *id = terminal(w), *top = top_of(w, id);
	struct fake_call *c = session(w, JSON_HEADERS, top, COMMAND);
	assert_int_equal(c->status, 200);
	assert_int_equal(w->containers.container_class, MZ_CONTAINER_DEBUG);
	assert_true(w->containers.attachable && !w->containers.tty);
	assert_string_equal(w->containers.last_parent, top);
	/* It sees what its parent sees, and its own. */
	assert_non_null(strstr(w->containers.last_env, text(w, "MESOS_SANDBOX=/w/slaves/S0/frameworks/F/executors/e/runs/%s\n", top)));
	assert_non_null(strstr(w->containers.last_env, "MESOS_EXECUTOR_ID=e\n"));
	assert_non_null(strstr(w->containers.last_env, "OWN=1\n"));
	writes(w, io(w), MZ_IO_STDOUT, "hello");
	assert_string_equal(next(w, c, CODEC_JSON), "out hello");
	assert_int_equal(session(w, JSON_HEADERS, top, COMMAND)->status, 202);
	writes(w, io(w), MZ_IO_END, "");
	assert_true(c->closed);
	/* One beside it, with a terminal. */
	id = text(w, "%s.n", top);
	c = post(w, "Content-Type: application/json\nAccept: application/recordio\nMessage-Accept: application/x-protobuf",
		 text(w, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{"
		 "\"container_id\":{\"value\":\"t\",\"parent\":{\"value\":\"n\",\"parent\":{\"value\":\"%s\"}}},\"command\":{\"value\":\"x\"},"
		 "\"container\":{\"type\":\"MESOS\",\"tty_info\":{\"window_size\":{\"rows\":70000,\"columns\":9}}}}}", top));
	assert_int_equal(c->status, 200);
	assert_non_null(strstr(w->containers.last_env, text(w, "runs/%s/containers/n\n", top)));
	assert_true(w->containers.tty && w->containers.rows == 65535 && w->containers.columns == 9);
	writes(w, io(w), MZ_IO_STDOUT, "there");
	assert_string_equal(next(w, c, CODEC_PROTOBUF), "out there");
}

static void test_session_is_refused(void **state)
{
	struct world *w = *state;
	const char *top = top_of(w, terminal(w));
	struct fake_call *c = session(w, JSON_HEADERS, "nobody", COMMAND);
	assert_int_equal(c->status, 400);
	c = session(w, JSON_HEADERS, top, "");
	assert_int_equal(c->status, 400);
	c = post(w, JSON_HEADERS, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{"
				  "\"container_id\":{\"value\":\"s\"},\"command\":{\"value\":\"x\"}}}");
	assert_int_equal(c->status, 400);
	assert_non_null(strstr(buf_str(&c->body), "container_id.parent' to be present"));
	c = post(w, JSON_HEADERS, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\"}");
	assert_int_equal(c->status, 400);
	w->containers.fail_launch = true;
	c = session(w, JSON_HEADERS, top, COMMAND);
	assert_int_equal(c->status, 400);
	assert_string_equal(buf_str(&c->body), "the test says so");
	w->containers.fail_launch = false;
	/* Nobody could listen: it does not go on by itself. */
	w->containers.attach_error = -EOPNOTSUPP;
	size_t n = w->containers.n_terminated;
	c = session(w, JSON_HEADERS, top, COMMAND);
	assert_int_equal(c->status, 500);
	assert_int_equal(w->containers.n_terminated, n + 1);
}

static void test_session_ends_with_its_listener(void **state)
{
	struct world *w = *state;
	const char *top = top_of(w, terminal(w));
	struct fake_call *c = session(w, JSON_HEADERS, top, COMMAND);
	fake_hang_up(c);
	world_settle(w);
	assert_true(io(w)->closed);
	assert_int_equal(w->containers.n_terminated, 1);
	assert_false(map_has(&w->containers.live, text(w, "%s.s", top)));
	/* One that leaves while it is launched: the record is on its way to the disk. */
	w->disk.stuck = true;
	size_t launched = w->containers.launched.n;
	c = post(w, JSON_HEADERS, text(w, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{"
		"\"container_id\":{\"value\":\"u\",\"parent\":{\"value\":\"%s\"}},\"command\":{\"value\":\"x\"}}}", top));
	assert_int_equal(c->status, 0);
	fake_leave(c);
	w->disk.stuck = false;
	fake_disk_flush(&w->disk);
	world_settle(w);
	assert_int_equal(w->containers.launched.n, launched);
	/* One that leaves while it is connected to. */
	w->containers.hold_attach = true;
	c = post(w, JSON_HEADERS, text(w, "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{"
		"\"container_id\":{\"value\":\"v\",\"parent\":{\"value\":\"%s\"}},\"command\":{\"value\":\"x\"}}}", top));
	fake_leave(c);
	container_attached(w);
	world_settle(w);
	assert_int_equal(w->containers.n_terminated, 2);
}

static void test_session_does_not_survive_the_agent(void **state)
{
	struct world *w = *state;
	const char *id = terminal(w), *top = top_of(w, id), *s = text(w, "%s.s", top);
	struct fake_call *c = session(w, JSON_HEADERS, top, COMMAND);
	size_t n = w->containers.n_terminated;
	world_crash(w);
	assert_true(c->closed);
	assert_int_equal(w->containers.n_terminated, n);
	assert_true(map_has(&w->containers.live, s));
	world_restart(w);
	world_settle(w);
	assert_false(map_has(&w->containers.live, s));
	assert_true(map_has(&w->containers.live, id));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_output_encodings),
		TEST(test_output_is_refused),
		TEST(test_output_in_pieces),
		TEST(test_slow_listener_holds_the_container),
		TEST(test_listener_goes_while_connecting),
		TEST(test_input_json),
		TEST(test_input_protobuf),
		TEST(test_input_without_terminal),
		TEST(test_input_headers),
		TEST(test_input_first_record),
		TEST(test_input_later_records),
		TEST(test_one_input_at_a_time),
		TEST(test_slow_container_holds_the_sender),
		TEST(test_large_input),
		TEST(test_session),
		TEST(test_session_is_refused),
		TEST(test_session_ends_with_its_listener),
		TEST(test_session_does_not_survive_the_agent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
