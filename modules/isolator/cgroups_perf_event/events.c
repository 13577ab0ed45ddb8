/* events.c - see events.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include "events.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../lib/cgroup.h"

static const struct plain {
	const char *name, *alias;
	uint32_t type, config;
} plain[] = {
	{"cycles", "cpu-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
	{"stalled-cycles-frontend", "idle-cycles-frontend", PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND},
	{"stalled-cycles-backend", "idle-cycles-backend", PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_BACKEND},
	{"instructions", "", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
	{"cache-references", "", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES},
	{"cache-misses", "", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
	{"branches", "branch-instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
	{"branch-misses", "", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
	{"bus-cycles", "", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BUS_CYCLES},
	{"ref-cycles", "", PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES},
	{"cpu-clock", "", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK},
	{"task-clock", "", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
	{"page-faults", "faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
	{"minor-faults", "", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN},
	{"major-faults", "", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ},
	{"context-switches", "cs", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES},
	{"cpu-migrations", "migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS},
	{"alignment-faults", "", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_ALIGNMENT_FAULTS},
	{"emulation-faults", "", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_EMULATION_FAULTS},
};

/* "L1-dcache" + "-load-misses", in the order of the kernel's numbers. */
static const char *const caches[] = {"L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch", "node"};
static const char *const cache_ops[][2] = {
	{"-loads", "-load-misses"}, {"-stores", "-store-misses"}, {"-prefetches", "-prefetch-misses"}};

static int has_field(size_t cache, size_t op)
{
	/* No stores into code; translations of code and branches are only looked up. */
	return op == 0 || (cache != 4 && cache != 5 && (cache != 1 || op == 2));
}

static void field_of(const char *name, struct event *e)
{
	size_t n = 0;
	for (; name[n] && n + 1 < sizeof(e->field); n++)
		e->field[n] = name[n] == '-' ? '_' : (char)tolower((unsigned char)name[n]);
	e->field[n] = '\0';
}

static int parse_cache(const char *name, struct event *e)
{
	char text[40];
	for (size_t c = 0; c < sizeof(caches) / sizeof(caches[0]); c++)
		for (size_t i = 0; i < 6; i++) {
			(void)snprintf(text, sizeof(text), "%s%s", caches[c], cache_ops[i / 2][i % 2]);
			if (strcasecmp(text, name) != 0 || !has_field(c, i / 2))
				continue;
			e->type = PERF_TYPE_HW_CACHE;
			e->config = c | (i / 2) << 8 | (i % 2) << 16;
			field_of(text, e);
			return 0;
		}
	return -EINVAL;
}

int event_parse(const char *name, struct event *ret, struct mz_err *err)
{
	struct event e = {0};
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcasecmp(plain[i].name, name) != 0 && (!*name || strcasecmp(plain[i].alias, name) != 0))
			continue;
		e.type = plain[i].type;
		e.config = plain[i].config;
		e.is_clock = strstr(plain[i].name, "-clock") != NULL;
		field_of(plain[i].name, &e);
		*ret = e;
		return 0;
	}
	if (parse_cache(name, &e) < 0)
		return cg_fail(err, -EINVAL, "There is no event '%s' that statistics have a field for", name);
	*ret = e;
	return 0;
}

static int open_one(const struct event *e, int pid_or_cgroup, int cpu, unsigned long flags)
{
	struct perf_event_attr a = {.type = e->type,
				    .size = sizeof(a),
				    .config = e->config,
				    .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING};
	int fd = (int)syscall(SYS_perf_event_open, &a, pid_or_cgroup, cpu, -1, flags | PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int event_probe(const struct event *e, const char *name, struct mz_err *err)
{
	int fd = open_one(e, 0, -1, 0);
	if (fd < 0) {
		/* What the kernel says of events that this processor has not. */
		int rc = fd == -ENOENT || fd == -ENODEV ? -EOPNOTSUPP : fd;
		return cg_fail(err, rc, "The event '%s' cannot be counted on this machine: %s", name, strerror(-rc));
	}
	(void)close(fd);
	return 0;
}

size_t event_cpus(int *cpus, size_t n_max)
{
	char text[4096];
	size_t n = 0;
	if (cg_read_path("/sys/devices/system/cpu/online", text, sizeof(text), NULL) <= 0)
		(void)strcpy(text, "0");
	for (char *p = text; *p && n < n_max; p += *p == ',') {
		long first = strtol(p, &p, 10), last = first;
		if (*p == '-')
			last = strtol(p + 1, &p, 10);
		for (long i = first; i <= last && n < n_max; i++)
			cpus[n++] = (int)i;
		if (*p && *p != ',')
			break;
	}
	return n;
}

int events_open(const struct event *v, size_t n, const char *cgroup, const int *cpus, size_t n_cpus, int *fds)
{
	int rc = 0, dir = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memset(fds, 0xff, n * n_cpus * sizeof(fds[0]));
	if (dir < 0)
		return -errno;
	for (size_t i = 0; i < n * n_cpus && rc == 0; i++) {
		fds[i] = open_one(&v[i / n_cpus], dir, cpus[i % n_cpus], PERF_FLAG_PID_CGROUP);
		/* A processor may have been switched off just now. */
		if (fds[i] < 0 && fds[i] != -ENODEV)
			rc = fds[i];
		if (fds[i] < 0)
			fds[i] = -1;
	}
	(void)close(dir);
	if (rc < 0)
		events_close(n, n_cpus, fds, NULL);
	return rc;
}

void events_close(size_t n, size_t n_cpus, int *fds, double *values)
{
	for (size_t i = 0; i < n * n_cpus; i++) {
		struct {
			uint64_t value, enabled, running;
		} r;
		double *to = values ? &values[i / n_cpus] : NULL;
		if (to && i % n_cpus == 0)
			*to = -1;
		if (fds[i] < 0)
			continue;
		if (to && read(fds[i], &r, sizeof(r)) == (ssize_t)sizeof(r) && (r.running || !r.enabled)) {
			double value = (double)r.value;
			if (r.running && r.running < r.enabled)
				value *= (double)r.enabled / (double)r.running;
			*to = (*to < 0 ? 0 : *to) + value;
		}
		(void)close(fds[i]);
		fds[i] = -1;
	}
}
