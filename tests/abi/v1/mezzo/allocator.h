/* <mezzo/allocator.h> - allocators: who is offered which resources.
 *
 * The master tells its allocator what exists and what is in use; the allocator
 * decides, whenever it likes, to offer resources of an agent to a framework in
 * one of its roles. One offer is one agent, one role, one framework.
 *
 * DATA
 *   Frameworks and agents are named by keys (mz_key) that the master assigns and
 *   never reuses; ids and names are there for logs and ordering.
 *   Resources in calls carry no allocation role: the role is an argument.
 *   Of every agent:  total = unused + offered + allocated. What has been offered
 *   counts as used from the moment of offer() until recover_resources().
 *
 * LIFE CYCLE
 *   1. create; 2. recover (once, before anything else); 3. any of the calls below,
 *   in any order, each only with keys that were added and not removed yet, except
 *   where said; 4. destroy.
 *   offer() may be called from timers and posted work, and from inside
 *   the callbacks resume, revive_offers and add_agent; not from others.
 *
 * CONVENTIONS
 *   Callbacks that return void cannot fail. Every callback is optional unless
 *   marked required; NULL ignores the event. All run on the loop thread and must
 *   return within microseconds: allocation rounds belong in timers or posts.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_ALLOCATOR_H
#define MEZZO_ALLOCATOR_H

#include <mezzo/module.h>
#include <mezzo/resources.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t mz_key; /* 0 is never a key */

/* Capabilities of frameworks: bits of FrameworkInfo.Capability.Type. */
enum {
	MZ_FW_REVOCABLE = 1 << 1,
	MZ_FW_TASK_KILLING = 1 << 2,
	MZ_FW_GPU = 1 << 3,
	MZ_FW_SHARED = 1 << 4,
	MZ_FW_PARTITION_AWARE = 1 << 5,
	MZ_FW_MULTI_ROLE = 1 << 6,
	MZ_FW_REFINEMENT = 1 << 7,
	MZ_FW_REGION_AWARE = 1 << 8,
};

/* One resource quantity: name and thousandths. */
struct mz_quantity {
	const char *name;
	int64_t amount;
};
/* Quantities that must all be there (AND). */
struct mz_quantities {
	size_t n;
	const struct mz_quantity *v;
};

struct mz_alloc_role {
	const char *role;
	int32_t suppressed;  /* no offers for now */
	int32_t has_filters; /* min_allocatable below replaces the master's default */
	size_t n_min;	     /* alternatives (OR); 0: everything is allocatable */
	const struct mz_quantities *min_allocatable;
};

/* Does this framework's constraint on `role` let it use that agent? Opaque,
 * evaluated by host->constraint_allows. */
struct mz_constraints;

struct mz_alloc_framework {
	uint32_t size;
	uint32_t capabilities; /* MZ_FW_* */
	mz_key key;
	const char *id, *name;
	size_t n_roles;
	const struct mz_alloc_role *roles;
	const struct mz_constraints *constraints; /* NULL: none; lives until the next update_framework */
};

struct mz_alloc_agent {
	uint32_t size;
	uint32_t reserved;
	mz_key key;
	const char *id, *hostname;
	const char *region, *zone; /* NULL: no domain */
	int32_t multi_role;	   /* capability MULTI_ROLE */
	int32_t remote_region;	   /* region differs from the master's */
	int64_t unavailable_ns;	   /* start of planned maintenance since 1970; 0: none */
	const struct mz_resources *total; /* includes reservations and volumes */
};

/* Resources in use that the allocator has not offered itself: of an agent or a
 * framework that comes back. The other side may be unknown to the allocator
 * until it is added: it must be remembered. */
struct mz_alloc_use {
	mz_key framework, agent;
	const char *role;
	const struct mz_resources *resources;
};

/* One change of form: `consumed` turned into `converted` (RESERVE, CREATE …). */
struct mz_conversion {
	const struct mz_resources *consumed, *converted;
};

struct mz_quota {
	uint32_t size;
	uint32_t reserved;
	const char *role; /* top-level */
	struct mz_quantities guarantees, limits; /* absent limit: none */
};

enum mz_inverse_status { MZ_INVERSE_UNKNOWN = 0, MZ_INVERSE_ACCEPT = 1, MZ_INVERSE_DECLINE = 2 };

/* Host services of the kind: host->kind. Append only. */
struct mz_allocator_host {
	uint32_t size;
	uint32_t reserved;
	const struct mz_resources_api *resources;
	/* The resources are copied; they count as used by the framework at once.
	 * The master refuses, and calls recover_resources later, if the framework
	 * or the agent has gone meanwhile. */
	void (*offer)(const struct mz_host *h, mz_key framework, const char *role, mz_key agent,
		      const struct mz_resources *resources);
	/* Asks the framework to leave the agent before `start_ns`. */
	void (*inverse_offer)(const struct mz_host *h, mz_key framework, mz_key agent, int64_t start_ns,
			      int64_t duration_ns);
	int (*constraint_allows)(const struct mz_host *h, const struct mz_constraints *c, const char *role,
				 mz_key agent);
	/* Defaults of the master: interval between batch rounds, alternatives
	 * of the smallest offer, names left out of fairness, GPU filtering. */
	int64_t (*allocation_interval)(const struct mz_host *h);
	size_t (*min_allocatable)(const struct mz_host *h, const struct mz_quantities **ret);
	const char *(*fairness_excluded)(const struct mz_host *h, size_t i); /* NULL behind the last */
	int (*filter_gpu)(const struct mz_host *h);
};

