/* link_event_dial.c - the agent's end: from a master's HTTP address to a link.
 *
 * resolve the name -> GET /mezzo/link -> (307: once more, at the leader) ->
 * connect to the port it names -> hello. One `attempt` per dial; each step is
 * a callback that starts the next one. Called by core/bin (mains) only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/http_event.h"
#include "wire/link_event_impl.h"
#include "wire/sock.h"

#define DIAL_TIMEOUT_NS (20 * NS_PER_SEC)
#define GET_TIMEOUT_NS (10 * NS_PER_SEC)

struct event_dialer {
	struct link_dialer d; /* first */
	struct loop *loop;
	struct link_limits limits;
	struct list attempts;
};

/* Crosses to a worker thread, so it belongs to no attempt's memory. */
struct lookup {
	struct attempt *attempt; /* NULL: given up */
	char *host;
	char ip[NI_MAXHOST]; /* "": not found */
	const char *error;
};

struct attempt {
	struct list node;
	struct event_dialer *dialer;
	void (*fn)(void *arg, struct link *l, const char *why);
	void *arg;
	struct loop_timer *timer;
	struct lookup *lookup;
	struct http_client *client;
	struct loop_fd *connecting;
	struct link_conn *conn;
	int fd;
	char *host; /* of the HTTP server that is being asked */
	int port;
	char ip[NI_MAXHOST];
	char why[256];
	bool redirected, posted, dead;
};

/* ---- the end of an attempt ------------------------------------------------ */

static void stop(struct attempt *a)
{
	struct loop *l = a->dialer->loop;

	loop_timer_cancel(l, MZ_MOVE(a->timer));
	if (a->lookup)
		MZ_MOVE(a->lookup)->attempt = NULL;
	http_client_free(MZ_MOVE(a->client));
	loop_fd_close(l, MZ_MOVE(a->connecting));
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	if (a->conn)
		link_conn_free(MZ_MOVE(a->conn));
	list_remove(&a->node);
	a->dead = true;
}

static void free_attempt(struct attempt *a)
{
	if (a->posted)
		return; /* on_fail frees it */
	free(a->host);
	free(a);
}

static void on_fail(void *arg)
{
	struct attempt *a = arg;

	a->posted = false;
	if (!a->dead) {
		stop(a);
		a->fn(a->arg, NULL, a->why);
	}
	free_attempt(a);
}

/* Always by a posted call: a step may fail while its cause is on the stack. */
static void fail(struct attempt *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct attempt *a, const char *fmt, ...)
{
	va_list ap;

	if (a->posted)
		return;
	va_start(ap, fmt);
	vsnprintf(a->why, sizeof(a->why), fmt, ap);
	va_end(ap);
	a->posted = true;
	loop_post(a->dialer->loop, on_fail, a);
}

static void on_timeout(void *arg)
{
	struct attempt *a = arg;

	a->timer = NULL;
	fail(a, "No link to the master at '%s:%d' in time", a->host, a->port);
}

/* ---- connecting ----------------------------------------------------------- */

static void on_ready(void *maker, struct link_conn *c, const char *why)
{
	struct attempt *a = maker;

	a->conn = NULL;
	if (why) {
		fail(a, "%s: %s", c->peer, why); /* the caller frees c */
		return;
	}
	/* The link goes on without us. */
	c->maker = NULL;
	stop(a);
	a->fn(a->arg, &c->link, NULL);
	free_attempt(a);
}

static void on_connected(void *arg, int ready)
{
	struct attempt *a = arg;
	struct event_dialer *d = a->dialer;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	int error = 0;
	socklen_t error_len = sizeof(error);

	(void)ready;
	loop_fd_close(d->loop, MZ_MOVE(a->connecting));
	getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &error_len);
	if (error || getpeername(a->fd, (struct sockaddr *)&sa, &len) < 0) {
		fail(a, "Cannot connect to the link port of '%s': %s", a->host, strerror(error ? error : errno));
		return;
	}
	a->conn = link_conn_new(d->loop, a->fd, sock_format((struct sockaddr *)&sa, len), &d->limits, on_ready, a);
	a->fd = -1;
}

static void connect_to(struct attempt *a, int port)
{
	struct sockaddr_storage sa;
	socklen_t len;

	if (sock_address(a->ip, port, &sa, &len) < 0) {
		fail(a, "The master at '%s:%d' names no usable link port", a->host, a->port);
		return;
	}
	a->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->fd < 0 || (connect(a->fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)) {
		fail(a, "Cannot connect to the link port of '%s': %s", a->host, strerror(errno));
		return;
	}
	a->connecting = loop_fd(a->dialer->loop, a->fd, LOOP_WRITE, on_connected, a);
}

/* ---- asking the master ---------------------------------------------------- */

/* {"port":N}: the only JSON that this layer reads. */
static int parse_port(const struct http_response *r)
{
	mz_autofree char *text = xstrndup(r->body_size ? r->body : "", MZ_MIN(r->body_size, (size_t)4096));
	const char *p = strstr(text, "\"port\"");

	if (!p)
		return -1;
	p += strlen("\"port\"");
	p += strspn(p, " \t\r\n");
	if (*p++ != ':')
		return -1;
	long port = strtol(p, NULL, 10);
	return port > 0 && port < 65536 ? (int)port : -1;
}

static void resolve(struct attempt *a);

