/* run_master.c - `mezzod master`: puts the master on its loop, store, modules,
 * HTTP server and link server.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "bin/daemon.h"
#include "config.h"
#include "master/master.h"
#include "wire/api.h"
#include "wire/link_event.h"

#define AREA "mezzod"

/* An agent on the same machine usually takes the port next to the master's. */
enum { LINK_PORT_OFFSET = 10 };

struct master_daemon {
	struct daemon *d;
	struct master *master;
	struct module *allocator, *authorizer;
	struct link_server *links;
	struct mz_err failed;
};

static struct master_daemon *self; /* one per process; the hooks of struct daemon carry no argument of ours */

static void on_link(void *arg, struct link *l)
{
	master_link(((struct master_daemon *)arg)->master, l);
}

/* Where agents find the link port. */
static void api_link(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct master_daemon *m = arg;
	if (!master_is_leading(m->master)) {
		http_reply_text(x, 503, "This master does not lead");
		return;
	}
	struct buf mz_autobuf b = {0};
	buf_addf(&b, "{\"port\":%d}", link_server_port(m->links));
	api_reply_json(r, x, &b);
}

static void on_leader(struct daemon *d, const struct mz_master_info *leader)
{
	if (!leader || (leader->id && strcmp(leader->id, master_id(self->master)) == 0)) {
		master_set_leader(self->master, NULL);
		return;
	}
	(void)d;
	mz_autofree char *address = str_address(leader->hostname ? leader->hostname : leader->ip, leader->port);
	master_set_leader(self->master, address);
}

static void on_elected(struct daemon *d, uint64_t epoch)
{
	struct mz_err err;
	if (master_elected(self->master, epoch, &err) < 0) {
		mz_autofree char *why = xasprintf("The master cannot start: %s", err.msg);
		daemon_stop(d, EXIT_FAILURE, why);
		return;
	}
	log_info(AREA, "Master '%s' leads", master_id(self->master));
}

/* "principal:per second:burst"; a principal may have colons. */
static int parse_rate_limit(const char *text, struct master_rate_limit *ret, struct mz_err *err)
{
	const char *burst = strrchr(text, ':'), *rate = burst;
	char *rate_end = NULL, *end = NULL;
	while (rate > text && rate[-1] != ':')
		rate--;
	if (burst && rate > text + 1 && *rate >= '0' && *rate <= '9' && burst[1] >= '0' && burst[1] <= '9') {
		ret->per_second = strtod(rate, &rate_end);
		unsigned long n = strtoul(burst + 1, &end, 10);
		if (rate_end == burst && ret->per_second <= 1e9 && !*end && n >= 1 && n <= 1000000000) {
			ret->burst = (uint32_t)n;
			ret->principal = xstrndup(text, (size_t)(rate - 1 - text));
			return 0;
		}
	}
	return mz_fail(err, -EINVAL, "'framework_rate_limits': '%.80s' is not like principal:per second:burst", text);
}

static void free_rates(struct master_config *c)
{
	for (size_t i = 0; i < c->n_rate_limits; i++)
		free((char *)c->rate_limits[i].principal);
	free((struct master_rate_limit *)c->rate_limits);
}

static int configure_rates(struct daemon *d, struct master_config *c, struct mz_err *err)
{
	const struct conf_node *list = conf_at(d->conf, "framework_rate_limits");
	c->framework_calls_per_second = (double)daemon_int(d, "framework_calls_per_second") / 1000.0;
	c->framework_calls_burst = (uint32_t)daemon_int(d, "framework_calls_burst");
	if (!list || list->type != CONF_LIST)
		return 0;
	struct master_rate_limit *v = xcalloc(list->n + 1, sizeof(*v));
	int rc = 0;
	c->rate_limits = v;
	for (size_t i = 0; rc == 0 && i < list->n; i++) {
		rc = parse_rate_limit(list->child[i]->text ? list->child[i]->text : "", &v[i], err);
		c->n_rate_limits += rc == 0;
	}
	return rc;
}

static size_t some_or_none(const struct daemon *d, const char *key)
{
	int64_t n = daemon_int(d, key);
	return n ? (size_t)n : MASTER_NONE;
}

