/* host_io.c - timers, descriptors, posted and offloaded work and children of
 * modules. Everything is on a list of its module, so that what destroy() forgot
 * is closed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "module/impl.h"

struct mz_timer {
	struct list link;
	struct module *m;
	struct loop_timer *t;
	void (*fn)(void *);
	void *arg;
};

struct mz_watch {
	struct list link;
	struct module *m;
	struct loop_fd *f;
	void (*fn)(void *, int);
	void *arg;
};

struct mz_child {
	struct list link;
	struct module *m;
	struct loop_child *c;
	mz_exit_fn fn;
	void *arg;
};

/* Posted or offloaded work holds a reference to its module. */
struct work {
	struct module *m;
	void (*work)(void *);
	void (*done)(void *);
	void *arg;
};

static void call_back(struct module *m, const char *what, void (*fn)(void *), void *arg)
{
	struct module_call c = module_enter(m, what);
	fn(arg);
	module_leave(&c);
}

/* ---- timers ----------------------------------------------------------------- */

static void on_timer(void *arg)
{
	struct mz_timer *t = arg;
	struct mz_timer copy = *t;
	list_remove(&t->link);
	free(t);
	call_back(copy.m, "a timer", copy.fn, copy.arg);
}

static struct mz_timer *host_timer(const struct mz_host *h, int64_t delay_ns, void (*fn)(void *), void *arg)
{
	struct module *m = module_of_host(h);
	struct mz_timer *t = xnew(struct mz_timer);
	t->m = m;
	t->fn = fn;
	t->arg = arg;
	t->t = loop_timer(m->registry->loop, MZ_MAX(delay_ns, 0), on_timer, t);
	list_append(&m->timers, &t->link);
	return t;
}

static void host_timer_cancel(const struct mz_host *h, struct mz_timer *t)
{
	if (!t)
		return;
	loop_timer_cancel(module_of_host(h)->registry->loop, t->t);
	list_remove(&t->link);
	free(t);
}

/* ---- descriptors ------------------------------------------------------------ */

static void on_ready(void *arg, int ready)
{
	struct mz_watch *w = arg;
	int events = (ready & LOOP_READ ? MZ_READ : 0) | (ready & LOOP_WRITE ? MZ_WRITE : 0);
	struct module_call c = module_enter(w->m, "a descriptor's callback");
	w->fn(w->arg, events);
	module_leave(&c);
}

static struct mz_watch *host_watch(const struct mz_host *h, int fd, int events, void (*fn)(void *, int), void *arg)
{
	struct module *m = module_of_host(h);
	struct mz_watch *w = xnew(struct mz_watch);
	w->m = m;
	w->fn = fn;
	w->arg = arg;
	w->f = loop_fd(m->registry->loop, fd,
		       (events & MZ_READ ? LOOP_READ : 0) | (events & MZ_WRITE ? LOOP_WRITE : 0), on_ready, w);
	list_append(&m->watches, &w->link);
	return w;
}

static void host_unwatch(const struct mz_host *h, struct mz_watch *w)
{
	if (!w)
		return;
	loop_fd_close(module_of_host(h)->registry->loop, w->f);
	list_remove(&w->link);
	free(w);
}

/* ---- posted and offloaded work ---------------------------------------------- */

static void work_free(struct work *w)
{
	module_unref(w->m);
	free(w);
}

static void on_posted(void *arg)
{
	struct work *w = arg;
	if (w->m->state == MODULE_ACTIVE)
		call_back(w->m, "posted work", w->done, w->arg);
	work_free(w);
}

static void host_post(const struct mz_host *h, void (*fn)(void *), void *arg)
{
	struct module *m = module_of_host(h);
	struct work *w = xnew(struct work);
	w->m = module_ref(m);
	w->done = fn;
	w->arg = arg;
	/* A thread that is still posting while destroy() joins it finds the loop. */
	if (pthread_equal(pthread_self(), m->registry->thread))
		loop_post(m->registry->loop, on_posted, w);
	else
		loop_post_from(m->registry->loop, on_posted, w);
}

static void on_work(void *arg)
{
	struct work *w = arg;
	struct module *m = w->m;
	pthread_mutex_lock(&m->lock);
	bool run = !m->closing;
	m->n_working += run;
	pthread_mutex_unlock(&m->lock);
	if (!run)
		return;
	w->work(w->arg);
	pthread_mutex_lock(&m->lock);
	m->n_working--;
	pthread_cond_broadcast(&m->idle);
	pthread_mutex_unlock(&m->lock);
}

