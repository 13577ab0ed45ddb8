/* drf.h - inner structures of the DRF allocator; no other module sees them.
 *
 * drf.c        the callbacks: what the master says
 * drf_client.c frameworks and their roles
 * drf_use.c    who holds what on which agent, and the sums over it
 * drf_order.c  shares, and arrays kept sorted by them
 * drf_filter.c refusal filters
 * drf_round.c  rounds: the offers
 * drf_util.c   memory and small tables
 *
 * A *client* is a framework in one of its roles: what is sorted inside a role,
 * refuses, is suppressed and gets offers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULE_DRF_H
#define MZ_MODULE_DRF_H

#define MZ_MODULE_ABI 1
#include <mezzo/allocator.h>
#include <stdbool.h>

/* ---- small tables (drf_util.c) --------------------------------------------- */

/* Amounts by index of name; what is beyond n is 0. */
struct amounts {
	int64_t *v;
	size_t n;
};

struct ptrs {
	void **v;
	size_t n, cap;
};

/* mz_key -> pointer. */
struct key_map {
	struct key_slot {
		mz_key key; /* 0: free */
		void *value;
	} *v;
	size_t n, cap;
};

/* These abort when memory runs out: callbacks that return void cannot fail. */
void *drf_realloc(void *p, size_t n, size_t size);
void *drf_calloc(size_t n, size_t size);
char *drf_strdup(const char *s);
void ptrs_push(struct ptrs *a, void *p);
void ptrs_insert(struct ptrs *a, size_t at, void *p);
void ptrs_remove(struct ptrs *a, size_t at);
void *key_map_get(const struct key_map *m, mz_key key);
void key_map_put(struct key_map *m, mz_key key, void *value);
void key_map_del(struct key_map *m, mz_key key);
int64_t *amounts_at(struct amounts *a, size_t i);

/* ---- what is sorted (drf_order.c) ------------------------------------------- */

struct order;

/* Part of every role and every client. share and n_offers are those of the last
 * sorting: an array stays sorted by them while the true ones move on. */
struct node {
	struct order *order; /* NULL: not among the sorted */
	const char *name;    /* the last tie-break */
	double weight;
	double share;
	uint64_t n_offers, n_offers_now;
	struct amounts held; /* scalars that count for fairness */
	bool touched;
};

struct order {
	struct ptrs nodes; /* struct node *, ascending */
};

struct role {
	struct node node; /* first: a node of drf.roles is a role */
	char *name;
	struct role *parent; /* "a" of "a/b" */
	struct order clients; /* the active ones */
	size_t n_clients;     /* all */
	size_t n_active_below; /* active clients here and in descendants */
	size_t n_children;
	size_t n_holdings;
	bool is_reserved_for; /* some kind of resource names it: for ever */
};

/* Alternatives (OR) of quantities (AND). */
struct minimum {
	size_t n;
	struct minimum_all {
		size_t n;
		struct minimum_one {
			char *text;  /* a name that no resource has had yet; NULL: `name` is its index */
			size_t name; /* else how many names there were when it was looked for last */
			int64_t amount;
		} *v;
	} *v;
};

struct client {
	struct node node; /* first: a node of role.clients is a client */
	struct framework *framework;
	struct role *role;
	uint32_t slot; /* its bit in agent.refused_by */
	bool is_subscribed; /* false: it has left the role but still holds something */
	bool is_suppressed;
	bool has_minimum; /* else the master's default holds */
	struct minimum minimum;
	size_t n_holdings;
	struct filter *filters;
};

struct framework {
	mz_key key;
	char *id;
	uint32_t capabilities;
	bool is_active;
	const struct mz_constraints *constraints;
	struct ptrs clients;
};

/* What one framework holds in one role on one agent: offered or allocated. It
 * counts for shares once both agent and framework are known. */
