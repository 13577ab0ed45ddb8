/* mezzo-executor.c - runs one executor module inside a container: arguments,
 * environment, services of the kind, and wiring. What it says to the agent is in
 * executor_agent.c.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "bin/executor.h"
#include "loop/loop_event.h"
#include "module/reflect.h"
#include "wire/recordio.h"
#include "wire/sock.h"

/* ---- services of the kind ------------------------------------------------------------- */

static struct executor *executor(const struct mz_host *h)
{
	return module_user(module_of_host(h));
}

static void host_update(const struct mz_host *h, const struct mz_task_update *u)
{
	agent_update(executor(h), u);
}

static void host_message(const struct mz_host *h, struct mz_bytes data)
{
	agent_message(executor(h), data);
}

static void host_finish(const struct mz_host *h, int status)
{
	agent_finish(executor(h), status);
}

static const char *host_sandbox(const struct mz_host *h)
{
	return executor(h)->sandbox;
}

static const char *host_framework_id(const struct mz_host *h)
{
	return executor(h)->framework_id;
}

static const char *host_executor_id(const struct mz_host *h)
{
	return executor(h)->executor_id;
}

static const char *host_container_id(const struct mz_host *h)
{
	return executor(h)->container_id;
}

static const char *host_endpoint(const struct mz_host *h)
{
	return executor(h)->endpoint;
}

static int host_has_capability(const struct mz_host *h, int capability)
{
	return (executor(h)->capabilities >> (capability & 31)) & 1;
}

static int64_t host_grace(const struct mz_host *h)
{
	return executor(h)->grace_ns;
}

static const char *const *host_environment(const struct mz_host *h)
{
	return executor(h)->env;
}

/* One call of the agent's API, on a connection of its own. */
struct api_call {
	struct client *client;
	int status;
	struct buf body;
	void (*on_data)(void *arg, struct mz_bytes chunk);
	void (*fn)(void *arg, int status, struct mz_bytes body);
	void *arg;
};

static void on_api_status(void *arg, int status)
{
	((struct api_call *)arg)->status = status;
}

static void on_api_data(void *arg, const void *data, size_t size)
{
	struct api_call *c = arg;
	if (c->on_data)
		c->on_data(c->arg, (struct mz_bytes){data, size});
	else
		buf_add(&c->body, data, size);
}

static void on_api_end(void *arg, bool complete)
{
	struct api_call *c = arg;
	client_close(c->client);
	c->fn(c->arg, complete ? c->status : 0, (struct mz_bytes){buf_str(&c->body), c->body.len});
	buf_done(&c->body);
	free(c);
}

static void host_agent_call(const struct mz_host *h, const char *path, struct mz_bytes json,
			    void (*on_data)(void *arg, struct mz_bytes chunk),
			    void (*fn)(void *arg, int status, struct mz_bytes body), void *arg)
{
	static const struct client_handler handler = {on_api_status, on_api_data, on_api_end};
	struct executor *e = executor(h);
	struct api_call *c = xnew(struct api_call);
	c->on_data = on_data;
	c->fn = fn;
	c->arg = arg;
	c->client = client_send(NULL, e->loop, &e->peer, path, "application/json", json.data, json.size, &handler, c);
}

static struct mz_executor_host services(void)
{
	return (struct mz_executor_host){
		.size = sizeof(struct mz_executor_host),
		.info = info_api(),
		.update = host_update,
		.message = host_message,
		.finish = host_finish,
		.sandbox = host_sandbox,
		.framework_id = host_framework_id,
		.executor_id = host_executor_id,
		.container_id = host_container_id,
		.agent_endpoint = host_endpoint,
		.has_capability = host_has_capability,
		.shutdown_grace = host_grace,
		.environment = host_environment,
		.agent_call = host_agent_call,
	};
}

/* ---- environment ------------------------------------------------------------------------ */

static int need(const char *name, char **ret, struct mz_err *err)
{
	const char *value = getenv(name);
	if (str_empty(value))
		return mz_fail(err, -EINVAL, "The environment has no %s: an agent starts this program", name);
	xset(ret, value);
	return 0;
}

static int duration(const char *name, int64_t otherwise, int64_t *ret, struct mz_err *err)
{
	const char *value = getenv(name);
	*ret = otherwise;
	if (str_empty(value))
		return 0;
	int rc = str_to_duration_ns(value, ret);
	return rc < 0 ? mz_fail(err, rc, "%s '%s' is not a duration", name, value) : 0;
}

/* By its socket if it has one, else by its address. */
static int find_agent(struct executor *e, struct mz_err *err)
{
	struct sockaddr_storage sa;
	socklen_t len;
	const char *path = getenv("MESOS_DOMAIN_SOCKET");
	if (str_empty(path))
		return sock_split(e->endpoint, &e->peer.ip, &e->peer.port, err);
	e->peer.ip = xasprintf("unix:%s", path);
	if (sock_address(e->peer.ip, 0, &sa, &len) < 0)
		return mz_fail(err, -EINVAL, "MESOS_DOMAIN_SOCKET '%s' is not an absolute path of at most %d bytes", path,
			       SOCK_PATH_MAX);
	return 0;
}

