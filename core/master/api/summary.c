/* summary.c - /state-summary: agents and frameworks with counts of their tasks,
 * and who runs on whom.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/api/api.h"

/* The states that are counted, in the order in which they are shown. */
static const task_state shown[] = {TS(STAGING), TS(STARTING), TS(RUNNING), TS(KILLING), TS(FINISHED),
				   TS(KILLED),	TS(FAILED),   TS(LOST),	   TS(ERROR),	TS(UNREACHABLE)};

struct counts {
	size_t n[N_TASK_STATES];
	struct map others; /* ids of agents or frameworks */
};

/* id -> struct counts, of agents and of frameworks */
struct summary {
	struct map agents, frameworks;
};

static struct counts *counts_of(struct map *m, const char *id)
{
	struct counts *c = map_get(m, id);
	if (!c) {
		c = xnew(struct counts);
		map_put(m, id, c);
	}
	return c;
}

static void count(struct summary *s, const struct framework *f, const struct task *t)
{
	struct counts *of_f = counts_of(&s->frameworks, f->id), *of_a = counts_of(&s->agents, t->agent_id);
	of_f->n[t->state]++;
	of_a->n[t->state]++;
	map_put(&of_f->others, t->agent_id, s);
	map_put(&of_a->others, f->id, s);
}

static void collect(struct master *m, struct summary *s)
{
	map_each(&m->frameworks, e) {
		const struct framework *f = e->value;
		map_each(&f->tasks, t)
			count(s, f, t->value);
		map_each(&f->unreachable, t)
			count(s, f, t->value);
		list_each(&f->completed, struct task, in_history, t)
			count(s, f, t);
	}
}

static void show_counts(struct jsonw *w, const struct map *m, const char *id, const char *others)
{
	static const struct counts none;
	const struct counts *c = map_get(m, id);
	if (!c)
		c = &none;
	for (size_t i = 0; i < MZ_N(shown); i++)
		jsonw_kint(w, task_state_name(shown[i]), (int64_t)c->n[shown[i]]);
	jsonw_key(w, others);
	jsonw_array(w);
	map_each(&c->others, e)
		jsonw_string(w, e->key);
	jsonw_end(w);
}

static void drop(struct map *m)
{
	map_each(m, e) {
		map_done(&((struct counts *)e->value)->others);
		free(e->value);
	}
	map_done(m);
}

void api_summary(const struct api_request *q)
{
	struct buf out = {0};
	struct jsonw w = {.out = &out};
	struct summary s = {0};
	collect(q->m, &s);
	jsonw_object(&w);
	jsonw_kstring(&w, "hostname", q->m->cfg.hostname);
	if (q->m->cfg.cluster)
		jsonw_kstring(&w, "cluster", q->m->cfg.cluster);
	jsonw_key(&w, "slaves");
	jsonw_array(&w);
	map_each(&q->m->agents, e) {
		const struct agent *a = e->value;
		jsonw_object(&w);
		show_agent_head(&w, a);
		show_counts(&w, &s.agents, a->id, "framework_ids");
		jsonw_end(&w);
	}
	jsonw_end(&w);
	jsonw_key(&w, "frameworks");
	jsonw_array(&w);
	map_each(&q->m->frameworks, e) {
		const struct framework *f = e->value;
		if (!authz_view_framework(q->m, q->r->principal, f))
			continue;
		jsonw_object(&w);
		show_framework_head(&w, f);
		show_counts(&w, &s.frameworks, f->id, "slave_ids");
		jsonw_end(&w);
	}
	jsonw_end(&w);
	jsonw_end(&w);
	drop(&s.agents);
	drop(&s.frameworks);
	api_answer(q, &out);
}
