/* probe.c - lib/checks: makes one check: a child that runs a command, a TCP
 * connection, or (probe_http.c) a request. When it is made is checks.c's.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch.h"

/* It lives until it has ended, also when nobody waits for it any more. */
struct probe_child {
	struct probe_child *next; /* in probe.children */
	struct probe *p;
	int32_t pid;
	int out; /* -1: not read */
	struct mz_child *handle;
};

static void child_unlink(struct probe_child *c)
{
	struct probe_child **at = &c->p->children;
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
}

static void child_free(struct probe_child *c)
{
	if (c->out >= 0)
		close(c->out);
	free(c);
}

/* ---- the look as a whole ------------------------------------------------------------ */

void probe_disconnect(struct probe *p)
{
	p->h->unwatch(p->h, p->watch);
	p->watch = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	free(p->head);
	p->head = NULL;
	p->n_head = 0;
}

void probe_stop(struct probe *p)
{
	probe_disconnect(p);
	p->fn = NULL;
	if (p->child)
		kill_tree(p->child->pid, SIGKILL);
	p->child = NULL;
	if (p->run)
		p->events->stop(p->events_arg, p->run);
	p->run = NULL;
}

void probe_result(struct probe *p, int value, const char *why)
{
	probe_fn fn = p->fn;
	void *arg = p->arg;
	probe_stop(p);
	if (fn)
		fn(arg, value, why);
}

struct probe *probe_new(const struct mz_host *h, const struct mz_info *task, const char *field, int type,
			const struct checks_events *events, void *events_arg)
{
	struct probe *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->h = h;
	p->k = h->kind;
	p->task = task;
	p->field = field;
	p->type = type;
	p->events = events;
	p->events_arg = events_arg;
	p->fd = -1;
	return p;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	probe_stop(p);
	while (p->children) {
		struct probe_child *c = p->children;
		p->children = c->next;
		child_free(c);
	}
	free(p);
}

/* ---- children ------------------------------------------------------------------------ */

/* What curl writes: the status of the last answer. */
static int read_status(int fd)
{
	char text[16] = "";
	ssize_t n = read(fd, text, sizeof(text) - 1);
	return n > 0 ? atoi(text) : -1;
}

static void command_ended(struct probe *p, int32_t status)
{
	char why[80];
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : -1;
	snprintf(why, sizeof(why), "the command exited with status %d", code);
	probe_result(p, code, why);
}

static void curl_ended(struct probe *p, int32_t status, int out)
{
	char why[80] = "curl was killed";
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (code == 0) {
		int value = read_status(out);
		snprintf(why, sizeof(why), "HTTP status %d", value);
		probe_result(p, value > 0 ? value : -1, why);
		return;
	}
	if (code > 0)
		snprintf(why, sizeof(why), "curl ended with status %d", code);
	probe_result(p, -1, why);
}

static void on_child_exit(void *arg, int32_t pid, int32_t status)
{
	struct probe_child *c = arg;
	struct probe *p = c->p;
	(void)pid;
	child_unlink(c);
	if (p->child == c) {
		p->child = NULL; /* it needs no killing any more */
		if (c->out >= 0)
			curl_ended(p, status, c->out);
		else
			command_ended(p, status);
	}
	child_free(c);
}

/* `out`: its standard output, or -1 for the executor's standard error. */
static void run(struct probe *p, const char *const *argv, const char *const *env, const int out[2])
{
	struct mz_err err;
	struct probe_child *c = calloc(1, sizeof(*c));
	struct mz_spawn s = {.size = sizeof(s),
			     .fd_in = -1,
			     .fd_out = out ? out[1] : STDERR_FILENO,
			     .fd_err = STDERR_FILENO,
			     .argv = argv,
			     .env = env,
			     .dir = p->k->sandbox(p->h)};
	if (!c) {
		if (out)
			close(out[0]);
		probe_result(p, -1, "out of memory");
		return;
	}
	c->p = p;
	c->out = out ? out[0] : -1;
	if (p->h->spawn(p->h, &s, on_child_exit, c, &c->handle, &c->pid, &err) < 0) {
		child_free(c);
		probe_result(p, -1, err.msg);
		return;
	}
	c->next = p->children;
	p->children = c;
	p->child = c;
}

