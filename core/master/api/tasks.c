/* tasks.c - /tasks: a window on all tasks, newest first unless asked otherwise.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/api/api.h"

#define DEFAULT_LIMIT 100

struct window {
	const struct api_request *q;
	const char *framework_id, *task_id;
	VEC(const struct task *) found; /* oldest first */
};

static void look_at(struct window *s, const struct framework *f, const struct task *t)
{
	if (s->task_id && !str_eq(s->task_id, t->id))
		return;
	if (may_see_task(f, t, s->q->r->principal))
		vec_push(&s->found, t);
}

static void collect(struct window *s, const struct framework *f)
{
	if ((s->framework_id && !str_eq(s->framework_id, f->id)) ||
	    !authz_view_framework(s->q->m, s->q->r->principal, f))
		return;
	list_each(&f->completed, struct task, in_history, t)
		look_at(s, f, t);
	map_each(&f->unreachable, e)
		look_at(s, f, e->value);
	map_each(&f->tasks, e)
		look_at(s, f, e->value);
}

static size_t number(const struct http_request *r, const char *name, size_t def)
{
	mz_autofree char *text = http_query(r, name);
	uint64_t v;
	return text && str_to_u64(text, &v) == 0 ? (size_t)v : def; /* a bad one is ignored */
}

void api_tasks(const struct api_request *q)
{
	mz_autofree char *framework_id = http_query(q->r, "framework_id");
	mz_autofree char *task_id = http_query(q->r, "task_id");
	mz_autofree char *order = http_query(q->r, "order");
	struct window s = {.q = q, .framework_id = framework_id, .task_id = task_id};
	list_each(&q->m->completed, struct framework, in_history, f)
		collect(&s, f);
	map_each(&q->m->frameworks, e)
		collect(&s, e->value);
	size_t offset = number(q->r, "offset", 0), limit = number(q->r, "limit", DEFAULT_LIMIT);
	struct buf out = {0};
	struct jsonw w = {.out = &out};
	jsonw_object(&w);
	jsonw_key(&w, "tasks");
	jsonw_array(&w);
	for (size_t i = offset; i < s.found.n && i - offset < limit; i++)
		show_task(&w, s.found.v[str_eq(order, "asc") ? i : s.found.n - 1 - i]);
	jsonw_end(&w);
	jsonw_end(&w);
	vec_done(&s.found);
	api_answer(q, &out);
}
