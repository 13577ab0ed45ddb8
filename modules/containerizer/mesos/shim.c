/* shim.c - containerizer/mesos: starting mezzo-init and speaking with it. What is
 * said is written in core/bin/init.h: a launch description as its stdin, a socket
 * as its stdout.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesos.h"

static int overridden(const struct mz_containerizer_host *k, const struct mz_launch *l, const char *variable)
{
	struct mz_launch_entry e;
	for (size_t i = 0; k->launch_read(l, i, &e) == 0; i++) {
		size_t n = e.step == MZ_LAUNCH_ENV ? strlen(e.a) : 0;
		if (n && !strncmp(variable, e.a, n) && variable[n] == '=')
			return 1;
	}
	return 0;
}

static void add_groups(struct text *t, const uint32_t *gids, size_t n)
{
	char list[64 * 12] = "";
	size_t len = 0;
	for (size_t i = 0; i < n && i < 64; i++)
		len += (size_t)sprintf(list + len, "%s%u", i ? " " : "", gids[i]);
	text_add(t, 'G', list, NULL);
}

/* What an isolator asked for; -EOPNOTSUPP for what takes the linux launcher. */
static int add_step(struct box *b, struct text *t, const struct mz_launch_entry *e, int *has_groups, struct mz_err *err)
{
	char line[96];
	switch (e->step) {
	case MZ_LAUNCH_ENV:
		text_add(t, 'E', e->a, e->b);
		return 0;
	case MZ_LAUNCH_RLIMIT:
		snprintf(line, sizeof(line), "%llu %llu %llu", (unsigned long long)e->n[0],
			 (unsigned long long)e->n[1], (unsigned long long)e->n[2]);
		text_add(t, 'L', line, NULL);
		return 0;
	case MZ_LAUNCH_OOM_SCORE_ADJ:
		snprintf(line, sizeof(line), "%lld", (long long)e->n[0]);
		text_add(t, 'J', line, NULL);
		return 0;
	case MZ_LAUNCH_NO_NEW_PRIVS:
		text_add(t, 'P', "", NULL);
		return 0;
	case MZ_LAUNCH_GROUPS:
		if (b->switch_user) {
			add_groups(t, e->bytes.data, e->bytes.size / sizeof(uint32_t));
			*has_groups = 1;
		}
		return 0;
	default:
		if (b->is_linux)
			return linux_add_step(t, e, err);
		return fail(err, -EOPNOTSUPP, "Isolator '%.100s' asks for something (step %u) that the launcher 'posix' cannot do",
			    e->isolator ? e->isolator : "?", e->step);
	}
}

/* Of the isolator that gives the root file system, then of the others: what it mounts
 * is what they mount on. */
static int add_steps(struct box *b, struct text *t, int *has_groups, struct mz_err *err)
{
	const struct mz_containerizer_host *k = b->m->k;
	struct mz_launch_entry e;
	const char *first = NULL;
	for (size_t i = 0; !first && k->launch_read(b->launch, i, &e) == 0; i++)
		if (e.step == MZ_LAUNCH_ROOTFS)
			first = e.isolator;
	for (int others = !first; others < 2; others++)
		for (size_t i = 0; k->launch_read(b->launch, i, &e) == 0; i++) {
			if (first && (!e.isolator || strcmp(e.isolator, first) != 0) != others)
				continue;
			int rc = add_step(b, t, &e, has_groups, err);
			if (rc < 0)
				return rc;
		}
	return 0;
}

static int describe(struct box *b, struct text *t, struct mz_err *err)
{
	const struct mz_containerizer_host *k = b->m->k;
	const struct mz_container *c = b->c;
	char line[64];
	char *record = record_path(b->m, b->id);
	if (!record)
		return fail(err, -ENOMEM, "Out of memory");
	text_add(t, 'F', record, NULL);
	if (strcmp(strrchr(record, '/') + 1, b->id) != 0)
		text_add(t, 'n', b->id, NULL);
	free(record);
	text_add(t, 'S', c->sandbox, NULL);
	if (c->directory)
		text_add(t, 'Y', c->directory, NULL);
	text_add(t, 'O', b->file_out ? b->file_out : "stdout", NULL);
	text_add(t, 'R', b->file_err ? b->file_err : "stderr", NULL);
	if (b->fd_out >= 0 || b->fd_err >= 0) {
		snprintf(line, sizeof(line), "%d", (b->fd_out >= 0) | (b->fd_err >= 0) << 1);
		text_add(t, 'd', line, NULL);
	}
	io_describe(b, t);
	for (size_t i = 0; c->argv && c->argv[i]; i++)
		text_add(t, 'A', c->argv[i], NULL);
	for (size_t i = 0; c->env && c->env[i]; i++)
		if (!overridden(k, b->launch, c->env[i]))
			text_add(t, 'E', c->env[i], NULL);
	int has_groups = 0, rc = add_steps(b, t, &has_groups, err);
	if (rc < 0)
		return rc;
	if (b->switch_user) {
		snprintf(line, sizeof(line), "%u %u", b->uid, b->gid);
		text_add(t, 'U', line, NULL);
		if (!has_groups)
			add_groups(t, b->groups, (size_t)b->n_groups);
	}
	return b->is_linux ? linux_describe(b, t, err) : 0;
}

