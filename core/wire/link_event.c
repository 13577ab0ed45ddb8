/* link_event.c - one framed connection: hello, frames, heartbeats, limits.
 *
 * Not for listening (link_event_server.c) or dialling (link_event_dial.c), nor
 * for what the frames mean (core/master, core/agent).
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/loop_event.h"
#include "wire/link_event_impl.h"
#include "wire/sock.h"

enum {
	IO_BYTES = 256 * 1024,
	SILENT_BEATS = 3,
	MAX_HELD = 32,	  /* times the largest frame, of all links */
	LARGE_PART = 16,  /* a frame is large from this part of the largest one on */
};

static const unsigned char hello[LINK_HELLO_BYTES] = {'M', 'Z', 'L', 'K', LINK_VERSION};

/* ---- the end of a link ---------------------------------------------------- */

/* So much of a frame has come. */
static void hold(struct link_conn *c, size_t n)
{
	if (c->n_held_all)
		*c->n_held_all += n - c->n_held;
	c->n_held = n;
}

void link_conn_free(struct link_conn *c)
{
	hold(c, 0);
	if (c->on_free)
		c->on_free(c->maker, c);
	loop_timer_cancel(c->loop, c->timer);
	bufferevent_free(c->bev);
	free(c->peer);
	free(c);
}

void link_conn_gone(struct link_conn *c, const char *why)
{
	if (!c->closed) {
		c->closed = true;
		if (!c->ready)
			c->on_ready(c->maker, c, why);
		else if (c->link.on_gone)
			c->link.on_gone(c->link.arg, why);
	}
	if (!c->cut)
		link_conn_free(c);
}

static void on_cut(void *arg)
{
	struct link_conn *c = arg;

	c->cut = false;
	link_conn_gone(c, c->why);
}

/* For places where the owner must not be called. */
static void cut_later(struct link_conn *c, const char *why)
{
	if (c->cut)
		return;
	c->cut = true;
	snprintf(c->why, sizeof(c->why), "%s", why);
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	loop_post(c->loop, on_cut, c);
}

/* A link that its owner closed: what is queued is written, then our half is
 * shut, and the peer's last bytes are thrown away until it closes too. Closing
 * with unread bytes would reset the connection and lose what we wrote. */
static void drain(struct link_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	evbuffer_drain(in, evbuffer_get_length(in));
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		shutdown(bufferevent_getfd(c->bev), SHUT_WR);
}

/* ---- frames --------------------------------------------------------------- */

static void put_frame(struct link_conn *c, const void *data, size_t size)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	uint32_t head = htonl((uint32_t)size);

	evbuffer_add(out, &head, sizeof(head));
	if (size)
		evbuffer_add(out, data, size);
}

static bool take_hello(struct link_conn *c, const unsigned char *p, size_t size)
{
	if (size != LINK_HELLO_BYTES || memcmp(p, hello, 4) != 0) {
		link_conn_gone(c, "The peer does not speak the link protocol");
		return false;
	}
	if (p[4] != LINK_VERSION) {
		snprintf(c->why, sizeof(c->why), "The peer speaks version %d of the link protocol, not %d", p[4],
			 LINK_VERSION);
		link_conn_gone(c, c->why);
		return false;
	}
	c->ready = true;
	c->on_ready(c->maker, c, NULL);
	return true;
}

/* Anybody can say hello, and begin a frame. */
static void wait_for_rest(struct link_conn *c, size_t n)
{
	size_t max = c->limits.max_frame_bytes;

	hold(c, n);
	if (c->n_held_all && *c->n_held_all > MAX_HELD * max && n > max / LARGE_PART)
		link_conn_gone(c, "Too many large frames at once");
}

