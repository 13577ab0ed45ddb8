/* cluster.c - see cluster.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "master/master.h"
#include "module/module.h"
#include "sim/audit.h"
#include "sim/framework.h"
#include "sim/machine.h"
#include "sim/sim_files.h"
#include "sim/vandal.h"
#include "store/store_module.h"

#define MASTER "10.0.0.1:5050"
/* Nothing takes this long, even with every retry. */
#define TOO_LONG_NS (4 * 3600 * NS_PER_SEC)

/* One life of the master's process. */
struct master_life {
	struct cluster *cluster;
	struct sim_node *node;
	struct module_registry *registry;
	struct http_router router;
	struct module *store_module;
	struct store_backend *backend; /* of the module; NULL: the simulated disk */
	struct store *store;
	struct master *master;
	struct sim_server server;
};

/* One machine, and one life of its agent. */
struct agent_life {
	struct cluster *cluster;
	struct sim_machine m;
	unsigned number;
	struct sim_node *node; /* NULL: down */
	struct http_router router;
	struct store *store;
	struct containers *containers;
	struct link_dialer *dialer;
	struct files *files;
	struct agent *agent;
	struct sim_server server;
};

struct cluster {
	struct sim_cluster_config cfg;
	struct sim *sim;
	struct sim_net *net;
	struct checker *checker;
	struct sim_machine_config machine_cfg;
	struct sim_framework_config framework_cfg;
	struct sim_host master_host;
	struct sim_disk *master_disk;
	struct sim_node *devil; /* whose timers are the faults */
	struct master_life *master; /* NULL: down */
	struct agent_life *agents;
	struct sim_framework **frameworks; /* with tasks, and behind them those without */
	unsigned n_idle;		   /* of the latter */
	struct sim_vandal **vandals;
	struct gossip *gossip;
	struct sim_audit *audit; /* when all is over */
	struct sim_cluster_report report;
	bool quiet;	/* no more faults: let it come to its end */
	bool may_leave; /* frameworks: what they had has left no trace */
};

/* ---- the master -------------------------------------------------------------------- */

static void on_store_failure(void *arg, const struct mz_err *err)
{
	struct cluster *c = arg;
	sim_fail(c->sim, "A store failed: %s", err->msg);
}

static void on_link(void *arg, struct link *l)
{
	struct master_life *m = arg;
	master_link(m->master, l);
}

static void load(struct master_life *m, uint32_t kind, const char *name, struct module **ret)
{
	struct mz_err err;
	if (module_load_name(m->registry, kind, name, NULL, ret, &err) < 0)
		sim_fail(m->cluster->sim, "Module '%s': %s", name, err.msg);
}

static void add_module_paths(struct cluster *c, struct module_registry *r)
{
	mz_autofree char *paths = xstrdup(c->cfg.modules ? c->cfg.modules : "");
	char *rest = paths;
	for (char *dir; (dir = strsep(&rest, ":"));)
		if (*dir)
			module_registry_add_path(r, dir);
	module_registry_add_default_paths(r);
}

static void master_modules(struct master_life *m, struct master_config *cfg)
{
	struct cluster *c = m->cluster;
	struct module *allocator = NULL, *authorizer = NULL;
	m->registry = module_registry_new(&m->node->loop);
	module_registry_set_slow_call(m->registry, 0);
	add_module_paths(c, m->registry);
	struct store_backend *backend;
	if (c->cfg.faults) {
		backend = sim_disk_attach(c->master_disk, m->node);
	} else {
		load(m, MZ_KIND_STORE, "memory", &m->store_module);
		if (!m->store_module)
			return;
		backend = m->backend = store_backend_new(m->store_module);
	}
	m->store = store_new(&m->node->loop, backend, on_store_failure, c);
	load(m, MZ_KIND_AUTHORIZER, "permissive", &authorizer);
	struct master_deps deps = {
		.loop = &m->node->loop, .store = m->store, .router = &m->router, .authorizer = authorizer};
	m->master = master_new(cfg, &deps);
	module_registry_set_kind(m->registry, MZ_KIND_ALLOCATOR, master_allocator_host(m->master), m->master);
	load(m, MZ_KIND_ALLOCATOR, "drf", &allocator);
	if (allocator)
		master_set_allocator(m->master, allocator);
}

