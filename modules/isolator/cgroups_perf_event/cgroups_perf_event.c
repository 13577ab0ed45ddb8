/* cgroups_perf_event.c - isolator/cgroups_perf_event: counts events of the processors and
 * the kernel for each container, for some seconds of every minute.
 *
 * Every container has a timer of its own. Descriptors (one for each event and processor)
 * are opened and read on worker threads; while too many are open, the next
 * container waits.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/by_id.h"
#include "../../lib/cgroup_isolator.h"
#include "../../lib/pending.h"
#include "events.h"

enum { FDS_MAX = 4096, NAME_SIZE = 40 };

static const int64_t second_ns = 1000000000;

struct perf {
	struct cgroups cg; /* first member */
	int64_t interval_ns, duration_ns;
	size_t n;
	struct event events[EVENTS_MAX];
	size_t n_fds; /* open ones */
	struct by_id_table boxes;
	struct pending *gone; /* those that a worker has still */
	struct mz_metric *samples, *failures;
};

struct box {
	struct by_id by; /* first member; not in the table when it is gone */
	struct pending pending; /* when it is */
	struct perf *p;
	char *id, *path;
	struct mz_timer *timer;
	int working, gone; /* a worker has it; free it when that is done */
	int code;
	/* What is being counted. */
	size_t n_cpus;
	int *cpus, *fds;
	int64_t began_wall_ns, began_ns;
	double values[EVENTS_MAX];
	/* The last sample. */
	int has_sample;
	double timestamp, duration, sample[EVENTS_MAX];
};

/* Counted or not: nothing is open any more. */
static void forget_fds(struct box *b)
{
	if (b->fds) {
		events_close(b->p->n, b->n_cpus, b->fds, NULL);
		b->p->n_fds -= b->p->n * b->n_cpus;
	}
	free(b->fds);
	free(b->cpus);
	b->fds = b->cpus = NULL;
}

static void box_free(struct box *b)
{
	b->p->cg.h->timer_cancel(b->p->cg.h, b->timer);
	forget_fds(b);
	free(b->id);
	free(b->path);
	free(b);
}

static void on_due(void *arg);
static void on_counted(void *arg);

static void wait_for(struct box *b, int64_t ns, void (*fn)(void *))
{
	b->timer = b->p->cg.h->timer(b->p->cg.h, ns > 0 ? ns : 0, fn, b);
}

/* ---- one sample ----------------------------------------------------------------------- */

static void close_work(void *arg)
{
	struct box *b = arg;
	events_close(b->p->n, b->n_cpus, b->fds, b->values);
}

static void on_closed(void *arg)
{
	struct box *b = arg;
	struct perf *p = b->p;
	int64_t took_ns = p->cg.h->now(p->cg.h) - b->began_ns;
	b->working = 0;
	forget_fds(b);
	if (b->gone) {
		pending_end(&b->pending);
		box_free(b);
		return;
	}
	memcpy(b->sample, b->values, sizeof(b->sample));
	b->timestamp = (double)b->began_wall_ns / 1e9;
	b->duration = (double)took_ns / 1e9;
	b->has_sample = 1;
	p->cg.h->metric_add(p->samples, 1);
	wait_for(b, p->interval_ns - took_ns, on_due);
}

/* The time is over. */
static void on_counted(void *arg)
{
	struct box *b = arg;
	b->timer = NULL;
	b->working = 1;
	if (b->p->cg.h->offload(b->p->cg.h, close_work, on_closed, b) == 0)
		return;
	b->working = 0; /* the agent is busy: it counts on meanwhile */
	wait_for(b, second_ns, on_counted);
}

static void open_work(void *arg)
{
	struct box *b = arg;
	b->code = events_open(b->p->events, b->p->n, b->path, b->cpus, b->n_cpus, b->fds);
}

static void on_opened(void *arg)
{
	struct box *b = arg;
	struct perf *p = b->p;
	b->working = 0;
	if (b->gone) {
		pending_end(&b->pending);
		box_free(b);
		return;
	}
	if (b->code < 0) {
		p->cg.h->metric_add(p->failures, 1);
		cg_log(p->cg.h, MZ_LOG_WARNING, "Cannot count events of container '%s': %s", b->id, strerror(-b->code));
		forget_fds(b);
		wait_for(b, p->interval_ns, on_due);
		return;
	}
	b->began_ns = p->cg.h->now(p->cg.h);
	b->began_wall_ns = p->cg.h->wall(p->cg.h);
	wait_for(b, p->duration_ns, on_counted);
}

/* Room for the descriptors of a sample; false: later. */
static int make_room(struct box *b)
{
	struct perf *p = b->p;
	b->cpus = malloc(EVENT_CPUS_MAX * sizeof(int));
	b->n_cpus = b->cpus ? event_cpus(b->cpus, EVENT_CPUS_MAX) : 0;
	size_t n = p->n * b->n_cpus;
	if (n == 0 || (p->n_fds > 0 && p->n_fds + n > FDS_MAX) || !(b->fds = malloc(n * sizeof(int)))) {
		free(b->cpus);
		b->cpus = NULL;
		return 0;
	}
	memset(b->fds, 0xff, n * sizeof(int));
	p->n_fds += n;
	return 1;
}

static void on_due(void *arg)
{
	struct box *b = arg;
	b->timer = NULL;
	if (make_room(b)) {
		b->working = 1;
		if (b->p->cg.h->offload(b->p->cg.h, open_work, on_opened, b) == 0)
			return;
		b->working = 0;
		forget_fds(b);
	}
	wait_for(b, second_ns, on_due);
}

/* ---- containers ------------------------------------------------------------------------ */

