/* disk_du.c - isolator/disk_du: measures from time to time how much disk a sandbox and
 * the persistent volumes of its container take, and ends containers that take more than
 * they were given, if it is told to.
 *
 * Every container has a timer of its own. Its directories are walked through on a worker
 * thread, a piece at a time and few at once: a task with millions of files holds up
 * neither the agent's other work nor the measuring of others.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../../lib/by_id.h"
#include "../answer.h"
#include "../volume_measured.h"

#include "du.h"

/* Of TaskStatus; rounds at once, each with a descriptor for every level that it is deep; names
 * in one piece of work. */
enum { REASON_CONTAINER_LIMITATION_DISK = 20, N_AT_ONCE = 4, PIECE = 20000 };

struct disk_du {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	int64_t interval_ns;
	int enforce;
	int64_t max_files; /* 0: any number */
	struct by_id_table boxes;
	struct round *rounds; /* the first to be walked first */
	size_t n_walking;
	struct mz_metric *walks, *exceeded;
};

/* The sandbox, or a persistent volume. */
struct place {
	struct volume_measured at; /* id NULL: the sandbox; limit_bytes -1: none */
	int64_t used_bytes;	   /* -1: not measured yet */
};

struct box {
	struct by_id by; /* first */
	struct disk_du *d;
	struct place *places; /* the sandbox first */
	size_t n_places;
	struct mz_timer *timer;
	struct round *round; /* under way, or NULL */
	int told;	     /* of the limitation */
	char id[];
};

/* One measurement of all places of a container. */
struct round {
	struct round *next;
	struct disk_du *d;
	struct box *b; /* NULL: cleaned up meanwhile */
	int walking;   /* a worker has it, or is going to */
	struct du_walk *walk; /* of v[i], or NULL */
	size_t i, n;
	struct visit {
		char *path;
		int is_sandbox, code;
		struct du found;
	} v[];
};

static struct box *find(const struct disk_du *d, const char *id)
{
	return (struct box *)by_id_find(&d->boxes, id);
}

/* ---- places ------------------------------------------------------------------------- */

static void places_free(struct place *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		volume_measured_done(&v[i].at);
	free(v);
}

static struct place *place_of(const struct box *b, const char *path)
{
	for (size_t i = 0; i < b->n_places; i++)
		if (!strcmp(b->places[i].at.path, path))
			return &b->places[i];
	return NULL;
}

/* What was measured of those that it had before is kept. */
static int set_places(struct box *b, const struct mz_container *c, const char *sandbox)
{
	const struct mz_isolator_host *k = b->d->k;
	size_t n_items = c->resources ? k->resources->count(c->resources) : 0, n = 1;
	struct place *v = calloc(n_items + 1, sizeof(*v));
	int rc = v && (v[0].at.path = strdup(sandbox)) ? 0 : -ENOMEM;
	if (rc == 0)
		v[0].at.limit_bytes = disk_of_sandbox(k, c->resources);
	for (size_t i = 0; i < n_items && rc == 0; i++) {
		rc = volume_measured_of(b->d->h, c->resources, i, &v[n].at);
		n += rc > 0;
		rc = rc > 0 ? 0 : rc;
	}
	if (rc < 0) {
		if (v)
			places_free(v, n);
		return rc;
	}
	for (size_t i = 0; i < n; i++) {
		const struct place *old = place_of(b, v[i].at.path);
		v[i].used_bytes = old ? old->used_bytes : -1;
	}
	places_free(b->places, b->n_places);
	b->places = v;
	b->n_places = n;
	return 0;
}

static void box_free(struct box *b)
{
	b->d->h->timer_cancel(b->d->h, b->timer);
	places_free(b->places, b->n_places);
	free(b);
}

/* ---- what is wrong with what was found -------------------------------------------------- */

