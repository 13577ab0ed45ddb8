/* http_server.c - the doors and the clock of the HTTP server: listening, the number
 * of connections, who has been waited for too long. Connections are in http_conn.c,
 * answers in http_call.c.
 *
 * All that waits does so for the same time, so those who wait form a queue, and one
 * timer looks at its head. Called by core/bin (mains) only; handlers see wire/http.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "wire/http_server_impl.h"
#include "wire/sock.h"

#define REOPEN_NS NS_PER_SEC

enum { MAX_UNSENT = 64 }; /* times what one stream may have */

/* ---- time --------------------------------------------------------------------------- */

const char *http_server_date(struct http_server *s)
{
	time_t now = (time_t)(loop_wall(s->loop) / NS_PER_SEC);
	struct tm tm;

	if (now != s->date_secs || !s->date[0]) {
		gmtime_r(&now, &tm);
		evutil_date_rfc1123(s->date, sizeof(s->date), &tm);
		s->date_secs = now;
	}
	return s->date;
}

static int64_t timeout_ns(const struct http_server *s)
{
	return s->limits.idle_timeout_secs * NS_PER_SEC;
}

static void on_sweep(void *arg)
{
	struct http_server *s = arg;
	int64_t now = loop_now(s->loop);

	s->sweep = NULL;
	while (!list_empty(&s->waiting)) {
		struct http_conn *c = list_first(&s->waiting, struct http_conn, wait);
		int64_t left = c->since_ns + timeout_ns(s) - now;
		if (left > 0) {
			if (!s->sweep)
				s->sweep = loop_timer(s->loop, left, on_sweep, s);
			return;
		}
		http_conn_expired(c);
	}
}

void http_server_wait(struct http_conn *c, bool waits)
{
	struct http_server *s = c->server;

	if (waits != list_empty(&c->wait))
		return;
	if (!waits) {
		list_remove(&c->wait);
		return;
	}
	if (s->limits.idle_timeout_secs <= 0)
		return;
	c->since_ns = loop_now(s->loop);
	c->progress = 0;
	c->written_at = c->ch.n_written;
	list_append(&s->waiting, &c->wait);
	if (!s->sweep)
		s->sweep = loop_timer(s->loop, timeout_ns(s), on_sweep, s);
}

/* ---- memory --------------------------------------------------------------------------- */

static void count_unsent(struct http_conn *c)
{
	struct http_server *s = c->server;
	size_t n = c->broken ? 0 : c->n_queued + chan_queued(&c->ch);

	if (n && !c->n_unsent)
		c->unsent_since_ns = loop_now(s->loop);
	s->n_unsent += n - c->n_unsent;
	c->n_unsent = n;
}

/* One answer can be large, and whoever asks need not read it. Of those that have more
 * than their share, the one that has not read for longest goes. A single one may be as
 * large as it likes. */
static void cut_slowest(struct http_server *s, const struct http_conn *except)
{
	struct http_conn *slowest = NULL;

	list_each(&s->conns, struct http_conn, node, c)
		count_unsent(c); /* parts may have gone meanwhile */
	size_t share = s->n_unsent / (size_t)s->n_conns;
	list_each(&s->conns, struct http_conn, node, c)
		if (c != except && c->n_unsent && c->n_unsent >= share &&
		    (!slowest || c->unsent_since_ns < slowest->unsent_since_ns))
			slowest = c;
	if (!slowest || s->n_unsent <= MAX_UNSENT * s->limits.max_stream_queue)
		return;
	log_warning("http", "Cut the connection of %s: it has not read %zu bytes, and %zu of all wait", slowest->peer,
		    slowest->n_unsent, s->n_unsent);
	slowest->broken = true;
	count_unsent(slowest);
	chan_turn(&slowest->ch);
}

void http_server_unsent(struct http_conn *c)
{
	count_unsent(c);
	if (c->server->n_unsent > MAX_UNSENT * c->server->limits.max_stream_queue)
		cut_slowest(c->server, c);
}

/* ---- the door ------------------------------------------------------------------------- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct http_server *s = arg;

	(void)listener;
	if (s->n_conns >= s->limits.max_connections) {
		sock_refused(&s->refusals, "http", sa, (socklen_t)len, s->n_conns, loop_now(s->loop));
		close((int)fd);
		return;
	}
	http_conn_new(s, (int)fd, s->unix_address ? xstrdup(s->unix_address) : sock_format(sa, (socklen_t)len));
}

/* Out of descriptors: the door is shut for a moment. */
static void on_reopen(void *arg)
{
	struct http_server *s = arg;

	s->reopen = NULL;
	evconnlistener_enable(s->listener);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct http_server *s = arg;

	log_warning("http", "Cannot accept a connection: %s", strerror(errno));
	evconnlistener_disable(listener);
	if (!s->reopen)
		s->reopen = loop_timer(s->loop, REOPEN_NS, on_reopen, s);
}

/* ---- the server ------------------------------------------------------------------------ */

int http_server_new(struct loop *l, const char *ip, int port, const struct http_limits *limits,
		    struct http_router *router, struct http_server **ret, struct mz_err *err)
{
	int fd;
	int r = sock_listen(ip, port, &fd, err);

	if (r < 0)
		return r;
	struct http_server *s = xnew(struct http_server);
	s->loop = l;
	s->limits = limits ? *limits : HTTP_LIMITS_DEFAULT;
	if (!s->limits.max_headers)
		s->limits.max_headers = HTTP_LIMITS_DEFAULT.max_headers;
	s->router = router;
	s->port = sock_port(fd);
	if (sock_unix_path(ip))
		s->unix_address = xstrdup(ip);
	list_init(&s->conns);
	list_init(&s->waiting);
	s->listener = evconnlistener_new(loop_event_base(l), on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
					 0, fd);
	must(s->listener);
	evconnlistener_set_error_cb(s->listener, on_accept_error);
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
	if (s->unix_address) /* as long as nobody else can have taken its place */
		(void)unlink(sock_unix_path(s->unix_address));
	evconnlistener_free(s->listener);
	while (!list_empty(&s->conns))
		http_conn_free(list_first(&s->conns, struct http_conn, node));
	loop_timer_cancel(s->loop, s->reopen);
	loop_timer_cancel(s->loop, s->sweep);
	buf_done(&s->scratch);
	free(s->unix_address);
	free(s);
}