static int host_offload(const struct mz_host *h, void (*work)(void *), void (*done)(void *), void *arg)
{
	struct module *m = module_of_host(h);
	struct work *w = xnew(struct work);
	w->m = module_ref(m);
	w->work = work;
	w->done = done;
	w->arg = arg;
	int rc = loop_offload(m->registry->loop, on_work, on_posted, w);
	if (rc < 0)
		work_free(w);
	return rc;
}

void host_stop_work(struct module *m)
{
	pthread_mutex_lock(&m->lock);
	m->closing = true;
	while (m->n_working > 0)
		pthread_cond_wait(&m->idle, &m->lock);
	pthread_mutex_unlock(&m->lock);
}

/* ---- children --------------------------------------------------------------- */

static void on_exit_of_child(void *arg, pid_t pid, int wait_status)
{
	struct mz_child *c = arg;
	c->c = NULL;
	list_remove(&c->link);
	struct module_call call = module_enter(c->m, "a child's exit");
	if (c->fn)
		c->fn(c->arg, (int32_t)pid, (int32_t)wait_status);
	module_leave(&call);
	free(c);
}

static int spawn_of(const struct module *m, const struct mz_spawn *s, struct loop_spawn *ret, struct mz_err *err)
{
	struct mz_spawn in = {0};
	memcpy(&in, s, MZ_MIN(sizeof(in), (size_t)s->size));
	if (!in.argv || !in.argv[0])
		return mz_fail(err, -EINVAL, "Module '%s' asks for a child without a program", m->name);
	*ret = (struct loop_spawn){
		.argv = in.argv,
		.env = in.env,
		.dir = in.dir,
		.fds = {in.fd_in, in.fd_out, in.fd_err},
	};
	return 0;
}

static int host_spawn(const struct mz_host *h, const struct mz_spawn *s, mz_exit_fn fn, void *arg,
		      struct mz_child **ret_child, int32_t *ret_pid, struct mz_err *err)
{
	struct module *m = module_of_host(h);
	struct loop_spawn spawn;
	int rc = spawn_of(m, s, &spawn, err);
	if (rc < 0)
		return rc;
	struct mz_child *c = xnew(struct mz_child);
	pid_t pid = -1;
	c->m = m;
	c->fn = fn;
	c->arg = arg;
	rc = loop_spawn(m->registry->loop, &spawn, on_exit_of_child, c, &c->c, &pid, err);
	if (rc < 0) {
		free(c);
		return rc;
	}
	list_append(&m->children, &c->link);
	if (ret_child)
		*ret_child = c;
	if (ret_pid)
		*ret_pid = (int32_t)pid;
	return 0;
}

static int host_child_signal(const struct mz_host *h, struct mz_child *c, int sig)
{
	if (!c || !c->c) /* inside its own exit callback */
		return -ESRCH;
	return loop_child_signal(module_of_host(h)->registry->loop, c->c, sig);
}

/* Nothing of the module holds it, so nothing of the module's end reaches it; that
 * the daemon has one more process to reap while it lives is the loop's affair. */
int module_spawn_detached(const struct mz_host *h, const struct mz_spawn *s, int32_t *ret_pid, struct mz_err *err)
{
	struct module *m = module_of_host(h);
	struct loop *l = m->registry->loop;
	struct loop_spawn spawn;
	struct loop_child *child = NULL;
	pid_t pid = -1;
	int rc = spawn_of(m, s, &spawn, err);
	if (rc == 0)
		rc = loop_spawn(l, &spawn, NULL, NULL, &child, &pid, err);
	if (rc < 0)
		return rc;
	loop_child_close(l, child);
	if (ret_pid)
		*ret_pid = (int32_t)pid;
	return 0;
}

/* ---- all -------------------------------------------------------------------- */

void host_io_init(struct module *m)
{
	struct mz_host *h = &m->host;
	list_init(&m->timers);
	list_init(&m->watches);
	list_init(&m->children);
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->idle, NULL);
	h->timer = host_timer;
	h->timer_cancel = host_timer_cancel;
	h->watch = host_watch;
	h->unwatch = host_unwatch;
	h->post = host_post;
	h->offload = host_offload;
	h->spawn = host_spawn;
	h->child_signal = host_child_signal;
}

void host_io_done(struct module *m)
{
	list_each(&m->timers, struct mz_timer, link, t)
		host_timer_cancel(&m->host, t);
	list_each(&m->watches, struct mz_watch, link, w)
		host_unwatch(&m->host, w);
	list_each(&m->children, struct mz_child, link, c) {
		loop_child_close(m->registry->loop, c->c);
		list_remove(&c->link);
		free(c);
	}
}
