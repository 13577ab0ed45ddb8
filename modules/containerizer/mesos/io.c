/* io.c - containerizer/mesos: the I/O servers of attachable containers. The shim starts
 * one beside itself (core/bin/init_attach.c); here it is watched, connected to,
 * and waited for at the container's end, so that all output has been written down
 * when its logger is told.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../lib/living.h"
#include "mesos.h"

/* The server itself takes five seconds at most. */
static const int64_t END_NS = 15LL * 1000000000, LOST_NS = 200 * 1000000;
static const int64_t NEVER_NS = 10LL * 365 * 86400 * 1000000000;
enum { REASON_IO_SWITCHBOARD_EXITED = 27 };

int io_create(struct mesos *m, struct mz_err *err)
{
	char why[128];
	m->io_dir = format("%s/io", m->k->runtime_dir(m->h));
	if (!m->io_dir)
		return fail(err, -ENOMEM, "Out of memory");
	if (mkdir(m->io_dir, 0700) < 0 && errno != EEXIST)
		return fail(err, -errno, "Cannot make '%.180s': %s", m->io_dir, reason(errno, why, sizeof(why)));
	return 0;
}

void io_describe(struct box *b, struct text *t)
{
	const struct mz_container *c = b->c;
	char line[128];
	if (!c->attachable && !c->tty)
		return;
	/* Who starts something for debugging is there to look at it, at his own pace:
	 * nobody else waits. */
	int wait = c->container_class == MZ_CONTAINER_DEBUG;
	int64_t stall_ns = wait ? NEVER_NS : b->m->stall_ns;
	snprintf(line, sizeof(line), "%d %u %u %lld", (c->tty != 0) | wait << 1, (unsigned)c->tty_rows & 0xffff,
		 (unsigned)c->tty_columns & 0xffff, (long long)(stall_ns / 1000000));
	text_add_line(t, 'i', line, b->m->io_dir);
}

/* ---- its life ---------------------------------------------------------------------- */

static void forget(struct box *b)
{
	struct mesos *m = b->m;
	if (b->io.watch)
		m->h->unwatch(m->h, b->io.watch);
	if (b->io.timer)
		m->h->timer_cancel(m->h, b->io.timer);
	if (b->io.pidfd >= 0)
		close(b->io.pidfd);
	b->io.watch = NULL;
	b->io.timer = NULL;
	b->io.pidfd = -1;
}

static void unlink_socket(struct box *b)
{
	char *path = format("%s/%d.%llu", b->m->io_dir, b->io.pid, b->io.start);
	if (path)
		(void)unlink(path); /* it has done so itself, if nobody killed it */
	free(path);
}

static void on_lost(void *arg)
{
	static const char message[] = "The container's I/O server ended";
	struct box *b = arg;
	b->io.timer = NULL;
	if (b->state != BOX_RUNNING || b->wait_status != -1 || !shim_lives(b) || b->limitation.size)
		return;
	b->limitation_message = strdup(message);
	b->limitation = (struct mz_limitation){
		.size = sizeof(b->limitation), .reason = REASON_IO_SWITCHBOARD_EXITED, .message = b->limitation_message};
	say(b->m, MZ_LOG_ERROR, "Container '%s' is destroyed: its I/O server ended before it", b->id);
	box_destroy(b);
}

/* Of itself it ends after the shim; but who dies lets go of things in no order that we
 * could rely on. */
void io_check(struct box *b)
{
	if (b->io.pid && b->io.pidfd < 0 && b->state == BOX_RUNNING && !b->io.timer)
		b->io.timer = b->m->h->timer(b->m->h, LOST_NS, on_lost, b);
}

static void on_ended(void *arg, int ready)
{
	(void)ready;
	struct box *b = arg;
	void (*fn)(struct box *) = b->io.on_ended;
	forget(b);
	unlink_socket(b);
	b->io.on_ended = NULL;
	if (fn)
		fn(b);
	else
		io_check(b);
}

void io_adopt(struct box *b, int32_t pid, unsigned long long start, int pidfd)
{
	b->io.pid = pid;
	b->io.start = start;
	b->io.pidfd = pidfd;
	if (pidfd < 0) {
		unlink_socket(b);
		return;
	}
	b->io.watch = b->m->h->watch(b->m->h, pidfd, MZ_READ, on_ended, b);
	if (!b->io.watch)
		forget(b);
}

void io_told(struct box *b, const char *text)
{
	int pid;
	unsigned long long start;
	if (sscanf(text, "%d %llu", &pid, &start) == 2)
		io_adopt(b, pid, start, living_open(pid, start));
}

static void on_late(void *arg)
{
	struct box *b = arg;
	b->io.timer = NULL;
	say(b->m, MZ_LOG_WARNING, "The I/O server of container '%s' does not end: it is killed", b->id);
	(void)pidfd_send_signal(b->io.pidfd, SIGKILL, NULL, 0); /* else it has ended, which we hear of */
}

int io_wait(struct box *b, void (*fn)(struct box *b))
{
	if (b->io.pidfd < 0)
		return 0;
	b->io.on_ended = fn;
	b->io.timer = b->m->h->timer(b->m->h, END_NS, on_late, b);
	return 1;
}

void io_done(struct box *b)
{
	forget(b);
}

/* ---- attach ------------------------------------------------------------------------- */

/* By a short name: the way to the socket may be longer than an address can be. */
static int connect_to(struct box *b, struct mz_err *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char why[128];
	int dir = open(b->m->io_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc = 0;
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%d.%llu", dir, b->io.pid, b->io.start);
	if (dir < 0 || fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
	}
	if (dir >= 0)
		close(dir);
	return rc < 0 ? fail(err, rc, "Cannot connect to the container's I/O server: %s", reason(rc, why, sizeof(why))) : fd;
}

void mesos_attach(void *inst, const char *id, struct mz_op *op)
{
	struct mesos *m = inst;
	struct box *b = box_find(m, id);
	struct mz_err err;
	int fd;
	if (!b || b->launch_op)
		fd = fail(&err, -ENOENT, "The container is not running");
	else if (!b->io.pid)
		fd = fail(&err, -EOPNOTSUPP, "The container was not started to be attached to");
	else if (b->io.pidfd < 0)
		fd = fail(&err, -ENOENT, "The container has ended");
	else
		fd = connect_to(b, &err);
	struct mz_attach_result r = {.size = sizeof(r), .fd = fd};
	m->h->op_done(op, fd < 0 ? &err : NULL, fd < 0 ? NULL : &r);
}

/* ---- after a restart: sockets of which no server is left (worker thread) --------------- */

void io_sweep(const struct mesos *m)
{
	DIR *d = opendir(m->io_dir);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		int pid;
		unsigned long long start;
		if (sscanf(e->d_name, "%d.%llu", &pid, &start) != 2)
			continue;
		int fd = living_open(pid, start);
		if (fd >= 0)
			close(fd);
		else if (fd == -ESRCH)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}