struct holding {
	mz_key framework;
	struct client *client; /* NULL: the framework is not known */
	struct role *role;
	struct mz_resources *held;
	struct mz_resources *told; /* during add_*: what that call says, else NULL */
	bool is_counted;
};

struct agent {
	mz_key key;
	char *hostname;
	bool is_known; /* false: only somebody's holdings on it have been told */
	bool is_active, is_listed, multi_role, remote_region, has_gpus;
	bool is_candidate;
	bool is_stale;	/* `unused` must be computed again */
	bool is_empty;	/* nothing was left of `unused` after the last visit */
	bool has_shared; /* in total */
	size_t at;	/* in drf.agents */
	uint64_t version; /* of unused */
	struct mz_resources *total, *used, *unused;
	struct ptrs holdings;
	struct filter *filters;
	uint64_t *refused_by; /* bit per client: has a filter here */
	size_t n_words;
	/* bit per client: has refused all of `unused`. For this version of it, and
	 * until the first of those filters lapses. */
	uint64_t *blocked;
	uint64_t blocked_version;
	int64_t blocked_until_ns;
};

/* ---- the instance -------------------------------------------------------------- */

/* What the allocator needs to know of a kind of resource. */
struct kind_info {
	bool is_loaded, is_fair; /* fair: counts for shares */
	uint32_t flags;
	size_t name;
	struct role *role; /* NULL: unreserved */
};

struct drf {
	const struct mz_host *host;
	const struct mz_allocator_host *master;
	const struct mz_resources_api *res;

	struct ptrs agents, frameworks;
	struct key_map agents_by_key, frameworks_by_key;
	struct ptrs roles_by_name;
	struct order roles; /* those with active clients */
	struct amounts total; /* of all known agents, scalars that count */
	size_t n_orphans;     /* holdings of unknown frameworks */

	struct ptrs names; /* of resources */
	struct kind_info *kinds;
	size_t n_kinds;

	struct ptrs touched;  /* nodes whose share has to be sorted in again */
	bool is_total_changed; /* every share has to */

	struct ptrs clients_by_slot; /* NULL: free */
	struct filter **buckets;
	size_t n_buckets, n_filters;

	bool is_whitelist_all;
	struct ptrs whitelist; /* sorted */

	/* rounds */
	bool is_paused, is_all_candidates;
	bool in_batch;
	uint64_t n_batches;
	struct ptrs candidates;
	struct mz_timer *event_timer, *batch_timer;
	bool has_default_minimum;
	struct minimum default_minimum;
	size_t n_own_minimums; /* clients that override it */
	struct ptrs visit;     /* scratch: agents of this round */
	struct view *view;     /* scratch: of the agent that is visited */
	struct ptrs spare;   /* emptied resource sets */

	struct mz_metric *m_rounds, *m_offers, *m_filters, *m_round_ns;
};

/* ---- drf_client.c ---------------------------------------------------------------- */

struct framework *framework_find(struct drf *d, mz_key key);
struct framework *framework_new(struct drf *d, const struct mz_alloc_framework *info);
/* Roles, suppression, minimums, capabilities, constraints; not is_active. */
void framework_update(struct drf *d, struct framework *f, const struct mz_alloc_framework *info);
void framework_free(struct drf *d, struct framework *f);
struct client *client_find(const struct framework *f, const struct role *role);
/* Made without a subscription if it is new. */
struct client *client_get(struct drf *d, struct framework *f, struct role *role);
/* Sorts it in or out, whatever its state wants. */
void client_update(struct drf *d, struct client *c);
void client_gc(struct drf *d, struct client *c); /* not subscribed and holds nothing */

/* ---- drf_use.c -------------------------------------------------------------------- */

struct mz_resources *set_get(struct drf *d); /* an empty set */
void set_put(struct drf *d, struct mz_resources *r);
size_t name_find(const struct drf *d, const char *name); /* d->names.n: no resource has it */
size_t name_index(struct drf *d, const char *name);	  /* of a resource: it is kept for ever */
const struct kind_info *kind_info(struct drf *d, uint32_t kind);
/* Adds sign times what counts for shares. True if that is anything. */
bool amounts_count(struct drf *d, struct amounts *a, const struct mz_resources *r, int64_t sign);
/* All quantities by name: scalars, elements of ranges and sets. */
void amounts_sum(struct drf *d, struct amounts *a, const struct mz_resources *r);

