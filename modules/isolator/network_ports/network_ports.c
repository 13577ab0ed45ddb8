/* network_ports.c - isolator/network_ports: a container may listen on its own `ports`
 * only. listening.c looks; this remembers what each container may, and tells.
 *
 * Only top-level containers are looked at: the ports of those within are among theirs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../answer.h"

#include "../../lib/by_id.h"
#include "../../lib/cgroup.h"
#include "listening.h"

enum { REASON_CONTAINER_LIMITATION = 19 };

struct box {
	struct by_id by; /* first */
	int32_t pid;
	int told; /* the limitation was */
	struct mz_range *ranges;
	size_t n_ranges;
	uint64_t generation; /* told apart from another of this id */
	char *group;	     /* that it was launched into, or NULL */
	char id[];
};

struct ports {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	int64_t interval_ns;
	int enforce;
	struct cg groups; /* the launcher's */
	struct mz_range agent; /* checked within these only */
	struct by_id_table boxes;
	struct mz_timer *timer;
	struct scan *scan; /* that a worker has, or NULL */
	uint64_t generation;
	struct mz_metric *scans, *exceeded;
};

/* One round: what a worker looks at. */
struct scan {
	struct ports *p;
	size_t n;
	struct target {
		int32_t pid;
		int rc;
		uint64_t generation;
		char *id, *group;
		struct listening l;
	} v[];
};

static void start_timer(struct ports *p);

static struct box *find(const struct ports *p, const char *id)
{
	return (struct box *)by_id_find(&p->boxes, id);
}

static void box_free(struct box *b)
{
	if (!b)
		return;
	free(b->ranges);
	free(b->group);
	free(b);
}

static void drop(struct ports *p, const char *id)
{
	box_free((struct box *)by_id_take(&p->boxes, id));
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct mz_range agent = {(uint64_t)h->conf_int(conf, "first_port"), (uint64_t)h->conf_int(conf, "last_port")};
	if (agent.begin > agent.end)
		return iso_error(err, -EINVAL, "first_port is %d, which is over last_port, %d", (int)agent.begin,
				 (int)agent.end);
	struct ports *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct ports){.h = h, .k = h->kind, .agent = agent};
	(void)cg_find_launcher(&p->groups, h); /* without: by descent */
	p->interval_ns = h->conf_int(conf, "interval");
	p->enforce = (int)h->conf_int(conf, "enforce");
	p->scans = h->metric(h, MZ_METRIC_COUNTER, "scans");
	p->exceeded = h->metric(h, MZ_METRIC_COUNTER, "exceeded");
	*inst = p;
	return 0;
}

static void scan_free(struct scan *s)
{
	for (size_t i = 0; s && i < s->n; i++) {
		free(s->v[i].id);
		free(s->v[i].group);
		free(s->v[i].l.ports);
	}
	free(s);
}

static void destroy(void *inst)
{
	struct ports *p = inst;
	if (!p)
		return;
	for (struct by_id *b = by_id_empty(&p->boxes), *next; b; b = next) {
		next = b->next;
		box_free((struct box *)b);
	}
	p->h->timer_cancel(p->h, p->timer);
	scan_free(p->scan); /* the host has waited for running work; its done() will not be called */
	free(p);
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_STANDALONE;
}

/* The ranges of all its `ports`, whatever they are reserved to. */
static int set_ranges(struct ports *p, struct box *b, const struct mz_container *c)
{
	const struct mz_resources_api *r = p->k->resources;
	struct mz_range *v = NULL;
	size_t n = 0;
	for (size_t i = 0; c->resources && i < r->count(c->resources); i++) {
		const struct mz_res_kind *kind = r->kind(r->item(c->resources, i).kind);
		const struct mz_range *more;
		if (kind->type != MZ_RANGES || strcmp(kind->name, "ports") != 0)
			continue;
		size_t n_more = r->ranges(c->resources, i, &more);
		struct mz_range *bigger = realloc(v, (n + n_more + 1) * sizeof(v[0]));
		if (!bigger) {
			free(v);
			return 0;
		}
		v = bigger;
		memcpy(v + n, more, n_more * sizeof(v[0]));
		n += n_more;
	}
	free(b->ranges);
	b->ranges = v;
	b->n_ranges = n;
	return 1;
}

/* Has it a network of its own, its ports concern nobody. */
static int has_own_network(const struct mz_container *c)
{
	return iso_has(c, "network_infos.0.name");
}

static int add(struct ports *p, const struct mz_container *c, int32_t pid)
{
	if (c->parent || has_own_network(c) || pid <= 0)
		return 1;
	drop(p, c->id);
	size_t size = strlen(c->id) + 1;
	struct box *b = calloc(1, sizeof(*b) + size);
	if (!b)
		return 0;
	memcpy(b->id, c->id, size);
	if (!set_ranges(p, b, c) || by_id_add(&p->boxes, &b->by, b->id) < 0) {
		box_free(b);
		return 0;
	}
	b->pid = pid;
	char group[CG_PATH_SIZE];
	b->group = cg_of_launcher(&p->groups, c, group) == 0 ? strdup(group) : NULL;
	b->generation = ++p->generation;
	start_timer(p);
	return 1;
}

