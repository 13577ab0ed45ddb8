/* fakes.h - both ends of links, HTTP exchanges and the disk, in memory, for unit
 * tests of the state machines. No socket, no thread; what is asynchronous
 * happens through the loop that the test turns.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_FAKES_H
#define MZ_TESTS_FAKES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "loop/loop.h"
#include "store/store.h"
#include "wire/http.h"
#include "wire/io.h"
#include "wire/link.h"
#include "wire/pb.h"
#include "wire/recordio.h"

/* ---- HTTP: one request and what became of it ------------------------------- */

struct fake_call {
	struct http_exchange x; /* first member */
	int status;		/* 0: not answered yet */
	struct buf headers;	/* "Name: value\n" */
	struct buf body;
	/* An event stream: records, in order, each a string of its own. */
	bool is_stream, closed, aborted, full; /* full: the next send is refused and the stream cut */
	size_t queued;		      /* what the peer has not taken, as the test says */
	struct http_stream stream;
	unsigned ended_as; /* the how manieth answer or end of a stream it was; 0: it is open */
	struct loop *loop;
	struct recordio_reader reader;
	VEC(char *) records;
	VEC(size_t) sizes;
	size_t n_seen; /* for fake_next */
	char *id;      /* Mesos-Stream-Id */
	/* A streamed body: what waits until it is read. */
	const struct http_body_cb *body_cb;
	void *body_arg;
	struct buf unread;
	bool paused, body_over, body_told;
	/* the request */
	char *path, *query, *target, *sent;
	struct http_header h[8];
	struct http_request r;
};

/* Of those who ask from now on, as an authenticator has found out; NULL: nobody has. */
extern const char *fake_principal;
/* headers: "Name: value\nName: value". The call lives until fake_call_free. */
struct fake_call *fake_http(struct loop *l, struct http_router *router, const char *method, const char *target,
			    const char *headers, const void *body, size_t size);
/* The same with a body that follows. */
struct fake_call *fake_http_streamed(struct loop *l, struct http_router *router, const char *method, const char *target,
				     const char *headers);
void fake_body(struct fake_call *c, const void *data, size_t size);
void fake_body_end(struct fake_call *c);
/* The peer leaves before there is an answer. */
void fake_leave(struct fake_call *c);
/* The peer of a stream has taken everything. */
void fake_room(struct fake_call *c);
void fake_call_free(struct fake_call *c);
/* The peer leaves: on_gone from the loop. */
void fake_hang_up(struct fake_call *c);
/* The next record that has not been taken; NULL: none. */
const char *fake_next(struct fake_call *c, size_t *ret_size);

/* ---- links -------------------------------------------------------------------- */

struct fake_link {
	struct link link; /* first member: what the state machine holds */
	struct loop *loop;
	bool closed, full;
	size_t max_frame; /* larger ones are refused; 0: none are */
	VEC(struct mz_bytes) frames; /* what was sent to us, owned */
	size_t n_seen;
};
struct fake_link *fake_link_new(struct loop *l);
void fake_link_free(struct fake_link *f);
/* We send a message: on_frame is called at once. */
void fake_link_send(struct fake_link *f, const pb_msg *m);
/* We vanish: on_gone from the loop. */
void fake_link_cut(struct fake_link *f);
/* The next frame that has not been taken, decoded; NULL: none. */
pb_msg *fake_link_next(struct fake_link *f, const pb_desc *desc, struct arena *a);

/* ---- byte streams -------------------------------------------------------------- */

struct fake_io {
	struct io io; /* first member */
	const struct io_cb *cb;
	void *arg;
	int fd;
	struct buf sent;
	size_t queued; /* as the test says */
	bool paused, closed;
};
struct fake_io *fake_io_new(int fd, const struct io_cb *cb, void *arg);
void fake_io_free(struct fake_io *f);

/* ---- disk ------------------------------------------------------------------------ */

struct fake_disk {
	struct store_backend backend; /* first member */
	struct loop *loop;
	struct map values; /* key -> struct buf * */
	bool stuck;	   /* writes wait until fake_disk_flush */
	VEC(struct fake_write *) waiting;
};
void fake_disk_init(struct fake_disk *d, struct loop *l);
void fake_disk_flush(struct fake_disk *d);
/* What waits is never written; whose it was is gone. */
void fake_disk_lose(struct fake_disk *d);
void fake_disk_done(struct fake_disk *d);

#endif
