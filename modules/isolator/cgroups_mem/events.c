/* events.c - what the kernel tells of a group: that it ran out of memory (an eventfd on
 * v1, changes of memory.events.local on v2), and how hard it looks for some (v1).
 * SPDX-License-Identifier: Apache-2.0 */
#include "cgroups_mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { REASON_MEMORY = 8 }; /* CONTAINER_LIMITATION_MEMORY */

/* ---- telling ---------------------------------------------------------------------- */

static int64_t peak(const struct mem_container *mc)
{
	static const char *const v1[] = {"memory.memsw.max_usage_in_bytes", "memory.max_usage_in_bytes"};
	static const char *const v2[] = {"memory.peak", "memory.current"};
	const struct cg *g = &mc->p->cg.g;
	int64_t v = 0;
	if (g->version == 1 && mc->p->limit_swap && cg_read_int(g, mc->id, v1[0], &v, NULL) == 0)
		return v;
	if (g->version == 1)
		(void)cg_read_int(g, mc->id, v1[1], &v, NULL);
	else if (cg_read_int(g, mc->id, v2[0], &v, NULL) < 0)
		(void)cg_read_int(g, mc->id, v2[1], &v, NULL);
	return v;
}

static void tell(struct mem_container *mc)
{
	const struct mem *p = mc->p;
	char stat[6000] = "", text[6400], mem[64];
	struct mz_err err;
	if (mc->limited)
		return;
	mc->limited = 1;
	int64_t used = peak(mc), limit = limits_hard(p, mc->id);
	(void)cg_read(&p->cg.g, mc->id, "memory.stat", stat, sizeof(stat), NULL);
	int n = snprintf(text, sizeof(text), "Memory limit exceeded: Requested: %lldMB Limit: ",
			 (long long)(mc->request / MB));
	n += limit < 0 ? snprintf(text + n, sizeof(text) - (size_t)n, "infinity")
		       : snprintf(text + n, sizeof(text) - (size_t)n, "%lldMB", (long long)(limit / MB));
	(void)snprintf(text + n, sizeof(text) - (size_t)n, " Maximum Used: %lldMB\n\nMEMORY STATISTICS: \n%s\n",
		       (long long)(used / MB), stat);
	struct mz_resources *r = p->cg.k->resources->create();
	(void)snprintf(mem, sizeof(mem), "mem:%.3f", (double)used / (double)MB);
	int rc = r ? p->cg.k->resources->parse(mem, r, &err) : -ENOMEM;
	struct mz_limitation l = {.size = sizeof(l), .reason = REASON_MEMORY, .message = text,
				  .resources = rc == 0 ? r : NULL};
	p->cg.k->limitation(p->cg.h, mc->id, &l);
	if (r)
		p->cg.k->resources->destroy(r);
}

/* ---- v1 ----------------------------------------------------------------------------- */

/* Was it ever short of its own limit? All groups below one that is out of memory are signalled, and what the
 * kernel kills is counted in the group that it was in, also if the whole machine was out of memory. */
static int has_reached_limit(const struct mem_container *mc)
{
	static const char *const files[] = {"memory.failcnt", "memory.memsw.failcnt"};
	int64_t n = 0, sum = 0;
	for (size_t i = 0; i < 2; i++)
		if (cg_read_int(&mc->p->cg.g, mc->id, files[i], &n, NULL) == 0)
			sum += n > 0;
	return sum > 0;
}

