/* cgroups_mem.h - inside of isolator/cgroups_mem: what it keeps of each container, the
 * limits (limits.c) and the events of the kernel (events.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_CGROUPS_MEM_H
#define MZ_CGROUPS_MEM_H

#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include "../../lib/by_id.h"
#include "../../lib/cgroup_isolator.h"
#include "../../lib/pending.h"

#define MB 1048576LL

enum { N_LEVELS = 3 };

/* v1: an eventfd that the kernel counts up. */
struct event {
	struct mem_container *c;
	struct mz_watch *watch;
	int fd; /* -1: none */
	int64_t n;
};

/* v2: the watch of memory.events.local, found by its number. */
struct mem_watched {
	struct by_id by; /* first member */
	struct mem_container *c;
	int wd; /* -1: none */
	char name[16];
};

/* A container with a group of its own. */
struct mem_container {
	struct by_id by; /* first member */
	struct mem *p;
	int64_t request, limit;	 /* bytes; limit -1: none */
	struct event oom, level[N_LEVELS]; /* as mem_levels */
	struct mem_watched watched;
	int limited;		 /* it was told */
	struct mz_timer *again;	 /* lowering the limit */
	struct mz_timer *late;	 /* an event from before recovery */
	int n_jobs;		 /* of lowering, on their way */
	int told;		 /* that the limit could not be lowered yet */
	char id[];
};

struct mem {
	struct cgroups cg; /* first member */
	int limit_swap, pressure;
	int inotify; /* v2; -1: none */
	struct mz_watch *inotify_watch;
	struct by_id_table containers, watched;
	struct pending *lowering; /* on worker threads */
};

/* Of pressure, as the kernel and the statistics call them. */
extern const char *const mem_levels[N_LEVELS];

struct mem_container *mem_find(const struct mem *p, const char *id);

/* ---- limits.c ---- */

/* Takes request and limit from the container. */
void limits_take(struct mem_container *mc, const struct mz_container *c);
/* For a new group, without processes. */
int limits_set(struct mem_container *mc, struct mz_err *err);
/* For one that runs. Completes op. */
void limits_change(struct mem_container *mc, struct mz_op *op);
/* Bytes; -1: there is none. */
int64_t limits_hard(const struct mem *p, const char *id);

/* ---- events.c ---- */

int events_init(struct mem *p, struct mz_err *err);
void events_done(struct mem *p);
int events_listen(struct mem_container *mc, struct mz_err *err);
void events_stop(struct mem_container *mc);
/* Tells now of what the kernel has told and nobody has read yet. */
void events_look(struct mem_container *mc);
/* After a restart: tells of what happened meanwhile. */
void events_catch_up(struct mem_container *mc);

#endif