/* An open file with the description in it. */
static int description_file(struct box *b, int *ret_fd, struct mz_err *err)
{
	struct text t = {0};
	int rc = describe(b, &t, err);
	if (rc < 0) {
		free(t.data);
		return rc;
	}
	return text_file(&t, ret_fd, err);
}

/* The logger's descriptors go ahead of everything else that is said. */
static int send_fds(struct box *b, struct mz_err *err)
{
	int fds[2], n = 0;
	char why[128], byte = 'd';
	union {
		char data[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr align;
	} u = {{0}};
	if (b->fd_out >= 0)
		fds[n++] = b->fd_out;
	if (b->fd_err >= 0)
		fds[n++] = b->fd_err;
	if (!n)
		return 0;
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = u.data,
			   .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	int rc = sendmsg(b->control, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
	for (int i = 0; i < n; i++)
		close(fds[i]);
	b->fd_out = b->fd_err = -1;
	return rc < 0 ? fail(err, rc, "Cannot hand the output's descriptors over: %s", reason(rc, why, sizeof(why))) : 0;
}

/* ---- what it says ---------------------------------------------------------------- */

static void on_failed(struct box *b, char *text)
{
	long code = strtol(text, &text, 10);
	while (*text == ' ')
		text++;
	/* A destroy that crossed it does not hide why. */
	fail(&b->err, code ? -(int)code : -EIO, "%s", text);
}

/* Takes whatever has been said; its end of file is seen as the process's exit. Is
 * there nothing more to wait for? */
static int listen_to(struct box *b)
{
	char text[768];
	int done = 0;
	for (;;) {
		ssize_t n = recv(b->control, text, sizeof(text) - 1, MSG_DONTWAIT);
		if (n <= 0)
			return done || n == 0 || (errno != EAGAIN && errno != EINTR);
		text[n] = '\0';
		done |= strncmp(text, "created ", 8) != 0 && strncmp(text, "io ", 3) != 0;
		if (!strncmp(text, "io ", 3))
			io_told(b, text + 3);
		else if (!strncmp(text, "ok ", 3))
			on_box_started(b, (int32_t)atoi(text + 3));
		else if (!strncmp(text, "created ", 8))
			on_box_created(b, (int32_t)atoi(text + 8));
		else if (!strncmp(text, "exit ", 5))
			b->wait_status = (int32_t)atoi(text + 5);
		else if (!strncmp(text, "failed ", 7))
			on_failed(b, text + 7);
	}
}

static void on_control(void *arg, int ready)
{
	(void)ready;
	struct box *b = arg;
	/* Only the first words are waited for; the last one is read at the exit. */
	if (!listen_to(b) || !b->watch)
		return;
	b->m->h->unwatch(b->m->h, b->watch);
	b->watch = NULL;
}

static void on_groups_killed(void *arg, int32_t pid, int32_t wait_status)
{
	(void)pid;
	struct box *b = arg;
	if (wait_status)
		say(b->m, MZ_LOG_ERROR, "What was left of container '%s' may not all be dead", b->id);
	on_box_exited(b);
}

/* The shim is gone; was it able to take everything along? */
static void finish_shim(struct box *b, int is_clean)
{
	struct mz_err err;
	const char *id = b->id;
	if (!is_clean && b->is_linux) {
		if (linux_kill_groups(b->m, &id, 1, on_groups_killed, b, &err) == 0)
			return;
		say(b->m, MZ_LOG_ERROR, "Cannot kill what is left of container '%s': %s", b->id, err.msg);
	}
	on_box_exited(b);
}

static void on_exit_status(void *arg, int32_t pid, int32_t wait_status)
{
	(void)pid;
	struct box *b = arg;
	b->child = NULL;
	if (b->control >= 0)
		(void)listen_to(b);
	if (b->wait_status == -1 && !b->err.code)
		say(b->m, MZ_LOG_WARNING, "The shim of container '%s' ended with status %d and without a word", b->id,
		    wait_status);
	finish_shim(b, WIFEXITED(wait_status));
}

/* ---- starting -------------------------------------------------------------------- */

int shim_start(struct box *b, struct mz_err *err)
{
	struct mesos *m = b->m;
	char why[128];
	int description = -1, pair[2];
	int rc = description_file(b, &description, err);
	if (rc < 0)
		return rc;
	/* Messages keep their borders. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		rc = fail(err, -errno, "Cannot make a socket for the shim: %s", reason(errno, why, sizeof(why)));
		close(description);
		return rc;
	}
	const char *const argv[] = {m->init_copy ? m->init_copy : m->init_path, b->id, NULL};
	struct mz_spawn s = {
		.size = sizeof(s), .fd_in = description, .fd_out = pair[1], .fd_err = -1, .argv = argv, .dir = "/"};
	rc = m->h->spawn(m->h, &s, on_exit_status, b, &b->child, &b->pid, err);
	close(description);
	close(pair[1]);
	if (rc < 0) {
		close(pair[0]);
		return rc;
	}
	b->control = pair[0];
	struct mz_err late;
	if (send_fds(b, &late) < 0) {
		b->err = late;
		shim_call_off(b);
	}
	if (b->is_linux)
		b->watch = m->h->watch(m->h, b->control, MZ_READ, on_control, b);
	return 0;
}

int shim_release(struct box *b, struct mz_err *err)
{
	char why[128];
	if (send(b->control, "g", 1, MSG_NOSIGNAL) != 1) {
		int code = errno;
		shim_call_off(b); /* it waits for that, and hears no signal */
		return fail(err, -code, "Cannot start the container: %s", reason(code, why, sizeof(why)));
	}
	b->has_record = 1; /* it makes one now */
	if (!b->watch)
		b->watch = b->m->h->watch(b->m->h, b->control, MZ_READ, on_control, b);
	return 0;
}

void shim_call_off(struct box *b)
{
	if (b->control >= 0)
		shutdown(b->control, SHUT_WR);
}

int shim_signal(struct box *b, int signal)
{
	if (b->child)
		return b->m->h->child_signal(b->m->h, b->child, signal);
	if (b->pidfd >= 0)
		return pidfd_send_signal(b->pidfd, signal, NULL, 0) < 0 ? -errno : 0;
	return -ESRCH;
}

int shim_forward(struct box *b, int signal)
{
	siginfo_t si = {0};
	si.si_signo = SIGRTMIN;
	si.si_code = SI_QUEUE;
	si.si_pid = getpid();
	si.si_uid = getuid();
	si.si_value.sival_int = signal;
	if (b->pidfd >= 0)
		return pidfd_send_signal(b->pidfd, SIGRTMIN, &si, 0) < 0 ? -errno : 0;
	if (!b->child)
		return -ESRCH;
	/* Our child, not reaped yet: the pid is its own. */
	return sigqueue(b->pid, SIGRTMIN, si.si_value) < 0 ? -errno : 0;
}

/* ---- shims of another life ------------------------------------------------------- */

/* The status of a shim that is not our child is in its record. */
struct late {
	struct pending pending;
	struct box *b;
	char *path, *group;
	struct record r;
	int is_left; /* its cgroup */
};

static void late_work(void *arg)
{
	struct late *l = arg;
	(void)record_read(l->path, &l->r); /* then nothing is known, which is reported */
	if (l->r.pidfd >= 0)
		close(l->r.pidfd);
	if (l->r.io_pidfd >= 0)
		close(l->r.io_pidfd);
	l->is_left = l->group && access(l->group, F_OK) == 0;
}

static void late_drop(struct pending *p)
{
	struct late *l = (struct late *)p;
	free(l->r.id);
	free(l->path);
	free(l->group);
	free(l);
}

static void on_late(void *arg)
{
	struct late *l = arg;
	pending_end(&l->pending);
	if (l->r.ended)
		l->b->wait_status = l->r.wait_status;
	finish_shim(l->b, !l->is_left);
	late_drop(&l->pending);
}

static void on_pidfd(void *arg, int ready)
{
	(void)ready;
	struct box *b = arg;
	struct mesos *m = b->m;
	m->h->unwatch(m->h, b->watch);
	b->watch = NULL;
	struct late *l = calloc(1, sizeof(*l));
	if (!l)
		return on_box_exited(b);
	pending_add(&m->pending, &l->pending, late_drop);
	l->b = b;
	l->r.pidfd = l->r.io_pidfd = -1;
	l->path = record_path(m, b->id);
	l->group = b->is_linux ? linux_group(m, b->id) : NULL;
	if (!l->path || m->h->offload(m->h, late_work, on_late, l) < 0) {
		/* Rather wait for a small file than lose the status. */
		if (l->path)
			late_work(l);
		on_late(l);
	}
}

int shim_adopt(struct box *b, const struct record *r, int pidfd)
{
	b->pid = r->pid;
	b->payload = r->payload;
	b->is_linux = r->is_linux;
	b->first = r->is_linux ? r->payload : r->pid;
	b->pidfd = pidfd;
	b->has_record = 1;
	b->watch = b->m->h->watch(b->m->h, pidfd, MZ_READ, on_pidfd, b);
	return b->watch ? 0 : -ENOMEM;
}

int shim_lives(const struct box *b)
{
	char byte;
	struct pollfd p = {b->pidfd, POLLIN, 0};
	if (b->pidfd >= 0)
		return poll(&p, 1, 0) == 0;
	/* Its last word may wait to be read. */
	return b->child && recv(b->control, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void shim_done(struct box *b)
{
	b->m->h->timer_cancel(b->m->h, b->overdue);
	b->overdue = NULL;
	if (b->watch)
		b->m->h->unwatch(b->m->h, b->watch);
	b->watch = NULL;
	if (b->control >= 0)
		close(b->control);
	if (b->pidfd >= 0)
		close(b->pidfd);
	if (b->fd_out >= 0)
		close(b->fd_out);
	if (b->fd_err >= 0)
		close(b->fd_err);
	b->control = b->pidfd = b->fd_out = b->fd_err = -1;
}
