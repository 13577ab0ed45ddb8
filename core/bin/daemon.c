/* daemon.c - opening and closing what both roles stand on.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "bin/daemon.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config.h"
#include "os/host.h"

#define AREA "mezzod"

/* ---- where things are ------------------------------------------------------------ */

/* The directory of this executable. */
static char *own_dir(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return xstrdup(".");
	path[n] = '\0';
	char *slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	return xstrdup(path);
}

/* build/core/bin when this runs uninstalled, NULL otherwise. */
static char *build_dir(void)
{
	char *dir = own_dir();
	mz_autofree char *modules = xasprintf("%s/../../modules", dir);
	if (str_ends(dir, "/core/bin") && access(modules, F_OK) == 0)
		return dir;
	free(dir);
	return NULL;
}

/* `there`, relative to this executable's directory, if that exists: an installed
 * tree may stand anywhere. Else `otherwise`, where it was configured to be. */
static char *near(const char *there, const char *otherwise)
{
	mz_autofree char *dir = own_dir();
	mz_autofree char *path = xasprintf("%s/%s", dir, there);
	char *real = realpath(path, NULL);
	return real ? real : xstrdup(otherwise);
}

char *daemon_program(const char *name)
{
	mz_autofree char *dir = build_dir();
	if (dir)
		return xasprintf("%s/%s", dir, name);
	mz_autofree char *there = xasprintf("../libexec/mezzo/%s", name);
	mz_autofree char *otherwise = xasprintf("%s/%s", MZ_LIBEXECDIR, name);
	return near(there, otherwise);
}

char *daemon_module_dir(void)
{
	mz_autofree char *dir = build_dir();
	return near(dir ? "../../modules" : "../lib/mezzo/modules", MZ_MODULEDIR);
}

static int make_dirs(const char *path, struct mz_err *err)
{
	mz_autofree char *p = xstrdup(path);
	for (char *s = p + 1;; s++) {
		if (*s != '/' && *s != '\0')
			continue;
		char c = *s;
		*s = '\0';
		if (mkdir(p, 0755) < 0 && errno != EEXIST)
			return mz_fail(err, -errno, "Cannot make directory '%s': %s", p, strerror(errno));
		*s = c;
		if (!c)
			return 0;
	}
}

