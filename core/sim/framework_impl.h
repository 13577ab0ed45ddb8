/* framework_impl.h - shared by framework.c (connection, calls), framework_launch.c
 * (what becomes of offers) and framework_tasks.c (offers, updates).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_FRAMEWORK_IMPL_H
#define MZ_SIM_FRAMEWORK_IMPL_H

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "model/model.h"
#include "sim/framework.h"
#include "wire/codec.h"
#include "wire/recordio.h"

#define TS(name) MESOS__V1__TASK_STATE__TASK_##name
#define CALL(name) MESOS__V1__SCHEDULER__CALL__TYPE__##name

typedef Mesos__V1__Scheduler__Call pb_call;

struct fw_task {
	struct sim_framework *f;
	char *id, *agent_id;
	bool custom, heard, ended, kill; /* heard: of an update that must be acknowledged */
	unsigned n_again; /* launches with the same id that were not refused yet */
	int64_t last_news;
	struct list in_open;
};

struct fw_offer {
	struct sim_framework *f;
	char *id;
	Mesos__V1__Offer *offer;
	struct arena arena;
	struct loop_timer *timer;
};

/* A call that waits for its turn, or for its answer. */
struct fw_call {
	struct list in_queue;
	int type;
	char *stream_id;
	void *body;
	size_t size;
	char **offer_ids; /* ACCEPT, DECLINE: what it ends */
	size_t n_offer_ids;
	resources *refused; /* of them, NULL: nothing */
	double refused_secs;
	const char *machine; /* of the offers, if the master took them all; known when it arrives */
	bool arrived;
};

struct sim_framework {
	struct sim *sim;
	struct sim_net *net;
	struct checker *checker;
	unsigned number;
	char *master;
	const unsigned *n_lives;
	unsigned life; /* of the master that has our stream */
	struct sim_framework_config cfg;
	struct sim_host host;
	struct sim_node *node;
	enum codec codec;
	bool partition_aware, multi_role;
	struct checker_scheduler who; /* for the checker */
	char role[32], name[32];
	char *id, *stream_id; /* NULL before SUBSCRIBED; before the answer */
	struct stream *stream; /* the newest */
	struct list streams;   /* all: the master may still have an old one */
	bool subscribed, torn_down, done, suppressed, leaves;
	struct loop_timer *retry, *tick;
	struct list calls;
	struct sim_call *in_flight;
	struct fw_call *current;
	unsigned n_launched, n_ended, n_pods, n_failovers, n_teardowns;
	struct map tasks; /* id -> struct fw_task */
	struct list open; /* tasks that have not ended */
	struct map offers; /* id -> struct fw_offer: in hand, not answered */
};

/* One event stream: the events of an old one are dropped. Lives as long as its framework. */
struct stream {
	struct list in_framework;
	struct sim_framework *f;
	struct sim_call *call; /* NULL: ended */
	unsigned life;
	bool overtaken; /* a newer one has been SUBSCRIBED */
	struct recordio_reader reader, written;
};

/* framework.c */
void fw_call(struct sim_framework *f, pb_call *c, char *const *offer_ids, size_t n_offer_ids);
/* The same, of an ACCEPT or DECLINE that leaves `refused`, which it takes over. */
void fw_refuse(struct sim_framework *f, pb_call *c, char *const *offer_ids, size_t n_offer_ids, resources *refused,
	       const Mesos__V1__Filters *filters);
void fw_teardown(struct sim_framework *f);
/* framework_launch.c */
bool fw_launch(struct sim_framework *f, struct fw_offer *o); /* false: nothing fits */
void fw_decline(struct sim_framework *f, struct fw_offer *o, double secs);
void fw_kill(void *task);
/* framework_tasks.c */
void fw_on_offers(struct sim_framework *f, const Mesos__V1__Scheduler__Event__Offers *o);
void fw_on_rescind(struct sim_framework *f, const char *offer_id);
void fw_on_update(struct sim_framework *f, const Mesos__V1__TaskStatus *s);
void fw_on_tick(struct sim_framework *f);
void fw_forget_offers(struct sim_framework *f);
void fw_tasks_done(struct sim_framework *f);

#endif
