/* shim.c - containerizer/mesos: starting mezzo-init and speaking with it. What is
 * said is written in core/bin/init.h: a launch description as its stdin, a socket
 * as its stdout.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesos.h"

/* The description while it is written; one failed allocation spoils it all. */
struct text {
	char *data;
	size_t len, cap;
	int broken;
};

static void add(struct text *t, char key, const char *a, const char *b)
{
	size_t n = 1 + strlen(a) + (b ? strlen(b) + 1 : 0) + 1;
	if (t->len + n > t->cap) {
		size_t cap = (t->cap + n) * 2;
		char *more = realloc(t->data, cap);
		if (!more) {
			t->broken = 1;
			return;
		}
		t->data = more;
		t->cap = cap;
	}
	t->len += (size_t)sprintf(t->data + t->len, "%c%s%s%s", key, a, b ? "=" : "", b ? b : "") + 1;
}

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
	add(t, 'G', list, NULL);
}

/* What an isolator asked for; -EOPNOTSUPP for what takes the linux launcher. */
static int add_step(struct box *b, struct text *t, const struct mz_launch_entry *e, int *has_groups, struct mz_err *err)
{
	char line[96];
	switch (e->step) {
	case MZ_LAUNCH_ENV:
		add(t, 'E', e->a, e->b);
		return 0;
	case MZ_LAUNCH_RLIMIT:
		snprintf(line, sizeof(line), "%llu %llu %llu", (unsigned long long)e->n[0],
			 (unsigned long long)e->n[1], (unsigned long long)e->n[2]);
		add(t, 'L', line, NULL);
		return 0;
	case MZ_LAUNCH_OOM_SCORE_ADJ:
		snprintf(line, sizeof(line), "%lld", (long long)e->n[0]);
		add(t, 'J', line, NULL);
		return 0;
	case MZ_LAUNCH_NO_NEW_PRIVS:
		add(t, 'P', "", NULL);
		return 0;
	case MZ_LAUNCH_GROUPS:
		if (b->switch_user) {
			add_groups(t, e->bytes.data, e->bytes.size / sizeof(uint32_t));
			*has_groups = 1;
		}
		return 0;
	default:
		return fail(err, -EOPNOTSUPP, "Isolator '%.100s' asks for something (step %u) that the launcher 'posix' cannot do",
			    e->isolator ? e->isolator : "?", e->step);
	}
}

static int describe(struct box *b, struct text *t, struct mz_err *err)
{
	const struct mz_containerizer_host *k = b->m->k;
	const struct mz_container *c = b->c;
	char line[64];
	char *record = record_path(b->m, b->id);
	if (!record)
		return fail(err, -ENOMEM, "Out of memory");
	add(t, 'F', record, NULL);
	free(record);
	add(t, 'S', c->sandbox, NULL);
	add(t, 'O', "stdout", NULL);
	add(t, 'R', "stderr", NULL);
	for (size_t i = 0; c->argv && c->argv[i]; i++)
		add(t, 'A', c->argv[i], NULL);
	for (size_t i = 0; c->env && c->env[i]; i++)
		if (!overridden(k, b->launch, c->env[i]))
			add(t, 'E', c->env[i], NULL);
	struct mz_launch_entry e;
	int has_groups = 0;
	for (size_t i = 0; k->launch_read(b->launch, i, &e) == 0; i++) {
		int rc = add_step(b, t, &e, &has_groups, err);
		if (rc < 0)
			return rc;
	}
	if (b->switch_user) {
		snprintf(line, sizeof(line), "%u %u", b->uid, b->gid);
		add(t, 'U', line, NULL);
		if (!has_groups)
			add_groups(t, b->groups, (size_t)b->n_groups);
	}
	return t->broken ? fail(err, -ENOMEM, "Out of memory") : 0;
}

/* An open file with the description in it. */
static int description_file(struct box *b, int *ret_fd, struct mz_err *err)
{
	struct text t = {0};
	char why[128];
	int rc = describe(b, &t, err);
	int fd = rc < 0 ? -1 : memfd_create("launch", MFD_CLOEXEC);
	if (rc == 0 && (fd < 0 || write(fd, t.data, t.len) != (ssize_t)t.len)) {
		rc = fail(err, fd < 0 ? -errno : -EIO, "Cannot write the launch description: %s",
			  reason(errno, why, sizeof(why)));
		if (fd >= 0)
			close(fd);
	}
	free(t.data);
	if (rc == 0)
		*ret_fd = fd;
	return rc;
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

/* Takes whatever has been said; its end of file is seen as the process's exit. */
static void listen_to(struct box *b)
{
	char text[768];
	for (;;) {
		ssize_t n = recv(b->control, text, sizeof(text) - 1, MSG_DONTWAIT);
		if (n <= 0)
			return;
		text[n] = '\0';
		if (!strncmp(text, "ok ", 3))
			on_box_started(b, (int32_t)atoi(text + 3));
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
	/* Only the first word is waited for; the last one is read at the exit. */
	b->m->h->unwatch(b->m->h, b->watch);
	b->watch = NULL;
	listen_to(b);
}

static void on_exit_status(void *arg, int32_t pid, int32_t wait_status)
{
	(void)pid;
	struct box *b = arg;
	b->child = NULL;
	if (b->control >= 0)
		listen_to(b);
	if (b->wait_status == -1 && !b->err.code)
		say(b->m, MZ_LOG_WARNING, "The shim of container '%s' ended with status %d and without a word", b->id,
		    wait_status);
	on_box_exited(b);
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
	const char *const argv[] = {m->init_path, b->id, NULL};
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
	return 0;
}

int shim_release(struct box *b, struct mz_err *err)
{
	char why[128];
	if (send(b->control, "g", 1, MSG_NOSIGNAL) != 1)
		return fail(err, -errno, "Cannot start the container: %s", reason(errno, why, sizeof(why)));
	b->has_record = 1; /* it makes one now */
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
	struct box *b;
	char *path;
	struct record r;
};

static void late_work(void *arg)
{
	struct late *l = arg;
	(void)record_read(l->path, &l->r); /* then nothing is known, which is reported */
	if (l->r.pidfd >= 0)
		close(l->r.pidfd);
}

static void on_late(void *arg)
{
	struct late *l = arg;
	if (l->r.ended)
		l->b->wait_status = l->r.wait_status;
	on_box_exited(l->b);
	free(l->path);
	free(l);
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
	l->b = b;
	l->r.pidfd = -1;
	l->path = record_path(m, b->id);
	if (!l->path || m->h->offload(m->h, late_work, on_late, l) < 0) {
		/* Rather wait for a small file than lose the status. */
		if (l->path)
			late_work(l);
		on_late(l);
	}
}

int shim_adopt(struct box *b, int32_t pid, int32_t payload, int pidfd)
{
	b->pid = pid;
	b->payload = payload;
	b->pidfd = pidfd;
	b->has_record = 1;
	b->watch = b->m->h->watch(b->m->h, pidfd, MZ_READ, on_pidfd, b);
	return b->watch ? 0 : -ENOMEM;
}

void shim_done(struct box *b)
{
	if (b->watch)
		b->m->h->unwatch(b->m->h, b->watch);
	b->watch = NULL;
	if (b->control >= 0)
		close(b->control);
	if (b->pidfd >= 0)
		close(b->pidfd);
	b->control = b->pidfd = -1;
}
