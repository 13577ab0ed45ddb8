/* probe.h - one look at a task: a command, an HTTP request or a TCP connection.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_LIB_CHECKS_PROBE_H
#define MZ_LIB_CHECKS_PROBE_H

#include <mezzo/executor.h>
#include <netinet/in.h>

#include "checks.h"

struct probe;
/* value: exit code, HTTP status, or 1 for a connection and 0 for none; CHECK_*: no
 * result, `why` says so (it may also say more about a value; or NULL). */
typedef checks_done_fn probe_fn;

/* `field` of the TaskInfo is its HealthCheck or CheckInfo: "health_check", "check".
 * `events` are asked to run commands, if they can. NULL: no memory. */
struct probe *probe_new(const struct mz_host *h, const struct mz_info *task, const char *field, int type,
			const struct checks_events *events, void *events_arg);
/* fn once, perhaps at once, unless probe_stop comes first. Not while one runs. */
void probe_start(struct probe *p, probe_fn fn, void *arg);
void probe_stop(struct probe *p);
void probe_free(struct probe *p); /* in destroy only: children may still be ending */

/* ---- between probe.c and probe_http.c ----------------------------------------- */

enum { PROBE_MAX_HEAD = 16384, PROBE_MAX_REDIRECTS = 20, PROBE_MAX_URL = 2048 };

struct probe_child;

struct probe {
	const struct mz_host *h;
	const struct mz_executor_host *k;
	const struct mz_info *task;
	const char *field;
	int type;
	probe_fn fn; /* NULL: none runs */
	void *arg;
	const struct checks_events *events;
	void *events_arg, *run; /* of a command that runs elsewhere */
	/* A child that runs for us, and those that were given up. */
	struct probe_child *child, *children;
	/* A connection. */
	int fd;
	struct mz_watch *watch;
	void (*on_connected)(struct probe *p, int error); /* a positive errno, 0: it is there */
	/* HTTP: where to, and what has come. */
	int ipv6, n_redirects;
	char host[64]; /* numeric */
	int port;
	char path[PROBE_MAX_URL];
	char *head;
	size_t n_head;
};

/* Ends the look: stops what runs and calls fn. */
void probe_result(struct probe *p, int value, const char *why);
/* Connects; on_connected once. */
void probe_connect(struct probe *p, const char *host, int port, void (*on_connected)(struct probe *p, int error));
void probe_disconnect(struct probe *p);
/* The program `curl`, for what is more than plain HTTP to this machine. */
void probe_curl(struct probe *p, const char *url);
void probe_http(struct probe *p);

#endif
