/* http_server.c - the HTTP server of http_event.h, on evhttp.
 *
 * evhttp parses and frames; this file adds what it leaves open: the number of
 * connections, bounded streams, noticing that a peer left while its answer is
 * still being made, and lifetimes that handlers can rely on.
 *
 * One `conn` per connection, in a table by fd; one `call` per request, which
 * is the exchange first and the stream later. Whoever of the two ends first
 * cuts the pointer to itself in the other. Not for what the paths mean.
 * Called by core/bin (mains) only; handlers see wire/http.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "loop/loop_event.h"
#include "wire/http_event.h"
#include "wire/sock.h"

enum {
	PENDING_READ_BYTES = 64 * 1024, /* of what a peer sends before it has its answer */
	WRITE_BYTES = 256 * 1024,	/* per turn and connection */
	SWEEP_SLACK = 64,
	REOPEN_NS = 1000000000,
};

struct conn {
	struct http_server *server;
	struct bufferevent *bev; /* a reference of our own, so that it can be asked whether evhttp dropped it */
	int fd;			 /* -1 until evhttp has set it, right after on_accept */
	struct call *call;	 /* the request that is being answered */
	bool refused;
};

struct call {
	struct http_exchange x; /* first */
	struct http_stream st;
	struct conn *conn;	    /* NULL: the peer is gone */
	struct evhttp_request *req; /* NULL: evhttp has freed it */
	struct http_request r;
	VEC(struct http_header) headers;
	char *path, *query, *peer;
	size_t max_queue;
	struct loop *loop;
	bool streaming, head_only;
	bool cut;  /* on_cut is posted, and will free the call */
	bool told; /* the stream's on_gone has been called */
};

struct http_server {
	struct loop *loop;
	struct http_limits limits;
	struct http_router *router;
	struct evhttp *http;
	int port;
	bool (*filter)(void *arg, struct http_request *r, struct http_exchange *x);
	void *filter_arg;
	VEC(struct conn *) by_fd;
	VEC(struct conn *) unplaced;
	struct evconnlistener *listener;
	struct event *placing;
	struct loop_timer *reopen;
	int n_conns; /* at least as many as are alive: the dead ones are swept up later */
	int sweep_at;
};

static const struct http_exchange_ops exchange_ops;
static const struct http_stream_ops stream_ops;

/* ---- connections ---------------------------------------------------------- */

static void drop_conn(struct conn *c)
{
	struct http_server *s = c->server;

	if (c->fd >= 0 && (size_t)c->fd < s->by_fd.n && s->by_fd.v[c->fd] == c)
		s->by_fd.v[c->fd] = NULL;
	bufferevent_decref(c->bev);
	s->n_conns--;
	free(c);
}

/* evhttp clears the callbacks when it lets go of a bufferevent; that is the
 * only trace that a connection without any request leaves. */
static bool is_dropped(const struct conn *c)
{
	bufferevent_event_cb on_event = NULL;

	bufferevent_getcb(c->bev, NULL, NULL, &on_event, NULL);
	return !on_event;
}

/* Connections get their fd right after on_accept has returned. */
static void place_conns(struct http_server *s)
{
	for (size_t i = 0; i < s->unplaced.n; i++) {
		struct conn *c = s->unplaced.v[i];
		int fd = bufferevent_getfd(c->bev);
		if (fd < 0 || is_dropped(c)) {
			drop_conn(c);
			continue;
		}
		while (s->by_fd.n <= (size_t)fd)
			vec_push(&s->by_fd, NULL);
		/* The number is in use again: its former owner is gone. */
		if (s->by_fd.v[fd])
			drop_conn(s->by_fd.v[fd]);
		c->fd = fd;
		s->by_fd.v[fd] = c;
		if (c->refused)
			shutdown(fd, SHUT_RDWR);
	}
	vec_clear(&s->unplaced);
}

static void sweep_conns(struct http_server *s)
{
	for (size_t i = 0; i < s->by_fd.n; i++)
		if (s->by_fd.v[i] && is_dropped(s->by_fd.v[i]))
			drop_conn(s->by_fd.v[i]);
	s->sweep_at = MZ_MIN(s->n_conns * 2 + SWEEP_SLACK, s->limits.max_connections);
}

static void on_placing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	place_conns(arg);
}