static int allowed(const struct ports *p, const struct box *b, uint16_t port)
{
	if (port < p->agent.begin || port > p->agent.end)
		return 1;
	for (size_t i = 0; i < b->n_ranges; i++)
		if (port >= b->ranges[i].begin && port <= b->ranges[i].end)
			return 1;
	return 0;
}

static void judge(struct ports *p, struct box *b, const struct listening *l)
{
	char text[512] = "", line[1024];
	size_t len = 0;
	for (size_t i = 0; i < l->n && len < sizeof(text) - 16; i++)
		if (!allowed(p, b, l->ports[i]))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", len ? ", " : "", l->ports[i]);
	if (!len) {
		b->told = 0;
		return;
	}
	if (b->told)
		return;
	b->told = 1;
	p->h->metric_add(p->exceeded, 1);
	snprintf(line, sizeof(line), "Container listens on ports that are not its own: %s", text);
	if (p->enforce) {
		const struct mz_limitation limit = {
			.size = sizeof(limit), .reason = REASON_CONTAINER_LIMITATION, .message = line};
		p->k->limitation(p->h, b->id, &limit);
		return;
	}
	snprintf(line, sizeof(line), "Container %.150s listens on ports that are not its own: %s", b->id, text);
	p->h->log(p->h, MZ_LOG_WARNING, line);
}

static void work(void *arg)
{
	struct scan *s = arg;
	struct tables t = {NULL};
	for (size_t i = 0; i < s->n; i++)
		s->v[i].rc = listening_ports(&t, s->v[i].pid, s->v[i].group, &s->v[i].l);
	tables_done(&t);
}

static void on_scanned(void *arg)
{
	struct scan *s = arg;
	struct ports *p = s->p;
	p->scan = NULL;
	p->h->metric_add(p->scans, 1);
	for (size_t i = 0; i < s->n; i++) {
		struct box *b = s->v[i].id ? find(p, s->v[i].id) : NULL;
		if (b && b->generation == s->v[i].generation && s->v[i].rc == 0)
			judge(p, b, &s->v[i].l);
	}
	scan_free(s);
	start_timer(p);
}

static void on_timer(void *arg)
{
	struct ports *p = arg;
	size_t n = p->boxes.n;
	p->timer = NULL;
	struct scan *s = n ? calloc(1, sizeof(*s) + n * sizeof(s->v[0])) : NULL;
	if (s) {
		s->p = p;
		for (const struct by_id *at = by_id_next(&p->boxes, NULL); at; at = by_id_next(&p->boxes, at)) {
			const struct box *b = (const struct box *)at;
			s->v[s->n++] = (struct target){.pid = b->pid,
						       .generation = b->generation,
						       .id = strdup(b->id),
						       .group = b->group ? strdup(b->group) : NULL};
		}
		if (p->h->offload(p->h, work, on_scanned, s) == 0) {
			p->scan = s;
			return;
		}
		scan_free(s);
	}
	start_timer(p); /* too much to do just now */
}

/* Runs while there are containers. */
static void start_timer(struct ports *p)
{
	if (p->boxes.n && !p->timer && !p->scan)
		p->timer = p->h->timer(p->h, p->interval_ns, on_timer, p);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct ports *p = inst;
	struct mz_err err;
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add(p, v[i], v[i]->pid) ? 0 : iso_no_memory(&err);
	iso_end(p->h, op, rc, &err);
}

static void isolate(void *inst, const struct mz_container *c, int32_t pid, struct mz_op *op)
{
	struct ports *p = inst;
	struct mz_err err;
	iso_end(p->h, op, add(p, c, pid) ? 0 : iso_no_memory(&err), &err);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct ports *p = inst;
	struct mz_err err;
	struct box *b = find(p, c->id);
	iso_end(p->h, op, !b || set_ranges(p, b, c) ? 0 : iso_no_memory(&err), &err);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct ports *p = inst;
	drop(p, id);
	iso_end(p->h, op, 0, NULL);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(DURATION, "interval", "30secs", 1000000, 86400000000000, "time between two looks at all containers"),
	MZ_SETTING(BOOL, "enforce", "false", 0, 0, "end containers that listen on ports of others; else they are logged"),
	MZ_SETTING(INT, "first_port", "1", 1, 65535, "ports below are not looked at"),
	MZ_SETTING(INT, "last_port", "65535", 1, 65535, "ports above are not looked at"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.recover = recover,
	.isolate = isolate,
	.update = update,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "network_ports",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Containers may listen on their own ports only",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