static void master_start(struct cluster *c)
{
	struct master_life *m = xnew(struct master_life);
	struct master_config cfg = {.hostname = "master", .ip = "10.0.0.1", .port = 5050, .version = "0"};
	/* Agents that were away for long may tell of any of them, and vandals are many. */
	cfg.max_completed_frameworks = 100000;
	if (c->cfg.naughty)
		cfg.offer_timeout_ns = 10 * NS_PER_SEC;
	struct mz_err err;
	m->cluster = c;
	m->node = sim_node_new(c->sim, &c->master_host, "master");
	sim_enter(c->sim, m->node);
	c->master = m;
	master_modules(m, &cfg);
	if (sim_failure(c->sim))
		return;
	if (master_elected(m->master, 0, &err) < 0)
		sim_fail(c->sim, "The master cannot lead: %s", err.msg);
	m->server = (struct sim_server){.node = m->node, .router = &m->router, .on_link = on_link, .arg = m};
	sim_net_listen(c->net, MASTER, &m->server);
}

/* All at once, as kill -9 does it. */
static void master_crash(struct cluster *c)
{
	struct master_life *m = c->master;
	sim_enter(c->sim, m->node);
	sim_net_unlisten(c->net, MASTER);
	sim_node_kill(m->node);
	sim_net_crash(c->net, m->node);
	checker_offers_ended(c->checker, NULL);
	if (m->master)
		master_free(m->master);
	store_free(m->store);
	if (m->backend)
		store_backend_free(m->backend);
	else
		sim_disk_detach(c->master_disk);
	module_registry_free(m->registry);
	http_router_done(&m->router);
	sim_net_forget(c->net, m->node);
	sim_node_free(m->node);
	free(m);
	c->master = NULL;
}

/* ---- agents ---------------------------------------------------------------------------- */

static void on_fatal(void *arg, const char *why)
{
	struct agent_life *a = arg;
	sim_fail(a->cluster->sim, "Agent '%s' has to end: %s", a->m.host.name, why);
}

static void agent_start(struct agent_life *a)
{
	struct cluster *c = a->cluster;
	struct mz_err err;
	char ip[32];
	snprintf(ip, sizeof(ip), "10.1.%u.%u", a->number / 200 % 256, a->number % 200);
	a->node = sim_node_new(c->sim, &a->m.host, a->m.host.name);
	sim_enter(c->sim, a->node);
	a->store = store_new(&a->node->loop, sim_disk_attach(a->m.disk, a->node), on_store_failure, c);
	a->containers = sim_containers_new(&a->m, a->node);
	a->dialer = sim_dialer_new(c->net, a->node);
	a->files = sim_files_new(a->node);
	struct agent_config cfg = {
		.ip = ip,
		.hostname = a->m.host.name,
		.port = 5051,
		.work_dir = "/w",
		.executor_path = "/mezzo-executor",
		.module_dir = "/modules",
		.command_module = "command",
		.pod_module = "pod",
		.launcher_dir = "/libexec",
		.boot_id = "boot",
		.version = MASTER_API_VERSION,
		.mezzo_version = "0",
		.build_date = "2026-01-01 00:00:00 UTC",
		.total = a->m.total,
		.executor_registration_timeout_ns = 60 * NS_PER_SEC,
		.executor_reregistration_timeout_ns = 2 * NS_PER_SEC,
		.executor_shutdown_grace_ns = 5 * NS_PER_SEC,
		.recovery_timeout_ns = c->machine_cfg.recovery_timeout_ns,
		.gc_delay_ns = 7 * 24 * 3600 * NS_PER_SEC,
		.http_heartbeat_interval_ns = 30 * NS_PER_SEC,
		.disk_watch_interval_ns = 60 * NS_PER_SEC,
		.gc_disk_headroom = 0.1,
		.registration_backoff_ns = NS_PER_SEC,
		.update_retry_min_ns = 10 * NS_PER_SEC,
		.update_retry_max_ns = 600 * NS_PER_SEC,
		.max_completed_executors = 150,
		.max_completed_frameworks = 50,
		.max_completed_tasks = 200,
	};
	struct agent_deps deps = {.loop = &a->node->loop,
				  .store = a->store,
				  .containers = a->containers,
				  .dialer = a->dialer,
				  .router = &a->router,
				  .files = a->files,
				  .on_fatal = on_fatal,
				  .arg = a};
	if (agent_new(&cfg, &deps, &a->agent, &err) < 0 || agent_recover(a->agent, &err) < 0) {
		sim_fail(c->sim, "Agent '%s' does not start: %s", a->m.host.name, err.msg);
		return;
	}
	a->server = (struct sim_server){.node = a->node, .router = &a->router};
	sim_net_listen(c->net, a->m.address, &a->server);
	agent_set_master(a->agent, MASTER);
}

