/* master.c - making, starting and ending a master; its tables and links.
 * What it does with messages is in the files of those messages.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/internal.h"

static const char *copy(struct master *m, const char *s, const char *def)
{
	return s ? arena_strdup(&m->cfg_arena, s) : def;
}

static void copy_lists(struct master *m, const struct master_config *c)
{
	struct master_flag *flags = arena_calloc(&m->cfg_arena, sizeof(*flags) * (c->n_flags + 1));
	for (size_t i = 0; i < c->n_flags; i++) {
		flags[i].name = copy(m, c->flags[i].name, "");
		flags[i].value = copy(m, c->flags[i].value, "");
	}
	m->cfg.flags = flags;
	struct master_rate_limit *limits = arena_calloc(&m->cfg_arena, sizeof(*limits) * (c->n_rate_limits + 1));
	for (size_t i = 0; i < c->n_rate_limits; i++) {
		limits[i] = c->rate_limits[i];
		limits[i].principal = copy(m, c->rate_limits[i].principal, "");
	}
	m->cfg.rate_limits = limits;
	m->rates = arena_calloc(&m->cfg_arena, sizeof(*m->rates) * (c->n_rate_limits + 1));
	if (!c->roles)
		return;
	size_t n = 0;
	while (c->roles[n])
		n++;
	const char **roles = arena_calloc(&m->cfg_arena, sizeof(*roles) * (n + 1));
	for (size_t i = 0; i < n; i++)
		roles[i] = copy(m, c->roles[i], "");
	m->cfg.roles = roles;
}

#define DEFAULT(member, value)                   \
	do {                                     \
		if (!m->cfg.member)              \
			m->cfg.member = (value); \
	} while (0)

/* 0 is not a bound but the default. */
static size_t bound(size_t given, size_t otherwise)
{
	return given == MASTER_NONE ? 0 : given ? given : otherwise;
}

static void set_config(struct master *m, const struct master_config *c)
{
	m->cfg = *c;
	m->cfg.ip = copy(m, c->ip, "127.0.0.1");
	m->cfg.hostname = copy(m, c->hostname, m->cfg.ip);
	m->cfg.cluster = copy(m, c->cluster, NULL);
	m->cfg.version = copy(m, c->version, "0");
	m->cfg.build_date = copy(m, c->build_date, "");
	m->cfg.build_user = copy(m, c->build_user, "");
	m->cfg.region = copy(m, c->region, NULL);
	m->cfg.zone = copy(m, c->zone, NULL);
	copy_lists(m, c);
	DEFAULT(port, 5050);
	DEFAULT(heartbeat_ns, 15 * NS_PER_SEC);
	DEFAULT(agent_ping_timeout_ns, 15 * NS_PER_SEC);
	DEFAULT(max_agent_ping_timeouts, 5);
	DEFAULT(agent_reregister_timeout_ns, 600 * NS_PER_SEC);
	DEFAULT(allocation_interval_ns, NS_PER_SEC);
	DEFAULT(registry_gc_interval_ns, 900 * NS_PER_SEC);
	DEFAULT(registry_max_agent_age_ns, 14 * 86400 * NS_PER_SEC);
	DEFAULT(registry_max_agents, 102400);
	m->cfg.max_completed_frameworks = bound(c->max_completed_frameworks, 50);
	m->cfg.max_completed_tasks = bound(c->max_completed_tasks, 1000);
	m->cfg.max_unreachable_tasks = bound(c->max_unreachable_tasks, 1000);
	DEFAULT(max_history_bytes, 64 << 20);
	DEFAULT(max_frameworks, 100000);
	DEFAULT(max_agents, 100000);
	DEFAULT(max_unregistered_links, 100000);
	DEFAULT(framework_calls_burst, 100);
	DEFAULT(max_constraint_pattern, 1024);
	DEFAULT(constraint_match_limit, 10000);
	m->regex_limits = (struct regex_limits){m->cfg.max_constraint_pattern, m->cfg.constraint_match_limit};
}

static void make_capabilities(struct master *m)
{
	static const int types[] = {1, 2, 3}; /* AGENT_UPDATE, AGENT_DRAINING, QUOTA_V2 */
	struct arena *a = &m->info_arena;
	m->info->n_capabilities = MZ_N(types);
	m->info->capabilities = (Mesos__V1__MasterInfo__Capability **)pb_array(a, MZ_N(types));
	for (size_t i = 0; i < MZ_N(types); i++) {
		Mesos__V1__MasterInfo__Capability *c =
			PB_NEW(a, Mesos__V1__MasterInfo__Capability, mesos__v1__master_info__capability);
		c->has_type = 1;
		c->type = (Mesos__V1__MasterInfo__Capability__Type)types[i];
		m->info->capabilities[i] = c;
	}
}

/* 0 if it is not IPv4: the field is required. */
static uint32_t ip_in_network_order(const char *ip)
{
	unsigned char b[4];
	uint32_t v;
	if (sscanf(ip, "%hhu.%hhu.%hhu.%hhu", &b[0], &b[1], &b[2], &b[3]) != 4)
		return 0;
	memcpy(&v, b, sizeof(v));
	return v;
}

