/* kit_hosts.c - the services of each kind as the kit gives them: what a module
 * says becomes a line of mz_kit_events.
 *
 * The tables belong to the kit's process and never change; what differs between
 * kits is found through module_user().
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit_impl.h"
#include "model/resources.h"

static struct mz_kit *kit_of(const struct mz_host *h)
{
	return module_user(module_of_host(h));
}

#define EVENT(h, ...) (buf_addf(&kit_of(h)->events, __VA_ARGS__), buf_addc(&kit_of(h)->events, '\n'))

static const char *get_dir(const struct mz_host *h)
{
	return kit_of(h)->dir;
}

/* A build tree has its helpers elsewhere. */
static const char *libexec_dir(const struct mz_host *h)
{
	const char *dir = getenv("MZ_LIBEXEC_DIR");
	(void)h;
	return dir ? dir : MZ_LIBEXECDIR;
}

static const char *executor_path(const struct mz_host *h, size_t i)
{
	return i == 0 ? libexec_dir(h) : NULL;
}

/* The machine's own cgroups; each kit has a group of its own below their roots. */
static const char *cgroups_hierarchy(const struct mz_host *h)
{
	const char *dir = getenv("MZ_CGROUPS");
	(void)h;
	return dir ? dir : "/sys/fs/cgroup";
}

static const char *cgroups_root(const struct mz_host *h)
{
	return strrchr(kit_of(h)->dir, '/') + 1;
}

static int is_root(const struct mz_host *h)
{
	(void)h;
	return geteuid() == 0;
}

static int no(const struct mz_host *h)
{
	(void)h;
	return 0;
}

static void add_resources(struct mz_kit *k, const struct mz_resources *r)
{
	mz_autobuf struct buf text = {0};
	res_format_text(r, &text);
	buf_addf(&k->events, " %s", buf_str(&text));
}

/* ---- isolator ------------------------------------------------------------------ */

static void limitation(const struct mz_host *h, const char *id, const struct mz_limitation *l)
{
	EVENT(h, "limitation %s reason %d %s", id, l->reason, l->message ? l->message : "");
}

struct secret {
	void (*fn)(void *arg, const struct mz_err *err, struct mz_bytes secret);
	void *arg;
	struct mz_err err;
	size_t size;
	char text[4096];
};

static void on_secret(void *arg)
{
	struct secret *s = arg;
	s->fn(s->arg, s->err.code ? &s->err : NULL, (struct mz_bytes){s->text, s->size});
}

/* A value is itself, a reference "secret NAME" or "secret NAME KEY"; "none" is no secret. */
static void secret(const struct mz_host *h, const struct mz_info *m, const char *path,
		   void (*fn)(void *arg, const struct mz_err *err, struct mz_bytes secret), void *arg)
{
	const struct mz_info_api *api = mz_kit_info_api();
	char at[256];
	struct secret *s = xnew(struct secret);
	vec_push(&kit_of(h)->strings, (char *)s); /* it may never be asked for */
	s->fn = fn;
	s->arg = arg;
	snprintf(at, sizeof(at), "%s.reference.name", path);
	const char *name = api->str(m, at);
	snprintf(at, sizeof(at), "%s.reference.key", path);
	const char *key = api->str(m, at);
	snprintf(at, sizeof(at), "%s.value.data", path);
	struct mz_bytes value = api->bytes(m, at);
	EVENT(h, "secret %s", path);
	if (name && strcmp(name, "none") == 0)
		mz_fail(&s->err, -ENOENT, "There is no secret 'none'");
	else if (name)
		snprintf(s->text, sizeof(s->text), "secret %s%s%s", name, key ? " " : "", key ? key : "");
	else
		snprintf(s->text, sizeof(s->text), "%.*s", (int)value.size, (const char *)value.data);
	s->size = strlen(s->text);
	h->post(h, on_secret, s);
}

static const struct mz_isolator_host *isolator_host(void)
{
	static struct mz_isolator_host host;
	host.size = sizeof(host);
	host.resources = res_api();
	host.info = mz_kit_info_api();
	host.usage = kit_usage_api();
	host.work_dir = get_dir;
	host.is_root = is_root;
	host.limitation = limitation;
	host.runtime_dir = get_dir;
	host.cgroups_hierarchy = cgroups_hierarchy;
	host.cgroups_root = cgroups_root;
	host.libexec_dir = libexec_dir;
	host.executor_path = executor_path;
	host.secret = secret;
	kit_launch_fill(&host);
	return &host;
}

