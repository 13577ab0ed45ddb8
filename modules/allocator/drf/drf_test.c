/* drf_test.c - the DRF allocator against worked examples with known results,
 * and against the named behaviours that frameworks rely on.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "drf.h"
#include "drf_world.h"

extern const struct mz_module mz_module;

static int setup(void **state)
{
	(void)state;
	world_start(&mz_module);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* ---- helpers -------------------------------------------------------------------- */

static struct world_offer *offer_of(mz_key framework, mz_key agent)
{
	for (size_t i = 0; i < w.n_offers; i++)
		if ((!framework || w.offers[i].framework == framework) && (!agent || w.offers[i].agent == agent))
			return &w.offers[i];
	return NULL;
}

/* Takes the offer out of the book; the caller frees its resources. */
static struct world_offer close_offer(struct world_offer *o)
{
	struct world_offer copy = *o;
	*o = w.offers[--w.n_offers];
	return copy;
}

static void give_back(const struct world_offer *o, const struct mz_resources *r, int64_t refuse_ns)
{
	w.ops->recover_resources(w.inst, o->framework, o->role, o->agent, r, refuse_ns, 0);
}

static void decline(mz_key framework, mz_key agent, int64_t refuse_ns)
{
	struct world_offer *at = offer_of(framework, agent);
	assert_non_null(at);
	struct world_offer o = close_offer(at);
	give_back(&o, o.resources, refuse_ns);
	w.res->destroy(o.resources);
}

static void assert_one_offer(mz_key framework, mz_key agent, const char *text)
{
	struct mz_resources *want = world_set(text);
	assert_int_equal(w.n_offers, 1);
	assert_int_equal(w.offers[0].framework, framework);
	assert_int_equal(w.offers[0].agent, agent);
	if (!w.res->equal(w.offers[0].resources, want)) {
		char got[200];
		w.res->format(w.offers[0].resources, got, sizeof(got));
		assert_string_equal(got, text);
	}
	w.res->destroy(want);
}

static struct mz_alloc_agent agent_info(mz_key key, const struct mz_resources *total)
{
	return (struct mz_alloc_agent){.size = sizeof(struct mz_alloc_agent),
				       .key = key,
				       .id = "a",
				       .hostname = "host1",
				       .multi_role = 1,
				       .total = total};
}

static void update_agent(mz_key key, const char *text)
{
	struct mz_resources *total = world_set(text);
	const struct mz_alloc_agent a = agent_info(key, total);
	w.ops->update_agent(w.inst, &a);
	w.res->destroy(total);
}

/* The allocator's own book: client and role sums equal what the holdings say. */
static void assert_sums(void)
{
	struct drf *d = w.inst;
	for (size_t f = 0; f < d->frameworks.n; f++) {
		struct framework *fw = d->frameworks.v[f];
		for (size_t c = 0; c < fw->clients.n; c++) {
			struct client *cl = fw->clients.v[c];
			struct amounts sum = {0};
			for (size_t i = 0; i < d->agents.n; i++) {
				struct agent *a = d->agents.v[i];
				struct holding *h = holding_find(a, fw->key, cl->role);
				if (h && a->is_known)
					amounts_count(d, &sum, h->held, 1);
			}
			for (size_t i = 0; i < d->names.n; i++)
				assert_int_equal(*amounts_at(&sum, i), *amounts_at(&cl->node.held, i));
			free(sum.v);
		}
	}
}

/* ---- worked examples: one task per offer -------------------------------------------- */

struct user {
	const char *id, *role, *task; /* needs of one task */
	double weight;
	int n_tasks;
};

/* Each user takes one task of every offer that it fits in and gives back the rest;
 * one that does not fit is declined for ever. Returns the order of the grants. */