static void agent_crash(struct agent_life *a)
{
	struct cluster *c = a->cluster;
	sim_enter(c->sim, a->node);
	sim_net_unlisten(c->net, a->m.address);
	sim_node_kill(a->node);
	sim_net_crash(c->net, a->node);
	agent_free(a->agent);
	store_free(a->store);
	sim_disk_detach(a->m.disk);
	sim_containers_free(a->containers);
	sim_dialer_free(a->dialer);
	files_free(a->files);
	http_router_done(&a->router);
	sim_net_forget(c->net, a->node);
	sim_node_free(a->node);
	a->router = (struct http_router){0};
	a->node = NULL;
	a->agent = NULL;
}

static void on_agent_start(void *arg)
{
	struct agent_life *a = arg;
	if (!a->node)
		agent_start(a);
}

static void machine_init(struct cluster *c, unsigned number)
{
	struct agent_life *a = &c->agents[number];
	struct sim_machine *m = &a->m;
	char text[300];
	a->cluster = c;
	a->number = number;
	m->sim = c->sim;
	m->net = c->net;
	m->checker = c->checker;
	m->cfg = &c->machine_cfg;
	snprintf(m->host.name, sizeof(m->host.name), "agent%u", number);
	snprintf(m->address, sizeof(m->address), "10.1.%u.%u:5051", number / 200, number % 200);
	m->kernel = sim_node_new(c->sim, &m->host, m->host.name);
	m->disk = sim_disk_new(c->sim, c->cfg.faults ? 5 * NS_PER_MS : NS_PER_MS, c->cfg.faults ? 2 : 0);
	m->total = res_new();
	int n = snprintf(text, sizeof(text), "cpus:%d;mem:%d;disk:10000;ports:[31000-32000]",
			 (int)sim_between(c->sim, 4, 16), (int)sim_between(c->sim, 4000, 16000));
	if (sim_chance(c->sim, 200))
		(void)snprintf(text + n, sizeof(text) - (size_t)n, ";cpus(role%u):2;mem(role%u):1000", number % 5, number % 5);
	must(res_parse(text, NULL, m->total, NULL) == 0);
	checker_add_machine(c->checker, m);
	(void)loop_timer(&m->kernel->loop, sim_exp(c->sim, NS_PER_SEC), on_agent_start, a);
}

/* ---- faults ------------------------------------------------------------------------------ */

static void on_master_start(void *arg)
{
	struct cluster *c = arg;
	if (!c->master)
		master_start(c);
}

static void crash_master(struct cluster *c)
{
	if (!c->master)
		return;
	sim_trace(c->sim, "*** the master crashes");
	c->report.n_master_crashes++;
	master_crash(c);
	(void)loop_timer(&c->devil->loop, sim_exp(c->sim, 5 * NS_PER_SEC), on_master_start, c);
}

