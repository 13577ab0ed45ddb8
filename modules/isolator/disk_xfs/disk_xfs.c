/* disk_xfs.c - isolator/disk_xfs: the disk that a sandbox takes, by project quotas of XFS: each
 * sandbox is a project, whose number the file system keeps account of by itself.
 *
 * A number stays with its sandbox until that is removed, long after the container has
 * ended. Which sandbox has which number is in the instance's storage before it is given. Numbers that
 * something else uses are left alone. Paths are looked at by worker threads.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../answer.h"
#include "../volume_place.h"

#include <unistd.h>

#include "quota.h"

/* Of TaskStatus. */
enum { REASON_CONTAINER_LIMITATION_DISK = 20, PATH_SIZE = 4096, TEXT_SIZE = 3 * PATH_SIZE };

struct xfs {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct quota q;
	uint32_t first, last, next; /* projects */
	int enforce, kill;
	int64_t headroom_bytes, interval_ns;
	struct project *projects;
	struct mz_timer *timer;
	struct look *look; /* that a worker has, or NULL */
	struct giving *givings; /* prepares under way */
	uint64_t generation;
	struct mz_metric *used, *exceeded;
};

struct project {
	struct project *next;
	uint32_t number;
	int live; /* its container is */
	int told; /* of the limitation */
	uint64_t generation;
	int64_t limit_bytes; /* -1: none */
	char *id, *sandbox;
};

static void start_timer(struct xfs *x);

/* ---- projects --------------------------------------------------------------------------- */

static struct project *live_project(const struct xfs *x, const char *id)
{
	struct project *p = x->projects;
	while (p && (!p->live || strcmp(p->id, id) != 0))
		p = p->next;
	return p;
}

static void project_free(struct project *p)
{
	if (!p)
		return;
	free(p->id);
	free(p->sandbox);
	free(p);
}

static void count_projects(const struct xfs *x)
{
	double n = 0;
	for (const struct project *p = x->projects; p; p = p->next)
		n++;
	x->h->metric_set(x->used, n);
}

static struct project *add(struct xfs *x, uint32_t number, const char *id, const char *sandbox)
{
	struct project *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	*p = (struct project){.number = number, .limit_bytes = -1, .id = strdup(id), .sandbox = strdup(sandbox)};
	if (!p->id || !p->sandbox) {
		project_free(p);
		return NULL;
	}
	p->generation = ++x->generation;
	p->next = x->projects;
	x->projects = p;
	count_projects(x);
	return p;
}

/* One that neither this agent nor anybody else uses; the one after the last that was given. */
static int choose(struct xfs *x, uint32_t *ret, struct mz_err *err)
{
	uint32_t n = x->last - x->first + 1, at = x->next - x->first;
	unsigned char *taken = calloc(n / 8 + 1, 1); /* bits */
	int rc = taken ? -ENOSPC : iso_no_memory(err);
	for (const struct project *p = x->projects; p && taken; p = p->next)
		if (p->number >= x->first && p->number <= x->last)
			taken[(p->number - x->first) / 8] |= (unsigned char)(1 << (p->number - x->first) % 8);
	for (uint32_t i = 0; i < n && rc == -ENOSPC; i++, at = (at + 1) % n) {
		struct quota_use u;
		if (taken[at / 8] >> at % 8 & 1)
			continue;
		int got = quota_get(&x->q, x->first + at, &u, err);
		if (got < 0)
			rc = got;
		else if (!u.used_bytes && !u.n_files)
			rc = 0;
		if (rc == 0)
			*ret = x->first + at;
	}
	free(taken);
	x->next = x->first + at;
	return rc != -ENOSPC ? rc :
			       iso_error(err, rc, "All %u projects, %u to %u, are used by sandboxes that are still there", n,
					 x->first, x->last);
}

static void key_of(const struct project *p, char out[32])
{
	snprintf(out, 32, "project/%u", p->number);
}

static void on_forgotten(void *arg, const struct mz_err *err)
{
	const struct xfs *x = arg;
	if (err)
		x->h->log(x->h, MZ_LOG_WARNING, err->msg); /* it is looked at again after a restart */
}

