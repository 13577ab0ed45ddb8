/* disk_xfs.c - isolator/disk_xfs: the disk that a sandbox and the persistent volumes of its
 * container take, by project quotas of XFS: each of these directories is a project, whose
 * number the file system keeps account of by itself.
 *
 * A number stays with its directory until that is removed, long after the container has
 * ended. Which directory has which number is in the instance's storage before it is given. Numbers that
 * something else uses are left alone. Paths are looked at by worker threads.
 *
 * Sandboxes are given their project in prepare, volumes in isolate: all that makes their
 * directories has been asked to prepare by then.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../../lib/pending.h"
#include "../answer.h"
#include "../volume_measured.h"

#include <unistd.h>

#include "projects.h"

/* Of TaskStatus. */
enum { REASON_CONTAINER_LIMITATION_DISK = 20 };

struct xfs {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct quota q;
	struct projects projects;
	int enforce, kill;
	int64_t headroom_bytes, interval_ns;
	struct by_id_table boxes; /* containers that run */
	struct mz_timer *timer;
	struct look *look; /* that a worker has, or NULL */
	struct pending *givings;
	struct mz_metric *exceeded;
};

/* What a container has; p is NULL if it has no project: it is on another file system. */
struct held {
	struct volume_measured v;
	struct project *p;
};

struct box {
	struct by_id by;       /* first */
	struct project *sandbox; /* NULL: not known after a restart */
	struct held *v;
	size_t n;
	int told; /* of the limitation */
	char id[];
};

static void start_timer(struct xfs *x);

/* ---- projects in use ---------------------------------------------------------------------- */

static int set_limit(struct xfs *x, const struct project *p, struct mz_err *err)
{
	int64_t soft = x->enforce && p->limit_bytes > 0 ? p->limit_bytes : 0;
	int64_t hard = soft && x->kill ? soft + x->headroom_bytes : soft;
	return quota_set(&x->q, p->number, soft, hard, err);
}

static struct project *hold(struct project *p)
{
	p->n_users++;
	return p;
}

static void release(struct project *p)
{
	if (p)
		p->n_users--;
}

/* ---- containers --------------------------------------------------------------------------- */

static struct box *box_find(const struct xfs *x, const char *id)
{
	return (struct box *)by_id_find(&x->boxes, id);
}

static void held_free(struct held *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		release(v[i].p);
		volume_measured_done(&v[i].v);
	}
	free(v);
}

static void box_drop(struct xfs *x, const char *id)
{
	struct box *b = (struct box *)by_id_take(&x->boxes, id);
	if (!b)
		return;
	release(b->sandbox);
	held_free(b->v, b->n);
	free(b);
}

static struct box *box_new(struct xfs *x, const char *id)
{
	size_t size = strlen(id) + 1;
	struct box *b = calloc(1, sizeof(*b) + size);
	if (!b)
		return NULL;
	memcpy(b->id, id, size);
	box_drop(x, id);
	if (by_id_add(&x->boxes, &b->by, b->id) < 0) {
		free(b);
		return NULL;
	}
	return b;
}

/* Its volumes are those of `r`, with the projects that they have already. */
static int set_volumes(struct xfs *x, struct box *b, const struct mz_resources *r, struct mz_err *err)
{
	size_t n_items = r ? x->k->resources->count(r) : 0, n = 0;
	struct held *v = calloc(n_items + 1, sizeof(*v));
	int rc = v ? 0 : -ENOMEM;
	for (size_t i = 0; i < n_items && rc >= 0; i++) {
		rc = volume_measured_of(x->h, r, i, &v[n].v);
		if (rc <= 0)
			continue;
		struct project *p = projects_find(&x->projects, v[n].v.path);
		if (p)
			v[n].p = hold(p);
		n++;
	}
	if (rc < 0) {
		held_free(v, n);
		return iso_no_memory(err);
	}
	held_free(b->v, b->n);
	b->v = v;
	b->n = n;
	return 0;
}

static int set_volume_limits(struct xfs *x, const struct box *b, struct mz_err *err)
{
	int rc = 0;
	for (size_t i = 0; i < b->n && rc == 0; i++)
		if (b->v[i].p && b->v[i].p->limit_bytes != b->v[i].v.limit_bytes) {
			b->v[i].p->limit_bytes = b->v[i].v.limit_bytes;
			rc = set_limit(x, b->v[i].p, err);
		}
	return rc;
}

/* ---- giving directories their projects ------------------------------------------------------- */