static void run_users(struct user *u, size_t n, const char *total, char *order)
{
	for (size_t i = 0; i < n; i++) {
		world_add_framework(i + 1, u[i].id, u[i].role, 0);
		if (u[i].weight > 0)
			w.ops->update_weight(w.inst, u[i].role, u[i].weight);
	}
	world_add_agent(1, total);
	world_settle();
	for (int idle = 0; idle < 3;) {
		if (!w.n_offers) {
			world_advance(SEC);
			idle += !w.n_offers;
			continue;
		}
		struct world_offer o = close_offer(&w.offers[0]);
		struct user *user = &u[o.framework - 1];
		struct mz_resources *task = world_set(user->task);
		if (w.res->contains(o.resources, task)) {
			w.res->subtract(o.resources, task);
			give_back(&o, o.resources, 0);
			user->n_tasks++;
			*order++ = user->role[0];
		} else {
			give_back(&o, o.resources, 365 * 86400 * SEC);
		}
		w.res->destroy(task);
		w.res->destroy(o.resources);
	}
	*order = '\0';
	assert_sums();
}

static void example_cpu_and_memory(void **state)
{
	(void)state;
	char order[64];
	struct user u[] = {{"A", "A", "cpus:1;mem:4", 0, 0}, {"B", "B", "cpus:3;mem:1", 0, 0}};
	run_users(u, 2, "cpus:9;mem:18", order);
	assert_string_equal(order, "ABABA");
	world_end();

	/* The same within one role. */
	world_start(&mz_module);
	struct user v[] = {{"A", "x", "cpus:1;mem:4", 0, 0}, {"B", "x", "cpus:3;mem:1", 0, 0}};
	run_users(v, 2, "cpus:9;mem:18", order);
	assert_int_equal(v[0].n_tasks, 3);
	assert_int_equal(v[1].n_tasks, 2);
	world_end();

	/* B first in a tie. */
	world_start(&mz_module);
	struct user t[] = {{"A", "b", "cpus:1;mem:4", 0, 0}, {"B", "a", "cpus:3;mem:1", 0, 0}};
	run_users(t, 2, "cpus:9;mem:18", order);
	assert_string_equal(order, "abbab");
}

static void example_sharing_incentive(void **state)
{
	(void)state;
	char order[64];
	struct user u[] = {{"A", "A", "cpus:1;mem:3", 0, 0}, {"B", "B", "cpus:1;mem:1", 0, 0}};
	run_users(u, 2, "cpus:30;mem:30", order);
	assert_int_equal(u[0].n_tasks, 5);
	assert_int_equal(u[1].n_tasks, 15);
}

static void example_not_monotonic(void **state)
{
	(void)state;
	char order[64];
	struct user u[] = {{"A", "A", "cpus:2;mem:1", 0, 0}, {"B", "B", "cpus:1;mem:2", 0, 0}};
	run_users(u, 2, "cpus:12;mem:12", order);
	assert_int_equal(u[0].n_tasks, 4);
	assert_int_equal(u[1].n_tasks, 4);
	world_end();
	world_start(&mz_module);
	u[0].n_tasks = u[1].n_tasks = 0;
	run_users(u, 2, "cpus:24;mem:12", order);
	assert_int_equal(u[0].n_tasks, 6);
	assert_int_equal(u[1].n_tasks, 3);
}

/* In a tie the one with fewer offers comes first, so B does with weights 2 and 1. */
static void example_weights(void **state)
{
	(void)state;
	static const struct {
		double a, b;
		int n_a, n_b;
	} rows[] = {{1, 1, 3, 2}, {2, 1, 3, 2}, {3, 1, 4, 1}, {1, 2, 3, 2}, {1, 3, 3, 2}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char order[64];
		struct user u[] = {{"A", "A", "cpus:1;mem:4", rows[i].a, 0},
				   {"B", "B", "cpus:3;mem:1", rows[i].b, 0}};
		run_users(u, 2, "cpus:9;mem:18", order);
		assert_int_equal(u[0].n_tasks, rows[i].n_a);
		assert_int_equal(u[1].n_tasks, rows[i].n_b);
		world_end();
		world_start(&mz_module);
	}
	/* The other tie-break: B has had offers before, so that A wins. */
	world_add_framework(2, "B", "B", 0);
	world_add_agent(9, "cpus:1");
	world_settle();
	for (int i = 0; i < 9; i++) {
		decline(2, 9, 0);
		world_advance(SEC);
	}
	decline(2, 9, 0);
	w.ops->remove_agent(w.inst, 9);
	char order[64];
	struct user u[] = {{"A", "A", "cpus:1;mem:4", 2, 0}, {"B", "B", "cpus:3;mem:1", 1, 0}};
	run_users(u, 2, "cpus:9;mem:18", order); /* framework 2 is there already */
	assert_int_equal(u[0].n_tasks, 4);
	assert_int_equal(u[1].n_tasks, 1);
}

