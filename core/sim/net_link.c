/* net_link.c - struct link and struct link_dialer over simulated connections.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "sim/net_impl.h"

enum { LINK_MAX_BYTES = 64 << 20 };

struct sim_link {
	struct link l; /* first member */
	struct side *side;
};

struct dialer {
	struct link_dialer d; /* first member */
	struct sim_net *net;
	struct sim_node *node;
	struct list dials;
};

struct dial {
	struct list in_dialer;
	struct side *side;
	struct sim_node *node;
	void (*fn)(void *arg, struct link *l, const char *why);
	void *arg;
};

/* ---- links ------------------------------------------------------------------- */

static int op_send(struct link *l, const void *frame, size_t size)
{
	struct sim_link *k = (struct sim_link *)l;
	return side_send(k->side, word_new(WORD_FRAME, frame, size));
}

static void op_close(struct link *l)
{
	struct sim_link *k = (struct sim_link *)l;
	side_close(k->side);
	free(k);
}

static const struct link_ops link_ops = {op_send, op_close};

static void on_word(struct side *s, struct word *w)
{
	struct sim_link *k = s->owner;
	if (w->kind == WORD_FRAME && k->l.on_frame)
		k->l.on_frame(k->l.arg, w->data, w->size);
}

static void on_gone(struct side *s, const char *why)
{
	struct sim_link *k = s->owner;
	side_close(s);
	if (k->l.on_gone)
		k->l.on_gone(k->l.arg, why);
	free(k);
}

static const struct side_ops side_ops = {on_word, on_gone};

static struct link *link_new(struct side *s)
{
	struct sim_link *k = xnew(struct sim_link);
	k->l.ops = &link_ops;
	k->l.peer = s->conn->address;
	k->side = s;
	s->owner = k;
	s->ops = &side_ops;
	return &k->l;
}

void link_accept(struct side *s, const struct sim_server *srv)
{
	struct link *l = link_new(s);
	(void)side_send(s, word_new(WORD_TAKEN, NULL, 0));
	srv->on_link(srv->arg, l);
}

/* ---- dialling ------------------------------------------------------------------ */

static void on_taken(struct side *s, struct word *w)
{
	struct dial d = *(struct dial *)s->owner;
	must(w->kind == WORD_TAKEN);
	list_remove(&((struct dial *)s->owner)->in_dialer);
	free(s->owner);
	d.fn(d.arg, link_new(s), NULL);
}

static void on_refused(struct side *s, const char *why)
{
	struct dial d = *(struct dial *)s->owner;
	list_remove(&((struct dial *)s->owner)->in_dialer);
	free(s->owner);
	side_close(s);
	d.fn(d.arg, NULL, why);
}

static const struct side_ops dial_ops = {on_taken, on_refused};

static void op_dial(struct link_dialer *d, const char *address, void (*fn)(void *arg, struct link *l, const char *why),
		    void *arg)
{
	struct dialer *r = (struct dialer *)d;
	struct dial *x = xnew(struct dial);
	struct conn *c = conn_new(r->net, r->node, address, LINK_MAX_BYTES);
	x->side = &c->side[0];
	x->fn = fn;
	x->arg = arg;
	x->side->owner = x;
	x->side->ops = &dial_ops;
	list_append(&r->dials, &x->in_dialer);
	(void)side_send(x->side, word_new(WORD_DIAL, NULL, 0));
}

static void op_cancel(struct link_dialer *d, void *arg)
{
	struct dialer *r = (struct dialer *)d;
	list_each(&r->dials, struct dial, in_dialer, x) {
		if (x->arg != arg)
			continue;
		list_remove(&x->in_dialer);
		side_close(x->side);
		free(x);
	}
}

static const struct link_dialer_ops dialer_ops = {op_dial, op_cancel};

struct link_dialer *sim_dialer_new(struct sim_net *n, struct sim_node *node)
{
	struct dialer *r = xnew(struct dialer);
	r->d.ops = &dialer_ops;
	r->net = n;
	r->node = node;
	list_init(&r->dials);
	return &r->d;
}

void sim_dialer_free(struct link_dialer *d)
{
	struct dialer *r = (struct dialer *)d;
	if (!r)
		return;
	list_each(&r->dials, struct dial, in_dialer, x) {
		list_remove(&x->in_dialer);
		side_close(x->side);
		free(x);
	}
	free(r);
}