static int read_environment(struct executor *e, struct mz_err *err)
{
	int rc = need("MESOS_FRAMEWORK_ID", &e->framework_id, err);
	if (rc == 0)
		rc = need("MESOS_EXECUTOR_ID", &e->executor_id, err);
	if (rc == 0)
		rc = need("MESOS_AGENT_ENDPOINT", &e->endpoint, err);
	if (rc == 0)
		rc = need(getenv("MESOS_SANDBOX") ? "MESOS_SANDBOX" : "MESOS_DIRECTORY", &e->sandbox, err);
	if (rc == 0)
		rc = find_agent(e, err);
	if (rc == 0)
		rc = duration("MESOS_RECOVERY_TIMEOUT", 900 * NS_PER_SEC, &e->recovery_timeout_ns, err);
	if (rc == 0)
		rc = duration("MESOS_SUBSCRIPTION_BACKOFF_MAX", 2 * NS_PER_SEC, &e->backoff_max_ns, err);
	if (rc == 0)
		rc = duration("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", 5 * NS_PER_SEC, &e->grace_ns, err);
	if (rc < 0)
		return rc;
	if (e->backoff_max_ns < NS_PER_MS)
		e->backoff_max_ns = NS_PER_MS;
	e->checkpoint = str_eq(getenv("MESOS_CHECKPOINT"), "1");
	/* Not for tasks, nor for who looks at /proc/PID/environ. */
	char *token = getenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN");
	e->peer.token = xstrdup(token);
	if (token)
		explicit_bzero(token, strlen(token));
	unsetenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN");
	e->env = (const char *const *)environ;
	return 0;
}

static int drop_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	uintptr_t page = (uintptr_t)getpagesize();
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || (p->p_flags & PF_W))
			continue;
		uintptr_t from = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
		uintptr_t to = (info->dlpi_addr + p->p_vaddr + p->p_memsz) & ~(page - 1);
		(void)madvise((void *)from, to - from, MADV_DONTNEED); /* the vdso refuses */
	}
	return 0;
}

/* Code and constants go back to the page cache, from where the few that are still
 * needed return: a task that runs for long costs that much less. */
void executor_shrink(void *arg)
{
	(void)arg;
	dl_iterate_phdr(drop_segments, NULL);
}

static void on_signal(void *arg, int signo)
{
	(void)signo;
	struct executor *e = arg;
	if (!e->shutting_down) {
		e->shutting_down = true;
		MODULE_CALL(&e->module, shutdown);
	}
}

static void usage(FILE *to)
{
	fputs("Usage: mezzo-executor --module NAME [--module-dir DIR]...\n"
	      "Runs one executor module; started by an agent inside a container.\n"
	      "      --module NAME       executor module: a name or an absolute path\n"
	      "      --module-dir DIR    directory that holds executor/NAME.so\n"
	      "      --help, --version\n",
	      to);
}

static const char *parse_arguments(struct executor *e, int argc, char **argv)
{
	static const struct option options[] = {
		{"module", required_argument, NULL, 'm'}, {"module-dir", required_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},	  {"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	const char *name = NULL;
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			name = optarg;
			break;
		case 'd':
			module_registry_add_path(e->registry, optarg);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		case 'v':
			puts("mezzo-executor " MZ_VERSION);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (!name || optind != argc) {
		usage(stderr);
		exit(2);
	}
	return name;
}

/* A terminal that the container was given is for the task, which has a session of its
 * own: it cannot be that of ours, too. */
static void leave_terminal(void)
{
	if (!isatty(STDIN_FILENO))
		return;
	signal(SIGHUP, SIG_IGN); /* who leaves it is told that it has gone */
	(void)ioctl(STDIN_FILENO, TIOCNOTTY);
}

int main(int argc, char **argv)
{
	static struct executor e;
	static struct recordio_reader reader;
	struct mz_err err;
	if (loop_event_new(1, &e.loop, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	leave_terminal();
	log_set_level(MZ_LOG_WARNING);
	e.reader = &reader;
	list_init(&e.updates);
	list_init(&e.tasks);
	list_init(&e.queue);
	e.registry = module_registry_new(e.loop);
	const char *name = parse_arguments(&e, argc, argv);
	module_registry_add_default_paths(e.registry);
	module_registry_set_slow_call(e.registry, 0);
	struct mz_executor_host kind = services();
	module_registry_set_kind(e.registry, MZ_KIND_EXECUTOR, &kind, &e);
	struct module *m = NULL;
	int rc = read_environment(&e, &err);
	if (rc == 0)
		rc = module_load_name(e.registry, MZ_KIND_EXECUTOR, name, NULL, &m, &err);
	if (rc < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	module_as_executor(m, &e.module);
	(void)loop_event_signal(e.loop, SIGTERM, on_signal, &e);
	agent_connect(&e);
	loop_event_run(e.loop);
	return 0;
}
