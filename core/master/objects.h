/* objects.h - what the master remembers: frameworks, agents, tasks, executors,
 * offers, links, and itself. For the files of this folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MASTER_OBJECTS_H
#define MZ_MASTER_OBJECTS_H

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "master/master.h"
#include "master/constraints.h"
#include "master/metrics.h"
#include "master/rate.h"
#include "master/regex.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "mezzo/link.pb-c.h"
#include "mezzo/records.pb-c.h"
#include "model/model.h"
#include "model/resources.h"
#include "wire/codec.h"
#include "wire/pb.h"

#define AREA "master"

typedef Mesos__V1__Scheduler__Call pb_call;
typedef Mesos__V1__Scheduler__Event pb_event;
typedef Mesos__V1__TaskInfo pb_task_info;
typedef Mesos__V1__ExecutorInfo pb_executor_info;
typedef Mesos__V1__TaskStatus pb_status;
typedef Mesos__V1__Task pb_task;
typedef Mesos__V1__FrameworkInfo pb_framework_info;
typedef Mesos__V1__AgentInfo pb_agent_info;
typedef Mesos__V1__Resource pb_resource;
typedef Mesos__V1__Offer__Operation pb_operation;
typedef Mesos__V1__TaskState task_state;
typedef Mesos__V1__TaskStatus__Reason task_reason;

#define TS(name) MESOS__V1__TASK_STATE__TASK_##name
#define REASON(name) MESOS__V1__TASK_STATUS__REASON__REASON_##name
#define N_TASK_STATES 14

struct framework;
struct agent;

/* An event stream of one subscribed scheduler. */
struct session {
	struct http_stream *stream; /* NULL: not connected */
	bool cut; /* a send failed: on_gone follows */
	enum codec codec;
	char id[UUID_TEXT];
	struct loop_timer *heartbeat;
	/* As something waited for room: what was queued, when that was, when it last shrank. */
	size_t queued;
	int64_t checked_ns, moved_ns;
};

/* One task, live, unreachable or completed. What is shown of it is `packed`: a
 * mesos.v1.Task whose statuses are appended as they come (fields of a message
 * may be concatenated), so that it costs its bytes and nothing more. */
struct task {
	char *id;
	struct framework *framework;
	struct agent *agent;	   /* NULL once unreachable or completed */
	struct list in_agent;	   /* agent->tasks, or lost_agent->tasks */
	struct list in_history;	   /* framework->completed */
	char *agent_id;		   /* held, as the role is (names.c) */
	char *executor_id;	   /* NULL: command task */
	const char *role;
	resources *res;		   /* allocated form */
	unsigned char *packed;
	uint32_t packed_len, packed_cap;
	uint32_t first_status;	   /* offset in packed of the first status field, if any */
	uint32_t last_status;	   /* of the last one; 0: none */
	uint8_t n_statuses;
	uint8_t state;		   /* latest */
	uint8_t status_state;	   /* of the newest status that was forwarded */
	bool has_status, has_uuid, freed; /* freed: resources were given back */
	unsigned char uuid[16];	   /* of that status */
	int64_t unreachable_ns;
};

struct executor {
	char *id;
	struct framework *framework;
	struct agent *agent;
	struct list in_framework, in_agent;
	const char *role;
	resources *res; /* allocated form */
	struct mz_bytes packed; /* mesos.v1.ExecutorInfo as sent to the agent, owned */
};

struct offer {
	char id[80];
	struct framework *framework;
	struct agent *agent;
	const char *role;
	resources *res; /* without allocation */
	struct list in_framework, in_agent, in_fresh;
	unsigned mark; /* of the last walk that met it */
	struct loop_timer *timeout;
};

enum { IS_FRAMEWORK = 1, IS_AGENT = 2 };

/* What a key stands for: first members of both. */
struct keyed {
	struct master *m;
	int what;
	mz_key key;
};

struct framework {
	struct master *m;
	int what; /* IS_FRAMEWORK */
	mz_key key;
	char *id;
	enum master_framework_state state;
	struct arena info_arena; /* info, roles */
	pb_framework_info *info; /* with id and principal */
	const char **roles; /* each held (names.c) */
	size_t n_roles;
	struct constraints *constraints; /* NULL: none */
	uint32_t capabilities; /* 1 << FrameworkInfo.Capability.Type */
	struct map suppressed; /* roles -> non-NULL */
	double registered_time, reregistered_time, unregistered_time;
	struct session session;
	struct loop_timer *failover;
	struct map tasks;	/* id -> struct task, live */
	struct map pending;	/* id of a task that is being authorized -> its struct accept */
	struct map unreachable; /* id -> struct task, oldest first */
	size_t unreachable_bytes;
	struct list completed;	/* struct task, oldest first */
	size_t n_completed, completed_bytes;
	struct list executors, offers;
	struct list fresh; /* offers that have not been sent yet */
	struct list in_flush; /* master->flush */
	struct list in_history; /* master->completed */
	struct framework_metrics metrics;
	struct refused_calls *refused; /* NULL: none yet */
	struct backlog *backlog; /* of reconciliation; NULL: nothing waits */
	struct rate rate; /* of its calls, unless its principal has one */
};