static int add(struct perf *p, const struct mz_container *c, struct mz_err *err)
{
	char path[CG_PATH_SIZE];
	int rc = cg_path(&p->cg.g, c->id, path);
	if (rc < 0)
		return cg_fail(err, rc, "Container '%s' has no cgroup", c->id);
	struct box *b = calloc(1, sizeof(*b));
	if (!b)
		return cg_fail(err, -ENOMEM, "Out of memory");
	b->p = p;
	b->id = strdup(c->id);
	b->path = strdup(path);
	if (!b->id || !b->path || by_id_add(&p->boxes, &b->by, b->id) < 0) {
		box_free(b);
		return cg_fail(err, -ENOMEM, "Out of memory");
	}
	wait_for(b, 0, on_due);
	return 0;
}

static void drop_gone(struct pending *p)
{
	box_free((struct box *)((char *)p - offsetof(struct box, pending)));
}

/* Descriptors of a sample that is being taken are closed by a worker, too. */
static void drop(void *inst, const char *id)
{
	struct perf *p = inst;
	struct box *b = (struct box *)by_id_take(&p->boxes, id);
	if (!b)
		return;
	b->gone = 1;
	pending_add(&p->gone, &b->pending, drop_gone);
	if (b->working)
		return;
	p->cg.h->timer_cancel(p->cg.h, b->timer);
	b->timer = NULL;
	if (b->fds && p->cg.h->offload(p->cg.h, close_work, on_closed, b) == 0)
		return;
	pending_end(&b->pending);
	box_free(b);
}

static int start(void *inst, const struct mz_container *c, struct mz_err *err)
{
	struct perf *p = inst;
	drop(p, c->id);
	return p->n > 0 ? add(p, c, err) : 0;
}

static int found(void *inst, const struct mz_container *c, struct mz_err *err)
{
	struct perf *p = inst;
	return cgroups_has(&p->cg.g, c) ? start(p, c, err) : 0;
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct perf *p = inst;
	const struct box *b = (const struct box *)by_id_find(&p->boxes, c->id);
	char path[NAME_SIZE + 8];
	for (size_t i = 0; b && b->has_sample && i < p->n; i++) {
		const struct event *e = &p->events[i];
		if (i == 0) {
			(void)p->cg.k->usage->set_number(u, "perf.timestamp", b->timestamp);
			(void)p->cg.k->usage->set_number(u, "perf.duration", b->duration);
		}
		(void)snprintf(path, sizeof(path), "perf.%s", e->field);
		if (b->sample[i] < 0)
			continue;
		if (e->is_clock)
			(void)p->cg.k->usage->set_number(u, path, b->sample[i] / 1e6);
		else
			(void)p->cg.k->usage->set_integer(u, path, (int64_t)b->sample[i]);
	}
	cgroups_answer(p->cg.h, op, 0, NULL);
}

/* ---- the instance ------------------------------------------------------------------------ */

static void destroy(void *inst)
{
	struct perf *p = inst;
	/* The host has waited for running work; its done() will not be called. */
	for (struct by_id *b = p ? by_id_empty(&p->boxes) : NULL, *next; b; b = next) {
		next = b->next;
		box_free((struct box *)b);
	}
	if (p)
		pending_drop_all(&p->gone);
	cgroups_destroy(inst);
}

static int take_settings(struct perf *p, const struct mz_conf *conf, struct mz_err *err)
{
	const char *name;
	int cpus[EVENT_CPUS_MAX], rc = 0;
	p->interval_ns = p->cg.h->conf_int(conf, "interval");
	p->duration_ns = p->cg.h->conf_int(conf, "duration");
	if (p->duration_ns > p->interval_ns)
		return cg_fail(err, -EINVAL, "The duration of a sample is longer than the interval between two");
	for (size_t i = 0; rc == 0 && (name = p->cg.h->conf_item(conf, "events", i)); i++) {
		if (p->n == EVENTS_MAX)
			return cg_fail(err, -E2BIG, "There are more than %d events", EVENTS_MAX);
		rc = event_parse(name, &p->events[p->n], err);
		for (size_t k = 0; rc == 0 && k < p->n; k++)
			if (!strcmp(p->events[k].field, p->events[p->n].field))
				rc = cg_fail(err, -EINVAL, "The event '%s' is named twice", name);
		if (rc == 0)
			rc = event_probe(&p->events[p->n++], name, err);
	}
	if (rc == 0 && p->n * event_cpus(cpus, EVENT_CPUS_MAX) > FDS_MAX)
		rc = cg_fail(err, -E2BIG, "%zu events on this machine's processors need more than %d descriptors", p->n, FDS_MAX);
	return rc;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct perf *p = cgroups_new(sizeof(*p), h, err);
	if (!p)
		return -ENOMEM;
	p->cg.limit = start;
	p->cg.found = found;
	p->cg.drop = drop;
	p->samples = h->metric(h, MZ_METRIC_COUNTER, "samples");
	p->failures = h->metric(h, MZ_METRIC_COUNTER, "failures");
	return cgroups_created(p, take_settings(p, conf, err), "perf_event", inst, err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(LIST, "events", "", 0, 0, "What to count, by perf's names: cycles, instructions, task-clock; empty: nothing"),
	MZ_SETTING(DURATION, "interval", "1mins", 1000000, 86400000000000, "Time from one sample of a container to the next"),
	MZ_SETTING(DURATION, "duration", "10secs", 1000000, 86400000000000, "How long each sample counts"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = cgroups_flags,
	.recover = cgroups_recover,
	.prepare = cgroups_prepare,
	.usage = usage,
	.cleanup = cgroups_cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "cgroups_perf_event",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Counts processor and kernel events of a container, by cgroups",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