/* ---- orders ------------------------------------------------------------------------------ */

static void assert_order(const struct order *o, const char *want)
{
	char got[64] = "";
	orders_update(w.inst);
	for (size_t i = 0; i < o->nodes.n; i++)
		strcat(got, ((struct node *)o->nodes.v[i])->name);
	assert_string_equal(got, want);
}

static void add_user(mz_key key, const char *id, const char *role, const char *text)
{
	struct mz_resources *r = world_set(text);
	const struct mz_alloc_use use = {key, 1, role, r};
	const struct mz_alloc_role role_of = {.role = role};
	const struct mz_alloc_framework f = {
		.size = sizeof(f), .key = key, .id = id, .name = id, .n_roles = 1, .roles = &role_of};
	w.ops->add_framework(w.inst, &f, 1, &use, 1);
	w.res->destroy(r);
}

static void use_more(mz_key key, const char *role, const char *text, int sign)
{
	struct drf *d = w.inst;
	struct mz_resources *r = world_set(text);
	struct agent *a = agent_find(d, 1);
	if (sign > 0)
		holding_add(d, a, holding_get(d, a, key, role_get(d, role)), r);
	else
		w.ops->recover_resources(w.inst, key, role, 1, r, -1, 1);
	w.res->destroy(r);
}

static void order_by_share(void **state)
{
	(void)state;
	struct drf *d = w.inst;
	w.ops->pause(w.inst);
	world_add_agent(1, "cpus:100;mem:100");
	add_user(1, "a", "r", "cpus:5;mem:5");
	add_user(2, "b", "r", "cpus:6;mem:6");
	const struct order *o = &role_find(d, "r")->clients;
	assert_order(o, "ab");
	add_user(3, "c", "r", "cpus:1;mem:1");
	add_user(4, "d", "r", "cpus:3;mem:1");
	assert_order(o, "cdab");
	use_more(1, "r", "cpus:5;mem:5", -1);
	w.ops->remove_framework(w.inst, 1);
	use_more(2, "r", "cpus:4;mem:4", -1);
	assert_order(o, "cbd");
	add_user(5, "e", "r", "cpus:1;mem:5");
	update_agent(1, "cpus:50;mem:100");
	assert_order(o, "cbed");
	update_agent(1, "cpus:50;mem:200");
	add_user(6, "f", "r", "cpus:5;mem:1");
	use_more(3, "r", "mem:15", 1);
	assert_order(o, "ebdcf");
	w.ops->deactivate_framework(w.inst, 4);
	assert_order(o, "ebcf");
	assert_int_equal(d->frameworks.n, 5);
	w.ops->activate_framework(w.inst, 4);
	assert_order(o, "ebdcf");
	assert_sums();
}

static void order_by_weighted_share(void **state)
{
	(void)state;
	struct drf *d = w.inst;
	w.ops->pause(w.inst);
	world_add_agent(1, "cpus:100;mem:100");
	add_user(1, "1", "a", "cpus:5;mem:5");
	w.ops->update_weight(w.inst, "b", 2);
	add_user(2, "2", "b", "cpus:6;mem:6");
	assert_order(&d->roles, "ba");
	add_user(3, "3", "c", "cpus:4;mem:4");
	assert_order(&d->roles, "bca");
	add_user(4, "4", "d", "cpus:10;mem:20");
	w.ops->update_weight(w.inst, "d", 10);
	assert_order(&d->roles, "dbca");
	w.ops->remove_framework(w.inst, 2);
	assert_order(&d->roles, "dca");
	use_more(4, "d", "cpus:10;mem:25", 1);
	assert_order(&d->roles, "cda");
	add_user(5, "5", "e", "cpus:1;mem:1");
	w.ops->update_weight(w.inst, "e", 0.1);
	assert_order(&d->roles, "cdae");
	w.ops->remove_framework(w.inst, 1);
	assert_order(&d->roles, "cde");
}

