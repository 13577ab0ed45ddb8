/* drf.c - the default allocator: dominant resource fairness over roles, and over
 * the frameworks inside a role. Here: the module, and what the master says.
 *
 * Callbacks only note what changed and make agents candidates; offers are made
 * in rounds, from timers (drf_round.c). Quota and inverse offers are not served.
 * SPDX-License-Identifier: Apache-2.0 */
#include "drf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- frameworks ------------------------------------------------------------------- */

static void set_active(struct drf *d, struct framework *f, bool active)
{
	f->is_active = active;
	for (size_t i = 0; i < f->clients.n; i++)
		client_update(d, f->clients.v[i]);
}

static void drf_add_framework(void *inst, const struct mz_alloc_framework *info, int active,
			      const struct mz_alloc_use *uses, size_t n_uses)
{
	struct drf *d = inst;
	if (framework_find(d, info->key))
		return;
	struct framework *f = framework_new(d, info);
	uses_link(d, f);
	uses_tell(d, uses, n_uses);
	set_active(d, f, active);
	round_start(d);
	round_all(d);
}

static void drf_remove_framework(void *inst, mz_key key)
{
	struct drf *d = inst;
	struct framework *f = framework_find(d, key);
	if (f)
		framework_free(d, f);
}

static void drf_activate_framework(void *inst, mz_key key)
{
	struct drf *d = inst;
	struct framework *f = framework_find(d, key);
	if (!f)
		return;
	set_active(d, f, true);
	round_all(d);
}

static void drf_deactivate_framework(void *inst, mz_key key)
{
	struct drf *d = inst;
	struct framework *f = framework_find(d, key);
	if (!f)
		return;
	set_active(d, f, false);
	for (size_t i = 0; i < f->clients.n; i++)
		filters_forget_client(d, f->clients.v[i]);
}

static void drf_update_framework(void *inst, const struct mz_alloc_framework *info)
{
	struct drf *d = inst;
	struct framework *f = framework_find(d, info->key);
	if (!f)
		return;
	framework_update(d, f, info);
	round_all(d);
}

static bool is_named(const struct client *c, const char *const *roles, size_t n)
{
	if (!roles || !n)
		return true;
	for (size_t i = 0; i < n; i++)
		if (strcmp(c->role->name, roles[i]) == 0)
			return true;
	return false;
}

static void drf_suppress_offers(void *inst, mz_key key, const char *const *roles, size_t n)
{
	struct drf *d = inst;
	const struct framework *f = framework_find(d, key);
	for (size_t i = 0; f && i < f->clients.n; i++) {
		struct client *c = f->clients.v[i];
		if (!is_named(c, roles, n))
			continue;
		c->is_suppressed = true;
		client_update(d, c);
	}
}

static void drf_revive_offers(void *inst, mz_key key, const char *const *roles, size_t n)
{
	struct drf *d = inst;
	const struct framework *f = framework_find(d, key);
	for (size_t i = 0; f && i < f->clients.n; i++) {
		struct client *c = f->clients.v[i];
		if (!is_named(c, roles, n))
			continue;
		c->is_suppressed = false;
		client_update(d, c);
		filters_forget_client(d, c);
	}
	if (f)
		round_all(d);
}

/* ---- agents -------------------------------------------------------------------------- */

static int compare_names(const void *key, const void *elem)
{
	return strcmp(key, *(char *const *)elem);
}

static int compare_pointed_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_listed(const struct drf *d, const char *hostname)
{
	if (d->is_whitelist_all)
		return true;
	return d->whitelist.n && bsearch(hostname, d->whitelist.v, d->whitelist.n, sizeof(d->whitelist.v[0]),
					 compare_names);
}

static void set_agent(struct drf *d, struct agent *a, const struct mz_alloc_agent *info)
{
	free(a->hostname);
	a->hostname = drf_strdup(info->hostname ? info->hostname : "");
	a->is_listed = is_listed(d, a->hostname);
	a->multi_role = info->multi_role;
	a->remote_region = info->remote_region;
	agent_set_total(d, a, info->total);
}

static void drf_add_agent(void *inst, const struct mz_alloc_agent *info, const struct mz_alloc_use *uses,
			  size_t n_uses)
{
	struct drf *d = inst;
	struct agent *a = agent_get(d, info->key);
	if (a->is_known)
		return;
	a->is_known = true;
	a->is_active = true;
	set_agent(d, a, info);
	uses_count_agent(d, a);
	uses_tell(d, uses, n_uses);
	round_start(d);
	round_candidate(d, a);
}

