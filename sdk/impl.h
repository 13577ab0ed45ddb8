/* impl.h - what the files of the framework library share. Nobody else includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZF_IMPL_H
#define MZF_IMPL_H

#include "sdk/framework.h"

#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "loop/loop.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "model/resources.h"
#include "sdk/address.h"
#include "wire/http_event.h"
#include "wire/pb.h"
#include "wire/recordio.h"

typedef Mesos__V1__Scheduler__Call pb_call;
typedef Mesos__V1__Scheduler__Event pb_event;

enum { MAX_REDIRECTS = 5, MISSED_HEARTBEATS = 5, MAX_RECORD_BYTES = 64 << 20 };
#define CALL_TIMEOUT_NS (30 * NS_PER_SEC)
#define HEARTBEAT_DEFAULT_NS (15 * NS_PER_SEC)

enum mzf_state {
	MZF_IDLE,
	MZF_RESOLVING,
	MZF_CONNECTING, /* the stream is open, or being opened; not SUBSCRIBED yet */
	MZF_SUBSCRIBED,
	MZF_WAITING, /* for the next attempt */
	MZF_ENDING,  /* TEARDOWN is under way */
	MZF_ENDED,
};

/* A name that a worker thread looks up; outlives the framework. */
struct mzf_lookup {
	struct mzf_framework *f; /* NULL: not wanted any more */
	struct address at;
	char ip[ADDRESS_IP_MAX];
	struct mz_err err;
	int rc;
};

/* A call without its answer yet. */
struct mzf_call {
	struct list node;
	struct mzf_framework *f;
	const char *name;
};

struct mzf_framework {
	struct loop *loop;
	bool own_loop;
	enum mzf_state state;
	struct mzf_callbacks cb;
	void *arg;

	/* as given */
	Mesos__V1__FrameworkInfo *info;
	struct arena info_arena;
	bool manual_ack, manual_reconcile;
	struct map suppressed; /* roles */
	char *authorization; /* the header's value; NULL: none */
	int64_t backoff_min_ns, backoff_max_ns, connect_timeout_ns;
	VEC(struct address) masters;
	size_t next_master;

	char *id;
	struct address leader; /* where a redirect sent us; host NULL: nowhere */
	char *target;	       /* "host:port" of the attempt */
	char ip[ADDRESS_IP_MAX];
	int port, n_redirects;
	int64_t backoff_ns;
	struct mzf_lookup *lookup;

	struct http_client_stream *stream;
	struct recordio_reader reader;
	struct loop_timer *timer; /* of the state: attempt, time limit, or heartbeat */
	int64_t heard_ns, heartbeat_ns;
	bool grace; /* the last turn before silence counts */
	char *fatal; /* the ERROR that the current record brought */

	struct http_client *client;
	char *stream_id;
	struct list calls;
	struct loop_timer *lost_timer; /* a call found the master gone */
	char *lost_why;

	void (*flush_fn)(void *arg, const char *why);
	void *flush_arg;
	struct loop_timer *flush_timer;

	struct map offers; /* id -> struct mzf_offer; joined ones under several */

	struct map tracked; /* task id -> struct tracked, reconcile.c */
	struct loop_timer *ask_timer;
	int64_t ask_pause_ns, reconcile_ns; /* ask_pause_ns 0: between two rounds */
};

/* Tasks that are launched together on one executor. */
struct mzf_group {
	Mesos__V1__ExecutorInfo *executor;
	Mesos__V1__TaskInfo **tasks;
	size_t n;
};

struct mzf_offer {
	struct mzf_framework *f;
	VEC(char *) ids; /* the first is its own, the others were joined */
	char *agent_id, *hostname, *ip, *role;
	int port;
	resources left;
	struct map executors; /* ids of those that run there, or will with this offer */
	struct buf text;
	struct arena arena; /* of the tasks */
	VEC(Mesos__V1__TaskInfo *) tasks;
	VEC(struct mzf_group) groups;
};

/* info.c: what describes the framework, as the options say. */
int mzf_info_make(const struct mzf_options *o, struct arena *a, Mesos__V1__FrameworkInfo **ret, struct mz_err *err);
/* Room for the headers of a request: the fixed ones, and the credentials. */
enum { MAX_HEADERS = 4 };

/* connect.c */
void mzf_connect(struct mzf_framework *f);
void mzf_disconnect(struct mzf_framework *f); /* closes everything, tells nobody */
/* Tells why, and tries again after a pause. */
void mzf_lost(struct mzf_framework *f, const char *why);
/* For good. */
void mzf_fatal(struct mzf_framework *f, const char *why);
void mzf_subscribed(struct mzf_framework *f, int64_t heartbeat_ns);

/* events.c: non-zero stops the stream, f->fatal says why. */
int mzf_event(struct mzf_framework *f, const char *record, size_t len);

/* calls.c */
void mzf_subscribe_body(struct mzf_framework *f, struct buf *out);
pb_call *mzf_call_new(struct mzf_framework *f, struct arena *a, Mesos__V1__Scheduler__Call__Type type);
int mzf_call_send(struct mzf_framework *f, pb_call *c);
void mzf_calls_drop(struct mzf_framework *f, const char *why);
/* -EINVAL if the master could not read it, such as text that is not UTF-8: it would refuse
 * the whole call. */
int mzf_check(const pb_msg *m, struct mz_err *err);

/* offers.c */
struct mzf_offer *mzf_offer_new(struct mzf_framework *f, const Mesos__V1__Offer *pb, struct mz_err *err);
void mzf_offer_free(struct mzf_offer *o);
void mzf_offers_rescind(struct mzf_framework *f, bool tell);
void mzf_offer_rescinded(struct mzf_framework *f, const char *id); /* the master says so */

/* take.c: the part of `left` that the text asks for; -ENOSPC. */
int mzf_take(const resources *left, const char *text, resources *taken, struct mz_err *err);

/* reconcile.c */
void mzf_reconcile_start(struct mzf_framework *f, bool known); /* subscribed, with an id that was known before */
void mzf_reconcile_stop(struct mzf_framework *f);
void mzf_reconcile_answered(struct mzf_framework *f, const char *task_id, const char *agent_id);
void mzf_tracked_done(struct mzf_framework *f);

/* framework.c: somebody who waits for mzf_fd() has to look again. */
void mzf_kick(struct mzf_framework *f);

/* An {value} message such as TaskID in the arena. */
#define MZF_ID(arena, Type, lower, text)                                 \
	({                                                               \
		Mesos__V1__##Type *id_ = PB_NEW(arena, Mesos__V1__##Type, mesos__v1__##lower); \
		id_->value = arena_strdup((arena), (text));              \
		id_;                                                     \
	})

#endif
