/* http.c - the pure half of HTTP: header and query look-up, answers, routing.
 *
 * Not for sockets (http_server.c) and not for what an endpoint means
 * (core/master, core/agent). Used by all of them and by the simulator.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/http.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- requests ------------------------------------------------------------- */

const char *http_find_header(const struct http_header *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(v[i].name, name) == 0)
			return v[i].value;
	return NULL;
}

const char *http_header(const struct http_request *r, const char *name)
{
	return http_find_header(r->headers, r->n_headers, name);
}

bool http_is_method(const char *s)
{
	static const char *const methods[] = {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"};

	for (size_t i = 0; i < MZ_N(methods); i++)
		if (strcmp(methods[i], s) == 0)
			return true;
	return false;
}

int http_decode(const char *s, size_t len, bool plus_is_space, char **ret)
{
	char *out = xmalloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)s[i];
		if (c == '+' && plus_is_space)
			c = ' ';
		if (c == '%') {
			int hi = len - i > 2 ? str_hex_digit(s[i + 1]) : -1;
			int lo = hi < 0 ? -1 : str_hex_digit(s[i + 2]);
			if (lo < 0 || (hi == 0 && lo == 0)) {
				free(out);
				return -EINVAL;
			}
			c = hi << 4 | lo;
			i += 2;
		}
		out[n++] = (char)c;
	}
	out[n] = '\0';
	*ret = out;
	return 0;
}

char *http_query(const struct http_request *r, const char *name)
{
	const char *p = r->query;

	while (p && *p) {
		size_t len = strcspn(p, "&");
		const char *eq = memchr(p, '=', len);
		size_t key_len = eq ? (size_t)(eq - p) : len;
		mz_autofree char *key = NULL;
		if (http_decode(p, key_len, true, &key) == 0 && strcmp(key, name) == 0) {
			char *value = NULL;
			if (!eq)
				return xstrdup("");
			if (http_decode(eq + 1, len - key_len - 1, true, &value) == 0)
				return value;
			/* A broken escape: what was sent is better than nothing. */
			return xstrndup(eq + 1, len - key_len - 1);
		}
		p += len;
		if (*p == '&')
			p++;
	}
	return NULL;
}

/* ---- answers -------------------------------------------------------------- */

void http_reply_headers(struct http_exchange *x, int status, const struct http_header *headers, size_t n_headers,
			const void *body, size_t size)
{
	x->ops->reply(x, status, headers, n_headers, body, size);
}

void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body, size_t size)
{
	struct http_header h = {"Content-Type", content_type};

	http_reply_headers(x, status, &h, content_type ? 1 : 0, body, size);
}

void http_reply_text(struct http_exchange *x, int status, const char *fmt, ...)
{
	mz_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	http_reply(x, status, "text/plain; charset=utf-8", text, strlen(text));
}

struct http_stream *http_stream(struct http_exchange *x, int status, const struct http_header *headers,
				size_t n_headers)
{
	return x->ops->stream(x, status, headers, n_headers);
}

int http_exchange_read(struct http_exchange *x, const struct http_body_cb *cb, void *arg)
{
	return x->ops->read ? x->ops->read(x, cb, arg) : -ENOSYS;
}

void http_exchange_pause(struct http_exchange *x, bool paused)
{
	if (x->ops->pause)
		x->ops->pause(x, paused);
}

/* ---- routing -------------------------------------------------------------- */

struct route {
	http_handler_fn fn;
	void *arg;
	bool exact;
};

/* A copy without the trailing slash; the root is "". */
static char *route_key(const char *path)
{
	size_t len = strlen(path);

	if (len && path[len - 1] == '/')
		len--;
	return xstrndup(path, len);
}

static void add_route(struct http_router *r, const char *path, http_handler_fn fn, void *arg, bool exact)
{
	mz_autofree char *key = route_key(path);
	struct route *route = xnew(struct route);

	route->fn = fn;
	route->arg = arg;
	route->exact = exact;
	free(map_put(&r->routes, key, route));
}

void http_route(struct http_router *r, const char *path, http_handler_fn fn, void *arg)
{
	add_route(r, path, fn, arg, false);
}

void http_route_exact(struct http_router *r, const char *path, http_handler_fn fn, void *arg)
{
	add_route(r, path, fn, arg, true);
}

void http_unroute(struct http_router *r, const char *path)
{
	mz_autofree char *key = route_key(path);

	free(map_del(&r->routes, key));
}

void http_router_done(struct http_router *r)
{
	map_each(&r->routes, e)
		free(e->value);
	map_done(&r->routes);
}

static struct route *find_route(struct http_router *r, const char *path)
{
	mz_autofree char *key = route_key(path);
	struct route *route = map_get(&r->routes, key);
	char *slash;

	if (route)
		return route;
	/* Whole segments are cut off the end; an exact route does not serve what
	 * lies below it, and does not hide a shorter prefix either. */
	while ((slash = strrchr(key, '/'))) {
		*slash = '\0';
		route = map_get(&r->routes, key);
		if (route && !route->exact)
			return route;
	}
	return NULL;
}

void http_dispatch(struct http_router *r, const struct http_request *req, struct http_exchange *x)
{
	struct route *route = find_route(r, req->path);

	if (!route) {
		http_reply_text(x, 404, "Not found");
		return;
	}
	route->fn(route->arg, req, x);
}
