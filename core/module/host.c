/* host.c - struct mz_host of one instance: identity, log, time, metrics, and the
 * accounting of every call into the module. The rest is in host_io.c, host_store.c
 * and host_route.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/str.h"
#include "module/impl.h"

struct mz_metric {
	struct list link;
	char *name; /* "module/isolator/x/…" */
	int type;
	int64_t count;
	double gauge;
};

struct module *module_of_host(const struct mz_host *h)
{
	return (struct module *)h;
}

static const char *host_name(const struct mz_host *h)
{
	return module_of_host(h)->name;
}

static void host_log(const struct mz_host *h, int level, const char *text)
{
	level = MZ_MAX(MZ_LOG_DEBUG, MZ_MIN(level, MZ_LOG_ERROR));
	log_write(level, module_of_host(h)->area, "%s", text);
}

static int64_t host_now(const struct mz_host *h)
{
	return loop_now(module_of_host(h)->registry->loop);
}

static int64_t host_wall(const struct mz_host *h)
{
	return loop_wall(module_of_host(h)->registry->loop);
}

static void host_random(const struct mz_host *h, void *out, size_t size)
{
	loop_random(module_of_host(h)->registry->loop, out, size);
}

static void host_op_done(struct mz_op *op, const struct mz_err *err, const void *result)
{
	module_op_done(op, err, result);
}

static struct mz_metric *host_metric(const struct mz_host *h, int type, const char *name)
{
	struct module *m = module_of_host(h);
	mz_autofree char *full = xasprintf("module/%s/%s", m->name, name);
	list_each(&m->metrics, struct mz_metric, link, old)
		if (strcmp(old->name, full) == 0)
			return old;
	struct mz_metric *t = xnew(struct mz_metric);
	t->name = MZ_MOVE(full);
	t->type = type;
	list_append(&m->metrics, &t->link);
	return t;
}

static void host_metric_add(struct mz_metric *t, int64_t delta)
{
	t->count += delta;
	t->gauge += (double)delta;
}

static void host_metric_set(struct mz_metric *t, double value)
{
	t->gauge = value;
	t->count = (int64_t)value;
}

static void each_own(struct module *m, const char *what, double value,
		     void (*fn)(void *arg, const char *name, double value), void *arg)
{
	mz_autofree char *name = xasprintf("module/%s/%s", m->name, what);
	fn(arg, name, value);
}

void host_metrics_each(struct module *m, void (*fn)(void *arg, const char *name, double value), void *arg)
{
	each_own(m, "calls", (double)m->n_calls, fn, arg);
	each_own(m, "total_ms", (double)m->total_ns / 1e6, fn, arg);
	each_own(m, "max_ms", (double)m->max_ns / 1e6, fn, arg);
	each_own(m, "pending_ops", (double)m->n_ops, fn, arg);
	list_each(&m->metrics, struct mz_metric, link, t)
		fn(arg, t->name, t->type == MZ_METRIC_GAUGE ? t->gauge : (double)t->count);
}

void host_init(struct module *m)
{
	struct mz_host *h = &m->host;
	h->size = sizeof(*h);
	h->abi_minor = MZ_MODULE_ABI_MINOR;
	h->name = host_name;
	h->log = host_log;
	h->now = host_now;
	h->wall = host_wall;
	h->random = host_random;
	h->op_done = host_op_done;
	h->metric = host_metric;
	h->metric_add = host_metric_add;
	h->metric_set = host_metric_set;
	list_init(&m->metrics);
	settings_init(h);
	host_io_init(m);
	host_store_init(m);
	host_route_init(m);
}

void host_done(struct module *m)
{
	host_io_done(m);
	host_store_done(m);
	host_route_done(m);
	list_each(&m->metrics, struct mz_metric, link, t) {
		list_remove(&t->link);
		free(t->name);
		free(t);
	}
}

/* ---- accounting ------------------------------------------------------------- */

/* The real clock, not the loop's: that one stands still within a turn. */
static int64_t clock_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

struct module_call module_enter(struct module *m, const char *what)
{
	m->n_calls++;
	return (struct module_call){module_ref(m), what, clock_ns()};
}

void module_leave(struct module_call *c)
{
	struct module *m = c->m;
	int64_t took = clock_ns() - c->start_ns;
	m->total_ns += took;
	m->max_ns = MZ_MAX(m->max_ns, took);
	if (m->registry && m->registry->slow_call_ns && took > m->registry->slow_call_ns)
		log_warning(m->area, "Module '%s' held up the loop for %lld ms in '%s'", m->name,
			    (long long)(took / NS_PER_MS), c->what);
	module_unref(m);
}
