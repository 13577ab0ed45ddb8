/* agent_attach_test.c - ATTACH_CONTAINER_INPUT and ATTACH_CONTAINER_OUTPUT: the checks in
 * their order, both encodings, who holds back whom, and what happens when one of the
 * three sides leaves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_io.h"

#include <errno.h>
#include <string.h>

#include "agent/attach.h"

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
		world_pass(w, 20 * SECS);
		assert_string_equal(next(w, c, rows[i].codec), "beat 20000000000");
		world_pass(w, 20 * SECS);
		assert_string_equal(next(w, c, rows[i].codec), "beat 20000000000");
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
	world_pass(w, 20 * SECS);
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
		{INPUT("\"type\":\"CONTAINER_ID\",\"container_id\":{\"value\":\"a/b\"}"), 400, "has a '/'"},
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
