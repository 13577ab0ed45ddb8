/* alloc.c - the allocator module as the rest of the master calls it, and the
 * services that the module gets. Resources cross without allocation roles.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

/* ---- services ------------------------------------------------------------- */

static struct master *master_of(const struct mz_host *h)
{
	return mz_container_of((const struct mz_allocator_host *)h->kind, struct master, alloc_host.ops);
}

static void host_offer(const struct mz_host *h, mz_key framework, const char *role, mz_key agent,
		       const struct mz_resources *r)
{
	offer_make(master_of(h), framework, role, agent, r);
}

/* Maintenance windows do not exist yet, so nobody has a reason to ask. */
static void host_inverse_offer(const struct mz_host *h, mz_key framework, mz_key agent, int64_t start_ns,
			       int64_t duration_ns)
{
	(void)start_ns;
	(void)duration_ns;
	log_warning(AREA, "%s asks framework %llu to leave agent %llu, which has no maintenance, ignoring",
		    h->name(h), (unsigned long long)framework, (unsigned long long)agent);
}

static int host_constraint_allows(const struct mz_host *h, const struct mz_constraints *c, const char *role,
				  mz_key agent)
{
	/* The handle is the framework, which outlives what it is told to the allocator. */
	const struct framework *f = (const struct framework *)c;
	struct agent *a = agent_by_key(master_of(h), agent);
	return a && constraints_allow(f->constraints, role, a);
}

static int64_t host_allocation_interval(const struct mz_host *h)
{
	return master_of(h)->cfg.allocation_interval_ns;
}

static size_t host_min_allocatable(const struct mz_host *h, const struct mz_quantities **ret)
{
	static const struct mz_quantity cpus = {"cpus", 10}, mem = {"mem", 32000};
	static const struct mz_quantities alternatives[] = {{1, &cpus}, {1, &mem}};
	(void)h;
	*ret = alternatives;
	return MZ_N(alternatives);
}

static const char *host_fairness_excluded(const struct mz_host *h, size_t i)
{
	(void)h;
	(void)i;
	return NULL;
}

static int host_filter_gpu(const struct mz_host *h)
{
	return !master_of(h)->cfg.show_all_gpus;
}

void alloc_host_init(struct master *m)
{
	m->alloc_host.m = m;
	m->alloc_host.ops = (struct mz_allocator_host){
		.size = sizeof(struct mz_allocator_host),
		.resources = res_api(),
		.offer = host_offer,
		.inverse_offer = host_inverse_offer,
		.constraint_allows = host_constraint_allows,
		.allocation_interval = host_allocation_interval,
		.min_allocatable = host_min_allocatable,
		.fairness_excluded = host_fairness_excluded,
		.filter_gpu = host_filter_gpu,
	};
}

void alloc_recover(struct master *m, size_t n_agents)
{
	MODULE_TELL(&m->alloc, recover, n_agents);
}

/* ---- frameworks ------------------------------------------------------------- */

static int64_t thousandths(const Mesos__V1__Value__Scalar *s)
{
	double v = s->value * 1000 + 0.5; /* finite and not negative: framework_info_check() */
	return v < 9e18 ? (int64_t)v : INT64_MAX;
}

static void fill_min(const Mesos__V1__OfferFilters__MinAllocatableResources *min, struct mz_alloc_role *role,
		     struct arena *arena)
{
	struct mz_quantities *v = arena_calloc(arena, (min->n_quantities + 1) * sizeof(*v));
	for (size_t i = 0; i < min->n_quantities; i++) {
		const Mesos__V1__OfferFilters__ResourceQuantities *q = min->quantities[i];
		struct mz_quantity *one = arena_calloc(arena, (q->n_quantities + 1) * sizeof(*one));
		for (size_t j = 0; j < q->n_quantities; j++) {
			one[j].name = q->quantities[j]->key;
			one[j].amount = thousandths(q->quantities[j]->value);
		}
		v[i] = (struct mz_quantities){q->n_quantities, one};
	}
	role->has_filters = 1;
	role->n_min = min->n_quantities;
	role->min_allocatable = v;
}

static struct mz_alloc_framework describe(struct framework *f, struct arena *arena)
{
	struct mz_alloc_role *roles = arena_calloc(arena, (f->n_roles + 1) * sizeof(*roles));
	for (size_t i = 0; i < f->n_roles; i++) {
		roles[i].role = f->roles[i];
		roles[i].suppressed = map_has(&f->suppressed, f->roles[i]);
		for (size_t j = 0; j < f->info->n_offer_filters; j++) {
			const Mesos__V1__FrameworkInfo__OfferFiltersEntry *e = f->info->offer_filters[j];
			if (str_eq(e->key, f->roles[i]) && e->value && e->value->min_allocatable_resources)
				fill_min(e->value->min_allocatable_resources, &roles[i], arena);
		}
	}
	return (struct mz_alloc_framework){
		.size = sizeof(struct mz_alloc_framework),
		.capabilities = f->capabilities,
		.key = f->key,
		.id = f->id,
		.name = f->info->name,
		.n_roles = f->n_roles,
		.roles = roles,
		.constraints = f->constraints ? (const struct mz_constraints *)f : NULL,
	};
}