static void grows_agent_by_agent(const char *first_agent)
{
	world_add_framework(1, "f1", "role1", 0);
	world_add_agent(1, first_agent);
	world_settle();
	assert_non_null(offer_of(1, 1));
	world_add_framework(2, "f2", "role2", 0);
	world_add_agent(2, "cpus:1;mem:512");
	world_settle();
	assert_non_null(offer_of(2, 2));
	world_add_agent(3, "cpus:3;mem:2048");
	world_settle();
	assert_non_null(offer_of(2, 3));
	world_add_framework(3, "f3", "role1", 0);
	world_add_agent(4, "cpus:4;mem:4096");
	world_settle();
	assert_non_null(offer_of(3, 4));
	world_add_framework(4, "f4", "role1", 0);
	world_add_agent(5, "cpus:1;mem:512");
	world_settle();
	assert_non_null(offer_of(2, 5));
	assert_int_equal(w.n_offers, 5);
}

static void unreserved_by_role(void **state)
{
	(void)state;
	grows_agent_by_agent("cpus:2;mem:1024");
}

static void excluded_from_fairness(void **state)
{
	(void)state;
	w.excluded = "gpus";
	grows_agent_by_agent("cpus:2;mem:1024;gpus:1");
}

static void reserved_counts(void **state)
{
	(void)state;
	world_add_framework(1, "f1", "role1", 0);
	world_add_framework(2, "f2", "role2", 0);
	world_add_agent(1, "cpus(role1):100;mem(role1):1024");
	world_settle();
	assert_non_null(offer_of(1, 1));
	world_add_agent(2, "cpus:2;mem:512");
	world_settle();
	assert_non_null(offer_of(2, 2));
	world_add_agent(3, "cpus:2;mem:512");
	world_settle();
	assert_non_null(offer_of(2, 3));
	world_add_framework(3, "f3", "role1", 0);
	world_add_agent(4, "cpus(role1):2;mem(role1):1024");
	world_settle();
	assert_non_null(offer_of(3, 4));
	assert_int_equal(w.n_offers, 4);
}

/* ---- filters ---------------------------------------------------------------------------------- */

static void offer_filter(void **state)
{
	(void)state;
	world_add_framework(1, "f1", "r", 0);
	world_add_agent(1, "cpus:2;mem:1024");
	world_settle();
	decline(1, 1, 5 * SEC);
	for (int i = 0; i < 5; i++) {
		world_advance(SEC);
		assert_int_equal(w.n_offers, 0);
	}
	world_advance(SEC);
	assert_one_offer(1, 1, "cpus:2;mem:1024");

	/* A part was refused: everything together is more and passes. */
	struct world_offer o = close_offer(&w.offers[0]);
	struct mz_resources *part = world_set("cpus:1;mem:512");
	give_back(&o, part, 100 * SEC);
	world_advance(2 * SEC);
	assert_int_equal(w.n_offers, 0);
	give_back(&o, part, 0); /* the other half: a task has ended */
	world_advance(SEC);
	assert_one_offer(1, 1, "cpus:2;mem:1024");
	w.res->destroy(part);
	w.res->destroy(o.resources);

	/* Another framework is not concerned. */
	decline(1, 1, 100 * SEC);
	world_add_framework(2, "f2", "r", 0);
	world_settle();
	assert_one_offer(2, 1, "cpus:2;mem:1024");
}

static void small_offer_filter_timeout(void **state)
{
	(void)state;
	world_add_framework(1, "f1", "r", 0);
	world_add_agent(1, "cpus:2");
	world_settle();
	world_advance(SEC / 2);
	decline(1, 1, SEC / 10);
	world_advance(SEC / 4);
	world_add_framework(2, "f2", "s", 0); /* a round before the batch */
	w.ops->deactivate_agent(w.inst, 1);
	w.ops->remove_framework(w.inst, 2);
	w.ops->activate_agent(w.inst, 1);
	world_settle();
	assert_int_equal(w.n_offers, 0);
	world_advance(SEC / 4); /* the batch */
	assert_int_equal(w.n_offers, 0);
	world_advance(SEC);
	assert_one_offer(1, 1, "cpus:2");
}

