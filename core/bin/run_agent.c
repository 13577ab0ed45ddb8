/* run_agent.c - `mezzod agent`: puts the agent on its loop, store, modules,
 * containers, files and HTTP server.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "bin/daemon.h"
#include "config.h"
#include "model/model.h"
#include "module/containers_real.h"
#include "os/files.h"
#include "os/host.h"
#include "os/tree.h"
#include "wire/io_chan.h"
#include "wire/link_event.h"
#include "wire/sock.h"

#define AREA "mezzod"

struct agent_daemon {
	struct daemon *d;
	struct agent *agent;
	struct containers *containers;
	struct files *files;
	struct link_dialer *dialer;
	VEC(struct module *) isolators, containerizers;
	struct module *authorizer;
	const char *const *environment; /* in the arena */
	const char *runtime_dir;	/* in the arena */
	const char *command_module, *pod_module; /* in the arena or the configuration */
	const char *domain_socket;	/* in the arena; NULL: executors come over TCP */
	struct http_router executor_router;
	struct http_server *executor_server;
	struct arena arena;
	Mesos__V1__Attribute **attributes; /* in the arena */
	size_t n_attributes;
	resources *total;
};

static struct agent_daemon *self; /* one per process; the hooks of struct daemon carry no argument of ours */

static void on_leader(struct daemon *d, const struct mz_master_info *leader)
{
	(void)d;
	if (!self->agent)
		return;
	mz_autofree char *address = NULL;
	if (leader)
		address = str_address(leader->ip && *leader->ip ? leader->ip : leader->hostname, leader->port);
	agent_set_master(self->agent, address);
}

static void on_fatal(void *arg, const char *why)
{
	daemon_stop(((struct agent_daemon *)arg)->d, EXIT_FAILURE, why);
}

static void extra_metrics(void *arg, void (*add)(void *to, const char *name, double value), void *to)
{
	daemon_metrics(((struct agent_daemon *)arg)->d, add, to);
}

static void add_isolator(void *arg, struct module *m)
{
	struct agent_daemon *a = arg;
	vec_push(&a->isolators, m);
}

static void add_containerizer(void *arg, struct module *m)
{
	struct agent_daemon *a = arg;
	vec_push(&a->containerizers, m);
}

static bool switches_user(const struct daemon *d)
{
	return daemon_int(d, "switch_user") && geteuid() == 0;
}

/* What mezzo-executor is told to load: a name where it looks anyway, else the file. */
static int find_executor(struct agent_daemon *a, const char *key, const char **ret, struct mz_err *err)
{
	const char *name = daemon_str(a->d, key);
	mz_autofree char *modules = daemon_module_dir();
	mz_autofree char *file = NULL;
	int rc = module_find(a->d->registry, MZ_KIND_EXECUTOR, name ? name : "", &file, err);
	if (rc < 0)
		return mz_wrap(err, "Setting '%s'", key);
	bool found_anyway = str_starts(file, modules) && file[strlen(modules)] == '/' && !strchr(name, '/');
	*ret = found_anyway ? name : arena_strdup(&a->arena, file);
	return 0;
}

static const char *where(const struct daemon *d, const char *key)
{
	static char text[256];
	const struct conf_node *n = conf_at(d->conf, key);
	return n ? conf_where(n, text) : key;
}

/* Where executors find the agent, if not over TCP. */
static int find_domain_socket(struct agent_daemon *a, struct mz_err *err)
{
	struct daemon *d = a->d;
	if (!daemon_int(d, "executor_domain_sockets"))
		return 0;
	a->domain_socket = daemon_str(d, "domain_socket_location");
	if (!a->domain_socket) {
		mz_autofree char *dir = realpath(a->runtime_dir, NULL); /* it was made */
		mz_autofree char *by_default = xasprintf("%s/socket/agent.sock", dir ? dir : a->runtime_dir);
		a->domain_socket = arena_strdup(&a->arena, by_default);
	}
	if (strlen(a->domain_socket) > SOCK_PATH_MAX)
		return mz_fail(err, -ENAMETOOLONG,
			       "%s: Setting 'domain_socket_location': '%s' has %zu bytes, and a socket's path at most %d",
			       where(d, "domain_socket_location"), a->domain_socket, strlen(a->domain_socket), SOCK_PATH_MAX);
	return 0;
}