void alloc_add_framework(struct framework *f, bool active)
{
	mz_autoarena struct arena arena = {0};
	struct mz_alloc_framework d = describe(f, &arena);
	MODULE_CALL(&f->m->alloc, add_framework, &d, active, NULL, 0);
}

void alloc_update_framework(struct framework *f)
{
	mz_autoarena struct arena arena = {0};
	struct mz_alloc_framework d = describe(f, &arena);
	MODULE_CALL(&f->m->alloc, update_framework, &d);
}

void alloc_remove_framework(struct framework *f)
{
	MODULE_CALL(&f->m->alloc, remove_framework, f->key);
}

void alloc_activate_framework(struct framework *f, bool active)
{
	if (active)
		MODULE_CALL(&f->m->alloc, activate_framework, f->key);
	else
		MODULE_CALL(&f->m->alloc, deactivate_framework, f->key);
}

void alloc_suppress(struct framework *f, char **roles, size_t n)
{
	MODULE_CALL(&f->m->alloc, suppress_offers, f->key, n ? (const char *const *)roles : NULL, n);
}

void alloc_revive(struct framework *f, char **roles, size_t n)
{
	MODULE_CALL(&f->m->alloc, revive_offers, f->key, n ? (const char *const *)roles : NULL, n);
}

void alloc_request(struct framework *f, struct agent *a, const resources *wanted)
{
	MODULE_TELL(&f->m->alloc, request_resources, f->key, a ? a->key : 0, wanted);
}

/* ---- agents ------------------------------------------------------------------ */

static const Mesos__V1__DomainInfo__FaultDomain *fault_domain(const struct agent *a)
{
	return a->info->domain ? a->info->domain->fault_domain : NULL;
}

static struct mz_alloc_agent describe_agent(struct agent *a)
{
	const Mesos__V1__DomainInfo__FaultDomain *d = fault_domain(a);
	const char *region = d && d->region ? d->region->name : NULL;
	const char *own = a->m->cfg.region;
	return (struct mz_alloc_agent){
		.size = sizeof(struct mz_alloc_agent),
		.key = a->key,
		.id = a->id,
		.hostname = a->info->hostname,
		.region = region,
		.zone = d && d->zone ? d->zone->name : NULL,
		.multi_role = (a->capabilities & (1u << 1)) != 0, /* MULTI_ROLE */
		.remote_region = region && own && !str_eq(region, own),
		.total = a->total,
	};
}

/* What one framework holds on the agent in one role. */
struct use {
	struct framework *f;
	const char *role;
	resources *sum;
};

struct uses {
	VEC(struct use) v;
};

static void use_add(struct uses *u, struct framework *f, const char *role, const resources *allocated)
{
	resources *plain = res_unallocate(allocated);
	size_t i = 0;
	while (i < u->v.n && (u->v.v[i].f != f || !str_eq(u->v.v[i].role, role)))
		i++;
	if (i == u->v.n)
		vec_push(&u->v, ((struct use){f, role, res_new()}));
	res_add(u->v.v[i].sum, plain);
	res_free(plain);
}

void alloc_add_agent(struct agent *a)
{
	struct uses u = {0};
	list_each(&a->tasks, struct task, in_agent, t)
		if (!t->freed)
			use_add(&u, t->framework, t->role, t->res);
	list_each(&a->executors, struct executor, in_agent, e)
		use_add(&u, e->framework, e->role, e->res);
	struct mz_alloc_use *v = xcalloc(u.v.n + 1, sizeof(*v));
	for (size_t i = 0; i < u.v.n; i++)
		v[i] = (struct mz_alloc_use){u.v.v[i].f->key, a->key, u.v.v[i].role, u.v.v[i].sum};
	struct mz_alloc_agent d = describe_agent(a);
	a->in_allocator = true;
	MODULE_CALL(&a->m->alloc, add_agent, &d, v, u.v.n);
	if (a->deactivated)
		alloc_activate_agent(a, false);
	for (size_t i = 0; i < u.v.n; i++)
		res_free(u.v.v[i].sum);
	vec_done(&u.v);
	free(v);
}

void alloc_update_agent(struct agent *a)
{
	struct mz_alloc_agent d = describe_agent(a);
	MODULE_CALL(&a->m->alloc, update_agent, &d);
}

void alloc_remove_agent(struct agent *a)
{
	if (!a->in_allocator)
		return;
	a->in_allocator = false;
	MODULE_CALL(&a->m->alloc, remove_agent, a->key);
}

void alloc_activate_agent(struct agent *a, bool active)
{
	if (!a->in_allocator)
		return;
	if (active)
		MODULE_CALL(&a->m->alloc, activate_agent, a->key);
	else
		MODULE_CALL(&a->m->alloc, deactivate_agent, a->key);
}

/* ---- resources ----------------------------------------------------------------- */

void alloc_allocated(struct framework *f, const char *role, struct agent *a, const resources *r)
{
	MODULE_TELL(&f->m->alloc, allocated, f->key, role, a->key, r);
}

void alloc_recover_resources(struct master *m, mz_key framework, const char *role, mz_key agent,
			     const resources *r, int64_t refuse, bool was_allocated)
{
	if (res_empty(r) || m->ending)
		return;
	MODULE_CALL(&m->alloc, recover_resources, framework, role, agent, r, refuse, was_allocated);
}