static void crash_agent(struct agent_life *a)
{
	struct cluster *c = a->cluster;
	if (!a->node)
		return;
	sim_trace(c->sim, "*** %s crashes", a->m.host.name);
	c->report.n_agent_crashes++;
	agent_crash(a);
	(void)loop_timer(&a->m.kernel->loop, sim_exp(c->sim, 5 * NS_PER_SEC), on_agent_start, a);
}

static struct sim_host *any_host(struct cluster *c)
{
	uint64_t k = sim_below(c->sim, 20);
	if (k == 0)
		return &c->master_host;
	if (k < 5)
		return sim_framework_host(c->frameworks[sim_below(c->sim, c->cfg.n_frameworks)]);
	return &c->agents[sim_below(c->sim, c->cfg.n_agents)].m.host;
}

static void on_fault(void *arg)
{
	struct cluster *c = arg;
	if (c->quiet)
		return;
	(void)loop_timer(&c->devil->loop, sim_exp(c->sim, 2 * NS_PER_SEC), on_fault, c);
	uint64_t k = sim_below(c->sim, 100);
	struct sim_host *h = any_host(c);
	if (k < 3) {
		crash_master(c);
	} else if (k < 40) {
		crash_agent(&c->agents[sim_below(c->sim, c->cfg.n_agents)]);
	} else if (k < 70) {
		/* Mostly short; sometimes longer than the master waits for an agent. */
		int64_t t = sim_chance(c->sim, 100) ? sim_exp(c->sim, 120 * NS_PER_SEC) : sim_exp(c->sim, 3 * NS_PER_SEC);
		h->cut_until = MZ_MAX(h->cut_until, sim_now(c->sim) + t);
		sim_trace(c->sim, "*** %s is cut off for %.3f s", h->name, (double)t / 1e9);
		c->report.n_cuts++;
	} else {
		sim_trace(c->sim, "*** connections of %s are reset", h->name);
		c->report.n_resets++;
		sim_net_reset(c->net, h, 500);
	}
}

/* ---- a run --------------------------------------------------------------------------------- */

static void configure(struct cluster *c)
{
	struct sim *s = c->sim;
	bool faults = c->cfg.faults;
	c->machine_cfg = (struct sim_machine_config){
		.task_mean_ns = sim_between(s, 1, 8) * NS_PER_SEC,
		.recovery_timeout_ns = 15 * 60 * NS_PER_SEC,
		.launch_fails_permille = faults ? 10 : 2,
		.executor_dies_permille = faults ? 20 : 2,
		.task_fails_permille = 50,
	};
	c->framework_cfg = (struct sim_framework_config){
		.decline_permille = (unsigned)sim_below(s, 500),
		.kill_permille = (unsigned)sim_below(s, 300),
		.failover_permille = faults ? 20 : 5,
		.suppress_permille = 50,
		.ack_mean_ns = sim_between(s, 1, 50) * NS_PER_MS,
		.reconcile_ns = 30 * NS_PER_SEC,
		.pod_size = c->cfg.pod_size,
		.pod_permille = c->cfg.pod_permille,
		.gossip = c->gossip,
		.may_leave = &c->may_leave,
	};
	if (!c->cfg.naughty)
		return;
	c->framework_cfg.hoard_permille = (unsigned)sim_below(s, 100);
	c->framework_cfg.stale_permille = (unsigned)sim_below(s, 100);
	/* A master that does not know of every task cannot refuse a second one like it:
	 * whoever uses ids twice must not do it while agents are away. */
	c->framework_cfg.again_permille = faults ? 0 : (unsigned)sim_below(s, 200);
}