/* Its sandbox is gone. */
static void forget(struct xfs *x, struct project *p)
{
	char key[32];
	struct project **at = &x->projects;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	key_of(p, key);
	x->h->storage_put(x->h, key, (struct mz_bytes){NULL, 0}, on_forgotten, x);
	project_free(p);
	count_projects(x);
}

/* ---- limits ------------------------------------------------------------------------------ */

static int set_limit(struct xfs *x, const struct project *p, struct mz_err *err)
{
	int64_t soft = x->enforce && p->limit_bytes > 0 ? p->limit_bytes : 0;
	int64_t hard = soft && x->kill ? soft + x->headroom_bytes : soft;
	return quota_set(&x->q, p->number, soft, hard, err);
}

/* ---- prepare ------------------------------------------------------------------------------- */

struct giving {
	struct giving *next;
	struct xfs *x;
	struct mz_op *op;
	uint64_t generation; /* of the project, which may be gone meanwhile */
	uint32_t number;
	char *sandbox;
	int code;
	struct mz_err err;
};

static struct project *of_generation(const struct xfs *x, uint64_t generation)
{
	struct project *p = x->projects;
	while (p && p->generation != generation)
		p = p->next;
	return p;
}

static void giving_free(struct giving *g)
{
	struct giving **at = &g->x->givings;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	free(g->sandbox);
	free(g);
}

static void give_end(struct giving *g)
{
	iso_end(g->x->h, g->op, g->code, &g->err);
	giving_free(g);
}

static void give_work(void *arg)
{
	struct giving *g = arg;
	g->code = quota_give(&g->x->q, g->sandbox, g->number, &g->err);
}

static void on_given(void *arg)
{
	struct giving *g = arg;
	const struct project *p = of_generation(g->x, g->generation);
	if (g->code == 0 && p)
		g->code = set_limit(g->x, p, &g->err);
	give_end(g);
}

static void on_kept(void *arg, const struct mz_err *err)
{
	struct giving *g = arg;
	if (err) {
		g->code = err->code;
		g->err = *err;
	} else {
		g->code = g->x->h->offload(g->x->h, give_work, on_given, g);
		if (g->code == 0)
			return;
		(void)iso_error(&g->err, g->code, "The agent has too much work waiting");
	}
	give_end(g);
}

static int begin(struct xfs *x, const struct mz_container *c, struct mz_op *op, struct mz_err *err)
{
	char key[32], text[TEXT_SIZE];
	uint32_t number = 0;
	int n = snprintf(text, sizeof(text), "%s\n%s", c->id, c->sandbox);
	if (n < 0 || (size_t)n >= sizeof(text))
		return iso_error(err, -ENAMETOOLONG, "The path of the sandbox and the container's id are too long");
	int rc = choose(x, &number, err);
	if (rc < 0)
		return rc;
	struct giving *g = calloc(1, sizeof(*g));
	char *sandbox = strdup(c->sandbox);
	struct project *p = g && sandbox ? add(x, number, c->id, c->sandbox) : NULL;
	if (!p) {
		free(g);
		free(sandbox);
		return iso_no_memory(err);
	}
	p->live = 1;
	p->limit_bytes = disk_of_sandbox(x->k, c->resources);
	*g = (struct giving){
		.next = x->givings, .x = x, .op = op, .generation = p->generation, .number = number, .sandbox = sandbox};
	x->givings = g;
	start_timer(x);
	key_of(p, key);
	x->h->storage_put(x->h, key, (struct mz_bytes){text, (size_t)n}, on_kept, g);
	return 0;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	(void)l;
	struct xfs *x = inst;
	struct mz_err err;
	/* What is nested in a container is in its sandbox. */
	int rc = c->parent || !c->sandbox ? 0 : begin(x, c, op, &err);
	if (rc < 0 || c->parent || !c->sandbox)
		iso_end(x->h, op, rc, &err);
}

/* ---- looking ---------------------------------------------------------------------------------- */

/* One round: how much live sandboxes have, and which dead ones are gone. */
struct look {
	struct xfs *x;
	size_t n;
	struct target {
		uint64_t generation;
		uint32_t number;
		int live, gone, code;
		char *sandbox;
		struct quota_use use;
	} v[];
};

static void look_free(struct look *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->v[i].sandbox);
	free(k);
}