static void on_run(void *arg, int value, const char *why)
{
	struct probe *p = arg;
	p->run = NULL; /* it has ended */
	probe_result(p, value, why);
}

static void run_command(struct probe *p)
{
	struct launch l = {0};
	struct mz_err err;
	const char *field = strcmp(p->field, "check") ? "health_check.command" : "check.command.command";
	if (p->events->run) {
		p->run = p->events->run(p->events_arg, field, on_run, p);
		if (!p->run)
			probe_result(p, CHECK_FAILED, "out of memory");
		return;
	}
	if (launch_make(&l, p->k, p->h, p->task, field, &err) < 0)
		probe_result(p, -1, err.msg);
	else
		run(p, (const char *const *)l.argv, (const char *const *)l.env, NULL);
	launch_done(&l);
}

void probe_curl(struct probe *p, const char *url)
{
	struct launch l = {0};
	struct mz_err err;
	int out[2];
	probe_disconnect(p);
	if (launch_env(&l, p->k, p->h, p->task, NULL, &err) < 0) {
		probe_result(p, -1, err.msg);
		launch_done(&l);
		return;
	}
	char *curl = launch_find(&l, "curl", p->k->sandbox(p->h));
	/* As root of nothing: whose certificate it is does not matter on this machine. */
	const char *argv[] = {curl, "-s", "-S", "-L", "-k", "-g", "--max-redirs", "20", "-o", "/dev/null",
			      "-w", "%{http_code}", url, NULL};
	if (!curl || pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0) {
		probe_result(p, -1, "no memory or descriptor for curl");
	} else {
		run(p, argv, (const char *const *)l.env, out);
		close(out[1]);
	}
	free(curl);
	launch_done(&l);
}

/* ---- connections ----------------------------------------------------------------------- */

static void on_writable(void *arg, int ready)
{
	struct probe *p = arg;
	int error = 0;
	socklen_t len = sizeof(error);
	(void)ready;
	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	p->h->unwatch(p->h, p->watch);
	p->watch = NULL;
	p->on_connected(p, error);
}

static socklen_t address(const char *host, int port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return sizeof(*v6);
	}
	return 0;
}

void probe_connect(struct probe *p, const char *host, int port, void (*on_connected)(struct probe *p, int error))
{
	struct sockaddr_storage ss;
	socklen_t len = address(host, port, &ss);
	p->on_connected = on_connected;
	if (len == 0) {
		on_connected(p, EINVAL);
		return;
	}
	p->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || (connect(p->fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)) {
		on_connected(p, errno);
		return;
	}
	p->watch = p->h->watch(p->h, p->fd, MZ_WRITE, on_writable, p);
	if (!p->watch)
		on_connected(p, ENOMEM);
}

static void on_tcp(struct probe *p, int error)
{
	probe_result(p, error == 0, error ? strerror(error) : NULL);
}

static void look_tcp(struct probe *p)
{
	char path[48];
	snprintf(path, sizeof(path), "%s.tcp.port", p->field);
	int port = (int)p->k->info->integer(p->task, path, 0);
	snprintf(path, sizeof(path), "%s.tcp.protocol", p->field);
	const char *protocol = p->k->info->str(p->task, path);
	probe_connect(p, protocol && !strcmp(protocol, "IPv6") ? "::1" : "127.0.0.1", port, on_tcp);
}

void probe_start(struct probe *p, probe_fn fn, void *arg)
{
	p->fn = fn;
	p->arg = arg;
	if (p->type == CHECK_COMMAND)
		run_command(p);
	else if (p->type == CHECK_TCP)
		look_tcp(p);
	else
		probe_http(p);
}
