/* drf_model_test.c - the DRF allocator: who may have what (capabilities,
 * reservations, smallest offers, constraints), changes of form, what is told by
 * those who come back; and random sequences against a book of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

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

static void assert_is(const struct mz_resources *got, const char *text)
{
	struct mz_resources *want = world_set(text);
	if (!w.res->equal(got, want)) {
		char got_text[200];
		w.res->format(got, got_text, sizeof(got_text));
		assert_string_equal(got_text, text);
	}
	w.res->destroy(want);
}

/* Exactly one offer is open for the framework ("" : none). */
static void assert_offered(mz_key framework, const char *text)
{
	size_t n = 0;
	for (size_t i = 0; i < w.n_offers; i++)
		if (w.offers[i].framework == framework) {
			n++;
			assert_is(w.offers[i].resources, text);
		}
	assert_int_equal(n, *text != '\0');
}

static void take_back_all(void)
{
	while (w.n_offers) {
		struct world_offer o = w.offers[--w.n_offers];
		w.ops->recover_resources(w.inst, o.framework, o.role, o.agent, o.resources, 0, 0);
		w.res->destroy(o.resources);
	}
}

static void recover(mz_key framework, const char *role, mz_key agent, const char *text)
{
	struct mz_resources *r = world_set(text);
	w.ops->recover_resources(w.inst, framework, role, agent, r, -1, 1);
	w.res->destroy(r);
}

/* ---- who may have what ---------------------------------------------------------------- */

static void reserved_for_role_and_below(void **state)
{
	(void)state;
	world_add_framework(1, "f1", "eng", 0);
	world_add_framework(2, "f2", "eng/web", 0);
	world_add_framework(3, "f3", "english", 0);
	world_add_framework(4, "f4", "*", 0);
	world_add_agent(1, "cpus(eng):1");
	world_add_agent(2, "cpus(eng/web):2");
	world_add_agent(3, "cpus(nobody):3;cpus(other):1");
	world_settle();
	assert_int_equal(w.n_offers, 2); /* each to one of those that may */
	assert_offered(3, "");
	assert_offered(4, "");
	w.ops->remove_framework(w.inst, 1);
	take_back_all();
	world_advance(SEC);
	assert_int_equal(w.n_offers, 2); /* the child has its own and its parent's */
	assert_int_equal(w.offers[0].framework, 2);
	assert_int_equal(w.offers[1].framework, 2);
	take_back_all();
	w.ops->remove_framework(w.inst, 2);
	world_advance(SEC);
	assert_int_equal(w.n_offers, 0);
	world_add_agent(4, "cpus:5;cpus(other):1");
	world_settle();
	assert_int_equal(w.n_offers, 1);
	assert_is(w.offers[0].resources, "cpus:5");
}

/* What one leaves because it may not have it goes to the next. */
static void capabilities_strip(void **state)
{
	(void)state;
	static const char both[] =
		"[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":2}},"
		"{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":3},\"revocable\":{}}]";
	static const char revocable[] =
		"[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":3},\"revocable\":{}}]";
	world_add_framework(1, "f1", "a", 0);
	world_add_agent(1, both);
	world_settle();
	assert_offered(1, "cpus:2");
	world_add_framework(2, "f2", "b", MZ_FW_REVOCABLE);
	world_settle();
	assert_offered(2, revocable);
	take_back_all();
	w.ops->remove_framework(w.inst, 1);
	world_advance(SEC);
	assert_offered(2, both);
}

static void gpus_only_for_those_who_know(void **state)
{
	(void)state;
	w.filter_gpu = 1;
	world_add_framework(1, "f1", "a", 0);
	world_add_agent(1, "cpus:2;gpus:1");
	world_settle();
	assert_int_equal(w.n_offers, 0);
	world_add_framework(2, "f2", "b", MZ_FW_GPU);
	world_settle();
	assert_offered(2, "cpus:2;gpus:1");
	take_back_all();
	w.ops->remove_framework(w.inst, 2);
	w.filter_gpu = 0;
	world_advance(SEC);
	assert_offered(1, "cpus:2;gpus:1");
}