struct giving {
	struct pending pending; /* first */
	struct xfs *x;
	struct mz_op *op;
	struct mz_err err;
	size_t n, n_writing; /* to the storage */
	char *id;	     /* of the container */
	struct gift {
		struct project *p;
		int is_volume, is_new, not_here;
	} v[];
};

static void giving_drop(struct pending *pending)
{
	struct giving *g = (struct giving *)pending;
	free(g->id);
	free(g);
}

/* One that is on another file system, or nowhere, has no project after all. */
static void take_back(struct giving *g, struct gift *gift)
{
	struct xfs *x = g->x;
	const struct box *b = box_find(x, g->id);
	for (size_t i = 0; b && i < b->n; i++)
		if (b->v[i].p == gift->p) {
			release(b->v[i].p);
			b->v[i].p = NULL;
		}
	release(gift->p);
	if (!gift->p->n_users)
		projects_forget(&x->projects, gift->p);
}

static void give_end(struct giving *g)
{
	struct xfs *x = g->x;
	struct mz_op *op = g->op;
	struct mz_err err = g->err;
	for (size_t i = 0; i < g->n; i++) {
		struct gift *gift = &g->v[i];
		if (gift->not_here) {
			take_back(g, gift);
			continue;
		}
		if (!err.code)
			(void)set_limit(x, gift->p, &err);
		release(gift->p);
	}
	pending_end(&g->pending);
	giving_drop(&g->pending);
	iso_end(x->h, op, err.code, &err);
}

static void give_work(void *arg)
{
	struct giving *g = arg;
	for (size_t i = 0; i < g->n && !g->err.code; i++) {
		struct gift *gift = &g->v[i];
		struct mz_err err;
		int rc = quota_give(&g->x->q, gift->p->path, gift->p->number, &err);
		gift->not_here = gift->is_volume && (rc == -EXDEV || rc == -ENOENT);
		if (rc < 0 && !gift->not_here)
			g->err = err;
	}
}

static void on_given(void *arg)
{
	give_end(arg);
}

/* All that had to be written down is. */
static void on_kept(void *arg, const struct mz_err *err)
{
	struct giving *g = arg;
	if (err && !g->err.code)
		g->err = *err;
	if (--g->n_writing)
		return;
	int rc = g->err.code ? g->err.code : g->x->h->offload(g->x->h, give_work, on_given, g);
	if (rc == 0)
		return;
	if (!g->err.code)
		(void)iso_error(&g->err, rc, "The agent has too much work waiting");
	give_end(g);
}

/* Room for n. */
static struct giving *giving_new(struct xfs *x, const char *id, struct mz_op *op, size_t n)
{
	struct giving *g = calloc(1, sizeof(*g) + n * sizeof(g->v[0]));
	char *own = strdup(id);
	if (!g || !own) {
		free(g);
		free(own);
		return NULL;
	}
	g->x = x;
	g->op = op;
	g->id = own;
	pending_add(&x->givings, &g->pending, giving_drop);
	return g;
}

/* One more; *ret holds it. */
static int giving_add(struct giving *g, const char *path, int64_t limit_bytes, int is_volume, struct project **ret,
		      struct mz_err *err)
{
	struct project *p;
	int is_new, rc = projects_take(&g->x->projects, path, &p, &is_new, err);
	if (rc < 0)
		return rc;
	p->limit_bytes = limit_bytes;
	g->v[g->n++] = (struct gift){.p = hold(p), .is_volume = is_volume, .is_new = is_new};
	*ret = hold(p);
	return 0;
}

static void give(struct giving *g)
{
	size_t n = g->n;
	start_timer(g->x);
	g->n_writing = 1;
	for (size_t i = 0; i < n; i++)
		if (g->v[i].is_new) {
			g->n_writing++;
			projects_keep(&g->x->projects, g->v[i].p, g->v[i].is_volume ? "" : g->id, on_kept, g);
		}
	on_kept(g, NULL);
}

/* What could not even be begun. */
static void giving_fail(struct giving *g, const struct mz_err *err)
{
	g->err = *err;
	give_end(g);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	(void)l;
	struct xfs *x = inst;
	struct mz_err err;
	/* What is nested in a container is in its sandbox. */
	if (c->parent || !c->sandbox) {
		iso_end(x->h, op, 0, NULL);
		return;
	}
	struct box *b = box_new(x, c->id);
	struct giving *g = b ? giving_new(x, c->id, op, 1) : NULL;
	if (!g)
		iso_end(x->h, op, iso_no_memory(&err), &err);
	else if (giving_add(g, c->sandbox, disk_of_sandbox(x->k, c->resources), 0, &b->sandbox, &err) < 0)
		giving_fail(g, &err);
	else
		give(g);
}