static struct agent *known_agent(struct drf *d, mz_key key)
{
	struct agent *a = agent_find(d, key);
	return a && a->is_known ? a : NULL;
}

static void drf_remove_agent(void *inst, mz_key key)
{
	struct drf *d = inst;
	struct agent *a = agent_find(d, key);
	if (a)
		agent_free(d, a);
}

static void drf_update_agent(void *inst, const struct mz_alloc_agent *info)
{
	struct drf *d = inst;
	struct agent *a = known_agent(d, info->key);
	if (!a)
		return;
	set_agent(d, a, info);
	filters_forget_agent(d, a);
	round_candidate(d, a);
}

static void drf_activate_agent(void *inst, mz_key key)
{
	struct drf *d = inst;
	struct agent *a = known_agent(d, key);
	if (!a)
		return;
	a->is_active = true;
	round_candidate(d, a);
}

static void drf_deactivate_agent(void *inst, mz_key key)
{
	struct drf *d = inst;
	struct agent *a = known_agent(d, key);
	if (a)
		a->is_active = false;
}

static void drop_whitelist(struct drf *d)
{
	for (size_t i = 0; i < d->whitelist.n; i++)
		free(d->whitelist.v[i]);
	d->whitelist.n = 0;
}

static void drf_update_whitelist(void *inst, const char *const *hostnames, size_t n, int all)
{
	struct drf *d = inst;
	drop_whitelist(d);
	d->is_whitelist_all = all;
	for (size_t i = 0; !all && i < n; i++)
		ptrs_push(&d->whitelist, drf_strdup(hostnames[i]));
	if (d->whitelist.n)
		qsort(d->whitelist.v, d->whitelist.n, sizeof(d->whitelist.v[0]), compare_pointed_names);
	for (size_t i = 0; i < d->agents.n; i++) {
		struct agent *a = d->agents.v[i];
		a->is_listed = is_listed(d, a->hostname ? a->hostname : "");
	}
}

/* ---- resources ------------------------------------------------------------------------- */

static void convert_total(struct drf *d, struct agent *a, struct mz_resources *total,
			  const struct mz_conversion *c)
{
	(void)a;
	/* Further copies of a shared volume come from nothing: there is no more of it. */
	if (!d->res->count(c->consumed))
		return;
	d->res->subtract(total, c->consumed);
	d->res->add(total, c->converted);
}

static void drf_update_allocation(void *inst, mz_key framework, const char *role, mz_key agent,
				  const struct mz_resources *used, const struct mz_conversion *v, size_t n)
{
	struct drf *d = inst;
	struct agent *a = known_agent(d, agent);
	struct role *r = role_find(d, role);
	struct holding *h = a && r ? holding_find(a, framework, r) : NULL;
	(void)used; /* the holding is known here */
	if (!h)
		return;
	struct mz_resources *total = set_get(d);
	d->res->add(total, a->total);
	for (size_t i = 0; i < n; i++) {
		convert_total(d, a, total, &v[i]);
		holding_convert(d, a, h, &v[i]);
	}
	agent_set_total(d, a, total);
	set_put(d, total);
	holding_drop_if_empty(d, a, h);
}

static int drf_update_available(void *inst, mz_key agent, const struct mz_conversion *v, size_t n,
				struct mz_err *err)
{
	struct drf *d = inst;
	struct agent *a = known_agent(d, agent);
	if (!a) {
		err->code = -ENOENT;
		snprintf(err->msg, sizeof(err->msg), "The agent is not known to the allocator");
		return -ENOENT;
	}
	struct mz_resources *unused = set_get(d), *total = set_get(d);
	int rc = 0;
	d->res->add(unused, agent_unused(d, a));
	d->res->add(total, a->total);
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (!d->res->contains(unused, v[i].consumed)) {
			char text[160];
			d->res->format(v[i].consumed, text, sizeof(text));
			rc = err->code = -EBUSY;
			snprintf(err->msg, sizeof(err->msg), "Not all of '%s' is unused", text);
			break;
		}
		convert_total(d, a, unused, &v[i]);
		convert_total(d, a, total, &v[i]);
	}
	if (rc == 0)
		agent_set_total(d, a, total);
	set_put(d, unused);
	set_put(d, total);
	return rc;
}

