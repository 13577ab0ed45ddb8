/* net.h - the simulated network: agents' links and HTTP, in memory.
 *
 * A connection keeps its order in both directions; between connections nothing is
 * promised. Words take a drawn time, wait while a machine is cut off, and are
 * lost only with their connection. Queues are bounded as in the real transports.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_NET_H
#define MZ_SIM_NET_H

#include "sim/sim.h"
#include "wire/http.h"
#include "wire/link.h"

struct sim_net;

struct sim_net_config {
	int64_t delay_min_ns, delay_mean_ns; /* min + exponential around the mean */
	int64_t local_mean_ns;		     /* on one machine */
	unsigned slow_permille;		     /* words that take a hundred times as long */
};

struct sim_net *sim_net_new(struct sim *s, const struct sim_net_config *c);
void sim_net_free(struct sim_net *n);

/* ---- servers ------------------------------------------------------------------ */

struct sim_server {
	struct sim_node *node;
	struct http_router *router;
	void (*on_link)(void *arg, struct link *l); /* may be NULL */
	void *arg;
};
/* The struct lives until it is taken down. */
void sim_net_listen(struct sim_net *n, const char *address, const struct sim_server *s);
void sim_net_unlisten(struct sim_net *n, const char *address);

/* ---- ends ------------------------------------------------------------------------ */

/* Before the objects of a killed node are freed: some of what it had written is lost. */
void sim_net_crash(struct sim_net *n, struct sim_node *node);
/* Afterwards: what they did not close is closed. */
void sim_net_forget(struct sim_net *n, struct sim_node *node);
/* Breaks the connections of a machine with others; each with that chance. */
void sim_net_reset(struct sim_net *n, struct sim_host *h, unsigned permille);
size_t sim_net_count(const struct sim_net *n); /* connections */

/* ---- clients ----------------------------------------------------------------------- */

struct link_dialer *sim_dialer_new(struct sim_net *n, struct sim_node *node);
void sim_dialer_free(struct link_dialer *d);

struct sim_request {
	const char *method, *path, *content_type, *accept, *stream_id; /* the last three may be NULL */
	const void *body;
	size_t size;
};

struct sim_call;
/* Each may be NULL. After on_answer without a stream, and after on_end, the call is freed. */
struct sim_call_fns {
	void (*on_answer)(void *arg, int status, bool stream, const char *stream_id, const void *body, size_t size);
	void (*on_data)(void *arg, const void *data, size_t size);
	void (*on_end)(void *arg, const char *why);
	/* Looks into the server's side, for checks: the request is about to be
	 * handled; it was answered, and no stream follows; something was written to the stream; the server is done with it.
	 * Called as long as the server has the request, also when the client has
	 * hung up: `arg` must live on. */
	void (*on_arrived)(void *arg);
	void (*on_replied)(void *arg, int status);
	void (*on_written)(void *arg, const void *data, size_t size);
	void (*on_server_end)(void *arg);
};
/* fns are static. */
struct sim_call *sim_call_new(struct sim_net *n, struct sim_node *node, const char *address,
			      const struct sim_request *r, const struct sim_call_fns *fns, void *arg);
/* The client hangs up; no callback follows. NULL: no-op. */
void sim_call_close(struct sim_call *c);

#endif
