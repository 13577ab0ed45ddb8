/* limits.c - the soft and hard limit of a group. Raising takes effect at once. Lowering
 * may make the kernel look for memory that it can take away, which takes time: it is done
 * on a worker thread, and only as far as the container's use allows; the rest follows
 * when it uses less. Nobody is killed by a limit that was lowered under it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cgroups_mem.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t mem_min = 32 * MB, slack = MB, again_ns = 5 * 1000000000LL;

static int64_t at_least(int64_t v, int64_t min)
{
	return v < min ? min : v;
}

void limits_take(struct mem_container *mc, const struct mz_container *c)
{
	int64_t mem = c->resources ? mc->p->cg.k->resources->scalar(c->resources, "mem") : 0;
	mc->request = at_least(mem * MB / 1000, mem_min);
	mc->limit = c->limit_mem < 0 ? -1 : c->limit_mem > 0 ? c->limit_mem * MB / 1000 : mc->request;
	if (!c->resources && c->limit_mem == 0)
		mc->limit = -1;
	if (mc->limit >= 0)
		mc->limit = at_least(mc->limit, mem_min);
}

static const char *hard_file(const struct cg *g)
{
	return g->version == 1 ? "memory.limit_in_bytes" : "memory.max";
}

static int write_hard(const struct cg *g, const char *id, const char *file, int64_t bytes, struct mz_err *err)
{
	if (bytes < 0)
		return cg_write(g, id, file, g->version == 1 ? "-1" : "max", err);
	return cg_write_int(g, id, file, bytes, err);
}

int64_t limits_hard(const struct mem *p, const char *id)
{
	int64_t v;
	if (cg_read_int(&p->cg.g, id, hard_file(&p->cg.g), &v, NULL) < 0)
		return -1;
	/* v1 writes "no limit" as the largest multiple of a page. */
	return v > INT64_MAX - MB ? -1 : v;
}

static int set_soft(const struct mem_container *mc, struct mz_err *err)
{
	const struct cg *g = &mc->p->cg.g;
	return cg_write_int(g, mc->id, g->version == 1 ? "memory.soft_limit_in_bytes" : "memory.low", mc->request,
			    err);
}

/* v1 counts memory and swap together, and wants that limit to be the higher one. */
static int set_swap(const struct mem_container *mc, struct mz_err *err)
{
	const struct cg *g = &mc->p->cg.g;
	if (!mc->p->limit_swap)
		return 0;
	if (g->version == 1)
		return write_hard(g, mc->id, "memory.memsw.limit_in_bytes", mc->limit, err);
	return cg_write(g, mc->id, "memory.swap.max", mc->limit < 0 ? "max" : "0", err);
}

int limits_set(struct mem_container *mc, struct mz_err *err)
{
	int rc = set_soft(mc, err);
	if (rc == 0)
		rc = write_hard(&mc->p->cg.g, mc->id, hard_file(&mc->p->cg.g), mc->limit, err);
	return rc < 0 ? rc : set_swap(mc, err);
}

/* ---- lowering ------------------------------------------------------------------- */

struct job {
	struct pending pending; /* first member */
	struct mem *p;
	struct mz_op *op; /* NULL: a later try */
	struct cg g;	  /* a copy, for the other thread */
	int swap;
	int64_t from, to; /* bytes */
	int64_t reached;
	int rc;
	struct mz_err err;
	char id[];
};

/* v1 refuses a limit below what is used and cannot be taken away. */
static void lower_v1(struct job *j)
{
	int64_t v = j->to;
	for (int i = 0; i < 8 && v < j->from; i++) {
		j->rc = cg_write_int(&j->g, j->id, "memory.limit_in_bytes", v, &j->err);
		if (j->rc != -EBUSY)
			break;
		if (cg_read_int(&j->g, j->id, "memory.usage_in_bytes", &v, NULL) < 0)
			break;
		v = at_least(v + slack, j->to);
	}
	if (j->rc == 0)
		j->reached = v;
	else if (j->rc == -EBUSY)
		j->rc = 0;
	/* Swap that is in use stays where it is: the next try sees to it. */
	if (j->rc == 0 && j->swap && j->reached < j->from &&
	    cg_write_int(&j->g, j->id, "memory.memsw.limit_in_bytes", j->reached, NULL) == -EBUSY)
		j->reached = at_least(j->reached, j->to + 1);
}