static void agents_that_need_a_capability(void **state)
{
	(void)state;
	struct mz_resources *total = world_set("cpus:1");
	struct mz_alloc_agent a = {.size = sizeof(a), .key = 1, .hostname = "h", .total = total};
	world_add_framework(1, "f1", "a", 0); /* multi-role, as the helper makes it */
	w.ops->add_agent(w.inst, &a, NULL, 0);
	a.key = 2;
	a.multi_role = a.remote_region = 1;
	w.ops->add_agent(w.inst, &a, NULL, 0);
	world_advance(SEC);
	assert_int_equal(w.n_offers, 0);
	world_add_framework(2, "f2", "b", MZ_FW_REGION_AWARE);
	world_settle();
	assert_int_equal(w.n_offers, 1);
	assert_int_equal(w.offers[0].agent, 2);
	w.res->destroy(total);
}

static void smallest_offer(void **state)
{
	(void)state;
	static const struct mz_quantity cpus[] = {{"cpus", 10}}, mem[] = {{"mem", 32000}},
					both[] = {{"cpus", 2000}, {"ports", 3000}};
	static const struct mz_quantities alternatives[] = {{1, cpus}, {1, mem}}, own[] = {{2, both}};
	w.min = alternatives;
	w.n_min = 2;
	world_add_framework(1, "f1", "a", 0);
	world_add_agent(1, "cpus:0.009;mem:31;ports:[1-9];disk:1000");
	world_advance(SEC);
	assert_int_equal(w.n_offers, 0);
	world_add_agent(2, "mem:32");
	world_add_agent(3, "cpus:0.01");
	world_settle();
	assert_int_equal(w.n_offers, 2);

	struct mz_alloc_role role = {.role = "b", .has_filters = 1, .n_min = 1, .min_allocatable = own};
	struct mz_alloc_framework f = {
		.size = sizeof(f), .key = 2, .id = "f2", .name = "f2", .n_roles = 1, .roles = &role};
	w.ops->remove_framework(w.inst, 1);
	w.ops->add_framework(w.inst, &f, 1, NULL, 0);
	world_add_agent(4, "cpus:2;ports:[1-2]");
	world_add_agent(5, "cpus:2;ports:[1-2,5-5]");
	world_settle();
	assert_offered(2, "cpus:2;ports:[1-2,5-5]");
	take_back_all();
	role.n_min = 0; /* everything will do */
	w.ops->update_framework(w.inst, &f);
	world_settle();
	assert_int_equal(w.n_offers, 5);
	take_back_all();
	role.has_filters = 0;
	w.ops->update_framework(w.inst, &f);
	world_settle();
	assert_int_equal(w.n_offers, 4);
}

/* Frameworks may ask for what there is not, under any name; it may come later. */
static void names_that_nobody_has(void **state)
{
	(void)state;
	char name[16] = "widgets";
	const struct mz_quantity one = {name, 1000};
	const struct mz_quantities own = {1, &one};
	struct mz_alloc_role role = {.role = "b", .has_filters = 1, .n_min = 1, .min_allocatable = &own};
	struct mz_alloc_framework f = {
		.size = sizeof(f), .key = 1, .id = "f1", .name = "f1", .n_roles = 1, .roles = &role};
	const struct drf *d = w.inst;
	w.ops->add_framework(w.inst, &f, 1, NULL, 0);
	world_add_agent(1, "cpus:1");
	world_advance(SEC);
	assert_int_equal(w.n_offers, 0);
	size_t n_names = d->names.n;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "odd%d", i);
		w.ops->update_framework(w.inst, &f);
		world_advance(SEC);
	}
	assert_int_equal(d->names.n, n_names);
	strcpy(name, "widgets");
	w.ops->update_framework(w.inst, &f);
	world_add_agent(2, "gadgets:1");
	world_advance(SEC);
	assert_int_equal(w.n_offers, 0);
	world_add_agent(3, "widgets:1");
	world_settle();
	assert_offered(1, "widgets:1");
	world_add_agent(4, "widgets:0.5");
	world_advance(SEC);
	assert_int_equal(w.n_offers, 1);
}

static void constraints_are_asked(void **state)
{
	(void)state;
	const struct mz_alloc_role role = {.role = "b"};
	const struct mz_alloc_framework f = {.size = sizeof(f),
					     .key = 1,
					     .id = "f1",
					     .name = "f1",
					     .n_roles = 1,
					     .roles = &role,
					     .constraints = (const struct mz_constraints *)&w};
	w.refuse_constraints = 1;
	w.ops->add_framework(w.inst, &f, 1, NULL, 0);
	world_add_agent(1, "cpus:1");
	world_advance(SEC);
	assert_int_equal(w.n_offers, 0);
	w.refuse_constraints = 0;
	world_advance(SEC);
	assert_int_equal(w.n_offers, 1);
}