static void configure(struct daemon *d, struct master_config *c, const char ***ret_roles)
{
	const struct conf_node *roles = conf_at(d->conf, "roles");
	if (roles && roles->type == CONF_LIST && roles->n) {
		const char **v = xcalloc(roles->n + 1, sizeof(*v));
		for (size_t i = 0; i < roles->n; i++)
			v[i] = roles->child[i]->text;
		c->roles = *ret_roles = v;
	}
	c->hostname = d->hostname;
	c->ip = d->ip;
	c->port = d->port;
	c->cluster = daemon_str(d, "cluster");
	c->version = VERSION;
	c->build_time = d->build_time;
	c->flags = (const struct master_flag *)d->flags.v;
	c->n_flags = d->flags.n;
	c->show_all_gpus = !daemon_int(d, "filter_gpu_resources");
	c->refuse_root = !daemon_int(d, "root_submissions");
	c->agent_ping_timeout_ns = daemon_int(d, "agent_ping_timeout");
	c->max_agent_ping_timeouts = (int)daemon_int(d, "max_agent_ping_timeouts");
	c->agent_reregister_timeout_ns = daemon_int(d, "agent_reregister_timeout");
	c->allocation_interval_ns = daemon_int(d, "allocation_interval");
	c->max_constraint_pattern = (size_t)daemon_int(d, "offer_constraints_max_pattern");
	c->constraint_match_limit = (uint32_t)daemon_int(d, "offer_constraints_match_limit");
	c->offer_timeout_ns = daemon_int(d, "offer_timeout");
	c->max_frameworks = (size_t)daemon_int(d, "max_frameworks");
	c->max_agents = (size_t)daemon_int(d, "max_agents");
	c->max_completed_frameworks = some_or_none(d, "max_completed_frameworks");
	c->max_completed_tasks = some_or_none(d, "max_completed_tasks_per_framework");
	c->max_unreachable_tasks = some_or_none(d, "max_unreachable_tasks_per_framework");
}
_Static_assert(sizeof(struct daemon_flag) == sizeof(struct master_flag), "flags are handed on as they are");

static int contend(struct daemon *d, struct mz_err *err)
{
	struct module_elector e;
	module_as_elector(d->elector, &e);
	struct buf mz_autobuf json = {0};
	const Mesos__V1__MasterInfo *info = master_info(self->master);
	json_encode(&info->base, &json);
	struct mz_master_info me = {
		.size = sizeof(me),
		.port = (uint16_t)d->port,
		.link_port = (uint16_t)link_server_port(self->links),
		.id = master_id(self->master),
		.ip = d->ip,
		.hostname = d->hostname,
		.version = API_LEVEL,
		.json = buf_str(&json),
	};
	int rc = MODULE_CALL(&e, detect, NULL, err);
	return rc < 0 ? rc : MODULE_CALL(&e, contend, &me, err);
}

static int listen_for_links(struct daemon *d, struct mz_err *err)
{
	int port = (int)daemon_int(d, "link_port");
	if (port < 0)
		port = d->port + LINK_PORT_OFFSET <= 65535 ? d->port + LINK_PORT_OFFSET : 0;
	struct link_limits limits = LINK_LIMITS_DEFAULT;
	/* As many again may be on their way in. */
	limits.max_links = (int)MZ_MAX(limits.max_links, 2 * daemon_int(d, "max_agents"));
	return link_server_new(d->loop, d->ip, port, &limits, on_link, self, &self->links, err);
}

static void close_master(struct master_daemon *m)
{
	daemon_close_server(m->d);
	link_server_free(m->links);
	master_free(m->master);
	module_free(m->allocator);
}

/* A start that asks for any port takes any for the links as well. */
static void settle_link_port(struct daemon *d)
{
	if (d->port == 0 && daemon_int(d, "link_port") < 0) {
		struct mz_err err;
		(void)conf_set(d->conf, "link_port=0", &err); /* a valid assignment */
	}
}

int run_master(struct daemon *d, bool check_only, struct mz_err *err)
{
	struct master_daemon m = {.d = d};
	self = &m;
	d->on_leader = on_leader;
	d->on_elected = on_elected;
	int rc = daemon_load(d, MZ_KIND_AUTHORIZER, "authorizer", &m.authorizer, err);
	if (rc < 0)
		return rc;
	struct master_config c = {0};
	const char **roles = NULL;
	if (!check_only) {
		settle_link_port(d);
		rc = daemon_listen(d, err);
		if (rc == 0)
			rc = listen_for_links(d, err);
		if (rc < 0)
			return rc;
	}
	configure(d, &c, &roles);
	rc = configure_rates(d, &c, err);
	if (rc < 0) {
		free_rates(&c);
		free(roles);
		return rc;
	}
	struct master_deps deps = {
		.loop = d->loop,
		.store = d->store,
		.router = &d->router,
		.authorizer = m.authorizer,
		.metrics = daemon_metrics,
		.metrics_arg = d,
	};
	m.master = master_new(&c, &deps);
	module_registry_set_kind(d->registry, MZ_KIND_ALLOCATOR, master_allocator_host(m.master), m.master);
	rc = daemon_load(d, MZ_KIND_ALLOCATOR, "allocator", &m.allocator, err);
	if (rc == 0)
		rc = module_registry_check_requires(d->registry, err);
	if (rc == 0 && !check_only) {
		master_set_allocator(m.master, m.allocator);
		http_route(&d->router, "/mezzo/link", api_link, &m);
		rc = contend(d, err);
	}
	if (rc == 0 && !check_only) {
		mz_autofree char *at = str_address(d->ip, d->port);
		log_info(AREA, "Master %s listens on http://%s (agents: port %d)", VERSION, at, link_server_port(m.links));
		daemon_run(d);
	}
	close_master(&m);
	free(roles);
	free_rates(&c);
	return rc;
}