static void late_batch_still_sees_filter(void **state)
{
	(void)state;
	world_add_framework(1, "f1", "r", 0);
	world_add_agent(1, "cpus:2");
	world_settle();
	decline(1, 1, 1);
	w.timers->at_ns += SEC; /* the loop was busy: the batch comes a second late */
	assert_null(w.timers->next);
	world_advance(2 * SEC);
	assert_int_equal(w.n_offers, 0);
	world_advance(SEC);
	assert_one_offer(1, 1, "cpus:2");
}

static void remove_filters(void **state)
{
	(void)state;
	const struct drf *d = w.inst;
	world_add_framework(1, "f1", "r", 0);
	world_add_agent(1, "cpus:2");
	world_settle();
	decline(1, 1, 1000 * SEC);
	world_advance(5 * SEC);
	assert_int_equal(w.n_offers, 0);
	update_agent(1, "cpus:2"); /* whatever has changed of it */
	world_settle();
	decline(1, 1, 1000 * SEC);
	w.ops->revive_offers(w.inst, 1, NULL, 0);
	world_settle();
	decline(1, 1, 1000 * SEC);
	w.ops->deactivate_framework(w.inst, 1);
	assert_int_equal(d->n_filters, 0);
	w.ops->activate_framework(w.inst, 1);
	world_settle();
	decline(1, 1, 1000 * SEC);
	assert_int_equal(d->n_filters, 1);
	/* Leaving the role forgets them, too. */
	const struct mz_alloc_role other = {.role = "s"}, same = {.role = "r"};
	struct mz_alloc_framework f = {
		.size = sizeof(f), .key = 1, .id = "f1", .name = "f1", .n_roles = 1, .roles = &other};
	w.ops->update_framework(w.inst, &f);
	assert_int_equal(d->n_filters, 0);
	world_settle();
	assert_string_equal(w.offers[0].role, "s");
	decline(1, 1, 1000 * SEC);
	f.roles = &same;
	w.ops->update_framework(w.inst, &f);
	world_settle();
	assert_string_equal(w.offers[0].role, "r");
	decline(1, 1, 1000 * SEC);
	w.ops->remove_agent(w.inst, 1);
	assert_int_equal(d->n_filters, 0);
	world_add_agent(2, "cpus:2");
	world_settle();
	decline(1, 2, 1000 * SEC);
	w.ops->remove_framework(w.inst, 1);
	assert_int_equal(d->n_filters, 0);
	assert_int_equal(d->roles_by_name.n, 0);
}

/* ---- who gets offers, and when ------------------------------------------------------------------ */

static void same_share_fairness(void **state)
{
	(void)state;
	int n[3] = {0};
	mz_key last = 0;
	world_add_framework(1, "f1", "r", 0);
	world_add_framework(2, "f2", "r", 0);
	world_add_agent(1, "cpus:2;mem:1024");
	world_settle();
	for (int i = 0; i < 10; i++) {
		assert_int_equal(w.n_offers, 1);
		mz_key who = w.offers[0].framework;
		assert_int_not_equal(who, last);
		last = who;
		n[who]++;
		decline(who, 1, 0);
		world_advance(SEC);
	}
	assert_int_equal(n[1], 5);
}

static void recovered_waits_for_batch(void **state)
{
	(void)state;
	world_add_framework(1, "f1", "r", 0);
	world_add_agent(1, "cpus:2");
	world_settle();
	world_advance(SEC / 2);
	decline(1, 1, 0);
	world_settle();
	assert_int_equal(w.n_offers, 0);
	world_add_agent(2, "cpus:4"); /* a round over that one only */
	world_settle();
	assert_one_offer(1, 2, "cpus:4");
	world_advance(SEC / 2);
	assert_int_equal(w.n_offers, 2);
}

static void deactivate_and_reactivate_framework(void **state)
{
	(void)state;
	w.ops->pause(w.inst);
	world_add_framework(1, "f1", "r", 0);
	w.ops->deactivate_framework(w.inst, 1);
	w.ops->resume(w.inst);
	world_add_agent(1, "cpus:2");
	world_advance(3 * SEC);
	assert_int_equal(w.n_offers, 0);
	w.ops->activate_framework(w.inst, 1);
	world_settle();
	assert_one_offer(1, 1, "cpus:2");
}

