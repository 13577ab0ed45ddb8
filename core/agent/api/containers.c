/* containers.c - /containers, /monitor/statistics and GET_CONTAINERS: every
 * container is asked what it uses, and one answer is made when all have told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/containers.h"
#include "agent/nested.h"
#include "wire/api.h"

/* Not all of a thousand at once: what measures takes its time on the loop, or a place in the
 * queue of the worker threads, which launches need too. */
enum { ASKED_AT_ONCE = 16 };

struct slot {
	struct usage_gather *gather;
	size_t i;
};

struct usage_gather {
	struct list node;
	struct agent *agent;
	struct usage_entry *v;
	struct slot *slots;
	size_t n, n_asked, n_told;
	bool asking;
	struct loop_timer *timer; /* the next ones, in a turn of their own */
	void (*fn)(void *arg, struct usage_entry *v, size_t n);
	void *arg;
};

static void finish(struct usage_gather *g)
{
	list_remove(&g->node);
	loop_timer_cancel(g->agent->loop, g->timer);
	g->fn(g->arg, g->v, g->n);
	for (size_t i = 0; i < g->n; i++) {
		struct usage_entry *e = &g->v[i];
		free(e->framework_id);
		free(e->executor_id);
		free(e->executor_name);
		free(e->source);
		free(e->container_id);
		arena_done(&e->arena);
	}
	free(g->v);
	free(g->slots);
	free(g);
}

static void ask(void *arg);

static void go_on(struct usage_gather *g)
{
	if (g->n_told == g->n) {
		finish(g);
	} else if (!g->timer && g->n_asked < g->n && g->n_asked - g->n_told < ASKED_AT_ONCE) {
		g->timer = loop_timer(g->agent->loop, 0, ask, g);
	}
}

static void on_usage(void *arg, struct mz_bytes statistics)
{
	struct slot *s = arg;
	struct usage_gather *g = s->gather;
	struct usage_entry *e = &g->v[s->i];
	if (statistics.size)
		e->statistics = (Mesos__V1__ResourceStatistics *)pb_decode(
			&mesos__v1__resource_statistics__descriptor, &e->arena, statistics.data, statistics.size, NULL);
	g->n_told++;
	if (!g->asking)
		go_on(g);
}

/* The next ones; their answers may come from inside. */
static void ask(void *arg)
{
	struct usage_gather *g = arg;
	struct containers *c = g->agent->deps.containers;
	g->timer = NULL;
	g->asking = true;
	for (size_t n = 0; n < ASKED_AT_ONCE && g->n_asked < g->n && g->n_asked - g->n_told < ASKED_AT_ONCE; n++) {
		size_t i = g->n_asked++;
		c->ops->usage(c, g->v[i].container_id, on_usage, &g->slots[i]);
	}
	g->asking = false;
	go_on(g);
}

static void set_status(struct usage_entry *e, struct containers *all)
{
	struct mz_bytes b = all->ops->status ? all->ops->status(all, e->container_id) : (struct mz_bytes){NULL, 0};
	Mesos__V1__ContainerStatus *told =
		b.size ? (Mesos__V1__ContainerStatus *)pb_decode(&mesos__v1__container_status__descriptor, &e->arena, b.data,
								 b.size, NULL)
		       : NULL;
	if (told)
		e->status = *told;
	else
		mesos__v1__container_status__init(&e->status);
	if (e->pid > 0) { /* else it is told, where the agent was restarted since */
		e->status.has_executor_pid = 1;
		e->status.executor_pid = (uint32_t)e->pid;
	}
}

/* A copy: the answers may take time. */
static void add(struct usage_gather *g, struct agent *a, const struct executor *ex, const char *id, int32_t pid)
{
	struct usage_entry *e = &g->v[g->n];
	g->slots[g->n] = (struct slot){g, g->n};
	g->n++;
	e->container_id = xstrdup(id);
	e->pid = pid;
	set_status(e, a->deps.containers);
	if (!ex)
		return;
	e->framework_id = xstrdup(ex->framework->id);
	e->executor_id = xstrdup(ex->id);
	e->executor_name = xstrdup(ex->info->name ? ex->info->name : "");
	e->source = xstrdup(ex->info->source ? ex->info->source : "");
}

