/* cgroups_mem.c - isolator/cgroups_mem: limits a container's memory, tells when it runs
 * out, and what it uses. Limits are in limits.c, events in events.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cgroups_mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>

const char *const mem_levels[N_LEVELS] = {"low", "medium", "critical"};

/* ---- the table ----------------------------------------------------------------------- */

struct mem_container *mem_find(const struct mem *p, const char *id)
{
	return (struct mem_container *)by_id_find(&p->containers, id);
}

static struct mem_container *add(struct mem *p, const char *id)
{
	size_t n = strlen(id) + 1;
	struct mem_container *mc = calloc(1, sizeof(*mc) + n);
	if (!mc)
		return NULL;
	memcpy(mc->id, id, n);
	mc->p = p;
	mc->watched.wd = mc->oom.fd = -1;
	for (size_t i = 0; i < N_LEVELS; i++)
		mc->level[i].fd = -1;
	if (by_id_add(&p->containers, &mc->by, mc->id) == 0)
		return mc;
	free(mc);
	return NULL;
}

static void mem_container_free(struct mem_container *mc)
{
	events_stop(mc);
	mc->p->cg.h->timer_cancel(mc->p->cg.h, mc->again);
	free(mc);
}

static void drop(void *inst, const char *id)
{
	struct mem *p = inst;
	struct mem_container *mc = (struct mem_container *)by_id_take(&p->containers, id);
	if (mc)
		mem_container_free(mc);
}

/* ---- containers ------------------------------------------------------------------------- */

/* One that may use more than it asked for goes first when the machine runs out. */
static int set_oom_score(const struct mem_container *mc, struct mz_launch *l, struct mz_err *err)
{
	struct sysinfo s;
	if ((mc->limit >= 0 && mc->limit <= mc->request) || sysinfo(&s) < 0)
		return 0;
	int64_t total = (int64_t)s.totalram * (int64_t)s.mem_unit;
	int64_t adj = 1000 - 1000 * mc->request / (total > 0 ? total : 1);
	adj = adj < 2 ? 2 : adj > 999 ? 999 : adj;
	int rc = mc->p->cg.k->launch_oom_score_adj(l, (int)adj);
	return rc < 0 ? cg_fail(err, rc, "Container '%s' cannot have an OOM score: %s", mc->id, strerror(-rc)) : 0;
}

static int make(struct mem *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	int rc = cgroups_join(&p->cg.g, c, l, err);
	if (rc < 0 || !cg_owns(c))
		return rc;
	struct mem_container *mc = add(p, c->id);
	if (!mc)
		return cg_fail(err, -ENOMEM, "Out of memory");
	limits_take(mc, c);
	rc = limits_set(mc, err);
	if (rc == 0)
		rc = events_listen(mc, err);
	if (rc == 0)
		rc = set_oom_score(mc, l, err);
	if (rc < 0)
		drop(p, c->id);
	return rc;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct mem *p = inst;
	struct mz_err err;
	int rc = mem_find(p, c->id) ? cg_fail(&err, -EEXIST, "Container '%s' has been prepared already", c->id)
				    : make(p, c, l, &err);
	cgroups_answer(p->cg.h, op, rc, &err);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct mem *p = inst;
	struct mem_container *mc = mem_find(p, c->id);
	if (!mc) {
		cgroups_answer(p->cg.h, op, 0, NULL);
		return;
	}
	limits_take(mc, c);
	limits_change(mc, op);
}

/* One that cannot be listened to is no reason not to start. */
static int found(void *inst, const struct mz_container *c, struct mz_err *err)
{
	struct mem *p = inst;
	if (!cgroups_has(&p->cg.g, c) || mem_find(p, c->id))
		return 0;
	struct mem_container *mc = add(p, c->id);
	if (!mc)
		return cg_fail(err, -ENOMEM, "Out of memory");
	limits_take(mc, c);
	if (events_listen(mc, err) == 0)
		events_catch_up(mc);
	else
		cg_log(p->cg.h, MZ_LOG_WARNING, "Container '%s' will not be told when it runs out of memory: %s", c->id,
		       err->msg);
	return 0;
}

/* ---- statistics ----------------------------------------------------------------------- */

struct field {
	const char *from, *to;
};

static void put_file(const struct mem *p, const char *id, struct mz_usage *u, const struct field *f)
{
	int64_t v;
	if (cg_read_int(&p->cg.g, id, f->from, &v, NULL) == 0 && v < INT64_MAX - MB)
		(void)p->cg.k->usage->set_integer(u, f->to, v);
}

static int put_keys(const struct mem *p, const char *id, struct mz_usage *u, const char *file, const struct field *f,
		    struct mz_err *err)
{
	char text[CG_TEXT_SIZE];
	int64_t v;
	int rc = cg_read(&p->cg.g, id, file, text, sizeof(text), err);
	for (; rc >= 0 && f->from; f++)
		if (cg_key(text, f->from, &v) == 0)
			(void)p->cg.k->usage->set_integer(u, f->to, v);
	return rc < 0 ? rc : 0;
}