static void drf_recover_resources(void *inst, mz_key framework, const char *role, mz_key agent,
				  const struct mz_resources *resources, int64_t refuse_ns, int was_allocated)
{
	struct drf *d = inst;
	struct agent *a = agent_find(d, agent);
	struct role *r = role_find(d, role);
	(void)was_allocated; /* what is offered counts like what is allocated */
	if (!a || !r)
		return;
	struct holding *h = holding_find(a, framework, r);
	const struct framework *f = framework_find(d, framework);
	struct client *c = f ? client_find(f, r) : NULL;
	if (refuse_ns > 0 && a->is_known && c && c->is_subscribed && f->is_active) {
		/* A shorter one would be over before the next batch round. */
		int64_t least_ns = d->master->allocation_interval(d->host);
		filter_add(d, c, a, resources, refuse_ns > least_ns ? refuse_ns : least_ns);
	}
	if (!h)
		return;
	holding_take(d, a, h, resources);
	holding_drop_if_empty(d, a, h);
	agent_gc(d, a);
}

static void drf_update_weight(void *inst, const char *name, double weight)
{
	struct drf *d = inst;
	if (!(weight > 0))
		return;
	struct role *r = role_get(d, name);
	r->node.weight = weight;
	node_touch(d, &r->node);
	role_gc(d, r);
}

static void drf_pause(void *inst)
{
	((struct drf *)inst)->is_paused = true;
}

static void drf_resume(void *inst)
{
	round_resume(inst);
}

/* ---- life ---------------------------------------------------------------------------------- */

static int drf_create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct drf *d = calloc(1, sizeof(*d));
	if (!d) {
		err->code = -ENOMEM;
		snprintf(err->msg, sizeof(err->msg), "Out of memory");
		return -ENOMEM;
	}
	d->host = host;
	d->master = host->kind;
	d->res = d->master->resources;
	d->is_whitelist_all = true;
	d->m_rounds = host->metric(host, MZ_METRIC_COUNTER, "rounds");
	d->m_offers = host->metric(host, MZ_METRIC_COUNTER, "offers");
	d->m_filters = host->metric(host, MZ_METRIC_GAUGE, "filters");
	d->m_round_ns = host->metric(host, MZ_METRIC_GAUGE, "last_round_ns");
	*inst = d;
	return 0;
}

static void free_roles(struct drf *d)
{
	for (size_t i = 0; i < d->roles_by_name.n; i++) {
		struct role *r = d->roles_by_name.v[i];
		free(r->node.held.v);
		free(r->clients.nodes.v);
		free(r->name);
		free(r);
	}
	free(d->roles_by_name.v);
	free(d->roles.nodes.v);
}

static void drf_destroy(void *inst)
{
	struct drf *d = inst;
	if (!d)
		return;
	while (d->agents.n)
		agent_free(d, d->agents.v[d->agents.n - 1]);
	while (d->frameworks.n)
		framework_free(d, d->frameworks.v[d->frameworks.n - 1]);
	round_done(d);
	free_roles(d);
	drop_whitelist(d);
	for (size_t i = 0; i < d->spare.n; i++)
		d->res->destroy(d->spare.v[i]);
	for (size_t i = 0; i < d->names.n; i++)
		free(d->names.v[i]);
	struct ptrs *arrays[] = {&d->agents, &d->frameworks, &d->whitelist, &d->spare,
				 &d->names,  &d->touched,    &d->clients_by_slot};
	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
		free(arrays[i]->v);
	free(d->agents_by_key.v);
	free(d->frameworks_by_key.v);
	free(d->kinds);
	free(d->buckets);
	free(d->total.v);
	free(d);
}

static const struct mz_allocator_ops ops = {
	.size = sizeof(ops),
	.create = drf_create,
	.destroy = drf_destroy,
	.add_framework = drf_add_framework,
	.remove_framework = drf_remove_framework,
	.activate_framework = drf_activate_framework,
	.deactivate_framework = drf_deactivate_framework,
	.update_framework = drf_update_framework,
	.add_agent = drf_add_agent,
	.remove_agent = drf_remove_agent,
	.update_agent = drf_update_agent,
	.activate_agent = drf_activate_agent,
	.deactivate_agent = drf_deactivate_agent,
	.update_whitelist = drf_update_whitelist,
	.update_allocation = drf_update_allocation,
	.update_available = drf_update_available,
	.recover_resources = drf_recover_resources,
	.suppress_offers = drf_suppress_offers,
	.revive_offers = drf_revive_offers,
	.update_weight = drf_update_weight,
	.pause = drf_pause,
	.resume = drf_resume,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ALLOCATOR),
	.name = "drf",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Dominant resource fairness over roles and their frameworks",
	.ops = (const struct mz_ops *)&ops,
};