static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
	struct http_server *s = arg;

	place_conns(s);
	if (s->n_conns >= s->sweep_at)
		sweep_conns(s);
	struct conn *c = xnew(struct conn);
	c->server = s;
	c->fd = -1;
	c->refused = s->n_conns >= s->limits.max_connections;
	c->bev = bufferevent_socket_new(base, -1, 0);
	must(c->bev);
	bufferevent_incref(c->bev);
	bufferevent_set_max_single_write(c->bev, WRITE_BYTES);
	bufferevent_set_max_single_read(c->bev, WRITE_BYTES);
	vec_push(&s->unplaced, c);
	s->n_conns++;
	if (c->refused)
		event_active(s->placing, EV_TIMEOUT, 0);
	return c->bev;
}

static struct conn *find_conn(struct http_server *s, struct bufferevent *bev)
{
	int fd = bufferevent_getfd(bev);

	place_conns(s);
	must(fd >= 0 && (size_t)fd < s->by_fd.n && s->by_fd.v[fd] && s->by_fd.v[fd]->bev == bev);
	return s->by_fd.v[fd];
}

/* ---- the life of a call --------------------------------------------------- */

static void forget_request(struct call *call)
{
	vec_done(&call->headers);
	free(MZ_MOVE(call->path));
	free(MZ_MOVE(call->query));
	free(MZ_MOVE(call->peer));
}

static void free_call(struct call *call)
{
	forget_request(call);
	free(call);
}

static void tell_stream(struct call *call)
{
	if (call->st.on_gone && !call->told) {
		call->told = true;
		call->st.on_gone(call->st.arg);
	}
}

static void on_conn_closed(struct evhttp_connection *ec, void *arg)
{
	struct conn *c = arg;
	struct call *call = c->call;

	(void)ec;
	drop_conn(c);
	if (!call)
		return;
	call->conn = NULL;
	if (!call->streaming) {
		/* The handler may still read the request: it is freed with the answer. */
		evhttp_request_own(call->req);
		if (call->x.on_gone)
			call->x.on_gone(call->x.on_gone_arg);
		return;
	}
	/* evhttp leaves an unfinished request to us if the peer broke off, and
	 * frees it itself if it is the server that closes. */
	if (!evhttp_request_get_connection(call->req))
		evhttp_request_free(call->req);
	call->req = NULL;
	tell_stream(call);
	if (!call->cut)
		free_call(call);
}

static void on_cut(void *arg)
{
	struct call *call = arg;

	/* Closing calls on_conn_closed, which leaves a cut call to us. */
	if (call->conn)
		evhttp_connection_free(evhttp_request_get_connection(call->req));
	tell_stream(call);
	free_call(call);
}

static void cut_stream(struct call *call)
{
	call->cut = true;
	loop_post(call->loop, on_cut, call);
}

static void set_timeouts(struct bufferevent *bev, int read_secs, int write_secs)
{
	struct timeval r = {.tv_sec = read_secs}, w = {.tv_sec = write_secs};

	bufferevent_set_timeouts(bev, read_secs ? &r : NULL, write_secs ? &w : NULL);
}

static void on_reply_sent(struct evhttp_request *req, void *arg)
{
	struct conn *c = arg;

	(void)req;
	bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
	set_timeouts(c->bev, c->server->limits.idle_timeout_secs, c->server->limits.idle_timeout_secs);
}

static void add_headers(struct call *call, const struct http_header *headers, size_t n_headers)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(call->req);
	time_t now = (time_t)(loop_wall(call->loop) / NS_PER_SEC);
	struct tm tm;
	char date[64];

	gmtime_r(&now, &tm);
	evutil_date_rfc1123(date, sizeof(date), &tm);
	evhttp_add_header(out, "Date", date);
	for (size_t i = 0; i < n_headers; i++)
		evhttp_add_header(out, headers[i].name, headers[i].value);
}

static bool has_no_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

static void exchange_reply(struct http_exchange *x, int status, const struct http_header *headers,
			   size_t n_headers, const void *body, size_t size)
{
	struct call *call = (struct call *)x;
	struct conn *c = call->conn;

	if (!c) {
		evhttp_request_free(call->req);
		free_call(call);
		return;
	}
	add_headers(call, headers, n_headers);
	if (!has_no_body(status)) {
		char length[24];
		snprintf(length, sizeof(length), "%zu", size);
		evhttp_add_header(evhttp_request_get_output_headers(call->req), "Content-Length", length);
		if (size && !call->head_only)
			evbuffer_add(evhttp_request_get_output_buffer(call->req), body, size);
	}
	c->call = NULL;
	set_timeouts(c->bev, 0, c->server->limits.idle_timeout_secs);
	evhttp_request_set_on_complete_cb(call->req, on_reply_sent, c);
	evhttp_send_reply(call->req, status, NULL, NULL);
	free_call(call);
}

