/* daemon_http.c - authentication in front of the routes, and the routes that every
 * daemon has: /mezzo/modules.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "bin/daemon.h"
#include "wire/api.h"

/* ---- authentication ------------------------------------------------------------------ */

/* A request that waits for its principal. */
struct pending {
	struct daemon *d;
	struct http_request *r;
	struct http_exchange *x;
	char principal[256];
	size_t next; /* authenticator to ask */
};

static int realm_of(const struct daemon *d, const struct http_request *r)
{
	bool master = strcmp(d->role, "master") == 0;
	if (str_ends(r->path, "/api/v1/scheduler"))
		return MZ_REALM_MASTER_SCHEDULER;
	if (str_ends(r->path, "/api/v1/executor"))
		return MZ_REALM_AGENT_EXECUTOR;
	if (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0)
		return master ? MZ_REALM_MASTER_READONLY : MZ_REALM_AGENT_READONLY;
	return master ? MZ_REALM_MASTER_READWRITE : MZ_REALM_AGENT_READWRITE;
}

static void ask(struct pending *p);

static void deny(struct pending *p, const struct mz_auth_result *v)
{
	const struct http_header h[] = {{"WWW-Authenticate", v && v->challenge[0] ? v->challenge : "Basic realm=\"mezzo\""},
					{"Content-Type", "text/plain; charset=utf-8"}};
	const char *text = v && v->message[0] ? v->message : "Unauthorized";
	http_reply_headers(p->x, 401, h, 2, text, strlen(text));
}

static void on_verdict(void *arg, const struct mz_err *err, const void *result)
{
	struct pending *p = arg;
	const struct mz_auth_result *v = result;
	if (err || !v || v->verdict == MZ_AUTH_DENIED) {
		deny(p, err ? NULL : v);
	} else if (v->verdict == MZ_AUTH_FORBIDDEN) {
		http_reply_text(p->x, 403, "%s", v->message[0] ? v->message : "Forbidden");
	} else if (v->verdict == MZ_AUTH_OK) {
		memcpy(p->principal, v->principal, sizeof(p->principal));
		p->r->principal = p->principal[0] ? p->principal : NULL;
		http_server_pass(p->x);
	} else {
		ask(p);
		return;
	}
	free(p);
}

static void ask(struct pending *p)
{
	if (p->next == p->d->authenticators.n) {
		deny(p, NULL);
		free(p);
		return;
	}
	struct module_authenticator a;
	module_as_authenticator(p->d->authenticators.v[p->next++], &a);
	struct mz_auth_request q = {
		.size = sizeof(q),
		.realm = (uint32_t)realm_of(p->d, p->r),
		.header = http_header(p->r, "Authorization"),
		.peer = p->r->peer,
	};
	struct mz_op *op = module_op_new(a.m, "authenticate", 10 * NS_PER_SEC, sizeof(struct mz_auth_result), on_verdict, p);
	MODULE_CALL(&a, authenticate, &q, op);
	/* The caller of the filter expects to be called back from inside. */
	module_op_hurry(op);
}

bool daemon_authenticate(void *arg, struct http_request *r, struct http_exchange *x)
{
	struct daemon *d = arg;
	if (!d->authenticators.n)
		return true;
	struct pending *p = xnew(struct pending);
	p->d = d;
	p->r = r;
	p->x = x;
	ask(p);
	return false;
}

/* ---- /mezzo/modules ------------------------------------------------------------------- */

static void on_module(void *arg, const struct module_info *i)
{
	struct jsonw *w = arg;
	jsonw_object(w);
	jsonw_kstring(w, "kind", module_kind_name(i->kind));
	jsonw_kstring(w, "name", i->name);
	jsonw_kstring(w, "instance", i->instance);
	jsonw_kstring(w, "version", i->version);
	jsonw_kint(w, "abi", i->abi);
	jsonw_kstring(w, "summary", i->summary);
	jsonw_kstring(w, "file", i->file);
	jsonw_kstring(w, "state", module_state_name(i->state));
	jsonw_kint(w, "calls", (int64_t)i->n_calls);
	jsonw_kdouble(w, "total_ms", (double)i->total_ns / 1e6);
	jsonw_kdouble(w, "max_ms", (double)i->max_ns / 1e6);
	jsonw_kint(w, "pending", (int64_t)i->n_ops);
	jsonw_kstring(w, "reason", i->reason);
	jsonw_end(w);
}

static void api_modules(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct daemon *d = arg;
	struct buf mz_autobuf b = {0};
	struct jsonw w = {.out = &b};
	jsonw_object(&w);
	jsonw_key(&w, "modules");
	jsonw_array(&w);
	module_registry_each(d->registry, on_module, &w);
	jsonw_end(&w);
	jsonw_end(&w);
	api_reply_json(r, x, &b);
}

void daemon_add_routes(struct daemon *d)
{
	http_route(&d->router, "/mezzo/modules", api_modules, d);
}