/* Its volumes are those of `c`; new ones become projects. */
static void change_volumes(struct xfs *x, struct box *b, const struct mz_container *c, struct mz_op *op)
{
	struct mz_err err;
	struct giving *g = NULL;
	size_t n = 0;
	int rc = set_volumes(x, b, c->resources, &err);
	for (size_t i = 0; i < b->n; i++)
		n += !b->v[i].p;
	if (rc == 0)
		rc = set_volume_limits(x, b, &err);
	if (rc == 0 && n && !(g = giving_new(x, c->id, op, n)))
		rc = iso_no_memory(&err);
	for (size_t i = 0; i < b->n && g && rc == 0; i++)
		if (!b->v[i].p)
			rc = giving_add(g, b->v[i].v.path, b->v[i].v.limit_bytes, 1, &b->v[i].p, &err);
	if (g && rc == 0)
		give(g);
	else if (g)
		giving_fail(g, &err);
	else
		iso_end(x->h, op, rc, &err);
}

static void isolate(void *inst, const struct mz_container *c, int32_t pid, struct mz_op *op)
{
	(void)pid;
	struct xfs *x = inst;
	struct box *b = box_find(x, c->id);
	if (b)
		change_volumes(x, b, c, op);
	else
		iso_end(x->h, op, 0, NULL);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct xfs *x = inst;
	struct mz_err err;
	struct box *b = box_find(x, c->id);
	int64_t limit_bytes = disk_of_sandbox(x->k, c->resources);
	int rc = 0;
	if (b && b->sandbox && b->sandbox->limit_bytes != limit_bytes) {
		b->sandbox->limit_bytes = limit_bytes;
		rc = set_limit(x, b->sandbox, &err);
	}
	if (b)
		b->told = 0;
	if (b && rc == 0)
		change_volumes(x, b, c, op);
	else
		iso_end(x->h, op, rc, &err);
}

/* ---- looking ---------------------------------------------------------------------------------- */

/* One round: how much those in use have, and which others are gone. */
struct look {
	struct xfs *x;
	size_t n;
	struct target {
		uint64_t generation;
		uint32_t number;
		int in_use, gone, code;
		char *path; /* of those that are not in use */
		struct quota_use use;
	} v[];
};

static void look_free(struct look *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->v[i].path);
	free(k);
}

static void look_work(void *arg)
{
	struct look *k = arg;
	for (size_t i = 0; i < k->n; i++) {
		struct target *t = &k->v[i];
		struct mz_err err;
		if (t->in_use) {
			t->code = quota_get(&k->x->q, t->number, &t->use, &err);
			continue;
		}
		t->gone = t->path && access(t->path, F_OK) < 0 && errno == ENOENT;
		if (t->gone)
			(void)quota_set(&k->x->q, t->number, 0, 0, &err);
	}
}

static int is_over(const struct project *p)
{
	return p && p->limit_bytes >= 0 && p->used_bytes > p->limit_bytes;
}

/* Does it have too much of something? Then what is said of it is in `text`. */
static int find_fault(const struct box *b, char *text, size_t size)
{
	const char *what = "sandbox", *id = "", *whose = "the container's disk";
	const struct project *p = is_over(b->sandbox) ? b->sandbox : NULL;
	for (size_t i = 0; i < b->n && !p; i++)
		if (is_over(b->v[i].p)) {
			p = b->v[i].p;
			what = "volume ";
			id = b->v[i].v.id;
			whose = "its size";
		}
	if (p)
		snprintf(text, size, "Disk usage of the %s%.200s (%lldKB) is over %s (%lldKB)", what, id,
			 (long long)p->used_bytes / 1024, whose, (long long)p->limit_bytes / 1024);
	return p != NULL;
}

/* Of each it is told once. It may come back with cleanup, so that the table is looked through anew. */
static void judge(struct xfs *x)
{
	char text[400];
	struct box *b;
	do {
		b = (struct box *)by_id_next(&x->boxes, NULL);
		while (b && (b->told || !find_fault(b, text, sizeof(text))))
			b = (struct box *)by_id_next(&x->boxes, &b->by);
		if (b) {
			const struct mz_limitation l = {
				.size = sizeof(l), .reason = REASON_CONTAINER_LIMITATION_DISK, .message = text};
			b->told = 1;
			x->h->metric_add(x->exceeded, 1);
			x->k->limitation(x->h, b->id, &l);
		}
	} while (b);
}