/* One frame out of the input; false: there is no whole one, or c is freed. */
static bool take_frame(struct link_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t max = c->ready ? c->limits.max_frame_bytes : LINK_HELLO_BYTES;
	uint32_t head;

	if (evbuffer_copyout(in, &head, sizeof(head)) < (ev_ssize_t)sizeof(head))
		return false;
	size_t size = ntohl(head);
	if (size > max) {
		if (c->ready)
			snprintf(c->why, sizeof(c->why), "A frame of %zu bytes is over the limit of %zu", size, max);
		else
			snprintf(c->why, sizeof(c->why), "The peer does not speak the link protocol");
		link_conn_gone(c, c->why);
		return false;
	}
	if (evbuffer_get_length(in) < LINK_HEAD_BYTES + size) {
		wait_for_rest(c, evbuffer_get_length(in));
		return false;
	}
	hold(c, 0);
	evbuffer_drain(in, LINK_HEAD_BYTES);
	const unsigned char *p = size ? evbuffer_pullup(in, (ev_ssize_t)size) : NULL;
	if (!c->ready) {
		if (!take_hello(c, p, size))
			return false;
	} else if (size && c->link.on_frame) {
		c->link.on_frame(c->link.arg, p, size);
	}
	evbuffer_drain(in, size);
	return true;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct link_conn *c = arg;

	(void)bev;
	if (!c->closed)
		c->heard_ns = loop_now(c->loop);
	while (!c->closed && !c->cut)
		if (!take_frame(c))
			return;
	if (c->closed && !c->cut)
		drain(c);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	(void)bev;
	struct link_conn *c = arg;
	if (c->closed)
		drain(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct link_conn *c = arg;

	(void)bev;
	if (what & BEV_EVENT_ERROR) {
		snprintf(c->why, sizeof(c->why), "Connection failed: %s",
			 evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
		link_conn_gone(c, c->why);
	} else {
		link_conn_gone(c, "The peer closed the connection");
	}
}

static void on_beat(void *arg)
{
	struct link_conn *c = arg;

	c->timer = NULL;
	if (loop_now(c->loop) - c->heard_ns >= SILENT_BEATS * c->limits.heartbeat_ns) {
		snprintf(c->why, sizeof(c->why), "Nothing heard from the peer for %d heartbeats", SILENT_BEATS);
		link_conn_gone(c, c->why);
		return;
	}
	if (!c->closed)
		put_frame(c, NULL, 0);
	c->timer = loop_timer(c->loop, c->limits.heartbeat_ns, on_beat, c);
}

/* ---- the interface of link.h ---------------------------------------------- */

static int event_send(struct link *l, const void *frame, size_t size)
{
	struct link_conn *c = (struct link_conn *)l;

	if (c->cut || c->closed)
		return -EPIPE;
	if (!size) /* would be a heartbeat */
		return -EINVAL;
	if (size > c->limits.max_frame_bytes)
		return -EMSGSIZE;
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) > c->limits.max_queue_bytes) {
		cut_later(c, "The peer reads too slowly: its queue is full");
		return -ENOBUFS;
	}
	put_frame(c, frame, size);
	return 0;
}

static void event_close(struct link *l)
{
	struct link_conn *c = (struct link_conn *)l;

	must(!c->closed);
	c->closed = true;
	if (c->cut)
		return; /* on_cut frees it */
	/* The silence limit now bounds the draining: nothing renews it. */
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		shutdown(bufferevent_getfd(c->bev), SHUT_WR);
}

static const struct link_ops event_ops = {event_send, event_close};

struct link_conn *link_conn_new(struct loop *l, int fd, char *peer, const struct link_limits *limits,
				void (*on_ready)(void *arg, struct link_conn *c, const char *why), void *maker)
{
	struct link_conn *c = xnew(struct link_conn);

	sock_tune(fd);
	c->link.ops = &event_ops;
	c->link.peer = c->peer = peer;
	c->loop = l;
	c->limits = *limits;
	c->on_ready = on_ready;
	c->maker = maker;
	c->heard_ns = loop_now(l);
	list_init(&c->node);
	c->bev = bufferevent_socket_new(loop_event_base(l), fd, BEV_OPT_CLOSE_ON_FREE);
	must(c->bev);
	bufferevent_set_max_single_read(c->bev, IO_BYTES);
	bufferevent_set_max_single_write(c->bev, IO_BYTES);
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	put_frame(c, hello, sizeof(hello));
	c->timer = loop_timer(l, limits->heartbeat_ns, on_beat, c);
	return c;
}
