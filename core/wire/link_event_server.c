/* link_event_server.c - the master's end: accepts links.
 *
 * A link is shown to the owner when its hello has been read. Called by
 * core/bin (mains) only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop_event.h"
#include "wire/link_event_impl.h"
#include "wire/sock.h"

#define REOPEN_NS (NS_PER_SEC / 10)

struct link_server {
	struct loop *loop;
	struct link_limits limits;
	struct evconnlistener *listener;
	struct loop_timer *reopen;
	struct list conns;
	int n_conns, port;
	struct sock_refusals refusals;
	size_t n_held; /* bytes of frames that are not complete */
	void (*on_link)(void *arg, struct link *link);
	void *arg;
};

static void on_conn_free(void *maker, struct link_conn *c)
{
	struct link_server *s = maker;

	list_remove(&c->node);
	s->n_conns--;
}

static void on_ready(void *maker, struct link_conn *c, const char *why)
{
	struct link_server *s = maker;

	if (why)
		log_debug("link", "Refused a connection from %s: %s", c->peer, why);
	else
		s->on_link(s->arg, &c->link);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct link_server *s = arg;

	(void)listener;
	if (s->n_conns >= s->limits.max_links) {
		sock_refused(&s->refusals, "link", sa, (socklen_t)len, s->n_conns, loop_now(s->loop));
		close(fd);
		return;
	}
	struct link_conn *c =
		link_conn_new(s->loop, fd, sock_format(sa, (socklen_t)len), &s->limits, on_ready, s);
	c->on_free = on_conn_free;
	c->n_held_all = &s->n_held;
	list_append(&s->conns, &c->node);
	s->n_conns++;
}

static void on_reopen(void *arg)
{
	struct link_server *s = arg;

	s->reopen = NULL;
	evconnlistener_enable(s->listener);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct link_server *s = arg;

	log_warning("link", "Cannot accept a link: %s", strerror(errno));
	evconnlistener_disable(listener);
	if (!s->reopen)
		s->reopen = loop_timer(s->loop, REOPEN_NS, on_reopen, s);
}

int link_server_new(struct loop *l, const char *ip, int port, const struct link_limits *limits,
		    void (*on_link)(void *arg, struct link *link), void *arg, struct link_server **ret,
		    struct mz_err *err)
{
	int fd;
	int r = sock_listen(ip, port, &fd, err);

	if (r < 0)
		return r;
	struct link_server *s = xnew(struct link_server);
	s->loop = l;
	s->limits = limits ? *limits : LINK_LIMITS_DEFAULT;
	s->on_link = on_link;
	s->arg = arg;
	s->port = sock_port(fd);
	list_init(&s->conns);
	s->listener = evconnlistener_new(loop_event_base(l), on_accept, s,
					 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	must(s->listener);
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	*ret = s;
	return 0;
}

int link_server_port(const struct link_server *s)
{
	return s->port;
}

void link_server_free(struct link_server *s)
{
	if (!s)
		return;
	evconnlistener_free(s->listener);
	loop_timer_cancel(s->loop, s->reopen);
	while (!list_empty(&s->conns)) {
		struct link_conn *c = list_first(&s->conns, struct link_conn, node);
		/* It outlives us by a turn if its end is posted already. */
		list_remove(&c->node);
		c->on_free = NULL;
		c->n_held_all = NULL;
		link_conn_gone(c, "The server is closing");
	}
	free(s);
}
