/* console.c - see console.h. One request carries the output, another one the input;
 * both are RecordIO of protobuf messages. Output is written with blocking calls: who
 * does not read it holds back the agent, and through it the container.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/console.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/terminal.h"
#include "loop/loop_event.h"
#include "mesos/v1/agent.pb-c.h"
#include "wire/http_event.h"
#include "wire/json.h"
#include "wire/recordio.h"

typedef Mesos__V1__Agent__Call call_msg;
typedef Mesos__V1__Agent__Call__AttachContainerInput input_msg;
typedef Mesos__V1__Agent__ProcessIO process_io;

#define IO(name) MESOS__V1__AGENT__PROCESS_IO__##name
#define HEARTBEAT_NS (30 * NS_PER_SEC)
/* The agent sends a heartbeat as often: two and a half without a word. */
#define SILENCE_NS (75 * NS_PER_SEC)
enum { READ_BYTES = 32768, QUEUE_BYTES = 256 * 1024, MAX_RECORD = 64 << 20, CTRL_P = 16, CTRL_Q = 17 };

struct console {
	struct loop *loop;
	const struct console_options *o;
	struct console_result *result;
	bool over, opened;
	struct http_client_stream *output, *input;
	struct recordio_reader reader;
	struct loop_fd *stdin_fd;
	struct loop_timer *stdin_timer, *heartbeat; /* stdin_timer: a file, which no loop watches */
	bool held_ctrl_p, stdin_over, raw;
	struct loop_timer *silence;
	int64_t heard_ns;
	bool last_look; /* what waits in the socket is read before silence counts */
};

static void finish(struct console *c, enum console_end end, int status, const char *text)
{
	if (c->over)
		return;
	c->over = true;
	c->result->end = end;
	c->result->status = status;
	c->result->text = xstrdup(text ? text : "");
}

/* ---- input ------------------------------------------------------------------------- */

static void send_record(struct console *c, input_msg *in)
{
	struct buf mz_autobuf body = {0}, record = {0};
	call_msg call = MESOS__V1__AGENT__CALL__INIT;

	call.has_type = 1;
	call.type = MESOS__V1__AGENT__CALL__TYPE__ATTACH_CONTAINER_INPUT;
	call.attach_container_input = in;
	in->has_type = 1;
	pb_encode(&call.base, &body);
	recordio_add(&record, body.data, body.len);
	(void)http_client_stream_send(c->input, record.data, record.len); /* its end is heard of by itself */
}

static void send_io(struct console *c, process_io *io)
{
	input_msg in = MESOS__V1__AGENT__CALL__ATTACH_CONTAINER_INPUT__INIT;

	in.type = MESOS__V1__AGENT__CALL__ATTACH_CONTAINER_INPUT__TYPE__PROCESS_IO;
	in.process_io = io;
	io->has_type = 1;
	send_record(c, &in);
}

static void send_data(struct console *c, const void *data, size_t size)
{
	process_io io = IO(INIT);
	Mesos__V1__Agent__ProcessIO__Data d = IO(DATA__INIT);

	io.type = IO(TYPE__DATA);
	io.data = &d;
	d.has_type = d.has_data = 1;
	d.type = IO(DATA__TYPE__STDIN);
	d.data = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)data};
	send_io(c, &io);
}

static void send_window(struct console *c)
{
	process_io io = IO(INIT);
	Mesos__V1__Agent__ProcessIO__Control control = IO(CONTROL__INIT);
	Mesos__V1__TTYInfo tty = MESOS__V1__TTYINFO__INIT;
	Mesos__V1__TTYInfo__WindowSize size = MESOS__V1__TTYINFO__WINDOW_SIZE__INIT;
	int rows, columns;

	terminal_size(&rows, &columns);
	size.rows = (uint32_t)rows;
	size.columns = (uint32_t)columns;
	tty.window_size = &size;
	io.type = IO(TYPE__CONTROL);
	io.control = &control;
	control.has_type = 1;
	control.type = IO(CONTROL__TYPE__TTY_INFO);
	control.tty_info = &tty;
	send_io(c, &io);
}

static void on_heartbeat(void *arg)
{
	struct console *c = arg;
	process_io io = IO(INIT);
	Mesos__V1__Agent__ProcessIO__Control control = IO(CONTROL__INIT);
	Mesos__V1__Agent__ProcessIO__Control__Heartbeat beat = IO(CONTROL__HEARTBEAT__INIT);
	Mesos__V1__DurationInfo interval = MESOS__V1__DURATION_INFO__INIT;

	interval.nanoseconds = HEARTBEAT_NS;
	beat.interval = &interval;
	io.type = IO(TYPE__CONTROL);
	io.control = &control;
	control.has_type = 1;
	control.type = IO(CONTROL__TYPE__HEARTBEAT);
	control.heartbeat = &beat;
	c->heartbeat = loop_timer(c->loop, HEARTBEAT_NS, on_heartbeat, c);
	send_io(c, &io);
}

