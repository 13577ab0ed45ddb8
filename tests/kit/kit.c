/* kit.c - see <mezzo/kit.h>.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw */
#endif
#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "kit_impl.h"
#include "model/resources.h"
#include "store/store_module.h"

enum { OP_DEADLINE_SECS = 60 };

static void on_log(void *arg, int level, const char *area, const char *text)
{
	struct mz_kit *k = arg;
	if (level > MZ_LOG_DEBUG)
		buf_addf(&k->log, "%c %s %s\n", "DIWE"[level & 3], area, text);
}

static void on_store_failure(void *arg, const struct mz_err *err)
{
	(void)arg;
	fprintf(stderr, "The kit's own disk failed: %s\n", err->msg);
	abort();
}

/* Takes dir. */
static struct mz_kit *kit_make(char *dir, bool keeps)
{
	struct mz_kit *k = xnew(struct mz_kit);
	k->dir = dir;
	k->keeps = keeps;
	k->loop = kit_loop_new();
	k->registry = module_registry_new(k->loop);
	/* Calls are timed by the real clock: a test may not depend on it. */
	module_registry_set_slow_call(k->registry, 0);
	mz_autofree char *journal = keeps ? xasprintf("%s/%s", dir, KIT_JOURNAL) : NULL;
	kit_disk_init(k, journal);
	k->store = store_new(k->loop, &k->disk, on_store_failure, k);
	k->storage = store_storage_new(k->store);
	must(module_registry_set_storage(k->registry, k->storage, NULL) == 0);
	module_registry_set_router(k->registry, &k->router);
	kit_hosts_set(k);
	log_set_sink(on_log, k);
	return k;
}