static void look_work(void *arg)
{
	struct look *k = arg;
	for (size_t i = 0; i < k->n; i++) {
		struct target *t = &k->v[i];
		struct mz_err err;
		if (t->live) {
			t->code = quota_get(&k->x->q, t->number, &t->use, &err);
			continue;
		}
		t->gone = t->sandbox && access(t->sandbox, F_OK) < 0 && errno == ENOENT;
		if (t->gone)
			(void)quota_set(&k->x->q, t->number, 0, 0, &err);
	}
}

/* Last of all: it may come back with cleanup. */
static void judge(struct xfs *x, struct project *p, const struct quota_use *u)
{
	if (!x->kill || p->told || !p->live || p->limit_bytes < 0 || u->used_bytes <= p->limit_bytes)
		return;
	char text[128];
	snprintf(text, sizeof(text), "Disk usage of the sandbox (%lldKB) is over the container's disk (%lldKB)",
		 (long long)u->used_bytes / 1024, (long long)p->limit_bytes / 1024);
	struct mz_limitation l = {.size = sizeof(l), .reason = REASON_CONTAINER_LIMITATION_DISK, .message = text};
	p->told = 1;
	x->h->metric_add(x->exceeded, 1);
	x->k->limitation(x->h, p->id, &l);
}

static void on_looked(void *arg)
{
	struct look *k = arg;
	struct xfs *x = k->x;
	x->look = NULL;
	for (size_t i = 0; i < k->n; i++) {
		struct project *p = of_generation(x, k->v[i].generation);
		if (p && !p->live && k->v[i].gone)
			forget(x, p);
	}
	start_timer(x);
	for (size_t i = 0; i < k->n; i++) {
		struct project *p = of_generation(x, k->v[i].generation);
		if (p && k->v[i].live && k->v[i].code == 0)
			judge(x, p, &k->v[i].use);
	}
	look_free(k);
}

static void on_due(void *arg)
{
	struct xfs *x = arg;
	size_t n = 0;
	x->timer = NULL;
	for (const struct project *p = x->projects; p; p = p->next)
		n++;
	struct look *k = calloc(1, sizeof(*k) + n * sizeof(k->v[0]));
	if (k) {
		k->x = x;
		for (const struct project *p = x->projects; p; p = p->next)
			k->v[k->n++] = (struct target){
				.generation = p->generation, .number = p->number, .live = p->live, .sandbox = strdup(p->sandbox)};
		x->look = k;
		if (x->h->offload(x->h, look_work, on_looked, k) == 0)
			return;
		x->look = NULL;
		look_free(k);
	}
	start_timer(x); /* too much to do just now */
}

static void start_timer(struct xfs *x)
{
	if (x->projects && !x->timer && !x->look)
		x->timer = x->h->timer(x->h, x->interval_ns, on_due, x);
}

/* ---- the other callbacks ------------------------------------------------------------------------ */

struct recovery {
	struct xfs *x;
	const struct mz_container *const *v;
	size_t n;
};

static int recover_one(void *arg, const char *key, struct mz_bytes value)
{
	struct recovery *r = arg;
	char text[TEXT_SIZE];
	unsigned number;
	if (sscanf(key, "project/%u", &number) != 1 || value.size >= sizeof(text))
		return 0;
	memcpy(text, value.data, value.size);
	text[value.size] = '\0';
	char *sandbox = strchr(text, '\n');
	if (!sandbox)
		return 0;
	*sandbox++ = '\0';
	struct project *p = add(r->x, number, text, sandbox);
	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < r->n && !p->live; i++)
		if (!strcmp(r->v[i]->id, p->id)) {
			p->live = 1;
			p->limit_bytes = disk_of_sandbox(r->x->k, r->v[i]->resources);
		}
	return 0;
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct xfs *x = inst;
	struct mz_err err;
	struct recovery r = {.x = x, .v = v, .n = n};
	int rc = x->h->storage_each(x->h, recover_one, &r);
	if (rc < 0)
		(void)iso_error(&err, rc, "Cannot read which sandbox has which project: %s", strerror(-rc));
	/* Settings may be others than before. */
	for (const struct project *p = x->projects; p && rc == 0; p = p->next)
		if (p->live)
			rc = set_limit(x, p, &err);
	start_timer(x);
	iso_end(x->h, op, rc, &err);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct xfs *x = inst;
	struct mz_err err;
	struct project *p = live_project(x, c->id);
	int rc = 0;
	int64_t limit_bytes = disk_of_sandbox(x->k, c->resources);
	if (p && p->limit_bytes != limit_bytes) {
		p->limit_bytes = limit_bytes;
		p->told = 0;
		rc = set_limit(x, p, &err);
	}
	iso_end(x->h, op, rc, &err);
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct xfs *x = inst;
	struct mz_err err;
	struct quota_use now;
	const struct project *p = live_project(x, c->id);
	int rc = p ? quota_get(&x->q, p->number, &now, &err) : 0;
	if (p && p->limit_bytes >= 0)
		(void)x->k->usage->set_integer(u, "disk_limit_bytes", p->limit_bytes);
	if (p && rc == 0)
		(void)x->k->usage->set_integer(u, "disk_used_bytes", now.used_bytes);
	iso_end(x->h, op, rc, &err);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct xfs *x = inst;
	struct project *p = live_project(x, id);
	if (p)
		p->live = 0;
	iso_end(x->h, op, 0, NULL);
}