/* ---- changes of form -------------------------------------------------------------------- */

static void conversions(void **state)
{
	(void)state;
	struct mz_resources *plain = world_set("cpus:2"), *reserved = world_set("cpus(a):2");
	const struct mz_conversion reserve = {plain, reserved}, back = {reserved, plain};
	struct mz_err err = {0};
	world_add_framework(1, "f1", "a", 0);
	world_add_agent(1, "cpus:4");
	world_settle();
	/* An accepted offer: half of it is reserved, and comes back. */
	struct world_offer o = w.offers[--w.n_offers];
	w.ops->update_allocation(w.inst, 1, "a", 1, o.resources, &reserve, 1);
	w.res->destroy(o.resources);
	recover(1, "a", 1, "cpus:2;cpus(a):2");
	world_add_framework(2, "f2", "b", 0);
	w.ops->suppress_offers(w.inst, 1, NULL, 0);
	world_advance(SEC);
	assert_offered(2, "cpus:2");
	/* The operator gives it back while it is unused, and cannot while it is offered. */
	assert_int_equal(w.ops->update_available(w.inst, 1, &reserve, 1, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "cpus"));
	assert_int_equal(w.ops->update_available(w.inst, 1, &back, 1, &err), 0);
	assert_int_equal(w.ops->update_available(w.inst, 7, &back, 1, &err), -ENOENT);
	take_back_all();
	world_advance(SEC);
	assert_offered(2, "cpus:4");
	take_back_all();
	/* In sequence: what the first makes, the second may take. */
	const struct mz_conversion there_and_back[] = {reserve, back, reserve};
	assert_int_equal(w.ops->update_available(w.inst, 1, there_and_back, 3, &err), 0);
	world_advance(SEC);
	assert_offered(2, "cpus:2");
	w.res->destroy(plain);
	w.res->destroy(reserved);
}

/* ---- those who come back ------------------------------------------------------------------ */

static void come_back(int agent_first, int both_tell)
{
	struct mz_resources *r = world_set("cpus:3"), *total = world_set("cpus:4");
	const struct mz_alloc_use use = {1, 1, "a", r};
	const struct mz_alloc_role role = {.role = "a"};
	const struct mz_alloc_framework f = {
		.size = sizeof(f), .key = 1, .id = "f1", .name = "f1", .n_roles = 1, .roles = &role};
	const struct mz_alloc_agent a = {
		.size = sizeof(a), .key = 1, .hostname = "h", .multi_role = 1, .total = total};
	world_add_framework(2, "f2", "b", 0);
	if (agent_first) {
		w.ops->add_agent(w.inst, &a, &use, 1);
		world_settle();
		assert_offered(2, "cpus:1");
		w.ops->add_framework(w.inst, &f, 1, &use, both_tell);
	} else {
		w.ops->add_framework(w.inst, &f, 1, &use, 1);
		w.ops->add_agent(w.inst, &a, &use, both_tell);
		world_settle();
		assert_offered(2, "cpus:1"); /* the other one has more already */
	}
	const struct drf *d = w.inst;
	const struct framework *f1 = key_map_get(&d->frameworks_by_key, 1);
	assert_int_equal(((struct client *)f1->clients.v[0])->node.held.v[0], 3000);
	recover(1, "a", 1, "cpus:3");
	assert_int_equal(((struct client *)f1->clients.v[0])->node.held.v[0], 0);
	world_advance(SEC);
	assert_offered(1, "cpus:3");
	w.ops->remove_agent(w.inst, 1);
	assert_int_equal(((struct client *)f1->clients.v[0])->node.held.v[0], 0);
	w.res->destroy(r);
	w.res->destroy(total);
}

static void uses_are_remembered(void **state)
{
	(void)state;
	world_end();
	for (int i = 0; i < 4; i++) {
		world_start(&mz_module);
		come_back(i & 1, i >> 1);
		world_end();
	}
	world_start(&mz_module);
}

