/* events.h - the events of isolator/cgroups_perf_event: their names, and counting them for
 * one cgroup on all processors. Blocking, for worker threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_CGROUPS_PERF_EVENT_EVENTS_H
#define MZ_CGROUPS_PERF_EVENT_EVENTS_H

#include <mezzo/types.h>

enum { EVENTS_MAX = 32, EVENT_CPUS_MAX = 1024 };

struct event {
	uint32_t type; /* PERF_TYPE_* */
	uint64_t config;
	char field[40]; /* of PerfStatistics: "cpu_clock" */
	int is_clock;	/* nanoseconds, told as milliseconds */
};

/* By the name that perf has for it: "cycles", "LLC-loads". -EINVAL. */
int event_parse(const char *name, struct event *ret, struct mz_err *err);
/* Can this process count it on this machine? -EOPNOTSUPP, -EACCES … */
int event_probe(const struct event *e, const char *name, struct mz_err *err);

/* Numbers of the processors that run; returns how many. */
size_t event_cpus(int *cpus, size_t n_max);

/* Starts to count; fds has room for n * n_cpus, of which closed ones are -1.
 * -ENOENT: there is no such cgroup. */
int events_open(const struct event *v, size_t n, const char *cgroup, const int *cpus, size_t n_cpus, int *fds);
/* Ends it: what was counted, for all processors together, scaled to the whole time where
 * the processor had to take turns; -1: it never had one. fds are closed. */
void events_close(size_t n, size_t n_cpus, int *fds, double *values);

#endif