/* Location: //host:port/path, with or without a scheme. */
static void follow(struct attempt *a, const char *location)
{
	const char *authority = location ? strstr(location, "//") : NULL;

	if (!authority || a->redirected) {
		fail(a, "The master at '%s:%d' redirects to no leader", a->host, a->port);
		return;
	}
	authority += 2;
	mz_autofree char *address = xstrndup(authority, strcspn(authority, "/?#"));
	struct mz_err err;
	char *host;
	if (sock_split(address, &host, &a->port, &err) < 0) {
		fail(a, "The master at '%s' redirects wrongly: %s", a->host, err.msg);
		return;
	}
	free(a->host);
	a->host = host;
	a->redirected = true;
	resolve(a);
}

static void on_answer(void *arg, const struct http_response *r)
{
	struct attempt *a = arg;

	http_client_free(MZ_MOVE(a->client));
	if (r->status == 307 || r->status == 302) {
		follow(a, http_response_header(r, "Location"));
	} else if (r->status == 200) {
		int port = parse_port(r);
		connect_to(a, port < 0 ? 65536 : port);
	} else if (r->status) {
		fail(a, r->status == 503 ? "The master at '%s:%d' knows no leader (status %d)"
					 : "The master at '%s:%d' offers no links (status %d)",
		     a->host, a->port, r->status);
	} else {
		fail(a, "Cannot ask the master at '%s:%d': %s", a->host, a->port, r->error);
	}
}

static void ask(struct attempt *a)
{
	a->client = http_client_new(a->dialer->loop, a->ip, a->port);
	http_client_call(a->client, "GET", "/mezzo/link", NULL, 0, NULL, 0, GET_TIMEOUT_NS, on_answer, a);
}

/* ---- names ---------------------------------------------------------------- */

/* On a worker thread. */
static void look_up(void *arg)
{
	struct lookup *lk = arg;
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *ai = NULL, *best = NULL;
	int r = getaddrinfo(lk->host, NULL, &hints, &ai);

	if (r != 0) {
		lk->error = gai_strerror(r);
		return;
	}
	for (struct addrinfo *i = ai; i; i = i->ai_next)
		if (!best || (best->ai_family != AF_INET && i->ai_family == AF_INET))
			best = i;
	if (getnameinfo(best->ai_addr, best->ai_addrlen, lk->ip, sizeof(lk->ip), NULL, 0, NI_NUMERICHOST) != 0)
		lk->error = "no address";
	freeaddrinfo(ai);
}

static void on_looked_up(void *arg)
{
	struct lookup *lk = arg;
	struct attempt *a = lk->attempt;

	if (a) {
		a->lookup = NULL;
		if (lk->error) {
			fail(a, "Cannot resolve '%s': %s", lk->host, lk->error);
		} else {
			snprintf(a->ip, sizeof(a->ip), "%s", lk->ip);
			ask(a);
		}
	}
	free(lk->host);
	free(lk);
}

static void resolve(struct attempt *a)
{
	struct sockaddr_storage sa;
	socklen_t len;

	if (sock_address(a->host, a->port, &sa, &len) == 0) {
		snprintf(a->ip, sizeof(a->ip), "%s", a->host);
		ask(a);
		return;
	}
	struct lookup *lk = xnew(struct lookup);
	lk->attempt = a;
	lk->host = xstrdup(a->host);
	if (loop_offload(a->dialer->loop, look_up, on_looked_up, lk) < 0) {
		free(lk->host);
		free(lk);
		fail(a, "Cannot resolve '%s': too much to do", a->host);
		return;
	}
	a->lookup = lk;
}

/* ---- the interface of link.h ---------------------------------------------- */

static void dial(struct link_dialer *ld, const char *address, void (*fn)(void *arg, struct link *l, const char *why),
		 void *arg)
{
	struct event_dialer *d = (struct event_dialer *)ld;
	struct attempt *a = xnew(struct attempt);
	struct mz_err err;

	a->dialer = d;
	a->fn = fn;
	a->arg = arg;
	a->fd = -1;
	list_append(&d->attempts, &a->node);
	if (sock_split(address, &a->host, &a->port, &err) < 0) {
		fail(a, "%s", err.msg);
		return;
	}
	a->timer = loop_timer(d->loop, DIAL_TIMEOUT_NS, on_timeout, a);
	resolve(a);
}

static void cancel(struct link_dialer *ld, void *arg)
{
	struct event_dialer *d = (struct event_dialer *)ld;

	list_each(&d->attempts, struct attempt, node, a)
		if (a->arg == arg) {
			stop(a);
			free_attempt(a);
			return;
		}
}

static const struct link_dialer_ops dialer_ops = {dial, cancel};

int link_dialer_event_new(struct loop *l, const struct link_limits *limits, struct link_dialer **ret)
{
	struct event_dialer *d = xnew(struct event_dialer);

	d->d.ops = &dialer_ops;
	d->loop = l;
	d->limits = limits ? *limits : LINK_LIMITS_DEFAULT;
	list_init(&d->attempts);
	*ret = &d->d;
	return 0;
}

void link_dialer_event_free(struct link_dialer *ld)
{
	struct event_dialer *d = (struct event_dialer *)ld;

	if (!d)
		return;
	list_each(&d->attempts, struct attempt, node, a) {
		stop(a);
		free_attempt(a);
	}
	free(d);
}