/* ---- the instance ---------------------------------------------------------------------------------- */

static void destroy(void *inst)
{
	struct xfs *x = inst;
	if (!x)
		return;
	x->h->timer_cancel(x->h, x->timer);
	/* The host has waited for running work; its done() will not be called. */
	if (x->look)
		look_free(x->look);
	while (x->givings)
		giving_free(x->givings);
	while (x->projects) {
		struct project *p = x->projects;
		x->projects = p->next;
		project_free(p);
	}
	quota_done(&x->q);
	free(x);
}

/* "[5000-10000]", also without brackets. Project 0 is everybody's. */
static int take_range(struct xfs *x, const char *text, struct mz_err *err)
{
	int end = -1;
	unsigned first, last;
	const char *s = text + (*text == '[');
	if (sscanf(s, "%10u-%10u%n", &first, &last, &end) != 2 || *s == '-' || strcmp(s + end, s == text ? "" : "]") != 0 ||
	    first < 1 || first > last || last > INT32_MAX)
		return iso_error(err, -EINVAL, "The project_range '%s' is no range like [5000-10000]", text);
	x->first = x->next = first;
	x->last = last;
	return 0;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct xfs *x = calloc(1, sizeof(*x));
	if (!x)
		return iso_no_memory(err);
	*x = (struct xfs){.h = h, .k = h->kind, .q = {.fd = -1}};
	x->enforce = (int)h->conf_int(conf, "enforce");
	x->kill = (int)h->conf_int(conf, "kill");
	x->headroom_bytes = h->conf_int(conf, "headroom");
	x->interval_ns = h->conf_int(conf, "interval");
	x->used = h->metric(h, MZ_METRIC_GAUGE, "projects");
	x->exceeded = h->metric(h, MZ_METRIC_COUNTER, "exceeded");
	int rc = take_range(x, h->conf_str(conf, "project_range"), err);
	if (rc == 0 && x->kill && !x->enforce)
		rc = iso_error(err, -EINVAL, "kill is set, but not enforce");
	if (rc == 0)
		rc = quota_open(&x->q, x->k->work_dir(h), x->enforce, err);
	if (rc < 0) {
		destroy(x);
		return rc;
	}
	*inst = x;
	return 0;
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_STANDALONE;
}

static const struct mz_setting settings[] = {
	MZ_SETTING(STRING, "project_range", "[5000-10000]", 0, 0, "Numbers of projects that sandboxes get; nobody else may use them"),
	MZ_SETTING(BOOL, "enforce", "false", 0, 0, "Sandboxes cannot take more than their container's disk; else they are measured"),
	MZ_SETTING(BOOL, "kill", "false", 0, 0, "With enforce: end containers that take more than that"),
	MZ_SETTING(BYTES, "headroom", "10MB", 0, 1LL << 50, "With kill: what they can take more, until they are ended"),
	MZ_SETTING(DURATION, "interval", "15secs", 1000000, 86400000000000, "Time between two looks at all sandboxes"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.recover = recover,
	.prepare = prepare,
	.update = update,
	.usage = usage,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "disk_xfs",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Measures and limits the disk that sandboxes take, by project quotas of XFS",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