static void on_looked(void *arg)
{
	struct look *k = arg;
	struct xfs *x = k->x;
	x->look = NULL;
	for (size_t i = 0; i < k->n; i++) {
		const struct target *t = &k->v[i];
		struct project *p = projects_of(&x->projects, t->number, t->generation);
		if (p && !p->n_users && t->gone)
			projects_forget(&x->projects, p);
		else if (p)
			p->used_bytes = t->in_use && t->code == 0 ? t->use.used_bytes : -1;
	}
	look_free(k);
	start_timer(x);
	if (x->kill)
		judge(x);
}

static void on_due(void *arg)
{
	struct xfs *x = arg;
	x->timer = NULL;
	struct look *k = calloc(1, sizeof(*k) + x->projects.by_path.n * sizeof(k->v[0]));
	for (const struct project *p = k ? projects_next(&x->projects, NULL) : NULL; p; p = projects_next(&x->projects, p))
		k->v[k->n++] = (struct target){.generation = p->generation,
					       .number = p->number,
					       .in_use = p->n_users > 0,
					       .path = p->n_users ? NULL : strdup(p->path)};
	if (k) {
		k->x = x;
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
	if (x->projects.by_path.n && !x->timer && !x->look)
		x->timer = x->h->timer(x->h, x->interval_ns, on_due, x);
}

/* ---- the other callbacks ------------------------------------------------------------------------ */

/* What has no project yet gets none. */
static int recover_one(struct xfs *x, const struct mz_container *c, struct mz_err *err)
{
	struct box *b = box_new(x, c->id);
	if (!b)
		return iso_no_memory(err);
	struct project *p = projects_find(&x->projects, c->sandbox);
	if (p) {
		b->sandbox = hold(p);
		p->limit_bytes = disk_of_sandbox(x->k, c->resources);
	}
	int rc = set_volumes(x, b, c->resources, err);
	/* Settings may be others than before. */
	for (size_t i = 0; i < b->n && rc == 0; i++)
		if (b->v[i].p) {
			b->v[i].p->limit_bytes = b->v[i].v.limit_bytes;
			rc = set_limit(x, b->v[i].p, err);
		}
	return p && rc == 0 ? set_limit(x, p, err) : rc;
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct xfs *x = inst;
	struct mz_err err;
	int rc = projects_read(&x->projects, &err);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = v[i]->sandbox && !v[i]->parent ? recover_one(x, v[i], &err) : 0;
	start_timer(x);
	iso_end(x->h, op, rc, &err);
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct xfs *x = inst;
	struct mz_err err;
	struct quota_use now;
	const struct box *b = box_find(x, c->id);
	const struct project *p = b ? b->sandbox : NULL;
	int rc = p ? quota_get(&x->q, p->number, &now, &err) : 0;
	if (p && p->limit_bytes >= 0)
		(void)x->k->usage->set_integer(u, "disk_limit_bytes", p->limit_bytes);
	if (p && rc == 0)
		(void)x->k->usage->set_integer(u, "disk_used_bytes", now.used_bytes);
	for (size_t i = 0, n = 0; b && i < b->n && rc == 0; i++)
		if (b->v[i].p && (rc = quota_get(&x->q, b->v[i].p->number, &now, &err)) == 0)
			volume_measured_tell(x->k, u, n++, &b->v[i].v, now.used_bytes);
	iso_end(x->h, op, rc, &err);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct xfs *x = inst;
	box_drop(x, id);
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
	pending_drop_all(&x->givings);
	for (const struct by_id *b; (b = by_id_next(&x->boxes, NULL));)
		box_drop(x, b->id);
	free(x->boxes.buckets);
	projects_done(&x->projects);
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
	x->projects.first = x->projects.next = first;
	x->projects.last = last;
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
	x->projects.h = h;
	x->projects.q = &x->q;
	x->projects.used = h->metric(h, MZ_METRIC_GAUGE, "projects");
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
	MZ_SETTING(STRING, "project_range", "[5000-10000]", 0, 0, "Numbers of projects that sandboxes and volumes get; nobody else may use them"),
	MZ_SETTING(BOOL, "enforce", "false", 0, 0, "Sandboxes cannot take more than their container's disk, nor volumes more than their size; else they are measured"),
	MZ_SETTING(BOOL, "kill", "false", 0, 0, "With enforce: end containers that take more than that"),
	MZ_SETTING(BYTES, "headroom", "10MB", 0, 1LL << 50, "With kill: what they can take more, until they are ended"),
	MZ_SETTING(DURATION, "interval", "15secs", 1000000, 86400000000000, "Time between two looks at all sandboxes and volumes"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.recover = recover,
	.prepare = prepare,
	.isolate = isolate,
	.update = update,
	.usage = usage,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "disk_xfs",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Measures and limits the disk that sandboxes and volumes take, by project quotas of XFS",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
