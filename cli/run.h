/* run.h - what the two files of `mezzo run` share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CLI_RUN_H
#define MEZZO_CLI_RUN_H

#include "cli/cli.h"
#include "cli/run_output.h"
#include "loop/loop.h"
#include "sdk/framework.h"

struct run;

struct instance {
	struct run *run;
	char *id, *agent_id, *ip;
	int port;
	bool launched, seen, ended, drained;
	int status;
	struct tail *tail;
	struct output out;
};

/* What is to be run, as the arguments say. */
struct run_plan {
	struct mzf_task task; /* without id */
	VEC(const char *) argv;
	VEC(struct mzf_env) env;
	const char *role, *user;
	int64_t n_instances, timeout_ns;
	bool detach, json;
};
int run_plan_init(struct run_plan *p, const struct cli *c, struct mz_err *err);
void run_plan_done(struct run_plan *p);
int run_execute(const struct run_plan *p, const char *master);

#endif