static void add_executor_path(struct agent_daemon *a, const char *file)
{
	mz_autofree char *dir = xstrdup(file);
	char *slash = strrchr(dir, '/');
	if (slash && slash > dir) {
		*slash = '\0';
		containers_real_executor_path(a->containers, dir);
	}
}

/* What executors need to see where containers have a root file system of their own. */
static void add_executor_paths(struct agent_daemon *a)
{
	mz_autofree char *executor = daemon_program("mezzo-executor");
	mz_autofree char *modules = daemon_module_dir();
	add_executor_path(a, executor);
	containers_real_executor_path(a->containers, modules);
	/* Those that are not found by name. */
	add_executor_path(a, a->command_module);
	add_executor_path(a, a->pod_module);
	if (a->domain_socket)
		add_executor_path(a, a->domain_socket);
}

/* Isolators, containerizers, and the containers that the agent sees. */
static int open_containers(struct agent_daemon *a, struct mz_err *err)
{
	struct daemon *d = a->d;
	const char *runtime = daemon_str(d, "runtime_dir");
	mz_autofree char *by_default = xasprintf("%s/run", d->work_dir);
	a->runtime_dir = runtime ? runtime : arena_strdup(&a->arena, by_default);
	mz_autofree char *init = daemon_program("mezzo-init");
	char *slash = strrchr(init, '/');
	*slash = '\0'; /* the directory of our helper programs */
	struct containers_real_config c = {
		.loop = d->loop,
		.registry = d->registry,
		.work_dir = d->work_dir,
		.runtime_dir = a->runtime_dir,
		.libexec_dir = init,
		.switch_user = switches_user(d),
		.cgroups_hierarchy = daemon_str(d, "cgroups_hierarchy"),
		.cgroups_root = daemon_str(d, "cgroups_root"),
		.frameworks_home = daemon_str(d, "frameworks_home"),
		.fetch_max_bytes = daemon_int(d, "fetcher_max_bytes"),
		.fetch_max_entries = daemon_int(d, "fetcher_max_files"),
		.fetch_stall_ns = daemon_int(d, "fetcher_stall_timeout"),
		.fetch_timeout_ns = daemon_int(d, "fetcher_timeout"),
	};
	struct module *resolver;
	int rc = find_executor(a, "command_executor", &a->command_module, err);
	if (rc == 0)
		rc = find_executor(a, "pod_executor", &a->pod_module, err);
	if (rc == 0)
		rc = containers_real_new(&c, &a->containers, err);
	if (rc == 0)
		rc = find_domain_socket(a, err);
	if (rc == 0)
		add_executor_paths(a);
	if (rc == 0)
		rc = daemon_load(d, MZ_KIND_SECRET, "secret_resolver", &resolver, err);
	if (rc == 0)
		containers_real_add(a->containers, resolver);
	if (rc == 0)
		rc = daemon_load_list(d, MZ_KIND_ISOLATOR, "isolation", add_isolator, a, err);
	for (size_t i = 0; rc == 0 && i < a->isolators.n; i++)
		containers_real_add(a->containers, a->isolators.v[i]);
	struct module *logger = NULL;
	if (rc == 0)
		rc = daemon_load(d, MZ_KIND_LOGGER, "logger", &logger, err);
	if (rc == 0)
		containers_real_add(a->containers, logger);
	if (rc == 0)
		rc = daemon_load_list(d, MZ_KIND_CONTAINERIZER, "containerizers", add_containerizer, a, err);
	for (size_t i = 0; rc == 0 && i < a->containerizers.n; i++)
		containers_real_add(a->containers, a->containerizers.v[i]);
	return rc;
}

/* What isolators have found is an upper limit. */
static int check_found(struct agent_daemon *a, const char *found, struct mz_err *err)
{
	resources *most = res_new();
	int rc = res_parse(found, "*", most, err);
	if (rc < 0)
		mz_wrap(err, "Resources that isolators have found");
	for (size_t i = 0; rc == 0 && i < res_count(most); i++) {
		const char *name = res_kind(res_item(most, i).kind)->name;
		int64_t given = res_scalar(a->total, name), is = res_scalar(most, name);
		if (given > is)
			rc = mz_fail(err, -EINVAL, "%s: Setting 'resources': %lld %s are offered, and this machine has %lld",
				     where(a->d, "resources"), (long long)given / 1000, name, (long long)is / 1000);
	}
	res_free(most);
	return rc;
}

