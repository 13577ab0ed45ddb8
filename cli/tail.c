/* tail.c - see tail.h: finds the sandbox, then reads both files in turns.
 *
 * A read that brought something is followed by the next at once; one that did
 * not, by a pause that grows. Everything is read once more after the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/tail.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "loop/loop.h"
#include "wire/http_event.h"

enum { READ_BYTES = 65536, MAX_FAILURES = 8 };
#define PAUSE_MIN_NS (50 * NS_PER_MS)
#define PAUSE_MAX_NS (400 * NS_PER_MS)
#define REQUEST_TIMEOUT_NS (20 * NS_PER_SEC)

struct stream {
	struct tail *t;
	int number;
	bool wanted, busy, ended;
	int64_t offset, pause_ns;
	struct loop_timer *timer;
	bool last_read; /* it began after the end, so an empty answer is the end */
	bool all;	/* half characters too */
};

struct tail {
	struct loop *loop;
	struct http_client *client;
	struct tail_cb cb;
	void *arg;
	char *framework_id, *task_id, *container_id, *directory;
	struct stream streams[TAIL_STREAMS];
	struct loop_timer *timer; /* looks for the sandbox again, or tells the end */
	bool finishing, failed;
	int n_failures;
	char *why;
};

static void read_more(struct stream *s);
static void find_sandbox(struct tail *t);

static void on_over(void *arg)
{
	struct tail *t = arg;

	t->timer = NULL;
	t->cb.on_end(t->arg, t->why);
}

static void check_over(struct tail *t)
{
	for (int i = 0; i < TAIL_STREAMS; i++)
		if (t->streams[i].wanted && !t->streams[i].ended)
			return;
	loop_timer_cancel(t->loop, t->timer);
	t->timer = loop_timer(t->loop, 0, on_over, t);
}

static void give_up(struct tail *t, const char *why)
{
	t->failed = true;
	xset(&t->why, why);
	for (int i = 0; i < TAIL_STREAMS; i++) {
		loop_timer_cancel(t->loop, MZ_MOVE(t->streams[i].timer));
		t->streams[i].ended = true;
	}
	check_over(t);
}

/* ---- reading --------------------------------------------------------------- */

static void on_read_due(void *arg)
{
	struct stream *s = arg;

	s->timer = NULL;
	read_more(s);
}

static void pause_stream(struct stream *s)
{
	s->timer = loop_timer(s->t->loop, s->pause_ns, on_read_due, s);
	s->pause_ns = MZ_MIN(s->pause_ns * 3 / 2, PAUSE_MAX_NS);
}

static void on_failure(struct stream *s, const char *why)
{
	struct tail *t = s->t;

	if (++t->n_failures >= MAX_FAILURES && t->finishing)
		give_up(t, why);
	else
		pause_stream(s);
}

static void on_read(void *arg, const struct http_response *r)
{
	struct stream *s = arg;
	struct tail *t = s->t;
	mz_autobuf struct buf data = {0};
	int64_t n = 0;

	s->busy = false;
	if (t->failed)
		return;
	if (r->status == 404 && s->last_read) {
		s->ended = true; /* the file was never made */
		check_over(t);
		return;
	}
	if (r->status != 200 || tail_parse_read(r->body, r->body_size, s->all, &data, &n) < 0) {
		mz_autofree char *why = r->status ? xasprintf("the agent answered with status %d", r->status)
						  : xstrdup(r->error);
		on_failure(s, why);
		return;
	}
	t->n_failures = 0;
	if (n > 0) {
		s->offset += n;
		s->pause_ns = PAUSE_MIN_NS;
		s->all = false;
		t->cb.on_output(t->arg, s->number, data.data, data.len);
		read_more(s);
	} else if (!s->last_read) {
		t->finishing ? read_more(s) : pause_stream(s);
	} else if (!s->all) {
		s->all = true;
		read_more(s);
	} else {
		s->ended = true;
		check_over(t);
	}
}

static void add_escaped(struct buf *b, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || strchr("/-._~", c))
			buf_addc(b, (char)c);
		else
			buf_addf(b, "%%%02X", c);
	}
}

static void read_more(struct stream *s)
{
	struct tail *t = s->t;
	mz_autobuf struct buf target = {0};

	s->busy = true;
	s->last_read = t->finishing;
	buf_adds(&target, "/files/read?path=");
	add_escaped(&target, t->directory);
	buf_addf(&target, "/%s&offset=%" PRId64 "&length=%d", s->number == TAIL_STDOUT ? "stdout" : "stderr", s->offset,
		 READ_BYTES);
	http_client_call(t->client, "GET", buf_str(&target), NULL, 0, NULL, 0, REQUEST_TIMEOUT_NS, on_read, s);
}