static void add_others(struct usage_gather *g, struct agent *a, unsigned which, const char *who)
{
	list_each(&a->nested_list, struct nested, node, n) {
		const struct executor *ex = nested_executor(n);
		if (n->state == NESTED_RUNNING && (which & USAGE_NESTED || !n->parent) && (which & USAGE_STANDALONE || ex) &&
		    authz_see_container(a, ex, n->id, who))
			add(g, a, ex, n->id, n->pid);
	}
}

void usage_gather(struct agent *a, unsigned which, const char *who,
		  void (*fn)(void *arg, struct usage_entry *v, size_t n), void *arg)
{
	struct usage_gather *g = xnew(struct usage_gather);
	g->fn = fn;
	g->arg = arg;
	g->agent = a;
	list_append(&a->gathers, &g->node);
	size_t most = a->containers.n + (which ? a->nested.n : 0);
	g->v = xcalloc(most, sizeof(*g->v));
	g->slots = xcalloc(most, sizeof(*g->slots));
	map_each(&a->containers, c) {
		const struct executor *ex = c->value;
		if (which & USAGE_ALL || authz_see_container(a, ex, ex->container_id, who))
			add(g, a, ex, ex->container_id, ex->pid);
	}
	if (which & (USAGE_NESTED | USAGE_STANDALONE))
		add_others(g, a, which, who);
	ask(g);
}

void agent_gathers_done(struct agent *a)
{
	list_each(&a->gathers, struct usage_gather, node, g)
		finish(g);
}

/* ---- the two plain endpoints ----------------------------------------------------------- */

struct view_request {
	struct http_exchange *x;
	char *jsonp;
	char *container_id; /* only this one, or NULL */
	bool with_status;
};

static void reply_view(void *arg, struct usage_entry *v, size_t n)
{
	struct view_request *q = arg;
	struct buf mz_autobuf b = {0};
	struct jsonw w = {.out = &b};
	if (q->jsonp)
		buf_addf(&b, "%s(", q->jsonp);
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		const struct usage_entry *e = &v[i];
		if (q->container_id && strcmp(q->container_id, e->container_id) != 0)
			continue;
		jsonw_object(&w);
		if (q->with_status)
			jsonw_kstring(&w, "container_id", e->container_id);
		jsonw_kstring(&w, "executor_id", e->executor_id);
		jsonw_kstring(&w, "executor_name", e->executor_name);
		jsonw_kstring(&w, "framework_id", e->framework_id);
		jsonw_kstring(&w, "source", e->source);
		if (e->statistics) {
			jsonw_key(&w, "statistics");
			jsonw_message(&w, &e->statistics->base);
		}
		if (q->with_status) {
			Mesos__V1__ContainerStatus s = e->status;
			Mesos__V1__ContainerID id = MESOS__V1__CONTAINER_ID__INIT;
			id.value = e->container_id;
			s.container_id = &id;
			jsonw_key(&w, "status");
			jsonw_message(&w, &s.base);
		}
		jsonw_end(&w);
	}
	jsonw_end(&w);
	if (q->jsonp)
		buf_adds(&b, ");");
	http_reply(q->x, 200, q->jsonp ? "text/javascript" : "application/json", b.data, b.len);
	free(q->jsonp);
	free(q->container_id);
	free(q);
}

static void view(struct agent *a, const struct http_request *r, struct http_exchange *x, bool with_status)
{
	struct view_request *q = xnew(struct view_request);
	q->x = x;
	q->with_status = with_status;
	q->jsonp = http_query(r, "jsonp");
	if (str_empty(q->jsonp)) {
		free(q->jsonp);
		q->jsonp = NULL;
	}
	q->container_id = with_status ? http_query(r, "container_id") : NULL;
	usage_gather(a, with_status ? 0 : USAGE_ALL, r->principal, reply_view, q);
}

void agent_api_containers(void *arg, const struct http_request *r, struct http_exchange *x)
{
	if (authz_get(arg, "/containers", r, x))
		view(arg, r, x, true);
}

void agent_api_statistics(void *arg, const struct http_request *r, struct http_exchange *x)
{
	if (authz_get(arg, "/monitor/statistics", r, x))
		view(arg, r, x, false);
}