struct pending_kill {
	char *framework_id, *task_id;
	struct mz_bytes policy; /* packed KillPolicy, owned; data NULL: none */
};

struct agent {
	struct master *m;
	int what; /* IS_AGENT */
	mz_key key;
	char *id; /* held (names.c) */
	enum master_agent_state state;
	bool in_allocator, deactivated;
	unsigned mark; /* of the last walk that met it */
	struct arena info_arena;
	pb_agent_info *info;
	Mesos__V1__AgentInfo__Capability **caps;
	size_t n_caps;
	uint32_t capabilities;
	char *version, *pid, *ip, *path; /* of pid: "slave(1)@ip:port" */
	int port;
	double registered_time, reregistered_time;
	struct agent_link *link;
	int n_missed_pings;
	bool ponged;
	struct loop_timer *ping, *reregister;
	resources *total;
	resources *used, *offered; /* allocated form */
	struct list tasks, executors, offers;
	size_t n_tasks;
	struct map executor_index; /* "<framework id>/<executor id>" */
	VEC(struct pending_kill) kills;
};

/* A link, before and after its agent has registered. */
struct agent_link {
	struct master *m;
	struct link *link;
	struct agent *agent; /* NULL before */
	struct list in_master;
	/* A registration that waits for its record: */
	struct arena arena;
	Mezzo__Link__Register *reg;
	VEC(struct mz_bytes) early; /* frames that came meanwhile, and are newer than `reg` */
	size_t early_bytes;
	bool cut;    /* a send failed: on_gone follows */
	bool is_new; /* the id is ours, the agent has not heard it */
	bool busy;   /* a callback is outstanding: the link may be gone meanwhile */
	struct loop_timer *deadline; /* by which it has to have registered */
};

/* Agents that are unreachable or gone: only what reconciliation needs. */
struct lost_agent {
	double time;
	bool deactivated;
	char *address; /* where it was, "IP:PORT"; NULL: not known, or gone */
	struct list tasks; /* that became unreachable with it: struct task, in_agent */
};

struct key_slot {
	void *object;	    /* struct framework or struct agent; NULL: free */
	uint32_t n_before;  /* objects that it was for */
	uint32_t next_free; /* number of another free one, 0: none */
};

struct master {
	struct master_config cfg;
	struct arena cfg_arena;
	struct loop *loop;
	struct store *store;
	struct http_router *router;
	struct master_deps deps;
	char id[64];
	struct arena info_arena;
	Mesos__V1__MasterInfo *info;
	bool leading, ending;
	struct list checks; /* questions that the authorizer has not answered */
	struct list accepts, subscribes, updates, teardowns; /* that wait for the authorizer or the store */
	struct regex_limits regex_limits;
	struct rate *rates; /* one for each of cfg.rate_limits */
	char *leader; /* "host:port" of another one */
	double start_time, elected_time;

	struct module_allocator alloc;
	struct module_authorizer authz; /* m NULL: none */
	struct { /* first member: what modules see */
		struct mz_allocator_host ops;
		struct master *m;
	} alloc_host;

	VEC(struct key_slot) by_key;
	uint32_t free_slot; /* its number, from 1; 0: none */
	unsigned mark;
	struct map names; /* roles and agent ids that somebody holds */
	struct map frameworks; /* all but completed */
	struct map completed_index;
	struct list completed; /* struct framework, oldest first */
	size_t n_completed;
	struct map agents;    /* connected and disconnected */
	struct map recovered; /* struct agent, known from the store, not back yet */
	struct map marking;   /* agents whose record of being unreachable is being written */
	struct map unreachable, gone; /* struct lost_agent */
	struct map addresses; /* "IP:PORT" -> held id of who was last seen there, unless gone */
	struct map offers;
	struct list flush;   /* frameworks with fresh offers */
	struct list refused; /* what the allocator offered too late */
	struct loop_timer *flush_timer;
	bool flush_pauses; /* the timer is for those who wait for room; others do not wait for it */
	struct list links;
	size_t n_links_unregistered;
	uint64_t next_framework, next_agent, next_offer;
	struct loop_timer *gc, *recovery;
	size_t n_tasks_in[N_TASK_STATES];
	size_t n_executors;
	struct master_metrics metrics;
};

#endif
