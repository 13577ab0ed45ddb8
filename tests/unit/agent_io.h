/* agent_io.h - calls about the input and output of containers, and their I/O servers as
 * the agent sees them, for the tests of both.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_AGENT_IO_H
#define MZ_TESTS_AGENT_IO_H

#include "agent_world.h"
#include "module/module.h"

typedef Mesos__V1__Agent__ProcessIO process_io;

#define IO(name) MESOS__V1__AGENT__PROCESS_IO__##name
#define JSON_HEADERS "Content-Type: application/json\nAccept: application/json"
#define INPUT_HEADERS "Content-Type: application/recordio\nMessage-Content-Type: application/json\nAccept: application/json"
#define NEXT(io) "{\"type\":\"ATTACH_CONTAINER_INPUT\",\"attach_container_input\":{\"type\":\"PROCESS_IO\",\"process_io\":" io "}}"
#define STDIN(base64) NEXT("{\"type\":\"DATA\",\"data\":{\"type\":\"STDIN\",\"data\":\"" base64 "\"}}")
#define WINDOW(rows, columns) NEXT("{\"type\":\"CONTROL\",\"control\":{\"type\":\"TTY_INFO\",\"tty_info\":{\"window_size\":{" \
	"\"rows\":" rows ",\"columns\":" columns "}}}}")
#define HEARTBEAT NEXT("{\"type\":\"CONTROL\",\"control\":{\"type\":\"HEARTBEAT\",\"heartbeat\":{\"interval\":{\"nanoseconds\":1}}}}")
#define COMMAND ",\"command\":{\"value\":\"x\",\"environment\":{\"variables\":[{\"name\":\"OWN\",\"value\":\"1\"}]}}"

/* By printf, in the arena of the world. */
char *text(struct world *w, const char *fmt, ...) MZ_PRINTF(2, 3);
struct fake_call *post(struct world *w, const char *headers, const char *json);
/* One whose body follows, record by record. */
struct fake_call *stream(struct world *w, const char *method, const char *headers);
/* One record of a request, given as JSON; and one as it is. */
void record(struct world *w, struct fake_call *c, enum codec codec, const char *json);
void raw(struct world *w, struct fake_call *c, const char *bytes);
/* The record that names the container. */
char *first_json(struct world *w, const char *id);
/* An executor "e" that runs, and in it a container with a terminal; the id of that one. */
const char *terminal(struct world *w);
const char *top_of(struct world *w, const char *id);
/* A session "s" in `top`; `more`: members of the call. */
struct fake_call *session(struct world *w, const char *headers, const char *top, const char *more);
struct fake_call *output(struct world *w, const char *headers, const char *id);
/* The newest connection to an I/O server; what was sent to it, frame by frame: "+<type>:<text>" each. */
struct fake_io *io(struct world *w);
const char *sent(struct world *w, struct fake_io *f);
/* What it says, as bytes and on its way. */
void frame(struct buf *b, int type, const char *data, size_t size);
void writes(struct world *w, struct fake_io *f, int type, const char *what);
/* The next record of a stream, as text. */
const char *next(struct world *w, struct fake_call *c, enum codec codec);

#endif
