/* audit.c - see audit.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "wire/codec.h"
#include "wire/recordio.h"

struct sim_audit {
	struct sim *sim;
	struct sim_net *net;
	struct checker *checker;
	struct sim_host host;
	struct sim_node *node;
	char *master;
	struct buf body; /* of its SUBSCRIBE */
	struct sim_call *call;
	struct recordio_reader written;
};

static void subscribe(void *arg);

static int on_event(void *arg, const char *record, size_t len)
{
	struct sim_audit *a = arg;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	Mesos__V1__Scheduler__Event *e = (Mesos__V1__Scheduler__Event *)codec_decode(
		CODEC_JSON, &mesos__v1__scheduler__event__descriptor, &m, record, len, &err);
	if (!e)
		sim_fail(a->sim, "The audit got no event: %s", err.msg);
	else if (e->type == MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR)
		sim_fail(a->sim, "The audit got ERROR: %s", e->error->message);
	else if (e->type == MESOS__V1__SCHEDULER__EVENT__TYPE__RESCIND)
		checker_offer_ended(a->checker, e->rescind->offer_id->value);
	for (size_t i = 0; e && e->type == MESOS__V1__SCHEDULER__EVENT__TYPE__OFFERS && i < e->offers->n_offers; i++)
		checker_offer_made(a->checker, a, NULL, e->offers->offers[i]);
	return 0;
}

static void on_written(void *arg, const void *data, size_t size)
{
	struct sim_audit *a = arg;
	(void)recordio_feed(&a->written, data, size, on_event, a, NULL);
}

static void on_server_end(void *arg)
{
	struct sim_audit *a = arg;
	checker_offers_ended(a->checker, a);
}

static void again(struct sim_audit *a)
{
	a->call = NULL;
	recordio_reader_done(&a->written);
	a->written = (struct recordio_reader){.max_record = 64 << 20};
	(void)loop_timer(&a->node->loop, NS_PER_SEC, subscribe, a);
}

static void on_end(void *arg, const char *why MZ_UNUSED)
{
	again(arg);
}

static void on_answer(void *arg, int status, bool stream, const char *id MZ_UNUSED, const void *body, size_t size)
{
	struct sim_audit *a = arg;
	if (stream && status == 200)
		return;
	if (status != 503)
		sim_fail(a->sim, "The audit cannot subscribe: %d %.*s", status, (int)size, (const char *)body);
	again(a);
}

static void subscribe(void *arg)
{
	static const struct sim_call_fns fns = {
		.on_answer = on_answer, .on_end = on_end, .on_written = on_written, .on_server_end = on_server_end};
	struct sim_audit *a = arg;
	struct sim_request r = {.method = "POST",
				.path = "/api/v1/scheduler",
				.content_type = codec_content_type(CODEC_JSON),
				.accept = codec_content_type(CODEC_JSON),
				.body = a->body.data,
				.size = a->body.len};
	a->call = sim_call_new(a->net, a->node, a->master, &r, &fns, a);
}

struct sim_audit *sim_audit_new(struct sim *s, struct sim_net *net, struct checker *c, const char *master,
				const char *const *roles, size_t n_roles)
{
	struct sim_audit *a = xnew(struct sim_audit);
	a->sim = s;
	a->net = net;
	a->checker = c;
	a->master = xstrdup(master);
	snprintf(a->host.name, sizeof(a->host.name), "audit");
	a->node = sim_node_new(s, &a->host, "audit");
	a->written.max_record = 64 << 20;
	buf_adds(&a->body, "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{\"user\":\"nobody\","
			   "\"name\":\"audit\",\"capabilities\":[{\"type\":\"MULTI_ROLE\"},"
			   "{\"type\":\"RESERVATION_REFINEMENT\"}],\"roles\":[");
	for (size_t i = 0; i < n_roles; i++)
		buf_addf(&a->body, "%s\"%s\"", i ? "," : "", roles[i]);
	buf_adds(&a->body, "]}}}");
	subscribe(a);
	return a;
}

void sim_audit_free(struct sim_audit *a)
{
	if (!a)
		return;
	sim_node_kill(a->node);
	sim_call_close(a->call);
	sim_net_forget(a->net, a->node);
	sim_node_free(a->node);
	recordio_reader_done(&a->written);
	buf_done(&a->body);
	free(a->master);
	free(a);
}
