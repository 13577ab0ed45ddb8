/* metrics.c - the master's numbers by name, made when they are asked for.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "master/internal.h"

void metrics_done(struct master_metrics *m)
{
	map_done(&m->reasons);
}

void metric_list_done(struct metric_list *l)
{
	for (size_t i = 0; i < l->v.n; i++)
		free(l->v.v[i].name);
	vec_done(&l->v);
}

static void add_named(void *arg, const char *name, double value)
{
	struct metric_list *l = arg;
	vec_push(&l->v, ((struct metric){xstrdup(name), value}));
}

MZ_PRINTF(3, 4) static void add(struct metric_list *l, double value, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vec_push(&l->v, ((struct metric){xvasprintf(fmt, ap), value}));
	va_end(ap);
}

static void add_counters(struct master *m, struct metric_list *l)
{
#define X(c, n) add(l, (double)m->metrics.c, "master/%s", n);
	MASTER_COUNTERS(X)
#undef X
	map_each(&m->metrics.reasons, e)
		add(l, (double)(uintptr_t)e->value, "master/%s", e->key);
}

/* ---- resources ---------------------------------------------------------------- */

struct sums {
	resources *total, *used, *rev_total, *rev_used;
	resources *taken; /* used or offered */
};

static void add_one_resource(struct metric_list *l, const char *name, const char *infix, const resources *total,
			     const resources *used)
{
	double t = (double)res_scalar(total, name) / 1000, u = (double)res_scalar(used, name) / 1000;
	add(l, t, "master/%s%s_total", name, infix);
	add(l, u, "master/%s%s_used", name, infix);
	add(l, t > 0 ? u / t : 0, "master/%s%s_percent", name, infix);
}

static void add_resources(struct master *m, struct metric_list *l)
{
	static const char *const names[] = {"cpus", "disk", "gpus", "mem"};
	struct sums s = {res_new(), res_new(), res_new(), res_new(), res_new()};
	map_each(&m->agents, e) {
		const struct agent *a = e->value;
		res_add_filtered(s.taken, a->used, RES_SCALARS);
		res_add_filtered(s.taken, a->offered, RES_SCALARS);
		res_add_filtered(s.total, a->total, RES_NON_REVOCABLE | RES_SCALARS);
		res_add_filtered(s.used, a->used, RES_NON_REVOCABLE | RES_SCALARS);
		res_add_filtered(s.rev_total, a->total, RES_REVOCABLE | RES_SCALARS);
		res_add_filtered(s.rev_used, a->used, RES_REVOCABLE | RES_SCALARS);
	}
	for (size_t i = 0; i < MZ_N(names); i++) {
		add_one_resource(l, names[i], "", s.total, s.used);
		add_one_resource(l, names[i], "_revocable", s.rev_total, s.rev_used);
	}
	/* What Mesos' allocator counts under its own name; ours is a module. */
	for (size_t i = 0; i < MZ_N(names); i++) {
		if (strcmp(names[i], "gpus") == 0)
			continue;
		add(l, (double)(res_scalar(s.total, names[i]) + res_scalar(s.rev_total, names[i])) / 1000,
		    "allocator/mesos/resources/%s/total", names[i]);
		add(l, (double)(res_scalar(s.taken, names[i])) / 1000,
		    "allocator/mesos/resources/%s/offered_or_allocated", names[i]);
	}
	add(l, 0, "allocator/event_queue_dispatches");
	add(l, 0, "allocator/mesos/event_queue_dispatches");
	res_free(s.taken);
	res_free(s.total);
	res_free(s.used);
	res_free(s.rev_total);
	res_free(s.rev_used);
}

/* ---- gauges --------------------------------------------------------------------- */