/* Whoever is there besides those that have something to do. */
static void idlers_init(struct cluster *c)
{
	struct sim_framework_config cfg = c->framework_cfg;
	cfg.n_tasks = 0;
	cfg.forever = true;
	for (unsigned i = 0; i < c->n_idle; i++) {
		cfg.hoard_permille = i ? 1000 : 0;
		c->frameworks[c->cfg.n_frameworks + i] =
			sim_framework_new(c->sim, c->net, c->checker, c->cfg.n_frameworks + i, MASTER,
					  &c->report.n_master_crashes, &cfg);
	}
	c->vandals = xcalloc(c->cfg.n_vandals + 1, sizeof(struct sim_vandal *));
	for (unsigned i = 0; i < c->cfg.n_vandals; i++)
		c->vandals[i] = sim_vandal_new(c->sim, c->net, c->checker, c->gossip,
					       c->cfg.n_frameworks + c->n_idle + i, MASTER);
}

static void idlers_leave(struct cluster *c)
{
	for (unsigned i = 0; i < c->n_idle; i++)
		sim_framework_leave(c->frameworks[c->cfg.n_frameworks + i]);
}

static void cluster_init(struct cluster *c)
{
	struct sim *s = c->sim;
	struct sim_net_config net = {.delay_min_ns = 50 * NS_PER_US,
				     .delay_mean_ns = sim_between(s, 100, 5000) * NS_PER_US,
				     .local_mean_ns = 50 * NS_PER_US,
				     .slow_permille = c->cfg.faults ? 5 : 1};
	c->gossip = c->cfg.naughty ? gossip_new(s) : NULL;
	c->n_idle = c->cfg.naughty ? 2 : 0;
	configure(c);
	c->net = sim_net_new(s, &net);
	c->checker = checker_new(s);
	if (c->cfg.faults)
		checker_ignore_filters(c->checker);
	c->devil = sim_node_new(s, NULL, "devil");
	snprintf(c->master_host.name, sizeof(c->master_host.name), "master");
	c->master_disk = sim_disk_new(s, 5 * NS_PER_MS, 2);
	master_start(c);
	c->agents = xcalloc(c->cfg.n_agents, sizeof(*c->agents));
	for (unsigned i = 0; i < c->cfg.n_agents; i++)
		machine_init(c, i);
	c->frameworks = xcalloc(c->cfg.n_frameworks + c->n_idle, sizeof(struct sim_framework *));
	for (unsigned i = 0; i < c->cfg.n_frameworks; i++) {
		c->framework_cfg.n_tasks = c->cfg.n_tasks * (i + 1) / c->cfg.n_frameworks -
					   c->cfg.n_tasks * i / c->cfg.n_frameworks;
		c->framework_cfg.own_id = c->cfg.naughty && i % 3 == 1;
		c->framework_cfg.unchecked = c->cfg.faults && i % 5 == 3;
		c->frameworks[i] = sim_framework_new(s, c->net, c->checker, i, MASTER, &c->report.n_master_crashes,
						     &c->framework_cfg);
	}
	c->framework_cfg.own_id = c->framework_cfg.unchecked = false;
	idlers_init(c);
	if (c->cfg.faults)
		(void)loop_timer(&c->devil->loop, 5 * NS_PER_SEC, on_fault, c);
}

static void check_master(struct cluster *c)
{
	struct mz_err err;
	if (c->master && c->master->master && master_check(c->master->master, &err) < 0)
		sim_fail(c->sim, "The master's sums are wrong: %s", err.msg);
}

static bool frameworks_ended(struct cluster *c)
{
	for (unsigned i = 0; i < c->cfg.n_frameworks; i++)
		if (!sim_framework_has_ended(c->frameworks[i]))
			return false;
	for (unsigned i = 0; i < c->cfg.n_vandals; i++)
		sim_vandal_leave(c->vandals[i]);
	return true;
}

/* Everything has ended and nobody has left: do the master's books say so, too? What is
 * wrong in them would go with the frameworks. */