struct mz_allocator_ops {
	MZ_OPS_HEAD;

	/* After a restart of the master: agents that are expected to return.
	 * With quota set, offering waits for enough of them. */
	void (*recover)(void *inst, size_t n_expected_agents);

	/* Required. The framework subscribed (or returned after a failover of the
	 * master). `uses` tells what it holds already; uses of unknown agents are
	 * remembered. Inactive frameworks get no offers. */
	void (*add_framework)(void *inst, const struct mz_alloc_framework *f, int active,
			      const struct mz_alloc_use *uses, size_t n_uses);
	/* Required. All that it held counts as recovered by separate calls before. */
	void (*remove_framework)(void *inst, mz_key framework);
	/* Required. Offers may be made again. */
	void (*activate_framework)(void *inst, mz_key framework);
	/* Required. No offers, and its filters are forgotten. What it holds stays. */
	void (*deactivate_framework)(void *inst, mz_key framework);
	/* Required. Roles, capabilities, suppression, constraints have changed. */
	void (*update_framework)(void *inst, const struct mz_alloc_framework *f);

	/* Required. A new agent, active. Uses of unknown frameworks are remembered. */
	void (*add_agent)(void *inst, const struct mz_alloc_agent *a, const struct mz_alloc_use *uses,
			  size_t n_uses);
	/* Required. Everything on it is gone, no recover calls follow. */
	void (*remove_agent)(void *inst, mz_key agent);
	/* Required. New total, attributes or capabilities: filters on it are forgotten. */
	void (*update_agent)(void *inst, const struct mz_alloc_agent *a);
	/* Required. */
	void (*activate_agent)(void *inst, mz_key agent);
	/* Required. No offers of it; what is used stays. */
	void (*deactivate_agent)(void *inst, mz_key agent);

	/* NULL list: every agent may be offered; else only these host names. */
	void (*update_whitelist)(void *inst, const char *const *hostnames, size_t n, int all);

	/* A framework's REQUEST: a hint. */
	void (*request_resources)(void *inst, mz_key framework, mz_key agent_or_0,
				  const struct mz_resources *wanted);

	/* Required. An accepted offer changed form, in this order; `used` is what
	 * the framework held in `role` on the agent in this offer. Totals change too. */
	void (*update_allocation)(void *inst, mz_key framework, const char *role, mz_key agent,
				  const struct mz_resources *used, const struct mz_conversion *conversions,
				  size_t n);
	/* An operator's change of unused resources. 0, or -EBUSY if they are not
	 * all unused (the master then rescinds offers and tries again).
	 * NULL: -ENOSYS. */
	int (*update_available)(void *inst, mz_key agent, const struct mz_conversion *conversions, size_t n,
				struct mz_err *err);

	/* Offered resources are now used by tasks. */
	void (*allocated)(void *inst, mz_key framework, const char *role, mz_key agent,
			  const struct mz_resources *resources);
	/* Required. Resources come back: declined, rescinded (was_allocated 0), or
	 * freed by a task. refuse_ns >= 0 (declined): do not offer these, or a
	 * subset of them, on this agent to this framework in this role for that
	 * long; 0 and -1: no filter. The agent or framework may be gone. */
	void (*recover_resources)(void *inst, mz_key framework, const char *role, mz_key agent,
				  const struct mz_resources *resources, int64_t refuse_ns, int was_allocated);

	/* Required. roles NULL: all of the framework's. */
	void (*suppress_offers)(void *inst, mz_key framework, const char *const *roles, size_t n);
	/* Required. Unsuppresses and forgets all filters of those roles. */
	void (*revive_offers)(void *inst, mz_key framework, const char *const *roles, size_t n);

	void (*update_quota)(void *inst, const struct mz_quota *quota);
	void (*update_weight)(void *inst, const char *role, double weight);

	/* Planned maintenance; start_ns 0: cancelled. */
	void (*update_unavailability)(void *inst, mz_key agent, int64_t start_ns, int64_t duration_ns);
	/* A framework's answer to an inverse offer, and how long not to ask again. */
	void (*update_inverse_offer)(void *inst, mz_key agent, mz_key framework, int status, int64_t refuse_ns);

	/* Required. No offers between pause and resume; they do not nest. */
	void (*pause)(void *inst);
	/* Required. */
	void (*resume)(void *inst);
};

#ifdef __cplusplus
}
#endif
#endif