static void add_gauges(struct master *m, struct metric_list *l)
{
	size_t connected = 0, active = 0, agents_connected = 0, agents_active = 0;
	map_each(&m->frameworks, e) {
		const struct framework *f = e->value;
		connected += f->state == MASTER_FRAMEWORK_CONNECTED;
	}
	active = connected;
	map_each(&m->agents, e) {
		const struct agent *a = e->value;
		agents_connected += agent_connected(a);
		agents_active += agent_connected(a) && !a->deactivated;
	}
	add(l, m->leading, "master/elected");
	add(l, loop_wall_secs(m->loop) - m->start_time, "master/uptime_secs");
	add(l, (double)connected, "master/frameworks_connected");
	add(l, (double)(m->frameworks.n - connected), "master/frameworks_disconnected");
	add(l, (double)active, "master/frameworks_active");
	add(l, (double)(m->frameworks.n - active), "master/frameworks_inactive");
	add(l, (double)agents_connected, "master/slaves_connected");
	add(l, (double)(m->agents.n - agents_connected), "master/slaves_disconnected");
	add(l, (double)agents_active, "master/slaves_active");
	add(l, (double)(m->agents.n - agents_active), "master/slaves_inactive");
	add(l, (double)m->unreachable.n, "master/slaves_unreachable");
	add(l, (double)m->offers.n, "master/outstanding_offers");
	add(l, 0, "master/operator_event_stream_subscribers");
	add(l, 0, "master/http_cache_hits");
	add(l, 0, "master/event_queue_messages");
	add(l, 0, "master/event_queue_dispatches");
	add(l, 0, "master/event_queue_http_requests");
}

static void add_tasks(struct master *m, struct metric_list *l)
{
	static const task_state live[] = {TS(STAGING), TS(STARTING), TS(RUNNING), TS(KILLING), TS(UNREACHABLE)};
	static const task_state ended[] = {TS(FINISHED), TS(FAILED), TS(KILLED), TS(LOST), TS(ERROR),
					   TS(DROPPED), TS(GONE), TS(GONE_BY_OPERATOR)};
	char name[64];
	for (size_t i = 0; i < MZ_N(live) + MZ_N(ended); i++) {
		bool is_live = i < MZ_N(live);
		task_state s = is_live ? live[i] : ended[i - MZ_N(live)];
		const char *from = task_state_name(s) + strlen("TASK_");
		size_t n = 0;
		for (; from[n] && n < sizeof(name) - 1; n++)
			name[n] = (char)tolower((unsigned char)from[n]);
		name[n] = '\0';
		add(l, (double)(is_live ? m->n_tasks_in[s] : m->metrics.tasks[s]), "master/tasks_%s", name);
	}
}

static const char *const operation_names[N_OPERATION_TYPES] = {
	[1] = "launch",	 [2] = "reserve",     [3] = "unreserve",    [4] = "create",	  [5] = "destroy",
	[6] = "launch_group", [11] = "grow_volume", [12] = "shrink_volume", [13] = "create_disk", [14] = "destroy_disk",
};

static void add_operations(struct master *m, struct metric_list *l)
{
	static const char *const none[] = {"pending", "recovering", "unreachable",      "finished",
					   "failed",  "dropped",    "gone_by_operator"};
	double errors = 0;
	for (int i = 0; i < N_OPERATION_TYPES; i++) {
		const char *n = operation_names[i];
		if (!n || i == 1 || i == 6)
			continue;
		double e = (double)m->metrics.operations_error[i];
		errors += e;
		add(l, e, "master/operations/%s/error", n);
		add(l, 0, "master/operations/%s/total", n);
		for (size_t j = 0; j < MZ_N(none); j++)
			add(l, 0, "master/operations/%s/%s", n, none[j]);
	}
	add(l, errors, "master/operations/error");
	add(l, 0, "master/operations/total");
	for (size_t j = 0; j < MZ_N(none); j++)
		add(l, 0, "master/operations/%s", none[j]);
}

/* ---- frameworks -------------------------------------------------------------------- */

/* It is in each of a framework's metrics, and the id tells them apart anyway. */
enum { MAX_NAME_BYTES = 255 };

static char *percent_encoded(const char *s)
{
	struct buf b = {0};
	for (const char *end = s + strnlen(s, MAX_NAME_BYTES); s < end; s++) {
		if (isalnum((unsigned char)*s) || strchr("-_.~", *s))
			buf_addc(&b, *s);
		else
			buf_addf(&b, "%%%02X", (unsigned char)*s);
	}
	return buf_take(&b);
}

