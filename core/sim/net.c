/* net.c - connections and servers of the simulated network. See net.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/net.h"

#include <stdlib.h>
#include <string.h>

#include "sim/net_impl.h"

static void send_first(struct side *s);

/* ---- words ---------------------------------------------------------------------- */

struct word *word_new(int kind, const void *data, size_t size)
{
	struct word *w = xnew(struct word);
	w->kind = kind;
	w->size = size;
	w->data = xmalloc(size + 1);
	if (size)
		memcpy(w->data, data, size);
	((char *)w->data)[size] = '\0';
	return w;
}

static void word_free(struct word *w)
{
	free(w->method);
	free(w->path);
	free(w->content_type);
	free(w->accept);
	free(w->stream_id);
	free(w->data);
	free(w);
}

/* ---- connections ------------------------------------------------------------------ */

static void on_first_word(struct side *s, struct word *w)
{
	const struct sim_server *srv = conn_serve(s);
	if (!srv)
		return;
	if (w->kind == WORD_DIAL)
		link_accept(s, srv);
	else
		http_accept(s, srv, w);
}

static void on_never_served(struct side *s MZ_UNUSED, const char *why MZ_UNUSED)
{
}

static const struct side_ops first_ops = {on_first_word, on_never_served};

static void side_set_node(struct side *s, struct sim_node *node)
{
	list_remove(&s->in_node);
	s->node = node;
	if (node)
		list_append(&node->sides, &s->in_node);
}

struct conn *conn_new(struct sim_net *n, struct sim_node *client, const char *address, size_t max_queued)
{
	struct conn *c = xnew(struct conn);
	c->net = n;
	c->id = ++n->n_conns_ever;
	c->max_queued = max_queued;
	c->address = xstrdup(address);
	for (int i = 0; i < 2; i++) {
		c->side[i].conn = c;
		list_init(&c->side[i].queue);
	}
	side_set_node(&c->side[0], client);
	c->side[1].ops = &first_ops;
	list_append(&n->conns, &c->in_net);
	return c;
}

static void queue_clear(struct side *s)
{
	list_each(&s->queue, struct word, in_queue, w) {
		list_remove(&w->in_queue);
		word_free(w);
	}
	s->queued = 0;
	loop_timer_cancel(&s->conn->net->wire->loop, s->timer);
	s->timer = NULL;
}

static void conn_free(struct conn *c)
{
	for (int i = 0; i < 2; i++) {
		queue_clear(&c->side[i]);
		side_set_node(&c->side[i], NULL);
	}
	list_remove(&c->in_net);
	free(c->address);
	free(c);
}

static void on_reap(void *arg)
{
	struct conn *c = arg;
	c->reap = NULL;
	if (c->n_cuts || c->side[0].ops || c->side[1].ops || !list_empty(&c->side[0].queue) ||
	    !list_empty(&c->side[1].queue))
		return;
	conn_free(c);
}

static void reap_later(struct conn *c)
{
	if (!c->reap && !c->side[0].ops && !c->side[1].ops)
		c->reap = loop_timer(&c->net->wire->loop, 0, on_reap, c);
}

static void side_gone(struct side *s, const char *why)
{
	const struct side_ops *ops = s->ops;
	if (!ops)
		return;
	s->ops = NULL;
	if (s->node && s->node->dead)
		return;
	struct sim *sim = s->conn->net->sim;
	sim_enter(sim, s->node);
	ops->on_gone(s, why);
}

struct gone {
	struct conn *conn;
	int side;
	const char *why;
};

static void on_cut(void *arg)
{
	struct gone g = *(struct gone *)arg;
	free(arg);
	g.conn->n_cuts--;
	side_gone(&g.conn->side[g.side], g.why);
	reap_later(g.conn);
}

static int64_t draw_delay(struct conn *c)
{
	struct sim_net *n = c->net;
	struct sim_node *a = c->side[0].node, *b = c->side[1].node;
	if (a && b && a->host == b->host)
		return sim_exp(n->sim, n->cfg.local_mean_ns);
	int64_t d = n->cfg.delay_min_ns + sim_exp(n->sim, n->cfg.delay_mean_ns);
	return sim_chance(n->sim, n->cfg.slow_permille) ? d * 100 : d;
}

void conn_cut(struct conn *c, const char *why)
{
	if (c->cut)
		return;
	c->cut = true;
	sim_trace(c->net->sim, "connection %llu cut: %s", (unsigned long long)c->id, why);
	for (int i = 0; i < 2; i++) {
		queue_clear(&c->side[i]);
		if (!c->side[i].ops)
			continue;
		struct gone *g = xnew(struct gone);
		*g = (struct gone){c, i, why};
		c->n_cuts++;
		(void)loop_timer(&c->net->wire->loop, draw_delay(c), on_cut, g);
	}
	reap_later(c);
}

static bool blocked(const struct conn *c)
{
	const struct sim_node *a = c->side[0].node, *b = c->side[1].node;
	int64_t now = sim_now(c->net->sim);
	if (!b) {
		const struct sim_server *srv = map_get(&c->net->servers, c->address);
		b = srv ? srv->node : NULL;
	}
	if (!a || !b || a->host == b->host)
		return false;
	return a->host->cut_until > now || b->host->cut_until > now;
}