/* v2 takes any limit, and kills. So memory is given back first. */
static void lower_v2(struct job *j)
{
	int64_t used, v = j->to;
	j->rc = cg_read_int(&j->g, j->id, "memory.current", &used, &j->err);
	if (j->rc == 0 && used > j->to) {
		(void)cg_write_int(&j->g, j->id, "memory.reclaim", used - j->to, NULL);
		j->rc = cg_read_int(&j->g, j->id, "memory.current", &used, &j->err);
		v = used > j->to ? used + slack : j->to;
	}
	if (j->rc < 0 || v >= j->from)
		return;
	j->rc = cg_write_int(&j->g, j->id, "memory.max", v, &j->err);
	if (j->rc == 0)
		j->reached = v;
}

static void lower_work(void *arg)
{
	struct job *j = arg;
	j->reached = j->from;
	if (j->g.version == 1)
		lower_v1(j);
	else
		lower_v2(j);
}

static void on_again(void *arg)
{
	struct mem_container *mc = arg;
	mc->again = NULL;
	limits_change(mc, NULL);
}

static void retry(struct mem_container *mc, const struct job *j)
{
	if (!mc->told)
		cg_log(mc->p->cg.h, MZ_LOG_INFO,
		       "Container '%s' uses more than its new memory limit of %lld MB; the limit is %lld MB until it uses "
		       "less",
		       mc->id, (long long)(j->to / MB), (long long)(j->reached / MB));
	mc->told = 1;
	if (!mc->again)
		mc->again = mc->p->cg.h->timer(mc->p->cg.h, again_ns, on_again, mc);
}

static void on_lowered(void *arg)
{
	struct job *j = arg;
	struct mem_container *mc = mem_find(j->p, j->id);
	pending_end(&j->pending);
	if (mc)
		mc->n_jobs--;
	int is_newest = mc && mc->limit == j->to;
	if (mc && !is_newest && mc->n_jobs == 0)
		limits_change(mc, NULL); /* it was changed again meanwhile */
	else if (is_newest && j->rc == 0 && j->reached > j->to)
		retry(mc, j);
	else if (is_newest && j->rc == 0)
		mc->told = 0;
	/* A container that is gone meanwhile is no error. */
	int failed = j->rc < 0 && mc;
	if (j->op)
		j->p->cg.h->op_done(j->op, failed ? &j->err : NULL, NULL);
	else if (failed)
		cg_log(j->p->cg.h, MZ_LOG_WARNING, "%s", j->err.msg);
	free(j);
}

static void job_drop(struct pending *p)
{
	free(p);
}

static int lower(struct mem_container *mc, int64_t from, struct mz_op *op, struct mz_err *err)
{
	size_t n = strlen(mc->id) + 1;
	struct job *j = calloc(1, sizeof(*j) + n);
	if (!j)
		return cg_fail(err, -ENOMEM, "Out of memory");
	j->p = mc->p;
	j->op = op;
	j->g = mc->p->cg.g;
	j->g.removals = NULL;
	j->swap = mc->p->limit_swap;
	j->from = from;
	j->to = mc->limit;
	memcpy(j->id, mc->id, n);
	mc->n_jobs++;
	pending_add(&mc->p->lowering, &j->pending, job_drop);
	int rc = mc->p->cg.h->offload(mc->p->cg.h, lower_work, on_lowered, j);
	if (rc == 0)
		return 0;
	mc->n_jobs--;
	pending_end(&j->pending);
	free(j);
	return cg_fail(err, rc, "The agent has too much work waiting to lower the memory limit of container '%s'",
		       mc->id);
}

/* ---- changing -------------------------------------------------------------------- */

void limits_change(struct mem_container *mc, struct mz_op *op)
{
	const struct mem *p = mc->p;
	struct mz_err err;
	int64_t now = limits_hard(p, mc->id);
	int rc = set_soft(mc, &err);
	if (rc == 0 && mc->limit >= 0 && (now < 0 || mc->limit < now)) {
		rc = lower(mc, now < 0 ? INT64_MAX : now, op, &err);
		if (rc == 0)
			return;
	} else if (rc == 0) {
		if (p->cg.g.version == 1)
			rc = set_swap(mc, &err);
		if (rc == 0 && mc->limit != now)
			rc = write_hard(&p->cg.g, mc->id, hard_file(&p->cg.g), mc->limit, &err);
		if (rc == 0 && p->cg.g.version == 2)
			rc = set_swap(mc, &err);
		p->cg.h->timer_cancel(p->cg.h, mc->again);
		mc->again = NULL;
		mc->told = 0;
		if (rc == -EBUSY) { /* swap in use: when there is less of it */
			mc->again = p->cg.h->timer(p->cg.h, again_ns, on_again, mc);
			rc = 0;
		}
	}
	if (op)
		p->cg.h->op_done(op, rc < 0 ? &err : NULL, NULL);
	else if (rc < 0)
		cg_log(p->cg.h, MZ_LOG_WARNING, "%s", err.msg);
}