static void late_recovery_is_harmless(void **state)
{
	(void)state;
	world_add_framework(1, "f1", "a", 0);
	world_add_agent(1, "cpus:4");
	world_settle();
	w.ops->remove_framework(w.inst, 1);
	recover(1, "a", 1, "cpus:4");
	recover(1, "a", 1, "cpus:4");
	recover(1, "zzz", 1, "cpus:4");
	recover(1, "a", 9, "cpus:4");
	w.n_offers--;
	w.res->destroy(w.offers[0].resources);
	world_add_framework(2, "f2", "a", 0);
	world_settle();
	assert_offered(2, "cpus:4");
}

/* ---- random sequences ------------------------------------------------------------------------ */

enum { N_AGENTS = 12, N_FRAMEWORKS = 9, N_EVENTS = 1500, N_SEEDS = 25 };

/* What the frameworks hold; an offer that is not declined becomes an entry. */
static struct world_offer held[4096];
static size_t n_held;
static bool is_agent[N_AGENTS + 1], is_framework[N_FRAMEWORKS + 1], is_active[N_FRAMEWORKS + 1];
static uint64_t dice;

static unsigned roll(unsigned n)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((dice >> 33) % n);
}

static const char *const totals[] = {"cpus:4;mem:1024;ports:[1-20]", "cpus:8;mem:512;cpus(a):2",
				     "cpus:1;mem:4096;mem(a/x):64;disk:100", "cpus(b):3;mem(b):300;cpus:1"};
static const char *const roles[] = {"a", "b", "a/x", "*"};

static void drop(struct world_offer *v, size_t *n, size_t i)
{
	w.res->destroy(v[i].resources);
	v[i] = v[--*n];
}

/* Gives back everything that matches, through the allocator if tell. */
static void drop_matching(struct world_offer *v, size_t *n, mz_key framework, mz_key agent, bool tell)
{
	for (size_t i = *n; i-- > 0;) {
		if ((framework && v[i].framework != framework) || (agent && v[i].agent != agent))
			continue;
		if (tell)
			w.ops->recover_resources(w.inst, v[i].framework, v[i].role, v[i].agent, v[i].resources,
						 -1, v == held);
		drop(v, n, i);
	}
}

static void answer_offer(void)
{
	if (!w.n_offers)
		return;
	size_t i = roll((unsigned)w.n_offers);
	struct world_offer o = w.offers[i];
	w.offers[i] = w.offers[--w.n_offers];
	if (roll(2) || n_held == 4096) {
		int64_t refuse = (int64_t)roll(4) * SEC;
		w.ops->recover_resources(w.inst, o.framework, o.role, o.agent, o.resources, refuse, 0);
		w.res->destroy(o.resources);
		return;
	}
	/* Keeps the cpus, gives back the rest. */
	struct mz_resources *rest = w.res->copy(o.resources), *kept = w.res->create();
	for (size_t k = 0; k < w.res->count(o.resources); k++)
		if (strcmp(w.res->kind(w.res->item(o.resources, k).kind)->name, "cpus") == 0)
			w.res->add_item(kept, o.resources, k);
	w.res->subtract(rest, kept);
	w.ops->recover_resources(w.inst, o.framework, o.role, o.agent, rest, roll(3) * SEC, 0);
	w.res->destroy(rest);
	w.res->destroy(o.resources);
	o.resources = kept;
	held[n_held++] = o;
}

static void toggle_agent(mz_key key)
{
	if (is_agent[key]) {
		w.ops->remove_agent(w.inst, key);
		drop_matching(w.offers, &w.n_offers, 0, key, false);
		drop_matching(held, &n_held, 0, key, false);
	} else {
		world_add_agent(key, totals[key % 4]);
	}
	is_agent[key] = !is_agent[key];
}

static void toggle_framework(mz_key key)
{
	char id[16];
	snprintf(id, sizeof(id), "f%d", (int)key);
	if (is_framework[key]) {
		drop_matching(w.offers, &w.n_offers, key, 0, true);
		drop_matching(held, &n_held, key, 0, true);
		w.ops->remove_framework(w.inst, key);
	} else {
		world_add_framework(key, id, roles[key % 4], 0);
	}
	is_active[key] = is_framework[key] = !is_framework[key];
}