/* "SUBSCRIBE" -> "subscribe" */
static void add_enum(struct metric_list *l, const char *prefix, const char *group,
		     const ProtobufCEnumDescriptor *d, const uint64_t *counts, int n)
{
	uint64_t sum = 0;
	for (int i = 1; i < n; i++) {
		const char *from = pb_enum_name(d, i);
		if (!from)
			continue;
		char name[64];
		size_t len = 0;
		for (; from[len] && len < sizeof(name) - 1; len++)
			name[len] = (char)tolower((unsigned char)from[len]);
		name[len] = '\0';
		sum += counts[i];
		add(l, (double)counts[i], "%s/%s/%s", prefix, group, name);
	}
	add(l, (double)sum, "%s/%s", prefix, group);
}

static void add_framework_tasks(struct metric_list *l, const char *prefix, const struct framework *f)
{
	size_t active[N_TASK_STATES] = {0};
	map_each(&f->tasks, e)
		active[((const struct task *)e->value)->state]++;
	active[TS(UNREACHABLE)] += f->unreachable.n;
	for (int s = 0; s < N_TASK_STATES; s++) {
		char name[64];
		const char *from = task_state_name((task_state)s);
		size_t n = 0;
		for (; from[n] && n < sizeof(name) - 1; n++)
			name[n] = (char)tolower((unsigned char)from[n]);
		name[n] = '\0';
		if (task_state_is_terminal((task_state)s))
			add(l, (double)f->metrics.tasks_terminal[s], "%s/tasks/terminal/%s", prefix, name);
		else
			add(l, (double)active[s], "%s/tasks/active/%s", prefix, name);
	}
}

/* Only of the types of which a call was refused: the others are many, and 0. */
static void add_refused(struct metric_list *l, const char *prefix, const struct framework *f, int type)
{
	uint64_t n = call_refused(f, type);
	if (!n)
		return;
	const char *from = pb_enum_name(&mesos__v1__scheduler__call__type__descriptor, type);
	char name[64];
	size_t len = 0;
	for (; from[len] && len < sizeof(name) - 1; len++)
		name[len] = (char)tolower((unsigned char)from[len]);
	name[len] = '\0';
	add(l, (double)n, "%s/refused_calls/%s", prefix, name);
}

static void add_framework(struct metric_list *l, const struct framework *f)
{
	mz_autofree char *name = percent_encoded(f->info->name);
	mz_autofree char *p = xasprintf("master/frameworks/%s/%s", name, f->id);
	add(l, f->state == MASTER_FRAMEWORK_CONNECTED, "%s/subscribed", p);
	add_enum(l, p, "calls", &mesos__v1__scheduler__call__type__descriptor, f->metrics.calls, N_CALL_TYPES);
	for (int i = 1; i < N_CALL_TYPES; i++)
		add_refused(l, p, f, i);
	add_enum(l, p, "events", &mesos__v1__scheduler__event__type__descriptor, f->metrics.events, N_EVENT_TYPES);
	add_enum(l, p, "operations", &mesos__v1__offer__operation__type__descriptor, f->metrics.operations,
		 N_OPERATION_TYPES);
	add(l, (double)f->metrics.offers_sent, "%s/offers/sent", p);
	add(l, (double)f->metrics.offers_accepted, "%s/offers/accepted", p);
	add(l, (double)f->metrics.offers_declined, "%s/offers/declined", p);
	add(l, (double)f->metrics.offers_rescinded, "%s/offers/rescinded", p);
	add_framework_tasks(l, p, f);
	for (size_t i = 0; i < f->n_roles; i++)
		add(l, map_has(&f->suppressed, f->roles[i]), "%s/roles/%s/suppressed", p, f->roles[i]);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct metric *)a)->name, ((const struct metric *)b)->name);
}

void metrics_collect(struct master *m, struct metric_list *l)
{
	add_counters(m, l);
	add_resources(m, l);
	add_gauges(m, l);
	add_tasks(m, l);
	add_operations(m, l);
	map_each(&m->frameworks, e)
		add_framework(l, e->value);
	list_each(&m->completed, struct framework, in_history, f)
		add_framework(l, f);
	if (m->deps.metrics)
		m->deps.metrics(m->deps.metrics_arg, add_named, l);
	qsort(l->v.v, l->v.n, sizeof(l->v.v[0]), by_name);
}
