/* executor.h - between the files of mezzo-executor: the process that runs one
 * executor module inside a container and speaks for it with the agent.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BIN_EXECUTOR_H
#define MZ_BIN_EXECUTOR_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/vec.h"
#include "loop/loop.h"
#include "mesos/v1/executor.pb-c.h"
#include "module/module.h"

/* ---- executor_http.c: one request on one connection ------------------------------ */

struct client;

struct client_handler {
	/* Headers are there; 0: no answer came, and nothing follows. */
	void (*on_status)(void *arg, int status);
	void (*on_data)(void *arg, const void *data, size_t size);
	/* complete: the body ended as it should, and the connection can be used again, from
	 * here on. The client stays until client_close in any case. */
	void (*on_end)(void *arg, bool complete);
};

struct client_peer {
	char *ip; /* or "unix:/PATH", see wire/sock.h */
	int port;
	char *token; /* of Authorization: Bearer, or NULL */
};

/* Sends a POST. `c` NULL: on a new connection to `peer`, which lives as long as it. One
 * that turns out to be closed since its last answer is made anew. Handlers are never
 * called from inside. */
struct client *client_send(struct client *c, struct loop *l, const struct client_peer *peer, const char *path,
			   const char *content_type, const void *body, size_t size, const struct client_handler *h,
			   void *arg);
void client_close(struct client *c); /* no handler is called any more; NULL: no-op */

/* ---- executor_agent.c: subscription, updates, retries ------------------------------ */

struct executor {
	struct loop *loop;
	struct module_registry *registry;
	struct module_executor module;
	struct client_peer peer;
	/* From the environment. */
	char *framework_id, *executor_id, *sandbox, *endpoint;
	bool checkpoint;
	int64_t recovery_timeout_ns, backoff_max_ns, grace_ns;
	const char *const *env;
	/* With the agent. */
	struct client *stream, *calls;
	struct recordio_reader *reader;
	bool shrinks, stream_ok, subscribed, ever_subscribed, calling, shutting_down, finishing;
	int exit_status, call_status;
	int64_t lost_at; /* monotonic; 0: not lost */
	struct loop_timer *retry, *end;
	struct loop_timer *again; /* the first call of the queue is sent again; NULL: it is not */
	struct list updates; /* struct update: not acknowledged, oldest first */
	struct list tasks;   /* struct pending_task: no update acknowledged yet */
	struct list queue;   /* struct call: not answered yet */
	struct arena arena;  /* tasks, for ever */
	char *container_id;
	uint32_t capabilities;
};

/* mezzo-executor.c: gives back what only starting has needed. */
void executor_shrink(void *arg);

void agent_connect(struct executor *e);
void agent_update(struct executor *e, const struct mz_task_update *u);
void agent_message(struct executor *e, struct mz_bytes data);
void agent_finish(struct executor *e, int status);

#endif
