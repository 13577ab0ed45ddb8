/* agent_world.h - an agent on a disk, containers and files in memory; its master
 * and its executors are played by the test. Disk and containers outlive the agent.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_AGENT_WORLD_H
#define MZ_TESTS_AGENT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/agent.h"
#include "base/str.h"
#include "fakes.h"
#include "kit_loop.h"
#include "mesos/v1/agent.pb-c.h"
#include "mesos/v1/executor.pb-c.h"
#include "mezzo/link.pb-c.h"
#include "os/files.h"
#include "wire/codec.h"

#define SECS NS_PER_SEC
#define TM(name) MEZZO__LINK__TO_MASTER__MESSAGE_##name
#define ST(name) MESOS__V1__TASK_STATE__TASK_##name
#define RS(name) MESOS__V1__TASK_STATUS__REASON__REASON_##name
#define EV(name) MESOS__V1__EXECUTOR__EVENT__TYPE__##name

struct limit_question {
	void (*fn)(void *arg, bool limited);
	void *arg;
};

struct usage_question {
	void (*fn)(void *arg, struct mz_bytes statistics);
	void *arg;
};

struct fake_containers {
	struct containers c; /* first member */
	struct loop *loop;
	struct map live;       /* container id -> itself */
	VEC(char *) launched;  /* ids, in order */
	VEC(char *) removed;   /* sandboxes */
	char *last_executor, *last_argv, *last_env;
	bool fail_launch, fail_update;
	bool slow_end; /* terminate is only counted */
	bool hold_launch;  /* container_launched() answers */
	struct world_job *held_launch;
	bool hold_usage; /* what containers use is told by container_measured() */
	VEC(struct usage_question) usage_questions;
	size_t n_usage_questions; /* so far */
	bool hold_limited; /* questions for limits are answered by container_limited() */
	VEC(struct limit_question) limit_questions;
	bool hold_remove, fail_remove; /* of sandboxes; held ones stay */
	size_t n_removing, n_removing_most; /* sandboxes at a time */
	size_t n_updates, n_recovered, n_terminated;
	double usage;
	struct container_limits limits; /* of the last launch or update */
	bool share_cgroups;
	char *last_role, *last_principal; /* of the last launch; NULL: none */
	struct mz_bytes status;		 /* that modules tell of each; packed */
	char *last_parent, *last_killed; /* killed: "ID:SIGNAL" */
	char *last_user, *last_start;	 /* of the last launch; NULL: none */
	char *recovered; /* by the last recovery: "ID cpus=C mem=M share=S class=K attachable=A" a line */
	size_t n_removed;		 /* calls of remove */
	int container_class, tty, attachable, rows, columns; /* of the last launch */
	int attach_error;				     /* of the next attach; 0: none */
	bool hold_attach;				     /* it is answered by container_attached() */
	void (*attach_fn)(void *arg, const struct mz_err *err, int fd);
	void *attach_arg;
	int n_attached; /* the number of the last one is its descriptor */
};

struct world {
	struct loop *loop;
	struct fake_disk disk;
	struct store *store;
	struct http_router router, executor_router;
	struct fake_containers containers;
	struct files files;
	struct map attached; /* virtual -> real */
	struct link_dialer dialer;
	struct agent *a;
	struct arena arena;
	const char *resources, *attributes, *boot_id;
	int port;
	size_t max_completed;
	bool gc_nested, switch_user; /* for the next start */
	const char *domain_socket; /* the same; NULL: none */
	struct module *authorizer; /* for the next start, or NULL */
	struct fake_link *link; /* the newest */
	size_t n_dials;
	bool refuse_dials;
	char *fatal;
	VEC(struct fake_call *) calls;
	VEC(struct fake_link *) links;
	VEC(struct world_job *) jobs;
	VEC(struct fake_io *) ios; /* connections to I/O servers */
};

int world_setup(void **state);
int world_teardown(void **state);
void world_settle(struct world *w);
void world_pass(struct world *w, int64_t ns);
int world_start(struct world *w, struct mz_err *err); /* a new agent, recovering */
void world_crash(struct world *w); /* streams and link with it */
void world_restart(struct world *w);
/* Start, master, Register, Registered. */
void world_register(struct world *w);
Mezzo__Link__Register *world_registered(struct world *w); /* answers Register, and returns it */
size_t world_n_records(struct world *w, const char *prefix);

/* A message of the master, JSON of ToAgent. */
void to_agent(struct world *w, const char *fmt, ...);
/* The next of that kind, others are skipped; NULL: none. */
Mezzo__Link__ToMaster *to_master(struct world *w, int message);
Mesos__V1__TaskStatus *next_status(struct world *w);
void expect_status(struct world *w, const char *task, int state, int reason);

/* A command task, or (executor) one of a custom executor, of framework "F". */
void run_task(struct world *w, const char *task, const char *executor);
void kill_task(struct world *w, const char *task);
void ack(struct world *w, const char *task, const Mesos__V1__TaskStatus *s);
void ack_uuid(struct world *w, const char *task, int uuid);

/* `more`: members of "subscribe". */
struct fake_call *executor_subscribe(struct world *w, const char *executor, const char *more);
struct fake_call *executor_post(struct world *w, const char *json);
int executor_update(struct world *w, const char *executor, const char *task, const char *state, int uuid);
Mesos__V1__Executor__Event *event_any(struct world *w, struct fake_call *stream);
Mesos__V1__Executor__Event *event(struct world *w, struct fake_call *stream, int type);
char *uuid_json(struct world *w, int byte); /* base64 of 16 of them */
struct fake_call *world_get(struct world *w, const char *target);
/* Register to LAUNCH: executor "e" of framework "F" runs, with a task "t"; its stream, behind
 * LAUNCH; or the id of its container. */
struct fake_call *start_task(struct world *w);
const char *start_executor(struct world *w);

/* A call of /api/v1, given as JSON, sent in this encoding; and what was answered. */
struct fake_call *api(struct world *w, enum codec codec, const char *fmt, ...) MZ_PRINTF(3, 4);
Mesos__V1__Agent__Response *api_response(struct world *w, enum codec codec, struct fake_call *c);
/* Its format and arguments: container `id` in `top`. */
#define LAUNCH_IN(top, id, more) "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"%s\"," \
	"\"parent\":{\"value\":\"%s\"}},\"command\":{\"value\":\"x\"}%s}}", id, top, more

void container_exit(struct world *w, const char *id, int wait_status);
/* The launch that is held, if there is one; then no other one is. */
void container_launched(struct world *w, bool failed);
/* Because it went over a limit: too much of `mem` megabytes. */
void container_limited(struct world *w, bool limited);
void container_measured(struct world *w); /* answers the oldest question that waits */
void container_exceeds(struct world *w, const char *id, int reason, const char *mem);
const char *last_container(struct world *w);
void container_attached(struct world *w);

/* ---- agent_world_fakes.c, for agent_world.c ------------------------------------- */
void world_fakes_init(struct world *w);
void world_forget_jobs(struct world *w);
struct io *world_io_open(struct loop *l, int fd, const struct io_cb *cb, void *arg);

#endif
