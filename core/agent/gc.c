/* gc.c - sandboxes of ended executors, and if it is so configured of other ended
 * containers, are removed by age, sooner when the disk fills up. What waits is on
 * record, so that a restart forgets none.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/gc.h"
#include "os/files.h"

enum { MAX_REMOVALS = 16 }; /* at a time */

static void schedule_run(struct agent *a, int64_t delay_ns);

/* The age at which a sandbox goes: gc_delay x max(0, 1 - headroom - usage). */
int64_t gc_max_age_ns(struct agent *a)
{
	double usage = a->deps.containers->ops->disk_usage(a->deps.containers);
	double share = MZ_MAX(0.0, 1.0 - a->cfg.gc_disk_headroom - usage);
	return (int64_t)((double)a->cfg.gc_delay_ns * share);
}

static void sandbox_free(struct agent *a, struct sandbox *s)
{
	list_remove(&s->node);
	map_del(&a->gc_index, s->directory);
	a->n_gc--;
	free(s->directory);
	free(s->key);
	free(s);
}

static void on_removed(void *arg, const struct mz_err *err)
{
	struct sandbox *s = arg;
	struct agent *a = s->agent;
	if (err) {
		a->metrics.gc_failed++;
		log_warning(AREA, "Sandbox '%s' could not be removed, ignoring: %s", s->directory, err->msg);
	} else {
		a->metrics.gc_succeeded++;
	}
	store_delete(a->deps.store, s->key, NULL, NULL);
	agent_detach_files(a, s->directory);
	sandbox_free(a, s);
	/* The next ones do not wait for the next look. */
	if (a->gc_timer && !list_empty(&a->gc)) {
		loop_timer_cancel(a->loop, a->gc_timer);
		a->gc_timer = NULL;
		schedule_run(a, 0);
	}
}

static void remove_aged(struct agent *a)
{
	int64_t oldest = loop_wall(a->loop) - gc_max_age_ns(a);
	int n = 0;
	list_each(&a->gc, struct sandbox, node, s) {
		if (s->ended_wall_ns > oldest || n == MAX_REMOVALS)
			break;
		n++;
		if (s->removing)
			continue;
		s->removing = true;
		a->deps.containers->ops->remove_sandbox(a->deps.containers, s->directory, on_removed, s);
	}
}

static void on_gc_timer(void *arg)
{
	struct agent *a = arg;
	a->gc_timer = NULL;
	remove_aged(a);
	schedule_run(a, a->cfg.disk_watch_interval_ns);
}

static void schedule_run(struct agent *a, int64_t delay_ns)
{
	if (!a->gc_timer && !a->stopping)
		a->gc_timer = loop_timer(a->loop, delay_ns, on_gc_timer, a);
}

static void add(struct agent *a, const char *key, const char *directory, int64_t ended_wall_ns)
{
	if (map_has(&a->gc_index, directory))
		return;
	struct sandbox *s = xnew(struct sandbox);
	s->agent = a;
	s->directory = xstrdup(directory);
	s->key = xstrdup(key);
	s->ended_wall_ns = ended_wall_ns;
	struct list *at = &a->gc;
	while (at->prev != &a->gc && mz_container_of(at->prev, struct sandbox, node)->ended_wall_ns > ended_wall_ns)
		at = at->prev;
	list_insert_before(at, &s->node);
	map_put(&a->gc_index, s->directory, s);
	a->n_gc++;
}

void gc_schedule(struct agent *a, const char *container, const char *directory)
{
	int64_t ended_wall_ns = loop_wall(a->loop);
	mz_autofree char *key = agent_record_key("sandbox", "", container);
	add(a, key, directory, ended_wall_ns);
	Mezzo__Records__AgentSandbox r = MEZZO__RECORDS__AGENT_SANDBOX__INIT;
	r.directory = (char *)directory;
	r.ended_time = (double)ended_wall_ns / 1e9;
	struct buf mz_autobuf b = {0};
	pb_encode(&r.base, &b);
	store_put(a->deps.store, key, b.data, b.len, NULL, NULL);
}

int gc_unschedule(struct agent *a, const char *directory)
{
	struct sandbox *s = map_get(&a->gc_index, directory);
	if (!s)
		return 0;
	if (s->removing)
		return -EBUSY;
	store_delete(a->deps.store, s->key, NULL, NULL);
	sandbox_free(a, s);
	return 0;
}

/* ".../runs/ID": its way is ours alone. Others lie in a sandbox, whose task may swap what
 * leads to them, and are shown as a part of that one. */
static bool is_of_executor(const char *directory)
{
	mz_autofree char *above = xstrndup(directory, (size_t)(strrchr(directory, '/') - directory));
	return str_ends(above, "/runs");
}

void gc_restore(struct agent *a, const char *key, const char *directory, double ended)
{
	add(a, key, directory, (int64_t)(ended * 1e9));
	if (is_of_executor(directory))
		a->deps.files->ops->attach(a->deps.files, directory, directory);
}

void gc_start(struct agent *a)
{
	schedule_run(a, a->cfg.disk_watch_interval_ns);
}

void gc_done(struct agent *a)
{
	loop_timer_cancel(a->loop, a->gc_timer);
	a->gc_timer = NULL;
	list_each(&a->gc, struct sandbox, node, s)
		sandbox_free(a, s);
	map_done(&a->gc_index);
}
