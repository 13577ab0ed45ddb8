/* loop_child.c - child processes, with a pidfd for the end of each. How they are
 * started is loop_spawn.c's.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/loop_impl.h"

struct loop_child {
	struct event event;
	pid_t pid;
	int pidfd;
	bool adopted;	 /* not ours to wait for */
	loop_exit_fn fn; /* NULL: nobody wants to know, only to reap */
	void *arg;
	struct list link;
};

static void child_free(struct loop_child *c)
{
	event_del(&c->event);
	list_remove(&c->link);
	close(c->pidfd);
	free(c);
}

static void on_exit_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct loop_child *c = arg;
	int status = -1;
	if (!c->adopted) {
		pid_t got = waitpid(c->pid, &status, WNOHANG);
		if (got == 0)
			return; /* traced: stopped, not gone */
		if (got < 0)
			status = -1; /* somebody else has reaped it */
	}
	loop_exit_fn fn = c->fn;
	void *fn_arg = c->arg;
	pid_t pid = c->pid;
	child_free(c);
	if (fn)
		fn(fn_arg, pid, status);
}

static int watch(struct loop_event *l, pid_t pid, bool adopted, loop_exit_fn fn, void *arg,
		 struct loop_child **ret)
{
	int pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return -errno;
	struct loop_child *c = xnew(struct loop_child);
	*c = (struct loop_child){.pid = pid, .pidfd = pidfd, .adopted = adopted, .fn = fn, .arg = arg};
	event_assign(&c->event, l->base, pidfd, EV_READ | EV_PERSIST, on_exit_ready, c);
	if (event_add(&c->event, NULL) < 0) {
		int saved = errno ? errno : ENOSPC;
		close(pidfd);
		free(c);
		return -saved;
	}
	list_append(&l->children, &c->link);
	*ret = c;
	return 0;
}

int loop_child_spawn(struct loop *loop, const struct loop_spawn *s, loop_exit_fn fn, void *arg,
		     struct loop_child **ret, pid_t *ret_pid, struct mz_err *err)
{
	struct loop_event *l = loop_event_of(loop);
	if (!s->argv || !s->argv[0])
		return mz_fail(err, -EINVAL, "A child process needs a program");
	const char *dir = s->dir ? s->dir : "/";
	pid_t pid = -1;
	int rc = loop_spawn_start(l, s, dir, &pid);
	if (rc < 0)
		return mz_fail(err, rc, "Cannot start '%s' in '%s': %s", s->argv[0], dir, strerror(-rc));
	struct loop_child *c = NULL;
	rc = watch(l, pid, false, fn, arg, &c);
	if (rc < 0) {
		/* A child that nobody watches would be lost for ever. */
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return mz_fail(err, rc, "Cannot watch process %d of '%s': %s", (int)pid, s->argv[0],
			       strerror(-rc));
	}
	if (ret)
		*ret = c;
	if (ret_pid)
		*ret_pid = pid;
	return 0;
}

int loop_child_adopt(struct loop *loop, pid_t pid, loop_exit_fn fn, void *arg, struct loop_child **ret,
		     struct mz_err *err)
{
	struct loop_child *c = NULL;
	int rc = watch(loop_event_of(loop), pid, true, fn, arg, &c);
	if (rc < 0)
		return mz_fail(err, rc, "Cannot watch process %d: %s", (int)pid, strerror(-rc));
	if (ret)
		*ret = c;
	return 0;
}

int loop_child_kill(struct loop *loop, struct loop_child *c, int sig)
{
	(void)loop;
	return pidfd_send_signal(c->pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

void loop_child_leave(struct loop *loop, struct loop_child *c)
{
	(void)loop;
	if (c->adopted)
		child_free(c);
	else
		c->fn = NULL;
}

void loop_child_free_all(struct loop_event *l)
{
	list_each(&l->children, struct loop_child, link, c)
	{
		if (!c->adopted)
			(void)waitpid(c->pid, NULL, WNOHANG); /* init reaps the others */
		child_free(c);
	}
}
