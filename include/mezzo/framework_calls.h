/* <mezzo/framework_calls.h> - what a framework says to the master beside answers to
 * offers. Part of <mezzo/framework.h>, which is what authors include; the
 * conventions are there.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_FRAMEWORK_CALLS_H
#define MEZZO_FRAMEWORK_CALLS_H

#include <mezzo/framework.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tasks -------------------------------------------------------------------- */

/* A task of an earlier life of this scheduler, to be asked for until it has ended.
 * Tasks are tracked by themselves once they are launched, and until their terminal
 * update. agent_id may be NULL; with it the master can tell more. */
void mzf_track_task(struct mzf_framework *f, const char *task_id, const char *agent_id);
void mzf_untrack_task(struct mzf_framework *f, const char *task_id);
/* How many tracked tasks the master still owes an answer. */
size_t mzf_n_unanswered(const struct mzf_framework *f);
/* One question of your own, without repetition: what became of these tasks
 * (agent_ids may be NULL, and each of them too)? n 0: all that the master knows. */
int mzf_reconcile(struct mzf_framework *f, const char *const *task_ids, const char *const *agent_ids, size_t n);
/* agent_id may be NULL. */
int mzf_kill(struct mzf_framework *f, const char *task_id, const char *agent_id);
/* The same with a grace period instead of the task's own. */
int mzf_kill_within(struct mzf_framework *f, const char *task_id, const char *agent_id, double grace_secs);
/* Only with manual_ack, now or later: task_id, agent_id and uuid are what counts.
 * Updates without uuid are skipped (0). */
int mzf_acknowledge(struct mzf_framework *f, const struct mzf_status *status);

/* ---- executors ------------------------------------------------------------------ */

/* May be lost on its way. */
int mzf_message(struct mzf_framework *f, const char *agent_id, const char *executor_id, struct mz_bytes data);
/* Ends the executor and all of its tasks. */
int mzf_shutdown_executor(struct mzf_framework *f, const char *agent_id, const char *executor_id);

/* ---- offers of all agents --------------------------------------------------------- */

/* Forgets all filters and asks for offers again; or no offers until then. */
int mzf_revive(struct mzf_framework *f);
int mzf_suppress(struct mzf_framework *f);
/* The same for some of the framework's roles. */
int mzf_revive_roles(struct mzf_framework *f, const char *const *roles, size_t n);
int mzf_suppress_roles(struct mzf_framework *f, const char *const *roles, size_t n);

/* ---- the framework ---------------------------------------------------------------- */

/* Another name, other roles and so on, from now on and for later subscriptions; of
 * the options, only what describes the framework counts. */
int mzf_update_framework(struct mzf_framework *f, const struct mzf_options *o, struct mz_err *err);
/* Ends the framework and all of its tasks. fn (may be NULL) is told when the
 * master has said yes (why NULL), and with it to all calls before, or why not.
 * No other callback follows. */
int mzf_teardown(struct mzf_framework *f, void (*fn)(void *arg, const char *why), void *arg);
/* The same wait without a teardown: fn when all calls so far are answered. */
void mzf_flush(struct mzf_framework *f, void (*fn)(void *arg, const char *why), void *arg);

#ifdef __cplusplus
}
#endif
#endif