/* ---- the sandbox ----------------------------------------------------------- */

static void on_find_due(void *arg)
{
	struct tail *t = arg;

	t->timer = NULL;
	find_sandbox(t);
}

static bool is_executor(const struct tail *t, const json_t *e)
{
	static const char *const lists[] = {"tasks", "completed_tasks", "queued_tasks"};
	json_t *task;
	size_t i;

	if (t->container_id && !str_eq(js_str(e, "container"), t->container_id))
		return false;
	if (str_eq(js_str(e, "id"), t->task_id))
		return true;
	for (size_t l = 0; l < MZ_N(lists); l++)
		json_array_foreach(js_array(e, lists[l]), i, task)
			if (str_eq(js_str(task, "id"), t->task_id))
				return true;
	return false;
}

static const char *find_in(const struct tail *t, const json_t *frameworks)
{
	static const char *const lists[] = {"executors", "completed_executors"};
	const char *found = NULL;
	json_t *f, *e;
	size_t i, j;

	json_array_foreach(frameworks, i, f) {
		if (!str_eq(js_str(f, "id"), t->framework_id))
			continue;
		for (size_t l = 0; l < MZ_N(lists) && !found; l++)
			json_array_foreach(js_array(f, lists[l]), j, e)
				if (is_executor(t, e) && *js_str(e, "directory"))
					found = js_str(e, "directory");
	}
	return found;
}

static void on_state(void *arg, const struct http_response *r)
{
	struct tail *t = arg;
	json_t *v = r->status == 200 ? json_loadb(r->body, r->body_size, JSON_ALLOW_NUL, NULL) : NULL;
	const char *dir = v ? find_in(t, js_array(v, "frameworks")) : NULL;

	if (!dir && v)
		dir = find_in(t, js_array(v, "completed_frameworks"));
	if (dir) {
		t->directory = xstrdup(dir);
		t->n_failures = 0;
		for (int i = 0; i < TAIL_STREAMS; i++)
			if (t->streams[i].wanted)
				read_more(&t->streams[i]);
	} else if (++t->n_failures >= MAX_FAILURES && t->finishing) {
		give_up(t, r->status ? "the agent knows no sandbox of the task" : r->error);
	} else {
		t->timer = loop_timer(t->loop, PAUSE_MIN_NS * MZ_MIN(t->n_failures, MAX_FAILURES), on_find_due, t);
	}
	json_decref(v);
}

static void find_sandbox(struct tail *t)
{
	http_client_call(t->client, "GET", "/state", NULL, 0, NULL, 0, REQUEST_TIMEOUT_NS, on_state, t);
}

/* ---- life ------------------------------------------------------------------ */

struct tail *tail_new(struct loop *l, const struct tail_options *o, const struct tail_cb *cb, void *arg)
{
	struct tail *t = xnew(struct tail);

	t->loop = l;
	t->client = http_client_new(l, o->ip, o->port);
	t->cb = *cb;
	t->arg = arg;
	t->framework_id = xstrdup(o->framework_id);
	t->task_id = xstrdup(o->task_id);
	t->container_id = xstrdup(o->container_id);
	for (int i = 0; i < TAIL_STREAMS; i++)
		t->streams[i] = (struct stream){
			.t = t, .number = i, .wanted = o->streams[i], .pause_ns = PAUSE_MIN_NS};
	find_sandbox(t);
	return t;
}

void tail_finish(struct tail *t)
{
	if (t->finishing)
		return;
	t->finishing = true;
	t->n_failures = 0;
	for (int i = 0; i < TAIL_STREAMS; i++) {
		struct stream *s = &t->streams[i];
		s->pause_ns = PAUSE_MIN_NS;
		if (s->timer) {
			loop_timer_cancel(t->loop, MZ_MOVE(s->timer));
			read_more(s);
		}
	}
}

void tail_free(struct tail *t)
{
	if (!t)
		return;
	http_client_free(t->client);
	loop_timer_cancel(t->loop, t->timer);
	for (int i = 0; i < TAIL_STREAMS; i++)
		loop_timer_cancel(t->loop, t->streams[i].timer);
	free(t->framework_id);
	free(t->task_id);
	free(t->container_id);
	free(t->directory);
	free(t->why);
	free(t);
}
