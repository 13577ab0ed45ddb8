/* containers_io_world.c - for containers_io_test: an agent's containers with the real
 * modules, and clients of the I/O server that remember all that they were sent.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "containers_io_world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "module/containers_real.h"
#include "os/tree.h"

const char *launcher = "posix", *stall = "30secs", *hierarchy;
const char *const *isolators;

void life_begin(struct life *l)
{
	char text[800];
	l->hierarchy = hierarchy;
	life_open(l);
	snprintf(text, sizeof(text), "%s/tests/unit/steps_isolator.so", build);
	life_add(l, MZ_KIND_ISOLATOR, text, NULL);
	for (size_t i = 0; isolators && isolators[i]; i++)
		life_add(l, MZ_KIND_ISOLATOR, isolators[i], NULL);
	snprintf(text, sizeof(text), "{init: %s/core/bin/mezzo-init, launcher: %s, attach_stall: %s}", build, launcher, stall);
	life_add(l, MZ_KIND_CONTAINERIZER, "mesos", text);
}

void life_end(struct life *l)
{
	until_idle(l);
	life_close(l);
}

struct run *launch(struct life *l, const char *id, const char *script, struct how how)
{
	mz_autofree char *variable = xasprintf("STEPS=%s", how.steps ? how.steps : "");
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	const char *const env[] = {"PATH=/usr/bin:/bin", variable, NULL};
	struct run *r = run_launch(l, (struct container_config){
					      .id = id,
					      .user = how.user,
					      .argv = argv,
					      .env = env,
					      .attachable = !how.ordinary,
					      .tty = how.tty,
					      .tty_rows = how.rows,
					      .tty_columns = how.columns,
					      .container_class = how.debug ? MZ_CONTAINER_DEBUG : MZ_CONTAINER_DEFAULT});
	until(l, &r->launched);
	return r;
}

struct run *start(struct life *l, const char *id, const char *script, struct how how)
{
	struct run *r = launch(l, id, script, how);
	if (r->code)
		fail_msg("%s", r->message);
	return r;
}

int n_in(const char *path)
{
	int n = 0;
	DIR *d = opendir(path);
	struct dirent *e;
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* ---- clients ----------------------------------------------------------------------- */

struct attached {
	bool done;
	int fd, code;
};

static void on_attached(void *arg, const struct mz_err *err, int fd)
{
	struct attached *a = arg;
	*a = (struct attached){true, fd, err ? err->code : 0};
}

int try_attach(struct life *l, const char *id, int *ret_fd)
{
	struct attached a = {0};
	l->c->ops->attach(l->c, id, on_attached, &a);
	until(l, &a.done);
	*ret_fd = a.fd;
	return a.code;
}

void put(int fd, const void *data, size_t size)
{
	const char *p = data;
	while (size) {
		struct pollfd w = {fd, POLLOUT, 0};
		assert_int_equal(poll(&w, 1, 60000), 1);
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
		assert_true(n > 0);
		p += n;
		size -= (size_t)n;
	}
}

void put_frame(int fd, int type, const void *data, size_t size)
{
	unsigned char head[HEAD] = {(unsigned char)type};
	for (int i = 0; i < 4; i++)
		head[4 + i] = (unsigned char)(size >> (8 * i));
	put(fd, head, HEAD);
	put(fd, data, size);
}

struct client attach(struct life *l, const char *id, char kind)
{
	struct client c = {0};
	assert_int_equal(try_attach(l, id, &c.fd), 0);
	assert_true(c.fd >= 0);
	assert_true(fcntl(c.fd, F_GETFD) & FD_CLOEXEC);
	put_frame(c.fd, MZ_IO_HELLO, &kind, 1);
	return c;
}

static void add(char **to, size_t *n, const void *data, size_t size)
{
	*to = xrealloc(*to, *n + size + 1);
	memcpy(*to + *n, data, size);
	*n += size;
	(*to)[*n] = '\0';
}

static void take_frames(struct client *c)
{
	const unsigned char *p = (unsigned char *)c->in;
	size_t size;
	while (c->n_in >= HEAD && c->n_in >= HEAD + (size = p[4] | (size_t)p[5] << 8 | (size_t)p[6] << 16)) {
		assert_int_equal(c->n_ends, 0); /* nothing behind it */
		assert_true(size <= MZ_IO_MAX && !p[1] && !p[2] && !p[3] && !p[7]);
		if (p[0] == MZ_IO_STDOUT)
			add(&c->out, &c->n_out, p + HEAD, size);
		else if (p[0] == MZ_IO_STDERR)
			add(&c->err, &c->n_err, p + HEAD, size);
		else if (p[0] == MZ_IO_END)
			c->n_ends++;
		else
			fail_msg("a frame of type %d", p[0]);
		c->n_in -= HEAD + size;
		memmove(c->in, c->in + HEAD + size, c->n_in);
	}
}