/* ---- allocator ----------------------------------------------------------------- */

static void offer(const struct mz_host *h, mz_key framework, const char *role, mz_key agent,
		  const struct mz_resources *r)
{
	struct mz_kit *k = kit_of(h);
	buf_addf(&k->events, "offer f%llu %s a%llu", (unsigned long long)framework, role, (unsigned long long)agent);
	add_resources(k, r);
	buf_addc(&k->events, '\n');
}

static void inverse_offer(const struct mz_host *h, mz_key framework, mz_key agent, int64_t start_ns,
			  int64_t duration_ns)
{
	EVENT(h, "inverse_offer f%llu a%llu %lld %lld", (unsigned long long)framework, (unsigned long long)agent,
	      (long long)start_ns, (long long)duration_ns);
}

static int constraint_allows(const struct mz_host *h, const struct mz_constraints *c, const char *role, mz_key agent)
{
	(void)h, (void)c, (void)role, (void)agent;
	return 1;
}

static int64_t allocation_interval(const struct mz_host *h)
{
	(void)h;
	return NS_PER_SEC;
}

static size_t min_allocatable(const struct mz_host *h, const struct mz_quantities **ret)
{
	static const struct mz_quantity cpus = {"cpus", 10}, mem = {"mem", 32000};
	static const struct mz_quantities any[] = {{1, &cpus}, {1, &mem}};
	(void)h;
	*ret = any;
	return MZ_N(any);
}

static const char *fairness_excluded(const struct mz_host *h, size_t i)
{
	(void)h, (void)i;
	return NULL;
}

static const struct mz_allocator_host *allocator_host(void)
{
	static struct mz_allocator_host host;
	host = (struct mz_allocator_host){
		.size = sizeof(host),
		.resources = res_api(),
		.offer = offer,
		.inverse_offer = inverse_offer,
		.constraint_allows = constraint_allows,
		.allocation_interval = allocation_interval,
		.min_allocatable = min_allocatable,
		.fairness_excluded = fairness_excluded,
		.filter_gpu = no,
	};
	return &host;
}

/* ---- executor ------------------------------------------------------------------ */

static void update(const struct mz_host *h, const struct mz_task_update *u)
{
	EVENT(h, "update %s %d %s", u->task_id, u->state, u->message ? u->message : "");
}

static void message(const struct mz_host *h, struct mz_bytes data)
{
	EVENT(h, "message %.*s", (int)data.size, (const char *)data.data);
}

static void finish(const struct mz_host *h, int status)
{
	EVENT(h, "finish %d", status);
}

static const char *framework_id(const struct mz_host *h)
{
	(void)h;
	return "framework-1";
}

static const char *executor_id(const struct mz_host *h)
{
	(void)h;
	return "executor-1";
}

static const char *container_id(const struct mz_host *h)
{
	(void)h;
	return "container-1";
}

static const char *agent_endpoint(const struct mz_host *h)
{
	(void)h;
	return "127.0.0.1:5051";
}

static int has_capability(const struct mz_host *h, int capability)
{
	(void)h;
	return capability == MZ_FW_TASK_KILLING || capability == MZ_FW_PARTITION_AWARE;
}

static int64_t shutdown_grace(const struct mz_host *h)
{
	(void)h;
	return 5 * NS_PER_SEC;
}

static const char *const *environment(const struct mz_host *h)
{
	static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
	(void)h;
	return env;
}

static void agent_call(const struct mz_host *h, const char *path, struct mz_bytes json,
		       void (*on_data)(void *arg, struct mz_bytes chunk),
		       void (*fn)(void *arg, int status, struct mz_bytes body), void *arg)
{
	(void)on_data;
	EVENT(h, "agent_call %s %.*s", path, (int)json.size, (const char *)json.data);
	fn(arg, 0, (struct mz_bytes){NULL, 0}); /* there is no agent */
}

static const struct mz_executor_host *executor_host(void)
{
	static struct mz_executor_host host;
	host = (struct mz_executor_host){
		.size = sizeof(host),
		.info = mz_kit_info_api(),
		.update = update,
		.message = message,
		.finish = finish,
		.sandbox = get_dir,
		.framework_id = framework_id,
		.executor_id = executor_id,
		.container_id = container_id,
		.agent_endpoint = agent_endpoint,
		.has_capability = has_capability,
		.shutdown_grace = shutdown_grace,
		.environment = environment,
		.agent_call = agent_call,
	};
	return &host;
}

/* ---- elector ------------------------------------------------------------------- */