static bool settled(struct cluster *c, struct buf *ret_what)
{
	struct master_counts n = {0};
	size_t n_executors = 0, n_commands = 0;
	buf_clear(ret_what);
	for (unsigned i = 0; i < c->cfg.n_agents; i++) {
		map_each(&c->agents[i].m.containers, e) {
			const struct sim_container *k = e->value;
			n_commands += k->command;
			n_executors += !k->command;
		}
	}
	if (c->master)
		master_counts(c->master->master, &n);
	if (c->master && n.agents_connected == c->cfg.n_agents && n.frameworks == c->cfg.n_frameworks + c->n_idle &&
	    !n.tasks && n.executors == n_executors && !n_commands)
		return true;
	buf_addf(ret_what,
		 "all tasks have ended, but the master has %zu tasks, %zu executors, %zu frameworks and %zu agents of "
		 "%u; there are %zu executors of commands and %zu others; ",
		 n.tasks, n.executors, n.frameworks, n.agents_connected, c->cfg.n_agents, n_commands, n_executors);
	return false;
}

static bool frameworks_done(struct cluster *c)
{
	for (unsigned i = 0; i < c->cfg.n_frameworks; i++)
		if (!sim_framework_is_done(c->frameworks[i]))
			return false;
	idlers_leave(c);
	for (unsigned i = 0; i < c->n_idle; i++)
		if (!sim_framework_is_done(c->frameworks[c->cfg.n_frameworks + i]))
			return false;
	return true;
}

/* Is nothing left? *ret_what says what is. */
static bool drained(struct cluster *c, struct buf *ret_what)
{
	static const char *const kinds[] = {"task/", "update/", "executor/", "framework/"};
	buf_clear(ret_what);
	for (unsigned i = 0; i < c->cfg.n_agents; i++) {
		struct agent_life *a = &c->agents[i];
		if (!a->node)
			buf_addf(ret_what, "%s is down; ", a->m.host.name);
		if (sim_machine_running(&a->m))
			buf_addf(ret_what, "%zu containers on %s; ", sim_machine_running(&a->m), a->m.host.name);
		for (size_t k = 0; k < MZ_N(kinds); k++) {
			const char *key;
			size_t n = sim_disk_count(a->m.disk, kinds[k], &key);
			if (n)
				buf_addf(ret_what, "%zu records like '%s' on %s; ", n, key, a->m.host.name);
		}
	}
	if (!c->master) {
		buf_adds(ret_what, "the master is down; ");
		return false;
	}
	struct master_counts n;
	master_counts(c->master->master, &n);
	if (n.tasks || n.executors || n.offers || n.frameworks || checker_n_offers(c->checker))
		buf_addf(ret_what, "the master has %zu tasks, %zu executors, %zu offers, %zu frameworks; ", n.tasks,
			 n.executors, n.offers, n.frameworks);
	if (n.agents_connected != c->cfg.n_agents)
		buf_addf(ret_what, "%zu of %u agents are connected; ", n.agents_connected, c->cfg.n_agents);
	return ret_what->len == 0;
}

/* All that there is can be offered again. */
static bool audited(struct cluster *c, struct buf *ret_what)
{
	static const char *const roles[] = {"role0", "role1", "role2", "role3", "role4"};
	buf_clear(ret_what);
	if (!c->audit)
		c->audit = sim_audit_new(c->sim, c->net, c->checker, MASTER, roles, MZ_N(roles));
	else
		c->report.all_offered = checker_all_offered(c->checker, ret_what);
	return c->report.all_offered;
}

/* From one to the next within a time that is enough for every retry. */
enum stage { STAGE_WORK, STAGE_SETTLE, STAGE_LEAVE, STAGE_DRAIN, STAGE_AUDIT, STAGE_OVER };

