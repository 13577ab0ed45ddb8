/* bench/allocator - how long allocation rounds of allocator/drf take.
 *
 * Opens the built module as the daemon would and is its master: it keeps no
 * book, so that the time is the module's and that of the resource sets. Prints
 * the median and the worst of several runs with the setting.
 * Usage: bench/allocator [path of drf.so]
 * SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

#include "modules/allocator/drf/drf_world.h"

enum { N_RUNS = 7, N_CHANGES = 200 };

struct setting {
	size_t n_agents, n_frameworks, n_roles;
};

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void print_times(const struct setting *s, const char *what, double *ms, size_t n)
{
	qsort(ms, n, sizeof(ms[0]), compare_doubles);
	printf("%6zu agents %5zu frameworks %4zu roles  %-42s %9.3f ms  worst %9.3f ms\n", s->n_agents,
	       s->n_frameworks, s->n_roles, what, ms[n / 2], ms[n - 1]);
}

static void add_frameworks(const struct setting *s)
{
	for (size_t i = 0; i < s->n_frameworks; i++) {
		char id[32], role[32];
		snprintf(id, sizeof(id), "framework-%zu", i);
		snprintf(role, sizeof(role), "role-%zu", i % s->n_roles);
		world_add_framework(i + 1, id, role, 0);
	}
}

static const char TOTAL[] = "cpus:24;mem:24576;disk:409600;ports:[31000-32000]";

static void start(const struct mz_module *m, const struct setting *s)
{
	static const struct mz_quantity cpus[] = {{"cpus", 10}}, mem[] = {{"mem", 32000}};
	static const struct mz_quantities min[] = {{1, cpus}, {1, mem}};
	world_start(m);
	w.min = min;
	w.n_min = 2;
	add_frameworks(s);
	for (size_t i = 0; i < s->n_agents; i++)
		world_add_agent(i + 1, TOTAL);
}

static double timed_settle(void)
{
	double t = now_ms();
	world_settle();
	return now_ms() - t;
}

static double timed_batch(void)
{
	double t = now_ms();
	world_advance(SEC);
	return now_ms() - t;
}

/* Everything is unused: every agent is offered to somebody. Then a batch finds
 * nothing to do; then one agent joins, again and again. */
static void full_rounds(const struct mz_module *m, const struct setting *s)
{
	double full[N_RUNS], idle[N_RUNS], change[N_CHANGES];
	for (int run = 0; run < N_RUNS; run++) {
		start(m, s);
		w.count_only = 1;
		full[run] = timed_settle();
		if (w.n_offers_ever != s->n_agents) {
			fprintf(stderr, "%zu offers instead of %zu\n", w.n_offers_ever, s->n_agents);
			exit(1);
		}
		idle[run] = timed_batch();
		for (size_t i = 0; run == 0 && i < N_CHANGES; i++) {
			double t = now_ms();
			world_add_agent(s->n_agents + 1 + i, TOTAL);
			world_settle();
			change[i] = now_ms() - t;
		}
		world_end();
	}
	print_times(s, "full round, every agent offered", full, N_RUNS);
	print_times(s, "batch round, nothing unused", idle, N_RUNS);
	print_times(s, "one agent joins: event and round", change, N_CHANGES);
}

/* Every agent is wholly unused, and every framework has a filter for all of it:
 * a batch has to ask each pair, and offers nothing. */
static void all_refused(const struct mz_module *m, const struct setting *s)
{
	double ms[N_RUNS];
	w.res = res_api();
	struct mz_resources *total = world_set(TOTAL);
	start(m, s);
	w.count_only = 1;
	for (size_t a = 0; a < s->n_agents; a++)
		for (size_t f = 0; f < s->n_frameworks; f++) {
			char role[32];
			snprintf(role, sizeof(role), "role-%zu", f % s->n_roles);
			w.ops->recover_resources(w.inst, f + 1, role, a + 1, total, 86400 * SEC, 0);
		}
	timed_batch(); /* compares; the ones after it know */
	for (int run = 0; run < N_RUNS; run++)
		ms[run] = timed_batch();
	if (w.n_offers_ever) {
		fprintf(stderr, "%zu offers of refused resources\n", w.n_offers_ever);
		exit(1);
	}
	print_times(s, "batch round, every pair refused", ms, N_RUNS);
	w.res->destroy(total);
	world_end();
}

/* Agents with ports and disk left, too little for an offer. */
static void crumbs(const struct mz_module *m, const struct setting *s)
{
	double ms[N_RUNS];
	w.res = res_api();
	struct mz_resources *rest = world_set("ports:[31000-32000];disk:100");
	start(m, s);
	world_settle();
	for (size_t i = 0; i < w.n_offers; i++)
		w.ops->recover_resources(w.inst, w.offers[i].framework, w.offers[i].role, w.offers[i].agent, rest,
					 -1, 0);
	for (int run = 0; run < N_RUNS; run++)
		ms[run] = timed_batch();
	print_times(s, "batch round, only crumbs unused", ms, N_RUNS);
	w.res->destroy(rest);
	world_end();
}

int main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{10000, 1000, 50}, {10000, 1000, 1000}, {20000, 2000, 100}, {20000, 2000, 2000}};
	const char *path = argc > 1 ? argv[1] : "modules/allocator/drf.so";
	char full_path[512];
	snprintf(full_path, sizeof(full_path), "%s%s", *path == '/' ? "" : "./", path);
	void *so = dlopen(full_path, RTLD_NOW | RTLD_LOCAL);
	if (!so) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	const struct mz_module *m = dlsym(so, "mz_module");
	if (!m || m->kind != MZ_KIND_ALLOCATOR) {
		fprintf(stderr, "%s is no allocator\n", path);
		return 1;
	}
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		full_rounds(m, &settings[i]);
	crumbs(m, &settings[0]);
	const struct setting small = {2000, 1000, 50};
	all_refused(m, &small);
	return 0;
}