static void stop_reading(struct console *c)
{
	loop_fd_close(c->loop, MZ_MOVE(c->stdin_fd));
	loop_timer_cancel(c->loop, MZ_MOVE(c->stdin_timer));
}

static void close_input(struct console *c)
{
	stop_reading(c);
	loop_timer_cancel(c->loop, MZ_MOVE(c->heartbeat));
	http_client_stream_close(MZ_MOVE(c->input));
}

/* There is no more: the container's input ends, too. */
static void end_input(struct console *c)
{
	const char eot = 4;

	c->stdin_over = true;
	stop_reading(c);
	loop_timer_cancel(c->loop, MZ_MOVE(c->heartbeat));
	send_data(c, &eot, c->o->tty ? 1 : 0);
	(void)http_client_stream_send_end(c->input);
}

/* Keys, without those that detach; false: detached. */
static bool take_keys(struct console *c, const char *data, size_t size)
{
	char out[READ_BYTES + 1];
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		if (c->held_ctrl_p && data[i] == CTRL_Q)
			return false;
		if (c->held_ctrl_p)
			out[n++] = CTRL_P;
		c->held_ctrl_p = data[i] == CTRL_P;
		if (!c->held_ctrl_p)
			out[n++] = data[i];
	}
	if (n)
		send_data(c, out, n);
	return true;
}

static void read_stdin(struct console *c);

static void on_stdin(void *arg, int ready)
{
	(void)ready;
	read_stdin(arg);
}

static void on_stdin_timer(void *arg)
{
	struct console *c = arg;

	c->stdin_timer = NULL;
	read_stdin(c);
}

static void start_reading(struct console *c)
{
	if (c->stdin_fd || c->stdin_timer || c->stdin_over || !c->input)
		return;
	c->stdin_fd = loop_fd(c->loop, STDIN_FILENO, LOOP_READ, on_stdin, c);
	if (!c->stdin_fd)
		c->stdin_timer = loop_timer(c->loop, 0, on_stdin_timer, c);
}

static void read_stdin(struct console *c)
{
	char data[READ_BYTES];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
		start_reading(c);
		return;
	}
	if (n <= 0) {
		end_input(c);
		return;
	}
	if (!c->raw || !c->o->detach)
		send_data(c, data, (size_t)n);
	else if (!take_keys(c, data, (size_t)n))
		finish(c, CONSOLE_DETACHED, 0, NULL);
	if (http_client_stream_queued(c->input) > QUEUE_BYTES)
		stop_reading(c); /* until it is on its way */
	else
		start_reading(c);
}

static void on_input_room(void *arg)
{
	struct console *c = arg;

	if (c->o->input == CONSOLE_STDIN && c->opened && !c->over)
		start_reading(c);
}

static void on_input_open(void *arg, const struct http_response *r)
{
	struct console *c = arg;

	/* That the container has ended is not the input's to tell. */
	if (r->status == 409)
		finish(c, CONSOLE_REFUSED, r->status, "somebody else is attached to its input");
	else if (r->status == 403)
		finish(c, CONSOLE_REFUSED, r->status, "sending input is not allowed");
}

static void on_input_end(void *arg, const char *error)
{
	(void)error;
	close_input(arg);
}

static void open_input(struct console *c)
{
	static const struct http_header headers[] = {{"Content-Type", "application/recordio"},
						     {"Message-Content-Type", "application/x-protobuf"},
						     {"Accept", "application/json"}};
	static const struct http_client_stream_cb cb = {
		.on_open = on_input_open, .on_end = on_input_end, .on_room = on_input_room};
	struct arena mz_autoarena m = {0};
	input_msg in = MESOS__V1__AGENT__CALL__ATTACH_CONTAINER_INPUT__INIT;

	in.type = MESOS__V1__AGENT__CALL__ATTACH_CONTAINER_INPUT__TYPE__CONTAINER_ID;
	in.container_id = (Mesos__V1__ContainerID *)json_decode(&mesos__v1__container_id__descriptor, &m, c->o->container,
								strlen(c->o->container), NULL);
	c->input = http_client_stream_open_body(c->loop, c->o->ip, c->o->port, "POST", "/api/v1", headers,
						MZ_N(headers), NULL, 0, &cb, c);
	send_record(c, &in);
	if (c->o->input == CONSOLE_NOTHING) {
		end_input(c);
		return;
	}
	if (c->raw)
		send_window(c);
	c->heartbeat = loop_timer(c->loop, HEARTBEAT_NS, on_heartbeat, c);
	start_reading(c);
}

