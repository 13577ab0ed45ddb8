/* containers.h - between the files of bench/containers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BENCH_CONTAINERS_H
#define MZ_BENCH_CONTAINERS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "loop/loop_event.h"

static inline int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static inline int bench_compare(const void *p, const void *q)
{
	int64_t x = *(const int64_t *)p, y = *(const int64_t *)q;
	return (x > y) - (x < y);
}

/* How many others run or wait for a processor right now. */
static inline int bench_others(void)
{
	int n = 1;
	FILE *f = fopen("/proc/loadavg", "re");
	if (f && fscanf(f, "%*s %*s %*s %d", &n) != 1)
		n = 1;
	if (f)
		fclose(f);
	return n - 1;
}

/* So long, in which the loop turns. For what the kernel only tells who looks: how busy
 * it is, how much time a group has used. */
static inline void bench_pause(struct loop *l, int64_t ns)
{
	for (int64_t end = now_ns() + ns, left = ns; left > 0; left = end - now_ns())
		loop_event_turn(l, left);
}

/* Until nothing else runs, at most so long: true if that came. */
static inline int bench_wait_idle(struct loop *l, int max_ms)
{
	for (int i = 0, quiet = 0; i < max_ms / 2; i++) {
		quiet = bench_others() ? 0 : quiet + 1;
		if (quiet == 5)
			return 1;
		bench_pause(l, 2000000);
	}
	return 0;
}

/* "NAME_p50_ms 1.234", p99 and max; sorts v. */
static inline void bench_spread(const char *name, int64_t *v, size_t n)
{
	qsort(v, n, sizeof(v[0]), bench_compare);
	printf("%s_p50_ms %.3f\n%s_p99_ms %.3f\n%s_max_ms %.3f\n", name, (double)v[n / 2] / 1e6, name,
	       (double)v[(n * 99 + 99) / 100 - 1] / 1e6, name, (double)v[n - 1] / 1e6);
}

static inline void bench_rate(const char *name, size_t n, int64_t ns)
{
	printf("%s_per_s %.0f\n", name, (double)n * 1e9 / (double)ns);
	fflush(stdout);
}

/* Through a registry of modules of our own, without an agent: argv is
 * BUILD WORK-DIR CGROUPS-ROOT N ISOLATOR... */
int direct_main(int argc, char **argv);

#endif
