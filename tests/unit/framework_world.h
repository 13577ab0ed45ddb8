/* framework_world.h - a scripted master for the framework library's tests, and what a
 * framework of it saw. framework_test.c, framework_time_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FRAMEWORK_WORLD_H
#define TESTS_FRAMEWORK_WORLD_H

#include "sdk/framework.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "loop/loop_event.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "wire/http_event.h"

#define CALL_TYPE(name) MESOS__V1__SCHEDULER__CALL__TYPE__##name

struct framework_world {
	struct loop *l; /* the master's */
	void (*turn)(void);
	struct http_server *server;
	struct http_router router;
	struct http_stream *stream;
	struct mzf_framework *f;
	struct mzf_offer *offer;
	/* script */
	int answer; /* status of the next SUBSCRIBE; 0: 200 */
	int always; /* of each one; 0: 200 */
	bool mute;  /* no SUBSCRIBE is answered */
	const char *location;
	const char *interval;
	int call_status, id_result;
	/* what was seen */
	int n_subscribe, n_subscribed, n_lost, n_rescind, n_refused, n_calls[32], n_errors, n_flushed, n_ids;
	struct buf last, subscribe, questions; /* the last call, the last SUBSCRIBE, each RECONCILE, in JSON */
	char id[64], state[64], error[128], authorization[64], call_authorization[64];
	int subscribed_at; /* which server */
};
extern struct framework_world t;
extern const struct mzf_callbacks world_callbacks;

#define until(cond)               \
	do {                      \
		while (!(cond))   \
			t.turn(); \
	} while (0)

/* A new world, its master at 127.0.0.1; no framework yet. */
void world_begin(void);
void world_end(void);
char *world_master(void); /* its address; the caller frees */
/* Its /api/v1/scheduler; arg is a number that goes into subscribed_at. */
void world_scheduler(void *arg, const struct http_request *r, struct http_exchange *x);
/* An event, in JSON, on the stream. */
void event(const char *json);
/* An event with one offer. */
struct mzf_offer *get_offer(const char *json);
void on_flushed(void *arg, const char *why);

#define OFFER2(id, agent, role)                                                                                     \
	"{\"type\":\"OFFERS\",\"offers\":{\"offers\":[{\"id\":{\"value\":\"" id "\"},\"framework_id\":{\"value\":\"F1\"},"   \
	"\"agent_id\":{\"value\":\"" agent "\"},\"hostname\":\"h\",\"allocation_info\":{\"role\":\"" role "\"},\"resources\":["   \
	"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1.0},\"allocation_info\":{\"role\":\"" role "\"}}]}]}}"

#endif