static void find_fault(const struct box *b, const struct visit *v, char *text, size_t size)
{
	char what[256];
	const struct place *p = place_of(b, v->path);
	if (!p || v->code < 0)
		return;
	snprintf(what, sizeof(what), "%s%.200s", p->at.id ? "volume " : "sandbox", p->at.id ? p->at.id : "");
	if (p->at.limit_bytes >= 0 && p->used_bytes > p->at.limit_bytes)
		snprintf(text, size, "Disk usage of the %s (%lldKB) is over %s (%lldKB)", what, (long long)p->used_bytes / 1024,
			 p->at.id ? "its size" : "the container's disk", (long long)p->at.limit_bytes / 1024);
	else if (v->is_sandbox && b->d->max_files && v->found.n_files > b->d->max_files)
		snprintf(text, size, "The sandbox holds more than %lld files (max_files of disk_du)",
			 (long long)b->d->max_files);
	else if (v->found.too_deep)
		snprintf(text, size, "Directories of the %s are nested more than %d deep: what they hold cannot be measured", what,
			 DU_MAX_DEPTH);
}

static void judge(struct box *b, const struct round *r)
{
	struct disk_du *d = b->d;
	char text[400] = "";
	for (size_t i = 0; d->enforce && !b->told && i < r->n && !text[0]; i++)
		find_fault(b, &r->v[i], text, sizeof(text));
	if (!text[0])
		return;
	struct mz_limitation l = {.size = sizeof(l), .reason = REASON_CONTAINER_LIMITATION_DISK, .message = text};
	b->told = 1;
	d->h->metric_add(d->exceeded, 1);
	d->k->limitation(d->h, b->id, &l);
}

/* ---- rounds --------------------------------------------------------------------------- */

static void on_due(void *arg);
static void walk_some(struct disk_du *d);

static void wait_again(struct box *b)
{
	b->timer = b->d->h->timer(b->d->h, b->d->interval_ns, on_due, b);
}

static void round_free(struct round *r)
{
	struct round **at = &r->d->rounds;
	if (r->b)
		r->b->round = NULL;
	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	du_end(r->walk);
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i].path);
	free(r);
}

static struct round *round_new(struct box *b)
{
	struct round *r = calloc(1, sizeof(*r) + b->n_places * sizeof(r->v[0])), **at = &b->d->rounds;
	if (!r)
		return NULL;
	r->d = b->d;
	r->b = b;
	b->round = r;
	for (; r->n < b->n_places; r->n++) {
		r->v[r->n] = (struct visit){.path = strdup(b->places[r->n].at.path), .is_sandbox = !b->places[r->n].at.id};
		if (!r->v[r->n].path) {
			round_free(r);
			return NULL;
		}
	}
	while (*at)
		at = &(*at)->next;
	*at = r;
	return r;
}

/* One piece of it; r->i is r->n after the last. */
static void walk_work(void *arg)
{
	struct round *r = arg;
	const struct disk_du *d = r->d;
	struct visit *v = &r->v[r->i];
	if (!r->walk)
		v->code = du_begin(v->path, &r->walk);
	if (v->code == 0 && du_go_on(r->walk, PIECE, d->enforce && v->is_sandbox ? d->max_files : 0, &v->found))
		return;
	du_end(r->walk);
	r->walk = NULL;
	r->i++;
}

/* The end of a round, whole or not. */
static void finish(struct round *r)
{
	struct disk_du *d = r->d;
	struct box *b = r->b;
	d->n_walking--;
	if (b && r->i == r->n) {
		d->h->metric_add(d->walks, 1);
		for (size_t i = 0; i < r->n; i++) {
			struct place *p = place_of(b, r->v[i].path);
			if (p && r->v[i].code == 0)
				p->used_bytes = r->v[i].found.bytes;
		}
	}
	if (b) {
		wait_again(b);
		if (r->i == r->n)
			judge(b, r); /* it may come back with cleanup */
	}
	round_free(r);
	walk_some(d);
}

static void on_walked(void *arg)
{
	struct round *r = arg;
	if (!r->b || r->i == r->n || r->d->h->offload(r->d->h, walk_work, on_walked, r) < 0)
		finish(r); /* if the agent is busy: next time */
}

/* Starts those that wait, as far as there is room. */
static void walk_some(struct disk_du *d)
{
	struct round *r = d->rounds;
	while (d->n_walking < N_AT_ONCE) {
		while (r && r->walking)
			r = r->next;
		if (!r || d->h->offload(d->h, walk_work, on_walked, r) < 0)
			break;
		r->walking = 1;
		d->n_walking++;
	}
	/* With none under way nobody would come back here. */
	while (d->rounds && !d->n_walking) {
		wait_again(d->rounds->b);
		round_free(d->rounds);
	}
}