static void random_event(void)
{
	mz_key agent = 1 + roll(N_AGENTS), framework = 1 + roll(N_FRAMEWORKS);
	switch (roll(16)) {
	case 0:
		toggle_agent(agent);
		break;
	case 1:
		toggle_framework(framework);
		break;
	case 2:
		is_active[framework] = false;
		w.ops->deactivate_framework(w.inst, framework);
		break;
	case 3:
		is_active[framework] = is_framework[framework];
		w.ops->activate_framework(w.inst, framework);
		break;
	case 4:
		w.ops->suppress_offers(w.inst, framework, NULL, 0);
		break;
	case 5:
		w.ops->revive_offers(w.inst, framework, NULL, 0);
		break;
	case 6:
		w.ops->update_weight(w.inst, roles[roll(4)], 1 + roll(3));
		break;
	case 7:
	case 8:
		world_advance((int64_t)roll(2000) * 1000000);
		break;
	case 9:
		if (n_held) {
			size_t i = roll((unsigned)n_held);
			w.ops->recover_resources(w.inst, held[i].framework, held[i].role, held[i].agent,
						 held[i].resources, -1, 1);
			drop(held, &n_held, i);
		}
		break;
	default:
		answer_offer();
	}
}

/* Of every agent all that is offered or held is there, and no part twice; the
 * allocator's unused is exactly what is left. */
static void check_agents(void)
{
	struct drf *d = w.inst;
	for (mz_key key = 1; key <= N_AGENTS; key++) {
		if (!is_agent[key])
			continue;
		struct mz_resources *left = world_set(totals[key % 4]);
		for (size_t pass = 0; pass < 2; pass++) {
			const struct world_offer *v = pass ? held : w.offers;
			for (size_t i = 0; i < (pass ? n_held : w.n_offers); i++) {
				if (v[i].agent != key)
					continue;
				assert_true(w.res->contains(left, v[i].resources));
				w.res->subtract(left, v[i].resources);
			}
		}
		assert_true(w.res->equal(left, agent_unused(d, agent_find(d, key))));
		w.res->destroy(left);
	}
}

static void check_shares(void)
{
	struct drf *d = w.inst;
	for (size_t f = 0; f < d->frameworks.n; f++) {
		struct framework *fw = d->frameworks.v[f];
		struct client *c = fw->clients.v[0];
		struct amounts sum = {0};
		for (size_t i = 0; i < w.n_offers; i++)
			if (w.offers[i].framework == fw->key)
				amounts_count(d, &sum, w.offers[i].resources, 1);
		for (size_t i = 0; i < n_held; i++)
			if (held[i].framework == fw->key)
				amounts_count(d, &sum, held[i].resources, 1);
		for (size_t i = 0; i < d->names.n; i++)
			assert_int_equal(*amounts_at(&sum, i), *amounts_at(&c->node.held, i));
		free(sum.v);
	}
	orders_update(d);
	for (size_t r = 0; r < d->roles.nodes.n; r++) {
		const struct role *role = d->roles.nodes.v[r];
		const struct node *before = NULL;
		assert_true(role->clients.nodes.n > 0);
		for (size_t i = 0; i < role->clients.nodes.n; i++) {
			const struct node *n = role->clients.nodes.v[i];
			assert_true(((const struct client *)n)->framework->is_active);
			assert_true(!before || before->share <= n->share);
			before = n;
		}
	}
}

static void random_sequences(void **state)
{
	(void)state;
	size_t n_offers = 0;
	world_end();
	for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
		memset(is_agent, 0, sizeof(is_agent));
		memset(is_framework, 0, sizeof(is_framework));
		n_held = 0;
		dice = seed * 7919;
		world_start(&mz_module);
		w.random = seed;
		for (int i = 0; i < N_EVENTS; i++) {
			size_t before = w.n_offers;
			random_event();
			world_settle();
			for (size_t o = before; o < w.n_offers; o++) /* nobody inactive gets offers */
				assert_true(is_active[w.offers[o].framework] && is_agent[w.offers[o].agent]);
			check_agents();
			check_shares();
		}
		n_offers += w.n_offers_ever;
		drop_matching(held, &n_held, 0, 0, false);
		world_end();
	}
	assert_true(n_offers > N_SEEDS * 100); /* it was about something */
	world_start(&mz_module);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(reserved_for_role_and_below),
		TEST(capabilities_strip),
		TEST(gpus_only_for_those_who_know),
		TEST(agents_that_need_a_capability),
		TEST(smallest_offer),
		TEST(names_that_nobody_has),
		TEST(constraints_are_asked),
		TEST(conversions),
		TEST(uses_are_remembered),
		TEST(late_recovery_is_harmless),
		TEST(random_sequences),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