static void on_event(void *arg, int ready)
{
	struct event *e = arg;
	uint64_t n;
	(void)ready;
	if (read(e->fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return;
	e->n += (int64_t)n;
	/* The kernel signals as well when the group is removed. */
	if (e == &e->c->oom && has_reached_limit(e->c))
		tell(e->c);
}

static int event_listen(struct mem_container *mc, struct event *e, const char *file, const char *more,
			struct mz_err *err)
{
	const struct mem *p = mc->p;
	char path[CG_PATH_SIZE + 32], text[64];
	int rc = cg_path(&p->cg.g, mc->id, path);
	if (rc < 0)
		return cg_fail(err, rc, "Container '%s' has no cgroup", mc->id);
	size_t n = strlen(path);
	(void)snprintf(path + n, sizeof(path) - n, "/%s", file);
	int control = open(path, O_RDONLY | O_CLOEXEC);
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (control < 0 || fd < 0) {
		rc = cg_fail(err, -errno, "Cannot listen to %s: %s", path, strerror(errno));
	} else {
		(void)snprintf(text, sizeof(text), "%d %d%s%s", fd, control, *more ? " " : "", more);
		rc = cg_write(&p->cg.g, mc->id, "cgroup.event_control", text, err);
	}
	if (control >= 0)
		(void)close(control);
	if (rc < 0) {
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	e->c = mc;
	e->fd = fd;
	e->watch = p->cg.h->watch(p->cg.h, fd, MZ_READ, on_event, e);
	return 0;
}

static void event_stop(struct mem *p, struct event *e)
{
	if (e->fd < 0)
		return;
	p->cg.h->unwatch(p->cg.h, e->watch);
	(void)close(e->fd);
	e->fd = -1;
}

/* ---- v2 ----------------------------------------------------------------------------- */

/* The container's own limit, not that of one nested in it; old kernels lack the file. */
static const char *events_file(const struct mem_container *mc)
{
	static const char local[] = "memory.events.local", all[] = "memory.events";
	return cg_has(&mc->p->cg.g, mc->id, local) ? local : all;
}

static int64_t oom_count(const struct mem_container *mc)
{
	char text[1024];
	int64_t n = 0;
	int v1 = mc->p->cg.g.version == 1;
	if (cg_read(&mc->p->cg.g, mc->id, v1 ? "memory.oom_control" : events_file(mc), text, sizeof(text), NULL) > 0)
		(void)cg_key(text, v1 ? "oom_kill" : "oom", &n);
	return v1 && !has_reached_limit(mc) ? 0 : n;
}

static void on_changed(struct mem *p, int wd)
{
	char name[16];
	(void)snprintf(name, sizeof(name), "%d", wd);
	const struct by_id *b = by_id_find(&p->watched, name);
	struct mem_container *mc = b ? ((const struct mem_watched *)b)->c : NULL;
	if (mc && oom_count(mc) > 0)
		tell(mc);
}

/* There were more events than the kernel keeps: anybody's may be missing. */
static void on_overflow(struct mem *p)
{
	for (size_t i = 0; i < p->containers.n_buckets; i++)
		for (struct by_id *b = p->containers.buckets[i]; b; b = b->next)
			events_catch_up((struct mem_container *)b);
}

static void on_inotify(void *arg, int ready)
{
	struct mem *p = arg;
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	(void)ready;
	ssize_t n = read(p->inotify, buf, sizeof(buf));
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const struct inotify_event *)(buf + at);
		if (e->mask & IN_MODIFY)
			on_changed(p, e->wd);
		else if (e->mask & IN_Q_OVERFLOW)
			on_overflow(p);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
}

static int file_listen(struct mem_container *mc, struct mz_err *err)
{
	char path[CG_PATH_SIZE + 32];
	int rc = cg_path(&mc->p->cg.g, mc->id, path);
	size_t n = rc ? 0 : strlen(path);
	(void)snprintf(path + n, sizeof(path) - n, "/%s", events_file(mc));
	int wd = inotify_add_watch(mc->p->inotify, path, IN_MODIFY);
	if (wd < 0)
		return cg_fail(err, -errno, "Cannot listen to %s: %s", path, strerror(errno));
	struct mem_watched *m = &mc->watched;
	m->c = mc;
	(void)snprintf(m->name, sizeof(m->name), "%d", wd);
	if (by_id_add(&mc->p->watched, &m->by, m->name) < 0) {
		(void)inotify_rm_watch(mc->p->inotify, wd);
		return cg_fail(err, -ENOMEM, "Out of memory");
	}
	m->wd = wd;
	return 0;
}

/* ---- both ----------------------------------------------------------------------------- */

int events_listen(struct mem_container *mc, struct mz_err *err)
{
	const struct mem *p = mc->p;
	if (p->cg.g.version == 2)
		return file_listen(mc, err);
	int rc = event_listen(mc, &mc->oom, "memory.oom_control", "", err);
	for (size_t i = 0; i < N_LEVELS && rc == 0 && p->pressure; i++)
		rc = event_listen(mc, &mc->level[i], "memory.pressure_level", mem_levels[i], err);
	return rc;
}

void events_stop(struct mem_container *mc)
{
	struct mem *p = mc->p;
	event_stop(p, &mc->oom);
	for (size_t i = 0; i < N_LEVELS; i++)
		event_stop(p, &mc->level[i]);
	if (mc->watched.wd >= 0) {
		(void)by_id_take(&p->watched, mc->watched.name);
		(void)inotify_rm_watch(p->inotify, mc->watched.wd);
		mc->watched.wd = -1;
	}
	p->cg.h->timer_cancel(p->cg.h, mc->late);
	mc->late = NULL;
}

void events_look(struct mem_container *mc)
{
	if (mc->p->cg.g.version == 1 && mc->oom.fd >= 0)
		on_event(&mc->oom, MZ_READ);
	else if (mc->p->cg.g.version == 2 && oom_count(mc) > 0)
		tell(mc);
}

static void on_late(void *arg)
{
	struct mem_container *mc = arg;
	mc->late = NULL;
	tell(mc);
}

void events_catch_up(struct mem_container *mc)
{
	if (!mc->limited && !mc->late && oom_count(mc) > 0)
		mc->late = mc->p->cg.h->timer(mc->p->cg.h, 0, on_late, mc);
}

int events_init(struct mem *p, struct mz_err *err)
{
	p->inotify = -1;
	if (p->cg.g.version == 1)
		return 0;
	p->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (p->inotify < 0)
		return cg_fail(err, -errno, "Cannot have an inotify descriptor: %s", strerror(errno));
	p->inotify_watch = p->cg.h->watch(p->cg.h, p->inotify, MZ_READ, on_inotify, p);
	return 0;
}

void events_done(struct mem *p)
{
	if (p->inotify < 0)
		return;
	p->cg.h->unwatch(p->cg.h, p->inotify_watch);
	(void)close(p->inotify);
	p->inotify = -1;
}