struct role *role_get(struct drf *d, const char *name);
struct role *role_find(struct drf *d, const char *name); /* or NULL */
void role_gc(struct drf *d, struct role *role);		 /* frees it if nothing needs it */

struct agent *agent_find(struct drf *d, mz_key key);
struct agent *agent_get(struct drf *d, mz_key key); /* made unknown if it is new */
void agent_free(struct drf *d, struct agent *a);
void agent_gc(struct drf *d, struct agent *a); /* unknown and nothing told of it */
void agent_set_total(struct drf *d, struct agent *a, const struct mz_resources *total);
const struct mz_resources *agent_unused(struct drf *d, struct agent *a);

struct holding *holding_find(struct agent *a, mz_key framework, const struct role *role);
struct holding *holding_get(struct drf *d, struct agent *a, mz_key framework, struct role *role);
void holding_add(struct drf *d, struct agent *a, struct holding *h, const struct mz_resources *r);
void holding_take(struct drf *d, struct agent *a, struct holding *h, const struct mz_resources *r);
void holding_convert(struct drf *d, struct agent *a, struct holding *h, const struct mz_conversion *c);
void holding_drop_if_empty(struct drf *d, struct agent *a, struct holding *h);
/* What add_agent and add_framework say is held. Said by both, it counts once. */
void uses_tell(struct drf *d, const struct mz_alloc_use *uses, size_t n);
void uses_link(struct drf *d, struct framework *f); /* it is known now */
void uses_unlink(struct drf *d, struct framework *f);
void uses_count_agent(struct drf *d, struct agent *a); /* it is known now */

/* ---- drf_order.c -------------------------------------------------------------------- */

void node_touch(struct drf *d, struct node *n);
void node_forget(struct drf *d, struct node *n); /* before it is freed */
void order_add(struct drf *d, struct order *o, struct node *n);
void order_remove(struct node *n);
/* Brings every sorted array up to date. */
void orders_update(struct drf *d);

/* ---- drf_filter.c --------------------------------------------------------------------- */

void filter_add(struct drf *d, struct client *c, struct agent *a, const struct mz_resources *refused,
		int64_t life_ns);
bool filter_blocks_slow(struct drf *d, struct client *c, struct agent *a, const struct mz_resources *offer,
			int64_t now_ns);
void filters_forget_client(struct drf *d, struct client *c);
void filters_forget_agent(struct drf *d, struct agent *a);

static inline bool filter_may_block(const struct client *c, const struct agent *a)
{
	size_t word = c->slot / 64;
	return word < a->n_words && (a->refused_by[word] >> (c->slot % 64) & 1);
}

/* Without a look at the filters: all that a full round does for most pairs. */
static inline bool filter_is_known_to_block(const struct client *c, const struct agent *a, int64_t now_ns)
{
	size_t word = c->slot / 64;
	return a->blocked_version == a->version && now_ns <= a->blocked_until_ns && word < a->n_words &&
	       (a->blocked[word] >> (c->slot % 64) & 1);
}

/* ---- drf_round.c ------------------------------------------------------------------------ */

void round_start(struct drf *d);			 /* the first batch timer */
void round_candidate(struct drf *d, struct agent *a);	 /* look at it soon */
void round_all(struct drf *d);				 /* look at all agents soon */
void round_forget_agent(struct drf *d, struct agent *a); /* before it is freed */
void round_resume(struct drf *d);
void round_done(struct drf *d); /* frees what rounds use */
void minimum_set(struct minimum *m, const struct mz_quantities *v, size_t n);
void minimum_done(struct minimum *m);

#endif