static void leader(const struct mz_host *h, const struct mz_master_info *l)
{
	if (l)
		EVENT(h, "leader %s:%u", l->ip ? l->ip : l->hostname ? l->hostname : "?", l->port);
	else
		EVENT(h, "leader none");
}

static void elected(const struct mz_host *h, uint64_t epoch)
{
	EVENT(h, "elected %llu", (unsigned long long)epoch);
}

static void lost(const struct mz_host *h, const char *why)
{
	EVENT(h, "lost %s", why);
}

/* ---- containerizer, without isolators ------------------------------------------ */

static void exited(const struct mz_host *h, const char *id, const struct mz_termination *t)
{
	EVENT(h, "exited %s %d %s", id, t->wait_status, t->message ? t->message : "");
}

struct own_op {
	void (*fn)(void *arg, const struct mz_err *err, const void *result);
	void *arg;
};

static void on_own_op(void *arg, const struct mz_err *err, const void *result)
{
	struct own_op o = *(struct own_op *)arg;
	free(arg);
	o.fn(o.arg, err, result);
}

static struct mz_op *own_op(const struct mz_host *h, void (*fn)(void *arg, const struct mz_err *err, const void *result),
			    void *arg)
{
	struct own_op *o = xnew(struct own_op);
	*o = (struct own_op){fn, arg};
	return module_op_new(module_of_host(h), "its own op", 0, 0, on_own_op, o);
}

static size_t no_isolators(const struct mz_host *h)
{
	(void)h;
	return 0;
}

static void on_limitation(const struct mz_host *h,
			  void (*fn)(void *inst, const char *id, const struct mz_limitation *l), void *inst)
{
	kit_of(h)->on_limitation = fn;
	kit_of(h)->on_limitation_inst = inst;
}

static struct mz_launch *launch_new(const struct mz_host *h)
{
	(void)h;
	return kit_launch_new();
}

static int launch_read(const struct mz_launch *l, size_t i, struct mz_launch_entry *ret)
{
	(void)l, (void)i, (void)ret;
	return -ENOENT;
}

static const struct mz_containerizer_host *containerizer_host(void)
{
	static struct mz_containerizer_host host;
	host = (struct mz_containerizer_host){
		.size = sizeof(host),
		.resources = res_api(),
		.info = mz_kit_info_api(),
		.usage = kit_usage_api(),
		.work_dir = get_dir,
		.runtime_dir = get_dir,
		.cgroups_hierarchy = cgroups_hierarchy,
		.cgroups_root = cgroups_root,
		.libexec_dir = libexec_dir,
		.is_root = is_root,
		.switch_user = no,
		.exited = exited,
		.op = own_op,
		.n_isolators = no_isolators,
		.on_limitation = on_limitation,
		.launch_new = launch_new,
		.launch_free = kit_launch_free,
		.launch_read = launch_read,
	};
	return &host;
}

/* ---- logger -------------------------------------------------------------------- */

static const struct mz_logger_host *logger_host(void)
{
	static struct mz_logger_host host;
	host = (struct mz_logger_host){
		.size = sizeof(host),
		.info = mz_kit_info_api(),
		.work_dir = get_dir,
		.runtime_dir = get_dir,
		.libexec_dir = libexec_dir,
		.is_root = is_root,
		.spawn_detached = module_spawn_detached,
	};
	return &host;
}

void kit_hosts_set(struct mz_kit *k)
{
	static const struct mz_elector_host elector = {
		.size = sizeof(elector), .leader = leader, .elected = elected, .lost = lost};
	static const struct mz_store_host store = {.size = sizeof(store), .work_dir = get_dir};
	module_registry_set_kind(k->registry, MZ_KIND_ALLOCATOR, allocator_host(), k);
	module_registry_set_kind(k->registry, MZ_KIND_ISOLATOR, isolator_host(), k);
	module_registry_set_kind(k->registry, MZ_KIND_CONTAINERIZER, containerizer_host(), k);
	module_registry_set_kind(k->registry, MZ_KIND_EXECUTOR, executor_host(), k);
	module_registry_set_kind(k->registry, MZ_KIND_ELECTOR, &elector, k);
	module_registry_set_kind(k->registry, MZ_KIND_STORE, &store, k);
	module_registry_set_kind(k->registry, MZ_KIND_LOGGER, logger_host(), k);
	static const struct mz_secret_host resolver = {.size = sizeof(resolver), .work_dir = get_dir};
	module_registry_set_kind(k->registry, MZ_KIND_SECRET, &resolver, k);
}