static int parse_resources(struct agent_daemon *a, struct mz_err *err)
{
	struct daemon *d = a->d;
	mz_autofree char *found = containers_real_resources(a->containers);
	mz_autofree char *text = host_resources_text(daemon_str(d, "resources"), found, d->work_dir);
	a->total = res_new();
	if (res_parse(text, daemon_str(d, "default_role"), a->total, err) < 0)
		return mz_wrap(err, "%s: Setting 'resources'", where(d, "resources"));
	return check_found(a, found, err);
}

static int parse_attributes(struct agent_daemon *a, struct mz_err *err)
{
	struct daemon *d = a->d;
	const char *text = daemon_str(d, "attributes");
	if (text && attributes_parse(text, &a->arena, &a->attributes, &a->n_attributes, err) < 0)
		return mz_wrap(err, "%s: Setting 'attributes'", where(d, "attributes"));
	return 0;
}

/* The list lives in the arena, its texts in the configuration. */
static int read_environment(struct agent_daemon *a, struct mz_err *err)
{
	const struct conf_node *list = conf_at(a->d->conf, "executor_environment");
	size_t n = list && list->type == CONF_LIST ? list->n : 0;
	const char **v = arena_calloc(&a->arena, (n + 1) * sizeof(v[0]));
	for (size_t i = 0; i < n; i++) {
		v[i] = list->child[i]->text;
		if (!v[i] || v[i][0] == '=' || !strchr(v[i], '='))
			return mz_fail(err, -EINVAL, "Setting 'executor_environment': '%s' is not NAME=value",
				       v[i] ? v[i] : "");
	}
	a->environment = v;
	return 0;
}

/* Executors run as any user: the way to the socket has to be open to all of them. */
static void check_way(const char *path)
{
	mz_autofree char *dir = xstrdup(path);
	struct stat st;
	for (char *slash = strrchr(dir, '/'); slash && slash > dir; slash = strrchr(dir, '/')) {
		*slash = '\0';
		if (stat(dir, &st) == 0 && !(st.st_mode & S_IXOTH))
			log_warning(AREA, "Executors of other users cannot reach '%s': directory '%s' is closed to them", path,
				    dir);
	}
}

/* The agent's handlers are there already. */
static int listen_for_executors(struct agent_daemon *a, struct mz_err *err)
{
	if (!a->domain_socket)
		return 0;
	mz_autofree char *by_default = xasprintf("%s/socket", a->runtime_dir);
	if (!daemon_str(a->d, "domain_socket_location") && tree_make(by_default, 0755, err) < 0)
		return err->code;
	if (switches_user(a->d))
		check_way(a->domain_socket);
	int rc = daemon_listen_path(a->d, a->domain_socket, &a->executor_router, &a->executor_server, err);
	if (rc == 0)
		log_info(AREA, "Executors find this agent at '%s'", a->domain_socket);
	return rc;
}

