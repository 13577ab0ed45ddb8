/* host_route.c - HTTP routes of modules: /modules/KIND/NAME<path> of the daemon.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "module/impl.h"
#include "wire/http.h"

/* Answered requests that are remembered, to find out who answers twice. */
enum { ANSWERED_MAX = 64 };

struct route {
	struct list link;
	struct module *m;
	char *path; /* whole */
	void (*fn)(void *arg, struct mz_request *r);
	void *arg;
	bool attached;
};

struct mz_request {
	struct list link;
	struct module *m;
	const struct http_request *r;
	struct http_exchange *x; /* NULL: answered */
	VEC(char *) queries;
	size_t skip; /* of the path: "/modules/KIND/NAME" */
};

static void request_free(struct mz_request *q)
{
	for (size_t i = 0; i < q->queries.n; i++)
		free(q->queries.v[i]);
	vec_done(&q->queries);
	free(q);
}

static void on_request(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct route *t = arg;
	struct mz_request *q = xnew(struct mz_request);
	q->m = t->m;
	q->r = r;
	q->x = x;
	q->skip = strlen("/modules/") + strlen(t->m->name);
	list_append(&t->m->requests, &q->link);
	struct module_call c = module_enter(t->m, "a request's handler");
	t->fn(t->arg, q);
	module_leave(&c);
}

static void attach(struct route *t)
{
	if (t->attached || !t->m->registry->router)
		return;
	http_route(t->m->registry->router, t->path, on_request, t);
	t->attached = true;
}

void host_route_attach(struct module *m)
{
	list_each(&m->routes, struct route, link, t)
		attach(t);
}

static int host_route(const struct mz_host *h, const char *path, void (*fn)(void *arg, struct mz_request *r),
		      void *arg, struct mz_err *err)
{
	struct module *m = module_of_host(h);
	if (path[0] != '\0' && path[0] != '/')
		return mz_fail(err, -EINVAL, "Route '%s' of module '%s' does not begin with '/'", path, m->name);
	mz_autofree char *full = xasprintf("/modules/%s%s", m->name, path);
	list_each(&m->routes, struct route, link, old)
		if (strcmp(old->path, full) == 0)
			return mz_fail(err, -EEXIST, "Route '%s' of module '%s' is there already", path, m->name);
	struct route *t = xnew(struct route);
	t->m = m;
	t->path = MZ_MOVE(full);
	t->fn = fn;
	t->arg = arg;
	list_append(&m->routes, &t->link);
	attach(t);
	return 0;
}

static const char *host_request_method(const struct mz_request *q)
{
	return q->x ? q->r->method : "";
}

static const char *host_request_path(const struct mz_request *q)
{
	return q->x && strlen(q->r->path) >= q->skip ? q->r->path + q->skip : "";
}

static const char *host_request_query(const struct mz_request *q, const char *name)
{
	char *value = q->x ? http_query(q->r, name) : NULL;
	if (value)
		vec_push(&((struct mz_request *)q)->queries, value); /* lives as long as the request */
	return value;
}

static const char *host_request_header(const struct mz_request *q, const char *name)
{
	return q->x ? http_header(q->r, name) : NULL;
}

static struct mz_bytes host_request_body(const struct mz_request *q)
{
	return q->x ? (struct mz_bytes){q->r->body, q->r->body_size} : (struct mz_bytes){NULL, 0};
}

static void host_request_reply(struct mz_request *q, int status, const char *content_type, struct mz_bytes body)
{
	struct module *m = q->m;
	if (!q->x) {
		log_error(m->area, "Module '%s' answered a request twice, ignoring the second answer", m->name);
		return;
	}
	struct http_exchange *x = MZ_MOVE(q->x);
	list_remove(&q->link);
	list_append(&m->answered, &q->link);
	if (++m->n_answered > ANSWERED_MAX) {
		struct mz_request *old = list_first(&m->answered, struct mz_request, link);
		list_remove(&old->link);
		request_free(old);
		m->n_answered--;
	}
	http_reply(x, status, content_type ? content_type : "text/plain", body.data, body.size);
}

void host_route_init(struct module *m)
{
	struct mz_host *h = &m->host;
	list_init(&m->routes);
	list_init(&m->requests);
	list_init(&m->answered);
	h->route = host_route;
	h->request_method = host_request_method;
	h->request_path = host_request_path;
	h->request_query = host_request_query;
	h->request_header = host_request_header;
	h->request_body = host_request_body;
	h->request_reply = host_request_reply;
}

void host_route_done(struct module *m)
{
	list_each(&m->routes, struct route, link, t) {
		if (t->attached)
			http_unroute(m->registry->router, t->path);
		list_remove(&t->link);
		free(t->path);
		free(t);
	}
	list_each(&m->requests, struct mz_request, link, q) {
		http_reply_text(q->x, 503, "The module has gone");
		list_remove(&q->link);
		request_free(q);
	}
	list_each(&m->answered, struct mz_request, link, q) {
		list_remove(&q->link);
		request_free(q);
	}
}