static struct http_stream *exchange_stream(struct http_exchange *x, int status,
					   const struct http_header *headers, size_t n_headers)
{
	struct call *call = (struct call *)x;

	call->st.ops = &stream_ops;
	call->streaming = true;
	forget_request(call);
	if (!call->conn) {
		/* Sends fail; the owner learns it as usual, from the loop. */
		evhttp_request_free(MZ_MOVE(call->req));
		cut_stream(call);
		return &call->st;
	}
	/* Without chunks only the end of the connection can end the stream. */
	if (call->req->major == 1 && call->req->minor == 0)
		evhttp_remove_header(evhttp_request_get_input_headers(call->req), "Connection");
	add_headers(call, headers, n_headers);
	struct evbuffer *in = evhttp_request_get_input_buffer(call->req);
	evbuffer_drain(in, evbuffer_get_length(in));
	evhttp_request_set_on_complete_cb(call->req, on_reply_sent, call->conn);
	evhttp_send_reply_start(call->req, status, NULL);
	return &call->st;
}

static const struct http_exchange_ops exchange_ops = {exchange_reply, exchange_stream};

/* ---- streams -------------------------------------------------------------- */

static size_t stream_queued(const struct http_stream *st)
{
	struct call *call = mz_container_of(st, struct call, st);

	return call->conn ? evbuffer_get_length(bufferevent_get_output(call->conn->bev)) : 0;
}

static int stream_send(struct http_stream *st, const void *data, size_t size)
{
	struct call *call = mz_container_of(st, struct call, st);

	if (!call->conn || call->cut)
		return -EPIPE;
	if (stream_queued(st) > call->max_queue) {
		cut_stream(call);
		return -ENOBUFS;
	}
	struct evbuffer *chunk = evbuffer_new();
	must(chunk && evbuffer_add(chunk, data, size) == 0);
	evhttp_send_reply_chunk(call->req, chunk);
	evbuffer_free(chunk);
	return 0;
}

static void stream_close(struct http_stream *st)
{
	struct call *call = mz_container_of(st, struct call, st);
	struct conn *c = call->conn;

	call->st.on_gone = NULL;
	if (call->cut)
		return; /* on_cut is on its way */
	if (c) {
		c->call = NULL;
		set_timeouts(c->bev, 0, c->server->limits.idle_timeout_secs);
		evhttp_send_reply_end(call->req);
	}
	free_call(call);
}

static const struct http_stream_ops stream_ops = {stream_send, stream_queued, stream_close};

/* ---- requests ------------------------------------------------------------- */

static const char *method_name(enum evhttp_cmd_type type)
{
	switch (type) {
	case EVHTTP_REQ_GET: return "GET";
	case EVHTTP_REQ_POST: return "POST";
	case EVHTTP_REQ_HEAD: return "HEAD";
	case EVHTTP_REQ_PUT: return "PUT";
	case EVHTTP_REQ_DELETE: return "DELETE";
	case EVHTTP_REQ_OPTIONS: return "OPTIONS";
	case EVHTTP_REQ_PATCH: return "PATCH";
	default: return "TRACE";
	}
}

/* Path and query of a target that may be in absolute form. */
static const char *relative_target(const char *uri)
{
	const char *authority;

	if (*uri == '/' || !(authority = strstr(uri, "://")))
		return uri;
	authority += 3;
	const char *path = authority + strcspn(authority, "/?#");
	return *path == '/' ? path : "/";
}

static int read_request(struct call *call, struct evhttp_connection *ec)
{
	struct http_request *r = &call->r;
	struct evbuffer *body = evhttp_request_get_input_buffer(call->req);
	const char *target = relative_target(evhttp_request_get_uri(call->req));
	size_t path_len = strcspn(target, "?#");
	char *ip = NULL;
	ev_uint16_t port = 0;

	r->method = method_name(evhttp_request_get_command(call->req));
	call->head_only = strcmp(r->method, "HEAD") == 0;
	r->target = target;
	if (target[path_len] == '?') {
		const char *query = target + path_len + 1;
		r->query = call->query = xstrndup(query, strcspn(query, "#"));
	}
	struct evkeyval *kv;
	for (kv = evhttp_request_get_input_headers(call->req)->tqh_first; kv; kv = kv->next.tqe_next)
		vec_push(&call->headers, ((struct http_header){kv->key, kv->value}));
	r->headers = call->headers.v;
	r->n_headers = call->headers.n;
	r->body_size = evbuffer_get_length(body);
	r->body = evbuffer_pullup(body, -1); /* NULL if there is none */
	evhttp_connection_get_peer(ec, &ip, &port);
	r->peer = call->peer = xasprintf(strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip, port);
	if (http_decode(target, path_len, false, &call->path) < 0)
		return -EINVAL;
	r->path = call->path;
	return 0;
}

