/* checker_impl.h - shared by checker.c (tasks, updates) and checker_offers.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_CHECKER_IMPL_H
#define MZ_SIM_CHECKER_IMPL_H

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/model.h"
#include "sim/checker.h"
#include "sim/machine.h"

#define TS(name) MESOS__V1__TASK_STATE__TASK_##name

struct seen_update {
	unsigned char uuid[UUID_BYTES];
	Mesos__V1__TaskState state;
	char *message;
	bool executor_acked, lost, seen, framework_acked;
};

struct check_task {
	unsigned framework;
	bool live, ended_for_framework, given_up;
	unsigned n_started, n_again, n_refused; /* n_again: launched once more, with the same id */
	Mesos__V1__TaskState final_state;
	bool told_end; /* by an update that had to be acknowledged: that stays */
	Mesos__V1__TaskState told_state;
	struct sim_machine *machine;
	resources *res;
	VEC(struct seen_update) updates;
	size_t n_seen; /* updates up to here have been overtaken by what the framework saw */
};

struct check_offer {
	const void *stream;
	unsigned framework;
	struct sim_machine *machine;
	resources *res;
};

/* What a framework has refused of a machine, and until when. */
struct check_filters {
	unsigned framework;
	VEC(struct {
		resources *res;
		int64_t until;
	}) v;
};

/* Tasks that run together, or not at all. */
struct check_group {
	VEC(struct check_task *) tasks;
};

struct checker {
	struct sim *sim;
	struct map tasks;    /* id -> struct check_task */
	struct map offers;   /* id -> struct check_offer */
	struct map machines; /* host name -> struct sim_machine */
	struct map live;     /* machine's name -> resources: what runs there */
	struct map offered;  /* machine's name -> resources: what is offered of it */
	VEC(bool) ended;     /* by framework */
	VEC(bool) lenient;   /* by framework */
	VEC(struct check_group) groups;
	struct map filters;    /* "framework machine" -> struct check_filters */
	VEC(bool) suppressed; /* by framework */
	bool no_filters;      /* they are not looked at */
	uint64_t n_updates;
};


/* checker_offers.c: ranges and sets must not be given twice, a sum would not show it. */
void check_add(struct checker *c, struct map *sums, const struct sim_machine *m, const resources *r, const char *why);
/* What runs and what is offered together fit into the machine. */
void check_room(struct checker *c, const struct sim_machine *m, const char *why);
resources *check_sum(struct map *m, const struct sim_machine *of);
void check_offers_done(struct checker *c);

#endif