static int make_agent(struct agent_daemon *a, struct mz_err *err)
{
	struct daemon *d = a->d;
	mz_autofree char *executor = daemon_program("mezzo-executor");
	mz_autofree char *modules = daemon_module_dir();
	mz_autofree char *boot_id = NULL;
	if (host_boot_id(&boot_id, err) < 0)
		return err->code;
	struct agent_config c = {
		.ip = d->ip,
		.hostname = d->hostname,
		.port = d->port,
		.work_dir = d->work_dir,
		.executor_path = executor,
		.module_dir = modules,
		.command_module = a->command_module,
		.pod_module = a->pod_module,
		.boot_id = boot_id,
		.version = API_LEVEL,
		.mezzo_version = VERSION,
		.build_time = d->build_time,
		.total = a->total,
		.attributes = (const Mesos__V1__Attribute *const *)a->attributes,
		.n_attributes = a->n_attributes,
		.flags = (const struct agent_flag *)d->flags.v,
		.n_flags = d->flags.n,
		.executor_environment = a->environment,
		.domain_socket = a->domain_socket,
		.switch_user = switches_user(d),
		.executor_registration_timeout_ns = daemon_int(d, "executor_registration_timeout"),
		.executor_reregistration_timeout_ns = daemon_int(d, "executor_reregistration_timeout"),
		.executor_shutdown_grace_ns = daemon_int(d, "executor_shutdown_grace_period"),
		.recovery_timeout_ns = daemon_int(d, "recovery_timeout"),
		.gc_delay_ns = daemon_int(d, "gc_delay"),
		.http_heartbeat_interval_ns = daemon_int(d, "http_heartbeat_interval"),
		.disk_watch_interval_ns = daemon_int(d, "disk_watch_interval"),
		.gc_disk_headroom = (double)daemon_int(d, "gc_disk_headroom") / 1000.0,
		.gc_non_executor_container_sandboxes = daemon_int(d, "gc_non_executor_container_sandboxes") != 0,
		.registration_backoff_ns = daemon_int(d, "registration_backoff"),
		.update_retry_min_ns = 10 * NS_PER_SEC,
		.update_retry_max_ns = 600 * NS_PER_SEC,
		.max_completed_executors = 150,
		.max_completed_frameworks = 50,
		.max_completed_tasks = 200,
	};
	struct agent_deps deps = {
		.loop = d->loop,
		.store = d->store,
		.containers = a->containers,
		.dialer = a->dialer,
		.router = &d->router,
		.executor_router = a->domain_socket ? &a->executor_router : NULL,
		.files = a->files,
		.io_open = io_chan_open,
		.authorizer = a->authorizer,
		.on_fatal = on_fatal,
		.arg = a,
		.extra_metrics = extra_metrics,
	};
	return agent_new(&c, &deps, &a->agent, err);
}
_Static_assert(sizeof(struct daemon_flag) == sizeof(struct agent_flag), "flags are handed on as they are");

static int start(struct agent_daemon *a, struct mz_err *err)
{
	struct daemon *d = a->d;
	struct link_limits limits = LINK_LIMITS_DEFAULT;
	int rc = daemon_listen(d, err);
	if (rc == 0)
		rc = link_dialer_event_new(d->loop, &limits, &a->dialer);
	if (rc == 0)
		rc = make_agent(a, err);
	if (rc == 0)
		rc = listen_for_executors(a, err);
	if (rc == 0)
		rc = agent_recover(a->agent, err);
	if (rc < 0)
		return rc;
	struct module_elector e;
	module_as_elector(d->elector, &e);
	rc = MODULE_CALL(&e, detect, daemon_str(d, "master"), err);
	if (rc < 0)
		return rc;
	mz_autofree char *at = str_address(d->ip, d->port);
	log_info(AREA, "Agent %s listens on http://%s", VERSION, at);
	daemon_run(d);
	return 0;
}

int run_agent(struct daemon *d, bool check_only, struct mz_err *err)
{
	struct agent_daemon a = {.d = d};
	self = &a;
	d->on_leader = on_leader;
	a.files = files_new(d->loop);
	int rc = daemon_load(d, MZ_KIND_AUTHORIZER, "authorizer", &a.authorizer, err);
	if (rc == 0)
		rc = parse_attributes(&a, err);
	if (rc == 0)
		rc = read_environment(&a, err);
	if (rc == 0)
		rc = open_containers(&a, err);
	if (rc == 0)
		rc = parse_resources(&a, err);
	if (rc == 0)
		rc = module_registry_check_requires(d->registry, err);
	if (rc == 0 && !check_only)
		rc = start(&a, err);
	daemon_close_server(d);
	http_server_free(a.executor_server);
	agent_free(a.agent);
	a.agent = NULL;
	if (a.dialer)
		link_dialer_event_free(a.dialer);
	containers_real_free(a.containers);
	files_free(a.files);
	http_router_done(&a.executor_router);
	res_free(a.total);
	arena_done(&a.arena);
	vec_done(&a.isolators);
	vec_done(&a.containerizers);
	return rc;
}