struct mz_kit *mz_kit_new(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = xasprintf("%s/mezzo-kit-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	must(mkdtemp(dir));
	return kit_make(dir, false);
}

struct mz_kit *kit_new_in(const char *dir)
{
	return kit_make(xstrdup(dir), true);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void free_made(struct mz_kit *k)
{
	for (size_t i = 0; i < k->yaml.n; i++)
		conf_free(k->yaml.v[i]);
	for (size_t i = 0; i < k->resources.n; i++)
		res_free(k->resources.v[i]);
	for (size_t i = 0; i < k->containers.n; i++)
		free(k->containers.v[i]);
	for (size_t i = 0; i < k->launches.n; i++)
		kit_launch_free(k->launches.v[i]);
	for (size_t i = 0; i < k->usages.n; i++)
		kit_usage_free(k->usages.v[i]);
	for (size_t i = 0; i < k->strings.n; i++)
		free(k->strings.v[i]);
	for (size_t i = 0; i < k->modules.n; i++)
		free(k->modules.v[i]);
	vec_done(&k->yaml);
	vec_done(&k->resources);
	vec_done(&k->containers);
	vec_done(&k->launches);
	vec_done(&k->usages);
	vec_done(&k->strings);
	vec_done(&k->modules);
}

void mz_kit_free(struct mz_kit *k)
{
	if (!k)
		return;
	module_registry_free(k->registry);
	while (kit_loop_turn(k->loop))
		; /* what was posted holds memory */
	store_storage_free(k->storage);
	store_free(k->store);
	while (kit_loop_turn(k->loop))
		;
	kit_loop_free(k->loop);
	kit_disk_done(k);
	http_router_done(&k->router);
	free_made(k);
	log_set_sink(NULL, NULL);
	buf_done(&k->log);
	buf_done(&k->events);
	if (!k->keeps)
		nftw(k->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(k->dir);
	free(k);
}

const char *mz_kit_dir(const struct mz_kit *k)
{
	return k->dir;
}

static int load(struct mz_kit *k, uint32_t kind, const char *name, const char *settings, struct mz_kit_module **ret,
		struct mz_err *err)
{
	struct conf_node *n = NULL;
	struct module *m = NULL;
	if (settings) {
		int rc = conf_parse("settings", settings, strlen(settings), &n, err);
		if (rc < 0)
			return rc;
		vec_push(&k->yaml, n);
	}
	log_set_sink(on_log, k);
	int rc = module_load_name(k->registry, kind, name, n, &m, err);
	if (rc < 0)
		return rc;
	struct mz_kit_module *km = xnew(struct mz_kit_module);
	*km = (struct mz_kit_module){k, m};
	vec_push(&k->modules, km);
	*ret = km;
	return 0;
}

int mz_kit_load(struct mz_kit *k, const char *file, const char *settings, struct mz_kit_module **ret,
		struct mz_err *err)
{
	struct module_desc d = {0};
	int rc = module_inspect(file, 0, NULL, &d, err);
	if (rc < 0)
		return rc;
	uint32_t kind = d.mod.kind;
	module_desc_done(&d);
	mz_autofree char *full = realpath(file, NULL);
	return load(k, kind, full ? full : file, settings, ret, err);
}

int mz_kit_add(struct mz_kit *k, const struct mz_module *module, const char *settings, struct mz_kit_module **ret,
	       struct mz_err *err)
{
	struct module_desc d = {0};
	int rc = module_inspect_data("linked in", module, 0, NULL, &d, err);
	if (rc < 0)
		return rc;
	module_desc_done(&d);
	module_registry_add_builtin(k->registry, module);
	return load(k, module->kind, module->name, settings, ret, err);
}

void mz_kit_unload(struct mz_kit_module *m)
{
	module_free(m->m);
}

const void *mz_kit_ops(const struct mz_kit_module *m)
{
	return module_ops(m->m);
}

void *mz_kit_inst(const struct mz_kit_module *m)
{
	return module_inst(m->m);
}

const struct mz_host *mz_kit_host(const struct mz_kit_module *m)
{
	return module_host(m->m);
}

/* ---- ops ------------------------------------------------------------------------ */

/* The op's continuation has one argument: the size is kept behind it. */
struct waiting {
	struct mz_kit_op *r;
	size_t result_size;
};

static void on_op(void *arg, const struct mz_err *err, const void *result)
{
	struct waiting w = *(struct waiting *)arg;
	w.r->done = 1;
	w.r->failed = err != NULL;
	if (err)
		w.r->err = *err;
	else if (result)
		memcpy(w.r->result.bytes, result, w.result_size);
}

struct mz_op *mz_kit_op(struct mz_kit_module *m, struct mz_kit_op *r, size_t result_size)
{
	struct waiting *w = xnew(struct waiting);
	must(result_size <= sizeof(r->result.bytes));
	memset(r, 0, sizeof(*r));
	*w = (struct waiting){r, result_size};
	vec_push(&m->kit->strings, (char *)w); /* an op that is dropped never comes back */
	return module_op_new(m->m, "a callback", OP_DEADLINE_SECS * NS_PER_SEC, result_size, on_op, w);
}

static int op_is_done(void *arg)
{
	return ((struct mz_kit_op *)arg)->done;
}

int mz_kit_wait(struct mz_kit *k, struct mz_kit_op *r)
{
	/* Its deadline ends it at the latest. */
	int rc = mz_kit_until(k, op_is_done, r, 2 * OP_DEADLINE_SECS * NS_PER_SEC);
	if (rc < 0)
		return rc;
	return r->failed ? r->err.code : 0;
}

/* ---- time ------------------------------------------------------------------------ */

int mz_kit_turn(struct mz_kit *k)
{
	return kit_loop_turn(k->loop);
}

int mz_kit_until(struct mz_kit *k, int (*cond)(void *arg), void *arg, int64_t limit_ns)
{
	int64_t end = loop_now(k->loop) + limit_ns;
	while (!cond(arg)) {
		if (kit_loop_turn(k->loop))
			continue;
		if (!kit_loop_pass(k->loop, end - loop_now(k->loop), true))
			return -ETIMEDOUT;
	}
	return 0;
}

void mz_kit_advance(struct mz_kit *k, int64_t ns)
{
	int64_t end = loop_now(k->loop) + ns;
	do {
		while (kit_loop_turn(k->loop))
			;
	} while (kit_loop_pass(k->loop, end - loop_now(k->loop), false));
}

/* ---- what happened --------------------------------------------------------------- */

const char *mz_kit_log(const struct mz_kit *k)
{
	return buf_str(&k->log);
}

const char *mz_kit_events(const struct mz_kit *k)
{
	return buf_str(&k->events);
}

void mz_kit_clear(struct mz_kit *k)
{
	buf_clear(&k->log);
	buf_clear(&k->events);
}

struct wanted {
	char *name;
	double value;
};

static void on_metric(void *arg, const char *name, double value)
{
	struct wanted *w = arg;
	if (strcmp(name, w->name) == 0)
		w->value = value;
}

double mz_kit_metric(const struct mz_kit_module *m, const char *name)
{
	struct wanted w = {xasprintf("module/%s/%s", module_name(m->m), name), NAN};
	module_registry_metrics(m->kit->registry, on_metric, &w);
	free(w.name);
	return w.value;
}

struct kit_exchange {
	struct http_exchange x;
	int done, status;
	struct buf body;
};

static void on_reply(struct http_exchange *x, int status, const struct http_header *headers, size_t n_headers,
		     const void *body, size_t size)
{
	struct kit_exchange *e = mz_container_of(x, struct kit_exchange, x);
	(void)headers, (void)n_headers;
	e->done = 1;
	e->status = status;
	buf_add(&e->body, body, size);
}

static int exchange_is_done(void *arg)
{
	return ((struct kit_exchange *)arg)->done;
}

const char *mz_kit_request(struct mz_kit_module *m, const char *method, const char *path, const char *query,
			   const char *body, int *ret_status)
{
	static const struct http_exchange_ops ops = {.reply = on_reply};
	struct kit_exchange e = {.x = {.ops = &ops}};
	mz_autofree char *full = xasprintf("/modules/%s%s", module_name(m->m), path);
	struct http_request r = {
		.method = method,
		.path = full,
		.query = query,
		.target = full,
		.body = body,
		.body_size = body ? strlen(body) : 0,
		.peer = "127.0.0.1:1",
	};
	http_dispatch(&m->kit->router, &r, &e.x);
	must(mz_kit_until(m->kit, exchange_is_done, &e, OP_DEADLINE_SECS * NS_PER_SEC) == 0);
	char *text = buf_take(&e.body);
	vec_push(&m->kit->strings, text);
	if (ret_status)
		*ret_status = e.status;
	return text;
}

/* ---- containers ------------------------------------------------------------------ */

static char *keep(struct mz_kit *k, char *s)
{
	vec_push(&k->strings, s);
	return s;
}

const struct mz_resources *mz_kit_resources(struct mz_kit *k, const char *text)
{
	struct mz_resources *r = res_new();
	struct mz_err err;
	if (res_parse(text, NULL, r, &err) < 0) {
		fprintf(stderr, "mz_kit_resources: %s\n", err.msg);
		abort();
	}
	vec_push(&k->resources, r);
	return r;
}

struct mz_container *mz_kit_container(struct mz_kit *k, const char *id, const char *text)
{
	static const char *const argv[] = {"/bin/sh", "-c", "sleep 1000", NULL};
	static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	struct mz_container *c = xnew(struct mz_container);
	char *sandbox = keep(k, xasprintf("%s/sandbox-%s", k->dir, id));
	(void)mkdir(sandbox, 0755); /* may be there from an earlier container of that id */
	*c = (struct mz_container){
		.size = sizeof(*c),
		.id = keep(k, xstrdup(id)),
		.framework_id = "framework-1",
		.executor_id = "executor-1",
		.role = "*",
		.sandbox = sandbox,
		.work_dir = k->dir,
		.argv = argv,
		.env = env,
		.resources = mz_kit_resources(k, text),
		.info = mz_kit_info_api(),
	};
	vec_push(&k->containers, c);
	return c;
}
