/* network_ports_test.c - this process and its child listen.
 * SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../kit_world.h"
#include "../orphan_world.h"
#include "listening.h"

static const int64_t minute = 60000000000;

/* A listening socket on a free port. */
static int listen_somewhere(int family, uint16_t *ret_port)
{
	struct sockaddr_in6 a = {.sin6_family = (sa_family_t)family};
	socklen_t size = family == AF_INET6 ? sizeof(a) : sizeof(struct sockaddr_in);
	int fd = socket(family, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, size) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &size) < 0)
		return -1;
	*ret_port = ntohs(a.sin6_port); /* at the same place in both */
	return fd;
}

/* One look, with tables of its own. */
static int look(int32_t pid, const char *group, struct listening *ret)
{
	struct tables t = {NULL};
	int rc = listening_ports(&t, pid, group, ret);
	tables_done(&t);
	return rc;
}

static int has(const struct listening *l, uint16_t port)
{
	int found = 0;
	for (size_t i = 0; i < l->n; i++) {
		assert_true(i == 0 || l->ports[i - 1] < l->ports[i]); /* sorted */
		found |= l->ports[i] == port;
	}
	return found;
}


static int listens_on(int32_t pid, const char *group, uint16_t port)
{
	struct listening l;
	assert_int_equal(look(pid, group, &l), 0);
	int found = has(&l, port);
	free(l.ports);
	return found;
}

static void finds_ports(void **state)
{
	(void)state;
	struct listening l;
	uint16_t four, six = 0, childs;
	int fds[2], fd4 = listen_somewhere(AF_INET, &four), fd6 = listen_somewhere(AF_INET6, &six);
	assert_true(fd4 >= 0);
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (listen_somewhere(AF_INET, &childs) < 0 || write(fds[1], &childs, sizeof(childs)) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(fds[0], &childs, sizeof(childs)), sizeof(childs));
	assert_true(listens_on(getpid(), NULL, four));
	assert_true(fd6 < 0 || listens_on(getpid(), NULL, six));
	assert_true(listens_on(getpid(), NULL, childs));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd4);
	if (fd6 >= 0)
		close(fd6);
	close(fds[0]);
	close(fds[1]);
	assert_false(listens_on(getpid(), NULL, four));
	assert_int_equal(look(pid, NULL, &l), -ESRCH);
}

/* However many it may have, and whatever else there is: connections come behind in the
 * kernel's list. */
static void finds_all(void **state)
{
	(void)state;
	enum { N = 300 };
	int fds[N], ends[N], n_connected = 0;
	uint16_t ports[N], ours[N];
	for (int i = 0; i < N; i++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		fds[i] = listen_somewhere(AF_INET, &ports[i]);
		ends[i] = socket(AF_INET, SOCK_STREAM, 0);
		a.sin_port = htons(ports[i]);
		assert_true(fds[i] >= 0);
		/* On a machine without a network there are none. */
		assert_true(connect(ends[i], (struct sockaddr *)&a, sizeof(a)) == 0 || errno == ENETUNREACH);
		socklen_t size = sizeof(a);
		assert_int_equal(getsockname(ends[i], (struct sockaddr *)&a, &size), 0);
		ours[i] = ntohs(a.sin_port);
		n_connected += ours[i] != 0;
	}
	struct listening l;
	assert_int_equal(look(getpid(), NULL, &l), 0);
	assert_true(l.n >= N);
	for (int i = 0; i < N; i++)
		assert_true(has(&l, ports[i]));
	/* The other ends do not listen. (A few have a number that is listened on, by another address.) */
	int n_counted = 0;
	for (int i = 0; i < N; i++)
		n_counted += ours[i] && has(&l, ours[i]);
	assert_true(n_counted < N / 2 || !n_connected);
	free(l.ports);
	for (int i = 0; i < N; i++) {
		close(ends[i]);
		close(fds[i]);
	}
}

/* Of containers in one namespace only the first has its sockets read. */
static void reads_a_namespace_once(void **state)
{
	(void)state;
	struct tables t = {NULL};
	struct listening l;
	uint16_t before, after;
	int fd = listen_somewhere(AF_INET, &before);
	assert_int_equal(listening_ports(&t, getpid(), NULL, &l), 0);
	assert_true(l.n > 0);
	free(l.ports);
	const struct table *first = t.first;
	int late = listen_somewhere(AF_INET, &after);
	assert_int_equal(listening_ports(&t, getpid(), NULL, &l), 0);
	assert_ptr_equal(t.first, first);
	assert_false(has(&l, after));
	free(l.ports);
	tables_done(&t);
	assert_true(listens_on(getpid(), NULL, after));
	close(fd);
	close(late);
}

static int orphans_port[2]; /* a pipe */

