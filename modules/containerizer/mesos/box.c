/* box.c - containerizer/mesos: the table of containers, and the states that may follow
 * each other.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "mesos.h"

struct box *box_find(struct mesos *m, const char *id)
{
	return (struct box *)by_id_find(&m->boxes, id);
}

struct box *box_next(struct mesos *m, const struct box *b)
{
	return (struct box *)by_id_next(&m->boxes, b ? &b->by : NULL);
}

struct box *box_new(struct mesos *m, const char *id)
{
	struct box *b = calloc(1, sizeof(*b));
	char *own = strdup(id);
	if (b)
		*b = (struct box){
			.m = m, .id = own, .control = -1, .pidfd = -1, .wait_status = -1, .fd_out = -1, .fd_err = -1, .io.pidfd = -1};
	if (!b || !own || box_find(m, id) || by_id_add(&m->boxes, &b->by, own) < 0) {
		free(b);
		free(own);
		return NULL;
	}
	m->n_nested += strchr(id, '.') != NULL;
	m->h->metric_add(m->running, 1);
	return b;
}

struct box *box_parent(const struct box *b)
{
	const char *dot = strrchr(b->id, '.');
	char *id = dot ? strndup(b->id, (size_t)(dot - b->id)) : NULL;
	struct box *parent = id ? box_find(b->m, id) : NULL;
	free(id);
	return parent;
}

static int is_in(const struct box *b, const char *id, size_t len)
{
	return !strncmp(b->id, id, len) && b->id[len] == '.';
}

int box_destroy_nested(struct box *b)
{
	struct mesos *m = b->m;
	size_t len = strlen(b->id);
	int any = 0;
	for (struct box *x = m->n_nested ? box_next(m, NULL) : NULL; x; x = box_next(m, x))
		if (is_in(x, b->id, len) && !strchr(x->id + len + 1, '.')) {
			any = 1;
			box_destroy(x); /* which frees nothing: the answers come later */
		}
	return any;
}

void box_free(struct box *b)
{
	(void)by_id_take(&b->m->boxes, b->id);
	b->m->n_nested -= strchr(b->id, '.') != NULL;
	b->m->h->metric_add(b->m->running, -1);
	shim_done(b);
	io_done(b);
	b->m->k->launch_free(b->launch);
	free(b->limitation_message);
	free(b->file_out);
	free(b->file_err);
	free(b->id);
	free(b);
}

/* From each state, the states that may follow. */
static const char *const state_name[BOX_N_STATES] = {"PREPARING", "RESOLVING", "CREATING",   "ISOLATING",
						     "STARTING",  "RUNNING",   "DESTROYING", "CLEANING"};
static const unsigned char follows[BOX_N_STATES] = {
	[BOX_PREPARING] = 1 << BOX_RESOLVING | 1 << BOX_CREATING | 1 << BOX_ISOLATING | 1 << BOX_CLEANING,
	[BOX_RESOLVING] = 1 << BOX_CREATING | 1 << BOX_ISOLATING | 1 << BOX_CLEANING,
	[BOX_CREATING] = 1 << BOX_ISOLATING | 1 << BOX_DESTROYING | 1 << BOX_CLEANING,
	[BOX_ISOLATING] = 1 << BOX_STARTING | 1 << BOX_DESTROYING | 1 << BOX_CLEANING,
	[BOX_STARTING] = 1 << BOX_RUNNING | 1 << BOX_DESTROYING | 1 << BOX_CLEANING,
	[BOX_RUNNING] = 1 << BOX_DESTROYING | 1 << BOX_CLEANING,
	[BOX_DESTROYING] = 1 << BOX_CLEANING,
	[BOX_CLEANING] = 0,
};

void box_go(struct box *b, enum box_state to)
{
	if (!(follows[b->state] & 1 << to))
		say(b->m, MZ_LOG_ERROR, "Container '%s' goes from %s to %s, which is not foreseen", b->id,
		    state_name[b->state], state_name[to]);
	b->state = to;
}

int concerns(struct mesos *m, size_t i, const char *id)
{
	return !strchr(id, '.') || (m->k->isolator_flags(m->h, i) & MZ_ISOLATOR_NESTED);
}
