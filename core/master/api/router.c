/* router.c - the master's routes: each under /NAME and /master/NAME, the read
 * endpoints also as NAME.json; and what all of them have in common.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/api/api.h"

static const struct endpoint {
	const char *name;
	void (*fn)(const struct api_request *q);
	bool needs_leader;
} endpoints[] = {
	{"state", api_state, true},	      {"state-summary", api_summary, true},
	{"slaves", api_slaves, true},	      {"frameworks", api_frameworks, true},
	{"tasks", api_tasks, true},	      {"roles", api_roles, true},
	{"health", api_health, false},	      {"version", api_version, false},
	{"flags", api_flags, false},	      {"metrics/snapshot", api_metrics, false},
	{"allocator/offer_constraints_debug", api_constraints_debug, true},
	{"allocator(1)/offer_constraints_debug", api_constraints_debug, true},
};

struct route {
	struct master *m;
	const struct endpoint *e;
};

/* Every path that a name is served at; fn gets each. */
static void each_path(const char *name, bool with_json, void (*fn)(void *arg, const char *path), void *arg)
{
	static const char *const prefixes[] = {"", "/master"}, *const suffixes[] = {"", ".json"};
	for (size_t i = 0; i < MZ_N(prefixes); i++) {
		for (size_t j = 0; j < (with_json ? 2u : 1u); j++) {
			mz_autofree char *path = xasprintf("%s/%s%s", prefixes[i], name, suffixes[j]);
			fn(arg, path);
		}
	}
}

void api_answer(const struct api_request *q, struct buf *json)
{
	api_reply_json(q->r, q->x, json);
	buf_done(json);
}

static void redirect(struct http_exchange *x, const char *location)
{
	struct http_header h = {"Location", location};
	http_reply_headers(x, 307, &h, 1, NULL, 0);
}

bool api_not_leading(struct master *m, const struct http_request *r, struct http_exchange *x)
{
	if (m->leading)
		return false;
	if (!m->leader) {
		http_reply_text(x, 503, "No leader elected");
		return true;
	}
	const char *target = r->target ? r->target : r->path;
	mz_autofree char *to = xasprintf("//%s%s%s", m->leader, str_starts(target, "/master") ? "" : "/master", target);
	redirect(x, to);
	return true;
}

static void serve(void *arg, const struct http_request *r, struct http_exchange *x)
{
	const struct route *route = arg;
	struct api_request q = {route->m, r, x};
	if (!route->e->needs_leader || !api_not_leading(route->m, r, x))
		route->e->fn(&q);
}

static void serve_redirect(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct master *m = arg;
	(void)r;
	mz_autofree char *own = str_address(m->cfg.hostname, m->cfg.port);
	const char *leader = m->leading ? own : m->leader;
	mz_autofree char *to = leader ? xasprintf("//%s", leader) : NULL;
	if (to)
		redirect(x, to);
	else
		http_reply_text(x, 503, "No leader elected");
}

static void add_endpoint(void *arg, const char *path)
{
	struct route *route = arg;
	http_route(route->m->router, path, serve, route);
}

static void add_redirect(void *arg, const char *path)
{
	struct master *m = arg;
	http_route_exact(m->router, path, serve_redirect, m);
}

static void add_scheduler(void *arg, const char *path)
{
	struct master *m = arg;
	http_route(m->router, path, api_scheduler, m);
}

static void add_operator(void *arg, const char *path)
{
	struct master *m = arg;
	http_route(m->router, path, api_operator, m);
}

static void remove_path(void *arg, const char *path)
{
	struct master *m = arg;
	http_unroute(m->router, path);
}

void api_routes(struct master *m)
{
	for (size_t i = 0; i < MZ_N(endpoints); i++) {
		struct route *route = arena_alloc(&m->cfg_arena, sizeof(*route));
		*route = (struct route){m, &endpoints[i]};
		each_path(endpoints[i].name, true, add_endpoint, route);
	}
	each_path("redirect", false, add_redirect, m);
	each_path("api/v1/scheduler", false, add_scheduler, m);
	each_path("api/v1", false, add_operator, m);
}

void api_unroute(struct master *m)
{
	for (size_t i = 0; i < MZ_N(endpoints); i++)
		each_path(endpoints[i].name, true, remove_path, m);
	each_path("redirect", false, remove_path, m);
	each_path("api/v1/scheduler", false, remove_path, m);
	each_path("api/v1", false, remove_path, m);
}
