/* executor.c - the executor of the benchmark of tasks: it answers each LAUNCH with
 * TASK_RUNNING and TASK_FINISHED at once, and does nothing else. It does not come
 * back after its stream has ended. Launched by bench/tasks.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "mesos/v1/executor.pb-c.h"
#include "wire/http_event.h"
#include "wire/pb.h"
#include "wire/recordio.h"

enum { MAX_RECORD = 16 << 20 };

typedef Mesos__V1__Executor__Call pb_call;
typedef Mesos__V1__Executor__Event pb_event;

struct executor {
	struct loop *loop;
	const char *framework_id, *executor_id;
	char *ip;
	int port;
	struct http_client *client;
	struct http_client_stream *stream;
	struct recordio_reader reader;
	int status;
};

static const struct http_header headers[] = {
	{"Content-Type", "application/x-protobuf"},
	{"Accept", "application/x-protobuf"},
};

static void end(struct executor *x, int status, const char *why)
{
	if (why)
		fprintf(stderr, "executor: %s\n", why);
	x->status = status;
	loop_event_stop(x->loop);
}

static pb_call *new_call(struct executor *x, struct arena *a, Mesos__V1__Executor__Call__Type type)
{
	pb_call *c = PB_NEW(a, pb_call, mesos__v1__executor__call);
	c->has_type = 1;
	c->type = type;
	c->executor_id = PB_NEW(a, Mesos__V1__ExecutorID, mesos__v1__executor_id);
	c->executor_id->value = (char *)x->executor_id;
	c->framework_id = PB_NEW(a, Mesos__V1__FrameworkID, mesos__v1__framework_id);
	c->framework_id->value = (char *)x->framework_id;
	return c;
}

static void on_answer(void *arg, const struct http_response *r)
{
	if (r->status != 202)
		end(arg, EXIT_FAILURE, r->error ? r->error : "an update was refused");
}

static void update(struct executor *x, char *task_id, Mesos__V1__TaskState state)
{
	mz_autoarena struct arena a = {0};
	struct buf mz_autobuf body = {0};
	struct uuid uuid;
	pb_call *c = new_call(x, &a, MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE);
	Mesos__V1__TaskStatus *s = PB_NEW(&a, Mesos__V1__TaskStatus, mesos__v1__task_status);

	loop_uuid(x->loop, &uuid);
	s->task_id = PB_NEW(&a, Mesos__V1__TaskID, mesos__v1__task_id);
	s->task_id->value = task_id;
	s->state = state;
	s->has_source = 1;
	s->source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR;
	s->has_timestamp = 1;
	s->timestamp = loop_wall_secs(x->loop);
	s->has_uuid = 1;
	s->uuid.data = (uint8_t *)&uuid;
	s->uuid.len = sizeof(uuid);
	c->update = PB_NEW(&a, Mesos__V1__Executor__Call__Update, mesos__v1__executor__call__update);
	c->update->status = s;
	pb_encode(&c->base, &body);
	http_client_call(x->client, "POST", "/api/v1/executor", headers, MZ_N(headers), body.data, body.len,
			 60 * NS_PER_SEC, on_answer, x);
}

static int on_record(void *arg, const char *record, size_t len)
{
	struct executor *x = arg;
	mz_autoarena struct arena a = {0};
	struct mz_err err;
	pb_event *e = (pb_event *)pb_decode(&mesos__v1__executor__event__descriptor, &a, record, len, &err);

	if (!e) {
		end(x, EXIT_FAILURE, err.msg);
		return -EPROTO;
	}
	if (e->type == MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH) {
		update(x, e->launch->task->task_id->value, MESOS__V1__TASK_STATE__TASK_RUNNING);
		update(x, e->launch->task->task_id->value, MESOS__V1__TASK_STATE__TASK_FINISHED);
	} else if (e->type == MESOS__V1__EXECUTOR__EVENT__TYPE__SHUTDOWN) {
		end(x, EXIT_SUCCESS, NULL);
	}
	return 0;
}

static void on_open(void *arg, const struct http_response *r)
{
	if (r->status != 200)
		end(arg, EXIT_FAILURE, "the agent refuses the subscription");
}

static void on_data(void *arg, const void *data, size_t size)
{
	struct executor *x = arg;
	struct mz_err err;

	if (recordio_feed(&x->reader, data, size, on_record, x, &err) < 0)
		end(x, EXIT_FAILURE, "a broken record");
}

static void on_end(void *arg, const char *error)
{
	end(arg, EXIT_FAILURE, error ? error : "the agent closed the stream");
}

static int from_environment(struct executor *x)
{
	const char *at = getenv("MESOS_AGENT_ENDPOINT");
	const char *colon = at ? strrchr(at, ':') : NULL;

	x->framework_id = getenv("MESOS_FRAMEWORK_ID");
	x->executor_id = getenv("MESOS_EXECUTOR_ID");
	if (!colon || !x->framework_id || !x->executor_id) {
		fprintf(stderr, "executor: an agent starts this program\n");
		return -EINVAL;
	}
	x->ip = xstrndup(at, (size_t)(colon - at));
	x->port = atoi(colon + 1);
	return 0;
}

int main(void)
{
	static const struct http_client_stream_cb cb = {on_open, on_data, on_end, NULL};
	struct executor x = {.reader = {.max_record = MAX_RECORD}};
	mz_autoarena struct arena a = {0};
	struct buf mz_autobuf body = {0};
	struct mz_err err;

	if (from_environment(&x) < 0 || loop_event_new(1, &x.loop, &err) < 0)
		return EXIT_FAILURE;
	pb_call *c = new_call(&x, &a, MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE);
	c->subscribe = PB_NEW(&a, Mesos__V1__Executor__Call__Subscribe, mesos__v1__executor__call__subscribe);
	pb_encode(&c->base, &body);
	x.client = http_client_new(x.loop, x.ip, x.port);
	x.stream = http_client_stream_open(x.loop, x.ip, x.port, "POST", "/api/v1/executor", headers, MZ_N(headers),
					   body.data, body.len, &cb, &x);
	loop_event_run(x.loop);
	http_client_stream_close(x.stream);
	http_client_free(x.client);
	loop_event_turn(x.loop, 0);
	loop_event_free(x.loop);
	recordio_reader_done(&x.reader);
	free(x.ip);
	return x.status;
}
