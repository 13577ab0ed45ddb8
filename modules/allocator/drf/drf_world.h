/* drf_world.h - a master for the tests and the benchmark of the DRF allocator:
 * virtual time, timers, and a book of every offer, kept independently of the
 * allocator. Included by one .c file of a program. Not for anything else.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_DRF_WORLD_H
#define MZ_DRF_WORLD_H

#define MZ_MODULE_ABI 1
#include <mezzo/allocator.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of core/model, linked into the programs: the sets that a master hands over. */
const struct mz_resources_api *res_api(void);

#define SEC ((int64_t)1000000000)

struct mz_timer {
	struct mz_timer *next;
	int64_t at_ns;
	uint64_t number;
	void (*fn)(void *);
	void *arg;
};

/* An offer: open until taken out of the list. */
struct world_offer {
	mz_key framework, agent;
	char role[32];
	struct mz_resources *resources;
};

static struct {
	const struct mz_allocator_ops *ops;
	const struct mz_resources_api *res;
	void *inst;
	int64_t now_ns, interval_ns;
	struct mz_timer *timers;
	uint64_t n_timers, random;
	struct world_offer *offers;
	size_t n_offers, cap_offers, n_offers_ever;
	int count_only; /* the benchmark keeps no book */
	const struct mz_quantities *min;
	size_t n_min;
	const char *excluded;
	int filter_gpu, refuse_constraints;
} w;

static int64_t world_now(const struct mz_host *h)
{
	(void)h;
	return w.now_ns;
}

static void world_random(const struct mz_host *h, void *out, size_t size)
{
	(void)h;
	for (size_t i = 0; i < size; i++) {
		w.random = w.random * 6364136223846793005u + 1442695040888963407u;
		((unsigned char *)out)[i] = (unsigned char)(w.random >> 56);
	}
}

static struct mz_timer *world_timer(const struct mz_host *h, int64_t delay_ns, void (*fn)(void *), void *arg)
{
	(void)h;
	struct mz_timer *t = calloc(1, sizeof(*t));
	assert(t);
	*t = (struct mz_timer){w.timers, w.now_ns + delay_ns, ++w.n_timers, fn, arg};
	w.timers = t;
	return t;
}

static void world_timer_cancel(const struct mz_host *h, struct mz_timer *t)
{
	(void)h;
	for (struct mz_timer **at = &w.timers; t && *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			free(t);
			return;
		}
}

/* Runs what is due up to `until_ns`, in order of time. */
static void world_run_until(int64_t until_ns)
{
	for (;;) {
		struct mz_timer *first = NULL;
		for (struct mz_timer *t = w.timers; t; t = t->next)
			if (!first || t->at_ns < first->at_ns ||
			    (t->at_ns == first->at_ns && t->number < first->number))
				first = t;
		if (!first || first->at_ns > until_ns)
			break;
		w.now_ns = first->at_ns;
		void (*fn)(void *) = first->fn;
		void *arg = first->arg;
		world_timer_cancel(NULL, first);
		fn(arg);
	}
	w.now_ns = until_ns;
}

static inline void world_settle(void)
{
	world_run_until(w.now_ns);
}

static inline void world_advance(int64_t ns)
{
	world_run_until(w.now_ns + ns);
}

static struct mz_metric *world_metric(const struct mz_host *h, int type, const char *name)
{
	(void)h;
	(void)type;
	(void)name;
	return NULL;
}

static void world_metric_add(struct mz_metric *m, int64_t delta)
{
	(void)m;
	(void)delta;
}

static void world_metric_set(struct mz_metric *m, double value)
{
	(void)m;
	(void)value;
}

static void world_offer(const struct mz_host *h, mz_key framework, const char *role, mz_key agent,
			const struct mz_resources *resources)
{
	(void)h;
	w.n_offers_ever++;
	if (w.count_only)
		return;
	if (w.n_offers == w.cap_offers) {
		w.cap_offers = w.cap_offers ? w.cap_offers * 2 : 64;
		w.offers = realloc(w.offers, w.cap_offers * sizeof(w.offers[0]));
		assert(w.offers);
	}
	struct world_offer *o = &w.offers[w.n_offers++];
	o->framework = framework;
	o->agent = agent;
	assert(strlen(role) < sizeof(o->role));
	strcpy(o->role, role);
	o->resources = w.res->copy(resources);
}

static int world_constraint_allows(const struct mz_host *h, const struct mz_constraints *c, const char *role,
				   mz_key agent)
{
	(void)h;
	(void)c;
	(void)role;
	(void)agent;
	return !w.refuse_constraints;
}

static int64_t world_interval(const struct mz_host *h)
{
	(void)h;
	return w.interval_ns;
}

static size_t world_min(const struct mz_host *h, const struct mz_quantities **ret)
{
	(void)h;
	*ret = w.min;
	return w.n_min;
}

static const char *world_excluded(const struct mz_host *h, size_t i)
{
	(void)h;
	return i == 0 ? w.excluded : NULL;
}

static int world_filter_gpu(const struct mz_host *h)
{
	(void)h;
	return w.filter_gpu;
}

static struct mz_allocator_host world_kind = {
	.size = sizeof(world_kind),
	.offer = world_offer,
	.constraint_allows = world_constraint_allows,
	.allocation_interval = world_interval,
	.min_allocatable = world_min,
	.fairness_excluded = world_excluded,
	.filter_gpu = world_filter_gpu,
};
static const struct mz_host world_host = {
	.size = sizeof(world_host),
	.now = world_now,
	.random = world_random,
	.timer = world_timer,
	.timer_cancel = world_timer_cancel,
	.metric = world_metric,
	.metric_add = world_metric_add,
	.metric_set = world_metric_set,
	.kind = &world_kind,
};

static void world_start(const struct mz_module *m)
{
	struct mz_err err;
	memset(&w, 0, sizeof(w));
	w.ops = (const struct mz_allocator_ops *)m->ops;
	w.res = world_kind.resources = res_api();
	w.now_ns = 1000 * SEC;
	w.interval_ns = SEC;
	w.random = 1;
	int rc = w.ops->create(&world_host, NULL, &w.inst, &err);
	assert(rc == 0);
	(void)rc;
}

static void world_end(void)
{
	w.ops->destroy(w.inst);
	for (size_t i = 0; i < w.n_offers; i++)
		w.res->destroy(w.offers[i].resources);
	free(w.offers);
	assert(!w.timers); /* the allocator cancels its own */
}

/* The sets that the next calls need; the caller frees. */
static struct mz_resources *world_set(const char *text)
{
	struct mz_err err;
	struct mz_resources *r = w.res->create();
	int rc = w.res->parse(text, r, &err);
	assert(rc == 0);
	(void)rc;
	return r;
}

static void world_add_agent(mz_key key, const char *resources)
{
	struct mz_resources *total = world_set(resources);
	char host[32];
	snprintf(host, sizeof(host), "host%d", (int)key);
	const struct mz_alloc_agent a = {
		.size = sizeof(a), .key = key, .id = host, .hostname = host, .multi_role = 1, .total = total};
	w.ops->add_agent(w.inst, &a, NULL, 0);
	w.res->destroy(total);
}

static void world_add_framework(mz_key key, const char *id, const char *role, uint32_t capabilities)
{
	const struct mz_alloc_role r = {.role = role};
	const struct mz_alloc_framework f = {.size = sizeof(f),
					     .capabilities = capabilities | MZ_FW_MULTI_ROLE,
					     .key = key,
					     .id = id,
					     .name = id,
					     .n_roles = 1,
					     .roles = &r};
	w.ops->add_framework(w.inst, &f, 1, NULL, 0);
}

#endif