/* A directory belongs to one role: a marker tells whose it is. */
static int claim_work_dir(struct daemon *d, struct mz_err *err)
{
	const char *path = daemon_str(d, "work_dir");
	if (!path)
		return mz_fail(err, -EINVAL, "A work directory is needed: 'work_dir' in the file, or --work-dir");
	int rc = make_dirs(path, err);
	if (rc < 0)
		return rc;
	d->work_dir = realpath(path, NULL);
	if (!d->work_dir)
		return mz_fail(err, -errno, "Work directory '%s': %s", path, strerror(errno));
	mz_autofree char *marker = xasprintf("%s/.mezzo", d->work_dir);
	char text[64] = "";
	mz_autoclose int fd = open(marker, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return mz_fail(err, -errno, "Work directory '%s' is not writable: %s", d->work_dir, strerror(errno));
	ssize_t n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (!text[0]) {
		int len = snprintf(text, sizeof(text), "%s\n", d->role);
		if (write(fd, text, (size_t)len) != len || fsync(fd) < 0)
			return mz_fail(err, -EIO, "Work directory '%s' cannot be written", d->work_dir);
	} else if (strcmp(text, d->role) != 0) {
		return mz_fail(err, -EINVAL, "Work directory '%s' belongs to a mezzod %.32s, not to a mezzod %s",
			       d->work_dir, text, d->role);
	}
	return 0;
}

static int parse_listen(struct daemon *d, struct mz_err *err)
{
	const char *text = daemon_str(d, "listen");
	const char *colon = text ? strrchr(text, ':') : NULL;
	int64_t port;
	if (!colon || str_to_i64(colon + 1, &port) < 0 || port < 0 || port > 65535)
		return mz_fail(err, -EINVAL, "Setting 'listen' must be ip:port, not '%s'", text ? text : "");
	bool bracketed = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
	d->ip = xstrndup(text + bracketed, (size_t)(colon - text) - 2 * bracketed);
	struct in_addr a4;
	struct in6_addr a6;
	if (inet_pton(AF_INET, d->ip, &a4) != 1 && inet_pton(AF_INET6, d->ip, &a6) != 1)
		return mz_fail(err, -EINVAL, "Setting 'listen': '%s' is no IP address", d->ip);
	d->port = (int)port;
	const char *hostname = daemon_str(d, "hostname");
	if (hostname)
		d->hostname = xstrdup(hostname);
	else
		d->hostname = str_eq(d->ip, "0.0.0.0") || str_eq(d->ip, "::") ? host_name() : xstrdup(d->ip);
	return 0;
}

/* ---- services for modules ----------------------------------------------------------- */

static struct daemon *daemon_of(const struct mz_host *h)
{
	return module_user(module_of_host(h));
}

static const char *store_work_dir(const struct mz_host *h)
{
	return daemon_of(h)->work_dir;
}

static void elector_leader(const struct mz_host *h, const struct mz_master_info *leader)
{
	struct daemon *d = daemon_of(h);
	d->on_leader(d, leader);
}

static void elector_elected(const struct mz_host *h, uint64_t epoch)
{
	struct daemon *d = daemon_of(h);
	if (d->on_elected)
		d->on_elected(d, epoch);
}

static void elector_lost(const struct mz_host *h, const char *why)
{
	struct daemon *d = daemon_of(h);
	mz_autofree char *text = xasprintf("Leadership is lost: %s", why);
	daemon_stop(d, EXIT_FAILURE, text);
}

/* ---- modules --------------------------------------------------------------------------- */

int daemon_load(struct daemon *d, uint32_t kind, const char *path, struct module **ret, struct mz_err *err)
{
	const struct conf_node *ref = conf_at(d->conf, path);
	if (ref && ref->type != CONF_NULL)
		return module_load(d->registry, kind, ref, ret, err);
	return module_load_name(d->registry, kind, conf_str(d->conf, d->keys, path), NULL, ret, err);
}

int daemon_load_list(struct daemon *d, uint32_t kind, const char *path, void (*add)(void *arg, struct module *m),
		     void *arg, struct mz_err *err)
{
	const struct conf_node *list = conf_at(d->conf, path);
	struct conf_node *by_default = NULL;
	if (!list || list->type == CONF_NULL) {
		const char *text = conf_str(d->conf, d->keys, path);
		int rc = conf_parse(path, text, strlen(text), &by_default, err);
		if (rc < 0)
			return rc;
		list = by_default;
	}
	int rc = 0;
	char where[256];
	if (list->type != CONF_LIST)
		rc = mz_fail(err, -EINVAL, "%s: '%s' must be a list of modules", conf_where(list, where), path);
	for (size_t i = 0; rc == 0 && i < list->n; i++) {
		struct module *m;
		rc = module_load(d->registry, kind, list->child[i], &m, err);
		if (rc == 0)
			add(arg, m);
	}
	conf_free(by_default);
	return rc;
}

static void add_authenticator(void *arg, struct module *m)
{
	struct daemon *d = arg;
	vec_push(&d->authenticators, m);
}

static void on_store_failure(void *arg, const struct mz_err *err)
{
	mz_autofree char *text = xasprintf("The store cannot be written: %s", err->msg);
	daemon_stop(arg, EXIT_FAILURE, text);
}

/* Every setting with its value, for /flags. */
static void collect_flags(struct daemon *d)
{
	for (const struct conf_key *k = d->keys; k->path; k++) {
		const struct conf_node *n = conf_at(d->conf, k->path);
		const char *value = n && n->type == CONF_SCALAR ? n->text : k->def;
		if (strcmp(k->path, "work_dir") == 0)
			value = d->work_dir;
		struct buf b = {0};
		if (n && n->type == CONF_LIST)
			for (size_t i = 0; i < n->n; i++)
				if (n->child[i]->type == CONF_SCALAR)
					buf_addf(&b, "%s%s", b.len ? "," : "", n->child[i]->text);
		char *text = b.len ? buf_take(&b) : xstrdup(value ? value : "");
		buf_done(&b);
		vec_push(&d->flag_texts, text);
		struct daemon_flag f = {k->path, text};
		vec_push(&d->flags, f);
	}
}

static int open_store(struct daemon *d, struct mz_err *err)
{
	d->store_host = (struct mz_store_host){.size = sizeof(d->store_host), .work_dir = store_work_dir};
	module_registry_set_kind(d->registry, MZ_KIND_STORE, &d->store_host, d);
	int rc = daemon_load(d, MZ_KIND_STORE, "store", &d->store_module, err);
	if (rc < 0)
		return rc;
	d->backend = store_backend_new(d->store_module);
	d->store = store_new(d->loop, d->backend, on_store_failure, d);
	d->storage = store_storage_new(d->store);
	return module_registry_set_storage(d->registry, d->storage, err);
}

int daemon_open(struct daemon *d, struct mz_err *err)
{
	log_set_level(log_level_parse(daemon_str(d, "log_level")));
	int rc = parse_listen(d, err);
	if (rc == 0)
		rc = claim_work_dir(d, err);
	if (rc == 0)
		rc = loop_event_new((int)daemon_int(d, "workers"), &d->loop, err);
	if (rc < 0)
		return rc;
	collect_flags(d);
	d->registry = module_registry_new(d->loop);
	const struct conf_node *paths = conf_at(d->conf, "module_path");
	for (size_t i = 0; paths && i < paths->n; i++)
		module_registry_add_path(d->registry, paths->child[i]->text);
	mz_autofree char *modules = daemon_module_dir();
	module_registry_add_path(d->registry, modules);
	module_registry_add_default_paths(d->registry);
	module_registry_set_router(d->registry, &d->router);
	rc = open_store(d, err);
	if (rc < 0)
		return rc;
	rc = daemon_load_list(d, MZ_KIND_AUTHENTICATOR, "authenticators", add_authenticator, d, err);
	if (rc < 0)
		return rc;
	d->elector_host = (struct mz_elector_host){.size = sizeof(d->elector_host),
						   .leader = elector_leader,
						   .elected = elector_elected,
						   .lost = elector_lost};
	module_registry_set_kind(d->registry, MZ_KIND_ELECTOR, &d->elector_host, d);
	return daemon_load(d, MZ_KIND_ELECTOR, "elector", &d->elector, err);
}

/* ---- listening ---------------------------------------------------------------------------- */

static bool only_none(const struct daemon *d)
{
	for (size_t i = 0; i < d->authenticators.n; i++)
		if (strcmp(module_name(d->authenticators.v[i]), "authenticator/none") != 0)
			return false;
	return true;
}

/* Descriptors for what we let in: the soft limit goes up to the hard one. */
static void raise_fd_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* With at most a part of the descriptors there are: files and agents' links need some, too. */
static struct http_limits limits_of(const struct daemon *d, rlim_t part)
{
	struct rlimit r = {.rlim_cur = 1024};
	getrlimit(RLIMIT_NOFILE, &r);
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	limits.max_body_bytes = (size_t)daemon_int(d, "max_body");
	limits.max_stream_queue = (size_t)daemon_int(d, "max_stream_queue");
	limits.max_connections = (int)daemon_int(d, "max_connections");
	if (r.rlim_cur != RLIM_INFINITY && (rlim_t)limits.max_connections > r.rlim_cur / part)
		limits.max_connections = (int)(r.rlim_cur / part);
	return limits;
}

int daemon_listen(struct daemon *d, struct mz_err *err)
{
	raise_fd_limit();
	struct http_limits limits = limits_of(d, 2);
	daemon_add_routes(d);
	int rc = http_server_new(d->loop, d->ip, d->port, &limits, &d->router, &d->server, err);
	if (rc < 0)
		return rc;
	d->port = http_server_port(d->server);
	d->max_connections = limits.max_connections;
	http_server_filter(d->server, daemon_authenticate, d);
	return 0;
}

int daemon_listen_path(struct daemon *d, const char *path, struct http_router *router, struct http_server **ret,
		       struct mz_err *err)
{
	struct http_limits limits = limits_of(d, 4);
	mz_autofree char *address = xasprintf("unix:%s", path);
	int rc = http_server_new(d->loop, address, 0, &limits, router, ret, err);
	if (rc < 0)
		return rc;
	http_server_filter(*ret, daemon_authenticate, d);
	return 0;
}

/* ---- running ------------------------------------------------------------------------------ */

static void on_signal(void *arg, int signo)
{
	struct daemon *d = arg;
	if (d->stopping) {
		fprintf(stderr, "mezzod: second signal, stopping at once\n");
		_exit(128 + signo);
	}
	d->stopping = true;
	log_info(AREA, "Stopping on signal %d", signo);
	loop_event_stop(d->loop);
}

/* What the operator ought to know. Only now: a daemon that refuses to start says
 * nothing but why. */
static void announce(const struct daemon *d)
{
	if (d->max_connections < (int)daemon_int(d, "max_connections"))
		log_info(AREA, "At most %d connections, because of the limit of open files", d->max_connections);
	if (!str_starts(d->ip, "127.") && strcmp(d->ip, "::1") != 0 && only_none(d))
		log_warning(AREA,
			    "LISTENING ON %s WITHOUT AN AUTHENTICATOR: whoever reaches port %d can run commands here", d->ip,
			    d->port);
}

int daemon_run(struct daemon *d)
{
	announce(d);
	loop_event_signal(d->loop, SIGTERM, on_signal, d);
	loop_event_signal(d->loop, SIGINT, on_signal, d);
	if (!d->stopping)
		loop_event_run(d->loop);
	return d->exit_status;
}

void daemon_stop(struct daemon *d, int exit_status, const char *why)
{
	if (d->stopping)
		return;
	d->stopping = true;
	d->exit_status = exit_status;
	log_error(AREA, "%s", why);
	loop_event_stop(d->loop);
}

/* What was promised to be written is written before the end. */
static void on_flushed(void *arg)
{
	*(bool *)arg = true;
}

static void flush_store(struct daemon *d)
{
	bool done = false;
	if (!d->store || d->exit_status)
		return;
	store_barrier(d->store, on_flushed, &done);
	int64_t deadline = loop_now(d->loop) + 10 * NS_PER_SEC;
	while (!done && !d->exit_status && loop_now(d->loop) < deadline)
		loop_event_turn(d->loop, 100 * NS_PER_MS);
}

void daemon_close_server(struct daemon *d)
{
	http_server_free(d->server);
	d->server = NULL;
}

void daemon_close(struct daemon *d)
{
	daemon_close_server(d);
	flush_store(d);
	store_free(d->store);
	module_registry_free(d->registry);
	store_storage_free(d->storage);
	store_backend_free(d->backend);
	http_router_done(&d->router);
	if (d->loop)
		loop_event_free(d->loop);
	vec_done(&d->authenticators);
	for (size_t i = 0; i < d->flag_texts.n; i++)
		free(d->flag_texts.v[i]);
	vec_done(&d->flag_texts);
	vec_done(&d->flags);
	free(d->work_dir);
	free(d->ip);
	free(d->hostname);
	conf_free(d->conf);
}

/* ---- metrics ------------------------------------------------------------------------------ */

void daemon_metrics(void *arg, void (*add)(void *to, const char *name, double value), void *to)
{
	struct daemon *d = arg;
	struct host_resources h;
	host_resources(d->work_dir, &h);
	add(to, "system/cpus_total", (double)h.n_cpus);
	add(to, "system/load_1min", h.load[0]);
	add(to, "system/load_5min", h.load[1]);
	add(to, "system/load_15min", h.load[2]);
	add(to, "system/mem_free_bytes", (double)h.mem_free_bytes);
	add(to, "system/mem_total_bytes", (double)h.mem_total_bytes);
	module_registry_metrics(d->registry, add, to);
}
