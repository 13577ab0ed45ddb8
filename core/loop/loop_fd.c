/* loop_fd.c - the loop as one descriptor, for programs that have a loop of their own
 * and are to call us when there is something to do.
 *
 * libevent does not show its own epoll set, so there is a second one beside it with
 * the same descriptors, a timerfd for the earliest timer, and an eventfd for what
 * was asked for outside of a turn. It is made anew after each turn: there are few.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/loop_event.h"
#include "loop/loop_impl.h"

struct mirror_fd {
	int fd;
	uint32_t events;
};

struct loop_mirror {
	int epoll_fd, timer_fd, kick_fd;
	VEC(struct mirror_fd) fds;
	struct timeval now;
	int64_t due_us; /* of the earliest timer from now on; -1: none */
};

static void note_fd(struct loop_mirror *m, int fd, short what)
{
	uint32_t events = (what & EV_READ ? EPOLLIN : 0u) | (what & EV_WRITE ? EPOLLOUT : 0u);

	for (size_t i = 0; i < m->fds.n; i++) {
		if (m->fds.v[i].fd == fd) {
			m->fds.v[i].events |= events;
			return;
		}
	}
	vec_push(&m->fds, ((struct mirror_fd){fd, events}));
}

static int on_event(const struct event_base *base, const struct event *e, void *arg)
{
	struct loop_mirror *m = arg;
	short what = event_get_events(e);
	struct timeval due;

	(void)base;
	if (!(what & EV_SIGNAL) && event_get_fd(e) >= 0 && event_pending(e, EV_READ | EV_WRITE, NULL))
		note_fd(m, event_get_fd(e), what);
	if (event_pending(e, EV_TIMEOUT, &due)) {
		int64_t us = (due.tv_sec - m->now.tv_sec) * 1000000LL + due.tv_usec - m->now.tv_usec;
		us = MZ_MAX(us, 0);
		m->due_us = m->due_us < 0 ? us : MZ_MIN(m->due_us, us);
	}
	return 0;
}

static void set_timer(struct loop_mirror *m)
{
	struct itimerspec when = {0};

	/* 0 would switch it off. A minute at most: libevent tells the time of day. */
	if (m->due_us >= 0) {
		int64_t us = MZ_MIN(m->due_us + 1, 60000000LL);
		when.it_value = (struct timespec){us / 1000000, us % 1000000 * 1000};
	}
	must(timerfd_settime(m->timer_fd, 0, &when, NULL) == 0);
}

static void kick(struct loop_mirror *m)
{
	ssize_t n = write(m->kick_fd, &(uint64_t){1}, sizeof(uint64_t));
	(void)n; /* full: it is readable already */
}

static void watch(struct loop_mirror *m, const struct mirror_fd *f)
{
	struct epoll_event ev = {.events = f->events, .data.fd = f->fd};

	if (epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, f->fd, &ev) < 0 && errno == EEXIST)
		(void)epoll_ctl(m->epoll_fd, EPOLL_CTL_MOD, f->fd, &ev);
}

static void sync_mirror(struct loop_event *l)
{
	struct loop_mirror *m = l->mirror;
	uint64_t count;
	ssize_t n = read(m->kick_fd, &count, sizeof(count));

	(void)n;
	for (size_t i = 0; i < m->fds.n; i++) /* closed ones have left by themselves */
		(void)epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, m->fds.v[i].fd, NULL);
	vec_clear(&m->fds);
	m->due_us = -1;
	gettimeofday(&m->now, NULL);
	event_base_foreach_event(l->base, on_event, m);
	for (size_t i = 0; i < m->fds.n; i++)
		watch(m, &m->fds.v[i]);
	set_timer(m);
	if (l->posts.n || !list_empty(&l->late) || l->stop)
		kick(m);
}

int loop_event_fd(struct loop *loop)
{
	struct loop_event *l = loop_event_of(loop);
	struct loop_mirror *m = l->mirror;

	if (m)
		return m->epoll_fd;
	m = l->mirror = xnew(struct loop_mirror);
	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	m->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	m->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->epoll_fd < 0 || m->timer_fd < 0 || m->kick_fd < 0) {
		int rc = -errno;
		loop_mirror_free(l);
		return rc;
	}
	watch(m, &(struct mirror_fd){m->timer_fd, EPOLLIN});
	watch(m, &(struct mirror_fd){m->kick_fd, EPOLLIN});
	sync_mirror(l);
	return m->epoll_fd;
}

void loop_event_dispatch(struct loop *loop)
{
	struct loop_event *l = loop_event_of(loop);

	loop_event_turn(loop, 0);
	if (l->mirror)
		sync_mirror(l);
}

void loop_event_kick(struct loop *loop)
{
	struct loop_event *l = loop_event_of(loop);

	if (l->mirror)
		kick(l->mirror);
}

void loop_mirror_free(struct loop_event *l)
{
	struct loop_mirror *m = MZ_MOVE(l->mirror);

	if (!m)
		return;
	if (m->epoll_fd >= 0)
		close(m->epoll_fd);
	if (m->timer_fd >= 0)
		close(m->timer_fd);
	if (m->kick_fd >= 0)
		close(m->kick_fd);
	vec_done(&m->fds);
	free(m);
}