static void make_info(struct master *m)
{
	struct arena *a = &m->info_arena;
	Mesos__V1__MasterInfo *i = PB_NEW(a, Mesos__V1__MasterInfo, mesos__v1__master_info);
	m->info = i;
	i->id = m->id;
	i->ip = ip_in_network_order(m->cfg.ip);
	i->port = (uint32_t)m->cfg.port;
	mz_autobuf struct buf b = {0};
	mz_autofree char *at = str_address(m->cfg.ip, m->cfg.port);
	buf_addf(&b, "master@%s", at);
	i->pid = arena_strdup(a, buf_str(&b));
	i->hostname = (char *)m->cfg.hostname;
	i->version = (char *)MASTER_API_VERSION;
	i->address = PB_NEW(a, Mesos__V1__Address, mesos__v1__address);
	i->address->hostname = (char *)m->cfg.hostname;
	i->address->ip = (char *)m->cfg.ip;
	i->address->port = m->cfg.port;
	if (m->cfg.region && m->cfg.zone) {
		i->domain = PB_NEW(a, Mesos__V1__DomainInfo, mesos__v1__domain_info);
		i->domain->fault_domain = PB_NEW(a, Mesos__V1__DomainInfo__FaultDomain,
						 mesos__v1__domain_info__fault_domain);
		i->domain->fault_domain->region =
			PB_NEW(a, Mesos__V1__DomainInfo__FaultDomain__RegionInfo,
			       mesos__v1__domain_info__fault_domain__region_info);
		i->domain->fault_domain->region->name = (char *)m->cfg.region;
		i->domain->fault_domain->zone = PB_NEW(a, Mesos__V1__DomainInfo__FaultDomain__ZoneInfo,
						       mesos__v1__domain_info__fault_domain__zone_info);
		i->domain->fault_domain->zone->name = (char *)m->cfg.zone;
	}
	make_capabilities(m);
}

struct master *master_new(const struct master_config *c, const struct master_deps *d)
{
	struct master *m = xnew(struct master);
	m->deps = *d;
	m->loop = d->loop;
	m->store = d->store;
	m->router = d->router;
	set_config(m, c);
	if (c->id) {
		snprintf(m->id, sizeof(m->id), "%s", c->id);
	} else {
		struct uuid u;
		loop_uuid(m->loop, &u);
		uuid_format(&u, m->id);
	}
	make_info(m);
	m->start_time = loop_wall_secs(m->loop);
	list_init(&m->completed);
	list_init(&m->links);
	list_init(&m->checks);
	list_init(&m->flush);
	list_init(&m->refused);
	list_init(&m->accepts);
	list_init(&m->subscribes);
	list_init(&m->updates);
	list_init(&m->teardowns);
	if (d->authorizer)
		module_as_authorizer(d->authorizer, &m->authz);
	alloc_host_init(m);
	api_routes(m);
	return m;
}

void master_set_allocator(struct master *m, struct module *allocator)
{
	module_as_allocator(allocator, &m->alloc);
}

const struct mz_allocator_host *master_allocator_host(struct master *m)
{
	return &m->alloc_host.ops;
}

/* ---- leading ------------------------------------------------------------------- */

static int load_agent(void *arg, const char *key, const void *data, size_t size)
{
	struct master *m = arg;
	struct arena arena = {0};
	struct mz_err err;
	Mezzo__Records__AgentRecord *r = (Mezzo__Records__AgentRecord *)pb_decode(
		&mezzo__records__agent_record__descriptor, &arena, data, size, &err);
	if (!r || !r->info->id) {
		log_error(AREA, "The record '%s' cannot be read, ignoring: %s", key, r ? "no agent id" : err.msg);
	} else if (r->has_gone_time || r->has_unreachable_time) {
		struct lost_agent *l = lost_new(r->has_gone_time ? r->gone_time : r->unreachable_time, false);
		l->deactivated = r->deactivated;
		if (!r->has_gone_time)
			address_load_lost(m, l, r->info->id->value, r->pid);
		map_put(r->has_gone_time ? &m->gone : &m->unreachable, r->info->id->value, l);
	} else {
		struct agent *a = agent_add(m, r->info->id->value, r->info);
		a->state = MASTER_AGENT_RECOVERED;
		a->registered_time = r->registered_time;
		a->deactivated = r->deactivated;
		address_load(a, r->pid);
		map_put(&m->recovered, a->id, a);
	}
	arena_done(&arena);
	return 0;
}

static int load_framework(void *arg, const char *key, const void *data, size_t size)
{
	struct master *m = arg;
	struct arena arena = {0};
	struct mz_err err;
	Mezzo__Records__FrameworkRecord *r = (Mezzo__Records__FrameworkRecord *)pb_decode(
		&mezzo__records__framework_record__descriptor, &arena, data, size, &err);
	if (!r || !r->info->id) {
		log_error(AREA, "The record '%s' cannot be read, ignoring: %s", key,
			  r ? "no framework id" : err.msg);
	} else {
		struct framework *f = framework_new(m, r->info);
		f->registered_time = f->reregistered_time = r->registered_time;
		if (r->has_completed_time) {
			f->unregistered_time = r->completed_time;
			framework_to_history(f);
		}
	}
	arena_done(&arena);
	return 0;
}

