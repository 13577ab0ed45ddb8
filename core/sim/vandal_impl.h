/* vandal_impl.h - shared by vandal.c (connection) and vandal_calls.c (what it says).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_VANDAL_IMPL_H
#define MZ_SIM_VANDAL_IMPL_H

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "model/model.h"
#include "sim/vandal.h"
#include "wire/codec.h"
#include "wire/recordio.h"

#define CALL(name) MESOS__V1__SCHEDULER__CALL__TYPE__##name
#define EVENT(name) MESOS__V1__SCHEDULER__EVENT__TYPE__##name

typedef Mesos__V1__Scheduler__Call pb_call;

struct vandal_offer {
	char *id, *agent_id, *role; /* NULL: none yet, or (role) none told */
};

struct sim_vandal {
	struct sim *sim;
	struct sim_net *net;
	struct checker *checker;
	struct gossip *gossip;
	unsigned number;
	char *master;
	char name[32];
	struct sim_host host;
	struct sim_node *node;
	enum codec codec; /* of the newest stream, and all calls */
	struct vandal_stream *stream;
	struct list streams, calls, over;
	char *id, *stream_id; /* NULL: none at the moment */
	bool left;
	struct map own_offers, own_tasks; /* ids: every one that there ever was */
	struct vandal_offer offers[8];	  /* the newest, whatever became of them */
	size_t n_offers, n_tasks;
	uint64_t n_calls;
};

/* vandal.c: takes the offer ids over. */
void vandal_send(struct sim_vandal *v, const char *stream_id, const struct buf *body, char **offer_ids,
		 size_t n_offer_ids, bool unreadable);
/* vandal_calls.c */
void vandal_subscribe(struct sim_vandal *v, struct buf *ret_body);
void vandal_call(struct sim_vandal *v);
void vandal_on_offer(struct sim_vandal *v, const Mesos__V1__Offer *o);
void vandal_on_update(struct sim_vandal *v, const Mesos__V1__TaskStatus *s);

#endif
