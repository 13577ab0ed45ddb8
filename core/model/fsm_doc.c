/* fsm_doc.c - prints docs/state-machines.md from the tables: each machine as a
 * table, and as a picture if it is small enough to be one.
 * Called by print_fsm, and by the test that compares the page.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/fsm_doc.h"

#include "model/model.h"

enum { MAX_PICTURE_STEPS = 30 };

static int next_of(const struct fsm *m, size_t state, size_t event)
{
	return m->next[state * m->n_events + event];
}

/* The events that lead from one state to another, after `before`; 0 if none do. */
static size_t print_events(const struct fsm *m, size_t from, size_t to, const char *before, struct buf *out)
{
	size_t n = 0;
	for (size_t e = 0; e < m->n_events; e++)
		if (next_of(m, from, e) == (int)to)
			buf_addf(out, "%s%s", n++ ? ", " : before, m->events[e]);
	return n;
}

static void print_table(const struct fsm *m, struct buf *out)
{
	buf_adds(out, "| in | on | becomes |\n|---|---|---|\n");
	for (size_t from = 0; from < m->n_states; from++)
		for (size_t to = 0; to < m->n_states; to++) {
			mz_autobuf struct buf before = {0};
			buf_addf(&before, "| %s | ", m->states[from]);
			if (print_events(m, from, to, buf_str(&before), out))
				buf_addf(out, " | %s |\n", m->states[to]);
		}
}

static void print_picture(const struct fsm *m, struct buf *out)
{
	buf_adds(out, "\n```mermaid\nstateDiagram-v2\n");
	for (size_t from = 0; from < m->n_states; from++)
		for (size_t to = 0; to < m->n_states; to++) {
			mz_autobuf struct buf before = {0};
			buf_addf(&before, "    %s --> %s: ", m->states[from], m->states[to]);
			if (from != to && print_events(m, from, to, buf_str(&before), out))
				buf_addc(out, '\n');
		}
	buf_adds(out, "```\n");
}

void fsm_print_page(struct buf *out)
{
	buf_adds(out, "# State machines\n\n"
		      "Printed by `core/model/print_fsm` from `core/model/transitions.def`, which also says\n"
		      "what the states mean. A step that has no row is refused.\n");
	for (size_t i = 0; fsm_all[i]; i++) {
		const struct fsm *m = fsm_all[i];
		size_t steps = 0;
		for (size_t k = 0; k < m->n_states * m->n_events; k++)
			steps += m->next[k] >= 0;
		buf_addf(out, "\n## %s\n\n", m->name);
		print_table(m, out);
		if (steps <= MAX_PICTURE_STEPS)
			print_picture(m, out);
	}
}