/* ---- output ---------------------------------------------------------------------------- */

/* False: nobody reads it. */
static bool write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd wait = {fd, POLLOUT, 0};
			(void)poll(&wait, 1, -1);
			continue;
		}
		if (n < 0 && errno != EINTR)
			return false;
		p += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* The network may have gone, or the agent be stuck: neither closes a connection. */
static void on_silence(void *arg)
{
	struct console *c = arg;
	int64_t left = c->heard_ns + SILENCE_NS - loop_now(c->loop);

	c->silence = NULL;
	if (left <= 0 && c->last_look) {
		finish(c, CONSOLE_LOST, 0, "nothing has come from it for 75 seconds");
		return;
	}
	/* We may have been held up by whoever reads our output. */
	c->last_look = left <= 0;
	c->silence = loop_timer(c->loop, c->last_look ? NS_PER_SEC : left, on_silence, c);
}

static int on_record(void *arg, const char *record, size_t len)
{
	struct console *c = arg;
	struct arena mz_autoarena m = {0};
	const process_io *io = (const process_io *)pb_decode(&mesos__v1__agent__process_io__descriptor, &m, record, len, NULL);

	if (!io)
		return -EPROTO;
	if (io->type != IO(TYPE__DATA) || !io->data)
		return 0;
	int fd = io->data->type == IO(DATA__TYPE__STDERR) ? STDERR_FILENO : STDOUT_FILENO;
	if (!write_all(fd, io->data->data.data, io->data->data.len)) {
		finish(c, CONSOLE_CLOSED, 0, strerror(errno));
		return -EPIPE;
	}
	return 0;
}

static void on_output_open(void *arg, const struct http_response *r)
{
	struct console *c = arg;
	struct mz_err err;

	if (r->status != 200) {
		mz_autofree char *text = xstrndup(r->body_size ? r->body : "", r->body_size);
		finish(c, CONSOLE_REFUSED, r->status, text);
		return;
	}
	c->opened = true;
	c->heard_ns = loop_now(c->loop);
	c->silence = loop_timer(c->loop, SILENCE_NS, on_silence, c);
	if (c->o->input == CONSOLE_STDIN && c->o->tty && terminal_is_there()) {
		if (terminal_raw(&err) < 0) {
			finish(c, CONSOLE_LOST, 0, err.msg);
			return;
		}
		c->raw = true;
	}
	if (c->o->input != CONSOLE_NO_INPUT)
		open_input(c);
}

static void on_output_data(void *arg, const void *data, size_t size)
{
	struct console *c = arg;
	struct mz_err err;

	c->heard_ns = loop_now(c->loop);
	c->last_look = false;
	if (!c->over && c->opened && recordio_feed(&c->reader, data, size, on_record, c, &err) < 0)
		finish(c, CONSOLE_LOST, 0, "the agent sends nonsense");
}

static void on_output_end(void *arg, const char *error)
{
	finish(arg, error || !((struct console *)arg)->opened ? CONSOLE_LOST : CONSOLE_ENDED, 0, error);
}

static void on_window(void *arg, int signo)
{
	struct console *c = arg;

	(void)signo;
	if (c->raw && c->input && !c->stdin_over)
		send_window(c);
}

static void run(struct console *c)
{
	static const struct http_header headers[] = {{"Content-Type", "application/json"},
						     {"Accept", "application/recordio"},
						     {"Message-Accept", "application/x-protobuf"}};
	static const struct http_client_stream_cb cb = {on_output_open, on_output_data, on_output_end, NULL};
	const struct console_options *o = c->o;

	loop_event_signal(c->loop, SIGWINCH, on_window, c);
	c->output = http_client_stream_open(c->loop, o->ip, o->port, "POST", "/api/v1", headers, MZ_N(headers),
					    o->output_call, strlen(o->output_call), &cb, c);
	while (!c->over)
		loop_event_turn(c->loop, NS_PER_SEC);
	terminal_restore();
	loop_timer_cancel(c->loop, MZ_MOVE(c->silence));
	close_input(c);
	http_client_stream_close(c->output);
}

int console_run(const struct console_options *o, struct console_result *ret, struct mz_err *err)
{
	struct console c = {.o = o, .result = ret, .reader.max_record = MAX_RECORD};
	int rc = loop_event_new(1, &c.loop, err);

	if (rc < 0)
		return rc;
	run(&c);
	recordio_reader_done(&c.reader);
	loop_event_turn(c.loop, 0); /* what was closed is freed by posted work */
	loop_event_free(c.loop);
	return 0;
}