/* The first of the queue has arrived. */
static void on_arrived(void *arg)
{
	struct side *s = arg, *peer = side_peer(s);
	struct conn *c = s->conn;
	s->timer = NULL;
	if (blocked(c)) {
		s->timer = loop_timer(&c->net->wire->loop, 100 * NS_PER_MS, on_arrived, s);
		return;
	}
	struct word *w = list_first(&s->queue, struct word, in_queue);
	list_remove(&w->in_queue);
	s->queued -= w->size;
	uint64_t what[4] = {c->id, (uint64_t)(s - c->side), (uint64_t)w->kind, w->size};
	sim_hash(c->net->sim, what, sizeof(what));
	sim_hash(c->net->sim, w->data, w->size);
	if (peer->ops && !(peer->node && peer->node->dead)) {
		if (w->kind == WORD_END) {
			side_gone(peer, "closed by the peer");
		} else {
			sim_enter(c->net->sim, peer->node);
			peer->ops->on_word(peer, w);
		}
	}
	word_free(w);
	send_first(s);
	reap_later(c);
}

static void send_first(struct side *s)
{
	if (s->timer || list_empty(&s->queue))
		return;
	struct word *w = list_first(&s->queue, struct word, in_queue);
	struct sim_net *n = s->conn->net;
	s->timer = loop_timer(&n->wire->loop, w->at - sim_now(n->sim), on_arrived, s);
}

static void queue(struct side *s, struct word *w)
{
	w->at = MZ_MAX(s->last_at, sim_now(s->conn->net->sim) + draw_delay(s->conn));
	s->last_at = w->at;
	s->queued += w->size;
	list_append(&s->queue, &w->in_queue);
	send_first(s);
}

int side_send(struct side *s, struct word *w)
{
	if (!s->ops || s->ended || s->conn->cut || (s->node && s->node->dead)) {
		word_free(w);
		return -EPIPE;
	}
	if (s->queued + w->size > s->conn->max_queued) {
		word_free(w);
		conn_cut(s->conn, "its queue was full");
		return -ENOBUFS;
	}
	queue(s, w);
	return 0;
}

void side_close(struct side *s)
{
	s->ops = NULL;
	if (!s->ended && !s->conn->cut) {
		s->ended = true;
		queue(s, word_new(WORD_END, NULL, 0));
	}
	reap_later(s->conn);
}

/* ---- servers ------------------------------------------------------------------------ */

const struct sim_server *conn_serve(struct side *s)
{
	const struct sim_server *srv = map_get(&s->conn->net->servers, s->conn->address);
	if (!srv || srv->node->dead) {
		conn_cut(s->conn, "connection refused");
		return NULL;
	}
	side_set_node(s, srv->node);
	sim_enter(s->conn->net->sim, s->node);
	return srv;
}

void sim_net_listen(struct sim_net *n, const char *address, const struct sim_server *s)
{
	(void)map_put(&n->servers, address, (void *)s);
}

void sim_net_unlisten(struct sim_net *n, const char *address)
{
	(void)map_del(&n->servers, address);
}

/* ---- ends ---------------------------------------------------------------------------- */

void sim_net_crash(struct sim_net *n, struct sim_node *node)
{
	list_each(&node->sides, struct side, in_node, s)
		if (sim_chance(n->sim, 500)) {
			queue_clear(s);
			s->ended = false; /* sim_net_forget() ends it */
		}
}

void sim_net_forget(struct sim_net *n MZ_UNUSED, struct sim_node *node)
{
	list_each(&node->sides, struct side, in_node, s) {
		if (s->ops || !s->ended)
			side_close(s);
		side_set_node(s, NULL);
	}
}

void sim_net_reset(struct sim_net *n, struct sim_host *h, unsigned permille)
{
	list_each(&n->conns, struct conn, in_net, c) {
		struct sim_node *a = c->side[0].node, *b = c->side[1].node;
		if (!a || !b || a->host == b->host || (a->host != h && b->host != h))
			continue;
		if (sim_chance(n->sim, permille))
			conn_cut(c, "connection reset");
	}
}

size_t sim_net_count(const struct sim_net *n)
{
	size_t k = 0;
	for (const struct list *l = n->conns.next; l != &n->conns; l = l->next)
		k++;
	return k;
}

struct sim_net *sim_net_new(struct sim *s, const struct sim_net_config *c)
{
	struct sim_net *n = xnew(struct sim_net);
	n->sim = s;
	n->cfg = *c;
	n->wire = sim_node_new(s, NULL, "net");
	list_init(&n->conns);
	return n;
}

void sim_net_free(struct sim_net *n)
{
	if (!n)
		return;
	list_each(&n->conns, struct conn, in_net, c) {
		c->side[0].ops = c->side[1].ops = NULL;
		conn_free(c);
	}
	map_done(&n->servers);
	sim_node_free(n->wire);
	free(n);
}
