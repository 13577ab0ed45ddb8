/* idle_frameworks.c - how much a master spends on frameworks that do nothing.
 *
 *	idle_frameworks MEZZOD CONF N [SECONDS]
 *
 * It starts `MEZZOD master -c CONF` in a new directory under $TMPDIR, subscribes N
 * schedulers, and prints one line "NAME VALUE" for each figure: resident memory
 * for each framework, and the part of a processor that heartbeats take.
 * SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "real_master.h"

enum { MAX_WAIT_MS = 20000, BATCH = 200 };

struct scheduler {
	int fd;
	char head[4096]; /* what came before the first events were seen */
	size_t len;
	bool subscribed;
	unsigned long bytes;
};

static struct real_master master;

/* A field of /proc/PID/stat, counted from 1. */
static long stat_field(int field)
{
	char line[1024], *path = xasprintf("/proc/%d/stat", (int)master.pid);
	FILE *f = fopen(path, "r");
	free(path);
	if (!f || !fgets(line, sizeof(line), f))
		give_up("/proc/PID/stat");
	fclose(f);
	char *at = strrchr(line, ')'); /* the end of field 2 */
	for (int i = 2; at && i < field; i++)
		at = strchr(at + 1, ' ');
	return at ? strtol(at, NULL, 10) : 0;
}

static long rss_kb(void)
{
	return stat_field(24) * (sysconf(_SC_PAGESIZE) / 1024);
}

static double cpu_secs(void)
{
	return (double)(stat_field(14) + stat_field(15)) / (double)sysconf(_SC_CLK_TCK);
}

static void subscribe(struct scheduler *s, size_t i)
{
	char *name = xasprintf("idle-%zu", i);
	s->fd = real_master_subscribe(&master, name);
	free(name);
}

static void take(struct scheduler *s)
{
	char drop[65536];
	bool head = !s->subscribed && s->len < sizeof(s->head) - 1;
	ssize_t n = head ? read(s->fd, s->head + s->len, sizeof(s->head) - 1 - s->len) : read(s->fd, drop, sizeof(drop));
	if (n <= 0)
		give_up("a stream has ended");
	s->bytes += (unsigned long)n;
	if (!head)
		return;
	s->len += (size_t)n;
	s->head[s->len] = '\0';
	s->subscribed = strstr(s->head, "\"SUBSCRIBED\"") != NULL;
}

/* Reads what comes until `done` are subscribed (0: do not care) or it is `end`. */
static void read_all(struct scheduler *v, struct pollfd *p, size_t n, size_t done, double end)
{
	for (;;) {
		size_t n_done = 0;
		double left = end - now_secs();
		for (size_t i = 0; i < n; i++) {
			p[i] = (struct pollfd){.fd = v[i].fd, .events = POLLIN};
			n_done += v[i].subscribed;
		}
		if (left <= 0 || (done && n_done >= done))
			return;
		if (poll(p, n, (int)(left * 1000) + 1) < 0)
			give_up("poll");
		for (size_t i = 0; i < n; i++)
			if (p[i].revents)
				take(&v[i]);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: %s MEZZOD CONF N [SECONDS]\n", argv[0]);
		return 2;
	}
	size_t n = (size_t)atol(argv[3]);
	double secs = argc > 4 ? atof(argv[4]) : 30;
	/* A daemon keeps half of its open files for other things than connections. */
	struct rlimit files = {2 * n + 2000, 2 * n + 2000};
	if (n < 1)
		give_up("no frameworks");
	if (setrlimit(RLIMIT_NOFILE, &files) < 0) { /* may not be raised: as many as there are */
		getrlimit(RLIMIT_NOFILE, &files);
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	real_master_start(&master, argv[1], argv[2]);
	struct scheduler *v = xcalloc(n, sizeof(*v));
	struct pollfd *p = xcalloc(n, sizeof(*p));
	long before = rss_kb();
	double began = now_secs();
	for (size_t i = 0; i < n; i++) {
		subscribe(&v[i], i);
		if ((i + 1) % BATCH == 0 || i + 1 == n)
			read_all(v + i - i % BATCH, p, i % BATCH + 1, i % BATCH + 1, now_secs() + MAX_WAIT_MS / 1000.0);
		if ((i + 1) % BATCH == 0 && !v[i].subscribed)
			give_up("not all are subscribed in time");
	}
	printf("frameworks %zu\n", n);
	printf("subscribed_per_s %.0f\n", (double)n / (now_secs() - began));
	printf("rss_kb_per_framework %.2f\n", (double)(rss_kb() - before) / (double)n);
	double cpu = cpu_secs();
	began = now_secs();
	read_all(v, p, n, 0, began + secs);
	printf("heartbeat_cpu_percent %.2f\n", 100 * (cpu_secs() - cpu) / (now_secs() - began));
	printf("rss_kb_total %ld\n", rss_kb());
	real_master_stop(&master);
	return 0;
}
