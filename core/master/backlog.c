/* backlog.c - answers to RECONCILE and RECONCILE_OPERATIONS, in portions. A framework
 * with very many tasks asks for all of them at once; told in one go, the answers
 * would fill its stream's bounded queue however fast it reads, and cut it. So the
 * questions wait here, and are answered as the stream takes the answers; offers wait in
 * the same way (offers.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

/* A question that is not answered yet. */
struct question {
	enum { ABOUT_TASK, ABOUT_KNOWN_TASK, ABOUT_OPERATION } what;
	char *id, *agent_id, *provider_id; /* the latter two may be NULL */
};

struct backlog {
	VEC(struct question) v;
	size_t next;	/* the first of v that is not answered */
	size_t bytes;	/* of those that are not */
	bool all, again; /* an implicit reconciliation is under way; another one was asked for */
	struct loop_timer *timer;
};

enum { MAX_BACKLOG_BYTES = 64 << 20, PAUSE_MS = 20 };

static size_t size_of(const struct question *q)
{
	return sizeof(*q) + strlen(q->id) + (q->agent_id ? strlen(q->agent_id) : 0) +
	       (q->provider_id ? strlen(q->provider_id) : 0);
}

static void question_done(struct question *q)
{
	free(q->id);
	free(q->agent_id);
	free(q->provider_id);
}

void backlog_drop(struct framework *f)
{
	struct backlog *b = f->backlog;
	if (!b)
		return;
	loop_timer_cancel(f->m->loop, b->timer);
	for (size_t i = b->next; i < b->v.n; i++)
		question_done(&b->v.v[i]);
	vec_done(&b->v);
	free(b);
	f->backlog = NULL;
}

/* A stream of which nothing is taken for two heartbeats, while there is more for it,
 * ends as if its queue were full. */
enum stream_room stream_room(struct framework *f)
{
	struct session *s = &f->session;
	size_t queued = s->stream && !s->cut ? http_queued(s->stream) : 0;
	int64_t now = loop_now(f->m->loop);
	if (queued < s->queued || now - s->checked_ns > NS_PER_SEC)
		s->moved_ns = now;
	s->queued = queued;
	s->checked_ns = now;
	if (queued <= STREAM_PORTION_BYTES)
		return STREAM_HAS_ROOM;
	if (now - s->moved_ns < 2 * f->m->cfg.heartbeat_ns)
		return STREAM_IS_FULL;
	log_warning(AREA, "Framework %s (%s) does not read its stream, which is cut", f->id, f->info->name);
	session_close(f, NULL);
	framework_disconnected(f);
	return STREAM_IS_CUT;
}

static void answer(struct framework *f, const struct question *q)
{
	if (q->what == ABOUT_OPERATION)
		reconcile_operation(f, q->id, q->agent_id, q->provider_id);
	else if (q->what == ABOUT_TASK || map_has(&f->tasks, q->id) || map_has(&f->pending, q->id))
		reconcile_task(f, q->id, q->agent_id);
	/* else it has ended since, and that was told */
}

static void ask_about_all(struct framework *f);

static void on_turn(void *arg)
{
	struct framework *f = arg;
	struct backlog *b = f->backlog;
	size_t first = b->next;
	enum stream_room room = STREAM_HAS_ROOM;
	b->timer = NULL;
	while (b->next < b->v.n && (room = stream_room(f)) == STREAM_HAS_ROOM) {
		struct question *q = &b->v.v[b->next++];
		b->bytes -= size_of(q);
		answer(f, q);
		question_done(q);
	}
	if (room == STREAM_IS_CUT)
		return; /* and the backlog with it */
	if (b->next == b->v.n && b->again) {
		b->again = b->all = false;
		ask_about_all(f);
	}
	if (b->next == b->v.n)
		backlog_drop(f);
	else /* at once, unless the last turn has not made room */
		b->timer = loop_timer(f->m->loop, b->next > first ? 0 : PAUSE_MS * NS_PER_MS, on_turn, f);
}

static void push(struct framework *f, struct question q)
{
	struct backlog *b = f->backlog;
	b->bytes += size_of(&q);
	vec_push(&b->v, q);
}

static void ask_about_all(struct framework *f)
{
	f->backlog->all = true;
	map_each(&f->pending, p)
		push(f, (struct question){.what = ABOUT_KNOWN_TASK, .id = xstrdup(p->key)});
	map_each(&f->tasks, e)
		push(f, (struct question){.what = ABOUT_KNOWN_TASK, .id = xstrdup(e->key)});
}

/* False: it has too many questions already, and that was noted. */
static bool begin(const struct call_ctx *c)
{
	if (!c->f->backlog)
		c->f->backlog = xnew(struct backlog);
	struct backlog *b = c->f->backlog;
	if (b->next > b->v.n / 2) { /* those that were answered make room */
		memmove(b->v.v, b->v.v + b->next, (b->v.n - b->next) * sizeof(*b->v.v));
		b->v.n -= b->next;
		b->next = 0;
	}
	if (b->bytes <= MAX_BACKLOG_BYTES)
		return true;
	call_refuse(c->f, (int)c->call->type, "Too many questions of earlier calls are not answered yet");
	return false;
}

/* What fits is answered at once; the rest when the stream has taken that. */
static void end(struct framework *f)
{
	if (!f->backlog->timer)
		on_turn(f);
}

void call_reconcile(struct call_ctx *c)
{
	Mesos__V1__Scheduler__Call__Reconcile *r = c->call->reconcile;
	c->m->metrics.messages_reconcile_tasks++;
	if (!begin(c))
		return;
	for (size_t i = 0; i < r->n_tasks; i++)
		push(c->f, (struct question){.what = ABOUT_TASK,
					     .id = xstrdup(r->tasks[i]->task_id->value),
					     .agent_id = r->tasks[i]->agent_id ? xstrdup(r->tasks[i]->agent_id->value)
									       : NULL});
	if (!r->n_tasks && c->f->backlog->all)
		c->f->backlog->again = true;
	else if (!r->n_tasks)
		ask_about_all(c->f);
	end(c->f);
}

void call_reconcile_operations(struct call_ctx *c)
{
	Mesos__V1__Scheduler__Call__ReconcileOperations *r = c->call->reconcile_operations;
	c->m->metrics.messages_reconcile_operations++;
	if (!begin(c))
		return;
	for (size_t i = 0; i < r->n_operations; i++) {
		const Mesos__V1__Scheduler__Call__ReconcileOperations__Operation *o = r->operations[i];
		push(c->f, (struct question){
				   .what = ABOUT_OPERATION,
				   .id = xstrdup(o->operation_id->value),
				   .agent_id = o->agent_id ? xstrdup(o->agent_id->value) : NULL,
				   .provider_id = o->resource_provider_id ? xstrdup(o->resource_provider_id->value) : NULL,
			   });
	}
	end(c->f);
}