/* While the answer is being made, nothing more is parsed (evhttp does not do
 * pipelining), but the end of the connection is to be noticed. */
static void watch_peer(struct conn *c)
{
	bufferevent_event_cb on_event;
	void *arg;

	bufferevent_getcb(c->bev, NULL, NULL, &on_event, &arg);
	bufferevent_setcb(c->bev, NULL, NULL, on_event, arg);
	bufferevent_setwatermark(c->bev, EV_READ, 0, PENDING_READ_BYTES);
	set_timeouts(c->bev, 0, 0);
	bufferevent_enable(c->bev, EV_READ);
}

static void on_request(struct evhttp_request *req, void *arg)
{
	struct http_server *s = arg;
	struct evhttp_connection *ec = evhttp_request_get_connection(req);
	struct conn *c = find_conn(s, evhttp_connection_get_bufferevent(ec));
	struct call *call = xnew(struct call);

	/* evhttp takes an absolute-form target for a proxy's, and would close. */
	req->flags &= ~EVHTTP_PROXY_REQUEST;
	call->x.ops = &exchange_ops;
	call->conn = c;
	call->req = req;
	call->loop = s->loop;
	call->max_queue = s->limits.max_stream_queue;
	c->call = call;
	evhttp_connection_set_closecb(ec, on_conn_closed, c);
	watch_peer(c);
	if (read_request(call, ec) < 0) {
		http_reply_text(&call->x, 400, "Malformed path");
		return;
	}
	if (!s->filter || s->filter(s->filter_arg, &call->r, &call->x))
		http_dispatch(s->router, &call->r, &call->x);
}

/* ---- the server ----------------------------------------------------------- */

/* Out of descriptors: evhttp owns the argument of this callback, so it can only
 * close the door; on_reopen tries again without knowing whether it was shut. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)arg;
	log_warning("http", "Cannot accept a connection: %s", strerror(errno));
	evconnlistener_disable(listener);
}

static void on_reopen(void *arg)
{
	struct http_server *s = arg;

	evconnlistener_enable(s->listener);
	s->reopen = loop_timer(s->loop, REOPEN_NS, on_reopen, s);
}

int http_server_new(struct loop *l, const char *ip, int port, const struct http_limits *limits,
		    struct http_router *router, struct http_server **ret, struct mz_err *err)
{
	struct event_base *base = loop_event_base(l);
	int fd;
	int r = sock_listen(ip, port, &fd, err);

	if (r < 0)
		return r;
	struct http_server *s = xnew(struct http_server);
	s->loop = l;
	s->limits = limits ? *limits : HTTP_LIMITS_DEFAULT;
	s->router = router;
	s->port = sock_port(fd);
	s->sweep_at = MZ_MIN(SWEEP_SLACK, s->limits.max_connections);
	s->http = evhttp_new(base);
	must(s->http);
	evhttp_set_default_content_type(s->http, NULL);
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
						    EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(s->http, on_request, s);
	evhttp_set_max_headers_size(s->http, (ev_ssize_t)s->limits.max_header_bytes);
	evhttp_set_max_body_size(s->http, (ev_ssize_t)s->limits.max_body_bytes);
	evhttp_set_timeout(s->http, s->limits.idle_timeout_secs);
	/* A body that is too large is read to its end, unkept, so that the peer sees the 413. */
	evhttp_set_flags(s->http, EVHTTP_SERVER_LINGERING_CLOSE);
	evhttp_set_bevcb(s->http, on_accept, s);
	s->placing = evtimer_new(base, on_placing, s);
	s->listener = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	must(s->placing && s->listener && evhttp_bind_listener(s->http, s->listener));
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	s->reopen = loop_timer(l, REOPEN_NS, on_reopen, s);
	*ret = s;
	return 0;
}

int http_server_port(const struct http_server *s)
{
	return s->port;
}

void http_server_filter(struct http_server *s,
			bool (*fn)(void *arg, struct http_request *r, struct http_exchange *x), void *arg)
{
	s->filter = fn;
	s->filter_arg = arg;
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	loop_timer_cancel(s->loop, s->reopen);
	event_free(s->placing);
	place_conns(s);
	evhttp_free(s->http); /* closes each connection: on_conn_closed */
	for (size_t i = 0; i < s->by_fd.n; i++)
		if (s->by_fd.v[i])
			drop_conn(s->by_fd.v[i]);
	vec_done(&s->by_fd);
	vec_done(&s->unplaced);
	free(s);
}
