/* checks.h - health checks and generic checks of one task.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_LIB_CHECKS_CHECKS_H
#define MZ_LIB_CHECKS_CHECKS_H

#include <mezzo/executor.h>

/* Numbers of CheckInfo.Type and HealthCheck.Type. */
enum { CHECK_NONE = 0, CHECK_COMMAND = 1, CHECK_HTTP = 2, CHECK_TCP = 3 };

/* Values of a look besides its result, which is not negative. */
enum {
	CHECK_FAILED = -1,  /* it could not be made, or did not end in time */
	CHECK_SKIPPED = -2, /* nobody's fault: as if it had not been made */
};

/* Told once what became of a command: an exit code or CHECK_*; why may be NULL. */
typedef void (*checks_done_fn)(void *arg, int value, const char *why);

/* What is told of them; called from timers, descriptors and children only. */
struct checks_events {
	/* The first success, the first one after failures, and each failure that
	 * counts. kill: as many in a row as are too many. */
	void (*on_health)(void *arg, int healthy, int kill);
	/* The result of the generic check is another than before; -1: none. */
	void (*on_value)(void *arg, int value);
	/* Where commands are run; NULL: here, as children. `field` of the TaskInfo is the
	 * CommandInfo. done comes later, never from inside; the result names the run for
	 * `stop`, after which done does not come. NULL: no memory. */
	void *(*run)(void *arg, const char *field, checks_done_fn done, void *done_arg);
	void (*stop)(void *arg, void *run);
};

struct checks;
/* NULL if the task has none (or no memory): the other functions take that. */
struct checks *checks_new(const struct mz_host *h, const struct mz_info *task, const struct checks_events *events,
			  void *arg);
int checks_type(const struct checks *c); /* of the generic check; CHECK_NONE: there is none */
void checks_start(struct checks *c);	 /* the task runs: delays count from here */
void checks_stop(struct checks *c);	 /* for good */
void checks_free(struct checks *c);	 /* in destroy only */

#endif