static int count_start(void *arg, const char *key, const void *data, size_t size)
{
	(void)key;
	struct arena arena = {0};
	Mezzo__Records__MasterRecord *r = (Mezzo__Records__MasterRecord *)pb_decode(
		&mezzo__records__master_record__descriptor, &arena, data, size, NULL);
	if (r)
		*(uint64_t *)arg = r->n_starts;
	arena_done(&arena);
	return 0;
}

static void save_start(struct master *m, uint64_t n_starts)
{
	struct arena arena = {0};
	Mezzo__Records__MasterRecord r = MEZZO__RECORDS__MASTER_RECORD__INIT;
	r.master_id = m->id;
	r.has_n_starts = 1;
	r.n_starts = n_starts;
	struct mz_bytes b = pb_encode_arena(&r.base, &arena);
	store_put(m->store, "master", b.data, b.size, NULL, NULL);
	arena_done(&arena);
}

int master_elected(struct master *m, uint64_t epoch, struct mz_err *err)
{
	uint64_t n_starts = 0;
	must(m->alloc.m && !m->leading);
	store_set_epoch(m->store, epoch);
	int r = store_each(m->store, "master", count_start, &n_starts, err);
	if (r == 0)
		r = store_each(m->store, "agent/", load_agent, m, err);
	if (r == 0)
		r = store_each(m->store, "framework/", load_framework, m, err);
	if (r < 0)
		return mz_wrap(err, "Cannot read what the master knew");
	alloc_recover(m, m->recovered.n);
	map_each(&m->frameworks, e) {
		alloc_add_framework(e->value, false);
		framework_start_failover(e->value, agent_reregister_ns(m));
	}
	framework_trim_history(m);
	save_start(m, n_starts + 1);
	m->leading = true;
	m->elected_time = loop_wall_secs(m->loop);
	xset(&m->leader, NULL);
	if (m->recovered.n)
		m->recovery = loop_timer(m->loop, agent_reregister_ns(m), agents_recovery_timeout, m);
	agents_start_gc(m);
	log_info(AREA, "Leading as %s: %zu agents and %zu frameworks are expected back, %zu agents unreachable",
		 m->id, m->recovered.n, m->frameworks.n, m->unreachable.n);
	return 0;
}

void master_set_leader(struct master *m, const char *address)
{
	xset(&m->leader, address);
}

bool master_is_leading(const struct master *m)
{
	return m->leading;
}

const char *master_id(const struct master *m)
{
	return m->id;
}

const Mesos__V1__MasterInfo *master_info(const struct master *m)
{
	return m->info;
}

/* ---- the end ------------------------------------------------------------------------ */

static void free_map(struct map *map, void (*fn)(void *))
{
	map_each(map, e)
		fn(e->value);
	map_done(map);
}

void master_free(struct master *m)
{
	if (!m)
		return;
	m->ending = true;
	api_unroute(m);
	loop_timer_cancel(m->loop, m->gc);
	loop_timer_cancel(m->loop, m->recovery);
	authz_drop(m);
	list_each(&m->links, struct agent_link, in_master, al) {
		store_forget(m->store, al);
		agent_link_drop(al, NULL);
	}
	accepts_drop(m);
	subscribes_drop(m);
	updates_drop(m);
	teardowns_drop(m);
	offers_drop(m);
	map_each(&m->frameworks, e)
		session_close(e->value, NULL);
	map_each(&m->frameworks, e)
		framework_free(e->value);
	map_done(&m->frameworks);
	list_each(&m->completed, struct framework, in_history, f)
		framework_free(f);
	map_done(&m->completed_index);
	map_each(&m->agents, e)
		agent_forget(e->value);
	map_done(&m->agents);
	map_each(&m->recovered, e)
		agent_forget(e->value);
	map_done(&m->recovered);
	free_map(&m->unreachable, lost_free);
	free_map(&m->gone, lost_free);
	marks_drop(m);
	addresses_drop(m);
	map_done(&m->offers);
	map_done(&m->names);
	store_forget(m->store, m);
	metrics_done(&m->metrics);
	vec_done(&m->by_key);
	free(m->leader);
	arena_done(&m->info_arena);
	arena_done(&m->cfg_arena);
	free(m);
}

void master_counts(const struct master *m, struct master_counts *ret)
{
	*ret = (struct master_counts){
		.frameworks = m->frameworks.n,
		.agents = m->agents.n,
		.agents_recovered = m->recovered.n,
		.agents_unreachable = m->unreachable.n,
		.offers = m->offers.n,
		.executors = m->n_executors,
		.names = m->names.n,
		.key_slots = m->by_key.n,
		.tasks_running = m->n_tasks_in[TS(RUNNING)],
	};
	map_each(&m->frameworks, e) {
		const struct framework *f = e->value;
		ret->frameworks_connected += f->state == MASTER_FRAMEWORK_CONNECTED;
		ret->tasks += f->tasks.n;
	}
	map_each(&m->agents, e)
		ret->agents_connected += agent_connected(e->value);
}