/* What there is, waiting a moment for it. */
void receive(struct client *c)
{
	static char data[262144];
	struct pollfd r = {c->fd, POLLIN, 0};
	if (c->closed || poll(&r, 1, 10) <= 0)
		return;
	ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		c->closed = true;
		return;
	}
	add(&c->in, &c->n_in, data, (size_t)n);
	take_frames(c);
}

void until_closed(struct life *l, struct client *c)
{
	for (int i = 0; i < 6000 && !c->closed; i++) {
		receive(c);
		loop_event_turn(l->loop, 0);
	}
	assert_true(c->closed);
}

void until_output(struct life *l, struct client *c, const char *text)
{
	for (int i = 0; i < 6000 && !c->closed && !(c->out && strstr(c->out, text)); i++) {
		receive(c);
		loop_event_turn(l->loop, 0);
	}
	if (!c->out || !strstr(c->out, text))
		fail_msg("'%s' does not have '%s'", c->out ? c->out : "", text);
}

void client_done(struct client *c)
{
	close(c->fd);
	free(c->in);
	free(c->out);
	free(c->err);
	*c = (struct client){.fd = -1, .closed = true};
}

void say(struct client *c, const char *text)
{
	put_frame(c->fd, MZ_IO_STDIN, text, strlen(text));
}

/* ---- set up ------------------------------------------------------------------------------ */

int set_up(void **state)
{
	static struct life l;
	stall = "30secs";
	isolators = NULL;
	hierarchy = NULL;
	if (make_root("io") < 0)
		return -1;
	life_begin(&l);
	*state = &l;
	return 0;
}

static void on_recovered(void *arg, const struct mz_err *err)
{
	(void)err;
	*(bool *)arg = true;
}

/* Of a test that failed. */
static void destroy_the_rest(struct life *l)
{
	struct mz_err err;
	bool done = false;
	if (!l->c) {
		life_begin(l);
		l->c->ops->recover(l->c, NULL, 0, on_recovered, &done);
		until(l, &done);
	}
	struct run *r;
	for (size_t i = 0; (r = run_at(i)); i++)
		if (r->launched && !r->code && !r->exited)
			(void)l->c->ops->terminate(l->c, r->id, &err);
	for (size_t i = 0; (r = run_at(i)); i++)
		for (int k = 0; k < 1000 && r->launched && !r->code && !r->exited; k++)
			loop_event_turn(l->loop, 10 * NS_PER_MS);
}

/* A cgroup of ours, which should be gone or empty. */
static int remove_group(const char *top)
{
	mz_autofree char *dir = xasprintf("%s/%s", top, group);
	if (rmdir(dir) == 0 || errno == ENOENT)
		return 0;
	fprintf(stderr, "'%s' is left behind: %s\n", dir, strerror(errno));
	mz_autofree char *command = xasprintf("find %s -depth -type d -exec rmdir {} \\; 2>/dev/null", dir);
	(void)!system(command);
	return -1;
}

int tear_down(void **state)
{
	static const char *const tops[] = {"/sys/fs/cgroup/freezer", "/sys/fs/cgroup",	       "/sys/fs/cgroup/unified",
					   "/sys/fs/cgroup/cpu",     "/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/memory",
					   "/sys/fs/cgroup/pids",    "/sys/fs/cgroup/devices"};
	int rc = 0;
	destroy_the_rest(*state);
	life_end(*state);
	if (n_in(at("run/%s", "io"))) {
		fprintf(stderr, "sockets are left behind\n");
		rc = -1;
	}
	for (size_t i = 0; i < MZ_N(tops); i++)
		rc |= remove_group(tops[i]);
	return tree_remove(root, NULL) | rc;
}

int set_up_on_posix(void **state)
{
	launcher = "posix";
	return set_up(state);
}

int set_up_on_linux(void **state)
{
	launcher = "linux";
	return set_up(state);
}

void launcher_linux(void **state)
{
	(void)state;
	print_message("skipped: the launcher linux needs root and cgroups\n");
	skip();
}

bool begin(int argc, char **argv, bool *ret_has_linux)
{
	(void)argc;
	log_set_level(MZ_LOG_ERROR);
	*ret_has_linux = geteuid() == 0 && (access("/sys/fs/cgroup/freezer/cgroup.procs", F_OK) == 0 ||
					    access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ||
					    access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK) == 0);
	return find_build(argv[0]);
}