static void on_due(void *arg)
{
	struct box *b = arg;
	b->timer = NULL;
	if (round_new(b))
		walk_some(b->d);
	else
		wait_again(b);
}

/* ---- callbacks ------------------------------------------------------------------------ */

static void drop(struct disk_du *d, const char *id)
{
	struct box *b = (struct box *)by_id_take(&d->boxes, id);
	struct round *r = b ? b->round : NULL;
	if (r) {
		r->b = NULL;
		if (!r->walking)
			round_free(r);
	}
	if (b)
		box_free(b);
}

static int add(struct disk_du *d, const struct mz_container *c, struct mz_err *err)
{
	size_t size = strlen(c->id) + 1;
	struct box *b = calloc(1, sizeof(*b) + size);
	if (!b)
		return iso_no_memory(err);
	b->d = d;
	memcpy(b->id, c->id, size);
	drop(d, c->id);
	if (set_places(b, c, c->sandbox) < 0 || by_id_add(&d->boxes, &b->by, b->id) < 0) {
		box_free(b);
		return iso_no_memory(err);
	}
	wait_again(b);
	return 0;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	(void)l;
	struct disk_du *d = inst;
	struct mz_err err;
	iso_end(d->h, op, c->sandbox ? add(d, c, &err) : 0, &err);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct disk_du *d = inst;
	struct mz_err err;
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = v[i]->sandbox ? add(d, v[i], &err) : 0;
	iso_end(d->h, op, rc, &err);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct disk_du *d = inst;
	struct mz_err err;
	struct box *b = find(d, c->id);
	iso_end(d->h, op, b && set_places(b, c, b->places[0].at.path) < 0 ? iso_no_memory(&err) : 0, &err);
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct disk_du *d = inst;
	const struct box *b = find(d, c->id);
	if (b && b->places[0].at.limit_bytes >= 0)
		(void)d->k->usage->set_integer(u, "disk_limit_bytes", b->places[0].at.limit_bytes);
	if (b && b->places[0].used_bytes >= 0)
		(void)d->k->usage->set_integer(u, "disk_used_bytes", b->places[0].used_bytes);
	for (size_t i = 1; b && i < b->n_places; i++)
		volume_measured_tell(d->k, u, i - 1, &b->places[i].at, b->places[i].used_bytes);
	iso_end(d->h, op, 0, NULL);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct disk_du *d = inst;
	drop(d, id);
	iso_end(d->h, op, 0, NULL);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct disk_du *d = calloc(1, sizeof(*d));
	if (!d)
		return iso_no_memory(err);
	d->h = h;
	d->k = h->kind;
	d->interval_ns = h->conf_int(conf, "interval");
	d->enforce = (int)h->conf_int(conf, "enforce");
	d->max_files = h->conf_int(conf, "max_files");
	d->walks = h->metric(h, MZ_METRIC_COUNTER, "walks");
	d->exceeded = h->metric(h, MZ_METRIC_COUNTER, "exceeded");
	*inst = d;
	return 0;
}

static void destroy(void *inst)
{
	struct disk_du *d = inst;
	if (!d)
		return;
	/* The host has waited for running work; its done() will not be called. */
	while (d->rounds)
		round_free(d->rounds);
	for (struct by_id *b = by_id_empty(&d->boxes), *next; b; b = next) {
		next = b->next;
		box_free((struct box *)b);
	}
	free(d);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(DURATION, "interval", "15secs", 1000000, 86400000000000, "time between two measurements of a sandbox"),
	MZ_SETTING(BOOL, "enforce", "false", 0, 0, "end containers whose sandbox takes more than their disk"),
	MZ_SETTING(INT, "max_files", "1000000", 0, 1000000000000,
		   "with enforce: end containers whose sandbox holds more files and directories; 0: any number"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.recover = recover,
	.prepare = prepare,
	.update = update,
	.usage = usage,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "disk_du",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Measures the disk that sandboxes and volumes take, and enforces the limit",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