static void suppress_and_revive_offers(void **state)
{
	(void)state;
	static const char *const only_a[] = {"a"}, *const unknown[] = {"x"};
	const struct mz_alloc_role roles[] = {{.role = "a"}, {.role = "b", .suppressed = 1}};
	const struct mz_alloc_framework f = {
		.size = sizeof(f), .key = 1, .id = "f1", .name = "f1", .n_roles = 2, .roles = roles};
	w.ops->add_framework(w.inst, &f, 1, NULL, 0);
	world_add_agent(1, "cpus:2");
	world_settle();
	assert_string_equal(w.offers[0].role, "a");
	decline(1, 1, 100 * SEC);
	w.ops->suppress_offers(w.inst, 1, only_a, 1);
	world_advance(2 * SEC);
	assert_int_equal(w.n_offers, 0);
	w.ops->revive_offers(w.inst, 1, unknown, 1);
	world_advance(2 * SEC);
	assert_int_equal(w.n_offers, 0);
	w.ops->revive_offers(w.inst, 1, only_a, 1); /* and its filter is gone */
	world_settle();
	assert_string_equal(w.offers[0].role, "a");
	decline(1, 1, 0);
	w.ops->suppress_offers(w.inst, 1, NULL, 0);
	world_advance(2 * SEC);
	assert_int_equal(w.n_offers, 0);
	w.ops->revive_offers(w.inst, 1, NULL, 0);
	world_settle();
	assert_int_equal(w.n_offers, 1);
}

static void whitelist(void **state)
{
	(void)state;
	static const char *const hosts[] = {"host7", "host2"};
	w.ops->update_whitelist(w.inst, hosts, 2, 0);
	world_add_framework(1, "f1", "r", 0);
	world_add_agent(1, "cpus:1");
	world_add_agent(2, "cpus:2");
	world_advance(2 * SEC);
	assert_one_offer(1, 2, "cpus:2");
	w.ops->update_whitelist(w.inst, NULL, 0, 0);
	decline(1, 2, 0);
	world_advance(2 * SEC);
	assert_int_equal(w.n_offers, 0);
	w.ops->update_whitelist(w.inst, NULL, 0, 1);
	world_advance(SEC);
	assert_int_equal(w.n_offers, 2);
}

static void pause_and_resume(void **state)
{
	(void)state;
	world_add_framework(1, "f1", "r", 0);
	w.ops->pause(w.inst);
	world_add_agent(1, "cpus:1");
	world_advance(5 * SEC);
	assert_int_equal(w.n_offers, 0);
	w.ops->resume(w.inst);
	world_settle();
	assert_one_offer(1, 1, "cpus:1");
}

static void inactive_agent(void **state)
{
	(void)state;
	world_add_framework(1, "f1", "r", 0);
	world_add_agent(1, "cpus:1");
	w.ops->deactivate_agent(w.inst, 1);
	world_advance(2 * SEC);
	assert_int_equal(w.n_offers, 0);
	w.ops->activate_agent(w.inst, 1);
	world_settle();
	assert_one_offer(1, 1, "cpus:1");
}

static void one_agent_is_one_offer(void **state)
{
	(void)state;
	for (mz_key k = 1; k <= 5; k++) {
		char id[8];
		snprintf(id, sizeof(id), "f%d", (int)k);
		world_add_framework(k, id, k & 1 ? "x" : "y", 0);
	}
	world_add_agent(1, "cpus:8;mem:1024;ports:[1-10]");
	world_advance(3 * SEC);
	assert_int_equal(w.n_offers, 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(example_cpu_and_memory),
		TEST(example_sharing_incentive),
		TEST(example_not_monotonic),
		TEST(example_weights),
		TEST(order_by_share),
		TEST(order_by_weighted_share),
		TEST(unreserved_by_role),
		TEST(excluded_from_fairness),
		TEST(reserved_counts),
		TEST(offer_filter),
		TEST(small_offer_filter_timeout),
		TEST(late_batch_still_sees_filter),
		TEST(remove_filters),
		TEST(same_share_fairness),
		TEST(recovered_waits_for_batch),
		TEST(deactivate_and_reactivate_framework),
		TEST(suppress_and_revive_offers),
		TEST(whitelist),
		TEST(pause_and_resume),
		TEST(inactive_agent),
		TEST(one_agent_is_one_offer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