static int measure_v1(const struct mem *p, const struct mem_container *mc, struct mz_usage *u, struct mz_err *err)
{
	static const struct field files[] = {{"memory.usage_in_bytes", "mem_total_bytes"},
					     {"memory.limit_in_bytes", "mem_limit_bytes"},
					     {"memory.soft_limit_in_bytes", "mem_soft_limit_bytes"},
					     {"memory.kmem.usage_in_bytes", "mem_kmem_usage_bytes"},
					     {"memory.kmem.tcp.usage_in_bytes", "mem_kmem_tcp_usage_bytes"}};
	static const struct field memsw = {"memory.memsw.usage_in_bytes", "mem_total_memsw_bytes"};
	static const struct field keys[] = {{"total_cache", "mem_file_bytes"}, {"total_cache", "mem_cache_bytes"},
					    {"total_rss", "mem_anon_bytes"},   {"total_rss", "mem_rss_bytes"},
					    {"total_mapped_file", "mem_mapped_file_bytes"},
					    {"total_swap", "mem_swap_bytes"},
					    {"total_unevictable", "mem_unevictable_bytes"},
					    {0}};
	char counter[64];
	int rc = put_keys(p, mc->id, u, "memory.stat", keys, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put_file(p, mc->id, u, &files[i]);
	if (p->limit_swap)
		put_file(p, mc->id, u, &memsw);
	for (size_t i = 0; i < N_LEVELS; i++) {
		(void)snprintf(counter, sizeof(counter), "mem_%s_pressure_counter", mem_levels[i]);
		if (mc->level[i].fd >= 0)
			(void)p->cg.k->usage->set_integer(u, counter, mc->level[i].n);
	}
	return 0;
}

static int measure_v2(const struct mem *p, const struct mem_container *mc, struct mz_usage *u, struct mz_err *err)
{
	static const struct field files[] = {{"memory.current", "mem_total_bytes"},
					     {"memory.max", "mem_limit_bytes"},
					     {"memory.low", "mem_soft_limit_bytes"},
					     {"memory.swap.current", "mem_swap_bytes"}};
	static const struct field keys[] = {{"file", "mem_file_bytes"},
					    {"file", "mem_cache_bytes"},
					    {"anon", "mem_anon_bytes"},
					    {"anon", "mem_rss_bytes"},
					    {"file_mapped", "mem_mapped_file_bytes"},
					    {"unevictable", "mem_unevictable_bytes"},
					    {"kernel", "mem_kmem_usage_bytes"},
					    {"sock", "mem_kmem_tcp_usage_bytes"},
					    {0}};
	static const struct field events[] = {{"low", "mem_low_pressure_counter"},
					      {"high", "mem_medium_pressure_counter"},
					      {"max", "mem_critical_pressure_counter"},
					      {0}};
	int64_t total, swap;
	int rc = put_keys(p, mc->id, u, "memory.stat", keys, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put_file(p, mc->id, u, &files[i]);
	if (p->limit_swap && cg_read_int(&p->cg.g, mc->id, "memory.current", &total, NULL) == 0 &&
	    cg_read_int(&p->cg.g, mc->id, "memory.swap.current", &swap, NULL) == 0)
		(void)p->cg.k->usage->set_integer(u, "mem_total_memsw_bytes", total + swap);
	if (p->pressure)
		(void)put_keys(p, mc->id, u, "memory.events", events, NULL);
	return 0;
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct mem *p = inst;
	struct mz_err err;
	const struct mem_container *mc = mem_find(p, c->id);
	int rc = 0;
	if (mc)
		rc = p->cg.g.version == 1 ? measure_v1(p, mc, u, &err) : measure_v2(p, mc, u, &err);
	cgroups_answer(p->cg.h, op, rc, &err);
}

/* It adds nothing to the status, but who asks may be about to tell why something failed. */
static void status(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct mem *p = inst;
	struct mem_container *mc = mem_find(p, c->id);
	(void)u;
	if (mc)
		events_look(mc);
	cgroups_answer(p->cg.h, op, 0, NULL);
}

/* ---- the instance ------------------------------------------------------------------- */

static void destroy(void *inst)
{
	struct mem *p = inst;
	if (!p)
		return;
	for (struct by_id *b = by_id_empty(&p->containers), *next; b; b = next) {
		next = b->next;
		mem_container_free((struct mem_container *)b);
	}
	(void)by_id_empty(&p->watched);
	pending_drop_all(&p->lowering);
	events_done(p);
	cgroups_destroy(inst);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct mem *p = cgroups_new(sizeof(*p), h, err);
	if (!p)
		return -ENOMEM;
	p->cg.found = found;
	p->cg.drop = drop;
	p->limit_swap = h->conf_int(conf, "limit_swap") != 0;
	p->pressure = h->conf_int(conf, "pressure") != 0;
	int rc = cgroups_find(&p->cg.g, h, "memory", err);
	if (rc == 0)
		rc = events_init(p, err);
	return cgroups_created(p, rc, NULL, inst, err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BOOL, "limit_swap", "false", 0, 0, "The limit holds for memory and swap together (v2: no swap)"),
	MZ_SETTING(BOOL, "pressure", "true", 0, 0, "Count how often memory was short"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = cgroups_flags,
	.recover = cgroups_recover,
	.prepare = prepare,
	.update = update,
	.usage = usage,
	.status = status,
	.cleanup = cgroups_cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "cgroups_mem",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Limits of memory, and what is used, by cgroups",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