static void listens(int pipe, int is_orphan)
{
	uint16_t port = 0;
	if (is_orphan && (listen_somewhere(AF_INET, &port) < 0 || write(orphans_port[1], &port, sizeof(port)) < 0))
		return;
	if (write(pipe, "x", 1) == 1)
		(void)pause();
}

/* Nothing of a tree leads to it, but it is in the group. */
static void finds_orphans(void **state)
{
	(void)state;
	uint16_t port, other;
	char path[CG_PATH_SIZE];
	int fd = listen_somewhere(AF_INET, &other);
	assert_int_equal(pipe(orphans_port), 0);
	orphans_start("c1", listens);
	close(fd); /* theirs too */
	assert_int_equal(read(orphans_port[0], &port, sizeof(port)), sizeof(port));
	assert_true(listens_on(orphans.first, NULL, other));
	assert_false(listens_on(orphans.first, NULL, port));
	assert_int_equal(cg_path(&orphans.g, "c1", path), 0);
	assert_true(listens_on(orphans.first, path, port));
	orphans_end("c1");
	close(orphans_port[0]);
	close(orphans_port[1]);
}

static int scans_are(void *arg)
{
	return mz_kit_metric(w.m, "scans") >= *(double *)arg;
}

static void scan(void)
{
	double want = mz_kit_metric(w.m, "scans") + 1;
	assert_int_equal(mz_kit_until(w.k, scans_are, &want, minute), 0);
}

static void update(struct mz_container *c, const char *resources)
{
	struct mz_kit_op r;
	c->resources = mz_kit_resources(w.k, resources);
	w.ops->update(mz_kit_inst(w.m), c, mz_kit_op(w.m, &r, 0));
	assert_int_equal(mz_kit_wait(w.k, &r), 0);
}

static void enforces(void **state)
{
	(void)state;
	uint16_t port;
	char own[64], event[128];
	int fd = listen_somewhere(AF_INET, &port);
	assert_true(fd >= 0);
	world_open("{enforce: true}");
	struct mz_container *c = world_container("c1", NULL);
	snprintf(own, sizeof(own), "cpus:1;ports:[%u-%u]", port, port);
	c->resources = mz_kit_resources(w.k, own);
	assert_int_equal(world_isolate(c, getpid()), 0);
	scan();
	assert_string_equal(mz_kit_events(w.k), "");
	update(c, "cpus:1;ports:[1-2]");
	scan();
	snprintf(event, sizeof(event), "limitation c1 reason 19 Container listens on ports that are not its own: %u\n", port);
	assert_string_equal(mz_kit_events(w.k), event);
	scan(); /* told once */
	assert_string_equal(mz_kit_events(w.k), event);
	assert_true(mz_kit_metric(w.m, "exceeded") == 1);
	assert_int_equal(world_cleanup("c1"), 0);
	assert_int_equal(world_cleanup("c1"), 0);
	world_close();
	close(fd);
}

static void only_warns(void **state)
{
	(void)state;
	uint16_t port;
	int fd = listen_somewhere(AF_INET, &port);
	world_open(NULL);
	struct mz_container *c = world_container("c1", NULL), *n = world_container("c1.n", NULL);
	n->parent = "c1";
	c->pid = n->pid = getpid();
	const struct mz_container *v[] = {c, n};
	assert_int_equal(world_recover(v, 2), 0);
	scan();
	assert_string_equal(mz_kit_events(w.k), "");
	assert_non_null(strstr(mz_kit_log(w.k), "Container c1 listens on ports that are not its own"));
	assert_null(strstr(mz_kit_log(w.k), "c1.n"));
	world_close();
	/* Out of the range, and with a network of its own: nothing to see. */
	world_open("{first_port: 1, last_port: 2}");
	c = world_container("c1", NULL);
	assert_int_equal(world_isolate(c, getpid()), 0);
	scan();
	assert_null(strstr(mz_kit_log(w.k), "listens"));
	world_close();
	world_open(NULL);
	assert_int_equal(world_isolate(world_container("c2", "{network_infos: [{name: net}]}"), getpid()), 0);
	mz_kit_advance(w.k, minute);
	assert_true(mz_kit_metric(w.m, "scans") == 0);
	world_close();
	close(fd);
	world_refuses("{first_port: 5, last_port: 4}");
	assert_non_null(strstr(w.err.msg, "first_port is 5, which is over last_port, 4"));
}

/* Destroyed while a worker looks; a sanitizer tells what is left. */
static void goes_while_looking(void **state)
{
	(void)state;
	world_open("{interval: 1ms}");
	assert_int_equal(world_isolate(world_container("c1", NULL), getpid()), 0);
	mz_kit_advance(w.k, 1000000);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_ports),
		cmocka_unit_test(finds_all),
		cmocka_unit_test(reads_a_namespace_once),
		cmocka_unit_test(finds_orphans),
		cmocka_unit_test(enforces),
		cmocka_unit_test(only_warns),
		cmocka_unit_test(goes_while_looking),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