static enum stage next_stage(struct cluster *c, enum stage s, struct buf *ret_left)
{
	switch (s) {
	case STAGE_WORK:
		c->quiet = c->quiet || frameworks_ended(c);
		return frameworks_ended(c) ? STAGE_SETTLE : s;
	case STAGE_SETTLE:
		c->may_leave = settled(c, ret_left);
		return c->may_leave ? STAGE_LEAVE : s;
	case STAGE_LEAVE:
		return frameworks_done(c) ? STAGE_DRAIN : s;
	case STAGE_DRAIN:
		return drained(c, ret_left) ? STAGE_AUDIT : s;
	default:
		return audited(c, ret_left) ? STAGE_OVER : s;
	}
}

static void run(struct cluster *c)
{
	struct buf mz_autobuf left = {0};
	int64_t next_check = 0, fair_after = 600 * NS_PER_SEC, limit = TOO_LONG_NS;
	enum stage stage = STAGE_WORK;
	while (stage != STAGE_OVER && sim_step(c->sim)) {
		int64_t now = sim_now(c->sim);
		if (now < next_check)
			continue;
		next_check = now + NS_PER_SEC;
		check_master(c);
		if (now > fair_after)
			c->quiet = true;
		enum stage next = next_stage(c, stage, &left);
		if (next != stage)
			limit = now + (next == STAGE_AUDIT ? 120 : 1800) * NS_PER_SEC;
		stage = next;
		if (now > limit) {
			for (unsigned i = 0; i < c->cfg.n_frameworks + c->n_idle; i++)
				if (!sim_framework_is_done(c->frameworks[i]))
					sim_framework_describe(c->frameworks[i], &left);
			sim_fail(c->sim, "It does not come to its end: %s", buf_str(&left));
		}
	}
	if (!sim_failure(c->sim)) {
		check_master(c);
		checker_finish(c->checker);
	}
	for (unsigned i = 0; i < c->cfg.n_vandals; i++) {
		c->report.n_vandal_calls += sim_vandal_calls(c->vandals[i]);
		if (!sim_failure(c->sim) && sim_vandal_waiting(c->vandals[i]))
			sim_fail(c->sim, "%zu calls of a vandal were never answered", sim_vandal_waiting(c->vandals[i]));
	}
}

static void cluster_done(struct cluster *c)
{
	if (c->master)
		master_crash(c);
	sim_audit_free(c->audit);
	for (unsigned i = 0; i < c->cfg.n_frameworks + c->n_idle; i++)
		sim_framework_free(c->frameworks[i]);
	free(c->frameworks);
	for (unsigned i = 0; i < c->cfg.n_vandals; i++)
		sim_vandal_free(c->vandals[i]);
	free(c->vandals);
	gossip_free(c->gossip);
	for (unsigned i = 0; i < c->cfg.n_agents; i++) {
		if (c->agents[i].node)
			agent_crash(&c->agents[i]);
		sim_machine_done(&c->agents[i].m);
	}
	free(c->agents);
	sim_net_free(c->net);
	sim_disk_free(c->master_disk);
	checker_free(c->checker);
	sim_node_free(c->devil);
}

int sim_cluster_run(const struct sim_cluster_config *cfg, uint64_t seed, struct sim_cluster_report *ret,
		    struct buf *why)
{
	struct cluster c = {.cfg = *cfg, .sim = sim_new(seed)};
	sim_take_log(c.sim);
	sim_set_verbose(c.sim, cfg->verbose);
	cluster_init(&c);
	run(&c);
	c.report.hash = sim_hash_value(c.sim);
	c.report.n_events = sim_n_events(c.sim);
	c.report.n_updates = checker_n_updates(c.checker);
	c.report.n = checker_count(c.checker);
	c.report.virtual_secs = (double)sim_now(c.sim) / 1e9;
	int rc = 0;
	if (sim_failure(c.sim)) {
		rc = -EPROTO;
		sim_history(c.sim, why);
		buf_addf(why, "seed %llu failed %s\n", (unsigned long long)seed, sim_failure(c.sim));
	}
	*ret = c.report;
	cluster_done(&c);
	sim_free(c.sim);
	return rc;
}
