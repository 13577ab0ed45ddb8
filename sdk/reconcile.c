/* reconcile.c - which tasks are not known to have ended, and the questions about
 * them: in rounds, each repeated with a growing pause for those without an answer.
 *
 *   round: every task explicitly, and what else the master has (implicitly)
 *     -> pause, then those without an answer again -> … -> all answered
 *     -> reconcile_secs later the next round
 *
 * A master that has just become the leader does not answer for agents that have not
 * come back yet, and an answer may be lost with a connection: hence the repetition.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/str.h"
#include "sdk/impl.h"

enum { CHUNK = 1000 };
#define PAUSE_MIN_NS NS_PER_SEC
#define PAUSE_MAX_NS (60 * NS_PER_SEC)

struct tracked {
	char *agent_id; /* NULL: not known */
	bool asked;	/* and no answer yet */
};

static void tracked_free(struct tracked *t)
{
	if (!t)
		return;
	free(t->agent_id);
	free(t);
}

static void on_due(void *arg);

static void ask_in(struct mzf_framework *f, int64_t pause_ns)
{
	int64_t half = pause_ns / 2;

	loop_timer_cancel(f->loop, f->ask_timer);
	f->ask_timer = loop_timer(f->loop, half + (int64_t)loop_random_below(f->loop, (uint64_t)half + 1), on_due, f);
}

/* Every task that was asked for and has no answer. */
static size_t ask(struct mzf_framework *f)
{
	const char *ids[CHUNK], *agents[CHUNK];
	size_t n = 0, total = 0;

	map_each(&f->tracked, e) {
		const struct tracked *t = e->value;
		if (!t->asked)
			continue;
		ids[n] = e->key;
		agents[n++] = t->agent_id;
		total++;
		if (n == CHUNK) {
			(void)mzf_reconcile(f, ids, agents, n);
			n = 0;
		}
	}
	if (n)
		(void)mzf_reconcile(f, ids, agents, n);
	return total;
}

static void next_round(struct mzf_framework *f)
{
	map_each(&f->tracked, e)
		((struct tracked *)e->value)->asked = true;
	f->ask_pause_ns = PAUSE_MIN_NS;
	(void)ask(f);
	(void)mzf_reconcile(f, NULL, NULL, 0);
	ask_in(f, f->ask_pause_ns);
}

static void on_due(void *arg)
{
	struct mzf_framework *f = arg;

	f->ask_timer = NULL;
	if (!f->ask_pause_ns) {
		next_round(f);
	} else if (ask(f)) {
		f->ask_pause_ns = MZ_MIN(f->ask_pause_ns * 2, PAUSE_MAX_NS);
		ask_in(f, f->ask_pause_ns);
	} else {
		f->ask_pause_ns = 0;
		ask_in(f, f->reconcile_ns);
	}
}

void mzf_reconcile_start(struct mzf_framework *f, bool known)
{
	if (f->manual_reconcile)
		return;
	f->ask_pause_ns = 0;
	if (known || f->tracked.n)
		next_round(f);
	else
		ask_in(f, f->reconcile_ns);
}

void mzf_reconcile_stop(struct mzf_framework *f)
{
	loop_timer_cancel(f->loop, MZ_MOVE(f->ask_timer));
}

void mzf_reconcile_answered(struct mzf_framework *f, const char *task_id, const char *agent_id)
{
	struct tracked *t = map_get(&f->tracked, task_id);

	if (!t)
		return;
	t->asked = false;
	if (agent_id && !t->agent_id)
		t->agent_id = xstrdup(agent_id);
}

void mzf_track_task(struct mzf_framework *f, const char *task_id, const char *agent_id)
{
	struct tracked *t = map_get(&f->tracked, task_id);

	if (!t) {
		t = xnew(struct tracked);
		map_put(&f->tracked, task_id, t);
	}
	xset(&t->agent_id, agent_id);
}

void mzf_untrack_task(struct mzf_framework *f, const char *task_id)
{
	tracked_free(map_del(&f->tracked, task_id));
}

size_t mzf_n_unanswered(const struct mzf_framework *f)
{
	size_t n = 0;

	map_each(&f->tracked, e)
		n += ((const struct tracked *)e->value)->asked;
	return n;
}

void mzf_tracked_done(struct mzf_framework *f)
{
	map_each(&f->tracked, e)
		tracked_free(e->value);
	map_done(&f->tracked);
}
